/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evictions are deletions of pods that respect disruption budgets. The status of a budget says how
 * many disruptions it allows; an eviction decrements that number and records the pod there before
 * the pod is deleted, so that two evictions cannot use the same allowance.
 */
#include "api/condition.h"
#include "api/object.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/policy_v1.h"
#include "api/selector.h"
#include "server/admission/admission.h"
#include "server/admission/webhook/webhook.h"
#include "server/write/http.h"
#include "server/write/write.h"

#define DISRUPTED_MAX 2000
#define DISRUPTION_ALLOWED "DisruptionAllowed"

typedef struct Search {
    const Pod *pod;
    Object *found;
    size_t n;
} Search;

static bool each_budget(void *data, Object *object)
{
    Search *search = data;
    _arena_ Arena arena = ARENA_INIT;
    const PodDisruptionBudget *budget = object->value;

    if (selector_matches_labels(selector_from_api(&arena, budget->spec.selector),
                                &search->pod->metadata.labels)) {
        search->found = object;
        search->n++;
    }
    return true;
}

/* The pod is not running, or terminating anyway, so disruption budgets do not apply. */
static bool is_free(const Pod *pod)
{
    return pod->metadata.deletion_timestamp.set || str_equal(pod->status.phase, "Pending") ||
           str_equal(pod->status.phase, "Succeeded") || str_equal(pod->status.phase, "Failed");
}

/* A pod that is not ready does not count as healthy, so its eviction cannot violate a budget that
 * is met without it. */
static bool is_no_loss(const Pod *pod, const PodDisruptionBudget *budget)
{
    if (CONDITION_IS_TRUE(&pod->status.conditions, "Ready"))
        return false;
    return str_equal(budget->spec.unhealthy_pod_eviction_policy, "AlwaysAllow") ||
           (budget->status.current_healthy >= budget->status.desired_healthy &&
            budget->status.desired_healthy > 0);
}

static int refuse(Write *write, const char *why, int32_t retry_after)
{
    Cause *cause = arena_new(&write->arena, Cause);

    *cause = (Cause){CAUSE_DISRUPTION_BUDGET, NULL, why};
    write->status =
        (ApiStatus){.reason = STATUS_TOO_MANY_REQUESTS,
                    .message = "Cannot evict pod as it would violate the pod's disruption budget.",
                    .kind = "",
                    .causes = cause,
                    .n_causes = 1,
                    .retry_after = retry_after};
    return write->status.reason;
}

static const char *reason_of(Arena *arena, const PodDisruptionBudget *budget)
{
    const PodDisruptionBudgetStatus *status = &budget->status;
    const Condition *condition = CONDITION_FIND(&status->conditions, DISRUPTION_ALLOWED);
    const char *name = budget->metadata.name;
    bool speaks;

    speaks = condition && str_equal(condition->status, "False") && !str_empty(condition->message);
    if (speaks && str_equal(condition->reason, "SyncFailed"))
        return arena_printf(arena,
                            "The disruption budget %s does not allow evicting pods currently "
                            "because it failed sync: %s",
                            name, condition->message);
    if (status->current_healthy <= status->desired_healthy)
        return arena_printf(arena,
                            "The disruption budget %s needs %d healthy pods and has %d currently",
                            name, status->desired_healthy, status->current_healthy);
    if (speaks)
        return arena_printf(
            arena, "The disruption budget %s does not allow evicting pods currently (%s): %s", name,
            condition->reason, condition->message);
    return arena_printf(arena, "The disruption budget %s does not allow evicting pods currently",
                        name);
}

static int check_budget(Write *write, const PodDisruptionBudget *budget)
{
    if (budget->status.observed_generation < budget->metadata.generation)
        return refuse(
            write,
            arena_printf(&write->arena,
                         "The disruption budget %s is still being processed by the server.",
                         budget->metadata.name),
            10);
    if (budget->status.disruptions_allowed < 0)
        return status_forbidden(&write->status, &write->arena, &kind_pod_disruption_budget,
                                budget->metadata.name, "pdb disruptions allowed is negative");
    if (budget->status.disrupted_pods.n > DISRUPTED_MAX)
        return status_forbidden(&write->status, &write->arena, &kind_pod_disruption_budget,
                                budget->metadata.name,
                                "DisruptedPods map too big - too many evictions not confirmed by "
                                "PDB controller");
    if (budget->status.disruptions_allowed == 0)
        return refuse(write, reason_of(&write->arena, budget), 0);
    return 0;
}

static void on_noted(void *data _unused_, int outcome _unused_, const char *reason _unused_,
                     Object *object _unused_)
{
}

static void note_disrupted(Arena *arena, TimeMap *map, const char *name, Time now)
{
    TimeEntry *v = arena_new_n(arena, TimeEntry, map->n + 1);
    size_t n = 0, i = 0;

    while (i < map->n && strcmp(map->v[i].key, name) < 0)
        v[n++] = map->v[i++];
    v[n++] = (TimeEntry){.key = arena_strdup(arena, name), .value = now};
    if (i < map->n && strcmp(map->v[i].key, name) == 0)
        i++;
    while (i < map->n)
        v[n++] = map->v[i++];
    *map = (TimeMap){v, n};
}

