/* SPDX-License-Identifier: Apache-2.0 */
/* The store's promises, each over both engines. */
#include "base/observe/metrics.h"
#include "store/internal.h"
#include "store_fixture.h"

static void a_create_is_seen_when_it_is_durable(Fixture *fixture)
{
    assert_int_equal(fixture_create(fixture, "a", "1"), 0);
    assert_null(fixture_datum(fixture, "a"));
    assert_string_equal(datum_of(store_head(fixture->store, config_map_kind(), "default", "a")),
                        "1");
    assert_int_equal(store_revision(fixture->store), 0);
    ASSERT_LOG(fixture, "");
    fixture_run(fixture);
    ASSERT_LOG(fixture, "a 1\n");
    assert_string_equal(fixture_datum(fixture, "a"), "1");
    assert_int_equal(store_revision(fixture->store), 1);
    assert_int_equal(store_size(fixture->store, config_map_kind()), 1);
}

static void writes_are_checked_against_the_head(Fixture *fixture)
{
    assert_int_equal(fixture_update(fixture, "a", "x", 0), STORE_E_MISSING);
    assert_int_equal(fixture_delete(fixture, "a", 0), STORE_E_MISSING);
    assert_int_equal(fixture_create(fixture, "a", "1"), 0);
    assert_int_equal(fixture_create(fixture, "a", "1"), STORE_E_EXISTS);
    assert_int_equal(fixture_update(fixture, "a", "2", 7), STORE_E_CONFLICT);
    assert_int_equal(fixture_update(fixture, "a", "2", 1), 0);
    assert_int_equal(fixture_delete(fixture, "a", 1), STORE_E_CONFLICT);
    assert_int_equal(fixture_delete(fixture, "a", 2), 0);
    assert_int_equal(fixture_delete(fixture, "a", 0), STORE_E_MISSING);
    assert_int_equal(fixture_create(fixture, "a", "3"), 0);
    fixture_run(fixture);
    ASSERT_LOG(fixture, "a 1\na 2\na 3\na 4\n");
    assert_string_equal(fixture_datum(fixture, "a"), "3");
    assert_int_equal(fixture_create(fixture, "a", "1"), STORE_E_EXISTS);
    assert_int_equal(fixture_delete(fixture, "a", 4), 0);
    fixture_run(fixture);
    ASSERT_LOG(fixture, "a 5\n");
    assert_null(fixture_datum(fixture, "a"));
    assert_int_equal(store_size(fixture->store, config_map_kind()), 0);
}

static void answers_come_in_order_of_revision_after_the_watchers(Fixture *fixture)
{
    StoreWatch *watch = NULL;

    assert_int_equal(store_watch(fixture->store, config_map_kind(), 0, log_event, fixture, &watch),
                     0);
    fixture_create(fixture, "a", "1");
    fixture_create(fixture, "b", "2");
    fixture_update(fixture, "a", "3", 0);
    fixture_delete(fixture, "b", 0);
    fixture_run(fixture);
    ASSERT_LOG(fixture, "+a 1 1\na 1\n+b 2 2\nb 2\n~a 3 3 before 1\na 3\n-b 4 2 before 2\nb 4\n");
    store_watch_stop(watch);
    fixture_create(fixture, "c", "1");
    fixture_run(fixture);
    ASSERT_LOG(fixture, "c 5\n");
}

static bool append_key(void *data, Object *object)
{
    strbuf_printf(data, "%s/%s ", object_meta(object)->namespace, object_meta(object)->name);
    return true;
}

static bool append_one_key(void *data, Object *object)
{
    append_key(data, object);
    return false;
}

static void lists_are_in_order_of_key(Fixture *fixture)
{
    _strbuf_ StrBuf keys = STRBUF_INIT;
    const Kind *kind = config_map_kind();

    fixture_create(fixture, "b/x", "");
    fixture_create(fixture, "a/z", "");
    fixture_create(fixture, "a-b/y", "");
    fixture_create(fixture, "a/a", "");
    fixture_run(fixture);
    fixture_create(fixture, "a/not-committed", "");
    store_list(fixture->store, kind, NULL, NULL, append_key, &keys);
    assert_string_equal(strbuf_string(&keys), "a-b/y a/a a/z b/x ");
    strbuf_truncate(&keys, 0);
    store_list(fixture->store, kind, "a", NULL, append_key, &keys);
    assert_string_equal(strbuf_string(&keys), "a/a a/z ");
    strbuf_truncate(&keys, 0);
    store_list(fixture->store, kind, NULL, "a/a", append_one_key, &keys);
    store_list(fixture->store, kind, "a", "a/a", append_key, &keys);
    store_list(fixture->store, kind, "a", "a/z", append_key, &keys);
    store_list(fixture->store, kind, "none", NULL, append_key, &keys);
    assert_string_equal(strbuf_string(&keys), "a/z a/z ");
    fixture_run(fixture);
}

