/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps a path and a method to a verb of a kind. The routes come from tables: the kinds of the registry
 * with the subresources that their schema names, what each subresource does, and the paths that do not
 * belong to a resource. Discovery and OpenAPI are printed from the same tables.
 *
 * request/target.c determines the target of the request. Authorization decides about this target,
 * and only then is the same target looked up here.
 */
#include "api/custom.h"
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_service_v1.h"
#include "api/version.h"
#include "base/observe/metrics.h"
#include "base/strmap.h"
#include "codec/json/json.h"
#include "server/admission/webhook/webhook.h"
#include "server/aggregate/aggregate.h"
#include "server/audit/audit.h"
#include "server/auth/auth.h"
#include "server/auth/token.h"
#include "server/docs/discovery.h"
#include "server/docs/openapi.h"
#include "server/fair/fair.h"
#include "server/health.h"
#include "server/proxy/proxy.h"
#include "server/read/read.h"
#include "server/request/observe.h"
#include "server/request/respond.h"
#include "server/stream/stream.h"
#include "server/write/body.h"
#include "server/write/http.h"

/* ---- tables ---- */

static const char *const verbs_get[] = {"get", NULL};
static const char *const verbs_get_list[] = {"get", "list", NULL};
static const char *const verbs_create[] = {"create", NULL};
static const char *const verbs_create_get[] = {"create", "get", NULL};
static const char *const verbs_connect[] = {"create", "delete", "get", "patch", "update", NULL};
static const char *const verbs_update[] = {"update", NULL};
static const char *const verbs_get_patch_update[] = {"get", "patch", "update", NULL};
static const char *const verbs_all[] = {
    "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch", NULL};
static const char *const verbs_namespace[] = {"create", "delete", "get",   "list",
                                              "patch",  "update", "watch", NULL};

/* clang-format off */
static const Subresource subresources[] = {
    {"approval", .verbs = verbs_get_patch_update, .get = read_get, .update = http_update, .patch = http_patch, .is_table = true},
    {"attach", "", "v1", "PodAttachOptions", verbs_create_get,
     .get = subresource_attach, .create = subresource_attach, .is_stream = true},
    {"binding", "", "v1", "Binding", verbs_create, .create = subresource_binding},
    {"ephemeralcontainers", .verbs = verbs_get_patch_update, .get = read_get, .update = http_update, .patch = http_patch},
    {"eviction", "policy", "v1", "Eviction", verbs_create, .create = subresource_eviction},
    {"exec", "", "v1", "PodExecOptions", verbs_create_get,
     .get = subresource_exec, .create = subresource_exec, .is_stream = true},
    {"finalize", .verbs = verbs_update, .update = http_update},
    {"log", .verbs = verbs_get, .get = subresource_log, .is_stream = true},
    {"portforward", "", "v1", "PodPortForwardOptions", verbs_create_get,
     .get = subresource_portforward, .create = subresource_portforward, .is_stream = true},
    {"proxy", "", "v1", "NodeProxyOptions", verbs_connect, .owner = "Node",
     .connect = subresource_proxy, .is_stream = true, .takes_rest = true},
    {"proxy", "", "v1", "PodProxyOptions", verbs_connect, .owner = "Pod",
     .connect = subresource_proxy, .is_stream = true, .takes_rest = true},
    {"proxy", "", "v1", "ServiceProxyOptions", verbs_connect, .owner = "Service",
     .connect = subresource_proxy, .is_stream = true, .takes_rest = true},
    {"resize", .verbs = verbs_get_patch_update, .get = read_get, .update = http_update, .patch = http_patch},
    {"scale", "autoscaling", "v1", "Scale", verbs_get_patch_update, .get = subresource_scale_get,
     .update = subresource_scale_update, .patch = subresource_scale_patch, .is_table = true},
    {"status", .verbs = verbs_get_patch_update, .get = read_get, .update = http_update, .patch = http_patch, .is_table = true},
    {"token", "authentication.k8s.io", "v1", "TokenRequest", verbs_create, .create = subresource_token},
};
/* clang-format on */

