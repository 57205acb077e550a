/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking as somebody else: Impersonate-User, -Group, -Uid and -Extra-KEY, as `kubectl --as` sends
 * them. Each part is asked for under its own name, and refused like any other request: who may not
 * act for all of them acts for none. From then on the request is the other one's.
 */
#include "server/internal.h"

#define EXTRA "impersonate-extra-"

static bool may_be(Call *call, const Attributes *attributes)
{
    ApiStatus status;
    const char *reason;

    if (authorize(call->server, call->user, attributes, call->arena, &reason))
        return true;
    authorize_forbidden(&status, call->arena, call->user, attributes, reason);
    respond_status(call, &status);
    return false;
}

/* "system:serviceaccount:NAMESPACE:NAME" */
static bool split_account(Arena *arena, const char *user, const char **ret_ns,
                          const char **ret_name)
{
    static const char prefix[] = "system:serviceaccount:";
    const char *ns, *colon;

    if (!str_starts_with(user, prefix))
        return false;
    ns = user + strlen(prefix);
    colon = strchr(ns, ':');
    if (!colon || colon == ns || !colon[1] || strchr(colon + 1, ':'))
        return false;
    *ret_ns = arena_strndup(arena, ns, (size_t)(colon - ns));
    *ret_name = colon + 1;
    return true;
}

static bool may_be_user(Call *call, const char *name, const char *account_ns,
                        const char *account_name)
{
    Attributes attributes = {.verb = "impersonate", .group = "", .resource = "users", .name = name};

    if (account_ns) {
        attributes.resource = "serviceaccounts";
        attributes.ns = account_ns;
        attributes.name = account_name;
    }
    return may_be(call, &attributes);
}

/* Groups, uid and extras: what each header asks for. */
static bool may_be_rest(Call *call)
{
    const HttpRequest *request = call->request;

    for (size_t i = 0; i < request->n_headers; i++) {
        const HttpHeader *header = &request->headers[i];
        Attributes attributes = {.verb = "impersonate",
                                 .name = utf8_clean(call->arena, header->value)};

        if (str_equal(header->name, "impersonate-group")) {
            attributes.group = "";
            attributes.resource = "groups";
        } else if (str_equal(header->name, "impersonate-uid")) {
            attributes.group = "authentication.k8s.io";
            attributes.resource = "uids";
        } else if (str_starts_with(header->name, EXTRA)) {
            attributes.group = "authentication.k8s.io";
            attributes.resource = "userextras";
            attributes.subresource = header->name + strlen(EXTRA);
        } else {
            continue;
        }
        if (!may_be(call, &attributes))
            return false;
    }
    return true;
}

static bool asks_for_more(const HttpRequest *request)
{
    for (size_t i = 0; i < request->n_headers; i++)
        if (str_equal(request->headers[i].name, "impersonate-group") ||
            str_equal(request->headers[i].name, "impersonate-uid") ||
            str_starts_with(request->headers[i].name, EXTRA))
            return true;
    return false;
}

static void add_groups(Call *call, User *user, const char *account_ns)
{
    const HttpRequest *request = call->request;
    bool some = false;

    for (size_t i = 0; i < request->n_headers; i++) {
        if (!str_equal(request->headers[i].name, "impersonate-group"))
            continue;
        user_add_group(user, request->headers[i].value);
        some = true;
    }
    if (account_ns && !some) {
        user_add_group(user, "system:serviceaccounts");
        user_add_group(user, arena_printf(call->arena, "system:serviceaccounts:%s", account_ns));
    }
    user->anonymous = str_equal(user->name, "system:anonymous");
    user_add_group(user, user->anonymous ? "system:unauthenticated" : "system:authenticated");
}

bool impersonate(Call *call)
{
    const char *name = utf8_clean(call->arena, http_header(call->request, "impersonate-user"));
    const char *account_ns = NULL, *account_name = NULL;
    User *user;

    if (str_empty(name)) {
        if (_likely_(!asks_for_more(call->request)))
            return true;
        respond_status(call, &(ApiStatus){.reason = STATUS_INTERNAL_ERROR,
                                          .message = "Internal error occurred: groups, uid or "
                                                     "extra cannot be impersonated without a "
                                                     "user"});
        return false;
    }
    split_account(call->arena, name, &account_ns, &account_name);
    if (!may_be_user(call, name, account_ns, account_name) || !may_be_rest(call))
        return false;
    user = user_new(name, http_header(call->request, "impersonate-uid"));
    add_groups(call, user, account_ns);
    user_unref(call->user);
    call->user = user;
    return true;
}
