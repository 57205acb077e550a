/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name server: answers names of Services and Pods, and forwards all others. It knows the cluster
 * through a Client only: it watches Services and EndpointSlices. A name exists as soon as its pod has
 * an address. Negative answers must not be cached (the SOA minimum is 0); positive ones live for 5 s.
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
    const char *resolv_conf; /* the file that lists the upstream servers: "/etc/resolv.conf" */
} DnsOptions;

/* The options are needed during the call only. On failure, *reterr says why and *ret is not set. */
int dns_server_start(struct uv_loop_s *loop, Client *client, const DnsOptions *options,
                     DnsServer **ret, Err *reterr);
/* Its memory is freed when the loop has closed the sockets. */
DnsServer *dns_server_stop(DnsServer *server);
/* The number of bytes that wait for TCP clients to read them. */
size_t dns_server_unsent(const DnsServer *server);

/* The names of the cluster, kept from watch events. Answering is a function from packet to packet, so
 * it can be tested and fuzzed without sockets. */
typedef struct DnsZone DnsZone;
DnsZone *dns_zone_new(const char *domain);
DnsZone *dns_zone_free(DnsZone *zone);
void dns_zone_on_event(DnsZone *zone, const WatchEvent *event);
enum { DNS_E_FORWARD = 1, DNS_E_DROP };
/* Returns 0 if the answer is in `out`, which has room for 65535 bytes; DNS_E_FORWARD if the name is not
 * of this zone; DNS_E_DROP if the packet is not a question and must not be answered. The answer has at
 * most `limit` bytes (0 stands for what the question allows over UDP); if it would be longer, it has
 * no records and the flag TC. */
int dns_zone_answer(DnsZone *zone, Bytes packet, size_t limit, uint8_t *out, size_t *ret_n);

#endif
