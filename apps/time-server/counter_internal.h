/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by counter.c, counter_whole.c and counter_log.c. */
#ifndef TIME_SERVER_COUNTER_INTERNAL_H
#define TIME_SERVER_COUNTER_INTERNAL_H

#include <sys/types.h>

#include "counter.h"
#include "log_format.h"

#define COUNT_MAX \
    64 /* the size limit of a file that holds only a count, which has at most 20 digits */

struct CounterFormat {
    const char *name;
    int (*load)(Counter *counter, uint64_t *ret, Err *reterr);
    int (*add)(Counter *counter, const Visit *visits, size_t n, bool durable, uint64_t *ret,
               Err *reterr);
    /* The next two are for files that hold only a count; NULL for logs. parse returns false if the text is not a count. */
    bool (*parse)(const char *p, size_t n, uint64_t *ret);
    size_t (*print)(uint64_t count, char buf[static COUNT_MAX]);
    LogFormat log;
};

struct Counter {
    const CounterFormat *format;
    char *file, *folder, *aside, *lock_file;
    int lock;
    /* For files that hold only a count: the file that this process has put in place, so its name is on the disk, too. */
    struct {
        dev_t device;
        ino_t inode;
    } placed;
    /* For logs: the state of the file after the last access, so that it is not read again for every visit. */
    struct {
        dev_t device;
        ino_t inode;
        int64_t size, good;
        uint64_t count;
    } seen;
};

/* These set a message and return COUNTER_E_FAILED or COUNTER_E_BROKEN. */
int counter_failed(const char *what, const char *path, int code, Err *reterr);
int counter_broken(const Counter *counter, Err *reterr);

/* These return 0 or an errno. */
int counter_write(int fd, const char *p, size_t n);
int counter_sync(int fd);
int counter_sync_folder(const Counter *counter);

/* Writes the temporary file counter->aside. */
int counter_write_aside(const Counter *counter, const char *p, size_t n, bool durable, Err *reterr);

/* ---- counter_whole.c ---- */
int whole_load(Counter *counter, uint64_t *ret, Err *reterr);
int whole_add(Counter *counter, const Visit *visits, size_t n, bool durable, uint64_t *ret,
              Err *reterr);
bool whole_parse_text(const char *p, size_t n, uint64_t *ret);
size_t whole_print_text(uint64_t count, char buf[static COUNT_MAX]);
size_t whole_print_line(uint64_t count, char buf[static COUNT_MAX]);
bool whole_parse_binary(const char *p, size_t n, uint64_t *ret);
size_t whole_print_binary(uint64_t count, char buf[static COUNT_MAX]);

/* ---- counter_log.c ---- */
int log_load(Counter *counter, uint64_t *ret, Err *reterr);
int log_add(Counter *counter, const Visit *visits, size_t n, bool durable, uint64_t *ret,
            Err *reterr);

#endif
