/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/table.h"

#include <ctype.h>

#include "base/arena.h"

/* ---- layout ---- */

typedef struct Cell {
    const char *p;
    size_t n, width;
} Cell;

typedef struct Line {
    size_t first, n; /* the range of its cells */
} Line;

typedef struct Grid {
    Layout *layout;
    VEC(Cell) cells;
    VEC(Line) lines;
    VEC(size_t) widths; /* of the columns that contain the current lines */
    StrBuf *out;
} Grid;

/* The width in characters, which are not bytes in UTF-8. */
static size_t text_width(const char *p, size_t n)
{
    size_t width = 0;

    for (size_t i = 0; i < n; i++)
        width += ((unsigned char)p[i] & 0xc0) != 0x80;
    return width;
}

static void cut(Grid *grid, Bytes text)
{
    const char *at = (const char *)text.p, *end = at + text.n;

    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = newline ? newline : end;
        Line line = {.first = grid->cells.n};

        for (;;) {
            const char *tab = memchr(at, '\t', (size_t)(line_end - at));
            size_t n = (size_t)((tab ? tab : line_end) - at);
            Cell cell = {.p = at, .n = n, .width = text_width(at, n)};

            VEC_PUSH(&grid->cells, cell);
            if (!tab)
                break;
            at = tab + 1;
        }
        line.n = grid->cells.n - line.first;
        VEC_PUSH(&grid->lines, line);
        at = newline ? newline + 1 : end;
    }
}

static void write_lines(Grid *grid, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        const Line *line = &grid->lines.v[i];

        for (size_t c = 0; c < line->n; c++) {
            const Cell *cell = &grid->cells.v[line->first + c];

            strbuf_add(grid->out, cell->p, cell->n);
            for (size_t w = cell->width; c < grid->widths.n && w < grid->widths.v[c]; w++)
                strbuf_add_char(grid->out, ' ');
        }
        strbuf_add_char(grid->out, '\n');
    }
}

static bool has_column(const Grid *grid, size_t line, size_t column)
{
    return column + 1 < grid->lines.v[line].n;
}

static size_t column_width(Grid *grid, size_t from, size_t *ret_to, size_t limit, size_t column)
{
    Layout *layout = grid->layout;
    size_t width = layout->min_width, i;

    for (i = from; i < limit && has_column(grid, i, column); i++)
        width =
            MAX_OF(width, grid->cells.v[grid->lines.v[i].first + column].width + layout->padding);
    *ret_to = i;
    if (!layout->remember)
        return width;
    if (column == layout->widths.n)
        VEC_PUSH(&layout->widths, width);
    layout->widths.v[column] = MAX_OF(width, layout->widths.v[column]);
    return layout->widths.v[column];
}

/* Lines from..to share the columns so far; each run of them that has one more is laid out with it.
 * The depth is the number of columns. */
static void lay_out(Grid *grid, size_t from, size_t to)
{
    size_t column = grid->widths.n, i = from;

    while (i < to) {
        size_t end, width;

        if (!has_column(grid, i, column)) {
            i++;
            continue;
        }
        write_lines(grid, from, i);
        width = column_width(grid, i, &end, to, column);
        VEC_PUSH(&grid->widths, width);
        lay_out(grid, i, end);
        grid->widths.n--;
        from = i = end;
    }
    write_lines(grid, from, to);
}

void layout_text(Layout *layout, Bytes text, StrBuf *out)
{
    Grid grid = {.layout = layout, .out = out};

    cut(&grid, text);
    lay_out(&grid, 0, grid.lines.n);
    VEC_DEINIT(&grid.cells);
    VEC_DEINIT(&grid.lines);
    VEC_DEINIT(&grid.widths);
}

void layout_deinit(Layout *layout)
{
    VEC_DEINIT(&layout->widths);
}

/* ---- tables of the API ---- */

void table_printer_deinit(TablePrinter *printer)
{
    free(printer->columns);
    yyjson_doc_free(printer->definitions);
    *printer = (TablePrinter){.style = printer->style};
}

/* New columns are kept: the tables of a watch have them only in the first. True: headers are
 * due. */
static bool take_columns(TablePrinter *printer, yyjson_val *table)
{
    yyjson_val *columns = yyjson_obj_get(table, "columnDefinitions");
    char *text;

    if (yyjson_arr_size(columns) > 0) {
        text = yyjson_val_write(columns, 0, NULL);
        if (!str_equal(text, printer->columns)) {
            free(printer->columns);
            yyjson_doc_free(printer->definitions);
            printer->columns = TAKE_PTR(text);
            printer->definitions = yyjson_read(printer->columns, strlen(printer->columns), 0);
            printer->printed_headers = false;
        }
        free(text);
    }
    return !printer->style.no_headers && !printer->printed_headers;
}

