/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CertificateSigningRequests: the server notes who has created them, and only who holds the verbs approve
 * or sign on a signer may decide about a request to it or answer it. The signers are no objects, only names
 * in rules: signers "kubernetes.io/kubelet-serving", or "kubernetes.io" with a star behind the slash for all of a domain.
 */
#include "api/certificate/request.h"

#include "api/object.h"
#include "api/schema/certificates_v1.h"
#include "server/admission/admission.h"
#include "server/auth/auth.h"

#define CLIENT_SIGNER "kubernetes.io/kube-apiserver-client"
#define MASTERS "system:masters"

int certificate_admit(Write *write)
{
    CertificateSigningRequestSpec *spec =
        &OBJECT_AS(CertificateSigningRequest, write->object)->spec;
    const CertificateSigningRequestSpec who = {.username = write->user->name,
                                               .uid = write->user->uid,
                                               .groups = write->user->groups,
                                               .extra = write->user->extra};
    static const char *const names[] = {"username", "uid", "groups", "extra"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        type_member_copy(&type_CertificateSigningRequestSpec, names[i], &write->object->arena, spec,
                         &who);
    return 0;
}

static bool may(Write *write, const char *verb, const char *signer)
{
    Attributes attributes = {
        .verb = verb, .group = "certificates.k8s.io", .resource = "signers", .name = signer};
    Arena *arena = &write->arena;

    if (authorize(write->server, write->user, &attributes, arena, NULL))
        return true;
    attributes.name = arena_printf(arena, "%.*s/*", (int)strcspn(signer, "/"), signer);
    return authorize(write->server, write->user, &attributes, arena, NULL);
}

static int check_signer(Write *write, const char *verb)
{
    const char *signer = OBJECT_AS(CertificateSigningRequest, write->before)->spec.signer_name;
    Arena *arena = &write->arena;

    if (may(write, verb, signer))
        return 0;
    return status_forbidden(&write->status, arena, write->kind, write->name,
                            arena_printf(arena,
                                         "user not permitted to %s requests with signerName \"%s\"",
                                         verb, signer));
}

/* Nobody gets a certificate that may do everything by the approval of someone who may approve. */
static int check_subject(Write *write)
{
    const CertificateSigningRequestSpec *spec =
        &OBJECT_AS(CertificateSigningRequest, write->object)->spec;
    CertificateRequest request;

    if (!str_equal(spec->signer_name, CLIENT_SIGNER) ||
        certificate_request_read(&write->arena, spec->request, &request))
        return 0;
    for (size_t i = 0; i < request.organizations.n; i++)
        if (str_equal(request.organizations.v[i], MASTERS))
            return status_forbidden(&write->status, &write->arena, write->kind, write->name,
                                    "use of " CLIENT_SIGNER " signer with " MASTERS
                                    " group is not allowed");
    return 0;
}

int certificate_check(Write *write)
{
    const Field *status = write->kind->status;

    if (!write->before)
        return check_subject(write);
    if (str_equal(write->subresource, "approval"))
        return check_signer(write, "approve");
    if (str_equal(write->subresource, "status") &&
        !type_field_equal(status, field_at(write->object->value, status),
                          field_at(write->before->value, status)))
        return check_signer(write, "sign");
    return 0;
}
