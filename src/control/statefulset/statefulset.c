/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller of StatefulSets: gathers what belongs to a set, calls statefulset_plan(), and carries
 * the plan out.
 *
 * It carries out only the first stage of a plan (the actions of one PlanActionType), all of it at
 * once. When these writes have been answered, it plans again from the new state. No action is
 * therefore based on stale information, and a crash between any two writes leaves an ordinary state.
 * An action is tried once per reconcile. If it fails, its ordinal (or the whole set) is left alone
 * until the next reconcile. When no action is left, the status is written.
 */
#include "api/schema/apps_v1.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/selector.h"
#include "base/vec.h"
#include "codec/type.h"
#include "control/controllers.h"
#include "control/statefulset/plan.h"

#define TRIED_MAX (2 * PLAN_CREATIONS_MAX)

typedef struct Tried {
    PlanActionType type;
    int64_t ordinal;
    const char *name; /* of the pod, claim or revision */
    bool failed;
} Tried;

typedef struct Sync {
    Object *object; /* the set as last planned, a reference held by the reconcile's arena */
    Plan plan;
    VEC(Tried *) tried;
    bool set_failed;
    const char *failure, *failure_reason; /* of the first action that was refused; NULL: none was */
    bool collided;                        /* the new revision's name is taken by another template */
} Sync;

typedef struct Step {
    Sync *sync;
    const PlanAction *action;
    Tried *tried;
} Step;

/* ---- Events ---- */

typedef struct ActionWords {
    const Kind *kind;
    const char *verb; /* NULL if the action has no Event */
    bool of_claim;
} ActionWords;

static const ActionWords ACTIONS[] = {
    [PLAN_ADOPT_REVISION] = {&kind_controller_revision, NULL, false},
    [PLAN_UPDATE_REVISION] = {&kind_controller_revision, NULL, false},
    [PLAN_CREATE_REVISION] = {&kind_controller_revision, NULL, false},
    [PLAN_ADOPT_POD] = {&kind_pod, NULL, false},
    [PLAN_RELEASE_POD] = {&kind_pod, NULL, false},
    [PLAN_CREATE_CLAIM] = {&kind_persistent_volume_claim, "Create", true},
    [PLAN_UPDATE_CLAIM] = {&kind_persistent_volume_claim, NULL, true},
    [PLAN_FOLLOW_TEMPLATE] = {&kind_persistent_volume_claim, "Update", true},
    [PLAN_CREATE_POD] = {&kind_pod, "Create", false},
    [PLAN_UPDATE_POD] = {&kind_pod, "Update", false},
    [PLAN_DELETE_POD] = {&kind_pod, "Delete", false},
    [PLAN_DELETE_REVISION] = {&kind_controller_revision, NULL, false},
};
static_assert(ARRAY_LEN(ACTIONS) == _PLAN_ACTION_MAX, "words for each action");

static void tell_success(Reconcile *reconcile, const Step *step)
{
    const ActionWords *words = &ACTIONS[step->action->type];
    const Object *set = step->sync->object;
    const ObjectMeta *meta = step->action->value;
    char reason[32];

    if (!words->verb)
        return;
    snprintf(reason, sizeof(reason), "Successful%s", words->verb);
    if (words->of_claim)
        event_record(reconcile->controller->events, set, "Normal", reason,
                     "%s Claim %s Pod %s in StatefulSet %s success", words->verb, meta->name,
                     step->action->pod_name, object_meta(set)->name);
    else
        event_record(reconcile->controller->events, set, "Normal", reason,
                     "%s Pod %s in StatefulSet %s successful", words->verb, step->action->pod_name,
                     object_meta(set)->name);
}

/* Keeps the first failure for the conditions of the set. */
static void note_failure(Reconcile *reconcile, const Step *step, const char *reason,
                         const ApiStatus *status)
{
    const ObjectMeta *meta = step->action->value;
    Sync *sync = step->sync;

    if (sync->failure)
        return;
    sync->failure_reason = arena_strdup(&reconcile->arena, reason);
    sync->failure = arena_printf(&reconcile->arena, "%s %s: %s",
                                 ACTIONS[step->action->type].of_claim ? "claim" : "pod", meta->name,
                                 status->message);
}

/* A pod that does not belong to the set has the name. This is not a race, and only a user can resolve
 * it. Kubernetes records no Event in this case; the text follows that of its other failures. */