static void add_upper(StrBuf *out, const char *text)
{
    for (; *text; text++)
        strbuf_add_char(out, (char)toupper((unsigned char)*text));
}

static void begin_cell(StrBuf *out, bool *first)
{
    if (!*first)
        strbuf_add_char(out, '\t');
    *first = false;
}

/* Appends the first line of a text, without the escape character, which would control the terminal. */
static void add_text(StrBuf *out, const char *text)
{
    size_t n = strcspn(text, "\f\n\r");

    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\x1b')
            strbuf_add_string(out, "^[");
        else
            strbuf_add_char(out, text[i]);
    }
    if (text[n])
        strbuf_add_string(out, "...");
}

static void add_value(StrBuf *out, yyjson_val *cell)
{
    if (yyjson_is_str(cell))
        add_text(out, yyjson_get_str(cell));
    else if (yyjson_is_bool(cell))
        strbuf_add_string(out, yyjson_get_bool(cell) ? "true" : "false");
    else if (yyjson_is_int(cell))
        strbuf_printf(out, "%" PRId64, yyjson_get_sint(cell));
    else if (yyjson_is_real(cell))
        strbuf_printf(out, "%g", yyjson_get_real(cell));
}

static bool is_shown(const TableStyle *style, yyjson_val *column)
{
    return style->wide || yyjson_get_int(yyjson_obj_get(column, "priority")) == 0;
}

static void add_headers(const TablePrinter *printer, StrBuf *out)
{
    yyjson_val *columns = yyjson_doc_get_root(printer->definitions), *column;
    bool first = true;
    size_t i, n;

    if (printer->style.with_namespace) {
        begin_cell(out, &first);
        strbuf_add_string(out, "NAMESPACE");
    }
    yyjson_arr_foreach(columns, i, n, column)
    {
        if (!is_shown(&printer->style, column))
            continue;
        begin_cell(out, &first);
        add_upper(out, str_or(yyjson_get_str(yyjson_obj_get(column, "name")), ""));
    }
    if (printer->style.show_labels) {
        begin_cell(out, &first);
        strbuf_add_string(out, "LABELS");
    }
    strbuf_add_char(out, '\n');
}

static void add_labels(StrBuf *out, yyjson_val *labels)
{
    yyjson_val *key, *value;
    size_t i, n;

    if (yyjson_obj_size(labels) == 0)
        strbuf_add_string(out, "<none>");
    yyjson_obj_foreach(labels, i, n, key, value) strbuf_printf(
        out, "%s%s=%s", i ? "," : "", yyjson_get_str(key), str_or(yyjson_get_str(value), ""));
}

static bool is_name(yyjson_val *column)
{
    return yyjson_equals_str(yyjson_obj_get(column, "format"), "name") &&
           yyjson_equals_str(yyjson_obj_get(column, "type"), "string");
}

static void add_row(const TablePrinter *printer, yyjson_val *row, StrBuf *out)
{
    const TableStyle *style = &printer->style;
    yyjson_val *columns = yyjson_doc_get_root(printer->definitions), *column;
    yyjson_val *cells = yyjson_obj_get(row, "cells");
    yyjson_val *meta = yyjson_ptr_get(row, "/object/metadata");
    bool first = true, named = false;
    size_t i, n;

    if (style->with_namespace) {
        begin_cell(out, &first);
        strbuf_add_string(out, str_or(yyjson_get_str(yyjson_obj_get(meta, "namespace")), ""));
    }
    yyjson_arr_foreach(columns, i, n, column)
    {
        if (i >= yyjson_arr_size(cells) || !is_shown(style, column))
            continue;
        begin_cell(out, &first);
        if (style->kind && !named && is_name(column)) {
            strbuf_printf(out, "%s/", style->kind);
            named = true;
        }
        add_value(out, yyjson_arr_get(cells, i));
    }
    if (style->show_labels) {
        begin_cell(out, &first);
        add_labels(out, yyjson_obj_get(meta, "labels"));
    }
    strbuf_add_char(out, '\n');
}

void table_add(TablePrinter *printer, yyjson_val *table, StrBuf *out)
{
    yyjson_val *rows = yyjson_obj_get(table, "rows"), *row;
    bool headers = take_columns(printer, table);
    size_t i, n;

    if (yyjson_arr_size(rows) == 0)
        return;
    if (headers)
        add_headers(printer, out);
    printer->printed_headers = true;
    yyjson_arr_foreach(rows, i, n, row) add_row(printer, row, out);
}
