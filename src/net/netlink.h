/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few rtnetlink requests that stead makes. Each opens a socket of its own in the calling
 * thread's network namespace, asks, waits for the kernel's answer (microseconds), and closes. Those
 * that add are content with what is there already. Blocking: for the pool, or for start-up. 0 or
 * -errno.
 */
#ifndef NET_NETLINK_H
#define NET_NETLINK_H

#include "base/base.h"

int link_index(const char *name, unsigned *ret); /* -ENODEV: not there */
int link_create_bridge(const char *name, const uint8_t mac[static 6]);
/* A pair: `name` here with `master` (0: none) as its bridge, `peer` with that hardware address in
 * the namespace of netns_fd. */
int link_create_veth(const char *name, unsigned master, const char *peer,
                     const uint8_t mac[static 6], int netns_fd);
int link_set_up(unsigned index);
/* Lets a bridge's port send back what came in by it. Where bridge-netfilter is on, a packet that is
 * translated to its own sender is bridged, not routed, and would be dropped otherwise. */
int link_set_hairpin(unsigned index);
int link_delete(const char *name); /* not there is fine */
/* Calls each once a link whose name starts with prefix. */
int link_each(const char *prefix, void (*each)(void *data, const char *name), void *data);

int address_add(unsigned index, uint32_t address, int bits);
int address_delete(unsigned index, uint32_t address, int bits);
/* Calls each once an IPv4 address of the link. */
int address_each(unsigned index, void (*each)(void *data, uint32_t address, int bits), void *data);

/* To base/bits out of the link; by a gateway if not 0 (taken as on this link). */
int route_add(unsigned index, uint32_t base, int bits, uint32_t gateway, uint32_t source);

#endif
