/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of the claims of a pod: see plan_view.h. claims.c says who has to own them. */
#include "api/object.h"
#include "api/quantity.h"
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

bool plan_claims(PlanView *view, const Member *member, const char *pod_name, ClaimsOf of)
{
    const StatefulSet *set = view->set;
    bool condemned = of == CLAIMS_OF_CONDEMNED, fine = true;

    for (size_t i = 0; i < set->spec.volume_claim_templates.n; i++) {
        const char *name = statefulset_claim_name(view->arena, set, i, member->ordinal);
        const PersistentVolumeClaim *claim = find_claim(view, name);

        if (!claim) {
            if (of == CLAIMS_OF_REPLICA)
                plan_act(
                    view, PLAN_CREATE_CLAIM, member->ordinal, pod_name,
                    statefulset_new_claim(view->arena, set, &view->templates, i, member->ordinal));
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

/* ---- following the templates ---- */

/* Whether the volume has yet to become as large as its claim. */
static bool is_growing(const PersistentVolumeClaim *claim)
{
    const char *asked = string_map_get(&claim->spec.resources.requests, "storage");
    const char *has = string_map_get(&claim->status.capacity, "storage");

    return asked && has && quantity_compare(has, asked) < 0;
}

static void follow_template(PlanView *view, int64_t ordinal, size_t template)
{
    const StatefulSet *set = view->set;
    const char *name = statefulset_claim_name(view->arena, set, template, ordinal);
    const PersistentVolumeClaim *claim = find_claim(view, name), *made;

    if (!claim || claim->metadata.deletion_timestamp.set)
        return;
    made = statefulset_follow_template(view->arena, set, &view->templates, template, claim);
    if (made)
        plan_act(view, PLAN_FOLLOW_TEMPLATE, ordinal,
                 arena_printf(view->arena, "%s-%" PRId64, set->metadata.name, ordinal), made);
    if (is_growing(made ? made : claim))
        plan_wait(view, WAIT_CLAIM_GROWING,
                  arena_printf(
                      view->arena, "waiting for the volume of claim %s to grow to %s", name,
                      string_map_get(&(made ? made : claim)->spec.resources.requests, "storage")));
}

void plan_follow_templates(PlanView *view)
{
    const SetOrdinals *ordinals = &view->ordinals;
    size_t n_templates = view->set->spec.volume_claim_templates.n;
    size_t left = view->in->n_claims / MAX_OF(n_templates, (size_t)1) + PLAN_CREATIONS_MAX;

    if (!view->templates.changed)
        return;
    for (int64_t ordinal = set_ordinals_from(ordinals, ordinals->start);
         ordinal < ordinals->end && left > 0;
         ordinal = set_ordinals_from(ordinals, ordinal + 1), left--)
        for (size_t i = 0; i < n_templates && !ordinal_set_has(&ordinals->paused, ordinal); i++)
            follow_template(view, ordinal, i);
}
