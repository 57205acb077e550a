/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deletes Events an hour after they were last seen, so that the state stays small. It deletes in
 * batches, up to five minutes late, so that a quiet cluster does not write for each Event.
 */
#include "api/object.h"
#include "api/schema/core_event_v1.h"
#include "control/controllers.h"
#include "view/pod.h"

#define LIFE_NS (3600 * NS_PER_SEC)
#define BATCH_NS (300 * NS_PER_SEC)

static int64_t last_seen(const Object *object)
{
    const Event *event = OBJECT_AS(Event, object);

    if (event->last_timestamp.set)
        return time_ns(event->last_timestamp);
    if (event->series && event->series->last_observed_time.set)
        return time_ns(event->series->last_observed_time);
    return event->event_time.set ? time_ns(event->event_time)
                                 : time_ns(event->metadata.creation_timestamp);
}

static void reconcile_events(Reconcile *reconcile)
{
    int64_t now = reconcile_now_ns(reconcile), oldest = INT64_MAX;
    ObjectList events = control_list(reconcile->client, &reconcile->arena, &kind_event, NULL);

    for (size_t i = 0; i < events.n; i++) {
        int64_t seen = last_seen(events.v[i]);

        if (seen + LIFE_NS <= now)
            reconcile_delete(reconcile, events.v[i], NULL, NULL, NULL);
        else if (seen < oldest)
            oldest = seen;
    }
    if (oldest != INT64_MAX)
        reconcile->again_after_ns = oldest + LIFE_NS + BATCH_NS - now;
    reconcile_then(reconcile, reconcile_end);
}

/* Only a new Event schedules a run. If it is seen again later, that run comes too early and schedules
 * the next one. */
static void on_event(Controller *controller, const WatchEvent *event)
{
    if (event->type == WATCH_ADDED)
        workqueue_add_after(controller->queue, "events", LIFE_NS + BATCH_NS);
}

static void start(Controller *controller)
{
    controller_watch(controller, &kind_event, on_event);
    workqueue_add(controller->queue, "events");
}

const ControllerOps event_expiry_controller = {
    .name = "event-expiry",
    .component = "event-expiry-controller",
    .start = start,
    .reconcile = reconcile_events,
};
