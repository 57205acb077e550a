/* SPDX-License-Identifier: Apache-2.0 */
/* What stead adds to StatefulSets: Recreate, reserved and paused ordinals, claims that follow their
 * templates, and conditions. Each row is one sentence; see plan_world.h for how worlds are written. */
#include "api/condition.h"
#include "api/meta.h"
#include "plan_world.h"

typedef struct Case {
    const char *name;
    int32_t replicas;
    const char *pods;
    const char *plan; /* expected */
    /* Expected conditions, such as "True PodNotReady"; NULL: any. */
    const char *progressing, *available;
    const char *message; /* of Progressing; NULL: any */
    char letter;         /* the template now; 'A' if 0 */
    const char *reserved, *paused;
    bool parallel, on_delete, recreate, recreate_annotation, deletes_when_scaled, claims;
    int32_t start, partition, max_unavailable, min_ready;
    const char *was; /* the reason of the condition Progressing before */
} Case;

static const Case CASES[] = {
    /* Recreate */
    {"recreate_deletes_all_old_pods_at_once", 3, "0A+ 1A+ 2A!",
     "delete:web-0 delete:web-1 delete:web-2", "True RecreateInProgress",
     "False RecreateInProgress", "Deleting old revision pods", .letter = 'B', .recreate = true},
    {"recreate_creates_nothing_while_old_pods_terminate", 3, "1At", "", "True RecreateInProgress",
     .letter = 'B', .recreate = true},
    {"recreate_lets_new_pods_wait_for_the_last_old_one", 3, "0B+ 2At", "",
     "True RecreateInProgress", .letter = 'B', .recreate = true},
    {"recreate_begins_again_with_pod_0", 3, "", "create:web-0@B", "True RecreateInProgress",
     .message = "Waiting for new-revision pods to be created: waiting for pod web-0 to start",
     .letter = 'B', .recreate = true},
    {"recreate_keeps_the_order_of_an_ordered_set", 3, "0B!", "", "True RecreateInProgress",
     .letter = 'B', .recreate = true},
    {"recreate_creates_all_pods_of_a_parallel_set", 2, "", "create:web-0@B create:web-1@B",
     .letter = 'B', .recreate = true, .parallel = true},
    {"recreate_deletes_condemned_pods_in_any_order", 1, "0A+ 1A- 2A-",
     "delete:web-0 delete:web-1 delete:web-2", .letter = 'B', .recreate = true},
    {"recreate_waits_for_condemned_old_pods", 1, "2At", "", .letter = 'B', .recreate = true},
    {"recreate_leaves_updated_pods_alone", 2, "0B+ 1A+", "delete:web-1", .letter = 'B',
     .recreate = true},
    {"recreate_replaces_nothing_without_a_change", 2, "0A+ 1A+", "", "False Complete",
     "True AllReplicasAvailable", .recreate = true},
    {"recreate_replaces_an_ended_pod", 2, "0B+ 1Bf", "delete:web-1", .letter = 'B',
     .recreate = true},
    {"a_finished_recreate_says_so", 2, "0B+ 1B+", "", "False RecreateCompleted",
     "True AllReplicasAvailable", "All pods recreated successfully", .letter = 'B',
     .recreate = true, .was = "RecreateInProgress"},
    {"a_finished_recreate_is_remembered", 2, "0B+ 1B+", "", "False RecreateCompleted",
     .letter = 'B', .recreate = true, .was = "RecreateCompleted"},
    {"another_strategy_forgets_it", 2, "0B+ 1B+", "", "False Complete", .letter = 'B',
     .was = "RecreateCompleted"},
    {"a_scaled_recreate_set_is_not_recreated", 3, "0A+ 1A+", "create:web-2@A", "True PodStarting",
     .recreate = true},
    {"recreate_scales_down_in_order", 1, "0A+ 1A+ 2A+", "delete:web-2", .recreate = true},
    {"the_annotation_recreates_like_the_field", 2, "0A+ 1A+", "delete:web-0 delete:web-1",
     .letter = 'B', .recreate_annotation = true},
    {"the_annotation_overrides_the_partition", 2, "0A+ 1A+", "delete:web-0 delete:web-1",
     .letter = 'B', .recreate_annotation = true, .partition = 2},
    {"the_annotation_overrides_on_delete", 2, "0A+ 1A+", "delete:web-0 delete:web-1", .letter = 'B',
     .recreate_annotation = true, .on_delete = true},
    {"a_paused_old_pod_holds_up_recreate", 3, "0A+ 1A+ 2A+", "", "False PodPaused",
     "True AllReplicasAvailable", .letter = 'B', .recreate = true, .paused = "1"},
    {"lost_pods_come_back_as_they_were_meanwhile", 3, "1A+ 2A+", "create:web-0@A", .letter = 'B',
     .recreate = true, .paused = "1"},
    {"a_stuck_pod_stays_meanwhile", 3, "0A! 1A+", "", .letter = 'B', .recreate = true,
     .paused = "1"},
    {"a_paused_updated_pod_does_not_hold_up_recreate", 3, "0A+ 1B+ 2A+",
     "delete:web-0 delete:web-2", .letter = 'B', .recreate = true, .paused = "1"},
    {"reserved_old_pods_go_with_recreate", 2, "0A+ 1A+ 2A+",
     "delete:web-0 delete:web-1 delete:web-2", .letter = 'B', .recreate = true, .reserved = "1"},
    {"recreate_waits_for_a_reserved_old_pod", 2, "1At", "", .letter = 'B', .recreate = true,
     .reserved = "1"},

    /* reserved ordinals */
    {"a_reserved_ordinal_gets_no_pod", 2, "0A+", "create:web-2@A", .reserved = "1"},
    {"replicas_counts_the_other_ordinals", 3, "0A+ 2A+", "create:web-3@A", .reserved = "1"},
    {"a_set_with_a_reserved_ordinal_is_complete", 2, "0A+ 2A+", "", "False Complete",
     "True AllReplicasAvailable", .reserved = "1"},
    {"a_reserved_pod_is_deleted", 2, "0A+ 1A+ 2A+", "delete:web-1", "True PodTerminating",
     "True AllReplicasAvailable", .reserved = "1"},
    {"a_reserved_pod_goes_even_if_others_are_not_ready", 2, "0A- 1A+ 2A+", "delete:web-1",
     .reserved = "1"},
    {"a_terminating_reserved_pod_is_not_deleted_again", 2, "0A+ 1At 2A+", "", .reserved = "1"},
    {"several_reserved_pods_go_at_once", 1, "0A+ 1A+ 2A+ 3A+",
     "delete:web-1 delete:web-2 delete:web-3", .reserved = "1-3"},
    {"the_pods_above_do_not_wait_for_a_reserved_one", 3, "0A+ 1At 2A+", "create:web-3@A",
     .reserved = "1"},
    {"an_ordered_set_is_not_scaled_down_meanwhile", 1, "0A+ 1At 2A+", "", .reserved = "1"},
    {"a_parallel_set_is", 1, "0A+ 1At 2A+", "delete:web-2", .reserved = "1", .parallel = true},
    {"an_ordered_set_is_not_updated_meanwhile", 2, "0A+ 1At 2A+", "", .letter = 'B',
     .reserved = "1"},
    {"scaling_down_skips_reserved_ordinals", 2, "0A+ 2A+ 3A+", "delete:web-3", .reserved = "1"},
    {"an_ordinal_that_is_free_again_gets_its_pod_back", 3, "0A+ 2A+ 3A+", "create:web-1@A"},
    {"the_first_ordinals_may_be_reserved", 2, "", "create:web-2@A", .reserved = "0-1"},
    {"ordinals_below_start_may_be_reserved_without_effect", 1, "", "create:web-5@A", .start = 5,
     .reserved = "1-3"},
    {"a_range_may_reach_below_start", 1, "", "create:web-7@A", .start = 5, .reserved = "1-6"},
    {"ordinals_beyond_the_end_may_be_reserved", 2, "0A+ 1A+", "", .reserved = "2-2147483647"},
    {"a_reserved_ordinal_does_not_shift_the_partition", 3, "0A+ 2A+ 3A+", "delete:web-3",
     .letter = 'B', .reserved = "1", .partition = 2},
    {"nor_does_it_let_a_pod_below_the_partition_be_updated", 3, "0A+ 2B+ 3B+", "",
     "False Partition", .letter = 'B', .reserved = "1", .partition = 2},
    {"a_reserved_ordinal_does_not_use_the_budget", 2, "0A+ 2A+", "delete:web-2", .letter = 'B',
     .reserved = "1", .parallel = true},
    {"the_claim_of_a_reserved_pod_stays_when_the_set_is_scaled", 1, "0A+ 1A+", "delete:web-1",
     .reserved = "1", .deletes_when_scaled = true, .claims = true},
    {"a_text_that_is_no_list_reserves_nothing", 2, "0A+", "create:web-1@A", .reserved = "one"},

    /* paused ordinals */
    {"a_paused_pod_is_not_updated", 3, "0A+ 1A+ 2A+", "delete:web-1", .letter = 'B', .paused = "2"},
    {"an_update_without_the_paused_pod_ends_there", 3, "0B+ 1B+ 2A+", "", "False PodPaused",
     "True AllReplicasAvailable", "waiting for pod web-2 to be updated, but it is paused",
     .letter = 'B', .paused = "2"},
    {"a_paused_pod_that_failed_stays", 2, "0A+ 1Af", "", "False PodPaused", "False PodPaused",
     .paused = "1"},
    {"a_paused_pod_that_is_gone_is_not_created", 2, "0A+", "", "False PodPaused", "False PodPaused",
     "waiting for pod web-1 to be available, but it is paused", .paused = "1"},
    {"the_pods_above_a_paused_one_are_created", 3, "0A+ 1A!", "create:web-2@A", .paused = "1"},
    {"they_come_back_as_well", 3, "1A- 2A+", "create:web-0@A", .paused = "1"},
    {"no_pod_is_updated_while_a_paused_one_is_not_available", 3, "0A+ 1A- 2A+", "",
     "False PodPaused", "False PodPaused", .letter = 'B', .paused = "1"},
    {"nor_in_a_parallel_set", 3, "0A+ 1A- 2A+", "", "False PodPaused", "False PodPaused",
     .letter = 'B', .paused = "1", .parallel = true},
    {"unless_the_budget_allows_it", 3, "0A+ 1A- 2A+", "delete:web-2", .letter = 'B', .paused = "1",
     .parallel = true, .max_unavailable = 2},
    {"a_missing_paused_pod_uses_the_budget", 3, "0A+ 2A+", "", .letter = 'B', .paused = "1",
     .parallel = true},
    {"an_ordered_set_is_not_scaled_down_while_a_paused_pod_is_not_available", 2, "0A+ 1A- 2A+", "",
     .paused = "1"},
    {"a_paused_condemned_pod_stays", 1, "0A+ 1A+ 2A+", "delete:web-1", .paused = "2"},
    {"a_paused_condemned_pod_does_not_hold_up_those_above", 1, "0A+ 1A- 2A-", "delete:web-2",
     .paused = "1"},
    {"the_set_says_what_it_keeps", 1, "0A+ 1A+", "", "False PodPaused", "True AllReplicasAvailable",
     "waiting for pod web-1 to be deleted, but it is paused", .paused = "1"},
    {"a_parallel_set_keeps_it_too", 0, "0A+ 1A+", "delete:web-0", .paused = "1", .parallel = true},
    {"a_paused_stuck_pod_is_not_replaced", 2, "0A+ 1A!", "", .letter = 'B', .paused = "1"},
    {"pausing_wins_over_reserving", 2, "0A+ 1A+ 2A+", "", .reserved = "1", .paused = "1"},
    {"a_paused_reserved_ordinal_gets_no_pod", 2, "0A+ 2A+", "", .reserved = "1", .paused = "1"},
    {"a_large_paused_range_is_no_work", 2, "0A+ 1A+", "", "False Complete",
     .paused = "0-2147483647"},
    {"paused_ordinals_below_start_have_no_effect", 1, "5A+", "delete:web-5", .letter = 'B',
     .start = 5, .paused = "0-4"},

    /* conditions */
    {"an_empty_set_is_complete", 0, "", "", "False Complete", "True AllReplicasAvailable",
     "All replicas are available and up to date"},
    {"a_starting_pod_is_named", 2, "", "create:web-0@A", "True PodStarting", "False PodStarting",
     "waiting for pod web-0 to start"},
    {"a_pod_that_is_not_ready_is_named", 2, "0A!", "", "True PodNotReady", "False PodNotReady",
     "waiting for pod web-0 to be ready"},
    {"in_a_parallel_set_as_well", 2, "0A+ 1A!", "", "True PodNotReady", "False PodNotReady",
     "waiting for pod web-1 to be ready", .parallel = true},
    {"the_lowest_one_in_fact", 2, "0A! 1A!", "", .message = "waiting for pod web-0 to be ready",
     .parallel = true},
    {"a_pod_that_is_not_available_yet_is_named", 2, "0A+ 1A+", "", "True PodNotAvailable",
     "False PodNotAvailable", .min_ready = 100},
    {"a_terminating_pod_is_named", 2, "0A+ 1At", "", "True PodTerminating", "False PodTerminating",
     "waiting for pod web-1 to terminate"},
    {"an_ended_pod_is_named", 1, "0Af", "delete:web-0", "True PodEnded", "False PodEnded"},
    {"a_stuck_pod_is_named", 1, "0A!", "delete:web-0", "True PodStuck", "False PodStuck",
     .letter = 'B'},
    {"a_pod_that_is_being_updated_is_named", 2, "0A+ 1A+", "delete:web-1", "True PodUpdating",
     "True AllReplicasAvailable", "waiting for pod web-1 to be updated", .letter = 'B'},
    {"the_partition_ends_an_update", 2, "0A+ 1B+", "", "False Partition",
     "True AllReplicasAvailable", .letter = 'B', .partition = 1},
    {"on_delete_waits_for_a_user", 2, "0A+ 1B+", "", "False OnDelete", "True AllReplicasAvailable",
     .letter = 'B', .on_delete = true},
    {"a_condemned_pod_does_not_make_the_set_unavailable", 1, "0A+ 1At", "", "True PodTerminating",
     "True AllReplicasAvailable"},
};

