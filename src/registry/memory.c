/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/digest.h"
#include "registry/memory.h"

#define DOWN_NS UINT64_C(30000000000)

typedef struct Token {
    uint64_t expires_ns;
    char text[];
} Token;

typedef struct Wanted {
    Arena arena;
    Challenge challenge;
} Wanted;

static void *token_free(void *p)
{
    Token *token = p;

    if (token)
        explicit_bzero(token->text, strlen(token->text));
    free(token);
    return NULL;
}

static void *wanted_free(void *p)
{
    Wanted *wanted = p;

    if (wanted)
        arena_clear(&wanted->arena);
    free(wanted);
    return NULL;
}

static void clear(StrMap *map, void *(*free_value)(void *))
{
    STRMAP_DEINIT_WITH(map, free_value);
    *map = STRMAP_INIT;
}

static void put(StrMap *map, const char *key, void *value, void *(*free_value)(void *))
{
    if (map->n >= MEMORY_MAX && !strmap_get(map, key))
        clear(map, free_value);
    free_value(value ? strmap_put(map, key, value) : strmap_remove(map, key));
}

static void *down_free(void *until)
{
    free(until);
    return NULL;
}

static void *keep(void *value _unused_)
{
    return NULL;
}

void memory_init(RegistryMemory *memory)
{
    *memory = (RegistryMemory){0};
    lane_pool_init(&memory->lanes);
    ASSERT(uv_mutex_init(&memory->lock) == 0);
}

void memory_deinit(RegistryMemory *memory)
{
    lane_pool_deinit(&memory->lanes);
    clear(&memory->plain, keep);
    clear(&memory->down, down_free);
    clear(&memory->wanted, wanted_free);
    clear(&memory->tokens, token_free);
    uv_mutex_destroy(&memory->lock);
}

bool memory_is_plain(RegistryMemory *memory, const char *host)
{
    bool is_plain;

    uv_mutex_lock(&memory->lock);
    is_plain = strmap_get(&memory->plain, host) != NULL;
    uv_mutex_unlock(&memory->lock);
    return is_plain;
}

void memory_set_plain(RegistryMemory *memory, const char *host, bool is_plain)
{
    uv_mutex_lock(&memory->lock);
    put(&memory->plain, host, is_plain ? memory : NULL, keep);
    uv_mutex_unlock(&memory->lock);
}

bool memory_is_down(RegistryMemory *memory, const char *host)
{
    const uint64_t *until;
    bool is_down;

    uv_mutex_lock(&memory->lock);
    until = strmap_get(&memory->down, host);
    is_down = until && uv_hrtime() < *until;
    uv_mutex_unlock(&memory->lock);
    return is_down;
}

void memory_set_down(RegistryMemory *memory, const char *host)
{
    uint64_t *until = mem_new_type(uint64_t);

    *until = uv_hrtime() + DOWN_NS;
    uv_mutex_lock(&memory->lock);
    put(&memory->down, host, until, down_free);
    uv_mutex_unlock(&memory->lock);
}

static Challenge copy(Arena *arena, const Challenge *c)
{
    return (Challenge){
        .scheme = c->scheme,
        .realm = arena_strdup(arena, c->realm),
        .service = arena_strdup(arena, c->service),
        .scope = arena_strdup(arena, c->scope),
    };
}

bool memory_challenge(RegistryMemory *memory, const char *repository, Arena *arena, Challenge *ret)
{
    const Wanted *wanted;

    uv_mutex_lock(&memory->lock);
    wanted = strmap_get(&memory->wanted, repository);
    if (wanted)
        *ret = copy(arena, &wanted->challenge);
    uv_mutex_unlock(&memory->lock);
    return wanted != NULL;
}

void memory_set_challenge(RegistryMemory *memory, const char *repository,
                          const Challenge *challenge)
{
    Wanted *wanted = mem_new_type(Wanted);

    wanted->challenge = copy(&wanted->arena, challenge);
    uv_mutex_lock(&memory->lock);
    put(&memory->wanted, repository, wanted, wanted_free);
    uv_mutex_unlock(&memory->lock);
}

const char *memory_token_key(Arena *arena, const char *repository, const Challenge *challenge,
                             const char *scopes, const Credential *credential)
{
    static const Credential anonymous;
    const Credential *c = credential ? credential : &anonymous;
    const char *const parts[] = {
        repository, challenge->realm, challenge->service, scopes,
        c->user,    c->password,      c->identity_token,  credential ? "known" : "anonymous",
    };
    _digest_ Digest digest = {0};
    char text[DIGEST_TEXT];

    digest_init(&digest);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        digest_add(&digest, str_or(parts[i], ""), strlen(str_or(parts[i], "")) + 1);
    digest_finish(&digest, text);
    return arena_strdup(arena, text);
}

char *memory_token(RegistryMemory *memory, const char *key)
{
    const Token *token;
    char *text = NULL;

    uv_mutex_lock(&memory->lock);
    token = strmap_get(&memory->tokens, key);
    if (token && uv_hrtime() < token->expires_ns)
        text = mem_strdup(token->text);
    uv_mutex_unlock(&memory->lock);
    return text;
}

void memory_set_token(RegistryMemory *memory, const char *key, const char *text, int64_t lifetime_s)
{
    Token *token = text ? mem_new(sizeof(Token) + strlen(text) + 1) : NULL;

    if (token) {
        memcpy(token->text, text, strlen(text) + 1);
        token->expires_ns = uv_hrtime() + (uint64_t)lifetime_s * 1000000000;
    }
    uv_mutex_lock(&memory->lock);
    put(&memory->tokens, key, token, token_free);
    uv_mutex_unlock(&memory->lock);
}
