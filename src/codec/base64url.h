/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 with the alphabet for URLs (RFC 4648, section 5), without padding. It is used for tokens,
 * keys, and the position at which a list continues. */
#ifndef CODEC_BASE64URL_H
#define CODEC_BASE64URL_H

#include "base/arena.h"
#include "base/strbuf.h"

void base64url_add(StrBuf *out, const uint8_t *p, size_t n);
int base64url_decode(Arena *arena, const char *s, size_t n, Bytes *ret); /* positive: malformed */

#endif
