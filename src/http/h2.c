/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/2 with nghttp2. Frames are written from nghttp2 and from the segments of the requests directly
 * into the stage, so each byte of a body is copied once before it is encrypted. The names and values of
 * response headers are not copied; they belong to the request.
 *
 * Protection against floods: nghttp2 limits stream resets, unanswered SETTINGS and PING frames, and
 * CONTINUATION frames. This file limits streams, header bytes, body bytes, resets of unfinished requests
 * and empty DATA frames.
 */
#include "http/internal.h"

#include <pthread.h>

#define STREAM_WINDOW (1024 * 1024)
#define CONNECTION_WINDOW (4 * 1024 * 1024)
#define EMPTY_DATA_MAX 256
#define OUTBOUND_ACK_MAX 256
#define OUTBOUND_MAX 10000
#define RESETS_MAX 500
#define DROP_MAX (8 * 1024 * 1024)
/* Time for the peer to receive the GOAWAY frame. */
#define LEAVE_NS (2 * INT64_C(1000000000))
/* More than most responses have. */
#define FEW_HEADERS 8

static nghttp2_session_callbacks *callbacks;
static nghttp2_option *options;

static Request *request_of(nghttp2_session *session, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(session, stream_id);
}

/* ---- receiving ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
    HttpConnection *conn = data;
    Request *request;

    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    request = request_new(conn);
    request->stream_id = frame->hd.stream_id;
    request->pub.http_major = 2;
    conn->h2_head = request;
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, request);
    return 0;
}

/* Texts of the static table of HPACK are constants; all others are copied. */
static const char *take_text(Request *request, nghttp2_rcbuf *buf)
{
    nghttp2_vec v = nghttp2_rcbuf_get_buf(buf);

    if (nghttp2_rcbuf_is_static(buf))
        return (const char *)v.base;
    return arena_strndup(&request->pub.arena, (const char *)v.base, v.len);
}

static void set_pseudo(Request *request, const char *name, const char *value)
{
    HttpRequest *pub = &request->pub;

    if (strcmp(name, ":method") == 0) {
        pub->method = value;
    } else if (strcmp(name, ":path") == 0) {
        /* A path from the static table must not be changed in place. It is "/" or "/index.html", which have
         * no query. */
        request->bad_target = !request_set_target(request, (char *)value);
    } else if (strcmp(name, ":authority") == 0) {
        pub->authority = value;
    }
}

static int on_header(nghttp2_session *session _unused_, const nghttp2_frame *frame,
                     nghttp2_rcbuf *name_buf, nghttp2_rcbuf *value_buf, uint8_t flags _unused_,
                     void *data)
{
    HttpConnection *conn = data;
    Request *request = conn->h2_head;
    const char *name, *value;
    nghttp2_vec v;

    if (!request || frame->hd.stream_id != request->stream_id || request->too_large)
        return 0;
    v = nghttp2_rcbuf_get_buf(value_buf);
    request->header_bytes += v.len + nghttp2_rcbuf_get_buf(name_buf).len + 32;
    if (request->header_bytes > conn->server->limits.header_bytes) {
        request->too_large = true;
        return 0;
    }
    name = take_text(request, name_buf);
    value = take_text(request, value_buf);
    if (name[0] == ':') {
        set_pseudo(request, name, value);
        return 0;
    }
    request_add_header(request, name, value);
    if (strcmp(name, "content-length") == 0)
        (void)str_to_int64(value, 0, INT64_MAX, &request->content_length);
    else if (strcmp(name, "expect") == 0)
        request->wants_continue = strcmp(value, "100-continue") == 0;
    return 0;
}

static void go_on(Request *request)
{
    nghttp2_nv nv = {(uint8_t *)":status", (uint8_t *)"100", 7, 3, NGHTTP2_NV_FLAG_NONE};

    nghttp2_submit_headers(request->conn->h2, NGHTTP2_FLAG_NONE, request->stream_id, NULL, &nv, 1,
                           NULL);
}

static void offer_body(Request *request)
{
    if (request->wants_continue && !request->begun && !request->finished && request->pub.on_body)
        go_on(request);
}

