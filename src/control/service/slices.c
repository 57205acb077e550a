/* SPDX-License-Identifier: Apache-2.0 */
/* See slices.h. */
#include "control/service/slices.h"

#include "base/fnv.h"
#include "base/text_map.h"
#include "codec/type.h"

const char *slice_name(Arena *arena, const ObjectMeta *owner, const char *which)
{
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    uint64_t hash = fnv1a(FNV_START, str_or(owner->uid, ""));
    char suffix[6] = {0};

    hash = fnv1a(hash, arena_printf(arena, "/%s", which));
    for (int i = 0; i < 5; i++, hash /= 27)
        suffix[i] = alphabet[hash % 27];
    return arena_printf(arena, "%.200s-%s", owner->name, suffix);
}

static void on_created(Reconcile *reconcile, void *data _unused_, const ApiStatus *status,
                       Object *object _unused_)
{
    if (status->reason == STATUS_FORBIDDEN || status->reason == STATUS_NOT_FOUND)
        return; /* the namespace is being deleted */
    if (status->reason != STATUS_OK)
        reconcile->failed = true;
}

void derived_put(Reconcile *reconcile, const Kind *kind, const char *name, const void *value,
                 bool (*equal)(const void *, const void *))
{
    Object *there = client_get(reconcile->client, kind, reconcile->ns, name);
    Object *object;

    if (there && equal(object_value(there), value))
        return;
    object = object_of(kind, value);
    if (!there) {
        reconcile_create(reconcile, object, NULL, on_created, NULL);
        return;
    }
    object_meta(object)->resource_version =
        arena_strdup(&object->arena, object_meta(there)->resource_version);
    object_meta(object)->uid = arena_strdup(&object->arena, object_meta(there)->uid);
    reconcile_update(reconcile, object, NULL, NULL, NULL);
}

static bool slice_equal(const void *a, const void *b)
{
    EndpointSlice x = *(const EndpointSlice *)a, y = *(const EndpointSlice *)b;
    bool same = meta_labels_equal(&x.metadata, &y.metadata) &&
                string_map_equal(&x.metadata.annotations, &y.metadata.annotations);

    x.metadata = y.metadata = (ObjectMeta){0};
    return same && type_equal(&type_EndpointSlice, &x, &y);
}

void slice_put(Reconcile *reconcile, EndpointSlice *slice)
{
    derived_put(reconcile, &kind_endpoint_slice, slice->metadata.name, slice, slice_equal);
}

void slices_drop(Reconcile *reconcile, const char *manager, const Slices *wanted)
{
    Arena *arena = &reconcile->arena;
    ObjectList list = object_index_list(
        controller_index(reconcile->controller, &kind_endpoint_slice), arena,
        arena_printf(arena, "l/%s/%s=%s", reconcile->ns, SLICE_SERVICE_LABEL, reconcile->name));
    TextMap keep = TEXT_MAP_INIT(arena);

    for (size_t i = 0; wanted && i < wanted->n; i++)
        text_map_add(&keep, wanted->v[i]->metadata.name);
    for (size_t i = 0; i < list.n; i++) {
        const ObjectMeta *meta = object_meta(list.v[i]);

        if (str_equal(string_map_get(&meta->labels, SLICE_MANAGER_LABEL), manager) &&
            !text_map_has(&keep, meta->name))
            reconcile_delete(reconcile, list.v[i], NULL, NULL, NULL);
    }
}
