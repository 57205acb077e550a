/* SPDX-License-Identifier: Apache-2.0 */
/* Names of images, as Docker understands them: [domain/]path[:tag][@digest] */
#ifndef REGISTRY_REFERENCE_H
#define REGISTRY_REFERENCE_H

#include "base/arena.h"

/* A normalized name. domain/path is the repository. */
typedef struct ImageReference {
    const char *domain; /* "docker.io", "localhost:5000" */
    const char *path;   /* "library/busybox" */
    const char *tag;    /* "latest"; NULL if there is a digest alone */
    const char *digest; /* "sha256:..." or NULL; it counts more than the tag */
} ImageReference;

/* Splits and completes a name: without a domain the image is on Docker Hub, a Docker Hub image of
 * a single component is in "library/", and without tag and digest the tag is "latest".
 * REFERENCE_E_INVALID: *ret_reason says why, in the words of kubelet; ret_reason may be NULL. */
enum { REFERENCE_E_INVALID = 1 };
int reference_parse(Arena *arena, const char *name, ImageReference *ret, const char **ret_reason);

/* "docker.io/library/busybox:latest" */
const char *reference_print(Arena *arena, const ImageReference *reference);

/* A repository path that a registry may be asked for: it is part of URLs. */
bool reference_path_is_valid(const char *path, size_t n);
/* A host name or an address with an optional port: "quay.io", "[::1]:5000". */
bool reference_domain_is_valid(const char *domain, size_t n);
bool reference_tag_is_valid(const char *tag, size_t n);

#endif
