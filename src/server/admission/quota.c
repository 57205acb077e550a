/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resource quotas: a new object, or a larger one, is charged to the quotas of its namespace that
 * count it, and is refused if one of them would be exceeded.
 *
 * The check reads the newest heads of the quotas, and quota_charge() queues their new status in the
 * same turn of the loop as the object itself, so no two writes can be granted the same amount. The
 * object is queued first: whoever has seen the new status has seen the object as well. So the
 * controller, which counts committed objects and replaces the version of the quota that it has
 * seen, never lowers a status because of an object that it has not seen yet. All of them are
 * committed in one transaction as a rule; where that is not so and the server dies between two,
 * the controller counts again when it starts.
 */
#include "api/meta.h"
#include "api/quota.h"
#include "api/quantity.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_quota_v1.h"
#include "api/schema/core_service_v1.h"
#include "base/strbuf.h"
#include "server/admission/admission.h"

struct QuotaCharge {
    QuotaCharge *next;
    Object *quota;  /* the head that was checked; the arena holds it */
    StringMap used; /* its new status.used */
};

/* The quotas of a namespace, by name. */
typedef struct QuotaCheck {
    Write *write;
    Arena *arena; /* of the write */
    bool evaluated;
    StringMap usage, delta; /* of the object; of the object compared with the one before */
    int result;
    QuotaCharge **next;
} QuotaCheck;

static int refuse(QuotaCheck *check, const char *why)
{
    Write *write = check->write;

    check->result = status_forbidden(&write->status, &write->arena, write->kind, write->name, why);
    return check->result;
}

/* ---- which writes ---- */

static const StringMap *storage_granted(const Object *claim)
{
    return &OBJECT_AS(PersistentVolumeClaim, claim)->status.allocated_resources;
}

/* Whether an update can change what the object uses. */
static bool update_counts(const Write *write)
{
    const char *sub = write->subresource;

    if (write->kind == &kind_pod)
        return str_equal(sub, "resize") ||
               (!sub && quota_is_terminating(write->object) != quota_is_terminating(write->before));
    if (write->kind == &kind_service)
        return !sub;
    if (write->kind == &kind_persistent_volume_claim)
        return !sub ||
               (str_equal(sub, "status") &&
                quantity_compare(string_map_get(storage_granted(write->object), "storage"),
                                 string_map_get(storage_granted(write->before), "storage")) != 0);
    return false;
}

/* ---- usage ---- */

static StringMap usage_of(QuotaCheck *check, const Object *object)
{
    ResourceSum sum = RESOURCE_SUM_INIT(check->arena);

    quota_add_usage(&sum, object, clock_wall_ns(check->write->server->clock));
    return resource_sum_map(&sum);
}

/* What `now` uses more than `before`, without what is equal or less. */
static StringMap increase(Arena *arena, const StringMap *now, const StringMap *before)
{
    StringMap more = {.v = arena_new_n(arena, StringEntry, now->n + 1)};

    for (size_t i = 0; i < now->n; i++) {
        const char *old = before ? string_map_get(before, now->v[i].key) : NULL;

        if (quantity_compare(now->v[i].value, old) > 0)
            more.v[more.n++] =
                (StringEntry){now->v[i].key, old ? quantity_subtract(arena, now->v[i].value, old)
                                                 : now->v[i].value};
    }
    return more;
}

static int evaluate(QuotaCheck *check)
{
    Write *write = check->write;
    StringMap before = {0}, negative = {0};

    if (check->evaluated)
        return 0;
    check->evaluated = true;
    check->usage = usage_of(check, write->object);
    negative.v = arena_new_n(check->arena, StringEntry, check->usage.n + 1);
    for (size_t i = 0; i < check->usage.n; i++)
        if (*check->usage.v[i].value == '-')
            negative.v[negative.n++] = check->usage.v[i];
    if (negative.n) {
        _strbuf_ StrBuf names = STRBUF_INIT;

        for (size_t i = 0; i < negative.n; i++)
            strbuf_printf(&names, "%s%s", i ? "," : "", negative.v[i].key);
        return refuse(check,
                      arena_printf(check->arena, "quota usage is negative for resource(s): %s",
                                   strbuf_string(&names)));
    }
    if (write->before)
        before = usage_of(check, write->before);
    check->delta = increase(check->arena, &check->usage, write->before ? &before : NULL);
    check->usage = increase(check->arena, &check->usage, NULL);
    return 0;
}

