/* SPDX-License-Identifier: Apache-2.0 */
/* The documents of an image that leaves the store: its config, and a manifest. See pack.h. */
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

int image_bundle(ImageStore *store, const char *name, bool compress, BundleBlob blob, void *data,
                 Arena *arena, ImageBundle *ret, Err *reterr)
{
    _free_ char *path = NULL, *text = NULL;
    Packed *layers;
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
    layers = arena_new_n(arena, Packed, image.layers.n + 1);
    r = pack_layers(store, &image, compress, blob, data, layers, reterr);
    if (r == 0)
        r = make_config(arena_bytes(arena, (Bytes){(const uint8_t *)text, n}), layers,
                        image.layers.n, arena, &ret->config, reterr);
    if (r != 0)
        return r;
    ret->name = image.name;
    digest_of(ret->config, ret->id);
    ret->manifest = make_manifest(ret, layers, image.layers.n, compress, arena);
    digest_of(ret->manifest, ret->digest);
    ret->blobs.v = arena_new_n(arena, const char *, image.layers.n + 1);
    for (size_t i = 0; i < image.layers.n; i++)
        ret->blobs.v[ret->blobs.n++] = layers[i].blob;
    return 0;
}
