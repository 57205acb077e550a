/* SPDX-License-Identifier: Apache-2.0 */
/* AppArmor profiles of pods, as fields and as annotations. The texts are those of kube-apiserver 1.36. */
#include "../rules_fixture.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"

#define KEY "container.apparmor.security.beta.kubernetes.io/"
#define POD(annotations, pod, container)                                                        \
    "{'metadata':{'name':'a','namespace':'b','annotations':{" annotations                       \
    "}},'spec':{'restartPolicy':'Always','dnsPolicy':'ClusterFirst','terminationGracePeriodSec" \
    "onds':1,'securityContext':{" pod                                                           \
    "},'containers':[{'name':'c','image':'i','imagePullPolicy':'Always','terminationMessagePo"  \
    "licy':'File','terminationMessagePath':'/x','securityContext':{" container "}}]}}"

static void profiles_are_valid(void **state)
{
    static const RuleCase cases[] = {
        {POD("", "'appArmorProfile':{'type':'RuntimeDefault'}", ""), ""},
        {POD("", "", "'appArmorProfile':{'type':'Localhost','localhostProfile':'x y'}"), ""},
        {POD("", "'appArmorProfile':{'type':'Localhost'}", ""),
         "spec.securityContext.appArmorProfile.localhostProfile: Required value: must be set when "
         "AppArmor type is Localhost\n"},
        {POD("", "", "'appArmorProfile':{'type':'Localhost','localhostProfile':' x'}"),
         "spec.containers[0].securityContext.appArmorProfile.localhostProfile: Invalid value: \" "
         "x\": must not be padded with whitespace\n"},
        {POD("", "", "'appArmorProfile':{'type':'Unconfined','localhostProfile':'x'}"),
         "spec.containers[0].securityContext.appArmorProfile.localhostProfile: Invalid value: "
         "\"x\": can only be set when AppArmor type is Localhost\n"},
        {POD("'" KEY "c':'runtime/default'", "", ""), ""},
        {POD("'" KEY "c':'localhost/x'", "", ""), ""},
        {POD("'" KEY "d':'unconfined'", "", ""),
         "metadata.annotations[" KEY "d]: Invalid value: \"d\": container not found\n"},
        {POD("'" KEY "c':'x'", "", ""),
         "metadata.annotations[" KEY
         "c]: Invalid value: \"x\": invalid AppArmor profile name: \"x\"\n"},
        {POD("'" KEY "c':'unconfined'", "", "'appArmorProfile':{'type':'Unconfined'}"), ""},
        {POD("'" KEY "c':'unconfined'", "'appArmorProfile':{'type':'RuntimeDefault'}", ""),
         "spec.containers[0].securityContext.appArmorProfile.type: Forbidden: apparmor type in "
         "annotation and field must match\n"},
        {POD("'" KEY "c':'localhost/y'", "",
             "'appArmorProfile':{'type':'Localhost','localhostProfile':'x'}"),
         "spec.containers[0].securityContext.appArmorProfile.localhostProfile: Forbidden: apparmor "
         "profile in annotation and field must match\n"},
    };

    assert_cases(&kind_pod, cases, ARRAY_LEN(cases));
}

static void annotations_become_fields_of_new_pods(void **state)
{
    static const struct {
        const char *pod, *type, *name;
    } rows[] = {
        {POD("'" KEY "c':'runtime/default'", "", ""), "RuntimeDefault", NULL},
        {POD("'" KEY "c':'unconfined'", "", ""), "Unconfined", NULL},
        {POD("'" KEY "c':'localhost/x'", "", ""), "Localhost", "x"},
        {POD("'" KEY "c':'localhost/'", "", ""), NULL, NULL},
        {POD("'" KEY "d':'unconfined'", "", ""), NULL, NULL},
        {POD("'" KEY "c':'unconfined'", "'appArmorProfile':{'type':'Unconfined'}", ""), NULL, NULL},
        {POD("'" KEY "c':'unconfined'", "'appArmorProfile':{'type':'RuntimeDefault'}", ""),
         "Unconfined", NULL},
        {POD("'" KEY "c':'unconfined'", "", "'appArmorProfile':{'type':'RuntimeDefault'}"),
         "RuntimeDefault", NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _arena_ Arena arena = ARENA_INIT;
        Pod *pod = value_from(&arena, &kind_pod, rows[i].pod);
        const SecurityContext *security;

        kind_pod.rules->prepare(&arena, pod, NULL);
        security = pod->spec.containers.v[0].security_context;
        if (!rows[i].type) {
            assert_true(!security || !security->app_armor_profile);
            continue;
        }
        assert_non_null(security);
        assert_non_null(security->app_armor_profile);
        assert_string_equal(security->app_armor_profile->type, rows[i].type);
        assert_true(str_equal(security->app_armor_profile->localhost_profile, rows[i].name));
    }
}

static void annotations_of_a_pod_do_not_change(void **state)
{
    static const struct {
        const char *before, *now, *said;
    } rows[] = {
        {POD("'" KEY "c':'unconfined'", "", ""), POD("'" KEY "c':'unconfined','x':'y'", "", ""),
         ""},
        {POD("", "", ""), POD("'" KEY "c':'unconfined'", "", ""),
         "metadata.annotations[" KEY "c]: Forbidden: may not add AppArmor annotations\n"},
        {POD("'" KEY "c':'unconfined'", "", ""), POD("", "", ""),
         "metadata.annotations[" KEY "c]: Forbidden: may not remove or update AppArmor "
         "annotations\n"},
        {POD("'" KEY "c':'unconfined'", "", ""), POD("'" KEY "c':'localhost/x'", "", ""),
         "metadata.annotations[" KEY "c]: Forbidden: may not remove or update AppArmor "
         "annotations\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _arena_ Arena arena = ARENA_INIT;
        Pod *before = value_from(&arena, &kind_pod, rows[i].before);
        Pod *now = value_from(&arena, &kind_pod, rows[i].now);

        kind_pod.rules->prepare(&arena, before, NULL);
        now->spec = before->spec;
        before->metadata.resource_version = now->metadata.resource_version = "1";
        assert_causes(&kind_pod, now, before, &arena, rows[i].said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(profiles_are_valid),
        cmocka_unit_test(annotations_become_fields_of_new_pods),
        cmocka_unit_test(annotations_of_a_pod_do_not_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
