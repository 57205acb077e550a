/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is remembered between conversations, so that the next one is shorter: connections, hosts
 * that use plain HTTP, what kind of authorization a repository wants, and tokens until they expire.
 *
 * A token is found only by who has the same credential. Names come from whoever may start pods, so
 * the number of things is limited; if it is reached, everything of the kind is forgotten.
 */
#ifndef REGISTRY_MEMORY_H
#define REGISTRY_MEMORY_H

#include "base/strmap.h"
#include "registry/challenge.h"
#include "registry/keyring.h"
#include "registry/transport/lane.h"

#define MEMORY_MAX 512

typedef struct RegistryMemory {
    LanePool lanes;
    uv_mutex_t lock; /* guards the maps */
    StrMap plain;    /* host -> any */
    StrMap down;     /* host of a mirror -> until when it is not asked */
    StrMap wanted;   /* host/repository -> a Challenge with its texts */
    StrMap tokens;   /* memory_token_key() -> a token with its time */
} RegistryMemory;

void memory_init(RegistryMemory *memory);
void memory_deinit(RegistryMemory *memory);

bool memory_is_plain(RegistryMemory *memory, const char *host);
void memory_set_plain(RegistryMemory *memory, const char *host, bool is_plain);

/* A mirror that cannot be reached costs each pull a time-out, so it is left out for half a
 * minute. */
bool memory_is_down(RegistryMemory *memory, const char *host);
void memory_set_down(RegistryMemory *memory, const char *host);

/* Texts are copied to the arena. False: unknown. */
bool memory_challenge(RegistryMemory *memory, const char *repository, Arena *arena, Challenge *ret);
void memory_set_challenge(RegistryMemory *memory, const char *repository,
                          const Challenge *challenge);

/* credential may be NULL: anonymous. */
const char *memory_token_key(Arena *arena, const char *repository, const Challenge *challenge,
                             const char *scopes, const Credential *credential);
/* NULL: there is none, or it has expired. The caller frees. */
char *memory_token(RegistryMemory *memory, const char *key);
/* token NULL: forget it. */
void memory_set_token(RegistryMemory *memory, const char *key, const char *token,
                      int64_t lifetime_s);

#endif
