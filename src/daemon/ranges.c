/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>

#include "base/ip.h"
#include "daemon/ranges.h"
#include "net/net.h"

/* A default route takes only packets that no other route takes. VPNs install it as two halves. */
static bool is_default(Cidr4 route)
{
    return route.bits <= 1;
}

void ranges_look_at(void *data, Cidr4 to, const char *link)
{
    RangeSearch *search = data;
    char base[16];

    if (search->found || is_default(to) || str_equal(link, search->instance))
        return;
    for (size_t i = 0; !search->found && i < OPTIONS_RANGES; i++)
        if (cidr4_overlap(search->ranges[i].cidr, to))
            search->found = &search->ranges[i];
    if (!search->found)
        return;
    ip4_print(to.base, base);
    snprintf(search->route, sizeof(search->route), "%s/%d on the link %s", base, to.bits, link);
}

int ranges_check(const Options *options, Err *reterr)
{
    RangeSearch search = {.instance = options->instance};
    int r;

    if (options->no_network)
        return 0;
    options_ranges(options, search.ranges);
    r = net_routes_each(ranges_look_at, &search);
    if (r < 0)
        return err_set(reterr, -r, "cannot read the routes of this machine");
    if (search.found)
        return err_set(reterr, 0,
                       "%s %s overlaps the route %s of this machine (another stead has routes "
                       "too); choose another range by %s",
                       search.found->name, search.found->text, search.route, search.found->name);
    return 0;
}

bool ranges_are_own(const Options *options, const struct sockaddr *address)
{
    const struct sockaddr_in *four = (const void *)address;
    OptionRange ranges[OPTIONS_RANGES];
    uint32_t ip;

    if (address->sa_family != AF_INET)
        return false; /* pods and Services have IPv4 addresses */
    ip = ntohl(four->sin_addr.s_addr);
    options_ranges(options, ranges);
    for (size_t i = 0; i < OPTIONS_RANGES; i++)
        if (cidr4_contains(ranges[i].cidr, ip))
            return true;
    return ip4_is_local(ip);
}
