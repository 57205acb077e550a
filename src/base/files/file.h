/* SPDX-License-Identifier: Apache-2.0 */
/* Small files and folders. All descriptors are close-on-exec. */
#ifndef BASE_FILES_FILE_H
#define BASE_FILES_FILE_H

#include <sys/types.h>

#include "base/base.h"

/* The whole file, NUL added behind it; -EFBIG if it has more than limit bytes. The caller frees. */
int file_read(const char *path, size_t limit, char **ret, size_t *ret_n);
/* The same of an open file, from where it stands. */
int file_read_fd(int fd, size_t limit, char **ret, size_t *ret_n);
/* All n bytes. */
int file_write_fd(int fd, const void *bytes, size_t n);
/* path.tmp-XXXX, fsync, rename, fsync of the folder: old or new, never half. */
int file_write_atomic(const char *path, const void *p, size_t n, mode_t mode);
/* The same, but does nothing, and so needs no disk space, if the file already has this content and
 * mode. */
int file_write_changed(const char *path, const void *p, size_t n, mode_t mode);
/* The same as file_write_atomic without fsync, for run-time state, which does not survive a reboot
 * anyway. */
int file_replace(const char *path, const void *p, size_t n, mode_t mode);
/* Makes the files in the folder durable, but not its subfolders. This is cheaper than one fsync for
 * each file as it is written. */
int file_sync_folder(const char *path);
/* Puts path in place of another, durably. */
int file_rename(const char *from, const char *to);
int file_mkdir_all(const char *path, mode_t mode); /* like mkdir -p */
int file_mkdir_for(const char *path, mode_t mode); /* the folder that path lies in */
/* Like rm -rf, but never goes through a mount: one on the way, bind mounts too, is the error
 * -EXDEV. Missing is fine. */
int file_remove_tree(const char *path);
bool file_exists(const char *path);
/* The path of each entry whose name does not begin with a dot. */
void file_each_entry(const char *path, void (*each)(const char *path));

#endif
