/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cluster.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <signal.h>
#include <strings.h>

#include "base/files/file.h"
#include "base/time/clock.h"
#include "base/vec.h"
#include "cli/command.h"
#include "cli/resources.h"
#include "codec/json/json.h"
#include "http/client/client.h"

/* ---- the choice of the cluster ---- */

/* Whether the server belongs to root, and the user of this command does not. */
static bool must_ask_root(const Options *options)
{
    return geteuid() != 0 && !options->rootless;
}

static int find_config(Cluster *cluster, Err *reterr)
{
    const Options *o = cluster->options;
    const char *admin = arena_printf(cluster->arena, "%s/admin.kubeconfig", o->data);
    int r;

    if (o->context)
        return kubeconfig_read(o->kubeconfig, o->context, cluster->arena, &cluster->config, reterr);
    r = kubeconfig_read(o->kubeconfig, o->context_name, cluster->arena, &cluster->config, reterr);
    if (r != KUBECONFIG_E_MISSING)
        return r;
    if (geteuid() == 0 && file_exists(admin))
        return kubeconfig_read(admin, NULL, cluster->arena, &cluster->config, reterr);
    if (o->kubeconfig_given)
        r = kubeconfig_read(o->kubeconfig, NULL, cluster->arena, &cluster->config, reterr);
    if (r > 0)
        r = err_set(reterr, 0,
                    "%s has no context \"%s\". To start stead and to get access to it: %s. For "
                    "another cluster, give --context NAME",
                    o->kubeconfig, o->context_name, geteuid() == 0 ? "stead up" : "sudo stead up");
    return r;
}

static int resolve(Cluster *cluster, const char *host, Err *reterr)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    char text[INET6_ADDRSTRLEN];
    int r = getaddrinfo(host, NULL, &hints, &found);

    if (r)
        return err_set(reterr, 0, "cannot find the address of %s: %s", host, gai_strerror(r));
    r = getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST);
    freeaddrinfo(found);
    if (r)
        return err_set(reterr, 0, "cannot find the address of %s: %s", host, gai_strerror(r));
    cluster->address = arena_strdup(cluster->arena, text);
    return 0;
}

/* "https://host:port/prefix" */
static int read_url(Cluster *cluster, bool *ret_tls, Err *reterr)
{
    const char *url = cluster->config.server, *at, *end, *colon, *host;
    bool tls = str_starts_with(url, "https://");
    int64_t port = tls ? 443 : 80;

    if (!tls && !str_starts_with(url, "http://"))
        return err_set(reterr, 0, "the server \"%s\" is not an https:// address", url);
    at = strstr(url, "://") + 3;
    end = at + strcspn(at, "/");
    cluster->host = arena_strndup(cluster->arena, at, (size_t)(end - at));
    colon = strrchr(cluster->host, ':');
    if (colon && strchr(colon, ']'))
        colon = NULL;
    if (colon && str_to_int64(colon + 1, 1, 65535, &port))
        return err_set(reterr, 0, "the server \"%s\" has an invalid port", url);
    host = arena_strndup(cluster->arena, cluster->host,
                         colon ? (size_t)(colon - cluster->host) : strlen(cluster->host));
    if (*host == '[')
        host = arena_strndup(cluster->arena, host + 1, strcspn(host + 1, "]"));
    cluster->port = (uint16_t)port;
    cluster->prefix = arena_strdup(cluster->arena, end);
    if (*end && end[strlen(end) - 1] == '/')
        cluster->prefix = arena_strndup(cluster->arena, end, strlen(end) - 1);
    cluster->server_name = str_or(cluster->config.tls_server_name, host);
    *ret_tls = tls;
    return resolve(cluster, host, reterr);
}

int cluster_open(const Options *options, Cluster *ret)
{
    bool tls = false;
    Err err = ERR_INIT;
    int r;

    *ret = (Cluster){.options = options, .arena = (Arena *)(uintptr_t)&options->arena};
    signal(SIGPIPE, SIG_IGN);
    r = find_config(ret, &err);
    if (r == 0)
        r = read_url(ret, &tls, &err);
    if (r == 0 && tls)
        r = http_tls_client(ret->config.ca_pem, ret->config.certificate_pem, ret->config.key_pem,
                            &ret->tls, &err);
    if (r) {
        http_tls_free(ret->tls);
        *ret = (Cluster){0};
        fail(&err);
        return 1;
    }
    if (ret->config.insecure)
        ret->server_name = NULL;
    ret->ns = options->ns ? options->ns : str_or(ret->config.ns, "default");
    uv_loop_init(&ret->loop);
    return 0;
}

