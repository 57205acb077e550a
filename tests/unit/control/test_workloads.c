/* SPDX-License-Identifier: Apache-2.0 */
/* Deployments, ReplicaSets, DaemonSets, Jobs and CronJobs from what a user writes to the end. */
#include "api/schema/apps_v1.h"
#include "api/schema/batch_v1.h"
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_replication_v1.h"
#include "workload_rig.h"

#define TEMPLATE(image)                                                                          \
    "'template':{'metadata':{'labels':{'app':'web'}},'spec':{'containers':[{'name':'a','image':" \
    "'" image "'}]}}"
#define SELECTOR "'selector':{'matchLabels':{'app':'web'}},"
#define DEPLOYMENT(extra)                                                                   \
    "{'metadata':{'name':'web','namespace':'default'},'spec':{'replicas':3," extra SELECTOR \
        TEMPLATE("i:1") "}}"

/* ---- Deployments ---- */

static const DeploymentStatus *deployment_status(Rig *rig)
{
    return &OBJECT_AS(Deployment, get(rig, &kind_deployment, "default", "web"))->status;
}

static const char *progress(Rig *rig)
{
    const DeploymentStatus *status = deployment_status(rig);

    for (size_t i = 0; i < status->conditions.n; i++)
        if (str_equal(status->conditions.v[i].type, "Progressing"))
            return status->conditions.v[i].reason;
    return "none";
}

static const char *revision_of(Rig *rig)
{
    return str_or(
        string_map_get(&object_meta(get(rig, &kind_deployment, "default", "web"))->annotations,
                       "deployment.kubernetes.io/revision"),
        "none");
}

/* Pods that are not terminating, and those of them that are ready. */
static size_t count_living(Rig *rig, size_t *ret_ready)
{
    Found pods = find(rig, &kind_pod);
    size_t n = 0;

    *ret_ready = 0;
    for (size_t i = 0; i < pods.n; i++) {
        const Pod *pod = OBJECT_AS(Pod, pods.v[i]);

        if (pod->metadata.deletion_timestamp.set)
            continue;
        n++;
        *ret_ready += str_equal(pod->status.phase, "Running");
    }
    drop(&pods);
    return n;
}

static size_t count_image(Rig *rig, const char *image)
{
    Found pods = find(rig, &kind_pod);
    size_t n = 0;

    for (size_t i = 0; i < pods.n; i++)
        n += str_equal(OBJECT_AS(Pod, pods.v[i])->spec.containers.v[0].image, image);
    drop(&pods);
    return n;
}

static void a_deployment_brings_its_pods_up_and_says_so(void **state)
{
    Rig *rig = *state;
    const DeploymentStatus *status;

    create(rig, &kind_deployment, DEPLOYMENT(""));
    assert_int_equal(count_of(rig, &kind_pod), 3);
    assert_int_equal(deployment_status(rig)->unavailable_replicas, 3);
    run_node(rig);
    status = deployment_status(rig);
    assert_int_equal(status->replicas, 3);
    assert_int_equal(status->updated_replicas, 3);
    assert_int_equal(status->ready_replicas, 3);
    assert_int_equal(status->available_replicas, 3);
    assert_int_equal(status->unavailable_replicas, 0);
    assert_string_equal(progress(rig), "NewReplicaSetAvailable");
    assert_string_equal(revision_of(rig), "1");
    assert_non_null(strstr(event_message(rig, "ScalingReplicaSet"), "from 0 to 3"));
    assert_non_null(strstr(event_message(rig, "ScalingReplicaSet"), "Scaled up replica set web-"));
}

/* With the default of 25 % one pod more and no pod less than three may be there. */
static void a_rollout_never_has_less_than_it_may_and_never_more(void **state)
{
    Rig *rig = *state;
    size_t ready;

    create(rig, &kind_deployment, DEPLOYMENT(""));
    run_node(rig);
    patch(rig, &kind_deployment, "web", "{'spec':{" TEMPLATE("i:2") "}}");
    for (int i = 0; i < 60 && node_step(rig); i++) {
        assert_true(count_living(rig, &ready) <= 4);
        assert_true(ready >= 3);
    }
    assert_int_equal(count_image(rig, "i:2"), 3);
    assert_int_equal(count_of(rig, &kind_pod), 3);
    assert_int_equal(count_of(rig, &kind_replica_set), 2);
    assert_string_equal(revision_of(rig), "2");
    assert_int_equal(deployment_status(rig)->updated_replicas, 3);
}

