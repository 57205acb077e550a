/* SPDX-License-Identifier: Apache-2.0 */
/* How the pod machine stops containers and pods, and which events tell the user why. */
#include "api/schema/core_pod_v1.h"
#include "world.h"

#define HOOK WITH("\"lifecycle\":{\"preStop\":{\"sleep\":{\"seconds\":5}}}")

/* A pod of one running container; its actions and events so far are forgotten. */
static void begin_running(World *w, const char *spec)
{
    world_begin(w, spec);
    machine_prepared(w->machine, "10.42.0.2");
    world_started(w, 0);
    strbuf_truncate(&w->log, 0);
    strbuf_truncate(&w->events, 0);
}

static void the_grace_period_decides_which_signals_a_container_gets(void **state)
{
    static const struct {
        const char *name, *spec;
        int64_t grace_s; /* of the deletion */
        const char *at_once;
        int64_t kill_after_s; /* -1: at once */
    } rows[] = {
        {"no hook", ONE, 30, "term0 ", 30},
        {"a grace period of a second is extended to two", ONE, 1, "term0 ", 2},
        {"no grace period", ONE, 0, "kill0 ", -1},
        {"no grace period for the hook either", HOOK, 0, "kill0 ", -1},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        World w = {0};

        print_message("%s\n", rows[i].name);
        begin_running(&w, rows[i].spec);
        machine_delete(w.machine, rows[i].grace_s * NS_PER_SEC);
        world_expect(&w, rows[i].at_once);
        world_expect_events(&w, "0 Normal Killing: Stopping container app\n");
        assert_int_equal(machine_stage(w.machine), MACHINE_STOPPING);
        assert_int_equal(machine_container_stage(w.machine, 0), CONTAINER_STOPPING);
        if (rows[i].kill_after_s >= 0) {
            clock_fake_advance(w.clock, rows[i].kill_after_s * NS_PER_SEC - 1);
            world_expect(&w, "");
            clock_fake_advance(w.clock, 1);
            world_expect(&w, "kill0 ");
        }
        clock_fake_advance(w.clock, 3600 * NS_PER_SEC);
        world_expect(&w, ""); /* each signal is sent once */
        world_exited(&w, 0, 137);
        world_expect(&w, "teardown ");
        world_end(&w);
    }
}

static void a_hook_that_uses_up_the_grace_period_leaves_two_seconds_after_sigterm(void **state)
{
    World w = {0};

    begin_running(&w, HOOK);
    machine_delete(w.machine, 30 * NS_PER_SEC);
    world_expect(&w, "hook0 ");
    assert_int_equal(w.hook_limit_ns, 30 * NS_PER_SEC);
    clock_fake_advance(w.clock, 30 * NS_PER_SEC - 1);
    world_expect(&w, "");
    clock_fake_advance(w.clock, 1);
    world_expect(&w, "term0 ");
    /* The result of the hook is stale by now and changes nothing. */
    machine_hooked(w.machine, 0, MACHINE_PRE_STOP, w.hook_serial[MACHINE_PRE_STOP], false);
    world_expect(&w, "");
    clock_fake_advance(w.clock, 2 * NS_PER_SEC - 1);
    world_expect(&w, "");
    clock_fake_advance(w.clock, 1);
    world_expect(&w, "kill0 ");
    world_end(&w);
}

