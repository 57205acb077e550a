/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See lookup.h. A lookup asks one source after the other. When it ends, it is removed from the table before
 * its waiters are called, so that a waiter may begin another one.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/strbuf.h"
#include "base/strmap.h"
#include "server/auth/token/lookup.h"

/* Answers of sources that know none of a token's issuer. */
#define KEEP_UNKNOWN (INT64_C(10) * NS_PER_SEC)

typedef struct TokenClient {
    unsigned lookups, waiters;
    char *address;
} TokenClient;

/* An answer that is kept. */
typedef struct Kept {
    Arena arena;
    TokenAnswer answer;
    char key[65];
    int64_t until_ns;
    uint64_t generation;
    ListNode node; /* in the order of their times of arrival */
} Kept;

/* Good and bad answers are kept apart, so that tokens without a user cannot displace the others. */
typedef struct KeptList {
    ListNode list;
    size_t n;
} KeptList;

struct TokenLookups {
    Clock *clock;
    uint8_t secret[32]; /* the hashes of tokens cannot be foreseen */
    ListNode sources;
    StrMap running; /* key -> TokenLookup */
    StrMap kept;    /* key -> Kept */
    KeptList good, bad;
    StrMap clients; /* address -> TokenClient */
    size_t waiters;
    Kept *last; /* the newest answer that is not kept, for the caller of token_lookup */
};

/* ---- clients ---- */

static TokenClient *client_of(TokenLookups *lookups, const char *address)
{
    TokenClient *client;

    if (!address)
        return NULL;
    client = strmap_get(&lookups->clients, address);
    if (client)
        return client;
    client = mem_new_type(TokenClient);
    client->address = mem_strdup(address);
    strmap_put(&lookups->clients, address, client);
    return client;
}

static void client_settle(TokenLookups *lookups, TokenClient *client)
{
    if (!client || client->lookups || client->waiters)
        return;
    strmap_remove(&lookups->clients, client->address);
    free(client->address);
    free(client);
}

/* ---- answers ---- */

static Kept *kept_free(Kept *kept)
{
    if (!kept)
        return NULL;
    user_unref(kept->answer.user);
    arena_clear(&kept->arena);
    free(kept);
    return NULL;
}

static void forget(TokenLookups *lookups, Kept *kept)
{
    KeptList *list = kept->answer.user ? &lookups->good : &lookups->bad;

    strmap_remove(&lookups->kept, kept->key);
    list_remove(&kept->node);
    list->n--;
    kept_free(kept);
}

static Kept *kept_new(const TokenLookup *lookup, const TokenAnswer *answer)
{
    Kept *kept = mem_new_type(Kept);

    kept->arena = ARENA_INIT_SIZE(256);
    kept->answer = (TokenAnswer){.user = answer->user ? user_ref(answer->user) : NULL,
                                 .error = arena_strdup(&kept->arena, answer->error),
                                 .keep_ns = answer->keep_ns};
    for (size_t i = 0; i < answer->audiences.n; i++)
        ARENA_APPEND(&kept->arena, &kept->answer.audiences,
                     arena_strdup(&kept->arena, answer->audiences.v[i]));
    memcpy(kept->key, lookup->key, sizeof(kept->key));
    kept->generation = lookup->generation;
    return kept;
}

/* Keeps the answer, or makes it the newest one that is not kept. */
static Kept *keep(TokenLookups *lookups, const TokenLookup *lookup, const TokenAnswer *answer)
{
    Kept *kept = kept_new(lookup, answer);
    KeptList *list = answer->user ? &lookups->good : &lookups->bad;
    int64_t now = clock_mono_ns(lookups->clock);

    kept->until_ns = answer->keep_ns > INT64_MAX - now ? INT64_MAX : now + answer->keep_ns;
    if (answer->user) {
        answer->user->known_until_ns = kept->until_ns;
        answer->user->generation = kept->generation;
    }
    if (answer->keep_ns <= 0 || kept->generation != token_lookups_generation(lookups)) {
        kept_free(lookups->last);
        lookups->last = kept;
        return kept;
    }
    while (list->n >= ANSWERS_MAX)
        forget(lookups, CONTAINER_OF(list->list.next, Kept, node));
    list_append(&list->list, &kept->node);
    list->n++;
    strmap_put(&lookups->kept, kept->key, kept);
    return kept;
}

static Kept *find_kept(TokenLookups *lookups, const char *key)
{
    Kept *kept = strmap_get(&lookups->kept, key);

    if (!kept)
        return NULL;
    if (clock_mono_ns(lookups->clock) < kept->until_ns &&
        kept->generation == token_lookups_generation(lookups))
        return kept;
    forget(lookups, kept);
    return NULL;
}

