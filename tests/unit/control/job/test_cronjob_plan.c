/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schedules, and the rules of a CronJob's plan. Times are told as they stand on a clock; jobs are
 * words: minute of their start and state, r running, c complete, f failed.
 *
 *     "10r 05c"      started at 08:10 and 08:05
 *
 * Plans come back as "create:08:15 delete:05 JobAlreadyActive".
 */
#include "testing.h"

#include "api/cron.h"
#include "api/object.h"
#include "api/schema/batch_v1.h"
#include "api/schema/core_reference_v1.h"
#include "base/time/clock.h"
#include "base/timefmt.h"
#include "control/job/cronjob_plan.h"

static int64_t at(const char *text)
{
    int64_t seconds;
    int32_t nanos;

    assert_int_equal(timefmt_parse(text, &seconds, &nanos), 0);
    return seconds;
}

/* ---- schedules ---- */

static void the_next_time(void **state)
{
    static const struct {
        const char *schedule, *zone, *after, *next;
    } cases[] = {
        {"* * * * *", NULL, "2026-11-21T08:00:30Z", "2026-11-21T08:01:00Z"},
        {"* * * * *", NULL, "2026-11-21T08:01:00Z", "2026-11-21T08:02:00Z"},
        {"*/15 * * * *", NULL, "2026-11-21T08:46:00Z", "2026-11-21T09:00:00Z"},
        {"5/20 * * * *", NULL, "2026-11-21T08:06:00Z", "2026-11-21T08:25:00Z"},
        {"0 0 * * *", NULL, "2026-12-31T12:00:00Z", "2027-01-01T00:00:00Z"},
        {"0 0 29 2 *", NULL, "2026-03-01T00:00:00Z", "2028-02-29T00:00:00Z"},
        {"0 0 31 2 *", NULL, "2026-03-01T00:00:00Z", NULL},
        {"0 12 * * mon-fri", NULL, "2026-11-20T12:00:00Z", "2026-11-23T12:00:00Z"},
        {"0 0 13 * 5", NULL, "2026-11-14T00:00:00Z", "2026-11-20T00:00:00Z"}, /* either day */
        {"0 0 */2 * 5", NULL, "2026-11-14T00:00:00Z", "2026-11-15T00:00:00Z"},
        {"@hourly", NULL, "2026-11-21T08:00:00Z", "2026-11-21T09:00:00Z"},
        {"@weekly", NULL, "2026-11-21T08:00:00Z", "2026-11-22T00:00:00Z"},
        {"@every 90s", NULL, "2026-11-21T08:00:00Z", "2026-11-21T08:01:30Z"},
        {"0 9 * * *", "Europe/Berlin", "2026-11-21T08:00:00Z", "2026-11-22T08:00:00Z"},
        {"0 9 * * *", "Europe/Berlin", "2026-07-21T06:00:00Z", "2026-07-21T07:00:00Z"},
        {"30 9 * * *", "Asia/Kolkata", "2026-11-21T00:00:00Z", "2026-11-21T04:00:00Z"},
        /* 02:30 is skipped on the last Sunday of March, and there twice on that of October. */
        {"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z"},
        {"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"},
        {"30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"},
        /* Behind the last change that the file lists, its rule holds. */
        {"0 9 * * *", "Europe/Berlin", "2062-07-21T06:00:00Z", "2062-07-21T07:00:00Z"},
        {"0 9 * * *", "Europe/Berlin", "2062-12-21T06:00:00Z", "2062-12-21T08:00:00Z"},
    };

    EACH_ROW(i, cases, cases[i].schedule) {
        _arena_ Arena arena = ARENA_INIT;
        Zone *zone = cases[i].zone ? zone_load(cases[i].zone) : NULL;
        CronSchedule schedule;
        char found[TIMEFMT_MAX];

        if (cases[i].zone && !zone) { /* no tzdata here */
            continue;
        }
        assert_null(cron_parse(&arena, cases[i].schedule, &schedule));
        timefmt_seconds(cron_next(&schedule, zone, at(cases[i].after)), found);
        if (!cases[i].next)
            assert_int_equal(cron_next(&schedule, zone, at(cases[i].after)), 0);
        else if (!str_equal(found, cases[i].next))
            fail_msg("%s %s after %s: expected %s, found %s", cases[i].schedule,
                     str_or(cases[i].zone, "UTC"), cases[i].after, cases[i].next, found);
        zone_free(zone);
    }
}

