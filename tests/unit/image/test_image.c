/* SPDX-License-Identifier: Apache-2.0 */
/* Archives in, folders out: what is unpacked, what is refused, what is left behind. */
#include "image_archive.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <uv.h>

#include "base/fault.h"

#define X64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

typedef struct Fixture {
    char dir[40];
    char *data, *builtin, *file;
    uv_loop_t loop;
    ImageStore *store;
    Arena arena;
} Fixture;

static void open_store(Fixture *fixture)
{
    Err err = ERR_INIT;

    assert_int_equal(
        image_store_open(&fixture->loop, fixture->data, fixture->builtin, &fixture->store, &err),
        0);
}

static int set_up(void **state)
{
    Fixture *fixture = mem_new_type(Fixture);

    snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/stead-image-XXXXXX");
    assert_non_null(mkdtemp(fixture->dir));
    fixture->data = mem_printf("%s/images", fixture->dir);
    fixture->builtin = mem_printf("%s/builtin", fixture->dir);
    fixture->file = mem_printf("%s/app.tar", fixture->dir);
    assert_int_equal(mkdir(fixture->builtin, 0700), 0);
    uv_loop_init(&fixture->loop);
    open_store(fixture);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *fixture = *state;

    image_store_close(fixture->store);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    assert_int_equal(file_remove_tree(fixture->dir), 0);
    arena_clear(&fixture->arena);
    free(fixture->data);
    free(fixture->builtin);
    free(fixture->file);
    free(fixture);
    return 0;
}

static const char *import(Fixture *fixture)
{
    StringArray names = {0};
    Err err = ERR_INIT;

    if (image_import(fixture->store, fixture->file, 0, &names, &fixture->arena, &err) < 0)
        return arena_strdup(&fixture->arena, err.message);
    return names.v[0];
}

