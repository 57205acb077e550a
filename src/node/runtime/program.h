/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a program and waits for its end. For threads of the pool; on the loop, base/process.h does this. */
#ifndef NODE_RUNTIME_PROGRAM_H
#define NODE_RUNTIME_PROGRAM_H

#include "base/error.h"

typedef struct ProgramOptions {
    const char *const *argv; /* argv[0] is looked up in PATH */
    const char *const *env;
    const char *package; /* the Debian package of the program, for the message */
    const char *input;   /* its stdin; NULL: empty */
    int lock; /* a descriptor that the program inherits, so that a lock is held even if this process dies first; -1: none */
} ProgramOptions;

/* Returns 0 if the program ended with the status 0. Its output becomes a part of the message. */
int program_run(const ProgramOptions *options, Err *reterr);

#endif
