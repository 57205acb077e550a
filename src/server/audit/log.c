/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appends lines to the file of the audit log, rotates it, and removes old files.
 *
 * Lines that the loop adds are collected in a buffer. At the end of its turn, one job of the thread pool takes the
 * whole buffer and writes it, and lines that are added meanwhile wait for the next job. So there is at most one
 * job at a time, and a slow disk makes the jobs larger, not more. The buffer is limited to BUFFER_MAX bytes: lines
 * that exceed it are dropped and counted, since neither the memory nor the requests may depend on the disk.
 *
 * The file contains whole lines only. If a write fails in the middle of a line, the file is cut behind the last whole
 * line, and the lines that were not written are counted as lost. If the server was killed during a write, the start of
 * the next one removes the incomplete last line.
 *
 * Before each write, the job compares the file behind the path with the one that is open. If another program has
 * renamed or removed it, such as logrotate, a new one is created. A file that another program has truncated is
 * continued at its new end. The file itself is rotated before it would exceed the maximum size: "audit.log" becomes
 * "audit-2026-11-21T08-00-00.000.log", as kube-apiserver names it. Then the oldest of such files are removed, until neither
 * their number nor their age exceeds the limits.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <uv.h>

#include "base/fault.h"
#include "base/files/file.h"
#include "base/log.h"
#include "base/observe/metrics.h"
#include "base/vec.h"
#include "server/audit/log.h"

#define BUFFER_MAX ((size_t)16 * 1024 * 1024)
#define TAIL_MAX \
    ((off_t)64 * 1024 * 1024) /* how far back the end of the last whole line is searched */
#define PIECE ((size_t)64 * 1024)
#define SECONDS_PER_DAY 86400
#define STAMP_LENGTH 23 /* 2026-11-21T08-00-00.000 */
#define STAMP_ROOM 96   /* for whatever numbers the compiler expects */

typedef struct AuditJob {
    uv_work_t work;
    StrBuf lines;
    int64_t now_ns;
    size_t lost; /* lines that could not be written */
    int error;   /* the reason, as errno */
} AuditJob;

struct AuditLog {
    AuditLogOptions options;
    char *path;
    Clock *clock;
    Timer timer; /* begins the job at the end of the turn */
    StrBuf waiting;
    AuditJob job;
    bool running; /* the job is in the pool, where only it uses fd and size */
    bool closing;
    bool failing; /* the last lines were dropped or lost, which has been logged */
    int fd;
    bool is_file;
    bool torn; /* the last line is incomplete and could not be cut off */
    off_t size;
};

/* ---- the file, in the pool ---- */

/* The offset behind the last newline of the file, which has `size` bytes. */
static off_t end_of_lines(int fd, off_t size)
{
    _free_ char *piece = mem_new(PIECE);

    for (off_t end = size; end > 0 && size - end < TAIL_MAX;) {
        off_t from = MAX_OF(end - (off_t)PIECE, (off_t)0);
        ssize_t n = pread(fd, piece, (size_t)(end - from), from);
        const char *newline = n > 0 ? memrchr(piece, '\n', (size_t)n) : NULL;

        if (newline)
            return from + (newline - piece) + 1;
        if (n <= 0)
            return size;
        end = from;
    }
    return size > TAIL_MAX ? size : 0;
}

static int open_file(AuditLog *log)
{
    struct stat st;
    int fd = FAULT_CALL("audit.open",
                        open(log->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600));

    if (fd < 0 && (errno == EACCES || errno == ENXIO || errno == EINVAL)) /* such as a pipe */
        fd = open(log->path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0) {
        int r = -errno;

        close(fd);
        return r;
    }
    log->fd = fd;
    log->is_file = S_ISREG(st.st_mode);
    log->size = st.st_size;
    if (log->is_file) {
        off_t end = end_of_lines(fd, st.st_size);

        if (end < st.st_size && ftruncate(fd, end) == 0)
            log->size = end;
    }
    return 0;
}

static void close_file(AuditLog *log)
{
    if (log->fd > STDERR_FILENO)
        close(log->fd);
    log->fd = -1;
}

/* Opens the file again if another program has moved it away. */
static int follow_file(AuditLog *log)
{
    struct stat own, there;

    if (log->fd == STDOUT_FILENO || (log->fd >= 0 && !log->is_file))
        return 0;
    if (log->fd >= 0 && fstat(log->fd, &own) == 0 && stat(log->path, &there) == 0 &&
        own.st_dev == there.st_dev && own.st_ino == there.st_ino) {
        log->size = own.st_size;
        return 0;
    }
    close_file(log);
    return open_file(log);
}

/* ---- rotation ---- */

/* Cuts "/var/log/audit.log" into the folder, "audit-" and ".log". */
typedef struct PathParts {
    char folder[PATH_MAX], prefix[NAME_MAX + 2], suffix[NAME_MAX + 1];
} PathParts;

