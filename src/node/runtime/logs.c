/* SPDX-License-Identifier: Apache-2.0 */
/* Log streams and rotation. See logs.h. */
#include <fcntl.h>
#include <sys/stat.h>
#include <uv.h>

#include "base/files/beneath.h"
#include "base/timefmt.h"
#include "node/runtime/logs.h"

#define PIECE (64 * 1024)
#define LINE_MAX_BYTES (256 * 1024) /* conmon does not write longer lines */

bool cri_line_parse(const uint8_t *p, size_t n, CriLine *ret)
{
    const uint8_t *at = p, *end = p + n;
    const uint8_t *parts[3];

    for (int i = 0; i < 3; i++) {
        parts[i] = memchr(at, ' ', (size_t)(end - at));
        if (!parts[i] && !(i == 2 && at < end))
            return false;
        if (!parts[i])
            parts[i] = end;
        at = parts[i] < end ? parts[i] + 1 : end;
    }
    ret->time = (Bytes){p, (size_t)(parts[0] - p)};
    ret->stream = (Bytes){parts[0] + 1, (size_t)(parts[1] - parts[0] - 1)};
    ret->partial = parts[2] - parts[1] >= 2 && parts[1][1] == 'P';
    ret->text = (Bytes){at, (size_t)(end - at)};
    return parts[2] - parts[1] >= 2 && (parts[1][1] == 'F' || parts[1][1] == 'P') &&
           (bytes_equal(ret->stream, BYTES_LITERAL("stdout")) ||
            bytes_equal(ret->stream, BYTES_LITERAL("stderr")));
}

static bool line_time(const CriLine *line, int64_t *seconds, int32_t *nanos)
{
    char text[64];

    if (line->time.n >= sizeof(text))
        return false;
    memcpy(text, line->time.p, line->time.n);
    text[line->time.n] = 0;
    return timefmt_parse(text, seconds, nanos) == 0;
}

/* The offset at which the last `lines` lines begin. */
static int64_t tail_offset(int fd, int64_t size, int64_t lines)
{
    char buf[8192];
    int64_t at = size, found = 0;

    if (lines == 0)
        return size;
    while (at > 0) {
        size_t n = (size_t)MIN_OF((int64_t)sizeof(buf), at);
        ssize_t got = pread(fd, buf, n, at - (int64_t)n);

        if (got != (ssize_t)n)
            return 0;
        for (size_t i = n; i-- > 0;) {
            if (buf[i] != '\n' || at - (int64_t)n + (int64_t)i + 1 == size)
                continue;
            if (++found == lines)
                return at - (int64_t)n + (int64_t)i + 1;
        }
        at -= (int64_t)n;
    }
    return 0;
}

/* A pod that collects logs may have mounted the folder of all logs, so links in the last three
 * components of a log's path (pod, container, file) are not followed. Returns a descriptor
 * (O_PATH) of the container's folder. */
static int open_log_folder(const char *path, const char **ret_name)
{
    const char *at = path + strlen(path), *start;
    _free_ char *root_path = NULL, *rest = NULL;
    _close_fd_ int root = -1;

    *ret_name = NULL;
    for (int i = 0; i < 3 && at > path; i++) {
        do
            at--;
        while (at > path && *at != '/');
        *ret_name = *ret_name ? *ret_name : at + (*at == '/');
    }
    start = at + (*at == '/');
    root_path =
        at > path ? mem_strndup(path, (size_t)(at - path)) : mem_strdup(*at == '/' ? "/" : ".");
    root = beneath_root(root_path);
    if (root < 0)
        return root;
    rest = *ret_name > start ? mem_strndup(start, (size_t)(*ret_name - start)) : mem_strdup(".");
    return beneath_open(root, rest, BENEATH_NO_LINKS, O_PATH | O_DIRECTORY, 0);
}

static int open_log(const char *path)
{
    const char *name;
    _close_fd_ int folder = open_log_folder(path, &name);

    return folder < 0 ? folder
                      : beneath_open(folder, name, BENEATH_NO_LINKS, O_RDONLY | O_NONBLOCK, 0);
}

