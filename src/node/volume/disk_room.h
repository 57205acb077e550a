/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The growth of mounted images, and how it is limited.
 *
 * A write that needs room on a full disk below must not reach the loop device: ext4 has accepted it
 * by then, so the data would be lost, and if it is one to the journal, the volume becomes read-only.
 * Instead ext4 itself has to refuse, with ENOSPC, as it does on a disk of that size. The attribute
 * reserved_clusters of a mounted ext4 is the number of free blocks that nobody may use, not even
 * root. Setting it to the free blocks minus g lets the volume grow by g and no more, whatever
 * happens to the server meanwhile, and statfs() in the volume reports g as available.
 *
 * room_plan() divides the room of the disk into such grants, whose sum never exceeds it. What ext4
 * counts as used but has not written yet (dirty pages, the journal, tables of inodes) may still take
 * room, so it is subtracted first.
 */
#ifndef NODE_VOLUME_DISK_ROOM_H
#define NODE_VOLUME_DISK_ROOM_H

#include <sys/types.h>

#include "base/base.h"
#include "base/error.h"

#define IMAGE_RESERVE_BLOCKS 32 /* that ext4 needs for its own operations on a full file system */

typedef struct DiskUse {
    bool thin;
    dev_t device;
    int64_t block;
    int64_t bytes;  /* of the image */
    int64_t backed; /* what it has on the disk */
    int64_t free;   /* in the volume, without what is promised to dirty pages */
} DiskUse;

/* Reads the use of a mounted image. 0, -errno, or: */
#define ROOM_E_NONE 1 /* there is no mounted image */
int volume_room_read(const char *folder, DiskUse *ret);
/* Lets the volume grow by so many bytes from the state in `use`; INT64_MAX: up to its size. */
void volume_room_limit(const DiskUse *use, int64_t grant);
/* Gives back the room of free blocks of a mounted thin volume. With the mount option `discard`, ext4
 * does so after each commit of its journal, but not for the last ones before it is unmounted. */
void volume_room_trim(const char *folder);
/* Sets the error -ENOSPC: bytes for a volume, of which `more` are missing, and `left` are there
 * besides those to keep. */
int volume_no_room(int64_t bytes, int64_t more, int64_t left, int64_t keep, Err *reterr);

/* One volume in the plan. */
typedef struct RoomShare {
    DiskUse use;
    bool growing;  /* it has grown recently, so it gets more than one that has not */
    int64_t grant; /* out: by how much it may grow; INT64_MAX if the disk does not limit it */
} RoomShare;

/* Divides `room` bytes among the volumes. Returns what remains for them after what has been used
 * but not written; it may be negative, and all grants are 0 then. */
int64_t room_plan(RoomShare *shares, size_t n, int64_t room);

#endif
