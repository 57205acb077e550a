/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arrays are randomized binary search trees: where two subtrees are joined, the root is taken from
 * either with a probability that is proportional to its size, which keeps the expected depth at
 * O(log n) for any sequence of operations.
 */
#include "codec/patch/tree.h"

#include "codec/json/members.h"

typedef enum NodeState { NODE_CLOSED, NODE_OBJECT, NODE_ARRAY } NodeState;

typedef struct Member {
    const char *key;
    PatchNode *child; /* NULL if the member has been removed */
} Member;

typedef struct Members {
    TextMap index; /* value: 1 + position in v; NULL after the member was removed */
    Member *v;
    size_t n, cap;
    size_t present; /* the number of members that have not been removed */
} Members;

#define HEIGHT_UNKNOWN UINT32_MAX

struct PatchNode {
    NodeState state;
    uint32_t height;
    /* as an element of an array */
    uint32_t size; /* of the subtree of elements, itself included */
    PatchNode *left, *right;
    union {
        yyjson_mut_val *value;
        Members *members;
        PatchNode *root; /* of the elements */
    };
};

PatchNode *patch_node_new(PatchTree *tree, yyjson_mut_val *value)
{
    PatchNode *node = arena_new(tree->arena, PatchNode);

    node->state = NODE_CLOSED;
    node->height = yyjson_mut_is_ctn(value) ? HEIGHT_UNKNOWN : 0;
    node->size = 1;
    node->value = value;
    return node;
}

bool patch_node_is_object(const PatchNode *node)
{
    return node->state == NODE_OBJECT ||
           (node->state == NODE_CLOSED && yyjson_mut_is_obj(node->value));
}

bool patch_node_is_array(const PatchNode *node)
{
    return node->state == NODE_ARRAY ||
           (node->state == NODE_CLOSED && yyjson_mut_is_arr(node->value));
}

bool patch_node_is_null(const PatchNode *node)
{
    return node->state == NODE_CLOSED && yyjson_mut_is_null(node->value);
}

/* ---- elements by position ---- */

static uint32_t size_of(const PatchNode *node)
{
    return node ? node->size : 0;
}

static PatchNode *with_children(PatchNode *node, PatchNode *left, PatchNode *right)
{
    node->left = left;
    node->right = right;
    node->size = 1 + size_of(left) + size_of(right);
    return node;
}

static PatchNode *balanced(PatchNode **v, size_t n)
{
    size_t middle = n / 2;

    if (n == 0)
        return NULL;
    return with_children(v[middle], balanced(v, middle), balanced(v + middle + 1, n - middle - 1));
}

static uint32_t next_random(PatchTree *tree)
{
    tree->random = tree->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(tree->random >> 32);
}

static PatchNode *join(PatchTree *tree, PatchNode *a, PatchNode *b)
{
    if (!a || !b)
        return a ? a : b;
    if (next_random(tree) % (a->size + b->size) < a->size)
        return with_children(a, a->left, join(tree, a->right, b));
    return with_children(b, join(tree, a, b->left), b->right);
}

/* Splits a tree into its first `at` elements and the others. */
static void split(PatchNode *node, size_t at, PatchNode **ret_before, PatchNode **ret_behind)
{
    if (!node) {
        *ret_before = *ret_behind = NULL;
    } else if (at <= size_of(node->left)) {
        split(node->left, at, ret_before, &node->left);
        *ret_behind = with_children(node, node->left, node->right);
    } else {
        split(node->right, at - size_of(node->left) - 1, &node->right, ret_behind);
        *ret_before = with_children(node, node->left, node->right);
    }
}

/* ---- opening ---- */

static Member *members_find(const Members *members, const char *key)
{
    void *at = text_map_get(&members->index, key);

    return at ? &members->v[(uintptr_t)at - 1] : NULL;
}

static void members_put(PatchTree *tree, Members *members, const char *key, PatchNode *child)
{
    bool is_new;
    TextMapSlot *slot;
    Member *member = members_find(members, key);

    if (member) {
        member->child = child;
        return;
    }
    ARENA_PUSH(tree->arena, members, (Member){key, child});
    members->present++;
    slot = text_map_put_n(&members->index, key, strlen(key), &is_new);
    slot->value = (void *)(uintptr_t)members->n;
}

static Members *open_object(PatchTree *tree, PatchNode *node)
{
    yyjson_mut_val *key, *value;
    Members *members;
    size_t i, n;

    if (node->state == NODE_OBJECT)
        return node->members;
    members = arena_new(tree->arena, Members);
    members->index.arena = tree->arena;
    members->cap = yyjson_mut_obj_size(node->value) + 4;
    members->v = arena_new_n(tree->arena, Member, members->cap);
    yyjson_mut_obj_foreach(node->value, i, n, key, value)
    {
        members_put(tree, members, yyjson_mut_get_str(key), patch_node_new(tree, value));
    }
    node->state = NODE_OBJECT;
    node->members = members;
    return members;
}

