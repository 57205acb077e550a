/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of fields, as managedFields holds them (FieldsV1): a trie whose steps are f:name, k:{keys},
 * v:value, i:index, with "." for the node itself. Sets are built from values with the tables of
 * their types. The functions here are the set operations of server-side apply.
 */
#ifndef CODEC_FIELDSET_FIELDSET_H
#define CODEC_FIELDSET_FIELDSET_H

#include <yyjson.h>

#include "base/arena.h"
#include "base/strbuf.h"
#include "codec/type.h"

typedef struct FieldSet FieldSet; /* a node; lives in an arena; NULL is the empty set */

/* Every field that is set in the JSON tree (an applied configuration) or in the value, according to
 * the list kinds of the type. This is what a manager owns that wrote it. Unknown members are
 * included. */
FieldSet *fieldset_of_tree(const Type *type, Arena *arena, yyjson_val *json, const char **reterr);
FieldSet *fieldset_of_value(const Type *type, Arena *arena, const void *value);
/* Fields whose values differ between the two values, or that only one of them has: what an update
 * changed. *removed gets those that only `before` has. */
FieldSet *fieldset_changed(const Type *type, Arena *arena, const void *before, const void *after,
                           FieldSet **removed);

FieldSet *fieldset_union(Arena *arena, const FieldSet *a, const FieldSet *b);
FieldSet *fieldset_minus(Arena *arena, const FieldSet *a, const FieldSet *b);
FieldSet *fieldset_intersect(Arena *arena, const FieldSet *a, const FieldSet *b);
bool fieldset_empty(const FieldSet *set);
bool fieldset_equal(const FieldSet *a, const FieldSet *b);
/* Leaves out everything below the given f: paths (status, metadata.managedFields and the like). */
FieldSet *fieldset_without(Arena *arena, const FieldSet *set, const char *const *paths);
FieldSet *fieldset_only(Arena *arena, const FieldSet *set, const char *const *paths);

int fieldset_parse(Arena *arena, Bytes fields_v1, FieldSet **ret);
void fieldset_print(const FieldSet *set, StrBuf *out); /* canonical order */
/* ".spec.template.spec.containers[name=\"web\"].image", for conflict messages. Calls back once a
 * leaf. */
void fieldset_each_path(const FieldSet *set, void (*each)(void *data, const char *path),
                        void *data);

/* The fields that an applier gives up: those of its last set that no manager owns now (`owned`: the
 * union of all sets, including its new one). A struct is given up as a whole if no manager owns a
 * part of it. */
FieldSet *fieldset_given_up(const Type *type, Arena *arena, const FieldSet *last,
                            const FieldSet *owned);
/* Merges the applied tree into the live tree (both JSON of `type`): values that are set replace
 * those of the live tree. The fields in `drop` are removed; these are the ones that this applier
 * owned, applies no longer, and shares with no other manager. */
yyjson_mut_val *fieldset_apply(const Type *type, yyjson_mut_doc *doc, yyjson_val *live,
                               yyjson_val *applied, const FieldSet *drop, Arena *arena);

#endif
