/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers that a pull needs, in DIR/pulls/HEX.json. Each layer that is whole stays in the store although no image has it
 * yet, even if the server is killed or the pull fails, so the next attempt continues with the others. Intents that nobody
 * has tried again for a day are forgotten, and the next sweep removes their layers.
 *
 * Intents change while write_lock is held, as records do, so a sweep sees all of them.
 */
#include <dirent.h>
#include <sys/stat.h>
#include <time.h>
#include <yyjson.h>

#include "base/files/file.h"
#include "codec/json/json.h"
#include "image/install.h"

#define KEEP_SECONDS (24 * 60 * 60)

static void intent_deinit(ImageIntent *intent)
{
    for (size_t i = 0; i < intent->layers.n; i++)
        free(intent->layers.v[i]);
    VEC_DEINIT(&intent->layers);
    free(intent->name);
}

static char *intent_path(const ImageStore *store, const char *name)
{
    char digest[DIGEST_TEXT];

    digest_of(bytes_from_string(name), digest);
    return mem_printf("%s/pulls/%s.json", store->dir, digest_hex(digest));
}

static void forget(ImageStore *store, size_t i)
{
    _free_ char *path = intent_path(store, store->intents.v[i].name);

    unlink(path);
    intent_deinit(&store->intents.v[i]);
    store->intents.v[i] = store->intents.v[--store->intents.n];
}

void image_intent_end(ImageStore *store, const char *name)
{
    for (size_t i = store->intents.n; i-- > 0;)
        if (str_equal(store->intents.v[i].name, name))
            forget(store, i);
}

int image_intent_begin(ImageStore *store, const char *name, const struct NewLayer *top, Err *reterr)
{
    _free_ char *path = intent_path(store, name);
    _strbuf_ StrBuf text = STRBUF_INIT;
    ImageIntent intent = {.name = mem_strdup(name), .since = time(NULL)};
    int r;

    image_intent_end(store, name);
    strbuf_add_string(&text, "{\"name\":");
    json_encode_string(&text, name, strlen(name));
    strbuf_add_string(&text, ",\"layers\":[");
    for (const NewLayer *layer = top; layer; layer = layer->below) {
        strbuf_printf(&text, "%s\"%s\"", layer == top ? "" : ",", layer->key);
        VEC_PUSH(&intent.layers, mem_strdup(layer->key));
        if (!layer->blob || !digest_is_valid(layer->blob))
            continue;
        strbuf_printf(&text, ",\"%s\"", layer->blob);
        VEC_PUSH(&intent.layers, mem_strdup(layer->blob));
    }
    strbuf_add_string(&text, "]}\n");
    VEC_PUSH(&store->intents, intent);
    r = file_write_atomic(path, text.p, text.n, 0600);
    return r < 0 ? err_set(reterr, -r, "write %s", path) : 0;
}

void image_intents_expire(ImageStore *store)
{
    for (size_t i = store->intents.n; i-- > 0;)
        if (time(NULL) - store->intents.v[i].since > KEEP_SECONDS)
            forget(store, i);
}

bool image_intents_need(const ImageStore *store, const char *hex)
{
    for (size_t i = 0; i < store->intents.n; i++)
        for (size_t k = 0; k < store->intents.v[i].layers.n; k++)
            if (strcmp(digest_hex(store->intents.v[i].layers.v[k]), hex) == 0)
                return true;
    return false;
}

static bool decode_intent(const char *text, size_t n, ImageIntent *ret)
{
    yyjson_doc *doc = yyjson_read(text, n, 0);
    yyjson_val *root = yyjson_doc_get_root(doc), *item;
    const char *name = yyjson_get_str(yyjson_obj_get(root, "name"));
    yyjson_arr_iter iter;
    bool good = name != NULL;

    ret->name = mem_strdup(str_or(name, ""));
    yyjson_arr_iter_init(yyjson_obj_get(root, "layers"), &iter);
    while ((item = yyjson_arr_iter_next(&iter))) {
        const char *layer = yyjson_get_str(item);

        good = good && layer && digest_is_valid(layer);
        VEC_PUSH(&ret->layers, mem_strdup(str_or(layer, "")));
    }
    yyjson_doc_free(doc);
    return good;
}

void image_intents_load(ImageStore *store)
{
    _free_ char *folder = mem_printf("%s/pulls", store->dir);
    DIR *dir = opendir(folder);
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        _free_ char *path = mem_printf("%s/%s", folder, entry->d_name), *text = NULL;
        ImageIntent intent = {0};
        struct stat st;
        size_t n = 0;

        if (!str_ends_with(entry->d_name, ".json"))
            continue;
        if (stat(path, &st) == 0 && file_read(path, 1 << 20, &text, &n) >= 0 &&
            decode_intent(text, n, &intent)) {
            intent.since = st.st_mtime;
            VEC_PUSH(&store->intents, intent);
        } else {
            intent_deinit(&intent);
            unlink(path);
        }
    }
    if (dir)
        closedir(dir);
    image_intents_expire(store);
}

void image_intents_clear(ImageStore *store)
{
    for (size_t i = 0; i < store->intents.n; i++)
        intent_deinit(&store->intents.v[i]);
    VEC_DEINIT(&store->intents);
}
