/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of what stead adds to StatefulSets: its annotations, and changes of volumeClaimTemplates. What
 * stead could not carry out is refused with the reason, since a user who asks for it would wait for
 * nothing.
 */
#include "api/object.h"
#include "api/rules/rules.h"
#include "api/rules/workload/statefulset.h"
#include "api/stateful_set.h"
#include "api/validate/pod.h"
#include "codec/quantity.h"

#define CHANGEABLE                                                                                 \
    "only a larger resources.requests.storage, volumeAttributesClassName, labels and annotations " \
    "of a "                                                                                        \
    "claim template may change"

static const char *annotation_path(const char *key, Causes *causes)
{
    return arena_printf(causes->arena, "metadata.annotations[%s]", key);
}

/* ---- annotations ---- */

static OrdinalSet check_ordinals(const StatefulSet *set, const char *key, Causes *causes)
{
    const char *text = string_map_get(&set->metadata.annotations, key), *why;
    OrdinalSet ordinals;

    if (ordinal_set_parse(causes->arena, text, &ordinals, &why))
        causes_invalid_string(causes, annotation_path(key, causes), text, why);
    return ordinals;
}

/* Both lists are in ascending order. */
static void check_not_both(const OrdinalSet *reserved, const OrdinalSet *paused, Causes *causes)
{
    size_t i = 0, k = 0;

    while (i < reserved->n && k < paused->n) {
        if (reserved->v[i].last < paused->v[k].first) {
            i++;
        } else if (paused->v[k].last < reserved->v[i].first) {
            k++;
        } else {
            causes_forbidden(causes, annotation_path(SET_PAUSED_ORDINALS, causes),
                             arena_printf(causes->arena, "ordinal %" PRId64 " is reserved, too",
                                          MAX_OF(reserved->v[i].first, paused->v[k].first)));
            return;
        }
    }
}

static void check_given_templates(const StatefulSet *set, Causes *causes)
{
    const char *text = string_map_get(&set->metadata.annotations, SET_CLAIM_TEMPLATES), *why;
    const char *path = annotation_path(SET_CLAIM_TEMPLATES, causes);
    VolumeClaimTemplateArray given;

    if (claim_templates_parse(causes->arena, text, &given, &why)) {
        causes_invalid_string(causes, path, text, why);
        return;
    }
    for (size_t i = 0; i < given.n; i++) {
        const VolumeClaimTemplate *template = &given.v[i];
        const VolumeClaimTemplate *own =
            claim_templates_find(&set->spec.volume_claim_templates, template->metadata.name);
        const char *size = claim_template_size(template), *least;

        if (!own) {
            causes_add(causes, CAUSE_NOT_FOUND, path,
                       causes_quote(causes, str_or(template->metadata.name, "")), NULL);
            continue;
        }
        least = claim_template_size(own);
        if (size && least && quantity_compare(size, least) < 0)
            causes_forbidden(causes, path,
                             arena_printf(causes->arena,
                                          "the claims of template %s cannot become smaller than %s",
                                          own->metadata.name, least));
        validate_labels(&template->metadata.labels, path, causes);
        validate_annotations(&template->metadata.annotations, path, causes);
    }
}

/* A size that claims may have reached already cannot be taken back. */
static void check_sizes(const StatefulSet *set, const StatefulSet *before, Causes *causes)
{
    ClaimTemplates now = stateful_set_claim_templates(causes->arena, set);
    ClaimTemplates old = stateful_set_claim_templates(causes->arena, before);

    for (size_t i = 0; i < now.now.n; i++) {
        const char *name = now.now.v[i].metadata.name;
        const VolumeClaimTemplate *was = claim_templates_find(&old.now, name);
        const char *size = claim_template_size(&now.now.v[i]);
        const char *least = was ? claim_template_size(was) : NULL;

        if (least && quantity_compare(size ? size : "0", least) < 0)
            causes_forbidden(
                causes,
                arena_printf(causes->arena,
                             "spec.volumeClaimTemplates[%zu].spec.resources.requests.storage", i),
                arena_printf(causes->arena,
                             "the claims of template %s cannot become smaller than %s", name,
                             least));
    }
}

