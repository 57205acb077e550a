/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of a StatefulSet's plan, one sentence each; see plan_world.h for how worlds are
 * written. */
#include "api/schema/apps_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_volume_v1.h"
#include "plan_world.h"

typedef struct Case {
    const char *name;
    int32_t replicas;
    const char *pods;
    const char *plan; /* expected */
    char letter;      /* the template now; 'A' if 0 */
    bool parallel, on_delete;
    int32_t start, partition, max_unavailable;
    const char *max_percent;
    int32_t min_ready;
} Case;

static const Case CASES[] = {
    /* start */
    {"an_empty_ordered_set_creates_pod_0_alone", 3, "", "create:web-0@A"},
    {"pod_1_waits_until_pod_0_is_ready", 3, "0A!", ""},
    {"pod_1_waits_while_pod_0_is_pending", 3, "0Ap", ""},
    {"pod_1_waits_while_pod_0_terminates", 3, "0At", ""},
    {"pod_1_follows_when_pod_0_is_ready", 3, "0A+", "create:web-1@A"},
    {"a_complete_set_is_left_alone", 3, "0A+ 1A+ 2A+", ""},
    {"a_parallel_set_creates_all_at_once", 3, "", "create:web-0@A create:web-1@A create:web-2@A",
     .parallel = true},
    {"a_parallel_set_does_not_wait_for_readiness", 3, "0A! 2A!", "create:web-1@A",
     .parallel = true},
    {"a_parallel_set_does_not_create_over_a_terminating_pod", 2, "0A+ 1At", "", .parallel = true},
    {"a_set_of_no_replicas_does_nothing", 0, "", ""},
    /* gaps and failures */
    {"a_lost_pod_in_the_middle_is_created_again", 3, "0A+ 2A+", "create:web-1@A"},
    {"a_lost_pod_waits_for_the_pods_below", 3, "0A- 2A+", ""},
    {"a_failed_pod_is_deleted", 2, "0A+ 1Af", "delete:web-1"},
    {"a_succeeded_pod_is_deleted_too", 2, "0As 1A+", "delete:web-0"},
    {"an_ordered_set_replaces_the_lowest_failed_pod_first", 2, "0Af 1Af", "delete:web-0"},
    {"a_parallel_set_replaces_all_failed_pods", 2, "0Af 1As", "delete:web-0 delete:web-1",
     .parallel = true},
    /* ordinals.start */
    {"ordinals_begin_at_start", 2, "", "create:web-5@A", .start = 5},
    {"ordinals_end_at_start_plus_replicas", 2, "5A+ 6A+", "", .start = 5},
    {"pods_below_start_are_condemned", 2, "0A+ 1A+ 2A+", "delete:web-0", .start = 1},
    /* scale down */
    {"the_highest_pod_goes_first", 1, "0A+ 1A+ 2A+", "delete:web-2"},
    {"the_next_one_waits_until_the_highest_is_gone", 1, "0A+ 1A+ 2At", ""},
    {"nothing_is_dismissed_while_a_replica_is_not_ready", 2, "0A- 1A+ 2A+", ""},
    {"the_lowest_unhealthy_condemned_pod_holds_up_those_above", 1, "0A+ 1A- 2A-", ""},
    {"the_only_unhealthy_condemned_pod_may_go", 1, "0A+ 1A-", "delete:web-1"},
    {"a_condemned_pod_that_never_came_up_may_go", 1, "0A+ 1A! 2A!", "delete:web-2"},
    {"a_condemned_pod_that_has_ended_may_go", 1, "0A+ 1A- 2Af", "delete:web-2"},
    {"a_parallel_set_dismisses_all_at_once", 0, "0A+ 1A- 2At", "delete:web-0 delete:web-1",
     .parallel = true},
    {"scaling_down_comes_before_updating", 1, "0A+ 1A+", "delete:web-1", .letter = 'B'},
    /* rolling update */
    {"an_update_begins_with_the_highest_pod", 3, "0A+ 1A+ 2A+", "delete:web-2", .letter = 'B'},
    {"a_deleted_pod_comes_back_updated", 3, "0A+ 1A+", "create:web-2@B", .letter = 'B'},
    {"the_update_waits_for_the_updated_pod", 3, "0A+ 1A+ 2B!", "", .letter = 'B'},
    {"the_update_goes_on_downwards", 3, "0A+ 1A+ 2B+", "delete:web-1", .letter = 'B'},
    {"an_updated_set_is_left_alone", 3, "0B+ 1B+ 2B+", "", .letter = 'B'},
    {"any_lost_pod_comes_back_updated_without_partition", 3, "1A+ 2A+", "create:web-0@B",
     .letter = 'B'},
    {"the_update_stops_at_the_partition", 3, "0A+ 1A+ 2B+", "", .letter = 'B', .partition = 2},
    {"a_lost_pod_below_the_partition_comes_back_as_it_was", 3, "1A+ 2B+", "create:web-0@A",
     .letter = 'B', .partition = 2},
    {"a_lost_pod_above_the_partition_comes_back_updated", 3, "0A+ 1A+", "create:web-2@B",
     .letter = 'B', .partition = 2},
    {"the_partition_counts_from_the_first_ordinal", 3, "5A+ 6A+ 7A+", "delete:web-7", .letter = 'B',
     .start = 5, .partition = 2},
    {"pods_updated_below_the_partition_stay", 3, "0B+ 1A+ 2B+", "", .letter = 'B', .partition = 2},
    {"on_delete_replaces_nothing", 3, "0A+ 1A+ 2A+", "", .letter = 'B', .on_delete = true},
    {"on_delete_makes_new_pods_of_the_new_template", 3, "0A+ 1A+", "create:web-2@B", .letter = 'B',
     .on_delete = true},
    /* maxUnavailable */
    {"max_unavailable_2_takes_two_at_once", 4, "0A+ 1A+ 2A+ 3A+", "delete:web-2 delete:web-3",
     .letter = 'B', .max_unavailable = 2},
    {"max_unavailable_is_rounded_up", 5, "0A+ 1A+ 2A+ 3A+ 4A+", "delete:web-3 delete:web-4",
     .letter = 'B', .max_percent = "21%"},
    {"max_unavailable_is_never_0", 2, "0A+ 1A+", "delete:web-1", .letter = 'B',
     .max_percent = "0%"},
    {"an_updated_pod_that_is_not_ready_uses_the_budget", 3, "0A+ 1A+ 2B!", "", .letter = 'B',
     .parallel = true},
    {"a_terminating_pod_uses_the_budget", 3, "0A+ 1A+ 2At", "", .letter = 'B', .parallel = true},
    {"broken_old_pods_do_not_use_up_the_budget", 3, "0A- 1A- 2A-",
     "delete:web-0 delete:web-1 delete:web-2", .letter = 'B', .parallel = true},
    {"but_those_that_replace_them_do", 3, "0A- 1B! 2A+", "delete:web-0", .letter = 'B',
     .parallel = true, .max_unavailable = 2},
    {"what_the_broken_ones_leave_of_the_budget_is_used", 4, "0A- 1A+ 2A+ 3A+",
     "delete:web-0 delete:web-3", .letter = 'B', .parallel = true, .max_unavailable = 2},
    {"a_missing_pod_uses_the_budget", 3, "0A+ 2A+", "create:web-1@B", .letter = 'B',
     .parallel = true},
    {"broken_old_pods_are_updated_before_healthy_ones", 3, "0A! 1A+ 2A+", "delete:web-0",
     .letter = 'B', .parallel = true},
    {"a_broken_pod_below_the_partition_does_not_stop_the_update", 3, "0A! 1A+ 2A+", "delete:web-2",
     .letter = 'B', .parallel = true, .partition = 1},
    /* self-healing */
    {"a_pod_of_a_bad_revision_is_replaced_when_the_template_is_fixed", 3, "0A+ 1A+ 2B!",
     "delete:web-2", .letter = 'C'},
    {"a_pending_pod_of_a_bad_revision_is_replaced", 3, "0A+ 1A+ 2Bp", "delete:web-2",
     .letter = 'C'},
    {"a_crash_looping_pod_of_a_bad_revision_is_replaced", 3, "0A+ 1A+ 2Bc", "delete:web-2",
     .letter = 'C'},
    {"a_pod_that_lost_its_readiness_is_waited_for", 3, "0A+ 1A+ 2B-", "", .letter = 'C'},
    {"a_bad_first_revision_is_replaced", 3, "0A!", "delete:web-0", .letter = 'B'},
    {"a_stuck_pod_below_the_partition_stays", 3, "0A!", "", .letter = 'B', .partition = 1},
    {"a_stuck_pod_stays_under_on_delete", 3, "0A!", "", .letter = 'B', .on_delete = true},
    /* minReadySeconds: pods are ready for 90 s */
    {"pod_1_waits_until_pod_0_is_available", 3, "0A+", "", .min_ready = 100},
    {"pod_1_follows_when_pod_0_is_available", 3, "0A+", "create:web-1@A", .min_ready = 90},
    {"the_update_waits_for_availability", 2, "0A+ 1B+", "", .letter = 'B', .min_ready = 100},
};

