/* SPDX-License-Identifier: Apache-2.0 */

#include "api/object.h"
#include "server/auth/rbac.h"

/* ---- rules ---- */

static bool among(const StringArray *array, const char *s)
{
    for (size_t i = 0; i < array->n; i++)
        if (str_equal(array->v[i], s))
            return true;
    return false;
}

static bool resource_matches(const StringArray *resources, const Attributes *attributes)
{
    const char *sub = attributes->subresource;
    size_t n = strlen(str_or(attributes->resource, ""));

    for (size_t i = 0; i < resources->n; i++) {
        const char *resource = str_or(resources->v[i], "");

        if (str_equal(resource, "*"))
            return true;
        if (str_empty(sub) ? str_equal(resource, attributes->resource)
                           : strncmp(resource, attributes->resource, n) == 0 &&
                                 resource[n] == '/' && str_equal(resource + n + 1, sub))
            return true;
        if (!str_empty(sub) && str_starts_with(resource, "*/") && str_equal(resource + 2, sub))
            return true;
    }
    return false;
}

static bool path_matches(const StringArray *urls, const char *path)
{
    for (size_t i = 0; i < urls->n; i++) {
        const char *url = str_or(urls->v[i], "");
        size_t n = strlen(url);

        if (str_equal(url, path) || str_equal(url, "*"))
            return true;
        if (n && url[n - 1] == '*' && strncmp(url, path, n - 1) == 0)
            return true;
    }
    return false;
}

bool rbac_rule_allows(const PolicyRule *rule, const Attributes *attributes)
{
    if (!among(&rule->verbs, "*") && !among(&rule->verbs, attributes->verb))
        return false;
    if (attributes->path)
        return path_matches(&rule->non_resource_urls, attributes->path);
    return (among(&rule->api_groups, "*") || among(&rule->api_groups, attributes->group)) &&
           resource_matches(&rule->resources, attributes) &&
           (!rule->resource_names.n ||
            (!str_empty(attributes->name) && among(&rule->resource_names, attributes->name)));
}

/* ---- bindings ---- */

static bool is_service_account(const User *user, const char *ns, const char *name)
{
    static const char prefix[] = "system:serviceaccount:";
    const char *at = user->name + sizeof(prefix) - 1;
    size_t n = strlen(str_or(ns, ""));

    return str_starts_with(user->name, prefix) && strncmp(at, str_or(ns, ""), n) == 0 &&
           at[n] == ':' && str_equal(at + n + 1, name);
}

/* The first subject that the user is or belongs to, or NULL. */
static const Subject *find_subject(const SubjectArray *subjects, const User *user, const char *ns)
{
    for (size_t i = 0; i < subjects->n; i++) {
        const Subject *subject = &subjects->v[i];

        if (str_equal(subject->kind, "User")) {
            if (str_equal(subject->name, user->name))
                return subject;
        } else if (str_equal(subject->kind, "Group")) {
            if (among(&user->groups, subject->name))
                return subject;
        } else if (str_equal(subject->kind, "ServiceAccount") &&
                   is_service_account(user, str_or(subject->namespace, ns), subject->name)) {
            return subject;
        }
    }
    return NULL;
}

const PolicyRuleArray *rbac_rules_of(Server *server, const RoleRef *ref, const char *ns)
{
    bool cluster = str_equal(ref->kind, "ClusterRole");
    Object *role = cluster ? store_get(server->store, &kind_cluster_role, NULL, ref->name)
                           : store_get(server->store, &kind_role, ns, ref->name);

    if (!role)
        return NULL;
    return cluster ? &OBJECT_AS(ClusterRole, role)->rules : &OBJECT_AS(Role, role)->rules;
}

typedef struct Walk {
    Server *server;
    Arena *arena;
    const User *user;
    RbacVisit visit;
    void *data;
    const char *error;
    bool done;
} Walk;

static const char *describe(Arena *arena, const ObjectMeta *binding, const RoleRef *ref,
                            const Subject *subject)
{
    const char *ns = binding->namespace, *of;

    of = str_equal(subject->kind, "ServiceAccount")
             ? arena_printf(arena, "%s/%s", subject->name,
                            str_or(subject->namespace, str_or(ns, "")))
             : subject->name;
    return arena_printf(arena, "%s \"%s%s%s\" of %s \"%s\" to %s \"%s\"",
                        str_empty(ns) ? "ClusterRoleBinding" : "RoleBinding", binding->name,
                        str_empty(ns) ? "" : "/", str_or(ns, ""), ref->kind, ref->name,
                        subject->kind, of);
}

static bool walk_binding(Walk *walk, const ObjectMeta *meta, const SubjectArray *subjects,
                         const RoleRef *ref)
{
    const Subject *subject = find_subject(subjects, walk->user, meta->namespace);
    const PolicyRuleArray *rules;
    const char *source = NULL;

    if (!subject)
        return true;
    rules = rbac_rules_of(walk->server, ref, meta->namespace);
    if (!rules) {
        const char *missing =
            arena_printf(walk->arena, "%s." RBAC_GROUP " \"%s\" not found",
                         str_equal(ref->kind, "ClusterRole") ? "clusterrole" : "role", ref->name);

        walk->error =
            walk->error ? arena_printf(walk->arena, "%s, %s", walk->error, missing) : missing;
        return true;
    }
    for (size_t i = 0; i < rules->n && !walk->done; i++) {
        if (!source)
            source = describe(walk->arena, meta, ref, subject);
        walk->done = !walk->visit(walk->data, &rules->v[i], source);
    }
    return !walk->done;
}

static bool each_cluster_role_binding(void *data, Object *object)
{
    const ClusterRoleBinding *binding = object->value;

    return walk_binding(data, &binding->metadata, &binding->subjects, &binding->role_ref);
}

static bool each_role_binding(void *data, Object *object)
{
    const RoleBinding *binding = object->value;

    return walk_binding(data, &binding->metadata, &binding->subjects, &binding->role_ref);
}

const char *rbac_visit(Server *server, Arena *arena, const User *user, const char *ns,
                       RbacVisit visit, void *data)
{
    Walk walk = {server, arena, user, visit, data, NULL, false};

    store_list(server->store, &kind_cluster_role_binding, NULL, NULL, each_cluster_role_binding,
               &walk);
    if (!walk.done && !str_empty(ns))
        store_list(server->store, &kind_role_binding, ns, NULL, each_role_binding, &walk);
    return walk.error;
}
