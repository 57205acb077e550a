/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of PersistentVolumes and PersistentVolumeClaims: their sources and sizes, and which fields
 * may change. */
#include "api/object.h"
#include "api/print.h"
#include "api/rules/core/volume.h"
#include "api/rules/rules.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_reference_v1.h"
#include "api/schema/core_volume_v1.h"
#include "api/validate/pod.h"
#include "codec/quantity.h"

#define CLASS_ANNOTATION "volume.beta.kubernetes.io/storage-class"

/* Prints the access modes as "RWO,ROX": in a fixed order and without duplicates. */
static void cell_modes(StrBuf *row, const StringArray *modes)
{
    static const char *const names[][2] = {{"ReadWriteOnce", "RWO"},
                                           {"ReadOnlyMany", "ROX"},
                                           {"ReadWriteMany", "RWX"},
                                           {"ReadWriteOncePod", "RWOP"}};
    _strbuf_ StrBuf text = STRBUF_INIT;

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        for (size_t j = 0; j < modes->n; j++)
            if (str_equal(modes->v[j], names[i][0])) {
                strbuf_printf(&text, "%s%s", text.n ? "," : "", names[i][1]);
                break;
            }
    cell_string(row, strbuf_string(&text));
}

static const char *class_of(const ObjectMeta *meta, const char *name)
{
    const char *annotation = string_map_get(&meta->annotations, CLASS_ANNOTATION);

    return annotation ? annotation : name;
}

/* ---- claims ---- */

static bool is_old_source(const TypedLocalObjectReference *source)
{
    if (str_empty(source->api_group))
        return str_equal(source->kind, "PersistentVolumeClaim");
    return str_equal(source->api_group, "snapshot.storage.k8s.io") &&
           str_equal(source->kind, "VolumeSnapshot");
}

/* Old clients use dataSource, newer ones dataSourceRef. Each of the two is set from the other. */
static void complete_claim(Arena *arena, void *value)
{
    PersistentVolumeClaimSpec *spec = &((PersistentVolumeClaim *)value)->spec;

    /* dataSource has always been limited to these kinds; other values are dropped. */
    if (spec->data_source && !spec->data_source_ref && !is_old_source(spec->data_source))
        spec->data_source = NULL;
    if (spec->data_source && !spec->data_source_ref) {
        TypedObjectReference *ref = arena_new(arena, TypedObjectReference);

        ref->api_group = spec->data_source->api_group;
        ref->kind = spec->data_source->kind;
        ref->name = spec->data_source->name;
        spec->data_source_ref = ref;
    } else if (!spec->data_source && spec->data_source_ref &&
               str_empty(spec->data_source_ref->namespace)) {
        TypedLocalObjectReference *source = arena_new(arena, TypedLocalObjectReference);

        source->api_group = spec->data_source_ref->api_group;
        source->kind = spec->data_source_ref->kind;
        source->name = spec->data_source_ref->name;
        spec->data_source = source;
    }
}

static void prepare_claim(Arena *arena _unused_, void *value, const void *before)
{
    PersistentVolumeClaim *claim = value;

    if (!before)
        claim->status = (PersistentVolumeClaimStatus){.phase = "Pending"};
}

/* The requests of a bound claim with its old size, so that growth alone does not count as a
 * change. */
static StringMap with_size(const StringMap *requests, const char *size, Arena *arena)
{
    StringMap copy = {.v = arena_new_n(arena, StringEntry, requests->n + 1), .n = requests->n};

    for (size_t i = 0; i < requests->n; i++) {
        copy.v[i] = requests->v[i];
        if (str_equal(copy.v[i].key, "storage") && size)
            copy.v[i].value = size;
    }
    return copy;
}

