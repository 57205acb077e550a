/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of a ReplicaSet's plan, one sentence each. Pods are words: name and state.
 *
 *     "a+ b! cp"
 *
 * States: + ready, ! running but not ready, p pending, u not placed, f failed, t terminating, x
 * labels do not match, o orphan. Plans come back as "create*2", "delete:a", "adopt:a", "release:a".
 */
#include "testing.h"

#include "api/object.h"
#include "api/schema/apps_v1.h"
#include "api/schema/core_pod_v1.h"
#include "control/deployment/replicaset_plan.h"

#define NOW INT64_C(1700000000)

typedef struct World {
    Arena arena;
    ReplicaSet set;
    const Pod *pods[16];
    size_t n_pods;
    ReplicaSetPlan plan;
} World;

static void world_init(World *world, int32_t replicas)
{
    *world = (World){0};
    world->set.metadata.name = "web";
    world->set.metadata.namespace = "default";
    world->set.metadata.uid = "set-uid";
    world->set.metadata.generation = 3;
    world->set.spec.replicas = arena_int32(&world->arena, replicas);
    world->set.spec.selector = arena_new(&world->arena, LabelSelector);
    string_map_put(&world->arena, &world->set.spec.selector->match_labels, "app", "web");
    string_map_put(&world->arena, &world->set.spec.template.metadata.labels, "app", "web");
}

static Pod *add_pod(World *world, char name, char state)
{
    Arena *arena = &world->arena;
    PodOwner owner =
        pod_owner_of(arena, &kind_replica_set, &world->set.metadata, world->set.spec.selector);
    Pod *pod = pod_from_template(arena, owner.ref, owner.ns, &world->set.spec.template);
    bool ready = state == '+' || state == 't' || state == 'o';

    pod->metadata.name = pod->metadata.uid = arena_printf(arena, "%c", name);
    pod->metadata.creation_timestamp = (Time){.seconds = NOW - 100, .set = true};
    pod->spec.node_name = state == 'u' ? NULL : "node";
    pod->status.phase = state == 'f'                   ? "Failed"
                        : state == 'p' || state == 'u' ? "Pending"
                                                       : "Running";
    pod->status.conditions.v = arena_new(arena, PodCondition);
    pod->status.conditions.n = 1;
    pod->status.conditions.v[0] =
        (PodCondition){.type = "Ready",
                       .status = ready ? "True" : "False",
                       .last_transition_time = {.seconds = NOW - 90, .set = true}};
    if (state == 't')
        pod->metadata.deletion_timestamp = (Time){.seconds = NOW, .set = true};
    if (state == 'x')
        string_map_put(arena, &pod->metadata.labels, "app", "other");
    if (state == 'o')
        pod->metadata.owner_references.n = 0;
    world->pods[world->n_pods++] = pod;
    return pod;
}

static void add_pods(World *world, const char *text)
{
    for (; text[0] && text[1]; text += text[2] ? 3 : 2)
        add_pod(world, text[0], text[1]);
}

static const char *run(World *world)
{
    static const char *const words[] = {
        [POD_ADOPT] = "adopt", [POD_RELEASE] = "release", [POD_DELETE] = "delete"};
    ReplicaSetInput input = {.set = &world->set,
                             .owner = pod_owner_of(&world->arena, &kind_replica_set,
                                                   &world->set.metadata, world->set.spec.selector),
                             .pods = world->pods,
                             .n_pods = world->n_pods,
                             .now_ns = NOW * INT64_C(1000000000)};
    const char *text = "";
    int created = 0;

    replicaset_plan(&input, &world->arena, &world->plan);
    for (size_t i = 0; i < world->plan.actions.n; i++) {
        const PodAction *action = &world->plan.actions.v[i];

        if (action->type == POD_CREATE)
            created++;
        else
            text = arena_printf(&world->arena, "%s%s%s:%s", text, *text ? " " : "",
                                words[action->type], action->pod->metadata.name);
    }
    return created ? arena_printf(&world->arena, "create*%d", created) : text;
}

static const struct {
    const char *name;
    int32_t replicas;
    const char *pods, *plan;
} CASES[] = {
    {"an_empty_set_creates_all_at_once", 3, "", "create*3"},
    {"what_is_missing_is_created", 3, "a+ bp", "create*1"},
    {"a_complete_set_is_left_alone", 2, "a+ b!", ""},
    {"failed_and_terminating_pods_do_not_count", 2, "af b+ ct", "create*1"},
    {"a_pod_that_is_not_placed_goes_first", 2, "a+ bu cp", "delete:b"},
    {"a_pending_pod_goes_before_a_running_one", 1, "a+ bp", "delete:b"},
    {"a_pod_that_is_not_ready_goes_before_a_ready_one", 1, "a+ b!", "delete:b"},
    {"nothing_is_wanted_so_all_go", 0, "a+ b+", "delete:a delete:b"},
    {"an_orphan_is_adopted_before_anything_is_created", 2, "ao", "adopt:a"},
    {"a_pod_that_no_longer_matches_is_let_go", 1, "ax b+", "release:a"},
};

static void the_plan_is_as_the_sentence_says(void **state)
{
    EACH_ROW(i, CASES, CASES[i].name) {
        World world;

        world_init(&world, CASES[i].replicas);
        add_pods(&world, CASES[i].pods);
        print_message("%s\n", CASES[i].name);
        assert_string_equal(run(&world), CASES[i].plan);
        arena_clear(&world.arena);
    }
}

static void the_cheaper_pod_goes_first(void **state)
{
    World world;

    world_init(&world, 1);
    add_pod(&world, 'a', '+');
    string_map_put(&world.arena, &add_pod(&world, 'b', '+')->metadata.annotations,
                   "controller.kubernetes.io/pod-deletion-cost", "-5");
    assert_string_equal(run(&world), "delete:b");
    arena_clear(&world.arena);
}

static void the_pod_that_is_ready_only_recently_goes_first(void **state)
{
    World world;

    world_init(&world, 1);
    add_pod(&world, 'a', '+');
    add_pod(&world, 'b', '+')->status.conditions.v[0].last_transition_time.seconds = NOW - 1;
    assert_string_equal(run(&world), "delete:b");
    arena_clear(&world.arena);
}

static void the_status_counts(void **state)
{
    World world;

    world_init(&world, 4);
    world.set.spec.min_ready_seconds = 60;
    add_pods(&world, "a+ b! ct df");
    add_pod(&world, 'e', '+')->status.conditions.v[0].last_transition_time.seconds = NOW - 50;
    run(&world);
    assert_int_equal(world.plan.status.replicas, 3);
    assert_int_equal(world.plan.status.fully_labeled_replicas, 3);
    assert_int_equal(world.plan.status.ready_replicas, 2);
    assert_int_equal(world.plan.status.available_replicas, 1);
    assert_int_equal(*world.plan.status.terminating_replicas, 1);
    assert_int_equal(world.plan.status.observed_generation, 3);
    assert_int_equal(world.plan.again_after_ns, 10 * INT64_C(1000000000));
    assert_true(world.plan.status_changed);
    arena_clear(&world.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_plan_is_as_the_sentence_says),
        cmocka_unit_test(the_cheaper_pod_goes_first),
        cmocka_unit_test(the_pod_that_is_ready_only_recently_goes_first),
        cmocka_unit_test(the_status_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
