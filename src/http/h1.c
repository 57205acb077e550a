/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 and 1.0 with llhttp. The requests of a connection are answered in order. While the newest
 * request has not been answered, the bytes that follow it are kept and not parsed, and when they exceed
 * a limit, the connection is not read.
 */
#include "http/internal.h"

#include <strings.h>

/* If a request is answered before its body has arrived, up to this many bytes of the body are read and
 * dropped. With a longer body the connection ends after the response. */
#define DROP_MAX (64 * 1024)
/* The number of requests whose responses are not completely sent at which parsing stops. */
#define PIPELINE_MAX 64
/* Room for the size line and the line ends of a chunk. */
#define CHUNK_ROOM 32

static HttpConnection *conn_of(llhttp_t *parser)
{
    return parser->data;
}

/* ---- the head ---- */

static int head_text(HttpConnection *conn, const char *p, size_t n)
{
    H1Head *head = &conn->h1_head;

    if (head->text.n + n > conn->server->limits.header_bytes) {
        head->too_large = true;
        return -1;
    }
    strbuf_add(&head->text, p, n);
    return 0;
}

static int on_message_begin(llhttp_t *parser)
{
    HttpConnection *conn = conn_of(parser);

    strbuf_truncate(&conn->h1_head.text, 0);
    conn->h1_head.at.n = 0;
    conn->h1_head.in_value = false;
    conn->h1_head.target_n = 0;
    conn->h1_in_body = false;
    return 0;
}

static int on_url(llhttp_t *parser, const char *p, size_t n)
{
    conn_of(parser)->h1_head.target_n += (uint32_t)n;
    return head_text(conn_of(parser), p, n);
}

static int on_url_complete(llhttp_t *parser)
{
    return head_text(conn_of(parser), "", 1);
}

/* llhttp passes names and values in pieces; a change from one to the other ends the previous one. */
static int on_field(llhttp_t *parser, const char *p, size_t n)
{
    HttpConnection *conn = conn_of(parser);
    H1Head *head = &conn->h1_head;

    if (conn->h1_in_body)
        return 0;
    if (head->at.n % 2 == 0)
        VEC_PUSH(&head->at, (uint32_t)head->text.n);
    return head_text(conn, p, n);
}

static int on_value(llhttp_t *parser, const char *p, size_t n)
{
    HttpConnection *conn = conn_of(parser);
    H1Head *head = &conn->h1_head;

    if (conn->h1_in_body)
        return 0;
    if (!head->in_value)
        VEC_PUSH(&head->at, (uint32_t)head->text.n);
    head->in_value = true;
    return head_text(conn, p, n);
}

static int on_field_complete(llhttp_t *parser)
{
    return conn_of(parser)->h1_in_body ? 0 : head_text(conn_of(parser), "", 1);
}

static int on_value_complete(llhttp_t *parser)
{
    HttpConnection *conn = conn_of(parser);
    H1Head *head = &conn->h1_head;

    if (conn->h1_in_body)
        return 0;
    if (!head->in_value)
        VEC_PUSH(&head->at, (uint32_t)head->text.n); /* the value is empty */
    head->in_value = false;
    return head_text(conn, "", 1);
}

/* Treats "http://host/path", which clients send to proxies, like "/path" with this host. */
static char *strip_origin(Request *request, char *target)
{
    char *path;

    if (strncasecmp(target, "http://", 7) != 0 && strncasecmp(target, "https://", 8) != 0)
        return target;
    target = strstr(target, "//") + 2;
    path = target + strcspn(target, "/?");
    request->pub.authority = arena_strndup(&request->pub.arena, target, (size_t)(path - target));
    if (*path == '/')
        return path;
    return arena_printf(&request->pub.arena, "/%s", path);
}

/* Removes the blanks behind a value, which are not part of it. llhttp has skipped those before it. */
static void strip_end(char *value)
{
    size_t n = strlen(value);

    while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'))
        value[--n] = 0;
}

