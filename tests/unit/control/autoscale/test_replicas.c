/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The replicas that one metric asks for, one sentence each. Pods are words: their state, and the percentage
 * of their request (one CPU) that they use; ? where they were not measured.
 *
 *     "r80 r? p"
 *
 * States: r ready, u not ready and never ready before, n ready for a moment only, l not ready any more,
 * p pending, f failed, t terminating, q without a request.
 */
#include "testing.h"

#include <math.h>

#include "api/object.h"
#include "api/schema/core_container_v1.h"
#include "api/time.h"
#include "control/autoscale/replicas.h"

#define NOW (INT64_C(1700000000) * NS_PER_SEC)

typedef struct World {
    Arena arena;
    ScaledPod pods[16];
    size_t n;
} World;

static void add_condition(World *world, Pod *pod, const char *status, int64_t seconds_ago)
{
    PodCondition *ready = arena_new(&world->arena, PodCondition);

    *ready = (PodCondition){.type = "Ready",
                            .status = status,
                            .last_transition_time = time_from_ns(NOW - seconds_ago * NS_PER_SEC)};
    pod->status.conditions = (PodConditionArray){ready, 1};
}

static void add_pod(World *world, const char *word)
{
    Arena *arena = &world->arena;
    Pod *pod = arena_new(arena, Pod);
    Container *container = arena_new(arena, Container);
    ContainerUsage *used = arena_new(arena, ContainerUsage);
    PodUsage *usage = arena_new(arena, PodUsage);

    pod->metadata.name = arena_printf(arena, "pod-%zu", world->n);
    container->name = "main";
    if (*word != 'q')
        string_map_put(arena, &container->resources.requests, "cpu", "1");
    pod->spec.containers = (ContainerArray){container, 1};
    pod->status.phase = *word == 'p' ? "Pending" : *word == 'f' ? "Failed" : "Running";
    pod->metadata.deletion_timestamp.set = *word == 't';
    pod->status.start_time = time_from_ns(NOW - (strchr("un", *word) ? 60 : 3600) * NS_PER_SEC);
    add_condition(world, pod, strchr("ul", *word) ? "False" : "True",
                  *word == 'n'   ? 5
                  : *word == 'l' ? 100
                                 : 60);
    *used = (ContainerUsage){"main", strtoll(word + 1, NULL, 10) * 10000000, 0};
    *usage = (PodUsage){.at_ns = NOW, .window_ns = 15 * NS_PER_SEC, .v = used, .n = 1};
    world->pods[world->n++] = (ScaledPod){pod, word[1] == '?' || !word[1] ? NULL : usage};
}

static void add_pods(World *world, const char *words)
{
    char *at = arena_strdup(&world->arena, words), *word;

    while ((word = strsep(&at, " ")))
        if (*word)
            add_pod(world, word);
}

/* The target is 50 % unless the row says something else; `current` is the number of words. */
static const struct {
    const char *name, *pods;
    int32_t target;   /* percent; negative: thousandths of a CPU for each pod */
    double tolerance; /* 0: 0.1 */
    int32_t replicas; /* -1: the error */
    int32_t percent;
    const char *error;
} cases[] = {
    {"busy pods get more", "r100 r100", 50, 0, 4, 100, NULL},
    {"idle pods become fewer", "r10 r10 r10 r10", 50, 0, 1, 10, NULL},
    {"a fraction of a pod is a pod", "r60 r60 r60", 50, 0, 4, 60, NULL},
    {"a tenth off the target is near enough", "r55 r55", 50, 0, 2, 55, NULL},
    {"and below it as well", "r45 r45", 50, 0, 2, 45, NULL},
    {"but not with a smaller tolerance", "r55 r55 r55 r55", 50, 0.05, 5, 55, NULL},
    {"a tolerance of its own may be larger", "r90 r90", 50, 0.9, 2, 90, NULL},
    {"what counts is the average", "r0 r100", 50, 0, 2, 50, NULL},
    {"on the way up, pods that were not measured use nothing", "r100 r100 r?", 50, 0, 4, 100, NULL},
    {"so they may keep the size as it is", "r80 r? r?", 50, 0, 3, 80, NULL},
    {"on the way down, they use what they request", "r10 r10 r10 r?", 50, 0, 3, 10, NULL},
    {"or what is aimed at, if that is more", "r10 r10 r10 r?", 200, 0, 2, 10, NULL},
    {"they do not turn the way", "r10 r?", 50, 0, 2, 10, NULL},
    {"pods that start use nothing on the way up", "r100 r100 u90", 50, 0, 4, 100, NULL},
    {"and do not count on the way down", "r10 r10 r10 u0", 50, 0, 1, 10, NULL},
    {"a measurement from before a pod was ready does not count", "r20 r20 n100", 50, 0, 1, 20,
     NULL},
    {"a pod that is not ready any more counts", "r100 l100", 50, 0, 4, 100, NULL},
    {"pending pods use nothing on the way up", "r100 r100 r100 p", 50, 0, 6, 100, NULL},
    {"pods that end do not count", "r50 r50 t100 f100", 50, 0, 4, 50, NULL},
    {"a pod without a request is an error", "r10 q10", 50, 0, -1, 0,
     "missing request for cpu in container main of Pod pod-1"},
    {"pods that are all starting are an error", "u10 u10", 50, 0, -1, 0,
     "did not receive metrics for targeted pods (pods might be unready)"},
    {"no pods are an error", "", 50, 0, -1, 0,
     "no pods returned by selector while calculating replica count"},
    {"an amount for each pod needs no requests", "q100 q100", -500, 0, 4, 0, NULL},
    {"pods that were not measured have just that amount on the way down", "q10 q10 q10 q?", -500, 0,
     2, 0, NULL},
    {"and nothing on the way up", "q100 q100 q?", -500, 0, 4, 0, NULL},
};

