/* SPDX-License-Identifier: Apache-2.0 */
/* What a pod waits for: a node, its volumes, its images, its probes, or its end. */
#include "api/condition.h"
#include "api/schema/core_config_v1.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_volume_v1.h"
#include "api/time.h"
#include "api/waiting_reason.h"
#include "why/internal.h"

static void pod_step(Why *why, const Pod *pod, const char *reason, const char *message,
                     const char *next)
{
    why_step(why, &kind_pod, pod->metadata.name, reason, message, next);
}

/* ---- its end ---- */

static void explain_end(Why *why, const Pod *pod)
{
    int64_t late = (why->now_ns - time_ns(pod->metadata.deletion_timestamp)) / NS_PER_SEC;
    const StringArray *finalizers = &pod->metadata.finalizers;

    if (late <= 0) {
        pod_step(why, pod, "Terminating",
                 WHY_TEXT(why,
                          "it is being deleted; its containers have %" PRId64 " s left to stop",
                          -late),
                 NULL);
        return;
    }
    if (finalizers->n)
        pod_step(why, pod, "Terminating",
                 WHY_TEXT(why, "it is being deleted, and waits for the removal of its finalizer %s",
                          finalizers->v[0]),
                 "the program that has set the finalizer removes it");
    else
        pod_step(why, pod, "Terminating",
                 WHY_TEXT(why,
                          "it is being deleted; its grace period ended %" PRId64
                          " s ago, but the node has not confirmed that its containers are gone",
                          late),
                 WHY_TEXT(why, "look at the node: stead why node/%s",
                          str_or(pod->spec.node_name, "NAME")));
}

/* ---- its node ---- */

static const struct {
    const char *text, *next; /* a part of the scheduler's message, and what to do about it */
} PLACES[] = {
    {"Insufficient", "ask for less in resources.requests, or make room on the node"},
    {"untolerated taint", "add a toleration to the pod, or take the taint off the node: kubectl "
                          "taint node NAME KEY-"},
    {"were unschedulable", "allow pods on the node again: kubectl uncordon NAME"},
    {"volume node affinity", "the volume is on another node; the pod has to run there"},
    {"node affinity/selector", "label a node, or correct nodeSelector and nodeAffinity of the pod"},
    {"free ports", "another pod has the hostPort; take another port, or delete that pod"},
    {"anti-affinity", "relax podAntiAffinity, since on one node all pods are neighbours"},
    {"topology spread", "relax topologySpreadConstraints of the pod"},
    {"Too many pods", "delete pods that are not needed, since the node has reached its maximum"},
};

static const char *advice_for_place(const char *message)
{
    for (size_t i = 0; i < ARRAY_LEN(PLACES); i++)
        if (strstr(str_or(message, ""), PLACES[i].text))
            return PLACES[i].next;
    return NULL;
}

/* Follows the first claim of the pod that is missing or waits. */
static bool follow_claims(Why *why, const Pod *pod)
{
    size_t before = why->chain->n;

    for (size_t i = 0; i < pod->spec.volumes.n && why->chain->n == before; i++) {
        const PersistentVolumeClaimVolumeSource *source =
            pod->spec.volumes.v[i].volume_source.persistent_volume_claim;
        const PersistentVolumeClaim *claim;

        if (!source)
            continue;
        claim = why_need(why, &kind_persistent_volume_claim, pod->metadata.namespace,
                         source->claim_name,
                         "create the claim, or correct claimName in the volumes of the pod");
        if (claim && !str_equal(claim->status.phase, "Bound"))
            why_follow(why, &kind_persistent_volume_claim, claim);
    }
    return why->chain->n > before;
}

