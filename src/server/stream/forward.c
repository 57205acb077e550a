/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pods/portforward: many TCP connections into a pod over one connection of the client, in one of
 * these forms:
 *
 *   SPDY (portforward.k8s.io), behind an upgrade or inside a WebSocket: a pair of streams for each
 *   connection, `data` and `error`, which name its port and share a request id
 *
 *   WebSocket (v4.channel.k8s.io): the query lists the ports; port number n has the channels 2n
 *   for data and 2n+1 for errors; each begins with its port in two bytes, little-endian
 *
 * A connection into the pod is made when its data stream is opened. When the pod closes it, both
 * streams are ended, which is what clients wait for. A channel cannot be ended, so a WebSocket is
 * closed when all its connections have ended.
 *
 * Back-pressure: a pod that does not read stops the whole connection once INPUT_MAX wait for it,
 * since none of the protocols' clients can hold back one stream; a client that does not read stops
 * the pods.
 */
#include "api/object.h"
#include "api/schema/core_pod_v1.h"
#include "base/vec.h"
#include "server/request/respond.h"
#include "server/stream/channels.h"
#include "server/stream/spdy.h"
#include "server/stream/stream.h"

#define INPUT_MAX ((size_t)128 * 1024)
#define PENDING_MAX ((size_t)128 * 1024)
#define LINK_PENDING_MAX ((size_t)512 * 1024)
/* Together with the two limits above, this bounds the memory of the connections of one client. */
#define PAIRS_MAX 256
#define PORTS_MAX 64
#define TUNNEL_PROTOCOL "SPDY/3.1+portforward.k8s.io"

static const char *const spdy_protocols[] = {"portforward.k8s.io", NULL};
static const char *const websocket_protocols[] = {TUNNEL_PROTOCOL, "v4.channel.k8s.io",
                                                  "v4.base64.channel.k8s.io", NULL};

typedef struct Forward Forward;

/* One connection, which exists until the pod's side and the client's streams have ended. */
typedef struct Pair {
    Forward *forward;
    uint16_t port;
    uint32_t request; /* without an id: that of the error stream */
    char *request_id;
    unsigned index; /* of a WebSocket's port */
    SpdyStream *data, *error;
    ForwardStream *stream;
    bool client_ended; /* the client sends no more */
    bool output_paused, input_full;
} Pair;

struct Forward {
    Server *server;
    char *ns, *pod, *uid;
    SpdyLink *link;
    Channels *ws;
    VEC(Pair *) pairs;
    unsigned full; /* the number of pairs whose pod does not read */
    bool closed;
};

/* ---- pairs ---- */

static Pair *pair_new(Forward *forward, uint16_t port)
{
    Pair *pair = mem_new_type(Pair);

    pair->forward = forward;
    pair->port = port;
    VEC_PUSH(&forward->pairs, pair);
    return pair;
}

static void forward_pause(Forward *forward, bool pause)
{
    if (forward->closed)
        return;
    if (forward->link)
        spdy_link_pause(forward->link, pause);
    else
        channels_pause(forward->ws, pause);
}

static void pair_emptied(Pair *pair)
{
    if (!pair->input_full)
        return;
    pair->input_full = false;
    if (--pair->forward->full == 0)
        forward_pause(pair->forward, false);
}

static void pair_free(Pair *pair)
{
    free(pair->request_id);
    free(pair);
}

/* Frees the pair once the connection and both streams are gone. */
static void pair_check(Pair *pair)
{
    Forward *forward = pair->forward;

    if (forward->closed || pair->stream || pair->data || pair->error)
        return;
    for (size_t i = 0; i < forward->pairs.n; i++)
        if (forward->pairs.v[i] == pair)
            forward->pairs.v[i--] = forward->pairs.v[--forward->pairs.n];
    pair_free(pair);
    if (forward->ws && forward->pairs.n == 0)
        channels_close(forward->ws);
}

