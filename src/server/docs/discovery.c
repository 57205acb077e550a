/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Discovery: which groups, versions and resources the server has. It has two forms: one document for
 * each group version, and a single document with all of them (aggregated discovery), which a client
 * selects by the Accept header. Both are printed from the registry of kinds and the table of
 * subresources.
 */
#include <openssl/evp.h>

#include "api/kind.h"
#include "api/schema/apiextensions_v1.h"
#include "base/vec.h"
#include "codec/base64.h"
#include "server/aggregate/extension.h"
#include "server/docs/discovery.h"
#include "server/request/respond.h"

/* ---- order ---- */

/* By the priorities of groups, then of versions, then by name: clients take this order over. */
static int compare_kinds(const void *a, const void *b)
{
    const Kind *x = *(const Kind *const *)a, *y = *(const Kind *const *)b;
    int32_t group_x, group_y, version_x, version_y;
    int r;

    group_priority(x->group, x->version, &group_x, &version_x);
    group_priority(y->group, y->version, &group_y, &version_y);
    if (group_x != group_y)
        return group_x > group_y ? -1 : 1;
    r = strcmp(x->group, y->group);
    if (r == 0 && version_x != version_y)
        r = version_x > version_y ? -1 : 1;
    if (r == 0)
        r = version_compare(x->version, y->version);
    return r ? r : strcmp(x->plural, y->plural);
}

/* The kinds that are served, in the order in which they are listed, so that those of a group version are
 * neighbours. Made anew after each change of the registry. */
static struct {
    VEC(const Kind *) kinds;
    uint64_t generation;
} order;

static size_t n_ordered(void)
{
    if (order.generation == kind_generation())
        return order.kinds.n;
    order.kinds.n = 0;
    KIND_EACH(kind)
        if (kind_is_served(kind))
            VEC_PUSH(&order.kinds, kind);
    qsort(order.kinds.v, order.kinds.n, sizeof(*order.kinds.v), compare_kinds);
    order.generation = kind_generation();
    return order.kinds.n;
}

/* Kind number i, which is less than n_ordered(). */
static const Kind *ordered(size_t i)
{
    return order.kinds.v[i];
}

static bool is_own_group(const char *group)
{
    for (size_t i = 0; i < n_ordered(); i++)
        if (*group && str_equal(ordered(i)->group, group))
            return true;
    return false;
}

/* The first of the extension servers with the group; NULL: none. */
static const Extension *extension_of_group(const Server *server, const char *group)
{
    LIST_EACH(&server->extensions, node) {
        const Extension *extension = CONTAINER_OF(node, Extension, node);

        if (str_equal(extension->group, group))
            return extension;
    }
    return NULL;
}

/* Whether a group has to be listed here, since this server has none of its name, and none has been listed
 * before. */
static bool is_first_of_group(const Server *server, const Extension *extension)
{
    return !is_own_group(extension->group) &&
           extension_of_group(server, extension->group) == extension;
}

bool discovery_has_group(const Server *server, const char *group)
{
    return is_own_group(group) || extension_of_group(server, group);
}

bool discovery_has_version(const char *group, const char *version)
{
    for (size_t i = 0; i < n_ordered(); i++)
        if (str_equal(ordered(i)->group, group) && str_equal(ordered(i)->version, version))
            return true;
    return false;
}

/* Whether kind number i is the first one of its group, or, with `version`, of its group version. */
static bool first_of(size_t i, bool version)
{
    const Kind *kind = ordered(i), *last = i > 0 ? ordered(i - 1) : NULL;

    return !last || !str_equal(last->group, kind->group) ||
           (version && !str_equal(last->version, kind->version));
}

static void add_list(StrBuf *out, const char *name, const char *const *v)
{
    if (!v || !*v)
        return;
    strbuf_printf(out, ",\"%s\":[", name);
    for (size_t i = 0; v[i]; i++)
        strbuf_printf(out, "%s\"%s\"", i ? "," : "", v[i]);
    strbuf_add_char(out, ']');
}

/* ---- plain ---- */

