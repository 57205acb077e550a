/* SPDX-License-Identifier: Apache-2.0 */
/* Transports the frames of SPDY over an upgraded connection or a WebSocket. */
#include "base/time/clock.h"
#include "server/stream/spdy.h"

#define LEAVE_NS (5 * NS_PER_SEC)

struct SpdyLink {
    Server *server;
    Spdy *spdy; /* NULL: closed */
    HttpRaw *raw;
    WebSocket *ws;
    SpdyLinkHandler handler;
    void *data;
    Timer leave;
};

static void leave_now(SpdyLink *link)
{
    if (link->raw)
        raw_close(link->raw);
    else if (link->ws)
        websocket_close(link->ws, 1000, "");
}

/* ---- from SPDY ---- */

static void on_stream(void *data, SpdyStream *stream)
{
    SpdyLink *link = data;

    link->handler.on_stream(link->data, stream);
}

static void on_data(void *data, SpdyStream *stream, Bytes bytes)
{
    SpdyLink *link = data;

    link->handler.on_data(link->data, stream, bytes);
}

static void on_end(void *data, SpdyStream *stream)
{
    SpdyLink *link = data;

    link->handler.on_end(link->data, stream);
}

static void on_gone(void *data, SpdyStream *stream)
{
    SpdyLink *link = data;

    link->handler.on_gone(link->data, stream);
}

static void on_goaway(void *data)
{
    leave_now(data);
}

static void send_bytes(void *data, Bytes bytes)
{
    SpdyLink *link = data;

    if (link->raw)
        raw_send(link->raw, bytes);
    else if (link->ws)
        websocket_send(link->ws, false, bytes);
}

/* ---- from the connection ---- */

static void feed(SpdyLink *link, Bytes bytes)
{
    if (link->spdy && spdy_feed(link->spdy, bytes))
        leave_now(link);
}

static void closed(SpdyLink *link)
{
    timer_stop(link->server->clock, &link->leave);
    link->spdy = spdy_free(link->spdy);
    link->raw = NULL;
    link->ws = NULL;
    link->handler.on_close(link->data);
}

static void drained(SpdyLink *link)
{
    if (link->spdy)
        link->handler.on_drain(link->data);
}

static void on_raw_data(HttpRaw *raw _unused_, void *data, Bytes bytes)
{
    feed(data, bytes);
}

static void on_raw_drain(HttpRaw *raw _unused_, void *data)
{
    drained(data);
}

static void on_raw_close(HttpRaw *raw _unused_, void *data)
{
    closed(data);
}

static void on_ws_message(WebSocket *ws _unused_, void *data, bool text _unused_, Bytes message)
{
    feed(data, message);
}

static void on_ws_drain(WebSocket *ws _unused_, void *data)
{
    drained(data);
}

static void on_ws_close(WebSocket *ws _unused_, void *data)
{
    closed(data);
}

/* ---- for handlers ---- */

bool spdy_wanted(const HttpRequest *request)
{
    const char *upgrade = http_header(request, "upgrade");

    return upgrade && strcasecmp(upgrade, SPDY_PROTOCOL) == 0;
}

/* The next name of a comma-separated list; NULL at its end. */
static const char *next_offer(Arena *arena, const char **at)
{
    size_t n;

    *at += strspn(*at, " \t,");
    n = strcspn(*at, " \t,");
    *at += n;
    return n ? arena_strndup(arena, *at - n, n) : NULL;
}

const char *spdy_negotiate(Call *call, const char *const *ours)
{
    HttpRequest *request = call->request;
    _strbuf_ StrBuf offers = STRBUF_INIT, text = STRBUF_INIT;

    for (size_t i = 0; i < request->n_headers; i++) {
        const char *at = request->headers[i].value, *offer;

        if (strcmp(request->headers[i].name, "x-stream-protocol-version") != 0)
            continue;
        while ((offer = next_offer(call->arena, &at))) {
            for (size_t k = 0; ours[k]; k++) {
                if (strcmp(ours[k], offer) == 0) {
                    http_add_header(request, "X-Stream-Protocol-Version", ours[k]);
                    return ours[k];
                }
            }
            strbuf_printf(&offers, "%s%s", offers.n ? " " : "", offer);
        }
    }
    if (offers.n == 0)
        return "";
    strbuf_printf(&text, "unable to upgrade: unable to negotiate protocol: client supports [%s], ",
                  strbuf_string(&offers));
    strbuf_add_string(&text, "server accepts [");
    for (size_t k = 0; ours[k]; k++) {
        strbuf_printf(&text, "%s%s", k ? " " : "", ours[k]);
        http_add_header(request, "X-Accepted-Stream-Protocol-Versions", ours[k]);
    }
    strbuf_add_string(&text, "]");
    http_respond(request, 403, "text/plain; charset=utf-8", strbuf_bytes(&text));
    return NULL;
}

static void on_leave(Timer *timer)
{
    leave_now(timer->data);
}

SpdyLink *spdy_link_new(Call *call, const char *protocol, const SpdyLinkHandler *handler,
                        void *data)
{
    static const SpdyHandler spdy = {.on_stream = on_stream,
                                     .on_data = on_data,
                                     .on_end = on_end,
                                     .on_gone = on_gone,
                                     .on_goaway = on_goaway,
                                     .send = send_bytes};
    static const HttpRawHandler raw = {on_raw_data, on_raw_drain, on_raw_close};
    static const WebSocketHandler ws = {on_ws_message, on_ws_drain, on_ws_close};
    SpdyLink *link = arena_new(call->arena, SpdyLink);

    link->server = call->server;
    link->handler = *handler;
    link->data = data;
    link->leave.on_fire = on_leave;
    link->leave.data = link;
    if (protocol)
        link->ws = http_websocket_accept(call->request, protocol, &ws, link);
    else
        link->raw = http_upgrade_raw(call->request, SPDY_PROTOCOL, &raw, link);
    if (!link->ws && !link->raw)
        return NULL;
    link->spdy = spdy_new(&spdy, link);
    return link;
}

Spdy *spdy_link_spdy(SpdyLink *link)
{
    return link->spdy;
}

size_t spdy_link_pending(const SpdyLink *link)
{
    return link->raw ? raw_pending(link->raw) : link->ws ? websocket_pending(link->ws) : 0;
}

void spdy_link_pause(SpdyLink *link, bool pause)
{
    if (link->raw)
        raw_pause(link->raw, pause);
    else if (link->ws)
        websocket_pause(link->ws, pause);
}

void spdy_link_close(SpdyLink *link)
{
    if (link->spdy)
        timer_start(link->server->clock, &link->leave, LEAVE_NS);
}
