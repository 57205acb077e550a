/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When probes run, and what their results mean. The startup probe delays the two others until it has succeeded. The
 * readiness probe decides whether the container is ready. The container is stopped when the failures of its liveness or
 * startup probe reach the threshold.
 */
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "base/observe/metrics.h"
#include "node/machine/internal.h"

/* A network probe is so cheap that an application which becomes ready after 7 ms can be found ready after 10 ms. A probe
 * that runs a program takes about 20 ms by itself. */
#define FAST_FIRST (2 * NS_PER_MS)
#define FAST_FIRST_EXEC (20 * NS_PER_MS)

static const char *const probe_names[] = {"Startup", "Readiness", "Liveness"};
static_assert(ARRAY_LEN(probe_names) == _MACHINE_PROBE_MAX, "a name for each probe");

const Probe *container_probe(const MachineContainer *c, MachineProbe which)
{
    if (c->kind == CONTAINER_INIT || c->kind == CONTAINER_EPHEMERAL)
        return NULL;
    switch (which) {
    case MACHINE_STARTUP:
        return c->spec->startup_probe;
    case MACHINE_READINESS:
        return c->spec->readiness_probe;
    case MACHINE_LIVENESS:
        return c->spec->liveness_probe;
    default:
        return NULL;
    }
}

static int64_t probe_period(const Probe *probe)
{
    return (int64_t)MAX_OF(probe->period_seconds, 1) * NS_PER_SEC;
}

void container_update_ready(MachineContainer *c)
{
    bool ready;

    if (c->kind == CONTAINER_INIT) {
        ready = c->stage == CONTAINER_EXITED && c->now.exit_code == 0;
    } else {
        ready = (c->stage == CONTAINER_RUNNING || c->stage == CONTAINER_STOPPING) && c->started;
        if (ready && container_probe(c, MACHINE_READINESS))
            ready = c->probes[MACHINE_READINESS].result;
        if (c->kind == CONTAINER_EPHEMERAL)
            ready = false;
    }
    if (ready == c->ready)
        return;
    c->ready = ready;
    machine_changed(c->machine);
}

static void probe_fire(ProbeState *state)
{
    MachineContainer *c = state->container;

    if (c->stage != CONTAINER_RUNNING)
        return;
    state->serial = ++c->machine->serial;
    MACHINE_OP(c->machine, probe, c->index, state->which, state->serial);
}

static void on_probe_timer(Timer *timer)
{
    probe_fire(timer->data);
}

static void probe_begin(ProbeState *state, bool adopted)
{
    MachineContainer *c = state->container;
    const Probe *probe = container_probe(c, state->which);
    int64_t since = clock_wall_ns(c->machine->clock) - c->started_ns;
    int64_t delay = (int64_t)probe->initial_delay_seconds * NS_PER_SEC - since;

    if (state->running)
        return;
    state->running = true;
    state->run = 0;
    /* Kubernetes probes for the first time up to one period after the start. Failures of the fast phase during that
     * period do not count, unless the user has set an initial delay. */
    state->counted = !adopted && probe->initial_delay_seconds == 0;
    state->counted_ns = clock_mono_ns(c->machine->clock);
    state->fast_ns = probe->probe_handler.exec ? FAST_FIRST_EXEC : FAST_FIRST;
    state->succeeded = adopted && (state->which != MACHINE_READINESS || state->result);
    timer_start(c->machine->clock, &state->timer, MAX_OF(delay, 0));
}

/* The container has no startup probe, or that one has succeeded. */
static void container_set_started(MachineContainer *c, bool adopted)
{
    c->started = true;
    for (int i = MACHINE_READINESS; i < _MACHINE_PROBE_MAX; i++)
        if (container_probe(c, i))
            probe_begin(&c->probes[i], adopted);
    container_update_ready(c);
}

void probes_start(MachineContainer *c, bool adopted)
{
    for (int i = 0; i < _MACHINE_PROBE_MAX; i++) {
        ProbeState *state = &c->probes[i];

        state->container = c;
        state->which = i;
        state->timer.on_fire = on_probe_timer;
        state->timer.data = state;
        state->running = state->succeeded = false;
        state->result = i == MACHINE_LIVENESS || (adopted && c->ready);
    }
    if (container_probe(c, MACHINE_STARTUP) && !(adopted && c->started)) {
        c->started = false;
        probe_begin(&c->probes[MACHINE_STARTUP], adopted);
        return;
    }
    container_set_started(c, adopted);
}

