/* SPDX-License-Identifier: Apache-2.0 */
/* The pod machine without a container: actions are recorded, results are told, time moves when
 * told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/strbuf.h"
#include "codec/json/json.h"
#include "node/machine/machine.h"

typedef struct World {
    Clock *clock;
    Machine *machine;
    Object *pod;
    StrBuf log; /* actions, space-separated */
    uint64_t probe_serial[8], hook_serial[8];
    int probes, gone;
    Arena arena;
} World;

static void op_prepare(void *data)
{
    strbuf_add_string(&((World *)data)->log, "prepare ");
}
static void op_start(void *data, size_t container, int attempt)
{
    strbuf_printf(&((World *)data)->log, "start%zu.%d ", container, attempt);
}
static void op_signal(void *data, size_t container, bool kill)
{
    strbuf_printf(&((World *)data)->log, "%s%zu ", kill ? "kill" : "term", container);
}
static void op_probe(void *data, size_t container, MachineProbe probe, uint64_t serial)
{
    World *w = data;

    w->probes++;
    w->probe_serial[probe] = serial;
}
static void op_hook(void *data, size_t container, MachineHook hook, int64_t limit_ns,
                    uint64_t serial)
{
    World *w = data;

    w->hook_serial[hook] = serial;
    strbuf_printf(&w->log, "hook%zu ", container);
}
static void op_teardown(void *data)
{
    strbuf_add_string(&((World *)data)->log, "teardown ");
}
static void op_changed(void *data)
{
}
static void op_gone(void *data)
{
    ((World *)data)->gone++;
}
static void op_event(void *data, size_t container, const char *type, const char *reason,
                     const char *message)
{
}
static const MachineOps ops = {op_prepare,  op_start,   op_signal, op_probe, op_hook,
                               op_teardown, op_changed, op_gone,   op_event};

static Object *pod_object(const char *spec)
{
    _free_ char *text =
        mem_printf("{\"metadata\":{\"name\":\"web-0\",\"namespace\":\"default\",\"uid\":\"u1\"},"
                   "\"spec\":%s}",
                   spec);
    yyjson_doc *doc;
    DecodeReport report = {0};
    Object *pod = object_new(kind_find("", "v1", "Pod"));

    assert_int_equal(json_parse(&pod->arena, bytes_from_string(text), &doc, &report), 0);
    assert_int_equal(json_decode(pod->kind->type, &pod->arena, yyjson_doc_get_root(doc),
                                 DECODE_CHECK_FIELDS, NULL, pod->value, &report),
                     0);
    assert_int_equal(report.field_errors.n, 0);
    type_default(pod->kind->type, &pod->arena, pod->value);
    return pod;
}

static void begin(World *w, const char *spec)
{
    w->clock = clock_new_fake(INT64_C(1700000000) * NS_PER_SEC);
    w->pod = pod_object(spec);
    w->machine = machine_new(w->pod, w->clock, &ops, w);
    machine_run(w->machine);
}

static void end(World *w)
{
    machine_free(w->machine);
    object_unref(w->pod);
    clock_free_fake(w->clock);
    strbuf_deinit(&w->log);
    arena_clear(&w->arena);
}

static void update(World *w, const char *spec)
{
    Object *pod = pod_object(spec);

    machine_update(w->machine, pod);
    object_unref(w->pod);
    w->pod = pod;
}

static void expect(World *w, const char *actions)
{
    assert_string_equal(strbuf_string(&w->log), actions);
    strbuf_truncate(&w->log, 0);
}

static PodStatus *status(World *w)
{
    PodStatus *s = arena_new(&w->arena, PodStatus);

    machine_status(w->machine, &w->arena, NULL, "192.168.1.1", s);
    return s;
}

static void started(World *w, size_t i)
{
    machine_created(w->machine, i, "id", "image", "image-id");
    machine_started(w->machine, i, clock_wall_ns(w->clock));
}

