/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of a DaemonSet's plan, one sentence each. Pods are words: name, state and, for one made
 * from the template as it is now, an n.
 *
 *     "a+n b!"
 *
 * States: + ready, ! running but not ready, f failed, s succeeded, t terminating. Plans come back
 * as "revision create delete:a".
 */
#include "testing.h"

#include "api/object.h"
#include "api/schema/apps_v1.h"
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_scheduling_v1.h"
#include "control/daemonset/plan.h"
#include "control/statefulset/plan.h"

#define NOW INT64_C(1700000000)

typedef struct World {
    Arena arena;
    DaemonSet set;
    Node node;
    const Pod *pods[16];
    size_t n_pods;
    const ControllerRevision *revisions[8];
    size_t n_revisions;
    DaemonSetInput input;
    DaemonSetPlan plan;
} World;

static IntOrString *number(World *world, int32_t n)
{
    IntOrString *v = arena_new(&world->arena, IntOrString);

    v->number = n;
    return v;
}

static void world_init(World *world)
{
    RollingUpdateDaemonSet *rolling;

    *world = (World){0};
    rolling = arena_new(&world->arena, RollingUpdateDaemonSet);
    rolling->max_unavailable = number(world, 1);
    rolling->max_surge = number(world, 0);
    world->set.metadata.name = "log";
    world->set.metadata.namespace = "default";
    world->set.metadata.uid = "set-uid";
    world->set.metadata.generation = 3;
    string_map_put(&world->arena, &world->set.metadata.annotations,
                   "deprecated.daemonset.template.generation", "2");
    world->set.spec.selector = arena_new(&world->arena, LabelSelector);
    string_map_put(&world->arena, &world->set.spec.selector->match_labels, "app", "log");
    string_map_put(&world->arena, &world->set.spec.template.metadata.labels, "app", "log");
    world->set.spec.update_strategy.type = "RollingUpdate";
    world->set.spec.update_strategy.rolling_update = rolling;
    world->set.spec.revision_history_limit = arena_int32(&world->arena, 1);
    world->node.metadata.name = "node";
}

static void add_revision(World *world, int64_t number, const char *hash, bool current)
{
    ControllerRevision *revision = arena_new(&world->arena, ControllerRevision);

    revision->metadata.name = arena_printf(&world->arena, "log-%s", hash);
    string_map_put(&world->arena, &revision->metadata.labels, REVISION_LABEL, hash);
    revision->revision = number;
    revision->data =
        current ? revision_data(&world->arena, &world->set.spec.template) : BYTES_LITERAL("{}");
    world->revisions[world->n_revisions++] = revision;
}

static void add_pod(World *world, const char *word)
{
    Arena *arena = &world->arena;
    PodOwner owner =
        pod_owner_of(arena, &kind_daemon_set, &world->set.metadata, world->set.spec.selector);
    Pod *pod = pod_from_template(arena, owner.ref, owner.ns, &world->set.spec.template);
    bool ready = word[1] == '+';

    pod->metadata.name = pod->metadata.uid = arena_printf(arena, "%c", word[0]);
    pod->metadata.creation_timestamp =
        (Time){.seconds = NOW - 100 + (int64_t)world->n_pods, .set = true};
    pod->metadata.deletion_timestamp.set = word[1] == 't';
    string_map_put(arena, &pod->metadata.labels, REVISION_LABEL, word[2] == 'n' ? "new" : "old");
    pod->spec.node_name = "node";
    pod->status.phase = word[1] == 'f' ? "Failed" : word[1] == 's' ? "Succeeded" : "Running";
    pod->status.conditions = (PodConditionArray){arena_new(arena, PodCondition), 1};
    pod->status.conditions.v[0] =
        (PodCondition){.type = "Ready",
                       .status = ready ? "True" : "False",
                       .last_transition_time = {.seconds = NOW - 10, .set = true}};
    world->pods[world->n_pods++] = pod;
}

static const char *planned(World *world, const char *words)
{
    char *rest = arena_strdup(&world->arena, words), *word;
    const char *text = "";

    world->n_pods = 0;
    while ((word = strsep(&rest, " ")))
        if (*word)
            add_pod(world, word);
    world->input.set = &world->set;
    world->input.pods = world->pods;
    world->input.n_pods = world->n_pods;
    world->input.revisions = world->revisions;
    world->input.n_revisions = world->n_revisions;
    world->input.now_ns = NOW * NS_PER_SEC;
    daemonset_plan(&world->input, &world->arena, &world->plan);
    if (world->plan.create_revision)
        text = "revision ";
    if (world->plan.update_revision)
        text = arena_printf(&world->arena, "%srenumber:%" PRId64 " ", text,
                            world->plan.update_revision->revision);
    for (size_t i = 0; i < world->plan.actions.n; i++) {
        const PodAction *action = &world->plan.actions.v[i];

        text = action->type == POD_CREATE
                   ? arena_printf(&world->arena, "%screate ", text)
                   : arena_printf(&world->arena, "%sdelete:%s ", text, action->pod->metadata.name);
    }
    return text;
}

