/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of TokenRequests and of the reviews that ask what a user may do. */
#include "api/object.h"
#include "api/rules/rules.h"
#include "api/schema/authentication_v1.h"
#include "api/schema/authorization_v1.h"

/* ---- TokenRequest ---- */

static void token_request_validate(const void *value, const void *before _unused_, Causes *causes)
{
    const int64_t *seconds = ((const TokenRequest *)value)->spec.expiration_seconds;
    const char *path = "spec.expirationSeconds";

    if (!seconds || *seconds < 600)
        causes_invalid_int(causes, path, seconds ? *seconds : 0,
                           "may not specify a duration less than 10 minutes");
    else if (*seconds > INT64_C(1) << 32)
        causes_invalid_int(causes, path, *seconds,
                           "may not specify a duration larger than 2^32 seconds");
}

const KindRules rules_token_request = {.validate = token_request_validate};

/* ---- access reviews ---- */

static void check_raw_or_requirements(const char *raw, size_t n_requirements, const Path *path,
                                      Causes *causes)
{
    const char *text = path_text(path, causes);

    if (!str_empty(raw) && n_requirements)
        causes_invalid_string(causes, path_text(PATH(path, "rawSelector"), causes), raw,
                              "may not specified at the same time as requirements");
    if (str_empty(raw) && !n_requirements)
        causes_required(
            causes, path_text(PATH(path, "requirements"), causes),
            arena_printf(causes->arena,
                         "when %s is specified, requirements or rawSelector is required", text));
}

/* Unknown operators may come from a newer client, so they are accepted. */
static void check_requirement_values(const char *op, size_t n_values, const Path *path,
                                     Causes *causes)
{
    const char *at = path_text(PATH(path, "values"), causes);

    if ((str_equal(op, "In") || str_equal(op, "NotIn")) && !n_values)
        causes_required(causes, at, "must be specified when `operator` is 'In' or 'NotIn'");
    if ((str_equal(op, "Exists") || str_equal(op, "DoesNotExist")) && n_values)
        causes_forbidden(causes, at,
                         "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
}

static void check_field_selector(const FieldSelectorAttributes *selector, const Path *path,
                                 Causes *causes)
{
    check_raw_or_requirements(selector->raw_selector, selector->requirements.n, path, causes);
    for (size_t i = 0; i < selector->requirements.n; i++) {
        const FieldSelectorRequirement *r = &selector->requirements.v[i];
        const Path *at = PATH_INDEX(PATH(path, "requirements"), i);

        if (str_empty(r->key))
            causes_required(causes, path_text(PATH(at, "key"), causes), "must be specified");
        check_requirement_values(r->operator, r->values.n, at, causes);
    }
}

static void check_label_selector(const LabelSelectorAttributes *selector, const Path *path,
                                 Causes *causes)
{
    check_raw_or_requirements(selector->raw_selector, selector->requirements.n, path, causes);
    for (size_t i = 0; i < selector->requirements.n; i++) {
        const LabelSelectorRequirement *r = &selector->requirements.v[i];
        const Path *at = PATH_INDEX(PATH(path, "requirements"), i);

        check_requirement_values(r->operator, r->values.n, at, causes);
        faults_add(check_qualified_name(r->key), path_text(PATH(at, "key"), causes), r->key,
                   causes);
        for (size_t k = 0; k < r->values.n; k++)
            faults_add(check_label_value(r->values.v[k]),
                       path_text(PATH_INDEX(PATH(at, "values"), k), causes), r->values.v[k],
                       causes);
    }
}

static void check_attributes(const ResourceAttributes *resource, const NonResourceAttributes *other,
                             Causes *causes)
{
    const Path *path = PATH(NULL, "spec.resourceAttributes");

    if (resource && other)
        causes_add(causes, CAUSE_INVALID, "spec.nonResourceAttributes",
                   rules_bad(&type_SelfSubjectAccessReviewSpec,
                             &(const SelfSubjectAccessReviewSpec){.non_resource_attributes =
                                                                      (void *)(uintptr_t)other},
                             "nonResourceAttributes", causes),
                   "cannot be specified in combination with resourceAttributes");
    if (!resource && !other)
        causes_add(causes, CAUSE_INVALID, "spec.resourceAttributes", "null",
                   "exactly one of nonResourceAttributes or resourceAttributes must be specified");
    if (resource && resource->field_selector)
        check_field_selector(resource->field_selector, PATH(path, "fieldSelector"), causes);
    if (resource && resource->label_selector)
        check_label_selector(resource->label_selector, PATH(path, "labelSelector"), causes);
}

static void check_empty_meta(const ObjectMeta *meta, bool ns_may, const char *text, Causes *causes)
{
    if (str_empty(meta->name) && str_empty(meta->generate_name) &&
        (ns_may || str_empty(meta->namespace)) && !meta->labels.n && !meta->annotations.n &&
        !meta->owner_references.n && !meta->finalizers.n)
        return;
    causes_add(causes, CAUSE_INVALID, "metadata",
               rules_bad(&type_SubjectAccessReview, &(const SubjectAccessReview){.metadata = *meta},
                         "metadata", causes),
               text);
}

static void check_subject(const SubjectAccessReviewSpec *spec, Causes *causes)
{
    check_attributes(spec->resource_attributes, spec->non_resource_attributes, causes);
    if (str_empty(spec->user) && !spec->groups.n)
        causes_invalid_string(causes, "spec.user", "",
                              "at least one of user or group must be specified");
}

static void subject_access_review_validate(const void *value, const void *before _unused_,
                                           Causes *causes)
{
    const SubjectAccessReview *review = value;

    check_subject(&review->spec, causes);
    check_empty_meta(&review->metadata, false, "must be empty", causes);
}

static void self_subject_access_review_validate(const void *value, const void *before _unused_,
                                                Causes *causes)
{
    const SelfSubjectAccessReview *review = value;

    check_attributes(review->spec.resource_attributes, review->spec.non_resource_attributes,
                     causes);
    check_empty_meta(&review->metadata, false, "must be empty", causes);
}

static void local_subject_access_review_validate(const void *value, const void *before _unused_,
                                                 Causes *causes)
{
    const LocalSubjectAccessReview *review = value;
    const ResourceAttributes *resource = review->spec.resource_attributes;

    check_subject(&review->spec, causes);
    check_empty_meta(&review->metadata, true, "must be empty except for namespace", causes);
    if (resource && !str_equal(resource->namespace, review->metadata.namespace))
        causes_invalid_string(causes, "spec.resourceAttributes.namespace", resource->namespace,
                              "must match metadata.namespace");
    if (review->spec.non_resource_attributes)
        causes_add(causes, CAUSE_INVALID, "spec.nonResourceAttributes",
                   rules_bad(&type_SubjectAccessReviewSpec, &review->spec, "nonResourceAttributes",
                             causes),
                   "disallowed on this kind of request");
}

const KindRules rules_subject_access_review = {.validate = subject_access_review_validate};
const KindRules rules_self_subject_access_review = {.validate =
                                                        self_subject_access_review_validate};
const KindRules rules_local_subject_access_review = {.validate =
                                                         local_subject_access_review_validate};
