/* SPDX-License-Identifier: Apache-2.0 */
/* See disk_image.h. An earlier process may have died after any step, so each step examines the
 * present state: the image has its name only when it holds a complete file system; the loop
 * device is found by the file, or vanished with that process; a mount is recognized by its
 * device number. */
#include <endian.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "base/fault.h"
#include "base/files/file.h"
#include "base/strbuf.h"
#include "node/runtime/program.h"
#include "node/volume/disk_image.h"
#include "node/volume/disk_room.h"
#include "node/volume/disk_template.h"
#include "node/volume/loop.h"

#define MIB ((int64_t)1024 * 1024)
#define MACHINE_ROOM (4 * MIB) /* always left to the machine */
#define INODE_SIZE 256
#define GROUP_DESCRIPTOR 64
#define SLACK_BLOCKS 8    /* for the root folder and the index of the journal */
#define GROUP_LEFT_MIN 64 /* mke2fs omits a last block group with fewer free blocks than this */
#define JOURNALLED_MIN (2304 * 1024) /* mke2fs requires twice the size of the journal to be free */
#define DETACH_ATTEMPTS 20           /* to see the device of an unmounted image go */
#define DETACH_PAUSE_MS 5
#define EXT4_RESIZE _IOW('f', 16, uint64_t)

/* ---- programs ---- */

/* The program inherits the lock of the volume. */
static int run_program(const char *const *argv, int lock, Err *reterr)
{
    static const char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
                                      "MKE2FS_CONFIG=/dev/null", NULL};
    const ProgramOptions options = {.argv = argv, .env = env, .package = "e2fsprogs", .lock = lock};

    return program_run(&options, reterr);
}

/* ---- shape ---- */

/* How many bytes of an image of this size mke2fs leaves for files. */
static int64_t room_in(const ImageShape *shape)
{
    int64_t block = shape->block, blocks = shape->bytes / block, per_group = 8 * block;
    int64_t groups = (blocks + per_group - 1) / per_group;
    int64_t inodes = shape->bytes / shape->bytes_per_inode / groups + 1, tables, overhead, last;
    int64_t backups = 2, descriptors = (groups * GROUP_DESCRIPTOR + block - 1) / block;

    for (int64_t base = 3; base <= 7; base += 2)
        for (int64_t at = base; at < groups; at *= base)
            backups++;
    if (shape->inodes_per_group)
        inodes = shape->inodes_per_group;
    tables = (inodes * INODE_SIZE + block - 1) / block;
    last = blocks - (groups - 1) * per_group;
    overhead = groups * (tables + 2) + backups * (1 + descriptors);
    if (last < tables + 2 + 1 + descriptors + GROUP_LEFT_MIN && groups > 1)
        blocks -= last;
    return (blocks - overhead - shape->journal / block - SLACK_BLOCKS -
            MIN_OF(blocks / 50, IMAGE_RESERVE_BLOCKS)) *
           block;
}

ImageShape volume_image_shape(int64_t size, const ImageShape *older)
{
    ImageShape shape = {
        .block = size < 16 * MIB ? 1024 : 4096,
        .journal = (size < 16 * MIB      ? 1
                    : size < 1024 * MIB  ? 4
                    : size < 16384 * MIB ? 16
                                         : 64) *
                   MIB,
        .bytes_per_inode = size < 1024 * MIB ? 8192 : 16384,
    };
    int64_t step = 4096;

    if (older)
        shape = *older;
    shape.bytes = MAX_OF((size + step - 1) / step * step, JOURNALLED_MIN);
    /* Each round adds the missing bytes, of which the file system takes a small part for itself. */
    for (int64_t room; (room = room_in(&shape)) < size;)
        shape.bytes += MAX_OF((size - room + step - 1) / step * step, step);
    return shape;
}

