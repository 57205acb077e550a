/* SPDX-License-Identifier: Apache-2.0 */
/* resource.Quantity: exact decimal numbers with suffixes (n u m k M G T P E, Ki Mi Gi Ti Pi Ei,
 * e3). */
#ifndef CODEC_QUANTITY_H
#define CODEC_QUANTITY_H

#include "base/arena.h"

enum {
    QUANTITY_E_FORMAT = 1, /* not a number and a suffix */
    QUANTITY_E_NUMERIC,
    QUANTITY_E_SUFFIX,
};

/* 0 and the canonical text ("256M" stays, "0.5" is "500m", "1024Mi" is "1Gi"), or positive: not a
 * quantity. */
int quantity_canonical(Arena *arena, const char *text, size_t n, const char **ret);
/* kube-apiserver's sentence for an outcome of quantity_canonical. */
const char *quantity_error(int outcome);
/* The value rounded up; saturates at INT64_MAX. The text need not be canonical; the value of a
 * malformed text is 0. */
int64_t quantity_value(const char *text);
int64_t quantity_milli(const char *text);
int64_t quantity_nano(const char *text);
int quantity_compare(const char *a, const char *b);
/* The canonical sum or difference, in the format of a, or that of b if a is zero. NULL counts as
 * zero. */
const char *quantity_add(Arena *arena, const char *a, const char *b);
const char *quantity_subtract(Arena *arena, const char *a, const char *b);
/* Canonical text of billionths. */
const char *quantity_from_nano(Arena *arena, int64_t nano);
/* Canonical text of a plain number; binary: prefer Ki, Mi... */
const char *quantity_from(Arena *arena, int64_t value, bool binary);

#endif