static size_t count(Fixture *fixture, const char *folder)
{
    _free_ char *path = mem_printf("%s/%s", fixture->data, folder);
    DIR *dir = opendir(path);
    struct dirent *entry;
    size_t n = 0;

    while ((entry = readdir(dir)))
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

static Image find(Fixture *fixture, const char *name)
{
    Image image = {0};
    Err err = ERR_INIT;

    assert_int_equal(image_find(fixture->store, name, &fixture->arena, &image, &err), 0);
    return image;
}

static int find_outcome(Fixture *fixture, const char *name)
{
    Image image;
    Err err = ERR_INIT;

    return image_find(fixture->store, name, &fixture->arena, &image, &err);
}

static struct stat stat_in(const Image *image, size_t layer, const char *path)
{
    _free_ char *whole = mem_printf("%s/%s", image->layers.v[layer], path);
    struct stat st = {0};

    if (lstat(whole, &st) < 0)
        st.st_mode = 0;
    return st;
}

static const TarEntry simple[] = {
    {"app", S_IFREG | 0755, .data = "#!"},
};

static void a_docker_archive_becomes_an_image(void **state)
{
    Fixture *fixture = *state;
    Image image;

    make_docker_archive(fixture->file, "app:1", simple, 1, TAR_PLAIN);
    assert_string_equal(import(fixture), "docker.io/library/app:1");
    image = find(fixture, "app:1");
    assert_string_equal(image.name, "docker.io/library/app:1");
    assert_int_equal(image.layers.n, 1);
    assert_int_equal(image.size, 2);
    assert_int_equal(image.created, 1669718736);
    assert_string_equal(image.env.v[1], "A=app:1");
    assert_string_equal(image.entrypoint.v[0], "/app");
    assert_string_equal(image.cmd.v[0], "serve");
    assert_string_equal(image.working_dir, "/data");
    assert_string_equal(image.user, "app");
    assert_string_equal(image.stop_signal, "SIGINT");
    assert_string_equal(image.volumes.v[0], "/data");
    assert_string_equal(image.exposed_ports.v[0], "80/tcp");
    assert_string_equal(image.labels.v[0].key, "b");
    assert_int_equal(stat_in(&image, 0, "app").st_mode, S_IFREG | 0755);
    assert_string_equal(find(fixture, "localhost/app:1").id, image.id);
    assert_string_equal(find(fixture, image.id).name, image.name);
    assert_int_equal(find_outcome(fixture, "app"), IMAGE_E_MISSING);
    assert_int_equal(find_outcome(fixture, "Not A Name"), IMAGE_E_MISSING);
    image_store_close(fixture->store);
    open_store(fixture);
    assert_string_equal(find(fixture, "docker.io/library/app:1").id, image.id);
    assert_int_equal(count(fixture, "tmp"), 0);
}

static void everything_in_a_layer_arrives(void **state)
{
    static const TarEntry entries[] = {
        {"./", S_IFDIR | 0755},
        {"bin/", S_IFDIR | 0711, .uid = 7, .gid = 8},
        {"bin/su", S_IFREG | 04755, .data = "su", .uid = 0, .gid = 5},
        {"bin/again", .hardlink = "bin/su"},
        {"lib", S_IFLNK | 0777, .symlink = "usr/lib", .uid = 3},
        {"dev/null", S_IFCHR | 0666, .dev = 0x103},
        {"run/fifo", S_IFIFO | 0600},
        {"deep/er/and/deeper", .data = "x", .xattr = "user.note", .xattr_value = "hello"},
        {"evil", .data = "x", .xattr = "trusted.overlay.redirect", .xattr_value = "/etc"},
        {"gone/.wh.old", .data = ""},
        {"fresh/.wh..wh..opq", .data = ""},
        {"caf\xc3\xa9", .data = "x"},
        {"bin/su", S_IFREG | 0700, .data = "newer"},
    };
    Fixture *fixture = *state;
    char value[16] = {0};
    struct stat st;
    Image image;

    for (int compression = TAR_PLAIN; compression <= TAR_ZSTD; compression++) {
        mode_t mask = umask(077);

        make_docker_archive(fixture->file, "app", entries, ARRAY_LEN(entries), compression);
        assert_string_equal(import(fixture), "docker.io/library/app:latest");
        umask(mask);
        image = find(fixture, "app");
        st = stat_in(&image, 0, "bin");
        assert_int_equal(st.st_mode, S_IFDIR | 0711);
        assert_int_equal(st.st_uid, 7);
        assert_int_equal(stat_in(&image, 0, ".").st_mode, S_IFDIR | 0755);
        assert_int_equal(stat_in(&image, 0, "deep/er").st_mode, S_IFDIR | 0755);
        assert_int_equal(stat_in(&image, 0, "bin/su").st_size, 5);
        st = stat_in(&image, 0, "bin/again");
        assert_int_equal(st.st_mode, S_IFREG | 04755);
        assert_int_equal(st.st_gid, 5);
        assert_int_equal(st.st_mtime, 1000000000);
        st = stat_in(&image, 0, "lib");
        assert_true(S_ISLNK(st.st_mode) && st.st_uid == 3);
        st = stat_in(&image, 0, "dev/null");
        assert_true(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
        assert_true(S_ISFIFO(stat_in(&image, 0, "run/fifo").st_mode));
        st = stat_in(&image, 0, "gone/old");
        assert_true(S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0));
        assert_int_equal(getxattr(arena_printf(&fixture->arena, "%s/fresh", image.layers.v[0]),
                                  "trusted.overlay.opaque", value, sizeof(value)),
                         1);
        assert_int_equal(getxattr(arena_printf(&fixture->arena, "%s/evil", image.layers.v[0]),
                                  "trusted.overlay.redirect", value, sizeof(value)),
                         -1);
        assert_true(S_ISREG(stat_in(&image, 0, "caf\xc3\xa9").st_mode));
        assert_int_equal(image_remove(fixture->store, "app", NULL), 0);
        assert_int_equal(count(fixture, "layers"), 0);
    }
}

/* ---- strangers ---- */

typedef struct BadLayer {
    const char *what;
    const char *message; /* NULL: it is taken, and harms nobody */
    TarEntry entries[3];
    size_t n;
} BadLayer;

// clang-format off
static const BadLayer bad_layers[] = {
    {"a path with ..", "leads out", {{"a/../../../x", .data = "x"}}, 1},
    {"a hard link with ..", "leads out", {{"x", .hardlink = "../../../../etc/passwd"}}, 1},
    {"a hard link to nothing", "link", {{"x", .hardlink = "nothing"}}, 1},
    {"a hard link through a symlink", "link",
     {{"up", S_IFLNK | 0777, .symlink = "../../../../../../etc"}, {"x", .hardlink = "up/passwd"}}, 2},
    {"a whiteout of ..", "without a name", {{"a/.wh...", .data = "x"}}, 1},
    {"an absolute path", NULL, {{"/outside", .data = "x"}}, 1},
    {"a file through a symlink", NULL,
     {{"out", S_IFLNK | 0777, .symlink = "/"}, {"out/inside", .data = "x"}}, 2},
    {"a file where a folder is", "replace",
     {{"d/", S_IFDIR | 0755}, {"d/f", .data = "x"}, {"d", .data = "x"}}, 3},
    {"a folder where a link is", NULL,
     {{"l", S_IFLNK | 0777, .symlink = "/etc"}, {"l", S_IFDIR | 0700}, {"l/f", .data = "x"}}, 3},
};
// clang-format on

static void a_layer_cannot_reach_out(void **state)
{
    Fixture *fixture = *state;

    EACH_ROW(i, bad_layers, bad_layers[i].what) {
        const BadLayer *bad = &bad_layers[i];
        const char *result;

        make_docker_archive(fixture->file, "bad", bad->entries, bad->n, TAR_PLAIN);
        result = import(fixture);
        if (bad->message && !strstr(result, bad->message))
            fail_msg("%s: %s", bad->what, result);
        if (!bad->message && strcmp(result, "docker.io/library/bad:latest") != 0)
            fail_msg("%s: %s", bad->what, result);
        assert_int_equal(count(fixture, "tmp"), 0);
        if (bad->message)
            assert_int_equal(count(fixture, "layers"), 0);
        else
            assert_int_equal(image_remove(fixture->store, "bad", NULL), 0);
    }
    assert_false(file_exists("/outside"));
    assert_false(file_exists("/inside"));
    assert_false(file_exists("/etc/f"));
}

static void sizes_are_limited(void **state)
{
    static const TarEntry many[] = {{"a", .data = "x"}, {"b", .data = "x"}, {"c", .data = "x"}};
    Fixture *fixture = *state;
    _free_ char *zeros = mem_new(1 << 20);
    TarEntry bomb = {"zeros", .data = zeros, .n = 1 << 20};

    static const TarEntry deep = {"a/b/c/d/e", .data = "x"};
    static const TarEntry small[] = {{"1", .data = "x"}, {"2", .data = "x"}, {"3", .data = "x"}};
    struct {
        const char *what;
        const TarEntry *entries;
        size_t n;
        uint64_t bytes, entries_most;
        const char *said;
    } rows[] = {
        {"zeros", &bomb, 1, 100000, 2, "larger than allowed, more than 100000 unpacked"},
        {"entries", many, 3, 100000, 2, "more files"},
        {"folders that are only implied", &deep, 1, 100000, 4, "more files"},
        {"blocks of small files", small, 3, 8192, 9, "larger than allowed, more than 8Ki"},
        {"that fits", small, 3, 3 * 4096, 3, "docker.io/library/x:latest"},
    };
    StringArray names;
    Err err = ERR_INIT;

    EACH_ROW(i, rows, rows[i].what) {
        const char *said;

        image_store_set_limits(fixture->store, rows[i].bytes, rows[i].entries_most);
        make_docker_archive(fixture->file, "x", rows[i].entries, rows[i].n, TAR_GZIP);
        said = import(fixture);
        if (!strstr(said, rows[i].said))
            fail_msg("%s: %s", rows[i].what, said);
        assert_int_equal(count(fixture, "tmp"), 0);
        if (i + 1 < ARRAY_LEN(rows))
            assert_int_equal(count(fixture, "layers"), 0);
    }
    assert_int_equal(image_remove(fixture->store, "x", &err), 0);
    /* one import may have a limit of its own, in both directions */
    make_docker_archive(fixture->file, "bomb", &bomb, 1, TAR_GZIP);
    assert_int_equal(
        image_import(fixture->store, fixture->file, 1 << 21, &names, &fixture->arena, &err), 0);
    assert_int_equal(image_remove(fixture->store, "bomb", &err), 0);
    image_store_set_limits(fixture->store, 1 << 21, 9);
    assert_true(image_import(fixture->store, fixture->file, 1000, &names, &fixture->arena, &err) <
                0);
    assert_int_equal(count(fixture, "layers"), 0);
    assert_int_equal(count(fixture, "names"), 0);
}

static void damaged_files_are_refused(void **state)
{
    Fixture *fixture = *state;
    _free_ char *text = NULL;
    size_t n = 0;

    assert_non_null(strstr(import(fixture), "No such file"));
    file_replace(fixture->file, "not a tar", 9, 0600);
    assert_non_null(strstr(import(fixture), "app.tar"));
    make_docker_archive(fixture->file, "app", simple, 1, TAR_GZIP);
    assert_int_equal(file_read(fixture->file, 1 << 20, &text, &n), 0);
    for (size_t cut = 0; cut < n; cut += 512) {
        file_replace(fixture->file, text, cut, 0600);
        import(fixture);
        assert_int_equal(count(fixture, "tmp"), 0);
    }
}

/* ---- OCI ---- */

static const char *descriptor(Arena *arena, const char *digest, const char *more)
{
    return arena_printf(arena, "{\"digest\":\"%s\"%s%s}", digest, *more ? "," : "", more);
}

/* index -> nested index (two platforms) -> manifest -> config, layer */
/* ---- folders that a layer does not list ---- */

typedef struct LayerTar {
    TarEntry entries[8];
    size_t n;
} LayerTar;

/* docker save's form with these layers; `order` says in which order they lie in the archive. */
static void make_layered_archive(const char *file, const LayerTar *layers, size_t n,
                                 const size_t *order)
{
    Archive archive = {0};
    _strbuf_ StrBuf diff_ids = STRBUF_INIT, paths = STRBUF_INIT;
    char id[DIGEST_TEXT], diff_id[DIGEST_TEXT];
    const char *config;

    for (size_t i = 0; i < n; i++) {
        _strbuf_ StrBuf tar = make_tar(layers[i].entries, layers[i].n, TAR_PLAIN);

        digest_of(strbuf_bytes(&tar), diff_id);
        strbuf_printf(&diff_ids, "%s\"%s\"", i ? "," : "", diff_id);
        strbuf_printf(&paths, "%s\"%zu.tar\"", i ? "," : "", i);
    }
    for (size_t i = 0; i < n; i++) {
        _strbuf_ StrBuf tar = make_tar(layers[order[i]].entries, layers[order[i]].n, TAR_PLAIN);

        archive_add(&archive, arena_printf(&archive.arena, "%zu.tar", order[i]),
                    strbuf_bytes(&tar));
    }
    config = make_config(&archive.arena, diff_ids.p, "x");
    digest_of(bytes_from_string(config), id);
    archive_add(&archive, arena_printf(&archive.arena, "%s.json", digest_hex(id)),
                bytes_from_string(config));
    archive_add(
        &archive, "manifest.json",
        bytes_from_string(arena_printf(
            &archive.arena, "[{\"Config\":\"%s.json\",\"RepoTags\":[\"layered\"],\"Layers\":[%s]}]",
            digest_hex(id), paths.p)));
    archive_save(&archive, file, TAR_PLAIN);
    arena_clear(&archive.arena);
}

#define FOLDER(name, bits, owner)                                                    \
    {                                                                                \
        .path = (name), .mode = S_IFDIR | (bits), .uid = (owner), .gid = (owner) + 1 \
    }

/* One row for each way in which a lower layer decides, or does not, what an unlisted folder of an
 * upper one looks like. */
static void a_folder_that_is_not_listed_looks_as_below(void **state)
{
    static const struct {
        const char *what;
        LayerTar layers[3];
        size_t n, layer;
        const char *path;
        mode_t mode;
        uid_t uid;
    } rows[] = {
        {"the layer below lists it",
         {{{FOLDER("var", 01777, 7)}, 1}, {{{"var/x", .data = "x"}}, 1}},
         2,
         1,
         "var",
         01777,
         7},
        {"two layers below",
         {{{FOLDER("var", 0700, 7)}, 1}, {{{"etc/y"}}, 1}, {{{"var/x"}}, 1}},
         3,
         2,
         "var",
         0700,
         7},
        {"the nearest counts",
         {{{FOLDER("var", 0700, 7)}, 1}, {{FOLDER("var", 0750, 8)}, 1}, {{{"var/x"}}, 1}},
         3,
         2,
         "var",
         0750,
         8},
        {"through another that does not list it",
         {{{FOLDER("var", 0700, 7)}, 1}, {{{"var/y"}}, 1}, {{{"var/x"}}, 1}},
         3,
         2,
         "var",
         0700,
         7},
        {"deeper",
         {{{FOLDER("a", 0701, 1), FOLDER("a/b", 0702, 2)}, 2}, {{{"a/b/x"}}, 1}},
         2,
         1,
         "a/b",
         0702,
         2},
        {"nothing is below",
         {{{FOLDER("var", 0700, 7)}, 1}, {{{"opt/x"}}, 1}},
         2,
         1,
         "opt",
         0755,
         0},
        {"it lists it itself, later",
         {{{FOLDER("var", 0700, 7)}, 1}, {{{"var/x"}, FOLDER("var", 0711, 9)}, 2}},
         2,
         1,
         "var",
         0711,
         9},
        {"a file is below",
         {{{{"var", .data = "file"}}, 1}, {{{"var/x"}}, 1}},
         2,
         1,
         "var",
         0755,
         0},
        {"removed in between",
         {{{FOLDER("var", 0700, 7)}, 1}, {{{".wh.var"}}, 1}, {{{"var/x"}}, 1}},
         3,
         2,
         "var",
         0755,
         0},
        {"emptied above it in between",
         {{{FOLDER("a", 0701, 1), FOLDER("a/b", 0702, 2)}, 2},
          {{{"a/.wh..wh..opq"}}, 1},
          {{{"a/b/x"}}, 1}},
         3,
         2,
         "a/b",
         0755,
         0},
        {"emptied itself in between",
         {{{FOLDER("a", 0701, 1)}, 1}, {{{"a/.wh..wh..opq"}}, 1}, {{{"a/x"}}, 1}},
         3,
         2,
         "a",
         0701,
         1},
        {"emptied by the layer itself, above it",
         {{{FOLDER("a", 0701, 1), FOLDER("a/b", 0702, 2)}, 2},
          {{{"a/.wh..wh..opq"}, {"a/b/x"}}, 2}},
         2,
         1,
         "a/b",
         0755,
         0},
        {"the root", {{{FOLDER(".", 0711, 5)}, 1}, {{{"x"}}, 1}}, 2, 1, ".", 0711, 5},
    };
    Fixture *fixture = *state;

    if (geteuid() != 0)
        skip();
    EACH_ROW_OF(i, ARRAY_LEN(rows) * 2, "rows times 2", rows[i / 2].what) {
        size_t row = i / 2, order[3] = {0, 1, 2};
        struct stat st;

        for (size_t j = 0; i % 2 && j < rows[row].n; j++)
            order[j] = rows[row].n - 1 - j;
        make_layered_archive(fixture->file, rows[row].layers, rows[row].n, order);
        assert_string_equal(import(fixture), "docker.io/library/layered:latest");
        st = stat_in(&(Image[]){find(fixture, "layered")}[0], rows[row].layer, rows[row].path);
        if ((st.st_mode & 07777) != rows[row].mode || st.st_uid != rows[row].uid)
            fail_msg("%s: %o of %u", rows[row].what, st.st_mode, st.st_uid);
        assert_int_equal(image_remove(fixture->store, "layered", NULL), 0);
        assert_int_equal(count(fixture, "layers"), 0);
    }
}

/* The same layer on top of two bases, in one archive, is one thing on each. */
static void a_layer_is_kept_once_for_each_base(void **state)
{
    static const LayerTar rows[][2] = {{{{FOLDER("var", 0700, 7)}, 1}, {{{"var/x"}}, 1}},
                                       {{{FOLDER("var", 0750, 8)}, 1}, {{{"var/x"}}, 1}}};
    Fixture *fixture = *state;

    if (geteuid() != 0)
        skip();
    for (size_t i = 0; i < 2; i++) {
        Image image;

        make_layered_archive(fixture->file, rows[i], 2, (size_t[]){0, 1});
        assert_string_equal(import(fixture), "docker.io/library/layered:latest");
        image = find(fixture, "layered");
        assert_int_equal(stat_in(&image, 1, "var").st_uid, 7 + i);
    }
    assert_int_equal(count(fixture, "layers"), 8); /* and their sizes; the first lost its name */
}

/* What a layer removes and makes anew shows nothing of what was there. */
static void a_folder_in_place_of_a_whiteout_hides_what_is_below(void **state)
{
    static const LayerTar rows[][2] = {
        {{{FOLDER("a", 0700, 7), {"a/old"}}, 2}, {{{".wh.a"}, FOLDER("a", 0755, 0)}, 2}},
        {{{FOLDER("a", 0700, 7), {"a/old"}}, 2}, {{FOLDER("a", 0755, 0), {".wh.a"}}, 2}}};
    Fixture *fixture = *state;

    if (geteuid() != 0)
        skip();
    EACH_ROW(i, rows, NULL) {
        char value = 0;
        Image image;

        make_layered_archive(fixture->file, rows[i], 2, (size_t[]){0, 1});
        assert_string_equal(import(fixture), "docker.io/library/layered:latest");
        image = find(fixture, "layered");
        assert_true(S_ISDIR(stat_in(&image, 1, "a").st_mode));
        assert_int_equal(lgetxattr(arena_printf(&fixture->arena, "%s/a", image.layers.v[1]),
                                   "trusted.overlay.opaque", &value, 1),
                         1);
        assert_int_equal(value, 'y');
    }
}

static void make_oci_archive(Fixture *fixture, const char *annotations, bool wrong_layer)
{
    _strbuf_ StrBuf plain = make_tar(simple, 1, TAR_PLAIN), layer = make_tar(simple, 1, TAR_ZSTD);
    Archive archive = {0};
    Arena *arena = &archive.arena;
    char diff_id[DIGEST_TEXT];
    const char *config, *blob, *manifest, *other, *index;

    digest_of(strbuf_bytes(&plain), diff_id);
    if (wrong_layer)
        diff_id[10] = diff_id[10] == '0' ? '1' : '0';
    config = archive_add_blob(&archive, bytes_from_string(make_config(
                                            arena, arena_printf(arena, "\"%s\"", diff_id), "oci")));
    blob = archive_add_blob(&archive, strbuf_bytes(&layer));
    manifest = archive_add_blob(
        &archive, bytes_from_string(
                      arena_printf(arena, "{\"schemaVersion\":2,\"config\":%s,\"layers\":[%s]}",
                                   descriptor(arena, config, ""), descriptor(arena, blob, ""))));
    other = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
    index = archive_add_blob(
        &archive,
        bytes_from_string(arena_printf(
            arena, "{\"schemaVersion\":2,\"manifests\":[%s,%s,%s]}",
            descriptor(arena, other, "\"platform\":{\"os\":\"linux\",\"architecture\":\"mips\"}"),
            descriptor(arena, manifest,
                       "\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}"),
            descriptor(arena, other,
                       "\"platform\":{\"os\":\"unknown\",\"architecture\":\"unknown\"}"))));
    archive_add(&archive, "index.json",
                bytes_from_string(arena_printf(arena, "{\"schemaVersion\":2,\"manifests\":[%s]}",
                                               descriptor(arena, index, annotations))));
    archive_save(&archive, fixture->file, TAR_GZIP);
    arena_clear(arena);
}

static void an_oci_layout_becomes_an_image(void **state)
{
    Fixture *fixture = *state;
    Image image;

#ifndef __x86_64__
    skip();
#endif
    make_oci_archive(
        fixture,
        "\"annotations\":{\"io.containerd.image.name\":\"example.com:5000/team/app:2\","
        "\"org.opencontainers.image.ref.name\":\"2\"}",
        false);
    assert_string_equal(import(fixture), "example.com:5000/team/app:2");
    image = find(fixture, "example.com:5000/team/app:2");
    assert_string_equal(image.env.v[1], "A=oci");
    assert_true(digest_is_valid(image.digest));
    assert_int_equal(stat_in(&image, 0, "app").st_mode, S_IFREG | 0755);
    assert_string_equal(
        find(fixture, arena_printf(&fixture->arena, "example.com:5000/team/app@%s", image.digest))
            .id,
        image.id);
    make_oci_archive(fixture, "\"annotations\":{\"org.opencontainers.image.ref.name\":\"3\"}",
                     false);
    assert_string_equal(import(fixture), "localhost/app:3");
    make_oci_archive(fixture, "", false);
    assert_true(digest_is_valid(import(fixture)));
    make_oci_archive(fixture, "", true);
    assert_non_null(strstr(import(fixture), "a layer has the digest"));
}

static void a_wrong_digest_is_refused(void **state)
{
    Fixture *fixture = *state;
    Archive archive = {0};
    const char *digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

    archive_add(&archive, arena_printf(&archive.arena, "blobs/sha256/%s", digest_hex(digest)),
                bytes_from_string("{}"));
    archive_add(&archive, "index.json",
                bytes_from_string(arena_printf(&archive.arena, "{\"manifests\":[%s]}",
                                               descriptor(&archive.arena, digest, ""))));
    archive_save(&archive, fixture->file, TAR_PLAIN);
    assert_non_null(strstr(import(fixture), "instead of sha256:1111"));
    arena_clear(&archive.arena);
}

/* ---- names and layers together ---- */

static void shared_layers_go_with_their_last_image(void **state)
{
    Fixture *fixture = *state;
    const char *first;

    make_docker_archive(fixture->file, "a", simple, 1, TAR_PLAIN);
    import(fixture);
    make_docker_archive(fixture->file, "b", simple, 1, TAR_PLAIN);
    import(fixture);
    assert_int_equal(count(fixture, "layers"), 2); /* one, and its size */
    assert_int_equal(image_remove(fixture->store, "a", NULL), 0);
    assert_int_equal(count(fixture, "layers"), 2);
    assert_int_equal(count(fixture, "blobs"), 1);
    assert_int_equal(image_remove(fixture->store, "b", NULL), 0);
    assert_int_equal(image_remove(fixture->store, "b", NULL), IMAGE_E_MISSING);
    assert_int_equal(count(fixture, "layers"), 0);
    assert_int_equal(count(fixture, "blobs"), 0);

    make_docker_archive(fixture->file, "a", simple, 1, TAR_PLAIN);
    import(fixture);
    first = find(fixture, "a").id;
    make_docker_archive(fixture->file, "a", bad_layers[5].entries, 1, TAR_PLAIN);
    import(fixture);
    assert_string_not_equal(find(fixture, "a").id, first);
    assert_string_equal(find(fixture, first).name, first); /* it lost its name, not its life */
    assert_int_equal(image_remove(fixture->store, first, NULL), 0);
    assert_int_equal(find_outcome(fixture, first), IMAGE_E_MISSING);
}

static void a_builtin_archive_is_imported_on_first_use(void **state)
{
    Fixture *fixture = *state;
    const char *archive = arena_printf(&fixture->arena, "%s/time-server.tar", fixture->builtin);
    const char *id;

    make_docker_archive(archive, "time-server:latest", simple, 1, TAR_GZIP);
    image_store_close(fixture->store);
    open_store(fixture);
    assert_int_equal(count(fixture, "names"), 0);
    assert_int_equal(find_outcome(fixture, "other"), IMAGE_E_MISSING);
    assert_int_equal(count(fixture, "names"), 0);
    id = find(fixture, "localhost/time-server:latest").id;
    assert_string_equal(find(fixture, "time-server").id, id);
    /* A newer program brings a newer image. */
    make_docker_archive(archive, "time-server:latest", bad_layers[5].entries, 1, TAR_GZIP);
    image_store_close(fixture->store);
    open_store(fixture);
    assert_string_not_equal(find(fixture, "time-server").id, id);
    /* What a person has imported stays. */
    make_docker_archive(fixture->file, "time-server:latest", simple, 1, TAR_GZIP);
    import(fixture);
    assert_string_equal(find(fixture, "time-server").id, id);
    /* The names may stand beside the archive. */
    file_replace(arena_printf(&fixture->arena, "%s.names", archive), "elsewhere:1\n", 12, 0600);
    image_store_close(fixture->store);
    open_store(fixture);
    assert_int_equal(find_outcome(fixture, "elsewhere"), IMAGE_E_MISSING);
}

static void a_builtin_image_answers_to_other_names_with_any_tag(void **state)
{
    static const char names[] = "localhost/own/box:latest\nbox:*\nregistry.example/box:*\n";
    static const char *const yes[] = {"box",
                                      "box:1.28",
                                      "docker.io/library/box:musl",
                                      "localhost/box",
                                      "registry.example/box:3.10",
                                      "localhost/own/box"};
    static const char *const no[] = {"boxes", "other/box", "example.com/box", "localhost/own/box:2",
                                     "box@sha256:" X64};
    Fixture *fixture = *state;
    const char *archive = arena_printf(&fixture->arena, "%s/box.tar", fixture->builtin), *id;

    make_docker_archive(archive, "localhost/own/box:latest", simple, 1, TAR_GZIP);
    file_replace(arena_printf(&fixture->arena, "%s.names", archive), names, strlen(names), 0600);
    image_store_close(fixture->store);
    open_store(fixture);
    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        assert_int_equal(find_outcome(fixture, no[i]), IMAGE_E_MISSING);
    assert_int_equal(count(fixture, "names"), 0);
    id = find(fixture, "box:1.28").id;
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        assert_string_equal(find(fixture, yes[i]).id, id);
        assert_true(find(fixture, yes[i]).builtin);
    }
    assert_int_equal(count(fixture, "names"), 1);
    /* It is called as it was asked for. */
    assert_string_equal(find(fixture, "box:1.28").name, "docker.io/library/box:1.28");
    /* What somebody imports or pulls under such a name wins, and only under this one. */
    make_docker_archive(fixture->file, "box:1.28", bad_layers[5].entries, 1, TAR_GZIP);
    import(fixture);
    assert_string_not_equal(find(fixture, "box:1.28").id, id);
    assert_false(find(fixture, "box:1.28").builtin);
    assert_string_equal(find(fixture, "box:1.36").id, id);
    assert_int_equal(count(fixture, "names"), 2);
}