static void validate_claim_update(const PersistentVolumeClaim *claim,
                                  const PersistentVolumeClaim *before, Causes *causes)
{
    PersistentVolumeClaimSpec now = claim->spec, old = before->spec;
    bool bound = str_equal(before->status.phase, "Bound");
    const char *size = string_map_get(&now.resources.requests, "storage");
    const char *old_size = string_map_get(&old.resources.requests, "storage");
    const char *status_size = string_map_get(&before->status.capacity, "storage");
    const char *class = now.volume_attributes_class_name;

    if (str_empty(old.volume_name))
        old.volume_name = now.volume_name;
    if (!old.storage_class_name && !string_map_get(&before->metadata.annotations, CLASS_ANNOTATION))
        now.storage_class_name = NULL; /* the default class, found later */
    if (bound) {
        now.resources.requests = with_size(&now.resources.requests, old_size, causes->arena);
        now.volume_attributes_class_name = old.volume_attributes_class_name;
    }
    if (!type_equal(&type_PersistentVolumeClaimSpec, &now, &old))
        causes_forbidden(causes, "spec",
                         "spec is immutable after creation except resources.requests and "
                         "volumeAttributesClassName for bound claims");
    if (size && old_size && quantity_compare(size, old_size) < 0 &&
        quantity_compare(size, status_size ? status_size : "0") <= 0)
        causes_forbidden(causes, "spec.resources.requests.storage",
                         "field can not be less than status.capacity");
    if (!str_equal(claim->spec.volume_mode, before->spec.volume_mode))
        causes_invalid_string(causes, "volumeMode", claim->spec.volume_mode, "field is immutable");
    if (before->status.current_volume_attributes_class_name && str_empty(class) &&
        !str_empty(before->spec.volume_attributes_class_name))
        causes_forbidden(causes, "spec.volumeAttributesClassName",
                         class ? "update to empty string is forbidden when "
                                 "status.currentVolumeAttributesClassName is not nil"
                               : "update to nil is forbidden when "
                                 "status.currentVolumeAttributesClassName is not nil");
}

static void validate_claim(const void *value, const void *before, Causes *causes)
{
    const PersistentVolumeClaim *claim = value;

    validate_claim_spec(&claim->spec, "spec", causes);
    if (before)
        validate_claim_update(claim, before, causes);
}

static void validate_claim_status(const void *value, const void *before _unused_, Causes *causes)
{
    static const char *const resizing[] = {
        "ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress",
        "NodeResizeInfeasible",       "NodeResizePending",          NULL};
    const PersistentVolumeClaimStatus *status = &((const PersistentVolumeClaim *)value)->status;

    for (size_t i = 0; i < status->capacity.n; i++)
        validate_basic_quantity(status->capacity.v[i].value,
                                PATH_KEY(PATH(NULL, "status.capacity"), status->capacity.v[i].key),
                                causes);
    for (size_t i = 0; i < status->allocated_resources.n; i++)
        validate_basic_quantity(
            status->allocated_resources.v[i].value,
            PATH_KEY(PATH(NULL, "status.allocatedResources"), status->allocated_resources.v[i].key),
            causes);
    for (size_t i = 0; i < status->allocated_resource_statuses.n; i++)
        if (!name_is_one_of(status->allocated_resource_statuses.v[i].value, resizing))
            causes_not_supported(causes, "status.allocatedResourceStatuses",
                                 status->allocated_resource_statuses.v[i].key, resizing);
}

static void warn_fraction(Arena *arena, const char *quantity, const char *member,
                          Warnings *warnings)
{
    if (quantity && quantity_milli(quantity) % 1000 && quantity_milli(quantity) != INT64_MAX)
        rules_warn(arena, warnings,
                   arena_printf(arena,
                                "spec.resources.%s[storage]: fractional byte value \"%s\" is "
                                "invalid, must be an integer",
                                member, quantity));
}

/* Warns about annotations that fields have replaced. */
static void warn_annotation(Arena *arena, const ObjectMeta *meta, const char *key,
                            const char *message, Warnings *warnings)
{
    if (string_map_get(&meta->annotations, key))
        rules_warn(arena, warnings,
                   arena_printf(arena, "metadata.annotations[%s]: %s", key, message));
}

