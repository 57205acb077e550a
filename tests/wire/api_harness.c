/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "api_harness.h"

#include "base/strbuf.h"

#define TURNS 64

static void start_on(Api *api, ServerOptions server_options)
{
    static const char *const masters[] = {"system:masters"};
    HttpPeer peer = {.common_name = "kubernetes-admin",
                     .organizations = masters,
                     .n_organizations = 1,
                     .address = "127.0.0.1"};
    HttpServerOptions options = {.limits = http_limits_default};
    StoreEngine *engine;
    Err err = ERR_INIT;

    api->clock = clock_new_fake(API_EPOCH * NS_PER_SEC);
    random_seed(&api->random, 1);
    api->state = memory_state_new();
    assert_int_equal(engine_memory_open(api->state, &engine), 0);
    if (store_open(&api->loop, engine, 1000, &api->store, &err) < 0)
        fail_msg("%s", err.message);
    server_options.loop = &api->loop;
    server_options.store = api->store;
    server_options.clock = api->clock;
    server_options.random = &api->random;
    server_options.service_cidr = str_or(server_options.service_cidr, "10.96.0.0/12");
    server_options.node_name = "node-1";
    server_options.external_address = "127.0.0.1:6443";
    server_options.anonymous = true;
    if (server_new(&server_options, &api->server, &err) < 0)
        fail_msg("%s", err.message);
    options.handler = server_http_handler(api->server);
    api->http = http_server_new(&api->loop, &options);
    api->admin = http_loopback_new(api->http, &peer);
    api->client = server_client(api->server, "test");
    api_settle(api);
    server_set_ready(api->server, true);
}

void api_start_on(Api *api, const ServerOptions *options)
{
    start_on(api, *options);
}

static void start(Api *api, ServerOptions options)
{
    *api = (Api){0};
    uv_loop_init(&api->loop);
    start_on(api, options);
}

void api_start(Api *api, PodStreams *streams)
{
    start(api, (ServerOptions){.streams = streams});
}

void api_start_in(Api *api, PodStreams *streams, const char *service_cidr)
{
    start(api, (ServerOptions){.streams = streams, .service_cidr = service_cidr});
}

void api_start_with(Api *api, const Pki *pki)
{
    start(api, (ServerOptions){.pki = pki});
}

void api_stop(Api *api)
{
    if (!api->abrupt)
        api_settle(api);
    http_loopback_free(api->admin);
    http_server_free(api->http);
    server_free(api->server);
    store_close(api->store);
    memory_state_free(api->state);
    yyjson_doc_free(api->json);
    free(api->head);
    free(api->body);
    for (int i = 0; i < TURNS && uv_run(&api->loop, UV_RUN_ONCE); i++)
        ;
    clock_free_fake(api->clock);
    assert_int_equal(uv_loop_close(&api->loop), 0);
}

HttpLoopback *api_connect(Api *api, const char *who)
{
    HttpPeer peer = {.common_name = who, .address = "127.0.0.1"};

    return http_loopback_new(api->http, &peer);
}

void api_settle(Api *api)
{
    for (int i = 0; i < 4; i++) {
        while (server_decoding(api->server))
            uv_run(&api->loop, UV_RUN_ONCE);
        store_flush_now(api->store);
        store_rest(api->store); /* whoever still holds what was borrowed is found out */
        uv_run(&api->loop, UV_RUN_NOWAIT);
        clock_fake_advance(api->clock, 0); /* what is to come in the next turn */
    }
}

/* Takes chunk framing off; false: the last chunk has not come. */
static bool unchunk(const char *from, StrBuf *out)
{
    for (;;) {
        char *end;
        unsigned long n = strtoul(from, &end, 16);

        if (end == from || strncmp(end, "\r\n", 2) != 0)
            return false;
        if (n == 0)
            return true;
        strbuf_add(out, end + 2, n);
        from = end + 2 + n + 2;
    }
}

/* true: `raw` holds a whole answer, and api has it now. `head`: no body will come. */
static bool parse_answer(Api *api, const char *raw, size_t n, bool head)
{
    const char *end = n ? strstr(raw, "\r\n\r\n") : NULL, *length, *body;
    _strbuf_ StrBuf text = STRBUF_INIT;

    if (!end)
        return false;
    free(api->head);
    api->head = mem_strndup(raw, (size_t)(end - raw) + 2);
    body = end + 4;
    length = strcasestr(api->head, "\r\ncontent-length:");
    if (length && !head) {
        size_t want = strtoul(length + 17, NULL, 10);

        if (n - (size_t)(body - raw) < want)
            return false;
        strbuf_add(&text, body, want);
    } else if (!head && strcasestr(api->head, "\r\ntransfer-encoding: chunked")) {
        if (!unchunk(body, &text))
            return false;
    } else if (!head) {
        strbuf_add_string(&text, body);
    }
    api->status = (int)strtol(raw + 9, NULL, 10);
    free(api->body);
    yyjson_doc_free(api->json);
    api->body_n = text.n;
    api->body = strbuf_take(&text);
    api->json = yyjson_read(api->body, strlen(api->body), 0);
    return true;
}

