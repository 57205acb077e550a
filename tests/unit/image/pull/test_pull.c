/* SPDX-License-Identifier: Apache-2.0 */
/* Images from a registry: what is fetched, what is not, and what is left after everything that may go wrong. */
#include "fake_registry.h"

#include <dirent.h>

#include "image/internal.h"
#include "image/pull/pull.h"
#include "image/transfer/transfer.h"

typedef struct Fixture {
    char dir[40];
    char *data;
    uv_loop_t loop;
    ImageStore *store;
    RegistryConfig *config;
    Puller *puller;
    FakeRegistry registry;
    Arena arena;
} Fixture;

static void open_store(Fixture *f)
{
    Err err = ERR_INIT;

    assert_int_equal(image_store_open(&f->loop, f->data, NULL, &f->store, &err), 0);
    f->puller = puller_new(&f->loop, f->store, f->config);
}

static void close_store(Fixture *f)
{
    f->puller = puller_close(f->puller);
    f->store = image_store_close(f->store);
}

static int set_up(void **state)
{
    static const char *const no_folders[] = {NULL};
    Fixture *f = mem_new_type(Fixture);
    const RegistryOptions options = {
        .conf = "",
        .certs = no_folders,
        .times = {.retry_ms = 1, .stall_ms = 3000, .first_byte_ms = 5000},
    };
    Err err = ERR_INIT;

    snprintf(f->dir, sizeof(f->dir), "/tmp/stead-pull-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->data = mem_printf("%s/images", f->dir);
    uv_loop_init(&f->loop);
    assert_int_equal(registry_config_load(&options, &f->config, &err), 0);
    open_store(f);
    fake_registry_start(&f->registry, &f->loop);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;

    close_store(f);
    fake_registry_stop(&f->registry);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    registry_config_free(f->config);
    assert_int_equal(file_remove_tree(f->dir), 0);
    arena_clear(&f->arena);
    free(f->data);
    free(f);
    return 0;
}

typedef struct Outcome {
    bool done, is_new;
    int outcome;
    char message[512], id[DIGEST_TEXT], name[256];
    int64_t size;
} Outcome;

static void on_done(void *data, const PullResult *result)
{
    Outcome *o = data;

    assert_false(o->done);
    o->done = true;
    o->outcome = result->outcome;
    o->is_new = result->is_new;
    o->size = result->size;
    snprintf(o->message, sizeof(o->message), "%s", result->err.message);
    snprintf(o->id, sizeof(o->id), "%s", str_or(result->id, ""));
    snprintf(o->name, sizeof(o->name), "%s", result->name);
}

static Pull *begin(Fixture *f, const char *name, Outcome *o)
{
    PullRequest request = {.name = fake_name(&f->registry, name), .done = on_done, .data = o};
    Err err = ERR_INIT;
    Pull *pull;

    *o = (Outcome){0};
    pull = pull_begin(f->puller, &request, &err);
    assert_non_null(pull);
    return pull;
}

static void await(Fixture *f, const Outcome *o)
{
    while (!o->done)
        uv_run(&f->loop, UV_RUN_ONCE);
}

static Outcome pull(Fixture *f, const char *name)
{
    Outcome o;

    begin(f, name, &o);
    await(f, &o);
    return o;
}

static int find(Fixture *f, const char *name, Image *ret)
{
    Err err = ERR_INIT;

    *ret = (Image){0};
    return image_find(f->store, digest_is_valid(name) ? name : fake_name(&f->registry, name),
                      &f->arena, ret, &err);
}

static size_t count(Fixture *f, const char *folder)
{
    _free_ char *path = mem_printf("%s/%s", f->data, folder);
    DIR *dir = opendir(path);
    struct dirent *entry;
    size_t n = 0;

    while ((entry = readdir(dir)))
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

static const char *content(Fixture *f, const Image *image, size_t layer, const char *path)
{
    _free_ char *whole = mem_printf("%s/%s", image->layers.v[layer], path), *text = NULL;

    return file_read(whole, 1 << 20, &text, NULL) < 0 ? "" : arena_strdup(&f->arena, text);
}

static const TarEntry low[] = {{"etc", S_IFDIR | 0750}, {"etc/low", .data = "low"}};
static const TarEntry mid[] = {{"etc/mid", .data = "mid"}};
static const TarEntry top[] = {{"etc/top", .data = "top"},
                               {"bin/app", S_IFREG | 0755, .data = "#!"}};
static const TarEntry other[] = {{"etc/other", .data = "other"}};
static const FakeLayer three[] = {
    {low, 2, TAR_GZIP, NULL}, {mid, 1, TAR_ZSTD, NULL}, {top, 2, TAR_PLAIN, NULL}};

static void an_image_is_pulled_and_then_only_asked_for(void **state)
{
    Fixture *f = *state;
    const char *digest = fake_image(&f->registry, "app", "1", three, 3, "a", NULL);
    FakeContent *manifest = fake_content(&f->registry, "app", "manifests", "1");
    Outcome o = pull(f, "app:1");
    unsigned requests;
    Image image;

    assert_string_equal(o.message, "");
    assert_int_equal(o.outcome, 0);
    assert_true(o.is_new);
    assert_int_equal(manifest->heads, 0);
    assert_int_equal(manifest->gets, 1);
    assert_int_equal(find(f, "app:1", &image), 0);
    assert_true(image.remote);
    assert_string_equal(image.id, o.id);
    assert_string_equal(image.digest, digest);
    assert_int_equal(image.layers.n, 3);
    assert_string_equal(content(f, &image, 0, "etc/low"), "low");
    assert_string_equal(content(f, &image, 1, "etc/mid"), "mid");
    assert_string_equal(content(f, &image, 2, "bin/app"), "#!");
    assert_int_equal(image.size, o.size);
    assert_int_equal(count(f, "pulls"), 0);
    assert_int_equal(count(f, "tmp"), 0);
    requests = f->registry.requests;
    o = pull(f, "app:1");
    assert_int_equal(o.outcome, 0);
    assert_false(o.is_new);
    assert_string_equal(o.id, image.id);
    assert_int_equal(f->registry.requests - requests, 1);
    assert_int_equal(manifest->heads, 1);
    o = pull(f, arena_printf(&f->arena, "app@%s", digest));
    assert_int_equal(o.outcome, 0);
    assert_int_equal(find(f, arena_printf(&f->arena, "app@%s", digest), &image), 0);
}

static void folders_that_a_layer_does_not_list_look_as_below(void **state)
{
    Fixture *f = *state;
    struct stat st;
    Image image;

    fake_image(&f->registry, "app", "1", three, 3, "a", NULL);
    assert_int_equal(pull(f, "app:1").outcome, 0);
    assert_int_equal(find(f, "app:1", &image), 0);
    for (size_t i = 0; i < 3; i++) {
        _free_ char *path = mem_printf("%s/etc", image.layers.v[i]);

        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0750);
    }
}

static void a_new_version_leaves_the_old_one_by_its_id(void **state)
{
    Fixture *f = *state;
    const FakeLayer next[] = {three[0], {other, 1, TAR_GZIP, NULL}};
    const char *blobs[2];
    Outcome first, second;
    Image image;

    fake_image(&f->registry, "app", "1", three, 2, "a", NULL);
    first = pull(f, "app:1");
    fake_image(&f->registry, "app", "1", next, 2, "b", blobs);
    second = pull(f, "app:1");
    assert_int_equal(second.outcome, 0);
    assert_true(second.is_new);
    assert_int_equal(fake_content(&f->registry, "app", "blobs", blobs[0])->gets, 1);
    assert_int_equal(fake_content(&f->registry, "app", "blobs", blobs[1])->gets, 1);
    assert_int_equal(find(f, "app:1", &image), 0);
    assert_string_equal(image.id, second.id);
    assert_int_equal(find(f, first.id, &image), 0);
    assert_string_equal(image.name, first.id);
}

static void an_index_leads_to_the_image_of_the_platform(void **state)
{
    Fixture *f = *state;
    const char *ours = fake_image(&f->registry, "app", NULL, three, 1, "ours", NULL);
    const char *index = arena_printf(
        &f->arena,
        "{\"schemaVersion\":2,\"manifests\":["
        "{\"digest\":\"sha256:"
        "1111111111111111111111111111111111111111111111111111111111111111\",\"size\":9,"
        "\"platform\":{\"os\":\"linux\",\"architecture\":\"s390x\"}},"
        "{\"digest\":\"%s\",\"size\":%zu,\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}"
        "}]}",
        ours, fake_content(&f->registry, "app", "manifests", ours)->bytes.n);
    const char *digest;
    Outcome o;
    Image image;

#ifndef __x86_64__
    skip();
#endif
    digest =
        fake_manifest(&f->registry, "app", "1", "application/vnd.oci.image.index.v1+json", index);
    o = pull(f, "app:1");
    assert_string_equal(o.message, "");
    assert_int_equal(find(f, "app:1", &image), 0);
    assert_string_equal(image.digest, digest); /* what the name stands for */
    assert_int_equal(find(f, arena_printf(&f->arena, "app@%s", ours), &image), 0);
    assert_int_equal(count(f, "blobs"), 3);
    assert_int_equal(image_remove(f->store, fake_name(&f->registry, "app:1"), NULL), 0);
    assert_int_equal(count(f, "blobs"), 0);
    assert_int_equal(count(f, "grants"), 0);
}

static void many_who_want_one_image_share_a_download(void **state)
{
    Fixture *f = *state;
    const char *blobs[3];
    Outcome o[100];

    fake_image(&f->registry, "app", "1", three, 3, "a", blobs);
    for (size_t i = 0; i < ARRAY_LEN(o); i++)
        begin(f, "app:1", &o[i]);
    for (size_t i = 0; i < ARRAY_LEN(o); i++) {
        await(f, &o[i]);
        assert_int_equal(o[i].outcome, 0);
    }
    assert_int_equal(fake_content(&f->registry, "app", "manifests", "1")->gets, 1);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(fake_content(&f->registry, "app", "blobs", blobs[i])->gets, 1);
}

static void a_layer_that_several_images_need_is_fetched_once(void **state)
{
    Fixture *f = *state;
    const FakeLayer own[] = {three[0], three[1], {other, 1, TAR_GZIP, NULL}};
    const char *blobs[3], *own_blobs[3];
    Outcome a, b;

    fake_image(&f->registry, "app", "1", three, 3, "a", blobs);
    fake_image(&f->registry, "app", "2", own, 3, "b", own_blobs);
    fake_content(&f->registry, "app", "blobs", blobs[0])->held = true;
    begin(f, "app:1", &a);
    begin(f, "app:2", &b);
    while (f->registry.n_waiting == 0 ||
           fake_content(&f->registry, "app", "blobs", own_blobs[2])->gets == 0)
        uv_run(&f->loop, UV_RUN_ONCE);
    fake_release(&f->registry);
    await(f, &a);
    await(f, &b);
    assert_int_equal(a.outcome, 0);
    assert_int_equal(b.outcome, 0);
    assert_int_equal(fake_content(&f->registry, "app", "blobs", blobs[0])->gets, 1);
    assert_int_equal(fake_content(&f->registry, "app", "blobs", blobs[1])->gets, 1);
}

static void a_hundred_who_wait_share_one_download(void **state)
{
    Fixture *f = *state;
    const char *blobs[3];
    Outcome o[100];

    fake_image(&f->registry, "app", "1", three, 3, "a", blobs);
    for (size_t i = 0; i < ARRAY_LEN(o); i++)
        begin(f, "app:1", &o[i]);
    for (size_t i = 0; i < ARRAY_LEN(o); i++) {
        await(f, &o[i]);
        assert_int_equal(o[i].outcome, 0);
    }
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(fake_content(&f->registry, "app", "blobs", blobs[i])->gets, 1);
    assert_int_equal(f->registry.requests, 5); /* the manifest, the config and the layers */
}

/* Does the archive have the manifest of this digest? */
static bool has_manifest(Fixture *f, const char *file, const char *digest)
{
    Bytes index = {0};
    StrMap wanted = STRMAP_INIT;
    Err err = ERR_INIT;

    strmap_put(&wanted, "index.json", &index);
    assert_int_equal(source_read_files(file, SOURCE_ANY, &wanted, NULL, &f->arena, &err), 0);
    strmap_deinit(&wanted);
    return strstr(arena_strndup(&f->arena, (const char *)index.p, index.n), digest) != NULL;
}

static void an_image_leaves_as_it_came(void **state)
{
    Fixture *f = *state;
    const char *file = arena_printf(&f->arena, "%s/out.tar", f->dir), *name;
    const char *digest = fake_image(&f->registry, "app", "1", three, 3, "a", NULL);
    StringArray names = {.v = &name, .n = 1};
    Err err = ERR_INIT;

    if (!image_may_keep(f->store, 1 << 20))
        skip(); /* the disk of the tests is too full */
    name = fake_name(&f->registry, "app:1");
    assert_int_equal(pull(f, "app:1").outcome, 0);
    assert_int_equal(count(f, "kept"), 3);
    assert_int_equal(image_export(f->store, &names, file, &err), 0);
    assert_true(has_manifest(f, file, digest));
    assert_true(image_kept_size(f->store) > 0);
    image_drop_kept(f->store); /* then the layers are packed, and the manifest is another one */
    assert_int_equal(image_kept_size(f->store), 0);
    assert_int_equal(image_export(f->store, &names, file, &err), 0);
    assert_false(has_manifest(f, file, digest));

    assert_int_equal(image_remove(f->store, name, NULL), 0);
    assert_int_equal(pull(f, "app:1").outcome, 0);
    assert_int_equal(count(f, "kept"), 3);
    assert_int_equal(image_remove(f->store, name, NULL), 0);
    assert_int_equal(count(f, "kept"), 0);
}

static void a_pull_that_was_given_up_ends_at_once(void **state)
{
    Fixture *f = *state;
    const char *blobs[3];
    Outcome o, next;
    Pull *pull, *second;
    uint64_t begun;

    fake_image(&f->registry, "app", "1", three, 3, "a", blobs);
    fake_content(&f->registry, "app", "blobs", blobs[2])->held = true;
    pull = begin(f, "app:1", &o);
    second = begin(f, "app:1", &next);
    while (count(f, "layers") < 4)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    pull_give_up(pull); /* somebody else still waits */
    for (int i = 0; i < 20; i++)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_not_equal(count(f, "tmp"), 0);
    begun = uv_hrtime();
    pull_give_up(second);
    while (count(f, "tmp") > 0) /* the half of the layer goes with the job */
        uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_true(uv_hrtime() - begun < 5 * UINT64_C(1000000000));
    assert_false(o.done || next.done);
    fake_release(&f->registry);
}

static void whole_layers_stay_for_the_next_attempt(void **state)
{
    Fixture *f = *state;
    const char *blobs[3];
    FakeContent *last;
    Outcome o;

    fake_image(&f->registry, "app", "1", three, 3, "a", blobs);
    last = fake_content(&f->registry, "app", "blobs", blobs[2]);
    last->status = 404;
    fake_content(&f->registry, "app", "blobs", blobs[2])->held = true;
    begin(f, "app:1", &o);
    while (count(f, "layers") < 4) /* two layers with their sizes */
        uv_run(&f->loop, UV_RUN_NOWAIT);
    fake_release(&f->registry);
    await(f, &o);
    assert_int_not_equal(o.outcome, 0);
    assert_int_equal(count(f, "names"), 0);
    assert_int_equal(count(f, "tmp"), 0);
    close_store(f);
    open_store(f);
    assert_int_equal(count(f, "layers"), 4);
    last->status = 0;
    o = pull(f, "app:1");
    assert_string_equal(o.message, "");
    assert_int_equal(fake_content(&f->registry, "app", "blobs", blobs[0])->gets, 1);
    assert_int_equal(fake_content(&f->registry, "app", "blobs", blobs[1])->gets, 1);
    assert_int_equal(count(f, "pulls"), 0);
}

/* A crash of the machine may lose what was not synced, however complete it looks. */
static void layers_of_another_boot_that_no_image_has_do_not_count(void **state)
{
    Fixture *f = *state;
    _free_ char *folder = mem_printf("%s/layers", f->data);
    const char *blobs[3];
    struct dirent *entry;
    Outcome o;
    DIR *dir;

    fake_image(&f->registry, "app", "1", three, 2, "a", blobs);
    fake_content(&f->registry, "app", "blobs", blobs[1])->status = 404;
    fake_content(&f->registry, "app", "blobs", blobs[1])->held = true;
    begin(f, "app:1", &o);
    while (count(f, "layers") < 2)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    fake_release(&f->registry);
    await(f, &o);
    assert_int_not_equal(o.outcome, 0);
    dir = opendir(folder);
    while ((entry = readdir(dir))) {
        _free_ char *path = mem_printf("%s/%s", folder, entry->d_name);

        if (str_ends_with(entry->d_name, ".size"))
            assert_int_equal(file_replace(path, "3 another-boot\n", 15, 0600), 0);
    }
    closedir(dir);
    fake_content(&f->registry, "app", "blobs", blobs[1])->status = 0;
    close_store(f);
    open_store(f);
    assert_int_equal(pull(f, "app:1").outcome, 0);
    assert_int_equal(fake_content(&f->registry, "app", "blobs", blobs[0])->gets, 2);
}

static void a_pull_that_nobody_waits_for_ends_with_the_puller(void **state)
{
    Fixture *f = *state;
    const char *blobs[3];
    Outcome o;

    fake_image(&f->registry, "app", "1", three, 3, "a", blobs);
    fake_content(&f->registry, "app", "blobs", blobs[1])->held = true;
    begin(f, "app:1", &o);
    while (f->registry.n_waiting == 0)
        uv_run(&f->loop, UV_RUN_ONCE);
    f->puller = puller_close(f->puller);
    assert_false(o.done);
    assert_int_equal(count(f, "names"), 0);
    assert_int_equal(count(f, "tmp"), 0);
    f->puller = puller_new(&f->loop, f->store, f->config);
    fake_release(&f->registry);
}

/* ---- registries that lie, fail or break off ---- */

#define D64 "2222222222222222222222222222222222222222222222222222222222222222"
#define CONFIG_TYPE "application/vnd.oci.image.config.v1+json"

typedef struct Hostile {
    const char *name;
    const char *kind; /* "manifests", "config", or "layer": what is changed */
    FakeContent change;
    const char *message; /* a part of it */
} Hostile;

static const Hostile hostile[] = {
    {"no such image",
     "manifests",
     {.status = 404,
      .body = "{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest unknown\"}]}"},
     "manifest unknown"},
    {"credentials wanted",
     "manifests",
     {.status = 401,
      .body = "{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"authentication required\"}]}"},
     "authentication required"},
    {"denied",
     "manifests",
     {.status = 403,
      .body = "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"requested access to the resource is "
              "denied\"}]}"},
     "is denied"},
    {"throttled",
     "manifests",
     {.status = 429,
      .body = "{\"errors\":[{\"code\":\"TOOMANYREQUESTS\",\"message\":\"You have reached your pull "
              "rate limit\"}]}"},
     "rate limit"},
    {"failing", "manifests", {.status = 500}, "500"},
    {"no JSON", "manifests", {.body = "<html>"}, "manifest"},
    {"a list", "manifests", {.body = "[]"}, "manifest"},
    {"neither", "manifests", {.body = "{\"schemaVersion\":2}"}, "manifest"},
    {"schema 1",
     "manifests",
     {.body = "{\"schemaVersion\":1,\"fsLayers\":[],\"name\":\"app\"}"},
     "manifest"},
    {"config is missing", "config", {.status = 404}, "404"},
    {"config lies", "config", {.body = "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}"}, ""},
    {"layer is missing", "layer", {.status = 404}, "404"},
    {"layer lies", "layer", {.body = "not what was promised"}, ""},
    {"layer is empty", "layer", {.body = ""}, ""},
};

static void what_a_registry_does_wrong_leaves_nothing(void **state)
{
    Fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
        const Hostile *row = &hostile[i];
        const char *repository = arena_printf(&f->arena, "app%zu", i), *blobs[3];
        FakeContent *target;
        Image image;
        Outcome o;

        fake_image(&f->registry, repository, "1", three, 3, repository, blobs);
        assert_int_equal(pull(f, arena_printf(&f->arena, "%s:1", repository)).outcome, 0);
        assert_int_equal(find(f, arena_printf(&f->arena, "%s:1", repository), &image), 0);
        target = str_equal(row->kind, "manifests")
                     ? fake_content(&f->registry, repository, "manifests", "1")
                 : str_equal(row->kind, "config")
                     ? fake_content(&f->registry, repository, "blobs", image.id)
                     : fake_content(&f->registry, repository, "blobs", blobs[1]);
        target->status = row->change.status;
        target->body = row->change.body;
        assert_int_equal(
            image_remove(f->store,
                         fake_name(&f->registry, arena_printf(&f->arena, "%s:1", repository)),
                         NULL),
            0);
        assert_int_equal(count(f, "layers"), 0);
        o = pull(f, arena_printf(&f->arena, "%s:1", repository));
        if (o.outcome == 0 || !strstr(o.message, row->message))
            fail_msg("%s: outcome %d, \"%s\"", row->name, o.outcome, o.message);
        assert_int_equal(count(f, "names"), 0);
        assert_int_equal(count(f, "tmp"), 0);
        assert_int_equal(count(f, "blobs"), 0);
        assert_int_equal(find(f, arena_printf(&f->arena, "%s:1", repository), &image),
                         IMAGE_E_MISSING);
        for (size_t k = 0; k < 2;
             k++) { /* whole layers of the attempt may be left: another success takes them along */
            target->status = 0;
            target->body = NULL;
        }
        assert_int_equal(pull(f, arena_printf(&f->arena, "%s:1", repository)).outcome, 0);
        assert_int_equal(
            image_remove(f->store,
                         fake_name(&f->registry, arena_printf(&f->arena, "%s:1", repository)),
                         NULL),
            0);
    }
}

