/* SPDX-License-Identifier: Apache-2.0 */
/* `stead describe`: all about objects, each with its events. */
#include "cli/describe.h"
#include "cli/events.h"
#include "cli/table.h"

/* clang-format off */
static const struct {
    const char *group, *kind;
    void (*describe)(Description *d);
} kinds[] = {
    {"",     "Pod",                   describe_pod},
    {"",     "Service",               describe_service},
    {"",     "PersistentVolumeClaim", describe_claim},
    {"apps", "StatefulSet",           describe_set},
    {"apps", "ReplicaSet",            describe_set},
    {"apps", "Deployment",            describe_set},
};
/* clang-format on */

static void add_events(const EventList *events, StrBuf *out)
{
    strbuf_add_string(out, "Events:\n  Type\tReason\tAge\tFrom\tMessage\n"
                           "  ----\t------\t----\t----\t-------\n");
    for (size_t i = 0; i < events->n; i++) {
        yyjson_val *event = events->v[i];
        const char *field = json_text(event, "/involvedObject/fieldPath");

        strbuf_printf(out, "  %s\t%s\t", json_text(event, "/type"), json_text(event, "/reason"));
        event_interval(out, event);
        strbuf_printf(
            out, "\t%s\t%s%s%s\n",
            str_or(json_text(event, "/source/component"), json_text(event, "/reportingComponent")),
            field, *field ? ": " : "", json_text(event, "/message"));
    }
}

static int describe_one(Cluster *cluster, const Target *target, yyjson_val *object, bool first)
{
    Description d = {.cluster = cluster, .target = target, .object = object};
    EventFilter filter = {.ns = target->ns, .uid = json_text(object, "/metadata/uid")};
    EventList events = VEC_INIT;
    Layout layout = LAYOUT_DESCRIBE;
    _strbuf_ StrBuf out = STRBUF_INIT;
    void (*describe)(Description *) = describe_other;
    int r = events_get(cluster, &filter, &events, NULL);

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (str_equal(kinds[i].group, target->resource->group) &&
            str_equal(kinds[i].kind, target->resource->kind))
            describe = kinds[i].describe;
    describe(&d);
    if (!events.n)
        strbuf_add_string(&d.out, "Events:\t<none>\n");
    layout_text(&layout, strbuf_bytes(&d.out), &out);
    strbuf_truncate(&d.out, 0);
    if (events.n) {
        add_events(&events, &d.out);
        layout_text(&layout, strbuf_bytes(&d.out), &out);
    }
    printf("%s%s", first ? "" : "\n\n", out.p);
    strbuf_deinit(&d.out);
    VEC_DEINIT(&events);
    return r;
}

/* The object, or all of a list; how many, through count. */
static int describe_target(Cluster *cluster, const Target *target, size_t *count)
{
    const Options *o = cluster->options;
    _strbuf_ StrBuf path = STRBUF_INIT;
    ClusterReply reply;
    yyjson_val *item;
    size_t i, n;
    int r = 0;

    resource_path(&path, target->resource, target->ns, target->name, NULL);
    if (o->selector)
        cluster_add_query(&path, "labelSelector", o->selector);
    if (o->field_selector)
        cluster_add_query(&path, "fieldSelector", o->field_selector);
    if (cluster_call(cluster, &(ClusterCall){.path = path.p}, &reply))
        return 1;
    if (target->name)
        return describe_one(cluster, target, reply.json, (*count)++ == 0);
    yyjson_arr_foreach(yyjson_obj_get(reply.json, "items"), i, n, item)
    {
        Target one = {.resource = target->resource,
                      .ns = json_text(item, "/metadata/namespace"),
                      .name = json_text(item, "/metadata/name")};

        r |= describe_one(cluster, &one, item, (*count)++ == 0);
    }
    return r;
}

int command_describe(const char *program, Options *options)
{
    Cluster cluster = {0};
    Targets targets = VEC_INIT;
    size_t count = 0;
    int r, failed = 0;

    (void)program;
    r = cluster_open(options, &cluster);
    if (r == 0)
        r = targets_parse(&cluster, options->words, options->n_words, &targets);
    for (size_t i = 0; r == 0 && i < targets.n; i++)
        failed |= describe_target(&cluster, &targets.v[i], &count);
    if (r == 0 && !failed && !count) {
        if (options->all_namespaces)
            fprintf(stderr, "No resources found\n");
        else
            fprintf(stderr, "No resources found in %s namespace.\n", cluster.ns);
    }
    VEC_DEINIT(&targets);
    resources_forget(&cluster);
    cluster_close(&cluster);
    return r ? r : failed;
}
