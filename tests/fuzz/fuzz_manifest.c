/* SPDX-License-Identifier: Apache-2.0 */
/* The documents that a registry sends: manifests and indexes, and the config of an image. What is accepted keeps its promises. */
#include "image/pull/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const Bytes json = {data, size};
    _arena_ Arena arena = ARENA_INIT;
    ManifestDocument document;
    StringArray diff_ids;
    Platform want, made;
    Image image = {0};

    ASSERT(platform_parse("linux/arm64", &want));
    if (manifest_decode(json, &want, &arena, &document, NULL) >= 0) {
        if (document.is_index) {
            ASSERT(digest_is_known(document.member.digest) && document.member.size >= 0);
        } else {
            ASSERT(digest_is_valid(document.config.digest) && document.config.size >= 0 &&
                   document.config.size <= JSON_BYTES_MAX && document.n_layers <= LAYERS_MAX);
            for (size_t i = 0; i < document.n_layers; i++)
                ASSERT(digest_is_known(document.layers[i].digest) && document.layers[i].size >= 0);
        }
    }
    if (image_config_layers(json, &arena, &diff_ids, NULL) >= 0)
        for (size_t i = 0; i < diff_ids.n; i++)
            ASSERT(digest_is_valid(diff_ids.v[i]));
    (void)image_config_decode(json, &arena, &image, NULL);
    (void)image_config_platform(json, &made, NULL);
    return 0;
}
