/* SPDX-License-Identifier: Apache-2.0 */
/* Autoscalers in two versions: one object, of which version 1 keeps in annotations what it cannot say. */
#include "testing.h"

#include "api_harness.h"

#define ONE "/apis/autoscaling/v1/namespaces/t/horizontalpodautoscalers"
#define TWO "/apis/autoscaling/v2/namespaces/t/horizontalpodautoscalers"
#define TARGET \
    "\"scaleTargetRef\":{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"name\":\"web\"}"
#define ANNOTATION "/metadata/annotations/autoscaling.alpha.kubernetes.io~1"
#define MEMORY                                                                       \
    "{\"type\":\"Resource\",\"resource\":{\"name\":\"memory\",\"target\":{\"type\":" \
    "\"AverageValue\",\"averageValue\":\"1Gi\"}}}"
#define HITS                                                                                     \
    "{\"type\":\"Object\",\"object\":{\"describedObject\":{\"kind\":\"Ingress\",\"name\":\"i\"," \
    "\"apiVersion\":\"networking.k8s.io/"                                                        \
    "v1\"},\"target\":{\"type\":\"Value\",\"value\":\"5\"},\"metric\":{\"name\":\"hits\"}}}"
#define CPU                                                                                       \
    "{\"type\":\"Resource\",\"resource\":{\"name\":\"cpu\",\"target\":{\"type\":\"Utilization\"," \
    "\"averageUtilization\":60}}}"
#define MERGE "application/merge-patch+json"

