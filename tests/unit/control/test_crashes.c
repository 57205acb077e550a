/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controllers die at each of their writes, once just before it and once just after it, while users do
 * something. Started again, they have to arrive where controllers arrive that did not die: nothing is lost,
 * nothing is there twice, nothing is half done.
 */
#include "workload_rig.h"

#include "api/condition.h"
#include "api/quota.h"
#include "api/schema/apps_v1.h"
#include "api/schema/autoscaling_v2.h"
#include "api/schema/core_config_v1.h"
#include "api/schema/core_quota_v1.h"
#include "api/schema/core_service_v1.h"
#include "api/schema/discovery_v1.h"
#include "api/schema/networking_v1.h"
#include "base/vec.h"

/* ---- a client that dies ---- */

typedef struct Swallowed {
    ClientDone done;
    void *data;
} Swallowed;

typedef struct Mortal {
    Client client;
    Client *inner;
    unsigned writes; /* so far */
    unsigned last;   /* dies at this one; 0: never */
    bool after;      /* or before it */
    bool dead;
    VEC(Swallowed) swallowed;
} Mortal;

static Client *inner_client; /* whose watches are stopped */

static Mortal *mortal_of(Client *client)
{
    return CONTAINER_OF(client, Mortal, client);
}

/* Whether the write is carried out. */
static bool admit(Mortal *mortal, ClientDone done, void *data)
{
    bool carried_out = !mortal->dead;

    if (!mortal->dead && ++mortal->writes == mortal->last) {
        mortal->dead = true;
        carried_out = mortal->after;
    }
    if (!carried_out && done)
        VEC_PUSH(&mortal->swallowed, ((Swallowed){done, data}));
    return carried_out;
}

static Object *mortal_get(Client *client, const Kind *kind, const char *ns, const char *name)
{
    return client_get(mortal_of(client)->inner, kind, ns, name);
}

static uint64_t mortal_list(Client *client, const Kind *kind, const ListOptions *options,
                            bool (*each)(void *data, Object *object), void *data)
{
    return client_list(mortal_of(client)->inner, kind, options, each, data);
}

static ClientWatch *mortal_watch(Client *client, const Kind *kind, const ListOptions *options,
                                 ClientOnEvent on_event, void *data)
{
    return client_watch(mortal_of(client)->inner, kind, options, on_event, data);
}

static void mortal_watch_stop(ClientWatch *watch)
{
    client_watch_stop(inner_client, watch);
}

static void mortal_create(Client *client, Object *object, const WriteOptions *options,
                          ClientDone done, void *data)
{
    if (admit(mortal_of(client), done, data))
        client_create(mortal_of(client)->inner, object, options, done, data);
}

static void mortal_update(Client *client, Object *object, const WriteOptions *options,
                          ClientDone done, void *data)
{
    if (admit(mortal_of(client), done, data))
        client_update(mortal_of(client)->inner, object, options, done, data);
}

static void mortal_patch(Client *client, const Kind *kind, const char *ns, const char *name,
                         PatchType type, Bytes bytes, const WriteOptions *options, ClientDone done,
                         void *data)
{
    if (admit(mortal_of(client), done, data))
        client_patch(mortal_of(client)->inner, kind, ns, name, type, bytes, options, done, data);
}

static void mortal_delete(Client *client, const Kind *kind, const char *ns, const char *name,
                          const WriteOptions *options, ClientDone done, void *data)
{
    if (admit(mortal_of(client), done, data))
        client_delete(mortal_of(client)->inner, kind, ns, name, options, done, data);
}

static const ClientOps mortal_ops = {
    .get = mortal_get,
    .list = mortal_list,
    .watch = mortal_watch,
    .watch_stop = mortal_watch_stop,
    .create = mortal_create,
    .update = mortal_update,
    .patch = mortal_patch,
    .delete = mortal_delete,
};

static void start_controllers(Rig *rig, Client *client)
{
    rig->control = control_start(&(ControlOptions){.client = client,
                                                   .clock = rig->clock,
                                                   .random = &rig->random,
                                                   .node_name = "n",
                                                   .root_ca_pem = "PEM",
                                                   .load_balancer_cidr = "10.53.0.0/29",
                                                   .volume_dir = "/data/volumes",
                                                   .reserve_volume = reserve_volume,
                                                   .reserve_volume_data = rig,
                                                   .api_address = "10.42.0.1",
                                                   .api_port = 6443});
}

