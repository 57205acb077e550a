/* SPDX-License-Identifier: Apache-2.0 */
/* Environment, downward API, hosts and resolv.conf. See environment.h. */
#include <ctype.h>
#include <limits.h>

#include "api/quantity.h"
#include "api/schema/core_config_v1.h"
#include "api/schema/core_service_v1.h"
#include "base/files/file.h"
#include "node/env/env_file.h"
#include "node/env/environment.h"
#include "node/env/resolvconf.h"
#include "node/volume/pod_volume.h"

/* ---- lists of variables ---- */

const char *env_get(const EnvList *env, const char *name)
{
    void *at = text_map_get(&env->index, name);

    return at ? env->v[(uintptr_t)at - 1].value : NULL;
}

void env_set(EnvList *env, const char *name, const char *value)
{
    TextMapSlot *slot;
    bool is_new;

    env->index.arena = env->arena;
    slot = text_map_put_n(&env->index, name, strlen(name), &is_new);
    if (!is_new) {
        env->v[(uintptr_t)slot->value - 1].value = value;
        return;
    }
    ARENA_PUSH(env->arena, env, (StringEntry){name, value});
    slot->value = (void *)(uintptr_t)env->n;
}

static void add_reference(StrBuf *out, const char *at, const char *close, const EnvList *env,
                          const EnvList *others)
{
    _free_ char *name = mem_strndup(at + 2, (size_t)(close - at - 2));
    const char *value = env_get(env, name);

    if (!value && others)
        value = env_get(others, name);
    if (value)
        strbuf_add_string(out, value);
    else
        strbuf_add(out, at, (size_t)(close - at + 1));
}

char *env_expand(Arena *arena, const char *text, EnvList *env, const EnvList *others)
{
    _strbuf_ StrBuf out = STRBUF_INIT;
    size_t most = MIN_OF((size_t)ENV_ONE_MAX + 1, (size_t)ENV_ALL_MAX - env->expanded);
    const char *last = strrchr(str_or(text, ""), ')');

    for (const char *at = str_or(text, ""); *at && out.n < most; at++) {
        const char *close =
            at[0] == '$' && at[1] == '(' && last && last > at ? strchr(at, ')') : NULL;

        if (at[0] == '$' && at[1] == '$') {
            strbuf_add_char(&out, '$');
            at++;
        } else if (close) {
            add_reference(&out, at, close, env, others);
            at = close;
        } else {
            strbuf_add_char(&out, *at);
        }
    }
    strbuf_truncate(&out, MIN_OF(out.n, most));
    env->expanded += out.n;
    return arena_strndup(arena, strbuf_string(&out), out.n);
}

/* ---- the downward API ---- */

static char *map_text(Arena *arena, const StringMap *map)
{
    _strbuf_ StrBuf out = STRBUF_INIT;

    for (size_t i = 0; i < map->n; i++) {
        strbuf_printf(&out, "%s%s=\"", i ? "\n" : "", map->v[i].key);
        for (const char *at = str_or(map->v[i].value, ""); *at; at++) {
            if (*at == '\n')
                strbuf_add_string(&out, "\\n");
            else if (*at == '"' || *at == '\\')
                strbuf_printf(&out, "\\%c", *at);
            else
                strbuf_add_char(&out, *at);
        }
        strbuf_add_char(&out, '"');
    }
    return arena_strdup(arena, strbuf_string(&out));
}

static const char *map_key(Arena *arena, const char *path, const char *prefix)
{
    size_t n = strlen(prefix), end = strlen(path);

    if (!str_starts_with(path, prefix) || end < n + 2 || strcmp(path + end - 2, "']") != 0)
        return NULL;
    return arena_strndup(arena, path + n, end - n - 2);
}

int pod_field(const PodFacts *facts, Arena *arena, const char *path, const char **ret, Err *reterr)
{
    const ObjectMeta *meta = object_meta(facts->pod);
    const PodSpec *spec = &((const Pod *)facts->pod->value)->spec;
    const char *key;
    const struct {
        const char *path, *value;
    } table[] = {
        {"metadata.name", meta->name},
        {"metadata.namespace", meta->namespace},
        {"metadata.uid", meta->uid},
        {"spec.nodeName", facts->node_name},
        {"spec.serviceAccountName", spec->service_account_name},
        {"status.hostIP", facts->host_ip},
        {"status.hostIPs", facts->host_ip},
        {"status.podIP", facts->pod_ip},
        {"status.podIPs", facts->pod_ip},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (str_equal(table[i].path, path)) {
            *ret = arena_strdup(arena, str_or(table[i].value, ""));
            return 0;
        }
    }
    if (str_equal(path, "metadata.labels") || str_equal(path, "metadata.annotations")) {
        *ret = map_text(arena,
                        str_equal(path, "metadata.labels") ? &meta->labels : &meta->annotations);
        return 0;
    }
    if ((key = map_key(arena, path, "metadata.labels['"))) {
        *ret = str_or(string_map_get(&meta->labels, key), "");
        return 0;
    }
    if ((key = map_key(arena, path, "metadata.annotations['"))) {
        *ret = str_or(string_map_get(&meta->annotations, key), "");
        return 0;
    }
    return err_set(reterr, 0, "unsupported fieldPath: %s", path);
}

