/* SPDX-License-Identifier: Apache-2.0 */
/* Reviews: objects that are created to ask a question (who am I, may I do this, whose token is this) and
 * whose answer is the object that the creation returns. They are not stored. */
#include "api/object.h"
#include "api/schema/authentication_v1.h"
#include "api/schema/authorization_v1.h"
#include "api/schema/rbac_v1.h"
#include "base/list.h"
#include "server/auth/auth.h"
#include "server/auth/rbac.h"
#include "server/auth/review.h"
#include "server/auth/token.h"
#include "server/request/decode.h"
#include "server/request/respond.h"

enum { REVIEW_LATER = -1 }; /* the review answers the request when it knows more */

static UserInfo describe(Arena *arena, const User *user)
{
    const UserInfo of = {
        .username = user->name, .uid = user->uid, .groups = user->groups, .extra = user->extra};
    UserInfo info = {0};

    type_copy(&type_UserInfo, arena, &info, &of);
    return info;
}

static int review_self(Call *call, Object *object, ApiStatus *reterr _unused_)
{
    SelfSubjectReview *review = OBJECT_AS(SelfSubjectReview, object);

    review->metadata.creation_timestamp = server_time(call->server);
    review->status.user_info = describe(&object->arena, call->user);
    return 0;
}

static void decide(Server *server, Arena *arena, const User *user,
                   const ResourceAttributes *resource, const NonResourceAttributes *path,
                   SubjectAccessReviewStatus *ret)
{
    Attributes attributes = {0};

    if (resource)
        attributes = (Attributes){.verb = resource->verb,
                                  .group = resource->group,
                                  .resource = resource->resource,
                                  .subresource = resource->subresource,
                                  .ns = resource->namespace,
                                  .name = resource->name};
    else if (path)
        attributes = (Attributes){.verb = path->verb, .path = str_or(path->path, "/")};
    *ret = (SubjectAccessReviewStatus){0};
    if (resource || path)
        ret->allowed = authorize(server, user, &attributes, arena, &ret->reason);
}

static int review_self_access(Call *call, Object *object, ApiStatus *reterr _unused_)
{
    SelfSubjectAccessReview *review = OBJECT_AS(SelfSubjectAccessReview, object);

    decide(call->server, &object->arena, call->user, review->spec.resource_attributes,
           review->spec.non_resource_attributes, &review->status);
    return 0;
}

static void decide_for(Server *server, Arena *arena, const SubjectAccessReviewSpec *spec,
                       SubjectAccessReviewStatus *ret)
{
    _cleanup_(user_unrefp)
    User *user = user_new(str_or(spec->user, ""), spec->uid);

    for (size_t i = 0; i < spec->groups.n; i++)
        user_add_group(user, spec->groups.v[i]);
    decide(server, arena, user, spec->resource_attributes, spec->non_resource_attributes, ret);
}

static int review_access(Call *call, Object *object, ApiStatus *reterr _unused_)
{
    SubjectAccessReview *review = OBJECT_AS(SubjectAccessReview, object);

    decide_for(call->server, &object->arena, &review->spec, &review->status);
    return 0;
}

static int review_local_access(Call *call, Object *object, ApiStatus *reterr _unused_)
{
    LocalSubjectAccessReview *review = OBJECT_AS(LocalSubjectAccessReview, object);

    decide_for(call->server, &object->arena, &review->spec, &review->status);
    return 0;
}

static StringArray one_string(Arena *arena, const char *s)
{
    StringArray array = {arena_new(arena, const char *), 1};

    array.v[0] = s;
    return array;
}

typedef struct RulesList {
    Arena *arena;
    ResourceRuleArray resources;
    NonResourceRuleArray paths;
    size_t resources_cap, paths_cap;
} RulesList;

static bool list_rule(void *data, const PolicyRule *rule, const char *source _unused_)
{
    RulesList *list = data;
    Arena *arena = list->arena;
    PolicyRule copy = {0};

    type_copy(&type_PolicyRule, arena, &copy, rule);
    if (copy.resources.n) {
        ResourceRule of_resources = {copy.verbs, copy.api_groups, copy.resources,
                                     copy.resource_names};

        ARENA_PUSH_CAP(arena, &list->resources, &list->resources_cap, of_resources);
    }
    if (copy.non_resource_urls.n)
        ARENA_PUSH_CAP(arena, &list->paths, &list->paths_cap,
                       (NonResourceRule){copy.verbs, copy.non_resource_urls});
    return true;
}

