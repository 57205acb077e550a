/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Valid objects from the tables. A required field gets a value that its type, format and enum allow;
 * where the rules of a kind ask for more there is a hint, which also adds fields that are not
 * required.
 */
#include "hostile.h"

#include "api/schema/apiextensions_v1.h"
#include "api/schema/apiregistration_v1.h"
#include "api/schema/networking_v1.h"

/* clang-format off */
/* A certificate request in PEM, encoded once more. */
#define REQUEST \
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIWk1JR0FBZ0VBTUI0eERUQUxCZ05WQkFNTUJHcG" \
    "hibVV4RFRBTEJnTlZCQW9NQkdSbGRuTXdXVEFUQmdjcQpoa2pPUFFJQkJnZ3Foa2pPUFFNQkJ3TkNBQVQ3eldXeUxm" \
    "UE5HT1MwSFBLeHdDL1lpc2E2dHMwOTZxSUpCTmZjCjRQeDBvaVdDNW80eVBKTjZhN1pyWlZ5Nk9KSi9iZEJveFhIeF" \
    "RNNVhpMTlCcUhFVG9BQXdDZ1lJS29aSXpqMEUKQXdJRFNBQXdSUUlnRFdyNVh4Zm1IR0xlZzBFQ21tVUtZOVFRMWZZ" \
    "UXBSS0tVdUZ2NUN1Ulltc0NJUUNtY2dzKwpnOFpQY3JiVUJqMHdDenJ1TTVEWk9JYTZvNE51SHlOZGhIL3JJdz09Ci" \
    "0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVFU1QtLS0tLQo="

