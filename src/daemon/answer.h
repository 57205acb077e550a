/* SPDX-License-Identifier: Apache-2.0 */
/* The answers of the control socket, which are plain text. */
#ifndef DAEMON_ANSWER_H
#define DAEMON_ANSWER_H

#include "base/strbuf.h"
#include "http/http.h"

void control_answer(HttpRequest *request, int status, const StrBuf *text);
/* Answers with status 500 and the message. */
void control_answer_error(HttpRequest *request, const Err *err);

/* A call that is answered later, unless the command has disconnected by then. */
typedef struct PendingCall {
    void *owner;
    HttpRequest *request;
    bool gone;                   /* the command has disconnected */
    void (*on_gone)(void *work); /* called then; may be NULL */
    void *work;
} PendingCall;

PendingCall *pending_call_new(void *owner, HttpRequest *request);
/* Frees the call. Returns the request, which has no on_close any more and is to be answered, or NULL if the command has
 * disconnected. */
HttpRequest *pending_call_end(PendingCall *pending);
/* Answers with the text, or with the message of err unless it is NULL, and frees the call. */
void pending_call_answer(PendingCall *pending, const StrBuf *text, const Err *err);

#endif
