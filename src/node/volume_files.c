/* SPDX-License-Identifier: Apache-2.0 */
/* Making volumes on the pool: folders, tmpfs, files, ownership, sub paths, unmounting. See
 * volumes.h. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/fault.h"
#include "base/file.h"
#include "node/overlay.h"
#include "node/volume_disk.h"
#include "node/volumes.h"

/* ---- mounts ---- */

static void unescape(char *text)
{
    char *to = text;

    for (char *at = text; *at; at++) {
        if (at[0] == '\\' && at[1] && at[2] && at[3]) {
            *to++ = (char)((at[1] - '0') * 64 + (at[2] - '0') * 8 + (at[3] - '0'));
            at += 3;
        } else {
            *to++ = *at;
        }
    }
    *to = 0;
}

/* Mount points at or below the folder, in the order of mounting. */
static size_t mounts_below(const char *folder, char ***ret)
{
    FILE *file = fopen("/proc/self/mountinfo", "re");
    VEC(char *) found = VEC_INIT;
    size_t length = strlen(folder), cap = 0;
    char *line = NULL;

    while (file && getline(&line, &cap, file) > 0) {
        char *at = line, *field = NULL;

        for (int i = 0; i < 5; i++)
            field = strsep(&at, " ");
        if (!field)
            continue;
        unescape(field);
        if (strncmp(field, folder, length) == 0 && (field[length] == 0 || field[length] == '/'))
            VEC_PUSH(&found, mem_strdup(field));
    }
    free(line);
    if (file)
        fclose(file);
    *ret = found.v;
    return found.n;
}

int mounts_below_remove(const char *folder, Err *reterr)
{
    _free_ char *real = realpath(folder, NULL);
    char **v = NULL;
    size_t n;
    int r = 0;

    if (!real)
        return errno == ENOENT ? 0 : err_set(reterr, errno, "cannot find %s", folder);
    n = mounts_below(real, &v);
    while (n-- > 0) {
        if (FAULT_CALL("node.unmount", umount2(v[n], UMOUNT_NOFOLLOW)) < 0 && errno != EINVAL &&
            errno != ENOENT &&
            FAULT_CALL("node.unmount.detach", umount2(v[n], UMOUNT_NOFOLLOW | MNT_DETACH)) < 0)
            r = err_set(reterr, errno, "cannot unmount %s", v[n]);
        free(v[n]);
    }
    free(v);
    return r;
}

static bool is_mounted(const char *path)
{
    _free_ char *real = realpath(path, NULL);
    char **v = NULL;
    size_t n = real ? mounts_below(real, &v) : 0;
    bool found = false;

    for (size_t i = 0; i < n; i++) {
        found = found || strcmp(v[i], real) == 0;
        free(v[i]);
    }
    free(v);
    return found;
}

/* ---- ownership ---- */

/* The group owns everything and may do what the owner may; new files inherit the group. Links are
 * not followed. */
