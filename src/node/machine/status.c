/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pod's status: phase, conditions and container statuses. It is computed from scratch each time, and the computation
 * is pure: the same machine and the same `before` give the same status.
 */
#include "api/condition.h"
#include "api/resource_list.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "node/machine/internal.h"

static Time time_from_ns(int64_t ns)
{
    return ns ? (Time){.seconds = ns / NS_PER_SEC, .set = true} : (Time){0};
}

/* ---- containers ---- */

static char *full_id(Arena *arena, const char *id)
{
    return id ? arena_printf(arena, "crun://%s", id) : NULL;
}

static ContainerStateTerminated *terminated(Arena *arena, const Instance *i)
{
    ContainerStateTerminated *t = arena_new(arena, ContainerStateTerminated);

    t->exit_code = i->exit_code;
    t->reason = arena_strdup(arena, i->reason);
    t->message = arena_strdup(arena, i->message);
    t->started_at = time_from_ns(i->started_ns);
    t->finished_at = time_from_ns(i->finished_ns);
    t->container_id = full_id(arena, i->id);
    return t;
}

static ContainerStateWaiting *waiting(Arena *arena, const MachineContainer *c)
{
    ContainerStateWaiting *w = arena_new(arena, ContainerStateWaiting);

    WaitingReason reason = c->waiting_reason;

    if (reason == WAITING_NONE)
        reason = c->kind != CONTAINER_EPHEMERAL && c->machine->n_init > 0
                     ? WAITING_POD_INITIALIZING
                     : WAITING_CONTAINER_CREATING;
    w->reason = waiting_reason_text(reason);
    w->message = arena_strdup(arena, c->waiting_message);
    return w;
}

static void mount_statuses(Arena *arena, const Container *spec, ContainerStatus *status)
{
    VolumeMountStatus *v;

    if (!spec->volume_mounts.n)
        return;
    v = arena_new_n(arena, VolumeMountStatus, spec->volume_mounts.n);
    for (size_t i = 0; i < spec->volume_mounts.n; i++) {
        const VolumeMount *mount = &spec->volume_mounts.v[i];

        v[i].name = arena_strdup(arena, mount->name);
        v[i].mount_path = arena_strdup(arena, mount->mount_path);
        v[i].read_only = mount->read_only;
        if (mount->read_only)
            v[i].recursive_read_only = str_empty(mount->recursive_read_only) ||
                                               str_equal(mount->recursive_read_only, "Disabled")
                                           ? "Disabled"
                                           : "Enabled";
    }
    status->volume_mounts.v = v;
    status->volume_mounts.n = spec->volume_mounts.n;
}

/* What is granted, and what the running instance has. Both are known as soon as the container exists,
 * even if they are empty: this says that the node can change them. */
static void add_resources(const MachineContainer *c, Arena *arena, ContainerStatus *status)
{
    const ResourceRequirements *granted = &c->spec->resources, *actual = granted;
    ResourceRequirements copy = {0};

    if (!c->ever || c->kind == CONTAINER_EPHEMERAL)
        return;
    if (c->has_applied && (c->stage == CONTAINER_RUNNING || c->stage == CONTAINER_STOPPING))
        actual = &c->applied;
    status->resources = arena_new(arena, ResourceRequirements);
    type_copy(&type_ResourceRequirements, arena, status->resources, actual);
    type_copy(&type_ResourceRequirements, arena, &copy, granted);
    status->allocated_resources = copy.requests;
}

