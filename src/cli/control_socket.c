/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <uv.h>

#include "base/file.h"
#include "cli/control_socket.h"

struct ControlSocket {
    HttpServer *http;
    char *path;
    const ControlCall *calls;
    size_t n;
    void *data;
};

static void on_request(void *data, HttpRequest *request)
{
    ControlSocket *socket = data;
    bool path_known = false;

    for (size_t i = 0; i < socket->n; i++) {
        if (!str_equal(socket->calls[i].path, request->path))
            continue;
        path_known = true;
        if (str_equal(socket->calls[i].method, request->method)) {
            socket->calls[i].run(socket->data, request);
            return;
        }
    }
    http_respond(request, path_known ? 405 : 404, "text/plain", BYTES_LITERAL("no such call\n"));
}

int control_socket_open(struct uv_loop_s *loop, const char *run_dir, const ControlCall *calls,
                        size_t n, void *data, ControlSocket **ret, Err *reterr)
{
    ControlSocket *socket = mem_new_type(ControlSocket);
    HttpServerOptions options = {.limits = http_limits_default,
                                 .handler = {.on_request = on_request, .data = socket}};
    _free_ char *address = mem_printf("unix:%s/stead.sock", run_dir);
    mode_t mask;
    int r;

    socket->path = mem_printf("%s/stead.sock", run_dir);
    socket->calls = calls;
    socket->n = n;
    socket->data = data;
    socket->http = http_server_new(loop, &options);
    unlink(socket->path); /* of a server that was killed; a living one holds the lock on the data
                             folder */
    mask = umask(0177);
    r = http_server_listen(socket->http, address, reterr);
    umask(mask);
    if (r < 0) {
        control_socket_close(socket);
        return r;
    }
    *ret = socket;
    return 0;
}

ControlSocket *control_socket_close(ControlSocket *socket)
{
    if (!socket)
        return NULL;
    http_server_free(socket->http);
    unlink(socket->path);
    free(socket->path);
    free(socket);
    return NULL;
}

/* ---- the command's side ---- */

typedef struct Answer {
    StrBuf *body;
    int status;
    Err *err;
} Answer;

static void on_answer(void *data, const HttpClientResponse *response)
{
    Answer *answer = data;

    if (response->error) {
        answer->status = response->error;
        err_set(answer->err, -response->error, "the server did not answer");
        return;
    }
    answer->status = response->status;
    if (answer->body)
        strbuf_add(answer->body, response->body.p, response->body.n);
}

int control_socket_call(const char *run_dir, const char *method, const char *path,
                        int64_t timeout_ns, StrBuf *ret_body, Err *reterr)
{
    _free_ char *address = mem_printf("unix:%s/stead.sock", run_dir);
    Answer answer = {.body = ret_body, .err = reterr};
    HttpClientRequest request = {.address = address,
                                 .method = method,
                                 .path = path,
                                 .host = "stead",
                                 .timeout_ns = timeout_ns,
                                 .body_limit = 16 * 1024 * 1024};
    uv_loop_t loop;

    uv_loop_init(&loop);
    http_call(&loop, &request, NULL, on_answer, &answer);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return answer.status;
}

bool control_socket_alive(const char *run_dir)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    _close_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/stead.sock", run_dir);
    return fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

void control_socket_encode(StrBuf *out, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (isalnum(*c) || strchr("-._~/", *c))
            strbuf_add_char(out, (char)*c);
        else
            strbuf_printf(out, "%%%02X", *c);
    }
}
