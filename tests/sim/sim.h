/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated cluster: the real server, store and controllers on the memory engine, with a clock
 * that stands still until told, a node that is a state machine, and users who do things at random.
 * Everything follows from one seed.
 *
 * Faults: a write of a controller is refused with a conflict, or is done but its answer is lost; or
 * the whole control plane dies at that very write, with or without what was queued, and is started
 * again on what the engine holds.
 *
 * Checks (sim_check.c): at every write of a controller, whether the rules allow it in the state it
 * was decided on; at every step, what must hold in any state; and from time to time the faults and
 * users stop, and the cluster has to come to rest in the state that was asked for.
 */
#ifndef TESTS_SIM_H
#define TESTS_SIM_H

#include "api/client.h"
#include "base/strmap.h"
#include "base/time/clock.h"
#include "base/vec.h"
#include "control/control.h"
#include "control/statefulset/plan.h"
#include "server/server.h"
#include "store/store.h"

#define SIM_NS "default"
#define SIM_NODE "sim-node"
#define SIM_SETS 2
#define SIM_CPU "1700m"    /* of the node; enough for all pods as they are made */
#define SIM_POD_CPU "100m" /* what pods ask for at first */

typedef struct World World;

/* Stands between the controllers and the server. */
typedef struct FaultClient {
    Client client;
    Client *inner;
    World *world;
} FaultClient;

typedef struct Swallowed {
    ClientDone done;
    void *data;
} Swallowed;

/* What the checker knows of a claim beyond its present state. */
typedef struct ClaimFate {
    char uid[40];
    bool may_go; /* a user deleted it, or a retention policy said Delete in its life */
} ClaimFate;

struct World {
    uint64_t seed, steps;
    Random random;        /* of the simulation */
    Random server_random; /* of the server: uids */
    Clock *clock;
    MemoryState *state;
    Store *store;
    Server *server;
    Client *user, *node;
    FaultClient fault;
    Control *control;
    bool calm; /* no faults, no users */
    bool lose_commits;
    bool crashed;
    uint64_t writes_until_crash; /* 0: none planned */
    VEC(Swallowed) swallowed;
    StrMap claims; /* name -> ClaimFate */
    StrMap alive;  /* what the node runs: uid -> name */
    uint64_t checked_revision;
    uint64_t n_writes, n_crashes, n_conflicts, n_rests, n_user, n_node;
    char violation[1024]; /* "": none so far */
    bool verbose;
};

static inline bool one_in(World *world, uint64_t n)
{
    return random_below(&world->random, n) == 0;
}

/* sim_world.c */
void sim_start(World *world);
void sim_crash(World *world);
void sim_stop(World *world);
void sim_turn(World *world,
              int64_t advance_ns); /* commits what is queued and lets due timers fire */
void sim_violation(World *world, const char *format, ...) _printf_(2, 3);
void sim_log(World *world, const char *format, ...) _printf_(2, 3);

typedef struct SimList {
    Object **v;
    size_t n;
} SimList;
SimList sim_list(World *world, Arena *arena, const Kind *kind);

/* sim_node.c */
void sim_node_step(World *world); /* one thing happens on the node */
bool sim_node_settle(
    World *world); /* everything that is due happens, nothing fails; false: nothing was due */

/* What a container asks for, and what the node has granted it, which is what it asks for before it runs; in
 * thousandths of a CPU. */
int64_t sim_cpu_asked(const Object *pod);
int64_t sim_cpu_granted(const Object *pod);
bool sim_holds_cpu(const Object *pod); /* it is on the node and has not ended */

/* sim_user.c */
void sim_user_step(World *world);
void sim_user_calm(
    World *world); /* repairs what users broke, so that the cluster can come to rest */

/* sim_check.c */
void sim_check_create(World *world, const Object *object);
void sim_check_update(World *world, const Object *object);
void sim_check_delete(World *world, const Kind *kind, const char *ns, const char *name);
void sim_check_state(World *world);
void sim_check_rest(World *world);
void sim_claim_may_go(World *world, const char *name);

#endif
