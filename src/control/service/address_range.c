/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller of ServiceCIDRs: marks them Ready, and keeps one that is being deleted as long as it
 * is the only one that contains the address of a Service.
 *
 * New addresses are not taken from a range that is being deleted (server/admission/service_ip.c). The
 * allocation is in the same process and sees the deletion at once, so the finalizer can go without the
 * ten seconds that Kubernetes waits.
 */
#include <arpa/inet.h>

#include "api/condition.h"
#include "api/ip_address.h"
#include "api/schema/core_service_v1.h"
#include "api/schema/networking_v1.h"
#include "base/strmap.h"
#include "control/controllers.h"

#define PROTECTION "networking.k8s.io/service-cidr-finalizer"

typedef struct Prefix {
    int family;
    int bits;
    uint8_t address[16];
} Prefix;

static bool parse_address(const char *text, Prefix *ret)
{
    *ret = (Prefix){.family = strchr(text, ':') ? AF_INET6 : AF_INET};
    ret->bits = ret->family == AF_INET ? 32 : 128;
    return inet_pton(ret->family, text, ret->address) == 1;
}

static bool parse_prefix(const char *text, Prefix *ret)
{
    char address[INET6_ADDRSTRLEN];
    size_t n = strcspn(text, "/");
    int64_t bits;

    if (n >= sizeof(address) || !text[n])
        return false;
    memcpy(address, text, n);
    address[n] = 0;
    if (!parse_address(address, ret) || str_to_int64(text + n + 1, 0, ret->bits, &bits))
        return false;
    ret->bits = (int)bits;
    return true;
}

static bool prefix_contains(const Prefix *prefix, const Prefix *inner)
{
    int whole = prefix->bits / 8, rest = prefix->bits % 8;

    return prefix->family == inner->family && prefix->bits <= inner->bits &&
           memcmp(prefix->address, inner->address, (size_t)whole) == 0 &&
           (!rest || (prefix->address[whole] ^ inner->address[whole]) >> (8 - rest) == 0);
}

/* Whether a range that is not this one contains the inner one. */
static bool contained_elsewhere(ObjectList ranges, const char *name, const Prefix *inner)
{
    for (size_t i = 0; i < ranges.n; i++) {
        const ServiceCIDR *range = OBJECT_AS(ServiceCIDR, ranges.v[i]);
        Prefix prefix;

        if (str_equal(range->metadata.name, name))
            continue;
        for (size_t k = 0; k < range->spec.cidrs.n; k++)
            if (parse_prefix(range->spec.cidrs.v[k], &prefix) && prefix_contains(&prefix, inner))
                return true;
    }
    return false;
}

typedef struct Search {
    const Prefix *prefix;
    const char *name;
    ObjectList ranges;
    bool found;
} Search;

/* Stops at an address of a Service that only the range of the search contains. */
static bool look_at_address(void *data, Object *object)
{
    Search *search = data;
    Prefix address;

    search->found = ip_address_is_managed(object) &&
                    parse_address(object_meta(object)->name, &address) &&
                    prefix_contains(search->prefix, &address) &&
                    !contained_elsewhere(search->ranges, search->name, &address);
    return !search->found;
}

static bool in_use(Reconcile *reconcile, const ServiceCIDR *range)
{
    Search search = {.name = range->metadata.name};

    search.ranges = control_list(reconcile->client, &reconcile->arena, &kind_service_cidr, NULL);
    for (size_t i = 0; i < range->spec.cidrs.n && !search.found; i++) {
        Prefix prefix;

        if (!parse_prefix(range->spec.cidrs.v[i], &prefix) ||
            contained_elsewhere(search.ranges, search.name, &prefix))
            continue;
        search.prefix = &prefix;
        client_list(reconcile->client, &kind_ip_address, NULL, look_at_address, &search);
    }
    return search.found;
}

static void write_condition(Reconcile *reconcile, const Object *object, const char *status,
                            const char *reason, const char *message)
{
    const ServiceCIDR *range = OBJECT_AS(ServiceCIDR, object);
    const Condition *was = CONDITION_FIND(&range->status.conditions, "Ready");
    Condition condition = {.type = "Ready",
                           .status = status,
                           .reason = reason,
                           .message = message,
                           .last_transition_time = reconcile_now(reconcile)};
    ServiceCIDRStatus new_status = {.conditions = {&condition, 1}};

    if (was && str_equal(was->status, status) && str_equal(str_or(was->reason, ""), reason) &&
        str_equal(was->message, message))
        return;
    if (was && str_equal(was->status, status))
        condition.last_transition_time = was->last_transition_time;
    RECONCILE_WRITE_STATUS(reconcile, ServiceCIDR, object, &new_status, NULL, NULL);
}

static void set_protection(Reconcile *reconcile, const Object *object, bool wanted)
{
    Object *copy = object_copy(object);

    if (wanted)
        meta_add_finalizer(&copy->arena, object_meta(copy), PROTECTION);
    else
        meta_remove_finalizer(object_meta(copy), PROTECTION);
    reconcile_update(reconcile, copy, NULL, NULL, NULL);
}