void cluster_close(Cluster *cluster)
{
    if (!cluster->options)
        return;
    resources_forget(cluster);
    uv_loop_close(&cluster->loop);
    http_tls_free(cluster->tls);
    cluster->options = NULL;
}

/* ---- calls ---- */

/* A call in flight. */
typedef struct Waiting {
    Cluster *cluster;
    HttpCall *call;
    ClusterReply *reply;
    bool (*on_data)(void *data, Bytes piece);
    void *data;
    int error;
    char text[256];
    StrBuf refused; /* the body of a reply that is not 200 and therefore not a stream */
    bool enough;    /* on_data has returned false */
} Waiting;

/* Prints a header such as Warning: 299 - "text", by which the server says, for instance, that a kind is deprecated. */
static void pass_warning(Cluster *cluster, const char *header)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    const char *at = strchr(header, '"');

    for (at = at ? at + 1 : ""; *at && *at != '"'; at++) {
        at += *at == '\\' && at[1];
        strbuf_add_char(&text, *at);
    }
    for (size_t i = 0; i < cluster->warned.n; i++)
        if (str_equal(cluster->warned.v[i], strbuf_string(&text)))
            return;
    fprintf(stderr, "Warning: %s\n", strbuf_string(&text));
    ARENA_APPEND(cluster->arena, &cluster->warned,
                 arena_strdup(cluster->arena, strbuf_string(&text)));
}

static void on_done(void *data, const HttpClientResponse *response)
{
    Waiting *waiting = data;

    waiting->call = NULL;
    waiting->error = response->error;
    snprintf(waiting->text, sizeof(waiting->text), "%s", str_or(response->error_text, ""));
    waiting->reply->status = response->status;
    waiting->reply->body = arena_bytes(waiting->cluster->arena, response->body);
    for (size_t i = 0; i < response->n_headers; i++)
        if (strcasecmp(response->headers[i].name, "warning") == 0)
            pass_warning(waiting->cluster, response->headers[i].value);
}

static void on_piece(void *data, int status, Bytes piece)
{
    Waiting *waiting = data;

    if (status != 200) {
        if (waiting->refused.n < 1024 * 1024)
            strbuf_add(&waiting->refused, piece.p, piece.n);
        return;
    }
    waiting->reply->status = status;
    if (waiting->on_data(waiting->data, piece))
        return;
    waiting->enough = true;
    http_call_cancel(waiting->call);
    waiting->call = NULL;
}

HttpClientRequest cluster_request(Cluster *cluster, const ClusterCall *call,
                                  HttpHeader headers[static CLUSTER_HEADERS])
{
    HttpClientRequest request = {.address = cluster->address,
                                 .port = cluster->port,
                                 .method = str_or(call->method, "GET"),
                                 .host = cluster->host,
                                 .headers = headers,
                                 .body = call->body,
                                 .tls = cluster->tls,
                                 .server_name = cluster->tls ? cluster->server_name : NULL,
                                 .timeout_ns = call->timeout_ns};

    request.path = arena_printf(cluster->arena, "%s%s", cluster->prefix, call->path);
    headers[request.n_headers++] =
        (HttpHeader){"Accept", call->accept ? call->accept : CLUSTER_JSON};
    headers[request.n_headers++] = (HttpHeader){"User-Agent", "stead/" STEAD_VERSION};
    if (call->content_type)
        headers[request.n_headers++] = (HttpHeader){"Content-Type", call->content_type};
    if (!str_empty(cluster->config.token))
        headers[request.n_headers++] = (HttpHeader){
            "Authorization", arena_printf(cluster->arena, "Bearer %s", cluster->config.token)};
    return request;
}

static void start_call(Waiting *waiting, const ClusterCall *call)
{
    HttpHeader headers[CLUSTER_HEADERS];
    HttpClientRequest request = cluster_request(waiting->cluster, call, headers);

    waiting->call = http_call(&waiting->cluster->loop, &request, waiting->on_data ? on_piece : NULL,
                              on_done, waiting);
}

