/* SPDX-License-Identifier: Apache-2.0 */
#include "api/bootstrap_token.h"

#include "api/time.h"
#include "base/timefmt.h"

#define GROUPS "system:bootstrappers"

static bool is_word(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(s[i] >= 'a' && s[i] <= 'z') && !(s[i] >= '0' && s[i] <= '9'))
            return false;
    return true;
}

bool bootstrap_parse(const char *token, char ret_id[static BOOTSTRAP_ID + 1],
                     const char **ret_secret)
{
    enum { LENGTH = BOOTSTRAP_ID + 1 + BOOTSTRAP_SECRET };

    if (strnlen(token, LENGTH + 1) != LENGTH || token[BOOTSTRAP_ID] != '.' ||
        !is_word(token, BOOTSTRAP_ID) || !is_word(token + BOOTSTRAP_ID + 1, BOOTSTRAP_SECRET))
        return false;
    memcpy(ret_id, token, BOOTSTRAP_ID);
    ret_id[BOOTSTRAP_ID] = 0;
    *ret_secret = token + BOOTSTRAP_ID + 1;
    return true;
}

bool bootstrap_is_token(const Secret *secret)
{
    const ObjectMeta *meta = &secret->metadata;

    return str_equal(secret->type, BOOTSTRAP_TYPE) &&
           str_equal(meta->namespace, BOOTSTRAP_NAMESPACE) && !meta->deletion_timestamp.set;
}

const char *bootstrap_data(Arena *arena, const Secret *secret, const char *key)
{
    for (size_t i = 0; i < secret->data.n; i++)
        if (str_equal(secret->data.v[i].key, key))
            return arena_strndup(arena, (const char *)secret->data.v[i].value.p,
                                 secret->data.v[i].value.n);
    return "";
}

int64_t bootstrap_left_ns(const Secret *secret, int64_t now_ns)
{
    _arena_ Arena arena = ARENA_INIT;
    const char *text = bootstrap_data(&arena, secret, "expiration");
    int64_t seconds;
    int32_t nanos;

    if (!*text)
        return INT64_MAX;
    if (timefmt_parse(text, &seconds, &nanos))
        return 0;
    return MAX_OF(ns_from_seconds(seconds) + nanos - now_ns, INT64_C(0));
}

/* "system:bootstrappers:" and what is made of lower-case letters, digits, colons and hyphens. */
static bool is_group(const char *group)
{
    size_t prefix = strlen(GROUPS ":"), n = strlen(group);

    if (!str_starts_with(group, GROUPS ":") || n <= prefix || n > prefix + 256)
        return false;
    for (const char *c = group + prefix; *c; c++)
        if (!is_word(c, 1) && *c != ':' && *c != '-')
            return false;
    return is_word(group + n - 1, 1);
}

bool bootstrap_groups(Arena *arena, const Secret *secret, StringArray *ret)
{
    char *at = arena_strdup(arena, bootstrap_data(arena, secret, "auth-extra-groups")), *group;

    *ret = (StringArray){0};
    ARENA_APPEND(arena, ret, GROUPS);
    if (!*at)
        return true;
    while ((group = strsep(&at, ","))) {
        bool seen = false;

        if (!is_group(group))
            return false;
        for (size_t i = 0; i < ret->n; i++)
            seen = seen || str_equal(ret->v[i], group);
        if (!seen)
            ARENA_APPEND(arena, ret, group);
    }
    return true;
}
