/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share. */
#ifndef DAEMON_ROOTLESS_INTERNAL_H
#define DAEMON_ROOTLESS_INTERNAL_H

#include <sys/types.h>

#include "base/error.h"
#include "daemon/rootless/rootless.h"

/* ids.c: gives the user namespace of the process the user's own id as root, and the ranges of /etc/subuid and /etc/subgid behind it. */
int rootless_map_ids(pid_t pid, Err *reterr);

/* cgroups.c */
/* Executes the command again in a scope of the user's systemd, if that is where a cgroup can be had. Returns if it cannot. */
void rootless_enter_scope(const Options *options);
/* Whether this process is in a cgroup that belongs to the user and has the controllers that pods need. */
bool rootless_has_cgroup(void);
/* What may be the reason if it is not. */
const char *rootless_why_no_cgroup(void);
/* In the holder: leaves the cgroup, which then becomes the root of the namespaces. */
void rootless_leave_cgroup(void);
/* In the init: mounts the cgroup, or an empty folder where there is none, or if it cannot be used after all: then *has is set to false. */
int rootless_mount_cgroup(bool *has, Err *reterr);
/* In a process that is about to enter the namespaces of the init, which is a pidfd: moves it to the init's cgroup. */
void rootless_join_cgroup(int init);

/* In the environment inside: "none", also for the helper that executes crun. */
#define ROOTLESS_CGROUPS "STEAD_CGROUPS"

/* outside.c: starts the program that connects the namespaces of the process to the network of the machine. Returns its pid, or 0 with
 * a sentence why there is none in *ret_why. */
pid_t rootless_start_outside(pid_t init, const char *run_dir, char **ret_why);
/* The address at which pasta forwards DNS queries to the resolver of the machine. */
#define ROOTLESS_RESOLVER "169.254.1.1"

/* init.c: the first process of the namespaces. It does not return. */
_Noreturn void rootless_init(int life, bool has_cgroup, const char *run_dir);

/* holder.c: starts the holder and waits until it is ready. */
int rootless_start_holder(const Options *options, Err *reterr);

/* host_socket.c: messages are texts, answers a number (0 or an errno) with a descriptor or none. */
int rootless_connect(const char *run_dir);
/* Returns a descriptor, or -errno. */
int rootless_ask(int socket, const char *message);
int rootless_send_fd(int socket, int status, int fd);

#define ROOTLESS_ASK_INIT "init" /* a pidfd of the init */
#define ROOTLESS_ASK_END "end"   /* ends everything; the connection is closed when that is done */

#endif
