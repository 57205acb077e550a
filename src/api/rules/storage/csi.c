/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of the kinds with which storage drivers describe themselves: CSIDriver, CSINode,
 * CSIStorageCapacity, VolumeAttachment and VolumeAttributesClass. */
#include "api/print.h"
#include "api/quantity.h"
#include "api/rules/core/volume.h"
#include "api/rules/rules.h"
#include "api/rules/storage/parameters.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/storage_csi_v1.h"
#include "api/text_check.h"
#include "base/text_map.h"

enum {
    NODE_ID_MAX = 192,
    TOKEN_SECONDS_MIN = 600,
    UPDATE_SECONDS_MIN = 10,
    METADATA_MAX = 256 * 1024,
    MESSAGE_MAX = 1024,
};
#define TOKEN_SECONDS_MAX (INT64_C(1) << 32)

/* ---- CSIDriver ---- */

static void csi_driver_complete(Arena *arena, void *value)
{
    CSIDriverSpec *spec = &((CSIDriver *)value)->spec;

    if (!spec->volume_lifecycle_modes.n) {
        spec->volume_lifecycle_modes.v = arena_new_n(arena, const char *, 1);
        spec->volume_lifecycle_modes.v[spec->volume_lifecycle_modes.n++] = "Persistent";
    }
}

/* The API server ignores this field until a driver may require it. */
static void csi_driver_prepare(Arena *arena _unused_, void *value, const void *before)
{
    const CSIDriver *old = before;

    if (!old || !old->spec.prevent_pod_scheduling_if_missing)
        ((CSIDriver *)value)->spec.prevent_pod_scheduling_if_missing = NULL;
}

static void check_tokens(const CSITokenRequestArray *tokens, Causes *causes)
{
    TextMap audiences = TEXT_MAP_INIT(causes->arena);

    for (size_t i = 0; i < tokens->n; i++) {
        const Path *path = PATH_INDEX(PATH(NULL, "spec.tokenRequests"), i);
        const int64_t *seconds = tokens->v[i].expiration_seconds;

        if (!text_map_add(&audiences, str_or(tokens->v[i].audience, ""))) {
            fail_duplicate(causes, PATH(path, "audience"), str_or(tokens->v[i].audience, ""));
            continue;
        }
        if (seconds && *seconds < TOKEN_SECONDS_MIN)
            fail_invalid_int(causes, PATH(path, "expirationSeconds"), *seconds,
                             "may not specify a duration less than 10 minutes");
        if (seconds && *seconds > TOKEN_SECONDS_MAX)
            fail_invalid_int(causes, PATH(path, "expirationSeconds"), *seconds,
                             "may not specify a duration larger than 2^32 seconds");
    }
}

static void csi_driver_validate(const void *value, const void *before_value, Causes *causes)
{
    static const char *const modes[] = {"Persistent", "Ephemeral", NULL};
    const CSIDriverSpec *spec = &((const CSIDriver *)value)->spec;
    const CSIDriver *before = before_value;

    check_tokens(&spec->token_requests, causes);
    for (size_t i = 0; i < spec->volume_lifecycle_modes.n; i++)
        if (!name_is_one_of(spec->volume_lifecycle_modes.v[i], modes))
            causes_not_supported(causes, "spec.volumeLifecycleModes",
                                 spec->volume_lifecycle_modes.v[i], modes);
    if (spec->node_allocatable_update_period_seconds &&
        *spec->node_allocatable_update_period_seconds < UPDATE_SECONDS_MIN)
        causes_invalid_int(causes, "spec.nodeAllocatableUpdatePeriodSeconds",
                           *spec->node_allocatable_update_period_seconds,
                           "must be greater than or equal to 10 seconds");
    if (spec->service_account_token_in_secrets && !spec->token_requests.n)
        causes_add(causes, CAUSE_INVALID, "spec.serviceAccountTokenInSecrets",
                   *spec->service_account_token_in_secrets ? "true" : "false",
                   "serviceAccountTokenInSecrets is set but no tokenRequests are specified");
    if (!before)
        return;
    if (spec->attach_required && before->spec.attach_required &&
        *spec->attach_required != *before->spec.attach_required)
        causes_add(causes, CAUSE_INVALID, "spec.attachedRequired",
                   *spec->attach_required ? "true" : "false", "field is immutable");
    validate_immutable(type_member(&type_CSIDriverSpec, "volumeLifecycleModes"),
                       &spec->volume_lifecycle_modes, &before->spec.volume_lifecycle_modes,
                       "spec.volumeLifecycleModes", causes);
}

