/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The discovery of an extension server, which is untrusted: an APIResourceList becomes the resources of
 * aggregated discovery. Whatever has the wrong type is left out.
 */
#include <yyjson.h>

#include "base/text_map.h"
#include "codec/json/json.h"
#include "server/aggregate/aggregate.h"

/* Each client reads all of them with each discovery. */
#define RESOURCES_MAX 1000

typedef struct Converter {
    yyjson_mut_doc *doc;
    yyjson_mut_val *resources;
    const char *group, *version;
    TextMap found; /* name -> yyjson_mut_val of the resource */
    Arena *arena;
} Converter;

static const char *text_of(yyjson_val *object, const char *name, const char *fallback)
{
    const char *text = yyjson_get_str(yyjson_obj_get(object, name));

    return str_empty(text) ? fallback : text;
}

static void add_text(Converter *c, yyjson_mut_val *to, const char *name, const char *text)
{
    yyjson_mut_obj_add_strcpy(c->doc, to, name, text);
}

static void add_texts(Converter *c, yyjson_mut_val *to, const char *name, yyjson_val *from)
{
    yyjson_val *list = yyjson_obj_get(from, name), *item;
    yyjson_mut_val *out;
    size_t i, n;

    if (!yyjson_is_arr(list) || yyjson_arr_size(list) == 0)
        return;
    out = yyjson_mut_arr(c->doc);
    yyjson_arr_foreach(list, i, n, item) if (yyjson_is_str(item))
        yyjson_mut_arr_add_strcpy(c->doc, out, yyjson_get_str(item));
    yyjson_mut_obj_add_val(c->doc, to, name, out);
}

static void add_kind(Converter *c, yyjson_mut_val *to, yyjson_val *from)
{
    yyjson_mut_val *kind = yyjson_mut_obj(c->doc);

    add_text(c, kind, "group", text_of(from, "group", c->group));
    add_text(c, kind, "version", text_of(from, "version", c->version));
    add_text(c, kind, "kind", text_of(from, "kind", ""));
    yyjson_mut_obj_add_val(c->doc, to, "responseKind", kind);
}

static void add_resource(Converter *c, yyjson_val *from, const char *name)
{
    yyjson_mut_val *resource = yyjson_mut_obj(c->doc);
    bool is_new;

    text_map_put_n(&c->found, name, strlen(name), &is_new)->value = resource;
    if (!is_new)
        return;
    add_text(c, resource, "resource", name);
    add_kind(c, resource, from);
    add_text(c, resource, "scope",
             yyjson_get_bool(yyjson_obj_get(from, "namespaced")) ? "Namespaced" : "Cluster");
    add_text(c, resource, "singularResource", text_of(from, "singularName", ""));
    add_texts(c, resource, "verbs", from);
    add_texts(c, resource, "shortNames", from);
    add_texts(c, resource, "categories", from);
    yyjson_mut_arr_append(c->resources, resource);
}

static void add_subresource(Converter *c, yyjson_val *from, const char *name, const char *slash)
{
    const char *of = arena_strndup(c->arena, name, (size_t)(slash - name));
    yyjson_mut_val *resource = text_map_get(&c->found, of), *list, *sub;

    if (!resource)
        return;
    list = yyjson_mut_obj_get(resource, "subresources");
    if (!list) {
        list = yyjson_mut_arr(c->doc);
        yyjson_mut_obj_add_val(c->doc, resource, "subresources", list);
    }
    sub = yyjson_mut_obj(c->doc);
    add_text(c, sub, "subresource", slash + 1);
    add_kind(c, sub, from);
    add_texts(c, sub, "verbs", from);
    yyjson_mut_arr_append(list, sub);
}

/* Resources first, since a subresource may be listed before its resource. */
static void convert(Converter *c, yyjson_val *list)
{
    for (int subs = 0; subs < 2; subs++) {
        yyjson_val *item;
        size_t i, n;

        yyjson_arr_foreach(list, i, n, item)
        {
            const char *name = text_of(item, "name", ""), *slash = strchr(name, '/');

            if (i >= RESOURCES_MAX)
                break;
            if (subs && slash)
                add_subresource(c, item, name, slash);
            else if (!subs && !slash && *name)
                add_resource(c, item, name);
        }
    }
}

char *extension_resources(Arena *arena, Bytes json, const char *group, const char *version)
{
    Converter c = {.group = group, .version = version, .arena = arena};
    DecodeReport report = {0};
    yyjson_val *list;
    yyjson_doc *doc;
    char *text;

    if (json_parse(arena, json, &doc, &report) != 0)
        return NULL;
    list = yyjson_obj_get(yyjson_doc_get_root(doc), "resources");
    if (!yyjson_is_arr(list))
        return NULL;
    c.found = (TextMap)TEXT_MAP_INIT(arena);
    c.doc = yyjson_mut_doc_new(NULL);
    c.resources = yyjson_mut_arr(c.doc);
    convert(&c, list);
    text = yyjson_mut_val_write(c.resources, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL);
    yyjson_mut_doc_free(c.doc);
    return text;
}
