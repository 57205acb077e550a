/* SPDX-License-Identifier: Apache-2.0 */
/* What each controller does to the objects that a user writes. */
#include "control_rig.h"

#include "api/schema/apps_v1.h"
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_config_v1.h"
#include "api/schema/core_event_v1.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_service_v1.h"
#include "api/schema/core_volume_v1.h"
#include "api/schema/discovery_v1.h"
#include "base/observe/metrics.h"
#include "view/events.h"

/* ---- namespaces ---- */

static void a_namespace_gets_its_account_and_root_certificate(void **state)
{
    Rig *rig = *state;
    Object *map;

    create(rig, &kind_namespace, "{'metadata':{'name':'shop'}}");
    assert_non_null(get(rig, &kind_service_account, "shop", "default"));
    map = get(rig, &kind_config_map, "shop", "kube-root-ca.crt");
    assert_non_null(map);
    assert_string_equal(string_map_get(&OBJECT_AS(ConfigMap, map)->data, "ca.crt"), "PEM");
    delete (rig, &kind_config_map, "shop", "kube-root-ca.crt", NULL);
    assert_non_null(get(rig, &kind_config_map, "shop", "kube-root-ca.crt"));
}

static void a_deleted_namespace_is_emptied_and_goes(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_namespace, "{'metadata':{'name':'shop'}}");
    create(rig, &kind_secret, "{'metadata':{'name':'s','namespace':'shop'}}");
    create(rig, &kind_persistent_volume_claim,
           "{'metadata':{'name':'c','namespace':'shop'},'spec':{'accessModes':['ReadWriteOnce'],"
           "'resources':{'requests':{'storage':'1Mi'}}}}");
    delete (rig, &kind_namespace, NULL, "shop", NULL);
    assert_null(get(rig, &kind_secret, "shop", "s"));
    assert_null(get(rig, &kind_persistent_volume_claim, "shop", "c"));
    assert_null(get(rig, &kind_namespace, NULL, "shop"));
}

static NamespaceCondition *find_condition(Rig *rig, const char *type)
{
    Object *object = get(rig, &kind_namespace, NULL, "shop");
    const NamespaceConditionArray *conditions;

    assert_non_null(object);
    conditions = &OBJECT_AS(Namespace, object)->status.conditions;
    for (size_t i = 0; i < conditions->n; i++)
        if (str_equal(conditions->v[i].type, type))
            return &conditions->v[i];
    return NULL;
}

static const char *condition_of(Rig *rig, const char *type)
{
    const NamespaceCondition *condition = find_condition(rig, type);

    return condition ? arena_printf(&rig->arena, "%s %s: %s", condition->status, condition->reason,
                                    condition->message)
                     : "none";
}

