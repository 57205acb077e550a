/* SPDX-License-Identifier: Apache-2.0 */
/* See pack.h. Entries are in the order of their names, so the same folder gives the same bytes. */
#include "image/transfer/pack.h"

#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define FOLDERS_DEEP_MAX 256
#define PIECE (128u << 10)
#define XATTR_MAX (64u << 10)

typedef struct Packer {
    struct archive *tar, *gzip; /* tar -> (gzip ->) file; gzip may be NULL */
    PackedLayer *out;
    Digest tar_digest, blob_digest;
    StrMap links; /* "DEV:INODE" -> the first path of the file */
    char *piece;
    Err *reterr;
} Packer;

static int failed(struct archive *archive, const char *path, Err *reterr)
{
    return err_set(reterr, archive_errno(archive) > 0 ? archive_errno(archive) : 0, "pack %s: %s",
                   path, str_or(archive_error_string(archive), "it is not possible"));
}

/* ---- the way of the bytes ---- */

static la_ssize_t write_file(struct archive *archive, void *data, const void *p, size_t n)
{
    Packer *packer = data;
    const char *at = p;

    for (size_t left = n; left > 0;) {
        ssize_t done = write(packer->out->fd, at, left);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0) {
            archive_set_error(archive, errno, "%s", strerror(errno));
            return -1;
        }
        at += done;
        left -= (size_t)done;
    }
    digest_add(&packer->blob_digest, p, n);
    packer->out->size += (int64_t)n;
    return (la_ssize_t)n;
}

static la_ssize_t write_tar(struct archive *archive, void *data, const void *p, size_t n)
{
    Packer *packer = data;

    digest_add(&packer->tar_digest, p, n);
    if (!packer->gzip)
        return write_file(archive, data, p, n);
    if (archive_write_data(packer->gzip, p, n) < 0) {
        archive_set_error(archive, EIO, "%s",
                          str_or(archive_error_string(packer->gzip), "compress"));
        return -1;
    }
    return (la_ssize_t)n;
}

static int open_gzip(Packer *packer)
{
    struct archive_entry *entry = archive_entry_new();
    int rc;

    packer->gzip = archive_write_new();
    archive_write_set_format_raw(packer->gzip);
    archive_write_add_filter_gzip(packer->gzip);
    archive_write_set_filter_option(packer->gzip, "gzip", "timestamp", NULL); /* same bytes */
    archive_write_set_bytes_per_block(packer->gzip, 0);
    archive_entry_set_filetype(entry, S_IFREG);
    rc = archive_write_open(packer->gzip, packer, NULL, write_file, NULL);
    if (rc >= ARCHIVE_WARN)
        rc = archive_write_header(packer->gzip, entry);
    archive_entry_free(entry);
    return rc < ARCHIVE_WARN ? failed(packer->gzip, "a layer", packer->reterr) : 0;
}

/* ---- entries ---- */

static int add_header(Packer *packer, struct archive_entry *entry, const char *path)
{
    return archive_write_header(packer->tar, entry) < ARCHIVE_WARN
               ? failed(packer->tar, path, packer->reterr)
               : 0;
}

/* Adds a whiteout: an empty file whose name says that another file was deleted or that a folder is
 * opaque. */
static int add_mark(Packer *packer, const char *folder, const char *name)
{
    _free_ char *path = *folder ? mem_printf("%s/%s", folder, name) : mem_strdup(name);
    struct archive_entry *entry = archive_entry_new();
    int r;

    archive_entry_set_pathname(entry, path);
    archive_entry_set_mode(entry, S_IFREG | 0600);
    archive_entry_set_size(entry, 0);
    archive_entry_set_mtime(entry, 0, 0);
    r = add_header(packer, entry, path);
    archive_entry_free(entry);
    return r;
}

static void add_xattrs(struct archive_entry *entry, int fd)
{
    _free_ char *names = mem_new(XATTR_MAX + 1), *value = mem_new(XATTR_MAX);
    ssize_t n = flistxattr(fd, names, XATTR_MAX);

    for (char *at = names; n > 0 && at < names + n; at += strlen(at) + 1) {
        ssize_t size;

        if (!str_equal(at, "security.capability") && !str_starts_with(at, "user."))
            continue;
        size = fgetxattr(fd, at, value, XATTR_MAX);
        if (size >= 0)
            archive_entry_xattr_add_entry(entry, at, value, (size_t)size);
    }
}

static int copy_data(Packer *packer, int fd, int64_t size, const char *path)
{
    while (size > 0) {
        ssize_t n = read(fd, packer->piece, (size_t)MIN_OF(size, (int64_t)PIECE));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_set(packer->reterr, n < 0 ? errno : 0, "read %s", path);
        if (archive_write_data(packer->tar, packer->piece, (size_t)n) < 0)
            return failed(packer->tar, path, packer->reterr);
        size -= n;
    }
    return 0;
}

/* Returns the first path of a file that has several, or NULL if this is the first one. */
static const char *first_path(Packer *packer, const struct stat *st, const char *path)
{
    _free_ char *key = NULL;
    const char *first;

    if (!S_ISREG(st->st_mode) || st->st_nlink < 2)
        return NULL;
    key = mem_printf("%ju:%ju", (uintmax_t)st->st_dev, (uintmax_t)st->st_ino);
    first = strmap_get(&packer->links, key);
    if (!first)
        strmap_put(&packer->links, key, mem_strdup(path));
    return first;
}

