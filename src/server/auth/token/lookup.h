/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens that somebody else has to be asked about: an identity provider for its keys, or a webhook for the
 * user. The answer arrives later, so each request that waits for it is a TokenWaiter.
 *
 * Many waiters of one token cost one check: they share a lookup, whose key is a hash of the token and of
 * the audiences. Answers are kept for as long as their source says, both good and bad ones; errors, such as
 * a webhook that does not answer, are not. A lookup has a time limit, like that of kube-apiserver, so a dead
 * source costs each token one time-out, whatever the number of its waiters.
 *
 * Anybody can send tokens, so everything is limited: the lookups and the waiters in all, and those of one
 * client address, so that a client that sends random tokens does not take the places of all others. What
 * exceeds a limit is told to try again later.
 */
#ifndef SERVER_AUTH_TOKEN_LOOKUP_H
#define SERVER_AUTH_TOKEN_LOOKUP_H

#include "api/schema/authentication_v1.h"
#include "base/list.h"
#include "base/time/clock.h"
#include "server/auth/user.h"

#define LOOKUPS_MAX 512           /* at a time */
#define LOOKUPS_MAX_OF_CLIENT 64  /* that one address has begun */
#define WAITERS_MAX 4096          /* at a time */
#define WAITERS_MAX_OF_CLIENT 512 /* of one address */
#define ANSWERS_MAX 4096          /* kept, of good and bad ones each */
#define LOOKUP_TIMEOUT (INT64_C(30) * NS_PER_SEC)

typedef struct TokenLookups TokenLookups;
typedef struct TokenLookup TokenLookup;
typedef struct TokenSource TokenSource;

/* What is known about a token. The texts belong to whoever made it. */
typedef struct TokenAnswer {
    User *user;            /* NULL: not authenticated */
    StringArray audiences; /* for which it holds */
    const char *error;     /* of one that is not authenticated; NULL: none */
    int64_t keep_ns;       /* how long this is true; 0: it must not be kept */
} TokenAnswer;

/*
 * One that can say who the bearer of a token is. It is asked by `check`, and answers each question exactly
 * once by token_lookup_answer, at once or later, unless `cancel` is called before. An answer without a user
 * passes the question on to the next source. `data` of the lookup is the source's own.
 */
struct TokenSource {
    void (*check)(TokenSource *source, TokenLookup *lookup);
    void (*cancel)(TokenSource *source, TokenLookup *lookup);
    /* What is configured has changed, so kept answers are not true any more; counts up. */
    uint64_t generation;
    ListNode node;
};

struct TokenLookup {
    const char *token;
    StringArray audiences; /* asked for */
    Arena arena;
    void *data;
    /* The rest is that of lookup.c. */
    TokenLookups *owner;
    TokenSource *source; /* that is asked now */
    char key[65];
    struct TokenClient *client; /* that has begun it; NULL: none */
    StringArray errors;         /* of the sources that were asked */
    int64_t keep_ns;            /* the least of them */
    uint64_t generation;
    bool starting; /* token_lookup has not returned yet */
    bool over;
    ListNode node, waiters;
    Timer timer;
};

typedef struct TokenWaiter {
    /* Called once, from the loop. The answer is valid during the call. */
    void (*done)(struct TokenWaiter *waiter, const TokenAnswer *answer);
    TokenLookup *lookup; /* NULL: it does not wait */
    struct TokenClient *client;
    ListNode node;
} TokenWaiter;

typedef enum TokenOutcome {
    TOKEN_KNOWN, /* *ret is the answer, valid until the loop goes on */
    TOKEN_LATER, /* the waiter will be called */
    TOKEN_BUSY,  /* a limit is reached */
} TokenOutcome;

TokenLookups *token_lookups_new(Clock *clock);
/* There are no waiters any more. The sources are not freed. */
TokenLookups *token_lookups_free(TokenLookups *lookups);
void token_lookups_add(TokenLookups *lookups, TokenSource *source);
bool token_lookups_any(const TokenLookups *lookups); /* whether there is a source */

/* `client` is the address of whoever asks; NULL: no limit of a client applies. */
TokenOutcome token_lookup(TokenLookups *lookups, const char *token, const StringArray *audiences,
                          const char *client, TokenWaiter *waiter, TokenAnswer *ret);
/* The waiter is not called. One that does not wait is fine. */
void token_waiter_cancel(TokenWaiter *waiter);

/* Of sources. */
void token_lookup_answer(TokenLookup *lookup, const TokenAnswer *answer);

/* Counts up when answers that were given may not be true any more. */
uint64_t token_lookups_generation(const TokenLookups *lookups);
/* For tests. */
size_t token_lookups_running(const TokenLookups *lookups);

#endif
