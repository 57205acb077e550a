/* SPDX-License-Identifier: Apache-2.0 */
/* A unary gRPC call. See grpc.h. */
#include "http/client/grpc.h"

#include <ctype.h>
#include <nghttp2/nghttp2.h>
#include <stddef.h>
#include <uv.h>

#include "base/arena.h"
#include "base/format.h"
#include "base/strbuf.h"
#include "base/time/clock.h"
#include "base/loop_timer.h"

#define PREFIX_SIZE 5 /* of a message: compressed?, length */
#define REPLY_MAX (64u * 1024)
#define TEXT_MAX 1024

static const char *const status_names[] = {
    "OK",       "Canceled",        "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",   "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",      "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated",
};
static_assert(ARRAY_LEN(status_names) == _GRPC_STATUS_MAX, "a name for each status");

const char *grpc_status_name(unsigned status)
{
    return status < _GRPC_STATUS_MAX ? status_names[status] : "Unknown";
}

struct GrpcExchange {
    nghttp2_session *session;
    Arena arena;
    StrBuf out, in; /* in: the answer's body */
    StrBuf body;    /* the request's */
    size_t body_at;
    bool connected, over;
    int http_status;
    bool has_status;
    GrpcStatus status;
    char *text;
    Bytes message;
};

/* ---- the end ---- */

static void settle(GrpcExchange *x, GrpcStatus status, const char *text)
{
    if (x->over)
        return;
    x->over = true;
    x->status = status;
    x->text = arena_strdup(&x->arena, text);
}

/* As the protocol maps an answer that is none of gRPC. */
static GrpcStatus status_of_http(int code)
{
    switch (code) {
    case 400:
        return GRPC_INTERNAL;
    case 401:
        return GRPC_UNAUTHENTICATED;
    case 403:
        return GRPC_PERMISSION_DENIED;
    case 404:
        return GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return GRPC_UNAVAILABLE;
    default:
        return GRPC_UNKNOWN;
    }
}

static void settle_answer(GrpcExchange *x)
{
    const uint8_t *p = (const uint8_t *)x->in.p;
    size_t n;

    if (!x->has_status && x->http_status != 200) {
        settle(x, status_of_http(x->http_status),
               arena_printf(&x->arena, "unexpected HTTP status code received from server: %d",
                            x->http_status));
        return;
    }
    if (!x->has_status) {
        settle(x, GRPC_INTERNAL, "server closed the stream without sending trailers");
        return;
    }
    if (x->status != GRPC_OK) {
        settle(x, x->status, str_or(x->text, ""));
        return;
    }
    if (x->in.n < PREFIX_SIZE) {
        settle(x, GRPC_INTERNAL,
               "cardinality violation: received no response message from "
               "non-server-streaming RPC");
        return;
    }
    n = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
    if (p[0] != 0 || n != x->in.n - PREFIX_SIZE) {
        settle(x, GRPC_INTERNAL, "malformed message");
        return;
    }
    x->message = (Bytes){p + PREFIX_SIZE, n};
    settle(x, GRPC_OK, "");
}

/* ---- nghttp2 calls ---- */

/* grpc-message is percent-encoded; what is not, stays. */
static char *decode_text(Arena *arena, const uint8_t *p, size_t n)
{
    char *text = arena_new_n(arena, char, MIN_OF(n, (size_t)TEXT_MAX) + 1), *to = text;

    for (size_t i = 0; i < n && to - text < TEXT_MAX; i++) {
        char hex[3] = {0};
        uint8_t c = p[i];

        if (c == '%' && i + 2 < n && isxdigit(p[i + 1]) && isxdigit(p[i + 2])) {
            hex[0] = (char)p[i + 1];
            hex[1] = (char)p[i + 2];
            c = (uint8_t)strtoul(hex, NULL, 16);
            i += 2;
        }
        *to++ = c >= ' ' ? (char)c : ' ';
    }
    *to = 0;
    return text;
}

static int number_of(const uint8_t *p, size_t n, int max)
{
    int number = 0;

    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9' || number > max)
            return -1;
        number = number * 10 + (p[i] - '0');
    }
    return n && number <= max ? number : -1;
}

static bool name_is(const uint8_t *name, size_t n, const char *text)
{
    return n == strlen(text) && memcmp(name, text, n) == 0;
}

static int on_header(nghttp2_session *session _unused_, const nghttp2_frame *frame,
                     const uint8_t *name, size_t name_n, const uint8_t *value, size_t value_n,
                     uint8_t flags _unused_, void *data)
{
    GrpcExchange *x = data;

    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    if (name_is(name, name_n, ":status")) {
        x->http_status = number_of(value, value_n, 999);
    } else if (name_is(name, name_n, "grpc-status")) {
        int status = number_of(value, value_n, _GRPC_STATUS_MAX - 1);

        x->has_status = true;
        x->status = status < 0 ? GRPC_UNKNOWN : (GrpcStatus)status;
    } else if (name_is(name, name_n, "grpc-message") && !x->text) {
        x->text = decode_text(&x->arena, value, value_n);
    }
    return 0;
}

