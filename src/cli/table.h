/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aligns columns of text in the same way as kubectl (Go's text/tabwriter). A cell is ended by a tab. A column is a block of
 * adjacent lines that all have a cell at this position, and is as wide as its widest cell plus the padding. The text behind the
 * last tab of a line does not belong to a column.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <yyjson.h>

#include "base/strbuf.h"
#include "base/vec.h"

typedef struct Layout {
    size_t min_width, padding;
    bool remember; /* a column does not become narrower from one call to the next */
    VEC(size_t) widths;
} Layout;

/* The layouts of kubectl's tables and of its descriptions. */
#define LAYOUT_TABLE ((Layout){.min_width = 6, .padding = 3, .remember = true})
#define LAYOUT_DESCRIBE ((Layout){.padding = 2})

/* Appends the text with spaces in place of the tabs. */
void layout_text(Layout *layout, Bytes text, StrBuf *out);
void layout_deinit(Layout *layout);

/* Converts tables of a server (meta.k8s.io Table) to lines with tabs. */
typedef struct TableStyle {
    bool wide, with_namespace, show_labels, no_headers;
    const char *kind; /* is written before each name, such as "pod"; NULL: nothing is */
} TableStyle;

typedef struct TablePrinter {
    TableStyle style;
    char *
        columns; /* the last columnDefinitions as text: headers are written again when they change */
    yyjson_doc *definitions;
    bool printed_headers;
} TablePrinter;

void table_printer_deinit(TablePrinter *printer);
/* Appends the rows of a table, and the headers before the first rows and whenever they change. */
void table_add(TablePrinter *printer, yyjson_val *table, StrBuf *out);

#endif
