/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One job, on its own thread:
 *
 *   1. ask what the name stands for now: by HEAD if the store has an image of this name from a registry, since that is
 *      all if it is still the same, else by fetching the manifest; an index leads to the manifest of the platform
 *   2. fetch the config, which has the diff ids of the layers, and with them their chain ids
 *   3. fetch and unpack layers, each on a thread of its own; the job's thread settles and publishes each as soon as those
 *      below it are there
 *   4. sync the disk, note who may use the image, and write its name
 *
 * Documents and layers that the store has are never fetched.
 */
#include <fcntl.h>

#include "base/files/file.h"
#include "base/time/clock.h"
#include "image/pull/job.h"

#define INDEX_DEPTH_MAX 4
#define STACK_BYTES (1u << 20)

static int canceled(Err *reterr)
{
    return err_set(reterr, ECANCELED, "the pull was given up");
}

/* ---- documents ---- */

/* A document that the store has by its digest. */
static bool read_stored(PullJob *job, const char *digest, Bytes *ret)
{
    _free_ char *path =
                    digest_is_valid(digest) ? image_blob_path(job->puller->store, digest) : NULL,
                *text = NULL;
    size_t n = 0;

    if (!path || file_read(path, JSON_BYTES_MAX, &text, &n) < 0 ||
        !digest_matches((Bytes){(uint8_t *)text, n}, digest))
        return false;
    *ret = arena_bytes(&job->arena, (Bytes){(uint8_t *)text, n});
    return true;
}

/* Reads the manifest or index of this digest; NULL: that of the reference. */
static int read_document(PullJob *job, Registry *registry, const char *digest,
                         const char **ret_digest, Bytes *ret)
{
    Descriptor found;
    int r;

    *ret_digest = digest;
    if (digest && read_stored(job, digest, ret))
        return 0;
    r = registry_manifest(registry, digest, &job->arena, &found, ret, &job->result.err);
    if (r)
        return r;
    if (!digest_is_valid(found.digest))
        return err_set(&job->result.err, 0, "the digest of the manifest is not SHA-256: %.150s",
                       found.digest);
    *ret_digest = found.digest;
    return 0;
}

/* Finds the manifest of the platform. digest: of the document that the name stands for; NULL: ask the registry. */
static int resolve(PullJob *job, Registry *registry, const char *digest, ManifestDocument *ret)
{
    NewImage *image = &job->image;
    int r = read_document(job, registry, digest, &image->digest, &image->document);

    if (r == 0)
        r = manifest_decode(image->document, &job->platform, &job->arena, ret, &job->result.err);
    for (int depth = 0; r == 0 && ret->is_index; depth++) {
        if (depth == INDEX_DEPTH_MAX)
            return err_set(&job->result.err, 0, "the registry's index is nested too deeply");
        if (!digest_is_valid(ret->member.digest))
            return err_set(&job->result.err, 0, "the digest of a manifest is not SHA-256");
        r = read_document(job, registry, ret->member.digest, &image->member,
                          &image->member_document);
        if (r == 0)
            r = manifest_decode(image->member_document, &job->platform, &job->arena, ret,
                                &job->result.err);
    }
    return r;
}

static int read_config(PullJob *job, Registry *registry, const Descriptor *config, Bytes *ret)
{
    _blob_stream_ BlobStream *stream = NULL;
    uint8_t *bytes;
    const void *p;
    size_t done = 0;
    ssize_t n;
    int r;

    if (read_stored(job, config->digest, ret))
        return 0;
    r = blob_open(registry, config, &stream, &job->result.err);
    if (r)
        return r;
    bytes = arena_alloc_raw(&job->arena, (size_t)config->size + 1, 1);
    while ((n = blob_read(stream, &p, &job->result.err)) > 0) {
        if ((size_t)n > (size_t)config->size - done)
            return err_set(&job->result.err, 0, "the image's config is longer than announced");
        memcpy(bytes + done, p, (size_t)n);
        done += (size_t)n;
    }
    *ret = (Bytes){bytes, done};
    return n < 0 ? blob_outcome(stream) ? blob_outcome(stream) : (int)n : 0;
}

