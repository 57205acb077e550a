/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rtnetlink requests that stead makes. Each opens a socket of its own in the network namespace of the calling thread,
 * sends the request, waits for the kernel's answer (microseconds), and closes the socket; so they are for the pool or for
 * start-up. They return 0 or -errno unless noted. Adding something that exists already, and deleting something that does not
 * exist, succeeds.
 */
#ifndef NET_NETLINK_H
#define NET_NETLINK_H

#include "base/base.h"

enum {
    NETLINK_E_MISSING = 1, /* there is no such link */
    NETLINK_E_EXISTS,      /* there is a link of this name already */
};

/* 0, or NETLINK_E_MISSING; never a negative result. */
int link_index(const char *name, unsigned *ret);
int link_create_bridge(const char *name, const uint8_t mac[static 6]);
/* Creates a pair of links: `name` in this namespace, as a port of the bridge `master` (0: none), and `peer` with this
 * hardware address in the namespace of netns_fd. 0, NETLINK_E_EXISTS or -errno. */
int link_create_veth(const char *name, unsigned master, const char *peer,
                     const uint8_t mac[static 6], int netns_fd);
int link_set_up(unsigned index);
/* Allows a port of a bridge to send a packet back out of the port that it came from. Where bridge-netfilter is on, a packet
 * whose destination is translated to its own sender is bridged instead of routed, and would be dropped otherwise. */
int link_set_hairpin(unsigned index);
int link_delete(const char *name);
/* Calls `each` for every link whose name starts with the prefix. */
int link_each(const char *prefix, void (*each)(void *data, const char *name), void *data);

int address_add(unsigned index, uint32_t address, int bits);
int address_delete(unsigned index, uint32_t address, int bits);
/* Calls `each` for every IPv4 address of the link. */
int address_each(unsigned index, void (*each)(void *data, uint32_t address, int bits), void *data);

/* Adds or replaces the route to base/bits through the link. gateway: 0, or an address that is taken to be on the link.
 * source: 0, or the address from which this machine sends there. */
int route_add(unsigned index, uint32_t base, int bits, uint32_t gateway, uint32_t source);

#endif
