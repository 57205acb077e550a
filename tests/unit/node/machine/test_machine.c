/* SPDX-License-Identifier: Apache-2.0 */
/* What the pod machine asks for, and when: the order of containers, restarts, probes, deletion, new images. */
#include "api/schema/core_pod_v1.h"
#include "world.h"

static void a_pod_without_probes_becomes_ready_when_its_container_runs(void **state)
{
    World w = {0};
    PodStatus *s;

    world_begin(&w, ONE);
    world_expect(&w, "prepare ");
    s = world_status(&w);
    assert_string_equal(s->phase, "Pending");
    assert_string_equal(s->container_statuses.v[0].state.waiting->reason, "ContainerCreating");
    machine_prepared(w.machine, "10.42.0.2");
    world_expect(&w, "start0.0 ");
    world_started(&w, 0);
    s = world_status(&w);
    assert_string_equal(s->phase, "Running");
    assert_string_equal(s->pod_ip, "10.42.0.2");
    assert_true(s->container_statuses.v[0].ready);
    assert_true(world_condition(s, "Ready"));
    assert_true(world_condition(s, "PodReadyToStartContainers"));
    world_end(&w);
}

static void init_containers_run_one_after_the_other_and_sidecars_stay(void **state)
{
    World w = {0};

    world_begin(&w,
                "{\"initContainers\":[{\"name\":\"a\",\"image\":\"i\"},{\"name\":\"s\",\"image\":"
                "\"i\",\"restartPolicy\":"
                "\"Always\"},{\"name\":\"b\",\"image\":\"i\"}],\"containers\":[{\"name\":\"app\","
                "\"image\":\"i\"}]}");
    machine_prepared(w.machine, "10.42.0.2");
    world_expect(&w, "prepare start0.0 ");
    world_started(&w, 0);
    assert_string_equal(world_status(&w)->container_statuses.v[0].state.waiting->reason,
                        "PodInitializing");
    assert_string_equal(world_status(&w)->phase, "Pending");
    world_exited(&w, 0, 0);
    world_expect(&w, "start1.0 ");
    world_started(&w, 1);
    world_expect(&w, "start2.0 ");
    world_started(&w, 2);
    world_exited(&w, 2, 1); /* fails: again at once, then on */
    world_expect(&w, "start2.1 ");
    world_started(&w, 2);
    world_exited(&w, 2, 0);
    world_expect(&w, "start3.0 ");
    world_started(&w, 3);
    assert_true(world_condition(world_status(&w), "Initialized"));
    assert_string_equal(world_status(&w)->phase, "Running");
    machine_delete(w.machine, 30 * NS_PER_SEC);
    world_expect(&w, "term3 "); /* the sidecar outlives the app */
    world_exited(&w, 3, 0);
    world_expect(&w, "term1 ");
    world_exited(&w, 1, 143);
    world_expect(&w, "teardown ");
    machine_torn_down(w.machine);
    assert_int_equal(w.gone, 1);
    world_end(&w);
}

