/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of a Job's plan, one sentence each. Pods are words: name, state and, of indexed jobs,
 * the index.
 *
 *     "a+0 bs1"
 *
 * States: + running and ready, p pending, s succeeded, f failed, t terminating. A capital name: the
 * finalizer is gone, the pod is counted. Plans come back as "create*2", "create:1", "delete:a",
 * "release:a".
 */
#include "testing.h"

#include <ctype.h>

#include "api/object.h"
#include "api/schema/batch_v1.h"
#include "api/schema/core_pod_v1.h"
#include "control/job/plan.h"

#define NOW INT64_C(1700000000)

typedef struct World {
    Arena arena;
    Job job;
    const Pod *pods[16];
    size_t n_pods;
    JobPlan plan;
} World;

static void world_init(World *world, int32_t completions, int32_t parallelism)
{
    Job *job = &world->job;
    Arena *arena;

    *world = (World){0};
    arena = &world->arena;
    job->metadata = (ObjectMeta){.name = "job", .namespace = "default", .uid = "job-uid"};
    job->spec.completions = completions < 0 ? NULL : arena_int32(arena, completions);
    job->spec.parallelism = arena_int32(arena, parallelism);
    job->spec.backoff_limit = arena_int32(arena, 6);
    job->spec.completion_mode = "NonIndexed";
    job->spec.template.spec.restart_policy = "Never";
    job->spec.selector = arena_new(arena, LabelSelector);
    string_map_put(arena, &job->spec.selector->match_labels, "job", "job");
    string_map_put(arena, &job->spec.template.metadata.labels, "job", "job");
    job->status.start_time = (Time){.seconds = NOW - 100, .set = true};
}

static Pod *add_pod(World *world, char name, char state, int index)
{
    Arena *arena = &world->arena;
    PodOwner owner = pod_owner_of(arena, &kind_job, &world->job.metadata, world->job.spec.selector);
    Pod *pod = pod_from_template(arena, owner.ref, owner.ns, &world->job.spec.template);
    static const char *tracking[] = {JOB_FINALIZER};

    pod->metadata.name = pod->metadata.uid = arena_printf(arena, "%c", tolower(name));
    pod->metadata.creation_timestamp = (Time){.seconds = NOW - 1000, .set = true};
    if (islower(name))
        pod->metadata.finalizers = (StringArray){tracking, 1};
    if (index >= 0)
        string_map_put(arena, &pod->metadata.annotations, JOB_INDEX,
                       arena_printf(arena, "%d", index));
    pod->spec.node_name = "node";
    pod->status.phase = state == 's'   ? "Succeeded"
                        : state == 'f' ? "Failed"
                        : state == 'p' ? "Pending"
                                       : "Running";
    pod->status.conditions.v = arena_new(arena, PodCondition);
    pod->status.conditions.n = 1;
    pod->status.conditions.v[0] =
        (PodCondition){.type = "Ready",
                       .status = state == '+' ? "True" : "False",
                       .last_transition_time = {.seconds = NOW - 900, .set = true}};
    if (state == 't')
        pod->metadata.deletion_timestamp = (Time){.seconds = NOW, .set = true};
    world->pods[world->n_pods++] = pod;
    return pod;
}

static void add_pods(World *world, const char *text)
{
    char name, state;
    int index, used;

    while (sscanf(text, " %c%c%n", &name, &state, &used) == 2) {
        text += used;
        index = -1;
        if (sscanf(text, "%d%n", &index, &used) == 1)
            text += used;
        add_pod(world, name, state, index);
    }
}

static const char *run(World *world)
{
    JobInput input = {.job = &world->job,
                      .pods = world->pods,
                      .n_pods = world->n_pods,
                      .now_ns = NOW * INT64_C(1000000000)};
    const char *text = "";
    int created = 0;

    job_plan(&input, &world->arena, &world->plan);
    for (size_t i = 0; i < world->plan.actions.n; i++) {
        const PodAction *action = &world->plan.actions.v[i];
        const char *index = string_map_get(&action->pod->metadata.annotations, JOB_INDEX);

        if (action->type == POD_CREATE && !index)
            created++;
        else
            text = arena_printf(&world->arena, "%s%s%s:%s", text, *text ? " " : "",
                                action->type == POD_CREATE   ? "create"
                                : action->type == POD_DELETE ? "delete"
                                                             : "release",
                                action->type == POD_CREATE ? index : action->pod->metadata.name);
    }
    return created ? arena_printf(&world->arena, "create*%d", created) : text;
}

static const char *reason(const World *world, const char *type)
{
    for (size_t i = 0; i < world->plan.status.conditions.n; i++)
        if (str_equal(world->plan.status.conditions.v[i].type, type))
            return world->plan.status.conditions.v[i].reason;
    return "";
}

