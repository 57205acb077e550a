/* SPDX-License-Identifier: Apache-2.0 */
/* Which files the volumes of a pod are planned to hold. */
#include "testing.h"

#include <uv.h>

#include "../fake_client.h"
#include "api/schema/core_pod_v1.h"
#include "base/strbuf.h"
#include "node/volume/volume.h"

#define POD(volume)                                                                       \
    "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"namespace\":" \
    "\"default\",\"uid\":\"u1\"},\"spec\":{\"containers\":[{\"name\":\"app\",\"image\":"  \
    "\"i\"}],\"volumes\":[{\"name\":\"v\"," volume "}]}}"

/* The files as "path=content:mode" in order, or the message of the error. */
static char *planned(FakeClient *fake, const char *pod_json)
{
    _arena_ Arena arena = ARENA_INIT;
    _strbuf_ StrBuf text = STRBUF_INIT;
    Object *pod = fake_client_put(fake, pod_json);
    PodFacts facts = {.client = fake_client(fake), .pod = pod, .node_name = "n"};
    StrMap tokens = STRMAP_INIT;
    VolumePlanner planner = {.facts = &facts,
                             .arena = &arena,
                             .data_dir = "/nowhere",
                             .pod_data = "/nowhere/pod",
                             .pod_run = "/nowhere/run",
                             .tokens = &tokens};
    PodVolume volume = {0};
    Err err = ERR_INIT;

    if (volume_plan(&planner, OBJECT_AS(Pod, pod)->spec.volumes.v, &volume, &err) < 0) {
        strbuf_add_string(&text, err.message);
    } else {
        assert_int_equal(volume.form, VOLUME_FILES);
        for (size_t i = 0; i < volume.n_files; i++)
            strbuf_printf(&text, "%s%s=%.*s:%o", i ? " " : "", volume.files[i].path,
                          (int)volume.files[i].data.n, (const char *)volume.files[i].data.p,
                          volume.files[i].mode);
    }
    pod_tokens_clear(&tokens);
    return strbuf_take(&text);
}

static void files_come_from_the_keys_of_config_maps_and_secrets(void **state)
{
    static const struct {
        const char *name, *pod, *files;
    } rows[] = {
        {"all keys of a ConfigMap, texts first", POD("\"configMap\":{\"name\":\"c\"}"),
         "a=1:644 b=2:644 x=3:644 y=4:644"},
        {"all keys of a Secret, with a mode",
         POD("\"secret\":{\"secretName\":\"s\",\"defaultMode\":256}"), "k=5:400 l=6:400"},
        {"selected keys under other paths",
         POD("\"configMap\":{\"name\":\"c\",\"items\":[{\"key\":\"y\",\"path\":\"d/y\"},"
             "{\"key\":\"a\",\"path\":\"e\",\"mode\":448}]}"),
         "d/y=4:644 e=1:700"},
        {"no key is selected", POD("\"configMap\":{\"name\":\"c\",\"items\":[]}"), ""},
        {"a missing key",
         POD("\"configMap\":{\"name\":\"c\",\"items\":[{\"key\":\"n\",\"path\":\"n\"}]}"),
         "configmap references non-existent config key: n"},
        {"a missing key of a Secret",
         POD("\"secret\":{\"secretName\":\"s\",\"items\":[{\"key\":\"n\",\"path\":\"n\"}]}"),
         "references non-existent secret key: n"},
        {"an optional missing key",
         POD("\"configMap\":{\"name\":\"c\",\"optional\":true,\"items\":[{\"key\":\"n\",\"path\":"
             "\"n\"},{\"key\":\"b\",\"path\":\"b\"}]}"),
         "b=2:644"},
        {"a missing ConfigMap", POD("\"configMap\":{\"name\":\"n\"}"), "configmap \"n\" not found"},
        {"a missing Secret", POD("\"secret\":{\"secretName\":\"n\"}"), "secret \"n\" not found"},
        {"an optional missing Secret", POD("\"secret\":{\"secretName\":\"n\",\"optional\":true}"),
         ""},
        {"a projected volume, where a later source replaces a file",
         POD("\"projected\":{\"sources\":[{\"configMap\":{\"name\":\"c\"}},{\"secret\":{\"name\":"
             "\"s\",\"items\":[{\"key\":\"k\",\"path\":\"b\"}]}},{\"downwardAPI\":{\"items\":[{"
             "\"path\":\"name\",\"fieldRef\":{\"fieldPath\":\"metadata.name\"}}]}}]}"),
         "a=1:644 b=5:644 x=3:644 y=4:644 name=p:644"},
    };
    uv_loop_t loop;
    FakeClient *fake;

    uv_loop_init(&loop);
    fake = fake_client_new(&loop);
    fake_client_put(fake, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":"
                          "\"c\",\"namespace\":\"default\"},\"data\":{\"a\":\"1\",\"b\":\"2\"},"
                          "\"binaryData\":{\"x\":\"Mw==\",\"y\":\"NA==\"}}");
    fake_client_put(fake, "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":"
                          "\"s\",\"namespace\":\"default\"},\"data\":{\"k\":\"NQ==\",\"l\":"
                          "\"Ng==\"}}");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _free_ char *files = planned(fake, rows[i].pod);

        print_message("%s\n", rows[i].name);
        assert_string_equal(files, rows[i].files);
    }
    uv_run(&loop, UV_RUN_NOWAIT);
    fake_client_free(fake);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_come_from_the_keys_of_config_maps_and_secrets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
