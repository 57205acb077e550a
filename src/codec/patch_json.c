/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON patch and JSON merge patch.
 *
 * The tree that comes out is never deeper than JSON_DEPTH_MAX, so that whoever walks it may
 * recurse: what would make it deeper is refused. Copies are also limited in number, since each can
 * double the document.
 *
 * Where RFC 6902 and Kubernetes' library part, the library is followed: a replace of a missing
 * member adds it, negative indices count from the end.
 */
#include "codec/json.h"
#include "codec/patch.h"

enum { OPERATIONS_MAX = 10000, COPIED_VALUES_MAX = 200000 };

typedef struct JsonPatch {
    yyjson_mut_doc *doc;
    yyjson_mut_val *root;
    Arena *arena;
    const char **reterr;
    size_t copied;
} JsonPatch;

/* Where a path leads: the container and the last segment. */
typedef struct Place {
    const char *path;
    yyjson_mut_val *parent;
    const char *key;
    unsigned depth; /* of the thing itself */
} Place;

static int fail(JsonPatch *p, int r, const char *format, ...) _printf_(3, 4);
static int fail(JsonPatch *p, int r, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (p->reterr)
        *p->reterr = arena_vprintf(p->arena, format, args);
    va_end(args);
    return r;
}

/* One segment of a path, "~1" and "~0" replaced. */
static const char *segment(Arena *arena, const char *s, size_t n)
{
    char *text = arena_strndup(arena, s, n), *to = text;

    for (const char *from = text; *from; from++) {
        if (*from == '~' && (from[1] == '0' || from[1] == '1'))
            *to++ = *++from == '1' ? '/' : '~';
        else
            *to++ = *from;
    }
    *to = 0;
    return text;
}

/* As Go's Atoi; 0, or positive. */
static int read_index(const char *key, int64_t *ret)
{
    return str_to_int64(key + (*key == '+'), INT32_MIN, INT32_MAX, ret);
}

static const char *index_syntax(JsonPatch *p, const char *key)
{
    return arena_printf(p->arena, "strconv.Atoi: parsing \"%s\": invalid syntax", key);
}

/* The index of an element that is there, counted from the end where negative. */
static int find_index(JsonPatch *p, yyjson_mut_val *list, const char *key, size_t limit,
                      size_t *ret, const char **rettext)
{
    int64_t i;

    if (read_index(key, &i)) {
        *rettext = index_syntax(p, key);
        return 1;
    }
    if (i >= (int64_t)limit || i < -(int64_t)limit) {
        *rettext = arena_printf(
            p->arena, "Unable to access invalid index: %" PRId64 ": invalid index referenced", i);
        return 1;
    }
    *ret = (size_t)(i < 0 ? i + (int64_t)limit : i);
    return 0;
}

/* Sets *ret to the child, NULL for a member that is not there. */
static int child_get(JsonPatch *p, yyjson_mut_val *parent, const char *key, yyjson_mut_val **ret,
                     const char **rettext)
{
    size_t i;

    if (yyjson_mut_is_obj(parent)) {
        *ret = yyjson_mut_obj_get(parent, key);
        return 0;
    }
    if (find_index(p, parent, key, yyjson_mut_arr_size(parent), &i, rettext))
        return 1;
    *ret = yyjson_mut_arr_get(parent, i);
    return 0;
}

static bool find_place(JsonPatch *p, const char *path, Place *ret)
{
    const char *at = strchr(path, '/');

    *ret = (Place){.path = path, .parent = p->root, .depth = 1};
    while (at) {
        const char *next = strchr(++at, '/'), *text;
        yyjson_mut_val *child = NULL;

        ret->key = segment(p->arena, at, next ? (size_t)(next - at) : strlen(at));
        ret->depth++;
        if (!next)
            return true;
        if (child_get(p, ret->parent, ret->key, &child, &text) || !yyjson_mut_is_ctn(child))
            return false;
        ret->parent = child;
        at = next;
    }
    return false;
}

/* Levels below and including this one; gives up past the limit. */
static unsigned depth_of(yyjson_mut_val *v, unsigned limit, size_t *count)
{
    unsigned deepest = 0;
    size_t i, n;
    yyjson_mut_val *key, *child;

    ++*count;
    if (!yyjson_mut_is_ctn(v))
        return 0;
    if (limit == 0)
        return 1;
    if (yyjson_mut_is_arr(v)) {
        yyjson_mut_arr_foreach(v, i, n, child)
        {
            unsigned depth = depth_of(child, limit - 1, count);
            deepest = MAX_OF(deepest, depth);
        }
    } else {
        yyjson_mut_obj_foreach(v, i, n, key, child)
        {
            unsigned depth = depth_of(child, limit - 1, count);
            deepest = MAX_OF(deepest, depth);
        }
    }
    return deepest + 1;
}

