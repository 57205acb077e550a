/* SPDX-License-Identifier: Apache-2.0 */
/* See manifest.h. */
#include <yyjson.h>

#include "base/strbuf.h"
#include "image/pull/manifest.h"

#define MEMBERS_MAX 1024
#define LAYER_BYTES_MAX (INT64_C(1) << 40)

static void free_doc(yyjson_doc **doc)
{
    yyjson_doc_free(*doc);
}
#define _doc_ _cleanup_(free_doc)

static const char *get_string(yyjson_val *object, const char *name)
{
    return yyjson_get_str(yyjson_obj_get(object, name));
}

static bool is_config_type(const char *type)
{
    static const char *const types[] = {
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.docker.container.image.v1+json",
        "application/octet-stream", /* of Docker 1.10 */
    };

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_equal(type, types[i]))
            return true;
    return false;
}

static bool is_layer_type(const char *type)
{
    return type && !strstr(type, "encrypted") &&
           (str_starts_with(type, "application/vnd.oci.image.layer.") ||
            str_starts_with(type, "application/vnd.docker.image.rootfs.") ||
            str_starts_with(type, "application/vnd.docker.container.image.rootfs."));
}

static bool is_foreign_type(const char *type)
{
    return strstr(type, ".foreign.") || strstr(type, "nondistributable");
}

/* Reads digest and size, which a descriptor must have. */
static int decode_descriptor(yyjson_val *json, int64_t most, const char *what, Arena *arena,
                             Descriptor *ret, Err *reterr)
{
    const char *digest = get_string(json, "digest");
    yyjson_val *size = yyjson_obj_get(json, "size");

    if (!digest || !digest_is_known(digest))
        return err_set(reterr, 0, "the manifest gives no digest for %s", what);
    if (!yyjson_is_int(size) || yyjson_get_sint(size) < 0 || yyjson_get_sint(size) > most)
        return err_set(reterr, 0, "the manifest gives an impossible size for %s", what);
    *ret = (Descriptor){
        .media_type = arena_strdup(arena, str_or(get_string(json, "mediaType"), "")),
        .digest = arena_strdup(arena, digest),
        .size = yyjson_get_sint(size),
    };
    return 0;
}

/* ---- indexes ---- */

static void add_platform(StrBuf *text, yyjson_val *platform)
{
    const char *architecture = get_string(platform, "architecture");

    if (str_empty(architecture) || str_equal(architecture, "unknown") || text->n > 200)
        return;
    strbuf_printf(text, "%s%.15s/%.15s", text->n ? ", " : "",
                  str_or(get_string(platform, "os"), ""), architecture);
}

static int decode_index(yyjson_val *root, const Platform *want, Arena *arena, ManifestDocument *ret,
                        Err *reterr)
{
    yyjson_val *members = yyjson_obj_get(root, "manifests"), *best, *item;
    _strbuf_ StrBuf others = STRBUF_INIT;
    char wanted[PLATFORM_TEXT];
    yyjson_arr_iter iter;

    ret->is_index = true;
    if (yyjson_arr_size(members) > MEMBERS_MAX)
        return err_set(reterr, 0, "the index has more than %d manifests", MEMBERS_MAX);
    best = platform_choose(members, want);
    if (best)
        return ERR_TRACE(
            decode_descriptor(best, JSON_BYTES_MAX, "an image", arena, &ret->member, reterr));
    yyjson_arr_iter_init(members, &iter);
    while ((item = yyjson_arr_iter_next(&iter)))
        add_platform(&others, yyjson_obj_get(item, "platform"));
    platform_print(want, wanted);
    return err_set(reterr, 0, "there is no image for %s, only for %s", wanted,
                   others.n ? others.p : "no platform at all");
}

/* ---- manifests ---- */

static int decode_layer(yyjson_val *json, size_t i, Arena *arena, ManifestDocument *ret,
                        Err *reterr)
{
    char what[32];
    int r;

    snprintf(what, sizeof(what), "layer %zu", i + 1);
    r = decode_descriptor(json, LAYER_BYTES_MAX, what, arena, &ret->layers[i], reterr);
    if (r < 0)
        return ERR_TRACE(r);
    if (!is_layer_type(ret->layers[i].media_type))
        return err_set(reterr, 0, "%s has the type \"%.100s\", which is no layer of an image", what,
                       ret->layers[i].media_type);
    ret->foreign[i] = is_foreign_type(ret->layers[i].media_type);
    return 0;
}

static int decode_manifest(yyjson_val *root, Arena *arena, ManifestDocument *ret, Err *reterr)
{
    yyjson_val *config = yyjson_obj_get(root, "config"), *layers = yyjson_obj_get(root, "layers"),
               *item;
    const char *type = get_string(config, "mediaType");
    yyjson_arr_iter iter;
    size_t n = yyjson_arr_size(layers);
    int r;

    if (!is_config_type(type))
        return err_set(
            reterr, 0, "it is no container image, but an artifact of the type \"%.100s\"",
            str_or(str_empty(get_string(root, "artifactType")) ? type
                                                               : get_string(root, "artifactType"),
                   "unknown"));
    if (n > LAYERS_MAX)
        return err_set(reterr, 0, "the image has more than %d layers", LAYERS_MAX);
    r = decode_descriptor(config, JSON_BYTES_MAX, "the config", arena, &ret->config, reterr);
    if (r >= 0 && !digest_is_valid(ret->config.digest))
        r = err_set(reterr, 0, "the digest of the image's config is not SHA-256");
    ret->layers = arena_new_n(arena, Descriptor, n + 1);
    ret->foreign = arena_new_n(arena, bool, n + 1);
    yyjson_arr_iter_init(layers, &iter);
    while (r >= 0 && (item = yyjson_arr_iter_next(&iter)))
        r = decode_layer(item, ret->n_layers++, arena, ret, reterr);
    return ERR_TRACE(r);
}

int manifest_decode(Bytes json, const Platform *want, Arena *arena, ManifestDocument *ret,
                    Err *reterr)
{
    _doc_ yyjson_doc *doc = yyjson_read((const char *)json.p, json.n, 0);
    yyjson_val *root = yyjson_doc_get_root(doc);
    bool has_members = yyjson_is_arr(yyjson_obj_get(root, "manifests"));
    bool has_config = yyjson_is_obj(yyjson_obj_get(root, "config"));
    bool has_layers = yyjson_is_arr(yyjson_obj_get(root, "layers"));

    *ret = (ManifestDocument){0};
    if (!yyjson_is_obj(root))
        return err_set(reterr, 0, "the registry's manifest is not a JSON object");
    if (yyjson_obj_get(root, "fsLayers") ||
        yyjson_get_int(yyjson_obj_get(root, "schemaVersion")) == 1)
        return err_set(
            reterr, 0,
            "the image is in the format of Docker before 2016 (manifest schema 1), which "
            "is not supported; pull it with a newer tool and push it again");
    /* Programs could disagree about what such a document is, and with it about what its digest stands for. */
    if (has_members && (has_config || has_layers))
        return err_set(reterr, 0, "the registry's manifest is an index and an image at once");
    if (has_members)
        return ERR_TRACE(decode_index(root, want, arena, ret, reterr));
    if (has_config && has_layers)
        return ERR_TRACE(decode_manifest(root, arena, ret, reterr));
    return err_set(reterr, 0, "the registry's manifest is neither an image nor an index");
}
