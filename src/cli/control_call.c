/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>
#include <sys/un.h>
#include <uv.h>

#include "cli/cluster.h"
#include "cli/command.h"
#include "cli/control_call.h"
#include "http/client/client.h"

#define READ_TIMEOUT_NS (INT64_C(10) * 1000000000)

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

int control_call(const char *run_dir, const char *method, const char *path, Bytes body,
                 int64_t timeout_ns, StrBuf *ret_body, Err *reterr)
{
    _free_ char *address = mem_printf("unix:%s/stead.sock", run_dir);
    Answer answer = {.body = ret_body, .err = reterr};
    HttpClientRequest request = {.address = address,
                                 .method = method,
                                 .path = path,
                                 .host = "stead",
                                 .body = body,
                                 .timeout_ns = timeout_ns,
                                 .body_limit = 16 * 1024 * 1024};
    uv_loop_t loop;

    uv_loop_init(&loop);
    http_call(&loop, &request, NULL, on_answer, &answer);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return answer.status;
}

bool control_reaches(const Options *options)
{
    return geteuid() == 0 || options->rootless;
}

static int read_socket(const Options *options, const char *page, StrBuf *ret)
{
    Err err = ERR_INIT;
    int status;

    if (!control_is_alive(options->run)) {
        fprintf(stderr, "stead: the server is not running. Start it with: stead up\n");
        return 1;
    }
    status = control_call(options->run, "GET", page, BYTES_NULL, READ_TIMEOUT_NS, ret, &err);
    if (status < 0)
        return fail(&err);
    if (status != 200)
        fprintf(stderr, "stead: %s", strbuf_string(ret));
    return status != 200;
}

static int read_page(const Options *options, const char *page, StrBuf *ret)
{
    Cluster cluster = {0};
    ClusterReply reply;
    int r = cluster_open(options, &cluster);

    if (r == 0)
        r = cluster_call(&cluster,
                         &(ClusterCall){.path = arena_printf(cluster.arena, "/stead%s", page),
                                        .accept = "text/plain",
                                        .timeout_ns = READ_TIMEOUT_NS},
                         &reply);
    if (r == 0)
        strbuf_add(ret, reply.body.p, reply.body.n);
    cluster_close(&cluster);
    return r;
}

int control_read(const Options *options, const char *page, StrBuf *ret)
{
    return (control_reaches(options) ? read_socket : read_page)(options, page, ret);
}

bool control_is_alive(const char *run_dir)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    _close_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/stead.sock", run_dir);
    return fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}
