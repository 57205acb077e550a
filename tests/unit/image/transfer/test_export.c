/* SPDX-License-Identifier: Apache-2.0 */
/* What leaves the store comes back the same. */
#include "../image_archive.h"

#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <uv.h>

#include "image/transfer/transfer.h"

typedef struct Fixture {
    char dir[40];
    const char *file;
    uv_loop_t loop;
    ImageStore *store, *other;
    Arena arena;
} Fixture;

static int set_up(void **state)
{
    Fixture *f = mem_new_type(Fixture);

    snprintf(f->dir, sizeof(f->dir), "/tmp/stead-export-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->file = arena_printf(&f->arena, "%s/app.tar", f->dir);
    uv_loop_init(&f->loop);
    assert_int_equal(
        image_store_open(&f->loop, arena_printf(&f->arena, "%s/a", f->dir), NULL, &f->store, NULL),
        0);
    assert_int_equal(
        image_store_open(&f->loop, arena_printf(&f->arena, "%s/b", f->dir), NULL, &f->other, NULL),
        0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;

    image_store_close(f->store);
    image_store_close(f->other);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    assert_int_equal(file_remove_tree(f->dir), 0);
    arena_clear(&f->arena);
    free(f);
    return 0;
}

static const TarEntry lower[] = {
    {.path = "bin/app", .data = "program", .mode = S_IFREG | 04755},
    {.path = "bin/again", .hardlink = "bin/app"},
    {.path = "etc/a", .data = "a", .uid = 7, .gid = 8, .xattr = "user.note", .xattr_value = "kept"},
    {.path = "etc/old/b", .data = "b"},
    {.path = "gone", .data = "c"},
    {.path = "link", .mode = S_IFLNK | 0777, .symlink = "bin/app"},
};
static const TarEntry upper[] = {
    {.path = ".wh.gone"},
    {.path = "etc/old", .mode = S_IFDIR | 0700},
    {.path = "etc/old/.wh..wh..opq"},
    {.path = "etc/old/new", .data = "new"},
};

static void import_two_layers(Fixture *f)
{
    _strbuf_ StrBuf one = make_tar(lower, ARRAY_LEN(lower), TAR_PLAIN),
                    two = make_tar(upper, ARRAY_LEN(upper), TAR_GZIP),
                    two_plain = make_tar(upper, ARRAY_LEN(upper), TAR_PLAIN);
    char first[DIGEST_TEXT], second[DIGEST_TEXT];
    Archive archive = {0};

    digest_of(strbuf_bytes(&one), first);
    digest_of(strbuf_bytes(&two_plain), second);
    archive_add(&archive, "1.tar", strbuf_bytes(&one));
    archive_add(&archive, "2.tar", strbuf_bytes(&two));
    archive_add(
        &archive, "config.json",
        bytes_from_string(make_config(
            &archive.arena, arena_printf(&archive.arena, "\"%s\",\"%s\"", first, second), "x")));
    archive_add(&archive, "manifest.json",
                BYTES_LITERAL("[{\"Config\":\"config.json\",\"RepoTags\":[\"app:1\"],\"Layers\":["
                              "\"1.tar\",\"2.tar\"]}]"));
    archive_save(&archive, f->file, TAR_PLAIN);
    arena_clear(&archive.arena);
    assert_int_equal(image_import(f->store, f->file, 0, NULL, NULL, NULL), 0);
}

static struct stat look(Fixture *f, const Image *image, size_t layer, const char *name)
{
    struct stat st;

    if (lstat(arena_printf(&f->arena, "%s/%s", image->layers.v[layer], name), &st) < 0)
        fail_msg("%s: %s", name, strerror(errno));
    return st;
}

static void an_export_can_be_imported_again(void **state)
{
    Fixture *f = *state;
    const char *names[] = {"app:1"};
    StringArray list = {names, 1}, imported;
    char value[8] = "", id[DIGEST_TEXT];
    Err err = ERR_INIT;
    Image image, first;

    if (geteuid() != 0)
        skip();
    import_two_layers(f);
    assert_int_equal(image_find(f->store, "app:1", &f->arena, &first, NULL), 0);
    assert_int_equal(image_export(f->store, &list, f->file, &err), 0);
    assert_int_equal(image_import(f->other, f->file, 0, &imported, &f->arena, &err), 0);
    assert_int_equal(imported.n, 1);
    assert_int_equal(image_find(f->other, "app:1", &f->arena, &image, NULL), 0);
    assert_int_equal(image.layers.n, 2);
    assert_int_equal(image.size, first.size);
    assert_string_equal(image.user, "app");
    assert_string_equal(image.entrypoint.v[0], "/app");
    assert_int_equal(look(f, &image, 0, "bin/app").st_mode, S_IFREG | 04755);
    assert_int_equal(look(f, &image, 0, "bin/app").st_ino, look(f, &image, 0, "bin/again").st_ino);
    assert_int_equal(look(f, &image, 0, "etc/a").st_uid, 7);
    assert_int_equal(look(f, &image, 0, "etc/a").st_mtime, 1000000000);
    assert_true(S_ISLNK(look(f, &image, 0, "link").st_mode));
    assert_true(S_ISCHR(look(f, &image, 1, "gone").st_mode));
    assert_int_equal(look(f, &image, 1, "etc/old").st_mode, S_IFDIR | 0700);
    assert_int_equal(
        getxattr(arena_printf(&f->arena, "%s/etc/a", image.layers.v[0]), "user.note", value, 4), 4);
    assert_int_equal(getxattr(arena_printf(&f->arena, "%s/etc/old", image.layers.v[1]),
                              "trusted.overlay.opaque", value, 8),
                     1);
    /* From here on it stays the same, byte for byte. */
    snprintf(id, sizeof(id), "%s", image.id);
    assert_int_equal(image_export(f->other, &list, f->file, &err), 0);
    assert_int_equal(image_import(f->store, f->file, 0, NULL, NULL, &err), 0);
    assert_int_equal(image_find(f->store, "app:1", &f->arena, &image, NULL), 0);
    assert_string_equal(image.id, id);
}

static void what_is_not_there_is_not_exported(void **state)
{
    Fixture *f = *state;
    const char *names[] = {"nothing:1"};
    StringArray list = {names, 1};
    Err err = ERR_INIT;

    assert_int_equal(image_export(f->store, &list, f->file, &err), IMAGE_E_MISSING);
    assert_string_equal(err.message, "there is no image nothing:1 on this machine");
    assert_false(file_exists(f->file));
    names[0] = "app:1";
    import_two_layers(f);
    assert_true(image_export(f->store, &list, "/nowhere/app.tar", &err) < 0);
}

static void a_tag_is_another_name(void **state)
{
    Fixture *f = *state;
    Image image, same;
    const char *name;

    import_two_layers(f);
    assert_int_equal(image_find(f->store, "app:1", &f->arena, &image, NULL), 0);
    assert_int_equal(image_tag(f->store, "app:1", "localhost:5000/app:2", &f->arena, &name, NULL),
                     0);
    assert_string_equal(name, "localhost:5000/app:2");
    assert_int_equal(image_remove(f->store, "app:1", NULL), 0);
    assert_int_equal(image_find(f->store, "localhost:5000/app:2", &f->arena, &same, NULL), 0);
    assert_string_equal(image.id, same.id);
    assert_int_equal(image_tag(f->store, "app:1", "x", &f->arena, &name, NULL), IMAGE_E_MISSING);
    assert_true(image_tag(f->store, image.id, "No Name", &f->arena, &name, NULL) < 0);
}

static void a_removed_image_stays_while_it_is_held(void **state)
{
    Fixture *f = *state;
    Image image;

    import_two_layers(f);
    assert_int_equal(image_find(f->store, "app:1", &f->arena, &image, NULL), 0);
    image_hold(f->store);
    assert_int_equal(image_remove(f->store, "app:1", NULL), 0);
    look(f, &image, 0, "etc/a");
    image_release(f->store);
    import_two_layers(f);
    assert_int_equal(image_remove(f->store, "app:1", NULL), 0);
    assert_false(file_exists(image.layers.v[0]));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(an_export_can_be_imported_again),
        TEST(what_is_not_there_is_not_exported),
        TEST(a_tag_is_another_name),
        TEST(a_removed_image_stays_while_it_is_held),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