static void a_namespace_loses_its_pods_first_and_tells_what_remains(void **state)
{
    Rig *rig = *state;
    Time remaining_since, finalizers_since;

    create(rig, &kind_namespace, "{'metadata':{'name':'shop'}}");
    create(rig, &kind_secret,
           "{'metadata':{'name':'s','namespace':'shop','finalizers':['a.b/c']}}");
    create(rig, &kind_config_map, "{'metadata':{'name':'m','namespace':'shop'}}");
    create(rig, &kind_pod,
           "{'metadata':{'name':'p','namespace':'shop'},'spec':{'nodeName':'n','containers':[{"
           "'name':'a','image':'i'}]}}");
    delete (rig, &kind_namespace, NULL, "shop", NULL);
    /* The pod has its grace period, and all that it may use stays. */
    assert_true(object_meta(get(rig, &kind_pod, "shop", "p"))->deletion_timestamp.set);
    assert_non_null(get(rig, &kind_config_map, "shop", "m"));
    assert_false(object_meta(get(rig, &kind_secret, "shop", "s"))->deletion_timestamp.set);
    assert_string_equal(condition_of(rig, "NamespaceContentRemaining"),
                        "True SomeResourcesRemain: Some resources are remaining: pods. has 1 "
                        "resource instances");
    assert_string_equal(condition_of(rig, "NamespaceDeletionDiscoveryFailure"),
                        "False ResourcesDiscovered: All resources successfully discovered");
    assert_string_equal(condition_of(rig, "NamespaceFinalizersRemaining"),
                        "False ContentHasNoFinalizers: All content-preserving finalizers "
                        "finished");
    remaining_since = find_condition(rig, "NamespaceContentRemaining")->last_transition_time;
    finalizers_since = find_condition(rig, "NamespaceFinalizersRemaining")->last_transition_time;
    clock_fake_advance(rig->clock, 5 * NS_PER_SEC);
    client_delete(rig->client, &kind_pod, "shop", "p",
                  &(WriteOptions){.grace_seconds = &(int64_t){0}}, on_written, rig);
    settle(rig);
    assert_null(get(rig, &kind_config_map, "shop", "m"));
    assert_string_equal(condition_of(rig, "NamespaceContentRemaining"),
                        "True SomeResourcesRemain: Some resources are remaining: secrets. has 1 "
                        "resource instances");
    assert_string_equal(condition_of(rig, "NamespaceFinalizersRemaining"),
                        "True SomeFinalizersRemain: Some content in the namespace has finalizers "
                        "remaining: a.b/c in 1 resource instances");
    /* A condition whose message alone has changed is as old as before. */
    assert_int_equal(find_condition(rig, "NamespaceContentRemaining")->last_transition_time.seconds,
                     remaining_since.seconds);
    assert_true(find_condition(rig, "NamespaceFinalizersRemaining")->last_transition_time.seconds >
                finalizers_since.seconds);
    assert_string_equal(condition_of(rig, "NamespaceDeletionContentFailure"),
                        "False ContentDeleted: All content successfully deleted, may be waiting "
                        "on finalization");
    client_patch(rig->client, &kind_secret, "shop", "s", PATCH_MERGE,
                 BYTES_LITERAL("{\"metadata\":{\"finalizers\":null}}"), NULL, on_written, rig);
    settle(rig);
    assert_null(get(rig, &kind_namespace, NULL, "shop"));
}

/* ---- endpoints ---- */

static void add_pod(Rig *rig, const char *name, const char *ip, bool ready)
{
    create(rig, &kind_pod,
           arena_printf(&rig->arena,
                        "{'metadata':{'name':'%s','namespace':'default','labels':{'app':'web'}},'"
                        "spec':{'nodeName':'n',"
                        "'hostname':'%s','subdomain':'web','containers':[{'name':'a','image':'i',"
                        "'ports':[{'name':'http','containerPort':8080}]}]}}",
                        name, name));
    write_status(rig, &kind_pod, "default", name,
                 arena_printf(&rig->arena,
                              "{'phase':'Running','podIP':'%s','podIPs':[{'ip':'%s'}],"
                              "'conditions':[{'type':'Ready','status':'%s'}]}",
                              ip, ip, ready ? "True" : "False"));
}

static bool on_slice(void *data, Object *object)
{
    *(Object **)data = object;
    return true;
}

static const EndpointSlice *slice_of(Rig *rig, const char *service)
{
    _arena_ Arena arena = ARENA_INIT;
    Selector *selector;
    const char *error;
    Object *found = NULL;

    assert_int_equal(selector_parse_labels(
                         &arena, arena_printf(&arena, "kubernetes.io/service-name=%s", service),
                         &selector, &error),
                     0);
    client_list(rig->client, &kind_endpoint_slice,
                &(ListOptions){.ns = "default", .labels = selector}, on_slice, &found);
    return found ? OBJECT_AS(EndpointSlice, found) : NULL;
}

static void a_slice_lists_the_pods_behind_a_service(void **state)
{
    Rig *rig = *state;
    const EndpointSlice *slice;
    const Endpoints *endpoints;

    create(rig, &kind_service,
           "{'metadata':{'name':'web','namespace':'default'},'spec':{'clusterIP':'None','selector':"
           "{'app':'web'},"
           "'ports':[{'name':'web','port':80,'targetPort':'http'}]}}");
    add_pod(rig, "web-0", "10.42.0.10", true);
    add_pod(rig, "web-1", "10.42.0.11", false);
    slice = slice_of(rig, "web");
    assert_non_null(slice);
    assert_string_equal(slice->address_type, "IPv4");
    assert_int_equal(slice->endpoints.n, 2);
    assert_string_equal(slice->endpoints.v[0].addresses.v[0], "10.42.0.10");
    assert_true(*slice->endpoints.v[0].conditions.ready);
    assert_string_equal(slice->endpoints.v[0].hostname, "web-0");
    assert_string_equal(slice->endpoints.v[0].node_name, "n");
    assert_false(*slice->endpoints.v[1].conditions.ready);
    assert_int_equal(slice->ports.n, 1);
    assert_int_equal(*slice->ports.v[0].port, 8080);
    assert_non_null(string_map_get(&slice->metadata.labels, "service.kubernetes.io/headless"));

    endpoints = OBJECT_AS(Endpoints, get(rig, &kind_endpoints, "default", "web"));
    assert_int_equal(endpoints->subsets.n, 1);
    assert_int_equal(endpoints->subsets.v[0].addresses.n, 1);
    assert_int_equal(endpoints->subsets.v[0].not_ready_addresses.n, 1);
    assert_int_equal(endpoints->subsets.v[0].ports.v[0].port, 8080);

    delete (rig, &kind_service, "default", "web", NULL);
    assert_null(slice_of(rig, "web"));
    assert_null(get(rig, &kind_endpoints, "default", "web"));
}