static int on_frame(nghttp2_session *session _unused_, const nghttp2_frame *frame, void *data)
{
    GrpcExchange *x = data;

    if (frame->hd.type == NGHTTP2_SETTINGS && !(frame->hd.flags & NGHTTP2_FLAG_ACK))
        x->connected = true;
    return 0;
}

static int on_data(nghttp2_session *session _unused_, uint8_t flags _unused_,
                   int32_t stream _unused_, const uint8_t *p, size_t n, void *data)
{
    GrpcExchange *x = data;

    if (x->in.n + n > REPLY_MAX) {
        settle(x, GRPC_RESOURCE_EXHAUSTED, "received message larger than max");
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    strbuf_add(&x->in, p, n);
    return 0;
}

static int on_stream_close(nghttp2_session *session _unused_, int32_t stream _unused_,
                           uint32_t code, void *data)
{
    GrpcExchange *x = data;

    if (code == NGHTTP2_NO_ERROR)
        settle_answer(x);
    else
        settle(x, code == NGHTTP2_REFUSED_STREAM ? GRPC_UNAVAILABLE : GRPC_INTERNAL,
               arena_printf(&x->arena, "stream terminated by RST_STREAM with error code: %s",
                            nghttp2_http2_strerror(code)));
    return 0;
}

static int on_error(nghttp2_session *session _unused_, int code, const char *text _unused_,
                    size_t n _unused_, void *data)
{
    GrpcExchange *x = data;

    if (code == NGHTTP2_ERR_SETTINGS_EXPECTED)
        settle(x, GRPC_UNAVAILABLE, "the peer does not speak HTTP/2");
    return 0;
}

static ssize_t read_body(nghttp2_session *session _unused_, int32_t stream _unused_, uint8_t *buf,
                         size_t size, uint32_t *flags, nghttp2_data_source *source _unused_,
                         void *data)
{
    GrpcExchange *x = data;
    size_t n = MIN_OF(size, x->body.n - x->body_at);

    memcpy(buf, x->body.p + x->body_at, n);
    x->body_at += n;
    if (x->body_at == x->body.n)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

/* ---- the talk ---- */

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static void submit(GrpcExchange *x, const GrpcRequest *request)
{
    char authority[128], timeout[32];
    nghttp2_data_provider provider = {.read_callback = read_body};
    uint8_t prefix[PREFIX_SIZE] = {0, (uint8_t)(request->message.n >> 24),
                                   (uint8_t)(request->message.n >> 16),
                                   (uint8_t)(request->message.n >> 8), (uint8_t)request->message.n};

    snprintf(authority, sizeof(authority), strchr(request->address, ':') ? "[%s]:%u" : "%s:%u",
             request->address, request->port);
    snprintf(timeout, sizeof(timeout), "%" PRId64 "m", MAX_OF(request->timeout_ns / NS_PER_MS, 1));
    nghttp2_nv fields[] = {
        field(":method", "POST"),
        field(":scheme", "http"),
        field(":path", request->method),
        field(":authority", authority),
        field("content-type", "application/grpc"),
        field("user-agent", request->user_agent),
        field("te", "trailers"),
        field("grpc-timeout", timeout),
    };

    strbuf_add(&x->body, prefix, sizeof(prefix));
    strbuf_add(&x->body, request->message.p, request->message.n);
    ASSERT(nghttp2_submit_settings(x->session, NGHTTP2_FLAG_NONE, NULL, 0) == 0);
    ASSERT(nghttp2_submit_request(x->session, NULL, fields, ARRAY_LEN(fields), &provider, NULL) >
           0);
}

GrpcExchange *grpc_exchange_new(const GrpcRequest *request)
{
    GrpcExchange *x = mem_new_type(GrpcExchange);
    nghttp2_session_callbacks *callbacks;

    ASSERT(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_error_callback2(callbacks, on_error);
    ASSERT(nghttp2_session_client_new(&x->session, callbacks, x) == 0);
    nghttp2_session_callbacks_del(callbacks);
    submit(x, request);
    return x;
}

GrpcExchange *grpc_exchange_free(GrpcExchange *x)
{
    if (!x)
        return NULL;
    nghttp2_session_del(x->session);
    strbuf_deinit(&x->out);
    strbuf_deinit(&x->in);
    strbuf_deinit(&x->body);
    arena_clear(&x->arena);
    free(x);
    return NULL;
}

Bytes grpc_exchange_output(GrpcExchange *x)
{
    const uint8_t *p;
    ssize_t n;

    strbuf_truncate(&x->out, 0);
    while ((n = nghttp2_session_mem_send(x->session, &p)) > 0)
        strbuf_add(&x->out, p, (size_t)n);
    return strbuf_bytes(&x->out);
}

bool grpc_exchange_input(GrpcExchange *x, Bytes bytes)
{
    ssize_t n;

    if (x->over)
        return true;
    n = nghttp2_session_mem_recv(x->session, bytes.p, bytes.n);
    if (n < 0 || !nghttp2_session_want_read(x->session))
        settle(x, GRPC_UNAVAILABLE,
               n < 0 ? "the peer does not speak HTTP/2" : "error reading from server: EOF");
    return x->over;
}

void grpc_exchange_eof(GrpcExchange *x)
{
    settle(x, GRPC_UNAVAILABLE, "error reading from server: EOF");
}

void grpc_exchange_reply(GrpcExchange *x, GrpcReply *ret)
{
    *ret = (GrpcReply){.connected = x->connected,
                       .status = x->over ? x->status : GRPC_DEADLINE_EXCEEDED,
                       .text = str_or(x->text, ""),
                       .message = x->over && x->status == GRPC_OK ? x->message : (Bytes){0}};
}

/* ---- over TCP ---- */

struct GrpcCall {
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_connect_t connect;
    unsigned handles;
    bool over;
    int failed; /* before it began: told from the loop */
    GrpcExchange *exchange;
    GrpcDone done;
    void *data;
    char buf[4096];
};

typedef struct Sending {
    uv_write_t write;
    char bytes[];
} Sending;

static void on_closed(uv_handle_t *handle)
{
    GrpcCall *call = handle->data;

    if (--call->handles)
        return;
    grpc_exchange_free(call->exchange);
    free(call);
}

static void close_call(GrpcCall *call)
{
    call->over = true;
    uv_close((uv_handle_t *)&call->tcp, on_closed);
    uv_close((uv_handle_t *)&call->timer, on_closed);
}

static void finish(GrpcCall *call, int error, const char *text)
{
    GrpcReply reply;

    if (call->over)
        return;
    grpc_exchange_reply(call->exchange, &reply);
    reply.error = error;
    if (text)
        reply.text = text;
    close_call(call);
    call->done(call->data, &reply);
}

static void on_written(uv_write_t *write, int status _unused_)
{
    free(CONTAINER_OF(write, Sending, write));
}

static void flush(GrpcCall *call)
{
    Bytes bytes = grpc_exchange_output(call->exchange);
    Sending *sending;
    uv_buf_t buf;

    if (!bytes.n)
        return;
    sending = mem_new(sizeof(*sending) + bytes.n);
    memcpy(sending->bytes, bytes.p, bytes.n);
    buf = uv_buf_init(sending->bytes, (unsigned)bytes.n);
    if (uv_write(&sending->write, (uv_stream_t *)&call->tcp, &buf, 1, on_written) < 0)
        free(sending); /* reading tells why */
}

static void on_alloc(uv_handle_t *handle, size_t size _unused_, uv_buf_t *buf)
{
    GrpcCall *call = handle->data;

    *buf = uv_buf_init(call->buf, sizeof(call->buf));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    GrpcCall *call = stream->data;

    if (n < 0)
        grpc_exchange_eof(call->exchange);
    if (n < 0 ||
        grpc_exchange_input(call->exchange, (Bytes){(const uint8_t *)buf->base, (size_t)n}))
        finish(call, 0, NULL);
    else
        flush(call);
}

static void fail(GrpcCall *call, int error)
{
    char words[ERROR_TEXT_MAX];

    finish(call, error, format_error(error, words));
}

static void on_connect(uv_connect_t *connect, int status)
{
    GrpcCall *call = connect->data;

    if (call->over)
        return;
    if (status < 0 || uv_read_start((uv_stream_t *)&call->tcp, on_alloc, on_read) < 0)
        fail(call, status < 0 ? status : -EIO);
    else
        flush(call);
}

static void on_timer(uv_timer_t *timer)
{
    GrpcCall *call = timer->data;

    if (call->failed)
        fail(call, call->failed);
    else
        finish(call, -ETIMEDOUT, "context deadline exceeded");
}

GrpcCall *grpc_call(uv_loop_t *loop, const GrpcRequest *request, GrpcDone done, void *data)
{
    GrpcCall *call = mem_new_type(GrpcCall);
    struct sockaddr_storage address;

    call->exchange = grpc_exchange_new(request);
    call->done = done;
    call->data = data;
    call->handles = 2;
    uv_tcp_init(loop, &call->tcp);
    uv_timer_init(loop, &call->timer);
    call->tcp.data = call->timer.data = call->connect.data = call;
    if (uv_ip4_addr(request->address, request->port, (struct sockaddr_in *)&address) < 0 &&
        uv_ip6_addr(request->address, request->port, (struct sockaddr_in6 *)&address) < 0)
        call->failed = -EINVAL;
    else
        call->failed =
            uv_tcp_connect(&call->connect, &call->tcp, (struct sockaddr *)&address, on_connect);
    loop_timer_start(&call->timer, on_timer, call->failed ? 0 : request->timeout_ns);
    return call;
}

void grpc_call_cancel(GrpcCall *call)
{
    if (call && !call->over)
        close_call(call);
}