/* Tells clients whether two resources are one in the store: the hash of what they are stored as. */
static void add_storage_hash(StrBuf *out, const Kind *kind)
{
    const Kind *stored = kind->family ? kind->family->stored
                         : kind->form ? kind->form->stored
                                      : kind;
    _free_ char *text = NULL;
    uint8_t digest[32];

    if (kind->flags & (KIND_NOT_STORED | KIND_COMPUTED))
        return;
    /* Kubernetes still stores definitions in their first version. */
    text = mem_printf("%s/%s/%s", stored->group,
                      stored == &kind_custom_resource_definition ? "v1beta1" : stored->version,
                      stored->kind);
    EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL);
    strbuf_add_string(out, ",\"storageVersionHash\":\"");
    base64_encode((Bytes){digest, 8}, out);
    strbuf_add_char(out, '"');
}

static void add_resource(StrBuf *out, const Kind *kind)
{
    strbuf_printf(out, "{\"name\":\"%s\",\"singularName\":\"%s\",\"namespaced\":%s,\"kind\":\"%s\"",
                  kind->plural, kind->singular, kind->flags & KIND_NAMESPACED ? "true" : "false",
                  kind->kind);
    add_list(out, "verbs", kind_verbs(kind));
    add_list(out, "shortNames", kind->short_names);
    add_list(out, "categories", kind->categories);
    add_storage_hash(out, kind);
    strbuf_add_char(out, '}');
    for (const char *const *name = kind->subresources; *name; name++) {
        const Subresource *sub = subresource_find(kind, *name);

        strbuf_printf(out, ",{\"name\":\"%s/%s\",\"singularName\":\"\",\"namespaced\":%s",
                      kind->plural, sub->name, kind->flags & KIND_NAMESPACED ? "true" : "false");
        if (sub->kind && !(str_equal(sub->kind_group, kind->group) &&
                           str_equal(sub->kind_version, kind->version)))
            strbuf_printf(out, ",\"group\":\"%s\",\"version\":\"%s\"", sub->kind_group,
                          sub->kind_version);
        strbuf_printf(out, ",\"kind\":\"%s\"", sub->kind ? sub->kind : kind->kind);
        add_list(out, "verbs", sub->verbs);
        strbuf_add_char(out, '}');
    }
}

void discovery_resources(Call *call, const char *group, const char *version)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    bool first = true;

    strbuf_printf(&text, "{\"kind\":\"APIResourceList\",%s\"groupVersion\":\"%s%s%s\",",
                  *group ? "\"apiVersion\":\"v1\"," : "", group, *group ? "/" : "", version);
    strbuf_add_string(&text, "\"resources\":[");
    for (size_t i = 0; i < n_ordered(); i++) {
        const Kind *kind = ordered(i);

        if (!str_equal(kind->group, group) || !str_equal(kind->version, version))
            continue;
        strbuf_add_string(&text, first ? "" : ",");
        add_resource(&text, kind);
        first = false;
    }
    strbuf_add_string(&text, "]}");
    respond_json(call, 200, strbuf_bytes(&text));
}

/* The versions of the group that extension servers have. */
static void add_extension_versions(const Server *server, const char *group, bool more, StrBuf *out)
{
    LIST_EACH(&server->extensions, node) {
        const Extension *extension = CONTAINER_OF(node, Extension, node);

        if (!str_equal(extension->group, group))
            continue;
        strbuf_printf(out, "%s{\"groupVersion\":\"%s/%s\",\"version\":\"%s\"}", more ? "," : "",
                      group, extension->version, extension->version);
        more = true;
    }
}

/* A group that only extension servers have. */
static void add_extension_group(const Server *server, const Extension *first, StrBuf *out)
{
    strbuf_printf(out, "\"name\":\"%s\",\"versions\":[", first->group);
    add_extension_versions(server, first->group, false, out);
    strbuf_printf(out, "],\"preferredVersion\":{\"groupVersion\":\"%s/%s\",\"version\":\"%s\"}}",
                  first->group, first->version, first->version);
}

static void add_group(const Server *server, StrBuf *out, size_t first)
{
    const Kind *kind = ordered(first);
    bool more = false;

    strbuf_printf(out, "\"name\":\"%s\",\"versions\":[", kind->group);
    for (size_t i = first; i < n_ordered(); i++) {
        if (!str_equal(ordered(i)->group, kind->group) || !first_of(i, true))
            continue;
        strbuf_printf(out, "%s{\"groupVersion\":\"%s\",\"version\":\"%s\"}", more ? "," : "",
                      ordered(i)->api_version, ordered(i)->version);
        more = true;
    }
    add_extension_versions(server, kind->group, more, out);
    strbuf_printf(out, "],\"preferredVersion\":{\"groupVersion\":\"%s\",\"version\":\"%s\"}}",
                  kind->api_version, kind->version);
}