static void container_status(const MachineContainer *c, Arena *arena, ContainerStatus *status)
{
    const Instance *last = &c->last;

    status->name = arena_strdup(arena, c->spec->name);
    status->image = arena_strdup(arena, c->image ? c->image : c->spec->image);
    status->image_id = arena_strdup(arena, str_or(c->image_id, ""));
    status->container_id = full_id(arena, c->id);
    status->restart_count = c->attempt;
    switch (c->stage) {
    case CONTAINER_RUNNING:
    case CONTAINER_STOPPING:
        status->state.running = arena_new(arena, ContainerStateRunning);
        status->state.running->started_at = time_from_ns(c->started_ns);
        break;
    case CONTAINER_EXITED:
        status->state.terminated = terminated(arena, &c->now);
        break;
    case CONTAINER_STARTING:
        if (c->now.set && c->waiting_reason == WAITING_NONE) {
            status->restart_count = MAX_OF(c->attempt - 1, 0);
            status->state.terminated = terminated(arena, &c->now);
            break;
        }
        __attribute__((fallthrough));
    case CONTAINER_WAITING:
        if (c->now.set)
            last = &c->now;
        if (c->stage == CONTAINER_STARTING && c->ever && c->now.set)
            status->restart_count = MAX_OF(c->attempt - 1, 0);
        status->state.waiting = waiting(arena, c);
        break;
    }
    if (last->set)
        status->last_state.terminated = terminated(arena, last);
    status->ready = c->ready;
    if (c->stage == CONTAINER_RUNNING || c->stage == CONTAINER_STOPPING)
        status->started = arena_bool(arena, c->started);
    else
        status->started = arena_bool(arena, false);
    if (c->kind == CONTAINER_EPHEMERAL)
        status->started = NULL;
    add_resources(c, arena, status);
    mount_statuses(arena, c->spec, status);
}

static void fill(const Machine *m, Arena *arena, size_t from, size_t n, ContainerStatusArray *ret)
{
    if (!n)
        return;
    ret->v = arena_new_n(arena, ContainerStatus, n);
    ret->n = n;
    for (size_t i = 0; i < n; i++)
        container_status(m->v[from + i], arena, &ret->v[i]);
}

/* ---- phase ---- */

typedef struct Counts {
    int pending_init, pending_sidecar, failed_init;
    int running, waiting, stopped, for_good, succeeded;
} Counts;

static void count_init(const MachineContainer *c, Counts *n)
{
    const Instance *end = c->stage == CONTAINER_EXITED || c->now.set ? &c->now : &c->last;

    if (c->kind == CONTAINER_SIDECAR) {
        if (c->stage == CONTAINER_RUNNING || c->stage == CONTAINER_STOPPING) {
            n->pending_sidecar += !c->started;
            n->running++;
        } else if (c->stage != CONTAINER_EXITED && !end->set) {
            n->pending_sidecar++;
            n->waiting++;
        }
        return;
    }
    if (c->stage == CONTAINER_RUNNING || c->stage == CONTAINER_STOPPING || !end->set) {
        n->pending_init++;
    } else if (end->exit_code != 0) {
        if (!container_should_restart(c, end->exit_code))
            n->failed_init++;
        else
            n->pending_init++;
    }
}

static void count_regular(const MachineContainer *c, Counts *n)
{
    if (c->stage == CONTAINER_RUNNING || c->stage == CONTAINER_STOPPING) {
        n->running++;
    } else if (c->now.set) {
        n->stopped++;
        n->for_good += !container_should_restart(c, c->now.exit_code);
        n->succeeded += c->stage == CONTAINER_EXITED && c->now.exit_code == 0;
    } else {
        n->waiting++;
    }
}

static const char *phase(const Machine *m)
{
    bool terminal = m->stage >= MACHINE_TEARDOWN && (m->deleted || m->finished);
    Counts n = {0};

    if (m->forced_phase)
        return m->forced_phase;
    for (size_t i = 0; i < m->n_init; i++)
        count_init(m->v[i], &n);
    for (size_t i = m->n_init; i < m->n_init + m->n_regular; i++)
        count_regular(m->v[i], &n);
    if (n.failed_init)
        return "Failed";
    if (terminal && n.running == 0)
        return n.stopped && n.stopped == n.succeeded && !n.waiting ? "Succeeded" : "Failed";
    if (n.pending_init || (n.pending_sidecar && !m->initialized) || n.waiting)
        return "Pending";
    if (n.running)
        return "Running";
    if (n.stopped) {
        if (n.stopped != n.for_good)
            return "Running";
        return n.stopped == n.succeeded ? "Succeeded" : "Failed";
    }
    return "Pending";
}

/* ---- conditions ---- */

typedef struct Conditions {
    const Machine *machine;
    Arena *arena;
    const PodStatus *before;
    PodConditionArray *out;
    int64_t generation;
} Conditions;

static const PodCondition *condition_before(const Conditions *c, const char *type)
{
    return c->before ? CONDITION_FIND(&c->before->conditions, type) : NULL;
}

