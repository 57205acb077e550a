/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the counter share: counter.c, counter_whole.c, counter_log.c. */
#ifndef TIME_SERVER_COUNTER_INTERNAL_H
#define TIME_SERVER_COUNTER_INTERNAL_H

#include <sys/types.h>

#include "counter.h"
#include "log_format.h"

#define COUNT_MAX 64 /* bytes of a file that holds a count and nothing else; 20 digits are most */

struct CounterFormat {
    const char *name;
    int (*load)(Counter *counter, uint64_t *ret, Err *reterr);
    int (*add)(Counter *counter, const Visit *visits, size_t n, bool durable, uint64_t *ret,
               Err *reterr);
    /* Of a whole file; false: that is no count. */
    bool (*parse)(const char *p, size_t n, uint64_t *ret);
    size_t (*print)(uint64_t count, char buf[static COUNT_MAX]);
    LogFormat log;
};

struct Counter {
    const CounterFormat *format;
    char *file, *folder, *aside, *lock_file;
    int lock;
    /* Of a whole file, the one that we have put there, whose name is on disk too. */
    struct {
        dev_t device;
        ino_t inode;
    } placed;
    /* Of a log, what was last seen of it, so that it is not read again for every visit. */
    struct {
        dev_t device;
        ino_t inode;
        int64_t size, good;
        uint64_t count;
    } seen;
};

/* Outcomes with their message. */
int counter_failed(const char *what, const char *path, int code, Err *reterr);
int counter_broken(const Counter *counter, Err *reterr);

/* 0, or errno. */
int counter_write(int fd, const char *p, size_t n);
int counter_sync(int fd);
int counter_sync_folder(const Counter *counter);

/* Makes counter->aside. */
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
