/* SPDX-License-Identifier: Apache-2.0 */
/* What an autoscaler does with what its metrics ask for: limits, stabilization, conditions and Events. */
#include "testing.h"

#include "api/condition.h"
#include "api/object.h"
#include "api/schema/core_container_v1.h"
#include "api/time.h"
#include "base/time/clock.h"
#include "codec/json/json.h"
#include "control/autoscale/plan.h"

#define NOW (INT64_C(1700000000) * NS_PER_SEC)

/* ---- limits ---- */

#define POLICIES(select, window, policies)                                    \
    "{\"selectPolicy\":\"" select "\",\"stabilizationWindowSeconds\":" window \
    ",\"policies\":[" policies "]}"
#define POLICY(type, value, period) \
    "{\"type\":\"" type "\",\"value\":" value ",\"periodSeconds\":" period "}"
#define BEHAVIOR(up, down) "{\"scaleUp\":" up ",\"scaleDown\":" down "}"
#define FREE_UP POLICIES("Max", "0", POLICY("Percent", "1000", "15"))
#define FREE_DOWN POLICIES("Max", "0", POLICY("Percent", "100", "15"))

/* Steps: at this second, the size is `now` and `wanted` is asked for; the size becomes `then`. The sizes 1
 * to 100 are allowed. */
static const struct {
    const char *name, *behavior;
    struct {
        int at, now, wanted, then;
        const char *able, *limit;
    } steps[4];
} limit_cases[] = {
    {"more pods are there at once", NULL, {{0, 4, 6, 6, "ReadyForNewScale", "DesiredWithinRange"}}},
    {"but no more than twice as many", NULL, {{0, 4, 20, 8, "ReadyForNewScale", "ScaleUpLimit"}}},
    {"or four, if that is more", NULL, {{0, 1, 20, 4, "ReadyForNewScale", "ScaleUpLimit"}}},
    {"and never more than the most",
     NULL,
     {{0, 90, 120, 100, "ReadyForNewScale", "TooManyReplicas"}}},
    {"nor less than the least",
     NULL,
     {{0, 4, 0, 4, "ScaleDownStabilized", "DesiredWithinRange"},
      {400, 4, 0, 1, "ReadyForNewScale", "TooFewReplicas"}}},
    {"fewer pods are wanted for five minutes first",
     NULL,
     {{0, 4, 4, 4, "ReadyForNewScale", "DesiredWithinRange"},
      {290, 4, 2, 4, "ScaleDownStabilized", "DesiredWithinRange"},
      {310, 4, 2, 2, "ReadyForNewScale", "DesiredWithinRange"}}},
    {"the highest wish of five minutes counts",
     NULL,
     {{0, 4, 4, 4, "ReadyForNewScale", "DesiredWithinRange"},
      {100, 4, 3, 4, "ScaleDownStabilized", "DesiredWithinRange"},
      {350, 4, 1, 3, "ScaleDownStabilized", "DesiredWithinRange"}}},
    {"a behavior may allow to go down at once",
     BEHAVIOR(FREE_UP, FREE_DOWN),
     {{0, 8, 2, 2, "ReadyForNewScale", "DesiredWithinRange"}}},
    {"a policy limits the pods that are added in a period",
     BEHAVIOR(POLICIES("Max", "0", POLICY("Pods", "2", "60")), FREE_DOWN),
     {{0, 4, 10, 6, "ReadyForNewScale", "ScaleUpLimit"},
      {30, 6, 10, 6, "ReadyForNewScale", "ScaleUpLimit"},
      {61, 6, 10, 8, "ReadyForNewScale", "ScaleUpLimit"}}},
    {"of two policies, the larger change counts",
     BEHAVIOR(POLICIES("Max", "0", POLICY("Pods", "2", "60") "," POLICY("Percent", "100", "60")),
              FREE_DOWN),
     {{0, 10, 50, 20, "ReadyForNewScale", "ScaleUpLimit"}}},
    {"or the smaller one",
     BEHAVIOR(POLICIES("Min", "0", POLICY("Pods", "2", "60") "," POLICY("Percent", "100", "60")),
              FREE_DOWN),
     {{0, 10, 50, 12, "ReadyForNewScale", "ScaleUpLimit"}}},
    {"a percentage is rounded up",
     BEHAVIOR(POLICIES("Max", "0", POLICY("Percent", "10", "60")), FREE_DOWN),
     {{0, 3, 50, 4, "ReadyForNewScale", "ScaleUpLimit"}}},
    {"a direction may be disabled",
     BEHAVIOR(FREE_UP, POLICIES("Disabled", "0", POLICY("Pods", "1", "60"))),
     {{0, 8, 2, 8, "ReadyForNewScale", "ScaleDownLimit"}}},
    {"a policy limits the pods that are removed in a period",
     BEHAVIOR(FREE_UP, POLICIES("Max", "0", POLICY("Pods", "3", "60"))),
     {{0, 10, 1, 7, "ReadyForNewScale", "ScaleDownLimit"},
      {30, 7, 1, 7, "ReadyForNewScale", "ScaleDownLimit"},
      {90, 7, 1, 4, "ReadyForNewScale", "ScaleDownLimit"}}},
    {"pods that were added count for the way down",
     BEHAVIOR(FREE_UP, POLICIES("Max", "0", POLICY("Percent", "50", "60"))),
     {{0, 10, 40, 40, "ReadyForNewScale", "DesiredWithinRange"},
      {30, 40, 1, 5, "ReadyForNewScale", "ScaleDownLimit"}}},
    {"the way up may wait, too",
     BEHAVIOR(POLICIES("Max", "60", POLICY("Percent", "1000", "15")), FREE_DOWN),
     {{0, 4, 4, 4, "ReadyForNewScale", "DesiredWithinRange"},
      {30, 4, 8, 4, "ScaleUpStabilized", "DesiredWithinRange"},
      {91, 4, 8, 8, "ReadyForNewScale", "DesiredWithinRange"}}},
};

