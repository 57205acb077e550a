/* SPDX-License-Identifier: Apache-2.0 */
/* What `events` and `describe` share. */
#ifndef CLI_COMMANDS_EVENTS_H
#define CLI_COMMANDS_EVENTS_H

#include "cli/resources.h"

typedef VEC(yyjson_val *) EventList;

/* Events of a namespace ("": all), of one object where uid or kind and name are given; sorted by
 * time. 0, or 1 after a message. */
typedef struct EventFilter {
    const char *ns, *kind, *name, *uid;
} EventFilter;

int events_get(Cluster *cluster, const EventFilter *filter, EventList *ret,
               const char **ret_revision);
/* "5m (x3 over 2h)" */
void event_interval(StrBuf *out, yyjson_val *event);
/* "5m": since a time text; "<unknown>" */
void time_since(StrBuf *out, const char *time);
/* "5m": so long */
void time_span(StrBuf *out, int64_t seconds);

#endif
