/* SPDX-License-Identifier: Apache-2.0 */
/* `stead rollout status|undo|restart|history`. */
#include <time.h>

#include "base/timefmt.h"
#include "cli/commands/commands.h"
#include "cli/commands/rollout.h"
#include "cli/output.h"
#include "cli/table.h"
#include "codec/json/json.h"

typedef struct Rollout {
    Cluster cluster;
    const Options *options;
    int64_t to_revision;
    int64_t timeout_ns;
} Rollout;

typedef int (*RolloutVerb)(Rollout *rollout, const Target *target);

/* ---- status ---- */

static void say_line(void *data _unused_, yyjson_val *object _unused_, const char *line)
{
    printf("%s\n", line);
    fflush(stdout);
}

static int rollout_status(Rollout *rollout, const Target *target)
{
    int64_t deadline = rollout->timeout_ns ? (int64_t)uv_hrtime() + rollout->timeout_ns : 0;

    return rollout_wait(&rollout->cluster, target, deadline, say_line, NULL);
}

/* ---- restart ---- */

static int patch(Rollout *rollout, const Target *target, const char *type, Bytes body)
{
    _strbuf_ StrBuf path = STRBUF_INIT;
    ClusterReply reply;

    resource_path(&path, target->resource, target->ns, target->name, NULL);
    url_add_query(&path, "fieldManager", "stead-rollout");
    return cluster_call(
        &rollout->cluster,
        &(ClusterCall){.method = "PATCH", .path = path.p, .content_type = type, .body = body},
        &reply);
}

static void say_done(Rollout *rollout, const Target *target, const char *word)
{
    printf("%s/%s %s\n", resource_label(rollout->cluster.arena, target->resource), target->name,
           word);
}

static int rollout_restart(Rollout *rollout, const Target *target)
{
    _strbuf_ StrBuf body = STRBUF_INIT;
    char now[TIMEFMT_MAX];
    ClusterReply reply;

    if (target_get(&rollout->cluster, target, &reply))
        return 1;
    if (!yyjson_ptr_get(reply.json, "/spec/template/spec")) {
        fprintf(stderr, "error: %s is not a kind that can be restarted\n",
                target->resource->plural);
        return 1;
    }
    timefmt_seconds(time(NULL), now);
    strbuf_printf(&body,
                  "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{"
                  "\"kubectl.kubernetes.io/restartedAt\":\"%s\"}}}}}",
                  now);
    if (patch(rollout, target, "application/strategic-merge-patch+json", strbuf_bytes(&body)))
        return 1;
    say_done(rollout, target, "restarted");
    return 0;
}

/* ---- history ---- */

typedef struct Revision {
    int64_t number;
    yyjson_val *object; /* a ControllerRevision, or a ReplicaSet */
} Revision;

typedef VEC(Revision) Revisions;

static bool is_deployment(const Target *target)
{
    return str_equal(target->resource->kind, "Deployment");
}

static int by_number(const void *a, const void *b)
{
    const Revision *x = a, *y = b;

    return x->number < y->number ? -1 : x->number > y->number;
}

/* Gets the revisions of the object, the oldest first. */
static int get_revisions(Rollout *rollout, const Target *target, yyjson_val *object, Revisions *ret)
{
    Cluster *cluster = &rollout->cluster;
    const Resource *kind = resources_find(
        cluster, is_deployment(target) ? "replicasets.apps" : "controllerrevisions.apps");
    const char *uid = json_text(object, "/metadata/uid");
    _strbuf_ StrBuf path = STRBUF_INIT;
    yyjson_val *item, *owner;
    ClusterReply reply;
    size_t i, n, j, m;

    resource_path(&path, kind, target->ns, NULL, NULL);
    if (cluster_call(cluster, &(ClusterCall){.path = path.p}, &reply))
        return 1;
    yyjson_arr_foreach(yyjson_obj_get(reply.json, "items"), i, n, item)
    {
        Revision revision = {.number = json_number(item, "/revision", 0), .object = item};

        if (is_deployment(target))
            str_to_int64(
                json_text(item, "/metadata/annotations/deployment.kubernetes.io~1revision"), 0,
                INT64_MAX, &revision.number);
        yyjson_arr_foreach(yyjson_ptr_get(item, "/metadata/ownerReferences"), j, m, owner)
        {
            if (str_equal(json_text(owner, "/uid"), uid))
                VEC_PUSH(ret, revision);
        }
    }
    if (ret->n)
        qsort(ret->v, ret->n, sizeof(*ret->v), by_number);
    return 0;
}

static int rollout_history(Rollout *rollout, const Target *target)
{
    Revisions revisions = VEC_INIT;
    Layout layout = LAYOUT_DESCRIBE;
    _strbuf_ StrBuf text = STRBUF_INIT, out = STRBUF_INIT;
    ClusterReply reply;
    int r = target_get(&rollout->cluster, target, &reply);

    if (r == 0)
        r = get_revisions(rollout, target, reply.json, &revisions);
    strbuf_add_string(&text, "REVISION\tCHANGE-CAUSE\n");
    for (size_t i = 0; i < revisions.n; i++)
        strbuf_printf(&text, "%" PRId64 "\t%s\n", revisions.v[i].number,
                      str_or(json_text(revisions.v[i].object,
                                       "/metadata/annotations/kubernetes.io~1change-cause"),
                             "<none>"));
    layout_text(&layout, strbuf_bytes(&text), &out);
    if (r == 0)
        printf("%s/%s \n%s\n", resource_label(rollout->cluster.arena, target->resource),
               target->name, out.p);
    VEC_DEINIT(&revisions);
    return r;
}

