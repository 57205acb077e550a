/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services to service maps: watches Services and EndpointSlices and tells Net, for each port, where
 * its traffic goes. Only ready endpoints count (or, if none is ready, those that still serve while
 * they terminate).
 *
 * A Service may name addresses that are not its own to give: external IPs, and whatever somebody
 * wrote into its status. The proxy takes an address only if traffic for it can be meant for nobody
 * else: an external IP has to lie in the ranges that the operator allows, and neither kind of
 * address may be one of this machine or lie in the ranges of Services and Pods. What is left out is
 * said in an Event of the Service.
 *
 * The address of a load balancer is put on the bridge. An attempt that fails is made again after 1 s,
 * 2 s, 4 s and so on up to every 60 s, until it succeeds or the Service wants the address no more;
 * a Warning Event of the Service, SyncLoadBalancerFailed, says why.
 */
#ifndef NODE_SERVICE_PROXY_H
#define NODE_SERVICE_PROXY_H

#include "api/client.h"
#include "base/time/clock.h"
#include "net/net.h"

typedef struct ServiceProxyOptions {
    Client *client;
    Net *net;
    Clock *clock;
    Random *random;
    const char *node_name;
    Cidr4 pods, services, load_balancers;
    const Cidr4 *external; /* where external IPs may lie; copied */
    size_t n_external;     /* 0: Services have none */
} ServiceProxyOptions;

typedef struct ServiceProxy ServiceProxy;

ServiceProxy *service_proxy_start(const ServiceProxyOptions *options);
ServiceProxy *service_proxy_stop(ServiceProxy *proxy);

#endif