static void warn_claim(Arena *arena, const void *value, Warnings *warnings)
{
    const PersistentVolumeClaim *claim = value;
    const VolumeResourceRequirements *resources = &claim->spec.resources;

    warn_annotation(arena, &claim->metadata, CLASS_ANNOTATION,
                    "deprecated since v1.8; use \"storageClassName\" attribute instead", warnings);
    warn_fraction(arena, string_map_get(&resources->requests, "storage"), "requests", warnings);
    warn_fraction(arena, string_map_get(&resources->limits, "storage"), "limits", warnings);
}

static void print_claim(const void *value, int64_t now_ns, StrBuf *row)
{
    const PersistentVolumeClaim *claim = value;
    const char *capacity = string_map_get(&claim->status.capacity, "storage");
    const char *class = claim->spec.volume_attributes_class_name;
    bool has_volume = !str_empty(claim->spec.volume_name);

    cell_string(row, claim->metadata.name);
    cell_string(row, claim->metadata.deletion_timestamp.set ? "Terminating" : claim->status.phase);
    cell_string(row, claim->spec.volume_name);
    cell_string(row, !has_volume ? "" : capacity ? capacity : "0");
    cell_modes(row, has_volume ? &claim->status.access_modes : &(const StringArray){.n = 0});
    cell_string(row, class_of(&claim->metadata, claim->spec.storage_class_name));
    cell_string(row, class ? class : "<unset>");
    cell_age(row, claim->metadata.creation_timestamp, now_ns);
    cell_string(row, claim->spec.volume_mode ? claim->spec.volume_mode : "<unset>");
}

const KindRules rules_persistent_volume_claim = {
    .complete = complete_claim,
    .prepare = prepare_claim,
    .validate = validate_claim,
    .validate_status = validate_claim_status,
    .warn = warn_claim,
    .print = print_claim,
};

/* ---- volumes ---- */

/* These are defaults of the object and not of its spec, since an inline spec has none. */
static void complete_volume(Arena *arena _unused_, void *value)
{
    PersistentVolumeSpec *spec = &((PersistentVolume *)value)->spec;

    if (str_empty(spec->persistent_volume_reclaim_policy))
        spec->persistent_volume_reclaim_policy = "Retain";
    if (!spec->volume_mode)
        spec->volume_mode = "Filesystem";
}

static void prepare_volume(Arena *arena _unused_, void *value, const void *before)
{
    PersistentVolume *volume = value;

    if (!before)
        volume->status = (PersistentVolumeStatus){
            .phase = "Pending", .last_phase_transition_time = volume->metadata.creation_timestamp};
}

static void validate_capacity(const StringMap *capacity, const Path *path, Causes *causes)
{
    const Field *field = type_member(&type_PersistentVolumeSpec, "capacity");
    const char *storage = string_map_get(capacity, "storage");

    if (!capacity->n)
        fail_required(causes, path, NULL);
    if (!storage || capacity->n > 1)
        causes_add(causes, CAUSE_NOT_SUPPORTED, path_text(path, causes),
                   validate_bad_value(field, capacity, causes), "supported values: \"storage\"");
    for (size_t i = 0; i < capacity->n; i++) {
        const Path *at = PATH_KEY(path, capacity->v[i].key);

        validate_basic_quantity(capacity->v[i].value, at, causes);
        validate_positive(capacity->v[i].value, at, causes);
    }
}

