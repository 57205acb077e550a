/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads manifest.json (docker save) or index.json (OCI layout) and makes a list of images, their
 * configs and the paths of their layers. For an archive that has both, as newer versions of docker
 * write it, manifest.json is used, since it has the names.
 *
 * Each blob that is referred to by a digest is verified. If an index has manifests for several
 * platforms, the one for this machine is used. Indexes may be nested a few levels deep.
 */
#include <yyjson.h>

#include "image/plan.h"
#include "image/platform.h"

#define INDEX_DEPTH_MAX 4

typedef struct Planner {
    const char *file;
    Arena *arena;
    uint64_t most;
    StrMap links;
    Plan plan;
    Platform own;
    VEC(yyjson_doc *) docs;
    Err *reterr;
} Planner;

static int broken(Planner *p, const char *what)
{
    return err_set(p->reterr, 0, "%s: %s", p->file, what);
}

static yyjson_val *parse(Planner *p, Bytes text, const char *what)
{
    yyjson_doc *doc = yyjson_read((const char *)text.p, text.n, 0);

    if (!doc) {
        err_set(p->reterr, 0, "%s: %s is not JSON", p->file, what);
        return NULL;
    }
    VEC_PUSH(&p->docs, doc);
    return yyjson_doc_get_root(doc);
}

static const char *get_string(yyjson_val *object, const char *name)
{
    return yyjson_get_str(yyjson_obj_get(object, name));
}

/* ---- files of the archive ---- */

static void want(Planner *p, StrMap *wanted, const char *path)
{
    if (!strmap_get(wanted, path))
        strmap_put(wanted, path, arena_new(p->arena, Bytes));
}

static Bytes got(const StrMap *wanted, const char *path)
{
    const Bytes *bytes = strmap_get(wanted, path);

    return bytes ? *bytes : BYTES_NULL;
}

/* "blobs/sha256/HEX" of a digest; NULL if the text is not a digest. */
static const char *blob_path(Planner *p, const char *digest)
{
    return digest && digest_is_valid(digest)
               ? arena_printf(p->arena, "blobs/sha256/%s", digest_hex(digest))
               : NULL;
}

/* The digest in a path such as blobs/sha256/HEX or HEX.json; NULL if it has none. */
static const char *promised_digest(Planner *p, const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    size_t n = strlen(base);

    if (str_ends_with(base, ".json"))
        n -= 5;
    if (n != 64 || strspn(base, "0123456789abcdef") != 64 ||
        (slash && !str_starts_with(path, "blobs/sha256/")))
        return NULL;
    return arena_printf(p->arena, "sha256:%.64s", base);
}

static int check_digest(Planner *p, Bytes bytes, const char *expected, const char *what)
{
    char digest[DIGEST_TEXT];

    digest_of(bytes, digest);
    if (expected && strcmp(digest, expected) != 0)
        return err_set(p->reterr, 0, "%s: %s has the digest %s instead of %s", p->file, what,
                       digest, expected);
    return 0;
}

/* ---- images ---- */

static PlannedImage *add_image(Planner *p)
{
    return ARENA_PUSH(p->arena, &p->plan, (PlannedImage){0});
}

static void add_name(Planner *p, PlannedImage *image, const char *name)
{
    const char *normalized = image_normalize(p->arena, name);

    if (normalized)
        ARENA_PUSH_CAP(p->arena, &image->names, &image->names_cap, normalized);
}

/* Fills in the config and the layers, which both formats have in common. paths and blobs have
 * one element per layer; blobs may be NULL. */
static int complete_image(Planner *p, PlannedImage *image, Bytes config, const StringArray *paths,
                          const char *const *blobs)
{
    StringArray diff_ids = {0};
    char id[DIGEST_TEXT];
    int r;

    if (!config.p)
        return broken(p, "an image's config is missing");
    r = image_config_layers(config, p->arena, &diff_ids, p->reterr);
    if (r < 0)
        return err_wrap(p->reterr, "%s", p->file);
    if (diff_ids.n != paths->n || paths->n > LAYERS_MAX)
        return broken(p, "an image's config and manifest do not have the same layers");
    digest_of(config, id);
    image->id = arena_strdup(p->arena, id);
    image->config = config;
    image->n_layers = paths->n;
    image->layers = arena_new_n(p->arena, PlannedLayer, paths->n + 1);
    for (size_t i = 0; i < paths->n; i++)
        image->layers[i] = (PlannedLayer){
            .path = paths->v[i],
            .diff_id = diff_ids.v[i],
            .blob = blobs ? blobs[i] : promised_digest(p, paths->v[i]),
        };
    return 0;
}

