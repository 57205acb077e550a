/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers and names. The source is passed in, as the clock is, so that tests can repeat a
 * run from its seed. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include "base/base.h"

/* xoshiro256**; from a seed, or from getrandom where secrets or names are made. */
typedef struct Random {
    uint64_t s[4];
} Random;

void random_seed(Random *random, uint64_t seed);
void random_seed_system(Random *random);
uint64_t random_next(Random *random);
uint64_t random_below(Random *random, uint64_t limit);
/* Kubernetes' suffix alphabet (no vowels, no look-alikes): n characters and a NUL. */
void random_suffix(Random *random, char *buf, size_t n);
/* RFC 4122 version 4, 36 characters and a NUL. */
void random_uuid(Random *random, char buf[static 37]);
/* From the kernel, for keys and tokens. */
void random_secret(void *buf, size_t n);

#endif
