/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The formats log and quoted, with a line for each visit. All visits that wait are appended by one write. The file is read again only
 * if its size or its inode show that another program has changed it.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/files/file.h"
#include "counter_internal.h"

static int log_read(Counter *counter, int fd, Err *reterr)
{
    LogScan scan = {0};
    char piece[4096];
    ssize_t n;

    while ((n = read(fd, piece, sizeof(piece))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return counter_failed("read", counter->file, errno, reterr);
        if (!log_scan(&scan, &counter->format->log, piece, (size_t)n))
            return counter_broken(counter, reterr);
    }
    if (!log_scan_end(&scan, &counter->format->log))
        return counter_broken(counter, reterr);
    counter->seen.good = scan.good;
    counter->seen.size = scan.good + (int64_t)scan.rest_n;
    counter->seen.count = scan.count;
    return 0;
}

/* Reads the file unless it is as this process has left it. */
static int log_look(Counter *counter, int fd, Err *reterr)
{
    struct stat st;
    int r;

    if (fstat(fd, &st) < 0)
        return counter_failed("read", counter->file, errno, reterr);
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

int log_load(Counter *counter, uint64_t *ret, Err *reterr)
{
    _close_fd_ int fd = open(counter->file, O_RDONLY | O_CLOEXEC);
    int r;

    *ret = 0;
    if (fd < 0 && errno == ENOENT && file_exists(counter->folder))
        return 0;
    if (fd < 0)
        return counter_failed("read", counter->file, errno, reterr);
    r = log_look(counter, fd, reterr);
    *ret = counter->seen.count;
    return r;
}

static int log_append(Counter *counter, int fd, const StrBuf *text, bool durable)
{
    int code = 0;

    /* Remove the incomplete last line. */
    if (counter->seen.size > counter->seen.good && ftruncate(fd, counter->seen.good) < 0)
        return errno;
    code = counter_write(fd, text->p, text->n);
    if (code == 0 && durable)
        code = counter_sync(fd);
    /* The name of a new file has to be on the disk, too. */
    if (code == 0 && durable && counter->seen.good == 0)
        code = counter_sync_folder(counter);
    return code;
}

int log_add(Counter *counter, const Visit *visits, size_t n, bool durable, uint64_t *ret,
            Err *reterr)
{
    const LogFormat *log = &counter->format->log;
    _close_fd_ int fd = open(counter->file, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    _strbuf_ StrBuf text = STRBUF_INIT;
    int code, r;

    if (fd < 0)
        return counter_failed("open", counter->file, errno, reterr);
    r = log_look(counter, fd, reterr);
    if (r)
        return r;
    if (counter->seen.good == 0)
        strbuf_add_string(&text, log->header);
    for (size_t i = 0; i < n; i++)
        log_print(&text, log, &visits[i]);
    code = log_append(counter, fd, &text, durable);
    if (code) {
        /* These visits are answered with an error, so remove their lines. If this fails, too, they will count. */
        (void)!ftruncate(fd, counter->seen.good);
        counter->seen.size = -1;
        return counter_failed("write", counter->file, code, reterr);
    }
    counter->seen.good += (int64_t)text.n;
    counter->seen.size = counter->seen.good;
    counter->seen.count += n;
    *ret = counter->seen.count;
    return 0;
}
