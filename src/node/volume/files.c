/* SPDX-License-Identifier: Apache-2.0 */
/* Sets up volumes on the pool: folders, tmpfs, files, ownership, sub paths. A pod may write to a
 * volume while another pod is being prepared with it, so everything below the folder of a volume
 * is accessed through base/files/beneath.h. See volume.h. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>

#include "base/fault.h"
#include "base/files/beneath.h"
#include "base/files/file.h"
#include "node/runtime/overlay.h"
#include "node/volume/disk.h"
#include "node/volume/mounts.h"
#include "node/volume/volume.h"

/* ---- ownership ---- */

typedef struct Ownership {
    gid_t group;
    bool read_only;
} Ownership;

/* Gives everything to the group, with the rights of the owner; new files inherit the group. */
static int own(void *data, int fd, const struct statx *st)
{
    const Ownership *to = data;
    mode_t mode = (st->stx_mode & 07777) | (to->read_only ? 0440 : 0660);
    int r = beneath_chown(fd, (uid_t)-1, to->group);

    if (r < 0 || S_ISLNK(st->stx_mode))
        return r;
    if (S_ISDIR(st->stx_mode))
        mode |= S_ISGID | 0110;
    return beneath_chmod(fd, mode);
}

static int apply_group(const char *path, int64_t group, bool on_mismatch, bool read_only,
                       Err *reterr)
{
    Ownership to = {(gid_t)group, read_only};
    _close_fd_ int root = -1;
    struct stat st;
    int r;

    if (group < 0)
        return 0;
    root = beneath_root(path);
    if (root < 0 || fstat(root, &st) < 0)
        return err_set(reterr, root < 0 ? -root : errno, "cannot open %s", path);
    if (on_mismatch && st.st_gid == (gid_t)group && (st.st_mode & 02770) == 02770)
        return 0;
    r = beneath_walk(root, own, &to);
    return r < 0 ? err_set(reterr, -r, "applying fsGroup %" PRId64 " to %s", group, path) : 0;
}

/* ---- files ---- */

static bool path_is_inside(const char *path)
{
    if (str_empty(path) || *path == '/')
        return false;
    for (const char *at = path; *at;) {
        size_t n = strcspn(at, "/");

        if (n == 2 && at[0] == '.' && at[1] == '.')
            return false;
        at += n + (at[n] == '/');
    }
    return true;
}

static int make_folder_of(int folder, const char *path, mode_t mode)
{
    const char *slash = strrchr(path, '/');
    _free_ char *name = slash ? mem_strndup(path, (size_t)(slash - path)) : NULL;
    _close_fd_ int fd = slash ? beneath_make_folders(folder, name, BENEATH_NO_LINKS, mode) : -1;

    return slash && fd < 0 ? fd : 0;
}

static int write_one(int folder, const VolumeFile *file, int64_t group, Err *reterr)
{
    mode_t mode = (mode_t)file->mode | (group >= 0 ? 0440 : 0);
    _close_fd_ int fd = -1;
    int r;

    if (!path_is_inside(file->path))
        return err_set(reterr, EINVAL, "invalid path %s", file->path);
    r = make_folder_of(folder, file->path, group >= 0 ? 02755 : 0755);
    if (r < 0)
        return err_set(reterr, -r, "cannot make the folder of %s", file->path);
    fd = FAULT_POINT("node.files.open") ? -EIO
                                        : beneath_open(folder, file->path, BENEATH_NO_LINKS,
                                                       O_WRONLY | O_CREAT | O_TRUNC, 0600);
    r = fd < 0 ? fd : file_write_fd(fd, file->data.p, file->data.n);
    if (r < 0)
        return err_set(reterr, -r, "cannot write %s", file->path);
    if ((group >= 0 || file->user) &&
        fchown(fd, file->user, group >= 0 ? (gid_t)group : (gid_t)-1) < 0)
        return err_set(reterr, errno, "cannot give %s to its owner", file->path);
    if (fchmod(fd, mode) < 0)
        return err_set(reterr, errno, "cannot set the mode of %s", file->path);
    return 0;
}

