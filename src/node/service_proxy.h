/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services to service maps: watches Services and EndpointSlices and tells Net, for each port, where
 * its traffic goes. Only ready endpoints count (or, if none is ready, those that still serve while
 * they terminate).
 */
#ifndef NODE_SERVICE_PROXY_H
#define NODE_SERVICE_PROXY_H

#include "api/client.h"
#include "net/net.h"

typedef struct ServiceProxy ServiceProxy;

ServiceProxy *service_proxy_start(Client *client, Net *net);
ServiceProxy *service_proxy_stop(ServiceProxy *proxy);

#endif
