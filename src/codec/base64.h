/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648) as Go's StdEncoding: padded; CR and LF are skipped when decoding; nothing else
 * is. */
#ifndef CODEC_BASE64_H
#define CODEC_BASE64_H

#include "base/arena.h"
#include "base/strbuf.h"

static inline size_t base64_length(size_t n)
{
    return (n + 2) / 3 * 4;
}
void base64_encode(Bytes b, StrBuf *out);
/* 0, or positive: *ret_bad is the offset of what is wrong. */
int base64_decode(Arena *arena, const char *s, size_t n, Bytes *ret, size_t *ret_bad);

#endif