/* Ends the streams of the pair. They may be freed when this returns. */
static void pair_end(Pair *pair)
{
    Forward *forward = pair->forward;
    Spdy *spdy = forward->link ? spdy_link_spdy(forward->link) : NULL;

    if (!spdy)
        return;
    if (pair->error)
        spdy_finish(spdy, pair->error);
    if (pair->data)
        spdy_finish(spdy, pair->data);
}

static void pair_error(Pair *pair, const char *message)
{
    Forward *forward = pair->forward;
    _free_ char *text = mem_printf("error forwarding port %u to pod %s, uid %s: %s", pair->port,
                                   forward->pod, forward->uid, message);

    if (forward->closed)
        return;
    if (forward->ws)
        channels_send(forward->ws, pair->index * 2 + 1, bytes_from_string(text));
    else if (pair->error)
        spdy_send(spdy_link_spdy(forward->link), pair->error, bytes_from_string(text));
}

/* ---- from the pod ---- */

static bool is_behind(const Pair *pair)
{
    const Forward *forward = pair->forward;

    if (forward->ws)
        return channels_pending(forward->ws) > LINK_PENDING_MAX;
    return spdy_link_pending(forward->link) > LINK_PENDING_MAX ||
           (pair->data && spdy_pending(pair->data) > PENDING_MAX);
}

static void on_pod_data(void *data, Bytes bytes)
{
    Pair *pair = data;
    Forward *forward = pair->forward;

    if (forward->closed)
        return;
    if (forward->ws)
        channels_send(forward->ws, pair->index * 2, bytes);
    else if (pair->data)
        spdy_send(spdy_link_spdy(forward->link), pair->data, bytes);
    if (pair->stream && !pair->output_paused && is_behind(pair)) {
        pair->output_paused = true;
        forward->server->streams->ops->forward_pause(pair->stream, true);
    }
}

static void on_pod_end(void *data)
{
    Pair *pair = data;

    if (pair->forward->ws)
        pair->forward->server->streams->ops->forward_end(pair->stream);
    else
        pair_end(pair);
}

static void on_pod_drain(void *data)
{
    pair_emptied(data);
}

static void on_pod_close(void *data, const char *message)
{
    Pair *pair = data;

    pair_emptied(pair);
    if (message)
        pair_error(pair, message);
    pair_end(pair);
    pair->stream = NULL;
    pair_check(pair);
}

static void pair_open(Pair *pair)
{
    static const ForwardSink sink = {on_pod_data, on_pod_end, on_pod_drain, on_pod_close, NULL};
    Forward *forward = pair->forward;
    PodStreams *streams = forward->server->streams;
    ForwardSink with = sink;
    _arena_ Arena arena = ARENA_INIT;
    ApiStatus status = {.reason = STATUS_OK};
    Object *pod = store_get(forward->server->store, &kind_pod, forward->ns, forward->pod);

    with.data = pair;
    if (!pod || !str_equal(object_meta(pod)->uid, forward->uid))
        status_set(&status, &arena, STATUS_NOT_FOUND, "pod not found (\"%s_%s\")", forward->pod,
                   forward->ns);
    else if (streams->ops->forward(streams, pod, pair->port, &with, &pair->stream, &status,
                                   &arena) == 0)
        return;
    pair->stream = NULL;
    pair_error(pair, status.message);
    pair_end(pair);
}

/* ---- from the client ---- */

static void pair_input(Pair *pair, Bytes bytes)
{
    Forward *forward = pair->forward;

    if (!pair->stream ||
        forward->server->streams->ops->forward_send(pair->stream, bytes) <= INPUT_MAX ||
        pair->input_full)
        return;
    pair->input_full = true;
    if (forward->full++ == 0)
        forward_pause(forward, true);
}

static void drained(Forward *forward)
{
    for (size_t i = 0; i < forward->pairs.n; i++) {
        Pair *pair = forward->pairs.v[i];

        if (pair->output_paused && pair->stream) {
            pair->output_paused = false;
            forward->server->streams->ops->forward_pause(pair->stream, false);
        }
    }
}

