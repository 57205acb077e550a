/* SPDX-License-Identifier: Apache-2.0 */
#include "api/object.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_service_v1.h"
#include "base/log.h"
#include "base/strmap.h"
#include "base/vec.h"
#include "daemon/rootless/forward.h"
#include "daemon/rootless/publish.h"
#include "daemon/rootless/rootless.h"
#include "view/events.h"

#define LOOPBACK "127.0.0.1"

/* A port of the machine, and where it leads. */
typedef struct Published {
    char *key; /* "127.0.0.1:30080" */
    char *target;
    ForwardPort *forward; /* NULL: it cannot be had, and the Event about that was written */
    bool wanted;          /* mark of sync */
} Published;

typedef struct Owner {
    VEC(Published *) ports;
} Owner;

struct Publisher {
    PublisherOptions options;
    EventRecorder *events;
    Forwards *forwards;
    StrMap owners; /* uid -> Owner */
    StrMap taken;  /* key -> Published that has a socket */
    ClientWatch *services, *pods;
};

/* ---- one port ---- */

static void published_free(Publisher *publisher, Published *port)
{
    if (port->forward)
        strmap_remove(&publisher->taken, port->key);
    forward_close(port->forward);
    free(port->key);
    free(port->target);
    free(port);
}

static void say_missing(Publisher *publisher, const Object *object, const char *key, int error)
{
    const char *why = error == -EADDRINUSE ? "another program or Service has it"
                      : error == -EACCES   ? "ports below net.ipv4.ip_unprivileged_port_start "
                                             "need root"
                                           : strerror(-error);

    event_record(publisher->events, object, "Warning", "PortNotPublished",
                 "%s of this machine cannot be used: %s", key, why);
}

/* `optional`: it is not an error if somebody else has the port. */
static Published *publish(Publisher *publisher, const Object *object, const char *address,
                          uint16_t number, const char *target, uint16_t target_number,
                          bool optional)
{
    Published *port = mem_new_type(Published);
    int fd = -EADDRINUSE;

    port->key = mem_printf("%s:%u", address, number);
    port->target = mem_printf("%s:%u", target, target_number);
    if (!strmap_get(&publisher->taken, port->key))
        fd = rootless_listen(publisher->options.run_dir, address, number);
    if (fd >= 0)
        port->forward = forward_open(publisher->forwards, fd, target, target_number);
    if (port->forward)
        strmap_put(&publisher->taken, port->key, port);
    else if (!optional)
        say_missing(publisher, object, port->key, fd < 0 ? fd : -EINVAL);
    return port;
}

/* ---- the ports of an object ---- */

/* What an object wants is told by calls of want() between begin() and end(). */
typedef struct Sync {
    Publisher *publisher;
    const Object *object;
    Owner *owner;
} Sync;

static void begin(Sync *sync, Publisher *publisher, const Object *object)
{
    const char *uid = object_meta((Object *)(uintptr_t)object)->uid;

    *sync = (Sync){publisher, object, strmap_get(&publisher->owners, uid)};
    if (!sync->owner) {
        sync->owner = mem_new_type(Owner);
        strmap_put(&publisher->owners, uid, sync->owner);
    }
    for (size_t i = 0; i < sync->owner->ports.n; i++)
        sync->owner->ports.v[i]->wanted = false;
}

static void want(Sync *sync, const char *address, int64_t number, const char *target,
                 int64_t target_number, bool optional)
{
    _free_ char *key = mem_printf("%s:%" PRId64, address, number);
    _free_ char *to = mem_printf("%s:%" PRId64, target, target_number);
    Published *port;

    for (size_t i = 0; i < sync->owner->ports.n; i++) {
        port = sync->owner->ports.v[i];
        if (str_equal(port->key, key) && str_equal(port->target, to)) {
            port->wanted = true;
            return;
        }
    }
    port = publish(sync->publisher, sync->object, address, (uint16_t)number, target,
                   (uint16_t)target_number, optional);
    port->wanted = true;
    VEC_PUSH(&sync->owner->ports, port);
}

static void end(Sync *sync)
{
    const char *uid = object_meta((Object *)(uintptr_t)sync->object)->uid;
    Owner *owner = sync->owner;
    size_t kept = 0;

    for (size_t i = 0; i < owner->ports.n; i++) {
        if (owner->ports.v[i]->wanted)
            owner->ports.v[kept++] = owner->ports.v[i];
        else
            published_free(sync->publisher, owner->ports.v[i]);
    }
    owner->ports.n = kept;
    if (kept)
        return;
    strmap_remove(&sync->publisher->owners, uid);
    VEC_DEINIT(&owner->ports);
    free(owner);
}