/* Fills in the request from the head. Returns false if the head is not acceptable. */
static bool make_request(HttpConnection *conn, Request *request)
{
    H1Head *head = &conn->h1_head;
    HttpRequest *pub = &request->pub;
    char *text = arena_alloc_raw(&pub->arena, head->text.n + 1, 1);
    unsigned hosts = 0;

    memcpy(text, strbuf_string(&head->text), head->text.n + 1);
    pub->method = llhttp_method_name((llhttp_method_t)conn->h1.method);
    pub->http_major = conn->h1.http_major;
    pub->http_minor = conn->h1.http_minor;
    for (size_t i = 0; i + 1 < head->at.n; i += 2) {
        char *name = text + head->at.v[i];
        char *value = text + head->at.v[i + 1];

        strip_end(value);
        for (char *c = name; *c; c++)
            if (*c >= 'A' && *c <= 'Z')
                *c = (char)(*c | 0x20);
        request_add_header(request, name, value);
        if (strcmp(name, "host") == 0) {
            hosts++;
            pub->authority = value;
        } else if (strcmp(name, "expect") == 0) {
            request->wants_continue =
                strcasecmp(value, "100-continue") == 0 && conn->h1.http_minor > 0;
        }
    }
    if (conn->h1.flags & F_CONTENT_LENGTH)
        request->content_length = (int64_t)MIN_OF(conn->h1.content_length, (uint64_t)INT64_MAX);
    if (hosts > 1 || (hosts == 0 && conn->h1.http_minor > 0))
        return false;
    return memchr(text, 0, head->text.n) == text + head->target_n &&
           request_set_target(request, strip_origin(request, text));
}

static void begin_body(HttpConnection *conn, Request *request)
{
    conn_deadline(conn, request->pub.body_slow ? 0 : conn->server->limits.body_timeout_ns);
    request->body_began_ms = request->body_progress_ms = (int64_t)uv_now(conn->server->loop);
    if (request->wants_continue && !request->begun && request->pub.on_body && !request->no_body) {
        request->wants_continue = false;
        protocol_h1.go_on(request);
    }
}

static int on_headers_complete(llhttp_t *parser)
{
    HttpConnection *conn = conn_of(parser);
    Request *request = request_new(conn);
    bool good = make_request(conn, request);

    conn->h1_request = request;
    conn->h1_in_body = true;
    request->may_keep_alive = llhttp_should_keep_alive(parser);
    request->no_body = !(parser->flags & F_CHUNKED) && request->content_length <= 0;
    request->upgrade = parser->upgrade && request->no_body;
    if (parser->http_major != 1) {
        request->may_keep_alive = false;
        request_refuse(request, 505, "HTTP version not supported");
    } else if (!good) {
        request_refuse(request, 400, "Bad request");
    } else {
        request_dispatch(request);
    }
    if (conn->closed)
        return -1;
    if (request->resumed) {
        conn_deadline(conn, 0);
        conn->h1_halted = true;
        return HPE_PAUSED;
    }
    begin_body(conn, request);
    return 0;
}

/* ---- the body ---- */

static int on_body(llhttp_t *parser, const char *p, size_t n)
{
    HttpConnection *conn = conn_of(parser);

    if (conn->h1_request) {
        conn->h1_request->body_progress_ms = (int64_t)uv_now(conn->server->loop);
        conn->h1_request->body_seen += n;
        conn->deadline_ms = request_body_deadline(conn->h1_request);
        request_body(conn->h1_request, (const uint8_t *)p, n);
    }
    return conn->closed ? -1 : 0;
}

static void message_complete(HttpConnection *conn)
{
    Request *request = conn->h1_request;

    conn->h1_request = NULL;
    conn->h1_message = false;
    conn_deadline(conn, 0);
    if (request) {
        request_body_done(request);
        if (!request->may_keep_alive || request->close_after)
            conn->h1_stop = true;
    }
}

