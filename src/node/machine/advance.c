/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a pod does next. machine_advance() is the only place that decides this. It may be called at any time: it looks at
 * the states of all containers and takes whatever steps follow from them, which may be none.
 */
#include "base/observe/turn.h"
#include "node/machine/internal.h"

/* A new image is tried at once: the back-off in effect belongs to the old one. */
static bool may_start(const MachineContainer *c)
{
    return c->stage == CONTAINER_WAITING && (!c->retry.active || container_is_outdated(c));
}

static void container_start_anew(MachineContainer *c)
{
    if (container_is_outdated(c))
        c->backoff_ns = 0;
    container_start(c);
}

/* Restarts a running container if its spec has changed in a way that asks for it. */
static void follow_spec(MachineContainer *c)
{
    if (c->stage != CONTAINER_RUNNING)
        return;
    if (container_is_outdated(c))
        container_replace(c);
    else if (container_resize_restarts(c))
        container_resize(c);
}

/* Handles the next init container in order. Returns true if it has completed, so that the following one may start. */
static bool advance_init(MachineContainer *c)
{
    Machine *m = c->machine;

    if (may_start(c)) {
        container_start_anew(c);
        return false;
    }
    if (c->kind == CONTAINER_SIDECAR) {
        follow_spec(c);
        return c->started || m->initialized;
    }
    if (c->stage != CONTAINER_EXITED)
        return false;
    if (c->now.exit_code == 0)
        return true;
    if (container_should_restart(c, c->now.exit_code)) {
        container_restart(c);
    } else {
        m->finished = true;
        machine_stop(m);
    }
    return false;
}

/* Handles a container that may run at any time: (re)starts it, or replaces it if its image has changed. */
static void advance_container(MachineContainer *c)
{
    if (c->stage == CONTAINER_EXITED && container_should_restart(c, c->now.exit_code))
        container_restart(c);
    else if (may_start(c) && (c->kind != CONTAINER_EPHEMERAL || !c->ever))
        container_start_anew(c);
    else
        follow_spec(c);
}

static bool regular_done(const Machine *m)
{
    for (size_t i = m->n_init; i < m->n_init + m->n_regular; i++) {
        const MachineContainer *c = m->v[i];

        if (c->stage != CONTAINER_EXITED || container_should_restart(c, c->now.exit_code))
            return false;
    }
    return true;
}

static void advance(Machine *m)
{
    if (!m->running)
        return;
    if (m->stage == MACHINE_STOPPING) {
        machine_stop_next(m);
        return;
    }
    if (m->stage != MACHINE_ACTIVE)
        return;
    for (size_t i = m->n_init + m->n_regular; i < m->n; i++)
        advance_container(
            m->v[i]); /* ephemeral containers must start even if init containers hang */
    for (size_t i = 0; i < m->n_init && m->stage == MACHINE_ACTIVE; i++) {
        MachineContainer *c = m->v[i];

        if (c->kind == CONTAINER_SIDECAR && c->stage == CONTAINER_EXITED) {
            container_restart(c);
            if (!m->initialized)
                return;
        }
        if (!m->initialized && !advance_init(c))
            return;
        if (m->initialized && c->kind == CONTAINER_SIDECAR)
            advance_container(c);
    }
    if (m->stage != MACHINE_ACTIVE)
        return;
    if (!m->initialized) {
        m->initialized = true;
        machine_changed(m);
    }
    for (size_t i = m->n_init; i < m->n_init + m->n_regular && m->stage == MACHINE_ACTIVE; i++)
        advance_container(m->v[i]);
    if (m->stage == MACHINE_ACTIVE && regular_done(m)) {
        m->finished = true;
        machine_stop(m);
    }
}

void machine_advance(Machine *m)
{
    const ObjectMeta *meta = object_meta(m->pod);
    TurnWork work;

    turn_work_begin(&work, "sync of pod", str_or(meta->namespace, ""), meta->name);
    advance(m);
    if (m->running)
        machine_resize_advance(m);
    turn_work_end(&work);
}
