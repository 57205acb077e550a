/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes the place of tls.c and wire_tls.c in a program that serves plain HTTP alone, so that it is
 * linked without OpenSSL. Nothing here is ever reached: no wire has `ssl` where no context is made.
 */
#include "http/internal.h"

void http_server_set_tls(HttpServer *server, SSL_CTX *tls)
{
    ASSERT(!tls);
}

void tls_peer(SSL *ssl, HttpPeer *peer, Arena *arena)
{
    ASSERT(false);
}

void wire_tls_init(Wire *wire, SSL_CTX *tls, bool client)
{
    ASSERT(false);
}

void wire_tls_deinit(Wire *wire)
{
    ASSERT(false);
}

int wire_tls_handshake(Wire *wire)
{
    return ERR_ORIGIN(-ENOTSUP);
}

int wire_tls_read(Wire *wire, const WireUser *user, void *data)
{
    return ERR_ORIGIN(-ENOTSUP);
}

int wire_tls_write(Wire *wire, const uint8_t *p, size_t n)
{
    return ERR_ORIGIN(-ENOTSUP);
}

void wire_tls_shutdown(Wire *wire)
{
    ASSERT(false);
}

Bytes wire_tls_alpn(const Wire *wire)
{
    return BYTES_NULL;
}
