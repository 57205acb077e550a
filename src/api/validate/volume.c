/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes of pods: each has one source and a unique name, and paths do not lead out of the
 * volume. */
#include "api/object.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_reference_v1.h"
#include "api/schema/core_volume_v1.h"
#include "api/validate/pod.h"

#define MODE_TEXT "must be a number between 0 and 0777 (octal), both inclusive"
#define ONE_VOLUME_TYPE "may not specify more than 1 volume type"

size_t validate_union(const Type *type, const void *value, const char *text, const Path *path,
                      Causes *causes)
{
    size_t found = 0;

    for (size_t i = 0; i < type->n_fields; i++) {
        const Field *field = &type->fields[i];

        if (!(field->flags & FIELD_UNION_MEMBER) || !*(void *const *)field_at(value, field))
            continue;
        if (found++)
            fail_forbidden(causes, PATH(path, field->json), text);
    }
    return found;
}

void validate_absolute_path(const char *file, const Path *path, Causes *causes)
{
    if (str_empty(file) || *file != '/')
        fail_invalid(causes, path, file, "must be an absolute path");
}

void validate_csi_driver(const char *driver, const Path *path, Causes *causes)
{
    char *lower = arena_strdup(causes->arena, driver);

    if (strlen(driver) > 63)
        causes_add(causes, CAUSE_TOO_LONG, path_text(path, causes), NULL,
                   "may not be more than 63 bytes");
    for (char *c = lower; *c; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
    fail_faults(causes, path, driver, check_dns_subdomain(lower));
}

void validate_no_backsteps(const char *s, const Path *path, Causes *causes)
{
    for (const char *part = s; part; part = strchr(part, '/')) {
        size_t n;

        part += *part == '/';
        n = strcspn(part, "/");
        if (n == 2 && part[0] == '.' && part[1] == '.') {
            fail_invalid(causes, path, s, "must not contain '..'");
            return;
        }
    }
}

void validate_relative_path(const char *s, const Path *path, Causes *causes)
{
    if (str_empty(s))
        return;
    if (*s == '/')
        fail_invalid(causes, path, s, "must be a relative path");
    validate_no_backsteps(s, path, causes);
}

/* A file in a volume that stead fills: names that begin with ".." belong to the volume itself. */
static void validate_file_path(const char *s, const Path *path, Causes *causes)
{
    validate_relative_path(s, path, causes);
    if (!str_empty(s) && str_starts_with(s, "..") && s[2] != '/')
        fail_invalid(causes, path, s, "must not start with '..'");
}

static void validate_mode(const int32_t *mode, const Path *path, Causes *causes)
{
    if (mode && (*mode < 0 || *mode > 0777))
        fail_invalid_int(causes, path, *mode, MODE_TEXT);
}

static void validate_items(const KeyToPathArray *items, const Path *path, Causes *causes)
{
    for (size_t i = 0; i < items->n; i++) {
        const Path *at = PATH_INDEX(path, i);

        validate_file_path(items->v[i].path, PATH(at, "path"), causes);
        validate_mode(items->v[i].mode, PATH(at, "mode"), causes);
    }
}

/* ---- the pod's own fields ---- */

/* "metadata.labels['x']": length of the path in front of the subscript, 0 where there is none. */
static size_t split_subscript(const char *text, char *key, size_t size)
{
    size_t n = strlen(text);
    const char *open = strstr(text, "['");

    if (!open || n < 4 || strcmp(text + n - 2, "']") != 0 || open + 2 > text + n - 2)
        return 0;
    if (snprintf(key, size, "%.*s", (int)(text + n - 2 - (open + 2)), open + 2) >= (int)size)
        return 0;
    return (size_t)(open - text);
}

/* The label and annotation paths that exist; others cannot be converted. */
static const char *const convertible_paths[] = {"metadata.annotations",
                                                "metadata.labels",
                                                "metadata.name",
                                                "metadata.namespace",
                                                "metadata.uid",
                                                "spec.nodeName",
                                                "spec.restartPolicy",
                                                "spec.serviceAccountName",
                                                "spec.schedulerName",
                                                "status.phase",
                                                "status.hostIP",
                                                "status.hostIPs",
                                                "status.podIP",
                                                "status.podIPs",
                                                NULL};

void validate_field_selector(const ObjectFieldSelector *selector, const char *const *known,
                             const Path *path, Causes *causes)
{
    const char *text = selector->field_path;
    char key[512];
    size_t n;

    if (str_empty(text))
        return; /* the table has said it */
    n = split_subscript(text, key, sizeof(key));
    if (n && n == strlen("metadata.annotations") && !strncmp(text, "metadata.annotations", n)) {
        for (char *c = key; *c; c++)
            *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
        fail_faults(causes, path, key, check_qualified_name(key));
    } else if (n && n == strlen("metadata.labels") && !strncmp(text, "metadata.labels", n)) {
        fail_faults(causes, path, key, check_qualified_name(key));
    } else if (n) {
        fail_invalid(causes, PATH(path, "fieldPath"), text,
                     arena_printf(causes->arena,
                                  "error converting fieldPath: field label does not support "
                                  "subscript: %s",
                                  text));
    } else if (!name_is_one_of(text, convertible_paths)) {
        fail_invalid(causes, PATH(path, "fieldPath"), text,
                     arena_printf(causes->arena,
                                  "error converting fieldPath: field label not supported: %s",
                                  text));
    } else if (!name_is_one_of(text, known)) {
        fail_not_supported(causes, PATH(path, "fieldPath"), text, known);
    }
}

static const char *const resource_paths[] = {"limits.cpu",
                                             "limits.ephemeral-storage",
                                             "limits.memory",
                                             "requests.cpu",
                                             "requests.ephemeral-storage",
                                             "requests.memory",
                                             NULL};
static const char *const byte_divisors[] = {"0",   "1",   "1k",  "1M",  "1G",  "1T",  "1P", "1E",
                                            "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei", NULL};
static const char *const cpu_divisors[] = {"0", "1m", "1", NULL};

void validate_resource_selector(const ResourceFieldSelector *selector, bool in_volume,
                                const Path *path, Causes *causes)
{
    const char *resource = selector->resource, *name;
    bool huge = str_starts_with(resource ? resource : "", "limits.hugepages-") ||
                str_starts_with(resource ? resource : "", "requests.hugepages-");

    if (in_volume && str_empty(selector->container_name))
        fail_required(causes, PATH(path, "containerName"), NULL);
    else if (!str_empty(resource) && !huge && !name_is_one_of(resource, resource_paths))
        fail_not_supported(causes, PATH(path, "resource"), resource, resource_paths);
    if (str_empty(selector->divisor) || str_empty(resource))
        return;
    name = strchr(resource, '.');
    name = name ? name + 1 : resource;
    if (str_equal(name, "cpu")) {
        if (!name_is_one_of(selector->divisor, cpu_divisors))
            fail_invalid(causes, PATH(path, "divisor"), resource,
                         "only divisor's values 1m and 1 are supported with the cpu resource");
    } else if (!name_is_one_of(selector->divisor, byte_divisors)) {
        fail_invalid(causes, PATH(path, "divisor"), resource,
                     arena_printf(causes->arena,
                                  "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, "
                                  "1Gi, 1Ti, 1Pi, 1Ei are supported with the %s resource",
                                  huge                        ? "hugepages"
                                  : str_equal(name, "memory") ? "memory"
                                                              : "local ephemeral storage"));
    }
}

static const char *const volume_field_paths[] = {"metadata.annotations", "metadata.labels",
                                                 "metadata.name",        "metadata.namespace",
                                                 "metadata.uid",         NULL};

static void validate_downward_files(const DownwardAPIVolumeFileArray *files, const Path *path,
                                    Causes *causes)
{
    for (size_t i = 0; i < files->n; i++) {
        const DownwardAPIVolumeFile *file = &files->v[i];

        validate_file_path(file->path, PATH(path, "path"), causes);
        if (file->field_ref) {
            validate_field_selector(file->field_ref, volume_field_paths, PATH(path, "fieldRef"),
                                    causes);
            if (file->resource_field_ref)
                causes_add(causes, CAUSE_INVALID, path_text(path, causes), "\"resource\"",
                           "fieldRef and resourceFieldRef can not be specified simultaneously");
        } else if (file->resource_field_ref) {
            validate_resource_selector(file->resource_field_ref, true,
                                       PATH(path, "resourceFieldRef"), causes);
        } else {
            fail_required(causes, path, "one of fieldRef and resourceFieldRef is required");
        }
        validate_mode(file->mode, PATH(path, "mode"), causes);
    }
}

/* ---- projected volumes ---- */

typedef struct Files {
    TextMap seen;
    const Path *path; /* of the projected volume */
    Causes *causes;
} Files;

/* Two sources must not provide the same file. */
static void files_add(Files *files, const char *file, const char *bad)
{
    if (!str_empty(file) && !text_map_add(&files->seen, file))
        fail_invalid(files->causes, files->path, bad, "conflicting duplicate paths");
}

static void validate_keys(Files *files, const char *name, const KeyToPathArray *items,
                          const Path *path)
{
    if (str_empty(name))
        fail_required(files->causes, PATH(path, "name"), NULL);
    validate_items(items, PATH(path, "items"), files->causes);
    for (size_t i = 0; i < items->n; i++)
        files_add(files, items->v[i].path, name);
}

static void validate_token(const ServiceAccountTokenProjection *token, const Path *path,
                           const Path *volume, Causes *causes)
{
    int64_t seconds = token->expiration_seconds ? *token->expiration_seconds : 3600;

    if (seconds < 600)
        fail_invalid_int(causes, PATH(path, "expirationSeconds"), seconds,
                         "may not specify a duration less than 10 minutes");
    if (seconds > INT64_C(1) << 32)
        fail_invalid_int(causes, PATH(path, "expirationSeconds"), seconds,
                         "may not specify a duration larger than 2^32 seconds");
    validate_file_path(token->path, PATH(volume, "path"), causes);
}

static void validate_trust_bundle(const ClusterTrustBundleProjection *bundle, const Path *path,
                                  Files *files)
{
    Causes *causes = files->causes;

    if (bundle->name && bundle->signer_name)
        causes_add(causes, CAUSE_INVALID, path_text(path, causes), NULL,
                   "only one of name and signerName may be used");
    else if (bundle->name && !*bundle->name)
        fail_required(causes, PATH(path, "name"), "must be a valid object name");
    else if (bundle->signer_name && !*bundle->signer_name)
        fail_required(causes, PATH(path, "signerName"), "must be a valid signer name");
    else if (!bundle->name && !bundle->signer_name)
        fail_required(causes, path, "either name or signerName must be specified");
    if (bundle->label_selector)
        validate_label_selector(bundle->label_selector,
                                path_text(PATH(path, "labelSelector"), causes), causes);
    validate_file_path(bundle->path, PATH(path, "path"), causes);
    files_add(files, bundle->path, bundle->path);
}

static void validate_pod_certificate(const PodCertificateProjection *certificate, const Path *path,
                                     Files *files)
{
    const char *const paths[] = {certificate->credential_bundle_path, certificate->key_path,
                                 certificate->certificate_chain_path};
    const char *const names[] = {"credentialBundlePath", "keyPath", "certificateChainPath"};
    Causes *causes = files->causes;
    size_t n = 0;

    if (str_empty(certificate->signer_name))
        fail_required(causes, PATH(path, "signerName"), NULL);
    if (str_empty(certificate->key_type)) {
        const Field *field = type_member(&type_PodCertificateProjection, "keyType");

        fail_not_supported(causes, PATH(path, "keyType"), "", field->enum_values);
    }
    if (certificate->max_expiration_seconds && *certificate->max_expiration_seconds < 3600)
        fail_invalid_int(causes, PATH(path, "maxExpirationSeconds"),
                         *certificate->max_expiration_seconds,
                         "if provided, maxExpirationSeconds must be >= 3600");
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (str_empty(paths[i]))
            continue;
        n++;
        validate_file_path(paths[i], PATH(path, names[i]), causes);
        files_add(files, paths[i], paths[i]);
    }
    if (!n)
        fail_required(causes, path,
                      "specify at least one of credentialBundlePath, keyPath, and "
                      "certificateChainPath");
}

