/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sockets of the name server: UDP and TCP on one address. A packet is one unit of work, and an
 * error in it affects nothing else. A TCP client may send several questions; the answers are sent in
 * the order in which they become ready.
 *
 * TCP clients are limited in number, in total and per address: the oldest client is closed to make
 * room for a new one. They are limited in time: a client that completes no question for ten seconds is
 * closed. And they are limited in memory: a client is not read from while it does not read its answers
 * or while too many of its questions are being forwarded.
 */
#include <uv.h>

#include "api/schema/core_service_v1.h"
#include "api/schema/discovery_v1.h"
#include "base/list.h"
#include "base/log.h"
#include "base/observe/metrics.h"
#include "dns/dns.h"
#include "dns/forward.h"

#define MESSAGE_MAX 65535
#define TCP_CLIENTS_MAX 128
#define TCP_CLIENTS_OF_ADDRESS_MAX 16
#define TCP_IDLE_MS 10000
#define TCP_UNSENT_MAX (64 * 1024)
#define TCP_PENDING_MAX 16

struct DnsServer {
    uv_loop_t *loop;
    Client *client;
    ClientWatch *services, *slices;
    DnsZone *zone;
    Forwarder *forwarder;
    uv_udp_t udp;
    uv_tcp_t tcp;
    MetricSeries *packets[2][3]; /* by protocol and result */
    ListNode clients;
    size_t n_clients;
    int handles;
};

/* ---- the error boundary: packets are counted by outcome, dropped ones are logged ---- */

typedef enum Protocol { PROTOCOL_UDP, PROTOCOL_TCP } Protocol;

/* `outcome` is the result of dns_zone_answer(). */
static void count_packet(DnsServer *server, Protocol protocol, int outcome, size_t n,
                         uint32_t address)
{
    static const char *const protocols[] = {"udp", "tcp"};
    static const char *const results[] = {"answered", "forwarded", "dropped"};
    const uint8_t *from = (const uint8_t *)&address;
    size_t result = outcome == 0 ? 0 : outcome == DNS_E_FORWARD ? 1 : 2;
    MetricSeries **series = &server->packets[protocol][result];

    if (!*series)
        *series = METRIC_SERIES(METRIC_DNS_PACKETS, protocols[protocol], results[result]);
    metric_inc(*series);
    if (result < 2)
        return;
    log_limited(LOG_LEVEL_WARN, "dns", "dropped %zu bytes over %s from %u.%u.%u.%u: %s", n,
                protocols[protocol], from[0], from[1], from[2], from[3],
                outcome < 0 ? strerror(-outcome) : "not a question");
}

/* ---- UDP ---- */

typedef struct UdpQuestion {
    DnsServer *server;
    struct sockaddr_storage from;
} UdpQuestion;

static void udp_answer(DnsServer *server, const struct sockaddr *to, Bytes answer)
{
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)answer.p, (unsigned)answer.n);

    /* If the socket buffer is full, the packet is lost, as it may be in the network. The client asks
     * again. */
    if (answer.n)
        uv_udp_try_send(&server->udp, &buf, 1, to);
}

static void on_udp_forwarded(void *data, Bytes answer)
{
    UdpQuestion *question = data;

    udp_answer(question->server, (const struct sockaddr *)&question->from, answer);
    free(question);
}

static void on_alloc(uv_handle_t *handle _unused_, size_t suggested _unused_, uv_buf_t *buf)
{
    static _Thread_local char room[MESSAGE_MAX];

    *buf = uv_buf_init(room, sizeof(room));
}

static uint32_t udp_address(const struct sockaddr *from)
{
    return from->sa_family == AF_INET ? ((const struct sockaddr_in *)from)->sin_addr.s_addr : 0;
}

static void on_udp(uv_udp_t *udp, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from,
                   unsigned flags _unused_)
{
    DnsServer *server = udp->data;
    Bytes packet = {(const uint8_t *)buf->base, n > 0 ? (size_t)n : 0};
    uint8_t out[MESSAGE_MAX];
    UdpQuestion *question;
    size_t out_n;
    int outcome;

    if (n <= 0 || !from)
        return;
    error_trace_forget();
    outcome = dns_zone_answer(server->zone, packet, 0, out, &out_n);
    count_packet(server, PROTOCOL_UDP, outcome, packet.n, udp_address(from));
    switch (outcome) {
    case 0:
        udp_answer(server, from, (Bytes){out, out_n});
        return;
    case DNS_E_FORWARD:
        question = mem_new_type(UdpQuestion);
        question->server = server;
        memcpy(&question->from, from,
               from->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                           : sizeof(struct sockaddr_in));
        forwarder_ask(server->forwarder, packet, false, udp_address(from), on_udp_forwarded,
                      question);
        return;
    }
}

/* ---- TCP ---- */

