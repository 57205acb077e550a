/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stopping a container and the whole pod: grace periods, preStop hooks, SIGTERM and SIGKILL, the order of sidecars,
 * deletion, eviction, and the pod's deadline.
 */
#include "node/machine/internal.h"

static void send_term(MachineContainer *c)
{
    Machine *m = c->machine;
    int64_t left = c->stop_deadline - clock_mono_ns(m->clock);

    if (c->term_sent)
        return;
    c->term_sent = true;
    MACHINE_OP(m, signal, c->index, false);
    timer_start(m->clock, &c->stop, MAX_OF(left, STOP_MINIMUM));
}

static void send_kill(MachineContainer *c)
{
    timer_stop(c->machine->clock, &c->stop);
    if (c->kill_sent)
        return;
    c->term_sent = c->kill_sent = true;
    MACHINE_OP(c->machine, signal, c->index, true);
}

void container_on_stop_timer(Timer *timer)
{
    MachineContainer *c = timer->data;

    if (c->stage != CONTAINER_STOPPING)
        return;
    if (c->hook_serial) { /* the hook used up the grace period */
        c->hook_serial = 0;
        send_term(c);
    } else {
        send_kill(c);
    }
}

void container_abandon_start(MachineContainer *c)
{
    if (c->stage == CONTAINER_STARTING && c->machine->ops->abandon)
        MACHINE_OP(c->machine, abandon, c->index);
}

void container_stop(MachineContainer *c, int64_t grace_ns, const char *message)
{
    Machine *m = c->machine;
    int64_t now = clock_mono_ns(m->clock);

    if (c->stage == CONTAINER_STOPPING) {
        if (now + grace_ns >= c->stop_deadline)
            return;
        c->stop_deadline = now + grace_ns;
        if (grace_ns <= 0)
            send_kill(c);
        else
            timer_start(m->clock, &c->stop, grace_ns);
        return;
    }
    if (c->stage == CONTAINER_STARTING)
        container_abandon_start(c);
    if (c->stage != CONTAINER_RUNNING)
        return;
    probes_stop(c);
    c->stage = CONTAINER_STOPPING;
    c->hook_serial = 0;
    c->stop_deadline = now + grace_ns;
    machine_event(c, "Normal", "Killing", "%s", message);
    if (grace_ns <= 0) {
        send_kill(c);
    } else if (c->spec->lifecycle && c->spec->lifecycle->pre_stop) {
        c->hook_serial = ++m->serial;
        timer_start(m->clock, &c->stop, grace_ns);
        MACHINE_OP(m, hook, c->index, MACHINE_PRE_STOP, grace_ns, c->hook_serial);
    } else {
        send_term(c);
    }
    machine_changed(m);
}

static void stop_to_replace(MachineContainer *c, const char *message)
{
    c->replacing = true;
    container_stop(c, machine_grace(c->machine), message);
}

/* Stops a running container whose image is not the one that the spec names any more; it restarts with the new image
 * whatever its restart policy says. As under Kubernetes, init containers are exempt, and so are sidecars that have not
 * started yet. */
void container_replace(MachineContainer *c)
{
    bool sidecar = c->kind == CONTAINER_SIDECAR;
    _free_ char *text = mem_printf(sidecar ? "Init container %s definition changed"
                                           : "Container %s definition changed, will be restarted",
                                   c->spec->name);

    if (sidecar ? !c->started : c->kind != CONTAINER_REGULAR)
        return;
    stop_to_replace(c, text);
}

/* Stops a running container that has to be restarted to get other resources. */
void container_resize(MachineContainer *c)
{
    _free_ char *text = mem_printf("Container %s resize requires restart", c->spec->name);

    stop_to_replace(c, text);
}

static void stop_one(MachineContainer *c)
{
    _free_ char *text = mem_printf("Stopping container %s", c->spec->name);

    container_stop(c, machine_grace(c->machine), text);
}

/* The next step while STOPPING: all containers are stopped at once, and then the sidecars one by one, the last one first. */
void machine_stop_next(Machine *m)
{
    bool left = false;

    for (size_t i = 0; i < m->n; i++) {
        MachineContainer *c = m->v[i];

        timer_stop(m->clock, &c->retry);
        if (c->kind == CONTAINER_SIDECAR || !container_alive(c))
            continue;
        stop_one(c);
        left = true;
    }
    for (size_t i = m->n; i-- > 0 && !left;) {
        MachineContainer *c = m->v[i];

        if (c->kind != CONTAINER_SIDECAR || !container_alive(c))
            continue;
        stop_one(c);
        left = true;
    }
    if (left)
        return;
    m->stage = MACHINE_TEARDOWN;
    machine_changed(m);
    MACHINE_OP(m, teardown);
}

