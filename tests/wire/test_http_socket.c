/* SPDX-License-Identifier: Apache-2.0 */
/* Server and client over real sockets of the loopback interface: TLS, certificates, time limits,
 * draining. */
#include "testing.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "http/client/client.h"
#include "http_testing.h"

typedef struct Fixture {
    Testing t; /* first */
    struct ssl_ctx_st *server_tls, *client_tls;
    char *ca, *certificate, *key, *client_certificate, *client_key, *stranger, *stranger_key;
    char path[64];
    /* The last answer. */
    int error, status, calls;
    StrBuf body, headers, pieces;
    bool drained;
    /* What the handler has seen of the peer. */
    char peer[200];
} Fixture;

/* ---- certificates made here ---- */

static char *bio_text(BIO *bio)
{
    char *p;
    long n = BIO_get_mem_data(bio, &p);
    char *text = mem_strndup(p, (size_t)n);

    BIO_free(bio);
    return text;
}

static X509 *make_certificate(EVP_PKEY *key, const char *cn, const char *o, X509 *issuer,
                              EVP_PKEY *issuer_key)
{
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);
    X509V3_CTX context;
    X509_EXTENSION *extension;
    static long serial;

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0);
    if (o)
        X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)o, -1, -1, 0);
    if (o)
        X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"second", -1,
                                   -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(issuer ? issuer : cert));
    X509_set_pubkey(cert, key);
    X509V3_set_ctx(&context, issuer ? issuer : cert, cert, NULL, NULL, 0);
    extension =
        X509V3_EXT_conf_nid(NULL, &context, issuer ? NID_subject_alt_name : NID_basic_constraints,
                            issuer ? "DNS:stead.test,IP:127.0.0.1" : "critical,CA:TRUE");
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
    X509_sign(cert, issuer_key ? issuer_key : key, EVP_sha256());
    return cert;
}

static char *certificate_pem(X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());

    PEM_write_bio_X509(bio, cert);
    return bio_text(bio);
}

static char *key_pem(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());

    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    return bio_text(bio);
}

static void make_certificates(Fixture *f)
{
    EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256"),
             *client_key = EVP_EC_gen("P-256");
    X509 *ca = make_certificate(ca_key, "test-ca", NULL, NULL, NULL);
    X509 *server = make_certificate(key, "server", NULL, ca, ca_key);
    X509 *client = make_certificate(client_key, "alice", "admins", ca, ca_key);
    X509 *stranger = make_certificate(client_key, "mallory", "admins", NULL, NULL);

    f->ca = certificate_pem(ca);
    f->certificate = certificate_pem(server);
    f->key = key_pem(key);
    f->client_certificate = certificate_pem(client);
    f->client_key = key_pem(client_key);
    f->stranger = certificate_pem(stranger);
    X509_free(ca);
    X509_free(server);
    X509_free(client);
    X509_free(stranger);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
    EVP_PKEY_free(client_key);
}

/* ---- the fixture ---- */

static void (*plain_on_request)(void *data, HttpRequest *request);

static void on_request(void *data, HttpRequest *request)
{
    Fixture *f = data;
    const HttpPeer *peer = request->peer;

    snprintf(f->peer, sizeof(f->peer), "%s %s%s", str_or(peer->common_name, "-"),
             peer->certificate_bad ? "bad" : "ok", peer->address);
    for (size_t i = 0; i < peer->n_organizations; i++) {
        size_t n = strlen(f->peer);

        snprintf(f->peer + n, sizeof(f->peer) - n, " %s", peer->organizations[i]);
    }
    plain_on_request(data, request);
}

