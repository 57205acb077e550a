/* SPDX-License-Identifier: Apache-2.0 */
/* AdmissionReview: what a webhook is sent, what it answers, and the patches that it may send. */
#include "api/object.h"
#include "api/scale.h"
#include "api/schema/autoscaling_v1.h"
#include "api/schema/core_cluster_v1.h"
#include "base/strbuf.h"
#include "codec/base64.h"
#include "codec/json/json.h"
#include "codec/patch/patch.h"
#include "server/admission/webhook/webhook.h"

#define REVIEW_GROUP "admission.k8s.io/"

static const char *const operations[] = {"CREATE", "UPDATE", "DELETE"};

const char *hook_operation_name(HookOperation operation)
{
    return operations[operation];
}

const char *review_version(const HookView *hook)
{
    for (size_t i = 0; i < hook->review_versions->n; i++)
        if (str_equal(hook->review_versions->v[i], "v1") ||
            str_equal(hook->review_versions->v[i], "v1beta1"))
            return hook->review_versions->v[i];
    return "v1";
}

/* ---- the question ---- */

static bool is_scale(const Write *write)
{
    return str_equal(write->subresource, "scale");
}

static void add_string(StrBuf *out, const char *text)
{
    text = str_or(text, "");
    json_encode_string(out, text, strlen(text));
}

static void add_member(StrBuf *out, const char *name, const char *text)
{
    strbuf_printf(out, ",\"%s\":", name);
    add_string(out, text);
}

static void add_names(StrBuf *out, const char *prefix, const Write *write)
{
    const Kind *kind = is_scale(write) ? &kind_scale
                       : write->object ? write->object->kind
                                       : write->kind;

    strbuf_printf(out,
                  ",\"%s\":{\"group\":\"%s\",\"version\":\"%s\",\"kind\":\"%s\"},"
                  "\"%s\":{\"group\":\"%s\",\"version\":\"%s\",\"resource\":\"%s\"}",
                  *prefix ? "requestKind" : "kind", kind->group, kind->version, kind->kind,
                  *prefix ? "requestResource" : "resource", write->kind->group,
                  write->kind->version, write->kind->plural);
    if (!str_empty(write->subresource))
        add_member(out, *prefix ? "requestSubResource" : "subResource", write->subresource);
}

static bool names_later(const Write *write)
{
    return write->generated && !object_meta(write->object)->creation_timestamp.set;
}

static void add_object(StrBuf *out, const char *name, const Write *write, const Object *object)
{
    ObjectMeta *meta = object && object == write->object ? object_meta(object) : NULL;
    const char *own = meta ? meta->name : NULL;

    strbuf_printf(out, ",\"%s\":", name);
    if (!object) {
        strbuf_add_string(out, "null");
    } else if (is_scale(write)) {
        _object_ Object *scale = scale_of(object);

        json_encode(kind_scale.type, scale->value, kind_scale.json_prefix, out);
    } else if (meta && names_later(write)) {
        /* A generated name is not known before the object is stored. */
        meta->name = NULL;
        json_encode(object->kind->type, object->value, object->kind->json_prefix, out);
        meta->name = own;
    } else {
        json_encode(object->kind->type, object->value, object->kind->json_prefix, out);
    }
}

static void add_user(StrBuf *out, const User *user)
{
    strbuf_add_string(out, ",\"userInfo\":{\"username\":");
    add_string(out, user->name);
    if (!str_empty(user->uid))
        add_member(out, "uid", user->uid);
    for (size_t i = 0; i < user->groups.n; i++) {
        strbuf_add_string(out, i ? "," : ",\"groups\":[");
        add_string(out, user->groups.v[i]);
    }
    strbuf_add_string(out, user->groups.n ? "]" : "");
    for (size_t i = 0; i < user->extra.n; i++) {
        const StringArray *values = &user->extra.v[i].value.items;

        strbuf_add_string(out, i ? "," : ",\"extra\":{");
        add_string(out, user->extra.v[i].key);
        strbuf_add_char(out, ':');
        for (size_t k = 0; k < values->n; k++) {
            strbuf_add_char(out, k ? ',' : '[');
            add_string(out, values->v[k]);
        }
        strbuf_add_string(out, values->n ? "]" : "[]");
    }
    strbuf_add_string(out, user->extra.n ? "}}" : "}");
}