static void add_condition(Conditions *c, const char *type, bool ok, const char *reason,
                          const char *message)
{
    const PodCondition *old = condition_before(c, type);
    PodCondition *condition = &c->out->v[c->out->n++];
    const char *status = ok ? "True" : "False";

    condition->type = type;
    condition->status = status;
    condition->reason = arena_strdup(c->arena, reason);
    condition->message = arena_strdup(c->arena, message);
    condition->observed_generation = c->generation;
    if (old && str_equal(old->status, status))
        condition->last_transition_time = old->last_transition_time;
    else
        condition->last_transition_time = time_from_ns(clock_wall_ns(c->machine->clock));
}

static char *names_text(Arena *arena, const char *before, const Machine *m, size_t from, size_t to,
                        bool (*wanted)(const MachineContainer *))
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    bool any = false;

    strbuf_printf(&text, "%s: [", before);
    for (size_t i = from; i < to; i++) {
        if (!wanted(m->v[i]))
            continue;
        strbuf_printf(&text, "%s%s", any ? " " : "", m->v[i]->spec->name);
        any = true;
    }
    strbuf_add_char(&text, ']');
    return any ? arena_strdup(arena, strbuf_string(&text)) : NULL;
}

static bool is_unready(const MachineContainer *c)
{
    return c->kind != CONTAINER_INIT && !c->ready;
}

static bool is_incomplete(const MachineContainer *c)
{
    return c->kind == CONTAINER_SIDECAR ? !c->started : !c->ready;
}

static void add_ready(Conditions *c, const char *phase_text)
{
    const Machine *m = c->machine;
    const PodReadinessGateArray *gates = &machine_spec(m)->spec.readiness_gates;
    const char *reason = NULL, *message = NULL, *gate_text = NULL;

    if (str_equal(phase_text, "Succeeded")) {
        reason = "PodCompleted";
    } else if (str_equal(phase_text, "Failed")) {
        reason = "PodFailed";
    } else {
        message = names_text(c->arena, "containers with unready status", m, 0,
                             m->n_init + m->n_regular, is_unready);
        reason = message ? "ContainersNotReady" : NULL;
    }
    for (size_t i = 0; i < gates->n && !reason; i++) {
        const PodCondition *gate = condition_before(c, gates->v[i].condition_type);

        if (gate && str_equal(gate->status, "True"))
            continue;
        gate_text = arena_printf(
            c->arena,
            gate ? "%s%sthe status of pod readiness gate \"%s\" is not \"True\", but %s"
                 : "%s%scorresponding condition of pod readiness gate \"%s\" does not exist.%s",
            str_or(gate_text, ""), gate_text ? ", " : "", gates->v[i].condition_type,
            gate ? gate->status : "");
    }
    if (gate_text)
        add_condition(c, "Ready", false, "ReadinessGatesNotReady", gate_text);
    else
        add_condition(c, "Ready", !reason, reason, message);
    add_condition(c, "ContainersReady", !reason, reason, message);
}

static void add_resize(Conditions *c, const char *type, const ResizeCondition *from)
{
    if (!from->set || c->machine->stage >= MACHINE_TEARDOWN)
        return;
    c->out->v[c->out->n++] = (PodCondition){
        .type = type,
        .status = "True",
        .reason = arena_strdup(c->arena, from->reason),
        .message = arena_strdup(c->arena, from->message),
        .observed_generation = from->generation,
        .last_transition_time = from->since,
    };
}

/* The resources of the pod as a whole: what it has been granted, and, once it runs, what bounds it.
 * There is a limit only if all containers have one, or the pod itself. */
