/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decides what a user may do. Members of system:masters may do everything; for all others the roles
 * decide (rbac.c). Even the access to the health endpoints is granted by a role.
 */
#include "api/schema/rbac_v1.h"
#include "server/auth/auth.h"
#include "server/auth/rbac.h"

typedef struct Question {
    const Attributes *attributes;
    const char *source; /* names the binding of the rule that allows it */
} Question;

static bool ask(void *data, const PolicyRule *rule, const char *source)
{
    Question *question = data;

    if (!rbac_rule_allows(rule, question->attributes))
        return true;
    question->source = source;
    return false;
}

bool authorize(Server *server, const User *user, const Attributes *attributes, Arena *arena,
               const char **ret_reason)
{
    Question question = {attributes, NULL};
    const char *error;

    if (ret_reason)
        *ret_reason = NULL;
    if (_likely_(user->masters))
        return true;
    error = rbac_visit(server, arena, user, attributes->ns, ask, &question);
    if (ret_reason && question.source)
        *ret_reason = arena_printf(arena, "RBAC: allowed by %s", question.source);
    else if (ret_reason && error)
        *ret_reason = arena_printf(arena, "RBAC: %s", error);
    return question.source != NULL;
}

int authorize_forbidden(ApiStatus *ret, Arena *arena, const User *user,
                        const Attributes *attributes, const char *reason)
{
    const char *resource;

    if (attributes->path) {
        *ret = (ApiStatus){.reason = STATUS_FORBIDDEN, .kind = ""};
        ret->message = arena_printf(arena, "forbidden: User \"%s\" cannot %s path \"%s\"",
                                    user->name, attributes->verb, attributes->path);
        if (reason)
            ret->message = arena_printf(arena, "%s: %s", ret->message, reason);
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
    if (reason)
        ret->message = arena_printf(arena, "%s: %s", ret->message, reason);
    return ret->reason;
}
