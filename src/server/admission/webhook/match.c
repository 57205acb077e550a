/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which webhooks are asked about a write. Rules are compared with the version of the request, whatever the
 * match policy says: an object is never sent in a version that the webhook has not asked for.
 */
#include "api/object.h"
#include "api/schema/core_cluster_v1.h"
#include "api/selector.h"
#include "server/admission/webhook/webhook.h"

static bool has(const StringArray *list, const char *text)
{
    for (size_t i = 0; i < list->n; i++)
        if (str_equal(list->v[i], "*") || str_equal(list->v[i], text))
            return true;
    return false;
}

static bool scope_fits(const char *scope, const Write *write)
{
    bool namespaced = write->kind != &kind_namespace && write->kind->flags & KIND_NAMESPACED;

    if (!scope || str_equal(scope, "*"))
        return true;
    return namespaced == str_equal(scope, "Namespaced");
}

/* "pods", "pods/log", "pods/" with a star, a star alone */
static bool resource_fits(const StringArray *list, const char *resource, const char *sub)
{
    for (size_t i = 0; i < list->n; i++) {
        const char *text = list->v[i], *slash = strchrnul(text, '/');
        size_t n = (size_t)(slash - text);
        const char *own = *slash ? slash + 1 : "";
        bool fits =
            (n == 1 && *text == '*') || (n == strlen(resource) && memcmp(text, resource, n) == 0);

        if (fits && (str_equal(own, "*") || str_equal(own, sub)))
            return true;
    }
    return false;
}

static bool rule_fits(const RuleWithOperations *with, const Kind *kind, const Write *write,
                      HookOperation operation)
{
    const AdmissionRule *rule = &with->rule;

    return scope_fits(rule->scope, write) &&
           has(&with->operations, hook_operation_name(operation)) &&
           has(&rule->api_groups, kind->group) && has(&rule->api_versions, kind->version) &&
           resource_fits(&rule->resources, kind->plural, str_or(write->subresource, ""));
}

static bool any_rule_fits(const HookView *hook, const Kind *kind, const Write *write,
                          HookOperation operation)
{
    for (size_t i = 0; i < hook->rules->n; i++)
        if (rule_fits(&hook->rules->v[i], kind, write, operation))
            return true;
    return false;
}

static bool is_empty(const LabelSelector *selector)
{
    return !selector || (!selector->match_labels.n && !selector->match_expressions.n);
}

/* Cluster-wide objects always match, but a Namespace counts as one that is in itself. */
static bool namespace_fits(const HookView *hook, const Write *write, Arena *arena)
{
    const Selector *selector;
    const Object *ns;

    if (is_empty(hook->namespace_selector))
        return true;
    selector = selector_from_api(arena, hook->namespace_selector);
    if (write->kind == &kind_namespace) {
        const Object *of = write->object ? write->object : write->before;

        return selector_matches_labels(selector, &object_meta(of)->labels);
    }
    if (!(write->kind->flags & KIND_NAMESPACED))
        return true;
    ns = store_head(write->server->store, &kind_namespace, NULL, write->ns);
    return ns && selector_matches_labels(selector, &object_meta(ns)->labels);
}

/* Either the new or the old object has the labels. */
static bool object_fits(const HookView *hook, const Write *write, Arena *arena)
{
    const Object *const objects[] = {write->object, write->before};
    const Selector *selector;

    if (is_empty(hook->object_selector))
        return true;
    selector = selector_from_api(arena, hook->object_selector);
    for (size_t i = 0; i < ARRAY_LEN(objects); i++)
        if (objects[i] && selector_matches_labels(selector, &object_meta(objects[i])->labels))
            return true;
    return false;
}

bool hook_matches(const HookView *hook, const Write *write, HookOperation operation, Arena *arena)
{
    return any_rule_fits(hook, write->kind, write, operation) &&
           namespace_fits(hook, write, arena) && object_fits(hook, write, arena);
}
