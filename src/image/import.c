/* SPDX-License-Identifier: Apache-2.0 */
/* Imports an archive into the store. First its manifests are read. One pass over the archive
 * then unpacks the missing layers, each into a folder below tmp/. When all digests have been
 * verified, everything is synced once, and layers, blobs and names are renamed into place. A
 * failure before that leaves only folders in tmp/, which are removed. */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/files/file.h"
#include "image/plan.h"

/* A layer on top of certain other layers: the same tar on top of different layers counts twice. */
typedef struct NewLayer NewLayer;
struct NewLayer {
    const char *diff_id, *blob; /* of the plan */
    char key[DIGEST_TEXT];      /* the chain id */
    const char *name;           /* of its folder in the store: the key */
    NewLayer *below;            /* NULL: the lowest */
    NewLayer *next_same;        /* of the same diff id */
    /* where it is unpacked; NULL if the store has it, or if it has not been reached yet */
    char *tmp;
    StrMap implied;
    bool done, settled;
    int64_t size;
};

typedef struct Import {
    ImageStore *store;
    const char *file;
    Plan plan;
    StrMap by_path;         /* path in the archive -> the first NewLayer of its diff id */
    StrMap by_diff_id;      /* -> the same */
    StrMap by_key;          /* -> NewLayer */
    VEC(NewLayer *) layers; /* each after the one below it */
    ImageLimits limits;
    bool again; /* another pass over the archive is needed */
} Import;

static bool store_has_layer(const ImageStore *store, const char *key, int64_t *ret_size)
{
    _free_ char *path = image_layer_path(store, key), *text = NULL;
    _free_ char *size_path = image_layer_size_path(store, key);
    size_t n;

    *ret_size = 0;
    if (!file_exists(path) || file_read(size_path, 64, &text, &n) < 0)
        return false;
    text[strcspn(text, "\n")] = 0;
    return str_to_int64(text, 0, INT64_MAX, ret_size) == 0;
}

/* As the OCI image specification defines it. */
static void make_chain_id(const NewLayer *below, const char *diff_id, char ret[static DIGEST_TEXT])
{
    _free_ char *text = below ? mem_printf("%s %s", below->key, diff_id) : NULL;

    if (text)
        digest_of(bytes_from_string(text), ret);
    else
        snprintf(ret, DIGEST_TEXT, "%s", diff_id);
}

static NewLayer *layer_of(Import *import, const char *diff_id, NewLayer *below)
{
    char key[DIGEST_TEXT];
    NewLayer *layer;

    make_chain_id(below, diff_id, key);
    layer = strmap_get(&import->by_key, key);
    if (layer)
        return layer;
    layer = mem_new_type(NewLayer);
    layer->diff_id = diff_id;
    layer->below = below;
    memcpy(layer->key, key, sizeof(key));
    layer->name = layer->key;
    layer->done = layer->settled = store_has_layer(import->store, key, &layer->size);
    layer->next_same = strmap_get(&import->by_diff_id, diff_id);
    strmap_put(&import->by_diff_id, diff_id, layer);
    strmap_put(&import->by_key, key, layer);
    VEC_PUSH(&import->layers, layer);
    return layer;
}

static int collect_image(Import *import, const PlannedImage *image, Err *reterr)
{
    NewLayer *layer = NULL;

    for (size_t i = 0; i < image->n_layers; i++) {
        const PlannedLayer *planned = &image->layers[i];
        const char *diff_id = strmap_get(&import->by_path, planned->path);

        if (diff_id && strcmp(diff_id, planned->diff_id) != 0)
            return err_set(reterr, 0, "%s: %s is said to be two different layers", import->file,
                           planned->path);
        layer = layer_of(import, planned->diff_id, layer);
        layer->blob = planned->blob ? planned->blob : layer->blob;
        if (!diff_id)
            strmap_put(&import->by_path, planned->path, (void *)planned->diff_id);
    }
    return 0;
}

/* Two paths may contain the same layer, and two images may share a path. */
static int collect_layers(Import *import, Err *reterr)
{
    int r = 0;

    for (size_t i = 0; i < import->plan.n && r >= 0; i++)
        r = collect_image(import, &import->plan.images[i], reterr);
    return ERR_TRACE(r);
}

