/* SPDX-License-Identifier: Apache-2.0 */
/* Which images are removed when the disk is full, and what is left of them. */
#include <uv.h>

#include "../image_archive.h"
#include "image/internal.h"

#define LAYER (64 << 10)
#define NOW 1700000000

typedef struct Fixture {
    char dir[64];
    char *file;
    uv_loop_t loop;
    ImageStore *store;
    Arena arena;
    const char *used; /* the name of an image that is used, or NULL */
    StrBuf removed;
    int64_t freed;
} Fixture;

static int set_up(void **state)
{
    Fixture *f = mem_new_type(Fixture);
    _free_ char *data = NULL;

    snprintf(f->dir, sizeof(f->dir), "/tmp/stead-collect-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    data = mem_printf("%s/images", f->dir);
    f->file = mem_printf("%s/app.tar", f->dir);
    uv_loop_init(&f->loop);
    assert_int_equal(image_store_open(&f->loop, data, NULL, &f->store, NULL), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;

    image_store_close(f->store);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    assert_int_equal(file_remove_tree(f->dir), 0);
    arena_clear(&f->arena);
    strbuf_deinit(&f->removed);
    free(f->file);
    free(f);
    return 0;
}

static ImageRecord *record_of(Fixture *f, const char *name)
{
    ImageFound found;
    ImageRecord *record = image_record_find(f->store, name, &f->arena, &found);

    assert_non_null(record);
    return record;
}

/* As if it had been stored and used at these times; seconds before NOW. */
static void set_times(Fixture *f, const char *name, int64_t stored, int64_t used)
{
    _free_ char *path = image_record_path(f->store, record_of(f, name)->name);
    struct timespec times[] = {{.tv_sec = NOW - used}, {.tv_sec = NOW - stored}};

    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* An image as if it had been pulled, with a layer of its own if there is no other of the same content. */
static void add(Fixture *f, const char *name, char content, int64_t used)
{
    char data[LAYER];
    const TarEntry entry = {.path = "data", .data = data, .n = sizeof(data)};
    StringArray names = {0};

    memset(data, content, sizeof(data));
    make_docker_archive(f->file, name, &entry, 1, TAR_PLAIN);
    assert_int_equal(image_import(f->store, f->file, 0, &names, &f->arena, NULL), 0);
    record_of(f, name)->remote = true;
    set_times(f, name, 1000, used);
}

static bool is_used(void *data, const char *id)
{
    Fixture *f = data;

    return f->used && str_equal(id, f->used);
}

static void on_collected(void *data, const StringArray *names, const char *id _unused_,
                         int64_t freed)
{
    Fixture *f = data;

    for (size_t i = 0; i < names->n; i++)
        strbuf_printf(&f->removed, "%s%.*s", f->removed.n ? " " : "",
                      (int)strcspn(strrchr(names->v[i], '/') + 1, ":"),
                      strrchr(names->v[i], '/') + 1);
    f->freed += freed;
}

/* Collects, and gives the names of what was removed, in order. */
static const char *collect(Fixture *f, int64_t bytes)
{
    const ImageCollect wanted = {.bytes = bytes,
                                 .stored_before = NOW - 120,
                                 .is_used = is_used,
                                 .each = on_collected,
                                 .data = f};
    int64_t freed;

    strbuf_truncate(&f->removed, 0);
    f->freed = 0;
    assert_int_equal(image_collect(f->store, &wanted, &freed, NULL), 0);
    assert_int_equal(freed, f->freed);
    image_sweep(f->store);
    return strbuf_string(&f->removed);
}

static bool has_layer(Fixture *f, const char *key)
{
    int64_t size;

    return image_has_layer(f->store, key, &size);
}

static void the_least_recently_used_go_first_until_enough_is_free(void **state)
{
    Fixture *f = *state;
    char layer[DIGEST_TEXT];

    add(f, "new", '1', 10);
    add(f, "old", '2', 900);
    add(f, "older", '3', 950);
    snprintf(layer, sizeof(layer), "%s", record_of(f, "older")->layers.v[0]);
    assert_true(has_layer(f, layer));
    assert_string_equal(collect(f, LAYER / 2), "older");
    assert_int_equal(f->freed, LAYER);
    assert_false(has_layer(f, layer));
    assert_string_equal(collect(f, LAYER / 2), "old");
    assert_string_equal(collect(f, INT64_MAX), "new");
    assert_string_equal(collect(f, INT64_MAX), "");
}

static void what_is_used_or_young_stays(void **state)
{
    Fixture *f = *state;

    add(f, "used", '1', 900);
    add(f, "young", '2', 900);
    add(f, "other", '3', 100);
    f->used = record_of(f, "used")->id;
    set_times(f, "young", 100, 100);
    assert_string_equal(collect(f, INT64_MAX), "other");
    assert_true(has_layer(f, record_of(f, "used")->layers.v[0]));
    assert_true(has_layer(f, record_of(f, "young")->layers.v[0]));
}

static void what_no_registry_has_stays(void **state)
{
    Fixture *f = *state;
    ImageRecord *record;
    const char *name;

    add(f, "imported", '1', 900);
    record_of(f, "imported")->remote = false;
    add(f, "tagged", '2', 900);
    assert_int_equal(image_tag(f->store, "tagged", "mine", &f->arena, &name, NULL), 0);
    add(f, "builtin", '3', 900);
    record = record_of(f, "builtin");
    free(record->stamp);
    record->stamp = mem_strdup("1");
    add(f, "dockers", '4', 900);
    record = record_of(f, "dockers");
    free(record->source);
    record->source = mem_strdup("docker");
    set_times(f, "mine", 1000, 900);
    assert_string_equal(collect(f, INT64_MAX), "");
}

static void a_name_that_was_given_here_is_known_after_a_restart(void **state)
{
    Fixture *f = *state;
    _free_ char *data = mem_printf("%s/images", f->dir);
    const char *name;

    add(f, "tagged", '2', 900);
    assert_int_equal(image_tag(f->store, "tagged", "mine", &f->arena, &name, NULL), 0);
    image_store_close(f->store);
    assert_int_equal(image_store_open(&f->loop, data, NULL, &f->store, NULL), 0);
    assert_true(record_of(f, "mine")->tagged);
    assert_true(record_of(f, "mine")->remote);
    assert_false(record_of(f, "tagged")->tagged);
}

static void a_layer_counts_when_its_last_image_goes(void **state)
{
    Fixture *f = *state;

    add(f, "one", '1', 900);
    add(f, "two", '1', 800); /* the same layer, and another config */
    add(f, "three", '2', 700);
    assert_string_equal(collect(f, LAYER), "one two");
    assert_int_equal(f->freed, LAYER);
}

static void all_names_of_an_image_go_at_its_last_use(void **state)
{
    Fixture *f = *state;
    ImageRecord *again;

    add(f, "first", '1', 900);
    add(f, "second", '2', 500);
    again = image_record_copy(record_of(f, "first"), "docker.io/library/again:latest");
    again->tagged = false;
    assert_int_equal(image_record_publish(f->store, again, NULL), 0);
    set_times(f, "again", 1000, 100);
    assert_string_equal(collect(f, LAYER), "second");
    (void)collect(f, LAYER);
    assert_non_null(strstr(strbuf_string(&f->removed), "first"));
    assert_non_null(strstr(strbuf_string(&f->removed), "again"));
    assert_int_equal(f->freed, LAYER);
}

static void nothing_is_collected_during_an_import(void **state)
{
    Fixture *f = *state;
    const ImageCollect wanted = {
        .bytes = 1, .stored_before = NOW, .is_used = is_used, .each = on_collected, .data = f};
    int64_t freed;

    add(f, "one", '1', 900);
    uv_mutex_lock(&f->store->write_lock);
    assert_int_equal(image_collect(f->store, &wanted, &freed, NULL), IMAGE_E_BUSY);
    uv_mutex_unlock(&f->store->write_lock);
    (void)record_of(f, "one");
}

static void what_is_used_is_not_forgotten(void **state)
{
    Fixture *f = *state;
    const char *name;

    add(f, "one", '1', 900);
    f->used = arena_strdup(&f->arena, record_of(f, "one")->id);
    assert_int_equal(image_forget(f->store, "one", is_used, f, &f->arena, &name, NULL),
                     IMAGE_E_USED);
    (void)record_of(f, "one");
    f->used = NULL;
    assert_int_equal(image_forget(f->store, "one", is_used, f, &f->arena, &name, NULL), 0);
    assert_string_equal(name, "docker.io/library/one:latest");
    assert_int_equal(image_forget(f->store, "one", is_used, f, &f->arena, &name, NULL),
                     IMAGE_E_MISSING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_least_recently_used_go_first_until_enough_is_free,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_used_or_young_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_no_registry_has_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_that_was_given_here_is_known_after_a_restart, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_layer_counts_when_its_last_image_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_names_of_an_image_go_at_its_last_use, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_collected_during_an_import, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_used_is_not_forgotten, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