static void exited(World *w, size_t i, int code)
{
    MachineEnd e = {.exit_code = code, .finished_ns = clock_wall_ns(w->clock)};

    machine_exited(w->machine, i, &e);
}

static bool condition(PodStatus *s, const char *type)
{
    for (size_t i = 0; i < s->conditions.n; i++)
        if (str_equal(s->conditions.v[i].type, type))
            return str_equal(s->conditions.v[i].status, "True");
    fail();
    return false;
}

#define ONE "{\"containers\":[{\"name\":\"app\",\"image\":\"i\"}]}"

static void a_pod_without_probes_becomes_ready_when_its_container_runs(void **state)
{
    World w = {0};
    PodStatus *s;

    begin(&w, ONE);
    expect(&w, "prepare ");
    s = status(&w);
    assert_string_equal(s->phase, "Pending");
    assert_string_equal(s->container_statuses.v[0].state.waiting->reason, "ContainerCreating");
    machine_prepared(w.machine, "10.42.0.2");
    expect(&w, "start0.0 ");
    started(&w, 0);
    s = status(&w);
    assert_string_equal(s->phase, "Running");
    assert_string_equal(s->pod_ip, "10.42.0.2");
    assert_true(s->container_statuses.v[0].ready);
    assert_true(condition(s, "Ready"));
    assert_true(condition(s, "PodReadyToStartContainers"));
    end(&w);
}

static void init_containers_run_one_after_the_other_and_sidecars_stay(void **state)
{
    World w = {0};

    begin(&w, "{\"initContainers\":[{\"name\":\"a\",\"image\":\"i\"},{\"name\":\"s\",\"image\":"
              "\"i\",\"restartPolicy\":"
              "\"Always\"},{\"name\":\"b\",\"image\":\"i\"}],\"containers\":[{\"name\":\"app\","
              "\"image\":\"i\"}]}");
    machine_prepared(w.machine, "10.42.0.2");
    expect(&w, "prepare start0.0 ");
    started(&w, 0);
    assert_string_equal(status(&w)->container_statuses.v[0].state.waiting->reason,
                        "PodInitializing");
    assert_string_equal(status(&w)->phase, "Pending");
    exited(&w, 0, 0);
    expect(&w, "start1.0 ");
    started(&w, 1);
    expect(&w, "start2.0 ");
    started(&w, 2);
    exited(&w, 2, 1); /* fails: again at once, then on */
    expect(&w, "start2.1 ");
    started(&w, 2);
    exited(&w, 2, 0);
    expect(&w, "start3.0 ");
    started(&w, 3);
    assert_true(condition(status(&w), "Initialized"));
    assert_string_equal(status(&w)->phase, "Running");
    machine_delete(w.machine, 30 * NS_PER_SEC);
    expect(&w, "term3 "); /* the sidecar outlives the app */
    exited(&w, 3, 0);
    expect(&w, "term1 ");
    exited(&w, 1, 143);
    expect(&w, "teardown ");
    machine_torn_down(w.machine);
    assert_int_equal(w.gone, 1);
    end(&w);
}

static void restarts_come_at_once_then_after_10_s_20_s_and_up_to_5_min(void **state)
{
    static const int delays[] = {10, 20, 40, 80, 160, 300, 300};
    World w = {0};
    PodStatus *s;

    begin(&w, ONE);
    machine_prepared(w.machine, "10.42.0.2");
    started(&w, 0);
    strbuf_truncate(&w.log, 0);
    exited(&w, 0, 1);
    expect(&w, "start0.1 ");
    for (size_t i = 0; i < ARRAY_LEN(delays); i++) {
        _free_ char *want = mem_printf("start0.%zu ", i + 2);

        started(&w, 0);
        exited(&w, 0, 1);
        expect(&w, "");
        s = status(&w);
        assert_string_equal(s->container_statuses.v[0].state.waiting->reason, "CrashLoopBackOff");
        assert_int_equal(s->container_statuses.v[0].last_state.terminated->exit_code, 1);
        assert_int_equal(s->container_statuses.v[0].restart_count, i + 1);
        assert_string_equal(s->phase, "Running");
        if (i == 0)
            assert_string_equal(
                s->container_statuses.v[0].state.waiting->message,
                "back-off 10s restarting failed container=app pod=web-0_default(u1)");
        clock_fake_advance(w.clock, delays[i] * NS_PER_SEC - 1);
        expect(&w, "");
        clock_fake_advance(w.clock, 1);
        expect(&w, want);
    }
    started(&w, 0);
    clock_fake_advance(w.clock, 601 * NS_PER_SEC); /* a long life clears the past */
    exited(&w, 0, 0);
    expect(&w, "start0.9 ");
    end(&w);
}