static int on_message_complete(llhttp_t *parser)
{
    HttpConnection *conn = conn_of(parser);

    message_complete(conn);
    return conn->closed ? -1 : HPE_PAUSED;
}

static const llhttp_settings_t *parser_settings(void)
{
    static const llhttp_settings_t settings = {
        .on_message_begin = on_message_begin,
        .on_url = on_url,
        .on_url_complete = on_url_complete,
        .on_header_field = on_field,
        .on_header_value = on_value,
        .on_header_field_complete = on_field_complete,
        .on_header_value_complete = on_value_complete,
        .on_headers_complete = on_headers_complete,
        .on_body = on_body,
        .on_message_complete = on_message_complete,
    };
    return &settings;
}

/* ---- receiving ---- */

/* Whether the next request may be parsed: all requests before it have complete responses, although
 * these may not have been sent. */
static bool may_parse(const HttpConnection *conn)
{
    const Request *last;

    if (conn->h1_stop || (conn->h1_request && conn->h1_request->resumed))
        return false;
    if (conn->h1_message || list_empty(&conn->requests))
        return true;
    last = CONTAINER_OF(conn->requests.prev, Request, node);
    return last->ended && !last->close_after && conn->n_requests < PIPELINE_MAX;
}

static void refuse_head(HttpConnection *conn, llhttp_errno_t error)
{
    Request *request = conn->h1_request;

    conn->h1_stop = true;
    conn->h1_message = false;
    if (!request) {
        request = request_new(conn);
        request->pub.http_major = request->pub.http_minor = 1;
    }
    conn->h1_request = NULL;
    request->may_keep_alive = false;
    if (request->ended) {
        /* The rest of the body of an answered request is malformed. */
        request->close_after = true;
        return;
    }
    if (conn->h1_head.too_large)
        request_refuse(request, 431, "Request header fields too large");
    else if (error == HPE_INVALID_VERSION &&
             str_equal(llhttp_get_error_reason(&conn->h1), "Invalid HTTP version"))
        request_refuse(request, 505, "HTTP version not supported");
    else
        request_refuse(request, 400, "Bad request");
}

static bool feed(HttpConnection *conn, const uint8_t *p, size_t n)
{
    if (conn->kept.n > 0) {
        strbuf_add(&conn->kept, p, n);
        return true;
    }
    /* A parser that was halted behind a head may complete the message without further bytes. */
    while ((n > 0 || conn->h1_halted) && may_parse(conn)) {
        llhttp_errno_t error;
        size_t taken = n;

        conn->h1_halted = false;

        if (!conn->h1_message) {
            /* Empty lines before a request are skipped. */
            for (taken = 0; taken < n && (p[taken] == '\r' || p[taken] == '\n'); taken++)
                ;
            p += taken;
            n -= taken;
            if (n == 0)
                break;
            conn->h1_message = true;
            conn_deadline(conn, conn->server->limits.head_timeout_ns);
            taken = n;
        }
        error = llhttp_execute(&conn->h1, (const char *)p, n);
        if (conn->closed)
            return false;
        if (error == HPE_PAUSED || error == HPE_PAUSED_UPGRADE) {
            taken = (size_t)(llhttp_get_error_pos(&conn->h1) - (const char *)p);
            if (error == HPE_PAUSED_UPGRADE)
                llhttp_resume_after_upgrade(&conn->h1);
            else
                llhttp_resume(&conn->h1);
        } else if (error != HPE_OK) {
            refuse_head(conn, error);
            return true;
        }
        p += taken;
        n -= taken;
        /* The handler of the request has upgraded the connection. */
        if (conn->protocol != &protocol_h1)
            return n > 0 ? conn->protocol->feed(conn, p, n) : true;
    }
    if (n > 0 && !conn->h1_stop)
        strbuf_add(&conn->kept, p, n);
    return true;
}

/* A client that has ended its side may still be reading a response. A response without a known end, such
 * as a watch, is closed, because clients end watches in this way. */
