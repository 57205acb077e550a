/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a pod's status is told. A program of a session (`kubectl run -i`) that ends at once is told
 * as ended and never as running, in whatever order the events come; every other pod is told at
 * once. The pods here have the host's IPC, since a /dev/shm of their own would be a mount.
 */
#include "testing.h"

#include "../moments.h"
#include "api/schema/core_pod_v1.h"
#include "base/log.h"

#define HOLD (200 * NS_PER_MS)
#define SEEDS 64

/* The runtime of moments_fakes.c ends a container named "init" as soon as it has started. */
#define POD(policy, containers)                                                                \
    "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web\",\"namespace\":"    \
    "\"default\",\"uid\":\"00000000-0000-4000-8000-000000000001\",\"generation\":1},\"spec\":" \
    "{\"nodeName\":\"node\",\"hostIPC\":true,\"restartPolicy\":\"" policy                      \
    "\",\"containers\":[" containers "]}}"
#define CONTAINER(name, more) "{\"name\":\"" name "\",\"image\":\"app:1\"" more "}"
#define STDIN ",\"stdin\":true"
#define PROBE(kind) ",\"" kind "\":{\"tcpSocket\":{\"port\":80}}"

static Moments *world_new(uint64_t seed, const char *pod)
{
    Moments *m = moments_new(seed);

    moments_add_image(m, "app:1");
    moments_put(m, "{\"apiVersion\":\"v1\",\"kind\":\"ServiceAccount\",\"metadata\":{\"name\":"
                   "\"default\",\"namespace\":\"default\",\"uid\":\"account\"}}");
    moments_put(m, pod);
    moments_start(m);
    return m;
}

static const char *phase(Moments *m)
{
    const Object *pod = moments_get(m, "Pod", "default", "web");

    return pod ? str_or(OBJECT_AS(Pod, pod)->status.phase, "") : "gone";
}

/* Delivers what is due at this time; is the phase ever this one? */
static bool was_ever(Moments *m, const char *text)
{
    bool seen = str_equal(phase(m), text);

    while (moments_step(m))
        seen = seen || str_equal(phase(m), text);
    return seen;
}

static void a_session_that_ends_at_once_never_runs(void **state)
{
    static const char *const pods[] = {
        POD("Never", CONTAINER("init", STDIN)),
        POD("OnFailure", CONTAINER("init", STDIN)),
    };

    for (size_t i = 0; i < ARRAY_LEN(pods); i++)
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            Moments *m = world_new(seed, pods[i]);

            assert_false(was_ever(m, "Running"));
            assert_string_equal(phase(m), "Succeeded");
            moments_free(m);
        }
}

static void a_session_that_goes_on_is_told_a_moment_later(void **state)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        Moments *m = world_new(seed, POD("Never", CONTAINER("app", STDIN)));

        moments_settle(m, HOLD - 1);
        assert_string_not_equal(phase(m), "Running");
        moments_settle(m, 1);
        assert_string_equal(phase(m), "Running");
        moments_free(m);
    }
}

static void a_session_that_is_deleted_while_it_is_held_back_goes(void **state)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        Moments *m = world_new(seed, POD("Never", CONTAINER("app", STDIN)));

        moments_settle(m, HOLD / 2);
        moments_delete(m, "Pod", "default", "web", 30);
        moments_settle(m, HOLD / 4);
        assert_string_equal(phase(m), "gone");
        moments_free(m);
    }
}

static void an_agent_that_ends_meanwhile_leaves_it_to_the_next(void **state)
{
    Moments *m = world_new(0, POD("Never", CONTAINER("app", STDIN)));

    moments_settle(m, HOLD / 2);
    moments_stop(m);
    moments_start(m);
    moments_settle(m, HOLD);
    assert_string_equal(phase(m), "Running");
    moments_free(m);
}

static void no_other_pod_is_told_later(void **state)
{
    static const char *const pods[] = {
        POD("Never", CONTAINER("app", "")),
        POD("Always", CONTAINER("app", STDIN)),
        POD("Never", CONTAINER("app", STDIN PROBE("readinessProbe"))),
        POD("Never", CONTAINER("app", STDIN PROBE("livenessProbe"))),
        POD("Never", CONTAINER("app", STDIN PROBE("startupProbe"))),
        POD("Never", CONTAINER("app", STDIN) "," CONTAINER("other", "")),
    };

    for (size_t i = 0; i < ARRAY_LEN(pods); i++)
        for (uint64_t seed = 0; seed < SEEDS / 4; seed++) {
            Moments *m = world_new(seed, pods[i]);

            moments_settle(m, 0);
            assert_string_equal(phase(m), "Running");
            moments_free(m);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_that_ends_at_once_never_runs),
        cmocka_unit_test(a_session_that_goes_on_is_told_a_moment_later),
        cmocka_unit_test(a_session_that_is_deleted_while_it_is_held_back_goes),
        cmocka_unit_test(an_agent_that_ends_meanwhile_leaves_it_to_the_next),
        cmocka_unit_test(no_other_pod_is_told_later),
    };

    log_level_max = LOG_LEVEL_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