static int own(int parent, const char *name, gid_t group, bool read_only, int depth)
{
    struct stat st;
    mode_t mode;
    _close_fd_ int fd = -1;
    DIR *dir;
    int r = 0;

    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (fchownat(parent, name, (uid_t)-1, group, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (S_ISLNK(st.st_mode))
        return 0;
    mode = (st.st_mode & 07777) | (read_only ? 0440 : 0660);
    if (S_ISDIR(st.st_mode))
        mode |= S_ISGID | 0110;
    if (fchmodat(parent, name, mode, 0) < 0)
        return -errno;
    if (!S_ISDIR(st.st_mode) || depth > 200)
        return 0;
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    dir = fdopendir(dup(fd));
    for (struct dirent *entry; dir && r >= 0 && (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            r = own(fd, entry->d_name, group, read_only, depth + 1);
    if (dir)
        closedir(dir);
    return r == -ENOENT ? 0 : r;
}

static int apply_group(const char *path, int64_t group, bool on_mismatch, bool read_only,
                       Err *reterr)
{
    struct stat st;
    int r;

    if (group < 0)
        return 0;
    if (on_mismatch && stat(path, &st) == 0 && st.st_gid == (gid_t)group &&
        (st.st_mode & 02770) == 02770)
        return 0;
    r = own(AT_FDCWD, path, (gid_t)group, read_only, 0);
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

static int write_one(const char *folder, const VolumeFile *file, int64_t group, Err *reterr)
{
    _free_ char *path = mem_printf("%s/%s", folder, file->path);
    _close_fd_ int fd = -1;
    mode_t mode = (mode_t)file->mode | (group >= 0 ? 0440 : 0);
    size_t at = 0;
    int r;

    if (!path_is_inside(file->path))
        return err_set(reterr, EINVAL, "invalid path %s", file->path);
    r = file_mkdir_for(path, 0755);
    if (r < 0)
        return err_set(reterr, -r, "cannot make the folder of %s", file->path);
    fd = FAULT_CALL("node.files.open",
                    open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (fd < 0)
        return err_set(reterr, errno, "cannot write %s", file->path);
    while (at < file->data.n) {
        ssize_t n = write(fd, file->data.p + at, file->data.n - at);

        if (n < 0)
            return err_set(reterr, errno, "cannot write %s", file->path);
        at += (size_t)n;
    }
    if (group >= 0 && fchown(fd, 0, (gid_t)group) < 0)
        return err_set(reterr, errno, "cannot give %s to its group", file->path);
    if (fchmod(fd, mode) < 0)
        return err_set(reterr, errno, "cannot set the mode of %s", file->path);
    return 0;
}

static size_t count_files(const char *folder)
{
    DIR *dir = opendir(folder);
    size_t n = 0;

    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        _free_ char *path = mem_printf("%s/%s", folder, entry->d_name);

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        n += entry->d_type == DT_DIR ? count_files(path) : 1;
    }
    if (dir)
        closedir(dir);
    return n;
}

/* The files that are wanted, and no others? */
static bool same_content(const char *path, const PodVolume *volume)
{
    _free_ char *data = mem_printf("%s/..data", path);

    if (count_files(data) != volume->n_files)
        return false;
    for (size_t i = 0; i < volume->n_files; i++) {
        _free_ char *file = mem_printf("%s/..data/%s", path, volume->files[i].path), *text = NULL;
        size_t n;

        if (file_read(file, 64 << 20, &text, &n) < 0)
            return false;
        if (!bytes_equal((Bytes){(uint8_t *)text, n}, volume->files[i].data))
            return false;
    }
    return true;
}

/* The first element of each path is a link to the same in ..data; links to what is gone go. */
static int link_names(const PodVolume *volume, Err *reterr)
{
    DIR *dir = opendir(volume->path);

    for (size_t i = 0; i < volume->n_files; i++) {
        size_t n = strcspn(volume->files[i].path, "/");
        _free_ char *name = mem_strndup(volume->files[i].path, n);
        _free_ char *link_path = mem_printf("%s/%s", volume->path, name),
                    *target = mem_printf("..data/%s", name);

        if (symlink(target, link_path) < 0 && errno != EEXIST) {
            if (dir)
                closedir(dir);
            return err_set(reterr, errno, "cannot link %s", name);
        }
    }
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        _free_ char *path = mem_printf("%s/%s", volume->path, entry->d_name);
        struct stat st;

        if (strncmp(entry->d_name, "..", 2) == 0 || strcmp(entry->d_name, ".") == 0)
            continue;
        if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode) && stat(path, &st) < 0)
            unlink(path);
    }
    if (dir)
        closedir(dir);
    return 0;
}

int volume_write_files(const PodVolume *volume, int64_t group, Err *reterr)
{
    _free_ char *data = mem_printf("%s/..data", volume->path),
                *next = mem_printf("%s/..data_tmp", volume->path);
    _free_ char *folder = mem_printf("%s/..XXXXXX", volume->path);
    char old[64] = "";
    ssize_t n = readlink(data, old, sizeof(old) - 1);
    int r;

    if (n > 0 && same_content(volume->path, volume))
        return link_names(volume, reterr);
    old[MAX_OF(n, 0)] = 0;
    if (FAULT_POINT("node.volume.files") || !mkdtemp(folder))
        return err_set(reterr, errno ? errno : EIO, "cannot make a folder in volume %s",
                       volume->name);
    if (chmod(folder, group >= 0 ? 02755 : 0755) < 0 ||
        (group >= 0 && chown(folder, 0, (gid_t)group) < 0))
        return err_set(reterr, errno, "cannot prepare volume %s", volume->name);
    for (size_t i = 0; i < volume->n_files; i++) {
        r = write_one(folder, &volume->files[i], group, reterr);
        if (r < 0)
            return r;
    }
    unlink(next);
    if (symlink(strrchr(folder, '/') + 1, next) < 0 ||
        FAULT_CALL("node.files.rename", rename(next, data)) < 0)
        return err_set(reterr, errno, "cannot switch the data of volume %s", volume->name);
    r = link_names(volume, reterr);
    if (r < 0)
        return r;
    if (str_starts_with(old, "..") && !strchr(old, '/')) {
        _free_ char *gone = mem_printf("%s/%s", volume->path, old);

        (void)file_remove_tree(gone);
    }
    return 0;
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
    if (str_empty(v->host_type)) { /* no check; a missing one becomes a folder, as everywhere */
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
    int r = file_mkdir_all(path, 0755);

    if (r < 0)
        return err_set(reterr, -r, "cannot make %s", path);
    if (fresh && chmod(path, mode) < 0)
        return err_set(reterr, errno, "cannot set the mode of %s", path);
    return 0;
}

static int setup_memory(const PodVolume *v, Err *reterr)
{
    char options[64] = "mode=1777";
    int r = setup_folder(v->path, 0777, reterr);

    if (r < 0 || is_mounted(v->path))
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

    if (r < 0 || !v->layers.n || is_mounted(v->path))
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
        r = setup_folder(v->path, group >= 0 ? 02755 : 0755, reterr);
        return r < 0 ? r : volume_write_files(v, group, reterr);
    case VOLUME_CLAIM:
        if (v->disk) {
            char *path = NULL;

            r = volume_disk_make(data_dir, v->disk, v->size, &path, reterr);
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

static int open_beneath(int dir, const char *path, int flags)
{
    struct open_how how = {.flags = (uint64_t)flags | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));

    return fd < 0 ? -errno : fd;
}

/* Opens a sub path, making missing folders one by one; each step stays inside the volume. Who may
 * write to the volume may write to them: they have its mode. */
static int open_sub_path(const char *volume_path, const char *sub_path)
{
    _close_fd_ int root = open(volume_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    _strbuf_ StrBuf done = STRBUF_INIT;
    struct stat st;
    int fd;

    if (root < 0 || fstat(root, &st) < 0)
        return -errno;
    if (!path_is_inside(sub_path))
        return -EINVAL;
    fd = open_beneath(root, sub_path, O_PATH);
    if (fd != -ENOENT)
        return fd;
    for (const char *at = sub_path; *at;) {
        size_t n = strcspn(at, "/");
        _free_ char *name = mem_strndup(at, n);
        _close_fd_ int parent =
            done.n ? open_beneath(root, done.p, O_PATH | O_DIRECTORY) : dup(root);

        if (parent < 0)
            return parent;
        if (n && mkdirat(parent, name, 0777) == 0)
            (void)fchmodat(parent, name, st.st_mode & 0777, 0);
        if (n)
            strbuf_printf(&done, "%s%s", done.n ? "/" : "", name);
        at += n + (at[n] == '/');
    }
    return open_beneath(root, sub_path, O_PATH);
}

int volume_sub_path(const char *volume_path, const char *sub_path, const char *pin, Err *reterr)
{
    _close_fd_ int fd = open_sub_path(volume_path, sub_path);
    char source[64];
    struct stat st;
    int r;

    if (fd < 0)
        return err_set(reterr, -fd, "failed to prepare subPath %s", sub_path);
    if (fstat(fd, &st) < 0)
        return err_set(reterr, errno, "failed to prepare subPath %s", sub_path);
    (void)umount2(pin, MNT_DETACH | UMOUNT_NOFOLLOW);
    if (S_ISDIR(st.st_mode)) {
        r = file_mkdir_all(pin, 0755);
    } else {
        _close_fd_ int file = -1;

        r = file_mkdir_for(pin, 0755);
        file = open(pin, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (r >= 0 && file < 0)
            r = -errno;
    }
    if (r < 0)
        return err_set(reterr, -r, "failed to prepare subPath %s", sub_path);
    snprintf(source, sizeof(source), "/proc/self/fd/%d", fd);
    if (FAULT_CALL("node.sub_path.mount", mount(source, pin, NULL, MS_BIND | MS_REC, NULL)) < 0)
        return err_set(reterr, errno, "failed to bind subPath %s", sub_path);
    return 0;
}
