/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disruption budgets, load balancers, aggregated ClusterRoles, and the rarer ways of claims and
 * volumes, on the real server.
 */
#include "api/condition.h"
#include "api/schema/networking_v1.h"
#include "api/schema/apps_v1.h"
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_service_v1.h"
#include "api/schema/discovery_v1.h"
#include "api/schema/policy_v1.h"
#include "api/schema/rbac_v1.h"
#include "api/schema/storage_v1.h"
#include "workload_rig.h"

/* ---- disruption budgets ---- */

#define WEB_POD \
    "'metadata':{'labels':{'app':'web'}},'spec':{'containers':[{'name':'a','image':'i'}]}"
#define BUDGET(rule)                                                                              \
    "{'metadata':{'name':'b','namespace':'default'},'spec':{" rule ",'selector':{'matchLabels':{" \
    "'app':'web'}}}}"

static const PodDisruptionBudgetStatus *budget_status(Rig *rig)
{
    return &OBJECT_AS(PodDisruptionBudget, get(rig, &kind_pod_disruption_budget, "default", "b"))
                ->status;
}

static void add_deployment(Rig *rig, int replicas)
{
    create(rig, &kind_deployment,
           arena_printf(&rig->arena,
                        "{'metadata':{'name':'web','namespace':'default'},'spec':{'replicas':%d,"
                        "'selector':{'matchLabels':{'app':'web'}},'template':{" WEB_POD "}}}",
                        replicas));
}

static void a_budget_counts_the_pods_that_may_be_disrupted(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_pod_disruption_budget, BUDGET("'minAvailable':2"));
    assert_string_equal(event_message(rig, "NoPods"), "No matching pods found");
    assert_int_equal(budget_status(rig)->disruptions_allowed, 0);
    add_deployment(rig, 3);
    run_node(rig);
    assert_int_equal(budget_status(rig)->current_healthy, 3);
    assert_int_equal(budget_status(rig)->desired_healthy, 2);
    assert_int_equal(budget_status(rig)->expected_pods, 3);
    assert_int_equal(budget_status(rig)->disruptions_allowed, 1);
    patch(rig, &kind_deployment, "web", "{'spec':{'replicas':2}}");
    run_node(rig);
    assert_int_equal(budget_status(rig)->disruptions_allowed, 0);
}

/* A percentage is a share of what the Deployment wants, not of the pods that exist. */
static void a_share_is_of_what_the_controllers_want(void **state)
{
    Rig *rig = *state;

    add_deployment(rig, 4);
    create(rig, &kind_pod_disruption_budget, BUDGET("'maxUnavailable':'50%'"));
    assert_int_equal(budget_status(rig)->expected_pods, 4);
    assert_int_equal(budget_status(rig)->desired_healthy, 2);
    assert_int_equal(budget_status(rig)->disruptions_allowed, 0);
    run_node(rig);
    assert_int_equal(budget_status(rig)->disruptions_allowed, 2);
    patch(rig, &kind_deployment, "web", "{'spec':{'replicas':8}}");
    assert_int_equal(budget_status(rig)->expected_pods, 8);
    assert_int_equal(budget_status(rig)->desired_healthy, 4);
}

static void a_stateful_set_and_a_replica_set_count_for_a_share(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_replica_set,
           "{'metadata':{'name':'web','namespace':'default'},'spec':{'replicas':3,'selector':{"
           "'matchLabels':{'app':'web'}},'template':{" WEB_POD "}}}");
    create(rig, &kind_stateful_set,
           "{'metadata':{'name':'db','namespace':'default'},'spec':{'replicas':5,'serviceName':'d',"
           "'podManagementPolicy':'Parallel','selector':{'matchLabels':{'app':'web'}},'template':"
           "{" WEB_POD "}}}");
    create(rig, &kind_pod_disruption_budget, BUDGET("'minAvailable':'100%'"));
    run_node(rig);
    assert_int_equal(budget_status(rig)->expected_pods, 8);
    assert_int_equal(budget_status(rig)->desired_healthy, 8);
}

