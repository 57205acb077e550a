/* SPDX-License-Identifier: Apache-2.0 */
/* Chooses the kind of a volume and performs its steps. See disk.h. */
#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/fault.h"
#include "base/files/file.h"
#include "base/fnv.h"
#include "node/volume/disk.h"
#include "node/volume/disk_image.h"
#include "node/volume/disk_room.h"
#include "node/volume/loop.h"
#include "node/volume/mounts.h"
#include "node/volume/quota.h"
#include "node/volume/volume.h"

typedef struct Disk {
    char *folder, *data;
    int lock;
    int64_t size; /* -1 if the volume has not been made */
    bool used;
} Disk;

/* ---- the folder ---- */

static void disk_close(Disk *disk)
{
    free(disk->folder);
    free(disk->data);
    close_fdp(&disk->lock);
}

#define _disk_ __attribute__((cleanup(disk_close)))
#define DISK_INIT  \
    {              \
        .lock = -1 \
    }

/* Names are those of PersistentVolumes (DNS subdomains), which have no slash; this checks it
 * nevertheless. */
static int check_name(const char *name, Err *reterr)
{
    if (str_empty(name) || strchr(name, '/') || *name == '.')
        return err_set(reterr, EINVAL, "not a volume name: %s", str_or(name, ""));
    return 0;
}

/* Takes the lock of the folder, which may have been removed while this waited. */
static int lock_folder(const char *folder)
{
    for (;;) {
        _close_fd_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct stat held, there;

        if (fd < 0 || fstat(fd, &held) < 0)
            return -errno;
        while (flock(fd, LOCK_EX) < 0)
            if (errno != EINTR)
                return -errno;
        if (stat(folder, &there) < 0)
            return -errno;
        if (held.st_ino == there.st_ino && held.st_dev == there.st_dev)
            return TAKE_FD(fd);
    }
}

static int64_t read_size(const char *folder)
{
    _free_ char *path = mem_printf("%s/size", folder), *text = NULL;
    int64_t size;
    size_t n;

    if (file_read(path, 64, &text, &n) < 0)
        return -1;
    text[strcspn(text, "\n")] = 0;
    return str_to_int64(text, 0, INT64_MAX, &size) == 0 ? size : -1;
}

static int disk_open(Disk *disk, const char *data_dir, const char *name, bool make, Err *reterr)
{
    int r = check_name(name, reterr);
    _free_ char *used = NULL;

    if (r < 0)
        return r;
    disk->folder = mem_printf("%s/volumes/%s", data_dir, name);
    disk->data = mem_printf("%s/data", disk->folder);
    do {
        r = 0;
        if (make)
            r = FAULT_POINT("node.volume.make") ? -EIO : file_mkdir_all(disk->data, 0777);
        if (r >= 0)
            r = disk->lock = lock_folder(disk->folder);
    } while (r == -ENOENT && make);
    if (r == -ENOENT)
        return -ENOENT;
    if (r < 0)
        return err_set(reterr, -r, "cannot make volume %s", name);
    used = mem_printf("%s/used", disk->folder);
    disk->used = file_exists(used);
    disk->size = read_size(disk->folder);
    return 0;
}

static int write_size(Disk *disk, int64_t size, Err *reterr)
{
    _free_ char *path = mem_printf("%s/size", disk->folder);
    char text[32];
    int r;

    if (disk->size == size)
        return 0;
    snprintf(text, sizeof(text), "%" PRId64 "\n", size);
    r = FAULT_POINT("node.volume.size") ? -EIO : file_replace(path, text, strlen(text), 0600);
    if (r < 0)
        return err_set(reterr, -r, "cannot write %s", path);
    disk->size = size;
    return 0;
}

static int write_used(Disk *disk, Err *reterr)
{
    _free_ char *path = mem_printf("%s/used", disk->folder);
    int r = 0;

    if (!disk->used)
        r = FAULT_POINT("node.volume.used") ? -EIO : file_write_atomic(path, "", 0, 0600);
    return r < 0 ? err_set(reterr, -r, "cannot write %s", path) : 0;
}

/* ---- kinds ---- */

typedef enum DiskKind { DISK_IMAGE, DISK_QUOTA, DISK_FOLDER } DiskKind;

/* An existing volume never changes its kind. A quota limits a volume, but reserves nothing. */
static DiskKind kind_of(const Disk *disk, const DiskRoom *room)
{
    if (volume_image_exists(disk->folder) || (room->reserved && disk->size < 0 && loop_available()))
        return DISK_IMAGE;
    if (volume_quota_available(disk->data) && (disk->size < 0 || volume_quota_is_set(disk->data)))
        return DISK_QUOTA;
    return disk->size < 0 && loop_available() ? DISK_IMAGE : DISK_FOLDER;
}

static int look_for_room(const Disk *disk, int64_t size, int64_t keep, Err *reterr)
{
    int64_t more = size - MAX_OF(disk->size, 0), left;
    struct statfs fs;

    /* of the parent folder, since with a quota the data folder only reports its own limit */
    if (statfs(disk->folder, &fs) < 0)
        return err_set(reterr, errno, "cannot look at %s", disk->folder);
    left = (int64_t)fs.f_bavail * fs.f_bsize - keep;
    return FAULT_POINT("node.volume.room") || left < more
               ? volume_no_room(size, more, left, keep, reterr)
               : 0;
}