static int count_file(void *data, int fd _unused_, const struct statx *st)
{
    *(size_t *)data += !S_ISDIR(st->stx_mode);
    return 0;
}

/* Does the folder hold exactly the desired files? */
static bool same_content(int root, const PodVolume *volume)
{
    _close_fd_ int folder = beneath_open(root, "..data", BENEATH_INSIDE, O_PATH | O_DIRECTORY, 0);
    size_t found = 0;

    if (folder < 0 || beneath_walk(folder, count_file, &found) < 0 || found != volume->n_files)
        return false;
    for (size_t i = 0; i < volume->n_files; i++) {
        _free_ char *file = mem_printf("..data/%s", volume->files[i].path), *text = NULL;
        size_t n;

        if (beneath_read(root, file, BENEATH_INSIDE, 64 << 20, &text, &n) < 0)
            return false;
        if (!bytes_equal((Bytes){(uint8_t *)text, n}, volume->files[i].data))
            return false;
    }
    return true;
}

/* A name that is listed in the folder and cannot be found is a link whose target is gone. */
static bool is_dead_link(int root, const char *name)
{
    _close_fd_ int fd = beneath_open(root, name, BENEATH_INSIDE, O_PATH, 0);

    return fd == -ENOENT;
}

static void unlink_dead_links(int root)
{
    int fd = beneath_reopen(root, O_RDONLY | O_DIRECTORY);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (strncmp(entry->d_name, "..", 2) != 0 && is_dead_link(root, entry->d_name))
            unlinkat(root, entry->d_name, 0);
    if (dir)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
}

/* Makes the first component of each path a link into ..data, and removes links to files that are
 * gone. */
static int link_names(int root, const PodVolume *volume, Err *reterr)
{
    for (size_t i = 0; i < volume->n_files; i++) {
        size_t n = strcspn(volume->files[i].path, "/");
        _free_ char *name = mem_strndup(volume->files[i].path, n);
        _free_ char *target = mem_printf("..data/%s", name);

        if (symlinkat(target, root, name) < 0 && errno != EEXIST)
            return err_set(reterr, errno, "cannot link %s", name);
    }
    unlink_dead_links(root);
    return 0;
}

/* Makes a new folder "..<random>" with all files. The caller frees *ret_name. */
static int write_folder(int root, const PodVolume *volume, int64_t group, char **ret_name,
                        Err *reterr)
{
    _free_ char *path = mem_printf("%s/..XXXXXX", beneath_path(root).text);
    _close_fd_ int folder = -1;

    if (FAULT_POINT("node.volume.files") || !mkdtemp(path))
        return err_set(reterr, errno ? errno : EIO, "cannot make a folder in volume %s",
                       volume->name);
    *ret_name = mem_strdup(strrchr(path, '/') + 1);
    folder = openat(root, *ret_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0 || (group >= 0 && fchown(folder, 0, (gid_t)group) < 0) ||
        fchmod(folder, group >= 0 ? 02755 : 0755) < 0)
        return err_set(reterr, errno, "cannot prepare volume %s", volume->name);
    for (size_t i = 0; i < volume->n_files; i++) {
        int r = write_one(folder, &volume->files[i], group, reterr);

        if (r < 0)
            return r;
    }
    return 0;
}

static void remove_folder(int root, const char *name)
{
    _free_ char *path = mem_printf("%s/%s", beneath_path(root).text, name);

    if (str_starts_with(name, "..") && name[2] && !strchr(name, '/'))
        (void)file_remove_tree(path);
}

