/* SPDX-License-Identifier: Apache-2.0 */
/* Plans what each kind of volume is to hold. See volume.h. */
#include "api/quantity.h"
#include "api/schema/core_config_v1.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_volume_v1.h"
#include "api/volume_class.h"
#include "image/image.h"
#include "node/volume/volume.h"

#define TOKEN_LIFETIME 3600
#define TOKEN_AGE_MAX (24 * 3600 * NS_PER_SEC)
#define TOKEN_RETRY (60 * NS_PER_SEC)

/* ---- files ---- */

static VolumeFile *add_file(VolumePlanner *p, PodVolume *v, const char *path, Bytes data,
                            int32_t mode)
{
    for (size_t i = 0; i < v->n_files; i++) {
        /* in a projected volume, a later source replaces the file */
        if (strcmp(v->files[i].path, path) == 0) {
            v->files[i].data = data;
            v->files[i].mode = (uint32_t)mode;
            v->files[i].user = 0;
            return &v->files[i];
        }
    }
    if (v->n_files == v->cap_files)
        v->files = arena_grow(p->arena, v->files, v->n_files, &v->cap_files, sizeof(*v->files));
    v->files[v->n_files] = (VolumeFile){.path = arena_strdup(p->arena, path),
                                        .data = arena_bytes(p->arena, data),
                                        .mode = (uint32_t)mode};
    return &v->files[v->n_files++];
}

static Object *find(VolumePlanner *p, const char *kind, const char *name)
{
    return client_get(p->facts->client, kind_find("", "v1", kind),
                      object_meta(p->facts->pod)->namespace, name);
}

typedef struct KeyedData {
    const char *what, *name;
    const StringMap *text;
    const BytesMap *bytes;
} KeyedData;

static bool keyed_get(const KeyedData *data, const char *key, Bytes *ret)
{
    const char *text = data->text ? string_map_get(data->text, key) : NULL;

    if (text) {
        *ret = bytes_from_string(text);
        return true;
    }
    for (size_t i = 0; data->bytes && i < data->bytes->n; i++) {
        if (str_equal(data->bytes->v[i].key, key)) {
            *ret = data->bytes->v[i].value;
            return true;
        }
    }
    return false;
}

static int add_keyed(VolumePlanner *p, PodVolume *v, const KeyedData *data,
                     const KeyToPathArray *items, int32_t mode, bool optional, Err *reterr)
{
    for (size_t i = 0; i < items->n; i++) {
        const KeyToPath *item = &items->v[i];
        Bytes bytes;

        if (keyed_get(data, item->key, &bytes))
            add_file(p, v, item->path, bytes, item->mode ? *item->mode : mode);
        else if (!optional)
            return err_set(reterr, 0, "%s: %s",
                           str_equal(data->what, "configmap")
                               ? "configmap references non-existent config key"
                               : "references non-existent secret key",
                           item->key);
    }
    if (items->v)
        return 0;
    for (size_t i = 0; data->text && i < data->text->n; i++)
        add_file(p, v, data->text->v[i].key, bytes_from_string(str_or(data->text->v[i].value, "")),
                 mode);
    for (size_t i = 0; data->bytes && i < data->bytes->n; i++)
        add_file(p, v, data->bytes->v[i].key, data->bytes->v[i].value, mode);
    return 0;
}

static int add_config_map(VolumePlanner *p, PodVolume *v, const char *name,
                          const KeyToPathArray *items, int32_t mode, const bool *optional,
                          Err *reterr)
{
    Object *object = find(p, "ConfigMap", name);
    bool may_miss = optional && *optional;
    KeyedData data = {.what = "configmap", .name = name};

    if (!object)
        return may_miss ? 0 : err_set(reterr, 0, "configmap \"%s\" not found", name);
    data.text = &OBJECT_AS(ConfigMap, object)->data;
    data.bytes = &OBJECT_AS(ConfigMap, object)->binary_data;
    return add_keyed(p, v, &data, items, mode, may_miss, reterr);
}

