/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler's filters. Pods, nodes and claims are written as JSON, as a user would. */
#include "testing.h"

#include "api/object.h"
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_pod_v1.h"
#include "codec/json/json.h"
#include "control/object_index.h"
#include "control/scheduler/scheduler.h"

#define NO(reason, hint) \
    "0/1 nodes are available: " reason ". preemption: 0/1 nodes are available: 1 " hint "."
#define NO_VICTIMS "No preemption victims found for incoming pod"
#define NO_HELP "Preemption is not helpful for scheduling"

#define POD(spec) \
    "{'metadata':{'name':'p','namespace':'d','uid':'p','labels':{'app':'p'}},'spec':{" spec "}}"
#define OTHER(spec)                                                                                \
    "{'metadata':{'name':'q','namespace':'d','uid':'q','labels':{'app':'q'}},'spec':{'nodeName':'" \
    "n'," spec "}}"
#define NODE(spec, has)                                                                           \
    "{'metadata':{'name':'n','labels':{'disk':'ssd','kubernetes.io/hostname':'n'}},'spec':{" spec \
    "},'status':{'allocatable':{" has "}}}"
#define CLAIM(mode, phase)                                                   \
    "{'metadata':{'name':'c','namespace':'d'},'spec':{'accessModes':['" mode \
    "']},'status':{'phase':'" phase "'}}"
#define CLASS(name)                                                              \
    "{'metadata':{'name':'c','namespace':'d'},'spec':{'storageClassName':'" name \
    "'},'status':{'phase':'Pending'}}"
#define VOLUME_AT(node)                                                                    \
    "{'metadata':{'name':'pv'},'spec':{'nodeAffinity':{'required':{'nodeSelectorTerms':[{" \
    "'matchExpressions':[{'key':'kubernetes.io/hostname','operator':'In','values':['" node \
    "']}]}]}}}}"
#define USES_CLAIM "'volumes':[{'name':'v','persistentVolumeClaim':{'claimName':'c'}}]"
#define REQUEST(what) "'containers':[{'name':'a','resources':{'requests':{" what "}}}]"
#define HOST_PORT "'containers':[{'name':'a','ports':[{'containerPort':80,'hostPort':8080}]}]"
#define APART                                                                             \
    "'affinity':{'podAntiAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':[{'" \
    "topologyKey':'kubernetes.io/hostname','labelSelector':{'matchLabels':{'app':'q'}}}]}}"

#define AFFINITY(key, op, values)                                                          \
    "'affinity':{'nodeAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':{'"      \
    "nodeSelectorTerms':[{'matchExpressions':[{'key':'" key "','operator':'" op "'" values \
    "}]}]}}}"
#define BESIDE(kind, term)                                                                     \
    "'affinity':{'" kind "':{'requiredDuringSchedulingIgnoredDuringExecution':[{'topologyKey'" \
    ":'kubernetes.io/hostname'," term "}]}}"
#define LIKE(app) "'labelSelector':{'matchLabels':{'app':'" app "'}}"
#define CORES(n) "{'metadata':{'name':'n','labels':{'cores':'" n "','kubernetes.io/hostname':'n'}}}"
#define PORT(port) "'containers':[{'name':'a','ports':[{'containerPort':80," port "}]}]"
#define NO_NODE NO("1 node(s) didn't match Pod's node affinity/selector", NO_HELP)
#define NO_AFFINITY NO("1 node(s) didn't match pod affinity rules", NO_VICTIMS)
#define NO_ANTI NO("1 node(s) didn't match pod anti-affinity rules", NO_VICTIMS)
#define NO_REPELLED NO("1 node(s) didn't satisfy existing pods anti-affinity rules", NO_VICTIMS)
#define NO_PORTS NO("1 node(s) didn't have free ports for the requested pod ports", NO_VICTIMS)

typedef struct Case {
    const char *name, *pod, *node, *other, *claim, *message;
    const char *volume; /* of the claim */
} Case;

