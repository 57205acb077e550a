/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/files/file.h"

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

int file_read_fd(int fd, size_t limit, char **ret, size_t *ret_n)
{
    _free_ char *text = NULL;
    size_t n = 0, cap = 0;

    for (;;) {
        ssize_t got;

        if (n + 1 >= cap) {
            cap = cap ? cap * 2 : 4096;
            text = mem_resize(text, cap);
        }
        got = read(fd, text + n, cap - n - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ERR_ORIGIN(-errno);
        if (got == 0)
            break;
        n += (size_t)got;
        if (n > limit)
            return ERR_ORIGIN(-EFBIG);
    }
    text[n] = 0;
    *ret = TAKE_PTR(text);
    if (ret_n)
        *ret_n = n;
    return 0;
}

int file_read(const char *path, size_t limit, char **ret, size_t *ret_n)
{
    _close_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);

    return fd < 0 ? ERR_ORIGIN(-errno) : ERR_TRACE(file_read_fd(fd, limit, ret, ret_n));
}

int file_write_fd(int fd, const void *bytes, size_t n)
{
    const char *p = bytes;

    while (n) {
        ssize_t put = write(fd, p, n);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return ERR_ORIGIN(-errno);
        p += put;
        n -= (size_t)put;
    }
    return 0;
}

static int sync_folder_of(const char *path)
{
    _free_ char *folder = mem_strdup(path);
    char *slash = strrchr(folder, '/');
    _close_fd_ int fd = -1;

    if (slash)
        slash[slash == folder ? 1 : 0] = 0;
    fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return ERR_ORIGIN(-errno);
    return 0;
}

static int sync_file(int fd)
{
    if (FAULT_POINT("file.sync"))
        return ERR_ORIGIN(-EIO);
    return fsync(fd) < 0 ? ERR_ORIGIN(-errno) : 0;
}

static int put_in_place(const char *aside, const char *path)
{
    if (FAULT_POINT("file.rename"))
        return ERR_ORIGIN(-EIO);
    return rename(aside, path) < 0 ? ERR_ORIGIN(-errno) : 0;
}

static int write_aside(const char *path, const void *p, size_t n, mode_t mode, bool durable)
{
    _free_ char *aside = mem_printf("%s.tmp-XXXXXX", path);
    _close_fd_ int fd = mkostemp(aside, O_CLOEXEC);
    int r;

    if (fd < 0)
        return ERR_ORIGIN(-errno);
    r = fchmod(fd, mode) < 0 ? ERR_ORIGIN(-errno) : file_write_fd(fd, p, n);
    if (r == 0 && FAULT_POINT("file.write"))
        r = ERR_ORIGIN(-EIO);
    if (r == 0 && durable)
        r = sync_file(fd);
    if (r == 0)
        r = put_in_place(aside, path);
    if (r < 0) {
        unlink(aside);
        return ERR_TRACE(r);
    }
    return durable ? ERR_TRACE(sync_folder_of(path)) : 0;
}

int file_write_atomic(const char *path, const void *p, size_t n, mode_t mode)
{
    return write_aside(path, p, n, mode, true);
}

int file_write_changed(const char *path, const void *p, size_t n, mode_t mode)
{
    _free_ char *there = NULL;
    struct stat st;
    size_t there_n;

    if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 07777) == mode &&
        (size_t)st.st_size == n && file_read(path, n, &there, &there_n) == 0 && there_n == n &&
        memcmp(there, p, n) == 0)
        return 0;
    return file_write_atomic(path, p, n, mode);
}

int file_replace(const char *path, const void *p, size_t n, mode_t mode)
{
    return write_aside(path, p, n, mode, false);
}

