/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting and restarting a container: the results of a start, and the delays after an end (CrashLoopBackOff) and after a
 * missing image (ImagePullBackOff). The texts of events and messages are kubelet's, since users and tools search for them.
 */
#include "base/observe/metrics.h"
#include "node/machine/internal.h"

#define NOTICE NS_PER_SEC /* the status shows an error for this long before it shows the back-off */
#define CONFIG_RETRY (2 * NS_PER_SEC)

bool container_is_outdated(const MachineContainer *c)
{
    return c->start_image && !str_equal(c->start_image, c->spec->image);
}

void container_start(MachineContainer *c)
{
    Machine *m = c->machine;

    timer_stop(m->clock, &c->retry);
    if (container_is_outdated(c)) /* the delay belongs to the image that was not available */
        c->pull_backoff_ns = 0;
    machine_set_text(&c->start_image, c->spec->image);
    c->start_inputs = m->inputs;
    c->replacing = false;
    c->has_applied = false;
    c->retry_backoff = 0;
    c->stage = CONTAINER_STARTING;
    c->started = false;
    c->term_sent = c->kill_sent = false;
    if (c->ever) {
        c->attempt++;
        metric_inc(
            METRIC_SERIES(METRIC_RESTARTS, str_or(object_meta(m->pod)->namespace, "default")));
    }
    MACHINE_OP(m, start, c->index, c->attempt);
    machine_changed(m);
}

static bool in_backoff_since(const MachineContainer *c, int64_t since, int64_t now)
{
    if (!c->backoff_ns || since - c->backoff_update > BACKOFF_RESET)
        return false;
    return now - since < c->backoff_ns;
}

void container_backoff_next(MachineContainer *c, int64_t since, int64_t now)
{
    if (!c->backoff_ns || since - c->backoff_update > BACKOFF_RESET)
        c->backoff_ns = BACKOFF_FIRST;
    else
        c->backoff_ns = MIN_OF(c->backoff_ns * 2, BACKOFF_MAX);
    c->backoff_update = now;
}

/* "10s", "1m20s", "5m0s": the way Go prints durations. */
static char *duration_text(int64_t ns)
{
    int64_t s = ns / NS_PER_SEC;

    return s < 60 ? mem_printf("%" PRId64 "s", s)
                  : mem_printf("%" PRId64 "m%" PRId64 "s", s / 60, s % 60);
}

static void report_crash_loop(MachineContainer *c, int64_t delay_ns)
{
    const ObjectMeta *meta = object_meta(c->machine->pod);
    _free_ char *delay = duration_text(delay_ns);
    _free_ char *pod = mem_printf("%s_%s(%s)", meta->name, meta->namespace, str_or(meta->uid, ""));
    _free_ char *text =
        mem_printf("back-off %s restarting failed container=%s pod=%s", delay, c->spec->name, pod);

    machine_event(c, "Warning", "BackOff", "Back-off restarting failed container %s in pod %s",
                  c->spec->name, pod);
    container_waits(c, WAITING_CRASH_LOOP_BACK_OFF, text);
}

static void report_pull_back_off(MachineContainer *c)
{
    _free_ char *text =
        mem_printf("Back-off pulling image \"%s\": %s", c->spec->image, str_or(c->pull_error, ""));

    machine_event(c, "Normal", "BackOff", "Back-off pulling image \"%s\"", c->spec->image);
    machine_event(c, "Warning", "Failed", "Error: ImagePullBackOff");
    container_waits(c, WAITING_IMAGE_PULL_BACK_OFF, text);
}

void container_restart(MachineContainer *c)
{
    Machine *m = c->machine;
    int64_t now = clock_wall_ns(m->clock), since = c->now.set ? c->now.finished_ns : now;

    if (container_is_outdated(c) || c->replacing) /* it did not end by itself */
        c->backoff_ns = 0;
    if (in_backoff_since(c, since, now)) {
        report_crash_loop(c, c->backoff_ns);
        c->stage = CONTAINER_WAITING;
        c->retry_at = clock_mono_ns(m->clock) + c->backoff_ns - (now - since);
        timer_start(m->clock, &c->retry, c->retry_at - clock_mono_ns(m->clock));
        machine_changed(m);
        return;
    }
    container_backoff_next(c, since, now);
    container_start(c);
}

static bool is_failed_pull(WaitingReason reason)
{
    return reason == WAITING_ERR_IMAGE_PULL || reason == WAITING_REGISTRY_UNAVAILABLE;
}

static bool concerns_image(WaitingReason reason)
{
    return is_failed_pull(reason) || reason == WAITING_IMAGE_PULL_BACK_OFF ||
           reason == WAITING_ERR_IMAGE_NEVER_PULL || reason == WAITING_INVALID_IMAGE_NAME ||
           reason == WAITING_IMAGE_INSPECT_ERROR;
}

bool container_waits_for_input(const MachineContainer *c)
{
    return concerns_image(c->waiting_reason) || c->waiting_reason == WAITING_CONFIG_ERROR;
}

