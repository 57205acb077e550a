/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A conversation with a registry (OCI distribution or Docker v2) about one repository.
 *
 * Every call blocks: call it from a thread that may wait for a slow network, never from the loop
 * nor from libuv's pool, whose few threads everything shares. All calls may be made by several
 * threads at once; a BlobStream belongs to one thread at a time.
 *
 * Results are 0, a REGISTRY_E_ outcome, or negative: -ECANCELED after registry_cancel, or a failure
 * of this machine. Whenever the result is not 0, reterr has a sentence with the registry's own
 * reason where it gave one. No message contains a credential, a token or the query of a URL.
 *
 * A repository that has mirrors in registries.conf is read from the first one that has what is
 * wanted; the message of a failure is that of the registry itself.
 */
#ifndef REGISTRY_REGISTRY_H
#define REGISTRY_REGISTRY_H

#include "base/arena.h"
#include "base/error.h"
#include "registry/config.h"
#include "registry/keyring.h"
#include "registry/reference.h"
#include "registry/types.h"

#define REGISTRY_MANIFEST_MAX (4u << 20) /* bytes of a manifest or index */

typedef struct Registry Registry;

/* Makes no request. config and keyring (which may be NULL) must live as long as the result. */
int registry_open(const RegistryConfig *config, const ImageReference *reference,
                  const Keyring *keyring, Registry **ret, Err *reterr);
Registry *registry_close(Registry *registry); /* after the streams and calls have ended */
/* From any thread: all calls, present and future, end soon with -ECANCELED. */
void registry_cancel(Registry *registry);
/* The credential that the registry has accepted; false: it wanted none. The texts are the
 * keyring's. */
bool registry_credential(Registry *registry, Credential *ret);
/* Seconds that the registry last asked us to wait, 0 if it did not. */
int64_t registry_retry_after(Registry *registry);

typedef struct Descriptor {
    const char *media_type;
    const char *digest;
    int64_t size; /* -1: unknown */
} Descriptor;

/* What the reference's tag (or digest) is now, with one request where the registry states the
 * digest. */
int registry_head(Registry *registry, Arena *arena, Descriptor *ret, Err *reterr);
/* The manifest or index with this digest, which is checked; NULL: that of the reference. */
int registry_manifest(Registry *registry, const char *digest, Arena *arena, Descriptor *ret,
                      Bytes *ret_bytes, Err *reterr);

/*
 * A blob as a stream. It goes on by a range request after the connection has broken (a bounded
 * number of times). What is read must not be believed before blob_read has returned 0, which says
 * that digest and size are right.
 */
typedef struct BlobStream BlobStream;

/* Makes no request. blob has a digest that is known (digest.h). */
int blob_open(Registry *registry, const Descriptor *blob, BlobStream **ret, Err *reterr);
/* Waits for the next bytes, which stay valid until the next call: their number, 0 at the end, or
 * negative, then blob_outcome says which REGISTRY_E_ it is (0: none, the result is an errno). The
 * shape is that of libarchive's read callback. */
ssize_t blob_read(BlobStream *stream, const void **ret, Err *reterr);
int blob_outcome(const BlobStream *stream);
uint64_t blob_received(const BlobStream *stream); /* from any thread */
BlobStream *blob_close(BlobStream *stream);       /* also in the middle */

/* Pushing. These never go to a mirror. */

/* 0: the repository has the blob. REGISTRY_E_MISSING: it does not. */
int registry_blob_exists(Registry *registry, const char *digest, Err *reterr);
/* Lets the repository have the blob that `from`, another repository of the registry, has.
 * REGISTRY_E_MISSING: the registry does not do that, so upload it. */
int registry_blob_mount(Registry *registry, const char *digest, const char *from, Err *reterr);
/* Uploads a blob of known size: in one piece, or in chunks of chunk_size bytes where that is not
 * 0. */
int registry_blob_put(Registry *registry, const Descriptor *blob, size_t chunk_size,
                      RegistryRead read, void *data, Err *reterr);
int registry_manifest_put(Registry *registry, const char *tag_or_digest, const char *media_type,
                          Bytes manifest, Err *reterr);

static inline void registry_closep(Registry **registry)
{
    *registry = registry_close(*registry);
}
#define _registry_ _cleanup_(registry_closep)
static inline void blob_closep(BlobStream **stream)
{
    *stream = blob_close(*stream);
}
#define _blob_stream_ _cleanup_(blob_closep)

#endif
