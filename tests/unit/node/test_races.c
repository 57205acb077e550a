/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods that change paths while the node works on them. Each row of the table is one thing that the
 * node does inside a folder that pods can write to; a thread exchanges a file or folder on the way
 * with a symbolic link to something of the machine, thousands of times, while it is done over and
 * over. Whatever the outcome of each call, the machine's files have to be as they were: names,
 * owners, modes, contents, mounts. Needs root, and runs in a mount namespace of its own.
 */
#include "testing.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/files/beneath.h"
#include "base/files/file.h"
#include "base/strbuf.h"
#include "node/env/env_file.h"
#include "node/runtime/logs.h"
#include "node/runtime/oci.h"
#include "node/volume/mounts.h"
#include "node/volume/volume.h"

#define ROUNDS 400
#define MOUNTS 40 /* rounds that unmount: the kernel takes its time for each */
#define SECRET "root:x:0:0:SECRET=machine:/root:/bin/sh\n"

static char home[64];

static char *at(const char *name)
{
    static _Thread_local char paths[4][512];
    static _Thread_local unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", home, name);
    return path;
}

static void write_text(const char *name, const char *text, mode_t mode)
{
    assert_int_equal(file_mkdir_for(at(name), 0755), 0);
    assert_int_equal(file_replace(at(name), text, strlen(text), mode), 0);
    assert_int_equal(chmod(at(name), mode), 0);
}

/* ---- the machine's files, as text ---- */

static void describe(const char *path, StrBuf *out)
{
    _free_ char *text = NULL;
    struct dirent **entries;
    struct stat st;
    int n;

    if (lstat(path, &st) < 0)
        return;
    strbuf_printf(out, "%s %o %u %u %u\n", path + strlen(home), st.st_mode, st.st_uid, st.st_gid,
                  (unsigned)st.st_nlink);
    if (S_ISREG(st.st_mode) && file_read(path, 1 << 16, &text, NULL) == 0)
        strbuf_printf(out, "  %s\n", text);
    n = S_ISDIR(st.st_mode) ? scandir(path, &entries, NULL, alphasort) : 0;
    for (int i = 0; i < n; i++) {
        _free_ char *whole = mem_printf("%s/%s", path, entries[i]->d_name);

        if (strcmp(entries[i]->d_name, ".") != 0 && strcmp(entries[i]->d_name, "..") != 0)
            describe(whole, out);
        free(entries[i]);
    }
    if (n > 0)
        free(entries);
}

/* ---- what the node does ---- */

/* Each returns how often it was led outside, where only it can see that. */

static unsigned give_to_group(void)
{
    PodVolume v = {.name = "v", .form = VOLUME_FOLDER, .path = at("vol"), .owned = true};
    _arena_ Arena arena = ARENA_INIT;

    (void)volume_setup(&v, home, 4242, false, &arena, NULL);
    return 0;
}

static unsigned bind_sub_path(void)
{
    struct stat st;
    int r = volume_sub_path(at("vol"), "a/inner", at("pin"), NULL);
    bool outside = r == 0 && stat(at("pin/is-outside"), &st) == 0;

    (void)umount2(at("pin"), MNT_DETACH);
    return outside;
}

static unsigned make_sub_path(void)
{
    static unsigned n;
    char path[64];

    snprintf(path, sizeof(path), "a/new-%u/x", n++);
    (void)volume_sub_path(at("vol"), path, at("pin"), NULL);
    (void)umount2(at("pin"), MNT_DETACH);
    return 0;
}

static unsigned write_files(void)
{
    static unsigned n;
    char text[32];
    VolumeFile files[2] = {{.path = "a/key", .mode = 0666}, {.path = "b", .mode = 0666}};
    PodVolume v = {
        .name = "v", .form = VOLUME_FILES, .path = at("vol"), .files = files, .n_files = 2};

    snprintf(text, sizeof(text), "%u", n++);
    files[0].data = files[1].data = bytes_from_string(text);
    (void)volume_write_files(&v, 4242, NULL);
    return 0;
}

