/* SPDX-License-Identifier: Apache-2.0 */
/* Builds the path and the query of a request. */
#ifndef CLI_URL_H
#define CLI_URL_H

#include "base/strbuf.h"

/* Appends a slash and the text, percent-encoded so that it stays one segment of the path. */
void url_add_segment(StrBuf *url, const char *text);
/* Appends "?name=value", or "&name=value" where the URL has a query already; the value is percent-encoded. */
void url_add_query(StrBuf *url, const char *name, const char *value);

#endif
