/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of field sets share: path elements, nodes, and how list items are told apart. */
#ifndef CODEC_FIELDSET_INTERNAL_H
#define CODEC_FIELDSET_INTERNAL_H

#include "codec/fieldset/fieldset.h"

typedef enum ScalarType { SCALAR_NUMBER, SCALAR_STRING, SCALAR_BOOL, SCALAR_OTHER } ScalarType;

/* A value in a path. Numbers hold both forms; `text` is the string, or JSON text of OTHER. */
typedef struct Scalar {
    ScalarType type;
    bool is_double;
    bool boolean;
    int64_t number;
    double real;
    const char *text;
} Scalar;

typedef struct KeyPart {
    const char *name;
    Scalar value;
} KeyPart;

typedef enum ElementKind { ELEMENT_FIELD, ELEMENT_KEY, ELEMENT_VALUE, ELEMENT_INDEX } ElementKind;

typedef struct Element {
    ElementKind kind;
    uint32_t n_parts;
    union {
        const char *name;     /* FIELD */
        const KeyPart *parts; /* KEY: sorted by name */
        const Scalar *value;  /* VALUE */
        int64_t index;        /* INDEX */
    };
} Element;

typedef struct FieldNode {
    Element element;
    bool member;        /* this path itself is in the set */
    FieldSet *children; /* paths below it; never a set without nodes */
} FieldNode;

/* Nodes are sorted once a set is finished; after that it does not change, so that sets may share
 * parts. */
struct FieldSet {
    FieldNode *v;
    size_t n, cap;
};

int element_compare(const Element *a, const Element *b);
void element_print_path(const Element *element, StrBuf *out); /* ".name", "[name=\"x\"]" */
static inline Element element_field(const char *name)
{
    return (Element){.kind = ELEMENT_FIELD, .name = name};
}

/* Appends a node, and creates the set if there is none yet. The set has to be sorted before it is
 * used. */
FieldNode *fieldset_push(Arena *arena, FieldSet **set, Element element);
void fieldset_sort(Arena *arena, FieldSet *set);
const FieldNode *fieldset_find(const FieldSet *set, const Element *element);

Scalar scalar_of_double(double v);
Scalar scalar_of_json(Arena *arena, yyjson_val *json);
/* Finds the path element of an item of a set or keyed list. Returns NULL, or the reason why it has
 * none. */
const char *element_of_json(Arena *arena, const Field *list, yyjson_val *item, Element *ret);
void element_of_value(Arena *arena, const Field *list, const void *item, Element *ret);

/* The position of a walk in the type: in a struct, in a list or map, or in a part that the table
 * does not describe. */
typedef struct Schema {
    const Type *type;
    const Field *container;
} Schema;

Schema schema_below(Schema schema, const Element *element);
Schema schema_of_field(const Field *field);

#endif
