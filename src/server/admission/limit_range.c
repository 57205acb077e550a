/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LimitRanges: new pods get the default requests and limits of their namespace, and pods and claims
 * outside of its bounds are refused with all bounds that they break.
 */
#include "api/object.h"
#include "api/pod_containers.h"
#include "api/quantity.h"
#include "api/resource_list.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_quota_v1.h"
#include "base/strbuf.h"
#include "base/text_map.h"
#include "server/admission/admission.h"

#define ANNOTATION "kubernetes.io/limit-ranger"

static bool has_ranges(const Write *write)
{
    return store_size(write->server->store, &kind_limit_range) != 0;
}

/* ---- defaults ---- */

typedef struct Defaults {
    Write *write;
    StrBuf text; /* of the annotation */
    const LimitRangeSpec *spec;
} Defaults;

/* Adds the defaults that the map lacks, and notes their names: "cpu, memory request for container
 * c". */
static void fill(Defaults *defaults, StringMap *map, const StringMap *from, const char *what,
                 const char *container)
{
    Arena *arena = &defaults->write->object->arena;
    bool any = false;

    for (size_t i = 0; i < from->n; i++) {
        if (string_map_get(map, from->v[i].key))
            continue;
        strbuf_printf(&defaults->text, "%s%s",
                      any                ? ", "
                      : defaults->text.n ? "; "
                                         : "LimitRanger plugin set: ",
                      from->v[i].key);
        any = true;
    }
    if (any)
        strbuf_printf(&defaults->text, " %s %s", what, container);
    string_map_fill(arena, map, from);
}

static void fill_containers(Defaults *defaults, ContainerArray *containers,
                            const LimitRangeItem *item, const char *request, const char *limit)
{
    for (size_t i = 0; i < containers->n; i++) {
        Container *container = &containers->v[i];

        fill(defaults, &container->resources.requests, &item->default_request, request,
             container->name);
        fill(defaults, &container->resources.limits, &item->default_, limit, container->name);
    }
}

static bool each_range(void *data, Object *object)
{
    Defaults *defaults = data;
    Pod *pod = defaults->write->object->value;
    const LimitRangeSpec *spec = &OBJECT_AS(LimitRange, object)->spec;

    strbuf_truncate(&defaults->text, 0);
    for (size_t i = 0; i < spec->limits.n; i++) {
        if (!str_equal(spec->limits.v[i].type, "Container"))
            continue;
        fill_containers(defaults, &pod->spec.containers, &spec->limits.v[i],
                        "request for container", "limit for container");
        fill_containers(defaults, &pod->spec.init_containers, &spec->limits.v[i],
                        "request for init container", "limit for init container");
    }
    if (defaults->text.n && !defaults->write->before)
        string_map_put(
            &defaults->write->object->arena, &pod->metadata.annotations, ANNOTATION,
            arena_strdup(&defaults->write->object->arena, strbuf_string(&defaults->text)));
    return true;
}

void limit_range_fill(Write *write)
{
    Defaults defaults = {.write = write};

    if (!has_ranges(write))
        return;
    store_list(write->server->store, &kind_limit_range, write->ns, NULL, each_range, &defaults);
    strbuf_deinit(&defaults.text);
}

int limit_range_complete(Write *write)
{
    limit_range_fill(write);
    return 0;
}

/* ---- bounds ---- */

/* Several mistakes are listed as Go prints an aggregate of errors: each text once, in brackets if
 * there is more than one. */
typedef struct Bounds {
    Write *write;
    Arena *arena;
    TextMap seen;
    StrBuf text;
    size_t n;
    const char *type; /* of the item under way */
} Bounds;

static void add_mistake(Bounds *bounds, const char *text)
{
    if (!text_map_add(&bounds->seen, text))
        return;
    if (bounds->n++)
        strbuf_add_string(&bounds->text, ", ");
    strbuf_add_string(&bounds->text, text);
}

static void too_far(Bounds *bounds, const char *end, const StringEntry *bound, const char *what,
                    const char *value)
{
    add_mistake(bounds, arena_printf(bounds->arena, "%s %s usage per %s is %s, but %s is %s", end,
                                     bound->key, bounds->type, bound->value, what, value));
}

static void absent(Bounds *bounds, const char *end, const StringEntry *bound, const char *what)
{
    add_mistake(bounds, arena_printf(bounds->arena, "%s %s usage per %s is %s.  No %s is specified",
                                     end, bound->key, bounds->type, bound->value, what));
}

static void check_min(Bounds *bounds, const StringMap *min, const StringMap *requests,
                      const StringMap *limits)
{
    for (size_t i = 0; i < min->n; i++) {
        const StringEntry *bound = &min->v[i];
        const char *request = string_map_get(requests, bound->key);
        const char *limit = string_map_get(limits, bound->key);

        if (!request)
            absent(bounds, "minimum", bound, "request");
        else if (quantity_compare(request, bound->value) < 0)
            too_far(bounds, "minimum", bound, "request", request);
        else if (limit && quantity_compare(limit, bound->value) < 0)
            too_far(bounds, "minimum", bound, "limit", limit);
    }
}

