/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of configuration and of the cluster itself: ConfigMap, Secret, ServiceAccount,
 * Namespace, Node, PersistentVolume, StorageClass. */
#include "api/quantity.h"
#include "cli/describe_line.h"
#include "cli/events.h"

typedef VEC(const char *) Keys;

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static Keys sorted_keys(yyjson_val *object)
{
    Keys keys = VEC_INIT;
    yyjson_val *key, *value;
    size_t i, n;

    yyjson_obj_foreach(object, i, n, key, value) VEC_PUSH(&keys, yyjson_get_str(key));
    if (keys.n)
        qsort(keys.v, keys.n, sizeof(*keys.v), by_text);
    return keys;
}

/* How many bytes base64 stands for. */
static size_t decoded_size(const char *base64)
{
    size_t n = strlen(base64), padding = 0;

    while (padding < n && base64[n - 1 - padding] == '=')
        padding++;
    return n / 4 * 3 - padding;
}

/* ---- configuration ---- */

void describe_config_map(Description *d)
{
    yyjson_val *data = at(d, "/data"), *binary = at(d, "/binaryData");
    Keys keys = sorted_keys(data);

    name_and_namespace(d);
    labels_and_annotations(d);
    strbuf_add_string(&d->out, "\nData\n====\n");
    for (size_t i = 0; i < keys.n; i++)
        strbuf_printf(&d->out, "%s:\n----\n%s\n\n", keys.v[i],
                      str_or(yyjson_get_str(yyjson_obj_get(data, keys.v[i])), ""));
    VEC_DEINIT(&keys);
    strbuf_add_string(&d->out, "\nBinaryData\n====\n");
    keys = sorted_keys(binary);
    for (size_t i = 0; i < keys.n; i++)
        strbuf_printf(&d->out, "%s: %zu bytes\n", keys.v[i],
                      decoded_size(str_or(yyjson_get_str(yyjson_obj_get(binary, keys.v[i])), "")));
    VEC_DEINIT(&keys);
    strbuf_add_string(&d->out, "\n");
}

void describe_secret(Description *d)
{
    yyjson_val *data = at(d, "/data");
    Keys keys = sorted_keys(data);

    name_and_namespace(d);
    labels_and_annotations(d);
    strbuf_printf(&d->out, "\nType:\t%s\n\nData\n====\n", text(d, "/type"));
    for (size_t i = 0; i < keys.n; i++)
        strbuf_printf(&d->out, "%s:\t%zu bytes\n", keys.v[i],
                      decoded_size(str_or(yyjson_get_str(yyjson_obj_get(data, keys.v[i])), "")));
    VEC_DEINIT(&keys);
    d->no_events = true;
}

void describe_service_account(Description *d)
{
    yyjson_val *secret;
    size_t i, n;

    name_and_namespace(d);
    labels_and_annotations(d);
    strbuf_add_string(&d->out, "Image pull secrets:");
    yyjson_arr_foreach(at(d, "/imagePullSecrets"), i, n, secret) strbuf_printf(
        &d->out, "%s\t%s\n", i ? "                   " : "", json_text(secret, "/name"));
    if (!yyjson_arr_size(at(d, "/imagePullSecrets")))
        strbuf_add_string(&d->out, "\t<none>\n");
}

void describe_namespace(Description *d)
{
    line(d, "Name", text(d, "/metadata/name"));
    labels_and_annotations(d);
    line(d, "Status", text(d, "/status/phase"));
    d->no_events = true;
}

/* ---- storage ---- */

static void add_pairs(Description *d, const char *label, yyjson_val *pairs)
{
    strbuf_printf(&d->out, "%s:\t", label);
    describe_selector(&d->out, pairs);
    strbuf_add_char(&d->out, '\n');
}

