/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's own certificate authority. Its keys are ECDSA P-256, and its PEM files are in one folder,
 * which the first start of the server creates:
 *
 *   ca.crt ca.key          signs the other certificates; valid for ten years
 *   server.crt server.key  the certificate that clients see; valid for one year, and renewed when the
 *                          names that it has to contain change or a quarter of its lifetime is left
 *   admin.crt admin.key    CN kubernetes-admin, O system:masters; valid for ten years, so that copies
 *                          of a kubeconfig remain usable
 *   front-proxy-ca.crt front-proxy-ca.key
 *                          signs the next one; an authority of its own, since extension servers believe
 *                          its clients about who the user is; valid for ten years
 *   front-proxy-client.crt front-proxy-client.key
 *                          CN front-proxy-client; valid for ten years
 *   token.key sa.pub       signs ServiceAccount tokens; the public part is for whoever verifies them
 *
 * Certificates of single users (pki_issue_client) are returned to the caller and not kept here.
 *
 * The folder is created under another name, synced once, and renamed when it is complete. A file that
 * is missing later is written atomically, and a key before its certificate, so that a certificate that
 * exists always has its key.
 */
#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "base/files/file.h"
#include "base/strbuf.h"
#include "base/strmap.h"
#include "server/server.h"

#define DAY INT64_C(86400)
#define YEARS_10 (3650 * DAY)
#define YEAR (365 * DAY)
#define RENEW_BEFORE(lifetime) ((lifetime) / 4)
#define FILE_MAX ((size_t)64 * 1024)

static void pkeyp(EVP_PKEY **p)
{
    EVP_PKEY_free(*p);
}
static void certp(X509 **p)
{
    X509_free(*p);
}
static void biop(BIO **p)
{
    BIO_free(*p);
}

static char *bio_text(BIO *bio)
{
    char *p;
    long n = BIO_get_mem_data(bio, &p);

    return mem_strndup(p, (size_t)n);
}

/* In the format of SEC1 ("BEGIN EC PRIVATE KEY"), the only one that clients written in Java can read. */
static char *key_to_pem(EVP_PKEY *key)
{
    _cleanup_(biop)
    BIO *bio = BIO_new(BIO_s_mem());

    if (!bio || !PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL))
        return NULL;
    return bio_text(bio);
}

static char *certificate_to_pem(X509 *certificate)
{
    _cleanup_(biop)
    BIO *bio = BIO_new(BIO_s_mem());

    if (!bio || !PEM_write_bio_X509(bio, certificate))
        return NULL;
    return bio_text(bio);
}

static EVP_PKEY *key_from_pem(const char *pem)
{
    _cleanup_(biop)
    BIO *bio = BIO_new_mem_buf(pem, -1);

    return bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
}

static X509 *certificate_from_pem(const char *pem)
{
    _cleanup_(biop)
    BIO *bio = BIO_new_mem_buf(pem, -1);

    return bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
}

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;
    bool ok;

    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    ok = extension && X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return ok;
}

typedef struct CertificateOptions {
    const char *common_name;
    const char *const *organizations; /* NULL-terminated; NULL: none */
    const char *alternative_names;    /* "DNS:a,IP:b"; NULL: none */
    bool is_ca, is_server;
    int64_t now, lifetime;
} CertificateOptions;

static bool add_name(X509_NAME *name, const char *field, const char *value)
{
    return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, (const unsigned char *)value, -1,
                                      -1, 0);
}

static bool add_subject(X509_NAME *subject, const CertificateOptions *options)
{
    for (const char *const *group = options->organizations; group && *group; group++)
        if (!add_name(subject, "O", *group))
            return false;
    return add_name(subject, "CN", options->common_name);
}

