/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strbuf.h"
#include "codec/base64.h"
#include "codec/json/json.h"
#include "registry/auth.h"
#include "registry/refusal.h"
#include "registry/transport/url.h"

#define TOKEN_ANSWER_MAX (256u << 10)
#define TOKEN_MAX (64u << 10)
#define TOKEN_LIFETIME_S 60 /* where none is stated: the specification's value */
#define TOKEN_LIFETIME_MAX_S 3600
#define TOKEN_MARGIN_S 10 /* a token is not used in its last seconds */
#define CLIENT_ID "stead"

void auth_init(Auth *a, const char *scope)
{
    ASSERT(uv_mutex_init(&a->lock) == 0);
    a->scopes = mem_strdup(scope);
}

void auth_header_free(char *header)
{
    if (header)
        explicit_bzero(header, strlen(header));
    free(header);
}

void auth_deinit(Auth *a)
{
    auth_header_free(a->header);
    free(a->scopes);
    arena_clear(&a->arena);
    uv_mutex_destroy(&a->lock);
}

/* ---- what is sent --------------------------------------------------------------------------- */

static void set_header(Auth *a, char *header)
{
    auth_header_free(a->header);
    a->header = header;
    a->from_memory = false;
    a->generation++;
}

static void forget_header(Auth *a)
{
    set_header(a, NULL);
    a->begun = a->exhausted = false;
    a->at = 0;
}

/* Is the scope one of those in the text, which blanks separate? */
static bool has_scope(const char *scopes, const char *scope)
{
    size_t n = strlen(scope);

    for (const char *at = scopes; (at = strstr(at, scope)); at++)
        if ((at == scopes || at[-1] == ' ') && (at[n] == 0 || at[n] == ' '))
            return true;
    return false;
}

void auth_add_scope(Auth *a, const char *scope)
{
    uv_mutex_lock(&a->lock);
    if (!has_scope(a->scopes, scope)) {
        /* "repository:app:pull,push" takes the place of "repository:app:pull". */
        char *scopes = str_starts_with(scope, a->scopes) ? mem_strdup(scope)
                                                         : mem_printf("%s %s", a->scopes, scope);

        free(a->scopes);
        a->scopes = scopes;
        forget_header(a);
    }
    uv_mutex_unlock(&a->lock);
}

static char *basic_header(const Credential *c)
{
    _free_ char *plain = mem_printf("%s:%s", c->user, c->password);
    _strbuf_ StrBuf header = STRBUF_INIT;

    strbuf_add_string(&header, "Basic ");
    base64_encode(bytes_from_string(plain), &header);
    explicit_bzero(plain, strlen(plain));
    return strbuf_take(&header);
}

static int look_up(Auth *a, Err *reterr)
{
    int r;

    if (a->looked_up || !a->keyring)
        return 0;
    r = keyring_find(a->keyring, a->image, &a->arena, &a->credentials, reterr);
    a->looked_up = r == 0;
    return r ? REGISTRY_E_AUTH : 0;
}

/* The i-th credential, NULL: anonymous. False: there is none. */
static bool credential_at(const Auth *a, size_t i, const Credential **ret)
{
    *ret = i < a->credentials.n ? &a->credentials.v[i] : NULL;
    return *ret || (i == 0 && a->challenge.scheme == CHALLENGE_BEARER);
}

static const char *token_key(const Auth *a, Arena *arena, const Credential *c)
{
    return memory_token_key(arena, a->repository, &a->challenge, a->scopes, c);
}

/* Begins with what is known from earlier conversations. */
static void begin(Auth *a)
{
    _arena_ Arena arena = ARENA_INIT;
    const Credential *c;

    a->begun = true;
    if (!memory_challenge(a->memory, a->repository, &a->arena, &a->challenge) || look_up(a, NULL))
        return;
    a->has_challenge = true;
    if (a->challenge.scheme == CHALLENGE_BASIC && credential_at(a, 0, &c)) {
        set_header(a, basic_header(c));
        return;
    }
    for (size_t i = 0; credential_at(a, i, &c); i++) {
        char *token = memory_token(a->memory, token_key(a, &arena, c));

        if (!token)
            continue;
        a->at = i;
        set_header(a, mem_printf("Bearer %s", token));
        a->from_memory = true;
        auth_header_free(token);
        return;
    }
}

char *auth_header(Auth *a, unsigned *ret_generation)
{
    char *header;

    uv_mutex_lock(&a->lock);
    if (!a->begun)
        begin(a);
    header = mem_strdup(a->header);
    *ret_generation = a->generation;
    uv_mutex_unlock(&a->lock);
    return header;
}

