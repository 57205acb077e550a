/* SPDX-License-Identifier: Apache-2.0 */
/* StatefulSets and ControllerRevisions: what is refused, in which words; what is filled in; how
 * rows look. */
#include "../rules_fixture.h"
#include "api/schema/apps_v1.h"

#define META \
    "'metadata':{'name':'web','namespace':'default','creationTimestamp':'1970-01-01T00:01:40Z'}"
#define CONTAINERS \
    "'containers':[{'name':'nginx','image':'nginx:1'},{'name':'log','image':'log:2'}]"
#define TEMPLATE "'template':{'metadata':{'labels':{'app':'web'}},'spec':{" CONTAINERS "}}"
#define SELECTOR "'selector':{'matchLabels':{'app':'web'}}"
#define CLAIMS                                                                                    \
    "'volumeClaimTemplates':[{'metadata':{'name':'www'},'spec':{'accessModes':['ReadWriteOnce']," \
    "'resources':{'requests':{'storage':'1Gi'}}}}]"
#define SET(members) "{" META ",'spec':{" SELECTOR "," TEMPLATE "," members "}}"

static const Kind *set_kind = &kind_stateful_set;

static StatefulSet *set_from(Arena *arena, const char *json)
{
    return value_from(arena, set_kind, json);
}

static void a_small_set_is_completed(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    StatefulSet *set = set_from(&arena, SET("'serviceName':'web'," CLAIMS));
    const StatefulSetSpec *spec = &set->spec;

    assert_int_equal(*spec->replicas, 1);
    assert_int_equal(*spec->revision_history_limit, 10);
    assert_string_equal(spec->pod_management_policy, "OrderedReady");
    assert_string_equal(spec->update_strategy.type, "RollingUpdate");
    assert_int_equal(*spec->update_strategy.rolling_update->partition, 0);
    assert_string_equal(spec->persistent_volume_claim_retention_policy->when_deleted, "Retain");
    assert_string_equal(spec->persistent_volume_claim_retention_policy->when_scaled, "Retain");
    assert_string_equal(spec->template.spec.restart_policy, "Always");
    assert_string_equal(spec->volume_claim_templates.v[0].kind, "PersistentVolumeClaim");
    assert_string_equal(spec->volume_claim_templates.v[0].api_version, "v1");
    assert_string_equal(spec->volume_claim_templates.v[0].status.phase, "Pending");
    assert_causes(set_kind, set, NULL, &arena, "");
}

static void a_named_strategy_gets_no_rolling_update(void **state)
{
    _arena_ Arena arena = ARENA_INIT;

    assert_null(set_from(&arena, SET("'updateStrategy':{'type':'RollingUpdate'}"))
                    ->spec.update_strategy.rolling_update);
    assert_null(set_from(&arena, SET("'updateStrategy':{'type':'OnDelete'}"))
                    ->spec.update_strategy.rolling_update);
}

static void half_a_retention_policy_is_completed(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    StatefulSet *set =
        set_from(&arena, SET("'persistentVolumeClaimRetentionPolicy':{'whenDeleted':'Delete'}"));

    assert_string_equal(set->spec.persistent_volume_claim_retention_policy->when_deleted, "Delete");
    assert_string_equal(set->spec.persistent_volume_claim_retention_policy->when_scaled, "Retain");
}