static bool fill_certificate(X509 *certificate, EVP_PKEY *key, X509 *issuer,
                             const CertificateOptions *options)
{
    uint8_t serial[16];
    time_t now = (time_t)options->now;
    BIGNUM *number;
    bool ok;

    random_secret(serial, sizeof(serial));
    serial[0] &= 0x7f;
    number = BN_bin2bn(serial, sizeof(serial), NULL);
    ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    return ok && X509_set_version(certificate, X509_VERSION_3) &&
           X509_time_adj_ex(X509_getm_notBefore(certificate), 0, -3600, &now) &&
           X509_time_adj_ex(X509_getm_notAfter(certificate), (int)(options->lifetime / DAY),
                            (long)(options->lifetime % DAY), &now) &&
           X509_set_pubkey(certificate, key) &&
           add_subject(X509_get_subject_name(certificate), options) &&
           X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) &&
           add_extension(certificate, issuer, NID_basic_constraints,
                         options->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
           add_extension(certificate, issuer, NID_key_usage,
                         options->is_ca ? "critical,digitalSignature,keyCertSign,cRLSign"
                                        : "critical,digitalSignature") &&
           (options->is_ca || add_extension(certificate, issuer, NID_ext_key_usage,
                                            options->is_server ? "serverAuth" : "clientAuth")) &&
           add_extension(certificate, issuer, NID_subject_key_identifier, "hash") &&
           (options->is_ca ||
            add_extension(certificate, issuer, NID_authority_key_identifier, "keyid")) &&
           (!options->alternative_names ||
            add_extension(certificate, issuer, NID_subject_alt_name, options->alternative_names));
}

/* If issuer is NULL, the certificate is self-signed. */
static X509 *make_certificate(EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key,
                              const CertificateOptions *options)
{
    _cleanup_(certp)
    X509 *certificate = X509_new();

    if (!certificate ||
        !fill_certificate(certificate, key, issuer ? issuer : certificate, options) ||
        !X509_sign(certificate, issuer_key ? issuer_key : key, EVP_sha256()))
        return NULL;
    return TAKE_PTR(certificate);
}

typedef struct Folder {
    const char *path;
    bool
        fresh; /* it is being created under another name, and synced as a whole when it is complete */
} Folder;

static int read_pem(const Folder *dir, const char *name, char **ret, Err *reterr)
{
    _free_ char *path = mem_printf("%s/%s", dir->path, name);
    size_t n;
    int r;

    if (!file_exists(path))
        return 1;
    r = file_read(path, FILE_MAX, ret, &n);
    return r < 0 ? err_set(reterr, -r, "read %s", path) : 0;
}

static int write_pem(const Folder *dir, const char *name, const char *text, Err *reterr)
{
    _free_ char *path = mem_printf("%s/%s", dir->path, name);
    int r = (dir->fresh ? file_replace : file_write_atomic)(path, text, strlen(text), 0600);

    return r < 0 ? err_set(reterr, -r, "write %s", path) : 0;
}

/* Reads the key from a file; creates it if the file is missing. */
static int open_key(const Folder *dir, const char *name, char **ret_pem, EVP_PKEY **ret,
                    Err *reterr)
{
    int r = read_pem(dir, name, ret_pem, reterr);

    if (r < 0)
        return ERR_TRACE(r);
    if (r == 0) {
        *ret = key_from_pem(*ret_pem);
        if (!*ret)
            return err_set(reterr, 0, "%s/%s holds no private key", dir->path, name);
        /* The file may have another format, if an older version or a user has written it. */
        free(*ret_pem);
        *ret_pem = key_to_pem(*ret);
        return *ret_pem ? 0 : err_set(reterr, 0, "cannot print the key of %s/%s", dir->path, name);
    }
    *ret = EVP_EC_gen("P-256");
    *ret_pem = *ret ? key_to_pem(*ret) : NULL;
    if (!*ret_pem)
        return err_set(reterr, 0, "cannot make a key for %s/%s", dir->path, name);
    return write_pem(dir, name, *ret_pem, reterr);
}

/* Writes the public part of the key, unless the file has it already. */
static int write_public(const Folder *dir, const char *name, EVP_PKEY *key, Err *reterr)
{
    _cleanup_(biop)
    BIO *bio = BIO_new(BIO_s_mem());
    _free_ char *text = NULL, *before = NULL;
    int r;

    if (!bio || !PEM_write_bio_PUBKEY(bio, key))
        return err_set(reterr, 0, "cannot print the public key of %s/%s", dir->path, name);
    text = bio_text(bio);
    r = read_pem(dir, name, &before, reterr);
    if (r < 0)
        return ERR_TRACE(r);
    return str_equal(text, before) ? 0 : write_pem(dir, name, text, reterr);
}

static bool certificate_fits(X509 *certificate, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key,
                             const CertificateOptions *options)
{
    time_t late =
        (time_t)(options->now + (options->is_server ? RENEW_BEFORE(options->lifetime) : DAY));

    return X509_check_private_key(certificate, key) == 1 &&
           X509_cmp_time(X509_get0_notAfter(certificate), &late) > 0 &&
           (!issuer || X509_verify(certificate, issuer_key) == 1);
}

