/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports that somebody has begun to write to one of some mounted volumes, once. It costs nothing
 * while nobody writes, and nothing for the writers after the first event: the watch ends with it,
 * and the owner starts it anew when the volumes have become quiet (fanotify(7), marks on file
 * systems). Writes to pages that were mapped before are not reported.
 */
#ifndef NODE_VOLUME_WRITE_WATCH_H
#define NODE_VOLUME_WRITE_WATCH_H

#include "base/base.h"

struct uv_loop_s;
typedef struct WriteWatch WriteWatch;

/* NULL if the kernel does not allow it. */
WriteWatch *write_watch_new(struct uv_loop_s *loop, void (*on_write)(void *data), void *data);
WriteWatch *write_watch_free(WriteWatch *watch);
/* Adds the file system that is mounted at the path to those that are watched. */
int write_watch_add(WriteWatch *watch, const char *path);
/* Watches nothing any more. */
void write_watch_clear(WriteWatch *watch);

#endif
