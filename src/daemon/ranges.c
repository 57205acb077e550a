/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges of addresses that clash with what the machine already uses: with a network that it is in,
 * with a route, or with another stead, whose ranges are routes as well. Two that clash would take
 * each other's packets, and which of them gets a packet would change with the order of starts; so
 * the start is refused before anything is made.
 */
#include "daemon/ranges.h"
#include "net/net.h"

typedef struct Search {
    const Options *options;
    const char *name, *text; /* of the option */
    Cidr4 range;
    char clash[64]; /* "10.0.0.0/8 on the link eth0"; empty: none */
} Search;

/* A default route, whole or in halves as VPNs have it, is for what nobody else takes. */
static bool is_default(Cidr4 route)
{
    return route.bits <= 1;
}

static void look_at_route(void *data, Cidr4 to, const char *link)
{
    Search *search = data;
    char base[16];

    if (*search->clash || is_default(to) || str_equal(link, search->options->instance) ||
        !cidr4_overlap(search->range, to))
        return;
    ip4_print(to.base, base);
    snprintf(search->clash, sizeof(search->clash), "%s/%d on the link %s", base, to.bits, link);
}

int ranges_check(const Options *options, Err *reterr)
{
    const struct {
        const char *name, *text;
    } ranges[] = {{"--pod-cidr", options->pod_cidr},
                  {"--service-cidr", options->service_cidr},
                  {"--lb-cidr", options->load_balancer_cidr}};

    for (size_t i = 0; i < ARRAY_LEN(ranges) && !options->no_network; i++) {
        Search search = {.options = options, .name = ranges[i].name, .text = ranges[i].text};
        int r = cidr4_parse(search.text, &search.range);

        if (r)
            continue; /* refused when the options were read */
        r = net_routes_each(look_at_route, &search);
        if (r < 0)
            return err_set(reterr, -r, "cannot read the routes of this machine");
        if (*search.clash)
            return err_set(reterr, 0,
                           "%s %s overlaps the route %s of this machine (another stead has routes "
                           "too); choose another range by %s",
                           search.name, search.text, search.clash, search.name);
    }
    return 0;
}