static void zones_are_names(void **state)
{
    static const char *const bad[] = {"", "Nowhere/Land", "../../etc/passwd", "/etc/localtime",
                                      "zone.tab"};

    EACH_ROW(i, bad, bad[i])
        assert_null(zone_load(bad[i]));
}

/* ---- plans ---- */

typedef struct World {
    Arena arena;
    CronJob cron;
    const Job *jobs[16];
    size_t n_jobs;
    CronJobInput input;
    CronJobPlan plan;
} World;

static Time clock_time(const char *minute)
{
    char text[] = "2026-11-21T08:00:00Z";

    memcpy(text + 14, minute, 2);
    return (Time){.seconds = at(text), .set = true};
}

static void add_job(World *world, const char *word)
{
    Arena *arena = &world->arena;
    Job *job = arena_new(arena, Job);

    job->metadata.name = job->metadata.uid = arena_strndup(arena, word, 2);
    job->status.start_time = clock_time(word);
    if (word[2] == 'r') {
        cronjob_add_active(arena, &world->cron.status, job, clock_time(word));
    } else {
        job->status.completion_time = clock_time(word);
        job->status.conditions = (JobConditionArray){arena_new(arena, JobCondition), 1};
        job->status.conditions.v[0] =
            (JobCondition){.type = word[2] == 'c' ? "Complete" : "Failed", .status = "True"};
    }
    world->jobs[world->n_jobs++] = job;
}

static void world_init(World *world, const char *jobs)
{
    char *rest, *word;

    *world = (World){0};
    world->cron.metadata.name = "tick";
    world->cron.metadata.namespace = "default";
    world->cron.metadata.uid = "cron-uid";
    world->cron.metadata.creation_timestamp = clock_time("00");
    world->cron.spec.schedule = "*/5 * * * *";
    world->cron.spec.concurrency_policy = "Allow";
    world->cron.spec.successful_jobs_history_limit = arena_int32(&world->arena, 1);
    world->cron.spec.failed_jobs_history_limit = arena_int32(&world->arena, 1);
    rest = arena_strdup(&world->arena, jobs);
    while ((word = strsep(&rest, " ")))
        if (*word)
            add_job(world, word);
}

static const char *planned(World *world, const char *now)
{
    Arena *arena = &world->arena;
    const char *text = "";
    char due[TIMEFMT_MAX];

    world->input = (CronJobInput){.cron = &world->cron,
                                  .jobs = world->jobs,
                                  .n_jobs = world->n_jobs,
                                  .now_ns = at(now) * NS_PER_SEC};
    cronjob_plan(&world->input, arena, &world->plan);
    if (world->plan.create) {
        timefmt_seconds(world->plan.due.seconds, due);
        text = arena_printf(arena, "create:%.5s ", due + 11);
    }
    for (size_t i = 0; i < world->plan.n_deletions; i++)
        text = arena_printf(arena, "%sdelete:%s ", text, world->plan.deletions[i]->metadata.name);
    for (size_t i = 0; i < world->plan.notes.n; i++)
        text = arena_printf(arena, "%s%s ", text, world->plan.notes.v[i].reason);
    return text;
}