static void a_terminating_pod_is_serving_but_not_ready(void **state)
{
    Rig *rig = *state;
    const EndpointSlice *slice;

    create(rig, &kind_service,
           "{'metadata':{'name':'web','namespace':'default'},'spec':{'selector':{'app':'web'},'"
           "ports':[{'port':80}]}}");
    add_pod(rig, "web-0", "10.42.0.10", true);
    delete (rig, &kind_pod, "default", "web-0", NULL);
    slice = slice_of(rig, "web");
    assert_int_equal(slice->endpoints.n, 1);
    assert_false(*slice->endpoints.v[0].conditions.ready);
    assert_true(*slice->endpoints.v[0].conditions.serving);
    assert_true(*slice->endpoints.v[0].conditions.terminating);
}

static void publish_not_ready_makes_every_pod_ready(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_service,
           "{'metadata':{'name':'web','namespace':'default'},'spec':{'clusterIP':'None','selector':"
           "{'app':'web'},"
           "'publishNotReadyAddresses':true}}");
    add_pod(rig, "web-0", "10.42.0.10", false);
    assert_true(*slice_of(rig, "web")->endpoints.v[0].conditions.ready);
    assert_false(*slice_of(rig, "web")->endpoints.v[0].conditions.serving);
}

static void a_surplus_slice_of_ours_goes_and_those_of_others_stay(void **state)
{
    static const char *const managers[] = {"endpointslice-controller.k8s.io", "somebody-else"};
    Rig *rig = *state;

    create(rig, &kind_service,
           "{'metadata':{'name':'web','namespace':'default'},'spec':{'selector':{'app':'web'},"
           "'ports':[{'port':80}]}}");
    add_pod(rig, "web-0", "10.42.0.10", true);
    for (size_t i = 0; i < ARRAY_LEN(managers); i++)
        create(rig, &kind_endpoint_slice,
               arena_printf(&rig->arena,
                            "{'metadata':{'name':'zz-%zu','namespace':'default','labels':{"
                            "'kubernetes.io/service-name':'web',"
                            "'endpointslice.kubernetes.io/managed-by':'%s'}},'addressType':'IPv4',"
                            "'endpoints':[]}",
                            i, managers[i]));
    assert_null(get(rig, &kind_endpoint_slice, "default", "zz-0"));
    assert_non_null(get(rig, &kind_endpoint_slice, "default", "zz-1"));
}

/* Of 110 pods that report something now and then, most reports concern no Service. */
static void only_changes_that_a_slice_shows_cause_work(void **state)
{
    Rig *rig = *state;
    MetricSeries *adds = METRIC_SERIES(METRIC_QUEUE_ADDS, "endpoints");
    double before;

    create(rig, &kind_service,
           "{'metadata':{'name':'web','namespace':'default'},'spec':{'selector':{'app':'web'},"
           "'ports':[{'port':80}]}}");
    add_pod(rig, "web-0", "10.42.0.10", true);
    before = adds->value;
    write_status(rig, &kind_pod, "default", "web-0", "{'message':'all is well'}");
    assert_int_equal(adds->value, before);
    write_status(rig, &kind_pod, "default", "web-0",
                 "{'conditions':[{'type':'Ready','status':'False'}]}");
    assert_true(adds->value > before);
    assert_false(*slice_of(rig, "web")->endpoints.v[0].conditions.ready);
}

/* ---- volumes ---- */

