/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The division of a disk's room among thin volumes: as arithmetic, and on a small disk of its own
 * that ten writers fill to the last byte.
 */
#include "testing.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "base/files/file.h"
#include "node/volume/disk.h"
#include "node/volume/disk_room.h"
#include "node/volume/loop.h"
#include "node/volume/mounts.h"

#define MIB ((int64_t)1024 * 1024)
#define GIB (1024 * MIB)
#define VOLUMES 10
#define BLOCK 65536

/* ---- the plan ---- */

static RoomShare share(int64_t bytes, int64_t used, int64_t backed)
{
    return (RoomShare){
        .use = {
            .thin = true, .block = 4096, .bytes = bytes, .free = bytes - used, .backed = backed}};
}

static void volumes_that_fit_are_not_limited(void **state)
{
    RoomShare shares[] = {share(8 * GIB, GIB, GIB), share(2 * GIB, 0, 0), share(MIB, 0, 0)};

    (void)state;
    assert_int_equal(room_plan(shares, 3, 9 * GIB + MIB), 9 * GIB + MIB);
    EACH_ROW(i, shares, NULL)
        assert_true(shares[i].grant == INT64_MAX);
}

static void small_volumes_get_all_and_large_ones_share_the_rest(void **state)
{
    RoomShare shares[] = {share(8 * GIB, 0, 0), share(64 * MIB, 0, 0), share(20 * GIB, 0, 0)};

    (void)state;
    assert_int_equal(room_plan(shares, 3, GIB), GIB);
    assert_true(shares[1].grant == INT64_MAX);
    assert_int_equal(shares[0].grant, (GIB - 64 * MIB) / 2);
    assert_int_equal(shares[2].grant, (GIB - 64 * MIB) / 2);
}

static void growing_volume_gets_more_than_a_quiet_one(void **state)
{
    RoomShare shares[] = {share(8 * GIB, 0, 0), share(8 * GIB, 0, 0)};

    (void)state;
    shares[1].growing = true;
    room_plan(shares, 2, 900 * MIB);
    assert_int_equal(shares[0].grant, 100 * MIB);
    assert_int_equal(shares[1].grant, 800 * MIB);
}

static void what_is_used_but_not_written_counts(void **state)
{
    RoomShare shares[] = {share(8 * GIB, 500 * MIB, 100 * MIB), share(8 * GIB, 0, 0)};

    (void)state;
    assert_int_equal(room_plan(shares, 2, GIB), GIB - 400 * MIB);
    assert_int_equal(shares[0].grant + shares[1].grant, GIB - 400 * MIB);
}

static void volume_that_has_all_its_room_is_never_limited(void **state)
{
    RoomShare shares[] = {share(8 * GIB, 0, 8 * GIB), share(8 * GIB, 0, 0)};

    (void)state;
    assert_int_equal(room_plan(shares, 2, -5 * MIB), -5 * MIB);
    assert_true(shares[0].grant == INT64_MAX);
    assert_int_equal(shares[1].grant, 0);
}

static void grants_never_exceed_the_room(void **state)
{
    uint64_t seed = 1;

    (void)state;
    for (int round = 0; round < 2000; round++) {
        RoomShare shares[7];
        int64_t room, budget, sum = 0;

        for (size_t i = 0; i < ARRAY_LEN(shares); i++) {
            int64_t bytes, used;

            seed = seed * 6364136223846793005u + 1442695040888963407u;
            bytes = (int64_t)(seed >> 33) % 4096 * MIB + MIB;
            used = (int64_t)(seed >> 20) % bytes;
            shares[i] = share(bytes, used, (int64_t)(seed >> 13) % bytes);
            shares[i].growing = seed >> 40 & 1;
        }
        room = (int64_t)(seed >> 35) % 8192 * MIB;
        budget = room_plan(shares, ARRAY_LEN(shares), room);
        for (size_t i = 0; i < ARRAY_LEN(shares); i++) {
            const DiskUse *use = &shares[i].use;
            int64_t most = MIN_OF(use->free, use->bytes - use->backed);

            assert_true(shares[i].grant >= 0);
            sum += MIN_OF(shares[i].grant, MAX_OF(most, 0));
        }
        assert_true(sum <= MAX_OF(budget, 0));
    }
}

/* ---- a small disk ---- */

