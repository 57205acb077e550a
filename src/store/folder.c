/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/files/file.h"
#include "store/folder.h"

/* Once it is given up, a checkpoint has to succeed, for which the database may grow by all that is
 * in the WAL; then the room of the WAL and of deleted objects is used again and again. */
#define RESERVE_BYTES (24u << 20)
/* On small disks at most this part of them. */
#define RESERVE_PART 8
#define ID_MAX 64

/* ---- whose folder it is ---- */

static char *read_id(const char *dir)
{
    _free_ char *path = mem_printf("%s/cluster-id", dir);
    char *text = NULL;

    if (file_read(path, ID_MAX, &text, NULL) < 0)
        return NULL;
    text[strcspn(text, " \r\n")] = 0;
    return text;
}

int folder_check_new(const char *dir, Err *reterr)
{
    _free_ char *id = read_id(dir), *key = mem_printf("%s/pki/ca.key", dir);

    if (!id && !file_exists(key))
        return 0;
    return err_set(reterr, 0,
                   "%s/state.db is missing, but the folder belongs to a cluster (%s%s): put the "
                   "database back, or, to give up all objects of that cluster and begin a new one, "
                   "move %s/cluster-id and %s/pki away",
                   dir, id ? "its id is " : "there are keys in ", id ? id : "pki", dir, dir);
}

int folder_check_id(const char *dir, const char *id, Err *reterr)
{
    _free_ char *path = mem_printf("%s/cluster-id", dir), *text = mem_printf("%s\n", id);
    _free_ char *there = read_id(dir);

    if (there && *there && !str_equal(there, id))
        return err_set(reterr, 0,
                       "%s/state.db is the database of cluster %s, but the folder belongs to "
                       "cluster %s: put the right database back, or, to keep this one, remove %s",
                       dir, id, there, path);
    if (!there || !*there)
        (void)file_write_atomic(path, text, strlen(text), 0600);
    return 0;
}

/* ---- modes ---- */

static void secure_at(int folder, const char *name)
{
    _close_fd_ int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077))
        (void)fchmod(fd, st.st_mode & 0700);
}

static bool is_secret(const char *name)
{
    return str_starts_with(name, "state.db") || str_equal(name, "admin.kubeconfig") ||
           str_equal(name, "cluster-id") || str_equal(name, "lock");
}

static void secure_all(const char *path, bool (*wanted)(const char *name))
{
    DIR *folder = opendir(path);
    struct dirent *entry;

    if (!folder)
        return;
    while ((entry = readdir(folder)))
        if (!wanted || wanted(entry->d_name))
            secure_at(dirfd(folder), entry->d_name);
    closedir(folder);
}

void folder_secure(const char *dir)
{
    _free_ char *pki = mem_printf("%s/pki", dir);

    secure_all(dir, is_secret);
    secure_all(pki, NULL);
}

/* ---- the reserve ---- */

static off_t reserve_size(int fd)
{
    struct statvfs disk;
    uint64_t size = RESERVE_BYTES;

    if (fstatvfs(fd, &disk) == 0)
        size = MIN_OF(size, (uint64_t)disk.f_blocks * disk.f_frsize / RESERVE_PART);
    return (off_t)MAX_OF(size, UINT64_C(4096));
}

bool reserve_take(Reserve *reserve)
{
    _close_fd_ int fd = -1;
    struct stat st;
    off_t size;

    if (reserve->taken)
        return true;
    reserve->size = 0;
    fd = open(reserve->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || fstat(fd, &st) < 0)
        return false;
    size = reserve_size(fd);
    reserve->size = (uint64_t)size;
    /* One that was taken before stays as it is. */
    reserve->taken = st.st_size == size && (uint64_t)st.st_blocks * 512 >= (uint64_t)size;
    if (reserve->taken)
        return true;
    if (ftruncate(fd, 0) == 0 && posix_fallocate(fd, 0, size) == 0)
        reserve->taken = true;
    else if (ftruncate(fd, 0) < 0)
        unlink(reserve->path);
    return reserve->taken;
}

bool reserve_give(Reserve *reserve)
{
    struct stat st;
    bool had = stat(reserve->path, &st) == 0 && st.st_size > 0;

    reserve->taken = false;
    return had && (truncate(reserve->path, 0) == 0 || unlink(reserve->path) == 0);
}
