/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects as rows for people (Table) and without their contents (PartialObjectMetadata). Columns
 * come from the kind's table; cells from its printer, or straight from the fields that the columns
 * name.
 */
#include "api/object.h"
#include "api/print.h"
#include "codec/json/json.h"
#include "server/request/table.h"

/* ---- cells by path ---- */

/* Returns the field at a path such as ".spec.type" of a value, or NULL if a part of the path is
 * absent. */
static const Field *find_field(const Type *type, const void *value, const char *path,
                               const void **ret)
{
    const Field *field = NULL;

    while (*path) {
        size_t n = strcspn(path + 1, ".");
        const TypeName *name = type ? type_find(type, path + 1, n) : NULL;

        if (*path != '.' || !name)
            return NULL;
        path += n + 1;
        field = name->field;
        value = (const char *)value + name->offset;
        *ret = value;
        type = field->value == VALUE_STRUCT ? field->type : NULL;
        if (*path && field->shape == SHAPE_OPTIONAL)
            value = *(const void *const *)value;
        if (!value)
            return NULL;
    }
    return field;
}

static void add_cell(StrBuf *out, const Column *column, const Object *object, int64_t now_ns)
{
    const char *path = column->path;
    const void *at = NULL;
    const Field *field;

    if (str_empty(path) || str_equal(path, "-"))
        path = str_equal(column->name, "Age") ? ".metadata.creationTimestamp" : ".metadata.name";
    field = find_field(object->kind->type, object_value(object), path, &at);
    if (field && field->value == VALUE_TIME && field->shape <= SHAPE_OPTIONAL &&
        (str_equal(column->type, "date") || str_equal(column->name, "Age"))) {
        strbuf_add_char(out, '"');
        print_age(out, *(const Time *)at, now_ns);
        strbuf_add_char(out, '"');
    } else if (field && !type_field_empty(field, at)) {
        json_encode_field(field, at, out);
    } else {
        strbuf_add_string(out, str_equal(column->type, "integer")   ? "0"
                               : str_equal(column->type, "boolean") ? "false"
                                                                    : "\"\"");
    }
}

/* ---- tables ---- */

/* The columns of kinds that have none of their own. */
static const Column default_columns[] = {
    {.name = "Name", .type = "string", .format = "name", .path = ".metadata.name", .doc = "Name."},
    {.name = "Created At",
     .type = "date",
     .format = "",
     .path = ".metadata.creationTimestamp",
     .doc = "When the object was created."},
};

static const Column *columns_of(const Kind *kind, size_t *ret_n)
{
    *ret_n = kind->n_columns ? kind->n_columns : ARRAY_LEN(default_columns);
    return kind->n_columns ? kind->columns : default_columns;
}

static void add_string(StrBuf *out, const char *name, const char *value)
{
    strbuf_printf(out, "\"%s\":", name);
    json_encode_string(out, value ? value : "", value ? strlen(value) : 0);
}

void table_begin(StrBuf *out, const Kind *kind, const char *version, const char *metadata,
                 bool with_columns)
{
    size_t n;
    const Column *columns = columns_of(kind, &n);

    strbuf_printf(out,
                  "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/%s\",\"metadata\":%s,"
                  "\"columnDefinitions\":",
                  version, metadata);
    if (!with_columns)
        strbuf_add_string(out, "null");
    for (size_t i = 0; with_columns && i < n; i++) {
        strbuf_add_string(out, i ? ",{" : "[{");
        add_string(out, "name", columns[i].name);
        strbuf_add_char(out, ',');
        add_string(out, "type", columns[i].type);
        strbuf_add_char(out, ',');
        add_string(out, "format", columns[i].format);
        strbuf_add_char(out, ',');
        add_string(out, "description", columns[i].doc);
        strbuf_printf(out, ",\"priority\":%d}%s", columns[i].priority, i + 1 == n ? "]" : "");
    }
    strbuf_add_string(out, ",\"rows\":[");
}

void table_row(StrBuf *out, Object *object, const char *include, const char *version,
               int64_t now_ns)
{
    const KindRules *rules = object->kind->rules;
    size_t n;
    const Column *columns = columns_of(object->kind, &n);

    strbuf_add_string(out, "{\"cells\":[");
    if (object->kind->n_columns && rules && rules->print) {
        rules->print(object_value(object), now_ns, out);
    } else {
        for (size_t i = 0; i < n; i++) {
            if (i)
                strbuf_add_char(out, ',');
            add_cell(out, &columns[i], object, now_ns);
        }
    }
    strbuf_add_string(out, "],\"object\":");
    if (str_equal(include, "None")) {
        strbuf_add_string(out, "null");
    } else if (str_equal(include, "Object")) {
        Bytes json = object_json(object);

        strbuf_add(out, json.p, json.n);
    } else {
        partial_object(out, object, version, true);
    }
    strbuf_add_char(out, '}');
}

void table_end(StrBuf *out)
{
    strbuf_add_string(out, "]}");
}

void partial_object(StrBuf *out, Object *object, const char *version, bool with_kind)
{
    ObjectMeta *meta = object_meta(object);
    const char *before = meta->resource_version;
    char revision[24];

    if (object->revision) {
        snprintf(revision, sizeof(revision), "%" PRIu64, object->revision);
        meta->resource_version = revision;
    }
    strbuf_add_char(out, '{');
    if (with_kind)
        strbuf_printf(out, "\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/%s\",",
                      version);
    strbuf_add_string(out, "\"metadata\":");
    json_encode(&type_ObjectMeta, meta, NULL, out);
    strbuf_add_char(out, '}');
    meta->resource_version = before;
}