static unsigned read_environment(void)
{
    _free_ char *text = NULL;

    return env_file_read(at("vol"), "a/passwd", &text) == 0 && strstr(text, "machine");
}

static unsigned find_user(void)
{
    _arena_ Arena arena = ARENA_INIT;
    OciUser user;

    return oci_user_find(at("vol"), "machine", &arena, &user, NULL) == 0;
}

static unsigned read_log(void)
{
    _free_ char *text = log_tail_text(at("vol/pod/a/passwd"), 4096, 10);

    return text && strstr(text, "machine");
}

static unsigned rotate_log(void)
{
    (void)log_rotate(at("vol/pod/a/passwd"), 1, 3);
    (void)mknod(at("vol/pod/a/passwd"), S_IFREG | 0644, 0);
    return 0;
}

static unsigned unmount_all(void)
{
    (void)mount("none", at("vol/a/inner"), "tmpfs", 0, "size=4k"); /* may land outside */
    (void)mounts_below_remove(at("vol"), NULL);
    return 0;
}

static unsigned remove_tree(void)
{
    (void)file_remove_tree(at("vol/tree"));
    (void)file_mkdir_all(at("vol/tree/x/inner"), 0755);
    (void)!symlink("../../outside", at("vol/tree/x.link"));
    return 0;
}

static int sum(void *data, int fd _unused_, const struct statx *st)
{
    *(uint64_t *)data += S_ISREG(st->stx_mode) && st->stx_size == strlen(SECRET);
    return 0;
}

static unsigned measure(void)
{
    _close_fd_ int root = beneath_root(at("vol"));
    uint64_t found = 0;

    (void)beneath_walk(root, sum, &found);
    return found != 0;
}

/* ---- the race ---- */

static const struct {
    const char *name;
    unsigned (*operate)(void);
    int rounds;
    const char *exchanged, *target; /* a file or folder; where the link in its place leads */
} rows[] = {
    {"fsGroup, a file", give_to_group, ROUNDS, "vol/a/file", "../../outside/passwd"},
    {"fsGroup, a folder", give_to_group, ROUNDS, "vol/a", "../outside"},
    {"subPath, there", bind_sub_path, MOUNTS, "vol/a", "../outside"},
    {"subPath, missing", make_sub_path, MOUNTS, "vol/a", "../outside"},
    {"files, the data", write_files, ROUNDS, "vol/..data", "../outside"},
    {"files, a name", write_files, ROUNDS, "vol/a", "../outside"},
    {"file of variables", read_environment, ROUNDS, "vol/a", "../outside"},
    {"file of variables, itself", read_environment, ROUNDS, "vol/a/passwd", "../../outside/passwd"},
    {"users", find_user, ROUNDS, "vol/etc", "../outside"},
    {"users, the file", find_user, ROUNDS, "vol/etc/passwd", "../../outside/passwd"},
    {"logs", read_log, ROUNDS, "vol/pod/a", "../../outside"},
    {"logs, the file", read_log, ROUNDS, "vol/pod/a/passwd", "../../../outside/passwd"},
    {"rotation", rotate_log, ROUNDS, "vol/pod/a", "../../outside"},
    {"mounts", unmount_all, MOUNTS, "vol/a", "../outside"},
    {"removal", remove_tree, ROUNDS, "vol/tree/x", "../../outside"},
    {"accounting", measure, ROUNDS, "vol/a", "../outside"},
};

typedef struct Swapper {
    char from[512], to[520];
    atomic_bool stop;
    atomic_ulong swaps;
} Swapper;

static void *swap(void *data)
{
    Swapper *s = data;

    while (!atomic_load(&s->stop))
        if (renameat2(AT_FDCWD, s->from, AT_FDCWD, s->to, RENAME_EXCHANGE) == 0)
            atomic_fetch_add(&s->swaps, 1);
    return NULL;
}

