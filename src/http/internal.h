/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the server share: server, connection, request.
 *
 * A connection reads, its protocol makes requests of the bytes, handlers answer into the request's
 * queue of segments, and a flush pulls from the queues what the socket takes: handlers never write
 * to a socket. A connection with something to send is on the server's dirty list, flushed at the
 * end of its own read and before and after each poll of the loop, so all answers of one loop turn
 * leave together.
 *
 * Life of a request: the protocol makes it; request_finish() tells the handler its end once and
 * cuts it off the connection; it is freed when on_close has returned, or, where there is no
 * on_close, once the handler has ended it. A connection is closed in steps (stop, fail its
 * requests, close the handle) and freed from the loop, so no callback has the ground pulled away
 * under it.
 */
#ifndef HTTP_INTERNAL_H
#define HTTP_INTERNAL_H

#include <llhttp.h>
#include <nghttp2/nghttp2.h>
#include <uv.h>

#include "base/list.h"
#include "base/strbuf.h"
#include "base/strmap.h"
#include "base/vec.h"
#include "http/http.h"
#include "http/wire.h"

/* Bytes that may wait in one request for a reader that does not read. */
#define REQUEST_PENDING_MAX (64u * 1024 * 1024)
/* Room for a usual request's head, body and answer within the request itself. */
#define REQUEST_INLINE 4096
/* Bodies below this are copied, so that the holder is free at once. */
#define SHARED_COPY_BELOW 4096

typedef struct Request Request;
typedef struct Segment Segment;
typedef struct PeerAddress PeerAddress;

/* A piece of an answer. Either it owns `cap` bytes behind it, or p is held by release(holder). */
struct Segment {
    Segment *next;
    const uint8_t *p;
    size_t n;
    size_t cap;
    void (*release)(void *holder);
    void *holder;
};

struct Request {
    HttpRequest pub; /* first */
    HttpServer *server;
    HttpConnection *conn; /* NULL: cut off */
    ListNode node;        /* in the connection's requests, in the graveyard, or in the free list */
    unsigned holds;

    int32_t stream_id; /* HTTP/2 */
    size_t header_bytes;
    VEC(HttpHeader) headers; /* the same as pub.headers; memory of the arena */
    int64_t content_length;  /* -1: unknown */
    StrBuf body;
    size_t body_limit;
    size_t body_seen;
    size_t body_taken; /* by the handler */
    size_t unconsumed; /* HTTP/2: received while paused, so its window has not been given back */
    int64_t body_began_ms, body_progress_ms;
    void (*resumed)(
        HttpRequest *request); /* the handler has deferred its decision; NULL: it has not */
    bool early_end;            /* while it was deferred, the body has ended */

    int status;
    const char *content_type;
    VEC(HttpHeader) extra; /* the answer's own headers; memory of the arena */
    int64_t answer_length; /* -1: no known end */
    uint64_t answered;     /* bytes of the body that the handler gave */
    char length_text[24];
    Segment *out_first, *out_last;
    size_t pending;
    int64_t out_progress_ms; /* when something of what is pending has last left */
    size_t head_left;        /* HTTP/1: of these, bytes of the answer's head */

    bool dispatched : 1; /* the handler has seen it */
    bool too_large : 1;  /* its head */
    bool bad_target : 1;
    bool is_head : 1;    /* the method HEAD: an answer without a body */
    bool waits_body : 1; /* counted in server->waiting */
    bool body_done : 1;
    bool body_refused : 1;
    bool body_drop : 1;
    bool body_held : 1;      /* by its handler */
    bool body_paused : 1;    /* HTTP/2 */
    bool wants_continue : 1; /* Expect: 100-continue, not yet answered */
    bool go_on : 1;          /* HTTP/1: 100 Continue is to be sent */
    bool no_body : 1;        /* HTTP/1: none was announced */
    bool may_keep_alive : 1; /* HTTP/1 */
    bool close_after : 1;    /* HTTP/1: the connection ends with this answer */
    bool chunked : 1;
    bool raw : 1;     /* upgraded: bytes as they are */
    bool upgrade : 1; /* HTTP/1: the client asks for one */
    bool begun : 1;   /* the handler has begun its answer */
    bool head_sent : 1;
    bool ended : 1;    /* the handler has ended it */
    bool out_done : 1; /* the last byte was taken by the connection */
    bool aborted : 1;
    bool deferred : 1; /* HTTP/2: the stream sleeps until there is more */
    bool wants_drain : 1;
    bool patient : 1;  /* its writes may wait for more */
    bool finished : 1; /* on_close was called, or would have been */
    bool orphan : 1;   /* outlives its connection; keeps the server */
    bool buried : 1;
};

