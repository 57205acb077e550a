/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "counter_internal.h"

/* clang-format off */
static const CounterFormat formats[] = {
    {"text",   whole_load, whole_add, .parse = whole_parse_text,   .print = whole_print_text},
    {"line",   whole_load, whole_add, .parse = whole_parse_text,   .print = whole_print_line},
    {"binary", whole_load, whole_add, .parse = whole_parse_binary, .print = whole_print_binary},
    {"log",    log_load,   log_add,   .log = {"Visits:\n", "", "\n"}},
    {"quoted", log_load,   log_add,   .log = {"", "\"Visits:\\n", "\\n\"\n"}},
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
    /* The kernel sends this signal when another process waits for a lease (counter_whole.c). By default it ends the process. */
    signal(SIGIO, SIG_IGN);
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

/* ---- shared by all formats ---- */

int counter_failed(const char *what, const char *path, int code, Err *reterr)
{
    err_set(reterr, code, "cannot %s %s", what, path);
    return COUNTER_E_FAILED;
}

int counter_broken(const Counter *counter, Err *reterr)
{
    err_set(reterr, 0, "%s holds no count of visits in the format \"%s\"; it stays as it is",
            counter->file, counter->format->name);
    return COUNTER_E_BROKEN;
}

int counter_write(int fd, const char *p, size_t n)
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

int counter_sync(int fd)
{
    if (FAULT_POINT("counter.sync"))
        return EIO;
    return fdatasync(fd) < 0 ? errno : 0;
}

int counter_sync_folder(const Counter *counter)
{
    _close_fd_ int fd = open(counter->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 || fsync(fd) < 0 ? errno : 0;
}

int counter_write_aside(const Counter *counter, const char *p, size_t n, bool durable, Err *reterr)
{
    _close_fd_ int fd =
        open(counter->aside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    int code;

    if (fd < 0)
        return counter_failed("open", counter->aside, errno, reterr);
    code = counter_write(fd, p, n);
    if (code)
        return counter_failed("write", counter->aside, code, reterr);
    code = durable ? counter_sync(fd) : 0;
    return code ? counter_failed("sync", counter->aside, code, reterr) : 0;
}

/* Takes the lock, unless it is held already and still in the same folder: a volume may have been unmounted and mounted again. The
 * file is opened for reading, so that it does not prevent a read-only remount of the volume. */
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
        return counter_failed("open", counter->lock_file, errno, reterr);
    if (flock(counter->lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno != EWOULDBLOCK)
        return counter_failed("lock", counter->lock_file, errno, reterr);
    close_fdp(&counter->lock);
    err_set(reterr, 0, "another process counts in %s", counter->file);
    return COUNTER_E_TAKEN;
}

int counter_load(Counter *counter, uint64_t *ret, Err *reterr)
{
    return counter->format->load(counter, ret, reterr);
}

int counter_add(Counter *counter, const Visit *visits, size_t n, bool durable, uint64_t *ret,
                Err *reterr)
{
    int r = hold_lock(counter, reterr);

    return r ? r : counter->format->add(counter, visits, n, durable, ret, reterr);
}

int counter_check(Counter *counter, uint64_t *ret, Err *reterr)
{
    static const char text[COUNT_MAX];
    int r = hold_lock(counter, reterr);

    if (r == 0)
        r = counter_load(counter, ret, reterr);
    if (r)
        return r;
    r = counter_write_aside(counter, text, sizeof(text), false, reterr);
    unlink(counter->aside);
    return r;
}
