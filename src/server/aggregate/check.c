/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether an extension server is available: its Service has the port and ready endpoints, and it answers
 * the discovery of its group version. The answer is kept for our own discovery. The conditions are those of
 * kube-aggregator.
 *
 * Each check ends in conclude(), which writes the condition if it has changed, and begins the time until
 * the next one: 30 seconds, or less after a failure.
 */
#include "api/object.h"
#include "api/schema/apiregistration_v1.h"
#include "api/schema/core_reference_v1.h"
#include "api/schema/core_service_v1.h"
#include "base/random.h"
#include "http/client/client.h"
#include "server/aggregate/aggregate.h"

#define INTERVAL_NS (30 * NS_PER_SEC)
#define RETRY_NS NS_PER_SEC
#define TIMEOUT_NS (5 * NS_PER_SEC)
#define DISCOVERY_MAX ((size_t)1024 * 1024)

/* ---- where it is ---- */

/* The name of the Service's port; NULL: it has no such port. */
static const char *port_name(const Service *service, uint16_t port)
{
    for (size_t i = 0; i < service->spec.ports.n; i++)
        if (service->spec.ports.v[i].port == port)
            return str_or(service->spec.ports.v[i].name, "");
    return NULL;
}

static bool pick(const Extension *extension, Arena *arena, const Endpoints *endpoints,
                 const char *port, ExtensionPlace *ret)
{
    for (size_t i = 0; i < endpoints->subsets.n; i++) {
        const EndpointSubset *subset = &endpoints->subsets.v[i];

        for (size_t k = 0; k < subset->ports.n; k++) {
            size_t n = subset->addresses.n;

            if (!n || !str_equal(str_or(subset->ports.v[k].name, ""), port))
                continue;
            ret->address = arena_strdup(
                arena, subset->addresses.v[random_below(extension->server->random, n)].ip);
            ret->port = (uint16_t)subset->ports.v[k].port;
            return true;
        }
    }
    return false;
}

bool extension_locate(const Extension *extension, Arena *arena, ExtensionPlace *ret,
                      const char **ret_reason, const char **ret_message)
{
    Store *store = extension->server->store;
    const char *ns = extension->service_ns, *name = extension->service_name, *port = NULL;
    Object *service = store_get(store, &kind_service, ns, name);
    Object *endpoints = store_get(store, &kind_endpoints, ns, name);

    if (!service) {
        *ret_reason = "ServiceNotFound";
        *ret_message = arena_printf(arena, "service/%s in \"%s\" is not present", name, ns);
    } else if (!(port = port_name(OBJECT_AS(Service, service), extension->port))) {
        *ret_reason = "ServicePortError";
        *ret_message = arena_printf(arena, "service/%s in \"%s\" is not listening on port %u", name,
                                    ns, (unsigned)extension->port);
    } else if (!endpoints) {
        *ret_reason = "EndpointsNotFound";
        *ret_message =
            arena_printf(arena, "cannot find endpointslices for service/%s in \"%s\"", name, ns);
    } else if (!pick(extension, arena, OBJECT_AS(Endpoints, endpoints), port, ret)) {
        *ret_reason = "MissingEndpoints";
        *ret_message = arena_printf(
            arena,
            "endpointslices for service/%s in \"%s\" have no addresses with port name \"%s\"", name,
            ns, port);
    } else {
        ret->server_name = arena_printf(arena, "%s.%s.svc", name, ns);
        return true;
    }
    return false;
}

/* ---- the condition ---- */

static void on_written(void *data _unused_, const ApiStatus *status _unused_,
                       Object *object _unused_)
{
    /* A conflict or a deletion has an event, and that begins another check. */
}