/* ---- undo ---- */

static const Revision *pick(const Rollout *rollout, const Target *target,
                            const Revisions *revisions)
{
    if (!rollout->to_revision) {
        if (revisions->n >= 2)
            return &revisions->v[revisions->n - 2];
        fprintf(stderr, "error: no rollout history found for %s \"%s\" to go back to\n",
                target->resource->singular, target->name);
        return NULL;
    }
    for (size_t i = 0; i < revisions->n; i++)
        if (revisions->v[i].number == rollout->to_revision)
            return &revisions->v[i];
    fprintf(stderr,
            "error: unable to find specified revision %" PRId64 " in history. Try: stead "
            "rollout history %s/%s\n",
            rollout->to_revision, target->resource->singular, target->name);
    return NULL;
}

/* Appends the template of a ReplicaSet without the label that distinguishes it from the other ReplicaSets. */
static void add_template(StrBuf *out, yyjson_val *set)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *template = yyjson_val_mut_copy(doc, yyjson_ptr_get(set, "/spec/template"));
    yyjson_doc *flat;

    yyjson_mut_obj_remove_key(yyjson_mut_ptr_get(template, "/metadata/labels"),
                              "pod-template-hash");
    flat = yyjson_mut_val_imut_copy(template, NULL);
    json_encode_tree(yyjson_doc_get_root(flat), out);
    yyjson_doc_free(flat);
    yyjson_mut_doc_free(doc);
}

static int go_back(Rollout *rollout, const Target *target, yyjson_val *object,
                   const Revisions *revisions)
{
    const Revision *revision = pick(rollout, target, revisions);
    _strbuf_ StrBuf body = STRBUF_INIT;
    int r;

    if (!revision)
        return 1;
    if (yyjson_get_bool(yyjson_ptr_get(object, "/spec/paused"))) {
        fprintf(stderr, "error: you cannot rollback a paused deployment\n");
        return 1;
    }
    if (revision == &revisions->v[revisions->n - 1]) {
        printf("%s/%s skipped rollback (current template already matches revision %" PRId64 ")\n",
               resource_label(rollout->cluster.arena, target->resource), target->name,
               revision->number);
        return 0;
    }
    if (is_deployment(target)) {
        strbuf_add_string(&body, "[{\"op\":\"replace\",\"path\":\"/spec/template\",\"value\":");
        add_template(&body, revision->object);
        strbuf_add_string(&body, "}]");
        r = patch(rollout, target, "application/json-patch+json", strbuf_bytes(&body));
    } else {
        json_encode_tree(yyjson_obj_get(revision->object, "data"), &body);
        r = patch(rollout, target, "application/strategic-merge-patch+json", strbuf_bytes(&body));
    }
    if (r == 0)
        say_done(rollout, target, "rolled back");
    return r;
}

static int rollout_undo(Rollout *rollout, const Target *target)
{
    Revisions revisions = VEC_INIT;
    ClusterReply reply;
    int r = target_get(&rollout->cluster, target, &reply);

    if (r == 0)
        r = get_revisions(rollout, target, reply.json, &revisions);
    if (r == 0)
        r = go_back(rollout, target, reply.json, &revisions);
    VEC_DEINIT(&revisions);
    return r;
}

/* ---- the command ---- */

static const struct {
    const char *name;
    RolloutVerb run;
} verbs[] = {
    {"status", rollout_status},
    {"undo", rollout_undo},
    {"restart", rollout_restart},
    {"history", rollout_history},
};

static int run(Rollout *rollout, RolloutVerb verb, Targets *targets)
{
    const Options *o = rollout->options;
    int r = option_number("--to-revision", o->to_revision, 0, INT64_MAX, &rollout->to_revision);

    if (r == 0)
        r = option_duration("--timeout", o->timeout, &rollout->timeout_ns);
    if (r == 0)
        r = cluster_open(o, &rollout->cluster);
    if (r == 0)
        r = targets_parse(&rollout->cluster, o->words + 1, o->n_words - 1, targets);
    for (size_t i = 0; r == 0 && i < targets->n; i++) {
        if (targets->v[i].name) {
            r = verb(rollout, &targets->v[i]);
        } else {
            fprintf(stderr, "stead: 'rollout %s' needs a name: stead rollout %s %s/NAME\n",
                    o->words[0], o->words[0], targets->v[i].resource->plural);
            r = 2;
        }
    }
    return r;
}

int command_rollout(const char *program, Options *options)
{
    Rollout rollout = {.options = options};
    Targets targets = VEC_INIT;
    int r = 2;

    (void)program;
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (!str_equal(verbs[i].name, options->words[0]))
            continue;
        r = run(&rollout, verbs[i].run, &targets);
        VEC_DEINIT(&targets);
        cluster_close(&rollout.cluster);
        return r;
    }
    fprintf(stderr, "stead: rollout %s: choose status, undo, restart or history\n",
            options->words[0]);
    return r;
}
