/* SPDX-License-Identifier: Apache-2.0 */
/* The ordered index against a plain sorted array. */
// clang-format off
// clang-format on
#include "testing.h"

#include "base/time/clock.h"
#include "store/index.h"

#define KEYS 2000

static void walk(Index *index, const bool *there)
{
    IndexCursor cursor = index_seek(index, "", false);
    StoreEntry *entry;
    char key[16];

    for (int i = 0; i < KEYS; i++) {
        if (!there[i])
            continue;
        snprintf(key, sizeof(key), "k%05d", i);
        entry = index_at(index, &cursor);
        assert_non_null(entry);
        assert_string_equal(entry->key, key);
        index_next(index, &cursor, entry);
    }
    assert_null(index_at(index, &cursor));
}

static void keys_stay_in_order_through_inserts_and_removals(void **state)
{
    static bool there[KEYS];
    Index index = {0};
    Random random;
    char key[16];

    random_seed(&random, 7);
    for (int round = 0; round < 20000; round++) {
        int i = (int)random_below(&random, KEYS);
        StoreEntry *entry;

        snprintf(key, sizeof(key), "k%05d", i);
        entry = index_find(&index, key);
        assert_int_equal(!!entry, there[i]);
        if (entry && random_below(&random, 3) > 0)
            index_remove(&index, entry);
        else
            assert_string_equal(index_put(&index, key)->key, key);
        there[i] = !!index_find(&index, key);
        if (round % 1000 == 0)
            walk(&index, there);
    }
    walk(&index, there);
    index_deinit(&index);
}

static void keys_in_rising_order_fill_their_chunks(void **state)
{
    Index index = {0};
    char key[16];

    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof(key), "k%05d", i);
        index_put(&index, key);
    }
    index_seek(&index, "", false);
    assert_true(index.n <= KEYS / (INDEX_CHUNK_MAX - 1) + 1);
    index_deinit(&index);
}

static void whole_chunks_may_go_from_the_middle(void **state)
{
    static bool there[KEYS];
    Index index = {0};
    char key[16];
    size_t chunks;

    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof(key), "k%05d", i);
        index_put(&index, key);
        there[i] = true;
    }
    walk(&index, there);
    chunks = index.n;
    for (int i = KEYS / 3; i < KEYS / 2; i++) {
        snprintf(key, sizeof(key), "k%05d", i);
        index_remove(&index, index_find(&index, key));
        there[i] = false;
    }
    walk(&index, there);
    assert_true(index.n <= chunks - (KEYS / 6 / INDEX_CHUNK_MAX - 1));
    for (int i = KEYS / 3; i < KEYS / 2; i++) {
        snprintf(key, sizeof(key), "k%05d", i);
        index_put(&index, key);
        there[i] = true;
    }
    walk(&index, there);
    index_deinit(&index);
}

static void a_seek_finds_the_place_between_keys(void **state)
{
    Index index = {0};
    IndexCursor cursor;

    cursor = index_seek(&index, "a", false);
    assert_null(index_at(&index, &cursor));
    index_put(&index, "b");
    index_put(&index, "d");
    cursor = index_seek(&index, "b", false);
    assert_string_equal(index_at(&index, &cursor)->key, "b");
    cursor = index_seek(&index, "b", true);
    assert_string_equal(index_at(&index, &cursor)->key, "d");
    index_put(&index, "c"); /* the cursor stands on d and finds its way */
    index_next(&index, &cursor, index_find(&index, "b"));
    assert_string_equal(index_at(&index, &cursor)->key, "c");
    cursor = index_seek(&index, "d", true);
    assert_null(index_at(&index, &cursor));
    index_deinit(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_stay_in_order_through_inserts_and_removals),
        cmocka_unit_test(keys_in_rising_order_fill_their_chunks),
        cmocka_unit_test(whole_chunks_may_go_from_the_middle),
        cmocka_unit_test(a_seek_finds_the_place_between_keys),
    };

    return cmocka_run_group_tests_name("index", tests, NULL, NULL);
}