static void resumed(Request *request)
{
    if (!request->early_end && !request->body_done)
        offer_body(request);
    conn_dirty(request->conn);
}

static void head_complete(HttpConnection *conn, Request *request, bool end)
{
    HttpRequest *pub = &request->pub;
    const char *host;

    conn->h2_head = NULL;
    if (!end) {
        request->waits_body = true;
        request->body_began_ms = request->body_progress_ms = (int64_t)uv_now(conn->server->loop);
        conn->server->waiting++;
        server_tick_start(conn->server);
    }
    if (str_empty(pub->authority)) {
        host = http_header(pub, "host");
        pub->authority = host ? host : "";
    }
    if (request->too_large)
        request_refuse(request, 431, "Request header fields too large");
    else if (request->bad_target || str_empty(pub->path))
        request_refuse(request, 400, "Bad request target");
    else
        request_dispatch(request);
    if (!end)
        offer_body(request);
}

/* Counts resets of requests that were not finished (rapid reset). A client may cancel requests, but not
 * continuously. */
static void count_reset(HttpConnection *conn, const Request *request)
{
    int64_t now = (int64_t)uv_now(conn->server->loop);

    if (!request || request->out_done)
        return;
    if (now - conn->h2_resets_since >= 1000) {
        conn->h2_resets /= 2;
        conn->h2_resets_since = now;
    }
    if (++conn->h2_resets == RESETS_MAX)
        nghttp2_session_terminate_session(conn->h2, NGHTTP2_ENHANCE_YOUR_CALM);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
    HttpConnection *conn = data;
    bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    Request *request;

    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        request = request_of(session, frame->hd.stream_id);
        if (!request)
            break;
        if (conn->h2_head == request)
            head_complete(conn, request, end);
        if (end)
            request_body_done(request);
        break;
    case NGHTTP2_RST_STREAM:
        count_reset(conn, request_of(session, frame->hd.stream_id));
        break;
    case NGHTTP2_PING:
        /* The peer has received the shutdown notice, so it opens no more streams. */
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) && conn->h2_notice && !conn->h2_closing) {
            conn->h2_closing = true;
            nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE,
                                  nghttp2_session_get_last_proc_stream_id(session),
                                  NGHTTP2_NO_ERROR, NULL, 0);
        }
        break;
    default:
        break;
    }
    return 0;
}

static int on_begin_frame(nghttp2_session *session _unused_, const nghttp2_frame_hd *hd, void *data)
{
    HttpConnection *conn = data;

    if (hd->type != NGHTTP2_DATA || hd->length > 0 || (hd->flags & NGHTTP2_FLAG_END_STREAM)) {
        if (hd->type == NGHTTP2_DATA)
            conn->h2_empty = 0;
        return 0;
    }
    return ++conn->h2_empty > EMPTY_DATA_MAX ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_data(nghttp2_session *session, uint8_t flags _unused_, int32_t stream_id,
                   const uint8_t *p, size_t n, void *data)
{
    HttpConnection *conn = data;
    Request *request = request_of(session, stream_id);

    /* The other streams go on while this one is paused. */
    nghttp2_session_consume_connection(session, n);
    if (!request || !request->body_paused)
        nghttp2_session_consume_stream(session, stream_id, n);
    else
        request->unconsumed += n;
    if (!request)
        return 0;
    request->body_progress_ms = (int64_t)uv_now(conn->server->loop);
    request->body_seen += n;
    if (request->out_done && request->body_seen > DROP_MAX)
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_NO_ERROR);
    request_body(request, p, n);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t code _unused_,
                           void *data _unused_)
{
    Request *request = request_of(session, stream_id);

    if (!request)
        return 0;
    nghttp2_session_set_stream_user_data(session, stream_id, NULL);
    request_finish(request, !request->out_done);
    return 0;
}

/* ---- sending ---- */

static ssize_t on_send(nghttp2_session *session _unused_, const uint8_t *p, size_t n,
                       int flags _unused_, void *data)
{
    size_t room = conn_room(data, n);

    if (room == 0)
        return NGHTTP2_ERR_WOULDBLOCK;
    n = MIN_OF(n, room);
    conn_put(p, n);
    return (ssize_t)n;
}

