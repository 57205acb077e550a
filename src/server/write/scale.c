/* SPDX-License-Identifier: Apache-2.0 */
/* The subresource scale: the number of replicas of any kind that has one. */
#include "api/custom.h"
#include "api/object.h"
#include "api/scale.h"
#include "api/schema/autoscaling_v1.h"
#include "server/audit/audit.h"
#include "server/request/respond.h"
#include "server/write/http.h"
#include "server/write/write.h"

static void on_scaled(Write *write)
{
    _object_ Object *scale = NULL;

    if (!write->call)
        return;
    if (write->status.reason != STATUS_OK) {
        respond_status(write->call, &write->status);
        return;
    }
    scale = scale_of(write->object);
    respond_object(write->call, 200, scale);
}

/* A custom resource need not have the number. Returns false if the call was answered with an error then. */
static bool has_wanted(Call *call, const Object *object)
{
    CustomScale scale;
    ApiStatus status;

    custom_scale_read(object, call->arena, &scale);
    if (scale.has_wanted)
        return true;
    status_set(&status, call->arena, STATUS_INTERNAL_ERROR,
               "Internal error occurred: the spec replicas field \"%s\" does not exist",
               object->kind->custom->scale_spec);
    respond_status(call, &status);
    return false;
}

void subresource_scale_get(Call *call)
{
    const Route *route = &call->route;
    Object *object = store_get(call->server->store, route->kind, route->ns, route->name);
    _object_ Object *scale = NULL;
    ApiStatus status;

    if (!object) {
        status_not_found(&status, call->arena, route->kind, route->name);
        respond_status(call, &status);
        return;
    }
    if (object->kind->custom && !has_wanted(call, object))
        return;
    scale = scale_of(object);
    respond_object(call, 200, scale);
}

/* The head, for a change of its scale; NULL: refused. */
static Object *scale_head(Write *write)
{
    Object *head = store_head(write->server->store, write->kind, write->ns, write->name);

    if (!head) {
        status_not_found(&write->status, &write->arena, write->kind, write->name);
        return NULL;
    }
    write->before = object_ref(head);
    return head;
}

static void write_scale(Write *write, const Object *object)
{
    const Scale *scale = OBJECT_AS(Scale, object);
    Causes causes = {.arena = &write->arena};

    if (!str_empty(scale->metadata.name) && !str_equal(scale->metadata.name, write->name)) {
        status_set(&write->status, &write->arena, STATUS_BAD_REQUEST,
                   "the name of the object (%s) does not match the name on the URL (%s)",
                   scale->metadata.name, write->name);
        write_finish(write);
        return;
    }
    if (scale->spec.replicas < 0) {
        causes_invalid_int(&causes, "spec.replicas", scale->spec.replicas,
                           "must be greater than or equal to 0");
        status_invalid(&write->status, &write->arena, &kind_scale, write->name, &causes);
        write_finish(write);
        return;
    }
    write->object = object_copy(write->before);
    if (!str_empty(scale->metadata.resource_version))
        object_meta(write->object)->resource_version =
            arena_strdup(&write->object->arena, scale->metadata.resource_version);
    scale_set_replicas(write->object, scale->spec.replicas);
    write->subresource = "scale";
    write_update_from(write);
}

void subresource_scale_update(Call *call)
{
    Write *write = subresource_start(call, on_scaled);
    _object_ Object *scale = NULL;

    if (subresource_decode(call, &kind_scale, &scale, write) || !scale_head(write))
        write_finish(write);
    else
        write_scale(write, scale);
}

void subresource_scale_patch(Call *call)
{
    Write *write = subresource_start(call, on_scaled);
    _object_ Object *before = NULL, *scale = NULL;
    Object *head = scale_head(write);

    if (!head) {
        write_finish(write);
        return;
    }
    audit_request_patch(call, call->body);
    before = scale_of(head);
    if (patch_object(write, http_header(call->request, "content-type"), before, call->body,
                     &scale)) {
        write_finish(write);
        return;
    }
    write_scale(write, scale);
}
