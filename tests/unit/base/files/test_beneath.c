/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files below a folder. Everything here runs twice: as the kernel resolves paths, and in a child
 * whose seccomp filter answers ENOSYS to openat2, so that the walk in user space has to give the
 * same results.
 */
#include "testing.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/files/beneath.h"
#include "base/files/file.h"

static char home[64];
static int top = -1; /* home/root; home/outside lies beside it */

static char *at(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", home, name);
    return path;
}

static void write_text(const char *name, const char *text)
{
    assert_int_equal(file_mkdir_for(at(name), 0755), 0);
    assert_int_equal(file_replace(at(name), text, strlen(text), 0644), 0);
}

static int set_up(void **state)
{
    static const char *const links[][2] = {
        {"a/b/file", "root/link"},       {"/a/b/file", "root/absolute"},
        {"../outside/x", "root/out"},    {"../..", "root/a/up"},
        {"a/b", "root/folder"},          {"loop", "root/loop"},
        {"nothing", "root/dangling"},    {"folder/../b/file", "root/a/winding"},
        {"/../../outside/x", "root/far"}};

    snprintf(home, sizeof(home), "%s/stead-beneath-XXXXXX", str_or(getenv("TMPDIR"), "/tmp"));
    if (!mkdtemp(home))
        return -1;
    write_text("root/a/b/file", "inside");
    write_text("root/outside/x", "not the one outside");
    write_text("outside/x", "outside");
    for (size_t i = 0; i < ARRAY_LEN(links); i++)
        assert_int_equal(symlink(links[i][0], at(links[i][1])), 0);
    assert_int_equal(mkfifo(at("root/fifo"), 0600), 0);
    top = beneath_root(at("root"));
    return top < 0;
}

static int tear_down(void **state)
{
    close(top);
    return file_remove_tree(home);
}

static void a_path_leads_to_the_same_file_whoever_resolves_it(void **state)
{
    static const struct {
        const char *path;
        int no_links, inside, in_root; /* 1: "inside"; 2: the file that only looks outside */
    } rows[] = {
        {"a/b/file", 1, 1, 1},
        {"./a/./b//file", 1, 1, 1},
        {"a/../a/b/file", 1, 1, 1},
        {"link", -ELOOP, 1, 1},
        {"folder/file", -ELOOP, 1, 1},
        {"a/winding", -ELOOP, -ENOENT, -ENOENT},
        {"absolute", -ELOOP, -EXDEV, 1},
        {"out", -ELOOP, -EXDEV, 2},
        {"far", -ELOOP, -EXDEV, 2},
        {"a/up/outside/x", -ELOOP, -EXDEV, 2},
        {"../root/a/b/file", -EXDEV, -EXDEV, -ENOENT},
        {"../outside/x", -EXDEV, -EXDEV, 2},
        {"/a/b/file", -EXDEV, -EXDEV, 1},
        {"/absolute", -EXDEV, -EXDEV, 1},
        {"loop", -ELOOP, -ELOOP, -ELOOP},
        {"dangling", -ELOOP, -ENOENT, -ENOENT},
        {"nothing", -ENOENT, -ENOENT, -ENOENT},
        {"a/b/file/", -ENOTDIR, -ENOTDIR, -ENOTDIR},
        {"a/b/file/more", -ENOTDIR, -ENOTDIR, -ENOTDIR},
        {"", -ENOENT, -ENOENT, -ENOENT},
        {"a", -EINVAL, -EINVAL, -EINVAL},
        {"a/..", -EINVAL, -EINVAL, -EINVAL},
        {"folder/", -ELOOP, -EINVAL, -EINVAL},
        {"fifo", -EINVAL, -EINVAL, -EINVAL},
    };

    EACH_ROW_OF(i, ARRAY_LEN(rows) * 3, "rows times 3", rows[i / 3].path) {
        BeneathLinks links = (BeneathLinks)(i % 3);
        int expected = i % 3 == BENEATH_NO_LINKS ? rows[i / 3].no_links
                       : i % 3 == BENEATH_INSIDE ? rows[i / 3].inside
                                                 : rows[i / 3].in_root;
        _free_ char *text = NULL;
        int r = beneath_read(top, rows[i / 3].path, links, 100, &text, NULL);

        if (r == 0)
            r = strcmp(text, "inside") == 0 ? 1 : strcmp(text, "not the one outside") == 0 ? 2 : 3;
        if (r != expected)
            fail_msg("%s with %d: %d instead of %d", rows[i / 3].path, links, r, expected);
    }
}

static void a_file_is_created_inside_only(void **state)
{
    static const struct {
        const char *path;
        BeneathLinks links;
        int flags, result; /* 0: made */
        const char *made;
    } rows[] = {
        {"new", BENEATH_NO_LINKS, O_CREAT | O_EXCL, 0, "root/new"},
        {"new", BENEATH_NO_LINKS, O_CREAT | O_EXCL, -EEXIST, NULL},
        {"new", BENEATH_NO_LINKS, O_CREAT | O_TRUNC, 0, "root/new"},
        {"dangling", BENEATH_NO_LINKS, O_CREAT, -ELOOP, NULL},
        {"dangling", BENEATH_INSIDE, O_CREAT, 0, "root/nothing"},
        {"folder/new", BENEATH_INSIDE, O_CREAT, 0, "root/a/b/new"},
        {"out2", BENEATH_INSIDE, O_CREAT, -EXDEV, NULL},
        {"out2", BENEATH_IN_ROOT, O_CREAT, 0, "root/outside/new"},
        {"a", BENEATH_INSIDE, O_CREAT, -EISDIR, NULL},
    };

    assert_int_equal(symlink("../outside/new", at("root/out2")), 0);
    EACH_ROW(i, rows, rows[i].path) {
        int fd = beneath_open(top, rows[i].path, rows[i].links, rows[i].flags | O_WRONLY, 0640);

        if (MIN_OF(fd, 0) != rows[i].result)
            fail_msg("row %zu: %d", i, fd);
        if (fd >= 0)
            close(fd);
        assert_true(!rows[i].made || file_exists(at(rows[i].made)));
    }
    assert_false(file_exists(at("outside/new")));
}