bool auth_credential(Auth *a, Credential *ret)
{
    bool has;

    uv_mutex_lock(&a->lock);
    has = a->header && a->at < a->credentials.n;
    if (has)
        *ret = a->credentials.v[a->at];
    uv_mutex_unlock(&a->lock);
    return has;
}

/* ---- tokens --------------------------------------------------------------------------------- */

static void add_parameter(StrBuf *to, const char *name, const char *value)
{
    char *escaped = str_empty(value) ? NULL : curl_easy_escape(NULL, value, (int)strlen(value));

    if (escaped)
        strbuf_printf(to, "%s%s=%s", to->n ? "&" : "", name, escaped);
    curl_free(escaped);
}

/* Ours, and what else the challenge states. The caller frees. */
static char *all_scopes(const Auth *a)
{
    _free_ char *stated = mem_strdup(str_or(a->challenge.scope, ""));
    _strbuf_ StrBuf all = STRBUF_INIT;
    char *rest = stated, *scope;

    strbuf_add_string(&all, a->scopes);
    while ((scope = strsep(&rest, " ")))
        if (*scope && !has_scope(strbuf_string(&all), scope))
            strbuf_printf(&all, " %s", scope);
    return strbuf_take(&all);
}

static void add_scopes(const Auth *a, StrBuf *to, bool as_one)
{
    _free_ char *all = all_scopes(a);
    char *rest = all, *scope;

    if (as_one) {
        add_parameter(to, "scope", all);
        return;
    }
    while ((scope = strsep(&rest, " ")))
        add_parameter(to, "scope", scope);
}

/* Fills the request for a token; the texts are in the arena. */
static void token_request(const Auth *a, const Credential *c, Arena *arena, TransferRequest *ret)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    const char *realm = a->challenge.realm;
    bool is_refresh = c && !str_empty(c->identity_token);

    if (is_refresh)
        add_parameter(&text, "grant_type", "refresh_token");
    add_parameter(&text, "service", a->challenge.service);
    if (is_refresh) {
        add_parameter(&text, "client_id", CLIENT_ID);
        add_parameter(&text, "refresh_token", c->identity_token);
    } else if (c) {
        add_parameter(&text, "account", c->user);
    }
    add_scopes(a, &text, is_refresh);
    *ret = (TransferRequest){.url = realm, .accept = "application/json"};
    if (is_refresh) {
        ret->method = "POST";
        ret->body = arena_bytes(arena, strbuf_bytes(&text));
        ret->content_type = "application/x-www-form-urlencoded";
        explicit_bzero(text.p, text.n);
        return;
    }
    ret->url =
        arena_printf(arena, "%s%c%s", realm, strchr(realm, '?') ? '&' : '?', strbuf_string(&text));
    if (c) {
        char *basic = basic_header(c);

        ret->authorization = arena_strdup(arena, basic);
        auth_header_free(basic);
    }
}

static bool is_plain_text(const char *token)
{
    for (const char *c = token; *c; c++)
        if (*c <= ' ' || *c >= 0x7f)
            return false;
    return true;
}

/* Reads {"token": "...", "expires_in": 300}. */
static int read_token(Auth *a, const char *key, Bytes body, Arena *arena, Err *reterr)
{
    yyjson_doc *doc = NULL;
    int64_t lifetime = TOKEN_LIFETIME_S;
    const char *token = NULL;
    yyjson_val *root;

    if (json_parse(arena, body, &doc, &(DecodeReport){0}) == 0) {
        root = yyjson_doc_get_root(doc);
        token = str_or(yyjson_get_str(yyjson_obj_get(root, "token")),
                       yyjson_get_str(yyjson_obj_get(root, "access_token")));
        if (yyjson_is_int(yyjson_obj_get(root, "expires_in")))
            lifetime = yyjson_get_sint(yyjson_obj_get(root, "expires_in"));
    }
    if (str_empty(token) || strlen(token) > TOKEN_MAX || !is_plain_text(token)) {
        err_set(reterr, 0, "%s: the token server did not answer with a token", a->repository);
        return REGISTRY_E_BAD_DATA;
    }
    lifetime = MIN_OF(lifetime, (int64_t)TOKEN_LIFETIME_MAX_S) - TOKEN_MARGIN_S;
    if (lifetime > 0)
        memory_set_token(a->memory, key, token, lifetime);
    set_header(a, mem_printf("Bearer %s", token));
    return 0;
}

static int token_refused(const Auth *a, int status, Bytes body, Err *reterr)
{
    char reason[256];

    refusal_reason(body, status, reason, sizeof(reason));
    err_set(reterr, 0, "%s: the token server refuses: %s", a->repository, reason);
    if (status == 429)
        return REGISTRY_E_THROTTLED;
    return status >= 500 ? REGISTRY_E_UNAVAILABLE : REGISTRY_E_AUTH;
}

