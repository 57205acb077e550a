/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/resources.h"

#include <ctype.h>
#include <strings.h>

#define DISCOVERY                                                                \
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"      \
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList," \
    "application/json"

/* ---- discovery ---- */

static StringArray read_strings(Arena *arena, yyjson_val *array)
{
    StringArray out = {.v = arena_new_n(arena, const char *, yyjson_arr_size(array) + 1)};
    yyjson_val *item;
    size_t i, n;

    yyjson_arr_foreach(array, i, n, item)
    {
        if (yyjson_is_str(item))
            out.v[out.n++] = yyjson_get_str(item);
    }
    return out;
}

static void read_resource(Resources *all, Arena *arena, const char *group, const char *version,
                          yyjson_val *item)
{
    Resource *resource = arena_new(arena, Resource);

    *resource = (Resource){
        .group = group,
        .version = version,
        .plural = json_text(item, "/resource"),
        .singular = json_text(item, "/singularResource"),
        .kind = json_text(item, "/responseKind/kind"),
        .short_names = read_strings(arena, yyjson_obj_get(item, "shortNames")),
        .categories = read_strings(arena, yyjson_obj_get(item, "categories")),
        .namespaced = str_equal(json_text(item, "/scope"), "Namespaced"),
    };
    if (*resource->plural && *resource->kind)
        VEC_PUSH(&all->list, resource);
}

static void read_groups(Resources *all, Arena *arena, yyjson_val *groups)
{
    yyjson_val *group, *version, *resource;
    size_t i, n, j, m, k, l;

    yyjson_arr_foreach(groups, i, n, group)
    {
        const char *name = json_text(group, "/metadata/name");

        yyjson_arr_foreach(yyjson_obj_get(group, "versions"), j, m, version)
        {
            yyjson_arr_foreach(yyjson_obj_get(version, "resources"), k, l, resource)
                read_resource(all, arena, name, json_text(version, "/version"), resource);
        }
    }
}

int resources_load(Cluster *cluster)
{
    static const char *const paths[] = {"/api", "/apis"};
    Resources *all;

    if (cluster->resources)
        return 0;
    all = arena_new(cluster->arena, Resources);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        ClusterReply reply;

        if (cluster_call(cluster, &(ClusterCall){.path = paths[i], .accept = DISCOVERY}, &reply)) {
            VEC_DEINIT(&all->list);
            return 1;
        }
        if (!str_equal(json_text(reply.json, "/kind"), "APIGroupDiscoveryList")) {
            fprintf(stderr,
                    "stead: %s is older than Kubernetes 1.27: it has no aggregated discovery\n",
                    cluster->config.server);
            VEC_DEINIT(&all->list);
            return 1;
        }
        read_groups(all, cluster->arena, yyjson_obj_get(reply.json, "items"));
    }
    cluster->resources = all;
    return 0;
}

void resources_forget(Cluster *cluster)
{
    if (cluster->resources)
        VEC_DEINIT(&cluster->resources->list);
    cluster->resources = NULL;
}

/* ---- finding ---- */

static bool is_called(const Resource *resource, const char *word, size_t n)
{
    const char *names[] = {resource->plural, resource->singular, resource->kind};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strlen(names[i]) == n && strncasecmp(names[i], word, n) == 0)
            return true;
    for (size_t i = 0; i < resource->short_names.n; i++)
        if (strlen(resource->short_names.v[i]) == n &&
            strncasecmp(resource->short_names.v[i], word, n) == 0)
            return true;
    return false;
}

static bool has_short_name(const Resource *resource, const char *word)
{
    for (size_t i = 0; i < resource->short_names.n; i++)
        if (str_equal(resource->short_names.v[i], word))
            return true;
    return false;
}

/* Says once, in kubectl's words, which other resources a short name could mean. */
static void warn_of_others(const Cluster *cluster, const Resource *found, const char *word)
{
    Resources *all = cluster->resources;

    if (!has_short_name(found, word) || str_equal(all->warned, word))
        return;
    all->warned = arena_strdup(cluster->arena, word);
    for (size_t i = 0; i < all->list.n; i++) {
        const Resource *other = all->list.v[i];

        if (has_short_name(other, word) &&
            !(str_equal(other->group, found->group) && str_equal(other->plural, found->plural)))
            fprintf(stderr,
                    "Warning: short name \"%s\" could also match lower priority resource %s%s%s\n",
                    word, other->plural, *other->group ? "." : "", other->group);
    }
}

const Resource *resources_find(const Cluster *cluster, const char *word)
{
    size_t n = strcspn(word, ".");
    const char *rest = word[n] ? word + n + 1 : NULL;

    for (size_t i = 0; i < cluster->resources->list.n; i++) {
        const Resource *resource = cluster->resources->list.v[i];
        size_t version_n = strlen(resource->version);

        if (!is_called(resource, word, n))
            continue;
        if (!rest || str_equal(rest, resource->group) ||
            (strncmp(rest, resource->version, version_n) == 0 &&
             (str_equal(rest + version_n, "")
                  ? !*resource->group
                  : rest[version_n] == '.' && str_equal(rest + version_n + 1, resource->group)))) {
            warn_of_others(cluster, resource, word);
            return resource;
        }
    }
    return NULL;
}

const Resource *resources_by_kind(const Cluster *cluster, const char *api_version, const char *kind)
{
    for (size_t i = 0; i < cluster->resources->list.n; i++) {
        const Resource *resource = cluster->resources->list.v[i];

        if (str_equal(resource->kind, kind) &&
            str_equal(resource_api_version(cluster->arena, resource), api_version))
            return resource;
    }
    return NULL;
}

/* ---- words ---- */

const char *resource_api_version(Arena *arena, const Resource *resource)
{
    return *resource->group ? arena_printf(arena, "%s/%s", resource->group, resource->version)
                            : resource->version;
}

const char *resource_label(Arena *arena, const Resource *resource)
{
    char *text = *resource->group ? arena_printf(arena, "%s.%s", resource->kind, resource->group)
                                  : arena_strdup(arena, resource->kind);

    for (char *c = text; *c && *c != '.'; c++)
        *c = (char)tolower((unsigned char)*c);
    return text;
}

void resource_path(StrBuf *out, const Resource *resource, const char *ns, const char *name,
                   const char *sub)
{
    if (*resource->group)
        strbuf_printf(out, "/apis/%s/%s", resource->group, resource->version);
    else
        strbuf_printf(out, "/api/%s", resource->version);
    if (resource->namespaced && !str_empty(ns)) {
        strbuf_add_string(out, "/namespaces");
        url_add_segment(out, ns);
    }
    url_add_segment(out, resource->plural);
    if (name)
        url_add_segment(out, name);
    if (sub)
        strbuf_printf(out, "/%s", sub);
}
