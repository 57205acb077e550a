/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec and attach over SPDY: the client opens a stream for each channel and says by its header
 * `streamtype` which; error always, stdin, stdout and stderr as asked for in the query, resize for
 * a terminal (from v3 on). The output of the process is sent when all of these have been opened.
 */
#include "base/time/clock.h"
#include "server/stream/exec.h"
#include "server/stream/spdy.h"

#define SIZES_MAX 4096
#define STREAMS_NS (30 * NS_PER_SEC) /* for the client to open its streams */

static const char *const protocols[] = {"v4.channel.k8s.io", "v3.channel.k8s.io",
                                        "v2.channel.k8s.io", "channel.k8s.io", NULL};
static const char *const types[CHANNELS] = {"stdin", "stdout", "stderr", "error", "resize"};

/* ---- to the client ---- */

static void spdy_channel_send(Exec *exec, int channel, Bytes bytes)
{
    if (exec->channels[channel])
        spdy_send(spdy_link_spdy(exec->link), exec->channels[channel], bytes);
}

static void spdy_end(Exec *exec)
{
    for (int i = 0; i < CHANNELS; i++)
        if (exec->channels[i])
            spdy_finish(spdy_link_spdy(exec->link), exec->channels[i]);
    spdy_link_close(exec->link);
}

static size_t spdy_all_pending(const Exec *exec)
{
    size_t n = spdy_link_pending(exec->link);

    for (int i = 0; i < CHANNELS; i++)
        if (exec->channels[i])
            n += spdy_pending(exec->channels[i]);
    return n;
}

static void spdy_pause(Exec *exec, bool pause)
{
    spdy_link_pause(exec->link, pause);
}

static const Transport transport = {spdy_channel_send, spdy_end, spdy_all_pending, spdy_pause};

/* ---- from the client ---- */

static bool all_there(const Exec *exec)
{
    const bool wanted[CHANNELS] = {
        [CHANNEL_STDIN] = exec->options.standard_in,
        [CHANNEL_STDOUT] = exec->options.standard_out,
        [CHANNEL_STDERR] = exec->options.standard_err,
        [CHANNEL_ERROR] = true,
    };

    /* The stream for resizing is optional, so it is not waited for. */
    for (int i = 0; i < CHANNELS; i++)
        if (wanted[i] && !exec->channels[i])
            return false;
    return true;
}

static void on_stream(void *data, SpdyStream *stream)
{
    Exec *exec = data;
    const char *type = spdy_header(stream, "streamtype");
    int channel = 0;

    while (channel < CHANNELS && !str_equal(types[channel], type))
        channel++;
    if (channel == CHANNELS || exec->channels[channel] || exec->told) {
        spdy_reset(spdy_link_spdy(exec->link), stream, SPDY_REFUSED_STREAM);
        return;
    }
    exec->channels[channel] = stream;
    stream->user = &exec->channels[channel];
    spdy_reply(spdy_link_spdy(exec->link), stream);
    if (!exec->transport && all_there(exec)) {
        timer_stop(exec->server->clock, &exec->limit);
        exec->transport = &transport;
        exec_ready(exec);
    }
}

/* Sizes arrive as a sequence of JSON objects without nesting, which may be split at any byte. */
static void take_sizes(Exec *exec, Bytes bytes)
{
    const char *end;

    if (exec->sizes.n + bytes.n > SIZES_MAX)
        strbuf_truncate(&exec->sizes, 0);
    strbuf_add(&exec->sizes, bytes.p, MIN_OF(bytes.n, (size_t)SIZES_MAX));
    while ((end = exec->sizes.n ? memchr(exec->sizes.p, '}', exec->sizes.n) : NULL)) {
        size_t n = (size_t)(end - exec->sizes.p) + 1;

        exec_resize(exec, (Bytes){(const uint8_t *)exec->sizes.p, n});
        memmove(exec->sizes.p, exec->sizes.p + n, exec->sizes.n - n);
        strbuf_truncate(&exec->sizes, exec->sizes.n - n);
    }
}

static void on_data(void *data, SpdyStream *stream, Bytes bytes)
{
    Exec *exec = data;

    if (stream == exec->channels[CHANNEL_STDIN])
        exec_input(exec, bytes);
    else if (stream == exec->channels[CHANNEL_RESIZE])
        take_sizes(exec, bytes);
}

static void on_end(void *data, SpdyStream *stream)
{
    Exec *exec = data;

    if (stream == exec->channels[CHANNEL_STDIN])
        exec_input_end(exec);
}

static void on_gone(void *data, SpdyStream *stream)
{
    SpdyStream **channel = stream->user;

    if (!channel)
        return;
    on_end(data, stream);
    *channel = NULL;
}

static void on_drain(void *data)
{
    exec_drained(data);
}

static void on_close(void *data)
{
    Exec *exec = data;

    timer_stop(exec->server->clock, &exec->limit);
    exec_gone(exec);
}

static void on_limit(Timer *timer)
{
    Exec *exec = timer->data;

    spdy_goaway(spdy_link_spdy(exec->link));
    spdy_link_close(exec->link);
}

const char *exec_spdy_protocol(Call *call)
{
    return spdy_negotiate(call, protocols);
}

bool exec_spdy(Call *call, Exec *exec, const char *protocol)
{
    static const SpdyLinkHandler handler = {on_stream, on_data,  on_end,
                                            on_gone,   on_drain, on_close};

    exec->plain = !str_equal(protocol, protocols[0]);
    exec->server = call->server;
    exec->limit.on_fire = on_limit;
    exec->limit.data = exec;
    exec->link = spdy_link_new(call, NULL, &handler, exec);
    if (!exec->link)
        return false;
    timer_start(call->server->clock, &exec->limit, STREAMS_NS);
    return true;
}
