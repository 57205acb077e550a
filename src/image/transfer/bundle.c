/* SPDX-License-Identifier: Apache-2.0 */
/* The documents of an image that leaves the store: its config, and a manifest. See pack.h. */
#include <sys/stat.h>
#include <yyjson.h>

#include "base/files/file.h"
#include "base/strbuf.h"
#include "image/transfer/pack.h"

typedef struct Packed {
    char diff_id[DIGEST_TEXT], blob[DIGEST_TEXT];
    int64_t size;
} Packed;

static bool has_same_layers(const StringArray *diff_ids, const Packed *layers, size_t n)
{
    bool same = diff_ids->n == n;

    for (size_t i = 0; same && i < n; i++)
        same = str_equal(diff_ids->v[i], layers[i].diff_id);
    return same;
}

/* Makes the config with the diff ids of the packed layers. Their number has to stay the same,
 * since the history of the config refers to them. */
static int make_config(Bytes old, const Packed *layers, size_t n, Arena *arena, Bytes *ret,
                       Err *reterr)
{
    StringArray diff_ids;
    yyjson_mut_doc *doc;
    yyjson_doc *read;
    yyjson_mut_val *root, *rootfs, *list;
    char *text;
    size_t size = 0;
    int r = image_config_layers(old, arena, &diff_ids, reterr);

    *ret = old;
    if (r < 0 || has_same_layers(&diff_ids, layers, n))
        return ERR_TRACE(r);
    read = yyjson_read((const char *)old.p, old.n, 0);
    doc = yyjson_doc_mut_copy(read, NULL);
    root = yyjson_mut_doc_get_root(doc);
    yyjson_mut_obj_remove_key(root, "rootfs");
    if (diff_ids.n != n)
        yyjson_mut_obj_remove_key(root, "history");
    rootfs = yyjson_mut_obj_add_obj(doc, root, "rootfs");
    yyjson_mut_obj_add_str(doc, rootfs, "type", "layers");
    list = yyjson_mut_obj_add_arr(doc, rootfs, "diff_ids");
    for (size_t i = 0; i < n; i++)
        yyjson_mut_arr_add_str(doc, list, layers[i].diff_id);
    text = yyjson_mut_write(doc, 0, &size);
    *ret = arena_bytes(arena, (Bytes){(const uint8_t *)text, size});
    free(text);
    yyjson_mut_doc_free(doc);
    yyjson_doc_free(read);
    return 0;
}

static Bytes make_manifest(const ImageBundle *bundle, const Packed *layers, size_t n, bool compress,
                           Arena *arena)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    strbuf_printf(&text,
                  "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_TYPE_MANIFEST
                  "\",\"config\":{\"mediaType\":\"" MEDIA_TYPE_CONFIG
                  "\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[",
                  bundle->id, bundle->config.n);
    for (size_t i = 0; i < n; i++)
        strbuf_printf(&text,
                      "%s{\"mediaType\":\"" MEDIA_TYPE_LAYER
                      "%s\",\"digest\":\"%s\",\"size\":%" PRId64 "}",
                      i ? "," : "", compress ? "+gzip" : "", layers[i].blob, layers[i].size);
    strbuf_add_string(&text, "]}");
    return arena_bytes(arena, strbuf_bytes(&text));
}

static int pack_layers(ImageStore *store, const Image *image, bool compress, BundleBlob blob,
                       void *data, Packed *ret, Err *reterr)
{
    _free_ char *work = mem_printf("%s/tmp", store->dir);

    for (size_t i = 0; i < image->layers.n; i++) {
        PackedLayer layer = {.fd = -1};
        int r = layer_pack(image->layers.v[i], work, compress, &layer, reterr);

        if (r >= 0)
            r = blob(data, &layer, reterr);
        packed_layer_deinit(&layer);
        if (r != 0)
            return r;
        memcpy(ret[i].diff_id, layer.diff_id, sizeof(layer.diff_id));
        memcpy(ret[i].blob, layer.blob, sizeof(layer.blob));
        ret[i].size = layer.size;
    }
    return 0;
}

/* ---- as it came ---- */

/* The digest of the manifest of this image, in the arena, if all its layers are known by their digests; else NULL. */
static const char *manifest_of(ImageStore *store, const char *name, Arena *arena)
{
    const char *digest = NULL;
    ImageRecord *record;
    ImageFound found;

    uv_mutex_lock(&store->lock);
    record = image_record_find(store, name, arena, &found);
    if (record && record->blobs.n == record->layers.n)
        digest = arena_strdup(arena, str_empty(record->member) ? str_or(record->digest, "")
                                                               : record->member);
    uv_mutex_unlock(&store->lock);
    return digest && digest_is_valid(digest) ? digest : NULL;
}

static const char *digest_in(yyjson_val *descriptor)
{
    const char *digest = yyjson_get_str(yyjson_obj_get(descriptor, "digest"));

    return digest && digest_is_valid(digest) ? digest : NULL;
}

