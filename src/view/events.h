/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Event recorder (Event as a kind of the API), used by the controllers, the service proxy and
 * the node agent.
 *
 * Recording the same type, reason and message about the same object again increments the count of
 * the Event that exists. If nothing but the messages differ, from the tenth one within ten minutes on
 * they are combined to one Event with the newest message. Events about one object are rate-limited: 25 at once, and one more every
 * five minutes. An Event above this limit is written to the log instead.
 */
#ifndef VIEW_EVENTS_H
#define VIEW_EVENTS_H

#include "api/client.h"
#include "base/time/clock.h"

typedef struct EventRecorder EventRecorder;
/* Events name `component` (for example "kubelet") and `host` (may be NULL) as their source. The
 * client and the clock must outlive the recorder. */
EventRecorder *event_recorder_new(Client *client, Clock *clock, const char *component,
                                  const char *host);
EventRecorder *event_recorder_free(EventRecorder *recorder);
/* Both issue a write and return at once; the caller does not learn whether it succeeds. `type` is
 * "Normal" or "Warning". `field_path` names the part of the object that the Event is about, such as
 * "spec.containers{web}"; NULL stands for the whole object. */
void event_record(EventRecorder *recorder, const Object *about, const char *type,
                  const char *reason, const char *format, ...) _printf_(5, 6);
void event_record_field(EventRecorder *recorder, const Object *about, const char *field_path,
                        const char *type, const char *reason, const char *format, ...)
    _printf_(6, 7);

#endif
