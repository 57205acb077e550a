/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The status of ResourceQuotas. Admission adds what new objects use, so this controller only has to
 * count where objects go or come to use less, and where a quota is new or changes. It counts from the
 * committed objects, and its update names the version of the quota that it has read; see
 * server/admission/quota.c for why the result is never too low.
 *
 * A count looks at all objects of the namespace that the quota is about, so the events of a short
 * time are answered by one count, and a count that takes long is not repeated before a multiple of
 * that time has passed.
 */
#include "api/quantity.h"
#include "api/quota.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_quota_v1.h"
#include "api/schema/core_service_v1.h"
#include "control/controllers.h"

#define PATIENCE_NS (10 * NS_PER_MS)
#define COST_FACTOR 20

typedef struct Quotas {
    int64_t cost_ns; /* of the latest count */
} Quotas;

/* ---- counting ---- */

typedef struct Count {
    const ResourceQuota *quota;
    ResourceSum sum;
    int64_t now_ns,
        until_ns; /* until a pod that should have gone is not counted any more; 0: none */
} Count;

static bool each_object(void *data, Object *object)
{
    Count *count = data;
    int64_t until = quota_counted_until(object);

    if (!quota_scopes_match(count->quota, object))
        return true;
    quota_add_usage(&count->sum, object, count->now_ns);
    if (until > count->now_ns && (count->until_ns == 0 || until < count->until_ns))
        count->until_ns = until;
    return true;
}

/* All plain counts are whole numbers, and need no look at the objects. */
static void count_kind(Reconcile *reconcile, Count *count, const Kind *kind)
{
    const StringMap *hard = &count->quota->spec.hard;
    bool plain = quota_is_plain_count(kind), any = false;

    for (size_t i = 0; i < hard->n; i++) {
        if (!quota_kind_uses(kind, hard->v[i].key))
            continue;
        any = true;
        resource_sum_put(&count->sum, hard->v[i].key, "0");
        if (plain && !quota_has_scopes(count->quota))
            resource_sum_put(
                &count->sum, hard->v[i].key,
                quantity_from(&reconcile->arena,
                              (int64_t)client_count(reconcile->client, kind, reconcile->ns),
                              false));
    }
    if (any && !plain)
        client_list(reconcile->client, kind, &(ListOptions){.ns = reconcile->ns}, each_object,
                    count);
}

/* ---- the status ---- */

/* Amounts of resources that nothing here counts stay as they are. */
static StringMap used_of(const Count *count, Arena *arena)
{
    const StringMap *hard = &count->quota->spec.hard, *old = &count->quota->status.used;
    StringMap used = {.v = arena_new_n(arena, StringEntry, hard->n + 1)};

    for (size_t i = 0; i < hard->n; i++) {
        const char *now = resource_sum_get(&count->sum, hard->v[i].key);

        now = now ? now : string_map_get(old, hard->v[i].key);
        if (now)
            used.v[used.n++] = (StringEntry){hard->v[i].key, now};
    }
    return used;
}

static bool same_amounts(const StringMap *a, const StringMap *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) /* both are sorted by name */
        if (!str_equal(a->v[i].key, b->v[i].key) ||
            quantity_compare(a->v[i].value, b->v[i].value) != 0)
            return false;
    return true;
}

/* Another version of the quota means that there is something else to count. */
static void on_status(Reconcile *reconcile, void *data _unused_, const ApiStatus *status,
                      Object *object _unused_)
{
    if (status->reason == STATUS_CONFLICT)
        reconcile->again_after_ns = PATIENCE_NS;
    else if (status->reason != STATUS_OK && status->reason != STATUS_NOT_FOUND)
        reconcile->failed = true;
}

