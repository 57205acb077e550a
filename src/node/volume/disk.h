/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data of claims. Each volume has an enforced size:
 *
 *   DATA/volumes/<volume>/data    what pods see
 *                         image   the file system that is mounted there, if it is one in a file
 *                         size    what was asked for, in bytes, once it has that
 *                         used    a pod may have seen it
 *                         thin    the image is thin: its room is not allocated in advance
 *                         kept    the volume is to stay though its PersistentVolume is gone
 *
 * If the file system of DATA has project quotas enabled, a thin volume is a folder with a quota;
 * otherwise it is a file system in a file (disk_image.h), as a reserved volume always is. If the
 * kernel supports neither, it is a plain folder without a limit.
 *
 * The functions may block, so they run on the pool. They are idempotent. Calls for the same volume
 * exclude each other by a lock on its folder, even between processes.
 */
#ifndef NODE_VOLUME_DISK_H
#define NODE_VOLUME_DISK_H

#include "base/base.h"
#include "base/error.h"

/* Positive outcomes. */
#define DISK_E_UNLIMITED 1 /* the volume can be used, but its size is not enforced */
#define DISK_E_LATER 2     /* it will be grown when it is mounted the next time */
#define DISK_E_BUSY 3      /* it is not mounted, but a process still uses its device: try again */

/* How the room of a volume is taken from the disk. */
typedef struct DiskRoom {
    bool reserved; /* all of it when the volume is made; else as the volume fills */
    int64_t keep;  /* so many bytes of the disk are left for other purposes */
} DiskRoom;

/* Makes the volume, or checks that it can grow, so that a later volume_disk_make() cannot fail for
 * want of room. Takes all the room of a reserved volume. -ENOSPC if the disk has less free room
 * than the volume could take, even if no other volume grew. */
int volume_disk_reserve(const char *data_dir, const char *name, int64_t size, const DiskRoom *room,
                        Err *reterr);
/* Makes the volume ready for use and grows it to size bytes. *ret is the path of its data, which
 * the caller frees. */
int volume_disk_make(const char *data_dir, const char *name, int64_t size, const DiskRoom *room,
                     char **ret, Err *reterr);
/* Grows an existing volume. */
int volume_disk_grow(const char *data_dir, const char *name, int64_t size, int64_t keep,
                     Err *reterr);
/* Unmounts a volume that no pod uses, unless it has been made ready again since the caller took
 * `uses` from volume_disk_uses(). */
unsigned volume_disk_uses(const char *name);
int volume_disk_release(const char *data_dir, const char *name, unsigned uses, Err *reterr);
/* Removes the volume and all its data. It is no error if it does not exist. */
int volume_disk_remove(const char *data_dir, const char *name, Err *reterr);
/* Keeps the data although the PersistentVolume is being deleted. */
int volume_disk_keep(const char *data_dir, const char *name, Err *reterr);
/* What is known of a volume without making it ready: the size that was asked for, and what it takes on
 * the disk; -1 for what is not known. */
void volume_disk_read(const char *data_dir, const char *name, int64_t *ret_size, int64_t *ret_used,
                      bool *ret_thin);
/* Calls `each` with the name of every volume. */
void volume_disk_each(const char *data_dir, void (*each)(void *data, const char *name), void *data);
/* Removes unfinished volumes that an earlier server left and no pod has used. `known` tells
 * which volumes exist in the API. */
void volume_disk_sweep(const char *data_dir, bool (*known)(void *data, const char *name),
                       void *data);
/* Unmounts and detaches all volumes; the data stay. */
int volume_disk_detach_all(const char *data_dir, Err *reterr);

#endif