/* The alternative names of a certificate in the format of server_names, for comparison with it. */
static char *alternative_names_of(X509 *certificate)
{
    _cleanup_(strbuf_deinit)
    StrBuf text = STRBUF_INIT;
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    char address[INET6_ADDRSTRLEN];

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        strbuf_add_string(&text, text.n ? "," : "");
        if (name->type == GEN_DNS) {
            strbuf_add_string(&text, "DNS:");
            strbuf_add(&text, ASN1_STRING_get0_data(name->d.dNSName),
                       (size_t)ASN1_STRING_length(name->d.dNSName));
        } else if (name->type == GEN_IPADD) {
            int n = ASN1_STRING_length(name->d.iPAddress);

            if (inet_ntop(n == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(name->d.iPAddress),
                          address, sizeof(address)))
                strbuf_printf(&text, "IP:%s", address);
        }
    }
    GENERAL_NAMES_free(names);
    return strbuf_take(&text);
}

/* Reads the certificate from a file; creates it if it is missing, and renews it if it does not fit. */
static int open_certificate(const Folder *dir, const char *name, EVP_PKEY *key, X509 *issuer,
                            EVP_PKEY *issuer_key, const CertificateOptions *options, char **ret_pem,
                            X509 **ret, Err *reterr)
{
    _free_ char *before = NULL;
    int r = read_pem(dir, name, &before, reterr);

    if (r < 0)
        return ERR_TRACE(r);
    if (r == 0) {
        _cleanup_(certp)
        X509 *certificate = certificate_from_pem(before);
        _free_ char *names = certificate ? alternative_names_of(certificate) : NULL;

        if (certificate && certificate_fits(certificate, key, issuer, issuer_key, options) &&
            str_equal(names, options->alternative_names)) {
            *ret_pem = TAKE_PTR(before);
            *ret = TAKE_PTR(certificate);
            return 0;
        }
    }
    *ret = make_certificate(key, issuer, issuer_key, options);
    *ret_pem = *ret ? certificate_to_pem(*ret) : NULL;
    if (!*ret_pem)
        return err_set(reterr, 0, "cannot make certificate %s/%s", dir->path, name);
    r = write_pem(dir, name, *ret_pem, reterr);
    if (r != -ENOSPC || dir->fresh)
        return ERR_TRACE(r);
    /* A full disk must not prevent the start of the server; the next start tries again. */
    if (reterr)
        *reterr = ERR_INIT;
    return 0;
}

/* The alternative names that the server's certificate has to contain, without duplicates:
 * "DNS:localhost,IP:127.0.0.1,...". Addresses are printed by inet_ntop, so that the text can be
 * compared with that of a certificate. */
static char *server_names(const char *const *addresses)
{
    static const char *const always[] = {"kubernetes",
                                         "kubernetes.default",
                                         "kubernetes.default.svc",
                                         "kubernetes.default.svc.cluster.local",
                                         "localhost",
                                         "127.0.0.1",
                                         NULL};
    const char *const *lists[] = {always, addresses};
    _cleanup_(strbuf_deinit)
    StrBuf text = STRBUF_INIT;
    StrMap seen = STRMAP_INIT;
    uint8_t binary[16];
    char printed[INET6_ADDRSTRLEN];

    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        for (const char *const *p = lists[i]; p && *p; p++) {
            int family = strchr(*p, ':') ? AF_INET6 : AF_INET;
            bool ip = inet_pton(family, *p, binary) == 1 &&
                      inet_ntop(family, binary, printed, sizeof(printed));
            const char *name = ip ? printed : *p;

            if (str_empty(name) || strchr(name, ',') || strmap_put(&seen, name, &seen))
                continue;
            strbuf_printf(&text, "%s%s:%s", text.n ? "," : "", ip ? "IP" : "DNS", name);
        }
    }
    strmap_deinit(&seen);
    return strbuf_take(&text);
}

static int open_server_certificate(const Folder *dir, const char *const *addresses, int64_t now,
                                   EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key, Pki *pki, Err *reterr)
{
    _cleanup_(certp)
    X509 *certificate = NULL;
    _free_ char *names = server_names(addresses), *pem = NULL;
    int r = open_certificate(dir, "server.crt", key, ca, ca_key,
                             &(CertificateOptions){.common_name = "kube-apiserver",
                                                   .alternative_names = names,
                                                   .is_server = true,
                                                   .now = now,
                                                   .lifetime = pki->server_lifetime},
                             &pem, &certificate, reterr);

    if (r < 0)
        return ERR_TRACE(r);
    r = !str_equal(pem, pki->server_pem);
    free(pki->server_pem);
    pki->server_pem = TAKE_PTR(pem);
    return r;
}