static void open_array(PatchTree *tree, PatchNode *node)
{
    yyjson_mut_val *value;
    PatchNode **v;
    size_t i, n;

    if (node->state == NODE_ARRAY)
        return;
    v = arena_new_n(tree->arena, PatchNode *, yyjson_mut_arr_size(node->value) + 1);
    yyjson_mut_arr_foreach(node->value, i, n, value) v[i] = patch_node_new(tree, value);
    node->state = NODE_ARRAY;
    node->root = balanced(v, i);
}

/* ---- objects ---- */

PatchNode *patch_node_get(PatchTree *tree, PatchNode *object, const char *key)
{
    const Member *member = members_find(open_object(tree, object), key);

    return member ? member->child : NULL;
}

void patch_node_put(PatchTree *tree, PatchNode *object, const char *key, PatchNode *child)
{
    members_put(tree, open_object(tree, object), key, child);
}

static TextMapSlot *members_slot(const Members *members, const char *key)
{
    return text_map_find_n(&members->index, key, strlen(key));
}

/* Closes the gaps, so that a walk over the members costs no more than twice their number. */
static void members_compact(Members *members)
{
    size_t n = 0;

    for (size_t i = 0; i < members->n; i++) {
        if (!members->v[i].child)
            continue;
        members->v[n] = members->v[i];
        members_slot(members, members->v[n].key)->value = (void *)(uintptr_t)(n + 1);
        n++;
    }
    members->n = n;
}

bool patch_node_remove(PatchTree *tree, PatchNode *object, const char *key)
{
    Members *members = open_object(tree, object);
    Member *member = members_find(members, key);

    if (!member)
        return false;
    members_slot(members, key)->value = NULL;
    member->child = NULL;
    members->present--;
    if (members->n > 8 && members->present < members->n / 2)
        members_compact(members);
    return true;
}

/* ---- arrays ---- */

size_t patch_node_length(PatchTree *tree, PatchNode *array)
{
    open_array(tree, array);
    return size_of(array->root);
}

PatchNode *patch_node_at(PatchTree *tree, PatchNode *array, size_t at)
{
    PatchNode *node;

    open_array(tree, array);
    for (node = array->root; node && at != size_of(node->left);) {
        if (at < size_of(node->left)) {
            node = node->left;
        } else {
            at -= size_of(node->left) + 1;
            node = node->right;
        }
    }
    return node;
}

void patch_node_insert(PatchTree *tree, PatchNode *array, size_t at, PatchNode *child)
{
    PatchNode *before, *behind;

    open_array(tree, array);
    ASSERT(at <= size_of(array->root));
    split(array->root, at, &before, &behind);
    array->root = join(tree, join(tree, before, with_children(child, NULL, NULL)), behind);
}

void patch_node_take(PatchTree *tree, PatchNode *array, size_t at)
{
    PatchNode *before, *rest, *taken, *behind;

    open_array(tree, array);
    ASSERT(at < size_of(array->root));
    split(array->root, at, &before, &rest);
    split(rest, 1, &taken, &behind);
    array->root = join(tree, before, behind);
}

/* ---- whole subtrees ---- */

static unsigned height_of_value(yyjson_mut_val *value)
{
    yyjson_mut_val *key, *child;
    unsigned height = 0;
    size_t i, n;

    if (yyjson_mut_is_arr(value)) {
        yyjson_mut_arr_foreach(value, i, n, child)
        {
            unsigned h = height_of_value(child);
            height = MAX_OF(height, h);
        }
    } else if (yyjson_mut_is_obj(value)) {
        yyjson_mut_obj_foreach(value, i, n, key, child)
        {
            unsigned h = height_of_value(child);
            height = MAX_OF(height, h);
        }
    }
    return yyjson_mut_is_ctn(value) ? height + 1 : 0;
}

static unsigned height_of_elements(PatchTree *tree, PatchNode *node)
{
    unsigned height, left, right;

    if (!node)
        return 0;
    height = patch_node_height(tree, node);
    left = height_of_elements(tree, node->left);
    right = height_of_elements(tree, node->right);
    return MAX_OF(height, MAX_OF(left, right));
}

unsigned patch_node_height(PatchTree *tree, PatchNode *node)
{
    unsigned height = 0;

    if (node->height != HEIGHT_UNKNOWN)
        return node->height;
    switch (node->state) {
    case NODE_CLOSED:
        node->height = height_of_value(node->value);
        break;
    case NODE_OBJECT:
        for (size_t i = 0; i < node->members->n; i++)
            if (node->members->v[i].child) {
                unsigned h = patch_node_height(tree, node->members->v[i].child);
                height = MAX_OF(height, h);
            }
        node->height = height + 1;
        break;
    case NODE_ARRAY:
        node->height = height_of_elements(tree, node->root) + 1;
        break;
    }
    return node->height;
}

void patch_node_raise(PatchNode *node, unsigned height)
{
    if (node->height != HEIGHT_UNKNOWN && node->height < height)
        node->height = height;
}

