/* SPDX-License-Identifier: Apache-2.0 */
/* The number of replicas of an object of any kind that has the subresource scale. */
#ifndef API_SCALE_H
#define API_SCALE_H

#include "api/object.h"

bool scale_is_served(const Kind *kind);
/* The object as its subresource scale shows it. */
Object *scale_of(const Object *object);
/* Changes spec.replicas of an object that is not sealed. */
void scale_set_replicas(Object *object, int32_t replicas);

/* ---- of custom resources (custom_scale.c) ---- */

typedef struct CustomScale {
    bool has_wanted; /* whether the object has the number that is wanted */
    int32_t wanted, there;
    const char *selector;
} CustomScale;

void custom_scale_read(const Object *object, Arena *arena, CustomScale *ret);
void custom_scale_write(Object *object, int32_t replicas);

#endif
