/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the data of claims lie, each with a size that holds:
 *
 *   DATA/volumes/<volume>/data    what pods see
 *                         image   the file system that is mounted there, if it is one in a file
 *                         size    what was asked for, in bytes, once it has that
 *                         used    a pod may have seen it
 *                         kept    the volume is to stay though its PersistentVolume is gone
 *
 * A volume is a folder with a project quota where the file system of DATA has that switched on,
 * else a file system in a file (disk_image.h). Where the kernel offers neither, it is a plain
 * folder without a limit.
 *
 * Each call may block (pool) and can be repeated: what is done already is left. Calls for one
 * volume exclude each other, also between processes: they lock its folder.
 */
#ifndef NODE_VOLUME_DISK_H
#define NODE_VOLUME_DISK_H

#include "base/base.h"
#include "base/error.h"

/* Positive outcomes. */
#define DISK_E_UNLIMITED 1 /* made, but nothing enforces its size */
#define DISK_E_LATER 2     /* it grows when it is mounted next */

/* Takes the volume's room, also for growing, so that a later volume_disk_make() cannot fail for
 * want of it. */
int volume_disk_reserve(const char *data_dir, const char *name, int64_t size, Err *reterr);
/* Makes the volume ready for use, and grows it to size bytes; the path of its data in *ret (the
 * caller frees). */
int volume_disk_make(const char *data_dir, const char *name, int64_t size, char **ret, Err *reterr);
/* Grows a volume that there is. */
int volume_disk_grow(const char *data_dir, const char *name, int64_t size, Err *reterr);
/* No pod uses the volume: unmounts it, unless it was made ready again since volume_disk_uses() was
 * asked. */
unsigned volume_disk_uses(const char *name);
int volume_disk_release(const char *data_dir, const char *name, unsigned uses, Err *reterr);
/* Removes the volume and all data in it. Missing is fine. */
int volume_disk_remove(const char *data_dir, const char *name, Err *reterr);
/* The PersistentVolume goes, its data stay. */
int volume_disk_keep(const char *data_dir, const char *name, Err *reterr);
/* What a server that died left half-made, and no pod has seen yet; known says which volumes are
 * wanted. */
void volume_disk_sweep(const char *data_dir, bool (*known)(void *data, const char *name),
                       void *data);
/* Unmounts and detaches all; the data stay. */
int volume_disk_detach_all(const char *data_dir, Err *reterr);

#endif
