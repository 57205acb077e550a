/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request type over HTTP/1.1, HTTP/2 and TLS: handlers don't know the protocol they serve.
 *
 * A server accepts connections, reads a request's head, asks the handler's on_request, and from
 * then on the handler owns the conversation until it has ended the response. Everything that
 * belongs to a request lies in its arena and goes with it. A request whose peer went away gets
 * on_close exactly once; it is freed when on_close has returned. Without an on_close (set it at any
 * time) it stays, and its functions are harmless no-ops, until the handler has ended it by
 * http_respond, http_stream_end or http_abort. http_request_hold keeps it longer.
 *
 * Limits (HttpLimits) hold before anything is allocated on a peer's word: header bytes, body bytes,
 * streams per connection, connections (in all, of one address, of peers that are not known), time
 * for a head and for a body, time for a finished answer to leave, and the bytes that wait for a slow
 * reader.
 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include "base/arena.h"
#include "base/base.h"
#include "base/error.h"
#include "base/observe/metrics.h"

struct uv_loop_s;
struct ssl_ctx_st;

typedef struct HttpServer HttpServer;
typedef struct HttpRequest HttpRequest;
typedef struct WebSocket WebSocket;
typedef struct HttpRaw HttpRaw;

typedef struct HttpHeader {
    const char *name; /* lower case */
    const char *value;
} HttpHeader;

/* Who the TLS layer says is there: from a verified client certificate; lives as long as the
 * connection. */
typedef struct HttpPeer {
    const char *common_name; /* NULL: no certificate, or plain TCP */
    bool certificate_bad;    /* there is one, but not of our authorities, expired...: 401 */
    const char *const *organizations;
    size_t n_organizations;
    const char *address; /* "10.42.0.5", for logs and apps */
    uint16_t port;
    void *user; /* the handler's own, kept per connection; freed by user_free */
    void (*user_free)(void *);
} HttpPeer;

typedef struct HttpConnection HttpConnection;

struct HttpRequest {
    Arena arena;
    const char *method; /* "GET" */
    const char *path;   /* as sent, still percent-encoded, without the query */
    const char *query;  /* as sent, without "?"; "" if none */
    const char *authority;
    const HttpHeader *headers;
    size_t n_headers;
    uint8_t http_major, http_minor;
    HttpPeer *peer;
    void *data; /* the handler's own */
    /* Set by the handler in on_request, all optional: */
    void (*on_body)(HttpRequest *request,
                    Bytes body); /* whole body, once (empty if there is none), kept as long as
                                    the request; without it the body is read and dropped */
    /* The body as it arrives, for one that is too large to be kept; on_body is called at its end,
     * empty. http_request_pause holds back what comes next. */
    void (*on_piece)(HttpRequest *request, Bytes piece);
    /* The body may take as long as its sender needs: of a known peer, whose handler limits it. */
    bool body_slow;
    size_t body_limit;                      /* default: limits.body; longer: 413 by itself */
    void (*on_begin)(HttpRequest *request); /* the answer begins: its status is known */
    void (*on_drain)(HttpRequest *request); /* what was written has left; room for more */
    void (*on_close)(HttpRequest *request); /* response complete or peer gone: the last call */
    bool failed; /* in on_close: the peer went away before the response was complete */
};

typedef struct HttpLimits {
    size_t header_bytes;  /* 64 KiB */
    size_t body;          /* 3 MiB, as kube-apiserver */
    unsigned connections; /* 4096 */
    /* Of places.c: 0 means no such limit, which is the default. */
    unsigned reserve;                /* connections kept for known peers */
    unsigned per_address;            /* connections of unknown peers from one address */
    unsigned known_per_address;      /* connections of known peers from one address */
    unsigned streams;                /* per h2 connection: 250 */
    int64_t head_timeout_ns;         /* 10 s */
    int64_t body_timeout_ns;         /* 60 s without progress, or below 8 KiB/s after as long */
    int64_t idle_timeout_ns;         /* 0: none */
    int64_t unknown_idle_timeout_ns; /* of unknown peers; 0: idle_timeout_ns */
    int64_t stall_timeout_ns;        /* 60 s in which nothing of a finished answer leaves */
    size_t out_buffer; /* bytes waiting for a slow reader before on_drain style back-pressure shows:
                          1 MiB */
} HttpLimits;

extern const HttpLimits http_limits_default;

typedef struct HttpHandler {
    /* The head is there. Respond at once, or set on_body/on_close and respond later. */
    void (*on_request)(void *data, HttpRequest *request);
    /* A head that no request could be made of (400, 431, 505...) or a body too large (413), before
     * it is answered with `text`: may give a better body (such as a Status) through ret_type and
     * ret_body. Optional. */
    void (*on_bad_request)(void *data, const HttpPeer *peer, int status, const char *text,
                           Arena *arena, const char **ret_type, Bytes *ret_body);
    void *data;
    MetricSeries *connections; /* a gauge of those that are open. Optional. */
} HttpHandler;

