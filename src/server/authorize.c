/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may do what, as long as there are no roles: system:masters everything; everybody who is known
 * discovery, health, version and questions about oneself; strangers health and version.
 */
#include "server/internal.h"

/* Paths that need no more than to be known, and those that need not even that; a row ends a prefix
 * with "/". */
static const struct {
    const char *path;
    bool anonymous;
} open_paths[] = {
    {"/healthz", true},  {"/livez", true}, {"/readyz", true},   {"/version", true},
    {"/version/", true}, {"/api", false},  {"/api/", false},    {"/apis", false},
    {"/apis/", false},   {"/", false},     {"/openapi", false}, {"/openapi/", false},
};

static const char *const self_reviews[] = {"selfsubjectreviews", "selfsubjectaccessreviews",
                                           "selfsubjectrulesreviews"};

static bool path_open(const User *user, const Attributes *attributes)
{
    if (!str_equal(attributes->verb, "get") && !str_equal(attributes->verb, "head"))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(open_paths); i++) {
        const char *path = open_paths[i].path;
        bool prefix = strlen(path) > 1 && str_ends_with(path, "/");

        if (user->anonymous && !open_paths[i].anonymous)
            continue;
        if (prefix ? str_starts_with(attributes->path, path) : str_equal(attributes->path, path))
            return true;
    }
    /* /healthz/ping and the like */
    return str_starts_with(attributes->path, "/healthz/") ||
           str_starts_with(attributes->path, "/livez/") ||
           str_starts_with(attributes->path, "/readyz/");
}

bool authorize(const User *user, const Attributes *attributes)
{
    if (_likely_(user->masters))
        return true;
    if (attributes->path)
        return path_open(user, attributes);
    if (user->anonymous || !str_equal(attributes->verb, "create"))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(self_reviews); i++)
        if (str_equal(attributes->resource, self_reviews[i]))
            return true;
    return false;
}

int authorize_forbidden(ApiStatus *ret, Arena *arena, const User *user,
                        const Attributes *attributes)
{
    const char *resource;

    if (attributes->path) {
        *ret = (ApiStatus){.reason = STATUS_FORBIDDEN, .kind = ""};
        ret->message = arena_printf(arena, "forbidden: User \"%s\" cannot %s path \"%s\"",
                                    user->name, attributes->verb, attributes->path);
        return ret->reason;
    }
    *ret = (ApiStatus){.reason = STATUS_FORBIDDEN,
                       .name = arena_strdup(arena, attributes->name),
                       .group = arena_strdup(arena, attributes->group),
                       .kind = arena_strdup(arena, attributes->resource)};
    resource = str_empty(attributes->group)
                   ? attributes->resource
                   : arena_printf(arena, "%s.%s", attributes->resource, attributes->group);
    ret->message = arena_printf(
        arena,
        "%s%s%s%s is forbidden: User \"%s\" cannot %s resource \"%s%s%s\" in API group \"%s\" "
        "%s%s%s",
        resource, str_empty(attributes->name) ? "" : " \"", str_or(attributes->name, ""),
        str_empty(attributes->name) ? "" : "\"", user->name, attributes->verb, attributes->resource,
        str_empty(attributes->subresource) ? "" : "/", str_or(attributes->subresource, ""),
        str_or(attributes->group, ""),
        str_empty(attributes->ns) ? "at the cluster scope" : "in the namespace \"",
        str_or(attributes->ns, ""), str_empty(attributes->ns) ? "" : "\"");
    return ret->reason;
}