static void tell_taken(Reconcile *reconcile, const Step *step, const ApiStatus *status)
{
    const Object *set = step->sync->object;
    const ObjectMeta *meta = object_meta(set);
    Object *there =
        client_get(reconcile->client, &kind_pod, meta->namespace, step->action->pod_name);
    const OwnerReference *owner = there ? meta_controller(object_meta(there)) : NULL;

    if (!there || (owner && str_equal(owner->uid, meta->uid)))
        return;
    note_failure(reconcile, step, "FailedCreate", status);
    event_record(reconcile->controller->events, set, "Warning", "FailedCreate",
                 "Create Pod %s in StatefulSet %s failed error: %s and is not controlled by this "
                 "StatefulSet",
                 step->action->pod_name, meta->name, status->message);
}

static void tell_failure(Reconcile *reconcile, const Step *step, const ApiStatus *status)
{
    const ActionWords *words = &ACTIONS[step->action->type];
    const Object *set = step->sync->object;
    const ObjectMeta *meta = step->action->value;
    char reason[32];

    if (step->action->type == PLAN_CREATE_POD && status->reason == STATUS_ALREADY_EXISTS)
        tell_taken(reconcile, step, status);
    /* A lost race is not worth an Event, since the action is retried soon. */
    if (!words->verb || status->reason == STATUS_CONFLICT ||
        status->reason == STATUS_ALREADY_EXISTS)
        return;
    snprintf(reason, sizeof(reason), "Failed%s", words->verb);
    note_failure(reconcile, step, reason, status);
    if (words->of_claim)
        event_record(reconcile->controller->events, set, "Warning", reason,
                     "%s Claim %s for Pod %s in StatefulSet %s failed error: %s", words->verb,
                     meta->name, step->action->pod_name, object_meta(set)->name, status->message);
    else
        event_record(reconcile->controller->events, set, "Warning", reason,
                     "%s Pod %s in StatefulSet %s failed error: %s", words->verb,
                     step->action->pod_name, object_meta(set)->name, status->message);
}

/* ---- carrying out ---- */

static bool same_revision(Client *client, const ControllerRevision *made)
{
    Object *there = client_get(client, &kind_controller_revision, made->metadata.namespace,
                               made->metadata.name);

    return there && bytes_equal(OBJECT_AS(ControllerRevision, there)->data, made->data) &&
           meta_controller(object_meta(there)) &&
           str_equal(meta_controller(object_meta(there))->uid,
                     made->metadata.owner_references.v[0].uid);
}

static void on_done(Reconcile *reconcile, void *data, const ApiStatus *status,
                    Object *object _unused_)
{
    Step *step = data;
    Sync *sync = step->sync;
    const PlanAction *action = step->action;
    bool deletes = action->type == PLAN_DELETE_POD || action->type == PLAN_DELETE_REVISION;

    if (status->reason == STATUS_OK || (deletes && status->reason == STATUS_NOT_FOUND)) {
        tell_success(reconcile, step);
        return;
    }
    if (action->type == PLAN_CREATE_REVISION && status->reason == STATUS_ALREADY_EXISTS &&
        !same_revision(reconcile->client, action->value))
        sync->collided = true;
    tell_failure(reconcile, step, status);
    reconcile->failed = true;
    step->tried->failed = true;
    if (action->ordinal == PLAN_WHOLE_SET)
        sync->set_failed = true;
}

static const char *action_name(const PlanAction *action)
{
    const ObjectMeta *meta = action->value; /* the first member of every kind */

    return meta->name;
}

static bool is_held_back(const Sync *sync, const PlanAction *action)
{
    if (sync->set_failed)
        return true;
    for (size_t i = 0; i < sync->tried.n; i++) {
        const Tried *tried = sync->tried.v[i];

        if (tried->failed && tried->type != PLAN_FOLLOW_TEMPLATE &&
            tried->ordinal != PLAN_WHOLE_SET && tried->ordinal == action->ordinal)
            return true;
        if (tried->type == action->type && str_equal(tried->name, action_name(action)))
            return true;
    }
    return false;
}

