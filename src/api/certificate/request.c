/* SPDX-License-Identifier: Apache-2.0 */
#include "api/certificate/request.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "api/certificate/internal.h"

#define REQUEST_BLOCK "CERTIFICATE REQUEST"
#define CERTIFICATE_BLOCK "CERTIFICATE"
#define NODES "system:nodes"
#define NODE_PREFIX "system:node:"
#define MALFORMED "asn1: structure error: malformed certificate request"

/* ---- PEM ---- */

typedef struct PemBlock {
    char *type, *header;
    unsigned char *data;
    long n;
} PemBlock;

static void pem_block_free(PemBlock *block)
{
    OPENSSL_free(block->type);
    OPENSSL_free(block->header);
    OPENSSL_free(block->data);
    *block = (PemBlock){0};
}

/* Reads the next block; text between blocks is skipped. */
static bool pem_next(BIO *bio, PemBlock *block)
{
    *block = (PemBlock){0};
    if (PEM_read_bio(bio, &block->type, &block->header, &block->data, &block->n))
        return true;
    ERR_clear_error();
    return false;
}

static BIO *pem_open(Bytes pem)
{
    return pem.n && pem.n <= INT_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
}

/* ---- requests ---- */

const char *certificate_parse_request(Bytes pem, X509_REQ **ret)
{
    _cleanup_(biop)
    BIO *bio = pem_open(pem);
    _cleanup_(pem_block_free)
    PemBlock block = {0};
    const unsigned char *at;

    *ret = NULL;
    if (!bio || !pem_next(bio, &block) || strcmp(block.type, REQUEST_BLOCK) != 0)
        return "PEM block type must be CERTIFICATE REQUEST";
    at = block.data;
    *ret = d2i_X509_REQ(NULL, &at, block.n);
    ERR_clear_error();
    if (!*ret)
        return MALFORMED;
    return at == block.data + block.n ? NULL : "asn1: syntax error: trailing data";
}

GENERAL_NAMES *certificate_alternative_names(X509_REQ *request)
{
    STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(request);
    GENERAL_NAMES *names = X509V3_get_d2i(extensions, NID_subject_alt_name, NULL, NULL);

    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    ERR_clear_error();
    return names;
}

/* The algorithms that Go verifies; a signature with MD5 proves nothing. */
static const char *check_key(X509_REQ *request, EVP_PKEY *key)
{
    static const int curves[] = {NID_secp224r1, NID_X9_62_prime256v1, NID_secp384r1, NID_secp521r1};
    char group[32];
    size_t n;
    int digest = NID_undef;

    OBJ_find_sigid_algs(X509_REQ_get_signature_nid(request), &digest, NULL);
    if (digest == NID_md5 || digest == NID_md2 || digest == NID_md4)
        return "x509: cannot verify signature: insecure algorithm MD5-RSA";
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_ED25519:
        return NULL;
    case EVP_PKEY_EC:
        if (EVP_PKEY_get_group_name(key, group, sizeof(group), &n))
            for (size_t i = 0; i < ARRAY_LEN(curves); i++)
                if (OBJ_txt2nid(group) == curves[i])
                    return NULL;
        return "x509: unsupported elliptic curve";
    default:
        return "x509: cannot verify signature: algorithm unimplemented";
    }
}

static const char *check_signature(X509_REQ *request)
{
    EVP_PKEY *key = X509_REQ_get0_pubkey(request);
    const char *wrong;

    if (!key) {
        ERR_clear_error();
        return MALFORMED;
    }
    wrong = check_key(request, key);
    if (wrong)
        return wrong;
    if (X509_REQ_verify(request, key) == 1)
        return NULL;
    ERR_clear_error();
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
        return "crypto/rsa: verification error";
    case EVP_PKEY_ED25519:
        return "x509: Ed25519 verification failure";
    default:
        return "x509: ECDSA verification failure";
    }
}

/* An entry of the subject as UTF-8 in the arena; NULL if it is unreadable or contains a NUL. */
static const char *entry_text(Arena *arena, const X509_NAME_ENTRY *entry)
{
    unsigned char *text = NULL;
    int n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry));
    const char *copy = NULL;

    if (n >= 0 && !memchr(text, 0, (size_t)n))
        copy = arena_strndup(arena, (const char *)text, (size_t)n);
    OPENSSL_free(text);
    ERR_clear_error();
    return copy;
}

static const char *read_subject(Arena *arena, X509_REQ *request, CertificateRequest *ret)
{
    const X509_NAME *subject = X509_REQ_get_subject_name(request);
    int n = X509_NAME_entry_count(subject);

    ret->common_name = "";
    ret->organizations.v = arena_new_n(arena, const char *, (size_t)n + 1);
    for (int i = 0; i < n; i++) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, i);
        int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
        const char *text = entry_text(arena, entry);

        if (!text)
            return MALFORMED;
        if (nid == NID_commonName)
            ret->common_name = text;
        else if (nid == NID_organizationName)
            ret->organizations.v[ret->organizations.n++] = text;
    }
    return NULL;
}

static bool text_is_good(const ASN1_STRING *text)
{
    const unsigned char *p = ASN1_STRING_get0_data(text);

    for (int i = 0; i < ASN1_STRING_length(text); i++)
        if (p[i] == 0 || p[i] >= 0x80)
            return false;
    return true;
}

