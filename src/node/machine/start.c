/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting a container, and starting it again: the answers of the runtime to a start, and the back-offs after ends
 * (CrashLoopBackOff) and failed pulls (ImagePullBackOff).
 */
#include "base/observe/metrics.h"
#include "node/machine/internal.h"

#define NOTICE NS_PER_SEC /* errors show this long before their back-off does */
#define CONFIG_RETRY (2 * NS_PER_SEC)

/* Does the spec name another image than the newest start was made from? */
bool container_is_outdated(const MachineContainer *c)
{
    return c->start_image && !str_equal(c->start_image, c->spec->image);
}

void container_start(MachineContainer *c)
{
    Machine *m = c->machine;

    timer_stop(m->clock, &c->retry);
    if (container_is_outdated(c)) /* back-offs belong to what failed before */
        c->pull_backoff_ns = 0;
    machine_set_text(&c->start_image, c->spec->image);
    c->start_inputs = m->inputs;
    c->replacing = false;
    c->retry_backoff = 0;
    c->stage = CONTAINER_STARTING;
    c->started = false;
    c->term_sent = c->kill_sent = c->post_start_failed = false;
    machine_set_text(&c->end_message, NULL);
    if (c->ever) {
        c->attempt++;
        metric_inc(
            METRIC_SERIES(METRIC_RESTARTS, str_or(object_meta(m->pod)->namespace, "default")));
    }
    m->ops->start(m->data, c->index, c->attempt);
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

/* "10s", "1m20s", "5m0s" as Go prints durations */
static char *duration_text(int64_t ns)
{
    int64_t s = ns / NS_PER_SEC;

    return s < 60 ? mem_printf("%" PRId64 "s", s)
                  : mem_printf("%" PRId64 "m%" PRId64 "s", s / 60, s % 60);
}

/* Starts it again now, or says CrashLoopBackOff and waits. */
void container_restart(MachineContainer *c)
{
    Machine *m = c->machine;
    int64_t now = clock_wall_ns(m->clock), since = c->now.set ? c->now.finished_ns : now;

    if (container_is_outdated(c))
        c->backoff_ns = 0;
    if (in_backoff_since(c, since, now)) {
        _free_ char *pod = machine_pod_text(m), *delay = duration_text(c->backoff_ns);
        _free_ char *text = mem_printf("back-off %s restarting failed container=%s pod=%s", delay,
                                       c->spec->name, pod);

        machine_event(c, "Warning", "BackOff", "Back-off restarting failed container %s in pod %s",
                      c->spec->name, pod);
        container_waits(c, "CrashLoopBackOff", text);
        c->stage = CONTAINER_WAITING;
        c->retry_at = clock_mono_ns(m->clock) + c->backoff_ns - (now - since);
        timer_start(m->clock, &c->retry, c->retry_at - clock_mono_ns(m->clock));
        machine_changed(m);
        return;
    }
    container_backoff_next(c, since, now);
    container_start(c);
}

bool container_waits_for_image(const MachineContainer *c)
{
    return str_equal(c->waiting_reason, "ErrImagePull") ||
           str_equal(c->waiting_reason, "ImagePullBackOff") ||
           str_equal(c->waiting_reason, "ErrImageNeverPull") ||
           str_equal(c->waiting_reason, "InvalidImageName");
}

void container_on_retry(Timer *timer)
{
    MachineContainer *c = timer->data;
    Machine *m = c->machine;
    int64_t left = c->retry_at - clock_mono_ns(m->clock);

    if (c->stage != CONTAINER_WAITING || m->stage != MACHINE_ACTIVE)
        return;
    if (left > 0) { /* the failed pull has been shown long enough */
        if (str_equal(c->waiting_reason, "RunContainerError")) {
            _free_ char *pod = machine_pod_text(m), *delay = duration_text(c->retry_backoff);
            _free_ char *text = mem_printf("back-off %s restarting failed container=%s pod=%s",
                                           delay, c->spec->name, pod);

            machine_event(c, "Warning", "BackOff",
                          "Back-off restarting failed container %s in pod %s", c->spec->name, pod);
            container_waits(c, "CrashLoopBackOff", text);
            machine_changed(m);
        }
        if (str_equal(c->waiting_reason, "ErrImagePull")) {
            _free_ char *text = mem_printf("Back-off pulling image \"%s\": ErrImagePull: %s",
                                           c->spec->image, str_or(c->pull_error, ""));

            machine_event(c, "Normal", "BackOff", "Back-off pulling image \"%s\"", c->spec->image);
            machine_event(c, "Warning", "Failed", "Error: ImagePullBackOff");
            container_waits(c, "ImagePullBackOff", text);
            machine_changed(m);
        }
        timer_start(m->clock, &c->retry, left);
        return;
    }
    if (str_equal(c->waiting_reason, "CrashLoopBackOff") && !c->retry_backoff)
        container_backoff_next(c, c->now.set ? c->now.finished_ns : 0, clock_wall_ns(m->clock));
    container_start(c);
}

void machine_created(Machine *m, size_t container, const char *id, const char *image,
                     const char *image_id)
{
    MachineContainer *c = m->v[container];

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
    MachineContainer *c = m->v[container];

    if (c->stage != CONTAINER_STARTING)
        return;
    c->stage = CONTAINER_RUNNING;
    c->started_ns = started_ns;
    container_waits(c, NULL, NULL);
    machine_event(c, "Normal", "Started", "Container started");
    if (m->stage >= MACHINE_STOPPING) {
        machine_changed(m);
        machine_advance(m);
        return;
    }
    if (c->spec->lifecycle && c->spec->lifecycle->post_start) {
        c->hook_serial = ++m->serial;
        m->ops->hook(m->data, container, MACHINE_POST_START, 0, c->hook_serial);
    } else {
        probes_start(c, false);
    }
    machine_changed(m);
    machine_advance(m);
}

static void pull_failed(MachineContainer *c, const char *message)
{
    Machine *m = c->machine;
    int64_t now = clock_mono_ns(m->clock);

    machine_set_text(&c->pull_error, message);
    c->pull_backoff_ns =
        c->pull_backoff_ns ? MIN_OF(c->pull_backoff_ns * 2, BACKOFF_MAX) : BACKOFF_FIRST;
    c->retry_at = now + c->pull_backoff_ns;
    timer_start(m->clock, &c->retry, NOTICE);
}

void machine_start_failed(Machine *m, size_t container, const char *reason, const char *message,
                          bool created)
{
    MachineContainer *c = m->v[container];

    if (c->stage != CONTAINER_STARTING)
        return;
    c->stage = CONTAINER_WAITING;
    if (created) {
        int64_t now = clock_wall_ns(m->clock);
        MachineEnd end = {
            .exit_code = 128, .finished_ns = now, .reason = "StartError", .message = message};

        instance_set(&c->now, c->id, &end);
        c->stage = CONTAINER_EXITED;
        machine_event(c, "Warning", "Failed", "Error: %s", message);
        container_waits(c, reason, message);
        if (m->stage == MACHINE_ACTIVE && container_should_restart(c, 128)) {
            c->stage = CONTAINER_WAITING;
            c->retry_backoff = in_backoff_since(c, now, now) ? c->backoff_ns : NOTICE;
            c->retry_at = clock_mono_ns(m->clock) + c->retry_backoff;
            timer_start(m->clock, &c->retry, NOTICE);
            container_backoff_next(c, now, now);
        }
    } else {
        if (c->ever)
            c->attempt--; /* it never came to be */
        machine_event(c, "Warning", "Failed", "Error: %s",
                      container_waits_for_image(c) ? reason : message);
        container_waits(c, reason, message);
        if (m->stage == MACHINE_ACTIVE && c->start_inputs != m->inputs) {
            c->retry_at = clock_mono_ns(m->clock); /* it may have looked too early */
            timer_start(m->clock, &c->retry, 0);
        } else if (m->stage == MACHINE_ACTIVE && str_equal(reason, "ErrImagePull")) {
            pull_failed(c, message);
        } else if (m->stage == MACHINE_ACTIVE) {
            c->retry_at = clock_mono_ns(m->clock) + CONFIG_RETRY;
            timer_start(m->clock, &c->retry, CONFIG_RETRY);
        }
    }
    machine_changed(m);
    machine_advance(m);
}