static int make_room(Disk *disk, DiskKind kind, int64_t size, const DiskRoom *room, Err *reterr)
{
    int r;

    if (kind != DISK_IMAGE)
        return disk->size < size ? look_for_room(disk, size, room->keep, reterr) : 0;
    if (volume_image_exists(disk->folder))
        return disk->size < size ? volume_image_reserve(disk->folder, size, room->keep, reterr) : 0;
    r = volume_image_make(disk->folder, size, room, disk->lock, reterr);
    return r < 0 ? r : write_size(disk, size, reterr);
}

static int open_mode(const char *data, Err *reterr)
{
    /* the umask may have removed bits; later the mode belongs to the users */
    if ((FAULT_POINT("node.volume.mode") ? (errno = EIO, -1) : chmod(data, 0777)) < 0)
        return err_set(reterr, errno, "cannot set the mode of %s", data);
    return 0;
}

/* A mounted file system is grown through its journal, which is safer, so that is preferred. A
 * volume that cannot be grown now can still be used. */
static int make_image(Disk *disk, int64_t size, const DiskRoom *room, Err *reterr)
{
    bool grow = volume_image_exists(disk->folder) && disk->size < size;
    bool before = grow && !volume_image_grows_mounted() && !volume_image_is_mounted(disk->folder);
    int r = grow ? 0 : make_room(disk, DISK_IMAGE, size, room, reterr), grown = 0;

    if (r < 0)
        return r;
    if (before)
        grown = volume_image_grow(disk->folder, size, room->keep, disk->lock, NULL);
    r = volume_image_mount(disk->folder, !disk->used, disk->lock, reterr);
    if (r < 0)
        return r;
    if (grow && !before)
        grown = volume_image_grow(disk->folder, size, room->keep, disk->lock, NULL);
    return grown ? DISK_E_LATER : 0;
}

static int make_quota(Disk *disk, int64_t size, Err *reterr)
{
    int r = volume_quota_set(disk->data, MAX_OF(size, disk->size), reterr);

    return r >= 0 && !disk->used ? open_mode(disk->data, reterr) : r;
}

static int make_folder(Disk *disk, Err *reterr)
{
    int r = !disk->used ? open_mode(disk->data, reterr) : 0;

    return r < 0 ? r : DISK_E_UNLIMITED;
}

/* ---- steps ---- */

static atomic_uint uses[1024];

static atomic_uint *uses_of(const char *name)
{
    return &uses[fnv1a(FNV_START, name) % ARRAY_LEN(uses)];
}

unsigned volume_disk_uses(const char *name)
{
    return atomic_load(uses_of(name));
}

int volume_disk_reserve(const char *data_dir, const char *name, int64_t size, const DiskRoom *room,
                        Err *reterr)
{
    _disk_ Disk disk = DISK_INIT;
    int r = disk_open(&disk, data_dir, name, true, reterr);

    if (r < 0)
        return r;
    r = make_room(&disk, kind_of(&disk, room), size, room, reterr);
    return r < 0 ? err_wrap(reterr, "volume %s", name) : r;
}

int volume_disk_make(const char *data_dir, const char *name, int64_t size, const DiskRoom *room,
                     char **ret, Err *reterr)
{
    _disk_ Disk disk = DISK_INIT;
    int r = disk_open(&disk, data_dir, name, true, reterr), made;

    if (r < 0)
        return r;
    atomic_fetch_add(uses_of(name), 1);
    switch (kind_of(&disk, room)) {
    case DISK_IMAGE:
        made = make_image(&disk, size, room, reterr);
        break;
    case DISK_QUOTA:
        made = make_quota(&disk, size, reterr);
        break;
    default:
        made = make_folder(&disk, reterr);
        break;
    }
    if (made < 0)
        return err_wrap(reterr, "volume %s", name);
    r = made == DISK_E_LATER || size < disk.size ? 0 : write_size(&disk, size, reterr);
    if (r >= 0)
        r = write_used(&disk, reterr);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(disk.data);
    return made;
}

int volume_disk_grow(const char *data_dir, const char *name, int64_t size, int64_t keep,
                     Err *reterr)
{
    const DiskRoom room = {.keep = keep};
    _disk_ Disk disk = DISK_INIT;
    int r = disk_open(&disk, data_dir, name, false, reterr);
    bool mount;

    if (r == -ENOENT)
        return DISK_E_LATER; /* no pod has used it yet, so it will be made with the new size */
    if (r < 0 || disk.size < 0 || disk.size >= size)
        return r < 0 ? r : disk.size < 0 ? DISK_E_LATER : 0;
    switch (kind_of(&disk, &room)) {
    case DISK_IMAGE:
        mount = volume_image_grows_mounted() && !volume_image_is_mounted(disk.folder);
        r = mount ? volume_image_mount(disk.folder, false, disk.lock, reterr) : 0;
        if (r >= 0)
            r = volume_image_grow(disk.folder, size, keep, disk.lock, reterr);
        if (mount)
            (void)volume_image_unmount(disk.folder, NULL);
        r = r == IMAGE_E_MOUNTED ? DISK_E_LATER : r == IMAGE_E_BUSY ? DISK_E_BUSY : r;
        break;
    case DISK_QUOTA:
        r = make_quota(&disk, size, reterr);
        break;
    default:
        r = 0;
        break;
    }
    if (r < 0)
        return err_wrap(reterr, "volume %s", name);
    return r ? r : write_size(&disk, size, reterr);
}

