/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OpenAPI documents, printed from the tables of kinds and types. The same code prints version 3 and
 * version 2, which differ in where types are defined, how they are referred to, and how bodies are
 * described. A document is printed for each request and not kept, because clients cache it: the URL of
 * a v3 document contains a hash of its contents.
 */
#include "api/custom.h"
#include "api/schema/meta_v1.h"
#include "api/structural/structural.h"
#include "api/version.h"
#include "base/fnv.h"
#include "base/list.h"
#include "base/strmap.h"
#include "base/vec.h"
#include "codec/json/json.h"
#include "server/aggregate/extension.h"
#include "server/docs/discovery.h"
#include "server/docs/openapi.h"
#include "server/request/respond.h"

typedef struct Printer {
    StrBuf *out;
    bool v2;
    StrMap seen;             /* names of the types that have been printed or are queued */
    VEC(const Type *) queue; /* types still to print */
} Printer;

static void add(Printer *p, const char *text)
{
    strbuf_add_string(p->out, text);
}

static void add_quoted(Printer *p, const char *text)
{
    json_encode_string(p->out, str_or(text, ""), strlen(str_or(text, "")));
}

/* ---- types ---- */

static const struct {
    const char *openapi; /* the name of the type in Kubernetes; NULL: a plain JSON type */
    const char *v3, *v2; /* the schema in version 3 and in version 2 */
} scalars[] = {
    [VALUE_BOOL] = {NULL, "\"type\":\"boolean\"", "\"type\":\"boolean\""},
    [VALUE_INT32] = {NULL, "\"type\":\"integer\",\"format\":\"int32\"",
                     "\"type\":\"integer\",\"format\":\"int32\""},
    [VALUE_INT64] = {NULL, "\"type\":\"integer\",\"format\":\"int64\"",
                     "\"type\":\"integer\",\"format\":\"int64\""},
    [VALUE_DOUBLE] = {NULL, "\"type\":\"number\",\"format\":\"double\"",
                      "\"type\":\"number\",\"format\":\"double\""},
    [VALUE_STRING] = {NULL, "\"type\":\"string\"", "\"type\":\"string\""},
    [VALUE_BYTES] = {NULL, "\"type\":\"string\",\"format\":\"byte\"",
                     "\"type\":\"string\",\"format\":\"byte\""},
    [VALUE_TIME] = {"io.k8s.apimachinery.pkg.apis.meta.v1.Time",
                    "\"type\":\"string\",\"format\":\"date-time\"",
                    "\"type\":\"string\",\"format\":\"date-time\""},
    [VALUE_MICRO_TIME] = {"io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime",
                          "\"type\":\"string\",\"format\":\"date-time\"",
                          "\"type\":\"string\",\"format\":\"date-time\""},
    [VALUE_DURATION] = {"io.k8s.apimachinery.pkg.apis.meta.v1.Duration", "\"type\":\"string\"",
                        "\"type\":\"string\""},
    [VALUE_QUANTITY] = {"io.k8s.apimachinery.pkg.api.resource.Quantity",
                        "\"oneOf\":[{\"type\":\"string\"},{\"type\":\"number\"}]",
                        "\"type\":\"string\""},
    [VALUE_INT_OR_STRING] =
        {"io.k8s.apimachinery.pkg.util.intstr.IntOrString",
         "\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"string\"}],\"format\":\"int-or-string\"",
         "\"type\":\"string\",\"format\":\"int-or-string\""},
    [VALUE_RAW] = {"io.k8s.apimachinery.pkg.runtime.RawExtension", "\"type\":\"object\"",
                   "\"type\":\"object\""},
};

static const char *refs_prefix(const Printer *p)
{
    return p->v2 ? "#/definitions/" : "#/components/schemas/";
}

/* Adds a reference to a type. In version 3, readers ignore all other keywords beside a $ref, so with
 * `wrap` the reference is put into an allOf. */
