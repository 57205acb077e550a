/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What objects wait for. A world is a JSON list of objects, of which the first is the one in question;
 * quotes are written as '. The chain comes back as lines "object reason: message", with "> next" below
 * where there is advice.
 */
#include "testing.h"

#include "api/object.h"
#include "api/schema/core_event_v1.h"
#include "api/selector.h"
#include "codec/json/json.h"
#include "why/why.h"

#define NOW_NS (INT64_C(1700000000) * 1000000000)

typedef struct World {
    Arena arena;
    yyjson_val *objects;
    const char *forbidden; /* a kind that the user may not read */
    bool has_log;
} World;

static void *decode(World *world, const Kind *kind, yyjson_val *json)
{
    static const char *const ignore[] = {"kind", "apiVersion", NULL};
    void *value = arena_alloc(&world->arena, kind->type->size);
    DecodeReport report = {0};

    if (json_decode(kind->type, &world->arena, json, DECODE_CHECK_FIELDS, ignore, value, &report))
        fail_msg("%s: %s", kind->kind, report.error ? report.error : report.field_errors.v[0]);
    type_default(kind->type, &world->arena, value);
    return value;
}

static bool is_of(yyjson_val *json, const Kind *kind)
{
    return str_equal(yyjson_get_str(yyjson_obj_get(json, "kind")), kind->kind);
}

static WhyAnswer world_list(void *data, const Kind *kind, const char *ns, const char *selector,
                            WhyList *ret)
{
    World *world = data;
    Selector *parsed = NULL;
    const char *why;
    yyjson_val *json;
    size_t i, n;

    *ret =
        (WhyList){.v = arena_new_n(&world->arena, const void *, yyjson_arr_size(world->objects))};
    if (str_equal(world->forbidden, kind->kind))
        return WHY_UNKNOWN;
    if (selector)
        assert_int_equal(selector_parse_labels(&world->arena, selector, &parsed, &why), 0);
    yyjson_arr_foreach(world->objects, i, n, json) if (is_of(json, kind))
    {
        const ObjectMeta *meta = decode(world, kind, json);

        if (!parsed || selector_matches_labels(parsed, &meta->labels))
            ret->v[ret->n++] = meta;
    }
    return WHY_FOUND;
}

static WhyAnswer world_get(void *data, const Kind *kind, const char *ns, const char *name,
                           const void **ret)
{
    WhyList list;

    if (world_list(data, kind, ns, NULL, &list) != WHY_FOUND)
        return WHY_UNKNOWN;
    for (size_t i = 0; i < list.n; i++)
        if (str_equal(((const ObjectMeta *)list.v[i])->name, name)) {
            *ret = list.v[i];
            return WHY_FOUND;
        }
    return WHY_MISSING;
}

static WhyAnswer world_events(void *data, const char *ns, const char *uid, WhyList *ret)
{
    WhyList all;
    WhyAnswer answer = world_list(data, &kind_event, ns, NULL, &all);

    *ret = (WhyList){.v = all.v};
    for (size_t i = 0; i < all.n; i++)
        if (str_equal(((const Event *)all.v[i])->involved_object.uid, uid))
            ret->v[ret->n++] = all.v[i];
    return answer;
}

static const char *world_last_line(void *data, const char *ns, const char *pod,
                                   const char *container)
{
    return ((World *)data)->has_log ? "panic: no database" : NULL;
}

typedef struct Case {
    const char *name, *objects, *chain;
    const char *forbidden;
    bool has_log;
} Case;

#define META(name) "'metadata':{'name':'" name "','namespace':'ns','uid':'" name "-uid'"
#define POD_OF(name, owner)                                                                      \
    "{'kind':'Pod'," META(name) ",'labels':{'app':'web'},'ownerReferences':[{'apiVersion':'v1'," \
                                "'kind':'x','name':'x','uid':'" owner "','controller':true}]}"
#define POD(name) "{'kind':'Pod'," META(name) ",'labels':{'app':'web'}}"
#define SPEC(extra) ",'spec':{'containers':[{'name':'main','image':'i'}]" extra "}"
#define ON_NODE SPEC(",'nodeName':'n1'")
#define STATUS(members) ",'status':{'phase':'Pending'," members "}}"
#define CONTAINER(state)                                                                  \
    STATUS("'containerStatuses':[{'name':'main','image':'i','imageID':'','ready':false,'" \
           "restartCount':3," state "}]")
#define WAITING(reason, message) \
    "'state':{'waiting':{'reason':'" reason "','message':'" message "'}}"
#define EVENT(about, reason, message)                                                          \
    "{'kind':'Event','metadata':{'name':'e','namespace':'ns'},'involvedObject':{'uid':'" about \
    "-uid'},'reason':'" reason "','message':'" message "','lastTimestamp':'2023-01-01T00:00:00Z'}"
#define OLD_EVENT(about, reason, message)                                                      \
    "{'kind':'Event','metadata':{'name':'e','namespace':'ns'},'involvedObject':{'uid':'" about \
    "-uid'},'reason':'" reason "','message':'" message "','lastTimestamp':'2022-01-01T00:00:00Z'}"
#define READY                                                                                     \
    STATUS("'conditions':[{'type':'Ready','status':'True'}],'containerStatuses':[{'name':'main'," \
           "'image':'i','imageID':'','ready':true,'restartCount':0}]")
#define RESIZED(type, reason, message)                                                   \
    STATUS("'conditions':[{'type':'Ready','status':'True'},{'type':" type                \
           ",'status':'True','reason':'" reason "','message':'" message "'}],"           \
           "'containerStatuses':[{'name':'main','image':'i','imageID':'','ready':true,'" \
           "restartCount':0}]")
#define UNSCHEDULED(message)                                                                  \
    STATUS("'conditions':[{'type':'PodScheduled','status':'False','reason':'Unschedulable','" \
           "message':'" message "'}]")
