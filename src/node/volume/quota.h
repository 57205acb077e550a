/* SPDX-License-Identifier: Apache-2.0 */
/* Limits the size of a folder by a project quota. Everything in the folder belongs to one
 * project, whose number is derived from the folder's inode, and statfs() in the folder reports
 * the limit of the project. */
#ifndef NODE_VOLUME_QUOTA_H
#define NODE_VOLUME_QUOTA_H

#include "base/base.h"
#include "base/error.h"

/* Is the folder on a file system for which the kernel enforces project quotas? */
bool volume_quota_available(const char *folder);
/* Does the folder belong to a project of ours? */
bool volume_quota_is_set(const char *folder);
/* Limits the folder to size bytes. Can be repeated with another size. */
int volume_quota_set(const char *folder, int64_t size, Err *reterr);
/* Removes the limit, so that the project number is free. */
void volume_quota_clear(const char *folder);

#endif
