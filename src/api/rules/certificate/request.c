/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of CertificateSigningRequests. The spec never changes after the creation. The subresource
 * approval sets the conditions Approved and Denied and nothing else; the subresource status sets the
 * certificate and all other conditions.
 */
#include "api/certificate/request.h"

#include "api/condition.h"
#include "api/print.h"
#include "api/rules/rules.h"
#include "api/schema/certificates_v1.h"
#include "api/time.h"
#include "base/text_map.h"
#include "codec/base64.h"

enum {
    SECONDS_MIN = 600,
    DOMAIN_MAX = 253,
    SIGNER_MAX = DOMAIN_MAX + 1 + 253 + 1 + 63,
};
#define LEGACY "kubernetes.io/legacy-unknown"

typedef CertificateSigningRequest Request;
typedef CertificateSigningRequestCondition RequestCondition;

/* ---- what may change ---- */

static void keep_spec(Arena *arena, Request *request, const Request *before)
{
    request->spec = (CertificateSigningRequestSpec){0};
    type_copy(&type_CertificateSigningRequestSpec, arena, &request->spec, &before->spec);
}

/* What a user says about himself has no meaning; admission knows who he is. */
static void request_prepare(Arena *arena, void *value, const void *before)
{
    Request *request = value;

    if (before)
        keep_spec(arena, request, before);
    else
        request->status = (CertificateSigningRequestStatus){0};
}

static void fill_times(Arena *arena, Request *request, const Request *before, int64_t now_ns)
{
    const Time now = time_seconds_from_ns(now_ns);
    TextMap by_type = TEXT_MAP_INIT(arena);

    for (size_t i = 0; i < before->status.conditions.n; i++)
        text_map_put_first(&by_type, str_or(before->status.conditions.v[i].type, ""),
                           &before->status.conditions.v[i]);
    for (size_t i = 0; i < request->status.conditions.n; i++) {
        RequestCondition *condition = &request->status.conditions.v[i];
        const RequestCondition *old = text_map_get(&by_type, str_or(condition->type, ""));

        if (!condition->last_update_time.set)
            condition->last_update_time = now;
        if (condition->last_transition_time.set)
            continue;
        condition->last_transition_time =
            old && str_equal(old->status, condition->status) && old->last_transition_time.set
                ? old->last_transition_time
                : now;
    }
}

static size_t count_conditions(const Request *request, const char *type)
{
    size_t n = 0;

    for (size_t i = 0; i < request->status.conditions.n; i++)
        n += str_equal(request->status.conditions.v[i].type, type);
    return n;
}

/* Conditions of the type keep their content, unless some come or go, which is refused later. */
static void keep_conditions(Arena *arena, Request *request, const Request *before, const char *type)
{
    const CertificateSigningRequestConditionArray *old = &before->status.conditions;
    size_t k = 0;

    if (count_conditions(request, type) != count_conditions(before, type))
        return;
    for (size_t i = 0; i < request->status.conditions.n; i++) {
        RequestCondition *condition = &request->status.conditions.v[i];

        if (!str_equal(condition->type, type))
            continue;
        while (!str_equal(old->v[k].type, type))
            k++;
        *condition = (RequestCondition){0};
        type_copy(&type_CertificateSigningRequestCondition, arena, condition, &old->v[k++]);
    }
}

static void status_prepare(Arena *arena, void *value, const void *before, int64_t now_ns)
{
    keep_conditions(arena, value, before, "Approved");
    keep_conditions(arena, value, before, "Denied");
    fill_times(arena, value, before, now_ns);
}

static void approval_prepare(Arena *arena, void *value, const void *before, int64_t now_ns)
{
    fill_times(arena, value, before, now_ns);
    ((Request *)value)->status.certificate =
        arena_bytes(arena, ((const Request *)before)->status.certificate);
}

/* ---- the spec ---- */

static void check_request(const CertificateSigningRequestSpec *spec, Causes *causes)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    CertificateRequest request;
    const char *wrong = certificate_request_read(causes->arena, spec->request, &request);

    if (!wrong)
        return;
    base64_encode(spec->request, &text);
    causes_add(causes, CAUSE_INVALID, "spec.request",
               spec->request.p ? causes_quote(causes, strbuf_string(&text)) : "null", wrong);
}

