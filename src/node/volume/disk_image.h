/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A volume as an ext4 file system in a file: <folder>/image, mounted at <folder>/data by a loop
 * device. All its room is taken from the machine when it is made, so that a full machine shows when
 * a claim is made, not as I/O errors in an app.
 */
#ifndef NODE_VOLUME_DISK_IMAGE_H
#define NODE_VOLUME_DISK_IMAGE_H

#include "base/base.h"
#include "base/error.h"

typedef struct ImageShape {
    int64_t bytes; /* of the file */
    int64_t journal;
    unsigned block, bytes_per_inode;
    unsigned inodes_per_group; /* of one that there is */
} ImageShape;

/* The image in which size bytes are free; of an older one, if given, all but bytes is kept. */
ImageShape volume_image_shape(int64_t size, const ImageShape *older);
bool volume_image_exists(const char *folder);
/* Makes the image; it appears under its name when it is whole. -ENOSPC: no room on the machine.
 * lock is a descriptor that the programs it starts keep. */
int volume_image_make(const char *folder, int64_t size, int lock, Err *reterr);
/* Takes the room that it will need to grow. */
int volume_image_reserve(const char *folder, int64_t size, Err *reterr);
bool volume_image_is_mounted(const char *folder);
int volume_image_mount(const char *folder, bool fresh, int lock, Err *reterr);
int volume_image_unmount(const char *folder, Err *reterr);
/* Does the kernel let this process grow what is mounted? */
bool volume_image_grows_mounted(void);
/* Mounted or not, but: */
#define IMAGE_E_MOUNTED 1 /* it is mounted, and volume_image_grows_mounted() is false */
int volume_image_grow(const char *folder, int64_t size, int lock, Err *reterr);

#endif