int cluster_unreachable(const Cluster *cluster, int error, const char *text)
{
    fprintf(stderr, "stead: no answer from %s: %s%s\n", cluster->config.server, text,
            error != -ECONNREFUSED            ? ""
            : must_ask_root(cluster->options) ? ". Is it running? Start it with: sudo stead up"
                                              : ". Is it running? Start it with: stead up");
    return 1;
}

yyjson_val *cluster_parse(Cluster *cluster, Bytes body)
{
    yyjson_alc alc = json_arena_alc(cluster->arena);
    yyjson_doc *doc;

    if (body.n == 0 || (body.p[0] != '{' && body.p[0] != '['))
        return NULL;
    doc = yyjson_read_opts((char *)(uintptr_t)body.p, body.n, 0, &alc, NULL);
    return doc ? yyjson_doc_get_root(doc) : NULL;
}

int cluster_send(Cluster *cluster, const ClusterCall *call, ClusterReply *ret)
{
    Waiting waiting = {.cluster = cluster, .reply = ret};

    *ret = (ClusterReply){0};
    start_call(&waiting, call);
    uv_run(&cluster->loop, UV_RUN_DEFAULT);
    if (waiting.error)
        return cluster_unreachable(cluster, waiting.error, waiting.text);
    ret->json = cluster_parse(cluster, ret->body);
    return 0;
}

int cluster_refused(const ClusterReply *reply)
{
    const char *reason = json_text(reply->json, "/reason");
    const char *message = json_text(reply->json, "/message");

    if (!str_equal(json_text(reply->json, "/kind"), "Status"))
        fprintf(stderr, "Error from server: %d %.*s\n", reply->status,
                (int)MIN_OF(reply->body.n, 1024u), (const char *)reply->body.p);
    else if (str_empty(reason))
        fprintf(stderr, "Error from server: %s\n", message);
    else
        fprintf(stderr, "Error from server (%s): %s\n", reason, message);
    return 1;
}

int cluster_call(Cluster *cluster, const ClusterCall *call, ClusterReply *ret)
{
    if (cluster_send(cluster, call, ret))
        return 1;
    return cluster_ok(ret) ? 0 : cluster_refused(ret);
}

/* ---- streams ---- */

static WatchEnd stream_end(Cluster *cluster, Waiting *waiting)
{
    ClusterReply *reply = waiting->reply;

    if (waiting->enough)
        return WATCH_ENOUGH;
    if (waiting->error == -ETIMEDOUT)
        return WATCH_TIMED_OUT;
    if (reply->status && reply->status != 200) {
        reply->body = arena_bytes(cluster->arena, strbuf_bytes(&waiting->refused));
        reply->json = cluster_parse(cluster, reply->body);
        cluster_refused(reply);
        return WATCH_FAILED;
    }
    if (waiting->error && !reply->status) {
        cluster_unreachable(cluster, waiting->error, waiting->text);
        return WATCH_FAILED;
    }
    return WATCH_ENDED;
}

void cluster_streams(Cluster *cluster, ClusterStream *streams, size_t n)
{
    Waiting *waiting = mem_new(MAX_OF(n, 1u) * sizeof(*waiting));
    ClusterReply *replies = mem_new(MAX_OF(n, 1u) * sizeof(*replies));

    for (size_t i = 0; i < n; i++) {
        waiting[i] = (Waiting){.cluster = cluster,
                               .reply = &replies[i],
                               .on_data = streams[i].on_data,
                               .data = streams[i].data};
        start_call(&waiting[i], &streams[i].call);
    }
    uv_run(&cluster->loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < n; i++) {
        streams[i].end = stream_end(cluster, &waiting[i]);
        strbuf_deinit(&waiting[i].refused);
    }
    free(waiting);
    free(replies);
}

/* The state of a watch, whose events are lines of JSON. */
typedef struct Lines {
    StrBuf kept;
    bool (*on_event)(void *data, const char *type, yyjson_val *object);
    void *data;
    bool refused;
} Lines;

