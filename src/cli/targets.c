/* SPDX-License-Identifier: Apache-2.0 */
/* The objects that the words of a command line refer to: see resources.h. */
#include "cli/resources.h"
#include "cli/suggest.h"

static int refuse_kind(const Cluster *cluster, const char *word)
{
    Suggestion near = {.word = word};

    for (size_t i = 0; i < cluster->resources->list.n; i++)
        suggestion_offer(&near, cluster->resources->list.v[i]->plural);
    fprintf(stderr, "error: the server doesn't have a resource type \"%s\"", word);
    if (near.best)
        fprintf(stderr, "; did you mean \"%s\"?", near.best);
    fprintf(stderr, "\n");
    return 1;
}

static void add_target(const Cluster *cluster, const Resource *resource, const char *name,
                       Targets *ret)
{
    Target target = {.resource = resource, .ns = "", .name = name};

    if (resource->namespaced && !cluster->options->all_namespaces)
        target.ns = cluster->ns;
    VEC_PUSH(ret, target);
}

/* Adds all kinds of a category such as "all". Returns how many there are. */
static size_t add_category(const Cluster *cluster, const char *word, const char *name, Targets *ret)
{
    size_t before = ret->n;

    for (size_t i = 0; i < cluster->resources->list.n; i++) {
        const Resource *resource = cluster->resources->list.v[i];

        for (size_t j = 0; j < resource->categories.n; j++)
            if (str_equal(resource->categories.v[j], word))
                add_target(cluster, resource, name, ret);
    }
    return ret->n - before;
}

/* Adds the kinds of a list such as "po,sts", each with all of the names, or without a name if there are none. */
static int parse_kinds(Cluster *cluster, const char *list, const char *const *names, size_t n,
                       Targets *ret)
{
    char *at = arena_strdup(cluster->arena, list);

    for (char *word; (word = strsep(&at, ","));) {
        const Resource *resource = resources_find(cluster, word);

        if (!resource && add_category(cluster, word, NULL, ret))
            continue;
        if (!resource)
            return refuse_kind(cluster, word);
        for (size_t i = 0; i < n; i++)
            add_target(cluster, resource, names[i], ret);
        if (!n)
            add_target(cluster, resource, NULL, ret);
    }
    return 0;
}

static int parse_pair(Cluster *cluster, const char *word, Targets *ret)
{
    const char *slash = strchr(word, '/');
    char *kind = arena_strndup(cluster->arena, word, (size_t)(slash - word));
    const Resource *resource = resources_find(cluster, kind);

    if (!*kind || !slash[1] || strchr(slash + 1, '/')) {
        fprintf(stderr, "stead: \"%s\": give KIND/NAME, such as pod/web-0\n", word);
        return 2;
    }
    if (!resource)
        return refuse_kind(cluster, kind);
    add_target(cluster, resource, slash + 1, ret);
    return 0;
}

int targets_parse(Cluster *cluster, const char *const *words, size_t n, Targets *ret)
{
    const Options *o = cluster->options;
    size_t pairs = 0;
    int r = resources_load(cluster);

    for (size_t i = 0; i < n; i++)
        pairs += strchr(words[i], '/') != NULL;
    if (r == 0 && pairs && pairs < n) {
        fprintf(stderr,
                "stead: give either KIND NAME... or KIND/NAME..., not both: \"%s\" and "
                "\"%s\"\n",
                words[0], words[n - 1]);
        return 2;
    }
    for (size_t i = 0; r == 0 && i < pairs; i++)
        r = parse_pair(cluster, words[i], ret);
    if (r == 0 && n && !pairs)
        r = parse_kinds(cluster, words[0], words + 1, n - 1, ret);
    if (r == 0 && o->all_namespaces && (pairs || n > 1)) {
        fprintf(stderr, "error: a resource cannot be retrieved by name across all namespaces\n");
        return 1;
    }
    if (r == 0 && (o->selector || o->field_selector) && (pairs || n > 1)) {
        fprintf(stderr, "error: name cannot be provided when a selector is specified\n");
        return 1;
    }
    return r;
}

