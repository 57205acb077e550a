/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/random.h>

#include "base/random.h"

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

void random_seed(Random *random, uint64_t seed)
{
    /* splitmix64 spreads a small seed over the state */
    for (int i = 0; i < 4; i++) {
        uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        random->s[i] = z ^ (z >> 31);
    }
}

void random_secret(void *buf, size_t n)
{
    uint8_t *p = buf;

    while (n) {
        ssize_t got = getrandom(p, n, 0);

        if (got < 0) {
            ASSERT(errno == EINTR);
            continue;
        }
        p += got;
        n -= (size_t)got;
    }
}

void random_seed_system(Random *random)
{
    random_secret(random->s, sizeof(random->s));
    random->s[0] |= 1; /* never all zero */
}

uint64_t random_next(Random *random)
{
    uint64_t *s = random->s, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t random_below(Random *random, uint64_t limit)
{
    return limit ? (uint64_t)(((unsigned __int128)random_next(random) * limit) >> 64) : 0;
}

void random_suffix(Random *random, char *buf, size_t n)
{
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";

    for (size_t i = 0; i < n; i++)
        buf[i] = letters[random_below(random, sizeof(letters) - 1)];
    buf[n] = 0;
}

void random_uuid(Random *random, char buf[static 37])
{
    static const char digits[] = "0123456789abcdef",
                      form[] = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";
    uint64_t bits[2] = {random_next(random), random_next(random)};
    unsigned at = 0; /* of the nibbles, from the high end */

    for (size_t i = 0; i < sizeof(form); i++) {
        unsigned nibble;

        if (form[i] != 'x' && form[i] != 'y') {
            buf[i] = form[i];
            continue;
        }
        nibble = (unsigned)(bits[at / 16] >> (60 - at % 16 * 4)) & 15;
        at++;
        buf[i] = digits[form[i] == 'y' ? (nibble & 3) | 8 : nibble];
    }
}
