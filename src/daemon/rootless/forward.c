/* SPDX-License-Identifier: Apache-2.0 */
#include "base/list.h"
#include "daemon/rootless/forward.h"

#define BACKLOG 1024
#define PIECE 16384

struct Forwards {
    uv_loop_t *loop;
    ListNode pairs;
    size_t n_pairs, n_ports;
    bool freed; /* the last pair or port frees it */
};

struct ForwardPort {
    Forwards *forwards;
    uv_tcp_t listener;
    struct sockaddr_in target;
};

/* One direction of a connection: from an end to the other one. */
typedef struct Flow {
    char piece[PIECE];
    uv_write_t write;
    uv_shutdown_t shutdown;
    bool ended;
} Flow;

typedef struct Pair {
    Forwards *forwards;
    uv_tcp_t ends[2]; /* of the machine, and inside */
    Flow flows[2];    /* flows[i] begins at ends[i] */
    uv_connect_t connect;
    unsigned open; /* handles that are not closed yet */
    bool closing;
    ListNode node;
} Pair;

static void release(Forwards *forwards)
{
    if (forwards->freed && !forwards->n_pairs && !forwards->n_ports)
        free(forwards);
}

/* ---- connections ---- */

static void on_end_closed(uv_handle_t *handle)
{
    Pair *pair = handle->data;
    Forwards *forwards = pair->forwards;

    if (--pair->open > 0)
        return;
    list_remove(&pair->node);
    forwards->n_pairs--;
    free(pair);
    release(forwards);
}

/* A reset tells the peers that the connection did not end as the other one wanted. */
static void pair_close(Pair *pair, bool reset)
{
    if (pair->closing)
        return;
    pair->closing = true;
    for (size_t i = 0; i < 2; i++)
        if (!reset || uv_tcp_close_reset(&pair->ends[i], on_end_closed) < 0)
            uv_close((uv_handle_t *)&pair->ends[i], on_end_closed);
}

static size_t index_of(const Pair *pair, const void *end)
{
    return end == &pair->ends[1];
}

static void on_alloc(uv_handle_t *handle, size_t size _unused_, uv_buf_t *ret)
{
    Pair *pair = handle->data;

    *ret = uv_buf_init(pair->flows[index_of(pair, handle)].piece, PIECE);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void on_written(uv_write_t *write, int status)
{
    Pair *pair = write->handle->data;
    size_t from = !index_of(pair, write->handle);

    if (pair->closing)
        return;
    if (status < 0 || uv_read_start((uv_stream_t *)&pair->ends[from], on_alloc, on_read) < 0)
        pair_close(pair, true);
}

static void on_shut_down(uv_shutdown_t *shutdown, int status)
{
    Pair *pair = shutdown->handle->data;

    if (status < 0 || (pair->flows[0].ended && pair->flows[1].ended))
        pair_close(pair, status < 0);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    Pair *pair = stream->data;
    size_t i = index_of(pair, stream);
    uv_stream_t *to = (uv_stream_t *)&pair->ends[!i];
    uv_buf_t piece = uv_buf_init(buf->base, (unsigned)MAX_OF(n, 0));
    Flow *flow = &pair->flows[i];
    int r;

    if (n == 0)
        return;
    uv_read_stop(stream);
    if (n > 0) {
        r = uv_write(&flow->write, to, &piece, 1, on_written);
    } else if (n == UV_EOF) {
        flow->ended = true;
        r = uv_shutdown(&flow->shutdown, to, on_shut_down);
    } else {
        r = (int)n;
    }
    if (r < 0)
        pair_close(pair, true);
}

static void on_connected(uv_connect_t *connect, int status)
{
    Pair *pair = connect->handle->data;

    if (pair->closing)
        return;
    for (size_t i = 0; status == 0 && i < 2; i++)
        status = uv_read_start((uv_stream_t *)&pair->ends[i], on_alloc, on_read);
    if (status < 0)
        pair_close(pair, true);
}

static void on_incoming(uv_stream_t *listener, int status)
{
    ForwardPort *port = listener->data;
    Forwards *forwards = port->forwards;
    Pair *pair;

    if (status < 0)
        return;
    pair = mem_new_type(Pair);
    pair->forwards = forwards;
    pair->open = 2;
    list_append(&forwards->pairs, &pair->node);
    forwards->n_pairs++;
    for (size_t i = 0; i < 2; i++) {
        uv_tcp_init(forwards->loop, &pair->ends[i]);
        pair->ends[i].data = pair;
    }
    if (uv_accept(listener, (uv_stream_t *)&pair->ends[0]) < 0 ||
        forwards->n_pairs > FORWARD_CONNECTIONS) {
        pair_close(pair, true);
        return;
    }
    for (size_t i = 0; i < 2; i++)
        uv_tcp_nodelay(&pair->ends[i], 1);
    if (uv_tcp_connect(&pair->connect, &pair->ends[1], (struct sockaddr *)&port->target,
                       on_connected) < 0)
        pair_close(pair, true);
}

/* ---- ports ---- */

static void on_port_closed(uv_handle_t *handle)
{
    ForwardPort *port = handle->data;
    Forwards *forwards = port->forwards;

    free(port);
    forwards->n_ports--;
    release(forwards);
}

ForwardPort *forward_open(Forwards *forwards, int fd, const char *address, uint16_t number)
{
    ForwardPort *port = mem_new_type(ForwardPort);

    port->forwards = forwards;
    forwards->n_ports++;
    uv_tcp_init(forwards->loop, &port->listener);
    port->listener.data = port;
    if (uv_ip4_addr(address, number, &port->target) == 0 && uv_tcp_open(&port->listener, fd) == 0 &&
        uv_listen((uv_stream_t *)&port->listener, BACKLOG, on_incoming) == 0)
        return port;
    return forward_close(port);
}

ForwardPort *forward_close(ForwardPort *port)
{
    if (port)
        uv_close((uv_handle_t *)&port->listener, on_port_closed);
    return NULL;
}

Forwards *forwards_new(uv_loop_t *loop)
{
    Forwards *forwards = mem_new_type(Forwards);

    forwards->loop = loop;
    list_init(&forwards->pairs);
    return forwards;
}

Forwards *forwards_free(Forwards *forwards)
{
    LIST_EACH(&forwards->pairs, node)
        pair_close(CONTAINER_OF(node, Pair, node), true);
    forwards->freed = true;
    release(forwards);
    return NULL;
}