/* The authority and the certificate that the server shows to extension servers. */
static int open_front_proxy(const Folder *dir, int64_t now, Pki *pki, Err *reterr)
{
    _cleanup_(pkeyp)
    EVP_PKEY *ca_key = NULL, *key = NULL;
    _cleanup_(certp)
    X509 *ca = NULL, *certificate = NULL;
    _free_ char *ca_key_pem = NULL;
    int r = open_key(dir, "front-proxy-ca.key", &ca_key_pem, &ca_key, reterr);

    if (r < 0)
        return ERR_TRACE(r);
    r = open_certificate(
        dir, "front-proxy-ca.crt", ca_key, NULL, NULL,
        &(CertificateOptions){
            .common_name = "front-proxy-ca", .is_ca = true, .now = now, .lifetime = YEARS_10},
        &pki->front_proxy_ca_pem, &ca, reterr);
    if (r < 0)
        return ERR_TRACE(r);
    r = open_key(dir, "front-proxy-client.key", &pki->front_proxy_key_pem, &key, reterr);
    if (r < 0)
        return ERR_TRACE(r);
    r = open_certificate(dir, "front-proxy-client.crt", key, ca, ca_key,
                         &(CertificateOptions){
                             .common_name = "front-proxy-client", .now = now, .lifetime = YEARS_10},
                         &pki->front_proxy_pem, &certificate, reterr);
    return r < 0 ? ERR_TRACE(r) : 0;
}

static const char *const masters[] = {"system:masters", NULL};

static int open_all(const Folder *dir, const char *const *addresses, int64_t now, Pki *pki,
                    Err *reterr)
{
    _cleanup_(pkeyp)
    EVP_PKEY *ca_key = NULL, *server_key = NULL, *admin_key = NULL, *token_key = NULL;
    _cleanup_(certp)
    X509 *ca = NULL, *admin = NULL;
    int r;

    r = open_key(dir, "ca.key", &pki->ca_key_pem, &ca_key, reterr);
    if (r < 0)
        return ERR_TRACE(r);
    r = open_certificate(
        dir, "ca.crt", ca_key, NULL, NULL,
        &(CertificateOptions){
            .common_name = "stead-ca", .is_ca = true, .now = now, .lifetime = YEARS_10},
        &pki->ca_pem, &ca, reterr);
    if (r < 0)
        return ERR_TRACE(r);
    r = open_key(dir, "server.key", &pki->server_key_pem, &server_key, reterr);
    if (r < 0)
        return ERR_TRACE(r);
    r = open_server_certificate(dir, addresses, now, server_key, ca, ca_key, pki, reterr);
    if (r < 0)
        return ERR_TRACE(r);
    r = open_key(dir, "admin.key", &pki->admin_key_pem, &admin_key, reterr);
    if (r < 0)
        return ERR_TRACE(r);
    r = open_certificate(dir, "admin.crt", admin_key, ca, ca_key,
                         &(CertificateOptions){.common_name = "kubernetes-admin",
                                               .organizations = masters,
                                               .now = now,
                                               .lifetime = YEARS_10},
                         &pki->admin_pem, &admin, reterr);
    if (r < 0)
        return ERR_TRACE(r);
    r = open_front_proxy(dir, now, pki, reterr);
    if (r < 0)
        return ERR_TRACE(r);
    r = open_key(dir, "token.key", &pki->token_key_pem, &token_key, reterr);
    return r < 0 ? ERR_TRACE(r) : write_public(dir, "sa.pub", token_key, reterr);
}

/* Creates the folder with all files. What an interrupted start has left of it is removed first. */
static int make_folder(const char *dir, const char *const *addresses, int64_t now, Pki *pki,
                       Err *reterr)
{
    _free_ char *aside = mem_printf("%s.new", dir);
    int r = file_remove_tree(aside);

    if (r == 0)
        r = file_mkdir_all(aside, 0700);
    if (r < 0)
        return err_set(reterr, -r, "make folder %s", aside);
    r = open_all(&(Folder){aside, true}, addresses, now, pki, reterr);
    if (r < 0)
        return ERR_TRACE(r);
    r = file_sync_folder(aside);
    if (r == 0)
        r = file_rename(aside, dir);
    return r < 0 ? err_set(reterr, -r, "make folder %s", dir) : 0;
}

