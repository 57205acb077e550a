/* SPDX-License-Identifier: Apache-2.0 */
/* StatefulSets and their claims, from what a user writes to the objects that result. */
#include "unit/control/workload_rig.h"

#include "api/schema/apps_v1.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_volume_v1.h"

/* A set whose pods use a claim each, "data-my-web-0" and so on. */
#define SET(replicas, extra)                                                                     \
    "{'metadata':{'name':'my-web','namespace':'default'},'spec':{'replicas':" replicas           \
    ",'serviceName':'web','podManagementPolicy':'Parallel','selector':{'matchLabels':{'app':'w'" \
    "}}," extra "'template':{'metadata':{'labels':{'app':'w'}},'spec':{'containers':[{'name':"   \
    "'a','image':'i'}]}},'volumeClaimTemplates':[{'metadata':{'name':'data'},'spec':{"           \
    "'accessModes':['ReadWriteOnce'],'resources':{'requests':{'storage':'1Mi'}}}}]}}"

static Object *claim(Rig *rig, const char *name)
{
    return get(rig, &kind_persistent_volume_claim, "default", name);
}

/* No node runs the pod, so that nothing keeps its claim. */
static void a_claim_that_is_deleted_is_made_again_for_its_pod(void **state)
{
    Rig *rig = *state;
    const char *uid;

    create(rig, &kind_stateful_set, SET("1", ""));
    uid = arena_strdup(&rig->arena, object_meta(claim(rig, "data-my-web-0"))->uid);
    delete (rig, &kind_persistent_volume_claim, "default", "data-my-web-0", NULL);
    assert_non_null(claim(rig, "data-my-web-0"));
    assert_string_not_equal(object_meta(claim(rig, "data-my-web-0"))->uid, uid);
}

static void claims_of_pods_that_are_scaled_away_go_only_if_the_set_says_so(void **state)
{
    static const struct {
        const char *set;
        bool stay;
    } cases[] = {
        {SET("3", ""), true},
        {SET("3", "'persistentVolumeClaimRetentionPolicy':{'whenScaled':'Retain'},"), true},
        {SET("3", "'persistentVolumeClaimRetentionPolicy':{'whenScaled':'Delete'},"), false},
    };

    EACH_ROW(i, cases, cases[i].set) {
        Rig *rig;

        assert_int_equal(setup_with_node(state), 0);
        rig = *state;
        create(rig, &kind_stateful_set, cases[i].set);
        run_node(rig);
        patch(rig, &kind_stateful_set, "my-web", "{'spec':{'replicas':1}}");
        run_node(rig);
        assert_int_equal(count_of(rig, &kind_pod), 1);
        assert_non_null(claim(rig, "data-my-web-0"));
        assert_int_equal(claim(rig, "data-my-web-1") != NULL, cases[i].stay);
        assert_int_equal(claim(rig, "data-my-web-2") != NULL, cases[i].stay);
        teardown(state);
    }
}

/* Pods below the first ordinal are scaled away like those above the last one. */
static void a_set_that_starts_later_lets_go_of_claims_at_both_ends(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_stateful_set,
           SET("3", "'persistentVolumeClaimRetentionPolicy':{'whenScaled':'Delete'},"));
    run_node(rig);
    patch(rig, &kind_stateful_set, "my-web", "{'spec':{'replicas':1,'ordinals':{'start':1}}}");
    run_node(rig);
    assert_null(claim(rig, "data-my-web-0"));
    assert_non_null(claim(rig, "data-my-web-1"));
    assert_null(claim(rig, "data-my-web-2"));
}

static void the_claims_of_a_deleted_set_go_only_if_it_says_so(void **state)
{
    static const struct {
        const char *set;
        bool stay;
    } cases[] = {
        {SET("2", ""), true},
        {SET("2", "'persistentVolumeClaimRetentionPolicy':{'whenDeleted':'Delete'},"), false},
    };

    EACH_ROW(i, cases, cases[i].set) {
        Rig *rig;

        assert_int_equal(setup_with_node(state), 0);
        rig = *state;
        create(rig, &kind_stateful_set, cases[i].set);
        run_node(rig);
        delete (rig, &kind_stateful_set, "default", "my-web", NULL);
        run_node(rig);
        assert_int_equal(count_of(rig, &kind_pod), 0);
        assert_int_equal(claim(rig, "data-my-web-0") != NULL, cases[i].stay);
        assert_int_equal(claim(rig, "data-my-web-1") != NULL, cases[i].stay);
        teardown(state);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_with_node, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_claim_that_is_deleted_is_made_again_for_its_pod, setup,
                                        teardown),
        cmocka_unit_test(claims_of_pods_that_are_scaled_away_go_only_if_the_set_says_so),
        TEST(a_set_that_starts_later_lets_go_of_claims_at_both_ends),
        cmocka_unit_test(the_claims_of_a_deleted_set_go_only_if_it_says_so),
    };
    return cmocka_run_group_tests_name("statefulset", tests, NULL, NULL);
}
