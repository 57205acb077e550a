/* SPDX-License-Identifier: Apache-2.0 */
/* ResourceQuotas: what admission charges and the controller counts, on the real server. */
#include "api/schema/apps_v1.h"
#include "api/schema/batch_v1.h"
#include "api/schema/core_config_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_quota_v1.h"
#include "workload_rig.h"

#define RACERS 50
#define QUOTA(hard) "{'metadata':{'name':'q','namespace':'default'},'spec':{'hard':{" hard "}}}"
#define POD(name, more)                                                                     \
    "{'metadata':{'name':'" name "','namespace':'default'},'spec':{" more "'containers':[{" \
    "'name':'a','image':'i'}]}}"

static const char *used(Rig *rig, const char *resource)
{
    const Object *quota = get(rig, &kind_resource_quota, "default", "q");

    return str_or(string_map_get(&OBJECT_AS(ResourceQuota, quota)->status.used, resource), "none");
}

static void remove_pod(Rig *rig, const char *name)
{
    client_delete(rig->client, &kind_pod, "default", name,
                  &(WriteOptions){.grace_seconds = &(int64_t){0}}, on_written, rig);
    settle(rig);
}

static void a_new_quota_counts_what_is_there(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_pod, POD("a", ""));
    create(rig, &kind_config_map, "{'metadata':{'name':'c','namespace':'default'}}");
    create(rig, &kind_resource_quota,
           QUOTA("'pods':'5','count/configmaps':'9','services':'1','count/x.example.com':'1'"));
    assert_string_equal(used(rig, "pods"), "1");
    assert_string_equal(used(rig, "count/configmaps"), "2"); /* with that of the authority */
    assert_string_equal(used(rig, "services"), "1");         /* that of the API */
    assert_string_equal(used(rig, "count/x.example.com"), "none");
    patch(rig, &kind_resource_quota, "q", "{'spec':{'hard':{'services':null,'secrets':'3'}}}");
    assert_string_equal(used(rig, "services"), "none");
    assert_string_equal(used(rig, "secrets"), "0");
}

static void what_goes_or_ends_is_not_counted_any_more(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_resource_quota, QUOTA("'pods':'5','count/pods':'5'"));
    create(rig, &kind_pod, POD("a", ""));
    create(rig, &kind_pod, POD("b", ""));
    assert_string_equal(used(rig, "pods"), "2");
    set_pod(rig, "a", "Succeeded", false);
    assert_string_equal(used(rig, "pods"), "1");
    assert_string_equal(used(rig, "count/pods"), "2");
    remove_pod(rig, "a");
    assert_string_equal(used(rig, "count/pods"), "1");
    remove_pod(rig, "b");
    assert_string_equal(used(rig, "pods"), "0");
}

/* The node has not reported that the pod is gone, but its grace period is over. */
static void a_pod_that_should_have_gone_is_not_counted(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_resource_quota, QUOTA("'pods':'5'"));
    create(rig, &kind_pod, POD("a", "'nodeName':'n',"));
    set_pod(rig, "a", "Running", true);
    delete (rig, &kind_pod, "default", "a", NULL);
    assert_string_equal(used(rig, "pods"), "1");
    clock_fake_advance(rig->clock, 70 * NS_PER_SEC);
    settle(rig);
    assert_string_equal(used(rig, "pods"), "0");
}

static void a_status_that_someone_changes_is_put_right(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_resource_quota, QUOTA("'pods':'5'"));
    create(rig, &kind_pod, POD("a", ""));
    write_status(rig, &kind_resource_quota, "default", "q", "{'used':{'pods':'4'}}");
    settle(rig);
    assert_string_equal(used(rig, "pods"), "1");
}

static void count_outcome(void *data, const ApiStatus *status, Object *object _unused_)
{
    size_t *granted = data;

    if (status->reason == STATUS_OK)
        ++*granted;
    else
        assert_non_null(strstr(status->message, "exceeded quota: q, requested: pods=1, used: "
                                                "pods=10, limited: pods=10"));
}

/* All creations are under way before the first is committed. */
static size_t race(Rig *rig, int round)
{
    size_t granted = 0;

    for (int i = 0; i < RACERS; i++) {
        Object *object =
            parse(rig, &kind_pod,
                  arena_printf(&rig->arena,
                               "{'metadata':{'name':'r%d-%d','namespace':'default'},'spec':{"
                               "'containers':[{'name':'a','image':'i'}]}}",
                               round, i));

        client_create(rig->client, object, NULL, count_outcome, &granted);
        object_unref(object);
    }
    settle(rig);
    return granted;
}