static void reconcile_range(Reconcile *reconcile)
{
    Object *object = reconcile_object(reconcile, &kind_service_cidr);
    const ObjectMeta *meta = object ? object_meta(object) : NULL;
    bool protected = meta && meta_has_finalizer(meta, PROTECTION);

    if (meta && meta->deletion_timestamp.set) {
        if (in_use(reconcile, OBJECT_AS(ServiceCIDR, object)))
            write_condition(reconcile, object, "False", "Terminating",
                            "There are still IPAddresses referencing the ServiceCIDR, please "
                            "remove them or create a new ServiceCIDR");
        else if (protected)
            set_protection(reconcile, object, false);
    } else if (meta && !protected) {
        set_protection(reconcile, object, true); /* whose event leads to the condition */
    } else if (meta) {
        write_condition(reconcile, object, "True", "", "Kubernetes Service CIDR is ready");
    }
    reconcile_then(reconcile, reconcile_end);
}

/* The names of the ranges that are being deleted. */
static StrMap *waiting_of(Controller *controller)
{
    return controller->data;
}

/* A range that waits may be contained in another one now, or without its last address. */
static void look_again(Controller *controller)
{
    STRMAP_EACH(waiting_of(controller), slot)
        controller_enqueue(controller, NULL, slot->key);
}

static void on_range(Controller *controller, const WatchEvent *event)
{
    const ObjectMeta *meta = object_meta(event->object);

    controller_enqueue_self(controller, event);
    if (event->type == WATCH_ADDED)
        look_again(controller);
    if (event->type == WATCH_DELETED)
        strmap_remove(waiting_of(controller), meta->name);
    else if (meta->deletion_timestamp.set)
        strmap_put(waiting_of(controller), meta->name, controller);
}

static void on_address(Controller *controller, const WatchEvent *event)
{
    if (event->type == WATCH_DELETED)
        look_again(controller);
}

static void start(Controller *controller)
{
    controller->data = mem_new_type(StrMap);
    controller_watch(controller, &kind_service_cidr, on_range);
    controller_watch(controller, &kind_ip_address, on_address);
}

static void stop(Controller *controller)
{
    StrMap *waiting = TAKE_PTR(controller->data);

    strmap_deinit(waiting);
    free(waiting);
}

const ControllerOps address_range_controller = {
    .name = "service-cidr",
    .component = "service-cidr-controller",
    .start = start,
    .reconcile = reconcile_range,
    .stop = stop,
};

/* ---- addresses ---- */

/*
 * The server makes the IPAddress of a Service together with the Service. This repairs what is missing
 * or superfluous, as after an update from a version without IPAddresses, or if someone deleted one.
 */
static void reconcile_address(Reconcile *reconcile)
{
    Object *object = reconcile_object(reconcile, &kind_ip_address);
    _free_ char *key = mem_printf("i/%s", reconcile->name);
    ObjectList holders = object_index_list(controller_index(reconcile->controller, &kind_service),
                                           &reconcile->arena, key);
    bool wrong = object && ip_address_is_managed(object);

    for (size_t i = 0; i < holders.n && wrong; i++)
        wrong = !ip_address_is_of(object, object_meta(holders.v[i]));
    if (!object && holders.n)
        reconcile_create(reconcile,
                         ip_address_of_service(reconcile->name, object_meta(holders.v[0])),
                         &(WriteOptions){.field_manager = "kube-apiserver"}, NULL, NULL);
    else if (wrong)
        reconcile_delete(reconcile, object, NULL, NULL, NULL);
    reconcile_then(reconcile, reconcile_end);
}

static void enqueue_addresses(Controller *controller, const Object *object)
{
    const Service *service = object ? OBJECT_AS(Service, object) : NULL;

    for (size_t i = 0; service && i < service->spec.cluster_ips.n; i++)
        if (!str_equal(service->spec.cluster_ips.v[i], "None"))
            controller_enqueue(controller, NULL, service->spec.cluster_ips.v[i]);
}

static void on_service(Controller *controller, const WatchEvent *event)
{
    const Service *now = OBJECT_AS(Service, event->object);
    const Service *was = event->before ? OBJECT_AS(Service, event->before) : NULL;

    if (event->type == WATCH_MODIFIED && was &&
        str_equal(now->spec.cluster_ip, was->spec.cluster_ip))
        return;
    enqueue_addresses(controller, event->object);
    enqueue_addresses(controller, event->before);
}

static void start_addresses(Controller *controller)
{
    controller_watch(controller, &kind_service, on_service);
    controller_watch(controller, &kind_ip_address, controller_enqueue_self);
    controller_index(controller, &kind_service);
}

const ControllerOps ip_address_controller = {
    .name = "ip-address",
    .component = "ipallocator-repair-controller",
    .start = start_addresses,
    .reconcile = reconcile_address,
};
