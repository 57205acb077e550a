/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every controller is made of: informers (indexed views of the watch), a work queue (each key
 * at most once, with back-off), and the context of the world (client, clock, random).
 *
 * A controller is a row of a table: a name, how it starts, what it watches. It gathers, calls a
 * pure function, and carries out. It never blocks; several writes may be under way, but only one
 * reconcile a key at a time.
 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include "api/client.h"
#include "base/time/clock.h"

typedef struct Control Control; /* all controllers of one server */

typedef struct ControlOptions {
    Client *client;
    Clock *clock;
    Random *random;
    const char *load_balancer_cidr; /* addresses for LoadBalancer Services; NULL: none */
    const char *node_name;          /* of the one node */
    const char *root_ca_pem;        /* for kube-root-ca.crt */
    const char *volume_class; /* "standard": the default class, made if missing; NULL: none is */
    const char *volume_dir;   /* where the volumes that we make lie: DATA/volumes */
    /* Takes the room of a volume, or of its growth; STATUS_NO_SPACE: there is none now. NULL: there
     * always is room. */
    void (*reserve_volume)(void *data, const char *name, int64_t size, ClientDone done,
                           void *done_data);
    void *reserve_volume_data;
    const char *api_address; /* where the kubernetes Service points: its endpoint */
    uint16_t api_port;
} ControlOptions;

Control *control_start(const ControlOptions *options);
Control *control_stop(Control *control); /* after this no callback comes */
/* For health: a reconcile has been under way for longer than this. NULL: none has. */
const char *control_trouble(Control *control, int64_t patience_ns);

/* ---- for controllers ---- */

/* A queue of keys ("ns/name"). process is called from the loop, one key at a time; while a
 * reconcile of a key is under way the key is not handed out again, but remembered. */
typedef struct WorkQueue WorkQueue;
typedef struct WorkQueueOps {
    void (*process)(void *data, const char *key); /* must end in workqueue_done, now or later */
} WorkQueueOps;

typedef enum WorkResult {
    WORK_FAILED,   /* again after 5 ms, 10 ms, ... up to 1000 s */
    WORK_DONE,     /* forgets the failures */
    WORK_PROGRESS, /* and the requeues: the run has changed something in the cluster */
} WorkResult;

WorkQueue *workqueue_new(Clock *clock, Random *random, const WorkQueueOps *ops, void *data);
WorkQueue *workqueue_free(WorkQueue *queue);
/* As soon as possible; from inside of process(), after the back-off for requeues. */
void workqueue_add(WorkQueue *queue, const char *key);
/* Of two delays the earlier one counts. */
void workqueue_add_after(WorkQueue *queue, const char *key, int64_t delay_ns);
/* again_after_ns: requeue the key unless it has failed; negative: an event will. A key that asks to
 * run again at once, without progress, is backed off as a failure is. Returns how often it has
 * failed in a row. */
unsigned workqueue_done(WorkQueue *queue, const char *key, WorkResult result,
                        int64_t again_after_ns);
/* Has the metrics workqueue_* of this name from here on. */
void workqueue_set_name(WorkQueue *queue, const char *name);

#endif
