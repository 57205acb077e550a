/* SPDX-License-Identifier: Apache-2.0 */
#include "control/deployment/plan.h"

#include "api/object.h"
#include "codec/type.h"
#include "control/deployment/internal.h"
#include "view/pod.h"

/* ---- numbers ---- */

static bool is_rolling(const Deployment *deployment)
{
    return str_equal(deployment->spec.strategy.type, "RollingUpdate") &&
           deployment->spec.strategy.rolling_update;
}

static int32_t replicas_of(const Deployment *deployment)
{
    return deployment->spec.replicas ? *deployment->spec.replicas : 1;
}

int32_t deployment_max_surge(const Deployment *deployment)
{
    int32_t replicas = replicas_of(deployment);
    int64_t n;

    if (!is_rolling(deployment))
        return 0;
    n = scaled_value(deployment->spec.strategy.rolling_update->max_surge, replicas, true, 0);
    return (int32_t)MIN_OF(n, (int64_t)INT32_MAX - replicas); /* the sum of both stays a count */
}

int32_t deployment_max_unavailable(const Deployment *deployment)
{
    int32_t replicas = replicas_of(deployment);
    int64_t n;

    if (!is_rolling(deployment) || replicas == 0)
        return 0;
    n = scaled_value(deployment->spec.strategy.rolling_update->max_unavailable, replicas, false, 0);
    /* If both round down to 0, no rollout could ever proceed. */
    if (n == 0 && deployment_max_surge(deployment) == 0)
        n = 1;
    return (int32_t)MIN_OF(n, replicas);
}

/* Each set alone may want INT32_MAX replicas, so sums are limited to that. */
int32_t rollout_wanted(const Rollout *rollout)
{
    int64_t n = rollout->current ? set_replicas(rollout->current) : 0;

    for (size_t i = 0; i < rollout->n_old; i++)
        n += set_replicas(rollout->old[i]);
    return (int32_t)MIN_OF(n, (int64_t)INT32_MAX);
}

static int32_t rollout_available(const Rollout *rollout)
{
    int64_t n = rollout->current ? rollout->current->status.available_replicas : 0;

    for (size_t i = 0; i < rollout->n_old; i++)
        n += rollout->old[i]->status.available_replicas;
    return (int32_t)MIN_OF(n, (int64_t)INT32_MAX);
}

void rollout_add(Rollout *rollout, DeploymentActionType type, const ReplicaSet *set, int32_t from,
                 int32_t to)
{
    ARENA_PUSH(rollout->arena, rollout->plan, (DeploymentAction){type, set, from, to});
}

/* ---- scaling: the deployment is paused, or its size has changed ---- */

/* The only set with replicas; the newest set if none has any; NULL if several have. */
static const ReplicaSet *active_or_latest(const Rollout *rollout)
{
    const ReplicaSet *active = NULL;
    size_t n = 0;

    if (rollout->current && set_replicas(rollout->current) > 0) {
        active = rollout->current;
        n++;
    }
    for (size_t i = 0; i < rollout->n_old; i++)
        if (set_replicas(rollout->old[i]) > 0) {
            active = rollout->old[i];
            n++;
        }
    if (n > 1)
        return NULL;
    if (n == 1)
        return active;
    if (rollout->current)
        return rollout->current;
    return rollout->n_old ? rollout->old[rollout->n_old - 1] : NULL;
}

static int64_t annotated(const ReplicaSet *set, const char *key)
{
    const char *text = string_map_get(&set->metadata.annotations, key);
    int64_t n;

    return text && str_to_int64(text, 0, INT32_MAX, &n) == 0 ? n : -1;
}

static bool is_saturated(const Rollout *rollout)
{
    const ReplicaSet *set = rollout->current;

    return set && set_replicas(set) == rollout->replicas &&
           annotated(set, DEPLOYMENT_DESIRED) == rollout->replicas &&
           set->status.available_replicas == rollout->replicas;
}

typedef struct Share {
    const ReplicaSet *set;
    int32_t size;
    bool growing;
} Share;

/* Larger sets first. Of sets of equal size, the newer one first when growing, the older one first when
 * shrinking. */