static void a_pod_without_a_controller_makes_a_share_unknown(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_pod,
           "{'metadata':{'name':'p','namespace':'default','labels':{'app':'web'}},'spec':{"
           "'containers':[{'name':'a','image':'i'}]}}");
    create(rig, &kind_pod_disruption_budget, BUDGET("'maxUnavailable':1"));
    assert_non_null(strstr(event_message(rig, "UnmanagedPods"), "unmanaged"));
    assert_int_equal(budget_status(rig)->expected_pods, 0);
}

/* The pod is on its way out, since its controller is gone; one of the same name that was made since
 * is another one. */
static void a_pod_whose_controller_is_gone_leaves_the_share_unknown(void **state)
{
    for (int made_again = 0; made_again <= 1; made_again++) {
        Rig *rig;

        assert_int_equal(setup_with_node(state), 0);
        rig = *state;
        if (made_again)
            create(rig, &kind_replica_set,
                   "{'metadata':{'name':'web','namespace':'default'},'spec':{'replicas':3,"
                   "'selector':{'matchLabels':{'app':'other'}},'template':{'metadata':{'labels':{"
                   "'app':'other'}},'spec':{'containers':[{'name':'a','image':'i'}]}}}}");
        create(rig, &kind_pod,
               "{'metadata':{'name':'p','namespace':'default','labels':{'app':'web'},"
               "'ownerReferences':[{'apiVersion':'apps/v1','kind':'ReplicaSet','name':'web','uid':"
               "'gone','controller':true}]},'spec':{'nodeName':'n','containers':[{'name':'a',"
               "'image':'i'}]}}");
        create(rig, &kind_pod_disruption_budget, BUDGET("'maxUnavailable':'50%'"));
        assert_int_equal(budget_status(rig)->expected_pods, 0);
        assert_string_not_equal(event_message(rig, "CalculateExpectedPodCountFailed"), "none");
        teardown(state);
    }
}

/* ---- load balancers ---- */

#define BALANCER(name, extra)                                                                    \
    "{'metadata':{'name':'" name "','namespace':'default'},'spec':{'type':'LoadBalancer'," extra \
    "'ports':[{'port':80}]}}"

static const char *address_of(Rig *rig, const char *name)
{
    const LoadBalancerStatus *status =
        &OBJECT_AS(Service, get(rig, &kind_service, "default", name))->status.load_balancer;

    return status->ingress.n ? arena_strdup(&rig->arena, status->ingress.v[0].ip) : "none";
}

static void each_load_balancer_has_the_lowest_free_address(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_service, BALANCER("a", ""));
    create(rig, &kind_service, BALANCER("b", ""));
    assert_string_equal(address_of(rig, "a"), "10.53.0.1");
    assert_string_equal(address_of(rig, "b"), "10.53.0.2");
    assert_string_equal(event_message(rig, "EnsuredLoadBalancer"), "Ensured load balancer");
    assert_string_equal(OBJECT_AS(Service, get(rig, &kind_service, "default", "a"))
                            ->status.load_balancer.ingress.v[0]
                            .ip_mode,
                        "VIP");
    delete (rig, &kind_service, "default", "a", NULL);
    create(rig, &kind_service, BALANCER("c", ""));
    assert_string_equal(address_of(rig, "c"), "10.53.0.1");
    create(rig, &kind_service, BALANCER("d", ""));
    assert_string_equal(address_of(rig, "d"), "10.53.0.3");
}

static void an_address_that_is_asked_for_is_given_if_it_is_free(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_service, BALANCER("a", "'loadBalancerIP':'10.53.0.5',"));
    assert_string_equal(address_of(rig, "a"), "10.53.0.5");
    create(rig, &kind_service, BALANCER("b", "'loadBalancerIP':'10.53.0.5',"));
    assert_string_equal(address_of(rig, "b"), "none");
    assert_string_equal(event_message(rig, "SyncLoadBalancerFailed"),
                        "The address 10.53.0.5 is taken, or not in the range of load balancers");
    create(rig, &kind_service, BALANCER("c", "'loadBalancerIP':'10.99.0.5',"));
    assert_string_equal(address_of(rig, "c"), "none");
    delete (rig, &kind_service, "default", "a", NULL);
    clock_fake_advance(rig->clock, 60 * NS_PER_SEC);
    settle(rig);
    assert_string_equal(address_of(rig, "b"), "10.53.0.5");
}

