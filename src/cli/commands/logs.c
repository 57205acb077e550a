/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `stead logs`: prints the logs of a pod, of one pod of a workload, or of all pods that a selector matches. It can follow several logs
 * at the same time without mixing their lines.
 */
#include "base/timefmt.h"
#include "cli/commands/commands.h"
#include "cli/commands/pod_container.h"
#include "cli/resources.h"

/* With a selector, kubectl shows only this number of lines of each pod. */
#define SELECTED_TAIL "10"

typedef struct Source {
    const char *pod, *container, *path;
    StrBuf kept; /* the beginning of a line that is not complete yet */
    bool prefix, whole_lines;
} Source;

typedef struct Logs {
    Cluster cluster;
    const Options *options;
    int64_t since_ns;
    VEC(Source) sources;
} Logs;

static void add_source(Logs *logs, yyjson_val *pod, const char *container)
{
    const Options *o = logs->options;
    const Resource *pods = resources_find(&logs->cluster, "pods");
    const char *tail = o->tail ? o->tail : o->selector ? SELECTED_TAIL : NULL;
    _strbuf_ StrBuf path = STRBUF_INIT;
    Source source = {
        .pod = json_text(pod, "/metadata/name"), .container = container, .prefix = o->prefix};

    resource_path(&path, pods, json_text(pod, "/metadata/namespace"), source.pod, "log");
    url_add_query(&path, "container", container);
    if (o->follow)
        url_add_query(&path, "follow", "true");
    if (o->previous)
        url_add_query(&path, "previous", "true");
    if (o->timestamps)
        url_add_query(&path, "timestamps", "true");
    if (tail && !str_equal(tail, "-1"))
        url_add_query(&path, "tailLines", tail);
    if (o->since)
        url_add_query(&path, "sinceSeconds",
                      arena_printf(logs->cluster.arena, "%" PRId64,
                                   MAX_OF((logs->since_ns + 999999999) / 1000000000, 1)));
    if (o->since_time)
        url_add_query(&path, "sinceTime", o->since_time);
    if (o->limit_bytes)
        url_add_query(&path, "limitBytes", o->limit_bytes);
    source.path = arena_strdup(logs->cluster.arena, path.p);
    VEC_PUSH(&logs->sources, source);
}

static int add_pod(Logs *logs, yyjson_val *pod)
{
    static const char *const lists[] = {"/spec/initContainers", "/spec/containers",
                                        "/spec/ephemeralContainers"};
    const char *container;
    yyjson_val *item;
    size_t i, n;

    if (!logs->options->all_containers) {
        container = pod_container(pod, logs->options->container, logs->options->selector != NULL);
        if (!container)
            return 1;
        add_source(logs, pod, container);
        return 0;
    }
    for (size_t list = 0; list < ARRAY_LEN(lists); list++)
        yyjson_arr_foreach(yyjson_ptr_get(pod, lists[list]), i, n, item)
            add_source(logs, pod, json_text(item, "/name"));
    return 0;
}

static int add_selected(Logs *logs)
{
    Cluster *cluster = &logs->cluster;
    _strbuf_ StrBuf path = STRBUF_INIT;
    ClusterReply reply;
    yyjson_val *pod;
    size_t i, n;
    int r = 0;

    resource_path(&path, resources_find(cluster, "pods"), cluster->ns, NULL, NULL);
    url_add_query(&path, "labelSelector", logs->options->selector);
    if (cluster_call(cluster, &(ClusterCall){.path = path.p}, &reply))
        return 1;
    yyjson_arr_foreach(yyjson_obj_get(reply.json, "items"), i, n, pod)
    {
        if (r == 0)
            r = add_pod(logs, pod);
    }
    if (r == 0 && !logs->sources.n)
        fprintf(stderr, "No resources found in %s namespace.\n", cluster->ns);
    return r;
}

static int add_named(Logs *logs)
{
    const Options *o = logs->options;
    Target target;
    yyjson_val *pod;
    size_t of;

    if (target_from_word(&logs->cluster, o->words[0], "pods", &target) ||
        target_pod(&logs->cluster, &target, &pod, &of))
        return 1;
    if (of > 1)
        fprintf(stderr, "Found %zu pods, using pod/%s\n", of, json_text(pod, "/metadata/name"));
    return add_pod(logs, pod);
}

