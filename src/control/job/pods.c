/* SPDX-License-Identifier: Apache-2.0 */
/* The pods of a job: which ones to create and which to delete. */
#include "api/schema/batch_v1.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_reference_v1.h"
#include "codec/type.h"
#include "control/job/internal.h"
#include "control/pods.h"
#include "view/pod.h"

/* ---- creating ---- */

static void add_index_variable(Arena *arena, ContainerArray *containers)
{
    for (size_t i = 0; i < containers->n; i++) {
        EnvVarArray *env = &containers->v[i].env;
        EnvVarSource *source;
        bool there = false;

        for (size_t k = 0; k < env->n; k++)
            there = there || str_equal(env->v[k].name, "JOB_COMPLETION_INDEX");
        if (there)
            continue;
        source = arena_new(arena, EnvVarSource);
        source->field_ref = arena_new(arena, ObjectFieldSelector);
        source->field_ref->field_path = "metadata.labels['" JOB_INDEX "']";
        ARENA_APPEND(arena, env, (EnvVar){.name = "JOB_COMPLETION_INDEX", .value_from = source});
    }
}

static int32_t failures_of_index(const JobSync *sync, int32_t index)
{
    int32_t failures = 0;
    const char *why;

    for (const IndexedPod *at = job_pods_of(sync, index); at; at = at->next)
        if (job_pod_failed(sync->spec, at->pod))
            failures = MAX_OF(failures, job_index_failures(at->pod) +
                                            (job_failure_action(sync->arena, sync->spec, at->pod,
                                                                &why) != FAILURE_IGNORED));
    return failures;
}

static void create(JobSync *sync, int32_t index)
{
    Arena *arena = sync->arena;
    Pod *pod = pod_from_template(arena, sync->owner.ref, sync->owner.ns, &sync->spec->template);
    ObjectMeta *meta = &pod->metadata;

    meta_add_finalizer(arena, meta, JOB_FINALIZER);
    if (index != NO_INDEX) {
        const char *text = arena_printf(arena, "%d", index);

        string_map_put(arena, &meta->annotations, JOB_INDEX, text);
        string_map_put(arena, &meta->labels, JOB_INDEX, text);
        if (job_has_limit_per_index(sync->spec))
            string_map_put(arena, &meta->annotations, JOB_INDEX_FAILURES,
                           arena_printf(arena, "%d", failures_of_index(sync, index)));
        add_index_variable(arena, &pod->spec.init_containers);
        add_index_variable(arena, &pod->spec.containers);
        pod->spec.hostname = arena_printf(arena, "%s-%d", sync->job->metadata.name, index);
        meta->generate_name = arena_printf(arena, "%s-%d-", sync->job->metadata.name, index);
    }
    pod_actions_add(&sync->plan->actions, POD_CREATE, pod);
}

/* Indexes that have an active pod, or whose terminating pod has to be gone before the next one. */
static IndexSet taken_indexes(const JobSync *sync)
{
    int32_t *v = arena_new_n(sync->arena, int32_t, sync->n_active + sync->n_pods + 1);
    IndexSet taken = {0};
    size_t n = 0;

    for (size_t i = 0; i < sync->n_active; i++)
        v[n++] = job_index_of(sync->spec, sync->active[i]);
    for (size_t i = 0; job_replaces_failed_only(sync->spec) && i < sync->n_pods; i++)
        if (pod_is_terminating(sync->pods[i]) && !pod_has_ended(sync->pods[i]))
            v[n++] = job_index_of(sync->spec, sync->pods[i]);
    index_set_add(sync->arena, &taken, v, n);
    return taken;
}

static void wait_at_most(JobPlan *plan, int64_t ns)
{
    if (plan->again_after_ns < 0 || ns < plan->again_after_ns)
        plan->again_after_ns = ns;
}