static void rules(void **state)
{
    static const struct {
        const char *sentence, *pods, *plan;
        bool surge, on_delete, no_node, other_node, tainted, spare;
    } cases[] = {
        {"a node gets a pod", "", "create "},
        {"and no second one", "a+n", ""},
        {"nor before it is ready", "a!n", ""},
        {"nor while one ends", "at", ""},
        {"of two the older stays", "a+n b+n", "delete:b "},
        {"a failed pod goes", "afn", "delete:a "},
        {"not at once again", "afn", "", .spare = true},
        {"one that has ended goes, too", "asn", "delete:a "},
        {"an old pod is replaced", "a+", "delete:a "},
        {"also one that is not ready", "a!", "delete:a "},
        {"the new one waits for its end", "at", ""},
        {"OnDelete leaves it", "a+", "", .on_delete = true},
        {"a surge makes the new one first", "a+", "create ", .surge = true},
        {"and waits for it", "a+ b!n", "", .surge = true},
        {"before the old one goes", "a+ b+n", "delete:a ", .surge = true},
        {"one that is not ready goes at once", "a! b!n", "delete:a ", .surge = true},
        {"of three one is too many", "a+ b!n c!n", "delete:c ", .surge = true},
        {"a surge starts beside one that ends", "atn", "create ", .surge = true},
        {"without a node there is nothing to do", "", "", .no_node = true},
        {"another node is not ours", "", "", .other_node = true},
        {"what runs there goes", "a+n", "delete:a ", .other_node = true},
        {"a taint keeps a pod from starting", "", "", .tainted = true},
        {"but not from staying", "a+n", "", .tainted = true},
    };
    static Taint taint = {.key = "x", .effect = "NoSchedule"};

    EACH_ROW(i, cases, cases[i].sentence) {
        World world;
        const char *plan;

        world_init(&world);
        if (cases[i].other_node)
            string_map_put(&world.arena, &world.set.spec.template.spec.node_selector, "disk",
                           "ssd");
        add_revision(&world, 1, "old", false);
        add_revision(&world, 2, "new", true);
        if (cases[i].surge) {
            world.set.spec.update_strategy.rolling_update->max_surge = number(&world, 1);
            world.set.spec.update_strategy.rolling_update->max_unavailable = number(&world, 0);
        }
        if (cases[i].on_delete)
            world.set.spec.update_strategy = (DaemonSetUpdateStrategy){.type = "OnDelete"};
        if (cases[i].tainted)
            world.node.spec.taints = (TaintArray){&taint, 1};
        world.input = (DaemonSetInput){.node = cases[i].no_node ? NULL : &world.node,
                                       .spare_failed = cases[i].spare};
        plan = planned(&world, cases[i].pods);
        if (!str_equal(plan, cases[i].plan))
            fail_msg("%s: expected \"%s\", found \"%s\"", cases[i].sentence, cases[i].plan, plan);
        arena_clear(&world.arena);
    }
}

static void a_pod_is_bound_to_the_node_and_stays_where_others_go(void **state)
{
    World world;
    const Pod *pod;
    const NodeAffinity *affinity;

    world_init(&world);
    world.input.node = &world.node;
    add_revision(&world, 7, "new", true);
    assert_string_equal(planned(&world, ""), "create ");
    pod = world.plan.actions.v[0].pod;
    affinity = pod->spec.affinity->node_affinity;
    assert_string_equal(pod->metadata.generate_name, "log-");
    assert_string_equal(string_map_get(&pod->metadata.labels, REVISION_LABEL), "new");
    assert_string_equal(string_map_get(&pod->metadata.labels, "pod-template-generation"), "2");
    assert_string_equal(
        affinity->required_during_scheduling_ignored_during_execution->node_selector_terms.v[0]
            .match_fields.v[0]
            .values.v[0],
        "node");
    assert_int_equal(pod->spec.tolerations.n, 6);
    arena_clear(&world.arena);
}

static void the_newest_template_has_the_highest_number(void **state)
{
    World world;

    world_init(&world);
    world.input.node = &world.node;
    assert_string_equal(planned(&world, ""), "revision create ");
    assert_int_equal(world.plan.create_revision->revision, 1);
    add_revision(&world, 1, "new", true);
    add_revision(&world, 2, "x", false);
    add_revision(&world, 3, "y", false);
    add_revision(&world, 4, "old", false);
    assert_string_equal(planned(&world, "a+n b!"), "renumber:5 delete:b ");
    /* One is kept beside those that pods are made from. */
    assert_int_equal(world.plan.n_old_revisions, 1);
    assert_string_equal(world.plan.old_revisions[0]->metadata.name, "log-x");
    arena_clear(&world.arena);
}

static void the_status_counts_nodes(void **state)
{
    World world;
    const DaemonSetStatus *status = &world.plan.status;

    world_init(&world);
    world.input.node = &world.node;
    world.set.spec.min_ready_seconds = 30;
    add_revision(&world, 1, "new", true);
    planned(&world, "a+n");
    assert_int_equal(status->desired_number_scheduled, 1);
    assert_int_equal(status->current_number_scheduled, 1);
    assert_int_equal(status->number_ready, 1);
    assert_int_equal(status->number_available, 0);
    assert_int_equal(status->number_unavailable, 1);
    assert_int_equal(status->updated_number_scheduled, 1);
    assert_int_equal(status->observed_generation, 3);
    assert_int_equal(world.plan.again_after_ns, 20 * NS_PER_SEC);
    world.input.node = NULL;
    planned(&world, "a+n");
    assert_int_equal(status->desired_number_scheduled, 0);
    assert_int_equal(status->number_misscheduled, 1);
    arena_clear(&world.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules),
        cmocka_unit_test(a_pod_is_bound_to_the_node_and_stays_where_others_go),
        cmocka_unit_test(the_newest_template_has_the_highest_number),
        cmocka_unit_test(the_status_counts_nodes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
