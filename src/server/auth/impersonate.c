/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Impersonation: a request acts as another user if it has the headers Impersonate-User, -Group, -Uid
 * and -Extra-KEY, which `kubectl --as` sends. All later checks then see that user.
 *
 * There are several modes. They are tried in order, and the first one that is allowed applies. Each of
 * the newer modes is for one kind of user and needs two permissions: to perform this request as such a
 * user ("impersonate-on:MODE:VERB" on the resource of the request), and to be this particular user
 * ("impersonate:MODE"). The oldest mode only needs "impersonate". Within a mode, the name, each group,
 * the uid and each extra value are authorized one by one, and all of them have to be allowed. If no
 * mode is allowed, the answer is the refusal of the first mode that is for this kind of user.
 */

#include "api/schema/authentication_v1.h"
#include "api/text_check.h"
#include "api/validate/validate.h"
#include "base/utf8.h"
#include "codec/json/json.h"
#include "server/audit/audit.h"
#include "server/auth/auth.h"
#include "server/request/respond.h"

#define EXTRA "impersonate-extra-"
#define AUTHENTICATION_GROUP "authentication.k8s.io"
#define NODE_NAME "authentication.kubernetes.io/node-name"
#define MASTERS "system:masters"

/* With at least this many groups or extra values, the newer modes first check the permission for all of
 * them ("*"). */
#define MANY 4

typedef struct Extra {
    const char *key, *value;
    size_t at; /* index of the header, so that the values of one key keep their order */
} Extra;

typedef struct Wanted {
    const char *name, *uid;
    StringArray groups;
    Extra *extra; /* sorted by key */
    size_t n_extra;
    const char *account_ns, *account; /* set if the name is that of a ServiceAccount */
    const char *node;                 /* set if the name is that of a node */
} Wanted;

/* The mode that is being tried, and the first refusal. */
typedef struct Asking {
    Call *call;
    const Wanted *wanted;
    const char *verb;  /* the verb of the mode: "impersonate:MODE" */
    const char *group; /* the API group that users and groups belong to in this mode */
    bool constrained;  /* whether it is one of the newer modes */
    bool any_node;     /* the name of the node does not matter: "*" is authorized instead */
    bool refused;
    Attributes about;
    const char *reason;
} Asking;

/* ---- what is wanted ---- */

/* "system:serviceaccount:NAMESPACE:NAME" */
static void split_account(Arena *arena, Wanted *wanted)
{
    static const char prefix[] = "system:serviceaccount:";
    const char *ns, *colon;

    if (!str_starts_with(wanted->name, prefix))
        return;
    ns = wanted->name + strlen(prefix);
    colon = strchr(ns, ':');
    if (!colon || strchr(colon + 1, ':'))
        return;
    ns = arena_strndup(arena, ns, (size_t)(colon - ns));
    if (check_dns_label(ns).n || check_dns_subdomain(colon + 1).n)
        return;
    wanted->account_ns = ns;
    wanted->account = colon + 1;
}

static void split_node(Wanted *wanted)
{
    static const char prefix[] = "system:node:";
    const char *name = wanted->name + strlen(prefix);

    if (str_starts_with(wanted->name, prefix) && !check_dns_subdomain(name).n)
        wanted->node = name;
}

/* Keys are percent-encoded, since the name of a header cannot contain all characters of a key. */
static const char *extra_key(Arena *arena, const char *header)
{
    const char *key = header + strlen(EXTRA);
    char *decoded = http_percent_decode(arena, key, strlen(key));

    return utf8_clean(arena, decoded ? decoded : key);
}

static int compare_extra(const void *a, const void *b)
{
    const Extra *left = a, *right = b;
    int r = strcmp(left->key, right->key);

    return r ? r : (left->at > right->at) - (left->at < right->at);
}

