/* SPDX-License-Identifier: Apache-2.0 */
/* Describes StatefulSets, Deployments, ReplicaSets, Jobs and PodDisruptionBudgets. */
#include "base/timefmt.h"
#include "cli/commands/events.h"
#include "cli/describe/line.h"

/* ---- StatefulSets ---- */

/* Adds "2 Running / 0 Waiting / 0 Succeeded / 0 Failed" for the pods of the object. */
void describe_pods_status(Description *d)
{
    static const char *const phases[] = {"Running", "Pending", "Succeeded", "Failed"};
    _strbuf_ StrBuf path = STRBUF_INIT;
    ClusterReply reply;
    int counts[4] = {0};
    yyjson_val *pod;
    size_t i, n;

    resource_path(&path, resources_find(d->cluster, "pods"), d->target->ns, NULL, NULL);
    url_add_query(&path, "labelSelector", object_selector(d->cluster->arena, d->object));
    if (cluster_call(d->cluster, &(ClusterCall){.path = path.p}, &reply))
        return;
    yyjson_arr_foreach(yyjson_obj_get(reply.json, "items"), i, n, pod)
    {
        if (!str_equal(json_text(pod, "/metadata/ownerReferences/0/uid"), text(d, "/metadata/uid")))
            continue;
        for (size_t p = 0; p < ARRAY_LEN(phases); p++)
            counts[p] += str_equal(json_text(pod, "/status/phase"), phases[p]);
    }
    strbuf_printf(&d->out, "Pods Status:\t%d Running / %d Waiting / %d Succeeded / %d Failed\n",
                  counts[0], counts[1], counts[2], counts[3]);
}

static void claim_templates(Description *d)
{
    yyjson_val *templates = at(d, "/spec/volumeClaimTemplates"), *claim;
    size_t i, n;

    if (!str_equal(d->target->resource->kind, "StatefulSet"))
        return;
    strbuf_printf(&d->out, "Volume Claims:%s\n", yyjson_arr_size(templates) ? "" : "\t<none>");
    yyjson_arr_foreach(templates, i, n, claim)
    {
        strbuf_printf(&d->out, "  Name:\t%s\n  StorageClass:\t%s\n",
                      json_text(claim, "/metadata/name"),
                      json_text(claim, "/spec/storageClassName"));
        describe_labels(&d->out, "  Labels", yyjson_ptr_get(claim, "/metadata/labels"));
        describe_labels(&d->out, "  Annotations", yyjson_ptr_get(claim, "/metadata/annotations"));
        strbuf_printf(&d->out, "  Capacity:\t%s\n  Access Modes:\t[",
                      str_or(json_text(claim, "/spec/resources/requests/storage"), "<default>"));
        describe_list(&d->out, yyjson_ptr_get(claim, "/spec/accessModes"), " ");
        strbuf_add_string(&d->out, "]\n");
    }
}

void describe_set(Description *d)
{
    yyjson_val *partition = at(d, "/spec/updateStrategy/rollingUpdate/partition");

    name_and_namespace(d);
    describe_time(&d->out, "CreationTimestamp", text(d, "/metadata/creationTimestamp"));
    line(d, "Selector", object_selector(d->cluster->arena, d->object));
    labels_and_annotations(d);
    strbuf_printf(&d->out, "Replicas:\t%" PRId64 " desired | %" PRId64 " total\n",
                  json_number(d->object, "/spec/replicas", 1),
                  json_number(d->object, "/status/replicas", 0));
    line_if(d, "Update Strategy", text(d, "/spec/updateStrategy/type"));
    if (partition)
        strbuf_printf(&d->out, "  Partition:\t%" PRId64 "\n", yyjson_get_sint(partition));
    describe_pods_status(d);
    describe_template(&d->out, at(d, "/spec/template"));
    claim_templates(d);
}

/* ---- Deployments, Jobs, budgets ---- */

