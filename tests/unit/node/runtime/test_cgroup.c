/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "base/files/file.h"
#include "node/runtime/cgroup.h"

static void every_kind_of_hierarchy_is_found(void **state)
{
    static const struct {
        const char *line, *path;
    } cases[] = {
        {"4:pids:/a/b", "/sys/fs/cgroup/pids/a/b/cgroup.procs"},
        {"3:cpu,cpuacct:/", "/sys/fs/cgroup/cpu,cpuacct/cgroup.procs"},
        {"1:name=systemd:/init.scope", "/sys/fs/cgroup/systemd/init.scope/cgroup.procs"},
        {"0::/user.slice", "/sys/fs/cgroup/user.slice/cgroup.procs"},
        {"0::/", "/sys/fs/cgroup/cgroup.procs"},
        {"0::/a:b", "/sys/fs/cgroup/a:b/cgroup.procs"},
        {"0", NULL},
        {"0:", NULL},
        {"", NULL},
    };

    EACH_ROW(i, cases, cases[i].path) {
        _free_ char *path = cgroup_procs_path(cases[i].line);

        if (cases[i].path)
            assert_string_equal(path, cases[i].path);
        else
            assert_null(path);
    }
}

static void warming_leaves_the_process_where_it_is(void **state)
{
    _free_ char *before = NULL, *after = NULL;
    size_t n;

    assert_int_equal(file_read("/proc/self/cgroup", 65536, &before, &n), 0);
    cgroup_warm();
    assert_int_equal(file_read("/proc/self/cgroup", 65536, &after, &n), 0);
    assert_string_equal(before, after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_hierarchy_is_found),
        cmocka_unit_test(warming_leaves_the_process_where_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
