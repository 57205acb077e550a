/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim_stead [--seed N] [--steps N] [--verbose]
 *
 * Runs the simulation, prints its seed, and fails on the first violation of a rule. broken_rules.json
 * lists changes of the code that it has to notice; tools/mutate tries them.
 */
#include "sim.h"

#include <time.h>

#include "api/object.h"
#include "api/schema/core_cluster_v1.h"

#define REST_EVERY 400
#define TURNS_TO_REST 400

static void furnish(World *world)
{
    Object *node = object_new(&kind_node);
    Object *ns = object_new(&kind_namespace);

    object_meta(ns)->name = SIM_NS;
    client_create(world->user, ns, NULL, NULL, NULL);
    object_unref(ns);
    object_meta(node)->name = SIM_NODE;
    string_map_put(&node->arena, &object_meta(node)->labels, "kubernetes.io/hostname", SIM_NODE);
    string_map_put(&node->arena, &OBJECT_AS(Node, node)->status.allocatable, "cpu", SIM_CPU);
    string_map_put(&node->arena, &OBJECT_AS(Node, node)->status.allocatable, "memory", "8Gi");
    string_map_put(&node->arena, &OBJECT_AS(Node, node)->status.allocatable, "pods", "1000");
    string_map_put(&node->arena, &OBJECT_AS(Node, node)->status.allocatable, "ephemeral-storage",
                   "100Gi");
    client_create(world->user, node, NULL, NULL, NULL);
    object_unref(node);
    sim_turn(world, NS_PER_SEC);
}

/* No faults, no users: the cluster has to come to rest. */
static void come_to_rest(World *world)
{
    unsigned quiet = 0;

    sim_log(world, "calm");
    world->calm = true;
    world->writes_until_crash = 0;
    sim_turn(world, 0);
    sim_user_calm(world);
    for (unsigned i = 0; i < TURNS_TO_REST && quiet < 8; i++) {
        uint64_t before = store_revision(world->store);
        bool busy = sim_node_settle(world);

        /* Long enough for back-offs and minReadySeconds. */
        sim_turn(world, 6 * NS_PER_SEC);
        sim_check_state(world);
        quiet = busy || store_revision(world->store) != before ? 0 : quiet + 1;
    }
    if (quiet < 8)
        sim_violation(world, "the cluster does not come to rest: it still writes");
    sim_check_rest(world);
    world->calm = false;
    world->n_rests++;
}

static void step(World *world)
{
    uint64_t dice = random_below(&world->random, 100);

    world->steps++;
    if (world->crashed)
        sim_crash(world);
    else if (!world->writes_until_crash && one_in(world, 150))
        world->writes_until_crash = 1 + random_below(&world->random, 12);
    if (dice < 50)
        sim_turn(world, (int64_t)random_below(&world->random, 20) * NS_PER_MS);
    else if (dice < 85)
        sim_node_step(world);
    else if (dice < 92)
        sim_turn(world, (int64_t)random_below(&world->random, 8) * NS_PER_SEC);
    else if (one_in(world, 2))
        sim_user_step(world);
    sim_check_state(world);
    if (world->steps % REST_EVERY == 0) {
        if (world->crashed)
            sim_crash(world);
        come_to_rest(world);
    }
}

static int64_t number(const char *text)
{
    int64_t n;

    if (!text || str_to_int64(text, 0, INT64_MAX, &n) != 0) {
        fprintf(stderr, "not a number: %s\n", text ? text : "(nothing)");
        exit(2);
    }
    return n;
}

static int report(const World *world)
{
    printf("seed %" PRIu64 ", %" PRIu64 " steps: %" PRIu64 " writes, %" PRIu64
           " refused or lost, %" PRIu64 " crashes, %" PRIu64 " rests\n",
           world->seed, world->steps, world->n_writes, world->n_conflicts, world->n_crashes,
           world->n_rests);
    if (*world->violation)
        printf("VIOLATION at step %" PRIu64 ": %s\n", world->steps, world->violation);
    return *world->violation ? 1 : 0;
}

int main(int argc, char **argv)
{
    static World world;
    uint64_t steps = 10000;
    int r;

    world.seed = (uint64_t)time(NULL);
    for (int i = 1; i < argc; i++) {
        if (str_equal(argv[i], "--verbose")) {
            world.verbose = true;
        } else if (str_equal(argv[i], "--seed")) {
            world.seed = (uint64_t)number(argv[++i]);
        } else if (str_equal(argv[i], "--steps")) {
            steps = (uint64_t)number(argv[++i]);
        } else {
            fprintf(stderr, "usage: sim_stead [--seed N] [--steps N] [--verbose]\n");
            return 2;
        }
    }
    random_seed(&world.random, world.seed);
    random_seed(&world.server_random, world.seed + 1);
    world.clock = clock_new_fake(INT64_C(1700000000) * NS_PER_SEC);
    world.state = memory_state_new();
    sim_start(&world);
    furnish(&world);
    while (world.steps < steps && !*world.violation)
        step(&world);
    sim_stop(&world);
    r = report(&world);
    memory_state_free(world.state);
    clock_free_fake(world.clock);
    return r;
}