static void closed(Forward *forward)
{
    forward->closed = true;
    for (size_t i = 0; i < forward->pairs.n; i++) {
        Pair *pair = forward->pairs.v[i];

        if (pair->stream)
            forward->server->streams->ops->forward_close(pair->stream);
        pair_free(pair);
    }
    VEC_DEINIT(&forward->pairs);
    free(forward->ns);
    free(forward->pod);
    free(forward->uid);
    free(forward);
}

/* ---- SPDY ---- */

/* Returns the pair that the stream belongs to, or NULL if there are too many. Clients without
 * request ids open the error stream and then the data stream, so the ids of these are two apart.
 */
static Pair *spdy_pair(Forward *forward, const SpdyStream *stream, bool data, uint16_t port)
{
    const char *id = spdy_header(stream, "requestid");
    uint32_t number = data ? stream->id - 2 : stream->id;
    Pair *pair;

    for (size_t i = 0; i < forward->pairs.n; i++) {
        pair = forward->pairs.v[i];
        if (str_empty(id) ? !pair->request_id && pair->request == number
                          : str_equal(pair->request_id, id))
            return pair;
    }
    if (forward->pairs.n >= PAIRS_MAX)
        return NULL;
    pair = pair_new(forward, port);
    pair->request = number;
    pair->request_id = str_empty(id) ? NULL : mem_strdup(id);
    return pair;
}

static void on_stream(void *data, SpdyStream *stream)
{
    Forward *forward = data;
    Spdy *spdy = spdy_link_spdy(forward->link);
    const char *type = spdy_header(stream, "streamtype");
    bool is_data = str_equal(type, "data");
    SpdyStream **place;
    Pair *pair;
    int64_t port;

    if (str_to_int64(str_or(spdy_header(stream, "port"), ""), 1, UINT16_MAX, &port) ||
        (!is_data && !str_equal(type, "error"))) {
        spdy_reset(spdy, stream, SPDY_REFUSED_STREAM);
        return;
    }
    pair = spdy_pair(forward, stream, is_data, (uint16_t)port);
    if (!pair) {
        spdy_reset(spdy, stream, SPDY_REFUSED_STREAM);
        return;
    }
    place = is_data ? &pair->data : &pair->error;
    if (*place) {
        spdy_reset(spdy, stream, SPDY_STREAM_IN_USE);
        return;
    }
    *place = stream;
    stream->user = pair;
    spdy_reply(spdy, stream);
    if (is_data)
        pair_open(pair);
}

static void on_data(void *data _unused_, SpdyStream *stream, Bytes bytes)
{
    Pair *pair = stream->user;

    if (pair && pair->data == stream)
        pair_input(pair, bytes);
}

static void on_end(void *data, SpdyStream *stream)
{
    Forward *forward = data;
    Pair *pair = stream->user;

    if (!pair || pair->data != stream)
        return;
    pair->client_ended = true;
    if (pair->stream)
        forward->server->streams->ops->forward_end(pair->stream);
}

static void on_gone(void *data, SpdyStream *stream)
{
    Forward *forward = data;
    Pair *pair = stream->user;

    if (!pair)
        return;
    if (pair->error == stream) {
        pair->error = NULL;
    } else if (pair->data == stream) {
        pair->data = NULL;
        if (!pair->client_ended && pair->stream) { /* reset */
            forward->server->streams->ops->forward_close(TAKE_PTR(pair->stream));
            pair_emptied(pair);
        }
        if (!pair->stream && pair->error) {
            pair_end(pair); /* its error stream may be the last of it */
            return;
        }
    }
    pair_check(pair);
}

static void on_drain(void *data)
{
    drained(data);
}

static void on_close(void *data)
{
    closed(data);
}

/* ---- WebSocket ---- */

static void on_bytes(void *data, unsigned channel, Bytes bytes)
{
    Forward *forward = data;

    for (size_t i = 0; i < forward->pairs.n; i++)
        if (forward->pairs.v[i]->index * 2 == channel)
            pair_input(forward->pairs.v[i], bytes);
}

typedef struct Ports {
    uint16_t v[PORTS_MAX];
    size_t n;
    const char *bad; /* what is wrong */
    Arena *arena;
} Ports;

