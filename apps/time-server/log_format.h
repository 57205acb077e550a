/* SPDX-License-Identifier: Apache-2.0 */
/* One visit a line: how such a file is read, piece by piece, and how a line is written. See
 * counter.h. */
#ifndef TIME_SERVER_LOG_FORMAT_H
#define TIME_SERVER_LOG_FORMAT_H

#include "base/strbuf.h"
#include "counter.h"

typedef struct LogFormat {
    const char *header;         /* first line, with its end; "": none */
    const char *before, *after; /* around "TIME - CALLER"; after ends the line */
} LogFormat;

/* Goes through a log piece by piece. Zeroed to begin with. */
typedef struct LogScan {
    uint64_t count;
    int64_t good; /* bytes of whole lines */
    bool header;  /* seen */
    char rest[192];
    size_t rest_n; /* of a line whose end is to come */
} LogScan;

/* False: this is not such a log. */
bool log_scan(LogScan *scan, const LogFormat *format, const char *p, size_t n);
/* At the end: whether what rests is the beginning of a line. */
bool log_scan_end(const LogScan *scan, const LogFormat *format);

void log_print(StrBuf *buf, const LogFormat *format, const Visit *visit);

#endif