static void an_older_template_takes_up_its_replica_set(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_deployment, DEPLOYMENT(""));
    run_node(rig);
    patch(rig, &kind_deployment, "web", "{'spec':{" TEMPLATE("i:2") "}}");
    run_node(rig);
    patch(rig, &kind_deployment, "web", "{'spec':{" TEMPLATE("i:1") "}}");
    run_node(rig);
    assert_int_equal(count_of(rig, &kind_replica_set), 2);
    assert_int_equal(count_image(rig, "i:1"), 3);
    assert_string_equal(revision_of(rig), "3");
}

static void recreate_starts_no_pod_before_the_last_old_one_is_gone(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_deployment, DEPLOYMENT("'strategy':{'type':'Recreate'},"));
    run_node(rig);
    patch(rig, &kind_deployment, "web", "{'spec':{" TEMPLATE("i:2") "}}");
    do
        assert_true(count_image(rig, "i:1") == 0 || count_image(rig, "i:2") == 0);
    while (node_step(rig));
    assert_int_equal(count_image(rig, "i:2"), 3);
}

static void replica_sets_beyond_the_history_limit_are_deleted(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_deployment, DEPLOYMENT("'revisionHistoryLimit':0,"));
    run_node(rig);
    patch(rig, &kind_deployment, "web", "{'spec':{" TEMPLATE("i:2") "}}");
    run_node(rig);
    assert_int_equal(count_of(rig, &kind_replica_set), 1);
}

static void a_paused_deployment_is_scaled_but_not_rolled_out(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_deployment, DEPLOYMENT(""));
    run_node(rig);
    patch(rig, &kind_deployment, "web",
          "{'spec':{'paused':true,'replicas':5," TEMPLATE("i:2") "}}");
    run_node(rig);
    assert_int_equal(count_image(rig, "i:1"), 5);
    assert_string_equal(progress(rig), "DeploymentPaused");
    patch(rig, &kind_deployment, "web", "{'spec':{'paused':false}}");
    run_node(rig);
    assert_int_equal(count_image(rig, "i:2"), 5);
}

static void a_rollout_that_makes_no_progress_exceeds_its_deadline(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_deployment, DEPLOYMENT("'progressDeadlineSeconds':30,"));
    assert_string_equal(progress(rig), "ReplicaSetUpdated");
    clock_fake_advance(rig->clock, 20 * NS_PER_SEC);
    settle(rig);
    assert_string_equal(progress(rig), "ReplicaSetUpdated");
    clock_fake_advance(rig->clock, 20 * NS_PER_SEC);
    settle(rig);
    assert_string_equal(progress(rig), "ProgressDeadlineExceeded");
    run_node(rig);
    assert_string_equal(progress(rig), "NewReplicaSetAvailable");
}

/* ---- ReplicaSets ---- */

#define POD(name, label)                                                                          \
    "{'metadata':{'name':'" name "','namespace':'default','labels':{'app':'" label "'}},'spec':{" \
    "'containers':[{'name':'a','image':'i:1'}]}}"

static void an_orphan_that_the_selector_matches_is_adopted(void **state)
{
    Rig *rig = *state;
    const OwnerReference *ref;

    create(
        rig, &kind_replica_set,
        "{'metadata':{'name':'web','namespace':'default'},'spec':{'replicas':1," SELECTOR TEMPLATE(
            "i:1") "}}");
    patch(rig, &kind_replica_set, "web", "{'spec':{'replicas':0}}");
    run_node(rig);
    assert_int_equal(count_of(rig, &kind_pod), 0);
    create(rig, &kind_pod, POD("stray", "other"));
    assert_null(meta_controller(object_meta(get(rig, &kind_pod, "default", "stray"))));
    patch(rig, &kind_replica_set, "web", "{'spec':{'replicas':1}}");
    patch(rig, &kind_pod, "stray", "{'metadata':{'labels':{'app':'web'}}}");
    ref = meta_controller(object_meta(get(rig, &kind_pod, "default", "stray")));
    assert_non_null(ref);
    assert_string_equal(ref->name, "web");
}

