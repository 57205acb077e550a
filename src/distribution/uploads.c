/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uploads of blobs: POST begins one, PATCH appends to it, and PUT appends the rest and gives the
 * digest. POST with ?digest= does all of this at once.
 *
 * The bytes of a request are collected and, once there are enough of them, written and hashed on
 * the pool, one piece at a time. The connection is not read while more than ROOM bytes wait. If the
 * client disconnects during a request, the upload keeps what has arrived, and a later request may
 * continue there.
 */
#include <fcntl.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/files/file.h"
#include "base/log.h"
#include "distribution/internal.h"

#define PIECE (256u << 10) /* is written as soon as it is complete */
#define ROOM (1u << 20)
/* free space that is left for the machine, but at most a twentieth of the disk */
#define RESERVE_MOST (UINT64_C(1) << 30)

typedef struct Upload {
    Distribution *d;
    char *id, *repository;
    int fd;
    uint64_t size; /* written */
    Digest digest;
    StrBuf pending; /* received from the request and not written yet */
    uint64_t used_ms;

    uv_work_t work;
    bool busy;
    StrBuf writing;
    int failure; /* errno */

    HttpRequest *request; /* the request that appends to it; NULL if there is none */
    bool ended;           /* its body has arrived completely */
    const char *expected; /* PUT: the digest, in the request's arena */
    char found[DIGEST_TEXT];
    bool finishing, removed;
} Upload;

static char *upload_path(const Upload *upload)
{
    return distribution_path(upload->d, "uploads", upload->id);
}

static void upload_free(Upload *upload)
{
    _free_ char *path = upload_path(upload);

    close_fdp(&upload->fd);
    unlink(path);
    digest_deinit(&upload->digest);
    strbuf_deinit(&upload->pending);
    strbuf_deinit(&upload->writing);
    free(upload->id);
    free(upload->repository);
    free(upload);
}

/* Removes the upload, or marks it for removal if the pool is working on it. */
static void upload_remove(Upload *upload)
{
    if (!upload->removed)
        strmap_remove(&upload->d->uploads, upload->id);
    upload->removed = true;
    if (!upload->busy && !upload->request)
        upload_free(upload);
}

void uploads_free(Distribution *d)
{
    VEC(Upload *) all = VEC_INIT;

    STRMAP_EACH(&d->uploads, slot)
        VEC_PUSH(&all, slot->value);
    for (size_t i = 0; i < all.n; i++) {
        if (all.v[i]->request)
            all.v[i]->request->on_close = NULL;
        all.v[i]->request = NULL;
        upload_remove(all.v[i]);
    }
    VEC_DEINIT(&all);
}

/* ---- answers ---- */

static void add_place(HttpRequest *request, const Upload *upload)
{
    http_add_header(
        request, "location",
        arena_printf(&request->arena, "/v2/%s/blobs/uploads/%s", upload->repository, upload->id));
    http_add_header(request, "docker-upload-uuid", upload->id);
    http_add_header(
        request, "range",
        arena_printf(&request->arena, "0-%" PRIu64, upload->size ? upload->size - 1 : UINT64_C(0)));
}

static void answer_created(HttpRequest *request, const char *repository, const char *digest)
{
    http_add_header(request, "location",
                    arena_printf(&request->arena, "/v2/%s/blobs/%s", repository, digest));
    http_add_header(request, "docker-content-digest", digest);
    http_respond(request, 201, "text/plain", BYTES_NULL);
}

/* Detaches the request, which has ended, from the upload. Another request may continue it. */
static HttpRequest *take_request(Upload *upload)
{
    HttpRequest *request = upload->request;

    request->on_close = NULL;
    request->data = NULL;
    upload->request = NULL;
    upload->ended = false;
    return request;
}

static void fail_upload(Upload *upload, int status, const char *code, const char *message)
{
    if (upload->request) {
        HttpRequest *request = take_request(upload);

        http_request_pause(request, false);
        answer_error(request, status, code, message);
    }
    upload_remove(upload);
}

/* ---- writing, on the pool ---- */

static bool is_disk_full(int fd, uint64_t more)
{
    struct statvfs fs;
    uint64_t reserve;

    if (fstatvfs(fd, &fs) < 0)
        return false;
    reserve = MIN_OF(RESERVE_MOST, (uint64_t)fs.f_blocks * fs.f_frsize / 20);
    return (uint64_t)fs.f_bavail * fs.f_frsize < reserve + more;
}