static void a_link_itself_can_be_opened(void **state)
{
    _close_fd_ int fd = beneath_open(top, "out", BENEATH_NO_LINKS, O_PATH | O_NOFOLLOW, 0);
    struct stat st, outside;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_true(beneath_chmod(fd, 0666) < 0);
    assert_int_equal(stat(at("outside/x"), &outside), 0);
    assert_int_equal(outside.st_mode & 0777, 0644);
    assert_int_equal(beneath_open(top, "out", BENEATH_NO_LINKS, O_RDONLY | O_NOFOLLOW, 0), -ELOOP);
}

static void folders_are_made_below_the_root_with_their_mode(void **state)
{
    static const struct {
        const char *path;
        BeneathLinks links;
        int result;
        const char *made;
    } rows[] = {
        {"n/e/w", BENEATH_NO_LINKS, 0, "root/n/e/w"},
        {"folder/x/y", BENEATH_INSIDE, 0, "root/a/b/x/y"},
        {"folder/x/y", BENEATH_NO_LINKS, -ELOOP, NULL},
        {"a/up/outside/n", BENEATH_INSIDE, -EXDEV, NULL},
        {"a/up/outside/n", BENEATH_IN_ROOT, 0, "root/outside/n"},
        {"/m/n", BENEATH_IN_ROOT, 0, "root/m/n"},
        {"a/b/file/n", BENEATH_INSIDE, -ENOTDIR, NULL},
    };
    mode_t mask = umask(077);

    EACH_ROW(i, rows, rows[i].path) {
        int fd = beneath_make_folders(top, rows[i].path, rows[i].links, 0751);
        struct stat here, there;

        if (MIN_OF(fd, 0) != rows[i].result)
            fail_msg("row %zu: %d", i, fd);
        if (fd < 0)
            continue;
        assert_int_equal(fstat(fd, &here), 0);
        assert_int_equal(stat(at(rows[i].made), &there), 0);
        assert_int_equal(here.st_ino, there.st_ino);
        assert_int_equal(here.st_mode & 07777, 0751);
        close(fd);
    }
    umask(mask);
    assert_false(file_exists(at("outside/n")));
}

static int count(void *data, int fd _unused_, const struct statx *st)
{
    unsigned *counts = data;

    counts[S_ISDIR(st->stx_mode) ? 0 : S_ISLNK(st->stx_mode) ? 1 : 2]++;
    return 0;
}

/* More levels than descriptors, with files after the folder in each. */
static void a_walk_sees_everything_however_deep(void **state)
{
    enum { DEEP = 150 };
    struct rlimit limit, few = {100, 100};
    unsigned counts[3] = {0};
    _close_fd_ int root = -1;
    int fd;

    assert_int_equal(mkdir(at("deep"), 0755), 0);
    root = beneath_root(at("deep"));
    fd = dup(root);
    for (int i = 0; i < DEEP; i++) {
        int next;

        assert_int_equal(mkdirat(fd, "d", 0755), 0);
        assert_int_equal(mknodat(fd, "a", S_IFREG | 0644, 0), 0);
        assert_int_equal(mknodat(fd, "z", S_IFREG | 0644, 0), 0);
        assert_int_equal(symlinkat("/", fd, "l"), 0);
        next = openat(fd, "d", O_PATH | O_DIRECTORY | O_NOFOLLOW);
        close(fd);
        fd = next;
    }
    close(fd);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    few.rlim_max = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    assert_int_equal(beneath_walk(root, count, counts), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(counts[0], DEEP + 1);
    assert_int_equal(counts[1], DEEP);
    assert_int_equal(counts[2], 2 * DEEP);
    assert_int_equal(file_remove_tree(at("deep")), 0);
}

/* Renames everywhere on the machine make the kernel refuse ".." with EAGAIN now and then. */
static void renames_elsewhere_do_not_disturb(void **state)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
            (void)rename(at("outside/x"), at("outside/y"));
            (void)rename(at("outside/y"), at("outside/x"));
        }
    }
    assert_true(child > 0);
    for (int i = 0; i < 200; i++) {
        _free_ char *text = NULL;

        assert_int_equal(beneath_read(top, "a/b/../b/../../link", BENEATH_INSIDE, 100, &text, NULL),
                         0);
    }
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    (void)rename(at("outside/y"), at("outside/x"));
}

static int run_all(const char *name)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_path_leads_to_the_same_file_whoever_resolves_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_file_is_created_inside_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_link_itself_can_be_opened, set_up, tear_down),
        cmocka_unit_test_setup_teardown(folders_are_made_below_the_root_with_their_mode, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_walk_sees_everything_however_deep, set_up, tear_down),
        cmocka_unit_test_setup_teardown(renames_elsewhere_do_not_disturb, set_up, tear_down),
    };

    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

static int run_without_openat2(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {ARRAY_LEN(filter), filter};
    pid_t child = fork();
    int status;

    if (child == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ||
            syscall(SYS_openat2, 0, "", NULL, 0) >= 0 || errno != ENOSYS)
            _exit(2);
        _exit(run_all("without openat2") ? 1 : 0);
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status)
               ? WEXITSTATUS(status)
               : -1;
}

int main(void)
{
    return run_without_openat2() + run_all("with openat2");
}
