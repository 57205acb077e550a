/* SPDX-License-Identifier: Apache-2.0 */
/* `stead delete`: deletes objects by name, by labels or from files, and then watches each until it is gone. */
#include "cli/commands/commands.h"
#include "cli/manifest.h"
#include "codec/json/json.h"

typedef struct Doomed {
    Target target;
    const char *uid;
} Doomed;

typedef struct Delete {
    Cluster cluster;
    const Options *options;
    int64_t grace; /* -1: the grace period of the object */
    int64_t timeout_ns;
    Targets targets;
    VEC(Doomed) doomed;
    bool failed;
} Delete;

static Bytes options_body(Delete *delete)
{
    const char *cascade = str_or(delete->options->cascade, "background");
    _strbuf_ StrBuf out = STRBUF_INIT;

    strbuf_printf(&out,
                  "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\",\"propagationPolicy\":\"%s\"",
                  str_equal(cascade, "orphan")       ? "Orphan"
                  : str_equal(cascade, "foreground") ? "Foreground"
                                                     : "Background");
    if (delete->grace >= 0)
        strbuf_printf(&out, ",\"gracePeriodSeconds\":%" PRId64, delete->grace);
    if (delete->options->dry_run)
        strbuf_add_string(&out, ",\"dryRun\":[\"All\"]");
    strbuf_add_char(&out, '}');
    return arena_bytes(delete->cluster.arena, strbuf_bytes(&out));
}

static void delete_one(Delete *delete, const Target *target)
{
    Cluster *cluster = &delete->cluster;
    _strbuf_ StrBuf path = STRBUF_INIT;
    ClusterReply reply;
    Doomed doomed = {.target = *target};

    resource_path(&path, target->resource, target->ns, target->name, NULL);
    if (cluster_send(cluster,
                     &(ClusterCall){.method = "DELETE",
                                    .path = path.p,
                                    .content_type = "application/json",
                                    .body = options_body(delete)},
                     &reply)) {
        delete->failed = true;
        return;
    }
    if (reply.status == 404 && delete->options->ignore_not_found)
        return;
    if (!cluster_ok(&reply)) {
        delete->failed = true;
        cluster_refused(&reply);
        return;
    }
    printf("%s \"%s\" %sdeleted", resource_label(cluster->arena, target->resource), target->name,
           delete->grace == 0 ? "force " : "");
    if (target->resource->namespaced)
        printf(" from %s namespace", target->ns);
    printf("%s\n", delete->options->dry_run ? " (server dry run)" : "");
    fflush(stdout);
    doomed.uid = str_equal(json_text(reply.json, "/kind"), "Status")
                     ? json_text(reply.json, "/details/uid")
                     : json_text(reply.json, "/metadata/uid");
    VEC_PUSH(&delete->doomed, doomed);
}

/* ---- the objects to delete ---- */

/* Deletes the objects that match a target without a name. */
static int expand(Delete *delete, const Target *target)
{
    Cluster *cluster = &delete->cluster;
    const Options *o = delete->options;
    _strbuf_ StrBuf path = STRBUF_INIT;
    ClusterReply reply;
    yyjson_val *item;
    size_t i, n;

    if (!o->selector && !o->field_selector && !o->all) {
        fprintf(stderr, "error: resource(s) were provided, but no name was specified. Give a name, "
                        "-l LABELS or --all\n");
        return 1;
    }
    resource_path(&path, target->resource, target->ns, NULL, NULL);
    if (o->selector)
        url_add_query(&path, "labelSelector", o->selector);
    if (o->field_selector)
        url_add_query(&path, "fieldSelector", o->field_selector);
    if (cluster_call(cluster, &(ClusterCall){.path = path.p}, &reply))
        return 1;
    yyjson_arr_foreach(yyjson_obj_get(reply.json, "items"), i, n, item)
    {
        Target one = {.resource = target->resource,
                      .ns = json_text(item, "/metadata/namespace"),
                      .name = json_text(item, "/metadata/name")};

        delete_one(delete, &one);
    }
    return 0;
}

static int delete_files(Delete *delete)
{
    Manifests manifests = VEC_INIT;
    int r = manifests_read(&delete->cluster, &manifests);

    for (size_t i = 0; r == 0 && i < manifests.n; i++) {
        if (manifest_resolve(&delete->cluster, &manifests.v[i]))
            delete->failed = true;
        else
            delete_one(delete, &manifests.v[i].target);
    }
    VEC_DEINIT(&manifests);
    return r;
}

