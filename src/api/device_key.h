/* SPDX-License-Identifier: Apache-2.0 */
/* The identity of a device, or of a share of it, in the status of a ResourceClaim. */
#ifndef API_DEVICE_KEY_H
#define API_DEVICE_KEY_H

#include "base/arena.h"

static inline const char *device_key(Arena *arena, const char *driver, const char *pool,
                                     const char *device, const char *share)
{
    const char *key =
        arena_printf(arena, "%s/%s/%s", str_or(driver, ""), str_or(pool, ""), str_or(device, ""));

    return share ? arena_printf(arena, "%s/%s", key, share) : key;
}

#endif