/* The range 10.53.0.0/29 has six addresses besides the first and the last one. */
static void a_service_waits_when_no_address_is_free(void **state)
{
    Rig *rig = *state;

    for (int i = 0; i < 7; i++)
        create(rig, &kind_service,
               arena_printf(&rig->arena,
                            "{'metadata':{'name':'s%d','namespace':'default'},'spec':{'type':"
                            "'LoadBalancer','ports':[{'port':80}]}}",
                            i));
    assert_string_equal(address_of(rig, "s5"), "10.53.0.6");
    assert_string_equal(address_of(rig, "s6"), "none");
    assert_string_equal(event_message(rig, "SyncLoadBalancerFailed"),
                        "No address is free in the range of load balancers");
    delete (rig, &kind_service, "default", "s2", NULL);
    clock_fake_advance(rig->clock, 60 * NS_PER_SEC);
    settle(rig);
    assert_string_equal(address_of(rig, "s6"), "10.53.0.3");
}

static void a_service_that_is_no_load_balancer_any_more_gives_its_address_back(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_service, BALANCER("a", ""));
    patch(rig, &kind_service, "a", "{'spec':{'type':'ClusterIP'}}");
    assert_string_equal(address_of(rig, "a"), "none");
    create(rig, &kind_service, BALANCER("b", ""));
    assert_string_equal(address_of(rig, "b"), "10.53.0.1");
    /* A class names the load balancer of somebody else. */
    create(rig, &kind_service, BALANCER("c", "'loadBalancerClass':'example.com/lb',"));
    assert_string_equal(address_of(rig, "c"), "none");
}

/* ---- aggregated ClusterRoles ---- */

static size_t rules_of(Rig *rig, const char *name)
{
    return OBJECT_AS(ClusterRole, get(rig, &kind_cluster_role, NULL, name))->rules.n;
}

static void a_role_has_the_rules_of_all_that_it_selects_each_once(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_cluster_role,
           "{'metadata':{'name':'all'},'aggregationRule':{'clusterRoleSelectors':[{'matchLabels':{"
           "'part':'x'}}]}}");
    assert_int_equal(rules_of(rig, "all"), 0);
    create(rig, &kind_cluster_role,
           "{'metadata':{'name':'one','labels':{'part':'x'}},'rules':[{'apiGroups':[''],"
           "'resources':['pods'],'verbs':['get']},{'apiGroups':[''],'resources':['secrets'],"
           "'verbs':['get']}]}");
    create(rig, &kind_cluster_role,
           "{'metadata':{'name':'two','labels':{'part':'x'}},'rules':[{'apiGroups':[''],"
           "'resources':['pods'],'verbs':['get']},{'apiGroups':[''],'resources':['nodes'],"
           "'verbs':['get']}]}");
    create(rig, &kind_cluster_role,
           "{'metadata':{'name':'other','labels':{'part':'y'}},'rules':[{'apiGroups':[''],"
           "'resources':['events'],'verbs':['get']}]}");
    assert_int_equal(rules_of(rig, "all"), 3);
    client_delete(rig->client, &kind_cluster_role, NULL, "two", NULL, on_written, rig);
    settle(rig);
    assert_int_equal(rules_of(rig, "all"), 2);
}

/* ---- claims and volumes ---- */

#define CLAIM(name, extra)                                                                      \
    "{'metadata':{'name':'" name                                                                \
    "','namespace':'default'},'spec':{'accessModes':['ReadWriteOnce'],'resources':{'requests':" \
    "{'storage':'256M'}}" extra "}}"
/* A class that does not wait for a pod. */
#define AT_ONCE ",'storageClassName':'standard-reserved'"
#define VOLUME(name, extra)                                                                       \
    "{'metadata':{'name':'" name "','labels':{'v':'" name                                         \
    "'}},'spec':{'capacity':{'storage':'1Gi'},'accessModes':['ReadWriteOnce'],'hostPath':{'path'" \
    ":'/x'},'storageClassName':'manual'" extra ",'persistentVolumeReclaimPolicy':'Retain'}}"

