/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loop devices. Each is attached with autoclear, so the kernel detaches it when its last user is gone: the mount, or the
 * descriptor of a process that was about to mount it. A process that dies half-way leaves no device behind.
 */
#ifndef NODE_VOLUME_LOOP_H
#define NODE_VOLUME_LOOP_H

#include "base/base.h"
#include "base/error.h"

#define LOOP_PATH_MAX 32

typedef struct LoopDevice {
    int fd; /* keeps it attached */
    char path[LOOP_PATH_MAX];
} LoopDevice;

#define LOOP_DEVICE_INIT \
    {                    \
        .fd = -1         \
    }

/* Does this machine offer loop devices? */
bool loop_available(void);
/* Finds or attaches the device of an image. The caller closes it with loop_close(). */
int loop_attach(const char *image, LoopDevice *ret, Err *reterr);
enum { LOOP_E_NONE = 1 }; /* the image has no device */
/* 0 and the device of the image, LOOP_E_NONE, or -errno. */
int loop_find(const char *image, LoopDevice *ret);
/* Tells the kernel that the image has grown. */
int loop_refresh(const LoopDevice *device, Err *reterr);
void loop_close(LoopDevice *device);
/* Detaches all devices of files below the folder, including files that have been removed. Waits for the kernel to finish,
 * since the mounts of a killed process vanish a moment after it. */
void loop_detach_below(const char *folder);

#define _loop_ __attribute__((cleanup(loop_close)))

#endif