int target_from_word(Cluster *cluster, const char *word, const char *kind, Target *ret)
{
    Targets targets = VEC_INIT;
    const char *pair = strchr(word, '/')
                           ? word
                           : arena_printf(cluster->arena, "%s/%s", str_or(kind, "pods"), word);
    int r = resources_load(cluster);

    if (r == 0)
        r = parse_pair(cluster, pair, &targets);
    if (r == 0)
        *ret = targets.v[0];
    VEC_DEINIT(&targets);
    return r;
}

int target_get(Cluster *cluster, const Target *target, ClusterReply *ret)
{
    _strbuf_ StrBuf path = STRBUF_INIT;

    resource_path(&path, target->resource, target->ns, target->name, NULL);
    return cluster_call(cluster, &(ClusterCall){.path = path.p}, ret);
}

WatchEnd target_watch(Cluster *cluster, const Target *target, yyjson_val *object,
                      int64_t deadline_ns,
                      bool (*on_event)(void *data, const char *type, yyjson_val *object),
                      void *data)
{
    int64_t left = deadline_ns ? deadline_ns - (int64_t)uv_hrtime() : 0;
    _strbuf_ StrBuf path = STRBUF_INIT;

    if (deadline_ns && left <= 0)
        return WATCH_TIMED_OUT;
    resource_path(&path, target->resource, target->ns, NULL, NULL);
    url_add_query(&path, "fieldSelector",
                  arena_printf(cluster->arena, "metadata.name=%s", target->name));
    url_add_query(&path, "watch", "true");
    url_add_query(&path, "resourceVersion", json_text(object, "/metadata/resourceVersion"));
    return cluster_watch(cluster, &(ClusterCall){.path = path.p, .timeout_ns = left}, on_event,
                         data);
}

/* ---- pods of other objects ---- */

const char *object_selector(Arena *arena, yyjson_val *object)
{
    yyjson_val *selector = yyjson_ptr_get(object, "/spec/selector"), *key, *value;
    yyjson_val *labels = yyjson_obj_get(selector, "matchLabels");
    _strbuf_ StrBuf out = STRBUF_INIT;
    size_t i, n;

    if (yyjson_is_obj(labels) || yyjson_obj_get(selector, "matchExpressions"))
        selector = labels;
    yyjson_obj_foreach(selector, i, n, key, value) strbuf_printf(
        &out, "%s%s=%s", i ? "," : "", yyjson_get_str(key), str_or(yyjson_get_str(value), ""));
    return arena_strdup(arena, strbuf_string(&out));
}

static bool is_ready(yyjson_val *pod)
{
    yyjson_val *condition;
    size_t i, n;

    yyjson_arr_foreach(yyjson_ptr_get(pod, "/status/conditions"), i, n, condition)
    {
        if (str_equal(json_text(condition, "/type"), "Ready"))
            return str_equal(json_text(condition, "/status"), "True");
    }
    return false;
}

int target_pod(Cluster *cluster, const Target *target, yyjson_val **ret, size_t *ret_of)
{
    _strbuf_ StrBuf path = STRBUF_INIT;
    yyjson_val *pod, *best = NULL;
    ClusterReply reply;
    const char *selector;
    size_t i, n;

    if (target_get(cluster, target, &reply))
        return 1;
    *ret = reply.json;
    *ret_of = 1;
    if (str_equal(target->resource->plural, "pods") && !*target->resource->group)
        return 0;
    selector = object_selector(cluster->arena, reply.json);
    if (!*selector) {
        fprintf(stderr, "error: cannot find the pods of %s/%s: it has no selector\n",
                resource_label(cluster->arena, target->resource), target->name);
        return 1;
    }
    resource_path(&path, resources_find(cluster, "pods"), target->ns, NULL, NULL);
    url_add_query(&path, "labelSelector", selector);
    if (cluster_call(cluster, &(ClusterCall){.path = path.p}, &reply))
        return 1;
    yyjson_arr_foreach(yyjson_obj_get(reply.json, "items"), i, n, pod)
    {
        if (!best || (is_ready(pod) && !is_ready(best)))
            best = pod;
    }
    if (!best) {
        fprintf(stderr, "error: %s/%s has no pods\n",
                resource_label(cluster->arena, target->resource), target->name);
        return 1;
    }
    *ret = best;
    *ret_of = n;
    return 0;
}