static int fill_entry(struct archive_entry *entry, int folder, const char *name, const char *path,
                      const struct stat *st, const char *first, Err *reterr)
{
    char target[PATH_MAX];

    archive_entry_set_pathname(entry, path);
    archive_entry_set_mode(entry, st->st_mode);
    archive_entry_set_uid(entry, st->st_uid);
    archive_entry_set_gid(entry, st->st_gid);
    archive_entry_set_mtime(entry, st->st_mtime, 0);
    if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
        archive_entry_set_rdev(entry, st->st_rdev);
    if (first)
        archive_entry_set_hardlink(entry, first);
    else if (S_ISREG(st->st_mode))
        archive_entry_set_size(entry, st->st_size);
    if (S_ISLNK(st->st_mode)) {
        ssize_t n = readlinkat(folder, name, target, sizeof(target) - 1);

        if (n < 0)
            return err_set(reterr, errno, "read the link %s", path);
        target[n] = 0;
        archive_entry_set_symlink(entry, target);
    }
    return 0;
}

static int add_entry(Packer *packer, int folder, const char *name, const char *path,
                     const struct stat *st)
{
    bool opens = S_ISREG(st->st_mode) || S_ISDIR(st->st_mode);
    _close_fd_ int fd =
        opens ? openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
    const char *first = first_path(packer, st, path);
    struct archive_entry *entry;
    int r;

    if (opens && fd < 0)
        return err_set(packer->reterr, errno, "open %s", path);
    entry = archive_entry_new();
    r = fill_entry(entry, folder, name, path, st, first, packer->reterr);
    if (r >= 0 && fd >= 0)
        add_xattrs(entry, fd);
    if (r >= 0)
        r = add_header(packer, entry, path);
    if (r >= 0 && S_ISREG(st->st_mode) && !first)
        r = copy_data(packer, fd, st->st_size, path);
    archive_entry_free(entry);
    return r;
}

/* ---- folders ---- */

static bool is_opaque(int fd)
{
    char value;

    return fgetxattr(fd, "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int not_dots(const struct dirent *entry)
{
    return !str_equal(entry->d_name, ".") && !str_equal(entry->d_name, "..");
}

static int add_folder(Packer *packer, int fd, const char *path, int depth);

static int add_name(Packer *packer, int folder, const char *in, const char *name, int depth)
{
    _free_ char *path = *in ? mem_printf("%s/%s", in, name) : mem_strdup(name);
    _close_fd_ int fd = -1;
    struct stat st;
    int r;

    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return err_set(packer->reterr, errno, "look at %s", path);
    if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0)) {
        _free_ char *mark = mem_printf(".wh.%s", name);

        return add_mark(packer, in, mark);
    }
    if (S_ISSOCK(st.st_mode))
        return 0;
    r = add_entry(packer, folder, name, path, &st);
    if (r < 0 || !S_ISDIR(st.st_mode))
        return r;
    fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? err_set(packer->reterr, errno, "open %s", path)
                  : add_folder(packer, fd, path, depth + 1);
}

static int add_folder(Packer *packer, int fd, const char *path, int depth)
{
    struct dirent **names;
    int n, r = 0;

    if (depth > FOLDERS_DEEP_MAX)
        return err_set(packer->reterr, 0, "%s: more than %d folders deep", path, FOLDERS_DEEP_MAX);
    n = scandirat(fd, ".", &names, not_dots, by_name);
    if (n < 0)
        return err_set(packer->reterr, errno, "list %s", path);
    if (is_opaque(fd))
        r = add_mark(packer, path, ".wh..wh..opq");
    for (int i = 0; i < n; i++) {
        if (r >= 0)
            r = add_name(packer, fd, path, names[i]->d_name, depth);
        free(names[i]);
    }
    free(names);
    return r;
}

static int pack(Packer *packer, const char *folder)
{
    _close_fd_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r;

    if (fd < 0)
        return err_set(packer->reterr, errno, "open %s", folder);
    archive_write_set_format_pax_restricted(packer->tar);
    archive_write_set_bytes_per_block(packer->tar, 0);
    if (archive_write_open(packer->tar, packer, NULL, write_tar, NULL) < ARCHIVE_WARN)
        return failed(packer->tar, folder, packer->reterr);
    r = add_folder(packer, fd, "", 0);
    if (r >= 0 && archive_write_close(packer->tar) < ARCHIVE_WARN)
        r = failed(packer->tar, folder, packer->reterr);
    if (r >= 0 && packer->gzip && archive_write_close(packer->gzip) < ARCHIVE_WARN)
        r = failed(packer->gzip, folder, packer->reterr);
    return r;
}

int layer_pack(const char *folder, const char *work, bool compress, PackedLayer *ret, Err *reterr)
{
    _free_ char *piece = mem_new(PIECE);
    Packer packer = {.tar = archive_write_new(),
                     .out = ret,
                     .piece = piece,
                     .reterr = reterr,
                     .links = STRMAP_INIT};
    locale_t made, before = image_utf8_begin(&made);
    int r = 0;

    *ret = (PackedLayer){.fd = open(work, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)};
    digest_init(&packer.tar_digest);
    digest_init(&packer.blob_digest);
    if (ret->fd < 0)
        r = err_set(reterr, errno, "make a file in %s", work);
    if (r >= 0 && compress)
        r = open_gzip(&packer);
    if (r >= 0)
        r = pack(&packer, folder);
    archive_write_free(packer.tar);
    archive_write_free(packer.gzip);
    if (r >= 0) {
        digest_finish(&packer.tar_digest, ret->diff_id);
        digest_finish(&packer.blob_digest, ret->blob);
        if (lseek(ret->fd, 0, SEEK_SET) < 0)
            r = err_set(reterr, errno, "read what was packed");
    }
    digest_deinit(&packer.tar_digest);
    digest_deinit(&packer.blob_digest);
    STRMAP_DEINIT_WITH(&packer.links, free);
    image_utf8_end(before, made);
    return r < 0 ? r : 0;
}

void packed_layer_deinit(PackedLayer *layer)
{
    close_fdp(&layer->fd);
}
