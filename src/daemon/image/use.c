/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/image/use.h"

#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_volume_v1.h"
#include "base/files/file.h"
#include "store/engine.h"
#include "store/store.h"

typedef struct Collect {
    ImageStore *images;
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
    id = image_find(collect->images, name, collect->arena, &image, NULL) == 0 ? image.id : "";
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
static void note_starting(void *data, const char *id)
{
    Collect *collect = data;

    if (!strmap_get(collect->uses, id))
        strmap_put(collect->uses, id, arena_new(collect->arena, ImageUse));
}

void image_uses_collect(App *app, Arena *arena, StrMap *ret)
{
    Collect collect = {.images = app->images, .arena = arena, .uses = ret};

    client_list(app_client(app), &kind_pod, NULL, note_pod, &collect);
    if (app->node)
        node_each_image(app->node, note_starting, &collect);
    strmap_deinit(&collect.ids);
}

int image_uses_read(const char *data_dir, ImageStore *images, Arena *arena, StrMap *ret,
                    Err *reterr)
{
    _free_ char *path = mem_printf("%s/state.db", data_dir);
    Collect collect = {.images = images, .arena = arena, .uses = ret};
    StoreEngine *engine;
    Store *store = NULL;
    uv_loop_t loop;
    int r;

    if (!file_exists(path))
        return 0;
    r = engine_sqlite_open(data_dir, STORE_WINDOW, &engine, reterr);
    if (r < 0)
        return r;
    uv_loop_init(&loop);
    r = store_open(&loop, engine, STORE_WINDOW, &store, reterr);
    if (r >= 0)
        store_list(store, &kind_pod, NULL, NULL, note_pod, &collect);
    store_close(store);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    strmap_deinit(&collect.ids);
    return r;
}
