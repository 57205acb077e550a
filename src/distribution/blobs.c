/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs go out in pieces, each of which is read on the pool when the one before has left. */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/files/file.h"
#include "distribution/internal.h"

#define PIECE (256u << 10)

typedef struct BlobRead {
    uv_work_t work;
    Distribution *d;
    HttpRequest *request;
    int fd;
    uint64_t at, end;
    uint8_t *piece;
    ssize_t n;
    bool busy, gone;
} BlobRead;

bool blob_exists(const Distribution *d, const char *digest, int64_t *ret_size)
{
    static const struct timespec now[] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}};
    _free_ char *path = distribution_path(d, "blobs", digest_hex(digest));
    struct stat st;

    if (stat(path, &st) < 0)
        return false;
    if (ret_size)
        *ret_size = st.st_size;
    /* Somebody may be about to name it in a manifest, so it is not old. */
    return utimensat(AT_FDCWD, path, now, 0) == 0;
}

static void free_read(BlobRead *blob)
{
    close_fdp(&blob->fd);
    free(blob->piece);
    distribution_rest(blob->d);
    free(blob);
}

static void on_read(uv_work_t *work)
{
    BlobRead *blob = CONTAINER_OF(work, BlobRead, work);

    blob->n = pread(blob->fd, blob->piece, (size_t)MIN_OF(blob->end - blob->at, (uint64_t)PIECE),
                    (off_t)blob->at);
}

static void on_read_done(uv_work_t *work, int status);

static void read_next(BlobRead *blob)
{
    blob->busy = true;
    uv_queue_work(blob->d->loop, &blob->work, on_read, on_read_done);
}

static void on_read_done(uv_work_t *work, int status _unused_)
{
    BlobRead *blob = CONTAINER_OF(work, BlobRead, work);

    blob->busy = false;
    if (blob->gone) {
        free_read(blob);
    } else if (blob->n <= 0) {
        http_abort(blob->request);
    } else {
        blob->at += (uint64_t)blob->n;
        http_stream_write(blob->request, (Bytes){blob->piece, (size_t)blob->n});
        if (blob->at == blob->end)
            http_stream_end(blob->request);
        else if (http_stream_pending(blob->request) == 0)
            read_next(blob);
    }
}

static void on_drain(HttpRequest *request)
{
    BlobRead *blob = request->data;

    if (!blob->busy && blob->at < blob->end)
        read_next(blob);
}

static void on_close(HttpRequest *request)
{
    BlobRead *blob = request->data;

    blob->gone = true;
    if (!blob->busy)
        free_read(blob);
}

/* "bytes=A-B" and "bytes=A-"; false: the whole blob is sent. */
static bool parse_range(const char *text, uint64_t size, uint64_t *ret_from, uint64_t *ret_end,
                        bool *ret_valid)
{
    uint64_t from = 0, to = size - 1;
    int n = 0;

    *ret_valid = true;
    if (!text ||
        (sscanf(text, "bytes=%" SCNu64 "-%" SCNu64 "%n", &from, &to, &n) < 2 &&
         sscanf(text, "bytes=%" SCNu64 "-%n", &from, &n) < 1) ||
        (size_t)n != strlen(text))
        return false;
    *ret_valid = from < size && from <= to;
    *ret_from = from;
    *ret_end = MIN_OF(to, size - 1) + 1;
    return true;
}

static void send_blob(BlobRead *blob, uint64_t size, const char *media_type)
{
    HttpRequest *request = blob->request;
    bool valid,
        part = parse_range(http_header(request, "range"), size, &blob->at, &blob->end, &valid);

    if (!valid) {
        free_read(blob);
        answer_error(request, 416, "RANGE_INVALID", "the range is not in the blob");
        return;
    }
    if (part)
        http_add_header(request, "content-range",
                        arena_printf(&request->arena, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64,
                                     blob->at, blob->end - 1, size));
    request->data = blob;
    request->on_close = on_close;
    request->on_drain = on_drain;
    http_stream_begin_sized(request, part ? 206 : 200, media_type, blob->end - blob->at);
    if (blob->at == blob->end)
        http_stream_end(request);
    else
        read_next(blob);
}

void blob_get(Distribution *d, HttpRequest *request, const char *digest, const char *media_type)
{
    _free_ char *path = distribution_path(d, "blobs", digest_hex(digest));
    bool is_manifest = !str_equal(media_type, "application/octet-stream");
    int64_t size = 0;
    BlobRead *blob;
    int fd;

    if (!blob_exists(d, digest, &size)) {
        answer_error(request, 404, is_manifest ? "MANIFEST_UNKNOWN" : "BLOB_UNKNOWN",
                     "it is not in this registry");
        return;
    }
    http_add_header(request, "docker-content-digest", digest);
    http_add_header(request, "etag", arena_printf(&request->arena, "\"%s\"", digest));
    http_add_header(request, "accept-ranges", "bytes");
    if (str_equal(request->method, "HEAD")) {
        http_respond(request, 200, media_type, (Bytes){NULL, (size_t)size});
        return;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        answer_error(request, 500, "UNKNOWN", strerror(errno));
        return;
    }
    blob = mem_new_type(BlobRead);
    blob->d = d;
    blob->fd = fd;
    blob->request = request;
    blob->end = (uint64_t)size;
    blob->piece = mem_new(PIECE);
    d->busy++;
    send_blob(blob, (uint64_t)size, media_type);
}
