/* SPDX-License-Identifier: Apache-2.0 */
/* What is answered: a table of paths. */
#ifndef TIME_SERVER_PAGES_H
#define TIME_SERVER_PAGES_H

#include "base/clock.h"
#include "config.h"
#include "http/http.h"
#include "visits.h"

typedef struct Pages {
    const Config *config;
    Visits *visits;
    Clock *clock;
    const char *host; /* which replica this is: its host name */
} Pages;

void pages_on_request(void *pages, HttpRequest *request);

#endif