static void read_headers(Call *call, Wanted *ret)
{
    const HttpRequest *request = call->request;
    Arena *arena = call->arena;
    size_t n = request->n_headers;

    *ret = (Wanted){.name = utf8_clean(arena, http_header(request, "impersonate-user")),
                    .uid = utf8_clean(arena, http_header(request, "impersonate-uid"))};
    for (size_t i = 0; i < n; i++) {
        const char *name = request->headers[i].name;
        const char *value = request->headers[i].value;

        if (str_equal(name, "impersonate-group")) {
            if (!ret->groups.v)
                ret->groups.v = arena_new_n(arena, const char *, n);
            ret->groups.v[ret->groups.n++] = utf8_clean(arena, value);
        } else if (str_starts_with(name, EXTRA)) {
            if (!ret->extra)
                ret->extra = arena_new_n(arena, Extra, n);
            ret->extra[ret->n_extra++] =
                (Extra){extra_key(arena, name), utf8_clean(arena, value), i};
        }
    }
    if (ret->n_extra)
        qsort(ret->extra, ret->n_extra, sizeof(Extra), compare_extra);
    if (str_empty(ret->name))
        return;
    split_account(arena, ret);
    split_node(ret);
}

/* []string{"a", "b"}, as Go prints it */
static void add_go_strings(StrBuf *text, const StringArray *strings)
{
    strbuf_add_string(text, strings->n ? "[]string{" : "[]string(nil)");
    for (size_t i = 0; i < strings->n; i++) {
        strbuf_add_string(text, i ? ", " : "");
        json_encode_string(text, strings->v[i], strlen(strings->v[i]));
    }
    strbuf_add_string(text, strings->n ? "}" : "");
}

static void add_go_extra(StrBuf *text, const Wanted *wanted)
{
    strbuf_add_string(text, wanted->n_extra ? "map[string][]string{" : "map[string][]string(nil)");
    if (!wanted->n_extra)
        return;
    for (size_t i = 0; i < wanted->n_extra; i++) {
        const Extra *extra = &wanted->extra[i];
        bool first = !i || !str_equal(extra->key, extra[-1].key);

        if (first) {
            strbuf_add_string(text, i ? "}, " : "");
            json_encode_string(text, extra->key, strlen(extra->key));
            strbuf_add_string(text, ":[]string{");
        } else {
            strbuf_add_string(text, ", ");
        }
        json_encode_string(text, extra->value, strlen(extra->value));
    }
    strbuf_add_string(text, "}}");
}

static void refuse_nameless(Call *call, const Wanted *wanted)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    const char *uid = str_or(wanted->uid, "");

    strbuf_add_string(&text, "requested &user.DefaultInfo{Name:\"\", UID:");
    json_encode_string(&text, uid, strlen(uid));
    strbuf_add_string(&text, ", Groups:");
    add_go_strings(&text, &wanted->groups);
    strbuf_add_string(&text, ", Extra:");
    add_go_extra(&text, wanted);
    strbuf_add_string(&text, "} without impersonating a user name");
    respond_status(call, &(ApiStatus){.reason = STATUS_BAD_REQUEST, .message = text.p});
}

/* ---- asking ---- */

static bool refuse(Asking *asking, const Attributes *about, const char *reason)
{
    if (!asking->refused) {
        asking->refused = true;
        asking->about = *about;
        asking->reason = reason;
    }
    return false;
}

static bool may(Asking *asking, const Attributes *about)
{
    Call *call = asking->call;
    const char *reason;

    return authorize(call->server, call->user, about, call->arena, &reason) ||
           refuse(asking, about, reason);
}

/* The same without noting a refusal, because another check follows. */
static bool may_perhaps(const Asking *asking, const Attributes *about)
{
    Call *call = asking->call;

    return authorize(call->server, call->user, about, call->arena, NULL);
}

