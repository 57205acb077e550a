/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uploads, as the OCI distribution specification has them. An upload begins with a POST, whose
 * answer names the place where the bytes go; each further answer may name another one.
 *
 *   in one piece   POST uploads/          202 and a location
 *                  PUT  location?digest=  201, with all bytes
 *   in chunks      POST uploads/          202 and a location
 *                  PATCH location         202 and a location, with a part of the bytes, repeatedly
 *                  PUT  location?digest=  201, without bytes
 *
 * A chunk is in memory, so it can be sent again after a failure that the registry reports; bytes
 * that are streamed in one piece cannot.
 */
#include "registry/digest.h"
#include "registry/internal.h"
#include "registry/transport/url.h"

#define OCTETS "application/octet-stream"

typedef struct Upload {
    Registry *registry;
    Endpoint *endpoint;
    Lane *lane;
    char *location; /* absolute; NULL: not begun */
} Upload;

static void upload_begin(Upload *upload, Registry *registry)
{
    Endpoint *endpoint = &registry->endpoints[registry->n - 1];
    _free_ char *scope = mem_printf("repository:%s:pull,push", endpoint->path);

    auth_add_scope(&endpoint->auth, scope);
    *upload = (Upload){
        .registry = registry,
        .endpoint = endpoint,
        .lane = lane_borrow(&registry->users, endpoint->host),
    };
}

static void upload_end(Upload *upload)
{
    free(upload->location);
    lane_return(&upload->registry->users, upload->lane);
}

static int bad_answer(const Upload *upload, const char *why, Err *reterr)
{
    err_set(reterr, 0, "%s/%s: %s", upload->endpoint->host, upload->endpoint->path, why);
    return REGISTRY_E_BAD_DATA;
}

/* Where the upload goes on. */
static int take_location(Upload *upload, const Transfer *transfer, Err *reterr)
{
    const char *location = transfer_header(transfer, "location", 0);
    Url url;

    if (!location || url_parse(transfer_url(transfer), location, &url))
        return bad_answer(upload, "the answer to an upload names no place for it", reterr);
    free(upload->location);
    upload->location = TAKE_PTR(url.text);
    url_deinit(&url);
    return 0;
}

/* ret_digest (may be NULL): the digest that the registry states; the caller frees. */
static int call(Upload *upload, const Call *what, int *ret_status, char **ret_digest, Err *reterr)
{
    Transfer *transfer = NULL;
    int r = endpoint_call(upload->registry, upload->endpoint, upload->lane, what, &transfer,
                          ret_status, reterr);

    if (r == 0 && *ret_status == 202)
        r = take_location(upload, transfer, reterr);
    if (r == 0 && ret_digest)
        *ret_digest = mem_strdup(transfer_header(transfer, "docker-content-digest", 0));
    transfer_free(transfer);
    return ERR_TRACE(r);
}

int registry_blob_exists(Registry *registry, const char *digest, Err *reterr)
{
    _free_ char *path = mem_printf("blobs/%s", digest);
    Upload upload;
    int status, r;

    upload_begin(&upload, registry);
    r = call(&upload, &(Call){.method = "HEAD", .path = path}, &status, NULL, reterr);
    upload_end(&upload);
    return ERR_TRACE(r);
}

int registry_blob_mount(Registry *registry, const char *digest, const char *from, Err *reterr)
{
    _free_ char *scope = mem_printf("repository:%s:pull", from);
    _free_ char *path = mem_printf("blobs/uploads/?mount=%s&from=%s", digest, from);
    Upload upload;
    int status = 0, r;

    ASSERT(digest_is_known(digest) && reference_path_is_valid(from, strlen(from)));
    upload_begin(&upload, registry);
    auth_add_scope(&upload.endpoint->auth, scope);
    r = call(&upload, &(Call){.method = "POST", .path = path, .body = BYTES_LITERAL("")}, &status,
             NULL, reterr);
    /* 202 begins an upload in place of the mount. It is ended, as the caller begins its own. */
    if (r == 0 && status == 202) {
        call(&upload, &(Call){.method = "DELETE", .url = upload.location}, &status, NULL, NULL);
        err_set(reterr, 0, "%s/%s: the registry does not take the blob from %s",
                upload.endpoint->host, upload.endpoint->path, from);
        r = REGISTRY_E_MISSING;
    }
    upload_end(&upload);
    return ERR_TRACE(r);
}