typedef struct Protocol {
    /* Takes all of it, or keeps what it cannot take yet. False: the connection is over
     * (ConnectionClose was asked). */
    bool (*feed)(HttpConnection *conn, const uint8_t *p, size_t n);
    /* Puts what waits into the stage with conn_put. */
    void (*pull)(HttpConnection *conn);
    /* After a pull: what was kept may go on. True: there may be more to pull. */
    bool (*resume)(HttpConnection *conn);
    /* The peer has ended its side. */
    void (*eof)(HttpConnection *conn);
    /* A request has begun its answer, has more to send, or was aborted. */
    void (*begun)(Request *request);
    void (*more)(Request *request);
    void (*abort)(Request *request);
    void (*go_on)(Request *request); /* 100 Continue */
    void (*pause)(Request *request, bool pause);
    /* The handler of a deferred request has decided. */
    void (*resumed)(Request *request);
    void (*drain)(HttpConnection *conn);
    void (*deinit)(HttpConnection *conn);
} Protocol;

extern const Protocol protocol_sniff, protocol_h1, protocol_h2, protocol_raw;

/* An HTTP/1 head while it is read: text of all parts, each ended by NUL, and where they begin. */
typedef struct H1Head {
    StrBuf text;
    VEC(uint32_t) at; /* name, value, name, value... */
    uint32_t target_n;
    bool in_value;
    bool too_large;
} H1Head;

struct HttpConnection {
    HttpServer *server;
    ListNode node;                 /* server->connections */
    ListNode dirty;                /* server->dirty or server->late */
    ListNode of_class, of_address; /* server->unknown or known; the same of its address */
    PeerAddress *place;            /* NULL: it has none */
    Wire wire;
    uv_poll_t poll;
    int poll_events;
    bool has_poll;
    const Protocol *protocol;
    HttpPeer peer;
    Arena peer_arena;
    char address[48];
    ListNode requests; /* HTTP/1: in order */
    unsigned n_requests;
    int64_t deadline_ms; /* uv_now; 0: none */
    uint64_t out_seen;   /* bytes that had left when the tick last looked... */
    int64_t out_seen_ms; /* ...and since when it is so */
    StrBuf kept;         /* bytes the protocol could not take yet */

    bool closed : 1;
    bool eof : 1;
    bool paused : 1;
    bool late : 1;       /* in server->late: all that waits is patient */
    bool blocked : 1;    /* the socket takes no more */
    bool abort : 1;      /* at the next flush, whatever waits */
    bool close_soon : 1; /* once all is flushed */
    bool lingering : 1;  /* our side is shut; reading and dropping until the peer ends too */
    bool draining : 1;
    bool in_read : 1;
    bool known : 1; /* see places.c */
    bool idle : 1;  /* without a request; the deadline is that of an idle connection */

    nghttp2_session *h2;
    Request *h2_head;   /* its header block is being received */
    unsigned h2_resets; /* of unanswered requests, halved every second */
    int64_t h2_resets_since;
    unsigned h2_empty; /* DATA frames without data in a row */
    bool h2_notice : 1;
    bool h2_closing : 1;

    llhttp_t h1;
    H1Head h1_head;
    Request *h1_request; /* being read, until its message is complete */
    bool h1_in_body : 1; /* what looks like headers are trailers */
    bool h1_message : 1; /* between the first byte of a head and the end of its message */
    bool h1_stop : 1;    /* no request after this one */
    bool h1_halted : 1;  /* the parser stopped behind the head of a deferred request */

    HttpRaw *raw;
    HttpLoopback *loopback;
};

typedef struct Listener {
    uv_poll_t poll;
    HttpServer *server;
    ListNode node;
    int fd;
    char *unlink_path;
    bool paused;
} Listener;