/* ---- lookups ---- */

static void add_text(StrBuf *text, const char *s)
{
    strbuf_printf(text, "%zu:%s", strlen(s), s);
}

static void make_key(const TokenLookups *lookups, const char *token, const StringArray *audiences,
                     char ret[static 65])
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    add_text(&text, token);
    for (size_t i = 0; i < audiences->n; i++)
        add_text(&text, audiences->v[i]);
    ASSERT(HMAC(EVP_sha256(), lookups->secret, sizeof(lookups->secret),
                (const uint8_t *)strbuf_string(&text), text.n, digest, &n) &&
           n == 32);
    for (size_t i = 0; i < 32; i++)
        snprintf(ret + 2 * i, 3, "%02x", digest[i]);
}

static void lookup_free(TokenLookup *lookup)
{
    TokenLookups *lookups = lookup->owner;

    timer_stop(lookups->clock, &lookup->timer);
    if (lookup->client) {
        lookup->client->lookups--;
        client_settle(lookups, lookup->client);
    }
    arena_clear(&lookup->arena);
    free(lookup);
}

static void waiter_leave(TokenLookups *lookups, TokenWaiter *waiter)
{
    list_remove(&waiter->node);
    waiter->lookup = NULL;
    lookups->waiters--;
    if (waiter->client) {
        waiter->client->waiters--;
        client_settle(lookups, waiter->client);
    }
    waiter->client = NULL;
}

/* Errors of several sources are printed as kube-apiserver does. */
static const char *error_text(Arena *arena, const StringArray *errors)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    if (errors->n < 2)
        return errors->n ? errors->v[0] : NULL;
    for (size_t i = 0; i < errors->n; i++)
        strbuf_printf(&text, "%s%s", i ? ", " : "[", errors->v[i]);
    strbuf_add_char(&text, ']');
    return arena_strdup(arena, strbuf_string(&text));
}

/* The answer is copied before the source, to which it belongs, is told anything else. */
static void finish(TokenLookup *lookup, const TokenAnswer *answer)
{
    TokenLookups *lookups = lookup->owner;
    Kept *kept = keep(lookups, lookup, answer);
    TokenAnswer copy = kept->answer;
    bool starting = lookup->starting;

    strmap_remove(&lookups->running, lookup->key);
    lookup->over = true;
    if (starting)
        return; /* token_lookup returns the answer */
    if (copy.user)
        user_ref(copy.user);
    copy.error = arena_strdup(&lookup->arena, copy.error);
    copy.audiences = kept->answer.audiences;
    copy.audiences.v = ARENA_COPY_N(&lookup->arena, copy.audiences.v, copy.audiences.n);
    for (size_t i = 0; i < copy.audiences.n; i++)
        copy.audiences.v[i] = arena_strdup(&lookup->arena, copy.audiences.v[i]);
    while (!list_empty(&lookup->waiters)) {
        TokenWaiter *waiter = CONTAINER_OF(lookup->waiters.next, TokenWaiter, node);

        waiter_leave(lookups, waiter);
        waiter->done(waiter, &copy);
    }
    user_unref(copy.user);
    lookup_free(lookup);
}

static void ask(TokenLookup *lookup)
{
    TokenLookups *lookups = lookup->owner;
    ListNode *next = lookup->source ? lookup->source->node.next : lookups->sources.next;

    if (next == &lookups->sources) {
        finish(lookup, &(TokenAnswer){.error = error_text(&lookup->arena, &lookup->errors),
                                      .keep_ns = lookup->keep_ns == INT64_MAX ? KEEP_UNKNOWN
                                                                              : lookup->keep_ns});
        return;
    }
    lookup->source = CONTAINER_OF(next, TokenSource, node);
    lookup->data = NULL;
    lookup->source->check(lookup->source, lookup);
}

void token_lookup_answer(TokenLookup *lookup, const TokenAnswer *answer)
{
    lookup->data = NULL;
    if (answer->user) {
        finish(lookup, answer);
        return;
    }
    lookup->keep_ns = MIN_OF(lookup->keep_ns, answer->keep_ns);
    if (answer->error)
        ARENA_APPEND(&lookup->arena, &lookup->errors, arena_strdup(&lookup->arena, answer->error));
    ask(lookup);
}

static void on_timeout(Timer *timer)
{
    TokenLookup *lookup = timer->data;

    lookup->source->cancel(lookup->source, lookup);
    lookup->data = NULL;
    ARENA_APPEND(&lookup->arena, &lookup->errors, "context deadline exceeded");
    finish(lookup, &(TokenAnswer){.error = error_text(&lookup->arena, &lookup->errors)});
}

