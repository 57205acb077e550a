/* SPDX-License-Identifier: Apache-2.0 */
/* Decodes request bodies in all their formats, with the error messages of kube-apiserver. */
#include "api/object.h"
#include "base/utf8.h"
#include "codec/json/json.h"
#include "codec/protobuf/protobuf.h"
#include "codec/yaml/yaml.h"
#include "server/request/decode.h"

#define SHOWN_MAX 256

static const char *const type_members[] = {"kind", "apiVersion", NULL};

typedef enum BodyType { BODY_JSON, BODY_YAML, BODY_PROTOBUF, BODY_UNKNOWN } BodyType;

static BodyType body_type(const char *content_type)
{
    static const struct {
        const char *name;
        BodyType type;
    } types[] = {
        {"application/json", BODY_JSON},
        {"application/yaml", BODY_YAML},
        {"application/vnd.kubernetes.protobuf", BODY_PROTOBUF},
    };
    size_t n;

    if (str_empty(content_type))
        return BODY_JSON;
    n = strcspn(content_type, "; \t");
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (strlen(types[i].name) == n && strncasecmp(types[i].name, content_type, n) == 0)
            return types[i].type;
    return BODY_UNKNOWN;
}

static int unsupported(ApiStatus *reterr, Arena *arena)
{
    return status_set(reterr, arena, STATUS_UNSUPPORTED_MEDIA_TYPE,
                      "the body of the request was in an unknown format - accepted media types "
                      "include: application/json, application/yaml, "
                      "application/vnd.kubernetes.protobuf");
}

/* Returns the body as an error message shows it. */
static const char *shown(Arena *arena, Bytes body)
{
    if (body.n == 0)
        return "<empty>";
    return utf8_clean(arena,
                      body.n <= SHOWN_MAX
                          ? arena_strndup(arena, (const char *)body.p, body.n)
                          : arena_printf(arena, "%.*s ...", SHOWN_MAX, (const char *)body.p));
}

int decode_document(Arena *arena, bool yaml, Bytes body, yyjson_doc **ret, const char **reterr)
{
    DecodeReport report = {0};

    *reterr = NULL;
    if (yaml) {
        if (yaml_parse(arena, body, 0, ret, reterr))
            return 1;
        if (!*ret)
            *reterr = "empty document";
        return *ret ? 0 : 1;
    }
    if (body.n == 0) {
        *reterr = "unexpected end of JSON input";
        return 1;
    }
    if (json_parse(arena, body, ret, &report)) {
        *reterr = report.error;
        return 1;
    }
    return 0;
}

static int cannot_be(Arena *arena, const char *kind, const char *api_version, const char *as,
                     const char *why, ApiStatus *reterr)
{
    const char *slash = strchr(api_version, '/');

    return status_set(reterr, arena, STATUS_BAD_REQUEST,
                      "%s in version \"%s\" cannot be handled as a %s: %s", kind,
                      slash ? slash + 1 : api_version, as, why);
}

/* Bodies of an earlier version, with the same fields, that Kubernetes still takes. */
static bool is_earlier_version(const Kind *kind, const char *api_version)
{
    return str_equal(api_version, "policy/v1beta1") && str_equal(kind->kind, "Eviction");
}

/* Checks that apiVersion and kind of the body, if present, are those of the route. */
static int check_type(Arena *arena, const Kind *kind, const char *api_version, const char *name,
                      ApiStatus *reterr)
{
    const char *is = str_or(name, kind->kind);
    const char *of;
    const char *version = strchr(kind->api_version, '/') ? kind->version : kind->api_version;
    const char *group = str_empty(kind->group) ? "core" : kind->group;

    if (is_earlier_version(kind, api_version) && str_equal(is, kind->kind))
        return 0;
    of = str_or(api_version, kind->api_version);
    if (!kind_find_api_version(of, is))
        return cannot_be(arena, is, of, kind->kind,
                         arena_printf(arena,
                                      "no kind \"%s\" is registered for version \"%s\" in scheme "
                                      "\"pkg/runtime/scheme.go:111\"",
                                      is, of),
                         reterr);
    if (!str_empty(name) && !str_equal(name, kind->kind))
        return cannot_be(arena, name, str_or(api_version, kind->api_version), kind->kind,
                         arena_printf(arena, "converting (%s.%s) to (%.*s.%s): unknown conversion",
                                      version, name, (int)strcspn(group, "."), group, kind->kind),
                         reterr);
    if (!str_empty(api_version) && !str_equal(api_version, kind->api_version))
        return status_set(
            reterr, arena, STATUS_BAD_REQUEST,
            "the API version in the data (%s) does not match the expected API version (%s)",
            api_version, kind->api_version);
    return 0;
}

static void add_warnings(Arena *arena, Warnings *warnings, const StringArray *more)
{
    for (size_t i = 0; i < more->n; i++)
        warnings_add(arena, warnings, arena_strdup(arena, more->v[i]));
}

static const char *joined(Arena *arena, const StringArray *texts)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    for (size_t i = 0; i < texts->n; i++)
        strbuf_printf(&text, "%s%s", i ? ", " : "", texts->v[i]);
    return arena_strdup(arena, strbuf_string(&text));
}

