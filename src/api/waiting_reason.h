/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reasons that kubelet writes into `state.waiting.reason` of a container's status. Code decides by the enum, and only
 * the table in waiting_reason.c knows the texts, so a misspelt text cannot silently change a decision.
 */
#ifndef API_WAITING_REASON_H
#define API_WAITING_REASON_H

typedef enum WaitingReason {
    WAITING_NONE,                 /* no reason is given */
    WAITING_CONTAINER_CREATING,   /* its first start has not been answered yet */
    WAITING_POD_INITIALIZING,     /* the pod has init containers, and they come first */
    WAITING_CRASH_LOOP_BACK_OFF,  /* it ended, and is started again after a delay */
    WAITING_RUN_CONTAINER_ERROR,  /* the runtime created it, but could not start it */
    WAITING_CREATE_ERROR,         /* the runtime could not create it */
    WAITING_CONFIG_ERROR,         /* its spec refers to something that is missing or unusable */
    WAITING_INVALID_IMAGE_NAME,   /* the image name cannot be parsed */
    WAITING_IMAGE_INSPECT_ERROR,  /* the image of this machine cannot be read */
    WAITING_ERR_IMAGE_PULL,       /* the image is not available */
    WAITING_REGISTRY_UNAVAILABLE, /* the same, because its registry cannot be reached */
    WAITING_IMAGE_PULL_BACK_OFF,  /* the same; the next attempt comes after a delay */
    WAITING_ERR_IMAGE_NEVER_PULL, /* the image is not available, and the policy forbids to pull it */
    WAITING_OTHER,                /* a reason that some other client wrote */
} WaitingReason;

/* The text for clients. NULL for WAITING_NONE; WAITING_OTHER has no text and must not be passed. */
const char *waiting_reason_text(WaitingReason reason);
/* The reason that a status holds. NULL and "" give WAITING_NONE, unknown texts WAITING_OTHER. */
WaitingReason waiting_reason_parse(const char *text);

#endif