static int add_secret(VolumePlanner *p, PodVolume *v, const char *name, const KeyToPathArray *items,
                      int32_t mode, const bool *optional, Err *reterr)
{
    Object *object = find(p, "Secret", name);
    bool may_miss = optional && *optional;
    KeyedData data = {.what = "secret", .name = name};

    if (!object)
        return may_miss ? 0 : err_set(reterr, 0, "secret \"%s\" not found", name);
    data.bytes = &OBJECT_AS(Secret, object)->data;
    return add_keyed(p, v, &data, items, mode, may_miss, reterr);
}

static int add_downward(VolumePlanner *p, PodVolume *v, const DownwardAPIVolumeFileArray *items,
                        int32_t mode, Err *reterr)
{
    const PodSpec *spec = &((const Pod *)p->facts->pod->value)->spec;

    for (size_t i = 0; i < items->n; i++) {
        const DownwardAPIVolumeFile *item = &items->v[i];
        const char *text = "";
        int r = 0;

        if (item->field_ref) {
            r = pod_field(p->facts, p->arena, item->field_ref->field_path, &text, reterr);
        } else if (item->resource_field_ref) {
            const Container *container =
                pod_find_container(spec, item->resource_field_ref->container_name);

            if (!container)
                return err_set(reterr, 0, "container %s not found",
                               str_or(item->resource_field_ref->container_name, ""));
            r = pod_resource(p->facts, p->arena, container, item->resource_field_ref, &text,
                             reterr);
        }
        if (r < 0)
            return r;
        add_file(p, v, item->path, bytes_from_string(text), item->mode ? *item->mode : mode);
    }
    return 0;
}

static void *token_free(PodToken *token)
{
    if (token)
        free(token->text);
    free(token);
    return NULL;
}

void pod_tokens_clear(StrMap *tokens)
{
    STRMAP_DEINIT_WITH(tokens, token_free);
}

/* Returns the existing token, or a new one if renewal is due. If the renewal fails, the old
 * token is used until it expires. */
static const PodToken *current_token(VolumePlanner *p, const char *account, const char *audience,
                                     int64_t lifetime)
{
    _free_ char *key = mem_printf("%s/%" PRId64 "/%s", account, lifetime, str_or(audience, ""));
    PodToken *token = strmap_get(p->tokens, key);
    const char *text;

    if (token && p->now_ns < token->renew_ns)
        return token;
    text = p->make_token ? p->make_token(p->make_token_data, p->arena, p->facts->pod, account,
                                         audience, lifetime)
                         : NULL;
    if (text) {
        int64_t age = MIN_OF(lifetime * NS_PER_SEC / 10 * 8, TOKEN_AGE_MAX);

        token_free(token);
        token = mem_new_type(PodToken);
        *token = (PodToken){mem_strdup(text), p->now_ns + age, p->now_ns + lifetime * NS_PER_SEC};
        strmap_put(p->tokens, key, token);
    } else if (token && p->now_ns < token->expires_ns) {
        token->renew_ns = p->now_ns + TOKEN_RETRY;
    } else {
        token_free(strmap_remove(p->tokens, key));
        token = NULL;
    }
    return token;
}

static bool runs_as(const PodSpec *spec, const Container *container, int64_t *user)
{
    const SecurityContext *own = container->security_context;
    const PodSecurityContext *all = spec->security_context;
    const int64_t *is = own && own->run_as_user ? own->run_as_user : all ? all->run_as_user : NULL;

    if (!is || (*user >= 0 && *user != *is))
        return false;
    *user = *is;
    return true;
}

int64_t pod_single_user(const PodSpec *spec)
{
    int64_t user = -1;

    for (size_t i = 0; i < spec->init_containers.n; i++)
        if (!runs_as(spec, &spec->init_containers.v[i], &user))
            return -1;
    for (size_t i = 0; i < spec->containers.n; i++)
        if (!runs_as(spec, &spec->containers.v[i], &user))
            return -1;
    return user;
}

/* A token is readable only for the user of the containers if they share one, or else for the
 * group of the pod. If neither is set, containers may run as different users, and the mode of
 * the volume applies. */
static void own_token(const PodSpec *spec, VolumeFile *file)
{
    int64_t user = pod_single_user(spec);

    if (user >= 0 || (spec->security_context && spec->security_context->fs_group))
        file->mode = 0600; /* becomes 0640 when the group is set */
    if (user >= 0)
        file->user = (uint32_t)user;
}

