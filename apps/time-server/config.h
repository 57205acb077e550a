/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings: a table of flags and of the environment variables for them. A flag takes precedence over its variable. A wrong value
 * ends the start of the program with a message that names it.
 *
 * No setting may be named PORT, PORT_... or SERVICE_..., because Kubernetes sets variables such as
 * TIME_SERVER_PORT=tcp://10.96.0.7:5000 in every pod in the namespace of a Service "time-server".
 */
#ifndef TIME_SERVER_CONFIG_H
#define TIME_SERVER_CONFIG_H

#include "caller.h"
#include "counter.h"

typedef enum Sync {
    SYNC_ALWAYS,   /* before a visit is answered */
    SYNC_INTERVAL, /* every second */
    SYNC_NEVER,    /* when the kernel writes the file back */
} Sync;

typedef struct Config {
    const char *listen; /* ADDR:PORT */
    const char *file;   /* the file with the count */
    const CounterFormat *format;
    const char *zone; /* the time zone: "Europe/Moscow" */
    Networks trusted; /* the proxies whose X-Forwarded-For is used */
    Sync sync;
    bool help, version;
} Config;

/* Reads the settings. Returns 0, or a negative error with a message for the user. The strings in *ret belong to argv or to the
 * environment, or are constants. */
int config_read(int argc, char **argv, Config *ret, Err *reterr);
void config_print_help(FILE *to);

#endif