static const PersistentVolumeClaim *claim_of(Rig *rig, const char *name)
{
    return OBJECT_AS(PersistentVolumeClaim,
                     get(rig, &kind_persistent_volume_claim, "default", name));
}

static const PersistentVolume *volume_of(Rig *rig, const char *name)
{
    return OBJECT_AS(PersistentVolume, get(rig, &kind_persistent_volume, NULL, name));
}

/* Which of two volumes a claim gets, by what distinguishes them. */
static void a_claim_gets_only_a_volume_that_suits_it(void **state)
{
    static const struct {
        const char *why, *claim, *volume;
        bool suits;
    } cases[] = {
        {"the same class", CLAIM("c", ",'storageClassName':'manual'"), VOLUME("v", ""), true},
        {"another class", CLAIM("c", ",'storageClassName':'fast'"), VOLUME("v", ""), false},
        {"another mode of the volume",
         CLAIM("c", ",'storageClassName':'manual','volumeMode':'Block'"), VOLUME("v", ""), false},
        {"both are block devices", CLAIM("c", ",'storageClassName':'manual','volumeMode':'Block'"),
         VOLUME("v", ",'volumeMode':'Block'"), true},
        {"a selector that matches",
         CLAIM("c", ",'storageClassName':'manual','selector':{'matchLabels':{'v':'v'}}"),
         VOLUME("v", ""), true},
        {"a selector that does not match",
         CLAIM("c", ",'storageClassName':'manual','selector':{'matchLabels':{'v':'w'}}"),
         VOLUME("v", ""), false},
        {"reserved for another claim", CLAIM("c", ",'storageClassName':'manual'"),
         VOLUME("v", ",'claimRef':{'namespace':'default','name':'d'}"), false},
        {"an access mode that is not offered",
         "{'metadata':{'name':'c','namespace':'default'},'spec':{'accessModes':['ReadWriteMany'],"
         "'resources':{'requests':{'storage':'1M'}},'storageClassName':'manual'}}",
         VOLUME("v", ""), false},
        {"too large a request",
         "{'metadata':{'name':'c','namespace':'default'},'spec':{'accessModes':['ReadWriteOnce'],"
         "'resources':{'requests':{'storage':'2Gi'}},'storageClassName':'manual'}}",
         VOLUME("v", ""), false},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        Rig *rig;

        assert_int_equal(setup(state), 0);
        rig = *state;
        create(rig, &kind_persistent_volume, cases[i].volume);
        create(rig, &kind_persistent_volume_claim, cases[i].claim);
        if (str_equal(claim_of(rig, "c")->status.phase, "Bound") != cases[i].suits)
            fail_msg("%s: the claim is %s", cases[i].why, claim_of(rig, "c")->status.phase);
        teardown(state);
    }
}

static void a_claim_that_names_its_volume_gets_it(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_persistent_volume_claim,
           CLAIM("c", ",'storageClassName':'manual','volumeName':'v'"));
    assert_string_equal(claim_of(rig, "c")->status.phase, "Pending");
    create(rig, &kind_persistent_volume, VOLUME("v", ""));
    assert_string_equal(volume_of(rig, "v")->spec.claim_ref->name, "c");
    assert_string_equal(claim_of(rig, "c")->status.phase, "Bound");
    assert_string_equal(volume_of(rig, "v")->status.phase, "Bound");
    /* A second claim that names it waits. */
    create(rig, &kind_persistent_volume_claim,
           CLAIM("d", ",'storageClassName':'manual','volumeName':'v'"));
    assert_string_equal(claim_of(rig, "d")->status.phase, "Pending");
}

static void a_claim_whose_volume_is_gone_is_lost(void **state)
{
    Rig *rig = *state;
    Object *copy;

    create(rig, &kind_persistent_volume, VOLUME("v", ""));
    create(rig, &kind_persistent_volume_claim, CLAIM("c", ",'storageClassName':'manual'"));
    assert_string_equal(claim_of(rig, "c")->status.phase, "Bound");
    client_delete(rig->client, &kind_persistent_volume, NULL, "v", NULL, on_written, rig);
    settle(rig);
    copy = object_copy(get(rig, &kind_persistent_volume, NULL, "v"));
    object_meta(copy)->finalizers.n = 0;
    client_update(rig->client, copy, NULL, on_written, rig);
    object_unref(copy);
    settle(rig);
    assert_null(get(rig, &kind_persistent_volume, NULL, "v"));
    assert_string_equal(claim_of(rig, "c")->status.phase, "Lost");
    assert_string_equal(event_message(rig, "ClaimLost"),
                        "Bound claim has lost its PersistentVolume. Data on the volume is lost!");
}

