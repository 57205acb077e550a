/* SPDX-License-Identifier: Apache-2.0 */
/* Platforms of images: operating system, architecture and variant, with the names that OCI images use. */
#ifndef IMAGE_PLATFORM_H
#define IMAGE_PLATFORM_H

#include "base/base.h"

typedef struct Platform {
    char os[16], architecture[24], variant[8]; /* the variant may be "" */
} Platform;

#define PLATFORM_TEXT 52 /* room for "os/architecture/variant" */

/* That of this machine. */
void platform_own(Platform *ret);
/* "linux/arm64/v8", "linux/amd64" or "arm64"; false if it is malformed. */
bool platform_parse(const char *text, Platform *ret);
void platform_print(const Platform *platform, char ret[static PLATFORM_TEXT]);

/* How well an image of this platform serves one who wants `want`: 0 is exact, more is worse, negative is not at all. A
 * machine also runs what was made for older variants, an arm64 machine 32-bit arm, and an amd64 machine 386. The texts may
 * be NULL. */
int platform_rank(const Platform *want, const char *os, const char *architecture,
                  const char *variant);

/* The member of an index ("manifests") that serves `want` best; NULL: none does. Descriptors without a SHA-256 digest do not count, and one
 * without a platform only if nothing else fits. */
struct yyjson_val;
struct yyjson_val *platform_choose(struct yyjson_val *manifests, const Platform *want);
/* Whether such a descriptor fits at all. */
bool platform_fits(struct yyjson_val *descriptor, const Platform *want);

#endif