void discovery_group(Call *call, const char *group)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    for (size_t i = 0; i < n_ordered(); i++) {
        if (!str_equal(ordered(i)->group, group) || !first_of(i, false))
            continue;
        strbuf_add_string(&text, "{\"kind\":\"APIGroup\",\"apiVersion\":\"v1\",");
        add_group(call->server, &text, i);
    }
    if (text.n == 0) {
        strbuf_add_string(&text, "{\"kind\":\"APIGroup\",\"apiVersion\":\"v1\",");
        add_extension_group(call->server, extension_of_group(call->server, group), &text);
    }
    respond_json(call, 200, strbuf_bytes(&text));
}

/* ---- aggregated ---- */

static void add_response_kind(StrBuf *out, const char *group, const char *version, const char *kind)
{
    strbuf_printf(out, "\"responseKind\":{\"group\":\"%s\",\"version\":\"%s\",\"kind\":\"%s\"}",
                  group, version, kind);
}

static void add_aggregated_resource(StrBuf *out, const Kind *kind)
{
    bool first = true;

    strbuf_printf(out, "{\"resource\":\"%s\",", kind->plural);
    add_response_kind(out, "", "", kind->kind); /* those of the list */
    strbuf_printf(out, ",\"scope\":\"%s\",\"singularResource\":\"%s\"",
                  kind->flags & KIND_NAMESPACED ? "Namespaced" : "Cluster", kind->singular);
    add_list(out, "verbs", kind_verbs(kind));
    add_list(out, "shortNames", kind->short_names);
    add_list(out, "categories", kind->categories);
    for (const char *const *name = kind->subresources; *name; name++) {
        const Subresource *sub = subresource_find(kind, *name);
        bool other = sub->kind && !(str_equal(sub->kind_group, kind->group) &&
                                    str_equal(sub->kind_version, kind->version));

        strbuf_printf(out, "%s{\"subresource\":\"%s\",", first ? ",\"subresources\":[" : ",",
                      sub->name);
        add_response_kind(out, other ? sub->kind_group : "", other ? sub->kind_version : "",
                          sub->kind ? sub->kind : kind->kind);
        add_list(out, "verbs", sub->verbs);
        strbuf_add_char(out, '}');
        first = false;
    }
    strbuf_add_string(out, first ? "}" : "]}");
}

static void add_aggregated_version(StrBuf *out, const Kind *of)
{
    bool more = false;

    strbuf_printf(out, "{\"version\":\"%s\",\"resources\":[", of->version);
    for (size_t i = 0; i < n_ordered(); i++) {
        const Kind *kind = ordered(i);

        if (!str_equal(kind->group, of->group) || !str_equal(kind->version, of->version))
            continue;
        strbuf_add_string(out, more ? "," : "");
        add_aggregated_resource(out, kind);
        more = true;
    }
    strbuf_add_string(out, "],\"freshness\":\"Current\"}");
}

static void add_aggregated_extensions(const Server *server, const char *group, bool more,
                                      StrBuf *out)
{
    LIST_EACH(&server->extensions, node) {
        const Extension *extension = CONTAINER_OF(node, Extension, node);

        if (!str_equal(extension->group, group))
            continue;
        strbuf_printf(out, "%s{\"version\":\"%s\",", more ? "," : "", extension->version);
        if (extension->resources)
            strbuf_printf(out, "\"resources\":%s,", extension->resources);
        strbuf_printf(out, "\"freshness\":\"%s\"}",
                      extension->available && extension->resources ? "Current" : "Stale");
        more = true;
    }
}

static void add_aggregated_extension_groups(const Server *server, bool more, StrBuf *out)
{
    LIST_EACH(&server->extensions, node) {
        const Extension *extension = CONTAINER_OF(node, Extension, node);

        if (!is_first_of_group(server, extension))
            continue;
        strbuf_printf(out, "%s{\"metadata\":{\"name\":\"%s\"},\"versions\":[", more ? "," : "",
                      extension->group);
        add_aggregated_extensions(server, extension->group, false, out);
        strbuf_add_string(out, "]}");
        more = true;
    }
}

