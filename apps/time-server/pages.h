/* SPDX-License-Identifier: Apache-2.0 */
/* What is answered: a table of paths. */
#ifndef TIME_SERVER_PAGES_H
#define TIME_SERVER_PAGES_H

#include "base/clock.h"
#include "config.h"
#include "http/http.h"
#include "visits.h"

enum { PAGES_PATHS = 7, PAGES_CODES = 4 };

typedef struct Pages {
    const Config *config;
    Visits *visits;
    Clock *clock;
    const char *host;                           /* which replica this is: its host name */
    int64_t started_ns;                         /* wall */
    uint64_t answers[PAGES_PATHS][PAGES_CODES]; /* for /metrics */
} Pages;

void pages_on_request(void *pages, HttpRequest *request);

#endif
