/* SPDX-License-Identifier: Apache-2.0 */
/* What workloads wait for: StatefulSets, Deployments, ReplicaSets, DaemonSets and Jobs. */
#include "api/condition.h"
#include "api/schema/apps_v1.h"
#include "api/schema/batch_v1.h"
#include "api/schema/core_replication_v1.h"
#include "why/internal.h"

static const char *const REFUSALS[] = {"FailedCreate", NULL};

/* The pods of the selector. */
static WhyList pods_of(Why *why, const ObjectMeta *meta, const LabelSelector *selector)
{
    return why_list(why, &kind_pod, meta->namespace, selector_from_api(why->arena, selector));
}

/* Adds the step of a workload: `text` says how many pods there are. If the API server has refused to
 * create pods, this is the reason. */
static void workload_step(Why *why, const Kind *kind, const ObjectMeta *meta, const char *reason,
                          const char *text, bool pods_missing)
{
    const Event *event = pods_missing ? why_event(why, meta, REFUSALS) : NULL;

    if (event)
        why_step(why, kind, meta->name, "FailedCreate",
                 WHY_TEXT(why, "%s: %s", text, event->message),
                 why_advice_for_refusal(event->message));
    else
        why_step(why, kind, meta->name, reason, text, NULL);
}

/* ---- StatefulSet ---- */

static const struct {
    const char *reason, *next;
} SET_ADVICE[] = {
    {"Partition",
     "lower spec.updateStrategy.rollingUpdate.partition when the updated pods have proved good"},
    {"OnDelete", "delete the pod when it may be replaced"},
    {"PodPaused", "take the ordinal out of the annotation stead.dev/paused-ordinals"},
    {"FailedUpdate", "ask for a size and a class that the claims can have"},
};

static const char *advice_for_set(const StatefulSetCondition *condition)
{
    if (str_equal(condition->reason, "FailedCreate"))
        return why_advice_for_refusal(condition->message);
    for (size_t i = 0; i < ARRAY_LEN(SET_ADVICE); i++)
        if (str_equal(condition->reason, SET_ADVICE[i].reason))
            return SET_ADVICE[i].next;
    return NULL;
}

/* Whether the conditions say that the set waits; *ret is the one that says why. */
static bool set_waits(const StatefulSet *set, const StatefulSetCondition **ret)
{
    const StatefulSetCondition *available = CONDITION_FIND(&set->status.conditions, "Available");
    const StatefulSetCondition *progressing =
        CONDITION_FIND(&set->status.conditions, "Progressing");

    *ret = progressing;
    if (available && !str_equal(available->status, "True")) {
        *ret = available;
        return true;
    }
    return progressing && !str_equal(progressing->reason, "Complete") &&
           !str_equal(progressing->reason, "RecreateCompleted");
}

/* Other servers do not set the conditions. */
static bool explain_by_counts(Why *why, const StatefulSet *set)
{
    int32_t replicas = set->spec.replicas ? *set->spec.replicas : 1;
    const StatefulSetStatus *status = &set->status;

    if (status->ready_replicas < replicas)
        workload_step(
            why, &kind_stateful_set, &set->metadata, "PodNotReady",
            WHY_TEXT(why, "%d of %d replicas are ready", status->ready_replicas, replicas),
            status->replicas < replicas);
    else if (status->replicas > replicas)
        why_step(why, &kind_stateful_set, set->metadata.name, "ScalingDown",
                 WHY_TEXT(why, "it has %d pods, but %d replicas", status->replicas, replicas),
                 NULL);
    else if (!str_equal(status->current_revision, status->update_revision))
        why_step(why, &kind_stateful_set, set->metadata.name, "Updating",
                 WHY_TEXT(why, "%d of %d replicas are updated", status->updated_replicas, replicas),
                 NULL);
    else
        return false;
    return true;
}

