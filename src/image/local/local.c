/* SPDX-License-Identifier: Apache-2.0 */
/* See local.h: the index of the names in other stores, and which of several images of a name is used. */
#include "image/local/adopt.h"

#include <sys/stat.h>

#include "base/files/file.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "base/timefmt.h"

static const LocalKind *const kinds[] = {&local_docker, &local_podman, &local_containerd};

struct LocalStores {
    uv_mutex_t lock; /* guards the indexes */
    VEC(LocalStore *) v;
};

/* ---- what the readers use ---- */

int64_t local_time(const char *text)
{
    int64_t seconds;
    int32_t nanos;

    return text && timefmt_parse(text, &seconds, &nanos) == 0 ? seconds : 0;
}

void local_entry_add(LocalStore *store, const LocalEntry *entry)
{
    Arena *arena = &store->arena;
    const char *name = image_normalize(arena, entry->name);
    LocalEntry copy = *entry;

    if (!name || store->entries.n >= LOCAL_ENTRIES_MAX)
        return;
    copy.name = name;
    copy.id = entry->id ? arena_strdup(arena, entry->id) : NULL;
    copy.digest = entry->digest ? arena_strdup(arena, entry->digest) : NULL;
    copy.where = arena_strdup(arena, entry->where);
    VEC_PUSH(&store->entries, copy);
}

int local_read(const LocalStore *store, const char *path, size_t limit, const char *digest,
               Arena *arena, Bytes *ret, Err *reterr)
{
    _free_ char *whole = mem_printf("%s/%s", store->root, path), *text = NULL;
    char found[DIGEST_TEXT];
    size_t n = 0;
    int r = file_read(whole, limit, &text, &n);

    if (r < 0)
        return err_set(reterr, -r, "read %s", whole);
    *ret = (Bytes){(uint8_t *)arena_strndup(arena, text, n), n};
    digest_of(*ret, found);
    if (digest && !str_equal(found, digest))
        return err_set(reterr, 0, "%s has the digest %s", whole, found);
    return 0;
}

int64_t local_mtime(const LocalStore *store, const char *path)
{
    _free_ char *whole = mem_printf("%s/%s", store->root, path);
    struct stat st;

    return stat(whole, &st) < 0 ? 0 : (int64_t)st.st_mtime;
}

int local_config(LocalImage *image, Bytes config, Arena *arena, StringArray *ret_diff_ids,
                 Err *reterr)
{
    char id[DIGEST_TEXT];
    int r = image_config_layers(config, arena, ret_diff_ids, reterr);

    if (r < 0)
        return ERR_TRACE(r);
    if (ret_diff_ids->n > LAYERS_MAX)
        return err_set(reterr, 0, "it has too many layers");
    digest_of(config, id);
    image->id = arena_strdup(arena, id);
    image->config = config;
    image->layers = arena_new_n(arena, LocalLayer, ret_diff_ids->n + 1);
    return 0;
}

void local_chain_id(const char *below, const char *diff_id, char ret[static DIGEST_TEXT])
{
    _free_ char *text = below ? mem_printf("%s %s", below, diff_id) : NULL;

    if (text)
        digest_of(bytes_from_string(text), ret);
    else
        snprintf(ret, DIGEST_TEXT, "%s", diff_id);
}

/* ---- the index ---- */

static char *make_stamp(const LocalStore *store)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    for (const char *const *name = store->kind->index_files; *name; name++) {
        _free_ char *path = mem_printf("%s/%s", store->root, *name);
        struct stat st;

        if (stat(path, &st) == 0)
            strbuf_printf(&text, "%s %ju %jd %jd.%09ld\n", *name, (uintmax_t)st.st_ino,
                          (intmax_t)st.st_size, (intmax_t)st.st_mtime, st.st_mtim.tv_nsec);
    }
    return mem_strdup(strbuf_string(&text));
}

/* Somebody else who could write to the folder could choose what runs as root. */
static bool is_trusted(const LocalStore *store)
{
    struct stat st;

    return stat(store->root, &st) == 0 && S_ISDIR(st.st_mode) && !(st.st_mode & 022) &&
           (st.st_uid == 0 || st.st_uid == geteuid());
}

