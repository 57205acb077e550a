/* SPDX-License-Identifier: Apache-2.0 */
/* Opens the image store, finds and lists images, and handles the archives that ship with the
 * program. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/files/file.h"
#include "base/time/clock.h"
#include "image/plan.h"

#define IMPORT_BYTES_MAX (UINT64_C(64) << 30)
#define IMPORT_ENTRIES_MAX UINT64_C(4000000)

char *image_layer_path(const ImageStore *store, const char *key)
{
    return mem_printf("%s/layers/%s", store->dir, digest_hex(key));
}

char *image_layer_size_path(const ImageStore *store, const char *key)
{
    return mem_printf("%s/layers/%s.size", store->dir, digest_hex(key));
}

char *image_blob_path(const ImageStore *store, const char *digest)
{
    return mem_printf("%s/blobs/sha256-%s", store->dir, digest_hex(digest));
}

char *image_tmp_path(ImageStore *store)
{
    uint64_t n;

    uv_mutex_lock(&store->lock);
    n = store->next_tmp++;
    uv_mutex_unlock(&store->lock);
    return mem_printf("%s/tmp/%" PRIu64, store->dir, n);
}

/* ---- layers as they came ---- */

#define KEEP_PERCENT 80 /* of the disk that may be used; less than what begins to remove images */

char *image_kept_path(const ImageStore *store, const char *digest)
{
    return mem_printf("%s/kept/%s", store->dir, digest_hex(digest));
}

int image_kept_open(const ImageStore *store, const char *digest)
{
    _free_ char *kept = image_kept_path(store, digest);
    _free_ char *pushed = mem_printf("%s/pushed/blobs/%s", store->dir, digest_hex(digest));
    int fd = open(kept, O_RDONLY | O_CLOEXEC);

    return fd >= 0 ? fd : open(pushed, O_RDONLY | O_CLOEXEC);
}

bool image_may_keep(const ImageStore *store, int64_t size)
{
    struct statvfs fs;
    uint64_t left;

    if (statvfs(store->dir, &fs) < 0)
        return false;
    left = (uint64_t)fs.f_blocks / 100 * (100 - KEEP_PERCENT) * fs.f_frsize;
    return (uint64_t)fs.f_bavail * fs.f_frsize >= left + (uint64_t)size;
}

locale_t image_utf8_begin(locale_t *made)
{
    *made = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    return *made ? uselocale(*made) : (locale_t)0;
}

#define UNPACK_NICE 5

void image_yield_cores(void)
{
    /* On Linux, this is about the calling thread only. If it fails, the thread is as important as the others. */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), UNPACK_NICE);
}

void image_utf8_end(locale_t before, locale_t made)
{
    if (before)
        uselocale(before);
    if (made)
        freelocale(made);
}

/* ---- find ---- */

static ImageRecord *find_by_digest(ImageStore *store, const char *digest)
{
    STRMAP_EACH(&store->records, slot) {
        ImageRecord *record = slot->value;

        if (strcmp(record->id, digest) == 0 || strcmp(record->digest, digest) == 0 ||
            strcmp(record->member, digest) == 0)
            return record;
    }
    return NULL;
}

ImageRecord *image_record_find(ImageStore *store, const char *name, Arena *arena, ImageFound *ret)
{
    const char *normalized, *names[2], *digest = strchr(name, '@');

    *ret = (ImageFound){0};
    if (digest_is_valid(name))
        return find_by_digest(store, name);
    normalized = image_normalize(arena, name);
    if (!normalized)
        return NULL;
    names[0] = normalized;
    names[1] = image_name_sibling(arena, normalized);
    for (size_t i = 0; i < ARRAY_LEN(names) && names[i]; i++) {
        ImageRecord *record = strmap_get(&store->records, names[i]);
        const char *own = NULL;
        Builtin *builtin = NULL;

        if (!record || !str_empty(record->stamp))
            builtin = image_builtin_of(store, names[i], &own);
        if (!record && builtin && strcmp(own, names[i]) != 0) {
            record = strmap_get(&store->records, own);
            ret->name = names[i];
        }
        if (builtin && (!record || strcmp(record->stamp, builtin->stamp) != 0))
            ret->builtin = builtin;
        if (record || builtin)
            return record;
    }
    return digest ? find_by_digest(store, digest + 1) : NULL;
}

