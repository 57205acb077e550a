/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/file.h"

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

int file_read(const char *path, size_t limit, char **ret, size_t *ret_n)
{
    _close_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    _free_ char *text = NULL;
    size_t n = 0, cap = 0;

    if (fd < 0)
        return ERR_ORIGIN(-errno);
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

static int write_all(int fd, const char *p, size_t n)
{
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

static int write_aside(const char *path, const void *p, size_t n, mode_t mode, bool durable)
{
    _free_ char *aside = mem_printf("%s.tmp-XXXXXX", path);
    _close_fd_ int fd = mkostemp(aside, O_CLOEXEC);
    int r;

    if (fd < 0)
        return ERR_ORIGIN(-errno);
    r = fchmod(fd, mode) < 0 ? ERR_ORIGIN(-errno) : write_all(fd, p, n);
    if (r == 0 && FAULT_POINT("file.write"))
        r = ERR_ORIGIN(-EIO);
    if (r == 0 && durable && fsync(fd) < 0)
        r = ERR_ORIGIN(-errno);
    if (r == 0 && rename(aside, path) < 0)
        r = ERR_ORIGIN(-errno);
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

int file_replace(const char *path, const void *p, size_t n, mode_t mode)
{
    return write_aside(path, p, n, mode, false);
}

int file_mkdir_all(const char *path, mode_t mode)
{
    _free_ char *part = mem_strdup(path);

    for (char *at = part + 1;; at++) {
        bool last = !*at;

        if (*at != '/' && !last)
            continue;
        *at = 0;
        if (mkdir(part, mode) < 0 && errno != EEXIST)
            return ERR_ORIGIN(-errno);
        if (last)
            return 0;
        *at = '/';
    }
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

static int remove_at(int parent, const char *name, dev_t device)
{
    _close_fd_ int fd = -1;
    struct stat st;
    DIR *folder;
    int r = 0;

    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : ERR_ORIGIN(-errno);
    if (!S_ISDIR(st.st_mode))
        return unlinkat(parent, name, 0) < 0 && errno != ENOENT ? ERR_ORIGIN(-errno) : 0;
    if (st.st_dev != device)
        return ERR_ORIGIN(-EXDEV);
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : ERR_ORIGIN(-errno);
    folder = fdopendir(fd);
    if (!folder)
        return ERR_ORIGIN(-errno);
    fd = -1; /* the DIR owns it now */
    for (struct dirent *entry; r == 0 && (entry = readdir(folder));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            r = remove_at(dirfd(folder), entry->d_name, device);
    closedir(folder);
    if (r == 0 && unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        r = ERR_ORIGIN(-errno);
    return r;
}

int file_remove_tree(const char *path)
{
    _free_ char *above = mem_printf("%s/..", path);
    struct stat st, up;

    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : ERR_ORIGIN(-errno);
    /* A mount point itself is refused too: its parent lies on another device. */
    if (S_ISDIR(st.st_mode) && stat(above, &up) == 0 && up.st_dev != st.st_dev)
        return ERR_ORIGIN(-EXDEV);
    return ERR_TRACE(remove_at(AT_FDCWD, path, st.st_dev));
}
