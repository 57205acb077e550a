/* SPDX-License-Identifier: Apache-2.0 */
/* Folders and programs become images that import takes. */
#include "image_archive.h"

#include <fcntl.h>
#include <uv.h>

#include "image/make.h"

typedef struct Fixture {
    char dir[40];
    const char *archive, *root;
    ImageStore *store;
    Arena arena;
} Fixture;

static int set_up(void **state)
{
    Fixture *f = mem_new_type(Fixture);
    Err err = ERR_INIT;

    snprintf(f->dir, sizeof(f->dir), "/tmp/stead-make-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->archive = arena_printf(&f->arena, "%s/made.tar", f->dir);
    f->root = arena_printf(&f->arena, "%s/root", f->dir);
    assert_int_equal(
        image_store_open(NULL, arena_printf(&f->arena, "%s/images", f->dir), NULL, &f->store, &err),
        0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;

    image_store_close(f->store);
    assert_int_equal(file_remove_tree(f->dir), 0);
    arena_clear(&f->arena);
    free(f);
    return 0;
}

static const char *at(Fixture *f, const char *path)
{
    return arena_printf(&f->arena, "%s/%s", f->root, path);
}

static void write_file(Fixture *f, const char *path, const char *text, mode_t mode)
{
    assert_int_equal(file_mkdir_for(at(f, path), 0755), 0);
    assert_int_equal(file_write_atomic(at(f, path), text, strlen(text), mode), 0);
    assert_int_equal(chmod(at(f, path), mode), 0);
}

/* Makes it, imports it, finds it; "" or the message. */
static const char *make(Fixture *f, const ImageRecipe *recipe, Image *ret)
{
    StringArray names = {0};
    Err err = ERR_INIT;

    if (image_make(recipe, f->archive, &err) < 0 ||
        image_import(f->store, f->archive, 0, &names, &f->arena, &err) < 0 ||
        image_find(f->store, recipe->name, &f->arena, ret, &err))
        return arena_strdup(&f->arena, err.message);
    return "";
}

static struct stat stat_in(Fixture *f, const Image *image, size_t layer, const char *path)
{
    struct stat st;

    assert_int_equal(lstat(arena_printf(&f->arena, "%s/%s", image->layers.v[layer], path), &st), 0);
    return st;
}

typedef struct Seen {
    int64_t read, written, all;
} Seen;

static void on_bytes(void *data, int64_t done, int64_t all)
{
    Seen *seen = data;

    assert_true(done >= (all ? seen->written : seen->read));
    *(all ? &seen->written : &seen->read) = done;
    seen->all = all;
}

static void making_an_image_reports_its_progress(void **state)
{
    Fixture *f = *state;
    Seen seen = {0};
    ImageRecipe recipe = {
        .name = "site:1", .source = f->root, .on_bytes = on_bytes, .on_bytes_data = &seen};
    _free_ char *text = mem_new(1 << 20);
    Image image;

    memset(text, 'x', (1 << 20) - 1);
    write_file(f, "big", text, 0644);
    assert_string_equal(make(f, &recipe, &image), "");
    assert_true(seen.read > 1 << 20);
    assert_int_equal(seen.written, seen.all);
    assert_int_equal(seen.read, seen.all);
}

static bool is_empty(const Fixture *f, const char *folder)
{
    _free_ char *path = mem_printf("%s/images/%s", f->dir, folder);

    return rmdir(path) == 0 && mkdir(path, 0700) == 0;
}

static void an_interrupted_import_leaves_nothing(void **state)
{
    Fixture *f = *state;
    ImageRecipe recipe = {.name = "site:1", .source = f->root};
    atomic_bool stop = true;
    Image image;

    write_file(f, "big", "words", 0644);
    image_store_stop_on(f->store, &stop);
    assert_non_null(strstr(make(f, &recipe, &image), "the import was interrupted"));
    assert_true(is_empty(f, "tmp") && is_empty(f, "layers") && is_empty(f, "names"));
    stop = false;
    assert_string_equal(make(f, &recipe, &image), "");
}

static void a_folder_becomes_an_image(void **state)
{
    Fixture *f = *state;
    const char *env[] = {"A=b"}, *command[] = {"/app/run", "--now"};
    ImageRecipe recipe = {.name = "site:1",
                          .source = f->root,
                          .env = {.v = (void *)env, .n = 1},
                          .command = {.v = (void *)command, .n = 2},
                          .working_dir = "/app",
                          .user = "1000"};
    Image image;
    struct stat st;

    write_file(f, "app/run", "#!/bin/sh\n", 0755);
    write_file(f, "app/caf\xc3\xa9.txt", "words", 0640);
    assert_int_equal(symlink("run", at(f, "app/start")), 0);
    assert_int_equal(mkfifo(at(f, "app/pipe"), 0600), 0);
    assert_int_equal(chown(f->root, 1234, 1234), 0);
    assert_int_equal(chown(at(f, "app/run"), 1234, 1234), 0);
    assert_int_equal(chown(at(f, "app/caf\xc3\xa9.txt"), 70, 71), 0);
    assert_string_equal(make(f, &recipe, &image), "");
    assert_string_equal(image.env.v[0], "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
                                        "/sbin:/bin");
    assert_string_equal(image.env.v[1], "A=b");
    assert_int_equal(image.entrypoint.n, 2);
    assert_string_equal(image.entrypoint.v[1], "--now");
    assert_string_equal(image.working_dir, "/app");
    assert_string_equal(image.user, "1000");
    assert_true(image.created > 1600000000);
    st = stat_in(f, &image, 0, "app/run");
    assert_int_equal(st.st_mode, S_IFREG | 0755);
    assert_int_equal(st.st_uid, 0); /* the folder's owner is root in the image */
    st = stat_in(f, &image, 0, "app/caf\xc3\xa9.txt");
    assert_int_equal(st.st_uid, 70);
    assert_int_equal(st.st_gid, 71);
    assert_int_equal(st.st_size, 5);
    assert_true(S_ISLNK(stat_in(f, &image, 0, "app/start").st_mode));
    assert_false(file_exists(arena_printf(&f->arena, "%s/app/pipe", image.layers.v[0])));
}

static void the_same_files_make_the_same_image(void **state)
{
    Fixture *f = *state;
    ImageRecipe recipe = {.name = "same", .source = f->root};
    Image first, second;

    write_file(f, "b", "1", 0644);
    write_file(f, "a/c", "2", 0644);
    assert_string_equal(make(f, &recipe, &first), "");
    assert_string_equal(make(f, &recipe, &second), "");
    assert_string_equal(first.id, second.id);
    write_file(f, "b", "3", 0644);
    assert_string_equal(make(f, &recipe, &second), "");
    assert_string_not_equal(first.id, second.id);
}

static void an_image_stands_on_another(void **state)
{
    Fixture *f = *state;
    const char *env[] = {"A=new", "B=2"}, *first_env[] = {"A=old"}, *command[] = {"/base"};
    ImageRecipe recipe = {.name = "base:1",
                          .source = f->root,
                          .env = {.v = (void *)first_env, .n = 1},
                          .command = {.v = (void *)command, .n = 1},
                          .user = "7"};
    Err err = ERR_INIT;
    Image base, image;

    write_file(f, "base", "below", 0755);
    assert_string_equal(make(f, &recipe, &base), "");
    assert_int_equal(file_remove_tree(f->root), 0);
    write_file(f, "top", "above", 0755);
    recipe = (ImageRecipe){.name = "top:1", .source = f->root, .env = {.v = (void *)env, .n = 2}};
    assert_int_equal(image_read_config(f->store, "base:1", &f->arena, &recipe.base, &err), 0);
    assert_string_equal(make(f, &recipe, &image), "");
    assert_int_equal(image.layers.n, 2);
    assert_string_equal(image.layers.v[0], base.layers.v[0]);
    stat_in(f, &image, 1, "top");
    assert_int_equal(image.env.n, 3);
    assert_string_equal(image.env.v[1], "A=new");
    assert_string_equal(image.env.v[2], "B=2");
    assert_string_equal(image.entrypoint.v[0], "/base");
    assert_string_equal(image.user, "7");
    assert_int_equal(image_read_config(f->store, "none", &f->arena, &recipe.base, &err),
                     IMAGE_E_MISSING);
    assert_string_equal(err.message, "there is no image none on this machine");
}

static void a_base_that_went_away_is_missed(void **state)
{
    Fixture *f = *state;
    ImageRecipe recipe = {.name = "base:1", .source = f->root};
    Err err = ERR_INIT;
    Image image;

    write_file(f, "base", "below", 0755);
    assert_string_equal(make(f, &recipe, &image), "");
    assert_int_equal(image_read_config(f->store, "base:1", &f->arena, &recipe.base, &err), 0);
    assert_int_equal(image_remove(f->store, "base:1", &err), 0);
    recipe.name = "top:1";
    write_file(f, "top", "above", 0755);
    assert_non_null(strstr(make(f, &recipe, &image), "is missing"));
}

/* An ELF head with one part, which asks for a loader or does not. */
static void write_program(Fixture *f, const char *path, const char *loader)
{
    struct {
        uint8_t head[64], part[56];
        char loader[32];
    } elf = {
        .head = {0x7f, 'E', 'L', 'F', 2, 1, 1, [32] = 64, [54] = 56, [56] = 1},
        .part = {loader ? 3 : 1, [8] = 120, [32] = (uint8_t)(loader ? strlen(loader) + 1 : 1)}};

    if (loader)
        memcpy(elf.loader, loader, strlen(loader));
    assert_int_equal(file_mkdir_for(at(f, path), 0755), 0);
    assert_int_equal(file_write_atomic(at(f, path), &elf, sizeof(elf), 0644), 0);
}

static void a_program_becomes_an_image_if_it_needs_nothing(void **state)
{
    Fixture *f = *state;
    ImageRecipe recipe = {.name = "web", .source = at(f, "web")};
    const char *said;
    Image image;

    write_program(f, "web", NULL);
    assert_string_equal(make(f, &recipe, &image), "");
    assert_string_equal(image.entrypoint.v[0], "/usr/bin/web");
    assert_int_equal(stat_in(f, &image, 0, "usr/bin/web").st_mode, S_IFREG | 0755);
    write_program(f, "web", "/lib64/ld.so.2");
    said = make(f, &recipe, &image);
    assert_non_null(strstr(said, "web is not static: it needs /lib64/ld.so.2, which"));
}

static void a_program_leaves_the_folders_of_its_base_alone(void **state)
{
    Fixture *f = *state;
    ImageRecipe recipe = {.name = "base:1", .source = f->root};
    struct stat st;
    Image image;

    write_file(f, "usr/bin/other", "below", 0755);
    assert_int_equal(chmod(at(f, "usr/bin"), 0711), 0);
    assert_int_equal(chown(at(f, "usr/bin"), 7, 8), 0);
    assert_string_equal(make(f, &recipe, &image), "");
    write_program(f, "web", NULL);
    recipe = (ImageRecipe){.name = "top:1", .source = at(f, "web")};
    assert_int_equal(image_read_config(f->store, "base:1", &f->arena, &recipe.base, NULL), 0);
    assert_string_equal(make(f, &recipe, &image), "");
    st = stat_in(f, &image, 1, "usr/bin");
    assert_int_equal(st.st_mode, S_IFDIR | 0711);
    assert_int_equal(st.st_uid, 7);
    assert_int_equal(st.st_gid, 8);
}

static void what_cannot_be_packed_is_named(void **state)
{
    Fixture *f = *state;
    ImageRecipe recipe = {.name = "web", .source = "/no/such"};
    Image image;

    assert_string_equal(make(f, &recipe, &image), "open /no/such: No such file or directory");
    recipe.source = "/dev/null";
    assert_string_equal(make(f, &recipe, &image), "/dev/null is neither a folder nor a program");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_folder_becomes_an_image),
        TEST(making_an_image_reports_its_progress),
        TEST(an_interrupted_import_leaves_nothing),
        TEST(the_same_files_make_the_same_image),
        TEST(an_image_stands_on_another),
        TEST(a_base_that_went_away_is_missed),
        TEST(a_program_becomes_an_image_if_it_needs_nothing),
        TEST(a_program_leaves_the_folders_of_its_base_alone),
        TEST(what_cannot_be_packed_is_named),
    };

    if (geteuid() != 0)
        return 77; /* owners need root */
    return cmocka_run_group_tests_name("make", tests, NULL, NULL);
}
