/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decides which peers may keep a connection. The number of connections is limited, and anybody who
 * can reach the server can open some, so the limits depend on whether the peer has authenticated:
 *
 *   unknown   no request on it was authenticated yet: new ones, and those of anonymous clients.
 *             They have at most `connections` less `reserve` places, and `per_address` of them for
 *             each remote address.
 *   known     the handler has said so (http_request_known). At most `known_per_address` for each
 *             remote address.
 *
 * A new connection is never refused because of these limits: the oldest one that counts against the
 * same limit makes room for it. So a flood from one address only pushes out itself, and a client
 * that authenticates with its first request is known long before it would be the oldest.
 *
 * Unix sockets and the loopback address are local users, who may need many: only the total limits
 * count for them.
 */
#include "http/internal.h"

#include "base/strmap.h"

/* The connections of one remote address. Lives while there are any. */
struct PeerAddress {
    char *text;
    ListNode unknown, known; /* of HttpConnection.of_address: oldest first */
    unsigned n_unknown, n_known;
};

static bool is_local(const HttpConnection *conn)
{
    return conn->address[0] == 0 || str_equal(conn->address, "127.0.0.1") ||
           str_equal(conn->address, "::1");
}

static PeerAddress *address_of(HttpServer *server, const char *text)
{
    PeerAddress *address = strmap_get(&server->addresses, text);

    if (address)
        return address;
    address = mem_new_type(PeerAddress);
    address->text = mem_strdup(text);
    list_init(&address->unknown);
    list_init(&address->known);
    strmap_put(&server->addresses, text, address);
    return address;
}

/* The oldest without a request, if there is one. */
static HttpConnection *oldest_idle(ListNode *list)
{
    LIST_EACH(list, node) {
        HttpConnection *conn = CONTAINER_OF(node, HttpConnection, of_address);

        if (conn->n_requests == 0)
            return conn;
    }
    return NULL;
}

static HttpConnection *oldest(ListNode *list)
{
    HttpConnection *idle = oldest_idle(list);

    return idle ? idle : CONTAINER_OF(list->next, HttpConnection, of_address);
}

void places_take(HttpConnection *conn)
{
    HttpServer *server = conn->server;
    const HttpLimits *limits = &server->limits;
    PeerAddress *address = address_of(server, conn->address);

    if (limits->per_address && address->n_unknown >= limits->per_address && !is_local(conn))
        conn_close(oldest(&address->unknown));
    if (limits->reserve && server->n_unknown >= limits->connections - limits->reserve)
        conn_close(CONTAINER_OF(server->unknown.next, HttpConnection, of_class));
    /* The address may have lost its last connection by that. */
    address = address_of(server, conn->address);
    list_append(&address->unknown, &conn->of_address);
    list_append(&server->unknown, &conn->of_class);
    address->n_unknown++;
    server->n_unknown++;
    conn->place = address;
}

void places_leave(HttpConnection *conn)
{
    HttpServer *server = conn->server;
    PeerAddress *address = TAKE_PTR(conn->place);

    if (!address)
        return;
    list_remove(&conn->of_address);
    list_remove(&conn->of_class);
    if (conn->known) {
        address->n_known--;
    } else {
        address->n_unknown--;
        server->n_unknown--;
    }
    if (address->n_known + address->n_unknown > 0)
        return;
    strmap_remove(&server->addresses, address->text);
    free(address->text);
    free(address);
}

HttpConnection *places_least(HttpServer *server)
{
    if (!server->limits.reserve)
        return NULL;
    if (!list_empty(&server->unknown))
        return CONTAINER_OF(server->unknown.next, HttpConnection, of_class);
    LIST_EACH(&server->known, node) {
        HttpConnection *conn = CONTAINER_OF(node, HttpConnection, of_class);

        if (conn->n_requests == 0)
            return conn;
    }
    return NULL;
}

void http_request_known(HttpRequest *pub)
{
    HttpConnection *conn = ((Request *)pub)->conn;
    HttpServer *server = ((Request *)pub)->server;
    unsigned most = server->limits.known_per_address;
    HttpConnection *idle;
    PeerAddress *address;

    if (!conn || conn->known || !conn->place)
        return;
    address = conn->place;
    if (most && address->n_known >= most && !is_local(conn)) {
        idle = oldest_idle(&address->known);
        if (!idle)
            return; /* remains one of the unknown, and among them one of the newest */
        conn_close(idle);
    }
    list_remove(&conn->of_address);
    list_remove(&conn->of_class);
    address->n_unknown--;
    server->n_unknown--;
    conn->known = true;
    address->n_known++;
    list_append(&address->known, &conn->of_address);
    list_append(&server->known, &conn->of_class);
}

void places_deinit(HttpServer *server)
{
    strmap_deinit(&server->addresses);
}
