/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See webhook.h. As in kube-apiserver, a review that fails for a reason that may have gone soon is sent up
 * to five times, with growing pauses; the lookup, which has a time limit, ends this. What the webhook says of
 * a token is kept for a while, both good and bad; that it does not answer is not.
 */
#include <openssl/ssl.h>

#include "base/log.h"
#include "base/strbuf.h"
#include "codec/json/json.h"
#include "http/client/fetch.h"
#include "server/auth/token/webhook.h"

#define ATTEMPTS 5
#define FIRST_PAUSE (500 * NS_PER_MS)
#define ANSWER_MAX ((size_t)1024 * 1024)

struct Webhook {
    TokenSource source; /* first */
    struct uv_loop_s *loop;
    Clock *clock;
    Random *random;
    Arena arena;
    const char *url, *server_name, *authorization, *version;
    int64_t cache_ns;
    struct ssl_ctx_st *tls;
    const StringArray *audiences;
};

/* A review under way. */
typedef struct Review {
    Webhook *webhook;
    TokenLookup *lookup;
    Fetch *fetch;
    Timer pause;
    unsigned attempts;
    int64_t next_pause_ns;
} Review;

static Review *review_free(Review *review)
{
    fetch_cancel(review->fetch);
    timer_stop(review->webhook->clock, &review->pause);
    free(review);
    return NULL;
}

static void answer(Review *review, const TokenAnswer *what)
{
    TokenLookup *lookup = review->lookup;

    review_free(review);
    token_lookup_answer(lookup, what);
}

static void fail(Review *review, const char *error)
{
    log_limited(LOG_LEVEL_WARN, "auth", "the webhook for tokens fails: %s", error);
    error = arena_strdup(&review->lookup->arena, error);
    answer(review, &(TokenAnswer){.error = error});
}

/* ---- what the webhook says ---- */

static bool contains(const StringArray *list, const char *text)
{
    for (size_t i = 0; i < list->n; i++)
        if (str_equal(list->v[i], text))
            return true;
    return false;
}

/* The audiences that were asked for and that the token has. */
static StringArray common(Arena *arena, const StringArray *wanted, const StringArray *got)
{
    StringArray both = {0};

    for (size_t i = 0; i < wanted->n; i++)
        if (contains(got, wanted->v[i]))
            ARENA_APPEND(arena, &both, wanted->v[i]);
    return both;
}

static User *user_of(const UserInfo *info)
{
    User *user = user_new(str_or(info->username, ""), info->uid);

    for (size_t i = 0; i < info->groups.n; i++)
        user_add_group(user, info->groups.v[i]);
    for (size_t i = 0; i < info->extra.n; i++)
        for (size_t k = 0; k < info->extra.v[i].value.items.n; k++)
            user_add_extra(user, info->extra.v[i].key, info->extra.v[i].value.items.v[k]);
    if (!user_in_group(user, "system:authenticated"))
        user_add_group(user, "system:authenticated");
    return user;
}

static void answer_of_status(Review *review, const TokenReviewStatus *status)
{
    TokenLookup *lookup = review->lookup;
    Webhook *webhook = review->webhook;
    TokenAnswer is = {.keep_ns = webhook->cache_ns};
    _cleanup_(user_unrefp)
    User *user = NULL;

    is.audiences = common(&lookup->arena, &lookup->audiences,
                          status->audiences.n ? &status->audiences : webhook->audiences);
    if (lookup->audiences.n && !is.audiences.n) {
        is.audiences = (StringArray){0};
    } else if (!status->authenticated) {
        is.error = str_empty(status->error) ? NULL : status->error;
        /* What comes with an error is not kept, as in kube-apiserver. */
        is.keep_ns = is.error ? 0 : is.keep_ns;
    } else {
        is.user = user = user_of(&status->user);
    }
    answer(review, &is);
}

/* Returns NULL, or why the body is no TokenReview. */
static const char *read_review(Arena *arena, const Webhook *webhook, Bytes body, TokenReview *ret)
{
    static const char *const known[] = {"apiVersion", "kind", NULL};
    DecodeReport report = {0};
    const char *version, *kind;
    yyjson_doc *doc;
    yyjson_val *root;

    if (json_parse(arena, body, &doc, &report))
        return str_or(report.error, "the answer is not JSON");
    root = yyjson_doc_get_root(doc);
    version = yyjson_get_str(yyjson_obj_get(root, "apiVersion"));
    kind = yyjson_get_str(yyjson_obj_get(root, "kind"));
    if (!str_equal(kind, "TokenReview") || !str_equal(version, webhook->version))
        return arena_printf(arena, "the answer is not a TokenReview of %s", webhook->version);
    if (json_decode(&type_TokenReview, arena, root, 0, known, ret, &report))
        return str_or(report.error, "the answer is not a TokenReview");
    return NULL;
}

/* ---- the exchange ---- */

static void send_review(Review *review);

static void on_pause(Timer *timer)
{
    send_review(timer->data);
}

static bool retry(Review *review)
{
    Webhook *webhook = review->webhook;
    int64_t pause = review->next_pause_ns;

    if (++review->attempts >= ATTEMPTS)
        return false;
    review->next_pause_ns = pause * 3 / 2;
    pause += (int64_t)random_below(webhook->random, (uint64_t)pause / 5);
    timer_start(webhook->clock, &review->pause, pause);
    return true;
}

