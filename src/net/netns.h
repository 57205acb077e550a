/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network namespaces that exist as files: a bind mount of the namespace on a plain file keeps it alive without a process
 * inside. Work in a namespace is done by a thread of the pool that enters it and returns. The return can only fail if the
 * kernel is broken, and then the process aborts.
 */
#ifndef NET_NETNS_H
#define NET_NETNS_H

#include "base/base.h"

/* Creates the file and a new namespace on it, or keeps the one that exists. */
int netns_create(const char *path);
/* Unmounts and removes the file. It is no error if the file does not exist. */
int netns_remove(const char *path);
bool netns_exists(const char *path); /* the file is there and is a namespace */
/* Calls f in this thread inside the namespace. Returns the result of f, or -errno if the namespace cannot be entered. */
int netns_run(const char *path, int (*f)(void *data), void *data);

#endif
