/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpacks one layer, an untrusted tar, into a folder that overlayfs can use as a lower folder.
 *
 * No entry can reach out of the folder: names with ".." are refused, the parent of each entry is
 * opened through base/files/beneath.h, which confines symbolic links, and the last component is
 * never followed. Whiteouts are converted for overlayfs: ".wh.x" becomes the character device 0/0,
 * and ".wh..wh..opq" the xattr trusted.overlay.opaque of its folder. Of the layer's own xattrs
 * only security.capability and user.* are set: with trusted.overlay.* (in a user namespace
 * user.overlay.*) a layer could redirect
 * lookups.
 *
 * The data pass three readers: the caller's (an entry of an archive, or a download), whose digest is
 * that of the blob; the decompression, whose digest is the diff id; and the tar reader. All three
 * are read to the end, so the digests cover all bytes.
 */
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/files/beneath.h"
#include "base/files/user_namespace.h"
#include "image/internal.h"

#define PIECE (64u << 10)

typedef struct Unpacker {
    int root_fd;
    int parent_fd; /* parent folder of the previous entry, which is often that of the next one */
    char *parent;
    StrMap *implied;
    ImageLimits *limits;
    uint64_t left; /* how much of the tar may still be read; skipped data cost time, too */
    int64_t size;
    Err *reterr;

    const LayerReader *from; /* the blob -> inner (decompressed) -> tar */
    struct archive *inner;
    bool ended;     /* `from` has been read to its end */
    Err read_error; /* of `from` */
    Digest blob, tar;
    uint8_t *plain;
} Unpacker;

/* ---- the chain of readers ---- */

static ssize_t read_blob(Unpacker *u, const void **ret, Err *reterr)
{
    ssize_t n = u->ended ? 0 : u->from->read(u->from->data, ret, reterr);

    u->ended = n == 0;
    if (n > 0 && !u->from->checked)
        digest_add(&u->blob, *ret, (size_t)n);
    return n;
}

static la_ssize_t read_outer(struct archive *archive, void *data, const void **ret)
{
    Unpacker *u = data;
    la_ssize_t n = read_blob(u, ret, &u->read_error);

    if (n < 0) {
        archive_set_error(archive, EIO, "%s", u->read_error.message);
        return ARCHIVE_FATAL;
    }
    return n;
}

static la_ssize_t read_inner(struct archive *archive, void *data, const void **ret)
{
    Unpacker *u = data;
    la_ssize_t n = archive_read_data(u->inner, u->plain, PIECE);

    *ret = u->plain;
    if (n < 0) {
        archive_set_error(archive, EIO, "%s", archive_error_string(u->inner));
        return ARCHIVE_FATAL;
    }
    digest_add(&u->tar, u->plain, (size_t)n);
    if ((uint64_t)n > u->left) {
        archive_set_error(archive, EFBIG, "it is larger than allowed");
        return ARCHIVE_FATAL;
    }
    u->left -= (uint64_t)n;
    return n;
}

/* An error of the caller's reader is passed on as it is. */
static int archive_failed(Unpacker *u, struct archive *archive)
{
    const char *why = archive_error_string(archive);

    if (!str_empty(u->read_error.message)) {
        if (u->reterr)
            *u->reterr = u->read_error;
        return u->read_error.code ? -u->read_error.code : -EINVAL;
    }
    return err_set(u->reterr, 0, "read the layer: %s", why ? why : "it is damaged");
}

static int open_inner(Unpacker *u)
{
    struct archive_entry *entry;

    u->inner = archive_read_new();
    archive_read_support_filter_gzip(u->inner);
    archive_read_support_filter_zstd(u->inner);
    archive_read_support_format_raw(u->inner);
    if (archive_read_open(u->inner, u, NULL, read_outer, NULL) < ARCHIVE_WARN ||
        archive_read_next_header(u->inner, &entry) < ARCHIVE_WARN)
        return archive_failed(u, u->inner);
    return 0;
}

/* ---- places ---- */