int pod_resource(const PodFacts *facts, Arena *arena, const Container *container,
                 const ResourceFieldSelector *selector, const char **ret, Err *reterr)
{
    const char *resource = selector->resource;
    bool limit = str_starts_with(resource, "limits."), cpu;
    const char *name = resource + (limit ? 7 : 9), *value;
    int64_t amount, divisor;

    if (!limit && !str_starts_with(resource, "requests."))
        return err_set(reterr, 0, "unsupported container resource : %s", resource);
    cpu = str_equal(name, "cpu");
    value =
        string_map_get(limit ? &container->resources.limits : &container->resources.requests, name);
    if (!value && limit)
        value = string_map_get(&facts->node_resources, name);
    /* Cores are counted in thousandths so that divisors such as 1m are exact; results are rounded
     * up. */
    amount = value ? (cpu ? quantity_milli(value) : quantity_value(value)) : 0;
    divisor = str_empty(selector->divisor) || str_equal(selector->divisor, "0") ? (cpu ? 1000 : 1)
              : cpu ? quantity_milli(selector->divisor)
                    : quantity_value(selector->divisor);
    divisor = MAX_OF(divisor, 1);
    *ret = arena_printf(arena, "%" PRId64, amount / divisor + (amount % divisor != 0));
    return 0;
}

const Container *pod_find_container(const PodSpec *spec, const char *name)
{
    for (size_t i = 0; i < spec->containers.n; i++)
        if (str_equal(spec->containers.v[i].name, name))
            return &spec->containers.v[i];
    for (size_t i = 0; i < spec->init_containers.n; i++)
        if (str_equal(spec->init_containers.v[i].name, name))
            return &spec->init_containers.v[i];
    return NULL;
}

/* ---- environment ---- */

static Object *find(const PodFacts *facts, const char *kind, const char *name)
{
    return client_get(facts->client, kind_find("", "v1", kind), object_meta(facts->pod)->namespace,
                      name);
}

static char *bytes_text(Arena *arena, Bytes b)
{
    return arena_strndup(arena, (const char *)b.p, b.n);
}

static int add_from(const PodFacts *facts, const EnvFromSource *from, EnvList *env, Err *reterr)
{
    const char *prefix = str_or(from->prefix, "");
    Object *object;

    if (from->config_map_ref) {
        const char *name = from->config_map_ref->local_object_reference.name;

        object = find(facts, "ConfigMap", name);
        if (!object)
            return from->config_map_ref->optional && *from->config_map_ref->optional
                       ? 0
                       : err_set(reterr, 0, "configmap \"%s\" not found", name);
        const StringMap *data = &OBJECT_AS(ConfigMap, object)->data;
        for (size_t i = 0; i < data->n; i++)
            env_set(env, arena_printf(env->arena, "%s%s", prefix, data->v[i].key),
                    arena_strdup(env->arena, str_or(data->v[i].value, "")));
    } else if (from->secret_ref) {
        const char *name = from->secret_ref->local_object_reference.name;

        object = find(facts, "Secret", name);
        if (!object)
            return from->secret_ref->optional && *from->secret_ref->optional
                       ? 0
                       : err_set(reterr, 0, "secret \"%s\" not found", name);
        const BytesMap *data = &OBJECT_AS(Secret, object)->data;
        for (size_t i = 0; i < data->n; i++)
            env_set(env, arena_printf(env->arena, "%s%s", prefix, data->v[i].key),
                    bytes_text(env->arena, data->v[i].value));
    }
    return 0;
}