/* clang-format off */
static const Case CASES[] = {
    {"a_plain_pod_may_run", POD(""), NODE("", "'pods':'1'"), NULL, NULL, NULL},
    {"without_a_node_nothing_runs", POD(""), NULL, NULL, NULL, "no nodes available to schedule pods"},
    {"a_cordoned_node_takes_nobody", POD(""), NODE("'unschedulable':true", ""), NULL, NULL,
     NO("1 node(s) were unschedulable", NO_HELP)},
    {"a_toleration_lifts_the_cordon", POD("'tolerations':[{'operator':'Exists'}]"), NODE("'unschedulable':true", ""),
     NULL, NULL, NULL},
    {"a_taint_keeps_pods_away", POD(""), NODE("'taints':[{'key':'k','value':'v','effect':'NoSchedule'}]", ""), NULL,
     NULL, NO("1 node(s) had untolerated taint(s)", NO_HELP)},
    {"a_taint_that_only_prefers_does_not", POD(""), NODE("'taints':[{'key':'k','effect':'PreferNoSchedule'}]", ""),
     NULL, NULL, NULL},
    {"an_equal_toleration_fits_the_taint", POD("'tolerations':[{'key':'k','value':'v','effect':'NoSchedule'}]"),
     NODE("'taints':[{'key':'k','value':'v','effect':'NoSchedule'}]", ""), NULL, NULL, NULL},
    {"a_node_selector_must_match", POD("'nodeSelector':{'disk':'hdd'}"), NODE("", ""), NULL, NULL,
     NO("1 node(s) didn't match Pod's node affinity/selector", NO_HELP)},
    {"a_matching_node_selector_is_fine", POD("'nodeSelector':{'disk':'ssd'}"), NODE("", ""), NULL, NULL, NULL},
    {"node_affinity_terms_are_alternatives",
     POD("'affinity':{'nodeAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':{'nodeSelectorTerms':["
         "{'matchExpressions':[{'key':'disk','operator':'In','values':['hdd']}]},"
         "{'matchExpressions':[{'key':'disk','operator':'Exists'}]}]}}}"), NODE("", ""), NULL, NULL, NULL},
    {"cpu_that_is_not_there_is_named", POD(REQUEST("'cpu':'600m'")), NODE("", "'cpu':'1','pods':'110'"),
     OTHER(REQUEST("'cpu':'500m'")), NULL, NO("1 Insufficient cpu", NO_VICTIMS)},
    {"several_resources_are_named_in_order", POD(REQUEST("'cpu':'2','memory':'2Gi'")),
     NODE("", "'cpu':'1','memory':'1Gi'"), NULL, NULL, NO("1 Insufficient cpu, 1 Insufficient memory", NO_VICTIMS)},
    {"a_full_node_takes_no_more_pods", POD(""), NODE("", "'pods':'1'"), OTHER("'containers':[]"), NULL,
     NO("1 Too many pods", NO_VICTIMS)},
    {"a_host_port_is_taken_once", POD(HOST_PORT), NODE("", ""), OTHER(HOST_PORT), NULL,
     NO("1 node(s) didn't have free ports for the requested pod ports", NO_VICTIMS)},
    {"a_claim_has_to_exist", POD(USES_CLAIM), NODE("", ""), NULL, NULL,
     NO("persistentvolumeclaim \"c\" not found", NO_HELP)},
    {"a_claim_has_to_be_bound", POD(USES_CLAIM), NODE("", ""), NULL, CLAIM("ReadWriteOnce", "Pending"),
     NO("pod has unbound immediate PersistentVolumeClaims", NO_HELP)},
    {"a_bound_claim_is_fine", POD(USES_CLAIM), NODE("", ""), NULL, CLAIM("ReadWriteOnce", "Bound"), NULL},
    {"two_pods_may_share_a_claim_of_one_node", POD(USES_CLAIM), NODE("", ""), OTHER(USES_CLAIM),
     CLAIM("ReadWriteOnce", "Bound"), NULL},
    {"a_single_pod_claim_has_one_user", POD(USES_CLAIM), NODE("", ""), OTHER(USES_CLAIM),
     CLAIM("ReadWriteOncePod", "Bound"),
     NO("1 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod", NO_VICTIMS)},
    {"a_claim_that_waits_for_a_pod_gets_a_node", POD(USES_CLAIM), NODE("", ""), NULL, CLASS("waits"), NULL},
    {"a_claim_that_waits_with_a_volume_of_its_own_binds_alone", POD(USES_CLAIM), NODE("", ""), NULL,
     "{'metadata':{'name':'c','namespace':'d'},'spec':{'storageClassName':'waits','volumeName':'pv'},'status':{'phase':'Pending'}}",
     NO("pod has unbound immediate PersistentVolumeClaims", NO_HELP)},
    {"a_claim_that_nothing_suits_is_refused", POD(USES_CLAIM), NODE("", ""), NULL, CLASS("none"),
     NO("1 node(s) didn't find available persistent volumes to bind", NO_HELP)},
    {"a_volume_within_reach_is_fine", POD(USES_CLAIM), NODE("", ""), NULL, CLAIM("ReadWriteOnce", "Bound"), NULL, VOLUME_AT("n")},
    {"a_volume_of_another_node_is_out_of_reach", POD(USES_CLAIM), NODE("", ""), NULL, CLAIM("ReadWriteOnce", "Bound"),
     NO("1 node(s) didn't match PersistentVolume's node affinity", NO_HELP), VOLUME_AT("m")},
    {"pods_that_repel_each_other_stay_apart", POD(APART), NODE("", ""), OTHER("'containers':[]"), NULL,
     NO("1 node(s) didn't match pod anti-affinity rules", NO_VICTIMS)},
    {"a_claim_that_is_being_deleted_is_refused", POD(USES_CLAIM), NODE("", ""), NULL,
     "{'metadata':{'name':'c','namespace':'d','deletionTimestamp':'2023-11-14T22:13:20Z'},'status':{'phase':'Bound'}}",
     NO("persistentvolumeclaim \"c\" is being deleted", NO_HELP)},
    {"a_claim_that_is_lost_is_refused", POD(USES_CLAIM), NODE("", ""), NULL,
     "{'metadata':{'name':'c','namespace':'d'},'spec':{'volumeName':'pv'},'status':{'phase':'Lost'}}",
     NO("persistentvolumeclaim \"c\" bound to non-existent persistentvolume \"pv\"", NO_HELP)},
    {"a_toleration_of_another_effect_does_not_help", POD("'tolerations':[{'key':'k','value':'v','effect':'NoExecute'}]"),
     NODE("'taints':[{'key':'k','value':'v','effect':'NoSchedule'}]", ""), NULL, NULL, NO("1 node(s) had untolerated taint(s)", NO_HELP)},
    {"a_toleration_of_another_key_does_not_help", POD("'tolerations':[{'key':'x','value':'v'}]"),
     NODE("'taints':[{'key':'k','value':'v','effect':'NoSchedule'}]", ""), NULL, NULL, NO("1 node(s) had untolerated taint(s)", NO_HELP)},
    {"a_toleration_of_another_value_does_not_help", POD("'tolerations':[{'key':'k','value':'x'}]"),
     NODE("'taints':[{'key':'k','value':'v','effect':'NoSchedule'}]", ""), NULL, NULL, NO("1 node(s) had untolerated taint(s)", NO_HELP)},
    {"a_toleration_without_an_effect_is_for_all_effects", POD("'tolerations':[{'key':'k','operator':'Exists'}]"),
     NODE("'taints':[{'key':'k','value':'v','effect':'NoSchedule'},{'key':'k','effect':'NoExecute'}]", ""), NULL, NULL, NULL},
    {"each_taint_needs_a_toleration", POD("'tolerations':[{'key':'k','operator':'Exists'}]"),
     NODE("'taints':[{'key':'k','effect':'NoSchedule'},{'key':'l','effect':'NoSchedule'}]", ""), NULL, NULL, NO("1 node(s) had untolerated taint(s)", NO_HELP)},
    {"not_in_refuses_a_listed_value", POD(AFFINITY("disk", "NotIn", ",'values':['hdd','ssd']")), NODE("", ""), NULL, NULL, NO_NODE},
    {"not_in_accepts_another_value", POD(AFFINITY("disk", "NotIn", ",'values':['hdd']")), NODE("", ""), NULL, NULL, NULL},
    {"not_in_accepts_a_missing_label", POD(AFFINITY("zone", "NotIn", ",'values':['a']")), NODE("", ""), NULL, NULL, NULL},
    {"in_refuses_a_missing_label", POD(AFFINITY("zone", "In", ",'values':['a']")), NODE("", ""), NULL, NULL, NO_NODE},
    {"exists_refuses_a_missing_label", POD(AFFINITY("zone", "Exists", "")), NODE("", ""), NULL, NULL, NO_NODE},
    {"does_not_exist_refuses_a_label", POD(AFFINITY("disk", "DoesNotExist", "")), NODE("", ""), NULL, NULL, NO_NODE},
    {"does_not_exist_accepts_a_missing_label", POD(AFFINITY("zone", "DoesNotExist", "")), NODE("", ""), NULL, NULL, NULL},
    {"gt_compares_numbers", POD(AFFINITY("cores", "Gt", ",'values':['9']")), CORES("10"), NULL, NULL, NULL},
    {"gt_refuses_an_equal_number", POD(AFFINITY("cores", "Gt", ",'values':['10']")), CORES("10"), NULL, NULL, NO_NODE},
    {"lt_compares_numbers", POD(AFFINITY("cores", "Lt", ",'values':['100']")), CORES("10"), NULL, NULL, NULL},
    {"lt_refuses_an_equal_number", POD(AFFINITY("cores", "Lt", ",'values':['10']")), CORES("10"), NULL, NULL, NO_NODE},
    {"gt_refuses_what_is_no_number", POD(AFFINITY("cores", "Gt", ",'values':['9']")), CORES("many"), NULL, NULL, NO_NODE},
    {"gt_refuses_a_missing_label", POD(AFFINITY("zone", "Gt", ",'values':['9']")), CORES("10"), NULL, NULL, NO_NODE},
    {"a_field_selects_the_node_by_name", POD("'affinity':{'nodeAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':{'nodeSelectorTerms':["
     "{'matchFields':[{'key':'metadata.name','operator':'In','values':['n']}]}]}}}"), NODE("", ""), NULL, NULL, NULL},
    {"a_field_refuses_another_node", POD("'affinity':{'nodeAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':{'nodeSelectorTerms':["
     "{'matchFields':[{'key':'metadata.name','operator':'In','values':['m']}]}]}}}"), NODE("", ""), NULL, NULL, NO_NODE},
    {"an_empty_term_matches_no_node", POD("'affinity':{'nodeAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':{'nodeSelectorTerms':[{}]}}}"),
     NODE("", ""), NULL, NULL, NO_NODE},
    {"all_requirements_of_a_term_must_hold", POD("'affinity':{'nodeAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':{'nodeSelectorTerms':["
     "{'matchExpressions':[{'key':'disk','operator':'Exists'},{'key':'zone','operator':'Exists'}]}]}}}"), NODE("", ""), NULL, NULL, NO_NODE},
    {"ephemeral_storage_is_counted", POD(REQUEST("'ephemeral-storage':'2Gi'")), NODE("", "'ephemeral-storage':'3Gi'"),
     OTHER(REQUEST("'ephemeral-storage':'2Gi'")), NULL, NO("1 Insufficient ephemeral-storage", NO_VICTIMS)},
    {"what_fits_exactly_fits", POD(REQUEST("'cpu':'500m','memory':'1Gi','ephemeral-storage':'1Gi'")),
     NODE("", "'cpu':'1','memory':'2Gi','ephemeral-storage':'2Gi','pods':'2'"),
     OTHER(REQUEST("'cpu':'500m','memory':'1Gi','ephemeral-storage':'1Gi'")), NULL, NULL},
    {"an_init_container_needs_room_for_itself", POD("'initContainers':[{'name':'i','resources':{'requests':{'memory':'2Gi'}}}]," REQUEST("'memory':'1Mi'")),
     NODE("", "'memory':'1Gi'"), NULL, NULL, NO("1 Insufficient memory", NO_VICTIMS)},
    {"an_init_container_and_the_containers_do_not_add_up", POD("'initContainers':[{'name':'i','resources':{'requests':{'memory':'1Gi'}}}]," REQUEST("'memory':'1Gi'")),
     NODE("", "'memory':'1Gi'"), NULL, NULL, NULL},
    {"a_sidecar_and_the_containers_add_up", POD("'initContainers':[{'name':'i','restartPolicy':'Always','resources':{'requests':{'memory':'1Gi'}}}]," REQUEST("'memory':'1Gi'")),
     NODE("", "'memory':'1Gi'"), NULL, NULL, NO("1 Insufficient memory", NO_VICTIMS)},
    {"requests_of_the_pod_take_precedence", POD("'resources':{'requests':{'memory':'2Gi'}}," REQUEST("'memory':'1Mi'")),
     NODE("", "'memory':'1Gi'"), NULL, NULL, NO("1 Insufficient memory", NO_VICTIMS)},
    {"a_host_port_of_another_protocol_is_free", POD(PORT("'hostPort':8080,'protocol':'UDP'")), NODE("", ""), OTHER(HOST_PORT), NULL, NULL},
    {"a_host_port_of_another_address_is_free", POD(PORT("'hostPort':80,'hostIP':'10.0.0.1'")), NODE("", ""),
     OTHER(PORT("'hostPort':80,'hostIP':'10.0.0.2'")), NULL, NULL},
    {"a_host_port_of_the_same_address_is_taken", POD(PORT("'hostPort':80,'hostIP':'10.0.0.1'")), NODE("", ""),
     OTHER(PORT("'hostPort':80,'hostIP':'10.0.0.1'")), NULL, NO_PORTS},
    {"a_host_port_of_all_addresses_is_taken_for_each", POD(PORT("'hostPort':80,'hostIP':'10.0.0.1'")), NODE("", ""),
     OTHER(PORT("'hostPort':80")), NULL, NO_PORTS},
    {"a_host_port_of_one_address_is_taken_for_all", POD(PORT("'hostPort':80")), NODE("", ""),
     OTHER(PORT("'hostPort':80,'hostIP':'10.0.0.1'")), NULL, NO_PORTS},
    {"a_port_of_a_sidecar_stays_taken", POD(PORT("'hostPort':80")), NODE("", ""),
     OTHER("'initContainers':[{'name':'i','restartPolicy':'Always','ports':[{'containerPort':80,'hostPort':80}]}]"), NULL, NO_PORTS},
    {"a_port_of_an_init_container_does_not", POD(PORT("'hostPort':80")), NODE("", ""),
     OTHER("'initContainers':[{'name':'i','ports':[{'containerPort':80,'hostPort':80}]}]"), NULL, NULL},
    {"a_pod_that_wants_company_finds_it", POD(BESIDE("podAffinity", LIKE("q"))), NODE("", ""), OTHER("'containers':[]"), NULL, NULL},
    {"a_pod_that_wants_company_waits_for_it", POD(BESIDE("podAffinity", LIKE("z"))), NODE("", ""), OTHER("'containers':[]"), NULL, NO_AFFINITY},
    {"the_first_of_a_group_may_start", POD(BESIDE("podAffinity", LIKE("p"))), NODE("", ""), NULL, NULL, NULL},
    {"company_in_another_namespace_does_not_count", POD(BESIDE("podAffinity", LIKE("q") ",'namespaces':['e']")), NODE("", ""),
     OTHER("'containers':[]"), NULL, NO_AFFINITY},
    {"company_in_a_listed_namespace_counts", POD(BESIDE("podAffinity", LIKE("q") ",'namespaces':['e','d']")), NODE("", ""),
     OTHER("'containers':[]"), NULL, NULL},
    {"an_empty_namespace_selector_is_for_all_namespaces", POD(BESIDE("podAntiAffinity", LIKE("q") ",'namespaceSelector':{}")), NODE("", ""),
     OTHER("'containers':[]"), NULL, NO_ANTI},
    {"a_selector_by_expression_is_for_all_pods_it_matches",
     POD(BESIDE("podAntiAffinity", "'labelSelector':{'matchExpressions':[{'key':'app','operator':'NotIn','values':['z']}]}")),
     NODE("", ""), OTHER("'containers':[]"), NULL, NO_ANTI},
    {"pods_that_do_not_match_are_no_hindrance", POD(BESIDE("podAntiAffinity", LIKE("z"))), NODE("", ""), OTHER("'containers':[]"), NULL, NULL},
    {"a_pod_on_the_node_may_repel_a_new_one", POD(""), NODE("", ""), OTHER(BESIDE("podAntiAffinity", LIKE("p"))), NULL, NO_REPELLED},
    {"it_repels_only_those_that_it_means", POD(""), NODE("", ""), OTHER(BESIDE("podAntiAffinity", LIKE("z"))), NULL, NULL},
    {"it_may_repel_by_an_expression", POD(""), NODE("", ""),
     OTHER(BESIDE("podAntiAffinity", "'labelSelector':{'matchExpressions':[{'key':'app','operator':'Exists'}]}")), NULL, NO_REPELLED},
    {"it_may_repel_in_all_namespaces", POD(""), NODE("", ""), OTHER(BESIDE("podAntiAffinity", LIKE("p") ",'namespaceSelector':{}")), NULL, NO_REPELLED},
    {"it_repels_in_its_own_namespace_only", POD(""), NODE("", ""), OTHER(BESIDE("podAntiAffinity", LIKE("p") ",'namespaces':['e']")), NULL, NULL},
};
/* clang-format on */

