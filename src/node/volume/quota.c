/* SPDX-License-Identifier: Apache-2.0 */
/* See quota.h. */
#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "base/fault.h"
#include "node/volume/quota.h"

#define EXT4_MAGIC 0xef53
#define XFS_MAGIC 0x58465342
#define PROJECT_BASE 0x40000000u /* above the numbers in /etc/projects and those of kubelet */
#define PROJECT_MASK 0x3fffffffu

static int quota_call(int fd, unsigned command, unsigned id, void *data)
{
    return syscall(SYS_quotactl_fd, fd, QCMD(command, PRJQUOTA), id, data) < 0 ? -errno : 0;
}

static unsigned project_of(int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return 0;
    return PROJECT_BASE | (unsigned)((st.st_ino ^ st.st_ino >> 30) & PROJECT_MASK);
}

/* Enforcement is a mount option; without it, ext4 only counts. XFS does not support Q_GETFMT, so
 * both file systems are asked with XFS's own command. */
static bool is_enforced(int fd)
{
    struct fs_quota_stat state = {.qs_version = FS_QSTAT_VERSION};

    return quota_call(fd, Q_XGETQSTAT, 0, &state) == 0 && (state.qs_flags & FS_QUOTA_PDQ_ENFD);
}

bool volume_quota_available(const char *folder)
{
    _close_fd_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct statfs fs;

    return fd >= 0 && fstatfs(fd, &fs) == 0 &&
           (fs.f_type == EXT4_MAGIC || fs.f_type == XFS_MAGIC) && is_enforced(fd);
}

bool volume_quota_is_set(const char *folder)
{
    _close_fd_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct fsxattr attr;

    return fd >= 0 && ioctl(fd, FS_IOC_FSGETXATTR, &attr) == 0 && attr.fsx_projid == project_of(fd);
}

static int set_limit(int fd, int64_t size)
{
    struct if_dqblk limit = {
        .dqb_valid = QIF_BLIMITS,
        .dqb_bhardlimit = (uint64_t)(size + QIF_DQBLKSIZE - 1) / QIF_DQBLKSIZE,
        .dqb_bsoftlimit = 0,
    };

    return quota_call(fd, Q_SETQUOTA, project_of(fd), &limit);
}

int volume_quota_set(const char *folder, int64_t size, Err *reterr)
{
    _close_fd_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct fsxattr attr;
    struct statfs fs;
    int r;

    if (fd < 0 || fstatfs(fd, &fs) < 0 || ioctl(fd, FS_IOC_FSGETXATTR, &attr) < 0)
        return err_set(reterr, errno, "cannot look at %s", folder);
    attr.fsx_projid = project_of(fd);
    attr.fsx_xflags |= FS_XFLAG_PROJINHERIT;
    r = FAULT_POINT("node.volume.project") ? (errno = EIO, -1)
                                           : ioctl(fd, FS_IOC_FSSETXATTR, &attr);
    if (r < 0)
        return err_set(reterr, errno, "cannot give %s a project", folder);
    /* the folder itself takes one block, and the smallest usable limit is one more */
    size = (size + fs.f_bsize - 1) / fs.f_bsize * fs.f_bsize + fs.f_bsize;
    r = FAULT_POINT("node.volume.limit") ? -EIO : set_limit(fd, size);
    return r < 0 ? err_set(reterr, -r, "cannot limit the size of %s", folder) : 0;
}

void volume_quota_clear(const char *folder)
{
    _close_fd_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0)
        (void)set_limit(fd, 0);
}
