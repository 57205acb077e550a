/* SPDX-License-Identifier: Apache-2.0 */
#include "base/files/user_namespace.h"

bool in_user_namespace(void)
{
    FILE *file = fopen("/proc/self/uid_map", "re");
    unsigned inside, outside, count;
    bool whole = !file || (fscanf(file, "%u %u %u", &inside, &outside, &count) == 3 &&
                           inside == 0 && outside == 0 && count == UINT32_MAX);

    if (file)
        fclose(file);
    return !whole;
}

const char *overlay_opaque_name(void)
{
    return in_user_namespace() ? "user.overlay.opaque" : "trusted.overlay.opaque";
}