/* Why a claim of a class is not bound, as its Event says. */
static void a_claim_that_waits_says_for_what(void **state)
{
    static const struct {
        const char *class, *claim, *reason, *message;
    } cases[] = {
        {NULL, CLAIM("c", ",'storageClassName':'none'"), "ProvisioningFailed",
         "storageclass.storage.k8s.io \"none\" not found"},
        {NULL, CLAIM("c", ",'storageClassName':''"), "FailedBinding",
         "no persistent volumes available for this claim and no storage class is set"},
        {"{'metadata':{'name':'s'},'provisioner':'stead.dev/volume','volumeBindingMode':"
         "'WaitForFirstConsumer'}",
         CLAIM("c", ",'storageClassName':'s'"), "WaitForFirstConsumer",
         "waiting for first consumer to be created before binding"},
        {"{'metadata':{'name':'s'},'provisioner':'example.com/p'}",
         CLAIM("c", ",'storageClassName':'s'"), "ExternalProvisioning", "example.com/p"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        Rig *rig;
        const char *message;

        assert_int_equal(setup(state), 0);
        rig = *state;
        if (cases[i].class)
            create(rig, &kind_storage_class, cases[i].class);
        create(rig, &kind_persistent_volume_claim, cases[i].claim);
        message = event_message(rig, cases[i].reason);
        if (!str_equal(claim_of(rig, "c")->status.phase, "Pending") ||
            !strstr(message, cases[i].message))
            fail_msg("%s: %s", cases[i].reason, message);
        teardown(state);
    }
}

static void a_claim_without_a_class_gets_the_newest_default_class(void **state)
{
    Rig *rig = *state;

    client_delete(rig->client, &kind_storage_class, NULL, "standard", NULL, on_written, rig);
    settle(rig);
    create(rig, &kind_persistent_volume_claim, CLAIM("c", ""));
    assert_string_equal(claim_of(rig, "c")->status.phase, "Pending");
    create(rig, &kind_storage_class,
           "{'metadata':{'name':'plain'},'provisioner':'stead.dev/volume'}");
    assert_null(claim_of(rig, "c")->spec.storage_class_name);
    create(rig, &kind_storage_class,
           "{'metadata':{'name':'mine','annotations':{"
           "'storageclass.kubernetes.io/is-default-class':'true'}},'provisioner':"
           "'stead.dev/volume'}");
    assert_string_equal(claim_of(rig, "c")->spec.storage_class_name, "mine");
    assert_string_equal(claim_of(rig, "c")->status.phase, "Bound");
}

/* Deleted while a pod on the node mounts it, a claim goes with the last such pod. */
static void a_claim_in_use_outlives_its_deletion(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_persistent_volume_claim, CLAIM("c", AT_ONCE));
    assert_true(meta_has_finalizer(&claim_of(rig, "c")->metadata, "kubernetes.io/pvc-protection"));
    create(rig, &kind_pod,
           "{'metadata':{'name':'p','namespace':'default'},'spec':{'containers':[{'name':'a',"
           "'image':'i'}],'volumes':[{'name':'v','persistentVolumeClaim':{'claimName':'c'}}]}}");
    set_pod(rig, "p", "Running", true);
    delete (rig, &kind_persistent_volume_claim, "default", "c", NULL);
    assert_non_null(get(rig, &kind_persistent_volume_claim, "default", "c"));
    set_pod(rig, "p", "Succeeded", false);
    assert_null(get(rig, &kind_persistent_volume_claim, "default", "c"));
}

/* ---- waiting pods, gone pods, old Events ---- */