int volume_write_files(const PodVolume *volume, int64_t group, Err *reterr)
{
    _close_fd_ int root = beneath_root(volume->path);
    _free_ char *folder = NULL;
    char old[64] = "";
    ssize_t n = root < 0 ? -1 : readlinkat(root, "..data", old, sizeof(old) - 1);
    int r;

    if (root < 0)
        return err_set(reterr, -root, "cannot open volume %s", volume->name);
    if (n > 0 && same_content(root, volume))
        return link_names(root, volume, reterr);
    old[MAX_OF(n, 0)] = 0;
    r = write_folder(root, volume, group, &folder, reterr);
    if (r >= 0) {
        unlinkat(root, "..data_tmp", 0);
        if (symlinkat(folder, root, "..data_tmp") < 0 ||
            FAULT_CALL("node.files.rename", renameat(root, "..data_tmp", root, "..data")) < 0)
            r = err_set(reterr, errno, "cannot switch the data of volume %s", volume->name);
    }
    if (r < 0) {
        if (folder)
            remove_folder(root, folder);
        return r;
    }
    remove_folder(root, old);
    return link_names(root, volume, reterr);
}

/* ---- the forms ---- */

static int setup_host(const PodVolume *v, Err *reterr)
{
    static const struct {
        const char *type, *wanted;
        mode_t mode;
    } types[] = {
        {"Directory", "directory", S_IFDIR},      {"File", "file", S_IFREG},
        {"Socket", "socket file", S_IFSOCK},      {"CharDevice", "character device", S_IFCHR},
        {"BlockDevice", "block device", S_IFBLK},
    };
    struct stat st;
    int r;

    if (str_equal(v->host_type, "DirectoryOrCreate")) {
        if (stat(v->path, &st) == 0 && !S_ISDIR(st.st_mode))
            return err_set(reterr, 0, "hostPath type check failed: %s is not a directory", v->path);
        r = file_mkdir_all(v->path, 0755);
        return r < 0 ? err_set(reterr, -r, "cannot make %s", v->path) : 0;
    }
    if (str_equal(v->host_type, "FileOrCreate")) {
        _close_fd_ int fd = open(v->path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644);

        if (stat(v->path, &st) == 0 && !S_ISREG(st.st_mode))
            return err_set(reterr, 0, "hostPath type check failed: %s is not a file", v->path);
        return fd < 0 ? err_set(reterr, errno, "cannot make %s", v->path) : 0;
    }
    /* no check is wanted; as under kubelet, a missing path becomes a folder */
    if (str_empty(v->host_type)) {
        if (stat(v->path, &st) < 0) {
            r = file_mkdir_all(v->path, 0755);
            return r < 0 ? err_set(reterr, -r, "cannot make %s", v->path) : 0;
        }
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_equal(types[i].type, v->host_type) &&
            (stat(v->path, &st) < 0 || (st.st_mode & S_IFMT) != types[i].mode))
            return err_set(reterr, 0, "hostPath type check failed: %s is not a %s", v->path,
                           types[i].wanted);
    return 0;
}

static int setup_folder(const char *path, mode_t mode, Err *reterr)
{
    bool fresh = !file_exists(path);
    _close_fd_ int fd = -1;
    int r = file_mkdir_all(path, 0755);

    if (r < 0)
        return err_set(reterr, -r, "cannot make %s", path);
    fd = beneath_root(path);
    r = fd >= 0 && fresh ? beneath_chmod(fd, mode) : fd;
    return r < 0 ? err_set(reterr, -r, "cannot set the mode of %s", path) : 0;
}

static int setup_memory(const PodVolume *v, Err *reterr)
{
    char options[64] = "mode=1777";
    int r = setup_folder(v->path, 0777, reterr);

    if (r < 0 || mounts_has(v->path))
        return r;
    if (v->size)
        snprintf(options, sizeof(options), "mode=1777,size=%" PRId64, v->size);
    if (FAULT_CALL("node.memory.mount", mount("tmpfs", v->path, "tmpfs", 0, options)) < 0)
        return err_set(reterr, errno, "cannot mount a tmpfs");
    return 0;
}

