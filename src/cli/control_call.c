/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>
#include <sys/un.h>
#include <uv.h>

#include "cli/control_call.h"
#include "http/client/client.h"

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

int control_call(const char *run_dir, const char *method, const char *path, int64_t timeout_ns,
                 StrBuf *ret_body, Err *reterr)
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

bool control_is_alive(const char *run_dir)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    _close_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/stead.sock", run_dir);
    return fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}
