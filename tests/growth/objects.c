/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the controllers and the scheduler do for n objects grows with n: n independent objects, n
 * children of one, and each of them through its whole life, from creation over pods that come up
 * to deletion. The node is a loop that lets pods run, become ready, and stop.
 *
 *   growth_objects [--only TEXT] [--verbose]
 */
#include "../unit/control/control_rig.h"

#include <stdio.h>

#include "api/schema/apps_v1.h"
#include "api/schema/batch_v1.h"
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_config_v1.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_service_v1.h"
#include "api/schema/policy_v1.h"
#include "api/schema/storage_v1.h"
#include "base/vec.h"
#include "work.h"

/* A life costs some 100,000 steps; 20 steps for each other object add a tenth at this size. */
enum { SIZE = 256 };
#define LIMIT 2.2

typedef struct Life Life;
struct Life {
    const char *name;
    void (*live)(Rig *rig, const Life *life, size_t n);
    const Kind *kind;
    const char *text;     /* of one object; %1$zu is its number, %2$zu is n */
    const char *pod_text; /* of the pod that comes with each; NULL: none */
    bool one;             /* there is just one object */
    const char *propagation;
};

static Rig *rig_new(void)
{
    Rig *rig = mem_new_type(Rig);
    StoreEngine *engine;
    Err err = ERR_INIT;

    rig->clock = clock_new_fake(INT64_C(1700000000) * NS_PER_SEC);
    random_seed(&rig->random, 7);
    if (engine_memory_open(NULL, &engine) != 0 ||
        store_open(NULL, engine, 1000, &rig->store, &err) != 0 ||
        server_new(&(ServerOptions){.store = rig->store,
                                    .clock = rig->clock,
                                    .random = &rig->random,
                                    .service_cidr = "10.96.0.0/12",
                                    .node_name = "n"},
                   &rig->server, &err) != 0)
        abort();
    rig->client = server_client(rig->server, "test");
    rig->control = control_start(&(ControlOptions){.client = server_client(rig->server, "control"),
                                                   .clock = rig->clock,
                                                   .random = &rig->random,
                                                   .node_name = "n",
                                                   .root_ca_pem = "PEM",
                                                   .load_balancer_cidr = "10.200.0.0/16",
                                                   .volume_dir = "/data/volumes",
                                                   .api_address = "10.42.0.1",
                                                   .api_port = 6443});
    return rig;
}

static void rig_free(Rig *rig)
{
    rig->control = control_stop(rig->control);
    store_flush_now(rig->store);
    server_free(rig->server);
    store_close(rig->store);
    clock_free_fake(rig->clock);
    arena_clear(&rig->arena);
    free(rig);
}

/* ---- the node ---- */

typedef struct Found {
    VEC(Object *) list;
} Found;

static bool on_found(void *data, Object *object)
{
    Found *found = data;

    VEC_PUSH(&found->list, object_ref(object));
    return true;
}

static void run_pod(Rig *rig, Object *object)
{
    Object *copy = object_copy(object);
    Pod *pod = copy->value;
    PodCondition *condition = arena_new(&copy->arena, PodCondition);

    *condition = (PodCondition){.type = "Ready", .status = "True"};
    pod->status.conditions = (PodConditionArray){condition, 1};
    pod->status.phase = "Running";
    pod->status.pod_ip = "10.42.0.7";
    client_update(rig->client, copy, &(WriteOptions){.subresource = "status"}, NULL, NULL);
    object_unref(copy);
}

static void stop_pod(Rig *rig, Object *object)
{
    int64_t zero = 0;

    client_delete(rig->client, &kind_pod, object_meta(object)->namespace, object_meta(object)->name,
                  &(WriteOptions){.grace_seconds = &zero}, NULL, NULL);
}