static bool path_parts(const char *path, PathParts *ret)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    size_t n = dot ? (size_t)(dot - name) : strlen(name);

    if (strlen(path) >= PATH_MAX || strlen(name) > NAME_MAX - STAMP_LENGTH - 1)
        return false;
    snprintf(ret->folder, sizeof(ret->folder), "%.*s", slash ? (int)(slash - path) : 1,
             slash ? path : ".");
    if (slash == path)
        snprintf(ret->folder, sizeof(ret->folder), "/");
    snprintf(ret->prefix, sizeof(ret->prefix), "%.*s-", (int)n, name);
    snprintf(ret->suffix, sizeof(ret->suffix), "%s", dot ? dot : "");
    return true;
}

static bool has_stamp(const PathParts *parts, const char *name)
{
    static const char form[STAMP_LENGTH + 1] = "dddd-dd-ddTdd-dd-dd.ddd";
    size_t prefix = strlen(parts->prefix), suffix = strlen(parts->suffix);

    if (strlen(name) != prefix + STAMP_LENGTH + suffix ||
        strncmp(name, parts->prefix, prefix) != 0 ||
        strcmp(name + prefix + STAMP_LENGTH, parts->suffix) != 0)
        return false;
    for (size_t i = 0; i < STAMP_LENGTH; i++) {
        char c = name[prefix + i];

        if (form[i] == 'd' ? c < '0' || c > '9' : c != form[i])
            return false;
    }
    return true;
}

static void print_stamp(int64_t wall_ns, char ret[static STAMP_ROOM])
{
    time_t seconds = (time_t)(wall_ns / NS_PER_SEC);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    snprintf(ret, STAMP_ROOM, "%04d-%02d-%02dT%02d-%02d-%02d.%03d", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
             (int)(wall_ns / NS_PER_MS % 1000));
}

static int newest_first(const void *a, const void *b)
{
    return -strcmp(*(char *const *)a, *(char *const *)b);
}

/* Removes rotated files that are too many or too old. The time in their names sorts them. */
static void remove_old(const AuditLog *log, const PathParts *parts, int64_t now_ns)
{
    const AuditLogOptions *o = &log->options;
    VEC(char *) names = VEC_INIT;
    char oldest[STAMP_ROOM] = "";
    DIR *folder = opendir(parts->folder);

    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (has_stamp(parts, entry->d_name))
            VEC_PUSH(&names, mem_strdup(entry->d_name));
    if (names.n)
        qsort(names.v, names.n, sizeof(char *), newest_first);
    if (o->max_age_days)
        print_stamp(now_ns - o->max_age_days * SECONDS_PER_DAY * NS_PER_SEC, oldest);
    for (size_t i = 0; i < names.n; i++) {
        bool old = strncmp(names.v[i] + strlen(parts->prefix), oldest, STAMP_LENGTH) < 0;

        if (old || (o->max_backups && i >= (size_t)o->max_backups))
            unlinkat(dirfd(folder), names.v[i], 0);
        free(names.v[i]);
    }
    VEC_DEINIT(&names);
    if (folder)
        closedir(folder);
}

/* Renames the file and opens a new one. Keeps the file if it cannot be renamed. */
static int rotate(AuditLog *log, int64_t now_ns)
{
    _free_ char *to = NULL;
    char stamp[STAMP_ROOM];
    PathParts parts;

    if (!path_parts(log->path, &parts))
        return 0;
    do { /* two rotations within a millisecond get different names */
        free(to);
        print_stamp(now_ns, stamp);
        to = mem_printf("%s/%s%s%s", parts.folder, parts.prefix, stamp, parts.suffix);
        now_ns += NS_PER_MS;
    } while (file_exists(to));
    if (FAULT_CALL("audit.rotate", rename(log->path, to)) < 0)
        return 0;
    close_file(log);
    remove_old(log, &parts, now_ns);
    return open_file(log);
}

/* ---- the job ---- */

static size_t count_lines(const char *from, size_t n)
{
    size_t lines = 0;

    for (const char *end = from + n;
         from < end && (from = memchr(from, '\n', (size_t)(end - from))); from++)
        lines++;
    return lines;
}

/* Writes whole lines. Returns how many bytes the file has gained, all of which are whole lines. */
static size_t write_lines(AuditLog *log, const char *p, size_t n)
{
    size_t done = 0;

    while (done < n) {
        ssize_t written = FAULT_CALL("audit.write", write(log->fd, p + done, n - done));

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            const char *newline = memrchr(p, '\n', done);
            size_t whole = newline ? (size_t)(newline - p) + 1 : 0;

            log->job.error = written < 0 ? errno : EIO;
            if (log->is_file && whole < done && ftruncate(log->fd, log->size + (off_t)whole) == 0)
                done = whole;
            log->torn = whole < done;
            break;
        }
        done += (size_t)written;
    }
    log->size += (off_t)done;
    return done;
}