static bool take_line(Lines *lines, const char *p, size_t n)
{
    yyjson_doc *doc = yyjson_read(p, n, 0);
    yyjson_val *root = yyjson_doc_get_root(doc), *object = yyjson_obj_get(root, "object");
    const char *type = str_or(yyjson_get_str(yyjson_obj_get(root, "type")), "");
    bool more = true;

    if (str_equal(type, "ERROR")) {
        lines->refused = true;
        more = false;
        /* 410 means that the revision is too old. This is not a failure: the caller lists again. */
        if (json_number(object, "/code", 0) != 410)
            fprintf(stderr, "Error from server (%s): %s\n", json_text(object, "/reason"),
                    json_text(object, "/message"));
    } else if (object && !str_equal(type, "BOOKMARK")) {
        more = lines->on_event(lines->data, type, object);
    }
    yyjson_doc_free(doc);
    return more;
}

static bool on_lines(void *data, Bytes piece)
{
    Lines *lines = data;
    const char *at, *end;
    bool more = true;

    strbuf_add(&lines->kept, piece.p, piece.n);
    at = lines->kept.p;
    while (more && (end = memchr(at, '\n', lines->kept.n - (size_t)(at - lines->kept.p)))) {
        more = take_line(lines, at, (size_t)(end - at));
        at = end + 1;
    }
    lines->kept.n -= (size_t)(at - lines->kept.p);
    memmove(lines->kept.p, at, lines->kept.n);
    return more;
}

WatchEnd cluster_watch(Cluster *cluster, const ClusterCall *call,
                       bool (*on_event)(void *data, const char *type, yyjson_val *object),
                       void *data)
{
    Lines lines = {.on_event = on_event, .data = data};
    ClusterStream stream = {.call = *call, .on_data = on_lines, .data = &lines};

    cluster_streams(cluster, &stream, 1);
    strbuf_deinit(&lines.kept);
    return lines.refused ? WATCH_ENDED : stream.end;
}

/* ---- JSON and numbers ---- */

const char *json_text(yyjson_val *json, const char *pointer)
{
    return str_or(yyjson_get_str(yyjson_ptr_get(json, pointer)), "");
}

int64_t json_number(yyjson_val *json, const char *pointer, int64_t otherwise)
{
    yyjson_val *found = yyjson_ptr_get(json, pointer);

    return yyjson_is_int(found) ? yyjson_get_sint(found) : otherwise;
}

int duration_parse(const char *text, int64_t *ret_ns)
{
    int64_t total = 0;

    if (!*text)
        return 1;
    while (*text) {
        static const struct {
            const char *unit;
            int64_t ns;
        } units[] = {{"ms", NS_PER_MS},        {"s", NS_PER_SEC},         {"m", 60 * NS_PER_SEC},
                     {"h", 3600 * NS_PER_SEC}, {"d", 86400 * NS_PER_SEC}, {"", NS_PER_SEC}};
        size_t digits = strspn(text, "0123456789"), letters, i;
        int64_t number = 0;

        if (!digits || digits > 9)
            return 1;
        for (i = 0; i < digits; i++)
            number = number * 10 + (text[i] - '0');
        text += digits;
        letters = strspn(text, "abcdefghijklmnopqrstuvwxyz");
        for (i = 0; i < ARRAY_LEN(units); i++)
            if (strlen(units[i].unit) == letters && memcmp(units[i].unit, text, letters) == 0)
                break;
        if (i == ARRAY_LEN(units) || number > INT64_MAX / 4 / units[i].ns)
            return 1;
        total += number * units[i].ns;
        text += letters;
        if (total > INT64_MAX / 2)
            return 1;
    }
    *ret_ns = total;
    return 0;
}

int option_duration(const char *name, const char *text, int64_t *ret_ns)
{
    *ret_ns = 0;
    if (!text || duration_parse(text, ret_ns) == 0)
        return 0;
    fprintf(stderr, "stead: %s %s: give a time such as 30s, 2m or 1h30m\n", name, text);
    return 2;
}

int option_number(const char *name, const char *text, int64_t min, int64_t max, int64_t *ret)
{
    if (!text || str_to_int64(text, min, max, ret) == 0)
        return 0;
    fprintf(stderr, "stead: %s %s: give a whole number from %" PRId64 " up\n", name, text, min);
    return 2;
}