static void set_annotation(World *world, const char *key, const char *value)
{
    if (value)
        string_map_put(&world->arena, &world->set.metadata.annotations, key, value);
}

static void set_up(World *world, const Case *c)
{
    StatefulSetSpec *spec = &world->set.spec;

    world_init(world, c->replicas, c->letter ? c->letter : 'A');
    spec->pod_management_policy = c->parallel ? "Parallel" : "OrderedReady";
    spec->update_strategy.rolling_update->partition = arena_int32(&world->arena, c->partition);
    if (c->max_unavailable) {
        spec->update_strategy.rolling_update->max_unavailable =
            arena_new(&world->arena, IntOrString);
        spec->update_strategy.rolling_update->max_unavailable->number = c->max_unavailable;
    }
    if (c->on_delete || c->recreate)
        spec->update_strategy =
            (StatefulSetUpdateStrategy){.type = c->on_delete ? "OnDelete" : "Recreate"};
    if (c->start) {
        spec->ordinals = arena_new(&world->arena, StatefulSetOrdinals);
        spec->ordinals->start = c->start;
    }
    spec->min_ready_seconds = c->min_ready;
    set_annotation(world, SET_UPDATE_STRATEGY, c->recreate_annotation ? "Recreate" : NULL);
    set_annotation(world, SET_RESERVED_ORDINALS, c->reserved);
    set_annotation(world, SET_PAUSED_ORDINALS, c->paused);
    if (c->claims)
        world_add_template(world, "data");
    world_add_pods(world, c->pods);
    for (size_t i = 0; c->claims && i < world->input.n_pods; i++)
        world_add_claim(world, (int64_t)i);
    if (c->deletes_when_scaled) {
        spec->persistent_volume_claim_retention_policy =
            arena_new(&world->arena, StatefulSetPersistentVolumeClaimRetentionPolicy);
        spec->persistent_volume_claim_retention_policy->when_scaled = "Delete";
    }
    if (c->was) {
        world->set.status.conditions.v = arena_new(&world->arena, StatefulSetCondition);
        world->set.status.conditions.v[0] =
            (StatefulSetCondition){.type = "Progressing", .status = "True", .reason = c->was};
        world->set.status.conditions.n = 1;
    }
}

