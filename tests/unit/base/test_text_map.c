/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "base/text_map.h"

static void a_text_is_new_once(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    TextMap map = TEXT_MAP_INIT(&arena);

    assert_true(text_map_add(&map, "a"));
    assert_false(text_map_add(&map, "a"));
    assert_true(text_map_add(&map, NULL));
    assert_false(text_map_add(&map, ""));
    assert_true(text_map_has(&map, NULL));
    assert_false(text_map_has(&map, "b"));
}

static void many_texts_keep_their_values(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    TextMap map = TEXT_MAP_INIT(&arena);

    for (uintptr_t i = 1; i <= 5000; i++) {
        text_map_put_first(&map, arena_printf(&arena, "key %d", (int)i), (void *)i);
        text_map_put_first(&map, arena_printf(&arena, "key %d", (int)i), NULL);
        assert_int_equal(map.n, i);
    }
    for (uintptr_t i = 1; i <= 5000; i++)
        assert_ptr_equal(text_map_get(&map, arena_printf(&arena, "key %d", (int)i)), (void *)i);
    assert_null(text_map_get(&map, "key 5001"));
}

static void parts_of_a_key_do_not_run_together(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    TextMap map = TEXT_MAP_INIT(&arena);

    assert_true(text_map_add_joined(&map, "ab", "c", NULL));
    assert_true(text_map_add_joined(&map, "a", "bc", NULL));
    assert_true(text_map_add_joined(&map, "a", "b", "c"));
    assert_false(text_map_add_joined(&map, "ab", "c", ""));
}

static void keys_may_hold_any_bytes(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    TextMap map = TEXT_MAP_INIT(&arena);
    int32_t numbers[] = {0, 1, 256, -1};
    bool is_new;

    EACH_ROW(i, numbers, NULL) {
        text_map_put_n(&map, (const char *)&numbers[i], sizeof(numbers[i]), &is_new);
        assert_true(is_new);
        text_map_put_n(&map, (const char *)&numbers[i], sizeof(numbers[i]), &is_new);
        assert_false(is_new);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_new_once),
        cmocka_unit_test(many_texts_keep_their_values),
        cmocka_unit_test(parts_of_a_key_do_not_run_together),
        cmocka_unit_test(keys_may_hold_any_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
