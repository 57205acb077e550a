/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services together with the EndpointSlices that stand behind them, kept from watch events: what
 * the service proxy and the name server both look at. Objects are referenced, nothing is copied.
 */
#ifndef VIEW_SERVICE_H
#define VIEW_SERVICE_H

#include "api/client.h"
#include "base/strmap.h"

typedef struct ServiceEntry {
    char *key;       /* "ns/name" */
    Object *service; /* NULL: only slices are known */
    struct {
        Object **v;
        size_t n, cap;
    } slices;
    void *data; /* the owner's own */
} ServiceEntry;

typedef struct ServiceView {
    StrMap entries; /* key -> ServiceEntry */
    /* An entry has changed; with neither service nor slices it goes after this call. May be
     * NULL. */
    void (*on_change)(void *data, ServiceEntry *entry);
    void *data;
} ServiceView;

/* Frees all entries; on_change is not called. */
void service_view_deinit(ServiceView *view);
/* Events of Services and EndpointSlices; others are passed over. */
void service_view_on_event(ServiceView *view, const WatchEvent *event);
ServiceEntry *service_view_find(const ServiceView *view, const char *ns, const char *name);

static inline const EndpointSlice *service_entry_slice(const ServiceEntry *entry, size_t i)
{
    return OBJECT_AS(EndpointSlice, entry->slices.v[i]);
}
/* An endpoint that says nothing about it is ready. */
static inline bool endpoint_is_ready(const Endpoint *endpoint)
{
    return !endpoint->conditions.ready || *endpoint->conditions.ready;
}

#endif
