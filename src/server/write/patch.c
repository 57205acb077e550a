/* SPDX-License-Identifier: Apache-2.0 */
/* The four patch types. Each makes a new version from the head, which then takes the path of every
 * update. */
#include "api/object.h"
#include "codec/json/json.h"
#include "codec/patch/patch.h"
#include "server/admission/webhook/webhook.h"
#include "server/request/decode.h"
#include "server/write/body.h"
#include "server/write/managed_fields.h"

static const char *const type_members[] = {"kind", "apiVersion", NULL};

static int compare_members(const void *a, const void *b)
{
    return strcmp(yyjson_mut_get_str(*(yyjson_mut_val *const *)a),
                  yyjson_mut_get_str(*(yyjson_mut_val *const *)b));
}

/* Prints the object with its members sorted by name, as Go prints a map. */
static char *print_sorted(Arena *arena, yyjson_mut_val *object)
{
    size_t n = yyjson_mut_obj_size(object), i, max, k = 0;
    yyjson_mut_val **keys = arena_new_n(arena, yyjson_mut_val *, n + 1), *key, *value;
    _strbuf_ StrBuf text = STRBUF_INIT;

    yyjson_mut_obj_foreach(object, i, max, key, value) keys[k++] = key;
    qsort(keys, n, sizeof(*keys), compare_members);
    strbuf_add_char(&text, '{');
    for (i = 0; i < n; i++) {
        char *one =
            yyjson_mut_val_write(yyjson_mut_obj_get(object, yyjson_mut_get_str(keys[i])), 0, NULL);

        strbuf_printf(&text, "%s\"%s\":%s", i ? "," : "", yyjson_mut_get_str(keys[i]),
                      one ? one : "null");
        free(one);
    }
    strbuf_add_char(&text, '}');
    return arena_strdup(arena, text.p);
}

/* The patched document is not a valid object. As in kube-apiserver, the message shows the document. */
static int refuse_result(Write *write, yyjson_mut_val *result, const char *why)
{
    static const Kind nameless = {.group = "", .kind = "", .plural = ""};
    Causes causes = {.arena = &write->arena};

    causes_invalid_string(&causes, "patch",
                          yyjson_mut_is_obj(result) ? print_sorted(&write->arena, result) : "",
                          why);
    return status_invalid(&write->status, &write->arena, &nameless, "", &causes);
}

static int decode_result(Write *write, const Kind *kind, yyjson_mut_val *result, Object **ret)
{
    unsigned flags = write->validation == VALIDATION_IGNORE ? 0 : DECODE_CHECK_FIELDS;
    _object_ Object *object = object_new(kind);
    DecodeReport report = {0};
    int r;

    r = json_decode_tree(kind->type, &object->arena, result, flags, type_members, object->value,
                         &report);
    if (r && r != JSON_E_FIELD)
        return refuse_result(write, result, str_or(report.error, "unreadable"));
    if (report.field_errors.n && write->validation == VALIDATION_STRICT) {
        _strbuf_ StrBuf text = STRBUF_INIT;

        strbuf_add_string(&text, "strict decoding error: ");
        for (size_t i = 0; i < report.field_errors.n; i++)
            strbuf_printf(&text, "%s%s", i ? ", " : "", report.field_errors.v[i]);
        return refuse_result(write, result, text.p);
    }
    for (size_t i = 0; i < report.field_errors.n; i++)
        write_warn(write, report.field_errors.v[i]);
    *ret = TAKE_PTR(object);
    return 0;
}

static int refuse_patch(Write *write, int outcome, const char *why)
{
    if (outcome == PATCH_E_CONFLICT) {
        write->status =
            (ApiStatus){.reason = STATUS_INVALID,
                        .message = "the server rejected our request due to an error in our request",
                        .kind = ""};
        return STATUS_INVALID;
    }
    if (outcome == PATCH_E_TOO_LARGE)
        return status_set(&write->status, &write->arena, STATUS_TOO_LARGE,
                          "Request entity too large: %s", why);
    return status_set(&write->status, &write->arena, STATUS_BAD_REQUEST, "%s",
                      str_or(why, "the patch cannot be applied"));
}

static int check_shape(Write *write, PatchType type, const yyjson_val *value)
{
    yyjson_val *patch = (yyjson_val *)(uintptr_t)value;
    const char *what = yyjson_is_num(patch)    ? "number"
                       : yyjson_is_bool(patch) ? "bool"
                                               : yyjson_get_type_desc(patch);

    if (type == PATCH_JSON && !yyjson_is_arr(patch))
        return status_set(&write->status, &write->arena, STATUS_BAD_REQUEST,
                          "error decoding patch: json: cannot unmarshal %s into Go value of type "
                          "[]handlers.jsonPatchOp",
                          what);
    if (type != PATCH_JSON && !yyjson_is_obj(patch))
        return status_set(&write->status, &write->arena, STATUS_BAD_REQUEST,
                          "error decoding patch: json: cannot unmarshal %s into Go value of type "
                          "map[string]interface {}",
                          what);
    return 0;
}

