/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transitions of a pod's machine. See machine.h for the states.
 *
 * machine_advance() is the only place that decides what starts next, and it may be called at any
 * time: it looks at the state of all containers and does the one thing that follows. Events change
 * a container's state and then call it.
 */
#include "base/format.h"
#include "base/observe/metrics.h"
#include "base/observe/turn.h"
#include "node/machine/internal.h"

#define PREPARE_BACKOFF_FIRST (500 * NS_PER_MS)
#define PREPARE_BACKOFF_MAX (122 * NS_PER_SEC)
#define NOTICE NS_PER_SEC /* errors show this long before their back-off does */
#define CONFIG_RETRY (2 * NS_PER_SEC)

static void set_text(char **at, const char *text)
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

static void changed(Machine *m)
{
    m->ops->changed(m->data);
}

/* "web-0_default(uid)", as kubelet's texts have it */
static char *pod_text(const Machine *m)
{
    const ObjectMeta *meta = object_meta(m->pod);

    return mem_printf("%s_%s(%s)", meta->name, meta->namespace, str_or(meta->uid, ""));
}

/* ---- instances ---- */

static void instance_clear(Instance *i)
{
    free(i->id);
    free(i->reason);
    free(i->message);
    *i = (Instance){0};
}

static void instance_set(Instance *i, const char *id, const MachineEnd *end)
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