static int begin(void **state)
{
    Fixture *f = mem_new_type(Fixture);

    testing_begin(&f->t);
    plain_on_request = f->t.options.handler.on_request;
    f->t.options.handler.on_request = on_request;
    snprintf(f->path, sizeof(f->path), "/tmp/stead-http-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    *state = f;
    return 0;
}

static int end(void **state)
{
    Fixture *f = *state;

    testing_end(&f->t);
    http_tls_free(f->server_tls);
    http_tls_free(f->client_tls);
    free(f->ca);
    free(f->certificate);
    free(f->key);
    free(f->client_certificate);
    free(f->client_key);
    free(f->stranger);
    strbuf_deinit(&f->body);
    strbuf_deinit(&f->headers);
    strbuf_deinit(&f->pieces);
    assert_int_equal(rmdir(f->path), 0);
    free(f);
    return 0;
}

static void serve(Fixture *f, const char *address)
{
    Err err = ERR_INIT;

    testing_server(&f->t);
    if (http_server_listen(f->t.server, address, &err) < 0)
        fail_msg("%s", err.message);
}

static void serve_tls(Fixture *f)
{
    Err err = ERR_INIT;

    make_certificates(f);
    assert_int_equal(http_tls_server(f->certificate, f->key, f->ca, &f->server_tls, &err), 0);
    f->t.options.tls = f->server_tls;
    serve(f, "127.0.0.1:0");
}

static void client_tls(Fixture *f, const char *certificate, const char *key)
{
    Err err = ERR_INIT;

    http_tls_free(f->client_tls);
    f->client_tls = NULL;
    assert_int_equal(http_tls_client(f->ca, certificate, key, &f->client_tls, &err), 0);
}

static void on_done(void *data, const HttpClientResponse *response)
{
    Fixture *f = data;

    f->calls++;
    f->error = response->error;
    f->status = response->status;
    strbuf_truncate(&f->body, 0);
    strbuf_truncate(&f->headers, 0);
    if (response->error)
        strbuf_add_string(&f->body, response->error_text);
    else
        strbuf_add(&f->body, response->body.p, response->body.n);
    for (size_t i = 0; i < response->n_headers; i++)
        strbuf_printf(&f->headers, "%s=%s\n", response->headers[i].name,
                      response->headers[i].value);
}

static void on_piece(void *data, int status _unused_, Bytes piece)
{
    Fixture *f = data;

    strbuf_add(&f->pieces, piece.p, piece.n);
    strbuf_add_char(&f->pieces, '|');
}

static void wait_for(Fixture *f, int calls)
{
    while (f->calls < calls)
        uv_run(&f->t.loop, UV_RUN_ONCE);
}

static HttpClientRequest get(Fixture *f, const char *path)
{
    return (HttpClientRequest){.address = "127.0.0.1",
                               .port = http_server_port(f->t.server),
                               .path = path,
                               .tls = f->client_tls,
                               .server_name = f->client_tls ? "stead.test" : NULL,
                               .timeout_ns = INT64_C(20000000000)};
}

static void call(Fixture *f, const HttpClientRequest *request)
{
    int before = f->calls;

    http_call(&f->t.loop, request, NULL, on_done, f);
    wait_for(f, before + 1);
}

/* ---- tests ---- */

static void a_plain_call_brings_status_headers_and_body(void **state)
{
    Fixture *f = *state;
    HttpClientRequest request;
    const HttpHeader header = {"X-A", "one"};

    serve(f, "127.0.0.1:0");
    request = get(f, "/hello?x=1");
    call(f, &request);
    assert_int_equal(f->error, 0);
    assert_int_equal(f->status, 200);
    assert_string_equal(strbuf_string(&f->body), "hello\n");
    assert_string_equal(strbuf_string(&f->headers),
                        "content-type=text/plain\ncontent-length=6\nconnection=close\n");
    assert_string_equal(f->peer, "- ok127.0.0.1");
    request.path = "/echo";
    request.method = "POST";
    request.headers = &header;
    request.n_headers = 1;
    request.body = BYTES_LITERAL("there and back");
    call(f, &request);
    assert_string_equal(strbuf_string(&f->body), "there and back");
    request = get(f, "/stream");
    call(f, &request);
    assert_string_equal(strbuf_string(&f->body), "onetwo");
    request.body_limit = 4;
    call(f, &request);
    assert_string_equal(strbuf_string(&f->body), "onet");
    request = get(f, "/hello");
    request.method = "HEAD";
    call(f, &request);
    assert_int_equal(f->status, 200);
    assert_int_equal(f->body.n, 0);
}

static void a_call_over_tls_knows_the_server_and_is_known(void **state)
{
    Fixture *f = *state;
    HttpClientRequest request;
    _free_ uint8_t *big = mem_new(2 * 1024 * 1024);

    serve_tls(f);
    client_tls(f, f->client_certificate, f->client_key);
    request = get(f, "/hello");
    call(f, &request);
    assert_string_equal(strbuf_string(&f->body), "hello\n");
    assert_string_equal(f->peer, "alice ok127.0.0.1 admins second");
    request.server_name = "127.0.0.1";
    call(f, &request);
    assert_int_equal(f->error, 0);
    for (size_t i = 0; i < 2 * 1024 * 1024; i++)
        big[i] = (uint8_t)(i * 31 + i / 255);
    request.path = "/echo";
    request.method = "PUT";
    request.body = (Bytes){big, 2 * 1024 * 1024};
    call(f, &request);
    assert_int_equal(f->body.n, 2 * 1024 * 1024);
    assert_memory_equal(f->body.p, big, f->body.n);
}

static void another_servers_certificate_is_refused(void **state)
{
    Fixture *f = *state;
    HttpClientRequest request;

    serve_tls(f);
    client_tls(f, NULL, NULL);
    request = get(f, "/hello");
    request.server_name = "other.test";
    call(f, &request);
    assert_true(f->error < 0);
    assert_non_null(strstr(strbuf_string(&f->body), "ostname"));
    request.server_name = "stead.test";
    call(f, &request);
    assert_int_equal(f->error, 0);
    assert_string_equal(f->peer, "- ok127.0.0.1");
}

static void a_strange_client_certificate_is_marked_not_refused(void **state)
{
    Fixture *f = *state;
    HttpClientRequest request;

    serve_tls(f);
    client_tls(f, f->stranger, f->client_key);
    request = get(f, "/hello");
    call(f, &request);
    assert_int_equal(f->status, 200);
    assert_string_equal(f->peer, "mallory bad127.0.0.1 admins second");
}

static void plain_bytes_to_a_tls_port_end_the_connection(void **state)
{
    Fixture *f = *state;
    HttpClientRequest request;

    serve_tls(f);
    request = get(f, "/hello");
    call(f, &request);
    assert_true(f->error < 0);
    assert_int_equal(f->t.requests, 0);
}

static void a_refused_connection_says_so(void **state)
{
    Fixture *f = *state;
    HttpClientRequest request;
    _close_fd_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(address);

    serve(f, "127.0.0.1:0");
    assert_int_equal(bind(fd, (struct sockaddr *)&address, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &n), 0);
    request = get(f, "/");
    request.port = ntohs(address.sin_port);
    call(f, &request);
    assert_int_equal(f->error, -ECONNREFUSED);
    assert_string_equal(strbuf_string(&f->body), "connection refused");
    request.address = "nonsense";
    call(f, &request);
    assert_int_equal(f->error, -EINVAL);
}

static void a_call_past_its_time_ends(void **state)
{
    Fixture *f = *state;
    HttpClientRequest request;

    serve(f, "127.0.0.1:0");
    request = get(f, "/later");
    request.timeout_ns = 50 * 1000000;
    call(f, &request);
    assert_int_equal(f->error, -ETIMEDOUT);
    assert_string_equal(strbuf_string(&f->body), "timed out waiting for the answer");
    /* The server finds out when it answers. */
    http_respond(f->t.later, 200, NULL, BYTES_LITERAL("late"));
    while (f->t.closed == 0)
        uv_run(&f->t.loop, UV_RUN_ONCE);
}

static void a_cancelled_call_is_silent(void **state)
{
    Fixture *f = *state;
    HttpClientRequest request;
    HttpCall *cancelled;

    serve(f, "127.0.0.1:0");
    request = get(f, "/later");
    cancelled = http_call(&f->t.loop, &request, NULL, on_done, f);
    while (!f->t.later)
        uv_run(&f->t.loop, UV_RUN_ONCE);
    http_stream_begin(f->t.later, 200, NULL);
    http_call_cancel(cancelled);
    while (f->t.closed == 0)
        uv_run(&f->t.loop, UV_RUN_ONCE);
    assert_int_equal(f->calls, 0);
}

static void a_stream_comes_piece_by_piece(void **state)
{
    Fixture *f = *state;
    HttpClientRequest request;

    serve_tls(f);
    client_tls(f, NULL, NULL);
    request = get(f, "/later");
    http_call(&f->t.loop, &request, on_piece, on_done, f);
    while (!f->t.later)
        uv_run(&f->t.loop, UV_RUN_ONCE);
    http_stream_begin(f->t.later, 200, "application/json");
    http_stream_write(f->t.later, BYTES_LITERAL("one"));
    while (f->pieces.n < 4)
        uv_run(&f->t.loop, UV_RUN_ONCE);
    http_stream_write(f->t.later, BYTES_LITERAL("two"));
    while (f->pieces.n < 8)
        uv_run(&f->t.loop, UV_RUN_ONCE);
    http_stream_end(f->t.later);
    wait_for(f, 1);
    assert_string_equal(strbuf_string(&f->pieces), "one|two|");
    assert_int_equal(f->error, 0);
}

static void unix_sockets_work_too(void **state)
{
    Fixture *f = *state;
    HttpClientRequest request;
    char address[100];

    snprintf(address, sizeof(address), "unix:%s/socket", f->path);
    serve(f, address);
    request = get(f, "/hello");
    request.address = address;
    call(f, &request);
    assert_string_equal(strbuf_string(&f->body), "hello\n");
}

static void every_address_is_listened_on(void **state)
{
    Fixture *f = *state;
    HttpClientRequest request;

    serve(f, ":0");
    request = get(f, "/hello");
    call(f, &request);
    assert_string_equal(strbuf_string(&f->body), "hello\n");
    assert_string_equal(f->peer, "- ok127.0.0.1");
}

static void a_socket_of_another_namespace_does_not_reach_ours(void **state)
{
    Fixture *f = *state;
    HttpClientRequest request;
    char netns[64];
    int up[2], down[2];
    pid_t child;
    char c = 0;

    assert_int_equal(pipe(up) | pipe(down), 0);
    child = fork();
    if (child == 0) {
        /* An empty network namespace, as long as the parent needs it. */
        c = unshare(CLONE_NEWNET) == 0 ? 'y' : 'n';
        close(down[1]);
        (void)!write(up[1], &c, 1);
        (void)!read(down[0], &c, 1);
        _exit(0);
    }
    assert_int_equal(read(up[0], &c, 1), 1);
    serve(f, "127.0.0.1:0");
    request = get(f, "/hello");
    snprintf(netns, sizeof(netns), "/proc/%d/ns/net", (int)child);
    request.netns = netns;
    if (c == 'y') {
        call(f, &request);
        assert_int_equal(f->error, -ENETUNREACH);
    }
    request.netns = "/proc/self/ns/net";
    call(f, &request);
    assert_int_equal(f->status, c == 'y' ? 200 : f->status);
    request.netns = "/nonexistent";
    call(f, &request);
    assert_int_equal(f->error, -ENOENT);
    close(up[0]);
    close(up[1]);
    close(down[0]);
    close(down[1]);
    waitpid(child, NULL, 0);
}

static int open_connection(Fixture *f)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons(http_server_port(f->t.server))};

    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* Runs the loop until the server has closed this connection; true: after some bytes. */