static void two_columns(Description *d, yyjson_val *conditions)
{
    yyjson_val *condition;
    size_t i, n;

    if (yyjson_arr_size(conditions))
        strbuf_add_string(&d->out, "Conditions:\n  Type\tStatus\tReason\n  ----\t------\t------\n");
    yyjson_arr_foreach(conditions, i, n, condition)
        strbuf_printf(&d->out, "  %s \t%s\t%s\n", json_text(condition, "/type"),
                      json_text(condition, "/status"), json_text(condition, "/reason"));
}

static const char *number_or_text(Arena *arena, yyjson_val *value)
{
    return yyjson_is_int(value) ? arena_printf(arena, "%" PRId64, yyjson_get_sint(value))
                                : str_or(yyjson_get_str(value), "");
}

/* The template as text, without the hash label that a Deployment adds to its ReplicaSets. */
static char *template_text(yyjson_val *template)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *copy = yyjson_val_mut_copy(doc, template);
    char *written;

    yyjson_mut_obj_remove_key(yyjson_mut_ptr_get(copy, "/metadata/labels"), "pod-template-hash");
    yyjson_mut_doc_set_root(doc, copy);
    written = yyjson_mut_write(doc, 0, NULL);
    yyjson_mut_doc_free(doc);
    return written;
}

static void replica_sets(Description *d)
{
    _strbuf_ StrBuf path = STRBUF_INIT, old = STRBUF_INIT, new = STRBUF_INIT;
    _free_ char *wanted = template_text(at(d, "/spec/template"));
    ClusterReply reply;
    yyjson_val *set;
    size_t i, n;

    resource_path(&path, resources_find(d->cluster, "replicasets.apps"), d->target->ns, NULL, NULL);
    url_add_query(&path, "labelSelector", object_selector(d->cluster->arena, d->object));
    if (cluster_call(d->cluster, &(ClusterCall){.path = path.p}, &reply))
        return;
    yyjson_arr_foreach(yyjson_obj_get(reply.json, "items"), i, n, set)
    {
        _free_ char *template = template_text(yyjson_ptr_get(set, "/spec/template"));
        StrBuf *list = str_equal(template, wanted) && !new.n ? &new : &old;

        if (!str_equal(json_text(set, "/metadata/ownerReferences/0/uid"), text(d, "/metadata/uid")))
            continue;
        strbuf_printf(list, "%s%s (%" PRId64 "/%" PRId64 " replicas created)", list->n ? ", " : "",
                      json_text(set, "/metadata/name"), json_number(set, "/status/replicas", 0),
                      json_number(set, "/spec/replicas", 1));
    }
    if (!old.n && !new.n)
        return;
    line(d, "OldReplicaSets", old.n ? old.p : "<none>");
    line(d, "NewReplicaSet", new.n ? new.p : "<none>");
}

void describe_deployment(Description *d)
{
    yyjson_val *rolling = at(d, "/spec/strategy/rollingUpdate");

    name_and_namespace(d);
    time_if(d, "CreationTimestamp", "/metadata/creationTimestamp");
    labels_and_annotations(d);
    line(d, "Selector", object_selector(d->cluster->arena, d->object));
    strbuf_printf(&d->out,
                  "Replicas:\t%" PRId64 " desired | %" PRId64 " updated | %" PRId64
                  " total | %" PRId64 " available | %" PRId64 " unavailable\n",
                  json_number(d->object, "/spec/replicas", 1),
                  json_number(d->object, "/status/updatedReplicas", 0),
                  json_number(d->object, "/status/replicas", 0),
                  json_number(d->object, "/status/availableReplicas", 0),
                  json_number(d->object, "/status/unavailableReplicas", 0));
    line(d, "StrategyType", text(d, "/spec/strategy/type"));
    strbuf_printf(&d->out, "MinReadySeconds:\t%" PRId64 "\n",
                  json_number(d->object, "/spec/minReadySeconds", 0));
    if (rolling)
        strbuf_printf(&d->out, "RollingUpdateStrategy:\t%s max unavailable, %s max surge\n",
                      number_or_text(d->cluster->arena, yyjson_obj_get(rolling, "maxUnavailable")),
                      number_or_text(d->cluster->arena, yyjson_obj_get(rolling, "maxSurge")));
    describe_template(&d->out, at(d, "/spec/template"));
    two_columns(d, at(d, "/status/conditions"));
    replica_sets(d);
}

