/* SPDX-License-Identifier: Apache-2.0 */
/* Validates the spec of a claim, or of a template from which claims are made. */
#include "api/object.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_reference_v1.h"
#include "api/validate/pod.h"
#include "codec/quantity.h"

void validate_positive(const char *quantity, const Path *path, Causes *causes)
{
    if (quantity_compare(quantity, "0") <= 0)
        fail_invalid(causes, path, quantity, "must be greater than zero");
}

/* If no group is given, PersistentVolumeClaim is the only kind that a claim can be made from. */
static void validate_source_kind(const char *group, const char *kind, const Path *path,
                                 Causes *causes)
{
    if (str_empty(group) && !str_equal(kind, "PersistentVolumeClaim"))
        fail_invalid(causes, path, str_or(kind, ""),
                     "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
}

static void validate_data_source(const PersistentVolumeClaimSpec *spec, const Path *path,
                                 Causes *causes)
{
    const TypedLocalObjectReference *source = spec->data_source;
    const TypedObjectReference *ref = spec->data_source_ref;

    if (source)
        validate_source_kind(source->api_group, source->kind, PATH(path, "dataSource"), causes);
    if (ref)
        validate_source_kind(ref->api_group, ref->kind, PATH(path, "dataSourceRef"), causes);
    if (!source || !ref)
        return;
    if (!str_empty(ref->namespace))
        causes_add(causes, CAUSE_INVALID, path_text(path, causes), "{}",
                   "may not be specified when dataSourceRef.namespace is specified");
    else if (!str_equal(source->kind, ref->kind) || !str_equal(source->name, ref->name) ||
             !str_equal(source->api_group, ref->api_group))
        causes_add(causes, CAUSE_INVALID, path_text(path, causes), "{}",
                   "must match dataSourceRef");
}

void validate_claim_spec(const PersistentVolumeClaimSpec *spec, const char *path, Causes *causes)
{
    const Path *base = PATH(NULL, path);
    const char *storage = string_map_get(&spec->resources.requests, "storage");
    const Path *storage_path = PATH_KEY(PATH(base, "resources"), "storage");

    if (!spec->access_modes.n)
        fail_required(causes, PATH(base, "accessModes"), "at least 1 access mode is required");
    if (spec->selector)
        validate_label_selector(spec->selector, path_text(PATH(base, "selector"), causes), causes);
    validate_access_modes(&spec->access_modes, PATH(base, "accessModes"), causes);
    if (!storage)
        fail_required(causes, storage_path, NULL);
    else
        validate_positive(storage, storage_path, causes);
    if (!str_empty(spec->storage_class_name))
        fail_faults(causes, PATH(base, "storageClassName"), spec->storage_class_name,
                    check_dns_subdomain(spec->storage_class_name));
    validate_data_source(spec, base, causes);
    if (!str_empty(spec->volume_attributes_class_name))
        fail_faults(causes, PATH(base, "volumeAttributesClassName"),
                    spec->volume_attributes_class_name,
                    check_dns_subdomain(spec->volume_attributes_class_name));
}
