/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/ip.h"
#include "registry/transport/place.h"

static bool ip4_is_private(uint32_t address)
{
    uint32_t first = address >> 24;

    return first == 127 || first == 0 || first >= 224 || address >> 16 == 0xa9fe;
}

bool address_is_private(const struct sockaddr *address)
{
    const struct in6_addr *in6 = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    uint32_t embedded;

    if (address->sa_family == AF_INET)
        return ip4_is_private(
            ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
    if (address->sa_family != AF_INET6)
        return true;
    memcpy(&embedded, in6->s6_addr + 12, sizeof(embedded));
    if (IN6_IS_ADDR_V4MAPPED(in6))
        return ip4_is_private(ntohl(embedded));
    return IN6_IS_ADDR_LOOPBACK(in6) || IN6_IS_ADDR_UNSPECIFIED(in6) ||
           IN6_IS_ADDR_LINKLOCAL(in6) || IN6_IS_ADDR_MULTICAST(in6);
}

/* An IPv4 address that is written as IPv6 is the same place. */
static const struct sockaddr *unmapped(const struct sockaddr *address, struct sockaddr_in *room)
{
    const struct sockaddr_in6 *six = (const void *)address;

    if (address->sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
        return address;
    *room = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = six->sin6_port};
    memcpy(&room->sin_addr, six->sin6_addr.s6_addr + 12, sizeof(room->sin_addr));
    return (const struct sockaddr *)room;
}

static bool is_public(const Guard *guard, const struct sockaddr *address)
{
    struct sockaddr_in room;

    address = unmapped(address, &room);
    return !address_is_private(address) &&
           (!guard->may_connect || guard->may_connect(guard->data, address));
}

void guard_note(Guard *guard, const struct sockaddr *address)
{
    if (!is_public(guard, address))
        atomic_store(&guard->is_private, true);
}

bool guard_allows(const Guard *guard, const struct sockaddr *address)
{
    return atomic_load(&guard->is_private) || is_public(guard, address);
}

static bool is_localhost(const char *host)
{
    return strcasecmp(host, "localhost") == 0 ||
           (strlen(host) > 10 && strcasecmp(host + strlen(host) - 10, ".localhost") == 0);
}

bool guard_allows_name(const Guard *guard, const char *host)
{
    struct sockaddr_storage address;

    if (address_parse(host, &address))
        return guard_allows(guard, (const struct sockaddr *)&address);
    return atomic_load(&guard->is_private) || !is_localhost(host);
}

bool address_parse(const char *text, struct sockaddr_storage *ret)
{
    struct sockaddr_in *four = (void *)ret;
    struct sockaddr_in6 *six = (void *)ret;
    char plain[INET6_ADDRSTRLEN + 1];
    size_t n = strlen(text);

    memset(ret, 0, sizeof(*ret));
    if (n > 1 && text[0] == '[' && text[n - 1] == ']') {
        text++;
        n -= 2;
    }
    if (n >= sizeof(plain))
        return false;
    memcpy(plain, text, n);
    plain[n] = 0;
    ret->ss_family = AF_INET;
    if (inet_pton(AF_INET, plain, &four->sin_addr) == 1)
        return true;
    ret->ss_family = AF_INET6;
    return inet_pton(AF_INET6, plain, &six->sin6_addr) == 1;
}

static char *read_variable(const char *lower, const char *upper)
{
    const char *value = str_or(getenv(lower), getenv(upper));

    return str_empty(value) ? NULL : mem_strdup(value);
}

void proxy_settings_read(ProxySettings *ret)
{
    ret->http = read_variable("http_proxy", "HTTP_PROXY");
    ret->https = read_variable("https_proxy", "HTTPS_PROXY");
    ret->exceptions = read_variable("no_proxy", "NO_PROXY");
}

void proxy_settings_deinit(ProxySettings *settings)
{
    free(settings->http);
    free(settings->https);
    free(settings->exceptions);
    *settings = (ProxySettings){0};
}

/* Entries are "*", an address, an IPv4 range, or a domain with everything below it (a leading dot
 * is ignored), each but "*" with an optional port. */
static bool is_excepted(const char *entry, const char *host, const char *port)
{
    struct sockaddr_storage address;
    const char *colon = strrchr(entry, ':');
    size_t n = strlen(entry), host_n = strlen(host);
    uint32_t ip4;
    Cidr4 range;

    if (str_equal(entry, "*"))
        return true;
    if (cidr4_parse(entry, &range) == 0)
        return ip4_parse(host, &ip4) == 0 && cidr4_contains(range, ip4);
    if (colon && !address_parse(entry, &address)) {
        if (!str_equal(colon + 1, port))
            return false;
        n = (size_t)(colon - entry);
    }
    if (n > 0 && entry[0] == '.') {
        entry++;
        n--;
    }
    if (n == 0 || host_n < n || strncasecmp(host + host_n - n, entry, n) != 0)
        return false;
    return host_n == n || (host[host_n - n - 1] == '.' && !address_parse(host, &address));
}

const char *proxy_for(const ProxySettings *settings, bool is_https, const char *host,
                      const char *port)
{
    const char *proxy = is_https ? settings->https : settings->http;
    struct sockaddr_storage address;

    if (!proxy || is_localhost(host) ||
        (address_parse(host, &address) && address_is_private((const struct sockaddr *)&address)))
        return NULL;
    for (const char *at = str_or(settings->exceptions, ""); *at;) {
        size_t n = strcspn(at, ", ");
        char entry[256];

        if (n > 0 && n < sizeof(entry)) {
            memcpy(entry, at, n);
            entry[n] = 0;
            if (is_excepted(entry, host, port))
                return NULL;
        }
        at += n + (at[n] != 0);
    }
    return proxy;
}