typedef struct Case {
    char dir[64], disk[80];
} Case;

static int run(const char *command)
{
    const char *argv[] = {"sh", "-c", command, NULL};
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        execvp(argv[0], (char **)(uintptr_t)argv);
        _exit(1);
    }
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int setup(void **state)
{
    static bool own;
    Case *c = mem_new_type(Case);
    _free_ char *command = NULL;

    *state = c;
    snprintf(c->dir, sizeof(c->dir), "/tmp/stead-test-room-XXXXXX");
    if (!mkdtemp(c->dir))
        return -1;
    snprintf(c->disk, sizeof(c->disk), "%s/disk", c->dir);
    if (geteuid() != 0 || !loop_available())
        return 0;
    if (!own &&
        (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
        return 0;
    own = true;
    command = mem_printf("mkdir %s && truncate -s 192M %s.img && mke2fs -q -F -t ext4 -m 0 %s.img "
                         "&& mount -o loop %s.img %s",
                         c->disk, c->disk, c->disk, c->disk, c->disk);
    return run(command) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
    Case *c = *state;

    (void)volume_disk_detach_all(c->disk, NULL);
    (void)umount2(c->disk, MNT_DETACH);
    loop_detach_below(c->dir);
    (void)file_remove_tree(c->dir);
    free(c);
    return 0;
}

static char *name_of(int i)
{
    return mem_printf("pvc-%d", i);
}

static char *folder_of(const Case *c, int i)
{
    return mem_printf("%s/volumes/pvc-%d", c->disk, i);
}

static int64_t free_room(const Case *c)
{
    struct statfs fs;

    assert_int_equal(statfs(c->disk, &fs), 0);
    return (int64_t)fs.f_bavail * fs.f_bsize;
}

static void make(const Case *c, int i, int64_t size)
{
    static const DiskRoom thin = {0};
    _free_ char *path = NULL, *name = name_of(i);
    Err err = ERR_INIT;

    assert_int_equal(volume_disk_make(c->disk, name, size, &thin, &path, &err), 0);
}

/* What the node does whenever it looks. Returns what is left for all. */
static int64_t divide(const Case *c, int n, int64_t keep)
{
    RoomShare shares[VOLUMES] = {0};
    int64_t left;

    for (int i = 0; i < n; i++) {
        _free_ char *folder = folder_of(c, i);

        assert_int_equal(volume_room_read(folder, &shares[i].use), 0);
        assert_true(shares[i].use.thin);
    }
    left = room_plan(shares, (size_t)n, free_room(c) - keep);
    for (int i = 0; i < n; i++)
        volume_room_limit(&shares[i].use, shares[i].grant);
    return left;
}

static void need_disk(const Case *c)
{
    if (!file_exists(c->disk))
        skip();
}

static void thin_volume_takes_what_it_holds_and_gives_back_what_is_deleted(void **state)
{
    Case *c = *state;
    int64_t before, made, full;
    _free_ char *folder = folder_of(c, 0), *file = mem_printf("%s/data/f", folder);
    _free_ char *command = mem_printf("head -c 40M /dev/zero > %s && sync -f %s", file, file);

    need_disk(c);
    before = free_room(c);
    make(c, 0, 100 * MIB);
    made = free_room(c);
    assert_true(before - made < MIB);
    assert_true(divide(c, 1, 4 * MIB) > 0);
    assert_int_equal(run(command), 0);
    full = free_room(c);
    assert_true(made - full >= 40 * MIB && made - full < 50 * MIB);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(volume_disk_release(c->disk, "pvc-0", volume_disk_uses("pvc-0"), NULL), 0);
    assert_true(free_room(c) > made - 6 * MIB); /* but for the journal */
}

/* Each block of a file holds its number and that of the volume. Returns how many were written before
 * ENOSPC, or -1 for any other end. */
static int64_t write_until_full(const char *folder, int id)
{
    _free_ char *path = mem_printf("%s/data/big", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    static uint64_t block[BLOCK / 8];
    struct stat st;
    ssize_t n;

    if (fd < 0 || fstat(fd, &st) < 0 || ftruncate(fd, st.st_size / BLOCK * BLOCK) < 0)
        return -1;
    for (uint64_t i = (uint64_t)st.st_size / BLOCK;; i++) {
        for (size_t k = 0; k < ARRAY_LEN(block); k++)
            block[k] = i << 8 | (uint64_t)id;
        n = write(fd, block, BLOCK);
        if (n < 0 && errno != ENOSPC)
            return -1;
        if (n < BLOCK) {
            if (fsync(fd) < 0) /* everything that was accepted is on the disk */
                return -1;
            close(fd);
            return (int64_t)i;
        }
    }
}

static bool holds_blocks(const char *folder, int id, int64_t n)
{
    _free_ char *path = mem_printf("%s/data/big", folder);
    _close_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    static uint64_t block[BLOCK / 8];

    for (int64_t i = 0; i < n; i++) {
        if (read(fd, block, BLOCK) != BLOCK)
            return false;
        for (size_t k = 0; k < ARRAY_LEN(block); k++)
            if (block[k] != ((uint64_t)i << 8 | (uint64_t)id))
                return false;
    }
    return true;
}

static void fill_by_all(const Case *c, int64_t written[VOLUMES])
{
    int results[VOLUMES][2];
    pid_t pids[VOLUMES];

    for (int i = 0; i < VOLUMES; i++) {
        assert_int_equal(pipe(results[i]), 0);
        pids[i] = fork();
        if (pids[i] == 0) {
            _free_ char *folder = folder_of(c, i);
            int64_t n = write_until_full(folder, i);

            _exit(write(results[i][1], &n, sizeof(n)) != sizeof(n));
        }
    }
    for (int i = 0; i < VOLUMES; i++) {
        int status;

        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
        assert_int_equal(read(results[i][0], &written[i], sizeof(*written)), sizeof(*written));
        assert_true(written[i] >= 0);
        close(results[i][0]);
        close(results[i][1]);
    }
}

static void ten_writers_fill_the_disk_to_the_last_byte_and_harm_nothing(void **state)
{
    const int64_t keep = 6 * MIB;
    Case *c = *state;
    int64_t written[VOLUMES], sum = 0;

    need_disk(c);
    for (int i = 0; i < VOLUMES; i++)
        make(c, i, 100 * MIB);
    for (int round = 0; round < 6 && divide(c, VOLUMES, keep) > MIB; round++)
        fill_by_all(c, written);
    fill_by_all(c, written);
    for (int i = 0; i < VOLUMES; i++)
        sum += written[i] * BLOCK;
    /* What is free is kept, or for the journals and tables of the volumes. */
    assert_true(free_room(c) >= keep && divide(c, VOLUMES, keep) < MIB);
    assert_true(sum > 80 * MIB);
    /* A file of a full volume can be overwritten and removed, and the volume is still writable. */
    for (int i = 0; i < VOLUMES; i++) {
        _free_ char *folder = folder_of(c, i), *image = mem_printf("%s/image", folder);
        _free_ char *check = mem_printf("e2fsck -fn %s >/dev/null 2>&1", image);
        _free_ char *name = name_of(i);

        assert_true(holds_blocks(folder, i, written[i]));
        assert_int_equal(volume_disk_release(c->disk, name, volume_disk_uses(name), NULL), 0);
        assert_int_equal(run(check), 0);
        make(c, i, 100 * MIB);
        assert_true(holds_blocks(folder, i, written[i]));
    }
    for (int i = 0; i < VOLUMES; i += 2) {
        _free_ char *folder = folder_of(c, i), *path = mem_printf("%s/data/big", folder);
        _free_ char *name = name_of(i);

        assert_int_equal(unlink(path), 0);
        assert_int_equal(volume_disk_release(c->disk, name, volume_disk_uses(name), NULL), 0);
        make(c, i, 100 * MIB);
    }
    assert_true(divide(c, VOLUMES, keep) > sum / 3);
}

#define DISK(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(volumes_that_fit_are_not_limited),
        cmocka_unit_test(small_volumes_get_all_and_large_ones_share_the_rest),
        cmocka_unit_test(growing_volume_gets_more_than_a_quiet_one),
        cmocka_unit_test(what_is_used_but_not_written_counts),
        cmocka_unit_test(volume_that_has_all_its_room_is_never_limited),
        cmocka_unit_test(grants_never_exceed_the_room),
        DISK(thin_volume_takes_what_it_holds_and_gives_back_what_is_deleted),
        DISK(ten_writers_fill_the_disk_to_the_last_byte_and_harm_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
