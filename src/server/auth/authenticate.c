/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Determines the user of a request from a client certificate that TLS has verified, a static token or
 * a ServiceAccount's token. A request without any of these is anonymous.
 *
 * The user is kept with the connection, so a further request of the connection costs one comparison of
 * strings. Verified ServiceAccount tokens are also cached by their text. What can change after a token
 * was signed (its expiry, the account, the pod) is checked at each use.
 */
#include "api/object.h"
#include "api/schema/authentication_v1.h"
#include "api/schema/core_config_v1.h"
#include "api/schema/core_pod_v1.h"
#include "base/files/file.h"
#include "base/strmap.h"
#include "server/auth/auth.h"
#include "codec/json/json.h"
#include "server/auth/token.h"
#include "server/auth/token/webhook.h"

#define TOKEN_FILE_MAX ((size_t)1024 * 1024)
#define CACHE_MAX 4096

/* The prefix of the extra keys that describe the bearer of a token. */
#define EXTRA "authentication.kubernetes.io/"

struct TokenAuth {
    StrMap fixed;          /* token -> User, from the file of static tokens */
    StrMap cached;         /* token -> User, of verified ServiceAccount tokens */
    StringArray audiences; /* those of this server */
    uint64_t generation;   /* of the keys of ServiceAccounts' tokens */
    TokenLookups *lookups; /* NULL: nobody else is asked */
    Webhook *webhook;
    Arena arena;
};

/* A request that waits for the answer about its token. */
typedef struct AuthWait {
    TokenWaiter waiter;
    Call *call;
    void (*done)(Call *call, const TokenAnswer *answer);
} AuthWait;

/* ---- the file: token,user,uid,"group,group" ---- */

/* Takes the next comma-separated value from *at and removes its quotes in place. Returns NULL after
 * the last value. */
static char *next_value(char **at)
{
    char *from = *at, *in, *out;
    bool quoted;

    if (!from)
        return NULL;
    while (*from == ' ')
        from++;
    quoted = *from == '"';
    in = out = from += quoted;
    for (; *in; in++) {
        if (quoted && *in == '"') {
            if (in[1] != '"') {
                in++;
                break;
            }
            in++;
        } else if (!quoted && *in == ',') {
            break;
        }
        *out++ = *in;
    }
    while (*in && *in != ',')
        in++;
    *at = *in ? in + 1 : NULL;
    *out = 0;
    return from;
}

static int read_line(TokenAuth *auth, char *line, const char *file, size_t number, Err *reterr)
{
    char *token, *name, *uid, *groups, *group;
    User *user;

    line[strcspn(line, "\r")] = 0;
    if (!*line || *line == '#')
        return 0;
    token = next_value(&line);
    name = next_value(&line);
    uid = next_value(&line);
    groups = next_value(&line);
    if (str_empty(token) || str_empty(name) || !uid)
        return err_set(reterr, 0, "%s line %zu is not token,user,uid,\"group,group\"", file,
                       number);
    user = user_new(name, uid);
    user->token = arena_strdup(&user->arena, token);
    while ((group = next_value(&groups)))
        if (*group)
            user_add_group(user, group);
    user_add_group(user, "system:authenticated");
    user_unref(strmap_put(&auth->fixed, token, user));
    return 0;
}

static int read_file(TokenAuth *auth, const char *file, Err *reterr)
{
    _free_ char *text = NULL;
    char *at, *line;
    size_t n, number = 0;
    int r = file_read(file, TOKEN_FILE_MAX, &text, &n);

    if (r < 0)
        return err_set(reterr, -r, "read %s", file);
    for (at = text; (line = strsep(&at, "\n"));) {
        r = read_line(auth, line, file, ++number, reterr);
        if (r < 0)
            return ERR_TRACE(r);
    }
    return 0;
}

static void drop_users(StrMap *map)
{
    STRMAP_DEINIT_WITH(map, user_unref);
    *map = STRMAP_INIT;
}

TokenAuth *token_auth_free(TokenAuth *auth)
{
    if (!auth)
        return NULL;
    token_lookups_free(auth->lookups);
    webhook_free(auth->webhook);
    drop_users(&auth->fixed);
    drop_users(&auth->cached);
    arena_clear(&auth->arena);
    free(auth);
    return NULL;
}