/* Refuses a config that is for another platform, which a manifest outside of an index does not reveal. */
static int check_platform(PullJob *job, Bytes config)
{
    Platform made;
    int r = image_config_platform(config, &made, &job->result.err);
    char text[PLATFORM_TEXT];

    if (r < 0 || !*made.architecture ||
        platform_rank(&job->platform, made.os, made.architecture, made.variant) >= 0)
        return ERR_TRACE(r);
    platform_print(&made, text);
    return err_set(&job->result.err, 0, "the image is for %s, not for %s", text,
                   job->platform_text);
}

/* ---- layers ---- */

typedef struct LayerStream {
    BlobStream *stream;
    PullLayer *layer;
    int keep; /* where the bytes are written as they come; -1: nowhere */
} LayerStream;

static ssize_t read_blob(void *data, const void **ret, Err *reterr)
{
    LayerStream *from = data;
    ssize_t n = blob_read(from->stream, ret, reterr);

    if (n > 0)
        __atomic_add_fetch(&from->layer->received, (uint64_t)n, __ATOMIC_RELAXED);
    if (n > 0 && from->keep >= 0 && file_write_fd(from->keep, *ret, (size_t)n) < 0)
        close_fdp(&from->keep); /* the image is more important than the copy */
    return n;
}

/* Gives the copy its name. It is complete, since the layer is. */
static void keep_blob(ImageStore *store, const char *tmp, const char *digest)
{
    _free_ char *path = image_kept_path(store, digest);

    if (rename(tmp, path) < 0)
        unlink(tmp);
}

static int fetch_layer(PullLayer *layer, Err *reterr)
{
    PullJob *job = layer->job;
    ImageStore *store = job->puller->store;
    _blob_stream_ BlobStream *stream = NULL;
    _free_ char *tmp = image_tmp_path(store);
    int r = blob_open(job->registry, &layer->blob, &stream, reterr);

    if (r == 0) {
        LayerStream from = {.stream = stream, .layer = layer, .keep = -1};
        const LayerReader reader = {.read = read_blob, .data = &from, .checked = true};

        if (digest_is_valid(layer->blob.digest) && image_may_keep(store, layer->blob.size))
            from.keep = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        r = new_layer_fill(store, layer->layer, &reader, &job->limits, reterr);
        if (r == 0 && from.keep >= 0)
            keep_blob(store, tmp, layer->blob.digest);
        else
            unlink(tmp);
        close_fdp(&from.keep);
        if (r < 0 && blob_outcome(stream))
            r = blob_outcome(stream);
    }
    if (r == REGISTRY_E_MISSING && layer->foreign)
        err_set(reterr, 0,
                "the layer %s is not in the registry, since its licence forbids to distribute it; "
                "it is not fetched from elsewhere",
                layer->blob.digest);
    return r;
}

/* The first failure of a job counts; what fails because of it does not. The caller holds the lock. */
static void job_failed(PullJob *job, int outcome, const Err *err)
{
    if (job->failed)
        return;
    job->failed = true;
    job->result.outcome = outcome;
    job->result.err = *err;
    registry_cancel(job->registry);
}

static void fetch_main(void *data)
{
    PullLayer *layer = data;
    PullJob *job = layer->job;
    Puller *puller = job->puller;
    locale_t made, before = image_utf8_begin(&made);
    Err err = ERR_INIT;
    int r;

    image_yield_cores();
    r = fetch_layer(layer, &err);

    image_utf8_end(before, made);
    uv_mutex_lock(&puller->lock);
    if (r)
        job_failed(job, r, &err);
    else
        layer->state = LAYER_UNPACKED;
    job->fetching--;
    puller->fetching--;
    uv_cond_broadcast(&puller->changed);
    uv_mutex_unlock(&puller->lock);
}