void container_on_retry(Timer *timer)
{
    MachineContainer *c = timer->data;
    Machine *m = c->machine;
    int64_t left = c->retry_at - clock_mono_ns(m->clock);

    if (c->stage != CONTAINER_WAITING || m->stage != MACHINE_ACTIVE)
        return;
    if (left > 0) { /* the error has been shown long enough */
        if (c->waiting_reason == WAITING_RUN_CONTAINER_ERROR)
            report_crash_loop(c, c->retry_backoff);
        else if (is_failed_pull(c->waiting_reason))
            report_pull_back_off(c);
        timer_start(m->clock, &c->retry, left);
        machine_changed(m);
        return;
    }
    if (c->waiting_reason == WAITING_CRASH_LOOP_BACK_OFF && !c->retry_backoff)
        container_backoff_next(c, c->now.set ? c->now.finished_ns : 0, clock_wall_ns(m->clock));
    container_start(c);
}

void machine_created(Machine *m, size_t container, const char *id, const char *image,
                     const char *image_id)
{
    MachineContainer *c = machine_answer(m, container);

    if (c->now.set) {
        instance_clear(&c->last);
        c->last = c->now;
        c->now = (Instance){0};
    }
    c->ever = true;
    c->pull_backoff_ns = 0;
    c->started_ns = 0;
    machine_set_text(&c->id, id);
    machine_set_text(&c->image, image);
    machine_set_text(&c->image_id, image_id);
    machine_event(c, "Normal", "Created", "Container created");
}

void machine_started(Machine *m, size_t container, int64_t started_ns)
{
    MachineContainer *c = machine_answer(m, container);

    if (c->stage != CONTAINER_STARTING)
        return;
    c->stage = CONTAINER_RUNNING;
    c->started_ns = started_ns;
    container_waits(c, WAITING_NONE, NULL);
    machine_event(c, "Normal", "Started", "Container started");
    if (m->stage >= MACHINE_STOPPING) {
        machine_changed(m);
        machine_advance(m);
        return;
    }
    if (c->spec->lifecycle && c->spec->lifecycle->post_start) {
        c->hook_serial = ++m->serial;
        MACHINE_OP(m, hook, container, MACHINE_POST_START, 0, c->hook_serial);
    } else {
        probes_start(c, false);
    }
    machine_changed(m);
    machine_advance(m);
}

static void pull_failed(MachineContainer *c, WaitingReason reason, const char *message)
{
    Machine *m = c->machine;
    int64_t now = clock_mono_ns(m->clock);
    _free_ char *text = mem_printf("%s: %s", waiting_reason_text(reason), message);

    machine_set_text(&c->pull_error, text);
    c->pull_backoff_ns =
        c->pull_backoff_ns ? MIN_OF(c->pull_backoff_ns * 2, BACKOFF_MAX) : BACKOFF_FIRST;
    c->retry_at = now + c->pull_backoff_ns;
    timer_start(m->clock, &c->retry, NOTICE);
}

/* An instance had been created, so it counts as one that ended with an error. */
static void start_ended(MachineContainer *c, WaitingReason reason, const char *message)
{
    Machine *m = c->machine;
    int64_t now = clock_wall_ns(m->clock);
    MachineEnd end = {
        .exit_code = 128, .finished_ns = now, .reason = "StartError", .message = message};

    instance_set(&c->now, c->id, &end);
    c->stage = CONTAINER_EXITED;
    machine_event(c, "Warning", "Failed", "Error: %s", message);
    container_waits(c, reason, message);
    if (m->stage != MACHINE_ACTIVE || !container_should_restart(c, end.exit_code))
        return;
    c->stage = CONTAINER_WAITING;
    c->retry_backoff = in_backoff_since(c, now, now) ? c->backoff_ns : NOTICE;
    c->retry_at = clock_mono_ns(m->clock) + c->retry_backoff;
    timer_start(m->clock, &c->retry, NOTICE);
    container_backoff_next(c, now, now);
}

/* No instance was created, so this start does not count as a restart. */
static void start_missed(MachineContainer *c, WaitingReason reason, const char *message)
{
    Machine *m = c->machine;

    c->stage = CONTAINER_WAITING;
    if (c->ever)
        c->attempt--;
    if (reason != WAITING_CONTAINER_CREATING) /* the start was not abandoned */
        machine_event(c, "Warning", "Failed", "Error: %s",
                      concerns_image(reason) ? waiting_reason_text(reason) : message);
    container_waits(c, reason, message);
    if (m->stage != MACHINE_ACTIVE)
        return;
    if (c->start_inputs != m->inputs) { /* the start may have read an older version */
        c->retry_at = clock_mono_ns(m->clock);
        timer_start(m->clock, &c->retry, 0);
    } else if (is_failed_pull(reason)) {
        pull_failed(c, reason, message);
    } else {
        c->retry_at = clock_mono_ns(m->clock) + CONFIG_RETRY;
        timer_start(m->clock, &c->retry, CONFIG_RETRY);
    }
}

void machine_start_failed(Machine *m, size_t container, WaitingReason reason, const char *message,
                          bool created)
{
    MachineContainer *c = machine_answer(m, container);

    if (c->stage != CONTAINER_STARTING)
        return;
    if (created)
        start_ended(c, reason, message);
    else
        start_missed(c, reason, message);
    machine_changed(m);
    machine_advance(m);
}
