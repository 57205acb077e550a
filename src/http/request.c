/* SPDX-License-Identifier: Apache-2.0 */
/* A request's life and the handler's functions on it. See internal.h for who frees when. */
#include "base/observe/turn.h"
#include "http/internal.h"

/* Free requests kept for the next ones. */
#define FREE_REQUESTS_MAX 512
/* A body that arrives more slowly than this is not explained by a slow network. */
#define BODY_BYTES_PER_MS 8
/* Segments of small writes grow up to this. */
#define SEGMENT_ROOM 2048
/* More than this is sent without waiting for a round of patient writes. */
#define PATIENT_BYTES (32u * 1024)

const char *status_text(int status)
{
    // clang-format off
    static const struct { int status; const char *text; } texts[] = {
        {100, "Continue"}, {101, "Switching Protocols"}, {200, "OK"}, {201, "Created"}, {202, "Accepted"},
        {204, "No Content"}, {206, "Partial Content"}, {301, "Moved Permanently"}, {302, "Found"}, {303, "See Other"},
        {304, "Not Modified"}, {307, "Temporary Redirect"}, {308, "Permanent Redirect"}, {400, "Bad Request"},
        {401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"},
        {406, "Not Acceptable"}, {408, "Request Timeout"}, {409, "Conflict"}, {410, "Gone"},
        {413, "Request Entity Too Large"}, {415, "Unsupported Media Type"}, {417, "Expectation Failed"},
        {422, "Unprocessable Entity"}, {426, "Upgrade Required"}, {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"}, {500, "Internal Server Error"}, {501, "Not Implemented"},
        {502, "Bad Gateway"}, {503, "Service Unavailable"}, {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    // clang-format on
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (texts[i].status == status)
            return texts[i].text;
    return "";
}

/* ---- life ---- */

typedef struct RequestMemory {
    Request request;
    _Alignas(16) char room[REQUEST_INLINE];
} RequestMemory;

Request *request_new(HttpConnection *conn)
{
    HttpServer *server = conn->server;
    RequestMemory *memory;
    Request *request;

    if (list_empty(&server->free_requests)) {
        memory = mem_resize(NULL, sizeof(*memory));
        request = &memory->request;
    } else {
        request = CONTAINER_OF(server->free_requests.next, Request, node);
        memory = CONTAINER_OF(request, RequestMemory, request);
        list_remove(&request->node);
        server->n_free_requests--;
    }
    memset(request, 0, sizeof(*request));
    request->pub.arena.at = memory->room;
    request->pub.arena.end = memory->room + sizeof(memory->room);
    request->pub.arena.next_size = 8192;
    request->pub.query = request->pub.path = request->pub.authority = request->pub.method = "";
    request->pub.peer = &conn->peer;
    request->server = server;
    request->conn = conn;
    request->content_length = -1;
    request->answer_length = -1;
    conn->idle = false;
    list_append(&conn->requests, &request->node);
    conn->n_requests++;
    return request;
}

static void segment_free(Segment *segment)
{
    if (segment->release)
        segment->release(segment->holder);
    free(segment);
}

/* Counts the requests that have something to send. */
static void set_pending(Request *request, size_t pending)
{
    if (!request->pending != !pending)
        request->server->unsent += pending ? 1u : -1u;
    if (pending < request->pending || !request->pending)
        request->out_progress_ms = (int64_t)uv_now(request->server->loop);
    request->pending = pending;
}

static void drop_output(Request *request)
{
    for (Segment *segment = request->out_first, *next; segment; segment = next) {
        next = segment->next;
        segment_free(segment);
    }
    request->out_first = request->out_last = NULL;
    set_pending(request, 0);
}

static void stop_waiting(Request *request)
{
    if (request->waits_body)
        request->server->waiting--;
    request->waits_body = false;
}

/* The request is deferred no longer; its body does not count any more. */
static void drop_deferred(Request *request)
{
    if (request->resumed)
        request->server->deferred_bodies -= request->body.n;
    request->resumed = NULL;
}

void request_drop(Request *request)
{
    HttpServer *server = request->server;
    bool orphan;

    list_remove(&request->node);
    stop_waiting(request);
    drop_output(request);
    drop_deferred(request);
    strbuf_deinit(&request->body);
    arena_clear(&request->pub.arena);
    orphan = request->orphan;
    if (server->n_free_requests < FREE_REQUESTS_MAX && !server->closed) {
        list_append(&server->free_requests, &request->node);
        server->n_free_requests++;
    } else {
        free(request);
    }
    if (orphan)
        server_unref(server);
}

/* The caller's frames may still use the request, so it is freed before the next poll instead of
 * now. */
static void bury(Request *request)
{
    if (request->buried)
        return;
    if (request->server->closed) {
        request_drop(request);
        return;
    }
    request->buried = true;
    list_remove(&request->node);
    list_append(&request->server->graveyard, &request->node);
    server_wake(request->server);
}

void request_finish(Request *request, bool failed)
{
    HttpConnection *conn = request->conn;
    bool owed;

    if (request->finished)
        return;
    request->finished = true;
    stop_waiting(request);
    list_remove(&request->node);
    conn->n_requests--;
    if (conn->h1_request == request)
        conn->h1_request = NULL;
    if (conn->h2_head == request)
        conn->h2_head = NULL;
    drop_output(request);
    drop_deferred(request);
    request->pub.failed = failed;
    if (request->dispatched && request->pub.on_close) {
        request->pub.on_close(&request->pub);
        owed = false;
    } else {
        /* A handler that still waits for the body will never end the request. */
        owed = request->dispatched && !request->ended &&
               !(request->pub.on_body && !request->body_done);
    }
    request->conn = NULL;
    if (!owed && request->holds == 0) {
        request_drop(request);
        return;
    }
    request->orphan = true;
    request->server->references++;
    list_append(&request->server->orphans, &request->node);
}

void http_request_hold(HttpRequest *pub)
{
    ((Request *)pub)->holds++;
}

void http_request_release(HttpRequest *pub)
{
    Request *request = (Request *)pub;

    ASSERT(request->holds > 0);
    if (--request->holds == 0 && request->finished && (request->pub.on_close || request->ended))
        bury(request);
}

/* True: the peer has disconnected, or the response is complete already. `ends` says that the
 * handler ends the request with this call, after which a request without on_close can be freed. */
static bool is_over(Request *request, bool ends)
{
    if (!request->finished && !request->ended)
        return false;
    if (request->finished && ends && !request->ended && !request->pub.on_close) {
        request->ended = true;
        if (request->holds == 0)
            bury(request);
    }
    return true;
}

/* ---- reading ---- */

void request_add_header(Request *request, const char *name, const char *value)
{
    HttpRequest *pub = &request->pub;

    ARENA_PUSH(&pub->arena, &request->headers, (HttpHeader){name, value});
    pub->headers = request->headers.v;
    pub->n_headers = request->headers.n;
}

bool request_set_target(Request *request, char *target)
{
    char *query;

    if (target[0] != '/' && !(target[0] == '*' && target[1] == 0))
        return false;
    query = strchr(target, '?');
    if (query)
        *query++ = 0;
    request->pub.path = target;
    request->pub.query = query ? query : "";
    return true;
}

const char *http_header(const HttpRequest *request, const char *name)
{
    for (size_t i = 0; i < request->n_headers; i++)
        if (request->headers[i].name[0] == name[0] && strcmp(request->headers[i].name, name) == 0)
            return request->headers[i].value;
    return NULL;
}

/* The handler has decided what it does with the request. */
static void settle(Request *request)
{
    HttpRequest *pub = &request->pub;

    request->body_limit = pub->body_limit ? pub->body_limit : request->server->limits.body;
    if (request->finished || request->ended)
        return;
    if (pub->on_body && request->content_length > 0 &&
        (uint64_t)request->content_length > request->body_limit)
        request->body_refused = true;
    if (request->body_refused) {
        char text[80];

        snprintf(text, sizeof(text), "Request entity too large: limit is %zu", request->body_limit);
        request_refuse(request, 413, text);
    }
}

void request_dispatch(Request *request)
{
    HttpServer *server = request->server;
    HttpRequest *pub = &request->pub;
    TurnWork work;

    request->is_head = strcmp(pub->method, "HEAD") == 0;
    request->dispatched = true;
    turn_work_begin(&work, "request", pub->method, pub->path);
    server->options.handler.on_request(server->options.handler.data, pub);
    turn_work_end(&work);
    if (!request->resumed)
        settle(request);
}

void http_request_defer(HttpRequest *pub, void (*resumed)(HttpRequest *request))
{
    Request *request = (Request *)pub;

    ASSERT(resumed && !request->finished && !request->begun);
    request->resumed = resumed;
    pub->on_body = NULL;
    /* Over HTTP/1 the parser halts instead, and the connection is still read, to notice its end. */
    if (pub->http_major == 2)
        request->conn->protocol->pause(request, true);
}

void http_request_resume(HttpRequest *pub)
{
    Request *request = (Request *)pub;
    void (*resumed)(HttpRequest * request) = request->resumed;
    _strbuf_ StrBuf early = STRBUF_INIT;
    TurnWork work;

    if (!resumed)
        return; /* it is over, or was refused */
    drop_deferred(request);
    early = request->body;
    request->body = STRBUF_INIT;
    request->body_began_ms = request->body_progress_ms = (int64_t)uv_now(request->server->loop);
    turn_work_begin(&work, "request", pub->method, pub->path);
    resumed(pub);
    turn_work_end(&work);
    settle(request);
    if (request->finished)
        return;
    if (early.n > 0)
        request_body(request, (const uint8_t *)early.p, early.n);
    if (pub->http_major == 2 && !request->body_held)
        request->conn->protocol->pause(request, false);
    request->conn->protocol->resumed(request);
    if (request->early_end)
        request_body_done(request);
}

/* Keeps a piece of the body of a request that is deferred. */
static void keep_early(Request *request, const uint8_t *p, size_t n)
{
    HttpServer *server = request->server;

    if (server->deferred_bodies + n > DEFERRED_BODIES_MAX) {
        drop_deferred(request);
        request->body_drop = true;
        request_refuse(request, 503, "Too many requests wait for authentication");
        request->conn->protocol->pause(request, false);
        return;
    }
    server->deferred_bodies += n;
    strbuf_add(&request->body, p, n);
}

void request_refuse(Request *request, int status, const char *text)
{
    const HttpHandler *handler = &request->server->options.handler;
    const char *type = "text/plain; charset=utf-8";
    Bytes body = bytes_from_string(text);

    if (request->ended || request->finished)
        return;
    if (handler->on_bad_request && !request->begun)
        handler->on_bad_request(handler->data, request->pub.peer, status, text, &request->pub.arena,
                                &type, &body);
    request->close_after = true;
    if (request->begun)
        http_abort(&request->pub);
    else
        http_respond(&request->pub, status, type, body);
}

int64_t http_body_length(const HttpRequest *pub)
{
    const Request *request = (const Request *)pub;
    bool none =
        request->finished || (pub->http_major == 2 ? !request->waits_body : request->no_body);

    return none ? 0 : request->content_length >= 0 ? request->content_length : -1;
}

void http_request_pause(HttpRequest *pub, bool pause)
{
    Request *request = (Request *)pub;

    request->body_held = pause;
    if (!request->finished)
        request->conn->protocol->pause(request, pause);
}

void request_body(Request *request, const uint8_t *p, size_t n)
{
    if (request->resumed) {
        keep_early(request, p, n);
        return;
    }
    if (request->finished || request->ended || request->body_drop || !request->pub.on_body)
        return;
    request->body_taken += n;
    if (request->body_taken > request->body_limit) {
        char text[80];

        request->body_drop = true;
        snprintf(text, sizeof(text), "Request entity too large: limit is %zu", request->body_limit);
        request_refuse(request, 413, text);
        return;
    }
    if (request->pub.on_piece) {
        request->pub.on_piece(&request->pub, (Bytes){p, n});
        return;
    }
    if (request->body.n == 0 && request->content_length > 0)
        strbuf_reserve(&request->body, MIN_OF((size_t)request->content_length, (size_t)64 * 1024));
    strbuf_add(&request->body, p, n);
}

int64_t request_body_deadline(const Request *request)
{
    int64_t patience = request->server->limits.body_timeout_ns / 1000000;

    if (request->pub.body_slow)
        return INT64_MAX;
    return MIN_OF(request->body_progress_ms,
                  request->body_began_ms + (int64_t)(request->body_seen / BODY_BYTES_PER_MS)) +
           patience;
}

void request_body_done(Request *request)
{
    TurnWork work;

    if (request->body_done)
        return;
    stop_waiting(request);
    if (request->resumed) {
        request->early_end = true;
        return;
    }
    request->body_done = true;
    if (request->finished || request->ended || !request->pub.on_body)
        return;
    turn_work_begin(&work, "request", request->pub.method, request->pub.path);
    request->pub.on_body(&request->pub, strbuf_bytes(&request->body));
    turn_work_end(&work);
}

/* ---- output ---- */

static Segment *append_segment(Request *request, size_t cap)
{
    Segment *segment = mem_resize(NULL, sizeof(*segment) + cap);

    *segment = (Segment){.cap = cap, .p = (uint8_t *)(segment + 1)};
    if (request->out_last)
        request->out_last->next = segment;
    else
        request->out_first = segment;
    request->out_last = segment;
    return segment;
}

void request_append(Request *request, const void *p, size_t n)
{
    Segment *last = request->out_last;
    size_t used;

    if (n == 0)
        return;
    if (last && !last->release) {
        used = (size_t)(last->p - (uint8_t *)(last + 1)) + last->n;
        if (last->cap - used >= n) {
            memcpy((uint8_t *)(last + 1) + used, p, n);
            last->n += n;
            set_pending(request, request->pending + n);
            return;
        }
    }
    /* The segment of a complete response needs no room for further bytes. */
    last =
        append_segment(request, request->answer_length >= 0 ? n : MAX_OF(n, (size_t)SEGMENT_ROOM));
    memcpy(last + 1, p, n);
    last->n = n;
    set_pending(request, request->pending + n);
}

static void append_shared(Request *request, Bytes bytes, void (*release)(void *), void *holder)
{
    Segment *segment;

    if (!release || bytes.n < SHARED_COPY_BELOW) {
        request_append(request, bytes.p, bytes.n);
        if (release)
            release(holder);
        return;
    }
    segment = append_segment(request, 0);
    segment->p = bytes.p;
    segment->n = bytes.n;
    segment->release = release;
    segment->holder = holder;
    set_pending(request, request->pending + bytes.n);
}

size_t request_take(Request *request, size_t n)
{
    size_t taken = 0;

    while (taken < n && request->out_first) {
        Segment *segment = request->out_first;
        size_t piece = MIN_OF(n - taken, segment->n);

        conn_put(segment->p, piece);
        segment->p += piece;
        segment->n -= piece;
        taken += piece;
        if (segment->n > 0)
            break;
        request->out_first = segment->next;
        if (!request->out_first)
            request->out_last = NULL;
        segment_free(segment);
    }
    set_pending(request, request->pending - taken);
    if (request->pending == 0 && taken > 0 && !request->ended)
        request->wants_drain = true;
    return taken;
}

void request_out_done(Request *request)
{
    request->out_done = true;
}

/* ---- answering ---- */

void http_add_header(HttpRequest *pub, const char *name, const char *value)
{
    Request *request = (Request *)pub;

    if (!request->begun && !request->finished)
        ARENA_PUSH(&pub->arena, &request->extra,
                   (HttpHeader){name, arena_strdup(&pub->arena, value)});
}

static bool status_has_body(const Request *request)
{
    return !request->is_head && request->status != 204 && request->status != 304 &&
           request->status >= 200;
}

static void number_text(char *text, size_t v)
{
    char digits[24];
    size_t n = 0;

    do
        digits[n++] = (char)('0' + v % 10);
    while ((v /= 10) > 0);
    while (n > 0)
        *text++ = digits[--n];
    *text = 0;
}

void http_respond_shared(HttpRequest *pub, int status, const char *content_type, Bytes body,
                         void (*release)(void *holder), void *holder)
{
    Request *request = (Request *)pub;

    if (is_over(request, true) || request->begun) {
        if (release)
            release(holder);
        return;
    }
    request->begun = request->ended = true;
    request->status = status;
    if (pub->on_begin)
        pub->on_begin(pub);
    request->content_type = arena_strdup(&pub->arena, content_type);
    request->answer_length = (int64_t)body.n;
    request->answered = body.n;
    number_text(request->length_text, body.n);
    if (status_has_body(request))
        append_shared(request, body, release, holder);
    else if (release)
        release(holder);
    request->conn->protocol->begun(request);
    conn_dirty(request->conn);
}

void http_respond(HttpRequest *pub, int status, const char *content_type, Bytes body)
{
    http_respond_shared(pub, status, content_type, body, NULL, NULL);
}

void http_stream_begin(HttpRequest *pub, int status, const char *content_type)
{
    Request *request = (Request *)pub;

    if (is_over(request, false) || request->begun)
        return;
    request->begun = true;
    request->status = status;
    if (pub->on_begin)
        pub->on_begin(pub);
    request->content_type = arena_strdup(&pub->arena, content_type);
    request->conn->protocol->begun(request);
    conn_dirty(request->conn);
}

void http_stream_begin_sized(HttpRequest *pub, int status, const char *content_type,
                             uint64_t length)
{
    Request *request = (Request *)pub;

    if (is_over(request, false) || request->begun)
        return;
    request->answer_length = (int64_t)length;
    number_text(request->length_text, length);
    http_stream_begin(pub, status, content_type);
}

void http_stream_write_shared(HttpRequest *pub, Bytes bytes, void (*release)(void *), void *holder)
{
    Request *request = (Request *)pub;

    if (is_over(request, false) || !request->begun || bytes.n == 0 ||
        !(request->raw || status_has_body(request))) {
        if (release)
            release(holder);
        return;
    }
    if (request->pending > REQUEST_PENDING_MAX) {
        if (release)
            release(holder);
        http_abort(pub);
        return;
    }
    request->answered += bytes.n;
    append_shared(request, bytes, release, holder);
    request->conn->protocol->more(request);
    if (request->patient && request->pending < PATIENT_BYTES)
        conn_dirty_late(request->conn);
    else
        conn_dirty(request->conn);
}

void http_stream_patient(HttpRequest *pub)
{
    ((Request *)pub)->patient = true;
}

void http_stream_write(HttpRequest *pub, Bytes bytes)
{
    http_stream_write_shared(pub, bytes, NULL, NULL);
}

size_t http_stream_pending(const HttpRequest *pub)
{
    const Request *request = (const Request *)pub;

    /* Bytes that wait in the connection belong to this request only under HTTP/1. */
    if (request->finished)
        return 0;
    return request->pending + (request->conn->h2 ? 0 : wire_unsent(&request->conn->wire));
}

void http_stream_end(HttpRequest *pub)
{
    Request *request = (Request *)pub;

    if (is_over(request, true) || !request->begun)
        return;
    request->ended = true;
    request->conn->protocol->more(request);
    conn_dirty(request->conn);
}

void http_abort(HttpRequest *pub)
{
    Request *request = (Request *)pub;

    if (request->finished) {
        is_over(request, true);
        return;
    }
    if (request->aborted)
        return;
    request->begun = request->ended = request->aborted = true;
    drop_output(request);
    request->conn->protocol->abort(request);
    conn_dirty(request->conn);
}

int http_answer_status(const HttpRequest *pub)
{
    return ((const Request *)pub)->status;
}

uint64_t http_answer_bytes(const HttpRequest *pub)
{
    return ((const Request *)pub)->answered;
}