/* Opens each regular file of the folder and passes it to `each`. */
static int each_file(DIR *folder, int (*each)(int fd))
{
    int r = 0;

    rewinddir(folder);
    for (struct dirent *entry; r == 0 && (entry = readdir(folder));) {
        _close_fd_ int fd = -1;

        if (entry->d_type == DT_DIR)
            continue;
        fd = openat(dirfd(folder), entry->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        r = fd < 0 ? ERR_ORIGIN(-errno) : each(fd);
    }
    return r;
}

static int begin_sync(int fd)
{
    /* This only starts all writes before the first wait; sync_file reports failures. */
    (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    return 0;
}

int file_sync_folder(const char *path)
{
    DIR *folder = opendir(path);
    int r;

    if (!folder)
        return ERR_ORIGIN(-errno);
    r = each_file(folder, begin_sync);
    if (r == 0)
        r = each_file(folder, sync_file);
    if (r == 0)
        r = sync_file(dirfd(folder));
    closedir(folder);
    return ERR_TRACE(r);
}

int file_rename(const char *from, const char *to)
{
    int r = put_in_place(from, to);

    return r < 0 ? ERR_TRACE(r) : ERR_TRACE(sync_folder_of(to));
}

static int mkdir_parents(const char *path, mode_t mode)
{
    _free_ char *part = mem_strdup(path);

    for (char *at = part + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = 0;
        if (mkdir(part, mode) < 0 && errno != EEXIST)
            return ERR_ORIGIN(-errno);
        *at = '/';
    }
    return 0;
}

int file_mkdir_all(const char *path, mode_t mode)
{
    struct stat st;
    int r;

    if (str_empty(path))
        return ERR_ORIGIN(-ENOENT);
    if (FAULT_POINT("file.mkdir"))
        return ERR_ORIGIN(-EIO);
    r = mkdir(path, mode);
    if (r < 0 && errno == ENOENT) { /* usually the parents exist, so they are not tried first */
        r = mkdir_parents(path, mode);
        if (r < 0)
            return ERR_TRACE(r);
        r = mkdir(path, mode);
    }
    if (r < 0 && errno != EEXIST)
        return ERR_ORIGIN(-errno);
    if (stat(path, &st) < 0)
        return ERR_ORIGIN(-errno);
    return S_ISDIR(st.st_mode) ? 0 : ERR_ORIGIN(-ENOTDIR);
}

int file_mkdir_for(const char *path, mode_t mode)
{
    _free_ char *folder = mem_strdup(path);
    char *slash = strrchr(folder, '/');

    if (!slash || slash == folder)
        return 0;
    *slash = 0;
    return ERR_TRACE(file_mkdir_all(folder, mode));
}

/* Deeper folders are moved up to the top before they are emptied, so that neither descriptors nor
 * the stack are exhausted, however deeply folders are nested. */
#define REMOVE_DEPTH 64

typedef struct Removal {
    int top;        /* the folder that is being removed */
    unsigned moved; /* to the top, to be emptied in another round */
} Removal;

static int remove_at(Removal *removal, int parent, const char *name, int depth);

static int move_up(Removal *removal, int parent, const char *name)
{
    char aside[32];

    do
        snprintf(aside, sizeof(aside), ".removed-%u", removal->moved++);
    while (renameat2(parent, name, removal->top, aside, RENAME_NOREPLACE) < 0 && errno == EEXIST);
    return faccessat(removal->top, aside, F_OK, AT_SYMLINK_NOFOLLOW) < 0 ? ERR_ORIGIN(-errno) : 0;
}

/* Takes fd. */
static int empty_folder(Removal *removal, int fd, int depth)
{
    DIR *folder = fdopendir(fd);
    int r = 0;

    if (!folder) {
        r = ERR_ORIGIN(-errno);
        close(fd);
        return r;
    }
    for (struct dirent *entry; r == 0 && (entry = readdir(folder));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            r = remove_at(removal, dirfd(folder), entry->d_name, depth + 1);
    closedir(folder);
    return r;
}

/* Finds out whether the name is a folder. Returns -ENOENT if there is nothing of this name, and
 * refuses a mount point. */
static int look_at(int parent, const char *name, bool *ret_folder)
{
    struct statx st;

    if (statx(parent, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &st) < 0)
        return -errno;
    /* Comparing devices is not enough: a bind mount has the device of its surroundings. */
    if (st.stx_attributes & STATX_ATTR_MOUNT_ROOT)
        return ERR_ORIGIN(-EXDEV);
    *ret_folder = S_ISDIR(st.stx_mode);
    return 0;
}

/* The opened file is checked again, since the name may have become a mount point after look_at. */
static int open_folder(int parent, const char *name)
{
    _close_fd_ int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct statx st;

    if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &st) < 0)
        return ERR_ORIGIN(-errno);
    if (st.stx_attributes & STATX_ATTR_MOUNT_ROOT)
        return ERR_ORIGIN(-EXDEV);
    return TAKE_FD(fd);
}

static int unlink_at(int parent, const char *name, bool folder)
{
    int r = unlinkat(parent, name, folder ? AT_REMOVEDIR : 0);

    return r < 0 && errno != ENOENT ? ERR_ORIGIN(-errno) : 0;
}

static int remove_at(Removal *removal, int parent, const char *name, int depth)
{
    bool folder;
    int r = look_at(parent, name, &folder);

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (folder && depth > REMOVE_DEPTH)
        return move_up(removal, parent, name);
    if (folder) {
        int fd = open_folder(parent, name);

        r = fd < 0 ? fd : empty_folder(removal, fd, depth);
        if (r < 0)
            return r;
    }
    return unlink_at(parent, name, folder);
}

int file_remove_tree(const char *path)
{
    Removal removal = {.top = -1};
    _close_fd_ int top = -1;
    bool folder;
    unsigned moved = 0;
    int r = FAULT_POINT("file.remove") ? -EIO : look_at(AT_FDCWD, path, &folder);

    if (r < 0)
        return r == -ENOENT ? 0 : ERR_TRACE(r);
    if (folder) {
        removal.top = top = open_folder(AT_FDCWD, path);
        if (top < 0)
            return ERR_TRACE(top);
    }
    for (bool again = folder; again; again = removal.moved != moved) {
        int fd = open_folder(top, ".");

        moved = removal.moved;
        r = fd < 0 ? fd : empty_folder(&removal, fd, 0);
        if (r < 0)
            return ERR_TRACE(r);
    }
    return ERR_TRACE(unlink_at(AT_FDCWD, path, folder));
}

void file_each_entry(const char *path, void (*each)(const char *path))
{
    DIR *dir = opendir(path);

    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        _free_ char *full = NULL;

        if (entry->d_name[0] == '.')
            continue;
        full = mem_printf("%s/%s", path, entry->d_name);
        each(full);
    }
    if (dir)
        closedir(dir);
}
