/* SPDX-License-Identifier: Apache-2.0 */
/* The config of an image, which Docker and OCI write in the same form: how to run the image, and
 * the diff ids of its layers. */
#include <yyjson.h>

#include "base/timefmt.h"
#include "image/internal.h"
#include "image/platform.h"

static void free_doc(yyjson_doc **doc)
{
    yyjson_doc_free(*doc);
}
#define _doc_ _cleanup_(free_doc)

static const char *string_of(yyjson_val *object, const char *name, Arena *arena)
{
    const char *s = yyjson_get_str(yyjson_obj_get(object, name));

    return s ? arena_strdup(arena, s) : "";
}

static StringArray strings_of(yyjson_val *object, const char *name, Arena *arena)
{
    yyjson_val *array = yyjson_obj_get(object, name), *item;
    StringArray strings = {0};
    yyjson_arr_iter iter;

    if (!yyjson_is_arr(array))
        return strings;
    strings.v = arena_new_n(arena, const char *, yyjson_arr_size(array) + 1);
    yyjson_arr_iter_init(array, &iter);
    while ((item = yyjson_arr_iter_next(&iter)))
        if (yyjson_is_str(item))
            strings.v[strings.n++] = arena_strdup(arena, yyjson_get_str(item));
    return strings;
}

/* The member names of an object such as {"/data": {}}. */
static StringArray names_of(yyjson_val *object, const char *name, Arena *arena)
{
    yyjson_val *set = yyjson_obj_get(object, name), *key;
    StringArray strings = {0};
    yyjson_obj_iter iter;

    if (!yyjson_is_obj(set))
        return strings;
    strings.v = arena_new_n(arena, const char *, yyjson_obj_size(set) + 1);
    yyjson_obj_iter_init(set, &iter);
    while ((key = yyjson_obj_iter_next(&iter)))
        strings.v[strings.n++] = arena_strdup(arena, yyjson_get_str(key));
    return strings;
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const StringEntry *)a)->key, ((const StringEntry *)b)->key);
}

static StringMap labels_of(yyjson_val *object, Arena *arena)
{
    yyjson_val *labels = yyjson_obj_get(object, "Labels"), *key;
    StringMap map = {0};
    yyjson_obj_iter iter;

    if (!yyjson_is_obj(labels))
        return map;
    map.v = arena_new_n(arena, StringEntry, yyjson_obj_size(labels) + 1);
    yyjson_obj_iter_init(labels, &iter);
    while ((key = yyjson_obj_iter_next(&iter))) {
        const char *value = yyjson_get_str(yyjson_obj_iter_get_val(key));

        map.v[map.n++] = (StringEntry){arena_strdup(arena, yyjson_get_str(key)),
                                       arena_strdup(arena, value ? value : "")};
    }
    qsort(map.v, map.n, sizeof(*map.v), compare_entries);
    return map;
}

static yyjson_doc *parse(Bytes json, Err *reterr)
{
    yyjson_doc *doc = yyjson_read((const char *)json.p, json.n, 0);

    if (!doc || !yyjson_is_obj(yyjson_doc_get_root(doc))) {
        err_set(reterr, 0, "the image's config is not a JSON object");
        yyjson_doc_free(doc);
        return NULL;
    }
    return doc;
}

int image_config_decode(Bytes json, Arena *arena, Image *ret, Err *reterr)
{
    _doc_ yyjson_doc *doc = parse(json, reterr);
    yyjson_val *root, *config;
    const char *created;
    int32_t nanos;

    if (!doc)
        return -EINVAL;
    root = yyjson_doc_get_root(doc);
    config = yyjson_obj_get(root, "config");
    created = yyjson_get_str(yyjson_obj_get(root, "created"));
    if (!created || timefmt_parse(created, &ret->created, &nanos))
        ret->created = 0;
    ret->env = strings_of(config, "Env", arena);
    ret->entrypoint = strings_of(config, "Entrypoint", arena);
    ret->cmd = strings_of(config, "Cmd", arena);
    ret->volumes = names_of(config, "Volumes", arena);
    ret->exposed_ports = names_of(config, "ExposedPorts", arena);
    ret->user = string_of(config, "User", arena);
    ret->working_dir = string_of(config, "WorkingDir", arena);
    ret->stop_signal = string_of(config, "StopSignal", arena);
    ret->labels = labels_of(config, arena);
    return 0;
}

int image_config_layers(Bytes json, Arena *arena, StringArray *ret, Err *reterr)
{
    _doc_ yyjson_doc *doc = parse(json, reterr);

    if (!doc)
        return -EINVAL;
    *ret = strings_of(yyjson_obj_get(yyjson_doc_get_root(doc), "rootfs"), "diff_ids", arena);
    for (size_t i = 0; i < ret->n; i++)
        if (!digest_is_valid(ret->v[i]))
            return err_set(reterr, 0, "the image's config has a diff id that is no SHA-256 digest");
    return 0;
}

int image_config_platform(Bytes json, Platform *ret, Err *reterr)
{
    _doc_ yyjson_doc *doc = parse(json, reterr);
    yyjson_val *root = yyjson_doc_get_root(doc);

    *ret = (Platform){0};
    if (!doc)
        return -EINVAL;
    snprintf(ret->os, sizeof(ret->os), "%s",
             str_or(yyjson_get_str(yyjson_obj_get(root, "os")), "linux"));
    snprintf(ret->architecture, sizeof(ret->architecture), "%s",
             str_or(yyjson_get_str(yyjson_obj_get(root, "architecture")), ""));
    snprintf(ret->variant, sizeof(ret->variant), "%s",
             str_or(yyjson_get_str(yyjson_obj_get(root, "variant")), ""));
    return 0;
}
