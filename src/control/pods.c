/* SPDX-License-Identifier: Apache-2.0 */
#include "control/pods.h"

#include "codec/type.h"

void pod_actions_add(PodActions *actions, PodActionType type, const Pod *pod)
{
    ARENA_PUSH(actions->arena, actions, (PodAction){type, pod});
}

/* ---- whose a pod is ---- */

PodOwner pod_owner_of(Arena *arena, const Kind *kind, const ObjectMeta *meta,
                      const LabelSelector *selector)
{
    return (PodOwner){
        .ref = meta_controller_reference(arena, kind, meta),
        .ns = meta->namespace,
        .selector = selector_from_api(arena, selector),
        .going = meta->deletion_timestamp.set,
    };
}

static const Pod *adopted(Arena *arena, const PodOwner *owner, const Pod *pod)
{
    Pod *copy = type_clone(&type_Pod, arena, pod);

    meta_add_owner(arena, &copy->metadata, owner->ref);
    return copy;
}

static const Pod *released(Arena *arena, const PodOwner *owner, const Pod *pod)
{
    Pod *copy = type_clone(&type_Pod, arena, pod);

    meta_remove_owner(&copy->metadata, owner->ref.uid);
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

Pod *pod_from_template(Arena *arena, OwnerReference owner, const char *ns,
                       const PodTemplateSpec *template)
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
    meta->generate_name = arena_printf(arena, "%s-", owner.name);
    meta->namespace = ns;
    meta_add_owner(arena, meta, owner);
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

static void on_done(Reconcile *reconcile, void *data, const ApiStatus *status, Object *object)
{
    Step *step = data;
    PodActionType type = step->action->type;

    if (status->reason == STATUS_NOT_FOUND && type != POD_CREATE)
        return;
    if (type == POD_CREATE && status_has_cause(status, CAUSE_NAMESPACE_TERMINATING)) {
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
            reconcile_delete_value(reconcile, &kind_pod, action->pod, NULL, on_done, step);
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

    *ret_n = all.n;
    return object_list_values(&reconcile->arena, all);
}

int64_t scaled_value(const IntOrString *v, int64_t total, bool round_up, int64_t otherwise)
{
    _free_ char *digits = NULL;
    int64_t percent;
    size_t n;

    if (!v)
        return otherwise;
    if (!v->is_string)
        return v->number;
    n = strcspn(str_or(v->string, ""), "%");
    digits = mem_strndup(str_or(v->string, ""), n);
    if (!v->string || !str_equal(v->string + n, "%") ||
        str_to_int64(digits, 0, INT32_MAX, &percent) != 0)
        return otherwise;
    return (percent * total + (round_up ? 99 : 0)) / 100;
}