static bool too_deep(const Place *place, yyjson_mut_val *v, size_t *count)
{
    unsigned limit = place->depth > JSON_DEPTH_MAX + 1 ? 0 : JSON_DEPTH_MAX + 1 - place->depth;

    return depth_of(v, limit, count) > limit;
}

/* ---- members and elements ---- */

static void member_set(JsonPatch *p, yyjson_mut_val *object, const char *name, yyjson_mut_val *v)
{
    yyjson_mut_val *key = yyjson_mut_strcpy(p->doc, name);

    if (!yyjson_mut_obj_replace(object, key, v))
        yyjson_mut_obj_add(object, key, v);
}

static int child_add(JsonPatch *p, const Place *place, yyjson_mut_val *v, const char **rettext)
{
    size_t n, i;
    int64_t number;

    if (yyjson_mut_is_obj(place->parent)) {
        member_set(p, place->parent, place->key, v);
        return 0;
    }
    n = yyjson_mut_arr_size(place->parent);
    if (str_equal(place->key, "-")) {
        i = n;
    } else if (read_index(place->key, &number)) {
        *rettext = arena_printf(p->arena, "value was not a proper array index: '%s': %s",
                                place->key, index_syntax(p, place->key));
        return 1;
    } else if (find_index(p, place->parent, place->key, n + 1, &i, rettext)) {
        return 1;
    }
    yyjson_mut_arr_insert(place->parent, v, i);
    return 0;
}

static int child_remove(JsonPatch *p, const Place *place, const char **rettext)
{
    size_t i;

    if (yyjson_mut_is_obj(place->parent)) {
        if (!yyjson_mut_obj_get(place->parent, place->key)) {
            *rettext = arena_printf(p->arena, "Unable to remove nonexistent key: %s: missing value",
                                    place->key);
            return 1;
        }
        yyjson_mut_obj_remove_key(place->parent, place->key);
        return 0;
    }
    if (find_index(p, place->parent, place->key, yyjson_mut_arr_size(place->parent), &i, rettext))
        return 1;
    yyjson_mut_arr_remove(place->parent, i);
    return 0;
}

/* ---- operations ---- */

static const char *text_member(yyjson_val *op, const char *name)
{
    yyjson_val *v = yyjson_obj_get(op, name);
    const char *s = yyjson_get_str(v);

    return s && strlen(s) == yyjson_get_len(v) ? s : NULL;
}

/* The operation's value, a copy in the document; absent is null. */
static yyjson_mut_val *value_member(JsonPatch *p, yyjson_val *op)
{
    yyjson_val *v = yyjson_obj_get(op, "value");

    return v ? yyjson_val_mut_copy(p->doc, v) : yyjson_mut_null(p->doc);
}

static int do_add(JsonPatch *p, yyjson_val *op, const char *path)
{
    Place place;
    const char *text;
    yyjson_mut_val *v = value_member(p, op);
    size_t count = 0;

    if (!find_place(p, path, &place))
        return fail(p, PATCH_E_CONFLICT,
                    "add operation does not apply: doc is missing path: \"%s\": missing value",
                    path);
    if (too_deep(&place, v, &count))
        return fail(p, PATCH_E_CONFLICT, "exceeded max depth");
    if (child_add(p, &place, v, &text))
        return fail(p, PATCH_E_CONFLICT, "error in add for path: '%s': %s", path, text);
    return 0;
}

static int do_remove(JsonPatch *p, yyjson_val *op, const char *path)
{
    Place place;
    const char *text;

    if (!find_place(p, path, &place))
        return fail(p, PATCH_E_CONFLICT,
                    "remove operation does not apply: doc is missing path: \"%s\": missing value",
                    path);
    if (child_remove(p, &place, &text))
        return fail(p, PATCH_E_CONFLICT, "error in remove for path: '%s': %s", path, text);
    return 0;
}