static void decode(Arena *arena, const Type *type, const char *json, void *value)
{
    DecodeReport report = {0};
    yyjson_doc *doc;

    assert_int_equal(json_parse(arena, bytes_from_string(json), &doc, &report), 0);
    assert_int_equal(json_decode(type, arena, yyjson_doc_get_root(doc), 0, NULL, value, &report),
                     0);
}

static const HorizontalPodAutoscalerBehavior *behavior_of(Arena *arena, const char *json)
{
    HorizontalPodAutoscalerBehavior *behavior = arena_new(arena, HorizontalPodAutoscalerBehavior);

    if (!json)
        return NULL;
    decode(arena, &type_HorizontalPodAutoscalerBehavior, json, behavior);
    return behavior;
}

static void sizes_are_limited(void **state)
{
    EACH_ROW(i, limit_cases, limit_cases[i].name) {
        _arena_ Arena arena = ARENA_INIT;
        const HorizontalPodAutoscalerBehavior *behavior =
            behavior_of(&arena, limit_cases[i].behavior);
        ScaleHistory history = {0};

        for (size_t k = 0; k < 4 && limit_cases[i].steps[k].now; k++) {
            LimitInput input = {.behavior = behavior,
                                .least = 1,
                                .most = 100,
                                .current = limit_cases[i].steps[k].now,
                                .desired = limit_cases[i].steps[k].wanted,
                                .now_ns = NOW + limit_cases[i].steps[k].at * NS_PER_SEC};
            LimitResult result;

            scale_history_begin(&history, input.current, input.now_ns);
            limit_replicas(&input, &history, &result);
            assert_int_equal(result.replicas, limit_cases[i].steps[k].then);
            assert_string_equal(result.able_reason, limit_cases[i].steps[k].able);
            assert_string_equal(result.limit_reason, limit_cases[i].steps[k].limit);
            assert_int_equal(result.limited, !str_equal(result.limit_reason, "DesiredWithinRange"));
            if (result.replicas != input.current)
                scale_history_note(&history, behavior, input.current, result.replicas,
                                   input.now_ns);
        }
        scale_history_deinit(&history);
    }
}

static void a_history_does_not_grow_for_ever(void **state)
{
    ScaleHistory history = {0};
    LimitResult result;

    for (int i = 0; i < 10000; i++) {
        LimitInput input = {.least = 1,
                            .most = 10,
                            .current = 3,
                            .desired = 3,
                            .now_ns = NOW + i * 15 * NS_PER_SEC};

        limit_replicas(&input, &history, &result);
    }
    assert_true(history.recommendations.n <= 22);
    scale_history_deinit(&history);
}

/* ---- plans ---- */

#define CPU                                                                                       \
    "{\"type\":\"Resource\",\"resource\":{\"name\":\"cpu\",\"target\":{\"type\":\"Utilization\"," \
    "\"averageUtilization\":50}}}"
