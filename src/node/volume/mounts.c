/* SPDX-License-Identifier: Apache-2.0 */
/* See mounts.h. */
#include <fcntl.h>
#include <sys/mount.h>

#include "base/fault.h"
#include "base/files/beneath.h"
#include "base/vec.h"
#include "node/volume/mounts.h"

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

/* Collects the mount points at or below the folder, in the order of mounting. */
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

/* Unmounts through a descriptor of the parent folder, so that no component can be a link. A
 * descriptor of the mount itself would keep it busy. */
static int unmount_one(const char *folder, const char *mount, int flags)
{
    const char *rest = mount + strlen(folder), *slash = strrchr(rest, '/');
    _free_ char *name = NULL, *path = NULL;
    _close_fd_ int root = -1, parent = -1;

    if (!*rest)
        return umount2(mount, UMOUNT_NOFOLLOW | flags) < 0 ? -errno : 0;
    root = beneath_root(folder);
    if (root < 0)
        return root;
    name = slash > rest ? mem_strndup(rest + 1, (size_t)(slash - rest) - 1) : mem_strdup(".");
    parent = beneath_open(root, name, BENEATH_NO_LINKS, O_PATH | O_DIRECTORY, 0);
    if (parent < 0)
        return parent;
    path = mem_printf("%s%s", beneath_path(parent).text, slash);
    return umount2(path, UMOUNT_NOFOLLOW | flags) < 0 ? -errno : 0;
}

static int unmount(const char *folder, const char *mount)
{
    int r = FAULT_POINT("node.unmount") ? -EIO : unmount_one(folder, mount, 0);

    if (r == 0 || r == -EINVAL || r == -ENOENT)
        return 0;
    return FAULT_POINT("node.unmount.detach") ? -EIO : unmount_one(folder, mount, MNT_DETACH);
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
        int one = unmount(real, v[n]);

        if (one < 0)
            r = err_set(reterr, -one, "cannot unmount %s", v[n]);
        free(v[n]);
    }
    free(v);
    return r;
}

bool mounts_has(const char *path)
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