static void restarts_come_at_once_then_after_10_s_20_s_and_up_to_5_min(void **state)
{
    static const int delays[] = {10, 20, 40, 80, 160, 300, 300};
    World w = {0};
    PodStatus *s;

    world_begin(&w, ONE);
    machine_prepared(w.machine, "10.42.0.2");
    world_started(&w, 0);
    strbuf_truncate(&w.log, 0);
    world_exited(&w, 0, 1);
    world_expect(&w, "start0.1 ");
    for (size_t i = 0; i < ARRAY_LEN(delays); i++) {
        _free_ char *want = mem_printf("start0.%zu ", i + 2);

        world_started(&w, 0);
        world_exited(&w, 0, 1);
        world_expect(&w, "");
        s = world_status(&w);
        assert_string_equal(s->container_statuses.v[0].state.waiting->reason, "CrashLoopBackOff");
        assert_int_equal(s->container_statuses.v[0].last_state.terminated->exit_code, 1);
        assert_int_equal(s->container_statuses.v[0].restart_count, i + 1);
        assert_string_equal(s->phase, "Running");
        if (i == 0)
            assert_string_equal(
                s->container_statuses.v[0].state.waiting->message,
                "back-off 10s restarting failed container=app pod=web-0_default(u1)");
        clock_fake_advance(w.clock, delays[i] * NS_PER_SEC - 1);
        world_expect(&w, "");
        clock_fake_advance(w.clock, 1);
        world_expect(&w, want);
    }
    world_started(&w, 0);
    clock_fake_advance(w.clock, 601 * NS_PER_SEC); /* a long life clears the past */
    world_exited(&w, 0, 0);
    world_expect(&w, "start0.9 ");
    world_end(&w);
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

        world_begin(&w, spec);
        machine_prepared(w.machine, "10.42.0.2");
        world_started(&w, 0);
        strbuf_truncate(&w.log, 0);
        world_exited(&w, 0, rows[i].code);
        world_expect(&w, rows[i].actions);
        assert_string_equal(world_status(&w)->phase, rows[i].phase);
        world_end(&w);
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

    world_begin(&w, PROBED);
    machine_prepared(w.machine, "10.42.0.2");
    world_started(&w, 0);
    assert_false(world_condition(world_status(&w), "Ready"));
    clock_fake_advance(w.clock, 0);
    assert_int_equal(w.probes, 1); /* at once */
    probed(&w, MACHINE_READINESS, false);
    clock_fake_advance(w.clock, 2 * NS_PER_MS);
    assert_int_equal(w.probes, 2);
    probed(&w, MACHINE_READINESS, false);
    clock_fake_advance(w.clock, 3 * NS_PER_MS);
    assert_int_equal(w.probes, 3);
    probed(&w, MACHINE_READINESS, true);
    assert_true(world_condition(world_status(&w), "Ready"));
    clock_fake_advance(w.clock, 10 * NS_PER_SEC - 1);
    assert_int_equal(w.probes, 3);
    for (int i = 0; i < 3; i++) {
        clock_fake_advance(w.clock, i ? 10 * NS_PER_SEC : 1);
        assert_true(world_condition(world_status(&w), "Ready"));
        probed(&w, MACHINE_READINESS, false);
    }
    assert_false(world_condition(world_status(&w), "Ready"));
    world_end(&w);
}

static void a_probe_that_runs_a_program_is_tried_less_fast(void **state)
{
    World w = {0};

    world_begin(&w,
                "{\"containers\":[{\"name\":\"app\",\"image\":\"i\",\"readinessProbe\":{\"exec\":{"
                "\"command\":[\"true\"]}}}]}");
    machine_prepared(w.machine, "10.42.0.2");
    world_started(&w, 0);
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
    world_end(&w);
}

static void a_startup_probe_delays_the_other_probes_until_it_succeeds(void **state)
{
    World w = {0};
    const ContainerStatus *s;

    world_begin(&w, "{\"containers\":[{\"name\":\"app\",\"image\":\"i\","
                    "\"startupProbe\":{\"tcpSocket\":{\"port\":80}},"
                    "\"livenessProbe\":{\"tcpSocket\":{\"port\":80}},"
                    "\"readinessProbe\":{\"tcpSocket\":{\"port\":80}}}]}");
    machine_prepared(w.machine, "10.42.0.2");
    world_started(&w, 0);
    clock_fake_advance(w.clock, 0);
    assert_int_equal(w.probes, 1);
    s = &world_status(&w)->container_statuses.v[0];
    assert_false(*s->started);
    assert_false(s->ready);
    probed(&w, MACHINE_STARTUP, true);
    s = &world_status(&w)->container_statuses.v[0];
    assert_true(*s->started);
    assert_false(s->ready);
    clock_fake_advance(w.clock, 0);
    assert_int_equal(w.probes, 3); /* both others at once */
    probed(&w, MACHINE_READINESS, true);
    assert_true(world_status(&w)->container_statuses.v[0].ready);
    world_end(&w);
}

static void a_failing_liveness_probe_takes_its_threshold_then_restarts(void **state)
{
    World w = {0};
    int64_t begin_ns;

    world_begin(
        &w, "{\"containers\":[{\"name\":\"app\",\"image\":\"i\",\"livenessProbe\":{\"tcpSocket\":"
            "{\"port\":80},"
            "\"periodSeconds\":10,\"failureThreshold\":3}}]}");
    machine_prepared(w.machine, "10.42.0.2");
    world_started(&w, 0);
    strbuf_truncate(&w.log, 0);
    begin_ns = clock_mono_ns(w.clock);
    while (!w.log.n) {
        uint64_t serial = w.probe_serial[MACHINE_LIVENESS];

        assert_true(clock_fake_step(w.clock));
        if (serial != w.probe_serial[MACHINE_LIVENESS])
            probed(&w, MACHINE_LIVENESS, false);
    }
    assert_int_equal((clock_mono_ns(w.clock) - begin_ns) / NS_PER_SEC, 30);
    world_expect(&w, "term0 ");
    world_exited(&w, 0, 143);
    world_expect(&w, "start0.1 ");
    world_end(&w);
}

