/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a program, such as nft, crun or mkfs, without a shell and calls back on the loop when it has
 * ended. Output is kept up to a limit; the rest is dropped, and `truncated` is set. A program that
 * exceeds its time limit is killed.
 */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include "base/base.h"

struct uv_loop_s;

typedef struct ProcessResult {
    int error;       /* 0, or -errno: it could not be started */
    int exit_status; /* valid if error == 0 and signal == 0 */
    int signal;      /* that ended it; after the time limit: SIGKILL, and timed_out is set */
    bool timed_out;
    bool truncated;
    Bytes out, err; /* valid during the callback */
} ProcessResult;

typedef struct ProcessOptions {
    const char *const *argv; /* argv[0] is looked up in PATH unless it has a slash */
    const char *const *env;  /* NULL: inherit */
    const char *cwd;
    Bytes input;         /* copied; to its stdin */
    size_t output_limit; /* of each of stdout and stderr; 0: 64 KiB */
    int64_t timeout_ns;  /* 0: none */
    bool new_session;    /* setsid */
} ProcessOptions;

typedef struct Process Process;
typedef void (*ProcessDone)(void *data, const ProcessResult *result);

/* Always calls done exactly once, later, from the loop. ret may be NULL. The calling program has to
 * ignore SIGPIPE, since a child need not read all its input. */
void process_run(struct uv_loop_s *loop, const ProcessOptions *options, ProcessDone done,
                 void *data, Process **ret);
void process_kill(Process *process, int signal);

#endif
