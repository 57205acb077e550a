/* SPDX-License-Identifier: Apache-2.0 */
/* See fetch.h. A fetch is freed when neither a look-up nor a call nor the timer of it is left. */
#include <arpa/inet.h>
#include <netdb.h>
#include <uv.h>

#include "base/loop_timer.h"
#include "base/strbuf.h"
#include "http/client/client.h"
#include "http/client/fetch.h"

#define ADDRESSES_MAX 8

struct Fetch {
    uv_loop_t *loop;
    Arena arena;
    FetchUrl url;
    FetchRequest request; /* the texts are in the arena */
    uv_getaddrinfo_t lookup;
    uv_timer_t timer;
    bool looking, over, timer_closed;
    struct addrinfo *found, *next; /* the addresses, and the one to try next */
    unsigned tried;
    const char *fault; /* why it ends when the timer fires */
    HttpCall *call;
    void (*done)(void *data, const FetchAnswer *answer);
    void *data;
};

static bool parse_port(FetchUrl *url, const char *text)
{
    int64_t port;

    if (!*text)
        return false;
    if (str_to_int64(text, 1, 65535, &port))
        return false;
    url->port = (uint16_t)port;
    return true;
}

/* "host", "host:port", "[::1]" or "[::1]:port" */
static bool parse_authority(Arena *arena, const char *text, FetchUrl *url)
{
    const char *end = *text == '[' ? strchr(text, ']') : text + strcspn(text, ":");

    if (!end || strpbrk(text, "@ \t\r\n\\"))
        return false;
    url->host = *text == '[' ? arena_strndup(arena, text + 1, (size_t)(end - text - 1))
                             : arena_strndup(arena, text, (size_t)(end - text));
    end += *text == '[';
    url->authority = text;
    return *url->host && (!*end || (*end == ':' && parse_port(url, end + 1)));
}

bool fetch_url_parse(Arena *arena, const char *text, FetchUrl *ret)
{
    const char *rest = strstr(text, "://");
    size_t n;

    *ret = (FetchUrl){0};
    if (str_starts_with(text, "https://")) {
        ret->is_https = true;
        ret->port = 443;
    } else if (str_starts_with(text, "http://")) {
        ret->port = 80;
    } else {
        return false;
    }
    rest += 3;
    if (strpbrk(rest, "# \t\r\n"))
        return false;
    n = strcspn(rest, "/?");
    ret->path =
        rest[n] == '/' ? arena_strdup(arena, rest + n) : arena_printf(arena, "/%s", rest + n);
    return parse_authority(arena, arena_strndup(arena, rest, n), ret);
}

/* ---- the end ---- */

static void fetch_free(Fetch *fetch)
{
    if (fetch->looking || !fetch->timer_closed)
        return;
    uv_freeaddrinfo(fetch->found);
    arena_clear(&fetch->arena);
    free(fetch);
}

static void on_timer_closed(uv_handle_t *handle)
{
    Fetch *fetch = handle->data;

    fetch->timer_closed = true;
    fetch_free(fetch);
}

static void end(Fetch *fetch)
{
    fetch->over = true;
    http_call_cancel(fetch->call);
    fetch->call = NULL;
    if (fetch->looking)
        uv_cancel((uv_req_t *)&fetch->lookup);
    uv_close((uv_handle_t *)&fetch->timer, on_timer_closed);
}

static void finish(Fetch *fetch, const FetchAnswer *answer)
{
    if (fetch->over)
        return;
    end(fetch);
    fetch->done(fetch->data, answer);
}

static void fail(Fetch *fetch, bool may_retry, const char *text)
{
    const char *method = str_or(fetch->request.method, "GET");
    const char *error = arena_printf(&fetch->arena, "%c%s \"%s\": %s", method[0], method + 1,
                                     fetch->request.url, text);

    /* Go's client writes "Get" and "Post". */
    for (char *c = (char *)(uintptr_t)error + 1; *c >= 'A' && *c <= 'Z'; c++)
        *c = (char)(*c | 0x20);
    finish(fetch, &(FetchAnswer){.error = error, .may_retry = may_retry});
}

Fetch *fetch_cancel(Fetch *fetch)
{
    if (fetch && !fetch->over)
        end(fetch);
    return NULL;
}

/* ---- the call ---- */

static void try_next(Fetch *fetch, const char *error);

