/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of resources: what the machine asks for, and the two conditions that say how far it is. */
#include "world.h"

#include "api/condition.h"
#include "api/schema/core_container_v1.h"

#define SIZED(cpu, policy)                                                           \
    "{\"containers\":[{\"name\":\"app\",\"image\":\"i\",\"resources\":{\"limits\":{" \
    "\"cpu\":\"" cpu "\"},\"requests\":{\"cpu\":\"" cpu "\"}}" policy "}]}"
#define IN_PLACE(cpu) SIZED(cpu, "")
#define BY_RESTART(cpu)                                                          \
    SIZED(cpu, ",\"resizePolicy\":[{\"resourceName\":\"cpu\",\"restartPolicy\":" \
               "\"RestartContainer\"}]")

static void start(World *w, size_t i)
{
    machine_resources_applied(w->machine, i, &machine_container(w->machine, i)->resources);
    machine_created(w->machine, i, "id", "i", "sha256:1");
    machine_started(w->machine, i, clock_wall_ns(w->clock));
}

static void begin_running(World *w, const char *spec)
{
    world_begin(w, spec);
    machine_prepared(w->machine, "10.42.0.2");
    start(w, 0);
    world_expect(w, "prepare start0.0 ");
    strbuf_truncate(&w->events, 0);
}

static void grant(World *w, const char *spec)
{
    Object *pod = world_pod(spec);

    ((Pod *)pod->value)->metadata.generation = 2;
    machine_resize_grant(w->machine, pod);
    object_unref(w->pod);
    w->pod = pod;
}

static void carry_out(World *w)
{
    machine_resources_applied(w->machine, 0, &machine_container(w->machine, 0)->resources);
    machine_resized(w->machine, NULL);
}

static const PodCondition *progress(World *w)
{
    return CONDITION_FIND(&world_status(w)->conditions, "PodResizeInProgress");
}

static const PodCondition *pending(World *w)
{
    return CONDITION_FIND(&world_status(w)->conditions, "PodResizePending");
}

static const char *limit(World *w)
{
    return string_map_get(&world_status(w)->container_statuses.v[0].resources->limits, "cpu");
}

static const char *allocated(World *w)
{
    return string_map_get(&world_status(w)->container_statuses.v[0].allocated_resources, "cpu");
}

#define SUMMARY(cpu)                                                                      \
    "{\"containers\":[{\"name\":\"app\",\"resources\":{\"limits\":{\"cpu\":\"" cpu "\"}," \
    "\"requests\":{\"cpu\":\"" cpu "\"}}}],\"generation\":2"

static void a_granted_change_is_in_progress_until_the_cgroup_has_it(void **state _unused_)
{
    World w = {0};

    begin_running(&w, IN_PLACE("1"));
    assert_string_equal(limit(&w), "1");
    grant(&w, IN_PLACE("2"));
    world_expect(&w, "resize ");
    world_expect_events(&w, "pod Normal ResizeStarted: Pod resize started: " SUMMARY("2") "}\n");
    assert_non_null(progress(&w));
    assert_int_equal(progress(&w)->observed_generation, 2);
    assert_string_equal(limit(&w), "1"); /* what it has */
    assert_string_equal(allocated(&w), "2");
    carry_out(&w);
    world_expect(&w, "");
    world_expect_events(&w,
                        "pod Normal ResizeCompleted: Pod resize completed: " SUMMARY("2") "}\n");
    assert_null(progress(&w));
    assert_string_equal(limit(&w), "2");
    world_end(&w);
}

static void a_change_that_fails_says_why_and_stays_in_progress(void **state _unused_)
{
    World w = {0};

    begin_running(&w, IN_PLACE("1"));
    grant(&w, IN_PLACE("2"));
    world_expect(&w, "resize ");
    strbuf_truncate(&w.events, 0);
    machine_resized(w.machine, "no");
    machine_resized(w.machine, "no"); /* the owner has tried again */
    world_expect(&w, "");
    world_expect_events(
        &w, "pod Warning ResizeError: Pod resize error: " SUMMARY("2") ",\"error\":\"no\"}\n");
    assert_string_equal(progress(&w)->reason, "Error");
    assert_string_equal(progress(&w)->message, "no");
    carry_out(&w);
    assert_null(progress(&w));
    world_end(&w);
}

static void a_newer_grant_is_carried_out_although_an_older_one_fails(void **state _unused_)
{
    World w = {0};

    begin_running(&w, IN_PLACE("1"));
    grant(&w, IN_PLACE("2"));
    machine_resized(w.machine, "no");
    grant(&w, IN_PLACE("3"));
    world_expect(&w, "resize resize ");
    assert_null(progress(&w)->reason);
    carry_out(&w);
    assert_string_equal(limit(&w), "3");
    world_end(&w);
}

static void a_container_is_restarted_if_its_policy_asks_for_it(void **state _unused_)
{
    World w = {0};

    begin_running(&w, BY_RESTART("1"));
    grant(&w, BY_RESTART("2"));
    assert_true(strstr(strbuf_string(&w.events), "Container app resize requires restart") != NULL);
    assert_true(strstr(strbuf_string(&w.log), "term0 ") != NULL);
    assert_non_null(progress(&w));
    world_exited(&w, 0, 137);
    assert_true(strstr(strbuf_string(&w.log), "start0.1 ") !=
                NULL); /* at once, whatever the code */
    start(&w, 0);
    machine_resized(w.machine, NULL);
    assert_null(progress(&w));
    assert_string_equal(limit(&w), "2");
    assert_int_equal(world_status(&w)->container_statuses.v[0].restart_count, 1);
    world_end(&w);
}