static ssize_t on_read_data(nghttp2_session *session _unused_, int32_t stream_id _unused_,
                            uint8_t *buf _unused_, size_t n, uint32_t *flags,
                            nghttp2_data_source *source, void *data _unused_)
{
    Request *request = source->ptr;

    n = MIN_OF(n, request->pending);
    if (n == 0 && !request->ended) {
        request->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (request->ended && n == request->pending)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static int on_send_data(nghttp2_session *session _unused_, nghttp2_frame *frame _unused_,
                        const uint8_t *head, size_t n, nghttp2_data_source *source, void *data)
{
    if (conn_room(data, 9 + n) == 0)
        return NGHTTP2_ERR_WOULDBLOCK;
    conn_put(head, 9);
    request_take(source->ptr, n);
    return 0;
}

static void pause_stream(Request *request, bool pause)
{
    request->body_paused = pause;
    if (pause || request->unconsumed == 0)
        return;
    nghttp2_session_consume_stream(request->conn->h2, request->stream_id, request->unconsumed);
    request->unconsumed = 0;
    conn_dirty(request->conn);
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *data _unused_)
{
    Request *request;

    if ((frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) ||
        !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    request = request_of(session, frame->hd.stream_id);
    if (!request)
        return 0;
    request_out_done(request);
    /* Nobody reads the rest of its body any more, so nobody lets it go on. */
    pause_stream(request, false);
    /* The request was answered before its body was complete. A short rest is read and dropped, because
     * some clients lose a response that is followed by a reset. A long one is refused with a reset
     * (RFC 9113, 8.1). */
    if (!request->body_done && request->content_length > DROP_MAX)
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, request->stream_id, NGHTTP2_NO_ERROR);
    return 0;
}

static void begun(Request *request)
{
    static const char *const usual[] = {"200", "201", "204", "304", "400",
                                        "401", "403", "404", "409"};
    const uint8_t flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;
    nghttp2_nv few[3 + FEW_HEADERS], *nv = few;
    nghttp2_data_provider provider = {.source.ptr = request, .read_callback = on_read_data};
    const char *status = NULL;
    size_t n = 0;
    bool has_body = !request->is_head && !(request->ended && request->pending == 0) &&
                    request->status != 204 && request->status != 304;

    if (request->extra.n > FEW_HEADERS)
        nv = arena_new_n(&request->pub.arena, nghttp2_nv, 3 + request->extra.n);
    for (size_t i = 0; i < ARRAY_LEN(usual) && !status; i++)
        if ((usual[i][0] - '0') * 100 + (usual[i][1] - '0') * 10 + usual[i][2] - '0' ==
            request->status)
            status = usual[i];
    if (!status)
        status = arena_printf(&request->pub.arena, "%03d", request->status);
    nv[n++] = (nghttp2_nv){(uint8_t *)":status", (uint8_t *)status, 7, 3, flags};
    if (request->content_type)
        nv[n++] = (nghttp2_nv){(uint8_t *)"content-type", (uint8_t *)request->content_type, 12,
                               strlen(request->content_type), flags};
    if (request->answer_length >= 0 && request->status != 204 && request->status != 304)
        nv[n++] = (nghttp2_nv){(uint8_t *)"content-length", (uint8_t *)request->length_text, 14,
                               strlen(request->length_text), flags};
    for (size_t i = 0; i < request->extra.n; i++)
        nv[n++] = (nghttp2_nv){
            (uint8_t *)request->extra.v[i].name, (uint8_t *)request->extra.v[i].value,
            strlen(request->extra.v[i].name), strlen(request->extra.v[i].value), flags};
    request->head_sent = true;
    if (nghttp2_submit_response(request->conn->h2, request->stream_id, nv, n,
                                has_body ? &provider : NULL) != 0)
        nghttp2_submit_rst_stream(request->conn->h2, NGHTTP2_FLAG_NONE, request->stream_id,
                                  NGHTTP2_INTERNAL_ERROR);
}

static void more(Request *request)
{
    if (!request->deferred)
        return;
    request->deferred = false;
    nghttp2_session_resume_data(request->conn->h2, request->stream_id);
}

static void abort_stream(Request *request)
{
    nghttp2_submit_rst_stream(request->conn->h2, NGHTTP2_FLAG_NONE, request->stream_id,
                              NGHTTP2_INTERNAL_ERROR);
}

/* ---- the connection ---- */

static bool is_over(HttpConnection *conn)
{
    return !nghttp2_session_want_read(conn->h2) && !nghttp2_session_want_write(conn->h2);
}

static void pull(HttpConnection *conn)
{
    if (nghttp2_session_send(conn->h2) != 0)
        conn_close(conn);
    else if (is_over(conn))
        conn_close_soon(conn);
    else if (conn->n_requests == 0 && !conn->h2_head)
        conn_idle(conn);
}

void h2_leave(HttpConnection *conn)
{
    nghttp2_session_terminate_session(conn->h2, NGHTTP2_NO_ERROR);
    conn_deadline(conn, LEAVE_NS);
    conn_dirty(conn);
}

static bool feed(HttpConnection *conn, const uint8_t *p, size_t n)
{
    ssize_t taken = nghttp2_session_mem_recv(conn->h2, p, n);

    if (taken < 0) {
        if (taken != NGHTTP2_ERR_BAD_CLIENT_MAGIC)
            nghttp2_session_terminate_session(conn->h2, taken == NGHTTP2_ERR_FLOODED
                                                            ? NGHTTP2_ENHANCE_YOUR_CALM
                                                            : NGHTTP2_PROTOCOL_ERROR);
        conn_dirty(conn);
        return false;
    }
    /* The peer sends frames that have to be answered, and does not read the answers. */
    if (conn->blocked && nghttp2_session_get_outbound_queue_size(conn->h2) > OUTBOUND_MAX) {
        conn_close(conn);
        return false;
    }
    /* There is a time limit for receiving a head, but none while requests are processed. */
    if (conn->h2_head && (!conn->deadline_ms || conn->idle))
        conn_deadline(conn, conn->server->limits.head_timeout_ns);
    else if (!conn->h2_head && conn->n_requests > 0)
        conn_deadline(conn, 0);
    else if (!conn->h2_head)
        conn_idle(conn);
    if (nghttp2_session_want_write(conn->h2) || is_over(conn))
        conn_dirty(conn);
    return true;
}

static void drain(HttpConnection *conn)
{
    conn->h2_notice = true;
    nghttp2_submit_shutdown_notice(conn->h2);
    nghttp2_submit_ping(conn->h2, NGHTTP2_FLAG_NONE, NULL);
    conn_dirty(conn);
}

static void deinit(HttpConnection *conn)
{
    nghttp2_session_del(conn->h2);
    conn->h2 = NULL;
}

const Protocol protocol_h2 = {
    .feed = feed,
    .pull = pull,
    .eof = conn_close,
    .begun = begun,
    .more = more,
    .abort = abort_stream,
    .go_on = go_on,
    .pause = pause_stream,
    .resumed = resumed,
    .drain = drain,
    .deinit = deinit,
};

static void make_callbacks(void)
{
    ASSERT(nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&options) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    nghttp2_option_set_no_closed_streams(options, 1);
    nghttp2_option_set_no_auto_window_update(options, 1);
    nghttp2_option_set_max_outbound_ack(options, OUTBOUND_ACK_MAX);
}

int h2_init(HttpConnection *conn)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, conn->server->limits.streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)conn->server->limits.header_bytes},
    };

    pthread_once(&once, make_callbacks);
    conn_use(conn, &protocol_h2);
    if (nghttp2_session_server_new2(&conn->h2, callbacks, conn, options) != 0)
        return ERR_ORIGIN(-ENOMEM);
    nghttp2_submit_settings(conn->h2, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings));
    nghttp2_session_set_local_window_size(conn->h2, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW);
    conn_dirty(conn);
    if (conn->draining)
        drain(conn);
    return 0;
}