static int fill_image(ImageStore *store, const ImageRecord *record, Arena *arena, Image *ret,
                      Err *reterr)
{
    _free_ char *path = image_blob_path(store, record->id), *text = NULL;
    size_t n = 0;
    int r = file_read(path, JSON_BYTES_MAX, &text, &n);

    *ret = (Image){0};
    if (r < 0)
        return err_set(reterr, -r, "read %s", path);
    r = image_config_decode((Bytes){(uint8_t *)text, n}, arena, ret, reterr);
    if (r < 0)
        return ERR_TRACE(r);
    ret->name = arena_strdup(arena, record->name);
    ret->id = arena_strdup(arena, record->id);
    ret->digest = arena_strdup(arena, record->digest);
    ret->size = record->size;
    ret->remote = record->remote;
    ret->builtin = !str_empty(record->stamp);
    ret->source = arena_strdup(arena, str_or(record->source, ""));
    ret->layers.v = arena_new_n(arena, const char *, record->layers.n + 1);
    for (size_t i = 0; i < record->layers.n; i++)
        ret->layers.v[ret->layers.n++] =
            arena_printf(arena, "%s/layers/%s", store->dir, digest_hex(record->layers.v[i]));
    return 0;
}

/* Imports the built-in archive that has the name, unless it has been imported. Returns 0 if
 * there is no such archive. */
static int bring(ImageStore *store, const char *name, Err *reterr)
{
    _arena_ Arena arena = ARENA_INIT;
    const char *path = NULL, *stamp = NULL;
    ImageFound found;
    int r = 0;

    /* another thread may be importing it, and has finished then */
    uv_mutex_lock(&store->write_lock);
    uv_mutex_lock(&store->lock);
    (void)image_record_find(store, name, &arena, &found);
    if (found.builtin) {
        path = arena_strdup(&arena, found.builtin->path);
        stamp = arena_strdup(&arena, found.builtin->stamp);
    }
    uv_mutex_unlock(&store->lock);
    if (path)
        r = image_import_locked(store, path, 0, stamp, NULL, NULL, NULL, reterr);
    uv_mutex_unlock(&store->write_lock);
    return ERR_TRACE(r);
}

/* Returns 0, IMAGE_E_MISSING or -errno. *ret_bring: a built-in archive has the image, or a newer
 * version of it. */
static int find_once(ImageStore *store, const char *name, Arena *arena, Image *ret, bool *ret_bring,
                     Err *reterr)
{
    ImageRecord *record;
    int r = IMAGE_E_MISSING;
    ImageFound found;

    uv_mutex_lock(&store->lock);
    record = image_record_find(store, name, arena, &found);
    *ret_bring = found.builtin != NULL;
    if (record)
        r = fill_image(store, record, arena, ret, reterr);
    if (r == 0 && found.name)
        ret->name = arena_strdup(arena, found.name);
    uv_mutex_unlock(&store->lock);
    return r;
}

/* The access time of the record says when the image was last used. */
static void note_use(ImageStore *store, const char *name)
{
    static const struct timespec times[] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
    _arena_ Arena arena = ARENA_INIT;
    _free_ char *path = NULL;
    const ImageRecord *record;
    ImageFound found;

    uv_mutex_lock(&store->lock);
    record = image_record_find(store, name, &arena, &found);
    path = record ? image_record_path(store, record->name) : NULL;
    uv_mutex_unlock(&store->lock);
    if (path && utimensat(AT_FDCWD, path, times, 0) < 0) {
        /* Then it only looks as if it had not been used for longer. */
    }
}

void image_bring(ImageStore *store, const char *name)
{
    _arena_ Arena arena = ARENA_INIT;
    Err err = ERR_INIT; /* whoever fails has logged it */
    ImageFound found;

    if (store->elsewhere.bring)
        (void)store->elsewhere.bring(store->elsewhere.data, store, name, &err);
    uv_mutex_lock(&store->lock);
    (void)image_record_find(store, name, &arena, &found);
    uv_mutex_unlock(&store->lock);
    if (found.builtin)
        (void)bring(store, name, NULL);
    note_use(store, name);
}