static void a_pod_that_no_longer_matches_is_released_and_replaced(void **state)
{
    Rig *rig = *state;
    const char *name;

    create(
        rig, &kind_replica_set,
        "{'metadata':{'name':'web','namespace':'default'},'spec':{'replicas':1," SELECTOR TEMPLATE(
            "i:1") "}}");
    name = name_of(rig, only(rig, &kind_pod));
    patch(rig, &kind_pod, name, "{'metadata':{'labels':{'app':'debug'}}}");
    assert_int_equal(count_of(rig, &kind_pod), 2);
    assert_null(meta_controller(object_meta(get(rig, &kind_pod, "default", name))));
}

/* ---- ReplicationControllers ---- */

static const ReplicationControllerStatus *replication_status(Rig *rig)
{
    return &OBJECT_AS(ReplicationController,
                      get(rig, &kind_replication_controller, "default", "web"))
                ->status;
}

static void a_replication_controller_keeps_its_number_of_pods(void **state)
{
    Rig *rig = *state;
    const OwnerReference *ref;

    create(rig, &kind_pod, POD("stray", "web"));
    create(rig, &kind_replication_controller,
           "{'metadata':{'name':'web','namespace':'default'},'spec':{'replicas':3," TEMPLATE(
               "i:1") "}}");
    assert_int_equal(count_of(rig, &kind_pod), 3);
    ref = meta_controller(object_meta(get(rig, &kind_pod, "default", "stray")));
    assert_non_null(ref);
    assert_string_equal(ref->kind, "ReplicationController");
    assert_string_equal(ref->api_version, "v1");
    run_node(rig);
    assert_int_equal(replication_status(rig)->replicas, 3);
    assert_int_equal(replication_status(rig)->ready_replicas, 3);
    assert_int_equal(replication_status(rig)->available_replicas, 3);
    assert_int_equal(replication_status(rig)->fully_labeled_replicas, 3);
    assert_int_equal(replication_status(rig)->observed_generation, 1);
    patch(rig, &kind_replication_controller, "web", "{'spec':{'replicas':1}}");
    run_node(rig);
    assert_int_equal(count_of(rig, &kind_pod), 1);
    assert_int_equal(replication_status(rig)->replicas, 1);
    patch(rig, &kind_pod, name_of(rig, only(rig, &kind_pod)),
          "{'metadata':{'labels':{'app':'debug'}}}");
    assert_int_equal(count_of(rig, &kind_pod), 2);
}

/* ---- DaemonSets ---- */

#define DAEMON_SET(extra) \
    "{'metadata':{'name':'d','namespace':'default'},'spec':{" extra SELECTOR TEMPLATE("i:1") "}}"

static const DaemonSetStatus *daemon_status(Rig *rig)
{
    return &OBJECT_AS(DaemonSet, get(rig, &kind_daemon_set, "default", "d"))->status;
}

static void a_daemon_set_has_one_pod_on_the_node(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_daemon_set, DAEMON_SET(""));
    assert_int_equal(count_of(rig, &kind_pod), 1);
    assert_int_equal(daemon_status(rig)->number_unavailable, 1);
    run_node(rig);
    assert_int_equal(daemon_status(rig)->desired_number_scheduled, 1);
    assert_int_equal(daemon_status(rig)->current_number_scheduled, 1);
    assert_int_equal(daemon_status(rig)->number_ready, 1);
    assert_int_equal(daemon_status(rig)->number_available, 1);
    assert_int_equal(daemon_status(rig)->updated_number_scheduled, 1);
    assert_int_equal(daemon_status(rig)->number_unavailable, 0);
    assert_int_equal(count_of(rig, &kind_controller_revision), 1);
}