static void container_waits(MachineContainer *c, const char *reason, const char *message)
{
    set_text(&c->waiting_reason, reason);
    set_text(&c->waiting_message, message);
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

static int64_t pod_grace(const Machine *m)
{
    const Pod *pod = machine_spec(m);

    if (m->deleted || m->halted)
        return m->stop_grace_ns;
    if (m->evicted)
        return NS_PER_SEC;
    return ns_from_seconds(pod->spec.termination_grace_period_seconds
                               ? *pod->spec.termination_grace_period_seconds
                               : 30);
}

/* ---- starting ---- */

/* Does the spec name another image than the newest start was made from? */
static bool is_outdated(const MachineContainer *c)
{
    return c->start_image && !str_equal(c->start_image, c->spec->image);
}

static void container_start(MachineContainer *c)
{
    Machine *m = c->machine;

    timer_stop(m->clock, &c->retry);
    if (is_outdated(c)) /* back-offs belong to what failed before */
        c->pull_backoff_ns = 0;
    set_text(&c->start_image, c->spec->image);
    c->start_inputs = m->inputs;
    c->replacing = false;
    c->retry_backoff = 0;
    c->stage = CONTAINER_STARTING;
    c->started = false;
    c->term_sent = c->kill_sent = c->post_start_failed = false;
    set_text(&c->end_message, NULL);
    if (c->ever) {
        c->attempt++;
        metric_inc(
            METRIC_SERIES(METRIC_RESTARTS, str_or(object_meta(m->pod)->namespace, "default")));
    }
    m->ops->start(m->data, c->index, c->attempt);
    changed(m);
}

static bool in_backoff_since(const MachineContainer *c, int64_t since, int64_t now)
{
    if (!c->backoff_ns || since - c->backoff_update > BACKOFF_RESET)
        return false;
    return now - since < c->backoff_ns;
}

static void backoff_next(MachineContainer *c, int64_t since, int64_t now)
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
static void container_restart(MachineContainer *c)
{
    Machine *m = c->machine;
    int64_t now = clock_wall_ns(m->clock), since = c->now.set ? c->now.finished_ns : now;

    if (is_outdated(c))
        c->backoff_ns = 0;
    if (in_backoff_since(c, since, now)) {
        _free_ char *pod = pod_text(m), *delay = duration_text(c->backoff_ns);
        _free_ char *text = mem_printf("back-off %s restarting failed container=%s pod=%s", delay,
                                       c->spec->name, pod);

        machine_event(c, "Warning", "BackOff", "Back-off restarting failed container %s in pod %s",
                      c->spec->name, pod);
        container_waits(c, "CrashLoopBackOff", text);
        c->stage = CONTAINER_WAITING;
        c->retry_at = clock_mono_ns(m->clock) + c->backoff_ns - (now - since);
        timer_start(m->clock, &c->retry, c->retry_at - clock_mono_ns(m->clock));
        changed(m);
        return;
    }
    backoff_next(c, since, now);
    container_start(c);
}

static bool waits_for_image(const MachineContainer *c)
{
    return str_equal(c->waiting_reason, "ErrImagePull") ||
           str_equal(c->waiting_reason, "ImagePullBackOff") ||
           str_equal(c->waiting_reason, "ErrImageNeverPull") ||
           str_equal(c->waiting_reason, "InvalidImageName");
}

static void on_retry(Timer *timer)
{
    MachineContainer *c = timer->data;
    Machine *m = c->machine;
    int64_t left = c->retry_at - clock_mono_ns(m->clock);

    if (c->stage != CONTAINER_WAITING || m->stage != MACHINE_ACTIVE)
        return;
    if (left > 0) { /* the failed pull has been shown long enough */
        if (str_equal(c->waiting_reason, "RunContainerError")) {
            _free_ char *pod = pod_text(m), *delay = duration_text(c->retry_backoff);
            _free_ char *text = mem_printf("back-off %s restarting failed container=%s pod=%s",
                                           delay, c->spec->name, pod);

            machine_event(c, "Warning", "BackOff",
                          "Back-off restarting failed container %s in pod %s", c->spec->name, pod);
            container_waits(c, "CrashLoopBackOff", text);
            changed(m);
        }
        if (str_equal(c->waiting_reason, "ErrImagePull")) {
            _free_ char *text = mem_printf("Back-off pulling image \"%s\": ErrImagePull: %s",
                                           c->spec->image, str_or(c->pull_error, ""));

            machine_event(c, "Normal", "BackOff", "Back-off pulling image \"%s\"", c->spec->image);
            machine_event(c, "Warning", "Failed", "Error: ImagePullBackOff");
            container_waits(c, "ImagePullBackOff", text);
            changed(m);
        }
        timer_start(m->clock, &c->retry, left);
        return;
    }
    if (str_equal(c->waiting_reason, "CrashLoopBackOff") && !c->retry_backoff)
        backoff_next(c, c->now.set ? c->now.finished_ns : 0, clock_wall_ns(m->clock));
    container_start(c);
}

/* ---- ending ---- */

static void on_stop_timer(Timer *timer);

static void send_term(MachineContainer *c)
{
    Machine *m = c->machine;
    int64_t left = c->stop_deadline - clock_mono_ns(m->clock);

    if (c->term_sent)
        return;
    c->term_sent = true;
    m->ops->signal(m->data, c->index, false);
    timer_start(m->clock, &c->stop, MAX_OF(left, STOP_MINIMUM));
}

static void send_kill(MachineContainer *c)
{
    timer_stop(c->machine->clock, &c->stop);
    if (c->kill_sent)
        return;
    c->term_sent = c->kill_sent = true;
    c->machine->ops->signal(c->machine->data, c->index, true);
}

static void on_stop_timer(Timer *timer)
{
    MachineContainer *c = timer->data;

    if (c->stage != CONTAINER_STOPPING)
        return;
    if (c->hook_serial) { /* the hook used all of the grace */
        c->hook_serial = 0;
        send_term(c);
    } else {
        send_kill(c);
    }
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
        m->ops->hook(m->data, c->index, MACHINE_PRE_STOP, grace_ns, c->hook_serial);
    } else {
        send_term(c);
    }
    changed(m);
}

/* Ends a running container whose image is no longer the one that the spec names, so that it starts
 * again with that one, whatever its restart policy. Kubernetes leaves init containers alone, and
 * sidecars until they are started. */
static void container_replace(MachineContainer *c)
{
    bool sidecar = c->kind == CONTAINER_SIDECAR;
    _free_ char *text = mem_printf(sidecar ? "Init container %s definition changed"
                                           : "Container %s definition changed, will be restarted",
                                   c->spec->name);

    if (sidecar ? !c->started : c->kind != CONTAINER_REGULAR)
        return;
    c->replacing = true;
    container_stop(c, pod_grace(c->machine), text);
}

