/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The node without containers: each pod that is bound to it is admitted, its volumes are planned, its
 * containers become configurations of the runtime, and its machine goes through a whole life, whose
 * status is written back so that controllers see pods that are ready and pods that have ended.
 */
#include "api/schema/core_pod_v1.h"
#include "hostile.h"
#include "node/env/environment.h"
#include "node/machine/machine.h"
#include "node/pod/admit.h"
#include "node/pod/agent.h"
#include "node/pod/container_spec.h"
#include "node/runtime/oci.h"
#include "node/service_proxy.h"
#include "node/volume/pod_volume.h"
#include "node/volume/volume.h"

/* ---- images: one that everybody has ---- */

int __wrap_image_find(ImageStore *store, const char *name, Arena *arena, Image *ret, Err *reterr);
const char *__wrap_image_normalize(Arena *arena, const char *name);
void __wrap_image_bring(ImageStore *store, const char *name);

int __wrap_image_find(ImageStore *store _unused_, const char *name, Arena *arena _unused_,
                      Image *ret, Err *reterr _unused_)
{
    *ret = (Image){
        .name = name, .id = "sha256:0123", .user = "", .working_dir = "/", .stop_signal = ""};
    return 0;
}

const char *__wrap_image_normalize(Arena *arena, const char *name)
{
    return arena_strdup(arena, name);
}

void __wrap_image_bring(ImageStore *store _unused_, const char *name _unused_)
{
}

/* ---- a pod ---- */

/* What the machine asked for and has not been told of yet: no answer may come before an op
 * returns. */
typedef struct Wish {
    enum {
        WISH_PREPARE,
        WISH_START,
        WISH_END,
        WISH_PROBE,
        WISH_HOOK,
        WISH_TEARDOWN,
        WISH_RESIZE
    } what;
    size_t container;
    int which;
    uint64_t serial;
} Wish;

typedef struct Life {
    Cluster *cluster;
    AgentPod *pod;
    VEC(Wish) wishes;
    bool gone;
} Life;

static void op_prepare(void *data)
{
    VEC_PUSH(&((Life *)data)->wishes, ((Wish){.what = WISH_PREPARE}));
}
static void op_start(void *data, size_t container, int attempt)
{
    VEC_PUSH(&((Life *)data)->wishes,
             ((Wish){.what = WISH_START, .container = container, .which = attempt}));
}
static void op_signal(void *data, size_t container, bool kill _unused_)
{
    VEC_PUSH(&((Life *)data)->wishes, ((Wish){.what = WISH_END, .container = container}));
}
static void op_probe(void *data, size_t container, MachineProbe probe, uint64_t serial)
{
    VEC_PUSH(
        &((Life *)data)->wishes,
        ((Wish){
            .what = WISH_PROBE, .container = container, .which = (int)probe, .serial = serial}));
}
static void op_hook(void *data, size_t container, MachineHook hook, int64_t limit_ns _unused_,
                    uint64_t serial)
{
    VEC_PUSH(
        &((Life *)data)->wishes,
        ((Wish){.what = WISH_HOOK, .container = container, .which = (int)hook, .serial = serial}));
}
static void op_teardown(void *data)
{
    VEC_PUSH(&((Life *)data)->wishes, ((Wish){.what = WISH_TEARDOWN}));
}
static void op_changed(void *data _unused_)
{
}
static void op_gone(void *data)
{
    ((Life *)data)->gone = true;
}
static void op_event(void *data _unused_, size_t container _unused_, const char *type,
                     const char *reason, const char *message)
{
    ASSERT(type && reason && message && !strstr(message, "(null)"));
}
static void op_resize(void *data)
{
    VEC_PUSH(&((Life *)data)->wishes, ((Wish){.what = WISH_RESIZE}));
}
static const MachineOps ops = {
    op_prepare, op_start, op_signal, op_probe, op_hook,   op_teardown,
    op_changed, op_gone,  op_event,  NULL,     op_resize,
};

static char *make_token(void *data _unused_, Arena *arena, const Object *pod _unused_,
                        const char *service_account, const char *audience,
                        int64_t lifetime_seconds _unused_)
{
    return arena_printf(arena, "%zu %zu", strlen(service_account), strlen(str_or(audience, "")));
}

