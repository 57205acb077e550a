/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a body can be made long: every list, map and text of every kind, found in the tables, so
 * that a new kind or field is in the test by itself.
 */
#ifndef TESTS_GROWTH_SPOTS_H
#define TESTS_GROWTH_SPOTS_H

#include "api/kind.h"
#include "base/strbuf.h"

enum { SPOT_DEPTH = 16 };

typedef struct Spot {
    const Kind *kind;
    const Field *path[SPOT_DEPTH]; /* from the kind's own struct to the field; no inline structs */
    const Type *owner;             /* the struct that the last field is declared in */
    size_t depth;
    bool is_text;
} Spot;

/* Every list, map and text reachable from the kind's type. A type that contains itself is entered
 * once a path. */
void spots_each(const Kind *kind, void (*each)(void *data, const Spot *spot), void *data);
/* ".spec.template.spec.containers[].env" */
void spot_print(const Spot *spot, StrBuf *out);
/* JSON pointer to the first such list or map: "/spec/containers/0/env". */
void spot_pointer(const Spot *spot, StrBuf *out);

typedef struct Body {
    const Spot *spot;
    const char *name; /* of the object */
    size_t n;
    size_t step;     /* items come in the order i * step mod n; odd where n is a power of two */
    size_t from;     /* number of the first item */
    bool beside;     /* every list and map beside the way has n items, too */
    bool order;      /* a strategic patch: with $setElementOrder */
    bool type_meta;  /* kind and apiVersion */
    bool null_items; /* a map's values are null */
} Body;

void body_print(const Body *body, StrBuf *out);
/* The i-th item of the spot's list, or value of its map, as JSON. */
void body_item(const Field *field, size_t i, StrBuf *out);

#endif
