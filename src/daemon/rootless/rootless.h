/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server of an ordinary user. It runs in namespaces of its own, in which it is root (docs/ARCHITECTURE.md, "Rootless"):
 *
 *   the holder    A small process outside, one for each run folder. It makes the namespaces, starts pasta (the way out), and serves
 *                 RUN/host.sock: it opens listening sockets of the machine for the server, which cannot do that itself.
 *   the init      The first process of the namespaces. It reaps what is left to it, and ends with the holder; the kernel then ends
 *                 everything in the namespaces. So no pod outlives the holder, and no second server can use its data.
 *   the commands  `stead up`, `server`, `down`, ... enter the namespaces and run there as they do for root.
 */
#ifndef DAEMON_ROOTLESS_ROOTLESS_H
#define DAEMON_ROOTLESS_ROOTLESS_H

#include "cli/options.h"

/* Runs the command of `options` in the namespaces of its place, which are made first if there are none. Returns the exit code. */
int rootless_run(const char *program, Options *options);
/* What the holder found out about the machine, for `stead status`: lines of text. The caller frees. NULL: it is unknown. */
char *rootless_facts(const char *run_dir);
/* Asks the holder for a listening TCP socket on an address of the machine. Returns a descriptor, or -errno. */
int rootless_listen(const char *run_dir, const char *address, uint16_t port);

/* Whether this process has entered namespaces without cgroups, so that what pods use cannot be limited. */
bool rootless_lacks_cgroups(void);

#endif