typedef struct TcpClient {
    ListNode node;
    DnsServer *server;
    uv_tcp_t tcp;
    uv_timer_t timer;
    uint8_t in[MESSAGE_MAX + 2];
    size_t n;
    size_t pending; /* forwarded questions */
    uint32_t address;
    bool reading, running, closing;
    int handles;
} TcpClient;

static void tcp_client_release(TcpClient *client)
{
    if (!client->handles && !client->pending)
        free(client);
}

static void on_tcp_closed(uv_handle_t *handle)
{
    TcpClient *client = handle->data;

    client->handles--;
    tcp_client_release(client);
}

static void tcp_close(TcpClient *client)
{
    if (client->closing)
        return;
    client->closing = true;
    list_remove(&client->node);
    client->server->n_clients--;
    uv_close((uv_handle_t *)&client->tcp, on_tcp_closed);
    uv_close((uv_handle_t *)&client->timer, on_tcp_closed);
}

static void on_tcp_idle(uv_timer_t *timer)
{
    tcp_close(timer->data);
}

typedef struct TcpWrite {
    uv_write_t write;
    TcpClient *client;
    uint8_t bytes[];
} TcpWrite;

static void tcp_run(TcpClient *client);

static void on_tcp_written(uv_write_t *write, int status _unused_)
{
    TcpWrite *w = CONTAINER_OF(write, TcpWrite, write);
    TcpClient *client = w->client;

    free(w);
    tcp_run(client);
}

static void tcp_answer(TcpClient *client, Bytes answer)
{
    TcpWrite *w;
    uv_buf_t buf;

    if (client->closing || !answer.n)
        return;
    w = mem_resize(NULL, sizeof(*w) + answer.n + 2);
    w->client = client;
    w->bytes[0] = (uint8_t)(answer.n >> 8);
    w->bytes[1] = (uint8_t)answer.n;
    memcpy(w->bytes + 2, answer.p, answer.n);
    buf = uv_buf_init((char *)w->bytes, (unsigned)(answer.n + 2));
    if (uv_write(&w->write, (uv_stream_t *)&client->tcp, &buf, 1, on_tcp_written) < 0)
        free(w);
}

static void on_tcp_forwarded(void *data, Bytes answer)
{
    TcpClient *client = data;

    client->pending--;
    tcp_answer(client, answer);
    tcp_run(client);
    tcp_client_release(client);
}

static void tcp_question(TcpClient *client, Bytes packet)
{
    static _Thread_local uint8_t out[MESSAGE_MAX];
    size_t n;
    int outcome;

    error_trace_forget();
    outcome = dns_zone_answer(client->server->zone, packet, MESSAGE_MAX, out, &n);
    count_packet(client->server, PROTOCOL_TCP, outcome, packet.n, client->address);
    switch (outcome) {
    case 0:
        tcp_answer(client, (Bytes){out, n});
        return;
    case DNS_E_FORWARD:
        client->pending++;
        forwarder_ask(client->server->forwarder, packet, true, client->address, on_tcp_forwarded,
                      client);
        return;
    default:
        tcp_close(client);
    }
}

static void on_tcp_alloc(uv_handle_t *handle, size_t suggested _unused_, uv_buf_t *buf)
{
    TcpClient *client = handle->data;

    *buf = uv_buf_init((char *)client->in + client->n, (unsigned)(sizeof(client->in) - client->n));
}

static void on_tcp_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf _unused_)
{
    TcpClient *client = stream->data;

    if (n < 0) {
        tcp_close(client);
        return;
    }
    client->n += (size_t)n;
    tcp_run(client);
}

static bool may_ask(const TcpClient *client)
{
    return !client->closing && client->pending < TCP_PENDING_MAX &&
           uv_stream_get_write_queue_size((const uv_stream_t *)&client->tcp) < TCP_UNSENT_MAX;
}

/* Processes the received questions while the client reads its answers, then continues reading. */
static void tcp_run(TcpClient *client)
{
    bool read;

    if (client->running || client->closing)
        return;
    client->running = true;
    while (client->n >= 2 && may_ask(client)) {
        size_t length = (size_t)(client->in[0] << 8 | client->in[1]);

        if (client->n < length + 2)
            break;
        uv_timer_again(&client->timer);
        tcp_question(client, (Bytes){client->in + 2, length});
        client->n -= length + 2;
        memmove(client->in, client->in + length + 2, client->n);
    }
    client->running = false;
    if (client->closing)
        return;
    read = may_ask(client);
    if (read && !client->reading)
        uv_read_start((uv_stream_t *)&client->tcp, on_tcp_alloc, on_tcp_read);
    else if (!read && client->reading)
        uv_read_stop((uv_stream_t *)&client->tcp);
    client->reading = read;
}

