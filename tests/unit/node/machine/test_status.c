/* SPDX-License-Identifier: Apache-2.0 */
/* The status that a pod machine shows during starts, failures, restarts of the server and at the end. */
#include "api/schema/core_pod_v1.h"
#include "world.h"

static const ContainerStatus *app(World *w)
{
    return &world_status(w)->container_statuses.v[0];
}

static const PodCondition *condition(const PodStatus *s, const char *type)
{
    for (size_t i = 0; i < s->conditions.n; i++)
        if (str_equal(s->conditions.v[i].type, type))
            return &s->conditions.v[i];
    fail_msg("no condition %s", type);
    return NULL;
}

static void begin_prepared(World *w, const char *spec)
{
    world_begin(w, spec);
    machine_prepared(w->machine, "10.42.0.2");
    strbuf_truncate(&w->log, 0);
    strbuf_truncate(&w->events, 0);
}

/* ---- starts that fail ---- */

static void a_start_that_fails_before_an_instance_exists_is_retried_and_not_counted(void **state)
{
    static const struct {
        WaitingReason reason;
        const char *text, *event, *later_events, *later;
        int64_t retry_s; /* after the failure */
    } rows[] = {
        {WAITING_ERR_IMAGE_PULL, "ErrImagePull", "0 Warning Failed: Error: ErrImagePull\n",
         "0 Normal BackOff: Back-off pulling image \"i\"\n"
         "0 Warning Failed: Error: ImagePullBackOff\n",
         "ImagePullBackOff", 10},
        {WAITING_REGISTRY_UNAVAILABLE, "RegistryUnavailable",
         "0 Warning Failed: Error: RegistryUnavailable\n",
         "0 Normal BackOff: Back-off pulling image \"i\"\n"
         "0 Warning Failed: Error: ImagePullBackOff\n",
         "ImagePullBackOff", 10},
        {WAITING_IMAGE_INSPECT_ERROR, "ImageInspectError",
         "0 Warning Failed: Error: ImageInspectError\n", "", "ImageInspectError", 2},
        {WAITING_ERR_IMAGE_NEVER_PULL, "ErrImageNeverPull",
         "0 Warning Failed: Error: ErrImageNeverPull\n", "", "ErrImageNeverPull", 2},
        {WAITING_INVALID_IMAGE_NAME, "InvalidImageName",
         "0 Warning Failed: Error: InvalidImageName\n", "", "InvalidImageName", 2},
        {WAITING_CONFIG_ERROR, "CreateContainerConfigError", "0 Warning Failed: Error: why\n", "",
         "CreateContainerConfigError", 2},
        {WAITING_CREATE_ERROR, "CreateContainerError", "0 Warning Failed: Error: why\n", "",
         "CreateContainerError", 2},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        World w = {0};

        print_message("%s\n", rows[i].text);
        begin_prepared(&w, ONE);
        assert_int_equal(machine_waiting_reason(w.machine, 0), WAITING_CONTAINER_CREATING);
        machine_start_failed(w.machine, 0, rows[i].reason, "why", false);
        assert_string_equal(app(&w)->state.waiting->reason, rows[i].text);
        assert_string_equal(app(&w)->state.waiting->message, "why");
        assert_int_equal(machine_waiting_reason(w.machine, 0), rows[i].reason);
        world_expect_events(&w, rows[i].event);
        clock_fake_advance(w.clock, NS_PER_SEC);
        assert_string_equal(app(&w)->state.waiting->reason, rows[i].later);
        world_expect_events(&w, rows[i].later_events);
        clock_fake_advance(w.clock, (rows[i].retry_s - 1) * NS_PER_SEC - 1);
        world_expect(&w, "");
        clock_fake_advance(w.clock, 1);
        world_expect(&w, "start0.0 ");
        assert_int_equal(app(&w)->restart_count, 0);
        assert_string_equal(world_status(&w)->phase, "Pending");
        world_end(&w);
    }
}

