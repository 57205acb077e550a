/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of a Deployment's plan, one sentence each. ReplicaSets are words, oldest first:
 * template, wanted, available.
 *
 *     "A3/3 B1/0"
 *
 * The deployment has the template of the letter given. Plans come back as "create:B=1", "A=2"
 * (resized), "delete:A", "A" (only annotations).
 */
#include "testing.h"

#include "api/object.h"
#include "api/schema/apps_v1.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "control/deployment/plan.h"
#include "control/pods.h"

#define NOW INT64_C(1700000000)

typedef struct World {
    Arena arena;
    Deployment deployment;
    const ReplicaSet *sets[8];
    DeploymentInput input;
    DeploymentPlan plan;
} World;

static IntOrString *number(World *world, int32_t n)
{
    IntOrString *v = arena_new(&world->arena, IntOrString);

    v->number = n;
    return v;
}

static void set_template(World *world, char letter)
{
    world->deployment.spec.template.spec.containers.v[0].image =
        arena_printf(&world->arena, "app:%c", letter);
}

static void world_init(World *world, int32_t replicas, char letter, int32_t surge,
                       int32_t unavailable)
{
    Deployment *deployment = &world->deployment;
    Arena *arena;

    *world = (World){0};
    arena = &world->arena;
    deployment->metadata =
        (ObjectMeta){.name = "web", .namespace = "default", .uid = "d-uid", .generation = 2};
    deployment->spec.replicas = arena_int32(arena, replicas);
    deployment->spec.revision_history_limit = arena_int32(arena, 1);
    deployment->spec.progress_deadline_seconds = arena_int32(arena, 600);
    deployment->spec.selector = arena_new(arena, LabelSelector);
    string_map_put(arena, &deployment->spec.selector->match_labels, "app", "web");
    string_map_put(arena, &deployment->spec.template.metadata.labels, "app", "web");
    deployment->spec.template.spec.containers.v = arena_new(arena, Container);
    deployment->spec.template.spec.containers.n = 1;
    set_template(world, letter);
    if (surge < 0) {
        deployment->spec.strategy.type = "Recreate";
    } else {
        deployment->spec.strategy.type = "RollingUpdate";
        deployment->spec.strategy.rolling_update = arena_new(arena, RollingUpdateDeployment);
        deployment->spec.strategy.rolling_update->max_surge = number(world, surge);
        deployment->spec.strategy.rolling_update->max_unavailable = number(world, unavailable);
    }
    world->input = (DeploymentInput){
        .deployment = deployment, .sets = world->sets, .now_ns = NOW * INT64_C(1000000000)};
}

static ReplicaSet *add_set(World *world, char letter, int32_t wanted, int32_t available)
{
    Arena *arena = &world->arena;
    PodOwner owner = pod_owner_of(arena, &kind_deployment, &world->deployment.metadata,
                                  world->deployment.spec.selector);
    ReplicaSet *set = arena_new(arena, ReplicaSet);
    int32_t n = (int32_t)world->input.n_sets;
    int32_t max = *world->deployment.spec.replicas + deployment_max_surge(&world->deployment);

    type_copy(&type_PodTemplateSpec, arena, &set->spec.template, &world->deployment.spec.template);
    set->spec.template.spec.containers.v[0].image = arena_printf(arena, "app:%c", letter);
    string_map_put(arena, &set->spec.template.metadata.labels, TEMPLATE_HASH_LABEL,
                   arena_printf(arena, "%c", letter));
    set->metadata.labels = set->spec.template.metadata.labels;
    set->metadata.name = set->metadata.uid = arena_printf(arena, "%c", letter);
    set->metadata.namespace = "default";
    set->metadata.creation_timestamp = (Time){.seconds = NOW - 1000 + n, .set = true};
    set->metadata.owner_references.v = arena_new(arena, OwnerReference);
    set->metadata.owner_references.v[0] = owner.ref;
    set->metadata.owner_references.n = 1;
    string_map_put(arena, &set->metadata.annotations, DEPLOYMENT_REVISION,
                   arena_printf(arena, "%d", n + 1));
    string_map_put(arena, &set->metadata.annotations, DEPLOYMENT_DESIRED,
                   arena_printf(arena, "%d", *world->deployment.spec.replicas));
    string_map_put(arena, &set->metadata.annotations, DEPLOYMENT_MAX,
                   arena_printf(arena, "%d", max));
    set->spec.replicas = arena_int32(arena, wanted);
    set->status.replicas = wanted;
    set->status.ready_replicas = set->status.available_replicas = available;
    world->sets[world->input.n_sets++] = set;
    return set;
}

