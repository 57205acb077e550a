/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2: any frames behind the preface. */
#include "fuzz_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const char prefix[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    fuzz_http(prefix, sizeof(prefix) - 1, p, n);
    return 0;
}
