/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <ifaddrs.h>

#include "base/ip.h"

int ip4_parse(const char *text, uint32_t *ret)
{
    struct in_addr in;

    if (!text || inet_pton(AF_INET, text, &in) != 1)
        return 1;
    *ret = ntohl(in.s_addr);
    return 0;
}

void ip4_print(uint32_t address, char buf[static 16])
{
    snprintf(buf, 16, "%u.%u.%u.%u", address >> 24, (address >> 16) & 255, (address >> 8) & 255,
             address & 255);
}

bool ip_valid(const char *text)
{
    struct in6_addr in6;
    uint32_t in4;

    return ip4_parse(text, &in4) == 0 || (text && inet_pton(AF_INET6, text, &in6) == 1);
}

static uint32_t mask_of(int bits)
{
    return bits ? ~UINT32_C(0) << (32 - bits) : 0;
}

int cidr4_parse(const char *text, Cidr4 *ret)
{
    const char *slash = text ? strchr(text, '/') : NULL;
    char address[16];
    uint32_t base;
    int64_t bits;

    if (!slash || (size_t)(slash - text) >= sizeof(address))
        return 1;
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = 0;
    if (ip4_parse(address, &base) || str_to_int64(slash + 1, 0, 32, &bits))
        return 1;
    ret->bits = (int)bits;
    ret->base = base & mask_of(ret->bits);
    return 0;
}

bool cidr4_contains(Cidr4 cidr, uint32_t address)
{
    return (address & mask_of(cidr.bits)) == cidr.base;
}

int cidr4_parse_list(const char *text, size_t max, Cidr4 *ret, size_t *ret_n)
{
    size_t n = 0;

    for (const char *at = text; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        char one[20];
        int length = snprintf(one, sizeof(one), "%.*s", (int)strcspn(at, ","), at);

        if (length >= (int)sizeof(one) || n == max || cidr4_parse(one, &ret[n]))
            return 1;
        n++;
    }
    *ret_n = n;
    return 0;
}

bool cidr4_overlap(Cidr4 a, Cidr4 b)
{
    return a.bits <= b.bits ? cidr4_contains(a, b.base) : cidr4_contains(b, a.base);
}

bool ip4_is_local(uint32_t address)
{
    struct ifaddrs *all = NULL;
    bool found = false;

    if (getifaddrs(&all) < 0)
        return false;
    for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next)
        found = i->ifa_addr && i->ifa_addr->sa_family == AF_INET &&
                ntohl(((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr.s_addr) ==
                    address;
    freeifaddrs(all);
    return found;
}