static void add_sets(World *world, const char *text)
{
    int wanted, available, used;
    char letter;

    while (sscanf(text, " %c%d/%d%n", &letter, &wanted, &available, &used) == 3) {
        add_set(world, letter, wanted, available);
        text += used;
    }
}

static char letter_of(const ReplicaSet *set)
{
    return set->spec.template.spec.containers.v[0].image[4];
}

static const char *run(World *world)
{
    const char *text = "";

    deployment_plan(&world->input, &world->arena, &world->plan);
    for (size_t i = 0; i < world->plan.n; i++) {
        const DeploymentAction *action = &world->plan.v[i];
        const char *verb = action->type == DEPLOYMENT_CREATE    ? "create:"
                           : action->type == DEPLOYMENT_DELETE  ? "delete:"
                           : action->type == DEPLOYMENT_ADOPT   ? "adopt:"
                           : action->type == DEPLOYMENT_RELEASE ? "release:"
                                                                : "";

        text = arena_printf(&world->arena, "%s%s%s%c", text, *text ? " " : "", verb,
                            letter_of(action->set));
        if (action->from != action->to)
            text = arena_printf(&world->arena, "%s=%d", text, action->to);
    }
    return text;
}

typedef struct Case {
    const char *name;
    int32_t replicas;
    char letter;
    int32_t surge, unavailable; /* surge -1: Recreate */
    const char *sets, *plan;
    bool paused;
} Case;

static const Case CASES[] = {
    {"a_new_deployment_gets_its_set_in_full", 3, 'A', 1, 0, "", "create:A=3"},
    {"a_complete_deployment_is_left_alone", 3, 'A', 1, 0, "A3/3", ""},
    {"an_update_begins_with_the_surge", 3, 'B', 1, 0, "A3/3", "create:B=1"},
    {"without_surge_the_new_set_begins_empty", 3, 'B', 0, 1, "A3/3", "create:B"},
    {"without_surge_an_old_pod_makes_room", 3, 'B', 0, 1, "A3/3 B0/0", "A=2"},
    {"the_room_is_filled", 3, 'B', 0, 1, "A2/2 B0/0", "B=1"},
    {"an_old_pod_stays_until_the_new_one_is_available", 3, 'B', 1, 0, "A3/3 B1/0", ""},
    {"an_old_pod_goes_when_the_new_one_is_available", 3, 'B', 1, 0, "A3/3 B1/1", "A=2"},
    {"the_surge_moves_on", 3, 'B', 1, 0, "A2/2 B1/1", "B=2"},
    {"unhealthy_old_pods_go_first", 3, 'C', 1, 1, "A1/1 B2/0 C1/0", "B=1"},
    {"an_update_in_the_middle_of_one_starts_at_once", 3, 'C', 1, 0, "A3/3 B1/0", "create:C"},
    {"the_abandoned_set_makes_room", 3, 'C', 1, 0, "A3/3 B1/0 C0/0", "B=0"},
    {"the_old_template_revives_its_set", 3, 'A', 1, 0, "A0/0 B3/3", "A"},
    {"recreate_empties_the_old_set_first", 3, 'B', -1, 0, "A3/3", "A=0"},
    {"recreate_makes_the_new_set_then", 3, 'B', -1, 0, "A0/0", "create:B=3"},
    {"a_paused_deployment_makes_no_new_set", 3, 'B', 1, 0, "A3/3", "", .paused = true},
    {"a_paused_deployment_is_still_scaled", 3, 'B', 1, 0, "A2/2", "A=3", .paused = true},
};

static void the_plan_is_as_the_sentence_says(void **state)
{
    EACH_ROW(i, CASES, CASES[i].name) {
        const Case *c = &CASES[i];
        World world;

        world_init(&world, c->replicas, c->letter, c->surge, c->unavailable);
        world.deployment.spec.paused = c->paused;
        add_sets(&world, c->sets);
        print_message("%s\n", c->name);
        assert_string_equal(run(&world), c->plan);
        arena_clear(&world.arena);
    }
}

static void sizes_are_shared_out_in_proportion(void **state)
{
    World world;

    world_init(&world, 10, 'B', 3, 2);
    add_sets(&world, "A8/8 B5/0");
    *world.deployment.spec.replicas = 20;
    /* 10 more, of which 8/13 and 5/13, and the rest to the larger */
    assert_string_equal(run(&world), "A=14 B=9");
    arena_clear(&world.arena);
    /* The larger set comes first, even if it is the younger one. */
    world_init(&world, 10, 'B', 3, 2);
    add_sets(&world, "A5/5 B8/0");
    *world.deployment.spec.replicas = 20;
    assert_string_equal(run(&world), "B=14 A=9");
    arena_clear(&world.arena);
}