static void stop_one(MachineContainer *c)
{
    _free_ char *text = mem_printf("Stopping container %s", c->spec->name);

    container_stop(c, pod_grace(c->machine), text);
}

/* While STOPPING: containers first, all at once; then sidecars, the last one first. */
static void machine_stop_next(Machine *m)
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
    changed(m);
    m->ops->teardown(m->data);
}

static void machine_stop(Machine *m)
{
    if (m->stage >= MACHINE_TEARDOWN)
        return;
    timer_stop(m->clock, &m->prepare_retry);
    timer_stop(m->clock, &m->deadline);
    m->stage = MACHINE_STOPPING;
    machine_stop_next(m);
}

/* ---- what comes next ---- */

/* A new image is tried at once, whatever back-off the one before has earned. */
static bool may_start(const MachineContainer *c)
{
    return c->stage == CONTAINER_WAITING && (!c->retry.active || is_outdated(c));
}

static void container_start_anew(MachineContainer *c)
{
    if (is_outdated(c))
        c->backoff_ns = 0;
    container_start(c);
}

/* An init container's turn. True: it is through, the next one may come. */
static bool advance_init(MachineContainer *c)
{
    Machine *m = c->machine;

    if (may_start(c)) {
        container_start_anew(c);
        return false;
    }
    if (c->kind == CONTAINER_SIDECAR) {
        if (c->stage == CONTAINER_RUNNING && is_outdated(c))
            container_replace(c);
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

static void advance_ended(MachineContainer *c)
{
    if (c->stage == CONTAINER_EXITED && container_should_restart(c, c->now.exit_code))
        container_restart(c);
    else if (may_start(c) && (c->kind != CONTAINER_EPHEMERAL || !c->ever))
        container_start_anew(c);
    else if (c->stage == CONTAINER_RUNNING && is_outdated(c))
        container_replace(c);
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
        advance_ended(m->v[i]); /* who debugs need not wait for the init containers */
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
            advance_ended(c);
    }
    if (m->stage != MACHINE_ACTIVE)
        return;
    if (!m->initialized) {
        m->initialized = true;
        changed(m);
    }
    for (size_t i = m->n_init; i < m->n_init + m->n_regular && m->stage == MACHINE_ACTIVE; i++)
        advance_ended(m->v[i]);
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
    turn_work_end(&work);
}

/* ---- what happened ---- */

void machine_prepared(Machine *m, const char *pod_ip)
{
    set_text(&m->pod_ip, pod_ip);
    m->sandbox = true;
    m->prepare_backoff = 0;
    if (m->stage == MACHINE_PREPARING) {
        m->stage = MACHINE_ACTIVE;
        changed(m);
        machine_advance(m);
    }
}

static void machine_prepare(Machine *m)
{
    m->prepare_inputs = m->inputs;
    m->ops->prepare(m->data);
}

static void on_prepare_retry(Timer *timer)
{
    Machine *m = timer->data;

    if (m->stage == MACHINE_PREPARING)
        machine_prepare(m);
}

void machine_prepare_failed(Machine *m, const char *reason, const char *message)
{
    if (m->stage != MACHINE_PREPARING)
        return;
    m->ops->event(m->data, SIZE_MAX, "Warning", reason, message);
    if (m->prepare_inputs != m->inputs) { /* it may have looked too early */
        timer_start(m->clock, &m->prepare_retry, 0);
        return;
    }
    m->prepare_backoff = m->prepare_backoff ? MIN_OF(m->prepare_backoff * 2, PREPARE_BACKOFF_MAX)
                                            : PREPARE_BACKOFF_FIRST;
    timer_start(m->clock, &m->prepare_retry, m->prepare_backoff);
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
    set_text(&c->id, id);
    set_text(&c->image, image);
    set_text(&c->image_id, image_id);
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
        changed(m);
        machine_advance(m);
        return;
    }
    if (c->spec->lifecycle && c->spec->lifecycle->post_start) {
        c->hook_serial = ++m->serial;
        m->ops->hook(m->data, container, MACHINE_POST_START, 0, c->hook_serial);
    } else {
        probes_start(c, false);
    }
    changed(m);
    machine_advance(m);
}

