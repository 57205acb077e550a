/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preemption, as kube-scheduler does it on one node: all pods of lower priority are taken away, and
 * unless the pod fits then, nothing helps. Then they are put back one by one, the most important ones
 * first, and of those that violate no disruption budget only after those that do; whoever does not
 * fit any more is a victim.
 */
#include "control/scheduler/preempt.h"

#include <stdlib.h>

#include "api/meta.h"
#include "api/object.h"
#include "api/schema/policy_v1.h"
#include "api/selector.h"
#include "base/text_map.h"
#include "view/pod.h"

typedef struct Candidate {
    Object *object;
    const Pod *pod;
    bool violates; /* a disruption budget allows its eviction no more */
} Candidate;

typedef struct Candidates {
    const ScheduleInput *in;
    Candidate *v;
    size_t n, cap;
    Placed *rest; /* the pods that stay in any case, and those that were put back */
} Candidates;

static void sort_out(void *data, Object *object)
{
    Candidates *all = data;
    const Pod *pod = OBJECT_AS(Pod, object);
    Arena *arena = all->in->arena;

    if (pod_priority(pod) < pod_priority(all->in->pod))
        ARENA_PUSH(arena, all, (Candidate){arena_hold_object(arena, object), pod, false});
    else
        placed_put(all->rest, object);
}

/* ---- eligibility ---- */

static void look_for_victim(void *data, Object *object)
{
    Candidates *all = data;
    const Pod *pod = OBJECT_AS(Pod, object);
    const PodCondition *condition = pod_condition(pod, "DisruptionTarget");

    if (pod_is_terminating(pod) && pod_priority(pod) < pod_priority(all->in->pod) && condition &&
        str_equal(condition->reason, "PreemptionByScheduler"))
        all->n++;
}

bool preempt_is_eligible(const ScheduleInput *in, const char **ret_why)
{
    Candidates all = {.in = in};

    if (str_equal(in->pod->spec.preemption_policy, "Never")) {
        *ret_why = "not eligible due to preemptionPolicy=Never.";
        return false;
    }
    if (!str_empty(in->pod->status.nominated_node_name))
        placed_each(in->placed, look_for_victim, &all);
    *ret_why = NULL;
    return !all.n;
}

/* ---- order ---- */

static int64_t started(const Pod *pod)
{
    return pod->status.start_time.set ? pod->status.start_time.seconds : INT64_MAX;
}

/* The most important first: by priority, then by how long it has been running. */
static int compare_importance(const void *a, const void *b)
{
    const Pod *x = ((const Candidate *)a)->pod, *y = ((const Candidate *)b)->pod;

    if (pod_priority(x) != pod_priority(y))
        return pod_priority(x) > pod_priority(y) ? -1 : 1;
    if (started(x) != started(y))
        return started(x) < started(y) ? -1 : 1;
    return strcmp(str_or(x->metadata.uid, ""), str_or(y->metadata.uid, ""));
}

/* ---- disruption budgets ---- */

typedef struct BudgetUse {
    const Pod *pod;
    TextMap *left; /* uid of a budget -> how many more evictions it allows */
    Arena *arena;
    bool violates;
} BudgetUse;

static void use_budget(void *data, Object *object)
{
    BudgetUse *use = data;
    const PodDisruptionBudget *budget = OBJECT_AS(PodDisruptionBudget, object);
    const LabelSelector *selector = budget->spec.selector;
    bool is_new;
    TextMapSlot *slot;
    int64_t *left;

    if (!selector || (!selector->match_labels.n && !selector->match_expressions.n) ||
        !selector_matches_labels(selector_from_api(use->arena, selector),
                                 &use->pod->metadata.labels))
        return;
    for (size_t i = 0; i < budget->status.disrupted_pods.n; i++)
        if (str_equal(budget->status.disrupted_pods.v[i].key, use->pod->metadata.name))
            return; /* counted already */
    slot = text_map_put_n(use->left, budget->metadata.uid, strlen(budget->metadata.uid), &is_new);
    if (is_new)
        slot->value = arena_int64(use->arena, budget->status.disruptions_allowed);
    left = slot->value;
    --*left;
    use->violates = use->violates || *left < 0;
}

static void mark_violations(Candidates *all, const ObjectIndex *budgets)
{
    TextMap left = TEXT_MAP_INIT(all->in->arena);

    for (size_t i = 0; i < all->n; i++) {
        BudgetUse use = {.pod = all->v[i].pod, .left = &left, .arena = all->in->arena};

        if (all->v[i].pod->metadata.labels.n)
            object_index_selecting(budgets, use.pod->metadata.namespace, &use.pod->metadata.labels,
                                   use_budget, &use);
        all->v[i].violates = use.violates;
    }
}

/* ---- the choice ---- */

static bool fits(const Candidates *all)
{
    ScheduleInput input = *all->in;
    ScheduleOutcome outcome;

    input.placed = all->rest;
    return !schedule_check(&input, &outcome);
}

static void put_back(Candidates *all, bool violating, ObjectList *victims)
{
    for (size_t i = 0; i < all->n; i++) {
        if (all->v[i].violates != violating)
            continue;
        placed_put(all->rest, all->v[i].object);
        if (fits(all))
            continue;
        placed_remove(all->rest, all->v[i].object);
        victims->v[victims->n++] = all->v[i].object;
    }
}

ObjectList preempt_choose(const ScheduleInput *in, const ObjectIndex *budgets)
{
    Candidates all = {.in = in, .rest = placed_new()};
    ObjectList victims = {0};

    placed_each(in->placed, sort_out, &all);
    if (all.n && fits(&all)) {
        qsort(all.v, all.n, sizeof(*all.v), compare_importance);
        mark_violations(&all, budgets);
        victims.v = arena_new_n(in->arena, Object *, all.n);
        put_back(&all, true, &victims);
        put_back(&all, false, &victims);
    }
    placed_free(all.rest);
    return victims;
}
