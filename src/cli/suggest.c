/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/suggest.h"

#define LETTERS_MAX 31
#define MISTAKES_MAX 2
/* A shorter word begins too many names to say anything about any of them. */
#define PREFIX_MIN 3

/* The number of typing mistakes between two words (the optimal string alignment distance): letters that were added, left out,
 * changed, or swapped with a neighbour. Words of more than LETTERS_MAX letters are never close. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[LETTERS_MAX + 1][LETTERS_MAX + 1], n = strlen(a), m = strlen(b);

    if (n > LETTERS_MAX || m > LETTERS_MAX)
        return SIZE_MAX;
    for (size_t i = 0; i <= n; i++) {
        for (size_t j = 0; j <= m; j++) {
            if (!i || !j) {
                rows[i][j] = i + j;
                continue;
            }
            rows[i][j] = MIN_OF(rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]),
                                MIN_OF(rows[i - 1][j], rows[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                rows[i][j] = MIN_OF(rows[i][j], rows[i - 2][j - 2] + 1);
        }
    }
    return rows[n][m];
}

/* The words without the dashes that every option begins with: these say nothing about what was meant. */
static const char *letters_of(const char *word)
{
    return word + strspn(word, "-");
}

void suggestion_offer(Suggestion *suggestion, const char *name)
{
    const char *word = letters_of(suggestion->word), *offered = letters_of(name);
    size_t mistakes = distance(word, offered), length = strlen(word);
    bool is_prefix = length >= PREFIX_MIN && *offered &&
                     (str_starts_with(offered, word) || str_starts_with(word, offered));

    if (is_prefix)
        mistakes = 1;
    else if (mistakes > MISTAKES_MAX || mistakes * 2 >= MIN_OF(length, strlen(offered)))
        return;
    if (suggestion->best && mistakes >= suggestion->mistakes)
        return;
    suggestion->best = name;
    suggestion->mistakes = mistakes;
}