static void check_usages(const StringArray *usages, const StringArray *before, Causes *causes)
{
    static const char *const known[] = {"any",
                                        "cert sign",
                                        "client auth",
                                        "code signing",
                                        "content commitment",
                                        "crl sign",
                                        "data encipherment",
                                        "decipher only",
                                        "digital signature",
                                        "email protection",
                                        "encipher only",
                                        "ipsec end system",
                                        "ipsec tunnel",
                                        "ipsec user",
                                        "key agreement",
                                        "key encipherment",
                                        "microsoft sgc",
                                        "netscape sgc",
                                        "ocsp signing",
                                        "s/mime",
                                        "server auth",
                                        "signing",
                                        "timestamping",
                                        NULL};
    TextMap seen = TEXT_MAP_INIT(causes->arena);

    if (before) /* they have been checked, and have not changed since */
        return;
    if (!usages->n)
        causes_required(causes, "spec.usages", "");
    for (size_t i = 0; i < usages->n; i++)
        if (!name_is_one_of(usages->v[i], known))
            fail_not_supported(causes, PATH_INDEX(PATH(NULL, "spec.usages"), i), usages->v[i],
                               known);
    for (size_t i = 0; i < usages->n; i++)
        fail_if_seen(causes, PATH_INDEX(PATH(NULL, "spec.usages"), i), &seen, usages->v[i]);
}

/* Checks the parts of a name between dots. Only the first faulty one is reported. */
static void check_parts(const char *name, Faults (*check)(const char *), const Path *path,
                        Causes *causes)
{
    Arena *arena = causes->arena;

    for (const char *at = name;; at++) {
        size_t n = strcspn(at, ".");
        const char *part = arena_strndup(arena, at, n);
        Faults faults = check(part);

        for (size_t i = 0; i < faults.n; i++)
            fail_invalid(causes, path, name,
                         arena_printf(arena, "validating label %s: %s", causes_quote(causes, part),
                                      faults.v[i]));
        at += n;
        if (faults.n || !*at)
            return;
    }
}

static void check_signer(const char *signer, Causes *causes)
{
    const Path *path = PATH(NULL, "spec.signerName");
    const char *slash, *domain;

    if (str_empty(signer)) {
        causes_required(causes, "spec.signerName", "");
        return;
    }
    if (str_equal(signer, LEGACY)) {
        fail_invalid(causes, path, signer,
                     "the legacy signerName is not allowed via this API version");
        return;
    }
    slash = strchr(signer, '/');
    if (!slash || strchr(slash + 1, '/')) {
        fail_invalid(causes, path, signer,
                     "must be a fully qualified domain and path of the form "
                     "'example.com/signer-name'");
        return;
    }
    domain = arena_strndup(causes->arena, signer, (size_t)(slash - signer));
    if (strlen(domain) > DOMAIN_MAX)
        causes_add(causes, CAUSE_TOO_LONG, "spec.signerName", NULL,
                   "may not be more than 253 bytes");
    check_parts(domain, check_dns_label, path, causes);
    if (!strchr(domain, '.'))
        fail_invalid(causes, path, domain,
                     "should be a domain with at least two segments separated by dots");
    check_parts(slash + 1, check_dns_subdomain, path, causes);
    if (strlen(signer) > SIGNER_MAX)
        causes_add(causes, CAUSE_TOO_LONG, "spec.signerName", NULL,
                   "may not be more than 571 bytes");
}

/* ---- conditions ---- */

static void check_condition_status(const RequestCondition *condition, const Path *path,
                                   Causes *causes)
{
    static const char *const final[] = {"Approved", "Denied", "Failed", NULL};
    static const char *const only_true[] = {"True", NULL}, *const all[] = {"False", "True",
                                                                           "Unknown", NULL};
    const char *const *allowed = name_is_one_of(condition->type, final) ? only_true : all;

    if (str_empty(condition->status))
        fail_required(causes, PATH(path, "status"), "");
    else if (!name_is_one_of(condition->status, allowed))
        fail_not_supported(causes, PATH(path, "status"), condition->status, allowed);
}

static void check_conditions(const Request *request, const Request *before, Causes *causes)
{
    const CertificateSigningRequestConditionArray *conditions = &request->status.conditions;
    bool both =
        before && count_conditions(before, "Approved") && count_conditions(before, "Denied");
    TextMap seen = TEXT_MAP_INIT(causes->arena);
    const char *decided = NULL;

    for (size_t i = 0; i < conditions->n; i++) {
        const RequestCondition *condition = &conditions->v[i];
        const Path *path = PATH_INDEX(PATH(NULL, "status.conditions"), i);
        bool decides =
            str_equal(condition->type, "Approved") || str_equal(condition->type, "Denied");

        if (str_empty(condition->type))
            fail_required(causes, PATH(path, "type"), "");
        check_condition_status(condition, path, causes);
        if (decides && decided && !both && !str_equal(decided, condition->type))
            causes_invalid_string(causes, "status.conditions", condition->type,
                                  "Approved and Denied conditions are mutually exclusive");
        if (decides)
            decided = condition->type;
        fail_if_seen(causes, PATH(path, "type"), &seen, str_or(condition->type, ""));
    }
}