static const char *joined(Arena *arena, const char *text, const char *more)
{
    return *text ? arena_printf(arena, "%s,%s", text, str_or(more, "")) : str_or(more, "");
}

static void csi_driver_warn(Arena *arena, const void *value, Warnings *warnings)
{
    const CSIDriverSpec *spec = &((const CSIDriver *)value)->spec;

    if (spec->token_requests.n && !spec->service_account_token_in_secrets)
        rules_warn(arena, warnings,
                   "spec.tokenRequests is set but spec.serviceAccountTokenInSecrets is not; "
                   "consider setting it to true");
}

static void csi_driver_print(const void *value, int64_t now_ns, StrBuf *out)
{
    _arena_ Arena arena = ARENA_INIT;
    const CSIDriver *driver = value;
    const CSIDriverSpec *spec = &driver->spec;
    const char *modes = "", *audiences = "";

    for (size_t i = 0; i < spec->volume_lifecycle_modes.n; i++)
        modes = joined(&arena, modes, spec->volume_lifecycle_modes.v[i]);
    for (size_t i = 0; i < spec->token_requests.n; i++)
        audiences = joined(&arena, audiences, spec->token_requests.v[i].audience);
    cell_string(out, driver->metadata.name);
    cell_bool(out, !spec->attach_required || *spec->attach_required);
    cell_bool(out, spec->pod_info_on_mount && *spec->pod_info_on_mount);
    cell_bool(out, spec->storage_capacity && *spec->storage_capacity);
    cell_string(out, spec->token_requests.n ? audiences : "<unset>");
    cell_bool(out, spec->requires_republish && *spec->requires_republish);
    cell_string(out, *modes ? modes : "<none>");
    cell_age(out, driver->metadata.creation_timestamp, now_ns);
}

const KindRules rules_csi_driver = {
    .complete = csi_driver_complete,
    .prepare = csi_driver_prepare,
    .validate = csi_driver_validate,
    .warn = csi_driver_warn,
    .print = csi_driver_print,
};

/* ---- CSINode ---- */

static void check_topology_keys(const StringArray *keys, const Path *path, Causes *causes)
{
    TextMap seen = TEXT_MAP_INIT(causes->arena);

    for (size_t i = 0; i < keys->n; i++) {
        if (str_empty(keys->v[i]))
            fail_required(causes, path, "");
        fail_if_seen(causes, path, &seen, str_or(keys->v[i], ""));
        fail_faults(causes, path, keys->v[i], check_qualified_name(keys->v[i]));
    }
}

static void check_node_driver(const CSINodeDriver *driver, const Path *path, Causes *causes)
{
    validate_driver_name(driver->name, PATH(path, "name"), causes);
    if (str_empty(driver->node_id))
        fail_required(causes, PATH(path, "nodeID"), "");
    else if (strlen(driver->node_id) > NODE_ID_MAX)
        fail_invalid(causes, PATH(path, "nodeID"), driver->node_id,
                     "must be 192 characters or less");
    if (driver->allocatable && driver->allocatable->count)
        validate_non_negative(*driver->allocatable->count,
                              path_text(PATH(path, "allocatable.count"), causes), causes);
    check_topology_keys(&driver->topology_keys, path, causes);
}

/* A driver stays as it is while it is on the node, but for the number of its volumes. */
static void check_same_drivers(const CSINodeDriverArray *now, const CSINodeDriverArray *before,
                               Causes *causes)
{
    TextMap by_name = TEXT_MAP_INIT(causes->arena);

    for (size_t i = 0; i < before->n; i++)
        text_map_put_first(&by_name, before->v[i].name, &before->v[i]);
    for (size_t i = 0; i < now->n; i++) {
        const CSINodeDriver *old = text_map_get(&by_name, now->v[i].name);
        CSINodeDriver same = now->v[i];

        if (!old)
            continue;
        same.allocatable = old->allocatable;
        if (!type_equal(&type_CSINodeDriver, &same, old)) {
            same.allocatable = NULL;
            causes_add(causes, CAUSE_INVALID, "spec.drivers", NULL, "field is immutable");
        }
    }
}

