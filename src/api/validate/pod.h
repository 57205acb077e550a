/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Validation of pods and their parts (containers, volumes, scheduling), for the rules of Pods and
 * of kinds with pod templates.
 */
#ifndef API_VALIDATE_POD_H
#define API_VALIDATE_POD_H

#include "api/schema/meta_v1.h"
#include "api/validate/validate.h"

typedef struct AppArmorProfile AppArmorProfile;
typedef struct NodeSelector NodeSelector;
typedef struct ObjectFieldSelector ObjectFieldSelector;
typedef struct ResourceFieldSelector ResourceFieldSelector;
typedef struct ResourceRequirements ResourceRequirements;
typedef struct TolerationArray TolerationArray;
typedef struct VolumeArray VolumeArray;

/* ---- pods and templates (pod.c) ---- */

/* The rules of a pod's spec; the table walk is not part of them (validate_object has done it for
 * the whole object). */
void validate_pod_spec(const PodSpec *spec, const char *path, Causes *causes);
/* metadata.labels, metadata.annotations, spec. */
void validate_pod_template_spec(const PodTemplateSpec *pod_template, const char *path,
                                Causes *causes);

/* ---- AppArmor (armor.c) ---- */

void validate_armor_profile(const AppArmorProfile *profile, const Path *path, Causes *causes);
/* That the annotations name containers and profiles, and, if spec_path is not NULL, that they agree with the fields. */
void validate_armor_annotations(const ObjectMeta *meta, const PodSpec *spec,
                                const Path *annotations, const Path *spec_path, Causes *causes);
/* The annotations of a pod do not change. */
void validate_armor_update(const ObjectMeta *meta, const ObjectMeta *before, Causes *causes);
/* Gives the containers of a new pod the profiles that its annotations name. */
void complete_armor(Arena *arena, const ObjectMeta *meta, PodSpec *spec);
/* Whether the annotation of a container means this profile. */
bool armor_is(const char *annotation, const AppArmorProfile *profile);
void warn_armor(Arena *arena, const ObjectMeta *meta, const PodSpec *spec, Warnings *warnings);

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
void validate_absolute_path(const char *file, const Path *path, Causes *causes);
/* The name of a CSI driver that is not empty. */
void validate_csi_driver(const char *driver, const Path *path, Causes *causes);
void validate_access_modes(const StringArray *modes, const Path *path, Causes *causes);
/* metadata.labels['x'] and the like; `known`: sorted, NULL-ended. */
void validate_field_selector(const ObjectFieldSelector *selector, const char *const *known,
                             const Path *path, Causes *causes);
void validate_resource_selector(const ResourceFieldSelector *selector, bool in_volume,
                                const Path *path, Causes *causes);

/* ---- claims (claim.c) ---- */

/* A claim's spec, also of volumeClaimTemplates. */
void validate_claim_spec(const PersistentVolumeClaimSpec *spec, const char *path, Causes *causes);
/* A quantity of more than nothing. */
void validate_positive(const char *quantity, const Path *path, Causes *causes);

/* A quantity that is not negative, and whole if the resource is an extended one. */
void validate_whole_resource(const StringEntry *resource, const Path *path, Causes *causes);

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

#endif