int volume_disk_release(const char *data_dir, const char *name, unsigned before, Err *reterr)
{
    _disk_ Disk disk = DISK_INIT;
    int r = disk_open(&disk, data_dir, name, false, reterr);

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    return volume_disk_uses(name) == before ? volume_image_unmount(disk.folder, reterr) : 0;
}

static int remove_gone(const char *path, Err *reterr)
{
    int r = FAULT_POINT("node.volume.remove") ? -EIO : file_remove_tree(path);

    return r < 0 ? err_set(reterr, -r, "cannot remove %s", path) : 0;
}

/* The folder is renamed first, so that a crash half-way does not leave a part of the volume
 * under its name. */
int volume_disk_remove(const char *data_dir, const char *name, Err *reterr)
{
    _free_ char *gone = mem_printf("%s/volumes/.gone-%s", data_dir, name);
    _disk_ Disk disk = DISK_INIT;
    int r = disk_open(&disk, data_dir, name, false, reterr);

    if (r == -ENOENT)
        return remove_gone(gone, reterr);
    if (r >= 0)
        r = volume_image_unmount(disk.folder, reterr);
    if (r >= 0)
        r = remove_gone(gone, reterr);
    if (r < 0)
        return r;
    if (volume_quota_is_set(disk.data))
        volume_quota_clear(disk.data);
    if ((FAULT_POINT("node.volume.gone") ? (errno = EIO, -1) : rename(disk.folder, gone)) < 0)
        return err_set(reterr, errno, "cannot remove volume %s", name);
    return remove_gone(gone, reterr);
}

int volume_disk_keep(const char *data_dir, const char *name, Err *reterr)
{
    _disk_ Disk disk = DISK_INIT;
    _free_ char *mark = NULL;
    int r = disk_open(&disk, data_dir, name, false, reterr);

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    mark = mem_printf("%s/kept", disk.folder);
    r = FAULT_POINT("node.volume.keep") ? -EIO : file_replace(mark, "", 0, 0600);
    if (r < 0)
        return err_set(reterr, -r, "cannot write %s", mark);
    return volume_image_unmount(disk.folder, reterr);
}

/* ---- all volumes ---- */

void volume_disk_read(const char *data_dir, const char *name, int64_t *ret_size, int64_t *ret_used,
                      bool *ret_thin)
{
    _free_ char *folder = mem_printf("%s/volumes/%s", data_dir, name);
    _free_ char *image = mem_printf("%s/image", folder), *data = mem_printf("%s/data", folder);
    struct stat st;
    struct statfs fs;

    *ret_size = read_size(folder);
    *ret_used = -1;
    *ret_thin = volume_image_is_thin(folder) || !volume_image_exists(folder);
    if (stat(image, &st) == 0)
        *ret_used = (int64_t)st.st_blocks * 512;
    else if (volume_quota_is_set(data) && statfs(data, &fs) == 0)
        *ret_used = (int64_t)(fs.f_blocks - fs.f_bfree) * fs.f_bsize;
}

void volume_disk_each(const char *data_dir, void (*each)(void *data, const char *name), void *data)
{
    _free_ char *folder = mem_printf("%s/volumes", data_dir);
    DIR *dir = opendir(folder);

    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (entry->d_name[0] != '.')
            each(data, entry->d_name);
    if (dir)
        closedir(dir);
}

void volume_disk_sweep(const char *data_dir, bool (*known)(void *data, const char *name),
                       void *data)
{
    _free_ char *folder = mem_printf("%s/volumes", data_dir);
    DIR *dir = opendir(folder);

    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        _free_ char *path = mem_printf("%s/%s", folder, entry->d_name);
        _free_ char *used = mem_printf("%s/used", path), *kept = mem_printf("%s/kept", path);

        if (str_starts_with(entry->d_name, ".gone-"))
            (void)file_remove_tree(path);
        else if (str_starts_with(entry->d_name, "pvc-") && !file_exists(used) &&
                 !file_exists(kept) && !known(data, entry->d_name))
            (void)volume_disk_remove(data_dir, entry->d_name, NULL);
    }
    if (dir)
        closedir(dir);
}

int volume_disk_detach_all(const char *data_dir, Err *reterr)
{
    _free_ char *folder = mem_printf("%s/volumes", data_dir);
    int r = mounts_below_remove(folder, reterr);

    loop_detach_below(folder);
    return r;
}