static int compare_shares(const void *a, const void *b)
{
    const Share *x = a, *y = b;
    int64_t i = time_ns(x->set->metadata.creation_timestamp);
    int64_t k = time_ns(y->set->metadata.creation_timestamp);
    int older;

    if (set_replicas(x->set) != set_replicas(y->set))
        return set_replicas(y->set) - set_replicas(x->set);
    older = i != k ? (i < k ? -1 : 1) : strcmp(x->set->metadata.name, y->set->metadata.name);
    return x->growing ? -older : older;
}

/* The change of the set's size that keeps its share of the whole. */
static int32_t fraction(const Rollout *rollout, const ReplicaSet *set)
{
    int64_t before = annotated(set, DEPLOYMENT_MAX);
    int64_t now = rollout->replicas + rollout->surge, has = set_replicas(set), share;

    if (rollout->replicas == 0)
        return -set_replicas(set);
    if (before <= 0)
        before = rollout->deployment->status.replicas;
    if (before <= 0)
        return 0;
    before = MIN_OF(before, (int64_t)INT32_MAX); /* users can write this annotation */
    /* rounded half away from zero; both are positive */
    share = (2 * has * now + before) / (2 * before);
    return (int32_t)(MIN_OF(share, (int64_t)INT32_MAX) - has);
}

static void scale_in_proportion(Rollout *rollout)
{
    Share *shares = arena_new_n(rollout->arena, Share, rollout->n_old + 1);
    int32_t allowed = rollout->replicas > 0 ? rollout->replicas + rollout->surge : 0;
    int32_t to_add = allowed - rollout_wanted(rollout), added = 0;
    size_t n = 0;

    for (size_t i = 0; i < rollout->n_old; i++)
        if (set_replicas(rollout->old[i]) > 0)
            shares[n++] = (Share){rollout->old[i], 0, to_add > 0};
    if (rollout->current && set_replicas(rollout->current) > 0)
        shares[n++] = (Share){rollout->current, 0, to_add > 0};
    if (to_add != 0)
        qsort(shares, n, sizeof(*shares), compare_shares);
    for (size_t i = 0; i < n; i++) {
        int32_t part = 0;

        if (to_add != 0 && to_add != added) {
            part = fraction(rollout, shares[i].set);
            part = to_add > 0 ? MIN_OF(part, to_add - added) : MAX_OF(part, to_add - added);
        }
        shares[i].size = set_replicas(shares[i].set) + part;
        added += part;
    }
    for (size_t i = 0; i < n; i++) {
        if (i == 0 && to_add != 0)
            shares[i].size = MAX_OF(shares[i].size + to_add - added, 0);
        rollout_resize(rollout, shares[i].set, shares[i].size, true);
    }
}

static void scale(Rollout *rollout)
{
    const ReplicaSet *only = active_or_latest(rollout);

    if (only) {
        rollout_resize(rollout, only, rollout->replicas, false);
    } else if (is_saturated(rollout)) {
        for (size_t i = 0; i < rollout->n_old; i++)
            rollout_resize(rollout, rollout->old[i], 0, false);
    } else if (is_rolling(rollout->deployment)) {
        scale_in_proportion(rollout);
    }
}

static bool wants_another_size(const Rollout *rollout, const ReplicaSet *set)
{
    int64_t desired = set ? annotated(set, DEPLOYMENT_DESIRED) : -1;

    return set && set_replicas(set) > 0 && desired >= 0 && desired != rollout->replicas;
}

static bool is_scaling(const Rollout *rollout)
{
    if (wants_another_size(rollout, rollout->current))
        return true;
    for (size_t i = 0; i < rollout->n_old; i++)
        if (wants_another_size(rollout, rollout->old[i]))
            return true;
    return false;
}

/* ---- rolling ---- */

static bool grow_current(Rollout *rollout)
{
    int32_t size = set_replicas(rollout->current);

    if (size == rollout->replicas)
        return false;
    if (size > rollout->replicas)
        return rollout_resize(rollout, rollout->current, rollout->replicas, false);
    return rollout_resize(rollout, rollout->current, rollout_new_size(rollout, size), false);
}

/* Removes pods that are not available first, since that reduces nothing, and then as many as
 * maxUnavailable allows. */
