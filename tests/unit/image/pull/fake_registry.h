/* SPDX-License-Identifier: Apache-2.0 */
/* A registry on the loop of a test, which counts its requests and answers some of them wrongly. */
#ifndef FAKE_REGISTRY_H
#define FAKE_REGISTRY_H

#include "../image_archive.h"

#include "base/strmap.h"
#include <uv.h>

#include "http/http.h"

typedef struct FakeContent {
    const char *type;
    Bytes bytes;
    unsigned heads, gets;
    /* what goes wrong */
    int status;       /* this answer instead */
    const char *body; /* of that answer, or these bytes in place of the right ones */
    size_t cut;       /* so many bytes, and then the connection breaks */
    bool held;        /* no answer until fake_release */
} FakeContent;

typedef struct FakeRegistry {
    HttpServer *http;
    Arena arena;
    StrMap content; /* "REPOSITORY/manifests/TAG", "REPOSITORY/blobs/DIGEST" -> FakeContent */
    const char *authorization; /* that requests must have; NULL: none */
    unsigned requests, unauthorized;
    struct HttpRequest *waiting[64];
    size_t n_waiting;
} FakeRegistry;

void fake_registry_start(FakeRegistry *fake, uv_loop_t *loop);
void fake_registry_stop(FakeRegistry *fake);
/* "127.0.0.1:PORT/REPOSITORY:TAG", in the arena */
const char *fake_name(FakeRegistry *fake, const char *rest);

/* Both return the digest. */
const char *fake_blob(FakeRegistry *fake, const char *repository, Bytes bytes);
const char *fake_manifest(FakeRegistry *fake, const char *repository, const char *tag,
                          const char *type, const char *json);
FakeContent *fake_content(FakeRegistry *fake, const char *repository, const char *kind,
                          const char *name);
/* Answers what was held, and holds nothing any more. */
void fake_release(FakeRegistry *fake);

typedef struct FakeLayer {
    const TarEntry *entries;
    size_t n;
    int compression;
    const char *type; /* NULL: OCI's for the compression */
} FakeLayer;

/* An image of these layers with its manifest. salt: makes its config different. Returns the manifest's digest; *ret_blobs,
 * if given, the digests of the layers. */
const char *fake_image(FakeRegistry *fake, const char *repository, const char *tag,
                       const FakeLayer *layers, size_t n, const char *salt,
                       const char *ret_blobs[]);

#endif