static int open_in_root(Unpacker *u, const char *path)
{
    return beneath_open(u->root_fd, path, BENEATH_IN_ROOT, O_RDONLY | O_DIRECTORY, 0);
}

/* Makes the missing folders of the path one by one. */
static int make_parents(Unpacker *u, const char *path)
{
    for (const char *end = path + strcspn(path, "/");; end += 1 + strcspn(end + 1, "/")) {
        _free_ char *whole = mem_strndup(path, (size_t)(end - path));
        _close_fd_ int fd = open_in_root(u, whole), made = -1;

        if (fd == -ENOENT) {
            int r = image_limits_entry(u->limits, u->reterr);

            if (r < 0)
                return ERR_TRACE(r);
            made = beneath_make_folders(u->root_fd, whole, BENEATH_IN_ROOT, 0755);
            if (made >= 0)
                strmap_put(u->implied, whole, u);
        }
        if (fd < 0 && made < 0)
            return err_set(u->reterr, fd == -ENOENT ? -made : -fd, "layer folder %s", whole);
        if (!*end)
            return 0;
    }
}

/* Splits the path, and opens its parent folder, making it if needed. *ret_fd remains owned by
 * the unpacker. */
static int open_parent(Unpacker *u, const char *path, int *ret_fd, const char **ret_name)
{
    const char *slash = strrchr(path, '/');
    _free_ char *parent = slash ? mem_strndup(path, (size_t)(slash - path)) : mem_strdup(".");
    int fd, r;

    *ret_name = slash ? slash + 1 : path;
    if (u->parent && strcmp(u->parent, parent) == 0) {
        *ret_fd = u->parent_fd;
        return 0;
    }
    fd = open_in_root(u, parent);
    if (fd == -ENOENT) {
        r = make_parents(u, parent);
        if (r < 0)
            return ERR_TRACE(r);
        fd = open_in_root(u, parent);
    }
    if (fd < 0)
        return err_set(u->reterr, -fd, "layer folder %s", parent);
    close_fdp(&u->parent_fd);
    free(u->parent);
    u->parent_fd = fd;
    u->parent = TAKE_PTR(parent);
    *ret_fd = fd;
    return 0;
}

/* The cached parent folder is invalid once an entry has been removed or a link has been made. */
static void forget_parent(Unpacker *u)
{
    close_fdp(&u->parent_fd);
    free(TAKE_PTR(u->parent));
}

/* ---- whiteouts ---- */

#define WHITEOUT ".wh."

static int mark_opaque(Unpacker *u, int fd)
{
    if (fsetxattr(fd, overlay_opaque_name(), "y", 1, 0) < 0)
        return err_set(u->reterr, errno, "mark a layer folder as opaque");
    return 0;
}

/* Hides a name of the layers below: if this layer has a folder of that name, the folder becomes
 * opaque. */
static int hide_below(Unpacker *u, int parent, const char *name)
{
    _close_fd_ int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    return fd < 0 ? 0 : mark_opaque(u, fd);
}

/* Handles a whiteout entry; false if the entry is not one. *r is the result. */
static bool unpack_whiteout(Unpacker *u, int parent, const char *name, int *r)
{
    *r = 0;
    if (!str_starts_with(name, WHITEOUT))
        return false;
    if (strcmp(name, ".wh..wh..opq") == 0) {
        *r = mark_opaque(u, parent);
        return true;
    }
    name += strlen(WHITEOUT);
    if (str_starts_with(name, WHITEOUT))
        return true; /* metadata of aufs, which is ignored */
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        *r = err_set(u->reterr, 0, "the layer removes a file without a name");
        return true;
    }
    /* A whiteout only concerns the layers below, so entries of this layer stay. */
    if (mknodat(parent, name, S_IFCHR, makedev(0, 0)) < 0)
        *r = errno == EEXIST ? hide_below(u, parent, name)
                             : err_set(u->reterr, errno, "make the whiteout of %s", name);
    return true;
}

/* ---- kinds of entries ---- */