static int do_replace(JsonPatch *p, yyjson_val *op, const char *path)
{
    Place place;
    const char *text;
    yyjson_mut_val *v = value_member(p, op);
    size_t i, count = 0;

    if (!*path) {
        if (!yyjson_mut_is_ctn(v))
            return fail(p, PATCH_E_CONFLICT,
                        "replace operation value must be object or array: missing value");
        p->root = v;
        return 0;
    }
    if (!find_place(p, path, &place))
        return fail(p, PATCH_E_CONFLICT,
                    "replace operation does not apply: doc is missing path: %s: missing value",
                    path);
    if (too_deep(&place, v, &count))
        return fail(p, PATCH_E_CONFLICT, "exceeded max depth");
    if (yyjson_mut_is_obj(place.parent)) {
        member_set(p, place.parent, place.key, v);
        return 0;
    }
    if (find_index(p, place.parent, place.key, yyjson_mut_arr_size(place.parent), &i, &text))
        return fail(p, PATCH_E_CONFLICT,
                    "replace operation does not apply: doc is missing key: %s: missing value",
                    path);
    yyjson_mut_arr_replace(place.parent, i, v);
    return 0;
}

static int do_test(JsonPatch *p, yyjson_val *op, const char *path)
{
    Place place;
    const char *text;
    yyjson_mut_val *v = p->root, *expected = value_member(p, op);

    if (*path) {
        if (!find_place(p, path, &place))
            return fail(p, PATCH_E_CONFLICT,
                        "test operation does not apply: is missing path: %s: missing value", path);
        if (child_get(p, place.parent, place.key, &v, &text))
            return fail(p, PATCH_E_CONFLICT, "error in test for path: '%s': %s", path, text);
    }
    if (v ? yyjson_mut_equals(v, expected) : yyjson_mut_is_null(expected))
        return 0;
    return fail(p, PATCH_E_CONFLICT, "testing value %s failed: test failed", path);
}

static int do_move(JsonPatch *p, yyjson_val *op, const char *path)
{
    const char *from = text_member(op, "from"), *text;
    Place source, target;
    yyjson_mut_val *v;
    size_t count = 0;

    if (!from)
        return fail(
            p, PATCH_E_CONFLICT,
            "move operation failed to decode from: operation, missing from field: missing value");
    if (!find_place(p, from, &source))
        return fail(p, PATCH_E_CONFLICT,
                    "move operation does not apply: doc is missing from path: %s: missing value",
                    from);
    if (child_get(p, source.parent, source.key, &v, &text) || child_remove(p, &source, &text))
        return fail(p, PATCH_E_CONFLICT, "error in move for path: '%s': %s", source.key, text);
    if (!find_place(p, path, &target))
        return fail(
            p, PATCH_E_CONFLICT,
            "move operation does not apply: doc is missing destination path: %s: missing value",
            path);
    if (too_deep(&target, v, &count))
        return fail(p, PATCH_E_CONFLICT, "exceeded max depth");
    if (child_add(p, &target, v, &text))
        return fail(p, PATCH_E_CONFLICT, "error in move for path: '%s': %s", path, text);
    return 0;
}

static int do_copy(JsonPatch *p, yyjson_val *op, const char *path)
{
    const char *from = text_member(op, "from"), *text;
    Place source, target;
    yyjson_mut_val *v;

    if (!from)
        return fail(
            p, PATCH_E_CONFLICT,
            "copy operation failed to decode from: operation, missing from field: missing value");
    if (!find_place(p, from, &source))
        return fail(p, PATCH_E_CONFLICT,
                    "copy operation does not apply: doc is missing from path: %s: missing value",
                    from);
    if (child_get(p, source.parent, source.key, &v, &text))
        return fail(p, PATCH_E_CONFLICT, "error in copy for from: '%s': %s", from, text);
    if (!find_place(p, path, &target))
        return fail(
            p, PATCH_E_CONFLICT,
            "copy operation does not apply: doc is missing destination path: %s: missing value",
            path);
    if (v && too_deep(&target, v, &p->copied))
        return fail(p, PATCH_E_CONFLICT, "exceeded max depth");
    if (p->copied > COPIED_VALUES_MAX)
        return fail(p, PATCH_E_CONFLICT,
                    "Unable to complete the copy, the accumulated size increase of copy is %zu, "
                    "exceeding the limit %d",
                    p->copied, COPIED_VALUES_MAX);
    v = v ? yyjson_mut_val_mut_copy(p->doc, v) : yyjson_mut_null(p->doc);
    if (child_add(p, &target, v, &text))
        return fail(p, PATCH_E_CONFLICT, "error while adding value during copy: %s", text);
    return 0;
}

