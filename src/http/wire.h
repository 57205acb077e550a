/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The byte level of a connection, for server and client alike: a non-blocking socket with TLS or
 * without, or a loopback that has no socket at all.
 *
 * TLS runs over a BIO of our own: one read(2) feeds many records, and all records made by one flush
 * leave in one write(2). What the socket does not take waits in `unsent`; while something waits
 * there, nobody encrypts more, so a slow reader costs one flush of memory and no more.
 *
 * The large buffers belong to the thread and are empty between calls: nothing here is called from
 * inside a feed.
 */
#ifndef HTTP_WIRE_H
#define HTTP_WIRE_H

#include <openssl/ssl.h>

#include "base/base.h"
#include "base/strbuf.h"

#define WIRE_READ_SIZE (64 * 1024)
#define WIRE_STAGE_SIZE (64 * 1024)

typedef struct Wire {
    int fd; /* -1: loopback */
    SSL *ssl;
    StrBuf unsent;
    size_t unsent_at;
    StrBuf *sink;      /* loopback: what the peer would receive */
    bool sink_full;    /* loopback: the peer does not read */
    const uint8_t *in; /* for the BIO: read from the socket, not yet taken by TLS */
    size_t in_n;
    bool handshaken;
    uint64_t bytes_out;
} Wire;

typedef struct WireUser {
    /* Decrypted bytes; false stops reading. */
    bool (*feed)(void *data, const uint8_t *p, size_t n);
    /* TLS stands; false stops reading. */
    bool (*handshaken)(void *data);
} WireUser;

/* Plain bytes that one flush collects; shared by all connections of a thread. */
typedef struct WireStage {
    uint8_t p[WIRE_STAGE_SIZE];
    size_t n;
} WireStage;

WireStage *wire_stage(void);

/* Takes the descriptor. tls NULL: plain. */
void wire_init(Wire *wire, int fd, SSL_CTX *tls, bool client);
void wire_deinit(Wire *wire);
/* TLS client: sends its first flight. 0 or -errno. */
int wire_start(Wire *wire);
/* Reads what is there. 0: more may come later; 1: the peer has ended its side; negative: broken. */
int wire_read(Wire *wire, const WireUser *user, void *data);
/* 0, or negative when broken; what does not leave waits. */
int wire_write(Wire *wire, const uint8_t *p, size_t n);
/* Sends what waits. 1: some still waits. */
int wire_flush(Wire *wire);
/* Says goodbye (close_notify) and ends our side; the socket stays open for reading. */
void wire_shutdown(Wire *wire);
static inline size_t wire_unsent(const Wire *wire)
{
    return wire->unsent.n - wire->unsent_at;
}
/* Past TLS, in order: behind what waits already. */
int wire_send(Wire *wire, const uint8_t *p, size_t n);

/* ---- wire_tls.c, for a wire that has `ssl` ---- */

void wire_tls_init(Wire *wire, SSL_CTX *tls, bool client);
void wire_tls_deinit(Wire *wire);
int wire_tls_handshake(Wire *wire);
/* Of wire->in. 0: all taken; 1: the peer said goodbye; 2: the user stops. */
int wire_tls_read(Wire *wire, const WireUser *user, void *data);
int wire_tls_write(Wire *wire, const uint8_t *p, size_t n);
void wire_tls_shutdown(Wire *wire);
/* What the peers agreed to speak: "h2"; empty if nothing. */
Bytes wire_tls_alpn(const Wire *wire);
/* For people: why the handshake failed. */
void wire_tls_error(char *buf, size_t size);

#endif
