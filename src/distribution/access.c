/* SPDX-License-Identifier: Apache-2.0 */
/* Who may use the registry, see distribution.h. */
#include "distribution/internal.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/socket.h>

#include "base/files/file.h"

#define PASSWORD_BYTES 24

/* ---- the user behind a connection ---- */

typedef struct DiagRequest {
    struct nlmsghdr head;
    struct inet_diag_req_v2 diag;
} DiagRequest;

static bool fill_address(struct inet_diag_req_v2 *diag, const char *address)
{
    if (inet_pton(AF_INET, address, diag->id.idiag_src) == 1) {
        diag->sdiag_family = AF_INET;
        diag->id.idiag_dst[0] = diag->id.idiag_src[0];
        return true;
    }
    diag->sdiag_family = AF_INET6;
    if (inet_pton(AF_INET6, address, diag->id.idiag_src) != 1)
        return false;
    memcpy(diag->id.idiag_dst, diag->id.idiag_src, sizeof(diag->id.idiag_dst));
    return true;
}

/* Asks the kernel for the socket at the other end, whose own address is the one that we listen on: 127.0.0.1 or ::1. */
static bool ask(int fd, DiagRequest *request, uid_t *ret)
{
    union {
        struct nlmsghdr head;
        char bytes[4096];
    } reply;
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    const struct inet_diag_msg *found;
    ssize_t n;

    if (sendto(fd, request, sizeof(*request), 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
        return false;
    n = recv(fd, &reply, sizeof(reply), MSG_DONTWAIT);
    if (n < (ssize_t)NLMSG_LENGTH(sizeof(*found)) || !NLMSG_OK(&reply.head, (unsigned)n) ||
        reply.head.nlmsg_type != SOCK_DIAG_BY_FAMILY)
        return false;
    found = NLMSG_DATA(&reply.head);
    if (found->id.idiag_sport != request->diag.id.idiag_sport ||
        found->id.idiag_dport != request->diag.id.idiag_dport || found->idiag_inode == 0)
        return false;
    *ret = found->idiag_uid;
    return true;
}

static bool find_user(const Distribution *d, const HttpPeer *peer, uid_t *ret)
{
    DiagRequest request = {
        .head = {.nlmsg_len = sizeof(request),
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST},
        .diag = {.sdiag_protocol = IPPROTO_TCP, .idiag_states = 1u << TCP_ESTABLISHED}};
    _close_fd_ int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

    if (fd < 0 || !peer->address || !fill_address(&request.diag, peer->address))
        return false;
    request.diag.id.idiag_sport = htons(peer->port);
    request.diag.id.idiag_dport = htons(http_server_port(d->http));
    request.diag.id.idiag_cookie[0] = request.diag.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    return ask(fd, &request, ret);
}

/* The connection remembers the answer. */
enum { KNOWN_NOT = 0, KNOWN_ALLOWED, KNOWN_DENIED };

static bool is_allowed_user(const Distribution *d, HttpPeer *peer)
{
    uid_t user;

    if (!peer->user) {
        bool allowed = !d->password_always && find_user(d, peer, &user) &&
                       (user == 0 || user == geteuid() || user == d->user);

        peer->user = (void *)(uintptr_t)(allowed ? KNOWN_ALLOWED : KNOWN_DENIED);
    }
    return (uintptr_t)peer->user == KNOWN_ALLOWED;
}

/* ---- the password ---- */

int access_load_password(Distribution *d, Err *reterr)
{
    _free_ char *path = mem_printf("%s/password", d->dir), *text = NULL;
    uint8_t bytes[PASSWORD_BYTES];
    int r;

    if (file_read(path, 256, &text, NULL) >= 0 && strlen(text) >= PASSWORD_BYTES) {
        text[strcspn(text, "\n")] = 0;
        d->password = TAKE_PTR(text);
        return 0;
    }
    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return err_set(reterr, 0, "there are no random bytes");
    d->password = mem_new(PASSWORD_BYTES * 2 + 1);
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(d->password + 2 * i, 3, "%02x", bytes[i]);
    r = file_write_atomic(path, d->password, strlen(d->password), 0600);
    return r < 0 ? err_set(reterr, -r, "write %s", path) : 0;
}

/* "Basic BASE64", of "user:password". */
static bool has_password(const Distribution *d, const HttpRequest *request)
{
    const char *header = http_header(request, "authorization"), *given;
    uint8_t text[1024];
    size_t n = header ? strlen(header) : 0, expected = strlen(d->password);
    int decoded;

    if (n < 6 || n > 1000 || strncasecmp(header, "Basic ", 6) != 0)
        return false;
    decoded = EVP_DecodeBlock(text, (const unsigned char *)header + 6, (int)n - 6);
    if (decoded <= 0)
        return false;
    text[decoded] = 0;
    given = strchr((const char *)text, ':');
    return given && strlen(given + 1) == expected &&
           CRYPTO_memcmp(given + 1, d->password, expected) == 0;
}

/* ---- both ---- */

/* The name under which the peer reached us has to be one of loopback: a web page of another name could otherwise be rebound to this
 * address. */
static bool is_loopback_name(const Distribution *d, const char *authority)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};

    for (size_t i = 0; authority && i < ARRAY_LEN(names); i++) {
        size_t n = strlen(names[i]);

        if (strncasecmp(authority, names[i], n) == 0 && str_equal(authority + n, d->port))
            return true;
    }
    return str_equal(authority, d->host);
}

bool access_check(Distribution *d, HttpRequest *request)
{
    if (http_header(request, "origin") || http_header(request, "sec-fetch-site") ||
        !is_loopback_name(d, request->authority)) {
        answer_error(request, 403, "DENIED", "web pages may not use this registry");
        return false;
    }
    if (is_allowed_user(d, request->peer) || has_password(d, request)) {
        http_request_known(request);
        return true;
    }
    http_add_header(request, "www-authenticate", "Basic realm=\"stead\"");
    answer_error(request, 401, "UNAUTHORIZED",
                 "log in with the password in the file images/pushed/password of stead's data "
                 "folder, which root can read");
    return false;
}
