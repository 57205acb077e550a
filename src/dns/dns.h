/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names for Services and Pods, forwarding of all others. Knows the cluster only through a Client:
 * it watches Services and EndpointSlices. A name is there as soon as the pod has its address;
 * nothing negative is ever cached (SOA minimum 0), positive answers live 5 s.
 */
#ifndef DNS_DNS_H
#define DNS_DNS_H

#include "api/client.h"
#include "base/error.h"

struct uv_loop_s;

typedef struct DnsServer DnsServer;

typedef struct DnsOptions {
    const char *address;     /* "10.96.0.10" */
    uint16_t port;           /* 53 */
    const char *domain;      /* "cluster.local" */
    const char *resolv_conf; /* where the upstream servers stand: "/etc/resolv.conf" */
} DnsOptions;

int dns_server_start(struct uv_loop_s *loop, Client *client, const DnsOptions *options,
                     DnsServer **ret, Err *reterr);
DnsServer *dns_server_stop(DnsServer *server);
size_t dns_server_unsent(const DnsServer *server); /* bytes that TCP clients have not taken */

/* Pure: a packet in, a packet out, for tests and fuzzing. */
typedef struct DnsZone DnsZone; /* the names, kept from watch events */
DnsZone *dns_zone_new(const char *domain);
DnsZone *dns_zone_free(DnsZone *zone);
void dns_zone_on_event(DnsZone *zone, const WatchEvent *event);
enum { DNS_E_FORWARD = 1, DNS_E_DROP };
/* 0: the answer is in out (at most limit bytes, TC set if cut); DNS_E_FORWARD: not ours;
 * DNS_E_DROP: no packet at all. */
int dns_zone_answer(DnsZone *zone, Bytes packet, size_t limit, uint8_t *out, size_t *ret_n);

#endif