static void explain_scheduling(Why *why, const Pod *pod)
{
    const PodCondition *scheduled = CONDITION_FIND(&pod->status.conditions, "PodScheduled");
    const char *message = scheduled ? scheduled->message : NULL;

    if (pod->spec.scheduling_gates.n)
        pod_step(why, pod, "SchedulingGated",
                 WHY_TEXT(why, "it waits for the removal of its scheduling gate %s",
                          str_or(pod->spec.scheduling_gates.v[0].name, "")),
                 "the program that has set the gate removes it");
    else if (!scheduled || str_empty(message))
        pod_step(why, pod, "Scheduling", "the scheduler has not chosen a node yet",
                 str_empty(pod->spec.scheduler_name) ||
                         str_equal(pod->spec.scheduler_name, "default-scheduler")
                     ? NULL
                     : WHY_TEXT(why, "its schedulerName is %s; this scheduler has to run",
                                pod->spec.scheduler_name));
    else
        pod_step(why, pod, str_or(scheduled->reason, "Unschedulable"),
                 WHY_TEXT(why, "no node can take it: %s", message), advice_for_place(message));
    follow_claims(why, pod);
}

/* ---- its containers ---- */

typedef struct Part {
    const ContainerStatus *status;
    const char *what; /* "container web", "init container setup" */
} Part;

static void explain_crash_loop(Why *why, const Pod *pod, const Part *part)
{
    const ContainerStateTerminated *end = part->status->last_state.terminated;
    const char *name = part->status->name, *line;
    const char *how = "", *next;

    if (end && str_equal(end->reason, "OOMKilled"))
        how = ", since it used more memory than it may";
    else if (end && end->signal)
        how = WHY_TEXT(why, " by signal %d", end->signal);
    else if (end)
        how = WHY_TEXT(why, " with exit code %d", end->exit_code);
    line = end && !str_empty(end->message)
               ? end->message
               : why->source->last_line(why->source->data, pod->metadata.namespace,
                                        pod->metadata.name, name);
    next = end && str_equal(end->reason, "OOMKilled")
               ? "raise resources.limits.memory of the container"
               : WHY_TEXT(why, "read what it wrote: kubectl logs %s -c %s --previous -n %s",
                          pod->metadata.name, name, pod->metadata.namespace);
    pod_step(why, pod, "CrashLoopBackOff",
             WHY_TEXT(why,
                      "%s has ended %d times, the last time%s; it is started again after a "
                      "delay%s%s",
                      part->what, part->status->restart_count, how, line ? "; its last line: " : "",
                      str_or(line, "")),
             next);
}

static const char *advice_for_waiting(WaitingReason reason)
{
    switch (reason) {
    case WAITING_INVALID_IMAGE_NAME:
        return "correct the image of the container, since this is not the name of an image";
    case WAITING_ERR_IMAGE_NEVER_PULL:
        return "import the image on the node (stead image import FILE), or let imagePullPolicy "
               "pull "
               "it";
    case WAITING_REGISTRY_UNAVAILABLE:
        return "check the network and the address of the registry; the pull is tried again";
    case WAITING_ERR_IMAGE_PULL:
    case WAITING_IMAGE_PULL_BACK_OFF:
    case WAITING_IMAGE_INSPECT_ERROR:
        return "correct the image of the container, give it imagePullSecrets, or import the image "
               "(stead image import FILE)";
    case WAITING_CONFIG_ERROR:
        return "create what is missing, or correct the reference in env, envFrom or "
               "securityContext "
               "of the container";
    case WAITING_RUN_CONTAINER_ERROR:
    case WAITING_CREATE_ERROR:
        return "correct command, volumeMounts or securityContext of the container";
    default:
        return NULL;
    }
}

/* ConfigMaps and Secrets that a volume needs. */
static bool follow_volume_inputs(Why *why, const Pod *pod)
{
    const char *ns = pod->metadata.namespace;
    size_t before = why->chain->n;

    for (size_t i = 0; i < pod->spec.volumes.n && why->chain->n == before; i++) {
        const VolumeSource *source = &pod->spec.volumes.v[i].volume_source;
        const ConfigMapVolumeSource *config = source->config_map;
        const SecretVolumeSource *secret = source->secret;

        if (config && !(config->optional && *config->optional))
            why_need(why, &kind_config_map, ns, config->local_object_reference.name,
                     "create the ConfigMap, or correct its name in the volumes of the pod");
        if (secret && !(secret->optional && *secret->optional))
            why_need(why, &kind_secret, ns, secret->secret_name,
                     "create the Secret, or correct its name in the volumes of the pod");
    }
    return why->chain->n > before;
}

