/* SPDX-License-Identifier: Apache-2.0 */
/* Which pods belong to a StatefulSet: see plan_view.h. */
#include "api/meta.h"
#include "api/selector.h"
#include "codec/type.h"
#include "control/statefulset/plan_view.h"
#include "view/pod.h"

bool plan_set_controls(const ObjectMeta *meta, const StatefulSet *set)
{
    const OwnerReference *ref = meta_controller(meta);

    return ref && str_equal(ref->uid, set->metadata.uid);
}

void plan_adopt(PlanView *view, ObjectMeta *meta)
{
    meta_add_owner(
        view->arena, meta,
        meta_controller_reference(view->arena, &kind_stateful_set, &view->set->metadata));
}

static void change_owner(PlanView *view, const Pod *pod, int64_t ordinal, bool adopted)
{
    Pod *copy = type_clone(&type_Pod, view->arena, pod);

    if (adopted)
        plan_adopt(view, &copy->metadata);
    else
        meta_remove_owner(&copy->metadata, view->set->metadata.uid);
    plan_act(view, adopted ? PLAN_ADOPT_POD : PLAN_RELEASE_POD, ordinal, copy->metadata.name, copy);
}

static int compare_ordinals(const void *a, const void *b)
{
    int64_t x = ((const Member *)a)->ordinal, y = ((const Member *)b)->ordinal;

    return x < y ? -1 : x > y;
}

static int compare_ordinals_down(const void *a, const void *b)
{
    return compare_ordinals(b, a);
}

static void add_member(PlanView *view, int64_t ordinal, const Pod *pod)
{
    const SetOrdinals *ordinals = &view->ordinals;
    Member member = {ordinal, pod, ordinal_set_has(&ordinals->paused, ordinal)};
    Members *members = &view->condemned;

    if (set_ordinals_want(ordinals, ordinal))
        members = &view->replicas;
    else if (!member.paused && ordinal_set_has(&ordinals->reserved, ordinal))
        members = &view->reserved;
    members->v[members->n++] = member;
}

void plan_members(PlanView *view)
{
    const PlanInput *in = view->in;
    const StatefulSet *set = view->set;
    Selector *selector = selector_from_api(view->arena, set->spec.selector);
    bool going = set->metadata.deletion_timestamp.set;

    view->replicas.v = arena_new_n(view->arena, Member, in->n_pods + 1);
    view->condemned.v = arena_new_n(view->arena, Member, in->n_pods + 1);
    view->reserved.v = arena_new_n(view->arena, Member, in->n_pods + 1);
    for (size_t i = 0; i < in->n_pods; i++) {
        const Pod *pod = in->pods[i];
        int64_t ordinal = statefulset_ordinal(set->metadata.name, pod->metadata.name);
        bool matches = ordinal >= 0 && selector_matches_labels(selector, &pod->metadata.labels);
        bool ours = plan_set_controls(&pod->metadata, set);

        if (!matches) {
            if (ours && !going)
                change_owner(view, pod, PLAN_WHOLE_SET, false);
            continue;
        }
        if (!ours) {
            if (meta_controller(&pod->metadata) || going || pod_is_terminating(pod))
                continue;
            change_owner(view, pod, ordinal, true);
        }
        add_member(view, ordinal, pod);
    }
    qsort(view->replicas.v, view->replicas.n, sizeof(Member), compare_ordinals);
    qsort(view->condemned.v, view->condemned.n, sizeof(Member), compare_ordinals_down);
}