static void run_case(void **state)
{
    const Case *c = *state;
    RollingUpdateStatefulSetStrategy *rolling;
    World world;

    world_init(&world, c->replicas, c->letter ? c->letter : 'A');
    rolling = world.set.spec.update_strategy.rolling_update;
    if (c->parallel)
        world.set.spec.pod_management_policy = "Parallel";
    if (c->on_delete) {
        world.set.spec.update_strategy.type = "OnDelete";
        world.set.spec.update_strategy.rolling_update = NULL;
    }
    if (c->start) {
        world.set.spec.ordinals = arena_new(&world.arena, StatefulSetOrdinals);
        world.set.spec.ordinals->start = c->start;
    }
    rolling->partition = arena_int32(&world.arena, c->partition);
    if (c->max_unavailable || c->max_percent) {
        rolling->max_unavailable = arena_new(&world.arena, IntOrString);
        *rolling->max_unavailable =
            (IntOrString){!!c->max_percent, c->max_unavailable, c->max_percent};
    }
    world.set.spec.min_ready_seconds = c->min_ready;
    world_add_pods(&world, c->pods);
    assert_string_equal(world_plan(&world), c->plan);
    world_deinit(&world);
}

/* ---- what needs more than a line ---- */

static void a_new_pod_has_the_identity_of_its_ordinal(void **state)
{
    World world;
    const Pod *pod;

    world_init(&world, 3, 'A');
    world_add_template(&world, "data");
    world_add_pods(&world, "0A+");
    assert_string_equal(world_plan(&world), "claim:data-web-0 claim:data-web-1 create:web-1@A");
    pod = world.plan.v[2].value;
    assert_string_equal(pod->metadata.generate_name, "web-");
    assert_string_equal(pod->spec.hostname, "web-1");
    assert_string_equal(pod->spec.subdomain, "web-svc");
    assert_string_equal(string_map_get(&pod->metadata.labels, "apps.kubernetes.io/pod-index"), "1");
    assert_string_equal(string_map_get(&pod->metadata.labels, "statefulset.kubernetes.io/pod-name"),
                        "web-1");
    assert_string_equal(string_map_get(&pod->metadata.labels, "controller-revision-hash"),
                        world.revisions[0]);
    assert_string_equal(string_map_get(&pod->metadata.labels, "app"), "web");
    assert_string_equal(pod->spec.volumes.v[0].name, "data");
    assert_string_equal(pod->spec.volumes.v[0].volume_source.persistent_volume_claim->claim_name,
                        "data-web-1");
    assert_string_equal(meta_controller(&pod->metadata)->uid, "set-uid");
    world_deinit(&world);
}

