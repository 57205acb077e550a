/* SPDX-License-Identifier: Apache-2.0 */
/* The log lines and metrics of requests. */
#ifndef SERVER_REQUEST_OBSERVE_H
#define SERVER_REQUEST_OBSERVE_H

#include "server/request/call.h"

typedef struct Observer Observer;

Observer *observer_new(Server *server);
Observer *observer_free(Observer *observer);
void observe_begin(Call *call);
void observe_body(Call *call);
void observe_handled(Call *call);
void observe_stored(Call *call);       /* to be called in a StoreDone */
void observe_long_running(Call *call); /* from now on it counts as long-running, such as a watch */
void observe_end(Call *call);          /* counts and logs the request; has to be the last call */
void observe_watch_event(Call *call);

/* Logs an internal error that is about to be sent to the client, with its trace. */
void observe_fatal(const HttpRequest *request, const ApiStatus *status);

void observe_bad_request(const HttpPeer *peer, int code, const char *text);
void answer_metrics(Call *call);

#endif