static bool has_header(const FetchAnswer *got, const char *name)
{
    for (size_t i = 0; i < got->n_headers; i++)
        if (str_equal(got->headers[i].name, name))
            return true;
    return false;
}

static void on_answer(void *data, const FetchAnswer *got)
{
    Review *review = data;
    Arena *arena = &review->lookup->arena;
    TokenReview is = {0};
    const char *fault = got->error;
    bool again = got->may_retry || got->status == 429 || got->status == 500 || got->status == 504 ||
                 (got->status >= 400 && has_header(got, "retry-after"));

    review->fetch = NULL;
    if (!fault && (got->status < 200 || got->status > 299))
        fault = arena_printf(arena, "Post \"%s\": the answer has the status %d",
                             review->webhook->url, got->status);
    if (fault && again && retry(review))
        return;
    if (!fault)
        fault = read_review(arena, review->webhook, got->body, &is);
    if (fault)
        fail(review, fault);
    else
        answer_of_status(review, &is.status);
}

static void add_string(StrBuf *body, const char *s)
{
    json_encode_string(body, s, strlen(s));
}

static void print_review(const Webhook *webhook, const TokenLookup *lookup, StrBuf *body)
{
    strbuf_printf(
        body,
        "{\"kind\":\"TokenReview\",\"apiVersion\":\"%s\",\"metadata\":{\"creationTimestamp\":"
        "null},\"spec\":{\"token\":",
        webhook->version);
    add_string(body, lookup->token);
    for (size_t i = 0; i < lookup->audiences.n; i++) {
        strbuf_add_string(body, i ? "," : ",\"audiences\":[");
        add_string(body, lookup->audiences.v[i]);
    }
    strbuf_add_string(body, lookup->audiences.n ? "]" : "");
    strbuf_add_string(body, "},\"status\":{\"user\":{}}}");
}

static void send_review(Review *review)
{
    const Webhook *webhook = review->webhook;
    _strbuf_ StrBuf body = STRBUF_INIT;
    const HttpHeader headers[] = {{"Content-Type", "application/json"},
                                  {"Accept", "application/json"},
                                  {"User-Agent", "stead"},
                                  {"Authorization", webhook->authorization}};
    FetchRequest request = {.method = "POST",
                            .url = webhook->url,
                            .headers = headers,
                            .n_headers = ARRAY_LEN(headers) - !webhook->authorization,
                            .tls = webhook->tls,
                            .server_name = webhook->server_name,
                            .timeout_ns = LOOKUP_TIMEOUT,
                            .body_limit = ANSWER_MAX};

    print_review(webhook, review->lookup, &body);
    request.body = strbuf_bytes(&body);
    review->fetch = fetch_start(webhook->loop, &request, on_answer, review);
}

static void check(TokenSource *source, TokenLookup *lookup)
{
    Review *review = mem_new_type(Review);

    review->webhook = (Webhook *)source;
    review->lookup = lookup;
    review->next_pause_ns = FIRST_PAUSE;
    review->pause.on_fire = on_pause;
    review->pause.data = review;
    lookup->data = review;
    send_review(review);
}

static void cancel(TokenSource *source _unused_, TokenLookup *lookup)
{
    lookup->data = review_free(lookup->data);
}

/* ---- life ---- */

Webhook *webhook_free(Webhook *webhook)
{
    if (!webhook)
        return NULL;
    http_tls_free(webhook->tls);
    arena_clear(&webhook->arena);
    free(webhook);
    return NULL;
}

int webhook_new(struct uv_loop_s *loop, Clock *clock, Random *random, const WebhookOptions *options,
                const StringArray *audiences, Webhook **ret, Err *reterr)
{
    Webhook *webhook = mem_new_type(Webhook);
    Arena *arena = &webhook->arena;
    FetchUrl url;
    int r = 0;

    webhook->arena = ARENA_INIT_SIZE(1024);
    webhook->source = (TokenSource){.check = check, .cancel = cancel};
    webhook->loop = loop;
    webhook->clock = clock;
    webhook->random = random;
    webhook->url = arena_strdup(arena, options->url);
    webhook->server_name = arena_strdup(arena, options->server_name);
    webhook->authorization =
        options->token ? arena_printf(arena, "Bearer %s", options->token) : NULL;
    webhook->version =
        options->is_beta ? "authentication.k8s.io/v1beta1" : "authentication.k8s.io/v1";
    webhook->cache_ns = options->cache_ns;
    webhook->audiences = audiences;
    if (!options->url || !fetch_url_parse(arena, options->url, &url))
        r = err_set(reterr, 0,
                    "the server \"%s\" of the webhook for tokens is not a URL of http or https",
                    str_or(options->url, ""));
    else if (url.is_https)
        r = http_tls_trusting(options->ca_pem, options->insecure, options->certificate_pem,
                              options->key_pem, &webhook->tls, reterr);
    if (r < 0) {
        webhook_free(webhook);
        return r;
    }
    *ret = webhook;
    return 0;
}

TokenSource *webhook_source(Webhook *webhook)
{
    return &webhook->source;
}
