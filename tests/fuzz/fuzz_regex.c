/* SPDX-License-Identifier: Apache-2.0 */
/* A regular expression up to the first newline, and the text that it is matched with. The two machines have to agree. */
#include "base/regex/regex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _arena_ Arena arena = ARENA_INIT;
    const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
    size_t n = newline ? (size_t)(newline - data) : size, rest = newline ? size - n - 1 : 0;
    const char *text = (const char *)data + size - rest, *error;
    const Regex *regex = regex_compile(&arena, (const char *)data, n, REGEX_OFTEN, &error);
    RegexSpan span;
    int tested, found;

    if (!regex) {
        ASSERT(error);
        return 0;
    }
    tested = regex_test(regex, text, rest);
    found = regex_find(regex, text, rest, 0, &span);
    ASSERT(tested == found || found == REGEX_E_WORK);
    ASSERT(found || (span.begin <= span.end && span.end <= rest));
    return 0;
}