static int copy_data(Unpacker *u, struct archive *tar, int fd)
{
    const void *p;
    int64_t end = 0;
    la_int64_t offset;
    size_t n;
    int rc;

    while ((rc = archive_read_data_block(tar, &p, &n, &offset)) == ARCHIVE_OK ||
           rc == ARCHIVE_WARN) {
        int r = image_limits_bytes(u->limits, n, u->reterr);

        if (r < 0)
            return ERR_TRACE(r);
        u->size += (int64_t)n;
        while (n > 0) {
            ssize_t done = pwrite(fd, p, n, offset);

            if (done < 0)
                return err_set(u->reterr, errno, "write the layer");
            p = (const char *)p + done;
            n -= (size_t)done;
            offset += done;
        }
        end = MAX_OF(end, (int64_t)offset);
    }
    if (rc != ARCHIVE_EOF)
        return archive_failed(u, tar);
    return 0;
}

static int set_owner(Unpacker *u, int parent, const char *name, struct archive_entry *entry)
{
    if (fchownat(parent, name, (uid_t)archive_entry_uid(entry), (gid_t)archive_entry_gid(entry),
                 AT_SYMLINK_NOFOLLOW) < 0 &&
        (errno != EPERM || geteuid() == 0))
        return err_set(u->reterr, errno, "set the owner of %s", name);
    return 0;
}

static void set_times(int parent, const char *name, struct archive_entry *entry)
{
    struct timespec times[2] = {
        {.tv_nsec = UTIME_OMIT},
        {archive_entry_mtime(entry), archive_entry_mtime_nsec(entry)},
    };

    if (archive_entry_mtime_is_set(entry) &&
        utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) < 0) {
        /* A time that the file system cannot represent is no reason to refuse an image. */
    }
}

static int set_xattrs(Unpacker *u, int fd, struct archive_entry *entry)
{
    const char *name;
    const void *value;
    size_t n;
    int r;

    archive_entry_xattr_reset(entry);
    while (archive_entry_xattr_next(entry, &name, &value, &n) == ARCHIVE_OK) {
        if (strcmp(name, "security.capability") != 0 &&
            (!str_starts_with(name, "user.") || str_starts_with(name, "user.overlay.")))
            continue;
        r = image_limits_bytes(u->limits, n, u->reterr);
        if (r < 0)
            return ERR_TRACE(r);
        if (fsetxattr(fd, name, value, n, 0) < 0 && errno != ENOTSUP && errno != EPERM)
            return err_set(u->reterr, errno, "set %s", name);
    }
    return 0;
}

/* The owner comes first, since chown removes setuid bits and capabilities. fd refers to the
 * entry itself. */
static int set_all(Unpacker *u, int parent, const char *name, int fd, struct archive_entry *entry)
{
    int r = set_owner(u, parent, name, entry);

    if (r >= 0 && fchmod(fd, archive_entry_perm(entry)) < 0)
        r = err_set(u->reterr, errno, "set the mode of %s", name);
    if (r >= 0)
        r = set_xattrs(u, fd, entry);
    if (r >= 0)
        set_times(parent, name, entry);
    return ERR_TRACE(r);
}

static int unpack_file(Unpacker *u, struct archive *tar, struct archive_entry *entry, int parent,
                       const char *name)
{
    _close_fd_ int fd =
        openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int64_t size = archive_entry_size(entry);
    int r;

    if (fd < 0)
        return err_set(u->reterr, errno, "make the file %s", name);
    /* A sparse file may be larger than its data, but not larger than what may be written at all. */
    r = size < 0 ? err_set(u->reterr, 0, "the file %s has no size", name)
                 : image_limits_file(u->limits, (uint64_t)size, u->reterr);
    if (r >= 0)
        r = copy_data(u, tar, fd);
    if (r >= 0)
        r = image_limits_rest_of_block(u->limits, (uint64_t)size, u->reterr);
    if (r >= 0 && ftruncate(fd, size) < 0) /* a sparse file may end with a hole */
        r = err_set(u->reterr, errno, "write %s", name);
    if (r >= 0)
        r = set_all(u, parent, name, fd, entry);
    return ERR_TRACE(r);
}

