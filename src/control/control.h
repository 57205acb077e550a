/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All controllers of one server, and the work queue that each of them has.
 *
 * A controller is a row of a table (controllers.h): a name, the kinds that it watches, and a
 * function that reconciles one key. That function gathers the objects that the key concerns, calls a
 * pure plan function, and issues the writes that the plan asks for. It never blocks. Several writes
 * of one reconcile may be in flight, but a key has at most one reconcile at a time.
 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include "api/client.h"
#include "api/usage.h"
#include "base/time/clock.h"

typedef struct CertificateSigningRequestSpec CertificateSigningRequestSpec;
typedef struct Control Control; /* all controllers of one server */

typedef struct ControlOptions {
    Client *client;
    Clock *clock;
    Random *random;
    const char *load_balancer_cidr; /* addresses for LoadBalancer Services; NULL for none */
    const char *node_name;          /* of the one node */
    const char *root_ca_pem;        /* for kube-root-ca.crt */
    const char *ca_key_pem;         /* the key of root_ca_pem; NULL: no certificates are issued */
    /* Whether the creator of a CertificateSigningRequest may create this subresource of one. NULL: no
     * request is approved by itself. */
    bool (*may_request)(void *data, const CertificateSigningRequestSpec *requester,
                        const char *subresource);
    void *may_request_data;
    const char *volume_dir; /* where provisioned volumes are: DATA/volumes */
    /* Reserves disk space for a volume, or for its expansion, and answers with STATUS_NO_SPACE if
     * there is not enough at the moment. NULL means that space is never short. */
    void (*reserve_volume)(void *data, const char *name, int64_t size, bool reserved,
                           ClientDone done, void *done_data);
    void *reserve_volume_data;
    UsageSource *usage;      /* NULL: nothing is measured; see control_set_usage() */
    const char *api_address; /* the endpoint of the Service "kubernetes"; NULL for none */
    uint16_t api_port;
} ControlOptions;

/* What the options point to must stay valid until control_stop(). */
Control *control_start(const ControlOptions *options);
/* No callback is called afterwards, not even for writes that are still in flight. */
Control *control_stop(Control *control);
/* What pods use is known from here on; NULL: not any more. */
void control_set_usage(Control *control, UsageSource *usage);
/* The disk has room again for a volume that reserve_volume() has refused. */
void control_volume_room(Control *control);
/* For the health check: a message if a reconcile has been running for longer than `patience_ns`,
 * else NULL. */
const char *control_trouble(Control *control, int64_t patience_ns);

/* ---- for controllers ---- */

/* A queue of keys ("ns/name"). The loop calls process() for one key at a time. A key that is added
 * while it is being processed is processed again afterwards, never twice at the same time. */
typedef struct WorkQueue WorkQueue;
typedef struct WorkQueueOps {
    void (*process)(void *data, const char *key); /* must lead to one workqueue_done() */
} WorkQueueOps;

typedef enum WorkResult {
    WORK_FAILED,   /* retry after 5 ms, 10 ms, ... up to 1000 s */
    WORK_DONE,     /* resets that back-off */
    WORK_PROGRESS, /* also resets the back-off of requeues: the cluster has changed */
} WorkResult;

WorkQueue *workqueue_new(Clock *clock, const WorkQueueOps *ops, void *data);
WorkQueue *workqueue_free(WorkQueue *queue);
/* Processes the key as soon as possible. A call from inside of process() counts as a requeue and is
 * delayed by the back-off for requeues. */
void workqueue_add(WorkQueue *queue, const char *key);
/* If the key is waiting already, the earlier of the two times applies. */
void workqueue_add_after(WorkQueue *queue, const char *key, int64_t delay_ns);
/* Ends the processing of a key. Unless it has failed, the key is requeued after `again_after_ns`; if
 * that is negative, only an event or another call adds the key again. Requeues without progress are
 * backed off as failures are. Returns how many times in a row the key has failed. */
unsigned workqueue_done(WorkQueue *queue, const char *key, WorkResult result,
                        int64_t again_after_ns);
/* Reports the queue in the metrics workqueue_* under this name. */
void workqueue_set_name(WorkQueue *queue, const char *name);

#endif
