/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counted work. This folder is built with `-Dcount_work=true`: gcc then calls a hook at every basic
 * block, and the linker sends calls of libc whose cost depends on their input through wrappers that
 * add the bytes they look at. So the count of a piece of code is the same on every machine, however
 * loaded, and grows as its running time does.
 *
 * What is not counted is the inside of other libraries. yyjson's accessors, which are linear in the
 * container, are inline functions of its header and are counted; its reader, writer and copier are
 * linear in the text.
 */
#ifndef TESTS_GROWTH_WORK_H
#define TESTS_GROWTH_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern uint64_t work_count;

/* One way to drive the code with an input of size n: prepares, then returns what the part that is
 * looked at has counted. */
typedef uint64_t (*WorkAt)(void *data, size_t n);

typedef struct Growth {
    double ratio;     /* of the work that the last doubling added to what the one before added */
    uint64_t work[3]; /* at n, 2n, 4n */
    size_t n;
} Growth;

/* Doubles n twice. For linear work the second doubling adds twice what the first did, for n log n a
 * little more, for quadratic work four times as much. Small sizes first; whatever looks suspicious
 * there is measured again at large ones, where lower terms no longer matter. True: it grows no
 * faster than n log n. */
bool growth_is_linear(WorkAt at, void *data, size_t small, size_t large, Growth *ret);
/* The same at one size and with a limit of its own: for work that is known not to sort, where each
 * item costs so much that a scan of all others can hide behind it. */
bool growth_is_below(WorkAt at, void *data, size_t n, double limit, Growth *ret);

#endif