static void a_metric_asks_for_replicas(void **state)
{
    EACH_ROW(i, cases, cases[i].name) {
        World world = {0};
        int32_t target = cases[i].target;
        double tolerance = cases[i].tolerance > 0 ? cases[i].tolerance : 0.1;
        ReplicasInput input = {.pods = world.pods,
                               .resource = "cpu",
                               .utilization = target > 0 ? &target : NULL,
                               .target_milli = -target,
                               .tolerance_up = tolerance,
                               .tolerance_down = tolerance,
                               .now_ns = NOW};
        ReplicasResult result;

        add_pods(&world, cases[i].pods);
        input.n_pods = world.n;
        input.current = (int32_t)world.n;
        replicas_compute(&input, &world.arena, &result);
        if (cases[i].error) {
            assert_non_null(result.error);
            assert_string_equal(result.error, cases[i].error);
        } else {
            assert_null(result.error);
            assert_int_equal(result.replicas, cases[i].replicas);
            assert_int_equal(result.utilization, cases[i].percent);
        }
        arena_clear(&world.arena);
    }
}

static void only_the_named_container_counts(void **state)
{
    World world = {0};
    int32_t target = 50;
    ReplicasInput input = {.pods = world.pods,
                           .n_pods = 1,
                           .resource = "cpu",
                           .container = "main",
                           .utilization = &target,
                           .tolerance_up = 0.1,
                           .tolerance_down = 0.1,
                           .current = 1,
                           .now_ns = NOW};
    ContainerUsage both[] = {{"noisy", INT64_C(9000000000), 0}, {"main", 500000000, 0}};
    PodUsage usage = {.at_ns = NOW, .window_ns = 1, .v = both, .n = 2};
    ReplicasResult result;

    add_pods(&world, "r0");
    world.pods[0].usage = &usage;
    replicas_compute(&input, &world.arena, &result);
    assert_int_equal(result.utilization, 50);
    input.container = "other";
    replicas_compute(&input, &world.arena, &result);
    assert_string_equal(result.error,
                        "did not receive metrics for targeted pods (pods might be unready)");
    arena_clear(&world.arena);
}

static void memory_is_counted_in_bytes(void **state)
{
    World world = {0};
    ContainerUsage used = {"main", 0, 100 << 20};
    PodUsage usage = {.at_ns = NOW, .window_ns = 1, .v = &used, .n = 1};
    ReplicasInput input = {.pods = world.pods,
                           .n_pods = 1,
                           .resource = "memory",
                           .target_milli = INT64_C(50000) << 20,
                           .tolerance_up = 0.1,
                           .tolerance_down = 0.1,
                           .current = 1,
                           .now_ns = NOW};
    ReplicasResult result;

    add_pods(&world, "r0");
    world.pods[0].usage = &usage;
    replicas_compute(&input, &world.arena, &result);
    assert_int_equal(result.replicas, 2);
    assert_int_equal(result.average_milli, INT64_C(100000) << 20);
    arena_clear(&world.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_metric_asks_for_replicas),
        cmocka_unit_test(only_the_named_container_counts),
        cmocka_unit_test(memory_is_counted_in_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