/* Reads the shape of an image from its superblock (ext4 documentation, "The Super Block"). */
static int read_shape(int fd, ImageShape *ret)
{
    uint8_t super[1024];
    uint32_t log_block, per_group, inodes, journal;
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (pread(fd, super, sizeof(super), 1024) != sizeof(super))
        return -EIO;
    memcpy(&log_block, super + 0x18, 4);
    memcpy(&per_group, super + 0x20, 4);
    memcpy(&inodes, super + 0x28, 4);
    memcpy(&journal, super + 0x14c, 4);
    if (le32toh(log_block) > 6 || !inodes)
        return -EUCLEAN;
    ret->bytes = st.st_size;
    ret->block = 1024u << le32toh(log_block);
    ret->bytes_per_inode = (unsigned)((uint64_t)le32toh(per_group) * ret->block / le32toh(inodes));
    ret->inodes_per_group = le32toh(inodes);
    ret->journal = le32toh(journal);
    return ret->bytes_per_inode ? 0 : -EUCLEAN;
}

/* ---- the image ---- */

bool volume_image_exists(const char *folder)
{
    _free_ char *image = mem_printf("%s/image", folder);

    return file_exists(image);
}

bool volume_image_is_thin(const char *folder)
{
    _free_ char *thin = mem_printf("%s/thin", folder);

    return file_exists(thin);
}

/* Makes the file so large. A reserved volume also takes the room on the disk, if the file system
 * supports that; a thin one must find it there. */
static int take_room(int fd, int64_t bytes, const DiskRoom *room, Err *reterr)
{
    int64_t keep = MAX_OF(room->keep, MACHINE_ROOM), left, more;
    struct stat st;
    struct statfs fs;
    int r = FAULT_POINT("node.volume.room") ? -ENOSPC : 0;

    if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
        return err_set(reterr, errno, "cannot look at the image");
    /* The free room is checked first: fallocate allocates everything that is left before it
     * reports that this is not enough, and meanwhile the disk would be full for everyone else. */
    left = (int64_t)fs.f_bavail * fs.f_bsize - keep;
    more = bytes - st.st_blocks * 512;
    if (r == 0 && left < more)
        r = -ENOSPC;
    if (r == 0 && room->reserved && fallocate(fd, 0, 0, bytes) < 0)
        r = -errno;
    if (r == -EOPNOTSUPP || (r == 0 && !room->reserved))
        r = st.st_size < bytes && ftruncate(fd, bytes) < 0 ? -errno : 0;
    if (r == -ENOSPC)
        return volume_no_room(bytes, more, left, keep, reterr);
    if (r == -EFBIG)
        return err_set(reterr, EFBIG, "no file of the machine can have %" PRId64 " bytes", bytes);
    return r < 0 ? err_set(reterr, -r, "cannot take %" PRId64 " bytes", bytes) : 0;
}

static int format(const char *path, const ImageShape *shape, int lock, Err *reterr)
{
    char block[16], ratio[16], journal[32];
    const char *argv[] = {"mke2fs",
                          "-q",
                          "-F",
                          "-t",
                          "ext4",
                          "-m",
                          "0",
                          "-I",
                          "256",
                          "-b",
                          block,
                          "-i",
                          ratio,
                          "-J",
                          journal,
                          "-O",
                          "none,has_journal,ext_attr,dir_index,filetype,extent,64bit,flex_bg,"
                          "sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum,"
                          "metadata_csum_seed",
                          "-E",
                          "nodiscard,lazy_itable_init=0,lazy_journal_init=1,"
                          "assume_storage_prezeroed=1",
                          path,
                          NULL};

    snprintf(block, sizeof(block), "%u", shape->block);
    snprintf(ratio, sizeof(ratio), "%u", shape->bytes_per_inode);
    snprintf(journal, sizeof(journal), "size=%" PRId64, shape->journal / MIB);
    return run_program(argv, lock, reterr);
}

/* The file contains only zeros. */
static int fill(int fd, const char *path, const ImageShape *shape, int lock, Err *reterr)
{
    int r = volume_template_write(fd, shape);

    if (r < 0)
        return err_set(reterr, -r, "cannot write %s", path);
    if (r != TEMPLATE_E_NONE)
        return 0;
    r = format(path, shape, lock, reterr);
    if (r >= 0)
        volume_template_keep(fd, shape);
    return r;
}

/* Marks the folder before its image has its name, so that an image is never of the wrong kind. */
static int mark_thin(const char *folder, bool thin)
{
    _free_ char *mark = mem_printf("%s/thin", folder);

    if (thin)
        return FAULT_POINT("node.volume.thin") ? -EIO : file_replace(mark, "", 0, 0600);
    return unlink(mark) < 0 && errno != ENOENT ? -errno : 0;
}

