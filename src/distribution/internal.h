/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISTRIBUTION_INTERNAL_H
#define DISTRIBUTION_INTERNAL_H

#include <uv.h>

#include "base/list.h"
#include "base/strbuf.h"
#include "base/strmap.h"
#include "base/vec.h"
#include "distribution/distribution.h"
#include "http/http.h"
#include "image/internal.h"

#define UPLOADS_MAX 64
#define UPLOAD_IDLE_MS (60 * 60 * 1000)
#define REPOSITORIES_MAX 10000
#define TAGS_MAX 10000 /* of a repository, and manifests of it */
#define MANIFEST_MAX (4u << 20)
#define BLOB_KEPT_S 86400 /* without a manifest */

typedef struct Repository {
    char *name;
    StrMap tags;      /* tag -> digest (char *) */
    StrMap manifests; /* digest -> media type (char *) */
} Repository;

struct Distribution {
    struct uv_loop_s *loop;
    ImageStore *images;
    char *dir, *host, *port; /* port: ":5000" */
    char *password;
    uid_t user;
    bool password_always;
    void (*on_image)(void *data);
    void *data;
    HttpServer *http;
    StrMap repositories;
    StrMap uploads; /* id -> Upload */
    VEC(struct Unpack *) unpacks;
    unsigned busy; /* work on the pool and on threads */
    bool sweeping, closing;
};

/* ---- routes.c ---- */

/* A piece of work has ended: busy is one less. After distribution_close, the last one frees everything. */
void distribution_rest(Distribution *d);

/* {"errors":[{"code":CODE,"message":MESSAGE}]} */
void answer_error(HttpRequest *request, int status, const char *code, const char *message);
char *distribution_path(const Distribution *d, const char *folder, const char *name);

/* A request for a repository, as its path says. */
typedef struct Target {
    const char *repository;
    enum { TARGET_MANIFEST, TARGET_BLOB, TARGET_UPLOADS, TARGET_UPLOAD, TARGET_TAGS } kind;
    const char *reference; /* a tag, a digest or the id of an upload */
} Target;
/* False if the path names nothing. Path: behind "/v2/". */
bool target_parse(Arena *arena, const char *path, Target *ret);

/* ---- access.c ---- */
/* Answers itself if the peer may not. */
bool access_check(Distribution *d, HttpRequest *request);
int access_load_password(Distribution *d, Err *reterr);

/* ---- repositories.c ---- */
int repositories_load(Distribution *d, Err *reterr);
void repositories_free(Distribution *d);
Repository *repository_find(const Distribution *d, const char *name);
/* Enters a manifest, and a tag unless it is NULL, and saves the repository. */
int repository_put(Distribution *d, const char *name, const char *tag, const char *digest,
                   const char *media_type, Err *reterr);
/* Removes a tag, or a manifest with its tags. False if it is not there. */
bool repository_remove(Distribution *d, Repository *repository, const char *reference);
/* Removes blobs that nothing names, on the pool. */
void repositories_sweep(Distribution *d);

/* ---- blobs.c ---- */
void blob_get(Distribution *d, HttpRequest *request, const char *digest, const char *media_type);
bool blob_exists(const Distribution *d, const char *digest, int64_t *ret_size);

/* ---- uploads.c ---- */
void uploads_begin(Distribution *d, HttpRequest *request, const Target *target);
void upload_go_on(Distribution *d, HttpRequest *request, const Target *target);
void uploads_free(Distribution *d);

/* ---- manifests.c ---- */
void manifest_put(Distribution *d, HttpRequest *request, const Target *target);
/* The digest that a tag or a digest stands for; NULL: none. */
const char *manifest_digest(const Distribution *d, const Target *target, const char **ret_type);

/* ---- unpack.c: makes images of manifests, on threads ---- */
typedef void (*UnpackDone)(void *data, const char *failure); /* NULL: done */
/* names: what the image is called in the store. Bytes are of the manifest of this platform. */
/* Waits for all threads. */
void image_unpack_join(Distribution *d);
void image_unpack(Distribution *d, const StringArray *names, const char *digest, Bytes manifest,
                  UnpackDone done, void *data);

#endif
