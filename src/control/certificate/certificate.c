/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CertificateSigningRequests to the signers of Kubernetes: approves those of kubelets whose creators may
 * ask for them, issues the certificates of approved requests, and deletes requests that are done with.
 *
 *   kubernetes.io/kube-apiserver-client          certificates of any client of this API; only people approve
 *   kubernetes.io/kube-apiserver-client-kubelet  certificates of kubelets as clients
 *   kubernetes.io/kubelet-serving                certificates with which kubelets serve; only people approve
 *   kubernetes.io/legacy-unknown                 any certificate; the API accepts no new requests for it
 *
 * The certificate authority is that of the API. All other signers are programs outside of the server.
 */
#include "api/certificate/request.h"
#include "api/condition.h"
#include "api/object.h"
#include "api/schema/certificates_v1.h"
#include "control/controllers.h"

#define HOUR INT64_C(3600)
#define LIFETIME (365 * 24 * HOUR) /* at most */
#define SHORTEST INT64_C(600)
#define SHORT (8 * HOUR)
#define BACKDATE INT64_C(300) /* for clients whose clocks are slow */
#define DONE_AFTER HOUR       /* denied, failed, issued */
#define PENDING_AFTER (24 * HOUR)

typedef CertificateSigningRequest Request;
typedef CertificateSigningRequestCondition RequestCondition;

static const char *check_client(Arena *arena, const CertificateRequest *request _unused_,
                                const StringArray *usages)
{
    bool client = false;

    for (size_t i = 0; i < usages->n; i++) {
        if (str_equal(usages->v[i], "client auth"))
            client = true;
        else if (!str_equal(usages->v[i], "digital signature") &&
                 !str_equal(usages->v[i], "key encipherment"))
            return arena_printf(arena, "invalid usage for client certificate: %s", usages->v[i]);
    }
    return client ? NULL : "missing required usage for client certificate: client auth";
}

static const char *check_nothing(Arena *arena _unused_, const CertificateRequest *request _unused_,
                                 const StringArray *usages _unused_)
{
    return NULL;
}

#define KUBELET_CLIENT "kubernetes.io/kube-apiserver-client-kubelet"

static const struct {
    const char *name;
    const char *(*check)(Arena *arena, const CertificateRequest *request,
                         const StringArray *usages);
} SIGNERS[] = {
    {"kubernetes.io/kube-apiserver-client", check_client},
    {KUBELET_CLIENT, certificate_check_kubelet_client},
    {"kubernetes.io/kubelet-serving", certificate_check_kubelet_serving},
    {"kubernetes.io/legacy-unknown", check_nothing},
};

/* ---- approval ---- */

static void add_condition(Object *copy, const RequestCondition *condition)
{
    ARENA_APPEND(&copy->arena, &OBJECT_AS(CertificateSigningRequest, copy)->status.conditions,
                 *condition);
}

/* Approves the request of a kubelet: for its own name, or for any if its creator may. */
static void approve(Reconcile *reconcile, Object *object, const CertificateRequest *parsed)
{
    static const struct {
        bool own;
        const char *subresource, *message;
    } rows[] = {
        {true, "selfnodeclient",
         "Auto approving self kubelet client certificate after SubjectAccessReview."},
        {false, "nodeclient",
         "Auto approving kubelet client certificate after SubjectAccessReview."},
    };
    const ControlOptions *options = reconcile->controller->options;
    const CertificateSigningRequestSpec *spec = &OBJECT_AS(CertificateSigningRequest, object)->spec;
    Object *copy;

    if (!options->may_request || !str_equal(spec->signer_name, KUBELET_CLIENT) ||
        certificate_check_kubelet_client(&reconcile->arena, parsed, &spec->usages))
        return;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if ((rows[i].own && !str_equal(spec->username, parsed->common_name)) ||
            !options->may_request(options->may_request_data, spec, rows[i].subresource))
            continue;
        copy = object_copy(object);
        add_condition(copy, &(RequestCondition){.type = "Approved",
                                                .status = "True",
                                                .reason = "AutoApproved",
                                                .message = rows[i].message});
        reconcile_update(reconcile, copy, &(WriteOptions){.subresource = "approval"}, NULL, NULL);
        return;
    }
}

/* ---- signing ---- */

static int64_t lifetime_of(const CertificateSigningRequestSpec *spec)
{
    int64_t asked = spec->expiration_seconds ? *spec->expiration_seconds : LIFETIME;

    return MAX_OF(MIN_OF(asked, LIFETIME), SHORTEST);
}

static void write_failure(Reconcile *reconcile, const Object *object, const char *why)
{
    Object *copy = object_copy(object);

    add_condition(copy, &(RequestCondition){.type = "Failed",
                                            .status = "True",
                                            .reason = "SignerValidationFailure",
                                            .message = arena_strdup(&copy->arena, why),
                                            .last_update_time = reconcile_now(reconcile)});
    reconcile_update(reconcile, copy, &(WriteOptions){.subresource = "status"}, NULL, NULL);
}

