/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes an image of a manifest whose blobs have all been pushed. This runs in a thread of its own,
 * since a large image takes many seconds and all other parts share the pool. Layers that are in the
 * image store already are not unpacked again.
 */
#include <fcntl.h>
#include <yyjson.h>

#include "base/files/file.h"
#include "base/log.h"
#include "distribution/internal.h"
#include "image/install.h"

typedef VEC(NewLayer *) NewLayerVec;

typedef struct Unpack Unpack;
struct Unpack {
    Distribution *d;
    uv_thread_t thread;
    bool joined;
    uv_async_t ended;
    Arena arena;
    StringArray names;
    const char *digest;
    Bytes manifest;
    UnpackDone done;
    void *data;
    Err err;
    int result;
};

/* The digest of the blob was verified when it was uploaded. */
static int fill_layer(Unpack *unpack, NewLayer *layer, const char *digest, ImageLimits *limits)
{
    _free_ char *path = distribution_path(unpack->d, "blobs", digest_hex(digest));
    _close_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    int r;

    if (layer->done)
        return 0;
    if (fd < 0)
        return err_set(&unpack->err, errno, "open the layer %s", digest);
    r = new_layer_fill_from(unpack->d->images, layer, fd, true, limits, &unpack->err);
    return r < 0 ? r : new_layer_settle(unpack->d->images, layer, &unpack->err);
}

static const char *digest_of_descriptor(yyjson_val *descriptor)
{
    const char *digest = yyjson_get_str(yyjson_obj_get(descriptor, "digest"));

    return digest && digest_is_valid(digest) ? digest : NULL;
}

static int read_config(Unpack *unpack, yyjson_val *manifest, const char **ret_id, Bytes *ret,
                       StringArray *ret_diff_ids)
{
    const char *id = digest_of_descriptor(yyjson_obj_get(manifest, "config"));
    _free_ char *path = NULL, *text = NULL;
    size_t n = 0;
    int r;

    if (!id)
        return err_set(&unpack->err, 0, "the manifest names no config");
    path = distribution_path(unpack->d, "blobs", digest_hex(id));
    r = file_read(path, JSON_BYTES_MAX, &text, &n);
    if (r < 0)
        return err_set(&unpack->err, -r, "read the config");
    *ret_id = arena_strdup(&unpack->arena, id);
    *ret = arena_bytes(&unpack->arena, (Bytes){(const uint8_t *)text, n});
    return image_config_layers(*ret, &unpack->arena, ret_diff_ids, &unpack->err);
}

static int fill_layers(Unpack *unpack, yyjson_val *manifest, const StringArray *diff_ids,
                       NewLayerVec *ret)
{
    ImageStore *images = unpack->d->images;
    yyjson_val *layers = yyjson_obj_get(manifest, "layers");
    ImageLimits limits = images->limits;
    int r = 0;

    if (yyjson_arr_size(layers) != diff_ids->n || diff_ids->n > LAYERS_MAX)
        return err_set(&unpack->err, 0, "its config and its manifest do not have the same layers");
    image_limits_begin(&limits, images->dir, 0);
    for (size_t i = 0; i < diff_ids->n && r >= 0; i++) {
        const char *digest = digest_of_descriptor(yyjson_arr_get(layers, i));

        VEC_PUSH(ret, new_layer(images, diff_ids->v[i], i ? ret->v[i - 1] : NULL));
        ret->v[i]->blob = digest ? arena_strdup(&unpack->arena, digest) : NULL;
        r = digest ? fill_layer(unpack, ret->v[i], digest, &limits)
                   : err_set(&unpack->err, 0, "a layer has no SHA-256 digest");
    }
    return r;
}

static int publish(Unpack *unpack, const NewImage *image, const NewLayerVec *layers)
{
    ImageStore *images = unpack->d->images;
    int64_t size;
    int r = image_sync(images, &unpack->err);

    uv_mutex_lock(&images->write_lock);
    for (size_t i = 0; i < layers->n && r >= 0; i++) {
        if (!layers->v[i]->tmp && !image_has_layer(images, layers->v[i]->name, &size))
            r = err_set(&unpack->err, 0, "a layer has just been removed; push again");
        else
            r = new_layer_publish(images, layers->v[i], true, &unpack->err);
    }
    if (r >= 0)
        r = new_image_publish(images, image, &unpack->names, &unpack->err);
    uv_mutex_unlock(&images->write_lock);
    return r;
}

