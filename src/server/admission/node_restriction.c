/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a node may change, whatever its roles allow: its own Node but for what steers pods to it, pods that are
 * bound to it, the capacity of claims, its own Lease and CSINode, and tokens of its pods. A stolen
 * credential of a node can then harm that node only. Users whose name begins with system:node: and who are
 * in the group system:nodes are nodes. The messages are those of kube-apiserver.
 */
#include "api/certificate/request.h"
#include "api/object.h"
#include "api/pod_containers.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_config_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_reference_v1.h"
#include "api/schema/authentication_v1.h"
#include "api/schema/certificates_v1.h"
#include "api/schema/coordination_v1.h"
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_volume_v1.h"
#include "api/schema/storage_csi_v1.h"
#include "base/format.h"
#include "server/admission/admission.h"
#include "server/admission/node_token.h"
#include "server/auth/auth.h"

#include <stdlib.h>

#define NODE_PREFIX "system:node:"
#define LEASE_NAMESPACE "kube-node-lease"

typedef enum Operation { OPERATION_CREATE, OPERATION_UPDATE, OPERATION_DELETE } Operation;

static const char *const operation_names[] = {"CREATE", "UPDATE", "DELETE"};

/* A request of a node. */
typedef struct Restriction {
    Server *server;
    Arena *arena;
    ApiStatus *status;
    const User *user;
    const char *node; /* its name */
    const Kind *kind;
    const char *ns, *name;
    const char *subresource;
    Operation operation;
    const Object *object; /* NULL for a deletion */
    const Object *before; /* NULL for a creation */
} Restriction;

/* Returns the name of the node that the user is, or NULL. */
static const char *node_of(const User *user)
{
    if (!user || !str_starts_with(user->name, NODE_PREFIX) || !user_in_group(user, "system:nodes"))
        return NULL;
    return user->name + strlen(NODE_PREFIX);
}

static int refuse(Restriction *in, const char *format, ...) _printf_(2, 3);
static int refuse(Restriction *in, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    format_text(text, sizeof(text), format, args);
    va_end(args);
    return status_forbidden(in->status, in->arena, in->kind, in->name,
                            arena_strdup(in->arena, text));
}

static const Object *find_pod(Restriction *in, const char *name)
{
    const Object *pod = store_head(in->server->store, &kind_pod, in->ns, name);

    if (!pod) { /* a cache of kube-apiserver says so, and names the resource in the singular */
        status_set(in->status, in->arena, STATUS_NOT_FOUND, "pod \"%s\" not found", name);
        in->status->name = arena_strdup(in->arena, name);
        in->status->kind = "pod";
    }
    return pod;
}

static bool is_bound_here(const Restriction *in, const Object *pod)
{
    return str_equal(OBJECT_AS(Pod, pod)->spec.node_name, in->node);
}

/* ---- mirror pods: nodes create no others ---- */

static bool env_refers(const Container *container, bool secrets)
{
    for (size_t i = 0; i < container->env_from.n; i++)
        if (secrets ? container->env_from.v[i].secret_ref != NULL
                    : container->env_from.v[i].config_map_ref != NULL)
            return true;
    for (size_t i = 0; i < container->env.n; i++) {
        const EnvVarSource *from = container->env.v[i].value_from;

        if (from && (secrets ? from->secret_key_ref != NULL : from->config_map_key_ref != NULL))
            return true;
    }
    return false;
}

static bool volume_refers(const VolumeSource *source, bool secrets)
{
    const ProjectedVolumeSource *projected = source->projected;

    for (size_t i = 0; projected && i < projected->sources.n; i++)
        if (secrets ? projected->sources.v[i].secret != NULL
                    : projected->sources.v[i].config_map != NULL)
            return true;
    return secrets ? source->secret != NULL : source->config_map != NULL;
}

bool pod_refers(const PodSpec *spec, bool secrets)
{
    if (secrets && spec->image_pull_secrets.n)
        return true;
    for (size_t i = 0; i < spec->init_containers.n; i++)
        if (env_refers(&spec->init_containers.v[i], secrets))
            return true;
    for (size_t i = 0; i < spec->containers.n; i++)
        if (env_refers(&spec->containers.v[i], secrets))
            return true;
    for (size_t i = 0; i < spec->volumes.n; i++)
        if (volume_refers(&spec->volumes.v[i].volume_source, secrets))
            return true;
    return false;
}