static int value_from_file(const PodFacts *facts, const FileKeySelector *ref, Arena *arena,
                           const char **ret, Err *reterr)
{
    const PodVolume *volume = NULL;
    _free_ char *text = NULL;

    for (size_t i = 0; i < facts->n_volumes; i++)
        if (str_equal(facts->volumes[i].name, ref->volume_name))
            volume = &facts->volumes[i];
    if (!volume)
        return err_set(reterr, 0, "cannot find the volume \"%s\" referenced by FileKeyRef",
                       ref->volume_name);
    if (env_file_read(volume->path, ref->path, &text) < 0 ||
        env_file_find(text, ref->key, arena, ret, NULL) < 0)
        return err_set(reterr, 0, "couldn't parse env file");
    if (str_empty(*ret) && !(ref->optional && *ref->optional))
        return err_set(reterr, 0, "environment variable key \"%s\" not found in file \"%s\"",
                       ref->key, ref->path);
    if (str_empty(*ret))
        *ret = NULL;
    return 0;
}

/* *ret is NULL if the variable is optional and its source is missing. */
static int value_from(const PodFacts *facts, const Container *container, const EnvVarSource *from,
                      EnvList *env, const char **ret, Err *reterr)
{
    const char *ns = object_meta(facts->pod)->namespace;

    *ret = NULL;
    if (from->field_ref)
        return pod_field(facts, env->arena, from->field_ref->field_path, ret, reterr);
    if (from->resource_field_ref) {
        const Container *other = container;

        if (!str_empty(from->resource_field_ref->container_name))
            other = pod_find_container(&((const Pod *)facts->pod->value)->spec,
                                       from->resource_field_ref->container_name);
        if (!other)
            return err_set(reterr, 0, "container %s not found",
                           from->resource_field_ref->container_name);
        return pod_resource(facts, env->arena, other, from->resource_field_ref, ret, reterr);
    }
    if (from->file_key_ref)
        return value_from_file(facts, from->file_key_ref, env->arena, ret, reterr);
    if (from->config_map_key_ref) {
        const ConfigMapKeySelector *ref = from->config_map_key_ref;
        bool optional = ref->optional && *ref->optional;
        Object *object = find(facts, "ConfigMap", ref->local_object_reference.name);
        const char *value =
            object ? string_map_get(&OBJECT_AS(ConfigMap, object)->data, ref->key) : NULL;

        if (!object && !optional)
            return err_set(reterr, 0, "configmap \"%s\" not found",
                           ref->local_object_reference.name);
        if (object && !value && !optional)
            return err_set(reterr, 0, "couldn't find key %s in ConfigMap %s/%s", ref->key, ns,
                           ref->local_object_reference.name);
        *ret = arena_strdup(env->arena, value);
    } else if (from->secret_key_ref) {
        const SecretKeySelector *ref = from->secret_key_ref;
        bool optional = ref->optional && *ref->optional;
        Object *object = find(facts, "Secret", ref->local_object_reference.name);

        if (!object && !optional)
            return err_set(reterr, 0, "secret \"%s\" not found", ref->local_object_reference.name);
        for (size_t i = 0; object && i < OBJECT_AS(Secret, object)->data.n; i++)
            if (str_equal(OBJECT_AS(Secret, object)->data.v[i].key, ref->key))
                *ret = bytes_text(env->arena, OBJECT_AS(Secret, object)->data.v[i].value);
        if (object && !*ret && !optional)
            return err_set(reterr, 0, "couldn't find key %s in Secret %s/%s", ref->key, ns,
                           ref->local_object_reference.name);
    }
    return 0;
}

static char *env_name(Arena *arena, const char *name)
{
    char *copy = arena_strdup(arena, name);

    for (char *at = copy; *at; at++)
        *at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
    return copy;
}

static void service_set(EnvList *env, const char *name, const char *value)
{
    if (!env_get(env, name))
        env_set(env, name, value);
}

static void add_service(EnvList *env, const char *name, const char *address,
                        const ServicePortArray *ports)
{
    Arena *arena = env->arena;
    const char *prefix = env_name(arena, name);

    service_set(env, arena_printf(arena, "%s_SERVICE_HOST", prefix), arena_strdup(arena, address));
    if (!ports->n)
        return;
    service_set(env, arena_printf(arena, "%s_SERVICE_PORT", prefix),
                arena_printf(arena, "%d", ports->v[0].port));
    for (size_t i = 0; i < ports->n; i++) {
        const ServicePort *port = &ports->v[i];
        char *protocol = arena_strdup(arena, str_or(port->protocol, "TCP"));
        const char *link = arena_printf(arena, "%s_PORT_%d_%s", prefix, port->port, protocol), *url;

        for (char *at = protocol; *at; at++)
            *at = (char)tolower((unsigned char)*at);
        url = arena_printf(arena, "%s://%s:%d", protocol, address, port->port);
        if (!str_empty(port->name))
            service_set(
                env, arena_printf(arena, "%s_SERVICE_PORT_%s", prefix, env_name(arena, port->name)),
                arena_printf(arena, "%d", port->port));
        if (i == 0)
            service_set(env, arena_printf(arena, "%s_PORT", prefix), url);
        service_set(env, link, url);
        service_set(env, arena_printf(arena, "%s_PROTO", link), protocol);
        service_set(env, arena_printf(arena, "%s_PORT", link),
                    arena_printf(arena, "%d", port->port));
        service_set(env, arena_printf(arena, "%s_ADDR", link), arena_strdup(arena, address));
    }
}