static int setup_image(const PodVolume *v, Err *reterr)
{
    int r = setup_folder(v->path, 0755, reterr);

    if (r < 0 || !v->layers.n || mounts_has(v->path))
        return r;
    r = overlay_mount(&v->layers, NULL, NULL, v->path);
    return r < 0 ? err_set(reterr, -r, "cannot mount the image") : 0;
}

int volume_setup(PodVolume *v, const char *data_dir, int64_t group, bool on_mismatch, Arena *arena,
                 Err *reterr)
{
    int r = 0;

    switch (v->form) {
    case VOLUME_FOLDER:
        r = setup_folder(v->path, 0777, reterr);
        break;
    case VOLUME_MEMORY:
        r = setup_memory(v, reterr);
        break;
    case VOLUME_HOST:
        return setup_host(v, reterr);
    case VOLUME_FILES:
        if (v->kept)
            return 0;
        r = setup_folder(v->path, group >= 0 ? 02755 : 0755, reterr);
        return r < 0 ? r : volume_write_files(v, group, reterr);
    case VOLUME_CLAIM:
        if (v->disk) {
            const DiskRoom room = {.reserved = v->reserved};
            char *path = NULL;

            r = volume_disk_make(data_dir, v->disk, v->size, &room, &path, reterr);
            v->path = arena_strdup(arena, path);
            v->outcome = r;
            free(path);
        } else if (!file_exists(v->path)) {
            r = err_set(reterr, 0, "path \"%s\" does not exist", v->path);
        }
        break;
    case VOLUME_IMAGE:
        r = setup_image(v, reterr);
        break;
    }
    if (r < 0 || !v->owned || v->read_only)
        return r;
    return apply_group(v->path, group, on_mismatch, false, reterr);
}

/* ---- sub paths ---- */

/* Opens a sub path and makes missing folders with the mode of the volume, so that whoever may
 * write to the volume may write to them. */
static int open_sub_path(const char *volume_path, const char *sub_path)
{
    _close_fd_ int root = beneath_root(volume_path);
    struct stat st;
    int fd;

    if (root < 0 || fstat(root, &st) < 0)
        return root < 0 ? root : -errno;
    if (!path_is_inside(sub_path))
        return -EINVAL;
    fd = beneath_open(root, sub_path, BENEATH_INSIDE, O_PATH, 0);
    return fd == -ENOENT ? beneath_make_folders(root, sub_path, BENEATH_INSIDE, st.st_mode & 0777)
                         : fd;
}

/* Makes the mount point, a folder or a file like the source. */
static int open_pin(const char *pin, bool folder)
{
    int r = folder ? file_mkdir_all(pin, 0755) : file_mkdir_for(pin, 0755), fd;

    if (r < 0)
        return r;
    fd = folder ? open(pin, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                : open(pin, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : fd;
}

int volume_sub_path(const char *volume_path, const char *sub_path, const char *pin, Err *reterr)
{
    _close_fd_ int fd = open_sub_path(volume_path, sub_path), target = -1;
    struct stat st;

    if (fd < 0)
        return err_set(reterr, -fd, "failed to prepare subPath %s", sub_path);
    if (fstat(fd, &st) < 0)
        return err_set(reterr, errno, "failed to prepare subPath %s", sub_path);
    (void)umount2(pin, MNT_DETACH | UMOUNT_NOFOLLOW);
    target = open_pin(pin, S_ISDIR(st.st_mode));
    if (target < 0)
        return err_set(reterr, -target, "failed to prepare subPath %s", sub_path);
    if (FAULT_CALL("node.sub_path.mount", mount(beneath_path(fd).text, beneath_path(target).text,
                                                NULL, MS_BIND | MS_REC, NULL)) < 0)
        return err_set(reterr, errno, "failed to bind subPath %s", sub_path);
    return 0;
}