#define WAITING(name, extra)                                                                \
    "{'metadata':{'name':'" name "','namespace':'default','labels':{'app':'web'}},'spec':{" \
    "'containers':[{'name':'a','image':'i'}]" extra "}}"

static const char *node_of(Rig *rig, const char *name)
{
    return str_or(OBJECT_AS(Pod, get(rig, &kind_pod, "default", name))->spec.node_name, "none");
}

static void all_waiting_pods_are_placed_when_the_node_appears(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_pod, WAITING("a", ""));
    create(rig, &kind_pod, WAITING("b", ""));
    create(rig, &kind_pod, WAITING("c", ",'schedulerName':'mine'"));
    create(rig, &kind_pod, WAITING("d", ",'schedulingGates':[{'name':'x.y/z'}]"));
    assert_string_equal(node_of(rig, "a"), "none");
    create(rig, &kind_node, "{'metadata':{'name':'n'}}");
    assert_string_equal(node_of(rig, "a"), "n");
    assert_string_equal(node_of(rig, "b"), "n");
    assert_string_equal(node_of(rig, "c"), "none"); /* another scheduler's */
    assert_string_equal(node_of(rig, "d"), "none");
}

/* Binding a claim takes a moment, so there is no Event about it before two seconds. */
static void a_pod_waits_quietly_for_its_claims_at_first(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_persistent_volume_claim, CLAIM("c", ",'storageClassName':'manual'"));
    create(rig, &kind_pod,
           WAITING("a", ",'volumes':[{'name':'v','persistentVolumeClaim':{'claimName':'c'}}]"));
    assert_string_equal(event_message(rig, "FailedScheduling"), "none");
    clock_fake_advance(rig->clock, 2 * NS_PER_SEC);
    settle(rig);
    assert_non_null(strstr(event_message(rig, "FailedScheduling"),
                           "pod has unbound immediate PersistentVolumeClaims"));
    create(rig, &kind_persistent_volume, VOLUME("v", ""));
    assert_string_equal(node_of(rig, "a"), "n");
}

static size_t count_endpoints(Rig *rig, const char *service)
{
    const Endpoints *endpoints =
        OBJECT_AS(Endpoints, get(rig, &kind_endpoints, "default", service));

    return endpoints->subsets.n ? endpoints->subsets.v[0].addresses.n : 0;
}

static void a_pod_that_is_gone_at_once_leaves_the_endpoints(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_service,
           "{'metadata':{'name':'web','namespace':'default'},'spec':{'selector':{'app':'web'},"
           "'ports':[{'port':80}]}}");
    create(rig, &kind_pod, WAITING("a", ""));
    set_pod(rig, "a", "Running", true);
    assert_int_equal(count_endpoints(rig, "web"), 1);
    client_delete(rig->client, &kind_pod, "default", "a",
                  &(WriteOptions){.grace_seconds = &(int64_t){0}}, on_written, rig);
    settle(rig);
    assert_int_equal(count_endpoints(rig, "web"), 0);
}

/* Each Event is deleted an hour after it was last seen, in batches of five minutes. */
static void each_event_has_an_hour_of_its_own(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_persistent_volume_claim, CLAIM("c", ",'storageClassName':'one'"));
    assert_non_null(strstr(event_message(rig, "ProvisioningFailed"), "\"one\""));
    clock_fake_advance(rig->clock, 1800 * NS_PER_SEC);
    settle(rig);
    create(rig, &kind_persistent_volume_claim, CLAIM("d", ",'storageClassName':''"));
    clock_fake_advance(rig->clock, 2200 * NS_PER_SEC);
    settle(rig);
    assert_string_equal(event_message(rig, "ProvisioningFailed"), "none");
    assert_string_not_equal(event_message(rig, "FailedBinding"), "none");
    clock_fake_advance(rig->clock, 1900 * NS_PER_SEC);
    settle(rig);
    assert_string_equal(event_message(rig, "FailedBinding"), "none");
}

static const ServiceCIDR *range_of(Rig *rig, const char *name)
{
    Object *object = get(rig, &kind_service_cidr, NULL, name);

    return object ? OBJECT_AS(ServiceCIDR, object) : NULL;
}