static void validate_projection(const VolumeProjection *source, Files *files, const Path *path)
{
    Causes *causes = files->causes;
    size_t sources = 0;

    if (source->secret && ++sources)
        validate_keys(files, source->secret->local_object_reference.name, &source->secret->items,
                      PATH(path, "secret"));
    if (source->config_map && ++sources)
        validate_keys(files, source->config_map->local_object_reference.name,
                      &source->config_map->items, PATH(path, "configMap"));
    if (source->downward_api && ++sources) {
        validate_downward_files(&source->downward_api->items, PATH(path, "downwardAPI"), causes);
        for (size_t i = 0; i < source->downward_api->items.n; i++)
            files_add(files, source->downward_api->items.v[i].path,
                      source->downward_api->items.v[i].path);
    }
    if (source->service_account_token && ++sources)
        validate_token(source->service_account_token, PATH(path, "serviceAccountToken"),
                       files->path, causes);
    if (source->cluster_trust_bundle && ++sources)
        validate_trust_bundle(source->cluster_trust_bundle, PATH(path, "clusterTrustBundle"),
                              files);
    if (source->pod_certificate && ++sources)
        validate_pod_certificate(source->pod_certificate, PATH(path, "podCertificate"), files);
    if (sources > 1)
        fail_forbidden(causes, path, "may not specify more than 1 volume type per source");
}

