/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a path and a method to a verb of a kind. Everything is a row: the subresources below, the
 * paths that are no resources, and the kinds of the registry; discovery is printed from the same
 * rows.
 *
 * A path is cut in one pass without copying the query; a request that needs no decoding costs one
 * small copy.
 */
#include "server/internal.h"
#include "server/openapi.h"

#define SEGMENTS_MAX 12

/* ---- tables ---- */

static const char *const verbs_get[] = {"get", NULL};
static const char *const verbs_create[] = {"create", NULL};
static const char *const verbs_create_get[] = {"create", "get", NULL};
static const char *const verbs_update[] = {"update", NULL};
static const char *const verbs_get_patch_update[] = {"get", "patch", "update", NULL};
static const char *const verbs_all[] = {
    "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch", NULL};
static const char *const verbs_namespace[] = {"create", "delete", "get",   "list",
                                              "patch",  "update", "watch", NULL};

/* clang-format off */
const Subresource subresources[] = {
    {.plural = "pods", .group = "", .name = "attach", .kind_group = "", .kind_version = "v1", .kind = "PodAttachOptions",
     .verbs = verbs_create_get, .get = subresource_attach, .create = subresource_attach},
    {.plural = "pods", .group = "", .name = "binding", .kind_group = "", .kind_version = "v1", .kind = "Binding",
     .verbs = verbs_create, .create = subresource_binding},
    {.plural = "pods", .group = "", .name = "ephemeralcontainers",
     .verbs = verbs_get_patch_update, .get = read_get, .update = http_update, .patch = http_patch},
    {.plural = "pods", .group = "", .name = "eviction", .kind_group = "policy", .kind_version = "v1", .kind = "Eviction",
     .verbs = verbs_create, .create = subresource_eviction},
    {.plural = "pods", .group = "", .name = "exec", .kind_group = "", .kind_version = "v1", .kind = "PodExecOptions",
     .verbs = verbs_create_get, .get = subresource_exec, .create = subresource_exec},
    {.plural = "namespaces", .group = "", .name = "finalize",
     .verbs = verbs_update, .update = http_update},
    {.plural = "pods", .group = "", .name = "log",
     .verbs = verbs_get, .get = subresource_log},
    {.plural = "pods", .group = "", .name = "portforward", .kind_group = "", .kind_version = "v1", .kind = "PodPortForwardOptions",
     .verbs = verbs_create_get, .get = subresource_portforward, .create = subresource_portforward},
    {.plural = "nodes", .group = "", .name = "proxy", .kind_group = "", .kind_version = "v1", .kind = "NodeProxyOptions",
     .verbs = verbs_get, .get = subresource_node_proxy, .rest = true},
    {.flag = KIND_HAS_SCALE, .name = "scale", .kind_group = "autoscaling", .kind_version = "v1", .kind = "Scale",
     .verbs = verbs_get_patch_update, .get = subresource_scale_get, .update = subresource_scale_update,
     .patch = subresource_scale_patch},
    {.flag = KIND_HAS_STATUS, .name = "status",
     .verbs = verbs_get_patch_update, .get = read_get, .update = http_update, .patch = http_patch},
    {.plural = "serviceaccounts", .group = "", .name = "token", .kind_group = "authentication.k8s.io", .kind_version = "v1",
     .kind = "TokenRequest", .verbs = verbs_create, .create = subresource_token},
    {0},
};
/* clang-format on */

bool subresource_of(const Subresource *sub, const Kind *kind)
{
    if (!sub->plural)
        return (kind->flags & sub->flag) != 0;
    return str_equal(sub->plural, kind->plural) && str_equal(sub->group, kind->group);
}