static void a_failed_hook_is_an_event_and_holds_nothing_up(void **state)
{
    World w = {0};

    begin_running(&w, HOOK);
    machine_delete(w.machine, 30 * NS_PER_SEC);
    world_expect(&w, "hook0 ");
    machine_hooked(w.machine, 0, MACHINE_PRE_STOP, w.hook_serial[MACHINE_PRE_STOP], false);
    world_expect(&w, "term0 ");
    world_expect_events(&w, "0 Normal Killing: Stopping container app\n"
                            "0 Warning FailedPreStopHook: PreStopHook failed\n");
    world_end(&w);

    w = (World){0};
    begin_running(&w, WITH("\"lifecycle\":{\"postStart\":{\"sleep\":{\"seconds\":5}}}"));
    assert_true(world_status(&w)->container_statuses.v[0].state.running != NULL);
    assert_false(world_status(&w)->container_statuses.v[0].ready); /* not before the hook's end */
    machine_hooked(w.machine, 0, MACHINE_POST_START, w.hook_serial[MACHINE_POST_START], false);
    world_expect(&w, "term0 ");
    world_expect_events(&w, "0 Warning FailedPostStartHook: PostStartHook failed\n"
                            "0 Normal Killing: FailedPostStartHook\n");
    clock_fake_advance(w.clock, 30 * NS_PER_SEC - 1);
    world_expect(&w, "");
    clock_fake_advance(w.clock, 1);
    world_expect(&w, "kill0 ");
    world_exited(&w, 0, 137);
    world_expect(&w, "start0.1 ");
    world_end(&w);
}

static void a_post_start_hook_that_succeeds_makes_the_container_ready(void **state)
{
    World w = {0};

    begin_running(&w, WITH("\"lifecycle\":{\"postStart\":{\"sleep\":{\"seconds\":5}}}"));
    machine_hooked(w.machine, 0, MACHINE_POST_START, w.hook_serial[MACHINE_POST_START] + 1, true);
    assert_false(world_status(&w)->container_statuses.v[0].ready); /* the serial of another hook */
    machine_hooked(w.machine, 0, MACHINE_POST_START, w.hook_serial[MACHINE_POST_START], true);
    assert_true(world_status(&w)->container_statuses.v[0].ready);
    world_expect(&w, "");
    world_end(&w);
}

static void a_second_deletion_takes_effect_if_it_grants_less_time(void **state)
{
    World w = {0};

    begin_running(&w, ONE);
    machine_delete(w.machine, 30 * NS_PER_SEC);
    world_expect(&w, "term0 ");
    machine_delete(w.machine, 60 * NS_PER_SEC);
    clock_fake_advance(w.clock, 5 * NS_PER_SEC);
    machine_delete(w.machine, 10 * NS_PER_SEC);
    clock_fake_advance(w.clock, 10 * NS_PER_SEC - 1);
    world_expect(&w, "");
    clock_fake_advance(w.clock, 1);
    world_expect(&w, "kill0 ");
    world_end(&w);

    w = (World){0};
    begin_running(&w, HOOK); /* while the hook runs, too */
    machine_delete(w.machine, 30 * NS_PER_SEC);
    machine_delete(w.machine, 10 * NS_PER_SEC);
    world_expect(&w, "hook0 ");
    clock_fake_advance(w.clock, 4 * NS_PER_SEC);
    machine_hooked(w.machine, 0, MACHINE_PRE_STOP, w.hook_serial[MACHINE_PRE_STOP], true);
    world_expect(&w, "term0 ");
    clock_fake_advance(w.clock, 6 * NS_PER_SEC - 1);
    world_expect(&w, "");
    clock_fake_advance(w.clock, 1);
    world_expect(&w, "kill0 ");
    world_end(&w);

    w = (World){0};
    begin_running(&w, ONE);
    machine_delete(w.machine, 30 * NS_PER_SEC);
    machine_delete(w.machine, 0);
    world_expect(&w, "term0 kill0 ");
    world_end(&w);
}

static void gone_is_reported_once_and_only_for_a_deleted_pod(void **state)
{
    World w = {0};

    begin_running(&w, "{\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"app\",\"image\":"
                      "\"i\"}]}");
    world_exited(&w, 0, 0);
    world_expect(&w, "teardown ");
    machine_torn_down(w.machine);
    assert_int_equal(machine_stage(w.machine), MACHINE_DONE);
    assert_int_equal(w.gone, 0);
    assert_false(world_condition(world_status(&w), "PodReadyToStartContainers"));
    machine_delete(w.machine, 30 * NS_PER_SEC);
    assert_int_equal(w.gone, 1);
    machine_delete(w.machine, 0);
    assert_int_equal(w.gone, 1);
    world_expect(&w, "");
    world_end(&w);
}

