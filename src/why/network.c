/* SPDX-License-Identifier: Apache-2.0 */
/* What a Service waits for (pods, and an address), and what an Ingress waits for. */
#include "api/condition.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_service_v1.h"
#include "api/schema/discovery_v1.h"
#include "api/schema/networking_v1.h"
#include "why/internal.h"

static bool has_ready_endpoint(const WhyList *slices)
{
    for (size_t i = 0; i < slices->n; i++) {
        const EndpointSlice *slice = slices->v[i];

        for (size_t k = 0; k < slice->endpoints.n; k++) {
            const bool *ready = slice->endpoints.v[k].conditions.ready;

            if (!ready || *ready)
                return true;
        }
    }
    return false;
}

static void service_step(Why *why, const Service *service, const char *reason, const char *message,
                         const char *next)
{
    why_step(why, &kind_service, service->metadata.name, reason, message, next);
}

/* Whether a container of the pod has a port of this name. */
static bool has_port(const Pod *pod, const char *name)
{
    for (size_t i = 0; i < pod->spec.containers.n; i++) {
        const ContainerPortArray *ports = &pod->spec.containers.v[i].ports;

        for (size_t k = 0; k < ports->n; k++)
            if (str_equal(ports->v[k].name, name))
                return true;
    }
    return false;
}

/* All pods are ready, but none has an endpoint: a port is named that they do not have. */
static bool explain_ports(Why *why, const Service *service, const WhyList *pods)
{
    for (size_t i = 0; i < service->spec.ports.n; i++) {
        const IntOrString *target = &service->spec.ports.v[i].target_port;

        if (target->is_string && !has_port(pods->v[0], target->string)) {
            service_step(why, service, "NoPort",
                         WHY_TEXT(why, "its targetPort %s is no port of pod %s", target->string,
                                  ((const Pod *)pods->v[0])->metadata.name),
                         "name the port in containers[].ports of the pods, or correct targetPort");
            return true;
        }
    }
    return false;
}

static void explain_no_endpoints(Why *why, const Service *service)
{
    const Selector *selector = selector_from_map(why->arena, &service->spec.selector);
    WhyList pods = why_list(why, &kind_pod, service->metadata.namespace, selector);
    _strbuf_ StrBuf text = STRBUF_INIT;

    selector_print(selector, &text);
    if (pods.n == 0) {
        service_step(why, service, "NoPods",
                     WHY_TEXT(why, "it has no endpoints, since no pod has its labels %s",
                              strbuf_string(&text)),
                     "compare spec.selector with the labels of the pods: kubectl get pods "
                     "--show-labels");
        return;
    }
    if (CONDITION_IS_TRUE(&((const Pod *)pods.v[0])->status.conditions, "Ready") &&
        explain_ports(why, service, &pods))
        return;
    service_step(why, service, "NoEndpoints",
                 WHY_TEXT(why, "it has no ready endpoints among %zu pods", pods.n), NULL);
    why_follow_pods(why, &pods, NULL);
}

void why_service(Why *why, const void *value)
{
    const Service *service = value;
    WhyList slices;

    if (str_equal(service->spec.type, "ExternalName"))
        return;
    if (service->spec.selector.n) {
        slices =
            why_list(why, &kind_endpoint_slice, service->metadata.namespace,
                     selector_from_map(
                         why->arena, &(StringMap){.v = &(StringEntry){"kubernetes.io/service-name",
                                                                      service->metadata.name},
                                                  .n = 1}));
        if (!has_ready_endpoint(&slices)) {
            explain_no_endpoints(why, service);
            return;
        }
    }
    if (str_equal(service->spec.type, "LoadBalancer") &&
        service->status.load_balancer.ingress.n == 0)
        service_step(why, service, "NoAddress", "it waits for the address of its load balancer",
                     service->spec.load_balancer_class
                         ? WHY_TEXT(why, "the controller of the class %s gives the address",
                                    service->spec.load_balancer_class)
                         : "the range of addresses may be used up (--lb-cidr)");
}

/* ---- Ingress ---- */

/* Follows the Service of a backend. Returns whether this added steps. */
static bool follow_backend(Why *why, const Ingress *ingress, const IngressBackend *backend)
{
    size_t before = why->chain->n;
    const void *service;

    if (!backend || !backend->service)
        return false;
    service = why_need(why, &kind_service, ingress->metadata.namespace, backend->service->name,
                       "create the Service, or correct its name in the rules of the Ingress");
    if (service)
        why_follow(why, &kind_service, service);
    return why->chain->n > before;
}

static void follow_backends(Why *why, const Ingress *ingress)
{
    if (follow_backend(why, ingress, ingress->spec.default_backend))
        return;
    for (size_t i = 0; i < ingress->spec.rules.n; i++) {
        const HTTPIngressRuleValue *http = ingress->spec.rules.v[i].ingress_rule_value.http;

        for (size_t k = 0; http && k < http->paths.n; k++)
            if (follow_backend(why, ingress, &http->paths.v[k].backend))
                return;
    }
}

void why_ingress(Why *why, const void *value)
{
    const Ingress *ingress = value;

    if (ingress->status.load_balancer.ingress.n == 0)
        why_step(why, &kind_ingress, ingress->metadata.name, "NoAddress",
                 WHY_TEXT(why, "no ingress controller serves it%s%s",
                          ingress->spec.ingress_class_name ? "; its class is " : "",
                          str_or(ingress->spec.ingress_class_name, "")),
                 "run an ingress controller for its class: kubectl get ingressclass");
    follow_backends(why, ingress);
}
