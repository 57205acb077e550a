/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects as rows for people (Table) and without their contents (PartialObjectMetadata). Columns
 * come from the kind's table; cells from its printer, or straight from the fields that the columns
 * name.
 */
#include "api/object.h"
#include "api/print.h"
#include "base/timefmt.h"
#include "codec/json/json.h"
#include "codec/json/jsonpath.h"
#include "server/request/table.h"

/* The columns of kinds that have none of their own. */
static const Column default_columns[] = {
    {.name = "Name", .type = "string", .format = "name", .path = ".metadata.name", .doc = "Name."},
    {.name = "Created At",
     .type = "date",
     .format = "",
     .path = ".metadata.creationTimestamp",
     .doc = "When the object was created."},
};

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

/* ---- cells of custom resources ---- */

static void add_text(StrBuf *out, const char *text)
{
    json_encode_string(out, text, strlen(text));
}

/* Text as people read it: a text without quotes, everything else as JSON. Several results stand side by side. */
static void add_results(StrBuf *out, const JsonPathResults *found)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    for (size_t i = 0; i < found->n; i++) {
        strbuf_add_string(&text, i ? " " : "");
        if (yyjson_is_str(found->v[i]))
            strbuf_add(&text, yyjson_get_str(found->v[i]), yyjson_get_len(found->v[i]));
        else
            json_encode_tree(found->v[i], &text);
    }
    json_encode_string(out, text.n ? text.p : "", text.n);
}

static void add_age_of(StrBuf *out, yyjson_val *value, int64_t now_ns)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    Time time = {.set = true};

    if (!yyjson_is_str(value) ||
        timefmt_parse(yyjson_get_str(value), &time.seconds, &time.nanos) != 0)
        strbuf_add_string(&text, "<invalid>");
    else
        print_age(&text, time, now_ns);
    add_text(out, strbuf_string(&text));
}

static void add_custom_cell(StrBuf *out, const Column *column, yyjson_val *root, Arena *arena,
                            size_t *budget, int64_t now_ns)
{
    JsonPathResults found = jsonpath_find(arena, column->path, root, budget);
    yyjson_val *first = found.n ? found.v[0] : NULL;

    if (!first || yyjson_is_null(first))
        strbuf_add_string(out, "null");
    else if (str_equal(column->type, "date"))
        add_age_of(out, first, now_ns);
    else if (str_equal(column->type, "integer"))
        strbuf_printf(out, "%" PRId64,
                      yyjson_is_real(first) ? (int64_t)yyjson_get_real(first)
                                            : yyjson_get_sint(first));
    else if (str_equal(column->type, "number") || str_equal(column->type, "boolean"))
        json_encode_tree(first, out);
    else
        add_results(out, &found);
}

static void add_custom_cells(StrBuf *out, Object *object, const Column *columns, size_t n,
                             int64_t now_ns)
{
    _arena_ Arena arena = ARENA_INIT;
    size_t budget = JSONPATH_BUDGET;
    DecodeReport report = {0};
    yyjson_doc *doc;

    if (json_parse(&arena, object_json(object), &doc, &report))
        return;
    for (size_t i = 0; i < n; i++) {
        strbuf_add_string(out, i ? "," : "");
        add_custom_cell(out, &columns[i], yyjson_doc_get_root(doc), &arena, &budget, now_ns);
    }
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
        ((str_equal(column->type, "date") && column != &default_columns[1]) ||
         str_equal(column->name, "Age"))) {
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
    } else if (object->kind->custom) {
        add_custom_cells(out, object, columns, n, now_ns);
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
