/* SPDX-License-Identifier: Apache-2.0 */
/* The subresource serviceaccounts/token: issues a token for a ServiceAccount, which is bound to a pod if
 * the request names one. */
#include "api/object.h"
#include "api/schema/authentication_v1.h"
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_config_v1.h"
#include "api/schema/core_pod_v1.h"
#include "server/admission/node_token.h"
#include "server/audit/audit.h"
#include "server/auth/auth.h"
#include "server/auth/token.h"
#include "server/request/decode.h"
#include "server/request/respond.h"

/* The token gets the id. */
static char *make_bound_token(Server *server, Arena *arena, const char *ns,
                              const char *service_account, const Object *pod,
                              const StringArray *audiences, int64_t lifetime_seconds,
                              char id[static 37])
{
    Object *account = store_head(server->store, &kind_service_account, ns, service_account);
    TokenClaims claims = {.ns = ns, .service_account = service_account};

    if (!account || !server->token_keys)
        return NULL;
    random_uuid(server->random, id);
    claims.service_account_uid = object_meta(account)->uid;
    claims.audiences = *audiences;
    claims.id = id;
    claims.issued = server_now(server);
    claims.expires = claims.issued + lifetime_seconds;
    if (pod) {
        const Object *node;

        claims.pod = object_meta(pod)->name;
        claims.pod_uid = object_meta(pod)->uid;
        claims.node = OBJECT_AS(Pod, pod)->spec.node_name;
        node = claims.node ? store_head(server->store, &kind_node, NULL, claims.node) : NULL;
        claims.node_uid = node ? object_meta(node)->uid : NULL;
    }
    return token_sign(server->token_keys, arena, &claims);
}

char *server_make_token(Server *server, Arena *arena, const char *ns, const char *service_account,
                        const Object *pod, const char *audience, int64_t lifetime_seconds)
{
    const StringArray own = {&audience, 1};
    char id[37];

    return make_bound_token(server, arena, ns, service_account, pod,
                            audience ? &own : authenticate_audiences(server), lifetime_seconds, id);
}

/* Finds the pod that the token has to be bound to. Returns 0 or the reason of a refusal. */
static int find_bound(Call *call, const BoundObjectReference *reference, Object **ret,
                      ApiStatus *reterr)
{
    *ret = NULL;
    if (!reference)
        return 0;
    if (!str_equal(reference->kind, "Pod"))
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST,
                          "cannot bind token for serviceaccount \"%s\" to \"%s\" (only Pods can be "
                          "bound to)",
                          call->route.name, str_or(reference->kind, ""));
    *ret = store_head(call->server->store, &kind_pod, call->route.ns, reference->name);
    if (!*ret)
        return status_not_found(reterr, call->arena, &kind_pod, reference->name);
    if (!str_equal(OBJECT_AS(Pod, *ret)->spec.service_account_name, call->route.name))
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST,
                          "cannot bind token for serviceaccount \"%s\" to pod running with "
                          "different serviceaccount name.",
                          call->route.name);
    if (!str_empty(reference->uid) && !str_equal(reference->uid, object_meta(*ret)->uid))
        return status_conflict(reterr, call->arena, &kind_pod, reference->name,
                               arena_printf(call->arena,
                                            "the UID in the bound object reference (%s) does not "
                                            "match the UID in record. The object might have been "
                                            "deleted and then recreated",
                                            reference->uid));
    return 0;
}

/* The name and namespace in the request, if present, have to be those of the account. */
static int check_request_name(Call *call, const TokenRequest *request, const ObjectMeta *account,
                              ApiStatus *reterr)
{
    Causes causes = {.arena = call->arena};
    const ObjectMeta *meta = &request->metadata;

    if (!str_empty(meta->name) && !str_equal(meta->name, account->name)) {
        causes_invalid_string(&causes, "metadata.name", meta->name,
                              "must match the service account name if specified");
        return status_invalid(reterr, call->arena, &kind_token_request, account->name, &causes);
    }
    if (str_empty(meta->uid) || str_equal(meta->uid, account->uid))
        return 0;
    return status_conflict(reterr, call->arena, &kind_token_request, account->name,
                           arena_printf(call->arena,
                                        "the UID in the token request (%s) does not match the UID "
                                        "of the service account (%s)",
                                        meta->uid, account->uid));
}

static int make_token(Call *call, Object *account, Object *object, ApiStatus *reterr)
{
    const ObjectMeta *meta = object_meta(account);
    TokenRequest *request = OBJECT_AS(TokenRequest, object);
    Arena *arena = &object->arena;
    Causes causes = {.arena = call->arena};
    char id[37];
    Object *pod;
    int r;

    r = check_request_name(call, request, meta, reterr);
    if (r)
        return r;
    request->metadata.name = arena_strdup(arena, meta->name);
    request->metadata.namespace = arena_strdup(arena, meta->namespace);
    request->metadata.uid = arena_strdup(arena, meta->uid);
    request->metadata.creation_timestamp = server_time(call->server);
    if (object->kind->rules && object->kind->rules->validate)
        object->kind->rules->validate(object->value, NULL, &causes);
    if (causes.n)
        return status_invalid(reterr, call->arena, object->kind, "", &causes);
    if (request->spec.audiences.n == 0) {
        const StringArray *own = authenticate_audiences(call->server);

        for (size_t i = 0; i < own->n; i++)
            ARENA_APPEND(arena, &request->spec.audiences, arena_strdup(arena, own->v[i]));
    }
    r = find_bound(call, request->spec.bound_object_ref, &pod, reterr);
    if (r)
        return r;
    request->status.token =
        make_bound_token(call->server, arena, meta->namespace, meta->name, pod,
                         &request->spec.audiences, *request->spec.expiration_seconds, id);
    if (!request->status.token)
        return status_set(reterr, call->arena, STATUS_INTERNAL_ERROR, "cannot sign a token");
    request_audit_annotation(call, "authentication.kubernetes.io/issued-credential-id",
                             arena_printf(call->arena, "JTI=%s", id));
    request->status.expiration_timestamp = server_time(call->server);
    request->status.expiration_timestamp.seconds += *request->spec.expiration_seconds;
    return 0;
}

void subresource_token(Call *call)
{
    const Route *route = &call->route;
    Object *account =
        store_head(call->server->store, &kind_service_account, route->ns, route->name);
    _object_ Object *object = NULL;
    ApiStatus status;
    int r;

    r = account ? decode_object(call->arena, &kind_token_request,
                                http_header(call->request, "content-type"), call->body,
                                VALIDATION_IGNORE, &object, NULL, &status)
                : status_not_found(&status, call->arena, route->kind, route->name);
    if (r == 0) {
        type_default(object->kind->type, &object->arena, object->value);
        audit_request_object(call, object);
        r = object_match_namespace(object, route->ns, true, &status, call->arena);
    }
    if (r == 0)
        r = node_restriction_token(call, object->value, &status);
    if (r == 0)
        r = make_token(call, account, object, &status);
    if (r)
        respond_status(call, &status);
    else
        respond_object(call, 201, object);
}