const Subresource *subresource_find(const Kind *kind, const char *name)
{
    for (const char *const *own = kind->subresources; *own; own++) {
        if (!str_equal(*own, name))
            continue;
        for (size_t i = 0; i < ARRAY_LEN(subresources); i++)
            if (str_equal(subresources[i].name, name) &&
                (!subresources[i].owner || str_equal(subresources[i].owner, kind->kind)))
                return &subresources[i];
    }
    return NULL;
}

const char *const *kind_verbs(const Kind *kind)
{
    if (kind->flags & KIND_COMPUTED)
        return verbs_get_list;
    if (kind->flags & KIND_NOT_STORED)
        return verbs_create;
    return kind == &kind_namespace ? verbs_namespace : verbs_all;
}

/* ---- paths that are no resources ---- */

static void answer_text(Call *call, int code, const char *text)
{
    http_respond(call->request, code, "text/plain; charset=utf-8", bytes_from_string(text));
}

static void answer_version(Call *call)
{
    audit_response_hidden(call);
    respond_json(call, 200,
                 bytes_from_string(
                     "{\"major\":\"1\",\"minor\":\"" API_MINOR
                     "\",\"emulationMajor\":\"1\",\"emulationMinor\":\"" API_MINOR
                     "\",\"minCompatibilityMajor\":\"1\",\"minCompatibilityMinor\":\"35\","
                     "\"gitVersion\":\"" API_GIT_VERSION
                     "\",\"gitCommit\":\"\",\"gitTreeState\":\"clean\",\"buildDate\":\"1970-01-"
                     "01T00:00:00Z\","
                     "\"goVersion\":\"\",\"compiler\":\"" __VERSION__ "\",\"platform\":\"linux/"
#ifdef __aarch64__
                     "arm64"
#else
                     "amd64"
#endif
                     "\"}"));
}

static void answer_jwks(Call *call)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    token_keys_jwks(call->server->token_keys, &text);
    http_respond(call->request, 200, "application/jwk-set+json", strbuf_bytes(&text));
}

static void answer_issuer(Call *call)
{
    const Server *server = call->server;
    const char *issuer = token_issuers(server->token_keys)->v[0];
    _strbuf_ StrBuf text = STRBUF_INIT;

    audit_response_hidden(call);
    strbuf_add_string(&text, "{\"issuer\":");
    json_encode_string(&text, issuer, strlen(issuer));
    strbuf_add_string(&text, ",\"jwks_uri\":");
    json_encode_string(&text, server->jwks_uri, strlen(server->jwks_uri));
    strbuf_add_string(&text, ",\"response_types_supported\":[\"id_token\"],"
                             "\"subject_types_supported\":[\"public\"],"
                             "\"id_token_signing_alg_values_supported\":");
    token_keys_algorithms(server->token_keys, &text);
    strbuf_add_char(&text, '}');
    respond_json(call, 200, strbuf_bytes(&text));
}

static void answer_root(Call *call);

static const struct {
    const char *path;
    void (*handle)(Call *call);
    bool every_method; /* all methods are answered, as by kube-apiserver; otherwise only GET */
} path_routes[] = {
    {"/", answer_root},
    {"/.well-known/openid-configuration", answer_issuer},
    {"/api", discovery_versions},
    {"/apis", discovery_groups},
    {"/metrics", answer_metrics, true},
    {"/openapi/v2", openapi_v2},
    {"/openapi/v3", openapi_v3_index},
    {"/openid/v1/jwks", answer_jwks},
    {"/version", answer_version},
};

static void answer_root(Call *call)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    strbuf_add_string(&text, "{\"paths\":[");
    for (size_t i = 1; i < ARRAY_LEN(path_routes); i++)
        strbuf_printf(&text, "\"%s\",", path_routes[i].path);
    health_paths(call->server, &text);
    strbuf_add_string(&text, "]}");
    audit_response_hidden(call);
    respond_json(call, 200, strbuf_bytes(&text));
}

/* ---- resources ---- */

static const Kind *find_kind(Server *server, const char *group, const char *version,
                             const char *plural)
{
    size_t g = strlen(group), v = strlen(version), p = strlen(plural);
    char key[256], *at = key;
    const Kind *kind;

    if (g + v + p + 3 > sizeof(key))
        return NULL;
    at = mempcpy(at, group, g);
    *at++ = '/';
    at = mempcpy(at, version, v);
    *at++ = '/';
    memcpy(at, plural, p + 1);
    kind = strmap_get(&server->resources, key);
    return kind ? kind : kind_find_resource(group, version, plural);
}

