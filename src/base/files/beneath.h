/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access to files below a folder whose contents somebody else may change at any moment: a volume
 * that a pod writes to, the root folder of a container, an unpacked layer.
 *
 * Between a check of a path and its use, a pod can replace any component by a symbolic link, and a
 * node that works with paths then opens, owns or unmounts a file of the machine. Hence two rules:
 *
 *   - A path is resolved once, below a descriptor of the folder (the root), to a descriptor.
 *   - Whatever follows (stat, chown, chmod, read, mount) acts on that descriptor and never on the
 *     path again.
 *
 * The kernel resolves the path (openat2, Linux 5.6). Where it cannot, or a sandbox forbids it, the
 * path is walked here component by component with O_NOFOLLOW; links are then read and followed by
 * this code, with the same result. All functions return -errno on failure, and all descriptors are
 * close-on-exec.
 */
#ifndef BASE_FILES_BENEATH_H
#define BASE_FILES_BENEATH_H

#include <sys/stat.h>
#include <sys/types.h>

#include "base/base.h"

typedef enum BeneathLinks {
    BENEATH_NO_LINKS, /* a symbolic link in the path is -ELOOP */
    BENEATH_INSIDE,   /* links are followed; a path or link that leads out is -EXDEV */
    BENEATH_IN_ROOT,  /* links are followed as if the root was "/", as a container sees it */
} BeneathLinks;

/* Opens the root itself (O_PATH). Its path has to be trusted: links in it are followed. */
int beneath_root(const char *path);
/* As openat(2). The path is relative except with BENEATH_IN_ROOT. ".." never leaves the root. */
int beneath_open(int root, const char *path, BeneathLinks links, int flags, mode_t mode);
/* Creates the missing folders of the path with exactly this mode; returns the last one, O_PATH. */
int beneath_make_folders(int root, const char *path, BeneathLinks links, mode_t mode);
/* A regular file of at most limit bytes, a NUL added behind it: other kinds of files are never
 * opened, since a device or a FIFO may act or block. -EINVAL for those, -EFBIG if it is larger. */
int beneath_read(int root, const char *path, BeneathLinks links, size_t limit, char **ret,
                 size_t *ret_n);

/* These take any descriptor, also one that was opened with O_PATH. chmod of a symbolic link is
 * -EOPNOTSUPP. */
int beneath_reopen(int fd, int flags);
int beneath_chmod(int fd, mode_t mode);
int beneath_chown(int fd, uid_t uid, gid_t gid);

/* The path that names a descriptor for system calls which only take paths (mount). */
typedef struct BeneathPath {
    char text[32];
} BeneathPath;
BeneathPath beneath_path(int fd);

/* Visits the root and everything below it, folders before their contents, each as an O_PATH
 * descriptor: symbolic links are visited, not followed, and mounts are left out. A negative return
 * value of the visitor ends the walk. Files that disappear meanwhile are left out; -EAGAIN: a
 * folder was moved away while the walk was in it. Descriptors in use do not grow with the depth. */
typedef int (*BeneathVisit)(void *data, int fd, const struct statx *st);
int beneath_walk(int root, BeneathVisit visit, void *data);

#endif