static uint32_t tcp_address(const uv_tcp_t *tcp)
{
    struct sockaddr_storage name = {.ss_family = AF_UNSPEC};
    int n = sizeof(name);

    if (uv_tcp_getpeername(tcp, (struct sockaddr *)&name, &n) < 0 || name.ss_family != AF_INET)
        return 0;
    return ((const struct sockaddr_in *)&name)->sin_addr.s_addr;
}

/* Makes room for a new client by closing the oldest one of its address, or of all. */
static void tcp_make_room(DnsServer *server, uint32_t address)
{
    TcpClient *oldest = NULL;
    size_t n = 0;

    LIST_EACH(&server->clients, node) {
        TcpClient *client = CONTAINER_OF(node, TcpClient, node);

        if (client->address != address)
            continue;
        oldest = oldest ? oldest : client;
        n++;
    }
    if (n >= TCP_CLIENTS_OF_ADDRESS_MAX)
        tcp_close(oldest);
    else if (server->n_clients >= TCP_CLIENTS_MAX)
        tcp_close(CONTAINER_OF(server->clients.next, TcpClient, node));
}

static void on_connection(uv_stream_t *listener, int status)
{
    DnsServer *server = listener->data;
    TcpClient *client;

    if (status < 0)
        return;
    client = mem_new_type(TcpClient);
    client->server = server;
    client->handles = 2;
    uv_tcp_init(server->loop, &client->tcp);
    uv_timer_init(server->loop, &client->timer);
    client->tcp.data = client->timer.data = client;
    if (uv_accept(listener, (uv_stream_t *)&client->tcp) == 0) {
        int room = TCP_UNSENT_MAX;

        /* Unsent answers in the kernel's buffer use memory, too. */
        uv_send_buffer_size((uv_handle_t *)&client->tcp, &room);
        client->address = tcp_address(&client->tcp);
        tcp_make_room(server, client->address);
    }
    list_append(&server->clients, &client->node);
    server->n_clients++;
    uv_timer_start(&client->timer, on_tcp_idle, TCP_IDLE_MS, TCP_IDLE_MS);
    tcp_run(client);
}

size_t dns_server_unsent(const DnsServer *server)
{
    size_t n = 0;

    LIST_EACH(&server->clients, node)
        n += uv_stream_get_write_queue_size(
            (const uv_stream_t *)&CONTAINER_OF(node, TcpClient, node)->tcp);
    return n;
}

/* ---- start, stop ---- */

static void on_event(void *data, const WatchEvent *event)
{
    dns_zone_on_event(data, event);
}

static void on_closed(uv_handle_t *handle)
{
    DnsServer *server = handle->data;

    if (--server->handles == 0)
        free(server);
}

DnsServer *dns_server_stop(DnsServer *server)
{
    if (!server)
        return NULL;
    client_watch_stop(server->client, server->services);
    client_watch_stop(server->client, server->slices);
    forwarder_free(server->forwarder);
    LIST_EACH_SAFE(&server->clients, node) {
        TcpClient *client = CONTAINER_OF(node, TcpClient, node);

        client->pending = 0; /* the forwarder has been freed and calls nothing back */
        tcp_close(client);
    }
    server->zone = dns_zone_free(server->zone);
    uv_close((uv_handle_t *)&server->udp, on_closed);
    uv_close((uv_handle_t *)&server->tcp, on_closed);
    return NULL;
}

static int bind_both(DnsServer *server, const DnsOptions *options, Err *reterr)
{
    struct sockaddr_in address;
    int r = uv_ip4_addr(options->address, options->port, &address);

    if (r == 0)
        r = uv_udp_bind(&server->udp, (const struct sockaddr *)&address, 0);
    if (r == 0)
        r = uv_udp_recv_start(&server->udp, on_alloc, on_udp);
    if (r == 0)
        r = uv_tcp_bind(&server->tcp, (const struct sockaddr *)&address, 0);
    if (r == 0)
        r = uv_listen((uv_stream_t *)&server->tcp, 64, on_connection);
    return r < 0 ? err_set(reterr, -r, "cannot answer names on %s:%u", options->address,
                           options->port)
                 : 0;
}

int dns_server_start(struct uv_loop_s *loop, Client *client, const DnsOptions *options,
                     DnsServer **ret, Err *reterr)
{
    DnsServer *server = mem_new_type(DnsServer);
    int r;

    server->loop = loop;
    server->client = client;
    server->zone = dns_zone_new(options->domain);
    server->forwarder = forwarder_new(loop, options->resolv_conf, options->address);
    list_init(&server->clients);
    uv_udp_init(loop, &server->udp);
    uv_tcp_init(loop, &server->tcp);
    server->udp.data = server->tcp.data = server;
    server->handles = 2;
    r = bind_both(server, options, reterr);
    if (r < 0) {
        dns_server_stop(server);
        return r;
    }
    server->services = client_watch(client, &kind_service, NULL, on_event, server->zone);
    server->slices = client_watch(client, &kind_endpoint_slice, NULL, on_event, server->zone);
    *ret = server;
    return 0;
}
