/* SPDX-License-Identifier: Apache-2.0 */
/* What the server does for certain kinds: pods, services, namespaces, claims, sets, accounts. */
#include "testing.h"

#include "api_harness.h"

#define POD "/api/v1/namespaces/t/pods"
#define SVC "/api/v1/namespaces/t/services"
#define STS "/apis/apps/v1/namespaces/t/statefulsets"
#define PVC "/api/v1/namespaces/t/persistentvolumeclaims"
#define RC "/api/v1/namespaces/t/replicationcontrollers"
#define TEMPLATES "/api/v1/namespaces/t/podtemplates"
#define MERGE "application/merge-patch+json"
#define STRATEGIC "application/strategic-merge-patch+json"
#define BINDING                                                                              \
    "{\"apiVersion\":\"v1\",\"kind\":\"Binding\",\"metadata\":{\"name\":\"p\"},\"target\":{" \
    "\"kind\":\"Node\",\"name\":\"n\"}}"

static int setup(void **state)
{
    Api *api = mem_new_type(Api);

    api_start(api, NULL);
    api_fixture(api);
    *state = api;
    return 0;
}

static int teardown(void **state)
{
    api_stop(*state);
    free(*state);
    return 0;
}

/* clang-format off */
static const ApiCase pod_cases[] = {
    {"a pod without an account is refused", "POST", "/api/v1/namespaces/default/pods", NULL,
     "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"b\"}]}}", 403,
     {{"/message", "\"pods \\\"p\\\" is forbidden: error looking up service account default/default: serviceaccount \\\"default\\\" not found\""}}},
    {"a pod gets its token, its priority and its tolerations", "POST", POD, NULL,
     "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"b\"}]}}", 201,
     {{"/spec/serviceAccountName", "\"default\""}, {"/spec/volumes/0/projected/sources/0", "{\"serviceAccountToken\":{\"expirationSeconds\":3607,\"path\":\"token\"}}"},
      {"/spec/containers/0/volumeMounts/0/mountPath", "\"/var/run/secrets/kubernetes.io/serviceaccount\""},
      {"/spec/priority", "0"}, {"/spec/preemptionPolicy", "\"PreemptLowerPriority\""},
      {"/spec/tolerations", "[{\"key\":\"node.kubernetes.io/not-ready\",\"operator\":\"Exists\",\"effect\":\"NoExecute\",\"tolerationSeconds\":300},"
       "{\"key\":\"node.kubernetes.io/unreachable\",\"operator\":\"Exists\",\"effect\":\"NoExecute\",\"tolerationSeconds\":300}]"},
      {"/status/phase", "\"Pending\""},
      {"/metadata/managedFields/0/fieldsV1", "{\"f:spec\":{\"f:containers\":{\"k:{\\\"name\\\":\\\"c\\\"}\":{\".\":{},\"f:image\":{},\"f:imagePullPolicy\":{},\"f:name\":{},\"f:resources\":{},"
       "\"f:terminationMessagePath\":{},\"f:terminationMessagePolicy\":{}}},\"f:dnsPolicy\":{},\"f:enableServiceLinks\":{},\"f:restartPolicy\":{},\"f:schedulerName\":{},\"f:securityContext\":{},"
       "\"f:terminationGracePeriodSeconds\":{}}}"}}},
    {"it is bound", "POST", POD "/p/binding", NULL, BINDING, 201, {{"/status", "\"Success\""}, {"/code", "201"}}},
    {"once", "POST", POD "/p/binding", NULL, BINDING, 409,
     {{"/message", "\"Operation cannot be fulfilled on pods/binding \\\"p\\\": pod p is already assigned to node \\\"n\\\"\""}, {"/details", "{\"name\":\"p\",\"kind\":\"pods/binding\"}"}}},
    {"its status is written through its own door", "PATCH", POD "/p/status", STRATEGIC,
     "{\"spec\":{\"nodeName\":\"other\"},\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}", 200,
     {{"/status/phase", "\"Running\""}, {"/spec/nodeName", "\"n\""}, {"/metadata/managedFields/1/subresource", "\"status\""}}},
    {"and not through the front", "PATCH", POD "/p", MERGE, "{\"status\":{\"phase\":\"Failed\"}}", 200, {{"/status/phase", "\"Running\""}}},
    {"logs need a node", "GET", POD "/p/log", NULL, NULL, 503, {{0}}},
    {"of a container that is there", "GET", POD "/p/log?container=zz", NULL, NULL, 400, {{"/message", "\"container zz is not valid for pod p\""}}},
    {"deletion takes its time", "DELETE", POD "/p", NULL, NULL, 200,
     {{"/metadata/deletionTimestamp", "\"2026-11-21T08:00:30Z\""}, {"/metadata/deletionGracePeriodSeconds", "30"}, {"/kind", "\"Pod\""}}},
    {"which can be shortened", "DELETE", POD "/p?gracePeriodSeconds=5", NULL, NULL, 200,
     {{"/metadata/deletionTimestamp", "\"2026-11-21T08:00:05Z\""}, {"/metadata/deletionGracePeriodSeconds", "5"}}},
    {"but not extended", "DELETE", POD "/p?gracePeriodSeconds=50", NULL, NULL, 200, {{"/metadata/deletionGracePeriodSeconds", "5"}}},
    {"down to nothing", "DELETE", POD "/p?gracePeriodSeconds=0", NULL, NULL, 200, {{"/metadata/deletionGracePeriodSeconds", "0"}}},
    {"so it is gone", "GET", POD "/p", NULL, NULL, 404, {{0}}},
    {"a pod that is nowhere", "POST", POD, NULL, "{\"metadata\":{\"name\":\"q\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"b\"}]}}", 201, {{0}}},
    {"goes at once", "DELETE", POD "/q", NULL, NULL, 200, {{"/kind", "\"Pod\""}}},
    {"really", "GET", POD "/q", NULL, NULL, 404, {{0}}},
    {"a third", "POST", POD, NULL, "{\"metadata\":{\"name\":\"r\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"b\"}]}}", 201, {{0}}},
    {"is not evicted under another's name", "POST", POD "/r/eviction", NULL, "{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":{\"name\":\"q\"}}", 400,
     {{"/message", "\"name in URL does not match name in Eviction object\""}}},
    {"is evicted", "POST", POD "/r/eviction", NULL, "{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":{\"name\":\"r\",\"namespace\":\"t\"}}", 201, {{"/status", "\"Success\""}}},
    {"and gone", "GET", POD "/r", NULL, NULL, 404, {{0}}},
    {"an unknown priority class", "POST", POD, NULL, "{\"metadata\":{\"name\":\"r\"},\"spec\":{\"priorityClassName\":\"foo\",\"containers\":[{\"name\":\"c\",\"image\":\"b\"}]}}", 403,
     {{"/message", "\"pods \\\"r\\\" is forbidden: no PriorityClass with name foo was found\""}}},
};

#define EPHEMERAL(name) "{\"name\":\"" name "\",\"image\":\"b\",\"targetContainerName\":\"c\"}"
static const ApiCase ephemeral_cases[] = {
    {"a pod", "POST", POD, NULL, "{\"metadata\":{\"name\":\"e\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"b\"}]}}", 201, {{0}}},
    {"gets an ephemeral container", "PATCH", POD "/e/ephemeralcontainers", STRATEGIC, "{\"spec\":{\"ephemeralContainers\":[" EPHEMERAL("z") "]}}", 200,
     {{"/spec/ephemeralContainers/0/name", "\"z\""}, {"/spec/ephemeralContainers/1", NULL}}},
    {"and another, behind it", "PATCH", POD "/e/ephemeralcontainers", STRATEGIC, "{\"spec\":{\"ephemeralContainers\":[" EPHEMERAL("a") "]}}", 200,
     {{"/spec/ephemeralContainers/0/name", "\"z\""}, {"/spec/ephemeralContainers/1/name", "\"a\""}}},
    {"the order of the request does not matter", "PATCH", POD "/e/ephemeralcontainers", MERGE,
     "{\"spec\":{\"ephemeralContainers\":[" EPHEMERAL("b") "," EPHEMERAL("a") "," EPHEMERAL("z") "]}}", 200,
     {{"/spec/ephemeralContainers/0/name", "\"z\""}, {"/spec/ephemeralContainers/1/name", "\"a\""}, {"/spec/ephemeralContainers/2/name", "\"b\""}, {"/spec/ephemeralContainers/3", NULL}}},
    {"nothing else changes through this door", "PATCH", POD "/e/ephemeralcontainers", MERGE, "{\"spec\":{\"nodeName\":\"other\"},\"status\":{\"phase\":\"Failed\"}}", 200,
     {{"/spec/nodeName", NULL}, {"/status/phase", "\"Pending\""}, {"/spec/ephemeralContainers/2/name", "\"b\""}}},
    {"none is removed", "PATCH", POD "/e/ephemeralcontainers", MERGE, "{\"spec\":{\"ephemeralContainers\":[" EPHEMERAL("a") "]}}", 422, {{0}}},
    {"none comes through another door", "PATCH", POD "/e", STRATEGIC, "{\"spec\":{\"ephemeralContainers\":[" EPHEMERAL("d") "]}}", 422, {{0}}},
};

#define PORTS "\"ports\":[{\"port\":80}],\"selector\":{\"a\":\"b\"}}}"
static const ApiCase service_cases[] = {
    {"a node port is taken", "POST", SVC, NULL, "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{\"port\":80,\"nodePort\":30111}],\"selector\":{\"a\":\"b\"}}}", 201,
     {{"/spec/ports/0/nodePort", "30111"}, {"/spec/ipFamilies", "[\"IPv4\"]"}, {"/spec/ipFamilyPolicy", "\"SingleStack\""}, {"/spec/internalTrafficPolicy", "\"Cluster\""}, {"/spec/externalTrafficPolicy", "\"Cluster\""},
      {"/status", "{\"loadBalancer\":{}}"},
      {"/metadata/managedFields/0/fieldsV1", "{\"f:spec\":{\"f:externalTrafficPolicy\":{},\"f:internalTrafficPolicy\":{},\"f:ports\":{\".\":{},\"k:{\\\"port\\\":80,\\\"protocol\\\":\\\"TCP\\\"}\":{\".\":{},\"f:nodePort\":{},\"f:port\":{},\"f:protocol\":{},\"f:targetPort\":{}}},\"f:selector\":{},\"f:sessionAffinity\":{},\"f:type\":{}}}"}}},
    {"once", "POST", SVC, NULL, "{\"metadata\":{\"name\":\"s2\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{\"port\":80,\"nodePort\":30111}],\"selector\":{\"a\":\"b\"}}}", 422,
     {{"/message", "\"Service \\\"s2\\\" is invalid: spec.ports[0].nodePort: Invalid value: 30111: provided port is already allocated\""}}},
    {"out of a range", "POST", SVC, NULL, "{\"metadata\":{\"name\":\"s2\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{\"port\":80,\"nodePort\":20111}],\"selector\":{\"a\":\"b\"}}}", 422,
     {{"/message", "\"Service \\\"s2\\\" is invalid: spec.ports[0].nodePort: Invalid value: 20111: provided port is not in the valid range. The range of valid ports is 30000-32767\""}}},
    {"an address that is taken", "POST", SVC, NULL, "{\"metadata\":{\"name\":\"s2\"},\"spec\":{\"clusterIP\":\"10.96.0.1\"," PORTS, 422,
     {{"/message", "\"Service \\\"s2\\\" is invalid: spec.clusterIPs: Invalid value: [\\\"10.96.0.1\\\"]: failed to allocate IP 10.96.0.1: provided IP is already allocated\""}}},
    {"an address of elsewhere", "POST", SVC, NULL, "{\"metadata\":{\"name\":\"s2\"},\"spec\":{\"clusterIP\":\"10.6.0.1\"," PORTS, 422,
     {{"/message", "\"Service \\\"s2\\\" is invalid: spec.clusterIPs: Invalid value: [\\\"10.6.0.1\\\"]: failed to allocate IP 10.6.0.1: the provided network does not match the current range\""}}},
    {"headless", "POST", SVC, NULL, "{\"metadata\":{\"name\":\"h\"},\"spec\":{\"clusterIP\":\"None\"," PORTS, 201, {{"/spec/clusterIP", "\"None\""}, {"/spec/clusterIPs", "[\"None\"]"}}},
    {"an address of one's own", "POST", SVC, NULL, "{\"metadata\":{\"name\":\"own\"},\"spec\":{\"clusterIP\":\"10.96.0.10\"," PORTS, 201, {{"/spec/clusterIP", "\"10.96.0.10\""}}},
    {"is kept by a replacement that does not name it", "PUT", SVC "/own", NULL, "{\"metadata\":{\"name\":\"own\"},\"spec\":{" PORTS, 200, {{"/spec/clusterIP", "\"10.96.0.10\""}}},
    {"and does not change", "PATCH", SVC "/own", MERGE, "{\"spec\":{\"clusterIP\":\"10.96.0.11\"}}", 422,
     {{"/message", "\"Service \\\"own\\\" is invalid: spec.clusterIPs[0]: Invalid value: [\\\"10.96.0.11\\\"]: may not change once set\""}}},
    {"it is free once the service is gone", "DELETE", SVC "/own", NULL, NULL, 200, {{"/kind", "\"Service\""}}},
    {"for another", "POST", SVC, NULL, "{\"metadata\":{\"name\":\"next\"},\"spec\":{\"clusterIP\":\"10.96.0.10\"," PORTS, 201, {{0}}},
    {"what a refused patch asked for is free too", "POST", SVC, NULL, "{\"metadata\":{\"name\":\"eleven\"},\"spec\":{\"clusterIP\":\"10.96.0.11\"," PORTS, 201, {{0}}},
    {"a load balancer", "POST", SVC, NULL, "{\"metadata\":{\"name\":\"lb\"},\"spec\":{\"type\":\"LoadBalancer\"," PORTS, 201, {{0}}},
    {"that becomes less", "PUT", SVC "/lb", NULL, "{\"metadata\":{\"name\":\"lb\"},\"spec\":{\"type\":\"ClusterIP\"," PORTS, 200, {{"/spec/ports", "[{\"protocol\":\"TCP\",\"port\":80,\"targetPort\":80}]"}, {"/spec/externalTrafficPolicy", NULL}}},
};

static const ApiCase namespace_cases[] = {
    {"a namespace", "POST", "/api/v1/namespaces", NULL, "{\"metadata\":{\"name\":\"n\",\"finalizers\":[\"x/y\"]}}", 201, {{"/status/phase", "\"Active\""}, {"/metadata/labels", "{\"kubernetes.io/metadata.name\":\"n\"}"}}},
    {"on its way out", "DELETE", "/api/v1/namespaces/n", NULL, NULL, 200, {{"/status/phase", "\"Terminating\""}, {"/metadata/deletionTimestamp", "\"2026-11-21T08:00:00Z\""}}},
    {"takes nothing more", "POST", "/api/v1/namespaces/n/configmaps", NULL, "{\"metadata\":{\"name\":\"a\"}}", 403,
     {{"/message", "\"configmaps \\\"a\\\" is forbidden: unable to create new content in namespace n because it is being terminated\""}}},
    {"an update cannot finish it", "PATCH", "/api/v1/namespaces/n", MERGE, "{\"spec\":{\"finalizers\":[]}}", 200, {{"/spec/finalizers", "[\"kubernetes\"]"}}},
    {"finalize can", "PUT", "/api/v1/namespaces/n/finalize", NULL, "{\"metadata\":{\"name\":\"n\",\"finalizers\":[\"x/y\"]},\"spec\":{\"finalizers\":[]}}", 200, {{"/spec", "{}"}}},
    {"it waits for the others", "GET", "/api/v1/namespaces/n", NULL, NULL, 200, {{0}}},
    {"and goes with the last", "PATCH", "/api/v1/namespaces/n", MERGE, "{\"metadata\":{\"finalizers\":null}}", 200, {{0}}},
    {"gone", "GET", "/api/v1/namespaces/n", NULL, NULL, 404, {{0}}},
};

static const ApiCase claim_cases[] = {
    {"a claim gets the default class and is protected", "POST", PVC, NULL, "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}", 201,
     {{"/spec/storageClassName", "\"standard\""}, {"/metadata/finalizers", "[\"kubernetes.io/pvc-protection\"]"}, {"/status", "{\"phase\":\"Pending\"}"}, {"/spec/volumeMode", "\"Filesystem\""}}},
    {"none when it says so", "POST", PVC, NULL, "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"storageClassName\":\"\",\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}", 201, {{"/spec/storageClassName", "\"\""}}},
    {"deletion waits", "DELETE", PVC "/a", NULL, NULL, 200, {{"/metadata/deletionTimestamp", "\"2026-11-21T08:00:00Z\""}, {"/metadata/deletionGracePeriodSeconds", "0"}}},
    {"for the finalizer", "PATCH", PVC "/a", MERGE, "{\"metadata\":{\"finalizers\":null}}", 200, {{0}}},
    {"gone", "GET", PVC "/a", NULL, NULL, 404, {{0}}},
};

#define SET "{\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":\"w\"},\"spec\":{\"serviceName\":\"w\",\"replicas\":2,\"selector\":{\"matchLabels\":{\"a\":\"b\"}},\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"b\"}]}}}}"
static const ApiCase set_cases[] = {
    {"a set", "POST", STS, NULL, SET, 201, {{"/metadata/generation", "1"}, {"/spec/podManagementPolicy", "\"OrderedReady\""}, {"/status", "{\"replicas\":0,\"availableReplicas\":0}"}}},
    {"its scale", "GET", STS "/w/scale", NULL, NULL, 200, {{"/spec", "{\"replicas\":2}"}, {"/status", "{\"replicas\":0,\"selector\":\"a=b\"}"}, {"/apiVersion", "\"autoscaling/v1\""}}},
    {"is set", "PUT", STS "/w/scale", NULL, "{\"apiVersion\":\"autoscaling/v1\",\"kind\":\"Scale\",\"metadata\":{\"name\":\"w\",\"namespace\":\"t\"},\"spec\":{\"replicas\":3}}", 200, {{"/spec/replicas", "3"}}},
    {"and patched", "PATCH", STS "/w/scale", MERGE, "{\"spec\":{\"replicas\":4}}", 200, {{"/spec/replicas", "4"}}},
    {"which counts as a change", "GET", STS "/w", NULL, NULL, 200, {{"/metadata/generation", "3"}, {"/spec/replicas", "4"}}},
    {"its status does not", "PATCH", STS "/w/status", MERGE, "{\"status\":{\"replicas\":4},\"spec\":{\"replicas\":9}}", 200, {{"/metadata/generation", "3"}, {"/status/replicas", "4"}, {"/spec/replicas", "4"}}},
    {"nor do labels", "PATCH", STS "/w", MERGE, "{\"metadata\":{\"labels\":{\"x\":\"y\"}}}", 200, {{"/metadata/generation", "3"}}},
    {"some fields stay", "PATCH", STS "/w", MERGE, "{\"spec\":{\"serviceName\":\"other\"}}", 422, {{"/reason", "\"Invalid\""}}},
    {"foreground deletion waits for the dependents", "DELETE", STS "/w?propagationPolicy=Foreground", NULL, NULL, 200,
     {{"/metadata/finalizers", "[\"foregroundDeletion\"]"}, {"/metadata/deletionGracePeriodSeconds", "0"}, {"/metadata/generation", "4"}}},
    {"a bad policy", "DELETE", STS "/w?propagationPolicy=x", NULL, NULL, 422,
     {{"/message", "\"DeleteOptions.meta.k8s.io \\\"\\\" is invalid: propagationPolicy: Unsupported value: \\\"x\\\": supported values: \\\"Foreground\\\", \\\"Background\\\", \\\"Orphan\\\", \\\"nil\\\"\""}}},
    {"another uid", "DELETE", STS "/w", NULL, "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"preconditions\":{\"uid\":\"x\"}}", 409, {{"/reason", "\"Conflict\""}}},
};

#define TEMPLATE(image)                                                                        \
    "\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\",\"c\":\"d\"}},\"spec\":{\"containers\":[{" \
    "\"name\":\"c\",\"image\":\"" image "\"}]}}"
static const ApiCase replication_cases[] = {
    {"a controller takes the labels of its template", "POST", RC, NULL, "{\"metadata\":{\"name\":\"w\"},\"spec\":{" TEMPLATE("i:1") "}}", 201,
     {{"/metadata/generation", "1"}, {"/metadata/labels", "{\"a\":\"b\",\"c\":\"d\"}"}, {"/spec/selector", "{\"a\":\"b\",\"c\":\"d\"}"}, {"/spec/replicas", "1"},
      {"/status", "{\"replicas\":0}"}}},
    {"its scale has them as text", "GET", RC "/w/scale", NULL, NULL, 200, {{"/spec", "{\"replicas\":1}"}, {"/status", "{\"replicas\":0,\"selector\":\"a=b,c=d\"}"}}},
    {"its size can be selected by", "GET", RC "?fieldSelector=status.replicas%3D0", NULL, NULL, 200, {{"/items/0/metadata/name", "\"w\""}}},
    {"a deletion leaves its pods behind", "DELETE", RC "/w", NULL, NULL, 200, {{"/metadata/finalizers", "[\"orphan\"]"}}},
    {"a template by itself", "POST", TEMPLATES, NULL, "{\"metadata\":{\"name\":\"x\"}," TEMPLATE("i:1") "}", 201, {{"/metadata/generation", "1"}}},
    {"its labels do not count as a change", "PATCH", TEMPLATES "/x", MERGE, "{\"metadata\":{\"labels\":{\"x\":\"y\"}}}", 200, {{"/metadata/generation", "1"}}},
    {"its content does", "PATCH", TEMPLATES "/x", MERGE, "{" TEMPLATE("i:2") "}", 200, {{"/metadata/generation", "2"}}},
};

static const ApiCase review_cases[] = {
    {"who am I", "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", NULL, "{}", 201,
     {{"/status/userInfo", "{\"username\":\"kubernetes-admin\",\"groups\":[\"system:masters\",\"system:authenticated\"]}"}}},
    {"may I", "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", NULL, "{\"spec\":{\"resourceAttributes\":{\"verb\":\"get\",\"resource\":\"pods\"}}}", 201, {{"/status/allowed", "true"}}},
    {"may they", "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", NULL, "{\"spec\":{\"user\":\"x\",\"resourceAttributes\":{\"verb\":\"get\",\"resource\":\"pods\"}}}", 201, {{"/status/allowed", "false"}}},
    {"a bad token", "POST", "/apis/authentication.k8s.io/v1/tokenreviews", NULL, "{\"spec\":{\"token\":\"bad\"}}", 201, {{"/status/error", "\"invalid bearer token\""}}},
    {"a token", "POST", "/api/v1/namespaces/t/serviceaccounts/default/token", NULL, "{\"spec\":{\"expirationSeconds\":600}}", 201, {{"/status/expirationTimestamp", "\"2026-11-21T08:10:00Z\""}, {"/metadata/name", "\"default\""}}},
    {"of nobody", "POST", "/api/v1/namespaces/t/serviceaccounts/nobody/token", NULL, "{}", 404, {{"/message", "\"serviceaccounts \\\"nobody\\\" not found\""}}},
};
#define COMPONENTS "/api/v1/componentstatuses"
static const ApiCase component_cases[] = {
    {"all parts", "GET", COMPONENTS, NULL, NULL, 200, {{"/kind", "\"ComponentStatusList\""}, {"/items/0/metadata/name", "\"scheduler\""}, {"/items/1/metadata/name", "\"controller-manager\""},
     {"/items/2/metadata/name", "\"etcd-0\""}, {"/items/3", NULL}, {"/items/2/conditions", "[{\"type\":\"Healthy\",\"status\":\"True\",\"message\":\"ok\"}]"}}},
    {"one of them", "GET", COMPONENTS "/etcd-0", NULL, NULL, 200, {{"/kind", "\"ComponentStatus\""}, {"/metadata", "{\"name\":\"etcd-0\"}"}}},
    {"those of a name", "GET", COMPONENTS "?fieldSelector=metadata.name%3Dscheduler", NULL, NULL, 200, {{"/items/0/metadata/name", "\"scheduler\""}, {"/items/1", NULL}}},
    {"another one", "GET", COMPONENTS "/etcd-1", NULL, NULL, 404, {{"/message", "\"componentstatuses \\\"etcd-1\\\" not found\""}}},
    {"cannot be made", "POST", COMPONENTS, NULL, "{}", 405, {{0}}},
    {"nor deleted", "DELETE", COMPONENTS "/etcd-0", NULL, NULL, 405, {{0}}},
};
/* clang-format on */

#define RUN(test, cases)                          \
    static void test(void **state)                \
    {                                             \
        api_run(*state, cases, ARRAY_LEN(cases)); \
    }
RUN(pods_are_completed_bound_and_deleted_gracefully, pod_cases)
RUN(ephemeral_containers_are_only_added_and_keep_their_order, ephemeral_cases)
RUN(services_get_addresses_and_ports, service_cases)
RUN(namespaces_end_when_everybody_has_finished, namespace_cases)
RUN(claims_are_protected, claim_cases)
RUN(sets_have_a_scale_and_a_status, set_cases)
RUN(controllers_and_templates_complete_themselves, replication_cases)
RUN(reviews_are_answered_at_once, review_cases)
RUN(parts_of_the_control_plane_are_healthy, component_cases)

/* ---- tokens ---- */

static char *make_token(Api *api)
{
    char *token;
    size_t n;

    assert_int_equal(api_call(api, "POST", "/api/v1/namespaces/t/serviceaccounts/default/token",
                              NULL, "{\"spec\":{\"expirationSeconds\":3600}}"),
                     201);
    token = api_json(api, "/status/token");
    n = strlen(token);
    memmove(token, token + 1, n);
    token[n - 2] = 0;
    return token;
}

static void call_with(Api *api, HttpLoopback *connection, const char *token, const char *method,
                      const char *path, const char *body)
{
    _free_ char *headers =
        mem_printf("Authorization: Bearer %s\r\nContent-Type: application/json\r\n", token);

    api_call_on(api, connection, method, path, headers, body, body ? strlen(body) : 0);
}

static void expect(Api *api, int status, const char *pointer, const char *is)
{
    _free_ char *value = api_json(api, pointer);

    assert_int_equal(api->status, status);
    assert_string_equal(value ? value : "(absent)", is);
}

static void accounts_may_discover_and_ask_about_themselves(void **state)
{
    Api *api = *state;
    HttpLoopback *connection = api_connect(api, NULL);
    _free_ char *token = make_token(api);

    call_with(api, connection, token, "GET", "/api/v1", NULL);
    expect(api, 200, "/kind", "\"APIResourceList\"");
    call_with(api, connection, token, "GET", "/api/v1/namespaces/t/pods/x", NULL);
    expect(api, 403, "/message",
           "\"pods \\\"x\\\" is forbidden: User \\\"system:serviceaccount:t:default\\\" cannot get "
           "resource \\\"pods\\\" in API group \\\"\\\" in the namespace \\\"t\\\"\"");
    call_with(api, connection, token, "GET", "/api/v1/nodes", NULL);
    expect(
        api, 403, "/message",
        "\"nodes is forbidden: User \\\"system:serviceaccount:t:default\\\" cannot list resource "
        "\\\"nodes\\\" in API group \\\"\\\" at the cluster scope\"");
    call_with(api, connection, token, "GET", "/apis/apps/v1/namespaces/t/statefulsets/x/scale",
              NULL);
    expect(
        api, 403, "/message",
        "\"statefulsets.apps \\\"x\\\" is forbidden: User \\\"system:serviceaccount:t:default\\\" "
        "cannot get resource \\\"statefulsets/scale\\\" in API group \\\"apps\\\" in the namespace "
        "\\\"t\\\"\"");
    call_with(api, connection, token, "GET", "/metrics", NULL);
    expect(api, 403, "/message",
           "\"forbidden: User \\\"system:serviceaccount:t:default\\\" cannot get path "
           "\\\"/metrics\\\"\"");
    call_with(api, connection, token, "POST",
              "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
              "{\"spec\":{\"resourceAttributes\":{\"verb\":\"get\",\"resource\":\"pods\"}}}");
    expect(api, 201, "/status/allowed", "false");
    http_loopback_free(connection);
}

static void a_token_dies_with_its_time_and_its_account(void **state)
{
    Api *api = *state;
    HttpLoopback *connection = api_connect(api, NULL);
    _free_ char *token = make_token(api), *bad = mem_strdup(token), *later = NULL;

    call_with(api, connection, token, "GET", "/api/v1", NULL);
    assert_int_equal(api->status, 200);
    bad[strlen(bad) - 10] ^= 1;
    call_with(api, connection, bad, "GET", "/api/v1", NULL);
    expect(api, 401, "/message", "\"Unauthorized\"");
    clock_fake_advance(api->clock, 3601 * NS_PER_SEC);
    call_with(api, connection, token, "GET", "/api/v1", NULL);
    assert_int_equal(api->status, 401);
    later = make_token(api);
    call_with(api, connection, later, "GET", "/api/v1", NULL);
    assert_int_equal(api->status, 200);
    api_call(api, "DELETE", "/api/v1/namespaces/t/serviceaccounts/default", NULL, NULL);
    assert_int_equal(api->status, 200);
    call_with(api, connection, later, "GET", "/api/v1", NULL);
    assert_int_equal(api->status, 401);
    http_loopback_free(connection);
}

static void whoever_may_acts_for_another(void **state)
{
    static const char whoami[] = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    Api *api = *state;
    HttpLoopback *connection = api_connect(api, NULL);
    _free_ char *token = make_token(api);
    _free_ char *both = mem_printf("Authorization: Bearer %s\r\nImpersonate-User: bob\r\n", token);

    api_call_on(api, api->admin, "GET", "/api/v1/nodes", "Impersonate-User: bob\r\n", NULL, 0);
    expect(api, 403, "/message",
           "\"nodes is forbidden: User \\\"bob\\\" cannot list resource \\\"nodes\\\" in API group "
           "\\\"\\\" at the cluster scope\"");
    api_call_on(api, api->admin, "GET", "/api/v1/nodes",
                "Impersonate-User: bob\r\nImpersonate-Group: a\r\n"
                "Impersonate-Group: system:masters\r\n",
                NULL, 0);
    assert_int_equal(api->status, 200);
    api_call_on(api, api->admin, "POST", whoami,
                "Content-Type: application/json\r\n"
                "Impersonate-User: system:serviceaccount:t:default\r\n",
                "{}", 2);
    expect(api, 201, "/status/userInfo/groups",
           "[\"system:serviceaccounts\",\"system:serviceaccounts:t\",\"system:authenticated\"]");
    api_call_on(api, api->admin, "GET", "/api/v1/nodes", "Impersonate-Group: a\r\n", NULL, 0);
    expect(api, 400, "/message",
           "\"requested &user.DefaultInfo{Name:\\\"\\\", UID:\\\"\\\", Groups:[]string{\\\"a\\\"}, "
           "Extra:map[string][]string(nil)} without impersonating a user name\"");
    /* The order of headers does not matter: here one of them is the first. */
    http_loopback_send(api->admin, BYTES_LITERAL("GET /api/v1/nodes HTTP/1.1\r\n"
                                                 "Impersonate-Group: a\r\nHost: x\r\n\r\n"));
    api_finish(api, api->admin);
    assert_int_equal(api->status, 400);
    api_call_on(api, connection, "GET", "/api/v1", both, NULL, 0);
    expect(api, 403, "/message",
           "\"forbidden: User \\\"system:serviceaccount:t:default\\\" cannot "
           "impersonate-on:user-info:get path \\\"/api/v1\\\"\"");
    http_loopback_free(connection);
}

static void strangers_see_health_and_version(void **state)
{
    Api *api = *state;
    HttpLoopback *connection = api_connect(api, NULL);

    api_call_on(api, connection, "GET", "/readyz", NULL, NULL, 0);
    assert_int_equal(api->status, 200);
    api_call_on(api, connection, "GET", "/version", NULL, NULL, 0);
    assert_int_equal(api->status, 200);
    api_call_on(api, connection, "GET", "/api/v1/nodes", NULL, NULL, 0);
    expect(
        api, 403, "/message",
        "\"nodes is forbidden: User \\\"system:anonymous\\\" cannot list resource \\\"nodes\\\" in "
        "API group \\\"\\\" at the cluster scope\"");
    http_loopback_free(connection);
}

/* Every one of these has once ended the process. */
/* clang-format off */
static const ApiCase null_cases[] = {
    {"a finalizer", "POST", "/api/v1/namespaces/t/configmaps", NULL,
     "{\"metadata\":{\"name\":\"n\",\"finalizers\":[null]}}", 422, {{0}}},
    {"a host of an Ingress", "POST", "/apis/networking.k8s.io/v1/namespaces/t/ingresses", NULL,
     "{\"metadata\":{\"name\":\"n\"},\"spec\":{\"rules\":[{\"host\":\"a.b\"}],\"tls\":[{\"hosts\":[null]}]}}", 422, {{0}}},
    {"a search domain", "POST", "/api/v1/namespaces/t/pods", NULL,
     "{\"metadata\":{\"name\":\"n\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"b\"}],\"dnsConfig\":{\"searches\":[null]}}}", 422, {{0}}},
    {"an excepted range", "POST", "/apis/networking.k8s.io/v1/namespaces/t/networkpolicies", NULL,
     "{\"metadata\":{\"name\":\"n\"},\"spec\":{\"podSelector\":{},\"ingress\":[{\"from\":[{\"ipBlock\":{\"cidr\":\"10.0.0.0/8\",\"except\":[null]}}]}]}}", 422, {{0}}},
    {"an address of a Service", "POST", "/api/v1/namespaces/t/services", NULL,
     "{\"metadata\":{\"name\":\"n\"},\"spec\":{\"ports\":[{\"port\":80}],\"clusterIPs\":[null]}}", 422, {{0}}},
    {"a selector without key and operator", "POST", "/apis/apps/v1/namespaces/t/deployments", NULL,
     "{\"metadata\":{\"name\":\"n\"},\"spec\":{\"selector\":{\"matchExpressions\":[{}]},\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"b\"}]}}}}", 422, {{0}}},
    {"a value of a bare list", "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", NULL,
     "{\"spec\":{\"user\":\"eve\",\"extra\":{\"a\":[null],\"b\":null},\"resourceAttributes\":{\"verb\":\"get\",\"resource\":\"pods\"}}}", 201, {{0}}},
    {"a capability", "POST", "/api/v1/namespaces/t/pods", NULL,
     "{\"metadata\":{\"name\":\"n\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"b\",\"securityContext\":{\"capabilities\":{\"add\":[null],\"drop\":[\"ALL\",null]}}}]}}", 201, 
     {{"/spec/containers/0/securityContext/capabilities", "{\"add\":[\"\"],\"drop\":[\"ALL\",\"\"]}"}}},
};
/* clang-format on */

static void null_in_a_list_is_an_empty_element(void **state)
{
    api_run(*state, null_cases, ARRAY_LEN(null_cases));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(pods_are_completed_bound_and_deleted_gracefully),
        TEST(ephemeral_containers_are_only_added_and_keep_their_order),
        TEST(services_get_addresses_and_ports),
        TEST(namespaces_end_when_everybody_has_finished),
        TEST(claims_are_protected),
        TEST(sets_have_a_scale_and_a_status),
        TEST(controllers_and_templates_complete_themselves),
        TEST(reviews_are_answered_at_once),
        TEST(parts_of_the_control_plane_are_healthy),
        TEST(accounts_may_discover_and_ask_about_themselves),
        TEST(a_token_dies_with_its_time_and_its_account),
        TEST(whoever_may_acts_for_another),
        TEST(strangers_see_health_and_version),
        TEST(null_in_a_list_is_an_empty_element),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