static void check_error(const Err *err)
{
    ASSERT(!strstr(err->message, "(null)"));
}

/* As sandbox.c does it; a volume that cannot be is left out. */
static void plan_volumes(AgentPod *pod)
{
    const PodSpec *spec = &((const Pod *)pod->object->value)->spec;
    PodFacts facts;
    VolumePlanner planner = {.facts = &facts,
                             .arena = &pod->arena,
                             .data_dir = "/nowhere/data",
                             .pod_data = pod->data,
                             .pod_run = pod->run,
                             .root_ca_pem = "none",
                             .now_ns = clock_wall_ns(pod->agent->options.clock),
                             .tokens = &pod->tokens,
                             .make_token = make_token};

    agent_pod_facts(pod, &facts);
    pod->volumes = arena_new_n(&pod->arena, PodVolume, spec->volumes.n + 1);
    for (size_t i = 0; i < spec->volumes.n; i++) {
        Err err = ERR_INIT;
        PodVolume *volume = &pod->volumes[pod->n_volumes];

        if (volume_plan(&planner, &spec->volumes.v[i], volume, &err) < 0)
            check_error(&err);
        else
            pod->n_volumes++;
    }
    for (size_t i = 0; i < pod->n_volumes; i++)
        for (size_t k = 0; k < pod->volumes[i].n_files; k++)
            ASSERT(pod->volumes[i].files[k].path);
}

static void configure(AgentPod *pod, size_t i, int attempt)
{
    Image image = {
        .name = "i", .id = "sha256:0123", .user = "", .working_dir = "/", .stop_signal = ""};
    const char *command[] = {"sleep"};
    _strbuf_ StrBuf json = STRBUF_INIT;
    ContainerSpec *spec = NULL;
    Err err = ERR_INIT;
    yyjson_doc *doc;

    image.cmd = (StringArray){command, 1};
    if (container_spec_new(pod->containers[i], machine_container(pod->machine, i), attempt, &image,
                           &spec, &err) < 0) {
        check_error(&err);
        return;
    }
    oci_spec_json(&spec->oci, &json);
    ASSERT(!strstr(json.p, "(null)"));
    doc = yyjson_read(json.p, json.n, 0);
    ASSERT(doc);
    yyjson_doc_free(doc);
    container_spec_free(spec);
    free(container_end_message(pod, machine_container(pod->machine, i), attempt, 1));
}

static void shared_files(AgentPod *pod)
{
    _strbuf_ StrBuf hosts = STRBUF_INIT, resolv = STRBUF_INIT;
    PodFacts facts;

    agent_pod_facts(pod, &facts);
    pod_hosts_file(&facts, &hosts);
    pod_resolv_conf(&facts, &resolv);
    ASSERT(!strstr(strbuf_string(&hosts), "(null)") && !strstr(strbuf_string(&resolv), "(null)"));
}

static AgentPod *pod_begin(Life *life, Object *object)
{
    const ObjectMeta *meta = object_meta(object);
    AgentPod *pod = mem_new_type(AgentPod);

    pod->agent = life->cluster->agent;
    pod->object = object_ref(object);
    pod->uid = mem_strdup(meta->uid);
    pod->ns = mem_strdup(meta->namespace);
    pod->name = mem_strdup(meta->name);
    pod->run = mem_printf("/nowhere/run/%s", meta->uid);
    pod->data = mem_printf("/nowhere/data/%s", meta->uid);
    pod->logs = mem_strdup("/nowhere/logs");
    pod->netns = mem_printf("%s/net", pod->run);
    pod->ip = mem_strdup("10.42.0.2");
    life->pod = pod;
    pod->machine = machine_new(object, pod->agent->options.clock, &ops, life);
    pod->n_containers = machine_count(pod->machine);
    pod->containers = mem_new((pod->n_containers + 1) * sizeof(*pod->containers));
    for (size_t i = 0; i < pod->n_containers; i++) {
        AgentContainer *c = pod->containers[i] = mem_new_type(AgentContainer);

        c->pod = pod;
        c->index = i;
        c->id = mem_strdup("0123456789");
        c->bundle = mem_printf("%s/c/%zu", pod->run, i);
    }
    return pod;
}

