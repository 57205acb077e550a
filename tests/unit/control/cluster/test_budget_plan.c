/* SPDX-License-Identifier: Apache-2.0 */
/* What a PodDisruptionBudget allows, one sentence each. Pods: + ready, ! not ready, t terminating,
 * d noted for eviction, l controlled by nobody knows what, u not controlled. */
#include "testing.h"

#include "api/object.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/policy_v1.h"
#include "control/cluster/budget_plan.h"

#define NOW INT64_C(1700000000)

static const struct {
    const char *name;
    const char *min, *max; /* "50%", "2"; NULL: absent */
    int32_t wanted;        /* by the pods' controller */
    const char *pods;
    int32_t allowed, desired, expected;
    const char *reason;
} CASES[] = {
    {"what_is_above_the_minimum_may_go", "2", NULL, 3, "+++", 1, 2, 3, "SufficientPods"},
    {"at_the_minimum_nothing_may_go", "2", NULL, 2, "++", 0, 2, 2, "InsufficientPods"},
    {"pods_that_are_not_ready_do_not_count", "2", NULL, 3, "++!", 0, 2, 3, "InsufficientPods"},
    {"pods_that_end_do_not_count", "1", NULL, 3, "+tt", 0, 1, 3, "InsufficientPods"},
    {"a_pod_that_is_about_to_go_does_not_count", "1", NULL, 2, "+d", 0, 1, 2, "InsufficientPods"},
    {"a_share_is_of_what_is_wanted", "50%", NULL, 5, "+++++", 2, 3, 5, "SufficientPods"},
    {"a_maximum_of_the_missing", NULL, "1", 3, "+++", 1, 2, 3, "SufficientPods"},
    {"missing_pods_use_it_up", NULL, "1", 3, "++", 0, 2, 3, "InsufficientPods"},
    {"none_may_be_missing", NULL, "0", 2, "++", 0, 2, 2, "InsufficientPods"},
    {"no_pods_no_evictions", NULL, "1", 0, "", 0, 0, 0, "InsufficientPods"},
    {"without_a_known_controller_nothing_may_go", NULL, "1", 2, "+l", 0, 0, 0, "SyncFailed"},
    {"a_plain_minimum_needs_no_controller", "1", NULL, 0, "uu", 1, 1, 2, "SufficientPods"},
};

static IntOrString *number(Arena *arena, const char *text)
{
    IntOrString *v = arena_new(arena, IntOrString);
    int64_t n;

    if (!text)
        return NULL;
    if (str_to_int64(text, 0, 1000, &n) == 0)
        v->number = (int32_t)n;
    else
        *v = (IntOrString){.is_string = true, .string = text};
    return v;
}

static void fill(Arena *arena, PodDisruptionBudget *budget, BudgetPod *pods, const char *text,
                 int32_t wanted)
{
    TimeEntry *entry = arena_new(arena, TimeEntry);

    for (size_t i = 0; text[i]; i++) {
        Pod *pod = arena_new(arena, Pod);
        PodCondition *ready = arena_new(arena, PodCondition);

        pod->metadata.name = arena_printf(arena, "pod-%zu", i);
        *ready = (PodCondition){.type = "Ready", .status = text[i] == '!' ? "False" : "True"};
        pod->status.conditions = (PodConditionArray){ready, 1};
        if (text[i] == 't')
            pod->metadata.deletion_timestamp = (Time){.seconds = NOW, .set = true};
        if (text[i] == 'd') {
            *entry = (TimeEntry){pod->metadata.name, {.seconds = NOW - 20, .set = true}};
            budget->status.disrupted_pods = (TimeMap){entry, 1};
        }
        pods[i] = (BudgetPod){.pod = pod,
                              .owner = text[i] == 'u' ? NULL : "owner",
                              .wanted = wanted,
                              .lost = text[i] == 'l'};
    }
}

static void the_budget_stands_as_the_sentence_says(void **state)
{
    EACH_ROW(i, CASES, CASES[i].name) {
        _arena_ Arena arena = ARENA_INIT;
        PodDisruptionBudget budget = {.metadata = {.generation = 4}};
        BudgetPod pods[8];
        BudgetPlan plan;

        budget.spec.min_available = number(&arena, CASES[i].min);
        budget.spec.max_unavailable = number(&arena, CASES[i].max);
        fill(&arena, &budget, pods, CASES[i].pods, CASES[i].wanted);
        print_message("%s\n", CASES[i].name);
        budget_plan(&(BudgetInput){&budget, pods, strlen(CASES[i].pods), NOW * INT64_C(1000000000)},
                    &arena, &plan);
        assert_int_equal(plan.status.disruptions_allowed, CASES[i].allowed);
        assert_int_equal(plan.status.desired_healthy, CASES[i].desired);
        assert_int_equal(plan.status.expected_pods, CASES[i].expected);
        assert_int_equal(plan.status.observed_generation, 4);
        assert_string_equal(plan.status.conditions.v[0].reason, CASES[i].reason);
        assert_int_equal(plan.again_after_ns,
                         strchr(CASES[i].pods, 'd') ? 100 * INT64_C(1000000000) : -1);
    }
}

/* Whatever the result was, an error included, the next plan from it changes nothing. */
static void a_status_that_has_been_written_is_not_written_again(void **state)
{
    EACH_ROW(i, CASES, CASES[i].name) {
        _arena_ Arena arena = ARENA_INIT;
        PodDisruptionBudget budget = {.metadata = {.generation = 4}};
        BudgetPod pods[8];
        BudgetInput input = {&budget, pods, strlen(CASES[i].pods), NOW * INT64_C(1000000000)};
        BudgetPlan plan;

        budget.spec.min_available = number(&arena, CASES[i].min);
        budget.spec.max_unavailable = number(&arena, CASES[i].max);
        fill(&arena, &budget, pods, CASES[i].pods, CASES[i].wanted);
        budget_plan(&input, &arena, &plan);
        assert_true(plan.status_changed);
        budget.status = plan.status;
        input.now_ns += INT64_C(5000000000);
        budget_plan(&input, &arena, &plan);
        assert_false(plan.status_changed);
        assert_int_equal(plan.status.conditions.n, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_budget_stands_as_the_sentence_says),
        cmocka_unit_test(a_status_that_has_been_written_is_not_written_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
