/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/image/work.h"

#include <yyjson.h>

#include "base/timefmt.h"
#include "base/vec.h"
#include "codec/json/json.h"
#include "daemon/image/credentials.h"
#include "daemon/image/use.h"
#include "image/make.h"
#include "image/transfer/transfer.h"

/* ---- list ---- */

typedef struct ImageListing {
    ImageWork *work;
    StrMap listed; /* names */
} ImageListing;

static void add_member(StrBuf *out, const char *name, const char *value)
{
    strbuf_printf(out, ",\"%s\":", name);
    json_encode_string(out, value, strlen(value));
}

static void add_time(StrBuf *out, const char *name, int64_t seconds)
{
    char text[TIMEFMT_MAX];

    if (!seconds)
        return;
    timefmt_seconds(seconds, text);
    add_member(out, name, text);
}

/* Adds a row. "where" names the store that has the image, and "containers" is the number of
 * containers that were created from it. */
static void add_image(ImageWork *work, const char *name, const char *id, const char *where)
{
    const ImageUse *use = work->uses ? strmap_get(work->uses, id) : NULL;
    StrBuf *out = &work->text;

    strbuf_add_string(out, out->n > 1 ? ",{\"name\":" : "{\"name\":");
    json_encode_string(out, name, strlen(name));
    add_member(out, "id", id);
    add_member(out, "where", where);
    strbuf_printf(out, ",\"containers\":%zu,\"used\":%s", use ? use->containers : 0,
                  use ? "true" : "false");
}

static const char *where_of(const Image *image)
{
    return image->builtin ? "built-in" : str_empty(image->source) ? "stead" : image->source;
}

static void list_image(void *data, const Image *image)
{
    ImageListing *list = data;
    StrBuf *out = &list->work->text;

    add_image(list->work, image->name, image->id, where_of(image));
    if (!str_empty(image->digest))
        add_member(out, "digest", image->digest);
    strbuf_printf(out, ",\"size\":%" PRId64, image->size);
    add_time(out, "created", image->created);
    add_time(out, "lastUsed", image_last_used(list->work->images, image->name));
    strbuf_add_char(out, '}');
    strmap_put(&list->listed, image->name, list);
}

/* Lists the images of other stores. Those that pods have used are in stead's own store already,
 * with their sizes. */
static void list_elsewhere(void *data, const char *source, const char *name, const char *id,
                           int64_t assigned)
{
    ImageListing *list = data;

    if (strmap_get(&list->listed, name))
        return;
    add_image(list->work, name, id, source);
    add_time(&list->work->text, "created", assigned);
    strbuf_add_char(&list->work->text, '}');
    strmap_put(&list->listed, name, list);
}

static int run_list(ImageWork *work, Err *reterr _unused_)
{
    ImageListing list = {.work = work};

    strbuf_add_char(&work->text, '[');
    image_list(work->images, &work->arena, list_image, &list);
    image_list_elsewhere(work->images, &work->arena, list_elsewhere, &list);
    strbuf_add_string(&work->text, "]\n");
    strmap_deinit(&list.listed);
    return 0;
}

static int run_inspect(ImageWork *work, Err *reterr)
{
    StrBuf *out = &work->text;
    Bytes config;
    Image image;
    int r = image_read_config(work->images, work->name, &work->arena, &config, reterr);

    if (r == 0)
        r = image_find(work->images, work->name, &work->arena, &image, reterr);
    if (r != 0)
        return r;
    add_image(work, image.name, image.id, where_of(&image));
    if (!str_empty(image.digest))
        add_member(out, "digest", image.digest);
    strbuf_printf(out, ",\"size\":%" PRId64, image.size);
    add_time(out, "created", image.created);
    add_time(out, "lastUsed", image_last_used(work->images, image.name));
    strbuf_add_string(out, ",\"layers\":[");
    for (size_t i = 0; i < image.layers.n; i++) {
        strbuf_add_string(out, i ? "," : "");
        json_encode_string(out, image.layers.v[i], strlen(image.layers.v[i]));
    }
    strbuf_printf(out, "],\"config\":%.*s}\n", (int)config.n, config.p);
    return 0;
}

/* ---- change ---- */

static bool is_used(void *data, const char *id)
{
    const ImageWork *work = data;

    return work->uses && strmap_get(work->uses, id);
}