#define SELECTOR "'selector':{'matchLabels':{'app':'web'}}"
#define TEMPLATE                                                                                   \
    "'template':{'metadata':{'labels':{'app':'web'}},'spec':{'containers':[{'name':'main','image'" \
    ":'i'}]}}"
#define SET(conditions)                                                                         \
    "{'kind':'StatefulSet'," META("web") "},'spec':{'serviceName':'web','replicas':2," SELECTOR \
                                         "," TEMPLATE                                           \
                                         "},'status':{'replicas':2,'readyReplicas':1,'"         \
                                         "availableReplicas':1,'conditions':[" conditions "]}}"
#define CONDITION(type, status, reason, message) \
    "{'type':'" type "','status':'" status "','reason':'" reason "','message':'" message "'}"
#define CLAIM(spec, status)                                  \
    "{'kind':'PersistentVolumeClaim'," META(                 \
        "data") "},'spec':{'accessModes':['ReadWriteOnce']," \
                "'resources':{'requests':{'storage':'2Gi'}}" spec "},'status':{" status "}}"
#define CLASS(name, mode, extra)                                 \
    "{'kind':'StorageClass','metadata':{'name':'" name "'" extra \
    "},'provisioner':'stead.dev/volume','volumeBindingMode':'" mode "'}"
#define WITH_CLAIM SPEC(",'volumes':[{'name':'d','persistentVolumeClaim':{'claimName':'data'}}]")
#define SERVICE(members)       \
    "{'kind':'Service'," META( \
        "web") "},'spec':{'ports':[{'port':80,'targetPort':'http'}]," members "}}"
#define SLICE(ready)                                                                             \
    "{'kind':'EndpointSlice','metadata':{'name':'web-1','namespace':'ns','labels':{'kubernetes." \
    "io/"                                                                                        \
    "service-name':'web'}},'addressType':'IPv4','endpoints':[{'addresses':['10.0.0.1'],"         \
    "'conditions':{'ready':" ready "}}],'ports':[]}"
#define LOGS "> read what it wrote: kubectl logs web-0 -c main --previous -n ns\n"

