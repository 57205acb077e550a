/* SPDX-License-Identifier: Apache-2.0 */
/* The extension servers that APIServices name, and requests to them. See aggregate.h. */
#include "server/aggregate/aggregate.h"
#include "server/audit/audit.h"

#include "api/object.h"
#include "api/schema/apiregistration_v1.h"
#include "api/schema/core_service_v1.h"
#include "base/strbuf.h"
#include "base/vec.h"
#include "http/http.h"
#include "server/proxy/proxy.h"
#include "server/request/respond.h"

/* ---- the list ---- */

static Extension *extension_free(Extension *extension)
{
    extension_check_stop(extension);
    list_remove(&extension->node);
    http_tls_free(extension->tls);
    free(extension->name);
    free(extension->group);
    free(extension->version);
    free(extension->service_ns);
    free(extension->service_name);
    free(extension->resources);
    free(extension);
    return NULL;
}

static Extension *find_by_name(const Server *server, const char *name)
{
    LIST_EACH(&server->extensions, node) {
        Extension *extension = CONTAINER_OF(node, Extension, node);

        if (str_equal(extension->name, name))
            return extension;
    }
    return NULL;
}

/* By priority of the group, its name, and the priority of the version. */
static bool comes_before(const Extension *a, const Extension *b)
{
    if (a->group_priority != b->group_priority)
        return a->group_priority > b->group_priority;
    if (!str_equal(a->group, b->group))
        return strcmp(a->group, b->group) < 0;
    return a->version_priority > b->version_priority;
}

static void insert(Extension *extension)
{
    ListNode *head = &extension->server->extensions, *at = head->next;

    while (at != head && !comes_before(extension, CONTAINER_OF(at, Extension, node)))
        at = at->next;
    list_append(at, &extension->node); /* before it */
}

static bool is_available(const APIService *service)
{
    for (size_t i = 0; i < service->status.conditions.n; i++)
        if (str_equal(service->status.conditions.v[i].type, "Available"))
            return str_equal(service->status.conditions.v[i].status, "True");
    return false;
}

static struct ssl_ctx_st *tls_of(const Server *server, const APIServiceSpec *spec)
{
    _free_ char *ca =
        spec->ca_bundle.n ? mem_strndup((const char *)spec->ca_bundle.p, spec->ca_bundle.n) : NULL;
    struct ssl_ctx_st *tls = NULL;
    Err err = ERR_INIT;

    /* Without a bundle, the authorities of the system count in Kubernetes, none of which signs names of
     * a cluster: an empty list refuses the same. */
    if (http_tls_client(spec->insecure_skip_tls_verify ? NULL : str_or(ca, ""),
                        server->front_proxy_pem, server->front_proxy_key_pem, &tls, &err) < 0)
        return NULL;
    return tls;
}

/* What this server serves itself is never passed on. */
static bool is_own(const APIServiceSpec *spec)
{
    KIND_EACH(kind)
        if (kind_is_served(kind) && str_equal(kind->group, spec->group) &&
            str_equal(kind->version, spec->version))
            return true;
    return false;
}

static void add(Server *server, const APIService *service)
{
    const APIServiceSpec *spec = &service->spec;
    Extension *extension;

    if (!spec->service || str_empty(spec->group) || is_own(spec))
        return;
    extension = mem_new_type(Extension);
    extension->server = server;
    extension->name = mem_strdup(service->metadata.name);
    extension->group = mem_strdup(spec->group);
    extension->version = mem_strdup(spec->version);
    extension->service_ns = mem_strdup(str_or(spec->service->namespace, ""));
    extension->service_name = mem_strdup(str_or(spec->service->name, ""));
    extension->port = (uint16_t)(spec->service->port ? *spec->service->port : 443);
    extension->group_priority = spec->group_priority_minimum;
    extension->version_priority = spec->version_priority;
    extension->tls = tls_of(server, spec);
    extension->available = is_available(service);
    insert(extension);
    extension_check(extension);
}

/* ---- what wakes it ---- */

static void on_api_service(void *data, const WatchEvent *event)
{
    Server *server = data;
    const APIService *service = OBJECT_AS(APIService, event->object);
    Extension *there = find_by_name(server, service->metadata.name);
    char *resources;

    if (event->type == WATCH_MODIFIED && event->before && there &&
        object_meta(event->before)->generation == service->metadata.generation &&
        type_equal(&type_APIServiceSpec, &OBJECT_AS(APIService, event->before)->spec,
                   &service->spec))
        return; /* our own status */
    if (event->type == WATCH_BOOKMARK)
        return;
    resources = there ? TAKE_PTR(there->resources) : NULL;
    if (there)
        extension_free(there);
    if (event->type != WATCH_DELETED)
        add(server, service);
    there = find_by_name(server, service->metadata.name);
    if (there && !there->resources)
        there->resources = TAKE_PTR(resources);
    free(resources);
}

/* A Service or its endpoints. */
static void on_backend(void *data, const WatchEvent *event)
{
    Server *server = data;
    const ObjectMeta *meta;

    if (list_empty(&server->extensions) || event->type == WATCH_BOOKMARK)
        return;
    meta = object_meta(event->object);
    LIST_EACH(&server->extensions, node) {
        Extension *extension = CONTAINER_OF(node, Extension, node);

        if (str_equal(extension->service_ns, meta->namespace) &&
            str_equal(extension->service_name, meta->name))
            extension_check(extension);
    }
}