static void send_request(HttpLoopback *connection, const char *method, const char *path,
                         const char *headers, const char *body, size_t n)
{
    _strbuf_ StrBuf request = STRBUF_INIT;

    strbuf_printf(&request, "%s %s HTTP/1.1\r\nHost: localhost\r\n", method, path);
    strbuf_add_string(&request, headers ? headers : "");
    if (!headers || !strcasestr(headers, "user-agent"))
        strbuf_add_string(&request, "User-Agent: test/1\r\n");
    if (n)
        strbuf_printf(&request, "Content-Length: %zu\r\n", n);
    strbuf_add_string(&request, "\r\n");
    strbuf_add(&request, body, n);
    http_loopback_send(connection, strbuf_bytes(&request));
}

static void finish(Api *api, HttpLoopback *connection, bool head)
{
    _strbuf_ StrBuf raw = STRBUF_INIT;

    for (int i = 0; i < TURNS; i++) {
        Bytes bytes;

        api_settle(api);
        bytes = http_loopback_take(connection);
        strbuf_add(&raw, bytes.p, bytes.n);
        if (parse_answer(api, raw.p, raw.n, head))
            return;
    }
    fail_msg("no answer: %s", strbuf_string(&raw));
}

void api_finish(Api *api, HttpLoopback *connection)
{
    finish(api, connection, false);
}

void api_call_on(Api *api, HttpLoopback *connection, const char *method, const char *path,
                 const char *headers, const char *body, size_t n)
{
    send_request(connection, method, path, headers, body ? body : "", n);
    finish(api, connection, str_equal(method, "HEAD"));
}

void api_open_on(Api *api, HttpLoopback *connection, const char *method, const char *path,
                 const char *headers)
{
    _strbuf_ StrBuf raw = STRBUF_INIT;
    Bytes bytes;

    send_request(connection, method, path, headers, "", 0);
    api_settle(api);
    bytes = http_loopback_take(connection);
    strbuf_add(&raw, bytes.p, bytes.n);
    if (parse_answer(api, raw.p, raw.n, false))
        return;
    assert_true(parse_answer(api, raw.p, raw.n, true));
}

int api_call(Api *api, const char *method, const char *path, const char *type, const char *body)
{
    _free_ char *header =
        body ? mem_printf("Content-Type: %s\r\n", type ? type : "application/json") : NULL;

    api_call_on(api, api->admin, method, path, header, body, body ? strlen(body) : 0);
    return api->status;
}

char *api_json(Api *api, const char *pointer)
{
    yyjson_val *value = api->json ? yyjson_doc_ptr_get(api->json, pointer) : NULL;

    return value ? yyjson_val_write(value, 0, NULL) : NULL;
}

void api_expect(Api *api, const char *pointer, const char *is)
{
    _free_ char *value = api_json(api, pointer);

    assert_string_equal(value ? value : "(absent)", is);
}

void api_run(Api *api, const ApiCase *cases, size_t n)
{
    EACH_ROW_OF(i, n, "cases", cases[i].name) {
        const ApiCase *c = &cases[i];

        api_call(api, c->method, c->path, c->type, c->body);
        if (api->status != c->status)
            fail_msg("%s: %s %s: status %d, not %d: %s", c->name, c->method, c->path, api->status,
                     c->status, api->body);
        for (size_t k = 0; k < 8 && c->expect[k].at; k++) {
            _free_ char *is = api_json(api, c->expect[k].at);

            if (!str_equal(is, c->expect[k].is) || !is != !c->expect[k].is)
                fail_msg("%s: %s %s: %s is\n%s\nnot\n%s\nin %s", c->name, c->method, c->path,
                         c->expect[k].at, is ? is : "(absent)",
                         c->expect[k].is ? c->expect[k].is : "(absent)", api->body);
        }
    }
}

HttpLoopback *api_stream(Api *api, const char *path, const char *headers)
{
    static const char *const masters[] = {"system:masters"};
    HttpPeer peer = {.common_name = "kubernetes-admin",
                     .organizations = masters,
                     .n_organizations = 1,
                     .address = "127.0.0.1"};
    HttpLoopback *stream = http_loopback_new(api->http, &peer);

    send_request(stream, "GET", path, headers, "", 0);
    return stream;
}

char *api_lines(Api *api, HttpLoopback *stream)
{
    _strbuf_ StrBuf raw = STRBUF_INIT, text = STRBUF_INIT;
    const char *at;

    for (int i = 0; i < 4; i++) {
        Bytes bytes;

        api_settle(api);
        bytes = http_loopback_take(stream);
        strbuf_add(&raw, bytes.p, bytes.n);
    }
    at = strbuf_string(&raw);
    if (str_starts_with(at, "HTTP/1.1")) {
        at = strstr(at, "\r\n\r\n");
        assert_non_null(at);
        at += 4;
    }
    unchunk(at, &text);
    return strbuf_take(&text);
}

void api_fixture(Api *api)
{
    static const ApiCase cases[] = {
        {"namespace",
         "POST",
         "/api/v1/namespaces",
         NULL,
         "{\"metadata\":{\"name\":\"t\"}}",
         201,
         {{0}}},
        {"account",
         "POST",
         "/api/v1/namespaces/t/serviceaccounts",
         NULL,
         "{\"metadata\":{\"name\":\"default\"}}",
         201,
         {{0}}},
    };

    api_run(api, cases, ARRAY_LEN(cases));
}
