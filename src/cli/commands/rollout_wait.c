/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/rollout.h"

#define N(pointer) json_number(object, pointer, 0)

static int deployment_progress(yyjson_val *object, StrBuf *out)
{
    const char *name = json_text(object, "/metadata/name");
    int64_t wanted = json_number(object, "/spec/replicas", 1),
            updated = N("/status/updatedReplicas"), all = N("/status/replicas"),
            available = N("/status/availableReplicas");
    yyjson_val *condition;
    size_t i, n;

    if (N("/metadata/generation") > N("/status/observedGeneration")) {
        strbuf_add_string(out, "Waiting for deployment spec update to be observed...");
        return 0;
    }
    yyjson_arr_foreach(yyjson_ptr_get(object, "/status/conditions"), i, n, condition)
    {
        if (str_equal(json_text(condition, "/type"), "Progressing") &&
            str_equal(json_text(condition, "/reason"), "ProgressDeadlineExceeded")) {
            strbuf_printf(out, "deployment \"%s\" exceeded its progress deadline", name);
            return -1;
        }
    }
    strbuf_printf(out, "Waiting for deployment \"%s\" rollout to finish: ", name);
    if (updated < wanted) {
        strbuf_printf(out, "%" PRId64 " out of %" PRId64 " new replicas have been updated...",
                      updated, wanted);
    } else if (all > updated) {
        strbuf_printf(out, "%" PRId64 " old replicas are pending termination...", all - updated);
    } else if (available < updated) {
        strbuf_printf(out, "%" PRId64 " of %" PRId64 " updated replicas are available...",
                      available, updated);
    } else {
        strbuf_truncate(out, 0);
        strbuf_printf(out, "deployment \"%s\" successfully rolled out", name);
        return 1;
    }
    return 0;
}

static int set_progress(yyjson_val *object, StrBuf *out)
{
    int64_t wanted = json_number(object, "/spec/replicas", 1),
            updated = N("/status/updatedReplicas"), ready = N("/status/readyReplicas");
    yyjson_val *partition = yyjson_ptr_get(object, "/spec/updateStrategy/rollingUpdate/partition");
    const char *update = json_text(object, "/status/updateRevision"),
               *current = json_text(object, "/status/currentRevision");

    if (!str_equal(json_text(object, "/spec/updateStrategy/type"), "RollingUpdate")) {
        strbuf_add_string(out, "rollout status is only available for RollingUpdate strategy type");
        return -1;
    }
    if (!N("/status/observedGeneration") ||
        N("/metadata/generation") > N("/status/observedGeneration")) {
        strbuf_add_string(out, "Waiting for statefulset spec update to be observed...");
    } else if (ready < wanted) {
        strbuf_printf(out, "Waiting for %" PRId64 " pods to be ready...", wanted - ready);
    } else if (partition && updated < wanted - yyjson_get_sint(partition)) {
        strbuf_printf(out,
                      "Waiting for partitioned roll out to finish: %" PRId64 " out of %" PRId64
                      " new pods have been updated...",
                      updated, wanted - yyjson_get_sint(partition));
    } else if (partition) {
        strbuf_printf(out,
                      "partitioned roll out complete: %" PRId64 " new pods have been updated...",
                      updated);
        return 1;
    } else if (!str_equal(update, current)) {
        strbuf_printf(out,
                      "waiting for statefulset rolling update to complete %" PRId64
                      " pods at revision %s...",
                      updated, update);
    } else {
        strbuf_printf(out, "statefulset rolling update complete %" PRId64 " pods at revision %s...",
                      N("/status/currentReplicas"), current);
        return 1;
    }
    return 0;
}

static int daemon_progress(yyjson_val *object, StrBuf *out)
{
    const char *name = json_text(object, "/metadata/name");
    int64_t wanted = N("/status/desiredNumberScheduled"),
            updated = N("/status/updatedNumberScheduled"), available = N("/status/numberAvailable");

    if (N("/metadata/generation") > N("/status/observedGeneration"))
        strbuf_add_string(out, "Waiting for daemon set spec update to be observed...");
    else if (updated < wanted)
        strbuf_printf(out,
                      "Waiting for daemon set \"%s\" rollout to finish: %" PRId64 " out of %" PRId64
                      " new pods have been updated...",
                      name, updated, wanted);
    else if (available < wanted)
        strbuf_printf(out,
                      "Waiting for daemon set \"%s\" rollout to finish: %" PRId64 " of %" PRId64
                      " updated pods are available...",
                      name, available, wanted);
    else {
        strbuf_printf(out, "daemon set \"%s\" successfully rolled out", name);
        return 1;
    }
    return 0;
}

int rollout_progress(yyjson_val *object, StrBuf *out)
{
    const char *kind = json_text(object, "/kind");

    if (str_equal(kind, "Deployment"))
        return deployment_progress(object, out);
    if (str_equal(kind, "StatefulSet"))
        return set_progress(object, out);
    if (str_equal(kind, "DaemonSet"))
        return daemon_progress(object, out);
    strbuf_printf(out, "no status viewer has been implemented for %s", kind);
    return -1;
}

/* ---- waiting ---- */

typedef struct Waiting {
    void (*say)(void *data, yyjson_val *object, const char *line);
    void *data;
    StrBuf last;
    int outcome;
    bool deleted;
} Waiting;

static bool on_change(void *data, const char *type, yyjson_val *object)
{
    Waiting *waiting = data;
    _strbuf_ StrBuf line = STRBUF_INIT;

    waiting->deleted = str_equal(type, "DELETED");
    if (waiting->deleted)
        return false;
    waiting->outcome = rollout_progress(object, &line);
    if (waiting->outcome >= 0 && !str_equal(line.p, strbuf_string(&waiting->last)))
        waiting->say(waiting->data, object, line.p);
    strbuf_truncate(&waiting->last, 0);
    strbuf_add(&waiting->last, line.p, line.n);
    return waiting->outcome == 0;
}

static WatchEnd look(Cluster *cluster, const Target *target, int64_t deadline_ns, Waiting *waiting)
{
    ClusterReply reply;

    if (target_get(cluster, target, &reply))
        return WATCH_FAILED;
    if (!on_change(waiting, "", reply.json))
        return WATCH_ENOUGH;
    return target_watch(cluster, target, reply.json, deadline_ns, on_change, waiting);
}

int rollout_wait(Cluster *cluster, const Target *target, int64_t deadline_ns,
                 void (*say)(void *data, yyjson_val *object, const char *line), void *data)
{
    Waiting waiting = {.say = say, .data = data};
    WatchEnd end;

    do
        end = look(cluster, target, deadline_ns, &waiting);
    while (end == WATCH_ENDED);
    if (end == WATCH_TIMED_OUT)
        fprintf(stderr, "error: timed out waiting for the condition\n");
    else if (waiting.deleted)
        fprintf(stderr, "error: object has been deleted\n");
    else if (end == WATCH_ENOUGH && waiting.outcome < 0)
        fprintf(stderr, "error: %s\n", strbuf_string(&waiting.last));
    strbuf_deinit(&waiting.last);
    return end != WATCH_ENOUGH || waiting.deleted || waiting.outcome < 0;
}
