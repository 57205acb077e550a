/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links, addresses, namespaces and service maps; knows no Kubernetes.
 *
 * One Net owns one bridge (a gateway address in the pod range), a veth for each pod whose other end
 * is eth0 in the pod's network namespace, and one nftables table. Everything is idempotent: at
 * start what is there is read back from the kernel and only the difference is changed;
 * net_remove_all leaves nothing behind. Names of links, table and bridge are derived from
 * `instance`, so that many can run side by side.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include "base/base.h"
#include "base/error.h"
#include "base/ip.h"

struct uv_loop_s;

typedef struct Net Net;

/* What of a service port (`key`, see below) is left out, and why. */
typedef void (*NetProblem)(void *data, const char *key, const char *text);

typedef struct NetOptions {
    const char
        *instance; /* at most 6 characters: names the bridge ("stead0"), veths and the nft table */
    const char *pod_cidr;           /* "10.42.0.0/24" */
    const char *service_cidr;       /* "10.96.0.0/12" */
    const char *load_balancer_cidr; /* "10.43.0.0/24": its packets go nowhere else; NULL: none */
    const char *dns_ip;  /* "10.96.0.10": put on the bridge, so that stead's DNS can listen on it */
    const char *run_dir; /* namespaces are pinned in RUN/netns */
    /* A transaction that nft refused: it is tried again by itself; this is for the log. May be
     * NULL. */
    void (*on_error)(void *data, const Err *err);
    void *on_error_data;
} NetOptions;

int net_open(struct uv_loop_s *loop, const NetOptions *options, Net **ret, Err *reterr);
Net *net_close(Net *net); /* leaves the kernel's state as it is */
/* Links, namespaces, table: for `stead reset`, with no Net open. Blocking. */
int net_remove_all(const char *instance, const char *run_dir, Err *reterr);
const char *net_gateway(const Net *net); /* "10.42.0.1" */

/* Takes back what this net_open made: call it instead of net_close where the start fails later. The
 * links of an earlier process stay. */
Net *net_abandon(Net *net);
/* The routes of this network namespace; `link` is "*" where a route leads to no link. */
int net_routes_each(void (*each)(void *data, Cidr4 to, const char *link), void *data);

/* A pod's namespace, veth and address. `key` is unique (the pod's uid). done from the loop.
 * Idempotent. */
typedef struct NetPod {
    const char *netns; /* path */
    const char *address;
} NetPod;
typedef void (*NetPodDone)(void *data, const NetPod *pod, const Err *err); /* pod NULL on failure */
/* address: wanted one (after a restart, when the namespace is found again), or NULL: next free.
 * Lowest-reuse order: an address is not given out again while others are free. */
void net_pod_add(Net *net, const char *key, const char *hostname, const char *address,
                 NetPodDone done, void *data);
void net_pod_remove(Net *net, const char *key, void (*done)(void *data, const Err *err),
                    void *data);

/* The whole wished state of one service port; the change is applied with others of the same turn in
 * one nft transaction. */
typedef struct NetEndpoint {
    const char *address;
    uint16_t port;
} NetEndpoint;

typedef struct NetServicePort {
    const char *key;              /* unique, "default/web:http" */
    const char *protocol;         /* "TCP", "UDP", "SCTP" */
    const char *const *addresses; /* cluster IPs, load balancer addresses, external IPs */
    size_t n_addresses;
    uint16_t port;
    uint16_t node_port;           /* 0: none; on every address of the machine, 127.0.0.1 included */
    const NetEndpoint *endpoints; /* none: refuse at once */
    size_t n_endpoints;
    int affinity_seconds; /* client IP affinity; 0: none */
    /* Of a pod, not of a service: it has places of its own in the table and comes last, so that it
     * never meets a service's port. Its one port is node_port, or addresses and port. */
    bool host_port;
} NetServicePort;

/* One port's fault never keeps the others from what they ask for: what cannot be expressed is left
 * out, and so is an address and port that another service asked for first, until that one lets go
 * of it. on_problem hears of each; NULL: nobody. */
void net_service_on_problem(Net *net, NetProblem on_problem, void *data);
/* Replaces what the key had; spread is even over the endpoints. Both take effect within the same
 * loop turn's transaction. */
void net_service_set(Net *net, const NetServicePort *port);
void net_service_remove(Net *net, const char *key);
/* At start, after the first full set of services is known: removes maps and addresses of services
 * that are no more. */
void net_service_sync_done(Net *net);
/* Addresses for LoadBalancer services: put on the bridge so that the machine answers for them. Each
 * address stays as long as it was added more often than removed. */
int net_address_add(Net *net, const char *address, Err *reterr);
int net_address_remove(Net *net, const char *address, Err *reterr);

#endif
