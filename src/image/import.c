/* SPDX-License-Identifier: Apache-2.0 */
/* Imports an archive into the store. First its manifests are read. One pass over the archive
 * then unpacks the missing layers, each into a folder below tmp/. When all digests have been
 * verified, everything is synced once, and layers, blobs and names are renamed into place. A
 * failure before that leaves only folders in tmp/, which are removed. */
#include "image/install.h"
#include "image/plan.h"

typedef struct Import {
    ImageStore *store;
    const char *file;
    Plan plan;
    StrMap by_path;         /* path in the archive -> the first NewLayer of its diff id */
    StrMap by_diff_id;      /* -> the same */
    StrMap by_key;          /* -> NewLayer */
    VEC(NewLayer *) layers; /* each after the one below it */
    ImageLimits limits;
    const atomic_bool *stop;
    bool again; /* another pass over the archive is needed */
} Import;

/* The layer of an image, which may be one that an earlier image has, too. */
static NewLayer *layer_of(Import *import, const char *diff_id, NewLayer *below)
{
    NewLayer *layer = new_layer(import->store, diff_id, below);
    NewLayer *known = strmap_get(&import->by_key, layer->key);

    if (known) {
        new_layer_free(layer);
        return known;
    }
    layer->next_same = strmap_get(&import->by_diff_id, diff_id);
    strmap_put(&import->by_diff_id, diff_id, layer);
    strmap_put(&import->by_key, layer->key, layer);
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
        r = collect_image(import, &import->plan.v[i], reterr);
    return ERR_TRACE(r);
}

static NewLayer *next_undone(Import *import, const char *diff_id)
{
    NewLayer *layer = diff_id ? strmap_get(&import->by_diff_id, diff_id) : NULL;

    while (layer && layer->done)
        layer = layer->next_same;
    return layer;
}

static int check_stop(const Import *import, Err *reterr)
{
    return import->stop && atomic_load(import->stop)
               ? err_set(reterr, ECANCELED, "the import was interrupted")
               : 0;
}

typedef struct EntryReader {
    const Import *import;
    struct archive *archive;
    uint8_t bytes[64 << 10];
} EntryReader;

static ssize_t read_entry(void *data, const void **ret, Err *reterr)
{
    EntryReader *reader = data;
    int r = check_stop(reader->import, reterr);
    la_ssize_t n =
        r < 0 ? 0 : archive_read_data(reader->archive, reader->bytes, sizeof(reader->bytes));

    *ret = reader->bytes;
    if (r < 0)
        return r;
    if (n < 0)
        return err_set(reterr, 0, "read the layer: %s",
                       str_or(archive_error_string(reader->archive), "it is damaged"));
    return n;
}

static int on_archive_file(void *data, const char *path, struct archive *archive,
                           int64_t size _unused_, Err *reterr)
{
    Import *import = data;
    NewLayer *layer = next_undone(import, strmap_get(&import->by_path, path));
    _free_ EntryReader *reader = NULL;
    int r;

    if (!layer)
        return 0;
    reader = mem_new_type(EntryReader);
    reader->import = import;
    reader->archive = archive;
    r = new_layer_fill(import->store, layer, &(LayerReader){.read = read_entry, .data = reader},
                       &import->limits, reterr);
    if (r < 0)
        return err_wrap(reterr, "%s: %s", import->file, path);
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

/* Lower layers come first, since they may have inherited attributes themselves. */
static int settle_layers(Import *import, Err *reterr)
{
    int r = 0;

    for (size_t i = 0; i < import->layers.n && r >= 0; i++)
        r = new_layer_settle(import->store, import->layers.v[i], reterr);
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
        if (!image_has_layer(import->store, layer->diff_id, &layer->size))
            return err_set(reterr, 0, "%s: the layer %s is missing", import->file, layer->diff_id);
        layer->name = layer->diff_id;
        layer->done = true;
    }
    return 0;
}

static int publish_image(Import *import, const PlannedImage *planned, const char *stamp,
                         Err *reterr)
{
    const StringArray id = {.v = (const char **)&planned->id, .n = 1};
    NewImage image = {.id = planned->id,
                      .config = planned->config,
                      .digest = planned->digest,
                      .document = planned->manifest,
                      .stamp = stamp};

    for (size_t i = 0; i < planned->n_layers; i++)
        image.top = layer_of(import, planned->layers[i].diff_id, image.top);
    return ERR_TRACE(
        new_image_publish(import->store, &image, planned->names.n ? &planned->names : &id, reterr));
}

static int publish(Import *import, const char *stamp, Err *reterr)
{
    int r = image_sync(import->store, reterr);

    if (r >= 0)
        r = check_stop(import, reterr);
    for (size_t i = 0; i < import->layers.n && r >= 0; i++)
        r = new_layer_publish(import->store, import->layers.v[i], true, reterr);
    for (size_t i = 0; i < import->plan.n && r >= 0; i++)
        r = publish_image(import, &import->plan.v[i], stamp, reterr);
    return ERR_TRACE(r);
}

static void list_names(const Plan *plan, StringArray *ret, Arena *arena)
{
    size_t n = 0;

    for (size_t i = 0; i < plan->n; i++)
        n += plan->v[i].names.n + 1;
    *ret = (StringArray){.v = arena_new_n(arena, const char *, n)};
    for (size_t i = 0; i < plan->n; i++) {
        for (size_t j = 0; j < plan->v[i].names.n; j++)
            ret->v[ret->n++] = arena_strdup(arena, plan->v[i].names.v[j]);
        if (plan->v[i].names.n == 0)
            ret->v[ret->n++] = arena_strdup(arena, plan->v[i].id);
    }
}

static void import_deinit(Import *import)
{
    for (size_t i = 0; i < import->layers.n; i++)
        new_layer_free(import->layers.v[i]);
    VEC_DEINIT(&import->layers);
    strmap_deinit(&import->by_key);
    strmap_deinit(&import->by_path);
    strmap_deinit(&import->by_diff_id);
}

int image_import_locked(ImageStore *store, const char *file, uint64_t limit, const char *stamp,
                        const atomic_bool *stop, StringArray *ret_names, Arena *arena, Err *reterr)
{
    Import import = {.store = store, .file = file, .limits = store->limits, .stop = stop};
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