void describe_replica_set(Description *d)
{
    name_and_namespace(d);
    line(d, "Selector", object_selector(d->cluster->arena, d->object));
    labels_and_annotations(d);
    describe_controller(d);
    strbuf_printf(&d->out, "Replicas:\t%" PRId64 " current / %" PRId64 " desired\n",
                  json_number(d->object, "/status/replicas", 0),
                  json_number(d->object, "/spec/replicas", 1));
    describe_pods_status(d);
    describe_template(&d->out, at(d, "/spec/template"));
    two_columns(d, at(d, "/status/conditions"));
}

/* Adds how long the Job ran, in the format of ages. */
static void job_duration(Description *d)
{
    int64_t start, end;
    int32_t nanos;

    if (timefmt_parse(text(d, "/status/startTime"), &start, &nanos) ||
        timefmt_parse(text(d, "/status/completionTime"), &end, &nanos))
        return;
    strbuf_add_string(&d->out, "Duration:\t");
    time_span(&d->out, end - start);
    strbuf_add_char(&d->out, '\n');
}

void describe_job(Description *d)
{
    yyjson_val *ready = at(d, "/status/ready"), *suspend = at(d, "/spec/suspend");

    name_and_namespace(d);
    line(d, "Selector", object_selector(d->cluster->arena, d->object));
    labels_and_annotations(d);
    describe_controller(d);
    number_if(d, "Parallelism", "/spec/parallelism");
    if (!at(d, "/spec/completions"))
        line(d, "Completions", "<unset>");
    number_if(d, "Completions", "/spec/completions");
    line_if(d, "Completion Mode", text(d, "/spec/completionMode"));
    if (suspend)
        line(d, "Suspend", yyjson_get_bool(suspend) ? "true" : "false");
    number_if(d, "Backoff Limit", "/spec/backoffLimit");
    number_if(d, "TTL Seconds After Finished", "/spec/ttlSecondsAfterFinished");
    time_if(d, "Start Time", "/status/startTime");
    time_if(d, "Completed At", "/status/completionTime");
    job_duration(d);
    if (at(d, "/spec/activeDeadlineSeconds"))
        strbuf_printf(&d->out, "Active Deadline Seconds:\t%" PRId64 "s\n",
                      json_number(d->object, "/spec/activeDeadlineSeconds", 0));
    strbuf_printf(&d->out, "Pods Statuses:\t%" PRId64 " Active",
                  json_number(d->object, "/status/active", 0));
    if (ready)
        strbuf_printf(&d->out, " (%" PRId64 " Ready)", yyjson_get_sint(ready));
    strbuf_printf(&d->out, " / %" PRId64 " Succeeded / %" PRId64 " Failed\n",
                  json_number(d->object, "/status/succeeded", 0),
                  json_number(d->object, "/status/failed", 0));
    if (str_equal(text(d, "/spec/completionMode"), "Indexed"))
        line(d, "Completed Indexes", str_or(text(d, "/status/completedIndexes"), "<none>"));
    describe_template(&d->out, at(d, "/spec/template"));
}

void describe_budget(Description *d)
{
    Arena *arena = d->cluster->arena;

    name_and_namespace(d);
    if (at(d, "/spec/minAvailable"))
        line(d, "Min available", number_or_text(arena, at(d, "/spec/minAvailable")));
    else if (at(d, "/spec/maxUnavailable"))
        line(d, "Max unavailable", number_or_text(arena, at(d, "/spec/maxUnavailable")));
    line(d, "Selector", at(d, "/spec/selector") ? object_selector(arena, d->object) : "<unset>");
    strbuf_printf(&d->out,
                  "Status:\n    Allowed disruptions:\t%" PRId64 "\n    Current:\t%" PRId64
                  "\n    Desired:\t%" PRId64 "\n    Total:\t%" PRId64 "\n",
                  json_number(d->object, "/status/disruptionsAllowed", 0),
                  json_number(d->object, "/status/currentHealthy", 0),
                  json_number(d->object, "/status/desiredHealthy", 0),
                  json_number(d->object, "/status/expectedPods", 0));
}
