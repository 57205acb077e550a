/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>

#include "caller.h"

static bool parse_address(const char *text, uint8_t ret[static 16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (inet_pton(AF_INET6, text, ret) == 1)
        return true;
    memcpy(ret, mapped, sizeof(mapped));
    return inet_pton(AF_INET, text, ret + 12) == 1;
}

static bool is_ipv4(const uint8_t address[static 16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    return memcmp(address, mapped, sizeof(mapped)) == 0;
}

static void print_address(const uint8_t address[static 16], char buf[static CALLER_MAX])
{
    if (is_ipv4(address))
        inet_ntop(AF_INET, address + 12, buf, CALLER_MAX);
    else
        inet_ntop(AF_INET6, address, buf, CALLER_MAX);
}

/* ---- networks ---- */

static int parse_network(const char *text, Network *ret, Err *reterr)
{
    char address[64];
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t)(slash - text) : strlen(text);
    int64_t bits, most;

    if (n >= sizeof(address))
        return err_set(reterr, 0, "\"%s\" is no address", text);
    memcpy(address, text, n);
    address[n] = 0;
    if (!parse_address(address, ret->address))
        return err_set(reterr, 0, "\"%s\" is no address", address);
    bits = most = strchr(address, ':') ? 128 : 32;
    if (slash && str_to_int64(slash + 1, 0, most, &bits))
        return err_set(reterr, 0, "\"%s\" needs 0 to %d bits behind the slash", text, (int)most);
    ret->bits = (unsigned)(128 - most + bits);
    return 0;
}

int networks_parse(const char *text, Networks *ret, Err *reterr)
{
    *ret = (Networks){0};
    for (const char *at = text;;) {
        char item[128];
        size_t n;

        at += strspn(at, ", ");
        n = strcspn(at, ", ");
        if (n == 0)
            return 0;
        if (ret->n == ARRAY_LEN(ret->v))
            return err_set(reterr, 0, "no more than %zu networks", ARRAY_LEN(ret->v));
        snprintf(item, sizeof(item), "%.*s", (int)n, at);
        if (parse_network(item, &ret->v[ret->n], reterr))
            return -EINVAL;
        ret->n++;
        at += n;
    }
}

static bool within(const Network *network, const uint8_t address[static 16])
{
    unsigned whole = network->bits / 8, rest = network->bits % 8;

    return memcmp(network->address, address, whole) == 0 &&
           (rest == 0 || ((network->address[whole] ^ address[whole]) >> (8 - rest)) == 0);
}

static bool is_trusted(const Networks *networks, const uint8_t address[static 16])
{
    for (size_t i = 0; i < networks->n; i++)
        if (within(&networks->v[i], address))
            return true;
    return false;
}

/* ---- the header ---- */

/* An address as proxies write it: bare, with a port, with brackets. */
static bool parse_hop(const char *p, size_t n, uint8_t ret[static 16])
{
    char text[64];
    char *from = text, *colon;

    while (n && (*p == ' ' || *p == '\t'))
        p++, n--;
    while (n && (p[n - 1] == ' ' || p[n - 1] == '\t'))
        n--;
    if (n == 0 || n >= sizeof(text))
        return false;
    memcpy(text, p, n);
    text[n] = 0;
    colon = strchr(text, ':');
    if (*text == '[') {
        from++;
        text[strcspn(text, "]")] = 0;
    } else if (colon && colon == strrchr(text, ':')) {
        *colon = 0;
    }
    return parse_address(from, ret);
}

/* Goes back through one header. False: the walk is over. */
static bool walk_back(const char *value, const Networks *trusted, uint8_t caller[static 16])
{
    const char *end = value + strlen(value);

    for (;;) {
        const char *begin = end;
        uint8_t hop[16];

        while (begin > value && begin[-1] != ',')
            begin--;
        if (!parse_hop(begin, (size_t)(end - begin), hop))
            return false;
        memcpy(caller, hop, sizeof(hop));
        if (!is_trusted(trusted, caller))
            return false;
        if (begin == value)
            return true;
        end = begin - 1;
    }
}

void caller_of(const HttpRequest *request, const Networks *trusted, char buf[static CALLER_MAX])
{
    uint8_t caller[16];

    if (!request->peer->address || !parse_address(request->peer->address, caller)) {
        snprintf(buf, CALLER_MAX, "local"); /* a Unix socket */
        return;
    }
    if (is_trusted(trusted, caller))
        for (size_t i = request->n_headers; i-- > 0;)
            if (str_equal(request->headers[i].name, "x-forwarded-for") &&
                !walk_back(request->headers[i].value, trusted, caller))
                break;
    print_address(caller, buf);
}
