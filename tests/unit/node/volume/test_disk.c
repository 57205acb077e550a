/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes with a size, on real loop devices in a mount namespace of this process's own; skipped
 * without root or loop devices. Each case has a folder under /tmp; at its end no loop device may be
 * left whose file was in it.
 */
#include "testing.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "base/fault.h"
#include "base/files/file.h"
#include "node/volume/disk.h"
#include "node/volume/disk_image.h"
#include "node/volume/disk_room.h"
#include "node/volume/disk_template.h"
#include "node/volume/loop.h"
#include "node/volume/mounts.h"
#include "node/volume/quota.h"
#include "node/volume/volume.h"

#define MIB ((int64_t)1024 * 1024)
#define NAME "pvc-1"

typedef struct Case {
    char dir[64];
    bool reserved; /* the kind of its volumes */
} Case;

static const DiskRoom *room_of(const Case *c)
{
    static const DiskRoom thin = {0}, reserved = {.reserved = true};

    return c->reserved ? &reserved : &thin;
}

/* ---- shapes: arithmetic, for everyone ---- */

static void shape_has_room_for_what_is_asked(void **state)
{
    static const int64_t sizes[] = {1,        4096,        100000,           MIB,
                                    64 * MIB, 256000000,   1024 * MIB,       5000 * MIB,
                                    1 << 30,  20480 * MIB, (int64_t)1 << 40, 16 * MIB - 1,
                                    16 * MIB};

    (void)state;
    EACH_ROW(i, sizes, NULL) {
        ImageShape shape = volume_image_shape(sizes[i], NULL);

        assert_true(shape.bytes > sizes[i]);
        assert_int_equal(shape.bytes % 4096, 0);
        /* never more than an eighth and 8 MiB on top */
        assert_true(shape.bytes < sizes[i] + sizes[i] / 8 + 8 * MIB);
    }
}

static void shape_grows_with_the_size_and_keeps_what_cannot_change(void **state)
{
    ImageShape older = volume_image_shape(MIB, NULL), newer = volume_image_shape(MIB * 100, &older);

    (void)state;
    assert_int_equal(newer.block, older.block);
    assert_int_equal(newer.bytes_per_inode, older.bytes_per_inode);
    assert_true(newer.bytes > MIB * 100);
    for (int64_t size = 1, last = 0; size < 100 * MIB; size += MIB / 3) {
        int64_t bytes = volume_image_shape(size, &older).bytes;

        assert_true(bytes >= last);
        last = bytes;
    }
}

/* ---- the real thing ---- */

static char *path_of(const Case *c, const char *rest)
{
    return mem_printf("%s/volumes/" NAME "/%s", c->dir, rest);
}

static int setup(void **state)
{
    Case *c = mem_new_type(Case);

    *state = c;
    snprintf(c->dir, sizeof(c->dir), "/tmp/stead-test-volume-XXXXXX");
    return mkdtemp(c->dir) ? 0 : -1;
}

static int setup_reserved(void **state)
{
    int r = setup(state);

    ((Case *)*state)->reserved = true;
    return r;
}

static int loops_below(const char *dir)
{
    DIR *all = opendir("/sys/block");
    int n = 0;

    for (struct dirent *entry; all && (entry = readdir(all));) {
        _free_ char *path = mem_printf("/sys/block/%s/loop/backing_file", entry->d_name);
        _free_ char *file = NULL;
        size_t length;

        n += file_read(path, 4096, &file, &length) == 0 && str_starts_with(file, dir);
    }
    if (all)
        closedir(all);
    return n;
}

static int teardown(void **state)
{
    Case *c = *state;
    int left;

    fault_arm("", 0);
    (void)volume_disk_detach_all(c->dir, NULL);
    left = loops_below(c->dir);
    (void)mounts_below_remove(c->dir, NULL);
    (void)file_remove_tree(c->dir);
    free(c);
    return left ? -1 : 0;
}

