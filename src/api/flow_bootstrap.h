/* SPDX-License-Identifier: Apache-2.0 */
/* The flow schemas and priority levels that every server has. */
#ifndef API_FLOW_BOOTSTRAP_H
#define API_FLOW_BOOTSTRAP_H

#include "api/object.h"

typedef struct FlowBootstrap {
    const Kind *kind;
    const char *name;
    bool mandatory;   /* its spec is fixed */
    const char *spec; /* JSON */
} FlowBootstrap;

extern const FlowBootstrap flow_bootstrap[];
extern const size_t flow_bootstrap_n;

/* The row of the object, or NULL. */
const FlowBootstrap *flow_bootstrap_find(const Kind *kind, const char *name);
/* The object of the row, with the defaults of its kind. */
Object *flow_bootstrap_object(const FlowBootstrap *row);

#endif
