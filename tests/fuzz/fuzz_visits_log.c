/* SPDX-License-Identifier: Apache-2.0 */
/* A log of visits as somebody's editor may have left it: read in pieces of any size, it says the
 * same. */
#include "log_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool scan(const LogFormat *format, const char *p, size_t n, size_t piece, LogScan *ret)
{
    *ret = (LogScan){0};
    for (size_t at = 0; at < n; at += piece)
        if (!log_scan(ret, format, p + at, MIN_OF(piece, n - at)))
            return false;
    return log_scan_end(ret, format);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const LogFormat formats[] = {{"Visits:\n", "", "\n"}, {"", "\"Visits:\\n", "\\n\"\n"}};

    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        LogScan whole, pieces;
        bool good = scan(&formats[i], (const char *)data, size, size ? size : 1, &whole);

        for (size_t piece = 1; piece < 20; piece += 6) {
            bool same = scan(&formats[i], (const char *)data, size, piece, &pieces);

            /* A line too long for the rest may end a scan in pieces earlier. */
            if (!good)
                continue;
            ASSERT(same && pieces.count == whole.count && pieces.good == whole.good);
            ASSERT(whole.good + (int64_t)whole.rest_n == (int64_t)size);
        }
    }
    return 0;
}
