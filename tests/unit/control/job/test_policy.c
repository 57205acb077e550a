/* SPDX-License-Identifier: Apache-2.0 */
/* The failure and success policies of Jobs, their back-off, and sets of completion indexes. */
#include "testing.h"

#include "api/schema/batch_v1.h"
#include "api/schema/core_pod_v1.h"
#include "codec/json/json.h"
#include "control/job/internal.h"

/* Reads a struct of the type from JSON with single quotes. */
static void *decode(Arena *arena, const Type *type, const char *text)
{
    char *json = arena_strdup(arena, text);
    void *value = arena_alloc(arena, type->size);
    DecodeReport report = {0};
    yyjson_doc *doc;

    for (char *c = json; *c; c++)
        if (*c == '\'')
            *c = '"';
    assert_int_equal(json_parse(arena, bytes_from_string(json), &doc, &report), 0);
    assert_int_equal(json_decode(type, arena, yyjson_doc_get_root(doc), DECODE_CHECK_FIELDS, NULL,
                                 value, &report),
                     0);
    assert_int_equal(report.field_errors.n, 0);
    return value;
}

#define ENDED(code) "{'name':'a','state':{'terminated':{'exitCode':" code "}}}"
#define POD(status) "{'metadata':{'name':'p','namespace':'ns'},'status':{" status "}}"
#define FAILED(code) POD("'containerStatuses':[" ENDED(code) "]")
#define CODES(action, rest) "{'action':'" action "','onExitCodes':{" rest "}}"
#define EVICTED \
    "{'action':'Ignore','onPodConditions':[{'type':'DisruptionTarget','status':'True'}]}"

