/* SPDX-License-Identifier: Apache-2.0 */
/* Makes image archives, good and bad ones, with libarchive. */
#ifndef IMAGE_ARCHIVE_H
#define IMAGE_ARCHIVE_H

#include "testing.h"

// clang-format off
// clang-format on
#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include "base/files/file.h"
#include "base/strbuf.h"
#include "registry/digest.h"
#include "image/image.h"

typedef struct TarEntry {
    const char *path;
    mode_t mode;      /* with its type; 0: a regular file of mode 0644 */
    const char *data; /* of a file */
    size_t n;         /* 0: strlen(data) */
    const char *symlink, *hardlink;
    uid_t uid, gid;
    dev_t dev;
    const char *xattr, *xattr_value;
} TarEntry;

enum { TAR_PLAIN, TAR_GZIP, TAR_ZSTD };

static inline la_ssize_t tar_write(struct archive *archive _unused_, void *data, const void *p,
                                   size_t n)
{
    strbuf_add(data, p, n);
    return (la_ssize_t)n;
}

static inline void tar_add(struct archive *tar, const TarEntry *from)
{
    struct archive_entry *entry = archive_entry_new();
    mode_t mode = from->mode ? from->mode : S_IFREG | 0644;
    size_t n = from->n ? from->n : from->data ? strlen(from->data) : 0;

    archive_entry_set_pathname(entry, from->path);
    archive_entry_set_mode(entry, mode);
    archive_entry_set_uid(entry, from->uid);
    archive_entry_set_gid(entry, from->gid);
    archive_entry_set_mtime(entry, 1000000000, 0);
    if (from->symlink)
        archive_entry_set_symlink(entry, from->symlink);
    if (from->hardlink)
        archive_entry_set_hardlink(entry, from->hardlink);
    else if (S_ISREG(mode))
        archive_entry_set_size(entry, (int64_t)n);
    if (S_ISCHR(mode) || S_ISBLK(mode))
        archive_entry_set_rdev(entry, from->dev);
    if (from->xattr)
        archive_entry_xattr_add_entry(entry, from->xattr, from->xattr_value,
                                      strlen(from->xattr_value));
    assert_true(archive_write_header(tar, entry) >= ARCHIVE_WARN);
    if (S_ISREG(mode) && n > 0 && !from->hardlink)
        assert_int_equal(archive_write_data(tar, from->data, n), (la_ssize_t)n);
    archive_entry_free(entry);
}

static inline StrBuf make_tar(const TarEntry *entries, size_t n, int compression)
{
    struct archive *tar = archive_write_new();
    StrBuf out = STRBUF_INIT;

    archive_write_set_format_pax_restricted(tar);
    if (compression == TAR_GZIP) {
        archive_write_add_filter_gzip(tar);
        /* without the time, so that the same entries give the same bytes */
        archive_write_set_filter_option(tar, "gzip", "timestamp", NULL);
    }
    if (compression == TAR_ZSTD)
        archive_write_add_filter_zstd(tar);
    archive_write_set_bytes_in_last_block(tar, 1);
    assert_int_equal(archive_write_open(tar, &out, NULL, tar_write, NULL), ARCHIVE_OK);
    for (size_t i = 0; i < n; i++)
        tar_add(tar, &entries[i]);
    assert_int_equal(archive_write_close(tar), ARCHIVE_OK);
    archive_write_free(tar);
    return out;
}

typedef struct Archive {
    char *file;
    TarEntry entries[64];
    size_t n;
    Arena arena;
} Archive;

static inline void archive_add(Archive *archive, const char *path, Bytes bytes)
{
    Bytes kept = arena_bytes(&archive->arena, bytes);

    archive->entries[archive->n++] = (TarEntry){
        .path = arena_strdup(&archive->arena, path), .data = (const char *)kept.p, .n = kept.n};
}

static inline const char *archive_add_blob(Archive *archive, Bytes bytes)
{
    char *digest = arena_alloc(&archive->arena, DIGEST_TEXT);

    digest_of(bytes, digest);
    archive_add(archive, arena_printf(&archive->arena, "blobs/sha256/%s", digest_hex(digest)),
                bytes);
    return digest;
}

static inline void archive_save(Archive *archive, const char *file, int compression)
{
    _strbuf_ StrBuf text = make_tar(archive->entries, archive->n, compression);

    assert_int_equal(file_replace(file, text.p, text.n, 0600), 0);
}

/* A config for layers with these diff ids ("a,b" quoted already). */
static inline char *make_config(Arena *arena, const char *diff_ids, const char *salt)
{
    return arena_printf(
        arena,
        "{\"architecture\":\"amd64\",\"os\":\"linux\",\"created\":\"2022-11-29T10:45:36Z\","
        "\"config\":{\"User\":\"app\",\"Env\":[\"PATH=/bin\",\"A=%s\"],\"Entrypoint\":[\"/app\"],"
        "\"Cmd\":[\"serve\"],\"WorkingDir\":\"/data\",\"StopSignal\":\"SIGINT\","
        "\"Volumes\":{\"/data\":{}},\"ExposedPorts\":{\"80/tcp\":{}},"
        "\"Labels\":{\"z\":\"1\",\"b\":\"2\"}},"
        "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[%s]}}",
        salt, diff_ids);
}

/* docker save's form: one image with the one layer, under `name`. */
static inline void make_docker_archive(const char *file, const char *name, const TarEntry *entries,
                                       size_t n, int compression)
{
    _strbuf_ StrBuf plain = make_tar(entries, n, TAR_PLAIN),
                    layer = make_tar(entries, n, compression);
    Archive archive = {0};
    char diff_id[DIGEST_TEXT], id[DIGEST_TEXT];
    const char *config, *manifest;

    digest_of(strbuf_bytes(&plain), diff_id);
    config = make_config(&archive.arena, arena_printf(&archive.arena, "\"%s\"", diff_id), name);
    digest_of(bytes_from_string(config), id);
    manifest = arena_printf(&archive.arena,
                            "[{\"Config\":\"%s.json\",\"RepoTags\":[\"%s\"],"
                            "\"Layers\":[\"one/layer.tar\"]}]",
                            digest_hex(id), name);
    archive_add(&archive, "one/layer.tar", strbuf_bytes(&layer));
    archive_add(&archive, arena_printf(&archive.arena, "%s.json", digest_hex(id)),
                bytes_from_string(config));
    archive_add(&archive, "manifest.json", bytes_from_string(manifest));
    archive_save(&archive, file, TAR_PLAIN);
    arena_clear(&archive.arena);
}

#endif