static void the_delay_after_a_missing_image_doubles_up_to_five_minutes(void **state)
{
    static const int delays[] = {10, 20, 40, 80, 160, 300, 300};
    World w = {0};

    begin_prepared(&w, ONE);
    for (size_t i = 0; i < ARRAY_LEN(delays); i++) {
        machine_start_failed(w.machine, 0, WAITING_ERR_IMAGE_PULL, "no such image", false);
        clock_fake_advance(w.clock, NS_PER_SEC);
        assert_string_equal(app(&w)->state.waiting->message,
                            "Back-off pulling image \"i\": ErrImagePull: no such image");
        clock_fake_advance(w.clock, (delays[i] - 1) * NS_PER_SEC - 1);
        world_expect(&w, "");
        clock_fake_advance(w.clock, 1);
        world_expect(&w, "start0.0 ");
    }
    world_started(&w, 0); /* the image is there: the next time begins anew */
    world_exited(&w, 0, 1);
    world_expect(&w, "start0.1 ");
    machine_start_failed(w.machine, 0, WAITING_ERR_IMAGE_PULL, "removed", false);
    clock_fake_advance(w.clock, 10 * NS_PER_SEC - 1);
    world_expect(&w, "");
    clock_fake_advance(w.clock, 1);
    world_expect(&w, "start0.1 ");
    world_end(&w);
}

static void the_back_off_tells_why_the_registry_could_not_be_asked(void **state)
{
    World w = {0};

    begin_prepared(&w, ONE);
    machine_start_failed(w.machine, 0, WAITING_REGISTRY_UNAVAILABLE, "it is down", false);
    clock_fake_advance(w.clock, NS_PER_SEC);
    assert_string_equal(app(&w)->state.waiting->message,
                        "Back-off pulling image \"i\": RegistryUnavailable: it is down");
    world_end(&w);
}

static void a_start_that_is_not_wanted_any_more_is_abandoned_without_an_event(void **state)
{
    World w = {0};

    begin_prepared(&w, ONE);
    world_update(&w, "{\"containers\":[{\"name\":\"app\",\"image\":\"other\"}]}");
    assert_int_equal(w.abandoned, 1);
    machine_start_failed(w.machine, 0, WAITING_CONTAINER_CREATING, "abandoned", false);
    world_expect_events(&w, "");
    world_expect(&w, "start0.0 "); /* the new image is tried at once */
    machine_delete(w.machine, 30 * NS_PER_SEC);
    assert_int_equal(w.abandoned, 2);
    machine_start_failed(w.machine, 0, WAITING_CONTAINER_CREATING, "abandoned", false);
    world_expect(&w, "teardown ");
    world_expect_events(&w, "");
    world_end(&w);
}

static void a_start_that_fails_with_an_instance_counts_as_an_end(void **state)
{
    World w = {0};
    const ContainerStatus *s;

    begin_prepared(&w, ONE);
    machine_created(w.machine, 0, "id", "image", "image-id");
    machine_start_failed(w.machine, 0, WAITING_RUN_CONTAINER_ERROR, "no such program", true);
    world_expect_events(&w, "0 Normal Created: Container created\n"
                            "0 Warning Failed: Error: no such program\n");
    s = app(&w);
    assert_string_equal(s->state.waiting->reason, "RunContainerError");
    assert_string_equal(s->state.waiting->message, "no such program");
    assert_string_equal(s->last_state.terminated->reason, "StartError");
    assert_string_equal(s->last_state.terminated->message, "no such program");
    assert_string_equal(s->last_state.terminated->container_id, "crun://id");
    assert_int_equal(s->last_state.terminated->exit_code, 128);
    assert_false(s->last_state.terminated->started_at.set);
    clock_fake_advance(w.clock, NS_PER_SEC - 1);
    world_expect(&w, "");
    clock_fake_advance(w.clock, 1);
    world_expect(&w, "start0.1 ");
    machine_created(w.machine, 0, "id", "image", "image-id");
    machine_start_failed(w.machine, 0, WAITING_RUN_CONTAINER_ERROR, "no such program", true);
    strbuf_truncate(&w.events, 0);
    clock_fake_advance(w.clock, NS_PER_SEC);
    world_expect_events(&w, "0 Warning BackOff: Back-off restarting failed container app in pod "
                            "web-0_default(u1)\n");
    s = app(&w);
    assert_string_equal(s->state.waiting->reason, "CrashLoopBackOff");
    assert_string_equal(s->state.waiting->message,
                        "back-off 10s restarting failed container=app pod=web-0_default(u1)");
    assert_int_equal(s->restart_count, 1);
    clock_fake_advance(w.clock, 9 * NS_PER_SEC - 1);
    world_expect(&w, "");
    clock_fake_advance(w.clock, 1);
    world_expect(&w, "start0.2 ");
    world_end(&w);
}

