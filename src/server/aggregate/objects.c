/* SPDX-License-Identifier: Apache-2.0 */
/* The objects of the aggregation layer that every cluster has. */
#include "api/object.h"
#include "api/schema/apiregistration_v1.h"
#include "api/schema/core_config_v1.h"
#include "api/schema/rbac_v1.h"
#include "base/strmap.h"
#include "server/aggregate/aggregate.h"

#define AUTHENTICATION "extension-apiserver-authentication"
#define SYSTEM "kube-system"

static void create(Client *client, Object *object)
{
    client_create(client, object, &(WriteOptions){.field_manager = "stead"}, NULL, NULL);
    object_unref(object);
}

static void ensure_local(Server *server, Client *client, const Kind *kind)
{
    _free_ char *name = mem_printf("%s.%s", kind->version, kind->group);
    Object *object;
    APIService *service;

    /* The group of the APIServices themselves has none, as in Kubernetes. */
    if (str_equal(kind->group, kind_api_service.group) ||
        store_head(server->store, &kind_api_service, NULL, name))
        return;
    object = object_new(&kind_api_service);
    service = object->value;
    service->metadata.name = arena_strdup(&object->arena, name);
    string_map_put(&object->arena, &service->metadata.labels,
                   "kube-aggregator.kubernetes.io/automanaged", "onstart");
    service->spec.group = kind->group;
    service->spec.version = kind->version;
    group_priority(kind->group, kind->version, &service->spec.group_priority_minimum,
                   &service->spec.version_priority);
    create(client, object);
}

/* What an extension server has to know: which authority signs certificates of clients, and which that of
 * the proxy that names the user in headers. */
static void ensure_authentication(Server *server, Client *client, const Pki *pki)
{
    const struct {
        const char *key, *value;
    } rows[] = {
        {"client-ca-file", pki->ca_pem},
        {"requestheader-allowed-names", "[\"front-proxy-client\"]"},
        {"requestheader-client-ca-file", pki->front_proxy_ca_pem},
        {"requestheader-extra-headers-prefix", "[\"X-Remote-Extra-\"]"},
        {"requestheader-group-headers", "[\"X-Remote-Group\"]"},
        {"requestheader-uid-headers", "[\"X-Remote-Uid\"]"},
        {"requestheader-username-headers", "[\"X-Remote-User\"]"},
    };
    Object *there = store_get(server->store, &kind_config_map, SYSTEM, AUTHENTICATION);
    Object *object = object_new(&kind_config_map);
    ConfigMap *map = object->value;
    bool same = there != NULL;

    map->metadata.name = AUTHENTICATION;
    map->metadata.namespace = SYSTEM;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        string_map_put(&object->arena, &map->data, rows[i].key,
                       arena_strdup(&object->arena, rows[i].value));
        same = same && str_equal(string_map_get(&OBJECT_AS(ConfigMap, there)->data, rows[i].key),
                                 rows[i].value);
    }
    if (!there)
        client_create(client, object, NULL, NULL, NULL);
    else if (!same)
        client_update(client, object, NULL, NULL, NULL);
    object_unref(object);
}

static void ensure_reader(Server *server, Client *client)
{
    static const char *const verbs[] = {"get", "list", "watch"};
    Object *object;
    PolicyRule *rule;
    Role *role;

    if (store_head(server->store, &kind_role, SYSTEM, AUTHENTICATION "-reader"))
        return;
    object = object_new(&kind_role);
    role = object->value;
    role->metadata.name = AUTHENTICATION "-reader";
    role->metadata.namespace = SYSTEM;
    string_map_put(&object->arena, &role->metadata.labels, "kubernetes.io/bootstrapping",
                   "rbac-defaults");
    string_map_put(&object->arena, &role->metadata.annotations,
                   "rbac.authorization.kubernetes.io/autoupdate", "true");
    rule = arena_new(&object->arena, PolicyRule);
    role->rules.v = rule;
    role->rules.n = 1;
    rule->verbs.v = arena_new_n(&object->arena, const char *, ARRAY_LEN(verbs));
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        rule->verbs.v[rule->verbs.n++] = verbs[i];
    rule->api_groups.v = arena_new(&object->arena, const char *);
    rule->api_groups.v[rule->api_groups.n++] = "";
    rule->resources.v = arena_new(&object->arena, const char *);
    rule->resources.v[rule->resources.n++] = "configmaps";
    rule->resource_names.v = arena_new(&object->arena, const char *);
    rule->resource_names.v[rule->resource_names.n++] = AUTHENTICATION;
    create(client, object);
}

void aggregate_ensure_objects(Server *server, Client *client, const Pki *pki)
{
    StrMap seen = STRMAP_INIT;

    KIND_EACH(kind)
        if (kind_is_served(kind) && !strmap_put(&seen, kind->api_version, &seen))
            ensure_local(server, client, kind);
    strmap_deinit(&seen);
    ensure_reader(server, client);
    if (pki)
        ensure_authentication(server, client, pki);
}