static void a_claim_replaces_the_templates_volume_of_its_name(void **state)
{
    World world;
    const Pod *pod;
    VolumeArray *volumes;

    world_init(&world, 1, 'A');
    volumes = &world.set.spec.template.spec.volumes;
    volumes->v = arena_new_n(&world.arena, Volume, 2);
    volumes->n = 2;
    volumes->v[0].name = "data";
    volumes->v[0].volume_source.empty_dir = arena_new(&world.arena, EmptyDirVolumeSource);
    volumes->v[1].name = "tmp";
    volumes->v[1].volume_source.empty_dir = arena_new(&world.arena, EmptyDirVolumeSource);
    world_add_template(&world, "data");
    pod = statefulset_new_pod(&world.arena, &world.set, &world.set.spec.template, "r", 0);
    assert_int_equal(pod->spec.volumes.n, 2);
    assert_non_null(pod->spec.volumes.v[0].volume_source.persistent_volume_claim);
    assert_string_equal(pod->spec.volumes.v[1].name, "tmp");
    world_deinit(&world);
}

static void a_missing_claim_of_a_pending_pod_is_made_again(void **state)
{
    World world;

    world_init(&world, 1, 'A');
    world_add_template(&world, "data");
    world_add_pods(&world, "0Ap");
    assert_string_equal(world_plan(&world), "claim:data-web-0");
    world_deinit(&world);
}