typedef struct Lookup {
    ClaimLookup base;
    const PersistentVolumeClaim *claim;
    const PersistentVolume *volume;
} Lookup;

/* By the name of its class. */
static ClaimWait wait_of(const ClaimLookup *base _unused_, const PersistentVolumeClaim *claim)
{
    return str_equal(claim->spec.storage_class_name, "waits")  ? CLAIM_AWAITS_NODE
           : str_equal(claim->spec.storage_class_name, "none") ? CLAIM_HAS_NO_VOLUME
                                                               : CLAIM_BINDS_ALONE;
}

static const PersistentVolume *volume_of(const ClaimLookup *base, const char *name _unused_)
{
    return CONTAINER_OF(base, const Lookup, base)->volume;
}

static const PersistentVolumeClaim *find(const ClaimLookup *base, const char *ns _unused_,
                                         const char *name)
{
    const PersistentVolumeClaim *claim = CONTAINER_OF(base, const Lookup, base)->claim;

    return claim && str_equal(claim->metadata.name, name) ? claim : NULL;
}

static void *parse(Arena *arena, const Type *type, const char *text)
{
    char *json = arena_strdup(arena, text);
    void *value = arena_alloc(arena, type->size);
    DecodeReport report = {0};
    yyjson_doc *doc;

    if (!text)
        return NULL;
    for (char *c = json; *c; c++)
        if (*c == '\'')
            *c = '"';
    assert_int_equal(json_parse(arena, bytes_from_string(json), &doc, &report), 0);
    assert_int_equal(json_decode(type, arena, yyjson_doc_get_root(doc), DECODE_CHECK_FIELDS, NULL,
                                 value, &report),
                     0);
    assert_int_equal(report.field_errors.n, 0);
    return value;
}

