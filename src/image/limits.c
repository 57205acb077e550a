/* SPDX-License-Identifier: Apache-2.0 */
/* Limits the cost of an import. A compressed archive of a few megabytes may expand to terabytes
 * of zeros or millions of empty files. So everything is charged in whole file system blocks
 * before it is written. What is read is limited as well, because even skipped data cost time. */
#include <sys/statvfs.h>

#include "codec/quantity.h"
#include "image/internal.h"

#define BLOCK 4096u
/* free space that is left for the machine, but at most a twentieth of the disk */
#define RESERVE_MOST (UINT64_C(1) << 30)
/* bytes that are charged between two checks of the free space */
#define ROOM_CHECK (UINT64_C(32) << 20)

static int too_large(const ImageLimits *limits, Err *reterr)
{
    _arena_ Arena arena = ARENA_INIT;
    const char *allowed =
        quantity_from(&arena, (int64_t)MIN_OF(limits->allowed, (uint64_t)INT64_MAX), true);

    if (limits->by_room)
        return err_set(reterr, 0, "the image does not fit: the disk of the images has room for %s",
                       allowed);
    return err_set(reterr, 0,
                   "the image is larger than allowed, more than %s unpacked; \"stead image import "
                   "--limit SIZE\" allows more",
                   allowed);
}

/* Determines how much of the disk an image may use now. */
static bool find_room(const char *dir, uint64_t *ret)
{
    struct statvfs fs;
    uint64_t size;

    if (statvfs(dir, &fs) < 0)
        return false;
    size = (uint64_t)fs.f_blocks * fs.f_frsize;
    *ret = (uint64_t)fs.f_bavail * fs.f_frsize;
    *ret -= MIN_OF(*ret, MIN_OF(RESERVE_MOST, size / 20));
    return true;
}

void image_limits_begin(ImageLimits *limits, const char *dir, uint64_t wanted)
{
    uint64_t room;

    if (wanted)
        limits->bytes = wanted;
    limits->by_room = false;
    limits->dir = dir;
    limits->charged = 0;
    if (find_room(dir, &room)) {
        limits->by_room = room < limits->bytes;
        limits->bytes = MIN_OF(room, limits->bytes);
    }
    limits->allowed = limits->bytes;
}

uint64_t image_limits_read(const ImageLimits *limits)
{
    uint64_t most = MIN_OF(limits->allowed, UINT64_MAX / 8);

    return most * 4 + (UINT64_C(1) << 30);
}

/* Takes n from a limit, atomically, since several threads may unpack layers of one image. */
static bool take(uint64_t *left, uint64_t n)
{
    uint64_t before = __atomic_load_n(left, __ATOMIC_RELAXED);

    do {
        if (n > before)
            return false;
    } while (!__atomic_compare_exchange_n(left, &before, before - n, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    return true;
}

/* Pods and other imports and pulls write to the same disk, so the free space is checked again from
 * time to time. */
static bool has_room(ImageLimits *limits, uint64_t n)
{
    uint64_t room;

    if (!limits->dir || __atomic_add_fetch(&limits->charged, n, __ATOMIC_RELAXED) < ROOM_CHECK)
        return true;
    __atomic_store_n(&limits->charged, 0, __ATOMIC_RELAXED);
    return !find_room(limits->dir, &room) || room > 0;
}

int image_limits_bytes(ImageLimits *limits, uint64_t n, Err *reterr)
{
    if (!take(&limits->bytes, n))
        return too_large(limits, reterr);
    return has_room(limits, n)
               ? 0
               : err_set(reterr, ENOSPC, "the image does not fit: the disk of the images is full");
}

int image_limits_file(const ImageLimits *limits, uint64_t size, Err *reterr)
{
    return size > limits->allowed ? too_large(limits, reterr) : 0;
}

int image_limits_rest_of_block(ImageLimits *limits, uint64_t n, Err *reterr)
{
    return image_limits_bytes(limits, (BLOCK - n % BLOCK) % BLOCK, reterr);
}

int image_limits_entry(ImageLimits *limits, Err *reterr)
{
    return take(&limits->entries, 1) ? 0
                                     : err_set(reterr, 0, "the image has more files than allowed");
}
