/* SPDX-License-Identifier: Apache-2.0 */
#include "control/pods.h"

#include "codec/type.h"

void pod_actions_add(PodActions *actions, PodActionType type, const Pod *pod)
{
    if (actions->n == actions->cap) {
        size_t cap = actions->cap ? actions->cap * 2 : 16;
        PodAction *v = arena_new_n(actions->arena, PodAction, cap);

        if (actions->n)
            memcpy(v, actions->v, actions->n * sizeof(*v));
        actions->v = v;
        actions->cap = cap;
    }
    actions->v[actions->n++] = (PodAction){type, pod};
}

/* ---- whose a pod is ---- */

PodOwner pod_owner_of(Arena *arena, const Kind *kind, const ObjectMeta *meta,
                      const LabelSelector *selector)
{
    return (PodOwner){
        .ref =
            {
                .api_version = kind->api_version,
                .kind = kind->kind,
                .name = meta->name,
                .uid = meta->uid,
                .controller = arena_bool(arena, true),
                .block_owner_deletion = arena_bool(arena, true),
            },
        .ns = meta->namespace,
        .selector = selector_from_api(arena, selector),
        .going = meta->deletion_timestamp.set,
    };
}

bool pod_owner_is_concerned(const PodOwner *owner, const ObjectMeta *meta)
{
    const OwnerReference *ref = meta_controller(meta);

    return ref ? str_equal(ref->uid, owner->ref.uid)
               : selector_matches_labels(owner->selector, &meta->labels);
}

static Pod *pod_copy(Arena *arena, const Pod *pod)
{
    Pod *copy = arena_new(arena, Pod);

    type_copy(&type_Pod, arena, copy, pod);
    return copy;
}

static const Pod *adopted(Arena *arena, const PodOwner *owner, const Pod *pod)
{
    Pod *copy = pod_copy(arena, pod);
    OwnerReferenceArray *owners = &copy->metadata.owner_references;
    OwnerReference *v = arena_new_n(arena, OwnerReference, owners->n + 1);

    if (owners->n)
        memcpy(v, owners->v, owners->n * sizeof(*v));
    v[owners->n++] = owner->ref;
    owners->v = v;
    return copy;
}

static const Pod *released(Arena *arena, const PodOwner *owner, const Pod *pod)
{
    Pod *copy = pod_copy(arena, pod);
    OwnerReferenceArray *owners = &copy->metadata.owner_references;
    size_t n = 0;

    for (size_t i = 0; i < owners->n; i++)
        if (!str_equal(owners->v[i].uid, owner->ref.uid))
            owners->v[n++] = owners->v[i];
    owners->n = n;
    return copy;
}

size_t pod_owner_claim(const PodOwner *owner, const Pod *const *candidates, size_t n,
                       PodActions *actions, const Pod **members)
{
    size_t n_members = 0;

    for (size_t i = 0; i < n; i++) {
        const Pod *pod = candidates[i];
        const OwnerReference *ref = meta_controller(&pod->metadata);
        bool matches = selector_matches_labels(owner->selector, &pod->metadata.labels);

        if (ref && !str_equal(ref->uid, owner->ref.uid))
            continue;
        if (ref && matches)
            members[n_members++] = pod;
        else if (ref && !owner->going)
            pod_actions_add(actions, POD_RELEASE, released(actions->arena, owner, pod));
        else if (!ref && matches && !owner->going && pod_is_active(pod))
            pod_actions_add(actions, POD_ADOPT, adopted(actions->arena, owner, pod));
    }
    return n_members;
}

Pod *pod_from_template(Arena *arena, const PodOwner *owner, const PodTemplateSpec *template)
{
    Pod *pod = arena_new(arena, Pod);
    ObjectMeta *meta = &pod->metadata;

    type_copy(&type_PodSpec, arena, &pod->spec, &template->spec);
    type_copy(&type_ObjectMeta, arena, meta,
              &(ObjectMeta){
                  .labels = template->metadata.labels,
                  .annotations = template->metadata.annotations,
                  .finalizers = template->metadata.finalizers,
              });
    meta->generate_name = arena_printf(arena, "%s-", owner->ref.name);
    meta->namespace = owner->ns;
    meta->owner_references = (OwnerReferenceArray){arena_new(arena, OwnerReference), 1};
    meta->owner_references.v[0] = owner->ref;
    return pod;
}