static void eof(HttpConnection *conn)
{
    const Request *last;

    if (conn->h1_halted)
        return; /* What has arrived may be the whole request: see resume. */
    if (conn->h1_message || list_empty(&conn->requests)) {
        conn_close(conn);
        return;
    }
    last = CONTAINER_OF(conn->requests.prev, Request, node);
    if (last->begun && !last->ended)
        conn_close(conn);
}

static bool resume(HttpConnection *conn)
{
    _strbuf_ StrBuf kept = STRBUF_INIT;

    if ((conn->kept.n == 0 && !conn->h1_halted) || !may_parse(conn))
        return false;
    kept = conn->kept;
    conn->kept = STRBUF_INIT;
    feed(conn, (const uint8_t *)kept.p, kept.n);
    if (conn->eof && !conn->closed && (conn->h1_message || !list_empty(&conn->requests)))
        eof(conn); /* nothing more will arrive */
    return true;
}

/* ---- sending ---- */

/* Whether the connection can be used after this response. The body of the request may not have arrived
 * yet. */
static bool stays(Request *request)
{
    HttpConnection *conn = request->conn;

    if (!request->may_keep_alive || request->close_after || conn->draining ||
        (conn->eof && conn->kept.n == 0))
        return false;
    if (request->body_done || request->no_body)
        return true;
    return !request->wants_continue && conn->h1_request == request &&
           request->content_length >= 0 && conn->h1.content_length <= DROP_MAX;
}

static void add_header(StrBuf *head, const char *name, const char *value)
{
    strbuf_add_string(head, name);
    strbuf_add(head, ": ", 2);
    /* A line break in a value would start a new header. */
    for (const char *c = value; *c; c++)
        strbuf_add_char(head, *c == '\r' || *c == '\n' ? ' ' : *c);
    strbuf_add(head, "\r\n", 2);
}

static void begun(Request *request)
{
    _strbuf_ StrBuf head = STRBUF_INIT;
    Segment *body = request->out_first, *last = request->out_last;
    bool has_body = !request->is_head && request->status != 204 && request->status != 304;

    strbuf_reserve(&head, 256);
    strbuf_add(&head, "HTTP/1.1 ", 9);
    strbuf_add_int64(&head, request->status);
    strbuf_add_char(&head, ' ');
    strbuf_add_string(&head, status_text(request->status));
    strbuf_add(&head, "\r\n", 2);
    if (request->content_type)
        add_header(&head, "Content-Type", request->content_type);
    if (request->raw) {
        strbuf_add_string(&head, "Connection: Upgrade\r\n");
    } else {
        if (request->answer_length >= 0 && request->status != 204 && request->status != 304) {
            add_header(&head, "Content-Length", request->length_text);
        } else if (has_body && request->pub.http_minor > 0 && request->answer_length < 0) {
            request->chunked = true;
            strbuf_add_string(&head, "Transfer-Encoding: chunked\r\n");
        } else if (has_body && request->answer_length < 0) {
            request->close_after = true;
        }
        if (!stays(request)) {
            request->close_after = true;
            strbuf_add_string(&head, "Connection: close\r\n");
        } else if (request->pub.http_minor == 0) {
            strbuf_add_string(&head, "Connection: keep-alive\r\n");
        }
    }
    for (size_t i = 0; i < request->extra.n; i++)
        add_header(&head, request->extra.v[i].name, request->extra.v[i].value);
    strbuf_add(&head, "\r\n", 2);
    /* Put the head before the part of the body that has been written already. */
    request->out_first = request->out_last = NULL;
    request->head_left = head.n;
    request_append(request, strbuf_string(&head), head.n);
    request->out_last->next = body;
    if (body)
        request->out_last = last;
}

static bool pull_head(HttpConnection *conn, Request *request)
{
    while (request->head_left > 0) {
        size_t room = conn_room(conn, MIN_OF(request->head_left, (size_t)WIRE_STAGE_SIZE));

        if (room == 0)
            return false;
        request->head_left -= request_take(request, MIN_OF(room, request->head_left));
    }
    return true;
}

