/* SPDX-License-Identifier: Apache-2.0 */
/* Objects as rows of a Table, and as metadata alone. */
#ifndef SERVER_REQUEST_TABLE_H
#define SERVER_REQUEST_TABLE_H

#include "api/kind.h"
#include "api/object.h"
#include "base/strbuf.h"

void table_begin(StrBuf *out, const Kind *kind, const char *version, const char *metadata,
                 bool columns);
void table_row(StrBuf *out, Object *object, const char *include, const char *version,
               int64_t now_ns);
void table_end(StrBuf *out);
void partial_object(StrBuf *out, Object *object, const char *version, bool with_kind);

#endif