char *log_tail_text(const char *path, size_t max_bytes, size_t max_lines)
{
    _close_fd_ int fd = open_log(path);
    _strbuf_ StrBuf text = STRBUF_INIT;
    _free_ char *raw = NULL;
    struct stat st;
    int64_t from;
    size_t n;
    ssize_t got;

    if (fd < 0 || fstat(fd, &st) < 0)
        return mem_strdup("");
    from = MAX_OF(tail_offset(fd, st.st_size, (int64_t)max_lines),
                  st.st_size - 4 * (int64_t)max_bytes - 4096);
    n = (size_t)(st.st_size - from);
    raw = mem_new(n + 1);
    got = pread(fd, raw, n, from);
    for (char *at = raw, *end = raw + MAX_OF(got, 0); at < end;) {
        char *newline = memchr(at, '\n', (size_t)(end - at));
        CriLine line;

        if (!newline)
            break;
        if (cri_line_parse((uint8_t *)at, (size_t)(newline - at), &line)) {
            strbuf_add(&text, line.text.p, line.text.n);
            if (!line.partial)
                strbuf_add_char(&text, '\n');
        }
        at = newline + 1;
    }
    if (text.n > max_bytes)
        return mem_strndup(text.p + text.n - max_bytes, max_bytes);
    return strbuf_take(&text);
}

/* ---- streams ---- */

struct LogStream {
    struct uv_loop_s *loop;
    char *path;
    int fd;
    int64_t offset;
    bool follow, ended, timestamps, inside; /* inside: the previous line was partial */
    /* left: how many bytes may still be delivered; -1: any number */
    int64_t since_ns, left;
    int64_t tail;
    LogSink sink;
    StrBuf pending; /* an incomplete line */
    bool paused, done;
    bool starting; /* log_stream_new has not returned: no call of the sink yet */
    uv_fs_event_t watch;
    uv_timer_t turn; /* reading always starts from the loop, never inside a call of the reader */
    bool watching;
    int handles;
    void (*on_free)(void *data, LogStream *stream);
    void *on_free_data;
};

static void on_stream_closed(uv_handle_t *handle)
{
    LogStream *s = handle->data;

    if (--s->handles > 0)
        return;
    strbuf_deinit(&s->pending);
    if (s->fd >= 0)
        close(s->fd);
    free(s->path);
    free(s);
}

static void stream_close(LogStream *s)
{
    if (s->done)
        return;
    s->done = true;
    if (s->on_free)
        s->on_free(s->on_free_data, s);
    uv_close((uv_handle_t *)&s->turn, on_stream_closed);
    if (s->watching)
        uv_close((uv_handle_t *)&s->watch, on_stream_closed);
}

static void stream_end(LogStream *s)
{
    LogSink sink = s->sink;

    ASSERT(!s->starting);
    if (s->done)
        return;
    stream_close(s);
    sink.on_end(sink.data);
}

static void stream_give(LogStream *s, const CriLine *line, StrBuf *out)
{
    char text[TIMEFMT_MAX];
    int64_t seconds = 0;
    int32_t nanos = 0;
    bool timed = line_time(line, &seconds, &nanos);

    if (s->since_ns && timed && seconds * INT64_C(1000000000) + nanos < s->since_ns)
        return;
    if (s->timestamps && !s->inside && timed) {
        timefmt_nanos(seconds, nanos, text);
        strbuf_add_string(out, text);
        strbuf_add_char(out, ' ');
    }
    strbuf_add(out, line->text.p, line->text.n);
    if (!line->partial)
        strbuf_add_char(out, '\n');
    s->inside = line->partial;
}

/* Delivers the complete lines that have been read; an incomplete one waits for the rest. */
static void stream_take_lines(LogStream *s, StrBuf *out)
{
    size_t at = 0;

    while (at < s->pending.n) {
        const char *newline = memchr(s->pending.p + at, '\n', s->pending.n - at);
        CriLine line;

        if (!newline)
            break;
        if (cri_line_parse((uint8_t *)s->pending.p + at, (size_t)(newline - s->pending.p) - at,
                           &line))
            stream_give(s, &line, out);
        at = (size_t)(newline - s->pending.p) + 1;
    }
    if (at > 0) {
        memmove(s->pending.p, s->pending.p + at, s->pending.n - at);
        strbuf_truncate(&s->pending, s->pending.n - at);
    }
    if (s->pending.n > LINE_MAX_BYTES)
        strbuf_truncate(&s->pending, 0);
}

static bool stream_open(LogStream *s)
{
    struct stat st;

    if (s->fd >= 0)
        return true;
    s->fd = open_log(s->path);
    if (s->fd < 0)
        return false;
    s->offset = 0;
    if (s->tail >= 0 && fstat(s->fd, &st) == 0)
        s->offset = tail_offset(s->fd, st.st_size, s->tail);
    s->tail = -1;
    return true;
}

