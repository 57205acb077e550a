/* SPDX-License-Identifier: Apache-2.0 */
/* What the controllers of pods share: counts and percentages, and the order in which surplus pods go. */
#include "testing.h"

#include "api/schema/core_pod_v1.h"
#include "control/pods.h"

static void a_number_is_itself_and_a_percentage_is_rounded_as_asked(void **state)
{
    static const struct {
        const char *text; /* NULL: a number */
        int32_t number;
        int64_t total, up, down;
    } cases[] = {
        {NULL, 3, 10, 3, 3},
        {NULL, 0, 10, 0, 0},
        {NULL, -1, 10, -1, -1},
        {"0%", 0, 10, 0, 0},
        {"25%", 0, 10, 3, 2},
        {"50%", 0, 10, 5, 5},
        {"1%", 0, 1, 1, 0},
        {"100%", 0, 7, 7, 7},
        {"200%", 0, 7, 14, 14},
        {"34%", 0, 3, 2, 1},
        {"2147483647%", 0, 100, 2147483647, 2147483647},
        /* Anything else is no count: 77 is what the caller falls back to. */
        {"5", 0, 10, 77, 77},
        {"", 0, 10, 77, 77},
        {"%", 0, 10, 77, 77},
        {"-5%", 0, 10, 77, 77},
        {"5%%", 0, 10, 77, 77},
        {"x%", 0, 10, 77, 77},
        {"5% ", 0, 10, 77, 77},
        {"2147483648%", 0, 1, 77, 77},
    };

    assert_int_equal(scaled_value(NULL, 10, true, 77), 77);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        IntOrString v = {
            .is_string = cases[i].text != NULL, .string = cases[i].text, .number = cases[i].number};
        int64_t up = scaled_value(&v, cases[i].total, true, 77);
        int64_t down = scaled_value(&v, cases[i].total, false, 77);

        if (up != cases[i].up || down != cases[i].down)
            fail_msg("row %zu (%s): %" PRId64 " and %" PRId64, i,
                     cases[i].text ? cases[i].text : "a number", up, down);
    }
}

#define NOW (INT64_C(1700000000) * NS_PER_SEC)

typedef struct Looks {
    bool placed, waiting; /* waiting: its phase is Pending */
    int ready_for;        /* seconds; -1: it is not ready */
    const char *cost;
    int restarts, age;
    const char *uid, *phase; /* phase: if it is neither Pending nor Running */
} Looks;

static Pod *pod_of(Arena *arena, const Looks *looks)
{
    Pod *pod = arena_new(arena, Pod);
    ContainerStatus *container = arena_new_n(arena, ContainerStatus, 2);
    PodCondition *ready = arena_new(arena, PodCondition);
    int64_t now = NOW / NS_PER_SEC;

    pod->metadata.uid = looks->uid ? looks->uid : "u";
    pod->metadata.creation_timestamp = (Time){.seconds = now - looks->age, .set = true};
    if (looks->cost)
        string_map_put(arena, &pod->metadata.annotations,
                       "controller.kubernetes.io/pod-deletion-cost", looks->cost);
    pod->spec.node_name = looks->placed ? "n" : NULL;
    pod->status.phase = looks->phase ? looks->phase : looks->waiting ? "Pending" : "Running";
    container[1].restart_count = looks->restarts;
    pod->status.container_statuses = (ContainerStatusArray){container, 2};
    *ready = (PodCondition){
        .type = "Ready",
        .status = looks->ready_for >= 0 ? "True" : "False",
        .last_transition_time = {.seconds = now - MAX_OF(looks->ready_for, 0), .set = true}};
    pod->status.conditions = (PodConditionArray){ready, 1};
    return pod;
}

/* In each row the first pod goes before the second, for one reason; in some rows, reasons that
 * count less speak for the opposite order. */
static void the_pod_that_is_worth_less_goes_first(void **state)
{
    static const struct {
        const char *why;
        Looks first, second;
    } cases[] = {
        {"not placed", {false, false, 900, "9", 0, 900, NULL}, {true, true, -1, NULL, 5, 1, NULL}},
        {"not running", {true, true, 900, "9", 0, 900, NULL}, {true, false, -1, NULL, 5, 1, NULL}},
        {"of an unknown phase",
         {true, false, 900, "9", 0, 900, NULL, "Unknown"},
         {true, false, -1, NULL, 5, 1, NULL, NULL}},
        {"pending rather than of an unknown phase",
         {true, true, 900, "9", 0, 900, NULL, NULL},
         {true, false, -1, NULL, 5, 1, NULL, "Unknown"}},
        {"not ready", {true, false, -1, "9", 0, 900, NULL}, {true, false, 0, NULL, 5, 1, NULL}},
        {"cheaper", {true, false, 900, "-1", 0, 900, NULL}, {true, false, 0, NULL, 5, 1, NULL}},
        {"cost without annotation is 0",
         {true, false, 900, NULL, 0, 900, NULL},
         {true, false, 0, "1", 5, 1, NULL}},
        {"an unreadable cost is 0",
         {true, false, 900, "x", 0, 900, NULL},
         {true, false, 0, "1", 5, 1, NULL}},
        {"ready more recently",
         {true, false, 10, NULL, 0, 900, NULL},
         {true, false, 100, NULL, 5, 1, NULL}},
        {"restarted more often",
         {true, false, -1, NULL, 2, 900, NULL},
         {true, false, -1, NULL, 1, 1, NULL}},
        {"younger", {true, false, -1, NULL, 1, 10, NULL}, {true, false, -1, NULL, 1, 900, NULL}},
        {"ages of one magnitude leave it to the uid",
         {true, false, -1, NULL, 1, 100, "a"},
         {true, false, -1, NULL, 1, 90, "b"}},
        {"ages of one magnitude leave it to the uid, also of ready pods",
         {true, false, 100, NULL, 1, 100, "a"},
         {true, false, 90, NULL, 1, 90, "b"}},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _arena_ Arena arena = ARENA_INIT;
        const Pod *a = pod_of(&arena, &cases[i].first), *b = pod_of(&arena, &cases[i].second);

        if (pod_compare_worth(a, b, NOW) >= 0 || pod_compare_worth(b, a, NOW) <= 0)
            fail_msg("%s", cases[i].why);
        assert_int_equal(pod_compare_worth(a, a, NOW), 0);
    }
}

static void only_a_living_pod_is_active(void **state)
{
    static const struct {
        const char *phase;
        bool terminating, active;
    } cases[] = {
        {"Pending", false, true}, {"Running", false, true}, {"Unknown", false, true},
        {NULL, false, true},      {"Failed", false, false}, {"Succeeded", false, false},
        {"Running", true, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        Pod pod = {.metadata.deletion_timestamp.set = cases[i].terminating,
                   .status.phase = cases[i].phase};

        if (pod_is_active(&pod) != cases[i].active)
            fail_msg("row %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_itself_and_a_percentage_is_rounded_as_asked),
        cmocka_unit_test(the_pod_that_is_worth_less_goes_first),
        cmocka_unit_test(only_a_living_pod_is_active),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
