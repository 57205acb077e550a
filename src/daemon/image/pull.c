/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `stead image pull NAME...`
 *
 * The command finds the credentials of the user who runs it (also with credential helpers, which are programs in the user's
 * environment), and passes those for this image to the server, over a socket that only root can open. The server answers
 * with a stream: frames that end with a form feed, each of which shows the progress as lines for a terminal, and at last
 * "ok" or "error" with a text.
 */
#include <sys/ioctl.h>

#include "cli/control_call.h"
#include "cli/url.h"
#include "daemon/answer.h"
#include "daemon/image/calls.h"
#include "daemon/image/collect.h"
#include "daemon/image/credentials.h"
#include "daemon/image/verbs.h"
#include "http/client/client.h"
#include "image/pull/pull.h"

#define FRAME_MS 100
#define PULL_TIMEOUT_NS (INT64_C(24) * 3600 * 1000000000)

/* ---- progress as text ---- */

static void print_bytes(StrBuf *out, uint64_t n)
{
    if (n < 1000000)
        strbuf_printf(out, "%.1f kB", (double)n / 1e3);
    else if (n < 1000000000)
        strbuf_printf(out, "%.1f MB", (double)n / 1e6);
    else
        strbuf_printf(out, "%.2f GB", (double)n / 1e9);
}

static void print_layer(StrBuf *out, const PullLayerProgress *layer)
{
    const char *digest = strchr(layer->digest, ':');

    strbuf_printf(out, "%.12s  ", digest ? digest + 1 : layer->digest);
    switch (layer->state) {
    case PULL_LAYER_WAITS:
        strbuf_add_string(out, "waiting");
        break;
    case PULL_LAYER_FETCHED:
        print_bytes(out, layer->received);
        strbuf_add_string(out, " of ");
        print_bytes(out, layer->size);
        break;
    case PULL_LAYER_UNPACKED:
        strbuf_add_string(out, "unpacked");
        break;
    case PULL_LAYER_THERE:
        strbuf_add_string(out, layer->received ? "done" : "is there");
        break;
    }
    strbuf_add_char(out, '\n');
}

#define LINES_MAX 40 /* layers that are shown; the others are shown as a sum */

static void print_progress(StrBuf *out, const PullProgress *progress)
{
    if (progress->n_layers == 0)
        strbuf_add_string(out, progress->is_waiting ? "waiting for other pulls\n"
                                                    : "asking the registry\n");
    for (size_t i = 0; i < progress->n_layers && progress->n_layers <= LINES_MAX; i++)
        print_layer(out, &progress->layers[i]);
    if (progress->n_layers == 0)
        return;
    strbuf_printf(out, "%zu of %zu layers, ", progress->n_there, progress->n_layers);
    print_bytes(out, progress->received);
    strbuf_add_string(out, " of ");
    print_bytes(out, progress->size);
    strbuf_add_string(out, progress->is_waiting                      ? ", waiting for other pulls\n"
                           : progress->n_there == progress->n_layers ? ", writing to the disk\n"
                                                                     : "\n");
}

/* Prints the last line: "NAME: pulled ..." */
static void print_result(StrBuf *out, const PullResult *result)
{
    strbuf_printf(out, "%s: ", image_short_name(result->name));
    if (!result->is_new) {
        strbuf_printf(out, "is up to date, %.19s\n", result->id);
        return;
    }
    strbuf_printf(out, "pulled %.19s, ", result->id);
    print_bytes(out, (uint64_t)result->size);
    strbuf_printf(out, ", in %.1f s\n", (double)result->duration_ns / 1e9);
}