static void a_pod_waits_while_its_claim_is_being_deleted(void **state)
{
    World world;

    world_init(&world, 1, 'A');
    world_add_template(&world, "data");
    world_add_claim(&world, 0)->metadata.deletion_timestamp.set = true;
    assert_string_equal(world_plan(&world), "");
    assert_string_equal(world.plan.wait.message,
                        "waiting for pod web-0 whose old volume claim has yet to go");
    world_deinit(&world);
}

static void existing_claims_are_taken_up(void **state)
{
    World world;

    world_init(&world, 1, 'A');
    world_add_template(&world, "data");
    world_add_claim(&world, 0);
    assert_string_equal(world_plan(&world), "create:web-0@A");
    world_deinit(&world);
}

static void a_matching_orphan_is_adopted_before_anything_else(void **state)
{
    World world;
    Pod *pod;

    world_init(&world, 3, 'A');
    pod = world_add_pod(&world, 0, 'A', '+');
    pod->metadata.owner_references.n = 0;
    assert_string_equal(world_plan(&world), "adopt:web-0");
    assert_string_equal(meta_controller(world.plan.v[0].value)->uid, "set-uid");
    assert_false(world.plan.status_changed);
    world_deinit(&world);
}

static void a_terminating_orphan_is_not_adopted(void **state)
{
    World world;
    Pod *pod;

    world_init(&world, 1, 'A');
    pod = world_add_pod(&world, 0, 'A', 't');
    pod->metadata.owner_references.n = 0;
    /* The name is taken: the creation is refused and tried again. */
    assert_string_equal(world_plan(&world), "create:web-0@A");
    world_deinit(&world);
}

static void a_pod_that_matches_no_more_is_released(void **state)
{
    World world;
    Pod *pod;

    world_init(&world, 1, 'A');
    pod = world_add_pod(&world, 0, 'A', '+');
    string_map_put(&world.arena, &pod->metadata.labels, "app", "other");
    assert_string_equal(world_plan(&world), "release:web-0");
    assert_null(meta_controller(world.plan.v[0].value));
    world_deinit(&world);
}

static void another_controllers_pod_is_left_alone(void **state)
{
    World world;
    Pod *pod;

    world_init(&world, 1, 'A');
    pod = world_add_pod(&world, 1, 'A', '+');
    pod->metadata.owner_references.v[0].uid = "another";
    assert_string_equal(world_plan(&world), "create:web-0@A");
    world_deinit(&world);
}