#define CLAIM(extra)                                                                          \
    "{'metadata':{'name':'c','namespace':'default'},'spec':{'accessModes':['ReadWriteOnce']," \
    "'resources':{'requests':{'storage':'256M'}}" extra "}}"
/* A class that does not wait for a pod. */
#define AT_ONCE ",'storageClassName':'standard-reserved'"
#define VOLUME(name, size, extra)                                          \
    "{'metadata':{'name':'" name "'},'spec':{'capacity':{'storage':'" size \
    "'},'accessModes':['ReadWriteOnce'],'hostPath':{'path':'/"             \
    "x'},'storageClassName':'manual'," extra "'persistentVolumeReclaimPolicy':'Retain'}}"

static const PersistentVolumeClaim *the_claim(Rig *rig)
{
    return OBJECT_AS(PersistentVolumeClaim,
                     get(rig, &kind_persistent_volume_claim, "default", "c"));
}

static void a_claim_gets_a_volume_of_its_class(void **state)
{
    Rig *rig = *state;
    const PersistentVolumeClaim *claim;
    const PersistentVolume *volume;

    create(rig, &kind_persistent_volume_claim, CLAIM(AT_ONCE));
    claim = the_claim(rig);
    assert_string_equal(claim->status.phase, "Bound");
    assert_string_equal(string_map_get(&claim->status.capacity, "storage"), "256M");
    assert_string_equal(claim->spec.volume_name,
                        arena_printf(&rig->arena, "pvc-%s", claim->metadata.uid));
    assert_string_equal(
        string_map_get(&claim->metadata.annotations, "pv.kubernetes.io/bind-completed"), "yes");
    volume = OBJECT_AS(PersistentVolume,
                       get(rig, &kind_persistent_volume, NULL, claim->spec.volume_name));
    assert_string_equal(volume->status.phase, "Bound");
    assert_string_equal(
        volume->spec.persistent_volume_source.local->path,
        arena_printf(&rig->arena, "/data/volumes/%s/data", claim->spec.volume_name));
    assert_true(meta_has_finalizer(&volume->metadata, "stead.dev/volume"));
}

static void a_deleted_claim_takes_its_volume_along(void **state)
{
    Rig *rig = *state;
    const char *name;
    Object *volume;

    create(rig, &kind_persistent_volume_claim, CLAIM(AT_ONCE));
    name = arena_strdup(&rig->arena, the_claim(rig)->spec.volume_name);
    delete (rig, &kind_persistent_volume_claim, "default", "c", NULL);
    assert_null(get(rig, &kind_persistent_volume_claim, "default", "c"));
    volume = get(rig, &kind_persistent_volume, NULL, name);
    /* It waits for the node, and for nobody else. */
    assert_true(object_meta(volume)->deletion_timestamp.set);
    assert_int_equal(object_meta(volume)->finalizers.n, 1);
    assert_string_equal(object_meta(volume)->finalizers.v[0], "stead.dev/volume");
}

static void the_smallest_volume_that_suits_is_taken(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_persistent_volume, VOLUME("big", "1Gi", ""));
    create(rig, &kind_persistent_volume, VOLUME("fit", "300M", ""));
    create(rig, &kind_persistent_volume, VOLUME("small", "100M", ""));
    create(rig, &kind_persistent_volume_claim, CLAIM(",'storageClassName':'manual'"));
    assert_string_equal(the_claim(rig)->status.phase, "Bound");
    assert_string_equal(the_claim(rig)->spec.volume_name, "fit");
    assert_string_equal(string_map_get(&the_claim(rig)->status.capacity, "storage"), "300M");
}

static void a_claim_waits_for_a_volume_that_comes_later(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_persistent_volume_claim, CLAIM(",'storageClassName':'manual'"));
    assert_string_equal(the_claim(rig)->status.phase, "Pending");
    create(rig, &kind_persistent_volume,
           VOLUME("late", "1Gi", "'claimRef':{'namespace':'default','name':'c'},"));
    assert_string_equal(the_claim(rig)->status.phase, "Bound");
    assert_string_equal(the_claim(rig)->spec.volume_name, "late");
}

/* The node has removed the files of a deleted claim's volume. */
static void let_go(Rig *rig, const char *volume)
{
    Object *copy = object_copy(get(rig, &kind_persistent_volume, NULL, volume));

    object_meta(copy)->finalizers.n = 0;
    client_update(rig->client, copy, NULL, on_written, rig);
    object_unref(copy);
    settle(rig);
    assert_null(get(rig, &kind_persistent_volume, NULL, volume));
}