static bool pull_body(HttpConnection *conn, Request *request)
{
    while (request->pending > 0) {
        size_t room =
                   conn_room(conn, MIN_OF(request->pending + CHUNK_ROOM, (size_t)WIRE_STAGE_SIZE)),
               n;
        char line[CHUNK_ROOM];

        if (room == 0)
            return false;
        if (!request->chunked) {
            request_take(request, room);
            continue;
        }
        n = MIN_OF(request->pending, room - CHUNK_ROOM);
        conn_put(line, (size_t)snprintf(line, sizeof(line), "%zx\r\n", n));
        request_take(request, n);
        conn_put("\r\n", 2);
    }
    return true;
}

/* Returns true if the response has been sent completely. */
static bool pull_request(HttpConnection *conn, Request *request)
{
    if (!request->begun || !pull_head(conn, request) || !pull_body(conn, request) ||
        !request->ended)
        return false;
    if (request->chunked && !request->out_done) {
        if (conn_room(conn, CHUNK_ROOM) == 0)
            return false;
        conn_put("0\r\n\r\n", 5);
    }
    request_out_done(request);
    return true;
}

static void pull(HttpConnection *conn)
{
    LIST_EACH_SAFE(&conn->requests, node) {
        Request *request = CONTAINER_OF(node, Request, node);
        bool close = request->close_after;

        if (request->go_on && !request->begun && conn_room(conn, 64) > 0) {
            conn_put("HTTP/1.1 100 Continue\r\n\r\n", 25);
            request->go_on = false;
        }
        if (!pull_request(conn, request))
            break;
        /* The rest of a short body may still arrive; on_message_complete must not find this request. */
        request_finish(request, false);
        if (conn->closed)
            return;
        if (close) {
            conn->h1_stop = true;
            conn_close_soon(conn);
            return;
        }
    }
    if (!list_empty(&conn->requests))
        return;
    if (conn->draining)
        conn_close_soon(conn);
    else if (conn->h1_message)
        return;
    else if (conn->eof && conn->kept.n == 0)
        conn_close_soon(conn);
    else
        conn_idle(conn);
}

static void more(Request *request _unused_)
{
}

/* The connection is closed later, since the caller still uses the request. */
static void abort_connection(Request *request)
{
    request->conn->abort = true;
}

static void go_on(Request *request)
{
    request->go_on = true;
    conn_dirty(request->conn);
}

static void pause_request(Request *request, bool pause)
{
    conn_pause(request->conn, pause);
}

static void resumed(Request *request)
{
    HttpConnection *conn = request->conn;

    if (conn->protocol != &protocol_h1) {
        /* The handler has upgraded the connection, so the parser is not used any more. */
        conn->h1_halted = false;
        message_complete(conn);
    } else {
        begin_body(conn, request);
    }
    conn_dirty(conn);
}

/* An incomplete head is not a request yet, so the connection is closed without waiting for its rest. */
static void drain(HttpConnection *conn)
{
    if (list_empty(&conn->requests))
        conn_close_soon(conn);
}

static void deinit(HttpConnection *conn)
{
    strbuf_deinit(&conn->h1_head.text);
    VEC_DEINIT(&conn->h1_head.at);
}

const Protocol protocol_h1 = {
    .feed = feed,
    .pull = pull,
    .resume = resume,
    .eof = eof,
    .begun = begun,
    .more = more,
    .abort = abort_connection,
    .go_on = go_on,
    .pause = pause_request,
    .resumed = resumed,
    .drain = drain,
    .deinit = deinit,
};

void h1_init(HttpConnection *conn)
{
    llhttp_init(&conn->h1, HTTP_REQUEST, parser_settings());
    conn->h1.data = conn;
    conn_use(conn, &protocol_h1);
}