static NewLayer *next_undone(Import *import, const char *diff_id)
{
    NewLayer *layer = diff_id ? strmap_get(&import->by_diff_id, diff_id) : NULL;

    while (layer && layer->done)
        layer = layer->next_same;
    return layer;
}

static int check_layer(const NewLayer *layer, const UnpackedLayer *unpacked, Err *reterr)
{
    if (strcmp(unpacked->diff_id, layer->diff_id) != 0)
        return err_set(reterr, 0, "a layer has the digest %s instead of %s", unpacked->diff_id,
                       layer->diff_id);
    if (layer->blob && strcmp(unpacked->blob, layer->blob) != 0)
        return err_set(reterr, 0, "a layer's blob has the digest %s instead of %s", unpacked->blob,
                       layer->blob);
    return 0;
}

static int on_archive_file(void *data, const char *path, struct archive *archive,
                           int64_t size _unused_, Err *reterr)
{
    Import *import = data;
    NewLayer *layer = next_undone(import, strmap_get(&import->by_path, path));
    UnpackedLayer unpacked = {0};
    _close_fd_ int fd = -1;
    int r;

    if (!layer)
        return 0;
    layer->tmp = image_tmp_path(import->store);
    if (mkdir(layer->tmp, 0755) < 0)
        return err_set(reterr, errno, "make %s", layer->tmp);
    fd = open(layer->tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fchmod(fd, 0755) < 0) /* independent of the umask */
        return err_set(reterr, errno, "open %s", layer->tmp);
    r = layer_unpack(archive, fd, &import->limits, &unpacked, reterr);
    layer->implied = unpacked.implied;
    if (r >= 0)
        r = check_layer(layer, &unpacked, reterr);
    if (r < 0)
        return err_wrap(reterr, "%s: %s", import->file, path);
    layer->size = unpacked.size;
    layer->done = true;
    import->again = import->again || next_undone(import, layer->diff_id);
    return 0;
}

/* Each layer is unpacked once, unless images have it on top of different layers. */
static int unpack_layers(Import *import, Err *reterr)
{
    int r;

    do {
        import->again = false;
        r = source_each(import->file, image_limits_read(&import->limits), on_archive_file, import,
                        reterr);
    } while (r >= 0 && import->again);
    return ERR_TRACE(r);
}

/* ---- folders that layers do not list ---- */

