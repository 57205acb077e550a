/* SPDX-License-Identifier: Apache-2.0 */
/* Which changes of resources the node grants, and in which order. See resize.h. */
#include <stdlib.h>

#include "api/object.h"
#include "api/quantity.h"
#include "api/resource_list.h"
#include "api/schema/core_container_v1.h"
#include "base/fault.h"
#include "base/files/file.h"
#include "base/log.h"
#include "base/observe/metrics.h"
#include "node/machine/machine.h"
#include "node/pod/agent.h"
#include "node/resize/resize.h"

#define RECORD_RETRY NS_PER_SEC

/* ---- resources of a spec ---- */

static bool containers_equal(const ContainerArray *a, const ContainerArray *b)
{
    for (size_t i = 0; i < a->n && i < b->n; i++)
        if (!requirements_equal(&a->v[i].resources, &b->v[i].resources))
            return false;
    return a->n == b->n;
}

bool resources_equal(const PodSpec *a, const PodSpec *b)
{
    return requirements_equal(a->resources, b->resources) &&
           containers_equal(&a->containers, &b->containers) &&
           containers_equal(&a->init_containers, &b->init_containers);
}

/* `from` has the same containers in the same order, or some of them only. */
static void copy_containers(Arena *arena, ContainerArray *to, const ContainerArray *from)
{
    for (size_t i = 0, k = 0; i < to->n && k < from->n; i++) {
        if (!str_equal(to->v[i].name, from->v[k].name))
            continue;
        to->v[i].resources = (ResourceRequirements){0};
        type_copy(&type_ResourceRequirements, arena, &to->v[i].resources, &from->v[k].resources);
        k++;
    }
}

/* A copy of the object that has the resources of the spec. */
static Object *with_resources(Object *asked, const PodSpec *from)
{
    Object *copy = object_copy(asked);
    PodSpec *spec = &OBJECT_AS(Pod, copy)->spec;

    spec->resources = NULL;
    if (from->resources) {
        spec->resources = arena_new(&copy->arena, ResourceRequirements);
        type_copy(&type_ResourceRequirements, &copy->arena, spec->resources, from->resources);
    }
    copy_containers(&copy->arena, &spec->containers, &from->containers);
    copy_containers(&copy->arena, &spec->init_containers, &from->init_containers);
    return copy;
}

/* ---- what was granted, on the disk ---- */

static ContainerArray only_resources(Arena *arena, const ContainerArray *from)
{
    ContainerArray list = {.v = arena_new_n(arena, Container, from->n + 1), .n = from->n};

    for (size_t i = 0; i < from->n; i++) {
        list.v[i].name = from->v[i].name;
        list.v[i].resources = from->v[i].resources;
    }
    return list;
}

static char *record_path(const AgentPod *pod)
{
    return mem_printf("%s/resources", pod->data);
}

static int record(const AgentPod *pod, const PodSpec *spec)
{
    _arena_ Arena arena = ARENA_INIT;
    _free_ char *path = record_path(pod), *text = NULL;
    PodSpec part = {.resources = spec->resources,
                    .containers = only_resources(&arena, &spec->containers),
                    .init_containers = only_resources(&arena, &spec->init_containers)};
    int r = file_mkdir_for(path, 0700);

    text = resources_text(&type_PodSpec, &part);
    return r < 0 ? r : file_write_atomic(path, text, strlen(text), 0600);
}

/* Without a record no change has ever been granted: then the pod has what its status says. */
static bool read_status(Arena *arena, const Pod *pod, PodSpec *ret)
{
    const ContainerStatusArray *lists[] = {&pod->status.container_statuses,
                                           &pod->status.init_container_statuses};
    ContainerArray *to[] = {&ret->containers, &ret->init_containers};
    bool found = false;

    ret->resources = pod->spec.resources;
    for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
        to[l]->v = arena_new_n(arena, Container, lists[l]->n + 1);
        for (size_t i = 0; i < lists[l]->n; i++) {
            const ContainerStatus *status = &lists[l]->v[i];

            if (!status->resources)
                continue;
            to[l]->v[to[l]->n++] =
                (Container){.name = status->name, .resources = *status->resources};
            found = true;
        }
    }
    return found;
}