static void a_layer_that_unpacks_to_too_much_is_refused(void **state)
{
    Fixture *f = *state;
    _free_ char *zeros = mem_new(1 << 20);
    const TarEntry bomb[] = {{"zeros", .data = zeros, .n = 1 << 20}};
    const FakeLayer layers[] = {{low, 2, TAR_GZIP, NULL}, {bomb, 1, TAR_GZIP, NULL}};
    Outcome o;

    memset(zeros, 0, 1 << 20);
    fake_image(&f->registry, "bomb", "1", layers, 2, "a", NULL);
    image_store_set_limits(f->store, 256 << 10, 1000);
    o = pull(f, "bomb:1");
    assert_int_not_equal(o.outcome, 0);
    assert_non_null(strstr(o.message, "larger than allowed"));
    assert_int_equal(count(f, "tmp"), 0);
    image_store_set_limits(f->store, 16 << 20, 1000);
    assert_int_equal(pull(f, "bomb:1").outcome, 0);
}

static void a_config_with_other_layers_is_refused(void **state)
{
    Fixture *f = *state;
    const FakeLayer two[] = {{low, 2, TAR_GZIP, NULL}, {mid, 1, TAR_GZIP, NULL}};
    const char *swapped, *blobs[2], *digest;
    FakeContent *manifest;
    Outcome o;

    digest = fake_image(&f->registry, "app", "1", two, 2, "a", blobs);
    manifest = fake_content(&f->registry, "app", "manifests", digest);
    swapped = arena_strndup(&f->arena, (const char *)manifest->bytes.p, manifest->bytes.n);
    memcpy(strstr(swapped, blobs[0]), blobs[1], strlen(blobs[1])); /* the sizes may differ, too */
    fake_manifest(&f->registry, "app", "2", manifest->type, swapped);
    o = pull(f, "app:2");
    assert_int_not_equal(o.outcome, 0);
    assert_int_equal(count(f, "names"), 0);
    assert_int_equal(count(f, "tmp"), 0);
}

