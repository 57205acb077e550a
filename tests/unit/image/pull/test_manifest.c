/* SPDX-License-Identifier: Apache-2.0 */
/* Which image of an index is taken, and which documents of a registry are refused, with what words. */
#include "testing.h"

#include "image/pull/manifest.h"

#define D(c) "sha256:" c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c
#define CONFIG                                                                                \
    "\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"" D( \
        "aa") "\",\"size\":10}"
#define LAYER(type) "{\"mediaType\":\"" type "\",\"digest\":\"" D("bb") "\",\"size\":3}"
#define GZIP "application/vnd.oci.image.layer.v1.tar+gzip"
#define FOR(c, platform) \
    "{\"digest\":\"" D(c) "\",\"size\":3,\"platform\":{\"os\":\"linux\"," platform "}}"
#define ARM(variant) "\"architecture\":\"arm\",\"variant\":\"" variant "\""
#define ARM64 "\"architecture\":\"arm64\""
#define AMD64 "\"architecture\":\"amd64\""

static void the_image_that_fits_best_is_taken(void **state)
{
    static const struct {
        const char *want, *members, *expected; /* NULL: none */
    } rows[] = {
        {"linux/amd64", FOR("11", ARM64) "," FOR("22", AMD64), D("22")},
        {"amd64", FOR("11", AMD64 ",\"variant\":\"v3\"") "," FOR("22", AMD64), D("22")},
        {"linux/amd64/v3", FOR("22", AMD64) "," FOR("11", AMD64 ",\"variant\":\"v3\""), D("11")},
        {"linux/amd64/v3",
         FOR("22", AMD64 ",\"variant\":\"v4\"") "," FOR("11", AMD64 ",\"variant\":\"v2\""),
         D("11")},
        {"linux/amd64", FOR("11", "\"architecture\":\"386\""), D("11")},
        {"linux/arm64", FOR("11", ARM("v7")) "," FOR("22", ARM64 ",\"variant\":\"v8\""), D("22")},
        {"linux/arm64", FOR("11", ARM("v6")) "," FOR("22", ARM("v7")), D("22")},
        {"linux/arm64/v8", FOR("22", ARM64), D("22")},
        {"linux/arm/v7", FOR("11", ARM("v5")) "," FOR("22", ARM("v7")) "," FOR("33", ARM("v8")),
         D("22")},
        {"linux/arm", FOR("11", ARM("v6")), D("11")},
        {"linux/arm/v6", FOR("11", ARM("v7")), NULL},
        {"linux/arm/v7", FOR("11", ARM64), NULL},
        {"linux/s390x", FOR("11", AMD64), NULL},
        {"windows/amd64", FOR("11", AMD64), NULL},
        /* attestations of BuildKit have an unknown platform */
        {"linux/amd64", FOR("11", "\"architecture\":\"unknown\"") "," FOR("22", AMD64), D("22")},
        {"linux/amd64", "{\"digest\":\"" D("11") "\",\"size\":3}", D("11")},
        {"linux/amd64", "{\"digest\":\"" D("11") "\",\"size\":3}," FOR("22", AMD64), D("22")},
        {"linux/amd64", "", NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _arena_ Arena arena = ARENA_INIT;
        const char *json =
            arena_printf(&arena, "{\"schemaVersion\":2,\"manifests\":[%s]}", rows[i].members);
        ManifestDocument document;
        Platform want;
        Err err = ERR_INIT;
        int r;

        assert_true(platform_parse(rows[i].want, &want));
        r = manifest_decode(bytes_from_string(json), &want, &arena, &document, &err);
        if ((r == 0) != (rows[i].expected != NULL) ||
            (r == 0 && strcmp(document.member.digest, rows[i].expected) != 0))
            fail_msg("row %zu, %s: %s", i, rows[i].want,
                     r == 0 ? document.member.digest : err.message);
    }
}

static void what_is_no_image_is_refused_with_a_reason(void **state)
{
    static const struct {
        const char *json, *why; /* NULL: it is accepted */
    } rows[] = {
        {"{" CONFIG
         ",\"layers\":[" LAYER(GZIP) "," LAYER("application/vnd.oci.image.layer.v1.tar") "," LAYER(
             "application/vnd.oci.image.layer.v1.tar+zstd") "]}",
         NULL},
        {"{" CONFIG ",\"layers\":[" LAYER("application/vnd.docker.image.rootfs.diff.tar.gzip") "]}",
         NULL},
        {"{" CONFIG
         ",\"layers\":[" LAYER("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip") "]}",
         NULL},
        {"{" CONFIG ",\"layers\":[]}", NULL},
        {"", "not a JSON object"},
        {"[]", "not a JSON object"},
        {"{\"schemaVersion\":1,\"fsLayers\":[]}", "manifest schema 1"},
        {"{" CONFIG ",\"layers\":[],\"manifests\":[]}", "an index and an image at once"},
        {"{\"schemaVersion\":2}", "neither an image nor an index"},
        {"{\"config\":{\"mediaType\":\"application/vnd.cncf.helm.config.v1+json\",\"digest\":\"" D(
             "aa") "\",\"size\":1},\"layers\":[]}",
         "artifact of the type \"application/vnd.cncf.helm.config.v1+json\""},
        {"{" CONFIG ",\"layers\":[" LAYER("application/vnd.oci.image.layer.v1.tar+encrypted") "]}",
         "no layer of an image"},
        {"{" CONFIG ",\"layers\":[null]}", "gives no digest for layer 1"},
        {"{" CONFIG ",\"layers\":[{\"mediaType\":\"" GZIP
         "\",\"digest\":\"sha256:..\",\"size\":1}]}",
         "gives no digest"},
        {"{" CONFIG ",\"layers\":[{\"mediaType\":\"" GZIP
         "\",\"digest\":\"" D("bb") "\",\"size\":-1}]}",
         "impossible size"},
        {"{" CONFIG ",\"layers\":[{\"mediaType\":\"" GZIP
         "\",\"digest\":\"" D("bb") "\",\"size\":1e99}]}",
         "impossible size"},
        {"{\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"" D(
             "aa") "\",\"size\":99999999},\"layers\":[]}",
         "impossible size"},
    };
    Platform want;

    platform_own(&want);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _arena_ Arena arena = ARENA_INIT;
        ManifestDocument document;
        Err err = ERR_INIT;
        int r = manifest_decode(bytes_from_string(rows[i].json), &want, &arena, &document, &err);

        if ((r == 0) != (rows[i].why == NULL) || (r < 0 && !strstr(err.message, rows[i].why)))
            fail_msg("row %zu: %s", i, r == 0 ? "accepted" : err.message);
    }
}

static void platforms_are_written_and_read(void **state)
{
    static const char *const rows[][2] = {
        {"linux/arm64", "linux/arm64"},
        {"arm64", "linux/arm64"},
        {"aarch64", "linux/arm64"},
        {"x86_64", "linux/amd64"},
        {"armhf", "linux/arm/v7"},
        {"linux/arm", "linux/arm/v7"},
        {"linux/arm64/v8", "linux/arm64"},
        {"linux/amd64/v3", "linux/amd64/v3"},
        {"windows/amd64", "windows/amd64"},
        {"", NULL},
        {"linux/", NULL},
        {"a/b/c/d", NULL},
        {"linux/a b", NULL},
        {"linux/amd64/much-too-long", NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[PLATFORM_TEXT] = "";
        Platform platform;

        if (platform_parse(rows[i][0], &platform))
            platform_print(&platform, text);
        assert_string_equal(text, str_or(rows[i][1], ""));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_image_that_fits_best_is_taken),
        cmocka_unit_test(what_is_no_image_is_refused_with_a_reason),
        cmocka_unit_test(platforms_are_written_and_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
