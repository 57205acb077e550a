/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of CustomResourceDefinitions. What versions have in common, kube-apiserver keeps once for all of
 * them while it checks a definition, so its messages name a path such as spec.validation instead of
 * spec.versions[0].schema. The paths here are the same ones.
 */
#include "api/condition.h"
#include "api/extension/custom.h"
#include "api/meta.h"
#include "api/rules/extension/definition.h"
#include "api/rules/rules.h"
#include "api/schema/apiextensions_v1.h"
#include "base/text_map.h"
#include "base/utf8.h"
#include "codec/json/json.h"

#define APPROVED "api-approved.kubernetes.io"
#define DEPRECATION_MAX 256
#define VERSIONS_MAX 100

typedef CustomResourceDefinition Definition;
typedef CustomResourceDefinitionSpec Spec;
typedef CustomResourceDefinitionVersion Version;

/* ---- defaults, and what a client may not set ---- */

static const char *stored_version(const Spec *spec)
{
    for (size_t i = 0; i < spec->versions.n; i++)
        if (spec->versions.v[i].storage)
            return str_or(spec->versions.v[i].name, "");
    return NULL;
}

/* The version in which objects are stored from now on is among those in which any are stored. */
static void note_stored_version(Arena *arena, Definition *definition)
{
    StringArray *stored = &definition->status.stored_versions;
    const char *name = stored_version(&definition->spec);

    if (name && !rules_among(stored, stored->n, name))
        ARENA_APPEND(arena, stored, name);
}

static void definition_complete(Arena *arena, void *value)
{
    Definition *definition = value;
    CustomResourceDefinitionNames *names = &definition->spec.names;

    if (str_empty(names->singular))
        names->singular = text_lower(arena, str_or(names->kind, ""));
    if (str_empty(names->list_kind) && !str_empty(names->kind))
        names->list_kind = arena_printf(arena, "%sList", names->kind);
    if (!definition->spec.conversion) {
        definition->spec.conversion = arena_new(arena, CustomResourceConversion);
        definition->spec.conversion->strategy = "None";
    }
    if (definition->status.stored_versions.n == 0)
        note_stored_version(arena, definition);
}

static void definition_prepare(Arena *arena, void *value, const void *before)
{
    Definition *definition = value;

    if (!before)
        definition->status = (CustomResourceDefinitionStatus){0};
    note_stored_version(arena, definition);
}

/* ---- names ---- */

/* One cause with all faults, as these checks of kube-apiserver report them. */
static void check_label(const char *name, const char *shown, const char *begin, const Path *path,
                        Causes *causes)
{
    Faults faults = check_dns_1035_label(name);

    if (faults.n)
        fail_invalid(
            causes, path, shown,
            arena_printf(causes->arena, "%s%s", begin, faults_joined(faults, causes->arena)));
}

static void check_mixed_case(const char *name, const Path *path, Causes *causes)
{
    if (!str_empty(name))
        check_label(text_lower(causes->arena, name), name,
                    "may have mixed case, but should otherwise match: ", path, causes);
}

static void check_labels(const StringArray *names, const Path *path, Causes *causes)
{
    for (size_t i = 0; i < names->n; i++)
        check_label(str_or(names->v[i], ""), str_or(names->v[i], ""), "", PATH_INDEX(path, i),
                    causes);
}

static void check_names(const CustomResourceDefinitionNames *names, const Path *path,
                        Causes *causes)
{
    if (!str_empty(names->plural))
        check_label(names->plural, names->plural, "", PATH(path, "plural"), causes);
    if (!str_empty(names->singular))
        check_label(names->singular, names->singular, "", PATH(path, "singular"), causes);
    check_mixed_case(names->kind, PATH(path, "kind"), causes);
    check_mixed_case(names->list_kind, PATH(path, "listKind"), causes);
    check_labels(&names->short_names, PATH(path, "shortNames"), causes);
    if (!str_empty(names->kind) && str_equal(names->kind, names->list_kind))
        causes_invalid_string(causes, path_text(PATH(path, "listKind"), causes), names->list_kind,
                              "kind and listKind may not be the same");
    check_labels(&names->categories, PATH(path, "categories"), causes);
}

static void require(const char *text, const Path *path, Causes *causes)
{
    if (str_empty(text))
        fail_required(causes, path, NULL);
}