/* There is only one set to scale, so it gets the size of the deployment, without the surge. */
static void empty_sets_do_not_matter_when_the_size_changes(void **state)
{
    World world;

    world_init(&world, 3, 'B', 2, 0);
    add_sets(&world, "A0/0 B3/3");
    *world.deployment.spec.replicas = 5;
    assert_string_equal(run(&world), "B=5");
    arena_clear(&world.arena);
}

static void at_no_replicas_every_set_is_emptied_in_spite_of_the_surge(void **state)
{
    World world;

    world_init(&world, 10, 'B', 3, 2);
    add_sets(&world, "A8/8 B5/0");
    *world.deployment.spec.replicas = 0;
    assert_string_equal(run(&world), "A=0 B=0");
    arena_clear(&world.arena);
    /* At one replica the surge counts: 4 pods, of which 8/13 and 5/13. */
    world_init(&world, 10, 'B', 3, 2);
    add_sets(&world, "A8/8 B5/0");
    *world.deployment.spec.replicas = 1;
    assert_string_equal(run(&world), "A=2 B=2");
    arena_clear(&world.arena);
}

static void percentages_are_rounded_in_favour_of_the_user(void **state)
{
    World world;
    RollingUpdateDeployment *rolling;

    world_init(&world, 3, 'A', 0, 0);
    rolling = world.deployment.spec.strategy.rolling_update;
    *rolling->max_surge = *rolling->max_unavailable =
        (IntOrString){.is_string = true, .string = "25%"};
    assert_int_equal(deployment_max_surge(&world.deployment), 1);
    assert_int_equal(deployment_max_unavailable(&world.deployment), 0);
    rolling->max_surge->string = "0%";
    assert_int_equal(deployment_max_unavailable(&world.deployment), 1);
    arena_clear(&world.arena);
}

static void only_the_history_that_is_wanted_is_kept(void **state)
{
    World world;

    world_init(&world, 1, 'D', 1, 0);
    add_sets(&world, "A0/0 B0/0 C0/0 D1/1");
    world.deployment.status = (DeploymentStatus){
        .observed_generation = 2, .replicas = 1, .updated_replicas = 1, .available_replicas = 1};
    assert_string_equal(run(&world), "delete:A delete:B");
    arena_clear(&world.arena);
}

static const char *reason(World *world, const char *type)
{
    for (size_t i = 0; i < world->plan.status.conditions.n; i++)
        if (str_equal(world->plan.status.conditions.v[i].type, type))
            return world->plan.status.conditions.v[i].reason;
    return NULL;
}

static void a_rollout_that_stands_still_is_reported(void **state)
{
    World world;
    DeploymentCondition *condition;

    world_init(&world, 1, 'A', 1, 0);
    add_sets(&world, "A1/0");
    run(&world);
    assert_string_equal(reason(&world, "Progressing"), "ReplicaSetUpdated");
    assert_string_equal(reason(&world, "Available"), "MinimumReplicasUnavailable");
    world.deployment.status = world.plan.status;
    run(&world);
    assert_int_equal(world.plan.again_after_ns, 601 * INT64_C(1000000000));
    condition = &world.deployment.status.conditions.v[world.deployment.status.conditions.n - 1];
    condition->last_update_time.seconds -= 601;
    run(&world);
    assert_string_equal(reason(&world, "Progressing"), "ProgressDeadlineExceeded");
    arena_clear(&world.arena);
}

static void a_revived_set_gets_the_next_revision_and_remembers_the_old(void **state)
{
    World world;
    const ReplicaSet *set;

    world_init(&world, 1, 'A', 1, 0);
    add_sets(&world, "A0/0 B1/1");
    run(&world);
    set = world.plan.v[0].set;
    assert_string_equal(string_map_get(&set->metadata.annotations, DEPLOYMENT_REVISION), "3");
    assert_string_equal(string_map_get(&set->metadata.annotations, DEPLOYMENT_REVISION_HISTORY),
                        "1");
    arena_clear(&world.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_plan_is_as_the_sentence_says),
        cmocka_unit_test(sizes_are_shared_out_in_proportion),
        cmocka_unit_test(empty_sets_do_not_matter_when_the_size_changes),
        cmocka_unit_test(at_no_replicas_every_set_is_emptied_in_spite_of_the_surge),
        cmocka_unit_test(percentages_are_rounded_in_favour_of_the_user),
        cmocka_unit_test(only_the_history_that_is_wanted_is_kept),
        cmocka_unit_test(a_rollout_that_stands_still_is_reported),
        cmocka_unit_test(a_revived_set_gets_the_next_revision_and_remembers_the_old),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