static void need_loops(void)
{
    static bool own;

    if (geteuid() != 0 || !loop_available())
        skip();
    if (!own &&
        (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
        skip();
    own = true;
}

/* What the node does when the disk has room for all volumes. */
static void lift_limit(const Case *c)
{
    _free_ char *folder = path_of(c, "");
    DiskUse use;

    if (volume_room_read(folder, &use) == 0)
        volume_room_limit(&use, INT64_MAX);
}

static void make(const Case *c, int64_t size, int expected)
{
    _free_ char *path = NULL, *wanted = path_of(c, "data");
    Err err = ERR_INIT;
    int r = volume_disk_make(c->dir, NAME, size, room_of(c), &path, &err);

    if (r != expected)
        print_error("make: %d: %s\n", r, err.message);
    assert_int_equal(r, expected);
    assert_string_equal(path, wanted);
    lift_limit(c);
}

static int64_t room(const Case *c, int64_t *total)
{
    _free_ char *data = path_of(c, "data");
    struct statvfs fs;

    assert_int_equal(statvfs(data, &fs), 0);
    if (total)
        *total = (int64_t)fs.f_blocks * (int64_t)fs.f_frsize;
    return (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
}

static void put(const Case *c, const char *name, const char *text)
{
    _free_ char *data = path_of(c, "data"), *path = mem_printf("%s/%s", data, name);

    assert_int_equal(file_write_atomic(path, text, strlen(text), 0644), 0);
}

static bool holds(const Case *c, const char *name, const char *text)
{
    _free_ char *data = path_of(c, "data"), *path = mem_printf("%s/%s", data, name), *found = NULL;
    size_t n;

    return file_read(path, 4096, &found, &n) == 0 && str_equal(found, text);
}

static void volume_has_the_size_asked_for_and_not_much_more(void **state)
{
    static const int64_t sizes[] = {1, 100000, 5 * MIB, 17 * MIB, 64 * MIB, 256000000};
    Case *c = *state;

    need_loops();
    EACH_ROW(i, sizes, NULL) {
        int64_t total;

        make(c, sizes[i], 0);
        assert_true(room(c, &total) >= sizes[i]);
        assert_true(total >= sizes[i]);
        /* the smallest file system with a journal has more than 1 MiB */
        assert_true(total < MAX_OF(sizes[i] + sizes[i] / 50 + 128 * 1024, 1300 * 1024));
        assert_int_equal(volume_disk_remove(c->dir, NAME, NULL), 0);
        assert_int_equal(loops_below(c->dir), 0);
    }
}

static void new_volume_is_empty_and_open_to_all(void **state)
{
    Case *c = *state;
    _free_ char *data = path_of(c, "data");
    struct stat st;

    need_loops();
    make(c, MIB, 0);
    assert_int_equal(rmdir(data), -1); /* a mount point */
    assert_int_equal(stat(data, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0777);
    assert_int_equal(st.st_nlink, 2); /* no folder in it, not even lost+found */
}

static void full_volume_says_so(void **state)
{
    Case *c = *state;
    _free_ char *data = path_of(c, "data"), *path = mem_printf("%s/big", data);
    static char block[65536];
    _close_fd_ int fd = -1;
    int64_t written = 0;
    ssize_t n;

    need_loops();
    make(c, 3 * MIB, 0);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    while ((n = write(fd, block, sizeof(block))) > 0)
        written += n;
    assert_int_equal(errno, ENOSPC);
    assert_true(written >= 3 * MIB);
    assert_int_equal(fsync(fd), 0);
    close_fdp(&fd);
    fd = -1;
    assert_int_equal(unlink(path), 0);
    put(c, "small", "fits again");
}

static void volume_outlives_release_and_reboot(void **state)
{
    Case *c = *state;
    _free_ char *data = path_of(c, "data");

    need_loops();
    make(c, MIB, 0);
    put(c, "visits", "7");
    assert_int_equal(chmod(data, 0750), 0);
    assert_int_equal(volume_disk_release(c->dir, NAME, volume_disk_uses(NAME), NULL), 0);
    assert_int_equal(loops_below(c->dir), 0);
    assert_false(holds(c, "visits", "7"));
    for (int i = 0; i < 2; i++) { /* twice: the second finds it mounted */
        struct stat st;

        make(c, MIB, 0);
        assert_true(holds(c, "visits", "7"));
        assert_int_equal(stat(data, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0750); /* its user's by now */
    }
}

static void release_leaves_what_was_made_again(void **state)
{
    Case *c = *state;
    unsigned uses;

    need_loops();
    make(c, MIB, 0);
    uses = volume_disk_uses(NAME);
    make(c, MIB, 0);
    assert_int_equal(volume_disk_release(c->dir, NAME, uses, NULL), 0);
    assert_int_equal(loops_below(c->dir), 1);
}

static void volume_grows(void **state)
{
    Case *c = *state;
    bool mounted = volume_image_grows_mounted();

    need_loops();
    make(c, MIB, 0);
    put(c, "visits", "7");
    assert_int_equal(volume_disk_reserve(c->dir, NAME, 40 * MIB, room_of(c), NULL), 0);
    assert_int_equal(volume_disk_grow(c->dir, NAME, 40 * MIB, 0, NULL), mounted ? 0 : DISK_E_LATER);
    if (!mounted) {
        assert_int_equal(volume_disk_release(c->dir, NAME, volume_disk_uses(NAME), NULL), 0);
        assert_int_equal(volume_disk_grow(c->dir, NAME, 40 * MIB, 0, NULL), 0);
    }
    make(c, 40 * MIB, 0);
    assert_true(room(c, NULL) >= 40 * MIB);
    assert_true(holds(c, "visits", "7"));
    assert_int_equal(volume_disk_release(c->dir, NAME, volume_disk_uses(NAME), NULL), 0);
    make(c, 90 * MIB, 0); /* also when it is mounted next */
    assert_true(room(c, NULL) >= 90 * MIB);
    make(c, 2 * MIB, 0); /* never smaller */
    assert_true(room(c, NULL) >= 90 * MIB);
}

/* Somebody else's descriptor of the device outlives the mount, as one of a program that looks at all
 * devices does for a moment. */
static void unmounted_volume_whose_device_is_in_use_grows_later(void **state)
{
    Case *c = *state;
    _free_ char *image = path_of(c, "image");
    LoopDevice held = LOOP_DEVICE_INIT;

    need_loops();
    make(c, MIB, 0);
    assert_int_equal(loop_find(image, &held), 0);
    assert_int_equal(volume_disk_release(c->dir, NAME, volume_disk_uses(NAME), NULL), 0);
    assert_int_equal(volume_disk_reserve(c->dir, NAME, 40 * MIB, room_of(c), NULL), 0);
    if (!volume_image_grows_mounted())
        assert_int_equal(volume_disk_grow(c->dir, NAME, 40 * MIB, 0, NULL), DISK_E_BUSY);
    loop_close(&held);
    assert_int_equal(volume_disk_grow(c->dir, NAME, 40 * MIB, 0, NULL), 0);
    make(c, 40 * MIB, 0);
    assert_true(room(c, NULL) >= 40 * MIB);
}

/* A device that is opened, if only to look at it, is not detached when its volume is unmounted. Another
 * process of the machine may open it meanwhile, so one search of many has to leave it alone. */
static void looking_for_a_device_opens_no_other(void **state)
{
    Case *c = *state;
    _free_ char *image = path_of(c, "image"), *other = path_of(c, "size");
    LoopDevice device = LOOP_DEVICE_INIT, none = LOOP_DEVICE_INIT;
    _close_fd_ int opened = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    char events[4096];
    bool quiet = false;

    need_loops();
    make(c, MIB, 0);
    assert_int_equal(loop_find(image, &device), 0);
    assert_true(inotify_add_watch(opened, device.path, IN_OPEN) >= 0);
    for (int i = 0; i < 20 && !quiet; i++) {
        while (read(opened, events, sizeof(events)) > 0)
            ;
        assert_int_equal(loop_find(other, &none), LOOP_E_NONE);
        quiet = read(opened, events, sizeof(events)) < 0;
    }
    loop_close(&device);
    assert_true(quiet);
}

static void machine_without_room_refuses(void **state)
{
    Case *c = *state;
    Err err = ERR_INIT;

    need_loops();
    assert_int_equal(volume_disk_reserve(c->dir, NAME, (int64_t)8 << 40, room_of(c), &err),
                     -ENOSPC);
    assert_non_null(strstr(err.message, "no room"));
    err = ERR_INIT;
    assert_int_equal(volume_disk_reserve(c->dir, NAME, MIB, room_of(c), &err), 0);
    make(c, MIB, 0);
    assert_int_equal(volume_disk_reserve(c->dir, NAME, (int64_t)8 << 40, room_of(c), &err),
                     -ENOSPC);
    assert_true(room(c, NULL) >= MIB);
}

static bool known_none(void *data, const char *name)
{
    (void)data;
    (void)name;
    return false;
}

static void kept_volume_stays_and_unseen_one_is_swept(void **state)
{
    Case *c = *state;
    _free_ char *folder = path_of(c, "");

    need_loops();
    assert_int_equal(volume_disk_reserve(c->dir, NAME, MIB, room_of(c), NULL), 0);
    volume_disk_sweep(c->dir, known_none, NULL);
    assert_false(file_exists(folder));
    make(c, MIB, 0);
    put(c, "visits", "7");
    assert_int_equal(volume_disk_keep(c->dir, NAME, NULL), 0);
    assert_int_equal(loops_below(c->dir), 0);
    volume_disk_sweep(c->dir, known_none, NULL);
    make(c, MIB, 0);
    assert_true(holds(c, "visits", "7"));
}

/* ---- faults: the 1st, 2nd, 3rd... step fails, or is the last ---- */

static int life(const Case *c, int64_t size)
{
    _free_ char *path = NULL;
    int r = volume_disk_reserve(c->dir, NAME, size, room_of(c), NULL);

    if (r >= 0)
        r = volume_disk_make(c->dir, NAME, size, room_of(c), &path, NULL);
    if (r >= 0)
        r = volume_disk_grow(c->dir, NAME, size * 2, 0, NULL);
    if (r >= 0)
        r = volume_disk_release(c->dir, NAME, volume_disk_uses(NAME), NULL);
    if (r >= 0)
        r = volume_disk_grow(c->dir, NAME, size * 2, 0, NULL);
    if (r >= 0)
        r = volume_disk_remove(c->dir, NAME, NULL);
    return r;
}

static void check_after_fault(Case *c)
{
    fault_arm("", 0);
    make(c, MIB, 0);
    assert_true(room(c, NULL) >= MIB);
    put(c, "visits", "7");
    assert_true(holds(c, "visits", "7"));
    assert_int_equal(loops_below(c->dir), 1);
    assert_int_equal(volume_disk_remove(c->dir, NAME, NULL), 0);
    assert_int_equal(loops_below(c->dir), 0);
}

static void any_step_may_fail_and_be_repeated(void **state)
{
    Case *c = *state;

    need_loops();
    for (int again = 0; again < 2; again++) {
        for (uint64_t n = 1;; n++) {
            int r;

            if (!again) /* with mke2fs; the second time from what it wrote */
                volume_template_forget();
            fault_arm("node.volume.", n);
            r = life(c, MIB);
            if (fault_count() < n) {
                assert_int_equal(r, 0);
                assert_true(n > 5 || n == 1); /* 1: built without fault points */
                break;
            }
            check_after_fault(c);
        }
    }
}

static void check_last_steps(Case *c, bool again)
{
    for (uint64_t n = 1;; n++) {
        pid_t pid;
        int status;

        if (!again)
            volume_template_forget();
        pid = fork();

        if (pid == 0) {
            char text[64];

            snprintf(text, sizeof(text), "node.volume.:%" PRIu64 ":kill", n);
            setenv("STEAD_FAULT", text, 1);
            fault_arm_from_environment();
            _exit(life(c, MIB) < 0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status)) {
            assert_int_equal(WEXITSTATUS(status), 0);
            break;
        }
        assert_int_equal(WTERMSIG(status), SIGKILL);
        if (n % 2) { /* every other time everything is taken away instead */
            assert_int_equal(volume_disk_detach_all(c->dir, NULL), 0);
            assert_int_equal(loops_below(c->dir), 0);
        }
        check_after_fault(c);
    }
}

static void any_step_may_be_the_last_of_a_process(void **state)
{
    need_loops();
    check_last_steps(*state, false);
    check_last_steps(*state, true);
}

/* ---- a size that was seen before ---- */

static int run(const char *program, const char *option, const char *file)
{
    const char *argv[] = {program, option, file, NULL};
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);

        dup2(null, 1);
        dup2(null, 2);

        execvp(argv[0], (char **)(uintptr_t)argv);
        _exit(127);
    }
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void check_second_image(Case *c, int64_t size)
{
    ImageShape shape = volume_image_shape(size, NULL);
    _free_ char *first = mem_printf("%s/first", c->dir), *second = mem_printf("%s/second", c->dir);
    _free_ char *one = mem_printf("%s/image", first), *two = mem_printf("%s/image", second);
    uint8_t ids[2][16];
    int fd;

    assert_int_equal(file_mkdir_all(first, 0700), 0);
    assert_int_equal(file_mkdir_all(second, 0700), 0);
    assert_int_equal(volume_image_make(first, size, room_of(c), -1, NULL), 0);
    assert_int_equal(volume_image_make(second, size, room_of(c), -1, NULL), 0);
    assert_int_equal(run("e2fsck", "-fn", two), 0);
    for (int i = 0; i < 2; i++) {
        fd = open(i ? two : one, O_RDWR | O_CLOEXEC);
        assert_int_equal(pread(fd, ids[i], 16, 1024 + 0x68), 16);
        if (i) { /* the same again, into a file that is there */
            assert_int_equal(ftruncate(fd, 0), 0);
            assert_int_equal(ftruncate(fd, shape.bytes), 0);
            assert_int_equal(volume_template_write(fd, &shape), 0);
            assert_int_equal(run("e2fsck", "-fn", two), 0);
        }
        close(fd);
    }
    assert_memory_not_equal(ids[0], ids[1], 16);
    assert_int_equal(file_remove_tree(first), 0);
    assert_int_equal(file_remove_tree(second), 0);
}

static void second_image_of_a_size_is_whole_and_has_its_own_id(void **state)
{
    Case *c = *state;

    need_loops();
    check_second_image(c, MIB);
    check_second_image(c, 10 * MIB);
    check_second_image(c, 64 * MIB);
    check_second_image(c, 300 * MIB); /* with backups of the superblock */
}

/* ---- project quota: on a file system that has it, mounted for the purpose ---- */

static bool mount_with_quota(const Case *c, const char *make_fs)
{
    _free_ char *command = mem_printf("truncate -s 320M %s/fs && %s %s/fs 2>/dev/null && "
                                      "mkdir %s/d && mount -o loop,prjquota %s/fs %s/d",
                                      c->dir, make_fs, c->dir, c->dir, c->dir, c->dir);
    const char *argv[] = {"sh", "-c", command, NULL};
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        execvp(argv[0], (char **)(uintptr_t)argv);
        _exit(1);
    }
    return waitpid(pid, &status, 0) == pid && status == 0;
}

/* Writes until it is refused, as somebody without CAP_SYS_RESOURCE, which stands above quotas. */
static int64_t fill(const char *path)
{
    static char block[65536];
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600), failed;
    int64_t written = 0;
    ssize_t n;

    assert_int_equal(seteuid(65534), 0);
    while ((n = write(fd, block, sizeof(block))) > 0)
        written += n;
    failed = errno;
    assert_int_equal(seteuid(0), 0);
    close(fd);
    assert_true(failed == EDQUOT || failed == ENOSPC);
    return written;
}

static void check_quota(Case *c, const char *make_fs)
{
    _free_ char *data = NULL, *image = NULL, *path = NULL;
    Case inner = {0};
    Err error = ERR_INIT;
    int64_t total, written;

    need_loops();
    if (!mount_with_quota(c, make_fs))
        skip();
    snprintf(inner.dir, sizeof(inner.dir), "%.60s/d", c->dir);
    make(&inner, MIB, 0);
    image = path_of(&inner, "image");
    assert_false(file_exists(image));
    assert_true(room(&inner, &total) >= MIB);
    assert_true(total < MIB + 8192);
    data = path_of(&inner, "data");
    path = mem_printf("%s/big", data);
    written = fill(path);
    assert_true(written >= MIB && written < MIB + 65536);
    make(&inner, 4 * MIB, 0); /* grows at once */
    assert_true(room(&inner, NULL) >= 3 * MIB - 65536);
    assert_int_equal(volume_disk_reserve(inner.dir, NAME, 100 * MIB, room_of(&inner), &error), 0);
    assert_int_equal(volume_disk_reserve(inner.dir, NAME, 400 * MIB, room_of(&inner), &error),
                     -ENOSPC);
    assert_int_equal(volume_disk_remove(inner.dir, NAME, NULL), 0);
    assert_int_equal(umount2(inner.dir, 0), 0);
}

static void project_quota_is_taken_on_ext4(void **state)
{
    check_quota(*state, "mke2fs -q -F -t ext4 -O project,quota -E quotatype=prjquota");
}

static void project_quota_is_taken_on_xfs(void **state)
{
    check_quota(*state, "mkfs.xfs -q");
}

#define REAL(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define RESERVED(test)                                          \
    {                                                           \
        "reserved_" #test, test, setup_reserved, teardown, NULL \
    }
#define BOTH(test) REAL(test), RESERVED(test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shape_has_room_for_what_is_asked),
        cmocka_unit_test(shape_grows_with_the_size_and_keeps_what_cannot_change),
        BOTH(volume_has_the_size_asked_for_and_not_much_more),
        REAL(new_volume_is_empty_and_open_to_all),
        BOTH(full_volume_says_so),
        REAL(volume_outlives_release_and_reboot),
        REAL(release_leaves_what_was_made_again),
        BOTH(volume_grows),
        REAL(unmounted_volume_whose_device_is_in_use_grows_later),
        REAL(looking_for_a_device_opens_no_other),
        BOTH(machine_without_room_refuses),
        REAL(kept_volume_stays_and_unseen_one_is_swept),
        REAL(any_step_may_fail_and_be_repeated),
        REAL(any_step_may_be_the_last_of_a_process),
        REAL(second_image_of_a_size_is_whole_and_has_its_own_id),
        REAL(project_quota_is_taken_on_ext4),
        REAL(project_quota_is_taken_on_xfs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