static int unpack_image(Unpack *unpack)
{
    yyjson_doc *doc = yyjson_read((const char *)unpack->manifest.p, unpack->manifest.n, 0);
    NewImage image = {.digest = unpack->digest, .source = "registry"};
    char own[DIGEST_TEXT];
    NewLayerVec layers = VEC_INIT;
    StringArray diff_ids = {0};
    int r = read_config(unpack, yyjson_doc_get_root(doc), &image.id, &image.config, &diff_ids);

    if (r >= 0)
        r = fill_layers(unpack, yyjson_doc_get_root(doc), &diff_ids, &layers);
    digest_of(unpack->manifest, own);
    if (str_equal(own, unpack->digest)) {
        image.document = unpack->manifest;
    } else { /* what was pushed is an index */
        image.member = own;
        image.member_document = unpack->manifest;
    }
    image.top = layers.n ? layers.v[layers.n - 1] : NULL;
    if (r >= 0)
        r = publish(unpack, &image, &layers);
    for (size_t i = 0; i < layers.n; i++)
        new_layer_free(layers.v[i]);
    VEC_DEINIT(&layers);
    yyjson_doc_free(doc);
    return r;
}

static void on_thread(void *data)
{
    Unpack *unpack = data;
    locale_t made, before = image_utf8_begin(&made);

    image_yield_cores();
    unpack->result = unpack_image(unpack);
    image_utf8_end(before, made);
    uv_async_send(&unpack->ended);
}

static void on_closed(uv_handle_t *handle)
{
    Unpack *unpack = CONTAINER_OF((uv_async_t *)handle, Unpack, ended);
    Distribution *d = unpack->d;

    if (unpack->result < 0)
        log_warn("registry", "what was pushed as %s is no image: %s", unpack->names.v[0],
                 unpack->err.message);
    else if (d->on_image && !d->closing)
        d->on_image(d->data);
    unpack->done(unpack->data, unpack->result < 0 ? unpack->err.message : NULL);
    for (size_t i = 0; i < d->unpacks.n; i++)
        if (d->unpacks.v[i] == unpack)
            d->unpacks.v[i] = d->unpacks.v[--d->unpacks.n];
    arena_clear(&unpack->arena);
    free(unpack);
    distribution_rest(d);
}

static void join(Unpack *unpack)
{
    if (!unpack->joined)
        uv_thread_join(&unpack->thread);
    unpack->joined = true;
}

static void on_ended(uv_async_t *async)
{
    Unpack *unpack = CONTAINER_OF(async, Unpack, ended);

    join(unpack);
    uv_close((uv_handle_t *)async, on_closed);
}

void image_unpack_join(Distribution *d)
{
    for (size_t i = 0; i < d->unpacks.n; i++)
        join(d->unpacks.v[i]);
}

void image_unpack(Distribution *d, const StringArray *names, const char *digest, Bytes manifest,
                  UnpackDone done, void *data)
{
    Unpack *unpack = mem_new_type(Unpack);

    unpack->d = d;
    unpack->names.v = arena_new_n(&unpack->arena, const char *, names->n + 1);
    for (size_t i = 0; i < names->n; i++)
        unpack->names.v[unpack->names.n++] = arena_strdup(&unpack->arena, names->v[i]);
    unpack->digest = arena_strdup(&unpack->arena, digest);
    unpack->manifest = arena_bytes(&unpack->arena, manifest);
    unpack->done = done;
    unpack->data = data;
    d->busy++;
    VEC_PUSH(&d->unpacks, unpack);
    uv_async_init(d->loop, &unpack->ended, on_ended);
    if (uv_thread_create(&unpack->thread, on_thread, unpack) == 0)
        return;
    unpack->joined = true;
    unpack->result = err_set(&unpack->err, EAGAIN, "start a thread");
    uv_close((uv_handle_t *)&unpack->ended, on_closed);
}