static void explain_creation(Why *why, const Pod *pod)
{
    static const char *const reasons[] = {"FailedMount", "FailedAttachVolume",
                                          "FailedCreatePodSandBox", "FailedMapVolume", NULL};
    const Event *event = why_event(why, &pod->metadata, reasons);

    pod_step(why, pod, event ? event->reason : "ContainerCreating",
             event ? WHY_TEXT(why, "its containers cannot be created: %s", event->message)
                   : "its containers are being created",
             NULL);
    if (!follow_claims(why, pod))
        follow_volume_inputs(why, pod);
}

static void explain_waiting(Why *why, const Pod *pod, const Part *part)
{
    const ContainerStateWaiting *waiting = part->status->state.waiting;
    WaitingReason reason = waiting_reason_parse(waiting->reason);
    static const char *const pulls[] = {"Failed", "ErrImageNeverPull", "InspectFailed", NULL};
    const char *message = waiting->message;

    if (reason == WAITING_CRASH_LOOP_BACK_OFF) {
        explain_crash_loop(why, pod, part);
    } else if (reason == WAITING_CONTAINER_CREATING || reason == WAITING_NONE ||
               reason == WAITING_POD_INITIALIZING) {
        explain_creation(why, pod);
    } else {
        /* The message of a back-off does not name the error, but the Event does. */
        if (reason == WAITING_IMAGE_PULL_BACK_OFF || str_empty(message)) {
            const Event *event = why_event(why, &pod->metadata, pulls);

            message = event ? event->message : message;
        }
        pod_step(
            why, pod, waiting->reason,
            WHY_TEXT(why, "%s does not start: %s", part->what, str_or(message, waiting->reason)),
            advice_for_waiting(reason));
    }
}

static void explain_running(Why *why, const Pod *pod, const Part *part)
{
    static const char *const reasons[] = {"Unhealthy", "ProbeWarning", NULL};
    const Event *event = why_event(why, &pod->metadata, reasons);
    bool starting = part->status->started && !*part->status->started;

    if (event)
        pod_step(why, pod, "ProbeFailing",
                 WHY_TEXT(why, "%s runs, but is not ready: %s", part->what, event->message),
                 WHY_TEXT(why, "find out why the probe fails: kubectl logs %s -c %s -n %s",
                          pod->metadata.name, part->status->name, pod->metadata.namespace));
    else
        pod_step(why, pod, starting ? "Starting" : "NotReady",
                 WHY_TEXT(why,
                          starting ? "%s runs, but its startup probe has not succeeded yet"
                                   : "%s runs, but its readiness probe has not succeeded yet",
                          part->what),
                 NULL);
}

/* Returns whether the container is what the pod waits for. */
static bool explain_container(Why *why, const Pod *pod, const Part *part, bool init)
{
    const ContainerState *state = &part->status->state;
    const ContainerStateTerminated *end = state->terminated;

    if (part->status->ready || (init && end && end->exit_code == 0))
        return false;
    if (state->waiting && init &&
        waiting_reason_parse(state->waiting->reason) == WAITING_POD_INITIALIZING)
        return false; /* an earlier one runs */
    if (state->waiting)
        explain_waiting(why, pod, part);
    else if (end)
        pod_step(why, pod, str_or(end->reason, "Terminated"),
                 WHY_TEXT(why, "%s has ended with exit code %d", part->what, end->exit_code),
                 WHY_TEXT(why, "read what it wrote: kubectl logs %s -c %s -n %s",
                          pod->metadata.name, part->status->name, pod->metadata.namespace));
    else if (init)
        pod_step(
            why, pod, "Initializing",
            WHY_TEXT(why, "%s has not finished yet; the containers start after it", part->what),
            WHY_TEXT(why, "see what it does: kubectl logs %s -c %s -n %s", pod->metadata.name,
                     part->status->name, pod->metadata.namespace));
    else
        explain_running(why, pod, part);
    return true;
}

