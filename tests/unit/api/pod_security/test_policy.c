/* SPDX-License-Identifier: Apache-2.0 */
/* The Pod Security Standards, where a story of requests cannot show them: the checks of annotations,
 * from times when they were no fields. tests/wire/golden/steps_pod_security.json has the rest. */
#include "testing.h"

#include "api/pod_security/pod_security.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"

static void annotations_are_checked_as_long_as_they_meant_something(void **state)
{
    static const struct {
        const char *key, *value;
        int minor;
        const char *details; /* NULL: nothing is found */
    } cases[] = {
        {"container.apparmor.security.beta.kubernetes.io/c", "unconfined", SECURITY_LATEST,
         "forbidden AppArmor profile (annotation must not set AppArmor profile type to "
         "\"container.apparmor.security.beta.kubernetes.io/c=\"unconfined\"\")"},
        {"container.apparmor.security.beta.kubernetes.io/c", "runtime/default", 0, NULL},
        {"container.apparmor.security.beta.kubernetes.io/c", "localhost/x", 0, NULL},
        {"container.apparmor.security.beta.kubernetes.io/c", "", 0, NULL},
        {"seccomp.security.alpha.kubernetes.io/pod", "unconfined", 18,
         "seccompProfile (forbidden annotation "
         "seccomp.security.alpha.kubernetes.io/pod=\"unconfined\")"},
        {"seccomp.security.alpha.kubernetes.io/pod", "docker/default", 18, NULL},
        {"seccomp.security.alpha.kubernetes.io/pod", "unconfined", 19, NULL},
        {"container.seccomp.security.alpha.kubernetes.io/c", "x", 0,
         "seccompProfile (forbidden annotation "
         "container.seccomp.security.alpha.kubernetes.io/c=\"x\")"},
        {"container.seccomp.security.alpha.kubernetes.io/other", "x", 0, NULL},
    };
    Container container = {.name = "c"};
    const PodSpec spec = {.containers = {&container, 1}};

    EACH_ROW_OF(i, ARRAY_LEN(cases), "annotations", cases[i].value) {
        StringEntry entry = {cases[i].key, cases[i].value};
        const ObjectMeta meta = {.annotations = {&entry, 1}};
        const SecurityPolicy policy = {SECURITY_BASELINE, cases[i].minor};
        _arena_ Arena arena = ARENA_INIT;
        SecurityFindings findings = security_check(&arena, &policy, &meta, &spec);

        assert_string_equal(security_details(&arena, &findings),
                            cases[i].details ? cases[i].details : "");
    }
}

static void a_version_is_latest_or_a_minor_one_of_1(void **state)
{
    static const struct {
        const char *text;
        int minor; /* -1: none */
    } cases[] = {
        {"latest", SECURITY_LATEST},
        {"v1.0", 0},
        {"v1.36", 36},
        {"v1.999", 999},
        {"v1.00", -1},
        {"v1.01", -1},
        {"v1.", -1},
        {"v1.-1", -1},
        {"v1.+1", -1},
        {"v1. 1", -1},
        {"v2.1", -1},
        {"1.20", -1},
        {"", -1},
        {"Latest", -1},
        {"v1.99999999999", -1},
        {"v1.1x", -1},
    };

    EACH_ROW_OF(i, ARRAY_LEN(cases), "versions", cases[i].text) {
        int minor = -1;

        assert_int_equal(security_parse_version(cases[i].text, &minor), cases[i].minor >= 0);
        if (cases[i].minor >= 0)
            assert_int_equal(minor, cases[i].minor);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(annotations_are_checked_as_long_as_they_meant_something),
        cmocka_unit_test(a_version_is_latest_or_a_minor_one_of_1),
    };
    return cmocka_run_group_tests_name("pod_security", tests, NULL, NULL);
}