void resize_begin(AgentPod *pod, Object *asked)
{
    _arena_ Arena arena = ARENA_INIT;
    _free_ char *path = record_path(pod);
    const Pod *value = asked->value;
    PodSpec granted = {0};

    pod->asked = object_ref(asked);
    if (resources_read(path, &arena, &type_PodSpec, &granted) ||
        read_status(&arena, value, &granted)) {
        pod->object = with_resources(asked, &granted);
        if (!resources_equal(&OBJECT_AS(Pod, pod->object)->spec, &value->spec)) {
            resize_review_soon(pod->agent, "pods_added");
            return;
        }
        object_unref(pod->object);
    }
    pod->object = object_ref(asked);
}

/* ---- metrics ---- */

static void count_request(const StringMap *now, const StringMap *before, const char *requirement)
{
    static const char *const names[] = {"memory", "cpu"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *new = string_map_get(now, names[i]), *old = string_map_get(before, names[i]);
        int order = quantity_compare(new, old);

        if (order != 0)
            metric_inc(METRIC_SERIES(METRIC_RESIZES_REQUESTED, names[i], requirement,
                                     !old        ? "add"
                                     : !new      ? "remove"
                                     : order > 0 ? "increase"
                                                 : "decrease"));
    }
}

static void count_requests(const ContainerArray *now, const ContainerArray *before)
{
    for (size_t i = 0; i < now->n && i < before->n; i++) {
        count_request(&now->v[i].resources.requests, &before->v[i].resources.requests, "requests");
        count_request(&now->v[i].resources.limits, &before->v[i].resources.limits, "limits");
    }
}

static void collect(void *data)
{
    NodeAgent *agent = data;
    double deferred = 0, infeasible = 0, in_progress = 0;

    STRMAP_EACH(&agent->pods, slot) {
        const AgentPod *pod = slot->value;
        MachineResize state =
            pod->machine ? machine_resize_state(pod->machine) : (MachineResize){0};

        deferred += state.deferred;
        infeasible += state.infeasible;
        in_progress += state.in_progress;
    }
    metric_set(METRIC_SERIES(METRIC_RESIZES_PENDING, "deferred"), deferred);
    metric_set(METRIC_SERIES(METRIC_RESIZES_PENDING, "infeasible"), infeasible);
    metric_set(metric_single(METRIC_RESIZES_IN_PROGRESS), in_progress);
}

/* ---- newer versions ---- */

void resize_take(AgentPod *pod, Object *asked)
{
    const PodSpec *now = &OBJECT_AS(Pod, asked)->spec;
    _object_ Object *old = pod->object, *old_asked = pod->asked;
    const PodSpec *before = &OBJECT_AS(Pod, old_asked)->spec;

    pod->asked = object_ref(asked);
    if (resources_equal(&OBJECT_AS(Pod, old)->spec, now)) {
        pod->object = object_ref(asked);
        if (pod->machine)
            machine_resize_settle(pod->machine);
        return;
    }
    pod->object = with_resources(asked, &OBJECT_AS(Pod, old)->spec);
    if (resources_equal(now, before))
        return; /* it waits as before */
    count_requests(&now->containers, &before->containers);
    count_requests(&now->init_containers, &before->init_containers);
    resize_review_soon(pod->agent, "pod_updated");
}

/* ---- the decision ---- */

static const char *const resources[] = {"cpu", "memory"};

typedef struct Amounts {
    int64_t v[ARRAY_LEN(resources)];
} Amounts;