/* Shows a frame in place of the previous one. If the output is not a terminal, nothing is shown. */
static void show_frame(const char *text, size_t n, size_t *lines)
{
    struct winsize size;
    int width = ioctl(1, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;

    if (!isatty(1))
        return;
    if (*lines)
        printf("\033[%zuA", *lines);
    *lines = 0;
    for (const char *at = text, *end = text + n; at < end;) {
        size_t length = (size_t)((const char *)memchr(at, '\n', (size_t)(end - at)) - at);

        printf("\033[2K%.*s\n", (int)MIN_OF(length, (size_t)width - 1), at);
        at += length + 1;
        ++*lines;
    }
    printf("\033[J");
    fflush(stdout);
}

/* ---- the server's side ---- */

typedef struct PullCall {
    App *app;
    HttpRequest *request;
    Pull *pull;
    uv_timer_t timer;
} PullCall;

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void call_free(PullCall *call)
{
    uv_close((uv_handle_t *)&call->timer, on_timer_closed);
}

static void on_call_closed(HttpRequest *request)
{
    PullCall *call = request->data;

    if (call->pull)
        pull_give_up(call->pull);
    call_free(call);
}

static void on_frame_due(uv_timer_t *timer)
{
    PullCall *call = timer->data;
    _arena_ Arena arena = ARENA_INIT;
    _strbuf_ StrBuf text = STRBUF_INIT;
    PullProgress progress;

    if (!call->pull || http_stream_pending(call->request) > 0)
        return;
    pull_progress(call->pull, &arena, &progress);
    print_progress(&text, &progress);
    strbuf_add_char(&text, '\f');
    http_stream_write(call->request, strbuf_bytes(&text));
}

static void on_server_pulled(void *data, const PullResult *result)
{
    PullCall *call = data;
    _strbuf_ StrBuf text = STRBUF_INIT;

    call->pull = NULL;
    if (result->outcome == 0) {
        strbuf_add_string(&text, "ok ");
        print_result(&text, result);
        app_image_added(call->app);
    } else {
        strbuf_printf(&text, "error %s\n", result->err.message);
    }
    http_stream_write(call->request, strbuf_bytes(&text));
    http_stream_end(call->request);
}

static void on_pull_body(HttpRequest *request, Bytes body)
{
    App *app = request->data;
    PullCall *call = mem_new_type(PullCall);
    char id[DIGEST_TEXT];
    PullRequest wanted = {.name = http_query(request, "name"),
                          .platform = http_query(request, "platform"),
                          .keyring = keyring_new(),
                          .keyring_id = id,
                          .done = on_server_pulled,
                          .data = call};
    Err err = ERR_INIT;
    int r = image_credentials_read(body, wanted.keyring, &err);

    digest_of(body, id);
    if (r < 0)
        keyring_free(wanted.keyring);
    else
        call->pull = pull_begin(app->puller, &wanted, &err);
    if (!call->pull) {
        free(call);
        control_answer_error(request, &err);
        return;
    }
    call->app = app;
    call->request = request;
    request->data = call;
    request->on_close = on_call_closed;
    uv_timer_init(&app->loop, &call->timer);
    call->timer.data = call;
    uv_timer_start(&call->timer, on_frame_due, FRAME_MS, FRAME_MS);
    http_stream_begin(request, 200, "text/plain; charset=utf-8");
}

void app_call_image_pull(void *data, HttpRequest *request)
{
    App *app = data;

    if (!http_query(request, "name") || !app->puller) {
        http_respond(request, 400, "text/plain",
                     app->puller
                         ? BYTES_LITERAL("no image given\n")
                         : BYTES_LITERAL("this server asks no registries; its log says why\n"));
        return;
    }
    request->data = app;
    request->body_limit = IMAGE_CREDENTIALS_MAX;
    request->on_body = on_pull_body;
}

/* ---- the command's side ---- */

typedef struct Waiting {
    StrBuf text; /* not shown yet */
    size_t lines;
    bool done, failed;
    int status;
    Err *err;
} Waiting;

/* Shows the frames that are complete, and keeps the rest. */
static void on_piece(void *data, int status, Bytes piece)
{
    Waiting *w = data;
    char *at, *end;

    w->status = status;
    strbuf_add(&w->text, piece.p, piece.n);
    for (at = w->text.p; (end = memchr(at, '\f', w->text.n - (size_t)(at - w->text.p)));
         at = end + 1)
        show_frame(at, (size_t)(end - at), &w->lines);
    if (at > w->text.p) {
        size_t left = w->text.n - (size_t)(at - w->text.p);

        memmove(w->text.p, at, left);
        strbuf_truncate(&w->text, left);
    }
}

static void on_server_done(void *data, const HttpClientResponse *response)
{
    Waiting *w = data;
    const char *text = strbuf_string(&w->text);

    w->done = true;
    if (str_starts_with(text, "ok ")) {
        show_frame("", 0, &w->lines);
        fputs(text + 3, stdout);
        return;
    }
    w->failed = true;
    if (str_starts_with(text, "error "))
        text += strlen("error ");
    err_set(w->err, 0, "%.*s", (int)strcspn(text, "\n"),
            *text             ? text
            : response->error ? "the server did not answer"
                              : "the pull ended early");
}

static int pull_by_server(Options *options, const char *name, const StrBuf *credentials,
                          Err *reterr)
{
    _free_ char *address = mem_printf("unix:%s/stead.sock", options->run);
    _strbuf_ StrBuf path = STRBUF_INIT;
    HttpClientRequest request = {.address = address,
                                 .method = "POST",
                                 .host = "stead",
                                 .body = strbuf_bytes(credentials),
                                 .timeout_ns = PULL_TIMEOUT_NS};
    Waiting w = {.err = reterr};
    uv_loop_t loop;

    strbuf_add_string(&path, "/images/pull");
    url_add_query(&path, "name", name);
    if (options->platform)
        url_add_query(&path, "platform", options->platform);
    request.path = path.p;
    uv_loop_init(&loop);
    http_call(&loop, &request, on_piece, on_server_done, &w);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    strbuf_deinit(&w.text);
    return w.failed ? -EINVAL : 0;
}

/* A pull by the command itself, if no server is running. */
typedef struct DirectPull {
    Pull *pull;
    size_t lines;
    uv_timer_t timer;
    int outcome;
    Err *err;
} DirectPull;

static void on_direct_frame(uv_timer_t *timer)
{
    DirectPull *direct = timer->data;
    _arena_ Arena arena = ARENA_INIT;
    _strbuf_ StrBuf text = STRBUF_INIT;
    PullProgress progress;

    if (!direct->pull)
        return;
    pull_progress(direct->pull, &arena, &progress);
    print_progress(&text, &progress);
    show_frame(text.p, text.n, &direct->lines);
}

static void on_direct_pulled(void *data, const PullResult *result)
{
    DirectPull *direct = data;
    _strbuf_ StrBuf text = STRBUF_INIT;

    direct->pull = NULL;
    direct->outcome = result->outcome;
    uv_close((uv_handle_t *)&direct->timer, NULL);
    show_frame("", 0, &direct->lines);
    if (result->outcome) {
        *direct->err = result->err;
        return;
    }
    print_result(&text, result);
    fwrite(text.p, 1, text.n, stdout);
}

static int run_direct(ImageDirect *store, const RegistryConfig *config, const PullRequest *wanted,
                      Err *reterr)
{
    Puller *puller = puller_new(&store->loop, store->images, config);
    DirectPull direct = {.err = reterr};
    PullRequest request = *wanted;

    request.done = on_direct_pulled;
    request.data = &direct;
    uv_timer_init(&store->loop, &direct.timer);
    direct.timer.data = &direct;
    uv_timer_start(&direct.timer, on_direct_frame, FRAME_MS, FRAME_MS);
    direct.pull = pull_begin(puller, &request, reterr);
    if (!direct.pull) {
        direct.outcome = -EINVAL;
        uv_close((uv_handle_t *)&direct.timer, NULL);
    }
    uv_run(&store->loop, UV_RUN_DEFAULT);
    puller_close(puller);
    return direct.outcome ? -EINVAL : 0;
}

static int pull_directly(Options *options, const char *name, const StrBuf *credentials, Err *reterr)
{
    _registry_config_ RegistryConfig *config = NULL;
    PullRequest request = {.name = name, .platform = options->platform, .keyring = keyring_new()};
    ImageDirect direct = {0};
    int r = image_direct_open(&direct, options, reterr);

    if (r >= 0)
        r = registry_config_load(NULL, &config, reterr);
    if (r >= 0)
        r = image_credentials_read(strbuf_bytes(credentials), request.keyring, reterr);
    if (r >= 0)
        r = run_direct(&direct, config, &request, reterr);
    else
        keyring_free(request.keyring);
    image_direct_close(&direct);
    return r;
}

static int pull_one(Options *options, const char *name, Err *reterr)
{
    _strbuf_ StrBuf credentials = STRBUF_INIT;
    int r = image_credentials_find(options, name, &credentials, reterr);

    if (r >= 0)
        r = control_is_alive(options->run) ? pull_by_server(options, name, &credentials, reterr)
                                           : pull_directly(options, name, &credentials, reterr);
    if (credentials.n)
        explicit_bzero(credentials.p, credentials.n);
    return r < 0 ? err_wrap(reterr, "%s", name) : 0;
}

int image_verb_pull(Options *options, Err *reterr)
{
    int r = 0;

    for (size_t i = 1; r == 0 && i < options->n_words; i++)
        r = pull_one(options, options->words[i], reterr);
    return r;
}
