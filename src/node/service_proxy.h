/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service proxy: watches Services and EndpointSlices, and tells Net for each port where its traffic goes. Traffic goes to
 * ready endpoints only; if there are none, to those that still serve while they terminate.
 *
 * A Service may name addresses that do not belong to it: external IPs, and whatever a client wrote into its status. The
 * proxy accepts an address only if traffic to it cannot be meant for anything else. An external IP has to lie in the ranges
 * that the operator allows, and no address may be one of this machine or lie in the ranges of Services and Pods. An Event of
 * the Service reports what is left out.
 *
 * The address of a load balancer is put on the bridge. An attempt that fails is repeated after 1 s, 2 s, 4 s and so on up to
 * every 60 s, until it succeeds or the Service does not have the address any more. The Warning Event SyncLoadBalancerFailed
 * of the Service gives the reason.
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
    const Cidr4 *external; /* the ranges in which external IPs may lie; copied */
    size_t n_external;     /* 0: no external IP is accepted */
} ServiceProxyOptions;

typedef struct ServiceProxy ServiceProxy;

ServiceProxy *service_proxy_start(const ServiceProxyOptions *options);
ServiceProxy *service_proxy_stop(ServiceProxy *proxy);

#endif