static int patch_tree(Write *write, PatchType type, const Object *before, yyjson_val *patch,
                      yyjson_mut_doc *doc, Object **ret)
{
    const Kind *kind = before->kind;
    yyjson_mut_val *tree = json_tree(kind->type, before->value, doc), *result = NULL;
    const char *why = NULL;
    int r;

    yyjson_mut_obj_add_str(doc, tree, "kind", kind->kind);
    yyjson_mut_obj_add_str(doc, tree, "apiVersion", kind->api_version);
    switch (type) {
    case PATCH_JSON:
        r = patch_json(doc, tree, patch, &write->arena, &result, &why);
        break;
    case PATCH_MERGE:
        r = patch_merge(doc, tree, patch, &write->arena, &result);
        break;
    default:
        r = patch_strategic(kind->type, doc, tree, patch, &write->arena, &result, &why);
        break;
    }
    if (r > 0)
        return refuse_patch(write, r, why);
    if (r < 0 || !result)
        return status_set(&write->status, &write->arena, STATUS_INTERNAL_ERROR, "the patch failed");
    return decode_result(write, kind, result, ret);
}

static int read_patch(Write *write, PatchType type, Bytes body, yyjson_val **ret)
{
    Decoded *decoded = write->decoded;
    yyjson_doc *doc;
    const char *why;
    int r;

    if (decoded) {
        doc = decoded->doc;
        why = decoded->why;
        r = decoded->r;
    } else {
        r = decode_document(&write->arena, type == PATCH_APPLY, body, &doc, &why);
    }
    if (r)
        return status_set(
            &write->status, &write->arena, STATUS_BAD_REQUEST,
            type == PATCH_APPLY ? "error decoding YAML: %s" : "error decoding patch: %s", why);
    *ret = yyjson_doc_get_root(doc);
    return type == PATCH_APPLY ? 0 : check_shape(write, type, *ret);
}

int patch_object(Write *write, const char *content_type, const Object *object, Bytes body,
                 Object **ret)
{
    yyjson_mut_doc *doc;
    yyjson_val *patch = NULL;
    PatchType type;
    int r;

    if (patch_type_of(content_type, &type) || type == PATCH_APPLY) {
        write->status = (ApiStatus){.reason = STATUS_UNSUPPORTED_MEDIA_TYPE,
                                    .message = "415: Unsupported Media Type",
                                    .kind = ""};
        return write->status.reason;
    }
    r = read_patch(write, type, body, &patch);
    if (r)
        return r;
    doc = yyjson_mut_doc_new(NULL);
    r = patch_tree(write, type, object, patch, doc, ret);
    yyjson_mut_doc_free(doc);
    return r;
}

/* An apply is impossible without a field manager. */
static int check_apply(Write *write)
{
    static const Kind options = {
        .group = "meta.k8s.io", .kind = "PatchOptions", .plural = "patchoptions"};
    Causes causes = {.arena = &write->arena};

    if (!str_empty(write->manager))
        return 0;
    causes_required(&causes, "fieldManager", "is required for apply patch");
    return status_invalid(&write->status, &write->arena, &options, "", &causes);
}

static int apply_steps(Write *write, yyjson_val *applied)
{
    const ObjectMeta *meta;
    int r = managed_apply(write, write->before, applied, &write->object);

    if (r)
        return r;
    write->applied = true;
    meta = object_meta(write->object);
    if (!str_empty(meta->name) && !str_equal(meta->name, write->name))
        return status_set(&write->status, &write->arena, STATUS_BAD_REQUEST,
                          "the name of the object (%s) does not match the name on the URL (%s)",
                          meta->name, write->name);
    if (str_empty(meta->name))
        object_meta(write->object)->name = arena_strdup(&write->object->arena, write->name);
    return 0;
}

static void patch_again(Write *write)
{
    write_patch(write, write->patch_type, write->patch);
}

void write_patch(Write *write, PatchType type, Bytes body)
{
    Object *head = store_head(write->server->store, write->kind, write->ns, write->name);
    yyjson_val *patch = NULL;
    int r = 0;

    write->patches = true;
    if (!write->again && hooks_exist(write->server)) {
        write->patch_type = type;
        write->patch = arena_bytes(&write->arena, body);
        write->again = patch_again;
    }
    write->created = false;
    if (head)
        write->before = object_ref(head);
    if (type == PATCH_APPLY)
        r = check_apply(write);
    if (r == 0 && !head && (type != PATCH_APPLY || write->subresource))
        r = status_not_found(&write->status, &write->arena, write->kind, write->name);
    if (r == 0)
        r = read_patch(write, type, body, &patch);
    if (r == 0 && type == PATCH_APPLY) {
        r = apply_steps(write, patch);
    } else if (r == 0) {
        yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);

        r = patch_tree(write, type, write->before, patch, doc, &write->object);
        yyjson_mut_doc_free(doc);
    }
    write->upsert = !head;
    if (r)
        write_finish(write);
    else if (head)
        write_update_from(write);
    else
        write_create(write);
}