static void a_deletion_during_the_teardown_waits_for_its_end(void **state)
{
    World w = {0};

    begin_running(&w, "{\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"app\",\"image\":"
                      "\"i\"}]}");
    world_exited(&w, 0, 0);
    machine_delete(w.machine, 30 * NS_PER_SEC);
    world_expect(&w, "teardown ");
    assert_int_equal(w.gone, 0);
    machine_torn_down(w.machine);
    assert_int_equal(w.gone, 1);
    machine_torn_down(w.machine); /* repeated by mistake */
    assert_int_equal(w.gone, 1);
    world_end(&w);
}

static void a_pod_that_is_deleted_before_it_started_is_torn_down_at_once(void **state)
{
    World w = {0};

    world_begin(&w, ONE);
    machine_prepare_failed(w.machine, "FailedMount", "not there");
    machine_delete(w.machine, 30 * NS_PER_SEC);
    world_expect(&w, "prepare teardown ");
    clock_fake_advance(w.clock, 3600 * NS_PER_SEC);
    machine_prepared(w.machine, "10.42.0.2"); /* it was in flight */
    world_expect(&w, "");
    world_end(&w);
}

static void a_container_whose_start_is_in_flight_is_stopped_when_it_runs(void **state)
{
    World w = {0};

    world_begin(&w, ONE);
    machine_prepared(w.machine, "10.42.0.2");
    machine_delete(w.machine, 30 * NS_PER_SEC);
    world_expect(&w, "prepare start0.0 ");
    world_started(&w, 0);
    world_expect(&w, "term0 ");
    world_exited(&w, 0, 0);
    world_expect(&w, "teardown ");
    world_end(&w);

    w = (World){0};
    world_begin(&w, ONE);
    machine_prepared(w.machine, "10.42.0.2");
    machine_delete(w.machine, 30 * NS_PER_SEC);
    machine_start_failed(w.machine, 0, WAITING_CREATE_ERROR, "broken", false);
    world_expect(&w, "prepare start0.0 teardown ");
    clock_fake_advance(w.clock, 3600 * NS_PER_SEC);
    world_expect(&w, ""); /* no retry */
    world_end(&w);
}

static void sidecars_are_stopped_after_all_others_and_the_last_one_first(void **state)
{
    World w = {0};

    world_begin(&w, "{\"initContainers\":["
                    "{\"name\":\"s0\",\"image\":\"i\",\"restartPolicy\":\"Always\"},"
                    "{\"name\":\"s1\",\"image\":\"i\",\"restartPolicy\":\"Always\"}],"
                    "\"containers\":[{\"name\":\"a\",\"image\":\"i\"},"
                    "{\"name\":\"b\",\"image\":\"i\"}]}");
    machine_prepared(w.machine, "10.42.0.2");
    for (size_t i = 0; i < 4; i++)
        world_started(&w, i);
    world_expect(&w, "prepare start0.0 start1.0 start2.0 start3.0 ");
    machine_delete(w.machine, 30 * NS_PER_SEC);
    world_expect(&w, "term2 term3 ");
    world_exited(&w, 3, 0);
    world_expect(&w, "");
    world_exited(&w, 2, 0);
    world_expect(&w, "term1 ");
    world_exited(&w, 1, 0);
    world_expect(&w, "term0 ");
    world_exited(&w, 0, 0);
    world_expect(&w, "teardown ");
    world_end(&w);
}

static void an_evicted_pod_has_a_second_and_is_failed(void **state)
{
    World w = {0};
    PodStatus *s;

    begin_running(&w, ONE);
    machine_evict(w.machine, "Evicted", "the disk is full");
    world_expect(&w, "term0 ");
    machine_fail(w.machine, "Other", "comes too late");
    s = world_status(&w);
    assert_string_equal(s->phase, "Failed");
    assert_string_equal(s->reason, "Evicted");
    assert_string_equal(s->message, "the disk is full");
    clock_fake_advance(w.clock, 2 * NS_PER_SEC);
    world_expect(&w, "kill0 ");
    world_exited(&w, 0, 137);
    world_expect(&w, "teardown ");
    machine_torn_down(w.machine);
    assert_int_equal(w.gone, 0); /* the object stays until somebody deletes it */
    world_end(&w);
}