static void pull_failed(MachineContainer *c, const char *message)
{
    Machine *m = c->machine;
    int64_t now = clock_mono_ns(m->clock);

    set_text(&c->pull_error, message);
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
            backoff_next(c, now, now);
        }
    } else {
        if (c->ever)
            c->attempt--; /* it never came to be */
        machine_event(c, "Warning", "Failed", "Error: %s", waits_for_image(c) ? reason : message);
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
    changed(m);
    machine_advance(m);
}

void machine_exited(Machine *m, size_t container, const MachineEnd *end)
{
    MachineContainer *c = m->v[container];

    timer_stop(m->clock, &c->stop);
    probes_stop(c);
    c->hook_serial = 0;
    c->stage = CONTAINER_EXITED;
    c->started = false;
    if (!c->ever)
        c->ever = true;
    instance_set(&c->now, c->id, end);
    if (!c->now.started_ns)
        c->now.started_ns = c->started_ns;
    container_waits(c, NULL, NULL);
    container_update_ready(c);
    changed(m);
    machine_advance(m);
}

void machine_hooked(Machine *m, size_t container, MachineHook hook, uint64_t serial, bool ok,
                    const char *message)
{
    MachineContainer *c = container < m->n ? m->v[container] : NULL;

    if (!c || c->hook_serial != serial)
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
        changed(m);
        machine_advance(m);
        return;
    }
    machine_event(c, "Warning", "FailedPostStartHook", "PostStartHook failed");
    c->post_start_failed = true;
    container_stop(c, pod_grace(m), "FailedPostStartHook");
}

void machine_torn_down(Machine *m)
{
    if (m->stage != MACHINE_TEARDOWN)
        return;
    m->stage = MACHINE_DONE;
    m->sandbox = false;
    changed(m);
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
        m->stop_grace_ns = pod_grace(m);
    m->halted = true;
    if (m->stage < MACHINE_TEARDOWN)
        machine_stop(m);
}

void machine_fail(Machine *m, const char *reason, const char *message)
{
    if (m->stage >= MACHINE_STOPPING)
        return;
    set_text(&m->forced_phase, "Failed");
    set_text(&m->forced_reason, reason);
    set_text(&m->forced_message, message);
    m->finished = true;
    changed(m);
    machine_stop(m);
}

void machine_evict(Machine *m, const char *reason, const char *message)
{
    m->evicted = true;
    machine_fail(m, reason, message);
}

static void on_deadline(Timer *timer)
{
    Machine *m = timer->data;

    m->ops->event(m->data, SIZE_MAX, "Normal", "DeadlineExceeded",
                  "Pod was active on the node longer than the specified deadline");
    machine_fail(m, "DeadlineExceeded",
                 "Pod was active on the node longer than the specified deadline");
}

/* The deadline may be set, or come nearer, while the pod runs. */
static void deadline_arm(Machine *m)
{
    const int64_t *seconds = machine_spec(m)->spec.active_deadline_seconds;
    int64_t end = seconds ? ns_from_seconds(m->start_time.seconds) + ns_from_seconds(*seconds) : 0;

    timer_stop(m->clock, &m->deadline);
    if (seconds && m->stage < MACHINE_STOPPING)
        timer_start(m->clock, &m->deadline, MAX_OF(end - clock_wall_ns(m->clock), 0));
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

        if (c->stage != CONTAINER_WAITING || !c->retry.active)
            continue;
        if (waits_for_image(c) || str_equal(c->waiting_reason, "CreateContainerConfigError"))
            container_start(c);
    }
}

/* ---- making ---- */

static MachineContainer *add_container(Machine *m, const Container *spec, ContainerKind kind)
{
    MachineContainer *c = mem_new_type(MachineContainer);

    c->machine = m;
    c->index = m->n;
    c->kind = kind;
    c->spec = spec;
    c->retry.on_fire = on_retry;
    c->stop.on_fire = on_stop_timer;
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
            add_container(
                m, c, str_equal(c->restart_policy, "Always") ? CONTAINER_SIDECAR : CONTAINER_INIT);
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
    m->deadline.on_fire = on_deadline;
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
        free(c->waiting_reason);
        free(c->waiting_message);
        free(c->id);
        free(c->image);
        free(c->image_id);
        free(c->start_image);
        free(c->pull_error);
        free(c->end_message);
        free(c);
    }
    free(m->v);
    free(m->pod_ip);
    free(m->forced_phase);
    free(m->forced_reason);
    free(m->forced_message);
    object_unref(m->pod);
    free(m);
    return NULL;
}

