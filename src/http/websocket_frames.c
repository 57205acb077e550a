/* SPDX-License-Identifier: Apache-2.0 */
/* wslay's callbacks. See websocket_frames.h. */
#include "http/websocket_frames.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "base/time/clock.h"

/* A control frame holds 125 bytes, two of which are the code of a close. */
#define REASON_MAX 123u

static ssize_t on_recv(wslay_event_context_ptr wslay, uint8_t *buf, size_t n, int flags _unused_,
                       void *data)
{
    WebSocketFrames *frames = data;

    if (frames->in.n == 0 ||
        (frames->handler->is_paused && frames->handler->is_paused(frames->data))) {
        wslay_event_set_error(wslay, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    n = MIN_OF(n, frames->in.n);
    memcpy(buf, frames->in.p, n);
    frames->in.p += n;
    frames->in.n -= n;
    return (ssize_t)n;
}

static ssize_t on_send(wslay_event_context_ptr wslay _unused_, const uint8_t *p, size_t n,
                       int flags _unused_, void *data)
{
    WebSocketFrames *frames = data;

    frames->handler->send(frames->data, (Bytes){p, n});
    return (ssize_t)n;
}

static int on_mask(wslay_event_context_ptr wslay _unused_, uint8_t *buf, size_t n,
                   void *data _unused_)
{
    random_secret(buf, n);
    return 0;
}

static void on_message(wslay_event_context_ptr wslay _unused_,
                       const struct wslay_event_on_msg_recv_arg *arg, void *data)
{
    WebSocketFrames *frames = data;

    if (!wslay_is_ctrl_frame(arg->opcode))
        frames->handler->on_message(
            frames->data, arg->opcode == WSLAY_TEXT_FRAME,
            (Bytes){arg->msg ? arg->msg : (const uint8_t *)"", arg->msg_length});
}

void frames_init(WebSocketFrames *frames, bool client, size_t message_max,
                 const WebSocketFramesHandler *handler, void *data)
{
    static const struct wslay_event_callbacks callbacks = {.recv_callback = on_recv,
                                                           .send_callback = on_send,
                                                           .genmask_callback = on_mask,
                                                           .on_msg_recv_callback = on_message};

    *frames = (WebSocketFrames){.handler = handler, .data = data};
    /* This only fails for lack of memory, where every other allocation aborts as well. */
    ASSERT((client ? wslay_event_context_client_init(&frames->wslay, &callbacks, frames)
                   : wslay_event_context_server_init(&frames->wslay, &callbacks, frames)) == 0);
    wslay_event_config_set_max_recv_msg_length(frames->wslay, message_max);
}

void frames_deinit(WebSocketFrames *frames)
{
    wslay_event_context_free(TAKE_PTR(frames->wslay));
}

bool frames_feed(WebSocketFrames *frames, Bytes bytes, Bytes *ret_rest)
{
    bool good;

    ASSERT(!frames->in.p); /* a handler must not feed */
    frames->in = bytes;
    good = wslay_event_recv(frames->wslay) == 0;
    *ret_rest = frames->in;
    frames->in = BYTES_NULL;
    return good;
}

bool frames_message(WebSocketFrames *frames, bool text, Bytes message)
{
    const struct wslay_event_msg msg = {.opcode = text ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME,
                                        .msg = message.p,
                                        .msg_length = message.n};

    return wslay_event_queue_msg(frames->wslay, &msg) == 0;
}

bool frames_close(WebSocketFrames *frames, uint16_t code, const char *reason)
{
    return wslay_event_queue_close(frames->wslay, code, (const uint8_t *)reason,
                                   reason ? MIN_OF(strlen(reason), REASON_MAX) : 0) == 0;
}

bool frames_flush(WebSocketFrames *frames)
{
    return wslay_event_send(frames->wslay) == 0;
}

bool frames_close_received(const WebSocketFrames *frames)
{
    return wslay_event_get_close_received(frames->wslay);
}

bool frames_are_over(const WebSocketFrames *frames)
{
    return wslay_event_get_close_sent(frames->wslay) &&
           (wslay_event_get_close_received(frames->wslay) ||
            !wslay_event_get_read_enabled(frames->wslay));
}

void websocket_accept_key(const char *key, char ret[static 32])
{
    char text[WEBSOCKET_KEY_LENGTH + 37];
    unsigned char digest[SHA_DIGEST_LENGTH];

    ASSERT(strlen(key) == WEBSOCKET_KEY_LENGTH);
    snprintf(text, sizeof(text), "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    SHA1((const unsigned char *)text, strlen(text), digest);
    EVP_EncodeBlock((unsigned char *)ret, digest, sizeof(digest));
}