/* The caller holds the lock. */
static void start_fetch(PullJob *job, PullLayer *layer)
{
    const uv_thread_options_t options = {.flags = UV_THREAD_HAS_STACK_SIZE,
                                         .stack_size = STACK_BYTES};
    Err err = ERR_INIT;

    if (uv_thread_create_ex(&layer->thread, &options, fetch_main, layer) != 0) {
        err_set(&err, EAGAIN, "start a thread");
        job_failed(job, -EAGAIN, &err);
        return;
    }
    layer->has_thread = true;
    layer->state = LAYER_FETCHING;
    job->fetching++;
    job->puller->fetching++;
    strmap_put(&job->puller->in_flight, layer->layer->key, layer);
}

/* Starts what may be started now. A layer that another job fetches is left to it; if that job fails, this one finds the
 * layer neither in the store nor in flight. The caller holds the lock. */
static void start_fetches(PullJob *job)
{
    Puller *puller = job->puller;

    for (size_t i = 0; i < job->n_layers && !job->failed; i++) {
        PullLayer *layer = &job->layers[i];

        if (layer->state != LAYER_WANTED || strmap_get(&puller->in_flight, layer->layer->key))
            continue;
        if (new_layer_look(puller->store, layer->layer))
            layer->state = LAYER_THERE;
        else if (job->fetching < PULL_LAYERS_EACH && puller->fetching < PULL_LAYERS)
            start_fetch(job, layer);
    }
}

/* Publishes an unpacked layer. The caller holds the lock, which is released meanwhile. */
static void publish_layer(PullJob *job, PullLayer *layer)
{
    Puller *puller = job->puller;
    Err err = ERR_INIT;
    int r;

    uv_mutex_unlock(&puller->lock);
    r = new_layer_settle(puller->store, layer->layer, &err);
    if (r >= 0) {
        uv_mutex_lock(&puller->store->write_lock);
        r = new_layer_publish(puller->store, layer->layer, false, &err);
        uv_mutex_unlock(&puller->store->write_lock);
    }
    uv_mutex_lock(&puller->lock);
    if (r < 0)
        job_failed(job, r, &err);
    else
        layer->state = LAYER_THERE;
    if (strmap_get(&puller->in_flight, layer->layer->key) == layer)
        strmap_remove(&puller->in_flight, layer->layer->key);
    uv_cond_broadcast(&puller->changed);
}

/* The lowest layer that is not there, or NULL. */
static PullLayer *first_missing(PullJob *job)
{
    for (size_t i = 0; i < job->n_layers; i++)
        if (job->layers[i].state != LAYER_THERE)
            return &job->layers[i];
    return NULL;
}

/* Waits for a place among the downloads. The caller holds the lock. */
static void wait_for_turn(PullJob *job)
{
    Puller *puller = job->puller;

    while (!job->canceled && puller->downloading >= PULL_DOWNLOADS)
        uv_cond_wait(&puller->changed, &puller->lock);
    job->is_downloading = true;
    puller->downloading++;
}

static void end_turn(PullJob *job)
{
    Puller *puller = job->puller;

    while (job->fetching > 0)
        uv_cond_wait(&puller->changed, &puller->lock);
    for (size_t i = 0; i < job->n_layers; i++)
        if (strmap_get(&puller->in_flight, job->layers[i].layer->key) == &job->layers[i])
            strmap_remove(&puller->in_flight, job->layers[i].layer->key);
    job->is_downloading = false;
    puller->downloading--;
    uv_cond_broadcast(&puller->changed);
}