static const struct {
    const char *type, *field, *json;
} hints[] = {
    {"LabelSelector", "matchLabels", "{\"app\":\"a\"}"},
    {"PodTemplateSpec", "metadata", "{\"labels\":{\"app\":\"a\"}}"},
    {"PodSpec", "containers", "[{\"name\":\"c\",\"image\":\"i\"}]"},
    {"Container", "image", "\"i\""},
    {"EphemeralContainerCommon", "image", "\"i\""},
    {"StatefulSetSpec", "selector", "{\"matchLabels\":{\"app\":\"a\"}}"},
    {"ReplicaSetSpec", "selector", "{\"matchLabels\":{\"app\":\"a\"}}"},
    {"ReplicaSetSpec", "template", "{\"metadata\":{\"labels\":{\"app\":\"a\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"},
    {"ReplicationControllerSpec", "selector", "{\"app\":\"a\"}"},
    {"ReplicationControllerSpec", "template", "{\"metadata\":{\"labels\":{\"app\":\"a\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"},
    {"ControllerRevision", "data", "{}"},
    {"JobSpec", "template", "{\"spec\":{\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"},
    {"CronJobSpec", "schedule", "\"* * * * *\""},
    {"ServiceSpec", "ports", "[{\"port\":80}]"},
    {"ServiceSpec", "selector", "{\"app\":\"a\"}"},
    {"ObjectReference", "name", "\"a\""},
    {"Event", "involvedObject", "{\"kind\":\"Pod\",\"name\":\"a\",\"namespace\":\"t\"}"},
    {"EventsEvent", "regarding", "{\"kind\":\"Pod\",\"name\":\"a\",\"namespace\":\"t\"}"},
    {"EventsEvent", "reportingController", "\"a.b/c\""},
    {"EventsEvent", "reportingInstance", "\"a\""},
    {"EventsEvent", "action", "\"a\""},
    {"EventsEvent", "reason", "\"a\""},
    {"EventsEvent", "type", "\"Normal\""},
    {"CustomResourceDefinitionSpec", "group", "\"b.c\""},
    {"CustomResourceDefinitionSpec", "scope", "\"Namespaced\""},
    {"CustomResourceDefinitionSpec", "names", "{\"kind\":\"K\"}"},
    {"CustomResourceDefinitionSpec", "versions", "[{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\"}}}]"},
    {"ParentReference", "resource", "\"services\""},
    {"ParentReference", "name", "\"a\""},
    {"ServiceCIDRSpec", "cidrs", "[\"10.7.0.0/24\"]"},
    {"ValidatingWebhook", "name", "\"a.b.c\""},
    {"ValidatingWebhook", "sideEffects", "\"None\""},
    {"ValidatingWebhook", "admissionReviewVersions", "[\"v1\"]"},
    {"MutatingWebhook", "name", "\"a.b.c\""},
    {"MutatingWebhook", "sideEffects", "\"None\""},
    {"MutatingWebhook", "admissionReviewVersions", "[\"v1\"]"},
    {"WebhookClientConfig", "url", "\"https://a\""},
    {"RuleWithOperations", "operations", "[\"CREATE\"]"},
    {"AdmissionRule", "apiGroups", "[\"a.example\"]"},
    {"AdmissionRule", "apiVersions", "[\"v1\"]"},
    {"AdmissionRule", "resources", "[\"as\"]"},
    {"FlowDistinguisherMethod", "type", "\"ByUser\""},
    {"FlowSubject", "kind", "\"Group\""},
    {"FlowSubject", "group", "{\"name\":\"a\"}"},
    {"PolicyRulesWithSubjects", "nonResourceRules", "[{\"verbs\":[\"get\"],\"nonResourceURLs\":[\"/a\"]}]"},
    {"ResourcePolicyRule", "verbs", "[\"get\"]"},
    {"ResourcePolicyRule", "clusterScope", "true"},
    {"NonResourcePolicyRule", "verbs", "[\"get\"]"},
    {"NonResourcePolicyRule", "nonResourceURLs", "[\"/a\"]"},
    {"PriorityLevelConfigurationSpec", "type", "\"Limited\""},
    {"PriorityLevelConfigurationSpec", "limited", "{\"limitResponse\":{\"type\":\"Reject\"}}"},
    {"LimitResponse", "type", "\"Reject\""},
    {"PersistentVolumeSpec", "accessModes", "[\"ReadWriteOnce\"]"},
    {"PersistentVolumeSpec", "capacity", "{\"storage\":\"1Mi\"}"},
    {"PersistentVolumeSource", "hostPath", "{\"path\":\"/a\"}"},
    {"PersistentVolumeClaimSpec", "accessModes", "[\"ReadWriteOnce\"]"},
    {"PersistentVolumeClaimSpec", "resources", "{\"requests\":{\"storage\":\"1Mi\"}}"},
    {"CrossVersionObjectReference", "apiVersion", "\"apps/v1\""},
    {"AutoscalingV1CrossVersionObjectReference", "apiVersion", "\"apps/v1\""},
    {"RoleRef", "kind", "\"ClusterRole\""},
    {"RoleRef", "apiGroup", "\"rbac.authorization.k8s.io\""},
    {"LocalSubjectAccessReview", "metadata", "{\"namespace\":\"t\"}"},
    {"LocalSubjectAccessReview", "spec", "{\"resourceAttributes\":{\"namespace\":\"t\",\"verb\":\"get\",\"resource\":\"pods\"},\"user\":\"eve\"}"},
    {"SubjectAccessReviewSpec", "resourceAttributes", "{\"verb\":\"get\",\"resource\":\"pods\"}"},
    {"SubjectAccessReviewSpec", "user", "\"eve\""},
    {"SelfSubjectAccessReviewSpec", "resourceAttributes", "{\"verb\":\"get\",\"resource\":\"pods\"}"},
    {"SelfSubjectRulesReviewSpec", "namespace", "\"t\""},
    {"IngressSpec", "defaultBackend", "{\"service\":{\"name\":\"a\",\"port\":{\"number\":80}}}"},
    {"IngressClassSpec", "controller", "\"a.b/c\""},
    {"APIServiceSpec", "version", "\"v1\""},
    {"APIServiceSpec", "groupPriorityMinimum", "1"},
    {"APIServiceSpec", "versionPriority", "1"},
    {"VolumeAttributesClass", "parameters", "{\"a\":\"b\"}"},
    {"VolumeAttachmentSource", "persistentVolumeName", "\"a\""},
    {"VolumeAttachmentSpec", "attacher", "\"a.b\""},
    {"VolumeAttachmentSpec", "nodeName", "\"n\""},
    {"CSIStorageCapacity", "storageClassName", "\"standard\""},
    {"LimitRangeItem", "type", "\"Container\""},
    {"CertificateSigningRequestSpec", "request", "\"" REQUEST "\""},
    {"CertificateSigningRequestSpec", "signerName", "\"kubernetes.io/kube-apiserver-client\""},
    {"CertificateSigningRequestSpec", "usages", "[\"client auth\"]"},
    {"DeviceRequest", "exactly", "{\"deviceClassName\":\"a\"}"},
    {"OpaqueDeviceConfiguration", "driver", "\"a.b\""},
    {"OpaqueDeviceConfiguration", "parameters", "{}"},
    {"DeviceSelector", "cel", "{\"expression\":\"true\"}"},
    {"DeviceConstraint", "matchAttribute", "\"a.b/c\""},
    {"DeviceToleration", "operator", "\"Exists\""},
    {"DeviceTaint", "effect", "\"None\""},
    {"ResourceSliceSpec", "driver", "\"a.b\""},
    {"ResourceSliceSpec", "nodeName", "\"a\""},
    {"ResourcePool", "resourceSliceCount", "1"},
    {"DeviceCounterConsumption", "counters", "{\"a\":{\"value\":\"1\"}}"},
    {"CounterSet", "counters", "{\"a\":{\"value\":\"1\"}}"},
    {"DeviceAttribute", "int", "1"},
    {"DeviceAllocationConfiguration", "source", "\"FromClass\""},
    {"ScopedResourceSelectorRequirement", "scopeName", "\"PriorityClass\""},
    {"ScopedResourceSelectorRequirement", "operator", "\"Exists\""},
};
/* clang-format on */

