/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of ResourceQuotas. */
#include "api/object.h"
#include "api/print.h"
#include "api/quantity.h"
#include "api/rules/rules.h"
#include "api/schema/core_quota_v1.h"
#include "api/validate/pod.h"
#include "api/validate/resource_name.h"

/* ---- scopes ---- */

enum {
    COUNTS_PODS = 1 << 0,    /* the number of pods */
    COUNTS_COMPUTE = 1 << 1, /* cpu and memory */
    COUNTS_CLAIMS = 1 << 2,  /* claims and their storage */
};

static const struct {
    const char *name;
    unsigned counts; /* what a quota of the scope can count */
    bool no_values;  /* the scope only exists or not */
} scopes[] = {
    {"Terminating", COUNTS_PODS | COUNTS_COMPUTE, true},
    {"NotTerminating", COUNTS_PODS | COUNTS_COMPUTE, true},
    {"BestEffort", COUNTS_PODS, true},
    {"NotBestEffort", COUNTS_PODS | COUNTS_COMPUTE, true},
    {"CrossNamespacePodAffinity", COUNTS_PODS | COUNTS_COMPUTE, true},
    {"PriorityClass", COUNTS_PODS | COUNTS_COMPUTE, false},
    {"VolumeAttributesClass", COUNTS_CLAIMS, false},
};

static size_t find_scope(const char *name)
{
    size_t i = 0;

    while (i < ARRAY_LEN(scopes) && !str_equal(scopes[i].name, name))
        i++;
    return i;
}

static bool scope_counts(size_t scope, const char *resource)
{
    static const char *const compute[] = {
        "cpu", "memory", "limits.cpu", "requests.cpu", "requests.memory", "limits.memory", NULL};
    static const char *const claims[] = {"persistentvolumeclaims", "requests.storage", NULL};

    return (scopes[scope].counts & COUNTS_PODS && str_equal(resource, "pods")) ||
           (scopes[scope].counts & COUNTS_COMPUTE && name_is_one_of(resource, compute)) ||
           (scopes[scope].counts & COUNTS_CLAIMS && name_is_one_of(resource, claims));
}

/* A cause for each resource of the quota that the scope does not count. */
static void check_scope(const ResourceQuotaSpec *spec, const char *name, const char *bad,
                        const Path *path, Causes *causes)
{
    size_t scope = find_scope(name);

    for (size_t i = 0; scope < ARRAY_LEN(scopes) && i < spec->hard.n; i++)
        if (resource_is_for_quotas(spec->hard.v[i].key) &&
            !scope_counts(scope, spec->hard.v[i].key))
            rules_invalid(causes, path, bad, "unsupported scope applied to resource");
}

/* Whether both of two scopes that exclude each other are among the names. */
static void check_conflicts(const ResourceQuotaSpec *spec, const TextMap *names, const Path *path,
                            Causes *causes)
{
    static const char *const pairs[][2] = {{"BestEffort", "NotBestEffort"},
                                           {"Terminating", "NotTerminating"}};

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        if (text_map_has(names, pairs[i][0]) && text_map_has(names, pairs[i][1]))
            rules_invalid(causes, path, rules_bad(&type_ResourceQuotaSpec, spec, "scopes", causes),
                          "conflicting scopes");
}

static void check_scopes(const ResourceQuotaSpec *spec, Causes *causes)
{
    const Path *path = PATH(NULL, "spec.scopes");
    const char *bad = rules_bad(&type_ResourceQuotaSpec, spec, "scopes", causes);
    TextMap names = TEXT_MAP_INIT(causes->arena);

    for (size_t i = 0; i < spec->scopes.n; i++) {
        const char *name = spec->scopes.v[i];

        if (find_scope(name) == ARRAY_LEN(scopes))
            rules_invalid(causes, path, bad, "unsupported scope");
        check_scope(spec, name, bad, path, causes);
        (void)text_map_add(&names, name);
    }
    check_conflicts(spec, &names, path, causes);
}

static void check_operator(const ScopedResourceSelectorRequirement *requirement, const Path *path,
                           Causes *causes)
{
    const char *operator= str_or(requirement->operator, "");
    size_t scope = find_scope(requirement->scope_name);

    if (scope < ARRAY_LEN(scopes) && scopes[scope].no_values && !str_equal(operator, "Exists"))
        fail_invalid(causes, PATH(path, "operator"), operator,
                     "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, "
                     "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
                     "ResourceQuotaScopeNotBestEffort or "
                     "ResourceQuotaScopeCrossNamespacePodAffinity");
    if (str_equal(operator, "In") || str_equal(operator, "NotIn")) {
        if (!requirement->values.n)
            fail_required(causes, PATH(path, "values"),
                          "must be at least one value when `operator` is 'In' or 'NotIn' for scope "
                          "selector");
    } else if (str_equal(operator, "Exists") || str_equal(operator, "DoesNotExist")) {
        if (requirement->values.n)
            rules_invalid(
                causes, PATH(path, "values"),
                rules_bad(&type_ScopedResourceSelectorRequirement, requirement, "values", causes),
                "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope "
                "selector");
    } else {
        fail_invalid(causes, PATH(path, "operator"), operator, "not a valid selector operator");
    }
}