static void csi_node_validate(const void *value, const void *before, Causes *causes)
{
    const CSINodeDriverArray *drivers = &((const CSINode *)value)->spec.drivers;
    TextMap names = TEXT_MAP_INIT(causes->arena);

    for (size_t i = 0; i < drivers->n; i++) {
        const Path *path = PATH_INDEX(PATH(NULL, "spec.drivers"), i);

        check_node_driver(&drivers->v[i], path, causes);
        fail_if_seen(causes, PATH(path, "name"), &names, str_or(drivers->v[i].name, ""));
    }
    if (before)
        check_same_drivers(drivers, &((const CSINode *)before)->spec.drivers, causes);
}

static void csi_node_print(const void *value, int64_t now_ns, StrBuf *out)
{
    const CSINode *node = value;

    cell_string(out, node->metadata.name);
    cell_int64(out, (int64_t)node->spec.drivers.n);
    cell_age(out, node->metadata.creation_timestamp, now_ns);
}

const KindRules rules_csi_node = {
    .validate = csi_node_validate,
    .print = csi_node_print,
};

/* ---- CSIStorageCapacity ---- */

static void csi_storage_capacity_validate(const void *value, const void *before _unused_,
                                          Causes *causes)
{
    const CSIStorageCapacity *capacity = value;

    validate_label_selector(capacity->node_topology, "nodeTopology", causes);
    faults_add(check_dns_subdomain(capacity->storage_class_name), "storageClassName",
               capacity->storage_class_name, causes);
    if (!str_empty(capacity->capacity) && *capacity->capacity == '-')
        causes_invalid_string(causes, "capacity", capacity->capacity,
                              "must be greater than or equal to 0");
}

const KindRules rules_csi_storage_capacity = {
    .validate = csi_storage_capacity_validate,
};

/* ---- VolumeAttachment ---- */

static void check_source(const VolumeAttachmentSource *source, Causes *causes)
{
    const char *const one = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    const char *path = "spec.source";

    if (!source->inline_volume_spec && !source->persistent_volume_name)
        causes_required(causes, path, one);
    else if (source->inline_volume_spec && source->persistent_volume_name)
        causes_forbidden(causes, path, one);
    else if (source->inline_volume_spec)
        rules_volume_spec(source->inline_volume_spec, true,
                          PATH(NULL, "spec.source.inlineVolumeSpec"), causes);
    else if (str_empty(source->persistent_volume_name))
        causes_required(causes, "spec.source.persistentVolumeName",
                        "must specify non empty persistentVolumeName");
    if (source->persistent_volume_name)
        faults_add(check_dns_subdomain(source->persistent_volume_name),
                   "spec.source.persistentVolumeName", source->persistent_volume_name, causes);
}

static void check_error(const VolumeError *error, const Path *path, Causes *causes)
{
    if (!error)
        return;
    if (strlen(str_or(error->message, "")) > MESSAGE_MAX)
        causes_add(causes, CAUSE_TOO_LONG, path_text(PATH(path, "message"), causes), NULL,
                   "may not be more than 262144 bytes");
    if (error->error_code && *error->error_code < 0)
        fail_invalid_int(causes, PATH(path, "errorCode"), *error->error_code,
                         "must be between 0 and 2147483647, inclusive");
}

static void check_status(const VolumeAttachmentStatus *status, Causes *causes)
{
    size_t size = 0;

    for (size_t i = 0; i < status->attachment_metadata.n; i++)
        size += strlen(status->attachment_metadata.v[i].key) +
                strlen(str_or(status->attachment_metadata.v[i].value, ""));
    if (size > METADATA_MAX)
        causes_add(causes, CAUSE_TOO_LONG, "status.attachmentMetadata", NULL,
                   "may not be more than 262144 bytes");
    check_error(status->attach_error, PATH(NULL, "status.attachError"), causes);
    check_error(status->detach_error, PATH(NULL, "status.detachError"), causes);
}