/* ---- printing ---- */

static void print_line(const Source *source, const char *p, size_t n)
{
    if (source->prefix)
        printf("[pod/%s/%s] ", source->pod, source->container);
    fwrite(p, 1, n, stdout);
}

static bool on_data(void *data, Bytes piece)
{
    Source *source = data;
    const char *at = (const char *)piece.p, *end = at + piece.n, *newline;

    if (!source->whole_lines) {
        fwrite(at, 1, piece.n, stdout);
    } else {
        while ((newline = memchr(at, '\n', (size_t)(end - at)))) {
            strbuf_add(&source->kept, at, (size_t)(newline + 1 - at));
            print_line(source, source->kept.p, source->kept.n);
            strbuf_truncate(&source->kept, 0);
            at = newline + 1;
        }
        strbuf_add(&source->kept, at, (size_t)(end - at));
    }
    return fflush(stdout) == 0;
}

/* Prints the logs at the same time if they are followed, else one after the other. */
static int print_all(Logs *logs)
{
    size_t n = logs->sources.n, step = logs->options->follow ? n : 1;
    ClusterStream *streams = mem_new(MAX_OF(n, 1u) * sizeof(*streams));
    int r = 0;

    for (size_t i = 0; i < n; i++) {
        Source *source = &logs->sources.v[i];

        source->whole_lines = source->prefix || (n > 1 && logs->options->follow);
        streams[i] =
            (ClusterStream){.call = {.path = source->path}, .on_data = on_data, .data = source};
    }
    for (size_t i = 0; r == 0 && i < n; i += step) {
        cluster_streams(&logs->cluster, streams + i, step);
        for (size_t j = i; j < i + step; j++) {
            if (logs->sources.v[j].kept.n)
                print_line(&logs->sources.v[j], logs->sources.v[j].kept.p,
                           logs->sources.v[j].kept.n);
            strbuf_deinit(&logs->sources.v[j].kept);
            r |= streams[j].end == WATCH_FAILED;
        }
    }
    free(streams);
    return r;
}

/* ---- the command ---- */

static int check(Logs *logs)
{
    Options *o = (Options *)(uintptr_t)logs->options;
    int64_t number, seconds;
    int32_t nanos;
    int r = option_number("--tail", o->tail, -1, INT32_MAX, &number);

    if (r == 0)
        r = option_number("--limit-bytes", o->limit_bytes, 1, INT64_MAX, &number);
    if (r == 0)
        r = option_duration("--since", o->since, &logs->since_ns);
    if (r)
        return r;
    if (o->since_time && timefmt_parse(o->since_time, &seconds, &nanos)) {
        fprintf(stderr, "stead: --since-time %s: give a time such as 2006-01-02T15:04:05Z\n",
                o->since_time);
        return 2;
    }
    if (o->since && o->since_time) {
        fprintf(stderr, "stead: give either --since or --since-time, not both\n");
        return 2;
    }
    if (o->n_words == 2 && !o->container)
        o->container = o->words[1];
    else if (o->n_words == 2) {
        fprintf(stderr, "stead: the container is given twice: -c %s and \"%s\"\n", o->container,
                o->words[1]);
        return 2;
    }
    if ((o->n_words == 0) == !o->selector) {
        fprintf(stderr, "stead: give a pod or labels: stead logs POD, or stead logs -l app=web\n");
        return 2;
    }
    return 0;
}

int command_logs(const char *program, Options *options)
{
    Logs logs = {.options = options};
    int r = check(&logs);

    (void)program;
    if (r == 0)
        r = cluster_open(options, &logs.cluster);
    if (r == 0)
        r = resources_load(&logs.cluster);
    if (r == 0)
        r = options->selector ? add_selected(&logs) : add_named(&logs);
    if (r == 0)
        r = print_all(&logs);
    VEC_DEINIT(&logs.sources);
    cluster_close(&logs.cluster);
    return r;
}
