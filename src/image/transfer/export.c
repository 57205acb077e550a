/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes images as an archive that docker, podman, skopeo, containerd and stead read:
 *
 *   oci-layout, index.json    an OCI layout; index.json has a manifest for each name
 *   blobs/sha256/HEX          layers (as they came, or plain tars), configs and manifests
 *   manifest.json             the same for older versions of docker
 */
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/files/file.h"
#include "base/strbuf.h"
#include "codec/json/json.h"
#include "image/transfer/pack.h"
#include "image/transfer/transfer.h"

#define PIECE (128u << 10)

typedef struct Export {
    struct archive *tar;
    const char *file;
    StrMap written; /* digests of blobs */
    StrBuf index, docker;
} Export;

static int failed(Export *export, Err *reterr)
{
    return err_set(reterr, archive_errno(export->tar) > 0 ? archive_errno(export->tar) : 0,
                   "write %s: %s", export->file,
                   str_or(archive_error_string(export->tar), "it is not possible"));
}

static int add_header(Export *export, const char *path, int64_t size, Err *reterr)
{
    struct archive_entry *entry = archive_entry_new();
    int rc;

    archive_entry_set_pathname(entry, path);
    archive_entry_set_mode(entry, S_IFREG | 0644);
    archive_entry_set_size(entry, size);
    rc = archive_write_header(export->tar, entry);
    archive_entry_free(entry);
    return rc < ARCHIVE_WARN ? failed(export, reterr) : 0;
}

static int add_text(Export *export, const char *path, Bytes text, Err *reterr)
{
    int r = add_header(export, path, (int64_t)text.n, reterr);

    return r >= 0 && archive_write_data(export->tar, text.p, text.n) < 0 ? failed(export, reterr)
                                                                         : r;
}

/* False if it has been written. */
static bool is_new(Export *export, const char *digest)
{
    if (strmap_get(&export->written, digest))
        return false;
    strmap_put(&export->written, digest, export);
    return true;
}

static int add_blob(Export *export, const char *digest, Bytes bytes, Err *reterr)
{
    _free_ char *path = mem_printf("blobs/sha256/%s", digest_hex(digest));

    return is_new(export, digest) ? add_text(export, path, bytes, reterr) : 0;
}

static int add_layer(void *data, const PackedLayer *layer, Err *reterr)
{
    Export *export = data;
    _free_ char *path = mem_printf("blobs/sha256/%s", digest_hex(layer->blob)),
                *piece = mem_new(PIECE);
    int r = 0;

    if (!is_new(export, layer->blob))
        return 0;
    r = add_header(export, path, layer->size, reterr);
    while (r >= 0) {
        ssize_t n = read(layer->fd, piece, PIECE);

        if (n < 0)
            return err_set(reterr, errno, "read what was packed");
        if (n == 0)
            break;
        if (archive_write_data(export->tar, piece, (size_t)n) < 0)
            r = failed(export, reterr);
    }
    return r;
}

static void describe(Export *export, const ImageBundle *bundle, const char *name)
{
    const char *colon = strrchr(name, ':');

    strbuf_printf(&export->index,
                  "%s{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu,\"annotations\":{"
                  "\"io.containerd.image.name\":",
                  export->index.n ? "," : "", bundle->media_type, bundle->digest,
                  bundle->manifest.n);
    json_encode_string(&export->index, name, strlen(name));
    strbuf_add_string(&export->index, ",\"org.opencontainers.image.ref.name\":");
    json_encode_string(&export->index, name, strlen(name));
    strbuf_add_string(&export->index, "}}");
    strbuf_printf(&export->docker, "%s{\"Config\":\"blobs/sha256/%s\",\"RepoTags\":[",
                  export->docker.n ? "," : "", digest_hex(bundle->id));
    if (colon && !strchr(name, '@') && !digest_is_valid(name))
        json_encode_string(&export->docker, name, strlen(name));
    strbuf_add_string(&export->docker, "],\"Layers\":[");
    for (size_t i = 0; i < bundle->blobs.n; i++)
        strbuf_printf(&export->docker, "%s\"blobs/sha256/%s\"", i ? "," : "",
                      digest_hex(bundle->blobs.v[i]));
    strbuf_add_string(&export->docker, "]}");
}

static int add_image(Export *export, ImageStore *store, const char *name, Err *reterr)
{
    _arena_ Arena arena = ARENA_INIT;
    ImageBundle bundle;
    int r = image_bundle(store, name, false, add_layer, export, &arena, &bundle, reterr);

    if (r == 0)
        r = add_blob(export, bundle.id, bundle.config, reterr);
    if (r == 0)
        r = add_blob(export, bundle.digest, bundle.manifest, reterr);
    if (r == 0)
        describe(export, &bundle, bundle.name);
    return r;
}

static int add_documents(Export *export, Err *reterr)
{
    _strbuf_ StrBuf index = STRBUF_INIT, docker = STRBUF_INIT;
    int r;

    strbuf_printf(&index,
                  "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\","
                  "\"manifests\":[%s]}",
                  strbuf_string(&export->index));
    strbuf_printf(&docker, "[%s]", strbuf_string(&export->docker));
    r = add_text(export, "index.json", strbuf_bytes(&index), reterr);
    if (r >= 0)
        r = add_text(export, "manifest.json", strbuf_bytes(&docker), reterr);
    return r;
}

static int write_all(Export *export, ImageStore *store, const StringArray *names, int fd,
                     Err *reterr)
{
    int r = 0;

    archive_write_set_format_pax_restricted(export->tar);
    archive_write_set_bytes_per_block(export->tar, 0);
    if (archive_write_open_fd(export->tar, fd) < ARCHIVE_WARN)
        return failed(export, reterr);
    r = add_text(export, "oci-layout", BYTES_LITERAL("{\"imageLayoutVersion\":\"1.0.0\"}"), reterr);
    for (size_t i = 0; i < names->n && r == 0; i++)
        r = add_image(export, store, names->v[i], reterr);
    if (r == 0)
        r = add_documents(export, reterr);
    if (r == 0 && archive_write_close(export->tar) < ARCHIVE_WARN)
        r = failed(export, reterr);
    return r;
}

int image_export(ImageStore *store, const StringArray *names, const char *file, Err *reterr)
{
    _free_ char *tmp = mem_printf("%s.stead-XXXXXX", file);
    _close_fd_ int fd = mkostemp(tmp, O_CLOEXEC);
    Export export = {.tar = archive_write_new(), .file = file};
    locale_t made, before = image_utf8_begin(&made);
    int r;

    image_hold(store);
    r = fd < 0 ? err_set(reterr, errno, "make %s", file)
               : write_all(&export, store, names, fd, reterr);
    image_release(store);
    archive_write_free(export.tar);
    image_utf8_end(before, made);
    strmap_deinit(&export.written);
    strbuf_deinit(&export.index);
    strbuf_deinit(&export.docker);
    if (r == 0) {
        r = file_rename(tmp, file);
        r = r < 0 ? err_set(reterr, -r, "write %s", file) : 0;
    }
    if (r != 0 && fd >= 0)
        unlink(tmp);
    return r;
}
