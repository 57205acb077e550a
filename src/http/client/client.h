/* SPDX-License-Identifier: Apache-2.0 */
/* A small client: for probes, hooks and our own commands. */
#ifndef HTTP_CLIENT_CLIENT_H
#define HTTP_CLIENT_CLIENT_H

#include "http/http.h"

struct HttpClientResponse;

typedef struct HttpClientRequest {
    const char *address; /* "10.42.0.7" or "unix:/path" */
    uint16_t port;
    const char *method, *path; /* path with query */
    const char *host;          /* Host header; NULL: address:port */
    const HttpHeader *headers; /* extra */
    size_t n_headers;
    Bytes body;
    struct ssl_ctx_st *tls;  /* NULL: plain */
    const char *server_name; /* SNI and check of the certificate; NULL: none */
    int64_t timeout_ns;
    size_t body_limit; /* the rest is cut */
    const char *netns; /* path of a network namespace to connect from; NULL: ours */
    /* The protocol to change to; NULL: none. After a 101, on_data gets its bytes, beginning with
     * the first ones, or none, that came with the head. */
    const char *upgrade;
    /* The body comes by http_call_send, piece by piece, and ends with http_call_send_end. */
    bool streams;
    int64_t length; /* of such a body; -1: unknown */
    /* For the connection and its handshake; timeout_ns then begins behind it. 0: timeout_ns is for
     * everything. */
    int64_t connect_timeout_ns;
    /* The head of the answer is there, before the first on_data. Optional. */
    void (*on_head)(void *data, const struct HttpClientResponse *head);
    void (*on_drain)(void *data); /* all that was sent has left */
} HttpClientRequest;

typedef struct HttpClientResponse {
    int64_t length;         /* in on_head: what the head announces; -1: unknown */
    int error;              /* 0, or -errno; -ETIMEDOUT past the time */
    const char *error_text; /* for people: "connection refused" */
    int status;
    const HttpHeader *headers;
    size_t n_headers;
    Bytes body; /* of a streamed call: empty */
} HttpClientResponse;

typedef struct HttpCall HttpCall;
typedef void (*HttpClientDone)(void *data, const HttpClientResponse *response);
/* Calls done exactly once, from the loop, unless cancelled. on_data, where given, gets the body
 * piece by piece (watch, logs -f) and there is no limit then. */
/* The call is the caller's (to cancel) until done is called. The response is valid during done. */
HttpCall *http_call(struct uv_loop_s *loop, const HttpClientRequest *request,
                    void (*on_data)(void *data, int status, Bytes piece), HttpClientDone done,
                    void *data);
void http_call_cancel(HttpCall *call); /* done is not called */
/* A piece of the body, or of an upgraded call. It is copied and leaves soon; the caller waits for
 * on_drain before http_call_unsent is too much. */
void http_call_send(HttpCall *call, Bytes bytes);
void http_call_send_end(HttpCall *call);
/* Reads no more from the peer; what has been read may still come. */
void http_call_pause(HttpCall *call, bool pause);
size_t http_call_unsent(const HttpCall *call);
const char *http_call_header(const HttpCall *call, const char *name); /* lower case; NULL */

/* A WebSocket from our side. done comes last, once: with the status 101 where it was open. */
typedef struct WebSocketClient WebSocketClient;

typedef struct WebSocketClientHandler {
    void (*on_open)(WebSocketClient *ws, void *data);
    void (*on_message)(WebSocketClient *ws, void *data, bool text, Bytes message);
    void (*on_drain)(WebSocketClient *ws, void *data);
    HttpClientDone done; /* frees the WebSocket after it has returned */
} WebSocketClientHandler;

WebSocketClient *websocket_client_open(struct uv_loop_s *loop, const HttpClientRequest *request,
                                       const char *protocol, const WebSocketClientHandler *handler,
                                       void *data);
void websocket_client_send(WebSocketClient *ws, bool text, Bytes message);
size_t websocket_client_pending(const WebSocketClient *ws);

#endif