static void the_json_of_an_object_has_its_revision(Fixture *fixture)
{
    _object_ Object *object = make_config_map("a", "say \"uid\":\"uid-of-a\"");
    _free_ char *spliced = NULL;
    Bytes line;

    string_map_put(&object->arena, &object_meta(object)->labels, "app", "x");
    store_create(fixture->store, object, NULL, NULL);
    fixture_run(fixture);
    spliced = mem_strndup((const char *)object_json(object).p, object_json(object).n);
    object_drop_json(object);
    assert_int_equal(object_json_line(object).p[object_json(object).n], '\n');
    line = object_json_line(object);
    assert_int_equal(line.n, strlen(spliced) + 1);
    assert_memory_equal(spliced, line.p, line.n - 1);
    assert_non_null(strstr(spliced, "\"resourceVersion\":\"1\""));
}

static void everything_is_there_after_a_restart(Fixture *fixture)
{
    fixture_create(fixture, "a", "1");
    fixture_create(fixture, "b", "2");
    fixture_run(fixture);
    fixture_update(fixture, "a", "3", 1);
    fixture_delete(fixture, "b", 0);
    fixture_close(fixture); /* waits for what is queued */
    ASSERT_LOG(fixture, "a 1\nb 2\na 3\nb 4\n");
    fixture_open(fixture);
    assert_int_equal(store_revision(fixture->store), 4);
    assert_string_equal(fixture_datum(fixture, "a"), "3");
    assert_int_equal(store_get(fixture->store, config_map_kind(), "default", "a")->revision, 3);
    assert_null(fixture_datum(fixture, "b"));
    fixture_create(fixture, "c", "1");
    fixture_run(fixture);
    ASSERT_LOG(fixture, "c 5\n");
}

static void a_watch_goes_on_over_a_restart(Fixture *fixture)
{
    StoreWatch *watch = NULL;

    fixture_create(fixture, "a", "1");
    fixture_create(fixture, "b", "2");
    fixture_run(fixture);
    fixture_update(fixture, "a", "3", 1);
    fixture_delete(fixture, "b", 0);
    fixture_run(fixture);
    fixture_create(fixture, "b", "4");
    fixture_close(fixture);
    strbuf_truncate(&fixture->log, 0);
    fixture_open(fixture);
    assert_int_equal(store_watch(fixture->store, config_map_kind(), 1, log_event, fixture, &watch),
                     0);
    ASSERT_LOG(fixture, "+b 2 2\n~a 3 3 before 1\n-b 4 2 before 2\n+b 5 4\n");
    fixture_create(fixture, "c", "1");
    fixture_run(fixture);
    ASSERT_LOG(fixture, "+c 6 1\nc 6\n");
    store_watch_stop(watch);
}

static void a_watch_from_before_the_window_is_expired(Fixture *fixture)
{
    StoreWatch *watch = NULL;
    const Kind *kind = config_map_kind();
    char name[16];

    assert_int_equal(store_watch(fixture->store, kind, 1, log_event, fixture, &watch),
                     STORE_E_FUTURE);
    for (int i = 0; i < 3 * FIXTURE_WINDOW; i++) {
        snprintf(name, sizeof(name), "m%d", i);
        fixture_create(fixture, name, "1");
    }
    fixture_run(fixture);
    strbuf_truncate(&fixture->log, 0);
    assert_int_equal(store_oldest(fixture->store), 2 * FIXTURE_WINDOW);
    assert_int_equal(store_watch(fixture->store, kind, store_oldest(fixture->store) - 1, log_event,
                                 fixture, &watch),
                     STORE_E_EXPIRED);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(store_watch(fixture->store, kind, store_oldest(fixture->store), log_event,
                                     fixture, &watch),
                         0);
        assert_true(str_starts_with(strbuf_string(&fixture->log), "+m32 33 1\n+m33 34 1\n"));
        assert_true(str_ends_with(strbuf_string(&fixture->log), "+m47 48 1\n"));
        strbuf_truncate(&fixture->log, 0);
        store_watch_stop(watch);
        fixture_close(fixture);
        fixture_open(fixture);
        assert_int_equal(store_watch(fixture->store, kind, 1, log_event, fixture, &watch),
                         STORE_E_EXPIRED);
    }
}

typedef struct Meddler {
    Fixture *fixture;
    StoreWatch *watch, *other, *late;
    int heard;
} Meddler;

