/* SPDX-License-Identifier: Apache-2.0 */
/* The byte level of a connection. See wire.h. */
#include "http/wire.h"

#include <sys/socket.h>

#include "base/error.h"

/* A peer that leaves this many bytes of handshake and key update messages unread is treated as an attack
 * rather than as a slow reader. */
#define UNSENT_MAX (4u * 1024 * 1024)
/* How many full buffers are read from one connection before other connections get their turn. */
#define READS_IN_A_ROW 4

static _Thread_local uint8_t socket_buffer[WIRE_READ_SIZE];
static _Thread_local WireStage stage;

WireStage *wire_stage(void)
{
    return &stage;
}

void wire_init(Wire *wire, int fd, SSL_CTX *tls, bool client)
{
    *wire = (Wire){.fd = fd, .handshaken = !tls};
    if (tls)
        wire_tls_init(wire, tls, client);
}

void wire_deinit(Wire *wire)
{
    if (wire->ssl)
        wire_tls_deinit(wire);
    close_fdp(&wire->fd);
    strbuf_deinit(&wire->unsent);
}

static int send_some(Wire *wire, const uint8_t *p, size_t n, size_t *ret_sent)
{
    ssize_t r;

    *ret_sent = 0;
    if (wire->sink) {
        *ret_sent = wire->sink_full ? 0 : n;
        strbuf_add(wire->sink, p, *ret_sent);
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

int wire_send(Wire *wire, const uint8_t *p, size_t n)
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
    return wire->ssl ? wire_tls_write(wire, p, n) : wire_send(wire, p, n);
}

int wire_start(Wire *wire)
{
    return wire->ssl ? wire_tls_handshake(wire) : 0;
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
            r = wire_tls_read(wire, user, data);
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
    if (wire->ssl && wire->handshaken)
        wire_tls_shutdown(wire);
    if (wire->fd >= 0 && wire_unsent(wire) == 0)
        shutdown(wire->fd, SHUT_WR);
}
