/* SPDX-License-Identifier: Apache-2.0 */
/* See adopt.h. Layers that the image store has already, wherever they came from, are not touched. */
#include "image/local/adopt.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/files/beneath.h"
#include "base/files/file.h"
#include "base/log.h"
#include "image/install.h"

/* ---- a layer that is not unpacked ---- */

static int unpack(ImageStore *images, NewLayer *layer, const char *path, Err *reterr)
{
    _close_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    ImageLimits limits = images->limits;
    locale_t made, before;
    int r;

    if (fd < 0)
        return err_set(reterr, errno, "open %s", path);
    image_limits_begin(&limits, images->dir, 0);
    before = image_utf8_begin(&made);
    r = new_layer_fill_from(images, layer, fd, false, &limits, reterr);
    image_utf8_end(before, made);
    return r >= 0 ? new_layer_settle(images, layer, reterr) : ERR_TRACE(r);
}

/* ---- a layer that is a folder ---- */

static int add_size(void *data, int fd _unused_, const struct statx *st)
{
    *(int64_t *)data += S_ISREG(st->stx_mode) ? (int64_t)st->stx_size : 0;
    return 0;
}

static int64_t measure(const char *folder)
{
    _close_fd_ int root = beneath_root(folder);
    int64_t size = 0;

    if (root >= 0)
        (void)beneath_walk(root, add_size, &size);
    return size;
}

/* The folder itself is used, through a symbolic link. */
static int use_in_place(ImageStore *images, NewLayer *layer, const char *folder, Err *reterr)
{
    log_warn("image",
             "the layer %s is used in place: a pod that uses it breaks when the image is removed "
             "there, since hard links to another file system are not possible",
             folder);
    layer->tmp = image_tmp_path(images);
    if (symlink(folder, layer->tmp) < 0)
        return err_set(reterr, errno, "link %s", layer->tmp);
    layer->size = measure(folder);
    return 0;
}

static int link_layer(ImageStore *images, NewLayer *layer, const char *folder, Err *reterr)
{
    Err err = ERR_INIT;
    int r;

    if (!file_exists(folder))
        return err_set(reterr, ENOENT, "open %s", folder);
    layer->tmp = image_tmp_path(images);
    r = local_link_tree(folder, layer->tmp, &layer->size, &err);
    if (r == -EXDEV || r == -EMLINK || r == -EPERM) {
        file_remove_tree(layer->tmp);
        free(TAKE_PTR(layer->tmp));
        r = use_in_place(images, layer, folder, reterr);
    } else if (r < 0 && reterr) {
        *reterr = err;
    }
    layer->done = layer->settled = r >= 0;
    return ERR_TRACE(r);
}

static int fill(ImageStore *images, NewLayer *layer, const LocalLayer *from, Err *reterr)
{
    Err err = ERR_INIT;
    int r = -ENOENT;

    if (layer->done)
        return 0;
    if (from->folder)
        r = link_layer(images, layer, from->folder, from->blob ? &err : reterr);
    if (r >= 0 || !from->blob)
        return r < 0 && !from->folder ? err_set(reterr, 0, "a layer is missing") : ERR_TRACE(r);
    if (layer->tmp) {
        file_remove_tree(layer->tmp);
        free(TAKE_PTR(layer->tmp));
    }
    layer->blob = from->digest;
    return ERR_TRACE(unpack(images, layer, from->blob, reterr));
}

/* ---- an image ---- */

typedef VEC(NewLayer *) NewLayerVec;

/* A folder that has all layers is one layer here, under a name that no other layer has. */
static NewLayer *whole_layer(ImageStore *images, const StringArray *diff_ids, Arena *arena)
{
    char chain[DIGEST_TEXT] = "", *key = arena_alloc(arena, DIGEST_TEXT);
    _free_ char *text = NULL;

    for (size_t i = 0; i < diff_ids->n; i++)
        local_chain_id(i ? chain : NULL, diff_ids->v[i], chain);
    text = mem_printf("all layers up to %s", chain);
    digest_of(bytes_from_string(text), key);
    return new_layer(images, key, NULL);
}

static int make_layers(ImageStore *images, const LocalImage *image, Arena *arena, NewLayerVec *ret,
                       Err *reterr)
{
    StringArray diff_ids;
    NewLayer *below = NULL;
    int r = image_config_layers(image->config, arena, &diff_ids, reterr);

    if (r >= 0 && image->whole && diff_ids.n > 0) {
        VEC_PUSH(ret, whole_layer(images, &diff_ids, arena));
        return ERR_TRACE(fill(images, ret->v[0], &image->layers[diff_ids.n - 1], reterr));
    }
    for (size_t i = 0; r >= 0 && i < diff_ids.n; i++) {
        below = new_layer(images, diff_ids.v[i], below);
        VEC_PUSH(ret, below);
        r = fill(images, below, &image->layers[i], reterr);
    }
    return ERR_TRACE(r);
}

static int publish(ImageStore *images, const NewImage *image, const NewLayerVec *layers,
                   const StringArray *names, Err *reterr)
{
    int64_t size;
    int r = image_sync(images, reterr);

    uv_mutex_lock(&images->write_lock);
    for (size_t i = 0; i < layers->n && r >= 0; i++)
        if (!layers->v[i]->tmp && !image_has_layer(images, layers->v[i]->name, &size))
            r = err_set(reterr, 0, "a layer has just been removed");
    for (size_t i = 0; i < layers->n && r >= 0; i++)
        r = new_layer_publish(images, layers->v[i], true, reterr);
    if (r >= 0)
        r = new_image_publish(images, image, names, reterr);
    uv_mutex_unlock(&images->write_lock);
    return ERR_TRACE(r);
}

int local_adopt(ImageStore *images, const char *source, const LocalEntry *entry,
                const LocalImage *image, const char *also, Err *reterr)
{
    _arena_ Arena arena = ARENA_INIT;
    const char *names[2] = {entry->name, also};
    NewLayerVec layers = VEC_INIT;
    NewImage made = {
        .id = image->id, .config = image->config, .digest = entry->digest, .source = source};
    int r = make_layers(images, image, &arena, &layers, reterr);

    made.top = layers.n ? layers.v[layers.n - 1] : NULL;
    if (r >= 0)
        r = publish(images, &made, &layers,
                    &(StringArray){names, also && !str_equal(also, entry->name) ? 2 : 1}, reterr);
    for (size_t i = 0; i < layers.n; i++)
        new_layer_free(layers.v[i]);
    VEC_DEINIT(&layers);
    return ERR_TRACE(r);
}
