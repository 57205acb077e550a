/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frames of a WebSocket (RFC 6455) over any stream of bytes, for the server's side and the client's.
 * wslay reads and makes the frames, answers pings and checks UTF-8. The owner feeds what it receives and
 * sends what it is given.
 */
#ifndef HTTP_WEBSOCKET_FRAMES_H
#define HTTP_WEBSOCKET_FRAMES_H

#include <wslay/wslay.h>

#include "base/base.h"

enum { WEBSOCKET_KEY_LENGTH = 24 };

typedef struct WebSocketFramesHandler {
    /* A whole message. May send, and may close. */
    void (*on_message)(void *data, bool text, Bytes message);
    /* Takes all of the bytes. */
    void (*send)(void *data, Bytes bytes);
    /* True: no further message may be delivered now. NULL: never. */
    bool (*is_paused)(const void *data);
} WebSocketFramesHandler;

typedef struct WebSocketFrames {
    wslay_event_context_ptr wslay;
    const WebSocketFramesHandler *handler;
    void *data;
    Bytes in; /* what is being fed; p is NULL otherwise */
} WebSocketFrames;

/* A client masks what it sends. A message of more than message_max bytes is malformed. */
void frames_init(WebSocketFrames *frames, bool client, size_t message_max,
                 const WebSocketFramesHandler *handler, void *data);
void frames_deinit(WebSocketFrames *frames);

/* Reads frames and delivers messages. *ret_rest is what has not been read because the handler paused; it
 * lies in `bytes`. False: the bytes are malformed. */
bool frames_feed(WebSocketFrames *frames, Bytes bytes, Bytes *ret_rest);
/* Queue a frame; frames_flush sends it. False: nothing may follow a close. */
bool frames_message(WebSocketFrames *frames, bool text, Bytes message);
/* reason may be NULL; what exceeds a control frame is cut off. */
bool frames_close(WebSocketFrames *frames, uint16_t code, const char *reason);
/* Sends what is queued. False: that is impossible, and the connection has to be aborted. */
bool frames_flush(WebSocketFrames *frames);

bool frames_close_received(const WebSocketFrames *frames);
/* Our close has been sent, and nothing more can arrive. */
bool frames_are_over(const WebSocketFrames *frames);

/* The Sec-WebSocket-Accept that answers a Sec-WebSocket-Key, which has WEBSOCKET_KEY_LENGTH characters. */
void websocket_accept_key(const char *key, char ret[static 32]);

#endif
