/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interface through which the server accesses running pods: logs, exec and connections to
 * ports. The node implements it; the server only transfers bytes between it and WebSocket or HTTP
 * streams.
 */
#ifndef API_STREAMS_H
#define API_STREAMS_H

#include "api/object.h"
#include "api/status.h"
#include "base/strbuf.h"

typedef struct PodStreams PodStreams;
typedef struct LogStream LogStream;
typedef struct ExecStream ExecStream;
typedef struct ForwardStream ForwardStream;

typedef struct NodePage NodePage;

/* type NULL: the node has no such page. */
typedef void (*NodePageDone)(void *data, const char *type, const StrBuf *text);

typedef struct LogOptions {
    const char *container; /* NULL: the only one */
    bool follow, previous, timestamps;
    int64_t tail_lines;  /* -1: all */
    int64_t since_ns;    /* wall time; 0: from the start */
    int64_t limit_bytes; /* -1: no limit */
} LogOptions;

typedef struct LogSink {
    /* Text of the log; false: the reader is slow, wait for log_resume. */
    bool (*on_data)(void *data, Bytes bytes);
    void (*on_end)(void *data); /* nothing more will come; the last call */
    void *data;
} LogSink;

typedef struct ExecOptions {
    const char *container;
    const char *const *command; /* NULL-ended; NULL: attach */
    bool standard_in, standard_out, standard_err, tty;
} ExecOptions;

typedef struct ExecSink {
    void (*on_output)(void *data, int channel,
                      Bytes bytes);     /* 1 stdout, 2 stderr; held back by exec_pause */
    void (*on_input_drain)(void *data); /* all that was given to exec_input has left */
    /* The last call. exit_code >= 0, or -1 and a message: it could not run. */
    void (*on_exit)(void *data, int exit_code, const char *message);
    void *data;
} ExecSink;

typedef struct ForwardSink {
    void (*on_data)(void *data, Bytes bytes); /* held back by forward_pause */
    void (*on_end)(void *data);               /* the pod sends no more; it may still read */
    void (*on_drain)(void *data);             /* all that was given to forward_send has left */
    /* The last call: both sides have ended, or the connection is gone. message: it could not be
     * made. */
    void (*on_close)(void *data, const char *message);
    void *data;
} ForwardSink;

typedef struct PodStreamsOps {
    /* 0, or a refusal in Kubernetes' words (`container "x" in pod "y" is waiting to start:
     * ContainerCreating`). No sink call comes before it returns. */
    int (*logs)(PodStreams *streams, const Object *pod, const LogOptions *options,
                const LogSink *sink, LogStream **ret, ApiStatus *reterr, Arena *arena);
    void (*log_resume)(LogStream *stream);
    void (*log_stop)(LogStream *stream); /* no on_end after this */

    int (*exec)(PodStreams *streams, const Object *pod, const ExecOptions *options,
                const ExecSink *sink, ExecStream **ret, ApiStatus *reterr, Arena *arena);
    /* Bytes for stdin (copied); returns how much memory those take that wait for the process, for
     * back-pressure: while it is too much, the caller gives no more until on_input_drain. */
    size_t (*exec_input)(ExecStream *stream, Bytes bytes);
    void (*exec_input_end)(ExecStream *stream);
    void (*exec_pause)(ExecStream *stream, bool pause);
    void (*exec_resize)(ExecStream *stream, uint16_t columns, uint16_t rows);
    void (*exec_close)(ExecStream *stream); /* the client went away; no on_exit after this */

    /* A TCP connection to a port inside the pod, to what listens on its loopback address or its
     * own. No sink call comes before it returns. */
    int (*forward)(PodStreams *streams, const Object *pod, uint16_t port, const ForwardSink *sink,
                   ForwardStream **ret, ApiStatus *reterr, Arena *arena);
    size_t (*forward_send)(ForwardStream *stream, Bytes bytes); /* as exec_input */
    void (*forward_end)(ForwardStream *stream);                 /* the client sends no more */
    void (*forward_pause)(ForwardStream *stream, bool pause);
    void (*forward_close)(ForwardStream *stream); /* no on_close after this */

    /* Reports of the node under kubelet's paths ("/stats/summary"). NULL: `done` has been called
     * already. */
    NodePage *(*node)(PodStreams *streams, const char *path, NodePageDone done, void *data);
    void (*node_cancel)(NodePage *page); /* `done` is not called after this */
} PodStreamsOps;

struct PodStreams {
    const PodStreamsOps *ops;
};

#endif