/* Counts every value of the tree. Returns false if there are more than max. */
static bool count_values(yyjson_mut_val *value, size_t max, size_t *count)
{
    yyjson_mut_val *key, *child;
    size_t i, n;

    if (++*count > max)
        return false;
    if (yyjson_mut_is_arr(value)) {
        yyjson_mut_arr_foreach(value, i, n, child)
        {
            if (!count_values(child, max, count))
                return false;
        }
    } else if (yyjson_mut_is_obj(value)) {
        yyjson_mut_obj_foreach(value, i, n, key, child)
        {
            if (!count_values(child, max, count))
                return false;
        }
    }
    return true;
}

static yyjson_mut_val *copy_value(PatchTree *tree, PatchNode *node, size_t max, size_t *count);

static bool copy_elements(PatchTree *tree, PatchNode *node, yyjson_mut_val *to, size_t max,
                          size_t *count)
{
    yyjson_mut_val *copy;

    if (!node)
        return true;
    if (!copy_elements(tree, node->left, to, max, count))
        return false;
    copy = copy_value(tree, node, max, count);
    if (!copy)
        return false;
    yyjson_mut_arr_append(to, copy);
    return copy_elements(tree, node->right, to, max, count);
}

static yyjson_mut_val *copy_value(PatchTree *tree, PatchNode *node, size_t max, size_t *count)
{
    yyjson_mut_val *to, *child;

    if (node->state == NODE_CLOSED)
        return count_values(node->value, max, count)
                   ? yyjson_mut_val_mut_copy(tree->doc, node->value)
                   : NULL;
    if (++*count > max)
        return NULL;
    if (node->state == NODE_ARRAY) {
        to = yyjson_mut_arr(tree->doc);
        return copy_elements(tree, node->root, to, max, count) ? to : NULL;
    }
    to = yyjson_mut_obj(tree->doc);
    for (size_t i = 0; i < node->members->n; i++) {
        const Member *member = &node->members->v[i];

        if (!member->child)
            continue;
        child = copy_value(tree, member->child, max, count);
        if (!child)
            return NULL;
        yyjson_mut_obj_add(to, yyjson_mut_strcpy(tree->doc, member->key), child);
    }
    return to;
}

PatchNode *patch_node_copy(PatchTree *tree, PatchNode *node, size_t max, size_t *count)
{
    yyjson_mut_val *value = copy_value(tree, node, max, count);
    PatchNode *copy;

    if (!value)
        return NULL;
    copy = patch_node_new(tree, value);
    copy->height = node->height;
    return copy;
}

static bool elements_equal(PatchTree *tree, PatchNode *node, yyjson_arr_iter *with)
{
    return !node || (elements_equal(tree, node->left, with) &&
                     patch_node_equals(tree, node, yyjson_arr_iter_next(with)) &&
                     elements_equal(tree, node->right, with));
}

static bool members_equal(PatchTree *tree, PatchNode *node, yyjson_val *json)
{
    const Members *members = open_object(tree, node);
    TextMap index = json_index(tree->arena, json);

    if (members->present != index.n)
        return false;
    for (size_t i = 0; i < members->n; i++) {
        const Member *member = &members->v[i];
        const TextMapSlot *slot =
            member->child ? text_map_find_n(&index, member->key, strlen(member->key)) : NULL;

        if (member->child && (!slot || !patch_node_equals(tree, member->child, slot->value)))
            return false;
    }
    return true;
}

static bool scalars_equal(yyjson_mut_val *a, yyjson_val *b)
{
    if (yyjson_mut_get_type(a) != yyjson_get_type(b))
        return false;
    if (yyjson_is_str(b))
        return yyjson_mut_equals_strn(a, yyjson_get_str(b), yyjson_get_len(b));
    return yyjson_mut_get_subtype(a) == yyjson_get_subtype(b) &&
           (!yyjson_is_num(b) || a->uni.u64 == b->uni.u64);
}

bool patch_node_equals(PatchTree *tree, PatchNode *node, yyjson_val *json)
{
    yyjson_arr_iter with;

    if (patch_node_is_object(node))
        return yyjson_is_obj(json) && members_equal(tree, node, json);
    if (!patch_node_is_array(node))
        return scalars_equal(node->value, json);
    if (!yyjson_is_arr(json) || patch_node_length(tree, node) != yyjson_arr_size(json))
        return false;
    yyjson_arr_iter_init(json, &with);
    return elements_equal(tree, node->root, &with);
}

static void close_elements(PatchTree *tree, PatchNode *node, yyjson_mut_val *to)
{
    if (!node)
        return;
    close_elements(tree, node->left, to);
    yyjson_mut_arr_append(to, patch_tree_close(tree, node));
    close_elements(tree, node->right, to);
}

yyjson_mut_val *patch_tree_close(PatchTree *tree, PatchNode *root)
{
    yyjson_mut_val *to;

    if (root->state == NODE_CLOSED)
        return root->value;
    if (root->state == NODE_ARRAY) {
        to = yyjson_mut_arr(tree->doc);
        close_elements(tree, root->root, to);
        return to;
    }
    to = yyjson_mut_obj(tree->doc);
    for (size_t i = 0; i < root->members->n; i++)
        if (root->members->v[i].child)
            yyjson_mut_obj_add(to, yyjson_mut_strcpy(tree->doc, root->members->v[i].key),
                               patch_tree_close(tree, root->members->v[i].child));
    return to;
}
