/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "base/arena.h"
#include "base/time/clock.h"

static void every_piece_is_aligned_and_zeroed(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    Random random;

    random_seed(&random, 1);
    for (int i = 0; i < 2000; i++) {
        size_t align = (size_t)1 << random_below(&random, 5), size = random_below(&random, 300);
        uint8_t *p = arena_alloc_raw(&arena, size, align), *zeroed;

        assert_int_equal((uintptr_t)p % align, 0);
        memset(p, 0xff, size);
        zeroed = arena_alloc(&arena, size);
        assert_int_equal((uintptr_t)zeroed % 8, 0);
        for (size_t k = 0; k < size; k++)
            assert_int_equal(zeroed[k], 0);
        memset(zeroed, 0xee, size);
    }
}

static void no_piece_overlaps_another(void **state)
{
    enum { N = 500 };
    _arena_ Arena arena = ARENA_INIT_SIZE(100);
    static struct {
        uint8_t *p;
        size_t n;
    } pieces[N];
    Random random;

    random_seed(&random, 2);
    for (size_t i = 0; i < N; i++) {
        pieces[i].n = random_below(&random, i % 50 ? 200 : 100000);
        pieces[i].p = arena_alloc_raw(&arena, pieces[i].n, 1);
        memset(pieces[i].p, (int)(i & 0xff), pieces[i].n);
    }
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < pieces[i].n; k++)
            assert_int_equal(pieces[i].p[k], i & 0xff);
}

static void a_large_piece_leaves_the_room_of_the_newest_block_in_use(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    char *first = arena_alloc_raw(&arena, 8, 8), *next;
    size_t total;

    arena_alloc_raw(&arena, 1024 * 1024, 16);
    total = arena.total;
    next = arena_alloc_raw(&arena, 8, 8);
    assert_ptr_equal(next, first + 8);
    assert_int_equal(arena.total, total);
}

static void memory_taken_stays_near_what_was_asked(void **state)
{
    _arena_ Arena arena = ARENA_INIT;

    for (int i = 0; i < 10000; i++)
        arena_alloc(&arena, 64);
    assert_true(arena.total < 10000 * 64 + 2 * 64 * 1024);
}

static int order[8], n_released;

static void on_release(void *thing)
{
    order[n_released++] = *(int *)thing;
}

static void links_run_once_and_the_newest_first(void **state)
{
    Arena arena = ARENA_INIT;
    int things[] = {1, 2, 3};

    n_released = 0;
    for (size_t i = 0; i < 3; i++)
        arena_link(&arena, on_release, &things[i]);
    arena_link(&arena, on_release, &things[0]);
    arena_clear(&arena);
    assert_int_equal(n_released, 4);
    assert_int_equal(order[0], 1);
    assert_int_equal(order[1], 3);
    assert_int_equal(order[3], 1);
    arena_clear(&arena);
    assert_int_equal(n_released, 4);
}

static void a_cleared_arena_works_again(void **state)
{
    Arena arena = ARENA_INIT;

    for (int i = 0; i < 3; i++) {
        assert_string_equal(arena_printf(&arena, "%d-%s", i, "x") + 1, "-x");
        arena_clear(&arena);
        assert_int_equal(arena.total, 0);
        assert_null(arena.block);
    }
}

static void strings_are_copied_whole(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    char long_text[1000];
    Bytes bytes;

    memset(long_text, 'a', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = 0;
    assert_null(arena_strdup(&arena, NULL));
    assert_string_equal(arena_strdup(&arena, ""), "");
    assert_string_equal(arena_strndup(&arena, "abc", 2), "ab");
    assert_string_equal(arena_printf(&arena, "%s!", long_text) + 990, "aaaaaaaaa!");
    bytes = arena_bytes(&arena, (Bytes){(const uint8_t *)"a\0b", 3});
    assert_int_equal(bytes.n, 3);
    assert_memory_equal(bytes.p, "a\0b", 3);
    assert_null(arena_bytes(&arena, BYTES_NULL).p);
    assert_int_equal(*arena_int32(&arena, -3), -3);
    assert_int_equal(*arena_int64(&arena, INT64_MIN), INT64_MIN);
    assert_true(*arena_bool(&arena, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_piece_is_aligned_and_zeroed),
        cmocka_unit_test(no_piece_overlaps_another),
        cmocka_unit_test(a_large_piece_leaves_the_room_of_the_newest_block_in_use),
        cmocka_unit_test(memory_taken_stays_near_what_was_asked),
        cmocka_unit_test(links_run_once_and_the_newest_first),
        cmocka_unit_test(a_cleared_arena_works_again),
        cmocka_unit_test(strings_are_copied_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