/* Finds the kind and subresource of the target. Returns false if there is none. */
static bool route_resource(Server *server, const Target *target, Route *ret)
{
    const Attributes *of = &target->attributes;

    *ret = (Route){0};
    if (target->old_form || target->malformed)
        return false;
    ret->kind = find_kind(server, of->group, target->version, of->resource);
    if (!ret->kind)
        return false;
    ret->name = target->named ? of->name : NULL;
    ret->subresource = of->subresource;
    ret->rest = target->rest;
    if (ret->kind == &kind_namespace)
        return true; /* A Namespace object counts as being in its own namespace. */
    ret->ns = of->ns;
    if (!(ret->kind->flags & KIND_NAMESPACED))
        return !ret->ns;
    return ret->ns || !ret->name;
}

typedef struct Action {
    void (*handle)(Call *call);
    bool body; /* the action reads a body */
} Action;

/* Returns what the method does with the subresource. If `handle` is NULL, the method is not
 * allowed. */
static Action action_of_subresource(const Call *call)
{
    const Subresource *sub = call->sub;
    const char *verb = call->target.attributes.verb;

    if (sub->connect)
        return (Action){sub->connect, false};
    if (str_equal(call->request->method, "GET"))
        return (Action){sub->get, false};
    if (str_equal(verb, "create"))
        return (Action){sub->create, true};
    if (str_equal(verb, "update"))
        return (Action){sub->update, true};
    if (str_equal(verb, "patch"))
        return (Action){sub->patch, true};
    return (Action){NULL, false};
}

static Action action_of(const Call *call)
{
    const Kind *kind = call->route.kind;
    const char *verb = call->target.attributes.verb;
    bool named = call->route.name != NULL;
    bool stored = !(kind->flags & KIND_NOT_STORED);
    bool placed = call->route.ns || !(kind->flags & KIND_NAMESPACED);

    if (kind->flags & KIND_COMPUTED)
        return (Action){str_equal(verb, "get") || str_equal(verb, "list") ? read_computed : NULL,
                        false};
    if (str_equal(verb, "create"))
        return (Action){named || !placed ? NULL : http_create, true};
    if (!stored || str_equal(call->request->method, "HEAD"))
        return (Action){NULL, false};
    if (str_equal(verb, "get"))
        return (Action){read_get, false};
    if (str_equal(verb, "list"))
        return (Action){read_list, false};
    if (str_equal(verb, "watch"))
        return (Action){watch_start, false};
    if (str_equal(verb, "update"))
        return (Action){named ? http_update : NULL, true};
    if (str_equal(verb, "patch"))
        return (Action){named ? http_patch : NULL, true};
    if (str_equal(verb, "delete"))
        return (Action){http_delete, true};
    if (str_equal(verb, "deletecollection"))
        return (Action){placed && kind != &kind_namespace ? http_delete_collection : NULL, true};
    return (Action){NULL, false};
}

/* ---- dispatch ---- */

static void call_on_close(HttpRequest *request)
{
    Call *call = request->data;

    authenticate_cancel(call);
    audit_end(call);
    observe_end(call);
    fairness_end(call);
    if (call->stream)
        call->stream_close(TAKE_PTR(call->stream));
    body_close(call);
    if (call->write) {
        Write *write = call->write;

        write->call = NULL;
        call->write = NULL;
        hooks_abandon(write);
    }
    call->user = user_unref(call->user);
    kind_unref(call->route.kind);
}

static void run_with_body(Call *call)
{
    if (body_is_long(call)) {
        body_decode(call);
        return;
    }
    call->handle(call);
    observe_handled(call);
}

static void run_without_body(Call *call)
{
    call->handle(call);
    observe_handled(call);
}

static void call_on_body(HttpRequest *request, Bytes body)
{
    Call *call = request->data;

    call->body = body;
    observe_body(call);
    fairness_run(call, run_with_body);
}