static void the_first_rule_that_matches_decides_about_a_failure(void **state _unused_)
{
    static const struct {
        const char *rules, *pod;
        FailureAction action;
        const char *why; /* for FAILURE_OF_JOB */
    } cases[] = {
        {NULL, FAILED("3"), FAILURE_COUNTS, NULL},
        {"", FAILED("3"), FAILURE_COUNTS, NULL},
        {CODES("FailJob", "'operator':'In','values':[3,4]"), FAILED("3"), FAILURE_OF_JOB,
         "Container a for pod ns/p failed with exit code 3 matching FailJob rule at index 0"},
        {CODES("FailJob", "'operator':'In','values':[3,4]"), FAILED("4"), FAILURE_OF_JOB,
         "Container a for pod ns/p failed with exit code 4 matching FailJob rule at index 0"},
        {CODES("FailJob", "'operator':'In','values':[3,4]"), FAILED("5"), FAILURE_COUNTS, NULL},
        {CODES("FailIndex", "'operator':'NotIn','values':[3,4]"), FAILED("5"), FAILURE_OF_INDEX,
         NULL},
        {CODES("FailIndex", "'operator':'NotIn','values':[3,4]"), FAILED("3"), FAILURE_COUNTS,
         NULL},
        /* A container that has succeeded, or still runs, matches no rule. */
        {CODES("Ignore", "'operator':'NotIn','values':[3]"), FAILED("0"), FAILURE_COUNTS, NULL},
        {CODES("Ignore", "'operator':'NotIn','values':[3]"),
         POD("'containerStatuses':[{'name':'a','state':{'running':{}}}]"), FAILURE_COUNTS, NULL},
        /* A rule may be about one container, and is also about init containers. */
        {CODES("Ignore", "'containerName':'b','operator':'In','values':[3]"), FAILED("3"),
         FAILURE_COUNTS, NULL},
        {CODES("Ignore", "'containerName':'a','operator':'In','values':[3]"), FAILED("3"),
         FAILURE_IGNORED, NULL},
        {CODES("Ignore", "'operator':'In','values':[3]"),
         POD("'initContainerStatuses':[" ENDED("3") "]"), FAILURE_IGNORED, NULL},
        {CODES("Ignore", "'operator':'In','values':[3]"),
         POD("'containerStatuses':[" ENDED("1") "," ENDED("3") "]"), FAILURE_IGNORED, NULL},
        {EVICTED, POD("'conditions':[{'type':'DisruptionTarget','status':'True'}]"),
         FAILURE_IGNORED, NULL},
        {EVICTED, POD("'conditions':[{'type':'DisruptionTarget','status':'False'}]"),
         FAILURE_COUNTS, NULL},
        {EVICTED, POD("'conditions':[{'type':'Ready','status':'True'}]"), FAILURE_COUNTS, NULL},
        {"{'action':'FailJob','onPodConditions':[{'type':'X','status':'True'}]}",
         POD("'conditions':[{'type':'Ready','status':'True'},{'type':'X','status':'True'}]"),
         FAILURE_OF_JOB, "Pod ns/p has condition X matching FailJob rule at index 0"},
        /* Count is an action like any other: it keeps the later rules from being asked. */
        {CODES("Count", "'operator':'In','values':[3]") "," CODES("Ignore",
                                                                  "'operator':'In','values':[3]"),
         FAILED("3"), FAILURE_COUNTS, NULL},
        {CODES("Ignore", "'operator':'In','values':[9]") "," CODES("FailJob",
                                                                   "'operator':'In','values':[3]"),
         FAILED("3"), FAILURE_OF_JOB,
         "Container a for pod ns/p failed with exit code 3 matching FailJob rule at index 1"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _arena_ Arena arena = ARENA_INIT;
        JobSpec spec = {0};
        const char *why = "unset";
        FailureAction action;

        if (cases[i].rules)
            spec.pod_failure_policy =
                decode(&arena, &type_PodFailurePolicy,
                       arena_printf(&arena, "{'rules':[%s]}", cases[i].rules));
        action = job_failure_action(&arena, &spec, decode(&arena, &type_Pod, cases[i].pod), &why);
        if (action != cases[i].action || !str_equal(why, cases[i].why))
            fail_msg("row %zu: action %d, %s", i, action, why ? why : "no reason");
    }
}

static void a_success_rule_needs_enough_of_its_indexes(void **state _unused_)
{
    static const struct {
        const char *rules, *succeeded;
        int rule; /* the one that is met, or -1 */
    } cases[] = {
        {NULL, "0-9", -1},
        {"{'succeededCount':3}", "0,5", -1},
        {"{'succeededCount':3}", "0,5,7", 0},
        {"{'succeededIndexes':'0-2'}", "0,1", -1},
        {"{'succeededIndexes':'0-2'}", "0-2", 0},
        {"{'succeededIndexes':'0-2'}", "0,2-9", -1},
        {"{'succeededIndexes':'0-2,8'}", "0-8", 0},
        {"{'succeededIndexes':'0-2','succeededCount':2}", "1,2", 0},
        {"{'succeededIndexes':'0-2','succeededCount':2}", "2-9", -1},
        {"{'succeededIndexes':'1,3,5','succeededCount':2}", "2-5", 0},
        {"{'succeededCount':9},{'succeededIndexes':'4'}", "4", 1},
        {"{'succeededCount':1},{'succeededIndexes':'4'}", "4", 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _arena_ Arena arena = ARENA_INIT;
        JobSpec spec = {0};
        IndexSet succeeded = index_set_parse(&arena, cases[i].succeeded);
        int rule;

        if (cases[i].rules)
            spec.success_policy = decode(&arena, &type_SuccessPolicy,
                                         arena_printf(&arena, "{'rules':[%s]}", cases[i].rules));
        rule = job_success_rule(&arena, &spec, &succeeded);
        if (rule != cases[i].rule)
            fail_msg("row %zu: rule %d", i, rule);
    }
}

static void a_set_of_indexes_reads_and_writes_as_kubernetes_does(void **state _unused_)
{
    static const struct {
        const char *text;
        int32_t add[4]; /* ends with -1 */
        const char *result;
        int64_t total;
    } cases[] = {
        {"", {-1}, "", 0},           {NULL, {3, -1}, "3", 1},
        {"0-2,5", {-1}, "0-2,5", 4}, {"0-2,5", {4, 3, -1}, "0-5", 6},
        {"3", {4, -1}, "3,4", 2},    {"3,4", {5, -1}, "3-5", 3},
        {"7", {1, -1}, "1,7", 2},    {"0-9", {5, -1}, "0-9", 10},
        {"1,2,3", {-1}, "1-3", 3},   {"2-2", {2, 2, 2, -1}, "2", 1},
        {"1,x,3", {-1}, "1", 1},     {"x", {-1}, "", 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _arena_ Arena arena = ARENA_INIT;
        IndexSet set = index_set_parse(&arena, cases[i].text);
        size_t n = 0;

        while (n < 4 && cases[i].add[n] >= 0)
            n++;
        index_set_add(&arena, &set, cases[i].add, n);
        if (!str_equal(index_set_text(&arena, &set), cases[i].result) ||
            index_set_total(&set) != cases[i].total)
            fail_msg("row %zu: %s, %" PRId64, i, index_set_text(&arena, &set),
                     index_set_total(&set));
        for (size_t k = 0; k < n; k++)
            assert_true(index_set_has(&set, cases[i].add[k]));
        assert_false(index_set_has(&set, 100));
    }
}

/* ---- back-off ---- */

#define NOW INT64_C(1700000000)

static Pod *ended_pod(Arena *arena, const char *phase, int64_t at)
{
    Pod *pod = arena_new(arena, Pod);
    ContainerStatus *status = arena_new(arena, ContainerStatus);

    status->state.terminated = arena_new(arena, ContainerStateTerminated);
    status->state.terminated->finished_at = (Time){.seconds = at, .set = true};
    pod->status.phase = phase;
    pod->status.container_statuses = (ContainerStatusArray){status, 1};
    return pod;
}

static void each_failure_since_the_last_success_doubles_the_wait(void **state _unused_)
{
    static const struct {
        int failures;      /* the last of them ended at NOW */
        int64_t succeeded; /* when a pod succeeded, relative to NOW; 0: none has */
        int64_t wait;      /* seconds */
    } cases[] = {
        {0, 0, 0},
        {1, 0, 10},
        {2, 0, 20},
        {3, 0, 40},
        {4, 0, 80},
        {5, 0, 160},
        {6, 0, 320},
        {7, 0, 600},
        {8, 0, 600},
        {30, 0, 600},
        /* The failure number k, from 0, ended k seconds before NOW. */
        {3, -100, 40},
        {3, -2, 20},
        {3, -1, 10},
        {3, 5, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _arena_ Arena arena = ARENA_INIT;
        const Pod **pods = arena_new_n(&arena, const Pod *, 40);
        JobSpec spec = {0};
        JobInput input = {.now_ns = NOW * NS_PER_SEC};
        JobSync sync = {.input = &input, .spec = &spec, .arena = &arena, .pods = pods};

        for (int k = 0; k < cases[i].failures; k++)
            pods[sync.n_pods++] = ended_pod(&arena, "Failed", NOW - k);
        if (cases[i].succeeded)
            pods[sync.n_pods++] = ended_pod(&arena, "Succeeded", NOW + cases[i].succeeded);
        if (job_backoff_left(&sync, NO_INDEX) != cases[i].wait * NS_PER_SEC)
            fail_msg("row %zu: %" PRId64 " ns", i, job_backoff_left(&sync, NO_INDEX));
        input.now_ns += cases[i].wait * NS_PER_SEC; /* then it is over */
        assert_int_equal(job_backoff_left(&sync, NO_INDEX), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_rule_that_matches_decides_about_a_failure),
        cmocka_unit_test(a_success_rule_needs_enough_of_its_indexes),
        cmocka_unit_test(a_set_of_indexes_reads_and_writes_as_kubernetes_does),
        cmocka_unit_test(each_failure_since_the_last_success_doubles_the_wait),
    };

    return cmocka_run_group_tests_name("job policy", tests, NULL, NULL);
}
