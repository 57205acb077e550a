/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is given away when an image is exported to an archive or pushed to a registry: the manifest and the layers as they came, if the
 * store has kept them. Otherwise the tar of each layer is made again from its folder.
 *
 * Such a tar has the same files, but not the same bytes as the one that the layer was unpacked from. A bundle therefore has a config
 * that names the layers by what they are now, unless they came out the same.
 */
#ifndef IMAGE_TRANSFER_PACK_H
#define IMAGE_TRANSFER_PACK_H

#include "image/internal.h"

typedef struct PackedLayer {
    int fd; /* of an unnamed file */
    int64_t size;
    char diff_id[DIGEST_TEXT]; /* of the tar; "" if the layer leaves as it came */
    char blob[DIGEST_TEXT];    /* of the file, which is the tar or the tar compressed */
} PackedLayer;

/* Packs the folder into an unnamed file in `work`. */
int layer_pack(const char *folder, const char *work, bool compress, PackedLayer *ret, Err *reterr);
void packed_layer_deinit(PackedLayer *layer);

/* An image in the form of OCI. `blob` is called for each layer, with its file, before the bundle
 * is complete. */
typedef struct ImageBundle {
    const char *name; /* its name in the image store */
    char id[DIGEST_TEXT], digest[DIGEST_TEXT];
    const char *media_type; /* of the manifest */
    Bytes config, manifest;
    StringArray blobs; /* of the layers */
} ImageBundle;
typedef int (*BundleBlob)(void *data, const PackedLayer *layer, Err *reterr);
int image_bundle(ImageStore *store, const char *name, bool compress, BundleBlob blob, void *data,
                 Arena *arena, ImageBundle *ret, Err *reterr);

#define MEDIA_TYPE_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define MEDIA_TYPE_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define MEDIA_TYPE_CONFIG "application/vnd.oci.image.config.v1+json"
#define MEDIA_TYPE_LAYER "application/vnd.oci.image.layer.v1.tar"

#endif
