/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real node agent, one event at a time.
 *
 * What the agent waits for is faked: the thread pool, the network, the runtime, probes, the API's
 * commits, time. Each answer becomes an event in a queue, and moment_step() delivers one of them.
 * So a test can stop between any two events, change something, and let the rest happen. Files in
 * volumes are real, below a folder of the world.
 *
 * Answers of one source keep their order; between sources the order is that of the requests, or
 * with a seed any. Nothing depends on the time of day or on the machine's speed.
 */
#ifndef TESTS_NODE_MOMENTS_H
#define TESTS_NODE_MOMENTS_H

#include <uv.h>

#include "base/strbuf.h"
#include "base/strmap.h"
#include "base/vec.h"
#include "node/node.h"

typedef struct MomentEvent MomentEvent;
typedef struct Moments Moments;

typedef struct MomentWatch MomentWatch;

struct Moments {
    uv_loop_t loop;
    char dir[64], run[80], data[80];
    Client client;
    Clock clock;
    Random random; /* the agent's */
    bool shuffled;
    Random order; /* of events, where shuffled */
    int64_t mono_ns;
    VEC(Timer *) timers;
    VEC(MomentEvent *) events;
    VEC(MomentWatch *) watches;
    VEC(Object *) objects; /* committed */
    VEC(Object *) heads;   /* with what is being committed */
    uint64_t revision, sequence, lanes;
    NodeAgent *node;
    StrMap images;  /* name -> anything */
    StrMap running; /* uid/container -> what was prepared, while an instance runs */
    StrMap ports;   /* of the machine, that lead to a pod */
    StrMap nets;    /* uid -> address */
    StrMap disks;   /* volume -> size */
    StrMap reasons; /* of Events */
    StrMap tasks;   /* id -> what was prepared */
    VEC(struct RuntimeTask *) live;
    int token_epoch;
    bool stubborn;      /* containers end by SIGKILL alone */
    bool device_in_use; /* by a process, when a volume is next to grow */
};

Moments *moments_new(uint64_t seed); /* 0: in order */
Moments *moments_free(Moments *m);
void moments_start(Moments *m); /* the agent */
void moments_stop(Moments *m);  /* what it started runs on */

/* Delivers one event that is due now. False: there is none. */
bool moments_step(Moments *m);
/* Delivers all, also those that are due within the time. Returns how many there were. */
size_t moments_settle(Moments *m, int64_t within_ns);

/* As a user or controller does: committed by a later event. */
void moments_put(Moments *m, const char *json);
void moments_delete(Moments *m, const char *kind, const char *ns, const char *name, int64_t grace);
/* A copy of the newest version, to be changed and written; NULL: it is not there. The caller holds
 * the reference. */
Object *moments_edit(Moments *m, const char *kind, const char *ns, const char *name);
void moments_write(Moments *m, Object *object, const char *subresource); /* takes the reference */
Object *moments_get(Moments *m, const char *kind, const char *ns, const char *name);
void moments_add_image(Moments *m, const char *name);

/* What there is, as "key" -> "value": objects' state, files, instances, ports. */
void moments_snapshot(Moments *m, StrMap *ret);

#endif
