/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_DOCS_OPENAPI_H
#define SERVER_DOCS_OPENAPI_H

#include "base/strbuf.h"
#include "server/request/call.h"

/* {"paths":{"api/v1":{"serverRelativeURL":...}}} */
void openapi_v3_index(Call *call);
/* The document of one group version ("" for core); false: there is none. */
bool openapi_v3(Call *call, const char *group, const char *version);
/* All in one document, as JSON or in the protobuf form that older clients ask for. */
void openapi_v2(Call *call);

/* An OpenAPI v2 document in JSON as openapi.v2.Document. */
void openapi_v2_protobuf(Arena *arena, Bytes json, StrBuf *out);

#endif
