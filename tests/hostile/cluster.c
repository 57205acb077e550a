/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control plane on which hostile objects act: the API server of the wire tests with all
 * controllers, the scheduler, the zone of the DNS server and a node without containers. Whatever is
 * stored, by clients or by controllers, is checked when its watch event comes.
 */
#include "api/schema/kinds.h"
#include "api/schema/core_event_v1.h"
#include "api/schema/core_service_v1.h"
#include "api/schema/discovery_v1.h"
#include "dns/dns.h"
#include "hostile.h"

enum { TURNS = 3, CREATIONS = 8 };

static void on_event(void *data, const WatchEvent *event)
{
    Cluster *cluster = data;

    if (event->type == WATCH_BOOKMARK)
        return;
    if (event->type != WATCH_DELETED)
        check_object(event->object);
    if (event->object->kind == &kind_service || event->object->kind == &kind_endpoint_slice)
        dns_zone_on_event(cluster->zone, event);
}

static void expect(Cluster *cluster, const char *method, const char *path, const char *body)
{
    if (api_call(&cluster->api, method, path, NULL, body) >= 300) {
        fprintf(stderr, "%s %s: %s\n", method, path, cluster->api.body);
        abort();
    }
}

/* ---- the controllers' client ---- */

/* Lets controllers make only a few objects a run: replicas may well be 2147483647. */
static Client *inner;
static unsigned n_created;

static Object *quota_get(Client *client _unused_, const Kind *kind, const char *ns,
                         const char *name)
{
    return client_get(inner, kind, ns, name);
}

static uint64_t quota_list(Client *client _unused_, const Kind *kind, const ListOptions *options,
                           bool (*each)(void *, Object *), void *data)
{
    return client_list(inner, kind, options, each, data);
}

static ClientWatch *quota_watch(Client *client _unused_, const Kind *kind,
                                const ListOptions *options, ClientOnEvent on_change, void *data)
{
    return client_watch(inner, kind, options, on_change, data);
}

static void quota_watch_stop(ClientWatch *watch)
{
    client_watch_stop(inner, watch);
}

static void quota_create(Client *client _unused_, Object *object, const WriteOptions *options,
                         ClientDone done, void *data)
{
    static const ApiStatus exceeded = {.reason = STATUS_FORBIDDEN, .message = "exceeded quota"};

    if (object->kind == &kind_event || n_created++ < CREATIONS)
        client_create(inner, object, options, done, data);
    else if (done)
        done(data, &exceeded, NULL);
}

static void quota_update(Client *client _unused_, Object *object, const WriteOptions *options,
                         ClientDone done, void *data)
{
    client_update(inner, object, options, done, data);
}

static void quota_patch(Client *client _unused_, const Kind *kind, const char *ns, const char *name,
                        PatchType type, Bytes patch, const WriteOptions *options, ClientDone done,
                        void *data)
{
    client_patch(inner, kind, ns, name, type, patch, options, done, data);
}

static void quota_delete(Client *client _unused_, const Kind *kind, const char *ns,
                         const char *name, const WriteOptions *options, ClientDone done, void *data)
{
    client_delete(inner, kind, ns, name, options, done, data);
}

static const ClientOps quota_ops = {quota_get,    quota_list,   quota_watch, quota_watch_stop,
                                    quota_create, quota_update, quota_patch, quota_delete};
static Client quota_client = {&quota_ops};

/* ---- life ---- */

/* What objects usually refer to. */
static void populate(Cluster *cluster)
{
    api_fixture(&cluster->api);
    expect(cluster, "POST", "/api/v1/nodes",
           "{\"metadata\":{\"name\":\"node-1\",\"labels\":{\"kubernetes.io/hostname\":\"node-1\"}},"
           "\"status\":{\"allocatable\":{\"cpu\":\"64\",\"memory\":\"64Gi\",\"pods\":\"5000\"},"
           "\"capacity\":{\"cpu\":\"64\",\"memory\":\"64Gi\",\"pods\":\"5000\"},"
           "\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}");
    expect(cluster, "POST", "/api/v1/namespaces/t/configmaps",
           "{\"metadata\":{\"name\":\"a\"},\"data\":{\"a\":\"1\"}}");
    expect(cluster, "POST", "/api/v1/namespaces/t/secrets",
           "{\"metadata\":{\"name\":\"a\"},\"data\":{\"a\":\"MQ==\"}}");
}

void cluster_start(Cluster *cluster)
{
    *cluster = (Cluster){0};
    api_start(&cluster->api, NULL);
    cluster->user = server_client(cluster->api.server, "kubernetes-admin");
    cluster->node = server_client(cluster->api.server, "system:node:node-1");
    cluster->zone = dns_zone_new("cluster.local");
    cluster->watches = mem_new(KIND_COUNT * sizeof(ClientWatch *));
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (*kind_at(i)->plural && !(kind_at(i)->flags & KIND_NOT_STORED))
            cluster->watches[i] = client_watch(cluster->user, kind_at(i), NULL, on_event, cluster);
    inner = server_client(cluster->api.server, "system:kube-controller-manager");
    cluster->control = control_start(&(ControlOptions){
        .client = &quota_client,
        .clock = cluster->api.clock,
        .random = &cluster->api.random,
        .load_balancer_cidr = "10.50.0.0/16",
        .node_name = "node-1",
        .root_ca_pem = "none",
        .volume_dir = "/nowhere/volumes",
        .api_address = "192.0.2.1",
        .api_port = 6443,
    });
    cluster_node_start(cluster);
    populate(cluster);
    cluster_run(cluster);
}

void cluster_stop(Cluster *cluster)
{
    cluster_node_stop(cluster);
    cluster->control = control_stop(cluster->control);
    for (size_t i = 0; i < KIND_COUNT; i++)
        client_watch_stop(cluster->user, cluster->watches[i]);
    free(cluster->watches);
    cluster->zone = dns_zone_free(cluster->zone);
    api_stop(&cluster->api);
}

/* A question for each name that a Service has. */
static void add_name(uint8_t *packet, size_t *n, const char *name)
{
    while (*name) {
        size_t length = strcspn(name, ".");

        packet[(*n)++] = (uint8_t)length;
        memcpy(packet + *n, name, length);
        *n += length;
        name += length + (name[length] == '.');
    }
    packet[(*n)++] = 0;
}

static void ask(DnsZone *zone, const char *name, uint8_t type)
{
    uint8_t packet[512] = {0, 1, 1, 0, 0, 1}, answer[4096];
    size_t n = 12, answered;

    add_name(packet, &n, name);
    memcpy(packet + n, (uint8_t[]){0, type, 0, 1}, 4);
    (void)dns_zone_answer(zone, (Bytes){packet, n + 4}, sizeof(answer), answer, &answered);
}

static bool ask_for(void *data, Object *object)
{
    const ObjectMeta *meta = object_meta(object);
    char name[300];

    if (strlen(meta->name) > 63)
        return true;
    snprintf(name, sizeof(name), "%s.%s.svc.cluster.local", meta->name, meta->namespace);
    ask(data, name, 1);
    ask(data, name, 33);
    ask(data, name, 255);
    return true;
}

void cluster_run(Cluster *cluster)
{
    n_created = 0;
    for (int i = 0; i < TURNS; i++) {
        api_settle(&cluster->api);
        clock_fake_advance(cluster->api.clock, i == 0 ? 0 : NS_PER_SEC);
        api_settle(&cluster->api);
        cluster_node_run(cluster);
    }
    api_settle(&cluster->api);
    client_list(cluster->user, &kind_service, NULL, ask_for, cluster->zone);
}