/* A condition that decides stays for ever. */
static void check_removals(const Request *request, const Request *before, Causes *causes)
{
    static const char *const types[] = {"Approved", "Denied", "Failed"};

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (count_conditions(request, types[i]) < count_conditions(before, types[i]))
            causes_forbidden(causes, "status.conditions",
                             arena_printf(causes->arena,
                                          "updates may not remove a condition of type \"%s\"",
                                          types[i]));
}

static void check_additions(const Request *request, const Request *before, Causes *causes)
{
    static const char *const types[] = {"Approved", "Denied"};

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (count_conditions(request, types[i]) > count_conditions(before, types[i]))
            causes_forbidden(causes, "status.conditions",
                             arena_printf(causes->arena,
                                          "updates may not add a condition of type \"%s\"",
                                          types[i]));
}

/* ---- the whole ---- */

static void check_certificate(const Request *request, const Request *before, Causes *causes)
{
    Bytes now = request->status.certificate;
    const char *wrong;

    if (!now.n || (before && bytes_equal(now, before->status.certificate)))
        return;
    wrong = certificate_check_pem(causes->arena, now);
    if (wrong)
        causes_invalid_string(causes, "status.certificate", "<certificate data>", wrong);
}

static void request_validate(const void *value, const void *before, Causes *causes)
{
    const Request *request = value;
    const CertificateSigningRequestSpec *spec = &request->spec;

    if (!before) {
        check_request(spec, causes);
        check_usages(&spec->usages, NULL, causes);
        check_signer(spec->signer_name, causes);
    }
    if (!before && spec->expiration_seconds && *spec->expiration_seconds < SECONDS_MIN)
        causes_invalid_int(causes, "spec.expirationSeconds", *spec->expiration_seconds,
                           "may not specify a duration less than 600 seconds (10 minutes)");
}

static void approval_validate(const void *value, const void *before, Causes *causes)
{
    check_conditions(value, before, causes);
    if (before)
        check_removals(value, before, causes);
}

static void request_validate_status(const void *value, const void *before_value, Causes *causes)
{
    const Request *request = value, *before = before_value;

    check_conditions(request, before, causes);
    check_certificate(request, before, causes);
    if (!before)
        return;
    check_removals(request, before, causes);
    check_additions(request, before, causes);
    if (before->status.certificate.n &&
        !bytes_equal(request->status.certificate, before->status.certificate))
        causes_forbidden(causes, "status.certificate",
                         "updates may not modify existing certificate content");
}

/* ---- columns ---- */

static const char *condition_text(const Request *request, Arena *arena)
{
    const char *decision = count_conditions(request, "Denied")     ? "Denied"
                           : count_conditions(request, "Approved") ? "Approved"
                                                                   : "Pending";

    return arena_printf(arena, "%s%s%s", decision,
                        count_conditions(request, "Failed") ? ",Failed" : "",
                        request->status.certificate.n ? ",Issued" : "");
}

static void request_print(const void *value, int64_t now_ns, StrBuf *out)
{
    const Request *request = value;
    _arena_ Arena arena = ARENA_INIT;
    _strbuf_ StrBuf duration = STRBUF_INIT;

    cell_string(out, request->metadata.name);
    cell_age(out, request->metadata.creation_timestamp, now_ns);
    cell_string(out, str_empty(request->spec.signer_name) ? "<none>" : request->spec.signer_name);
    cell_string(out, request->spec.username);
    if (request->spec.expiration_seconds)
        print_duration(&duration, *request->spec.expiration_seconds);
    cell_string(out, duration.n ? strbuf_string(&duration) : "<none>");
    cell_string(out, condition_text(request, &arena));
}

static const char *const all_paths[] = {"spec", "status", NULL};
static const char *const approval_paths[] = {"spec", "status.certificate", NULL};
static const char *const status_paths[] = {"spec", "status.conditions", NULL};
static const SubresourceRules subresources[] = {
    {.name = "", .reset = all_paths},
    {.name = "approval",
     .reset = approval_paths,
     .prepare = approval_prepare,
     .validate = approval_validate},
    {.name = "status", .reset = status_paths, .prepare = status_prepare},
    {0},
};

const KindRules rules_certificate_signing_request = {
    .prepare = request_prepare,
    .validate = request_validate,
    .validate_status = request_validate_status,
    .print = request_print,
    .subresources = subresources,
};
