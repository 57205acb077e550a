/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of the roles and bindings that every cluster has, under the names of Kubernetes. Only missing
 * ones are created, in one batch, so all starts but the first one write nothing.
 *
 * Lists are comma-separated texts. A rule with a path applies to non-resource URLs, and one with names to
 * the objects of these names only.
 */
#include "api/object.h"
#include "api/schema/rbac_v1.h"
#include "server/auth/rbac.h"

#define READ "get,list,watch"
#define WRITE "create,delete,deletecollection,patch,update"
#define READ_WRITE "create,delete,deletecollection,get,list,patch,update,watch"
#define AGGREGATE RBAC_GROUP "/aggregate-to-"
/* What stead has beyond Kubernetes: pages about the server, and the users that `stead up` makes certificates for. */
#define PAGES "stead:pages"
/* As metrics-server brings it. */
#define METRICS_READER "system:aggregated-metrics-reader"
#define CERTIFICATES "certificates.k8s.io"
#define REQUESTS "certificatesigningrequests"
#define HEALTH "/livez,/readyz,/healthz"

typedef struct RuleRow {
    const char *role, *verbs, *groups, *resources, *paths, *names;
} RuleRow;

/* clang-format off */
static const RuleRow RULES[] = {
    {"cluster-admin", "*", "*", "*", NULL},
    {"cluster-admin", "*", NULL, NULL, "*"},
    {"system:discovery", "get", NULL, NULL, HEALTH ",/version,/version/,/openapi,/openapi/*,/api,/api/*,/apis,/apis/*"},
    {"system:monitoring", "get", NULL, NULL, "/metrics,/metrics/slis," HEALTH ",/livez/*,/readyz/*,/healthz/*"},
    {"system:monitoring", "get", "", "nodes/metrics", NULL},
    {"system:basic-user", "create", "authorization.k8s.io", "selfsubjectaccessreviews,selfsubjectrulesreviews", NULL},
    {"system:basic-user", "create", "authentication.k8s.io", "selfsubjectreviews", NULL},
    {"system:public-info-viewer", "get", NULL, NULL, HEALTH ",/version,/version/"},
    {PAGES, "get", NULL, NULL, "/stead/*"},
    {"system:service-account-issuer-discovery", "get", NULL, NULL,
     "/.well-known/openid-configuration,/.well-known/openid-configuration/,/openid/v1/jwks,/openid/v1/jwks/"},
    {"system:auth-delegator", "create", "authentication.k8s.io", "tokenreviews", NULL},
    {"system:auth-delegator", "create", "authorization.k8s.io", "subjectaccessreviews", NULL},
    {"system:persistent-volume-provisioner", "create,delete,get,list,watch", "", "persistentvolumes", NULL},
    {"system:persistent-volume-provisioner", "get,list,update,watch", "", "persistentvolumeclaims", NULL},
    {"system:persistent-volume-provisioner", "get,list,watch", "storage.k8s.io", "storageclasses", NULL},
    {"system:persistent-volume-provisioner", "watch", "", "events", NULL},
    {"system:persistent-volume-provisioner", "create,patch,update", ",events.k8s.io", "events", NULL},
    {"system:aggregate-to-admin", "create", "authorization.k8s.io", "localsubjectaccessreviews", NULL},
    {"system:aggregate-to-admin", READ_WRITE, RBAC_GROUP, "rolebindings,roles", NULL},
    {"system:aggregate-to-edit", READ, "", "pods/attach,pods/exec,pods/portforward,pods/proxy,secrets,services/proxy", NULL},
    {"system:aggregate-to-edit", "impersonate", "", "serviceaccounts", NULL},
    {"system:aggregate-to-edit", WRITE, "", "pods,pods/attach,pods/exec,pods/portforward,pods/proxy", NULL},
    {"system:aggregate-to-edit", "create", "", "pods/eviction", NULL},
    {"system:aggregate-to-edit", WRITE, "",
     "configmaps,persistentvolumeclaims,replicationcontrollers,replicationcontrollers/scale,secrets,serviceaccounts,services,"
     "services/proxy", NULL},
    {"system:aggregate-to-edit", "create", "", "serviceaccounts/token", NULL},
    {"system:aggregate-to-edit", WRITE, ",events.k8s.io", "events", NULL},
    {"system:aggregate-to-edit", WRITE, "apps",
     "daemonsets,deployments,deployments/rollback,deployments/scale,replicasets,replicasets/scale,statefulsets,"
     "statefulsets/scale", NULL},
    {"system:aggregate-to-edit", WRITE, "autoscaling", "horizontalpodautoscalers", NULL},
    {"system:aggregate-to-edit", WRITE, "batch", "cronjobs,jobs", NULL},
    {"system:aggregate-to-edit", WRITE, "policy", "poddisruptionbudgets", NULL},
    {"system:aggregate-to-edit", WRITE, "networking.k8s.io", "ingresses,networkpolicies", NULL},
    {"system:aggregate-to-edit", READ_WRITE, "coordination.k8s.io", "leases", NULL},
    {"system:aggregate-to-view", READ, "",
     "configmaps,endpoints,persistentvolumeclaims,persistentvolumeclaims/status,pods,replicationcontrollers,"
     "replicationcontrollers/scale,serviceaccounts,services,services/status", NULL},
    {"system:aggregate-to-view", READ, "",
     "bindings,limitranges,namespaces/status,pods/log,pods/status,replicationcontrollers/status,resourcequotas,"
     "resourcequotas/status", NULL},
    {"system:aggregate-to-view", READ, "", "namespaces", NULL},
    {"system:aggregate-to-view", READ, ",events.k8s.io", "events", NULL},
    {"system:aggregate-to-view", READ, "discovery.k8s.io", "endpointslices", NULL},
    {"system:aggregate-to-view", READ, "apps",
     "controllerrevisions,daemonsets,daemonsets/status,deployments,deployments/scale,deployments/status,replicasets,"
     "replicasets/scale,replicasets/status,statefulsets,statefulsets/scale,statefulsets/status", NULL},
    {"system:aggregate-to-view", READ, "autoscaling", "horizontalpodautoscalers,horizontalpodautoscalers/status", NULL},
    {"system:aggregate-to-view", READ, "batch", "cronjobs,cronjobs/status,jobs,jobs/status", NULL},
    {"system:aggregate-to-view", READ, "policy", "poddisruptionbudgets,poddisruptionbudgets/status", NULL},
    {"system:aggregate-to-view", READ, "networking.k8s.io", "ingresses,ingresses/status,networkpolicies", NULL},
    {"system:node-bootstrapper", "create,get,list,watch", CERTIFICATES, REQUESTS, NULL},
    {"system:" CERTIFICATES ":" REQUESTS ":nodeclient", "create", CERTIFICATES, REQUESTS "/nodeclient", NULL},
    {"system:" CERTIFICATES ":" REQUESTS ":selfnodeclient", "create", CERTIFICATES, REQUESTS "/selfnodeclient", NULL},
    {"system:" CERTIFICATES ":legacy-unknown-approver", "approve", CERTIFICATES, "signers", NULL, "kubernetes.io/legacy-unknown"},
    {"system:" CERTIFICATES ":kubelet-serving-approver", "approve", CERTIFICATES, "signers", NULL, "kubernetes.io/kubelet-serving"},
    {"system:" CERTIFICATES ":kube-apiserver-client-approver", "approve", CERTIFICATES, "signers", NULL, "kubernetes.io/kube-apiserver-client"},
    {"system:" CERTIFICATES ":kube-apiserver-client-kubelet-approver", "approve", CERTIFICATES, "signers", NULL,
     "kubernetes.io/kube-apiserver-client-kubelet"},
    {METRICS_READER, READ, "metrics.k8s.io", "nodes,pods", NULL},
};

