/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removes images in two steps. The name is removed first (image_forget): this takes one system call, and so the loop can do it in the
 * same turn in which it has looked who uses the image. No container can be started from the image between the two. Layers and documents
 * that no image needs are removed later, on the pool (image_sweep).
 */
#include <dirent.h>
#include <sys/stat.h>

#include "base/files/file.h"
#include "base/time/clock.h"
#include "image/internal.h"

/* ---- what nothing needs ---- */

static bool is_digest_of(const char *digest, const char *hex)
{
    return digest_is_valid(digest) && strcmp(digest_hex(digest), hex) == 0;
}

typedef enum Sweeping { DOCUMENTS, LAYERS, KEPT } Sweeping;

static bool is_needed(ImageStore *store, const char *hex, Sweeping what)
{
    STRMAP_EACH(&store->records, slot) {
        const ImageRecord *record = slot->value;

        if (what == DOCUMENTS &&
            (strcmp(digest_hex(record->id), hex) == 0 || is_digest_of(record->digest, hex) ||
             is_digest_of(record->member, hex)))
            return true;
        for (size_t i = 0; what == LAYERS && i < record->layers.n; i++)
            if (strcmp(digest_hex(record->layers.v[i]), hex) == 0)
                return true;
        for (size_t i = 0; what == KEPT && i < record->blobs.n; i++)
            if (is_digest_of(record->blobs.v[i], hex))
                return true;
    }
    return false;
}

bool image_layer_is_named(ImageStore *store, const char *key)
{
    bool needed;

    uv_mutex_lock(&store->lock);
    needed = is_needed(store, digest_hex(key), LAYERS);
    uv_mutex_unlock(&store->lock);
    return needed;
}

static void sweep_folder(ImageStore *store, const char *folder, const char *prefix, Sweeping what)
{
    _free_ char *path = mem_printf("%s/%s", store->dir, folder);
    DIR *dir = opendir(path);
    struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir))) {
        _free_ char *hex = NULL, *victim = NULL;

        if (entry->d_name[0] == '.' || !str_starts_with(entry->d_name, prefix))
            continue;
        hex = mem_strndup(entry->d_name + strlen(prefix), 64);
        if (is_needed(store, hex, what) || (what != DOCUMENTS && image_intents_need(store, hex)))
            continue;
        victim = mem_printf("%s/%s", path, entry->d_name);
        file_remove_tree(victim);
    }
    closedir(dir);
}

static void sweep_locked(ImageStore *store)
{
    bool held;

    /* Records change only with write_lock, which the caller holds. */
    uv_mutex_lock(&store->lock);
    held = store->holds > 0;
    uv_mutex_unlock(&store->lock);
    if (held) /* the next removal, or the next start, does it */
        return;
    image_intents_expire(store);
    sweep_folder(store, "blobs", "sha256-", DOCUMENTS);
    sweep_folder(store, "grants", "", DOCUMENTS);
    sweep_folder(store, "layers", "", LAYERS);
    sweep_folder(store, "kept", "", KEPT);
}

void image_sweep(ImageStore *store)
{
    uv_mutex_lock(&store->write_lock);
    sweep_locked(store);
    uv_mutex_unlock(&store->write_lock);
}

/* ---- layers as they came ---- */

static int64_t kept(ImageStore *store, bool drop)
{
    _free_ char *folder = mem_printf("%s/kept", store->dir);
    DIR *dir = opendir(folder);
    struct dirent *entry;
    int64_t size = 0;

    while (dir && (entry = readdir(dir))) {
        struct stat st;

        if (entry->d_name[0] == '.' || fstatat(dirfd(dir), entry->d_name, &st, 0) < 0)
            continue;
        size += (int64_t)st.st_blocks * 512;
        if (drop)
            unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir)
        closedir(dir);
    return size;
}

int64_t image_kept_size(ImageStore *store)
{
    return kept(store, false);
}

void image_drop_kept(ImageStore *store)
{
    bool held;

    uv_mutex_lock(&store->lock);
    held = store->holds > 0;
    uv_mutex_unlock(&store->lock);
    if (!held)
        kept(store, true);
}

/* ---- names ---- */

static int busy(Err *reterr)
{
    err_set(reterr, 0, "an import is under way; try again when it is done");
    return IMAGE_E_BUSY;
}

/* The caller holds both locks. */
static int forget_record(ImageStore *store, ImageRecord *record, Err *reterr)
{
    _free_ char *path = image_record_path(store, record->name);

    if (unlink(path) < 0 && errno != ENOENT)
        return err_set(reterr, errno, "remove %s", path);
    image_record_free(strmap_remove(&store->records, record->name));
    return 0;
}

int image_forget(ImageStore *store, const char *name, ImageIsUsed is_used, void *data, Arena *arena,
                 const char **ret_name, Err *reterr)
{
    ImageRecord *record;
    ImageFound found;
    int r;

    *ret_name = NULL;
    if (uv_mutex_trylock(&store->write_lock) != 0)
        return busy(reterr);
    uv_mutex_lock(&store->lock);
    record = image_record_find(store, name, arena, &found);
    r = record ? 0 : IMAGE_E_MISSING;
    if (record)
        *ret_name = arena_strdup(arena, record->name);
    if (record && is_used && is_used(data, record->id))
        r = IMAGE_E_USED;
    if (r == 0)
        r = forget_record(store, record, reterr);
    uv_mutex_unlock(&store->lock);
    uv_mutex_unlock(&store->write_lock);
    if (r == IMAGE_E_MISSING)
        err_set(reterr, 0, "there is no image %s on this machine", name);
    return r;
}