/* clang-format off */
static const ApiCase cases[] = {
    {"version 1", "POST", ONE, NULL, "{\"metadata\":{\"name\":\"a\"},\"spec\":{" TARGET ",\"maxReplicas\":5,\"targetCPUUtilizationPercentage\":70}}", 201,
     {{"/apiVersion", "\"autoscaling/v1\""}, {"/spec/targetCPUUtilizationPercentage", "70"}, {"/spec/minReplicas", "1"}, {"/metadata/annotations", NULL}}},
    {"is version 2 as well", "GET", TWO "/a", NULL, NULL, 200,
     {{"/apiVersion", "\"autoscaling/v2\""}, {"/spec/metrics", "[{\"type\":\"Resource\",\"resource\":{\"name\":\"cpu\",\"target\":{\"type\":\"Utilization\",\"averageUtilization\":70}}}]"},
      {"/spec/maxReplicas", "5"}}},
    {"without a target, 80 percent are meant", "POST", ONE, NULL, "{\"metadata\":{\"name\":\"d\"},\"spec\":{" TARGET ",\"maxReplicas\":5}}", 201,
     {{"/spec/targetCPUUtilizationPercentage", "80"}}},
    {"version 2", "POST", TWO, NULL, "{\"metadata\":{\"name\":\"b\",\"annotations\":{\"x\":\"y\"}},\"spec\":{" TARGET ",\"maxReplicas\":5,\"metrics\":[" MEMORY "," HITS "," CPU "],\"behavior\":{\"scaleDown\":{\"policies\":[{\"type\":\"Pods\",\"value\":1,\"periodSeconds\":30}]}}}}", 201,
     {{"/spec/metrics", "[" MEMORY "," HITS "," CPU "]"}}},
    {"is version 1 with annotations", "GET", ONE "/b", NULL, NULL, 200,
     {{"/spec/targetCPUUtilizationPercentage", "60"}, {ANNOTATION "metrics", "\"[{\\\"type\\\":\\\"Resource\\\",\\\"resource\\\":{\\\"name\\\":\\\"memory\\\",\\\"targetAverageValue\\\":\\\"1Gi\\\"}},{\\\"type\\\":\\\"Object\\\",\\\"object\\\":{\\\"target\\\":{\\\"kind\\\":\\\"Ingress\\\",\\\"name\\\":\\\"i\\\",\\\"apiVersion\\\":\\\"networking.k8s.io/v1\\\"},\\\"metricName\\\":\\\"hits\\\",\\\"targetValue\\\":\\\"5\\\"}}]\""},
      {ANNOTATION "behavior", "\"{\\\"ScaleUp\\\":{\\\"StabilizationWindowSeconds\\\":0,\\\"SelectPolicy\\\":\\\"Max\\\",\\\"Policies\\\":[{\\\"Type\\\":\\\"Pods\\\",\\\"Value\\\":4,\\\"PeriodSeconds\\\":15},{\\\"Type\\\":\\\"Percent\\\",\\\"Value\\\":100,\\\"PeriodSeconds\\\":15}],\\\"Tolerance\\\":null},\\\"ScaleDown\\\":{\\\"StabilizationWindowSeconds\\\":null,\\\"SelectPolicy\\\":\\\"Max\\\",\\\"Policies\\\":[{\\\"Type\\\":\\\"Pods\\\",\\\"Value\\\":1,\\\"PeriodSeconds\\\":30}],\\\"Tolerance\\\":null}}\""},
      {"/metadata/annotations/x", "\"y\""}}},
    {"a change of version 1 keeps the rest", "PATCH", ONE "/b", MERGE, "{\"spec\":{\"maxReplicas\":7,\"targetCPUUtilizationPercentage\":50}}", 200,
     {{"/spec/maxReplicas", "7"}}},
    {"as version 2 shows", "GET", TWO "/b", NULL, NULL, 200,
     {{"/spec/metrics/0", MEMORY}, {"/spec/metrics/1", HITS}, {"/spec/metrics/2/resource/target/averageUtilization", "50"}, {"/spec/maxReplicas", "7"},
      {"/spec/behavior/scaleDown/policies/0", "{\"type\":\"Pods\",\"value\":1,\"periodSeconds\":30}"}, {"/metadata/annotations", "{\"x\":\"y\"}"}}},
    {"a status becomes annotations, too", "PATCH", TWO "/b/status", MERGE,
     "{\"status\":{\"currentReplicas\":2,\"currentMetrics\":[{\"type\":\"Resource\",\"resource\":{\"name\":\"cpu\",\"current\":{\"averageUtilization\":40,\"averageValue\":\"400m\"}}}],\"conditions\":[{\"type\":\"AbleToScale\",\"status\":\"True\",\"lastTransitionTime\":\"2026-11-21T08:00:00Z\"}]}}", 200, {{0}}},
    {"that version 1 shows", "GET", ONE "/b", NULL, NULL, 200,
     {{"/status/currentReplicas", "2"}, {"/status/currentCPUUtilizationPercentage", "40"},
      {ANNOTATION "current-metrics", "\"[{\\\"type\\\":\\\"Resource\\\",\\\"resource\\\":{\\\"name\\\":\\\"cpu\\\",\\\"currentAverageUtilization\\\":40,\\\"currentAverageValue\\\":\\\"400m\\\"}}]\""},
      {ANNOTATION "conditions", "\"[{\\\"type\\\":\\\"AbleToScale\\\",\\\"status\\\":\\\"True\\\",\\\"lastTransitionTime\\\":\\\"2026-11-21T08:00:00Z\\\"}]\""}}},
    {"annotations that are no JSON are dropped", "POST", ONE, NULL, "{\"metadata\":{\"name\":\"c\",\"annotations\":{\"autoscaling.alpha.kubernetes.io/metrics\":\"{[\",\"autoscaling.alpha.kubernetes.io/behavior\":\"7\"}},\"spec\":{" TARGET ",\"maxReplicas\":5}}", 201,
     {{"/spec/targetCPUUtilizationPercentage", "80"}, {"/metadata/annotations", NULL}}},
    {"what version 2 forbids is forbidden", "POST", ONE, NULL, "{\"metadata\":{\"name\":\"e\"},\"spec\":{" TARGET ",\"maxReplicas\":0}}", 422,
     {{"/details/causes/0/field", "\"spec.maxReplicas\""}}},
    {"both are listed", "GET", ONE, NULL, NULL, 200, {{"/items/0/metadata/name", "\"a\""}, {"/items/1/metadata/name", "\"b\""}}},
    {"the newer version is preferred", "GET", "/apis/autoscaling", NULL, NULL, 200,
     {{"/versions", "[{\"groupVersion\":\"autoscaling/v2\",\"version\":\"v2\"},{\"groupVersion\":\"autoscaling/v1\",\"version\":\"v1\"}]"},
      {"/preferredVersion/version", "\"v2\""}}},
};
/* clang-format on */

static void an_autoscaler_has_two_versions(void **state)
{
    Api *api = mem_new_type(Api);

    api_start(api, NULL);
    api_fixture(api);
    api_run(api, cases, ARRAY_LEN(cases));
    api_stop(api);
    free(api);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_autoscaler_has_two_versions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