/* Uses up one of the allowed disruptions. */
static void take(Write *write, Object *head)
{
    _object_ Object *copy = object_copy(head);
    PodDisruptionBudgetStatus *status = &OBJECT_AS(PodDisruptionBudget, copy)->status;
    Time now = server_time(write->server);

    status->disruptions_allowed--;
    for (size_t i = 0; i < status->conditions.n; i++) {
        Condition *condition = &status->conditions.v[i];

        if (status->disruptions_allowed > 0 || !str_equal(condition->type, DISRUPTION_ALLOWED))
            continue;
        condition->status = "False";
        condition->reason = "InsufficientPods";
        condition->message = "";
        condition->last_transition_time = now;
    }
    note_disrupted(&copy->arena, &status->disrupted_pods, write->name, now);
    store_update(write->server->store, copy, head->revision, on_noted, NULL);
}

/* Returns 0 if the eviction may proceed, else a reason. */
static int ask_budgets(Write *write, const Pod *pod)
{
    Search search = {.pod = pod};
    const PodDisruptionBudget *budget;
    Object *head;
    int r;

    if (is_free(pod))
        return 0;
    store_list(write->server->store, &kind_pod_disruption_budget, write->ns, NULL, each_budget,
               &search);
    if (search.n > 1)
        return status_set(&write->status, &write->arena, STATUS_UNKNOWN,
                          "This pod has more than one PodDisruptionBudget, which the eviction "
                          "subresource does not support.");
    if (!search.n)
        return 0;
    head = store_head(write->server->store, &kind_pod_disruption_budget, write->ns,
                      object_meta(search.found)->name);
    if (!head)
        return 0;
    budget = head->value;
    if (is_no_loss(pod, budget))
        return 0;
    r = check_budget(write, budget);
    if (r == 0 && !write->dry_run)
        take(write, head);
    return r;
}

/* Adds the condition that says why the pod terminates. */
static void mark(Write *write, Object *head)
{
    _object_ Object *copy = object_copy(head);
    PodConditionArray *conditions = &OBJECT_AS(Pod, copy)->status.conditions;
    PodCondition *v = arena_new_n(&copy->arena, PodCondition, conditions->n + 1);
    size_t n = 0;

    for (size_t i = 0; i < conditions->n; i++)
        if (!str_equal(conditions->v[i].type, "DisruptionTarget"))
            v[n++] = conditions->v[i];
    v[n++] = (PodCondition){.type = "DisruptionTarget",
                            .status = "True",
                            .last_transition_time = server_time(write->server),
                            .reason = "EvictionByEvictionAPI",
                            .message = "Eviction API: evicting"};
    *conditions = (PodConditionArray){v, n};
    store_update(write->server->store, copy, head->revision, on_noted, NULL);
}

static void take_options(Write *write, const DeleteOptions *options)
{
    if (!options)
        return;
    if (options->grace_period_seconds)
        write->grace_seconds = arena_int64(&write->arena, *options->grace_period_seconds);
    write->propagation = arena_strdup(&write->arena, options->propagation_policy);
    write->dry_run |= options->dry_run.n > 0;
    if (options->preconditions) {
        write->precondition_uid = arena_strdup(&write->arena, options->preconditions->uid);
        write->precondition_revision =
            arena_strdup(&write->arena, options->preconditions->resource_version);
    }
}

static void evict(Write *write, const Object *eviction)
{
    Object *head = store_head(write->server->store, &kind_pod, write->ns, write->name);

    write->unhooked = true; /* an eviction is no deletion to webhooks */
    take_options(write, OBJECT_AS(Eviction, eviction)->delete_options);
    if (head && ask_budgets(write, head->value)) {
        write_finish(write);
        return;
    }
    if (head && !write->dry_run && !write->precondition_revision && !is_free(head->value))
        mark(write, head);
    write_delete(write);
}

static void eviction_admitted(Write *write, int r)
{
    _object_ Object *eviction = TAKE_PTR(write->object);

    write->subresource = NULL;
    if (r)
        write_finish(write);
    else
        evict(write, eviction);
}

static void eviction_mutated(Write *write, int r)
{
    if (r)
        eviction_admitted(write, r);
    else
        hooks_validate(write, HOOK_CREATE, eviction_admitted);
}

void write_eviction(Write *write, const Object *eviction)
{
    if (!hooks_exist(write->server)) {
        evict(write, eviction);
        return;
    }
    write->object = object_copy(eviction);
    write->subresource = "eviction";
    hooks_mutate(write, HOOK_CREATE, eviction_mutated);
}

void subresource_eviction(Call *call)
{
    Write *write = subresource_start(call, subresource_answer);
    _object_ Object *eviction = NULL;

    if (subresource_decode(call, &kind_eviction, &eviction, write)) {
        write_finish(write);
    } else if (!str_equal(object_meta(eviction)->name, write->name)) {
        status_set(&write->status, &write->arena, STATUS_BAD_REQUEST,
                   "name in URL does not match name in Eviction object");
        write_finish(write);
    } else if (node_restriction_connect(write, "eviction")) {
        write_finish(write);
    } else {
        write_eviction(write, eviction);
    }
}