int image_remove(ImageStore *store, const char *name, Err *reterr)
{
    _arena_ Arena arena = ARENA_INIT;
    const char *removed;
    int r = image_forget(store, name, NULL, NULL, &arena, &removed, reterr);

    if (r == 0)
        image_sweep(store);
    return r;
}

/* ---- what is to be collected ---- */

/* The names of an image. */
typedef struct Group {
    const char *id;
    int64_t used, stored; /* nanoseconds; the newest of its names */
    bool stays;
    StringArray names;
} Group;

typedef struct Collecting {
    ImageStore *store;
    const ImageCollect *wanted;
    Arena arena;
    StrMap groups; /* id -> Group */
    StrMap layers; /* chain id -> how many names need it, as a pointer */
    int64_t freed;
} Collecting;

/* A registry has it under this name, so it can be pulled again. What was imported, made, pushed or tagged here, what comes with the
 * program, and what lies in the store of another program stays. */
static bool can_be_pulled_again(const ImageRecord *record)
{
    return record->remote && !record->tagged && str_empty(record->stamp) &&
           str_empty(record->source);
}

static void note_record(Collecting *c, const ImageRecord *record)
{
    Group *group = strmap_get(&c->groups, record->id);
    int64_t used, stored;

    if (!group) {
        group = arena_new(&c->arena, Group);
        group->id = arena_strdup(&c->arena, record->id);
        group->names.v = arena_new_n(&c->arena, const char *, c->store->records.n);
        strmap_put(&c->groups, group->id, group);
    }
    image_record_times(c->store, record->name, &used, &stored);
    group->used = MAX_OF(group->used, used);
    group->stored = MAX_OF(group->stored, stored);
    group->stays = group->stays || !can_be_pulled_again(record);
    group->names.v[group->names.n++] = arena_strdup(&c->arena, record->name);
    for (size_t i = 0; i < record->layers.n; i++) {
        uintptr_t n = (uintptr_t)strmap_get(&c->layers, record->layers.v[i]);

        strmap_put(&c->layers, record->layers.v[i], (void *)(n + 1));
    }
}

static int by_use(const void *a, const void *b)
{
    const Group *left = *(Group *const *)a, *right = *(Group *const *)b;

    return left->used < right->used ? -1 : left->used > right->used;
}

/* Its layers count as freed if no other name needs them. */
static void free_layers(Collecting *c, const ImageRecord *record)
{
    for (size_t i = 0; i < record->layers.n; i++) {
        uintptr_t n = (uintptr_t)strmap_get(&c->layers, record->layers.v[i]);
        int64_t size;

        strmap_put(&c->layers, record->layers.v[i], (void *)(n - 1));
        if (n == 1)
            c->freed += image_layer_size(c->store, record->layers.v[i], &size) ? size : 0;
    }
}

static int collect_group(Collecting *c, const Group *group, Err *reterr)
{
    int64_t before = c->freed;
    int r = 0;

    for (size_t i = 0; i < group->names.n && r >= 0; i++) {
        ImageRecord *record = strmap_get(&c->store->records, group->names.v[i]);

        free_layers(c, record);
        r = forget_record(c->store, record, reterr);
    }
    if (r >= 0)
        c->wanted->each(c->wanted->data, &group->names, group->id, c->freed - before);
    return r;
}

static int collect_all(Collecting *c, Err *reterr)
{
    Group **groups = arena_new_n(&c->arena, Group *, c->store->records.n + 1);
    size_t n = 0;
    int r = 0;

    STRMAP_EACH(&c->store->records, slot)
        note_record(c, slot->value);
    STRMAP_EACH(&c->groups, slot)
        groups[n++] = slot->value;
    qsort(groups, n, sizeof(*groups), by_use);
    for (size_t i = 0; i < n && r >= 0 && c->freed < c->wanted->bytes; i++)
        if (!groups[i]->stays && groups[i]->stored / NS_PER_SEC <= c->wanted->stored_before &&
            !c->wanted->is_used(c->wanted->data, groups[i]->id))
            r = collect_group(c, groups[i], reterr);
    return r;
}

int image_collect(ImageStore *store, const ImageCollect *wanted, int64_t *ret_freed, Err *reterr)
{
    Collecting c = {.store = store, .wanted = wanted};
    int r;

    *ret_freed = 0;
    if (uv_mutex_trylock(&store->write_lock) != 0)
        return busy(reterr);
    uv_mutex_lock(&store->lock);
    r = collect_all(&c, reterr);
    uv_mutex_unlock(&store->lock);
    uv_mutex_unlock(&store->write_lock);
    *ret_freed = c.freed;
    strmap_deinit(&c.groups);
    strmap_deinit(&c.layers);
    arena_clear(&c.arena);
    return r;
}