static void a_lost_identity_label_is_put_back(void **state)
{
    World world;
    Pod *pod;

    world_init(&world, 1, 'A');
    pod = world_add_pod(&world, 0, 'A', '+');
    string_map_remove(&pod->metadata.labels, POD_NAME_LABEL);
    assert_string_equal(world_plan(&world), "fix:web-0");
    world_deinit(&world);
}

static void a_set_that_is_being_deleted_only_counts(void **state)
{
    World world;

    world_init(&world, 3, 'B');
    world.set.metadata.deletion_timestamp.set = true;
    world_add_pods(&world, "0A+ 1A-");
    assert_string_equal(world_plan(&world), "");
    assert_int_equal(world.plan.status.replicas, 2);
    assert_int_equal(world.plan.status.ready_replicas, 1);
    world_deinit(&world);
}

static void the_status_counts_pods_by_state_and_revision(void **state)
{
    World world;

    world_init(&world, 5, 'B');
    world.set.metadata.generation = 7;
    world.set.spec.min_ready_seconds = 95;
    world_add_pods(&world, "0A+ 1A- 2A+ 3B+ 4Bt");
    world_plan(&world);
    assert_int_equal(world.plan.status.observed_generation, 7);
    assert_int_equal(world.plan.status.replicas, 5);
    assert_int_equal(world.plan.status.ready_replicas, 4);
    assert_int_equal(world.plan.status.available_replicas, 0);
    assert_int_equal(world.plan.status.current_replicas, 3);
    assert_int_equal(world.plan.status.updated_replicas, 1);
    assert_string_equal(world.plan.status.current_revision, world.revisions[0]);
    assert_string_equal(world.plan.status.update_revision, world.revisions[1]);
    assert_int_equal(*world.plan.status.collision_count, 0);
    assert_true(world.plan.status_changed);
    /* Ready for 90 s of 95. */
    assert_int_equal(world.plan.again_after_ns, INT64_C(5000000000));
    world_deinit(&world);
}

static void a_complete_rollout_makes_its_revision_the_current_one(void **state)
{
    World world;

    world_init(&world, 2, 'B');
    world_add_pods(&world, "0B+ 1B+");
    world_plan(&world);
    assert_string_equal(world.plan.status.current_revision, world.revisions[1]);
    assert_int_equal(world.plan.status.current_replicas, 2);
    world_deinit(&world);
}

static void the_same_status_is_not_written_again(void **state)
{
    World world;

    world_init(&world, 1, 'A');
    world_add_pods(&world, "0A+");
    world_plan(&world);
    assert_true(world.plan.status_changed);
    world.set.status = world.plan.status;
    world_plan(&world);
    assert_false(world.plan.status_changed);
    world_deinit(&world);
}

static void a_new_set_makes_its_first_revision(void **state)
{
    World world;

    world_init(&world, 1, 'A');
    world.input.n_revisions = 0;
    world.set.status.current_revision = NULL;
    world_plan(&world);
    assert_int_equal(world.plan.v[0].type, PLAN_CREATE_REVISION);
    assert_int_equal(((const ControllerRevision *)world.plan.v[0].value)->revision, 1);
    assert_string_equal(world.plan.status.update_revision, world.plan.status.current_revision);
    world_deinit(&world);
}

static void going_back_takes_up_the_old_revision_under_a_new_number(void **state)
{
    World world;

    world_init(&world, 1, 'C');
    world_template(&world, 'A');
    world_add_pods(&world, "0C+");
    world_plan(&world);
    assert_int_equal(world.plan.v[0].type, PLAN_UPDATE_REVISION);
    assert_int_equal(((const ControllerRevision *)world.plan.v[0].value)->revision, 4);
    assert_string_equal(world.plan.status.update_revision, world.revisions[0]);
    world_deinit(&world);
}

