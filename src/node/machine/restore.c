/* SPDX-License-Identifier: Apache-2.0 */
/* Puts a new machine into the state in which an earlier process left the pod, as found on the node. */
#include "node/machine/internal.h"

void machine_restore_running(Machine *m, size_t container, int attempt, const char *id,
                             int64_t started_ns, bool started, bool ready)
{
    MachineContainer *c = machine_at(m, container);

    c->stage = CONTAINER_RUNNING;
    c->attempt = attempt;
    c->ever = true;
    machine_set_text(&c->id, id);
    c->started_ns = started_ns;
    c->started = started;
    c->ready = ready;
}

void machine_restore_exited(Machine *m, size_t container, int attempt, const char *id,
                            const MachineEnd *end)
{
    MachineContainer *c = machine_at(m, container);

    c->stage = CONTAINER_EXITED;
    c->attempt = attempt;
    c->ever = true;
    machine_set_text(&c->id, id);
    instance_set(&c->now, id, end);
    c->started_ns = end->started_ns;
    c->ready = c->kind == CONTAINER_INIT && end->exit_code == 0;
    /* The delay before the next restart is not stored: it follows from the number of restarts. */
    for (int i = 0; i < attempt && i < 6; i++)
        container_backoff_next(c, end->finished_ns, end->finished_ns);
}

void machine_restore_lost(Machine *m, size_t container, int attempt, const char *id,
                          const MachineEnd *end)
{
    machine_restore_exited(m, container, attempt, id, end);
    machine_at(m, container)->stage = CONTAINER_WAITING;
    machine_at(m, container)->ready = false;
    machine_at(m, container)->backoff_ns = 0;
}

void machine_restore_last(Machine *m, size_t container, const char *id, const MachineEnd *end)
{
    instance_set(&machine_at(m, container)->last, id, end);
}

void machine_restore_image(Machine *m, size_t container, const char *image, const char *image_id)
{
    machine_set_text(&machine_at(m, container)->image, image);
    machine_set_text(&machine_at(m, container)->image_id, image_id);
}

void machine_restore_finished(Machine *m, const char *phase, const char *reason,
                              const char *message)
{
    m->stage = MACHINE_DONE;
    m->finished = true;
    machine_set_text(&m->forced_phase, phase);
    machine_set_text(&m->forced_reason, reason);
    machine_set_text(&m->forced_message, message);
}

void machine_restore_start_image(Machine *m, size_t container, const char *image)
{
    machine_set_text(&machine_at(m, container)->start_image, image);
}
