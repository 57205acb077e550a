/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PUT parts that a manifest may refer to. A manifest is accepted when everything that it refers to
 * has been pushed. If it describes an image for this machine and has a tag, the image is unpacked
 * before the push is answered.
 */
#include <yyjson.h>

#include "base/files/file.h"
#include "distribution/internal.h"
#include "image/platform.h"

#define TYPE_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define TYPE_INDEX "application/vnd.oci.image.index.v1+json"
#define PARTS_MAX 1000 /* of a manifest */

typedef struct Put {
    Distribution *d;
    HttpRequest *request;
    const char *repository, *tag, *digest;
    bool gone;
} Put;

const char *manifest_digest(const Distribution *d, const Target *target, const char **ret_type)
{
    const Repository *repository = repository_find(d, target->repository);
    const char *digest = target->reference;

    if (!repository)
        return NULL;
    if (!digest_is_valid(digest))
        digest = strmap_get(&repository->tags, digest);
    *ret_type = digest ? strmap_get(&repository->manifests, digest) : NULL;
    return *ret_type ? digest : NULL;
}

/* ---- checks ---- */

static const char *digest_of_descriptor(yyjson_val *descriptor)
{
    const char *digest = yyjson_get_str(yyjson_obj_get(descriptor, "digest"));

    return digest && digest_is_valid(digest) ? digest : NULL;
}

/* Returns the digest of the first part that has not been pushed, or NULL if all have been. */
static const char *missing_of(const Distribution *d, yyjson_val *descriptors)
{
    yyjson_arr_iter iter = yyjson_arr_iter_with(descriptors);
    yyjson_val *item;

    while ((item = yyjson_arr_iter_next(&iter))) {
        const char *digest = digest_of_descriptor(item);

        /* Layers with addresses are in other registries, and need not be pushed. */
        if (!digest || (!blob_exists(d, digest, NULL) && !yyjson_obj_get(item, "urls")))
            return digest ? digest : "a descriptor without a digest";
    }
    return NULL;
}

static bool check_parts(Put *put, yyjson_val *root)
{
    yyjson_val *config = yyjson_obj_get(root, "config"), *layers = yyjson_obj_get(root, "layers"),
               *manifests = yyjson_obj_get(root, "manifests");
    const char *missing = NULL;

    if (!yyjson_is_obj(root) || (!config && !manifests) ||
        yyjson_arr_size(layers) + yyjson_arr_size(manifests) > PARTS_MAX) {
        answer_error(put->request, 400, "MANIFEST_INVALID",
                     "it is neither a manifest nor an index");
        return false;
    }
    if (config &&
        (!digest_of_descriptor(config) || !blob_exists(put->d, digest_of_descriptor(config), NULL)))
        missing = "the config";
    if (!missing)
        missing = missing_of(put->d, layers);
    if (!missing)
        missing = missing_of(put->d, manifests);
    if (missing)
        answer_error(put->request, 404, "MANIFEST_BLOB_UNKNOWN",
                     arena_printf(&put->request->arena, "%s is not in this registry", missing));
    return !missing;
}

/* ---- the image ---- */

static bool is_image(yyjson_val *root)
{
    static const char *const types[] = {"application/vnd.oci.image.config.v1+json",
                                        "application/vnd.docker.container.image.v1+json"};
    const char *type = yyjson_get_str(yyjson_obj_get(yyjson_obj_get(root, "config"), "mediaType"));

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_equal(type, types[i]))
            return true;
    return false;
}

/* Returns the digest of the member of an index that fits this machine best, or NULL if there is
 * none. */
static const char *find_member(yyjson_val *index)
{
    Platform own;

    platform_own(&own);
    return digest_of_descriptor(platform_choose(yyjson_obj_get(index, "manifests"), &own));
}

/* Finds the manifest of an image for this machine: the bytes themselves, or those of a member of
 * an index. Returns false if there is none. */
