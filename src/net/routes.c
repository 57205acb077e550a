/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the routes of the machine from /proc/net/route. Each route has a line, which begins with the
 * name of the link; destination and mask are hexadecimal numbers in network byte order.
 */
#include <arpa/inet.h>

#include "base/files/file.h"
#include "net/net.h"

/* In bytes; a full routing table of the Internet has a million routes. */
#define ROUTES_MAX (16 * 1024 * 1024)

int net_routes_each(void (*each)(void *data, Cidr4 to, const char *link), void *data)
{
    _free_ char *text = NULL;
    int r = file_read("/proc/net/route", ROUTES_MAX, &text, NULL);

    if (r < 0)
        return ERR_TRACE(r);
    for (char *line = strchr(text, '\n'); line && *++line; line = strchr(line, '\n')) {
        char link[16];
        unsigned base, mask;

        if (sscanf(line, "%15s %x %*x %*x %*d %*d %*d %x", link, &base, &mask) == 3)
            each(data, (Cidr4){ntohl(base), __builtin_popcount(mask)}, link);
    }
    return 0;
}