static void on_event_meddle(void *data, const WatchEvent *event)
{
    Meddler *meddler = data;

    meddler->heard++;
    store_watch_stop(meddler->watch);
    store_watch_stop(meddler->other);
    assert_int_equal(store_watch(meddler->fixture->store, config_map_kind(), event->revision - 1,
                                 log_event, meddler->fixture, &meddler->late),
                     0);
    fixture_create(meddler->fixture, "from-a-callback", "1");
}

static void a_callback_may_stop_and_start_watches_and_write(Fixture *fixture)
{
    Meddler meddler = {.fixture = fixture};
    const Kind *kind = config_map_kind();

    fixture_create(fixture, "z", "1");
    fixture_run(fixture);
    strbuf_truncate(&fixture->log, 0);
    store_watch(fixture->store, kind, 0, on_event_meddle, &meddler, &meddler.watch);
    store_watch(fixture->store, kind, 0, log_event, fixture, &meddler.other);
    fixture_create(fixture, "a", "1");
    fixture_create(fixture, "b", "1");
    fixture_run(fixture);
    assert_int_equal(meddler.heard, 1);
    ASSERT_LOG(fixture, "+a 2 1\na 2\n+b 3 1\nb 3\n+from-a-callback 4 1\nfrom-a-callback 4\n");
    store_watch_stop(meddler.late);
}

static void nothing_can_be_freed(Fixture *fixture)
{
    assert_null(write_free(NULL));
    assert_null(store_snapshot_free(NULL));
    store_watch_stop(NULL);
}

typedef struct Latecomer {
    Fixture *fixture;
    StoreWatch *watch;
} Latecomer;

static void on_event_start_another(void *data, const WatchEvent *event _unused_)
{
    Latecomer *late = data;

    if (!late->watch)
        assert_int_equal(store_watch(late->fixture->store, config_map_kind(), 0, log_event,
                                     late->fixture, &late->watch),
                         0);
}

static void a_watch_begun_during_an_event_hears_only_of_later_ones(Fixture *fixture)
{
    Latecomer late = {.fixture = fixture};
    StoreWatch *watch = NULL;

    store_watch(fixture->store, config_map_kind(), 0, on_event_start_another, &late, &watch);
    fixture_create(fixture, "a", "1");
    fixture_create(fixture, "b", "1");
    fixture_run(fixture);
    ASSERT_LOG(fixture, "a 1\n+b 2 1\nb 2\n");
    store_watch_stop(watch);
    store_watch_stop(late.watch);
}

static void a_long_commit_is_counted_once(Fixture *fixture)
{
    double commits = metric_single(METRIC_COMMITS)->value;
    char name[16];

    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "m%d", i);
        fixture_create(fixture, name, "1");
    }
    fixture_run(fixture);
    assert_int_equal(store_size(fixture->store, config_map_kind()), 500);
    assert_true(metric_single(METRIC_COMMITS)->value == commits + 1);
}

static void a_failed_commit_takes_back_all_that_depends_on_it(Fixture *fixture)
{
#ifdef FAULT_POINTS
    StoreWatch *watch = NULL;

    fixture_create(fixture, "a", "1");
    fixture_run(fixture);
    ASSERT_LOG(fixture, "a 1\n");
    store_watch(fixture->store, config_map_kind(), 0, log_event, fixture, &watch);
    fault_arm("store.commit", 1);
    fixture_update(fixture, "a", "2", 1);
    fixture_update(fixture, "a", "3", 2);
    fixture_create(fixture, "b", "1");
    fixture_delete(fixture, "b", 0);
    fixture_run(fixture);
    ASSERT_LOG(fixture, "failed 7\nfailed 7\nfailed 7\nfailed 7\n");
    fault_arm("store.commit", 0);
    assert_string_equal(fixture_datum(fixture, "a"), "1");
    assert_null(store_head(fixture->store, config_map_kind(), "default", "b"));
    assert_int_equal(fixture_update(fixture, "a", "4", 1), 0);
    fixture_run(fixture);
    ASSERT_LOG(fixture, "~a 6 4 before 1\na 6\n"); /* revisions are never used twice */
    fault_arm("store.full", 1);
    fixture_update(fixture, "a", "5", 0);
    fixture_run(fixture);
    ASSERT_LOG(fixture, "failed 6\n");
    fault_arm("", 0);
    fixture_delete(fixture, "a", 6);
    fixture_run(fixture);
    ASSERT_LOG(fixture, "-a 8 4 before 4\na 8\n");
    store_watch_stop(watch);
    fixture_close(fixture);
    fixture_open(fixture);
    assert_int_equal(store_revision(fixture->store), 8);
#endif
}

