/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of the control socket, which answer in plain text. */
#include <signal.h>

#include "api/condition.h"
#include "api/schema/core_pod_v1.h"
#include "base/files/file.h"
#include "base/strbuf.h"
#include "cli/place.h"
#include "daemon/answer.h"
#include "daemon/daemon.h"
#include "daemon/image/calls.h"
#include "daemon/rootless/rootless.h"
#include "daemon/user_access.h"
#include "daemon/volume_calls.h"

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

/* ---- status ---- */

typedef struct PodCount {
    size_t all, ready;
} PodCount;

static bool count_pod(void *data, Object *object)
{
    const Pod *pod = OBJECT_AS(Pod, object);
    PodCount *count = data;

    count->all++;
    count->ready += CONDITION_IS_TRUE(&pod->status.conditions, "Ready");
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

static void print_status(void *data, Arena *arena _unused_, StrBuf *text)
{
    App *app = data;
    int64_t up = (clock_mono_ns(app->clock) - app->started_ns) / NS_PER_SEC, kib = resident_kib();
    _free_ char *facts = place_is_inside() ? rootless_facts(app->options->run) : NULL;
    PodCount count = {0};

    client_list(app_client(app), &kind_pod, NULL, count_pod, &count);
    strbuf_printf(text,
                  "stead %s is running, pid %d, up %" PRId64 "h%02" PRId64 "m%02" PRId64 "s\n",
                  STEAD_VERSION, (int)getpid(), up / 3600, up / 60 % 60, up % 60);
    strbuf_printf(text, "API:     https://%s:%u\n", app->listen_address, app->port);
    strbuf_printf(text, "Node:    %s\n", app->options->node_name);
    strbuf_printf(text, "Pods:    %zu, %zu ready\n", count.all, count.ready);
    strbuf_printf(text, "Memory:  %.1f MiB\n", (double)kib / 1024);
    strbuf_printf(text, "Data:    %s\n", app->options->data);
    strbuf_printf(text, "Run:     %s\n", app->options->run);
    if (facts)
        strbuf_add_string(text, facts);
}

static void call_status(void *data, HttpRequest *request)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    print_status(data, &request->arena, &text);
    control_answer(request, 200, &text);
}

static void call_options(void *data, HttpRequest *request)
{
    App *app = data;
    _strbuf_ StrBuf text = STRBUF_INIT;

    options_print_local(app->options, &text);
    control_answer(request, 200, &text);
}

/* ---- stop ---- */

static void stop(void)
{
    uv_kill(getpid(), SIGTERM);
}

static void on_told(HttpRequest *request _unused_)
{
    stop();
}

/* Tells the command which process ends. The stop begins when the answer has left, or the command is gone. */
static void call_stop(void *data _unused_, HttpRequest *request)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    strbuf_printf(&text, "%d\n", (int)getpid());
    request->on_close = on_told;
    control_answer(request, 200, &text);
}

static void on_pods_gone(void *data)
{
    HttpRequest *request = pending_call_end(data);

    if (request)
        call_stop(NULL, request);
    else
        stop();
}

static void call_down(void *data, HttpRequest *request)
{
    App *app = data;

    if (app->node)
        node_shutdown(app->node, on_pods_gone, pending_call_new(app, request));
    else
        call_stop(app, request);
}

/* ---- users ---- */

/* Issues a client certificate for a user of this machine. The answer is the certificate and then its key. */
static void call_user_certificate(void *data, HttpRequest *request)
{
    App *app = data;
    const char *name = http_query(request, "name"), *group = http_query(request, "group");
    const char *groups[] = {group, USER_GROUP_ALL, NULL};
    _free_ char *pem = NULL, *key_pem = NULL;
    _strbuf_ StrBuf text = STRBUF_INIT;
    Err err = ERR_INIT;

    if (str_empty(name) || str_empty(group)) {
        http_respond(request, 400, "text/plain", BYTES_LITERAL("no user or no group given\n"));
        return;
    }
    if (pki_issue_client(app->pki, name, groups, app->clock, &pem, &key_pem, &err) < 0) {
        control_answer_error(request, &err);
        return;
    }
    strbuf_printf(&text, "%s%s", pem, key_pem);
    control_answer(request, 200, &text);
}

/* clang-format off */
static const ControlCall calls[] = {
    {"GET",    "/status", call_status},
    {"GET",    "/options", call_options},
    {"POST",   "/stop",   call_stop},
    {"POST",   "/down",   call_down},
    {"GET",    "/images", app_call_image_list},
    {"GET",    "/images/inspect", app_call_image_work},
    {"POST",   "/images/remove", app_call_image_work},
    {"POST",   "/images/prune", app_call_image_work},
    {"POST",   "/images/tag", app_call_image_work},
    {"POST",   "/images/export", app_call_image_work},
    {"POST",   "/images/push", app_call_image_work},
    {"GET",    "/images/config", app_call_image_config},
    {"POST",   "/images", app_call_image_import},
    {"POST",   "/images/pull", app_call_image_pull},
    {"POST",   "/users",  call_user_certificate},
    {"GET",    "/volumes", app_call_volume_list},
};
/* clang-format on */

/* What users without access to the control socket may read, through the API and with their own certificate. */
static const ServerPage pages[] = {
    {"/stead/status", print_status},
    {"/stead/images", app_print_images},
    {"/stead/volumes", app_print_volumes},
};

int app_open_socket(App *app, Err *reterr)
{
    server_set_pages(app->server, pages, ARRAY_LEN(pages), app);
    return control_socket_open(&app->loop, app->options->run, calls, ARRAY_LEN(calls), app,
                               &app->socket, reterr);
}
