/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include "base/error.h"
#include "base/fault.h"
#include "net/netns.h"

#define OWN_NAMESPACE "/proc/thread-self/ns/net"

bool netns_exists(const char *path)
{
    struct statfs fs;

    return statfs(path, &fs) == 0 && fs.f_type == NSFS_MAGIC;
}

static void return_home(int home)
{
    /* A thread of the pool that stayed in a foreign namespace would do its next task there. */
    ASSERT(setns(home, CLONE_NEWNET) == 0);
}

int netns_create(const char *path)
{
    _close_fd_ int home = -1, file = -1;
    int r = 0;

    if (netns_exists(path))
        return 0;
    home = open(OWN_NAMESPACE, O_RDONLY | O_CLOEXEC);
    file = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
    if (home < 0 || file < 0)
        return ERR_ORIGIN(-errno);
    if (FAULT_CALL("netns.create", unshare(CLONE_NEWNET)) < 0)
        return ERR_ORIGIN(-errno);
    if (FAULT_CALL("netns.mount", mount(OWN_NAMESPACE, path, NULL, MS_BIND, NULL)) < 0)
        r = ERR_ORIGIN(-errno);
    return_home(home);
    if (r < 0)
        unlink(path);
    return r;
}

int netns_remove(const char *path)
{
    /* If an earlier process was killed between two steps, two mounts may be stacked here. */
    while (netns_exists(path))
        if (FAULT_CALL("netns.unmount", umount2(path, MNT_DETACH)) < 0)
            return ERR_ORIGIN(-errno);
    return FAULT_CALL("netns.unlink", unlink(path)) < 0 && errno != ENOENT ? ERR_ORIGIN(-errno) : 0;
}

int netns_run(const char *path, int (*f)(void *data), void *data)
{
    _close_fd_ int home = open(OWN_NAMESPACE, O_RDONLY | O_CLOEXEC);
    _close_fd_ int there = open(path, O_RDONLY | O_CLOEXEC);
    int r;

    if (home < 0 || there < 0 || FAULT_CALL("netns.enter", setns(there, CLONE_NEWNET)) < 0)
        return ERR_ORIGIN(-errno);
    r = f(data);
    return_home(home);
    return ERR_TRACE(r);
}
