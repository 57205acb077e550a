/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process beside a container's own: crun exec over pipes or a terminal, or an attach to the
 * container's own streams through conmon's socket. Input is held back when the process does not
 * read, output when the client does not.
 */
#ifndef NODE_RUNTIME_EXEC_H
#define NODE_RUNTIME_EXEC_H

#include "api/streams.h"
#include "node/runtime/runtime.h"

struct uv_loop_s;

typedef struct ExecRequest {
    struct uv_loop_s *loop;
    const Runtime *runtime;
    const char *id;
    const char *bundle; /* of the container: its config.json gives user, environment and rights */
    const char *dir;    /* a folder for this process's small files (short-lived) */
    const char *const *command;
    bool standard_in, standard_out, standard_err, tty;
    bool stdin_once;    /* attach: the container's input ends with the client's */
    int64_t timeout_ns; /* 0: none; when it has passed, the process is killed (EXEC_E_TIMED_OUT) */
} ExecRequest;

/* Exit codes of on_exit below 0, with a message. */
enum {
    EXEC_E_FAILED = -1,    /* the process could not be run */
    EXEC_E_TIMED_OUT = -2, /* it ran longer than timeout_ns and was killed */
};

ExecStream *exec_start(const ExecRequest *request, const ExecSink *sink);
ExecStream *exec_attach(const ExecRequest *request, const ExecSink *sink);
size_t exec_stream_input(ExecStream *stream, Bytes bytes);
void exec_stream_input_end(ExecStream *stream);
void exec_stream_pause(ExecStream *stream, bool pause);
void exec_stream_resize(ExecStream *stream, uint16_t columns, uint16_t rows);
void exec_stream_close(ExecStream *stream);
void exec_stream_on_free(ExecStream *stream, void (*on_free)(void *data, ExecStream *stream),
                         void *data);

#endif