static void validate_projected(const ProjectedVolumeSource *projected, const Path *path,
                               Causes *causes)
{
    Files files = {.seen = TEXT_MAP_INIT(causes->arena), .path = path, .causes = causes};

    validate_mode(projected->default_mode, PATH(path, "defaultMode"), causes);
    for (size_t i = 0; i < projected->sources.n; i++)
        validate_projection(&projected->sources.v[i], &files, PATH_INDEX(PATH(path, "sources"), i));
}

/* ---- a volume ---- */

static void validate_ephemeral(const Volume *volume, const char *pod_name, const Path *path,
                               Causes *causes)
{
    const EphemeralVolumeSource *source = volume->volume_source.ephemeral;
    const Path *at = PATH(PATH(path, "ephemeral"), "volumeClaimTemplate");
    const char *claim;
    Faults faults;

    if (!source->volume_claim_template) {
        fail_required(causes, at, NULL);
        return;
    }
    validate_template_meta(&source->volume_claim_template->metadata, PATH(at, "metadata"), causes);
    validate_claim_spec(&source->volume_claim_template->spec, path_text(PATH(at, "spec"), causes),
                        causes);
    if (str_empty(pod_name) || str_empty(volume->name))
        return;
    claim = arena_printf(causes->arena, "%s-%s", pod_name, volume->name);
    faults = check_dns_subdomain(claim);
    for (size_t i = 0; i < faults.n; i++)
        fail_invalid(causes, PATH(path, "name"), volume->name,
                     arena_printf(causes->arena, "PVC name \"%s\": %s", claim, faults.v[i]));
}

