/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/image/use.h"

#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_volume_v1.h"

typedef struct Collect {
    App *app;
    Arena *arena;
    StrMap *uses;
    StrMap ids; /* what the image is called -> its id, or "" */
    const Pod *pod;
} Collect;

/* The id of an image by any of its names; "" if it is not there. */
static const char *id_of(Collect *collect, const char *name)
{
    const char *id = strmap_get(&collect->ids, name);
    Image image;

    if (id)
        return id;
    id = image_find(collect->app->images, name, collect->arena, &image, NULL) == 0 ? image.id : "";
    strmap_put(&collect->ids, name, (void *)(uintptr_t)id);
    return id;
}

static ImageUse *note(Collect *collect, const char *name)
{
    const char *id = str_empty(name) ? "" : id_of(collect, name);
    const ObjectMeta *meta = &collect->pod->metadata;
    ImageUse *use;

    if (!*id)
        return NULL;
    use = strmap_get(collect->uses, id);
    if (!use) {
        use = arena_new(collect->arena, ImageUse);
        use->pod = arena_printf(collect->arena, "%s/%s", meta->namespace, meta->name);
        strmap_put(collect->uses, id, use);
    }
    return use;
}

/* The status has the id of the image, or the name of a manifest: "docker.io/library/web@sha256:...". */
static void note_statuses(Collect *collect, const ContainerStatusArray *statuses)
{
    for (size_t i = 0; i < statuses->n; i++) {
        const char *made_of = str_or(statuses->v[i].image_id, ""), *at = strrchr(made_of, '@');
        ImageUse *use = note(collect, at ? at + 1 : made_of);

        if (use)
            use->containers++;
    }
}

static bool note_pod(void *data, Object *object)
{
    const Pod *pod = OBJECT_AS(Pod, object);
    Collect *collect = data;

    collect->pod = pod;
    for (size_t i = 0; i < pod->spec.init_containers.n; i++)
        (void)note(collect, pod->spec.init_containers.v[i].image);
    for (size_t i = 0; i < pod->spec.containers.n; i++)
        (void)note(collect, pod->spec.containers.v[i].image);
    for (size_t i = 0; i < pod->spec.volumes.n; i++) {
        const ImageVolumeSource *source = pod->spec.volumes.v[i].volume_source.image;

        (void)note(collect, source ? source->reference : NULL);
    }
    note_statuses(collect, &pod->status.init_container_statuses);
    note_statuses(collect, &pod->status.container_statuses);
    note_statuses(collect, &pod->status.ephemeral_container_statuses);
    return true;
}

/* The status of a pod does not have it yet, and its name may belong to another image by now. */
static void note_starting(void *data, const Image *image)
{
    Collect *collect = data;

    if (node_uses_image(collect->app->node, image->id) && !strmap_get(collect->uses, image->id))
        strmap_put(collect->uses, image->id, arena_new(collect->arena, ImageUse));
}

void image_uses_collect(App *app, Arena *arena, StrMap *ret)
{
    Collect collect = {.app = app, .arena = arena, .uses = ret};

    client_list(app_client(app), &kind_pod, NULL, note_pod, &collect);
    if (app->node)
        image_list(app->images, arena, note_starting, &collect);
    strmap_deinit(&collect.ids);
}
