/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

// clang-format off
// clang-format on
#include "bolt_file.h"
#include "image/local/bolt.h"

static const BoltKey keys[] = {
    {"v1/default/images/docker.io/x", "no, the name has slashes", 0},
    {"v1/moby/a", "1", 0},
    {"v1/moby/b", "", 0},
    {"v1/moby/sub/c", "deep", 0},
    {"v2/z", "last", 0},
};

static Bolt take(const StrBuf *file)
{
    Bolt bolt;
    uint8_t *p = mem_new(file->n + 1);

    memcpy(p, file->p, file->n);
    assert_int_equal(bolt_take(p, file->n, &bolt, NULL), 0);
    return bolt;
}

static bool note(void *data, Bytes key, bool is_bucket)
{
    strbuf_printf(data, "%.*s%s ", (int)key.n, key.p, is_bucket ? "/" : "");
    return true;
}

static void keys_are_found_in_their_buckets(void **state _unused_)
{
    _strbuf_ StrBuf file = bolt_file(keys, ARRAY_LEN(keys)), names = STRBUF_INIT;
    Bolt bolt = take(&file);
    BoltBucket root = bolt_root(&bolt), v1, moby, sub;
    Bytes value;

    bolt_each(&root, note, &names);
    assert_string_equal(strbuf_string(&names), "v1/ v2/ ");
    assert_true(bolt_bucket(&root, "v1", &v1) && bolt_bucket(&v1, "moby", &moby));
    assert_true(bolt_get(&moby, "a", &value) && value.n == 1 && value.p[0] == '1');
    assert_true(bolt_get(&moby, "b", &value) && value.n == 0);
    assert_true(bolt_bucket(&moby, "sub", &sub) && bolt_get(&sub, "c", &value));
    assert_memory_equal(value.p, "deep", 4);
    assert_false(bolt_get(&moby, "sub", &value)); /* a bucket is no value */
    assert_false(bolt_bucket(&moby, "a", &sub));  /* and the other way round */
    assert_false(bolt_get(&moby, "ab", &value));
    bolt_close(&bolt);
}

static void the_newer_whole_meta_page_counts(void **state _unused_)
{
    _strbuf_ StrBuf file = bolt_file(keys, ARRAY_LEN(keys));
    Bolt bolt;
    BoltBucket root, v1;

    file.p[BOLT_PAGE + 40] ^= 1; /* the newer one is half written */
    bolt = take(&file);
    root = bolt_root(&bolt);
    assert_true(bolt_bucket(&root, "v1", &v1));
    bolt_close(&bolt);
    file.p[BOLT_PAGE + 40] ^= 1;
    file.p[40] ^= 1; /* or the older one */
    bolt = take(&file);
    bolt_close(&bolt);
    file.p[BOLT_PAGE + 40] ^= 1;
    assert_true(bolt_take(memcpy(mem_new(file.n), file.p, file.n), file.n, &bolt, NULL) < 0);
    assert_true(bolt_take(mem_new(1), 0, &bolt, NULL) < 0);
}

static bool count(void *data, Bytes key _unused_, bool is_bucket _unused_)
{
    return ++*(size_t *)data < 100000;
}

/* A branch that refers to itself, to nothing, and beyond the end. */
static void damage_ends_a_search(void **state _unused_)
{
    static const uint64_t children[] = {2, 0, 3, UINT64_MAX};

    EACH_ROW(i, children, NULL) {
        _strbuf_ StrBuf file = bolt_file(keys, ARRAY_LEN(keys)), page = STRBUF_INIT;
        size_t seen = 0;
        BoltBucket root;
        Bolt bolt;

        bolt_put(&page, 2, 8);
        bolt_put(&page, 1, 2); /* a branch */
        bolt_put(&page, 64, 2);
        bolt_put(&page, 0, 4);
        for (int j = 0; j < 64; j++) {
            bolt_put(&page, 16, 4);
            bolt_put(&page, 0, 4);
            bolt_put(&page, children[i], 8);
        }
        memcpy(file.p + 2 * BOLT_PAGE, page.p, page.n);
        bolt = take(&file);
        root = bolt_root(&bolt);
        bolt_each(&root, count, &seen);
        assert_int_equal(seen, 0);
        bolt_close(&bolt);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_found_in_their_buckets),
        cmocka_unit_test(the_newer_whole_meta_page_counts),
        cmocka_unit_test(damage_ends_a_search),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
