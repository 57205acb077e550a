/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec and attach, independent of the protocol of the client: a Transport carries the five channels
 * over a WebSocket (exec_websocket.c) or SPDY (exec_spdy.c).
 *
 * The process is started before the connection is upgraded, so that a refusal is an ordinary HTTP
 * response. Its output is paused until the transport calls exec_ready.
 */
#ifndef SERVER_STREAM_EXEC_H
#define SERVER_STREAM_EXEC_H

#include "http/spdy.h"
#include "server/stream/spdy.h"

enum {
    CHANNEL_STDIN,
    CHANNEL_STDOUT,
    CHANNEL_STDERR,
    CHANNEL_ERROR,
    CHANNEL_RESIZE,
    CHANNELS,
    CHANNEL_CLOSE = 255,
};

typedef struct Exec Exec;

typedef struct Transport {
    void (*send)(Exec *exec, int channel, Bytes bytes);
    void (*end)(Exec *exec);             /* nothing more is sent */
    size_t (*pending)(const Exec *exec); /* bytes that wait for the client */
    void (*pause)(Exec *exec, bool pause);
} Transport;

struct Exec {
    PodStreams *streams;
    ExecStream *stream; /* NULL: the process has ended */
    ExecOptions options;
    const Transport *transport; /* NULL: the client is not ready yet, or has disconnected */
    bool plain;                 /* before v4: the error channel carries text, and only on failure */
    bool output_paused, input_paused;
    bool ended; /* the process ended before the transport was ready */
    bool told;
    int exit_code;
    char *message;
    /* WebSocket */
    struct Channels *ws;
    bool closes; /* v5: a single channel can be closed */
    /* SPDY */
    struct SpdyLink *link;
    SpdyStream *channels[CHANNELS];
    StrBuf sizes; /* an incomplete message of the resize channel */
    Server *server;
    Timer limit;
};

/* For the transports. */
void exec_ready(Exec *exec); /* output can be sent from now on */
void exec_input(Exec *exec, Bytes bytes);
void exec_input_end(Exec *exec);
void exec_resize(Exec *exec, Bytes json);
void exec_drained(Exec *exec); /* everything has been sent */
void exec_gone(Exec *exec);    /* the client has disconnected; frees exec */

/* A version of the channels over WebSocket. */
struct ExecProtocol {
    const char *name; /* NULL: the client has named none */
    bool closes, base64, plain;
};

/* The protocol that client and server agree on. NULL: there is none, and the request has been
 * answered. */
const struct ExecProtocol *exec_websocket_protocol(Call *call);
const char *exec_spdy_protocol(Call *call);
/* Upgrade the connection and take over exec. False: the upgrade is impossible, and exec still
 * belongs to the caller. */
bool exec_websocket(Call *call, Exec *exec, const struct ExecProtocol *protocol);
bool exec_spdy(Call *call, Exec *exec, const char *protocol);

#endif