/* In less time than it takes to look by itself. */
static void a_claim_that_waits_for_room_is_woken_when_a_volume_goes(void **state)
{
    Rig *rig = *state;
    const char *volume;

    create(rig, &kind_persistent_volume_claim,
           "{'metadata':{'name':'d','namespace':'default'},'spec':{'accessModes':["
           "'ReadWriteOnce'],'resources':{'requests':{'storage':'1Mi'}}" AT_ONCE "}}");
    volume =
        arena_strdup(&rig->arena, OBJECT_AS(PersistentVolumeClaim,
                                            get(rig, &kind_persistent_volume_claim, "default", "d"))
                                      ->spec.volume_name);
    rig->room = 0;
    create(rig, &kind_persistent_volume_claim, CLAIM(AT_ONCE));
    delete (rig, &kind_persistent_volume_claim, "default", "d", NULL);
    assert_string_equal(the_claim(rig)->status.phase, "Pending");
    rig->room = -1;
    let_go(rig, volume);
    assert_string_equal(the_claim(rig)->status.phase, "Bound");
}

static void a_claim_that_waits_to_grow_is_woken_when_a_volume_goes(void **state)
{
    static const char more[] = "{\"spec\":{\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}";
    Rig *rig = *state;
    const PersistentVolume *volume;

    create(rig, &kind_persistent_volume_claim, CLAIM(AT_ONCE));
    rig->room = 0;
    client_patch(rig->client, &kind_persistent_volume_claim, "default", "c", PATCH_MERGE,
                 bytes_from_string(more), NULL, on_written, rig);
    settle(rig);
    create(rig, &kind_persistent_volume, VOLUME("other", "1Mi", ""));
    rig->room = -1;
    delete (rig, &kind_persistent_volume, NULL, "other", NULL);
    volume = OBJECT_AS(PersistentVolume,
                       get(rig, &kind_persistent_volume, NULL, the_claim(rig)->spec.volume_name));
    assert_string_equal(string_map_get(&volume->spec.capacity, "storage"), "1Gi");
}

static void a_retained_volume_is_released_and_stays(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_persistent_volume, VOLUME("kept", "1Gi", ""));
    create(rig, &kind_persistent_volume_claim, CLAIM(",'storageClassName':'manual'"));
    delete (rig, &kind_persistent_volume_claim, "default", "c", NULL);
    assert_string_equal(
        OBJECT_AS(PersistentVolume, get(rig, &kind_persistent_volume, NULL, "kept"))->status.phase,
        "Released");
    /* It holds someone's data: a new claim does not get it. */
    create(rig, &kind_persistent_volume_claim, CLAIM(",'storageClassName':'manual'"));
    assert_string_equal(the_claim(rig)->status.phase, "Pending");
}

/* ---- owners ---- */

static void add_owned(Rig *rig, const char *name, const char *owner, const char *uid)
{
    create(
        rig, &kind_config_map,
        arena_printf(
            &rig->arena,
            "{'metadata':{'name':'%s','namespace':'default','ownerReferences':[{'apiVersion':'v1',"
            "'kind':'ConfigMap','name':'%s','uid':'%s','blockOwnerDeletion':true}]}}",
            name, owner, uid));
}

static const char *add_owner(Rig *rig)
{
    create(rig, &kind_config_map, "{'metadata':{'name':'owner','namespace':'default'}}");
    return arena_strdup(&rig->arena,
                        object_meta(get(rig, &kind_config_map, "default", "owner"))->uid);
}

static void dependents_go_after_their_owner(void **state)
{
    Rig *rig = *state;

    add_owned(rig, "child", "owner", add_owner(rig));
    delete (rig, &kind_config_map, "default", "owner", "Background");
    assert_null(get(rig, &kind_config_map, "default", "child"));
}

static void in_the_foreground_they_go_before_it(void **state)
{
    Rig *rig = *state;

    add_owned(rig, "child", "owner", add_owner(rig));
    delete (rig, &kind_config_map, "default", "owner", "Foreground");
    assert_null(get(rig, &kind_config_map, "default", "child"));
    assert_null(get(rig, &kind_config_map, "default", "owner"));
}

