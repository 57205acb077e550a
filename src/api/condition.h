/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions of a status. Most kinds have a type of their own for them, with the members `type` and
 * `status` in common. */
#ifndef API_CONDITION_H
#define API_CONDITION_H

#include "base/base.h"

/* The condition of the type in an array of conditions of any kind, or NULL. The array is evaluated
 * several times. */
#define CONDITION_FIND(array, wanted)                                                    \
    ((__typeof__((array)->v))condition_find((array)->v, (array)->n, sizeof(*(array)->v), \
                                            offsetof(__typeof__(*(array)->v), type), (wanted)))

/* Whether the array has a condition of the type with status "True". */
#define CONDITION_IS_TRUE(array, wanted) \
    (CONDITION_FIND(array, wanted) && str_equal(CONDITION_FIND(array, wanted)->status, "True"))

static inline void *condition_find(void *v, size_t n, size_t size, size_t type, const char *wanted)
{
    for (size_t i = 0; i < n; i++) {
        char *condition = (char *)v + i * size;

        if (str_equal(*(const char **)(void *)(condition + type), wanted))
            return condition;
    }
    return NULL;
}

#endif
