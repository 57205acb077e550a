/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of the control socket for the verbs of `stead image`. */
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_volume_v1.h"
#include "daemon/answer.h"
#include "daemon/image/calls.h"
#include "image/make.h"

static void list_image(void *data, const Image *image)
{
    StrBuf *text = data;

    strbuf_printf(text, "%s\t%s\t%" PRId64 "\n", image->name, image->id, image->size);
}

void app_print_images(void *data, Arena *arena, StrBuf *out)
{
    App *app = data;

    if (app->images)
        image_list(app->images, arena, list_image, out);
}

void app_call_image_list(void *data, HttpRequest *request)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    app_print_images(data, &request->arena, &text);
    control_answer(request, 200, &text);
}

static void on_imported(void *data, const StringArray *names, const Err *err)
{
    PendingCall *pending = data;
    App *app = pending->owner;
    _strbuf_ StrBuf text = STRBUF_INIT;

    if (!err && app->node)
        node_image_added(app->node);
    for (size_t i = 0; !err && i < names->n; i++)
        strbuf_printf(&text, "%s\n", names->v[i]);
    pending_call_answer(pending, &text, err);
}

/* Whoever has interrupted the command expects that it leaves nothing. */
static void cancel_import(void *work)
{
    image_import_cancel(work);
}

void app_call_image_import(void *data, HttpRequest *request)
{
    const char *file = http_query(request, "file"), *text = http_query(request, "limit");
    PendingCall *pending;
    App *app = data;
    int64_t limit = 0;

    if (!file || !app->images || (text && str_to_int64(text, 0, INT64_MAX, &limit) != 0)) {
        http_respond(request, 400, "text/plain", BYTES_LITERAL("no file given\n"));
        return;
    }
    pending = pending_call_new(app, request);
    pending->work = image_import_async(app->images, file, (uint64_t)limit, on_imported, pending);
    pending->on_gone = cancel_import;
}

/* Answers with the configuration of an image, for an image that is built on it. */
void app_call_image_config(void *data, HttpRequest *request)
{
    const char *name = http_query(request, "name");
    App *app = data;
    Err err = ERR_INIT;
    Bytes config;

    if (!name || !app->images)
        http_respond(request, 400, "text/plain", BYTES_LITERAL("no image given\n"));
    else if (image_read_config(app->images, name, &request->arena, &config, &err))
        control_answer_error(request, &err);
    else
        http_respond(request, 200, "application/json", config);
}

typedef struct ImageUse {
    Arena *arena;
    ImageStore *images;
    Image image; /* the one to remove */
    const char *pod;
} ImageUse;

/* Whether the image is the one that a pod refers to, or the one that a container was made from. These may differ, since the name may
 * belong to a newer image by now. */
static bool is_of(const ImageUse *use, const char *reference, const char *made_of)
{
    Image image;

    if (!str_empty(made_of) &&
        (str_equal(made_of, use->image.id) ||
         (!str_empty(use->image.digest) && str_ends_with(made_of, use->image.digest))))
        return true;
    return !str_empty(reference) &&
           image_find(use->images, reference, use->arena, &image, NULL) == 0 &&
           str_equal(image.id, use->image.id);
}

static bool uses(const ImageUse *use, const ContainerArray *containers,
                 const ContainerStatusArray *statuses)
{
    for (size_t i = 0; i < containers->n; i++)
        if (is_of(use, containers->v[i].image, NULL))
            return true;
    for (size_t i = 0; i < statuses->n; i++)
        if (is_of(use, NULL, statuses->v[i].image_id))
            return true;
    return false;
}

static bool look_for_use(void *data, Object *object)
{
    const Pod *pod = OBJECT_AS(Pod, object);
    const PodSpec *spec = &pod->spec;
    const PodStatus *status = &pod->status;
    ImageUse *use = data;
    bool found = uses(use, &spec->containers, &status->container_statuses) ||
                 uses(use, &spec->init_containers, &status->init_container_statuses) ||
                 uses(use, &(ContainerArray){0}, &status->ephemeral_container_statuses);

    for (size_t i = 0; !found && i < spec->volumes.n; i++) {
        const ImageVolumeSource *source = spec->volumes.v[i].volume_source.image;

        found = source && is_of(use, source->reference, NULL);
    }
    if (found)
        use->pod = arena_printf(use->arena, "%s/%s", pod->metadata.namespace, pod->metadata.name);
    return !found;
}

void app_call_image_remove(void *data, HttpRequest *request)
{
    const char *name = http_query(request, "name");
    _strbuf_ StrBuf text = STRBUF_INIT;
    App *app = data;
    ImageUse use = {.arena = &request->arena, .images = app->images};
    Err err = ERR_INIT;

    if (!name || !app->images) {
        http_respond(request, 400, "text/plain", BYTES_LITERAL("no image given\n"));
        return;
    }
    if (image_find(app->images, name, &request->arena, &use.image, &err)) {
        err_set(&err, 0, "there is no image %s", name);
        control_answer_error(request, &err);
        return;
    }
    client_list(app_client(app), &kind_pod, NULL, look_for_use, &use);
    if (use.pod) {
        err_set(&err, 0, "%s is in use by pod %s", name, use.pod);
        control_answer_error(request, &err);
        return;
    }
    if (app->node && node_uses_image(app->node, use.image.id)) {
        err_set(&err, 0, "%s is in use by a container that is being started", name);
        control_answer_error(request, &err);
        return;
    }
    if (image_remove(app->images, name, &err)) {
        control_answer_error(request, &err);
        return;
    }
    strbuf_printf(&text, "%s removed\n", use.image.name);
    control_answer(request, 200, &text);
}
