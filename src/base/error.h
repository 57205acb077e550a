/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors come in two signs.
 *
 *   0         success
 *   positive  an outcome that the function documents (STORE_E_CONFLICT); its caller must handle it
 *   negative  -errno: this unit of work cannot continue; the caller forwards the code unchanged
 *
 * Functions that only pass on what a system call says are an exception: those on files, mounts,
 * disks, links and locks, and the `error` of an answer that arrives later (a process, an HTTP
 * request). Some of their codes describe the situation rather than a fault: -ENOENT (there is no
 * such file), -EEXIST, -ENOSPC (the disk is full), -ETIMEDOUT. The function that made the call, or
 * that gets the answer, may compare with such a code, and turns it into an outcome, a value or a
 * message. Its own callers do not compare with codes again.
 *
 * ERR_ORIGIN marks the place where a fatal error occurs first, ERR_TRACE a place that forwards one,
 * and ERR_FOLD makes a fatal error of an outcome that the caller did not expect. Each adds a line to
 * a back-trace, which costs nothing on success. Five boundaries stop a fatal error: an HTTP request,
 * a reconcile, a pod sync, a DNS packet, and a commit of the store, which all its writers share. They
 * log the error once, with its trace, and carry on.
 *
 * Where a person reads the message (node, command line, manifests), a function also takes
 * `Err *reterr`: a sentence that says what happened and where. Callers put more context in front of
 * it (err_wrap). The trace belongs to the thread on which the error occurred; an Err takes it along,
 * so that the loop can log what failed in the thread pool.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "base/base.h"

#define ERR_ORIGIN(r) error_origin((r), __FILE__, __LINE__, __func__)
#define ERR_TRACE(r) error_trace((r), __FILE__, __LINE__, __func__)
#define ERR_FOLD(r) error_fold((r), __FILE__, __LINE__, __func__)

/* All three return their result for r. error_origin starts a new trace if r is negative; */
int error_origin(int r, const char *file, int line, const char *func);
/* error_trace adds a line to it; */
int error_trace(int r, const char *file, int line, const char *func);
/* error_fold replaces a positive r by -ENOTRECOVERABLE. */
int error_fold(int r, const char *file, int line, const char *func);

/* Moves the trace of the newest fatal error on this thread into buf, as one line, "" if there is
 * none. Boundaries use it. They call error_trace_forget when a unit of work begins, so that the trace
 * of an error that was handled is not logged with a later one. */
void error_trace_take(char *buf, size_t size);
void error_trace_forget(void);

#define ERR_TRACE_MAX 384

typedef struct Err {
    int code;                  /* errno; 0 if there is none */
    char message[512];         /* what happened, where; cut with "..." if longer */
    char trace[ERR_TRACE_MAX]; /* where in the source; for the log */
} Err;

#define ERR_INIT ((Err){0})

/* Sets a message (and ": strerror" where code is not 0) and returns -code, or -EINVAL where code is
 * 0. err may be NULL. */
#define err_set(err, code, ...) err_set_at((err), (code), __FILE__, __LINE__, __func__, __VA_ARGS__)
int err_set_at(Err *err, int code, const char *file, int line, const char *func, const char *format,
               ...) _printf_(6, 7);
/* Puts "context: " in front of the message; returns -err->code. */
int err_wrap(Err *err, const char *format, ...) _printf_(2, 3);

#endif
