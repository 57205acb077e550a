/* SPDX-License-Identifier: Apache-2.0 */
/* CertificateSigningRequests on the real server: who is approved, what is issued, and when requests go. */
#include <ftw.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "api/certificate/request.h"
#include "api/condition.h"
#include "api/schema/certificates_v1.h"
#include "control_rig.h"

#define CLIENT "kubernetes.io/kube-apiserver-client"
#define KUBELET CLIENT "-kubelet"
#define SERVING "kubernetes.io/kubelet-serving"

/* Requests as PEM, encoded once more: CN=jane, O=devs; CN=system:node:n1, O=system:nodes; the same with
 * DNS:n1 and IP:10.0.0.1. */
/* clang-format off */
#define JANE \
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIWk1JR0FBZ0VBTUI0eERUQUxCZ05WQkFNTUJHcG" \
    "hibVV4RFRBTEJnTlZCQW9NQkdSbGRuTXdXVEFUQmdjcQpoa2pPUFFJQkJnZ3Foa2pPUFFNQkJ3TkNBQVQ3eldXeUxm" \
    "UE5HT1MwSFBLeHdDL1lpc2E2dHMwOTZxSUpCTmZjCjRQeDBvaVdDNW80eVBKTjZhN1pyWlZ5Nk9KSi9iZEJveFhIeF" \
    "RNNVhpMTlCcUhFVG9BQXdDZ1lJS29aSXpqMEUKQXdJRFNBQXdSUUlnRFdyNVh4Zm1IR0xlZzBFQ21tVUtZOVFRMWZZ" \
    "UXBSS0tVdUZ2NUN1Ulltc0NJUUNtY2dzKwpnOFpQY3JiVUJqMHdDenJ1TTVEWk9JYTZvNE51SHlOZGhIL3JJdz09Ci" \
    "0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVFU1QtLS0tLQo="
#define NODE \
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIcU1JR1NBZ0VBTURBeEZ6QVZCZ05WQkFNTURuTj" \
    "VjM1JsYlRwdWIyUmxPbTR4TVJVd0V3WURWUVFLREF4egplWE4wWlcwNmJtOWtaWE13V1RBVEJnY3Foa2pPUFFJQkJn" \
    "Z3Foa2pPUFFNQkJ3TkNBQVQ3eldXeUxmUE5HT1MwCkhQS3h3Qy9ZaXNhNnRzMDk2cUlKQk5mYzRQeDBvaVdDNW80eV" \
    "BKTjZhN1pyWlZ5Nk9KSi9iZEJveFhIeFRNNVgKaTE5QnFIRVRvQUF3Q2dZSUtvWkl6ajBFQXdJRFJ3QXdSQUlnVXU1" \
    "T09OZTVmTDluSjF4RWF0MjcwdmZrUThxeQpmY09Fb0RRa2l0WDU5ZElDSUh1VnlRamZPUFpNdXBFYjR4dDZUQWpST1" \
    "NDWUJqWTRIQytyWGxwbWtVMTAKLS0tLS1FTkQgQ0VSVElGSUNBVEUgUkVRVUVTVC0tLS0tCg=="
#define NODE_SERVING \
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlJQkVUQ0J1QUlCQURBd01SY3dGUVlEVlFRRERBNX" \
    "plWE4wWlcwNmJtOWtaVHB1TVRFVk1CTUdBMVVFQ2d3TQpjM2x6ZEdWdE9tNXZaR1Z6TUZrd0V3WUhLb1pJemowQ0FR" \
    "WUlLb1pJemowREFRY0RRZ0FFKzgxbHNpM3p6UmprCnRCenlzY0F2MklyR3VyYk5QZXFpQ1FUWDNPRDhkS0lsZ3VhT0" \
    "1qeVRlbXUyYTJWY3VqaVNmMjNRYU1WeDhVek8KVjR0ZlFhaHhFNkFtTUNRR0NTcUdTSWIzRFFFSkRqRVhNQlV3RXdZ" \
    "RFZSMFJCQXd3Q29JQ2JqR0hCQW9BQUFFdwpDZ1lJS29aSXpqMEVBd0lEU0FBd1JRSWdLVVpBelVGSUUzcm5aY0VZUk" \
    "lOdmdYYU1QL0FzakpsT001cTd4MlNoClQxb0NJUUNrQm16TXFLalMzODZJZ3FtYjRGelIxYjNNeDJpZTJLdGpTa1Fo" \
    "czhSa2lnPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUgUkVRVUVTVC0tLS0tCg=="