/* Is the manifest that of this image, and is every layer here as it came? */
static bool is_kept(ImageStore *store, yyjson_val *manifest, const Image *image)
{
    yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(manifest, "layers"));
    bool kept = str_equal(digest_in(yyjson_obj_get(manifest, "config")), image->id) &&
                yyjson_arr_size(yyjson_obj_get(manifest, "layers")) == image->layers.n;
    yyjson_val *layer;

    while (kept && (layer = yyjson_arr_iter_next(&iter))) {
        const char *digest = digest_in(layer);
        _close_fd_ int fd = digest ? image_kept_open(store, digest) : -1;
        struct stat st;

        kept = fd >= 0 && fstat(fd, &st) == 0 &&
               st.st_size == yyjson_get_sint(yyjson_obj_get(layer, "size"));
    }
    return kept;
}

static int give_kept(ImageStore *store, yyjson_val *manifest, BundleBlob blob, void *data,
                     Arena *arena, StringArray *ret_blobs, Err *reterr)
{
    yyjson_val *layers = yyjson_obj_get(manifest, "layers"), *item;
    yyjson_arr_iter iter = yyjson_arr_iter_with(layers);
    int r = 0;

    ret_blobs->v = arena_new_n(arena, const char *, yyjson_arr_size(layers) + 1);
    while (r == 0 && (item = yyjson_arr_iter_next(&iter))) {
        const char *digest = digest_in(item);
        PackedLayer layer = {.fd = image_kept_open(store, digest),
                             .size = yyjson_get_sint(yyjson_obj_get(item, "size"))};

        snprintf(layer.blob, sizeof(layer.blob), "%s", digest);
        r = layer.fd < 0 ? err_set(reterr, errno, "open the layer %s", digest)
                         : blob(data, &layer, reterr);
        packed_layer_deinit(&layer);
        ret_blobs->v[ret_blobs->n++] = arena_strdup(arena, digest);
    }
    return r;
}

/* Fills the bundle with what came. Returns 1 if it is not all here. */
static int bundle_as_it_came(ImageStore *store, const Image *image, const char *digest,
                             Bytes config, BundleBlob blob, void *data, Arena *arena,
                             ImageBundle *ret, Err *reterr)
{
    _free_ char *path = digest ? image_blob_path(store, digest) : NULL, *text = NULL;
    yyjson_doc *doc;
    const char *type;
    size_t n = 0;
    int r = 1;

    if (!path || file_read(path, JSON_BYTES_MAX, &text, &n) < 0 ||
        !digest_matches((Bytes){(uint8_t *)text, n}, digest))
        return 1;
    doc = yyjson_read(text, n, 0);
    if (is_kept(store, yyjson_doc_get_root(doc), image)) {
        type = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "mediaType"));
        ret->media_type = str_equal(type, MEDIA_TYPE_DOCKER_MANIFEST) ? MEDIA_TYPE_DOCKER_MANIFEST
                                                                      : MEDIA_TYPE_MANIFEST;
        ret->config = config;
        ret->manifest = arena_bytes(arena, (Bytes){(uint8_t *)text, n});
        snprintf(ret->id, sizeof(ret->id), "%s", image->id);
        snprintf(ret->digest, sizeof(ret->digest), "%s", digest);
        r = give_kept(store, yyjson_doc_get_root(doc), blob, data, arena, &ret->blobs, reterr);
    }
    yyjson_doc_free(doc);
    return r;
}

/* ---- the bundle ---- */

static int bundle_packed(ImageStore *store, const Image *image, bool compress, Bytes config,
                         BundleBlob blob, void *data, Arena *arena, ImageBundle *ret, Err *reterr)
{
    Packed *layers = arena_new_n(arena, Packed, image->layers.n + 1);
    int r = pack_layers(store, image, compress, blob, data, layers, reterr);

    if (r == 0)
        r = make_config(config, layers, image->layers.n, arena, &ret->config, reterr);
    if (r != 0)
        return r;
    ret->media_type = MEDIA_TYPE_MANIFEST;
    digest_of(ret->config, ret->id);
    ret->manifest = make_manifest(ret, layers, image->layers.n, compress, arena);
    digest_of(ret->manifest, ret->digest);
    ret->blobs.v = arena_new_n(arena, const char *, image->layers.n + 1);
    for (size_t i = 0; i < image->layers.n; i++)
        ret->blobs.v[ret->blobs.n++] = layers[i].blob;
    return 0;
}

int image_bundle(ImageStore *store, const char *name, bool compress, BundleBlob blob, void *data,
                 Arena *arena, ImageBundle *ret, Err *reterr)
{
    _free_ char *path = NULL, *text = NULL;
    Bytes config;
    Image image;
    size_t n = 0;
    int r;

    *ret = (ImageBundle){0};
    image_bring(store, name);
    r = image_find(store, name, arena, &image, reterr);
    if (r != 0)
        return r;
    path = image_blob_path(store, image.id);
    r = file_read(path, JSON_BYTES_MAX, &text, &n);
    if (r < 0)
        return err_set(reterr, -r, "read %s", path);
    config = arena_bytes(arena, (Bytes){(const uint8_t *)text, n});
    ret->name = image.name;
    r = bundle_as_it_came(store, &image, manifest_of(store, name, arena), config, blob, data, arena,
                          ret, reterr);
    return r > 0 ? bundle_packed(store, &image, compress, config, blob, data, arena, ret, reterr)
                 : r;
}
