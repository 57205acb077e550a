/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS contexts, and the names in client certificates.
 *
 * A bad client certificate does not fail the handshake. The peer is marked, and the handler answers with
 * 401, as kube-apiserver does. For this the verify callback accepts everything, and the result is checked
 * after the handshake. A certificate that has expired since its session was started is bad as well.
 */
#include "http/internal.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

static int tls_error(Err *reterr, const char *what)
{
    unsigned long code = ERR_get_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;

    ERR_clear_error();
    return err_set(reterr, 0, "%s: %s", what, reason ? reason : "not usable");
}

static void bio_freep(BIO **bio)
{
    BIO_free(*bio);
}

static void x509_freep(X509 **certificate)
{
    X509_free(*certificate);
}

static void ssl_ctx_freep(SSL_CTX **context)
{
    SSL_CTX_free(*context);
}

static BIO *pem_bio(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);

    ASSERT(bio);
    return bio;
}

static bool add_chain(SSL_CTX *context, const char *pem)
{
    _cleanup_(bio_freep)
    BIO *bio = pem_bio(pem);
    _cleanup_(x509_freep)
    X509 *first = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
    X509 *next;

    if (!first || SSL_CTX_use_certificate(context, first) != 1)
        return false;
    while ((next = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
        if (SSL_CTX_add0_chain_cert(context, next) != 1) {
            X509_free(next);
            return false;
        }
    ERR_clear_error();
    return true;
}

static bool add_key(SSL_CTX *context, const char *pem)
{
    _cleanup_(bio_freep)
    BIO *bio = pem_bio(pem);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    bool good =
        key && SSL_CTX_use_PrivateKey(context, key) == 1 && SSL_CTX_check_private_key(context) == 1;

    EVP_PKEY_free(key);
    return good;
}

/* Trusts each certificate of the PEM text. With `names`, their names are also sent to clients as those of
 * acceptable authorities. */
static bool add_authorities(SSL_CTX *context, const char *pem, bool names)
{
    _cleanup_(bio_freep)
    BIO *bio = pem_bio(pem);
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    unsigned n = 0;

    for (;; n++) {
        _cleanup_(x509_freep)
        X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);

        if (!certificate)
            break;
        if (X509_STORE_add_cert(store, certificate) != 1 ||
            (names && SSL_CTX_add_client_CA(context, certificate) != 1))
            return false;
    }
    ERR_clear_error();
    return n > 0;
}

static int select_alpn(SSL *ssl _unused_, const unsigned char **ret, unsigned char *ret_n,
                       const unsigned char *offered, unsigned offered_n, void *data _unused_)
{
    static const unsigned char ours[] = "\x02h2\x08http/1.1";

    if (SSL_select_next_proto((unsigned char **)(uintptr_t)ret, ret_n, ours, sizeof(ours) - 1,
                              offered, offered_n) == OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_OK;
    return SSL_TLSEXT_ERR_NOACK;
}

static int accept_any(int good _unused_, X509_STORE_CTX *store _unused_)
{
    return 1;
}

static SSL_CTX *new_context(const SSL_METHOD *method)
{
    SSL_CTX *context = SSL_CTX_new(method);

    ASSERT(context);
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_ciphersuites(
        context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256");
    SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL");
    return context;
}

int http_tls_server(const char *certificate_pem, const char *key_pem, const char *client_ca_pem,
                    SSL_CTX **ret, Err *reterr)
{
    _cleanup_(ssl_ctx_freep)
    SSL_CTX *context = new_context(TLS_server_method());

    if (!add_chain(context, certificate_pem))
        return tls_error(reterr, "server certificate");
    if (!add_key(context, key_pem))
        return tls_error(reterr, "server key");
    if (client_ca_pem) {
        if (!add_authorities(context, client_ca_pem, true))
            return tls_error(reterr, "client CA");
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, accept_any);
    }
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* Sessions are resumed by tickets, so the server keeps no session cache. */
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"stead", 5);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_alpn_select_cb(context, select_alpn, NULL);
    *ret = TAKE_PTR(context);
    return 0;
}

int http_tls_client(const char *ca_pem, const char *certificate_pem, const char *key_pem,
                    SSL_CTX **ret, Err *reterr)
{
    _cleanup_(ssl_ctx_freep)
    SSL_CTX *context = new_context(TLS_client_method());

    if (ca_pem) {
        if (!add_authorities(context, ca_pem, false))
            return tls_error(reterr, "CA certificate");
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    }
    if (certificate_pem && !add_chain(context, certificate_pem))
        return tls_error(reterr, "client certificate");
    if (certificate_pem && !add_key(context, str_or(key_pem, "")))
        return tls_error(reterr, "client key");
    SSL_CTX_set_alpn_protos(context, (const unsigned char *)"\x08http/1.1", 9);
    *ret = TAKE_PTR(context);
    return 0;
}

int http_tls_trusting(const char *ca_pem, bool insecure, const char *certificate_pem,
                      const char *key_pem, SSL_CTX **ret, Err *reterr)
{
    int r = http_tls_client(insecure ? NULL : ca_pem, certificate_pem, key_pem, ret, reterr);

    if (r < 0 || insecure || ca_pem)
        return r;
    SSL_CTX_set_verify(*ret, SSL_VERIFY_PEER, NULL);
    if (SSL_CTX_set_default_verify_paths(*ret) == 1)
        return 0;
    http_tls_free(TAKE_PTR(*ret));
    return tls_error(reterr, "the certificate authorities of the system");
}

void http_tls_free(SSL_CTX *tls)
{
    SSL_CTX_free(tls);
}

void http_server_set_tls(HttpServer *server, SSL_CTX *tls)
{
    if (tls)
        SSL_CTX_up_ref(tls);
    SSL_CTX_free(server->tls);
    server->tls = tls;
}

/* ---- the peer ---- */

static char *entry_text(X509_NAME_ENTRY *entry)
{
    unsigned char *utf8 = NULL;
    int n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
    char *text;

    /* With a NUL inside, C code would see only a part of the name. */
    if (n < 0 || memchr(utf8, 0, (size_t)n)) {
        OPENSSL_free(utf8);
        return NULL;
    }
    text = mem_strndup((const char *)utf8, (size_t)n);
    OPENSSL_free(utf8);
    return text;
}

void tls_peer(SSL *ssl, HttpPeer *peer, Arena *arena)
{
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    X509_NAME *subject;
    const char **organizations;
    int n;

    if (!certificate)
        return;
    peer->certificate_bad = SSL_get_verify_result(ssl) != X509_V_OK ||
                            X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0;
    subject = X509_get_subject_name(certificate);
    n = X509_NAME_entry_count(subject);
    organizations = arena_new_n(arena, const char *, (size_t)MAX_OF(n, 1));
    for (int i = 0; i < n; i++) {
        X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, i);
        int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
        _free_ char *text = NULL;

        if (nid != NID_commonName && nid != NID_organizationName)
            continue;
        text = entry_text(entry);
        if (!text)
            peer->certificate_bad = true;
        else if (nid == NID_commonName)
            peer->common_name = arena_strdup(arena, text);
        else
            organizations[peer->n_organizations++] = arena_strdup(arena, text);
    }
    peer->organizations = organizations;
    if (!peer->common_name)
        peer->common_name = "";
}