void describe_storage_class(Description *d)
{
    yyjson_val *expansion = at(d, "/allowVolumeExpansion"), *option;
    const char *is_default =
        json_text(at(d, "/metadata/annotations"), "/storageclass.kubernetes.io~1is-default-class");
    size_t i, n;

    line(d, "Name", text(d, "/metadata/name"));
    line(d, "IsDefaultClass", str_equal(is_default, "true") ? "Yes" : "No");
    add_pairs(d, "Annotations", at(d, "/metadata/annotations"));
    line(d, "Provisioner", text(d, "/provisioner"));
    add_pairs(d, "Parameters", at(d, "/parameters"));
    line(d, "AllowVolumeExpansion",
         !expansion                   ? "<unset>"
         : yyjson_get_bool(expansion) ? "True"
                                      : "False");
    strbuf_printf(&d->out, "MountOptions:%s\n",
                  yyjson_arr_size(at(d, "/mountOptions")) ? "" : "\t<none>");
    yyjson_arr_foreach(at(d, "/mountOptions"), i, n, option)
        strbuf_printf(&d->out, "  %s\n", yyjson_get_str(option));
    line_if(d, "ReclaimPolicy", text(d, "/reclaimPolicy"));
    line_if(d, "VolumeBindingMode", text(d, "/volumeBindingMode"));
}

void describe_access_modes(StrBuf *out, yyjson_val *modes)
{
    static const char *const names[][2] = {{"ReadWriteOnce", "RWO"},
                                           {"ReadOnlyMany", "ROX"},
                                           {"ReadWriteMany", "RWX"},
                                           {"ReadWriteOncePod", "RWOP"}};
    yyjson_val *mode;
    size_t i, n;

    yyjson_arr_foreach(modes, i, n, mode)
    {
        for (size_t j = 0; j < ARRAY_LEN(names); j++)
            if (yyjson_equals_str(mode, names[j][0]))
                strbuf_printf(out, "%s%s", i ? "," : "", names[j][1]);
    }
}

static void volume_source(Description *d)
{
    yyjson_val *host = at(d, "/spec/hostPath"), *local = at(d, "/spec/local"),
               *nfs = at(d, "/spec/nfs"), *csi = at(d, "/spec/csi");

    strbuf_add_string(&d->out, "Source:\n");
    if (host)
        strbuf_printf(&d->out,
                      "    Type:\tHostPath (bare host directory volume)\n    Path:\t%s\n"
                      "    HostPathType:\t%s\n",
                      json_text(host, "/path"),
                      yyjson_obj_get(host, "type") ? json_text(host, "/type") : "<none>");
    else if (local)
        strbuf_printf(&d->out,
                      "    Type:\tLocalVolume (a persistent volume backed by local storage on a "
                      "node)\n    Path:\t%s\n",
                      json_text(local, "/path"));
    else if (nfs)
        strbuf_printf(&d->out,
                      "    Type:\tNFS (an NFS mount that lasts the lifetime of a pod)\n"
                      "    Server:\t%s\n    Path:\t%s\n    ReadOnly:\t%s\n",
                      json_text(nfs, "/server"), json_text(nfs, "/path"),
                      yyjson_get_bool(yyjson_obj_get(nfs, "readOnly")) ? "true" : "false");
    else if (csi)
        strbuf_printf(
            &d->out,
            "    Type:\tCSI (a Container Storage Interface (CSI) volume source)\n"
            "    Driver:\t%s\n    FSType:\t%s\n    VolumeHandle:\t%s\n    ReadOnly:\t%s\n",
            json_text(csi, "/driver"), json_text(csi, "/fsType"), json_text(csi, "/volumeHandle"),
            yyjson_get_bool(yyjson_obj_get(csi, "readOnly")) ? "true" : "false");
    else
        strbuf_add_string(&d->out, "  <unknown>\n");
}

void describe_volume(Description *d)
{
    line(d, "Name", text(d, "/metadata/name"));
    labels_and_annotations(d);
    strbuf_add_string(&d->out, "Finalizers:\t[");
    describe_list(&d->out, at(d, "/metadata/finalizers"), " ");
    strbuf_printf(&d->out, "]\nStorageClass:\t%s\n", text(d, "/spec/storageClassName"));
    if (*text(d, "/metadata/deletionTimestamp")) {
        strbuf_add_string(&d->out, "Status:\tTerminating (lasts ");
        time_since(&d->out, text(d, "/metadata/deletionTimestamp"));
        strbuf_add_string(&d->out, ")\n");
    } else {
        line(d, "Status", text(d, "/status/phase"));
    }
    strbuf_printf(&d->out, "Claim:\t%s%s%s\n", text(d, "/spec/claimRef/namespace"),
                  at(d, "/spec/claimRef") ? "/" : "", text(d, "/spec/claimRef/name"));
    line(d, "Reclaim Policy", text(d, "/spec/persistentVolumeReclaimPolicy"));
    strbuf_add_string(&d->out, "Access Modes:\t");
    describe_access_modes(&d->out, at(d, "/spec/accessModes"));
    strbuf_add_char(&d->out, '\n');
    line_if(d, "VolumeMode", text(d, "/spec/volumeMode"));
    line(d, "Capacity", text(d, "/spec/capacity/storage"));
    line(d, "Node Affinity", "<none>");
    line(d, "Message", text(d, "/status/message"));
    volume_source(d);
}

