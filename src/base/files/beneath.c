/* SPDX-License-Identifier: Apache-2.0 */
/* See beneath.h. */
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include "base/files/beneath.h"
#include "base/files/file.h"

#define LINKS_MAX 40     /* as in the kernel */
#define FOLDERS_MAX 2048 /* a longer path has no room in PATH_MAX */
#define TRIES 32         /* openat2 is -EAGAIN where a rename anywhere raced with a ".." */

/* ---- resolution without openat2 ---- */

/* A path being walked: the folders from the root down to where it stands, and what is left of it.
 * ".." pops a folder, so that it never asks the file system where the parent is. */
typedef struct Chase {
    int *folders;
    size_t n;
    char *rest;
    unsigned links_seen;
    BeneathLinks links;
} Chase;

static int chase_top(const Chase *c)
{
    return c->folders[c->n - 1];
}

static int chase_push(Chase *c, int fd)
{
    if (c->n >= FOLDERS_MAX) {
        close(fd);
        return -ENAMETOOLONG;
    }
    c->folders = mem_resize(c->folders, (c->n + 1) * sizeof(*c->folders));
    c->folders[c->n++] = fd;
    return 0;
}

static void chase_pop_to(Chase *c, size_t n)
{
    while (c->n > n)
        close(c->folders[--c->n]);
}

/* Puts the target of a link in front of the rest. An absolute one starts again at the root. */
static int chase_link(Chase *c, int link)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(link, "", target, sizeof(target) - 1);
    char *rest;

    if (n < 0)
        return -errno;
    target[n] = 0;
    if (++c->links_seen > LINKS_MAX)
        return -ELOOP;
    if (*target == '/' && c->links != BENEATH_IN_ROOT)
        return -EXDEV;
    if (*target == '/')
        chase_pop_to(c, 1);
    rest = *c->rest ? mem_printf("%s/%s", target, c->rest) : mem_strdup(target);
    free(c->rest);
    c->rest = rest;
    return strlen(rest) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int chase_up(Chase *c)
{
    if (c->n > 1)
        chase_pop_to(c, c->n - 1);
    else if (c->links != BENEATH_IN_ROOT)
        return -EXDEV;
    return 0;
}

/* Cuts the next component off the rest; false at the end. "." and empty ones are skipped. */
static bool chase_next(Chase *c, char name[static NAME_MAX + 1], bool *ret_last, int *r)
{
    const char *at = c->rest, *after;
    char *rest;
    size_t n;

    *r = 0;
    for (;;) {
        at += strspn(at, "/");
        n = strcspn(at, "/");
        if (n != 1 || *at != '.')
            break;
        at += n;
    }
    if (n == 0)
        return false;
    if (n > NAME_MAX) {
        *r = -ENAMETOOLONG;
        return false;
    }
    memcpy(name, at, n);
    name[n] = 0;
    after = at + n;
    *ret_last = !*after;
    rest = mem_strdup(after);
    free(c->rest);
    c->rest = rest;
    return true;
}

/* The last component was found. The file behind its descriptor is opened, even if the name now
 * leads elsewhere. */
static int chase_finish(int found, const struct stat *st, int flags)
{
    if ((flags & O_DIRECTORY) && !S_ISDIR(st->st_mode))
        return -ENOTDIR;
    if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
        return -EEXIST;
    return beneath_reopen(found, flags & ~(O_CREAT | O_EXCL | O_NOFOLLOW));
}

