/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of ResourceSlices: the devices that drivers offer. */
#include "api/print.h"
#include "api/rules/resource/device.h"
#include "api/schema/core_scheduling_v1.h"
#include "api/validate/pod.h"
#include "codec/quantity.h"

enum {
    DEVICES_MAX = 128,
    ADVANCED_DEVICES_MAX = 64, /* if any has taints or consumes counters */
    COUNTER_SETS_MAX = 8,
    COUNTERS_MAX = 32,
    CONSUMPTIONS_MAX = 2,
    PROPERTIES_MAX = 32,
    VALUE_MAX = 64,
    TAINTS_MAX = 16,
    OPTIONS_MAX = 10,
};

/* These fields are those of features that are not enabled by default, so they are ignored. */
static void slice_prepare(Arena *arena _unused_, void *value, const void *before _unused_)
{
    ResourceSliceSpec *spec = &((ResourceSlice *)value)->spec;

    for (size_t i = 0; i < spec->devices.n; i++) {
        Device *device = &spec->devices.v[i];

        device->node_allocatable_resource_mappings = (NodeAllocatableResourceMappingMap){0};
        for (size_t k = 0; k < device->attributes.n; k++) {
            DeviceAttribute *attribute = &device->attributes.v[k].value;

            attribute->ints = (Int64Array){0};
            attribute->bools = (BoolArray){0};
            attribute->strings = attribute->versions = (StringArray){0};
        }
    }
}

/* ---- attributes ---- */

/* The end of a number without leading zeros; NULL if there is none. */
static const char *skip_number(const char *c)
{
    size_t n = strspn(c, "0123456789");

    return n && (*c != '0' || n == 1) ? c + n : NULL;
}

/* The end of identifiers with dots between; of a pre-release, numbers have no leading zeros. */
static const char *skip_identifiers(const char *c, bool pre_release)
{
    static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-";

    for (;; c++) {
        size_t n = strspn(c, letters);
        bool number = strspn(c, "0123456789") == n;

        if (!n || (pre_release && number && *c == '0' && n > 1))
            return NULL;
        c += n;
        if (*c != '.')
            return c;
    }
}

static bool is_version(const char *c)
{
    for (int i = 0; i < 3 && c; i++) {
        c = skip_number(c);
        if (c && i < 2)
            c = *c == '.' ? c + 1 : NULL;
    }
    if (c && *c == '-')
        c = skip_identifiers(c + 1, true);
    if (c && *c == '+')
        c = skip_identifiers(c + 1, false);
    return c && !*c;
}

static void check_value_length(const char *text, const Path *path, Causes *causes)
{
    if (strlen(text) > VALUE_MAX)
        causes_add(causes, CAUSE_TOO_LONG, path_text(path, causes), NULL,
                   "may not be more than 64 bytes");
}

static void check_attribute(const DeviceAttribute *attribute, const Path *path, Causes *causes)
{
    int n = (attribute->int_value != NULL) + (attribute->bool_value != NULL) +
            (attribute->string_value != NULL) + (attribute->version_value != NULL);

    if (attribute->string_value)
        check_value_length(attribute->string_value, PATH(path, "string"), causes);
    if (attribute->version_value && !is_version(attribute->version_value))
        fail_invalid(causes, PATH(path, "version"), attribute->version_value,
                     "must be a string compatible with semver.org spec 2.0.0");
    if (attribute->version_value)
        check_value_length(attribute->version_value, PATH(path, "version"), causes);
    if (n == 0)
        fail_invalid(causes, path, "", "exactly one value must be specified");
    else if (n > 1)
        rules_invalid(causes, path, "{}", "exactly one value must be specified");
}

/* ---- capacities ---- */

