/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing array of any type:  VEC(Pod *) pods = VEC_INIT;  VEC_PUSH(&pods, pod);  pods.v[i],
 * pods.n;  VEC_DEINIT(&pods).
 */
#ifndef BASE_VEC_H
#define BASE_VEC_H

#include "base/base.h"

#define VEC(T)         \
    struct {           \
        T *v;          \
        size_t n, cap; \
    }
#define VEC_INIT   \
    {              \
        NULL, 0, 0 \
    }
#define VEC_RESERVE(vec, more)                                                       \
    do {                                                                             \
        if ((vec)->n + (more) > (vec)->cap) {                                        \
            (vec)->cap = MAX_OF((vec)->n + (more), (vec)->cap ? (vec)->cap * 2 : 8); \
            (vec)->v = mem_resize((vec)->v, (vec)->cap * sizeof(*(vec)->v));         \
        }                                                                            \
    } while (0)
#define VEC_PUSH(vec, item)            \
    do {                               \
        VEC_RESERVE((vec), 1);         \
        (vec)->v[(vec)->n++] = (item); \
    } while (0)
#define VEC_DEINIT(vec)            \
    do {                           \
        free((vec)->v);            \
        (vec)->v = NULL;           \
        (vec)->n = (vec)->cap = 0; \
    } while (0)

#endif
