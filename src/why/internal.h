/* SPDX-License-Identifier: Apache-2.0 */
/* What the explanations of the kinds share. */
#ifndef WHY_INTERNAL_H
#define WHY_INTERNAL_H

#include "api/object.h"
#include "api/schema/core_event_v1.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/meta_v1.h"
#include "api/selector.h"
#include "why/why.h"

#define WHY_STEPS_MAX 12

typedef struct Why {
    Arena *arena;
    const WhySource *source;
    int64_t now_ns;
    WhyChain *chain;
} Why;

/* Adds a step; `next` may be NULL. */
void why_step(Why *why, const Kind *kind, const char *name, const char *reason, const char *message,
              const char *next);
/* "a sentence about %s", in the arena of the chain. */
#define WHY_TEXT(why, ...) arena_printf((why)->arena, __VA_ARGS__)

/* Explains another object of the chain. Returns whether this added steps. */
bool why_follow(Why *why, const Kind *kind, const void *value);
/* The object if it can be read, else NULL. An object that does not exist becomes a step of the chain:
 * "ConfigMap x does not exist", with the advice `next`. */
const void *why_need(Why *why, const Kind *kind, const char *ns, const char *name,
                     const char *next);
/* The newest Event about the object whose reason is one of these (NULL-ended), or NULL. */
const Event *why_event(Why *why, const ObjectMeta *meta, const char *const *reasons);
/* Objects that the selector matches; none if they cannot be read. */
WhyList why_list(Why *why, const Kind *kind, const char *ns, const Selector *selector);
bool why_owned_by(const ObjectMeta *meta, const char *uid);
/* Follows the first pod of the list that waits. A NULL uid: whoever owns it. */
bool why_follow_pods(Why *why, const WhyList *pods, const char *owner_uid);
/* What to do about a refused creation, by the message of the API server. */
const char *why_advice_for_refusal(const char *message);

/* The table of the kinds that have an explanation of their own is in why.c. */
void why_pod(Why *why, const void *value);
void why_claim(Why *why, const void *value);
void why_stateful_set(Why *why, const void *value);
void why_deployment(Why *why, const void *value);
void why_replica_set(Why *why, const void *value);
void why_replication_controller(Why *why, const void *value);
void why_daemon_set(Why *why, const void *value);
void why_job(Why *why, const void *value);
void why_service(Why *why, const void *value);
void why_ingress(Why *why, const void *value);
void why_node(Why *why, const void *value);
void why_namespace(Why *why, const void *value);
void why_budget(Why *why, const void *value);

#endif