static void add_ref(Printer *p, const char *openapi, bool wrap)
{
    if (!p->v2 && wrap)
        strbuf_printf(p->out, "\"allOf\":[{\"$ref\":\"%s%s\"}]", refs_prefix(p), openapi);
    else
        strbuf_printf(p->out, "\"$ref\":\"%s%s\"", refs_prefix(p), openapi);
}

static const Kind *kind_of(const Type *type)
{
    KIND_EACH(kind)
        if (kind->type == type)
            return kind;
    return NULL;
}

static void want(Printer *p, const Type *type)
{
    if (strmap_put(&p->seen, type->openapi, (void *)(uintptr_t)type))
        return;
    VEC_PUSH(&p->queue, type);
}

static void add_element(Printer *p, const Field *field, bool wrap)
{
    if (field->value == VALUE_STRUCT && type_is_bare(field->type)) {
        add(p, "\"type\":\"array\",\"items\":{");
        add_element(p, &field->type->fields[0], false);
        add(p, "}");
    } else if (field->value == VALUE_STRUCT) {
        want(p, field->type);
        add_ref(p, field->type->openapi, wrap);
    } else if (str_equal(field->json, "fieldsV1")) {
        add_ref(p, "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1", wrap);
    } else if (scalars[field->value].openapi) {
        add_ref(p, scalars[field->value].openapi, wrap);
    } else {
        add(p, p->v2 ? scalars[field->value].v2 : scalars[field->value].v3);
    }
}

static void add_list_kind(Printer *p, const Field *field)
{
    static const char *const names[] = {"atomic", "set", "map"};

    if (field->shape != SHAPE_LIST)
        return;
    strbuf_printf(p->out, ",\"x-kubernetes-list-type\":\"%s\"", names[field->list_kind]);
    if (field->list_kind != LIST_MAP || !field->keys)
        return;
    add(p, ",\"x-kubernetes-list-map-keys\":[");
    for (size_t i = 0; field->keys[i]; i++) {
        add(p, i ? "," : "");
        add_quoted(p, field->keys[i]);
    }
    add(p, "]");
}

static void add_patch(Printer *p, const Field *field)
{
    bool merge = field->flags & FIELD_PATCH_MERGE, retain = field->flags & FIELD_PATCH_RETAIN_KEYS;

    if (merge || retain)
        strbuf_printf(p->out, ",\"x-kubernetes-patch-strategy\":\"%s%s%s\"", merge ? "merge" : "",
                      merge && retain ? "," : "", retain ? "retainKeys" : "");
    if (merge && field->patch_key) {
        add(p, ",\"x-kubernetes-patch-merge-key\":");
        add_quoted(p, field->patch_key);
    }
}

static void add_enum(Printer *p, const Field *field)
{
    const char *const *values = field->known_values ? field->known_values : field->enum_values;
    VEC(const char *) sorted = {0};

    if (!values || str_equal(values[0], "-"))
        return;
    for (size_t i = 0; values[i]; i++)
        VEC_PUSH(&sorted, values[i]);
    str_sort(sorted.v, sorted.n);
    add(p, ",\"enum\":[");
    for (size_t i = 0; i < sorted.n; i++) {
        add(p, i ? "," : "");
        add_quoted(p, sorted.v[i]);
    }
    add(p, "]");
    VEC_DEINIT(&sorted);
}

static void add_field(Printer *p, const Field *field)
{
    strbuf_printf(p->out, "\"%s\":{", field->json);
    if (!str_empty(field->doc)) {
        add(p, "\"description\":");
        add_quoted(p, field->doc);
        add(p, ",");
    }
    switch (field->shape) {
    case SHAPE_LIST:
        add(p, "\"type\":\"array\",\"items\":{");
        add_element(p, field, false);
        add_enum(p, field);
        add(p, "}");
        break;
    case SHAPE_MAP:
        add(p, "\"type\":\"object\",\"additionalProperties\":{");
        add_element(p, field, false);
        add(p, "}");
        break;
    default:
        add_element(p, field, true);
    }
    if (field->default_json && !p->v2)
        strbuf_printf(p->out, ",\"default\":%s", field->default_json);
    if (field->shape != SHAPE_LIST)
        add_enum(p, field);
    add_list_kind(p, field);
    add_patch(p, field);
    /* A type that is always atomic says so itself. */
    if ((field->flags & FIELD_ATOMIC_STRUCT) && field->shape != SHAPE_LIST &&
        !(field->value == VALUE_STRUCT && field->shape != SHAPE_MAP && field->type->is_atomic))
        add(p, ",\"x-kubernetes-map-type\":\"atomic\"");
    add(p, "}");
}

