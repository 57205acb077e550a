/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths into JSON as Kubernetes has them: .a.b, ['a'], [0], [-1], [1:3], [*], .., and filters such as
 * [?(@.type=="Ready")]. A path that does not parse, and one that leads nowhere, have no results.
 */
#ifndef CODEC_JSON_JSONPATH_H
#define CODEC_JSON_JSONPATH_H

#include <yyjson.h>

#include "base/arena.h"

/* A path visits at most this many values, so that one with several ".." cannot take long. */
enum { JSONPATH_VALUES_MAX = 10000 };

typedef struct JsonPathResults {
    yyjson_val **v;
    size_t n, cap;
} JsonPathResults;

JsonPathResults jsonpath_find(Arena *arena, const char *path, yyjson_val *root);
/* The first result, or NULL. */
yyjson_val *jsonpath_first(Arena *arena, const char *path, yyjson_val *root);

#endif