static int delete_words(Delete *delete)
{
    const Options *o = delete->options;
    int r = targets_parse(&delete->cluster, o->words, o->n_words, &delete->targets);

    for (size_t i = 0; r == 0 && i < delete->targets.n; i++) {
        if (delete->targets.v[i].name)
            delete_one(delete, &delete->targets.v[i]);
        else
            r = expand(delete, &delete->targets.v[i]);
    }
    if (r == 0 && !delete->doomed.n && !delete->failed && !o->ignore_not_found)
        printf("No resources found\n");
    return r;
}

/* ---- waiting ---- */

static bool on_change(void *data, const char *type, yyjson_val *object)
{
    const Doomed *doomed = data;

    return !str_equal(type, "DELETED") &&
           (!*doomed->uid || str_equal(json_text(object, "/metadata/uid"), doomed->uid));
}

/* Returns 0 when the object is gone, or 1 after a message. */
static int wait_gone(Delete *delete, const Doomed *doomed, int64_t deadline_ns)
{
    Cluster *cluster = &delete->cluster;
    const Target *target = &doomed->target;
    WatchEnd end;

    do {
        _strbuf_ StrBuf path = STRBUF_INIT;
        ClusterReply reply;

        resource_path(&path, target->resource, target->ns, target->name, NULL);
        if (cluster_send(cluster, &(ClusterCall){.path = path.p}, &reply))
            return 1;
        if (reply.status == 404 || !on_change((void *)(uintptr_t)doomed, "", reply.json))
            return 0;
        if (!cluster_ok(&reply))
            return cluster_refused(&reply);
        end = target_watch(cluster, target, reply.json, deadline_ns, on_change,
                           (void *)(uintptr_t)doomed);
    } while (end == WATCH_ENDED);
    if (end == WATCH_TIMED_OUT)
        fprintf(stderr, "error: timed out waiting for the condition on %s/%s\n",
                target->resource->plural, target->name);
    return end != WATCH_ENOUGH;
}

/* ---- the command ---- */

static int read_options(Delete *delete)
{
    const Options *o = delete->options;
    int r;

    delete->grace = o->now ? 1 : -1;
    r = option_number("--grace-period", o->grace_period, -1, INT32_MAX, &delete->grace);
    if (r == 0)
        r = option_duration("--timeout", o->timeout, &delete->timeout_ns);
    if (r)
        return r;
    if (o->cascade && !str_equal(o->cascade, "background") &&
        !str_equal(o->cascade, "foreground") && !str_equal(o->cascade, "orphan")) {
        fprintf(stderr, "stead: --cascade %s: choose background, foreground or orphan\n",
                o->cascade);
        return 2;
    }
    if (o->force && delete->grace < 0)
        delete->grace = 0;
    if (delete->grace == 0 && !o->force) {
        /* As in kubectl, only --force removes a pod before the node has ended it. */
        delete->grace = 1;
    }
    if (o->files.n ? o->n_words > 0 : o->n_words == 0) {
        fprintf(stderr,
                "stead: give either KIND NAME... or -f FILE, such as: stead delete pod web-0\n");
        return 2;
    }
    return 0;
}

static int run(Delete *delete)
{
    int r = read_options(delete);
    int64_t deadline;

    if (r == 0)
        r = cluster_open(delete->options, &delete->cluster);
    if (r)
        return r;
    if (delete->options->force)
        fprintf(stderr, "Warning: Immediate deletion does not wait for confirmation that the "
                        "running resource has been terminated. The resource may continue to run on "
                        "the cluster indefinitely.\n");
    r = delete->options->files.n ? delete_files(delete) : delete_words(delete);
    if (r)
        return r;
    deadline = delete->timeout_ns ? (int64_t)uv_hrtime() + delete->timeout_ns : 0;
    if (!delete->options->no_wait && !delete->options->dry_run)
        for (size_t i = 0; r == 0 && i < delete->doomed.n; i++)
            r = wait_gone(delete, &delete->doomed.v[i], deadline);
    return r ? r : delete->failed;
}

int command_delete(const char *program, Options *options)
{
    Delete delete = {.options = options};
    int r;

    (void)program;
    r = run(&delete);
    VEC_DEINIT(&delete.targets);
    VEC_DEINIT(&delete.doomed);
    cluster_close(&delete.cluster);
    return r;
}
