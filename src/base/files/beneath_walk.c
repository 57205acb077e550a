/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk of beneath.h. A pod decides how deep its folders are nested, so neither the stack nor the
 * number of descriptors may depend on that: the walk is a loop over a stack of its own, and only
 * the deepest folders on it are open. When the walk comes back to one that is not, it is opened
 * again as ".." of its child, compared with what it was, and read on from where it was left.
 */
#include <dirent.h>
#include <fcntl.h>

#include "base/files/beneath.h"
#include "base/vec.h"

#define OPEN_MAX_FOLDERS 32

typedef struct Level {
    DIR *dir;      /* NULL: not open at the moment */
    long position; /* where to read on */
    uint64_t ino;
    uint32_t major, minor;
} Level;

typedef struct Walk {
    BeneathVisit visit;
    void *data;
    VEC(Level) levels;
} Walk;

static int look_at(int fd, struct statx *st)
{
    return statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, st) < 0 ? -errno : 0;
}

static bool is_same(const Level *level, const struct statx *st)
{
    return level->ino == st->stx_ino && level->major == st->stx_dev_major &&
           level->minor == st->stx_dev_minor;
}

/* Closes the shallowest folder that is open once there are too many. */
static void limit_open(Walk *w)
{
    size_t n = w->levels.n;

    if (n > OPEN_MAX_FOLDERS) {
        Level *level = &w->levels.v[n - 1 - OPEN_MAX_FOLDERS];

        if (level->dir)
            closedir(level->dir);
        level->dir = NULL;
    }
}

/* Goes down into the folder. */
static int enter(Walk *w, int fd, const struct statx *st)
{
    int readable = beneath_reopen(fd, O_RDONLY | O_DIRECTORY);
    Level level = {.ino = st->stx_ino, .major = st->stx_dev_major, .minor = st->stx_dev_minor};

    if (readable < 0)
        return readable;
    level.dir = fdopendir(readable);
    if (!level.dir) {
        int r = -errno;

        close(readable);
        return r;
    }
    VEC_PUSH(&w->levels, level);
    limit_open(w);
    return 0;
}

/* Returns to the parent of a folder that has been read to its end. */
static int leave(Walk *w)
{
    DIR *done = w->levels.v[--w->levels.n].dir;
    Level *up = w->levels.n ? &w->levels.v[w->levels.n - 1] : NULL;
    struct statx st;
    int fd = -1, r = 0;

    if (up && !up->dir) {
        fd = openat(dirfd(done), "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        r = fd < 0 ? -errno : look_at(fd, &st);
        if (r >= 0 && !is_same(up, &st))
            r = -EAGAIN;
        up->dir = r >= 0 ? fdopendir(fd) : NULL;
        if (up->dir)
            seekdir(up->dir, up->position);
        else if (r >= 0)
            r = -errno;
        if (!up->dir && fd >= 0)
            close(fd);
    }
    closedir(done);
    return r;
}

static int visit_entry(Walk *w, int folder, const char *name)
{
    _close_fd_ int fd = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct statx st;
    int r;

    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    r = look_at(fd, &st);
    if (r < 0 || (st.stx_attributes & STATX_ATTR_MOUNT_ROOT))
        return r;
    r = w->visit(w->data, fd, &st);
    return r >= 0 && S_ISDIR(st.stx_mode) ? enter(w, fd, &st) : r;
}

static int walk_on(Walk *w)
{
    Level *level = &w->levels.v[w->levels.n - 1];
    struct dirent *entry;

    errno = 0;
    entry = readdir(level->dir);
    if (!entry)
        return errno ? -errno : leave(w);
    level->position = telldir(level->dir);
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
        return 0;
    return visit_entry(w, dirfd(level->dir), entry->d_name);
}

int beneath_walk(int root, BeneathVisit visit, void *data)
{
    Walk w = {.visit = visit, .data = data};
    struct statx st;
    int r = look_at(root, &st);

    if (r >= 0)
        r = visit(data, root, &st);
    if (r >= 0 && S_ISDIR(st.stx_mode))
        r = enter(&w, root, &st);
    while (r >= 0 && w.levels.n)
        r = walk_on(&w);
    for (size_t i = 0; i < w.levels.n; i++)
        if (w.levels.v[i].dir)
            closedir(w.levels.v[i].dir);
    VEC_DEINIT(&w.levels);
    return r < 0 ? r : 0;
}
