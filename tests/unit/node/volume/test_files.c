/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes that are made of folders, files and mounts, and the paths below them. Mounts are made in
 * a mount namespace of this process's own; without root the tests of them are skipped.
 */
#include "testing.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/files/file.h"
#include "node/runtime/overlay.h"
#include "node/volume/mounts.h"
#include "node/volume/volume.h"

typedef struct World {
    char dir[64];
    Arena arena;
    Err err;
} World;

static int setup(void **state)
{
    World *w = mem_new_type(World);

    snprintf(w->dir, sizeof(w->dir), "/tmp/stead-files-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    World *w = *state;

    assert_int_equal(mounts_below_remove(w->dir, &w->err), 0);
    assert_int_equal(file_remove_tree(w->dir), 0);
    arena_clear(&w->arena);
    free(w);
    return 0;
}

static void need_mounts(void)
{
    static bool own;

    if (geteuid() != 0)
        skip();
    if (!own &&
        (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
        skip();
    own = true;
}

static char *at(World *w, const char *rest)
{
    return arena_printf(&w->arena, "%s/%s", w->dir, rest);
}

static char *folder(World *w, const char *name)
{
    char *path = at(w, name);

    assert_int_equal(file_mkdir_all(path, 0755), 0);
    return path;
}

static void put(const char *path, const char *text)
{
    assert_int_equal(file_mkdir_for(path, 0755), 0);
    assert_int_equal(file_write_atomic(path, text, strlen(text), 0644), 0);
}

/* What the file holds, or "none". */
static const char *content(World *w, const char *path)
{
    _free_ char *text = NULL;
    size_t n;

    return file_read(path, 1 << 20, &text, &n) < 0 ? "none" : arena_strndup(&w->arena, text, n);
}

static mode_t mode_of(const char *path)
{
    struct stat st;

    assert_int_equal(lstat(path, &st), 0);
    return st.st_mode & 07777;
}

/* ---- files ---- */

static PodVolume files_volume(World *w, VolumeFile *files, size_t n)
{
    return (PodVolume){
        .name = "v", .form = VOLUME_FILES, .path = folder(w, "v"), .files = files, .n_files = n};
}

#define FILE_OF(name, text)                                     \
    {                                                           \
        .path = name, .data = BYTES_LITERAL(text), .mode = 0640 \
    }

/* A reader sees either all old or all new files, because they change by the switch of one link. */
static void files_are_replaced_as_a_whole(void **state)
{
    World *w = *state;
    VolumeFile first[] = {FILE_OF("a", "1"), FILE_OF("d/b", "2"), FILE_OF("gone", "3")};
    VolumeFile second[] = {FILE_OF("a", "10"), FILE_OF("d/b", "2")};
    PodVolume volume = files_volume(w, first, 3);
    char before[64] = "", after[64] = "";
    struct stat st;

    assert_int_equal(volume_write_files(&volume, -1, &w->err), 0);
    assert_string_equal(content(w, at(w, "v/a")), "1");
    assert_string_equal(content(w, at(w, "v/d/b")), "2");
    assert_int_equal(mode_of(at(w, "v/..data/a")), 0640);
    assert_true(readlink(at(w, "v/..data"), before, sizeof(before) - 1) > 0);
    /* The same again changes nothing. */
    assert_int_equal(volume_write_files(&volume, -1, &w->err), 0);
    assert_true(readlink(at(w, "v/..data"), after, sizeof(after) - 1) > 0);
    assert_string_equal(before, after);
    volume.files = second;
    volume.n_files = 2;
    assert_int_equal(volume_write_files(&volume, -1, &w->err), 0);
    assert_string_equal(content(w, at(w, "v/a")), "10");
    assert_string_equal(content(w, at(w, "v/d/b")), "2");
    assert_true(lstat(at(w, "v/gone"), &st) < 0); /* the link is gone as well */
    assert_true(readlink(at(w, "v/..data"), after, sizeof(after) - 1) > 0);
    assert_string_not_equal(before, after);
    assert_true(lstat(at(w, arena_printf(&w->arena, "v/%s", before)), &st) < 0);
}

static void what_else_is_in_the_folder_stays(void **state)
{
    World *w = *state;
    VolumeFile files[] = {FILE_OF("a", "1")};
    PodVolume volume = files_volume(w, files, 1);
    struct stat st;

    put(at(w, "v/own"), "mine");
    assert_int_equal(symlink("own", at(w, "v/link")), 0);
    assert_int_equal(symlink("nowhere", at(w, "v/dead")), 0);
    assert_int_equal(volume_write_files(&volume, -1, &w->err), 0);
    assert_string_equal(content(w, at(w, "v/own")), "mine");
    assert_string_equal(content(w, at(w, "v/link")), "mine");
    assert_true(lstat(at(w, "v/dead"), &st) < 0);
}

static void a_path_that_leads_out_is_refused(void **state)
{
    static const char *const paths[] = {"", "/etc/x", "..", "../x", "a/../../x", "a/.."};
    World *w = *state;

    EACH_ROW(i, paths, paths[i]) {
        VolumeFile file = {.path = paths[i], .data = BYTES_LITERAL("x"), .mode = 0644};
        PodVolume volume = files_volume(w, &file, 1);
        _free_ char *wanted = mem_printf("invalid path %s", paths[i]);

        w->err = (Err)ERR_INIT;
        assert_true(volume_write_files(&volume, -1, &w->err) < 0);
        assert_true(str_starts_with(w->err.message, wanted));
        assert_string_equal(content(w, at(w, "v/..data")), "none");
    }
}

static void a_group_may_read_the_files(void **state)
{
    World *w = *state;
    VolumeFile files[] = {{.path = "d/a", .data = BYTES_LITERAL("1"), .mode = 0400, .user = 1000}};
    PodVolume volume = files_volume(w, files, 1);
    struct stat st;

    if (geteuid() != 0)
        skip();
    assert_int_equal(volume_write_files(&volume, 2000, &w->err), 0);
    assert_int_equal(stat(at(w, "v/d/a"), &st), 0);
    assert_int_equal(st.st_uid, 1000);
    assert_int_equal(st.st_gid, 2000);
    assert_int_equal(st.st_mode & 07777, 0440);
    assert_int_equal(mode_of(at(w, "v/..data/d")), 02755);
}

/* ---- the forms ---- */

static void a_host_path_is_of_the_type_that_is_asked_for(void **state)
{
    static const struct {
        const char *type, *path, *message; /* message NULL: it is accepted */
    } rows[] = {
        {"", "folder", NULL},
        {"", "file", NULL},
        {"", "new/one", NULL},
        {"Directory", "folder", NULL},
        {"Directory", "file", "hostPath type check failed: %s is not a directory"},
        {"Directory", "none", "hostPath type check failed: %s is not a directory"},
        {"DirectoryOrCreate", "folder", NULL},
        {"DirectoryOrCreate", "new/two", NULL},
        {"DirectoryOrCreate", "file", "hostPath type check failed: %s is not a directory"},
        {"File", "file", NULL},
        {"File", "folder", "hostPath type check failed: %s is not a file"},
        {"File", "none", "hostPath type check failed: %s is not a file"},
        {"FileOrCreate", "file", NULL},
        {"FileOrCreate", "made", NULL},
        {"FileOrCreate", "folder", "hostPath type check failed: %s is not a file"},
        {"Socket", "file", "hostPath type check failed: %s is not a socket file"},
        {"CharDevice", "file", "hostPath type check failed: %s is not a character device"},
        {"BlockDevice", "file", "hostPath type check failed: %s is not a block device"},
    };
    World *w = *state;
    struct stat st;

    (void)folder(w, "folder");
    put(at(w, "file"), "x");
    EACH_ROW(i, rows, rows[i].type) {
        PodVolume volume = {.name = "v",
                            .form = VOLUME_HOST,
                            .path = at(w, rows[i].path),
                            .host_type = rows[i].type};
        int r = volume_setup(&volume, w->dir, -1, false, &w->arena, &w->err);

        assert_int_equal(r < 0, rows[i].message != NULL);
        if (rows[i].message) {
            _strbuf_ StrBuf wanted = STRBUF_INIT;
            const char *split = strstr(rows[i].message, "%s");

            strbuf_add(&wanted, rows[i].message, (size_t)(split - rows[i].message));
            strbuf_printf(&wanted, "%s%s", volume.path, split + 2);
            assert_string_equal(w->err.message, strbuf_string(&wanted));
        } else {
            assert_int_equal(stat(volume.path, &st), 0);
        }
    }
    assert_true(stat(at(w, "new/one"), &st) == 0 && S_ISDIR(st.st_mode));
    assert_true(stat(at(w, "made"), &st) == 0 && S_ISREG(st.st_mode));
}

/* Everything in the volume belongs to the group; what is created later, too. */
static void a_volume_is_given_to_the_group_of_the_pod(void **state)
{
    World *w = *state;
    PodVolume volume = {.name = "v", .form = VOLUME_FOLDER, .path = at(w, "v"), .owned = true};
    struct stat st;

    if (geteuid() != 0)
        skip();
    put(at(w, "v/d/f"), "x");
    assert_int_equal(chmod(at(w, "v/d/f"), 0600), 0);
    assert_int_equal(symlink("f", at(w, "v/d/l")), 0);
    assert_int_equal(volume_setup(&volume, w->dir, 2000, false, &w->arena, &w->err), 0);
    assert_int_equal(stat(at(w, "v/d"), &st), 0);
    assert_int_equal(st.st_gid, 2000);
    assert_int_equal(st.st_mode & 07777, 02775);
    assert_int_equal(stat(at(w, "v/d/f"), &st), 0);
    assert_int_equal(st.st_gid, 2000);
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_int_equal(lstat(at(w, "v/d/l"), &st), 0);
    assert_int_equal(st.st_gid, 2000);
    /* With OnRootMismatch, a root that is right already is enough. */
    assert_int_equal(chmod(at(w, "v/d/f"), 0600), 0);
    assert_int_equal(chmod(at(w, "v"), 02777), 0);
    assert_int_equal(volume_setup(&volume, w->dir, 2000, true, &w->arena, &w->err), 0);
    assert_int_equal(mode_of(at(w, "v/d/f")), 0600);
    assert_int_equal(chmod(at(w, "v"), 0777), 0);
    assert_int_equal(volume_setup(&volume, w->dir, 2000, true, &w->arena, &w->err), 0);
    assert_int_equal(mode_of(at(w, "v/d/f")), 0660);
}

static void a_volume_in_memory_has_its_size(void **state)
{
    World *w = *state;
    PodVolume volume = {
        .name = "v", .form = VOLUME_MEMORY, .path = at(w, "v"), .size = 1 << 20, .owned = true};
    struct statvfs fs;

    need_mounts();
    for (int i = 0; i < 2; i++) { /* the second time it is there */
        assert_int_equal(volume_setup(&volume, w->dir, -1, false, &w->arena, &w->err), 0);
        assert_true(mounts_has(volume.path));
        assert_int_equal(statvfs(volume.path, &fs), 0);
        assert_int_equal(fs.f_blocks * fs.f_frsize, 1 << 20);
        assert_int_equal(mode_of(volume.path), 01777);
        put(at(w, "v/f"), "x");
    }
    assert_int_equal(mounts_below_remove(w->dir, &w->err), 0);
    assert_false(mounts_has(volume.path));
    assert_string_equal(content(w, at(w, "v/f")), "none");
}

static void an_image_is_a_read_only_folder_of_its_layers(void **state)
{
    World *w = *state;
    const char *layers[] = {folder(w, "low"), folder(w, "high")};
    PodVolume volume = {
        .name = "v", .form = VOLUME_IMAGE, .path = at(w, "v"), .layers = {layers, 1}};

    need_mounts();
    put(at(w, "low/a"), "low");
    put(at(w, "low/b"), "low");
    put(at(w, "high/a"), "high");
    assert_int_equal(volume_setup(&volume, w->dir, -1, false, &w->arena, &w->err), 0);
    assert_string_equal(content(w, at(w, "v/a")), "low");
    assert_true(open(at(w, "v/new"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0);
    assert_int_equal(errno, EROFS);
    assert_int_equal(mounts_below_remove(w->dir, &w->err), 0);
    volume.layers.n = 2;
    if (volume_setup(&volume, w->dir, -1, false, &w->arena, &w->err) < 0)
        skip(); /* the folder of the test is on a file system that overlayfs does not take */
    assert_string_equal(content(w, at(w, "v/a")), "high");
    assert_string_equal(content(w, at(w, "v/b")), "low");
    assert_true(open(at(w, "v/new"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0);
    assert_int_equal(errno, EROFS);
}

/* ---- mounts ---- */

/* The kernel writes such characters as octal numbers. */
static void mounts_are_found_whatever_their_name(void **state)
{
    static const char *const names[] = {"plain",       "a b",        "tab\there", "line\nbreak",
                                        "back\\slash", "octal\\040", "#hash"};
    World *w = *state;

    need_mounts();
    EACH_ROW(i, names, names[i]) {
        char *path = folder(w, arena_printf(&w->arena, "m/%s/inner", names[i]));

        assert_false(mounts_has(path));
        assert_int_equal(mount("none", path, "tmpfs", 0, NULL), 0);
        assert_true(mounts_has(path));
        assert_false(mounts_has(at(w, "m")));
        put(at(w, arena_printf(&w->arena, "m/%s/inner/f", names[i])), "x");
    }
    assert_int_equal(mounts_below_remove(at(w, "m"), &w->err), 0);
    EACH_ROW(i, names, names[i]) {
        const char *path = at(w, arena_printf(&w->arena, "m/%s/inner", names[i]));

        assert_false(mounts_has(path));
        assert_int_equal(rmdir(path), 0);
    }
}

static void mounts_beside_the_folder_stay(void **state)
{
    World *w = *state;
    char *inner = folder(w, "m/inner"), *beside = folder(w, "m-beside");

    need_mounts();
    assert_int_equal(mount("none", beside, "tmpfs", 0, NULL), 0);
    assert_int_equal(mount("none", inner, "tmpfs", 0, NULL), 0);
    assert_int_equal(mount("none", inner, "tmpfs", 0, NULL), 0); /* over it */
    assert_int_equal(mounts_below_remove(at(w, "m"), &w->err), 0);
    assert_false(mounts_has(inner));
    assert_true(mounts_has(beside));
    assert_int_equal(mounts_below_remove(at(w, "nothing"), &w->err), 0);
}

/* Somebody has a file of it open, and keeps it until he closes it. */
static void a_mount_in_use_is_detached(void **state)
{
    World *w = *state;
    char *inner = folder(w, "m/inner");
    int fd;

    need_mounts();
    assert_int_equal(mount("none", inner, "tmpfs", 0, NULL), 0);
    put(at(w, "m/inner/f"), "x");
    fd = open(at(w, "m/inner/f"), O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(mounts_below_remove(at(w, "m"), &w->err), 0);
    assert_false(mounts_has(inner));
    close(fd);
}

/* ---- sub paths ---- */

static void a_sub_path_is_mounted_at_its_pin(void **state)
{
    World *w = *state;
    char *volume = folder(w, "v");

    need_mounts();
    assert_int_equal(chmod(volume, 0750), 0);
    put(at(w, "v/d/f"), "x");
    assert_int_equal(volume_sub_path(volume, "d", at(w, "pin/d"), &w->err), 0);
    assert_string_equal(content(w, at(w, "pin/d/f")), "x");
    assert_int_equal(volume_sub_path(volume, "d/f", at(w, "pin/f"), &w->err), 0);
    assert_string_equal(content(w, at(w, "pin/f")), "x");
    /* What is missing becomes a folder with the mode of the volume. */
    assert_int_equal(volume_sub_path(volume, "new/one", at(w, "pin/new"), &w->err), 0);
    put(at(w, "pin/new/g"), "y");
    assert_string_equal(content(w, at(w, "v/new/one/g")), "y");
    assert_int_equal(mode_of(at(w, "v/new/one")), 0750);
    /* Again, as after a restart of the container. */
    assert_int_equal(volume_sub_path(volume, "new/one", at(w, "pin/new"), &w->err), 0);
    assert_string_equal(content(w, at(w, "pin/new/g")), "y");
}

static void a_sub_path_that_leads_out_is_refused(void **state)
{
    static const char *const paths[] = {"../x", "/etc", "d/../../x", "absolute/x",
                                        "up/x", "",     "f/x"};
    World *w = *state;
    char *volume = folder(w, "v");

    need_mounts();
    assert_int_equal(symlink("/", at(w, "v/absolute")), 0);
    assert_int_equal(symlink("..", at(w, "v/up")), 0);
    put(at(w, "v/f"), "x");
    EACH_ROW(i, paths, paths[i]) {
        _free_ char *wanted = mem_printf("failed to prepare subPath %s", paths[i]);

        w->err = (Err)ERR_INIT;
        assert_true(volume_sub_path(volume, paths[i], at(w, "pin"), &w->err) < 0);
        assert_true(str_starts_with(w->err.message, wanted));
        assert_false(file_exists(at(w, "pin")));
    }
    assert_false(file_exists(at(w, "x")));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(files_are_replaced_as_a_whole),
        TEST(what_else_is_in_the_folder_stays),
        TEST(a_path_that_leads_out_is_refused),
        TEST(a_group_may_read_the_files),
        TEST(a_host_path_is_of_the_type_that_is_asked_for),
        TEST(a_volume_is_given_to_the_group_of_the_pod),
        TEST(a_volume_in_memory_has_its_size),
        TEST(an_image_is_a_read_only_folder_of_its_layers),
        TEST(mounts_are_found_whatever_their_name),
        TEST(mounts_beside_the_folder_stay),
        TEST(a_mount_in_use_is_detached),
        TEST(a_sub_path_is_mounted_at_its_pin),
        TEST(a_sub_path_that_leads_out_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
