/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The window of recent changes, and the watches.
 *
 * A watch has `seen` everything up to some revision, so a change reaches it once, whether from the
 * window when it starts or from a delivery that is under way at that moment. A callback may start
 * and stop watches: stopped ones leave the list and are freed after the delivery.
 */
#include "store/internal.h"

#define WINDOW_BYTES_MAX (8u << 20)
#define WINDOW_KEEP 64 /* whatever their size */

void window_init(Window *window, size_t max, uint64_t oldest)
{
    *window = (Window){.max = MAX_OF(max, (size_t)1), .oldest = oldest};
}

static void window_drop(Window *window)
{
    Change *change = &window->changes[window->at];

    window->bytes -= change->bytes;
    window->oldest = change->revision;
    object_unkeep(change->object);
    object_unkeep(change->before);
    window->at = (window->at + 1) & (window->cap - 1);
    window->n--;
}

void window_deinit(Window *window)
{
    while (window->n > 0)
        window_drop(window);
    free(TAKE_PTR(window->changes));
}

static void window_grow(Window *window)
{
    size_t cap = window->cap ? window->cap * 2 : 64;
    Change *changes = mem_new(cap * sizeof(*changes));

    for (size_t i = 0; i < window->n; i++)
        changes[i] = window->changes[(window->at + i) & (window->cap - 1)];
    free(window->changes);
    window->changes = changes;
    window->cap = cap;
    window->at = 0;
}

void window_push(Window *window, Change change)
{
    while (window->n >= window->max ||
           (window->n >= WINDOW_KEEP && window->bytes > WINDOW_BYTES_MAX))
        window_drop(window);
    if (window->n == window->cap)
        window_grow(window);
    /* The size of the packed object; the pool accounts for everything else. */
    change.bytes = sizeof(change) + sizeof(*change.object) + change.object->packed->n;
    window->changes[(window->at + window->n++) & (window->cap - 1)] = change;
    window->bytes += change.bytes;
}

/* The place of the first change after `revision`. */
static size_t window_seek(const Window *window, uint64_t revision)
{
    size_t low = 0, high = window->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (window->changes[(window->at + middle) & (window->cap - 1)].revision <= revision)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void tell_one(StoreWatch *watch, const Change *change)
{
    WatchEvent event = {
        .type = change->type,
        .object = object_as_form(change->object, watch->kind),
        .before = object_as_form(change->before, watch->kind),
        .revision = change->revision,
    };

    (void)object_value(event.object);
    if (event.before)
        (void)object_value(event.before);
    watch->seen = change->revision;
    watch->on_event(watch->data, &event);
}

void watch_tell(StoreKind *of, const Change *change)
{
    /* A watch that a callback stops remains in the list until watch_leave, so its node stays valid. */
    for (ListNode *node = of->watches.next; node != &of->watches; node = node->next) {
        StoreWatch *watch = CONTAINER_OF(node, StoreWatch, node);

        if (watch->on_event && watch->seen < change->revision)
            tell_one(watch, change);
    }
}

static void watch_free(StoreWatch *watch)
{
    list_remove(&watch->node);
    kind_unref(watch->kind);
    free(watch);
}

void watch_leave(Store *store)
{
    if (--store->depth > 0)
        return;
    for (size_t i = 0; i < store->stopped.n; i++)
        watch_free(store->stopped.v[i]);
    store->stopped.n = 0;
}

/* Whether the store keeps objects of both in one place. The ids of a kind that was removed may belong to
 * another one now, so those of run-time kinds say nothing about the past. */
static bool is_of(const Kind *kind, const Kind *stored)
{
    return kind == stored ||
           (kind->family && stored->family && str_equal(kind->store_prefix, stored->store_prefix));
}

int store_watch(Store *store, const Kind *kind, uint64_t from, ClientOnEvent on_event, void *data,
                StoreWatch **ret)
{
    StoreKind *of = store_kind(store, kind);
    Window *window = &store->window;
    StoreWatch *watch;

    if (from > store->revision)
        return STORE_E_FUTURE;
    if (from > 0 && from < window->oldest)
        return STORE_E_EXPIRED;
    watch = mem_new_type(StoreWatch);
    watch->store = store;
    watch->kind = kind_ref(kind);
    watch->on_event = on_event;
    watch->data = data;
    watch->seen = store->revision;
    list_append(&of->watches, &watch->node);
    *ret = watch;
    if (from == 0)
        return 0;
    store->depth++;
    for (size_t i = window_seek(window, from); i < window->n && watch->on_event; i++) {
        const Change *change = &window->changes[(window->at + i) & (window->cap - 1)];

        if (is_of(change->object->kind, of->kind))
            tell_one(watch, change);
    }
    watch_leave(store);
    return 0;
}

void store_watch_stop(StoreWatch *watch)
{
    Store *store;

    if (!watch || !watch->on_event)
        return;
    store = watch->store;
    watch->on_event = NULL;
    if (store->depth > 0)
        VEC_PUSH(&store->stopped, watch);
    else
        watch_free(watch);
}

uint64_t store_oldest(const Store *store)
{
    return store->window.oldest;
}
