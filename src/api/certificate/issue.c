/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Issues certificates for requests of clients. Nothing of a request is taken over but its public key,
 * the known attributes of its subject and the names, addresses and URIs of its subjectAltName: a client
 * must not be able to ask for an extension that makes its certificate an authority.
 */
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "api/certificate/internal.h"
#include "base/random.h"

enum { SERIAL_BYTES = 16 };

static void pkeyp(EVP_PKEY **p)
{
    EVP_PKEY_free(*p);
}

/* ---- usages ---- */

/* OpenSSL's words for usages; those of the extended key usage have their own extension. */
static const struct {
    const char *usage, *word;
    bool extended;
} USAGES[] = {
    {"signing", "digitalSignature", false},
    {"digital signature", "digitalSignature", false},
    {"content commitment", "nonRepudiation", false},
    {"key encipherment", "keyEncipherment", false},
    {"key agreement", "keyAgreement", false},
    {"data encipherment", "dataEncipherment", false},
    {"cert sign", "keyCertSign", false},
    {"crl sign", "cRLSign", false},
    {"encipher only", "encipherOnly", false},
    {"decipher only", "decipherOnly", false},
    {"any", "anyExtendedKeyUsage", true},
    {"server auth", "serverAuth", true},
    {"client auth", "clientAuth", true},
    {"code signing", "codeSigning", true},
    {"email protection", "emailProtection", true},
    {"s/mime", "emailProtection", true},
    {"ipsec end system", "1.3.6.1.5.5.7.3.5", true},
    {"ipsec tunnel", "1.3.6.1.5.5.7.3.6", true},
    {"ipsec user", "1.3.6.1.5.5.7.3.7", true},
    {"timestamping", "timeStamping", true},
    {"ocsp signing", "OCSPSigning", true},
    {"microsoft sgc", "msSGC", true},
    {"netscape sgc", "nsSGC", true},
};

/* The usages of one of the two extensions, comma-separated; "" if there are none. */
static const char *usage_words(Arena *arena, const StringArray *usages, bool extended)
{
    const char *words = "";
    bool used[ARRAY_LEN(USAGES)] = {0};

    for (size_t i = 0; i < usages->n; i++)
        for (size_t k = 0; k < ARRAY_LEN(USAGES); k++)
            used[k] |= str_equal(USAGES[k].usage, usages->v[i]);
    for (size_t k = 0; k < ARRAY_LEN(USAGES); k++) {
        bool again = k > 0 && used[k - 1] && str_equal(USAGES[k].word, USAGES[k - 1].word);

        if (used[k] && !again && USAGES[k].extended == extended)
            words = arena_printf(arena, "%s%s%s", words, *words ? "," : "", USAGES[k].word);
    }
    return words;
}

/* ---- subject ---- */

/* The attributes that Go knows, in the order in which it writes them. */
static const int ATTRIBUTES[] = {
    NID_countryName,  NID_organizationName,    NID_organizationalUnitName,
    NID_localityName, NID_stateOrProvinceName, NID_streetAddress,
    NID_postalCode,   NID_commonName,          NID_serialNumber};

/* A subject has only one common name and one serial number, the last ones; of each other attribute all
 * values are one part of the name. */
static bool add_attribute(X509_NAME *to, const X509_NAME *from, int nid)
{
    bool single = nid == NID_commonName || nid == NID_serialNumber;
    int n = X509_NAME_entry_count(from), last = -1, added = 0;

    for (int i = 0; i < n; i++)
        if (OBJ_obj2nid(X509_NAME_ENTRY_get_object(X509_NAME_get_entry(from, i))) == nid)
            last = i;
    for (int i = single ? last : 0; i >= 0 && i <= last; i++) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(from, i);

        if (OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry)) != nid)
            continue;
        if (!X509_NAME_add_entry(to, entry, -1, added++ ? -1 : 0))
            return false;
    }
    return true;
}

static bool add_subject(X509 *certificate, X509_REQ *request)
{
    for (size_t i = 0; i < ARRAY_LEN(ATTRIBUTES); i++)
        if (!add_attribute(X509_get_subject_name(certificate), X509_REQ_get_subject_name(request),
                           ATTRIBUTES[i]))
            return false;
    return true;
}

/* ---- extensions ---- */

