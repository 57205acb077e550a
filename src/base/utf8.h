/* SPDX-License-Identifier: Apache-2.0 */
/* Untrusted bytes have to pass these functions before they are used as text. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/arena.h"

/* Well-formed, shortest forms only, no surrogates. */
bool utf8_valid(const uint8_t *p, size_t n);

#define UTF8_REPLACEMENT 0xfffdu

/* Reads the character at p, where n > 0 bytes are left, and returns its length. A byte that belongs to no valid character is
 * UTF8_REPLACEMENT, of length 1. */
size_t utf8_decode(const uint8_t *p, size_t n, uint32_t *ret);
/* Writes a character, and returns its length. */
size_t utf8_encode(uint32_t code, char to[static 4]);

/* The text itself where it is valid, else a copy with U+FFFD for each byte that is not. */
const char *utf8_clean(Arena *arena, const char *text);

#endif
