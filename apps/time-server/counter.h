/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file that holds the count. All calls block, and are made by one thread at a time.
 *
 * The file is the truth: each addition first reads what is there, so a count that somebody set by
 * hand goes on from there, and one that does not parse is never written over. Formats:
 *
 *   text    "57\n" or "57"; written without the end of line
 *   line    "57\n" or "57"; written with the end of line
 *   binary  one little-endian integer of 1 to 8 bytes; written with 8
 *   log     a line "Visits:", then one a visit: "2022-11-29T10:45:36+03:00 - 172.17.0.1"; the count
 *           is the number of those
 *   quoted  one line a visit: "Visits:\n2022-11-29T10:45:36+03:00 - 172.17.0.1\n", with the quotes,
 *           and with two characters for each \n
 *
 * A reader of text, line and binary gets the old count or the new one, never a mixture of both:
 * counter_whole.c explains how. A log grows by one write. A last line without its end is what a kill
 * or a power cut left of a visit that was never answered: it does not count, and the next addition
 * removes it. A lock on .NAME.lock, in the same folder, keeps other processes away.
 */
#ifndef TIME_SERVER_COUNTER_H
#define TIME_SERVER_COUNTER_H

#include "base/error.h"

typedef struct Visit {
    int64_t seconds; /* since 1970 */
    int offset;      /* of the zone then, in seconds */
    char caller[48];
} Visit;

typedef struct CounterFormat CounterFormat;

/* NULL: there is none of this name. */
const CounterFormat *counter_format(const char *name);
/* Whether counter_add wants to know more of visits than how many there are. */
bool counter_wants_visits(const CounterFormat *format);

enum {
    COUNTER_E_BROKEN = 1, /* what is there is no count; it stays as it is */
    COUNTER_E_TAKEN,      /* another process counts there */
    COUNTER_E_FAILED,     /* full, read-only, gone...: may work later */
};

typedef struct Counter Counter;

/* Touches nothing yet. */
Counter *counter_new(const char *file, const CounterFormat *format);
Counter *counter_free(Counter *counter); /* NULL is fine */

/* What the file says now. 0 or COUNTER_E_..., with a message. */
int counter_load(Counter *counter, uint64_t *ret, Err *reterr);
/* With durable, the visits are on disk when it returns 0. Otherwise none of them counts, except
 * where the disk failed after the file was in place: then they may. */
int counter_add(Counter *counter, const Visit *visits, size_t n, bool durable, uint64_t *ret,
                Err *reterr);
/* Whether counter_add would work, as far as can be told without adding. */
int counter_check(Counter *counter, uint64_t *ret, Err *reterr);

#endif