/* ---- docker ---- */

static const char *follow_links(Planner *p, const char *path)
{
    for (int hops = 0; hops < 8; hops++) {
        const char *target = strmap_get(&p->links, path);

        if (!target)
            break;
        path = target;
    }
    return path;
}

static const char *clean_path(Planner *p, const char *given)
{
    _free_ char *clean = given ? source_clean_path(given) : NULL;

    return clean && *clean ? arena_strdup(p->arena, follow_links(p, clean)) : NULL;
}

static int plan_docker_image(Planner *p, yyjson_val *json, const StrMap *configs)
{
    const char *config_path = clean_path(p, get_string(json, "Config"));
    yyjson_val *layers = yyjson_obj_get(json, "Layers"), *item;
    yyjson_val *names = yyjson_obj_get(json, "RepoTags");
    PlannedImage *image = add_image(p);
    StringArray paths = {0};
    yyjson_arr_iter iter;
    Bytes config;
    int r;

    if (!config_path)
        return broken(p, "manifest.json names no config");
    config = got(configs, config_path);
    if (!config.p)
        return broken(p, "an image's config is missing");
    r = check_digest(p, config, promised_digest(p, config_path), config_path);
    if (r < 0)
        return r;
    paths.v = arena_new_n(p->arena, const char *, yyjson_arr_size(layers) + 1);
    yyjson_arr_iter_init(layers, &iter);
    while ((item = yyjson_arr_iter_next(&iter))) {
        paths.v[paths.n] = clean_path(p, yyjson_get_str(item));
        if (!paths.v[paths.n++])
            return broken(p, "manifest.json has a layer without a path");
    }
    yyjson_arr_iter_init(names, &iter);
    while ((item = yyjson_arr_iter_next(&iter)))
        if (yyjson_is_str(item))
            add_name(p, image, yyjson_get_str(item));
    return ERR_TRACE(complete_image(p, image, config, &paths, NULL));
}

static int plan_docker(Planner *p, Bytes text)
{
    yyjson_val *root = parse(p, text, "manifest.json"), *item;
    StrMap configs = STRMAP_INIT;
    yyjson_arr_iter iter;
    int r = 0;

    if (!root)
        return -EINVAL;
    if (!yyjson_is_arr(root) || yyjson_arr_size(root) > IMAGES_MAX)
        return broken(p, "manifest.json is no list of images");
    yyjson_arr_iter_init(root, &iter);
    while ((item = yyjson_arr_iter_next(&iter))) {
        const char *path = clean_path(p, get_string(item, "Config"));

        if (path)
            want(p, &configs, path);
    }
    r = source_read_files(p->file, p->most, &configs, NULL, p->arena, p->reterr);
    yyjson_arr_iter_init(root, &iter);
    while (r >= 0 && (item = yyjson_arr_iter_next(&iter)))
        r = plan_docker_image(p, item, &configs);
    strmap_deinit(&configs);
    return ERR_TRACE(r);
}

/* ---- OCI ---- */

/* The name in the annotations. A bare tag is combined with the name of the file. */
static const char *descriptor_name(Planner *p, yyjson_val *descriptor)
{
    yyjson_val *annotations = yyjson_obj_get(descriptor, "annotations");
    const char *name = get_string(annotations, "io.containerd.image.name"), *base;
    int n;

    if (!str_empty(name))
        return name;
    name = get_string(annotations, "org.opencontainers.image.ref.name");
    if (str_empty(name) || strpbrk(name, "/:@"))
        return name;
    base = strrchr(p->file, '/');
    base = base ? base + 1 : p->file;
    n = (int)strcspn(base, ".");
    return arena_printf(p->arena, "localhost/%.*s:%s", n, base, name);
}

/* Reads the blob of a descriptor and verifies its digest. */
static int read_blob(Planner *p, const char *digest, Bytes *ret)
{
    const char *path = blob_path(p, digest);
    StrMap wanted = STRMAP_INIT;
    int r;

    if (!path)
        return broken(p, "a descriptor has no SHA-256 digest");
    want(p, &wanted, path);
    r = source_read_files(p->file, p->most, &wanted, NULL, p->arena, p->reterr);
    *ret = got(&wanted, path);
    strmap_deinit(&wanted);
    if (r < 0)
        return ERR_TRACE(r);
    if (!ret->p)
        return err_set(p->reterr, 0, "%s: the blob %s is missing", p->file, digest);
    return check_digest(p, *ret, digest, "a blob");
}