/* ---- a server ---- */

typedef struct HttpServerOptions {
    struct ssl_ctx_st *tls; /* NULL: plain TCP, HTTP/1.1 and h2c by prior knowledge; the server
                               takes a reference */
    HttpLimits limits;      /* a limit of 0 is the default one */
    HttpHandler handler;
    bool no_h2;
} HttpServerOptions;

HttpServer *http_server_new(struct uv_loop_s *loop, const HttpServerOptions *options);
/* "ADDR:PORT", "[::]:PORT", ":PORT" or "unix:/path". Port 0 picks one: http_server_port tells
 * which. */
int http_server_listen(HttpServer *server, const char *address, Err *reterr);
/* Accepts from a TCP socket that listens already and does not block; takes the descriptor. */
void http_server_listen_fd(HttpServer *server, int fd);
uint16_t http_server_port(const HttpServer *server);
/* Stops accepting; finishes what is in flight (GOAWAY, Connection: close); calls back when the last
 * connection is gone or after grace_ns. */
void http_server_drain(HttpServer *server, int64_t grace_ns, void (*done)(void *), void *data);
HttpServer *http_server_free(HttpServer *server); /* closes all at once */
/* New certificates for new connections; the old context is released when its last connection
 * goes. */
void http_server_set_tls(HttpServer *server, struct ssl_ctx_st *tls);

/* A connection without a socket, for wire tests and fuzzing: bytes in, bytes out. */
typedef struct HttpLoopback HttpLoopback;
HttpLoopback *http_loopback_new(HttpServer *server, const HttpPeer *peer);
void http_loopback_send(HttpLoopback *loopback, Bytes bytes);
Bytes http_loopback_take(
    HttpLoopback *loopback); /* what it answered since; valid until the next call */
void http_loopback_eof(HttpLoopback *loopback); /* the peer ends its side */
/* The peer reads nothing, or reads on. */
void http_loopback_stall(HttpLoopback *loopback, bool stall);
bool http_loopback_closed(const HttpLoopback *loopback);
HttpLoopback *http_loopback_free(HttpLoopback *loopback);

/* The peer has authenticated itself: its connection counts as known from here on. */
void http_request_known(HttpRequest *request);

/*
 * Called in on_request by a handler that cannot decide yet what to do with the request, such as one that
 * has to ask another server who sends it. on_close may be set, and is called as usual if the peer goes
 * away meanwhile. Once the handler can decide, it calls http_request_resume from the loop, which calls
 * `resumed`; there the handler does what it would have done in on_request.
 *
 * The sender is not known meanwhile, so little of the body is kept: 16 KiB of a connection
 * over HTTP/1; over HTTP/2 at most DEFERRED_BODIES_MAX bytes of all requests together, and the request
 * that exceeds this is answered with 503. The time of the body begins when the request is resumed.
 */
#define DEFERRED_BODIES_MAX (16u * 1024 * 1024)
void http_request_defer(HttpRequest *request, void (*resumed)(HttpRequest *request));
void http_request_resume(HttpRequest *request);

/* Keeps the request and its arena past on_close, for work that cannot be called back. */
void http_request_hold(HttpRequest *request);
void http_request_release(HttpRequest *request);

/* ---- a request: reading ---- */

const char *http_header(const HttpRequest *request,
                        const char *name); /* lower-case name; NULL if not there */
/* Percent-decoded value of the query parameter, in the request's arena; NULL if not there. */
const char *http_query(HttpRequest *request, const char *name);
/* Calls each once a parameter, decoded. */
void http_query_each(HttpRequest *request,
                     void (*each)(void *data, const char *name, const char *value), void *data);
/* Of the body, as the head announces it: 0: there is none; -1: it has no known length. */
int64_t http_body_length(const HttpRequest *request);
char *http_percent_decode(Arena *arena, const char *text,
                          size_t n); /* NULL if malformed or if it holds %00 */

/* No more on_piece soon: what has been read may still come. Over HTTP/1 the connection reads nothing
 * meanwhile; over HTTP/2 the other streams go on, and this one may send as much as its window allows. */
void http_request_pause(HttpRequest *request, bool pause);

/* ---- a request: answering ---- */

/* An extra response header: before http_respond or http_stream_begin. The name has to live as long as the request, as a literal
 * does; the value is copied. */
void http_add_header(HttpRequest *request, const char *name, const char *value);
/* The whole answer. The bytes are copied, unless `release` is given: then they are used as they are
 * and release(holder) is called once they have left (this is how cached JSON goes out without a
 * copy). */