void check_set_annotations(const StatefulSet *set, const StatefulSet *before, Causes *causes)
{
    const char *strategy = string_map_get(&set->metadata.annotations, SET_UPDATE_STRATEGY);
    OrdinalSet reserved = check_ordinals(set, SET_RESERVED_ORDINALS, causes);
    OrdinalSet paused = check_ordinals(set, SET_PAUSED_ORDINALS, causes);

    check_not_both(&reserved, &paused, causes);
    if (strategy && !str_equal(strategy, "Recreate"))
        causes_invalid_string(causes, annotation_path(SET_UPDATE_STRATEGY, causes), strategy,
                              "must be 'Recreate'; spec.updateStrategy has the other strategies");
    check_given_templates(set, causes);
    if (before)
        check_sizes(set, before, causes);
}

/* ---- changes of volumeClaimTemplates ---- */

/* Names the first field of the claims' spec that differs although it may not. */
static const char *unchangeable_field(const PersistentVolumeClaimSpec *now,
                                      const PersistentVolumeClaimSpec *before)
{
    for (size_t i = 0; i < type_PersistentVolumeClaimSpec.n_fields; i++) {
        const Field *field = &type_PersistentVolumeClaimSpec.fields[i];

        if (!type_field_equal(field, field_at(now, field), field_at(before, field)))
            return field->json;
    }
    return NULL;
}

static void check_template_change(const VolumeClaimTemplate *now, const VolumeClaimTemplate *before,
                                  size_t i, Causes *causes)
{
    const char *path = arena_printf(causes->arena, "spec.volumeClaimTemplates[%zu]", i), *field;
    VolumeClaimTemplate same = *now;
    StringMap *requests = &same.spec.resources.requests;

    if (type_equal(&type_VolumeClaimTemplate, now, before))
        return;
    same.metadata.labels = before->metadata.labels;
    same.metadata.annotations = before->metadata.annotations;
    same.spec.volume_attributes_class_name = before->spec.volume_attributes_class_name;
    requests->v = ARENA_COPY_N(causes->arena, requests->v, requests->n);
    if (claim_template_size(before) && claim_template_size(now))
        string_map_put(causes->arena, requests, "storage", claim_template_size(before));
    field = unchangeable_field(&same.spec, &before->spec);
    if (field)
        path = arena_printf(causes->arena, "%s.spec.%s", path, field);
    if (!type_equal(&type_VolumeClaimTemplate, &same, before))
        causes_forbidden(causes, path, CHANGEABLE);
    validate_labels(
        &now->metadata.labels,
        arena_printf(causes->arena, "spec.volumeClaimTemplates[%zu].metadata.labels", i), causes);
    validate_annotations(
        &now->metadata.annotations,
        arena_printf(causes->arena, "spec.volumeClaimTemplates[%zu].metadata.annotations", i),
        causes);
    validate_claim_spec(
        &now->spec, arena_printf(causes->arena, "spec.volumeClaimTemplates[%zu].spec", i), causes);
}

void check_claim_template_changes(const StatefulSet *set, const StatefulSet *before, Causes *causes)
{
    const VolumeClaimTemplateArray *now = &set->spec.volume_claim_templates;
    const VolumeClaimTemplateArray *old = &before->spec.volume_claim_templates;

    for (size_t i = 0; i < now->n; i++)
        check_template_change(&now->v[i], &old->v[i], i, causes);
}

void keep_original_claim_templates(Arena *arena, StatefulSet *set, const StatefulSet *before)
{
    const VolumeClaimTemplateArray *old = &before->spec.volume_claim_templates;
    const char *original =
        string_map_get(&before->metadata.annotations, SET_ORIGINAL_CLAIM_TEMPLATES);
    const char *now = claim_templates_text(arena, &set->spec.volume_claim_templates);
    const char *was = claim_templates_text(arena, old);

    if (!original && !str_equal(now, was))
        original = was;
    if (original)
        string_map_put(arena, &set->metadata.annotations, SET_ORIGINAL_CLAIM_TEMPLATES,
                       arena_strdup(arena, original));
    else
        string_map_remove(&set->metadata.annotations, SET_ORIGINAL_CLAIM_TEMPLATES);
}