static void follow_growing_claims(Why *why, const StatefulSet *set)
{
    for (size_t i = 0; i < set->spec.volume_claim_templates.n; i++)
        for (int32_t k = 0; k < 1000 && k < set->status.replicas; k++) {
            const char *name = WHY_TEXT(
                why, "%s-%s-%d", set->spec.volume_claim_templates.v[i].metadata.name,
                set->metadata.name, k + (set->spec.ordinals ? set->spec.ordinals->start : 0));
            const void *claim = NULL;

            if (why->source->get(why->source->data, &kind_persistent_volume_claim,
                                 set->metadata.namespace, name, &claim) == WHY_FOUND &&
                why_follow(why, &kind_persistent_volume_claim, claim))
                return;
        }
}

void why_stateful_set(Why *why, const void *value)
{
    const StatefulSet *set = value;
    const StatefulSetCondition *condition;
    WhyList pods;

    if (set->status.observed_generation < set->metadata.generation) {
        why_step(why, &kind_stateful_set, set->metadata.name, "NotObserved",
                 "the controller has not seen its latest change yet", NULL);
        return;
    }
    if (set_waits(set, &condition))
        why_step(why, &kind_stateful_set, set->metadata.name, condition->reason, condition->message,
                 advice_for_set(condition));
    else if (condition || !explain_by_counts(why, set))
        return;
    pods = pods_of(why, &set->metadata, set->spec.selector);
    if (!why_follow_pods(why, &pods, set->metadata.uid) && condition &&
        str_equal(condition->reason, "ClaimGrowing"))
        follow_growing_claims(why, set);
}

/* ---- Deployment and ReplicaSet ---- */

/* The refusal that a ReplicaSet of the Deployment reports, as a step. */
static bool follow_replica_sets(Why *why, const Deployment *deployment)
{
    WhyList sets = why_list(why, &kind_replica_set, deployment->metadata.namespace,
                            selector_from_api(why->arena, deployment->spec.selector));

    for (size_t i = 0; i < sets.n; i++) {
        const ReplicaSet *set = sets.v[i];

        if (why_owned_by(&set->metadata, deployment->metadata.uid) &&
            CONDITION_IS_TRUE(&set->status.conditions, "ReplicaFailure") &&
            why_follow(why, &kind_replica_set, set))
            return true;
    }
    return false;
}

void why_deployment(Why *why, const void *value)
{
    const Deployment *deployment = value;
    const DeploymentStatus *status = &deployment->status;
    int32_t replicas = deployment->spec.replicas ? *deployment->spec.replicas : 1;
    const DeploymentCondition *progressing = CONDITION_FIND(&status->conditions, "Progressing");
    const ObjectMeta *meta = &deployment->metadata;
    WhyList pods;

    if (status->observed_generation < meta->generation) {
        why_step(why, &kind_deployment, meta->name, "NotObserved",
                 "the controller has not seen its latest change yet", NULL);
        return;
    }
    if (status->updated_replicas >= replicas && status->available_replicas >= replicas &&
        status->replicas <= replicas)
        return;
    if (deployment->spec.paused)
        why_step(why, &kind_deployment, meta->name, "Paused",
                 WHY_TEXT(why, "it is paused with %d of %d replicas updated",
                          status->updated_replicas, replicas),
                 WHY_TEXT(why, "kubectl rollout resume deployment/%s", meta->name));
    else
        why_step(why, &kind_deployment, meta->name,
                 progressing && !str_equal(progressing->status, "True")
                     ? str_or(progressing->reason, "NotProgressing")
                     : "Progressing",
                 WHY_TEXT(why, "%d of %d replicas are updated and %d are available",
                          status->updated_replicas, replicas, status->available_replicas),
                 NULL);
    pods = pods_of(why, meta, deployment->spec.selector);
    if (!follow_replica_sets(why, deployment))
        why_follow_pods(why, &pods, NULL);
}

