/* SPDX-License-Identifier: Apache-2.0 */
/* Times as foreign programs write them: what is taken is printed so that it reads back as the
 * same. */
#include "base/timefmt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _free_ char *text = mem_strndup((const char *)data, size);
    int64_t seconds, again;
    int32_t nanos, nanos_again;
    char buf[TIMEFMT_MAX];

    if (timefmt_parse(text, &seconds, &nanos))
        return 0;
    ASSERT(nanos >= 0 && nanos < 1000000000);
    timefmt_nanos(seconds, nanos, buf);
    /* An offset can carry a time out of the years of four digits. */
    if (buf[4] != '-' || buf[0] == '-')
        return 0;
    ASSERT(timefmt_parse(buf, &again, &nanos_again) == 0);
    ASSERT(again == seconds && nanos_again == nanos);
    return 0;
}
