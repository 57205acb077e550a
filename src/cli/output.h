/* SPDX-License-Identifier: Apache-2.0 */
/* Prints objects as kubectl does with -o yaml and -o json: with sorted keys and without managedFields. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <yyjson.h>

#include "base/strbuf.h"

typedef struct OutputStyle {
    bool yaml;           /* false: JSON */
    bool managed_fields; /* print them */
} OutputStyle;

/* Copies a value into the document, with sorted keys. */
yyjson_mut_val *output_sorted(yyjson_mut_doc *doc, yyjson_val *json, bool managed_fields);
/* Appends one object. */
void output_object(const OutputStyle *style, yyjson_val *object, StrBuf *out);
/* Appends a v1 List of the objects. */
void output_list(const OutputStyle *style, yyjson_val *const *objects, size_t n, StrBuf *out);
/* Appends JSON that is indented by four spaces, as kubectl does. */
void output_json(yyjson_val *json, StrBuf *out);

#endif