const char *const *kind_verbs(const Kind *kind)
{
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
    respond_json(call, 200,
                 bytes_from_string(
                     "{\"major\":\"1\",\"minor\":\"" API_MINOR
                     "\",\"emulationMajor\":\"1\",\"emulationMinor\":\"" API_MINOR
                     "\",\"minCompatibilityMajor\":\"1\",\"minCompatibilityMinor\":\"35\","
                     "\"gitVersion\":\"v1." API_MINOR ".3+stead" STEAD_VERSION
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

    token_key_jwks(call->server->token_key, &text);
    http_respond(call->request, 200, "application/jwk-set+json", strbuf_bytes(&text));
}

static void answer_issuer(Call *call)
{
    respond_json(call, 200,
                 bytes_from_string("{\"issuer\":\"" TOKEN_ISSUER "\",\"jwks_uri\":\"" TOKEN_ISSUER
                                   "/openid/v1/jwks\",\"response_types_supported\":[\"id_token\"],"
                                   "\"subject_types_supported\":[\"public\"],"
                                   "\"id_token_signing_alg_values_supported\":[\"ES256\"]}"));
}

/* Nobody can make one here, so there are none. Helm asks before it says that it does not know a kind,
 * and gives up with another message where there is no answer. */
static void answer_definitions(Call *call)
{
    respond_json(call, 200,
                 bytes_from_string("{\"kind\":\"CustomResourceDefinitionList\",\"apiVersion\":"
                                   "\"apiextensions.k8s.io/v1\",\"metadata\":{"
                                   "\"resourceVersion\":\"1\"},\"items\":[]}"));
}

static void answer_root(Call *call);

static const struct {
    const char *path;
    void (*handle)(Call *call);
    bool every_method; /* as in kube-apiserver; else only GET */
} path_routes[] = {
    {"/", answer_root},
    {"/.well-known/openid-configuration", answer_issuer},
    {"/api", discovery_versions},
    {"/apis", discovery_groups},
    {"/apis/apiextensions.k8s.io/v1/customresourcedefinitions", answer_definitions},
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
    respond_json(call, 200, strbuf_bytes(&text));
}

/* ---- resources ---- */

typedef struct Segments {
    char *v[SEGMENTS_MAX];
    size_t n;
} Segments;

/* Cuts the path into decoded segments. Positive: malformed or too long to be one of ours. */
static int segments_cut(Arena *arena, const char *path, Segments *ret)
{
    char *at = arena_strdup(arena, path + 1);

    ret->n = 0;
    while (*at) {
        size_t n = strcspn(at, "/");
        bool last = !at[n];

        if (ret->n == SEGMENTS_MAX)
            return 1;
        at[n] = 0;
        ret->v[ret->n] = at;
        if (memchr(at, '%', n))
            ret->v[ret->n] = http_percent_decode(arena, at, n);
        ret->v[ret->n] = (char *)(uintptr_t)utf8_clean(arena, ret->v[ret->n]);
        if (str_empty(ret->v[ret->n]))
            return 1;
        ret->n++;
        at += n + !last;
    }
    return 0;
}

static const Kind *find_kind(Server *server, const char *group, const char *version,
                             const char *plural)
{
    size_t g = strlen(group), v = strlen(version), p = strlen(plural);
    char key[256], *at = key;

    if (g + v + p + 3 > sizeof(key))
        return NULL;
    at = mempcpy(at, group, g);
    *at++ = '/';
    at = mempcpy(at, version, v);
    *at++ = '/';
    memcpy(at, plural, p + 1);
    return strmap_get(&server->resources, key);
}

static bool is_subresource(const Kind *kind, const char *name)
{
    for (const Subresource *sub = subresources; sub->name; sub++)
        if (str_equal(sub->name, name) && subresource_of(sub, kind))
            return true;
    return false;
}

static bool path_goes_on(const Kind *kind, const char *name)
{
    for (const Subresource *sub = subresources; sub->name; sub++)
        if (sub->rest && str_equal(sub->name, name) && subresource_of(sub, kind))
            return true;
    return false;
}

/* What comes behind group and version: [namespaces/NS/]PLURAL[/NAME[/SUBRESOURCE[/REST]]]. */
static bool route_resource(Server *server, const char *group, const char *version, char **v,
                           size_t n, Route *ret)
{
    *ret = (Route){0};
    if (n >= 3 && str_equal(v[0], "namespaces") &&
        !(n == 3 && !*group && is_subresource(&kind_namespace, v[2]))) {
        ret->ns = v[1];
        v += 2;
        n -= 2;
    }
    ret->kind = find_kind(server, group, version, v[0]);
    if (!ret->kind)
        return false;
    if (ret->ns && !(ret->kind->flags & KIND_NAMESPACED))
        return false;
    ret->name = n > 1 ? v[1] : NULL;
    ret->subresource = n > 2 ? v[2] : NULL;
    ret->rest = n > 3 ? v[3] : NULL;
    return !(ret->name && !ret->ns && (ret->kind->flags & KIND_NAMESPACED)) &&
           (n <= 3 || path_goes_on(ret->kind, ret->subresource));
}

typedef struct Action {
    const char *verb; /* as authorization knows it */
    void (*handle)(Call *call);
    bool body; /* reads one */
} Action;

/* What the method means here; handle NULL: not allowed. */
static Action action_of_subresource(const Call *call, const char *method)
{
    const Subresource *sub = call->sub;

    if (str_equal(method, "GET"))
        return (Action){"get", sub->get, false};
    if (str_equal(method, "POST"))
        return (Action){"create", sub->create, true};
    if (str_equal(method, "PUT"))
        return (Action){"update", sub->update, true};
    if (str_equal(method, "PATCH"))
        return (Action){"patch", sub->patch, true};
    return (Action){"delete", NULL, false};
}

static Action action_of(const Call *call, const char *method)
{
    const Kind *kind = call->route.kind;
    bool named = call->route.name != NULL;
    bool stored = !(kind->flags & KIND_NOT_STORED) && kind != &kind_binding;
    bool placed = call->route.ns || !(kind->flags & KIND_NAMESPACED);

    if (str_equal(method, "GET")) {
        bool watch = !named && query_true(call->query.watch);

        return (Action){named   ? "get"
                        : watch ? "watch"
                                : "list",
                        !stored ? NULL
                        : named ? read_get
                        : watch ? watch_start
                                : read_list,
                        false};
    }
    if (str_equal(method, "POST"))
        return (Action){"create", named || !placed ? NULL : http_create, true};
    if (str_equal(method, "PUT"))
        return (Action){"update", named && stored ? http_update : NULL, true};
    if (str_equal(method, "PATCH"))
        return (Action){"patch", named && stored ? http_patch : NULL, true};
    if (str_equal(method, "DELETE"))
        return (Action){named ? "delete" : "deletecollection",
                        !stored                   ? NULL
                        : named                   ? http_delete
                        : !placed                 ? NULL
                        : kind == &kind_namespace ? NULL
                                                  : http_delete_collection,
                        true};
    return (Action){"", NULL, false};
}

/* ---- dispatch ---- */

static void call_on_close(HttpRequest *request)
{
    Call *call = request->data;

    observe_end(call);
    if (call->stream)
        call->stream_close(TAKE_PTR(call->stream));
    if (call->write)
        call->write->call = NULL;
    call->user = user_unref(call->user);
}

static void call_on_body(HttpRequest *request, Bytes body)
{
    Call *call = request->data;

    call->body = body;
    observe_body(call);
    call->handle(call);
    observe_handled(call);
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

/* false: answered with 403. */
static bool may(Call *call, const Attributes *attributes)
{
    ApiStatus status;
    const char *reason;

    if (_likely_(authorize(call->server, call->user, attributes, call->arena, &reason)))
        return true;
    authorize_forbidden(&status, call->arena, call->user, attributes, reason);
    respond_status(call, &status);
    return false;
}

/* Subresources whose answer is no object: the Accept header says nothing about it. */
static bool carries_bytes(const Subresource *sub)
{
    return sub && (sub->get == subresource_log || sub->get == subresource_exec ||
                   sub->get == subresource_attach || sub->get == subresource_portforward ||
                   sub->get == subresource_node_proxy);
}

static void run_action(Call *call, const Action *action)
{
    if (!action->handle) {
        respond_status(call, &(ApiStatus){.reason = STATUS_METHOD_NOT_ALLOWED,
                                          .message = "the server does not allow this method on "
                                                     "the requested resource",
                                          .kind = ""});
        return;
    }
    call->handle = action->handle;
    if (!accept_parse(http_header(call->request, "accept"), call->arena,
                      action->handle == watch_start, &call->accept) &&
        !carries_bytes(call->sub)) {
        respond_not_acceptable(call);
        return;
    }
    if (action->handle == watch_start || carries_bytes(call->sub))
        observe_long_running(call);
    /* An upgrade has no body, and must be answered while the head is read. */
    if (action->body && !carries_bytes(call->sub)) {
        call->request->on_body = call_on_body;
    } else {
        action->handle(call);
        observe_handled(call);
    }
}

static void dispatch_resource(Call *call)
{
    const Route *route = &call->route;
    Attributes attributes = {.group = route->kind->group,
                             .resource = route->kind->plural,
                             .subresource = route->subresource,
                             .ns = route->ns,
                             .name = route->name};
    Action action;

    /* A namespace is in itself. */
    if (route->kind == &kind_namespace)
        attributes.ns = route->name;
    if (route->subresource) {
        for (const Subresource *sub = subresources; sub->name && !call->sub; sub++)
            if (str_equal(sub->name, route->subresource) && subresource_of(sub, route->kind))
                call->sub = sub;
        if (!call->sub || (route->rest && !call->sub->rest)) {
            attributes.verb = "get";
            if (may(call, &attributes))
                answer_not_found(call);
            return;
        }
        action = action_of_subresource(call, call->request->method);
    } else {
        action = action_of(call, call->request->method);
    }
    attributes.verb = action.verb;
    if (!may(call, &attributes))
        return;
    /* A WebSocket begins with a GET, but to run something takes more than the right to read. */
    if (carries_bytes(call->sub) && call->sub->create && str_equal(action.verb, "get")) {
        attributes.verb = "create";
        if (!may(call, &attributes))
            return;
    }
    if (route->kind == &kind_endpoints)
        http_add_header(call->request, "warning",
                        "299 - \"v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 "
                        "EndpointSlice\"");
    run_action(call, &action);
}

static void dispatch_path(Call *call, const Segments *segments)
{
    HttpRequest *request = call->request;
    size_t n = strlen(request->path);
    char *path = arena_strdup(call->arena, request->path);
    char *verb = arena_strdup(call->arena, request->method);
    bool get = str_equal(verb, "GET");

    for (char *p = verb; *p; p++)
        *p = (char)(*p | 0x20);
    if (!may(call, &(Attributes){.verb = verb, .path = utf8_clean(call->arena, path)}))
        return;
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
    if (get && segments->n == 2 && str_equal(segments->v[0], "api") &&
        discovery_has_version("", segments->v[1]))
        discovery_resources(call, "", segments->v[1]);
    else if (get && segments->n == 2 && str_equal(segments->v[0], "apis") &&
             discovery_has_group(segments->v[1]))
        discovery_group(call, segments->v[1]);
    else if (get && segments->n == 3 && str_equal(segments->v[0], "apis") &&
             discovery_has_version(segments->v[1], segments->v[2]))
        discovery_resources(call, segments->v[1], segments->v[2]);
    else if (get && segments->n == 4 && str_equal(segments->v[0], "openapi") &&
             str_equal(segments->v[1], "v3") && str_equal(segments->v[2], "api") &&
             openapi_v3(call, "", segments->v[3]))
        return;
    else if (get && segments->n == 5 && str_equal(segments->v[0], "openapi") &&
             str_equal(segments->v[1], "v3") && str_equal(segments->v[2], "apis") &&
             openapi_v3(call, segments->v[3], segments->v[4]))
        return;
    else if (segments->n && (str_equal(segments->v[0], "api") ||
                             (segments->n > 2 && str_equal(segments->v[0], "apis") &&
                              discovery_has_group(segments->v[1]))))
        answer_not_found(call);
    else
        answer_page_not_found(call);
}

static void dispatch(Call *call)
{
    Server *server = call->server;
    Segments segments = {.n = 0};
    bool cut = segments_cut(call->arena, call->request->path, &segments) == 0;
    bool found = false, versioned = false;

    if (cut && segments.n > 2 && strcmp(segments.v[0], "api") == 0) {
        versioned = discovery_has_version("", segments.v[1]);
        found =
            route_resource(server, "", segments.v[1], segments.v + 2, segments.n - 2, &call->route);
    } else if (cut && segments.n > 3 && strcmp(segments.v[0], "apis") == 0) {
        versioned = discovery_has_version(segments.v[1], segments.v[2]);
        found = route_resource(server, segments.v[1], segments.v[2], segments.v + 3, segments.n - 3,
                               &call->route);
    }
    if (found) {
        dispatch_resource(call);
    } else if (versioned) {
        Attributes attributes = {.verb = "get",
                                 .path = utf8_clean(call->arena, call->request->path)};

        if (may(call, &attributes))
            answer_not_found(call);
    } else {
        dispatch_path(call, &segments);
    }
}

static bool path_anonymous(const char *path)
{
    return str_starts_with(path, "/healthz") || str_starts_with(path, "/livez") ||
           str_starts_with(path, "/readyz") || str_starts_with(path, "/version");
}

static void on_request(void *data, HttpRequest *request)
{
    Server *server = data;
    Call *call = arena_new(&request->arena, Call);

    call->server = server;
    call->request = request;
    call->arena = &request->arena;
    request->data = call;
    request->on_close = call_on_close;
    observe_begin(call);
    call->user = authenticate(server, request);
    if (!call->user ||
        (call->user->anonymous && !server->anonymous && !path_anonymous(request->path))) {
        respond_status(call,
                       &(ApiStatus){.reason = STATUS_UNAUTHORIZED, .message = "Unauthorized"});
        return;
    }
    if (!call->user->anonymous)
        http_request_known(request);
    if (!impersonate(call))
        return;
    if (request->path[0] != '/') {
        answer_page_not_found(call);
        return;
    }
    if (*request->query)
        query_parse(call);
    dispatch(call);
}

static void on_bad_request(void *data, const HttpPeer *peer, int code, const char *text,
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
    return (HttpHandler){
        .on_request = on_request, .on_bad_request = on_bad_request, .data = server};
}