int volume_image_make(const char *folder, int64_t size, const DiskRoom *room, int lock, Err *reterr)
{
    _free_ char *image = mem_printf("%s/image", folder), *new = mem_printf("%s/image.new", folder);
    ImageShape shape = volume_image_shape(size, NULL);
    _close_fd_ int fd = -1;
    int r;

    if (unlink(new) < 0 && errno != ENOENT)
        return err_set(reterr, errno, "cannot remove %s", new);
    fd = FAULT_POINT("node.volume.image") ? (errno = EIO, -1)
                                          : open(new, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(reterr, errno, "cannot make %s", new);
    r = take_room(fd, shape.bytes, room, reterr);
    if (r >= 0)
        r = fill(fd, new, &shape, lock, reterr);
    if (r >= 0 && mark_thin(folder, !room->reserved) < 0)
        r = err_set(reterr, EIO, "cannot mark %s", folder);
    if (r >= 0 && (FAULT_POINT("node.volume.rename") ? (errno = EIO, -1) : rename(new, image)) < 0)
        r = err_set(reterr, errno, "cannot rename %s", new);
    if (r < 0)
        unlink(new);
    return r;
}

int volume_image_reserve(const char *folder, int64_t size, int64_t keep, Err *reterr)
{
    const DiskRoom room = {.reserved = !volume_image_is_thin(folder), .keep = keep};
    _free_ char *image = mem_printf("%s/image", folder);
    _close_fd_ int fd = open(image, O_RDWR | O_CLOEXEC);
    ImageShape shape;
    int64_t bytes;
    int r;

    if (fd < 0)
        return err_set(reterr, errno, "cannot open %s", image);
    r = read_shape(fd, &shape);
    if (r < 0)
        return err_set(reterr, -r, "cannot read %s", image);
    bytes = volume_image_shape(size, &shape).bytes;
    return shape.bytes < bytes ? take_room(fd, bytes, &room, reterr) : 0;
}

/* ---- mounting ---- */

bool volume_image_is_mounted(const char *folder)
{
    _free_ char *data = mem_printf("%s/data", folder);
    struct stat up, here;

    return stat(folder, &up) == 0 && stat(data, &here) == 0 && up.st_dev != here.st_dev;
}

/* A volume that has just been mounted may grow by this much until the room of all volumes has been
 * divided anew (disk_room.h). */
#define GROWTH_AT_FIRST MIB

/* ext4 reserves up to 16 MiB for itself, which is a lot for a small volume. */
static void limit_growth(const char *folder)
{
    DiskUse use;

    if (volume_room_read(folder, &use) == 0)
        volume_room_limit(&use, use.thin ? GROWTH_AT_FIRST : INT64_MAX);
}

/* With `discard`, room that becomes free in a thin volume returns to the disk below. */
static int mount_device(const LoopDevice *device, const char *data, bool thin)
{
    if (FAULT_POINT("node.volume.mount"))
        return -EIO;
    return mount(device->path, data, "ext4", MS_NOATIME | MS_NODEV | MS_LAZYTIME,
                 thin ? "noinit_itable,errors=remount-ro,discard"
                      : "noinit_itable,errors=remount-ro") < 0
               ? -errno
               : 0;
}

int volume_image_mount(const char *folder, bool fresh, int lock, Err *reterr)
{
    _free_ char *image = mem_printf("%s/image", folder), *data = mem_printf("%s/data", folder);
    _free_ char *lost = mem_printf("%s/lost+found", data);
    _loop_ LoopDevice device = LOOP_DEVICE_INIT;
    bool thin = volume_image_is_thin(folder);
    int r;

    if (volume_image_is_mounted(folder)) {
        r = 0;
    } else {
        r = loop_attach(image, &device, reterr);
        if (r < 0)
            return r;
        r = mount_device(&device, data, thin);
        if (r == -EUCLEAN || r == -EINVAL || r == -EIO) { /* errors that a repair may fix */
            const char *argv[] = {"e2fsck", "-p", device.path, NULL};

            (void)run_program(argv, lock, NULL);
            r = mount_device(&device, data, thin);
        }
        if (r < 0)
            return err_set(reterr, -r, "cannot mount %s", image);
        limit_growth(folder);
    }
    if (fresh) { /* applications expect a new volume to be empty and writable for any user */
        if (rmdir(lost) < 0 && errno != ENOENT)
            return err_set(reterr, errno, "cannot remove %s", lost);
        if ((FAULT_POINT("node.volume.mode") ? (errno = EIO, -1) : chmod(data, 0777)) < 0)
            return err_set(reterr, errno, "cannot set the mode of %s", data);
    }
    return 0;
}

int volume_image_unmount(const char *folder, Err *reterr)
{
    _free_ char *data = mem_printf("%s/data", folder);

    volume_room_trim(folder);
    while (volume_image_is_mounted(folder)) {
        int r =
            FAULT_POINT("node.volume.unmount") ? (errno = EIO, -1) : umount2(data, UMOUNT_NOFOLLOW);

        if (r < 0 && (errno != EBUSY || umount2(data, UMOUNT_NOFOLLOW | MNT_DETACH) < 0))
            return err_set(reterr, errno, "cannot unmount %s", data);
    }
    return 0;
}

/* ---- growing ---- */

bool volume_image_grows_mounted(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];

    return syscall(SYS_capget, &header, data) == 0 &&
           data[CAP_TO_INDEX(CAP_SYS_RESOURCE)].effective & CAP_TO_MASK(CAP_SYS_RESOURCE);
}