void http_respond(HttpRequest *request, int status, const char *content_type, Bytes body);
void http_respond_shared(HttpRequest *request, int status, const char *content_type, Bytes body,
                         void (*release)(void *holder), void *holder);

/* An answer without a known end: chunked or DATA frames; each write leaves without delay. */
void http_stream_begin(HttpRequest *request, int status, const char *content_type);
/* The same with a known length, which has to be written exactly. */
void http_stream_begin_sized(HttpRequest *request, int status, const char *content_type,
                             uint64_t length);
void http_stream_write(HttpRequest *request, Bytes bytes);
void http_stream_write_shared(HttpRequest *request, Bytes bytes, void (*release)(void *),
                              void *holder);
/* What is written from now on may wait for more, where very many such answers go on at a time: a
 * write to each of their sockets costs more than what it sends. See server.c. */
void http_stream_patient(HttpRequest *request);
/* Bytes not yet taken by the socket. A handler stops at a mark of its own and goes on in on_drain;
 * with more than 64 MiB waiting, the next write aborts the answer. */
size_t http_stream_pending(const HttpRequest *request);
void http_stream_end(HttpRequest *request);
void http_abort(HttpRequest *request); /* reset */

/* What was answered until now: the status (0: nothing yet), and bytes of the body. */
int http_answer_status(const HttpRequest *request);
uint64_t http_answer_bytes(const HttpRequest *request);

/* ---- an upgrade to bytes as they are (HTTP/1.1; for SPDY and the like) ---- */

typedef struct HttpRawHandler {
    void (*on_data)(HttpRaw *raw, void *data, Bytes bytes);
    void (*on_drain)(HttpRaw *raw, void *data); /* all that was sent has left */
    void (*on_close)(HttpRaw *raw, void *data); /* the last call */
} HttpRawHandler;

/* 101 with "Upgrade: protocol" and the headers of http_add_header; from here on the request is the
 * raw stream's. NULL if the client has not asked for an upgrade. */
HttpRaw *http_upgrade_raw(HttpRequest *request, const char *protocol, const HttpRawHandler *handler,
                          void *data);
void raw_send(HttpRaw *raw, Bytes bytes);
size_t raw_pending(const HttpRaw *raw);
void raw_pause(
    HttpRaw *raw,
    bool pause); /* no on_data meanwhile, and no reading: back-pressure towards the peer */
void raw_close(HttpRaw *raw); /* when all has left */
void raw_abort(HttpRaw *raw);

/* ---- WebSocket (RFC 6455; over HTTP/1.1) ---- */

typedef struct WebSocketHandler {
    /* A whole message; limited to 1 MiB. */
    void (*on_message)(WebSocket *ws, void *data, bool text, Bytes message);
    void (*on_drain)(WebSocket *ws, void *data);
    void (*on_close)(WebSocket *ws, void *data); /* the last call */
} WebSocketHandler;

/* The protocol that the client wants to change to, and can (HTTP/1.1, without a body); NULL: none. */
const char *http_wants_upgrade(const HttpRequest *request);

bool http_wants_websocket(const HttpRequest *request);
/* The first of `ours` (NULL-ended, in our order of preference) that the client offers; NULL if
 * none. */
const char *http_websocket_protocol(const HttpRequest *request, const char *const *ours);
/* 101; from here on the request is the WebSocket's; its own on_close still comes, after the
 * WebSocket's. NULL if the client has not asked for one. */
WebSocket *http_websocket_accept(HttpRequest *request, const char *protocol,
                                 const WebSocketHandler *handler, void *data);
void websocket_send(WebSocket *ws, bool text, Bytes message);
size_t websocket_pending(const WebSocket *ws);
void websocket_pause(WebSocket *ws, bool pause); /* stop reading: back-pressure towards the peer */
void websocket_close(WebSocket *ws, uint16_t code, const char *reason);

/* ---- TLS contexts ---- */

/* A server context: TLS 1.2 and newer, ALPN h2 and http/1.1, client certificates asked for and
 * checked against client_ca if given (PEM). */
int http_tls_server(const char *certificate_pem, const char *key_pem, const char *client_ca_pem,
                    struct ssl_ctx_st **ret, Err *reterr);
/* A client context: shows the certificate where there is one. */
int http_tls_client(const char *ca_pem, const char *certificate_pem, const char *key_pem,
                    struct ssl_ctx_st **ret, Err *reterr);
/* The same for servers of others: without a CA, the authorities of the system are trusted. */
int http_tls_trusting(const char *ca_pem, bool insecure, const char *certificate_pem,
                      const char *key_pem, struct ssl_ctx_st **ret, Err *reterr);
void http_tls_free(struct ssl_ctx_st *tls);

#endif
