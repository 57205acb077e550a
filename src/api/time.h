/* SPDX-License-Identifier: Apache-2.0 */
/* Times of objects as nanoseconds since 1970, and back. */
#ifndef API_TIME_H
#define API_TIME_H

#include "base/time/clock.h"
#include "codec/type.h"

static inline int64_t time_ns(Time time)
{
    return ns_from_seconds(time.seconds) + time.nanos;
}
static inline Time time_from_ns(int64_t ns)
{
    return (Time){.seconds = ns / NS_PER_SEC, .nanos = (int32_t)(ns % NS_PER_SEC), .set = true};
}
static inline Time time_seconds_from_ns(int64_t ns)
{
    return (Time){.seconds = ns / NS_PER_SEC, .set = true};
}

#endif