static void add_source(TokenAuth *auth, const ServerOptions *options, TokenSource *source)
{
    if (!auth->lookups)
        auth->lookups = token_lookups_new(options->clock);
    token_lookups_add(auth->lookups, source);
}

static int open_sources(TokenAuth *auth, const ServerOptions *options, Err *reterr)
{
    int r;

    if (!options->webhook)
        return 0;
    r = webhook_new(options->loop, options->clock, options->random, options->webhook,
                    &auth->audiences, &auth->webhook, reterr);
    if (r < 0)
        return ERR_TRACE(r);
    add_source(auth, options, webhook_source(auth->webhook));
    return 0;
}

int token_auth_new(const ServerOptions *options, const StringArray *issuers, TokenAuth **ret,
                   Err *reterr)
{
    const StringArray *audiences =
        options->token_keys.audiences.n ? &options->token_keys.audiences : issuers;
    TokenAuth *auth = mem_new_type(TokenAuth);
    int r;

    auth->arena = ARENA_INIT_SIZE(256);
    for (size_t i = 0; i < audiences->n; i++)
        ARENA_APPEND(&auth->arena, &auth->audiences, arena_strdup(&auth->arena, audiences->v[i]));
    r = options->token_file ? read_file(auth, options->token_file, reterr) : 0;
    if (r >= 0)
        r = open_sources(auth, options, reterr);
    if (r < 0) {
        token_auth_free(auth);
        return ERR_TRACE(r);
    }
    *ret = auth;
    return 0;
}

const StringArray *authenticate_audiences(const Server *server)
{
    return &server->token_auth->audiences;
}

void authenticate_use_keys(Server *server, TokenKeys *keys)
{
    token_keys_free(server->token_keys);
    server->token_keys = keys;
    server->token_auth->generation++;
    drop_users(&server->token_auth->cached);
}

/* ---- ServiceAccounts ---- */

/* Whether the token has not expired, and the account and the pod that it is bound to still exist. */
static bool account_good(Server *server, const User *user)
{
    Object *account, *pod;

    if (user->volatile_)
        return false;
    /* Of a user that another server has named, at most the answer is known. */
    if (user->known_until_ns)
        return clock_mono_ns(server->clock) < user->known_until_ns &&
               user->generation == token_lookups_generation(server->token_auth->lookups);
    if (user->expires && user->expires <= server_now(server))
        return false;
    if (!user->sa_name)
        return true;
    if (user->generation != server->token_auth->generation)
        return false;
    account = store_get(server->store, &kind_service_account, user->sa_ns, user->sa_name);
    if (!account || !str_equal(object_meta(account)->uid, user->sa_uid))
        return false;
    if (!user->pod_name)
        return true;
    pod = store_get(server->store, &kind_pod, user->sa_ns, user->pod_name);
    return pod && str_equal(object_meta(pod)->uid, user->pod_uid);
}

/* Why account_good is false, in kube-apiserver's words. */
static const char *fault_of(const Server *server, const User *user)
{
    return user->expires <= server_now(server) ? "service account token has expired"
                                               : "service account token has been invalidated";
}

static User *user_of_claims(const TokenClaims *claims, const char *token)
{
    _free_ char *name =
        mem_printf("system:serviceaccount:%s:%s", claims->ns, claims->service_account);
    User *user = user_new(name, claims->service_account_uid);
    Arena *arena = &user->arena;

    user->token = arena_strdup(arena, token);
    user_add_extra(user, EXTRA "credential-id",
                   arena_printf(arena, "JTI=%s", str_or(claims->id, "")));
    if (claims->node) {
        user_add_extra(user, EXTRA "node-name", claims->node);
        user_add_extra(user, EXTRA "node-uid", str_or(claims->node_uid, ""));
    }
    if (claims->pod) {
        user_add_extra(user, EXTRA "pod-name", claims->pod);
        user_add_extra(user, EXTRA "pod-uid", str_or(claims->pod_uid, ""));
    }
    user->sa_ns = arena_strdup(arena, claims->ns);
    user->sa_name = arena_strdup(arena, claims->service_account);
    user->sa_uid = arena_strdup(arena, claims->service_account_uid);
    user->pod_name = arena_strdup(arena, claims->pod);
    user->pod_uid = arena_strdup(arena, claims->pod_uid);
    user->expires = claims->expires;
    for (size_t i = 0; i < claims->audiences.n; i++)
        ARENA_APPEND(arena, &user->audiences, arena_strdup(arena, claims->audiences.v[i]));
    user_add_group(user, "system:serviceaccounts");
    user_add_group(user, arena_printf(arena, "system:serviceaccounts:%s", claims->ns));
    user_add_group(user, "system:authenticated");
    return user;
}

