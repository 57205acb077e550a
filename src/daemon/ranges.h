/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The routes of the machine must not overlap the ranges that the server gives to pods, services and load balancers. Networks
 * that the machine is in are routes, and so are the ranges of another stead. If two overlapped, each would receive packets of
 * the other, and which of them did would depend on the order in which they were started; so the server refuses to start before
 * it changes anything.
 */
#ifndef DAEMON_RANGES_H
#define DAEMON_RANGES_H

#include <sys/socket.h>

#include "cli/options.h"

/* Returns 0, or a negative error with a message that names the option and the route. Without a network there is nothing to
 * check. */
int ranges_check(const Options *options, Err *reterr);

/* Is this an address of the cluster or of the machine? An outsider who makes the server send
 * requests must not reach what listens there. */
bool ranges_are_own(const Options *options, const struct sockaddr *address);

/* A search for the first route that overlaps one of the ranges. */
typedef struct RangeSearch {
    const char *
        instance; /* the name of this server's own links, whose routes are left over from an earlier run */
    OptionRange ranges[OPTIONS_RANGES];
    const OptionRange *found; /* the range that overlaps `route`; NULL: none does */
    char route[64];           /* "10.0.0.0/8 on the link eth0" */
} RangeSearch;

/* Looks at one route, as net_routes_each reports it. */
void ranges_look_at(void *search, Cidr4 to, const char *link);

#endif