static Amounts requests_of(const Object *object)
{
    _arena_ Arena arena = ARENA_INIT;
    ResourceSum sum = RESOURCE_SUM_INIT(&arena);
    Amounts amounts = {0};

    pod_requests(&sum, OBJECT_AS(Pod, object), (PodDemandOptions){.overhead = true});
    for (size_t i = 0; i < ARRAY_LEN(resources); i++)
        amounts.v[i] = resource_amount(resources[i], resource_sum_get(&sum, resources[i]));
    return amounts;
}

/* A pod that waits for what it asks for. */
typedef struct Waiting {
    AgentPod *pod;
    Amounts asked, granted;
    bool increases; /* one of the amounts */
} Waiting;

static Waiting waiting_of(AgentPod *pod)
{
    Waiting w = {.pod = pod, .asked = requests_of(pod->asked), .granted = requests_of(pod->object)};

    for (size_t i = 0; i < ARRAY_LEN(resources); i++)
        w.increases = w.increases || w.asked.v[i] > w.granted.v[i];
    return w;
}

/* Adds, or takes away, what a pod has been granted. The sum of absurd amounts saturates, and then has no
 * room for anybody. */
static void add_amounts(Amounts *sum, const Amounts *amounts, int64_t sign)
{
    for (size_t i = 0; i < ARRAY_LEN(resources); i++)
        if (sum->v[i] == INT64_MAX ||
            __builtin_add_overflow(sum->v[i], sign * amounts->v[i], &sum->v[i]))
            sum->v[i] = INT64_MAX;
}

/* What all pods on the node have been granted. */
static Amounts all_granted(const NodeAgent *agent)
{
    Amounts sum = {0};

    STRMAP_EACH(&agent->pods, slot) {
        const AgentPod *pod = slot->value;
        Amounts amounts;

        if (!pod->machine || pod->object_gone || machine_stage(pod->machine) >= MACHINE_TEARDOWN)
            continue;
        amounts = requests_of(pod->object);
        add_amounts(&sum, &amounts, 1);
    }
    return sum;
}

/* Returns NULL if the node has room for what the pod asks for, else the reason, which the caller
 * frees. */
static char *lack_of(const Waiting *w, const Amounts *all)
{
    Amounts others = *all;

    if (!w->increases)
        return NULL;
    add_amounts(&others, &w->granted, -1);
    for (size_t i = 0; i < ARRAY_LEN(resources); i++) {
        int64_t capacity = resource_amount(
            resources[i], string_map_get(&w->pod->agent->allocatable, resources[i]));

        if (w->asked.v[i] > w->granted.v[i] && w->asked.v[i] > capacity - others.v[i])
            return mem_printf("Node didn't have enough resource: %s, requested: %" PRId64
                              ", used: %" PRId64 ", capacity: %" PRId64,
                              resources[i], w->asked.v[i], others.v[i], capacity);
    }
    return NULL;
}

/* Returns false if the node cannot record what it would grant. */
static bool grant(AgentPod *pod, const char *trigger)
{
    bool deferred = machine_resize_state(pod->machine).deferred;
    _object_ Object *old = pod->object;
    int r = FAULT_POINT("resize.record") ? -EIO : record(pod, &OBJECT_AS(Pod, pod->asked)->spec);

    if (r < 0) {
        log_warn("node", "pod %s/%s: its resources cannot be recorded: %s", pod->ns, pod->name,
                 strerror(-r));
        machine_resize_wait(pod->machine, pod->asked->value, false,
                            "the node cannot record the resources");
        old = NULL; /* it stays */
        timer_start(pod->agent->options.clock, &pod->agent->resize.review, RECORD_RETRY);
        return false;
    }
    pod->object = object_ref(pod->asked);
    if (deferred)
        metric_inc(METRIC_SERIES(METRIC_RESIZES_DEFERRED_ACCEPTED, trigger));
    follow_changed(&pod->files); /* volumes may show the resources */
    machine_resize_grant(pod->machine, pod->object);
    return true;
}

