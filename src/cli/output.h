/* SPDX-License-Identifier: Apache-2.0 */
/* Objects as kubectl prints them with -o yaml and -o json: keys in order, managedFields left
 * out. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <yyjson.h>

#include "base/strbuf.h"

typedef struct OutputStyle {
    bool yaml; /* else JSON */
    bool managed_fields;
} OutputStyle;

/* A copy with sorted keys, in the document. */
yyjson_mut_val *output_sorted(yyjson_mut_doc *doc, yyjson_val *json, bool managed_fields);
/* One object. */
void output_object(const OutputStyle *style, yyjson_val *object, StrBuf *out);
/* Many: a List of kind v1. */
void output_list(const OutputStyle *style, yyjson_val *const *objects, size_t n, StrBuf *out);
/* JSON, four spaces a level, as Go indents. */
void output_json(yyjson_val *json, StrBuf *out);

#endif
