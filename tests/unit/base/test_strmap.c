/* SPDX-License-Identifier: Apache-2.0 */
/* The map against the simplest model there is: an array over all keys. */
#include "testing.h"

#include "base/strmap.h"
#include "base/time/clock.h"

#define KEYS 600

static void *model[KEYS];

static void compare(const StrMap *map)
{
    size_t n = 0, seen = 0;

    for (size_t i = 0; i < KEYS; i++) {
        char key[16];

        snprintf(key, sizeof(key), "key-%zu", i);
        assert_ptr_equal(strmap_get(map, key), model[i]);
        n += model[i] != NULL;
    }
    assert_int_equal(map->n, n);
    STRMAP_EACH(map, slot) {
        seen++;
        assert_non_null(slot->value);
    }
    assert_int_equal(seen, n);
}

/* With few keys the runs are short, with many they are long and wrap around: removal in the middle
 * of a chain must lose nobody behind it. */
static void it_agrees_with_a_model_through_random_changes(void **state)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        size_t keys = seed * KEYS / 20;
        StrMap map = STRMAP_INIT;
        Random random;

        memset(model, 0, sizeof(model));
        random_seed(&random, seed);
        for (int step = 0; step < 6000; step++) {
            size_t i = random_below(&random, keys);
            void *value = (void *)(uintptr_t)(step + 1);
            char key[16];

            snprintf(key, sizeof(key), "key-%zu", i);
            if (random_below(&random, 100) < (step / 1000 % 2 ? 70 : 30)) {
                assert_ptr_equal(strmap_remove(&map, key), model[i]);
                model[i] = NULL;
            } else {
                assert_ptr_equal(strmap_put(&map, key, value), model[i]);
                model[i] = value;
            }
            if (step % 500 == 0)
                compare(&map);
        }
        compare(&map);
        strmap_deinit(&map);
        assert_int_equal(map.n + map.cap, 0);
    }
}

/* Chains made by hand: the hash has a key of the process, so search for names that share a home. */
static void removing_from_a_chain_keeps_those_behind_it(void **state)
{
    enum { CHAIN = 5 };
    char names[CHAIN][24];
    size_t n = 0;

    /* Home 7 of 8, so that the chain wraps around the end. */
    for (unsigned i = 0; n < CHAIN; i++) {
        snprintf(names[n], sizeof(names[n]), "name-%u", i);
        if ((hash_bytes(names[n], strlen(names[n])) & 7) == 7)
            n++;
    }
    for (size_t gone = 0; gone < CHAIN; gone++) {
        StrMap map = STRMAP_INIT;

        for (size_t i = 0; i < CHAIN; i++)
            assert_null(strmap_put(&map, names[i], names[i]));
        assert_int_equal(map.cap, 8);
        assert_ptr_equal(strmap_remove(&map, names[gone]), names[gone]);
        for (size_t i = 0; i < CHAIN; i++)
            assert_ptr_equal(strmap_get(&map, names[i]), i == gone ? NULL : names[i]);
        assert_null(strmap_remove(&map, names[gone]));
        strmap_deinit(&map);
    }
}

static void an_empty_map_knows_nobody(void **state)
{
    StrMap map = STRMAP_INIT;
    char key[] = "a";

    assert_null(strmap_get(&map, "a"));
    assert_null(strmap_remove(&map, "a"));
    strmap_put(&map, key, key);
    key[0] = 'b';
    assert_non_null(strmap_get(&map, "a")); /* the key was copied */
    assert_null(strmap_get(&map, "b"));
    assert_null(strmap_get(&map, ""));
    strmap_put(&map, "", key);
    assert_ptr_equal(strmap_get(&map, ""), key);
    strmap_deinit(&map);
    strmap_deinit(&map);
}

static void the_hash_depends_on_every_byte_and_the_length(void **state)
{
    uint8_t text[33] = {0};

    for (size_t n = 1; n <= 32; n++) {
        uint64_t hash = hash_bytes(text, n);

        assert_int_equal(hash, hash_bytes(text, n));
        assert_true(hash != hash_bytes(text, n - 1));
        for (size_t i = 0; i < n; i++) {
            text[i] = 1;
            assert_true(hash != hash_bytes(text, n));
            text[i] = 0;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_agrees_with_a_model_through_random_changes),
        cmocka_unit_test(removing_from_a_chain_keeps_those_behind_it),
        cmocka_unit_test(an_empty_map_knows_nobody),
        cmocka_unit_test(the_hash_depends_on_every_byte_and_the_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
