/* SPDX-License-Identifier: Apache-2.0 */
/* What only kinds have that a CustomResourceDefinition defines (extension/custom.c makes them). */
#ifndef API_CUSTOM_H
#define API_CUSTOM_H

#include "api/kind.h"

typedef struct Structural Structural;

struct CustomVersion {
    const Structural *structural;
    Bytes schema; /* as JSON; empty: the version has none */
    /* Validates an object beyond its metadata. `before` may be NULL. status: only its status may have changed. */
    void (*validate)(const Kind *kind, const void *value, const void *before, bool status,
                     Causes *causes);
    /* Of the subresource scale, ".spec.replicas"; NULL: the version does not have it, or the path is not given. */
    const char *scale_spec, *scale_status, *scale_selector;
    const char *const *selectable; /* paths, NULL-ended */
    const char *warning;           /* of a deprecated version; NULL: it is not deprecated */
    bool terminating; /* the definition is being deleted, so nothing is created any more */
};

#endif
