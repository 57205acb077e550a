/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Creating a pod's machine, preparing its sandbox, following new versions of its object, and the helpers that all
 * transitions share. machine.h describes the states. Each event first changes the state of one container (start.c, stop.c,
 * probe.c) and then calls machine_advance(), which decides what follows.
 */
#include "api/pod_containers.h"
#include "base/format.h"
#include "node/machine/internal.h"

#define PREPARE_BACKOFF_FIRST (500 * NS_PER_MS)
#define PREPARE_BACKOFF_MAX (122 * NS_PER_SEC)

void machine_set_text(char **at, const char *text)
{
    char *copy = text ? mem_strdup(text) : NULL;

    free(*at);
    *at = copy;
}

void machine_event(MachineContainer *c, const char *type, const char *reason, const char *format,
                   ...)
{
    char buf[2048];
    va_list args;

    va_start(args, format);
    format_text(buf, sizeof(buf), format, args);
    va_end(args);
    c->machine->ops->event(c->machine->data, c->index, type, reason, buf);
}

void machine_changed(Machine *m)
{
    m->ops->changed(m->data);
}

/* ---- instances ---- */

void instance_clear(Instance *i)
{
    free(i->id);
    free(i->reason);
    free(i->message);
    *i = (Instance){0};
}

void instance_set(Instance *i, const char *id, const MachineEnd *end)
{
    instance_clear(i);
    i->set = true;
    i->exit_code = end->exit_code;
    i->started_ns = end->started_ns;
    i->finished_ns = end->finished_ns;
    i->id = id ? mem_strdup(id) : NULL;
    i->reason = mem_strdup(end->reason           ? end->reason
                           : end->oom_killed     ? "OOMKilled"
                           : end->exit_code == 0 ? "Completed"
                                                 : "Error");
    i->message = end->message && *end->message ? mem_strdup(end->message) : NULL;
}

void container_waits(MachineContainer *c, WaitingReason reason, const char *message)
{
    c->waiting_reason = reason;
    machine_set_text(&c->waiting_message, message);
}

/* ---- policies ---- */

static bool rule_matches(const ContainerRestartRule *rule, int exit_code)
{
    const ContainerRestartRuleOnExitCodes *codes = rule->exit_codes;
    bool in = false;

    if (!codes || !str_equal(rule->action, "Restart"))
        return false;
    for (size_t i = 0; i < codes->values.n; i++)
        in = in || codes->values.v[i] == exit_code;
    return str_equal(codes->operator, "NotIn") ? !in : in;
}

bool container_should_restart(const MachineContainer *c, int exit_code)
{
    const char *policy = str_or(machine_spec(c->machine)->spec.restart_policy, "Always");

    if (c->kind == CONTAINER_EPHEMERAL)
        return false;
    if (c->kind == CONTAINER_SIDECAR || c->replacing)
        return true;
    for (size_t i = 0; i < c->spec->restart_policy_rules.n; i++)
        if (rule_matches(&c->spec->restart_policy_rules.v[i], exit_code))
            return true;
    if (!str_empty(c->spec->restart_policy))
        policy = c->spec->restart_policy;
    if (str_equal(policy, "Never"))
        return false;
    if (str_equal(policy, "OnFailure") || c->kind == CONTAINER_INIT)
        return exit_code != 0;
    return true;
}

int64_t machine_spec_grace(const Machine *m)
{
    const int64_t *seconds = machine_spec(m)->spec.termination_grace_period_seconds;

    return ns_from_seconds(seconds ? *seconds : 30);
}

int64_t machine_grace(const Machine *m)
{
    if (m->deleted || m->halted)
        return m->stop_grace_ns;
    if (m->evicted)
        return NS_PER_SEC;
    return machine_spec_grace(m);
}

/* ---- preparing ---- */

void machine_prepared(Machine *m, const char *pod_ip)
{
    ASSERT(!m->in_op);
    machine_set_text(&m->pod_ip, pod_ip);
    m->sandbox = true;
    m->prepare_backoff = 0;
    if (m->stage == MACHINE_PREPARING) {
        m->stage = MACHINE_ACTIVE;
        machine_changed(m);
        machine_advance(m);
    }
}