#define EXTERNAL                                                                                 \
    "{\"type\":\"External\",\"external\":{\"metric\":{\"name\":\"queue\"},\"target\":{\"type\":" \
    "\"AverageValue\",\"averageValue\":\"5\"}}}"
#define OBJECT                                                                              \
    "{\"type\":\"Object\",\"object\":{\"metric\":{\"name\":\"hits\"},\"describedObject\":{" \
    "\"kind\":\"Ingress\",\"name\":\"i\",\"apiVersion\":\"networking.k8s.io/"               \
    "v1\"},\"target\":{\"type\":\"Value\",\"value\":\"5\"}}}"
#define PODS_METRIC                                                                    \
    "{\"type\":\"Pods\",\"pods\":{\"metric\":{\"name\":\"rps\"},\"target\":{\"type\":" \
    "\"AverageValue\",\"averageValue\":\"5\"}}}"
#define NO_CUSTOM                                                             \
    "unable to fetch metrics from custom metrics API: no custom metrics API " \
    "(custom.metrics.k8s.io) registered"
#define NO_EXTERNAL                                                                             \
    "unable to get external metric t/queue/nil: unable to fetch metrics from external metrics " \
    "API: the server could not find the requested resource (get queue.external.metrics.k8s.io)"

/* Two pods that use this percentage of their request of one CPU; at most 10 and at least 2 replicas. */
static const struct {
    const char *name, *metrics;
    int percent, current;
    const char *scale_error, *selector, *rivals, *no_metrics;
    int32_t replicas; /* -1: as it is */
    const char *notes, *conditions;
} plan_cases[] = {
    {"busy pods are joined by more", CPU, 100, 2, NULL, "a=b", NULL, NULL, 4,
     "SuccessfulRescale New size: 4; reason: cpu resource utilization (percentage of request) "
     "above target\n",
     "AbleToScale=True SucceededRescale ScalingActive=True ValidMetricFound ScalingLimited=False "
     "DesiredWithinRange "},
    {"a size that fits stays", CPU, 50, 2, NULL, "a=b", NULL, NULL, -1, "",
     "AbleToScale=True ReadyForNewScale ScalingActive=True ValidMetricFound ScalingLimited=False "
     "DesiredWithinRange "},
    {"too many replicas become fewer whatever they use", CPU, 100, 11, NULL, "a=b", NULL, NULL, 10,
     "SuccessfulRescale New size: 10; reason: Current number of replicas above Spec.MaxReplicas\n",
     "AbleToScale=True SucceededRescale "},
    {"too few become more", CPU, 0, 1, NULL, "a=b", NULL, NULL, 2,
     "SuccessfulRescale New size: 2; reason: Current number of replicas below Spec.MinReplicas\n",
     "AbleToScale=True SucceededRescale "},
    {"no replicas are a wish", CPU, 0, 0, NULL, "a=b", NULL, NULL, -1, "",
     "AbleToScale=True SucceededGetScale ScalingActive=False ScalingDisabled "},
    {"a target that is not there is an error", CPU, 0, 0, "deployments.apps \"x\" not found", "",
     NULL, NULL, -1, "FailedGetScale deployments.apps \"x\" not found\n",
     "AbleToScale=False FailedGetScale "},
    {"a target without a selector is one", CPU, 0, 2, NULL, "", NULL, NULL, -1,
     "SelectorRequired selector is required\nFailedComputeMetricsReplicas selector is required\n",
     "AbleToScale=True SucceededGetScale ScalingActive=False InvalidSelector "},
    {"two autoscalers of the same pods are one", CPU, 100, 2, NULL, "a=b", "[{x t} {y t}]", NULL,
     -1,
     "AmbiguousSelector pods by selector a=b are controlled by multiple HPAs: [{x t} {y t}]\n"
     "FailedComputeMetricsReplicas pods by selector a=b are controlled by multiple HPAs: [{x t} {y "
     "t}]\n",
     "AbleToScale=True SucceededGetScale ScalingActive=False AmbiguousSelector "},
    {"without measurements nothing happens", CPU, 100, 2, NULL, "a=b", NULL,
     "no metrics returned from resource metrics API", -1,
     "FailedGetResourceMetric failed to get cpu utilization: unable to get metrics for resource "
     "cpu: no metrics returned from resource metrics API\n"
     "FailedComputeMetricsReplicas invalid metrics (1 invalid out of 1), first error is: failed to "
     "get cpu resource metric value: failed to get cpu utilization: unable to get metrics for "
     "resource cpu: no metrics returned from resource metrics API\n",
     "AbleToScale=True SucceededGetScale ScalingActive=False FailedGetResourceMetric "},
    {"metrics of pods need an adapter", PODS_METRIC, 0, 2, NULL, "a=b", NULL, NULL, -1,
     "FailedGetPodsMetric unable to get metric rps: " NO_CUSTOM "\n"
     "FailedComputeMetricsReplicas invalid metrics (1 invalid out of 1), first error is: failed to "
     "get pods metric value: unable to get metric rps: " NO_CUSTOM "\n",
     "AbleToScale=True SucceededGetScale ScalingActive=False FailedGetPodsMetric "},
    {"so do those of objects", OBJECT, 0, 2, NULL, "a=b", NULL, NULL, -1,
     "FailedGetObjectMetric unable to get metric hits: Ingress on t i/" NO_CUSTOM "\n"
     "FailedComputeMetricsReplicas invalid metrics (1 invalid out of 1), first error is: failed to "
     "get object metric value: unable to get metric hits: Ingress on t i/" NO_CUSTOM "\n",
     "AbleToScale=True SucceededGetScale ScalingActive=False FailedGetObjectMetric "},
    {"and those from outside", EXTERNAL, 0, 2, NULL, "a=b", NULL, NULL, -1,
     "FailedGetExternalMetric " NO_EXTERNAL "\n"
     "FailedComputeMetricsReplicas invalid metrics (1 invalid out of 1), first error is: failed to "
     "get queue external metric value: failed to get queue external metric: " NO_EXTERNAL "\n",
     "AbleToScale=True SucceededGetScale ScalingActive=False FailedGetExternalMetric "},
    {"a metric that fails does not keep others from asking for more", EXTERNAL "," CPU, 100, 2,
     NULL, "a=b", NULL, NULL, 4,
     "FailedGetExternalMetric " NO_EXTERNAL "\n"
     "SuccessfulRescale New size: 4; reason: cpu resource utilization (percentage of request) "
     "above target\n",
     "AbleToScale=True SucceededRescale ScalingActive=True ValidMetricFound ScalingLimited=False "
     "DesiredWithinRange "},
    {"but from going down", EXTERNAL "," CPU, 10, 4, NULL, "a=b", NULL, NULL, -1,
     "FailedGetExternalMetric " NO_EXTERNAL "\n"
     "FailedComputeMetricsReplicas invalid metrics (1 invalid out of 2), first error is: failed to "
     "get queue external metric value: failed to get queue external metric: " NO_EXTERNAL "\n",
     "AbleToScale=True SucceededGetScale ScalingActive=False FailedGetExternalMetric "},
};

