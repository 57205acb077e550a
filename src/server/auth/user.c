/* SPDX-License-Identifier: Apache-2.0 */
/* See user.h. */
#include "server/auth/user.h"

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
