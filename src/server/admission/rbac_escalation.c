/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prevents privilege escalation: a user who writes a role has to hold all of its rules, or the verb
 * "escalate" on it; a user who binds a role has to hold all of its rules, or the verb "bind" on it.
 *
 * For this check a role is split into rules of a single verb, group, resource and name, because such a
 * rule is either covered by one rule of the user or not at all.
 */
#include "api/object.h"
#include "api/schema/rbac_v1.h"
#include "base/vec.h"
#include "server/admission/admission.h"
#include "server/auth/auth.h"
#include "server/auth/rbac.h"

typedef VEC(const PolicyRule *) Rules;

static bool among(const StringArray *array, const char *s)
{
    for (size_t i = 0; i < array->n; i++)
        if (str_equal(array->v[i], s))
            return true;
    return false;
}

/* ---- covering ---- */

static bool covers_resource(const StringArray *resources, const char *resource)
{
    const char *slash = strchr(resource, '/');

    if (among(resources, "*") || among(resources, resource))
        return true;
    for (size_t i = 0; slash && i < resources->n; i++)
        if (str_starts_with(resources->v[i], "*/") && str_equal(resources->v[i] + 1, slash))
            return true;
    return false;
}

static bool covers_path(const StringArray *urls, const char *path)
{
    for (size_t i = 0; i < urls->n; i++) {
        size_t n = strlen(urls->v[i]);

        if (str_equal(urls->v[i], path) ||
            (n && urls->v[i][n - 1] == '*' && strncmp(urls->v[i], path, n - 1) == 0))
            return true;
    }
    return false;
}

/* Whether the rule includes `small`, which has at most one verb, group, resource and name. */
static bool covers(const PolicyRule *rule, const PolicyRule *small)
{
    if (!among(&rule->verbs, "*") && !among(&rule->verbs, small->verbs.v[0]))
        return false;
    if (small->non_resource_urls.n)
        return covers_path(&rule->non_resource_urls, small->non_resource_urls.v[0]);
    return (among(&rule->api_groups, "*") || among(&rule->api_groups, small->api_groups.v[0])) &&
           covers_resource(&rule->resources, small->resources.v[0]) &&
           (!rule->resource_names.n ||
            (small->resource_names.n && among(&rule->resource_names, small->resource_names.v[0])));
}

typedef struct Held {
    Arena *arena;
    Rules rules;
} Held;

static bool collect(void *data, const PolicyRule *rule, const char *source _unused_)
{
    Held *held = data;

    VEC_PUSH(&held->rules, rule);
    return true;
}

/* ---- what is missing ---- */

static StringArray one(Arena *arena, const char *s)
{
    StringArray array = {arena_new(arena, const char *), 1};

    array.v[0] = s;
    return array;
}

typedef struct Missing {
    Arena *arena;
    const Held *held;
    VEC(PolicyRule *) rules;
} Missing;

static bool same_thing(const PolicyRule *a, const PolicyRule *b)
{
    PolicyRule x = *a, y = *b;

    x.verbs = y.verbs = (StringArray){0};
    return type_equal(&type_PolicyRule, &x, &y);
}

/* Adds the rule to the missing ones if the user does not hold it. Verbs on the same resource become one
 * rule, for the message. */
static void judge(Missing *missing, PolicyRule small)
{
    PolicyRule *rule;

    for (size_t i = 0; i < missing->held->rules.n; i++)
        if (covers(missing->held->rules.v[i], &small))
            return;
    for (size_t i = 0; i < missing->rules.n && !small.resource_names.n; i++)
        if (!small.non_resource_urls.n && same_thing(missing->rules.v[i], &small)) {
            if (!among(&missing->rules.v[i]->verbs, small.verbs.v[0]))
                ARENA_APPEND(missing->arena, &missing->rules.v[i]->verbs, small.verbs.v[0]);
            return;
        }
    rule = arena_new(missing->arena, PolicyRule);
    *rule = small;
    VEC_PUSH(&missing->rules, rule);
}

static void judge_rule(Missing *missing, const PolicyRule *rule)
{
    Arena *arena = missing->arena;

    for (size_t v = 0; v < rule->verbs.n; v++) {
        PolicyRule small = {.verbs = one(arena, rule->verbs.v[v])};

        for (size_t u = 0; u < rule->non_resource_urls.n; u++) {
            small.non_resource_urls = one(arena, rule->non_resource_urls.v[u]);
            judge(missing, small);
        }
        small.non_resource_urls = (StringArray){0};
        for (size_t g = 0; g < rule->api_groups.n; g++) {
            small.api_groups = one(arena, rule->api_groups.v[g]);
            for (size_t r = 0; r < rule->resources.n; r++) {
                small.resources = one(arena, rule->resources.v[r]);
                small.resource_names = (StringArray){0};
                if (!rule->resource_names.n)
                    judge(missing, small);
                for (size_t n = 0; n < rule->resource_names.n; n++) {
                    small.resource_names = one(arena, rule->resource_names.v[n]);
                    judge(missing, small);
                }
            }
        }
    }
}

/* ---- the message ---- */