static int write_piece(Upload *upload)
{
    int r;

    if (upload->writing.n == 0)
        return 0;
    if (is_disk_full(upload->fd, upload->writing.n))
        return ENOSPC;
    r = file_write_fd(upload->fd, upload->writing.p, upload->writing.n);
    if (r < 0)
        return -r;
    digest_add(&upload->digest, upload->writing.p, upload->writing.n);
    return 0;
}

/* Completes the upload. The bytes are synced to the disk before the blob gets its name. */
static int finish(Upload *upload)
{
    _free_ char *path = upload_path(upload), *blob = NULL;
    int r;

    digest_finish(&upload->digest, upload->found);
    if (!str_equal(upload->found, upload->expected))
        return 0;
    if (fsync(upload->fd) < 0)
        return errno;
    blob = distribution_path(upload->d, "blobs", digest_hex(upload->found));
    r = file_rename(path, blob);
    return r < 0 ? -r : 0;
}

static void on_write(uv_work_t *work)
{
    Upload *upload = CONTAINER_OF(work, Upload, work);

    upload->failure = write_piece(upload);
    if (upload->failure == 0 && upload->finishing)
        upload->failure = finish(upload);
}

static void on_written(uv_work_t *work, int status);

static void write_pending(Upload *upload, bool finishing)
{
    upload->busy = true;
    upload->finishing = finishing;
    upload->writing = upload->pending;
    upload->pending = STRBUF_INIT;
    upload->d->busy++;
    uv_queue_work(upload->d->loop, &upload->work, on_write, on_written);
}

/* Takes the next step: writes more, completes the upload, or answers the request. */
static void advance(Upload *upload)
{
    HttpRequest *request = upload->request;

    if (upload->busy || !request)
        return;
    if (upload->pending.n >= PIECE || (upload->ended && upload->pending.n > 0) ||
        (upload->ended && upload->expected)) {
        write_pending(upload, upload->ended && upload->expected);
        http_request_pause(request, false);
    } else if (upload->ended) {
        take_request(upload);
        add_place(request, upload);
        http_respond(request, 202, "text/plain", BYTES_NULL);
    }
}

static void on_finished(Upload *upload)
{
    if (!str_equal(upload->found, upload->expected)) {
        fail_upload(upload, 400, "DIGEST_INVALID", "the blob has another digest");
        return;
    }
    answer_created(take_request(upload), upload->repository, upload->found);
    upload_remove(upload);
}

static void on_written(uv_work_t *work, int status _unused_)
{
    Upload *upload = CONTAINER_OF(work, Upload, work);

    Distribution *d = upload->d;

    upload->busy = false;
    upload->size += upload->failure ? 0 : upload->writing.n;
    upload->used_ms = uv_now(upload->d->loop);
    strbuf_deinit(&upload->writing);
    upload->writing = STRBUF_INIT;
    if (upload->removed) {
        upload_remove(upload);
    } else if (upload->failure) {
        log_warn("registry", "an upload to %s failed: %s", upload->repository,
                 strerror(upload->failure));
        fail_upload(upload, upload->failure == ENOSPC ? 507 : 500, "UNKNOWN",
                    upload->failure == ENOSPC ? "the disk of the images is full"
                                              : strerror(upload->failure));
    } else if (upload->finishing && upload->request) {
        on_finished(upload);
    } else if (upload->finishing) {
        upload_remove(upload);
    } else {
        advance(upload);
    }
    distribution_rest(d);
}

/* ---- the body of a request ---- */

static void on_piece(HttpRequest *request, Bytes piece)
{
    Upload *upload = request->data;

    if (!upload)
        return;
    strbuf_add(&upload->pending, piece.p, piece.n);
    upload->used_ms = uv_now(upload->d->loop);
    if (upload->busy && upload->pending.n >= ROOM)
        http_request_pause(request, true);
    advance(upload);
}

static void on_body(HttpRequest *request, Bytes body _unused_)
{
    Upload *upload = request->data;

    if (!upload)
        return;
    upload->ended = true;
    advance(upload);
}

/* The client has disconnected. What it has sent is kept. */
static void on_gone(HttpRequest *request)
{
    Upload *upload = request->data;

    upload->request = NULL;
    upload->ended = false;
    upload->expected = NULL;
    if (upload->removed)
        upload_remove(upload);
    else if (!upload->busy && upload->pending.n > 0)
        write_pending(upload, false);
}

