/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the data of claims lie: DATA/volumes/<volume>/data. Each call may block (pool) and can be
 * repeated: what is done already is left. A file `size` beside the data keeps what was asked for,
 * so that a bigger size is seen as growth.
 */
#ifndef NODE_VOLUME_DISK_H
#define NODE_VOLUME_DISK_H

#include "base/base.h"
#include "base/error.h"

/* Makes the volume, or grows it to size bytes; the path of its data in *ret (the caller frees). */
int volume_disk_make(const char *data_dir, const char *name, int64_t size, char **ret, Err *reterr);
/* The volume is not used by any pod now: may be unmounted. */
int volume_disk_release(const char *data_dir, const char *name, Err *reterr);
/* Removes the volume and all data in it. Missing is fine. */
int volume_disk_remove(const char *data_dir, const char *name, Err *reterr);

#endif
