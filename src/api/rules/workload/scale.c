/* SPDX-License-Identifier: Apache-2.0 */
/* spec.replicas and its like are found by name, since any kind may have them. */
#include "api/custom.h"
#include "api/scale.h"

#include "api/schema/autoscaling_v1.h"
#include "api/selector.h"
#include "base/strbuf.h"

bool scale_is_served(const Kind *kind)
{
    for (const char *const *name = kind->subresources; *name; name++)
        if (str_equal(*name, "scale"))
            return true;
    return false;
}

/* NULL: the kind has no such member. */
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

void scale_set_replicas(Object *object, int32_t replicas)
{
    const Field *field = NULL;
    void *at;

    if (object->kind->custom) {
        custom_scale_write(object, replicas);
        return;
    }
    at = member_at(object, object->kind->spec, "replicas", &field);
    if (NEVER(!at))
        return;
    if (field->shape == SHAPE_OPTIONAL)
        *(int32_t **)at = arena_int32(&object->arena, replicas);
    else
        *(int32_t *)at = replicas;
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

Object *scale_of(const Object *object)
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
    if (object->kind->custom) {
        CustomScale custom;

        custom_scale_read(object, arena, &custom);
        value->spec.replicas = custom.wanted;
        value->status.replicas = custom.there;
        value->status.selector = custom.selector;
        return scale;
    }
    value->spec.replicas = read_int32(object, object->kind->spec, "replicas");
    value->status.replicas = read_int32(object, object->kind->status, "replicas");
    value->status.selector = selector_text(arena, object);
    return scale;
}