static const char *projected_reference(const ProjectedVolumeSource *projected)
{
    for (size_t i = 0; i < projected->sources.n; i++) {
        const VolumeProjection *source = &projected->sources.v[i];

        if (source->service_account_token)
            return "serviceaccounts (via projected volumes)";
        if (source->cluster_trust_bundle)
            return "clustertrustbundles";
        if (source->pod_certificate)
            return "podcertificates";
    }
    return NULL;
}

/* What the pod refers to in the API, or NULL. */
static const char *reference_of(const PodSpec *spec)
{
    if (!str_empty(spec->service_account_name))
        return "serviceaccounts";
    if (pod_refers(spec, true))
        return "secrets";
    if (pod_refers(spec, false))
        return "configmaps";
    if (spec->resource_claims.n)
        return "resourceclaims";
    for (size_t i = 0; i < spec->volumes.n; i++) {
        const VolumeSource *source = &spec->volumes.v[i].volume_source;
        const char *projected = source->projected ? projected_reference(source->projected) : NULL;

        if (source->csi)
            return "csidrivers (via CSI volumes)";
        if (source->persistent_volume_claim)
            return "persistentvolumeclaims";
        if (source->ephemeral)
            return "persistentvolumeclaims (via ephemeral volumes)";
        if (projected)
            return projected;
    }
    return NULL;
}

static int check_owner(Restriction *in, const OwnerReferenceArray *owners)
{
    const OwnerReference *owner = owners->v;
    const Object *node;

    if (owners->n > 1)
        return refuse(in,
                      "node \"%s\" can only create pods with a single owner reference set to "
                      "itself",
                      in->node);
    if (owners->n == 0 || !str_equal(owner->api_version, "v1") || !str_equal(owner->kind, "Node") ||
        !str_equal(owner->name, in->node))
        return refuse(in, "node \"%s\" can only create pods with an owner reference set to itself",
                      in->node);
    if (!owner->controller || !*owner->controller)
        return refuse(in,
                      "node \"%s\" can only create pods with a controller owner reference set "
                      "to itself",
                      in->node);
    if (owner->block_owner_deletion && *owner->block_owner_deletion)
        return refuse(in, "node \"%s\" must not set blockOwnerDeletion on an owner reference",
                      in->node);
    node = store_head(in->server->store, &kind_node, NULL, in->node);
    if (!node)
        return status_not_found(in->status, in->arena, &kind_node, in->node);
    if (!str_equal(owner->uid, object_meta(node)->uid))
        return refuse(in, "node %s UID mismatch: expected %s got %s", in->node,
                      str_or(owner->uid, ""), object_meta(node)->uid);
    return 0;
}

static int create_pod(Restriction *in)
{
    const Pod *pod = OBJECT_AS(Pod, in->object);
    const char *reference;
    int r;

    if (!string_map_get(&pod->metadata.annotations, POD_MIRROR_ANNOTATION))
        return refuse(in,
                      "pod does not have \"" POD_MIRROR_ANNOTATION "\" annotation, node \"%s\" can "
                      "only create mirror pods",
                      in->node);
    if (!is_bound_here(in, in->object))
        return refuse(in, "node \"%s\" can only create pods with spec.nodeName set to itself",
                      in->node);
    r = check_owner(in, &pod->metadata.owner_references);
    if (r)
        return r;
    reference = reference_of(&pod->spec);
    return reference ? refuse(in, "node \"%s\" can not create pods that reference %s", in->node,
                              reference)
                     : 0;
}

/* ---- pods ---- */

static int change_pod_status(Restriction *in)
{
    const Pod *now, *old;

    if (in->operation != OPERATION_UPDATE)
        return refuse(in, "unexpected operation \"%s\"", operation_names[in->operation]);
    now = OBJECT_AS(Pod, in->object);
    old = OBJECT_AS(Pod, in->before);
    if (!is_bound_here(in, in->before))
        return refuse(in,
                      "node \"%s\" can only update pod status for pods with spec.nodeName set "
                      "to itself",
                      in->node);
    if (!type_member_equal(&type_ObjectMeta, "labels", &now->metadata, &old->metadata))
        return refuse(in, "node \"%s\" cannot update labels through pod status", in->node);
    if (!type_member_equal(&type_PodStatus, "resourceClaimStatuses", &now->status, &old->status))
        return refuse(in, "node \"%s\" cannot update resource claim statues", in->node);
    if (!type_member_equal(&type_PodStatus, "extendedResourceClaimStatus", &now->status,
                           &old->status))
        return refuse(in, "node \"%s\" cannot update extended resource claim status", in->node);
    return 0;
}