void image_store_set_elsewhere(ImageStore *store, const ImageElsewhere *elsewhere)
{
    ASSERT(!store->elsewhere.data);
    store->elsewhere = *elsewhere;
}

void image_list_elsewhere(ImageStore *store, Arena *arena, ImageElsewhereEach each, void *data)
{
    if (store->elsewhere.list)
        store->elsewhere.list(store->elsewhere.data, arena, each, data);
}

int image_find(ImageStore *store, const char *name, Arena *arena, Image *ret, Err *reterr)
{
    bool wanted;
    int r = find_once(store, name, arena, ret, &wanted, reterr);

    if (wanted) {
        r = bring(store, name, reterr);
        if (r < 0)
            return ERR_TRACE(r);
        r = find_once(store, name, arena, ret, &wanted, reterr);
    }
    if (r == IMAGE_E_MISSING)
        err_set(reterr, 0, "there is no image %s on this machine", name);
    return r;
}

/* ---- list ---- */

typedef struct Listed {
    const char *name;
    const PlannedImage *planned; /* from an archive that has not been imported */
    int64_t size;
} Listed;

typedef VEC(Listed) ListedVec;

static int compare_listed(const void *a, const void *b)
{
    return strcmp(((const Listed *)a)->name, ((const Listed *)b)->name);
}

static bool has_record(ImageStore *store, const char *name)
{
    bool has;

    uv_mutex_lock(&store->lock);
    has = strmap_get(&store->records, name) != NULL;
    uv_mutex_unlock(&store->lock);
    return has;
}

/* Built-in images are listed even before they are imported. */
static void list_builtin(ImageStore *store, const Builtin *builtin, Arena *arena, ListedVec *all)
{
    struct stat st;
    Plan plan = {0};

    if (stat(builtin->path, &st) < 0 ||
        plan_archive(builtin->path, SOURCE_ANY, arena, &plan, NULL) < 0)
        return;
    for (size_t i = 0; i < plan.n; i++)
        for (size_t j = 0; j < plan.v[i].names.n; j++)
            if (!has_record(store, plan.v[i].names.v[j]))
                VEC_PUSH(all, ((Listed){plan.v[i].names.v[j], &plan.v[i], st.st_size}));
}

static int fill_planned(const Listed *listed, Arena *arena, Image *ret)
{
    int r = image_config_decode(listed->planned->config, arena, ret, NULL);

    ret->name = listed->name;
    ret->id = listed->planned->id;
    ret->digest = str_or(listed->planned->digest, "");
    ret->size = listed->size;
    ret->builtin = true;
    ret->source = "";
    return ERR_TRACE(r);
}

void image_list(ImageStore *store, Arena *arena, void (*each)(void *data, const Image *image),
                void *data)
{
    ListedVec all = VEC_INIT;

    for (size_t i = 0; i < store->builtins.n; i++)
        list_builtin(store, &store->builtins.v[i], arena, &all);
    uv_mutex_lock(&store->lock);
    STRMAP_EACH(&store->records, slot)
        VEC_PUSH(&all, ((Listed){arena_strdup(arena, slot->key), NULL, 0}));
    uv_mutex_unlock(&store->lock);
    if (all.n > 0)
        qsort(all.v, all.n, sizeof(*all.v), compare_listed);
    for (size_t i = 0; i < all.n; i++) {
        const ImageRecord *record;
        Image image = {0};
        int r = -ENOENT;

        uv_mutex_lock(&store->lock);
        record = strmap_get(&store->records, all.v[i].name);
        if (record && !all.v[i].planned)
            r = fill_image(store, record, arena, &image, NULL);
        uv_mutex_unlock(&store->lock);
        if (all.v[i].planned)
            r = fill_planned(&all.v[i], arena, &image);
        if (r >= 0)
            each(data, &image);
    }
    VEC_DEINIT(&all);
}