struct HttpServer {
    uv_loop_t *loop;
    HttpServerOptions options;
    HttpLimits limits;
    SSL_CTX *tls;
    ListNode listeners, connections, dirty, graveyard, orphans, free_requests;
    unsigned n_free_requests, n_connections;
    ListNode unknown, known; /* connections by class, oldest first */
    StrMap addresses;        /* text -> PeerAddress */
    unsigned n_unknown;
    unsigned waiting;       /* HTTP/2 requests whose body is still to come */
    size_t deferred_bodies; /* bytes of the bodies of deferred requests */
    unsigned unsent;        /* requests with something pending */
    unsigned references;    /* itself, its handles, its connections, its orphans */
    uint16_t port;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;
    uv_timer_t tick;
    uv_timer_t late_timer;
    ListNode late;    /* connections whose bytes are patient */
    uint64_t late_ns; /* no earlier than this are they written to (uv_hrtime) */
    uv_timer_t grace;
    bool idle_on, closed, draining;
    void (*drained)(void *data);
    void *drained_data;
};

/* ---- server.c ---- */
void server_unref(HttpServer *server);
void server_wake(HttpServer *server); /* something to do before the next poll blocks */
void server_tick_start(HttpServer *server);
void server_connection_here(HttpServer *server);
void server_connection_gone(HttpServer *server);

/* ---- connection.c ---- */
HttpConnection *conn_new(HttpServer *server, int fd, const HttpPeer *peer);
void conn_start(HttpConnection *conn);
void conn_close(HttpConnection *conn);      /* at once */
void conn_close_soon(HttpConnection *conn); /* when what was put has left */
void conn_dirty(HttpConnection *conn);
void conn_dirty_late(HttpConnection *conn); /* with the next round of the patient */
void conn_flush(HttpConnection *conn);
void conn_deadline(HttpConnection *conn, int64_t ns); /* 0: none */
/* Begins the time of an idle connection, unless it runs already. */
void conn_idle(HttpConnection *conn);
void conn_tick(HttpConnection *conn, int64_t now_ms);
void conn_pause(HttpConnection *conn, bool pause);
/* Answers what has arrived until now, and ends. */
void conn_drain(HttpConnection *conn);
void conn_use(HttpConnection *conn, const Protocol *protocol);
/* Room in the stage: writes the stage out if there are fewer than `want` bytes left; 0 if the
 * socket takes no more. */
size_t conn_room(HttpConnection *conn, size_t want);
static inline void conn_put(const void *p, size_t n)
{
    WireStage *stage = wire_stage();

    memcpy(stage->p + stage->n, p, n);
    stage->n += n;
}

/* ---- places.c ---- */
void places_take(HttpConnection *conn);
void places_leave(HttpConnection *conn);
/* The connection that is worth least; NULL: all are in use. */
HttpConnection *places_least(HttpServer *server);
void places_deinit(HttpServer *server);

/* ---- request.c ---- */
Request *request_new(HttpConnection *conn);
void request_add_header(Request *request, const char *name, const char *value);
/* Splits "path?query"; false if it is no path. */
bool request_set_target(Request *request, char *target);
void request_dispatch(Request *request);
/* Answers by itself: 400, 413, 431... */
void request_refuse(Request *request, int status, const char *text);
void request_body(Request *request, const uint8_t *p, size_t n);
void request_body_done(Request *request);
/* When its body has to have come, as it is coming: uv_now. */
int64_t request_body_deadline(const Request *request);
/* Copies up to n bytes of what waits into the stage. The caller has made room. */
size_t request_take(Request *request, size_t n);
void request_append(Request *request, const void *p, size_t n);
void request_out_done(Request *request);
void request_finish(Request *request, bool failed);
void request_drop(Request *request); /* frees */
const char *status_text(int status);

/* ---- h1.c, h2.c, raw.c ---- */
void h1_init(HttpConnection *conn);
/* Whether a comma-separated header has this token. */
bool header_has_token(const char *value, const char *token);
int h2_init(HttpConnection *conn);
/* Tells the peer that no request will be answered any more, and closes. */
void h2_leave(HttpConnection *conn);

/* ---- tls.c ---- */
void tls_peer(SSL *ssl, HttpPeer *peer, Arena *arena);

#endif