/* How long the only pod stays after it has failed, in nanoseconds since *last; then it is replaced. */
static int64_t fail_daemon(Rig *rig, int64_t *last)
{
    const char *name = name_of(rig, only(rig, &kind_pod));
    int64_t stayed;

    set_pod(rig, name, "Failed", false);
    while (get(rig, &kind_pod, "default", name)) /* a pod that has ended goes without grace */
        settle(rig);
    assert_non_null(strstr(event_message(rig, "FailedDaemonPod"), name));
    stayed = clock_mono_ns(rig->clock) - *last;
    *last += stayed;
    run_node(rig);
    assert_string_not_equal(name_of(rig, only(rig, &kind_pod)), name);
    return stayed;
}

static void each_failed_daemon_stays_twice_as_long_as_the_one_before(void **state)
{
    Rig *rig = *state;
    int64_t last = clock_mono_ns(rig->clock);

    create(rig, &kind_daemon_set, DAEMON_SET(""));
    run_node(rig);
    fail_daemon(rig, &last);
    for (int64_t delay = 1; delay <= 32; delay *= 2) {
        int64_t stayed = fail_daemon(rig, &last);

        /* The test looks about once a second, and needs some seconds for a start. */
        assert_true(stayed >= (delay - 1) * NS_PER_SEC);
        assert_true(stayed <= (delay + 5) * NS_PER_SEC);
    }
}

static void a_daemon_follows_the_labels_and_taints_of_the_node(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_daemon_set,
           "{'metadata':{'name':'d','namespace':'default'},'spec':{" SELECTOR
           "'template':{'metadata':{'labels':{'app':'web'}},'spec':{'nodeSelector':{'disk':'ssd'},"
           "'containers':[{'name':'a','image':'i:1'}]}}}}");
    run_node(rig);
    assert_int_equal(count_of(rig, &kind_pod), 1);
    client_patch(rig->client, &kind_node, NULL, "n", PATCH_MERGE,
                 BYTES_LITERAL("{\"metadata\":{\"labels\":{\"disk\":\"hdd\"}}}"), NULL, on_written,
                 rig);
    settle(rig);
    run_node(rig);
    assert_int_equal(count_of(rig, &kind_pod), 0);
    assert_int_equal(daemon_status(rig)->desired_number_scheduled, 0);
    client_patch(rig->client, &kind_node, NULL, "n", PATCH_MERGE,
                 BYTES_LITERAL("{\"metadata\":{\"labels\":{\"disk\":\"ssd\"}},\"spec\":{\"taints\":"
                               "[{\"key\":\"k\",\"effect\":\"NoExecute\"}]}}"),
                 NULL, on_written, rig);
    settle(rig);
    assert_int_equal(count_of(rig, &kind_pod), 0);
    client_patch(rig->client, &kind_node, NULL, "n", PATCH_MERGE,
                 BYTES_LITERAL("{\"spec\":{\"taints\":null}}"), NULL, on_written, rig);
    settle(rig);
    assert_int_equal(count_of(rig, &kind_pod), 1);
}

static void a_new_template_replaces_the_daemon_and_is_a_new_revision(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_daemon_set, DAEMON_SET("'revisionHistoryLimit':1,"));
    run_node(rig);
    for (int i = 2; i < 5; i++) {
        patch(rig, &kind_daemon_set, "d",
              arena_printf(&rig->arena,
                           "{'spec':{'template':{'spec':{'containers':[{'name':'a','image':'i:%d'}"
                           "]}}}}",
                           i));
        run_node(rig);
    }
    assert_int_equal(count_image(rig, "i:4"), 1);
    assert_int_equal(count_of(rig, &kind_pod), 1);
    assert_int_equal(count_of(rig, &kind_controller_revision), 2); /* the current and one old */
    assert_int_equal(daemon_status(rig)->updated_number_scheduled, 1);
}

/* ---- Jobs ---- */

#define JOB(extra)                                                  \
    "{'metadata':{'name':'j','namespace':'default'},'spec':{" extra \
    "'template':{'spec':{'restartPolicy':'Never','containers':[{'name':'a','image':'i'}]}}}}"

static const JobStatus *job_status(Rig *rig)
{
    return &OBJECT_AS(Job, get(rig, &kind_job, "default", "j"))->status;
}

