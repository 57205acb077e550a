/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/url.h"

#include <ctype.h>

/* Encodes every byte but letters, digits and those in `plain`. */
static void add_encoded(StrBuf *url, const char *text, const char *plain)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (isalnum(*c) || strchr(plain, *c))
            strbuf_add_char(url, (char)*c);
        else
            strbuf_printf(url, "%%%02X", *c);
    }
}

void url_add_segment(StrBuf *url, const char *text)
{
    strbuf_add_char(url, '/');
    add_encoded(url, text, "-._~:");
}

void url_add_query(StrBuf *url, const char *name, const char *value)
{
    strbuf_printf(url, "%c%s=", strchr(strbuf_string(url), '?') ? '&' : '?', name);
    add_encoded(url, value, "-._~");
}