static void settle_long(Rig *rig)
{
    settle(rig);
    clock_fake_advance(rig->clock, 31 * NS_PER_SEC);
    settle(rig);
}

/* The controllers are gone; new ones find what these have left. */
static void revive(Rig *rig, Mortal *mortal)
{
    static const ApiStatus gone = {.reason = STATUS_TIMEOUT, .message = "the process has ended"};

    rig->control = control_stop(rig->control);
    for (size_t i = 0; i < mortal->swallowed.n; i++)
        mortal->swallowed.v[i].done(mortal->swallowed.v[i].data, &gone, NULL);
    VEC_DEINIT(&mortal->swallowed);
    mortal->dead = false;
    mortal->last = 0;
    start_controllers(rig, &mortal->client);
}

/* ---- what users do, and what comes of it ---- */

static void add_text(void *data, const char *text)
{
    strbuf_printf(data, "%s\n", text);
}

/* Endpoints without a selector: a change, and the end. */
static void make_endpoints(Rig *rig)
{
    create(rig, &kind_service,
           "{'metadata':{'name':'db','namespace':'default'},'spec':{'ports':[{'port':80}]}}");
    create(rig, &kind_endpoints,
           "{'metadata':{'name':'db','namespace':'default'},'subsets':[{'addresses':[{'ip':"
           "'10.1.2.3'},{'ip':'fd00::1'}],'ports':[{'name':'a','port':80}]},{'addresses':[{'ip':"
           "'10.1.2.4'}],'ports':[{'name':'b','port':81}]}]}");
}

