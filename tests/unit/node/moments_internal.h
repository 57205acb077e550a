/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of moments.h share. */
#ifndef TESTS_NODE_MOMENTS_INTERNAL_H
#define TESTS_NODE_MOMENTS_INTERNAL_H

#include "testing.h"

#include "moments.h"
#include "node/pod/agent.h"
#include "node/runtime/runtime.h"

#define LANE_API 0

/* Answers of a lane come in the order of the requests. */
struct MomentEvent {
    uint64_t lane, sequence;
    void (*run)(Moments *m, MomentEvent *e);
    void *a, *b, *c;
    int number;
    char *text;
    Object *object;
};

typedef struct MomentPrepared {
    char *key, *image; /* "uid/container" */
    StrMap env;
} MomentPrepared;

struct RuntimeTask {
    uint64_t lane;
    const RuntimeEvents *events;
    void *data;
    char *id;
    bool forgotten, ending;
};

extern Moments *moments_world; /* fakes have no argument that leads to it */
extern const ClientOps moments_client_ops;

MomentEvent *moment_push(uint64_t lane, void (*run)(Moments *m, MomentEvent *e));
uint64_t moment_lane(void); /* of its own */
int64_t moment_wall_ns(Clock *clock);
void moment_prepared_free(MomentPrepared *prepared);

#endif