static void fifty_racing_creators_never_exceed_a_quota_and_never_get_stuck(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_resource_quota, QUOTA("'pods':'10'"));
    for (int round = 0; round < 3; round++) {
        Found pods;

        assert_int_equal(race(rig, round), 10);
        assert_string_equal(used(rig, "pods"), "10");
        pods = find(rig, &kind_pod);
        assert_int_equal(pods.n, 10);
        for (size_t i = 0; i < pods.n; i++) /* gone and made anew in the same turn */
            client_delete(rig->client, &kind_pod, "default", object_meta(pods.v[i])->name,
                          &(WriteOptions){.grace_seconds = &(int64_t){0}}, on_written, rig);
        drop(&pods);
        settle(rig);
        assert_string_equal(used(rig, "pods"), "0");
    }
}

/* The controller counts at any moment between the commits of pods and quotas. */
static void a_count_in_between_never_loses_a_pod(void **state)
{
    Rig *rig = *state;
    size_t granted = 0;

    create(rig, &kind_resource_quota, QUOTA("'pods':'10'"));
    create(rig, &kind_pod, POD("old", ""));
    client_delete(rig->client, &kind_pod, "default", "old",
                  &(WriteOptions){.grace_seconds = &(int64_t){0}}, on_written, rig);
    for (int i = 0; i < 2 * RACERS; i++) {
        Object *object =
            parse(rig, &kind_pod,
                  arena_printf(&rig->arena,
                               "{'metadata':{'name':'p%d','namespace':'default'},'spec':{"
                               "'containers':[{'name':'a','image':'i'}]}}",
                               i));

        client_create(rig->client, object, NULL, count_outcome, &granted);
        object_unref(object);
        if (i % 3 == 0)
            clock_fake_advance(rig->clock, 15 * NS_PER_MS); /* the controller runs, no commit */
        if (i % 7 == 0)
            store_flush_now(rig->store);
    }
    settle(rig);
    assert_int_equal(granted, 10);
    assert_int_equal(count_of(rig, &kind_pod), 10);
    assert_string_equal(used(rig, "pods"), "10");
}

#define TEMPLATE                                                                     \
    "'template':{'metadata':{'labels':{'app':'web'}},'spec':{'containers':[{'name':" \
    "'a','image':'i'}]}}"

static const char *failure_of(Rig *rig)
{
    const ReplicaSetStatus *status =
        &OBJECT_AS(ReplicaSet, get(rig, &kind_replica_set, "default", "web"))->status;

    for (size_t i = 0; i < status->conditions.n; i++)
        if (str_equal(status->conditions.v[i].type, "ReplicaFailure"))
            return status->conditions.v[i].reason;
    return "none";
}

static void a_replica_set_tells_that_the_quota_is_used_up_and_goes_on_later(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_resource_quota, QUOTA("'pods':'2'"));
    create(rig, &kind_replica_set,
           "{'metadata':{'name':'web','namespace':'default'},'spec':{'replicas':3,'selector':{"
           "'matchLabels':{'app':'web'}}," TEMPLATE "}}");
    assert_int_equal(count_of(rig, &kind_pod), 2);
    assert_string_equal(failure_of(rig), "FailedCreate");
    assert_non_null(strstr(event_message(rig, "FailedCreate"), "exceeded quota: q"));
    patch(rig, &kind_resource_quota, "q", "{'spec':{'hard':{'pods':'3'}}}");
    clock_fake_advance(rig->clock, 60 * NS_PER_SEC);
    settle(rig);
    assert_int_equal(count_of(rig, &kind_pod), 3);
    assert_string_equal(failure_of(rig), "none");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_with_node, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_new_quota_counts_what_is_there),
        TEST(what_goes_or_ends_is_not_counted_any_more),
        TEST(a_pod_that_should_have_gone_is_not_counted),
        TEST(a_status_that_someone_changes_is_put_right),
        TEST(fifty_racing_creators_never_exceed_a_quota_and_never_get_stuck),
        TEST(a_count_in_between_never_loses_a_pod),
        TEST(a_replica_set_tells_that_the_quota_is_used_up_and_goes_on_later),
    };
    return cmocka_run_group_tests_name("quota", tests, NULL, NULL);
}
