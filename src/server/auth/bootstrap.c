/* SPDX-License-Identifier: Apache-2.0 */
/* Users with bootstrap tokens. Nothing is cached: the Secret of the token is looked up at each request. */
#include <openssl/crypto.h>

#include "api/bootstrap_token.h"
#include "api/object.h"
#include "server/auth/auth.h"

static bool is_usable(Arena *arena, const Secret *secret, const char *id, const char *given,
                      int64_t now_ns)
{
    const char *own = bootstrap_data(arena, secret, "token-secret");

    return bootstrap_is_token(secret) && strlen(own) == BOOTSTRAP_SECRET &&
           CRYPTO_memcmp(own, given, BOOTSTRAP_SECRET) == 0 &&
           str_equal(bootstrap_data(arena, secret, "token-id"), id) &&
           bootstrap_left_ns(secret, now_ns) > 0 &&
           str_equal(bootstrap_data(arena, secret, "usage-bootstrap-authentication"), "true");
}

User *authenticate_bootstrap(Server *server, const char *token)
{
    _arena_ Arena arena = ARENA_INIT;
    char id[BOOTSTRAP_ID + 1];
    const char *secret;
    StringArray groups;
    Object *object;
    User *user;

    if (!bootstrap_parse(token, id, &secret))
        return NULL;
    object = store_get(server->store, &kind_secret, BOOTSTRAP_NAMESPACE,
                       arena_printf(&arena, BOOTSTRAP_PREFIX "%s", id));
    if (!object ||
        !is_usable(&arena, OBJECT_AS(Secret, object), id, secret, clock_wall_ns(server->clock)))
        return NULL;
    if (!bootstrap_groups(&arena, OBJECT_AS(Secret, object), &groups))
        return NULL;
    user = user_new(arena_printf(&arena, "system:bootstrap:%s", id), NULL);
    user->token = arena_strdup(&user->arena, token);
    user->volatile_ = true;
    for (size_t i = 0; i < groups.n; i++)
        user_add_group(user, groups.v[i]);
    user_add_group(user, "system:authenticated");
    return user;
}