/* The length of the lines that fit into the file; at least one line. */
static size_t fitting(const AuditLog *log, const char *p, size_t n)
{
    int64_t room = log->options.max_bytes - log->size;
    const char *newline;

    if (!log->options.max_bytes || !log->is_file || (int64_t)n <= room)
        return n;
    newline = room > 0 ? memrchr(p, '\n', (size_t)room) : NULL;
    if (newline)
        return (size_t)(newline - p) + 1;
    return log->size ? 0 : (size_t)((char *)memchr(p, '\n', n) - p) + 1;
}

static void job_run(uv_work_t *work)
{
    AuditJob *job = CONTAINER_OF(work, AuditJob, work);
    AuditLog *log = CONTAINER_OF(job, AuditLog, job);
    const char *p = strbuf_string(&job->lines);
    size_t n = job->lines.n;

    job->error = -follow_file(log);
    if (!job->error && log->torn && write(log->fd, "\n", 1) == 1)
        log->torn = false;
    while (n && !job->error) {
        size_t part = fitting(log, p, n), written;
        off_t before = log->size;

        if (!part) {
            job->error = -rotate(log, job->now_ns);
            if (job->error || log->size < before)
                continue;
            part = n; /* it cannot be rotated, and losing lines would be worse than a large file */
        }
        written = write_lines(log, p, part);
        p += written;
        n -= written;
    }
    job->lost = n ? MAX_OF(count_lines(p, n), (size_t)1) : 0;
}

/* ---- the loop ---- */

static void count_lost(AuditLog *log, size_t n, const char *why)
{
    metric_add(METRIC_SERIES(METRIC_AUDIT_ERRORS, "log"), (double)n);
    if (!log->failing)
        log_error("audit", "events are missing in the audit log %s: %s", log->path, why);
    log->failing = true;
}

static void log_free(AuditLog *log)
{
    close_file(log);
    strbuf_deinit(&log->waiting);
    strbuf_deinit(&log->job.lines);
    free(log->path);
    free(log);
}

static void begin_job(AuditLog *log);

static void job_done(uv_work_t *work, int status _unused_)
{
    AuditJob *job = CONTAINER_OF(work, AuditJob, work);
    AuditLog *log = CONTAINER_OF(job, AuditLog, job);

    log->running = false;
    strbuf_truncate(&job->lines, 0);
    if (job->lines.cap > PIECE)
        strbuf_deinit(&job->lines);
    if (job->lost) {
        count_lost(log, job->lost, strerror(job->error));
    } else if (log->failing && log->waiting.n < BUFFER_MAX / 2) {
        log->failing = false;
        log_info("audit", "the audit log %s is written again", log->path);
    }
    if (log->waiting.n)
        begin_job(log);
    else if (log->closing)
        log_free(log);
}

static void begin_job(AuditLog *log)
{
    StrBuf empty = log->job.lines;

    log->job.lines = log->waiting;
    log->waiting = empty;
    log->job.now_ns = log->closing ? log->job.now_ns : clock_wall_ns(log->clock);
    log->job.lost = 0;
    log->running = true;
    uv_queue_work(log->options.loop, &log->job.work, job_run, job_done);
}

static void on_timer(Timer *timer)
{
    AuditLog *log = timer->data;

    if (!log->running && log->waiting.n)
        begin_job(log);
}

bool audit_log_add(AuditLog *log, Bytes line)
{
    if (log->waiting.n + line.n > BUFFER_MAX) {
        count_lost(log, 1, "the disk is too slow");
        return false;
    }
    strbuf_add(&log->waiting, line.p, line.n);
    if (!log->running && !log->timer.active)
        timer_start(log->clock, &log->timer, 0);
    return true;
}

bool audit_log_is_idle(const AuditLog *log)
{
    return !log->running && !log->waiting.n;
}

int audit_log_open(const AuditLogOptions *options, AuditLog **ret, Err *reterr)
{
    AuditLog *log = mem_new_type(AuditLog);
    int r = 0;

    log->options = *options;
    log->path = mem_strdup(options->path);
    log->clock = options->clock;
    log->timer.on_fire = on_timer;
    log->timer.data = log;
    log->fd = -1;
    if (str_equal(options->path, "-")) {
        log->fd = STDOUT_FILENO;
    } else {
        r = file_mkdir_for(options->path, 0700);
        if (r == 0)
            r = open_file(log);
    }
    if (r < 0) {
        log_free(log);
        return err_set(reterr, -r, "cannot open the audit log %s (--audit-log-path)",
                       options->path);
    }
    *ret = log;
    return 0;
}

AuditLog *audit_log_close(AuditLog *log)
{
    if (!log)
        return NULL;
    log->closing = true;
    timer_stop(log->clock, &log->timer);
    if (log->running)
        return NULL;
    if (log->waiting.n)
        begin_job(log);
    else
        log_free(log);
    return NULL;
}
