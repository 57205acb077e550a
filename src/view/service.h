/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services joined with their EndpointSlices, kept up to date from watch events. The service proxy
 * and the name server each have a view of their own. The view holds references to the objects and
 * copies nothing.
 */
#ifndef VIEW_SERVICE_H
#define VIEW_SERVICE_H

#include "api/client.h"
#include "api/schema/core_service_v1.h"
#include "api/schema/discovery_v1.h"
#include "base/strmap.h"

typedef struct ServiceEntry {
    char *key;       /* "ns/name" */
    Object *service; /* NULL while only slices are known */
    struct {
        Object **v;
        size_t n, cap;
    } slices;
    void *data; /* for the owner of the view */
} ServiceEntry;

typedef struct ServiceView {
    StrMap entries; /* key -> ServiceEntry */
    /* Called after an entry has changed; may be NULL. An entry that has neither a Service nor
     * slices left is freed after this call. */
    void (*on_change)(void *data, ServiceEntry *entry);
    void *data;
} ServiceView;

/* Frees all entries without calling on_change. */
void service_view_deinit(ServiceView *view);
/* Takes events of Services and EndpointSlices; it ignores all others. */
void service_view_on_event(ServiceView *view, const WatchEvent *event);
/* NULL if neither the Service nor a slice of it is known. */
ServiceEntry *service_view_find(const ServiceView *view, const char *ns, const char *name);

static inline const EndpointSlice *service_entry_slice(const ServiceEntry *entry, size_t i)
{
    return OBJECT_AS(EndpointSlice, entry->slices.v[i]);
}
/* An endpoint without the condition "ready" counts as ready, as the API defines. */
static inline bool endpoint_is_ready(const Endpoint *endpoint)
{
    return !endpoint->conditions.ready || *endpoint->conditions.ready;
}

#endif
