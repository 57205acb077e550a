/* SPDX-License-Identifier: Apache-2.0 */
/* The table of repositories, and the removal of blobs that none of them needs. */
#include <dirent.h>
#include <sys/stat.h>
#include <time.h>
#include <yyjson.h>

#include "base/files/file.h"
#include "base/log.h"
#include "codec/json/json.h"
#include "distribution/internal.h"

static Repository *repository_free(Repository *repository)
{
    if (!repository)
        return NULL;
    STRMAP_EACH(&repository->tags, slot)
        free(slot->value);
    STRMAP_EACH(&repository->manifests, slot)
        free(slot->value);
    strmap_deinit(&repository->tags);
    strmap_deinit(&repository->manifests);
    free(repository->name);
    free(repository);
    return NULL;
}

static char *repository_path(const Distribution *d, const char *name)
{
    char digest[DIGEST_TEXT];
    _free_ char *file = NULL;

    digest_of(bytes_from_string(name), digest);
    file = mem_printf("%s.json", digest_hex(digest));
    return distribution_path(d, "repositories", file);
}

/* ---- files ---- */

static void add_map(StrBuf *out, const char *name, const StrMap *map)
{
    const char *separator = "";

    strbuf_printf(out, ",\"%s\":{", name);
    STRMAP_EACH(map, slot) {
        strbuf_add_string(out, separator);
        json_encode_string(out, slot->key, strlen(slot->key));
        strbuf_add_char(out, ':');
        json_encode_string(out, slot->value, strlen(slot->value));
        separator = ",";
    }
    strbuf_add_char(out, '}');
}

static int save(Distribution *d, const Repository *repository, Err *reterr)
{
    _free_ char *path = repository_path(d, repository->name);
    _strbuf_ StrBuf text = STRBUF_INIT;
    int r;

    strbuf_add_string(&text, "{\"name\":");
    json_encode_string(&text, repository->name, strlen(repository->name));
    add_map(&text, "tags", &repository->tags);
    add_map(&text, "manifests", &repository->manifests);
    strbuf_add_string(&text, "}\n");
    r = file_write_atomic(path, text.p, text.n, 0600);
    return r < 0 ? err_set(reterr, -r, "write %s", path) : 0;
}

static void load_map(yyjson_val *json, StrMap *map)
{
    yyjson_obj_iter iter = yyjson_obj_iter_with(json);
    yyjson_val *key;

    while ((key = yyjson_obj_iter_next(&iter))) {
        const char *value = yyjson_get_str(yyjson_obj_iter_get_val(key));

        if (value)
            free(strmap_put(map, yyjson_get_str(key), mem_strdup(value)));
    }
}

static void load_repository(Distribution *d, const char *path)
{
    _free_ char *text = NULL;
    Repository *repository;
    yyjson_doc *doc;
    const char *name;
    size_t n = 0;

    if (file_read(path, 64 << 20, &text, &n) < 0)
        return;
    doc = yyjson_read(text, n, 0);
    name = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "name"));
    if (name) {
        repository = mem_new_type(Repository);
        repository->name = mem_strdup(name);
        load_map(yyjson_obj_get(yyjson_doc_get_root(doc), "tags"), &repository->tags);
        load_map(yyjson_obj_get(yyjson_doc_get_root(doc), "manifests"), &repository->manifests);
        repository_free(strmap_put(&d->repositories, repository->name, repository));
    }
    yyjson_doc_free(doc);
}

int repositories_load(Distribution *d, Err *reterr)
{
    _free_ char *folder = distribution_path(d, "repositories", "");
    DIR *dir = opendir(folder);
    struct dirent *entry;

    if (!dir)
        return err_set(reterr, errno, "read %s", folder);
    while ((entry = readdir(dir))) {
        _free_ char *path = distribution_path(d, "repositories", entry->d_name);

        if (str_ends_with(entry->d_name, ".json"))
            load_repository(d, path);
    }
    closedir(dir);
    return 0;
}

void repositories_free(Distribution *d)
{
    STRMAP_DEINIT_WITH(&d->repositories, repository_free);
}

/* ---- the table ---- */

Repository *repository_find(const Distribution *d, const char *name)
{
    return strmap_get(&d->repositories, name);
}

int repository_put(Distribution *d, const char *name, const char *tag, const char *digest,
                   const char *media_type, Err *reterr)
{
    Repository *repository = repository_find(d, name);
    int r;

    if (!repository) {
        if (d->repositories.n >= REPOSITORIES_MAX)
            return err_set(reterr, 0, "there are too many repositories");
        repository = mem_new_type(Repository);
        repository->name = mem_strdup(name);
        strmap_put(&d->repositories, repository->name, repository);
    }
    if (repository->manifests.n >= TAGS_MAX || repository->tags.n >= TAGS_MAX)
        return err_set(reterr, 0, "the repository has too many manifests");
    free(strmap_put(&repository->manifests, digest, mem_strdup(media_type)));
    if (tag)
        free(strmap_put(&repository->tags, tag, mem_strdup(digest)));
    r = save(d, repository, reterr);
    if (r >= 0)
        repositories_sweep(d);
    return r;
}

