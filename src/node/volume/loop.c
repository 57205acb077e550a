/* SPDX-License-Identifier: Apache-2.0 */
/* See loop.h. The device of an image is recognized by the device and inode number of its file: the
 * path that the kernel stores belongs to the mount namespace in which it was attached. Only devices
 * whose path ends like that of the image are opened for this. An open descriptor keeps a device
 * attached after its unmounting, so looking at the devices of other volumes would let these fail to
 * grow. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/files/user_namespace.h"
#include "base/fault.h"
#include "base/files/file.h"
#include "node/volume/loop.h"

#define LOOP_MAJOR 7
#define DETACH_ATTEMPTS 400
#define DETACH_PAUSE_MS 5
#define ATTEMPTS 100 /* to attach a free device, which another process may take first */

/* In a user namespace, no file system of a block device can be mounted. */
bool loop_available(void)
{
    _close_fd_ int fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

    return fd >= 0 && !in_user_namespace();
}

void loop_close(LoopDevice *device)
{
    if (device->fd >= 0)
        close(device->fd);
    device->fd = -1;
}

/* If /dev is not a devtmpfs, the device file may be missing. */
static int open_device(int number, LoopDevice *ret)
{
    LoopDevice device;

    snprintf(device.path, sizeof(device.path), "/dev/loop%d", number);
    device.fd = open(device.path, O_RDWR | O_CLOEXEC);
    if (device.fd < 0 && errno == ENOENT &&
        mknod(device.path, S_IFBLK | 0660, makedev(LOOP_MAJOR, (unsigned)number)) == 0)
        device.fd = open(device.path, O_RDWR | O_CLOEXEC);
    if (device.fd < 0)
        return -errno;
    *ret = device;
    return 0;
}

/* Calls `each` with the number of every device that is attached to a file, until it returns non-zero. */
static int each_device(int (*each)(int number, void *data), void *data)
{
    DIR *dir = opendir("/sys/block");
    int r = 0;

    for (struct dirent *entry; dir && r == 0 && (entry = readdir(dir));) {
        _free_ char *attached = NULL;
        int64_t number;

        if (!str_starts_with(entry->d_name, "loop") ||
            str_to_int64(entry->d_name + 4, 0, INT32_MAX, &number) != 0)
            continue;
        attached = mem_printf("/sys/block/loop%" PRId64 "/loop", number);
        if (file_exists(attached))
            r = each((int)number, data);
    }
    if (dir)
        closedir(dir);
    return r;
}

typedef struct Search {
    struct stat image;
    const char *end; /* of its path: the last two components */
    LoopDevice *ret;
} Search;

/* The names of the file and of its folder. */
static const char *end_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    while (slash && slash > path && slash[-1] != '/')
        slash--;
    return slash ? slash : path;
}

static char *file_of(int number)
{
    _free_ char *path = mem_printf("/sys/block/loop%d/loop/backing_file", number), *file = NULL;
    size_t n;

    if (file_read(path, 4096, &file, &n) < 0)
        return NULL;
    file[strcspn(file, "\n")] = 0;
    return TAKE_PTR(file);
}

static int match_device(int number, void *data)
{
    Search *search = data;
    _free_ char *file = file_of(number);
    struct loop_info64 info;
    LoopDevice device;

    if (!file || !str_equal(end_of(file), search->end) || open_device(number, &device) < 0)
        return 0;
    if (ioctl(device.fd, LOOP_GET_STATUS64, &info) < 0 || info.lo_inode != search->image.st_ino ||
        info.lo_device != search->image.st_dev) {
        loop_close(&device);
        return 0;
    }
    *search->ret = device;
    return 1;
}

int loop_find(const char *image, LoopDevice *ret)
{
    Search search = {.end = end_of(image), .ret = ret};

    if (stat(image, &search.image) < 0)
        return -errno;
    return each_device(match_device, &search) ? 0 : LOOP_E_NONE;
}

static int configure(int control, int file, const char *image, LoopDevice *ret)
{
    /* Direct I/O bypasses the page cache of the host, so that each page is cached once and a sync is one flush. File systems
     * that do not support it ignore the flag. Setting it later (LOOP_SET_DIRECT_IO) would stop the queue of the device for
     * 14 ms. */
    struct loop_config config = {.fd = (uint32_t)file,
                                 .block_size = 512,
                                 .info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO};
    int number = ioctl(control, LOOP_CTL_GET_FREE), r;

    if (number < 0)
        return -errno;
    snprintf((char *)config.info.lo_file_name, LO_NAME_SIZE, "%s", image);
    r = open_device(number, ret);
    if (r < 0)
        return r;
    if (ioctl(ret->fd, LOOP_CONFIGURE, &config) < 0) {
        r = -errno;
        loop_close(ret);
        return r;
    }
    return 0;
}

int loop_attach(const char *image, LoopDevice *ret, Err *reterr)
{
    _close_fd_ int control = -1, file = -1;
    int r = loop_find(image, ret);

    if (r == 0)
        return 0;
    control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    if (control < 0)
        return err_set(reterr, errno, "cannot open /dev/loop-control");
    file =
        FAULT_POINT("node.volume.loop.open") ? (errno = EIO, -1) : open(image, O_RDWR | O_CLOEXEC);
    if (file < 0)
        return err_set(reterr, errno, "cannot open %s", image);
    for (int i = 0; i < ATTEMPTS; i++) {
        r = FAULT_POINT("node.volume.loop.configure") ? -EIO : configure(control, file, image, ret);
        if (r != -EBUSY)
            break;
    }
    return r < 0 ? err_set(reterr, -r, "cannot get a loop device") : 0;
}

int loop_refresh(const LoopDevice *device, Err *reterr)
{
    if (FAULT_POINT("node.volume.loop.refresh"))
        errno = EIO;
    else if (ioctl(device->fd, LOOP_SET_CAPACITY) == 0)
        return 0;
    return err_set(reterr, errno, "cannot set the size of %s", device->path);
}

typedef struct Detaching {
    const char *folder;
    int found;
} Detaching;

static int detach_if_below(int number, void *data)
{
    Detaching *detaching = data;
    size_t length = strlen(detaching->folder);
    _free_ char *file = file_of(number);
    LoopDevice device;

    if (!file || strncmp(file, detaching->folder, length) != 0 || file[length] != '/')
        return 0;
    detaching->found++;
    if (open_device(number, &device) < 0)
        return 0;
    (void)ioctl(device.fd, LOOP_CLR_FD);
    loop_close(&device);
    return 0;
}

void loop_detach_below(const char *folder)
{
    _free_ char *real = realpath(folder, NULL);

    for (int i = 0; real && i < DETACH_ATTEMPTS; i++) {
        Detaching detaching = {.folder = real};

        (void)each_device(detach_if_below, &detaching);
        if (!detaching.found)
            return;
        (void)poll(NULL, 0, DETACH_PAUSE_MS);
    }
}