/* The roles in order of creation; a label says which roles aggregate them. */
static const struct {
    const char *name, *part_of, *takes; /* "admin" stands for the label rbac.../aggregate-to-admin */
} ROLES[] = {
    {"cluster-admin", NULL, NULL},
    {"system:discovery", NULL, NULL},
    {"system:monitoring", NULL, NULL},
    {"system:basic-user", NULL, NULL},
    {"system:public-info-viewer", NULL, NULL},
    {PAGES, NULL, NULL},
    {"system:service-account-issuer-discovery", NULL, NULL},
    {"system:auth-delegator", NULL, NULL},
    {"system:persistent-volume-provisioner", NULL, NULL},
    {"system:node-bootstrapper", NULL, NULL},
    {"system:" CERTIFICATES ":" REQUESTS ":nodeclient", NULL, NULL},
    {"system:" CERTIFICATES ":" REQUESTS ":selfnodeclient", NULL, NULL},
    {"system:" CERTIFICATES ":legacy-unknown-approver", NULL, NULL},
    {"system:" CERTIFICATES ":kubelet-serving-approver", NULL, NULL},
    {"system:" CERTIFICATES ":kube-apiserver-client-approver", NULL, NULL},
    {"system:" CERTIFICATES ":kube-apiserver-client-kubelet-approver", NULL, NULL},
    {"system:aggregate-to-admin", "admin", NULL},
    {"system:aggregate-to-edit", "edit", NULL},
    {"system:aggregate-to-view", "view", NULL},
    {METRICS_READER, "admin,edit,view", NULL},
    {"admin", NULL, "admin"},
    {"edit", "admin", "edit"},
    {"view", "edit", "view"},
};