static void write_condition(Extension *extension, const char *value, const char *reason,
                            const char *message)
{
    Server *server = extension->server;
    Object *there = store_get(server->store, &kind_api_service, NULL, extension->name);
    APIServiceConditionArray *conditions;
    APIServiceCondition *condition = NULL;
    Object *copy;

    if (!there)
        return;
    copy = object_copy(there);
    conditions = &OBJECT_AS(APIService, copy)->status.conditions;
    for (size_t i = 0; i < conditions->n; i++)
        if (str_equal(conditions->v[i].type, "Available"))
            condition = &conditions->v[i];
    if (!condition) {
        condition = arena_new(&copy->arena, APIServiceCondition);
        condition->type = "Available";
        *conditions = (APIServiceConditionArray){condition, 1};
    }
    if (!str_equal(condition->status, value) || !str_equal(condition->reason, reason) ||
        !str_equal(condition->message, message)) {
        if (!str_equal(condition->status, value))
            condition->last_transition_time = server_time(server);
        condition->status = value;
        condition->reason = arena_strdup(&copy->arena, reason);
        condition->message = arena_strdup(&copy->arena, message);
        client_update(server_client(server, "system:apiserver"), copy,
                      &(WriteOptions){.subresource = "status"}, on_written, NULL);
    }
    object_unref(copy);
}

/* ---- the check ---- */

static void on_timer(Timer *timer)
{
    extension_check(CONTAINER_OF(timer, Extension, timer));
}

static void conclude(Extension *extension, const char *reason, const char *message)
{
    bool good = reason == NULL;
    int64_t wait = INTERVAL_NS;

    extension->available = good;
    extension->failures = good ? 0 : extension->failures + 1;
    if (!good && extension->failures < 6)
        wait = RETRY_NS << (extension->failures - 1);
    extension->timer.on_fire = on_timer;
    timer_start(extension->server->clock, &extension->timer, wait);
    write_condition(extension, good ? "True" : "False", good ? "Passed" : reason,
                    good ? "all checks passed" : message);
}

static void on_answer(void *data, const HttpClientResponse *response)
{
    Extension *extension = data;
    _arena_ Arena arena = ARENA_INIT;
    const char *url = arena_printf(&arena, "https://%s.%s.svc:%u/apis/%s/%s",
                                   extension->service_name, extension->service_ns,
                                   (unsigned)extension->port, extension->group, extension->version);
    const char *problem = NULL;
    char *resources;

    extension->check = NULL;
    if (response->error)
        problem = arena_printf(&arena, "Get \"%s\": %s", url, response->error_text);
    else if (response->status < 200 || response->status > 299)
        problem = arena_printf(&arena, "bad status from %s: %d", url, response->status);
    if (problem) {
        conclude(extension, "FailedDiscoveryCheck",
                 arena_printf(&arena, "failing or missing response from %s: %s", url, problem));
        return;
    }
    resources = extension_resources(&arena, response->body, extension->group, extension->version);
    if (resources) {
        free(extension->resources);
        extension->resources = resources;
    }
    conclude(extension, NULL, NULL);
}

static void ask(Extension *extension, const ExtensionPlace *place)
{
    static const HttpHeader headers[] = {{"X-Remote-User", "system:kube-aggregator"},
                                         {"X-Remote-Group", "system:masters"},
                                         {"Accept", "application/json"}};
    _free_ char *path = mem_printf("/apis/%s/%s", extension->group, extension->version);

    extension->check = http_call(extension->server->loop,
                                 &(HttpClientRequest){.address = place->address,
                                                      .port = place->port,
                                                      .path = path,
                                                      .host = place->server_name,
                                                      .server_name = place->server_name,
                                                      .headers = headers,
                                                      .n_headers = ARRAY_LEN(headers),
                                                      .tls = extension->tls,
                                                      .timeout_ns = TIMEOUT_NS,
                                                      .body_limit = DISCOVERY_MAX},
                                 NULL, on_answer, extension);
}

void extension_check(Extension *extension)
{
    _arena_ Arena arena = ARENA_INIT;
    const char *reason, *message;
    ExtensionPlace place;

    extension_check_stop(extension);
    if (!extension_locate(extension, &arena, &place, &reason, &message))
        conclude(extension, reason, message);
    else if (!extension->server->loop)
        conclude(extension, "FailedDiscoveryCheck", "this server has no network");
    else if (!extension->tls)
        conclude(extension, "FailedDiscoveryCheck", "the caBundle holds no certificate");
    else
        ask(extension, &place);
}

void extension_check_stop(Extension *extension)
{
    timer_stop(extension->server->clock, &extension->timer);
    if (extension->check)
        http_call_cancel(extension->check);
    extension->check = NULL;
}
