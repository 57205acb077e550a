/* SPDX-License-Identifier: Apache-2.0 */
/* What tools/make_image.py makes is an image: test_made ARCHIVE. */
#include "image_archive.h"

static const char *archive_path;

static void a_made_image_can_be_used(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    char dir[] = "/tmp/stead-made-XXXXXX";
    ImageStore *store = NULL;
    StringArray names = {0};
    Err err = ERR_INIT;
    struct stat st;
    Image image;

    assert_non_null(mkdtemp(dir));
    assert_int_equal(image_store_open(NULL, dir, NULL, &store, &err), 0);
    if (image_import(store, archive_path, 0, &names, &arena, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(names.n, 2);
    assert_int_equal(image_find(store, "localhost/made:latest", &arena, &image, &err), 0);
    assert_string_equal(image.entrypoint.v[0], "/bin/made");
    assert_string_equal(image.cmd.v[0], "--serve");
    assert_string_equal(image.env.v[0], "A=b");
    assert_string_equal(image.working_dir, "/data");
    assert_string_equal(image.exposed_ports.v[0], "8080/tcp");
    assert_int_equal(stat(arena_printf(&arena, "%s/bin/made", image.layers.v[0]), &st), 0);
    assert_int_equal(st.st_uid, 0);
    assert_int_equal(stat(arena_printf(&arena, "%s/data", image.layers.v[0]), &st), 0);
    assert_int_equal(st.st_mode, S_IFDIR | 01777);
    image_store_close(store);
    file_remove_tree(dir);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_made_image_can_be_used)};

    if (argc != 2 || geteuid() != 0)
        return 77;
    archive_path = argv[1];
    return cmocka_run_group_tests_name("made", tests, NULL, NULL);
}
