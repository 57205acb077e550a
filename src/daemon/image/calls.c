/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of the control socket for the verbs of `stead image`. */
#include "daemon/answer.h"
#include "daemon/image/calls.h"
#include "daemon/image/collect.h"
#include "daemon/image/credentials.h"
#include "daemon/image/use.h"
#include "daemon/image/work.h"
#include "image/make.h"

void app_print_images(void *data, Arena *arena, StrBuf *out)
{
    App *app = data;
    StrMap uses = STRMAP_INIT;
    ImageWork work = {.images = app->images, .uses = &uses};

    if (!app->images)
        return;
    image_uses_collect(app, arena, &uses);
    (void)image_work_find("/images")->run(&work, NULL);
    strbuf_add(out, strbuf_string(&work.text), work.text.n);
    strmap_deinit(&uses);
    image_work_deinit(&work);
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

    if (!err)
        app_image_added(app);
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

/* ---- work on the store ---- */

typedef struct WorkCall {
    uv_work_t work;
    uv_thread_t thread;
    uv_async_t ended; /* of the thread */
    PendingCall *pending;
    App *app;
    const ImageWorkKind *kind;
    StrMap uses;
    ImageWork image_work;
    Err err;
    int result;
} WorkCall;

static void do_work(WorkCall *call)
{
    call->result = call->kind->run(&call->image_work, &call->err);
}

static void answer_work(WorkCall *call)
{
    if (call->result == 0 && call->kind->adds)
        app_image_added(call->app);
    pending_call_answer(call->pending, &call->image_work.text, call->result ? &call->err : NULL);
    strmap_deinit(&call->uses);
    image_store_close(call->image_work.images);
    image_work_deinit(&call->image_work);
    free(call);
}

static void on_pool(uv_work_t *work)
{
    do_work(CONTAINER_OF(work, WorkCall, work));
}

static void on_pool_done(uv_work_t *work, int status _unused_)
{
    answer_work(CONTAINER_OF(work, WorkCall, work));
}

static void on_thread(void *data)
{
    WorkCall *call = data;

    do_work(call);
    uv_async_send(&call->ended);
}

static void on_thread_closed(uv_handle_t *handle)
{
    answer_work(CONTAINER_OF((uv_async_t *)handle, WorkCall, ended));
}

static void on_thread_ended(uv_async_t *async)
{
    WorkCall *call = CONTAINER_OF(async, WorkCall, ended);

    uv_thread_join(&call->thread);
    uv_close((uv_handle_t *)async, on_thread_closed);
}

/* What waits for a network has a thread of its own, since everything shares the pool. */
static void start_work(WorkCall *call)
{
    if (!call->kind->waits) {
        uv_queue_work(&call->app->loop, &call->work, on_pool, on_pool_done);
        return;
    }
    uv_async_init(&call->app->loop, &call->ended, on_thread_ended);
    if (uv_thread_create(&call->thread, on_thread, call) == 0)
        return;
    call->result = err_set(&call->err, EAGAIN, "start a thread");
    uv_close((uv_handle_t *)&call->ended, on_thread_closed);
}

static const char *query_copy(HttpRequest *request, const char *name, Arena *arena)
{
    const char *value = http_query(request, name);

    return value ? arena_strdup(arena, value) : "";
}

/* Whoever has interrupted the command wants it to end. */
static void stop_work(void *work)
{
    atomic_store(&((WorkCall *)work)->image_work.stop, true);
}

static void begin_work(App *app, HttpRequest *request, Bytes credentials)
{
    const ImageWorkKind *kind = image_work_find(request->path);
    WorkCall *call = mem_new_type(WorkCall);
    Arena *arena = &call->image_work.arena;

    call->app = app;
    call->kind = kind;
    call->image_work.images = image_store_ref(app->images);
    call->image_work.name = query_copy(request, "name", arena);
    call->image_work.other = query_copy(request, "other", arena);
    call->image_work.all = http_query(request, "all") != NULL;
    call->image_work.credentials = arena_bytes(arena, credentials);
    image_uses_collect(app, arena, &call->uses);
    call->image_work.uses = &call->uses;
    call->pending = pending_call_new(app, request);
    call->pending->work = call;
    call->pending->on_gone = stop_work;
    if (kind->begin)
        call->result = kind->begin(&call->image_work, &call->err);
    if (call->result != 0)
        answer_work(call);
    else
        start_work(call);
}

static void on_credentials(HttpRequest *request, Bytes body)
{
    begin_work(request->data, request, body);
}

void app_call_image_work(void *data, HttpRequest *request)
{
    const ImageWorkKind *kind = image_work_find(request->path);
    App *app = data;

    if (!app->images || !kind) {
        http_respond(request, 400, "text/plain", BYTES_LITERAL("there are no images\n"));
        return;
    }
    if (!kind->waits) {
        begin_work(app, request, BYTES_NULL);
        return;
    }
    request->data = app;
    request->body_limit = IMAGE_CREDENTIALS_MAX;
    request->on_body = on_credentials;
}
