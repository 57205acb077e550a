/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports of the machine that lead to pods (hostPort). The scheduler and the admission of the node
 * prevent two pods from having the same port. If a pod that was deleted by force still holds one,
 * the newer pod gets it, and the end of the older pod does not take it away.
 *
 * The key of a port in Net consists of protocol, address and number, so each exists only once.
 */
#include "api/pod_containers.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "node/pod/agent.h"
#include "node/pod/host_ports.h"

static bool everywhere(const ContainerPort *port)
{
    return str_empty(port->host_ip) || str_equal(port->host_ip, "0.0.0.0");
}

static char *port_key(const ContainerPort *port)
{
    return mem_printf("host/%s/%s:%d", str_or(port->protocol, "TCP"),
                      everywhere(port) ? "*" : port->host_ip, port->host_port);
}

static void port_add(AgentPod *pod, const ContainerPort *port)
{
    NodeAgent *agent = pod->agent;
    _free_ char *key = port_key(port);
    const char *address = port->host_ip;
    NetEndpoint endpoint = {pod->ip, (uint16_t)port->container_port};
    NetServicePort net = {.key = key,
                          .protocol = str_or(port->protocol, "TCP"),
                          .endpoints = &endpoint,
                          .n_endpoints = 1,
                          .host_port = true};
    uint32_t ip4;

    if (everywhere(port)) {
        net.node_port = (uint16_t)port->host_port;
    } else {
        if (ip4_parse(address, &ip4)) /* there is no other address family in the pod network */
            return;
        net.addresses = &address;
        net.n_addresses = 1;
        net.port = (uint16_t)port->host_port;
    }
    free(strmap_put(&agent->host_ports, key, mem_strdup(pod->uid)));
    net_service_set(agent->options.net, &net);
}

static void port_remove(AgentPod *pod, const ContainerPort *port)
{
    NodeAgent *agent = pod->agent;
    _free_ char *key = port_key(port);

    if (!str_equal(strmap_get(&agent->host_ports, key), pod->uid))
        return;
    free(strmap_remove(&agent->host_ports, key));
    net_service_remove(agent->options.net, key);
}

static void change(AgentPod *pod, void (*each)(AgentPod *pod, const ContainerPort *port))
{
    const PodSpec *spec = agent_pod_spec(pod);
    const Container *c;

    if (spec->host_network || !pod->agent->options.net || str_empty(pod->ip))
        return;
    for (size_t next = 0; (c = pod_next_lasting(spec, &next));)
        for (size_t i = 0; i < c->ports.n; i++)
            if (c->ports.v[i].host_port)
                each(pod, &c->ports.v[i]);
}

void host_ports_add(AgentPod *pod)
{
    change(pod, port_add);
}

void host_ports_remove(AgentPod *pod)
{
    change(pod, port_remove);
}
