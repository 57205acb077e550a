/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/files/file.h"
#include "node/volume/disk_image.h"
#include "node/volume/disk_room.h"

#define MIB ((int64_t)1024 * 1024)
#define GROWING_WEIGHT 8
#define TRIM_LEAST MIB /* less is not worth the time of a trim */

/* ---- the state of a volume ---- */

int volume_room_read(const char *folder, DiskUse *ret)
{
    _free_ char *data = mem_printf("%s/data", folder), *image = mem_printf("%s/image", folder);
    struct stat up, here, file;
    struct statfs fs;

    if (stat(folder, &up) < 0 || stat(data, &here) < 0 || here.st_dev == up.st_dev ||
        stat(image, &file) < 0)
        return ROOM_E_NONE;
    if (statfs(data, &fs) < 0)
        return -errno;
    *ret = (DiskUse){.thin = volume_image_is_thin(folder),
                     .device = here.st_dev,
                     .block = fs.f_bsize,
                     .bytes = file.st_size,
                     .backed = file.st_blocks * 512,
                     .free = (int64_t)fs.f_bfree * fs.f_bsize};
    return 0;
}

void volume_room_limit(const DiskUse *use, int64_t grant)
{
    int64_t free = use->free / use->block, reserve = free - grant / use->block;
    _free_ char *device =
        mem_printf("/sys/dev/block/%u:%u", major(use->device), minor(use->device));
    _free_ char *path = NULL;
    _close_fd_ int fd = -1;
    char target[256], text[24];
    ssize_t n = readlink(device, target, sizeof(target) - 1);

    target[MAX_OF(n, 0)] = 0;
    if (!strrchr(target, '/'))
        return;
    path = mem_printf("/sys/fs/ext4/%s/reserved_clusters", strrchr(target, '/') + 1);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    reserve = MAX_OF(reserve, MIN_OF(free, IMAGE_RESERVE_BLOCKS));
    snprintf(text, sizeof(text), "%" PRId64, reserve);
    if (fd >= 0 && write(fd, text, strlen(text)) < 0)
        return; /* the present value stays */
}

void volume_room_trim(const char *folder)
{
    _free_ char *data = mem_printf("%s/data", folder);
    struct fstrim_range all = {.len = UINT64_MAX};
    _close_fd_ int fd = -1;
    DiskUse use;

    if (volume_room_read(folder, &use) != 0 || !use.thin)
        return;
    fd = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || syncfs(fd) < 0 || volume_room_read(folder, &use) != 0)
        return;
    if (use.backed > use.bytes - use.free + TRIM_LEAST)
        (void)ioctl(fd, FITRIM, &all); /* the room stays taken if the disk cannot do that */
}

int volume_no_room(int64_t bytes, int64_t more, int64_t left, int64_t keep, Err *reterr)
{
    return err_set(reterr, ENOSPC,
                   "the machine has no room for %" PRId64 " bytes: it needs %" PRId64
                   " MiB more, and its disk has %" PRId64 " MiB for volumes, besides %" PRId64
                   " MiB that stay free",
                   bytes, (more + MIB - 1) / MIB, MAX_OF(left, 0) / MIB, keep / MIB);
}

/* ---- the plan ---- */

/* What the volume may still take from the disk for what it counts as used already. */
static int64_t pending(const DiskUse *use)
{
    return MAX_OF(use->bytes - use->free - use->backed, 0);
}

/* What it could take for more than that. */
static int64_t wish(const DiskUse *use)
{
    return MAX_OF(MIN_OF(use->free, use->bytes - use->backed - pending(use)), 0);
}

static int64_t weight(const RoomShare *share)
{
    return share->growing ? GROWING_WEIGHT : 1;
}

static int compare_wishes(const void *a, const void *b)
{
    const RoomShare *x = *(RoomShare *const *)a, *y = *(RoomShare *const *)b;
    int64_t left = wish(&x->use) / weight(x), right = wish(&y->use) / weight(y);

    return left < right ? -1 : left > right;
}

/* In ascending order of what they want for their weight, each gets what it wants or its share of
 * what is left. So a small wish is met in full, and large ones share the rest. */
int64_t room_plan(RoomShare *shares, size_t n, int64_t room)
{
    RoomShare **order = mem_new((n + 1) * sizeof(*order));
    int64_t weights = 0, left, budget;

    for (size_t i = 0; i < n; i++) {
        order[i] = &shares[i];
        weights += weight(&shares[i]);
        room -= pending(&shares[i].use);
    }
    left = budget = room;
    qsort(order, n, sizeof(*order), compare_wishes);
    for (size_t i = 0; i < n; i++) {
        int64_t want = wish(&order[i]->use);
        int64_t share = MAX_OF(left, 0) / weights * weight(order[i]);

        order[i]->grant = want <= share ? INT64_MAX : share;
        left -= MIN_OF(want, share);
        weights -= weight(order[i]);
    }
    free(order);
    return budget;
}