static void require_names(const CustomResourceDefinitionNames *names, const Path *path,
                          Causes *causes)
{
    require(names->plural, PATH(path, "plural"), causes);
    require(names->singular, PATH(path, "singular"), causes);
    require(names->kind, PATH(path, "kind"), causes);
    require(names->list_kind, PATH(path, "listKind"), causes);
}

static void check_group(const char *group, const Path *path, Causes *causes)
{
    Faults faults;

    if (str_empty(group)) {
        fail_required(causes, path, NULL);
        return;
    }
    faults = check_dns_subdomain(group);
    if (faults.n)
        fail_invalid(causes, path, group, faults_joined(faults, causes->arena));
    else if (!strchr(group, '.'))
        causes_invalid_string(causes, path_text(path, causes), group,
                              "should be a domain with at least one dot");
}

static void check_choice(const char *text, const char *const *choices, const Path *path,
                         Causes *causes)
{
    if (str_empty(text))
        fail_required(causes, path, NULL);
    else if (!name_is_one_of(text, choices))
        fail_not_supported(causes, path, text, choices);
}

/* ---- columns, subresources ---- */

static void check_simple_path(const char *text, const Path *path, Causes *causes)
{
    if (text[0] != '.')
        causes_invalid_string(causes, path_text(path, causes), text,
                              "must be a simple json path starting with .");
}

static void check_column(const CustomResourceColumnDefinition *column, const Path *path,
                         Causes *causes)
{
    static const char *const types[] = {"boolean", "date", "integer", "number", "string", NULL};
    static const char *const formats[] = {"byte",  "date",  "date-time", "double", "float",
                                          "int32", "int64", "password",  NULL};
    const Path *at = PATH(path, "type");

    require(column->name, PATH(path, "name"), causes);
    if (str_empty(column->type))
        fail_required(causes, at, "must be one of boolean,date,integer,number,string");
    else if (!name_is_one_of(column->type, types))
        causes_invalid_string(causes, path_text(at, causes), column->type,
                              "must be one of boolean,date,integer,number,string");
    if (!str_empty(column->format) && !name_is_one_of(column->format, formats))
        causes_invalid_string(
            causes, path_text(PATH(path, "format"), causes), column->format,
            "must be one of byte,date,date-time,double,float,int32,int64,password");
    if (str_empty(column->json_path))
        fail_required(causes, PATH(path, "JSONPath"), NULL);
    else
        check_simple_path(column->json_path, PATH(path, "JSONPath"), causes);
}

static void check_columns(const CustomResourceColumnDefinitionArray *columns, const Path *path,
                          Causes *causes)
{
    for (size_t i = 0; i < columns->n; i++)
        check_column(&columns->v[i], PATH_INDEX(path, i), causes);
}

/* A path of the subresource scale, below one of the roots. */
static void check_scale_path(const char *text, const char *first, const char *second,
                             const char *detail, const Path *path, Causes *causes)
{
    if (text[0] != '.')
        check_simple_path(text, path, causes);
    else if (!str_starts_with(text, first) && !str_starts_with(text, second))
        causes_invalid_string(causes, path_text(path, causes), text, detail);
}

static void check_subresources(const CustomResourceSubresources *subresources, const Path *path,
                               Causes *causes)
{
    const CustomResourceSubresourceScale *scale = subresources ? subresources->scale : NULL;

    if (!scale)
        return;
    if (str_empty(scale->spec_replicas_path))
        fail_required(causes, PATH(path, "scale.specReplicasPath"), NULL);
    else
        check_scale_path(scale->spec_replicas_path, ".spec.", ".spec.",
                         "should be a json path under .spec", PATH(path, "scale.specReplicasPath"),
                         causes);
    if (str_empty(scale->status_replicas_path))
        fail_required(causes, PATH(path, "scale.statusReplicasPath"), NULL);
    else
        check_scale_path(scale->status_replicas_path, ".status.", ".status.",
                         "should be a json path under .status",
                         PATH(path, "scale.statusReplicasPath"), causes);
    if (!str_empty(scale->label_selector_path))
        check_scale_path(scale->label_selector_path, ".spec.", ".status.",
                         "should be a json path under either .spec or .status",
                         PATH(path, "scale.labelSelectorPath"), causes);
}

