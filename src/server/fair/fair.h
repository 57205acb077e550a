/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Priority and fairness: which requests run now, and which wait.
 *
 * The first FlowSchema that matches a request says at which priority level it is handled, and to which
 * flow it belongs (its user or its namespace). Requests of an exempt level always run. The others take
 * a seat of their level from when they begin to run until they are answered, and wait in a queue of the
 * level while there is none. As in Kubernetes, the seats of the server are divided by the shares of the
 * levels, idle ones are lent, a flow uses only a few of the queues of its level (shuffle sharding), and a
 * request whose queue is full is refused with 429.
 *
 * A server with one loop also has to divide its time. A turn of the loop runs at most TURN_MAX
 * requests; all others that arrive in the turn wait in their queues. The next turn takes from the levels
 * in proportion to their shares, and from the queues of a level in turn. So a request of a quiet client
 * waits for the requests of one turn, however many a busy client sends.
 */
#ifndef SERVER_FAIR_FAIR_H
#define SERVER_FAIR_FAIR_H

#include "server/request/call.h"

typedef struct Fairness Fairness;
typedef struct FlowConfig FlowConfig;

int fairness_new(Server *server, Fairness **ret, Err *reterr);
/* Creates the objects that every server has; needs server->client. */
void fairness_bootstrap(Fairness *fairness);
Fairness *fairness_free(Fairness *fairness);

/* Finds the flow of a request and tells the client in headers. */
void fairness_classify(Call *call);
/* Runs the request, now or when it has its turn, or refuses it. A body is kept while it waits. */
void fairness_run(Call *call, void (*run)(Call *call));
/* The request is over, or its peer is gone. */
void fairness_end(Call *call);

#endif