static int review_rules(Call *call, Object *object, ApiStatus *reterr)
{
    SelfSubjectRulesReview *review = OBJECT_AS(SelfSubjectRulesReview, object);
    Arena *arena = &object->arena;
    RulesList list = {.arena = arena};

    if (str_empty(review->spec.namespace))
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST, "no namespace on request");
    if (call->user->masters) {
        StringArray all = one_string(arena, "*");

        list_rule(&list, &(PolicyRule){.verbs = all, .api_groups = all, .resources = all}, NULL);
        list_rule(&list, &(PolicyRule){.verbs = all, .non_resource_urls = all}, NULL);
    }
    review->status.evaluation_error =
        rbac_visit(call->server, arena, call->user, review->spec.namespace, list_rule, &list);
    review->status.incomplete = review->status.evaluation_error != NULL;
    review->status.resource_rules = list.resources;
    review->status.non_resource_rules = list.paths;
    return 0;
}

static void fill_token_review(Object *object, const TokenAnswer *answer)
{
    TokenReview *review = OBJECT_AS(TokenReview, object);
    Arena *arena = &object->arena;

    review->status = (TokenReviewStatus){.authenticated = answer->user != NULL};
    if (!answer->user) {
        review->status.error = arena_strdup(arena, str_or(answer->error, "invalid bearer token"));
        return;
    }
    review->status.user = describe(arena, answer->user);
    for (size_t i = 0; i < answer->audiences.n; i++)
        ARENA_APPEND(arena, &review->status.audiences, arena_strdup(arena, answer->audiences.v[i]));
}

static void on_late_answer(Call *call, const TokenAnswer *answer)
{
    _object_ Object *object = call->stream;

    call->stream = NULL;
    fill_token_review(object, answer);
    respond_object(call, 201, object);
}

static void close_late_review(void *object)
{
    object_unref(object);
}

static int review_token(Call *call, Object *object, ApiStatus *reterr)
{
    TokenReview *review = OBJECT_AS(TokenReview, object);
    const TokenQuestion question = {.token = review->spec.token,
                                    .audiences = &review->spec.audiences,
                                    .client = call->request->peer->address,
                                    .arena = call->arena,
                                    .waiter = authenticate_wait(call, on_late_answer)};
    TokenAnswer answer;

    if (str_empty(review->spec.token))
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST,
                          "token is required for TokenReview in authentication");
    switch (authenticate_token(call->server, &question, &answer)) {
    case TOKEN_LATER:
        call->stream = object_ref(object);
        call->stream_close = close_late_review;
        return REVIEW_LATER;
    case TOKEN_BUSY:
        return status_set(reterr, call->arena, STATUS_TOO_MANY_REQUESTS,
                          "Too many requests, please try again later.");
    case TOKEN_KNOWN:
        break;
    }
    fill_token_review(object, &answer);
    user_unref(answer.user);
    return 0;
}

void review_create(Call *call, Object *object)
{
    static const struct {
        const Kind *kind;
        int (*answer)(Call *call, Object *object, ApiStatus *reterr);
    } rows[] = {
        {&kind_self_subject_review, review_self},
        {&kind_self_subject_access_review, review_self_access},
        {&kind_subject_access_review, review_access},
        {&kind_local_subject_access_review, review_local_access},
        {&kind_self_subject_rules_review, review_rules},
        {&kind_token_review, review_token},
    };
    const Kind *kind = object->kind;
    Causes causes = {.arena = call->arena};
    int r;
    ApiStatus status = {.reason = STATUS_METHOD_NOT_ALLOWED,
                        .message =
                            "the server does not allow this method on the requested resource",
                        .kind = ""};

    if (object_match_namespace(object, call->route.ns, (kind->flags & KIND_NAMESPACED) != 0,
                               &status, call->arena)) {
        respond_status(call, &status);
        return;
    }
    type_default(kind->type, &object->arena, object->value);
    if (kind->rules && kind->rules->validate)
        kind->rules->validate(object->value, NULL, &causes);
    if (causes.n) {
        status_invalid(&status, call->arena, kind, "", &causes);
        respond_status(call, &status);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].kind != kind)
            continue;
        r = rows[i].answer(call, object, &status);
        if (r == 0)
            respond_object(call, 201, object);
        else if (r != REVIEW_LATER)
            respond_status(call, &status);
        return;
    }
    respond_status(call, &status);
}
