/* SPDX-License-Identifier: Apache-2.0 */
/* The user of a request, and the attributes that authorization decides about. */
#ifndef SERVER_AUTH_USER_H
#define SERVER_AUTH_USER_H

#include "api/schema/authentication_v1.h"
#include "base/arena.h"

typedef struct User {
    uint32_t refs;
    Arena arena;
    const char *name, *uid;
    StringArray groups;
    const char *token; /* NULL if the user has a certificate or is part of this process */
    const char *sa_ns, *sa_name,
        *sa_uid; /* of a ServiceAccount token, which is valid as long as these exist */
    const char *pod_name, *pod_uid;
    StringArray audiences;                    /* of a ServiceAccount token */
    int64_t expires;                          /* seconds; 0: never */
    ExtraValueMap extra;                      /* sorted by key */
    size_t groups_cap, extra_cap, values_cap; /* values: of the newest key in extra */
    bool masters;                             /* member of system:masters, who may do everything */
    bool anonymous;
    /* Of a user that another server has named: until when this is true (monotonic; 0: it is not such a
     * user). See token/lookup.h. */
    int64_t known_until_ns;
    uint64_t generation; /* of that answer, or of the keys with which the token was verified */
    bool volatile_; /* may change at any time, so the token has to be looked up for each request */
} User;

User *user_new(const char *name, const char *uid);
User *user_ref(User *user);
User *user_unref(User *user);
static inline void user_unrefp(User **user)
{
    *user = user_unref(*user);
}
void user_add_group(User *user, const char *group);
bool user_in_group(const User *user, const char *group);

/* Has to be called in the order of the keys, with the values of one key in succession. */
void user_add_extra(User *user, const char *key, const char *value);

/* What a request wants to do, as authorization sees it. */
typedef struct Attributes {
    const char *verb;
    const char *group, *resource, *subresource, *ns, *name;
    const char *path; /* of a request that is not for a resource; NULL otherwise */
} Attributes;

#endif
