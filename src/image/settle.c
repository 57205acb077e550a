/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of folders for which a layer has no entry. A tar may contain "var/lib/app/data" but
 * no entry for "var". Other runtimes unpack it on top of the layers below, where "var" exists
 * with an owner and a mode, and keep these. Here each layer is unpacked on its own, and its
 * "var" would hide the one below. So such folders get the owner, mode and time of the folder
 * that an overlay of the layers below would show under the same name. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/files/beneath.h"
#include "base/files/user_namespace.h"
#include "image/internal.h"

static bool is_opaque(int fd)
{
    char value;

    return fgetxattr(fd, overlay_opaque_name(), &value, 1) == 1 && value == 'y';
}

/* LOOK_NONE: no folder is visible at this path, neither from this layer nor from those below. */
typedef enum Look { LOOK_FOUND, LOOK_BELOW, LOOK_NONE } Look;

/* Looks for a folder in one layer. A file, a whiteout or an opaque folder on the path ends the
 * search. */
static Look look_in_layer(int root, const char *path, struct stat *ret)
{
    _close_fd_ int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool opaque = false;

    for (const char *at = path; *at && fd >= 0;) {
        size_t n = strcspn(at, "/");
        _free_ char *name = mem_strndup(at, n);
        int next;

        opaque = opaque || is_opaque(fd);
        next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0)
            return errno == ENOENT && !opaque ? LOOK_BELOW : LOOK_NONE;
        close(fd);
        fd = next;
        at += n + (at[n] == '/');
    }
    return fd >= 0 && fstat(fd, ret) == 0 ? LOOK_FOUND : LOOK_NONE;
}

/* Does the layer itself hide everything below at this path? */
static bool is_cut_off(int root, const char *path)
{
    for (const char *slash = *path ? path : NULL; slash; slash = strchr(slash + 1, '/')) {
        _free_ char *parent = slash > path ? mem_strndup(path, (size_t)(slash - path)) : NULL;
        _close_fd_ int fd =
            beneath_open(root, parent ? parent : ".", BENEATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0);

        if (fd >= 0 && is_opaque(fd))
            return true;
    }
    return false;
}

static bool find_below(const int *below, size_t n, const char *path, struct stat *ret)
{
    Look look = LOOK_BELOW;

    for (size_t i = n; i-- > 0 && look == LOOK_BELOW;)
        look = look_in_layer(below[i], path, ret);
    return look == LOOK_FOUND;
}

static int settle_folder(int root, const char *path, const struct stat *st)
{
    const struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, st->st_mtim};
    _close_fd_ int fd =
        beneath_open(root, *path ? path : ".", BENEATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0);

    if (fd < 0) /* a later entry of the layer has replaced it */
        return 0;
    if (fchown(fd, st->st_uid, st->st_gid) < 0 && (errno != EPERM || geteuid() == 0))
        return -errno;
    if (fchmod(fd, st->st_mode & 07777) < 0)
        return -errno;
    (void)!futimens(fd, times);
    return 0;
}

int layer_settle(int root, const StrMap *implied, const int *below, size_t n, Err *reterr)
{
    STRMAP_EACH(implied, slot) {
        struct stat st;
        int r = 0;

        if (!is_cut_off(root, slot->key) && find_below(below, n, slot->key, &st))
            r = settle_folder(root, slot->key, &st);
        if (r < 0)
            return err_set(reterr, -r, "set the owner and mode of %s", slot->key);
    }
    return 0;
}
