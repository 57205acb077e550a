/* SPDX-License-Identifier: Apache-2.0 */
/* The Node object, which describes this machine. It is written only when it differs from the
 * stored one, so an idle node writes nothing. There are no heartbeats: the node runs in the
 * process of the server. */
#include <ifaddrs.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

#include "api/quantity.h"
#include "api/schema/coordination_v1.h"
#include "api/schema/core_cluster_v1.h"
#include "api/version.h"
#include "base/files/file.h"
#include "base/log.h"
#include "base/process.h"
#include "node/node_object.h"
#include "node/pod/agent.h"
#include "node/pod/sandbox.h"

#define LEASE_NAMESPACE "kube-node-lease"

#define PODS_MAX "110"

static const char *first_line(Arena *arena, const char *path)
{
    _free_ char *text = NULL;
    size_t n;

    if (file_read(path, 4096, &text, &n) < 0)
        return "";
    text[strcspn(text, "\n")] = 0;
    return arena_strdup(arena, text);
}

static const char *os_image(Arena *arena)
{
    _free_ char *text = NULL;
    const char *at;
    size_t n;

    if (file_read("/etc/os-release", 65536, &text, &n) < 0 || !(at = strstr(text, "PRETTY_NAME=")))
        return "Linux";
    at += strlen("PRETTY_NAME=");
    at += *at == '"';
    return arena_strndup(arena, at, strcspn(at, "\"\n"));
}

static int64_t memory_total(void)
{
    _free_ char *text = NULL;
    const char *at;
    size_t n;
    long long kib = 0;

    if (file_read("/proc/meminfo", 65536, &text, &n) < 0 || !(at = strstr(text, "MemTotal:")))
        return 0;
    if (sscanf(at, "MemTotal: %lld", &kib) != 1)
        return 0;
    return (int64_t)kib * 1024;
}

static void fill_resources(NodeAgent *agent, Arena *arena, NodeStatus *status)
{
    struct statvfs fs = {0};
    StringMap *all = &status->capacity;

    all->v = arena_new_n(arena, StringEntry, 6);
    (void)statvfs(agent->options.data_dir, &fs);
    string_map_put(arena, all, "cpu", arena_printf(arena, "%ld", sysconf(_SC_NPROCESSORS_ONLN)));
    string_map_put(
        arena, all, "ephemeral-storage",
        arena_printf(arena, "%" PRIu64 "Ki", (uint64_t)fs.f_blocks * fs.f_frsize / 1024));
    string_map_put(arena, all, "memory",
                   arena_printf(arena, "%" PRId64 "Ki", memory_total() / 1024));
    string_map_put(arena, all, "pods", PODS_MAX);
    status->allocatable = *all;
}

/* Quantities in canonical form, so that a comparison with the stored object finds no false
 * difference. */
static void canonical(Arena *arena, StringMap *map)
{
    for (size_t i = 0; i < map->n; i++) {
        const char *text;

        if (quantity_canonical(arena, map->v[i].value, strlen(map->v[i].value), &text) == 0)
            map->v[i].value = text;
    }
}

static void fill_info(NodeAgent *agent, Arena *arena, const NodeSystemInfo *before,
                      NodeSystemInfo *info)
{
    struct utsname name;
    _free_ char *boot = node_boot_id();

    uname(&name);
    info->machine_id = first_line(arena, "/etc/machine-id");
    info->system_uuid = first_line(arena, "/sys/class/dmi/id/product_uuid");
    if (str_empty(info->system_uuid))
        info->system_uuid = info->machine_id;
    info->boot_id = arena_strdup(arena, boot);
    info->kernel_version = arena_strdup(arena, name.release);
    info->os_image = os_image(arena);
    /* The stored version stays until crun has answered. */
    info->container_runtime_version =
        arena_strdup(arena, agent->runtime_version
                                ? agent->runtime_version
                                : str_or(before->container_runtime_version, "crun://unknown"));
    info->kubelet_version = API_GIT_VERSION;
    info->kube_proxy_version = "";
    info->operating_system = "linux";
    info->architecture = str_equal(name.machine, "x86_64")    ? "amd64"
                         : str_equal(name.machine, "aarch64") ? "arm64"
                                                              : arena_strdup(arena, name.machine);
}

