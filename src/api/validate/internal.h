/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that validate pods and volumes share; for src/api alone. */
#ifndef API_VALIDATE_INTERNAL_H
#define API_VALIDATE_INTERNAL_H

#include "api/validate/validate.h"

/* ---- volumes (volume.c) ---- */

/* Members of a "one of" struct that are set; all after the first are forbidden with this text. */
size_t validate_union(const Type *type, const void *value, const char *text, const Path *path,
                      Causes *causes);
/* Relative, without "..". */
void validate_relative_path(const char *s, const Path *path, Causes *causes);
void validate_no_backsteps(const char *s, const Path *path, Causes *causes);
/* Puts those that can be mounted into ret, name -> Volume. pod_name: NULL in templates. */
void validate_volumes(const VolumeArray *volumes, const char *pod_name, const Path *path,
                      TextMap *ret, Causes *causes);
void validate_access_modes(const StringArray *modes, const Path *path, Causes *causes);
/* metadata.labels['x'] and the like; `known`: sorted, NULL-ended. */
void validate_field_selector(const ObjectFieldSelector *selector, const char *const *known,
                             const Path *path, Causes *causes);
void validate_resource_selector(const ResourceFieldSelector *selector, bool in_volume,
                                const Path *path, Causes *causes);

/* ---- scheduling (scheduling.c) ---- */

void validate_node_selector(const NodeSelector *selector, const Path *path, Causes *causes);
void validate_scheduling(const PodSpec *spec, const Path *path, Causes *causes);
void validate_tolerations(const TolerationArray *tolerations, const Path *path, Causes *causes);

/* ---- containers (container.c) ---- */

typedef struct PodCheck {
    const PodSpec *spec;
    /* What containers may name or must not name again. */
    TextMap *volumes;    /* name -> Volume; those that can be mounted */
    TextMap *claims;     /* names of spec->resource_claims */
    TextMap *names;      /* of the containers so far */
    TextMap *host_ports; /* of the containers so far */
    bool is_pod;         /* no template */
    Causes *causes;
} PodCheck;

void validate_containers(const PodCheck *check, const Path *path);
void validate_resources(const ResourceRequirements *resources, const Path *path, Causes *causes);

void validate_pod_spec_at(const PodSpec *spec, const ObjectMeta *pod, const Path *path,
                          Causes *causes);

static inline bool name_is_one_of(const char *s, const char *const *names)
{
    for (size_t i = 0; names[i]; i++)
        if (strcmp(names[i], s ? s : "") == 0)
            return true;
    return false;
}

#endif
