/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network namespaces that live as files: a bind mount of the namespace on a plain file keeps it
 * without any process in it. A thread of the pool steps into a namespace and back; coming back
 * cannot fail short of a broken kernel, and then the process must not go on.
 */
#ifndef NET_NETNS_H
#define NET_NETNS_H

#include "base/base.h"

/* Makes the file and a new namespace on it. One that is there already is kept. */
int netns_create(const char *path);
/* Unmounts and removes the file; missing is fine. */
int netns_remove(const char *path);
bool netns_exists(const char *path); /* the file is there and is a namespace */
/* Runs f inside the namespace, in this thread. Returns its result, or -errno. */
int netns_run(const char *path, int (*f)(void *data), void *data);

#endif
