/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owner references of all shapes. The circles that are known to be difficult have a test of their
 * own; random graphs with random deletions look for the rest. The seed of the random graphs is
 * printed, and STEAD_GRAPH_SEED=N runs the same ones again.
 */
#include <stdlib.h>

#include "../control_rig.h"
#include "api/schema/core_config_v1.h"

#define NODES_MAX 10
#define HOLD "test/hold"

/* ---- the controllers' reads, counted ---- */

static const ClientOps *plain_ops;
static ClientOps counting_ops;
static uint64_t n_gets;

static Object *counting_get(Client *client, const Kind *kind, const char *ns, const char *name)
{
    n_gets += kind == &kind_config_map;
    return plain_ops->get(client, kind, ns, name);
}

static int setup_counted(void **state)
{
    Client *client;
    Rig *rig;

    if (setup(state) != 0)
        return -1;
    rig = *state;
    rig->control = control_stop(rig->control);
    client = server_client(rig->server, "counted");
    plain_ops = client->ops;
    counting_ops = *plain_ops;
    counting_ops.get = counting_get;
    client->ops = &counting_ops;
    rig->control = control_start(&(ControlOptions){
        .client = client, .clock = rig->clock, .random = &rig->random, .node_name = "n"});
    settle(rig);
    return 0;
}

/* Nothing happens without an outside cause: no object is even looked at for an hour. */
static void assert_at_rest(Rig *rig)
{
    uint64_t before;

    settle(rig);
    before = n_gets;
    for (int i = 0; i < 60; i++) {
        clock_fake_advance(rig->clock, 60 * NS_PER_SEC);
        store_flush_now(rig->store);
    }
    assert_int_equal(n_gets, before);
}

/* ---- graphs of ConfigMaps ---- */

typedef struct Edge {
    bool there, blocks; /* [dependent][owner] */
} Edge;

typedef struct Graph {
    size_t n;
    unsigned serial;
    Edge edges[NODES_MAX][NODES_MAX];
    bool alive[NODES_MAX], held[NODES_MAX];
    char uid[NODES_MAX][40];
} Graph;

static const char *name_of(Rig *rig, const Graph *graph, size_t i)
{
    return arena_printf(&rig->arena, "o%u-%zu", graph->serial, i);
}

static const Object *node_object(Rig *rig, const Graph *graph, size_t i)
{
    return get(rig, &kind_config_map, "default", name_of(rig, graph, i));
}

static void on_any(void *data _unused_, const ApiStatus *status _unused_, Object *object _unused_)
{
}

static void patch_node(Rig *rig, const Graph *graph, size_t i, const char *patch)
{
    client_patch(rig->client, &kind_config_map, "default", name_of(rig, graph, i), PATCH_STRATEGIC,
                 bytes_from_string(patch), NULL, on_any, NULL);
    store_flush_now(rig->store);
}

static void graph_create(Rig *rig, Graph *graph)
{
    for (size_t i = 0; i < graph->n; i++) {
        Object *object = object_new(&kind_config_map);

        object_meta(object)->name = name_of(rig, graph, i);
        object_meta(object)->namespace = "default";
        client_create(rig->client, object, NULL, on_any, NULL);
        store_flush_now(rig->store);
        object_unref(object);
        graph->alive[i] = true;
        snprintf(graph->uid[i], sizeof(graph->uid[i]), "%s",
                 object_meta(node_object(rig, graph, i))->uid);
    }
    for (size_t i = 0; i < graph->n; i++) {
        const char *refs = "";

        for (size_t k = 0; k < graph->n; k++)
            if (graph->edges[i][k].there)
                refs = arena_printf(&rig->arena,
                                    "%s%s{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"name\":"
                                    "\"%s\",\"uid\":\"%s\",\"blockOwnerDeletion\":%s}",
                                    refs, *refs ? "," : "", name_of(rig, graph, k), graph->uid[k],
                                    graph->edges[i][k].blocks ? "true" : "false");
        patch_node(rig, graph, i,
                   arena_printf(&rig->arena, "{\"metadata\":{\"ownerReferences\":[%s]%s}}", refs,
                                graph->held[i] ? ",\"finalizers\":[\"" HOLD "\"]" : ""));
    }
    settle(rig);
}

static void graph_delete(Rig *rig, const Graph *graph, size_t i, const char *propagation)
{
    client_delete(rig->client, &kind_config_map, "default", name_of(rig, graph, i),
                  &(WriteOptions){.propagation = propagation}, on_any, NULL);
    store_flush_now(rig->store);
}

static void graph_release(Rig *rig, Graph *graph)
{
    for (size_t i = 0; i < graph->n; i++) {
        if (graph->held[i])
            patch_node(rig, graph, i,
                       "{\"metadata\":{\"$deleteFromPrimitiveList/finalizers\":[\"" HOLD "\"]}}");
        graph->held[i] = false;
    }
}