/* True: there was something to do. What the node looks at is none of the controllers' work. */
static bool node_turn(Rig *rig)
{
    uint64_t before = work_count;
    Found found = {.list = VEC_INIT};
    bool busy = false;

    client_list(rig->client, &kind_pod, NULL, on_found, &found);
    work_count = before;
    for (size_t i = 0; i < found.list.n; i++) {
        Object *object = found.list.v[i];
        const Pod *pod = object->value;

        if (pod->metadata.deletion_timestamp.set)
            stop_pod(rig, object);
        else if (!str_empty(pod->spec.node_name) && !str_equal(pod->status.phase, "Running"))
            run_pod(rig, object);
        else
            continue;
        busy = true;
    }
    for (size_t i = 0; i < found.list.n; i++)
        object_unref(found.list.v[i]);
    VEC_DEINIT(&found.list);
    return busy;
}

static void come_to_rest(Rig *rig)
{
    uint64_t revision;

    do {
        revision = store_revision(rig->store);
        settle(rig);
    } while (node_turn(rig) || store_revision(rig->store) != revision);
}

/* ---- lives ---- */

static void create_text(Rig *rig, const Kind *kind, const char *format, size_t i, size_t n)
{
    char text[2048]; /* libc's own printf, since the project's has no numbered arguments */
    Object *object;

    /* The texts are all in this file. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof(text), format, i, n);
#pragma GCC diagnostic pop
    object = parse(rig, kind, text);
    client_create(rig->client, object, NULL, on_written, rig);
    object_unref(object);
}

static void delete_named(Rig *rig, const Life *life, size_t i)
{
    const char *ns = life->kind->flags & KIND_NAMESPACED ? "default" : NULL;
    char name[32];

    snprintf(name, sizeof(name), "x%zu", i);
    client_delete(rig->client, life->kind, ns, name,
                  &(WriteOptions){.propagation = life->propagation}, NULL, NULL);
}

static void live(Rig *rig, const Life *life, size_t n)
{
    size_t objects = life->one ? 1 : n;

    for (size_t i = 0; i < objects; i++)
        create_text(rig, life->kind, life->text, i, n);
    for (size_t i = 0; life->pod_text && i < n; i++)
        create_text(rig, &kind_pod, life->pod_text, i, n);
    come_to_rest(rig);
    if (rig->last != STATUS_OK)
        abort();
    for (size_t i = 0; i < objects; i++)
        delete_named(rig, life, i);
    come_to_rest(rig);
}

/* One owner of n ConfigMaps. */
static void live_owner(Rig *rig, const Life *life, size_t n)
{
    const Object *owner;

    create_text(rig, &kind_config_map, life->text, 0, n);
    settle(rig);
    owner = get(rig, &kind_config_map, "default", "x0");
    for (size_t i = 0; i < n; i++) {
        const char *text = arena_printf(
            &rig->arena,
            "{'metadata':{'name':'d%%zu','namespace':'default','ownerReferences':[{'apiVersion':"
            "'v1','kind':'ConfigMap','name':'x0','uid':'%s','blockOwnerDeletion':true}]}}",
            object_meta(owner)->uid);

        create_text(rig, &kind_config_map, text, i, 0);
    }
    come_to_rest(rig);
    delete_named(rig, life, 0);
    come_to_rest(rig);
    if (get(rig, &kind_config_map, "default", "d0"))
        abort();
}

/* A namespace with n ConfigMaps in it. */
static void live_namespace(Rig *rig, const Life *life, size_t n)
{
    create_text(rig, &kind_namespace, life->text, 0, n);
    settle(rig);
    for (size_t i = 0; i < n; i++)
        create_text(rig, &kind_config_map, "{'metadata':{'name':'d%zu','namespace':'x0'}}", i, 0);
    come_to_rest(rig);
    delete_named(rig, life, 0);
    come_to_rest(rig);
    if (get(rig, &kind_namespace, NULL, "x0"))
        abort();
}

#define META "'metadata':{'name':'x%1$zu','namespace':'default'}"
#define LABELS "'labels':{'app':'a%1$zu'}"
#define SELECTOR "'selector':{'matchLabels':{'app':'a%1$zu'}}"
#define CONTAINERS \
    "'containers':[{'name':'c','image':'i','resources':{'requests':{'cpu':'1m','memory':'1Mi'}}}]"
#define TEMPLATE "'template':{'metadata':{" LABELS "},'spec':{" CONTAINERS "}}"
#define JOB_TEMPLATE "'template':{'spec':{'restartPolicy':'Never'," CONTAINERS "}}"
#define CLAIM_SPEC "{'accessModes':['ReadWriteOnce'],'resources':{'requests':{'storage':'1Mi'}}}"
#define CLAIMS "'volumeClaimTemplates':[{'metadata':{'name':'data'},'spec':" CLAIM_SPEC "}]"
#define POD \
    "{'metadata':{'name':'p%1$zu','namespace':'default'," LABELS "},'spec':{" CONTAINERS "}}"

/* clang-format off */
static const Life lives[] = {
    {"pods", live, &kind_pod, "{'metadata':{'name':'x%1$zu','namespace':'default'," LABELS "},'spec':{" CONTAINERS "}}", NULL, false, NULL},
    {"pods that find no room", live, &kind_pod, "{" META ",'spec':{'containers':[{'name':'c','image':'i','resources':{'requests':{'cpu':'1000'}}}]}}", NULL, false, NULL},
    {"pods with host ports", live, &kind_pod, "{" META ",'spec':{'containers':[{'name':'c','image':'i','ports':[{'containerPort':80,'hostPort':1%1$zu}]}]}}", NULL, false, NULL},
    {"pods that keep apart", live, &kind_pod,
     "{'metadata':{'name':'x%1$zu','namespace':'default'," LABELS "},'spec':{" CONTAINERS ",'affinity':{'podAntiAffinity':{"
     "'requiredDuringSchedulingIgnoredDuringExecution':[{'topologyKey':'kubernetes.io/hostname','labelSelector':{'matchLabels':{'app':'a%1$zu'}}}]}}}}",
     NULL, false, NULL},
    {"services", live, &kind_service, "{" META ",'spec':{'selector':{'app':'a%1$zu'},'ports':[{'port':80}]}}", POD, false, NULL},
    {"a service of many pods", live, &kind_service, "{" META ",'spec':{'selector':{'app':'a0'},'ports':[{'port':80}]}}",
     "{'metadata':{'name':'p%1$zu','namespace':'default','labels':{'app':'a0'}},'spec':{" CONTAINERS "}}", true, NULL},
    {"load balancers", live, &kind_service, "{" META ",'spec':{'type':'LoadBalancer','selector':{'app':'a%1$zu'},'ports':[{'port':80}]}}", NULL, false, NULL},
    {"budgets", live, &kind_pod_disruption_budget, "{" META ",'spec':{'minAvailable':1," SELECTOR "}}", POD, false, NULL},
    {"claims", live, &kind_persistent_volume_claim, "{" META ",'spec':" CLAIM_SPEC "}", NULL, false, NULL},
    {"stateful sets", live, &kind_stateful_set, "{" META ",'spec':{'serviceName':'s','replicas':1," SELECTOR "," TEMPLATE "," CLAIMS "}}", NULL, false, NULL},
    {"a large stateful set", live, &kind_stateful_set, "{" META ",'spec':{'serviceName':'s','replicas':%2$zu,'podManagementPolicy':'Parallel'," SELECTOR "," TEMPLATE "," CLAIMS "}}", NULL, true, NULL},
    {"replica sets", live, &kind_replica_set, "{" META ",'spec':{'replicas':1," SELECTOR "," TEMPLATE "}}", NULL, false, NULL},
    {"a large replica set", live, &kind_replica_set, "{" META ",'spec':{'replicas':%2$zu," SELECTOR "," TEMPLATE "}}", NULL, true, NULL},
    {"deployments", live, &kind_deployment, "{" META ",'spec':{'replicas':1," SELECTOR "," TEMPLATE "}}", NULL, false, NULL},
    {"a large deployment", live, &kind_deployment, "{" META ",'spec':{'replicas':%2$zu," SELECTOR "," TEMPLATE "}}", NULL, true, NULL},
    {"daemon sets", live, &kind_daemon_set, "{" META ",'spec':{" SELECTOR "," TEMPLATE "}}", NULL, false, NULL},
    {"jobs", live, &kind_job, "{" META ",'spec':{" JOB_TEMPLATE "}}", NULL, false, "Background"},
    {"a large job", live, &kind_job, "{" META ",'spec':{'parallelism':%2$zu,'completions':%2$zu,'completionMode':'Indexed'," JOB_TEMPLATE "}}", NULL, true, "Background"},
    {"cron jobs", live, &kind_cron_job, "{" META ",'spec':{'schedule':'* * * * *','suspend':true,'jobTemplate':{'spec':{" JOB_TEMPLATE "}}}}", NULL, false, NULL},
    {"an owner of many", live_owner, &kind_config_map, "{" META "}", NULL, true, "Background"},
    {"an owner that waits for many", live_owner, &kind_config_map, "{" META "}", NULL, true, "Foreground"},
    {"a namespace of many", live_namespace, &kind_namespace, "{'metadata':{'name':'x%1$zu'}}", NULL, true, NULL},
    {"namespaces", live, &kind_namespace, "{'metadata':{'name':'x%1$zu'}}", NULL, false, NULL},
    {"storage classes", live, &kind_storage_class, "{'metadata':{'name':'x%1$zu'},'provisioner':'a/b'}", NULL, false, NULL},
};
/* clang-format on */

static uint64_t count_life(void *data, size_t n)
{
    const Life *life = data;
    Rig *rig = rig_new();
    uint64_t work;

    settle(rig);
    if (!get(rig, &kind_namespace, NULL, "default"))
        create_text(rig, &kind_namespace, "{'metadata':{'name':'default'}}", 0, 0);
    create_text(rig, &kind_node,
                "{'metadata':{'name':'n','labels':{'kubernetes.io/hostname':'n'}},'status':{"
                "'allocatable':{'cpu':'900','memory':'900Gi','pods':'100000'}}}",
                0, 0);
    come_to_rest(rig);
    rig->last = STATUS_OK;
    work = work_count;
    life->live(rig, life, n);
    work = work_count - work;
    rig_free(rig);
    return work;
}

int main(int argc, char **argv)
{
    const char *only = NULL;
    bool verbose = false;
    unsigned failed = 0;

    for (int i = 1; i < argc; i++) {
        if (str_equal(argv[i], "--verbose"))
            verbose = true;
        else if (str_equal(argv[i], "--only") && i + 1 < argc)
            only = argv[++i];
        else
            return fprintf(stderr, "usage: growth_objects [--only TEXT] [--verbose]\n"), 2;
    }
    for (size_t i = 0; i < ARRAY_LEN(lives); i++) {
        Growth growth;
        bool linear;

        if (only && !strstr(lives[i].name, only))
            continue;
        linear = growth_is_below(count_life, (void *)(uintptr_t)&lives[i], SIZE, LIMIT, &growth);
        failed += !linear;
        if (!linear || verbose)
            fprintf(stderr,
                    "%s: %.2f (%" PRIu64 ", %" PRIu64 ", %" PRIu64 " steps for %zu, %zu, %zu)\n",
                    lives[i].name, growth.ratio, growth.work[0], growth.work[1], growth.work[2],
                    growth.n, growth.n * 2, growth.n * 4);
    }
    printf("%u of %zu grow too fast\n", failed, ARRAY_LEN(lives));
    return failed > 0;
}
