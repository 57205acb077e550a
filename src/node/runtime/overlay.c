/* SPDX-License-Identifier: Apache-2.0 */
/* See overlay.h. */
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "base/base.h"
#include "base/strbuf.h"
#include "base/files/user_namespace.h"
#include "node/runtime/overlay.h"

#define MOUNT_OPTIONS_MAX 4000 /* one page, minus what the kernel adds */

/* Many layers do not fit into the options of mount(2), so each is passed by a call of
 * fsconfig(2) (Linux 6.5 and newer). */
static int mount_one_by_one(const StringArray *layers, const char *upper, const char *work,
                            const char *target)
{
    _close_fd_ int fs = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
    _close_fd_ int mount_fd = -1;

    if (fs < 0)
        return -errno;
    for (size_t i = layers->n; i-- > 0;)
        if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "lowerdir+", layers->v[i], 0) < 0)
            return -errno;
    if (upper && (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "upperdir", upper, 0) < 0 ||
                  syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "workdir", work, 0) < 0))
        return -errno;
    if (in_user_namespace() &&
        syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, "userxattr", NULL, 0) < 0)
        return -errno;
    if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return -errno;
    mount_fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, upper ? 0 : MOUNT_ATTR_RDONLY);
    if (mount_fd < 0 ||
        syscall(SYS_move_mount, mount_fd, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return -errno;
    return 0;
}

/* overlayfs refuses a single layer without an upper folder, so that one is bind-mounted
 * read-only. */
static int bind_read_only(const char *source, const char *target)
{
    if (mount(source, target, NULL, MS_BIND, NULL) < 0)
        return -errno;
    if (mount(NULL, target, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
        return -errno;
    return 0;
}

int overlay_mount(const StringArray *layers, const char *upper, const char *work,
                  const char *target)
{
    _strbuf_ StrBuf options = STRBUF_INIT;

    if (!upper && layers->n == 1)
        return bind_read_only(layers->v[0], target);
    strbuf_add_string(&options, "lowerdir=");
    for (size_t i = layers->n; i-- > 0;)
        strbuf_printf(&options, "%s%s", layers->v[i], i ? ":" : "");
    if (upper)
        strbuf_printf(&options, ",upperdir=%s,workdir=%s", upper, work);
    if (in_user_namespace())
        strbuf_add_string(&options, ",userxattr");
    if (options.n > MOUNT_OPTIONS_MAX)
        return mount_one_by_one(layers, upper, work, target);
    return mount("overlay", target, "overlay", upper ? 0 : MS_RDONLY, options.p) < 0 ? -errno : 0;
}
