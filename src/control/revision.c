/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ControllerRevisions, the histories of StatefulSets and DaemonSets. The data of a revision is a
 * strategic merge patch that replaces the whole template,
 *
 *     {"spec":{"template":{"$patch":"replace","metadata":{...},"spec":{...}}}}
 *
 * with sorted keys, byte for byte as Kubernetes makes it. The name of a revision ends in a hash of
 * these bytes. A history can therefore be moved between Kubernetes and stead, and equal templates
 * have equal names.
 */
#include <yyjson.h>

#include "api/meta.h"
#include "base/fnv.h"
#include "codec/json/json.h"
#include "control/revision.h"

static int compare_keys(const void *a, const void *b)
{
    yyjson_mut_val *const *x = a, *const *y = b;

    return strcmp(yyjson_mut_get_str(*x), yyjson_mut_get_str(*y));
}

static void write_sorted(yyjson_mut_val *value, StrBuf *out);

static void write_sorted_object(yyjson_mut_val *object, StrBuf *out)
{
    size_t n = 0, idx, max, count = yyjson_mut_obj_size(object);
    _free_ yyjson_mut_val **keys = mem_new(count * sizeof(*keys) + 1);
    yyjson_mut_val *key, *value;

    yyjson_mut_obj_foreach(object, idx, max, key, value) keys[n++] = key;
    qsort(keys, n, sizeof(*keys), compare_keys);
    strbuf_add_char(out, '{');
    for (size_t i = 0; i < n; i++) {
        if (i)
            strbuf_add_char(out, ',');
        json_encode_string(out, yyjson_mut_get_str(keys[i]), yyjson_mut_get_len(keys[i]));
        strbuf_add_char(out, ':');
        write_sorted(yyjson_mut_obj_iter_get_val(keys[i]), out);
    }
    strbuf_add_char(out, '}');
}

static void write_sorted(yyjson_mut_val *value, StrBuf *out)
{
    size_t idx, max;
    yyjson_mut_val *item;

    if (yyjson_mut_is_obj(value)) {
        write_sorted_object(value, out);
    } else if (yyjson_mut_is_arr(value)) {
        strbuf_add_char(out, '[');
        yyjson_mut_arr_foreach(value, idx, max, item)
        {
            if (idx)
                strbuf_add_char(out, ',');
            write_sorted(item, out);
        }
        strbuf_add_char(out, ']');
    } else if (yyjson_mut_is_str(value)) {
        json_encode_string(out, yyjson_mut_get_str(value), yyjson_mut_get_len(value));
    } else {
        _free_ char *text = yyjson_mut_val_write(value, 0, NULL);

        strbuf_add_string(out, text ? text : "null");
    }
}

Bytes revision_data(Arena *arena, const PodTemplateSpec *value)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *template = json_tree(&type_PodTemplateSpec, value, doc);
    _strbuf_ StrBuf out = STRBUF_INIT;
    Bytes data;

    yyjson_mut_obj_add_str(doc, template, "$patch", "replace");
    strbuf_add_string(&out, "{\"spec\":{\"template\":");
    write_sorted(template, &out);
    strbuf_add_string(&out, "}}");
    yyjson_mut_doc_free(doc);
    data = arena_bytes(arena, strbuf_bytes(&out));
    return data;
}

const char *revision_hash(Arena *arena, Bytes data, int32_t collision_count)
{
    /* Kubernetes' alphabet without vowels and ambiguous digits, so that a hash never spells a word. */
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    char probe[16];
    uint32_t hash = fnv1_32(FNV32_START, data.p, data.n);
    char *text;

    snprintf(probe, sizeof(probe), "%d", collision_count);
    hash = fnv1_32(hash, probe, strlen(probe));
    text = arena_printf(arena, "%u", hash);
    for (char *c = text; *c; c++)
        *c = alphabet[(unsigned char)*c % (sizeof(alphabet) - 1)];
    return text;
}

ControllerRevision *revision_new(Arena *arena, const Kind *kind, const ObjectMeta *owner,
                                 const StringMap *labels, const char *hash_label, Bytes data,
                                 int64_t number, int32_t collision_count)
{
    ControllerRevision *revision = arena_new(arena, ControllerRevision);
    ObjectMeta *meta = &revision->metadata;
    const char *hash = revision_hash(arena, data, collision_count);

    type_copy(&type_ObjectMeta, arena, meta,
              &(ObjectMeta){
                  .labels = *labels,
                  .annotations = owner->annotations,
              });
    meta->name = arena_printf(arena, "%.223s-%s", owner->name, hash);
    meta->namespace = owner->namespace;
    string_map_put(arena, &meta->labels, hash_label, hash);
    meta_add_owner(arena, meta, meta_controller_reference(arena, kind, owner));
    revision->data = data;
    revision->revision = number;
    return revision;
}

ControllerRevision *revision_renumber(Arena *arena, const ControllerRevision *revision,
                                      int64_t number)
{
    ControllerRevision *copy = type_clone(&type_ControllerRevision, arena, revision);

    copy->revision = number;
    return copy;
}

PodTemplateSpec *revision_template(Arena *arena, const ControllerRevision *revision)
{
    static const char *const ignored[] = {"$patch", NULL};
    PodTemplateSpec *template = arena_new(arena, PodTemplateSpec);
    DecodeReport report = {0};
    yyjson_doc *doc;
    yyjson_val *json;

    if (json_parse(arena, revision->data, &doc, &report) != 0)
        return NULL;
    json = yyjson_obj_get(yyjson_obj_get(yyjson_doc_get_root(doc), "spec"), "template");
    if (!json ||
        json_decode(&type_PodTemplateSpec, arena, json, 0, ignored, template, &report) != 0)
        return NULL;
    return template;
}

static int compare_revisions(const void *a, const void *b)
{
    const ControllerRevision *x = *(const ControllerRevision *const *)a;
    const ControllerRevision *y = *(const ControllerRevision *const *)b;

    if (x->revision != y->revision)
        return x->revision < y->revision ? -1 : 1;
    if (x->metadata.creation_timestamp.seconds != y->metadata.creation_timestamp.seconds)
        return x->metadata.creation_timestamp.seconds < y->metadata.creation_timestamp.seconds ? -1
                                                                                               : 1;
    return strcmp(x->metadata.name, y->metadata.name);
}

void revision_sort(const ControllerRevision **revisions, size_t n)
{
    if (n > 1)
        qsort(revisions, n, sizeof(*revisions), compare_revisions);
}
