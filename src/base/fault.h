/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fault points: named places where a step can be made to fail, so that tests can run one scenario
 * with its 1st, 2nd, 3rd... step failing until none is left.
 *
 *     if (FAULT_POINT("store.commit"))
 *         return ERR_ORIGIN(-EIO);
 *
 * A release build without -Dfault_points=true compiles them to false.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include "base/base.h"

#ifdef FAULT_POINTS
#define FAULT_POINT(name) fault_hit(name)
#else
#define FAULT_POINT(name) false
#endif

bool fault_hit(const char *name);
/* The n-th (from 1) hit of any point whose name starts with prefix fails; 0 turns it off. Counting
 * starts anew. */
void fault_arm(const char *prefix, uint64_t n);
uint64_t fault_count(void); /* hits counted since armed */
/* STEAD_FAULT=prefix:n in the environment arms it too; "prefix:n:kill" ends the process by SIGKILL
 * at that point. */
void fault_arm_from_environment(void);

#endif