void machine_restore_running(Machine *m, size_t container, int attempt, const char *id,
                             int64_t started_ns, bool started, bool ready)
{
    MachineContainer *c = m->v[container];

    c->stage = CONTAINER_RUNNING;
    c->attempt = attempt;
    c->ever = true;
    set_text(&c->id, id);
    c->started_ns = started_ns;
    c->started = started;
    c->ready = ready;
}

void machine_restore_exited(Machine *m, size_t container, int attempt, const char *id,
                            const MachineEnd *end)
{
    MachineContainer *c = m->v[container];

    c->stage = CONTAINER_EXITED;
    c->attempt = attempt;
    c->ever = true;
    set_text(&c->id, id);
    instance_set(&c->now, id, end);
    c->started_ns = end->started_ns;
    c->ready = c->kind == CONTAINER_INIT && end->exit_code == 0;
    /* How far the back-off had come is not kept: it follows from the count, if the end is
     * recent. */
    for (int i = 0; i < attempt && i < 6; i++)
        backoff_next(c, end->finished_ns, end->finished_ns);
}

void machine_restore_lost(Machine *m, size_t container, int attempt, const char *id,
                          const MachineEnd *end)
{
    machine_restore_exited(m, container, attempt, id, end);
    m->v[container]->stage = CONTAINER_WAITING;
    m->v[container]->ready = false;
    m->v[container]->backoff_ns = 0;
}

void machine_restore_last(Machine *m, size_t container, const char *id, const MachineEnd *end)
{
    instance_set(&m->v[container]->last, id, end);
}

void machine_restore_image(Machine *m, size_t container, const char *image, const char *image_id)
{
    set_text(&m->v[container]->image, image);
    set_text(&m->v[container]->image_id, image_id);
}

void machine_restore_finished(Machine *m, const char *phase, const char *reason,
                              const char *message)
{
    m->stage = MACHINE_DONE;
    m->finished = true;
    set_text(&m->forced_phase, phase);
    set_text(&m->forced_reason, reason);
    set_text(&m->forced_message, message);
}

void machine_restore_start_image(Machine *m, size_t container, const char *image)
{
    set_text(&m->v[container]->start_image, image);
}

/* Was any container beyond the init phase alive or through? Then that phase is over. */
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
    deadline_arm(m);
    if (m->stage == MACHINE_PREPARING)
        machine_prepare(m);
    changed(m);
}

void machine_update(Machine *m, Object *pod)
{
    Object *old = m->pod;

    m->pod = object_ref(pod);
    take_containers(m);
    object_unref(old);
    if (!m->running)
        return;
    deadline_arm(m);
    machine_advance(m);
}

/* ---- what is ---- */

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
    return m->v[container]->spec;
}

ContainerKind machine_kind(const Machine *m, size_t container)
{
    return m->v[container]->kind;
}

ContainerStage machine_container_stage(const Machine *m, size_t container)
{
    return m->v[container]->stage;
}

int machine_attempt(const Machine *m, size_t container)
{
    return m->v[container]->attempt;
}

const char *machine_container_id(const Machine *m, size_t container)
{
    return m->v[container]->id;
}

int64_t machine_started_ns(const Machine *m, size_t container)
{
    return m->v[container]->started_ns;
}

bool machine_has_run(const Machine *m, size_t container)
{
    return m->v[container]->ever;
}

bool machine_has_previous(const Machine *m, size_t container)
{
    const MachineContainer *c = m->v[container];

    return c->last.set || (c->now.set && c->stage != CONTAINER_EXITED);
}

Object *machine_pod(const Machine *m)
{
    return m->pod;
}

size_t machine_find(const Machine *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (str_equal(m->v[i]->spec->name, name))
            return i;
    return SIZE_MAX;
}