static int evict_pod(Restriction *in)
{
    const Object *pod = find_pod(in, in->name);

    if (!pod)
        return in->status->reason;
    return is_bound_here(in, pod) ? 0
                                  : refuse(in,
                                           "node %s can only evict pods with spec.nodeName set "
                                           "to itself",
                                           in->node);
}

static int restrict_pod(Restriction *in)
{
    const Object *pod;

    if (str_equal(in->subresource, "status"))
        return change_pod_status(in);
    if (str_equal(in->subresource, "eviction"))
        return evict_pod(in);
    if (in->subresource)
        return refuse(in,
                      "unexpected pod subresource \"%s\", only 'status' and 'eviction' are "
                      "allowed",
                      in->subresource);
    if (in->operation == OPERATION_CREATE)
        return create_pod(in);
    if (in->operation == OPERATION_UPDATE)
        return refuse(in,
                      "unexpected operation \"UPDATE\", node \"%s\" can only create and delete "
                      "mirror pods",
                      in->node);
    pod = find_pod(in, in->name);
    if (!pod)
        return in->status->reason;
    return is_bound_here(in, pod) ? 0
                                  : refuse(in,
                                           "node \"%s\" can only delete pods with "
                                           "spec.nodeName set to itself",
                                           in->node);
}

/* ---- nodes ---- */

static bool is_domain(const char *label, const char *domain)
{
    size_t n = strcspn(label, "/"), m = strlen(domain);

    if (!label[n] || n < m || strncmp(label + n - m, domain, m) != 0)
        return false;
    return n == m || label[n - m - 1] == '.';
}

static bool is_kubelet_label(const char *label)
{
    static const char *const labels[] = {
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
        "beta.kubernetes.io/instance-type",
        "node.kubernetes.io/instance-type",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
    };

    for (size_t i = 0; i < ARRAY_LEN(labels); i++)
        if (str_equal(label, labels[i]))
            return true;
    return is_domain(label, "kubelet.kubernetes.io") || is_domain(label, "node.kubernetes.io");
}

static bool is_forbidden_label(const char *label)
{
    return is_domain(label, "node-restriction.kubernetes.io") ||
           ((is_domain(label, "kubernetes.io") || is_domain(label, "k8s.io")) &&
            !is_kubelet_label(label));
}

/* The forbidden labels that are in one of the maps and not, or not with this value, in the other. */
static const char *forbidden_labels(Arena *arena, const StringMap *now, const StringMap *before)
{
    const StringMap *const maps[] = {now, before};
    StringArray found = {.v = arena_new_n(arena, const char *, now->n + before->n + 1)};
    _strbuf_ StrBuf text = STRBUF_INIT;

    for (size_t m = 0; m < ARRAY_LEN(maps); m++)
        for (size_t i = 0; i < maps[m]->n; i++) {
            const StringEntry *entry = &maps[m]->v[i];
            const char *other = string_map_get(maps[1 - m], entry->key);

            if (is_forbidden_label(entry->key) && !str_equal(other, entry->value) &&
                (m == 0 || !other))
                found.v[found.n++] = entry->key;
        }
    str_sort(found.v, found.n);
    for (size_t i = 0; i < found.n; i++)
        strbuf_printf(&text, "%s%s", i ? ", " : "", found.v[i]);
    return found.n ? arena_strdup(arena, strbuf_string(&text)) : NULL;
}

static int restrict_node(Restriction *in)
{
    static const StringMap none = {0};
    const Node *now, *old;
    const char *labels;

    if (!str_equal(in->name, in->node))
        return refuse(in, "node \"%s\" is not allowed to modify node \"%s\"", in->node, in->name);
    if (in->operation == OPERATION_DELETE)
        return 0;
    now = OBJECT_AS(Node, in->object);
    if (in->operation == OPERATION_CREATE) {
        if (now->spec.config_source)
            return refuse(in,
                          "node \"%s\" is not allowed to create pods with a non-nil "
                          "configSource",
                          in->node);
        labels = forbidden_labels(in->arena, &now->metadata.labels, &none);
        return labels ? refuse(in, "node \"%s\" is not allowed to set the following labels: %s",
                               in->node, labels)
                      : 0;
    }
    old = OBJECT_AS(Node, in->before);
    if (now->spec.config_source &&
        !type_member_equal(&type_NodeSpec, "configSource", &now->spec, &old->spec))
        return refuse(in,
                      "node \"%s\" is not allowed to update configSource to a new non-nil "
                      "configSource",
                      in->node);
    if (!type_member_equal(&type_NodeSpec, "taints", &now->spec, &old->spec))
        return refuse(in, "node \"%s\" is not allowed to modify taints", in->node);
    if (!type_member_equal(&type_ObjectMeta, "ownerReferences", &now->metadata, &old->metadata))
        return refuse(in, "node \"%s\" is not allowed to modify ownerReferences", in->node);
    labels = forbidden_labels(in->arena, &now->metadata.labels, &old->metadata.labels);
    return labels ? refuse(in, "is not allowed to modify labels: %s", labels) : 0;
}