static void link_nodes(Graph *graph, size_t dependent, size_t owner)
{
    graph->edges[dependent][owner] = (Edge){true, true};
}

/* ---- known circles ---- */

static unsigned n_graphs;

static size_t left_of(Rig *rig, const Graph *graph)
{
    size_t n = 0;

    for (size_t i = 0; i < graph->n; i++)
        n += node_object(rig, graph, i) != NULL;
    return n;
}

static void two_objects_that_own_each_other_go_in_the_foreground(void **state)
{
    Rig *rig = *state;
    Graph graph = {.n = 2, .serial = ++n_graphs};

    link_nodes(&graph, 0, 1);
    link_nodes(&graph, 1, 0);
    graph_create(rig, &graph);
    graph_delete(rig, &graph, 0, "Foreground");
    settle(rig);
    assert_int_equal(left_of(rig, &graph), 0);
    assert_at_rest(rig);
}

static void a_circle_of_three_goes_in_the_foreground(void **state)
{
    Rig *rig = *state;
    Graph graph = {.n = 3, .serial = ++n_graphs};

    link_nodes(&graph, 0, 2);
    link_nodes(&graph, 1, 0);
    link_nodes(&graph, 2, 1);
    graph_create(rig, &graph);
    graph_delete(rig, &graph, 0, "Foreground");
    settle(rig);
    assert_int_equal(left_of(rig, &graph), 0);
    assert_at_rest(rig);
}

static void a_circle_deleted_as_a_whole_in_the_foreground_goes(void **state)
{
    Rig *rig = *state;
    Graph graph = {.n = 4, .serial = ++n_graphs};

    for (size_t i = 0; i < graph.n; i++)
        link_nodes(&graph, i, (i + 1) % graph.n);
    graph_create(rig, &graph);
    for (size_t i = 0; i < graph.n; i++)
        graph_delete(rig, &graph, i, "Foreground");
    settle(rig);
    assert_int_equal(left_of(rig, &graph), 0);
    assert_at_rest(rig);
}

static void an_object_that_owns_itself_goes_in_the_foreground(void **state)
{
    Rig *rig = *state;
    Graph graph = {.n = 1, .serial = ++n_graphs};

    link_nodes(&graph, 0, 0);
    graph_create(rig, &graph);
    graph_delete(rig, &graph, 0, "Foreground");
    settle(rig);
    assert_int_equal(left_of(rig, &graph), 0);
    assert_at_rest(rig);
}

static void an_owner_waits_for_a_held_dependent_without_asking_again(void **state)
{
    Rig *rig = *state;
    Graph graph = {.n = 2, .serial = ++n_graphs, .held = {false, true}};

    link_nodes(&graph, 1, 0);
    graph_create(rig, &graph);
    graph_delete(rig, &graph, 0, "Foreground");
    assert_at_rest(rig);
    assert_int_equal(left_of(rig, &graph), 2);
    graph_release(rig, &graph);
    settle(rig);
    assert_int_equal(left_of(rig, &graph), 0);
}

static void a_circle_is_resolved_after_a_restart(void **state)
{
    Rig *rig = *state;
    Graph graph = {.n = 2, .serial = ++n_graphs};

    link_nodes(&graph, 0, 1);
    link_nodes(&graph, 1, 0);
    graph_create(rig, &graph);
    rig->control = control_stop(rig->control);
    graph_delete(rig, &graph, 0, "Foreground");
    graph_delete(rig, &graph, 1, "Foreground");
    rig->control = control_start(&(ControlOptions){
        .client = rig->client, .clock = rig->clock, .random = &rig->random, .node_name = "n"});
    settle(rig);
    assert_int_equal(left_of(rig, &graph), 0);
}

/* ---- random graphs ---- */

static const char *const policies[] = {"Background", "Foreground", "Orphan"};

static void graph_random(Random *random, Graph *graph, bool held)
{
    uint64_t density = 1 + random_below(random, 3);

    *graph = (Graph){.n = 2 + random_below(random, NODES_MAX - 1), .serial = ++n_graphs};
    for (size_t i = 0; i < graph->n; i++) {
        graph->held[i] = held && random_below(random, 5) == 0;
        for (size_t k = 0; k < graph->n; k++)
            graph->edges[i][k] =
                (Edge){random_below(random, graph->n) < density, random_below(random, 4) != 0};
    }
}

static bool is_orphaned_by(const Graph *graph, size_t i, const bool *gone)
{
    size_t owners = 0;

    for (size_t k = 0; k < graph->n; k++) {
        if (graph->edges[i][k].there && !gone[k])
            return false;
        owners += graph->edges[i][k].there;
    }
    return owners > 0;
}

/* What Kubernetes leaves behind: dependents go when all of their owners go, and an orphaning
 * deletion only takes the references away. */
