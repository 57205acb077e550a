/* SPDX-License-Identifier: Apache-2.0 */
/* Runs another process in a container (`crun exec`, over pipes or a terminal), or attaches to
 * the streams of the container's own process through conmon's socket. Input waits while the
 * process does not read, and output waits while the client does not read. */
#ifndef NODE_RUNTIME_EXEC_H
#define NODE_RUNTIME_EXEC_H

#include "api/streams.h"
#include "node/runtime/runtime.h"

struct uv_loop_s;

typedef struct ExecRequest {
    struct uv_loop_s *loop;
    const Runtime *runtime;
    const char *id;
    /* of the container; user, environment and rights come from its config.json */
    const char *bundle;
    const char *dir; /* a folder for short-lived files of this exec */
    const char *const *command;
    bool standard_in, standard_out, standard_err, tty;
    bool stdin_once;    /* for attach: the end of the client's input closes the container's stdin */
    int64_t timeout_ns; /* 0: none; when it has passed, the process is killed (EXEC_E_TIMED_OUT) */
} ExecRequest;

/* Exit codes of on_exit below 0, with a message. */
enum {
    EXEC_E_FAILED = -1,    /* the process could not be run */
    EXEC_E_TIMED_OUT = -2, /* it ran longer than timeout_ns and was killed */
};

/* Both always return a stream; the first call of the sink comes later, from the loop. After on_exit,
 * or after exec_stream_close, the stream must not be used any more. */
ExecStream *exec_start(const ExecRequest *request, const ExecSink *sink);
ExecStream *exec_attach(const ExecRequest *request, const ExecSink *sink);
size_t exec_stream_input(ExecStream *stream, Bytes bytes);
void exec_stream_input_end(ExecStream *stream);
void exec_stream_pause(ExecStream *stream, bool pause);
void exec_stream_resize(ExecStream *stream, uint16_t columns, uint16_t rows);
void exec_stream_close(ExecStream *stream);
/* on_free is called once before the stream is freed, so that its owner can forget it. */
void exec_stream_on_free(ExecStream *stream, void (*on_free)(void *data, ExecStream *stream),
                         void *data);

#endif