int pki_open(const char *dir, const char *const *addresses, int64_t server_lifetime, Clock *clock,
             Pki **ret, Err *reterr)
{
    int64_t now = clock_wall_ns(clock) / NS_PER_SEC;
    Pki *pki = mem_new_type(Pki);
    int r;

    pki->server_lifetime = server_lifetime ? server_lifetime : YEAR;
    if (file_exists(dir))
        r = open_all(&(Folder){dir, false}, addresses, now, pki, reterr);
    else
        r = make_folder(dir, addresses, now, pki, reterr);
    if (r < 0) {
        pki_free(pki);
        return ERR_TRACE(r);
    }
    *ret = pki;
    return 0;
}

int64_t pki_renew_at(const Pki *pki)
{
    _cleanup_(certp)
    X509 *certificate = certificate_from_pem(pki->server_pem);
    struct tm end;

    if (!certificate || !ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end))
        return 0;
    return timegm(&end) - RENEW_BEFORE(pki->server_lifetime);
}

int pki_renew(Pki *pki, const char *dir, const char *const *addresses, Clock *clock, Err *reterr)
{
    _cleanup_(pkeyp)
    EVP_PKEY *ca_key = key_from_pem(pki->ca_key_pem), *key = key_from_pem(pki->server_key_pem);
    _cleanup_(certp)
    X509 *ca = certificate_from_pem(pki->ca_pem);

    if (!ca_key || !key || !ca)
        return err_set(reterr, 0, "the keys in %s are unreadable", dir);
    return open_server_certificate(&(Folder){dir, false}, addresses,
                                   clock_wall_ns(clock) / NS_PER_SEC, key, ca, ca_key, pki, reterr);
}

int pki_issue_client(const Pki *pki, const char *name, const char *const *groups, Clock *clock,
                     char **ret_pem, char **ret_key_pem, Err *reterr)
{
    _cleanup_(pkeyp)
    EVP_PKEY *ca_key = key_from_pem(pki->ca_key_pem), *key = EVP_EC_gen("P-256");
    _cleanup_(certp)
    X509 *ca = certificate_from_pem(pki->ca_pem), *certificate = NULL;

    if (ca_key && ca && key)
        certificate =
            make_certificate(key, ca, ca_key,
                             &(CertificateOptions){.common_name = name,
                                                   .organizations = groups,
                                                   .now = clock_wall_ns(clock) / NS_PER_SEC,
                                                   .lifetime = YEAR});
    *ret_pem = certificate ? certificate_to_pem(certificate) : NULL;
    *ret_key_pem = *ret_pem ? key_to_pem(key) : NULL;
    if (*ret_key_pem)
        return 0;
    free(*ret_pem);
    *ret_pem = NULL;
    return err_set(reterr, 0,
                   "cannot make a certificate for the user %s (names of users and groups have at "
                   "most 64 characters)",
                   name);
}

static bool names_are(X509 *certificate, const char *name, const char *const *groups)
{
    X509_NAME *subject = X509_get_subject_name(certificate), *wanted = X509_NAME_new();
    bool same =
        wanted &&
        add_subject(wanted, &(CertificateOptions){.common_name = name, .organizations = groups}) &&
        X509_NAME_cmp(subject, wanted) == 0;

    X509_NAME_free(wanted);
    return same;
}

bool pki_client_is_good(const char *pem, const char *key_pem, const char *ca_pem, const char *name,
                        const char *const *groups, int64_t now)
{
    _cleanup_(certp)
    X509 *certificate = certificate_from_pem(pem), *ca = certificate_from_pem(ca_pem);
    _cleanup_(pkeyp)
    EVP_PKEY *key = key_from_pem(key_pem);
    time_t late = (time_t)(now + RENEW_BEFORE(YEAR));

    return certificate && ca && key && X509_check_private_key(certificate, key) == 1 &&
           X509_verify(certificate, X509_get0_pubkey(ca)) == 1 &&
           X509_cmp_time(X509_get0_notAfter(certificate), &late) > 0 &&
           names_are(certificate, name, groups);
}

Pki *pki_free(Pki *pki)
{
    if (!pki)
        return NULL;
    free(pki->ca_pem);
    free(pki->ca_key_pem);
    free(pki->server_pem);
    free(pki->server_key_pem);
    free(pki->admin_pem);
    free(pki->admin_key_pem);
    free(pki->front_proxy_ca_pem);
    free(pki->front_proxy_pem);
    free(pki->front_proxy_key_pem);
    free(pki->token_key_pem);
    free(pki);
    return NULL;
}
