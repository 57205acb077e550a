/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller of aggregated ClusterRoles: their rules are the rules of all roles that their
 * selectors match, ordered by the names of these roles, without duplicates. Manual changes to these
 * rules are reverted.
 */
#include "api/schema/rbac_v1.h"
#include "api/selector.h"
#include "codec/type.h"
#include "control/controllers.h"

static bool has_rule(const PolicyRuleArray *rules, const PolicyRule *rule)
{
    for (size_t i = 0; i < rules->n; i++)
        if (type_equal(&type_PolicyRule, &rules->v[i], rule))
            return true;
    return false;
}

static void add_rules(Arena *arena, PolicyRuleArray *rules, const PolicyRuleArray *more)
{
    PolicyRule *v = arena_new_n(arena, PolicyRule, rules->n + more->n + 1);

    if (rules->n)
        memcpy(v, rules->v, rules->n * sizeof(*v));
    rules->v = v;
    for (size_t i = 0; i < more->n; i++)
        if (!has_rule(rules, &more->v[i]))
            rules->v[rules->n++] = more->v[i];
}

static PolicyRuleArray put_together(Reconcile *reconcile, const ClusterRole *role)
{
    Arena *arena = &reconcile->arena;
    const LabelSelectorArray *selectors = &role->aggregation_rule->cluster_role_selectors;
    ObjectList all = control_list(reconcile->client, arena, &kind_cluster_role, NULL);
    PolicyRuleArray rules = {0};

    for (size_t s = 0; s < selectors->n; s++) {
        const Selector *selector = selector_from_api(arena, &selectors->v[s]);

        for (size_t i = 0; i < all.n; i++) {
            const ClusterRole *other = all.v[i]->value;

            if (!str_equal(other->metadata.name, role->metadata.name) &&
                selector_matches_labels(selector, &other->metadata.labels))
                add_rules(arena, &rules, &other->rules);
        }
    }
    return rules;
}

/* Whether both have the same rules, in any order. */
static bool same_rules(const PolicyRuleArray *a, const PolicyRuleArray *b)
{
    for (size_t i = 0; i < a->n; i++)
        if (!has_rule(b, &a->v[i]))
            return false;
    return a->n == b->n;
}

static void reconcile_role(Reconcile *reconcile)
{
    Object *object = reconcile_object(reconcile, &kind_cluster_role);
    const ClusterRole *role = object ? object->value : NULL;
    PolicyRuleArray rules;

    if (!role || !role->aggregation_rule || role->metadata.deletion_timestamp.set) {
        reconcile_end(reconcile);
        return;
    }
    rules = put_together(reconcile, role);
    if (!same_rules(&rules, &role->rules)) {
        ClusterRole with_rules = *role;

        with_rules.rules = rules;
        reconcile_update(reconcile, object_of(&kind_cluster_role, &with_rules), NULL, NULL, NULL);
    }
    reconcile_then(reconcile, reconcile_end);
}

static bool each_role(void *data, Object *object)
{
    if (OBJECT_AS(ClusterRole, object)->aggregation_rule)
        controller_enqueue(data, NULL, object_meta(object)->name);
    return true;
}

/* Any role may be selected by any aggregated role. */
static void on_role(Controller *controller, const WatchEvent *event _unused_)
{
    client_list(controller->client, &kind_cluster_role, NULL, each_role, controller);
}

static void start(Controller *controller)
{
    controller_watch(controller, &kind_cluster_role, on_role);
}

const ControllerOps cluster_role_controller = {
    .name = "cluster role",
    .component = "clusterrole-aggregation-controller",
    .start = start,
    .reconcile = reconcile_role,
};