/* ---- what a quota demands of each container ---- */

static const char *const demanded[] = {"cpu",    "limits.cpu",   "limits.memory",
                                       "memory", "requests.cpu", "requests.memory"};

static void note_missing(QuotaCheck *check, const ContainerArray *containers, const char *resource,
                         TextMap *names)
{
    for (size_t i = 0; i < containers->n; i++) {
        const ResourceRequirements *resources = &containers->v[i].resources;
        ResourceSum usage = RESOURCE_SUM_INIT(check->arena);

        quota_add_container_usage(&usage, &resources->requests, &resources->limits);
        if (!resource_sum_get(&usage, resource))
            (void)text_map_add(names, containers->v[i].name);
    }
}

/* "cpu for: a,b" */
static void add_names(StrBuf *text, const char *resource, const TextMap *names)
{
    const TextMapSlot *slots = names->cap ? names->slots : names->few;
    size_t n_slots = names->cap ? names->cap : names->n, n = 0;
    const char **sorted = arena_new_n(names->arena, const char *, names->n + 1);

    for (size_t i = 0; i < n_slots; i++)
        if (slots[i].key)
            sorted[n++] = slots[i].key;
    str_sort(sorted, n);
    strbuf_printf(text, "%s%s for: ", text->n ? "; " : "", resource);
    for (size_t i = 0; i < n; i++)
        strbuf_printf(text, "%s%s", i ? "," : "", sorted[i]);
}

/* A quota of cpu or memory demands that each container says what it needs. */
static int check_demands(QuotaCheck *check, const ResourceQuota *quota)
{
    const Pod *pod = check->write->object->value;
    _strbuf_ StrBuf text = STRBUF_INIT;

    if (check->write->kind != &kind_pod || pod_has_own_resources(pod))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(demanded); i++) {
        TextMap names = TEXT_MAP_INIT(check->arena);

        if (!string_map_get(&quota->status.hard, demanded[i]))
            continue;
        note_missing(check, &pod->spec.containers, demanded[i], &names);
        note_missing(check, &pod->spec.init_containers, demanded[i], &names);
        if (names.n)
            add_names(&text, demanded[i], &names);
    }
    return text.n ? refuse(check, arena_printf(check->arena, "failed quota: %s: must specify %s",
                                               quota->metadata.name, strbuf_string(&text)))
                  : 0;
}

/* ---- one quota ---- */

/* Whether the quota counts the object; its status has to be known then. */
static bool is_interesting(QuotaCheck *check, const ResourceQuota *quota, StrBuf *ret_unknown)
{
    const StringMap *hard = &quota->status.hard;
    bool uses = false;

    for (size_t i = 0; i < hard->n; i++) {
        if (!quota_kind_uses(check->write->kind, hard->v[i].key))
            continue;
        uses = true;
        if (!string_map_get(&quota->status.used, hard->v[i].key))
            strbuf_printf(ret_unknown, "%s%s", ret_unknown->n ? "," : "", hard->v[i].key);
    }
    return uses && quota_scopes_match(quota, check->write->object);
}

