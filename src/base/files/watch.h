/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells when files may have changed: those that an administrator or another program replaces while this one
 * runs, such as certificates and keys.
 *
 * The folders of the files are watched, since a file is usually replaced by a rename, and in a folder that
 * Kubernetes mounts by the rename of a symbolic link beside it. Events that follow each other closely are one.
 */
#ifndef BASE_FILES_WATCH_H
#define BASE_FILES_WATCH_H

#include "base/base.h"
#include "base/error.h"

struct uv_loop_s;

typedef struct FileWatch FileWatch;
/* Calls on_change from the loop. NULL paths are skipped. */
int file_watch_new(struct uv_loop_s *loop, const char *const *paths, size_t n,
                   void (*on_change)(void *data), void *data, FileWatch **ret, Err *reterr);
FileWatch *file_watch_free(FileWatch *watch); /* takes NULL, returns NULL */

#endif
