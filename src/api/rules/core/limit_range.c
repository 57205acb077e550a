/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of LimitRanges. */
#include "api/object.h"
#include "api/quantity.h"
#include "api/rules/rules.h"
#include "api/schema/core_quota_v1.h"
#include "api/validate/resource_name.h"

/* Where the limit of a container is not given, it is the maximum; where its request is not given, it
 * is the limit, or else the minimum. */
static void limit_range_complete(Arena *arena, void *value)
{
    LimitRangeSpec *spec = &((LimitRange *)value)->spec;

    if (spec->limits.n == 0)
        spec->limits = (LimitRangeItemArray){0}; /* null, as it is stored by Kubernetes */
    for (size_t i = 0; i < spec->limits.n; i++) {
        LimitRangeItem *item = &spec->limits.v[i];

        if (!str_equal(item->type, "Container"))
            continue;
        string_map_fill(arena, &item->default_, &item->max);
        string_map_fill(arena, &item->default_request, &item->default_);
        string_map_fill(arena, &item->default_request, &item->min);
    }
}

/* One without a name gets a name that nobody else has. */
static void limit_range_prepare(Arena *arena, void *value, const void *before _unused_)
{
    ObjectMeta *meta = &((LimitRange *)value)->metadata;

    if (str_empty(meta->name))
        meta->name = arena_strdup(arena, meta->uid);
}

static void check_type(const char *type, const Path *path, Causes *causes)
{
    static const char *const types[] = {"Container", "PersistentVolumeClaim", "Pod", NULL};
    Faults faults = check_qualified_name(str_or(type, ""));

    fail_faults(causes, path, str_or(type, ""), faults);
    if (!faults.n && !strchr(type, '/') && !name_is_one_of(type, types))
        fail_invalid(causes, path, type, "must be a standard limit type or fully qualified");
}

static void check_names(const char *type, const StringMap *amounts, const Path *path,
                        Causes *causes)
{
    for (size_t i = 0; i < amounts->n; i++) {
        const Path *at = PATH_KEY(path, amounts->v[i].key);

        if (str_equal(type, "Pod") || str_equal(type, "Container"))
            validate_container_resource_name(amounts->v[i].key, at, causes);
        else
            validate_resource_name(amounts->v[i].key, at, causes);
    }
}

/* ---- the amounts of one resource ---- */

/* What an item says about a resource; NULL: nothing. */
typedef struct Amounts {
    const char *resource;
    const char *min, *max, *by_default, *request, *ratio;
} Amounts;

/* A cause where one amount is larger than another, which it must not exceed. `bad` is the one of both
 * that Kubernetes names. */
static void check_order(const char *small_name, const char *small, const char *large_name,
                        const char *large, const char *bad, const Path *path, Causes *causes)
{
    if (small && large && quantity_compare(small, large) > 0)
        fail_invalid(causes, path, bad,
                     arena_printf(causes->arena, "%s value %s is greater than %s value %s",
                                  small_name, small, large_name, large));
}

/* Both as thousandths, or as whole numbers if one is too large for that. */
static void check_ratio(const Amounts *a, const Path *path, Causes *causes)
{
    const int64_t milli_max = INT64_MAX / 1000;
    double ratio, most;

    if (quantity_compare(a->ratio, "1") < 0)
        fail_invalid(causes, path, a->ratio,
                     arena_printf(causes->arena, "ratio %s is less than 1", a->ratio));
    if (!a->min || !a->max)
        return;
    if (quantity_value(a->ratio) < milli_max && quantity_value(a->min) < milli_max &&
        quantity_value(a->max) < milli_max) {
        ratio = (double)quantity_milli(a->ratio) / 1000;
        most = (double)quantity_milli(a->max) / (double)quantity_milli(a->min);
    } else {
        ratio = (double)quantity_value(a->ratio);
        most = (double)quantity_value(a->max) / (double)quantity_value(a->min);
    }
    if (ratio > most)
        fail_invalid(
            causes, path, a->ratio,
            arena_printf(causes->arena, "ratio %s is greater than max/min = %f", a->ratio, most));
}

