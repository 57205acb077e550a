/* SPDX-License-Identifier: Apache-2.0 */
/* Responses: objects and Status in the format that the client accepts. */
#ifndef SERVER_REQUEST_RESPOND_H
#define SERVER_REQUEST_RESPOND_H

#include "server/request/call.h"

void respond_status(Call *call, const ApiStatus *status);

/* Responds with the object in the format that the client accepts. */
void respond_object(Call *call, int code, Object *object);

/* Responds with a JSON text, which the caller owns, or with the same as YAML if the client asks
 * for that. */
void respond_json(Call *call, int code, Bytes json);

/* Whether the client is one that people use directly, which gets indented JSON. */
bool respond_wants_lines(const Call *call);

void respond_json_taken(Call *call, int code, StrBuf *text); /* the same, without a copy */
/* Takes ownership of the text. */
void respond_text(HttpRequest *request, int code, const char *type, StrBuf *text);
void respond_not_acceptable(Call *call);
void respond_warnings(HttpRequest *request, const Warnings *warnings);

#endif