static void fill_conditions(NodeAgent *agent, Arena *arena, const NodeStatus *before,
                            NodeStatus *status)
{
    static const struct {
        const char *type, *status, *reason, *message;
    } rows[] = {
        {"MemoryPressure", "False", "KubeletHasSufficientMemory",
         "kubelet has sufficient memory available"},
        {"DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"},
        {"PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"},
        {"Ready", "True", "KubeletReady", "kubelet is posting ready status"},
    };
    Time now = {.seconds = clock_wall_ns(agent->options.clock) / NS_PER_SEC, .set = true};

    status->conditions.v = arena_new_n(arena, NodeCondition, ARRAY_LEN(rows));
    status->conditions.n = ARRAY_LEN(rows);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        NodeCondition *c = &status->conditions.v[i];

        *c = (NodeCondition){.type = rows[i].type,
                             .status = rows[i].status,
                             .reason = rows[i].reason,
                             .message = rows[i].message,
                             .last_heartbeat_time = now,
                             .last_transition_time = now};
        for (size_t k = 0; k < before->conditions.n; k++) {
            const NodeCondition *old = &before->conditions.v[k];

            if (!str_equal(old->type, c->type) || !str_equal(old->status, c->status))
                continue;
            c->last_transition_time = old->last_transition_time;
            c->last_heartbeat_time = old->last_heartbeat_time;
        }
    }
}

/* The name of the interface that the default route uses; "" if there is none. */
static void default_interface(char name[static IF_NAMESIZE])
{
    FILE *file = fopen("/proc/net/route", "re");
    char line[512], found[64];
    unsigned long destination;

    name[0] = 0;
    while (file && fgets(line, sizeof(line), file)) {
        if (sscanf(line, "%63s %lx", found, &destination) != 2 || destination != 0)
            continue;
        snprintf(name, IF_NAMESIZE, "%.*s", IF_NAMESIZE - 1, found);
        break;
    }
    if (file)
        fclose(file);
}

/* The address by which the machine is reached: that of the interface with the default route;
 * else that of any interface that stead did not create; else the gateway of the pods, which at
 * least pods can reach. */
static char *find_host_ip(NodeAgent *agent)
{
    const char *gateway = agent->options.net ? net_gateway(agent->options.net) : "";
    struct ifaddrs *all = NULL;
    char route[IF_NAMESIZE], *found = NULL;
    bool best = false;

    default_interface(route);
    if (getifaddrs(&all) < 0)
        return mem_strdup("127.0.0.1");
    for (struct ifaddrs *at = all; at && !best; at = at->ifa_next) {
        char text[INET_ADDRSTRLEN];

        if (!at->ifa_addr || at->ifa_addr->sa_family != AF_INET || !(at->ifa_flags & IFF_UP) ||
            (at->ifa_flags & IFF_LOOPBACK))
            continue;
        inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)at->ifa_addr)->sin_addr, text,
                  sizeof(text));
        best = *route && strcmp(at->ifa_name, route) == 0;
        if (str_equal(text, gateway) || str_equal(text, agent->options.dns_ip) || (found && !best))
            continue;
        free(found);
        found = mem_strdup(text);
    }
    freeifaddrs(all);
    return found ? found : mem_strdup(str_or(gateway, "127.0.0.1"));
}

/* Which optional features the runtime offers. */
static void fill_features(Arena *arena, NodeStatus *status)
{
    NodeRuntimeHandler *handler = arena_new(arena, NodeRuntimeHandler);

    handler->name = "";
    handler->features = arena_new(arena, NodeRuntimeHandlerFeatures);
    handler->features->recursive_read_only_mounts = arena_bool(arena, true);
    handler->features->user_namespaces = arena_bool(arena, false);
    status->runtime_handlers.v = handler;
    status->runtime_handlers.n = 1;
    status->features = arena_new(arena, NodeFeatures);
    status->features->supplemental_groups_policy = arena_bool(arena, true);
}