/* A container that is being started cannot be stopped yet, so nothing else changes for a while. */
static void a_failure_is_reported_while_a_container_starts(void **state)
{
    World w = {0};

    world_begin(&w, ONE);
    machine_prepared(w.machine, "10.42.0.7");
    world_expect(&w, "prepare start0.0 ");
    w.changes = 0;
    machine_fail(w.machine, "DeadlineExceeded", "too long");
    world_expect(&w, "");
    assert_true(w.changes > 0);
    assert_string_equal(world_status(&w)->phase, "Failed");
    assert_string_equal(world_status(&w)->reason, "DeadlineExceeded");
    world_started(&w, 0);
    world_expect(&w, "term0 ");
    world_exited(&w, 0, 143);
    world_expect(&w, "teardown ");
    world_end(&w);
}

static void a_halted_pod_is_neither_failed_nor_gone(void **state)
{
    World w = {0};

    begin_running(&w, "{\"terminationGracePeriodSeconds\":7,\"containers\":[{\"name\":\"app\","
                      "\"image\":\"i\"}]}");
    machine_halt(w.machine);
    world_expect(&w, "term0 ");
    clock_fake_advance(w.clock, 7 * NS_PER_SEC - 1);
    world_expect(&w, "");
    clock_fake_advance(w.clock, 1);
    world_expect(&w, "kill0 ");
    world_exited(&w, 0, 137);
    world_expect(&w, "teardown ");
    machine_torn_down(w.machine);
    assert_string_equal(world_status(&w)->phase, "Running"); /* the next server starts it again */
    assert_int_equal(w.gone, 0);
    world_end(&w);
}

static void a_halt_does_not_extend_a_deletion(void **state)
{
    World w = {0};

    begin_running(&w, ONE);
    machine_delete(w.machine, 5 * NS_PER_SEC);
    machine_halt(w.machine);
    world_expect(&w, "term0 ");
    clock_fake_advance(w.clock, 5 * NS_PER_SEC);
    world_expect(&w, "kill0 ");
    world_exited(&w, 0, 137);
    machine_torn_down(w.machine);
    assert_int_equal(w.gone, 1);
    world_end(&w);
}

static void a_failed_liveness_probe_grants_its_own_grace_period(void **state)
{
    static const struct {
        const char *name, *kind, *probe;
        MachineProbe which;
        int64_t grace_s;
    } rows[] = {
        {"the pod's", "liveness",
         "\"livenessProbe\":{\"tcpSocket\":{\"port\":80},\"failureThreshold\":1,"
         "\"initialDelaySeconds\":1}",
         MACHINE_LIVENESS, 30},
        {"its own", "liveness",
         "\"livenessProbe\":{\"tcpSocket\":{\"port\":80},\"failureThreshold\":1,"
         "\"initialDelaySeconds\":1,\"terminationGracePeriodSeconds\":4}",
         MACHINE_LIVENESS, 4},
        {"a startup probe", "startup",
         "\"startupProbe\":{\"tcpSocket\":{\"port\":80},\"failureThreshold\":1,"
         "\"initialDelaySeconds\":1,\"terminationGracePeriodSeconds\":4}",
         MACHINE_STARTUP, 4},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _free_ char *spec =
            mem_printf("{\"containers\":[{\"name\":\"app\",\"image\":\"i\",%s}]}", rows[i].probe);
        _free_ char *events =
            mem_printf("0 Warning Unhealthy: %s probe failed: refused\n"
                       "0 Normal Killing: Container app failed %s probe, will be restarted\n",
                       rows[i].which == MACHINE_STARTUP ? "Startup" : "Liveness", rows[i].kind);
        World w = {0};

        print_message("%s\n", rows[i].name);
        begin_running(&w, spec);
        clock_fake_advance(w.clock, NS_PER_SEC);
        machine_probed(w.machine, 0, rows[i].which, w.probe_serial[rows[i].which], false,
                       "refused");
        world_expect(&w, "term0 ");
        world_expect_events(&w, events);
        clock_fake_advance(w.clock, rows[i].grace_s * NS_PER_SEC - 1);
        world_expect(&w, "");
        clock_fake_advance(w.clock, 1);
        world_expect(&w, "kill0 ");
        world_exited(&w, 0, 137);
        world_expect(&w, "start0.1 ");
        world_end(&w);
    }
}

