/* SPDX-License-Identifier: Apache-2.0 */
/* What an archive holds, read from its manifests before anything is unpacked. */
#ifndef IMAGE_PLAN_H
#define IMAGE_PLAN_H

#include "image/internal.h"

typedef struct PlannedLayer {
    const char *path; /* in the archive */
    const char *diff_id;
    const char *blob; /* digest of its bytes in the archive; NULL: not promised */
} PlannedLayer;

typedef struct PlannedImage {
    StringArray names; /* normalized; none: known by its id only */
    const char *id;
    const char *digest; /* of the manifest; NULL: none */
    Bytes config, manifest;
    PlannedLayer *layers;
    size_t n_layers;
} PlannedImage;

typedef struct Plan {
    PlannedImage *images;
    size_t n;
} Plan;

/* most: of the archive, uncompressed. */
int plan_archive(const char *file, uint64_t most, Arena *arena, Plan *ret, Err *reterr);

#endif
