/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A size for a folder by project quota: all that lies in it belongs to one project, whose number is
 * made of the folder's inode, and statfs() in it tells the project's limit.
 */
#ifndef NODE_VOLUME_QUOTA_H
#define NODE_VOLUME_QUOTA_H

#include "base/base.h"
#include "base/error.h"

/* Is the folder on a file system that is mounted with project quota, which the kernel enforces? */
bool volume_quota_available(const char *folder);
/* Does the folder belong to a project of ours? */
bool volume_quota_is_set(const char *folder);
/* The folder holds up to size bytes; can be repeated with another size. */
int volume_quota_set(const char *folder, int64_t size, Err *reterr);
/* No limit any more, so that the number is free. */
void volume_quota_clear(const char *folder);

#endif
