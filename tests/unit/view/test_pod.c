/* SPDX-License-Identifier: Apache-2.0 */
/* What the conditions and the phase of a pod mean. */
#include "testing.h"

#include "api/schema/core_pod_v1.h"
#include "api/schema/core_volume_v1.h"
#include "base/time/clock.h"
#include "view/pod.h"

#define NOW INT64_C(1700000000)

static void a_pod_is_what_its_status_says(void **state _unused_)
{
    static const struct {
        const char *phase, *ready; /* ready NULL: it has no such condition */
        bool is_ready, running_and_ready, failed, succeeded, ended;
    } cases[] = {
        {"Pending", NULL, false, false, false, false, false},
        {"Running", NULL, false, false, false, false, false},
        {"Running", "False", false, false, false, false, false},
        {"Running", "Unknown", false, false, false, false, false},
        {"Running", "True", true, true, false, false, false},
        {"Pending", "True", true, false, false, false, false},
        {"Failed", "False", false, false, true, false, true},
        {"Succeeded", "False", false, false, false, true, true},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        PodCondition conditions[] = {{.type = "Initialized", .status = "True"},
                                     {.type = "Ready", .status = cases[i].ready}};
        Pod pod = {.status = {.phase = cases[i].phase,
                              .conditions = {conditions, cases[i].ready ? 2 : 1}}};

        if (pod_is_ready(&pod) != cases[i].is_ready ||
            pod_is_running_and_ready(&pod) != cases[i].running_and_ready ||
            pod_is_failed(&pod) != cases[i].failed ||
            pod_is_succeeded(&pod) != cases[i].succeeded || pod_has_ended(&pod) != cases[i].ended)
            fail_msg("row %zu", i);
        assert_ptr_equal(pod_condition(&pod, "Initialized"), &conditions[0]);
        assert_null(pod_condition(&pod, "Other"));
    }
}

static void a_pod_is_available_when_it_has_been_ready_for_long_enough(void **state _unused_)
{
    static const struct {
        const char *ready;
        int64_t since; /* relative to now; 1: the time is unknown */
        int32_t min_ready_seconds;
        bool available;
    } cases[] = {
        {"True", 0, 0, true},      {"True", 1, 0, true},     {"False", -100, 0, false},
        {"False", -100, 5, false}, {"True", -5, 5, true},    {"True", -4, 5, false},
        {"True", 1, 5, false},     {"True", -100, -1, true},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        PodCondition ready = {.type = "Ready", .status = cases[i].ready};
        Pod pod = {.status.conditions = {&ready, 1}};

        if (cases[i].since <= 0)
            ready.last_transition_time = (Time){.seconds = NOW + cases[i].since, .set = true};
        if (pod_is_available(&pod, cases[i].min_ready_seconds, NOW * NS_PER_SEC) !=
            cases[i].available)
            fail_msg("row %zu", i);
    }
}

static void only_a_volume_of_a_claim_names_one(void **state _unused_)
{
    PersistentVolumeClaimVolumeSource source = {.claim_name = "c"};
    Volume volume = {.name = "v"};

    assert_null(volume_claim_name(&volume));
    volume.volume_source.persistent_volume_claim = &source;
    assert_string_equal(volume_claim_name(&volume), "c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pod_is_what_its_status_says),
        cmocka_unit_test(a_pod_is_available_when_it_has_been_ready_for_long_enough),
        cmocka_unit_test(only_a_volume_of_a_claim_names_one),
    };

    return cmocka_run_group_tests_name("view of pods", tests, NULL, NULL);
}
