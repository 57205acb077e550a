/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The formats text, line and binary, whose files hold only a count.
 *
 * A new count is written in one of two ways.
 *
 *   Replaced   The count is written to .NAME.tmp and synced, this file is renamed over the old one, and the
 *              folder is synced. A reader opens either the old file or the new one, also after a power
 *              failure. This costs a new file and two commits of the file system's journal, about five
 *              times the time of writing the count itself.
 *
 *   In place   The count overwrites the old one and is synced, which is one write of one sector. This is
 *              done whenever it is as safe as a replacement, which is nearly always. It needs that
 *              - the old and the new count have the same length. Then the size does not change, all
 *                bytes are in the first sector of the file, and a disk writes a sector completely or not
 *                at all. For the successors of 9, 99, 999 and so on the file is replaced.
 *              - no process reads the file meanwhile. The kernel grants a write lease (fcntl(2)) only
 *                on a file that no other descriptor has open, and a process that opens the file then
 *                waits until the lease is given back, here after three system calls.
 *              - the file is the one that this process has put in place, so its name is on the disk, and
 *                it has no second hard link, which may be somebody's copy of an old count.
 *              Otherwise, and on file systems without leases, the file is replaced.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fault.h"
#include "base/files/file.h"
#include "counter_internal.h"

/* ---- formats ---- */

bool whole_parse_text(const char *p, size_t n, uint64_t *ret)
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

size_t whole_print_text(uint64_t count, char buf[static COUNT_MAX])
{
    return (size_t)snprintf(buf, COUNT_MAX, "%" PRIu64, count);
}

size_t whole_print_line(uint64_t count, char buf[static COUNT_MAX])
{
    return (size_t)snprintf(buf, COUNT_MAX, "%" PRIu64 "\n", count);
}

bool whole_parse_binary(const char *p, size_t n, uint64_t *ret)
{
    *ret = 0;
    for (size_t i = 0; i < n && i < 8; i++)
        *ret |= (uint64_t)(uint8_t)p[i] << (8 * i);
    return n >= 1 && n <= 8;
}

size_t whole_print_binary(uint64_t count, char buf[static COUNT_MAX])
{
    for (size_t i = 0; i < 8; i++)
        buf[i] = (char)(count >> (8 * i));
    return 8;
}

int whole_load(Counter *counter, uint64_t *ret, Err *reterr)
{
    _free_ char *text = NULL;
    size_t n;
    int r = file_read(counter->file, COUNT_MAX, &text, &n);

    *ret = 0;
    if (r == -ENOENT && file_exists(counter->folder))
        return 0;
    if (r < 0 && r != -EFBIG)
        return counter_failed("read", counter->file, -r, reterr);
    return r == 0 && counter->format->parse(text, n, ret) ? 0 : counter_broken(counter, reterr);
}

/* ---- replaced ---- */

static int rename_aside(const Counter *counter)
{
    if (FAULT_POINT("counter.rename"))
        return EIO;
    return rename(counter->aside, counter->file) < 0 ? errno : 0;
}

static int put_in_place(Counter *counter, bool durable, Err *reterr)
{
    struct stat st;
    int code = stat(counter->aside, &st) < 0 ? errno : rename_aside(counter);

    if (code)
        return counter_failed("replace", counter->file, code, reterr);
    code = durable ? counter_sync_folder(counter) : 0;
    if (code)
        return counter_failed("sync", counter->folder, code, reterr);
    counter->placed.device = st.st_dev;
    counter->placed.inode = st.st_ino;
    return 0;
}

static int replace(Counter *counter, size_t visits, bool durable, uint64_t *ret, Err *reterr)
{
    char text[COUNT_MAX];
    uint64_t count;
    int r = whole_load(counter, &count, reterr);

    if (r)
        return r;
    if (__builtin_add_overflow(count, visits, &count))
        return counter_broken(counter, reterr);
    r = counter_write_aside(counter, text, counter->format->print(count, text), durable, reterr);
    if (r == 0)
        r = put_in_place(counter, durable, reterr);
    if (r)
        unlink(counter->aside);
    else
        *ret = count;
    return r;
}

/* ---- in place ---- */

typedef struct Change {
    char before[COUNT_MAX], after[COUNT_MAX];
    size_t n; /* of both */
    uint64_t count;
} Change;

/* From now on a process that opens the file waits. */
static bool take_lease(int fd)
{
    return fcntl(fd, F_SETLEASE, F_WRLCK) == 0;
}

static void give_lease_back(int fd)
{
    fcntl(fd, F_SETLEASE, F_UNLCK);
}

/* This uses statx(2) without the times of the file. Once the times were read, as by fstat(2), the kernel gives the next write a new
 * time, and each sync has to write the inode, too. */
static bool is_ours(const Counter *counter, int fd, size_t size)
{
    struct statx st;

    return statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_NLINK | STATX_SIZE, &st) == 0 &&
           makedev(st.stx_dev_major, st.stx_dev_minor) == counter->placed.device &&
           st.stx_ino == counter->placed.inode && st.stx_nlink == 1 && st.stx_size == size;
}

/* Returns false if the count cannot be written in place, or if the file does not hold a count. */
static bool plan(const Counter *counter, int fd, size_t visits, Change *ret)
{
    const CounterFormat *format = counter->format;
    ssize_t n = pread(fd, ret->before, sizeof(ret->before), 0);

    if (n <= 0 || !is_ours(counter, fd, (size_t)n))
        return false;
    ret->n = (size_t)n;
    return format->parse(ret->before, ret->n, &ret->count) &&
           !__builtin_add_overflow(ret->count, visits, &ret->count) &&
           format->print(ret->count, ret->after) == ret->n;
}

/* Restores the old count, if the disk still allows it, since the new visits are answered with an error. */
static void take_back(int fd, const Change *change)
{
    if (!take_lease(fd))
        return;
    if (lseek(fd, 0, SEEK_SET) == 0)
        counter_write(fd, change->before, change->n);
    give_lease_back(fd);
}

enum { NOT_IN_PLACE = -1 };

static int add_in_place(const Counter *counter, size_t visits, bool durable, uint64_t *ret,
                        Err *reterr)
{
    _close_fd_ int fd = open(counter->file, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    Change change;
    bool planned;
    int code;

    if (fd < 0 || !take_lease(fd))
        return NOT_IN_PLACE;
    planned = plan(counter, fd, visits, &change);
    code = planned ? counter_write(fd, change.after, change.n) : 0;
    give_lease_back(fd);
    if (!planned)
        return NOT_IN_PLACE;
    if (code == 0 && durable)
        code = counter_sync(fd);
    if (code) {
        take_back(fd, &change);
        return counter_failed("write", counter->file, code, reterr);
    }
    *ret = change.count;
    return 0;
}

int whole_add(Counter *counter, const Visit *visits _unused_, size_t n, bool durable, uint64_t *ret,
              Err *reterr)
{
    int r = add_in_place(counter, n, durable, ret, reterr);

    return r == NOT_IN_PLACE ? replace(counter, n, durable, ret, reterr) : r;
}
