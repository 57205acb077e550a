/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of kubectl's tables. Cells are appended as JSON values, with commas between them, so a
 * printer makes one call for each column. A cell is the first of its row if the buffer is empty or
 * ends with "[".
 */
#ifndef API_PRINT_H
#define API_PRINT_H

#include "api/schema/meta_v1.h"
#include "base/strbuf.h"

typedef struct ContainerArray ContainerArray;

/* ---- text ---- */

/* A duration as kubectl shows it, with one or two units: 45s, 5m30s, 3h12m, 8d, 2y30d. */
void print_duration(StrBuf *out, int64_t seconds);
/* The duration since then; "<unknown>" for the zero time. */
void print_age(StrBuf *out, Time since, int64_t now_ns);
/* "a,b,c + 2 more..." when there are more than max; "<unset>" when there are none. */
void print_some(StrBuf *out, const StringArray *items, size_t max);

/* ---- cells ---- */

void cell_string(StrBuf *row, const char *s); /* NULL counts as "" */
void cell_printf(StrBuf *row, const char *format, ...) _printf_(2, 3);
void cell_int64(StrBuf *row, int64_t v);
void cell_bool(StrBuf *row, bool v);
void cell_age(StrBuf *row, Time since, int64_t now_ns);
/* Two cells: the containers' names and their images. */
void cell_containers(StrBuf *row, const ContainerArray *containers);
/* "app=web"; `none` where the selector is empty or absent. */
void cell_selector(StrBuf *row, const LabelSelector *selector, const char *none);
/* "app=web,tier=front"; "<none>" where there are no labels. */
void cell_labels(StrBuf *row, const StringMap *labels);

#endif
