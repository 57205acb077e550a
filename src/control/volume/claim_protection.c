/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps claims that are in use. Each claim has the finalizer kubernetes.io/pvc-protection. It is
 * removed when the claim is being deleted and no pod on a node uses it any more. Pods that are not
 * scheduled yet, that have ended, or that only a finalizer keeps do not count: the latter might be
 * waiting for this very claim.
 */
#include "api/object.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_volume_v1.h"
#include "control/controllers.h"
#include "control/volume/volume.h"
#include "view/pod.h"

/* Whether the node has shut the pod down. */
static bool is_shut_down(const Pod *pod)
{
    const int64_t *grace = pod->metadata.deletion_grace_period_seconds;

    return pod_has_ended(pod) || (pod_is_terminating(pod) && grace && *grace == 0);
}

static void look_for_user(void *data, Object *object)
{
    const Pod *pod = OBJECT_AS(Pod, object);
    bool *used = data;

    *used |= !str_empty(pod->spec.node_name) && !is_shut_down(pod);
}

static bool in_use(Reconcile *reconcile)
{
    _free_ char *key = mem_printf("v/%s/%s", reconcile->ns, reconcile->name);
    bool used = false;

    object_index_each(controller_index(reconcile->controller, &kind_pod), key, look_for_user,
                      &used);
    return used;
}

static void set_finalizer(Reconcile *reconcile, const Object *object, bool wanted)
{
    Object *copy = object_copy(object);

    if (wanted)
        meta_add_finalizer(&copy->arena, object_meta(copy), CLAIM_PROTECTION);
    else
        meta_remove_finalizer(object_meta(copy), CLAIM_PROTECTION);
    reconcile_update(reconcile, copy, NULL, NULL, NULL);
}

static void reconcile_claim(Reconcile *reconcile)
{
    Object *object = reconcile_object(reconcile, &kind_persistent_volume_claim);
    const ObjectMeta *meta = object ? object_meta(object) : NULL;
    bool protected = meta && meta_has_finalizer(meta, CLAIM_PROTECTION);

    if (meta && !meta->deletion_timestamp.set && !protected)
        set_finalizer(reconcile, object, true);
    else if (protected && meta->deletion_timestamp.set && !in_use(reconcile))
        set_finalizer(reconcile, object, false);
    reconcile_then(reconcile, reconcile_end);
}

static void on_claim(Controller *controller, const WatchEvent *event)
{
    const ObjectMeta *meta = object_meta(event->object);

    if (event->type != WATCH_DELETED &&
        (meta->deletion_timestamp.set || !meta_has_finalizer(meta, CLAIM_PROTECTION)))
        controller_enqueue_self(controller, event);
}

/* A pod that has ended or is gone may have been the last user of its claims. */
static void on_pod(Controller *controller, const WatchEvent *event)
{
    const Pod *pod = OBJECT_AS(Pod, event->object);

    if (event->type != WATCH_DELETED && !is_shut_down(pod))
        return;
    for (size_t i = 0; i < pod->spec.volumes.n; i++)
        controller_enqueue(controller, pod->metadata.namespace,
                           volume_claim_name(&pod->spec.volumes.v[i]));
}

static void start(Controller *controller)
{
    controller_watch(controller, &kind_persistent_volume_claim, on_claim);
    controller_watch(controller, &kind_pod, on_pod);
    controller_index(controller, &kind_pod);
}

const ControllerOps claim_protect_controller = {
    .name = "claim-protection",
    .component = "pvc-protection-controller",
    .start = start,
    .reconcile = reconcile_claim,
};
