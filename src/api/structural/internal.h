/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of structural schemas share. */
#ifndef API_STRUCTURAL_INTERNAL_H
#define API_STRUCTURAL_INTERNAL_H

#include "api/structural/structural.h"

/* ---- JSON ---- */

/* The members of an object by name. Few members are compared one by one. */
typedef struct Lookup {
    yyjson_val *object; /* NULL or no object: without members */
    bool indexed;
    TextMap index;
} Lookup;

Lookup lookup_of(Arena *arena, yyjson_val *object);
yyjson_val *lookup_find(const Lookup *lookup, const char *name);

/* Whether two values are equal in Go's sense: the order of members does not count, and 1 is not 1.0. */
bool json_same(Arena *arena, yyjson_val *a, yyjson_val *b);

/* The keys of a list of type map, as a text that is equal for equal keys; the member "name" of {"name":"x"} with the value "x". */
void list_key(const SchemaNode *list, yyjson_val *item, StrBuf *out);
/* Finds the item with the same keys in the list before. */
typedef struct ListIndex {
    TextMap items;
} ListIndex;
ListIndex list_index(Arena *arena, const SchemaNode *list, yyjson_val *before);
yyjson_val *list_index_find(Arena *arena, const ListIndex *index, const SchemaNode *list,
                            yyjson_val *item);

/* ---- numbers ---- */

/* Go's %v of a number: "1.5", "1e+21". */
void print_double(StrBuf *out, double v);
/* Whether kube-apiserver counts the double as an integer: with a little room for rounding. */
bool double_is_integer(double v);

/* ---- values ---- */

/*
 * What is wrong with a value. A fault is turned into a cause only when it is known to count, since those of alternatives
 * (anyOf, oneOf) may not.
 */
typedef struct Fault {
    CauseType type;
    bool anywhere;      /* the cause names no field */
    const char *path;   /* from the root of the schema, perhaps with a dot in front */
    const char *bad;    /* as it is printed; NULL: not printed */
    const char *detail; /* of the cause */
    const char *text;   /* equal faults have the same text, and count once */
} Fault;

typedef struct FaultList {
    Fault *v;
    size_t n, cap;
    size_t
        matches; /* how many checks succeeded; the alternative with most of them is the one that is reported */
} FaultList;

/* Checks a value by a schema. With `generic` the value is a default, which kube-apiserver checks a bit differently: int-or-string has no
 * type then, and formats that it does not know count. */
void check_value(Arena *arena, const SchemaNode *node, yyjson_val *value, yyjson_val *before,
                 bool is_default, FaultList *ret);
/* Adds the causes for faults of a value at `path`; NULL: of the object. */
void add_fault_causes(const FaultList *faults, const Path *path, Causes *causes);

/* Duplicates in lists that are sets or maps. Returns whether there are any; causes may be NULL. */
bool check_uniques(Arena *arena, const SchemaNode *node, yyjson_val *value, const Path *path,
                   Causes *causes);
/* apiVersion, kind and metadata of embedded resources. */
void check_embedded(Arena *arena, const SchemaNode *node, yyjson_val *value, const Path *path,
                    Causes *causes);

/* ---- schemas ---- */

/* Whether the schema is structural. */
void check_structure(Arena *arena, const SchemaNode *root, const Path *path, Causes *causes);
/* The defaults of a schema. */
void check_defaults(Arena *arena, const SchemaNode *root, const Path *path, Causes *causes);

/* A cause whose bad value is JSON or a text. */
void fail_json(Causes *causes, const Path *path, const char *json, const char *detail);

#endif
