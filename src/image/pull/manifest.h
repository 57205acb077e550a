/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests and indexes as registries serve them, of OCI and of Docker. Pure functions over untrusted bytes. */
#ifndef IMAGE_PULL_MANIFEST_H
#define IMAGE_PULL_MANIFEST_H

#include "image/internal.h"
#include "image/platform.h"
#include "registry/registry.h"

typedef struct ManifestDocument {
    bool is_index;
    /* of an index: the manifest, or inner index, that fits the wanted platform best */
    Descriptor member;
    /* of a manifest */
    Descriptor config;
    Descriptor *layers; /* lowest first */
    bool *foreign;      /* the layer is not meant to be in a registry */
    size_t n_layers;
} ManifestDocument;

/* Fails with a message if the document is something else than an image for this platform. */
int manifest_decode(Bytes json, const Platform *want, Arena *arena, ManifestDocument *ret,
                    Err *reterr);

#endif