static void on_parameter(void *data, const char *name, const char *value)
{
    Ports *ports = data;

    if (strcmp(name, "ports") != 0 && strcmp(name, "port") != 0)
        return;
    for (const char *at = value;; at++) {
        size_t n = strcspn(at, ",");
        int64_t port;

        if (str_to_int64(arena_strndup(ports->arena, at, n), 1, UINT16_MAX, &port))
            ports->bad = arena_printf(ports->arena, "unable to parse \"%s\" as a port", value);
        else if (ports->n == PORTS_MAX)
            ports->bad = "too many ports";
        else
            ports->v[ports->n++] = (uint16_t)port;
        at += n;
        if (!*at)
            return;
    }
}

static bool start_channels(Call *call, Forward *forward, const char *protocol, const Ports *ports)
{
    static const ChannelsHandler handler = {on_bytes, on_drain, on_close};
    VEC(Pair *) pairs = VEC_INIT;

    forward->ws = channels_accept(call, protocol, str_equal(protocol, websocket_protocols[2]),
                                  &handler, forward);
    if (!forward->ws)
        return false;
    for (size_t i = 0; i < ports->n; i++) {
        const uint8_t port[2] = {(uint8_t)ports->v[i], (uint8_t)(ports->v[i] >> 8)};
        Pair *pair = pair_new(forward, ports->v[i]);

        pair->index = (unsigned)i;
        VEC_PUSH(&pairs, pair);
        channels_send(forward->ws, pair->index * 2, (Bytes){port, 2});
        channels_send(forward->ws, pair->index * 2 + 1, (Bytes){port, 2});
    }
    for (size_t i = 0; i < pairs.n; i++)
        pair_open(pairs.v[i]);
    for (size_t i = 0; i < pairs.n; i++) /* frees those that were refused at once */
        pair_check(pairs.v[i]);
    VEC_DEINIT(&pairs);
    return true;
}

/* ---- start ---- */

static void refuse(Call *call, const char *text)
{
    ApiStatus status = {.reason = STATUS_OK};

    status_set(&status, call->arena, STATUS_BAD_REQUEST, "%s", text);
    respond_status(call, &status);
}

static Forward *forward_new(Call *call, const Object *pod)
{
    Forward *forward = mem_new_type(Forward);

    forward->server = call->server;
    forward->ns = mem_strdup(call->route.ns);
    forward->pod = mem_strdup(call->route.name);
    forward->uid = mem_strdup(object_meta(pod)->uid);
    return forward;
}

void subresource_portforward(Call *call)
{
    static const SpdyLinkHandler handler = {on_stream, on_data,  on_end,
                                            on_gone,   on_drain, on_close};
    HttpRequest *request = call->request;
    bool websocket = http_wants_websocket(request), tunnel;
    Ports ports = {.arena = call->arena};
    ApiStatus status = {.reason = STATUS_OK};
    Object *pod = stream_pod_placed(call, &status);
    const char *protocol;
    Forward *forward;
    bool good;

    if (!pod) {
        respond_status(call, &status);
        return;
    }
    if (!websocket && !spdy_wanted(request)) {
        refuse(call, "Upgrade request required");
        return;
    }
    if (websocket ? !channels_negotiate(call, websocket_protocols, &protocol)
                  : !(protocol = spdy_negotiate(call, spdy_protocols)))
        return;
    tunnel = !websocket || str_equal(protocol, TUNNEL_PROTOCOL);
    if (!tunnel) {
        http_query_each(request, on_parameter, &ports);
        if (ports.bad || ports.n == 0) {
            refuse(call, str_or(ports.bad, "query parameter \"ports\" is required"));
            return;
        }
    }
    forward = forward_new(call, pod);
    if (tunnel) {
        forward->link = spdy_link_new(call, websocket ? protocol : NULL, &handler, forward);
        good = forward->link != NULL;
    } else {
        good = start_channels(call, forward, protocol, &ports);
    }
    if (!good) {
        closed(forward);
        refuse(call, "Upgrade request required");
    }
}