/* "Complete True CompletionsReached", of the last condition. */
static const char *job_end(Rig *rig)
{
    const JobConditionArray *conditions = &job_status(rig)->conditions;
    const JobCondition *last = conditions->n ? &conditions->v[conditions->n - 1] : NULL;

    return last ? arena_printf(&rig->arena, "%s %s %s", last->type, last->status, last->reason)
                : "none";
}

/* All active pods of the job end. */
static void end_pods(Rig *rig, const char *phase)
{
    Found pods = find(rig, &kind_pod);

    for (size_t i = 0; i < pods.n; i++) {
        const char *now = OBJECT_AS(Pod, pods.v[i])->status.phase;

        if (!str_equal(now, "Succeeded") && !str_equal(now, "Failed"))
            set_pod(rig, name_of(rig, pods.v[i]), phase, false);
    }
    drop(&pods);
}

static void assert_no_finalizers(Rig *rig)
{
    Found pods = find(rig, &kind_pod);

    for (size_t i = 0; i < pods.n; i++)
        assert_int_equal(object_meta(pods.v[i])->finalizers.n, 0);
    drop(&pods);
}

static void a_job_is_complete_when_all_its_pods_have_succeeded(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_job, JOB("'completions':3,'parallelism':2,'ttlSecondsAfterFinished':100,"));
    assert_int_equal(count_of(rig, &kind_pod), 2);
    assert_int_equal(job_status(rig)->active, 2);
    assert_true(job_status(rig)->start_time.set);
    end_pods(rig, "Succeeded");
    assert_int_equal(job_status(rig)->succeeded, 2);
    assert_int_equal(job_status(rig)->active, 1);
    assert_false(job_status(rig)->completion_time.set);
    end_pods(rig, "Succeeded");
    assert_int_equal(job_status(rig)->succeeded, 3);
    assert_string_equal(job_end(rig), "Complete True CompletionsReached");
    assert_true(job_status(rig)->completion_time.set);
    assert_string_equal(event_message(rig, "Completed"), "Job completed");
    assert_no_finalizers(rig);
    clock_fake_advance(rig->clock, 90 * NS_PER_SEC);
    settle(rig);
    assert_non_null(get(rig, &kind_job, "default", "j"));
    clock_fake_advance(rig->clock, 10 * NS_PER_SEC);
    settle(rig);
    assert_null(get(rig, &kind_job, "default", "j"));
    assert_int_equal(count_of(rig, &kind_pod), 0);
}

static void a_job_fails_when_its_pods_have_failed_too_often(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_job, JOB("'backoffLimit':1,"));
    end_pods(rig, "Failed");
    assert_int_equal(job_status(rig)->failed, 1);
    assert_int_equal(count_of(rig, &kind_pod), 1); /* a failure is followed by a wait */
    clock_fake_advance(rig->clock, 10 * NS_PER_SEC);
    settle(rig);
    assert_int_equal(count_of(rig, &kind_pod), 2);
    end_pods(rig, "Failed");
    assert_int_equal(job_status(rig)->failed, 2);
    assert_string_equal(job_end(rig), "Failed True BackoffLimitExceeded");
    assert_string_equal(event_message(rig, "BackoffLimitExceeded"),
                        "Job has reached the specified backoff limit");
    assert_false(job_status(rig)->completion_time.set);
    assert_no_finalizers(rig);
}

static void a_suspended_job_has_no_pods_until_it_is_resumed(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_job, JOB(""));
    assert_int_equal(count_of(rig, &kind_pod), 1);
    patch(rig, &kind_job, "j", "{'spec':{'suspend':true}}");
    run_node(rig);
    assert_int_equal(count_of(rig, &kind_pod), 0);
    assert_string_equal(job_end(rig), "Suspended True JobSuspended");
    assert_false(job_status(rig)->start_time.set);
    assert_string_equal(event_message(rig, "Suspended"), "Job suspended");
    assert_int_equal(job_status(rig)->failed, 0);
    patch(rig, &kind_job, "j", "{'spec':{'suspend':false}}");
    assert_int_equal(count_of(rig, &kind_pod), 1);
    assert_string_equal(job_end(rig), "Suspended False JobResumed");
    assert_string_equal(event_message(rig, "Resumed"), "Job resumed");
}

