/* SPDX-License-Identifier: Apache-2.0 */
/* Describes Nodes: their capacity, and what their pods request. */
#include "api/quantity.h"
#include "cli/commands/events.h"
#include "cli/describe/line.h"

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
    Keys keys = describe_sorted_keys(resources);

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

/* The resources that pods request and are limited to, in thousandths of a processor and in bytes. */
enum { CPU, MEMORY, EPHEMERAL, AMOUNTS };

static const struct {
    const char *name,
        *pointers[2]; /* of the requests and of the limits, in the resources of a container */
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

/* The sum over all containers, or the amount of the largest init container if that is more. */
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

/* Adds "250m (12%)". */
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
    url_add_query(&path, "fieldSelector",
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