static void take_body(Upload *upload, HttpRequest *request, const char *digest)
{
    upload->request = request;
    upload->expected = digest;
    upload->ended = false;
    request->data = upload;
    request->on_piece = on_piece;
    request->on_body = on_body;
    request->on_close = on_gone;
    request->body_limit = SIZE_MAX / 2; /* the disk is the limit */
}

/* ---- the calls ---- */

static void remove_idle(Distribution *d)
{
    VEC(Upload *) idle = VEC_INIT;

    STRMAP_EACH(&d->uploads, slot) {
        Upload *upload = slot->value;

        if (!upload->request && !upload->busy && uv_now(d->loop) - upload->used_ms > UPLOAD_IDLE_MS)
            VEC_PUSH(&idle, upload);
    }
    for (size_t i = 0; i < idle.n; i++)
        upload_remove(idle.v[i]);
    VEC_DEINIT(&idle);
}

static Upload *upload_new(Distribution *d, const char *repository)
{
    Upload *upload = mem_new_type(Upload);
    _free_ char *path = NULL;
    uint8_t id[16];

    upload->d = d;
    upload->repository = mem_strdup(repository);
    upload->id = mem_new(sizeof(id) * 2 + 1);
    upload->used_ms = uv_now(d->loop);
    digest_init(&upload->digest);
    RAND_bytes(id, sizeof(id));
    for (size_t i = 0; i < sizeof(id); i++)
        snprintf(upload->id + 2 * i, 3, "%02x", id[i]);
    path = upload_path(upload);
    upload->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (upload->fd < 0) {
        upload_free(upload);
        return NULL;
    }
    strmap_put(&d->uploads, upload->id, upload);
    return upload;
}

void uploads_begin(Distribution *d, HttpRequest *request, const Target *target)
{
    const char *mount = http_query(request, "mount"), *digest = http_query(request, "digest");
    Upload *upload;

    if (!str_equal(request->method, "POST")) {
        answer_error(request, 405, "UNSUPPORTED", "only POST makes an upload");
        return;
    }
    if (mount && digest_is_valid(mount) && blob_exists(d, mount, NULL)) {
        answer_created(request, target->repository, mount);
        return;
    }
    remove_idle(d);
    if (digest && !digest_is_valid(digest))
        answer_error(request, 400, "DIGEST_INVALID", "only SHA-256 is supported");
    else if (d->uploads.n >= UPLOADS_MAX)
        answer_error(request, 429, "TOOMANYREQUESTS", "there are too many uploads");
    else if (!(upload = upload_new(d, target->repository)))
        answer_error(request, 500, "UNKNOWN", strerror(errno));
    else if (digest)
        take_body(upload, request, digest);
    else {
        add_place(request, upload);
        http_respond(request, 202, "text/plain", BYTES_NULL);
    }
}

/* Whether the chunk begins where the upload ends, as it has to. */
static bool continues(const HttpRequest *request, const Upload *upload)
{
    const char *range = http_header(request, "content-range");
    uint64_t from, to;

    return !range || (sscanf(range, "%" SCNu64 "-%" SCNu64, &from, &to) == 2 &&
                      from == upload->size && to >= from);
}

void upload_go_on(Distribution *d, HttpRequest *request, const Target *target)
{
    Upload *upload = strmap_get(&d->uploads, target->reference);
    const char *digest = http_query(request, "digest");

    if (!upload || !str_equal(upload->repository, target->repository)) {
        answer_error(request, 404, "BLOB_UPLOAD_UNKNOWN", "there is no such upload");
    } else if (upload->request || upload->busy) {
        answer_error(request, 409, "BLOB_UPLOAD_INVALID", "another request adds to the upload");
    } else if (str_equal(request->method, "GET")) {
        add_place(request, upload);
        http_respond(request, 204, "text/plain", BYTES_NULL);
    } else if (str_equal(request->method, "DELETE")) {
        upload_remove(upload);
        http_respond(request, 204, "text/plain", BYTES_NULL);
    } else if (!continues(request, upload)) {
        add_place(request, upload);
        answer_error(request, 416, "BLOB_UPLOAD_INVALID", "the chunk does not follow the last one");
    } else if (str_equal(request->method, "PATCH")) {
        take_body(upload, request, NULL);
    } else if (!str_equal(request->method, "PUT")) {
        answer_error(request, 405, "UNSUPPORTED", "an upload knows GET, PATCH, PUT and DELETE");
    } else if (!digest || !digest_is_valid(digest)) {
        answer_error(request, 400, "DIGEST_INVALID", "give the SHA-256 digest of the blob");
    } else {
        take_body(upload, request, digest);
    }
}
