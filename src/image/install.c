/* SPDX-License-Identifier: Apache-2.0 */
/* See install.h. */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/files/file.h"
#include "image/install.h"

#define PIECE (128u << 10) /* of a blob that is read from a file */

/* ---- layers ---- */

/* "SIZE" or "SIZE BOOT". boot: room for the id of the boot, "" if the layer has been synced. */
static bool read_size(const ImageStore *store, const char *key, int64_t *ret_size, char boot[64])
{
    _free_ char *path = image_layer_size_path(store, key), *text = NULL;
    char *space;
    size_t n;

    *ret_size = 0;
    if (file_read(path, 128, &text, &n) < 0)
        return false;
    text[strcspn(text, "\n")] = 0;
    space = strchr(text, ' ');
    if (space)
        *space++ = 0;
    snprintf(boot, 64, "%s", space ? space : "");
    return str_to_int64(text, 0, INT64_MAX, ret_size) == 0;
}

bool image_layer_size(const ImageStore *store, const char *key, int64_t *ret_size)
{
    char boot[64];

    return read_size(store, key, ret_size, boot);
}

/* A layer that was written in another boot and never synced counts only if an image has it: names are written after the
 * disk has been synced. */
bool image_has_layer(ImageStore *store, const char *key, int64_t *ret_size)
{
    _free_ char *path = image_layer_path(store, key);
    char boot[64];

    *ret_size = 0;
    if (!file_exists(path) || !read_size(store, key, ret_size, boot))
        return false;
    return !*boot || str_equal(boot, store->boot) || image_layer_is_named(store, key);
}

/* As the OCI image specification defines it. */
static void make_chain_id(const NewLayer *below, const char *diff_id, char ret[static DIGEST_TEXT])
{
    _free_ char *text = below ? mem_printf("%s %s", below->key, diff_id) : NULL;

    if (text)
        digest_of(bytes_from_string(text), ret);
    else
        snprintf(ret, DIGEST_TEXT, "%s", diff_id);
}

bool new_layer_look(ImageStore *store, NewLayer *layer)
{
    if (!layer->done)
        layer->done = layer->settled = image_has_layer(store, layer->key, &layer->size);
    return layer->done;
}

NewLayer *new_layer(ImageStore *store, const char *diff_id, NewLayer *below)
{
    NewLayer *layer = mem_new_type(NewLayer);

    layer->diff_id = diff_id;
    layer->below = below;
    make_chain_id(below, diff_id, layer->key);
    layer->name = layer->key;
    new_layer_look(store, layer);
    return layer;
}

static void discard(NewLayer *layer)
{
    if (layer->tmp)
        file_remove_tree(layer->tmp);
    free(TAKE_PTR(layer->tmp));
}

NewLayer *new_layer_free(NewLayer *layer)
{
    if (!layer)
        return NULL;
    discard(layer);
    strmap_deinit(&layer->implied);
    free(layer);
    return NULL;
}

static int check_layer(const NewLayer *layer, const UnpackedLayer *unpacked, bool checked,
                       Err *reterr)
{
    if (strcmp(unpacked->diff_id, layer->diff_id) != 0)
        return err_set(reterr, 0, "a layer has the digest %s instead of %s", unpacked->diff_id,
                       layer->diff_id);
    if (layer->blob && !checked && strcmp(unpacked->blob, layer->blob) != 0)
        return err_set(reterr, 0, "a layer's blob has the digest %s instead of %s", unpacked->blob,
                       layer->blob);
    return 0;
}

int new_layer_fill(ImageStore *store, NewLayer *layer, const LayerReader *from, ImageLimits *limits,
                   Err *reterr)
{
    UnpackedLayer unpacked = {0};
    _close_fd_ int fd = -1;
    int r;

    layer->tmp = image_tmp_path(store);
    if (mkdir(layer->tmp, 0755) < 0)
        return err_set(reterr, errno, "make %s", layer->tmp);
    fd = open(layer->tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fchmod(fd, 0755) < 0) /* independent of the umask */
        return err_set(reterr, errno, "open %s", layer->tmp);
    r = layer_unpack(from, fd, limits, &unpacked, reterr);
    layer->implied = unpacked.implied;
    if (r >= 0)
        r = check_layer(layer, &unpacked, from->checked, reterr);
    if (r < 0)
        return ERR_TRACE(r);
    layer->size = unpacked.size;
    layer->done = true;
    return 0;
}

typedef struct BlobFile {
    int fd;
    uint8_t *piece;
} BlobFile;

static ssize_t read_blob(void *data, const void **ret, Err *reterr)
{
    BlobFile *blob = data;
    ssize_t n = read(blob->fd, blob->piece, PIECE);

    *ret = blob->piece;
    return n < 0 ? err_set(reterr, errno, "read the layer") : n;
}

int new_layer_fill_from(ImageStore *store, NewLayer *layer, int fd, bool checked,
                        ImageLimits *limits, Err *reterr)
{
    _free_ uint8_t *piece = mem_new(PIECE);
    BlobFile blob = {fd, piece};
    LayerReader reader = {.read = read_blob, .data = &blob, .checked = checked};

    return ERR_TRACE(new_layer_fill(store, layer, &reader, limits, reterr));
}