static void answer_not_found(Call *call)
{
    respond_status(call, &(ApiStatus){.reason = STATUS_NOT_FOUND,
                                      .message = "the server could not find the requested resource",
                                      .kind = ""});
}

static void answer_page_not_found(Call *call)
{
    http_add_header(call->request, "x-content-type-options", "nosniff");
    answer_text(call, 404, "404 page not found\n");
}

/* Returns false if the request was refused and answered with 403. */
static bool may(Call *call, const Attributes *attributes)
{
    ApiStatus status;
    const char *reason;
    bool allowed = authorize(call->server, call->user, attributes, call->arena, &reason);

    audit_decision(call, allowed, reason);
    if (_likely_(allowed))
        return true;
    authorize_forbidden(&status, call->arena, call->user, attributes, reason);
    respond_status(call, &status);
    return false;
}

static bool is_stream(const Call *call)
{
    return call->sub && call->sub->is_stream;
}

static void answer_not_allowed(Call *call)
{
    respond_status(call, &(ApiStatus){.reason = STATUS_METHOD_NOT_ALLOWED,
                                      .message = "the server does not allow this method on the "
                                                 "requested resource",
                                      .kind = ""});
}

/* Whether the path has any method. */
static bool path_exists(const Call *call)
{
    const Route *route = &call->route;
    bool placed = route->ns || !(route->kind->flags & KIND_NAMESPACED);

    return call->sub || (placed && !route->name) || !(route->kind->flags & KIND_NOT_STORED) ||
           route->kind->flags & KIND_COMPUTED;
}

/* Returns the forms that the answer may have. Objects that are not stored, and those of
 * subresources that act on a pod, cannot be rows of a table. */
static unsigned forms_of(const Call *call, const Action *action)
{
    const Subresource *sub = call->sub;
    unsigned flags = call->route.kind->flags;
    bool row = sub ? sub->is_table : !(flags & KIND_NOT_STORED) || flags & KIND_COMPUTED;

    return ACCEPT_PARTIAL | (row ? ACCEPT_TABLE : 0) |
           (action->handle == watch_start ? ACCEPT_STREAM : 0);
}

/* Checks that a client that wants only metadata asks for a single object where there is one, and
 * for a list where there are many. Returns false if the request was answered with an error. */
static bool one_or_many_fits(Call *call, const Action *action)
{
    const Kind *kind = call->route.kind;
    const char *group = *kind->group ? kind->group : "core";
    bool many = action->handle == read_list ||
                (action->handle == read_computed && !call->route.name) ||
                action->handle == http_delete_collection;
    bool good = many ? call->accept.as != AS_PARTIAL : call->accept.as != AS_PARTIAL_LIST;
    ApiStatus status;

    if (good)
        return true;
    status_set(&status, call->arena, STATUS_NOT_ACCEPTABLE,
               "you requested PartialObjectMetadata%s, but the requested object is %s "
               "(*%.*s.%s)",
               many ? "" : "List", many ? "a list" : "not a list", (int)strcspn(group, "."), group,
               many ? kind->list_kind : kind->kind);
    respond_status(call, &status);
    return false;
}

static void run_action(Call *call, const Action *action)
{
    if (!action->handle) {
        if (path_exists(call))
            answer_not_allowed(call);
        else
            answer_not_found(call);
        return;
    }
    call->handle = action->handle;
    if (!accept_parse(http_header(call->request, "accept"), call->arena, forms_of(call, action),
                      &call->accept) &&
        !is_stream(call)) {
        respond_not_acceptable(call);
        return;
    }
    if (!one_or_many_fits(call, action))
        return;
    if (action->handle == watch_start || is_stream(call))
        observe_long_running(call);
    /* An upgrade has no body, and must be answered while the head is read. */
    if (action->body && !is_stream(call)) {
        call->request->on_body = call_on_body;
    } else if (call->long_running) {
        run_without_body(call); /* it would hold its seat for as long as it lasts */
    } else {
        fairness_run(call, run_without_body);
    }
}

/* Sets call->sub. Returns false if the kind has no such subresource, or the path is longer than
 * the subresource allows. */
