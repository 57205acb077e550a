/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema of a CustomResourceDefinition as OpenAPI documents have it. Version 2 knows neither alternatives nor null, and kubectl
 * cannot check members that it does not know, so these parts are left out there.
 */
#include "api/structural/internal.h"
#include "codec/json/json.h"

#define API_VERSION_TEXT                                                                           \
    "APIVersion defines the versioned schema of this representation of an object. Servers should " \
    "convert recognized schemas to the latest internal value, and may reject unrecognized "        \
    "values. More info: "                                                                          \
    "https://git.k8s.io/community/contributors/devel/sig-architecture/"                            \
    "api-conventions.md#resources"
#define KIND_TEXT                                                                                \
    "Kind is a string value representing the REST resource this object represents. Servers may " \
    "infer this from the endpoint the client submits requests to. Cannot be updated. In "        \
    "CamelCase. More info: "                                                                     \
    "https://git.k8s.io/community/contributors/devel/sig-architecture/"                          \
    "api-conventions.md#types-kinds"
#define METADATA_TEXT                         \
    "Standard object's metadata. More info: " \
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"

typedef struct Publisher {
    yyjson_mut_doc *doc;
    bool v2;
} Publisher;

static yyjson_mut_val *publish_node(const Publisher *p, yyjson_val *schema);

static bool is_set(yyjson_val *schema, const char *name)
{
    return yyjson_is_true(yyjson_obj_get(schema, name));
}

static bool is_alternative(const char *name)
{
    return str_equal(name, "allOf") || str_equal(name, "anyOf") || str_equal(name, "oneOf") ||
           str_equal(name, "not");
}

static yyjson_mut_val *publish_properties(const Publisher *p, yyjson_val *properties)
{
    yyjson_mut_val *out = yyjson_mut_obj(p->doc);
    yyjson_val *key, *value;
    size_t i, n;

    yyjson_obj_foreach(properties, i, n, key, value)
    {
        yyjson_mut_obj_add(out, yyjson_val_mut_copy(p->doc, key), publish_node(p, value));
    }
    return out;
}

/* Version 2: properties that may be null are not required. */
static yyjson_mut_val *publish_required(const Publisher *p, yyjson_val *required,
                                        yyjson_val *properties)
{
    yyjson_mut_val *out = yyjson_mut_arr(p->doc);
    _arena_ Arena arena = ARENA_INIT;
    Lookup lookup = lookup_of(&arena, properties);
    yyjson_val *name;
    size_t i, n;

    yyjson_arr_foreach(required, i, n, name)
    {
        const char *text = yyjson_get_str(name);

        if (!p->v2 || !text || !is_set(lookup_find(&lookup, text), "nullable"))
            yyjson_mut_arr_append(out, yyjson_val_mut_copy(p->doc, name));
    }
    return out;
}

/* Whether version 2 leaves the keyword out. */
static bool is_left_out(yyjson_val *schema, const char *name)
{
    bool nullable = is_set(schema, "nullable");
    bool open = is_set(schema, "x-kubernetes-preserve-unknown-fields");
    const char *type = yyjson_get_str(yyjson_obj_get(schema, "type"));

    if (is_alternative(name) || str_equal(name, "nullable"))
        return true;
    if (str_equal(name, "items") || str_equal(name, "properties"))
        return nullable || open;
    if (str_equal(name, "type"))
        return nullable || (open && (str_equal(type, "object") || str_equal(type, "array"))) ||
               (str_equal(type, "array") && !yyjson_obj_get(schema, "items"));
    return str_equal(name, "required") &&
           is_set(yyjson_obj_get(schema, "additionalProperties"), "nullable");
}

static yyjson_mut_val *text_property(const Publisher *p, const char *description)
{
    yyjson_mut_val *out = yyjson_mut_obj(p->doc);

    yyjson_mut_obj_add_str(p->doc, out, "description", description);
    yyjson_mut_obj_add_str(p->doc, out, "type", "string");
    return out;
}

static yyjson_mut_val *metadata_property(const Publisher *p)
{
    yyjson_mut_val *out = yyjson_mut_obj(p->doc), *all, *ref;
    const char *to = p->v2 ? "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
                           : "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

    yyjson_mut_obj_add_str(p->doc, out, "description", METADATA_TEXT);
    if (p->v2) {
        yyjson_mut_obj_add_str(p->doc, out, "$ref", to);
        return out;
    }
    all = yyjson_mut_obj_add_arr(p->doc, out, "allOf");
    ref = yyjson_mut_arr_add_obj(p->doc, all);
    yyjson_mut_obj_add_str(p->doc, ref, "$ref", to);
    return out;
}