static void pods_of_a_deleted_job_lose_the_finalizer(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_job, JOB(""));
    assert_int_equal(object_meta(only(rig, &kind_pod))->finalizers.n, 1);
    delete (rig, &kind_job, "default", "j", "Orphan");
    assert_null(get(rig, &kind_job, "default", "j"));
    assert_int_equal(object_meta(only(rig, &kind_pod))->finalizers.n, 0);
    assert_null(meta_controller(object_meta(only(rig, &kind_pod))));
}

static void each_index_of_an_indexed_job_has_a_pod_of_its_own(void **state)
{
    Rig *rig = *state;
    Found pods;

    create(rig, &kind_job, JOB("'completions':3,'parallelism':3,'completionMode':'Indexed',"));
    pods = find(rig, &kind_pod);
    assert_int_equal(pods.n, 3);
    for (size_t i = 0; i < pods.n; i++) {
        const Pod *pod = OBJECT_AS(Pod, pods.v[i]);
        const char *index = arena_printf(&rig->arena, "%zu", i);

        assert_string_equal(
            string_map_get(&pod->metadata.annotations, "batch.kubernetes.io/job-completion-index"),
            index);
        assert_string_equal(pod->spec.hostname, arena_printf(&rig->arena, "j-%zu", i));
        assert_string_equal(pod->spec.containers.v[0].env.v[0].name, "JOB_COMPLETION_INDEX");
        assert_string_equal(pod->spec.containers.v[0].env.v[0].value_from->field_ref->field_path,
                            "metadata.labels['batch.kubernetes.io/job-completion-index']");
    }
    drop(&pods);
    end_pods(rig, "Succeeded");
    assert_string_equal(job_status(rig)->completed_indexes, "0-2");
    assert_string_equal(job_end(rig), "Complete True CompletionsReached");
}

/* ---- CronJobs ---- */

#define CRON_JOB(schedule, extra)                                                               \
    "{'metadata':{'name':'c','namespace':'default'},'spec':{'schedule':'" schedule "'," extra   \
    "'jobTemplate':{'spec':{'template':{'spec':{'restartPolicy':'Never','containers':[{'name':" \
    "'a','image':'i'}]}}}}}}"

static const CronJobStatus *cron_status(Rig *rig)
{
    return &OBJECT_AS(CronJob, get(rig, &kind_cron_job, "default", "c"))->status;
}

static void pass_a_minute(Rig *rig)
{
    clock_fake_advance(rig->clock, 60 * NS_PER_SEC);
    settle(rig);
}

static void a_cron_job_starts_a_job_at_each_due_time_and_keeps_some(void **state)
{
    Rig *rig = *state;
    const Job *job;

    create(rig, &kind_cron_job, CRON_JOB("* * * * *", "'successfulJobsHistoryLimit':1,"));
    assert_int_equal(count_of(rig, &kind_job), 0);
    pass_a_minute(rig);
    job = OBJECT_AS(Job, only(rig, &kind_job));
    /* The test begins at 1700000000, 20 s after a minute. */
    assert_string_equal(job->metadata.name, "c-28333334");
    assert_string_equal(meta_controller(&job->metadata)->name, "c");
    assert_int_equal(cron_status(rig)->active.n, 1);
    assert_int_equal(cron_status(rig)->last_schedule_time.seconds, INT64_C(28333334) * 60);
    end_pods(rig, "Succeeded");
    assert_int_equal(cron_status(rig)->active.n, 0);
    assert_true(cron_status(rig)->last_successful_time.set);
    assert_string_equal(event_message(rig, "SawCompletedJob"),
                        "Saw completed job: c-28333334, condition: Complete");
    pass_a_minute(rig);
    end_pods(rig, "Succeeded");
    assert_string_equal(name_of(rig, only(rig, &kind_job)), "c-28333335");
    assert_string_equal(event_message(rig, "SuccessfulDelete"), "Deleted job c-28333334");
}

/* The server ended after the Job had been created and before that was noted; the Job has ended
 * meanwhile. */
