/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths into JSON as Kubernetes has them: .a.b, ['a'], [0], [-1], [1:3], [*], .., and filters such as
 * [?(@.type=="Ready")]. A path that does not parse, and one that leads nowhere, have no results.
 */
#ifndef CODEC_JSON_JSONPATH_H
#define CODEC_JSON_JSONPATH_H

#include <yyjson.h>

#include "base/arena.h"

/* Enough values for all paths of a row, whatever they are and however large the object is. */
enum { JSONPATH_BUDGET = 20000 };

typedef struct JsonPathResults {
    yyjson_val **v;
    size_t n, cap;
} JsonPathResults;

/* Each value that is visited takes one off the budget. When nothing is left, there are no results. */
JsonPathResults jsonpath_find(Arena *arena, const char *path, yyjson_val *root, size_t *budget);

#endif
