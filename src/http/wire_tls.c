/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS of a wire. See wire.h. A program that does not use TLS is linked with tls_none.c instead of this
 * file and tls.c, and then does not need OpenSSL.
 */
#include "http/wire.h"

#include <openssl/err.h>
#include <pthread.h>

static _Thread_local uint8_t plain_buffer[SSL3_RT_MAX_PLAIN_LENGTH];
/* The encrypted records of the current flush. It is empty between flushes, and kept to avoid another
 * allocation. */
static _Thread_local uint8_t *cipher;
static _Thread_local size_t cipher_n, cipher_cap;

static int bio_write(BIO *bio _unused_, const char *p, int n)
{
    if (cipher_n + (size_t)n > cipher_cap) {
        cipher_cap = MAX_OF(cipher_cap * 2, MAX_OF(cipher_n + (size_t)n, (size_t)80 * 1024));
        cipher = mem_resize(cipher, cipher_cap);
    }
    memcpy(cipher + cipher_n, p, (size_t)n);
    cipher_n += (size_t)n;
    return n;
}

static int bio_read(BIO *bio, char *p, int size)
{
    Wire *wire = BIO_get_data(bio);
    size_t n = MIN_OF((size_t)size, wire->in_n);

    BIO_clear_retry_flags(bio);
    if (n == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(p, wire->in, n);
    wire->in += n;
    wire->in_n -= n;
    return (int)n;
}

static long bio_ctrl(BIO *bio _unused_, int command, long number _unused_, void *pointer _unused_)
{
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static BIO_METHOD *bio_method;

static void bio_method_make(void)
{
    bio_method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "wire");
    ASSERT(bio_method);
    BIO_meth_set_write(bio_method, bio_write);
    BIO_meth_set_read(bio_method, bio_read);
    BIO_meth_set_ctrl(bio_method, bio_ctrl);
    BIO_meth_set_create(bio_method, bio_create);
}

void wire_tls_init(Wire *wire, SSL_CTX *tls, bool client)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    BIO *bio;

    pthread_once(&once, bio_method_make);
    wire->ssl = SSL_new(tls);
    bio = BIO_new(bio_method);
    ASSERT(wire->ssl && bio);
    BIO_set_data(bio, wire);
    SSL_set_bio(wire->ssl, bio, bio);
    if (client)
        SSL_set_connect_state(wire->ssl);
    else
        SSL_set_accept_state(wire->ssl);
}

void wire_tls_deinit(Wire *wire)
{
    SSL_free(wire->ssl);
    wire->ssl = NULL;
}

static int push_records(Wire *wire)
{
    int r = wire_send(wire, cipher, cipher_n);

    cipher_n = 0;
    return r;
}

int wire_tls_write(Wire *wire, const uint8_t *p, size_t n)
{
    ERR_clear_error();
    if (SSL_write(wire->ssl, p, (int)n) != (int)n) {
        cipher_n = 0;
        return -EPROTO;
    }
    return push_records(wire);
}

int wire_tls_handshake(Wire *wire)
{
    int r;

    ERR_clear_error();
    r = SSL_do_handshake(wire->ssl);
    if (r == 1) {
        wire->handshaken = true;
        return push_records(wire);
    }
    r = SSL_get_error(wire->ssl, r) == SSL_ERROR_WANT_READ ? 0 : -EPROTO;
    /* Also sends the alert that says why. */
    if (push_records(wire) < 0)
        return -EPIPE;
    return r;
}

int wire_tls_read(Wire *wire, const WireUser *user, void *data)
{
    int n, error;

    if (!wire->handshaken) {
        n = wire_tls_handshake(wire);
        if (n < 0 || !wire->handshaken)
            return n;
        if (!user->handshaken(data))
            return 2;
    }
    for (;;) {
        ERR_clear_error();
        n = SSL_read(wire->ssl, plain_buffer, sizeof(plain_buffer));
        if (n <= 0)
            break;
        if (!user->feed(data, plain_buffer, (size_t)n)) {
            cipher_n = 0;
            return 2;
        }
    }
    error = SSL_get_error(wire->ssl, n);
    if (push_records(wire) < 0)
        return -EPIPE;
    if (error == SSL_ERROR_WANT_READ)
        return 0;
    return error == SSL_ERROR_ZERO_RETURN ? 1 : -EPROTO;
}

void wire_tls_shutdown(Wire *wire)
{
    ERR_clear_error();
    SSL_shutdown(wire->ssl);
    (void)push_records(wire);
}

Bytes wire_tls_alpn(const Wire *wire)
{
    const unsigned char *p;
    unsigned n;

    SSL_get0_alpn_selected(wire->ssl, &p, &n);
    return (Bytes){p, n};
}

void wire_tls_error(char *buf, size_t size)
{
    unsigned long code = ERR_peek_last_error();
    const char *text = code ? ERR_reason_error_string(code) : NULL;

    snprintf(buf, size, "%s", text ? text : "TLS handshake failed");
}