static void check_options(const CapacityRequestPolicy *policy, const char *capacity,
                          const Path *path, Causes *causes)
{
    const StringArray *options = &policy->valid_values;
    TextMap seen = TEXT_MAP_INIT(causes->arena);
    bool has_default = false;

    for (size_t i = 0; i + 1 < options->n; i++)
        if (quantity_compare(options->v[i], options->v[i + 1]) > 0)
            fail_invalid(causes, PATH_INDEX(path, i + 1), options->v[i + 1],
                         "values must be sorted in ascending order");
    if (!device_too_many(causes, path, options->n, OPTIONS_MAX))
        for (size_t i = 0; i < options->n; i++) {
            const char *key =
                arena_printf(causes->arena, "%" PRId64, quantity_value(options->v[i]));

            if (quantity_compare(options->v[i], capacity) > 0)
                fail_invalid(causes, PATH_INDEX(path, i), options->v[i],
                             arena_printf(causes->arena, "option is larger than capacity value: %s",
                                          capacity));
            fail_if_seen(causes, PATH_INDEX(path, i), &seen, key);
            has_default |= quantity_compare(options->v[i], policy->default_) == 0;
        }
    if (!has_default)
        fail_invalid(causes, path, policy->default_,
                     "default value is not valid according to the requestPolicy");
}

static void check_bound(const char *bad, bool wrong, const char *what, const char *than,
                        const Path *path, Causes *causes)
{
    if (wrong)
        fail_invalid(causes, path, bad, arena_printf(causes->arena, "%s: %s", what, than));
}

static void check_multiple(const char *value, const CapacityRequestPolicyRange *range,
                           const Path *path, Causes *causes)
{
    int64_t step = quantity_value(range->step);
    /* As Go does, the difference wraps, and a multiple of -1 is any number: the processor cannot divide the
     * smallest number by it. */
    int64_t distance =
        (int64_t)((uint64_t)quantity_value(value) - (uint64_t)quantity_value(range->min));

    if (step && step != -1 && distance % step)
        fail_invalid(causes, path, value,
                     arena_printf(causes->arena,
                                  "value is not a multiple of a given step (%s) from (%s)",
                                  range->step, range->min));
}

static void check_range(const char *chosen, const char *capacity,
                        const CapacityRequestPolicyRange *range, const Path *path, Causes *causes)
{
    const Path *min = PATH(path, "min"), *max = PATH(path, "max"), *step = PATH(path, "step");

    if (!range->min) {
        fail_required(causes, min, "required when validRange is defined");
        return;
    }
    check_bound(range->min, quantity_compare(range->min, capacity) > 0,
                "min is larger than capacity value", capacity, min, causes);
    check_bound(chosen, quantity_compare(chosen, range->min) < 0, "default is less than min",
                range->min, min, causes);
    if (range->max) {
        check_bound(range->min, quantity_compare(range->min, range->max) > 0,
                    "min is larger than max", range->max, max, causes);
        check_bound(range->max, quantity_compare(range->max, capacity) > 0,
                    "max is larger than capacity value", capacity, max, causes);
        check_bound(chosen, quantity_compare(chosen, range->max) > 0, "default is more than max",
                    range->max, max, causes);
    }
    if (range->step) {
        const char *sum = quantity_add(causes->arena, range->min, range->step);

        if (quantity_compare(sum, capacity) > 0)
            fail_invalid(causes, step, range->step,
                         arena_printf(causes->arena,
                                      "one step %s is larger than capacity value: %s", sum,
                                      capacity));
        check_multiple(chosen, range, step, causes);
        if (range->max)
            check_multiple(range->max, range, step, causes);
    }
}

static void check_capacity(const DeviceCapacity *capacity, bool shared, const Path *path,
                           Causes *causes)
{
    const CapacityRequestPolicy *policy = capacity->request_policy;
    const Path *at = PATH(path, "requestPolicy");

    if (!policy)
        return;
    if (!shared)
        fail_forbidden(causes, at, "allowMultipleAllocations must be true");
    else if (policy->valid_values.n && policy->valid_range)
        fail_forbidden(causes, at,
                       "exactly one policy can be specified, cannot specify \"validValues\" and "
                       "\"validRange\" at the same time");
    else if (policy->valid_values.n && !policy->default_)
        fail_required(causes, PATH(at, "default"), "required when validValues is defined");
    else if (policy->valid_values.n)
        check_options(policy, capacity->value, PATH(at, "validValues"), causes);
    else if (policy->valid_range && !policy->default_)
        fail_required(causes, PATH(at, "default"), "required when validRange is defined");
    else if (policy->valid_range)
        check_range(policy->default_, capacity->value, policy->valid_range, PATH(at, "validRange"),
                    causes);
}