/* Logs a failure once. */
static void note_failure(LocalStore *store, const char *message)
{
    if (message && !str_equal(store->failure, message))
        log_warn("image", "the images of %s in %s cannot be used: %s", store->kind->name,
                 store->root, message);
    free(store->failure);
    store->failure = message ? mem_strdup(message) : NULL;
}

static void refresh(LocalStore *store)
{
    _free_ char *stamp = make_stamp(store);
    Err err = ERR_INIT;

    if (str_equal(stamp, store->stamp))
        return;
    arena_clear(&store->arena);
    store->entries.n = 0;
    free(store->stamp);
    store->stamp = TAKE_PTR(stamp);
    if (!*store->stamp) /* it is not there */
        return;
    if (!is_trusted(store))
        note_failure(store, "others may write to the folder");
    else if (store->kind->scan(store, &err) < 0)
        note_failure(store, err.message);
    else
        note_failure(store, NULL);
}

/* ---- which image ---- */

/* "docker.io/library/app@sha256:..." asks for a manifest, whatever its name. */
static bool has_name(const LocalEntry *entry, const char *const names[2])
{
    const char *digest = strchr(names[0], '@');

    if (digest)
        return str_equal(entry->digest, digest + 1);
    return str_equal(entry->name, names[0]) || str_equal(entry->name, names[1]);
}

/* The newest image of the name; false if there is none. The strings are in the arena. */
static bool find_newest(LocalStores *stores, const char *const names[2], Arena *arena,
                        LocalStore **ret_store, LocalEntry *ret)
{
    const LocalEntry *newest = NULL;

    uv_mutex_lock(&stores->lock);
    for (size_t i = 0; i < stores->v.n; i++) {
        LocalStore *store = stores->v.v[i];

        refresh(store);
        for (size_t j = 0; j < store->entries.n; j++) {
            const LocalEntry *entry = &store->entries.v[j];

            if (!has_name(entry, names) || (newest && entry->assigned <= newest->assigned))
                continue;
            newest = entry;
            *ret_store = store;
        }
    }
    if (newest)
        *ret = (LocalEntry){.name = arena_strdup(arena, newest->name),
                            .id = newest->id ? arena_strdup(arena, newest->id) : NULL,
                            .digest = newest->digest ? arena_strdup(arena, newest->digest) : NULL,
                            .assigned = newest->assigned,
                            .where = arena_strdup(arena, newest->where)};
    uv_mutex_unlock(&stores->lock);
    return newest != NULL;
}

/* What the image store of stead has under the name. */
typedef struct Own {
    bool there, builtin, complete;
    char id[DIGEST_TEXT], digest[DIGEST_TEXT];
    char source[16];
    int64_t assigned;
} Own;

static bool has_layers(const ImageStore *images, const ImageRecord *record)
{
    for (size_t i = 0; i < record->layers.n; i++) {
        _free_ char *path = image_layer_path(images, record->layers.v[i]);

        if (!file_exists(path))
            return false;
    }
    return true;
}

static void look_at_own(ImageStore *images, const char *const names[2], Own *ret)
{
    const ImageRecord *record;

    *ret = (Own){0};
    uv_mutex_lock(&images->lock);
    record = strmap_get(&images->records, names[0]);
    if (!record && names[1])
        record = strmap_get(&images->records, names[1]);
    if (record) {
        _free_ char *path = image_record_path(images, record->name);
        struct stat st;

        ret->there = true;
        ret->builtin = !str_empty(record->stamp);
        ret->complete = has_layers(images, record);
        snprintf(ret->id, sizeof(ret->id), "%s", record->id);
        snprintf(ret->digest, sizeof(ret->digest), "%s", str_or(record->digest, ""));
        snprintf(ret->source, sizeof(ret->source), "%s", str_or(record->source, ""));
        ret->assigned = stat(path, &st) < 0 ? 0 : (int64_t)st.st_mtime;
    }
    uv_mutex_unlock(&images->lock);
}

static bool is_wanted(const Own *own, const LocalEntry *entry)
{
    bool same = entry->id ? str_equal(own->id, entry->id) : str_equal(own->digest, entry->digest);

    if (!own->there || own->builtin)
        return true;
    if (same)
        return !own->complete;
    return own->source[0] || entry->assigned > own->assigned;
}

