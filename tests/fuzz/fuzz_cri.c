/* SPDX-License-Identifier: Apache-2.0 */
/* A container's log: what a container writes ends up in these lines. */
#include "node/runtime/logs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t at = 0;

    while (at < size) {
        const uint8_t *newline = memchr(data + at, '\n', size - at);
        size_t n = newline ? (size_t)(newline - data) - at : size - at;
        CriLine line;

        if (cri_line_parse(data + at, n, &line)) {
            ASSERT(line.text.p + line.text.n == data + at + n);
            ASSERT(line.time.p == data + at && line.time.n <= n && line.stream.n <= n);
        }
        at += n + 1;
    }
    return 0;
}