static bool each_api_service(void *data, Object *object)
{
    add(data, OBJECT_AS(APIService, object));
    return true;
}

void aggregate_start(Server *server, const Pki *pki)
{
    static const Kind *const backends[] = {&kind_service, &kind_endpoints};

    if (pki) {
        server->front_proxy_pem = mem_strdup(pki->front_proxy_pem);
        server->front_proxy_key_pem = mem_strdup(pki->front_proxy_key_pem);
    }
    store_list(server->store, &kind_api_service, NULL, NULL, each_api_service, server);
    /* A watch from now on cannot fail. */
    NEVER(store_watch(server->store, &kind_api_service, 0, on_api_service, server,
                      &server->aggregate_watches[0]));
    for (size_t i = 0; i < ARRAY_LEN(backends); i++)
        NEVER(store_watch(server->store, backends[i], 0, on_backend, server,
                          &server->aggregate_watches[1 + i]));
}

void aggregate_stop(Server *server)
{
    for (size_t i = 0; i < ARRAY_LEN(server->aggregate_watches); i++)
        store_watch_stop(server->aggregate_watches[i]);
    LIST_EACH_SAFE(&server->extensions, node)
        extension_free(CONTAINER_OF(node, Extension, node));
    free(server->front_proxy_pem);
    free(server->front_proxy_key_pem);
}

/* ---- requests ---- */

/* A key of `extra` in the name of a header: everything but letters, digits and a few marks is encoded. */
static const char *header_key(Arena *arena, const char *key)
{
    _strbuf_ StrBuf out = STRBUF_INIT;

    strbuf_add_string(&out, "x-remote-extra-");
    for (const char *c = key; *c; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                     (*c >= '0' && *c <= '9') || strchr("!#$&'*+-.^_`|~", *c);

        if (plain)
            strbuf_add_char(&out, *c);
        else
            strbuf_printf(&out, "%%%02X", (unsigned)(uint8_t)*c);
    }
    return arena_strdup(arena, strbuf_string(&out));
}

typedef struct UserHeaders {
    VEC(HttpHeader) v;
} UserHeaders;

/* Who asks, in the headers of an authenticating proxy. */
static void add_user(Call *call, UserHeaders *ret)
{
    const User *user = call->user;

    VEC_PUSH(&ret->v, ((HttpHeader){"x-remote-user", user->name}));
    if (!str_empty(user->uid))
        VEC_PUSH(&ret->v, ((HttpHeader){"x-remote-uid", user->uid}));
    for (size_t i = 0; i < user->groups.n; i++)
        VEC_PUSH(&ret->v, ((HttpHeader){"x-remote-group", user->groups.v[i]}));
    for (size_t i = 0; i < user->extra.n; i++) {
        const char *name = header_key(call->arena, user->extra.v[i].key);

        for (size_t k = 0; k < user->extra.v[i].value.items.n; k++)
            VEC_PUSH(&ret->v, ((HttpHeader){name, user->extra.v[i].value.items.v[k]}));
    }
}

static void refuse(Call *call, const char *text)
{
    http_add_header(call->request, "x-content-type-options", "nosniff");
    http_respond(call->request, 503, "text/plain; charset=utf-8", bytes_from_string(text));
}

static void pass(Call *call, const Extension *extension)
{
    const char *reason, *message;
    UserHeaders headers = {0};
    ExtensionPlace place;

    if (!extension->available || !extension->tls ||
        !extension_locate(extension, call->arena, &place, &reason, &message)) {
        refuse(call, "service unavailable\n");
        return;
    }
    add_user(call, &headers);
    if (audit_id(call)) /* the extension server records the request under the same id */
        VEC_PUSH(&headers.v, ((HttpHeader){"audit-id", audit_id(call)}));
    proxy_start(call, &(ProxyTarget){.address = place.address,
                                     .port = place.port,
                                     .tls = extension->tls,
                                     .server_name = place.server_name,
                                     .host = place.server_name,
                                     .path = call->request->path,
                                     .headers = headers.v.v,
                                     .n_headers = headers.v.n,
                                     .extension = true});
    VEC_DEINIT(&headers.v);
}

bool aggregate_pass(Call *call)
{
    const Target *target = &call->target;
    const char *group = target->attributes.group, *version = target->version;
    const Extension *extension;

    if (list_empty(&call->server->extensions))
        return false;
    if (!version) {
        /* "/apis/GROUP/VERSION" is no resource. */
        char *at = arena_strdup(call->arena, target->path + strspn(target->path, "/"));

        if (!str_equal(strsep(&at, "/"), "apis"))
            return false;
        group = strsep(&at, "/");
        version = strsep(&at, "/");
        if (str_empty(version) || !str_empty(at))
            return false;
    }
    extension = extension_find(call->server, group, version);
    if (extension)
        pass(call, extension);
    return extension != NULL;
}

bool aggregate_pass_openapi(Call *call, const char *group, const char *version)
{
    const Extension *extension = extension_find(call->server, group, version);

    if (extension)
        pass(call, extension);
    return extension != NULL;
}