static int add_token(VolumePlanner *p, PodVolume *v, const ServiceAccountTokenProjection *source,
                     int32_t mode, Err *reterr)
{
    const PodSpec *spec = &((const Pod *)p->facts->pod->value)->spec;
    int64_t lifetime = source->expiration_seconds ? *source->expiration_seconds : TOKEN_LIFETIME;
    const char *account = str_or(spec->service_account_name, "default");
    const PodToken *token =
        current_token(p, account, str_empty(source->audience) ? NULL : source->audience, lifetime);
    int64_t refresh = token ? token->renew_ns : p->now_ns + TOKEN_RETRY;

    v->refresh_ns = v->refresh_ns ? MIN_OF(v->refresh_ns, refresh) : refresh;
    if (!token)
        return err_set(reterr, 0, "failed to fetch token: serviceaccounts \"%s\" not found",
                       account);
    own_token(spec, add_file(p, v, source->path, bytes_from_string(token->text), mode));
    return 0;
}

/* ---- kinds ---- */

static int64_t memory_in(const StringMap *map)
{
    const char *text = string_map_get(map, "memory");

    return text ? quantity_value(text) : 0;
}

/* The sum of the memory limits of all containers; 0 if one of them has no limit. */
static int64_t pod_memory_limit(const PodSpec *spec)
{
    int64_t all = spec->resources ? memory_in(&spec->resources->limits) : 0;

    if (all)
        return all;
    for (size_t i = 0; i < spec->containers.n; i++) {
        int64_t one = memory_in(&spec->containers.v[i].resources.limits);

        if (!one)
            return 0;
        all += one;
    }
    return all;
}

/* A tmpfs is as large as its own limit, that of the pod and that of the node allow. */
static int64_t memory_size(const VolumePlanner *p, int64_t wanted)
{
    const PodSpec *spec = &((const Pod *)p->facts->pod->value)->spec;
    const int64_t limits[] = {wanted, pod_memory_limit(spec), memory_in(&p->facts->node_resources)};
    int64_t size = 0;

    for (size_t i = 0; i < ARRAY_LEN(limits); i++)
        if (limits[i] > 0 && (!size || limits[i] < size))
            size = limits[i];
    return size;
}

static int plan_empty_dir(VolumePlanner *p, const void *source, PodVolume *v, Err *reterr _unused_)
{
    const EmptyDirVolumeSource *s = source;

    v->size = str_empty(s->size_limit) ? 0 : quantity_value(s->size_limit);
    v->owned = true;
    if (str_equal(s->medium, "Memory")) {
        v->size = memory_size(p, v->size);
        v->form = VOLUME_MEMORY;
        v->path = arena_printf(p->arena, "%s/volumes/%s", p->pod_run, v->name);
    } else {
        v->form = VOLUME_FOLDER;
        v->path = arena_printf(p->arena, "%s/volumes/%s", p->pod_data, v->name);
    }
    return 0;
}

static int plan_host_path(VolumePlanner *p, const void *source, PodVolume *v, Err *reterr _unused_)
{
    const HostPathVolumeSource *s = source;

    v->form = VOLUME_HOST;
    v->path = arena_strdup(p->arena, s->path);
    v->host_type = arena_strdup(p->arena, str_or(s->type, ""));
    return 0;
}

static void files_begin(VolumePlanner *p, PodVolume *v)
{
    v->form = VOLUME_FILES;
    v->owned = true;
    v->path = arena_printf(p->arena, "%s/volumes/%s", p->pod_run, v->name);
}

static int32_t mode_of(const int32_t *mode)
{
    return mode ? *mode : 0644;
}

static int plan_config_map(VolumePlanner *p, const void *source, PodVolume *v, Err *reterr)
{
    const ConfigMapVolumeSource *s = source;

    files_begin(p, v);
    return add_config_map(p, v, s->local_object_reference.name, &s->items, mode_of(s->default_mode),
                          s->optional, reterr);
}

static int plan_secret(VolumePlanner *p, const void *source, PodVolume *v, Err *reterr)
{
    const SecretVolumeSource *s = source;

    files_begin(p, v);
    return add_secret(p, v, s->secret_name, &s->items, mode_of(s->default_mode), s->optional,
                      reterr);
}