/* clang-format on */

static Pki *pki;
static const char *allowed; /* the subresource that every creator may create */

static bool may_request(void *data _unused_, const CertificateSigningRequestSpec *requester,
                        const char *subresource)
{
    assert_string_equal(requester->username, "test");
    return str_equal(subresource, allowed);
}

static int remove_one(const char *path, const struct stat *st _unused_, int type _unused_,
                      struct FTW *ftw _unused_)
{
    return remove(path);
}

static int setup_authority(void **state)
{
    char folder[] = "/tmp/stead-certificate-XXXXXX";
    Err err = ERR_INIT;
    _free_ char *dir = NULL;
    Rig *rig;

    if (setup(state) || !mkdtemp(folder))
        return -1;
    rig = *state;
    dir = mem_printf("%s/pki", folder);
    if (pki_open(dir, NULL, 0, rig->clock, &pki, &err) < 0)
        return -1;
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    control_stop(rig->control);
    rig->control = control_start(&(ControlOptions){.client = server_client(rig->server, "control"),
                                                   .clock = rig->clock,
                                                   .random = &rig->random,
                                                   .node_name = "n",
                                                   .root_ca_pem = pki->ca_pem,
                                                   .ca_key_pem = pki->ca_key_pem,
                                                   .may_request = may_request,
                                                   .api_address = "10.42.0.1",
                                                   .api_port = 6443});
    allowed = NULL;
    settle(rig);
    return 0;
}

static int teardown_authority(void **state)
{
    pki = pki_free(pki);
    return teardown(state);
}

#define REQUEST(request, signer, usages, more)                                       \
    "{'metadata':{'name':'a'},'spec':{'request':'" request "','signerName':'" signer \
    "','usages':[" usages "]" more "}}"

static const CertificateSigningRequestStatus *status_of(Rig *rig)
{
    Object *object = get(rig, &kind_certificate_signing_request, NULL, "a");

    return object ? &OBJECT_AS(CertificateSigningRequest, object)->status : NULL;
}

static void decide(Rig *rig, const char *condition)
{
    const char *patch = arena_printf(
        &rig->arena, "{\"status\":{\"conditions\":[{\"type\":\"%s\",\"status\":\"True\"}]}}",
        condition);

    client_patch(rig->client, &kind_certificate_signing_request, NULL, "a", PATCH_MERGE,
                 bytes_from_string(patch), &(WriteOptions){.subresource = "approval"}, on_written,
                 rig);
    settle(rig);
    assert_int_equal(rig->last, STATUS_OK);
}

static X509 *certificate_of(Rig *rig)
{
    Bytes pem = status_of(rig)->certificate;
    BIO *bio;
    X509 *certificate;

    assert_true(pem.n > 0);
    bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(certificate);
    return certificate;
}

static int64_t seconds_of(const ASN1_TIME *time)
{
    struct tm tm;

    assert_int_equal(ASN1_TIME_to_tm(time, &tm), 1);
    return timegm(&tm);
}

/* The text of an extension, "" if there is none. */
static const char *extension(Rig *rig, X509 *certificate, int nid)
{
    int at = X509_get_ext_by_NID(certificate, nid, -1);
    BIO *bio;
    char *p;
    const char *text;
    long n;

    if (at < 0)
        return "";
    bio = BIO_new(BIO_s_mem());
    assert_int_equal(X509V3_EXT_print(bio, X509_get_ext(certificate, at), 0, 0), 1);
    n = BIO_get_mem_data(bio, &p);
    text = arena_strndup(&rig->arena, p, (size_t)n);
    BIO_free(bio);
    return text;
}

static bool signed_by_authority(X509 *certificate)
{
    BIO *bio = BIO_new_mem_buf(pki->ca_pem, -1);
    X509 *ca = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    bool good = X509_verify(certificate, X509_get0_pubkey(ca)) == 1;

    X509_free(ca);
    BIO_free(bio);
    return good;
}

