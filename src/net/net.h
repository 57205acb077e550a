/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links, addresses, network namespaces and service maps. This folder does not know Kubernetes.
 *
 * A Net owns one bridge, which has the gateway address of the pod range; for each pod a pair of veth links, one a port of
 * the bridge and the other eth0 in the pod's network namespace; and one nftables table. All operations are idempotent: what
 * an earlier process left in the kernel is taken over, and net_remove_all leaves nothing behind. The names of links, table
 * and bridge are derived from `instance`, so that several servers can run side by side.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include "base/arena.h"
#include "base/base.h"
#include "base/error.h"
#include "base/ip.h"

struct uv_loop_s;

typedef struct Net Net;

/* Part of the service port `key` (see below) is left out; `text` says which part and why. */
typedef void (*NetProblem)(void *data, const char *key, const char *text);

typedef struct NetOptions {
    /* At most 6 characters, from which the names of the bridge, of veth links and of the nftables table are derived. */
    const char *instance;
    const char *pod_cidr;           /* "10.42.0.0/24" */
    const char *service_cidr;       /* "10.96.0.0/12" */
    const char *load_balancer_cidr; /* "10.43.0.0/24": routed to the bridge; NULL: none */
    const char
        *dns_ip; /* "10.96.0.10": put on the bridge, so that the DNS server can listen on it */
    const char *run_dir; /* namespaces are mounted on files in RUN/netns */
    /* For the log: nft refused a transaction, which is retried without further ado. May be NULL. */
    void (*on_error)(void *data, const Err *err);
    void *on_error_data;
} NetOptions;

int net_open(struct uv_loop_s *loop, const NetOptions *options, Net **ret, Err *reterr);
Net *net_close(Net *net); /* leaves the state of the kernel as it is */
/* Removes links, namespaces and the table, for `stead reset`. No Net of this instance may be open. Blocking. */
int net_remove_all(const char *instance, const char *run_dir, Err *reterr);
const char *net_gateway(const Net *net); /* "10.42.0.1" */

/* Undoes net_open: call it instead of net_close if a later step of the start fails. A bridge that existed before net_open
 * stays. */
Net *net_abandon(Net *net);
/* Calls `each` for every route of this network namespace; `link` is "*" if a route leads to no link. */
int net_routes_each(void (*each)(void *data, Cidr4 to, const char *link), void *data);

/* The namespace and address of a pod. */
typedef struct NetPod {
    const char *netns; /* path */
    const char *address;
} NetPod;
typedef void (*NetPodDone)(void *data, const NetPod *pod, const Err *err); /* pod NULL on failure */
/* Creates the namespace, links and address of the pod `key` (its uid), or finds those of an earlier call or process. `done`
 * is called from the loop, never before this returns. `address` is the wanted address, which the pod had before; NULL or ""
 * takes a free one, and a released address is not taken again while others are free. */
void net_pod_add(Net *net, const char *key, const char *address, NetPodDone done, void *data);
void net_pod_remove(Net *net, const char *key, void (*done)(void *data, const Err *err),
                    void *data);

typedef struct NetEndpoint {
    const char *address;
    uint16_t port;
} NetEndpoint;

/* The name of the host's end of the link of the pod. */
char *net_pod_link(const Net *net, Arena *arena, const char *key);

/* The complete desired state of one service port. */
typedef struct NetServicePort {
    const char *key;              /* unique, such as "default/web:http" */
    const char *protocol;         /* "TCP", "UDP", "SCTP" */
    const char *const *addresses; /* cluster IPs, load balancer addresses, external IPs */
    size_t n_addresses;
    uint16_t port;
    uint16_t node_port;           /* 0: none; on every address of the machine, 127.0.0.1 included */
    const NetEndpoint *endpoints; /* if there are none, connections are refused at once */
    size_t n_endpoints;
    int affinity_seconds; /* client IP affinity; 0: none */
    /* The port belongs to a pod (hostPort), not to a service. It has maps of its own, which are looked up last, so that it
     * never takes traffic from a service. Either node_port is set, or addresses and port. */
    bool host_port;
} NetServicePort;

/* A faulty port never affects the others: what cannot be expressed is left out, and so is an address and port that another
 * service has asked for earlier and still holds. on_problem is called for each such case; NULL: they are not reported. */
void net_service_on_problem(Net *net, NetProblem on_problem, void *data);
/* Replaces the state of the key. Connections are spread evenly over the endpoints. All changes of one turn of the loop take
 * effect in one nft transaction. */
void net_service_set(Net *net, const NetServicePort *port);
void net_service_remove(Net *net, const char *key);
/* Called once at start, when all services have been set: replaces the table of an earlier process, and removes addresses
 * from the bridge that are not wanted any more. */
void net_service_sync_done(Net *net);
/* Puts the address of a load balancer on the bridge, so that the machine answers for it. It stays until it has been removed
 * as often as it was added. */
int net_address_add(Net *net, const char *address, Err *reterr);
int net_address_remove(Net *net, const char *address, Err *reterr);

#endif