static int plan_downward(VolumePlanner *p, const void *source, PodVolume *v, Err *reterr)
{
    const DownwardAPIVolumeSource *s = source;

    files_begin(p, v);
    return add_downward(p, v, &s->items, mode_of(s->default_mode), reterr);
}

static int plan_projected(VolumePlanner *p, const void *source, PodVolume *v, Err *reterr)
{
    const ProjectedVolumeSource *s = source;
    int32_t mode = mode_of(s->default_mode);
    int result = 0;

    files_begin(p, v);
    /* all sources are visited, because each token has its own time of renewal */
    for (size_t i = 0; i < s->sources.n; i++) {
        const VolumeProjection *one = &s->sources.v[i];
        Err err = ERR_INIT;
        int r;

        if (one->secret)
            r = add_secret(p, v, one->secret->local_object_reference.name, &one->secret->items,
                           mode, one->secret->optional, &err);
        else if (one->config_map)
            r = add_config_map(p, v, one->config_map->local_object_reference.name,
                               &one->config_map->items, mode, one->config_map->optional, &err);
        else if (one->downward_api)
            r = add_downward(p, v, &one->downward_api->items, mode, &err);
        else if (one->service_account_token)
            r = add_token(p, v, one->service_account_token, mode, &err);
        else
            r = err_set(&err, 0, "this kind of projection is not known");
        if (r < 0 && result >= 0) {
            result = r;
            *reterr = err;
        }
    }
    return result;
}

static int plan_pv_source(VolumePlanner *p, const PersistentVolume *pv, PodVolume *v, Err *reterr)
{
    const PersistentVolumeSource *s = &pv->spec.persistent_volume_source;
    const char *size = string_map_get(&pv->spec.capacity, "storage");

    v->form = VOLUME_CLAIM;
    v->size = size ? quantity_value(size) : 0;
    v->owned = true;
    if (meta_has_finalizer(&pv->metadata, VOLUME_FINALIZER)) {
        v->disk = arena_strdup(p->arena, pv->metadata.name);
        v->reserved = volume_is_reserved(&pv->metadata);
        return 0;
    }
    if (s->local) {
        v->path = arena_strdup(p->arena, s->local->path);
        return 0;
    }
    if (s->host_path) { /* as under Kubernetes, ownership is not changed */
        v->form = VOLUME_HOST;
        v->owned = false;
        v->path = arena_strdup(p->arena, s->host_path->path);
        v->host_type = arena_strdup(p->arena, str_or(s->host_path->type, ""));
        return 0;
    }
    return err_set(reterr, 0, "no driver for the source of PersistentVolume \"%s\"",
                   pv->metadata.name);
}

static int plan_claim_named(VolumePlanner *p, const char *name, bool read_only, PodVolume *v,
                            Err *reterr)
{
    Object *claim = find(p, "PersistentVolumeClaim", name), *volume;
    const PersistentVolumeClaim *pvc;

    if (!claim)
        return err_set(reterr, 0, "persistentvolumeclaim \"%s\" not found", name);
    pvc = OBJECT_AS(PersistentVolumeClaim, claim);
    if (str_empty(pvc->spec.volume_name) || !str_equal(pvc->status.phase, "Bound"))
        return err_set(reterr, 0, "persistentvolumeclaim \"%s\" is not bound", name);
    volume = client_get(p->facts->client, kind_find("", "v1", "PersistentVolume"), NULL,
                        pvc->spec.volume_name);
    if (!volume)
        return err_set(reterr, 0, "persistentvolume \"%s\" not found", pvc->spec.volume_name);
    if (!OBJECT_AS(PersistentVolume, volume)->spec.claim_ref ||
        !str_equal(OBJECT_AS(PersistentVolume, volume)->spec.claim_ref->uid,
                   object_meta(claim)->uid))
        return err_set(reterr, 0, "persistentvolume \"%s\" is bound to another claim",
                       pvc->spec.volume_name);
    v->read_only = read_only;
    return plan_pv_source(p, OBJECT_AS(PersistentVolume, volume), v, reterr);
}

