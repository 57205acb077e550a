/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file that holds the count. All functions block, and only one thread at a time may call them.
 *
 * The file is authoritative: each addition first reads the file. So counting continues from a count that was set by hand, and a file
 * that cannot be parsed is never overwritten. The formats are:
 *
 *   text    "57\n" or "57"; written without the end of line
 *   line    "57\n" or "57"; written with the end of line
 *   binary  one little-endian integer of 1 to 8 bytes; written with 8
 *   log     a line "Visits:", then a line for each visit: "2022-11-29T10:45:36+03:00 - 172.17.0.1"; the
 *           count is the number of these lines
 *   quoted  a line for each visit: "Visits:\n2022-11-29T10:45:36+03:00 - 172.17.0.1\n", with the
 *           quotes, and with two characters for each \n
 *
 * A reader of text, line and binary reads either the old count or the new one, never a mixture; counter_whole.c explains how. Lines
 * are appended to a log by a single write. If the last line is incomplete, the process was killed or the power failed before the
 * visit was answered: the line does not count, and the next addition removes it. A lock on .NAME.lock in the same folder keeps other
 * processes from counting in the same file.
 */
#ifndef TIME_SERVER_COUNTER_H
#define TIME_SERVER_COUNTER_H

#include "base/error.h"

typedef struct Visit {
    int64_t seconds; /* since 1970 */
    int offset;      /* of the time zone at this time, in seconds */
    char caller[48];
} Visit;

typedef struct CounterFormat CounterFormat;

/* NULL: there is no format of this name. */
const CounterFormat *counter_format(const char *name);
/* Whether counter_add needs the visits themselves and not only their number. */
bool counter_wants_visits(const CounterFormat *format);

enum {
    COUNTER_E_BROKEN = 1, /* the file does not hold a count; it is left unchanged */
    COUNTER_E_TAKEN,      /* another process counts in the file */
    COUNTER_E_FAILED,     /* the disk is full, read-only, gone...: a retry may succeed */
};

typedef struct Counter Counter;

/* Does not access the file yet. */
Counter *counter_new(const char *file, const CounterFormat *format);
Counter *counter_free(Counter *counter); /* NULL is allowed */

/* Reads the count. Returns 0, or COUNTER_E_... with a message. */
int counter_load(Counter *counter, uint64_t *ret, Err *reterr);
/* Adds visits and returns the new count in *ret. With `durable` they are on the disk when it returns 0. If it fails, none of them
 * counts, unless the disk failed after the new file was in place: then they may count. */
int counter_add(Counter *counter, const Visit *visits, size_t n, bool durable, uint64_t *ret,
                Err *reterr);
/* Reads the count and checks whether counter_add would succeed, as far as that is possible without adding a visit. */
int counter_check(Counter *counter, uint64_t *ret, Err *reterr);

#endif
