/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML to JSON documents (YAML 1.1 scalars as sigs.k8s.io/yaml reads them) and back. Aliases are
 * expanded within a budget, so a "billion laughs" ends as an error.
 */
#ifndef CODEC_YAML_YAML_H
#define CODEC_YAML_YAML_H

#include <yyjson.h>

#include "base/arena.h"
#include "base/strbuf.h"

enum { YAML_E_SYNTAX = 1 };

/* Document number `index` of the stream (from 0); *ret = NULL past the last. Empty documents come
 * out as null. */
int yaml_parse(Arena *arena, Bytes text, size_t index, yyjson_doc **ret, const char **reterr);
/* As kubectl prints it: keys in the given order of the document, block style. */
void yaml_print(yyjson_val *json, StrBuf *out);

#endif