static void add_pod_resources(const Machine *m, Arena *arena, PodStatus *status)
{
    static const char *const names[] = {"cpu", "memory"};
    const Pod *pod = machine_spec(m);
    ResourceSum requests = RESOURCE_SUM_INIT(arena), limits = RESOURCE_SUM_INIT(arena);
    ResourceRequirements sums = {0}, copy = {0};

    pod_requests(&requests, pod, (PodDemandOptions){0});
    pod_limits(&limits, pod, (PodDemandOptions){0});
    sums.requests = resource_sum_map(&requests);
    sums.limits = resource_sum_map(&limits);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        bool bounded =
            pod->spec.resources && string_map_get(&pod->spec.resources->limits, names[i]);
        bool all = true;

        for (size_t k = 0; k < pod->spec.containers.n; k++)
            all = all && string_map_get(&pod->spec.containers.v[k].resources.limits, names[i]);
        if (!bounded && !all)
            string_map_remove(&sums.limits, names[i]);
    }
    if (!sums.requests.n && !sums.limits.n)
        return;
    type_copy(&type_ResourceRequirements, arena, &copy, &sums);
    status->allocated_resources = copy.requests;
    status->resources = arena_new(arena, ResourceRequirements);
    *status->resources = copy;
}

static void add_conditions(Conditions *c, const char *phase_text)
{
    const Machine *m = c->machine;
    const PodCondition *scheduled = condition_before(c, "PodScheduled");
    const char *incomplete = m->initialized
                                 ? NULL
                                 : names_text(c->arena, "containers with incomplete status", m, 0,
                                              m->n_init, is_incomplete);

    c->out->v = arena_new_n(c->arena, PodCondition, 7);
    add_resize(c, "PodResizePending", &m->resize_pending);
    add_resize(c, "PodResizeInProgress", &m->resize_progress);
    add_condition(c, "PodReadyToStartContainers", m->sandbox, NULL, NULL);
    if (str_equal(phase_text, "Succeeded"))
        add_condition(c, "Initialized", true, "PodCompleted", NULL);
    else
        add_condition(c, "Initialized", !incomplete, incomplete ? "ContainersNotInitialized" : NULL,
                      incomplete);
    add_ready(c, phase_text);
    add_condition(c, "PodScheduled", true, NULL, NULL);
    if (scheduled) {
        PodCondition *condition = &c->out->v[c->out->n - 1];

        type_copy(&type_PodCondition, c->arena, condition, scheduled);
        condition->observed_generation = c->generation;
    }
}

WaitingReason machine_waiting_reason(const Machine *m, size_t container)
{
    const MachineContainer *c = machine_at(m, container);

    if (c->ever)
        return WAITING_NONE;
    if (c->waiting_reason != WAITING_NONE)
        return c->waiting_reason;
    return c->kind == CONTAINER_REGULAR && m->n_init > 0 ? WAITING_POD_INITIALIZING
                                                         : WAITING_CONTAINER_CREATING;
}

void machine_status(const Machine *m, Arena *arena, const PodStatus *before, const char *host_ip,
                    PodStatus *ret)
{
    const Pod *pod = machine_spec(m);
    const char *ip = m->pod_ip ? m->pod_ip : before ? before->pod_ip : NULL;
    Conditions conditions = {m, arena, before, &ret->conditions, pod->metadata.generation};

    *ret = (PodStatus){0};
    ret->observed_generation = pod->metadata.generation;
    ret->phase = arena_strdup(arena, phase(m));
    ret->reason = arena_strdup(arena, m->forced_reason);
    ret->message = arena_strdup(arena, m->forced_message);
    ret->start_time = m->start_time;
    ret->host_ip = arena_strdup(arena, host_ip);
    if (!str_empty(host_ip)) {
        ret->host_ips.v = arena_new(arena, HostIP);
        ret->host_ips.v[0].ip = ret->host_ip;
        ret->host_ips.n = 1;
    }
    if (!str_empty(ip)) {
        ret->pod_ip = arena_strdup(arena, ip);
        ret->pod_ips.v = arena_new(arena, PodIP);
        ret->pod_ips.v[0].ip = ret->pod_ip;
        ret->pod_ips.n = 1;
    }
    if (before) {
        ret->qos_class = arena_strdup(arena, before->qos_class);
        ret->nominated_node_name = arena_strdup(arena, before->nominated_node_name);
    }
    fill(m, arena, 0, m->n_init, &ret->init_container_statuses);
    fill(m, arena, m->n_init, m->n_regular, &ret->container_statuses);
    fill(m, arena, m->n_init + m->n_regular, m->n - m->n_init - m->n_regular,
         &ret->ephemeral_container_statuses);
    add_conditions(&conditions, ret->phase);
    add_pod_resources(m, arena, ret);
}
