/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events (the API kind), as controllers, the service proxy and the node record them. Events of the same reason, object
 * and message count up one object instead of piling up, and an object that causes many different ones is limited.
 */
#ifndef VIEW_EVENTS_H
#define VIEW_EVENTS_H

#include "api/client.h"
#include "base/time/clock.h"

typedef struct EventRecorder EventRecorder;
EventRecorder *event_recorder_new(Client *client, Clock *clock, Random *random,
                                  const char *component, const char *host);
EventRecorder *event_recorder_free(EventRecorder *recorder);
/* type: "Normal" or "Warning" */
void event_record(EventRecorder *recorder, const Object *about, const char *type,
                  const char *reason, const char *format, ...) _printf_(5, 6);
void event_record_field(EventRecorder *recorder, const Object *about, const char *field_path,
                        const char *type, const char *reason, const char *format, ...)
    _printf_(6, 7);

#endif
