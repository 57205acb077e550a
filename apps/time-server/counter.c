/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/file.h"
#include "counter.h"
#include "counter_log.h"

#define SMALL_MAX 64 /* a count has at most 20 digits */

struct CounterFormat {
    const char *name;
    /* Whole files; a count that does not parse: false. */
    bool (*parse)(const char *p, size_t n, uint64_t *ret);
    size_t (*print)(uint64_t count, char buf[static SMALL_MAX]);
    LogFormat log; /* where there is no parse */
};

struct Counter {
    const CounterFormat *format;
    char *file, *folder, *aside, *lock_file;
    int lock;
    /* Of a log, what was last seen of it, so that it is not read again for every visit. */
    struct {
        dev_t device;
        ino_t inode;
        int64_t size, good;
        uint64_t count;
    } seen;
};

/* ---- formats ---- */

static bool parse_text(const char *p, size_t n, uint64_t *ret)
{
    uint64_t v = 0;
    size_t i = 0;

    for (; i < n && p[i] >= '0' && p[i] <= '9'; i++)
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(p[i] - '0'), &v))
            return false;
    *ret = v;
    return i > 0 && (i == n || (i + 1 == n && p[i] == '\n'));
}

static size_t print_text(uint64_t count, char buf[static SMALL_MAX])
{
    return (size_t)snprintf(buf, SMALL_MAX, "%" PRIu64, count);
}

static bool parse_binary(const char *p, size_t n, uint64_t *ret)
{
    *ret = 0;
    for (size_t i = 0; i < n && i < 8; i++)
        *ret |= (uint64_t)(uint8_t)p[i] << (8 * i);
    return n >= 1 && n <= 8;
}

static size_t print_binary(uint64_t count, char buf[static SMALL_MAX])
{
    for (size_t i = 0; i < 8; i++)
        buf[i] = (char)(count >> (8 * i));
    return 8;
}

/* clang-format off */
static const CounterFormat formats[] = {
    {"text",   parse_text,   print_text,   {0}},
    {"binary", parse_binary, print_binary, {0}},
    {"log",    NULL,         NULL,         {"Visits:\n", "", "\n"}},
    {"quoted", NULL,         NULL,         {"", "\"Visits:\\n", "\\n\"\n"}},
};
/* clang-format on */

const CounterFormat *counter_format(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (str_equal(formats[i].name, name))
            return &formats[i];
    return NULL;
}

bool counter_wants_visits(const CounterFormat *format)
{
    return !format->parse;
}

/* ---- what all formats share ---- */

Counter *counter_new(const char *file, const CounterFormat *format)
{
    Counter *counter = mem_new_type(Counter);
    const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;

    counter->format = format;
    counter->file = mem_strdup(file);
    counter->folder = slash ? mem_strndup(file, (size_t)(name - file)) : mem_strdup("./");
    counter->aside = mem_printf("%s.%s.tmp", counter->folder, name);
    counter->lock_file = mem_printf("%s.%s.lock", counter->folder, name);
    counter->lock = -1;
    counter->seen.size = -1;
    return counter;
}

Counter *counter_free(Counter *counter)
{
    if (!counter)
        return NULL;
    close_fdp(&counter->lock);
    free(counter->file);
    free(counter->folder);
    free(counter->aside);
    free(counter->lock_file);
    free(counter);
    return NULL;
}

static int failed(Err *reterr, int code, const char *what, const char *path)
{
    err_set(reterr, code, "cannot %s %s", what, path);
    return COUNTER_E_FAILED;
}

static int broken(const Counter *counter, Err *reterr)
{
    err_set(reterr, 0, "%s holds no count of visits in the format \"%s\"; it stays as it is",
            counter->file, counter->format->name);
    return COUNTER_E_BROKEN;
}

/* Once is enough, unless the folder has become another: a volume that was gone and came back.
 * Opened for reading, so that it does not keep a volume from being made read-only. */
