/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection that has left HTTP/1.1 by an upgrade. Its request stays the last one of the
 * connection: what is sent goes through the request's segments, unframed, and its end is the
 * connection's end.
 */
#include "http/internal.h"

#include <strings.h>

struct HttpRaw {
    Request *request;
    const HttpRawHandler *handler;
    void *data;
    void (*request_on_close)(HttpRequest *request); /* what the handler had set before */
};

bool header_has_token(const char *value, const char *token)
{
    size_t n = strlen(token);

    while (value && *value) {
        size_t blank = strspn(value, " \t,");
        size_t length = strcspn(value + blank, " \t,");

        if (length == n && strncasecmp(value + blank, token, n) == 0)
            return true;
        value += blank + length;
    }
    return false;
}

static void on_drain(HttpRequest *pub)
{
    HttpRaw *raw = ((Request *)pub)->conn->raw;

    if (raw->handler->on_drain)
        raw->handler->on_drain(raw, raw->data);
}

static void on_close(HttpRequest *pub)
{
    HttpRaw *raw = ((Request *)pub)->conn->raw;

    ((Request *)pub)->conn->raw = NULL;
    if (raw->handler->on_close)
        raw->handler->on_close(raw, raw->data);
    if (raw->request_on_close)
        raw->request_on_close(pub);
}

const char *http_wants_upgrade(const HttpRequest *pub)
{
    const Request *request = (const Request *)pub;

    if (request->finished || request->begun || !request->upgrade ||
        request->conn->protocol != &protocol_h1)
        return NULL;
    return http_header(pub, "upgrade");
}

HttpRaw *http_upgrade_raw(HttpRequest *pub, const char *protocol, const HttpRawHandler *handler,
                          void *data)
{
    Request *request = (Request *)pub;
    HttpConnection *conn = request->conn;
    HttpRaw *raw;

    if (!http_wants_upgrade(pub))
        return NULL;
    raw = arena_new(&pub->arena, HttpRaw);
    *raw = (HttpRaw){
        .request = request, .handler = handler, .data = data, .request_on_close = pub->on_close};
    conn->raw = raw;
    pub->on_close = on_close;
    pub->on_drain = on_drain;
    pub->on_body = NULL;
    http_add_header(pub, "Upgrade", protocol);
    request->raw = request->close_after = true;
    http_stream_begin(pub, 101, NULL);
    conn->h1_stop = true;
    conn_use(conn, &protocol_raw);
    /* Bytes that have arrived behind the head are delivered to on_data in the next flush. */
    return raw;
}

void raw_send(HttpRaw *raw, Bytes bytes)
{
    http_stream_write(&raw->request->pub, bytes);
}

size_t raw_pending(const HttpRaw *raw)
{
    return http_stream_pending(&raw->request->pub);
}

void raw_pause(HttpRaw *raw, bool pause)
{
    HttpConnection *conn = raw->request->conn;

    conn_pause(conn, pause);
    if (!pause && conn->kept.n > 0)
        conn_dirty(conn);
}

void raw_close(HttpRaw *raw)
{
    http_stream_end(&raw->request->pub);
}

void raw_abort(HttpRaw *raw)
{
    http_abort(&raw->request->pub);
}

static bool feed(HttpConnection *conn, const uint8_t *p, size_t n)
{
    /* Once our side has ended, further input is dropped. */
    if (!conn->raw || conn->raw->request->ended)
        return true;
    if (conn->paused || conn->kept.n > 0) {
        strbuf_add(&conn->kept, p, n);
        return true;
    }
    conn->raw->handler->on_data(conn->raw, conn->raw->data, (Bytes){p, n});
    return !conn->closed;
}

static bool resume(HttpConnection *conn)
{
    _strbuf_ StrBuf kept = STRBUF_INIT;

    if (conn->kept.n == 0 || conn->paused)
        return false;
    kept = conn->kept;
    conn->kept = STRBUF_INIT;
    feed(conn, (const uint8_t *)kept.p, kept.n);
    return true;
}

static void pull(HttpConnection *conn)
{
    protocol_h1.pull(conn);
}

static void begun(Request *request)
{
    protocol_h1.begun(request);
}

static void abort_connection(Request *request)
{
    protocol_h1.abort(request);
}

static void nothing(HttpConnection *conn _unused_)
{
}

static void pause_request(Request *request, bool pause)
{
    protocol_h1.pause(request, pause);
}

static void resumed(Request *request)
{
    protocol_h1.resumed(request);
}

static void more(Request *request _unused_)
{
}

static void deinit(HttpConnection *conn)
{
    protocol_h1.deinit(conn);
}

const Protocol protocol_raw = {
    .feed = feed,
    .pull = pull,
    .resume = resume,
    .eof = conn_close,
    .begun = begun,
    .more = more,
    .abort = abort_connection,
    .go_on = more,
    .pause = pause_request,
    .resumed = resumed,
    .drain = nothing,
    .deinit = deinit,
};
