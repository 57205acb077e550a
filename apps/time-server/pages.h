/* SPDX-License-Identifier: Apache-2.0 */
/* The answers to requests: a table of paths. */
#ifndef TIME_SERVER_PAGES_H
#define TIME_SERVER_PAGES_H

#include <time.h>

#include "base/time/clock.h"
#include "base/timefmt.h"
#include "config.h"
#include "http/http.h"
#include "visits.h"

enum { PAGES_PATHS = 7, PAGES_CODES = 4 };

typedef struct PagesNow {
    int64_t ns; /* wall clock */
    int64_t seconds;
    struct tm local;
    char text[TIMEFMT_MAX];
} PagesNow;

typedef struct Pages {
    const Config *config;
    Visits *visits;
    Clock *clock;
    const char *host;   /* the name of this replica, which is its host name */
    int64_t started_ns; /* wall clock */
    PagesNow now;
    uint64_t answers[PAGES_PATHS][PAGES_CODES]; /* for /metrics */
} Pages;

/* Answers a request, now or later. `pages` is a Pages. */
void pages_on_request(void *pages, HttpRequest *request);

#endif