static size_t read_to_end(Fixture *f, int fd)
{
    char buf[4096];
    size_t all = 0;

    for (;;) {
        ssize_t n = read(fd, buf, sizeof(buf));

        if (n > 0)
            all += (size_t)n;
        else if (n == 0 || errno != EAGAIN)
            return all;
        else
            uv_run(&f->t.loop, UV_RUN_ONCE);
    }
}

static void slow_heads_end_in_time(void **state)
{
    Fixture *f = *state;
    int fd;

    f->t.options.limits.head_timeout_ns = 60 * 1000000;
    serve(f, "127.0.0.1:0");
    fd = open_connection(f);
    assert_int_equal(read_to_end(f, fd), 0);
    close(fd);
    fd = open_connection(f);
    say(fd, "GET /hello HTTP/1.1\r\nHost:");
    assert_int_equal(read_to_end(f, fd), 0);
    close(fd);
    assert_int_equal(f->t.closed, 0);
}

/* The head has all the time it may want, so that a busy machine does not end it in the body's stead. */
static void slow_bodies_end_in_time(void **state)
{
    Fixture *f = *state;
    int fd;

    f->t.options.limits.body_timeout_ns = 60 * 1000000;
    serve(f, "127.0.0.1:0");
    fd = open_connection(f);
    say(fd, "POST /echo HTTP/1.1\r\nHost:x\r\nContent-Length: 2\r\n\r\nx");
    assert_int_equal(read_to_end(f, fd), 0);
    close(fd);
    assert_int_equal(f->t.closed, 1);
    assert_int_equal(f->t.failed, 1);
}