static int plan_claim(VolumePlanner *p, const void *source, PodVolume *v, Err *reterr)
{
    const PersistentVolumeClaimVolumeSource *s = source;

    return plan_claim_named(p, s->claim_name, s->read_only, v, reterr);
}

static int plan_ephemeral(VolumePlanner *p, const void *source _unused_, PodVolume *v, Err *reterr)
{
    const char *name = arena_printf(p->arena, "%s-%s", object_meta(p->facts->pod)->name, v->name);

    return plan_claim_named(p, name, false, v, reterr);
}

static int plan_image(VolumePlanner *p, const void *source, PodVolume *v, Err *reterr)
{
    const ImageVolumeSource *s = source;
    Image image;
    int r;

    v->form = VOLUME_IMAGE;
    v->read_only = true;
    v->path = arena_printf(p->arena, "%s/volumes/%s", p->pod_run, v->name);
    if (!p->images || !image_normalize(p->arena, str_or(s->reference, "")))
        return err_set(reterr, 0, "couldn't parse image name \"%s\": invalid reference format",
                       str_or(s->reference, ""));
    r = image_find(p->images, s->reference, p->arena, &image, reterr);
    if (r == IMAGE_E_MISSING)
        return err_set(reterr, 0,
                       "image \"%s\" is not on this machine: import it with \"stead image import "
                       "FILE\"",
                       s->reference);
    if (r < 0)
        return r;
    v->layers = image.layers;
    return 0;
}

static const struct {
    const char *name;
    size_t offset;
    int (*plan)(VolumePlanner *p, const void *source, PodVolume *v, Err *reterr);
} volume_kinds[] = {
    {"emptyDir", offsetof(VolumeSource, empty_dir), plan_empty_dir},
    {"hostPath", offsetof(VolumeSource, host_path), plan_host_path},
    {"configMap", offsetof(VolumeSource, config_map), plan_config_map},
    {"secret", offsetof(VolumeSource, secret), plan_secret},
    {"downwardAPI", offsetof(VolumeSource, downward_api), plan_downward},
    {"projected", offsetof(VolumeSource, projected), plan_projected},
    {"persistentVolumeClaim", offsetof(VolumeSource, persistent_volume_claim), plan_claim},
    {"ephemeral", offsetof(VolumeSource, ephemeral), plan_ephemeral},
    {"image", offsetof(VolumeSource, image), plan_image},
};

const char *volume_kind_name(size_t i)
{
    return i < ARRAY_LEN(volume_kinds) ? volume_kinds[i].name : NULL;
}

int volume_plan(VolumePlanner *p, const Volume *volume, PodVolume *ret, Err *reterr)
{
    static const EmptyDirVolumeSource empty;

    *ret = (PodVolume){.name = arena_strdup(p->arena, volume->name)};
    for (size_t i = 0; i < ARRAY_LEN(volume_kinds); i++) {
        const void *const *source =
            (const void *const *)(const void *)((const char *)&volume->volume_source +
                                                volume_kinds[i].offset);

        if (*source)
            return volume_kinds[i].plan(p, *source, ret, reterr);
    }
    for (size_t i = 0; i < sizeof(VolumeSource) / sizeof(void *); i++)
        if (((const void *const *)(const void *)&volume->volume_source)[i])
            return err_set(reterr, 0, "no volume plugin matched");
    return plan_empty_dir(p, &empty, ret, reterr); /* a volume without a source is an emptyDir */
}

static bool projection_uses(const ProjectedVolumeSource *s, bool config_map, const char *name)
{
    for (size_t i = 0; i < s->sources.n; i++) {
        const VolumeProjection *one = &s->sources.v[i];

        if (config_map && one->config_map &&
            str_equal(one->config_map->local_object_reference.name, name))
            return true;
        if (!config_map && one->secret && str_equal(one->secret->local_object_reference.name, name))
            return true;
    }
    return false;
}

bool volume_uses(const Volume *volume, const char *kind, const char *name)
{
    const VolumeSource *s = &volume->volume_source;
    bool config_map = str_equal(kind, "ConfigMap");

    if (s->projected)
        return projection_uses(s->projected, config_map, name);
    if (config_map)
        return s->config_map && str_equal(s->config_map->local_object_reference.name, name);
    return s->secret && str_equal(s->secret->secret_name, name);
}
