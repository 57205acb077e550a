/* SPDX-License-Identifier: Apache-2.0 */
/* A snapshot is the state at its start, whatever is written while somebody goes through it. */
#include "base/time/clock.h"
#include "store_fixture.h"

#define NAMES 60

static void add_line(StrBuf *out, Object *object)
{
    strbuf_printf(out, "%s/%s %" PRIu64 " %s\n", object_meta(object)->namespace,
                  object_meta(object)->name, object->revision, datum_of(object));
}

static bool each_line(void *data, Object *object)
{
    add_line(data, object);
    return true;
}

/* Creates, replaces or deletes something of some name. */
static void change_something(Fixture *fixture, Random *random)
{
    char name[32], datum[32];

    snprintf(name, sizeof(name), "%c/n%02d", (int)('a' + random_below(random, 3)),
             (int)random_below(random, NAMES));
    snprintf(datum, sizeof(datum), "%" PRIu64, random_below(random, 1000000));
    if (fixture_create(fixture, name, datum) == 0)
        return;
    if (random_below(random, 3) > 0) {
        fixture_update(fixture, name, datum, 0);
    } else {
        _object_ Object *last = make_config_map(name, "");

        store_delete(fixture->store, last, 0, NULL, NULL);
    }
}

static void go_through(Fixture *fixture, Random *random, const char *ns)
{
    _strbuf_ StrBuf expected = STRBUF_INIT, seen = STRBUF_INIT;
    StoreSnapshot *snapshot = store_snapshot(fixture->store, config_map_kind(), ns, NULL);
    size_t busy = random_below(random, 4);
    Object *object;

    store_list(fixture->store, config_map_kind(), ns, NULL, each_line, &expected);
    do {
        for (uint64_t i = random_below(random, busy * 3 + 1); i > 0; i--)
            change_something(fixture, random);
        if (random_below(random, 2) == 0)
            fixture_run(fixture);
        object = store_snapshot_next(snapshot);
        if (object)
            add_line(&seen, object);
    } while (object);
    assert_string_equal(strbuf_string(&seen), strbuf_string(&expected));
    store_snapshot_free(snapshot);
    fixture_run(fixture);
}

static void a_snapshot_is_the_state_at_its_start(void **state)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        Fixture *fixture = fixture_new(false);
        Random random;

        random_seed(&random, seed);
        for (int i = 0; i < 100; i++)
            change_something(fixture, &random);
        fixture_run(fixture);
        go_through(fixture, &random, NULL);
        go_through(fixture, &random, "b");
        fixture_free(fixture);
    }
}

static void only_what_changes_ahead_is_kept(void **state)
{
    Fixture *fixture = fixture_new(false);
    StoreSnapshot *snapshot;

    fixture_create(fixture, "a", "1");
    fixture_create(fixture, "b", "1");
    fixture_create(fixture, "c", "1");
    fixture_run(fixture);
    snapshot = store_snapshot(fixture->store, config_map_kind(), NULL, NULL);
    assert_string_equal(object_meta(store_snapshot_next(snapshot))->name, "a");
    fixture_update(fixture, "a", "2", 0);
    fixture_create(fixture, "aa", "1");
    fixture_create(fixture, "d", "1");
    fixture_run(fixture);
    assert_int_equal(store_snapshot_kept(snapshot), 0);
    fixture_update(fixture, "c", "2", 0);
    fixture_run(fixture);
    fixture_update(fixture, "c", "3", 0);
    fixture_run(fixture);
    assert_int_equal(store_snapshot_kept(snapshot), 1);
    assert_string_equal(datum_of(store_snapshot_next(snapshot)), "1");
    assert_string_equal(datum_of(store_snapshot_next(snapshot)), "1");
    assert_null(store_snapshot_next(snapshot));
    store_snapshot_free(snapshot);
    fixture_free(fixture);
}

static void a_snapshot_begins_behind_a_key(void **state)
{
    Fixture *fixture = fixture_new(false);
    StoreSnapshot *snapshot;

    fixture_create(fixture, "a", "1");
    fixture_create(fixture, "b", "1");
    fixture_run(fixture);
    snapshot = store_snapshot(fixture->store, config_map_kind(), NULL, "default/a");
    assert_string_equal(object_meta(store_snapshot_next(snapshot))->name, "b");
    assert_null(store_snapshot_next(snapshot));
    store_snapshot_free(snapshot);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_is_the_state_at_its_start),
        cmocka_unit_test(only_what_changes_ahead_is_kept),
        cmocka_unit_test(a_snapshot_begins_behind_a_key),
    };

    return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