void probes_stop(MachineContainer *c)
{
    for (int i = 0; i < _MACHINE_PROBE_MAX; i++) {
        ProbeState *state = &c->probes[i];

        if (state->timer.on_fire)
            timer_stop(c->machine->clock, &state->timer);
        state->running = false;
        state->serial = 0;
    }
}

/* Does this result count towards the thresholds? In the fast phase only one failure per period does. */
static bool probe_counts(ProbeState *state, const Probe *probe, bool ok)
{
    int64_t now = clock_mono_ns(state->container->machine->clock);

    if (ok || state->succeeded)
        return true;
    if (state->counted && now - state->counted_ns < probe_period(probe))
        return false;
    state->counted = true;
    state->counted_ns = now;
    return true;
}

static void probe_again(ProbeState *state, const Probe *probe)
{
    int64_t delay = probe_period(probe);

    if (!state->succeeded) {
        int64_t now = clock_mono_ns(state->container->machine->clock);
        int64_t tick = state->counted_ns + delay - now; /* until a failure counts again */

        delay = MIN_OF(state->fast_ns, tick > 0 ? tick : delay);
        state->fast_ns += state->fast_ns / 2;
    }
    timer_start(state->container->machine->clock, &state->timer, delay);
}

/* The failures have reached the threshold: stops the container, and its restart policy decides what follows. */
static void probe_kill(MachineContainer *c, MachineProbe which, const Probe *probe)
{
    int64_t grace = probe->termination_grace_period_seconds
                        ? ns_from_seconds(*probe->termination_grace_period_seconds)
                        : machine_spec_grace(c->machine);
    _free_ char *text = mem_printf("Container %s failed %s probe, will be restarted", c->spec->name,
                                   which == MACHINE_STARTUP ? "startup" : "liveness");

    container_stop(c, grace, text);
}

static void count_result(ProbeState *state, bool ok)
{
    const MachineContainer *c = state->container;
    const ObjectMeta *meta = object_meta(c->machine->pod);

    if (!state->results[ok])
        state->results[ok] = METRIC_SERIES(METRIC_PROBE_TOTAL, probe_names[state->which],
                                           ok ? "successful" : "failed", c->spec->name, meta->name,
                                           str_or(meta->namespace, ""), str_or(meta->uid, ""));
    metric_inc(state->results[ok]);
}

void probes_forget_results(MachineContainer *c)
{
    for (size_t i = 0; i < ARRAY_LEN(c->probes); i++)
        for (size_t ok = 0; ok < 2; ok++)
            metric_remove(TAKE_PTR(c->probes[i].results[ok]));
}

void machine_probed(Machine *m, size_t container, MachineProbe which, uint64_t serial, bool ok,
                    const char *output)
{
    MachineContainer *c = machine_answer(m, container);
    ProbeState *state;
    const Probe *probe;
    int threshold;

    ASSERT(which < _MACHINE_PROBE_MAX);
    if (c->probes[which].serial != serial || c->stage != CONTAINER_RUNNING)
        return;
    state = &c->probes[which];
    probe = container_probe(c, which);
    state->serial = 0;
    if (!probe)
        return;
    count_result(state, ok);
    if (!probe_counts(state, probe, ok)) {
        probe_again(state, probe);
        return;
    }
    if (!ok)
        machine_event(c, "Warning", "Unhealthy", "%s probe failed: %s", probe_names[which],
                      str_or(output, ""));
    state->run = state->last == ok ? state->run + 1 : 1;
    state->last = ok;
    if (ok)
        state->succeeded = true;
    threshold = MAX_OF(ok ? probe->success_threshold : probe->failure_threshold, 1);
    if (state->run < threshold) {
        probe_again(state, probe);
        return;
    }
    state->result = ok;
    if (!ok && which != MACHINE_READINESS) {
        state->running = false;
        probe_kill(c, which, probe);
        return;
    }
    if (which == MACHINE_STARTUP) {
        state->running = false;
        container_set_started(c, false);
        machine_changed(m);
        machine_advance(m);
        return;
    }
    probe_again(state, probe);
    container_update_ready(c);
}
