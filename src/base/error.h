/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors come in two signs.
 *
 *   0         success
 *   positive  an outcome that the function documents (STORE_E_CONFLICT); its caller must handle it
 *   negative  -errno, fatal to this unit of work; forwarded unchanged, never matched on
 *
 * A fatal error is born with ERR_ORIGIN, forwarded with ERR_TRACE, and an outcome that a caller did
 * not expect becomes fatal with ERR_FOLD. Each keeps a line of a back-trace, which costs nothing on
 * success. Five boundaries stop a fatal error: an HTTP request, a reconcile, a pod sync, a DNS
 * packet, and a commit of the store, which all its writers share. They log it once, with its
 * trace, and carry on.
 *
 * Where a person reads the message (node, command line, manifests), a function takes `Err *reterr`
 * besides: a sentence that says what happened and where, wrapped with more context on the way up.
 * The trace belongs to the thread on which the error happened; an Err takes it along, so that the
 * loop can log what failed on the pool.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "base/base.h"

#define ERR_ORIGIN(r) error_origin((r), __FILE__, __LINE__, __func__)
#define ERR_TRACE(r) error_trace((r), __FILE__, __LINE__, __func__)
#define ERR_FOLD(r) error_fold((r), __FILE__, __LINE__, __func__)

/* A negative r starts a new trace. */
int error_origin(int r, const char *file, int line, const char *func);
/* Notes a negative r. */
int error_trace(int r, const char *file, int line, const char *func);
/* A positive r becomes -ENOTRECOVERABLE. */
int error_fold(int r, const char *file, int line, const char *func);

/* The trace of the newest fatal error on this thread, one line, "" if there is none; forgets it.
 * For the boundaries, which call error_trace_forget where a unit of work begins, so that the trace
 * of an error that somebody has handled is not taken for another's. */
void error_trace_take(char *buf, size_t size);
void error_trace_forget(void);

#define ERR_TRACE_MAX 384

typedef struct Err {
    int code;                  /* errno, 0 where there is none */
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
