/* SPDX-License-Identifier: Apache-2.0 */
/* The subresource scale: the number of replicas of any kind that has one. */
#include "api/object.h"
#include "api/schema/autoscaling_v1.h"
#include "api/selector.h"
#include "server/request/respond.h"
#include "server/write/http.h"
#include "server/write/write.h"

/* Finds fields such as spec.replicas by their names, since any kind may have them. Returns NULL if
 * the kind has none. */
static void *member_at(const Object *object, const Field *of, const char *name, const Field **ret)
{
    const TypeName *found = of ? type_find(of->type, name, strlen(name)) : NULL;

    if (!found)
        return NULL;
    *ret = found->field;
    return (char *)field_at(object->value, of) + found->offset;
}

static int32_t read_int32(const Object *object, const Field *of, const char *name)
{
    const Field *field = NULL;
    void *at = member_at(object, of, name, &field);
    const int32_t *value = at ? field_thing(field, at) : NULL;

    return value ? *value : 0;
}

static void write_int32(Object *object, const Field *of, const char *name, int32_t value)
{
    const Field *field = NULL;
    void *at = member_at(object, of, name, &field);

    if (NEVER(!at))
        return;
    if (field->shape == SHAPE_OPTIONAL)
        *(int32_t **)at = arena_int32(&object->arena, value);
    else
        *(int32_t *)at = value;
}

static const char *selector_text(Arena *arena, const Object *object)
{
    const Field *field = NULL;
    const void *at = member_at(object, object->kind->spec, "selector", &field);
    _strbuf_ StrBuf text = STRBUF_INIT;
    Selector *selector;

    if (!at)
        return "";
    selector = field->shape == SHAPE_MAP ? selector_from_map(arena, at)
                                         : selector_from_api(arena, field_thing(field, at));
    if (selector)
        selector_print(selector, &text);
    return arena_strdup(arena, strbuf_string(&text));
}

static Object *scale_of(const Object *object)
{
    const ObjectMeta *meta = object_meta(object);
    Object *scale = object_new(&kind_scale);
    Scale *value = OBJECT_AS(Scale, scale);
    Arena *arena = &scale->arena;

    value->metadata =
        (ObjectMeta){.name = arena_strdup(arena, meta->name),
                     .namespace = arena_strdup(arena, meta->namespace),
                     .uid = arena_strdup(arena, meta->uid),
                     .resource_version = arena_printf(arena, "%" PRIu64, object->revision),
                     .creation_timestamp = meta->creation_timestamp};
    value->spec.replicas = read_int32(object, object->kind->spec, "replicas");
    value->status.replicas = read_int32(object, object->kind->status, "replicas");
    value->status.selector = selector_text(arena, object);
    return scale;
}

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
    scale = scale_of(object);
    respond_object(call, 200, scale);
}

/* Returns the head, for a change of its scale, or NULL if the change was refused. */
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
    write_int32(write->object, write->kind->spec, "replicas", scale->spec.replicas);
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
    before = scale_of(head);
    if (patch_object(write, http_header(call->request, "content-type"), before, call->body,
                     &scale)) {
        write_finish(write);
        return;
    }
    write_scale(write, scale);
}