/* ---- nodes ---- */

static void roles(Description *d)
{
    static const char prefix[] = "node-role.kubernetes.io/";
    yyjson_val *key, *value;
    size_t i, n, found = 0;

    strbuf_add_string(&d->out, "Roles:\t");
    yyjson_obj_foreach(at(d, "/metadata/labels"), i, n, key, value)
    {
        if (str_starts_with(yyjson_get_str(key), prefix))
            strbuf_printf(&d->out, "%s%s", found++ ? "," : "",
                          yyjson_get_str(key) + sizeof(prefix) - 1);
    }
    strbuf_printf(&d->out, "%s\n", found ? "" : "<none>");
}

static void taints(Description *d)
{
    yyjson_val *taint;
    size_t i, n;

    strbuf_printf(&d->out, "Taints:%s", yyjson_arr_size(at(d, "/spec/taints")) ? "" : "\t<none>\n");
    yyjson_arr_foreach(at(d, "/spec/taints"), i, n, taint)
    {
        const char *value = json_text(taint, "/value"), *effect = json_text(taint, "/effect");

        strbuf_printf(&d->out, "\t%s%s%s%s%s\n", json_text(taint, "/key"), *value ? "=" : "", value,
                      *effect ? ":" : "", effect);
    }
}

static void lease_time(Description *d, yyjson_val *lease, const char *label, const char *pointer)
{
    if (*json_text(lease, pointer))
        describe_time(&d->out, label, json_text(lease, pointer));
    else
        line(d, label, "<unset>");
}

static void lease(Description *d)
{
    const char *holder;
    ClusterReply reply;
    _strbuf_ StrBuf path = STRBUF_INIT;
    const Resource *leases = resources_find(d->cluster, "leases.coordination.k8s.io");

    if (!leases)
        return;
    resource_path(&path, leases, "kube-node-lease", text(d, "/metadata/name"), NULL);
    if (cluster_send(d->cluster, &(ClusterCall){.path = path.p}, &reply) || !cluster_ok(&reply))
        return;
    holder = json_text(reply.json, "/spec/holderIdentity");
    strbuf_printf(&d->out, "Lease:\n  HolderIdentity:\t%s\n", str_or(holder, "<unset>"));
    lease_time(d, reply.json, "  AcquireTime", "/spec/acquireTime");
    lease_time(d, reply.json, "  RenewTime", "/spec/renewTime");
}

static void rfc1123(Description *d, const char *time)
{
    _strbuf_ StrBuf all = STRBUF_INIT;

    describe_time(&all, "", time);
    strbuf_printf(&d->out, "%.*s \t", (int)all.n - 3, all.p + 2);
}

static void conditions(Description *d)
{
    yyjson_val *condition;
    size_t i, n;

    if (!yyjson_arr_size(at(d, "/status/conditions")))
        return;
    strbuf_add_string(
        &d->out,
        "Conditions:\n  Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage\n"
        "  ----\t------\t-----------------\t------------------\t------\t-------\n");
    yyjson_arr_foreach(at(d, "/status/conditions"), i, n, condition)
    {
        strbuf_printf(&d->out, "  %s \t%s \t", json_text(condition, "/type"),
                      json_text(condition, "/status"));
        rfc1123(d, json_text(condition, "/lastHeartbeatTime"));
        rfc1123(d, json_text(condition, "/lastTransitionTime"));
        strbuf_printf(&d->out, "%s \t%s\n", json_text(condition, "/reason"),
                      json_text(condition, "/message"));
    }
}