static int in_use(const ImageWork *work, Err *reterr)
{
    const ImageUse *use = NULL;
    Image image;

    if (image_find(work->images, work->name, (Arena *)&work->arena, &image, NULL) == 0)
        use = strmap_get(work->uses, image.id);
    return use && use->pod ? err_set(reterr, 0, "%s is in use by pod %s", work->name, use->pod)
                           : err_set(reterr, 0, "%s is in use by a container that is being started",
                                     work->name);
}

static int begin_remove(ImageWork *work, Err *reterr)
{
    const char *name;
    int r = image_forget(work->images, work->name, is_used, work, &work->arena, &name, reterr);

    if (r == IMAGE_E_USED)
        return in_use(work, reterr);
    if (r == 0)
        strbuf_printf(&work->text, "%s removed\n", name);
    return r;
}

typedef struct Prune {
    ImageWork *work;
    VEC(const char *) victims;
} Prune;

/* Decides whether an image is pruned. Without --all, only images that have lost their name to a
 * newer one are. */
static void consider(void *data, const char *name, bool builtin)
{
    Prune *prune = data;

    if (!builtin && (str_starts_with(name, "sha256:") || prune->work->all))
        VEC_PUSH(&prune->victims, name);
}

static int begin_prune(ImageWork *work, Err *reterr)
{
    Prune prune = {.work = work};
    int r = 0;

    image_list_names(work->images, &work->arena, consider, &prune);
    for (size_t i = 0; i < prune.victims.n && (r == 0 || r == IMAGE_E_USED); i++) {
        const char *name;

        r = image_forget(work->images, prune.victims.v[i], is_used, work, &work->arena, &name,
                         reterr);
        if (r == 0)
            strbuf_printf(&work->text, "%s removed\n", name);
    }
    VEC_DEINIT(&prune.victims);
    return r == IMAGE_E_USED ? 0 : r;
}

static int run_sweep(ImageWork *work, Err *reterr _unused_)
{
    image_sweep(work->images);
    return 0;
}

static int run_tag(ImageWork *work, Err *reterr)
{
    const char *name;
    int r = image_tag(work->images, work->name, work->other, &work->arena, &name, reterr);

    if (r == 0)
        strbuf_printf(&work->text, "%s tagged\n", name);
    return r;
}

static int run_export(ImageWork *work, Err *reterr)
{
    StringArray names = {0};
    char *text = arena_strdup(&work->arena, work->name);
    size_t n = 1;
    int r;

    for (const char *at = text; *at; at++)
        n += *at == '\n';
    names.v = arena_new_n(&work->arena, const char *, n);
    for (char *name; (name = strsep(&text, "\n"));)
        if (*name)
            names.v[names.n++] = name;
    r = image_export(work->images, &names, work->other, reterr);
    if (r == 0)
        strbuf_printf(&work->text, "%s written\n", work->other);
    return r;
}

static int run_push(ImageWork *work, Err *reterr)
{
    _registry_config_ RegistryConfig *config = NULL;
    _keyring_ Keyring *keyring = keyring_new();
    const char *digest;
    int r = registry_config_load(NULL, &config, reterr);

    if (r >= 0)
        r = image_credentials_read(work->credentials, keyring, reterr);
    if (r >= 0)
        r = image_push(work->images, work->name, work->other, config, keyring, &work->stop,
                       &work->arena, &digest, reterr);
    if (r == 0)
        strbuf_printf(&work->text, "%s pushed: %s\n", work->other, digest);
    return r;
}

/* clang-format off */
static const ImageWorkKind kinds[] = {
    {"/images",         NULL,         run_list,    false, false},
    {"/images/inspect", NULL,         run_inspect, false, false},
    {"/images/remove",  begin_remove, run_sweep,   false, false},
    {"/images/prune",   begin_prune,  run_sweep,   false, false},
    {"/images/tag",     NULL,         run_tag,     true,  false},
    {"/images/export",  NULL,         run_export,  false, false},
    {"/images/push",    NULL,         run_push,    false, true},
};
/* clang-format on */

const ImageWorkKind *image_work_find(const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (str_equal(kinds[i].path, path))
            return &kinds[i];
    return NULL;
}

void image_work_deinit(ImageWork *work)
{
    strbuf_deinit(&work->text);
    if (work->credentials.n)
        explicit_bzero((void *)(uintptr_t)work->credentials.p, work->credentials.n);
    arena_clear(&work->arena);
}