/* ---- Services ---- */

static void say_udp(Publisher *publisher, const Object *object, const char *protocol, int64_t port)
{
    event_record(publisher->events, object, "Warning", "PortNotPublished",
                 "port %" PRId64 "/%s is reachable only inside of the cluster: the server of an "
                 "ordinary user forwards only TCP",
                 port, protocol);
}

static void want_service_port(Sync *sync, const Service *service, const ServicePort *port)
{
    const LoadBalancerStatus *balancer = &service->status.load_balancer;
    const char *cluster_ip = service->spec.cluster_ip;
    bool outside = port->node_port || balancer->ingress.n;

    if (!outside || str_empty(cluster_ip) || str_equal(cluster_ip, "None") ||
        strchr(cluster_ip, ':'))
        return;
    if (!str_equal(str_or(port->protocol, "TCP"), "TCP")) {
        say_udp(sync->publisher, sync->object, port->protocol, port->port);
        return;
    }
    if (port->node_port)
        want(sync, LOOPBACK, port->node_port, cluster_ip, port->port, false);
    for (size_t i = 0; i < balancer->ingress.n; i++) {
        const char *ip = str_or(balancer->ingress.v[i].ip, "");

        if (!str_starts_with(ip, "127."))
            continue;
        want(sync, ip, port->port, cluster_ip, port->port, false);
        if (!str_equal(ip, LOOPBACK))
            want(sync, LOOPBACK, port->port, cluster_ip, port->port, true);
    }
}

static void on_service(void *data, const WatchEvent *event)
{
    const Service *service;
    Sync sync;

    if (event->type == WATCH_BOOKMARK)
        return;
    service = OBJECT_AS(Service, event->object);
    begin(&sync, data, event->object);
    for (size_t i = 0; event->type != WATCH_DELETED && i < service->spec.ports.n; i++)
        want_service_port(&sync, service, &service->spec.ports.v[i]);
    end(&sync);
}

/* ---- Pods ---- */

static void want_container(Sync *sync, const Pod *pod, const Container *container)
{
    const char *target = pod->spec.host_network ? LOOPBACK : pod->status.pod_ip;

    for (size_t i = 0; i < container->ports.n; i++) {
        const ContainerPort *port = &container->ports.v[i];
        const char *address = str_or(port->host_ip, "");

        if (!port->host_port || !str_equal(str_or(port->protocol, "TCP"), "TCP"))
            continue;
        want(sync, str_starts_with(address, "127.") ? address : LOOPBACK, port->host_port, target,
             port->container_port, false);
    }
}

static bool has_address(const Pod *pod)
{
    return !str_empty(pod->status.pod_ip) && !str_equal(pod->status.phase, "Succeeded") &&
           !str_equal(pod->status.phase, "Failed");
}

static void on_pod(void *data, const WatchEvent *event)
{
    const Pod *pod;
    Sync sync;

    if (event->type == WATCH_BOOKMARK)
        return;
    pod = OBJECT_AS(Pod, event->object);
    begin(&sync, data, event->object);
    for (size_t i = 0;
         event->type != WATCH_DELETED && has_address(pod) && i < pod->spec.containers.n; i++)
        want_container(&sync, pod, &pod->spec.containers.v[i]);
    end(&sync);
}

/* ---- life ---- */

Publisher *publisher_start(const PublisherOptions *options)
{
    Publisher *publisher = mem_new_type(Publisher);

    publisher->options = *options;
    publisher->forwards = forwards_new(options->loop);
    publisher->events =
        event_recorder_new(options->client, options->clock, "stead-publisher", options->node_name);
    publisher->services = client_watch(options->client, &kind_service, NULL, on_service, publisher);
    publisher->pods = client_watch(options->client, &kind_pod, NULL, on_pod, publisher);
    return publisher;
}

Publisher *publisher_stop(Publisher *publisher)
{
    if (!publisher)
        return NULL;
    client_watch_stop(publisher->options.client, publisher->services);
    client_watch_stop(publisher->options.client, publisher->pods);
    STRMAP_EACH(&publisher->owners, slot) {
        Owner *owner = slot->value;

        for (size_t i = 0; i < owner->ports.n; i++)
            published_free(publisher, owner->ports.v[i]);
        VEC_DEINIT(&owner->ports);
        free(owner);
    }
    strmap_deinit(&publisher->owners);
    strmap_deinit(&publisher->taken);
    forwards_free(publisher->forwards);
    event_recorder_free(publisher->events);
    free(publisher);
    return NULL;
}
