/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Iterates over all objects of a kind as they were at one revision, while the loop runs in between.
 * With it, a list of any length is sent piece by piece and still shows one state.
 *
 * A snapshot walks through the live index. Before an object ahead of it changes, snapshot_note lets
 * it keep the old version; objects created after its revision are skipped. A snapshot therefore
 * costs nothing when it starts, and later as much memory as the old versions of what was changed
 * meanwhile, in packed form.
 */
#include "store/internal.h"

struct StoreSnapshot {
    ListNode node; /* of StoreKind.snapshots */
    StoreKind *of;
    const Kind *kind; /* the one that was asked for, maybe a second form */
    uint64_t revision;
    char *prefix; /* "default/", "" */
    size_t prefix_n;
    StrBuf passed;      /* the key that was given last */
    bool after;         /* begin behind `passed`, not at it */
    IndexCursor cursor; /* the next one */
    Index kept;         /* by key: `committed` is the version at the revision */
};

StoreSnapshot *store_snapshot(Store *store, const Kind *kind, const char *ns, const char *after)
{
    StoreSnapshot *snapshot = mem_new_type(StoreSnapshot);
    bool one_namespace = !str_empty(ns) && (kind->flags & KIND_NAMESPACED);

    snapshot->of = store_kind(store, kind);
    snapshot->kind = kind_ref(kind);
    snapshot->revision = store->revision;
    snapshot->prefix = one_namespace ? mem_printf("%s/", ns) : mem_strdup("");
    snapshot->prefix_n = strlen(snapshot->prefix);
    snapshot->after = !str_empty(after) && strcmp(after, snapshot->prefix) >= 0;
    strbuf_add_string(&snapshot->passed, snapshot->after ? after : snapshot->prefix);
    snapshot->cursor.changes = snapshot->of->index.changes - 1; /* void */
    list_append(&snapshot->of->snapshots, &snapshot->node);
    return snapshot;
}

static void forget(StoreEntry *entry)
{
    object_unkeep(entry->committed);
}

StoreSnapshot *store_snapshot_free(StoreSnapshot *snapshot)
{
    if (!snapshot)
        return NULL;
    list_remove(&snapshot->node);
    index_each(&snapshot->kept, forget);
    index_deinit(&snapshot->kept);
    strbuf_deinit(&snapshot->passed);
    free(snapshot->prefix);
    kind_unref(snapshot->kind);
    free(snapshot);
    return NULL;
}

size_t store_snapshot_kept(const StoreSnapshot *snapshot)
{
    return snapshot->kept.n_entries;
}

static bool is_in(const StoreSnapshot *snapshot, const char *key)
{
    return strncmp(key, snapshot->prefix, snapshot->prefix_n) == 0;
}

static bool is_ahead(const StoreSnapshot *snapshot, const char *key)
{
    int order = strcmp(key, strbuf_string(&snapshot->passed));

    return is_in(snapshot, key) && (snapshot->after ? order > 0 : order >= 0);
}

void snapshot_note(StoreKind *of, const char *key, Object *before)
{
    LIST_EACH(&of->snapshots, node) {
        StoreSnapshot *snapshot = CONTAINER_OF(node, StoreSnapshot, node);
        StoreEntry *entry;

        if (before->revision > snapshot->revision || !is_ahead(snapshot, key))
            continue;
        entry = index_put(&snapshot->kept, key);
        ASSERT(!entry->committed);
        entry->committed = object_keep(before);
    }
}

/* The next entry of the index that was there at the revision and has not changed since. */
static StoreEntry *next_current(StoreSnapshot *snapshot)
{
    Index *index = &snapshot->of->index;
    StoreEntry *entry;

    if (snapshot->cursor.changes != index->changes)
        snapshot->cursor = index_seek(index, strbuf_string(&snapshot->passed), snapshot->after);
    while ((entry = index_at(index, &snapshot->cursor)) && is_in(snapshot, entry->key) &&
           !(entry->committed && entry->committed->revision <= snapshot->revision))
        index_next(index, &snapshot->cursor, entry);
    return entry && is_in(snapshot, entry->key) ? entry : NULL;
}

static StoreEntry *next_kept(StoreSnapshot *snapshot)
{
    IndexCursor cursor;

    if (snapshot->kept.n_entries == 0)
        return NULL;
    cursor = index_seek(&snapshot->kept, strbuf_string(&snapshot->passed), snapshot->after);
    return index_at(&snapshot->kept, &cursor);
}

Object *store_snapshot_next(StoreSnapshot *snapshot)
{
    StoreEntry *current = next_current(snapshot), *kept = next_kept(snapshot);
    StoreEntry *next = kept && (!current || strcmp(kept->key, current->key) < 0) ? kept : current;

    if (!next)
        return NULL;
    strbuf_truncate(&snapshot->passed, 0);
    strbuf_add_string(&snapshot->passed, next->key);
    snapshot->after = true;
    if (next == current) {
        index_prefetch(&snapshot->of->index, &snapshot->cursor);
        index_next(&snapshot->of->index, &snapshot->cursor, current);
    }
    return object_as_form(next->committed, snapshot->kind);
}
