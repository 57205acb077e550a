/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

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

/* In the first hierarchy in which the test may make a group. */
static char *make_group(const char *rest)
{
    static const char *const roots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/pids",
                                        "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"};

    for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
        _free_ char *procs = mem_printf("%s/cgroup.procs", roots[i]);
        char *path = mem_printf("%s/stead-test-%d%s", roots[i], (int)getpid(), rest);

        if (file_exists(procs) && file_mkdir_all(path, 0755) == 0)
            return path;
        free(path);
    }
    return NULL;
}

static void a_group_goes_with_all_below_it_and_what_runs_there(void **state)
{
    _free_ char *inner = make_group("/a/b"), *procs = NULL;
    char name[64];
    pid_t pid;
    int status;

    if (!inner)
        skip();
    procs = mem_printf("%s/cgroup.procs", inner);
    pid = fork();
    if (pid == 0) {
        int fd = open(procs, O_WRONLY | O_CLOEXEC);

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (fd < 0 || write(fd, "0", 1) != 1)
            _exit(77);
        kill(getpid(), SIGSTOP); /* now it is there */
        for (;;)
            pause();
    }
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    snprintf(name, sizeof(name), "/stead-test-%d", (int)getpid());
    if (!WIFSTOPPED(status)) {
        cgroup_remove(name);
        skip();
    }
    cgroup_remove(name);
    kill(pid, SIGTERM); /* what has not been killed yet ends by this signal instead */
    kill(pid, SIGCONT);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    cgroup_remove(name); /* a zombie may have kept it until now */
    assert_false(file_exists(inner));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_hierarchy_is_found),
        cmocka_unit_test(warming_leaves_the_process_where_it_is),
        cmocka_unit_test(a_group_goes_with_all_below_it_and_what_runs_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