static bool find_image(const Put *put, yyjson_val *root, Bytes *bytes)
{
    const char *digest = find_member(root);
    _free_ char *path = digest ? distribution_path(put->d, "blobs", digest_hex(digest)) : NULL,
                *text = NULL;
    yyjson_doc *doc;
    bool found;
    size_t n = 0;

    if (is_image(root))
        return true;
    if (!path || file_read(path, MANIFEST_MAX, &text, &n) < 0)
        return false;
    doc = yyjson_read(text, n, 0);
    found = is_image(yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    *bytes = arena_bytes(&put->request->arena, (Bytes){(const uint8_t *)text, n});
    return found;
}

static void answer_put(Put *put)
{
    HttpRequest *request = put->request;

    http_add_header(
        request, "location",
        arena_printf(&request->arena, "/v2/%s/manifests/%s", put->repository, put->digest));
    http_add_header(request, "docker-content-digest", put->digest);
    http_respond(request, 201, "text/plain", BYTES_NULL);
}

static void on_gone(HttpRequest *request)
{
    ((Put *)request->data)->gone = true;
}

static void on_unpacked(void *data, const char *failure)
{
    Put *put = data;

    if (!put->gone) {
        put->request->on_close = NULL;
        if (failure)
            answer_error(put->request, 400, "MANIFEST_INVALID", failure);
        else
            answer_put(put);
    }
    http_request_release(put->request);
}

static void unpack(Put *put, Bytes manifest)
{
    HttpRequest *request = put->request;
    const char *name =
        arena_printf(&request->arena, "%s/%s:%s", put->d->host, put->repository, put->tag);

    request->data = put;
    request->on_close = on_gone;
    http_request_hold(request);
    image_unpack(put->d, &(StringArray){&name, 1}, put->digest, manifest, on_unpacked, put);
}

/* ---- the call ---- */

static const char *type_of(const HttpRequest *request, yyjson_val *root)
{
    const char *type = http_header(request, "content-type");

    if (!str_empty(type) && strlen(type) < 256 && !str_equal(type, "application/octet-stream"))
        return type;
    type = yyjson_get_str(yyjson_obj_get(root, "mediaType"));
    if (!str_empty(type) && strlen(type) < 256)
        return type;
    return yyjson_obj_get(root, "manifests") ? TYPE_INDEX : TYPE_MANIFEST;
}

static bool enter(Put *put, yyjson_val *root, Bytes body)
{
    _free_ char *path = distribution_path(put->d, "blobs", digest_hex(put->digest));
    Err err = ERR_INIT;
    int r = file_write_atomic(path, body.p, body.n, 0600);

    if (r < 0)
        err_set(&err, -r, "write the manifest");
    else
        r = repository_put(put->d, put->repository, put->tag, put->digest,
                           type_of(put->request, root), &err);
    if (r < 0)
        answer_error(put->request, 500, "UNKNOWN", err.message);
    return r >= 0;
}

static void put_checked(Put *put, yyjson_val *root, Bytes body)
{
    Bytes manifest = body;

    if (!check_parts(put, root) || !enter(put, root, body))
        return;
    if (put->tag && find_image(put, root, &manifest))
        unpack(put, manifest);
    else
        answer_put(put);
}

static void on_body(HttpRequest *request, Bytes body)
{
    Put *put = request->data;
    char digest[DIGEST_TEXT];
    yyjson_doc *doc;

    digest_of(body, digest);
    if (!put->tag && !str_equal(digest, put->digest)) {
        answer_error(request, 400, "DIGEST_INVALID", "the manifest has another digest");
        return;
    }
    put->digest = arena_strdup(&request->arena, digest);
    doc = yyjson_read((const char *)body.p, body.n, 0);
    put_checked(put, yyjson_doc_get_root(doc), body);
    yyjson_doc_free(doc);
}

void manifest_put(Distribution *d, HttpRequest *request, const Target *target)
{
    Put *put = arena_new(&request->arena, Put);
    bool is_digest = digest_is_valid(target->reference);

    *put = (Put){.d = d,
                 .request = request,
                 .repository = target->repository,
                 .tag = is_digest ? NULL : target->reference,
                 .digest = is_digest ? target->reference : NULL};
    request->data = put;
    request->body_limit = MANIFEST_MAX;
    request->on_body = on_body;
}