/* ---- claims ---- */

/* The fields of the status that a node reports, and what every update changes, do not count. */
static PersistentVolumeClaim without_report(const PersistentVolumeClaim *claim)
{
    PersistentVolumeClaim copy = *claim;

    copy.metadata.resource_version = NULL;
    copy.metadata.managed_fields = (ManagedFieldsEntryArray){0};
    copy.status.capacity = (StringMap){0};
    copy.status.conditions.n = 0;
    copy.status.allocated_resources = (StringMap){0};
    copy.status.allocated_resource_statuses = (StringMap){0};
    return copy;
}

static int restrict_claim(Restriction *in)
{
    PersistentVolumeClaim now, old;

    if (!str_equal(in->subresource, "status"))
        return refuse(in, "may only update PVC status");
    now = without_report(OBJECT_AS(PersistentVolumeClaim, in->object));
    old = without_report(OBJECT_AS(PersistentVolumeClaim, in->before));
    if (!type_equal(&type_PersistentVolumeClaim, &now, &old))
        return refuse(in,
                      "node \"%s\" is not allowed to update fields other than status.quantity "
                      "and status.conditions",
                      in->node);
    return 0;
}

/* ---- objects with the name of the node ---- */

static int restrict_lease(Restriction *in)
{
    if (!str_equal(in->ns, LEASE_NAMESPACE))
        return refuse(in, "can only access leases in the \"" LEASE_NAMESPACE "\" system namespace");
    return str_equal(in->name, in->node)
               ? 0
               : refuse(in, "can only access node lease with the same name as the requesting node");
}

static int restrict_csi_node(Restriction *in)
{
    return str_equal(in->name, in->node)
               ? 0
               : refuse(in, "can only access CSINode with the same name as the requesting node");
}

static int restrict_request(Restriction *in)
{
    const CertificateSigningRequestSpec *spec;
    CertificateRequest request;
    const char *wrong;

    if (in->operation != OPERATION_CREATE)
        return 0;
    spec = &OBJECT_AS(CertificateSigningRequest, in->object)->spec;
    if (!str_equal(spec->signer_name, "kubernetes.io/kubelet-serving") &&
        !str_equal(spec->signer_name, "kubernetes.io/kube-apiserver-client-kubelet"))
        return 0;
    wrong = certificate_request_read(in->arena, spec->request, &request);
    if (wrong)
        return refuse(in, "unable to parse csr: %s", wrong);
    return str_equal(request.common_name, in->user->name)
               ? 0
               : refuse(in, "can only create a node CSR with CN=%s", in->user->name);
}

/* ---- the table ---- */

static const struct {
    const Kind *kind;
    int (*check)(Restriction *in);
} rows[] = {
    {&kind_pod, restrict_pod},
    {&kind_node, restrict_node},
    {&kind_persistent_volume_claim, restrict_claim},
    {&kind_lease, restrict_lease},
    {&kind_csi_node, restrict_csi_node},
    {&kind_certificate_signing_request, restrict_request},
};

static int check(Restriction *in)
{
    if (!*in->node)
        return refuse(in, "could not determine node from user \"%s\"", in->user->name);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].kind == in->kind)
            return rows[i].check(in);
    return 0;
}

static Restriction restriction_of(Write *write, Operation operation)
{
    return (Restriction){.server = write->server,
                         .arena = &write->arena,
                         .status = &write->status,
                         .user = write->user,
                         .node = node_of(write->user),
                         .kind = write->kind,
                         .ns = write->ns,
                         .name = write->name,
                         .subresource = write->subresource,
                         .operation = operation,
                         .object = write->object,
                         .before = write->before};
}

int node_restriction_admit(Write *write)
{
    Restriction in;

    if (_likely_(!node_of(write->user)))
        return 0;
    in = restriction_of(write, write->before ? OPERATION_UPDATE : OPERATION_CREATE);
    return check(&in);
}

int node_restriction_connect(Write *write, const char *subresource)
{
    Restriction in;

    if (!node_of(write->user))
        return 0;
    in = restriction_of(write, OPERATION_CREATE);
    in.subresource = subresource;
    return check(&in);
}