static int decode_json_object(Arena *arena, const Kind *kind, yyjson_val *root,
                              FieldValidation validation, Object *object, Warnings *warnings,
                              ApiStatus *reterr)
{
    unsigned flags = validation == VALIDATION_IGNORE ? 0 : DECODE_CHECK_FIELDS;
    const char *api_version = yyjson_get_str(yyjson_obj_get(root, "apiVersion"));
    const char *name = yyjson_get_str(yyjson_obj_get(root, "kind"));
    DecodeReport report = {0};
    int r;

    r = check_type(arena, kind, api_version, name, reterr);
    if (r)
        return r;
    r = json_decode(kind->type, &object->arena, root, flags, type_members, object->value, &report);
    if (r < 0)
        return status_set(reterr, arena, STATUS_INTERNAL_ERROR, "cannot read the body");
    if (r && r != JSON_E_FIELD)
        return cannot_be(arena, kind->kind, kind->api_version, kind->kind, report.error, reterr);
    if (report.field_errors.n && validation == VALIDATION_STRICT)
        return cannot_be(
            arena, kind->kind, kind->api_version, kind->kind,
            arena_printf(arena, "strict decoding error: %s", joined(arena, &report.field_errors)),
            reterr);
    if (report.field_errors.n && warnings)
        add_warnings(arena, warnings, &report.field_errors);
    return 0;
}

static int decode_protobuf_object(Arena *arena, const Kind *kind, Bytes body, Object *object,
                                  ApiStatus *reterr)
{
    ProtobufEnvelope envelope;
    const char *why = "";
    int r;

    if (protobuf_envelope(arena, body, &envelope, &why))
        return status_set(reterr, arena, STATUS_BAD_REQUEST,
                          "the object provided is unrecognized (must be of type %s): %s",
                          kind->kind, why);
    r = check_type(arena, kind, envelope.api_version, envelope.kind, reterr);
    if (r)
        return r;
    if (protobuf_decode(kind->type, &object->arena, envelope.raw, object->value, &why))
        return cannot_be(arena, kind->kind, kind->api_version, kind->kind, why, reterr);
    return 0;
}

int decode_object(Arena *arena, const Kind *kind, const char *content_type, Bytes body,
                  FieldValidation validation, Object **ret, Warnings *warnings, ApiStatus *reterr)
{
    _object_ Object *object = object_new(kind);
    BodyType type = body_type(content_type);
    const char *why;
    yyjson_doc *doc;
    int r;

    if (type == BODY_UNKNOWN)
        return unsupported(reterr, arena);
    if (type == BODY_PROTOBUF) {
        r = decode_protobuf_object(arena, kind, body, object, reterr);
    } else if (decode_document(arena, type == BODY_YAML, body, &doc, &why) ||
               !yyjson_is_obj(yyjson_doc_get_root(doc))) {
        r = status_set(reterr, arena, STATUS_BAD_REQUEST,
                       "the object provided is unrecognized (must be of type %s): couldn't get "
                       "version/kind; json parse error: %s (%s)",
                       kind->kind, why ? why : "the value is no object", shown(arena, body));
    } else {
        r = decode_json_object(arena, kind, yyjson_doc_get_root(doc), validation, object, warnings,
                               reterr);
    }
    if (r == 0)
        *ret = TAKE_PTR(object);
    return r;
}

int decode_value(Arena *arena, const Type *type, const char *name, const char *content_type,
                 Bytes body, void *value, ApiStatus *reterr)
{
    BodyType how = body_type(content_type);
    ProtobufEnvelope envelope;
    DecodeReport report = {0};
    yyjson_doc *doc;
    const char *why = "";

    if (how == BODY_UNKNOWN)
        return unsupported(reterr, arena);
    if (how == BODY_PROTOBUF) {
        if (protobuf_envelope(arena, body, &envelope, &why) ||
            protobuf_decode(type, arena, envelope.raw, value, &why))
            return status_set(reterr, arena, STATUS_BAD_REQUEST,
                              "%s cannot be read from the body: %s", name, why);
        return 0;
    }
    if (decode_document(arena, how == BODY_YAML, body, &doc, &why))
        return status_set(reterr, arena, STATUS_BAD_REQUEST,
                          "couldn't get version/kind; json parse error: %s", why);
    if (json_decode(type, arena, yyjson_doc_get_root(doc), 0, type_members, value, &report))
        return cannot_be(arena, name, "v1", name, report.error, reterr);
    return 0;
}

bool decode_validation(const char *value, FieldValidation *ret)
{
    static const char *const names[] = {
        [VALIDATION_WARN] = "Warn", [VALIDATION_STRICT] = "Strict", [VALIDATION_IGNORE] = "Ignore"};

    *ret = VALIDATION_WARN;
    for (size_t i = 0; !str_empty(value) && i < ARRAY_LEN(names); i++) {
        if (str_equal(names[i], value)) {
            *ret = (FieldValidation)i;
            return true;
        }
    }
    return str_empty(value);
}

int object_match_namespace(Object *object, const char *ns, bool namespaced, ApiStatus *reterr,
                           Arena *arena)
{
    ObjectMeta *meta = object_meta(object);

    if (!namespaced) {
        meta->namespace = NULL;
        return 0;
    }
    if (!str_empty(meta->namespace) && !str_equal(meta->namespace, ns))
        return status_set(reterr, arena, STATUS_BAD_REQUEST,
                          "the namespace of the provided object does not match the namespace "
                          "sent on the request");
    if (str_empty(meta->namespace))
        meta->namespace = arena_strdup(&object->arena, ns);
    return 0;
}

int patch_type_of(const char *content_type, PatchType *ret)
{
    static const struct {
        const char *name;
        PatchType type;
    } types[] = {
        {"application/json-patch+json", PATCH_JSON},
        {"application/merge-patch+json", PATCH_MERGE},
        {"application/strategic-merge-patch+json", PATCH_STRATEGIC},
        {"application/apply-patch+yaml", PATCH_APPLY},
    };
    size_t n = content_type ? strcspn(content_type, "; \t") : 0;

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (strlen(types[i].name) == n && strncasecmp(types[i].name, content_type, n) == 0) {
            *ret = types[i].type;
            return 0;
        }
    }
    return 1;
}
