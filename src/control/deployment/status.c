/* SPDX-License-Identifier: Apache-2.0 */
/* The status of a deployment: counts, availability, and whether a rollout is in progress, complete or
 * stuck. */
#include "api/condition.h"
#include "api/schema/apps_v1.h"
#include "codec/type.h"
#include "control/deployment/internal.h"
#include "view/pod.h"

#define AVAILABLE "Available"
#define PROGRESSING "Progressing"
#define REPLICA_FAILURE "ReplicaFailure"

static DeploymentCondition *deployment_condition(const DeploymentStatus *status, const char *type)
{
    return CONDITION_FIND(&status->conditions, type);
}

static void remove_condition(Rollout *rollout, const char *type)
{
    DeploymentConditionArray *conditions = &rollout->plan->status.conditions;
    DeploymentCondition *v = arena_new_n(rollout->arena, DeploymentCondition, conditions->n + 1);
    size_t n = 0;

    for (size_t i = 0; i < conditions->n; i++)
        if (!str_equal(conditions->v[i].type, type))
            v[n++] = conditions->v[i];
    *conditions = (DeploymentConditionArray){v, n};
}

static void append_condition(Rollout *rollout, DeploymentCondition condition)
{
    ARENA_APPEND(rollout->arena, &rollout->plan->status.conditions, condition);
}

/* Does nothing if the condition has the same status and reason already. */
static void put_condition(Rollout *rollout, DeploymentCondition condition)
{
    const DeploymentCondition *there = deployment_condition(&rollout->plan->status, condition.type);

    if (there && str_equal(there->status, condition.status)) {
        if (str_equal(there->reason, condition.reason))
            return;
        condition.last_transition_time = there->last_transition_time;
    }
    remove_condition(rollout, condition.type);
    append_condition(rollout, condition);
}

static DeploymentCondition condition_now(const Rollout *rollout, const char *type,
                                         const char *status, const char *reason,
                                         const char *message)
{
    Time now = time_seconds_from_ns(rollout->input->now_ns);

    return (DeploymentCondition){.type = type,
                                 .status = status,
                                 .last_update_time = now,
                                 .last_transition_time = now,
                                 .reason = reason,
                                 .message = message};
}

static void put_progressing(Rollout *rollout, const char *status, const char *reason,
                            const char *message)
{
    put_condition(rollout, condition_now(rollout, PROGRESSING, status, reason, message));
}

static bool has_deadline(const Deployment *deployment)
{
    return deployment->spec.progress_deadline_seconds &&
           *deployment->spec.progress_deadline_seconds != INT32_MAX;
}

static bool has_reason(const DeploymentCondition *condition, const char *reason)
{
    return condition && str_equal(condition->reason, reason);
}

/* ---- before the plan ---- */

void rollout_begin_status(Rollout *rollout)
{
    const DeploymentInput *input = rollout->input;
    DeploymentStatus *status = &rollout->plan->status;

    *status = rollout->deployment->status;
    if (!has_deadline(rollout->deployment))
        return;
    if (input->created)
        put_progressing(
            rollout, "True", "NewReplicaSetCreated",
            arena_printf(rollout->arena, "Created new replica set \"%s\"", input->created));
    else if (input->error)
        put_progressing(rollout, "False", "ReplicaSetCreateError", input->error);
    else if (rollout->current && !deployment_condition(status, PROGRESSING))
        put_progressing(rollout, "True", "FoundNewReplicaSet",
                        arena_printf(rollout->arena, "Found new replica set \"%s\"",
                                     rollout->current->metadata.name));
}

/* The progress deadline must not expire while a deployment is paused. */
void rollout_pause_status(Rollout *rollout)
{
    const DeploymentCondition *there = deployment_condition(&rollout->plan->status, PROGRESSING);
    bool paused = rollout->deployment->spec.paused;

    if (!has_deadline(rollout->deployment) || has_reason(there, "ProgressDeadlineExceeded"))
        return;
    if (paused && !has_reason(there, "DeploymentPaused"))
        put_progressing(rollout, "Unknown", "DeploymentPaused", "Deployment is paused");
    else if (!paused && has_reason(there, "DeploymentPaused"))
        put_progressing(rollout, "Unknown", "DeploymentResumed", "Deployment is resumed");
}

/* ---- counts ---- */

static void count_set(const ReplicaSet *set, DeploymentStatus *status, int32_t *terminating)
{
    status->replicas += set->status.replicas;
    status->ready_replicas += set->status.ready_replicas;
    status->available_replicas += set->status.available_replicas;
    if (set->status.terminating_replicas)
        *terminating += *set->status.terminating_replicas;
}