/* Creates pods for the missing indexes, the lowest first. */
static void create_indexed(JobSync *sync, int64_t n)
{
    int32_t completions = sync->spec->completions ? *sync->spec->completions : 0;
    IndexSet taken = taken_indexes(sync);

    for (int32_t index = 0; index < completions && n > 0; index++) {
        int64_t left;

        if (index_set_has(&sync->succeeded_indexes, index) ||
            index_set_has(&sync->failed_indexes, index) || index_set_has(&taken, index))
            continue;
        left = job_has_limit_per_index(sync->spec) ? job_backoff_left(sync, index) : 0;
        n--;
        if (left > 0)
            wait_at_most(sync->plan, left);
        else
            create(sync, index);
    }
}

static void create_some(JobSync *sync, int64_t n)
{
    int64_t left = job_has_limit_per_index(sync->spec) ? 0 : job_backoff_left(sync, NO_INDEX);

    n = MIN_OF(n, PODS_BURST);
    if (left > 0) {
        wait_at_most(sync->plan, left);
        return;
    }
    if (job_is_indexed(sync->spec)) {
        create_indexed(sync, n);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        create(sync, NO_INDEX);
}

/* ---- deleting ---- */

void job_delete(JobSync *sync, const Pod *pod, bool uncounted)
{
    /* A pod that the job itself deletes must not count as a failure, so remove its finalizer first. */
    if (uncounted && job_tracks(pod))
        pod_actions_add(&sync->plan->actions, POD_UPDATE, job_untracked(sync->arena, pod));
    pod_actions_add(&sync->plan->actions, POD_DELETE, pod);
}

static int compare_worth(const void *a, const void *b, void *now_ns)
{
    return pod_compare_worth(*(const Pod *const *)a, *(const Pod *const *)b, *(int64_t *)now_ns);
}

/* Moves the pods without a valid index, and those whose index has another pod, to the front; returns
 * their number. */
static size_t put_superfluous_first(JobSync *sync)
{
    TextMap kept = TEXT_MAP_INIT(sync->arena);
    size_t n = 0;

    for (size_t i = 0; i < sync->n_active; i++) {
        int32_t index = job_index_of(sync->spec, sync->active[i]);
        bool superfluous = index == NO_INDEX || index_set_has(&sync->succeeded_indexes, index);
        const Pod *pod = sync->active[i];
        bool is_new = true;

        if (!superfluous)
            text_map_put_n(&kept, (const char *)arena_int32(sync->arena, index), sizeof(index),
                           &is_new);
        superfluous |= !is_new;
        if (!superfluous)
            continue;
        sync->active[i] = sync->active[n];
        sync->active[n++] = pod;
    }
    return n;
}

static void delete_some(JobSync *sync, int64_t n)
{
    int64_t now_ns = sync->input->now_ns;
    size_t first = job_is_indexed(sync->spec) ? put_superfluous_first(sync) : 0;

    n = MIN_OF(MAX_OF(n, (int64_t)first), PODS_BURST);
    if (sync->n_active > first)
        qsort_r(sync->active + first, sync->n_active - first, sizeof(*sync->active), compare_worth,
                &now_ns);
    for (int64_t i = 0; i < n; i++)
        job_delete(sync, sync->active[i], true);
}

void job_manage(JobSync *sync)
{
    const JobSpec *spec = sync->spec;
    int64_t active = (int64_t)sync->n_active, wanted;
    int64_t parallelism = spec->parallelism ? *spec->parallelism : 1;
    size_t before = sync->plan->actions.n;

    if (job_is_suspended(spec)) {
        delete_some(sync, active);
        return;
    }
    if (!spec->completions)
        wanted = sync->succeeded > 0 ? active : parallelism;
    else
        wanted = MAX_OF(0, MIN_OF(*spec->completions - sync->succeeded, parallelism));
    delete_some(sync, MAX_OF(0, active - wanted));
    if (sync->plan->actions.n > before)
        return;
    wanted -= active + (job_replaces_failed_only(spec) ? sync->terminating : 0);
    if (wanted > 0)
        create_some(sync, wanted);
}
