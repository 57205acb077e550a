/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1: any bytes. */
#include "fuzz_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const char prefix[] = "";

    fuzz_http(prefix, sizeof(prefix) - 1, p, n);
    return 0;
}