static const char *read_alternative_names(X509_REQ *request, CertificateRequest *ret)
{
    _cleanup_(namesp)
    GENERAL_NAMES *names = certificate_alternative_names(request);

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        int n;

        switch (name->type) {
        case GEN_DNS:
            ret->n_dns++;
            break;
        case GEN_EMAIL:
            ret->n_emails++;
            break;
        case GEN_URI:
            ret->n_uris++;
            break;
        case GEN_IPADD:
            n = ASN1_STRING_length(name->d.iPAddress);
            if (n != 4 && n != 16)
                return "x509: cannot parse IP address of length other than 4 or 16";
            ret->n_ips++;
            continue;
        default:
            continue;
        }
        if (!text_is_good(name->d.ia5))
            return "x509: SAN is malformed";
    }
    return NULL;
}

const char *certificate_request_read(Arena *arena, Bytes pem, CertificateRequest *ret)
{
    _cleanup_(x509_reqp)
    X509_REQ *request = NULL;
    const char *wrong = certificate_parse_request(pem, &request);

    *ret = (CertificateRequest){.common_name = ""};
    if (!wrong)
        wrong = read_subject(arena, request, ret);
    if (!wrong)
        wrong = read_alternative_names(request, ret);
    if (!wrong)
        wrong = check_signature(request);
    return wrong;
}

/* ---- kubelets ---- */

static bool has(const StringArray *list, const char *text)
{
    for (size_t i = 0; i < list->n; i++)
        if (str_equal(list->v[i], text))
            return true;
    return false;
}

/* "digital signature", the usage of the role, and optionally "key encipherment", which only RSA keys
 * can have; nothing else. */
static const char *check_usages(Arena *arena, const StringArray *usages, const char *role)
{
    bool fits = has(usages, "digital signature") && has(usages, role);

    for (size_t i = 0; i < usages->n; i++)
        fits =
            fits && (str_equal(usages->v[i], "digital signature") ||
                     str_equal(usages->v[i], role) || str_equal(usages->v[i], "key encipherment"));
    if (fits)
        return NULL;
    /* Kubernetes lists them in the order of the alphabet. */
    return str_equal(role, "client auth")
               ? "usages did not match [client auth digital signature key encipherment]"
               : arena_printf(arena, "usages did not match [digital signature key encipherment %s]",
                              role);
}

static bool is_of_nodes(const CertificateRequest *request)
{
    return request->organizations.n == 1 && str_equal(request->organizations.v[0], NODES);
}

static bool is_of_node(const CertificateRequest *request)
{
    return strncmp(request->common_name, NODE_PREFIX, strlen(NODE_PREFIX)) == 0;
}

const char *certificate_check_kubelet_client(Arena *arena, const CertificateRequest *request,
                                             const StringArray *usages)
{
    if (!is_of_nodes(request))
        return "subject organization is not system:nodes";
    if (request->n_dns)
        return "DNS subjectAltNames are not allowed";
    if (request->n_emails)
        return "Email subjectAltNames are not allowed";
    if (request->n_ips)
        return "IP subjectAltNames are not allowed";
    if (request->n_uris)
        return "URI subjectAltNames are not allowed";
    if (!is_of_node(request))
        return "subject common name does not begin with system:node:";
    return check_usages(arena, usages, "client auth");
}

const char *certificate_check_kubelet_serving(Arena *arena, const CertificateRequest *request,
                                              const StringArray *usages)
{
    const char *wrong;

    if (!is_of_nodes(request))
        return "subject organization is not system:nodes";
    if (!request->n_dns && !request->n_ips)
        return "DNS or IP subjectAltName is required";
    if (request->n_emails)
        return "Email subjectAltNames are not allowed";
    if (request->n_uris)
        return "URI subjectAltNames are not allowed";
    wrong = check_usages(arena, usages, "server auth");
    if (wrong)
        return wrong;
    return is_of_node(request) ? NULL : "subject common name does not begin with system:node:";
}

/* ---- certificates ---- */

static X509 *block_certificate(const PemBlock *block)
{
    const unsigned char *at = block->data;
    X509 *certificate = d2i_X509(NULL, &at, block->n);

    ERR_clear_error();
    return certificate;
}

static const char *check_block(Arena *arena, const PemBlock *block)
{
    _cleanup_(x509p)
    X509 *certificate = NULL;

    if (strcmp(block->type, CERTIFICATE_BLOCK) != 0)
        return arena_printf(arena, "only CERTIFICATE PEM blocks are allowed, found \"%s\"",
                            block->type);
    if (*block->header)
        return "no PEM block headers are permitted";
    if (!block->n)
        return "found CERTIFICATE PEM block containing 0 certificates";
    certificate = block_certificate(block);
    return certificate ? NULL : "x509: malformed certificate";
}

const char *certificate_check_pem(Arena *arena, Bytes pem)
{
    _cleanup_(biop)
    BIO *bio = pem_open(pem);
    PemBlock block;
    size_t n = 0;

    while (bio && pem_next(bio, &block)) {
        const char *wrong = check_block(arena, &block);

        pem_block_free(&block);
        if (wrong)
            return wrong;
        n++;
    }
    return n ? NULL : "must contain at least one CERTIFICATE PEM block";
}

bool certificate_end(Bytes pem, int64_t *ret)
{
    _cleanup_(biop)
    BIO *bio = pem_open(pem);
    _cleanup_(pem_block_free)
    PemBlock block = {0};
    _cleanup_(x509p)
    X509 *certificate = bio && pem_next(bio, &block) ? block_certificate(&block) : NULL;

    return certificate && asn1_seconds(X509_get0_notAfter(certificate), ret);
}