static int unpack_folder(Unpacker *u, struct archive_entry *entry, int parent, const char *name)
{
    _close_fd_ int fd = -1;

    if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
        return err_set(u->reterr, errno, "make the folder %s", name);
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_set(u->reterr, errno, "open the folder %s", name);
    return ERR_TRACE(set_all(u, parent, name, fd, entry));
}

static int unpack_hard_link(Unpacker *u, const char *target, const char *path)
{
    _free_ char *clean = source_clean_path(target), *folder = NULL;
    _close_fd_ int from = -1;
    const char *name, *slash;
    int parent, r;

    if (!clean || !*clean)
        return err_set(u->reterr, 0, "the layer's link %s leads out of it", path);
    slash = strrchr(clean, '/');
    folder = slash ? mem_strndup(clean, (size_t)(slash - clean)) : mem_strdup(".");
    from = open_in_root(u, folder);
    if (from < 0)
        return err_set(u->reterr, -from, "the target %s of the link %s", clean, path);
    r = open_parent(u, path, &parent, &name);
    if (r < 0)
        return ERR_TRACE(r);
    if (linkat(from, slash ? slash + 1 : clean, parent, name, 0) < 0)
        return err_set(u->reterr, errno, "link %s to %s", path, clean);
    return 0;
}

static int unpack_symlink(Unpacker *u, struct archive_entry *entry, int parent, const char *name)
{
    const char *target = archive_entry_symlink(entry);
    int r;

    if (str_empty(target) || symlinkat(target, parent, name) < 0)
        return err_set(u->reterr, target ? errno : 0, "make the link %s", name);
    r = set_owner(u, parent, name, entry);
    if (r >= 0)
        set_times(parent, name, entry);
    return ERR_TRACE(r);
}

static int set_node(Unpacker *u, int parent, const char *name, struct archive_entry *entry)
{
    _close_fd_ int fd = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    int r = fd < 0 ? -errno : set_owner(u, parent, name, entry);

    if (r >= 0)
        r = beneath_chmod(fd, archive_entry_perm(entry));
    return r < 0 ? err_set(u->reterr, -r, "set the mode of %s", name) : 0;
}

static int unpack_node(Unpacker *u, struct archive_entry *entry, int parent, const char *name)
{
    mode_t type = archive_entry_filetype(entry);

    if (type != S_IFCHR && type != S_IFBLK && type != S_IFIFO)
        return 0; /* sockets are useless without their process */
    if (mknodat(parent, name, type | 0600,
                makedev((unsigned)archive_entry_rdevmajor(entry),
                        (unsigned)archive_entry_rdevminor(entry))) < 0)
        return err_set(u->reterr, errno, "make the device %s", name);
    return ERR_TRACE(set_node(u, parent, name, entry));
}