static int plan_oci_manifest(Planner *p, yyjson_val *json, Bytes text, const char *digest,
                             const char *name)
{
    yyjson_val *layers = yyjson_obj_get(json, "layers"), *item;
    size_t n = yyjson_arr_size(layers);
    PlannedImage *image;
    StringArray paths = {.v = arena_new_n(p->arena, const char *, n + 1)};
    const char **blobs = arena_new_n(p->arena, const char *, n + 1);
    yyjson_arr_iter iter;
    Bytes config;
    int r;

    r = read_blob(p, get_string(yyjson_obj_get(json, "config"), "digest"), &config);
    if (r < 0)
        return ERR_TRACE(r);
    yyjson_arr_iter_init(layers, &iter);
    while ((item = yyjson_arr_iter_next(&iter))) {
        const char *layer = get_string(item, "digest");

        paths.v[paths.n] = blob_path(p, layer);
        if (!paths.v[paths.n])
            return broken(p, "a layer has no SHA-256 digest");
        blobs[paths.n++] = arena_strdup(p->arena, layer);
    }
    image = add_image(p);
    image->digest = arena_strdup(p->arena, digest);
    image->manifest = text;
    if (!str_empty(name))
        add_name(p, image, name);
    return ERR_TRACE(complete_image(p, image, config, &paths, blobs));
}

static int plan_oci_index(Planner *p, yyjson_val *index, const char *name, int depth);

static int plan_descriptor(Planner *p, yyjson_val *descriptor, const char *name, int depth)
{
    const char *digest = get_string(descriptor, "digest"), *own = descriptor_name(p, descriptor);
    yyjson_val *json;
    Bytes text;
    int r;

    if (!platform_fits(descriptor, &p->own))
        return 0;
    if (str_empty(name))
        name = own;
    if (p->plan.n >= IMAGES_MAX || depth > INDEX_DEPTH_MAX)
        return broken(p, "it has too many images, or too deep an index");
    r = read_blob(p, digest, &text);
    if (r < 0)
        return ERR_TRACE(r);
    json = parse(p, text, "a manifest");
    if (!json)
        return -EINVAL;
    if (yyjson_is_arr(yyjson_obj_get(json, "manifests")))
        return plan_oci_index(p, json, name, depth + 1);
    return plan_oci_manifest(p, json, text, digest, name);
}

/* At the top level, each manifest is an image of its own. A nested index lists one manifest per
 * platform. */
static int plan_oci_index(Planner *p, yyjson_val *index, const char *name, int depth)
{
    yyjson_val *manifests = yyjson_obj_get(index, "manifests"), *item;
    yyjson_arr_iter iter;
    int r = 0;

    if (yyjson_arr_size(manifests) > IMAGES_MAX)
        return broken(p, "it has too many images");
    if (depth > 0) {
        item = platform_choose(manifests, &p->own);
        return item ? ERR_TRACE(plan_descriptor(p, item, name, depth)) : 0;
    }
    yyjson_arr_iter_init(manifests, &iter);
    while (r >= 0 && (item = yyjson_arr_iter_next(&iter)))
        r = plan_descriptor(p, item, name, depth);
    return ERR_TRACE(r);
}

static int plan_oci(Planner *p, Bytes text)
{
    yyjson_val *root = parse(p, text, "index.json");
    int r;

    if (!root)
        return -EINVAL;
    r = plan_oci_index(p, root, NULL, 0);
    if (r >= 0 && p->plan.n == 0)
        return err_set(p->reterr, 0, "%s has no image for %s/%s", p->file, p->own.os,
                       p->own.architecture);
    return ERR_TRACE(r);
}

int plan_archive(const char *file, uint64_t most, Arena *arena, Plan *ret, Err *reterr)
{
    Planner p = {.file = file, .most = most, .arena = arena, .reterr = reterr};
    StrMap top = STRMAP_INIT;
    int r;

    platform_own(&p.own);
    want(&p, &top, "manifest.json");
    want(&p, &top, "index.json");
    r = source_read_files(file, most, &top, &p.links, arena, reterr);
    if (r >= 0 && got(&top, "manifest.json").p)
        r = plan_docker(&p, got(&top, "manifest.json"));
    else if (r >= 0 && got(&top, "index.json").p)
        r = plan_oci(&p, got(&top, "index.json"));
    else if (r >= 0)
        r = broken(&p, "it is no image archive: neither manifest.json nor index.json is in it");
    if (r >= 0 && p.plan.n == 0)
        r = broken(&p, "there is no image in it");
    strmap_deinit(&top);
    strmap_deinit(&p.links);
    for (size_t i = 0; i < p.docs.n; i++)
        yyjson_doc_free(p.docs.v[i]);
    VEC_DEINIT(&p.docs);
    *ret = p.plan;
    return ERR_TRACE(r);
}
