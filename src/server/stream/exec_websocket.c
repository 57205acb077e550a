/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec and attach over WebSocket. Each message begins with the number of its channel:
 *
 *   0 stdin    from the client
 *   1 stdout   2 stderr   to the client
 *   3 error    to the client: how the process has ended
 *   4 resize   from the client: {"Width":80,"Height":24}
 *   255 close  from the client, v5 only: the byte that follows is the channel that has ended,
 *              which is how stdin ends
 *
 * channel.k8s.io, which is also assumed when the client names no protocol, is the first version: its
 * error channel carries text, and only if something went wrong.
 */
#include "server/stream/channels.h"
#include "server/stream/exec.h"

static const struct ExecProtocol protocols[] = {
    {"v5.channel.k8s.io", .closes = true},
    {"v4.channel.k8s.io"},
    {"v4.base64.channel.k8s.io", .base64 = true},
    {"channel.k8s.io", .plain = true},
    {"base64.channel.k8s.io", .base64 = true, .plain = true},
};

/* ---- to the client ---- */

static void ws_send(Exec *exec, int channel, Bytes bytes)
{
    channels_send(exec->ws, (unsigned)channel, bytes);
}

static void ws_end(Exec *exec)
{
    channels_close(exec->ws);
}

static size_t ws_pending(const Exec *exec)
{
    return channels_pending(exec->ws);
}

static void ws_pause(Exec *exec, bool pause)
{
    channels_pause(exec->ws, pause);
}

static const Transport transport = {ws_send, ws_end, ws_pending, ws_pause};

/* ---- from the client ---- */

static void on_bytes(void *data, unsigned channel, Bytes bytes)
{
    Exec *exec = data;

    if (channel == CHANNEL_STDIN)
        exec_input(exec, bytes);
    else if (channel == CHANNEL_RESIZE)
        exec_resize(exec, bytes);
    else if (channel == CHANNEL_CLOSE && exec->closes && bytes.n == 1 &&
             bytes.p[0] == CHANNEL_STDIN)
        exec_input_end(exec);
}

static void on_drain(void *data)
{
    exec_drained(data);
}

static void on_close(void *data)
{
    exec_gone(data);
}

const struct ExecProtocol *exec_websocket_protocol(Call *call)
{
    static const struct ExecProtocol first = {.plain = true};
    const char *names[ARRAY_LEN(protocols) + 1] = {NULL}, *name;

    for (size_t i = 0; i < ARRAY_LEN(protocols); i++)
        names[i] = protocols[i].name;
    if (!channels_negotiate(call, names, &name))
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++)
        if (protocols[i].name == name)
            return &protocols[i];
    return &first;
}

bool exec_websocket(Call *call, Exec *exec, const struct ExecProtocol *protocol)
{
    static const ChannelsHandler handler = {on_bytes, on_drain, on_close};

    exec->closes = protocol->closes;
    exec->plain = protocol->plain;
    exec->ws = channels_accept(call, protocol->name, protocol->base64, &handler, exec);
    if (!exec->ws)
        return false;
    exec->transport = &transport;
    /* Older clients wait for a first message before they send anything. */
    ws_send(exec,
            exec->options.standard_out   ? CHANNEL_STDOUT
            : exec->options.standard_err ? CHANNEL_STDERR
                                         : CHANNEL_ERROR,
            BYTES_LITERAL(""));
    exec_ready(exec);
    return true;
}