static void add_options(StrBuf *out, const Write *write, HookOperation operation)
{
    static const char *const kinds[] = {"CreateOptions", "UpdateOptions", "DeleteOptions"};

    strbuf_printf(out, ",\"options\":{\"kind\":\"%s\",\"apiVersion\":\"meta.k8s.io/v1\"",
                  write->patches ? "PatchOptions" : kinds[operation]);
    if (operation == HOOK_DELETE) {
        if (write->grace_seconds)
            strbuf_printf(out, ",\"gracePeriodSeconds\":%" PRId64, *write->grace_seconds);
        if (!str_empty(write->propagation))
            add_member(out, "propagationPolicy", write->propagation);
    } else if (!str_empty(write->manager)) {
        add_member(out, "fieldManager", write->manager);
    }
    if (write->dry_run)
        strbuf_add_string(out, ",\"dryRun\":[\"All\"]");
    strbuf_add_char(out, '}');
}

void review_print(const Write *write, const HookView *hook, HookOperation operation,
                  const char *uid, StrBuf *out)
{
    strbuf_printf(out,
                  "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"" REVIEW_GROUP
                  "%s\",\"request\":{\"uid\":\"%s\"",
                  review_version(hook), uid);
    add_names(out, "", write);
    add_names(out, "request", write);
    if (!str_empty(write->name) && !(operation == HOOK_CREATE && names_later(write)))
        add_member(out, "name", write->name);
    if (write->kind == &kind_namespace || !str_empty(write->ns))
        add_member(out, "namespace", write->kind == &kind_namespace ? write->name : write->ns);
    add_member(out, "operation", hook_operation_name(operation));
    add_user(out, write->user);
    add_object(out, "object", write, operation == HOOK_DELETE ? NULL : write->object);
    add_object(out, "oldObject", write, operation == HOOK_CREATE ? NULL : write->before);
    strbuf_printf(out, ",\"dryRun\":%s", write->dry_run ? "true" : "false");
    add_options(out, write, operation);
    strbuf_add_string(out, "}}");
}

/* ---- the answer ---- */

static const char *text_of(yyjson_val *object, const char *name)
{
    return yyjson_get_str(yyjson_obj_get(object, name));
}

static const char *read_patch(Arena *arena, yyjson_val *response, bool checked, HookAnswer *ret)
{
    const char *text = text_of(response, "patch"), *type = text_of(response, "patchType");
    DecodeReport report = {0};
    yyjson_doc *doc;
    size_t bad;
    Bytes json;

    if (checked && !str_empty(text) && !type)
        return "received invalid webhook response: webhook returned response.patch but not "
               "response.patchType";
    if (checked && str_empty(text) && type)
        return "received invalid webhook response: webhook returned response.patchType but not "
               "response.patch";
    if (str_empty(text))
        return NULL;
    if (type && !str_equal(type, "JSONPatch"))
        return arena_printf(arena, "unsupported patch type \"%s\"", type);
    if (base64_decode(arena, text, strlen(text), &json, &bad) ||
        json_parse(arena, json, &doc, &report) || !yyjson_is_arr(yyjson_doc_get_root(doc)))
        return "received undecodable patch in webhook response: the patch is not a list in JSON";
    ret->patch = yyjson_doc_get_root(doc);
    return NULL;
}

static void read_extras(Arena *arena, yyjson_val *response, HookAnswer *ret)
{
    yyjson_val *annotations = yyjson_obj_get(response, "auditAnnotations"), *key, *value;
    yyjson_val *warnings = yyjson_obj_get(response, "warnings");
    size_t i, n;

    yyjson_obj_foreach(annotations, i, n, key, value)
    {
        StringEntry entry = {yyjson_get_str(key), yyjson_get_str(value)};

        if (entry.value)
            ARENA_APPEND(arena, &ret->annotations, entry);
    }
    yyjson_arr_foreach(warnings, i, n, value)
    {
        if (yyjson_is_str(value))
            ARENA_APPEND(arena, &ret->warnings, yyjson_get_str(value));
    }
}

static const char *check_identity(Arena *arena, yyjson_val *root, yyjson_val *response,
                                  const char *uid, const char *version)
{
    const char *kind = str_or(text_of(root, "kind"), "");
    const char *api = str_or(text_of(root, "apiVersion"), "");
    const char *expected = arena_printf(arena, REVIEW_GROUP "%s", version);

    if (str_equal(version, "v1beta1"))
        return NULL;
    if (!str_equal(text_of(response, "uid"), uid))
        return arena_printf(arena,
                            "received invalid webhook response: expected response.uid=\"%s\", got "
                            "\"%s\"",
                            uid, str_or(text_of(response, "uid"), ""));
    if (!str_equal(kind, "AdmissionReview") || !str_equal(api, expected))
        return arena_printf(arena,
                            "received invalid webhook response: expected webhook response of %s, "
                            "Kind=AdmissionReview, got %s, Kind=%s",
                            expected, api, kind);
    return NULL;
}

