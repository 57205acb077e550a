/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers that append one line, for the descriptions of kinds. */
#ifndef CLI_DESCRIBE_LINE_H
#define CLI_DESCRIBE_LINE_H

#include "cli/describe/describe.h"

static inline yyjson_val *at(const Description *d, const char *pointer)
{
    return yyjson_ptr_get(d->object, pointer);
}

static inline const char *text(const Description *d, const char *pointer)
{
    return json_text(d->object, pointer);
}

static inline void line(Description *d, const char *label, const char *value)
{
    strbuf_printf(&d->out, "%s:\t%s\n", label, value);
}

static inline void line_if(Description *d, const char *label, const char *value)
{
    if (*value)
        line(d, label, value);
}

/* Appends a line with a number if the object has it. */
static inline void number_if(Description *d, const char *label, const char *pointer)
{
    yyjson_val *value = at(d, pointer);

    if (value)
        strbuf_printf(&d->out, "%s:\t%" PRId64 "\n", label, yyjson_get_sint(value));
}

static inline void time_if(Description *d, const char *label, const char *pointer)
{
    if (*text(d, pointer))
        describe_time(&d->out, label, text(d, pointer));
}

static inline void labels_and_annotations(Description *d)
{
    describe_labels(&d->out, "Labels", at(d, "/metadata/labels"));
    describe_annotations(&d->out, "Annotations", at(d, "/metadata/annotations"));
}

static inline void name_and_namespace(Description *d)
{
    line(d, "Name", text(d, "/metadata/name"));
    line(d, "Namespace", text(d, "/metadata/namespace"));
}

#endif
