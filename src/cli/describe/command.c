/* SPDX-License-Identifier: Apache-2.0 */
/* `stead describe`: prints the details of objects, each with its Events. */
#include "cli/commands/commands.h"
#include "cli/commands/events.h"
#include "cli/describe/describe.h"
#include "cli/table.h"

/* clang-format off */
static const struct {
    const char *group, *kind;
    void (*describe)(Description *d);
} kinds[] = {
    {"",                  "Pod",                   describe_pod},
    {"",                  "Service",               describe_service},
    {"",                  "Endpoints",             describe_endpoints_object},
    {"",                  "ConfigMap",             describe_config_map},
    {"",                  "Secret",                describe_secret},
    {"",                  "ServiceAccount",        describe_service_account},
    {"",                  "Namespace",             describe_namespace},
    {"",                  "Node",                  describe_node},
    {"",                  "PersistentVolume",      describe_volume},
    {"",                  "PersistentVolumeClaim", describe_claim},
    {"",                  "ReplicationController", describe_replica_set},
    {"apps",              "StatefulSet",           describe_set},
    {"apps",              "ReplicaSet",            describe_replica_set},
    {"apps",              "Deployment",            describe_deployment},
    {"batch",             "Job",                   describe_job},
    {"policy",            "PodDisruptionBudget",   describe_budget},
    {"storage.k8s.io",    "StorageClass",          describe_storage_class},
    {"networking.k8s.io", "Ingress",               describe_ingress},
    {"discovery.k8s.io",  "EndpointSlice",         describe_slice},
    {"rbac.authorization.k8s.io", "Role",          describe_role},
    {"rbac.authorization.k8s.io", "ClusterRole",   describe_role},
    {"rbac.authorization.k8s.io", "RoleBinding",   describe_binding},
    {"rbac.authorization.k8s.io", "ClusterRoleBinding", describe_binding},
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

/* An object to describe. It belongs to a reply that is kept in the arena. */
typedef struct Found {
    Target target;
    yyjson_val *object;
    bool by_prefix;
} Found;

typedef VEC(Found) FoundList;

/* Describes one object. `alone`: it is the only one. */
static int describe_one(Cluster *cluster, const Found *found, bool first, bool alone)
{
    const Target *target = &found->target;
    Description d = {.cluster = cluster, .target = target, .object = found->object};
    EventFilter filter = {.ns = target->ns, .uid = json_text(d.object, "/metadata/uid")};
    EventList events = VEC_INIT;
    Layout layout = LAYOUT_DESCRIBE;
    _strbuf_ StrBuf out = STRBUF_INIT;
    void (*describe)(Description *) = describe_other;
    int r = 0;

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (str_equal(kinds[i].group, target->resource->group) &&
            str_equal(kinds[i].kind, target->resource->kind))
            describe = kinds[i].describe;
    if (describe == describe_other && !yyjson_obj_get(d.object, "kind")) {
        ClusterReply reply; /* members of a list have no kind */

        if (target_get(cluster, target, &reply))
            return 1;
        d.object = reply.json;
    }
    describe(&d);
    if (alone && !d.no_events)
        r = events_get(cluster, &filter, &events, NULL);
    if (alone && !d.no_events && !events.n)
        strbuf_add_string(&d.out, "Events:\t<none>\n");
    layout_text(&layout, strbuf_bytes(&d.out), &out);
    strbuf_truncate(&d.out, 0);
    if (events.n) {
        add_events(&events, &d.out);
        layout_text(&layout, strbuf_bytes(&d.out), &out);
    }
    printf("%s%s%s", first || found->by_prefix ? "" : "\n\n", out.p, found->by_prefix ? "\n" : "");
    strbuf_deinit(&d.out);
    VEC_DEINIT(&events);
    return r;
}

/* Finds all objects of the list, or those whose names begin with the prefix, if there is one. */
static int find_all(Cluster *cluster, const Target *target, const char *prefix, FoundList *found)
{
    const Options *o = cluster->options;
    _strbuf_ StrBuf path = STRBUF_INIT;
    ClusterReply reply;
    yyjson_val *item;
    size_t i, n;

    resource_path(&path, target->resource, target->ns, NULL, NULL);
    if (o->selector && !prefix)
        url_add_query(&path, "labelSelector", o->selector);
    if (o->field_selector && !prefix)
        url_add_query(&path, "fieldSelector", o->field_selector);
    if (cluster_call(cluster, &(ClusterCall){.path = path.p}, &reply))
        return 1;
    yyjson_arr_foreach(yyjson_obj_get(reply.json, "items"), i, n, item)
    {
        Target one = {.resource = target->resource,
                      .ns = json_text(item, "/metadata/namespace"),
                      .name = json_text(item, "/metadata/name")};

        if (!prefix || str_starts_with(one.name, prefix))
            VEC_PUSH(found, ((Found){one, item, prefix != NULL}));
    }
    return 0;
}

static bool is_kind_and_name(const Options *o)
{
    return o->n_words == 2 && !strchr(o->words[0], '/') && !strchr(o->words[1], '/');
}

/* Finds the object, or all objects of a list. If there is no object with the name of KIND NAME, finds
 * all objects whose names begin with it. */
static int find_target(Cluster *cluster, const Target *target, FoundList *found)
{
    _strbuf_ StrBuf path = STRBUF_INIT;
    size_t before = found->n;
    ClusterReply reply;

    if (!target->name)
        return find_all(cluster, target, NULL, found);
    resource_path(&path, target->resource, target->ns, target->name, NULL);
    if (cluster_send(cluster, &(ClusterCall){.path = path.p}, &reply))
        return 1;
    if (cluster_ok(&reply)) {
        VEC_PUSH(found, ((Found){*target, reply.json, false}));
        return 0;
    }
    if (reply.status == 404 && is_kind_and_name(cluster->options) &&
        find_all(cluster, target, target->name, found) == 0 && found->n > before)
        return 0;
    return cluster_refused(&reply);
}

int command_describe(const char *program, Options *options)
{
    Cluster cluster = {0};
    Targets targets = VEC_INIT;
    FoundList found = VEC_INIT;
    int r, failed = 0;

    (void)program;
    r = cluster_open(options, &cluster);
    if (r == 0)
        r = targets_parse(&cluster, options->words, options->n_words, &targets);
    for (size_t i = 0; r == 0 && i < targets.n; i++)
        failed |= find_target(&cluster, &targets.v[i], &found);
    for (size_t i = 0; i < found.n; i++)
        failed |=
            describe_one(&cluster, &found.v[i], i == 0, found.n == 1 && !found.v[i].by_prefix);
    if (r == 0 && !failed && !found.n) {
        if (options->all_namespaces)
            fprintf(stderr, "No resources found\n");
        else
            fprintf(stderr, "No resources found in %s namespace.\n", cluster.ns);
    }
    VEC_DEINIT(&found);
    VEC_DEINIT(&targets);
    cluster_close(&cluster);
    return r ? r : failed;
}
