/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of the claims of a pod: see plan_view.h. claims.c says who has to own them. */
#include "control/statefulset/plan_view.h"

static int compare_claims(const void *a, const void *b)
{
    const PersistentVolumeClaim *x = *(const PersistentVolumeClaim *const *)a;
    const PersistentVolumeClaim *y = *(const PersistentVolumeClaim *const *)b;

    return strcmp(x->metadata.name, y->metadata.name);
}

void plan_sort_claims(PlanView *view)
{
    const PlanInput *in = view->in;

    view->claims = ARENA_COPY_N(view->arena, in->claims, in->n_claims);
    qsort(view->claims, in->n_claims, sizeof(*view->claims), compare_claims);
}

static int compare_name_to_claim(const void *key, const void *item)
{
    const PersistentVolumeClaim *claim = *(const PersistentVolumeClaim *const *)item;

    return strcmp(key, claim->metadata.name);
}

static const PersistentVolumeClaim *find_claim(const PlanView *view, const char *name)
{
    const PersistentVolumeClaim **found;

    if (view->in->n_claims == 0)
        return NULL;
    found = bsearch(name, view->claims, view->in->n_claims, sizeof(*view->claims),
                    compare_name_to_claim);
    return found ? *found : NULL;
}

bool plan_claims(PlanView *view, const Member *member, const char *pod_name, bool condemned)
{
    const StatefulSet *set = view->set;
    bool fine = true;

    for (size_t i = 0; i < set->spec.volume_claim_templates.n; i++) {
        const char *name = statefulset_claim_name(view->arena, set, i, member->ordinal);
        const PersistentVolumeClaim *claim = find_claim(view, name);

        if (!claim) {
            if (!condemned)
                plan_act(view, PLAN_CREATE_CLAIM, member->ordinal, pod_name,
                         statefulset_new_claim(view->arena, set, i, member->ordinal));
            continue;
        }
        if (claim->metadata.deletion_timestamp.set ||
            (!member->pod && statefulset_claim_is_stale(set, claim, pod_name, NULL))) {
            fine = false;
            continue;
        }
        switch (statefulset_judge_claim(set, claim, pod_name, member->pod, condemned)) {
        case CLAIM_CONFLICT:
            ARENA_PUSH(view->arena, &view->plan->conflicting_claims, name);
            break;
        case CLAIM_UPDATE:
            plan_act(
                view, PLAN_UPDATE_CLAIM, member->ordinal, pod_name,
                statefulset_fix_claim(view->arena, set, claim, pod_name, member->pod, condemned));
            break;
        case CLAIM_FINE:
        case CLAIM_LEFT_ALONE:
            break;
        }
    }
    return fine;
}
