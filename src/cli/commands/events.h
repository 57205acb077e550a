/* SPDX-License-Identifier: Apache-2.0 */
/* Events and the times in them, for `stead events` and `stead describe`. */
#ifndef CLI_COMMANDS_EVENTS_H
#define CLI_COMMANDS_EVENTS_H

#include "cli/resources.h"

typedef VEC(yyjson_val *) EventList;

typedef struct EventFilter {
    const char *ns;          /* "": all namespaces */
    const char *kind, *name; /* only Events of this object; NULL: of any */
    const char *uid;         /* the same, by its uid */
} EventFilter;

/* Gets Events in the order of their times, and the revision of the list. Returns 0, or 1 after printing a message. */
int events_get(Cluster *cluster, const EventFilter *filter, EventList *ret,
               const char **ret_revision);
/* Appends how long ago the Event happened: "5m", "5m (x3 over 2h)". */
void event_interval(StrBuf *out, yyjson_val *event);
/* Appends the age of a time in the format of the API: "5m", or "<unknown>". */
void time_since(StrBuf *out, const char *time);
/* Appends a duration: "5m". */
void time_span(StrBuf *out, int64_t seconds);

#endif
