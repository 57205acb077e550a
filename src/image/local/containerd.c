/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd's store, below /var/lib/containerd:
 *
 *   io.containerd.metadata.v1.bolt/meta.db     v1/NAMESPACE/images/NAME/target/digest, .../updatedat,
 *                                              v1/NAMESPACE/snapshots/overlayfs/CHAIN/name -> KEY
 *   io.containerd.content.v1.content/blobs/sha256/HEX          manifests, configs, and layers as they were pulled
 *   io.containerd.snapshotter.v1.overlayfs/metadata.db         v1/snapshots/KEY/id -> N
 *   io.containerd.snapshotter.v1.overlayfs/snapshots/N/fs      the layer
 *
 * A layer that is not unpacked is unpacked from its blob.
 */
#include <yyjson.h>

#include "image/local/bolt.h"
#include "image/local/internal.h"
#include "image/platform.h"

#define META "io.containerd.metadata.v1.bolt/meta.db"
#define SNAPSHOTTER "io.containerd.snapshotter.v1.overlayfs"
#define INDEX_DEPTH_MAX 4
/* Go's zero time, the first of January of the year 1, in seconds before 1970. */
#define YEAR_1 INT64_C(62135596800)

static const char *find_root(Arena *arena _unused_)
{
    return "/var/lib/containerd";
}

static bool bolt_path(const Bolt *bolt, const char *const *names, BoltBucket *ret)
{
    *ret = bolt_root(bolt);
    for (; *names; names++) {
        BoltBucket in = *ret;

        if (!bolt_bucket(&in, *names, ret))
            return false;
    }
    return true;
}

/* ---- the list ---- */

typedef struct Scan {
    LocalStore *store;
    const Bolt *bolt;
    const char *ns;
    BoltBucket in;
} Scan;

/* As time.Time is marshaled: a version, the seconds since the year 1 in big-endian, and more. */
static int64_t get_time(const BoltBucket *image, const char *name)
{
    uint64_t seconds = 0;
    Bytes bytes;

    if (!bolt_get(image, name, &bytes) || bytes.n < 9)
        return 0;
    for (int i = 1; i <= 8; i++)
        seconds = seconds << 8 | bytes.p[i];
    return seconds > (uint64_t)YEAR_1 ? (int64_t)(seconds - (uint64_t)YEAR_1) : 0;
}

static bool add_image(void *data, Bytes key, bool is_bucket)
{
    Scan *scan = data;
    Arena *arena = &scan->store->arena;
    const char *name = arena_strndup(arena, (const char *)key.p, key.n);
    BoltBucket image, target;
    Bytes digest;
    LocalEntry entry = {.name = name, .where = scan->ns};

    if (!is_bucket || !bolt_bucket(&scan->in, name, &image) ||
        !bolt_bucket(&image, "target", &target) || !bolt_get(&target, "digest", &digest))
        return true;
    entry.digest = arena_strndup(arena, (const char *)digest.p, digest.n);
    entry.assigned = get_time(&image, "updatedat");
    if (digest_is_valid(entry.digest))
        local_entry_add(scan->store, &entry);
    return scan->store->entries.n < LOCAL_ENTRIES_MAX;
}

static bool add_namespace(void *data, Bytes key, bool is_bucket)
{
    Scan *scan = data;

    if (!is_bucket)
        return true;
    scan->ns = arena_strndup(&scan->store->arena, (const char *)key.p, key.n);
    if (bolt_path(scan->bolt, (const char *const[]){"v1", scan->ns, "images", NULL}, &scan->in))
        bolt_each(&scan->in, add_image, scan);
    return true;
}

static int scan(LocalStore *store, Err *reterr)
{
    _free_ char *path = mem_printf("%s/" META, store->root);
    BoltBucket top;
    Bolt bolt;
    Scan call = {.store = store, .bolt = &bolt};
    int r = bolt_open(path, &bolt, reterr);

    if (r < 0)
        return ERR_TRACE(r);
    if (bolt_path(&bolt, (const char *const[]){"v1", NULL}, &top))
        bolt_each(&top, add_namespace, &call);
    bolt_close(&bolt);
    return 0;
}

/* ---- an image ---- */

static const char *blob_path(const char *digest, Arena *arena)
{
    return arena_printf(arena, "io.containerd.content.v1.content/blobs/sha256/%s",
                        digest_hex(digest));
}

static const char *digest_of_descriptor(yyjson_val *descriptor)
{
    const char *digest = yyjson_get_str(yyjson_obj_get(descriptor, "digest"));

    return digest && digest_is_valid(digest) ? digest : NULL;
}

