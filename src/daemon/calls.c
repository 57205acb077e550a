/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of the control socket, which answer in plain text. */
#include <signal.h>

#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_volume_v1.h"
#include "base/files/file.h"
#include "base/strbuf.h"
#include "daemon/daemon.h"
#include "image/make.h"

void app_find_files(App *app, const char *program)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    _free_ char *runtime = NULL;
    char *slash;

    if (n < 0)
        n = snprintf(path, sizeof(path), "%s", program);
    path[MIN_OF(n, (ssize_t)sizeof(path) - 1)] = 0;
    slash = strrchr(path, '/');
    if (slash)
        *slash = 0;
    runtime = mem_printf("%s/stead-runtime", path);
    app->helper_dir =
        file_exists(runtime) ? mem_strdup(path) : mem_printf("%s/../libexec/stead", path);
    app->image_dir = mem_printf("%s/images", path);
    if (file_exists(app->image_dir))
        return;
    free(app->image_dir);
    app->image_dir = mem_printf("%s/../share/stead/images", path);
    if (!file_exists(app->image_dir)) {
        free(app->image_dir);
        app->image_dir = NULL;
    }
}

static void answer(HttpRequest *request, int status, const StrBuf *text)
{
    http_respond(request, status, "text/plain; charset=utf-8", strbuf_bytes(text));
}

static void answer_error(HttpRequest *request, const Err *err)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    strbuf_printf(&text, "%s\n", err->message);
    answer(request, 500, &text);
}

/* ---- status ---- */

typedef struct PodCount {
    size_t all, ready;
} PodCount;

static bool count_pod(void *data, Object *object)
{
    const Pod *pod = OBJECT_AS(Pod, object);
    PodCount *count = data;

    count->all++;
    for (size_t i = 0; i < pod->status.conditions.n; i++)
        count->ready += str_equal(pod->status.conditions.v[i].type, "Ready") &&
                        str_equal(pod->status.conditions.v[i].status, "True");
    return true;
}

/* Resident memory of this process, in KiB. */
static int64_t resident_kib(void)
{
    _free_ char *text = NULL;
    const char *line;
    int64_t kib = 0;

    if (file_read("/proc/self/status", 64 * 1024, &text, NULL) < 0)
        return 0;
    line = strstr(text, "VmRSS:");
    return line && sscanf(line, "VmRSS: %" SCNd64, &kib) == 1 ? kib : 0;
}

static void call_status(void *data, HttpRequest *request)
{
    App *app = data;
    _strbuf_ StrBuf text = STRBUF_INIT;
    int64_t up = (clock_mono_ns(app->clock) - app->started_ns) / NS_PER_SEC, kib = resident_kib();
    PodCount count = {0};

    client_list(server_client(app->server, "system:status"), &kind_pod, NULL, count_pod, &count);
    strbuf_printf(&text,
                  "stead %s is running, pid %d, up %" PRId64 "h%02" PRId64 "m%02" PRId64 "s\n",
                  STEAD_VERSION, (int)getpid(), up / 3600, up / 60 % 60, up % 60);
    strbuf_printf(&text, "API:     https://%s:%u\n", app->listen_address, app->port);
    strbuf_printf(&text, "Node:    %s\n", app->options->node_name);
    strbuf_printf(&text, "Pods:    %zu, %zu ready\n", count.all, count.ready);
    strbuf_printf(&text, "Memory:  %.1f MiB\n", (double)kib / 1024);
    strbuf_printf(&text, "Data:    %s\n", app->options->data);
    strbuf_printf(&text, "Run:     %s\n", app->options->run);
    answer(request, 200, &text);
}

static void call_options(void *data, HttpRequest *request)
{
    App *app = data;
    _strbuf_ StrBuf text = STRBUF_INIT;

    options_print_local(app->options, &text);
    answer(request, 200, &text);
}

/* ---- calls that are answered later ---- */

typedef struct Pending {
    App *app;
    HttpRequest *request;
    bool gone; /* the command has disconnected */
} Pending;

static void on_pending_closed(HttpRequest *request)
{
    Pending *pending = request->data;

    pending->gone = true;
}

static Pending *pending_new(App *app, HttpRequest *request)
{
    Pending *pending = mem_new_type(Pending);

    pending->app = app;
    pending->request = request;
    request->data = pending;
    request->on_close = on_pending_closed;
    return pending;
}