const char *review_read(Arena *arena, Bytes body, const char *uid, const char *version,
                        bool mutating, HookAnswer *ret)
{
    bool v1 = str_equal(version, "v1");
    DecodeReport report = {0};
    yyjson_val *root, *response, *status;
    const char *fault;
    yyjson_doc *doc;

    *ret = (HookAnswer){0};
    if (json_parse(arena, body, &doc, &report))
        return arena_printf(arena, "failed to call webhook: %s",
                            str_or(report.error, "the answer is not JSON"));
    root = yyjson_doc_get_root(doc);
    response = yyjson_obj_get(root, "response");
    if (!yyjson_is_obj(response))
        return "received invalid webhook response: webhook response was absent";
    fault = check_identity(arena, root, response, uid, version);
    if (fault)
        return fault;
    if (!mutating && v1 && !str_empty(text_of(response, "patch")))
        return "received invalid webhook response: validating webhook may not return "
               "response.patch";
    if (!mutating && v1 && text_of(response, "patchType"))
        return "received invalid webhook response: validating webhook may not return "
               "response.patchType";
    ret->allowed = yyjson_get_bool(yyjson_obj_get(response, "allowed"));
    status = yyjson_obj_get(response, "status");
    ret->code = (int)yyjson_get_int(yyjson_obj_get(status, "code"));
    ret->reason = text_of(status, "reason");
    ret->message = text_of(status, "message");
    read_extras(arena, response, ret);
    return mutating && ret->allowed ? read_patch(arena, response, v1, ret) : NULL;
}

/* ---- patches ---- */

static int refuse(Write *write, const char *why)
{
    return status_set(&write->status, &write->arena, STATUS_INTERNAL_ERROR,
                      "Internal error occurred: %s", why);
}

/* Takes the object that the patched document is. */
static int take(Write *write, const Kind *kind, yyjson_mut_val *tree, bool *ret_changed)
{
    static const char *const known[] = {"kind", "apiVersion", NULL};
    _object_ Object *object = object_new(kind);
    DecodeReport report = {0};

    if (json_decode_tree(kind->type, &object->arena, tree, 0, known, object->value, &report))
        return refuse(write, str_or(report.error, "the patched object is not readable"));
    if (kind == &kind_scale) {
        int32_t replicas = OBJECT_AS(Scale, object)->spec.replicas;
        _object_ Object *before = scale_of(write->object);

        *ret_changed = replicas != OBJECT_AS(Scale, before)->spec.replicas;
        scale_set_replicas(write->object, replicas);
        return 0;
    }
    write_complete(object);
    *ret_changed = !type_equal(kind->type, object->value, write->object->value);
    object->revision = write->object->revision;
    object_unref(write->object);
    write->object = TAKE_PTR(object);
    return 0;
}

int review_apply(Write *write, const char *hook, yyjson_val *patch, bool *ret_changed)
{
    _object_ Object *scale = write->object && is_scale(write) ? scale_of(write->object) : NULL;
    const Object *object = scale ? scale : write->object;
    yyjson_mut_val *tree, *result = NULL;
    const char *why = NULL;
    yyjson_mut_doc *doc;
    int r;

    *ret_changed = false;
    if (!yyjson_arr_size(patch))
        return 0;
    if (!object)
        return refuse(write, arena_printf(&write->arena,
                                          "admission webhook \"%s\" attempted to modify the "
                                          "object, which is not supported for this operation",
                                          hook));
    doc = yyjson_mut_doc_new(NULL);
    tree = json_tree(object->kind->type, object->value, doc);
    yyjson_mut_obj_add_str(doc, tree, "kind", object->kind->kind);
    yyjson_mut_obj_add_str(doc, tree, "apiVersion", object->kind->api_version);
    r = patch_json(doc, tree, patch, &write->arena, &result, &why);
    if (r || !yyjson_mut_is_obj(result))
        r = refuse(write, str_or(why, "the patch cannot be applied"));
    else
        r = take(write, object->kind, result, ret_changed);
    yyjson_mut_doc_free(doc);
    return r;
}
