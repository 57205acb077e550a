/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller of Services of the type LoadBalancer: assigns each an address from a range on this
 * machine and writes it to status.loadBalancer, from which the service proxy adds it to the bridge.
 * Services never share an address, so two of them can use the same port.
 *
 * An address counts as taken from the moment of the decision, not only after the write, because two
 * reconciles may be in flight. After a restart the taken addresses are read from the Services.
 */
#include "api/object.h"
#include "api/schema/core_service_v1.h"
#include "base/ip.h"
#include "base/strmap.h"
#include "control/controllers.h"

typedef struct Addresses {
    Cidr4 range;
    StrMap takers;     /* address -> "ns/name" of the service, malloc'ed */
    StrMap by_service; /* the inverse: "ns/name" -> address */
    uint32_t lowest;   /* all addresses with a lower offset in the range are taken */
} Addresses;

static bool wants_address(const Service *service)
{
    /* A class selects a load balancer that is not stead's. */
    return str_equal(service->spec.type, "LoadBalancer") &&
           str_empty(service->spec.load_balancer_class) &&
           !service->metadata.deletion_timestamp.set;
}

static const char *address_of(const Service *service)
{
    const LoadBalancerStatus *status = &service->status.load_balancer;

    return status->ingress.n ? status->ingress.v[0].ip : NULL;
}

/* Frees the address of the Service, if it has one. */
static void release(Addresses *addresses, const char *key)
{
    char *address = strmap_remove(&addresses->by_service, key);
    uint32_t number;

    if (!address)
        return;
    free(strmap_remove(&addresses->takers, address));
    if (ip4_parse(address, &number) == 0)
        addresses->lowest = MIN_OF(addresses->lowest, number - addresses->range.base);
    free(address);
}

static void take(Addresses *addresses, const char *address, const char *key)
{
    if (str_equal(strmap_get(&addresses->by_service, key), address))
        return;
    release(addresses, key);
    free(strmap_put(&addresses->takers, address, mem_strdup(key)));
    strmap_put(&addresses->by_service, key, mem_strdup(address));
}

static bool may_take(const Addresses *addresses, const char *address, const char *key)
{
    const char *taker = strmap_get(&addresses->takers, address);
    uint32_t number;

    return ip4_parse(address, &number) == 0 && cidr4_contains(addresses->range, number) &&
           (!taker || str_equal(taker, key));
}

/* Chooses the requested address, the present one, or the lowest free one; false if it is not free. */
static bool choose(Addresses *addresses, const Service *service, const char *key,
                   char ret[static 16])
{
    const char *asked = service->spec.load_balancer_ip, *has = address_of(service);
    uint32_t n = addresses->range.bits >= 31 ? 0 : UINT32_C(1) << (32 - addresses->range.bits);

    if (!str_empty(asked)) {
        snprintf(ret, 16, "%s", asked);
        return may_take(addresses, asked, key);
    }
    if (has && may_take(addresses, has, key)) {
        snprintf(ret, 16, "%s", has);
        return true;
    }
    for (; addresses->lowest + 1 < n; addresses->lowest++) {
        ip4_print(addresses->range.base + addresses->lowest, ret);
        if (may_take(addresses, ret, key))
            return true;
    }
    return false;
}

static void write_status(Reconcile *reconcile, const Object *object, const char *address)
{
    Object *copy = object_copy(object);
    LoadBalancerStatus *status = &OBJECT_AS(Service, copy)->status.load_balancer;
    WriteOptions options = {.subresource = "status"};

    *status = (LoadBalancerStatus){0};
    if (address) {
        status->ingress.v = arena_new(&copy->arena, LoadBalancerIngress);
        status->ingress.n = 1;
        status->ingress.v[0].ip = arena_strdup(&copy->arena, address);
    }
    reconcile_update(reconcile, copy, &options, NULL, NULL);
}

static void reconcile_service(Reconcile *reconcile)
{
    Addresses *addresses = reconcile->controller->data;
    Object *object = reconcile_object(reconcile, &kind_service);
    const Service *service = object ? OBJECT_AS(Service, object) : NULL;
    char address[16];

    if (!service || !wants_address(service)) {
        release(addresses, reconcile->key);
        if (service && service->status.load_balancer.ingress.n &&
            str_empty(service->spec.load_balancer_class) &&
            !str_equal(service->spec.type, "LoadBalancer"))
            write_status(reconcile, object, NULL);
    } else if (!choose(addresses, service, reconcile->key, address)) {
        event_record(reconcile->controller->events, object, "Warning", "SyncLoadBalancerFailed",
                     str_empty(service->spec.load_balancer_ip)
                         ? "No address is free in the range of load balancers%s"
                         : "The address %s is taken, or not in the range of load balancers",
                     str_or(service->spec.load_balancer_ip, ""));
        reconcile->failed = true; /* retry, since one may become free */
    } else {
        take(addresses, address, reconcile->key);
        if (!str_equal(address_of(service), address)) {
            write_status(reconcile, object, address);
            event_record(reconcile->controller->events, object, "Normal", "EnsuredLoadBalancer",
                         "Ensured load balancer");
        }
    }
    reconcile_then(reconcile, reconcile_end);
}

static void on_service(Controller *controller, const WatchEvent *event)
{
    const Service *service = OBJECT_AS(Service, event->object);
    Addresses *addresses = controller->data;
    const char *address = address_of(service);
    _free_ char *key = mem_printf("%s/%s", service->metadata.namespace, service->metadata.name);

    /* Services keep their address over a restart. Since all of them are announced before the first
     * reconcile runs, no other Service can get it. */
    if (event->type != WATCH_DELETED && wants_address(service) && address &&
        may_take(addresses, address, key))
        take(addresses, address, key);
    if (wants_address(service) || service->status.load_balancer.ingress.n ||
        strmap_get(&addresses->by_service, key))
        controller_enqueue_self(controller, event);
}

static void start(Controller *controller)
{
    Addresses *addresses = mem_new_type(Addresses);

    addresses->lowest = 1;
    controller->data = addresses;
    /* Without a range, Services stay pending, as in a cluster without a load balancer. */
    if (cidr4_parse(controller->options->load_balancer_cidr, &addresses->range))
        return;
    controller_watch(controller, &kind_service, on_service);
}

static void stop(Controller *controller)
{
    Addresses *addresses = controller->data;

    STRMAP_DEINIT_WITH(&addresses->takers, free);
    STRMAP_DEINIT_WITH(&addresses->by_service, free);
    free(addresses);
}

const ControllerOps load_balancer_controller = {
    .name = "load-balancer",
    .component = "service-controller",
    .start = start,
    .reconcile = reconcile_service,
    .stop = stop,
};