static void assert_condition(World *world, const char *type, const char *expected)
{
    const StatefulSetCondition *condition = CONDITION_FIND(&world->plan.status.conditions, type);

    assert_non_null(condition);
    if (expected)
        assert_string_equal(
            arena_printf(&world->arena, "%s %s", condition->status, condition->reason), expected);
}

static void run_case(void **state)
{
    const Case *c = *state;
    World world;

    set_up(&world, c);
    assert_string_equal(world_plan(&world), c->plan);
    assert_condition(&world, "Progressing", c->progressing);
    assert_condition(&world, "Available", c->available);
    if (c->message)
        assert_string_equal(CONDITION_FIND(&world.plan.status.conditions, "Progressing")->message,
                            c->message);
    world_deinit(&world);
}

/* ---- conditions: what needs more than a line ---- */

static const StatefulSetCondition *condition_of(const World *world, const char *type)
{
    return CONDITION_FIND(&world->plan.status.conditions, type);
}

static void a_condition_keeps_its_time_while_it_keeps_its_status(void **state)
{
    World world;
    int64_t later = (NOW_SECONDS + 60) * INT64_C(1000000000);

    world_init(&world, 2, 'A');
    world_add_pods(&world, "0A!");
    world_plan(&world);
    assert_int_equal(condition_of(&world, "Available")->last_transition_time.seconds, NOW_SECONDS);
    world.set.status = world.plan.status;
    world.input.now_ns = later;
    world_plan(&world);
    assert_false(world.plan.status_changed);

    world.set.spec.replicas = arena_int32(&world.arena, 0);
    world.input.n_pods = 0;
    world_plan(&world);
    assert_true(world.plan.status_changed);
    assert_int_equal(condition_of(&world, "Available")->last_transition_time.seconds,
                     NOW_SECONDS + 60);
    /* The conditions of the stored object did not change. */
    assert_string_equal(CONDITION_FIND(&world.set.status.conditions, "Available")->status, "False");
    world_deinit(&world);
}