static const Case CASES[] = {
    /* pods */
    {"a_ready_pod_waits_for_nothing", POD("web-0") ON_NODE READY, ""},
    {"a_ready_pod_waits_for_resources",
     POD("web-0") ON_NODE RESIZED("'PodResizePending'", "Deferred", "Node is full"),
     "pod/web-0 ResizeDeferred: its node has no room yet for the resources that it asks for: Node "
     "is full\n> ask for less, or delete or shrink other pods\n"},
    {"resources_that_cannot_be_given_are_named",
     POD("web-0") ON_NODE RESIZED("'PodResizePending'", "Infeasible", "no cgroups"),
     "pod/web-0 ResizeInfeasible: its node cannot give it the resources that it asks for: no "
     "cgroups\n> ask for resources that the node can give\n"},
    {"resources_in_use_are_named",
     POD("web-0") ON_NODE RESIZED("'PodResizeInProgress'", "Error", "in use"),
     "pod/web-0 ResizeError: its resources cannot be changed: in use\n> the node tries again by "
     "itself\n"},
    {"a_finished_pod_waits_for_nothing", POD("web-0") ON_NODE ",'status':{'phase':'Succeeded'}}",
     ""},
    {"a_failed_pod_says_why",
     POD("web-0") ON_NODE
     ",'status':{'phase':'Failed','reason':'Evicted','message':'The node was low on disk.'}}",
     "pod/web-0 Evicted: it has failed: The node was low on disk.\n> read what it wrote: kubectl "
     "logs web-0 -n ns\n"},
    {"a_new_pod_waits_for_the_scheduler", POD("web-0") SPEC("") STATUS("'conditions':[]"),
     "pod/web-0 Scheduling: the scheduler has not chosen a node yet\n"},
    {"a_pod_of_another_scheduler_waits_for_that",
     POD("web-0") SPEC(",'schedulerName':'mine'") STATUS("'conditions':[]"),
     "pod/web-0 Scheduling: the scheduler has not chosen a node yet\n> its schedulerName is mine; "
     "this scheduler has to run\n"},
    {"a_gated_pod_waits_for_its_gate",
     POD("web-0") SPEC(",'schedulingGates':[{'name':'quota'}]") STATUS("'conditions':[]"),
     "pod/web-0 SchedulingGated: it waits for the removal of its scheduling gate quota\n> the "
     "program that has set the gate removes it\n"},
    {"a_pod_that_asks_for_too_much_is_told_so",
     POD("web-0") SPEC("") UNSCHEDULED("0/1 nodes are available: 1 Insufficient memory."),
     "pod/web-0 Unschedulable: no node can take it: 0/1 nodes are available: 1 Insufficient "
     "memory.\n> ask for less in resources.requests, or make room on the node\n"},
    {"a_taint_is_named",
     POD("web-0") SPEC("") UNSCHEDULED("0/1 nodes: 1 node(s) had untolerated taint(s) {a: b}."),
     "pod/web-0 Unschedulable: no node can take it: 0/1 nodes: 1 node(s) had untolerated taint(s) "
     "{a: b}.\n> add a toleration to the pod, or take the taint off the node: kubectl taint node "
     "NAME KEY-\n"},
    {"a_cordoned_node_is_named", POD("web-0") SPEC("") UNSCHEDULED("1 node(s) were unschedulable."),
     "pod/web-0 Unschedulable: no node can take it: 1 node(s) were unschedulable.\n> allow pods on "
     "the node again: kubectl uncordon NAME\n"},
    {"a_missing_claim_is_named",
     POD("web-0") WITH_CLAIM UNSCHEDULED("persistentvolumeclaim \\'data\\' not found"),
     "pod/web-0 Unschedulable: no node can take it: persistentvolumeclaim 'data' not found\n"
     "persistentvolumeclaim/data NotFound: the PersistentVolumeClaim does not exist\n> create the "
     "claim, or correct claimName in the volumes of the pod\n"},
    {"a_claim_that_is_forbidden_to_read_ends_the_chain",
     POD("web-0") WITH_CLAIM UNSCHEDULED("no room") "," CLAIM("", "'phase':'Pending'"),
     "pod/web-0 Unschedulable: no node can take it: no room\n",
     .forbidden = "PersistentVolumeClaim"},
    {"a_pod_without_containers_is_being_created", POD("web-0") ON_NODE STATUS("'conditions':[]"),
     "pod/web-0 ContainerCreating: its containers are being created\n"},
    {"a_failed_mount_is_named",
     POD("web-0") ON_NODE CONTAINER(WAITING("ContainerCreating", "")) "," EVENT(
         "web-0", "FailedMount", "no such file"),
     "pod/web-0 FailedMount: its containers cannot be created: no such file\n"},
    {"a_missing_config_map_is_named",
     POD("web-0") SPEC(",'nodeName':'n1','volumes':[{'name':'c','configMap':{'name':'settings'}}]")
         CONTAINER(WAITING("ContainerCreating", "")),
     "pod/web-0 ContainerCreating: its containers are being created\nconfigmap/settings NotFound: "
     "the ConfigMap does not exist\n> create the ConfigMap, or correct its name in the volumes of "
     "the pod\n"},
    {"an_optional_config_map_is_not",
     POD("web-0") SPEC(",'nodeName':'n1','volumes':[{'name':'c','configMap':{'name':'settings','"
                       "optional':true}}]") CONTAINER(WAITING("ContainerCreating", "")),
     "pod/web-0 ContainerCreating: its containers are being created\n"},
    {"a_missing_secret_is_named",
     POD("web-0") SPEC(",'nodeName':'n1','volumes':[{'name':'c','secret':{'secretName':'key'}}]")
         CONTAINER(WAITING("ContainerCreating", "")),
     "pod/web-0 ContainerCreating: its containers are being created\nsecret/key NotFound: the "
     "Secret does not exist\n> create the Secret, or correct its name in the volumes of the pod\n"},
    {"a_missing_variable_is_named",
     POD("web-0") ON_NODE CONTAINER(WAITING("CreateContainerConfigError", "secret not found")),
     "pod/web-0 CreateContainerConfigError: container main does not start: secret not found\n> "
     "create what is missing, or correct the reference in env, envFrom or securityContext of the "
     "container\n"},
    {"a_pull_error_is_taken_from_the_event",
     POD("web-0")
         ON_NODE CONTAINER(WAITING("ImagePullBackOff", "Back-off pulling image")) "," OLD_EVENT(
             "web-0", "Failed",
             "an older failure") "," EVENT("web-0", "Failed",
                                           "Failed to pull image: not found") "," OLD_EVENT("web-0",
                                                                                            "Faile"
                                                                                            "d",
                                                                                            "an "
                                                                                            "older "
                                                                                            "failur"
                                                                                            "e"),
     "pod/web-0 ImagePullBackOff: container main does not start: Failed to pull image: not "
     "found\n> "
     "correct the image of the container, give it imagePullSecrets, or import the image (stead "
     "image "
     "import FILE)\n"},
    {"a_bad_image_name_is_told",
     POD("web-0") ON_NODE CONTAINER(WAITING("InvalidImageName", "bad name")),
     "pod/web-0 InvalidImageName: container main does not start: bad name\n> correct the image of "
     "the container, since this is not the name of an image\n"},
    {"a_registry_that_is_away_is_told",
     POD("web-0") ON_NODE CONTAINER(WAITING("RegistryUnavailable", "no route")),
     "pod/web-0 RegistryUnavailable: container main does not start: no route\n> check the network "
     "and the address of the registry; the pull is tried again\n"},
    {"an_image_that_is_never_pulled_is_told",
     POD("web-0") ON_NODE CONTAINER(WAITING("ErrImageNeverPull", "not present")),
     "pod/web-0 ErrImageNeverPull: container main does not start: not present\n> import the image "
     "on the node (stead image import FILE), or let imagePullPolicy pull it\n"},
    {"a_command_that_does_not_exist_is_told",
     POD("web-0") ON_NODE CONTAINER(WAITING("RunContainerError", "no such file")),
     "pod/web-0 RunContainerError: container main does not start: no such file\n> correct command, "
     "volumeMounts or securityContext of the container\n"},
    {"a_crash_loop_shows_the_exit_code",
     POD("web-0")
         ON_NODE CONTAINER(WAITING("CrashLoopBackOff", "") ",'lastState':{'terminated':{"
                                                           "'exitCode':7,'reason':'Error'}}"),
     "pod/web-0 CrashLoopBackOff: container main has ended 3 times, the last time with exit code "
     "7; "
     "it is started again after a delay\n" LOGS},
    {"a_crash_loop_shows_the_last_line",
     POD("web-0")
         ON_NODE CONTAINER(WAITING("CrashLoopBackOff", "") ",'lastState':{'terminated':{"
                                                           "'exitCode':7,'reason':'Error'}}"),
     "pod/web-0 CrashLoopBackOff: container main has ended 3 times, the last time with exit code "
     "7; "
     "it is started again after a delay; its last line: panic: no database\n" LOGS,
     .has_log = true},
    {"or_its_termination_message",
     POD("web-0") ON_NODE CONTAINER(
         WAITING("CrashLoopBackOff", "") ",'lastState':{'terminated':{"
                                         "'exitCode':0,'signal':9,'message':'bye'}}"),
     "pod/web-0 CrashLoopBackOff: container main has ended 3 times, the last time by signal 9; it "
     "is "
     "started again after a delay; its last line: bye\n" LOGS,
     .has_log = true},
    {"a_container_that_needs_more_memory_is_told",
     POD("web-0")
         ON_NODE CONTAINER(WAITING("CrashLoopBackOff", "") ",'lastState':{'terminated':{"
                                                           "'exitCode':137,'reason':'OOMKilled'}}"),
     "pod/web-0 CrashLoopBackOff: container main has ended 3 times, the last time, since it used "
     "more memory than it may; it is started again after a delay\n> raise resources.limits.memory "
     "of "
     "the container\n"},
    {"a_failing_probe_is_shown",
     POD("web-0") ON_NODE CONTAINER("'state':{'running':{}}") "," EVENT(
         "web-0", "Unhealthy", "Readiness probe failed: HTTP 503"),
     "pod/web-0 ProbeFailing: container main runs, but is not ready: Readiness probe failed: HTTP "
     "503\n> find out why the probe fails: kubectl logs web-0 -c main -n ns\n"},
    {"an_event_of_another_pod_is_not",
     POD("web-0") ON_NODE CONTAINER("'state':{'running':{}}") "," EVENT(
         "web-1", "Unhealthy", "Readiness probe failed: HTTP 503"),
     "pod/web-0 NotReady: container main runs, but its readiness probe has not succeeded yet\n"},
    {"a_starting_container_waits_for_its_startup_probe",
     POD("web-0") ON_NODE CONTAINER("'started':false,'state':{'running':{}}"),
     "pod/web-0 Starting: container main runs, but its startup probe has not succeeded yet\n"},
    {"an_ended_container_is_named",
     POD("web-0") ON_NODE CONTAINER("'state':{'terminated':{'exitCode':2,'reason':'Error'}}"),
     "pod/web-0 Error: container main has ended with exit code 2\n> read what it wrote: kubectl "
     "logs "
     "web-0 -c main -n ns\n"},
    {"a_pod_waits_for_its_init_container",
     POD("web-0") ON_NODE STATUS(
         "'initContainerStatuses':[{'name':'one','image':'i','imageID':'','ready':false,"
         "'restartCount':0,'state':{'terminated':{'exitCode':0}}},{'name':'two','image':'i',"
         "'imageID':'','ready':false,'restartCount':0,'state':{'running':{}}}],"
         "'containerStatuses':[{'name':'main','image':'i','imageID':'','ready':false,"
         "'restartCount':0,'state':{'waiting':{'reason':'PodInitializing'}}}]"),
     "pod/web-0 Initializing: init container two has not finished yet; the containers start after "
     "it\n> see what it does: kubectl logs web-0 -c two -n ns\n"},
    {"a_readiness_gate_is_named",
     POD("web-0") SPEC(",'nodeName':'n1','readinessGates':[{'conditionType':'a/b'}]")
         STATUS("'conditions':[],'containerStatuses':[{'name':'main','image':'i','imageID':'',"
                "'ready':true,'restartCount':0}]"),
     "pod/web-0 ReadinessGate: it waits for the condition a/b of its readiness gates\n> the "
     "program "
     "that the gate is for sets this condition\n"},
    {"a_terminating_pod_has_time_left",
     "{'kind':'Pod'," META("web-0") ",'deletionTimestamp':'2023-11-14T22:13:50Z'}" ON_NODE "}",
     "pod/web-0 Terminating: it is being deleted; its containers have 30 s left to stop\n"},
    {"a_pod_has_all_of_its_last_second",
     "{'kind':'Pod'," META("web-0") ",'deletionTimestamp':'2023-11-14T22:13:20Z'}" ON_NODE "}",
     "pod/web-0 Terminating: it is being deleted; its containers have 0 s left to stop\n"},
    {"a_pod_whose_time_is_over_waits_for_its_node",
     "{'kind':'Pod'," META("web-0") ",'deletionTimestamp':'2023-11-14T22:13:00Z'}" ON_NODE "}",
     "pod/web-0 Terminating: it is being deleted; its grace period ended 20 s ago, but the node "
     "has "
     "not confirmed that its containers are gone\n> look at the node: stead why node/n1\n"},
    {"or_for_its_finalizer",
     "{'kind':'Pod'," META("web-0") ",'deletionTimestamp':'2023-11-14T22:13:00Z','finalizers':["
                                    "'a/b']}" ON_NODE "}",
     "pod/web-0 Terminating: it is being deleted, and waits for the removal of its finalizer "
     "a/b\n> "
     "the program that has set the finalizer removes it\n"},

    /* claims */
    {"a_bound_claim_waits_for_nothing", CLAIM("", "'phase':'Bound','capacity':{'storage':'2Gi'}"),
     ""},
    {"a_claim_grows", CLAIM("", "'phase':'Bound','capacity':{'storage':'1Gi'}"),
     "persistentvolumeclaim/data Resizing: its volume has 1Gi and has to grow to 2Gi\n"},
    {"a_claim_may_have_to_wait_for_a_restart",
     CLAIM("", "'phase':'Bound','capacity':{'storage':'1Gi'},'conditions':[" CONDITION(
                   "FileSystemResizePending", "True", "", "") "]"),
     "persistentvolumeclaim/data FileSystemResizePending: its volume has 1Gi and has to grow to "
     "2Gi, "
     "which the node is doing, or does when no pod uses it\n> if this takes longer than some "
     "seconds, the node cannot grow a volume in use: stop its pod for a moment\n"},
    {"a_claim_cannot_grow",
     CLAIM("", "'phase':'Bound','capacity':{'storage':'1Gi'}") "," EVENT(
         "data", "VolumeResizeFailed", "no room"),
     "persistentvolumeclaim/data VolumeResizeFailed: its volume has 1Gi and has to grow to 2Gi: no "
     "room\n> free some room on the disk: stead volume ls\n"},
    {"a_failure_tells_more_than_the_condition",
     CLAIM("", "'phase':'Bound','capacity':{'storage':'1Gi'},'conditions':[" CONDITION(
                   "FileSystemResizePending", "True", "",
                   "") "]") "," EVENT("data", "VolumeResizeFailed", "no room"),
     "persistentvolumeclaim/data VolumeResizeFailed: its volume has 1Gi and has to grow to 2Gi: no "
     "room\n> free some room on the disk: stead volume ls\n"},
    {"a_claim_waits_for_its_first_pod",
     CLAIM(",'storageClassName':'standard'",
           "'phase':'Pending'") "," CLASS("standard", "WaitForFirstConsumer", ""),
     "persistentvolumeclaim/data WaitForFirstConsumer: it gets its volume when the first pod uses "
     "it, and no pod does\n> create a pod with this claim, or use a class that binds at once\n"},
    {"a_claim_waits_for_the_node_of_its_pod",
     CLAIM(",'storageClassName':'standard'", "'phase':'Pending'") "," CLASS(
         "standard", "WaitForFirstConsumer", "") "," POD("web-0") WITH_CLAIM "}",
     "persistentvolumeclaim/data WaitForFirstConsumer: it gets its volume when pod web-0 has a "
     "node\n"},
    {"a_claim_waits_for_room",
     CLAIM(",'storageClassName':'standard'",
           "'phase':'Pending'") "," EVENT("data", "ProvisioningFailed", "the disk has 1Gi left"),
     "persistentvolumeclaim/data ProvisioningFailed: the disk has 1Gi left\n> free some room on "
     "the "
     "disk (stead volume ls), or ask for less\n"},
    {"a_claim_names_no_class", CLAIM("", "'phase':'Pending'"),
     "persistentvolumeclaim/data NoDefaultClass: it names no StorageClass, and there is no default "
     "one\n> set storageClassName of the claim; the classes: kubectl get storageclass\n"},
    {"a_claim_gets_the_default_class",
     CLAIM("", "'phase':'Pending'") "," CLASS(
         "a", "Immediate", ",'annotations':{'storageclass.kubernetes.io/is-default-class':'true'}"),
     "persistentvolumeclaim/data Pending: its volume is being provisioned\n"},
    {"a_claim_names_a_class_that_does_not_exist",
     CLAIM(",'storageClassName':'fast'", "'phase':'Pending'"),
     "persistentvolumeclaim/data NoClass: its StorageClass fast does not exist\n> create the "
     "class, "
     "or make the claim again with another one: kubectl get storageclass\n"},
    {"a_claim_wants_a_volume_without_a_class", CLAIM(",'storageClassName':''", "'phase':'Pending'"),
     "persistentvolumeclaim/data NoVolume: its storageClassName is empty, so it waits for a volume "
     "that suits it\n> create a PersistentVolume, or name a class\n"},
    {"a_claim_names_its_volume", CLAIM(",'volumeName':'pv1'", "'phase':'Pending'"),
     "persistentvolumeclaim/data Pending: it waits for the volume pv1 that it names\n> check that "
     "the "
     "volume exists, is Available, and suits the claim: kubectl get pv\n"},
    {"a_claim_is_being_provisioned",
     CLAIM(",'storageClassName':'a'", "'phase':'Pending'") "," CLASS("a", "Immediate", ""),
     "persistentvolumeclaim/data Pending: its volume is being provisioned\n"},
    {"a_claim_has_lost_its_volume", CLAIM(",'volumeName':'pv1'", "'phase':'Lost'"),
     "persistentvolumeclaim/data Lost: its volume pv1 is gone, and with it the data\n> delete the "
     "claim and make it again, or restore the volume from a backup\n"},
    {"a_deleted_claim_waits_for_its_pod",
     "{'kind':'PersistentVolumeClaim'," META(
         "data") ",'deletionTimestamp':'2023-11-14T22:13:00Z',"
                 "'finalizers':['kubernetes.io/pvc-protection']},'spec':{}}," POD("web-0")
                     WITH_CLAIM "}",
     "persistentvolumeclaim/data Terminating: it is being deleted, but pod web-0 still uses it\n> "
     "delete the pod: kubectl delete pod web-0 -n ns\n"},
    {"or_for_its_finalizer_if_no_pod_uses_it",
     "{'kind':'PersistentVolumeClaim'," META("data") ",'deletionTimestamp':'2023-11-14T22:13:00Z',"
                                                     "'finalizers':['a/b']},'spec':{}}",
     "persistentvolumeclaim/data Terminating: it is being deleted, and waits for the removal of "
     "its "
     "finalizer a/b\n"},

    /* sets */
    {"a_complete_set_waits_for_nothing",
     SET(CONDITION("Available", "True", "AllReplicasAvailable",
                   "") "," CONDITION("Progressing", "False", "Complete", "")),
     ""},
    {"a_set_leads_to_its_pod_and_its_claim",
     SET(CONDITION(
         "Available", "False", "PodNotReady",
         "1 of 2: waiting for pod web-1") "," CONDITION("Progressing", "True", "PodNotReady",
                                                        "waiting for pod web-1")) "," POD_OF("web-"
                                                                                             "0",
                                                                                             "web-"
                                                                                             "uid")
         ON_NODE READY "," POD_OF("web-1", "web-uid") WITH_CLAIM UNSCHEDULED(
             "unbound claims") "," CLAIM(",'storageClassName':'gone'", "'phase':'Pending'"),
     "statefulset/web PodNotReady: 1 of 2: waiting for pod web-1\npod/web-1 Unschedulable: no node "
     "can take it: unbound claims\npersistentvolumeclaim/data NoClass: its StorageClass gone does "
     "not exist\n> create the class, or make the claim again with another one: kubectl get "
     "storageclass\n"},
    {"a_pod_of_another_owner_does_not_count",
     SET(CONDITION("Available", "False", "PodNotReady", "waiting")) "," POD_OF("web-1", "other-uid")
         ON_NODE CONTAINER(WAITING("InvalidImageName", "bad")),
     "statefulset/web PodNotReady: waiting\n"},
    {"a_set_at_its_partition_waits_for_its_user",
     SET(CONDITION("Available", "True", "AllReplicasAvailable", "") "," CONDITION(
         "Progressing", "False", "Partition", "waiting for pod web-0 to be updated")),
     "statefulset/web Partition: waiting for pod web-0 to be updated\n> lower "
     "spec.updateStrategy.rollingUpdate.partition when the updated pods have proved good\n"},
    {"a_finished_recreate_waits_for_nothing",
     SET(CONDITION("Available", "True", "AllReplicasAvailable",
                   "") "," CONDITION("Progressing", "False", "RecreateCompleted", "")),
     ""},
    {"a_quota_is_named",
     SET(CONDITION(
         "Available", "False", "FailedCreate",
         "pod web-1: exceeded quota: small") "," CONDITION("Progressing", "False", "FailedCreate",
                                                           "pod web-1: exceeded quota: small")),
     "statefulset/web FailedCreate: pod web-1: exceeded quota: small\n> raise the ResourceQuota of "
     "the namespace, or ask for less\n"},
    {"a_set_of_another_server_is_explained_by_its_counts",
     SET("") "," POD_OF("web-1", "web-uid") ON_NODE CONTAINER(WAITING("InvalidImageName", "bad")),
     "statefulset/web PodNotReady: 1 of 2 replicas are ready\npod/web-1 InvalidImageName: "
     "container "
     "main does not start: bad\n> correct the image of the container, since this is not the name "
     "of "
     "an image\n"},
    {"a_set_leads_to_its_growing_claim",
     "{'kind':'StatefulSet'," META(
         "web") "},'spec':{'serviceName':'web','replicas':1," SELECTOR "," TEMPLATE
                ",'volumeClaimTemplates':[{'metadata':{'name':'x'},'spec':{}}]},'status':{"
                "'replicas':1,'readyReplicas':1,'conditions':[" CONDITION(
                    "Progressing", "True", "ClaimGrowing",
                    "waiting for claim x-web-0") "]}},"
                                                 "{'kind':'PersistentVolumeClaim'," META(
                                                     "x-web-0") "},'spec':{'resources':{'requests':"
                                                                "{"
                                                                "'storage':'2Gi'}}},'status':{'"
                                                                "phase':'Bound','capacity':{'"
                                                                "storage':'1Gi'}}}",
     "statefulset/web ClaimGrowing: waiting for claim x-web-0\npersistentvolumeclaim/x-web-0 "
     "Resizing: its volume has 1Gi and has to grow to 2Gi\n"},
    {"a_change_that_was_not_seen_is_told",
     "{'kind':'StatefulSet'," META("web") ",'generation':2},'spec':{'serviceName':'w'," SELECTOR
                                          "," TEMPLATE
                                          "},'status':{'replicas':0,'observedGeneration':1}}",
     "statefulset/web NotObserved: the controller has not seen its latest change yet\n"},
    {"a_set_that_is_being_deleted_waits_for_its_finalizer",
     "{'kind':'StatefulSet'," META("web") ",'deletionTimestamp':'2023-11-14T22:13:00Z',"
                                          "'finalizers':['a/b']},'spec':{" SELECTOR "," TEMPLATE
                                          "}}",
     "statefulset/web Terminating: it is being deleted, and waits for the removal of its finalizer "
     "a/b\n> the program that has set the finalizer removes it; if this program is gone for good, "
     "remove the finalizer by kubectl edit\n"},

    /* other workloads */
    {"a_complete_deployment_waits_for_nothing",
     "{'kind':'Deployment'," META("web") "},'spec':{" SELECTOR "," TEMPLATE "},'status':{"
                                         "'replicas':1,'updatedReplicas':1,'availableReplicas':1}}",
     ""},
    {"a_deployment_leads_to_its_pod",
     "{'kind':'Deployment'," META(
         "web") "},'spec':{" SELECTOR "," TEMPLATE "},'status':{"
                "'replicas':1,'updatedReplicas':1,'conditions':[" CONDITION(
                    "Progressing", "False", "ProgressDeadlineExceeded", "") "]}}," POD_OF("web-x",
                                                                                          "rs-uid")
                    ON_NODE CONTAINER(WAITING("InvalidImageName", "bad")),
     "deployment/web ProgressDeadlineExceeded: 1 of 1 replicas are updated and 0 are "
     "available\npod/web-x InvalidImageName: container main does not start: bad\n> correct the "
     "image "
     "of the container, since this is not the name of an image\n"},
    {"a_paused_deployment_is_told",
     "{'kind':'Deployment'," META("web") "},'spec':{'paused':true," SELECTOR "," TEMPLATE
                                         "},'status':{}}",
     "deployment/web Paused: it is paused with 0 of 1 replicas updated\n> kubectl rollout resume "
     "deployment/web\n"},
    {"a_deployment_leads_to_the_refusal_of_its_replica_set",
     "{'kind':'Deployment'," META(
         "web") "},'spec':{" SELECTOR "," TEMPLATE "},'status':{}},"
                "{'kind':'ReplicaSet'," META(
                    "web-1") ",'labels':{'app':'web'},'ownerReferences':[{"
                             "'apiVersion':'apps/"
                             "v1','kind':'Deployment','name':'web','uid':'web-uid','controller':"
                             "true}]},"
                             "'spec':{" SELECTOR "," TEMPLATE
                             "},'status':{'replicas':0,'conditions':[" CONDITION(
                                 "ReplicaFailure", "True", "FailedCreate",
                                 "violates PodSecurity") "]}}",
     "deployment/web Progressing: 0 of 1 replicas are updated and 0 are available\n"
     "replicaset/web-1 FailedCreate: violates PodSecurity\n> change the pod template to what the "
     "Pod "
     "Security level of the namespace allows\n"},
    {"a_replica_set_of_another_deployment_does_not_count",
     "{'kind':'Deployment'," META(
         "web") "},'spec':{" SELECTOR "," TEMPLATE "},'status':{}},"
                "{'kind':'ReplicaSet'," META(
                    "web-1") ",'labels':{'app':'web'},'ownerReferences':[{"
                             "'apiVersion':'apps/"
                             "v1','kind':'Deployment','name':'db','uid':'db-uid','controller':true}"
                             "]},"
                             "'spec':{" SELECTOR "," TEMPLATE
                             "},'status':{'replicas':0,'conditions':[" CONDITION(
                                 "ReplicaFailure", "True", "FailedCreate", "refused") "]}}",
     "deployment/web Progressing: 0 of 1 replicas are updated and 0 are available\n"},
    {"a_replication_controller_is_explained",
     "{'kind':'ReplicationController'," META(
         "web") "},'spec':{'replicas':1,'selector':{'app':'web'}," TEMPLATE
                "},'status':{'replicas':0}}," EVENT("web", "FailedCreate",
                                                    "serviceaccount not found"),
     "replicationcontroller/web FailedCreate: 0 of 1 replicas are available: serviceaccount not "
     "found\n> create the ServiceAccount, or name another one in the pod template\n"},
    {"a_daemon_set_is_explained",
     "{'kind':'DaemonSet'," META(
         "web") "},'spec':{" SELECTOR "," TEMPLATE "},'status':{"
                "'desiredNumberScheduled':1,'currentNumberScheduled':1,'updatedNumberScheduled':1,"
                "'numberAvailable':0,'numberMisscheduled':0,'numberReady':0}}",
     "daemonset/web PodNotReady: its pods are available on 0 of 1 nodes, and updated on 1\n"},
    {"a_complete_job_waits_for_nothing",
     "{'kind':'Job'," META("web") "},'spec':{" TEMPLATE "},'status':{'conditions':["
                                  "{'type':'Complete','status':'True'}]}}",
     ""},
    {"a_failed_job_says_why",
     "{'kind':'Job'," META("web") "},'spec':{" SELECTOR "," TEMPLATE
                                  "},'status':{'conditions':[" CONDITION(
                                      "Failed", "True", "BackoffLimitExceeded", "too many") "]}}",
     "job/web BackoffLimitExceeded: it has failed: too many\n> find the reason in its pods, delete "
     "the job, and create it again\n"},
    {"a_suspended_job_is_told",
     "{'kind':'Job'," META("web") "},'spec':{'suspend':true," SELECTOR "," TEMPLATE "}}",
     "job/web Suspended: it is suspended\n> kubectl patch job web -p "
     "'{\"spec\":{\"suspend\":false}}'\n"},
    {"a_running_job_waits_for_its_pods",
     "{'kind':'Job'," META("web") "},'spec':{'completions':3," SELECTOR "," TEMPLATE
                                  "},'status':{'active':1,'succeeded':2}}",
     "job/web Running: 2 of 3 completions are done, 1 pods run, and 0 have failed\n"},

    /* services */
    {"a_service_with_endpoints_waits_for_nothing",
     SERVICE("'selector':{'app':'web'}") "," SLICE("true"), ""},
    {"a_service_without_a_selector_waits_for_nothing", SERVICE("'type':'ClusterIP'"), ""},
    {"an_external_name_waits_for_nothing", SERVICE("'type':'ExternalName','selector':{'a':'b'}"),
     ""},
    {"a_service_finds_no_pods", SERVICE("'selector':{'app':'web'}"),
     "service/web NoPods: it has no endpoints, since no pod has its labels app=web\n> compare "
     "spec.selector with the labels of the pods: kubectl get pods --show-labels\n"},
    {"a_service_leads_to_the_failing_probe",
     SERVICE("'selector':{'app':'web'}") "," SLICE("false") "," POD("web-0") ON_NODE CONTAINER(
         "'state':{'running':{}}") "," EVENT("web-0", "Unhealthy", "probe failed"),
     "service/web NoEndpoints: it has no ready endpoints among 1 pods\npod/web-0 ProbeFailing: "
     "container main runs, but is not ready: probe failed\n> find out why the probe fails: kubectl "
     "logs web-0 -c main -n ns\n"},
    {"a_service_names_a_port_that_no_pod_has",
     SERVICE("'selector':{'app':'web'}") "," POD("web-0") ON_NODE READY,
     "service/web NoPort: its targetPort http is no port of pod web-0\n> name the port in "
     "containers[].ports of the pods, or correct targetPort\n"},
    {"a_load_balancer_waits_for_its_address", SERVICE("'type':'LoadBalancer'"),
     "service/web NoAddress: it waits for the address of its load balancer\n> the range of "
     "addresses "
     "may be used up (--lb-cidr)\n"},
    {"a_load_balancer_of_a_class_waits_for_its_controller",
     SERVICE("'type':'LoadBalancer','loadBalancerClass':'a/b'"),
     "service/web NoAddress: it waits for the address of its load balancer\n> the controller of "
     "the "
     "class a/b gives the address\n"},
    {"an_ingress_waits_for_a_controller_and_a_service",
     "{'kind':'Ingress'," META(
         "web") "},'spec':{'ingressClassName':'nginx','rules':[{'http':{"
                "'paths':[{'path':'/"
                "','pathType':'Prefix','backend':{'service':{'name':'gone'}}}]}}]}}",
     "ingress/web NoAddress: no ingress controller serves it; its class is nginx\n> run an ingress "
     "controller for its class: kubectl get ingressclass\nservice/gone NotFound: the Service does "
     "not "
     "exist\n> create the Service, or correct its name in the rules of the Ingress\n"},

    /* the cluster */
    {"a_ready_node_waits_for_nothing",
     "{'kind':'Node','metadata':{'name':'n1'},'status':{'conditions':[" CONDITION(
         "Ready", "True", "KubeletReady", "") "]}}",
     ""},
    {"a_node_that_is_not_ready_says_why",
     "{'kind':'Node','metadata':{'name':'n1'},'status':{'conditions':[" CONDITION(
         "Ready", "False", "KubeletNotReady", "no runtime") "]}}",
     "node/n1 KubeletNotReady: it is not ready: no runtime\n> look at the log of the server on "
     "this "
     "machine\n"},
    {"a_full_node_says_so",
     "{'kind':'Node','metadata':{'name':'n1'},'status':{'conditions':[" CONDITION(
         "Ready", "True", "KubeletReady", "") "," CONDITION("DiskPressure", "True", "x",
                                                            "the disk is full") "]}}",
     "node/n1 DiskPressure: it takes no new pods: the disk is full\n> make room on the machine; "
     "the "
     "condition ends by itself\n"},
    {"a_cordoned_node_says_so",
     "{'kind':'Node','metadata':{'name':'n1'},'spec':{'unschedulable':true},'status':{'conditions':"
     "[" CONDITION("Ready", "True", "KubeletReady", "") "]}}",
     "node/n1 Unschedulable: it takes no new pods, since it is cordoned\n> kubectl uncordon n1\n"},
    {"a_tainted_node_says_so",
     "{'kind':'Node','metadata':{'name':'n1'},'spec':{'taints':[{'key':'p','effect':"
     "'PreferNoSchedule'},{'key':'k','effect':'NoSchedule'}]},'status':{'conditions':[" CONDITION(
         "Ready", "True", "KubeletReady", "") "]}}",
     "node/n1 Tainted: it takes only pods that tolerate its taint k\n> kubectl taint node n1 k-\n"},
    {"a_namespace_waits_for_nothing", "{'kind':'Namespace','metadata':{'name':'ns'}}", ""},
    {"a_deleted_namespace_names_the_finalizers",
     "{'kind':'Namespace','metadata':{'name':'ns','deletionTimestamp':'2023-11-14T22:13:00Z'},"
     "'status':{'conditions':[" CONDITION(
         "NamespaceContentRemaining", "True", "SomeResourcesRemain",
         "2 pods remain") "," CONDITION("NamespaceFinalizersRemaining", "True",
                                        "SomeFinalizersRemain", "a/b in 2 objects") "]}}",
     "namespace/ns SomeFinalizersRemain: it is being deleted: a/b in 2 objects\n> the programs "
     "that "
     "have set these finalizers remove them; look at one of the objects with stead why\n"},
    {"a_deleted_namespace_empties",
     "{'kind':'Namespace','metadata':{'name':'ns','deletionTimestamp':'2023-11-14T22:13:00Z'}}",
     "namespace/ns Terminating: it is being deleted, and its objects before it\n"},
    {"a_budget_allows_evictions",
     "{'kind':'PodDisruptionBudget'," META(
         "web") "},'spec':{" SELECTOR "},'status':{"
                "'disruptionsAllowed':1,'currentHealthy':2,'desiredHealthy':1,'expectedPods':2}}",
     ""},
    {"a_budget_is_used_up",
     "{'kind':'PodDisruptionBudget'," META(
         "web") "},'spec':{" SELECTOR "},'status':{"
                "'disruptionsAllowed':0,'currentHealthy':1,'desiredHealthy':1,'expectedPods':1}}",
     "poddisruptionbudget/web NoDisruptionsAllowed: no pod may be evicted now: 1 pods are healthy, "
     "and 1 have to be\n> run more replicas, or lower minAvailable\n"},
    {"a_config_map_waits_for_nothing", "{'kind':'ConfigMap'," META("a") "}}", ""},
    {"a_config_map_that_is_being_deleted_waits_for_its_dependents",
     "{'kind':'ConfigMap'," META("a") ",'deletionTimestamp':'2023-11-14T22:13:00Z','finalizers':["
                                      "'foregroundDeletion']}}",
     "configmap/a Terminating: it is being deleted, after the objects that it owns\n> look at the "
     "objects whose ownerReferences name it; one of them has finalizers\n"},
};