/* ---- carrying out ---- */

typedef struct Step {
    Object *about;
    const PodAction *action;
    PodResult *result;
} Step;

static void tell(Reconcile *reconcile, const Step *step, const ApiStatus *status, Object *object)
{
    EventRecorder *events = reconcile->controller->events;
    bool creates = step->action->type == POD_CREATE, ok = status->reason == STATUS_OK;

    if (!creates && step->action->type != POD_DELETE)
        return;
    if (ok && creates)
        event_record(events, step->about, "Normal", "SuccessfulCreate", "Created pod: %s",
                     object_meta(object)->name);
    else if (ok)
        event_record(events, step->about, "Normal", "SuccessfulDelete", "Deleted pod: %s",
                     step->action->pod->metadata.name);
    else if (creates)
        event_record(events, step->about, "Warning", "FailedCreate", "Error creating: %s",
                     status->message);
    else
        event_record(events, step->about, "Warning", "FailedDelete", "Error deleting: %s",
                     status->message);
}

/* Nothing can be made in a namespace that goes, and nobody minds. */
static bool namespace_goes(const ApiStatus *status)
{
    for (size_t i = 0; i < status->n_causes; i++)
        if (status->causes[i].type == CAUSE_NAMESPACE_TERMINATING)
            return true;
    return false;
}

static void on_done(Reconcile *reconcile, void *data, const ApiStatus *status, Object *object)
{
    Step *step = data;
    PodActionType type = step->action->type;

    if (status->reason == STATUS_NOT_FOUND && type != POD_CREATE)
        return;
    if (type == POD_CREATE && namespace_goes(status)) {
        step->result->failed = true;
        return;
    }
    tell(reconcile, step, status, object);
    if (status->reason == STATUS_OK)
        return;
    reconcile->failed = true;
    step->result->failed = true;
    if (step->result->error || (type != POD_CREATE && type != POD_DELETE))
        return;
    step->result->error = arena_strdup(&reconcile->arena, status->message);
    step->result->reason = type == POD_CREATE ? "FailedCreate" : "FailedDelete";
}

void pods_carry_out(Reconcile *reconcile, Object *about, const PodActions *actions,
                    PodResult *result)
{
    for (size_t i = 0; i < actions->n; i++) {
        const PodAction *action = &actions->v[i];
        Step *step = arena_new(&reconcile->arena, Step);

        *step = (Step){about, action, result};
        if (action->type == POD_CREATE) {
            reconcile_create(reconcile, object_of(&kind_pod, action->pod), NULL, on_done, step);
        } else if (action->type == POD_DELETE) {
            Object shell = {.kind = &kind_pod, .value = (void *)(uintptr_t)action->pod};

            reconcile_delete(reconcile, &shell, NULL, on_done, step);
        } else {
            reconcile_update(reconcile, object_of(&kind_pod, action->pod), NULL, on_done, step);
        }
    }
}

const Pod **pods_gather(Reconcile *reconcile, const PodOwner *owner, size_t *ret_n)
{
    ObjectList all = control_owned(reconcile, &kind_pod,
                                   &(ObjectMeta){.uid = owner->ref.uid, .namespace = owner->ns},
                                   owner->selector);
    const Pod **pods = arena_new_n(&reconcile->arena, const Pod *, all.n + 1);

    for (size_t i = 0; i < all.n; i++)
        pods[i] = all.v[i]->value;
    *ret_n = all.n;
    return pods;
}

int64_t scaled_value(const IntOrString *v, int64_t total, bool round_up, int64_t otherwise)
{
    _free_ char *digits = NULL;
    int64_t percent;

    if (!v)
        return otherwise;
    if (!v->is_string)
        return v->number;
    digits = mem_strndup(str_or(v->string, ""), strcspn(str_or(v->string, ""), "%"));
    if (str_to_int64(digits, 0, INT32_MAX, &percent))
        return otherwise;
    return (percent * total + (round_up ? 99 : 0)) / 100;
}