static void volume_attachment_prepare(Arena *arena _unused_, void *value, const void *before)
{
    if (!before)
        ((VolumeAttachment *)value)->status = (VolumeAttachmentStatus){0};
}

/* kube-apiserver shows its internal form of the spec, whose names are those of Go. */
static void check_same_spec(const VolumeAttachmentSpec *spec, const VolumeAttachmentSpec *before,
                            Causes *causes)
{
    const VolumeAttachmentSource *source = &spec->source;
    const char *bad = NULL;

    if (type_equal(&type_VolumeAttachmentSpec, spec, before))
        return;
    if (source->persistent_volume_name && !source->inline_volume_spec)
        bad = arena_printf(causes->arena,
                           "{\"Attacher\":%s,\"Source\":{\"PersistentVolumeName\":%s,"
                           "\"InlineVolumeSpec\":null},\"NodeName\":%s}",
                           causes_quote(causes, str_or(spec->attacher, "")),
                           causes_quote(causes, source->persistent_volume_name),
                           causes_quote(causes, str_or(spec->node_name, "")));
    causes_add(causes, CAUSE_INVALID, "spec", bad, "field is immutable");
}

static void volume_attachment_validate(const void *value, const void *before, Causes *causes)
{
    const VolumeAttachment *attachment = value;

    if (before)
        check_same_spec(&attachment->spec, &((const VolumeAttachment *)before)->spec, causes);
    validate_driver_name(attachment->spec.attacher, PATH(NULL, "spec.attacher"), causes);
    check_source(&attachment->spec.source, causes);
    faults_add(check_dns_subdomain(attachment->spec.node_name), "spec.nodeName",
               attachment->spec.node_name, causes);
    check_status(&attachment->status, causes);
}

static void volume_attachment_validate_status(const void *value, const void *before _unused_,
                                              Causes *causes)
{
    check_status(&((const VolumeAttachment *)value)->status, causes);
}

static void volume_attachment_print(const void *value, int64_t now_ns, StrBuf *out)
{
    const VolumeAttachment *attachment = value;

    cell_string(out, attachment->metadata.name);
    cell_string(out, attachment->spec.attacher);
    cell_string(out, attachment->spec.source.persistent_volume_name);
    cell_string(out, attachment->spec.node_name);
    cell_bool(out, attachment->status.attached);
    cell_age(out, attachment->metadata.creation_timestamp, now_ns);
}

const KindRules rules_volume_attachment = {
    .prepare = volume_attachment_prepare,
    .validate = volume_attachment_validate,
    .validate_status = volume_attachment_validate_status,
    .print = volume_attachment_print,
    .subresources = status_without_meta,
};

/* ---- VolumeAttributesClass ---- */

static void volume_attributes_class_validate(const void *value, const void *before_value,
                                             Causes *causes)
{
    const VolumeAttributesClass *class = value, *before = before_value;

    rules_driver_name(class->driver_name, "driverName", causes);
    rules_parameters(&class->parameters, causes);
    if (!class->parameters.n)
        causes_required(causes, "parameters", "must contain at least one key/value pair");
    if (!before)
        return;
    if (!str_equal(class->driver_name, before->driver_name))
        causes_forbidden(causes, "driverName", "updates to driverName are forbidden.");
    if (!type_field_equal(type_member(&type_VolumeAttributesClass, "parameters"),
                          &class->parameters, &before->parameters))
        causes_forbidden(causes, "parameters", "updates to parameters are forbidden.");
}

static void volume_attributes_class_print(const void *value, int64_t now_ns, StrBuf *out)
{
    const VolumeAttributesClass *class = value;

    cell_string(out, class->metadata.name);
    cell_string(out, class->driver_name);
    cell_age(out, class->metadata.creation_timestamp, now_ns);
}

const KindRules rules_volume_attributes_class = {
    .validate = volume_attributes_class_validate,
    .print = volume_attributes_class_print,
};
