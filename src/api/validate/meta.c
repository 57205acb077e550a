/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Validation of metadata, which all objects have, and the entry points that combine the layers of
 * validation.
 */
#include "api/custom.h"
#include "api/object.h"
#include "api/validate/pod.h"
#include "codec/json/json.h"

/* ---- names ---- */

/* Kinds whose names are no DNS subdomains. */
static const struct {
    const char *group, *kind;
    Faults (*check)(const char *);
} name_checks[] = {
    {"", "Namespace", check_dns_label},
    {"", "Service", check_dns_label},
    {"apiregistration.k8s.io", "APIService", check_path_segment},
    {"apps", "StatefulSet", check_dns_label},
    {"certificates.k8s.io", "CertificateSigningRequest", check_path_segment},
    {"networking.k8s.io", "IPAddress", check_ip},
    {"rbac.authorization.k8s.io", "ClusterRole", check_path_segment},
    {"rbac.authorization.k8s.io", "ClusterRoleBinding", check_path_segment},
    {"rbac.authorization.k8s.io", "Role", check_path_segment},
    {"rbac.authorization.k8s.io", "RoleBinding", check_path_segment},
};

static Faults (*name_check_of(const Kind *kind))(const char *)
{
    for (size_t i = 0; i < ARRAY_LEN(name_checks); i++)
        if (str_equal(name_checks[i].group, kind->group) &&
            str_equal(name_checks[i].kind, kind->kind))
            return name_checks[i].check;
    return check_dns_subdomain;
}

static void validate_names(const Kind *kind, const ObjectMeta *meta, const Path *path,
                           Causes *causes)
{
    Faults (*check)(const char *) = name_check_of(kind);

    if (!str_empty(meta->generate_name)) {
        Faults faults = check_name_prefix(check, meta->generate_name);

        if (faults.n)
            faults_add(faults, path_text(PATH(path, "generateName"), causes), meta->generate_name,
                       causes);
    }
    if (str_empty(meta->name)) {
        causes_required(causes, path_text(PATH(path, "name"), causes),
                        "name or generateName is required");
    } else {
        Faults faults = check(meta->name);

        if (faults.n)
            faults_add(faults, path_text(PATH(path, "name"), causes), meta->name, causes);
    }
    if (!(kind->flags & KIND_NAMESPACED)) {
        if (!str_empty(meta->namespace))
            causes_forbidden(causes, path_text(PATH(path, "namespace"), causes),
                             "not allowed on this type");
    } else if (str_empty(meta->namespace)) {
        causes_required(causes, path_text(PATH(path, "namespace"), causes), NULL);
    } else {
        Faults faults = check_dns_label(meta->namespace);

        if (faults.n)
            faults_add(faults, path_text(PATH(path, "namespace"), causes), meta->namespace, causes);
    }
}

/* ---- owners, finalizers, managers ---- */

static void must_not_be_empty(const char *s, const Path *path, Causes *causes)
{
    if (str_empty(s))
        causes_invalid_string(causes, path_text(path, causes), "", "must not be empty");
}

/* "v1" or "apps/v1". */
static bool has_version(const char *api_version)
{
    const char *slash = strchr(str_or(api_version, ""), '/');

    return slash ? slash[1] && !strchr(slash + 1, '/') : !str_empty(api_version);
}

static const char *owner_as_json(const OwnerReference *owner, Causes *causes)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    json_encode(&type_OwnerReference, owner, NULL, &text);
    return arena_strdup(causes->arena, strbuf_string(&text));
}

static void validate_owners(const OwnerReferenceArray *owners, const Path *path, Causes *causes)
{
    const OwnerReference *controller = NULL;

    for (size_t i = 0; i < owners->n; i++) {
        const OwnerReference *owner = &owners->v[i];

        /* As in Kubernetes, the index of the owner is not part of the path. */
        if (!has_version(owner->api_version))
            causes_invalid_string(causes, path_text(PATH(path, "apiVersion"), causes),
                                  owner->api_version, "version must not be empty");
        must_not_be_empty(owner->kind, PATH(path, "kind"), causes);
        must_not_be_empty(owner->name, PATH(path, "name"), causes);
        must_not_be_empty(owner->uid, PATH(path, "uid"), causes);
        if (str_equal(owner->api_version, "v1") && str_equal(owner->kind, "Event"))
            causes_add(causes, CAUSE_INVALID, path_text(path, causes), owner_as_json(owner, causes),
                       "/v1, Kind=Event is disallowed from being an owner");
        if (!owner->controller || !*owner->controller)
            continue;
        if (controller)
            causes_add(causes, CAUSE_INVALID, path_text(path, causes),
                       validate_bad_value(type_member(&type_ObjectMeta, "ownerReferences"), owners,
                                          causes),
                       arena_printf(causes->arena,
                                    "Only one reference can have Controller set to true. Found "
                                    "\"true\" in references for %s/%s and %s/%s",
                                    controller->kind, controller->name, owner->kind, owner->name));
        else
            controller = owner;
    }
}