static void an_approved_request_gets_a_certificate_of_its_subject_and_usages(void **state)
{
    Rig *rig = *state;
    char *subject;
    X509 *certificate;
    int64_t now;

    create(rig, &kind_certificate_signing_request,
           REQUEST(JANE, CLIENT, "'digital signature','client auth'", ""));
    assert_int_equal(status_of(rig)->certificate.n, 0);
    now = clock_wall_ns(rig->clock) / NS_PER_SEC;
    decide(rig, "Approved");
    certificate = certificate_of(rig);
    assert_true(signed_by_authority(certificate));
    subject = X509_NAME_oneline(X509_get_subject_name(certificate), NULL, 0);
    assert_string_equal(subject, "/O=devs/CN=jane");
    OPENSSL_free(subject);
    assert_string_equal(extension(rig, certificate, NID_key_usage), "Digital Signature");
    assert_string_equal(extension(rig, certificate, NID_ext_key_usage),
                        "TLS Web Client Authentication");
    assert_string_equal(extension(rig, certificate, NID_basic_constraints), "CA:FALSE");
    assert_in_range(seconds_of(X509_get0_notBefore(certificate)), now - 300, now - 295);
    assert_in_range(seconds_of(X509_get0_notAfter(certificate)), now + 365 * 86400 - 300,
                    now + 365 * 86400 - 295);
    X509_free(certificate);
}

static void the_duration_that_is_asked_for_is_kept_within_bounds(void **state)
{
    Rig *rig = *state;
    X509 *certificate;
    int64_t now;

    create(rig, &kind_certificate_signing_request,
           REQUEST(JANE, CLIENT, "'client auth'", ",'expirationSeconds':3600"));
    now = clock_wall_ns(rig->clock) / NS_PER_SEC;
    decide(rig, "Approved");
    certificate = certificate_of(rig);
    assert_in_range(seconds_of(X509_get0_notAfter(certificate)), now + 3600, now + 3605);
    X509_free(certificate);
    delete (rig, &kind_certificate_signing_request, NULL, "a", NULL);
    create(rig, &kind_certificate_signing_request,
           REQUEST(JANE, CLIENT, "'client auth'", ",'expirationSeconds':2147483647"));
    now = clock_wall_ns(rig->clock) / NS_PER_SEC;
    decide(rig, "Approved");
    certificate = certificate_of(rig);
    assert_in_range(seconds_of(X509_get0_notAfter(certificate)), now + 365 * 86400 - 300,
                    now + 365 * 86400 - 295);
    X509_free(certificate);
}

static void names_and_addresses_of_a_serving_request_are_in_the_certificate(void **state)
{
    Rig *rig = *state;
    X509 *certificate;

    create(rig, &kind_certificate_signing_request,
           REQUEST(NODE_SERVING, SERVING, "'digital signature','server auth'", ""));
    decide(rig, "Approved");
    certificate = certificate_of(rig);
    assert_string_equal(extension(rig, certificate, NID_subject_alt_name),
                        "DNS:n1, IP Address:10.0.0.1");
    X509_free(certificate);
}

static void a_signer_refuses_what_its_rules_forbid(void **state)
{
    static const struct {
        const char *request, *why;
    } rows[] = {
        {REQUEST(JANE, CLIENT, "'client auth','server auth'", ""),
         "invalid usage for client certificate: server auth"},
        {REQUEST(JANE, CLIENT, "'digital signature'", ""),
         "missing required usage for client certificate: client auth"},
        {REQUEST(JANE, KUBELET, "'digital signature','client auth'", ""),
         "subject organization is not system:nodes"},
        {REQUEST(NODE_SERVING, KUBELET, "'digital signature','client auth'", ""),
         "DNS subjectAltNames are not allowed"},
        {REQUEST(NODE, KUBELET, "'client auth'", ""),
         "usages did not match [client auth digital signature key encipherment]"},
        {REQUEST(NODE, SERVING, "'digital signature','server auth'", ""),
         "DNS or IP subjectAltName is required"},
        {REQUEST(NODE_SERVING, SERVING, "'digital signature','any'", ""),
         "usages did not match [digital signature key encipherment server auth]"},
    };
    Rig *rig = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const CertificateSigningRequestCondition *failed;

        create(rig, &kind_certificate_signing_request, rows[i].request);
        decide(rig, "Approved");
        failed = CONDITION_FIND(&status_of(rig)->conditions, "Failed");
        assert_non_null(failed);
        assert_string_equal(failed->message, rows[i].why);
        assert_string_equal(failed->reason, "SignerValidationFailure");
        assert_int_equal(status_of(rig)->certificate.n, 0);
        delete (rig, &kind_certificate_signing_request, NULL, "a", NULL);
    }
}