static bool may_be_name(Asking *asking)
{
    const Wanted *wanted = asking->wanted;
    Attributes about = {
        .verb = asking->verb, .group = asking->group, .resource = "users", .name = wanted->name};

    if (wanted->node && asking->constrained) {
        about.resource = "nodes";
        about.name = asking->any_node ? "*" : wanted->node;
    } else if (wanted->account) {
        about.resource = "serviceaccounts";
        about.ns = wanted->account_ns;
        about.name = wanted->account;
    }
    return may(asking, &about);
}

static bool may_have_uid(Asking *asking)
{
    const Attributes about = {.verb = asking->verb,
                              .group = AUTHENTICATION_GROUP,
                              .resource = "uids",
                              .name = asking->wanted->uid};

    return str_empty(about.name) || may(asking, &about);
}

static bool groups_hold(const StringArray *groups, const char *name)
{
    for (size_t i = 0; i < groups->n; i++)
        if (str_equal(groups->v[i], name))
            return true;
    return false;
}

static bool may_have_groups(Asking *asking)
{
    const StringArray *groups = &asking->wanted->groups;
    Attributes about = {.verb = asking->verb, .group = asking->group, .resource = "groups"};

    if (asking->constrained && groups_hold(groups, ""))
        return refuse(asking, &about, "impersonating the empty string group is not allowed");
    if (asking->constrained && groups_hold(groups, MASTERS)) {
        about.name = MASTERS;
        return refuse(asking, &about, "impersonating the " MASTERS " group is not allowed");
    }
    if (asking->constrained && groups->n >= MANY) {
        about.name = "*";
        if (may_perhaps(asking, &about))
            return true;
    }
    for (size_t i = 0; i < groups->n; i++) {
        about.name = groups->v[i];
        if (!may(asking, &about))
            return false;
    }
    return true;
}

/* The newer modes accept only certain extra keys and values. Returns what is wrong, or NULL. */
static const char *fault_of_extra(Arena *arena, const Extra *extra)
{
    const char *slash = strchr(extra->key, '/');

    if (str_empty(extra->key))
        return "impersonating the empty string key in extra is not allowed";
    if (!slash || slash == extra->key || !slash[1] ||
        check_dns_subdomain(arena_strndup(arena, extra->key, (size_t)(slash - extra->key))).n)
        return arena_printf(arena,
                            "impersonating an invalid key in extra is not allowed: extra.key: "
                            "Invalid value: \"%s\": must be a domain-prefixed path (such as "
                            "\"acme.io/foo\")",
                            extra->key);
    for (const char *at = extra->key; *at; at++)
        if (*at >= 'A' && *at <= 'Z')
            return arena_printf(arena,
                                "impersonating a non-lowercase key in extra is not allowed: \"%s\"",
                                extra->key);
    return str_empty(extra->value) ? "impersonating the empty string value in extra is not allowed"
                                   : NULL;
}

static bool may_have_extra(Asking *asking)
{
    const Wanted *wanted = asking->wanted;
    Attributes about = {
        .verb = asking->verb, .group = AUTHENTICATION_GROUP, .resource = "userextras"};

    for (size_t i = 0; asking->constrained && i < wanted->n_extra; i++) {
        const char *fault = fault_of_extra(asking->call->arena, &wanted->extra[i]);

        if (fault)
            return refuse(asking, &about, fault);
    }
    if (asking->constrained && wanted->n_extra >= MANY) {
        about.subresource = about.name = "*";
        if (may_perhaps(asking, &about))
            return true;
    }
    for (size_t i = 0; i < wanted->n_extra; i++) {
        about.subresource = wanted->extra[i].key;
        about.name = wanted->extra[i].value;
        if (!may(asking, &about))
            return false;
    }
    return true;
}

/* ---- modes ---- */

static bool only_name(const Wanted *wanted)
{
    return str_empty(wanted->uid) && !wanted->groups.n && !wanted->n_extra;
}

