/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replaces tls.c and wire_tls.c in a program that only serves plain HTTP, so that it is linked without
 * OpenSSL. The functions are never called: without a TLS context, no wire has `ssl`.
 */
#include "http/internal.h"

void http_server_set_tls(HttpServer *server _unused_, SSL_CTX *tls)
{
    ASSERT(!tls);
}

void tls_peer(SSL *ssl _unused_, HttpPeer *peer _unused_, Arena *arena _unused_)
{
    ASSERT(false);
}

void wire_tls_init(Wire *wire _unused_, SSL_CTX *tls _unused_, bool client _unused_)
{
    ASSERT(false);
}

void wire_tls_deinit(Wire *wire _unused_)
{
    ASSERT(false);
}

int wire_tls_handshake(Wire *wire _unused_)
{
    return ERR_ORIGIN(-ENOTSUP);
}

int wire_tls_read(Wire *wire _unused_, const WireUser *user _unused_, void *data _unused_)
{
    return ERR_ORIGIN(-ENOTSUP);
}

int wire_tls_write(Wire *wire _unused_, const uint8_t *p _unused_, size_t n _unused_)
{
    return ERR_ORIGIN(-ENOTSUP);
}

void wire_tls_shutdown(Wire *wire _unused_)
{
    ASSERT(false);
}

Bytes wire_tls_alpn(const Wire *wire _unused_)
{
    return BYTES_NULL;
}
