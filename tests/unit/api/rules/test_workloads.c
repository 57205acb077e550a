/* SPDX-License-Identifier: Apache-2.0 */
/* Deployments, Jobs, disruption budgets and roles: what is filled in, and what is refused in which
 * words. */
#include "../rules_fixture.h"
#include "api/schema/apps_v1.h"
#include "api/schema/batch_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_service_v1.h"
#include "api/schema/policy_v1.h"
#include "api/schema/rbac_v1.h"

#define META "'metadata':{'name':'web','namespace':'default','uid':'u'}"
#define TEMPLATE(policy)                                                                        \
    "'selector':{'matchLabels':{'app':'web'}},'template':{'metadata':{'labels':{'app':'web'}}," \
    "'spec':{'restartPolicy':'" policy "','containers':[{'name':'a','image':'b'}]}}"
#define DEPLOYMENT(members) "{" META ",'spec':{" TEMPLATE("Always") "" members "}}"
#define JOB(members) "{" META ",'spec':{'manualSelector':true," TEMPLATE("Never") "" members "}}"
#define RBAC "rbac.authorization.k8s.io"

typedef struct Case {
    const Kind *kind;
    const char *json, *causes;
} Case;

static void a_deployment_is_completed(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    Deployment *deployment = value_from(&arena, &kind_deployment, DEPLOYMENT(""));
    DeploymentSpec *spec = &deployment->spec;

    assert_int_equal(*spec->replicas, 1);
    assert_int_equal(*spec->revision_history_limit, 10);
    assert_int_equal(*spec->progress_deadline_seconds, 600);
    assert_string_equal(spec->strategy.type, "RollingUpdate");
    assert_string_equal(spec->strategy.rolling_update->max_surge->string, "25%");
    assert_string_equal(spec->strategy.rolling_update->max_unavailable->string, "25%");
    assert_causes(&kind_deployment, deployment, NULL, &arena, "");
}

static void a_job_is_completed_and_finds_its_pods_by_uid(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    Job *job = value_from(&arena, &kind_job,
                          "{" META ",'spec':{'template':{'spec':{'restartPolicy':'Never',"
                          "'containers':[{'name':'a','image':'b'}]}}}}");

    kind_job.rules->prepare(&arena, job, NULL);
    assert_int_equal(*job->spec.completions, 1);
    assert_int_equal(*job->spec.parallelism, 1);
    assert_int_equal(*job->spec.backoff_limit, 6);
    assert_string_equal(job->spec.completion_mode, "NonIndexed");
    assert_string_equal(job->spec.pod_replacement_policy, "TerminatingOrFailed");
    assert_int_equal(job->spec.template.metadata.labels.n, 4);
    assert_string_equal(job->spec.selector->match_labels.v[0].value, "u");
    assert_causes(&kind_job, job, NULL, &arena, "");
}

static void a_job_shows_how_many_pods_have_to_succeed(void **state)
{
    static const struct {
        const char *json, *cell;
    } rows[] = {
        {JOB(",'completions':3,'parallelism':2"), "\"1/3\""},
        {JOB(",'parallelism':1"), "\"1/1\""},
        {JOB(",'parallelism':2"), "\"1/1 of 2\""},
        {JOB(",'parallelism':0"), "\"1/1\""},
    };

    EACH_ROW(i, rows, rows[i].json) {
        _arena_ Arena arena = ARENA_INIT;
        _strbuf_ StrBuf row = STRBUF_INIT;
        Job *job = value_from(&arena, &kind_job, rows[i].json);
        char *cell;

        job->status.succeeded = 1;
        if (strstr(rows[i].json, "completions") == NULL)
            job->spec.completions = NULL;
        kind_job.rules->print(job, 0, &row);
        cell = strchr(strchr(strbuf_string(&row), ',') + 1, ',') + 1; /* the third */
        assert_memory_equal(cell, rows[i].cell, strlen(rows[i].cell));
    }
}