static void note_listed(void *data, const Image *image)
{
    strbuf_printf(data, "%s %zu %d;", image->name, image->layers.n, image->size > 0);
}

static void a_builtin_archive_is_listed_before_its_first_use(void **state)
{
    Fixture *fixture = *state;
    const char *archive = arena_printf(&fixture->arena, "%s/time-server.tar", fixture->builtin);
    _strbuf_ StrBuf before = STRBUF_INIT, after = STRBUF_INIT;

    make_docker_archive(archive, "time-server:latest", simple, 1, TAR_GZIP);
    make_docker_archive(fixture->file, "app", simple, 1, TAR_PLAIN);
    image_store_close(fixture->store);
    open_store(fixture);
    import(fixture);
    image_list(fixture->store, &fixture->arena, note_listed, &before);
    assert_string_equal(
        strbuf_string(&before),
        "docker.io/library/app:latest 1 1;docker.io/library/time-server:latest 0 1;");
    assert_int_equal(count(fixture, "names"), 1);
    image_bring(fixture->store, "nowhere");
    assert_int_equal(count(fixture, "names"), 1);
    image_bring(fixture->store, "time-server");
    assert_int_equal(count(fixture, "names"), 2);
    image_list(fixture->store, &fixture->arena, note_listed, &after);
    assert_string_equal(
        strbuf_string(&after),
        "docker.io/library/app:latest 1 1;docker.io/library/time-server:latest 1 1;");
}