void machine_stop(Machine *m)
{
    if (m->stage >= MACHINE_TEARDOWN)
        return;
    timer_stop(m->clock, &m->prepare_retry);
    timer_stop(m->clock, &m->deadline);
    m->stage = MACHINE_STOPPING;
    machine_stop_next(m);
}

void machine_exited(Machine *m, size_t container, const MachineEnd *end)
{
    MachineContainer *c = machine_answer(m, container);

    timer_stop(m->clock, &c->stop);
    probes_stop(c);
    c->hook_serial = 0;
    c->stage = CONTAINER_EXITED;
    c->started = false;
    c->ever = true;
    instance_set(&c->now, c->id, end);
    if (!c->now.started_ns)
        c->now.started_ns = c->started_ns;
    container_waits(c, WAITING_NONE, NULL);
    container_update_ready(c);
    machine_changed(m);
    machine_advance(m);
}

void machine_hooked(Machine *m, size_t container, MachineHook hook, uint64_t serial, bool ok)
{
    MachineContainer *c = machine_answer(m, container);

    if (c->hook_serial != serial)
        return;
    c->hook_serial = 0;
    if (hook == MACHINE_PRE_STOP) {
        if (!ok)
            machine_event(c, "Warning", "FailedPreStopHook", "PreStopHook failed");
        if (c->stage == CONTAINER_STOPPING)
            send_term(c);
        return;
    }
    if (c->stage != CONTAINER_RUNNING)
        return;
    if (ok) {
        probes_start(c, false);
        machine_changed(m);
        machine_advance(m);
        return;
    }
    machine_event(c, "Warning", "FailedPostStartHook", "PostStartHook failed");
    container_stop(c, machine_grace(m), "FailedPostStartHook");
}

void machine_torn_down(Machine *m)
{
    ASSERT(!m->in_op);
    if (m->stage != MACHINE_TEARDOWN)
        return;
    m->stage = MACHINE_DONE;
    m->sandbox = false;
    machine_changed(m);
    if (m->deleted)
        m->ops->gone(m->data);
}

void machine_delete(Machine *m, int64_t grace_ns)
{
    bool first = !m->deleted;

    if (!first && grace_ns >= m->stop_grace_ns)
        return;
    m->deleted = true;
    m->stop_grace_ns = grace_ns;
    if (m->stage == MACHINE_DONE) {
        if (first)
            m->ops->gone(m->data);
        return;
    }
    if (m->stage == MACHINE_TEARDOWN)
        return;
    machine_stop(m);
}

void machine_halt(Machine *m)
{
    if (!m->deleted)
        m->stop_grace_ns = machine_grace(m);
    m->halted = true;
    if (m->stage < MACHINE_TEARDOWN)
        machine_stop(m);
}

void machine_fail(Machine *m, const char *reason, const char *message)
{
    if (m->stage >= MACHINE_STOPPING)
        return;
    machine_set_text(&m->forced_phase, "Failed");
    machine_set_text(&m->forced_reason, reason);
    machine_set_text(&m->forced_message, message);
    m->finished = true;
    machine_changed(m);
    machine_stop(m);
}

void machine_evict(Machine *m, const char *reason, const char *message)
{
    m->evicted = true;
    machine_fail(m, reason, message);
}

void machine_on_deadline(Timer *timer)
{
    Machine *m = timer->data;

    m->ops->event(m->data, SIZE_MAX, "Normal", "DeadlineExceeded",
                  "Pod was active on the node longer than the specified deadline");
    machine_fail(m, "DeadlineExceeded",
                 "Pod was active on the node longer than the specified deadline");
}

/* Called for each version of the pod, since the deadline may be set or lowered while the pod runs. */
void machine_deadline_arm(Machine *m)
{
    const int64_t *seconds = machine_spec(m)->spec.active_deadline_seconds;
    int64_t end = seconds ? ns_from_seconds(m->start_time.seconds) + ns_from_seconds(*seconds) : 0;

    timer_stop(m->clock, &m->deadline);
    if (seconds && m->stage < MACHINE_STOPPING)
        timer_start(m->clock, &m->deadline, MAX_OF(end - clock_wall_ns(m->clock), 0));
}
