/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of the container runtime. crun reports errors as text only, so what the node has to tell apart is recognized
 * here, by the one table in message.c.
 */
#ifndef NODE_RUNTIME_MESSAGE_H
#define NODE_RUNTIME_MESSAGE_H

#include "base/base.h"

typedef enum RuntimeFault {
    RUNTIME_FAULT_OTHER,        /* nothing that the node treats differently */
    RUNTIME_FAULT_NO_PROGRAM,   /* the image has no such program, or it is not executable */
    RUNTIME_FAULT_NO_CONTAINER, /* the runtime has no container of this id */
} RuntimeFault;

RuntimeFault runtime_fault(const char *message); /* NULL counts as an unknown message */
/* The last line of what the runtime wrote to stderr, which is the error; the caller frees it. */
char *runtime_message(Bytes err);

#endif
