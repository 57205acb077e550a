/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `stead why`: says what an object waits for, by the chain of why/why.h. It reads with the rights of the
 * user, and what the user may not read ends the chain earlier. The exit code is 0 if the object waits for
 * nothing, and 1 if it waits.
 */
#include <time.h>

#include "api/schema/core_event_v1.h"
#include "api/schema/core_pod_v1.h"
#include "base/time/clock.h"
#include "cli/commands/commands.h"
#include "cli/output.h"
#include "cli/resources.h"
#include "codec/json/json.h"
#include "why/why.h"

#define LINE_MAX_LENGTH 200 /* of a log */

/* ---- the source: objects by the API ---- */

/* Gets a path. A refusal is no error here, so nothing is printed. */
static WhyAnswer get_path(Cluster *cluster, const char *path, ClusterReply *ret)
{
    if (cluster_send(cluster, &(ClusterCall){.path = path}, ret))
        return WHY_UNKNOWN;
    if (ret->status == 404)
        return WHY_MISSING;
    return cluster_ok(ret) ? WHY_FOUND : WHY_UNKNOWN;
}

static void *decode(Cluster *cluster, const Kind *kind, yyjson_val *json)
{
    static const char *const ignore[] = {"kind", "apiVersion", NULL};
    void *value = arena_alloc(cluster->arena, kind->type->size);
    DecodeReport report = {0};

    if (!json || json_decode(kind->type, cluster->arena, json, 0, ignore, value, &report))
        return NULL;
    type_default(kind->type, cluster->arena, value);
    return value;
}

static const Resource *resource_of(Cluster *cluster, const Kind *kind)
{
    return resources_by_kind(cluster, kind->api_version, kind->kind);
}

static WhyAnswer source_get(void *data, const Kind *kind, const char *ns, const char *name,
                            const void **ret)
{
    Cluster *cluster = data;
    const Resource *resource = resource_of(cluster, kind);
    _strbuf_ StrBuf path = STRBUF_INIT;
    ClusterReply reply;
    WhyAnswer answer;

    if (!resource || str_empty(name))
        return WHY_UNKNOWN;
    resource_path(&path, resource, ns ? ns : "", name, NULL);
    answer = get_path(cluster, path.p, &reply);
    if (answer == WHY_FOUND && !(*ret = decode(cluster, kind, reply.json)))
        return WHY_UNKNOWN;
    return answer;
}

static WhyAnswer list_path(Cluster *cluster, const Kind *kind, const char *path, WhyList *ret)
{
    ClusterReply reply;
    WhyAnswer answer = get_path(cluster, path, &reply);
    yyjson_val *items, *item;
    size_t i, n;

    if (answer != WHY_FOUND)
        return answer;
    items = yyjson_obj_get(reply.json, "items");
    ret->v = arena_new_n(cluster->arena, const void *, yyjson_arr_size(items) + 1);
    yyjson_arr_foreach(items, i, n, item)
    {
        const void *value = decode(cluster, kind, item);

        if (value)
            ret->v[ret->n++] = value;
    }
    return WHY_FOUND;
}

static WhyAnswer source_list(void *data, const Kind *kind, const char *ns, const char *selector,
                             WhyList *ret)
{
    Cluster *cluster = data;
    const Resource *resource = resource_of(cluster, kind);
    _strbuf_ StrBuf path = STRBUF_INIT;

    *ret = (WhyList){0};
    if (!resource)
        return WHY_UNKNOWN;
    resource_path(&path, resource, ns ? ns : "", NULL, NULL);
    if (selector)
        url_add_query(&path, "labelSelector", selector);
    return list_path(cluster, kind, path.p, ret);
}

static WhyAnswer source_events(void *data, const char *ns, const char *uid, WhyList *ret)
{
    Cluster *cluster = data;
    const Resource *resource = resource_of(cluster, &kind_event);
    _strbuf_ StrBuf path = STRBUF_INIT;

    *ret = (WhyList){0};
    if (!resource || str_empty(uid))
        return WHY_UNKNOWN;
    /* Events about nodes and volumes are in the namespace default. */
    resource_path(&path, resource, str_empty(ns) ? "default" : ns, NULL, NULL);
    url_add_query(&path, "fieldSelector",
                  arena_printf(cluster->arena, "involvedObject.uid=%s", uid));
    return list_path(cluster, &kind_event, path.p, ret);
}