static bool is_whiteout(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

/* An entry replaces an earlier one of the same name, except that a folder is kept if the new
 * entry is a folder, too. A folder that replaces a whiteout is made opaque, so that it still
 * hides the layers below. */
static int make_room(Unpacker *u, int parent, const char *name, bool folder)
{
    struct stat st;

    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : err_set(u->reterr, errno, "look at %s", name);
    if (folder && S_ISDIR(st.st_mode))
        return 0;
    if (unlinkat(parent, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) < 0)
        return err_set(u->reterr, errno, "replace %s", name);
    if (!folder || !is_whiteout(&st))
        return 0;
    if (mkdirat(parent, name, 0700) < 0)
        return err_set(u->reterr, errno, "make the folder %s", name);
    return ERR_TRACE(hide_below(u, parent, name));
}

static int unpack_entry(Unpacker *u, struct archive *tar, struct archive_entry *entry)
{
    const char *given = archive_entry_pathname(entry), *link = archive_entry_hardlink(entry), *name;
    _free_ char *path = given ? source_clean_path(given) : NULL;
    mode_t type = archive_entry_filetype(entry);
    int parent, r;

    if (!path)
        return err_set(u->reterr, 0, "the layer's entry \"%.200s\" leads out of it",
                       given ? given : "(unreadable name)");
    strmap_remove(u->implied, path); /* the layer has an entry for this path */
    if (!*path)                      /* the root folder itself */
        return type == S_IFDIR ? ERR_TRACE(set_all(u, u->root_fd, ".", u->root_fd, entry)) : 0;
    r = open_parent(u, path, &parent, &name);
    if (r < 0)
        return ERR_TRACE(r);
    if (unpack_whiteout(u, parent, name, &r))
        return ERR_TRACE(r);
    r = make_room(u, parent, name, type == S_IFDIR && !link);
    if (r < 0)
        return ERR_TRACE(r);
    if (link)
        r = unpack_hard_link(u, link, path);
    else if (type == S_IFREG)
        r = unpack_file(u, tar, entry, parent, name);
    else if (type == S_IFDIR)
        r = unpack_folder(u, entry, parent, name);
    else if (type == S_IFLNK)
        r = unpack_symlink(u, entry, parent, name);
    else
        r = unpack_node(u, entry, parent, name);
    if (type == S_IFLNK || type == S_IFDIR)
        forget_parent(u);
    if (r < 0)
        return err_wrap(u->reterr, "%s", path);
    return 0;
}

/* ---- the whole ---- */

static int unpack_tar(Unpacker *u, struct archive *tar)
{
    struct archive_entry *entry;
    int rc, r;

    archive_read_support_format_tar(tar);
    archive_read_support_format_empty(tar);
    if (archive_read_open(tar, u, NULL, read_inner, NULL) < ARCHIVE_WARN)
        return archive_failed(u, tar);
    while ((rc = archive_read_next_header(tar, &entry)) == ARCHIVE_OK || rc == ARCHIVE_WARN) {
        r = image_limits_entry(u->limits, u->reterr);
        if (r >= 0)
            r = unpack_entry(u, tar, entry);
        if (r < 0)
            return ERR_TRACE(r);
    }
    return rc == ARCHIVE_EOF ? 0 : archive_failed(u, tar);
}

/* The digests also cover what follows the end of the tar. Such padding counts against the limit. */
static int drain(Unpacker *u)
{
    const void *rest;
    la_ssize_t n;

    while ((n = archive_read_data(u->inner, u->plain, PIECE)) > 0) {
        int r = image_limits_bytes(u->limits, (uint64_t)n, u->reterr);

        if (r < 0)
            return ERR_TRACE(r);
        digest_add(&u->tar, u->plain, (size_t)n);
    }
    if (n < 0)
        return archive_failed(u, u->inner);
    while ((n = read_blob(u, &rest, u->reterr)) > 0)
        continue;
    return n < 0 ? ERR_TRACE((int)n) : 0;
}

int layer_unpack(const LayerReader *from, int root_fd, ImageLimits *limits, UnpackedLayer *ret,
                 Err *reterr)
{
    _free_ uint8_t *plain = mem_resize(NULL, PIECE);
    struct archive *tar = archive_read_new();
    Unpacker u = {
        .root_fd = root_fd,
        .parent_fd = -1,
        .implied = &ret->implied,
        .limits = limits,
        .left = image_limits_read(limits),
        .reterr = reterr,
        .from = from,
        .plain = plain,
    };
    int r;

    strmap_put(u.implied, "", &u);
    digest_init(&u.blob);
    digest_init(&u.tar);
    r = open_inner(&u);
    if (r >= 0)
        r = unpack_tar(&u, tar);
    if (r >= 0)
        r = drain(&u);
    if (r >= 0) {
        ret->size = u.size;
        if (!from->checked)
            digest_finish(&u.blob, ret->blob);
        digest_finish(&u.tar, ret->diff_id);
    }
    forget_parent(&u);
    archive_read_free(tar);
    archive_read_free(u.inner);
    digest_deinit(&u.blob);
    digest_deinit(&u.tar);
    return ERR_TRACE(r);
}
