/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the log of a container, which conmon writes in the CRI format
 * ("2026-01-02T03:04:05.123456789+00:00 stdout F text"). A stream reads in pieces and pauses
 * while its reader is slow. A following stream is woken by inotify, and continues in the new
 * file after a rotation. */
#ifndef NODE_RUNTIME_LOGS_H
#define NODE_RUNTIME_LOGS_H

#include "api/streams.h"
#include "base/strbuf.h"

struct uv_loop_s;

typedef struct CriLine {
    Bytes time, stream, text;
    bool partial; /* P: the text continues in the next line of the same stream */
} CriLine;

/* Parses one line without its newline; false if it is malformed. */
bool cri_line_parse(const uint8_t *p, size_t n, CriLine *ret);
/* The end of a log without time stamps, for termination messages: at most max_bytes bytes and
 * max_lines lines. The caller frees it. */
char *log_tail_text(const char *path, size_t max_bytes, size_t max_lines);

/* ended: the container does not write any more. The file need not exist yet. The first call of the
 * sink comes later, from the loop. After on_end, or after log_stream_stop, the stream must not be
 * used any more. */
LogStream *log_stream_new(struct uv_loop_s *loop, const char *path, bool ended,
                          const LogOptions *options, const LogSink *sink);
void log_stream_resume(LogStream *stream);
void log_stream_stop(LogStream *stream);
const char *log_stream_path(const LogStream *stream);
/* The container has ended: the stream delivers the rest of the log and ends. */
void log_stream_finish(LogStream *stream);
/* on_free is called once before the stream is freed, so that its owner can forget it. */
void log_stream_on_free(LogStream *stream, void (*on_free)(void *data, LogStream *stream),
                        void *data);

/* Rotates the log if it has reached the limit; path.1 is the newest old file, and `keep` files
 * are kept in all. Returns true if the log was renamed, after which conmon has to reopen it. */
bool log_rotate(const char *path, int64_t limit, int keep);

#endif