static const struct {
    const char *name, *groups; /* of a binding to the role of the same name */
} BINDINGS[] = {
    {"cluster-admin", "system:masters"},
    {"system:monitoring", "system:monitoring"},
    {"system:discovery", "system:authenticated"},
    {"system:basic-user", "system:authenticated"},
    {"system:public-info-viewer", "system:authenticated,system:unauthenticated"},
    {"system:service-account-issuer-discovery", "system:serviceaccounts"},
    {PAGES, "stead:users"},
};
/* clang-format on */

static StringArray split(Arena *arena, const char *text)
{
    StringArray array = {0};
    size_t n = 1;

    if (!text)
        return array;
    for (const char *c = text; *c; c++)
        n += *c == ',';
    array.v = arena_new_n(arena, const char *, n);
    while (array.n < n) {
        size_t length = strcspn(text, ",");

        array.v[array.n++] = arena_strndup(arena, text, length);
        text += length + 1;
    }
    return array;
}

/* Whether the role contains the rules of the other one: it is the same role, or it aggregates it. */
static bool has_rules_of(const char *role, const char *of)
{
    static const struct {
        const char *role, *of[5];
    } rows[] = {
        {"admin",
         {"system:aggregate-to-admin", "system:aggregate-to-edit", "system:aggregate-to-view",
          METRICS_READER}},
        {"edit", {"system:aggregate-to-edit", "system:aggregate-to-view", METRICS_READER}},
        {"view", {"system:aggregate-to-view", METRICS_READER}},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t k = 0; str_equal(rows[i].role, role) && rows[i].of[k]; k++)
            if (str_equal(rows[i].of[k], of))
                return true;
    return str_equal(role, of);
}

static void mark(Object *object)
{
    ObjectMeta *meta = object_meta(object);

    string_map_put(&object->arena, &meta->labels, "kubernetes.io/bootstrapping", "rbac-defaults");
    string_map_put(&object->arena, &meta->annotations,
                   "rbac.authorization.kubernetes.io/autoupdate", "true");
}

static Object *make_role(size_t row)
{
    Object *object = object_new(&kind_cluster_role);
    ClusterRole *role = object->value;
    Arena *arena = &object->arena;
    StringArray parts;

    role->metadata.name = arena_strdup(arena, ROLES[row].name);
    mark(object);
    parts = split(arena, ROLES[row].part_of);
    for (size_t i = 0; i < parts.n; i++)
        string_map_put(arena, &role->metadata.labels,
                       arena_printf(arena, AGGREGATE "%s", parts.v[i]), "true");
    if (ROLES[row].takes) {
        LabelSelector *selector = arena_new(arena, LabelSelector);

        string_map_put(arena, &selector->match_labels,
                       arena_printf(arena, AGGREGATE "%s", ROLES[row].takes), "true");
        role->aggregation_rule = arena_new(arena, AggregationRule);
        role->aggregation_rule->cluster_role_selectors = (LabelSelectorArray){selector, 1};
    }
    role->rules.v = arena_new_n(arena, PolicyRule, ARRAY_LEN(RULES));
    for (size_t i = 0; i < ARRAY_LEN(RULES); i++) {
        PolicyRule *rule = &role->rules.v[role->rules.n];

        if (!has_rules_of(ROLES[row].name, RULES[i].role))
            continue;
        rule->verbs = split(arena, RULES[i].verbs);
        rule->api_groups = split(arena, RULES[i].groups);
        rule->resources = split(arena, RULES[i].resources);
        rule->non_resource_urls = split(arena, RULES[i].paths);
        rule->resource_names = split(arena, RULES[i].names);
        role->rules.n++;
    }
    return object;
}

static Object *make_binding(size_t row)
{
    Object *object = object_new(&kind_cluster_role_binding);
    ClusterRoleBinding *binding = object->value;
    Arena *arena = &object->arena;
    StringArray groups = split(arena, BINDINGS[row].groups);

    binding->metadata.name = arena_strdup(arena, BINDINGS[row].name);
    mark(object);
    binding->role_ref = (RoleRef){RBAC_GROUP, "ClusterRole", binding->metadata.name};
    binding->subjects.v = arena_new_n(arena, Subject, groups.n);
    for (size_t i = 0; i < groups.n; i++)
        binding->subjects.v[binding->subjects.n++] =
            (Subject){.kind = "Group", .api_group = RBAC_GROUP, .name = groups.v[i]};
    return object;
}

void rbac_ensure_defaults(Server *server, Client *client)
{
    for (size_t i = 0; i < ARRAY_LEN(ROLES); i++) {
        _object_ Object *role = NULL;

        if (store_head(server->store, &kind_cluster_role, NULL, ROLES[i].name))
            continue;
        role = make_role(i);
        client_create(client, role, NULL, NULL, NULL);
    }
    for (size_t i = 0; i < ARRAY_LEN(BINDINGS); i++) {
        _object_ Object *binding = NULL;

        if (store_head(server->store, &kind_cluster_role_binding, NULL, BINDINGS[i].name))
            continue;
        binding = make_binding(i);
        client_create(client, binding, NULL, NULL, NULL);
    }
}
