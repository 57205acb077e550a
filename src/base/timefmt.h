/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 3339 times to text and back. */
#ifndef BASE_TIMEFMT_H
#define BASE_TIMEFMT_H

#include "base/base.h"

#define TIMEFMT_MAX 40

/* "2022-11-29T10:45:36Z" */
void timefmt_seconds(int64_t seconds, char buf[static TIMEFMT_MAX]);
/* "2022-11-29T10:45:36.123456Z": always six digits */
void timefmt_micros(int64_t seconds, int32_t nanos, char buf[static TIMEFMT_MAX]);
/* "2022-11-29T10:45:36.123456789Z": always nine digits, as CRI logs have it */
void timefmt_nanos(int64_t seconds, int32_t nanos, char buf[static TIMEFMT_MAX]);
/* With an offset: "2022-11-29T10:45:36+03:00" ("Z" for 0) */
void timefmt_offset(int64_t seconds, int offset_seconds, char buf[static TIMEFMT_MAX]);
/* Any RFC 3339 time; 0, or positive where it is none. */
int timefmt_parse(const char *s, int64_t *ret_seconds, int32_t *ret_nanos);

/* A duration as Go prints it: "1h2m3.5s", "150ms", "0s". */
void timefmt_duration(int64_t ns, char buf[static TIMEFMT_MAX]);
/* What Go parses as a duration; false where it is none, or longer than 290 years. */
bool timefmt_parse_duration(const char *s, int64_t *ret_ns);

#endif