static void deletion_runs_the_hook_then_term_then_kill(void **state)
{
    World w = {0};

    world_begin(&w,
                "{\"containers\":[{\"name\":\"app\",\"image\":\"i\",\"lifecycle\":{\"preStop\":{"
                "\"sleep\":{\"seconds\":5}}}"
                "}]}");
    machine_prepared(w.machine, "10.42.0.2");
    world_started(&w, 0);
    strbuf_truncate(&w.log, 0);
    machine_delete(w.machine, 30 * NS_PER_SEC);
    world_expect(&w, "hook0 ");
    clock_fake_advance(w.clock, 5 * NS_PER_SEC);
    machine_hooked(w.machine, 0, MACHINE_PRE_STOP, w.hook_serial[MACHINE_PRE_STOP], true);
    world_expect(&w, "term0 ");
    clock_fake_advance(w.clock, 25 * NS_PER_SEC - 1);
    world_expect(&w, "");
    clock_fake_advance(w.clock, 1);
    world_expect(&w, "kill0 ");
    world_exited(&w, 0, 137);
    world_expect(&w, "teardown ");
    assert_string_equal(world_status(&w)->phase, "Failed");
    machine_torn_down(w.machine);
    assert_int_equal(w.gone, 1);
    world_end(&w);
}

static void a_missing_image_backs_off_and_a_kick_tries_again(void **state)
{
    World w = {0};

    world_begin(&w, ONE);
    machine_prepared(w.machine, "10.42.0.2");
    strbuf_truncate(&w.log, 0);
    machine_start_failed(w.machine, 0, WAITING_ERR_IMAGE_PULL, "no such image", false);
    assert_string_equal(world_status(&w)->container_statuses.v[0].state.waiting->reason,
                        "ErrImagePull");
    clock_fake_advance(w.clock, NS_PER_SEC);
    assert_string_equal(world_status(&w)->container_statuses.v[0].state.waiting->reason,
                        "ImagePullBackOff");
    clock_fake_advance(w.clock, 9 * NS_PER_SEC);
    world_expect(&w, "start0.0 ");
    machine_start_failed(w.machine, 0, WAITING_ERR_IMAGE_PULL, "no such image", false);
    machine_kick(w.machine);
    world_expect(&w, "start0.0 ");
    assert_string_equal(world_status(&w)->phase, "Pending");
    world_end(&w);
}

static void a_deadline_fails_the_pod(void **state)
{
    World w = {0};

    world_begin(
        &w, "{\"activeDeadlineSeconds\":60,\"containers\":[{\"name\":\"app\",\"image\":\"i\"}]}");
    machine_prepared(w.machine, "10.42.0.2");
    world_started(&w, 0);
    strbuf_truncate(&w.log, 0);
    clock_fake_advance(w.clock, 60 * NS_PER_SEC);
    world_expect(&w, "term0 ");
    assert_string_equal(world_status(&w)->phase, "Failed");
    assert_string_equal(world_status(&w)->reason, "DeadlineExceeded");
    world_end(&w);
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

    world_begin(&w, ONE);
    machine_prepared(w.machine, "10.42.0.2");
    world_started(&w, 0);
    strbuf_truncate(&w.log, 0);
    clock_fake_advance(w.clock, 20 * NS_PER_SEC);
    world_update(&w, far);
    clock_fake_advance(w.clock, 20 * NS_PER_SEC);
    world_update(&w, near);
    world_expect(&w, "");
    clock_fake_advance(w.clock, 20 * NS_PER_SEC - 1);
    world_expect(&w, "");
    clock_fake_advance(w.clock, 1);
    world_expect(&w, "term0 ");
    assert_string_equal(world_status(&w)->reason, "DeadlineExceeded");
    world_end(&w);
}

static void a_running_container_is_replaced_when_its_image_changes(void **state)
{
    World w = {0};

    world_begin(&w, IMAGE("one", "Never"));
    machine_prepared(w.machine, "10.42.0.2");
    world_started(&w, 0);
    strbuf_truncate(&w.log, 0);
    world_update(&w, IMAGE("two", "Never"));
    world_expect(&w, "term0 ");
    world_update(&w, IMAGE("two", "Never"));
    world_expect(&w, "");
    assert_string_equal(world_status(&w)->phase, "Running");
    world_exited(&w, 0, 143);
    world_expect(&w, "start0.1 ");
    world_update(&w, IMAGE("three", "Never")); /* while it starts */
    world_expect(&w, "");
    world_started(&w, 0);
    world_expect(&w, "term0 ");
    world_exited(&w, 0, 143);
    world_expect(&w, "start0.2 ");
    world_started(&w, 0);
    world_exited(&w, 0, 0);
    world_expect(&w, "teardown ");
    world_end(&w);
}