typedef struct World {
    Arena arena;
    HorizontalPodAutoscaler autoscaler;
    ScaledPod pods[2];
    AutoscaleInput input;
    ScaleHistory history;
    AutoscalePlan plan;
} World;

static void world_init(World *world, const char *metrics, int percent)
{
    Arena *arena = &world->arena;
    char *json = arena_printf(arena,
                              "{\"metadata\":{\"name\":\"h\",\"namespace\":\"t\"},\"spec\":{"
                              "\"scaleTargetRef\":{\"kind\":\"Deployment\",\"name\":\"x\","
                              "\"apiVersion\":\"apps/v1\"},\"minReplicas\":2,\"maxReplicas\":10,"
                              "\"metrics\":[%s]}}",
                              metrics);

    decode(arena, &type_HorizontalPodAutoscaler, json, &world->autoscaler);
    for (size_t i = 0; i < 2; i++) {
        Pod *pod = arena_new(arena, Pod);
        Container *container = arena_new(arena, Container);
        ContainerUsage *used = arena_new(arena, ContainerUsage);
        PodUsage *usage = arena_new(arena, PodUsage);
        PodCondition *ready = arena_new(arena, PodCondition);

        pod->metadata.name = arena_printf(arena, "pod-%zu", i);
        container->name = "main";
        string_map_put(arena, &container->resources.requests, "cpu", "1");
        pod->spec.containers = (ContainerArray){container, 1};
        pod->status.phase = "Running";
        pod->status.start_time = time_from_ns(NOW - 3600 * NS_PER_SEC);
        *ready = (PodCondition){
            .type = "Ready", .status = "True", .last_transition_time = pod->status.start_time};
        pod->status.conditions = (PodConditionArray){ready, 1};
        *used = (ContainerUsage){"main", percent * INT64_C(10000000), 0};
        *usage = (PodUsage){.at_ns = NOW, .window_ns = NS_PER_SEC, .v = used, .n = 1};
        world->pods[i] = (ScaledPod){pod, usage};
    }
    world->input = (AutoscaleInput){
        .autoscaler = &world->autoscaler, .pods = world->pods, .n_pods = 2, .now_ns = NOW};
}