static void run_case(void **state)
{
    const Case *c = *state;
    Arena arena = ARENA_INIT;
    Lookup lookup = {.base = {.find = find, .wait = wait_of, .volume = volume_of},
                     .claim = parse(&arena, &type_PersistentVolumeClaim, c->claim),
                     .volume = parse(&arena, &type_PersistentVolume, c->volume)};
    Pod *other = parse(&arena, &type_Pod, c->other);
    Object object = {.refs = 1, .kind = &kind_pod, .value = other};
    Placed *placed = placed_new();
    ObjectIndex *pods = object_index_new(shared_index_keys(&kind_pod));
    ScheduleInput in = {
        .pod = parse(&arena, &type_Pod, c->pod),
        .node = parse(&arena, &type_Node, c->node),
        .placed = placed,
        .pods = pods,
        .claims = &lookup.base,
        .arena = &arena,
    };
    ScheduleOutcome outcome;
    const char *message;

    if (other) {
        other->metadata.name = "other";
        other->metadata.uid = "other";
        placed_put(placed, &object);
        object_index_update(pods, &(WatchEvent){.type = WATCH_ADDED, .object = &object});
    }
    message = schedule_check(&in, &outcome);
    assert_int_equal(outcome.soon, message && strstr(message, "unbound immediate") != NULL);
    assert_int_equal(outcome.n_claims,
                     !message && lookup.claim && str_equal(lookup.claim->status.phase, "Pending"));

    if (c->message) {
        assert_non_null(message);
        assert_string_equal(message, c->message);
    } else {
        assert_null(message);
    }
    placed_free(placed);
    object_index_free(pods);
    arena_clear(&arena);
}