/* One component. -EINPROGRESS: the path goes on; else the result. */
static int chase_step(Chase *c, const char *name, bool last, int flags, mode_t mode)
{
    _close_fd_ int found = openat(chase_top(c), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    int r;

    if (found < 0 && errno == ENOENT && last && (flags & O_CREAT)) {
        r = openat(chase_top(c), name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
        return r < 0 ? -errno : r;
    }
    if (found < 0 || fstat(found, &st) < 0)
        return -errno;
    if (S_ISLNK(st.st_mode)) {
        if (last && (flags & O_NOFOLLOW))
            return flags & O_PATH ? TAKE_FD(found) : -ELOOP;
        r = c->links == BENEATH_NO_LINKS ? -ELOOP : chase_link(c, found);
        return r < 0 ? r : -EINPROGRESS;
    }
    if (last)
        return chase_finish(found, &st, flags);
    if (!S_ISDIR(st.st_mode))
        return -ENOTDIR;
    r = chase_push(c, TAKE_FD(found));
    return r < 0 ? r : -EINPROGRESS;
}

/* The path ended in a folder that is open already: "." or "a/..". */
static int chase_end(const Chase *c, int flags)
{
    return flags & O_CREAT ? -EISDIR : beneath_reopen(chase_top(c), flags & ~O_NOFOLLOW);
}

static int chase_all(Chase *c, int flags, mode_t mode)
{
    char name[NAME_MAX + 1];
    bool last;
    int r;

    do {
        if (!chase_next(c, name, &last, &r))
            return r < 0 ? r : chase_end(c, flags);
        if (strcmp(name, "..") == 0)
            r = chase_up(c) < 0 ? -EXDEV : -EINPROGRESS;
        else
            r = chase_step(c, name, last, flags, mode);
    } while (r == -EINPROGRESS);
    return r;
}

static int chase(int root, const char *path, BeneathLinks links, int flags, mode_t mode)
{
    Chase c = {.links = links};
    int r = openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (r < 0)
        return -errno;
    if (!*path || (*path == '/' && links != BENEATH_IN_ROOT)) {
        close(r);
        return *path ? -EXDEV : -ENOENT;
    }
    (void)chase_push(&c, r);
    c.rest = mem_strdup(path);
    r = chase_all(&c, flags, mode);
    chase_pop_to(&c, 0);
    free(c.folders);
    free(c.rest);
    return r;
}

/* ---- resolution by the kernel ---- */

static atomic_bool kernel_cannot;

/* -ENOSYS: the kernel or a sandbox does not allow openat2, or it lost a race too often. */
static int ask_kernel(int root, const char *path, BeneathLinks links, int flags, mode_t mode)
{
    static const uint64_t resolve[] = {
        [BENEATH_NO_LINKS] = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
        [BENEATH_INSIDE] = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
        [BENEATH_IN_ROOT] = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC),
        .mode = flags & O_CREAT ? mode : 0,
        .resolve = resolve[links],
    };

    if (atomic_load(&kernel_cannot))
        return -ENOSYS;
    for (int i = 0; i < TRIES; i++) {
        int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));

        if (fd >= 0)
            return fd;
        if (errno == ENOSYS)
            atomic_store(&kernel_cannot, true);
        if (errno == EPERM) /* how some sandboxes say that they do not know the call */
            return -ENOSYS;
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
    }
    return -ENOSYS;
}

/* ---- the interface ---- */

int beneath_root(const char *path)
{
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

int beneath_open(int root, const char *path, BeneathLinks links, int flags, mode_t mode)
{
    int fd = ask_kernel(root, path, links, flags, mode);

    return fd == -ENOSYS ? chase(root, path, links, flags, mode) : fd;
}

/* Makes one folder, whose parent exists. If another process makes it first, that folder is used. */
static int make_folder(int parent, const char *name, mode_t mode)
{
    _close_fd_ int fd = -1;
    bool made = mkdirat(parent, name, 0700) == 0;
    int r;

    if (!made && errno != EEXIST)
        return -errno;
    fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    r = made ? beneath_chmod(fd, mode) : 0; /* whatever the umask */
    return r < 0 ? r : TAKE_FD(fd);
}

/* One prefix of the path at a time, so that links in it are always resolved from the root. */
int beneath_make_folders(int root, const char *path, BeneathLinks links, mode_t mode)
{
    int fd = beneath_open(root, path, links, O_PATH | O_DIRECTORY, 0);
    size_t n = 0;

    if (fd != -ENOENT)
        return fd;
    for (;;) {
        _free_ char *prefix = NULL, *name = NULL;
        _close_fd_ int parent = -1, here = -1;
        size_t start = n + strspn(path + n, "/"), end = start + strcspn(path + start, "/");

        if (end == start)
            return beneath_open(root, path, links, O_PATH | O_DIRECTORY, 0);
        prefix = mem_strndup(path, end);
        name = mem_strndup(path + start, end - start);
        n = end;
        here = beneath_open(root, prefix, links, O_PATH | O_DIRECTORY, 0);
        if (here >= 0)
            continue;
        if (here != -ENOENT)
            return here;
        prefix[start] = 0;
        parent = beneath_open(root, *prefix ? prefix : ".", links, O_PATH | O_DIRECTORY, 0);
        if (parent < 0)
            return parent;
        here = make_folder(parent, name, mode);
        if (here < 0)
            return here;
    }
}

int beneath_read(int root, const char *path, BeneathLinks links, size_t limit, char **ret,
                 size_t *ret_n)
{
    _close_fd_ int found = beneath_open(root, path, links, O_PATH, 0), fd = -1;
    struct stat st;

    if (found < 0)
        return found;
    if (fstat(found, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    fd = beneath_reopen(found, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    return fd < 0 ? fd : file_read_fd(fd, limit, ret, ret_n);
}

BeneathPath beneath_path(int fd)
{
    BeneathPath path;

    snprintf(path.text, sizeof(path.text), "/proc/self/fd/%d", fd);
    return path;
}

int beneath_reopen(int fd, int flags)
{
    BeneathPath path = beneath_path(fd);
    int new = open(path.text, flags | O_CLOEXEC);

    return new < 0 ? -errno : new;
}

/* Through the link in /proc the kernel acts on the very file of the descriptor, even if that is a
 * symbolic link: fchmodat2 alone would do the same but is of Linux 6.6. */
int beneath_chmod(int fd, mode_t mode)
{
    BeneathPath path = beneath_path(fd);

    return chmod(path.text, mode) < 0 ? -errno : 0;
}

int beneath_chown(int fd, uid_t uid, gid_t gid)
{
    return fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0 ? -errno : 0;
}