static void bad_sets_are_refused_in_kubernetes_words(void **state)
{
    static const struct {
        const char *json, *causes;
    } rows[] = {
        {"{" META ",'spec':{'selector':{'matchLabels':{'app':'db'}}," TEMPLATE "}}",
         "spec.template.metadata.labels: Invalid value: {\"app\":\"web\"}: `selector` does not "
         "match template "
         "`labels`\n"},
        {"{" META ",'spec':{" TEMPLATE "}}",
         "spec.selector: Required value\n"
         "spec.template.metadata.labels: Invalid value: {\"app\":\"web\"}: `selector` does not "
         "match template "
         "`labels`\n"},
        {"{" META ",'spec':{'selector':{}," TEMPLATE "}}",
         "spec.selector: Invalid value: {}: empty selector is invalid for statefulset\n"},
        {SET("'replicas':-1,'minReadySeconds':-1,'ordinals':{'start':-1}"),
         "spec.replicas: Invalid value: -1: must be greater than or equal to 0\n"
         "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0\n"
         "spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0\n"},
        {SET("'podManagementPolicy':'X','persistentVolumeClaimRetentionPolicy':{'whenScaled':'X'}"),
         "spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: \"X\": "
         "supported values: "
         "\"Retain\", \"Delete\"\n"
         "spec.podManagementPolicy: Invalid value: \"X\": must be 'OrderedReady' or 'Parallel'\n"},
        {SET("'updateStrategy':{'type':'X'}"),
         "spec.updateStrategy: Invalid value: {\"type\":\"X\"}: must be 'RollingUpdate' or "
         "'OnDelete'\n"},
        {SET("'updateStrategy':{'type':'OnDelete','rollingUpdate':{'partition':1}}"),
         "spec.updateStrategy.rollingUpdate: Invalid value: {\"partition\":1}: only allowed for "
         "updateStrategy "
         "'RollingUpdate'\n"},
        {SET("'updateStrategy':{'type':'RollingUpdate','rollingUpdate':{'partition':-1,'"
             "maxUnavailable':0}}"),
         "spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or "
         "equal to 0\n"
         "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: cannot be 0\n"},
        {SET("'updateStrategy':{'rollingUpdate':{'maxUnavailable':'101%'}}"),
         "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: \"101%\": must not be "
         "greater than 100%\n"},
        {SET("'updateStrategy':{'rollingUpdate':{'maxUnavailable':'0%'}}"),
         "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": cannot be 0\n"},
        {"{" META ",'spec':{" SELECTOR
         ",'template':{'metadata':{'labels':{'app':'web'}},'spec':{'restartPolicy':"
         "'Never','activeDeadlineSeconds':5," CONTAINERS "}}}}",
         "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: "
         "\"Always\"\n"
         "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in "
         "StatefulSet is not "
         "Supported\n"},
    };

    EACH_ROW(i, rows, rows[i].json) {
        _arena_ Arena arena = ARENA_INIT;

        assert_causes(set_kind, set_from(&arena, rows[i].json), NULL, &arena, rows[i].causes);
    }
}

static void mounts_find_the_claim_templates_volumes(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    const char *mounting =
        "{" META ",'spec':{" SELECTOR "," CLAIMS ",'template':{'metadata':{'labels':{'app':'web'}},"
        "'spec':{'hostname':'Not A Name','containers':[{'name':'a','image':'b',"
        "'volumeMounts':[{'name':'www','mountPath':'/www'}]}]}}}}";
    StatefulSet *set = set_from(&arena, mounting);

    assert_causes(set_kind, set, NULL, &arena, "");
    set->spec.volume_claim_templates.n = 0;
    set->spec.template.spec.hostname = NULL;
    assert_causes(set_kind, set, NULL, &arena,
                  "spec.template.spec.containers[0].volumeMounts[0].name: Not found: \"www\"\n");
}

static void only_some_fields_of_a_set_may_change(void **state)
{
    static const char *forbidden =
        "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', "
        "'ordinals', 'template', "
        "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
        "'minReadySeconds' are "
        "forbidden\n";
    static const struct {
        const char *members;
        bool may;
    } rows[] = {
        {"'serviceName':'web','replicas':5", true},
        {"'serviceName':'web','ordinals':{'start':3}", true},
        {"'serviceName':'web','updateStrategy':{'type':'OnDelete'}", true},
        {"'serviceName':'web','minReadySeconds':5,'revisionHistoryLimit':1", true},
        {"'serviceName':'web','persistentVolumeClaimRetentionPolicy':{'whenScaled':'Delete'}",
         true},
        {"'serviceName':'other','replicas':5", false},
        {"'serviceName':'web','podManagementPolicy':'Parallel'", false},
        {"'serviceName':'web'," CLAIMS, false},
    };

    EACH_ROW(i, rows, rows[i].members) {
        _arena_ Arena arena = ARENA_INIT;
        const void *before = set_from(&arena, SET("'serviceName':'web'"));
        const void *now = set_from(&arena, arena_printf(&arena, "{%s,'spec':{%s,%s,%s}}", META,
                                                        SELECTOR, TEMPLATE, rows[i].members));

        assert_causes(set_kind, now, before, &arena, rows[i].may ? "" : forbidden);
    }
}

static void a_status_cannot_contradict_itself(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    Causes causes = {.arena = &arena};
    StatefulSet *before = set_from(&arena, SET("'replicas':1")),
                *set = set_from(&arena, SET("'replicas':1"));
    int32_t two = 2;

    before->status.collision_count = &two;
    set->status = (StatefulSetStatus){
        .replicas = 1, .ready_replicas = 2, .available_replicas = 3, .current_replicas = -1};
    set_kind->rules->validate_status(set, before, &causes);
    assert_string_equal(
        causes_text(&causes),
        "status.currentReplicas: Invalid value: -1: must be greater than or equal to 0\n"
        "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas\n"
        "status.availableReplicas: Invalid value: 3: cannot be greater than status.replicas\n"
        "status.availableReplicas: Invalid value: 3: cannot be greater than status.readyReplicas\n"
        "status.collisionCount: Invalid value: 0: cannot be decremented\n");
}

static void a_client_cannot_set_the_status_of_a_new_set(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    StatefulSet *set = set_from(&arena, SET("'replicas':1"));

    set->status.replicas = 7;
    set_kind->rules->prepare(&arena, set, NULL);
    assert_int_equal(set->status.replicas, 0);
}

static void a_negative_history_limit_is_warned_about(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    Warnings warnings = {0};

    set_kind->rules->warn(&arena, set_from(&arena, SET("'revisionHistoryLimit':0")), &warnings);
    assert_int_equal(warnings.n, 0);
    set_kind->rules->warn(&arena, set_from(&arena, SET("'revisionHistoryLimit':-1")), &warnings);
    assert_int_equal(warnings.n, 1);
}

static void rows_look_as_kubectl_shows_them(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    StatefulSet *set = set_from(&arena, SET("'replicas':3"));

    set->status.ready_replicas = 2;
    assert_row(set_kind, set, 400, "\"web\",\"2/3\",\"5m\",\"nginx,log\",\"nginx:1,log:2\"");
    assert_row(&kind_controller_revision,
               value_from(&arena, &kind_controller_revision,
                          "{'metadata':{'name':'web-1','ownerReferences':[{'apiVersion':'apps/"
                          "v1','kind':'StatefulSet',"
                          "'name':'web','uid':'u','controller':true}]},'data':{},'revision':4}"),
               400, "\"web-1\",\"statefulset.apps/web\",4,\"\\u003cunknown\\u003e\"");
}

static void revisions_hold_an_object_that_never_changes(void **state)
{
    static const struct {
        const char *data, *causes;
    } rows[] = {
        {"", "data: Required value: data is mandatory\n"},
        {",'data':null", "data: Required value: data is mandatory\n"},
        {",'data':[1]", "data: Required value: data must be a valid JSON object\n"},
        {",'data':{'a':1}", ""},
    };
    static const char *meta = "'metadata':{'name':'web-1','namespace':'default'},'revision':1";
    _arena_ Arena arena = ARENA_INIT;
    const Kind *kind = &kind_controller_revision;
    const void *before =
        value_from(&arena, kind, arena_printf(&arena, "{%s,'data':{'a':2}}", meta));

    EACH_ROW(i, rows, rows[i].data)
        assert_causes(kind,
                      value_from(&arena, kind, arena_printf(&arena, "{%s%s}", meta, rows[i].data)),
                      NULL, &arena, rows[i].causes);
    assert_causes(kind, value_from(&arena, kind, arena_printf(&arena, "{%s,'data':{'a':1}}", meta)),
                  before, &arena, "data: Invalid value: {\"a\":1}: field is immutable\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_set_is_completed),
        cmocka_unit_test(a_named_strategy_gets_no_rolling_update),
        cmocka_unit_test(half_a_retention_policy_is_completed),
        cmocka_unit_test(bad_sets_are_refused_in_kubernetes_words),
        cmocka_unit_test(mounts_find_the_claim_templates_volumes),
        cmocka_unit_test(only_some_fields_of_a_set_may_change),
        cmocka_unit_test(a_status_cannot_contradict_itself),
        cmocka_unit_test(a_client_cannot_set_the_status_of_a_new_set),
        cmocka_unit_test(a_negative_history_limit_is_warned_about),
        cmocka_unit_test(rows_look_as_kubectl_shows_them),
        cmocka_unit_test(revisions_hold_an_object_that_never_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
