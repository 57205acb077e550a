/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a claim follows its template. Three versions are compared, so that what people change in a claim
 * stays: the template that the claim has followed so far, the template as it is now, and the claim.
 *
 *     template so far   template now   claim      becomes
 *     a=1               a=2            any        a=2
 *     a=1               no a           a=1        no a
 *     a=1               no a           a=3        a=3       somebody else has set it
 *     a=1               a=1            any        the same
 *     1Gi               2Gi            under 2Gi  2Gi
 *     1Gi               2Gi            3Gi        3Gi       a claim never becomes smaller
 *
 * The first version is in an annotation of the claim. A claim without it was made from the template that
 * the set had before its templates changed for the first time.
 */
#include "api/object.h"
#include "api/quantity.h"
#include "api/selector.h"
#include "codec/type.h"
#include "control/statefulset/plan.h"

/* Applies the changes from `old` to `new` to a map of the claim, except for the keys of `fixed`, which
 * may be NULL. Returns whether this changes the map. */
static bool follow_map(Arena *arena, StringMap *map, const StringMap *old, const StringMap *new,
                       const StringMap *fixed)
{
    bool changed = false;

    for (size_t i = 0; i < new->n; i++) {
        const char *key = new->v[i].key, *value = new->v[i].value;

        if ((fixed && string_map_get(fixed, key)) || str_equal(string_map_get(old, key), value) ||
            str_equal(string_map_get(map, key), value))
            continue;
        string_map_put(arena, map, key, value);
        changed = true;
    }
    for (size_t i = 0; i < old->n; i++) {
        const char *key = old->v[i].key;

        if (string_map_get(new, key) || (fixed && string_map_get(fixed, key)) ||
            !string_map_get(map, key) || !str_equal(string_map_get(map, key), old->v[i].value))
            continue;
        string_map_remove(map, key);
        changed = true;
    }
    return changed;
}

static bool is_larger(const char *size, const char *than)
{
    return quantity_compare(str_or(size, "0"), str_or(than, "0")) > 0;
}

PersistentVolumeClaim *statefulset_follow_template(Arena *arena, const StatefulSet *set,
                                                   const ClaimTemplates *templates, size_t template,
                                                   const PersistentVolumeClaim *claim)
{
    const char *followed = string_map_get(&claim->metadata.annotations, CLAIM_FOLLOWED_TEMPLATE);
    const VolumeClaimTemplate *old = claim_template_parse(arena, followed);
    const VolumeClaimTemplate *now = &templates->now.v[template];
    const char *text = claim_template_text(arena, now), *class;
    const StringMap *selected = set->spec.selector ? &set->spec.selector->match_labels : NULL;
    PersistentVolumeClaim *made;
    StringMap *requests;
    bool changed;

    /* The API server accepts these changes for bound claims only. */
    if (!templates->changed || !str_equal(claim->status.phase, "Bound") ||
        str_equal(followed, text))
        return NULL;
    if (!old)
        old = &templates->original.v[template];
    made = type_clone(&type_PersistentVolumeClaim, arena, claim);
    requests = &made->spec.resources.requests;
    changed = follow_map(arena, &made->metadata.labels, &old->metadata.labels,
                         &now->metadata.labels, selected);
    changed |= follow_map(arena, &made->metadata.annotations, &old->metadata.annotations,
                          &now->metadata.annotations, NULL);
    if (is_larger(claim_template_size(now), claim_template_size(old)) &&
        is_larger(claim_template_size(now), string_map_get(requests, "storage"))) {
        string_map_put(arena, requests, "storage", claim_template_size(now));
        changed = true;
    }
    class = now->spec.volume_attributes_class_name;
    if (!str_equal(str_or(class, ""), str_or(old->spec.volume_attributes_class_name, "")) &&
        !str_equal(str_or(class, ""), str_or(made->spec.volume_attributes_class_name, ""))) {
        made->spec.volume_attributes_class_name = class;
        changed = true;
    }
    /* A set whose templates are the original ones again leaves claims alone that never followed others. */
    if (!changed && str_equal(text, claim_template_text(arena, old)))
        return NULL;
    string_map_put(arena, &made->metadata.annotations, CLAIM_FOLLOWED_TEMPLATE, text);
    return made;
}