/* Adds up the new status; what would be exceeded goes to the three maps. False: nothing changes. */
static bool add_up(QuotaCheck *check, const ResourceQuota *quota, const StringMap *delta,
                   ResourceSum *used, StringMap *ret_requested, StringMap *ret_used,
                   StringMap *ret_hard)
{
    bool changes = false;

    for (size_t i = 0; i < delta->n; i++) {
        const char *name = delta->v[i].key, *hard = string_map_get(&quota->status.hard, name);
        const char *old = string_map_get(&quota->status.used, name);
        const char *now;

        if (!hard)
            continue;
        now = quantity_add(check->arena, old, delta->v[i].value);
        resource_sum_put(used, name, now);
        changes = true;
        if (quantity_compare(now, hard) <= 0)
            continue;
        ret_requested->v[ret_requested->n++] = delta->v[i];
        ret_used->v[ret_used->n++] = (StringEntry){name, str_or(old, "0")};
        ret_hard->v[ret_hard->n++] = (StringEntry){name, hard};
    }
    return changes;
}

static int charge(QuotaCheck *check, Object *object)
{
    const ResourceQuota *quota = object->value;
    const Write *write = check->write;
    bool counted = write->before && quota_scopes_match(quota, write->before);
    const StringMap *delta = counted ? &check->delta : &check->usage;
    ResourceSum used = RESOURCE_SUM_INIT(check->arena);
    StringMap exceeded[3];
    QuotaCharge *item;

    for (size_t i = 0; i < ARRAY_LEN(exceeded); i++)
        exceeded[i] = (StringMap){.v = arena_new_n(check->arena, StringEntry, delta->n + 1)};
    resource_sum_add(&used, &quota->status.used);
    if (!add_up(check, quota, delta, &used, &exceeded[0], &exceeded[1], &exceeded[2]))
        return 0;
    if (exceeded[0].n && !str_equal(write->subresource, "status"))
        return refuse(check,
                      arena_printf(check->arena,
                                   "exceeded quota: %s, requested: %s, used: %s, limited: %s",
                                   quota->metadata.name, quota_text(check->arena, &exceeded[0]),
                                   quota_text(check->arena, &exceeded[1]),
                                   quota_text(check->arena, &exceeded[2])));
    item = arena_new(check->arena, QuotaCharge);
    item->quota = arena_hold_object(check->arena, object);
    item->used = resource_sum_map(&used);
    *check->next = item;
    check->next = &item->next;
    return 0;
}

static bool each_quota(void *data, Object *committed)
{
    QuotaCheck *check = data;
    const ObjectMeta *meta = object_meta(committed);
    Object *head =
        store_head(check->write->server->store, &kind_resource_quota, meta->namespace, meta->name);
    _strbuf_ StrBuf unknown = STRBUF_INIT;

    if (!head || !is_interesting(check, head->value, &unknown))
        return true;
    if (check_demands(check, head->value))
        return false;
    if (unknown.n)
        refuse(check, arena_printf(check->arena, "status unknown for quota: %s, resources: %s",
                                   meta->name, strbuf_string(&unknown)));
    else if (evaluate(check) == 0 && check->usage.n)
        charge(check, head);
    return check->result == 0;
}

int quota_admit(Write *write)
{
    QuotaCheck check = {.write = write, .arena = &write->arena, .next = &write->charges};

    write->charges = NULL;
    if (!quota_counts_kind(write->kind) ||
        store_size(write->server->store, &kind_resource_quota) == 0)
        return 0;
    if (write->before && !update_counts(write))
        return 0;
    store_list(write->server->store, &kind_resource_quota, write->ns, NULL, each_quota, &check);
    if (check.result)
        write->charges = NULL;
    return check.result;
}

void quota_charge(Write *write)
{
    for (QuotaCharge *item = write->charges; item; item = item->next) {
        _object_ Object *copy = NULL;
        ResourceQuota *quota;

        copy = object_copy(item->quota);
        quota = copy->value;
        type_field_copy(type_member(&type_ResourceQuotaStatus, "used"), &copy->arena,
                        &quota->status.used, &item->used);
        (void)store_update(write->server->store, copy, item->quota->revision, NULL, NULL);
    }
    write->charges = NULL;
}