/* The fields of an inline struct are printed among those of the struct that contains it. */
static void add_fields(Printer *p, const Type *type, bool *first)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        const Field *field = &type->fields[i];

        if (field->flags & FIELD_INLINE) {
            add_fields(p, field->type, first);
            continue;
        }
        add(p, *first ? "" : ",");
        *first = false;
        add_field(p, field);
    }
}

static void collect_required(Printer *p, const Type *type, bool *first)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        const Field *field = &type->fields[i];

        if (field->flags & FIELD_INLINE) {
            collect_required(p, field->type, first);
        } else if (field->flags & (FIELD_REQUIRED | FIELD_LISTED)) {
            add(p, *first ? ",\"required\":[" : ",");
            *first = false;
            add_quoted(p, field->json);
        }
    }
}

static void add_gvk(Printer *p, const Kind *kind, const char *name)
{
    strbuf_printf(p->out, "{\"group\":\"%s\",\"version\":\"%s\",\"kind\":\"%s\"}", kind->group,
                  kind->version, name);
}

static const char type_meta[] =
    "\"apiVersion\":{\"description\":\"The version of the schema that this object is written "
    "in.\",\"type\":\"string\"},"
    "\"kind\":{\"description\":\"What this object is.\",\"type\":\"string\"}";

/* kind is NULL for a type that is only used in others. */
static void add_type(Printer *p, const Type *type, const Kind *kind)
{
    bool first = true, none = true;

    if (kind && kind->custom) {
        strbuf_printf(p->out, "\"%s\":", type->openapi);
        want(p, &type_ObjectMeta);
        structural_publish(kind->custom->schema, p->v2 ? 2 : 3, kind->group, kind->version,
                           kind->kind, p->out);
        return;
    }
    strbuf_printf(p->out, "\"%s\":{\"description\":", type->openapi);
    add_quoted(p, type->doc);
    add(p, ",\"type\":\"object\"");
    add(p, ",\"properties\":{");
    if (kind) {
        add(p, type_meta);
        first = false;
    }
    add_fields(p, type, &first);
    add(p, "}");
    collect_required(p, type, &none);
    if (!none)
        add(p, "]");
    if (kind) {
        add(p, ",\"x-kubernetes-group-version-kind\":[");
        add_gvk(p, kind, kind->kind);
        add(p, "]");
    }
    if (type->is_atomic)
        add(p, ",\"x-kubernetes-map-type\":\"atomic\"");
    add(p, "}");
}

static void add_list_type(Printer *p, const Kind *kind)
{
    strbuf_printf(p->out,
                  ",\"%sList\":{\"description\":\"A list of %s "
                  "objects.\",\"type\":\"object\",\"properties\":{%s,"
                  "\"items\":{\"description\":\"The objects.\",\"type\":\"array\",\"items\":{",
                  kind->type->openapi, kind->kind, type_meta);
    add_ref(p, kind->type->openapi, false);
    add(p, "}},\"metadata\":{\"description\":\"About the list.\",");
    want(p, &type_ListMeta);
    add_ref(p, type_ListMeta.openapi, true);
    add(p, "}},\"required\":[\"items\"],\"x-kubernetes-group-version-kind\":[");
    add_gvk(p, kind, kind->list_kind);
    add(p, "]}");
}

static bool in_group(const Kind *kind, const char *group, const char *version)
{
    return !group || (str_equal(kind->group, group) && str_equal(kind->version, version));
}

/* Prints all types of the group version, or of all group versions if it is NULL, and the types that
 * they refer to. */