/* Whether the caller is a ServiceAccount whose pod runs on the node that it wants to act as. */
static bool fits_own_node(const User *user, const Wanted *wanted)
{
    const ExtraValueMap *extra = &user->extra;

    if (!wanted->node || !only_name(wanted) ||
        !str_starts_with(user->name, "system:serviceaccount:"))
        return false;
    for (size_t i = 0; i < extra->n; i++)
        if (str_equal(extra->v[i].key, NODE_NAME))
            return extra->v[i].value.items.n == 1 &&
                   str_equal(extra->v[i].value.items.v[0], wanted->node);
    return false;
}

static bool fits_node(const User *user _unused_, const Wanted *wanted)
{
    return wanted->node && only_name(wanted);
}

static bool fits_account(const User *user _unused_, const Wanted *wanted)
{
    return wanted->account && only_name(wanted);
}

static bool fits_other(const User *user _unused_, const Wanted *wanted)
{
    return !wanted->node && !wanted->account;
}

static const struct {
    const char *name; /* NULL: the oldest mode, which is for all kinds of users */
    bool (*fits)(const User *user, const Wanted *wanted);
} modes[] = {
    {"associated-node", fits_own_node},
    {"arbitrary-node", fits_node},
    {"serviceaccount", fits_account},
    {"user-info", fits_other},
    {NULL, NULL},
};

static bool try_mode(Asking *asking, size_t i)
{
    Call *call = asking->call;
    Arena *arena = call->arena;
    const char *name = modes[i].name;

    asking->constrained = name != NULL;
    asking->any_node = modes[i].fits == fits_own_node;
    asking->group = name ? AUTHENTICATION_GROUP : "";
    asking->verb = name ? arena_printf(arena, "impersonate:%s", name) : "impersonate";
    if (name) {
        Attributes on = call->target.attributes;

        if (!modes[i].fits(call->user, asking->wanted))
            return false;
        on.verb = arena_printf(arena, "impersonate-on:%s:%s", name, on.verb);
        if (!may(asking, &on))
            return false;
    }
    return may_be_name(asking) && may_have_uid(asking) && may_have_groups(asking) &&
           may_have_extra(asking);
}

static User *become(Arena *arena, const Asking *asking)
{
    const Wanted *wanted = asking->wanted;
    User *user = user_new(wanted->name, wanted->uid);

    for (size_t i = 0; i < wanted->groups.n; i++)
        user_add_group(user, wanted->groups.v[i]);
    for (size_t i = 0; i < wanted->n_extra; i++)
        user_add_extra(user, wanted->extra[i].key, wanted->extra[i].value);
    if (wanted->node && asking->constrained) {
        user_add_group(user, "system:nodes");
    } else if (wanted->account && !wanted->groups.n) {
        user_add_group(user, "system:serviceaccounts");
        user_add_group(user, arena_printf(arena, "system:serviceaccounts:%s", wanted->account_ns));
    }
    user->anonymous = str_equal(user->name, "system:anonymous");
    if (user->anonymous && !user_in_group(user, "system:unauthenticated"))
        user_add_group(user, "system:unauthenticated");
    else if (!user->anonymous && !user_in_group(user, "system:unauthenticated") &&
             !user_in_group(user, "system:authenticated"))
        user_add_group(user, "system:authenticated");
    return user;
}

bool impersonate(Call *call)
{
    Asking asking = {.call = call};
    Wanted wanted;
    ApiStatus status;
    User *user;

    read_headers(call, &wanted);
    if (str_empty(wanted.name)) {
        if (_likely_(only_name(&wanted)))
            return true;
        refuse_nameless(call, &wanted);
        return false;
    }
    asking.wanted = &wanted;
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        if (!try_mode(&asking, i))
            continue;
        user = become(call->arena, &asking);
        user_unref(call->user);
        call->user = user;
        audit_impersonated(call, asking.constrained ? asking.verb : NULL);
        return true;
    }
    authorize_forbidden(&status, call->arena, call->user, &asking.about, asking.reason);
    respond_status(call, &status);
    return false;
}
