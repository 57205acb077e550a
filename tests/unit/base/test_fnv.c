/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "base/fnv.h"

/* The values are those of Go's hash/fnv: New64a and New32. */
static const struct {
    const char *text;
    uint64_t fnv1a;
    uint32_t fnv1_32;
} cases[] = {
    {"", UINT64_C(0xcbf29ce484222325), UINT32_C(0x811c9dc5)},
    {"a", UINT64_C(0xaf63dc4c8601ec8c), UINT32_C(0x050c5d7e)},
    {"foobar", UINT64_C(0x85944171f73967e8), UINT32_C(0x31f0b262)},
    {"\xff", UINT64_C(0xaf64724c8602eb6e), UINT32_C(0x050c5de0)},
};

static void hashes_are_those_of_other_programs(void **state)
{
    EACH_ROW(i, cases, cases[i].text) {
        const char *text = cases[i].text;

        assert_true(fnv1a(FNV_START, text) == cases[i].fnv1a);
        assert_int_equal(fnv1_32(FNV32_START, text, strlen(text)), cases[i].fnv1_32);
    }
}

static void a_hash_goes_on_where_another_ended(void **state)
{
    assert_true(fnv1a(fnv1a(FNV_START, "foo"), "bar") == fnv1a(FNV_START, "foobar"));
    assert_int_equal(fnv1_32(fnv1_32(FNV32_START, "foo", 3), "bar", 3),
                     fnv1_32(FNV32_START, "foobar", 6));
    assert_int_equal(fnv_fold(UINT64_C(0x1234567800000001)), 0x12345679);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_are_those_of_other_programs),
        cmocka_unit_test(a_hash_goes_on_where_another_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