static bool has_string(const StringArray *strings, const char *s)
{
    for (size_t i = 0; i < strings->n; i++)
        if (str_equal(strings->v[i], s))
            return true;
    return false;
}

/* Kubernetes checks the metadata of definitions and of custom resources by more generous rules. */
static bool takes_any_finalizer(const Kind *kind)
{
    return kind->custom || str_equal(kind->group, "apiextensions.k8s.io");
}

static void validate_finalizers(const Kind *kind, const StringArray *finalizers, const Path *path,
                                Causes *causes)
{
    static const char *const standard[] = {"kubernetes", "orphan", "foregroundDeletion", NULL};

    for (size_t i = 0; i < finalizers->n; i++) {
        Faults faults = check_qualified_name(finalizers->v[i]);

        if (faults.n)
            faults_add(faults, path_text(path, causes), finalizers->v[i], causes);
    }
    for (size_t i = 0; i < finalizers->n && !takes_any_finalizer(kind); i++) {
        if (!strchr(finalizers->v[i], '/') && !name_is_one_of(finalizers->v[i], standard))
            fail_invalid(causes, PATH_INDEX(path, i), finalizers->v[i],
                         "name is neither a standard finalizer name nor is it fully qualified");
    }
    if (has_string(finalizers, "orphan") && has_string(finalizers, "foregroundDeletion"))
        causes_add(
            causes, CAUSE_INVALID, path_text(path, causes),
            validate_bad_value(type_member(&type_ObjectMeta, "finalizers"), finalizers, causes),
            "finalizer orphan and foregroundDeletion cannot be both set");
}

static void validate_no_new_finalizers(const StringArray *now, const StringArray *before,
                                       const Path *path, Causes *causes)
{
    _strbuf_ StrBuf found = STRBUF_INIT;
    TextMap old = TEXT_MAP_INIT(causes->arena);

    for (size_t i = 0; i < before->n; i++)
        text_map_add(&old, before->v[i]);
    for (size_t i = 0; i < now->n; i++)
        if (!text_map_has(&old, now->v[i]))
            strbuf_printf(&found, "%s\"%s\"", found.n ? ", " : "", now->v[i]);
    if (found.n)
        causes_forbidden(
            causes, path_text(path, causes),
            arena_printf(causes->arena,
                         "no new finalizers can be added if the object is being deleted, found "
                         "new finalizers []string{%s}",
                         strbuf_string(&found)));
}

static void validate_managed_fields(const ManagedFieldsEntryArray *entries, const Path *path,
                                    Causes *causes)
{
    for (size_t i = 0; i < entries->n; i++) {
        const ManagedFieldsEntry *entry = &entries->v[i];
        const Path *at = PATH_INDEX(path, i);

        if (!str_equal(entry->operation, "Apply") && !str_equal(entry->operation, "Update"))
            causes_invalid_string(causes, path_text(PATH(at, "operation"), causes),
                                  entry->operation, "must be `Apply` or `Update`");
        if (!str_empty(entry->fields_type) && !str_equal(entry->fields_type, "FieldsV1"))
            causes_invalid_string(causes, path_text(PATH(at, "fieldsType"), causes),
                                  entry->fields_type, "must be `FieldsV1`");
        if (entry->manager && strlen(entry->manager) > 128)
            causes_add(causes, CAUSE_TOO_LONG, path_text(PATH(at, "manager"), causes), NULL,
                       "may not be more than 128 bytes");
        if (entry->subresource && strlen(entry->subresource) > 256)
            causes_add(causes, CAUSE_TOO_LONG, path_text(PATH(at, "subresource"), causes), NULL,
                       "may not be more than 256 bytes");
    }
}