static TokenLookup *lookup_new(TokenLookups *lookups, const char *key, const char *token,
                               const StringArray *audiences, TokenClient *client)
{
    TokenLookup *lookup = mem_new_type(TokenLookup);
    Arena *arena = &lookup->arena;

    lookup->arena = ARENA_INIT_SIZE(1024);
    lookup->owner = lookups;
    lookup->token = arena_strdup(arena, token);
    for (size_t i = 0; i < audiences->n; i++)
        ARENA_APPEND(arena, &lookup->audiences, arena_strdup(arena, audiences->v[i]));
    memcpy(lookup->key, key, sizeof(lookup->key));
    lookup->keep_ns = INT64_MAX;
    lookup->generation = token_lookups_generation(lookups);
    list_init(&lookup->waiters);
    lookup->timer.on_fire = on_timeout;
    lookup->timer.data = lookup;
    lookup->client = client;
    if (client)
        client->lookups++;
    strmap_put(&lookups->running, key, lookup);
    return lookup;
}

static TokenOutcome join(TokenLookups *lookups, TokenLookup *lookup, TokenClient *client,
                         TokenWaiter *waiter)
{
    waiter->lookup = lookup;
    waiter->client = client;
    list_append(&lookup->waiters, &waiter->node);
    lookups->waiters++;
    if (client)
        client->waiters++;
    return TOKEN_LATER;
}

TokenOutcome token_lookup(TokenLookups *lookups, const char *token, const StringArray *audiences,
                          const char *address, TokenWaiter *waiter, TokenAnswer *ret)
{
    TokenLookup *lookup;
    TokenClient *client;
    char key[65];
    Kept *kept;

    make_key(lookups, token, audiences, key);
    kept = find_kept(lookups, key);
    if (kept) {
        *ret = kept->answer;
        return TOKEN_KNOWN;
    }
    lookup = strmap_get(&lookups->running, key);
    client = client_of(lookups, address);
    if (lookups->waiters >= WAITERS_MAX || (!lookup && lookups->running.n >= LOOKUPS_MAX) ||
        (client && client->waiters >= WAITERS_MAX_OF_CLIENT) ||
        (client && !lookup && client->lookups >= LOOKUPS_MAX_OF_CLIENT)) {
        client_settle(lookups, client);
        return TOKEN_BUSY;
    }
    if (lookup)
        return join(lookups, lookup, client, waiter);
    lookup = lookup_new(lookups, key, token, audiences, client);
    lookup->starting = true;
    timer_start(lookups->clock, &lookup->timer, LOOKUP_TIMEOUT);
    ask(lookup);
    lookup->starting = false;
    if (!lookup->over)
        return join(lookups, lookup, client, waiter);
    kept = strmap_get(&lookups->kept, key);
    *ret = kept ? kept->answer : lookups->last->answer;
    lookup_free(lookup);
    return TOKEN_KNOWN;
}

void token_waiter_cancel(TokenWaiter *waiter)
{
    TokenLookup *lookup = waiter->lookup;

    if (!lookup)
        return;
    waiter_leave(lookup->owner, waiter);
    /* Nobody waits any more. The answer would be kept, but a source that does not answer would have to be
     * limited by other means. */
    if (!list_empty(&lookup->waiters) || lookup->over)
        return;
    lookup->source->cancel(lookup->source, lookup);
    strmap_remove(&lookup->owner->running, lookup->key);
    lookup_free(lookup);
}

/* ---- life ---- */

TokenLookups *token_lookups_new(Clock *clock)
{
    TokenLookups *lookups = mem_new_type(TokenLookups);

    lookups->clock = clock;
    random_secret(lookups->secret, sizeof(lookups->secret));
    list_init(&lookups->sources);
    list_init(&lookups->good.list);
    list_init(&lookups->bad.list);
    return lookups;
}

TokenLookups *token_lookups_free(TokenLookups *lookups)
{
    if (!lookups)
        return NULL;
    ASSERT(!lookups->running.n); /* each had a waiter */
    kept_free(lookups->last);
    strmap_deinit(&lookups->running);
    STRMAP_DEINIT_WITH(&lookups->kept, kept_free);
    strmap_deinit(&lookups->clients);
    free(lookups);
    return NULL;
}

void token_lookups_add(TokenLookups *lookups, TokenSource *source)
{
    list_append(&lookups->sources, &source->node);
}

bool token_lookups_any(const TokenLookups *lookups)
{
    return !list_empty(&lookups->sources);
}

uint64_t token_lookups_generation(const TokenLookups *lookups)
{
    uint64_t sum = 1;

    LIST_EACH(&lookups->sources, node)
        sum += CONTAINER_OF(node, TokenSource, node)->generation;
    return sum;
}

size_t token_lookups_running(const TokenLookups *lookups)
{
    return lookups->running.n;
}