static const char *const GROUPS[] = {
    "v1", "apps/v1", "batch/v1", "policy/v1", "networking.k8s.io/v1", NULL};

static const Kind *kind_of(yyjson_val *json)
{
    const char *name = yyjson_get_str(yyjson_obj_get(json, "kind"));
    const Kind *kind = NULL;

    for (const char *const *group = GROUPS; *group && !kind; group++)
        kind = kind_find_api_version(*group, name);
    assert_non_null(kind);
    return kind;
}

static void run_case(void **state)
{
    const Case *c = *state;
    World world = {.forbidden = c->forbidden, .has_log = c->has_log};
    const WhySource source = {&world, world_get, world_list, world_events, world_last_line};
    char *json = arena_printf(&world.arena, "[%s]", c->objects);
    _strbuf_ StrBuf out = STRBUF_INIT;
    DecodeReport report = {0};
    yyjson_doc *doc;
    yyjson_val *first;
    const Kind *kind;
    WhyChain chain;

    for (char *at = json; *at; at++)
        if (*at == '\'')
            *at = at > json && at[-1] == '\\' ? '\'' : '"';
    for (char *at = json; (at = strstr(at, "\\'"));)
        memmove(at, at + 1, strlen(at));
    if (json_parse(&world.arena, bytes_from_string(json), &doc, &report))
        fail_msg("%s", report.error);
    world.objects = yyjson_doc_get_root(doc);
    first = yyjson_arr_get_first(world.objects);
    kind = kind_of(first);
    why_explain(&world.arena, &source, NOW_NS, kind, decode(&world, kind, first), &chain);
    for (size_t i = 0; i < chain.n; i++) {
        strbuf_printf(&out, "%s %s: %s\n", chain.v[i].object, chain.v[i].reason,
                      chain.v[i].message);
        if (chain.v[i].next)
            strbuf_printf(&out, "> %s\n", chain.v[i].next);
    }
    assert_string_equal(strbuf_string(&out), c->chain);
    arena_clear(&world.arena);
}

int main(void)
{
    struct CMUnitTest cases[ARRAY_LEN(CASES)];

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        cases[i] =
            (struct CMUnitTest){CASES[i].name, run_case, NULL, NULL, (void *)(uintptr_t)&CASES[i]};
    return test_run_group("why", cases, ARRAY_LEN(cases), NULL, NULL);
}