static int open_layer(ImageStore *store, const NewLayer *layer)
{
    _free_ char *path = layer->tmp ? NULL : image_layer_path(store, layer->name);
    int fd = open(path ? path : layer->tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

int new_layer_settle(ImageStore *store, NewLayer *layer, Err *reterr)
{
    _close_fd_ int root = -1;
    int below[LAYERS_MAX], r;
    size_t n = 0;

    if (layer->settled || !layer->implied.n)
        return 0;
    r = root = open_layer(store, layer);
    for (const NewLayer *at = layer->below; at && r >= 0 && n < LAYERS_MAX; at = at->below) {
        r = open_layer(store, at);
        if (r >= 0)
            below[n++] = r;
    }
    for (size_t i = 0; i < n / 2; i++) { /* lowest first */
        int fd = below[i];

        below[i] = below[n - 1 - i];
        below[n - 1 - i] = fd;
    }
    r = r < 0 ? err_set(reterr, -r, "open a layer")
              : layer_settle(root, &layer->implied, below, n, reterr);
    for (size_t i = 0; i < n; i++)
        close(below[i]);
    layer->settled = true;
    return ERR_TRACE(r);
}

int image_sync(ImageStore *store, Err *reterr)
{
    _free_ char *tmp = mem_printf("%s/tmp", store->dir);
    _close_fd_ int fd = open(tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || syncfs(fd) < 0)
        return err_set(reterr, errno, "sync %s", tmp);
    return 0;
}

/* The size file is written first: a layer without one does not count as present. */
int new_layer_publish(ImageStore *store, NewLayer *layer, bool synced, Err *reterr)
{
    _free_ char *path = image_layer_path(store, layer->name);
    _free_ char *size_path = image_layer_size_path(store, layer->name);
    char text[128];
    int64_t size;
    int n = snprintf(text, sizeof(text), "%" PRId64 "%s%s\n", layer->size, synced ? "" : " ",
                     synced ? "" : store->boot),
        r;

    if (!layer->tmp)
        return 0;
    if (image_has_layer(store, layer->name, &size)) { /* another import or pull was faster */
        discard(layer);
        return 0;
    }
    if (FAULT_POINT("image.layer"))
        return err_set(reterr, EIO, "publish a layer");
    r = file_remove_tree(path); /* left by a crash between the two steps */
    if (r >= 0)
        r = synced ? file_write_atomic(size_path, text, (size_t)n, 0600)
                   : file_replace(size_path, text, (size_t)n, 0600);
    if (r < 0)
        return err_set(reterr, -r, "write %s", size_path);
    if (rename(layer->tmp, path) < 0)
        return err_set(reterr, errno, "rename a layer to %s", path);
    free(TAKE_PTR(layer->tmp));
    return 0;
}

/* ---- images ---- */

static int publish_blob(ImageStore *store, const char *digest, Bytes bytes, Err *reterr)
{
    _free_ char *path = digest ? image_blob_path(store, digest) : NULL;
    int r;

    if (!path || !bytes.p || file_exists(path))
        return 0;
    r = file_write_atomic(path, bytes.p, bytes.n, 0600);
    return r < 0 ? err_set(reterr, -r, "write %s", path) : 0;
}

static ImageRecord *make_record(const NewImage *image, const char *name)
{
    ImageRecord *record = mem_new_type(ImageRecord);
    size_t n = 0;

    record->name = mem_strdup(name);
    record->id = mem_strdup(image->id);
    record->digest = mem_strdup(str_or(image->digest, ""));
    record->member = mem_strdup(str_or(image->member, ""));
    record->stamp = mem_strdup(str_or(image->stamp, ""));
    record->platform = mem_strdup(str_or(image->platform, ""));
    record->remote = image->remote;
    record->source = mem_strdup(str_or(image->source, ""));
    for (const NewLayer *layer = image->top; layer; layer = layer->below) {
        record->size += layer->size;
        VEC_PUSH(&record->layers, NULL);
        VEC_PUSH(&record->blobs, NULL);
    }
    for (const NewLayer *layer = image->top; layer; layer = layer->below) {
        const char *blob = str_or(layer->blob, "");

        n++;
        record->layers.v[record->layers.n - n] = mem_strdup(layer->name);
        record->blobs.v[record->blobs.n - n] = mem_strdup(digest_is_valid(blob) ? blob : "");
    }
    return record;
}

/* An image that loses its last name is kept under its id, since containers may use it. */
static int keep_nameless(ImageStore *store, ImageRecord *old, Err *reterr)
{
    bool named = false;
    int r;

    STRMAP_EACH(&store->records, slot)
        named = named || strcmp(((ImageRecord *)slot->value)->id, old->id) == 0;
    if (named) {
        image_record_free(old);
        return 0;
    }
    free(old->name);
    old->name = mem_strdup(old->id);
    r = image_record_save(store, old, reterr);
    image_record_free(strmap_put(&store->records, old->name, old));
    return ERR_TRACE(r);
}

int image_record_publish(ImageStore *store, ImageRecord *record, Err *reterr)
{
    ImageRecord *old;
    int r = image_record_save(store, record, reterr);

    if (r < 0) {
        image_record_free(record);
        return ERR_TRACE(r);
    }
    uv_mutex_lock(&store->lock);
    old = strmap_put(&store->records, record->name, record);
    if (old && strcmp(old->id, record->id) != 0)
        r = keep_nameless(store, old, reterr);
    else
        image_record_free(old);
    uv_mutex_unlock(&store->lock);
    return ERR_TRACE(r);
}

int new_image_publish(ImageStore *store, const NewImage *image, const StringArray *names,
                      Err *reterr)
{
    int r = publish_blob(store, image->id, image->config, reterr);

    if (r >= 0)
        r = publish_blob(store, image->digest, image->document, reterr);
    if (r >= 0)
        r = publish_blob(store, image->member, image->member_document, reterr);
    if (r >= 0 && FAULT_POINT("image.name"))
        r = err_set(reterr, EIO, "write a name");
    for (size_t i = 0; i < names->n && r >= 0; i++)
        r = image_record_publish(store, make_record(image, names->v[i]), reterr);
    return ERR_TRACE(r);
}
