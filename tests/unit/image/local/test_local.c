/* SPDX-License-Identifier: Apache-2.0 */
/* Images of other programs: found by name, used without a copy, kept when the other program removes them. */
#include "../image_archive.h"

#include <fcntl.h>
#include <uv.h>

#include "bolt_file.h"
#include "image/local/local.h"

#define ONE "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define TWO "sha256:2222222222222222222222222222222222222222222222222222222222222222"

typedef struct Fixture {
    char dir[40];
    const char *docker, *podman, *containerd, *data;
    uv_loop_t loop;
    ImageStore *store;
    Arena arena;
} Fixture;

static void open_store(Fixture *f)
{
    Err err = ERR_INIT;
    const char *list = arena_printf(&f->arena, "docker=%s,podman=%s,containerd=%s", f->docker,
                                    f->podman, f->containerd);

    assert_int_equal(image_store_open(&f->loop, f->data, NULL, &f->store, &err), 0);
    assert_int_equal(local_stores_open(list, f->store, &err), 0);
}

static int set_up(void **state)
{
    Fixture *f = mem_new_type(Fixture);

    snprintf(f->dir, sizeof(f->dir), "/tmp/stead-local-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->docker = arena_printf(&f->arena, "%s/docker", f->dir);
    f->podman = arena_printf(&f->arena, "%s/podman", f->dir);
    f->containerd = arena_printf(&f->arena, "%s/containerd", f->dir);
    f->data = arena_printf(&f->arena, "%s/images", f->dir);
    uv_loop_init(&f->loop);
    open_store(f);
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
    free(f);
    return 0;
}

static void put(Fixture *f, const char *root, const char *path, const void *p, size_t n)
{
    const char *whole = arena_printf(&f->arena, "%s/%s", root, path);

    assert_int_equal(file_mkdir_for(whole, 0755), 0);
    assert_int_equal(file_replace(whole, p, n, 0644), 0);
}

static void put_text(Fixture *f, const char *root, const char *path, const char *text)
{
    put(f, root, path, text, strlen(text));
}

static const char *read_in(Fixture *f, const Image *image, size_t layer, const char *name)
{
    const char *path = arena_printf(&f->arena, "%s/%s", image->layers.v[layer], name);
    char *text;

    assert_int_equal(file_read(path, 1000, &text, NULL), 0);
    path = arena_strdup(&f->arena, text);
    free(text);
    return path;
}

static int find(Fixture *f, const char *name, Image *ret)
{
    image_bring(f->store, name);
    return image_find(f->store, name, &f->arena, ret, NULL);
}

static const char *config_of(Fixture *f, const char *diff_ids, const char *salt,
                             char id[DIGEST_TEXT])
{
    const char *config = make_config(&f->arena, diff_ids, salt);

    digest_of(bytes_from_string(config), id);
    return config;
}

static void chain(const char *below, const char *diff_id, char ret[DIGEST_TEXT])
{
    _free_ char *text = mem_printf("%s %s", below, diff_id);

    digest_of(bytes_from_string(text), ret);
}

/* ---- what the programs write ---- */

/* Two layers; `when` is set as the time of the tag. */
static void docker_has(Fixture *f, const char *name, const char *salt, const char *when,
                       char id[DIGEST_TEXT])
{
    const char *config = config_of(f, "\"" ONE "\",\"" TWO "\"", salt, id);
    char upper[DIGEST_TEXT];

    chain(ONE, TWO, upper);
    put_text(f, f->docker,
             arena_printf(&f->arena, "image/overlay2/imagedb/content/sha256/%s", digest_hex(id)),
             config);
    put_text(f, f->docker,
             arena_printf(&f->arena, "image/overlay2/imagedb/metadata/sha256/%s/lastUpdated",
                          digest_hex(id)),
             when);
    put_text(f, f->docker,
             arena_printf(&f->arena, "image/overlay2/layerdb/sha256/%s/cache-id", digest_hex(ONE)),
             "lower");
    put_text(
        f, f->docker,
        arena_printf(&f->arena, "image/overlay2/layerdb/sha256/%s/cache-id", digest_hex(upper)),
        "upper");
    put_text(f, f->docker, "overlay2/lower/diff/bin/app", "from docker");
    put_text(f, f->docker, "overlay2/upper/diff/etc/conf", "conf");
    put_text(
        f, f->docker, "image/overlay2/repositories.json",
        arena_printf(&f->arena, "{\"Repositories\":{\"%s\":{\"%s\":\"%s\"}}}", name, name, id));
}

/* One layer, whose diff id is made of the salt. */
static void podman_has(Fixture *f, const char *driver, const char *name, const char *salt,
                       const char *when, char id[DIGEST_TEXT])
{
    char diff_id[DIGEST_TEXT], encoded[200];
    const char *config, *layer;

    digest_of(bytes_from_string(salt), diff_id);
    layer = digest_hex(diff_id);
    config = config_of(f, arena_printf(&f->arena, "\"%s\"", diff_id), salt, id);
    EVP_EncodeBlock((unsigned char *)encoded, (const unsigned char *)id, (int)strlen(id));
    put_text(f, f->podman,
             arena_printf(&f->arena, "%s-images/%s/=%s", driver, digest_hex(id), encoded), config);
    put_text(f, f->podman, arena_printf(&f->arena, "%s-layers/layers.json", driver),
             arena_printf(&f->arena, "[{\"id\":\"%s\",\"diff-digest\":\"%s\"}]", layer, diff_id));
    put_text(f, f->podman,
             str_equal(driver, "vfs")
                 ? arena_printf(&f->arena, "vfs/dir/%s/bin/app", layer)
                 : arena_printf(&f->arena, "%s/%s/diff/bin/app", driver, layer),
             salt);
    put_text(f, f->podman, arena_printf(&f->arena, "%s-images/images.json", driver),
             arena_printf(&f->arena,
                          "[{\"id\":\"%s\",\"digest\":\"" TWO
                          "\",\"names\":[\"%s\"],\"layer\":\"%s\",\"created\":\"%s\"}]",
                          digest_hex(id), name, layer, when));
}

static void containerd_has(Fixture *f, const char *name, const char *salt, bool unpacked,
                           char id[DIGEST_TEXT])
{
    static const TarEntry entries[] = {{.path = "bin/app", .data = "from containerd"}};
    static const uint8_t updated[] = {1, 0, 0, 0, 14, 0xdd, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    _strbuf_ StrBuf tar = make_tar(entries, 1, TAR_PLAIN), meta = STRBUF_INIT,
                    snapshots = STRBUF_INIT;
    char diff_id[DIGEST_TEXT], manifest_digest[DIGEST_TEXT];
    const char *config, *manifest, *blobs = "io.containerd.content.v1.content/blobs/sha256";
    Arena *a = &f->arena;

    digest_of(strbuf_bytes(&tar), diff_id);
    config = config_of(f, arena_printf(a, "\"%s\"", diff_id), salt, id);
    manifest = arena_printf(a, "{\"config\":{\"digest\":\"%s\"},\"layers\":[{\"digest\":\"%s\"}]}",
                            id, diff_id);
    digest_of(bytes_from_string(manifest), manifest_digest);
    put_text(f, f->containerd, arena_printf(a, "%s/%s", blobs, digest_hex(id)), config);
    put_text(f, f->containerd, arena_printf(a, "%s/%s", blobs, digest_hex(manifest_digest)),
             manifest);
    put(f, f->containerd, arena_printf(a, "%s/%s", blobs, digest_hex(diff_id)), tar.p, tar.n);
    {
        const BoltKey keys[] = {
            {arena_printf(a, "v1/k8s.io/images/%s/target/digest", name), manifest_digest, 0},
            {arena_printf(a, "v1/k8s.io/images/%s/updatedat", name), updated, sizeof(updated)},
            {arena_printf(a, "v1/k8s.io/snapshots/overlayfs/%s/name", diff_id), "k8s.io/1/x", 0},
        };
        const BoltKey ids[] = {{"v1/snapshots/other/id", "\3", 1}};

        meta = bolt_file(keys, unpacked ? 3 : 2);
        snapshots = bolt_file(ids, 1);
    }
    put(f, f->containerd, "io.containerd.metadata.v1.bolt/meta.db", meta.p, meta.n);
    put(f, f->containerd, "io.containerd.snapshotter.v1.overlayfs/metadata.db", snapshots.p,
        snapshots.n);
}

/* ---- tests ---- */

static void dockers_image_is_used_without_a_copy(void **state)
{
    Fixture *f = *state;
    char id[DIGEST_TEXT];
    struct stat there, here;
    Image image;

    assert_int_equal(find(f, "app:1", &image), IMAGE_E_MISSING);
    docker_has(f, "app:1", "a", "2026-11-30T10:00:00Z", id);
    assert_int_equal(find(f, "app:1", &image), 0);
    assert_string_equal(image.id, id);
    assert_string_equal(image.name, "docker.io/library/app:1");
    assert_string_equal(image.source, "docker");
    assert_int_equal(image.layers.n, 2);
    assert_string_equal(read_in(f, &image, 0, "bin/app"), "from docker");
    assert_string_equal(read_in(f, &image, 1, "etc/conf"), "conf");
    assert_int_equal(
        stat(arena_printf(&f->arena, "%s/overlay2/lower/diff/bin/app", f->docker), &there), 0);
    assert_int_equal(stat(arena_printf(&f->arena, "%s/bin/app", image.layers.v[0]), &here), 0);
    assert_int_equal(there.st_ino, here.st_ino);
    assert_int_equal(image.size, 15);
    /* Docker removes it; a pod keeps its files. */
    assert_int_equal(file_remove_tree(f->docker), 0);
    assert_string_equal(read_in(f, &image, 0, "bin/app"), "from docker");
    assert_int_equal(find(f, "app:1", &image), 0);
}

static void podmans_names_are_short_as_dockers(void **state)
{
    static const char *const names[] = {"app", "localhost/app", "app:latest",
                                        "docker.io/library/app", "app@" TWO};
    Fixture *f = *state;
    char id[DIGEST_TEXT];
    Image image;

    podman_has(f, "overlay", "localhost/app:latest", "one", "2026-11-30T10:00:00Z", id);
    EACH_ROW(i, names, names[i]) {
        assert_int_equal(find(f, names[i], &image), 0);
        assert_string_equal(image.id, id);
        assert_string_equal(read_in(f, &image, 0, "bin/app"), "one");
    }
    assert_int_equal(find(f, "other/app", &image), IMAGE_E_MISSING);
}

static void the_folders_of_vfs_have_all_layers(void **state)
{
    Fixture *f = *state;
    char id[DIGEST_TEXT];
    Image image;

    podman_has(f, "vfs", "localhost/app:latest", "whole", "2026-11-30T10:00:00Z", id);
    assert_int_equal(find(f, "app", &image), 0);
    assert_int_equal(image.layers.n, 1);
    assert_string_equal(read_in(f, &image, 0, "bin/app"), "whole");
}

static void a_rebuilt_image_is_the_new_one(void **state)
{
    Fixture *f = *state;
    char first[DIGEST_TEXT], second[DIGEST_TEXT];
    Image image;

    podman_has(f, "overlay", "localhost/app:latest", "one", "2026-11-30T10:00:00Z", first);
    assert_int_equal(find(f, "app", &image), 0);
    podman_has(f, "overlay", "localhost/app:latest", "second", "2026-11-30T10:00:01Z", second);
    assert_int_equal(find(f, "app", &image), 0);
    assert_string_equal(image.id, second);
    assert_string_equal(read_in(f, &image, 0, "bin/app"), "second");
    /* What containers were made of is still known by its id. */
    assert_int_equal(image_find(f->store, first, &f->arena, &image, NULL), 0);
}

static void the_name_that_was_given_last_wins(void **state)
{
    Fixture *f = *state;
    char docker[DIGEST_TEXT], podman[DIGEST_TEXT];
    const char *file = arena_printf(&f->arena, "%s/app.tar", f->dir);
    static const TarEntry entries[] = {{.path = "bin/app", .data = "imported"}};
    Image image;

    docker_has(f, "app:latest", "a", "2026-11-30T10:00:00Z", docker);
    podman_has(f, "overlay", "localhost/app:latest", "one", "2026-11-30T09:00:00Z", podman);
    assert_int_equal(find(f, "app", &image), 0);
    assert_string_equal(image.id, docker);
    podman_has(f, "overlay", "localhost/app:latest", "one", "2026-11-30T11:00:00Z", podman);
    assert_int_equal(find(f, "app", &image), 0);
    assert_string_equal(image.id, podman);
    /* An import is newer than both, until somebody builds again. */
    make_docker_archive(file, "app:latest", entries, 1, TAR_PLAIN);
    assert_int_equal(image_import(f->store, file, 0, NULL, NULL, NULL), 0);
    assert_int_equal(find(f, "app", &image), 0);
    assert_string_equal(read_in(f, &image, 0, "bin/app"), "imported");
    docker_has(f, "app:latest", "b", "2096-11-30T12:00:00Z", docker);
    assert_int_equal(find(f, "app", &image), 0);
    assert_string_equal(image.id, docker);
}

static void containerds_image_is_unpacked_if_it_is_not_yet(void **state)
{
    Fixture *f = *state;
    char id[DIGEST_TEXT];
    Image image;

    containerd_has(f, "quay.io/team:1", "a", false, id);
    assert_int_equal(find(f, "quay.io/team:1", &image),
                     IMAGE_E_MISSING); /* a name without a path */
    containerd_has(f, "team:1", "a", false, id);
    assert_int_equal(find(f, "team:1", &image), 0);
    assert_string_equal(image.id, id);
    assert_string_equal(read_in(f, &image, 0, "bin/app"), "from containerd");
    containerd_has(f, "else:1", "b", true, id); /* its snapshot is missing */
    assert_int_equal(find(f, "else:1", &image), 0);
}

static void on_another_file_system_the_folder_itself_is_used(void **state)
{
    Fixture *f = *state;
    char other[] = "/dev/shm/stead-local-XXXXXX", id[DIGEST_TEXT];
    struct stat here, there;
    Image image;

    if (!mkdtemp(other) || stat(f->dir, &here) < 0 || stat(other, &there) < 0 ||
        here.st_dev == there.st_dev)
        skip();
    f->docker = arena_printf(&f->arena, "%s/docker", other);
    image_store_close(f->store);
    open_store(f);
    docker_has(f, "app:1", "a", "2026-11-30T10:00:00Z", id);
    assert_int_equal(find(f, "app:1", &image), 0);
    assert_string_equal(read_in(f, &image, 0, "bin/app"), "from docker");
    assert_int_equal(image.size, 15);
    /* Removed there and built anew, it is taken again. */
    assert_int_equal(file_remove_tree(f->docker), 0);
    docker_has(f, "app:1", "a", "2026-11-30T10:00:00Z", id);
    assert_int_equal(find(f, "app:1", &image), 0);
    assert_string_equal(read_in(f, &image, 0, "bin/app"), "from docker");
    assert_int_equal(image_remove(f->store, "app:1", NULL), 0);
    assert_true(file_exists(arena_printf(&f->arena, "%s/overlay2/lower/diff/bin/app", f->docker)));
    assert_int_equal(file_remove_tree(other), 0);
}

static void what_is_damaged_or_not_trusted_is_not_used(void **state)
{
    Fixture *f = *state;
    char id[DIGEST_TEXT], upper[DIGEST_TEXT];
    const char *cache;
    Image image;

    chain(ONE, TWO, upper);
    cache = arena_printf(&f->arena, "image/overlay2/layerdb/sha256/%s/cache-id", digest_hex(upper));
    docker_has(f, "app:1", "a", "2026-11-30T10:00:00Z", id);
    put_text(f, f->docker, cache, "../../../etc");
    assert_int_equal(find(f, "app:1", &image), IMAGE_E_MISSING);
    put_text(f, f->docker, cache, "nowhere");
    assert_int_equal(find(f, "app:1", &image), IMAGE_E_MISSING);
    put_text(f, f->docker, cache, "upper");
    assert_int_equal(chmod(f->docker, 0777), 0);
    put_text(f, f->docker, "image/overlay2/repositories.json",
             arena_printf(&f->arena, "{\"Repositories\":{\"app\":{\"app:2\":\"%s\"}}}", id));
    assert_int_equal(find(f, "app:2", &image), IMAGE_E_MISSING);
    assert_int_equal(chmod(f->docker, 0755), 0);
    put_text(f, f->docker, "image/overlay2/repositories.json",
             arena_printf(&f->arena, "{\"Repositories\":{\"app\":{\"app:10\":\"%s\"}}}", id));
    assert_int_equal(find(f, "app:10", &image), 0);
    /* the config is another one than its name says */
    docker_has(f, "app:3", "c", "2026-11-30T10:00:00Z", id);
    put_text(f, f->docker,
             arena_printf(&f->arena, "image/overlay2/imagedb/content/sha256/%s", digest_hex(id)),
             "{}");
    assert_int_equal(find(f, "app:3", &image), IMAGE_E_MISSING);
    put_text(f, f->docker, "image/overlay2/repositories.json", "[\"no\"");
    assert_int_equal(find(f, "app:4", &image), IMAGE_E_MISSING);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(dockers_image_is_used_without_a_copy),
        TEST(podmans_names_are_short_as_dockers),
        TEST(the_folders_of_vfs_have_all_layers),
        TEST(a_rebuilt_image_is_the_new_one),
        TEST(the_name_that_was_given_last_wins),
        TEST(containerds_image_is_unpacked_if_it_is_not_yet),
        TEST(on_another_file_system_the_folder_itself_is_used),
        TEST(what_is_damaged_or_not_trusted_is_not_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