/* The last request, with the digest and, in one piece, all bytes. */
static int finish(Upload *upload, const Descriptor *blob, Call *last, Err *reterr)
{
    _free_ char *url = mem_printf("%s%cdigest=%s", upload->location,
                                  strchr(upload->location, '?') ? '&' : '?', blob->digest);
    _free_ char *digest = NULL;
    int status, r;

    last->method = "PUT";
    last->url = url;
    last->content_type = OCTETS;
    r = call(upload, last, &status, &digest, reterr);
    if (r == 0 && digest && digest_is_known(digest) && !str_equal(digest, blob->digest))
        return bad_answer(upload, "the registry has stored the blob under another digest", reterr);
    return ERR_TRACE(r);
}

static int put_whole(Upload *upload, const Descriptor *blob, RegistryRead read, void *data,
                     Err *reterr)
{
    return finish(upload, blob, &(Call){.read = read, .read_data = data, .body_size = blob->size},
                  reterr);
}

/* Fills the chunk as far as the blob goes. */
static int read_chunk(RegistryRead read, void *data, uint8_t *chunk, size_t wanted, Err *reterr)
{
    for (size_t n = 0; n < wanted;) {
        ssize_t got = read(data, chunk + n, wanted - n);

        if (got <= 0)
            return err_set(reterr, got ? (int)-got : EIO, "what is to be sent could not be read");
        n += (size_t)got;
    }
    return 0;
}

static int put_chunks(Upload *upload, const Descriptor *blob, size_t chunk_size, RegistryRead read,
                      void *data, Err *reterr)
{
    _free_ uint8_t *chunk = mem_new(chunk_size);

    for (uint64_t sent = 0, size = (uint64_t)blob->size; sent < size;) {
        size_t n = (size_t)MIN_OF((uint64_t)chunk_size, size - sent);
        _free_ char *range = mem_printf("%" PRIu64 "-%" PRIu64, sent, sent + n - 1);
        _free_ char *url = mem_strdup(upload->location);
        Call patch = {.method = "PATCH",
                      .url = url,
                      .content_type = OCTETS,
                      .content_range = range,
                      .body = {chunk, n}};
        int status, r = read_chunk(read, data, chunk, n, reterr);

        if (r == 0)
            r = call(upload, &patch, &status, NULL, reterr);
        if (r)
            return ERR_TRACE(r);
        sent += n;
    }
    return finish(upload, blob, &(Call){.body = BYTES_LITERAL("")}, reterr);
}

int registry_blob_put(Registry *registry, const Descriptor *blob, size_t chunk_size,
                      RegistryRead read, void *data, Err *reterr)
{
    Upload upload;
    int status = 0, r;

    ASSERT(digest_is_known(blob->digest) && blob->size >= 0);
    upload_begin(&upload, registry);
    r = call(&upload,
             &(Call){.method = "POST", .path = "blobs/uploads/", .body = BYTES_LITERAL("")},
             &status, NULL, reterr);
    if (r == 0 && status != 202)
        r = bad_answer(&upload, "the registry does not begin an upload", reterr);
    if (r == 0)
        r = chunk_size ? put_chunks(&upload, blob, chunk_size, read, data, reterr)
                       : put_whole(&upload, blob, read, data, reterr);
    upload_end(&upload);
    return ERR_TRACE(r);
}

int registry_manifest_put(Registry *registry, const char *tag_or_digest, const char *media_type,
                          Bytes manifest, Err *reterr)
{
    _free_ char *path = mem_printf("manifests/%s", tag_or_digest);
    Call put = {.method = "PUT", .path = path, .content_type = media_type, .body = manifest};
    _free_ char *digest = NULL;
    Upload upload;
    int status, r;

    upload_begin(&upload, registry);
    r = call(&upload, &put, &status, &digest, reterr);
    if (r == 0 && digest && digest_is_known(digest) && !digest_matches(manifest, digest))
        r = bad_answer(&upload, "the registry has stored the manifest under another digest",
                       reterr);
    upload_end(&upload);
    return ERR_TRACE(r);
}