/* Reads the manifest for this machine. The caller frees the document. */
static int read_manifest(const LocalStore *store, const char *digest, Arena *arena,
                         yyjson_doc **ret, Err *reterr)
{
    Platform own;

    platform_own(&own);
    for (int depth = 0; depth < INDEX_DEPTH_MAX; depth++) {
        yyjson_val *manifests;
        Bytes text;
        int r = local_read(store, blob_path(digest, arena), JSON_BYTES_MAX, digest, arena, &text,
                           reterr);

        if (r < 0)
            return ERR_TRACE(r);
        *ret = yyjson_read((const char *)text.p, text.n, 0);
        manifests = yyjson_obj_get(yyjson_doc_get_root(*ret), "manifests");
        if (!manifests)
            return *ret ? 0 : err_set(reterr, 0, "the manifest %s is not JSON", digest);
        digest = digest_of_descriptor(platform_choose(manifests, &own));
        digest = digest ? arena_strdup(arena, digest) : NULL;
        yyjson_doc_free(TAKE_PTR(*ret));
        if (!digest)
            return err_set(reterr, 0, "it has no image for this machine");
    }
    return err_set(reterr, 0, "it has too deep an index");
}

/* The folder of the layer with this chain id; NULL if it is not unpacked. */
static const char *find_snapshot(const LocalStore *store, const Bolt *meta, const Bolt *snapshots,
                                 const char *ns, const char *chain, Arena *arena)
{
    BoltBucket in;
    Bytes bytes;
    const char *key;
    uint64_t id = 0;

    if (!bolt_path(meta, (const char *const[]){"v1", ns, "snapshots", "overlayfs", chain, NULL},
                   &in) ||
        !bolt_get(&in, "name", &bytes))
        return NULL;
    key = arena_strndup(arena, (const char *)bytes.p, bytes.n);
    if (!bolt_path(snapshots, (const char *const[]){"v1", "snapshots", key, NULL}, &in) ||
        !bolt_get(&in, "id", &bytes))
        return NULL;
    for (size_t i = 0; i < bytes.n && i < 9; i++) { /* a varint */
        id |= (uint64_t)(bytes.p[i] & 0x7f) << (7 * i);
        if (!(bytes.p[i] & 0x80))
            return arena_printf(arena, "%s/" SNAPSHOTTER "/snapshots/%" PRIu64 "/fs", store->root,
                                id);
    }
    return NULL;
}

static void find_snapshots(const LocalStore *store, const char *ns, const StringArray *diff_ids,
                           Arena *arena, LocalImage *ret)
{
    _free_ char *meta_path = mem_printf("%s/" META, store->root),
                *path = mem_printf("%s/" SNAPSHOTTER "/metadata.db", store->root);
    char chain[DIGEST_TEXT];
    Bolt meta = {0}, snapshots = {0};

    if (bolt_open(meta_path, &meta, NULL) >= 0 && bolt_open(path, &snapshots, NULL) >= 0)
        for (size_t i = 0; i < diff_ids->n; i++) {
            local_chain_id(i ? chain : NULL, diff_ids->v[i], chain);
            ret->layers[i].folder = find_snapshot(store, &meta, &snapshots, ns, chain, arena);
        }
    bolt_close(&meta);
    bolt_close(&snapshots);
}

static int find_blobs(const LocalStore *store, yyjson_val *manifest, size_t n, Arena *arena,
                      LocalImage *ret, Err *reterr)
{
    yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(manifest, "layers"));
    yyjson_val *layer;
    size_t i = 0;

    if (yyjson_arr_size(yyjson_obj_get(manifest, "layers")) != n)
        return err_set(reterr, 0, "its config and its manifest do not have the same layers");
    while ((layer = yyjson_arr_iter_next(&iter))) {
        const char *digest = digest_of_descriptor(layer);

        if (!digest)
            return err_set(reterr, 0, "a layer has no SHA-256 digest");
        ret->layers[i].digest = arena_strdup(arena, digest);
        ret->layers[i++].blob = arena_printf(arena, "%s/%s", store->root, blob_path(digest, arena));
    }
    return 0;
}

static int read_image(const LocalStore *store, const LocalEntry *entry, Arena *arena,
                      LocalImage *ret, Err *reterr)
{
    yyjson_doc *doc = NULL;
    StringArray diff_ids = {0};
    const char *config = NULL;
    Bytes text;
    int r = read_manifest(store, entry->digest, arena, &doc, reterr);

    if (r >= 0) {
        config = digest_of_descriptor(yyjson_obj_get(yyjson_doc_get_root(doc), "config"));
        if (!config)
            r = err_set(reterr, 0, "its manifest names no config");
    }
    if (r >= 0)
        r = local_read(store, blob_path(config, arena), JSON_BYTES_MAX, config, arena, &text,
                       reterr);
    if (r >= 0)
        r = local_config(ret, text, arena, &diff_ids, reterr);
    if (r >= 0)
        r = find_blobs(store, yyjson_doc_get_root(doc), diff_ids.n, arena, ret, reterr);
    if (r >= 0)
        find_snapshots(store, entry->where, &diff_ids, arena, ret);
    yyjson_doc_free(doc);
    return ERR_TRACE(r);
}

static const char *const index_files[] = {META, NULL};
const LocalKind local_containerd = {"containerd", find_root, index_files, scan, read_image};