static void check_properties(const Device *device, const Path *path, Causes *causes)
{
    const Path *attributes = PATH(path, "attributes"), *capacity = PATH(path, "capacity");
    bool shared = device->allow_multiple_allocations && *device->allow_multiple_allocations;
    size_t n = device->attributes.n + device->capacity.n;

    if (n > PROPERTIES_MAX)
        fail_invalid_int(causes, path, (int64_t)n,
                         "the total number of attributes and capacities must not exceed 32");
    for (size_t i = 0; i < device->attributes.n; i++) {
        device_check_qualified(device->attributes.v[i].key, attributes, causes);
        check_attribute(&device->attributes.v[i].value,
                        PATH_KEY(attributes, device->attributes.v[i].key), causes);
    }
    for (size_t i = 0; i < device->capacity.n; i++) {
        device_check_qualified(device->capacity.v[i].key, capacity, causes);
        check_capacity(&device->capacity.v[i].value, shared,
                       PATH_KEY(capacity, device->capacity.v[i].key), causes);
    }
}

/* ---- counters ---- */

static void check_set_name(const char *name, const Path *path, Causes *causes)
{
    if (str_empty(name))
        fail_required(causes, path, "");
    else
        device_check_label(name, path, causes);
}

static void check_counters(const CounterMap *counters, const Path *path, Causes *causes)
{
    if (!counters->n) {
        fail_required(causes, path, "");
        return;
    }
    if (device_too_many(causes, path, counters->n, COUNTERS_MAX))
        return;
    for (size_t i = 0; i < counters->n; i++)
        fail_faults(causes, path, counters->v[i].key, check_dns_label(counters->v[i].key));
}

static void check_counter_sets(const CounterSetArray *sets, Causes *causes)
{
    const Path *path = PATH(NULL, "spec.sharedCounters");
    TextMap seen = TEXT_MAP_INIT(causes->arena);

    if (device_too_many(causes, path, sets->n, COUNTER_SETS_MAX))
        return;
    for (size_t i = 0; i < sets->n; i++) {
        check_set_name(sets->v[i].name, PATH(PATH_INDEX(path, i), "name"), causes);
        check_counters(&sets->v[i].counters, PATH(PATH_INDEX(path, i), "counters"), causes);
        fail_if_seen(causes, PATH_INDEX(path, i), &seen, str_or(sets->v[i].name, ""));
    }
}

static void check_consumptions(const DeviceCounterConsumptionArray *list, const Path *path,
                               Causes *causes)
{
    TextMap seen = TEXT_MAP_INIT(causes->arena);

    if (device_too_many(causes, path, list->n, CONSUMPTIONS_MAX))
        return;
    for (size_t i = 0; i < list->n; i++) {
        check_set_name(list->v[i].counter_set, PATH(PATH_INDEX(path, i), "counterSet"), causes);
        check_counters(&list->v[i].counters, PATH(PATH_INDEX(path, i), "counters"), causes);
        fail_if_seen(causes, PATH_INDEX(path, i), &seen, str_or(list->v[i].counter_set, ""));
    }
}

/* ---- devices ---- */

static void check_taints(const DeviceTaintArray *taints, const Path *path, Causes *causes)
{
    if (device_too_many(causes, path, taints->n, TAINTS_MAX))
        return;
    for (size_t i = 0; i < taints->n; i++) {
        const DeviceTaint *taint = &taints->v[i];
        const Path *at = PATH_INDEX(path, i);

        fail_faults(causes, PATH(at, "key"), str_or(taint->key, ""),
                    check_qualified_name(str_or(taint->key, "")));
        if (!str_empty(taint->value))
            fail_faults(causes, PATH(at, "value"), taint->value, check_label_value(taint->value));
        if (str_empty(taint->effect))
            fail_required(causes, PATH(at, "effect"), "");
        else if (!name_is_one_of(taint->effect, device_taint_effects))
            fail_not_supported(causes, PATH(at, "effect"), taint->effect, device_taint_effects);
    }
}

