/* SPDX-License-Identifier: Apache-2.0 */
/* Who has to go for whom: preemption by priority, and taints that evict, on the real server. */
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/policy_v1.h"
#include "api/schema/scheduling_v1.h"
#include "workload_rig.h"

#define CLASS(name, value, more) "{'metadata':{'name':'" name "'},'value':" value more "}"

static int setup_cluster(void **state)
{
    Rig *rig;
    int r = setup_with_node(state);

    if (r)
        return r;
    rig = *state;
    write_status(rig, &kind_node, NULL, "n",
                 "{'allocatable':{'cpu':'2','pods':'110','example.com/foo':'3'}}");
    create(rig, &kind_priority_class, CLASS("low", "1", ""));
    create(rig, &kind_priority_class, CLASS("mid", "10", ""));
    create(rig, &kind_priority_class, CLASS("high", "100", ""));
    create(rig, &kind_priority_class, CLASS("polite", "100", ",'preemptionPolicy':'Never'"));
    return 0;
}

/* A pod that requests so much of a resource. */
static void add(Rig *rig, const char *name, const char *class, const char *resource,
                const char *amount)
{
    create(rig, &kind_pod,
           arena_printf(&rig->arena,
                        "{'metadata':{'name':'%s','namespace':'default','labels':{'app':'%s'}},"
                        "'spec':{'priorityClassName':'%s','containers':[{'name':'a','image':'i',"
                        "'resources':{'requests':{'%s':'%s'},'limits':{'%s':'%s'}}}]}}",
                        name, name, class, resource, amount, resource, amount));
}

static const Pod *pod(Rig *rig, const char *name)
{
    Object *object = get(rig, &kind_pod, "default", name);

    return object ? OBJECT_AS(Pod, object) : NULL;
}

static bool is_going(Rig *rig, const char *name)
{
    const Pod *of = pod(rig, name);

    return !of || of->metadata.deletion_timestamp.set;
}

static bool runs(Rig *rig, const char *name)
{
    return pod(rig, name) && str_equal(pod(rig, name)->status.phase, "Running");
}

static const PodCondition *condition(Rig *rig, const char *name, const char *type)
{
    static const PodCondition none;
    const PodConditionArray *list = &pod(rig, name)->status.conditions;

    for (size_t i = 0; i < list->n; i++)
        if (str_equal(list->v[i].type, type))
            return &list->v[i];
    return &none;
}

static void a_more_important_pod_makes_the_least_important_one_go(void **state)
{
    Rig *rig = *state;

    add(rig, "low", "low", "cpu", "1");
    add(rig, "mid", "mid", "cpu", "1");
    run_node(rig);
    add(rig, "high", "high", "cpu", "1");
    assert_true(is_going(rig, "low"));
    assert_false(is_going(rig, "mid"));
    assert_string_equal(pod(rig, "high")->status.nominated_node_name, "n");
    assert_string_equal(condition(rig, "high", "PodScheduled")->message,
                        "0/1 nodes are available: 1 Insufficient cpu.");
    assert_string_equal(condition(rig, "low", "DisruptionTarget")->reason, "PreemptionByScheduler");
    assert_string_equal(condition(rig, "low", "DisruptionTarget")->message,
                        "default-scheduler: preempting to accommodate a higher priority pod");
    assert_non_null(strstr(event_message(rig, "Preempted"), "on node n"));
    run_node(rig);
    assert_null(pod(rig, "low"));
    assert_true(runs(rig, "high") && runs(rig, "mid"));
    assert_null(pod(rig, "high")->status.nominated_node_name);
}

static void nobody_goes_for_a_pod_that_would_not_fit_anyway(void **state)
{
    Rig *rig = *state;

    add(rig, "low", "low", "cpu", "1");
    run_node(rig);
    add(rig, "high", "high", "cpu", "3");
    assert_false(is_going(rig, "low"));
    assert_string_equal(condition(rig, "high", "PodScheduled")->message,
                        "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are "
                        "available: 1 No preemption victims found for incoming pod.");
}

static void a_polite_pod_waits(void **state)
{
    Rig *rig = *state;

    add(rig, "low", "low", "cpu", "2");
    run_node(rig);
    add(rig, "polite", "polite", "cpu", "1");
    assert_false(is_going(rig, "low"));
    assert_string_equal(condition(rig, "polite", "PodScheduled")->message,
                        "0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due "
                        "to preemptionPolicy=Never.");
}

static void a_pod_that_a_budget_protects_goes_last(void **state)
{
    static const char *const names[] = {"a", "b"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        Rig *rig;

        assert_int_equal(setup_cluster(state), 0);
        rig = *state;
        add(rig, "a", "low", "cpu", "1");
        add(rig, "b", "low", "cpu", "1");
        run_node(rig);
        create(rig, &kind_pod_disruption_budget,
               arena_printf(&rig->arena,
                            "{'metadata':{'name':'b','namespace':'default'},'spec':{"
                            "'minAvailable':1,'selector':{'matchLabels':{'app':'%s'}}}}",
                            names[i]));
        add(rig, "high", "high", "cpu", "1");
        assert_false(is_going(rig, names[i]));
        assert_true(is_going(rig, names[1 - i]));
        add(rig, "high2", "high", "cpu", "1"); /* nothing else helps now */
        run_node(rig);
        assert_true(is_going(rig, names[i]));
        teardown(state);
    }
}