static void policies_decide_the_phase(void **state)
{
    static const struct {
        const char *policy;
        int code;
        const char *phase, *actions;
    } rows[] = {
        {"Never", 0, "Succeeded", "teardown "},     {"Never", 3, "Failed", "teardown "},
        {"OnFailure", 0, "Succeeded", "teardown "}, {"OnFailure", 3, "Running", "start0.1 "},
        {"Always", 0, "Running", "start0.1 "},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _free_ char *spec = mem_printf(
            "{\"restartPolicy\":\"%s\",\"containers\":[{\"name\":\"app\",\"image\":\"i\"}]}",
            rows[i].policy);
        World w = {0};

        begin(&w, spec);
        machine_prepared(w.machine, "10.42.0.2");
        started(&w, 0);
        strbuf_truncate(&w.log, 0);
        exited(&w, 0, rows[i].code);
        expect(&w, rows[i].actions);
        assert_string_equal(status(&w)->phase, rows[i].phase);
        end(&w);
    }
}

#define PROBED                                                                               \
    "{\"containers\":[{\"name\":\"app\",\"image\":\"i\",\"readinessProbe\":{\"tcpSocket\":{" \
    "\"port\":80},"                                                                          \
    "\"periodSeconds\":10,\"failureThreshold\":3}}]}"

static void probed(World *w, MachineProbe probe, bool ok)
{
    machine_probed(w->machine, 0, probe, w->probe_serial[probe], ok, "refused");
}

static void readiness_is_tried_fast_until_the_first_success_then_every_period(void **state)
{
    World w = {0};

    begin(&w, PROBED);
    machine_prepared(w.machine, "10.42.0.2");
    started(&w, 0);
    assert_false(condition(status(&w), "Ready"));
    clock_fake_advance(w.clock, 0);
    assert_int_equal(w.probes, 1); /* at once */
    probed(&w, MACHINE_READINESS, false);
    clock_fake_advance(w.clock, 2 * NS_PER_MS);
    assert_int_equal(w.probes, 2);
    probed(&w, MACHINE_READINESS, false);
    clock_fake_advance(w.clock, 3 * NS_PER_MS);
    assert_int_equal(w.probes, 3);
    probed(&w, MACHINE_READINESS, true);
    assert_true(condition(status(&w), "Ready"));
    clock_fake_advance(w.clock, 10 * NS_PER_SEC - 1);
    assert_int_equal(w.probes, 3);
    for (int i = 0; i < 3; i++) {
        clock_fake_advance(w.clock, i ? 10 * NS_PER_SEC : 1);
        assert_true(condition(status(&w), "Ready"));
        probed(&w, MACHINE_READINESS, false);
    }
    assert_false(condition(status(&w), "Ready"));
    end(&w);
}

static void a_probe_that_runs_a_program_is_tried_less_fast(void **state)
{
    World w = {0};

    begin(&w, "{\"containers\":[{\"name\":\"app\",\"image\":\"i\",\"readinessProbe\":{\"exec\":{"
              "\"command\":[\"true\"]}}}]}");
    machine_prepared(w.machine, "10.42.0.2");
    started(&w, 0);
    clock_fake_advance(w.clock, 0);
    assert_int_equal(w.probes, 1);
    probed(&w, MACHINE_READINESS, false);
    clock_fake_advance(w.clock, 20 * NS_PER_MS - 1);
    assert_int_equal(w.probes, 1);
    clock_fake_advance(w.clock, 1);
    assert_int_equal(w.probes, 2);
    probed(&w, MACHINE_READINESS, false);
    clock_fake_advance(w.clock, 30 * NS_PER_MS);
    assert_int_equal(w.probes, 3);
    end(&w);
}

