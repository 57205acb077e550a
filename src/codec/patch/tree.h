/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON document that a patch changes in up to 10,000 places. yyjson keeps containers as lists, in
 * which each look-up or insertion starts at the beginning. Here, a container is opened when a path
 * first leads into it: an object gets an index of its members, and an array becomes a balanced tree
 * by position. Other values are not converted. patch_tree_close() makes a yyjson document again.
 *
 * Nothing is freed before the arena is.
 */
#ifndef CODEC_PATCH_TREE_H
#define CODEC_PATCH_TREE_H

#include <yyjson.h>

#include "base/arena.h"

typedef struct PatchNode PatchNode;

typedef struct PatchTree {
    yyjson_mut_doc *doc;
    Arena *arena;
    uint64_t random; /* balances arrays; any start will do */
} PatchTree;

PatchNode *patch_node_new(PatchTree *tree, yyjson_mut_val *value);
bool patch_node_is_object(const PatchNode *node);
bool patch_node_is_array(const PatchNode *node);
bool patch_node_is_null(const PatchNode *node);

/* Objects. */
PatchNode *patch_node_get(PatchTree *tree, PatchNode *object, const char *key);
void patch_node_put(PatchTree *tree, PatchNode *object, const char *key, PatchNode *child);
bool patch_node_remove(PatchTree *tree, PatchNode *object, const char *key);

/* Arrays; positions must be within the length (insert: up to the length). */
size_t patch_node_length(PatchTree *tree, PatchNode *array);
PatchNode *patch_node_at(PatchTree *tree, PatchNode *array, size_t at);
void patch_node_insert(PatchTree *tree, PatchNode *array, size_t at, PatchNode *child);
void patch_node_take(PatchTree *tree, PatchNode *array, size_t at);

/* The number of levels of containers from here on down; 0 for a scalar. It may be too high after a
 * removal, but is never too low. */
unsigned patch_node_height(PatchTree *tree, PatchNode *node);
/* Tells a container that something of this height, counted from it, was put below it. */
void patch_node_raise(PatchNode *node, unsigned height);
/* Copies a node and adds the number of its values to *count; returns NULL if that exceeds max. */
PatchNode *patch_node_copy(PatchTree *tree, PatchNode *node, size_t max, size_t *count);
bool patch_node_equals(PatchTree *tree, PatchNode *node, yyjson_val *json);
yyjson_mut_val *patch_tree_close(PatchTree *tree, PatchNode *root);

#endif
