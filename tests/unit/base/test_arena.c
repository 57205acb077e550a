/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "base/arena.h"
#include "base/time/clock.h"
#include "base/vec.h"

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

/* ---- arrays ---- */

typedef struct Item {
    int64_t value;
    const char *text;
    char rest[24];
} Item;

static void pushed_elements_stay_and_the_capacity_doubles(void **state)
{
    enum { N = 10000 };
    _arena_ Arena arena = ARENA_INIT;
    VEC(Item) items = VEC_INIT;
    size_t grown = 0;

    for (int64_t i = 0; i < N; i++) {
        size_t cap = items.cap;
        Item *item = ARENA_PUSH(&arena, &items, (Item){.value = i, .text = "x"});

        assert_ptr_equal(item, &items.v[i]);
        arena_alloc(&arena, 24); /* other pieces come between */
        grown += cap != items.cap;
    }
    assert_int_equal(items.n, N);
    for (int64_t i = 0; i < N; i++)
        assert_int_equal(items.v[i].value, i);
    assert_true(grown <= 15);
    assert_true(items.cap < 2 * N + 4);
}

typedef struct Page {
    char bytes[4096];
} Page;

static void small_elements_get_room_for_several_at_once(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    VEC(char) letters = VEC_INIT;
    VEC(Page) pages = VEC_INIT;

    ARENA_PUSH(&arena, &letters, 'a');
    assert_int_equal(letters.cap, 128);
    ARENA_PUSH(&arena, &pages, (Page){0});
    assert_int_equal(pages.cap, 4);
}

static void a_list_whose_capacity_is_kept_beside_it_grows_as_well(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    struct {
        const char **v;
        size_t n;
    } texts = {0};
    size_t cap = 0;

    for (int i = 0; i < 1000; i++)
        ARENA_PUSH_CAP(&arena, &texts, &cap, arena_printf(&arena, "%d", i));
    assert_int_equal(texts.n, 1000);
    assert_int_equal(cap, 1024);
    assert_string_equal(texts.v[0], "0");
    assert_string_equal(texts.v[999], "999");
}

static void appending_never_writes_to_an_array_that_others_share(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    static int shared_v[] = {1, 2, 3, 77};
    struct {
        int *v;
        size_t n;
    } shared = {shared_v, 3}, empty = {0}, copy = shared;

    assert_int_equal(*ARENA_APPEND(&arena, &copy, 4), 4);
    assert_int_equal(copy.n, 4);
    assert_int_equal(copy.v[2], 3);
    assert_int_equal(copy.v[3], 4);
    assert_int_equal(shared_v[3], 77);
    copy.v[0] = 9;
    assert_int_equal(shared_v[0], 1);
    ARENA_APPEND(&arena, &empty, 5);
    assert_int_equal(empty.n, 1);
    assert_int_equal(empty.v[0], 5);
}

static void a_copied_array_has_the_same_elements_elsewhere(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    const char *const texts[] = {"a", "b"};
    const char *const *copy = ARENA_COPY_N(&arena, texts, 2);

    assert_ptr_not_equal(copy, texts);
    assert_ptr_equal(copy[0], texts[0]);
    assert_ptr_equal(copy[1], texts[1]);
    assert_non_null(ARENA_COPY_N(&arena, (const int *)NULL, 0));
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
        cmocka_unit_test(pushed_elements_stay_and_the_capacity_doubles),
        cmocka_unit_test(small_elements_get_room_for_several_at_once),
        cmocka_unit_test(a_list_whose_capacity_is_kept_beside_it_grows_as_well),
        cmocka_unit_test(appending_never_writes_to_an_array_that_others_share),
        cmocka_unit_test(a_copied_array_has_the_same_elements_elsewhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