static void orphans_stay_and_forget_their_owner(void **state)
{
    Rig *rig = *state;

    add_owned(rig, "child", "owner", add_owner(rig));
    delete (rig, &kind_config_map, "default", "owner", "Orphan");
    assert_null(get(rig, &kind_config_map, "default", "owner"));
    assert_int_equal(
        object_meta(get(rig, &kind_config_map, "default", "child"))->owner_references.n, 0);
}

static void an_owner_that_never_was_takes_its_dependent_along(void **state)
{
    Rig *rig = *state;

    add_owner(rig);
    add_owned(rig, "child", "owner", "00000000-0000-0000-0000-000000000000");
    assert_null(get(rig, &kind_config_map, "default", "child"));
}

static void an_owner_of_an_unknown_kind_counts_as_there(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_config_map,
           "{'metadata':{'name':'child','namespace':'default','ownerReferences':[{'apiVersion':'"
           "example.com/v1',"
           "'kind':'Widget','name':'w','uid':'u'}]}}");
    assert_non_null(get(rig, &kind_config_map, "default", "child"));
}

/* ---- events ---- */

typedef struct EventFinder {
    const char *reason;
    Arena *arena;
    const char *message;
    int32_t count;
} EventFinder;

static bool on_event_found(void *data, Object *object)
{
    EventFinder *finder = data;
    const Event *event = OBJECT_AS(Event, object);

    if (str_equal(event->reason, finder->reason)) {
        finder->message = arena_strdup(finder->arena, event->message);
        finder->count = event->count;
    }
    return true;
}

static void a_set_tells_what_it_does(void **state)
{
    Rig *rig = *state;
    EventFinder finder = {"SuccessfulCreate", &rig->arena, NULL, 0};

    create(
        rig, &kind_stateful_set,
        "{'metadata':{'name':'web','namespace':'default'},'spec':{'replicas':1,'serviceName':'web',"
        "'selector':{'matchLabels':{'app':'web'}},'template':{'metadata':{'labels':{'app':'web'}},"
        "'spec':{'containers':[{'name':'a','image':'i'}]}}}}");
    client_list(rig->client, &kind_event, NULL, on_event_found, &finder);
    assert_non_null(finder.message);
    assert_string_equal(finder.message, "Create Pod web-0 in StatefulSet web successful");
    /* There is no node. */
    finder = (EventFinder){"FailedScheduling", &rig->arena, NULL, 0};
    client_list(rig->client, &kind_event, NULL, on_event_found, &finder);
    assert_string_equal(finder.message, "no nodes available to schedule pods");
    create(rig, &kind_node, "{'metadata':{'name':'n'}}");
    assert_string_equal(OBJECT_AS(Pod, get(rig, &kind_pod, "default", "web-0"))->spec.node_name,
                        "n");
    finder = (EventFinder){"Scheduled", &rig->arena, NULL, 0};
    client_list(rig->client, &kind_event, NULL, on_event_found, &finder);
    assert_string_equal(finder.message, "Successfully assigned default/web-0 to n");
}

static void the_same_event_counts_up(void **state)
{
    Rig *rig = *state;
    EventFinder finder = {"Testing", &rig->arena, NULL, 0};
    EventRecorder *recorder = event_recorder_new(rig->client, rig->clock, "tester", "n");

    for (int i = 0; i < 3; i++) {
        event_record(recorder, get(rig, &kind_namespace, NULL, "default"), "Normal", "Testing",
                     "number %d", 7);
        settle(rig);
    }
    client_list(rig->client, &kind_event, NULL, on_event_found, &finder);
    assert_string_equal(finder.message, "number 7");
    assert_int_equal(finder.count, 3);
    event_recorder_free(recorder);
}

static void an_old_event_is_forgotten(void **state)
{
    Rig *rig = *state;
    EventFinder finder = {"Testing", &rig->arena, NULL, 0};
    EventRecorder *recorder = event_recorder_new(rig->client, rig->clock, "tester", "n");

    event_record(recorder, get(rig, &kind_namespace, NULL, "default"), "Normal", "Testing", "once");
    settle(rig);
    clock_fake_advance(rig->clock, 3500 * NS_PER_SEC);
    settle(rig);
    client_list(rig->client, &kind_event, NULL, on_event_found, &finder);
    assert_non_null(finder.message);
    clock_fake_advance(rig->clock, 500 * NS_PER_SEC);
    settle(rig);
    finder.message = NULL;
    client_list(rig->client, &kind_event, NULL, on_event_found, &finder);
    assert_null(finder.message);
    event_recorder_free(recorder);
}

