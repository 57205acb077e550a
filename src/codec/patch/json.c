/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON patch.
 *
 * Operations that would make the tree deeper than JSON_DEPTH_MAX are refused, so later walks over
 * the result may recurse. The number of copied values is limited, too, since each copy can double
 * the document.
 *
 * This code follows Kubernetes' library where it differs from RFC 6902: a replace of a missing
 * member adds it, and negative indices count from the end.
 */
#include "codec/json/json.h"
#include "codec/patch/patch.h"
#include "codec/patch/tree.h"

enum { OPERATIONS_MAX = 10000, COPIED_VALUES_MAX = 200000, WAY_MAX = JSON_DEPTH_MAX + 2 };

typedef struct JsonPatch {
    PatchTree tree;
    PatchNode *root;
    Arena *arena;
    const char **reterr;
    size_t copied;
} JsonPatch;

/* Where a path leads: the containers on the way, of which the last is the parent, and the last
 * segment. */
typedef struct Place {
    const char *path;
    PatchNode *way[WAY_MAX];
    unsigned depth; /* of the parent: 0 is the root */
    const char *key;
} Place;

static PatchNode *parent_of(const Place *place)
{
    return place->way[place->depth];
}

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
static int find_index(JsonPatch *p, const char *key, size_t limit, size_t *ret,
                      const char **rettext)
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
static int child_get(JsonPatch *p, PatchNode *parent, const char *key, PatchNode **ret,
                     const char **rettext)
{
    size_t i;

    if (patch_node_is_object(parent)) {
        *ret = patch_node_get(&p->tree, parent, key);
        return 0;
    }
    if (find_index(p, key, patch_node_length(&p->tree, parent), &i, rettext))
        return 1;
    *ret = patch_node_at(&p->tree, parent, i);
    return 0;
}

static bool is_container(const PatchNode *node)
{
    return node && (patch_node_is_object(node) || patch_node_is_array(node));
}

static bool find_place(JsonPatch *p, const char *path, Place *ret)
{
    const char *at = strchr(path, '/');

    ret->path = path;
    ret->depth = 0;
    ret->way[0] = p->root;
    while (at) {
        const char *next = strchr(++at, '/'), *text;
        PatchNode *child = NULL;

        ret->key = segment(p->arena, at, next ? (size_t)(next - at) : strlen(at));
        if (!next)
            return true;
        if (child_get(p, parent_of(ret), ret->key, &child, &text) || !is_container(child) ||
            ret->depth + 1 == WAY_MAX)
            return false;
        ret->way[++ret->depth] = child;
        at = next;
    }
    return false;
}

/* Whether the document would become too deep with this value in its place. */
static bool too_deep(JsonPatch *p, const Place *place, PatchNode *v)
{
    return place->depth + 1 + patch_node_height(&p->tree, v) > JSON_DEPTH_MAX;
}

/* ---- members and elements ---- */

/* Tells the containers above how deep the tree below them is now. */
static void raise_way(JsonPatch *p, const Place *place, PatchNode *v)
{
    unsigned height = patch_node_height(&p->tree, v);

    for (unsigned i = 0; i <= place->depth; i++)
        patch_node_raise(place->way[i], height + place->depth + 1 - i);
}

static int child_add(JsonPatch *p, const Place *place, PatchNode *v, const char **rettext)
{
    PatchNode *parent = parent_of(place);
    size_t n, i;
    int64_t number;

    if (patch_node_is_object(parent)) {
        patch_node_put(&p->tree, parent, place->key, v);
        raise_way(p, place, v);
        return 0;
    }
    n = patch_node_length(&p->tree, parent);
    if (str_equal(place->key, "-")) {
        i = n;
    } else if (read_index(place->key, &number)) {
        *rettext = arena_printf(p->arena, "value was not a proper array index: '%s': %s",
                                place->key, index_syntax(p, place->key));
        return 1;
    } else if (find_index(p, place->key, n + 1, &i, rettext)) {
        return 1;
    }
    patch_node_insert(&p->tree, parent, i, v);
    raise_way(p, place, v);
    return 0;
}

