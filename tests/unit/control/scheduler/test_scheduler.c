/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler's filters. Pods, nodes and claims are written as JSON, as a user would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/object.h"
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
#define USES_CLAIM "'volumes':[{'name':'v','persistentVolumeClaim':{'claimName':'c'}}]"
#define REQUEST(what) "'containers':[{'name':'a','resources':{'requests':{" what "}}}]"
#define HOST_PORT "'containers':[{'name':'a','ports':[{'containerPort':80,'hostPort':8080}]}]"
#define APART                                                                             \
    "'affinity':{'podAntiAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':[{'" \
    "topologyKey':'kubernetes.io/hostname','labelSelector':{'matchLabels':{'app':'q'}}}]}}"

typedef struct Case {
    const char *name, *pod, *node, *other, *claim, *message;
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
    {"pods_that_repel_each_other_stay_apart", POD(APART), NODE("", ""), OTHER("'containers':[]"), NULL,
     NO("1 node(s) didn't match pod anti-affinity rules", NO_VICTIMS)},
};
/* clang-format on */

typedef struct Lookup {
    ClaimLookup base;
    const PersistentVolumeClaim *claim;
} Lookup;

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
    Lookup lookup = {.base.find = find,
                     .claim = parse(&arena, &type_PersistentVolumeClaim, c->claim)};
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
    const char *message;
    bool soon;

    if (other) {
        other->metadata.name = "other";
        other->metadata.uid = "other";
        placed_put(placed, &object);
        object_index_update(pods, &(WatchEvent){.type = WATCH_ADDED, .object = &object});
    }
    message = schedule_check(&in, &soon);
    assert_int_equal(soon, message && strstr(message, "unbound immediate") != NULL);

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

int main(void)
{
    struct CMUnitTest cases[ARRAY_LEN(CASES)];

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        cases[i] =
            (struct CMUnitTest){CASES[i].name, run_case, NULL, NULL, (void *)(uintptr_t)&CASES[i]};
    return _cmocka_run_group_tests("filters", cases, ARRAY_LEN(cases), NULL, NULL);
}