static void resource_list(Description *d, const char *label, yyjson_val *resources)
{
    Keys keys = sorted_keys(resources);

    if (keys.n)
        strbuf_printf(&d->out, "%s:\n", label);
    for (size_t i = 0; i < keys.n; i++)
        strbuf_printf(&d->out, "  %s:\t%s\n", keys.v[i],
                      yyjson_get_str(yyjson_obj_get(resources, keys.v[i])));
    VEC_DEINIT(&keys);
}

static void system_info(Description *d)
{
    static const char *const rows[][2] = {
        {"  Machine ID", "/status/nodeInfo/machineID"},
        {"  System UUID", "/status/nodeInfo/systemUUID"},
        {"  Boot ID", "/status/nodeInfo/bootID"},
        {"  Kernel Version", "/status/nodeInfo/kernelVersion"},
        {"  OS Image", "/status/nodeInfo/osImage"},
        {"  Operating System", "/status/nodeInfo/operatingSystem"},
        {"  Architecture", "/status/nodeInfo/architecture"},
        {"  Container Runtime Version", "/status/nodeInfo/containerRuntimeVersion"},
        {"  Kubelet Version", "/status/nodeInfo/kubeletVersion"},
    };

    strbuf_add_string(&d->out, "System Info:\n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        line(d, rows[i][0], text(d, rows[i][1]));
    line_if(d, "PodCIDR", text(d, "/spec/podCIDR"));
    if (yyjson_arr_size(at(d, "/spec/podCIDRs"))) {
        strbuf_add_string(&d->out, "PodCIDRs:\t");
        describe_list(&d->out, at(d, "/spec/podCIDRs"), ",");
        strbuf_add_char(&d->out, '\n');
    }
    line_if(d, "ProviderID", text(d, "/spec/providerID"));
}

/* What pods ask for and may have; thousandths of a processor, bytes. */
enum { CPU, MEMORY, EPHEMERAL, AMOUNTS };

static const struct {
    const char *name, *pointers[2]; /* in resources, of requests and limits */
} amount_names[AMOUNTS] = {
    {"cpu", {"/resources/requests/cpu", "/resources/limits/cpu"}},
    {"memory", {"/resources/requests/memory", "/resources/limits/memory"}},
    {"ephemeral-storage",
     {"/resources/requests/ephemeral-storage", "/resources/limits/ephemeral-storage"}},
};

typedef struct Amounts {
    int64_t v[AMOUNTS][2]; /* requests, limits */
    bool binary[AMOUNTS][2];
} Amounts;

static int64_t amount_of(size_t which, const char *quantity)
{
    if (!*quantity)
        return 0;
    return which == CPU ? quantity_milli(quantity) : quantity_value(quantity);
}

static void container_amounts(yyjson_val *container, Amounts *ret)
{
    *ret = (Amounts){0};
    for (size_t i = 0; i < AMOUNTS; i++)
        for (size_t j = 0; j < 2; j++) {
            const char *quantity = json_text(container, amount_names[i].pointers[j]);

            ret->v[i][j] = amount_of(i, quantity);
            ret->binary[i][j] = str_ends_with(quantity, "i");
        }
}

/* Containers add up; the greediest init container counts where it wants more. */
static Amounts pod_amounts(yyjson_val *pod)
{
    yyjson_val *container;
    Amounts all = {0}, one;
    size_t k, n;

    yyjson_arr_foreach(yyjson_ptr_get(pod, "/spec/containers"), k, n, container)
    {
        container_amounts(container, &one);
        for (size_t i = 0; i < AMOUNTS; i++)
            for (size_t j = 0; j < 2; j++) {
                all.v[i][j] += one.v[i][j];
                all.binary[i][j] |= one.binary[i][j];
            }
    }
    yyjson_arr_foreach(yyjson_ptr_get(pod, "/spec/initContainers"), k, n, container)
    {
        container_amounts(container, &one);
        for (size_t i = 0; i < AMOUNTS; i++)
            for (size_t j = 0; j < 2; j++) {
                all.v[i][j] = MAX_OF(all.v[i][j], one.v[i][j]);
                all.binary[i][j] |= one.binary[i][j];
            }
    }
    return all;
}

/* "250m (12%)" */
static void add_amount(Description *d, size_t which, const Amounts *amounts, size_t limit)
{
    int64_t value = amounts->v[which][limit],
            whole = amount_of(
                which, json_text(at(d, "/status/allocatable"),
                                 arena_printf(d->cluster->arena, "/%s", amount_names[which].name)));
    const char *quantity =
        which != CPU        ? quantity_from(d->cluster->arena, value, amounts->binary[which][limit])
        : value % 1000 == 0 ? arena_printf(d->cluster->arena, "%" PRId64, value / 1000)
                            : arena_printf(d->cluster->arena, "%" PRId64 "m", value);

    strbuf_printf(&d->out, "%s (%" PRId64 "%%)", quantity,
                  whole ? (int64_t)((double)value / (double)whole * 100) : 0);
}

static void add_pod(Description *d, yyjson_val *pod, Amounts *sum)
{
    Amounts amounts = pod_amounts(pod);

    strbuf_printf(&d->out, "  %s\t%s\t\t", json_text(pod, "/metadata/namespace"),
                  json_text(pod, "/metadata/name"));
    for (size_t i = 0; i < EPHEMERAL; i++)
        for (size_t j = 0; j < 2; j++) {
            add_amount(d, i, &amounts, j);
            strbuf_add_char(&d->out, '\t');
        }
    time_since(&d->out, json_text(pod, "/metadata/creationTimestamp"));
    strbuf_add_char(&d->out, '\n');
    for (size_t i = 0; i < AMOUNTS; i++)
        for (size_t j = 0; j < 2; j++) {
            sum->v[i][j] += amounts.v[i][j];
            sum->binary[i][j] |= amounts.binary[i][j];
        }
}

static void node_pods(Description *d)
{
    _strbuf_ StrBuf path = STRBUF_INIT;
    Amounts sum = {0};
    ClusterReply reply;
    yyjson_val *items, *pod;
    size_t i, n;

    resource_path(&path, resources_find(d->cluster, "pods"), "", NULL, NULL);
    cluster_add_query(&path, "fieldSelector",
                      arena_printf(d->cluster->arena,
                                   "spec.nodeName=%s,status.phase!=Succeeded,status.phase!=Failed",
                                   text(d, "/metadata/name")));
    if (cluster_call(d->cluster, &(ClusterCall){.path = path.p}, &reply))
        return;
    items = yyjson_obj_get(reply.json, "items");
    strbuf_printf(&d->out,
                  "Non-terminated Pods:\t(%zu in total)\n  Namespace\tName\t\tCPU Requests\tCPU "
                  "Limits\tMemory Requests\tMemory Limits\tAge\n  ---------\t----\t\t------------\t"
                  "----------\t---------------\t-------------\t---\n",
                  yyjson_arr_size(items));
    yyjson_arr_foreach(items, i, n, pod) add_pod(d, pod, &sum);
    strbuf_add_string(&d->out, "Allocated resources:\n  (Total limits may be over 100 percent, "
                               "i.e., overcommitted.)\n  Resource\tRequests\tLimits\n"
                               "  --------\t--------\t------\n");
    for (i = 0; i < AMOUNTS; i++) {
        strbuf_printf(&d->out, "  %s\t", amount_names[i].name);
        add_amount(d, i, &sum, 0);
        strbuf_add_char(&d->out, '\t');
        add_amount(d, i, &sum, 1);
        strbuf_add_char(&d->out, '\n');
    }
}

void describe_node(Description *d)
{
    yyjson_val *address;
    size_t i, n;

    line(d, "Name", text(d, "/metadata/name"));
    roles(d);
    labels_and_annotations(d);
    time_if(d, "CreationTimestamp", "/metadata/creationTimestamp");
    taints(d);
    line(d, "Unschedulable", yyjson_get_bool(at(d, "/spec/unschedulable")) ? "true" : "false");
    lease(d);
    conditions(d);
    strbuf_add_string(&d->out, "Addresses:\n");
    yyjson_arr_foreach(at(d, "/status/addresses"), i, n, address) strbuf_printf(
        &d->out, "  %s:\t%s\n", json_text(address, "/type"), json_text(address, "/address"));
    resource_list(d, "Capacity", at(d, "/status/capacity"));
    resource_list(d, "Allocatable", at(d, "/status/allocatable"));
    system_info(d);
    node_pods(d);
}