static bool find_subresource(Call *call)
{
    const Route *route = &call->route;

    call->sub = subresource_find(route->kind, route->subresource);
    return call->sub && (call->sub->takes_rest || !route->rest);
}

static void dispatch_resource(Call *call)
{
    const Route *route = &call->route;
    Attributes attributes = call->target.attributes;
    Action action;

    if (route->subresource && !find_subresource(call)) {
        answer_not_found(call);
        return;
    }
    action = route->subresource ? action_of_subresource(call) : action_of(call);
    /* A WebSocket begins with a GET, but running a command requires more than the right to read,
     * so it also has to be allowed to create. */
    if (action.handle && is_stream(call) && call->sub->create) {
        attributes.verb = "create";
        if (!may(call, &attributes))
            return;
    }
    if (route->kind == &kind_endpoints)
        http_add_header(call->request, "warning",
                        "299 - \"v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 "
                        "EndpointSlice\"");
    if (route->kind == &kind_component_status)
        http_add_header(call->request, "warning",
                        "299 - \"v1 ComponentStatus is deprecated in v1.19+\"");
    run_action(call, &action);
}

/* The segments of a path that is not one of a resource; missing ones are "". */
typedef struct PathParts {
    const char *v[5];
    size_t n;
} PathParts;

static PathParts path_parts(Arena *arena, const char *path)
{
    PathParts parts = {.v = {"", "", "", "", ""}};
    char *at = arena_strdup(arena, path + strspn(path, "/")), *part;

    while ((part = strsep(&at, "/")) && (*part || at)) {
        if (parts.n < ARRAY_LEN(parts.v))
            parts.v[parts.n] = part;
        parts.n++;
    }
    return parts;
}

/* Answers discovery and similar documents, whose paths depend on the groups. */
static bool answer_group_path(Call *call, const PathParts *parts)
{
    const char *const *v = parts->v;
    bool get = str_equal(call->request->method, "GET");
    bool core = str_equal(v[0], "api") && parts->n == 2 && discovery_has_version("", v[1]);
    bool apis = str_equal(v[0], "apis");
    bool group = apis && parts->n == 2 && discovery_has_group(call->server, v[1]);
    bool version = apis && parts->n == 3 && discovery_has_version(v[1], v[2]);
    bool openapi = get && str_equal(v[0], "openapi") && str_equal(v[1], "v3");

    if (openapi && parts->n == 4 && str_equal(v[2], "api"))
        return openapi_v3(call, "", v[3]);
    if (openapi && parts->n == 5 && str_equal(v[2], "apis"))
        return openapi_v3(call, v[3], v[4]) || aggregate_pass_openapi(call, v[3], v[4]);
    if (!core && !group && !version)
        return false;
    if (!get)
        answer_not_allowed(call);
    else if (!accept_parse(http_header(call->request, "accept"), call->arena, 0, &call->accept))
        respond_not_acceptable(call);
    else if (group)
        discovery_group(call, v[1]);
    else
        discovery_resources(call, core ? "" : v[1], core ? v[1] : v[2]);
    return true;
}

/* Answers pages that are added by the program in which this server runs, such as its metrics. */
static bool answer_page(Call *call, const char *path)
{
    const Server *server = call->server;

    for (size_t i = 0; i < server->n_pages; i++) {
        _strbuf_ StrBuf text = STRBUF_INIT;

        if (!str_equal(path, server->pages[i].path))
            continue;
        call->path_label = server->pages[i].path;
        server->pages[i].print(server->pages_data, call->arena, &text);
        http_respond(call->request, 200, "text/plain; charset=utf-8", strbuf_bytes(&text));
        return true;
    }
    return false;
}

static void dispatch_path(Call *call)
{
    char *path = arena_strdup(call->arena, call->target.path);
    size_t n = strlen(path);
    bool get = str_equal(call->request->method, "GET");
    PathParts parts;

    if (n > 1 && path[n - 1] == '/')
        path[--n] = 0;
    if (health_answer(call, path))
        return;
    for (size_t i = 0; i < ARRAY_LEN(path_routes); i++) {
        if ((get || path_routes[i].every_method) && str_equal(path, path_routes[i].path)) {
            call->path_label = path_routes[i].path;
            path_routes[i].handle(call);
            return;
        }
    }
    if (get && answer_page(call, path))
        return;
    parts = path_parts(call->arena, path);
    if (answer_group_path(call, &parts))
        return;
    if (str_equal(parts.v[0], "api") || (parts.n > 2 && str_equal(parts.v[0], "apis") &&
                                         discovery_has_group(call->server, parts.v[1])))
        answer_not_found(call);
    else
        answer_page_not_found(call);
}

