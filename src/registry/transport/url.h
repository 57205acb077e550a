/* SPDX-License-Identifier: Apache-2.0 */
/* URLs that a registry names, as libcurl understands them, so that what is checked is what is asked
 * for. */
#ifndef REGISTRY_TRANSPORT_URL_H
#define REGISTRY_TRANSPORT_URL_H

#include "base/base.h"

typedef struct Url {
    char *text, *host, *port; /* host in lower case, an IPv6 address in brackets */
    char *origin;             /* "https://host:port" */
    bool is_https;
} Url;

/* `text` may be relative to `base`, which may be NULL. 1: it is malformed, neither http nor https,
 * or contains a password. */
int url_parse(const char *base, const char *text, Url *ret);
void url_deinit(Url *url);
/* Both are valid and have the same scheme, host and port. */
bool url_same_origin(const char *a, const char *b);

#endif