static int bring_layers(PullJob *job)
{
    Puller *puller = job->puller;
    PullLayer *next;

    uv_mutex_lock(&puller->lock);
    if (first_missing(job))
        wait_for_turn(job);
    while ((next = first_missing(job)) && !job->failed) {
        if (job->canceled) {
            job_failed(job, canceled(&job->result.err), &job->result.err);
        } else if (next->state == LAYER_UNPACKED) {
            publish_layer(job, next);
        } else {
            start_fetches(job);
            next = first_missing(job);
            if (next && next->state != LAYER_UNPACKED && !job->failed)
                uv_cond_wait(&puller->changed, &puller->lock);
        }
    }
    if (job->is_downloading)
        end_turn(job);
    uv_mutex_unlock(&puller->lock);
    for (size_t i = 0; i < job->n_layers; i++)
        if (job->layers[i].has_thread)
            uv_thread_join(&job->layers[i].thread);
    return job->failed ? job->result.outcome : 0;
}

static int begin_intent(PullJob *job)
{
    ImageStore *store = job->puller->store;
    int r;

    if (!job->image.top)
        return 0;
    uv_mutex_lock(&store->write_lock);
    r = image_intent_begin(store, job->name, job->image.top, &job->result.err);
    uv_mutex_unlock(&store->write_lock);
    return ERR_TRACE(r);
}

/* A layer that the store has counts only once the intent is there, which keeps it. */
static int list_layers(PullJob *job, const ManifestDocument *manifest, const StringArray *diff_ids)
{
    Puller *puller = job->puller;
    PullLayer *layers = arena_new_n(&job->arena, PullLayer, manifest->n_layers + 1);
    uint64_t missing = 0;
    int r;

    for (size_t i = 0; i < manifest->n_layers; i++) {
        job->image.top = new_layer(puller->store, diff_ids->v[i], job->image.top);
        job->image.top->blob = manifest->layers[i].digest;
        layers[i] = (PullLayer){.job = job,
                                .layer = job->image.top,
                                .blob = manifest->layers[i],
                                .foreign = manifest->foreign[i]};
    }
    uv_mutex_lock(&puller->lock);
    job->layers = layers;
    job->n_layers = manifest->n_layers;
    uv_mutex_unlock(&puller->lock);
    r = begin_intent(job);
    uv_mutex_lock(&puller->lock);
    for (size_t i = 0; i < job->n_layers; i++) {
        layers[i].layer->done = layers[i].layer->settled = false;
        if (new_layer_look(puller->store, layers[i].layer))
            layers[i].state = LAYER_THERE;
        else
            missing += (uint64_t)layers[i].blob.size;
    }
    uv_mutex_unlock(&puller->lock);
    /* Where the compressed layers are too much already, nothing need be fetched to know it. */
    return r < 0 ? ERR_TRACE(r)
                 : ERR_TRACE(image_limits_file(&job->limits, missing, &job->result.err));
}

/* ---- the name ---- */

/* The Secret that the registry has accepted; NULL: another credential, or none. */
static const PullSecret *accepted_secret(PullJob *job, Registry *registry)
{
    Credential credential;
    char hash[DIGEST_TEXT];

    if (!registry_credential(registry, &credential))
        return NULL;
    credential_hash(&credential, hash);
    for (size_t i = 0; i < job->n_secrets; i++)
        if (str_equal(job->secrets[i].hash, hash))
            return &job->secrets[i];
    return NULL;
}

static int grant(PullJob *job, Registry *registry, const char *id)
{
    ImageStore *store = job->puller->store;
    int r;

    uv_mutex_lock(&store->write_lock);
    r = image_grant(store, id, job->repository, accepted_secret(job, registry), &job->result.err);
    uv_mutex_unlock(&store->write_lock);
    return ERR_TRACE(r);
}