/* ---- names and grants ---- */

static void what_is_no_name_or_platform_is_refused_at_once(void **state)
{
    Fixture *f = *state;
    Outcome o = {0};
    Err err = ERR_INIT;

    assert_null(
        pull_begin(f->puller, &(PullRequest){.name = "a/UP", .done = on_done, .data = &o}, &err));
    assert_null(pull_begin(
        f->puller,
        &(PullRequest){.name = "a", .platform = "linux/a/b/c", .done = on_done, .data = &o}, &err));
    assert_non_null(strstr(err.message, "platform"));
}

static void an_image_is_granted_to_those_who_could_pull_it(void **state)
{
    Fixture *f = *state;
    const char *id = "sha256:" D64;
    const PullSecret mine = {"u1", "team", "s", "sha256:aa"},
                     rotated = {"u1", "team", "s", "sha256:bb"},
                     copy = {"u2", "other", "s2", "sha256:aa"},
                     foreign = {"u3", "other", "s", "sha256:cc"};
    Err err = ERR_INIT;

    assert_false(image_is_granted(f->store, id, "q/app", &mine, 1));
    assert_int_equal(image_grant(f->store, id, "q/app", &mine, &err), 0);
    assert_true(image_is_granted(f->store, id, "q/app", &mine, 1));
    assert_true(image_is_granted(f->store, id, "q/app", &rotated, 1));
    assert_true(image_is_granted(f->store, id, "q/app", &copy, 1));
    assert_false(image_is_granted(f->store, id, "q/app", &foreign, 1));
    assert_false(image_is_granted(f->store, id, "q/app", NULL, 0));
    assert_false(image_is_granted(f->store, id, "q/other", &mine, 1));
    assert_int_equal(image_grant(f->store, id, "q/app", NULL, &err), 0);
    assert_true(image_is_granted(f->store, id, "q/app", NULL, 0));
    assert_int_equal(image_grant(f->store, id, "q/app", &foreign, &err), 0);
    assert_true(image_is_granted(f->store, id, "q/app", NULL, 0));
}