void rollout_count_status(Rollout *rollout)
{
    DeploymentStatus *status = &rollout->plan->status;
    DeploymentConditionArray conditions = status->conditions;
    int32_t terminating = 0;

    *status = (DeploymentStatus){
        .observed_generation = rollout->deployment->metadata.generation,
        .conditions = conditions,
        .collision_count = rollout->deployment->status.collision_count,
    };
    if (rollout->current) {
        count_set(rollout->current, status, &terminating);
        status->updated_replicas = rollout->current->status.replicas;
    }
    for (size_t i = 0; i < rollout->n_old; i++)
        count_set(rollout->old[i], status, &terminating);
    status->terminating_replicas = arena_int32(rollout->arena, terminating);
    status->unavailable_replicas = MAX_OF(rollout_wanted(rollout) - status->available_replicas, 0);
    if (status->available_replicas >= rollout->replicas - rollout->unavailable)
        put_condition(rollout, condition_now(rollout, AVAILABLE, "True", "MinimumReplicasAvailable",
                                             "Deployment has minimum availability."));
    else
        put_condition(rollout,
                      condition_now(rollout, AVAILABLE, "False", "MinimumReplicasUnavailable",
                                    "Deployment does not have minimum availability."));
}

/* ---- progress ---- */

bool rollout_is_complete(const Rollout *rollout, const DeploymentStatus *status)
{
    return status->updated_replicas == rollout->replicas && status->replicas == rollout->replicas &&
           status->available_replicas == rollout->replicas &&
           status->observed_generation >= rollout->deployment->metadata.generation;
}

static bool made_progress(const DeploymentStatus *before, const DeploymentStatus *now)
{
    return now->updated_replicas > before->updated_replicas ||
           now->replicas - now->updated_replicas < before->replicas - before->updated_replicas ||
           now->ready_replicas > before->ready_replicas ||
           now->available_replicas > before->available_replicas;
}

static int64_t deadline_ns(const Rollout *rollout, const DeploymentCondition *progressing)
{
    return time_ns(progressing->last_update_time) +
           *rollout->deployment->spec.progress_deadline_seconds * NS_PER_SEC;
}

static const char *subject(const Rollout *rollout)
{
    if (rollout->current)
        return arena_printf(rollout->arena, "ReplicaSet \"%s\"", rollout->current->metadata.name);
    return arena_printf(rollout->arena, "Deployment \"%s\"", rollout->deployment->metadata.name);
}

/* Writes the condition with a new time at every progress, because the deadline counts from the last
 * one. */
static void note_progress(Rollout *rollout, const DeploymentCondition *before)
{
    DeploymentCondition condition =
        condition_now(rollout, PROGRESSING, "True", "ReplicaSetUpdated",
                      arena_printf(rollout->arena, "%s is progressing.", subject(rollout)));

    if (before && str_equal(before->status, "True"))
        condition.last_transition_time = before->last_transition_time;
    remove_condition(rollout, PROGRESSING);
    append_condition(rollout, condition);
}

static const ReplicaSetCondition *failure_of(const ReplicaSet *set)
{
    return set ? CONDITION_FIND(&set->status.conditions, REPLICA_FAILURE) : NULL;
}

static void pass_on_failure(Rollout *rollout)
{
    const ReplicaSetCondition *failure = failure_of(rollout->current);

    for (size_t i = 0; !failure && i < rollout->n_old; i++)
        failure = failure_of(rollout->old[i]);
    if (failure)
        put_condition(rollout,
                      (DeploymentCondition){.type = REPLICA_FAILURE,
                                            .status = failure->status,
                                            .last_update_time = failure->last_transition_time,
                                            .last_transition_time = failure->last_transition_time,
                                            .reason = failure->reason,
                                            .message = failure->message});
    else
        remove_condition(rollout, REPLICA_FAILURE);
}

static void watch_deadline(Rollout *rollout)
{
    const DeploymentStatus *status = &rollout->plan->status;
    const DeploymentCondition *progressing = deployment_condition(status, PROGRESSING);
    int64_t left;

    if (!progressing || rollout_is_complete(rollout, status) ||
        has_reason(progressing, "ProgressDeadlineExceeded"))
        return;
    left = deadline_ns(rollout, progressing) - rollout->input->now_ns;
    rollout->plan->again_after_ns = MAX_OF(left, 0) + NS_PER_SEC;
}

void rollout_progress_status(Rollout *rollout)
{
    const DeploymentStatus *before = &rollout->deployment->status;
    DeploymentStatus *status = &rollout->plan->status;
    const DeploymentCondition *there;

    rollout_count_status(rollout);
    there = deployment_condition(status, PROGRESSING);
    if (!has_deadline(rollout->deployment)) {
        remove_condition(rollout, PROGRESSING);
    } else if (!(status->replicas == status->updated_replicas &&
                 has_reason(there, "NewReplicaSetAvailable"))) {
        if (rollout_is_complete(rollout, status))
            put_progressing(
                rollout, "True", "NewReplicaSetAvailable",
                arena_printf(rollout->arena, "%s has successfully progressed.", subject(rollout)));
        else if (made_progress(before, status))
            note_progress(rollout, there);
        else if (there && !has_reason(there, "NewReplicaSetAvailable") &&
                 (has_reason(there, "ProgressDeadlineExceeded") ||
                  deadline_ns(rollout, there) < rollout->input->now_ns))
            put_progressing(
                rollout, "False", "ProgressDeadlineExceeded",
                arena_printf(rollout->arena, "%s has timed out progressing.", subject(rollout)));
    }
    pass_on_failure(rollout);
    if (has_deadline(rollout->deployment))
        watch_deadline(rollout);
}