static void check_max(Bounds *bounds, const StringMap *max, const StringMap *requests,
                      const StringMap *limits)
{
    for (size_t i = 0; i < max->n; i++) {
        const StringEntry *bound = &max->v[i];
        const char *request = string_map_get(requests, bound->key);
        const char *limit = string_map_get(limits, bound->key);

        if (!limit)
            absent(bounds, "maximum", bound, "limit");
        else if (quantity_compare(limit, bound->value) > 0)
            too_far(bounds, "maximum", bound, "limit", limit);
        else if (request && quantity_compare(request, bound->value) > 0)
            too_far(bounds, "maximum", bound, "request", request);
    }
}

static void check_ratio(Bounds *bounds, const StringMap *ratios, const StringMap *requests,
                        const StringMap *limits)
{
    for (size_t i = 0; i < ratios->n; i++) {
        const StringEntry *ratio = &ratios->v[i];
        const char *request = string_map_get(requests, ratio->key);
        const char *limit = string_map_get(limits, ratio->key), *missing = NULL;
        double observed;

        if (!request || quantity_compare(request, "0") == 0)
            missing = "request";
        else if (!limit || quantity_compare(limit, "0") == 0)
            missing = "limit";
        if (missing) {
            add_mistake(bounds,
                        arena_printf(bounds->arena,
                                     "%s max limit to request ratio per %s is %s, but no %s is "
                                     "specified or %s is 0",
                                     ratio->key, bounds->type, ratio->value, missing, missing));
            continue;
        }
        observed = (double)quantity_milli(limit) / (double)quantity_milli(request);
        if (observed * 1000 > (double)quantity_milli(ratio->value))
            add_mistake(bounds, arena_printf(bounds->arena,
                                             "%s max limit to request ratio per %s is %s, but "
                                             "provided ratio is %f",
                                             ratio->key, bounds->type, ratio->value, observed));
    }
}

static void check_item(Bounds *bounds, const LimitRangeItem *item, const StringMap *requests,
                       const StringMap *limits)
{
    check_min(bounds, &item->min, requests, limits);
    check_max(bounds, &item->max, requests, limits);
    check_ratio(bounds, &item->max_limit_request_ratio, requests, limits);
}

static void check_containers(Bounds *bounds, const LimitRangeItem *item,
                             const ContainerArray *containers)
{
    for (size_t i = 0; i < containers->n; i++)
        check_item(bounds, item, &containers->v[i].resources.requests,
                   &containers->v[i].resources.limits);
}

static void check_pod(Bounds *bounds, const LimitRangeItem *item)
{
    const Pod *pod = bounds->write->object->value;
    ResourceSum requests = RESOURCE_SUM_INIT(bounds->arena),
                limits = RESOURCE_SUM_INIT(bounds->arena);
    StringMap request_map, limit_map;

    if (str_equal(item->type, "Container")) {
        check_containers(bounds, item, &pod->spec.containers);
        check_containers(bounds, item, &pod->spec.init_containers);
    } else if (str_equal(item->type, "Pod")) {
        pod_requests(&requests, pod, (PodDemandOptions){0});
        pod_limits(&limits, pod, (PodDemandOptions){0});
        request_map = resource_sum_map(&requests);
        limit_map = resource_sum_map(&limits);
        check_item(bounds, item, &request_map, &limit_map);
    }
}

/* Claims have no limits: what they ask for may not be more than the maximum. */
static void check_claim(Bounds *bounds, const LimitRangeItem *item)
{
    const PersistentVolumeClaim *claim = bounds->write->object->value;
    const StringMap *requests = &claim->spec.resources.requests;

    if (!str_equal(item->type, "PersistentVolumeClaim"))
        return;
    check_min(bounds, &item->min, requests, &(StringMap){0});
    for (size_t i = 0; i < item->max.n; i++) {
        const char *request = string_map_get(requests, item->max.v[i].key);

        if (!request)
            absent(bounds, "maximum", &item->max.v[i], "request");
        else if (quantity_compare(request, item->max.v[i].value) > 0)
            too_far(bounds, "maximum", &item->max.v[i], "request", request);
    }
}

static bool each_bounds(void *data, Object *object)
{
    Bounds *bounds = data;
    const LimitRangeSpec *spec = &OBJECT_AS(LimitRange, object)->spec;

    for (size_t i = 0; i < spec->limits.n; i++) {
        bounds->type = spec->limits.v[i].type;
        if (bounds->write->kind == &kind_pod)
            check_pod(bounds, &spec->limits.v[i]);
        else
            check_claim(bounds, &spec->limits.v[i]);
    }
    return bounds->n == 0; /* the first range that is broken is the answer */
}

/* The containers of a pod only change by a resize. */
static bool is_concerned(const Write *write)
{
    if (write->before && object_meta(write->before)->deletion_timestamp.set)
        return false;
    if (write->before && write->kind == &kind_pod)
        return str_equal(write->subresource, "resize");
    return !write->subresource;
}

int limit_range_check(Write *write)
{
    Bounds bounds = {.write = write, .arena = &write->arena, .seen = TEXT_MAP_INIT(&write->arena)};
    int r = 0;

    if (!has_ranges(write) || !is_concerned(write))
        return 0;
    store_list(write->server->store, &kind_limit_range, write->ns, NULL, each_bounds, &bounds);
    if (bounds.n)
        r = status_forbidden(
            &write->status, &write->arena, write->kind, write->name,
            arena_printf(&write->arena, bounds.n > 1 ? "[%s]" : "%s", strbuf_string(&bounds.text)));
    strbuf_deinit(&bounds.text);
    return r;
}