static void pending_answer(Pending *pending, const StrBuf *text, const Err *err)
{
    HttpRequest *request = pending->request;
    bool gone = pending->gone;

    if (!gone)
        request->on_close = NULL;
    free(pending);
    if (gone)
        return;
    if (err)
        answer_error(request, err);
    else
        answer(request, 200, text);
}

/* ---- stop ---- */

/* Sends a signal to this process, so that the answer is sent before the server stops. */
static void stop_soon(void)
{
    uv_kill(getpid(), SIGTERM);
}

static void call_stop(void *data _unused_, HttpRequest *request)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    strbuf_printf(&text, "%d\n", (int)getpid());
    answer(request, 200, &text);
    stop_soon();
}

static void on_pods_gone(void *data)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    strbuf_printf(&text, "%d\n", (int)getpid());
    pending_answer(data, &text, NULL);
    stop_soon();
}

static void call_down(void *data, HttpRequest *request)
{
    App *app = data;

    if (app->node)
        node_shutdown(app->node, on_pods_gone, pending_new(app, request));
    else
        call_stop(app, request);
}

/* ---- images ---- */

static void list_image(void *data, const Image *image)
{
    StrBuf *text = data;

    strbuf_printf(text, "%s\t%s\t%" PRId64 "\n", image->name, image->id, image->size);
}

static void call_image_list(void *data, HttpRequest *request)
{
    App *app = data;
    _strbuf_ StrBuf text = STRBUF_INIT;

    if (app->images)
        image_list(app->images, &request->arena, list_image, &text);
    answer(request, 200, &text);
}

static void on_imported(void *data, const StringArray *names, const Err *err)
{
    Pending *pending = data;
    _strbuf_ StrBuf text = STRBUF_INIT;

    if (!err && pending->app->node)
        node_image_added(pending->app->node);
    for (size_t i = 0; !err && i < names->n; i++)
        strbuf_printf(&text, "%s\n", names->v[i]);
    pending_answer(pending, &text, err);
}

static void call_image_import(void *data, HttpRequest *request)
{
    const char *file = http_query(request, "file"), *text = http_query(request, "limit");
    App *app = data;
    int64_t limit = 0;

    if (!file || !app->images || (text && str_to_int64(text, 0, INT64_MAX, &limit) != 0)) {
        http_respond(request, 400, "text/plain", BYTES_LITERAL("no file given\n"));
        return;
    }
    image_import_async(app->images, file, (uint64_t)limit, on_imported, pending_new(app, request));
}

/* Answers with the configuration of an image, for an image that is built on it. */
static void call_image_config(void *data, HttpRequest *request)
{
    const char *name = http_query(request, "name");
    App *app = data;
    Err err = ERR_INIT;
    Bytes config;

    if (!name || !app->images)
        http_respond(request, 400, "text/plain", BYTES_LITERAL("no image given\n"));
    else if (image_read_config(app->images, name, &request->arena, &config, &err))
        answer_error(request, &err);
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

static void call_image_remove(void *data, HttpRequest *request)
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
        answer_error(request, &err);
        return;
    }
    client_list(server_client(app->server, "system:status"), &kind_pod, NULL, look_for_use, &use);
    if (use.pod) {
        err_set(&err, 0, "%s is in use by pod %s", name, use.pod);
        answer_error(request, &err);
        return;
    }
    if (image_remove(app->images, name, &err)) {
        answer_error(request, &err);
        return;
    }
    strbuf_printf(&text, "%s removed\n", use.image.name);
    answer(request, 200, &text);
}

/* clang-format off */
static const ControlCall calls[] = {
    {"GET",    "/status", call_status},
    {"GET",    "/options", call_options},
    {"GET",    "/services", app_call_services},
    {"POST",   "/stop",   call_stop},
    {"POST",   "/down",   call_down},
    {"GET",    "/images", call_image_list},
    {"GET",    "/images/config", call_image_config},
    {"POST",   "/images", call_image_import},
    {"DELETE", "/images", call_image_remove},
};
/* clang-format on */

int app_open_socket(App *app, Err *reterr)
{
    return control_socket_open(&app->loop, app->options->run, calls, ARRAY_LEN(calls), app,
                               &app->socket, reterr);
}