static void remove_tags_of(Repository *repository, const char *digest)
{
    VEC(const char *) names = VEC_INIT;

    STRMAP_EACH(&repository->tags, slot)
        if (str_equal(slot->value, digest))
            VEC_PUSH(&names, slot->key);
    for (size_t i = 0; i < names.n; i++) {
        _free_ char *name = mem_strdup(names.v[i]);

        free(strmap_remove(&repository->tags, name));
    }
    VEC_DEINIT(&names);
}

bool repository_remove(Distribution *d, Repository *repository, const char *reference)
{
    char *removed;
    Err err = ERR_INIT;

    if (digest_is_valid(reference)) {
        removed = strmap_remove(&repository->manifests, reference);
        remove_tags_of(repository, reference);
    } else {
        removed = strmap_remove(&repository->tags, reference);
    }
    if (!removed)
        return false;
    free(removed);
    if (save(d, repository, &err) < 0)
        log_warn("registry", "%s", err.message);
    repositories_sweep(d);
    return true;
}

/* ---- what nothing names ---- */

typedef struct Sweep {
    uv_work_t work;
    Distribution *d;
    StrMap needed; /* digests of manifests */
    StrMap blobs;  /* of what they name */
} Sweep;

static void need(Sweep *sweep, yyjson_val *descriptor)
{
    const char *digest = yyjson_get_str(yyjson_obj_get(descriptor, "digest"));

    if (digest && digest_is_valid(digest))
        strmap_put(&sweep->blobs, digest_hex(digest), sweep);
}

static void need_all(Sweep *sweep, yyjson_val *root, const char *name)
{
    yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(root, name));
    yyjson_val *item;

    while ((item = yyjson_arr_iter_next(&iter)))
        need(sweep, item);
}

/* False if a manifest cannot be read: then nothing is removed. */
static bool need_manifest(Sweep *sweep, const char *digest)
{
    _free_ char *path = distribution_path(sweep->d, "blobs", digest_hex(digest)), *text = NULL;
    yyjson_doc *doc;
    size_t n = 0;

    strmap_put(&sweep->blobs, digest_hex(digest), sweep);
    if (file_read(path, MANIFEST_MAX, &text, &n) < 0)
        return false;
    doc = yyjson_read(text, n, 0);
    need(sweep, yyjson_obj_get(yyjson_doc_get_root(doc), "config"));
    need_all(sweep, yyjson_doc_get_root(doc), "layers");
    need_all(sweep, yyjson_doc_get_root(doc), "manifests");
    yyjson_doc_free(doc);
    return true;
}

static void on_sweep(uv_work_t *work)
{
    Sweep *sweep = CONTAINER_OF(work, Sweep, work);
    _free_ char *folder = distribution_path(sweep->d, "blobs", "");
    struct dirent *entry;
    DIR *dir;

    STRMAP_EACH(&sweep->needed, slot)
        if (!need_manifest(sweep, slot->key))
            return;
    dir = opendir(folder);
    while (dir && (entry = readdir(dir))) {
        _free_ char *path = distribution_path(sweep->d, "blobs", entry->d_name);
        struct stat st;

        if (entry->d_name[0] != '.' && !strmap_get(&sweep->blobs, entry->d_name) &&
            stat(path, &st) == 0 && st.st_mtime + BLOB_KEPT_S < time(NULL))
            unlink(path);
    }
    if (dir)
        closedir(dir);
}

static void on_swept(uv_work_t *work, int status _unused_)
{
    Sweep *sweep = CONTAINER_OF(work, Sweep, work);

    sweep->d->sweeping = false;
    distribution_rest(sweep->d);
    strmap_deinit(&sweep->needed);
    strmap_deinit(&sweep->blobs);
    free(sweep);
}

void repositories_sweep(Distribution *d)
{
    Sweep *sweep;

    if (d->sweeping) /* what it leaves is removed after the next change */
        return;
    d->sweeping = true;
    d->busy++;
    sweep = mem_new_type(Sweep);
    sweep->d = d;
    STRMAP_EACH(&d->repositories, slot) {
        const Repository *repository = slot->value;

        STRMAP_EACH(&repository->manifests, manifest)
            strmap_put(&sweep->needed, manifest->key, sweep);
    }
    uv_queue_work(d->loop, &sweep->work, on_sweep, on_swept);
}
