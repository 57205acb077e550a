/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containers-storage, the store of Podman, Buildah and CRI-O, below "graphroot" of storage.conf. With the driver overlay:
 *
 *   overlay-images/images.json       [{"id":HEX,"digest":...,"names":["localhost/app:latest"],"layer":LAYER,"created":...}]
 *   overlay-images/HEX/=BASE64       big data by name; that named "sha256:HEX" is the config
 *   overlay-layers/layers.json       [{"id":LAYER,"parent":LAYER,"diff-digest":"sha256:..."}]
 *   overlay/LAYER/diff               the layer
 *
 * With the driver vfs, vfs/dir/LAYER has the files of all layers up to this one.
 */
#include <yyjson.h>

#include "base/files/file.h"
#include "image/local/internal.h"

/* ---- storage.conf ---- */

/* The value of `key = "value"` in the text, or NULL. */
static const char *toml_string(const char *text, const char *key, Arena *arena)
{
    size_t n = strlen(key);

    for (const char *line = text; *line;) {
        const char *end = line + strcspn(line, "\n"), *at = line + strspn(line, " \t");

        if (strncmp(at, key, n) == 0) {
            at += n;
            at += strspn(at, " \t");
            if (*at == '=')
                at += 1 + strspn(at + 1, " \t");
            if (*at == '"' || *at == '\'') {
                const char *close = memchr(at + 1, *at, (size_t)(end - at - 1));

                if (close)
                    return arena_strndup(arena, at + 1, (size_t)(close - at - 1));
            }
        }
        line = end + (*end == '\n');
    }
    return NULL;
}

static const char *find_root(Arena *arena)
{
    const char *const files[] = {getenv("CONTAINERS_STORAGE_CONF"), "/etc/containers/storage.conf",
                                 "/usr/share/containers/storage.conf"};

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        _free_ char *text = NULL;
        const char *root;

        if (!files[i] || file_read(files[i], 1 << 20, &text, NULL) < 0)
            continue;
        root = toml_string(text, "graphroot", arena);
        if (root && *root == '/')
            return root;
        break;
    }
    return "/var/lib/containers/storage";
}

/* The drivers whose layers can be used, the usual one first. */
static const char *driver_of(const LocalStore *store)
{
    static const char *const names[] = {"overlay", "vfs"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        _free_ char *path = mem_printf("%s/%s-images/images.json", store->root, names[i]);

        if (file_exists(path))
            return names[i];
    }
    return names[0];
}

static const char *string_of(yyjson_val *object, const char *name)
{
    const char *s = yyjson_get_str(yyjson_obj_get(object, name));

    return s ? s : "";
}

static bool is_hex(const char *s)
{
    size_t n = strlen(s);

    return n > 0 && n <= 128 && strspn(s, "0123456789abcdef") == n;
}

static int read_list(const LocalStore *store, const char *what, Arena *arena, yyjson_doc **ret,
                     Err *reterr)
{
    const char *driver = driver_of(store),
               *path = arena_printf(arena, "%s-%s/%s.json", driver, what, what);
    Bytes text;
    int r = local_read(store, path, LOCAL_INDEX_BYTES_MAX, NULL, arena, &text, reterr);

    if (r < 0)
        return ERR_TRACE(r);
    *ret = yyjson_read((const char *)text.p, text.n, 0);
    return *ret ? 0 : err_set(reterr, 0, "%s is not JSON", path);
}

/* ---- the list ---- */

static void add_image(LocalStore *store, yyjson_val *image)
{
    const char *hex = string_of(image, "id"), *layer = string_of(image, "layer"),
               *digest = string_of(image, "digest");
    yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(image, "names"));
    yyjson_val *name;

    if (!is_hex(hex) || strlen(hex) != 64 || (*layer && !is_hex(layer)))
        return;
    while ((name = yyjson_arr_iter_next(&iter))) {
        LocalEntry entry = {.name = yyjson_get_str(name),
                            .id = arena_printf(&store->arena, "sha256:%s", hex),
                            .digest = digest_is_valid(digest) ? digest : NULL,
                            .assigned = local_time(string_of(image, "created")),
                            .where = layer};

        if (entry.name)
            local_entry_add(store, &entry);
    }
}

static int scan(LocalStore *store, Err *reterr)
{
    _arena_ Arena arena = ARENA_INIT;
    yyjson_arr_iter iter;
    yyjson_doc *doc = NULL;
    yyjson_val *image;
    int r = read_list(store, "images", &arena, &doc, reterr);

    if (r < 0)
        return ERR_TRACE(r);
    iter = yyjson_arr_iter_with(yyjson_doc_get_root(doc));
    while ((image = yyjson_arr_iter_next(&iter)))
        add_image(store, image);
    yyjson_doc_free(doc);
    return 0;
}

/* ---- an image ---- */

/* The file of big data: names of letters, digits and ".-_" are its name; others are encoded. */
static const char *config_path(const LocalStore *store, const char *id, Arena *arena)
{
    char encoded[EVP_ENCODE_LENGTH(DIGEST_TEXT)];

    EVP_EncodeBlock((unsigned char *)encoded, (const unsigned char *)id, (int)strlen(id));
    return arena_printf(arena, "%s-images/%s/=%s", driver_of(store), digest_hex(id), encoded);
}

static yyjson_val *find_layer(yyjson_val *layers, const char *id)
{
    yyjson_arr_iter iter = yyjson_arr_iter_with(layers);
    yyjson_val *layer;

    while ((layer = yyjson_arr_iter_next(&iter)))
        if (str_equal(string_of(layer, "id"), id))
            return layer;
    return NULL;
}

/* From the uppermost one down; each has to be the diff that the config names at its place. */
static int find_layers(const LocalStore *store, yyjson_val *all, const LocalEntry *entry,
                       const StringArray *diff_ids, Arena *arena, LocalImage *ret, Err *reterr)
{
    const char *id = entry->where, *driver = driver_of(store);

    ret->whole = str_equal(driver, "vfs");
    for (size_t i = diff_ids->n; i-- > 0;) {
        yyjson_val *layer = find_layer(all, id);
        const char *diff = string_of(layer, "diff-digest");

        if (!layer || !is_hex(id) || (*diff && !str_equal(diff, diff_ids->v[i])))
            return err_set(reterr, 0, "the layer %s is missing", diff_ids->v[i]);
        ret->layers[i].folder = ret->whole
                                    ? arena_printf(arena, "%s/vfs/dir/%s", store->root, id)
                                    : arena_printf(arena, "%s/%s/%s/diff", store->root, driver, id);
        id = string_of(layer, "parent");
    }
    return *id ? err_set(reterr, 0, "the image has more layers than its config names") : 0;
}

static int read_image(const LocalStore *store, const LocalEntry *entry, Arena *arena,
                      LocalImage *ret, Err *reterr)
{
    yyjson_doc *doc = NULL;
    StringArray diff_ids;
    Bytes config;
    int r = local_read(store, config_path(store, entry->id, arena), JSON_BYTES_MAX, entry->id,
                       arena, &config, reterr);

    if (r >= 0)
        r = local_config(ret, config, arena, &diff_ids, reterr);
    if (r >= 0)
        r = read_list(store, "layers", arena, &doc, reterr);
    if (r >= 0)
        r = find_layers(store, yyjson_doc_get_root(doc), entry, &diff_ids, arena, ret, reterr);
    yyjson_doc_free(doc);
    return ERR_TRACE(r);
}

static const char *const index_files[] = {"overlay-images/images.json", "vfs-images/images.json",
                                          NULL};
const LocalKind local_podman = {"podman", find_root, index_files, scan, read_image};
