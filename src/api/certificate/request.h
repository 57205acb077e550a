/* SPDX-License-Identifier: Apache-2.0 */
/*
 * X.509 certificate requests (PKCS#10) and certificates in PEM, as CertificateSigningRequests carry
 * them. Both come from clients, so only the key types and signatures that Kubernetes accepts are
 * accepted here, and no name may contain a NUL, which would end it early.
 */
#ifndef API_CERTIFICATE_REQUEST_H
#define API_CERTIFICATE_REQUEST_H

#include "base/arena.h"
#include "codec/type.h"

/* The parts of a request that decide who may sign it. */
typedef struct CertificateRequest {
    const char *common_name;               /* "" if there is none */
    StringArray organizations;             /* in the order of the subject */
    size_t n_dns, n_ips, n_emails, n_uris; /* of the subjectAltName */
} CertificateRequest;

/* Reads a request and verifies its signature. Returns NULL, or what is wrong with it in the words of
 * Kubernetes. */
const char *certificate_request_read(Arena *arena, Bytes pem, CertificateRequest *ret);

/* What certificates of kubelets have to be like. Each returns NULL if the request fits, else why it does
 * not. `usages` is compared as a set. */
const char *certificate_check_kubelet_client(Arena *arena, const CertificateRequest *request,
                                             const StringArray *usages);
const char *certificate_check_kubelet_serving(Arena *arena, const CertificateRequest *request,
                                              const StringArray *usages);

/* Checks that a text consists of certificates. Returns NULL, or what is wrong with it. */
const char *certificate_check_pem(Arena *arena, Bytes pem);

/* The end of the first certificate's validity in seconds; false: the text has no certificate. */
bool certificate_end(Bytes pem, int64_t *ret);

/*
 * Issues a certificate for a request that has been read successfully. It has the subject and the
 * alternative names of the request, the given usages, and ends at the end of the authority at the
 * latest. Returns the certificate as PEM, or NULL with a reason.
 */
typedef struct CertificateIssue {
    const char *ca_pem, *ca_key_pem;
    Bytes request;
    const StringArray *usages;
    int64_t now, not_before, not_after; /* seconds */
} CertificateIssue;

const char *certificate_issue(Arena *arena, const CertificateIssue *issue, const char **ret_why);

#endif