static const char *hint_of(const Type *type, const Field *field)
{
    for (size_t i = 0; i < ARRAY_LEN(hints); i++)
        if (str_equal(hints[i].type, type->name) && str_equal(hints[i].field, field->json))
            return hints[i].json;
    return NULL;
}

static yyjson_mut_val *parse(yyjson_mut_doc *doc, const char *json)
{
    yyjson_doc *read = yyjson_read(json, strlen(json), 0);
    yyjson_mut_val *copy;

    ASSERT(read);
    copy = yyjson_val_mut_copy(doc, yyjson_doc_get_root(read));
    yyjson_doc_free(read);
    return copy;
}

static const char *sample_text(const Field *field)
{
    static const char *const texts[] = {
        [FORMAT_DNS_LABEL] = "a",        [FORMAT_DNS_SUBDOMAIN] = "a.b",
        [FORMAT_QUALIFIED_NAME] = "a/b", [FORMAT_LABEL_VALUE] = "a",
        [FORMAT_ENV_NAME] = "A",         [FORMAT_CONFIG_KEY] = "a",
        [FORMAT_PORT_NAME] = "http",     [FORMAT_IP] = "10.1.2.3",
        [FORMAT_ABSOLUTE_PATH] = "/a",
    };

    if (field->enum_values && field->enum_values[0])
        return field->enum_values[0];
    if (field->known_values && field->known_values[0])
        return field->known_values[0];
    return field->format < ARRAY_LEN(texts) && texts[field->format] ? texts[field->format] : "a";
}

static void fill(yyjson_mut_doc *doc, yyjson_mut_val *object, const Type *type);

