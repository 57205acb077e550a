/* SPDX-License-Identifier: Apache-2.0 */
/* Packed texts: how little objects at rest take, that they come back as they were, and that no
 * dictionary that an object needs is ever missing. */
#include "api/schema/core_config_v1.h"
#include "store/internal.h"
#include "store_fixture.h"

#define MANY 400

/* As much alike as the pods of one template: only name, uid and one line differ. */
static Object *make_alike(int i)
{
    char name[32], datum[32], key[48];
    Object *object;

    snprintf(name, sizeof(name), "web-%05d", i);
    snprintf(datum, sizeof(datum), "only of %d", i);
    object = make_config_map(name, "");
    string_map_put(&object->arena, &OBJECT_AS(ConfigMap, object)->data, "datum", datum);
    for (int k = 0; k < 40; k++) {
        snprintf(key, sizeof(key), "setting-%02d.of.the.template", k);
        string_map_put(&object->arena, &OBJECT_AS(ConfigMap, object)->data, key,
                       arena_printf(&object->arena, "the value of setting %d", k * 7919));
    }
    return object;
}

static void create_alike(Fixture *fixture, int from, int n)
{
    for (int i = from; i < from + n; i++) {
        _object_ Object *object = make_alike(i);

        assert_int_equal(store_create(fixture->store, object, NULL, NULL), 0);
    }
    fixture_run(fixture);
}

typedef struct Sum {
    size_t n, awake, text, packed;
    StrBuf json;
} Sum;

static bool add_up(void *data, Object *object)
{
    Sum *sum = data;

    sum->n++;
    sum->awake += object->value || object->json.p;
    sum->text += object->packed->head.length;
    sum->packed += object->packed->n;
    object_add_json(object, 0, &sum->json);
    strbuf_add_char(&sum->json, '\n');
    return true;
}

static bool look(void *data _unused_, Object *object)
{
    assert_non_null(datum_of(object));
    return true;
}

static Sum sum_of(Fixture *fixture)
{
    Sum sum = {0};

    store_walk(fixture->store, config_map_kind(), NULL, NULL, add_up, &sum);
    return sum;
}

static void objects_that_are_alike_take_a_tenth_at_rest(Fixture *fixture)
{
    Sum awake, sum;

    create_alike(fixture, 0, MANY);
    awake = sum_of(fixture);
    assert_int_equal(awake.n, MANY);
    assert_true(awake.packed < awake.text / 8);
    store_rest(fixture->store);
    sum = sum_of(fixture);
    assert_int_equal(sum.awake, 0);
    assert_int_equal(fixture->store->pool.bytes, 0);
    assert_string_equal(sum.json.p, awake.json.p);
    assert_string_equal(fixture_datum(fixture, "web-00017"), "only of 17");
    strbuf_deinit(&awake.json);
    strbuf_deinit(&sum.json);
}

static void a_restart_wakes_nobody_and_changes_nothing(Fixture *fixture)
{
    Sum before, after;

    create_alike(fixture, 0, MANY);
    before = sum_of(fixture);
    fixture_close(fixture);
    fixture_open(fixture);
    after = sum_of(fixture);
    assert_int_equal(after.n, MANY);
    assert_int_equal(after.awake, 0);
    assert_string_equal(before.json.p, after.json.p);
    /* Those of the next run are packed with the dictionaries of this one. */
    create_alike(fixture, MANY, MANY);
    strbuf_deinit(&after.json);
    after = sum_of(fixture);
    assert_true(after.packed < after.text / 8);
    strbuf_deinit(&before.json);
    strbuf_deinit(&after.json);
}

static void objects_go_to_rest_when_there_are_too_many(Fixture *fixture)
{
    ObjectPool *pool = &fixture->store->pool;

    pool->limit = 64 * 1024;
    create_alike(fixture, 0, MANY);
    assert_true(pool->bytes <= pool->limit);
    /* Whoever looks at all of them wakes them all; that lasts until the loop has run. */
    store_list(fixture->store, config_map_kind(), NULL, NULL, look, NULL);
    fixture_run(fixture);
    assert_true(pool->bytes <= pool->limit);
}

static void what_is_held_or_borrowed_stays_awake(Fixture *fixture)
{
    ObjectPool *pool = &fixture->store->pool;
    Object *held, *kept;
    const char *datum;

    create_alike(fixture, 0, 32);
    held = object_ref(store_get(fixture->store, config_map_kind(), "default", "web-00001"));
    kept = object_keep(store_get(fixture->store, config_map_kind(), "default", "web-00002"));
    datum = datum_of(held);
    pool->limit = 1;
    store_list(fixture->store, config_map_kind(), NULL, NULL, look, NULL);
    assert_ptr_equal(datum_of(held), datum);
    fixture_run(fixture);
    store_rest(fixture->store);
    assert_ptr_equal(datum_of(held), datum);
    assert_null(kept->value);
    assert_string_equal(datum_of(kept), "only of 2");
    object_unref(held);
    object_unkeep(kept);
}