/* At the end of a rotated file, continues with the new one. */
static bool stream_rotated(LogStream *s)
{
    struct stat here, there;

    if (s->fd < 0 || fstat(s->fd, &here) < 0 || stat(s->path, &there) < 0)
        return false;
    if (here.st_ino == there.st_ino && here.st_dev == there.st_dev)
        return false;
    close(s->fd);
    s->fd = -1;
    strbuf_truncate(&s->pending, 0);
    return stream_open(s);
}

static void stream_read(LogStream *s)
{
    _strbuf_ StrBuf out = STRBUF_INIT;

    ASSERT(!s->starting);
    while (!s->done && !s->paused) {
        ssize_t n = 0;

        if (stream_open(s)) {
            strbuf_reserve(&s->pending, PIECE);
            n = pread(s->fd, s->pending.p + s->pending.n, PIECE - 1, s->offset);
        }
        if (n <= 0) {
            if (stream_rotated(s))
                continue;
            if (!s->follow || s->ended)
                stream_end(s);
            return;
        }
        s->offset += n;
        s->pending.n += (size_t)n;
        s->pending.p[s->pending.n] = 0;
        strbuf_truncate(&out, 0);
        stream_take_lines(s, &out);
        if (s->left >= 0 && (int64_t)out.n > s->left)
            strbuf_truncate(&out, (size_t)s->left);
        if (s->left >= 0)
            s->left -= (int64_t)out.n;
        if (out.n && !s->sink.on_data(s->sink.data, strbuf_bytes(&out)))
            s->paused = true;
        if (s->left == 0)
            stream_end(s);
    }
}

static void on_turn(uv_timer_t *timer)
{
    stream_read(timer->data);
}

static void stream_schedule(LogStream *s)
{
    if (!s->done)
        uv_timer_start(&s->turn, on_turn, 0, 0);
}

static void on_log_change(uv_fs_event_t *watch, const char *name _unused_, int events _unused_,
                          int status _unused_)
{
    stream_schedule(watch->data);
}

LogStream *log_stream_new(struct uv_loop_s *loop, const char *path, bool ended,
                          const LogOptions *options, const LogSink *sink)
{
    LogStream *s = mem_new_type(LogStream);
    const char *slash = strrchr(path, '/');

    ASSERT(sink->on_data && sink->on_end);
    s->starting = true;
    s->loop = loop;
    s->path = mem_strdup(path);
    s->fd = -1;
    s->follow = options->follow;
    s->ended = ended;
    s->timestamps = options->timestamps;
    s->since_ns = options->since_ns;
    s->left = options->limit_bytes;
    s->tail = options->tail_lines;
    s->sink = *sink;
    s->turn.data = s->watch.data = s;
    uv_timer_init(loop, &s->turn);
    s->handles = 1;
    if (s->follow && !ended && slash) {
        _free_ char *folder = mem_strndup(path, (size_t)(slash - path));

        uv_fs_event_init(loop, &s->watch);
        s->handles++;
        s->watching = true;
        uv_fs_event_start(&s->watch, on_log_change, folder, 0);
    }
    stream_schedule(s);
    s->starting = false;
    return s;
}

void log_stream_resume(LogStream *s)
{
    s->paused = false;
    stream_schedule(s);
}

void log_stream_stop(LogStream *s)
{
    if (s)
        stream_close(s);
}

const char *log_stream_path(const LogStream *s)
{
    return s->path;
}

void log_stream_finish(LogStream *s)
{
    s->ended = true;
    stream_schedule(s);
}

void log_stream_on_free(LogStream *s, void (*on_free)(void *data, LogStream *stream), void *data)
{
    ASSERT(!s->done && !s->on_free);
    s->on_free = on_free;
    s->on_free_data = data;
}

bool log_rotate(const char *path, int64_t limit, int keep)
{
    const char *name;
    _close_fd_ int folder = open_log_folder(path, &name);
    struct stat st;

    if (folder < 0 || fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_size < limit)
        return false;
    for (int i = keep - 1; i > 0; i--) {
        _free_ char *from = i > 1 ? mem_printf("%s.%d", name, i - 1) : mem_strdup(name);
        _free_ char *to = mem_printf("%s.%d", name, i);

        if (renameat(folder, from, folder, to) < 0 && i == 1)
            return false;
    }
    return true;
}
