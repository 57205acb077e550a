/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loop devices, by ioctl. Each is attached with autoclear: it goes with its last user, which is the
 * mount, or the descriptor of whoever was about to mount it. So a process that dies on the way
 * leaves none behind.
 */
#ifndef NODE_VOLUME_LOOP_H
#define NODE_VOLUME_LOOP_H

#include "base/base.h"
#include "base/error.h"

#define LOOP_PATH_MAX 32

typedef struct LoopDevice {
    int fd; /* holds it */
    char path[LOOP_PATH_MAX];
} LoopDevice;

#define LOOP_DEVICE_INIT \
    {                    \
        .fd = -1         \
    }

/* Can this machine make loop devices? */
bool loop_available(void);
/* The device of an image, attached before or now. */
int loop_attach(const char *image, LoopDevice *ret, Err *reterr);
/* -ENODEV: it has none; ret as in loop_attach. */
int loop_find(const char *image, LoopDevice *ret);
/* The image became bigger. */
int loop_refresh(const LoopDevice *device, Err *reterr);
void loop_close(LoopDevice *device);
/* Detaches what is attached to files below the folder, also to removed ones, and waits a while
 * until the kernel has done so: the mounts of a process that was killed go a moment after it. */
void loop_detach_below(const char *folder);

#define _loop_ __attribute__((cleanup(loop_close)))

#endif