static int hold_lock(Counter *counter, Err *reterr)
{
    struct stat held, named;

    if (counter->lock >= 0 && fstat(counter->lock, &held) == 0 &&
        stat(counter->lock_file, &named) == 0 && held.st_dev == named.st_dev &&
        held.st_ino == named.st_ino)
        return 0;
    close_fdp(&counter->lock);
    counter->lock = open(counter->lock_file, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (counter->lock < 0)
        return failed(reterr, errno, "open", counter->lock_file);
    if (flock(counter->lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno != EWOULDBLOCK)
        return failed(reterr, errno, "lock", counter->lock_file);
    close_fdp(&counter->lock);
    err_set(reterr, 0, "another process counts in %s", counter->file);
    return COUNTER_E_TAKEN;
}

/* 0, or errno. */
static int write_all(int fd, const char *p, size_t n)
{
    if (FAULT_POINT("counter.write"))
        return ENOSPC;
    while (n) {
        ssize_t put = write(fd, p, n);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return errno;
        p += put;
        n -= (size_t)put;
    }
    return 0;
}

static int sync_file(int fd)
{
    if (FAULT_POINT("counter.sync"))
        return EIO;
    return fdatasync(fd) < 0 ? errno : 0;
}

static int sync_folder(const Counter *counter)
{
    _close_fd_ int fd = open(counter->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 || fsync(fd) < 0 ? errno : 0;
}

/* ---- text and binary ---- */

static int whole_load(Counter *counter, uint64_t *ret, Err *reterr)
{
    _free_ char *text = NULL;
    size_t n;
    int r = file_read(counter->file, SMALL_MAX, &text, &n);

    *ret = 0;
    if (r == -ENOENT && file_exists(counter->folder))
        return 0;
    if (r < 0 && r != -EFBIG)
        return failed(reterr, -r, "read", counter->file);
    return r == 0 && counter->format->parse(text, n, ret) ? 0 : broken(counter, reterr);
}

static int write_aside(const Counter *counter, const char *p, size_t n, bool durable, Err *reterr)
{
    _close_fd_ int fd =
        open(counter->aside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    int code;

    if (fd < 0)
        return failed(reterr, errno, "open", counter->aside);
    code = write_all(fd, p, n);
    if (code)
        return failed(reterr, code, "write", counter->aside);
    code = durable ? sync_file(fd) : 0;
    return code ? failed(reterr, code, "sync", counter->aside) : 0;
}

static int rename_aside(const Counter *counter)
{
    if (FAULT_POINT("counter.rename"))
        return EIO;
    return rename(counter->aside, counter->file) < 0 ? errno : 0;
}

static int put_in_place(const Counter *counter, bool durable, Err *reterr)
{
    int code = rename_aside(counter);

    if (code)
        return failed(reterr, code, "replace", counter->file);
    code = durable ? sync_folder(counter) : 0;
    return code ? failed(reterr, code, "sync", counter->folder) : 0;
}

static int whole_write(const Counter *counter, uint64_t count, bool durable, Err *reterr)
{
    char text[SMALL_MAX];
    size_t n = counter->format->print(count, text);
    int r = write_aside(counter, text, n, durable, reterr);

    if (r == 0)
        r = put_in_place(counter, durable, reterr);
    if (r)
        unlink(counter->aside);
    return r;
}

/* ---- logs ---- */

static int log_read(Counter *counter, int fd, Err *reterr)
{
    LogScan scan = {0};
    char piece[4096];
    ssize_t n;

    while ((n = read(fd, piece, sizeof(piece))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(reterr, errno, "read", counter->file);
        if (!log_scan(&scan, &counter->format->log, piece, (size_t)n))
            return broken(counter, reterr);
    }
    if (!log_scan_end(&scan, &counter->format->log))
        return broken(counter, reterr);
    counter->seen.good = scan.good;
    counter->seen.size = scan.good + (int64_t)scan.rest_n;
    counter->seen.count = scan.count;
    return 0;
}

/* Reads it only if it is not as we left it. */
static int log_look(Counter *counter, int fd, Err *reterr)
{
    struct stat st;
    int r;

    if (fstat(fd, &st) < 0)
        return failed(reterr, errno, "read", counter->file);
    if (counter->seen.size == st.st_size && counter->seen.inode == st.st_ino &&
        counter->seen.device == st.st_dev)
        return 0;
    counter->seen.size = -1;
    r = log_read(counter, fd, reterr);
    if (r)
        return r;
    counter->seen.inode = st.st_ino;
    counter->seen.device = st.st_dev;
    return 0;
}

static int log_load(Counter *counter, uint64_t *ret, Err *reterr)
{
    _close_fd_ int fd = open(counter->file, O_RDONLY | O_CLOEXEC);
    int r;

    *ret = 0;
    if (fd < 0 && errno == ENOENT && file_exists(counter->folder))
        return 0;
    if (fd < 0)
        return failed(reterr, errno, "read", counter->file);
    r = log_look(counter, fd, reterr);
    *ret = counter->seen.count;
    return r;
}

static int log_append(Counter *counter, int fd, const StrBuf *text, bool durable)
{
    int code = 0;

    /* What is left of a visit that was cut short. */
    if (counter->seen.size > counter->seen.good && ftruncate(fd, counter->seen.good) < 0)
        return errno;
    code = write_all(fd, text->p, text->n);
    if (code == 0 && durable)
        code = sync_file(fd);
    /* A new file needs its name on disk too. */
    if (code == 0 && durable && counter->seen.good == 0)
        code = sync_folder(counter);
    return code;
}

static int log_write(Counter *counter, const Visit *visits, size_t n, bool durable, Err *reterr)
{
    const LogFormat *log = &counter->format->log;
    _close_fd_ int fd = open(counter->file, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    _strbuf_ StrBuf text = STRBUF_INIT;
    int code, r;

    if (fd < 0)
        return failed(reterr, errno, "open", counter->file);
    r = log_look(counter, fd, reterr);
    if (r)
        return r;
    if (counter->seen.good == 0)
        strbuf_add_string(&text, log->header);
    for (size_t i = 0; i < n; i++)
        log_print(&text, log, &visits[i]);
    code = log_append(counter, fd, &text, durable);
    if (code) {
        /* Nobody will be told of these visits; where even this fails, they count later. */
        (void)!ftruncate(fd, counter->seen.good);
        counter->seen.size = -1;
        return failed(reterr, code, "write", counter->file);
    }
    counter->seen.good += (int64_t)text.n;
    counter->seen.size = counter->seen.good;
    counter->seen.count += n;
    return 0;
}

/* ---- any format ---- */

int counter_load(Counter *counter, uint64_t *ret, Err *reterr)
{
    return counter->format->parse ? whole_load(counter, ret, reterr)
                                  : log_load(counter, ret, reterr);
}

int counter_add(Counter *counter, const Visit *visits, size_t n, bool durable, uint64_t *ret,
                Err *reterr)
{
    uint64_t count = 0;
    int r = hold_lock(counter, reterr);

    if (r == 0)
        r = counter_load(counter, &count, reterr);
    if (r)
        return r;
    if (__builtin_add_overflow(count, n, &count))
        return broken(counter, reterr);
    r = counter->format->parse ? whole_write(counter, count, durable, reterr)
                               : log_write(counter, visits, n, durable, reterr);
    if (r == 0)
        *ret = count;
    return r;
}

int counter_check(Counter *counter, uint64_t *ret, Err *reterr)
{
    static const char text[SMALL_MAX];
    int r = hold_lock(counter, reterr);

    if (r == 0)
        r = counter_load(counter, ret, reterr);
    if (r)
        return r;
    r = write_aside(counter, text, sizeof(text), false, reterr);
    unlink(counter->aside);
    return r;
}