static void rules(void **state)
{
    static const struct {
        const char *sentence, *jobs, *now, *plan, *policy;
        int64_t deadline;
        bool suspended, going;
    } cases[] = {
        {"before its time nothing is made", "", "2026-11-21T08:04:59Z", ""},
        {"at its time a job is", "", "2026-11-21T08:05:00Z", "create:08:05 "},
        {"once", "05r", "2026-11-21T08:05:10Z", ""},
        {"of many missed ones the last is made", "", "2026-11-21T08:17:00Z", "create:08:15 "},
        {"a running one does not matter", "05r", "2026-11-21T08:10:00Z", "create:08:10 "},
        {"unless it is forbidden", "05r", "2026-11-21T08:10:00Z", "JobAlreadyActive ", "Forbid"},
        {"or replaced", "05r", "2026-11-21T08:10:00Z", "create:08:10 delete:05 ", "Replace"},
        {"too late is never", "", "2026-11-21T08:06:00Z", "", "Allow", 10},
        {"not too late is on time", "", "2026-11-21T08:05:05Z", "create:08:05 ", "Allow", 10},
        {"a suspended one rests", "", "2026-11-21T08:05:00Z", "", .suspended = true},
        {"one that goes, too", "", "2026-11-21T08:05:00Z", "", .going = true},
        {"the oldest of what has ended goes", "01c 03c 02f 04f", "2026-11-21T08:04:59Z",
         "delete:01 delete:02 "},
        {"what was missed for long is told", "", "2026-11-21T18:00:00Z",
         "create:18:00 TooManyMissedTimes "},
    };

    EACH_ROW(i, cases, cases[i].sentence) {
        World world;
        const char *plan;

        world_init(&world, cases[i].jobs);
        if (cases[i].policy)
            world.cron.spec.concurrency_policy = cases[i].policy;
        if (cases[i].deadline)
            world.cron.spec.starting_deadline_seconds =
                arena_int64(&world.arena, cases[i].deadline);
        world.cron.spec.suspend = arena_bool(&world.arena, cases[i].suspended);
        world.cron.metadata.deletion_timestamp.set = cases[i].going;
        plan = planned(&world, cases[i].now);
        if (!str_equal(plan, cases[i].plan))
            fail_msg("%s: expected \"%s\", found \"%s\"", cases[i].sentence, cases[i].plan, plan);
        arena_clear(&world.arena);
    }
}

static void the_job_says_when_and_whose(void **state)
{
    World world;
    const ObjectMeta *meta;

    world_init(&world, "");
    string_map_put(&world.arena, &world.cron.spec.job_template.metadata.labels, "a", "b");
    planned(&world, "2026-11-21T08:05:00Z");
    meta = &world.plan.create->metadata;
    assert_string_equal(meta->name, "tick-29920805");
    assert_string_equal(string_map_get(&meta->labels, "a"), "b");
    assert_string_equal(
        string_map_get(&meta->annotations, "batch.kubernetes.io/cronjob-scheduled-timestamp"),
        "2026-11-21T08:05:00Z");
    assert_string_equal(meta->owner_references.v[0].uid, "cron-uid");
    assert_int_equal(world.plan.again_after_ns, 300 * NS_PER_SEC + 100 * NS_PER_MS);
    arena_clear(&world.arena);
}

/* Kubernetes' words, since people look for them. */
static void schedules_that_never_come_are_told(void **state)
{
    static const struct {
        const char *schedule, *note;
    } cases[] = {
        {"59 23 31 2 *",
         "InvalidSchedule: invalid schedule: 59 23 31 2 * : time difference between "
         "two schedules is less than 1 second"},
        {"0 0 30,31 2 *", "InvalidSchedule: invalid schedule: 0 0 30,31 2 * : time difference "
                          "between two schedules is less than 1 second"},
        {"0 0 31 4,6,9,11 *", "InvalidSchedule: invalid schedule: 0 0 31 4,6,9,11 * : time "
                              "difference between two schedules is less than 1 second"},
        {"x", "UnparseableSchedule: unparseable schedule: \"x\" : expected exactly 5 fields, found "
              "1: [x]"},
    };

    EACH_ROW(i, cases, cases[i].schedule) {
        World world;
        const CronJobNote *note;

        world_init(&world, "");
        world.cron.spec.schedule = cases[i].schedule;
        planned(&world, "2026-11-21T08:17:31Z");
        assert_int_equal(world.plan.notes.n, 1);
        note = &world.plan.notes.v[0];
        assert_string_equal(arena_printf(&world.arena, "%s: %s", note->reason, note->message),
                            cases[i].note);
        assert_int_equal(world.plan.again_after_ns, -1);
        arena_clear(&world.arena);
    }
}

static void what_has_ended_is_no_longer_active(void **state)
{
    World world;

    world_init(&world, "03r 05r");
    world.jobs[0] = world.jobs[1]; /* the first is gone */
    world.n_jobs = 1;
    assert_string_equal(planned(&world, "2026-11-21T08:05:10Z"), "MissingJob ");
    assert_int_equal(world.plan.status.active.n, 1);
    assert_string_equal(world.plan.status.active.v[0].name, "05");
    assert_true(world.plan.status_changed);
    arena_clear(&world.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_time),
        cmocka_unit_test(zones_are_names),
        cmocka_unit_test(rules),
        cmocka_unit_test(the_job_says_when_and_whose),
        cmocka_unit_test(schedules_that_never_come_are_told),
        cmocka_unit_test(what_has_ended_is_no_longer_active),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
