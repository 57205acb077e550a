/* SPDX-License-Identifier: Apache-2.0 */
/* WWW-Authenticate (RFC 9110, section 11.6.1): the authentication that a registry requires when it
 * answers 401. */
#ifndef REGISTRY_CHALLENGE_H
#define REGISTRY_CHALLENGE_H

#include "base/arena.h"

typedef enum ChallengeScheme {
    CHALLENGE_OTHER, /* Negotiate, Digest and so on, which are not used */
    CHALLENGE_BASIC,
    CHALLENGE_BEARER,
} ChallengeScheme;

/* Parameters that are absent are NULL. */
typedef struct Challenge {
    ChallengeScheme scheme;
    const char *realm, *service, *scope, *error;
} Challenge;

#define CHALLENGES_MAX 8

/* Appends the challenges of one header to ret[n], and returns how many there are then. Reading ends
 * where the header is malformed or has more challenges than there is room for. */
size_t challenges_parse(Arena *arena, const char *header, Challenge ret[static CHALLENGES_MAX],
                        size_t n);

#endif
