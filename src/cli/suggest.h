/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the name that was probably meant by a mistyped word: a command, an option, a kind.
 *
 *     Suggestion suggestion = {.word = "lgos"};
 *
 *     for (size_t i = 0; i < ARRAY_LEN(names); i++)
 *         suggestion_offer(&suggestion, names[i]);
 *     if (suggestion.best)
 *         fprintf(stderr, "did you mean %s?\n", suggestion.best);
 */
#ifndef CLI_SUGGEST_H
#define CLI_SUGGEST_H

#include "base/base.h"

typedef struct Suggestion {
    const char *word; /* as it was typed */
    const char *best; /* the closest name so far; NULL: none is close enough */
    size_t mistakes;  /* between the word and `best` */
} Suggestion;

/* Compares the word with one more name. A name is close enough if it differs by at most two typing mistakes, and by fewer than
 * half of the letters of the shorter one, or if one of the two begins with the other. Of names that are equally close the
 * first one stays. */
void suggestion_offer(Suggestion *suggestion, const char *name);

#endif