static void reconcile_quota(Reconcile *reconcile)
{
    Object *object = reconcile_object(reconcile, &kind_resource_quota);
    Quotas *quotas = reconcile->controller->data;
    Clock *clock = reconcile->controller->options->clock;
    int64_t began = clock_mono_ns(clock);
    Count count = {.sum = RESOURCE_SUM_INIT(&reconcile->arena),
                   .now_ns = reconcile_now_ns(reconcile)};
    ResourceQuotaStatus status;

    if (!object || object_meta(object)->deletion_timestamp.set) {
        reconcile_end(reconcile);
        return;
    }
    count.quota = object->value;
    KIND_EACH(kind)
        if (quota_counts_kind(kind))
            count_kind(reconcile, &count, kind);
    status = (ResourceQuotaStatus){.hard = count.quota->spec.hard,
                                   .used = used_of(&count, &reconcile->arena)};
    quotas->cost_ns = clock_mono_ns(clock) - began;
    if (count.until_ns)
        reconcile->again_after_ns = count.until_ns - count.now_ns + NS_PER_SEC;
    if (!same_amounts(&status.hard, &count.quota->status.hard) ||
        !same_amounts(&status.used, &count.quota->status.used))
        RECONCILE_WRITE_STATUS(reconcile, ResourceQuota, object, &status, on_status, NULL);
    reconcile_then(reconcile, reconcile_end);
}

/* ---- events ---- */

typedef struct Event {
    Controller *controller;
    const Kind *kind;
} Event;

static void enqueue_if_used(void *data, Object *object)
{
    const Event *event = data;
    const ResourceQuota *quota = object->value;
    const Quotas *quotas = event->controller->data;
    _free_ char *key = mem_printf("%s/%s", quota->metadata.namespace, quota->metadata.name);

    for (size_t i = 0; i < quota->spec.hard.n; i++)
        if (quota_kind_uses(event->kind, quota->spec.hard.v[i].key)) {
            workqueue_add_after(event->controller->queue, key,
                                MAX_OF(PATIENCE_NS, quotas->cost_ns * COST_FACTOR));
            return;
        }
}

/* Whether a changed object may be counted otherwise than before. */
static bool changes_usage(const Object *now, const Object *before, int64_t now_ns)
{
    _arena_ Arena arena = ARENA_INIT;
    ResourceSum a = RESOURCE_SUM_INIT(&arena), b = RESOURCE_SUM_INIT(&arena);
    StringMap of_now, of_before;

    if (quota_is_plain_count(now->kind))
        return false;
    if (now->kind == &kind_pod && quota_is_terminating(now) != quota_is_terminating(before))
        return true;
    if (quota_counted_until(now) != quota_counted_until(before))
        return true;
    if (now->kind == &kind_persistent_volume_claim) /* its attributes class may be another one */
        return !type_equal(now->kind->type, now->value, before->value);
    quota_add_usage(&a, now, now_ns);
    quota_add_usage(&b, before, now_ns);
    of_now = resource_sum_map(&a);
    of_before = resource_sum_map(&b);
    return !same_amounts(&of_now, &of_before);
}

static void on_object(Controller *controller, const WatchEvent *event)
{
    const Object *object = event->object;
    const ObjectIndex *index = controller_index(controller, &kind_resource_quota);
    char key[512];

    if (event->type == WATCH_ADDED || object_index_count(index, "l/") == 0)
        return;
    snprintf(key, sizeof(key), "l/%s/", object_meta(object)->namespace);
    if (object_index_count(index, key) == 0)
        return;
    if (event->type == WATCH_DELETED ||
        (event->before &&
         changes_usage(object, event->before, clock_wall_ns(controller->options->clock))))
        object_index_each(index, key, enqueue_if_used, &(Event){controller, object->kind});
}

/* The status may have been changed by anyone. */
static void on_quota(Controller *controller, const WatchEvent *event)
{
    controller_enqueue_live(controller, event);
    on_object(controller, event);
}

static bool counts(const Kind *kind)
{
    return kind != &kind_resource_quota && quota_counts_kind(kind);
}

static void start(Controller *controller)
{
    controller->data = mem_new_type(Quotas);
    controller_index(controller, &kind_resource_quota);
    controller_watch(controller, &kind_resource_quota, on_quota);
    controller_watch_kinds(controller, counts, on_object);
}

static void stop(Controller *controller)
{
    free(controller->data);
}

const ControllerOps quota_controller = {
    .name = "quota",
    .component = "resourcequota-controller",
    .start = start,
    .reconcile = reconcile_quota,
    .stop = stop,
};
