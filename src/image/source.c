/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the archive of an image: a tar, plain or compressed, whose entries may be in any order.
 * Each function makes a pass of its own over the archive. That is cheap for a plain file, whose
 * data are skipped by seeking. */
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "image/internal.h"

char *source_clean_path(const char *path)
{
    char *clean = mem_new(strlen(path) + 1), *to = clean;

    for (const char *at = path; *at;) {
        size_t n = strcspn(at, "/");

        if (n == 2 && at[0] == '.' && at[1] == '.') {
            free(clean);
            return NULL;
        }
        if (n > 0 && !(n == 1 && at[0] == '.')) {
            if (to > clean)
                *to++ = '/';
            memcpy(to, at, n);
            to += n;
        }
        at += n + (at[n] == '/');
    }
    *to = 0;
    return clean;
}

static int source_failed(struct archive *archive, const char *file, Err *reterr)
{
    const char *why = archive_error_string(archive);

    return err_set(reterr, 0, "read %s: %s", file, why ? why : "it is no archive");
}

static int open_source(const char *file, struct archive *archive, Err *reterr)
{
    struct stat st;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        return err_set(reterr, errno, "open %s", file);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return err_set(reterr, 0, "%s is not a file", file);
    }
    archive_read_support_filter_gzip(archive);
    archive_read_support_filter_zstd(archive);
    archive_read_support_format_tar(archive);
    if (archive_read_open_fd(archive, fd, 128 << 10) < ARCHIVE_WARN) {
        close(fd);
        return source_failed(archive, file, reterr);
    }
    return fd;
}

static bool is_too_long(struct archive *archive, struct archive_entry *entry, uint64_t most)
{
    int64_t size = archive_entry_size(entry), before = archive_filter_bytes(archive, 0);

    return size < 0 || before < 0 || (uint64_t)before > most || (uint64_t)size > most ||
           (uint64_t)before + (uint64_t)size > most;
}

static int each_entry(const char *file, uint64_t most,
                      int (*each)(void *data, const char *path, struct archive *archive,
                                  struct archive_entry *entry, Err *reterr),
                      void *data, Err *reterr)
{
    struct archive *archive = archive_read_new();
    struct archive_entry *entry;
    int rc = ARCHIVE_EOF, r = 0;
    _close_fd_ int fd = open_source(file, archive, reterr);

    if (fd < 0)
        r = fd;
    while (r == 0 &&
           ((rc = archive_read_next_header(archive, &entry)) == ARCHIVE_OK || rc == ARCHIVE_WARN)) {
        const char *name = archive_entry_pathname(entry);
        _free_ char *path = name ? source_clean_path(name) : NULL;

        if (is_too_long(archive, entry, most)) /* this includes data that would only be skipped */
            r = err_set(reterr, EFBIG, "%s is larger than allowed", file);
        else if (path && *path)
            r = each(data, path, archive, entry, reterr);
    }
    if (r == 0 && rc != ARCHIVE_EOF)
        r = source_failed(archive, file, reterr);
    archive_read_free(archive);
    return r < 0 ? ERR_TRACE(r) : 0;
}

typedef struct EachCall {
    SourceEach each;
    void *data;
} EachCall;

static int on_entry(void *data, const char *path, struct archive *archive,
                    struct archive_entry *entry, Err *reterr)
{
    EachCall *call = data;

    if (archive_entry_filetype(entry) != S_IFREG || archive_entry_hardlink(entry))
        return 0;
    return call->each(call->data, path, archive, archive_entry_size(entry), reterr);
}

int source_each(const char *file, uint64_t most, SourceEach each, void *data, Err *reterr)
{
    EachCall call = {each, data};

    return ERR_TRACE(each_entry(file, most, on_entry, &call, reterr));
}

/* ---- small files ---- */

typedef struct ReadCall {
    StrMap *wanted, *links;
    Arena *arena;
    size_t missing;
} ReadCall;

static int read_small(ReadCall *call, const char *path, struct archive *archive, int64_t size,
                      Err *reterr)
{
    Bytes *bytes = strmap_get(call->wanted, path);
    size_t done = 0;
    uint8_t *p;

    if (!bytes || bytes->p)
        return 0;
    if (size < 0 || size > JSON_BYTES_MAX || call->arena->total > 16 * (size_t)JSON_BYTES_MAX)
        return err_set(reterr, EFBIG, "%s in the archive", path);
    p = arena_alloc_raw(call->arena, (size_t)size + 1, 1);
    while (done < (size_t)size) {
        la_ssize_t n = archive_read_data(archive, p + done, (size_t)size - done);

        if (n < 0)
            return err_set(reterr, 0, "read %s in the archive: %s", path,
                           str_or(archive_error_string(archive), "it is damaged"));
        if (n == 0)
            break;
        done += (size_t)n;
    }
    p[done] = 0;
    *bytes = (Bytes){p, done};
    call->missing--;
    return 0;
}

/* Old versions of docker save a layer that two images share once, and a link to it. */
static void note_link(ReadCall *call, const char *path, struct archive_entry *entry)
{
    const char *target = archive_entry_hardlink(entry), *slash = strrchr(path, '/');
    _free_ char *joined = NULL, *clean = NULL;

    if (!call->links || call->links->n >= LAYERS_MAX || strmap_get(call->links, path))
        return;
    if (target) {
        joined = mem_strdup(target);
    } else {
        target = archive_entry_symlink(entry);
        if (!target || target[0] == '/')
            return;
        if (str_starts_with(target, "../") && slash) {
            size_t n = (size_t)(slash - path);
            const char *up = memrchr(path, '/', n);

            joined = mem_printf("%.*s/%s", up ? (int)(up - path) : 0, path, target + 3);
        } else {
            joined = mem_printf("%.*s/%s", slash ? (int)(slash - path) : 0, path, target);
        }
    }
    clean = source_clean_path(joined);
    if (clean && *clean)
        strmap_put(call->links, path, arena_strdup(call->arena, clean));
}

static int on_small_entry(void *data, const char *path, struct archive *archive,
                          struct archive_entry *entry, Err *reterr)
{
    ReadCall *call = data;

    if (archive_entry_filetype(entry) == S_IFLNK || archive_entry_hardlink(entry))
        note_link(call, path, entry);
    else if (archive_entry_filetype(entry) == S_IFREG)
        return read_small(call, path, archive, archive_entry_size(entry), reterr);
    return call->missing == 0 && !call->links;
}

int source_read_files(const char *file, uint64_t most, StrMap *wanted, StrMap *links, Arena *arena,
                      Err *reterr)
{
    ReadCall call = {.wanted = wanted, .links = links, .arena = arena};

    STRMAP_EACH(wanted, slot)
        call.missing += !((Bytes *)slot->value)->p;
    if (call.missing == 0)
        return 0;
    return ERR_TRACE(each_entry(file, most, on_small_entry, &call, reterr));
}
