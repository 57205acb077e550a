/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings: one table of flags, each with its environment variable; a flag wins. A wrong value
 * is refused at start with a message that names it.
 */
#ifndef TIME_SERVER_CONFIG_H
#define TIME_SERVER_CONFIG_H

#include "base/error.h"

typedef struct Config {
    const char *listen; /* ADDR:PORT */
    const char *file;   /* where the visits are kept */
    const char *zone;   /* of the time shown: "Europe/Moscow" */
    bool help, version;
} Config;

/* 0, or negative with a message for the user. Strings are argv's, the environment's or constants.
 */
int config_read(int argc, char **argv, Config *ret, Err *reterr);
void config_print_help(void);

#endif