static void conditions_of_others_stay(void **state)
{
    World world;
    StatefulSetCondition other = {.type = "StatusUpdate", .status = "True", .reason = "E2E"};

    world_init(&world, 1, 'A');
    world.set.status.conditions = (StatefulSetConditionArray){.v = &other, .n = 1};
    world_add_pods(&world, "0A+");
    world_plan(&world);
    assert_int_equal(world.plan.status.conditions.n, 3);
    assert_string_equal(condition_of(&world, "StatusUpdate")->reason, "E2E");
    world_deinit(&world);
}

static void a_set_that_is_being_deleted_keeps_its_conditions(void **state)
{
    World world;

    world_init(&world, 1, 'A');
    world.set.metadata.deletion_timestamp.set = true;
    world_add_pods(&world, "0A!");
    world_plan(&world);
    assert_int_equal(world.plan.status.conditions.n, 0);
    world_deinit(&world);
}

static void a_refused_action_is_the_reason(void **state)
{
    World world;

    world_init(&world, 2, 'A');
    world_add_pods(&world, "0A+");
    world_plan(&world);
    statefulset_note_failure(&world.arena, &world.plan.status, "FailedCreate",
                             "pod web-1: exceeded quota", world.input.now_ns);
    assert_string_equal(condition_of(&world, "Progressing")->status, "False");
    assert_string_equal(condition_of(&world, "Progressing")->reason, "FailedCreate");
    assert_string_equal(condition_of(&world, "Available")->status, "False");
    assert_string_equal(condition_of(&world, "Available")->message, "pod web-1: exceeded quota");
    world_deinit(&world);
}

