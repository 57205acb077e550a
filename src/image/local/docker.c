/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Docker's own store (the driver overlay2), below /var/lib/docker or "data-root" of /etc/docker/daemon.json:
 *
 *   image/overlay2/repositories.json                         {"Repositories":{"app":{"app:1":"sha256:ID"}}}
 *   image/overlay2/imagedb/content/sha256/ID                 the config
 *   image/overlay2/imagedb/metadata/sha256/ID/lastUpdated    when it was tagged
 *   image/overlay2/layerdb/sha256/CHAIN/cache-id             the name of the layer's folder
 *   overlay2/CACHE-ID/diff                                   the layer
 *
 * A newer Docker may keep images in containerd's store instead, in the namespace "moby".
 */
#include <yyjson.h>

#include "base/files/file.h"
#include "image/local/internal.h"

static const char *find_root(Arena *arena)
{
    _free_ char *text = NULL;
    const char *root = NULL;
    size_t n = 0;
    yyjson_doc *doc;

    if (file_read("/etc/docker/daemon.json", 1 << 20, &text, &n) < 0)
        return "/var/lib/docker";
    doc = yyjson_read(text, n, 0);
    root = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "data-root"));
    root = arena_strdup(arena, root && *root == '/' ? root : "/var/lib/docker");
    yyjson_doc_free(doc);
    return root;
}

static int64_t when_tagged(const LocalStore *store, const char *id)
{
    _arena_ Arena arena = ARENA_INIT;
    Bytes text;
    int64_t when = 0;

    if (local_read(store,
                   arena_printf(&arena, "image/overlay2/imagedb/metadata/sha256/%s/lastUpdated",
                                digest_hex(id)),
                   64, NULL, &arena, &text, NULL) >= 0)
        when = local_time((const char *)text.p);
    if (when)
        return when;
    return local_mtime(
        store, arena_printf(&arena, "image/overlay2/imagedb/content/sha256/%s", digest_hex(id)));
}

static void add_names(LocalStore *store, yyjson_val *names)
{
    yyjson_obj_iter iter = yyjson_obj_iter_with(names);
    yyjson_val *key;

    while ((key = yyjson_obj_iter_next(&iter))) {
        const char *id = yyjson_get_str(yyjson_obj_iter_get_val(key)), *name = yyjson_get_str(key),
                   *at = strchr(name, '@');

        if (id && digest_is_valid(id))
            local_entry_add(store, &(LocalEntry){.name = name,
                                                 .id = id,
                                                 .digest = at ? at + 1 : NULL,
                                                 .assigned = when_tagged(store, id),
                                                 .where = id});
    }
}

static int scan(LocalStore *store, Err *reterr)
{
    _arena_ Arena arena = ARENA_INIT;
    yyjson_obj_iter iter;
    yyjson_doc *doc;
    yyjson_val *key;
    Bytes text;
    int r = local_read(store, "image/overlay2/repositories.json", LOCAL_INDEX_BYTES_MAX, NULL,
                       &arena, &text, reterr);

    if (r < 0)
        return ERR_TRACE(r);
    doc = yyjson_read((const char *)text.p, text.n, 0);
    iter = yyjson_obj_iter_with(yyjson_obj_get(yyjson_doc_get_root(doc), "Repositories"));
    while ((key = yyjson_obj_iter_next(&iter)))
        add_names(store, yyjson_obj_iter_get_val(key));
    yyjson_doc_free(doc);
    return 0;
}

static int find_layer(const LocalStore *store, const char *chain, Arena *arena, LocalLayer *ret,
                      Err *reterr)
{
    Bytes name;
    int r = local_read(
        store, arena_printf(arena, "image/overlay2/layerdb/sha256/%s/cache-id", digest_hex(chain)),
        256, NULL, arena, &name, reterr);

    if (r < 0)
        return ERR_TRACE(r);
    if (name.n == 0 || memchr(name.p, '/', name.n) || name.p[0] == '.')
        return err_set(reterr, 0, "the layer %s has a folder without a name", chain);
    ret->folder = arena_printf(arena, "%s/overlay2/%.*s/diff", store->root, (int)name.n, name.p);
    return 0;
}

static int read_image(const LocalStore *store, const LocalEntry *entry, Arena *arena,
                      LocalImage *ret, Err *reterr)
{
    char chain[DIGEST_TEXT];
    StringArray diff_ids;
    Bytes config;
    int r = local_read(
        store,
        arena_printf(arena, "image/overlay2/imagedb/content/sha256/%s", digest_hex(entry->where)),
        JSON_BYTES_MAX, entry->where, arena, &config, reterr);

    if (r >= 0)
        r = local_config(ret, config, arena, &diff_ids, reterr);
    for (size_t i = 0; r >= 0 && i < diff_ids.n; i++) {
        local_chain_id(i ? chain : NULL, diff_ids.v[i], chain);
        r = find_layer(store, chain, arena, &ret->layers[i], reterr);
    }
    return ERR_TRACE(r);
}

static const char *const index_files[] = {"image/overlay2/repositories.json", NULL};
const LocalKind local_docker = {"docker", find_root, index_files, scan, read_image};