static const char *source_last_line(void *data, const char *ns, const char *pod,
                                    const char *container)
{
    Cluster *cluster = data;
    _strbuf_ StrBuf path = STRBUF_INIT;
    ClusterReply reply;
    size_t n;

    resource_path(&path, resource_of(cluster, &kind_pod), ns, pod, "log");
    url_add_query(&path, "container", container);
    url_add_query(&path, "previous", "true");
    url_add_query(&path, "tailLines", "1");
    url_add_query(&path, "limitBytes", "4096");
    if (get_path(cluster, path.p, &reply) != WHY_FOUND)
        return NULL;
    n = MIN_OF(reply.body.n, (size_t)LINE_MAX_LENGTH);
    while (n > 0 && reply.body.p[n - 1] == '\n')
        n--;
    return n ? arena_strndup(cluster->arena, (const char *)reply.body.p, n) : NULL;
}

/* ---- printing ---- */

/* Texts of Events and logs are written by programs in pods, so they must not control the terminal. */
static void print_text(const char *text)
{
    for (; *text; text++)
        putchar((unsigned char)*text < ' ' || *text == 0x7f ? ' ' : *text);
}

static void print_chain(const WhyChain *chain)
{
    for (size_t i = 0; i < chain->n; i++) {
        const WhyStep *step = &chain->v[i];

        printf("%*s", (int)(2 * i), "");
        print_text(step->object);
        printf(" waits (%s): ", step->reason);
        print_text(step->message);
        putchar('\n');
        if (step->next) {
            printf("%*snext: ", (int)(2 * i + 2), "");
            print_text(step->next);
            putchar('\n');
        }
    }
}

static void add_member(StrBuf *out, const char *name, const char *value)
{
    strbuf_printf(out, "\"%s\":", name);
    json_encode_string(out, value, strlen(value));
}

static void print_json(Cluster *cluster, const char *object, const char *ns, const WhyChain *chain)
{
    _strbuf_ StrBuf out = STRBUF_INIT, text = STRBUF_INIT;

    strbuf_add_char(&out, '{');
    add_member(&out, "object", object);
    if (!str_empty(ns)) {
        strbuf_add_char(&out, ',');
        add_member(&out, "namespace", ns);
    }
    strbuf_printf(&out, ",\"waits\":%s,\"chain\":[", chain->n ? "true" : "false");
    for (size_t i = 0; i < chain->n; i++) {
        strbuf_add_string(&out, i ? ",{" : "{");
        add_member(&out, "object", chain->v[i].object);
        strbuf_add_char(&out, ',');
        add_member(&out, "reason", chain->v[i].reason);
        strbuf_add_char(&out, ',');
        add_member(&out, "message", chain->v[i].message);
        if (chain->v[i].next) {
            strbuf_add_char(&out, ',');
            add_member(&out, "next", chain->v[i].next);
        }
        strbuf_add_char(&out, '}');
    }
    strbuf_add_string(&out, "]}");
    output_json(cluster_parse(cluster, strbuf_bytes(&out)), &text);
    printf("%s\n", strbuf_string(&text));
}

/* ---- the command ---- */

static int64_t wall_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * NS_PER_SEC + now.tv_nsec;
}

static int explain(Cluster *cluster, const Target *target)
{
    const WhySource source = {.data = cluster,
                              .get = source_get,
                              .list = source_list,
                              .events = source_events,
                              .last_line = source_last_line};
    const Resource *resource = target->resource;
    const Kind *kind =
        kind_find_api_version(resource_api_version(cluster->arena, resource), resource->kind);
    const char *object = arena_printf(cluster->arena, "%s/%s", resource->singular, target->name);
    ClusterReply reply;
    const void *value;
    WhyChain chain;

    if (target_get(cluster, target, &reply))
        return 1;
    value = kind ? decode(cluster, kind, reply.json) : NULL;
    if (!value) {
        fprintf(stderr, "stead: 'why' does not know what a %s can wait for\n", resource->kind);
        return 1;
    }
    why_explain(cluster->arena, &source, wall_ns(), kind, value, &chain);
    if (cluster->options->output)
        print_json(cluster, object, target->ns, &chain);
    else if (chain.n)
        print_chain(&chain);
    else
        printf("%s waits for nothing\n", object);
    return chain.n ? 1 : 0;
}

int command_why(const char *program, Options *options)
{
    Cluster cluster = {0};
    Targets targets = VEC_INIT;
    int r, waits = 0;

    (void)program;
    if (options->output && !str_equal(options->output, "json")) {
        fprintf(stderr, "stead: why -o %s: the only form is json\n", options->output);
        return 2;
    }
    r = cluster_open(options, &cluster);
    if (r == 0)
        r = targets_parse(&cluster, options->words, options->n_words, &targets);
    for (size_t i = 0; r == 0 && i < targets.n; i++) {
        if (targets.v[i].name) {
            waits |= explain(&cluster, &targets.v[i]);
        } else {
            fprintf(stderr, "stead: 'why' needs a name: stead why %s/NAME\n",
                    targets.v[i].resource->singular);
            r = 2;
        }
    }
    VEC_DEINIT(&targets);
    cluster_close(&cluster);
    return r ? r : waits;
}
