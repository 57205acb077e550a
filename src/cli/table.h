/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns of text, laid out as kubectl lays them out: a column is a run of lines that have a cell
 * there which is ended by a tab; it is as wide as its widest cell and the padding. The last cell of
 * a line belongs to no column.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <yyjson.h>

#include "base/strbuf.h"
#include "base/vec.h"

typedef struct Layout {
    size_t min_width, padding;
    bool remember; /* a column never gets narrower from one call to the next */
    VEC(size_t) widths;
} Layout;

/* kubectl's tables, and its describe. */
#define LAYOUT_TABLE ((Layout){.min_width = 6, .padding = 3, .remember = true})
#define LAYOUT_DESCRIBE ((Layout){.padding = 2})

/* Lines with tabs to lines with spaces. */
void layout_text(Layout *layout, Bytes text, StrBuf *out);
void layout_deinit(Layout *layout);

/* Tables from a server (meta.k8s.io Table) to lines with tabs. */
typedef struct TableStyle {
    bool wide, with_namespace, show_labels, no_headers;
    const char *kind; /* "pod": before each name, NULL: not */
} TableStyle;

typedef struct TablePrinter {
    TableStyle style;
    char *columns; /* the last columnDefinitions, as text: headers come when they change */
    yyjson_doc *definitions;
    bool printed_headers;
} TablePrinter;

void table_printer_deinit(TablePrinter *printer);
/* Appends the rows, after headers where they are due. */
void table_add(TablePrinter *printer, yyjson_val *table, StrBuf *out);

#endif
