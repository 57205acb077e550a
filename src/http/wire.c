/* SPDX-License-Identifier: Apache-2.0 */
/* The byte level of a connection. See wire.h. */
#include "http/wire.h"

#include <openssl/err.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/error.h"

/* A reader this far behind on handshake and key-update answers is an attack, not a slow network. */
#define UNSENT_MAX (4u * 1024 * 1024)
/* Full buffers read in a row from one connection before the others get their turn. */
#define READS_IN_A_ROW 4

static _Thread_local uint8_t socket_buffer[WIRE_READ_SIZE];
static _Thread_local uint8_t plain_buffer[SSL3_RT_MAX_PLAIN_LENGTH];
static _Thread_local WireStage stage;
/* Records made and not yet written; kept between flushes only for its memory. */
static _Thread_local uint8_t *cipher;
static _Thread_local size_t cipher_n, cipher_cap;

WireStage *wire_stage(void)
{
    return &stage;
}

static int bio_write(BIO *bio, const char *p, int n)
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

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
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

void wire_init(Wire *wire, int fd, SSL_CTX *tls, bool client)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    BIO *bio;

    *wire = (Wire){.fd = fd, .handshaken = !tls};
    if (!tls)
        return;
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

void wire_deinit(Wire *wire)
{
    SSL_free(wire->ssl);
    wire->ssl = NULL;
    close_fdp(&wire->fd);
    strbuf_deinit(&wire->unsent);
}

static int send_some(Wire *wire, const uint8_t *p, size_t n, size_t *ret_sent)
{
    ssize_t r;

    *ret_sent = 0;
    if (wire->sink) {
        strbuf_add(wire->sink, p, n);
        *ret_sent = n;
        return 0;
    }
    while (*ret_sent < n) {
        r = send(wire->fd, p + *ret_sent, n - *ret_sent, MSG_NOSIGNAL);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return errno == EAGAIN ? 0 : -errno;
        *ret_sent += (size_t)r;
    }
    return 0;
}

/* Keeps the order: behind what waits already. */
static int send_or_keep(Wire *wire, const uint8_t *p, size_t n)
{
    size_t sent = 0;
    int r = 0;

    if (n == 0)
        return 0;
    if (wire_unsent(wire) == 0)
        r = send_some(wire, p, n, &sent);
    wire->bytes_out += sent;
    if (r < 0)
        return r;
    if (sent < n) {
        if (wire_unsent(wire) > UNSENT_MAX)
            return -ENOBUFS;
        strbuf_add(&wire->unsent, p + sent, n - sent);
    }
    return 0;
}

static int push_records(Wire *wire)
{
    int r = send_or_keep(wire, cipher, cipher_n);

    cipher_n = 0;
    return r;
}

int wire_flush(Wire *wire)
{
    size_t sent;
    int r;

    if (wire_unsent(wire) == 0)
        return 0;
    r = send_some(wire, (const uint8_t *)wire->unsent.p + wire->unsent_at, wire_unsent(wire),
                  &sent);
    if (r < 0)
        return r;
    wire->bytes_out += sent;
    wire->unsent_at += sent;
    if (wire_unsent(wire) > 0)
        return 1;
    wire->unsent_at = 0;
    strbuf_deinit(&wire->unsent);
    wire->unsent = STRBUF_INIT;
    return 0;
}

int wire_write(Wire *wire, const uint8_t *p, size_t n)
{
    if (n == 0)
        return 0;
    if (!wire->ssl)
        return send_or_keep(wire, p, n);
    ERR_clear_error();
    if (SSL_write(wire->ssl, p, (int)n) != (int)n) {
        cipher_n = 0;
        return -EPROTO;
    }
    return push_records(wire);
}

static int handshake(Wire *wire)
{
    int r;

    ERR_clear_error();
    r = SSL_do_handshake(wire->ssl);
    if (r == 1) {
        wire->handshaken = true;
        return push_records(wire);
    }
    r = SSL_get_error(wire->ssl, r) == SSL_ERROR_WANT_READ ? 0 : -EPROTO;
    /* The alert goes out too. */
    if (push_records(wire) < 0)
        return -EPIPE;
    return r;
}

int wire_start(Wire *wire)
{
    return wire->ssl ? handshake(wire) : 0;
}

/* 0: all taken; 1: the peer said goodbye; 2: the user stops. */
static int read_records(Wire *wire, const WireUser *user, void *data)
{
    int n, error;

    if (!wire->handshaken) {
        n = handshake(wire);
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

int wire_read(Wire *wire, const WireUser *user, void *data)
{
    for (int i = 0; i < READS_IN_A_ROW; i++) {
        ssize_t n = recv(wire->fd, socket_buffer, sizeof(socket_buffer), 0);
        int r;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : -errno;
        if (n == 0)
            return 1;
        if (!wire->ssl) {
            if (!user->feed(data, socket_buffer, (size_t)n))
                return 0;
        } else {
            wire->in = socket_buffer;
            wire->in_n = (size_t)n;
            r = read_records(wire, user, data);
            if (r != 0)
                return r == 2 ? 0 : r;
        }
        if ((size_t)n < sizeof(socket_buffer))
            break;
    }
    return 0;
}

void wire_shutdown(Wire *wire)
{
    if (wire->ssl && wire->handshaken) {
        ERR_clear_error();
        SSL_shutdown(wire->ssl);
        (void)push_records(wire);
    }
    if (wire->fd >= 0 && wire_unsent(wire) == 0)
        shutdown(wire->fd, SHUT_WR);
}

void wire_tls_error(char *buf, size_t size)
{
    unsigned long code = ERR_peek_last_error();
    const char *text = code ? ERR_reason_error_string(code) : NULL;

    snprintf(buf, size, "%s", text ? text : "TLS handshake failed");
}
