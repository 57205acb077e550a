/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_DOCS_OPENAPI_H
#define SERVER_DOCS_OPENAPI_H

#include "base/strbuf.h"
#include "server/request/call.h"

/* Answers with the list of v3 documents: {"paths":{"api/v1":{"serverRelativeURL":...}}} */
void openapi_v3_index(Call *call);
/* Answers with the v3 document of a group version; the group is "" for core. Returns false if there is
 * none. */
bool openapi_v3(Call *call, const char *group, const char *version);
/* Answers with the v2 document of all group versions, as JSON or in the protobuf format that older
 * clients ask for. */
void openapi_v2(Call *call);

/* Converts an OpenAPI v2 document from JSON to the protobuf message openapi.v2.Document. */
void openapi_v2_protobuf(Arena *arena, Bytes json, StrBuf *out);

#endif