typedef struct NameListed {
    const char *name;
    bool builtin;
} NameListed;

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const NameListed *)a)->name, ((const NameListed *)b)->name);
}

void image_list_names(ImageStore *store, Arena *arena,
                      void (*each)(void *data, const char *name, bool builtin), void *data)
{
    VEC(NameListed) all = VEC_INIT;

    uv_mutex_lock(&store->lock);
    STRMAP_EACH(&store->records, slot)
        VEC_PUSH(&all, ((NameListed){arena_strdup(arena, slot->key),
                                     !str_empty(((ImageRecord *)slot->value)->stamp)}));
    uv_mutex_unlock(&store->lock);
    if (all.n > 0)
        qsort(all.v, all.n, sizeof(*all.v), compare_names);
    for (size_t i = 0; i < all.n; i++)
        each(data, all.v[i].name, all.v[i].builtin);
    VEC_DEINIT(&all);
}

static int64_t timespec_ns(const struct timespec *time)
{
    return (int64_t)time->tv_sec * NS_PER_SEC + time->tv_nsec;
}

void image_record_times(const ImageStore *store, const char *name, int64_t *ret_used,
                        int64_t *ret_stored)
{
    _free_ char *path = image_record_path(store, name);
    struct stat st;
    bool found = stat(path, &st) == 0;

    *ret_stored = found ? timespec_ns(&st.st_mtim) : 0;
    *ret_used = found ? MAX_OF(timespec_ns(&st.st_atim), *ret_stored) : 0;
}

int64_t image_last_used(ImageStore *store, const char *name)
{
    int64_t used, stored;

    image_record_times(store, name, &used, &stored);
    return used / NS_PER_SEC;
}

/* ---- tag ---- */

int image_tag(ImageStore *store, const char *name, const char *new_name, Arena *arena,
              const char **ret_normalized, Err *reterr)
{
    const char *normalized = image_normalize(arena, new_name);
    ImageRecord *record;
    ImageFound found;
    int r = IMAGE_E_MISSING;

    if (!normalized || strchr(normalized, '@'))
        return err_set(reterr, 0, "%s is not a valid name for an image; web:1 would be", new_name);
    image_bring(store, name);
    uv_mutex_lock(&store->write_lock);
    uv_mutex_lock(&store->lock);
    record = image_record_find(store, name, arena, &found);
    record = record ? image_record_copy(record, normalized) : NULL;
    uv_mutex_unlock(&store->lock);
    if (record)
        r = image_record_publish(store, record, reterr);
    uv_mutex_unlock(&store->write_lock);
    if (r == IMAGE_E_MISSING)
        err_set(reterr, 0, "there is no image %s on this machine", name);
    *ret_normalized = normalized;
    return r;
}

void image_hold(ImageStore *store)
{
    uv_mutex_lock(&store->lock);
    store->holds++;
    uv_mutex_unlock(&store->lock);
}

void image_release(ImageStore *store)
{
    uv_mutex_lock(&store->lock);
    ASSERT(store->holds > 0);
    store->holds--;
    uv_mutex_unlock(&store->lock);
}

/* ---- import ---- */

static int import_until(ImageStore *store, const char *file, uint64_t limit,
                        const atomic_bool *stop, StringArray *ret_names, Arena *arena, Err *reterr)
{
    int r;

    uv_mutex_lock(&store->write_lock);
    r = image_import_locked(store, file, limit, "", stop, ret_names, arena, reterr);
    uv_mutex_unlock(&store->write_lock);
    return ERR_TRACE(r);
}

int image_import(ImageStore *store, const char *file, uint64_t limit, StringArray *ret_names,
                 Arena *arena, Err *reterr)
{
    return import_until(store, file, limit, store->stop, ret_names, arena, reterr);
}

void image_store_stop_on(ImageStore *store, const atomic_bool *stop)
{
    store->stop = stop;
}

struct ImageImport {
    uv_work_t work;
    ImageStore *store;
    char *file;
    uint64_t limit;
    ImageImportDone done;
    void *data;
    Arena arena;
    StringArray names;
    Err err;
    int result;
    atomic_bool stop;
};

