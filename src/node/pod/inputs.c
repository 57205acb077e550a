/* SPDX-License-Identifier: Apache-2.0 */
/* See inputs.h. */
#include "api/schema/core_container_v1.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_reference_v1.h"
#include "api/schema/core_volume_v1.h"
#include "node/pod/inputs.h"
#include "node/volume/volume.h"

static bool named(const LocalObjectReference *ref, const char *name)
{
    return str_equal(ref->name, name);
}

static bool env_uses(const EnvFromSourceArray *from, const EnvVarArray *env, bool secret,
                     const char *name)
{
    for (size_t i = 0; i < from->n; i++) {
        const EnvFromSource *one = &from->v[i];

        if (secret
                ? one->secret_ref && named(&one->secret_ref->local_object_reference, name)
                : one->config_map_ref && named(&one->config_map_ref->local_object_reference, name))
            return true;
    }
    for (size_t i = 0; i < env->n; i++) {
        const EnvVarSource *one = env->v[i].value_from;

        if (one && (secret ? one->secret_key_ref &&
                                 named(&one->secret_key_ref->local_object_reference, name)
                           : one->config_map_key_ref &&
                                 named(&one->config_map_key_ref->local_object_reference, name)))
            return true;
    }
    return false;
}

static bool containers_use(const ContainerArray *containers, bool secret, const char *name)
{
    for (size_t i = 0; i < containers->n; i++)
        if (env_uses(&containers->v[i].env_from, &containers->v[i].env, secret, name))
            return true;
    return false;
}

static unsigned uses_content(const Pod *pod, const char *kind, bool secret, const char *name)
{
    const PodSpec *spec = &pod->spec;

    for (size_t i = 0; i < spec->volumes.n; i++)
        if (volume_uses(&spec->volumes.v[i], kind, name))
            return POD_USES_FILES | POD_USES_START;
    if (containers_use(&spec->init_containers, secret, name) ||
        containers_use(&spec->containers, secret, name))
        return POD_USES_START;
    for (size_t i = 0; i < spec->ephemeral_containers.n; i++) {
        const EphemeralContainerCommon *c =
            &spec->ephemeral_containers.v[i].ephemeral_container_common;

        if (env_uses(&c->env_from, &c->env, secret, name))
            return POD_USES_START;
    }
    return 0;
}

static unsigned uses_config_map(const Pod *pod, const Object *object)
{
    return uses_content(pod, "ConfigMap", false, object_meta(object)->name);
}

static unsigned uses_secret(const Pod *pod, const Object *object)
{
    const LocalObjectReferenceArray *pull = &pod->spec.image_pull_secrets;
    unsigned uses = uses_content(pod, "Secret", true, object_meta(object)->name);

    for (size_t i = 0; i < pull->n; i++)
        if (named(&pull->v[i], object_meta(object)->name))
            uses |= POD_USES_START;
    return uses;
}

/* Only its tokens depend on the account. */
static unsigned uses_account(const Pod *pod, const Object *object)
{
    const PodSpec *spec = &pod->spec;

    if (!str_equal(str_or(spec->service_account_name, "default"), object_meta(object)->name))
        return 0;
    for (size_t i = 0; i < spec->volumes.n; i++) {
        const ProjectedVolumeSource *s = spec->volumes.v[i].volume_source.projected;

        for (size_t k = 0; s && k < s->sources.n; k++)
            if (s->sources.v[k].service_account_token)
                return POD_USES_FILES | POD_USES_START;
    }
    return 0;
}

static bool claim_is_of(const Pod *pod, const char *claim)
{
    for (size_t i = 0; i < pod->spec.volumes.n; i++) {
        const Volume *volume = &pod->spec.volumes.v[i];
        const VolumeSource *s = &volume->volume_source;
        size_t n = strlen(pod->metadata.name);

        if (s->persistent_volume_claim && str_equal(s->persistent_volume_claim->claim_name, claim))
            return true;
        if (s->ephemeral && claim && strncmp(claim, pod->metadata.name, n) == 0 &&
            claim[n] == '-' && str_equal(claim + n + 1, volume->name))
            return true;
    }
    return false;
}

static unsigned uses_claim(const Pod *pod, const Object *object)
{
    return claim_is_of(pod, object_meta(object)->name) ? POD_USES_START : 0;
}

static unsigned uses_volume(const Pod *pod, const Object *object)
{
    const ObjectReference *ref = OBJECT_AS(PersistentVolume, object)->spec.claim_ref;

    return ref && str_equal(ref->namespace, pod->metadata.namespace) && claim_is_of(pod, ref->name)
               ? POD_USES_START
               : 0;
}

const PodInput pod_inputs[] = {
    {"ConfigMap", uses_config_map},    {"Secret", uses_secret},
    {"ServiceAccount", uses_account},  {"PersistentVolumeClaim", uses_claim},
    {"PersistentVolume", uses_volume},
};
static_assert(ARRAY_LEN(pod_inputs) == POD_INPUTS, "a watch for each input");