static void add_aggregated(const Server *server, StrBuf *out, bool core, const char *version)
{
    bool more = false;

    strbuf_printf(out,
                  "{\"kind\":\"APIGroupDiscoveryList\",\"apiVersion\":\"apidiscovery.k8s.io/%s\","
                  "\"metadata\":{},\"items\":[",
                  version);
    for (size_t i = 0; i < n_ordered(); i++) {
        const Kind *kind = ordered(i);
        bool inner = false;

        if (str_empty(kind->group) != core || !first_of(i, false))
            continue;
        strbuf_add_string(out, more ? ",{\"metadata\":{" : "{\"metadata\":{");
        if (!core)
            strbuf_printf(out, "\"name\":\"%s\"", kind->group);
        strbuf_add_string(out, "},\"versions\":[");
        for (size_t k = i; k < n_ordered(); k++) {
            if (!str_equal(ordered(k)->group, kind->group) || !first_of(k, true))
                continue;
            strbuf_add_string(out, inner ? "," : "");
            add_aggregated_version(out, ordered(k));
            inner = true;
        }
        add_aggregated_extensions(server, kind->group, inner, out);
        strbuf_add_string(out, "]}");
        more = true;
    }
    if (!core)
        add_aggregated_extension_groups(server, more, out);
    strbuf_add_string(out, "]}");
}

static void answer_aggregated(Call *call, bool core)
{
    const char *version = call->accept.as_version;
    _strbuf_ StrBuf text = STRBUF_INIT, etag = STRBUF_INIT;
    const char *known = http_header(call->request, "if-none-match");
    uint8_t digest[32];

    add_aggregated(call->server, &text, core, version);
    EVP_Digest(text.p, text.n, digest, NULL, EVP_sha256(), NULL);
    strbuf_add_char(&etag, '"');
    for (size_t i = 0; i < sizeof(digest); i++)
        strbuf_printf(&etag, "%02X", digest[i]);
    strbuf_add_char(&etag, '"');
    http_add_header(call->request, "etag", etag.p);
    http_add_header(call->request, "vary", "Accept");
    http_add_header(call->request, "cache-control", "public");
    if (str_equal(known, etag.p)) {
        http_respond(call->request, 304, NULL, BYTES_NULL);
        return;
    }
    http_respond(
        call->request, 200,
        arena_printf(call->arena,
                     "application/json;g=apidiscovery.k8s.io;v=%s;as=APIGroupDiscoveryList",
                     version),
        strbuf_bytes(&text));
}

/* Answers the request and returns true if the client prefers the aggregated form, or if it accepts
 * neither form. */
static bool answered_aggregated(Call *call, bool core)
{
    if (!accept_parse(http_header(call->request, "accept"), call->arena, 0, &call->accept)) {
        respond_not_acceptable(call);
        return true;
    }
    if (call->accept.as != AS_DISCOVERY)
        return false;
    answer_aggregated(call, core);
    return true;
}

void discovery_versions(Call *call)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    if (answered_aggregated(call, true))
        return;
    http_add_header(call->request, "vary", "Accept");
    strbuf_printf(&text,
                  "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"],\"serverAddressByClientCIDRs\":["
                  "{\"clientCIDR\":\"0.0.0.0/0\",\"serverAddress\":\"%s\"}]}",
                  call->server->external_address);
    respond_json(call, 200, strbuf_bytes(&text));
}

void discovery_groups(Call *call)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    bool more = false;

    if (answered_aggregated(call, false))
        return;
    http_add_header(call->request, "vary", "Accept");
    strbuf_add_string(&text, "{\"kind\":\"APIGroupList\",\"apiVersion\":\"v1\",\"groups\":[");
    for (size_t i = 0; i < n_ordered(); i++) {
        if (str_empty(ordered(i)->group) || !first_of(i, false))
            continue;
        strbuf_add_string(&text, more ? ",{" : "{");
        add_group(call->server, &text, i);
        more = true;
    }
    LIST_EACH(&call->server->extensions, node) {
        const Extension *extension = CONTAINER_OF(node, Extension, node);

        if (!is_first_of_group(call->server, extension))
            continue;
        strbuf_add_string(&text, more ? ",{" : "{");
        add_extension_group(call->server, extension, &text);
        more = true;
    }
    strbuf_add_string(&text, "]}");
    respond_json(call, 200, strbuf_bytes(&text));
}