/* ---- metadata as a whole ---- */

static const char *const immutable_meta[] = {"name",
                                             "namespace",
                                             "uid",
                                             "creationTimestamp",
                                             "deletionTimestamp",
                                             "deletionGracePeriodSeconds"};

static void validate_meta_update(const ObjectMeta *meta, const ObjectMeta *before, const Path *path,
                                 Causes *causes)
{
    if (before->deletion_timestamp.set)
        validate_no_new_finalizers(&meta->finalizers, &before->finalizers, PATH(path, "finalizers"),
                                   causes);
    if (meta->generation < before->generation)
        causes_invalid_int(causes, path_text(PATH(path, "generation"), causes), meta->generation,
                           "must not be decremented");
    for (size_t i = 0; i < ARRAY_LEN(immutable_meta); i++) {
        const Field *field = type_member(&type_ObjectMeta, immutable_meta[i]);
        const void *now = field_at(meta, field), *old = field_at(before, field);

        if (!type_field_equal(field, now, old))
            validate_immutable(field, now, old, path_text(PATH(path, immutable_meta[i]), causes),
                               causes);
    }
}

void validate_object_meta(const Kind *kind, const ObjectMeta *meta, const ObjectMeta *before,
                          const char *path, Causes *causes)
{
    const Path *base = PATH(NULL, path ? path : "metadata");

    if (before)
        validate_meta_update(meta, before, base, causes);
    else
        validate_names(kind, meta, base, causes);
    if (meta->generation < 0)
        validate_non_negative(meta->generation, path_text(PATH(base, "generation"), causes),
                              causes);
    if (meta->labels.n)
        validate_labels(&meta->labels, path_text(PATH(base, "labels"), causes), causes);
    if (meta->annotations.n)
        validate_annotations(&meta->annotations, path_text(PATH(base, "annotations"), causes),
                             causes);
    validate_owners(&meta->owner_references, PATH(base, "ownerReferences"), causes);
    validate_finalizers(kind, &meta->finalizers, PATH(base, "finalizers"), causes);
    validate_managed_fields(&meta->managed_fields, PATH(base, "managedFields"), causes);
}

/* The name of a field in messages about Go's fields: only the first letter is in lower case. */
static const char *go_path_name(const Field *field)
{
    return str_equal(field->json, "uid") ? "uID" : field->json;
}

void validate_template_meta(const ObjectMeta *meta, const Path *path, Causes *causes)
{
    static const ObjectMeta nothing = {0};

    validate_annotations(&meta->annotations, path_text(PATH(path, "annotations"), causes), causes);
    validate_labels(&meta->labels, path_text(PATH(path, "labels"), causes), causes);
    for (size_t i = 0; i < type_ObjectMeta.n_fields; i++) {
        const Field *field = &type_ObjectMeta.fields[i];

        if (str_equal(field->json, "labels") || str_equal(field->json, "annotations"))
            continue;
        if (!type_field_equal(field, field_at(meta, field), field_at(&nothing, field)))
            fail_forbidden(causes, PATH(path, go_path_name(field)), "cannot be set");
    }
}

/* ---- objects ---- */

/* Metadata has been checked before. The status is written by controllers and nodes, so it is not
 * checked here. */
static void validate_fields(const Kind *kind, const void *value, const void *before, Causes *causes)
{
    for (size_t i = 1; i < kind->type->n_fields; i++) {
        const Field *field = &kind->type->fields[i];
        Type one = {.name = kind->type->name, .fields = field, .n_fields = 1};

        if (field != kind->status)
            validate_type(&one, value, before, NULL, causes);
    }
}

void validate_object(const Kind *kind, const void *value, const void *before, Causes *causes)
{
    validate_object_meta(kind, value, before, NULL, causes);
    validate_fields(kind, value, before, causes);
    if (kind->rules && kind->rules->validate)
        kind->rules->validate(value, before, causes);
    if (kind->custom)
        kind->custom->validate(kind, value, before, false, causes);
}

void validate_object_status(const Kind *kind, const void *value, const void *before, Causes *causes)
{
    validate_object_meta(kind, value, before, NULL, causes);
    if (kind->rules && kind->rules->validate_status)
        kind->rules->validate_status(value, before, causes);
    if (kind->custom)
        kind->custom->validate(kind, value, before, true, causes);
}
