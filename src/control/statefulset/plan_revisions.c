/* SPDX-License-Identifier: Apache-2.0 */
/* Which revision of a StatefulSet is current and which is the update, and which are surplus: see
 * plan_view.h. */
#include "api/meta.h"
#include "api/selector.h"
#include "codec/type.h"
#include "control/statefulset/plan_view.h"

void plan_revisions(PlanView *view)
{
    const PlanInput *in = view->in;
    Selector *selector = selector_from_api(view->arena, view->set->spec.selector);

    view->revisions = arena_new_n(view->arena, const ControllerRevision *, in->n_revisions + 1);
    for (size_t i = 0; i < in->n_revisions; i++) {
        const ControllerRevision *revision = in->revisions[i];

        if (!selector_matches_labels(selector, &revision->metadata.labels))
            continue;
        if (!meta_controller(&revision->metadata)) {
            if (!view->set->metadata.deletion_timestamp.set) {
                ControllerRevision *copy =
                    type_clone(&type_ControllerRevision, view->arena, revision);

                plan_adopt(view, &copy->metadata);
                plan_act(view, PLAN_ADOPT_REVISION, PLAN_WHOLE_SET, NULL, copy);
            }
        } else if (!plan_set_controls(&revision->metadata, view->set)) {
            continue;
        }
        view->revisions[view->n_revisions++] = revision;
    }
    revision_sort(view->revisions, view->n_revisions);
}

const ControllerRevision *plan_find_revision(const PlanView *view, const char *name)
{
    for (size_t i = 0; i < view->n_revisions; i++)
        if (!str_empty(name) && str_equal(view->revisions[i]->metadata.name, name))
            return view->revisions[i];
    return NULL;
}

/* Whether the revision holds the present template although its bytes differ, because another version
 * with other defaults has written it. */
static bool holds_template(const PlanView *view, const ControllerRevision *revision)
{
    PodTemplateSpec *template = revision_template(view->arena, revision);

    if (!template)
        return false;
    type_default(&type_PodTemplateSpec, view->arena, template);
    return type_equal(&type_PodTemplateSpec, template, &view->set->spec.template);
}

static const ControllerRevision *bump_revision(PlanView *view, const ControllerRevision *old,
                                               int64_t number)
{
    ControllerRevision *copy = revision_renumber(view->arena, old, number);

    plan_act(view, PLAN_UPDATE_REVISION, PLAN_WHOLE_SET, NULL, copy);
    return copy;
}

const ControllerRevision *plan_update_revision(PlanView *view)
{
    const StatefulSet *set = view->set;
    const ControllerRevision *newest =
        view->n_revisions ? view->revisions[view->n_revisions - 1] : NULL;
    int32_t collisions = set->status.collision_count ? *set->status.collision_count : 0;
    int64_t number = newest ? newest->revision + 1 : 1;
    ControllerRevision *made;
    Bytes data;

    if (newest && set->metadata.generation > 0 &&
        set->status.observed_generation == set->metadata.generation &&
        str_equal(newest->metadata.name, set->status.update_revision))
        return newest;
    data = statefulset_revision_data(view->arena, set);
    for (size_t i = view->n_revisions; i-- > 0;) {
        if (!bytes_equal(view->revisions[i]->data, data))
            continue;
        if (view->revisions[i] == newest)
            return newest;
        return bump_revision(view, view->revisions[i], number);
    }
    if (newest && (holds_template(view, newest) || set->metadata.deletion_timestamp.set))
        return newest;
    made = statefulset_new_revision(view->arena, set, data, number, collisions);
    if (!set->metadata.deletion_timestamp.set)
        plan_act(view, PLAN_CREATE_REVISION, PLAN_WHOLE_SET, NULL, made);
    return made;
}

static bool some_pod_has(const Members *members, const char *revision)
{
    for (size_t i = 0; i < members->n; i++)
        if (str_equal(revision, plan_pod_revision(members->v[i].pod)))
            return true;
    return false;
}

static bool revision_is_live(const PlanView *view, const char *name)
{
    const StatefulSetStatus *old = &view->set->status, *new = &view->plan->status;

    if (str_equal(name, new->current_revision) || str_equal(name, new->update_revision) ||
        str_equal(name, old->current_revision) || str_equal(name, old->update_revision))
        return true;
    return some_pod_has(&view->replicas, name) || some_pod_has(&view->condemned, name) ||
           some_pod_has(&view->reserved, name);
}

void plan_truncate_history(PlanView *view)
{
    int64_t limit =
        view->set->spec.revision_history_limit ? *view->set->spec.revision_history_limit : 10;
    const ControllerRevision **spare =
        arena_new_n(view->arena, const ControllerRevision *, view->n_revisions + 1);
    int64_t n = 0;

    if (limit < 0)
        return;
    for (size_t i = 0; i < view->n_revisions; i++)
        if (!revision_is_live(view, view->revisions[i]->metadata.name))
            spare[n++] = view->revisions[i];
    for (int64_t i = 0; i < n - limit; i++)
        plan_act(view, PLAN_DELETE_REVISION, PLAN_WHOLE_SET, NULL, spare[i]);
}