/* The user of a token that this server can judge itself, or NULL with what TokenReviews say about it; an
 * error of NULL says that the token is of none of these kinds. *ret_audiences are those of the token. */
static User *local_user(Server *server, const char *token, const StringArray **ret_audiences,
                        const char **reterr)
{
    TokenAuth *auth = server->token_auth;
    User *user = strmap_get(&auth->fixed, token);
    _arena_ Arena arena = ARENA_INIT;
    TokenClaims claims;

    *reterr = NULL;
    *ret_audiences = &auth->audiences;
    if (user)
        return user_ref(user);
    user = strmap_get(&auth->cached, token);
    if (user) {
        *ret_audiences = &user->audiences;
        if (account_good(server, user))
            return user_ref(user);
        *reterr = fault_of(server, user);
        user_unref(strmap_remove(&auth->cached, token));
        return NULL;
    }
    user = authenticate_bootstrap(server, token);
    if (user)
        return user;
    switch (token_verify(server->token_keys, &arena, token, &claims)) {
    case 0:
        break;
    case TOKEN_E_OTHER:
        return NULL;
    default:
        *reterr = "invalid signature, no keys found";
        return NULL;
    }
    user = user_of_claims(&claims, token);
    user->generation = auth->generation;
    *ret_audiences = &user->audiences;
    if (!account_good(server, user)) {
        *reterr = fault_of(server, user);
        return user_unref(user);
    }
    if (auth->cached.n >= CACHE_MAX)
        drop_users(&auth->cached);
    strmap_put(&auth->cached, token, user_ref(user));
    return user;
}

static bool holds(const StringArray *list, const char *text)
{
    for (size_t i = 0; i < list->n; i++)
        if (str_equal(list->v[i], text))
            return true;
    return false;
}

/* ["a" "b"], as Go prints it */
static void add_quoted(StrBuf *text, const StringArray *list)
{
    for (size_t i = 0; i < list->n; i++) {
        strbuf_add_string(text, i ? " " : "[");
        json_encode_string(text, list->v[i], strlen(list->v[i]));
    }
    strbuf_add_string(text, list->n ? "]" : "[]");
}

/* Which of the audiences that are wanted the token has. Returns false, with the error of
 * kube-apiserver, if it has none. */
static bool limit_audiences(Arena *arena, const StringArray *wanted, const StringArray *has,
                            TokenAnswer *ret)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    for (size_t i = 0; i < wanted->n; i++)
        if (holds(has, wanted->v[i]))
            ARENA_APPEND(arena, &ret->audiences, wanted->v[i]);
    if (ret->audiences.n)
        return true;
    strbuf_add_string(&text, "token audiences ");
    add_quoted(&text, has);
    strbuf_add_string(&text, " is invalid for the target audiences ");
    add_quoted(&text, wanted);
    ret->error = arena_strdup(arena, strbuf_string(&text));
    return false;
}

TokenOutcome authenticate_token(Server *server, const TokenQuestion *question, TokenAnswer *ret)
{
    TokenAuth *auth = server->token_auth;
    const StringArray *wanted = question->audiences->n ? question->audiences : &auth->audiences,
                      *has;
    TokenOutcome outcome = TOKEN_KNOWN;
    User *user;

    *ret = (TokenAnswer){0};
    user = local_user(server, question->token, &has, &ret->error);
    if (user && limit_audiences(question->arena, wanted, has, ret)) {
        ret->user = user;
        return TOKEN_KNOWN;
    }
    user_unref(user);
    if (!user && !ret->error && auth->lookups) {
        outcome = token_lookup(auth->lookups, question->token, wanted, question->client,
                               question->waiter, ret);
        if (outcome == TOKEN_KNOWN && ret->user)
            user_ref(ret->user);
    }
    return outcome;
}