/* Nothing is revealed to the client before the authorization. The kind is looked up before that
 * nevertheless, since the log and the metrics of refused requests name it. */
static void dispatch(Call *call)
{
    const Target *target = &call->target;
    bool found = target->version && route_resource(call->server, target, &call->route);

    if (!found)
        call->route = (Route){0};
    kind_ref(call->route.kind);
    if (found && call->route.kind->custom && call->route.kind->custom->warning)
        respond_warnings(
            call->request,
            &(Warnings){(const char **)(uintptr_t)&call->route.kind->custom->warning, 1, 1});
    if (!impersonate(call))
        return;
    fairness_classify(call);
    if (!may(call, &target->attributes))
        return;
    if (found)
        dispatch_resource(call);
    else if (!aggregate_pass(call))
        fairness_run(call, dispatch_path);
}

static bool path_anonymous(const char *path)
{
    return str_starts_with(path, "/healthz") || str_starts_with(path, "/livez") ||
           str_starts_with(path, "/readyz") || str_starts_with(path, "/version");
}

static void answer_busy(Call *call)
{
    http_add_header(call->request, "retry-after", "1");
    respond_status(call, &(ApiStatus){.reason = STATUS_TOO_MANY_REQUESTS,
                                      .message = "Too many requests, please try again later."});
}

/* It is known who sends the request. */
static void on_authenticated(Call *call, AuthOutcome outcome)
{
    Server *server = call->server;
    HttpRequest *request = call->request;

    if (*request->query)
        query_parse(call);
    target_read(call, &call->target);
    if (outcome == AUTH_BUSY) {
        audit_begin_refused(call);
        answer_busy(call);
        return;
    }
    if (outcome == AUTH_DENIED ||
        (call->user->anonymous && !server->anonymous && !path_anonymous(request->path))) {
        audit_begin_refused(call);
        respond_status(call,
                       &(ApiStatus){.reason = STATUS_UNAUTHORIZED, .message = "Unauthorized"});
        return;
    }
    if (!call->user->anonymous)
        http_request_known(request);
    audit_begin(call);
    if (request->path[0] != '/') {
        answer_page_not_found(call);
        return;
    }
    dispatch(call);
}

static void on_resumed(HttpRequest *request)
{
    Call *call = request->data;

    on_authenticated(call, call->user ? AUTH_GRANTED : AUTH_DENIED);
}

static void on_late_user(Call *call, AuthOutcome outcome _unused_)
{
    http_request_resume(call->request);
}

static void on_request(void *data, HttpRequest *request)
{
    Call *call = arena_new(&request->arena, Call);
    AuthOutcome outcome;

    call->server = data;
    call->request = request;
    call->arena = &request->arena;
    request->data = call;
    request->on_close = call_on_close;
    observe_begin(call);
    outcome = authenticate(call, on_late_user);
    if (outcome == AUTH_LATER)
        http_request_defer(request, on_resumed);
    else
        on_authenticated(call, outcome);
}

static void on_bad_request(void *data _unused_, const HttpPeer *peer, int code, const char *text,
                           Arena *arena, const char **ret_type, Bytes *ret_body)
{
    _strbuf_ StrBuf json = STRBUF_INIT;
    ApiStatus status = {.reason = code == 413 ? STATUS_TOO_LARGE : STATUS_BAD_REQUEST,
                        .message = text};

    observe_bad_request(peer, code, text);
    status_json(&status, &json);
    *ret_type = "application/json";
    *ret_body = arena_bytes(arena, strbuf_bytes(&json));
}

HttpHandler server_http_handler(Server *server)
{
    return (HttpHandler){.on_request = on_request,
                         .on_bad_request = on_bad_request,
                         .data = server,
                         .connections = metric_single(METRIC_HTTP_CONNECTIONS)};
}
