/* SPDX-License-Identifier: Apache-2.0 */
/* Answers: objects and Status in the form that was asked for. */
#ifndef SERVER_REQUEST_RESPOND_H
#define SERVER_REQUEST_RESPOND_H

#include "server/request/call.h"

void respond_status(Call *call, const ApiStatus *status);

/* The object in the asked-for form. */
void respond_object(Call *call, int code, Object *object);

/* An answer made as JSON text (owned by the caller), re-encoded as YAML where asked. */
void respond_json(Call *call, int code, Bytes json);

/* JSON for people: indented. */
bool respond_wants_lines(const Call *call);

void respond_json_taken(Call *call, int code, StrBuf *text); /* the same, without a copy */
void respond_text(HttpRequest *request, int code, const char *type, StrBuf *text); /* takes it */
void respond_not_acceptable(Call *call);
void respond_warnings(HttpRequest *request, const Warnings *warnings);

#endif