static const struct {
    const char *name;
    int32_t completions, parallelism; /* completions -1: none */
    const char *pods, *plan;
    bool indexed, suspended;
} CASES[] = {
    {"a_new_job_starts_as_many_pods_as_may_run", 5, 2, "", "create*2"},
    {"no_more_pods_than_are_still_needed", 3, 5, "as bs", "create*1"},
    {"a_running_job_is_left_alone", 2, 2, "a+ bp", ""},
    {"a_pod_that_was_deleted_is_replaced", 1, 1, "at", "create*1"},
    {"without_completions_one_success_ends_the_making", -1, 2, "as b+", ""},
    {"pods_that_are_no_longer_needed_are_ended", 1, 1, "as b+", "release:b delete:b"},
    {"a_suspended_job_ends_its_pods", 2, 2, "a+ b+", "release:a delete:a release:b delete:b",
     .suspended = true},
    {"the_lowest_indexes_come_first", 3, 2, "", "create:0 create:1", .indexed = true},
    {"the_next_free_index_is_taken", 4, 3, "a+0 bs1 c+3", "create:2", .indexed = true},
    {"a_pod_whose_index_is_taken_is_ended", 3, 3, "a+0 b+0 c+1", "release:b delete:b",
     .indexed = true},
};

static void the_plan_is_as_the_sentence_says(void **state)
{
    EACH_ROW(i, CASES, CASES[i].name) {
        World world;

        world_init(&world, CASES[i].completions, CASES[i].parallelism);
        if (CASES[i].indexed)
            world.job.spec.completion_mode = "Indexed";
        world.job.spec.suspend = arena_bool(&world.arena, CASES[i].suspended);
        add_pods(&world, CASES[i].pods);
        print_message("%s\n", CASES[i].name);
        assert_string_equal(run(&world), CASES[i].plan);
        arena_clear(&world.arena);
    }
}

static void a_success_is_noted_then_let_go_then_counted(void **state)
{
    World world;

    world_init(&world, 1, 1);
    add_pods(&world, "as");
    assert_string_equal(run(&world), "");
    assert_int_equal(world.plan.status.succeeded, 0);
    assert_string_equal(world.plan.status.uncounted_terminated_pods->succeeded.v[0], "a");
    assert_string_equal(reason(&world, "SuccessCriteriaMet"), "CompletionsReached");
    assert_string_equal(reason(&world, "Complete"), "");
    world.job.status = world.plan.status;
    assert_string_equal(run(&world), "release:a");
    world.n_pods = 0;
    add_pods(&world, "As");
    assert_string_equal(run(&world), "");
    assert_int_equal(world.plan.status.succeeded, 1);
    assert_int_equal(world.plan.status.uncounted_terminated_pods->succeeded.n, 0);
    assert_string_equal(reason(&world, "Complete"), "CompletionsReached");
    assert_int_equal(world.plan.status.completion_time.seconds, NOW);
    arena_clear(&world.arena);
}

static void too_many_failures_end_the_job(void **state)
{
    World world;

    world_init(&world, 2, 2);
    *world.job.spec.backoff_limit = 0;
    add_pods(&world, "af b+");
    assert_string_equal(run(&world), "");
    assert_string_equal(reason(&world, "FailureTarget"), "BackoffLimitExceeded");
    assert_null(world.plan.finished); /* b still runs */
    world.job.status = world.plan.status;
    assert_string_equal(run(&world), "release:a delete:b");
    arena_clear(&world.arena);
}

/* As podReplacementPolicy: Failed asks for, an index never has two pods, not even for a moment. */
static void a_terminating_pod_keeps_its_index_until_it_has_ended(void **state)
{
    World world;

    world_init(&world, 3, 3);
    world.job.spec.completion_mode = "Indexed";
    world.job.spec.pod_replacement_policy = "Failed";
    add_pods(&world, "at0 b+1");
    assert_string_equal(run(&world), "create:2");
    world.job.spec.pod_replacement_policy = "TerminatingOrFailed";
    assert_string_equal(run(&world), "create:0 create:2");
    arena_clear(&world.arena);
}

/* With the restartPolicy OnFailure it is the containers that fail, not the pods. */
static void restarts_of_containers_count_as_failures(void **state)
{
    static const struct {
        const char *policy;
        int limit; /* -1: none is set, which means 6 */
        int restarts;
        const char *reason;
    } rows[] = {
        {"OnFailure", 2, 1, ""},  {"OnFailure", 2, 2, "BackoffLimitExceeded"},
        {"OnFailure", 0, 0, ""},  {"OnFailure", 0, 1, "BackoffLimitExceeded"},
        {"OnFailure", -1, 5, ""}, {"OnFailure", -1, 6, "BackoffLimitExceeded"},
        {"Never", 2, 9, ""},
    };

    EACH_ROW(i, rows, rows[i].policy) {
        ContainerStatus containers[] = {{.name = "a"}, {.name = "b"}};
        World world;
        Pod *pod;

        world_init(&world, 1, 1);
        world.job.spec.template.spec.restart_policy = rows[i].policy;
        if (rows[i].limit < 0)
            world.job.spec.backoff_limit = NULL;
        else
            *world.job.spec.backoff_limit = rows[i].limit;
        containers[1].restart_count = rows[i].restarts;
        pod = add_pod(&world, 'a', '+', -1);
        pod->status.container_statuses = (ContainerStatusArray){containers, 2};
        run(&world);
        assert_string_equal(reason(&world, "FailureTarget"), rows[i].reason);
        arena_clear(&world.arena);
    }
}

