/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings: one table of flags, each with its environment variable; a flag wins. A wrong value
 * is refused at start with a message that names it.
 *
 * Kubernetes puts variables such as TIME_SERVER_PORT=tcp://10.96.0.7:5000 into every pod beside a
 * Service time-server, so no setting may be called PORT, PORT_... or SERVICE_...
 */
#ifndef TIME_SERVER_CONFIG_H
#define TIME_SERVER_CONFIG_H

#include "caller.h"
#include "counter.h"

typedef enum Sync {
    SYNC_ALWAYS,   /* before anybody is told */
    SYNC_INTERVAL, /* every second */
    SYNC_NEVER,    /* whenever the kernel likes */
} Sync;

typedef struct Config {
    const char *listen; /* ADDR:PORT */
    const char *file;   /* where the visits are kept */
    const CounterFormat *format;
    const char *zone; /* of the time shown: "Europe/Moscow" */
    Networks trusted; /* proxies */
    Sync sync;
    bool help, version;
} Config;

/* 0, or negative with a message for the user. Strings are argv's, the environment's or
 * constants. */
int config_read(int argc, char **argv, Config *ret, Err *reterr);
void config_print_help(FILE *to);

#endif
