/* SPDX-License-Identifier: Apache-2.0 */
/* The format of the logs, which have a line for each visit (see counter.h): reads a file piece by piece, and writes a line. */
#ifndef TIME_SERVER_LOG_FORMAT_H
#define TIME_SERVER_LOG_FORMAT_H

#include "base/strbuf.h"
#include "counter.h"

typedef struct LogFormat {
    const char *header;         /* the first line with its newline; "": there is none */
    const char *before, *after; /* the text around "TIME - CALLER"; `after` includes the newline */
} LogFormat;

/* The state of a scan of a log. It begins with all fields zero. */
typedef struct LogScan {
    uint64_t count;
    int64_t good; /* the size of all complete lines in bytes */
    bool header;  /* the header was read */
    char rest[192];
    size_t rest_n; /* the bytes in `rest`, which belong to a line that is not complete yet */
} LogScan;

/* Scans the next piece. Returns false if the file is not a log of this format. */
bool log_scan(LogScan *scan, const LogFormat *format, const char *p, size_t n);
/* At the end of the file: returns false if the incomplete last line cannot become a line of this format. */
bool log_scan_end(const LogScan *scan, const LogFormat *format);

/* Appends the line of a visit. */
void log_print(StrBuf *buf, const LogFormat *format, const Visit *visit);

#endif