static void fill(void)
{
    snprintf(home, sizeof(home), "%s/stead-races-XXXXXX", str_or(getenv("TMPDIR"), "/tmp"));
    assert_non_null(mkdtemp(home));
    assert_int_equal(mount("none", home, "tmpfs", 0, NULL), 0);
    write_text("vol/a/file", "mine", 0600);
    write_text("vol/a/passwd", "2026-01-01T00:00:00.000000000Z stdout F mine\n", 0644);
    write_text("vol/a/inner/x", "mine", 0644);
    write_text("vol/etc/passwd", "me:x:1:1::/:/bin/sh\n", 0644);
    write_text("vol/pod/a/passwd", "2026-01-01T00:00:00.000000000Z stdout F mine\n", 0644);
    write_text("vol/tree/x/inner/y", "mine", 0644);
    write_text("vol/..1/key", "mine", 0644);
    assert_int_equal(symlink("..1", at("vol/..data")), 0);
    write_text("outside/passwd",
               "machine:x:0:0::/root:/bin/sh\n2026-01-01T00:00:00.000000000Z stdout F machine\n",
               0600);
    write_text("outside/file", SECRET, 0600);
    write_text("outside/key", SECRET, 0600);
    write_text("outside/inner/is-outside", "", 0600);
    assert_int_equal(mkdir(at("pin"), 0755), 0);
}

static void clean_up(void)
{
    assert_int_equal(mounts_below_remove(home, NULL), 0);
    assert_int_equal(rmdir(home), 0);
}

static void race(size_t row)
{
    Swapper s = {.stop = false};
    _strbuf_ StrBuf before = STRBUF_INIT, after = STRBUF_INIT;
    unsigned led_out = 0;
    pthread_t thread;

    snprintf(s.from, sizeof(s.from), "%s", at(rows[row].exchanged));
    snprintf(s.to, sizeof(s.to), "%s.link", s.from);
    assert_int_equal(symlink(rows[row].target, s.to), 0);
    describe(at("outside"), &before);
    assert_int_equal(pthread_create(&thread, NULL, swap, &s), 0);
    while (!atomic_load(&s.swaps)) /* the race has begun */
        sched_yield();
    for (int i = 0; i < rows[row].rounds; i++)
        led_out += rows[row].operate();
    atomic_store(&s.stop, true);
    pthread_join(thread, NULL);
    while (umount2(at("outside/inner"), UMOUNT_NOFOLLOW) == 0)
        ; /* what the pod of the row "mounts" put there itself */
    describe(at("outside"), &after);
    if (led_out)
        fail_msg("%s: led outside %u times", rows[row].name, led_out);
    if (strcmp(strbuf_string(&before), strbuf_string(&after)) != 0)
        fail_msg("%s: before\n%safter\n%s", rows[row].name, before.p, after.p);
}

static void no_link_leads_the_node_out_of_a_volume(void **state)
{
    if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0)
        skip();
    EACH_ROW(i, rows, rows[i].name) {
        fill();
        race(i);
        clean_up();
    }
}

/* What a privileged pod has mounted below its volume is unmounted, and nothing that it points at. */
static void a_mount_behind_a_link_stays(void **state)
{
    struct stat before, after;

    if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0)
        skip();
    fill();
    assert_int_equal(mount("none", at("vol/a/inner"), "tmpfs", 0, NULL), 0);
    assert_int_equal(mount("none", at("outside/inner"), "tmpfs", 0, NULL), 0);
    assert_int_equal(stat(at("outside/inner"), &before), 0);
    assert_int_equal(rename(at("vol/a"), at("vol/moved")), 0);
    assert_int_equal(symlink("../outside", at("vol/a")), 0);
    assert_int_equal(mounts_below_remove(at("vol"), NULL), 0);
    assert_false(mounts_has(at("vol/moved/inner")));
    assert_int_equal(stat(at("outside/inner"), &after), 0);
    assert_int_equal(before.st_dev, after.st_dev);
    clean_up();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_link_leads_the_node_out_of_a_volume),
        cmocka_unit_test(a_mount_behind_a_link_stays),
    };

    return cmocka_run_group_tests_name("node races", tests, NULL, NULL);
}