static void on_answer(void *data, const HttpClientResponse *response)
{
    Fetch *fetch = data;

    fetch->call = NULL;
    if (response->error && !response->status && fetch->next && fetch->tried < ADDRESSES_MAX) {
        try_next(fetch, response->error_text);
    } else if (response->error) {
        fail(fetch, response->error == -ECONNRESET,
             str_or(response->error_text, strerror(-response->error)));
    } else if (response->body.n > fetch->request.body_limit) {
        fail(fetch, false,
             arena_printf(&fetch->arena, "the answer is longer than %zu bytes",
                          fetch->request.body_limit));
    } else {
        finish(fetch, &(FetchAnswer){.status = response->status,
                                     .headers = response->headers,
                                     .n_headers = response->n_headers,
                                     .body = response->body});
    }
}

static void call_address(Fetch *fetch, const char *address)
{
    const FetchRequest *of = &fetch->request;
    const HttpClientRequest request = {
        .address = address,
        .port = of->address ? of->port : fetch->url.port,
        .method = of->method,
        .path = fetch->url.path,
        .host = fetch->url.authority,
        .headers = of->headers,
        .n_headers = of->n_headers,
        .body = of->body,
        .tls = fetch->url.is_https ? of->tls : NULL,
        .server_name = str_or(of->server_name, fetch->url.host),
        .body_limit = of->body_limit + 1,
    };

    fetch->call = http_call(fetch->loop, &request, NULL, on_answer, fetch);
}

static void try_next(Fetch *fetch, const char *error)
{
    char text[INET6_ADDRSTRLEN];

    while (fetch->next && fetch->tried < ADDRESSES_MAX) {
        const struct addrinfo *at = fetch->next;

        fetch->next = at->ai_next;
        fetch->tried++;
        if (getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST))
            continue;
        call_address(fetch, text);
        return;
    }
    fail(fetch, false, error);
}

static void on_found(uv_getaddrinfo_t *lookup, int status, struct addrinfo *found)
{
    Fetch *fetch = lookup->data;

    fetch->looking = false;
    fetch->found = fetch->next = found;
    if (fetch->over)
        fetch_free(fetch);
    else if (status < 0)
        fail(fetch, false,
             arena_printf(&fetch->arena, "lookup %s: %s", fetch->url.host, uv_strerror(status)));
    else
        try_next(fetch, "no address");
}

static void on_time(uv_timer_t *timer)
{
    Fetch *fetch = timer->data;

    fail(fetch, false, fetch->fault);
}

/* ---- the start ---- */

static void copy_request(Fetch *fetch, const FetchRequest *request)
{
    Arena *arena = &fetch->arena;
    HttpHeader *headers = arena_new_n(arena, HttpHeader, request->n_headers + 1);

    fetch->request = *request;
    fetch->request.url = arena_strdup(arena, request->url);
    fetch->request.method = arena_strdup(arena, request->method);
    fetch->request.server_name = arena_strdup(arena, request->server_name);
    fetch->request.address = arena_strdup(arena, request->address);
    fetch->request.body = arena_bytes(arena, request->body);
    for (size_t i = 0; i < request->n_headers; i++)
        headers[i] = (HttpHeader){arena_strdup(arena, request->headers[i].name),
                                  arena_strdup(arena, request->headers[i].value)};
    fetch->request.headers = headers;
}

Fetch *fetch_start(uv_loop_t *loop, const FetchRequest *request,
                   void (*done)(void *data, const FetchAnswer *answer), void *data)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    Fetch *fetch = mem_new_type(Fetch);

    fetch->loop = loop;
    fetch->arena = ARENA_INIT;
    fetch->done = done;
    fetch->data = data;
    fetch->lookup.data = fetch->timer.data = fetch;
    copy_request(fetch, request);
    uv_timer_init(loop, &fetch->timer);
    fetch->fault = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
    loop_timer_start(&fetch->timer, on_time, MAX_OF(request->timeout_ns, INT64_C(1)));
    /* An address needs no look-up, and is not refused by AI_ADDRCONFIG where there is no other network. */
    if (!fetch_url_parse(&fetch->arena, fetch->request.url, &fetch->url) ||
        (fetch->url.is_https && !request->tls)) {
        fetch->fault = "the URL is malformed";
        loop_timer_start(&fetch->timer, on_time, 0);
    } else if (fetch->request.address) {
        call_address(fetch, fetch->request.address);
    } else if (inet_pton(AF_INET, fetch->url.host, (uint8_t[16]){0}) == 1 ||
               inet_pton(AF_INET6, fetch->url.host, (uint8_t[16]){0}) == 1) {
        call_address(fetch, fetch->url.host);
    } else if (uv_getaddrinfo(loop, &fetch->lookup, on_found, fetch->url.host, NULL, &hints) < 0) {
        fetch->fault = "the name of the host cannot be looked up";
        loop_timer_start(&fetch->timer, on_time, 0);
    } else {
        fetch->looking = true;
    }
    return fetch;
}