static void a_refused_action_does_not_make_an_available_set_unavailable(void **state)
{
    World world;

    world_init(&world, 1, 'A');
    world_add_pods(&world, "0A+");
    world_plan(&world);
    statefulset_note_failure(&world.arena, &world.plan.status, "FailedUpdate", "claim data-web-0",
                             world.input.now_ns);
    assert_string_equal(condition_of(&world, "Progressing")->reason, "FailedUpdate");
    assert_string_equal(condition_of(&world, "Available")->status, "True");
    world_deinit(&world);
}

static void each_wait_has_a_reason(void **state)
{
    for (int i = 0; i < _WAIT_MAX; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(plan_wait_text(i), plan_wait_text(k));
}

/* ---- reserved ordinals ---- */

static void the_claim_of_a_reserved_pod_is_taken_back_from_the_pod(void **state)
{
    World world;
    PersistentVolumeClaim *claim;

    /* The pod was scaled down at first, so its claim would have been deleted with it. */
    set_up(&world, &(Case){.replicas = 1,
                           .pods = "0A+ 1A+",
                           .claims = true,
                           .deletes_when_scaled = true,
                           .reserved = "1"});
    claim = (PersistentVolumeClaim *)(uintptr_t)world.input.claims[1];
    meta_add_owner(
        &world.arena, &claim->metadata,
        meta_controller_reference(&world.arena, &kind_pod, &world.input.pods[1]->metadata));
    assert_string_equal(world_plan(&world), "own:data-web-1 delete:web-1");
    assert_int_equal(
        ((const PersistentVolumeClaim *)world.plan.v[0].value)->metadata.owner_references.n, 0);
    world_deinit(&world);
}

static void no_claim_is_created_for_a_reserved_pod(void **state)
{
    World world;

    set_up(&world, &(Case){.replicas = 1, .pods = "0A+ 1A+", .reserved = "1"});
    world_add_template(&world, "data");
    assert_string_equal(world_plan(&world), "claim:data-web-0 delete:web-1");
    world_deinit(&world);
}

static void the_history_keeps_the_revision_of_a_reserved_pod(void **state)
{
    World world;

    set_up(&world, &(Case){.replicas = 1, .letter = 'C', .pods = "0C+ 1At", .reserved = "1"});
    world.set.spec.revision_history_limit = arena_int32(&world.arena, 0);
    world.set.status.current_revision = world.revisions[2];
    assert_string_equal(world_plan(&world),
                        arena_printf(&world.arena, "forget:%s", world.revisions[1]));
    world_deinit(&world);
}

static void the_status_counts_a_reserved_pod_until_it_is_gone(void **state)
{
    World world;

    set_up(&world, &(Case){.replicas = 1, .pods = "0A+ 1At", .reserved = "1"});
    world_plan(&world);
    assert_int_equal(world.plan.status.replicas, 2);
    world_deinit(&world);
}

static void the_claim_of_a_paused_condemned_pod_is_left_alone(void **state)
{
    World world;

    for (int recreate = 0; recreate < 2; recreate++) {
        set_up(&world, &(Case){.replicas = 1,
                               .letter = 'B',
                               .pods = "0B+ 1B+",
                               .claims = true,
                               .deletes_when_scaled = true,
                               .paused = "1",
                               .recreate = recreate});
        assert_string_equal(world_plan(&world), "");
        world_deinit(&world);
    }
}

static void a_condemned_pod_owns_its_claim_under_recreate_too(void **state)
{
    World world;

    set_up(&world, &(Case){.replicas = 1,
                           .letter = 'B',
                           .pods = "0B+ 1A+",
                           .claims = true,
                           .deletes_when_scaled = true,
                           .recreate = true});
    assert_string_equal(world_plan(&world), "own:data-web-1 delete:web-1");
    world_deinit(&world);
}

/* ---- claims that follow their templates ---- */

typedef struct Follow {
    const char *name;
    const char *original, *given;     /* annotations of the set; NULL: none */
    const char *followed;             /* annotation of the claim; NULL: none */
    const char *size, *label, *class; /* of the claim before; NULL: those of the template */
    const char *plan;                 /* "": nothing follows */
    const char *new_size, *new_label, *new_class; /* of the claim after; "": none */
    bool unbound, going;
} Follow;

#define TEMPLATE(size, label, class)                                  \
    "{\"metadata\":{\"name\":\"data\",\"labels\":{\"tier\":\"" label  \
    "\"}},\"spec\":{\"resources\":{\"requests\":{\"storage\":\"" size \
    "\"}},\"volumeAttributesClassName\":\"" class "\"}}"
#define BEFORE TEMPLATE("1Gi", "a", "slow")

/* The template of the set has 2Gi, tier=b and the class fast. */
static const Follow FOLLOWS[] = {
    {"a_claim_of_an_unchanged_set_is_left_alone", .size = "1Gi", .label = "a", .plan = ""},
    {"a_claim_follows_all_changes", .original = "[" BEFORE "]", .size = "1Gi", .label = "a",
     .class = "slow", .plan = "follow:data-web-0", .new_size = "2Gi", .new_label = "b",
     .new_class = "fast"},
    {"a_claim_that_followed_is_left_alone", .original = "[" BEFORE "]",
     .followed = TEMPLATE("2Gi", "b", "fast"), .size = "1Gi", .label = "z", .plan = ""},
    {"a_claim_that_followed_half_way_follows_on", .original = "[" BEFORE "]",
     .followed = TEMPLATE("1500Mi", "a", "fast"), .size = "1500Mi", .label = "a", .class = "other",
     .plan = "follow:data-web-0", .new_size = "2Gi", .new_label = "b", .new_class = "other"},
    {"a_claim_that_grew_by_itself_does_not_shrink", .original = "[" BEFORE "]", .size = "3Gi",
     .label = "a", .class = "slow", .plan = "follow:data-web-0", .new_size = "3Gi",
     .new_label = "b", .new_class = "fast"},
    {"a_claim_that_was_always_smaller_does_not_grow",
     .original = "[" TEMPLATE("2Gi", "a", "slow") "]", .size = "1Gi", .label = "a", .class = "slow",
     .plan = "follow:data-web-0", .new_size = "1Gi", .new_label = "b", .new_class = "fast"},
    {"an_unbound_claim_waits_until_it_is_bound", .original = "[" BEFORE "]", .size = "1Gi",
     .label = "a", .plan = "", .unbound = true},
    {"a_claim_that_is_being_deleted_does_not_follow", .original = "[" BEFORE "]", .size = "1Gi",
     .label = "a", .plan = "", .going = true},
    {"a_label_that_has_not_changed_stays_as_somebody_set_it",
     .original = "[" TEMPLATE("1Gi", "b", "fast") "]", .size = "1Gi", .label = "z", .class = "mine",
     .plan = "follow:data-web-0", .new_size = "2Gi", .new_label = "z", .new_class = "mine"},
    {"the_annotation_changes_the_template", .given = "[" TEMPLATE("4Gi", "c", "best") "]",
     .size = "2Gi", .label = "b", .class = "fast", .plan = "follow:data-web-0", .new_size = "4Gi",
     .new_label = "c", .new_class = "best"},
    {"the_annotation_need_not_name_all_fields",
     .given = "[{\"metadata\":{\"name\":\"data\"},\"spec\":{\"resources\":{\"requests\":{"
              "\"storage\":\"4Gi\"}}}}]",
     .size = "2Gi", .label = "b", .class = "fast", .plan = "follow:data-web-0", .new_size = "4Gi",
     .new_label = "b", .new_class = "fast"},
    {"an_annotation_for_another_template_changes_nothing",
     .given = "[{\"metadata\":{\"name\":\"logs\"},\"spec\":{\"resources\":{\"requests\":{"
              "\"storage\":\"4Gi\"}}}}]",
     .size = "2Gi", .label = "b", .class = "fast", .plan = ""},
    {"an_annotation_that_is_no_json_changes_nothing", .given = "data=4Gi", .size = "2Gi",
     .label = "b", .class = "fast", .plan = ""},
};

static VolumeClaimTemplate *parse_template(World *world, const char *text)
{
    VolumeClaimTemplate *template = claim_template_parse(&world->arena, text);

    assert_non_null(template);
    return template;
}

static void run_follow(void **state)
{
    const Follow *f = *state;
    World world;
    PersistentVolumeClaim *claim;
    const PersistentVolumeClaim *after;
    const char *class;

    world_init(&world, 1, 'A');
    world_add_template(&world, "data");
    world.set.spec.volume_claim_templates.v[0] =
        *parse_template(&world, TEMPLATE("2Gi", "b", "fast"));
    world_add_pods(&world, "0A+");
    claim = world_add_claim(&world, 0);
    claim->status.phase = f->unbound ? "Pending" : "Bound";
    claim->metadata.deletion_timestamp.set = f->going;
    string_map_put(&world.arena, &claim->spec.resources.requests, "storage", f->size);
    string_map_put(&world.arena, &claim->metadata.labels, "tier", f->label);
    if (f->class)
        claim->spec.volume_attributes_class_name = f->class;
    if (f->followed)
        string_map_put(&world.arena, &claim->metadata.annotations, CLAIM_FOLLOWED_TEMPLATE,
                       claim_template_text(&world.arena, parse_template(&world, f->followed)));
    set_annotation(&world, SET_ORIGINAL_CLAIM_TEMPLATES, f->original);
    set_annotation(&world, SET_CLAIM_TEMPLATES, f->given);
    assert_string_equal(world_plan(&world), f->plan);
    if (*f->plan) {
        after = world.plan.v[0].value;
        class = str_or(after->spec.volume_attributes_class_name, "");
        assert_string_equal(string_map_get(&after->spec.resources.requests, "storage"),
                            f->new_size);
        assert_string_equal(string_map_get(&after->metadata.labels, "tier"), f->new_label);
        assert_string_equal(class, f->new_class);
        /* The next plan finds nothing to do. */
        world.input.claims[0] = after;
        assert_string_equal(world_plan(&world), "");
    }
    world_deinit(&world);
}

static void a_label_that_the_template_lost_leaves_the_claim(void **state)
{
    World world;
    PersistentVolumeClaim *claim;
    const PersistentVolumeClaim *after;

    world_init(&world, 1, 'A');
    world_add_template(&world, "data");
    world_add_pods(&world, "0A+");
    claim = world_add_claim(&world, 0);
    claim->status.phase = "Bound";
    string_map_put(&world.arena, &claim->metadata.labels, "tier", "a");
    string_map_put(&world.arena, &claim->metadata.labels, "mine", "x");
    string_map_put(&world.arena, &claim->metadata.annotations, "note", "changed");
    set_annotation(&world, SET_ORIGINAL_CLAIM_TEMPLATES,
                   "[{\"metadata\":{\"name\":\"data\",\"labels\":{\"tier\":\"a\",\"app\":\"x\"},"
                   "\"annotations\":{\"note\":\"old\"}}}]");
    assert_string_equal(world_plan(&world), "follow:data-web-0");
    after = world.plan.v[0].value;
    assert_null(string_map_get(&after->metadata.labels, "tier"));
    assert_string_equal(string_map_get(&after->metadata.labels, "mine"), "x");
    /* Somebody has set another value since. */
    assert_string_equal(string_map_get(&after->metadata.annotations, "note"), "changed");
    /* The labels of the selector are not the template's. */
    assert_string_equal(string_map_get(&after->metadata.labels, "app"), "web");
    world_deinit(&world);
}

/* A world of one claim that has yet to follow to 2Gi. */
static PersistentVolumeClaim *small_claim(World *world, const char *pods)
{
    PersistentVolumeClaim *claim;

    world_init(world, 1, 'A');
    world_add_template(world, "data");
    world->set.spec.volume_claim_templates.v[0] =
        *parse_template(world, TEMPLATE("2Gi", "b", "fast"));
    set_annotation(world, SET_ORIGINAL_CLAIM_TEMPLATES, "[" BEFORE "]");
    world_add_pods(world, pods);
    claim = world_add_claim(world, 0);
    claim->status.phase = "Bound";
    string_map_remove(&claim->metadata.annotations, CLAIM_FOLLOWED_TEMPLATE);
    string_map_put(&world->arena, &claim->spec.resources.requests, "storage", "1Gi");
    string_map_put(&world->arena, &claim->status.capacity, "storage", "1Gi");
    return claim;
}

static void the_claim_of_a_broken_pod_grows_too(void **state)
{
    World world;

    small_claim(&world, "0Ac");
    assert_string_equal(world_plan(&world), "follow:data-web-0");
    world_deinit(&world);
}

static void the_claim_of_a_paused_pod_is_left_alone(void **state)
{
    World world;

    small_claim(&world, "0A+");
    set_annotation(&world, SET_PAUSED_ORDINALS, "0");
    assert_string_equal(world_plan(&world), "");
    world_deinit(&world);
}

static void the_claim_of_a_missing_pod_grows_before_the_pod_is_created(void **state)
{
    World world;

    small_claim(&world, "");
    assert_string_equal(world_plan(&world), "follow:data-web-0 create:web-0@A");
    world_deinit(&world);
}

static void the_set_waits_until_the_volume_has_grown(void **state)
{
    World world;
    PersistentVolumeClaim *claim = small_claim(&world, "0A+");

    world_plan(&world);
    world.input.claims[0] = world.plan.v[0].value;
    assert_string_equal(world_plan(&world), "");
    assert_string_equal(condition_of(&world, "Progressing")->reason, "ClaimGrowing");
    assert_string_equal(condition_of(&world, "Progressing")->message,
                        "waiting for the volume of claim data-web-0 to grow to 2Gi");
    assert_string_equal(condition_of(&world, "Available")->status, "True");
    claim = type_clone(&type_PersistentVolumeClaim, &world.arena, world.input.claims[0]);
    string_map_put(&world.arena, &claim->status.capacity, "storage", "2Gi");
    world.input.claims[0] = claim;
    world_plan(&world);
    assert_string_equal(condition_of(&world, "Progressing")->reason, "Complete");
    world_deinit(&world);
}

static void a_new_claim_of_a_changed_set_notes_its_template(void **state)
{
    World world;
    const PersistentVolumeClaim *claim;

    small_claim(&world, "");
    world.input.n_claims = 0;
    assert_string_equal(world_plan(&world), "claim:data-web-0 create:web-0@A");
    claim = world.plan.v[0].value;
    assert_string_equal(string_map_get(&claim->spec.resources.requests, "storage"), "2Gi");
    assert_non_null(string_map_get(&claim->metadata.annotations, CLAIM_FOLLOWED_TEMPLATE));
    world_deinit(&world);
}

static void a_new_claim_of_an_unchanged_set_notes_nothing(void **state)
{
    World world;

    world_init(&world, 1, 'A');
    world_add_template(&world, "data");
    world_plan(&world);
    assert_int_equal(((const PersistentVolumeClaim *)world.plan.v[0].value)->metadata.annotations.n,
                     0);
    world_deinit(&world);
}

#define RUN(rows, run)                                                                           \
    ({                                                                                           \
        struct CMUnitTest cases[ARRAY_LEN(rows)];                                                \
                                                                                                 \
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)                                             \
            cases[i] =                                                                           \
                (struct CMUnitTest){rows[i].name, run, NULL, NULL, (void *)(uintptr_t)&rows[i]}; \
        test_run_group(#rows, cases, ARRAY_LEN(cases), NULL, NULL);                              \
    })

int main(void)
{
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(a_condition_keeps_its_time_while_it_keeps_its_status),
        cmocka_unit_test(conditions_of_others_stay),
        cmocka_unit_test(a_set_that_is_being_deleted_keeps_its_conditions),
        cmocka_unit_test(a_refused_action_is_the_reason),
        cmocka_unit_test(a_refused_action_does_not_make_an_available_set_unavailable),
        cmocka_unit_test(each_wait_has_a_reason),
        cmocka_unit_test(the_claim_of_a_reserved_pod_is_taken_back_from_the_pod),
        cmocka_unit_test(no_claim_is_created_for_a_reserved_pod),
        cmocka_unit_test(the_history_keeps_the_revision_of_a_reserved_pod),
        cmocka_unit_test(the_status_counts_a_reserved_pod_until_it_is_gone),
        cmocka_unit_test(the_claim_of_a_paused_condemned_pod_is_left_alone),
        cmocka_unit_test(a_condemned_pod_owns_its_claim_under_recreate_too),
        cmocka_unit_test(a_label_that_the_template_lost_leaves_the_claim),
        cmocka_unit_test(the_claim_of_a_broken_pod_grows_too),
        cmocka_unit_test(the_claim_of_a_paused_pod_is_left_alone),
        cmocka_unit_test(the_claim_of_a_missing_pod_grows_before_the_pod_is_created),
        cmocka_unit_test(the_set_waits_until_the_volume_has_grown),
        cmocka_unit_test(a_new_claim_of_a_changed_set_notes_its_template),
        cmocka_unit_test(a_new_claim_of_an_unchanged_set_notes_nothing),
    };

    return RUN(CASES, run_case) + RUN(FOLLOWS, run_follow) +
           cmocka_run_group_tests_name("others", others, NULL, NULL);
}
