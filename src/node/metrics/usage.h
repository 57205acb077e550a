/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The use of CPU as a rate. The kernel only counts how long a cgroup has used CPUs altogether, so a rate
 * needs two samples. Sampling at intervals would cost CPU while nobody asks, so the earlier sample is one
 * that was taken when somebody asked before, or the start of the container, when it had used nothing.
 *
 * Two samples are kept. The one that is used is the one whose age is closest to 15 s, the interval at
 * which metrics-server measures: a program that asks every second gets windows of 10 to 20 s, as one that
 * asks every 15 s, and someone who asks twice in a row gets the time between.
 */
#ifndef NODE_METRICS_USAGE_H
#define NODE_METRICS_USAGE_H

#include "api/usage.h"
#include "base/time/clock.h"

typedef struct UsageSample {
    int64_t at_ns; /* mono; 0: none */
    uint64_t cpu_ns;
} UsageSample;

typedef struct UsageSamples {
    int64_t started_ns;       /* of the container that they are of */
    UsageSample older, newer; /* both earlier than the one that is just taken */
} UsageSamples;

/* Takes the sample that was read just now, and computes the rate in billionths of a core since an
 * earlier one. `start` is the moment when nothing had been used yet. False: the earliest sample is less
 * than a second old, or the counters make no sense. */
bool usage_rate(UsageSamples *samples, UsageSample start, UsageSample now, int64_t *ret_rate,
                int64_t *ret_window_ns);

#endif
