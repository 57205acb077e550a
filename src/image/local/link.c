/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder of hard links to the files of a layer in another store. Folders are made anew, with the
 * owner, mode, times and attributes of the original; everything else (files, symbolic links,
 * whiteouts) becomes another name of the same inode.
 *
 * Of the attributes of overlayfs, only "opaque" has a meaning outside of the mount that it was written by. A layer that a mount has
 * written to with redirected folders, or with files that have only metadata, cannot be used on its own and is refused.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "image/local/internal.h"

#define FOLDERS_DEEP_MAX 256
#define XATTRS_MAX (64u << 10)

static int not_usable(const char *name, Err *reterr)
{
    return err_set(reterr, ENOTSUP,
                   "%s refers to another layer in a way that only its own mount knows", name);
}

static int copy_xattr(int from, int to, const char *name, Err *reterr)
{
    _free_ char *value = NULL;
    ssize_t n;

    if (str_equal(name, "trusted.overlay.redirect"))
        return not_usable("a folder", reterr);
    if (str_starts_with(name, "trusted.overlay.") && !str_equal(name, "trusted.overlay.opaque"))
        return 0;
    n = fgetxattr(from, name, NULL, 0);
    if (n < 0 || n > (ssize_t)XATTRS_MAX)
        return 0;
    value = mem_new((size_t)n + 1);
    n = fgetxattr(from, name, value, (size_t)n);
    if (n >= 0 && fsetxattr(to, name, value, (size_t)n, 0) < 0 && errno != ENOTSUP)
        return err_set(reterr, errno, "set %s", name);
    return 0;
}

static int copy_xattrs(int from, int to, Err *reterr)
{
    _free_ char *names = NULL;
    ssize_t n = flistxattr(from, NULL, 0);
    int r = 0;

    if (n <= 0 || n > (ssize_t)XATTRS_MAX)
        return 0;
    names = mem_new((size_t)n + 1);
    n = flistxattr(from, names, (size_t)n);
    for (char *at = names; r >= 0 && at < names + n; at += strlen(at) + 1)
        r = copy_xattr(from, to, at, reterr);
    return r;
}

/* The times are set last, when the folder is complete. */
static int copy_attributes(int from, int to, Err *reterr)
{
    struct timespec times[2];
    struct stat st;
    int r;

    if (fstat(from, &st) < 0 ||
        (fchown(to, st.st_uid, st.st_gid) < 0 && (errno != EPERM || geteuid() == 0)) ||
        fchmod(to, st.st_mode & 07777) < 0)
        return err_set(reterr, errno, "set the owner and mode of a folder");
    r = copy_xattrs(from, to, reterr);
    times[0] = st.st_atim;
    times[1] = st.st_mtim;
    if (r >= 0 && futimens(to, times) < 0)
        r = err_set(reterr, errno, "set the time of a folder");
    return r;
}

/* A file that has a size and no blocks may have only metadata. */
static bool is_metadata_only(int folder, const char *name, const struct stat *st)
{
    _close_fd_ int fd = -1;

    if (!S_ISREG(st->st_mode) || st->st_size == 0 || st->st_blocks > 0)
        return false;
    fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 && fgetxattr(fd, "trusted.overlay.metacopy", NULL, 0) >= 0;
}

static int link_folder(int from, int to, int depth, int64_t *size, Err *reterr);

static int link_subfolder(int from, int to, const char *name, int depth, int64_t *size, Err *reterr)
{
    _close_fd_ int below = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
                   made = -1;

    if (below < 0)
        return err_set(reterr, errno, "open the folder %s", name);
    if (depth >= FOLDERS_DEEP_MAX)
        return err_set(reterr, 0, "%s is more than %d folders deep", name, FOLDERS_DEEP_MAX);
    if (mkdirat(to, name, 0700) < 0)
        return err_set(reterr, errno, "make the folder %s", name);
    made = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (made < 0)
        return err_set(reterr, errno, "open the folder %s", name);
    return link_folder(below, made, depth + 1, size, reterr);
}

static int link_name(int from, int to, const char *name, int depth, int64_t *size, Err *reterr)
{
    struct stat st;

    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return err_set(reterr, errno, "look at %s", name);
    if (S_ISDIR(st.st_mode))
        return link_subfolder(from, to, name, depth, size, reterr);
    if (S_ISSOCK(st.st_mode))
        return 0;
    if (is_metadata_only(from, name, &st))
        return not_usable(name, reterr);
    if (linkat(from, name, to, name, 0) < 0)
        return err_set(reterr, errno, "link %s", name);
    *size += S_ISREG(st.st_mode) ? (int64_t)st.st_size : 0;
    return 0;
}

static int link_folder(int from, int to, int depth, int64_t *size, Err *reterr)
{
    int copy = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *entry;

    if (!dir) {
        r = err_set(reterr, errno, "read a folder");
        close_fdp(&copy);
        return r;
    }
    while (r >= 0 && (entry = readdir(dir)))
        if (!str_equal(entry->d_name, ".") && !str_equal(entry->d_name, ".."))
            r = link_name(from, to, entry->d_name, depth, size, reterr);
    closedir(dir);
    return r < 0 ? r : copy_attributes(from, to, reterr);
}

int local_link_tree(const char *from, const char *to, int64_t *ret_size, Err *reterr)
{
    _close_fd_ int source = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC), made = -1;

    *ret_size = 0;
    if (source < 0)
        return err_set(reterr, errno, "open %s", from);
    if (mkdir(to, 0700) < 0)
        return err_set(reterr, errno, "make %s", to);
    made = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (made < 0)
        return err_set(reterr, errno, "open %s", to);
    return link_folder(source, made, 0, ret_size, reterr);
}