int node_restriction_delete(Write *write)
{
    Restriction in;

    if (!node_of(write->user))
        return 0;
    in = restriction_of(write, OPERATION_DELETE);
    return check(&in);
}

/* ---- tokens ---- */

static bool driver_wants(const Restriction *in, const char *driver, const char *audience)
{
    const Object *object = store_head(in->server->store, &kind_csi_driver, NULL, driver);
    const CSITokenRequestArray *requests;

    if (!object)
        return false;
    requests = &OBJECT_AS(CSIDriver, object)->spec.token_requests;
    for (size_t i = 0; i < requests->n; i++)
        if (str_equal(str_or(requests->v[i].audience, ""), audience))
            return true;
    return false;
}

static const char *driver_of_claim(const Restriction *in, const char *name)
{
    const Object *claim =
        store_head(in->server->store, &kind_persistent_volume_claim, in->ns, name);
    const char *volume = claim ? OBJECT_AS(PersistentVolumeClaim, claim)->spec.volume_name : NULL;
    const Object *object =
        str_empty(volume) ? NULL
                          : store_head(in->server->store, &kind_persistent_volume, NULL, volume);
    const CSIPersistentVolumeSource *csi =
        object ? OBJECT_AS(PersistentVolume, object)->spec.persistent_volume_source.csi : NULL;

    return csi ? csi->driver : NULL;
}

/* Whether a volume of the pod, or the CSI driver of one, is given a token for the audience. */
static bool pod_uses_audience(const Restriction *in, const Pod *pod, const char *audience)
{
    for (size_t i = 0; i < pod->spec.volumes.n; i++) {
        const Volume *volume = &pod->spec.volumes.v[i];
        const VolumeSource *source = &volume->volume_source;
        const char *driver = NULL;

        for (size_t k = 0; source->projected && k < source->projected->sources.n; k++) {
            const ServiceAccountTokenProjection *token =
                source->projected->sources.v[k].service_account_token;

            if (token && str_equal(str_or(token->audience, ""), audience))
                return true;
        }
        if (source->csi)
            driver = source->csi->driver;
        else if (source->persistent_volume_claim)
            driver = driver_of_claim(in, source->persistent_volume_claim->claim_name);
        else if (source->ephemeral)
            driver = driver_of_claim(
                in, arena_printf(in->arena, "%s-%s", pod->metadata.name, volume->name));
        if (driver && driver_wants(in, driver, audience))
            return true;
    }
    return false;
}

static int check_audience(Restriction *in, const StringArray *audiences, const Pod *pod)
{
    const char *audience = audiences->n ? audiences->v[0] : "";
    const Attributes attributes = {.verb = "request-serviceaccounts-token-audience",
                                   .group = "",
                                   .resource = audience,
                                   .ns = in->ns,
                                   .name = in->name};

    if (audiences->n > 1)
        return refuse(in, "node may only request 0 or 1 audiences");
    if (pod_uses_audience(in, pod, audience) ||
        authorize(in->server, in->user, &attributes, in->arena, NULL))
        return 0;
    return refuse(in,
                  "audience \"%s\" not found in pod spec volume, %s is not authorized to request "
                  "tokens for this audience",
                  audience, in->user->name);
}

int node_restriction_token(Call *call, const TokenRequest *request, ApiStatus *reterr)
{
    const BoundObjectReference *bound = request->spec.bound_object_ref;
    Restriction in = {.server = call->server,
                      .arena = call->arena,
                      .status = reterr,
                      .user = call->user,
                      .node = node_of(call->user),
                      .kind = &kind_service_account,
                      .ns = call->route.ns,
                      .name = call->route.name};
    const Object *pod;

    if (!in.node)
        return 0;
    if (!*in.node)
        return refuse(&in, "could not determine node from user \"%s\"", in.user->name);
    if (!bound || !str_equal(bound->api_version, "v1") || !str_equal(bound->kind, "Pod") ||
        str_empty(bound->name))
        return refuse(&in, "node requested token not bound to a pod");
    if (str_empty(bound->uid))
        return refuse(&in, "node requested token with a pod binding without a uid");
    pod = find_pod(&in, bound->name);
    if (!pod)
        return reterr->reason;
    if (!str_equal(bound->uid, object_meta(pod)->uid))
        return refuse(&in,
                      "the UID in the bound object reference (%s) does not match the UID in "
                      "record. The object might have been deleted and then recreated",
                      bound->uid);
    if (!is_bound_here(&in, pod))
        return refuse(&in, "node requested token bound to a pod scheduled on a different node");
    return check_audience(&in, &request->spec.audiences, OBJECT_AS(Pod, pod));
}
