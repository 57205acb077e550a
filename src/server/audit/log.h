/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of the audit log. Lines are appended to a buffer, which a thread of the pool writes, so the loop never
 * waits for the disk. See log.c.
 */
#ifndef SERVER_AUDIT_LOG_H
#define SERVER_AUDIT_LOG_H

#include "base/error.h"
#include "base/strbuf.h"
#include "base/time/clock.h"

typedef struct AuditLog AuditLog;

typedef struct AuditLogOptions {
    struct uv_loop_s *loop;
    Clock *clock;
    const char *path;     /* "-": standard output */
    int64_t max_bytes;    /* of the file before it is rotated; 0: no limit */
    int64_t max_backups;  /* rotated files that are kept; 0: all */
    int64_t max_age_days; /* how long rotated files are kept; 0: for ever */
} AuditLogOptions;

/* Creates the file, and its folder, if there is none. */
int audit_log_open(const AuditLogOptions *options, AuditLog **ret, Err *reterr);
/* Takes a whole line, with its newline. False: the buffer is full, and the line is dropped and counted. */
bool audit_log_add(AuditLog *log, Bytes line);
/* Whether nothing waits to be written. For tests. */
bool audit_log_is_idle(const AuditLog *log);
/* What was added before is still written, while the loop runs. */
AuditLog *audit_log_close(AuditLog *log);

#endif