static void issue(Reconcile *reconcile, const Object *object)
{
    const ControlOptions *options = reconcile->controller->options;
    const CertificateSigningRequestSpec *spec = &OBJECT_AS(CertificateSigningRequest, object)->spec;
    int64_t now = reconcile_now(reconcile).seconds, lifetime = lifetime_of(spec);
    const char *why, *pem;
    Object *copy;

    pem = certificate_issue(
        &reconcile->arena,
        &(CertificateIssue){.ca_pem = options->root_ca_pem,
                            .ca_key_pem = options->ca_key_pem,
                            .request = spec->request,
                            .usages = &spec->usages,
                            .now = now,
                            .not_before = now - BACKDATE,
                            .not_after = now + lifetime - (lifetime < SHORT ? 0 : BACKDATE)},
        &why);
    if (!pem) {
        reconcile->refusal = why;
        reconcile->refused = true;
        reconcile->failed = true;
        return;
    }
    copy = object_copy(object);
    OBJECT_AS(CertificateSigningRequest, copy)->status.certificate =
        arena_bytes(&copy->arena, bytes_from_string(pem));
    reconcile_update(reconcile, copy, &(WriteOptions){.subresource = "status"}, NULL, NULL);
}

static void sign(Reconcile *reconcile, const Object *object, const CertificateRequest *parsed)
{
    const CertificateSigningRequestSpec *spec = &OBJECT_AS(CertificateSigningRequest, object)->spec;

    if (!reconcile->controller->options->ca_key_pem)
        return;
    for (size_t i = 0; i < ARRAY_LEN(SIGNERS); i++) {
        const char *why;

        if (!str_equal(SIGNERS[i].name, spec->signer_name))
            continue;
        why = SIGNERS[i].check(&reconcile->arena, parsed, &spec->usages);
        if (why)
            write_failure(reconcile, object, why);
        else
            issue(reconcile, object);
    }
}

/* ---- deletion ---- */

static void earlier(int64_t *at, Time since, int64_t seconds)
{
    if (since.set && time_ns(since) + seconds * NS_PER_SEC < *at)
        *at = time_ns(since) + seconds * NS_PER_SEC;
}

/* When the request is to be deleted; INT64_MAX: not by itself. */
static int64_t deadline_of(const Request *request)
{
    const CertificateSigningRequestConditionArray *conditions = &request->status.conditions;
    bool issued = request->status.certificate.n > 0;
    int64_t at = INT64_MAX, end;

    if (!conditions->n)
        earlier(&at, request->metadata.creation_timestamp, PENDING_AFTER);
    for (size_t i = 0; i < conditions->n; i++) {
        const RequestCondition *condition = &conditions->v[i];

        if (str_equal(condition->type, "Denied") || str_equal(condition->type, "Failed"))
            earlier(&at, condition->last_update_time, DONE_AFTER);
        else if (str_equal(condition->type, "Approved"))
            earlier(&at, condition->last_update_time, issued ? DONE_AFTER : PENDING_AFTER);
    }
    if (issued && CONDITION_FIND(conditions, "Approved") &&
        certificate_end(request->status.certificate, &end))
        earlier(&at, (Time){.seconds = end, .set = true}, 0);
    return at;
}

/* ---- the controller ---- */

static void decide(Reconcile *reconcile, Object *object)
{
    const Request *request = OBJECT_AS(CertificateSigningRequest, object);
    const CertificateSigningRequestConditionArray *conditions = &request->status.conditions;
    CertificateRequest parsed;

    if (request->status.certificate.n || CONDITION_FIND(conditions, "Denied") ||
        CONDITION_IS_TRUE(conditions, "Failed") ||
        certificate_request_read(&reconcile->arena, request->spec.request, &parsed))
        return;
    if (CONDITION_FIND(conditions, "Approved"))
        sign(reconcile, object, &parsed);
    else
        approve(reconcile, object, &parsed);
}

static void reconcile_request(Reconcile *reconcile)
{
    Object *object = reconcile_object(reconcile, &kind_certificate_signing_request);
    int64_t now = reconcile_now_ns(reconcile), deadline;

    if (object) {
        deadline = deadline_of(OBJECT_AS(CertificateSigningRequest, object));
        if (deadline <= now)
            reconcile_delete(reconcile, object, NULL, NULL, NULL);
        else
            decide(reconcile, object);
        if (deadline > now && deadline != INT64_MAX)
            reconcile->again_after_ns = deadline - now;
    }
    reconcile_then(reconcile, reconcile_end);
}

static void start(Controller *controller)
{
    controller_watch(controller, &kind_certificate_signing_request, controller_enqueue_live);
}

const ControllerOps certificate_controller = {
    .name = "certificate",
    .component = "certificate-controller",
    .start = start,
    .reconcile = reconcile_request,
};