void why_replica_set(Why *why, const void *value)
{
    const ReplicaSet *set = value;
    int32_t replicas = set->spec.replicas ? *set->spec.replicas : 1;
    const ReplicaSetCondition *failure = CONDITION_FIND(&set->status.conditions, "ReplicaFailure");
    WhyList pods;

    if (set->status.available_replicas >= replicas)
        return;
    if (failure && str_equal(failure->status, "True"))
        why_step(why, &kind_replica_set, set->metadata.name,
                 str_or(failure->reason, "ReplicaFailure"), str_or(failure->message, ""),
                 why_advice_for_refusal(failure->message));
    else
        why_step(why, &kind_replica_set, set->metadata.name, "PodNotReady",
                 WHY_TEXT(why, "%d of %d replicas are available", set->status.available_replicas,
                          replicas),
                 NULL);
    pods = pods_of(why, &set->metadata, set->spec.selector);
    why_follow_pods(why, &pods, set->metadata.uid);
}

void why_replication_controller(Why *why, const void *value)
{
    const ReplicationController *controller = value;
    int32_t replicas = controller->spec.replicas ? *controller->spec.replicas : 1;
    const ObjectMeta *meta = &controller->metadata;
    WhyList pods;

    if (controller->status.available_replicas >= replicas)
        return;
    workload_step(why, &kind_replication_controller, meta, "PodNotReady",
                  WHY_TEXT(why, "%d of %d replicas are available",
                           controller->status.available_replicas, replicas),
                  controller->status.replicas < replicas);
    pods = why_list(why, &kind_pod, meta->namespace,
                    selector_from_map(why->arena, &controller->spec.selector));
    why_follow_pods(why, &pods, meta->uid);
}

/* ---- DaemonSet ---- */

void why_daemon_set(Why *why, const void *value)
{
    const DaemonSet *set = value;
    const DaemonSetStatus *status = &set->status;
    WhyList pods;

    if (status->number_available >= status->desired_number_scheduled &&
        status->updated_number_scheduled >= status->desired_number_scheduled)
        return;
    workload_step(why, &kind_daemon_set, &set->metadata, "PodNotReady",
                  WHY_TEXT(why, "its pods are available on %d of %d nodes, and updated on %d",
                           status->number_available, status->desired_number_scheduled,
                           status->updated_number_scheduled),
                  status->current_number_scheduled < status->desired_number_scheduled);
    pods = pods_of(why, &set->metadata, set->spec.selector);
    why_follow_pods(why, &pods, set->metadata.uid);
}

/* ---- Job ---- */

void why_job(Why *why, const void *value)
{
    const Job *job = value;
    const JobCondition *failed = CONDITION_FIND(&job->status.conditions, "Failed");
    const char *name = job->metadata.name;
    int32_t wanted = job->spec.completions ? *job->spec.completions : 1;
    WhyList pods;

    if (CONDITION_IS_TRUE(&job->status.conditions, "Complete"))
        return;
    if (failed && str_equal(failed->status, "True")) {
        why_step(why, &kind_job, name, str_or(failed->reason, "Failed"),
                 WHY_TEXT(why, "it has failed: %s", str_or(failed->message, "")),
                 "find the reason in its pods, delete the job, and create it again");
    } else if (job->spec.suspend && *job->spec.suspend) {
        why_step(why, &kind_job, name, "Suspended", "it is suspended",
                 WHY_TEXT(why, "kubectl patch job %s -p '{\"spec\":{\"suspend\":false}}'", name));
        return;
    } else {
        workload_step(
            why, &kind_job, &job->metadata, "Running",
            WHY_TEXT(why, "%d of %d completions are done, %d pods run, and %d have failed",
                     job->status.succeeded, wanted, job->status.active, job->status.failed),
            job->status.active == 0);
    }
    pods = pods_of(why, &job->metadata, job->spec.selector);
    why_follow_pods(why, &pods, job->metadata.uid);
}