_unused_ static void count_done(void *data, int outcome _unused_, const char *reason _unused_,
                                Object *object _unused_)
{
    (*(int *)data)++;
}

static void a_failure_in_the_middle_never_loses_an_answer(Fixture *fixture)
{
#ifdef FAULT_POINTS
    int answers = 0, asked = 0;
    char name[16];

    for (int round = 1; round < 5; round++) {
        fault_arm("store.commit", (uint64_t)round);
        for (int i = 0; i < 100; i++) {
            _object_ Object *object = NULL;

            snprintf(name, sizeof(name), "m%d", i % 40);
            object = make_config_map(name, "1");
            if (store_head(fixture->store, config_map_kind(), "default", name))
                asked += store_update(fixture->store, object, 0, count_done, &answers) == 0;
            else
                asked += store_create(fixture->store, object, count_done, &answers) == 0;
            if (i % 7 == 0)
                uv_run(&fixture->loop, UV_RUN_NOWAIT);
        }
        fixture_run(fixture);
        fault_arm("", 0);
        assert_int_equal(answers, asked);
    }
#endif
}

static void big_objects_and_many(Fixture *fixture)
{
    _free_ char *datum = mem_new(300000);
    char name[32];

    memset(datum, 'x', 299999);
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "big-%d", i);
        fixture_create(fixture, name, datum);
    }
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "small-%d", i);
        fixture_create(fixture, name, "1");
    }
    fixture_close(fixture);
    fixture_open(fixture);
    assert_int_equal(store_size(fixture->store, config_map_kind()), 520);
    assert_string_equal(fixture_datum(fixture, "big-19"), datum);
}

/* The memory engine keeps the newest 8192 changes or more. */
static void the_newest_changes_outlive_a_restart_and_old_ones_are_dropped(Fixture *fixture)
{
    StoreWatch *watch = NULL;
    uint64_t last;
    char datum[16];

    fixture_create(fixture, "a", "0");
    for (int i = 1; i < 20000; i++) {
        snprintf(datum, sizeof(datum), "%d", i);
        fixture_update(fixture, "a", datum, 0);
        if (i % 1000 == 0)
            fixture_run(fixture);
    }
    fixture_close(fixture);
    fixture_open(fixture);
    last = store_revision(fixture->store);
    assert_int_equal(last, 20000);
    assert_string_equal(fixture_datum(fixture, "a"), "19999");
    strbuf_truncate(&fixture->log, 0);
    assert_int_equal(store_watch(fixture->store, config_map_kind(), 1, log_event, fixture, &watch),
                     STORE_E_EXPIRED);
    assert_int_equal(
        store_watch(fixture->store, config_map_kind(), last - 2, log_event, fixture, &watch), 0);
    ASSERT_LOG(fixture, "~a 19999 19998 before 19997\n~a 20000 19999 before 19998\n");
    store_watch_stop(watch);
}

// clang-format off
static const struct Case {
    const char *name;
    void (*run)(Fixture *fixture);
} cases[] = {
#define CASE(f) {#f, f}
    CASE(a_create_is_seen_when_it_is_durable),
    CASE(writes_are_checked_against_the_head),
    CASE(answers_come_in_order_of_revision_after_the_watchers),
    CASE(lists_are_in_order_of_key),
    CASE(the_json_of_an_object_has_its_revision),
    CASE(everything_is_there_after_a_restart),
    CASE(a_watch_goes_on_over_a_restart),
    CASE(a_watch_from_before_the_window_is_expired),
    CASE(a_callback_may_stop_and_start_watches_and_write),
    CASE(nothing_can_be_freed),
    CASE(a_watch_begun_during_an_event_hears_only_of_later_ones),
    CASE(a_long_commit_is_counted_once),
    CASE(a_failed_commit_takes_back_all_that_depends_on_it),
    CASE(a_failure_in_the_middle_never_loses_an_answer),
    CASE(big_objects_and_many),
    CASE(the_newest_changes_outlive_a_restart_and_old_ones_are_dropped),
};
// clang-format on

static void run_case(void **state)
{
    const struct Case *one = *state;

    for (int sqlite = 0; sqlite < 2; sqlite++) {
        Fixture *fixture = fixture_new(sqlite);

        one->run(fixture);
        fixture_free(fixture);
    }
}

int main(void)
{
    struct CMUnitTest tests[ARRAY_LEN(cases)] = {0};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        tests[i] = (struct CMUnitTest){
            .name = cases[i].name,
            .test_func = run_case,
            .initial_state = (void *)(uintptr_t)&cases[i],
        };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