static void a_start_error_ends_a_pod_that_must_not_restart(void **state)
{
    World w = {0};

    begin_prepared(&w, "{\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"app\",\"image\":"
                       "\"i\"}]}");
    machine_created(w.machine, 0, "id", "image", "image-id");
    machine_start_failed(w.machine, 0, WAITING_RUN_CONTAINER_ERROR, "no such program", true);
    world_expect(&w, "teardown ");
    assert_string_equal(world_status(&w)->phase, "Failed");
    assert_int_equal(app(&w)->state.terminated->exit_code, 128);
    clock_fake_advance(w.clock, 3600 * NS_PER_SEC);
    world_expect(&w, "");
    world_end(&w);
}

static void a_failed_preparation_is_an_event_and_retried_with_growing_delays(void **state)
{
    static const int64_t delays_ms[] = {500,   1000,  2000,  4000,   8000,
                                        16000, 32000, 64000, 122000, 122000};
    World w = {0};

    world_begin(&w, ONE);
    world_expect(&w, "prepare ");
    for (size_t i = 0; i < ARRAY_LEN(delays_ms); i++) {
        machine_prepare_failed(w.machine, "FailedMount", "not there");
        world_expect_events(&w, "pod Warning FailedMount: not there\n");
        clock_fake_advance(w.clock, delays_ms[i] * NS_PER_MS - 1);
        world_expect(&w, "");
        clock_fake_advance(w.clock, 1);
        world_expect(&w, "prepare ");
    }
    machine_prepared(w.machine, "10.42.0.2");
    world_expect(&w, "start0.0 ");
    machine_prepare_failed(w.machine, "FailedMount", "stale");
    world_expect_events(&w, "");
    world_end(&w);
}

/* ---- ends ---- */

