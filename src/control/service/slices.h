/* SPDX-License-Identifier: Apache-2.0 */
/* What the controllers that write EndpointSlices share. */
#ifndef CONTROL_SERVICE_SLICES_H
#define CONTROL_SERVICE_SLICES_H

#include "api/schema/discovery_v1.h"
#include "base/vec.h"
#include "control/controller.h"

#define SLICE_SERVICE_LABEL "kubernetes.io/service-name"
#define SLICE_MANAGER_LABEL "endpointslice.kubernetes.io/managed-by"

typedef VEC(EndpointSlice *) Slices;

/* The name of a slice follows from its owner and from which of its slices it is, so a crash never leaves
 * a duplicate. */
const char *slice_name(Arena *arena, const ObjectMeta *owner, const char *which);
/* Creates an object whose content follows from others, or replaces the one of its name unless equal says
 * that this one has the same content already. */
void derived_put(Reconcile *reconcile, const Kind *kind, const char *name, const void *value,
                 bool (*equal)(const void *, const void *));
/* Creates the slice, or replaces the one of its name if that differs in labels, annotations or content. */
void slice_put(Reconcile *reconcile, EndpointSlice *slice);
/* Deletes the slices that this manager has made for the Service of the key, other than the wanted ones. */
void slices_drop(Reconcile *reconcile, const char *manager, const Slices *wanted);

#endif