static void a_container_whose_image_changed_while_nobody_looked_is_replaced(void **state)
{
    static const char *const images[] = {"one", "two"};

    for (size_t i = 0; i < ARRAY_LEN(images); i++) {
        World w = {.clock = clock_new_fake(INT64_C(1700000000) * NS_PER_SEC)};

        w.pod = world_pod(IMAGE("two", "Always"));
        w.machine = machine_new(w.pod, w.clock, &world_ops, &w);
        machine_restore_running(w.machine, 0, 0, "id", clock_wall_ns(w.clock), true, true);
        machine_restore_start_image(w.machine, 0, images[i]);
        machine_run(w.machine);
        machine_prepared(w.machine, "10.42.0.2");
        world_expect(&w, i == 0 ? "prepare term0 " : "prepare ");
        world_end(&w);
    }
}

static void a_new_image_waits_for_no_back_off_of_the_old_one(void **state)
{
    World w = {0};

    world_begin(&w, IMAGE("one", "Always"));
    machine_prepared(w.machine, "10.42.0.2");
    strbuf_truncate(&w.log, 0);
    machine_start_failed(w.machine, 0, WAITING_ERR_IMAGE_PULL, "no such image", false);
    clock_fake_advance(w.clock, 5 * NS_PER_SEC);
    world_expect(&w, "");
    world_update(&w, IMAGE("two", "Always"));
    world_expect(&w, "start0.0 ");
    world_update(&w, IMAGE("three", "Always")); /* while it starts */
    machine_start_failed(w.machine, 0, WAITING_ERR_IMAGE_PULL, "no such image", false);
    world_expect(&w, "start0.0 ");
    world_started(&w, 0);
    world_exited(&w, 0, 1);
    world_expect(&w, "start0.1 ");
    world_started(&w, 0);
    world_exited(&w, 0, 1);
    world_expect(&w, "");
    world_update(&w, IMAGE("four", "Always")); /* in CrashLoopBackOff */
    world_expect(&w, "start0.2 ");
    world_started(&w, 0);
    world_exited(&w, 0, 1);
    world_expect(&w, "start0.3 "); /* the series of delays starts over with the new image */
    world_end(&w);
}

static void a_kick_during_a_start_or_a_preparation_counts_when_that_fails(void **state)
{
    static const WaitingReason reasons[] = {WAITING_ERR_IMAGE_PULL, WAITING_CONFIG_ERROR};

    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        World w = {0};

        world_begin(&w, ONE);
        machine_kick(w.machine);
        machine_prepare_failed(w.machine, "FailedMount", "not there");
        clock_fake_advance(w.clock, 0);
        world_expect(&w, "prepare prepare ");
        machine_prepare_failed(w.machine, "FailedMount", "not there");
        clock_fake_advance(w.clock, 0);
        world_expect(&w, "");
        machine_kick(w.machine);
        world_expect(&w, "prepare ");
        machine_prepared(w.machine, "10.42.0.2");
        world_expect(&w, "start0.0 ");
        machine_kick(w.machine);
        machine_start_failed(w.machine, 0, reasons[i], "not there", false);
        clock_fake_advance(w.clock, 0);
        world_expect(&w, "start0.0 ");
        machine_start_failed(w.machine, 0, reasons[i], "not there", false);
        clock_fake_advance(w.clock, 0);
        world_expect(&w, "");
        world_end(&w);
    }
}

static void an_ephemeral_container_starts_beside_an_init_container(void **state)
{
#define INIT "\"initContainers\":[{\"name\":\"a\",\"image\":\"i\"}],"
    World w = {0};

    world_begin(&w, "{" INIT "\"containers\":[{\"name\":\"app\",\"image\":\"i\"}]}");
    machine_prepared(w.machine, "10.42.0.2");
    world_started(&w, 0);
    strbuf_truncate(&w.log, 0);
    world_update(&w, "{" INIT "\"containers\":[{\"name\":\"app\",\"image\":\"i\"}],"
                     "\"ephemeralContainers\":[{\"name\":\"debug\",\"image\":\"i\"}]}");
    world_expect(&w, "start2.0 ");
    world_started(&w, 2);
    world_exited(&w, 2, 0);
    world_expect(&w, "");
    world_exited(&w, 0, 0);
    world_expect(&w, "start1.0 ");
    world_end(&w);
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
        cmocka_unit_test(a_startup_probe_delays_the_other_probes_until_it_succeeds),
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