static void a_failing_liveness_probe_takes_its_threshold_then_restarts(void **state)
{
    World w = {0};
    int64_t begin_ns;

    begin(&w, "{\"containers\":[{\"name\":\"app\",\"image\":\"i\",\"livenessProbe\":{\"tcpSocket\":"
              "{\"port\":80},"
              "\"periodSeconds\":10,\"failureThreshold\":3}}]}");
    machine_prepared(w.machine, "10.42.0.2");
    started(&w, 0);
    strbuf_truncate(&w.log, 0);
    begin_ns = clock_mono_ns(w.clock);
    while (!w.log.n) {
        uint64_t serial = w.probe_serial[MACHINE_LIVENESS];

        assert_true(clock_fake_step(w.clock));
        if (serial != w.probe_serial[MACHINE_LIVENESS])
            probed(&w, MACHINE_LIVENESS, false);
    }
    assert_int_equal((clock_mono_ns(w.clock) - begin_ns) / NS_PER_SEC, 30);
    expect(&w, "term0 ");
    exited(&w, 0, 143);
    expect(&w, "start0.1 ");
    end(&w);
}

static void deletion_runs_the_hook_then_term_then_kill(void **state)
{
    World w = {0};

    begin(&w, "{\"containers\":[{\"name\":\"app\",\"image\":\"i\",\"lifecycle\":{\"preStop\":{"
              "\"sleep\":{\"seconds\":5}}}"
              "}]}");
    machine_prepared(w.machine, "10.42.0.2");
    started(&w, 0);
    strbuf_truncate(&w.log, 0);
    machine_delete(w.machine, 30 * NS_PER_SEC);
    expect(&w, "hook0 ");
    clock_fake_advance(w.clock, 5 * NS_PER_SEC);
    machine_hooked(w.machine, 0, MACHINE_PRE_STOP, w.hook_serial[MACHINE_PRE_STOP], true, NULL);
    expect(&w, "term0 ");
    clock_fake_advance(w.clock, 25 * NS_PER_SEC - 1);
    expect(&w, "");
    clock_fake_advance(w.clock, 1);
    expect(&w, "kill0 ");
    exited(&w, 0, 137);
    expect(&w, "teardown ");
    assert_string_equal(status(&w)->phase, "Failed");
    machine_torn_down(w.machine);
    assert_int_equal(w.gone, 1);
    end(&w);
}

static void a_missing_image_backs_off_and_a_kick_tries_again(void **state)
{
    World w = {0};

    begin(&w, ONE);
    machine_prepared(w.machine, "10.42.0.2");
    strbuf_truncate(&w.log, 0);
    machine_start_failed(w.machine, 0, "ErrImagePull", "no such image", false);
    assert_string_equal(status(&w)->container_statuses.v[0].state.waiting->reason, "ErrImagePull");
    clock_fake_advance(w.clock, NS_PER_SEC);
    assert_string_equal(status(&w)->container_statuses.v[0].state.waiting->reason,
                        "ImagePullBackOff");
    clock_fake_advance(w.clock, 9 * NS_PER_SEC);
    expect(&w, "start0.0 ");
    machine_start_failed(w.machine, 0, "ErrImagePull", "no such image", false);
    machine_kick(w.machine);
    expect(&w, "start0.0 ");
    assert_string_equal(status(&w)->phase, "Pending");
    end(&w);
}