static void issue(Reconcile *reconcile, Sync *sync, const PlanAction *action)
{
    const Kind *kind = ACTIONS[action->type].kind;
    Step *step = arena_new(&reconcile->arena, Step);

    *step = (Step){sync, action, arena_new(&reconcile->arena, Tried)};
    *step->tried =
        (Tried){.type = action->type, .ordinal = action->ordinal, .name = action_name(action)};
    VEC_PUSH(&sync->tried, step->tried);
    switch (action->type) {
    case PLAN_CREATE_REVISION:
    case PLAN_CREATE_CLAIM:
    case PLAN_CREATE_POD:
        reconcile_create(reconcile, object_of(kind, action->value), NULL, on_done, step);
        break;
    case PLAN_DELETE_POD:
    case PLAN_DELETE_REVISION:
        reconcile_delete_value(reconcile, kind, action->value, NULL, on_done, step);
        break;
    default:
        reconcile_update(reconcile, object_of(kind, action->value), NULL, on_done, step);
    }
}

static void write_status(Reconcile *reconcile)
{
    Sync *sync = reconcile->data;
    StatefulSetStatus *status = &sync->plan.status;
    Object *copy;
    StatefulSet *set = sync->object->value;

    if (sync->failure)
        statefulset_note_failure(&reconcile->arena, status, sync->failure_reason, sync->failure,
                                 reconcile_now_ns(reconcile));
    if (sync->collided) {
        /* The next plan hashes with the new count, and so finds another name. */
        copy = object_copy(sync->object);
        set = copy->value;
        set->status.collision_count = arena_int32(
            &copy->arena, (set->status.collision_count ? *set->status.collision_count : 0) + 1);
        reconcile_update(reconcile, copy, &(WriteOptions){.subresource = "status"}, NULL, NULL);
    } else if (!sync->set_failed && statefulset_status_differs(status, &set->status)) {
        RECONCILE_WRITE_STATUS(reconcile, StatefulSet, sync->object, status, NULL, NULL);
    }
    reconcile_then(reconcile, reconcile_end);
}

/* ---- gathering ---- */

typedef VEC(const PersistentVolumeClaim *) Claims;

static void gather_claims_of(Reconcile *reconcile, const StatefulSet *set, int64_t ordinal,
                             Claims *claims)
{
    for (size_t i = 0; i < set->spec.volume_claim_templates.n; i++) {
        const char *name = statefulset_claim_name(&reconcile->arena, set, i, ordinal);
        Object *claim =
            client_get(reconcile->client, &kind_persistent_volume_claim, reconcile->ns, name);

        if (claim)
            ARENA_PUSH(&reconcile->arena, claims, OBJECT_AS(PersistentVolumeClaim, claim));
    }
}

/* Gathers the claims of the existing pods and of those that this plan may create. */
static void gather_claims(Reconcile *reconcile, PlanInput *input)
{
    const StatefulSet *set = input->set;
    SetOrdinals ordinals = stateful_set_ordinals(&reconcile->arena, set);
    int64_t next = set_ordinals_from(&ordinals, ordinals.start);
    size_t left = input->n_pods + PLAN_CREATIONS_MAX;
    Claims claims = VEC_INIT;

    for (; next < ordinals.end && left > 0; next = set_ordinals_from(&ordinals, next + 1), left--)
        gather_claims_of(reconcile, set, next, &claims);
    for (size_t i = 0; i < input->n_pods; i++) {
        int64_t ordinal = statefulset_ordinal(set->metadata.name, input->pods[i]->metadata.name);

        if (ordinal >= 0 && (ordinal >= next || !set_ordinals_want(&ordinals, ordinal)))
            gather_claims_of(reconcile, set, ordinal, &claims);
    }
    input->claims = claims.v;
    input->n_claims = claims.n;
}

static void gather(Reconcile *reconcile, const StatefulSet *set, PlanInput *input)
{
    Arena *arena = &reconcile->arena;
    Selector *selector = selector_from_api(arena, set->spec.selector);
    ObjectList pods = control_owned(reconcile, &kind_pod, &set->metadata, selector);
    ObjectList revisions =
        control_owned(reconcile, &kind_controller_revision, &set->metadata, selector);

    *input = (PlanInput){.set = set,
                         .pods = object_list_values(arena, pods),
                         .n_pods = pods.n,
                         .revisions = object_list_values(arena, revisions),
                         .n_revisions = revisions.n,
                         .now_ns = reconcile_now_ns(reconcile)};
    gather_claims(reconcile, input);
}

static void plan_again(Reconcile *reconcile);

/* Carries out the first stage of the plan with an action that has not been tried. If there is none,
 * writes the status. */