static int apply_operation(JsonPatch *p, yyjson_val *op)
{
    static const struct {
        const char *name;
        int (*apply)(JsonPatch *p, yyjson_val *op, const char *path);
    } operations[] = {
        {"add", do_add},   {"remove", do_remove}, {"replace", do_replace},
        {"move", do_move}, {"test", do_test},     {"copy", do_copy},
    };
    const char *name = text_member(op, "op"), *path = text_member(op, "path");

    for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
        if (!str_equal(operations[i].name, name))
            continue;
        if (!path)
            return fail(p, PATCH_E_CONFLICT, "%s operation failed to decode path: missing value",
                        name);
        return operations[i].apply(p, op, path);
    }
    return fail(p, PATCH_E_CONFLICT, "Unexpected kind: %s", name ? name : "unknown");
}

int patch_json(yyjson_mut_doc *doc, yyjson_mut_val *object, yyjson_val *patch, Arena *arena,
               yyjson_mut_val **ret, const char **reterr)
{
    JsonPatch p = {.doc = doc, .root = object, .arena = arena, .reterr = reterr};
    size_t i, n;
    yyjson_val *op;

    if (!yyjson_is_arr(patch))
        return fail(&p, PATCH_E_MALFORMED,
                    "json: cannot unmarshal %s into Go value of type jsonpatch.Patch",
                    yyjson_is_obj(patch)    ? "object"
                    : yyjson_is_str(patch)  ? "string"
                    : yyjson_is_bool(patch) ? "bool"
                                            : "number");
    if (yyjson_arr_size(patch) > OPERATIONS_MAX)
        return fail(&p, PATCH_E_TOO_LARGE,
                    "The allowed maximum operations in a JSON patch is %d, got %zu", OPERATIONS_MAX,
                    yyjson_arr_size(patch));
    yyjson_arr_foreach(patch, i, n, op)
    {
        if (!yyjson_is_obj(op))
            return fail(&p, PATCH_E_MALFORMED,
                        "json: cannot unmarshal %s into Go value of type jsonpatch.Operation",
                        yyjson_is_arr(op)    ? "array"
                        : yyjson_is_str(op)  ? "string"
                        : yyjson_is_bool(op) ? "bool"
                                             : "number");
    }
    yyjson_arr_foreach(patch, i, n, op)
    {
        int r = apply_operation(&p, op);

        if (r)
            return r;
    }
    *ret = p.root;
    return 0;
}

/* ---- merge ---- */

/* A copy without members that are null; elements of lists stay. */
static yyjson_mut_val *copy_pruned(yyjson_mut_doc *doc, yyjson_val *v)
{
    yyjson_mut_val *copy;
    yyjson_val *key, *child;
    size_t i, n;

    if (yyjson_is_arr(v)) {
        copy = yyjson_mut_arr(doc);
        yyjson_arr_foreach(v, i, n, child) yyjson_mut_arr_append(copy, copy_pruned(doc, child));
        return copy;
    }
    if (!yyjson_is_obj(v))
        return yyjson_val_mut_copy(doc, v);
    copy = yyjson_mut_obj(doc);
    yyjson_obj_foreach(v, i, n, key, child)
    {
        if (!yyjson_is_null(child))
            yyjson_mut_obj_add(copy, yyjson_val_mut_copy(doc, key), copy_pruned(doc, child));
    }
    return copy;
}

static void merge_members(yyjson_mut_doc *doc, yyjson_mut_val *object, yyjson_val *patch)
{
    size_t i, n;
    yyjson_val *key, *v;

    yyjson_obj_foreach(patch, i, n, key, v)
    {
        const char *name = yyjson_get_str(key);
        size_t length = yyjson_get_len(key);
        yyjson_mut_val *now = yyjson_mut_obj_getn(object, name, length), *copied;

        if (yyjson_is_null(v)) {
            yyjson_mut_obj_remove_keyn(object, name, length);
            continue;
        }
        if (now && yyjson_mut_is_obj(now) && yyjson_is_obj(v)) {
            merge_members(doc, now, v);
            continue;
        }
        copied = yyjson_mut_strncpy(doc, name, length);
        if (now)
            yyjson_mut_obj_replace(object, copied, copy_pruned(doc, v));
        else
            yyjson_mut_obj_add(object, copied, copy_pruned(doc, v));
    }
}

int patch_merge(yyjson_mut_doc *doc, yyjson_mut_val *object, yyjson_val *patch,
                yyjson_mut_val **ret)
{
    if (!yyjson_is_obj(patch))
        return PATCH_E_MALFORMED;
    if (!yyjson_mut_is_obj(object)) {
        *ret = copy_pruned(doc, patch);
        return 0;
    }
    merge_members(doc, object, patch);
    *ret = object;
    return 0;
}
