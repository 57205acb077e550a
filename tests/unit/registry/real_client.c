/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies an image from one registry to another through the client: for real.py, which runs the
 * registries.
 *
 *   real_client CONF CERTS AUTH pull NAME             prints the digests of what it reads
 *   real_client CONF CERTS AUTH copy FROM TO CHUNK    chunk size in bytes, 0: in one piece
 *   real_client CONF CERTS AUTH mount NAME DIGEST FROM-REPOSITORY
 *
 * CONF and CERTS are a registries.conf and a folder like certs.d, AUTH is an auth.json. A failure is
 * printed as "outcome KIND: message".
 */
#include <yyjson.h>

#include "base/strbuf.h"
#include "registry/digest.h"
#include "registry/registry.h"

static const char *const outcomes[] = {
    [REGISTRY_E_AUTH] = "auth",
    [REGISTRY_E_MISSING] = "missing",
    [REGISTRY_E_THROTTLED] = "throttled",
    [REGISTRY_E_UNAVAILABLE] = "unavailable",
    [REGISTRY_E_UNKNOWN_HOST] = "unknown host",
    [REGISTRY_E_BAD_DATA] = "bad data",
    [REGISTRY_E_REFUSED] = "refused",
};

typedef struct Client {
    Arena arena;
    RegistryConfig *config;
    Keyring *keyring;
    Err err;
} Client;

static int failed(const Client *client, int r)
{
    printf("outcome %s: %s\n", r > 0 ? outcomes[r] : "error", client->err.message);
    return 1;
}

#define ASK(call)                      \
    do {                               \
        int _r = (call);               \
        if (_r)                        \
            return failed(client, _r); \
    } while (0)

static int open_name(Client *client, const char *name, Registry **ret, ImageReference *ret_name)
{
    ASK(reference_parse(&client->arena, name, ret_name, NULL));
    ASK(registry_open(client->config, ret_name, client->keyring, ret, &client->err));
    return 0;
}

static int read_blob(Client *client, Registry *registry, const Descriptor *blob, StrBuf *ret)
{
    _blob_stream_ BlobStream *stream = NULL;
    const void *p;
    ssize_t n;

    ASK(blob_open(registry, blob, &stream, &client->err));
    while ((n = blob_read(stream, &p, &client->err)) > 0)
        strbuf_add(ret, p, (size_t)n);
    ASK(n < 0 ? MAX_OF(blob_outcome(stream), 1) : 0);
    printf("blob %s %zu\n", blob->digest, ret->n);
    return 0;
}

static ssize_t read_bytes(void *data, void *buffer, size_t size)
{
    Bytes *left = data;
    size_t n = MIN_OF(size, left->n);

    memcpy(buffer, left->p, n);
    left->p += n;
    left->n -= n;
    return (ssize_t)n;
}

static int put_blob(Client *client, Registry *to, const Descriptor *blob, Bytes bytes, size_t chunk)
{
    int r = registry_blob_exists(to, blob->digest, &client->err);

    if (r == 0) {
        printf("there %s\n", blob->digest);
        return 0;
    }
    ASK(r == REGISTRY_E_MISSING ? 0 : r);
    ASK(registry_blob_put(to, blob, chunk, read_bytes, &bytes, &client->err));
    ASK(registry_blob_exists(to, blob->digest, &client->err));
    return 0;
}

/* to NULL: only reads. */
static int copy_blob(Client *client, Registry *from, Registry *to, yyjson_val *json, size_t chunk)
{
    const Descriptor blob = {
        .digest = yyjson_get_str(yyjson_obj_get(json, "digest")),
        .size = yyjson_get_sint(yyjson_obj_get(json, "size")),
    };
    _strbuf_ StrBuf bytes = STRBUF_INIT;
    int r = read_blob(client, from, &blob, &bytes);

    return r || !to ? r : put_blob(client, to, &blob, strbuf_bytes(&bytes), chunk);
}

static int copy(Client *client, const char *from_name, const char *to_name, size_t chunk)
{
    _registry_ Registry *from = NULL, *to = NULL;
    ImageReference from_reference, to_reference;
    Descriptor head, found;
    yyjson_val *root, *layers;
    yyjson_doc *doc;
    Bytes bytes;
    int r = open_name(client, from_name, &from, &from_reference);

    if (r == 0 && to_name)
        r = open_name(client, to_name, &to, &to_reference);
    if (r)
        return r;
    ASK(registry_head(from, &client->arena, &head, &client->err));
    ASK(registry_manifest(from, head.digest, &client->arena, &found, &bytes, &client->err));
    printf("manifest %s %s\n", found.digest, found.media_type);
    doc = yyjson_read((const char *)bytes.p, bytes.n, 0);
    root = yyjson_doc_get_root(doc);
    layers = yyjson_obj_get(root, "layers");
    r = copy_blob(client, from, to, yyjson_obj_get(root, "config"), chunk);
    for (size_t i = 0; i < yyjson_arr_size(layers) && r == 0; i++)
        r = copy_blob(client, from, to, yyjson_arr_get(layers, i), chunk);
    yyjson_doc_free(doc);
    if (r == 0 && to)
        ASK(registry_manifest_put(to, to_reference.tag, found.media_type, bytes, &client->err));
    return r;
}

static int mount_blob(Client *client, const char *name, const char *digest, const char *from)
{
    _registry_ Registry *registry = NULL;
    ImageReference reference;
    int r = open_name(client, name, &registry, &reference);

    if (r)
        return r;
    ASK(registry_blob_mount(registry, digest, from, &client->err));
    ASK(registry_blob_exists(registry, digest, &client->err));
    printf("mounted %s\n", digest);
    return 0;
}

static int run(Client *client, int argc, char **argv)
{
    const RegistryOptions options = {.conf = argv[1],
                                     .certs = (const char *const[]){argv[2], NULL}};

    client->keyring = keyring_new();
    ASK(registry_config_load(&options, &client->config, &client->err));
    ASK(keyring_add_file(client->keyring, argv[3], &client->err));
    if (str_equal(argv[4], "pull"))
        return copy(client, argv[5], NULL, 0);
    if (str_equal(argv[4], "copy") && argc == 8)
        return copy(client, argv[5], argv[6], strtoul(argv[7], NULL, 10));
    return argc == 8 ? mount_blob(client, argv[5], argv[6], argv[7]) : 2;
}

int main(int argc, char **argv)
{
    Client client = {.err = ERR_INIT};
    int r = argc >= 6 ? run(&client, argc, argv) : 2;

    registry_config_free(client.config);
    keyring_free(client.keyring);
    arena_clear(&client.arena);
    return r;
}