static void machine_prepare(Machine *m)
{
    m->prepare_inputs = m->inputs;
    MACHINE_OP(m, prepare);
}

static void on_prepare_retry(Timer *timer)
{
    Machine *m = timer->data;

    if (m->stage == MACHINE_PREPARING)
        machine_prepare(m);
}

void machine_prepare_failed(Machine *m, const char *reason, const char *message)
{
    ASSERT(!m->in_op);
    if (m->stage != MACHINE_PREPARING)
        return;
    m->ops->event(m->data, SIZE_MAX, "Warning", reason, message);
    if (m->prepare_inputs != m->inputs) { /* it may have looked before the change */
        timer_start(m->clock, &m->prepare_retry, 0);
        return;
    }
    m->prepare_backoff = m->prepare_backoff ? MIN_OF(m->prepare_backoff * 2, PREPARE_BACKOFF_MAX)
                                            : PREPARE_BACKOFF_FIRST;
    timer_start(m->clock, &m->prepare_retry, m->prepare_backoff);
}

void machine_kick(Machine *m)
{
    m->inputs++;
    if (m->stage == MACHINE_PREPARING && m->prepare_retry.active) {
        timer_stop(m->clock, &m->prepare_retry);
        machine_prepare(m);
        return;
    }
    for (size_t i = 0; i < m->n && m->stage == MACHINE_ACTIVE; i++) {
        MachineContainer *c = m->v[i];

        if (c->stage == CONTAINER_WAITING && c->retry.active && container_waits_for_input(c))
            container_start(c);
    }
}

/* ---- creation and updates ---- */

static MachineContainer *add_container(Machine *m, const Container *spec, ContainerKind kind)
{
    MachineContainer *c = mem_new_type(MachineContainer);

    c->machine = m;
    c->index = m->n;
    c->kind = kind;
    c->spec = spec;
    c->retry.on_fire = container_on_retry;
    c->stop.on_fire = container_on_stop_timer;
    c->retry.data = c->stop.data = c;
    m->v = mem_resize(m->v, (m->n + 1) * sizeof(*m->v));
    m->v[m->n++] = c;
    return c;
}

static_assert(offsetof(EphemeralContainerCommon, volume_mounts) ==
                      offsetof(Container, volume_mounts) &&
                  sizeof(EphemeralContainerCommon) == sizeof(Container),
              "an ephemeral container reads as a container");

static void take_containers(Machine *m)
{
    const PodSpec *spec = &machine_spec(m)->spec;
    size_t known = m->n;

    for (size_t i = 0; i < spec->init_containers.n; i++) {
        const Container *c = &spec->init_containers.v[i];

        if (i < known)
            m->v[i]->spec = c;
        else
            add_container(m, c, container_is_sidecar(c) ? CONTAINER_SIDECAR : CONTAINER_INIT);
    }
    m->n_init = spec->init_containers.n;
    m->n_regular = spec->containers.n;
    for (size_t i = 0; i < spec->containers.n; i++) {
        if (m->n_init + i < known)
            m->v[m->n_init + i]->spec = &spec->containers.v[i];
        else
            add_container(m, &spec->containers.v[i], CONTAINER_REGULAR);
    }
    for (size_t i = 0; i < spec->ephemeral_containers.n; i++) {
        const Container *c = (const Container *)(const void *)&spec->ephemeral_containers.v[i]
                                 .ephemeral_container_common;
        size_t at = m->n_init + m->n_regular + i;

        if (at < known)
            m->v[at]->spec = c;
        else
            add_container(m, c, CONTAINER_EPHEMERAL);
    }
}

