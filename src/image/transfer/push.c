/* SPDX-License-Identifier: Apache-2.0 */
/* See transfer.h. A layer that the registry has is not sent; it has to be packed all the same, since only then its digest is known. */
#include "image/transfer/pack.h"
#include "image/transfer/transfer.h"
#include "registry/registry.h"

typedef struct Push {
    Registry *registry;
    const atomic_bool *stop;
} Push;

/* A file that is sent. */
typedef struct Sending {
    int fd;
    const atomic_bool *stop;
} Sending;

static ssize_t read_packed(void *data, void *buffer, size_t size)
{
    const Sending *sending = data;

    if (atomic_load(sending->stop)) {
        errno = ECANCELED;
        return -1;
    }
    return read(sending->fd, buffer, size);
}

typedef struct Text {
    Bytes bytes;
    size_t at;
} Text;

static ssize_t read_text(void *data, void *buffer, size_t size)
{
    Text *text = data;
    size_t n = MIN_OF(size, text->bytes.n - text->at);

    memcpy(buffer, text->bytes.p + text->at, n);
    text->at += n;
    return (ssize_t)n;
}

static int put(Push *push, const Descriptor *blob, RegistryRead read, void *data, Err *reterr)
{
    int r = atomic_load(push->stop) ? err_set(reterr, ECANCELED, "the push was given up")
                                    : registry_blob_exists(push->registry, blob->digest, reterr);

    if (r == REGISTRY_E_MISSING)
        r = registry_blob_put(push->registry, blob, 0, read, data, reterr);
    return r > 0 ? -EIO : r; /* the message has the registry's reason */
}

static int put_layer(void *data, const PackedLayer *layer, Err *reterr)
{
    Descriptor blob = {
        .media_type = MEDIA_TYPE_LAYER "+gzip", .digest = layer->blob, .size = layer->size};
    Push *push = data;
    Sending sending = {.fd = layer->fd, .stop = push->stop};

    return put(push, &blob, read_packed, &sending, reterr);
}

static int push_all(Push *push, ImageStore *store, const char *name, const ImageReference *to,
                    Arena *arena, ImageBundle *bundle, Err *reterr)
{
    int r = image_bundle(store, name, true, put_layer, push, arena, bundle, reterr);
    Descriptor config = {
        .media_type = MEDIA_TYPE_CONFIG, .digest = bundle->id, .size = (int64_t)bundle->config.n};
    Text text = {.bytes = bundle->config};

    if (r == 0)
        r = put(push, &config, read_text, &text, reterr);
    if (r == 0) {
        r = registry_manifest_put(push->registry, str_or(to->tag, "latest"), bundle->media_type,
                                  bundle->manifest, reterr);
        r = r > 0 ? -EIO : r;
    }
    return r;
}

int image_push(ImageStore *store, const char *name, const char *to, const RegistryConfig *config,
               const Keyring *keyring, const atomic_bool *stop, Arena *arena,
               const char **ret_digest, Err *reterr)
{
    ImageReference reference;
    ImageBundle bundle = {0};
    const char *reason;
    Push push = {.stop = stop};
    int r;

    if (reference_parse(arena, to, &reference, &reason) != 0)
        return err_set(reterr, 0, "%s is not the name of an image: %s", to, reason);
    if (reference.digest)
        return err_set(reterr, 0, "%s has a digest; an image is pushed to a tag", to);
    r = registry_open(config, &reference, keyring, &push.registry, reterr);
    if (r != 0)
        return r > 0 ? -EIO : r;
    image_hold(store);
    r = push_all(&push, store, name, &reference, arena, &bundle, reterr);
    image_release(store);
    registry_close(push.registry);
    *ret_digest = r == 0 ? arena_strdup(arena, bundle.digest) : NULL;
    return r;
}