static void on_imported(void *data, const StringArray *names, const Err *err)
{
    *(char **)data = mem_strdup(names ? names->v[0] : err->message);
}

static void an_import_can_run_beside_the_loop(void **state)
{
    Fixture *fixture = *state;
    char *result = NULL;

    make_docker_archive(fixture->file, "app", simple, 1, TAR_PLAIN);
    image_import_async(fixture->store, fixture->file, 0, on_imported, &result);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_string_equal(result, "docker.io/library/app:latest");
    free(result);
    image_import_async(fixture->store, "/nonexistent/x.tar", 0, on_imported, &result);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_non_null(strstr(result, "No such file"));
    free(result);
}

static void a_crash_leaves_the_old_or_the_new(void **state)
{
#ifdef FAULT_POINTS
    Fixture *fixture = *state;
    static const char *const points[] = {"image.layer", "image.name"};

    make_docker_archive(fixture->file, "app", simple, 1, TAR_PLAIN);
    EACH_ROW(i, points, points[i]) {
        fault_arm(points[i], 1);
        import(fixture);
        fault_arm("", 0);
        assert_int_equal(find_outcome(fixture, "app"), IMAGE_E_MISSING);
        assert_int_equal(count(fixture, "tmp"), 0);
        image_store_close(fixture->store);
        open_store(fixture);
        assert_int_equal(count(fixture, "layers"), 0);
        assert_int_equal(count(fixture, "blobs"), 0);
    }
    import(fixture);
    find(fixture, "app");
#endif
}