/* ---- conversion ---- */

static void check_review_versions(const WebhookConversion *webhook, bool recognized,
                                  const Path *path, Causes *causes)
{
    static const StringArray none;
    const StringArray *versions = webhook ? &webhook->conversion_review_versions : &none;
    TextMap seen = TEXT_MAP_INIT(causes->arena);
    bool known = false;

    if (versions->n == 0) {
        fail_required(causes, path, NULL);
        return;
    }
    for (size_t i = 0; i < versions->n; i++) {
        const char *version = str_or(versions->v[i], "");
        const Path *at = PATH_INDEX(path, i);

        if (text_map_has(&seen, version)) {
            causes_invalid_string(causes, path_text(at, causes), version, "duplicate version");
            continue;
        }
        text_map_add(&seen, version);
        faults_add(check_dns_1035_label(version), path_text(at, causes), version, causes);
        known |= str_equal(version, "v1") || str_equal(version, "v1beta1");
    }
    if (recognized && !known)
        rules_invalid(
            causes, path,
            rules_bad(&type_WebhookConversion, webhook, "conversionReviewVersions", causes),
            "must include at least one of v1, v1beta1");
}

static bool recognizes_none(const CustomResourceConversion *conversion)
{
    const StringArray *versions =
        conversion && conversion->webhook ? &conversion->webhook->conversion_review_versions : NULL;

    if (!versions || versions->n == 0)
        return false;
    return !rules_among(versions, versions->n, "v1") &&
           !rules_among(versions, versions->n, "v1beta1");
}

static void check_client(const CustomResourceWebhookClientConfig *client, const Path *path,
                         Causes *causes)
{
    if (!client->url == !client->service)
        fail_required(causes, path, "exactly one of url or service is required");
    else if (client->url)
        validate_webhook_url(client->url, PATH(path, "url"), causes);
    else
        validate_webhook_service(client->service->namespace, client->service->name,
                                 client->service->path, client->service->port,
                                 PATH(path, "service"), causes);
}

static void check_conversion(const Spec *spec, const Spec *before, const Path *path, Causes *causes)
{
    static const char *const strategies[] = {"None", "Webhook", NULL};
    const CustomResourceConversion *conversion = spec->conversion;
    const WebhookConversion *webhook = conversion ? conversion->webhook : NULL;

    if (!conversion)
        return;
    check_choice(conversion->strategy, strategies, PATH(path, "strategy"), causes);
    if (str_equal(conversion->strategy, "Webhook")) {
        if (!webhook || !webhook->client_config)
            fail_required(causes, PATH(path, "webhookClientConfig"),
                          "required when strategy is set to Webhook");
        else
            check_client(webhook->client_config, PATH(path, "webhookClientConfig"), causes);
        check_review_versions(webhook, !before || !recognizes_none(before->conversion),
                              PATH(path, "conversionReviewVersions"), causes);
        return;
    }
    if (webhook && webhook->client_config)
        fail_forbidden(causes, PATH(path, "webhookClientConfig"),
                       "should not be set when strategy is not set to Webhook");
    if (webhook && webhook->conversion_review_versions.n)
        fail_forbidden(causes, PATH(path, "conversionReviewVersions"),
                       "should not be set when strategy is not set to Webhook");
}

/* ---- versions ---- */