static void an_object_outlives_its_store(Fixture *fixture)
{
    Object *kept;

    create_alike(fixture, 0, 64);
    kept = object_keep(store_get(fixture->store, config_map_kind(), "default", "web-00060"));
    store_rest(fixture->store);
    fixture_close(fixture);
    assert_string_equal(datum_of(kept), "only of 60");
    object_unkeep(kept);
    fixture_open(fixture);
}

/* The commit that would have brought a dictionary fails, at each place in turn: what is written
 * afterwards must not rely on it. */
static void no_dictionary_is_missing_after_a_failed_commit(Fixture *fixture)
{
    Sum before, after;

    for (int i = 0; i < 64; i++) {
        _object_ Object *lost = make_alike(1000 + i), *stays = make_alike(i);

        fault_arm("store.commit", 1);
        store_create(fixture->store, lost, NULL, NULL);
        fixture_run(fixture);
        fault_arm("store.commit", 0);
        store_create(fixture->store, stays, NULL, NULL);
        fixture_run(fixture);
    }
    before = sum_of(fixture);
    assert_int_equal(before.n, 64);
    assert_true(before.packed < before.text / 2);
    fixture_close(fixture);
    fixture_open(fixture);
    after = sum_of(fixture);
    assert_string_equal(before.json.p, after.json.p);
    strbuf_deinit(&before.json);
    strbuf_deinit(&after.json);
}

static void put_record(const char *dir, const StoreRecord *record)
{
    StoreEngine *engine = NULL;
    Err err = ERR_INIT;

    assert_int_equal(engine_sqlite_open(dir, FIXTURE_WINDOW, &engine, &err), 0);
    assert_int_equal(engine->ops->commit(engine, record, 1, &err), 0);
    engine->ops->close(engine);
}

static void json_of_an_older_version_is_read(Fixture *fixture)
{
    const char *json =
        "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"old\","
        "\"namespace\":\"default\",\"uid\":\"u\"},\"data\":{\"datum\":\"kept\"}}";
    StoreRecord record = {.key = "/registry/configmaps/default/old",
                          .value = bytes_from_string(json),
                          .revision = 7,
                          .id = 7,
                          .created = true};

    if (!fixture->sqlite)
        return;
    fixture_close(fixture);
    put_record(fixture->dir, &record);
    fixture_open(fixture);
    assert_string_equal(fixture_datum(fixture, "old"), "kept");
    assert_non_null(strstr(
        (const char *)object_json(store_get(fixture->store, config_map_kind(), "default", "old")).p,
        "\"resourceVersion\":\"7\""));
    assert_int_equal(fixture_update(fixture, "old", "new", 7), 0);
    fixture_run(fixture);
    strbuf_truncate(&fixture->log, 0);
}

static PackDictionary *no_dictionary(void *data _unused_, uint32_t id _unused_)
{
    return NULL;
}

/* Any flipped bit, wherever it is, and any length are found. */
static void damage_is_found(Fixture *fixture _unused_)
{
    _object_ Object *object = make_alike(1);
    StrBuf scratch = STRBUF_INIT;
    Bytes good;

    object->sealed = true;
    object_pack(object, NULL, &scratch);
    good = packed_bytes(object->packed);
    for (size_t i = 0; i < good.n; i++) {
        _free_ uint8_t *bad = mem_new(good.n);
        Packed *packed;

        memcpy(bad, good.p, good.n);
        bad[i] ^= (uint8_t)(1 << (i % 8));
        packed = packed_read((Bytes){bad, good.n}, no_dictionary, NULL);
        /* The head has no sum: a wrong schema only makes the reader look, a wrong length fails. */
        if (packed) {
            uint8_t *room = mem_new(packed->head.length + 1);

            assert_true(i < sizeof(PackHead));
            (void)unpack(packed, room);
            free(room);
        }
        packed_free(packed);
        assert_null(packed_read((Bytes){bad, i}, no_dictionary, NULL));
    }
    strbuf_deinit(&scratch);
}

static const struct Case {
    const char *name;
    void (*run)(Fixture *fixture);
} cases[] = {
#define CASE(name)  \
    {               \
#name, name \
    }
    CASE(objects_that_are_alike_take_a_tenth_at_rest),
    CASE(a_restart_wakes_nobody_and_changes_nothing),
    CASE(objects_go_to_rest_when_there_are_too_many),
    CASE(what_is_held_or_borrowed_stays_awake),
    CASE(an_object_outlives_its_store),
    CASE(no_dictionary_is_missing_after_a_failed_commit),
    CASE(json_of_an_older_version_is_read),
    CASE(damage_is_found),
};

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
    return cmocka_run_group_tests_name("texts", tests, NULL, NULL);
}
