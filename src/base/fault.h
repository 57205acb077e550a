/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fault points: named places where a step can be made to fail, so that tests can run one scenario
 * with its 1st, 2nd, 3rd... step failing until none is left.
 *
 *     if (FAULT_POINT("store.commit"))
 *         return ERR_ORIGIN(-EIO);
 *     fd = FAULT_CALL("node.volume.image", open(path, O_RDWR | O_CLOEXEC));
 *
 * A release build without -Dfault_points=true compiles them to false.
 *
 * What is armed, and how often each point was passed, lies in a FaultPlan. It may be a file that a
 * test and several servers, one after the other, map: so a test can arm point after point in a
 * server that runs, and a point that ended one server does not end the next, since its count has
 * gone on.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include "base/base.h"

#ifdef FAULT_POINTS
#define FAULT_POINT(name) fault_hit(name)
/* The same for a step that has several kinds: the name of the point is `name` and the kind. */
#define FAULT_POINT_OF(name, argv) fault_hit_program(name, argv)
#else
#define FAULT_POINT(name) false
#define FAULT_POINT_OF(name, argv) false
#endif
/* The value of a call that reports failure by -1 and errno. */
#define FAULT_CALL(name, call) (FAULT_POINT(name) ? (errno = EIO, -1) : (call))

#define FAULT_NAME_MAX 64
#define FAULT_NAMES 128

/* Tests read and write it from outside: tests/fault/plan.py has the same offsets. */
typedef struct FaultPlan {
    uint64_t n;                 /* this hit fails, 0: none does */
    uint64_t hits;              /* of points that match */
    uint64_t kill;              /* the process ends there by SIGKILL instead */
    char match[FAULT_NAME_MAX]; /* how a name begins; with $ at its end: the whole name */
    struct {
        char name[FAULT_NAME_MAX];
        uint64_t passed;
    } seen[FAULT_NAMES]; /* every point that was passed, armed or not */
} FaultPlan;

bool fault_hit(const char *name);
/* "process.spawn nft", "process.spawn stead-runtime start": the program and its verb. */
bool fault_hit_program(const char *name, const char *const *argv);
/* The n-th (from 1) hit of any point whose name matches fails; 0 turns it off. Counting starts
 * anew. */
void fault_arm(const char *match, uint64_t n);
uint64_t fault_count(void); /* hits counted since armed */
/* STEAD_FAULT=match:n in the environment arms it too; "match:n:kill" ends the process by SIGKILL
 * at that point. STEAD_FAULT_PLAN=FILE takes the plan from that file. */
void fault_arm_from_environment(void);

#endif