/* A realm is where credentials are sent to, so it has to be as safe as the registry. */
static int check_realm(const Auth *a, Err *reterr)
{
    const char *realm = str_or(a->challenge.realm, "");

    if (str_starts_with(realm, "https://") ||
        (a->host->insecure && str_starts_with(realm, "http://")))
        return 0;
    err_set(reterr, 0, "%s: the registry refers to a token server that is not https",
            a->repository);
    return REGISTRY_E_REFUSED;
}

static int fetch_token(Auth *a, const Credential *c, LaneUsers *users, Lane *lane,
                       const Transfer *refused, Err *reterr)
{
    _arena_ Arena arena = ARENA_INIT;
    TransferHost host = *a->host;
    TransferRequest request;
    Bytes body = BYTES_NULL;
    int status = 0, r = check_realm(a, reterr);

    if (r)
        return r;
    token_request(a, c, &arena, &request);
    request.is_referred = !url_same_origin(a->challenge.realm, transfer_url(refused));
    if (request.is_referred)
        host.client_cert = host.client_key = NULL;
    {
        _transfer_ Transfer *transfer = transfer_new(users, lane, &host, &request);

        r = transfer_head(transfer, &status, reterr);
        if (r == 0)
            r = transfer_read_all(transfer, TOKEN_ANSWER_MAX, &arena, &body, reterr);
    }
    if (r)
        return ERR_TRACE(r);
    if (status / 100 != 2)
        return token_refused(a, status, body, reterr);
    return read_token(a, token_key(a, &arena, c), body, &arena, reterr);
}

/* ---- after a refusal ------------------------------------------------------------------------ */

/* Takes the challenge that can be answered best. */
static void take_challenge(Auth *a, const Transfer *refused)
{
    _arena_ Arena arena = ARENA_INIT;
    Challenge found[CHALLENGES_MAX];
    const Challenge *best = NULL;
    const char *value;
    size_t n = 0;

    for (size_t i = 0; (value = transfer_header(refused, "www-authenticate", i)); i++)
        n = challenges_parse(&arena, value, found, n);
    for (size_t i = 0; i < n; i++)
        if (found[i].scheme != CHALLENGE_OTHER && (!best || found[i].scheme > best->scheme))
            best = &found[i];
    if (!best)
        return;
    a->has_challenge = true;
    a->challenge = (Challenge){
        .scheme = best->scheme,
        .realm = arena_strdup(&a->arena, best->realm),
        .service = arena_strdup(&a->arena, best->service),
        .scope = arena_strdup(&a->arena, best->scope),
    };
    memory_set_challenge(a->memory, a->repository, &a->challenge);
}

/* Makes the header for the credential. */
static int use(Auth *a, const Credential *c, LaneUsers *users, Lane *lane, const Transfer *refused,
               Err *reterr)
{
    if (c && !str_empty(c->registry_token)) {
        set_header(a, mem_printf("Bearer %s", c->registry_token));
        return 0;
    }
    if (a->challenge.scheme == CHALLENGE_BEARER)
        return fetch_token(a, c, users, lane, refused, reterr);
    set_header(a, basic_header(c));
    return 0;
}

static int next_locked(Auth *a, LaneUsers *users, Lane *lane, const Transfer *refused, Err *reterr)
{
    _arena_ Arena arena = ARENA_INIT;
    const Credential *c;
    int r;

    take_challenge(a, refused);
    if (!a->has_challenge)
        return REGISTRY_E_AUTH;
    r = look_up(a, reterr);
    if (r)
        return r;
    if (a->from_memory && credential_at(a, a->at, &c))
        memory_set_token(a->memory, token_key(a, &arena, c), NULL, 0);
    else if (a->header)
        a->at++;
    for (; credential_at(a, a->at, &c); a->at++) {
        r = use(a, c, users, lane, refused, reterr);
        if (r != REGISTRY_E_AUTH)
            return ERR_TRACE(r);
    }
    a->exhausted = true;
    return REGISTRY_E_AUTH;
}

int auth_next(Auth *a, LaneUsers *users, Lane *lane, const Transfer *refused, unsigned generation,
              Err *reterr)
{
    int r = 0;

    uv_mutex_lock(&a->lock);
    if (a->exhausted)
        r = REGISTRY_E_AUTH;
    else if (a->generation == generation) /* else another thread has found one meanwhile */
        r = next_locked(a, users, lane, refused, reterr);
    uv_mutex_unlock(&a->lock);
    return ERR_TRACE(r);
}
