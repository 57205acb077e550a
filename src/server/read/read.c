/* SPDX-License-Identifier: Apache-2.0 */
/*
 * get, which responds with the JSON that the store keeps for a committed object, and the parameters
 * that get, list and watch have in common: selectors and revisions.
 */
#include "api/object.h"
#include "api/schema/certificates_v1.h"
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_config_v1.h"
#include "api/schema/core_event_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_service_v1.h"
#include "api/schema/resource_v1.h"
#include "api/selector.h"
#include "server/read/read.h"
#include "server/request/respond.h"

/* The kinds for which kube-apiserver words the refusal of an unknown field selector differently. */
static bool has_own_fields(const Kind *kind)
{
    return kind == &kind_pod || kind == &kind_node || kind_same_store(kind, &kind_event) ||
           kind == &kind_namespace || kind == &kind_secret || kind == &kind_service ||
           kind == &kind_certificate_signing_request || kind->custom;
}

int read_selectors(Call *call, Selector **ret_labels, Selector **ret_fields, ApiStatus *reterr)
{
    const char *why = "", *unknown;

    *ret_labels = *ret_fields = NULL;
    if (!str_empty(call->query.label_selector) &&
        selector_parse_labels(call->arena, call->query.label_selector, ret_labels, &why))
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST, "%s", why);
    if (str_empty(call->query.field_selector))
        return 0;
    if (selector_parse_fields(call->arena, call->query.field_selector, ret_fields, &why))
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST, "%s", why);
    unknown = selector_unknown_field(*ret_fields, call->route.kind);
    if (!unknown)
        return 0;
    if (call->route.kind == &kind_resource_slice)
        return status_set(
            reterr, call->arena, STATUS_BAD_REQUEST,
            "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: %s", unknown);
    if (has_own_fields(call->route.kind))
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST, "field label not supported: %s",
                          unknown);
    return status_set(reterr, call->arena, STATUS_BAD_REQUEST,
                      "\"%s\" is not a known field selector: only \"metadata.name\", "
                      "\"metadata.namespace\"",
                      unknown);
}

int read_revision(Call *call, const char *text, uint64_t *ret, ApiStatus *reterr)
{
    static const Cause too_large = {CAUSE_RESOURCE_VERSION_TOO_LARGE, "",
                                    "Too large resource version"};
    uint64_t newest = store_revision(call->server->store);
    int64_t v = 0;

    *ret = 0;
    if (str_empty(text))
        return 0;
    if (str_to_int64(text, 0, INT64_MAX, &v))
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST,
                          "invalid resource version: resourceVersion: Invalid value: \"%s\": "
                          "strconv.ParseUint: parsing \"%s\": invalid syntax",
                          text, text);
    *ret = (uint64_t)v;
    if (*ret <= newest)
        return 0;
    status_set(reterr, call->arena, STATUS_TIMEOUT,
               "Timeout: Too large resource version: %" PRIu64 ", current: %" PRIu64, *ret, newest);
    reterr->causes = &too_large;
    reterr->n_causes = 1;
    reterr->retry_after = 1;
    return reterr->reason;
}

bool read_matches(const Object *object, const char *ns, const Selector *labels,
                  const Selector *fields)
{
    return (str_empty(ns) || str_equal(object_meta(object)->namespace, ns)) &&
           (!labels || selector_matches_labels(labels, &object_meta(object)->labels)) &&
           (!fields || selector_matches_fields(fields, object));
}

void read_get(Call *call)
{
    const Route *route = &call->route;
    Object *object = store_peek(call->server->store, route->kind, route->ns, route->name);
    uint64_t revision;
    ApiStatus status;

    if (call->query.resource_version &&
        read_revision(call, call->query.resource_version, &revision, &status)) {
        respond_status(call, &status);
    } else if (object) {
        respond_object(call, 200, object);
    } else {
        status_not_found(&status, call->arena, route->kind, route->name);
        respond_status(call, &status);
    }
}