static void what_is_wrong_is_refused_in_kubernetes_words(void **state)
{
    static const Case cases[] = {
        {&kind_deployment,
         DEPLOYMENT(",'strategy':{'rollingUpdate':{'maxSurge':0,'maxUnavailable':0}}"),
         "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when "
         "`maxSurge` is 0\n"},
        {&kind_deployment, DEPLOYMENT(",'strategy':{'type':'Recreate','rollingUpdate':{}}"),
         "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is "
         "'Recreate'\n"},
        {&kind_deployment, DEPLOYMENT(",'minReadySeconds':700"),
         "spec.progressDeadlineSeconds: Invalid value: 600: must be greater than "
         "minReadySeconds\n"},
        {&kind_deployment, DEPLOYMENT(",'strategy':{'rollingUpdate':{'maxSurge':'150%'}}"), ""},
        {&kind_job, JOB(",'completionMode':'Indexed','parallelism':1"),
         "spec.completions: Required value: when completion mode is Indexed\n"},
        {&kind_job, JOB(",'backoffLimitPerIndex':1"),
         "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode\n"},
        {&kind_job, "{" META ",'spec':{'manualSelector':true," TEMPLATE("Always") "}}",
         "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", "
         "\"Never\"\n"},
        {&kind_pod_disruption_budget, "{" META ",'spec':{'minAvailable':'150%'}}",
         "spec.minAvailable: Invalid value: \"150%\": must not be greater than 100%\n"},
        {&kind_role, "{" META ",'rules':[{'verbs':['get']}]}",
         "rules[0].apiGroups: Required value: resource rules must supply at least one api group\n"
         "rules[0].resources: Required value: resource rules must supply at least one resource\n"},
        {&kind_role, "{" META ",'rules':[{'verbs':['get'],'nonResourceURLs':['/a']}]}",
         "rules[0].nonResourceURLs: Invalid value: [\"/a\"]: namespaced rules cannot apply to "
         "non-resource URLs\n"},
        {&kind_role_binding,
         "{" META ",'subjects':[{'kind':'User','name':'alice'},{'kind':'Robot','name':'r'}],"
         "'roleRef':{'kind':'Thing','name':'t'}}",
         "roleRef.kind: Unsupported value: \"Thing\": supported values: \"Role\", "
         "\"ClusterRole\"\n"
         "subjects[1].kind: Unsupported value: \"Robot\": supported values: \"ServiceAccount\", "
         "\"User\", \"Group\"\n"},
    };

    EACH_ROW(i, cases, cases[i].json) {
        _arena_ Arena arena = ARENA_INIT;

        assert_causes(cases[i].kind, value_from(&arena, cases[i].kind, cases[i].json), NULL, &arena,
                      cases[i].causes);
    }
}

static void a_binding_keeps_its_role(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    const char *json = "{" META ",'roleRef':{'kind':'Role','name':'a'}}";
    RoleBinding *before = value_from(&arena, &kind_role_binding, json);
    RoleBinding *now = value_from(&arena, &kind_role_binding, json);

    before->metadata.resource_version = now->metadata.resource_version = "1";
    now->role_ref.name = "b";
    assert_causes(&kind_role_binding, now, before, &arena,
                  "roleRef: Invalid value: {\"apiGroup\":\"" RBAC
                  "\",\"kind\":\"Role\",\"name\":\"b\"}: cannot change roleRef\n");
}

/* kube-apiserver says this only to clusters with two families, so it is not among the recorded cases. */
static void neither_address_of_a_service_changes(void **state)
{
#define TWO_FAMILIES(second)                                                                    \
    "{'metadata':{'name':'web','namespace':'t'},'spec':{'ports':[{'port':80}],"                 \
    "'ipFamilyPolicy':'RequireDualStack','ipFamilies':['IPv4','IPv6'],'clusterIP':'10.96.0.5'," \
    "'clusterIPs':['10.96.0.5','" second "']}}"
    _arena_ Arena arena = ARENA_INIT;
    const Kind *kind = &kind_service;
    const void *before = value_from(&arena, kind, TWO_FAMILIES("fd00::5"));

    assert_causes(kind, value_from(&arena, kind, TWO_FAMILIES("fd00::5")), before, &arena, "");
    assert_causes(kind, value_from(&arena, kind, TWO_FAMILIES("fd00::6")), before, &arena,
                  "spec.clusterIPs[1]: Invalid value: [\"10.96.0.5\",\"fd00::6\"]: may not change "
                  "once set\n");
}

/* The feature is off in kube-apiserver by default, so it is not among the recorded cases. */
static void the_certificate_of_a_pod_has_a_type_of_key(void **state)
{
#define CERTIFICATE(key_type)                                                                   \
    "{'metadata':{'name':'a','namespace':'t'},'spec':{'containers':[{'name':'c','image':'i'}]," \
    "'volumes':[{'name':'v','projected':{'sources':[{'podCertificate':{'signerName':'a.b/c',"   \
    "'credentialBundlePath':'p'" key_type "}}]}}]}}"
    _arena_ Arena arena = ARENA_INIT;
    Causes causes = {.arena = &arena};
    const Kind *kind = &kind_pod;

    assert_causes(kind, value_from(&arena, kind, CERTIFICATE(",'keyType':'ED25519'")), NULL, &arena,
                  "");
    validate_object(kind, value_from(&arena, kind, CERTIFICATE("")), NULL, &causes);
    assert_int_equal(causes.n, 1);
    assert_string_equal(causes.v[0].field,
                        "spec.volumes[0].projected.sources[0].podCertificate.keyType");
    assert_int_equal(causes.v[0].type, CAUSE_NOT_SUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deployment_is_completed),
        cmocka_unit_test(a_job_is_completed_and_finds_its_pods_by_uid),
        cmocka_unit_test(a_job_shows_how_many_pods_have_to_succeed),
        cmocka_unit_test(what_is_wrong_is_refused_in_kubernetes_words),
        cmocka_unit_test(a_binding_keeps_its_role),
        cmocka_unit_test(neither_address_of_a_service_changes),
        cmocka_unit_test(the_certificate_of_a_pod_has_a_type_of_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