static void validate_volume_source(const PersistentVolumeSpec *spec, const Path *path,
                                   Causes *causes)
{
    const PersistentVolumeSource *source = &spec->persistent_volume_source;
    size_t n = validate_union(&type_PersistentVolumeSource, source,
                              "may not specify more than 1 volume type", path, causes);

    if (!n)
        fail_required(causes, path, "must specify a volume type");
    if (n != 1)
        return;
    if (source->host_path) {
        validate_no_backsteps(source->host_path->path, PATH(path, "hostPath.path"), causes);
        if (str_equal(source->host_path->path, "/") &&
            str_equal(spec->persistent_volume_reclaim_policy, "Recycle"))
            fail_forbidden(causes, PATH(path, "persistentVolumeReclaimPolicy"),
                           "may not be 'recycle' for a hostPath mount of '/'");
    }
    if (source->local) {
        validate_no_backsteps(source->local->path, PATH(path, "local.path"), causes);
        if (!spec->node_affinity)
            fail_required(causes, PATH(path, "nodeAffinity"),
                          "Local volume requires node affinity");
    }
    if (source->nfs)
        validate_absolute_path(source->nfs->path, PATH(path, "nfs.path"), causes);
    if (source->csi && !str_empty(source->csi->driver))
        validate_csi_driver(source->csi->driver, PATH(path, "csi.driver"), causes);
}

static void validate_attributes_class(const PersistentVolumeSpec *spec, const Path *up,
                                      Causes *causes)
{
    const char *class = spec->volume_attributes_class_name;
    const Path *path = PATH(up, "volumeAttributesClassName");

    if (!class)
        return;
    if (!*class)
        fail_required(causes, path, "an empty string is disallowed");
    else
        fail_faults(causes, path, class, check_dns_subdomain(class));
    if (!spec->persistent_volume_source.csi)
        fail_required(causes, PATH(up, "csi"),
                      "has to be specified when using volumeAttributesClassName");
}

static void validate_volume_update(const PersistentVolume *volume, const PersistentVolume *before,
                                   Causes *causes)
{
    const PersistentVolumeSource *now = &volume->spec.persistent_volume_source;
    PersistentVolumeSource same = *now;
    const PersistentVolumeSource *old = &before->spec.persistent_volume_source;
    CSIPersistentVolumeSource csi;

    /* This secret may be added later. */
    if (now->csi && old->csi && !old->csi->controller_expand_secret_ref) {
        csi = *now->csi;
        csi.controller_expand_secret_ref = NULL;
        same.csi = &csi;
    }
    if (!type_equal(&type_PersistentVolumeSource, &same, old))
        causes_forbidden(causes, "spec.persistentvolumesource",
                         "spec.persistentvolumesource is immutable after creation");
    if (!str_equal(volume->spec.volume_mode, before->spec.volume_mode))
        causes_invalid_string(causes, "volumeMode", volume->spec.volume_mode, "field is immutable");
    if (before->spec.node_affinity &&
        (!volume->spec.node_affinity ||
         !type_equal(&type_VolumeNodeAffinity, volume->spec.node_affinity,
                     before->spec.node_affinity)))
        causes_add(causes, CAUSE_INVALID, "nodeAffinity",
                   rules_bad(&type_PersistentVolumeSpec, &volume->spec, "nodeAffinity", causes),
                   "field is immutable, except for updating from beta label to GA");
    if (before->spec.volume_attributes_class_name && !volume->spec.volume_attributes_class_name)
        causes_forbidden(causes, "spec.volumeAttributesClassName",
                         "update from non-nil value to nil is forbidden");
}

/* Reports the fields that only a PersistentVolume may have, and not a spec that is inline in
 * another object. */
static void validate_inline(const PersistentVolumeSpec *spec, const Path *path, Causes *causes)
{
    const char *const not_inline = "may not be specified in the context of inline volumes";

    if (spec->claim_ref)
        fail_forbidden(causes, PATH(path, "claimRef"), not_inline);
    if (spec->capacity.n)
        fail_forbidden(causes, PATH(path, "capacity"), not_inline);
    if (spec->node_affinity)
        fail_forbidden(causes, PATH(path, "nodeAffinity"), not_inline);
    if (!str_empty(spec->storage_class_name))
        fail_forbidden(causes, PATH(path, "storageClassName"), not_inline);
    if (!spec->persistent_volume_source.csi)
        fail_required(causes, PATH(path, "csi"),
                      "has to be specified in the context of inline volumes");
    if (!str_empty(spec->persistent_volume_reclaim_policy) &&
        !str_equal(spec->persistent_volume_reclaim_policy, "Retain"))
        fail_forbidden(causes, PATH(path, "persistentVolumeReclaimPolicy"),
                       "may only be Retain in the context of inline volumes");
}