/* Whoever advertises a resource of another domain writes it into the status of the node. */
static void keep_others(Arena *arena, StringMap *map, const StringMap *before)
{
    for (size_t i = 0; i < before->n; i++)
        if (strchr(before->v[i].key, '/'))
            string_map_put(arena, map, before->v[i].key, before->v[i].value);
}

/* What the API server asks for before it lets the resources of a pod here change. */
static const char *declared_features[] = {
    "InPlacePodLevelResourcesVerticalScaling",
    "InPlacePodVerticalScalingInitContainers",
};

static void fill_status(NodeAgent *agent, Arena *arena, const NodeStatus *before,
                        NodeStatus *status)
{
    *status = (NodeStatus){0};
    fill_resources(agent, arena, status);
    canonical(arena, &status->capacity);
    status->allocatable = (StringMap){0};
    string_map_fill(arena, &status->allocatable, &status->capacity);
    keep_others(arena, &status->capacity, &before->capacity);
    keep_others(arena, &status->allocatable, &before->allocatable);
    fill_info(agent, arena, &before->node_info, &status->node_info);
    fill_conditions(agent, arena, before, status);
    fill_features(arena, status);
    status->declared_features = (StringArray){declared_features, ARRAY_LEN(declared_features)};
    status->addresses.v = arena_new_n(arena, NodeAddress, 2);
    status->addresses.n = 2;
    status->addresses.v[0] = (NodeAddress){"InternalIP", arena_strdup(arena, agent->host_ip)};
    status->addresses.v[1] = (NodeAddress){"Hostname", arena_strdup(arena, agent->options.name)};
    status->daemon_endpoints.kubelet_endpoint.port = 10250;
    status->images = before->images;
    status->volumes_in_use = before->volumes_in_use;
    status->volumes_attached = before->volumes_attached;
}

static void fill_labels(NodeAgent *agent, Arena *arena, ObjectMeta *meta)
{
    struct utsname name;
    const char *arch;

    uname(&name);
    arch = str_equal(name.machine, "x86_64")    ? "amd64"
           : str_equal(name.machine, "aarch64") ? "arm64"
                                                : name.machine;
    arch = arena_strdup(arena, arch);
    string_map_put(arena, &meta->labels, "beta.kubernetes.io/arch", arch);
    string_map_put(arena, &meta->labels, "beta.kubernetes.io/os", "linux");
    string_map_put(arena, &meta->labels, "kubernetes.io/arch", arch);
    string_map_put(arena, &meta->labels, "kubernetes.io/hostname",
                   arena_strdup(arena, agent->options.name));
    string_map_put(arena, &meta->labels, "kubernetes.io/os", "linux");
}

#define WRITE_RETRY NS_PER_SEC

static bool was_written(NodeAgent *agent, const ApiStatus *status)
{
    agent->busy--;
    if (status->reason != STATUS_OK)
        log_warn("node", "Node object: %s", str_or(status->message, "refused"));
    return status->reason == STATUS_OK;
}

static void on_lease_written(void *data, const ApiStatus *status, Object *object _unused_)
{
    (void)was_written(data, status);
}

/* The Lease that `kubectl describe node` shows. It names its holder and is never renewed: a node
 * in the process of the server needs no heartbeat, and a renewal would write to the disk. */
static void create_lease(NodeAgent *agent, const Object *node)
{
    _object_ Object *lease = NULL;
    LeaseSpec *spec;
    ObjectMeta *meta;

    if (client_get(agent->options.client, &kind_lease, LEASE_NAMESPACE, agent->options.name))
        return;
    lease = object_new(&kind_lease);
    meta = object_meta(lease);
    meta->name = arena_strdup(&lease->arena, agent->options.name);
    meta->namespace = LEASE_NAMESPACE;
    meta->owner_references.v = arena_new(&lease->arena, OwnerReference);
    meta->owner_references.n = 1;
    meta->owner_references.v[0] =
        (OwnerReference){.api_version = "v1",
                         .kind = "Node",
                         .name = meta->name,
                         .uid = arena_strdup(&lease->arena, object_meta(node)->uid)};
    spec = &OBJECT_AS(Lease, lease)->spec;
    spec->holder_identity = meta->name;
    spec->lease_duration_seconds = arena_int32(&lease->arena, 40);
    agent->busy++;
    client_create(agent->options.client, lease, NULL, on_lease_written, agent);
}

