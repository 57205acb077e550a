/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions in the syntax of RE2, which is that of Go's regexp package. Users write them into schemas and policies, so
 * they are untrusted: a match takes time proportional to the length of the text, whatever the expression is, because all
 * alternatives are followed at once and none is ever tried again. What can grow is bounded: the size and nesting of an
 * expression when it is compiled, and the steps of a match.
 *
 * A compiled expression does not change any more, so threads may share it. It lives in the arena that it was compiled in.
 */
#ifndef BASE_REGEX_REGEX_H
#define BASE_REGEX_REGEX_H

#include "base/arena.h"

typedef struct Regex Regex;

typedef enum RegexUse {
    REGEX_OFTEN, /* compiling takes longer, so that matching is faster */
    REGEX_ONCE,
} RegexUse;

enum {
    REGEX_E_NONE = 1, /* the text does not match */
    REGEX_E_WORK,     /* gave up: the expression is large, and so is the text */
};

typedef struct RegexSpan {
    size_t begin, end; /* in bytes */
} RegexSpan;

/* NULL if the expression is malformed or too large; *ret_error is then Go's message, in the arena: "error parsing regexp:
 * missing closing ): `(a`". */
const Regex *regex_compile(Arena *arena, const char *text, size_t n, RegexUse use,
                           const char **ret_error);

/* Whether the expression matches somewhere in the text: 0, REGEX_E_NONE or REGEX_E_WORK. Bytes that are no valid UTF-8 count as
 * U+FFFD each. */
int regex_test(const Regex *regex, const char *text, size_t n);

/* The leftmost match that begins at `from` or later, of several the one that Perl would find. */
int regex_find(const Regex *regex, const char *text, size_t n, size_t from, RegexSpan *ret);

#endif