static void check_deprecation(const Version *version, const Path *path, Causes *causes)
{
    const char *text = version->deprecation_warning;
    const char *wrong = NULL;

    if (!text)
        return;
    if (!version->deprecated)
        wrong = "can only be set for deprecated versions";
    else if (strlen(text) > DEPRECATION_MAX)
        wrong = "must be <= 256 characters long";
    else if (!*text)
        wrong = "must not be an empty string";
    for (size_t i = 0; !wrong && text[i]; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            wrong = arena_printf(causes->arena,
                                 "must only contain printable UTF-8 characters; non-printable "
                                 "character found at index %zu",
                                 i);
    if (wrong)
        causes_invalid_string(causes, path_text(path, causes), text, wrong);
}

/* What all versions have alike is checked once, under another path. */
typedef struct Common {
    bool schema, subresources, columns, fields;
} Common;

static Common find_common(const Spec *spec)
{
    const Type *type = &type_CustomResourceDefinitionVersion;
    Common common = {true, true, true, true};
    const Version *first = spec->versions.v;

    if (spec->versions.n == 0)
        return (Common){0};
    for (size_t i = 1; i < spec->versions.n; i++) {
        const Version *other = &spec->versions.v[i];

        common.schema = common.schema && type_member_equal(type, "schema", first, other);
        common.subresources =
            common.subresources && type_member_equal(type, "subresources", first, other);
        common.columns =
            common.columns && type_member_equal(type, "additionalPrinterColumns", first, other);
        common.fields = common.fields && type_member_equal(type, "selectableFields", first, other);
    }
    return common;
}

static const JSONSchemaProps *schema_of(const Version *version)
{
    return version->schema ? version->schema->open_api_v3_schema : NULL;
}

static bool has_status(const Version *version)
{
    return version->subresources && version->subresources->status;
}

static const Version *find_version(const Spec *spec, const char *name)
{
    for (size_t i = 0; spec && i < spec->versions.n; i++)
        if (str_equal(spec->versions.v[i].name, name))
            return &spec->versions.v[i];
    return NULL;
}

static void check_version_names(const Spec *spec, const Path *path, Causes *causes)
{
    TextMap names = TEXT_MAP_INIT(causes->arena);
    bool unique = true;
    size_t stored = 0;

    for (size_t i = 0; i < spec->versions.n; i++) {
        const char *name = str_or(spec->versions.v[i].name, "");

        unique = unique && !text_map_has(&names, name);
        text_map_add(&names, name);
        stored += spec->versions.v[i].storage;
    }
    if (!unique)
        rules_invalid(causes, PATH(path, "versions"),
                      rules_bad(&type_CustomResourceDefinitionSpec, spec, "versions", causes),
                      "must contain unique version names");
    if (stored != 1)
        rules_invalid(causes, PATH(path, "versions"),
                      rules_bad(&type_CustomResourceDefinitionSpec, spec, "versions", causes),
                      "must have exactly one version marked as storage version");
    /* kube-apiserver checks the name of the first version once more, under the name that it once had. */
    if (spec->versions.n && !str_empty(spec->versions.v[0].name))
        check_label(spec->versions.v[0].name, spec->versions.v[0].name, "", PATH(path, "version"),
                    causes);
}

static void check_parts(const Version *version, const Version *before, const Common *common,
                        bool status, bool shared, const Path *path, Causes *causes)
{
    if (common->schema == shared && schema_of(version))
        definition_check_schema(
            schema_of(version), status,
            PATH(PATH(path, shared ? "validation" : "schema"), "openAPIV3Schema"), causes);
    if (common->subresources == shared)
        check_subresources(version->subresources, PATH(path, "subresources"), causes);
    if (common->columns == shared)
        check_columns(&version->additional_printer_columns, PATH(path, "additionalPrinterColumns"),
                      causes);
    if (common->fields == shared)
        definition_check_selectable(version, before, shared, PATH(path, "selectableFields"),
                                    causes);
}

static void check_versions(const Spec *spec, const Spec *before, const Common *common,
                           const Path *path, Causes *causes)
{
    for (size_t i = 0; i < spec->versions.n; i++)
        if (!schema_of(&spec->versions.v[i]))
            fail_required(
                causes,
                PATH(PATH(PATH_INDEX(PATH(path, "versions"), i), "schema"), "openAPIV3Schema"),
                NULL);
    for (size_t i = 0; i < spec->versions.n; i++) {
        const Version *version = &spec->versions.v[i];
        const Path *at = PATH_INDEX(PATH(path, "versions"), i);

        check_label(str_or(version->name, ""), str_or(version->name, ""), "", PATH(at, "name"),
                    causes);
        check_deprecation(version, PATH(at, "deprecationWarning"), causes);
        check_parts(version, find_version(before, version->name), common, has_status(version),
                    false, at, causes);
    }
}

static void check_common(const Spec *spec, const Spec *before, const Common *common,
                         const Path *path, Causes *causes)
{
    const Version *first = spec->versions.v;
    bool status = false;

    if (spec->versions.n == 0)
        return;
    for (size_t i = 0; i < spec->versions.n; i++)
        status = status || has_status(&spec->versions.v[i]);
    check_parts(first, find_version(before, first->name), common, status, true, path, causes);
}

static void check_spec(const Spec *spec, const Spec *before, Causes *causes)
{
    static const char *const scopes[] = {"Cluster", "Namespaced", NULL};
    const Path *path = PATH(NULL, "spec");
    Common common;

    check_group(spec->group, PATH(path, "group"), causes);
    check_choice(spec->scope, scopes, PATH(path, "scope"), causes);
    /* kube-apiserver has no limit, and takes long for many. */
    if (spec->versions.n > VERSIONS_MAX) {
        rules_too_many(causes, "spec.versions", spec->versions.n, VERSIONS_MAX);
        return;
    }
    common = find_common(spec);
    check_versions(spec, before, &common, path, causes);
    check_version_names(spec, path, causes);
    require_names(&spec->names, PATH(path, "names"), causes);
    check_names(&spec->names, PATH(path, "names"), causes);
    check_common(spec, before, &common, path, causes);
    check_conversion(spec, before, PATH(path, "conversion"), causes);
}

/* ---- the whole ---- */

static void check_stored_versions(const Definition *definition, Causes *causes)
{
    const StringArray *stored = &definition->status.stored_versions;
    const Path *path = PATH(PATH(NULL, "status"), "storedVersions");
    const char *now = stored_version(&definition->spec);
    TextMap versions = TEXT_MAP_INIT(causes->arena);

    if (stored->n == 0) {
        rules_invalid(causes, path, "null", "must have at least one stored version");
        return;
    }
    if (now && !rules_among(stored, stored->n, now))
        rules_invalid(causes, path,
                      rules_bad(&type_CustomResourceDefinitionStatus, &definition->status,
                                "storedVersions", causes),
                      arena_printf(causes->arena, "must have the storage version %s", now));
    for (size_t i = 0; i < definition->spec.versions.n; i++)
        text_map_add(&versions, str_or(definition->spec.versions.v[i].name, ""));
    for (size_t i = 0; i < stored->n; i++) {
        const char *name = str_or(stored->v[i], "");

        if (!text_map_has(&versions, name))
            causes_invalid_string(
                causes, path_text(PATH_INDEX(path, i), causes), name,
                arena_printf(causes->arena,
                             "missing from spec.versions; %s was previously a storage version, and "
                             "must remain in spec.versions until a storage migration ensures no "
                             "data remains persisted in %s and removes %s from "
                             "status.storedVersions",
                             name, name, name));
    }
}

static bool is_protected_group(const char *group)
{
    return str_equal(group, "k8s.io") || str_equal(group, "kubernetes.io") ||
           str_ends_with(group, ".k8s.io") || str_ends_with(group, ".kubernetes.io");
}

typedef enum Approval {
    APPROVAL_MISSING,
    APPROVAL_BYPASSED,
    APPROVAL_GIVEN,
    APPROVAL_INVALID
} Approval;

static Approval approval_of(const char *text)
{
    const char *scheme = text ? strstr(text, "://") : NULL;

    if (str_empty(text))
        return APPROVAL_MISSING;
    if (str_starts_with(text, "unapproved"))
        return APPROVAL_BYPASSED;
    return scheme && scheme > text && scheme[3] && scheme[3] != '/' ? APPROVAL_GIVEN
                                                                    : APPROVAL_INVALID;
}

/* A definition in a group of Kubernetes names the review in which it was approved. */
static void check_approval(const Definition *definition, const Definition *before, Causes *causes)
{
    const char *text = string_map_get(&definition->metadata.annotations, APPROVED);
    const Path *path = PATH_KEY(PATH(PATH(NULL, "metadata"), "annotations"), APPROVED);
    Approval approval = approval_of(text);

    if (!is_protected_group(str_or(definition->spec.group, "")) ||
        (before &&
         approval == approval_of(string_map_get(&before->metadata.annotations, APPROVED))))
        return;
    if (approval == APPROVAL_MISSING)
        fail_required(causes, path,
                      "protected groups must have approval annotation "
                      "\"api-approved.kubernetes.io\", see "
                      "https://github.com/kubernetes/enhancements/pull/1111");
    else if (approval == APPROVAL_INVALID)
        causes_invalid_string(causes, path_text(path, causes), text,
                              "protected groups must have approval annotation "
                              "\"api-approved.kubernetes.io\" with either a URL or a reason "
                              "starting with \"unapproved\", see "
                              "https://github.com/kubernetes/enhancements/pull/1111");
}

static void check_unchanged(const char *now, const char *before, const Path *path, Causes *causes)
{
    if (!str_equal(str_or(now, ""), str_or(before, "")))
        causes_invalid_string(causes, path_text(path, causes), str_or(now, ""),
                              "field is immutable");
}

static void check_changes(const Definition *definition, const Definition *before, Causes *causes)
{
    const Spec *spec = &definition->spec, *old = &before->spec;
    const Path *path = PATH(NULL, "spec");

    if (CONDITION_IS_TRUE(&before->status.conditions, "Established")) {
        check_unchanged(spec->scope, old->scope, PATH(path, "scope"), causes);
        check_unchanged(spec->names.kind, old->names.kind, PATH(path, "names.kind"), causes);
    }
    check_unchanged(spec->group, old->group, PATH(path, "group"), causes);
    check_unchanged(spec->names.plural, old->names.plural, PATH(path, "names.plural"), causes);
}

static void check_name(const Definition *definition, Causes *causes)
{
    const char *name = str_or(definition->metadata.name, "");

    if (*name && !str_equal(name, arena_printf(causes->arena, "%s.%s",
                                               str_or(definition->spec.names.plural, ""),
                                               str_or(definition->spec.group, ""))))
        causes_invalid_string(causes, "metadata.name", name,
                              "must be spec.names.plural+\".\"+spec.group");
}

static void definition_validate(const void *value, const void *before_value, Causes *causes)
{
    const Definition *definition = value, *before = before_value;

    if (!before)
        check_name(definition, causes);
    check_spec(&definition->spec, before ? &before->spec : NULL, causes);
    if (before)
        check_changes(definition, before, causes);
    check_names(&definition->status.accepted_names, PATH(PATH(NULL, "status"), "acceptedNames"),
                causes);
    check_stored_versions(definition, causes);
    check_approval(definition, before, causes);
    if (definition->spec.preserve_unknown_fields &&
        !(before && before->spec.preserve_unknown_fields))
        causes_add(causes, CAUSE_INVALID, "spec.preserveUnknownFields", "true",
                   "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
                   "spec.versions[*].schema instead");
}

static void definition_validate_status(const void *value, const void *before _unused_,
                                       Causes *causes)
{
    const Definition *definition = value;

    check_names(&definition->status.accepted_names, PATH(PATH(NULL, "status"), "acceptedNames"),
                causes);
}

static void definition_warn(Arena *arena, const void *value, Warnings *warnings)
{
    const Spec *spec = &((const Definition *)value)->spec;
    Common common = find_common(spec);

    /* What all versions have alike is warned about once. */
    for (size_t i = 0; i < spec->versions.n && (i == 0 || !common.schema); i++)
        if (schema_of(&spec->versions.v[i]))
            definition_warn_schema(arena, schema_of(&spec->versions.v[i]), warnings);
}

/* ---- what it defines ---- */

static void definition_names(const void *value, const char **ret_group, const char **ret_plural)
{
    const Spec *spec = &((const Definition *)value)->spec;

    *ret_group = str_or(spec->group, "");
    *ret_plural = str_or(spec->names.plural, "");
}

static const KindDefiner definer = {definition_names, custom_family};

/* The objects go first; the controller takes the finalizer off when none is left. */
static void definition_begin_delete(Arena *arena, void *value, int64_t now_ns)
{
    Definition *definition = value;

    meta_add_finalizer(arena, &definition->metadata, DEFINITION_FINALIZER);
    definition_set_condition(
        arena, &definition->status,
        &(CustomResourceDefinitionCondition){
            .type = "Terminating",
            .status = "True",
            .reason = "InstanceDeletionPending",
            .message = "CustomResourceDefinition marked for deletion; CustomResource deletion will "
                       "begin soon"},
        now_ns);
}

const KindRules rules_custom_resource_definition = {
    .definer = &definer,
    .begin_delete = definition_begin_delete,
    .complete = definition_complete,
    .prepare = definition_prepare,
    .validate = definition_validate,
    .validate_status = definition_validate_status,
    .warn = definition_warn,
};