static void decide(const Waiting *w, Amounts *all, const char *trigger)
{
    _free_ char *lack = NULL;
    AgentPod *pod = w->pod;

    agent_pod_ref(pod);
    if (pod->agent->options.no_cgroups) {
        if (!machine_resize_state(pod->machine).infeasible)
            metric_inc(METRIC_SERIES(METRIC_RESIZES_INFEASIBLE, "no_cgroups"));
        machine_resize_wait(pod->machine, pod->asked->value, true,
                            "this server belongs to an ordinary user and has no cgroups, so the "
                            "resources of running pods cannot be changed");
    } else {
        lack = lack_of(w, all);
        if (lack) {
            machine_resize_wait(pod->machine, pod->asked->value, false, lack);
        } else if (grant(pod, trigger)) {
            add_amounts(all, &w->granted, -1);
            add_amounts(all, &w->asked, 1);
        }
    }
    agent_pod_unref(pod);
}

/* ---- the order ---- */

static int priority_of(const AgentPod *pod)
{
    const int32_t *priority = agent_pod_spec(pod)->priority;

    return priority ? *priority : 0;
}

static bool is_guaranteed(const AgentPod *pod)
{
    return str_equal(OBJECT_AS(Pod, pod->asked)->status.qos_class, "Guaranteed");
}

static int64_t since_of(const AgentPod *pod)
{
    Time since = machine_resize_state(pod->machine).since;

    return since.set ? since.seconds : INT64_MAX;
}

/* As in kubelet: changes that need no room, then by priority, quality of service, and waiting time. */
static int by_worth(const void *a, const void *b)
{
    const Waiting *x = a, *y = b;
    const AgentPod *one = x->pod, *two = y->pod;
    int64_t left, right;

    if (x->increases != y->increases)
        return x->increases ? 1 : -1;
    if (priority_of(one) != priority_of(two))
        return priority_of(one) > priority_of(two) ? -1 : 1;
    if (is_guaranteed(one) != is_guaranteed(two))
        return is_guaranteed(one) ? -1 : 1;
    left = since_of(one);
    right = since_of(two);
    return left != right ? (left < right ? -1 : 1) : strcmp(one->uid, two->uid);
}

static bool waits(const AgentPod *pod)
{
    return pod->machine && !pod->object_gone && pod->asked != pod->object &&
           machine_stage(pod->machine) < MACHINE_STOPPING;
}

static void on_review(Timer *timer)
{
    NodeAgent *agent = timer->data;
    VEC(Waiting) waiting = VEC_INIT;
    Amounts all;

    if (!agent->resize.pods_known || agent->stopping || agent->shutting_down)
        return;
    STRMAP_EACH(&agent->pods, slot)
        if (waits(slot->value))
            VEC_PUSH(&waiting, waiting_of(slot->value));
    if (!waiting.n)
        return;
    all = all_granted(agent);
    qsort(waiting.v, waiting.n, sizeof(*waiting.v), by_worth);
    for (size_t i = 0; i < waiting.n; i++)
        decide(&waiting.v[i], &all, agent->resize.trigger);
    VEC_DEINIT(&waiting);
}

void resize_review_soon(NodeAgent *agent, const char *trigger)
{
    agent->resize.trigger = trigger;
    timer_start(agent->options.clock, &agent->resize.review, 0);
}

void resize_pods_are_known(NodeAgent *agent)
{
    agent->resize.pods_known = true;
    resize_review_soon(agent, "pods_added");
}

void resize_agent_init(NodeAgent *agent)
{
    agent->resize.review.on_fire = on_review;
    agent->resize.review.data = agent;
    agent->resize.metrics.collect = collect;
    agent->resize.metrics.data = agent;
    metrics_collector_add(&agent->resize.metrics);
}

void resize_agent_stop(NodeAgent *agent)
{
    timer_stop(agent->options.clock, &agent->resize.review);
    metrics_collector_remove(&agent->resize.metrics);
}