/* ---- writing the object: one write at a time ---- */

static void on_status_written(void *data, const ApiStatus *status, Object *object _unused_)
{
    NodeAgent *agent = data;

    follow_end(&agent->node_status, was_written(agent, status) ? 0 : WRITE_RETRY);
}

static void write_status(NodeAgent *agent, const Object *node)
{
    _object_ Object *copy = object_copy(node);
    WriteOptions options = {.subresource = "status"};
    NodeStatus *before = &OBJECT_AS(Node, copy)->status, status;

    fill_status(agent, &copy->arena, before, &status);
    if (type_equal(&type_NodeStatus, before, &status)) {
        follow_end(&agent->node_status, 0);
        return;
    }
    *before = status;
    agent->busy++;
    client_update(agent->options.client, copy, &options, on_status_written, agent);
}

static void on_registered(void *data, const ApiStatus *status, Object *object)
{
    NodeAgent *agent = data;
    bool ok = was_written(agent, status);

    follow_end(&agent->node_status, ok ? 0 : WRITE_RETRY);
    if (!ok || agent->stopping)
        return;
    agent->registered = true;
    create_lease(agent, object);
    follow_changed(&agent->node_status); /* the status is written after the object */
}

/* Creates the object, or adds our labels to the existing one. Returns false if there is nothing
 * to write. */
static bool write_node(NodeAgent *agent, const Object *node)
{
    _object_ Object *copy = node ? object_copy(node) : object_new(&kind_node);
    ObjectMeta *meta = object_meta(copy);

    if (!node)
        meta->name = arena_strdup(&copy->arena, agent->options.name);
    fill_labels(agent, &copy->arena, meta);
    if (node && type_equal(&type_ObjectMeta, meta, object_meta(node)))
        return false;
    agent->busy++;
    if (node)
        client_update(agent->options.client, copy, NULL, on_registered, agent);
    else
        client_create(agent->options.client, copy, NULL, on_registered, agent);
    return true;
}

/* The object is created at most once per start of the agent. As under kubelet, a user who
 * deletes it later wants it gone. */
static void on_node_due(void *data)
{
    NodeAgent *agent = data;
    Object *node = client_get(agent->options.client, &kind_node, NULL, agent->options.name);

    if (agent->stopping)
        return;
    follow_begin(&agent->node_status);
    if (!agent->registered && write_node(agent, node))
        return;
    if (!agent->registered)
        create_lease(agent, node);
    agent->registered = true;
    if (node)
        write_status(agent, node);
    else
        follow_end(&agent->node_status, 0);
}

/* "crun version 1.8.1\n..." */
static void on_version(void *data, const ProcessResult *result)
{
    static const char *const before = "crun version ";
    NodeAgent *agent = data;
    _free_ char *text = mem_strndup(str_or((const char *)result->out.p, ""), result->out.n);

    agent->busy--;
    if (agent->stopping || result->error || result->exit_status || !str_starts_with(text, before))
        return;
    text[strcspn(text, "\n")] = 0;
    free(agent->runtime_version);
    agent->runtime_version = mem_printf("crun://%s", text + strlen(before));
    follow_changed(&agent->node_status);
}

static void ask_version(NodeAgent *agent)
{
    static const char *const argv[] = {"crun", "--version", NULL};
    ProcessOptions options = {.argv = argv, .timeout_ns = 10 * NS_PER_SEC};

    agent->busy++;
    process_run(agent->options.loop, &options, on_version, agent, NULL);
}

void node_object_register(NodeAgent *agent)
{
    NodeStatus none = {0}, status;

    if (!agent->host_ip)
        agent->host_ip = find_host_ip(agent);
    ask_version(agent);
    fill_status(agent, &agent->arena, &none, &status);
    agent->allocatable = status.allocatable;
    follow_init(&agent->node_status, agent->options.clock, on_node_due, agent);
    follow_changed(&agent->node_status);
    on_node_due(agent);
}