static void add_types(Printer *p, const char *group, const char *version)
{
    bool first = true;

    KIND_EACH(kind) {
        if (!in_group(kind, group, version) ||
            strmap_put(&p->seen, kind->type->openapi, (void *)(uintptr_t)kind->type))
            continue;
        add(p, first ? "" : ",");
        first = false;
        add_type(p, kind->type, kind);
        if (!(kind->flags & KIND_NOT_STORED) || kind->flags & KIND_COMPUTED)
            add_list_type(p, kind);
    }
    want(p, &type_Status);
    want(p, &type_DeleteOptions);
    for (size_t i = 0; i < p->queue.n; i++) {
        add(p, ",");
        add_type(p, p->queue.v[i], kind_of(p->queue.v[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(scalars); i++) {
        if (!scalars[i].openapi)
            continue;
        strbuf_printf(p->out, ",\"%s\":{%s}", scalars[i].openapi,
                      p->v2 ? scalars[i].v2 : scalars[i].v3);
    }
    add(p, ",\"io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1\":{\"type\":\"object\"}");
    add(p, ",\"io.k8s.apimachinery.pkg.apis.meta.v1.Patch\":{\"type\":\"object\"}");
}

/* ---- paths ---- */

typedef struct Parameter {
    const char *name, *type, *doc;
} Parameter;

/* clang-format off */
static const Parameter write_parameters[] = {
    {"dryRun", "string", "All: check everything and store nothing."},
    {"fieldManager", "string", "Who is noted as the owner of the fields that this changes."},
    {"fieldValidation", "string", "What unknown and duplicate fields lead to: Ignore, Warn or Strict."},
    {NULL, NULL, NULL},
};
static const Parameter patch_parameters[] = {
    {"dryRun", "string", "All: check everything and store nothing."},
    {"fieldManager", "string", "Who is noted as the owner of the fields that this changes."},
    {"fieldValidation", "string", "What unknown and duplicate fields lead to: Ignore, Warn or Strict."},
    {"force", "boolean", "Take over fields that others own (apply)."},
    {NULL, NULL, NULL},
};
static const Parameter list_parameters[] = {
    {"allowWatchBookmarks", "boolean", "Events of type BOOKMARK are wanted."},
    {"continue", "string", "Where the page before ended."},
    {"fieldSelector", "string", "Only objects with these fields."},
    {"labelSelector", "string", "Only objects with these labels."},
    {"limit", "integer", "At most so many objects a page."},
    {"resourceVersion", "string", "Not older than, or from, this version."},
    {"resourceVersionMatch", "string", "What resourceVersion means: NotOlderThan or Exact."},
    {"sendInitialEvents", "boolean", "A watch begins with what is there."},
    {"timeoutSeconds", "integer", "How long this may last."},
    {"watch", "boolean", "Changes as they come, instead of a list."},
    {NULL, NULL, NULL},
};
static const Parameter delete_parameters[] = {
    {"dryRun", "string", "All: check everything and store nothing."},
    {"gracePeriodSeconds", "integer", "How long the object may take to end."},
    {"propagationPolicy", "string", "What becomes of dependents: Orphan, Background or Foreground."},
    {NULL, NULL, NULL},
};
static const Parameter no_parameters[] = {{NULL, NULL, NULL}};

/* The methods of a path, and the names of Kubernetes for them. */
static const struct {
    const char *verb, *method, *action, *operation;
    bool collection, body;
    const Parameter *parameters;
} operations[] = {
    {"list",             "get",    "list",             "list",             true,  false, list_parameters},
    {"create",           "post",   "post",             "create",           true,  true,  write_parameters},
    {"deletecollection", "delete", "deletecollection", "deleteCollection", true,  false, delete_parameters},
    {"get",              "get",    "get",              "read",             false, false, no_parameters},
    {"update",           "put",    "put",              "replace",          false, true,  write_parameters},
    {"patch",            "patch",  "patch",            "patch",            false, true,  patch_parameters},
    {"delete",           "delete", "delete",           "delete",           false, false, delete_parameters},
};
/* clang-format on */

static void add_parameters(Printer *p, const Parameter *parameters, bool body, const Kind *kind,
                           bool patch)
{
    bool first = true;

    add(p, "\"parameters\":[");
    for (; parameters->name; parameters++) {
        add(p, first ? "" : ",");
        first = false;
        strbuf_printf(p->out, "{\"name\":\"%s\",\"in\":\"query\",\"description\":\"%s\",",
                      parameters->name, parameters->doc);
        if (p->v2)
            strbuf_printf(p->out, "\"type\":\"%s\",\"uniqueItems\":true}", parameters->type);
        else
            strbuf_printf(p->out, "\"schema\":{\"type\":\"%s\",\"uniqueItems\":true}}",
                          parameters->type);
    }
    if (p->v2 && body) {
        add(p, first ? "" : ",");
        add(p, "{\"name\":\"body\",\"in\":\"body\",\"required\":true,\"schema\":{");
        add_ref(p, patch ? "io.k8s.apimachinery.pkg.apis.meta.v1.Patch" : kind->type->openapi,
                false);
        add(p, "}}");
    }
    add(p, "]");
}

/* "networking.k8s.io" is "Networking", "rbac.authorization.k8s.io" "RbacAuthorization". */
static void add_group_name(StrBuf *out, const char *group)
{
    size_t n = strlen(group);
    bool start = true;

    if (!n)
        group = "core";
    if (n > 7 && str_equal(group + n - 7, ".k8s.io"))
        n -= 7;
    for (const char *c = group; *c && (n == 0 || c < group + n); c++) {
        if (*c != '.')
            strbuf_add_char(out, start && *c >= 'a' && *c <= 'z' ? (char)(*c - 32) : *c);
        start = *c == '.';
    }
}

static void add_capital(StrBuf *out, const char *word)
{
    if (*word)
        strbuf_add_char(out, word[0] >= 'a' && word[0] <= 'z' ? (char)(word[0] - 32) : word[0]);
    strbuf_add_string(out, *word ? word + 1 : "");
}

/* What an operation is for. */
typedef struct PathOf {
    const Kind *kind;       /* of the path */
    const Kind *body;       /* of its objects: another one for subresources such as scale */
    const Subresource *sub; /* NULL: the object itself */
    bool namespaced, everywhere;
    bool with_path; /* behind a proxy */
} PathOf;

/* Clients that are generated from the document take the names of their functions from here, so they are
 * those of Kubernetes: "readAppsV1NamespacedDeploymentScale". */
static void add_operation_id(Printer *p, const PathOf *of, const char *operation,
                             const char *method)
{
    bool collection = str_equal(operation, "deleteCollection");

    strbuf_add_string(p->out, "\"operationId\":\"");
    strbuf_add_string(p->out, collection ? "delete" : operation);
    add_group_name(p->out, of->kind->group);
    add_capital(p->out, of->kind->version);
    if (method)
        add_capital(p->out, method);
    strbuf_add_string(p->out, collection ? "Collection" : "");
    strbuf_add_string(p->out, of->namespaced ? "Namespaced" : "");
    strbuf_add_string(p->out, of->kind->kind);
    if (of->sub)
        add_capital(p->out, of->sub->name);
    strbuf_add_string(p->out, of->with_path ? "WithPath" : "");
    strbuf_add_string(p->out, of->everywhere ? "ForAllNamespaces\"," : "\",");
}

static void add_tags(Printer *p, const Kind *kind)
{
    size_t at;

    strbuf_add_string(p->out, "\"tags\":[\"");
    at = p->out->n;
    add_group_name(p->out, kind->group);
    p->out->p[at] = (char)(p->out->p[at] | 0x20);
    strbuf_printf(p->out, "_%s\"],", kind->version);
}

static void add_operation(Printer *p, const PathOf *of, size_t which)
{
    const Kind *kind = of->body;
    bool list = str_equal(operations[which].action, "list"),
         patch = str_equal(operations[which].method, "patch");
    const char *answer =
        str_equal(operations[which].method, "delete") ? type_Status.openapi : kind->type->openapi;

    strbuf_printf(p->out, "\"%s\":{\"description\":\"%s %s\",", operations[which].method,
                  operations[which].operation, kind->kind);
    add_operation_id(p, of, operations[which].operation, NULL);
    add_tags(p, of->kind);
    if (p->v2)
        add(p, "\"consumes\":[\"*/*\"],\"produces\":[\"application/json\",\"application/yaml\","
               "\"application/vnd.kubernetes.protobuf\"],\"schemes\":[\"https\"],");
    add_parameters(p, operations[which].parameters, operations[which].body, kind, patch);
    if (!p->v2 && operations[which].body) {
        add(p, ",\"requestBody\":{\"content\":{");
        strbuf_printf(p->out, "\"%s\":{\"schema\":{",
                      patch ? "application/apply-patch+yaml" : "*/*");
        add_ref(p, patch ? "io.k8s.apimachinery.pkg.apis.meta.v1.Patch" : kind->type->openapi,
                false);
        add(p, "}}},\"required\":true}");
    }
    add(p, ",\"responses\":{\"200\":{\"description\":\"OK\",");
    add(p, p->v2 ? "\"schema\":{" : "\"content\":{\"application/json\":{\"schema\":{");
    if (of->sub && of->sub->is_stream)
        add(p, "\"type\":\"string\"");
    else if (list)
        strbuf_printf(p->out, "\"$ref\":\"%s%sList\"", refs_prefix(p), kind->type->openapi);
    else
        add_ref(p, answer, false);
    add(p, p->v2 ? "}}" : "}}}}");
    strbuf_printf(p->out, "},\"x-kubernetes-action\":\"%s\",\"x-kubernetes-group-version-kind\":",
                  operations[which].action);
    add_gvk(p, kind, kind->kind);
    add(p, "}");
}

/* A stream: its method says nothing about objects. */
static void add_connection(Printer *p, const PathOf *of, const char *method)
{
    const Subresource *sub = of->sub;

    strbuf_printf(p->out, "\"%s\":{\"description\":\"connect to %s of %s\",", method, sub->name,
                  of->kind->kind);
    add_operation_id(p, of, "connect", method);
    add_tags(p, of->kind);
    if (p->v2)
        add(p, "\"consumes\":[\"*/*\"],\"produces\":[\"*/*\"],\"schemes\":[\"https\"],");
    add(p, "\"responses\":{\"200\":{\"description\":\"OK\",");
    add(p, p->v2 ? "\"schema\":{\"type\":\"string\"}}"
                 : "\"content\":{\"*/*\":{\"schema\":{\"type\":\"string\"}}}}");
    strbuf_printf(p->out,
                  "},\"x-kubernetes-action\":\"connect\",\"x-kubernetes-group-version-kind\":"
                  "{\"group\":\"%s\",\"version\":\"%s\",\"kind\":\"%s\"}}",
                  sub->kind_group, sub->kind_version, sub->kind);
}

static bool has_verb(const char *const *verbs, const char *verb)
{
    for (size_t i = 0; verbs[i]; i++)
        if (str_equal(verbs[i], verb))
            return true;
    return false;
}

static void add_path_parameter(Printer *p, const char *name, bool *first)
{
    strbuf_printf(p->out, "%s{\"name\":\"%s\",\"in\":\"path\",\"required\":true,",
                  *first ? "" : ",", name);
    add(p, p->v2 ? "\"type\":\"string\",\"uniqueItems\":true}"
                 : "\"schema\":{\"type\":\"string\",\"uniqueItems\":true}}");
    *first = false;
}

static void begin_path(Printer *p, const PathOf *of, bool named, bool *first)
{
    const Kind *kind = of->kind;

    strbuf_printf(p->out, "%s\"/%s%s/%s%s%s%s%s%s%s\":{", *first ? "" : ",",
                  *kind->group ? "apis/" : "api", kind->group, kind->version,
                  of->namespaced ? "/namespaces/{namespace}/" : "/", kind->plural,
                  named ? "/{name}" : "", of->sub ? "/" : "", of->sub ? of->sub->name : "",
                  of->with_path ? "/{path}" : "");
    *first = false;
}

static void end_path(Printer *p, const PathOf *of, bool named)
{
    bool none = true;

    add(p, ",\"parameters\":[");
    if (named)
        add_path_parameter(p, "name", &none);
    if (of->namespaced)
        add_path_parameter(p, "namespace", &none);
    if (of->with_path)
        add_path_parameter(p, "path", &none);
    add(p, "]}");
}

/* Prints one path with all its methods. `named`: the path is that of a single object. */
static void add_path(Printer *p, const PathOf *of, bool named, bool *first)
{
    const char *const *verbs = of->sub ? of->sub->verbs : kind_verbs(of->kind);
    bool none = true;

    for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
        if (operations[i].collection == named &&
            !(of->sub && str_equal(operations[i].verb, "create")))
            continue;
        if (!has_verb(verbs, operations[i].verb) ||
            (of->everywhere && !str_equal(operations[i].verb, "list")))
            continue;
        if (none)
            begin_path(p, of, named, first);
        add(p, none ? "" : ",");
        none = false;
        add_operation(p, of, i);
    }
    if (!none)
        end_path(p, of, named);
}

static void add_connections(Printer *p, const PathOf *of, bool *first)
{
    static const char *const all[] = {"get", "put", "post", "delete", "options", "head", "patch"};
    size_t n = of->sub->connect ? ARRAY_LEN(all) : 3;
    bool none = true;

    begin_path(p, of, true, first);
    for (size_t i = 0; i < n; i++) {
        if (!of->sub->connect && str_equal(all[i], "put"))
            continue;
        add(p, none ? "" : ",");
        none = false;
        add_connection(p, of, all[i]);
    }
    end_path(p, of, true);
}

static void add_subresource_path(Printer *p, const Kind *kind, const Subresource *sub, bool *first)
{
    PathOf of = {
        .kind = kind, .body = kind, .sub = sub, .namespaced = kind->flags & KIND_NAMESPACED};

    if (sub->is_stream && sub->kind) {
        add_connections(p, &of, first);
        of.with_path = sub->takes_rest;
        if (of.with_path)
            add_connections(p, &of, first);
        return;
    }
    if (sub->kind) {
        of.body = kind_find(sub->kind_group, sub->kind_version, sub->kind);
        if (NEVER(!of.body))
            return;
        want(p, of.body->type);
    }
    add_path(p, &of, true, first);
}

/* The list of the resources of a group version. */
static void add_version_path(Printer *p, const Kind *kind, bool *first)
{
    strbuf_printf(p->out, "%s\"/%s%s/%s/\":{\"get\":{\"description\":\"get available resources\",",
                  *first ? "" : ",", *kind->group ? "apis/" : "api", kind->group, kind->version);
    *first = false;
    strbuf_add_string(p->out, "\"operationId\":\"get");
    add_group_name(p->out, kind->group);
    add_capital(p->out, kind->version);
    strbuf_add_string(p->out, "APIResources\",");
    add_tags(p, kind);
    if (p->v2)
        add(p, "\"consumes\":[\"application/json\"],\"produces\":[\"application/json\"],"
               "\"schemes\":[\"https\"],");
    add(p, "\"responses\":{\"200\":{\"description\":\"OK\",");
    add(p, p->v2 ? "\"schema\":{\"type\":\"object\"}}}}}"
                 : "\"content\":{\"application/json\":{\"schema\":{\"type\":\"object\"}}}}}}}");
}

static void add_paths(Printer *p, const char *group, const char *version)
{
    StrMap versions = STRMAP_INIT;
    bool first = true;

    KIND_EACH(kind) {
        bool namespaced = kind->flags & KIND_NAMESPACED;
        PathOf of = {.kind = kind, .body = kind, .namespaced = namespaced};

        if (!kind_is_served(kind) || !in_group(kind, group, version))
            continue;
        if (!strmap_put(&versions, kind->api_version, (void *)(uintptr_t)kind))
            add_version_path(p, kind, &first);
        if (namespaced)
            add_path(p, &(PathOf){.kind = kind, .body = kind, .everywhere = true}, false, &first);
        add_path(p, &of, false, &first);
        add_path(p, &of, true, &first);
        for (const char *const *name = kind->subresources; *name; name++)
            add_subresource_path(p, kind, subresource_find(kind, *name), &first);
    }
    strmap_deinit(&versions);
}

/* ---- documents ---- */

/* Prints the document of one group version, or, if group is NULL, that of all group versions. */
static void openapi_print(bool v2, const char *group, const char *version, StrBuf *out)
{
    Printer p = {.out = out, .v2 = v2};

    strbuf_reserve(out, 512 * 1024);
    add(&p, v2 ? "{\"swagger\":\"2.0\"," : "{\"openapi\":\"3.0.0\",");
    add(&p, "\"info\":{\"title\":\"Kubernetes\",\"version\":\"v1." API_MINOR "\"},\"paths\":{");
    add_paths(&p, group, version);
    add(&p, v2 ? "},\"definitions\":{" : "},\"components\":{\"schemas\":{");
    add_types(&p, group, version);
    if (v2)
        add(&p, "},\"securityDefinitions\":{\"BearerToken\":{\"type\":\"apiKey\",\"name\":"
                "\"authorization\","
                "\"in\":\"header\",\"description\":\"Bearer Token authentication\"}},"
                "\"security\":[{\"BearerToken\":[]}]}");
    else
        add(&p, "},\"securitySchemes\":{\"BearerToken\":{\"type\":\"apiKey\",\"name\":"
                "\"authorization\","
                "\"in\":\"header\",\"description\":\"Bearer Token authentication\"}}}}");
    strmap_deinit(&p.seen);
    VEC_DEINIT(&p.queue);
}

/* A hash that differs for each build of the program and each group version. The documents depend on
 * nothing else. */
static uint64_t document_hash(const Kind *kind)
{
    return fnv1a(fnv1a(FNV_START, STEAD_VERSION __DATE__ __TIME__), kind->api_version);
}

void openapi_v3_index(Call *call)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    StrMap seen = STRMAP_INIT;
    bool first = true;

    strbuf_add_string(&text, "{\"paths\":{");
    KIND_EACH(kind) {
        const char *where = *kind->group ? "apis" : "api";

        if (!kind_is_served(kind) || strmap_put(&seen, kind->api_version, &seen))
            continue;
        strbuf_printf(
            &text, "%s\"%s/%s\":{\"serverRelativeURL\":\"/openapi/v3/%s/%s?hash=%016" PRIX64 "\"}",
            first ? "" : ",", where, kind->api_version, where, kind->api_version,
            document_hash(kind));
        first = false;
    }
    strmap_deinit(&seen);
    LIST_EACH(&call->server->extensions, node) {
        const Extension *extension = CONTAINER_OF(node, Extension, node);

        if (extension->available)
            strbuf_printf(
                &text, ",\"apis/%s/%s\":{\"serverRelativeURL\":\"/openapi/v3/apis/%s/%s\"}",
                extension->group, extension->version, extension->group, extension->version);
    }
    strbuf_add_string(&text, "}}");
    respond_json(call, 200, strbuf_bytes(&text));
}

bool openapi_v3(Call *call, const char *group, const char *version)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    if (*group ? !discovery_has_version(group, version) : !str_equal(version, "v1"))
        return false;
    openapi_print(false, group, version, &text);
    if (http_query(call->request, "hash"))
        http_add_header(call->request, "cache-control", "public, immutable");
    http_respond(call->request, 200, "application/json", strbuf_bytes(&text));
    return true;
}

void openapi_v2(Call *call)
{
    const char *accept = http_header(call->request, "accept");
    _strbuf_ StrBuf text = STRBUF_INIT, proto = STRBUF_INIT;

    openapi_print(true, NULL, NULL, &text);
    if (!accept || !strstr(accept, "proto-openapi.spec.v2@v1.0+protobuf")) {
        http_respond(call->request, 200, "application/json", strbuf_bytes(&text));
        return;
    }
    openapi_v2_protobuf(call->arena, strbuf_bytes(&text), &proto);
    http_respond(call->request, 200, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
                 strbuf_bytes(&proto));
}