static void append_name(void *data, const Image *image)
{
    strbuf_printf(data, "%s ", image->name);
}

static void the_list_is_sorted(void **state)
{
    Fixture *fixture = *state;
    _strbuf_ StrBuf names = STRBUF_INIT;

    make_docker_archive(fixture->file, "b", simple, 1, TAR_PLAIN);
    import(fixture);
    make_docker_archive(fixture->file, "a", simple, 1, TAR_PLAIN);
    import(fixture);
    image_list(fixture->store, &fixture->arena, append_name, &names);
    assert_string_equal(strbuf_string(&names),
                        "docker.io/library/a:latest docker.io/library/b:latest ");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_docker_archive_becomes_an_image),
        TEST(everything_in_a_layer_arrives),
        TEST(a_layer_cannot_reach_out),
        TEST(sizes_are_limited),
        TEST(a_folder_that_is_not_listed_looks_as_below),
        TEST(a_layer_is_kept_once_for_each_base),
        TEST(a_folder_in_place_of_a_whiteout_hides_what_is_below),
        TEST(damaged_files_are_refused),
        TEST(an_oci_layout_becomes_an_image),
        TEST(a_wrong_digest_is_refused),
        TEST(shared_layers_go_with_their_last_image),
        TEST(a_builtin_archive_is_imported_on_first_use),
        TEST(a_builtin_image_answers_to_other_names_with_any_tag),
        TEST(a_builtin_archive_is_listed_before_its_first_use),
        TEST(an_import_can_run_beside_the_loop),
        TEST(a_crash_leaves_the_old_or_the_new),
        TEST(the_list_is_sorted),
    };

    if (geteuid() != 0)
        return 77; /* owners, devices and whiteouts need root */
    return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