static void run_import(uv_work_t *work)
{
    ImageImport *call = work->data;

    call->result = import_until(call->store, call->file, call->limit, &call->stop, &call->names,
                                &call->arena, &call->err);
}

static void on_import_done(uv_work_t *work, int status _unused_)
{
    ImageImport *call = work->data;

    image_store_close(call->store);
    if (call->done)
        call->done(call->data, call->result < 0 ? NULL : &call->names,
                   call->result < 0 ? &call->err : NULL);
    arena_clear(&call->arena);
    free(call->file);
    free(call);
}

ImageImport *image_import_async(ImageStore *store, const char *file, uint64_t limit,
                                ImageImportDone done, void *data)
{
    ImageImport *call = mem_new_type(ImageImport);

    call->work.data = call;
    call->store = image_store_ref(store);
    call->file = mem_strdup(file);
    call->limit = limit;
    call->done = done;
    call->data = data;
    uv_queue_work(store->loop, &call->work, run_import, on_import_done);
    return call;
}

void image_import_cancel(ImageImport *call)
{
    atomic_store(&call->stop, true);
}

/* ---- open and close ---- */

void image_store_set_limits(ImageStore *store, uint64_t bytes, uint64_t entries)
{
    store->limits = (ImageLimits){.bytes = bytes, .entries = entries};
}

static int make_folders(ImageStore *store, Err *reterr)
{
    static const char *const names[] = {"blobs", "grants", "kept", "layers",
                                        "names", "pulls",  "tmp"};
    _free_ char *tmp = mem_printf("%s/tmp", store->dir);
    int r = file_remove_tree(tmp);

    for (size_t i = 0; i < ARRAY_LEN(names) && r >= 0; i++) {
        _free_ char *path = mem_printf("%s/%s", store->dir, names[i]);

        r = file_mkdir_all(path, 0700);
    }
    return r < 0 ? err_set(reterr, -r, "make the folders of %s", store->dir) : 0;
}

/* Without one, no layer counts that was not synced. */
static void read_boot_id(ImageStore *store)
{
    _free_ char *text = NULL;
    size_t n;

    if (file_read("/proc/sys/kernel/random/boot_id", 128, &text, &n) < 0)
        return;
    snprintf(store->boot, sizeof(store->boot), "%.*s", (int)strcspn(text, "\n"), text);
}

int image_store_open(struct uv_loop_s *loop, const char *dir, const char *builtin_dir,
                     ImageStore **ret, Err *reterr)
{
    ImageStore *store = mem_new_type(ImageStore);
    int r;

    store->loop = loop;
    store->references = 1;
    store->dir = mem_strdup(dir);
    read_boot_id(store);
    image_store_set_limits(store, IMPORT_BYTES_MAX, IMPORT_ENTRIES_MAX);
    uv_mutex_init(&store->lock);
    uv_mutex_init(&store->write_lock);
    r = make_folders(store, reterr);
    if (r >= 0)
        r = image_records_load(store, reterr);
    if (r < 0) {
        image_store_close(store);
        return ERR_TRACE(r);
    }
    image_intents_load(store);
    image_sweep(store); /* removes layers without a name that a crash has left */
    image_builtins_find(store, builtin_dir);
    *ret = store;
    return 0;
}

ImageStore *image_store_ref(ImageStore *store)
{
    store->references++;
    return store;
}

ImageStore *image_store_close(ImageStore *store)
{
    if (!store || --store->references > 0)
        return NULL;
    if (store->elsewhere.free)
        store->elsewhere.free(store->elsewhere.data);
    STRMAP_DEINIT_WITH(&store->records, image_record_free);
    for (size_t i = 0; i < store->builtins.n; i++) {
        Builtin *builtin = &store->builtins.v[i];

        for (size_t j = 0; j < builtin->names.n; j++)
            free(builtin->names.v[j]);
        VEC_DEINIT(&builtin->names);
        free(builtin->path);
        free(builtin->stamp);
    }
    VEC_DEINIT(&store->builtins);
    image_intents_clear(store);
    uv_mutex_destroy(&store->write_lock);
    uv_mutex_destroy(&store->lock);
    free(store->dir);
    free(store);
    return NULL;
}