/* ---- requests ---- */

static void user_release(void *user)
{
    user_unref(user);
}

static User *remember(HttpPeer *peer, User *user)
{
    if (peer->user)
        peer->user_free(peer->user);
    peer->user = user_ref(user);
    peer->user_free = user_release;
    return user;
}

static User *user_of_certificate(const HttpPeer *peer)
{
    User *user = user_new(peer->common_name, NULL);

    for (size_t i = 0; i < peer->n_organizations; i++)
        user_add_group(user, peer->organizations[i]);
    user_add_group(user, "system:authenticated");
    return user;
}

static const char *bearer_token(const HttpRequest *request)
{
    const char *header = http_header(request, "authorization");

    if (!header || strncasecmp(header, "Bearer ", 7) != 0)
        return NULL;
    header += 7;
    while (*header == ' ')
        header++;
    return *header ? header : NULL;
}

static bool is_known(Server *server, const User *known, const char *token)
{
    return known && known->token && str_equal(known->token, token) && account_good(server, known);
}

static void on_answer(TokenWaiter *waiter, const TokenAnswer *answer)
{
    AuthWait *wait = CONTAINER_OF(waiter, AuthWait, waiter);

    wait->done(wait->call, answer);
}

TokenWaiter *authenticate_wait(Call *call, void (*done)(Call *call, const TokenAnswer *answer))
{
    AuthWait *wait = arena_new(call->arena, AuthWait);

    *wait = (AuthWait){.waiter.done = on_answer, .call = call, .done = done};
    call->waiter = wait;
    return &wait->waiter;
}

void authenticate_cancel(Call *call)
{
    if (call->waiter)
        token_waiter_cancel(&call->waiter->waiter);
}

/* Whoever sends the token on this connection again is this user, as long as the answer is true. */
static void keep_token(User *user, const char *token)
{
    if (!user->token)
        user->token = arena_strdup(&user->arena, token);
}

static void on_user(Call *call, const TokenAnswer *answer)
{
    if (answer->user) {
        keep_token(answer->user, bearer_token(call->request));
        call->user = user_ref(remember(call->request->peer, user_ref(answer->user)));
        user_unref(answer->user);
    }
    call->authenticated(call, answer->user ? AUTH_GRANTED : AUTH_DENIED);
}

static AuthOutcome authenticate_bearer(Call *call, const char *token)
{
    static const StringArray any = {0};
    HttpPeer *peer = call->request->peer;
    const TokenQuestion question = {.token = token,
                                    .audiences = &any,
                                    .client = peer->address,
                                    .arena = call->arena,
                                    .waiter = authenticate_wait(call, on_user)};
    TokenAnswer answer;

    switch (authenticate_token(call->server, &question, &answer)) {
    case TOKEN_LATER:
        return AUTH_LATER;
    case TOKEN_BUSY:
        return AUTH_BUSY;
    case TOKEN_KNOWN:
        break;
    }
    if (!answer.user)
        return AUTH_DENIED;
    keep_token(answer.user, token);
    call->user = remember(peer, answer.user);
    return AUTH_GRANTED;
}

AuthOutcome authenticate(Call *call, void (*done)(Call *call, AuthOutcome outcome))
{
    HttpRequest *request = call->request;
    HttpPeer *peer = request->peer;
    User *known = peer->user;
    const char *token;

    if (peer->certificate_bad)
        return AUTH_DENIED;
    call->authenticated = done;
    token = bearer_token(request);
    /* As in kube-apiserver, a certificate takes precedence over a token. */
    if (peer->common_name) {
        call->user = known ? user_ref(known) : remember(peer, user_of_certificate(peer));
        return AUTH_GRANTED;
    }
    if (!token && http_header(request, "authorization"))
        return AUTH_DENIED;
    if (token && !is_known(call->server, known, token))
        return authenticate_bearer(call, token);
    call->user = user_ref(token ? known : call->server->anonymous_user);
    return AUTH_GRANTED;
}