static int bring(void *data, ImageStore *images, const char *name, Err *reterr)
{
    _arena_ Arena arena = ARENA_INIT;
    const char *normalized = image_normalize(&arena, name);
    const char *names[2] = {normalized, normalized ? image_name_sibling(&arena, normalized) : NULL};
    LocalImage image = {0};
    LocalStore *store;
    LocalEntry entry;
    Own own;
    int r;

    if (!normalized || !find_newest(data, names, &arena, &store, &entry))
        return 0;
    look_at_own(images, names, &own);
    if (!is_wanted(&own, &entry))
        return 0;
    r = store->kind->read(store, &entry, &arena, &image, reterr);
    if (r >= 0 && own.there && own.complete && str_equal(own.id, image.id))
        return 0;
    if (r >= 0)
        r = local_adopt(images, store->kind->name, &entry, &image,
                        strchr(normalized, '@') || own.there ? normalized : NULL, reterr);
    if (r < 0) {
        log_warn("image", "%s of %s cannot be used: %s", entry.name, store->kind->name,
                 reterr->message);
        return err_wrap(reterr, "%s of %s", entry.name, store->kind->name);
    }
    log_info("image", "%s is taken from %s", entry.name, store->kind->name);
    return 0;
}

static void list(void *data, Arena *arena, ImageElsewhereEach each, void *each_data)
{
    LocalStores *stores = data;

    uv_mutex_lock(&stores->lock);
    for (size_t i = 0; i < stores->v.n; i++) {
        LocalStore *store = stores->v.v[i];

        refresh(store);
        for (size_t j = 0; j < store->entries.n; j++) {
            const LocalEntry *entry = &store->entries.v[j];

            each(each_data, store->kind->name, arena_strdup(arena, entry->name),
                 arena_strdup(arena, str_or(entry->id, str_or(entry->digest, ""))),
                 entry->assigned);
        }
    }
    uv_mutex_unlock(&stores->lock);
}

/* ---- the stores ---- */

static void free_stores(void *data)
{
    LocalStores *stores = data;

    for (size_t i = 0; i < stores->v.n; i++) {
        LocalStore *store = stores->v.v[i];

        arena_clear(&store->arena);
        VEC_DEINIT(&store->entries);
        free(store->root);
        free(store->stamp);
        free(store->failure);
        free(store);
    }
    VEC_DEINIT(&stores->v);
    uv_mutex_destroy(&stores->lock);
    free(stores);
}

LocalStores *local_stores_new(void)
{
    LocalStores *stores = mem_new_type(LocalStores);

    uv_mutex_init(&stores->lock);
    return stores;
}

bool local_stores_add(LocalStores *stores, const char *kind, const char *root)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        _arena_ Arena arena = ARENA_INIT;
        LocalStore *store;

        if (!str_equal(kinds[i]->name, kind))
            continue;
        store = mem_new_type(LocalStore);
        store->kind = kinds[i];
        store->root = mem_strdup(root ? root : kinds[i]->find_root(&arena));
        VEC_PUSH(&stores->v, store);
        return true;
    }
    return false;
}

void local_stores_use(LocalStores *stores, ImageStore *images)
{
    image_store_set_elsewhere(
        images,
        &(ImageElsewhere){.bring = bring, .list = list, .free = free_stores, .data = stores});
}

static int add_listed(LocalStores *stores, const char *text, size_t n, Err *reterr)
{
    _free_ char *kind = mem_strndup(text, n);
    char *root = strchr(kind, '=');
    bool known;

    if (root)
        *root++ = 0;
    known = (!root || *root == '/') && local_stores_add(stores, kind, root);
    return known ? 0
                 : err_set(reterr, 0,
                           "%.*s is no store of images: give docker, podman or containerd, with "
                           "=/DIR where it is not at its usual place",
                           (int)n, text);
}

int local_stores_open(const char *list, ImageStore *images, Err *reterr)
{
    LocalStores *stores = local_stores_new();
    const char *at = list ? list : "docker,podman,containerd";
    int r = 0;

    local_stores_use(stores, images);
    while (r >= 0 && *at && !str_equal(at, "none")) {
        size_t n = strcspn(at, ",");

        r = add_listed(stores, at, n, reterr);
        at += n + (at[n] == ',');
    }
    return ERR_TRACE(r);
}