static void validate_own(const PersistentVolumeSpec *spec, const Path *path, Causes *causes)
{
    validate_capacity(&spec->capacity, PATH(path, "capacity"), causes);
    if (spec->node_affinity && !spec->node_affinity->required)
        fail_required(causes, PATH(path, "nodeAffinity.required"),
                      "must specify required node constraints");
    else if (spec->node_affinity)
        validate_node_selector(spec->node_affinity->required, PATH(path, "nodeAffinity.required"),
                               causes);
    if (!str_empty(spec->storage_class_name))
        fail_faults(causes, PATH(path, "storageClassName"), spec->storage_class_name,
                    check_dns_subdomain(spec->storage_class_name));
}

void rules_volume_spec(const PersistentVolumeSpec *spec, bool is_inline, const Path *path,
                       Causes *causes)
{
    if (!spec->access_modes.n)
        fail_required(causes, PATH(path, "accessModes"), NULL);
    validate_access_modes(&spec->access_modes, PATH(path, "accessModes"), causes);
    if (is_inline)
        validate_inline(spec, path, causes);
    else
        validate_own(spec, path, causes);
    validate_volume_source(spec, path, causes);
    validate_attributes_class(spec, path, causes);
}

static void validate_volume(const void *value, const void *before, Causes *causes)
{
    const PersistentVolume *volume = value;

    rules_volume_spec(&volume->spec, false, PATH(NULL, "spec"), causes);
    if (before)
        validate_volume_update(volume, before, causes);
}

static void warn_volume(Arena *arena, const void *value, Warnings *warnings)
{
    const PersistentVolume *volume = value;

    warn_annotation(arena, &volume->metadata, CLASS_ANNOTATION,
                    "deprecated since v1.8; use \"storageClassName\" attribute instead", warnings);
    warn_annotation(arena, &volume->metadata, "volume.beta.kubernetes.io/mount-options",
                    "deprecated since v1.31; use \"mountOptions\" attribute instead", warnings);
    if (str_equal(volume->spec.persistent_volume_reclaim_policy, "Recycle"))
        rules_warn(arena, warnings,
                   "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. "
                   "Instead, the recommended approach is to use dynamic provisioning.");
}

static void print_volume(const void *value, int64_t now_ns, StrBuf *row)
{
    const PersistentVolume *volume = value;
    const PersistentVolumeSpec *spec = &volume->spec;
    const char *capacity = string_map_get(&spec->capacity, "storage");
    const char *class = spec->volume_attributes_class_name;

    cell_string(row, volume->metadata.name);
    cell_string(row, capacity ? capacity : "0");
    cell_modes(row, &spec->access_modes);
    cell_string(row, spec->persistent_volume_reclaim_policy);
    cell_string(row,
                volume->metadata.deletion_timestamp.set ? "Terminating" : volume->status.phase);
    if (spec->claim_ref)
        cell_printf(row, "%s/%s", str_or(spec->claim_ref->namespace, ""),
                    str_or(spec->claim_ref->name, ""));
    else
        cell_string(row, "");
    cell_string(row, class_of(&volume->metadata, spec->storage_class_name));
    cell_string(row, class ? class : "<unset>");
    cell_string(row, volume->status.reason);
    cell_age(row, volume->metadata.creation_timestamp, now_ns);
    cell_string(row, spec->volume_mode ? spec->volume_mode : "<unset>");
}

const KindRules rules_persistent_volume = {
    .complete = complete_volume,
    .prepare = prepare_volume,
    .validate = validate_volume,
    .warn = warn_volume,
    .print = print_volume,
};