static bool each_service(void *data, Object *object)
{
    const ServiceSpec *spec = &OBJECT_AS(Service, object)->spec;

    if (!str_empty(spec->cluster_ip) && !str_equal(spec->cluster_ip, "None"))
        add_service(data, object_meta(object)->name, spec->cluster_ip, &spec->ports);
    return true;
}

int pod_env(const PodFacts *facts, Arena *arena, const Container *container, EnvList *ret,
            Err *reterr)
{
    const PodSpec *spec = &((const Pod *)facts->pod->value)->spec;
    EnvList services = {.arena = arena};
    ServicePort https = {
        .name = "https", .protocol = "TCP", .port = facts->api_port ? facts->api_port : 443};
    ServicePortArray https_ports = {&https, 1};
    int r;

    *ret = (EnvList){.arena = arena};
    if (!spec->enable_service_links || *spec->enable_service_links) {
        ListOptions options = {.ns = object_meta(facts->pod)->namespace};

        client_list(facts->client, kind_find("", "v1", "Service"), &options, each_service,
                    &services);
    }
    if (!str_empty(facts->api_address))
        add_service(&services, "kubernetes", facts->api_address, &https_ports);
    for (size_t i = 0; i < container->env_from.n; i++) {
        r = add_from(facts, &container->env_from.v[i], ret, reterr);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < container->env.n; i++) {
        const EnvVar *var = &container->env.v[i];
        const char *value;

        if (var->value_from) {
            r = value_from(facts, container, var->value_from, ret, &value, reterr);
            if (r < 0)
                return r;
            if (!value)
                continue;
        } else {
            /* references to variables of Services work, but the container's own variables take
             * precedence */
            value = env_expand(arena, var->value, ret, &services);
        }
        env_set(ret, var->name, value);
    }
    for (size_t i = 0; i < services.n; i++)
        service_set(ret, services.v[i].key, services.v[i].value);
    return 0;
}

/* ---- names ---- */

const char *pod_hostname(const Object *pod, Arena *arena)
{
    const PodSpec *spec = &((const Pod *)pod->value)->spec;
    const char *name =
        str_or(spec->hostname_override, str_or(spec->hostname, object_meta(pod)->name));
    size_t n = strlen(name);

    /* truncated; a label must not end in '-' or '.' */
    if (n > 63 && str_empty(spec->hostname_override)) {
        n = 63;
        while (n > 0 && (name[n - 1] == '-' || name[n - 1] == '.'))
            n--;
    }
    return arena_strndup(arena, name, n);
}

/* The domain of the pod's host name: "web.default.svc.cluster.local"; NULL if it has no subdomain. */
static const char *pod_host_domain(const Object *pod, const char *domain, Arena *arena)
{
    const PodSpec *spec = &((const Pod *)pod->value)->spec;

    if (str_empty(spec->subdomain) || !str_empty(spec->hostname_override))
        return NULL;
    return arena_printf(arena, "%s.%s.svc.%s", spec->subdomain, object_meta(pod)->namespace,
                        domain);
}

int pod_kernel_hostname(const Object *pod, const char *domain, Arena *arena, const char **ret,
                        Err *reterr)
{
    const PodSpec *spec = &((const Pod *)pod->value)->spec;
    const char *rest = pod_host_domain(pod, domain, arena);

    *ret = pod_hostname(pod, arena);
    if (!spec->set_hostname_as_fqdn || !*spec->set_hostname_as_fqdn || !rest)
        return 0;
    *ret = arena_printf(arena, "%s.%s", *ret, rest);
    if (strlen(*ret) > HOST_NAME_MAX)
        return err_set(reterr, 0,
                       "failed to construct FQDN from Pod hostname and cluster domain, FQDN %s is "
                       "too long (%d characters is the max, %zu characters requested)",
                       *ret, HOST_NAME_MAX, strlen(*ret));
    return 0;
}