static void room_that_is_being_made_is_not_given_to_others(void **state)
{
    Rig *rig = *state;

    add(rig, "low", "low", "cpu", "1");
    run_node(rig);
    add(rig, "high", "high", "cpu", "2");
    assert_true(is_going(rig, "low"));
    add(rig, "mid", "mid", "cpu", "1"); /* fits beside the pod that is going */
    assert_true(str_empty(pod(rig, "mid")->spec.node_name));
    run_node(rig);
    assert_true(runs(rig, "high"));
    assert_false(runs(rig, "mid"));
}

static void resources_of_any_name_are_counted(void **state)
{
    Rig *rig = *state;

    add(rig, "a", "low", "example.com/foo", "2");
    add(rig, "b", "low", "example.com/foo", "2");
    run_node(rig);
    assert_true(runs(rig, "a"));
    assert_non_null(
        strstr(condition(rig, "b", "PodScheduled")->message, "1 Insufficient example.com/foo."));
    add(rig, "c", "low", "example.com/bar", "1");
    assert_non_null(
        strstr(condition(rig, "c", "PodScheduled")->message, "1 Insufficient example.com/bar."));
    delete (rig, &kind_pod, "default", "a", NULL);
    run_node(rig);
    assert_true(runs(rig, "b"));
}

/* ---- taints ---- */

#define TAINT "{'spec':{'taints':[{'key':'k','value':'v','effect':'NoExecute'}]}}"

static void taint(Rig *rig, const char *spec)
{
    char *json = arena_strdup(&rig->arena, spec);

    for (char *c = json; *c; c++)
        if (*c == '\'')
            *c = '"';
    client_patch(rig->client, &kind_node, NULL, "n", PATCH_MERGE, bytes_from_string(json), NULL,
                 on_written, rig);
    settle(rig);
    assert_int_equal(rig->last, STATUS_OK);
}

static void add_tolerant(Rig *rig, const char *name, const char *toleration)
{
    create(rig, &kind_pod,
           arena_printf(&rig->arena,
                        "{'metadata':{'name':'%s','namespace':'default'},'spec':{'tolerations':[%s]"
                        ",'containers':[{'name':'a','image':'i'}]}}",
                        name, toleration));
}

static void a_taint_evicts_when_what_is_tolerated_is_over(void **state)
{
    Rig *rig = *state;

    add_tolerant(rig, "none", "");
    add_tolerant(rig, "five",
                 "{'key':'k','operator':'Exists','effect':'NoExecute','tolerationSeconds':5}");
    add_tolerant(rig, "ever", "{'key':'k','operator':'Exists'}");
    add_tolerant(rig, "other", "{'key':'k','value':'w','effect':'NoExecute'}");
    run_node(rig);
    taint(rig, TAINT);
    assert_true(is_going(rig, "none") && is_going(rig, "other"));
    assert_string_equal(condition(rig, "none", "DisruptionTarget")->reason,
                        "DeletionByTaintManager");
    assert_false(is_going(rig, "five"));
    clock_fake_advance(rig->clock, 5 * NS_PER_SEC);
    settle(rig);
    assert_true(is_going(rig, "five"));
    clock_fake_advance(rig->clock, 1000 * NS_PER_SEC);
    settle(rig);
    assert_false(is_going(rig, "ever"));
}

static void a_taint_that_is_removed_in_time_evicts_nobody(void **state)
{
    Rig *rig = *state;

    add_tolerant(rig, "five",
                 "{'key':'k','operator':'Exists','effect':'NoExecute','tolerationSeconds':5}");
    run_node(rig);
    taint(rig, TAINT);
    clock_fake_advance(rig->clock, 3 * NS_PER_SEC);
    settle(rig);
    taint(rig, "{'spec':{'taints':null}}");
    assert_string_equal(event_message(rig, "TaintManagerEviction"),
                        "Cancelling deletion of Pod default/five");
    clock_fake_advance(rig->clock, 60 * NS_PER_SEC);
    settle(rig);
    assert_false(is_going(rig, "five"));
    taint(rig, TAINT); /* the time begins anew */
    clock_fake_advance(rig->clock, 3 * NS_PER_SEC);
    settle(rig);
    assert_false(is_going(rig, "five"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_cluster, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_more_important_pod_makes_the_least_important_one_go),
        TEST(nobody_goes_for_a_pod_that_would_not_fit_anyway),
        TEST(a_polite_pod_waits),
        cmocka_unit_test(a_pod_that_a_budget_protects_goes_last),
        TEST(room_that_is_being_made_is_not_given_to_others),
        TEST(resources_of_any_name_are_counted),
        TEST(a_taint_evicts_when_what_is_tolerated_is_over),
        TEST(a_taint_that_is_removed_in_time_evicts_nobody),
    };
    return cmocka_run_group_tests_name("preemption", tests, NULL, NULL);
}