static void a_range_is_kept_while_only_it_has_an_address(void **state)
{
    Rig *rig = *state;
    const ServiceCIDR *range;

    create(rig, &kind_service_cidr, "{'metadata':{'name':'r'},'spec':{'cidrs':['10.7.0.0/24']}}");
    range = range_of(rig, "r");
    assert_true(meta_has_finalizer(&range->metadata, "networking.k8s.io/service-cidr-finalizer"));
    assert_true(CONDITION_IS_TRUE(&range->status.conditions, "Ready"));
    create(rig, &kind_service,
           "{'metadata':{'name':'s','namespace':'default'},'spec':{'ports':[{'port':80}],"
           "'clusterIP':'10.7.0.9'}}");
    delete (rig, &kind_service_cidr, NULL, "r", NULL);
    range = range_of(rig, "r");
    assert_string_equal(CONDITION_FIND(&range->status.conditions, "Ready")->reason, "Terminating");
    /* A wider range takes over, so the deletion goes on. */
    create(rig, &kind_service_cidr, "{'metadata':{'name':'w'},'spec':{'cidrs':['10.7.0.0/16']}}");
    assert_null(range_of(rig, "r"));
    delete (rig, &kind_service_cidr, NULL, "w", NULL);
    assert_non_null(range_of(rig, "w"));
    delete (rig, &kind_service, "default", "s", NULL);
    assert_null(range_of(rig, "w"));
}

static void addresses_of_services_are_repaired(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_service,
           "{'metadata':{'name':'s','namespace':'default'},'spec':{'ports':[{'port':80}],"
           "'clusterIP':'10.96.0.77'}}");
    delete (rig, &kind_ip_address, NULL, "10.96.0.77", NULL);
    assert_non_null(get(rig, &kind_ip_address, NULL, "10.96.0.77"));
    create(rig, &kind_ip_address,
           "{'metadata':{'name':'10.96.0.78','labels':{'ipaddress.kubernetes.io/managed-by':"
           "'ipallocator.k8s.io'}},'spec':{'parentRef':{'resource':'services','namespace':"
           "'default','name':'gone'}}}");
    assert_null(get(rig, &kind_ip_address, NULL, "10.96.0.78"));
    create(rig, &kind_ip_address,
           "{'metadata':{'name':'10.96.0.79'},'spec':{'parentRef':{'resource':'services',"
           "'namespace':'default','name':'gone'}}}");
    assert_non_null(get(rig, &kind_ip_address, NULL, "10.96.0.79"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_with_node, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_budget_counts_the_pods_that_may_be_disrupted),
        TEST(a_share_is_of_what_the_controllers_want),
        TEST(a_stateful_set_and_a_replica_set_count_for_a_share),
        TEST(a_pod_without_a_controller_makes_a_share_unknown),
        cmocka_unit_test(a_pod_whose_controller_is_gone_leaves_the_share_unknown),
        TEST(a_range_is_kept_while_only_it_has_an_address),
        TEST(addresses_of_services_are_repaired),
        TEST(each_load_balancer_has_the_lowest_free_address),
        TEST(an_address_that_is_asked_for_is_given_if_it_is_free),
        TEST(a_service_waits_when_no_address_is_free),
        TEST(a_service_that_is_no_load_balancer_any_more_gives_its_address_back),
        TEST(a_role_has_the_rules_of_all_that_it_selects_each_once),
        cmocka_unit_test(a_claim_gets_only_a_volume_that_suits_it),
        TEST(a_claim_that_names_its_volume_gets_it),
        TEST(a_claim_whose_volume_is_gone_is_lost),
        cmocka_unit_test(a_claim_that_waits_says_for_what),
        TEST(a_claim_without_a_class_gets_the_newest_default_class),
        TEST(a_claim_in_use_outlives_its_deletion),
        cmocka_unit_test_setup_teardown(all_waiting_pods_are_placed_when_the_node_appears, setup,
                                        teardown),
        TEST(a_pod_waits_quietly_for_its_claims_at_first),
        TEST(a_pod_that_is_gone_at_once_leaves_the_endpoints),
        TEST(each_event_has_an_hour_of_its_own),
    };
    return cmocka_run_group_tests_name("cluster", tests, NULL, NULL);
}
