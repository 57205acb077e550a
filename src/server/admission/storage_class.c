/* SPDX-License-Identifier: Apache-2.0 */
/* The storage classes of stead, and the default class of a claim that names none. */
#include "api/object.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/storage_v1.h"
#include "api/volume_class.h"
#include "server/admission/admission.h"

#define DEFAULT_CLASS "storageclass.kubernetes.io/is-default-class"

/* ---- what is there from the start ---- */

static void fill(Object *object, const char *name)
{
    StorageClass *class = OBJECT_AS(StorageClass, object);
    Arena *arena = &object->arena;

    class->metadata.name = arena_strdup(arena, name);
    class->provisioner = VOLUME_PROVISIONER;
    class->reclaim_policy = "Delete";
    class->allow_volume_expansion = arena_bool(arena, true);
    if (str_equal(name, VOLUME_CLASS_RESERVED)) {
        class->volume_binding_mode = "Immediate";
        string_map_put(arena, &class->parameters, VOLUME_ROOM_PARAMETER, "reserved");
    } else {
        class->volume_binding_mode = "WaitForFirstConsumer";
        string_map_put(arena, &class->metadata.annotations, DEFAULT_CLASS, "true");
    }
}

/* Earlier versions had one class, which did not wait for a pod. Since a user may have made a class of
 * this name and form, too, it is changed only once: when the other class does not exist yet. */
static void carry_over(Server *server, Client *client)
{
    Object *old = store_head(server->store, &kind_storage_class, NULL, VOLUME_CLASS);
    const StorageClass *class = old ? OBJECT_AS(StorageClass, old) : NULL;
    _object_ Object *copy = NULL;

    if (!class || !str_equal(class->provisioner, VOLUME_PROVISIONER) || class->parameters.n ||
        !str_equal(class->volume_binding_mode, "Immediate") ||
        store_head(server->store, &kind_storage_class, NULL, VOLUME_CLASS_RESERVED))
        return;
    copy = object_copy(old);
    OBJECT_AS(StorageClass, copy)->volume_binding_mode = "WaitForFirstConsumer";
    client_update(client, copy, &(WriteOptions){.reform = true}, NULL, NULL);
}

void storage_classes_ensure(Server *server, Client *client)
{
    static const char *const names[] = {VOLUME_CLASS, VOLUME_CLASS_RESERVED};

    carry_over(server, client);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        _object_ Object *object = NULL;

        if (store_head(server->store, &kind_storage_class, NULL, names[i]))
            continue;
        object = object_new(&kind_storage_class);
        fill(object, names[i]);
        client_create(client, object, &(WriteOptions){.field_manager = "stead"}, NULL, NULL);
    }
}

/* ---- the default class ---- */

typedef struct DefaultClass {
    const ObjectMeta *meta; /* the newest default */
} DefaultClass;

static bool look_at_class(void *data, Object *object)
{
    DefaultClass *found = data;
    const ObjectMeta *meta = object_meta(object);

    if (str_equal(string_map_get(&meta->annotations, DEFAULT_CLASS), "true") &&
        (!found->meta ||
         meta->creation_timestamp.seconds > found->meta->creation_timestamp.seconds))
        found->meta = meta;
    return true;
}

int storage_class_admit(Write *write)
{
    PersistentVolumeClaimSpec *spec = &OBJECT_AS(PersistentVolumeClaim, write->object)->spec;
    DefaultClass found = {0};

    if (spec->storage_class_name)
        return 0;
    store_list(write->server->store, &kind_storage_class, NULL, NULL, look_at_class, &found);
    if (found.meta)
        spec->storage_class_name = arena_strdup(&write->object->arena, found.meta->name);
    return 0;
}