/* Where something can be used: at most one of several fields says it. */
typedef struct Places {
    const char *v[4];
    size_t n;
} Places;

static void check_node_name(const char *name, const char *empty, Places *places, const Path *path,
                            Causes *causes)
{
    if (!name)
        return;
    if (!*name) {
        fail_invalid(causes, path, name, empty);
        return;
    }
    places->v[places->n++] = "`nodeName`";
    fail_faults(causes, path, name, check_dns_subdomain(name));
}

static void check_true(const bool *value, const char *name, Places *places, const Path *path,
                       Causes *causes)
{
    if (value && *value)
        places->v[places->n++] = name;
    else if (value)
        rules_invalid(causes, path, "false", "must be either unset or set to true");
}

static void check_places(const Places *places, const Path *path, const char *one, const char *many,
                         Causes *causes)
{
    const char *text = "{";

    if (places->n == 0)
        fail_required(causes, path, one);
    if (places->n < 2)
        return;
    for (size_t i = 0; i < places->n; i++)
        text = arena_printf(causes->arena, "%s%s%s", text, i ? ", " : "", places->v[i]);
    fail_invalid(causes, path, arena_printf(causes->arena, "%s}", text), many);
}

static void check_device_places(const Device *device, bool per_device, const Path *path,
                                Causes *causes)
{
    static const char one[] =
        "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required "
        "when `perDeviceNodeSelection` is set to true in the ResourceSlice "
        "spec";
    Places places = {.n = 0};

    if (!per_device) {
        if (device->node_name || device->node_selector || device->all_nodes)
            rules_invalid(causes, path, "null",
                          "`nodeName`, `nodeSelector` and `allNodes` can only be set if "
                          "`perDeviceNodeSelection` is set to true in the ResourceSlice spec");
        return;
    }
    check_node_name(device->node_name, "must not be empty", &places, PATH(path, "nodeName"),
                    causes);
    if (device->node_selector) {
        places.v[places.n++] = "`nodeSelector`";
        validate_node_selector(device->node_selector, PATH(path, "nodeSelector"), causes);
    }
    check_true(device->all_nodes, "`allNodes`", &places, PATH(path, "allNodes"), causes);
    check_places(&places, path, one, one, causes);
}

static void check_device(const Device *device, bool per_device, const Path *path, Causes *causes)
{
    device_check_label(device->name, PATH(path, "name"), causes);
    check_properties(device, path, causes);
    check_taints(&device->taints, PATH(path, "taints"), causes);
    check_consumptions(&device->consumes_counters, PATH(path, "consumesCounters"), causes);
    check_device_places(device, per_device, path, causes);
    device_check_binding_conditions(&device->binding_conditions,
                                    &device->binding_failure_conditions, path, causes);
}

static void check_devices(const ResourceSliceSpec *spec, Causes *causes)
{
    const Path *path = PATH(NULL, "spec.devices");
    bool per_device = spec->per_device_node_selection && *spec->per_device_node_selection;
    TextMap seen = TEXT_MAP_INIT(causes->arena);
    size_t max = DEVICES_MAX;

    for (size_t i = 0; i < spec->devices.n; i++)
        if (spec->devices.v[i].taints.n || spec->devices.v[i].consumes_counters.n)
            max = ADVANCED_DEVICES_MAX;
    if (device_too_many(causes, path, spec->devices.n, max))
        return;
    for (size_t i = 0; i < spec->devices.n; i++)
        check_device(&spec->devices.v[i], per_device, PATH_INDEX(path, i), causes);
    for (size_t i = 0; i < spec->devices.n; i++)
        fail_if_seen(causes, PATH_INDEX(path, i), &seen, str_or(spec->devices.v[i].name, ""));
}

/* ---- slices ---- */