static void shrink_old(Rollout *rollout)
{
    int32_t least = rollout->replicas - rollout->unavailable;
    int32_t pending = set_replicas(rollout->current) - rollout->current->status.available_replicas;
    int64_t may_go = (int64_t)rollout_wanted(rollout) - least - pending;
    int32_t spare = rollout_available(rollout) - least;
    int32_t *sizes = arena_new_n(rollout->arena, int32_t, rollout->n_old + 1);

    if (may_go <= 0)
        return;
    for (size_t i = 0; i < rollout->n_old; i++) {
        const ReplicaSet *set = rollout->old[i];
        int32_t unhealthy = set_replicas(set) - set->status.available_replicas;

        sizes[i] = set_replicas(set) - MAX_OF(MIN_OF(unhealthy, may_go), 0);
        may_go -= set_replicas(set) - sizes[i];
    }
    for (size_t i = 0; i < rollout->n_old; i++) {
        int32_t n = MAX_OF(MIN_OF(sizes[i], spare), 0);

        rollout_resize(rollout, rollout->old[i], sizes[i] - n, false);
        spare -= n;
    }
}

static void roll(Rollout *rollout)
{
    if (!rollout->current) {
        rollout_create_current(rollout);
        return;
    }
    if (grow_current(rollout))
        return;
    shrink_old(rollout);
}

/* ---- recreate ---- */

static bool old_pods_run(const Rollout *rollout)
{
    for (size_t i = 0; i < rollout->n_old; i++)
        if (rollout->old[i]->status.replicas > 0)
            return true;
    for (size_t i = 0; i < rollout->input->n_pods; i++) {
        const Pod *pod = rollout->input->pods[i];
        const OwnerReference *ref = meta_controller(&pod->metadata);

        if (ref && rollout->current && str_equal(ref->uid, rollout->current->metadata.uid))
            continue;
        if (!pod_has_ended(pod))
            return true;
    }
    return false;
}

static void recreate(Rollout *rollout)
{
    for (size_t i = 0; i < rollout->n_old; i++)
        rollout_resize(rollout, rollout->old[i], 0, false);
    if (rollout->plan->n || old_pods_run(rollout))
        return;
    if (rollout->current)
        rollout_resize(rollout, rollout->current, rollout->replicas, false);
    else
        rollout_create_current(rollout);
}

/* ---- the plan ---- */

static void proceed(Rollout *rollout)
{
    DeploymentPlan *plan = rollout->plan;
    const Deployment *deployment = rollout->deployment;
    bool going = deployment->metadata.deletion_timestamp.set;

    if (!going && rollout->current && rollout_update_current(rollout))
        return;
    if (rollout->current)
        plan->revision =
            string_map_get(&rollout->current->metadata.annotations, DEPLOYMENT_REVISION);
    if (!going)
        rollout_pause_status(rollout);
    if (going) {
        rollout_count_status(rollout);
    } else if (deployment->spec.paused || is_scaling(rollout)) {
        scale(rollout);
        if (deployment->spec.paused && !plan->n)
            rollout_clean_up(rollout);
        rollout_count_status(rollout);
    } else if (!rollout->input->error) {
        if (is_rolling(deployment))
            roll(rollout);
        else
            recreate(rollout);
        if (!plan->n && rollout_is_complete(rollout, &deployment->status))
            rollout_clean_up(rollout);
        rollout_progress_status(rollout);
    } else {
        rollout_count_status(rollout);
    }
}

void deployment_plan(const DeploymentInput *input, Arena *arena, DeploymentPlan *ret)
{
    const Deployment *deployment = input->deployment;
    Rollout rollout = {
        .input = input,
        .deployment = deployment,
        .arena = arena,
        .plan = ret,
        .replicas = replicas_of(deployment),
        .surge = deployment_max_surge(deployment),
        .unavailable = deployment_max_unavailable(deployment),
    };
    const char *revision = string_map_get(&deployment->metadata.annotations, DEPLOYMENT_REVISION);

    *ret = (DeploymentPlan){.arena = arena, .again_after_ns = -1};
    rollout_find_sets(&rollout);
    if (ret->n) /* changes of ownership come first */
        return;
    rollout_begin_status(&rollout);
    proceed(&rollout);
    ret->status_changed = !type_equal(&type_DeploymentStatus, &ret->status, &deployment->status) ||
                          (ret->revision && !str_equal(ret->revision, revision));
}
