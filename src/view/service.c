/* SPDX-License-Identifier: Apache-2.0 */
#include "base/vec.h"
#include "view/service.h"

static void entry_free(ServiceEntry *entry)
{
    object_unref(entry->service);
    for (size_t i = 0; i < entry->slices.n; i++)
        object_unref(entry->slices.v[i]);
    VEC_DEINIT(&entry->slices);
    free(entry->key);
    free(entry);
}

void service_view_deinit(ServiceView *view)
{
    STRMAP_DEINIT_WITH(&view->entries, entry_free);
}

ServiceEntry *service_view_find(const ServiceView *view, const char *ns, const char *name)
{
    _free_ char *key = mem_printf("%s/%s", ns, name);

    return strmap_get(&view->entries, key);
}

static ServiceEntry *entry_of(ServiceView *view, const char *ns, const char *name)
{
    ServiceEntry *entry = service_view_find(view, ns, name);

    if (entry)
        return entry;
    entry = mem_new_type(ServiceEntry);
    entry->key = mem_printf("%s/%s", ns, name);
    strmap_put(&view->entries, entry->key, entry);
    return entry;
}

static void set_service(ServiceEntry *entry, const WatchEvent *event)
{
    object_unref(entry->service);
    entry->service = event->type == WATCH_DELETED ? NULL : object_ref(event->object);
}

static void set_slice(ServiceEntry *entry, const WatchEvent *event)
{
    const char *name = object_meta(event->object)->name;

    for (size_t i = 0; i < entry->slices.n; i++) {
        if (!str_equal(object_meta(entry->slices.v[i])->name, name))
            continue;
        object_unref(entry->slices.v[i]);
        entry->slices.v[i] = entry->slices.v[--entry->slices.n];
        break;
    }
    if (event->type != WATCH_DELETED)
        VEC_PUSH(&entry->slices, object_ref(event->object));
}

void service_view_on_event(ServiceView *view, const WatchEvent *event)
{
    const ObjectMeta *meta = event->object ? object_meta(event->object) : NULL;
    bool slice = meta && event->object->kind == &kind_endpoint_slice;
    const char *name = slice  ? string_map_get(&meta->labels, "kubernetes.io/service-name")
                       : meta ? meta->name
                              : NULL;
    ServiceEntry *entry;

    if (event->type == WATCH_BOOKMARK || !name || (!slice && event->object->kind != &kind_service))
        return;
    entry = entry_of(view, meta->namespace, name);
    if (slice)
        set_slice(entry, event);
    else
        set_service(entry, event);
    if (view->on_change)
        view->on_change(view->data, entry);
    if (!entry->service && !entry->slices.n) {
        strmap_remove(&view->entries, entry->key);
        entry_free(entry);
    }
}
