/* SPDX-License-Identifier: Apache-2.0 */
/* What an archive contains, according to its manifests. This is read before anything is
 * unpacked. */
#ifndef IMAGE_PLAN_H
#define IMAGE_PLAN_H

#include "image/internal.h"

typedef struct PlannedLayer {
    const char *path; /* in the archive */
    const char *diff_id;
    /* digest of its bytes in the archive; NULL if the manifest does not give it */
    const char *blob;
} PlannedLayer;

typedef struct PlannedImage {
    StringArray names; /* normalized; if there are none, the image is known by its id only */
    size_t names_cap;
    const char *id;
    const char *digest; /* of the manifest; NULL if there is none */
    Bytes config, manifest;
    PlannedLayer *layers;
    size_t n_layers;
} PlannedImage;

typedef struct Plan {
    PlannedImage *v;
    size_t n, cap;
} Plan;

/* most: how many uncompressed bytes of the archive may be read. */
int plan_archive(const char *file, uint64_t most, Arena *arena, Plan *ret, Err *reterr);

#endif