static void change_endpoints(Rig *rig)
{
    patch(rig, &kind_endpoints, "db",
          "{'subsets':[{'addresses':[{'ip':'10.1.2.5'}],'ports':[{'name':'a','port':80}]}]}");
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void show_slices(Rig *rig, StrBuf *out)
{
    Found found = find(rig, &kind_endpoint_slice);
    const char *lines[64];

    for (size_t i = 0; i < found.n; i++) {
        const EndpointSlice *slice = OBJECT_AS(EndpointSlice, found.v[i]);
        const char *line = arena_printf(&rig->arena, "%s", slice->address_type);

        for (size_t k = 0; k < slice->ports.n; k++)
            line = arena_printf(&rig->arena, "%s %d", line, *slice->ports.v[k].port);
        for (size_t k = 0; k < slice->endpoints.n; k++)
            line = arena_printf(&rig->arena, "%s %s", line, slice->endpoints.v[k].addresses.v[0]);
        lines[i] = line;
    }
    qsort(lines, found.n, sizeof(*lines), compare_texts);
    for (size_t i = 0; i < found.n; i++)
        add_text(out, lines[i]);
    drop(&found);
}

static void make_quota(Rig *rig)
{
    create(rig, &kind_config_map, "{'metadata':{'name':'one','namespace':'default'}}");
    create(rig, &kind_resource_quota,
           "{'metadata':{'name':'q','namespace':'default'},'spec':{'hard':{'configmaps':'5',"
           "'secrets':'2'}}}");
}

static void use_quota(Rig *rig)
{
    create(rig, &kind_config_map, "{'metadata':{'name':'two','namespace':'default'}}");
    create(rig, &kind_config_map, "{'metadata':{'name':'three','namespace':'default'}}");
    delete (rig, &kind_config_map, "default", "one", NULL);
}

static void show_quota(Rig *rig, StrBuf *out)
{
    const ResourceQuota *quota = OBJECT_AS(ResourceQuota, only(rig, &kind_resource_quota));

    add_text(out, quota_text(&rig->arena, &quota->status.hard));
    add_text(out, quota_text(&rig->arena, &quota->status.used));
}

static void make_deployment(Rig *rig)
{
    create(rig, &kind_deployment,
           "{'metadata':{'name':'web','namespace':'default'},'spec':{'replicas':1,'selector':{"
           "'matchLabels':{'a':'b'}},'template':{'metadata':{'labels':{'a':'b'}},'spec':{"
           "'containers':[{'name':'c','image':'i'}]}}}}");
}

/* It has fewer replicas than it may have, which needs no metrics. */
static void make_autoscaler(Rig *rig)
{
    create(rig, &kind_horizontal_pod_autoscaler,
           "{'metadata':{'name':'web','namespace':'default'},'spec':{'minReplicas':3,'maxReplicas':"
           "5,'scaleTargetRef':{'apiVersion':'apps/v1','kind':'Deployment','name':'web'}}}");
    settle_long(rig);
}

static void show_deployment(Rig *rig, StrBuf *out)
{
    const Deployment *deployment = OBJECT_AS(Deployment, only(rig, &kind_deployment));
    const HorizontalPodAutoscaler *scaler =
        OBJECT_AS(HorizontalPodAutoscaler, only(rig, &kind_horizontal_pod_autoscaler));

    /* What it wants is not known without metrics once there are as many as there may be. */
    strbuf_printf(out, "%d wanted, %zu pods, %zu sets, the autoscaler sees %d\n",
                  *deployment->spec.replicas, count_of(rig, &kind_pod),
                  count_of(rig, &kind_replica_set), scaler->status.current_replicas);
}

static void make_ranges(Rig *rig)
{
    create(rig, &kind_service_cidr,
           "{'metadata':{'name':'more'},'spec':{'cidrs':['10.200.0.0/24']}}");
    create(rig, &kind_service_cidr,
           "{'metadata':{'name':'short'},'spec':{'cidrs':['10.201.0.0/24']}}");
}

static void remove_range(Rig *rig)
{
    delete (rig, &kind_service_cidr, NULL, "short", NULL);
}

static bool on_range(void *data, Object *object)
{
    const ServiceCIDR *range = OBJECT_AS(ServiceCIDR, object);
    const Condition *ready = CONDITION_FIND(&range->status.conditions, "Ready");

    strbuf_printf(data, "%s %s, %zu finalizers, ready %s%s\n", range->metadata.name,
                  range->spec.cidrs.v[0], range->metadata.finalizers.n,
                  ready ? ready->status : "unknown",
                  range->metadata.deletion_timestamp.set ? ", going" : "");
    return true;
}

static void show_ranges(Rig *rig, StrBuf *out)
{
    client_list(rig->client, &kind_service_cidr, NULL, on_range, out);
}

static const struct {
    const char *name;
    void (*steps[2])(Rig *rig);
    void (*show)(Rig *rig, StrBuf *out);
} stories[] = {
    {"mirrored Endpoints", {make_endpoints, change_endpoints}, show_slices},
    {"a quota", {make_quota, use_quota}, show_quota},
    {"an autoscaler", {make_deployment, make_autoscaler}, show_deployment},
    {"ranges of addresses", {make_ranges, remove_range}, show_ranges},
};

/* Plays the story; the controllers die at their last-th write. Returns how many they have made. */
static unsigned play(size_t story, unsigned last, bool after, StrBuf *out)
{
    void *state;
    Rig *rig;
    Mortal mortal = {.client = {&mortal_ops}};
    unsigned before, writes;

    assert_int_equal(setup(&state), 0);
    rig = state;
    rig->control = control_stop(rig->control);
    mortal.inner = inner_client = server_client(rig->server, "control");
    start_controllers(rig, &mortal.client);
    settle_long(rig);
    before = mortal.writes;
    mortal.last = last ? before + last : 0;
    mortal.after = after;
    for (size_t i = 0; i < ARRAY_LEN(stories[story].steps); i++) {
        stories[story].steps[i](rig);
        settle_long(rig);
        if (mortal.dead)
            revive(rig, &mortal);
        settle_long(rig);
    }
    settle_long(rig);
    writes = mortal.writes - before;
    stories[story].show(rig, out);
    teardown(&state);
    VEC_DEINIT(&mortal.swallowed);
    return writes;
}

static void controllers_that_die_at_any_write_arrive_all_the_same(void **state _unused_)
{
    size_t wrong = 0;

    for (size_t story = 0; story < ARRAY_LEN(stories); story++) {
        _strbuf_ StrBuf expected = STRBUF_INIT;
        unsigned writes = play(story, 0, false, &expected);

        assert_true(writes >= 2); /* else there is nothing to try */
        for (unsigned last = 1; last <= writes; last++)
            for (int after = 0; after < 2; after++) {
                _strbuf_ StrBuf found = STRBUF_INIT;

                play(story, last, after, &found);
                if (strcmp(strbuf_string(&expected), strbuf_string(&found)) == 0)
                    continue;
                wrong++;
                print_message("%s, death %s write %u of %u:\n%sinstead of\n%s", stories[story].name,
                              after ? "after" : "before", last, writes, strbuf_string(&found),
                              strbuf_string(&expected));
            }
    }
    assert_int_equal(wrong, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(controllers_that_die_at_any_write_arrive_all_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