static void run_stage(Reconcile *reconcile)
{
    Sync *sync = reconcile->data;
    size_t i = 0, n = sync->plan.n;
    const PlanAction *v = sync->plan.v;
    PlanActionType stage;

    while (i < n && is_held_back(sync, &v[i]))
        i++;
    if (i < n && sync->tried.n >= TRIED_MAX) {
        reconcile->again_after_ns = 0; /* let other keys be processed before the next stage */
        i = n;
    }
    if (i == n) {
        write_status(reconcile);
        return;
    }
    for (stage = v[i].type; i < n && v[i].type == stage; i++)
        if (!is_held_back(sync, &v[i]))
            issue(reconcile, sync, &v[i]);
    reconcile_then(reconcile, plan_again);
}

static void plan_again(Reconcile *reconcile)
{
    Object *object = reconcile_object(reconcile, &kind_stateful_set);
    Sync *sync = reconcile->data;
    PlanInput input;

    if (!object) {
        reconcile_end(reconcile);
        return;
    }
    sync->object = object;
    gather(reconcile, object->value, &input);
    statefulset_plan(&input, &reconcile->arena, &sync->plan);
    reconcile->again_after_ns = sync->plan.again_after_ns;
    for (size_t i = 0; i < sync->plan.conflicting_claims.n; i++)
        event_record(reconcile->controller->events, object, "Warning", "ConflictingController",
                     "PersistentVolumeClaim %s has a conflicting OwnerReference that acts as a "
                     "manging controller, the "
                     "retention policy is ignored for this claim",
                     sync->plan.conflicting_claims.v[i]);
    run_stage(reconcile);
}

static void free_tried(void *data)
{
    Sync *sync = data;

    VEC_DEINIT(&sync->tried);
}

static void reconcile_set(Reconcile *reconcile)
{
    reconcile->data = arena_new(&reconcile->arena, Sync);
    arena_link(&reconcile->arena, free_tried, reconcile->data);
    plan_again(reconcile);
}

/* ---- what wakes it ---- */

/* An object without a controller may belong to the set whose name, with a suffix, is its own. */
static void enqueue_by_name(Controller *controller, const ObjectMeta *meta, const char *set_end)
{
    _free_ char *name = mem_strndup(meta->name, (size_t)(set_end - meta->name));

    if (client_get(controller->client, &kind_stateful_set, meta->namespace, name))
        controller_enqueue(controller, meta->namespace, name);
}

static void on_pod(Controller *controller, const WatchEvent *event)
{
    const ObjectMeta *meta = object_meta(event->object);
    const char *dash = strrchr(meta->name, '-');

    controller_enqueue_owner(controller, &kind_stateful_set, meta);
    if (event->before)
        controller_enqueue_owner(controller, &kind_stateful_set, object_meta(event->before));
    /* This includes the deletion of a foreign pod that had the name of one of the set's pods. */
    if (!meta_controller(meta) && dash)
        enqueue_by_name(controller, meta, dash);
}

static void on_revision(Controller *controller, const WatchEvent *event)
{
    const ObjectMeta *meta = object_meta(event->object);
    const char *dash = strrchr(meta->name, '-');

    controller_enqueue_owner(controller, &kind_stateful_set, meta);
    if (!meta_controller(meta) && dash)
        enqueue_by_name(controller, meta, dash);
}

/* A claim usually has no reference to its set, but its name ends in <set>-<ordinal>. */
static void on_claim(Controller *controller, const WatchEvent *event)
{
    const ObjectMeta *meta = object_meta(event->object);
    const char *dash = strrchr(meta->name, '-');

    if (event->type == WATCH_ADDED || !dash)
        return;
    for (const char *at = meta->name; at < dash; at++) {
        _free_ char *name = NULL;

        if (at != meta->name && at[-1] != '-')
            continue;
        name = mem_strndup(at, (size_t)(dash - at));
        if (client_get(controller->client, &kind_stateful_set, meta->namespace, name))
            controller_enqueue(controller, meta->namespace, name);
    }
}

static void start(Controller *controller)
{
    controller_watch(controller, &kind_stateful_set, controller_enqueue_self);
    controller_watch(controller, &kind_pod, on_pod);
    controller_watch(controller, &kind_controller_revision, on_revision);
    controller_watch(controller, &kind_persistent_volume_claim, on_claim);
    controller_index(controller, &kind_pod);
    controller_index(controller, &kind_controller_revision);
    controller_index(controller, &kind_stateful_set);
}

const ControllerOps statefulset_controller = {
    .name = "statefulset",
    .component = "statefulset-controller",
    .start = start,
    .reconcile = reconcile_set,
};