static int grow_mounted(const char *folder, const char *data, const LoopDevice *device, Err *reterr)
{
    _close_fd_ int fd = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    off_t end = lseek(device->fd, 0, SEEK_END);
    struct statfs fs;
    uint64_t blocks;

    if (fd < 0 || fstatfs(fd, &fs) < 0 || end < 0)
        return err_set(reterr, errno, "cannot look at %s", data);
    blocks = (uint64_t)end / (uint64_t)fs.f_bsize;
    if ((FAULT_POINT("node.volume.resize") ? (errno = EIO, -1) : ioctl(fd, EXT4_RESIZE, &blocks)) <
        0)
        return errno == EPERM ? IMAGE_E_MOUNTED
                              : err_set(reterr, errno, "cannot grow the file system of %s", data);
    limit_growth(folder);
    return 0;
}

static int grow_unmounted(const char *image, int lock, Err *reterr)
{
    const char *check[] = {"e2fsck", "-p", "-f", image, NULL};
    const char *resize[] = {"resize2fs", image, NULL};

    (void)run_program(check, lock, NULL); /* exit status 1 means that something was repaired */
    return run_program(resize, lock, reterr);
}

/* Finds the device of an image that is mounted. That of an unmounted image is in use until the last
 * process has let go of it: one that ends with a mount namespace of its own, or that looks at all
 * devices. The descriptor of this process must not be the one that it waits for. */
static int find_device(const char *folder, const char *image, LoopDevice *ret)
{
    for (int i = 0; i < DETACH_ATTEMPTS; i++) {
        int r = loop_find(image, ret);

        if (r != 0 || volume_image_is_mounted(folder))
            return r;
        loop_close(ret);
        (void)poll(NULL, 0, DETACH_PAUSE_MS);
    }
    return IMAGE_E_BUSY;
}

int volume_image_grow(const char *folder, int64_t size, int64_t keep, int lock, Err *reterr)
{
    _free_ char *image = mem_printf("%s/image", folder), *data = mem_printf("%s/data", folder);
    _loop_ LoopDevice device = LOOP_DEVICE_INIT;
    int r = volume_image_reserve(folder, size, keep, reterr);

    if (r < 0)
        return r;
    r = find_device(folder, image, &device);
    if (r == IMAGE_E_BUSY)
        return r;
    if (r == LOOP_E_NONE)
        return grow_unmounted(image, lock, reterr);
    r = r < 0 ? err_set(reterr, -r, "cannot find the device of %s", image)
              : loop_refresh(&device, reterr);
    return r < 0 ? r : grow_mounted(folder, data, &device, reterr);
}
