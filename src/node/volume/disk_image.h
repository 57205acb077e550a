/* SPDX-License-Identifier: Apache-2.0 */
/* A volume as an ext4 file system in the file <folder>/image, which is mounted at <folder>/data
 * through a loop device. The image of a thin volume is a sparse file that takes room on the disk as
 * the volume fills, and gives it back when files are deleted; disk_room.h keeps it from growing
 * beyond the room that there is. All the room of a reserved volume is allocated when it is made. */
#ifndef NODE_VOLUME_DISK_IMAGE_H
#define NODE_VOLUME_DISK_IMAGE_H

#include "base/base.h"
#include "base/error.h"
#include "node/volume/disk.h"

typedef struct ImageShape {
    int64_t bytes; /* of the file */
    int64_t journal;
    unsigned block, bytes_per_inode;
    unsigned inodes_per_group; /* of an existing image */
} ImageShape;

/* The shape of an image in which size bytes are free for files. With `older`, only the member
 * `bytes` differs from that image. */
ImageShape volume_image_shape(int64_t size, const ImageShape *older);
bool volume_image_exists(const char *folder);
bool volume_image_is_thin(const char *folder);
/* Makes the image, which gets its name when it is complete. -ENOSPC if the machine has no room
 * for it besides the bytes to keep. lock: a descriptor that the started programs inherit, so that
 * the lock lasts as long as they do. */
int volume_image_make(const char *folder, int64_t size, const DiskRoom *room, int lock,
                      Err *reterr);
/* Checks that there is the room that it needs to grow to size, and allocates it unless the volume
 * is thin. */
int volume_image_reserve(const char *folder, int64_t size, int64_t keep, Err *reterr);
bool volume_image_is_mounted(const char *folder);
int volume_image_mount(const char *folder, bool fresh, int lock, Err *reterr);
int volume_image_unmount(const char *folder, Err *reterr);
/* Does the kernel allow this process to grow mounted file systems? */
bool volume_image_grows_mounted(void);
/* Grows the image, mounted or not. 0, -errno, or: */
#define IMAGE_E_MOUNTED 1 /* it is mounted, and mounted file systems cannot be grown */
#define IMAGE_E_BUSY 2    /* it is not mounted here, but its device is still in use */
int volume_image_grow(const char *folder, int64_t size, int64_t keep, int lock, Err *reterr);

#endif