static bool on_counted(void *data, Object *object)
{
    *(size_t *)data += str_starts_with(OBJECT_AS(Event, object)->reason, "Testing");
    return true;
}

/* From the tenth message on, Events that differ in nothing else are counted in one. */
static void similar_events_are_combined(void **state)
{
    Rig *rig = *state;
    EventFinder finder = {"Testing", &rig->arena, NULL, 0};
    EventRecorder *recorder = event_recorder_new(rig->client, rig->clock, "tester", "n");
    size_t n = 0;

    for (int i = 0; i < 20; i++) {
        event_record(recorder, get(rig, &kind_namespace, NULL, "default"), "Normal", "Testing",
                     "number \"%d\"", i);
        settle(rig);
    }
    client_list(rig->client, &kind_event, NULL, on_counted, &n);
    assert_int_equal(n, 10);
    client_list(rig->client, &kind_event, NULL, on_event_found, &finder);
    assert_string_equal(finder.message, "(combined from similar events): number \"19\"");
    assert_int_equal(finder.count, 11);
    clock_fake_advance(rig->clock, 601 * NS_PER_SEC);
    event_record(recorder, get(rig, &kind_namespace, NULL, "default"), "Normal", "Testing", "late");
    settle(rig);
    n = 0;
    client_list(rig->client, &kind_event, NULL, on_counted, &n);
    assert_int_equal(n, 11);
    event_recorder_free(recorder);
}

static void record_numbered(Rig *rig, EventRecorder *recorder, int i)
{
    char reason[24];

    snprintf(reason, sizeof(reason), "Testing%d", i);
    event_record(recorder, get(rig, &kind_namespace, NULL, "default"), "Normal", reason, "m");
}

/* An object may cause 25 different Events at once, and one more every five minutes. */
static void an_object_with_too_many_events_is_cut_off(void **state)
{
    Rig *rig = *state;
    EventRecorder *recorder = event_recorder_new(rig->client, rig->clock, "tester", "n");
    size_t n = 0;

    for (int i = 0; i < 30; i++)
        record_numbered(rig, recorder, i);
    settle(rig);
    client_list(rig->client, &kind_event, NULL, on_counted, &n);
    assert_int_equal(n, 25);
    clock_fake_advance(rig->clock, 600 * NS_PER_SEC);
    for (int i = 30; i < 40; i++)
        record_numbered(rig, recorder, i);
    settle(rig);
    n = 0;
    client_list(rig->client, &kind_event, NULL, on_counted, &n);
    assert_int_equal(n, 27);
    event_recorder_free(recorder);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_namespace_gets_its_account_and_root_certificate),
        TEST(a_deleted_namespace_is_emptied_and_goes),
        TEST(a_namespace_loses_its_pods_first_and_tells_what_remains),
        TEST(a_slice_lists_the_pods_behind_a_service),
        TEST(a_terminating_pod_is_serving_but_not_ready),
        TEST(publish_not_ready_makes_every_pod_ready),
        TEST(only_changes_that_a_slice_shows_cause_work),
        TEST(a_surplus_slice_of_ours_goes_and_those_of_others_stay),
        TEST(a_claim_gets_a_volume_of_its_class),
        TEST(a_deleted_claim_takes_its_volume_along),
        TEST(the_smallest_volume_that_suits_is_taken),
        TEST(a_claim_waits_for_a_volume_that_comes_later),
        TEST(a_claim_that_waits_for_room_is_woken_when_a_volume_goes),
        TEST(a_claim_that_waits_to_grow_is_woken_when_a_volume_goes),
        TEST(a_retained_volume_is_released_and_stays),
        TEST(dependents_go_after_their_owner),
        TEST(in_the_foreground_they_go_before_it),
        TEST(orphans_stay_and_forget_their_owner),
        TEST(an_owner_that_never_was_takes_its_dependent_along),
        TEST(an_owner_of_an_unknown_kind_counts_as_there),
        TEST(a_set_tells_what_it_does),
        TEST(the_same_event_counts_up),
        TEST(similar_events_are_combined),
        TEST(an_old_event_is_forgotten),
        TEST(an_object_with_too_many_events_is_cut_off),
    };
    return cmocka_run_group_tests_name("controllers", tests, NULL, NULL);
}