static void a_job_that_was_created_but_not_noted_counts_as_started(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_cron_job, CRON_JOB("* * * * *", ""));
    pass_a_minute(rig);
    end_pods(rig, "Succeeded");
    write_status(rig, &kind_cron_job, "default", "c",
                 "{'lastScheduleTime':null,'active':null,'lastSuccessfulTime':null}");
    assert_int_equal(count_of(rig, &kind_job), 1);
    assert_int_equal(cron_status(rig)->last_schedule_time.seconds, INT64_C(28333334) * 60);
    assert_int_equal(cron_status(rig)->active.n, 0);
    assert_string_equal(event_message(rig, "FailedCreate"), "none");
}

static void concurrency_is_as_the_policy_says(void **state)
{
    static const struct {
        const char *policy;
        size_t jobs;
        const char *name; /* of the last job */
    } cases[] = {
        {"Allow", 2, "c-28333335"}, {"Forbid", 1, "c-28333334"}, {"Replace", 1, "c-28333335"}};
    Rig *rig;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        Found jobs;

        assert_int_equal(setup_with_node(state), 0);
        rig = *state;
        create(rig, &kind_cron_job,
               arena_printf(&rig->arena, CRON_JOB("* * * * *", "'concurrencyPolicy':'%s',"),
                            cases[i].policy));
        pass_a_minute(rig);
        pass_a_minute(rig);
        run_node(rig);
        jobs = find(rig, &kind_job);
        if (jobs.n != cases[i].jobs ||
            !str_equal(object_meta(jobs.v[jobs.n - 1])->name, cases[i].name))
            fail_msg("%s: %zu jobs, the last %s", cases[i].policy, jobs.n,
                     object_meta(jobs.v[jobs.n - 1])->name);
        assert_int_equal(cron_status(rig)->active.n, cases[i].jobs);
        if (str_equal(cases[i].policy, "Forbid"))
            assert_non_null(strstr(event_message(rig, "JobAlreadyActive"), "Forbid"));
        drop(&jobs);
        teardown(state);
    }
}

static void a_suspended_cron_job_starts_nothing(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_cron_job, CRON_JOB("* * * * *", "'suspend':true,"));
    pass_a_minute(rig);
    pass_a_minute(rig);
    assert_int_equal(count_of(rig, &kind_job), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_with_node, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_deployment_brings_its_pods_up_and_says_so),
        TEST(a_rollout_never_has_less_than_it_may_and_never_more),
        TEST(an_older_template_takes_up_its_replica_set),
        TEST(recreate_starts_no_pod_before_the_last_old_one_is_gone),
        TEST(replica_sets_beyond_the_history_limit_are_deleted),
        TEST(a_paused_deployment_is_scaled_but_not_rolled_out),
        TEST(a_rollout_that_makes_no_progress_exceeds_its_deadline),
        TEST(an_orphan_that_the_selector_matches_is_adopted),
        TEST(a_pod_that_no_longer_matches_is_released_and_replaced),
        TEST(a_replication_controller_keeps_its_number_of_pods),
        TEST(a_daemon_set_has_one_pod_on_the_node),
        TEST(each_failed_daemon_stays_twice_as_long_as_the_one_before),
        TEST(a_daemon_follows_the_labels_and_taints_of_the_node),
        TEST(a_new_template_replaces_the_daemon_and_is_a_new_revision),
        TEST(a_job_is_complete_when_all_its_pods_have_succeeded),
        TEST(a_job_fails_when_its_pods_have_failed_too_often),
        TEST(a_suspended_job_has_no_pods_until_it_is_resumed),
        TEST(pods_of_a_deleted_job_lose_the_finalizer),
        TEST(each_index_of_an_indexed_job_has_a_pod_of_its_own),
        TEST(a_cron_job_starts_a_job_at_each_due_time_and_keeps_some),
        TEST(a_job_that_was_created_but_not_noted_counts_as_started),
        cmocka_unit_test(concurrency_is_as_the_policy_says),
        TEST(a_suspended_cron_job_starts_nothing),
    };
    return cmocka_run_group_tests_name("workloads", tests, NULL, NULL);
}
