/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "registry/digest.h"
#include "registry/reference.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// clang-format off
static const struct { const char *in, *domain, *path, *tag, *digest; } names[] = {
    {"busybox", "docker.io", "library/busybox", "latest", NULL},
    {"team/app:v1", "docker.io", "team/app", "v1", NULL},
    {"index.docker.io/busybox", "docker.io", "library/busybox", "latest", NULL},
    {"localhost/app", "localhost", "app", "latest", NULL},
    {"localhost:5000/a/b:1", "localhost:5000", "a/b", "1", NULL},
    {"127.0.0.1:5000/a", "127.0.0.1:5000", "a", "latest", NULL},
    {"[::1]:5000/a", "[::1]:5000", "a", "latest", NULL},
    {"[2001:db8::1]/a", "[2001:db8::1]", "a", "latest", NULL},
    {"Host/app", "Host", "app", "latest", NULL},
    {"quay.io/a@sha256:" HEX, "quay.io", "a", NULL, "sha256:" HEX},
    {"quay.io/a:1@sha256:" HEX, "quay.io", "a", "1", "sha256:" HEX},
    {"quay.io/a@sha512:" HEX HEX, "quay.io", "a", NULL, "sha512:" HEX HEX},
};

static const struct { const char *in, *reason; } invalid[] = {
    {"", "invalid reference format"},
    {"Busybox", "invalid reference format: repository name (library/Busybox) must be lowercase"},
    {"quay.io/Team/app:1", "invalid reference format: repository name (Team/app) must be lowercase"},
    {HEX, "invalid repository name (" HEX "), cannot specify 64-byte hexadecimal strings"},
    {"a:", "invalid reference format"},
    {"a:.tag", "invalid reference format"},
    {"a b", "invalid reference format"},
    {"a\n", "invalid reference format"},
    {"a/../b", "invalid reference format"},
    {"my_host.example/a", "invalid reference format"},
    {"-host.example/a", "invalid reference format"},
    {"host.example:port/a", "invalid reference format"},
    {"host.example:/a", "invalid reference format"},
    {"[::1/a", "invalid reference format"},
    {"[::g]/a", "invalid reference format"},
    {"a@sha256:12", "invalid reference format"},
    {"a@sha256:" HEX "00", "invalid checksum digest length"},
    {"a@sha256:G" HEX, "invalid checksum digest format"},
    {"a@md5:" HEX, "unsupported digest algorithm"},
    {"a@", "invalid reference format"},
};
// clang-format on

static void names_are_split_as_docker_does(void **state)
{
    _arena_ Arena arena = ARENA_INIT;

    EACH_ROW(i, names, names[i].in) {
        const char *reason = "unset";
        ImageReference r;

        assert_int_equal(reference_parse(&arena, names[i].in, &r, &reason), 0);
        assert_null(reason);
        assert_string_equal(r.domain, names[i].domain);
        assert_string_equal(r.path, names[i].path);
        assert_true(str_equal(r.tag, names[i].tag) && !r.tag == !names[i].tag);
        assert_true(str_equal(r.digest, names[i].digest) && !r.digest == !names[i].digest);
    }
}

static void invalid_names_give_the_reason_of_kubelet(void **state)
{
    _arena_ Arena arena = ARENA_INIT;

    EACH_ROW(i, invalid, invalid[i].in) {
        const char *reason = NULL;
        ImageReference r;

        assert_int_equal(reference_parse(&arena, invalid[i].in, &r, &reason), REFERENCE_E_INVALID);
        assert_string_equal(reason, invalid[i].reason);
    }
}

static void lengths_are_limited(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    const char *reason = NULL, *text;
    char a[300];
    ImageReference r;

    memset(a, 'a', sizeof(a));
    text = arena_printf(&arena, "quay.io/%.255s", a);
    assert_int_equal(reference_parse(&arena, text, &r, NULL), 0);
    text = arena_printf(&arena, "quay.io/%.256s", a);
    assert_int_equal(reference_parse(&arena, text, &r, &reason), REFERENCE_E_INVALID);
    assert_string_equal(reason, "repository name must not be more than 255 characters");
    assert_int_equal(reference_parse(&arena, arena_printf(&arena, "x:%.128s", a), &r, NULL), 0);
    assert_int_equal(reference_parse(&arena, arena_printf(&arena, "x:%.129s", a), &r, NULL),
                     REFERENCE_E_INVALID);
}

static void digests_of_both_algorithms_are_checked(void **state)
{
    const Bytes abc = BYTES_LITERAL("abc");

    assert_true(digest_matches(
        abc, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    assert_true(digest_matches(
        abc, "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
             "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"));
    assert_false(digest_matches(abc, "sha256:" HEX));
    assert_false(digest_is_known("sha512:" HEX));
    assert_false(digest_is_known("sha256:" HEX HEX));
    assert_false(digest_is_valid("sha512:" HEX HEX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_split_as_docker_does),
        cmocka_unit_test(invalid_names_give_the_reason_of_kubelet),
        cmocka_unit_test(lengths_are_limited),
        cmocka_unit_test(digests_of_both_algorithms_are_checked),
    };

    return cmocka_run_group_tests_name("reference", tests, NULL, NULL);
}
