/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a server has its folders: that of root, which serves the whole machine, or that of an ordinary user, which runs in namespaces of
 * its own. A command of an ordinary user works with the user's own server if there is one, and otherwise with that of the machine.
 */
#ifndef CLI_PLACE_H
#define CLI_PLACE_H

#include "base/arena.h"

/* In the environment of a process that has entered the namespaces of an ordinary user's server. */
#define PLACE_INSIDE "STEAD_INSIDE"
/* The instance of a user's server in the default folders. */
#define PLACE_USER_INSTANCE "user"

typedef struct Place {
    const char *data, *run;
    bool rootless; /* of an ordinary user */
} Place;

/* Whether this process is in such namespaces. */
bool place_is_inside(void);
/* The place of a command. `data` and `run` are from the command line, NULL where it has none. `makes` says that the command starts a
 * server where there is none. */
Place place_choose(Arena *arena, const char *data, const char *run, bool makes);

#endif
