/* SPDX-License-Identifier: Apache-2.0 */
/* The pages that the node agent serves itself, below nodes/NAME/proxy/. */
#include "server/proxy/node_page.h"

#include "server/request/respond.h"

typedef struct PageCall {
    Call *call;
    PodStreams *streams;
    NodePage *page; /* NULL until the node has begun with it */
} PageCall;

static void answer_no_page(Call *call)
{
    http_respond(call->request, 404, "text/plain; charset=utf-8",
                 BYTES_LITERAL("404 page not found\n"));
}

static void on_page(void *data, const char *type, const StrBuf *text)
{
    PageCall *wait = data;
    Call *call = wait->call;

    call->stream = NULL;
    free(wait);
    if (type)
        http_respond(call->request, 200, type, strbuf_bytes(text));
    else
        answer_no_page(call);
}

/* The request has ended before the page was there. */
static void on_closed(void *stream)
{
    PageCall *wait = stream;

    wait->streams->ops->node_cancel(wait->page);
    free(wait);
}

static void ask_node(Call *call, PodStreams *streams, const char *path)
{
    PageCall *wait = mem_new_type(PageCall);
    NodePage *page;

    wait->call = call;
    wait->streams = streams;
    call->stream = wait;
    call->stream_close = on_closed;
    page = streams->ops->node(streams, path, on_page, wait);
    if (page)
        wait->page = page;
}

void node_page_answer(Call *call, const char *path)
{
    PodStreams *streams = call->server->streams;
    bool get = str_equal(call->request->method, "GET") || str_equal(call->request->method, "HEAD");
    ApiStatus status;

    if (!streams) {
        status_set(&status, call->arena, STATUS_UNAVAILABLE, "the node agent is not running");
        respond_status(call, &status);
    } else if (!get || !streams->ops->node) {
        answer_no_page(call);
    } else {
        ask_node(call, streams, path);
    }
}