static void check_selector(const ResourceQuotaSpec *spec, Causes *causes)
{
    const Path *path = PATH(NULL, "spec.scopeSelector.matchExpressions");
    const char *bad;
    TextMap names = TEXT_MAP_INIT(causes->arena);

    if (!spec->scope_selector)
        return;
    bad = rules_bad(&type_ResourceQuotaSpec, spec, "scopeSelector", causes);
    for (size_t i = 0; i < spec->scope_selector->match_expressions.n; i++) {
        const ScopedResourceSelectorRequirement *requirement =
            &spec->scope_selector->match_expressions.v[i];

        if (find_scope(requirement->scope_name) == ARRAY_LEN(scopes))
            fail_invalid(causes, PATH(path, "scopeName"), str_or(requirement->scope_name, ""),
                         "unsupported scope");
        check_scope(spec, requirement->scope_name, bad, path, causes);
        check_operator(requirement, path, causes);
        (void)text_map_add(&names, requirement->scope_name);
    }
    check_conflicts(spec, &names, path, causes);
}

/* ---- the rules ---- */

static void check_amounts(const StringMap *amounts, const Path *path, Causes *causes)
{
    for (size_t i = 0; i < amounts->n; i++) {
        const Path *at = PATH_KEY(path, amounts->v[i].key);

        validate_quota_resource_name(amounts->v[i].key, at, causes);
        validate_whole_resource(&amounts->v[i], at, causes);
    }
}

static bool same_scopes(const StringArray *a, const StringArray *b)
{
    for (size_t i = 0; i < a->n; i++)
        if (!rules_among(b, b->n, a->v[i]))
            return false;
    for (size_t i = 0; i < b->n; i++)
        if (!rules_among(a, a->n, b->v[i]))
            return false;
    return true;
}

static void quota_validate(const void *value, const void *before, Causes *causes)
{
    const ResourceQuotaSpec *spec = &((const ResourceQuota *)value)->spec;

    check_amounts(&spec->hard, PATH(NULL, "spec.hard"), causes);
    check_scopes(spec, causes);
    check_selector(spec, causes);
    if (before && !same_scopes(&spec->scopes, &((const ResourceQuota *)before)->spec.scopes))
        rules_invalid(causes, PATH(NULL, "spec.scopes"),
                      rules_bad(&type_ResourceQuotaSpec, spec, "scopes", causes),
                      "field is immutable");
}

static void quota_validate_status(const void *value, const void *before _unused_, Causes *causes)
{
    const ResourceQuotaStatus *status = &((const ResourceQuota *)value)->status;

    check_amounts(&status->hard, PATH(NULL, "status.hard"), causes);
    check_amounts(&status->used, PATH(NULL, "status.used"), causes);
}

static void quota_warn(Arena *arena, const void *value, Warnings *warnings)
{
    static const char *const names[] = {"cpu", "memory", "storage", "ephemeral-storage"};
    const StringMap *hard = &((const ResourceQuota *)value)->spec.hard;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *request_name = arena_printf(arena, "requests.%s", names[i]);
        const char *limit_name = arena_printf(arena, "limits.%s", names[i]);
        const char *request = string_map_get(hard, request_name);
        const char *limit = string_map_get(hard, limit_name);

        if (!request && i < 2) { /* cpu and memory alone mean their requests */
            request_name = names[i];
            request = string_map_get(hard, request_name);
        }
        if (request && limit && quantity_compare(request, limit) > 0)
            rules_warn(arena, warnings,
                       arena_printf(arena, "ResourceQuota %s (%s) should be less than %s (%s)",
                                    request_name, request, limit_name, limit));
    }
}

/* The resources whose names begin with "limits.", or all others. */
static void cell_usage(StrBuf *row, const ResourceQuotaStatus *status, bool limits)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    for (size_t i = 0; i < status->hard.n; i++) {
        const StringEntry *hard = &status->hard.v[i];

        if (str_starts_with(hard->key, "limits.") == limits)
            strbuf_printf(&text, "%s%s: %s/%s", text.n ? ", " : "", hard->key,
                          str_or(string_map_get(&status->used, hard->key), "0"), hard->value);
    }
    cell_string(row, strbuf_string(&text));
}

static void quota_print(const void *value, int64_t now_ns, StrBuf *row)
{
    const ResourceQuota *quota = value;

    cell_string(row, quota->metadata.name);
    cell_usage(row, &quota->status, false);
    cell_usage(row, &quota->status, true);
    cell_age(row, quota->metadata.creation_timestamp, now_ns);
}

const KindRules rules_resource_quota = {
    .validate = quota_validate,
    .validate_status = quota_validate_status,
    .warn = quota_warn,
    .print = quota_print,
};