static void the_oldest_spare_revisions_are_forgotten(void **state)
{
    World world;

    world_init(&world, 1, 'C');
    world.set.status.current_revision = world.revisions[2];
    world.set.spec.revision_history_limit = arena_int32(&world.arena, 1);
    world_add_pods(&world, "0C+");
    assert_string_equal(world_plan(&world),
                        arena_printf(&world.arena, "forget:%s", world.revisions[0]));
    world_deinit(&world);
}

static void a_revision_that_a_pod_names_is_kept(void **state)
{
    World world;

    world_init(&world, 2, 'C');
    world.set.status.current_revision = world.revisions[2];
    world.set.spec.update_strategy.type = "OnDelete";
    world.set.spec.revision_history_limit = arena_int32(&world.arena, 0);
    world_add_pods(&world, "0A+ 1C+");
    assert_string_equal(world_plan(&world),
                        arena_printf(&world.arena, "forget:%s", world.revisions[1]));
    world_deinit(&world);
}

static void a_huge_set_is_created_in_portions(void **state)
{
    World world;

    world_init(&world, 1000000000, 'A');
    world.set.spec.pod_management_policy = "Parallel";
    world_add_pods(&world, "700Af");
    world_plan(&world);
    assert_int_equal(world.plan.n, PLAN_CREATIONS_MAX + 1);
    assert_int_equal(world.plan.again_after_ns, 0);
    world_deinit(&world);
}

static void names_of_pods_have_canonical_ordinals(void **state)
{
    assert_int_equal(statefulset_ordinal("web", "web-0"), 0);
    assert_int_equal(statefulset_ordinal("web", "web-12"), 12);
    assert_true(statefulset_ordinal("web", "web-012") < 0);
    assert_true(statefulset_ordinal("web", "web-") < 0);
    assert_true(statefulset_ordinal("web", "web-1a") < 0);
    assert_true(statefulset_ordinal("web", "web-99999999999") < 0);
    assert_true(statefulset_ordinal("web", "web-a-0") < 0);
    assert_true(statefulset_ordinal("web", "webs-0") < 0);
    assert_true(statefulset_ordinal("web", "we") < 0);
}

int main(void)
{
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(a_new_pod_has_the_identity_of_its_ordinal),
        cmocka_unit_test(a_claim_replaces_the_templates_volume_of_its_name),
        cmocka_unit_test(a_missing_claim_of_a_pending_pod_is_made_again),
        cmocka_unit_test(a_pod_waits_while_its_claim_is_being_deleted),
        cmocka_unit_test(existing_claims_are_taken_up),
        cmocka_unit_test(a_matching_orphan_is_adopted_before_anything_else),
        cmocka_unit_test(a_terminating_orphan_is_not_adopted),
        cmocka_unit_test(a_pod_that_matches_no_more_is_released),
        cmocka_unit_test(another_controllers_pod_is_left_alone),
        cmocka_unit_test(a_lost_identity_label_is_put_back),
        cmocka_unit_test(a_set_that_is_being_deleted_only_counts),
        cmocka_unit_test(the_status_counts_pods_by_state_and_revision),
        cmocka_unit_test(a_complete_rollout_makes_its_revision_the_current_one),
        cmocka_unit_test(the_same_status_is_not_written_again),
        cmocka_unit_test(a_new_set_makes_its_first_revision),
        cmocka_unit_test(going_back_takes_up_the_old_revision_under_a_new_number),
        cmocka_unit_test(the_oldest_spare_revisions_are_forgotten),
        cmocka_unit_test(a_revision_that_a_pod_names_is_kept),
        cmocka_unit_test(a_huge_set_is_created_in_portions),
        cmocka_unit_test(names_of_pods_have_canonical_ordinals),
    };
    struct CMUnitTest cases[ARRAY_LEN(CASES)];

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        cases[i] =
            (struct CMUnitTest){CASES[i].name, run_case, NULL, NULL, (void *)(uintptr_t)&CASES[i]};
    return test_run_group("rules", cases, ARRAY_LEN(cases), NULL, NULL) +
           cmocka_run_group_tests_name("plan", others, NULL, NULL);
}
