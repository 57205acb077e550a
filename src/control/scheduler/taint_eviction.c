/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evicts pods from a node that has a taint with the effect NoExecute, at once or when the time that
 * they tolerate it is over. The time begins when this controller first sees the pod and the taint
 * together, as under Kubernetes, and does not begin anew while there is a taint. A taint that is
 * removed in time cancels the eviction.
 */
#include "api/object.h"
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_scheduling_v1.h"
#include "base/strmap.h"
#include "control/controllers.h"
#include "control/scheduler/disrupt.h"
#include "control/scheduler/scheduler.h"
#include "view/pod.h"

typedef struct Evictions {
    StrMap since; /* key of a pod -> int64_t: when its eviction was decided */
} Evictions;

static bool has_taint(const Node *node)
{
    for (size_t i = 0; i < node->spec.taints.n; i++)
        if (str_equal(node->spec.taints.v[i].effect, "NoExecute"))
            return true;
    return false;
}

/* How long the pod bears the taints; -1: forever. */
static int64_t patience_ns(const Pod *pod, const Node *node)
{
    int64_t least = -1;

    for (size_t i = 0; i < node->spec.taints.n; i++) {
        const Taint *taint = &node->spec.taints.v[i];
        const Toleration *toleration;

        if (!str_equal(taint->effect, "NoExecute"))
            continue;
        toleration = schedule_toleration(pod, taint);
        if (!toleration)
            return 0;
        if (toleration->toleration_seconds) {
            int64_t ns = ns_from_seconds(MAX_OF(*toleration->toleration_seconds, 0));

            least = least < 0 ? ns : MIN_OF(least, ns);
        }
    }
    return least;
}

static void cancel(Reconcile *reconcile, const Object *pod)
{
    Evictions *evictions = reconcile->controller->data;
    int64_t *since = strmap_remove(&evictions->since, reconcile->key);

    if (since && pod && !pod_is_terminating(OBJECT_AS(Pod, pod)))
        event_record(reconcile->controller->events, pod, "Normal", "TaintManagerEviction",
                     "Cancelling deletion of Pod %s", reconcile->key);
    free(since);
}

static void evict(Reconcile *reconcile, const Object *object)
{
    event_record(reconcile->controller->events, object, "Normal", "TaintManagerEviction",
                 "Marking for deletion Pod %s", reconcile->key);
    schedule_disrupt(reconcile, object, "DeletionByTaintManager",
                     "Taint manager: deleting due to NoExecute taint");
}

static void reconcile_eviction(Reconcile *reconcile)
{
    Evictions *evictions = reconcile->controller->data;
    Object *object = reconcile_object(reconcile, &kind_pod);
    const Pod *pod = object ? OBJECT_AS(Pod, object) : NULL;
    Object *node = pod && !str_empty(pod->spec.node_name) && !pod_is_terminating(pod)
                       ? client_get(reconcile->client, &kind_node, NULL, pod->spec.node_name)
                       : NULL;
    int64_t patience = node ? patience_ns(pod, OBJECT_AS(Node, node)) : -1, left;
    int64_t now = clock_mono_ns(reconcile->controller->options->clock), *since;

    if (patience < 0) {
        cancel(reconcile, object);
        reconcile_end(reconcile);
        return;
    }
    since = strmap_get(&evictions->since, reconcile->key);
    if (!since) {
        since = mem_new_type(int64_t);
        *since = now;
        strmap_put(&evictions->since, reconcile->key, since);
    }
    left = *since + patience - now;
    if (left > 0)
        reconcile->again_after_ns = left;
    else
        evict(reconcile, object);
    reconcile_then(reconcile, reconcile_end);
}

/* ---- events ---- */

static void on_pod(Controller *controller, const WatchEvent *event)
{
    const Pod *pod = OBJECT_AS(Pod, event->object);
    Evictions *evictions = controller->data;
    Object *node;
    _free_ char *key = NULL;

    if (str_empty(pod->spec.node_name))
        return;
    key = mem_printf("%s/%s", pod->metadata.namespace, pod->metadata.name);
    node = client_get(controller->client, &kind_node, NULL, pod->spec.node_name);
    if ((node && has_taint(OBJECT_AS(Node, node))) || strmap_get(&evictions->since, key))
        workqueue_add(controller->queue, key);
}

static void enqueue_pod(void *data, Object *object)
{
    if (!str_empty(OBJECT_AS(Pod, object)->spec.node_name))
        controller_enqueue_found(data, object);
}

static void on_node(Controller *controller, const WatchEvent *event)
{
    bool now = event->type != WATCH_DELETED && has_taint(OBJECT_AS(Node, event->object));
    bool before = event->before && has_taint(OBJECT_AS(Node, event->before));

    if ((now || before) &&
        !(event->before && type_equal(&type_NodeSpec, &OBJECT_AS(Node, event->object)->spec,
                                      &OBJECT_AS(Node, event->before)->spec)))
        object_index_each(controller_index(controller, &kind_pod), "l/", enqueue_pod, controller);
}

static void start(Controller *controller)
{
    controller->data = mem_new_type(Evictions);
    controller_index(controller, &kind_pod);
    controller_watch(controller, &kind_node, on_node);
    controller_watch(controller, &kind_pod, on_pod);
}

static void stop(Controller *controller)
{
    Evictions *evictions = controller->data;

    STRMAP_DEINIT_WITH(&evictions->since, free);
    free(evictions);
}

const ControllerOps taint_eviction_controller = {
    .name = "taint-eviction",
    .component = "taint-eviction-controller",
    .start = start,
    .reconcile = reconcile_eviction,
    .stop = stop,
};