static void a_changed_image_says_so_in_the_words_of_kubelet(void **state)
{
#define IMAGES(sidecar, app)                                    \
    "{\"initContainers\":[{\"name\":\"s\",\"image\":\"" sidecar \
    "\",\"restartPolicy\":\"Always\"}],\"containers\":[{\"name\":\"app\",\"image\":\"" app "\"}]}"
    World w = {0};

    world_begin(&w, IMAGES("one", "one"));
    machine_prepared(w.machine, "10.42.0.2");
    world_started(&w, 0);
    world_started(&w, 1);
    strbuf_truncate(&w.log, 0);
    strbuf_truncate(&w.events, 0);
    world_update(&w, IMAGES("one", "two"));
    world_expect(&w, "term1 ");
    world_expect_events(&w,
                        "1 Normal Killing: Container app definition changed, will be restarted\n");
    world_update(&w, IMAGES("two", "two"));
    world_expect(&w, "term0 ");
    world_expect_events(&w, "0 Normal Killing: Init container s definition changed\n");
    world_end(&w);
}

static void a_deadline_is_an_event_of_the_pod(void **state)
{
    World w = {0};

    begin_running(&w, "{\"activeDeadlineSeconds\":60,\"containers\":[{\"name\":\"app\",\"image\":"
                      "\"i\"}]}");
    clock_fake_advance(w.clock, 60 * NS_PER_SEC);
    world_expect_events(&w, "pod Normal DeadlineExceeded: Pod was active on the node longer than "
                            "the specified deadline\n"
                            "0 Normal Killing: Stopping container app\n");
    world_exited(&w, 0, 137);
    machine_torn_down(w.machine);
    clock_fake_advance(w.clock, 3600 * NS_PER_SEC);
    world_expect_events(&w, "");
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_grace_period_decides_which_signals_a_container_gets),
        cmocka_unit_test(a_hook_that_uses_up_the_grace_period_leaves_two_seconds_after_sigterm),
        cmocka_unit_test(a_failed_hook_is_an_event_and_holds_nothing_up),
        cmocka_unit_test(a_post_start_hook_that_succeeds_makes_the_container_ready),
        cmocka_unit_test(a_second_deletion_takes_effect_if_it_grants_less_time),
        cmocka_unit_test(gone_is_reported_once_and_only_for_a_deleted_pod),
        cmocka_unit_test(a_deletion_during_the_teardown_waits_for_its_end),
        cmocka_unit_test(a_pod_that_is_deleted_before_it_started_is_torn_down_at_once),
        cmocka_unit_test(a_container_whose_start_is_in_flight_is_stopped_when_it_runs),
        cmocka_unit_test(sidecars_are_stopped_after_all_others_and_the_last_one_first),
        cmocka_unit_test(an_evicted_pod_has_a_second_and_is_failed),
        cmocka_unit_test(a_halted_pod_is_neither_failed_nor_gone),
        cmocka_unit_test(a_halt_does_not_extend_a_deletion),
        cmocka_unit_test(a_failed_liveness_probe_grants_its_own_grace_period),
        cmocka_unit_test(a_changed_image_says_so_in_the_words_of_kubelet),
        cmocka_unit_test(a_deadline_is_an_event_of_the_pod),
        cmocka_unit_test(a_failure_is_reported_while_a_container_starts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