/* What the store has under this name, if it came from a registry and is for this platform. */
static bool find_known(PullJob *job, const char **ret_digest, const char **ret_id,
                       int64_t *ret_size)
{
    ImageStore *store = job->puller->store;
    const ImageRecord *record;
    bool known;

    uv_mutex_lock(&store->lock);
    record = strmap_get(&store->records, job->name);
    known = record && record->remote && str_equal(record->platform, job->platform_text);
    if (record) {
        *ret_digest = arena_strdup(&job->arena, record->digest);
        *ret_id = arena_strdup(&job->arena, record->id);
        *ret_size = record->size;
    }
    uv_mutex_unlock(&store->lock);
    return known;
}

static int publish(PullJob *job)
{
    ImageStore *store = job->puller->store;
    const StringArray names = {.v = &job->name, .n = 1};
    int r = image_sync(store, &job->result.err);

    if (r < 0)
        return ERR_TRACE(r);
    uv_mutex_lock(&store->write_lock);
    r = new_image_publish(store, &job->image, &names, &job->result.err);
    if (r >= 0)
        image_intent_end(store, job->name);
    uv_mutex_unlock(&store->write_lock);
    return ERR_TRACE(r);
}

/* ---- the whole ---- */

static int fetch_image(PullJob *job, Registry *registry, const char *digest)
{
    ManifestDocument manifest;
    StringArray diff_ids = {0};
    int r = resolve(job, registry, digest, &manifest);

    if (r == 0)
        r = read_config(job, registry, &manifest.config, &job->image.config);
    if (r == 0)
        r = check_platform(job, job->image.config);
    if (r == 0)
        r = image_config_layers(job->image.config, &job->arena, &diff_ids, &job->result.err);
    if (r)
        return r;
    if (diff_ids.n != manifest.n_layers)
        return err_set(&job->result.err, 0,
                       "the image's config and manifest do not have the same layers");
    job->image.id = manifest.config.digest;
    job->image.remote = true;
    job->image.platform = job->platform_text;
    job->limits = job->puller->store->limits;
    image_limits_begin(&job->limits, job->puller->store->dir, 0);
    r = list_layers(job, &manifest, &diff_ids);
    if (r == 0)
        r = bring_layers(job);
    if (r == 0)
        r = grant(job, registry, job->image.id);
    return r ? r : publish(job);
}

static int pull(PullJob *job, Registry *registry)
{
    const char *known_digest = NULL, *known_id = NULL, *digest = job->reference.digest;
    int64_t known_size = 0;
    bool known = find_known(job, &known_digest, &known_id, &known_size);
    int r;

    if (known) {
        Descriptor now;

        r = registry_head(registry, &job->arena, &now, &job->result.err);
        if (r)
            return r;
        digest = now.digest;
        if (str_equal(now.digest, known_digest)) {
            job->result.id = known_id;
            job->result.size = known_size;
            return ERR_TRACE(grant(job, registry, known_id));
        }
    }
    r = fetch_image(job, registry, digest);
    if (r)
        return r;
    job->result.id = job->image.id;
    for (const NewLayer *layer = job->image.top; layer; layer = layer->below)
        job->result.size += layer->size;
    job->result.is_new = !str_equal(job->image.id, known_id);
    return 0;
}

void pull_job_run(PullJob *job)
{
    Puller *puller = job->puller;
    uint64_t begin = uv_hrtime();
    Registry *registry = NULL;
    int r =
        registry_open(puller->config, &job->reference, job->keyring, &registry, &job->result.err);

    uv_mutex_lock(&puller->lock);
    job->registry = registry;
    if (registry && job->canceled)
        registry_cancel(registry);
    uv_mutex_unlock(&puller->lock);
    if (r == 0)
        r = pull(job, registry);
    uv_mutex_lock(&puller->lock);
    job->registry = NULL;
    uv_mutex_unlock(&puller->lock);
    for (size_t i = job->n_layers;
         i-- > 0;) /* removes what was unpacked in vain, here and not on the loop */
        job->layers[i].layer = new_layer_free(job->layers[i].layer);
    registry_close(registry);
    job->result.outcome = r;
    job->result.duration_ns = (int64_t)(uv_hrtime() - begin);
}