static void a_deadline_fails_the_pod(void **state)
{
    World w = {0};

    begin(&w, "{\"activeDeadlineSeconds\":60,\"containers\":[{\"name\":\"app\",\"image\":\"i\"}]}");
    machine_prepared(w.machine, "10.42.0.2");
    started(&w, 0);
    strbuf_truncate(&w.log, 0);
    clock_fake_advance(w.clock, 60 * NS_PER_SEC);
    expect(&w, "term0 ");
    assert_string_equal(status(&w)->phase, "Failed");
    assert_string_equal(status(&w)->reason, "DeadlineExceeded");
    end(&w);
}

#define IMAGE(image, policy)                                                                       \
    "{\"restartPolicy\":\"" policy "\",\"containers\":[{\"name\":\"app\",\"image\":\"" image "\"}" \
    "]}"

static void a_deadline_that_is_set_or_lowered_later_holds(void **state)
{
    static const char with[] =
        "{\"activeDeadlineSeconds\":%d,\"containers\":[{\"name\":\"app\",\"image\":\"i\"}]}";
    _free_ char *far = mem_printf(with, 1000), *near = mem_printf(with, 60);
    World w = {0};

    begin(&w, ONE);
    machine_prepared(w.machine, "10.42.0.2");
    started(&w, 0);
    strbuf_truncate(&w.log, 0);
    clock_fake_advance(w.clock, 20 * NS_PER_SEC);
    update(&w, far);
    clock_fake_advance(w.clock, 20 * NS_PER_SEC);
    update(&w, near);
    expect(&w, "");
    clock_fake_advance(w.clock, 20 * NS_PER_SEC - 1);
    expect(&w, "");
    clock_fake_advance(w.clock, 1);
    expect(&w, "term0 ");
    assert_string_equal(status(&w)->reason, "DeadlineExceeded");
    end(&w);
}

static void a_running_container_is_replaced_when_its_image_changes(void **state)
{
    World w = {0};

    begin(&w, IMAGE("one", "Never"));
    machine_prepared(w.machine, "10.42.0.2");
    started(&w, 0);
    strbuf_truncate(&w.log, 0);
    update(&w, IMAGE("two", "Never"));
    expect(&w, "term0 ");
    update(&w, IMAGE("two", "Never"));
    expect(&w, "");
    assert_string_equal(status(&w)->phase, "Running");
    exited(&w, 0, 143);
    expect(&w, "start0.1 ");
    update(&w, IMAGE("three", "Never")); /* while it starts */
    expect(&w, "");
    started(&w, 0);
    expect(&w, "term0 ");
    exited(&w, 0, 143);
    expect(&w, "start0.2 ");
    started(&w, 0);
    exited(&w, 0, 0);
    expect(&w, "teardown ");
    end(&w);
}

static void a_container_whose_image_changed_while_nobody_looked_is_replaced(void **state)
{
    static const char *const images[] = {"one", "two"};

    for (size_t i = 0; i < ARRAY_LEN(images); i++) {
        World w = {.clock = clock_new_fake(INT64_C(1700000000) * NS_PER_SEC)};

        w.pod = pod_object(IMAGE("two", "Always"));
        w.machine = machine_new(w.pod, w.clock, &ops, &w);
        machine_restore_running(w.machine, 0, 0, "id", clock_wall_ns(w.clock), true, true);
        machine_restore_start_image(w.machine, 0, images[i]);
        machine_run(w.machine);
        machine_prepared(w.machine, "10.42.0.2");
        expect(&w, i == 0 ? "prepare term0 " : "prepare ");
        end(&w);
    }
}