static void denied_requests_and_those_to_other_signers_get_nothing(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_certificate_signing_request, REQUEST(JANE, CLIENT, "'client auth'", ""));
    decide(rig, "Denied");
    assert_int_equal(status_of(rig)->certificate.n, 0);
    delete (rig, &kind_certificate_signing_request, NULL, "a", NULL);
    create(rig, &kind_certificate_signing_request,
           REQUEST(JANE, "example.com/mine", "'client auth'", ""));
    decide(rig, "Approved");
    assert_int_equal(status_of(rig)->certificate.n, 0);
    assert_null(CONDITION_FIND(&status_of(rig)->conditions, "Failed"));
}

static void a_kubelet_is_approved_if_its_creator_may_ask_for_it(void **state)
{
    static const char request[] = REQUEST(NODE, KUBELET, "'digital signature','client auth'", "");
    Rig *rig = *state;

    create(rig, &kind_certificate_signing_request, request);
    assert_int_equal(status_of(rig)->conditions.n, 0);
    delete (rig, &kind_certificate_signing_request, NULL, "a", NULL);
    allowed = "selfnodeclient"; /* its creator is not the node itself */
    create(rig, &kind_certificate_signing_request, request);
    assert_int_equal(status_of(rig)->conditions.n, 0);
    delete (rig, &kind_certificate_signing_request, NULL, "a", NULL);
    allowed = "nodeclient";
    create(rig, &kind_certificate_signing_request, request);
    assert_int_equal(status_of(rig)->conditions.n, 1);
    assert_string_equal(status_of(rig)->conditions.v[0].reason, "AutoApproved");
    assert_true(status_of(rig)->certificate.n > 0);
}

static void a_client_is_never_approved_by_itself(void **state)
{
    Rig *rig = *state;

    allowed = "nodeclient";
    create(rig, &kind_certificate_signing_request,
           REQUEST(NODE, CLIENT, "'digital signature','client auth'", ""));
    assert_int_equal(status_of(rig)->conditions.n, 0);
}

static void requests_go_an_hour_after_the_answer_and_a_day_after_none(void **state)
{
    static const struct {
        const char *decision;
        int64_t seconds;
    } rows[] = {{"Approved", 3600}, {"Denied", 3600}, {NULL, 86400}};
    Rig *rig = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        create(rig, &kind_certificate_signing_request, REQUEST(JANE, CLIENT, "'client auth'", ""));
        if (rows[i].decision)
            decide(rig, rows[i].decision);
        clock_fake_advance(rig->clock, (rows[i].seconds - 10) * NS_PER_SEC);
        settle(rig);
        assert_non_null(status_of(rig));
        clock_fake_advance(rig->clock, 10 * NS_PER_SEC);
        settle(rig);
        assert_null(status_of(rig));
    }
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, setup_authority, teardown_authority)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(an_approved_request_gets_a_certificate_of_its_subject_and_usages),
        RIG_TEST(the_duration_that_is_asked_for_is_kept_within_bounds),
        RIG_TEST(names_and_addresses_of_a_serving_request_are_in_the_certificate),
        RIG_TEST(a_signer_refuses_what_its_rules_forbid),
        RIG_TEST(denied_requests_and_those_to_other_signers_get_nothing),
        RIG_TEST(a_kubelet_is_approved_if_its_creator_may_ask_for_it),
        RIG_TEST(a_client_is_never_approved_by_itself),
        RIG_TEST(requests_go_an_hour_after_the_answer_and_a_day_after_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
