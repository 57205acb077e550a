/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a container's log: lines of the CRI format ("2026-01-02T03:04:05.123456789+00:00 stdout F
 * text"), as conmon writes them. A stream reads in pieces, waits where its reader is slow, and,
 * when following, hears of growth through inotify; rotation (the file is renamed and a new one
 * begun) is followed, too.
 */
#ifndef NODE_RUNTIME_LOGS_H
#define NODE_RUNTIME_LOGS_H

#include "api/streams.h"
#include "base/strbuf.h"

struct uv_loop_s;

typedef struct CriLine {
    Bytes time, stream, text;
    bool partial; /* P: the text goes on in the next line of this stream */
} CriLine;

/* One line without its newline; false: it is none. */
bool cri_line_parse(const uint8_t *p, size_t n, CriLine *ret);
/* The last n bytes of a log's text without times, for termination messages. At most max_lines
 * lines. */
char *log_tail_text(const char *path, size_t max_bytes, size_t max_lines);

/* ended: the container writes no more. Not an error if there is no file yet. */
LogStream *log_stream_new(struct uv_loop_s *loop, const char *path, bool ended,
                          const LogOptions *options, const LogSink *sink);
void log_stream_resume(LogStream *stream);
void log_stream_stop(LogStream *stream);
const char *log_stream_path(const LogStream *stream);
/* The container has ended: what is there is still read, then the stream ends. */
void log_stream_finish(LogStream *stream);
/* Called when the stream is going, once; for whoever keeps a list of them. */
void log_stream_on_free(LogStream *stream, void (*on_free)(void *data, LogStream *stream),
                        void *data);

/* Rotates the log at limit bytes: path.1 is the newest old one; `keep` files in all. True if it was
 * renamed: conmon has to open it anew. */
bool log_rotate(const char *path, int64_t limit, int keep);

#endif