static void a_full_socket_holds_the_rest_back(void **state)
{
    Fixture *f = *state;
    const size_t n = 16 * 1024 * 1024;
    _free_ uint8_t *big = mem_new(n);
    int fd;
    size_t pending;

    serve(f, "127.0.0.1:0");
    fd = open_connection(f);
    say(fd, "GET /later HTTP/1.1\r\nHost:x\r\n\r\n");
    while (!f->t.later)
        uv_run(&f->t.loop, UV_RUN_ONCE);
    http_stream_begin(f->t.later, 200, NULL);
    http_stream_write(f->t.later, (Bytes){big, n});
    for (int i = 0; i < 5; i++)
        uv_run(&f->t.loop, UV_RUN_NOWAIT);
    pending = http_stream_pending(f->t.later);
    assert_true(pending > 0 && pending < n);
    assert_int_equal(f->t.drained, 0);
    http_stream_end(f->t.later);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    assert_true(read_to_end(f, fd) > n);
    close(fd);
    assert_int_equal(f->t.failed, 0);
}

static void too_much_for_a_reader_that_does_not_read_ends_it(void **state)
{
    Fixture *f = *state;
    const size_t n = 8 * 1024 * 1024;
    _free_ uint8_t *big = mem_new(n);
    int fd;

    serve(f, "127.0.0.1:0");
    fd = open_connection(f);
    say(fd, "GET /later HTTP/1.1\r\nHost:x\r\n\r\n");
    while (!f->t.later)
        uv_run(&f->t.loop, UV_RUN_ONCE);
    http_stream_begin(f->t.later, 200, NULL);
    for (int i = 0; i < 20 && f->t.closed == 0; i++) {
        http_stream_write(f->t.later, (Bytes){big, n});
        uv_run(&f->t.loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(f->t.closed, 1);
    assert_int_equal(f->t.failed, 1);
    close(fd);
}

static void on_drained(void *data)
{
    Fixture *f = data;

    f->drained = true;
}

static void drain_answers_then_closes(void **state)
{
    Fixture *f = *state;
    HttpClientRequest request;
    int idle;

    serve_tls(f);
    client_tls(f, NULL, NULL);
    request = get(f, "/later");
    http_call(&f->t.loop, &request, NULL, on_done, f);
    idle = open_connection(f);
    while (!f->t.later)
        uv_run(&f->t.loop, UV_RUN_ONCE);
    http_server_drain(f->t.server, INT64_C(20000000000), on_drained, f);
    uv_run(&f->t.loop, UV_RUN_NOWAIT);
    assert_false(f->drained);
    http_respond(f->t.later, 200, NULL, BYTES_LITERAL("last"));
    while (!f->drained)
        uv_run(&f->t.loop, UV_RUN_ONCE);
    wait_for(f, 1);
    assert_string_equal(strbuf_string(&f->body), "last");
    close(idle);
    request = get(f, "/hello");
    call(f, &request);
    assert_int_equal(f->error, -ECONNREFUSED);
}

/* What it said lies in the socket, or in the queue of those not yet accepted. */
static void drain_answers_who_came_before_it(void **state)
{
    enum { N = 100 };
    Fixture *f = *state;
    int fds[N];

    serve(f, "127.0.0.1:0");
    for (size_t i = 0; i < N; i++) {
        fds[i] = open_connection(f);
        say(fds[i], "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    http_server_drain(f->t.server, INT64_C(20000000000), on_drained, f);
    while (!f->drained)
        uv_run(&f->t.loop, UV_RUN_ONCE);
    for (size_t i = 0; i < N; i++) {
        assert_true(read_to_end(f, fds[i]) > 0);
        close(fds[i]);
    }
}

static void drain_waits_for_no_client_that_has_its_answer(void **state)
{
    static const char *const said[] = {
        "",                                             /* nothing */
        "GET /hel",                                     /* half a head */
        "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n",       /* idle after its answer */
        "GET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /h", /* half a head behind an answer */
    };
    Fixture *f = *state;
    int fds[ARRAY_LEN(said)];
    int64_t begin;

    serve(f, "127.0.0.1:0");
    for (size_t i = 0; i < ARRAY_LEN(said); i++) {
        fds[i] = open_connection(f);
        say(fds[i], said[i]);
    }
    while (f->t.closed < 2)
        uv_run(&f->t.loop, UV_RUN_ONCE);
    begin = (int64_t)uv_hrtime();
    http_server_drain(f->t.server, INT64_C(20000000000), on_drained, f);
    while (!f->drained)
        uv_run(&f->t.loop, UV_RUN_ONCE);
    /* Half of the time after which it would close them in any case. */
    assert_true((int64_t)uv_hrtime() - begin < INT64_C(10000000000));
    EACH_ROW(i, said, said[i]) {
        assert_int_equal(read_to_end(f, fds[i]) > 0, i >= 2);
        close(fds[i]);
    }
}

static void drain_does_not_wait_longer_than_told(void **state)
{
    Fixture *f = *state;
    HttpClientRequest request;

    serve(f, "127.0.0.1:0");
    request = get(f, "/later");
    http_call(&f->t.loop, &request, NULL, on_done, f);
    while (!f->t.later)
        uv_run(&f->t.loop, UV_RUN_ONCE);
    http_server_drain(f->t.server, 30 * 1000000, on_drained, f);
    while (!f->drained)
        uv_run(&f->t.loop, UV_RUN_ONCE);
    assert_int_equal(f->t.failed, 1);
    wait_for(f, 1);
    assert_int_equal(f->error, -ECONNRESET);
}

static void new_certificates_serve_new_connections(void **state)
{
    Fixture *f = *state;
    HttpClientRequest request;
    struct ssl_ctx_st *old;
    Err err = ERR_INIT;

    serve_tls(f);
    client_tls(f, NULL, NULL);
    request = get(f, "/later");
    http_call(&f->t.loop, &request, NULL, on_done, f);
    while (!f->t.later)
        uv_run(&f->t.loop, UV_RUN_ONCE);
    old = f->server_tls;
    assert_int_equal(http_tls_server(f->certificate, f->key, NULL, &f->server_tls, &err), 0);
    http_server_set_tls(f->t.server, f->server_tls);
    http_tls_free(old);
    http_respond(f->t.later, 200, NULL, BYTES_LITERAL("old"));
    wait_for(f, 1);
    assert_string_equal(strbuf_string(&f->body), "old");
    request = get(f, "/hello");
    call(f, &request);
    assert_string_equal(strbuf_string(&f->body), "hello\n");
}

static void bad_certificates_are_told_to_people(void **state)
{
    Fixture *f = *state;
    struct ssl_ctx_st *tls = NULL;
    Err err = ERR_INIT;

    serve(f, "127.0.0.1:0");
    make_certificates(f);
    assert_true(http_tls_server("nonsense", f->key, NULL, &tls, &err) < 0);
    assert_true(str_starts_with(err.message, "server certificate: "));
    assert_true(http_tls_server(f->certificate, f->client_key, NULL, &tls, &err) < 0);
    assert_true(str_starts_with(err.message, "server key: "));
    assert_true(http_tls_server(f->certificate, f->key, "", &tls, &err) < 0);
    assert_true(str_starts_with(err.message, "client CA: "));
    assert_true(http_server_listen(f->t.server, "127.0.0.1", &err) < 0);
    assert_true(http_server_listen(f->t.server, "host:80", &err) < 0);
    assert_true(http_server_listen(f->t.server, "127.0.0.1:66000", &err) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_plain_call_brings_status_headers_and_body, begin, end),
        cmocka_unit_test_setup_teardown(a_call_over_tls_knows_the_server_and_is_known, begin, end),
        cmocka_unit_test_setup_teardown(another_servers_certificate_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(a_strange_client_certificate_is_marked_not_refused, begin,
                                        end),
        cmocka_unit_test_setup_teardown(plain_bytes_to_a_tls_port_end_the_connection, begin, end),
        cmocka_unit_test_setup_teardown(a_refused_connection_says_so, begin, end),
        cmocka_unit_test_setup_teardown(a_call_past_its_time_ends, begin, end),
        cmocka_unit_test_setup_teardown(a_cancelled_call_is_silent, begin, end),
        cmocka_unit_test_setup_teardown(a_stream_comes_piece_by_piece, begin, end),
        cmocka_unit_test_setup_teardown(unix_sockets_work_too, begin, end),
        cmocka_unit_test_setup_teardown(every_address_is_listened_on, begin, end),
        cmocka_unit_test_setup_teardown(a_socket_of_another_namespace_does_not_reach_ours, begin,
                                        end),
        cmocka_unit_test_setup_teardown(slow_heads_end_in_time, begin, end),
        cmocka_unit_test_setup_teardown(slow_bodies_end_in_time, begin, end),
        cmocka_unit_test_setup_teardown(a_full_socket_holds_the_rest_back, begin, end),
        cmocka_unit_test_setup_teardown(too_much_for_a_reader_that_does_not_read_ends_it, begin,
                                        end),
        cmocka_unit_test_setup_teardown(drain_answers_then_closes, begin, end),
        cmocka_unit_test_setup_teardown(drain_answers_who_came_before_it, begin, end),
        cmocka_unit_test_setup_teardown(drain_waits_for_no_client_that_has_its_answer, begin, end),
        cmocka_unit_test_setup_teardown(drain_does_not_wait_longer_than_told, begin, end),
        cmocka_unit_test_setup_teardown(new_certificates_serve_new_connections, begin, end),
        cmocka_unit_test_setup_teardown(bad_certificates_are_told_to_people, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
