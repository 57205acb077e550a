/* SPDX-License-Identifier: Apache-2.0 */
// clang-format off
// clang-format on
#include "testing.h"

#include "image/image.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// clang-format off
static const struct { const char *in, *out; } names[] = {
    {"busybox", "docker.io/library/busybox:latest"},
    {"busybox:1.36", "docker.io/library/busybox:1.36"},
    {"team/app", "docker.io/team/app:latest"},
    {"docker.io/busybox", "docker.io/library/busybox:latest"},
    {"index.docker.io/library/busybox", "docker.io/library/busybox:latest"},
    {"localhost/app:1", "localhost/app:1"},
    {"localhost:5000/app", "localhost:5000/app:latest"},
    {"example.com/a/b/c:v1.2-rc_3", "example.com/a/b/c:v1.2-rc_3"},
    {"Host/app", "Host/app:latest"},
    {"busybox@sha256:" HEX, "docker.io/library/busybox@sha256:" HEX},
    {"busybox:1@sha256:" HEX, "docker.io/library/busybox:1@sha256:" HEX},
    {"a__b-c--d.e_f", "docker.io/library/a__b-c--d.e_f:latest"},
    {"", NULL}, {"Busybox", NULL}, {"busybox:", NULL}, {":1", NULL}, {"a//b", NULL}, {"/a", NULL}, {"a/", NULL},
    {"a___b", NULL}, {"a..b", NULL}, {"-a", NULL}, {"a-", NULL}, {"a b", NULL}, {"a@sha256:12", NULL},
    {"example.com:port/a", NULL}, {"example.com", "docker.io/library/example.com:latest"}, {"example.com/", NULL},
    {"a:.tag", NULL}, {"../etc/passwd", NULL}, {"a/../b", NULL},
};
// clang-format on

static void names_are_completed_as_docker_does(void **state)
{
    _arena_ Arena arena = ARENA_INIT;

    EACH_ROW(i, names, NULL) {
        const char *out = image_normalize(&arena, names[i].in);

        if (!str_equal(out, names[i].out))
            fail_msg("%s: %s", names[i].in, out ? out : "(none)");
    }
    assert_null(image_normalize(&arena, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_are_completed_as_docker_does)};

    return cmocka_run_group_tests_name("name", tests, NULL, NULL);
}