static void a_failure_makes_the_job_wait(void **state)
{
    World world;

    world_init(&world, 1, 1);
    add_pod(&world, 'a', 'f', -1)->status.conditions.v[0].last_transition_time.seconds = NOW - 3;
    assert_string_equal(run(&world), "");
    assert_int_equal(world.plan.again_after_ns, 7 * INT64_C(1000000000));
    arena_clear(&world.arena);
}

static void the_deadline_ends_the_job(void **state)
{
    World world;

    world_init(&world, 1, 1);
    world.job.spec.active_deadline_seconds = arena_int64(&world.arena, 150);
    add_pods(&world, "a+");
    run(&world);
    assert_int_equal(world.plan.again_after_ns, 50 * INT64_C(1000000000));
    *world.job.spec.active_deadline_seconds = 100;
    assert_string_equal(run(&world), "");
    assert_string_equal(reason(&world, "FailureTarget"), "DeadlineExceeded");
    world.job.status = world.plan.status;
    assert_string_equal(run(&world), "delete:a");
    arena_clear(&world.arena);
}

static void what_the_job_called_off_did_not_fail(void **state)
{
    static JobCondition failing = {.type = "FailureTarget", .status = "True"},
                        succeeding = {.type = "SuccessCriteriaMet", .status = "True"};
    World world;

    world_init(&world, 3, 3);
    world.job.spec.completion_mode = "Indexed";
    world.job.spec.backoff_limit_per_index = arena_int32(&world.arena, 0);
    world.job.status.failed_indexes = "1";
    world.job.status.conditions = (JobConditionArray){&failing, 1};
    add_pods(&world, "a+0");
    ((Pod *)(uintptr_t)world.pods[0])->metadata.deletion_timestamp.set = true;
    run(&world);
    assert_string_equal(world.plan.status.failed_indexes, "1");
    assert_int_equal(world.plan.status.uncounted_terminated_pods->failed.n, 1);
    world.job.status.conditions = (JobConditionArray){&succeeding, 1};
    assert_string_equal(run(&world), "release:a");
    assert_int_equal(world.plan.status.uncounted_terminated_pods->failed.n, 0);
    arena_clear(&world.arena);
}

static void a_finished_job_expires(void **state)
{
    World world;
    JobCondition complete = {.type = "Complete",
                             .status = "True",
                             .last_transition_time = {.seconds = NOW - 20, .set = true}};

    world_init(&world, 1, 1);
    world.job.status.conditions = (JobConditionArray){&complete, 1};
    run(&world);
    assert_false(world.plan.expired);
    assert_int_equal(world.plan.again_after_ns, -1);
    world.job.spec.ttl_seconds_after_finished = arena_int32(&world.arena, 30);
    run(&world);
    assert_int_equal(world.plan.again_after_ns, 10 * INT64_C(1000000000));
    *world.job.spec.ttl_seconds_after_finished = 20;
    run(&world);
    assert_true(world.plan.expired);
    arena_clear(&world.arena);
}

static void index_sets_are_written_as_ranges(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    IndexSet set = index_set_parse(&arena, "1,3-5");

    assert_string_equal(index_set_text(&arena, &set), "1,3-5");
    index_set_add(&arena, &set, (int32_t[]){2}, 1);
    assert_string_equal(index_set_text(&arena, &set), "1-5");
    index_set_add(&arena, &set, (int32_t[]){9, 8, 9}, 3);
    assert_string_equal(index_set_text(&arena, &set), "1-5,8,9");
    assert_int_equal(index_set_total(&set), 7);
    assert_true(index_set_has(&set, 8));
    assert_false(index_set_has(&set, 7));
    set = index_set_parse(&arena, "");
    assert_int_equal(set.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_plan_is_as_the_sentence_says),
        cmocka_unit_test(a_success_is_noted_then_let_go_then_counted),
        cmocka_unit_test(too_many_failures_end_the_job),
        cmocka_unit_test(a_terminating_pod_keeps_its_index_until_it_has_ended),
        cmocka_unit_test(restarts_of_containers_count_as_failures),
        cmocka_unit_test(a_failure_makes_the_job_wait),
        cmocka_unit_test(the_deadline_ends_the_job),
        cmocka_unit_test(what_the_job_called_off_did_not_fail),
        cmocka_unit_test(a_finished_job_expires),
        cmocka_unit_test(index_sets_are_written_as_ranges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
