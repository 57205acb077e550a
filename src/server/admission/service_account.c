/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each pod runs as a ServiceAccount, which is "default" if the pod names none. Unless the pod or the
 * account opts out, each container gets a projected volume with a token, the CA certificate of the
 * cluster and the namespace, mounted where client libraries look for it.
 */
#include "api/object.h"
#include "api/pod_containers.h"
#include "api/schema/core_config_v1.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_reference_v1.h"
#include "api/schema/core_volume_v1.h"
#include "server/admission/admission.h"

#define MOUNT_PATH "/var/run/secrets/kubernetes.io/serviceaccount"
#define VOLUME_PREFIX "kube-api-access-"
#define TOKEN_SECONDS 3607
#define FILE_MODE 0644

static bool mounts_token(const Container *container)
{
    for (size_t i = 0; i < container->volume_mounts.n; i++)
        if (str_equal(container->volume_mounts.v[i].mount_path, MOUNT_PATH))
            return true;
    return false;
}

static bool any_wants_token(const ContainerArray *containers)
{
    for (size_t i = 0; i < containers->n; i++)
        if (!mounts_token(&containers->v[i]))
            return true;
    return false;
}

static void add_mounts(Arena *arena, ContainerArray *containers, const char *volume)
{
    for (size_t i = 0; i < containers->n; i++) {
        VolumeMount mount = {.name = volume, .read_only = true, .mount_path = MOUNT_PATH};

        if (!mounts_token(&containers->v[i]))
            ARENA_APPEND(arena, &containers->v[i].volume_mounts, mount);
    }
}

static ProjectedVolumeSource *token_source(Arena *arena)
{
    ProjectedVolumeSource *source = arena_new(arena, ProjectedVolumeSource);
    VolumeProjection *v = arena_new_n(arena, VolumeProjection, 3);
    KeyToPath *certificate = arena_new(arena, KeyToPath);
    DownwardAPIVolumeFile *file = arena_new(arena, DownwardAPIVolumeFile);

    v[0].service_account_token = arena_new(arena, ServiceAccountTokenProjection);
    v[0].service_account_token->expiration_seconds = arena_int64(arena, TOKEN_SECONDS);
    v[0].service_account_token->path = "token";
    v[1].config_map = arena_new(arena, ConfigMapProjection);
    v[1].config_map->local_object_reference.name = "kube-root-ca.crt";
    *certificate = (KeyToPath){.key = "ca.crt", .path = "ca.crt"};
    v[1].config_map->items = (KeyToPathArray){certificate, 1};
    v[2].downward_api = arena_new(arena, DownwardAPIProjection);
    file->path = "namespace";
    file->field_ref = arena_new(arena, ObjectFieldSelector);
    *file->field_ref =
        (ObjectFieldSelector){.api_version = "v1", .field_path = "metadata.namespace"};
    v[2].downward_api->items = (DownwardAPIVolumeFileArray){file, 1};
    source->sources = (VolumeProjectionArray){v, 3};
    source->default_mode = arena_int32(arena, FILE_MODE);
    return source;
}

static void mount_token(Write *write, PodSpec *spec)
{
    Arena *arena = &write->object->arena;
    const char *name = NULL;
    char suffix[6];

    if (!any_wants_token(&spec->containers) && !any_wants_token(&spec->init_containers))
        return;
    for (size_t i = 0; i < spec->volumes.n && !name; i++)
        if (str_starts_with(spec->volumes.v[i].name, VOLUME_PREFIX))
            name = spec->volumes.v[i].name;
    if (!name) {
        random_suffix(write->server->random, suffix, sizeof(suffix) - 1);
        name = arena_printf(arena, VOLUME_PREFIX "%s", suffix);
        ARENA_APPEND(arena, &spec->volumes,
                     (Volume){.name = name, .volume_source = {.projected = token_source(arena)}});
    }
    add_mounts(arena, &spec->init_containers, name);
    add_mounts(arena, &spec->containers, name);
}

/* The pod exists already on the node, which has no identity for it; so it stays as it is. */
static int check_mirror(Write *write, const PodSpec *spec)
{
    const char *why = NULL;

    if (!str_empty(spec->service_account_name))
        why = "a mirror pod may not reference service accounts";
    else if (pod_refers(spec, true))
        why = "a mirror pod may not reference secrets";
    for (size_t i = 0; i < spec->volumes.n && !why; i++) {
        const ProjectedVolumeSource *source = spec->volumes.v[i].volume_source.projected;

        for (size_t k = 0; source && k < source->sources.n; k++)
            if (source->sources.v[k].service_account_token)
                why = "a mirror pod may not use ServiceAccountToken volume projections";
    }
    return why ? status_forbidden(&write->status, &write->arena, write->kind, write->name, why) : 0;
}

int serviceaccount_admit(Write *write)
{
    PodSpec *spec = &OBJECT_AS(Pod, write->object)->spec;
    Arena *arena = &write->object->arena;
    const ServiceAccount *account;
    bool automount = true;
    Object *object;

    if (string_map_get(&object_meta(write->object)->annotations, POD_MIRROR_ANNOTATION))
        return check_mirror(write, spec);
    if (str_empty(spec->service_account_name))
        spec->service_account_name = str_or(spec->service_account, "default");
    spec->service_account = spec->service_account_name;
    object = store_head(write->server->store, &kind_service_account, write->ns,
                        spec->service_account_name);
    if (!object)
        return status_forbidden(
            &write->status, &write->arena, write->kind, write->name,
            arena_printf(&write->arena,
                         "error looking up service account %s/%s: serviceaccount \"%s\" not found",
                         write->ns, spec->service_account_name, spec->service_account_name));
    account = OBJECT_AS(ServiceAccount, object);
    if (spec->automount_service_account_token)
        automount = *spec->automount_service_account_token;
    else if (account->automount_service_account_token)
        automount = *account->automount_service_account_token;
    if (automount &&
        !write->foreseen) /* a foreseen pod is refused anyway, and may have very many containers */
        mount_token(write, spec);
    if (spec->image_pull_secrets.n == 0 && account->image_pull_secrets.n) {
        size_t n = account->image_pull_secrets.n;

        spec->image_pull_secrets.v = arena_new_n(arena, LocalObjectReference, n);
        spec->image_pull_secrets.n = n;
        for (size_t i = 0; i < n; i++)
            spec->image_pull_secrets.v[i].name =
                arena_strdup(arena, account->image_pull_secrets.v[i].name);
    }
    return 0;
}