static int child_remove(JsonPatch *p, const Place *place, const char **rettext)
{
    PatchNode *parent = parent_of(place);
    size_t i;

    if (patch_node_is_object(parent)) {
        if (patch_node_remove(&p->tree, parent, place->key))
            return 0;
        *rettext = arena_printf(p->arena, "Unable to remove nonexistent key: %s: missing value",
                                place->key);
        return 1;
    }
    if (find_index(p, place->key, patch_node_length(&p->tree, parent), &i, rettext))
        return 1;
    patch_node_take(&p->tree, parent, i);
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
static PatchNode *value_member(JsonPatch *p, yyjson_val *op)
{
    yyjson_val *v = yyjson_obj_get(op, "value");

    return patch_node_new(&p->tree,
                          v ? yyjson_val_mut_copy(p->tree.doc, v) : yyjson_mut_null(p->tree.doc));
}

static int do_add(JsonPatch *p, yyjson_val *op, const char *path)
{
    Place place;
    const char *text;
    PatchNode *v = value_member(p, op);

    if (!find_place(p, path, &place))
        return fail(p, PATCH_E_CONFLICT,
                    "add operation does not apply: doc is missing path: \"%s\": missing value",
                    path);
    if (too_deep(p, &place, v))
        return fail(p, PATCH_E_CONFLICT, "exceeded max depth");
    if (child_add(p, &place, v, &text))
        return fail(p, PATCH_E_CONFLICT, "error in add for path: '%s': %s", path, text);
    return 0;
}

static int do_remove(JsonPatch *p, yyjson_val *op _unused_, const char *path)
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
    PatchNode *v = value_member(p, op);
    size_t i;

    if (!*path) {
        if (!is_container(v))
            return fail(p, PATCH_E_CONFLICT,
                        "replace operation value must be object or array: missing value");
        p->root = v;
        return 0;
    }
    if (!find_place(p, path, &place))
        return fail(p, PATCH_E_CONFLICT,
                    "replace operation does not apply: doc is missing path: %s: missing value",
                    path);
    if (too_deep(p, &place, v))
        return fail(p, PATCH_E_CONFLICT, "exceeded max depth");
    if (patch_node_is_object(parent_of(&place))) {
        (void)child_add(p, &place, v, &text);
        return 0;
    }
    if (find_index(p, place.key, patch_node_length(&p->tree, parent_of(&place)), &i, &text))
        return fail(p, PATCH_E_CONFLICT,
                    "replace operation does not apply: doc is missing key: %s: missing value",
                    path);
    patch_node_take(&p->tree, parent_of(&place), i);
    patch_node_insert(&p->tree, parent_of(&place), i, v);
    raise_way(p, &place, v);
    return 0;
}

static int do_test(JsonPatch *p, yyjson_val *op, const char *path)
{
    Place place;
    const char *text;
    yyjson_val *expected = yyjson_obj_get(op, "value");
    PatchNode *v = p->root;

    if (*path) {
        if (!find_place(p, path, &place))
            return fail(p, PATCH_E_CONFLICT,
                        "test operation does not apply: is missing path: %s: missing value", path);
        if (child_get(p, parent_of(&place), place.key, &v, &text))
            return fail(p, PATCH_E_CONFLICT, "error in test for path: '%s': %s", path, text);
    }
    if (v && expected ? patch_node_equals(&p->tree, v, expected)
        : v           ? patch_node_is_null(v)
                      : !expected || yyjson_is_null(expected))
        return 0;
    return fail(p, PATCH_E_CONFLICT, "testing value %s failed: test failed", path);
}

static int do_move(JsonPatch *p, yyjson_val *op, const char *path)
{
    const char *from = text_member(op, "from"), *text;
    Place source, target;
    PatchNode *v;

    if (!from)
        return fail(
            p, PATCH_E_CONFLICT,
            "move operation failed to decode from: operation, missing from field: missing value");
    if (!find_place(p, from, &source))
        return fail(p, PATCH_E_CONFLICT,
                    "move operation does not apply: doc is missing from path: %s: missing value",
                    from);
    if (child_get(p, parent_of(&source), source.key, &v, &text) || child_remove(p, &source, &text))
        return fail(p, PATCH_E_CONFLICT, "error in move for path: '%s': %s", source.key, text);
    if (!find_place(p, path, &target))
        return fail(
            p, PATCH_E_CONFLICT,
            "move operation does not apply: doc is missing destination path: %s: missing value",
            path);
    if (v && too_deep(p, &target, v))
        return fail(p, PATCH_E_CONFLICT, "exceeded max depth");
    if (child_add(p, &target, v, &text))
        return fail(p, PATCH_E_CONFLICT, "error in move for path: '%s': %s", path, text);
    return 0;
}

static int do_copy(JsonPatch *p, yyjson_val *op, const char *path)
{
    const char *from = text_member(op, "from"), *text;
    Place source, target;
    PatchNode *v;

    if (!from)
        return fail(
            p, PATCH_E_CONFLICT,
            "copy operation failed to decode from: operation, missing from field: missing value");
    if (!find_place(p, from, &source))
        return fail(p, PATCH_E_CONFLICT,
                    "copy operation does not apply: doc is missing from path: %s: missing value",
                    from);
    if (child_get(p, parent_of(&source), source.key, &v, &text))
        return fail(p, PATCH_E_CONFLICT, "error in copy for from: '%s': %s", from, text);
    if (!find_place(p, path, &target))
        return fail(
            p, PATCH_E_CONFLICT,
            "copy operation does not apply: doc is missing destination path: %s: missing value",
            path);
    if (v && too_deep(p, &target, v))
        return fail(p, PATCH_E_CONFLICT, "exceeded max depth");
    v = v ? patch_node_copy(&p->tree, v, COPIED_VALUES_MAX, &p->copied)
          : patch_node_new(&p->tree, yyjson_mut_null(p->tree.doc));
    if (!v)
        return fail(p, PATCH_E_CONFLICT,
                    "Unable to complete the copy, the accumulated size increase of copy is %zu, "
                    "exceeding the limit %d",
                    p->copied, COPIED_VALUES_MAX);
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
    JsonPatch p = {.tree = {.doc = doc, .arena = arena}, .arena = arena, .reterr = reterr};
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
    p.root = patch_node_new(&p.tree, object);
    yyjson_arr_foreach(patch, i, n, op)
    {
        int r = apply_operation(&p, op);

        if (r)
            return r;
    }
    *ret = patch_tree_close(&p.tree, p.root);
    return 0;
}