void pod_hosts_file(const PodFacts *facts, StrBuf *out)
{
    const PodSpec *spec = &((const Pod *)facts->pod->value)->spec;
    _arena_ Arena arena = ARENA_INIT;
    const char *hostname = pod_hostname(facts->pod, &arena);
    const char *domain = pod_host_domain(facts->pod, facts->domain, &arena);

    if (spec->host_network) {
        _free_ char *host = NULL;
        size_t n;

        strbuf_add_string(out, "# Kubernetes-managed hosts file (host network).\n");
        if (file_read("/etc/hosts", 1 << 20, &host, &n) == 0)
            strbuf_add(out, host, n);
    } else {
        strbuf_add_string(out, "# Kubernetes-managed hosts file.\n"
                               "127.0.0.1\tlocalhost\n"
                               "::1\tlocalhost ip6-localhost ip6-loopback\n"
                               "fe00::0\tip6-localnet\n"
                               "fe00::0\tip6-mcastprefix\n"
                               "fe00::1\tip6-allnodes\n"
                               "fe00::2\tip6-allrouters\n");
        if (domain)
            strbuf_printf(out, "%s\t%s.%s\t%s\n", str_or(facts->pod_ip, ""), hostname, domain,
                          hostname);
        else
            strbuf_printf(out, "%s\t%s\n", str_or(facts->pod_ip, ""), hostname);
    }
    if (!spec->host_aliases.n)
        return;
    strbuf_add_string(out, "\n# Entries added by HostAliases.\n");
    for (size_t i = 0; i < spec->host_aliases.n; i++) {
        strbuf_add_string(out, spec->host_aliases.v[i].ip);
        for (size_t k = 0; k < spec->host_aliases.v[i].hostnames.n; k++)
            strbuf_printf(out, "\t%s", spec->host_aliases.v[i].hostnames.v[k]);
        strbuf_add_char(out, '\n');
    }
}

/* The resolv.conf of the machine. If systemd-resolved manages it, it names a loopback address
 * that pods cannot reach; the real servers are in another file then. */
static void read_host_conf(ResolvConf *conf)
{
    static const char *const paths[] = {"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"};

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        _free_ char *text = NULL;
        bool loopback = true;
        size_t n;

        if (file_read(paths[i], 1 << 16, &text, &n) < 0)
            return;
        conf->servers.n = conf->searches.n = conf->options.n = 0;
        resolv_conf_read(conf, text);
        for (size_t k = 0; k < conf->servers.n; k++)
            loopback = loopback && str_starts_with(conf->servers.v[k], "127.");
        if (!loopback)
            return;
    }
}

static void add_cluster_conf(const PodFacts *facts, ResolvConf *conf)
{
    _arena_ Arena arena = ARENA_INIT;
    ResolvConf host = *conf;
    const char *ns = object_meta(facts->pod)->namespace;

    *conf = (ResolvConf){0};
    resolv_conf_add_server(conf, facts->dns_ip);
    resolv_conf_add_search(conf, arena_printf(&arena, "%s.svc.%s", ns, facts->domain));
    resolv_conf_add_search(conf, arena_printf(&arena, "svc.%s", facts->domain));
    resolv_conf_add_search(conf, facts->domain);
    for (size_t i = 0; i < host.searches.n; i++)
        if (strcmp(host.searches.v[i], ".") != 0)
            resolv_conf_add_search(conf, host.searches.v[i]);
    resolv_conf_set_option(conf, "ndots", "5");
    resolv_conf_deinit(&host);
}

void pod_resolv_conf(const PodFacts *facts, StrBuf *out)
{
    const PodSpec *spec = &((const Pod *)facts->pod->value)->spec;
    const char *policy = str_or(spec->dns_policy, "ClusterFirst");
    const PodDNSConfig *config = spec->dns_config;
    ResolvConf conf = {0};

    if (!str_equal(policy, "None"))
        read_host_conf(&conf);
    if (str_equal(policy, "ClusterFirstWithHostNet") ||
        (str_equal(policy, "ClusterFirst") && !spec->host_network))
        add_cluster_conf(facts, &conf);
    for (size_t i = 0; config && i < config->nameservers.n; i++)
        resolv_conf_add_server(&conf, config->nameservers.v[i]);
    for (size_t i = 0; config && i < config->searches.n; i++)
        resolv_conf_add_search(&conf, config->searches.v[i]);
    for (size_t i = 0; config && i < config->options.n; i++)
        resolv_conf_set_option(&conf, config->options.v[i].name, config->options.v[i].value);
    resolv_conf_print(&conf, out);
    resolv_conf_deinit(&conf);
}