static char *notes_of(const AutoscalePlan *plan)
{
    StrBuf text = STRBUF_INIT;

    for (size_t i = 0; i < plan->notes.n; i++)
        strbuf_printf(&text, "%s %s\n", plan->notes.v[i].reason, plan->notes.v[i].message);
    return strbuf_take(&text);
}

static char *conditions_of(const AutoscalePlan *plan)
{
    StrBuf text = STRBUF_INIT;

    for (size_t i = 0; i < plan->status.conditions.n; i++) {
        const HorizontalPodAutoscalerCondition *c = &plan->status.conditions.v[i];

        strbuf_printf(&text, "%s=%s %s ", c->type, c->status, c->reason);
    }
    return strbuf_take(&text);
}

static void autoscalers_say_what_they_do(void **state)
{
    EACH_ROW(i, plan_cases, plan_cases[i].name) {
        World world = {0};
        char *notes, *conditions;

        world_init(&world, plan_cases[i].metrics, plan_cases[i].percent);
        world.input.current = plan_cases[i].current;
        world.input.scale_error = plan_cases[i].scale_error;
        world.input.selector = plan_cases[i].selector;
        world.input.rivals = plan_cases[i].rivals;
        world.input.no_metrics = plan_cases[i].no_metrics;
        autoscale_plan(&world.input, &world.history, &world.arena, &world.plan);
        assert_int_equal(world.plan.rescale, plan_cases[i].replicas >= 0);
        if (world.plan.rescale) {
            assert_int_equal(world.plan.replicas, plan_cases[i].replicas);
            autoscale_rescaled(&world.input, NULL, &world.history, &world.arena, &world.plan);
            assert_true(world.plan.status.last_scale_time.set);
            assert_int_equal(world.plan.status.desired_replicas, plan_cases[i].replicas);
        }
        notes = notes_of(&world.plan);
        conditions = conditions_of(&world.plan);
        assert_string_equal(notes, plan_cases[i].notes);
        assert_string_equal(conditions, plan_cases[i].conditions);
        free(notes);
        free(conditions);
        scale_history_deinit(&world.history);
        arena_clear(&world.arena);
    }
}

static void a_scale_that_is_refused_is_reported(void **state)
{
    World world = {0};
    char *notes, *conditions;

    world_init(&world, CPU, 100);
    world.input.current = 2;
    world.input.selector = "a=b";
    autoscale_plan(&world.input, &world.history, &world.arena, &world.plan);
    autoscale_rescaled(&world.input, "no", &world.history, &world.arena, &world.plan);
    notes = notes_of(&world.plan);
    conditions = conditions_of(&world.plan);
    assert_string_equal(notes, "FailedRescale New size: 4; reason: cpu resource utilization "
                               "(percentage of request) above target; error: no\n");
    assert_non_null(strstr(conditions, "AbleToScale=False FailedUpdateScale"));
    assert_int_equal(world.plan.status.desired_replicas, 0);
    free(notes);
    free(conditions);
    scale_history_deinit(&world.history);
    arena_clear(&world.arena);
}

static void the_status_has_what_was_measured(void **state)
{
    World world = {0};
    const MetricValueStatus *current;

    world_init(&world, CPU, 55);
    world.input.current = 2;
    world.input.selector = "a=b";
    autoscale_plan(&world.input, &world.history, &world.arena, &world.plan);
    current = &world.plan.status.current_metrics.v[0].resource->current;
    assert_int_equal(*current->average_utilization, 55);
    assert_string_equal(current->average_value, "550m");
    assert_int_equal(world.plan.status.current_replicas, 2);
    scale_history_deinit(&world.history);
    arena_clear(&world.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_limited),
        cmocka_unit_test(a_history_does_not_grow_for_ever),
        cmocka_unit_test(autoscalers_say_what_they_do),
        cmocka_unit_test(a_scale_that_is_refused_is_reported),
        cmocka_unit_test(the_status_has_what_was_measured),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