static void a_new_image_waits_for_no_back_off_of_the_old_one(void **state)
{
    World w = {0};

    begin(&w, IMAGE("one", "Always"));
    machine_prepared(w.machine, "10.42.0.2");
    strbuf_truncate(&w.log, 0);
    machine_start_failed(w.machine, 0, "ErrImagePull", "no such image", false);
    clock_fake_advance(w.clock, 5 * NS_PER_SEC);
    expect(&w, "");
    update(&w, IMAGE("two", "Always"));
    expect(&w, "start0.0 ");
    update(&w, IMAGE("three", "Always")); /* while it starts */
    machine_start_failed(w.machine, 0, "ErrImagePull", "no such image", false);
    expect(&w, "start0.0 ");
    started(&w, 0);
    exited(&w, 0, 1);
    expect(&w, "start0.1 ");
    started(&w, 0);
    exited(&w, 0, 1);
    expect(&w, "");
    update(&w, IMAGE("four", "Always")); /* in CrashLoopBackOff */
    expect(&w, "start0.2 ");
    end(&w);
}

static void a_kick_during_a_start_or_a_preparation_counts_when_that_fails(void **state)
{
    static const char *const reasons[] = {"ErrImagePull", "CreateContainerConfigError"};

    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        World w = {0};

        begin(&w, ONE);
        machine_kick(w.machine);
        machine_prepare_failed(w.machine, "FailedMount", "not there");
        clock_fake_advance(w.clock, 0);
        expect(&w, "prepare prepare ");
        machine_prepare_failed(w.machine, "FailedMount", "not there");
        clock_fake_advance(w.clock, 0);
        expect(&w, "");
        machine_kick(w.machine);
        expect(&w, "prepare ");
        machine_prepared(w.machine, "10.42.0.2");
        expect(&w, "start0.0 ");
        machine_kick(w.machine);
        machine_start_failed(w.machine, 0, reasons[i], "not there", false);
        clock_fake_advance(w.clock, 0);
        expect(&w, "start0.0 ");
        machine_start_failed(w.machine, 0, reasons[i], "not there", false);
        clock_fake_advance(w.clock, 0);
        expect(&w, "");
        end(&w);
    }
}

static void an_ephemeral_container_starts_beside_an_init_container(void **state)
{
#define INIT "\"initContainers\":[{\"name\":\"a\",\"image\":\"i\"}],"
    World w = {0};

    begin(&w, "{" INIT "\"containers\":[{\"name\":\"app\",\"image\":\"i\"}]}");
    machine_prepared(w.machine, "10.42.0.2");
    started(&w, 0);
    strbuf_truncate(&w.log, 0);
    update(&w, "{" INIT "\"containers\":[{\"name\":\"app\",\"image\":\"i\"}],"
               "\"ephemeralContainers\":[{\"name\":\"debug\",\"image\":\"i\"}]}");
    expect(&w, "start2.0 ");
    started(&w, 2);
    exited(&w, 2, 0);
    expect(&w, "");
    exited(&w, 0, 0);
    expect(&w, "start1.0 ");
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pod_without_probes_becomes_ready_when_its_container_runs),
        cmocka_unit_test(init_containers_run_one_after_the_other_and_sidecars_stay),
        cmocka_unit_test(restarts_come_at_once_then_after_10_s_20_s_and_up_to_5_min),
        cmocka_unit_test(policies_decide_the_phase),
        cmocka_unit_test(readiness_is_tried_fast_until_the_first_success_then_every_period),
        cmocka_unit_test(a_probe_that_runs_a_program_is_tried_less_fast),
        cmocka_unit_test(a_failing_liveness_probe_takes_its_threshold_then_restarts),
        cmocka_unit_test(deletion_runs_the_hook_then_term_then_kill),
        cmocka_unit_test(a_missing_image_backs_off_and_a_kick_tries_again),
        cmocka_unit_test(a_deadline_fails_the_pod),
        cmocka_unit_test(a_deadline_that_is_set_or_lowered_later_holds),
        cmocka_unit_test(a_running_container_is_replaced_when_its_image_changes),
        cmocka_unit_test(a_container_whose_image_changed_while_nobody_looked_is_replaced),
        cmocka_unit_test(a_new_image_waits_for_no_back_off_of_the_old_one),
        cmocka_unit_test(a_kick_during_a_start_or_a_preparation_counts_when_that_fails),
        cmocka_unit_test(an_ephemeral_container_starts_beside_an_init_container),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
