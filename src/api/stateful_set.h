/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stead adds to StatefulSets. Every addition is an annotation that other Kubernetes servers store
 * without effect, so the same manifest is accepted everywhere. docs/statefulsets.md describes them for
 * users.
 *
 *     stead.dev/reserved-ordinals       "1,4-6": ordinals without a pod. `replicas` counts the others.
 *     stead.dev/paused-ordinals         "2": ordinals whose pods the controller leaves as they are.
 *     stead.dev/update-strategy         "Recreate": the same as spec.updateStrategy.type Recreate, which
 *                                       Kubernetes knows from version 1.37 on.
 *     stead.dev/volume-claim-templates  a JSON list of claim templates, each with its name and those of the
 *                                       changeable fields that replace the ones in spec.volumeClaimTemplates.
 *                                       Kubernetes refuses to change these.
 *
 * Two annotations are written by stead itself, once volumeClaimTemplates have changed:
 *
 *     stead.dev/original-volume-claim-templates  of a set: its templates before their first change
 *     stead.dev/volume-claim-template            of a claim: the template that it follows so far
 *
 * The changeable fields of a claim template are its labels, its annotations, the requested size, and
 * volumeAttributesClassName.
 */
#ifndef API_STATEFUL_SET_H
#define API_STATEFUL_SET_H

#include "api/schema/apps_v1.h"
#include "base/arena.h"

#define SET_RESERVED_ORDINALS "stead.dev/reserved-ordinals"
#define SET_PAUSED_ORDINALS "stead.dev/paused-ordinals"
#define SET_UPDATE_STRATEGY "stead.dev/update-strategy"
#define SET_CLAIM_TEMPLATES "stead.dev/volume-claim-templates"
#define SET_ORIGINAL_CLAIM_TEMPLATES "stead.dev/original-volume-claim-templates"
#define CLAIM_FOLLOWED_TEMPLATE "stead.dev/volume-claim-template"

/* ---- ordinals ---- */

typedef struct OrdinalRange {
    int64_t first, last;
} OrdinalRange;

/* Disjoint, and in ascending order. */
typedef struct OrdinalSet {
    OrdinalRange *v;
    size_t n;
} OrdinalSet;

/* Parses "1,4-6". An empty or absent text is the empty set. Returns 0, or positive with the reason; the
 * set is empty then. */
int ordinal_set_parse(Arena *arena, const char *text, OrdinalSet *ret, const char **reterr);
bool ordinal_set_has(const OrdinalSet *set, int64_t ordinal);

/* The ordinals of a set: pods exist from `start` up to, but not including, `end`, except for those that
 * are reserved. */
typedef struct SetOrdinals {
    int64_t start, end;
    OrdinalSet reserved, paused;
} SetOrdinals;

/* An annotation that cannot be parsed counts as absent. */
SetOrdinals stateful_set_ordinals(Arena *arena, const StatefulSet *set);
/* Whether the set should have a pod of this ordinal. */
bool set_ordinals_want(const SetOrdinals *ordinals, int64_t ordinal);
/* The lowest ordinal from this one on that is not reserved. */
int64_t set_ordinals_from(const SetOrdinals *ordinals, int64_t ordinal);

/* ---- strategy ---- */

bool stateful_set_recreates(const StatefulSet *set);

/* ---- claim templates ---- */

typedef struct ClaimTemplates {
    VolumeClaimTemplateArray now; /* spec.volumeClaimTemplates with what the annotation replaces */
    /* The template that claims without the annotation CLAIM_FOLLOWED_TEMPLATE were made from; in the order
     * of `now`. */
    VolumeClaimTemplateArray original;
    bool changed; /* false: no claim of the set has to follow a template */
} ClaimTemplates;

/* An annotation that cannot be parsed counts as absent. */
ClaimTemplates stateful_set_claim_templates(Arena *arena, const StatefulSet *set);
/* Parses the annotation SET_CLAIM_TEMPLATES. Returns 0, or positive with the reason. */
int claim_templates_parse(Arena *arena, const char *text, VolumeClaimTemplateArray *ret,
                          const char **reterr);
/* The name and the changeable fields of the templates as JSON, for the annotations. */
const char *claim_templates_text(Arena *arena, const VolumeClaimTemplateArray *templates);
const char *claim_template_text(Arena *arena, const VolumeClaimTemplate *template);
/* The template in the annotation of a claim, or NULL. */
VolumeClaimTemplate *claim_template_parse(Arena *arena, const char *text);
/* A copy of the template whose changeable fields are those of `from`, where `from` has them. */
VolumeClaimTemplate claim_template_with(Arena *arena, const VolumeClaimTemplate *template,
                                        const VolumeClaimTemplate *from);
/* The template of this name, or NULL. */
const VolumeClaimTemplate *claim_templates_find(const VolumeClaimTemplateArray *templates,
                                                const char *name);
/* The requested size; NULL if the template has none. */
const char *claim_template_size(const VolumeClaimTemplate *template);

#endif
