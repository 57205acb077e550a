/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A registry (OCI distribution specification) on this machine, for docker, podman, skopeo and crane to push to: `--registry
 * localhost:5000`. A pushed image is unpacked into the image store before the push is answered, under the name that it was pushed
 * to, so a pod that names it needs no pull.
 *
 * DIR (DATA/images/pushed) contains:
 *
 *   blobs/HEX         what was pushed: layers as they came, configs, manifests; by their SHA-256
 *   uploads/ID        an upload that has not ended; removed at the start
 *   repositories/HEX.json   a repository: its name, tags and manifests; HEX is the digest of the name
 *
 * A blob is renamed to its digest when its bytes are durable and have this digest, and a manifest is entered when all blobs that it
 * names are there. So a server that is killed at any moment leaves whole blobs and whole manifests. Blobs that no manifest names are
 * removed a day after they came.
 *
 * Who may use it: it listens on loopback addresses only, since docker and podman speak plain HTTP with these. The kernel tells which
 * user has the other end of a connection: root, the user of the server, and the user who called sudo may push and pull without a
 * password. Others need the password in DIR/password, with any user name. Requests of web pages are refused.
 *
 * All of it runs on the loop; files are read, written and hashed on the pool, and images are unpacked on threads of their own. What a
 * peer sends is kept in memory up to a megabyte for each upload; the connection is not read meanwhile.
 */
#ifndef DISTRIBUTION_DISTRIBUTION_H
#define DISTRIBUTION_DISTRIBUTION_H

#include "image/image.h"

typedef struct Distribution Distribution;

typedef struct DistributionOptions {
    struct uv_loop_s *loop;
    ImageStore *images;
    const char *dir;
    const char *address; /* "localhost:5000", "127.0.0.1:5000", "[::1]:5000" */
    /* Opens a listening socket outside of the network namespace of this process, besides the ones inside; returns a descriptor or
     * -errno. NULL: there is no outside. The kernel does not tell the users of connections from there, so everybody needs the password:
     * a connection inside could have the same addresses and ports. */
    int (*listen_outside)(void *data, const char *address, uint16_t port);
    uint32_t user;                /* may use it besides root and the user of this process */
    void (*on_image)(void *data); /* an image was pushed */
    void *data;
} DistributionOptions;

int distribution_open(const DistributionOptions *options, Distribution **ret, Err *reterr);
/* "localhost:5000", as images are named. */
const char *distribution_host(const Distribution *distribution);
/* The images that are being unpacked are waited for. */
Distribution *distribution_close(Distribution *distribution);

#endif
