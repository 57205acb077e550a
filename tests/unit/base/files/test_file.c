/* SPDX-License-Identifier: Apache-2.0 */
/* Files in a folder of their own; mounts in a mount namespace of their own. */
#include "testing.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fault.h"
#include "base/files/file.h"

static char home[64];

static char *at(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", home, name);
    return path;
}

static int set_up(void **state)
{
    snprintf(home, sizeof(home), "%s/stead-file-XXXXXX", str_or(getenv("TMPDIR"), "/tmp"));
    return mkdtemp(home) ? 0 : -1;
}

static int tear_down(void **state)
{
    fault_arm("", 0);
    return file_remove_tree(home);
}

static unsigned count_entries(const char *folder)
{
    DIR *dir = opendir(folder);
    unsigned n = 0;

    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

static void assert_holds(const char *path, const char *text)
{
    _free_ char *got = NULL;
    size_t n;

    assert_int_equal(file_read(path, 1 << 20, &got, &n), 0);
    assert_int_equal(n, strlen(text));
    assert_string_equal(got, text);
}

static void a_file_is_read_whole_or_refused(void **state)
{
    _free_ char *big = mem_new(20001), *got = NULL;
    size_t n;

    memset(big, 'x', 20000);
    assert_int_equal(file_replace(at("f"), big, 20000, 0600), 0);
    assert_int_equal(file_read(at("f"), 20000, &got, &n), 0);
    assert_int_equal(n, 20000);
    assert_string_equal(got, big);
    freep(&got);
    assert_int_equal(file_read(at("f"), 19999, &got, &n), -EFBIG);
    assert_int_equal(file_read(at("none"), 10, &got, &n), -ENOENT);
    assert_int_equal(file_read(home, 10, &got, &n), -EISDIR);
    assert_null(got);
    assert_int_equal(file_replace(at("empty"), "", 0, 0600), 0);
    assert_holds(at("empty"), "");
    assert_true(file_exists(at("empty")) && !file_exists(at("none")));
}

static void a_write_that_fails_leaves_the_old_file_and_nothing_beside(void **state)
{
    struct stat st;

    assert_int_equal(file_write_atomic(at("f"), "old", 3, 0640), 0);
    assert_int_equal(stat(at("f"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
#ifdef FAULT_POINTS
    for (uint64_t n = 1;; n++) {
        int r;

        fault_arm("file.", n);
        r = file_write_atomic(at("f"), "new", 3, 0644);
        fault_arm("", 0);
        if (r == 0) {
            assert_in_range(n, 4, 9); /* each step was tried */
            break;
        }
        assert_int_equal(r, -EIO);
        assert_holds(at("f"), "old");
        assert_int_equal(count_entries(home), 1);
    }
    assert_holds(at("f"), "new");
#endif
    assert_int_equal(file_write_atomic(at("no/f"), "x", 1, 0644), -ENOENT);
    assert_int_equal(mkdir(at("folder"), 0755), 0);
    assert_int_equal(file_write_atomic(at("folder"), "x", 1, 0644), -EISDIR);
    assert_int_equal(count_entries(home), 2);
}

static void a_reader_never_sees_half_a_file(void **state)
{
    enum { N = 100000 };
    _free_ char *text = mem_new(N + 1);
    pid_t writer;
    int status;

    memset(text, 'a', N);
    assert_int_equal(file_replace(at("f"), text, N, 0644), 0);
    writer = fork();
    if (writer == 0) {
        for (int i = 1; i < 300; i++) {
            memset(text, 'a' + i % 26, N);
            if (file_replace(at("f"), text, N, 0644))
                _exit(1);
        }
        _exit(0);
    }
    while (waitpid(writer, &status, WNOHANG) == 0) {
        _free_ char *got = NULL;
        size_t n;

        assert_int_equal(file_read(at("f"), N, &got, &n), 0);
        assert_int_equal(n, N);
        assert_int_equal(strspn(got, (char[]){got[0], 0}), N);
    }
    assert_int_equal(status, 0);
}

static void folders_are_made_all_the_way(void **state)
{
    struct stat st;

    assert_int_equal(file_mkdir_all(at("a/b//c"), 0750), 0);
    assert_int_equal(file_mkdir_all(at("a/b/c/"), 0750), 0);
    assert_int_equal(stat(at("a/b/c"), &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(file_mkdir_for(at("a/x/file"), 0755), 0);
    assert_true(file_exists(at("a/x")) && !file_exists(at("a/x/file")));
    assert_int_equal(file_mkdir_for("name", 0755), 0);
    assert_int_equal(file_replace(at("a/file"), "", 0, 0600), 0);
    assert_int_equal(file_mkdir_all(at("a/file"), 0755), -ENOTDIR);
    assert_int_equal(file_mkdir_all(at("a/file/b"), 0755), -ENOTDIR);
    assert_int_equal(file_mkdir_all("", 0755), -ENOENT);
    assert_int_equal(file_mkdir_all("/", 0755), 0);
}

static void a_tree_goes_with_all_that_is_below(void **state)
{
    assert_int_equal(file_mkdir_all(at("t/a/b"), 0755), 0);
    assert_int_equal(file_replace(at("keep"), "k", 1, 0600), 0);
    assert_int_equal(symlink(at("keep"), at("t/link")), 0);
    assert_int_equal(symlink(home, at("t/a/folder")), 0);
    assert_int_equal(mkfifo(at("t/a/b/fifo"), 0600), 0);
    for (int i = 0; i < 300; i++) {
        char name[32];

        snprintf(name, sizeof(name), "t/a/file-%d", i);
        assert_int_equal(file_replace(at(name), "x", 1, 0000), 0);
    }
    assert_int_equal(file_remove_tree(at("t")), 0);
    assert_int_equal(count_entries(home), 1);
    assert_holds(at("keep"), "k");
    assert_int_equal(file_remove_tree(at("t")), 0);
    assert_int_equal(symlink(at("keep"), at("link")), 0);
    assert_int_equal(file_remove_tree(at("link")), 0);
    assert_true(file_exists(at("keep")));
    assert_int_equal(file_remove_tree(at("keep")), 0);
    assert_int_equal(count_entries(home), 0);
}

/* Whoever owns a volume can nest deeper than there are descriptors. */
static void a_tree_deeper_than_descriptors_reach_goes_too(void **state)
{
    int fd = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (int i = 0; i < 3000; i++) {
        int next;

        assert_int_equal(mkdirat(fd, "d", 0755), 0);
        assert_int_equal(symlinkat("nowhere", fd, "link"), 0);
        next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        close(fd);
        fd = next;
    }
    close(fd);
    assert_int_equal(file_remove_tree(at("d")), 0);
    assert_false(file_exists(at("d")));
}

/* Exit status of a child with mounts of its own: 0 good, 77 not allowed to mount. */
static int within_mounts(const char *type, unsigned long flags)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount(flags & MS_BIND ? at("user") : type, at("t/below"), type, flags, NULL) < 0)
        return 77;
    if (file_replace(at("t/below/precious"), "p", 1, 0600))
        return 2;
    if (file_remove_tree(at("t")) != -EXDEV || !file_exists(at("t/below/precious")))
        return 3;
    if (file_remove_tree(at("t/below")) != -EXDEV || !file_exists(at("t/below/precious")))
        return 4;
    if (umount(at("t/below")) < 0 || file_remove_tree(at("t")) || file_exists(at("t")))
        return 5;
    return 0;
}

static void check_mount(const char *type, unsigned long flags)
{
    int status;
    pid_t child;

    assert_int_equal(file_mkdir_all(at("t/below"), 0755), 0);
    assert_int_equal(file_mkdir_all(at("user"), 0755), 0);
    child = fork();
    if (child == 0)
        _exit(within_mounts(type, flags));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_file_system_mounted_below_is_not_emptied(void **state)
{
    check_mount("tmpfs", 0);
}

static void a_folder_bound_below_is_not_emptied(void **state)
{
    check_mount(NULL, MS_BIND);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_read_whole_or_refused),
        TEST(a_write_that_fails_leaves_the_old_file_and_nothing_beside),
        TEST(a_reader_never_sees_half_a_file),
        TEST(folders_are_made_all_the_way),
        TEST(a_tree_goes_with_all_that_is_below),
        TEST(a_tree_deeper_than_descriptors_reach_goes_too),
        TEST(a_file_system_mounted_below_is_not_emptied),
        TEST(a_folder_bound_below_is_not_emptied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