yyjson_mut_val *sample_thing(yyjson_mut_doc *doc, const Field *field)
{
    yyjson_mut_val *object;

    switch (field->value) {
    case VALUE_BOOL:
        return yyjson_mut_bool(doc, true);
    case VALUE_INT32:
    case VALUE_INT64:
        return yyjson_mut_sint(doc, field->has_min ? field->min : 1);
    case VALUE_DOUBLE:
        return yyjson_mut_real(doc, 0.5);
    case VALUE_STRING:
        return yyjson_mut_str(doc, sample_text(field));
    case VALUE_BYTES:
        return yyjson_mut_str(doc, "YQ==");
    case VALUE_TIME:
        return yyjson_mut_str(doc, "2026-11-21T08:00:00Z");
    case VALUE_MICRO_TIME:
        return yyjson_mut_str(doc, "2026-11-21T08:00:00.000001Z");
    case VALUE_QUANTITY:
        return yyjson_mut_str(doc, "1");
    case VALUE_INT_OR_STRING:
        return yyjson_mut_sint(doc, 1);
    case VALUE_RAW:
        return yyjson_mut_obj(doc);
    default:
        if (type_is_bare(field->type)) {
            object = yyjson_mut_arr(doc);
            yyjson_mut_arr_append(object, sample_thing(doc, &field->type->fields[0]));
            return object;
        }
        object = yyjson_mut_obj(doc);
        fill(doc, object, field->type);
        return object;
    }
}

static yyjson_mut_val *sample_field(yyjson_mut_doc *doc, const Type *type, const Field *field)
{
    const char *hint = hint_of(type, field);
    yyjson_mut_val *value;

    if (hint)
        return parse(doc, hint);
    if (field->shape == SHAPE_LIST) {
        value = yyjson_mut_arr(doc);
        yyjson_mut_arr_append(value, sample_thing(doc, field));
        return value;
    }
    if (field->shape == SHAPE_MAP) {
        value = yyjson_mut_obj(doc);
        yyjson_mut_obj_add_val(doc, value, "a", sample_thing(doc, field));
        return value;
    }
    return sample_thing(doc, field);
}

/* Go always has an embedded struct, so what it requires is required even if it is absent. */
static void fill_embedded(yyjson_mut_doc *doc, yyjson_mut_val *object, const Field *field)
{
    yyjson_mut_val *inner = sample_thing(doc, field);

    if (yyjson_mut_get_len(inner))
        yyjson_mut_obj_add_val(doc, object, field->json, inner);
}

static void fill(yyjson_mut_doc *doc, yyjson_mut_val *object, const Type *type)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        const Field *field = &type->fields[i];

        if (field->flags & FIELD_INLINE)
            fill(doc, object, field->type);
        else if (hint_of(type, field) || field->flags & (FIELD_REQUIRED | FIELD_LISTED))
            yyjson_mut_obj_add_val(doc, object, field->json, sample_field(doc, type, field));
        else if (field->shape == SHAPE_ONE && field->value == VALUE_STRUCT)
            fill_embedded(doc, object, field);
    }
}

char *sample_name(const HostileTarget *target, char prefix, uint64_t number)
{
    if (target->host == &kind_ip_address)
        return mem_printf("%d.%d.%d.%d", prefix - 'a', (int)(number >> 16 & 255),
                          (int)(number >> 8 & 255), (int)(number & 255));
    if (target->host == &kind_api_service)
        return mem_printf("v1.%c%" PRIu64 ".b", prefix, number);
    if (target->host == &kind_custom_resource_definition)
        return mem_printf("%c%" PRIu64 ".b.c", prefix, number);
    return mem_printf("%c%" PRIu64, prefix, number);
}

yyjson_mut_val *sample_body(yyjson_mut_doc *doc, const HostileTarget *target, const char *name)
{
    yyjson_mut_val *body = yyjson_mut_obj(doc), *meta;

    yyjson_mut_obj_add_str(doc, body, "apiVersion",
                           target->kind ? target->kind->api_version : "v1");
    yyjson_mut_obj_add_str(doc, body, "kind", target->kind ? target->kind->kind : "DeleteOptions");
    fill(doc, body, target->type);
    if (target->kind == &kind_api_service) /* whose name is made of these */
        yyjson_mut_obj_put(yyjson_mut_obj_get(body, "spec"), yyjson_mut_str(doc, "group"),
                           yyjson_mut_strcpy(doc, name + strlen("v1.")));
    if (target->kind == &kind_custom_resource_definition) /* whose name is made of these as well */
        yyjson_mut_obj_put(yyjson_mut_obj_get(yyjson_mut_obj_get(body, "spec"), "names"),
                           yyjson_mut_str(doc, "plural"),
                           yyjson_mut_strncpy(doc, name, strcspn(name, ".")));
    yyjson_mut_obj_remove_key(body, "status");
    if (!target->kind || (!target->subresource && target->kind->flags & KIND_NOT_STORED))
        return body; /* DeleteOptions and reviews have no name */
    meta = yyjson_mut_obj_get(body, "metadata");
    if (!meta) {
        meta = yyjson_mut_obj(doc);
        yyjson_mut_obj_add_val(doc, body, "metadata", meta);
    }
    yyjson_mut_obj_put(meta, yyjson_mut_str(doc, "name"), yyjson_mut_strcpy(doc, name));
    return body;
}