static void validate_source(const Volume *volume, const char *pod_name, const Path *path,
                            Causes *causes)
{
    const VolumeSource *source = &volume->volume_source;

    size_t n = validate_union(&type_VolumeSource, source, ONE_VOLUME_TYPE, path, causes);

    if (!n)
        fail_required(causes, path, "must specify a volume type");
    if (n != 1)
        return;
    if (source->empty_dir && source->empty_dir->size_limit && *source->empty_dir->size_limit == '-')
        fail_forbidden(causes, PATH(PATH(path, "emptyDir"), "sizeLimit"),
                       "SizeLimit field must be a valid resource quantity");
    if (source->host_path)
        validate_no_backsteps(source->host_path->path, PATH(PATH(path, "hostPath"), "path"),
                              causes);
    if (source->secret) {
        const Path *at = PATH(path, "secret");

        if (str_empty(source->secret->secret_name))
            fail_required(causes, PATH(at, "secretName"), NULL);
        validate_mode(source->secret->default_mode, PATH(at, "defaultMode"), causes);
        validate_items(&source->secret->items, PATH(at, "items"), causes);
    }
    if (source->config_map) {
        const Path *at = PATH(path, "configMap");

        if (str_empty(source->config_map->local_object_reference.name))
            fail_required(causes, PATH(at, "name"), NULL);
        validate_mode(source->config_map->default_mode, PATH(at, "defaultMode"), causes);
        validate_items(&source->config_map->items, PATH(at, "items"), causes);
    }
    if (source->downward_api) {
        const Path *at = PATH(path, "downwardAPI");

        validate_mode(source->downward_api->default_mode, PATH(at, "defaultMode"), causes);
        validate_downward_files(&source->downward_api->items, at, causes);
    }
    if (source->nfs)
        validate_absolute_path(source->nfs->path, PATH(PATH(path, "nfs"), "path"), causes);
    if (source->csi && !str_empty(source->csi->driver))
        validate_csi_driver(source->csi->driver, PATH(PATH(path, "csi"), "driver"), causes);
    if (source->projected)
        validate_projected(source->projected, PATH(path, "projected"), causes);
    if (source->ephemeral)
        validate_ephemeral(volume, pod_name, path, causes);
    if (source->image && str_empty(source->image->reference))
        fail_required(causes, PATH(PATH(path, "image"), "reference"), NULL);
}

void validate_volumes(const VolumeArray *volumes, const char *pod_name, const Path *path,
                      TextMap *ret, Causes *causes)
{
    for (size_t i = 0; i < volumes->n; i++) {
        const Volume *volume = &volumes->v[i];
        const Path *at = PATH_INDEX(path, i);
        size_t before = causes->n;

        validate_source(volume, pod_name, at, causes);
        if (!str_empty(volume->name))
            fail_faults(causes, PATH(at, "name"), volume->name, check_dns_label(volume->name));
        if (text_map_has(ret, volume->name))
            fail_duplicate(causes, PATH(at, "name"), volume->name);
        if (causes->n == before && !str_empty(volume->name))
            text_map_put_first(ret, volume->name, (void *)(uintptr_t)volume);
    }
}

/* ---- access modes ---- */

void validate_access_modes(const StringArray *modes, const Path *path, Causes *causes)
{
    static const char *const known[] = {"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce",
                                        "ReadWriteOncePod", NULL};
    bool once_pod = false, other = false;

    for (size_t i = 0; i < modes->n; i++) {
        if (str_equal(modes->v[i], "ReadWriteOncePod"))
            once_pod = true;
        else if (name_is_one_of(modes->v[i], known))
            other = true;
        else
            fail_not_supported(causes, path, modes->v[i], known);
    }
    if (once_pod && other)
        fail_forbidden(causes, path, "may not use ReadWriteOncePod with other access modes");
}
