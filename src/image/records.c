/* SPDX-License-Identifier: Apache-2.0 */
/* Reads and writes DIR/names/HEX.json, which say to which image a name refers. */
#include <dirent.h>
#include <yyjson.h>

#include "base/files/file.h"
#include "codec/json/json.h"
#include "image/internal.h"

ImageRecord *image_record_free(ImageRecord *record)
{
    if (!record)
        return NULL;
    free(record->name);
    free(record->id);
    free(record->digest);
    free(record->member);
    free(record->platform);
    free(record->stamp);
    free(record->source);
    for (size_t i = 0; i < record->layers.n; i++)
        free(record->layers.v[i]);
    for (size_t i = 0; i < record->blobs.n; i++)
        free(record->blobs.v[i]);
    VEC_DEINIT(&record->layers);
    VEC_DEINIT(&record->blobs);
    free(record);
    return NULL;
}

ImageRecord *image_record_copy(const ImageRecord *record, const char *name)
{
    ImageRecord *copy = mem_new_type(ImageRecord);

    copy->name = mem_strdup(name);
    copy->id = mem_strdup(record->id);
    copy->digest = mem_strdup(str_or(record->digest, ""));
    copy->member = mem_strdup(str_or(record->member, ""));
    copy->stamp = mem_strdup("");
    copy->source = mem_strdup("");
    copy->platform = mem_strdup(str_or(record->platform, ""));
    copy->remote = record->remote;
    copy->tagged = true;
    copy->size = record->size;
    for (size_t i = 0; i < record->layers.n; i++)
        VEC_PUSH(&copy->layers, mem_strdup(record->layers.v[i]));
    for (size_t i = 0; i < record->blobs.n; i++)
        VEC_PUSH(&copy->blobs, mem_strdup(record->blobs.v[i]));
    return copy;
}

char *image_record_path(const ImageStore *store, const char *name)
{
    char digest[DIGEST_TEXT];

    digest_of(bytes_from_string(name), digest);
    return mem_printf("%s/names/%s.json", store->dir, digest_hex(digest));
}

static void add_member(StrBuf *out, const char *name, const char *value)
{
    strbuf_printf(out, "\"%s\":", name);
    json_encode_string(out, value, strlen(value));
    strbuf_add_char(out, ',');
}

int image_record_save(ImageStore *store, const ImageRecord *record, Err *reterr)
{
    _free_ char *path = image_record_path(store, record->name);
    _strbuf_ StrBuf text = STRBUF_INIT;
    int r;

    strbuf_add_char(&text, '{');
    add_member(&text, "name", record->name);
    add_member(&text, "id", record->id);
    add_member(&text, "digest", str_or(record->digest, ""));
    add_member(&text, "member", str_or(record->member, ""));
    add_member(&text, "platform", str_or(record->platform, ""));
    add_member(&text, "stamp", str_or(record->stamp, ""));
    add_member(&text, "source", str_or(record->source, ""));
    strbuf_printf(&text, "\"remote\":%s,\"tagged\":%s,\"size\":%" PRId64 ",\"layers\":[",
                  record->remote ? "true" : "false", record->tagged ? "true" : "false",
                  record->size);
    for (size_t i = 0; i < record->layers.n; i++)
        strbuf_printf(&text, "%s\"%s\"", i ? "," : "", record->layers.v[i]);
    strbuf_add_string(&text, "],\"blobs\":[");
    for (size_t i = 0; i < record->blobs.n; i++)
        strbuf_printf(&text, "%s\"%s\"", i ? "," : "", record->blobs.v[i]);
    strbuf_add_string(&text, "]}\n");
    r = file_write_atomic(path, text.p, text.n, 0600);
    return r < 0 ? err_set(reterr, -r, "write %s", path) : 0;
}

static char *take_string(yyjson_val *root, const char *name)
{
    const char *s = yyjson_get_str(yyjson_obj_get(root, name));

    return mem_strdup(s ? s : "");
}

/* NULL if the text is not a valid record. */
static ImageRecord *decode_record(const char *text, size_t n)
{
    yyjson_doc *doc = yyjson_read(text, n, 0);
    yyjson_val *root = yyjson_doc_get_root(doc), *layers, *item;
    ImageRecord *record;
    yyjson_arr_iter iter;
    bool good = true;

    if (!yyjson_is_obj(root)) {
        yyjson_doc_free(doc);
        return NULL;
    }
    record = mem_new_type(ImageRecord);
    record->name = take_string(root, "name");
    record->id = take_string(root, "id");
    record->digest = take_string(root, "digest");
    record->member = take_string(root, "member");
    record->platform = take_string(root, "platform");
    record->stamp = take_string(root, "stamp");
    record->source = take_string(root, "source");
    record->remote = yyjson_get_bool(yyjson_obj_get(root, "remote"));
    record->tagged = yyjson_get_bool(yyjson_obj_get(root, "tagged"));
    record->size = yyjson_get_sint(yyjson_obj_get(root, "size"));
    layers = yyjson_obj_get(root, "layers");
    yyjson_arr_iter_init(layers, &iter);
    while ((item = yyjson_arr_iter_next(&iter))) {
        const char *layer = yyjson_get_str(item);

        good = good && layer && digest_is_valid(layer);
        VEC_PUSH(&record->layers, mem_strdup(layer ? layer : ""));
    }
    yyjson_arr_iter_init(yyjson_obj_get(root, "blobs"), &iter);
    while ((item = yyjson_arr_iter_next(&iter))) {
        const char *blob = yyjson_get_str(item);

        VEC_PUSH(&record->blobs, mem_strdup(blob && digest_is_valid(blob) ? blob : ""));
    }
    yyjson_doc_free(doc);
    if (!good || str_empty(record->name) || !digest_is_valid(record->id))
        return image_record_free(record);
    return record;
}

int image_records_load(ImageStore *store, Err *reterr)
{
    _free_ char *folder = mem_printf("%s/names", store->dir);
    DIR *dir = opendir(folder);
    struct dirent *entry;

    if (!dir)
        return err_set(reterr, errno, "read %s", folder);
    while ((entry = readdir(dir))) {
        _free_ char *path = mem_printf("%s/%s", folder, entry->d_name), *text = NULL;
        ImageRecord *record;
        size_t n = 0;

        if (!str_ends_with(entry->d_name, ".json") || file_read(path, 1 << 20, &text, &n) < 0)
            continue;
        record = decode_record(text, n);
        if (record)
            image_record_free(strmap_put(&store->records, record->name, record));
    }
    closedir(dir);
    return 0;
}
