/* SPDX-License-Identifier: Apache-2.0 */
/* Untrusted bytes have to pass these functions before they are used as text. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/arena.h"

/* Well-formed, shortest forms only, no surrogates. */
bool utf8_valid(const uint8_t *p, size_t n);

/* The text itself where it is valid, else a copy with U+FFFD for each byte that is not. */
const char *utf8_clean(Arena *arena, const char *text);

#endif
