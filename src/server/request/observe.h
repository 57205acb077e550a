/* SPDX-License-Identifier: Apache-2.0 */
/* The boundary of a request: what an operator sees of it in the log and in metrics. */
#ifndef SERVER_REQUEST_OBSERVE_H
#define SERVER_REQUEST_OBSERVE_H

#include "server/request/call.h"

typedef struct Observer Observer;

Observer *observer_new(Server *server);
Observer *observer_free(Observer *observer);
void observe_begin(Call *call);
void observe_body(Call *call);
void observe_handled(Call *call);
void observe_stored(Call *call);       /* in a StoreDone */
void observe_long_running(Call *call); /* it is meant to last, from here on */
void observe_end(Call *call);          /* its last moment: counts and logs it */
void observe_watch_event(Call *call);

/* A status of 500 on its way to the client: logged once, with the trace of the error. */
void observe_fatal(const HttpRequest *request, const ApiStatus *status);

void observe_bad_request(const HttpPeer *peer, int code, const char *text);
void answer_metrics(Call *call);

#endif