/* Whatever a pod takes, it gives back when it is removed or replaced, and nothing else. */
static void a_pod_that_goes_gives_back_what_it_took(void **state _unused_)
{
    _arena_ Arena arena = ARENA_INIT;
    static const char *const specs[] = {
        "{'metadata':{'name':'a','namespace':'d','uid':'a'},'spec':{" REQUEST(
            "'cpu':'1','memory':'1Gi','ephemeral-storage':'3Gi'") "}}",
        "{'metadata':{'name':'b','namespace':'d','uid':'b'},'spec':{" PORT("'hostPort':80") "}}",
        "{'metadata':{'name':'c','namespace':'d','uid':'c'},'spec':{'containers':[{'name':'a',"
        "'ports':[{'containerPort':80,'hostPort':80},{'containerPort':81,'hostPort':80}]}]}}",
    };
    static const ContainerPort port = {.host_port = 80, .protocol = "TCP"};
    Object objects[ARRAY_LEN(specs)];
    Placed *placed = placed_new();

    for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
        objects[i] =
            (Object){.refs = 1, .kind = &kind_pod, .value = parse(&arena, &type_Pod, specs[i])};
        placed_put(placed, &objects[i]);
        assert_true(placed_has(placed, &objects[i]));
    }
    assert_int_equal(placed_count(placed), 3);
    assert_int_equal(placed_used(placed).milli_cpu, 1000);
    assert_int_equal(placed_used(placed).memory, INT64_C(1) << 30);
    assert_int_equal(placed_used(placed).storage, INT64_C(3) << 30);
    placed_put(placed, &objects[0]); /* again, as after a change of its status */
    placed_put(placed, &objects[1]);
    assert_int_equal(placed_count(placed), 3);
    assert_int_equal(placed_used(placed).milli_cpu, 1000);
    placed_remove(placed, &objects[0]);
    placed_remove(placed, &objects[0]);
    assert_int_equal(placed_used(placed).milli_cpu, 0);
    assert_int_equal(placed_used(placed).memory, 0);
    assert_int_equal(placed_used(placed).storage, 0);
    placed_remove(placed, &objects[1]);
    assert_true(placed_port_is_taken(placed, &port)); /* the third pod still has it */
    placed_remove(placed, &objects[2]);
    assert_false(placed_port_is_taken(placed, &port));
    assert_int_equal(placed_count(placed), 0);
    placed_free(placed);
}

int main(void)
{
    struct CMUnitTest cases[ARRAY_LEN(CASES) + 1];

    cases[ARRAY_LEN(CASES)] =
        (struct CMUnitTest)cmocka_unit_test(a_pod_that_goes_gives_back_what_it_took);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        cases[i] =
            (struct CMUnitTest){CASES[i].name, run_case, NULL, NULL, (void *)(uintptr_t)&CASES[i]};
    return test_run_group("filters", cases, ARRAY_LEN(cases), NULL, NULL);
}
