/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdatomic.h>

#include "base/fault.h"

static char armed_prefix[64];
static atomic_uint_least64_t armed_n, hits;
static bool armed_kill;

bool fault_hit(const char *name)
{
    uint64_t n = atomic_load(&armed_n);

    if (!n || !str_starts_with(name, armed_prefix))
        return false;
    if (atomic_fetch_add(&hits, 1) + 1 != n)
        return false;
    if (armed_kill)
        raise(SIGKILL);
    return true;
}

void fault_arm(const char *prefix, uint64_t n)
{
    snprintf(armed_prefix, sizeof(armed_prefix), "%s", prefix);
    atomic_store(&hits, 0);
    armed_kill = false;
    atomic_store(&armed_n, n);
}

uint64_t fault_count(void)
{
    return atomic_load(&hits);
}

void fault_arm_from_environment(void)
{
    const char *text = getenv("STEAD_FAULT"), *colon = text ? strchr(text, ':') : NULL;
    char prefix[sizeof(armed_prefix)];
    int64_t n;
    char number[24];

    if (!colon || (size_t)(colon - text) >= sizeof(prefix))
        return;
    memcpy(prefix, text, (size_t)(colon - text));
    prefix[colon - text] = 0;
    snprintf(number, sizeof(number), "%s", colon + 1);
    number[strcspn(number, ":")] = 0;
    if (str_to_int64(number, 1, INT64_MAX, &n))
        return;
    fault_arm(prefix, (uint64_t)n);
    armed_kill = str_ends_with(colon, ":kill");
}