static bool add_extension(X509 *certificate, X509 *ca, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;
    bool ok;

    X509V3_set_ctx(&context, ca, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    ok = extension && X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return ok;
}

static bool add_alternative_names(X509 *certificate, X509_REQ *request)
{
    static const int kinds[] = {GEN_DNS, GEN_EMAIL, GEN_IPADD, GEN_URI};
    _cleanup_(namesp)
    GENERAL_NAMES *asked = certificate_alternative_names(request);
    _cleanup_(namesp)
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    bool nameless = X509_NAME_entry_count(X509_get_subject_name(certificate)) == 0;

    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        for (int i = 0; names && i < sk_GENERAL_NAME_num(asked); i++) {
            GENERAL_NAME *name = sk_GENERAL_NAME_value(asked, i);

            if (name->type != kinds[k])
                continue;
            name = GENERAL_NAME_dup(name);
            if (!name || !sk_GENERAL_NAME_push(names, name)) {
                GENERAL_NAME_free(name);
                return false;
            }
        }
    }
    return names && (sk_GENERAL_NAME_num(names) == 0 ||
                     X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, nameless, 0) == 1);
}

static bool add_extensions(Arena *arena, X509 *certificate, X509 *ca, X509_REQ *request,
                           const StringArray *usages)
{
    const char *key = usage_words(arena, usages, false),
               *extended = usage_words(arena, usages, true);

    return (!*key || add_extension(certificate, ca, NID_key_usage,
                                   arena_printf(arena, "critical,%s", key))) &&
           (!*extended || add_extension(certificate, ca, NID_ext_key_usage, extended)) &&
           add_extension(certificate, ca, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(certificate, ca, NID_authority_key_identifier, "keyid") &&
           add_alternative_names(certificate, request);
}

/* ---- the certificate ---- */

static bool set_serial(X509 *certificate)
{
    uint8_t serial[SERIAL_BYTES];
    BIGNUM *number;
    bool ok;

    random_secret(serial, sizeof(serial));
    serial[0] &= 0x7f;
    number = BN_bin2bn(serial, sizeof(serial), NULL);
    ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    return ok;
}

static const char *print_certificate(Arena *arena, X509 *certificate)
{
    _cleanup_(biop)
    BIO *bio = BIO_new(BIO_s_mem());
    char *p;
    long n;

    if (!bio || !PEM_write_bio_X509(bio, certificate))
        return NULL;
    n = BIO_get_mem_data(bio, &p);
    return arena_strndup(arena, p, (size_t)n);
}

static const char *sign(Arena *arena, const CertificateIssue *issue, int64_t ca_end, X509 *ca,
                        EVP_PKEY *ca_key, X509_REQ *request)
{
    _cleanup_(x509p)
    X509 *certificate = X509_new();
    const char *pem = NULL;

    if (certificate && set_serial(certificate) && X509_set_version(certificate, X509_VERSION_3) &&
        ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)issue->not_before) &&
        ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)MIN_OF(issue->not_after, ca_end)) &&
        X509_set_pubkey(certificate, X509_REQ_get0_pubkey(request)) &&
        add_subject(certificate, request) &&
        X509_set_issuer_name(certificate, X509_get_subject_name(ca)) &&
        add_extensions(arena, certificate, ca, request, issue->usages) &&
        X509_sign(certificate, ca_key, EVP_sha256()))
        pem = print_certificate(arena, certificate);
    return pem;
}

const char *certificate_issue(Arena *arena, const CertificateIssue *issue, const char **ret_why)
{
    _cleanup_(biop)
    BIO *ca_bio = BIO_new_mem_buf(issue->ca_pem, -1);
    _cleanup_(biop)
    BIO *key_bio = BIO_new_mem_buf(issue->ca_key_pem, -1);
    _cleanup_(x509p)
    X509 *ca = ca_bio ? PEM_read_bio_X509(ca_bio, NULL, NULL, NULL) : NULL;
    _cleanup_(pkeyp)
    EVP_PKEY *ca_key = key_bio ? PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL) : NULL;
    _cleanup_(x509_reqp)
    X509_REQ *request = NULL;
    const char *pem = NULL;
    int64_t ca_end;

    *ret_why = certificate_parse_request(issue->request, &request);
    if (*ret_why)
        return NULL;
    *ret_why = "the certificate authority is unreadable";
    if (!ca || !ca_key || !asn1_seconds(X509_get0_notAfter(ca), &ca_end))
        return NULL;
    *ret_why = "the signer has expired";
    if (issue->now >= ca_end || issue->not_before >= ca_end)
        return NULL;
    *ret_why = "the certificate could not be made";
    pem = sign(arena, issue, ca_end, ca, ca_key, request);
    ERR_clear_error();
    return pem;
}