static bool explain_containers(Why *why, const Pod *pod)
{
    const ContainerStatusArray *lists[] = {&pod->status.init_container_statuses,
                                           &pod->status.container_statuses};

    for (size_t l = 0; l < ARRAY_LEN(lists); l++)
        for (size_t i = 0; i < lists[l]->n; i++) {
            const ContainerStatus *status = &lists[l]->v[i];
            Part part = {status, WHY_TEXT(why, l == 0 ? "init container %s" : "container %s",
                                          str_or(status->name, ""))};

            if (explain_container(why, pod, &part, l == 0))
                return true;
        }
    return false;
}

static void explain_gates(Why *why, const Pod *pod)
{
    for (size_t i = 0; i < pod->spec.readiness_gates.n; i++) {
        const char *type = pod->spec.readiness_gates.v[i].condition_type;

        if (!CONDITION_IS_TRUE(&pod->status.conditions, type)) {
            pod_step(why, pod, "ReadinessGate",
                     WHY_TEXT(why, "it waits for the condition %s of its readiness gates", type),
                     "the program that the gate is for sets this condition");
            return;
        }
    }
    pod_step(why, pod, "NotReady", "it is not ready yet", NULL);
}

/* A pod that is ready may wait for other resources. */
static void explain_resize(Why *why, const Pod *pod)
{
    const PodCondition *pending = CONDITION_FIND(&pod->status.conditions, "PodResizePending");
    const PodCondition *progress = CONDITION_FIND(&pod->status.conditions, "PodResizeInProgress");

    if (pending && str_equal(pending->reason, "Infeasible"))
        pod_step(why, pod, "ResizeInfeasible",
                 WHY_TEXT(why, "its node cannot give it the resources that it asks for: %s",
                          str_or(pending->message, "")),
                 "ask for resources that the node can give");
    else if (pending)
        pod_step(why, pod, "ResizeDeferred",
                 WHY_TEXT(why, "its node has no room yet for the resources that it asks for: %s",
                          str_or(pending->message, "")),
                 "ask for less, or delete or shrink other pods");
    else if (progress && !str_empty(progress->message))
        pod_step(why, pod, "ResizeError",
                 WHY_TEXT(why, "its resources cannot be changed: %s", progress->message),
                 "the node tries again by itself");
}

void why_pod(Why *why, const void *value)
{
    const Pod *pod = value;

    if (pod->metadata.deletion_timestamp.set) {
        explain_end(why, pod);
    } else if (str_equal(pod->status.phase, "Failed")) {
        pod_step(why, pod, str_or(pod->status.reason, "Failed"),
                 WHY_TEXT(why, "it has failed%s%s", str_empty(pod->status.message) ? "" : ": ",
                          str_or(pod->status.message, "")),
                 WHY_TEXT(why, "read what it wrote: kubectl logs %s -n %s", pod->metadata.name,
                          pod->metadata.namespace));
        /* The statuses say which container it was. */
        explain_containers(why, pod);
    } else if (str_equal(pod->status.phase, "Succeeded")) {
        return;
    } else if (CONDITION_IS_TRUE(&pod->status.conditions, "Ready")) {
        explain_resize(why, pod);
    } else if (str_empty(pod->spec.node_name)) {
        explain_scheduling(why, pod);
    } else if (pod->status.container_statuses.n == 0 &&
               pod->status.init_container_statuses.n == 0) {
        explain_creation(why, pod);
    } else if (!explain_containers(why, pod)) {
        explain_gates(why, pod);
    }
}