static void check_pool(const ResourcePool *pool, Causes *causes)
{
    device_check_pool(pool->name, PATH(NULL, "spec.pool.name"), causes);
    if (pool->resource_slice_count <= 0)
        causes_invalid_int(causes, "spec.pool.resourceSliceCount", pool->resource_slice_count,
                           "must be greater than zero");
    if (pool->generation < 0)
        causes_invalid_int(causes, "spec.pool.generation", pool->generation,
                           "must be greater than or equal to zero");
}

static void check_slice_places(const ResourceSliceSpec *spec, Causes *causes)
{
    static const char one[] = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, "
                              "`perDeviceNodeSelection` is required";
    const Path *path = PATH(NULL, "spec");
    const Path *terms = PATH(path, "nodeSelector.nodeSelectorTerms");
    Places places = {.n = 0};

    check_node_name(spec->node_name, "must be either unset or set to a non-empty string", &places,
                    PATH(path, "nodeName"), causes);
    if (spec->node_selector) {
        places.v[places.n++] = "`nodeSelector`";
        validate_node_selector(spec->node_selector, PATH(path, "nodeSelector"), causes);
        if (spec->node_selector->node_selector_terms.n != 1)
            rules_invalid(
                causes, terms,
                rules_bad(&type_NodeSelector, spec->node_selector, "nodeSelectorTerms", causes),
                "must have exactly one node selector term");
    }
    check_true(spec->all_nodes, "`allNodes`", &places, PATH(path, "allNodes"), causes);
    check_true(spec->per_device_node_selection, "`perDeviceNodeSelection`", &places,
               PATH(path, "perDeviceNodeSelection"), causes);
    check_places(&places, path, one,
                 arena_printf(causes->arena, "%s, but multiple fields are set", one), causes);
}

static void check_unchanged(const ResourceSliceSpec *spec, const ResourceSliceSpec *before,
                            Causes *causes)
{
    static const struct {
        const char *field, *path;
    } rows[] = {{"driver", "spec.driver"}, {"nodeName", "spec.nodeName"}};
    const Field *name = type_member(&type_ResourcePool, "name");

    validate_immutable(name, &spec->pool.name, &before->pool.name, "spec.pool.name", causes);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const Field *field = type_member(&type_ResourceSliceSpec, rows[i].field);

        validate_immutable(field, field_at(spec, field), field_at(before, field), rows[i].path,
                           causes);
    }
}

static void slice_validate(const void *value, const void *before, Causes *causes)
{
    const ResourceSliceSpec *spec = &((const ResourceSlice *)value)->spec;

    validate_driver_name(spec->driver, PATH(NULL, "spec.driver"), causes);
    check_pool(&spec->pool, causes);
    if (before)
        check_unchanged(spec, &((const ResourceSlice *)before)->spec, causes);
    check_slice_places(spec, causes);
    if (spec->shared_counters.v && spec->devices.v)
        causes_invalid_string(causes, "spec", "",
                              "only one of `sharedCounters` or `devices` is allowed");
    check_devices(spec, causes);
    check_counter_sets(&spec->shared_counters, causes);
}

static void slice_warn(Arena *arena, const void *value, Warnings *warnings)
{
    const char *driver = ((const ResourceSlice *)value)->spec.driver;

    if (!str_equal(driver, text_lower(arena, driver)))
        warnings_add(arena, warnings,
                     arena_printf(arena,
                                  "spec.driver: driver names should be lowercase; \"%s\" "
                                  "contains uppercase characters",
                                  driver));
}

static void slice_print(const void *value, int64_t now_ns, StrBuf *out)
{
    const ResourceSlice *slice = value;

    cell_string(out, slice->metadata.name);
    cell_string(out, slice->spec.node_name);
    cell_string(out, slice->spec.driver);
    cell_string(out, slice->spec.pool.name);
    cell_age(out, slice->metadata.creation_timestamp, now_ns);
}

const KindRules rules_resource_slice = {
    .prepare = slice_prepare,
    .validate = slice_validate,
    .warn = slice_warn,
    .print = slice_print,
};