static void model_delete(Graph *graph, size_t victim, const char *policy)
{
    bool gone[NODES_MAX] = {false}, more = !str_equal(policy, "Orphan");

    gone[victim] = true;
    while (more) {
        more = false;
        for (size_t i = 0; i < graph->n; i++)
            if (graph->alive[i] && !gone[i] && is_orphaned_by(graph, i, gone))
                gone[i] = more = true;
    }
    for (size_t i = 0; i < graph->n; i++) {
        graph->alive[i] = graph->alive[i] && !gone[i];
        for (size_t k = 0; k < graph->n; k++)
            graph->edges[i][k].there = graph->edges[i][k].there && !gone[k];
    }
}

static void assert_as_modelled(Rig *rig, const Graph *graph)
{
    for (size_t i = 0; i < graph->n; i++) {
        const Object *object = node_object(rig, graph, i);
        size_t owners = 0;

        assert_int_equal(object != NULL, graph->alive[i]);
        if (!object)
            continue;
        assert_false(object_meta(object)->deletion_timestamp.set);
        for (size_t k = 0; k < graph->n; k++)
            owners += graph->edges[i][k].there;
        assert_int_equal(object_meta(object)->owner_references.n, owners);
    }
}

/* Of several deletions at once the order decides who goes; but all of it ends. */
static void assert_ended(Rig *rig, const Graph *graph)
{
    for (size_t i = 0; i < graph->n; i++) {
        const Object *object = node_object(rig, graph, i);

        if (!object)
            continue;
        assert_false(object_meta(object)->deletion_timestamp.set);
        for (size_t r = 0; r < object_meta(object)->owner_references.n; r++) {
            const char *uid = object_meta(object)->owner_references.v[r].uid;
            bool there = false;

            for (size_t k = 0; k < graph->n; k++)
                there |= str_equal(graph->uid[k], uid) && node_object(rig, graph, k);
            assert_true(there);
        }
    }
}

static uint64_t seed_of_run(Random *random)
{
    const char *text = getenv("STEAD_GRAPH_SEED");
    int64_t seed;

    if (!text || str_to_int64(text, 0, INT64_MAX, &seed) != 0) {
        random_seed_system(random);
        seed = (int64_t)random_below(random, INT32_MAX);
    }
    print_message("STEAD_GRAPH_SEED=%" PRId64 "\n", seed);
    random_seed(random, (uint64_t)seed);
    return (uint64_t)seed;
}

/* An object is looked at a bounded number of times for each reference and deletion. */
static void assert_bounded(const Graph *graph, uint64_t before)
{
    assert_in_range(n_gets - before, 0, 100 * graph->n * graph->n);
}

static void random_graphs_end_as_kubernetes_ends_them(void **state)
{
    Rig *rig = *state;
    Random random;

    seed_of_run(&random);
    for (int run = 0; run < 60; run++) {
        Graph graph;
        uint64_t before = n_gets;

        graph_random(&random, &graph, false);
        graph_create(rig, &graph);
        for (size_t i = 0; i < 3; i++) {
            size_t victim = random_below(&random, graph.n);
            const char *policy = policies[random_below(&random, ARRAY_LEN(policies))];

            if (!graph.alive[victim])
                continue;
            model_delete(&graph, victim, policy);
            graph_delete(rig, &graph, victim, policy);
            settle(rig);
            assert_as_modelled(rig, &graph);
        }
        assert_bounded(&graph, before);
        arena_clear(&rig->arena);
    }
    assert_at_rest(rig);
}

static void random_deletions_at_once_come_to_an_end(void **state)
{
    Rig *rig = *state;
    Random random;

    seed_of_run(&random);
    for (int run = 0; run < 60; run++) {
        Graph graph;
        uint64_t before = n_gets;
        size_t n;

        graph_random(&random, &graph, true);
        graph_create(rig, &graph);
        n = 1 + random_below(&random, graph.n);
        for (size_t i = 0; i < n; i++) {
            graph_delete(rig, &graph, random_below(&random, graph.n),
                         policies[random_below(&random, ARRAY_LEN(policies))]);
            if (random_below(&random, 3) == 0)
                clock_fake_advance(rig->clock, NS_PER_MS);
        }
        if (random_below(&random, 2))
            settle(rig);
        graph_release(rig, &graph);
        settle(rig);
        settle(rig);
        assert_ended(rig, &graph);
        assert_bounded(&graph, before);
        arena_clear(&rig->arena);
    }
    assert_at_rest(rig);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_counted, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(two_objects_that_own_each_other_go_in_the_foreground),
        TEST(a_circle_of_three_goes_in_the_foreground),
        TEST(a_circle_deleted_as_a_whole_in_the_foreground_goes),
        TEST(an_object_that_owns_itself_goes_in_the_foreground),
        TEST(an_owner_waits_for_a_held_dependent_without_asking_again),
        TEST(a_circle_is_resolved_after_a_restart),
        TEST(random_graphs_end_as_kubernetes_ends_them),
        TEST(random_deletions_at_once_come_to_an_end),
    };
    return cmocka_run_group_tests_name("owner references", tests, NULL, NULL);
}
