/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The byte stream of a connection, for servers and clients: a non-blocking socket with or without TLS,
 * or, in tests, a loopback without a socket.
 *
 * TLS uses its own BIO: one read(2) may return many records, and all records of one flush are sent with
 * one write(2). What the socket does not accept is kept in `unsent`. Nothing more is encrypted while it
 * is not empty, so a slow reader needs no more memory than one flush.
 *
 * The large buffers belong to the thread and are empty between calls. Therefore no function of this file
 * may be called from within `feed`.
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
    StrBuf *sink;      /* loopback: receives what a peer would receive */
    bool sink_full;    /* loopback: the peer does not read */
    const uint8_t *in; /* for the BIO: bytes read from the socket that TLS has not consumed */
    size_t in_n;
    bool handshaken;
    uint64_t bytes_out;
} Wire;

typedef struct WireUser {
    /* Receives decrypted bytes. Returning false stops reading. */
    bool (*feed)(void *data, const uint8_t *p, size_t n);
    /* Called when the handshake is complete. Returning false stops reading. */
    bool (*handshaken)(void *data);
} WireUser;

/* Collects the plain bytes of one flush. All connections of a thread share it. */
typedef struct WireStage {
    uint8_t p[WIRE_STAGE_SIZE];
    size_t n;
} WireStage;

WireStage *wire_stage(void);

/* Takes ownership of the descriptor. If tls is NULL, the wire is not encrypted. */
void wire_init(Wire *wire, int fd, SSL_CTX *tls, bool client);
void wire_deinit(Wire *wire);
/* Starts the handshake of a TLS client. Returns 0 or -errno. */
int wire_start(Wire *wire);
/* Reads what is available. Returns 0 if more may follow, 1 if the peer has ended its side, or a negative
 * value if the connection is broken. */
int wire_read(Wire *wire, const WireUser *user, void *data);
/* Returns 0, or a negative value if the connection is broken. What the socket does not accept is kept. */
int wire_write(Wire *wire, const uint8_t *p, size_t n);
/* Sends what was kept. Returns 1 if some of it is still left. */
int wire_flush(Wire *wire);
/* Sends close_notify and shuts down this side. The socket remains open for reading. */
void wire_shutdown(Wire *wire);
static inline size_t wire_unsent(const Wire *wire)
{
    return wire->unsent.n - wire->unsent_at;
}
/* Sends bytes without encrypting them, after those that were kept. */
int wire_send(Wire *wire, const uint8_t *p, size_t n);

/* ---- wire_tls.c, for a wire that has `ssl` ---- */

void wire_tls_init(Wire *wire, SSL_CTX *tls, bool client);
void wire_tls_deinit(Wire *wire);
int wire_tls_handshake(Wire *wire);
/* Decrypts wire->in. Returns 0 if all of it was consumed, 1 if the peer has sent close_notify, 2 if the
 * user has stopped reading. */
int wire_tls_read(Wire *wire, const WireUser *user, void *data);
int wire_tls_write(Wire *wire, const uint8_t *p, size_t n);
void wire_tls_shutdown(Wire *wire);
/* The protocol that was negotiated with ALPN, such as "h2", or empty. */
Bytes wire_tls_alpn(const Wire *wire);
/* Describes for a message why the handshake failed. */
void wire_tls_error(char *buf, size_t size);

#endif
