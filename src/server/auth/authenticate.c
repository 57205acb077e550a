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
#include "server/auth/token.h"

#define TOKEN_FILE_MAX ((size_t)1024 * 1024)
#define CACHE_MAX 4096

/* The prefix of the extra keys that describe the bearer of a token. */
#define EXTRA "authentication.kubernetes.io/"

struct TokenAuth {
    StrMap fixed;  /* token -> User, from the file of static tokens */
    StrMap cached; /* token -> User, of verified ServiceAccount tokens */
};

User *user_new(const char *name, const char *uid)
{
    User *user = mem_new_type(User);

    user->refs = 1;
    user->arena = ARENA_INIT_SIZE(512);
    user->name = arena_strdup(&user->arena, name);
    user->uid = arena_strdup(&user->arena, uid);
    return user;
}

User *user_ref(User *user)
{
    user->refs++;
    return user;
}

User *user_unref(User *user)
{
    if (!user || --user->refs)
        return NULL;
    arena_clear(&user->arena);
    free(user);
    return NULL;
}

void user_add_group(User *user, const char *group)
{
    ARENA_PUSH_CAP(&user->arena, &user->groups, &user->groups_cap,
                   arena_strdup(&user->arena, group));
    if (str_equal(group, "system:masters"))
        user->masters = true;
}

bool user_in_group(const User *user, const char *group)
{
    for (size_t i = 0; i < user->groups.n; i++)
        if (str_equal(user->groups.v[i], group))
            return true;
    return false;
}

void user_add_extra(User *user, const char *key, const char *value)
{
    Arena *arena = &user->arena;
    ExtraValueMap *extra = &user->extra;

    if (!extra->n || !str_equal(extra->v[extra->n - 1].key, key)) {
        ARENA_PUSH_CAP(arena, extra, &user->extra_cap,
                       (ExtraValueEntry){.key = arena_strdup(arena, key)});
        user->values_cap = 0;
    }
    ARENA_PUSH_CAP(arena, &extra->v[extra->n - 1].value.items, &user->values_cap,
                   arena_strdup(arena, value));
}

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

TokenAuth *token_auth_new(const char *file, Err *reterr, int *ret)
{
    TokenAuth *auth = mem_new_type(TokenAuth);

    *ret = file ? read_file(auth, file, reterr) : 0;
    return *ret < 0 ? token_auth_free(auth) : auth;
}

static void drop_users(StrMap *map)
{
    STRMAP_EACH(map, slot)
        user_unref(slot->value);
    strmap_deinit(map);
    *map = STRMAP_INIT;
}

TokenAuth *token_auth_free(TokenAuth *auth)
{
    if (!auth)
        return NULL;
    drop_users(&auth->fixed);
    drop_users(&auth->cached);
    free(auth);
    return NULL;
}

/* ---- ServiceAccounts ---- */

/* Whether the token has not expired, and the account and the pod that it is bound to still exist. */
static bool account_good(Server *server, const User *user)
{
    Object *account, *pod;

    if (user->volatile_)
        return false;
    if (user->expires && user->expires <= server_now(server))
        return false;
    if (!user->sa_name)
        return true;
    account = store_get(server->store, &kind_service_account, user->sa_ns, user->sa_name);
    if (!account || !str_equal(object_meta(account)->uid, user->sa_uid))
        return false;
    if (!user->pod_name)
        return true;
    pod = store_get(server->store, &kind_pod, user->sa_ns, user->pod_name);
    return pod && str_equal(object_meta(pod)->uid, user->pod_uid);
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
    user_add_group(user, "system:serviceaccounts");
    user_add_group(user, arena_printf(arena, "system:serviceaccounts:%s", claims->ns));
    user_add_group(user, "system:authenticated");
    return user;
}

User *authenticate_token(Server *server, const char *token, const char **reterr)
{
    TokenAuth *auth = server->token_auth;
    User *user = strmap_get(&auth->fixed, token);
    _arena_ Arena arena = ARENA_INIT;
    TokenClaims claims;

    *reterr = "invalid bearer token";
    if (user)
        return user_ref(user);
    user = strmap_get(&auth->cached, token);
    if (user) {
        if (account_good(server, user))
            return user_ref(user);
        user_unref(strmap_remove(&auth->cached, token));
        return NULL;
    }
    user = authenticate_bootstrap(server, token);
    if (user)
        return user;
    if (!server->token_key || token_verify(server->token_key, &arena, token, &claims))
        return NULL;
    if (!str_equal(claims.audience, TOKEN_ISSUER))
        return NULL;
    user = user_of_claims(&claims, token);
    if (!account_good(server, user))
        return user_unref(user);
    if (auth->cached.n >= CACHE_MAX)
        drop_users(&auth->cached);
    strmap_put(&auth->cached, token, user_ref(user));
    return user;
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

User *authenticate(Server *server, HttpRequest *request)
{
    HttpPeer *peer = request->peer;
    User *known = peer->user, *user;
    const char *why, *token;

    if (peer->certificate_bad)
        return NULL;
    /* As in kube-apiserver, a certificate takes precedence over a token. */
    if (peer->common_name) {
        if (known)
            return user_ref(known);
        return remember(peer, user_of_certificate(peer));
    }
    token = bearer_token(request);
    if (!token)
        return http_header(request, "authorization") ? NULL : user_ref(server->anonymous_user);
    if (known && known->token && str_equal(known->token, token) && account_good(server, known))
        return user_ref(known);
    user = authenticate_token(server, token, &why);
    return user ? remember(peer, user) : NULL;
}