/* Prints ["a" "b"]. */
static void add_list(StrBuf *text, const StringArray *array)
{
    strbuf_add_char(text, '[');
    for (size_t i = 0; i < array->n; i++)
        strbuf_printf(text, "%s\"%s\"", i ? " " : "", str_or(array->v[i], ""));
    strbuf_add_char(text, ']');
}

static const char *compact(Arena *arena, const PolicyRule *rule)
{
    const struct {
        const char *name;
        const StringArray *array;
    } parts[] = {
        {"APIGroups", &rule->api_groups},
        {"Resources", &rule->resources},
        {"NonResourceURLs", &rule->non_resource_urls},
        {"ResourceNames", &rule->resource_names},
        {"Verbs", &rule->verbs},
    };
    _strbuf_ StrBuf text = STRBUF_INIT;

    strbuf_add_char(&text, '{');
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (!parts[i].array->n)
            continue;
        strbuf_printf(&text, "%s%s:", text.n > 1 ? ", " : "", parts[i].name);
        add_list(&text, parts[i].array);
    }
    strbuf_add_char(&text, '}');
    return arena_strdup(arena, strbuf_string(&text));
}

static int refuse(Write *write, const Missing *missing)
{
    const char **lines = arena_new_n(&write->arena, const char *, missing->rules.n);
    _strbuf_ StrBuf text = STRBUF_INIT;

    for (size_t i = 0; i < missing->rules.n; i++)
        lines[i] = compact(&write->arena, missing->rules.v[i]);
    str_sort(lines, missing->rules.n);
    strbuf_printf(&text, "user \"%s\" (groups=", write->user->name);
    add_list(&text, &write->user->groups);
    strbuf_add_string(&text, ") is attempting to grant RBAC permissions not currently held:");
    for (size_t i = 0; i < missing->rules.n; i++)
        if (!i || !str_equal(lines[i], lines[i - 1]))
            strbuf_printf(&text, "\n%s", lines[i]);
    return status_forbidden(&write->status, &write->arena, write->kind, write->name,
                            arena_strdup(&write->arena, strbuf_string(&text)));
}

static int check_rules(Write *write, const PolicyRuleArray *rules)
{
    Held held = {.arena = &write->arena};
    Missing missing = {.arena = &write->arena, .held = &held};
    int r = 0;

    rbac_visit(write->server, &write->arena, write->user, write->ns, collect, &held);
    for (size_t i = 0; i < rules->n; i++)
        judge_rule(&missing, &rules->v[i]);
    if (missing.rules.n)
        r = refuse(write, &missing);
    VEC_DEINIT(&held.rules);
    VEC_DEINIT(&missing.rules);
    return r;
}

/* ---- admission ---- */

static bool may(Write *write, const char *verb, const char *resource, const char *name)
{
    Attributes attributes = {
        .verb = verb, .group = RBAC_GROUP, .resource = resource, .ns = write->ns, .name = name};

    return authorize(write->server, write->user, &attributes, &write->arena, NULL);
}

static int admit_binding(Write *write, const RoleRef *ref)
{
    bool cluster = str_equal(ref->kind, "ClusterRole");
    const PolicyRuleArray *rules;

    if (!cluster && !str_equal(ref->kind, "Role"))
        return status_set(&write->status, &write->arena, STATUS_UNKNOWN,
                          "unsupported role reference kind: \"%s\"", ref->kind);
    if (may(write, "bind", cluster ? "clusterroles" : "roles", ref->name))
        return 0;
    rules = rbac_rules_of(write->server, ref, write->ns);
    if (!rules)
        return status_not_found(&write->status, &write->arena,
                                cluster ? &kind_cluster_role : &kind_role, ref->name);
    return check_rules(write, rules);
}

static bool same_but_for_metadata(const Write *write)
{
    const Type *type = write->kind->type;

    for (size_t i = 1; write->before && i < type->n_fields; i++)
        if (!type_field_equal(&type->fields[i], field_at(write->object->value, &type->fields[i]),
                              field_at(write->before->value, &type->fields[i])))
            return false;
    return write->before != NULL;
}

/* A role that aggregates others can get any rules, so its writer has to hold all rules. */
static int admit_cluster_role(Write *write, const ClusterRole *role)
{
    static const char *all[] = {"*"};
    PolicyRule everything[] = {
        {.verbs = {all, 1}, .api_groups = {all, 1}, .resources = {all, 1}},
        {.verbs = {all, 1}, .non_resource_urls = {all, 1}},
    };
    int r = check_rules(write, &role->rules);

    if (r == 0 && role->aggregation_rule)
        r = check_rules(write, &(PolicyRuleArray){everything, ARRAY_LEN(everything)});
    return r;
}

int rbac_admit(Write *write)
{
    const Object *object = write->object;

    if (write->user->masters || same_but_for_metadata(write))
        return 0;
    if (write->kind == &kind_role_binding)
        return admit_binding(write, &OBJECT_AS(RoleBinding, object)->role_ref);
    if (write->kind == &kind_cluster_role_binding)
        return admit_binding(write, &OBJECT_AS(ClusterRoleBinding, object)->role_ref);
    if (may(write, "escalate", write->kind->plural,
            write->before || write->upsert ? write->name : NULL))
        return 0;
    if (write->kind == &kind_role)
        return check_rules(write, &OBJECT_AS(Role, object)->rules);
    return admit_cluster_role(write, object->value);
}