static void check_amounts(const LimitRangeItem *item, const char *resource, const Path *path,
                          Causes *causes)
{
    bool pod = str_equal(item->type, "Pod");
    const Amounts a = {
        .resource = resource,
        .min = string_map_get(&item->min, resource),
        .max = string_map_get(&item->max, resource),
        .by_default = pod ? NULL : string_map_get(&item->default_, resource),
        .request = pod ? NULL : string_map_get(&item->default_request, resource),
        .ratio = string_map_get(&item->max_limit_request_ratio, resource),
    };
    const Path *by_default = PATH_KEY(PATH(path, "default"), resource);
    const Path *request = PATH_KEY(PATH(path, "defaultRequest"), resource);

    check_order("min", a.min, "max", a.max, a.min, PATH_KEY(PATH(path, "min"), resource), causes);
    check_order("min", a.min, "default request", a.request, a.request, request, causes);
    check_order("default request", a.request, "max", a.max, a.request, request, causes);
    check_order("default request", a.request, "default limit", a.by_default, a.request, request,
                causes);
    check_order("min", a.min, "default", a.by_default, a.min, by_default, causes);
    check_order("default", a.by_default, "max", a.max, a.max, by_default, causes);
    if (a.ratio)
        check_ratio(&a, PATH_KEY(PATH(path, "maxLimitRequestRatio"), resource), causes);
    if (!resource_may_overcommit(resource) && a.by_default && a.request &&
        quantity_compare(a.by_default, a.request) != 0)
        fail_invalid(causes, request, a.request,
                     arena_printf(causes->arena,
                                  "default value %s must equal to defaultRequest value %s in %s",
                                  a.by_default, a.request, resource));
}

/* ---- items ---- */

static void check_each_resource(const LimitRangeItem *item, const Path *path, Causes *causes)
{
    const StringMap *const maps[] = {&item->max, &item->min, &item->default_,
                                     &item->default_request, &item->max_limit_request_ratio};
    TextMap seen = TEXT_MAP_INIT(causes->arena);

    for (size_t i = 0; i < ARRAY_LEN(maps); i++)
        for (size_t k = 0; k < maps[i]->n; k++)
            if (text_map_add(&seen, maps[i]->v[k].key))
                check_amounts(item, maps[i]->v[k].key, path, causes);
}

static void check_item(const LimitRangeItem *item, const Path *path, Causes *causes)
{
    check_names(item->type, &item->max, PATH(path, "max"), causes);
    check_names(item->type, &item->min, PATH(path, "min"), causes);
    if (str_equal(item->type, "Pod")) {
        if (item->default_.n)
            fail_forbidden(causes, PATH(path, "default"),
                           "may not be specified when `type` is 'Pod'");
        if (item->default_request.n)
            fail_forbidden(causes, PATH(path, "defaultRequest"),
                           "may not be specified when `type` is 'Pod'");
    } else {
        check_names(item->type, &item->default_, PATH(path, "default"), causes);
        check_names(item->type, &item->default_request, PATH(path, "defaultRequest"), causes);
    }
    if (str_equal(item->type, "PersistentVolumeClaim") && !string_map_get(&item->min, "storage") &&
        !string_map_get(&item->max, "storage"))
        fail_required(causes, PATH(path, "limits"),
                      "either minimum or maximum storage value is required, but neither was "
                      "provided");
    check_names(item->type, &item->max_limit_request_ratio, PATH(path, "maxLimitRequestRatio"),
                causes);
    check_each_resource(item, path, causes);
}

static void limit_range_validate(const void *value, const void *before _unused_, Causes *causes)
{
    const LimitRangeSpec *spec = &((const LimitRange *)value)->spec;
    TextMap types = TEXT_MAP_INIT(causes->arena);

    for (size_t i = 0; i < spec->limits.n; i++) {
        const Path *path = PATH_INDEX(PATH(NULL, "spec.limits"), i);

        check_type(spec->limits.v[i].type, PATH(path, "type"), causes);
        if (!text_map_add(&types, spec->limits.v[i].type))
            fail_duplicate(causes, PATH(path, "type"), str_or(spec->limits.v[i].type, ""));
        check_item(&spec->limits.v[i], path, causes);
    }
}

const KindRules rules_limit_range = {
    .complete = limit_range_complete,
    .prepare = limit_range_prepare,
    .validate = limit_range_validate,
};
