/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients of the upgraded connections that carry a pod's streams: channels over a WebSocket, and SPDY.
 * What the server sends is read as text, so that a test can state it.
 */
#ifndef TESTS_WIRE_API_UPGRADES_H
#define TESTS_WIRE_API_UPGRADES_H

#include <zlib.h>

#include "api_harness.h"

/* ---- WebSocket ---- */

HttpLoopback *ws_open(Api *api, const char *path, const char *protocols);
void ws_send(HttpLoopback *stream, uint8_t opcode, const char *p, size_t n);
/* The frames that have come: "1:hello 3:{...} " (channel and bytes; empty messages are left out), "close"
 * for a close frame, and first "101 " if the head of the response is among it. */
void ws_expect(Api *api, HttpLoopback *stream, const char *what);
/* The same text. The caller frees. */
char *ws_take(Api *api, HttpLoopback *stream);

/* ---- SPDY/3.1 ---- */

typedef struct SpdyClient {
    Api *api;
    HttpLoopback *stream;
    z_stream deflate;
} SpdyClient;

/* Sends the upgrade; protocols is the value of X-Stream-Protocol-Version. */
void spdy_open(SpdyClient *client, Api *api, const char *path, const char *protocols);
void spdy_close(SpdyClient *client);
/* Opens a stream. headers: "streamtype=data port=80". */
void spdy_syn(SpdyClient *client, uint32_t id, const char *headers);
void spdy_data(SpdyClient *client, uint32_t id, const char *text, bool fin);
void spdy_rst(SpdyClient *client, uint32_t id);
/* "101 reply 1 3:hello end 3 reset 5 goaway " */
void spdy_expect(SpdyClient *client, const char *what);
char *spdy_take(SpdyClient *client);

#endif