Machine *machine_new(Object *pod, Clock *clock, const MachineOps *ops, void *data)
{
    Machine *m = mem_new_type(Machine);
    const Pod *value = pod->value;
    int64_t now = clock_wall_ns(clock);

    m->pod = object_ref(pod);
    m->clock = clock;
    m->ops = ops;
    m->data = data;
    m->prepare_retry.on_fire = on_prepare_retry;
    m->deadline.on_fire = machine_on_deadline;
    m->prepare_retry.data = m->deadline.data = m;
    m->start_time = value->status.start_time;
    if (!m->start_time.set)
        m->start_time = (Time){.seconds = now / NS_PER_SEC, .set = true};
    take_containers(m);
    return m;
}

Machine *machine_free(Machine *m)
{
    if (!m)
        return NULL;
    timer_stop(m->clock, &m->prepare_retry);
    timer_stop(m->clock, &m->deadline);
    for (size_t i = 0; i < m->n; i++) {
        MachineContainer *c = m->v[i];

        timer_stop(m->clock, &c->retry);
        timer_stop(m->clock, &c->stop);
        probes_stop(c);
        probes_forget_results(c);
        instance_clear(&c->now);
        instance_clear(&c->last);
        free(c->waiting_message);
        free(c->id);
        free(c->image);
        free(c->image_id);
        free(c->start_image);
        free(c->pull_error);
        arena_clear(&c->applied_arena);
        free(c);
    }
    machine_resize_forget(m);
    free(m->v);
    free(m->pod_ip);
    free(m->forced_phase);
    free(m->forced_reason);
    free(m->forced_message);
    object_unref(m->pod);
    free(m);
    return NULL;
}

/* After a restart of this process: the init phase was over if any regular container has been started. */
static void find_initialized(Machine *m)
{
    for (size_t i = m->n_init; i < m->n_init + m->n_regular; i++)
        if (m->v[i]->stage != CONTAINER_WAITING)
            m->initialized = true;
}

void machine_run(Machine *m)
{
    m->running = true;
    if (m->stage == MACHINE_DONE)
        return;
    find_initialized(m);
    for (size_t i = 0; i < m->n; i++)
        if (m->v[i]->stage == CONTAINER_RUNNING)
            probes_start(m->v[i], true);
    machine_deadline_arm(m);
    if (m->stage == MACHINE_PREPARING)
        machine_prepare(m);
    machine_changed(m);
}

void machine_update(Machine *m, Object *pod)
{
    Object *old = m->pod;

    m->pod = object_ref(pod);
    take_containers(m);
    object_unref(old);
    if (!m->running)
        return;
    machine_deadline_arm(m);
    for (size_t i = 0; i < m->n; i++)
        if (container_is_outdated(
                m->v[i])) /* a pull of the old image may take long, or never end */
            container_abandon_start(m->v[i]);
    machine_advance(m);
}

/* ---- the current state ---- */

MachineStage machine_stage(const Machine *m)
{
    return m->stage;
}

size_t machine_count(const Machine *m)
{
    return m->n;
}

const Container *machine_container(const Machine *m, size_t container)
{
    return machine_at(m, container)->spec;
}

ContainerKind machine_kind(const Machine *m, size_t container)
{
    return machine_at(m, container)->kind;
}

ContainerStage machine_container_stage(const Machine *m, size_t container)
{
    return machine_at(m, container)->stage;
}

int machine_attempt(const Machine *m, size_t container)
{
    return machine_at(m, container)->attempt;
}

const char *machine_container_id(const Machine *m, size_t container)
{
    return machine_at(m, container)->id;
}

int64_t machine_started_ns(const Machine *m, size_t container)
{
    return machine_at(m, container)->started_ns;
}

bool machine_has_previous(const Machine *m, size_t container)
{
    const MachineContainer *c = machine_at(m, container);

    return c->last.set || (c->now.set && c->stage != CONTAINER_EXITED);
}

const ResourceRequirements *machine_applied(const Machine *m, size_t container)
{
    const MachineContainer *c = machine_at(m, container);

    return c->has_applied ? &c->applied : NULL;
}

size_t machine_find(const Machine *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (str_equal(m->v[i]->spec->name, name))
            return i;
    return SIZE_MAX;
}