static int open_layer(Import *import, const NewLayer *layer)
{
    _free_ char *path = layer->tmp ? NULL : image_layer_path(import->store, layer->name);
    int fd = open(path ? path : layer->tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

static int settle_layer(Import *import, NewLayer *layer, Err *reterr)
{
    _close_fd_ int root = open_layer(import, layer);
    int below[LAYERS_MAX], r = root;
    size_t n = 0;

    for (const NewLayer *at = layer->below; at && r >= 0 && n < LAYERS_MAX; at = at->below) {
        r = open_layer(import, at);
        if (r >= 0)
            below[n++] = r;
    }
    for (size_t i = 0; i < n / 2; i++) { /* lowest first */
        int fd = below[i];

        below[i] = below[n - 1 - i];
        below[n - 1 - i] = fd;
    }
    r = r < 0 ? err_set(reterr, -r, "open a layer")
              : layer_settle(root, &layer->implied, below, n, reterr);
    for (size_t i = 0; i < n; i++)
        close(below[i]);
    layer->settled = true;
    return ERR_TRACE(r);
}

/* Lower layers come first, since they may have inherited attributes themselves. */
static int settle_layers(Import *import, Err *reterr)
{
    int r = 0;

    for (size_t i = 0; i < import->layers.n && r >= 0; i++)
        if (!import->layers.v[i]->settled && import->layers.v[i]->implied.n)
            r = settle_layer(import, import->layers.v[i], reterr);
    return ERR_TRACE(r);
}

/* An older version named layers by their diff ids. Such a layer can serve as the base of an
 * image whose archive does not contain it. */
static int check_complete(Import *import, Err *reterr)
{
    for (size_t i = 0; i < import->layers.n; i++) {
        NewLayer *layer = import->layers.v[i];

        if (layer->done)
            continue;
        if (!store_has_layer(import->store, layer->diff_id, &layer->size))
            return err_set(reterr, 0, "%s: the layer %s is missing", import->file, layer->diff_id);
        layer->name = layer->diff_id;
        layer->done = true;
    }
    return 0;
}

static int sync_store(Import *import, Err *reterr)
{
    _free_ char *tmp = mem_printf("%s/tmp", import->store->dir);
    _close_fd_ int fd = open(tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || syncfs(fd) < 0)
        return err_set(reterr, errno, "sync %s", tmp);
    return 0;
}

/* The size file is written first: a layer without one does not count as present. */
static int publish_layer(Import *import, NewLayer *layer, Err *reterr)
{
    _free_ char *path = image_layer_path(import->store, layer->name);
    _free_ char *size_path = image_layer_size_path(import->store, layer->name);
    char text[32];
    int n = snprintf(text, sizeof(text), "%" PRId64 "\n", layer->size), r;

    if (!layer->tmp)
        return 0;
    if (FAULT_POINT("image.layer"))
        return err_set(reterr, EIO, "publish a layer");
    r = file_remove_tree(path); /* left by a crash between the two steps */
    if (r >= 0)
        r = file_write_atomic(size_path, text, (size_t)n, 0600);
    if (r < 0)
        return err_set(reterr, -r, "write %s", size_path);
    if (rename(layer->tmp, path) < 0)
        return err_set(reterr, errno, "rename a layer to %s", path);
    free(TAKE_PTR(layer->tmp));
    return 0;
}

static int publish_blob(ImageStore *store, const char *digest, Bytes bytes, Err *reterr)
{
    _free_ char *path = image_blob_path(store, digest);
    int r;

    if (!bytes.p || file_exists(path))
        return 0;
    r = file_write_atomic(path, bytes.p, bytes.n, 0600);
    return r < 0 ? err_set(reterr, -r, "write %s", path) : 0;
}

static ImageRecord *make_record(Import *import, const PlannedImage *image, const char *name,
                                const char *stamp)
{
    ImageRecord *record = mem_new_type(ImageRecord);
    NewLayer *layer = NULL;

    record->name = mem_strdup(name);
    record->id = mem_strdup(image->id);
    record->digest = mem_strdup(str_or(image->digest, ""));
    record->stamp = mem_strdup(stamp);
    for (size_t i = 0; i < image->n_layers; i++) {
        layer = layer_of(import, image->layers[i].diff_id, layer);
        record->size += layer->size;
        VEC_PUSH(&record->layers, mem_strdup(layer->name));
    }
    return record;
}

/* An image that loses its last name is kept under its id, since containers may use it. */
static int keep_nameless(ImageStore *store, ImageRecord *old, Err *reterr)
{
    bool named = false;
    int r;

    STRMAP_EACH(&store->records, slot)
        named = named || strcmp(((ImageRecord *)slot->value)->id, old->id) == 0;
    if (named) {
        image_record_free(old);
        return 0;
    }
    free(old->name);
    old->name = mem_strdup(old->id);
    r = image_record_save(store, old, reterr);
    image_record_free(strmap_put(&store->records, old->name, old));
    return ERR_TRACE(r);
}

static int publish_name(Import *import, const PlannedImage *image, const char *name,
                        const char *stamp, Err *reterr)
{
    ImageStore *store = import->store;
    ImageRecord *record = make_record(import, image, name, stamp), *old;
    int r = image_record_save(store, record, reterr);

    if (r < 0) {
        image_record_free(record);
        return ERR_TRACE(r);
    }
    uv_mutex_lock(&store->lock);
    old = strmap_put(&store->records, record->name, record);
    if (old && strcmp(old->id, record->id) != 0)
        r = keep_nameless(store, old, reterr);
    else
        image_record_free(old);
    uv_mutex_unlock(&store->lock);
    return ERR_TRACE(r);
}

static int publish_image(Import *import, const PlannedImage *image, const char *stamp, Err *reterr)
{
    int r = publish_blob(import->store, image->id, image->config, reterr);

    if (r >= 0 && image->digest)
        r = publish_blob(import->store, image->digest, image->manifest, reterr);
    if (r >= 0 && FAULT_POINT("image.name"))
        r = err_set(reterr, EIO, "write a name");
    for (size_t i = 0; i < image->names.n && r >= 0; i++)
        r = publish_name(import, image, image->names.v[i], stamp, reterr);
    if (r >= 0 && image->names.n == 0)
        r = publish_name(import, image, image->id, stamp, reterr);
    return ERR_TRACE(r);
}

static int publish(Import *import, const char *stamp, Err *reterr)
{
    int r = sync_store(import, reterr);

    for (size_t i = 0; i < import->layers.n && r >= 0; i++)
        r = publish_layer(import, import->layers.v[i], reterr);
    for (size_t i = 0; i < import->plan.n && r >= 0; i++)
        r = publish_image(import, &import->plan.images[i], stamp, reterr);
    return ERR_TRACE(r);
}

static void list_names(const Plan *plan, StringArray *ret, Arena *arena)
{
    size_t n = 0;

    for (size_t i = 0; i < plan->n; i++)
        n += plan->images[i].names.n + 1;
    *ret = (StringArray){.v = arena_new_n(arena, const char *, n)};
    for (size_t i = 0; i < plan->n; i++) {
        for (size_t j = 0; j < plan->images[i].names.n; j++)
            ret->v[ret->n++] = arena_strdup(arena, plan->images[i].names.v[j]);
        if (plan->images[i].names.n == 0)
            ret->v[ret->n++] = arena_strdup(arena, plan->images[i].id);
    }
}

static void import_deinit(Import *import)
{
    for (size_t i = 0; i < import->layers.n; i++) {
        NewLayer *layer = import->layers.v[i];

        if (layer->tmp)
            file_remove_tree(layer->tmp);
        free(layer->tmp);
        strmap_deinit(&layer->implied);
        free(layer);
    }
    VEC_DEINIT(&import->layers);
    strmap_deinit(&import->by_key);
    strmap_deinit(&import->by_path);
    strmap_deinit(&import->by_diff_id);
}

locale_t image_utf8_begin(locale_t *made)
{
    *made = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    return *made ? uselocale(*made) : (locale_t)0;
}

void image_utf8_end(locale_t before, locale_t made)
{
    if (before)
        uselocale(before);
    if (made)
        freelocale(made);
}

int image_import_locked(ImageStore *store, const char *file, uint64_t limit, const char *stamp,
                        StringArray *ret_names, Arena *arena, Err *reterr)
{
    Import import = {.store = store, .file = file, .limits = store->limits};
    _arena_ Arena scratch = ARENA_INIT;
    locale_t made, before = image_utf8_begin(&made);
    int r;

    image_limits_begin(&import.limits, store->dir, limit);
    r = plan_archive(file, image_limits_read(&import.limits), &scratch, &import.plan, reterr);
    if (r >= 0)
        r = collect_layers(&import, reterr);
    if (r >= 0)
        r = unpack_layers(&import, reterr);
    if (r >= 0)
        r = check_complete(&import, reterr);
    if (r >= 0)
        r = settle_layers(&import, reterr);
    if (r >= 0)
        r = publish(&import, stamp, reterr);
    if (r >= 0 && ret_names)
        list_names(&import.plan, ret_names, arena);
    import_deinit(&import);
    image_utf8_end(before, made);
    return r < 0 ? ERR_TRACE(r) : 0;
}

int image_archive_names(const char *file, StringArray *ret, Arena *arena, Err *reterr)
{
    _arena_ Arena scratch = ARENA_INIT;
    locale_t made, before = image_utf8_begin(&made);
    Plan plan = {0};
    int r = plan_archive(file, SOURCE_ANY, &scratch, &plan, reterr);

    if (r >= 0)
        list_names(&plan, ret, arena);
    image_utf8_end(before, made);
    return ERR_TRACE(r);
}