static void put(const Publisher *p, yyjson_mut_val *object, const char *name, yyjson_mut_val *value)
{
    yyjson_mut_obj_put(object, yyjson_mut_str(p->doc, name), value);
}

static void add_meta(const Publisher *p, yyjson_mut_val *out)
{
    yyjson_mut_val *properties = yyjson_mut_obj_get(out, "properties");

    if (!properties)
        properties = yyjson_mut_obj_add_obj(p->doc, out, "properties");
    put(p, properties, "apiVersion", text_property(p, API_VERSION_TEXT));
    put(p, properties, "kind", text_property(p, KIND_TEXT));
    put(p, properties, "metadata", metadata_property(p));
}

static void require(const Publisher *p, yyjson_mut_val *out, const char *name)
{
    yyjson_mut_val *required = yyjson_mut_obj_get(out, "required"), *item;
    size_t i, n;

    if (!required)
        required = yyjson_mut_obj_add_arr(p->doc, out, "required");
    yyjson_mut_arr_foreach(required, i, n, item)
    {
        if (yyjson_mut_equals_str(item, name))
            return;
    }
    yyjson_mut_arr_add_str(p->doc, required, name);
}

static yyjson_mut_val *publish_node(const Publisher *p, yyjson_val *schema)
{
    yyjson_mut_val *out = yyjson_mut_obj(p->doc);
    yyjson_val *key, *value;
    size_t i, n;

    yyjson_obj_foreach(schema, i, n, key, value)
    {
        const char *name = yyjson_get_str(key);
        yyjson_mut_val *made;

        if (p->v2 && is_left_out(schema, name))
            continue;
        if (str_equal(name, "properties"))
            made = publish_properties(p, value);
        else if (str_equal(name, "required"))
            made = publish_required(p, value, yyjson_obj_get(schema, "properties"));
        else if (yyjson_is_obj(value) &&
                 (str_equal(name, "items") || str_equal(name, "additionalProperties")))
            made = publish_node(p, value);
        else
            made = yyjson_val_mut_copy(p->doc, value);
        if (str_equal(name, "required") && !yyjson_mut_arr_size(made))
            continue;
        yyjson_mut_obj_add(out, yyjson_val_mut_copy(p->doc, key), made);
    }
    if (is_set(schema, "x-kubernetes-embedded-resource") &&
        !(p->v2 && is_set(schema, "x-kubernetes-preserve-unknown-fields"))) {
        add_meta(p, out);
        require(p, out, "kind");
        require(p, out, "apiVersion");
    }
    return out;
}

static void add_kind(const Publisher *p, yyjson_mut_val *out, const char *group,
                     const char *api_version, const char *kind)
{
    yyjson_mut_val *kinds = yyjson_mut_obj_add_arr(p->doc, out, "x-kubernetes-group-version-kind");
    yyjson_mut_val *one = yyjson_mut_arr_add_obj(p->doc, kinds);

    yyjson_mut_obj_add_strcpy(p->doc, one, "group", group);
    yyjson_mut_obj_add_strcpy(p->doc, one, "kind", kind);
    yyjson_mut_obj_add_strcpy(p->doc, one, "version", api_version);
}

void structural_publish(Bytes json, int version, const char *group, const char *api_version,
                        const char *kind, StrBuf *out)
{
    _arena_ Arena arena = ARENA_INIT;
    yyjson_alc alc = json_arena_alc(&arena);
    Publisher p = {.doc = yyjson_mut_doc_new(&alc), .v2 = version == 2};
    DecodeReport report = {0};
    yyjson_doc *doc = NULL;
    yyjson_val *root = NULL;
    yyjson_mut_val *made;
    size_t n;
    char *text;

    if (json.n && !json_parse(&arena, json, &doc, &report))
        root = yyjson_doc_get_root(doc);
    if (!root || (p.v2 && is_set(root, "x-kubernetes-preserve-unknown-fields"))) {
        made = yyjson_mut_obj(p.doc);
        yyjson_mut_obj_add_str(p.doc, made, "type", "object");
    } else {
        made = publish_node(&p, root);
        add_meta(&p, made);
    }
    if (kind)
        add_kind(&p, made, group, api_version, kind);
    text = yyjson_mut_val_write_opts(made, 0, &alc, &n, NULL);
    if (!NEVER(!text))
        strbuf_add(out, text, n);
}