static void a_policy_of_another_resource_does_not_restart(void **state _unused_)
{
    World w = {0};

    begin_running(&w, SIZED("1", ",\"resizePolicy\":[{\"resourceName\":\"memory\","
                                 "\"restartPolicy\":\"RestartContainer\"}]"));
    grant(&w, SIZED("2", ",\"resizePolicy\":[{\"resourceName\":\"memory\","
                         "\"restartPolicy\":\"RestartContainer\"}]"));
    world_expect(&w, "resize ");
    world_end(&w);
}

static void a_change_during_a_start_is_carried_out_once_the_container_runs(void **state _unused_)
{
    World w = {0};

    world_begin(&w, IN_PLACE("1"));
    machine_prepared(w.machine, "10.42.0.2");
    machine_resources_applied(w.machine, 0, &machine_container(w.machine, 0)->resources);
    grant(&w, IN_PLACE("2"));
    world_expect(&w, "prepare start0.0 resize "); /* the pod's own cgroup */
    machine_resized(w.machine, NULL);
    assert_non_null(progress(&w));
    machine_created(w.machine, 0, "id", "i", "sha256:1");
    machine_started(w.machine, 0, clock_wall_ns(w.clock));
    world_expect(&w, "resize ");
    assert_string_equal(limit(&w), "1");
    carry_out(&w);
    assert_null(progress(&w));
    assert_string_equal(limit(&w), "2");
    world_end(&w);
}

static void a_change_that_has_to_wait_says_so_once_for_each_version(void **state _unused_)
{
    World w = {0};
    Object *asked = world_pod(IN_PLACE("9"));

    begin_running(&w, IN_PLACE("1"));
    ((Pod *)asked->value)->metadata.generation = 2;
    machine_resize_wait(w.machine, asked->value, false, "no room");
    machine_resize_wait(w.machine, asked->value, false, "still no room");
    world_expect_events(&w, "pod Warning ResizeDeferred: Pod resize Deferred: " SUMMARY(
                                "9") ",\"error\":\"no room\"}\n");
    assert_string_equal(pending(&w)->reason, "Deferred");
    assert_string_equal(pending(&w)->message, "still no room");
    assert_int_equal(pending(&w)->observed_generation, 2);
    machine_resize_wait(w.machine, asked->value, true, "never");
    assert_string_equal(pending(&w)->reason, "Infeasible");
    assert_true(
        strstr(strbuf_string(&w.events), "Warning ResizeInfeasible: Pod resize Infeasible"));
    machine_resize_settle(w.machine);
    assert_null(pending(&w));
    world_expect(&w, "");
    object_unref(asked);
    world_end(&w);
}

static void a_restarted_server_goes_on_where_it_was(void **state _unused_)
{
    PodCondition conditions[] = {
        {.type = "PodResizePending", .reason = "Deferred", .observed_generation = 3},
        {.type = "PodResizeInProgress", .observed_generation = 2},
    };
    World w = {.clock = clock_new_fake(INT64_C(1700000000) * NS_PER_SEC)};
    Object *old = world_pod(IN_PLACE("1"));

    w.pod = world_pod(IN_PLACE("2"));
    w.machine = machine_new(w.pod, w.clock, &world_ops, &w);
    machine_restore_running(w.machine, 0, 0, "id", 1, true, true);
    machine_resources_applied(w.machine, 0, &((Pod *)old->value)->spec.containers.v[0].resources);
    machine_restore_resize(w.machine, &(PodConditionArray){.v = conditions, .n = 2});
    machine_run(w.machine);
    assert_int_equal(progress(&w)->observed_generation, 2);
    assert_int_equal(pending(&w)->observed_generation, 3);
    assert_true(machine_resize_state(w.machine).deferred);
    machine_prepared(w.machine, "10.42.0.2");
    world_expect(&w, "prepare resize ");
    carry_out(&w);
    assert_null(progress(&w));
    assert_non_null(pending(&w));
    object_unref(old);
    world_end(&w);
}

static void a_crash_before_the_condition_was_written_is_no_loss(void **state _unused_)
{
    World w = {.clock = clock_new_fake(INT64_C(1700000000) * NS_PER_SEC)};
    Object *old = world_pod(IN_PLACE("1"));

    w.pod = world_pod(IN_PLACE("2"));
    w.machine = machine_new(w.pod, w.clock, &world_ops, &w);
    machine_restore_running(w.machine, 0, 0, "id", 1, true, true);
    machine_resources_applied(w.machine, 0, &((Pod *)old->value)->spec.containers.v[0].resources);
    machine_run(w.machine);
    machine_prepared(w.machine, "10.42.0.2");
    world_expect(&w, "prepare resize ");
    assert_non_null(progress(&w));
    object_unref(old);
    world_end(&w);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_granted_change_is_in_progress_until_the_cgroup_has_it),
        cmocka_unit_test(a_change_that_fails_says_why_and_stays_in_progress),
        cmocka_unit_test(a_newer_grant_is_carried_out_although_an_older_one_fails),
        cmocka_unit_test(a_container_is_restarted_if_its_policy_asks_for_it),
        cmocka_unit_test(a_policy_of_another_resource_does_not_restart),
        cmocka_unit_test(a_change_during_a_start_is_carried_out_once_the_container_runs),
        cmocka_unit_test(a_change_that_has_to_wait_says_so_once_for_each_version),
        cmocka_unit_test(a_restarted_server_goes_on_where_it_was),
        cmocka_unit_test(a_crash_before_the_condition_was_written_is_no_loss),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