/* ---- ways ---- */

static void add_sites(Site *site, const Type *type, Site **v, size_t *cap, size_t *n)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        const Field *field = &type->fields[i];
        size_t again = 0;

        if (field->flags & FIELD_INLINE && field->value == VALUE_STRUCT) {
            add_sites(site, field->type, v, cap, n);
            continue;
        }
        site->types[site->n] = type;
        site->fields[site->n++] = field;
        if (*n == *cap) {
            *cap = *cap ? *cap * 2 : 1024;
            *v = mem_resize(*v, *cap * sizeof(**v));
        }
        (*v)[(*n)++] = *site;
        /* A type that contains itself, as a JSON schema does, is entered twice. */
        for (size_t k = 0; k < site->n; k++)
            again += site->types[k] == field->type;
        if (field->value == VALUE_STRUCT && again < 2 && !type_is_bare(field->type)) {
            ASSERT(site->n < SITE_DEPTH);
            add_sites(site, field->type, v, cap, n);
        }
        site->n--;
    }
}

size_t sites_of(const HostileTarget *target, Site **v, size_t *cap, size_t n)
{
    Site site = {.target = target};

    add_sites(&site, target->type, v, cap, &n);
    return n;
}

void site_print(const Site *site, StrBuf *out)
{
    for (size_t i = 0; i < site->n; i++)
        strbuf_printf(out, "%s%s%s", i ? "." : "", site->fields[i]->json,
                      i + 1 == site->n                       ? ""
                      : site->fields[i]->shape == SHAPE_LIST ? "[0]"
                      : site->fields[i]->shape == SHAPE_MAP  ? "[*]"
                                                             : "");
}

/* Of a union's members only the one on the way may stay. */
static void choose_member(yyjson_mut_val *object, const Type *type, const Field *field)
{
    for (size_t i = 0; i < type->n_fields && field->flags & FIELD_UNION_MEMBER; i++)
        if (&type->fields[i] != field && type->fields[i].flags & FIELD_UNION_MEMBER)
            yyjson_mut_obj_remove_key(object, type->fields[i].json);
}

yyjson_mut_val *sample_reach(yyjson_mut_doc *doc, yyjson_mut_val *body, const Site *site,
                             StrBuf *pointer)
{
    yyjson_mut_val *object = body;

    for (size_t i = 0; i < site->n; i++) {
        const Field *field = site->fields[i];
        yyjson_mut_val *child = yyjson_mut_obj_get(object, field->json), *key;
        yyjson_mut_obj_iter iter;

        choose_member(object, site->types[i], field);
        if (i + 1 == site->n)
            break;
        if (!child || yyjson_mut_is_null(child) || yyjson_mut_get_len(child) == 0) {
            child = sample_field(doc, site->types[i], field);
            yyjson_mut_obj_put(object, yyjson_mut_str(doc, field->json), child);
        }
        strbuf_printf(pointer, "/%s", field->json);
        if (field->shape == SHAPE_LIST) {
            child = yyjson_mut_arr_get_first(child);
            strbuf_add_string(pointer, "/0");
        } else if (field->shape == SHAPE_MAP) {
            iter = yyjson_mut_obj_iter_with(child);
            key = yyjson_mut_obj_iter_next(&iter);
            strbuf_printf(pointer, "/%s", str_or(yyjson_mut_get_str(key), ""));
            child = yyjson_mut_obj_iter_get_val(key);
        }
        ASSERT(yyjson_mut_is_obj(child));
        object = child;
    }
    return object;
}