static void pod_end(AgentPod *pod)
{
    pod->machine = machine_free(pod->machine);
    for (size_t i = 0; i < pod->n_containers; i++) {
        free(pod->containers[i]->id);
        free(pod->containers[i]->bundle);
        free(pod->containers[i]);
    }
    free(pod->containers);
    object_unref(pod->object);
    pod_tokens_clear(&pod->tokens);
    arena_clear(&pod->arena);
    free(pod->uid);
    free(pod->ns);
    free(pod->name);
    free(pod->run);
    free(pod->data);
    free(pod->logs);
    free(pod->netns);
    free(pod->ip);
    free(pod);
}

/* ---- its life ---- */

static void grant(Life *life, const Wish *wish)
{
    AgentPod *pod = life->pod;
    Machine *m = pod->machine;
    int64_t now = clock_wall_ns(pod->agent->options.clock);

    switch (wish->what) {
    case WISH_PREPARE:
        plan_volumes(pod);
        shared_files(pod);
        machine_prepared(m, pod->ip);
        break;
    case WISH_START:
        configure(pod, wish->container, wish->which);
        machine_resources_applied(m, wish->container,
                                  &machine_container(m, wish->container)->resources);
        machine_created(m, wish->container, "0123456789", "i", "sha256:0123");
        machine_started(m, wish->container, now);
        /* An init container has something to do and ends. */
        if (machine_kind(m, wish->container) == CONTAINER_INIT)
            machine_exited(m, wish->container,
                           &(MachineEnd){.started_ns = now, .finished_ns = now});
        break;
    case WISH_END:
        if (machine_container_stage(m, wish->container) == CONTAINER_RUNNING ||
            machine_container_stage(m, wish->container) == CONTAINER_STOPPING)
            machine_exited(m, wish->container,
                           &(MachineEnd){.exit_code = 143, .started_ns = now, .finished_ns = now});
        break;
    case WISH_PROBE:
        machine_probed(m, wish->container, (MachineProbe)wish->which, wish->serial, true, "");
        break;
    case WISH_HOOK:
        machine_hooked(m, wish->container, (MachineHook)wish->which, wish->serial, true);
        break;
    case WISH_TEARDOWN:
        machine_torn_down(m);
        break;
    case WISH_RESIZE:
        for (size_t i = 0; i < machine_count(m); i++)
            if (machine_container_stage(m, i) == CONTAINER_RUNNING)
                machine_resources_applied(m, i, &machine_container(m, i)->resources);
        machine_resized(m, NULL);
        break;
    }
}

enum { WISHES_MAX = 200 };

static void grant_all(Life *life)
{
    for (size_t i = 0; i < life->wishes.n && i < WISHES_MAX; i++) {
        Wish wish = life->wishes.v[i];

        grant(life, &wish);
    }
    life->wishes.n = 0;
}

static void write_status(Life *life)
{
    Object *copy = object_copy(life->pod->object);
    PodStatus status = {0};

    machine_status(life->pod->machine, &copy->arena, &OBJECT_AS(Pod, life->pod->object)->status,
                   "192.0.2.1", &status);
    OBJECT_AS(Pod, copy)->status = status;
    check_object(copy);
    client_update(life->cluster->node, copy, &(WriteOptions){.subresource = "status"}, NULL, NULL);
    object_unref(copy);
}

static void live(Cluster *cluster, Object *object)
{
    Life life = {.cluster = cluster};
    AgentPod *pod = pod_begin(&life, object);
    const Pod *others[] = {object->value};
    const char *reason = NULL;
    Err err = ERR_INIT;

    if (pod_admit(object->value, others, 1, &reason, &err) < 0)
        check_error(&err);
    machine_run(pod->machine);
    grant_all(&life);
    clock_fake_advance(cluster->api.clock, 0); /* probes */
    grant_all(&life);
    write_status(&life);
    machine_delete(pod->machine, NS_PER_SEC);
    for (int i = 0; i < 4 && !life.gone; i++)
        grant_all(&life);
    {
        Object *copy = object_copy(pod->object);
        PodStatus status = {0};

        machine_status(pod->machine, &copy->arena, NULL, "192.0.2.1", &status);
        object_unref(copy);
    }
    VEC_DEINIT(&life.wishes);
    pod_end(pod);
}

/* ---- the network: hears of services, and holds what it is told to the letter ---- */

