/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>
#include <uv.h>

#include "daemon/control_socket.h"

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