static void an_end_is_described_by_its_reason_code_and_times(void **state)
{
    static const struct {
        const char *name;
        MachineEnd end;
        const char *reason;
    } rows[] = {
        {"success", {.exit_code = 0}, "Completed"},
        {"failure", {.exit_code = 3}, "Error"},
        {"out of memory", {.exit_code = 137, .oom_killed = true}, "OOMKilled"},
        {"the node's reason wins",
         {.exit_code = 137, .oom_killed = true, .reason = "Lost"},
         "Lost"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        MachineEnd end = rows[i].end;
        const ContainerStateTerminated *t;
        World w = {0};

        print_message("%s\n", rows[i].name);
        begin_prepared(&w, "{\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"app\","
                           "\"image\":\"i\"}]}");
        world_started(&w, 0);
        clock_fake_advance(w.clock, 5 * NS_PER_SEC);
        end.finished_ns = clock_wall_ns(w.clock);
        end.message = i ? "last words" : "";
        machine_exited(w.machine, 0, &end);
        t = app(&w)->state.terminated;
        assert_string_equal(t->reason, rows[i].reason);
        assert_int_equal(t->exit_code, end.exit_code);
        assert_int_equal(t->started_at.seconds, 1700000000);
        assert_int_equal(t->finished_at.seconds, 1700000005);
        if (i)
            assert_string_equal(t->message, "last words");
        else
            assert_null(t->message);
        assert_false(*app(&w)->started);
        assert_false(app(&w)->ready);
        world_end(&w);
    }
}

static void while_the_next_instance_starts_the_status_shows_the_end_of_the_one_before(void **state)
{
    World w = {0};
    const ContainerStatus *s;

    begin_prepared(&w, ONE);
    world_started(&w, 0);
    assert_false(machine_has_previous(w.machine, 0));
    world_exited(&w, 0, 3);
    world_expect(&w, "start0.1 ");
    s = app(&w);
    assert_int_equal(s->state.terminated->exit_code, 3);
    assert_null(s->last_state.terminated);
    assert_int_equal(s->restart_count, 0); /* not before the new instance exists */
    assert_true(machine_has_previous(w.machine, 0));
    assert_string_equal(world_status(&w)->phase, "Running");
    world_started(&w, 0);
    s = app(&w);
    assert_non_null(s->state.running);
    assert_int_equal(s->last_state.terminated->exit_code, 3);
    assert_int_equal(s->restart_count, 1);
    assert_true(machine_has_previous(w.machine, 0));
    world_end(&w);
}

static void rules_of_a_container_override_its_restart_policy(void **state)
{
    static const struct {
        const char *members;
        int code;
        const char *actions;
    } rows[] = {
        {"\"restartPolicy\":\"Never\"", 1, "teardown "},
        {"\"restartPolicy\":\"OnFailure\"", 1, "start0.1 "},
        {"\"restartPolicy\":\"OnFailure\"", 0, "teardown "},
        {"\"restartPolicy\":\"Never\",\"restartPolicyRules\":[{\"action\":\"Restart\","
         "\"exitCodes\":{\"operator\":\"In\",\"values\":[41,42]}}]",
         42, "start0.1 "},
        {"\"restartPolicy\":\"Never\",\"restartPolicyRules\":[{\"action\":\"Restart\","
         "\"exitCodes\":{\"operator\":\"In\",\"values\":[41,42]}}]",
         43, "teardown "},
        {"\"restartPolicy\":\"Never\",\"restartPolicyRules\":[{\"action\":\"Restart\","
         "\"exitCodes\":{\"operator\":\"NotIn\",\"values\":[41,42]}}]",
         42, "teardown "},
        {"\"restartPolicy\":\"Never\",\"restartPolicyRules\":[{\"action\":\"Restart\","
         "\"exitCodes\":{\"operator\":\"NotIn\",\"values\":[41,42]}}]",
         43, "start0.1 "},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _free_ char *spec =
            mem_printf("{\"restartPolicy\":\"Always\",\"containers\":[{\"name\":\"app\","
                       "\"image\":\"i\",%s}]}",
                       rows[i].members);
        World w = {0};

        print_message("%s, exit code %d\n", rows[i].members, rows[i].code);
        begin_prepared(&w, spec);
        world_started(&w, 0);
        world_exited(&w, 0, rows[i].code);
        world_expect(&w, rows[i].actions);
        world_end(&w);
    }
}

/* ---- phase and conditions ---- */

static void the_phase_follows_all_containers(void **state)
{
    static const struct {
        const char *name, *policy;
        char app[2]; /* of each container: w waiting, r running, 0 or 1 ended with this code */
        const char *phase;
    } rows[] = {
        {"both wait", "Always", {'w', 'w'}, "Pending"},
        {"one waits", "Always", {'r', 'w'}, "Pending"},
        {"both run", "Always", {'r', 'r'}, "Running"},
        {"one ended for good", "Never", {'0', 'r'}, "Running"},
        {"both succeeded", "Never", {'0', '0'}, "Succeeded"},
        {"one failed", "Never", {'0', '1'}, "Failed"},
        {"one failed and is restarted", "OnFailure", {'0', '1'}, "Running"},
        {"one failed and the other waits", "Never", {'1', 'w'}, "Pending"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _free_ char *spec =
            mem_printf("{\"restartPolicy\":\"%s\",\"containers\":[{\"name\":\"a\",\"image\":\"i\"},"
                       "{\"name\":\"b\",\"image\":\"i\"}]}",
                       rows[i].policy);
        World w = {0};

        print_message("%s\n", rows[i].name);
        begin_prepared(&w, spec);
        for (size_t c = 0; c < 2; c++) {
            if (rows[i].app[c] != 'w')
                world_started(&w, c);
            if (rows[i].app[c] == '0' || rows[i].app[c] == '1')
                world_exited(&w, c, rows[i].app[c] - '0');
        }
        assert_string_equal(world_status(&w)->phase, rows[i].phase);
        world_end(&w);
    }
}

static void an_init_container_that_fails_for_good_fails_the_pod(void **state)
{
    World w = {0};
    PodStatus *s;

    begin_prepared(&w, "{\"restartPolicy\":\"Never\",\"initContainers\":[{\"name\":\"a\","
                       "\"image\":\"i\"}],\"containers\":[{\"name\":\"app\",\"image\":\"i\"}]}");
    s = world_status(&w);
    assert_string_equal(condition(s, "Initialized")->status, "False");
    assert_string_equal(condition(s, "Initialized")->reason, "ContainersNotInitialized");
    assert_string_equal(condition(s, "Initialized")->message,
                        "containers with incomplete status: [a]");
    assert_string_equal(s->init_container_statuses.v[0].state.waiting->reason, "PodInitializing");
    assert_int_equal(machine_waiting_reason(w.machine, 0), WAITING_CONTAINER_CREATING);
    assert_int_equal(machine_waiting_reason(w.machine, 1), WAITING_POD_INITIALIZING);
    world_started(&w, 0);
    world_exited(&w, 0, 1);
    world_expect(&w, "teardown ");
    assert_string_equal(world_status(&w)->phase, "Failed");
    machine_torn_down(w.machine);
    s = world_status(&w);
    assert_string_equal(s->phase, "Failed");
    assert_string_equal(condition(s, "Ready")->reason, "PodFailed");
    assert_string_equal(condition(s, "ContainersReady")->reason, "PodFailed");
    assert_string_equal(condition(s, "Ready")->status, "False");
    world_end(&w);
}

static void a_succeeded_pod_has_completed_conditions(void **state)
{
    World w = {0};
    PodStatus *s;

    begin_prepared(&w, "{\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"app\",\"image\":"
                       "\"i\"}]}");
    world_started(&w, 0);
    world_exited(&w, 0, 0);
    machine_torn_down(w.machine);
    s = world_status(&w);
    assert_string_equal(s->phase, "Succeeded");
    assert_string_equal(condition(s, "Initialized")->status, "True");
    assert_string_equal(condition(s, "Initialized")->reason, "PodCompleted");
    assert_string_equal(condition(s, "Ready")->status, "False");
    assert_string_equal(condition(s, "Ready")->reason, "PodCompleted");
    assert_string_equal(condition(s, "ContainersReady")->reason, "PodCompleted");
    world_end(&w);
}

static void readiness_gates_hold_back_ready_but_not_containers_ready(void **state)
{
    static const struct {
        const char *name, *before; /* status of the gates x and y; "": the condition is missing */
        const char *ready, *message;
    } rows[] = {
        {"both missing", "", "False",
         "corresponding condition of pod readiness gate \"x\" does not exist., corresponding "
         "condition of pod readiness gate \"y\" does not exist."},
        {"one false", "False", "False",
         "the status of pod readiness gate \"x\" is not \"True\", but False, the status of pod "
         "readiness gate \"y\" is not \"True\", but False"},
        {"both true", "True", "True", NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        PodCondition gates[] = {{.type = "x", .status = rows[i].before},
                                {.type = "y", .status = rows[i].before}};
        PodStatus before = {.conditions = {gates, *rows[i].before ? 2 : 0}}, s;
        World w = {0};

        print_message("%s\n", rows[i].name);
        begin_prepared(&w, "{\"readinessGates\":[{\"conditionType\":\"x\"},{\"conditionType\":"
                           "\"y\"}],\"containers\":[{\"name\":\"app\",\"image\":\"i\"}]}");
        machine_status(w.machine, &w.arena, &before, "192.168.1.1", &s);
        assert_string_equal(condition(&s, "Ready")->reason, "ContainersNotReady");
        assert_string_equal(condition(&s, "Ready")->message,
                            "containers with unready status: [app]");
        world_started(&w, 0);
        machine_status(w.machine, &w.arena, &before, "192.168.1.1", &s);
        assert_string_equal(condition(&s, "ContainersReady")->status, "True");
        assert_string_equal(condition(&s, "Ready")->status, rows[i].ready);
        if (rows[i].message) {
            assert_string_equal(condition(&s, "Ready")->reason, "ReadinessGatesNotReady");
            assert_string_equal(condition(&s, "Ready")->message, rows[i].message);
        } else {
            assert_null(condition(&s, "Ready")->reason);
        }
        world_end(&w);
    }
}

static void transition_times_change_only_with_the_status_of_a_condition(void **state)
{
    World w = {0};
    PodStatus first, second, third;

    begin_prepared(&w, ONE);
    machine_status(w.machine, &w.arena, NULL, "192.168.1.1", &first);
    clock_fake_advance(w.clock, 5 * NS_PER_SEC);
    machine_status(w.machine, &w.arena, &first, "192.168.1.1", &second);
    assert_int_equal(condition(&second, "Ready")->last_transition_time.seconds, 1700000000);
    world_started(&w, 0);
    machine_status(w.machine, &w.arena, &second, "192.168.1.1", &third);
    assert_int_equal(condition(&third, "Ready")->last_transition_time.seconds, 1700000005);
    assert_int_equal(condition(&third, "PodScheduled")->last_transition_time.seconds, 1700000000);
    assert_int_equal(third.start_time.seconds, 1700000000);
    world_end(&w);
}

static void fields_of_other_writers_are_kept(void **state)
{
    PodCondition scheduled = {.type = "PodScheduled", .status = "True", .reason = "ByHand"};
    PodStatus before = {.qos_class = "Burstable",
                        .nominated_node_name = "n",
                        .pod_ip = "10.42.0.9",
                        .conditions = {&scheduled, 1}};
    World w = {0};
    PodStatus s;

    world_begin(&w, ONE);
    machine_status(w.machine, &w.arena, &before, "192.168.1.1", &s);
    assert_string_equal(s.qos_class, "Burstable");
    assert_string_equal(s.nominated_node_name, "n");
    assert_string_equal(s.pod_ip, "10.42.0.9"); /* the old address, until the sandbox exists */
    assert_string_equal(s.pod_ips.v[0].ip, "10.42.0.9");
    assert_string_equal(s.host_ip, "192.168.1.1");
    assert_string_equal(s.host_ips.v[0].ip, "192.168.1.1");
    assert_string_equal(condition(&s, "PodScheduled")->reason, "ByHand");
    machine_prepared(w.machine, "10.42.0.2");
    machine_status(w.machine, &w.arena, &before, NULL, &s);
    assert_string_equal(s.pod_ip, "10.42.0.2");
    assert_int_equal(s.host_ips.n, 0);
    world_end(&w);
}

static void a_status_tells_what_its_container_was_made_from(void **state)
{
    World w = {0};
    const ContainerStatus *s;

    begin_prepared(
        &w, WITH("\"resources\":{\"requests\":{\"cpu\":\"1\"}},\"volumeMounts\":["
                 "{\"name\":\"v\",\"mountPath\":\"/v\",\"readOnly\":true},"
                 "{\"name\":\"r\",\"mountPath\":\"/r\",\"readOnly\":true,"
                 "\"recursiveReadOnly\":\"IfPossible\"},{\"name\":\"w\",\"mountPath\":\"/w\"}]"));
    s = app(&w);
    assert_string_equal(s->image, "i");
    assert_string_equal(s->image_id, "");
    assert_null(s->container_id);
    world_started(&w, 0);
    s = app(&w);
    assert_string_equal(s->image, "image");
    assert_string_equal(s->image_id, "image-id");
    assert_string_equal(s->container_id, "crun://id");
    assert_int_equal(s->state.running->started_at.seconds, 1700000000);
    assert_int_equal(s->resources->requests.n, 1);
    assert_int_equal(s->allocated_resources.n, 1);
    assert_int_equal(s->volume_mounts.n, 3);
    assert_string_equal(s->volume_mounts.v[0].recursive_read_only, "Disabled");
    assert_string_equal(s->volume_mounts.v[1].recursive_read_only, "Enabled");
    assert_null(s->volume_mounts.v[2].recursive_read_only);
    assert_string_equal(s->volume_mounts.v[2].mount_path, "/w");
    world_end(&w);
}

/* ---- after a restart of the server ---- */

static void begin_restored(World *w, const char *spec)
{
    w->clock = clock_new_fake(INT64_C(1700000000) * NS_PER_SEC);
    w->pod = world_pod(spec);
    w->machine = machine_new(w->pod, w->clock, &world_ops, w);
}

static void a_container_that_still_runs_is_taken_over_as_it_was(void **state)
{
    MachineEnd last = {.exit_code = 7, .finished_ns = INT64_C(1600000000) * NS_PER_SEC};
    World w = {0};
    const ContainerStatus *s;

    begin_restored(&w, WITH("\"readinessProbe\":{\"tcpSocket\":{\"port\":80}}"));
    machine_restore_running(w.machine, 0, 4, "id", INT64_C(1600000001) * NS_PER_SEC, true, true);
    machine_restore_last(w.machine, 0, "before", &last);
    machine_restore_image(w.machine, 0, "image", "image-id");
    machine_run(w.machine);
    world_expect(&w, "prepare ");
    s = app(&w);
    assert_true(s->ready); /* until its probe says otherwise */
    assert_true(*s->started);
    assert_int_equal(s->restart_count, 4);
    assert_string_equal(s->image_id, "image-id");
    assert_int_equal(s->last_state.terminated->exit_code, 7);
    assert_string_equal(s->last_state.terminated->container_id, "crun://before");
    assert_string_equal(machine_container_id(w.machine, 0), "id");
    assert_int_equal(machine_attempt(w.machine, 0), 4);
    assert_int_equal(machine_started_ns(w.machine, 0), INT64_C(1600000001) * NS_PER_SEC);
    machine_prepared(w.machine, "10.42.0.2");
    world_expect(&w, ""); /* it is not started a second time */
    assert_true(world_condition(world_status(&w), "Initialized"));
    world_end(&w);
}

static void a_container_that_ended_meanwhile_continues_its_back_off(void **state)
{
    static const struct {
        int attempt;
        int64_t delay_s;
    } rows[] = {{0, 0}, {1, 10}, {2, 20}, {3, 40}, {5, 160}, {6, 300}, {60, 300}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _free_ char *start = mem_printf("start0.%d ", rows[i].attempt + 1);
        MachineEnd end = {.exit_code = 1,
                          .started_ns = INT64_C(1699999990) * NS_PER_SEC,
                          .finished_ns = INT64_C(1700000000) * NS_PER_SEC};
        World w = {0};

        print_message("attempt %d\n", rows[i].attempt);
        begin_restored(&w, ONE);
        machine_restore_exited(w.machine, 0, rows[i].attempt, "id", &end);
        assert_int_equal(machine_started_ns(w.machine, 0), end.started_ns);
        machine_run(w.machine);
        machine_prepared(w.machine, "10.42.0.2");
        if (rows[i].delay_s) {
            world_expect(&w, "prepare ");
            clock_fake_advance(w.clock, rows[i].delay_s * NS_PER_SEC - 1);
            world_expect(&w, "");
            clock_fake_advance(w.clock, 1);
            world_expect(&w, start);
        } else {
            world_expect(&w, "prepare start0.1 ");
        }
        world_end(&w);
    }
}

static void a_container_that_was_lost_with_its_sandbox_starts_at_once(void **state)
{
    MachineEnd end = {.exit_code = 0, .finished_ns = INT64_C(1700000000) * NS_PER_SEC};
    World w = {0};

    begin_restored(&w, "{\"initContainers\":[{\"name\":\"a\",\"image\":\"i\"}],\"containers\":[{"
                       "\"name\":\"app\",\"image\":\"i\"}]}");
    machine_restore_lost(w.machine, 0, 0, "id0", &end);
    end.exit_code = 255;
    machine_restore_lost(w.machine, 1, 5, "id1", &end);
    machine_run(w.machine);
    assert_false(world_status(&w)->init_container_statuses.v[0].ready);
    machine_prepared(w.machine, "10.42.0.2");
    world_expect(&w, "prepare start0.1 ");
    world_started(&w, 0);
    world_exited(&w, 0, 0);
    world_expect(&w, "start1.6 ");
    world_end(&w);
}

static void a_pod_whose_init_phase_was_over_does_not_repeat_it(void **state)
{
    MachineEnd end = {.exit_code = 0, .finished_ns = INT64_C(1600000000) * NS_PER_SEC};
    World w = {0};

    begin_restored(&w, "{\"initContainers\":[{\"name\":\"a\",\"image\":\"i\"}],\"containers\":[{"
                       "\"name\":\"app\",\"image\":\"i\"}]}");
    machine_restore_exited(w.machine, 0, 0, "id0", &end);
    machine_restore_running(w.machine, 1, 0, "id1", INT64_C(1600000001) * NS_PER_SEC, true, false);
    machine_run(w.machine);
    assert_true(world_status(&w)->init_container_statuses.v[0].ready);
    machine_prepared(w.machine, "10.42.0.2");
    world_expect(&w, "prepare ");
    world_exited(&w, 1, 1);
    world_expect(&w, "start1.1 ");
    world_end(&w);
}

static void a_finished_pod_stays_finished(void **state)
{
    World w = {0};
    PodStatus *s;

    begin_restored(&w, ONE);
    machine_restore_finished(w.machine, "Failed", "Evicted", "the disk is full");
    machine_run(w.machine);
    world_expect(&w, "");
    machine_kick(w.machine);
    world_update(&w, ONE);
    world_expect(&w, "");
    s = world_status(&w);
    assert_string_equal(s->phase, "Failed");
    assert_string_equal(s->reason, "Evicted");
    assert_string_equal(s->message, "the disk is full");
    machine_delete(w.machine, 0);
    assert_int_equal(w.gone, 1);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_start_that_fails_before_an_instance_exists_is_retried_and_not_counted),
        cmocka_unit_test(the_back_off_tells_why_the_registry_could_not_be_asked),
        cmocka_unit_test(a_start_that_is_not_wanted_any_more_is_abandoned_without_an_event),
        cmocka_unit_test(the_delay_after_a_missing_image_doubles_up_to_five_minutes),
        cmocka_unit_test(a_start_that_fails_with_an_instance_counts_as_an_end),
        cmocka_unit_test(a_start_error_ends_a_pod_that_must_not_restart),
        cmocka_unit_test(a_failed_preparation_is_an_event_and_retried_with_growing_delays),
        cmocka_unit_test(an_end_is_described_by_its_reason_code_and_times),
        cmocka_unit_test(while_the_next_instance_starts_the_status_shows_the_end_of_the_one_before),
        cmocka_unit_test(rules_of_a_container_override_its_restart_policy),
        cmocka_unit_test(the_phase_follows_all_containers),
        cmocka_unit_test(an_init_container_that_fails_for_good_fails_the_pod),
        cmocka_unit_test(a_succeeded_pod_has_completed_conditions),
        cmocka_unit_test(readiness_gates_hold_back_ready_but_not_containers_ready),
        cmocka_unit_test(transition_times_change_only_with_the_status_of_a_condition),
        cmocka_unit_test(fields_of_other_writers_are_kept),
        cmocka_unit_test(a_status_tells_what_its_container_was_made_from),
        cmocka_unit_test(a_container_that_still_runs_is_taken_over_as_it_was),
        cmocka_unit_test(a_container_that_ended_meanwhile_continues_its_back_off),
        cmocka_unit_test(a_container_that_was_lost_with_its_sandbox_starts_at_once),
        cmocka_unit_test(a_pod_whose_init_phase_was_over_does_not_repeat_it),
        cmocka_unit_test(a_finished_pod_stays_finished),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