void __wrap_net_service_on_problem(Net *net, NetProblem on_problem, void *data);
void __wrap_net_service_set(Net *net, const NetServicePort *port);
void __wrap_net_service_remove(Net *net, const char *key);
void __wrap_net_service_sync_done(Net *net);
int __wrap_net_address_add(Net *net, const char *address, Err *reterr);
int __wrap_net_address_remove(Net *net, const char *address, Err *reterr);

void __wrap_net_service_on_problem(Net *net _unused_, NetProblem on_problem _unused_,
                                   void *data _unused_)
{
}

/* All of this becomes text of an nft transaction. */
void __wrap_net_service_set(Net *net _unused_, const NetServicePort *port)
{
    uint32_t address;

    ASSERT(port->key && (str_equal(port->protocol, "TCP") || str_equal(port->protocol, "UDP") ||
                         str_equal(port->protocol, "SCTP")));
    for (size_t i = 0; i < port->n_addresses; i++)
        ASSERT(ip4_parse(port->addresses[i], &address) == 0);
    for (size_t i = 0; i < port->n_endpoints; i++)
        ASSERT(ip4_parse(port->endpoints[i].address, &address) == 0);
}

void __wrap_net_service_remove(Net *net _unused_, const char *key)
{
    ASSERT(key);
}

void __wrap_net_service_sync_done(Net *net _unused_)
{
}

int __wrap_net_address_add(Net *net _unused_, const char *address, Err *reterr _unused_)
{
    uint32_t number;

    ASSERT(ip4_parse(address, &number) == 0);
    return 0;
}

int __wrap_net_address_remove(Net *net _unused_, const char *address _unused_, Err *reterr _unused_)
{
    return 0;
}

/* ---- the node ---- */

typedef struct Bound {
    VEC(Object *) pods;
} Bound;

static bool collect(void *data, Object *object)
{
    const Pod *pod = object->value;

    if (!str_empty(pod->spec.node_name) &&
        str_equal(str_or(pod->status.phase, "Pending"), "Pending"))
        VEC_PUSH(&((Bound *)data)->pods, object_ref(object));
    return true;
}

void cluster_node_run(Cluster *cluster)
{
    Bound bound = {0};

    client_list(cluster->node, &kind_pod, NULL, collect, &bound);
    for (size_t i = 0; i < bound.pods.n; i++) {
        live(cluster, bound.pods.v[i]);
        object_unref(bound.pods.v[i]);
    }
    VEC_DEINIT(&bound.pods);
}

void cluster_node_start(Cluster *cluster)
{
    NodeAgent *agent = mem_new_type(NodeAgent);
    Cidr4 external;
    ServiceProxyOptions proxy = {.client = cluster->node,
                                 .clock = cluster->api.clock,
                                 .random = &cluster->api.random,
                                 .node_name = "node-1",
                                 .external = &external,
                                 .n_external = 1};

    agent->options = (NodeOptions){.client = cluster->node,
                                   .clock = cluster->api.clock,
                                   .random = &cluster->api.random,
                                   .name = "node-1",
                                   .instance = "hostile",
                                   .data_dir = "/nowhere/data",
                                   .run_dir = "/nowhere/run",
                                   .dns_ip = "10.96.0.10",
                                   .domain = "cluster.local",
                                   .api_address = "10.96.0.1",
                                   .api_port = 443,
                                   .root_ca_pem = "none"};
    agent->host_ip = mem_strdup("192.0.2.1");
    agent->cgroup = mem_strdup("/hostile");
    string_map_put(&agent->arena, &agent->allocatable, "cpu", "64");
    string_map_put(&agent->arena, &agent->allocatable, "memory", "64Gi");
    cluster->agent = agent;
    (void)cidr4_parse("10.42.0.0/16", &proxy.pods);
    (void)cidr4_parse("10.96.0.0/12", &proxy.services);
    (void)cidr4_parse("10.50.0.0/16", &proxy.load_balancers);
    (void)cidr4_parse("0.0.0.0/0", &external);
    cluster->proxy = service_proxy_start(&proxy);
}

void cluster_node_stop(Cluster *cluster)
{
    cluster->proxy = service_proxy_stop(cluster->proxy);
    free(cluster->agent->host_ip);
    free(cluster->agent->cgroup);
    arena_clear(&cluster->agent->arena);
    free(cluster->agent);
}