static PullSecret secret_of(Fixture *f, const char *uid, const char *user, const char *password)
{
    const Credential credential = {user, password, "", ""};
    PullSecret secret = {uid, "team", uid, ""};

    (void)f;
    credential_hash(&credential, secret.hash);
    return secret;
}

static const char *document(Fixture *f, const char *auth)
{
    return arena_printf(&f->arena, "{\"auths\":{\"%s\":{\"auth\":\"%s\"}}}",
                        fake_name(&f->registry, ""), auth);
}

static Outcome pull_with(Fixture *f, const char *name, const char *const documents[], size_t n,
                         const PullSecret *secrets)
{
    PullRequest request = {.name = fake_name(&f->registry, name),
                           .keyring = keyring_new(),
                           .secrets = secrets,
                           .n_secrets = n,
                           .done = on_done};
    Err err = ERR_INIT;
    Outcome o = {0};

    request.data = &o;
    for (size_t i = 0; i < n; i++)
        assert_int_equal(
            keyring_add_dockerconfigjson(request.keyring, bytes_from_string(documents[i]), &err),
            0);
    assert_non_null(pull_begin(f->puller, &request, &err));
    await(f, &o);
    return o;
}

static void the_secret_that_was_accepted_gets_the_image(void **state)
{
    Fixture *f = *state;
    const PullSecret secrets[] = {secret_of(f, "wrong", "u", "p"),
                                  secret_of(f, "right", "user", "pass")};
    const char *const documents[] = {document(f, "dTpw"), document(f, "dXNlcjpwYXNz")};
    const char *repository = fake_name(&f->registry, "app");
    Outcome o;

    fake_image(&f->registry, "app", "1", three, 1, "a", NULL);
    f->registry.authorization = "Basic dXNlcjpwYXNz";
    o = pull_with(f, "app:1", documents, 1, secrets);
    assert_int_equal(o.outcome, REGISTRY_E_AUTH);
    assert_non_null(strstr(o.message, "authentication required"));
    assert_int_equal(pull(f, "app:1").outcome, REGISTRY_E_AUTH);
    o = pull_with(f, "app:1", documents, 2, secrets);
    assert_string_equal(o.message, "");
    assert_true(image_is_granted(f->store, o.id, repository, &secrets[1], 1));
    assert_false(image_is_granted(f->store, o.id, repository, &secrets[0], 1));
    assert_false(image_is_granted(f->store, o.id, repository, NULL, 0));
    f->registry.authorization = NULL; /* it has become public */
    assert_int_equal(pull(f, "app:1").outcome, 0);
    assert_true(image_is_granted(f->store, o.id, repository, NULL, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_image_is_pulled_and_then_only_asked_for),
        TEST(folders_that_a_layer_does_not_list_look_as_below),
        TEST(a_new_version_leaves_the_old_one_by_its_id),
        TEST(an_index_leads_to_the_image_of_the_platform),
        TEST(many_who_want_one_image_share_a_download),
        TEST(a_layer_that_several_images_need_is_fetched_once),
        TEST(a_hundred_who_wait_share_one_download),
        TEST(an_image_leaves_as_it_came),
        TEST(a_pull_that_was_given_up_ends_at_once),
        TEST(whole_layers_stay_for_the_next_attempt),
        TEST(layers_of_another_boot_that_no_image_has_do_not_count),
        TEST(a_pull_that_nobody_waits_for_ends_with_the_puller),
        TEST(what_a_registry_does_wrong_leaves_nothing),
        TEST(a_layer_that_unpacks_to_too_much_is_refused),
        TEST(a_config_with_other_layers_is_refused),
        TEST(what_is_no_name_or_platform_is_refused_at_once),
        TEST(an_image_is_granted_to_those_who_could_pull_it),
        TEST(the_secret_that_was_accepted_gets_the_image),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
