/* SPDX-License-Identifier: Apache-2.0 */
/* The walk along the chain: see why.h. Each kind has a function of its own in KINDS. */
#include "why/why.h"

#include "api/meta.h"
#include "api/schema/apps_v1.h"
#include "api/schema/batch_v1.h"
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_replication_v1.h"
#include "api/schema/core_service_v1.h"
#include "api/schema/networking_v1.h"
#include "api/schema/policy_v1.h"
#include "api/time.h"
#include "why/internal.h"

/* ---- steps ---- */

void why_step(Why *why, const Kind *kind, const char *name, const char *reason, const char *message,
              const char *next)
{
    WhyStep step = {.object = WHY_TEXT(why, "%s/%s", kind->singular, name),
                    .reason = reason,
                    .message = message,
                    .next = next};

    ARENA_PUSH(why->arena, why->chain, step);
}

bool why_owned_by(const ObjectMeta *meta, const char *uid)
{
    const OwnerReference *owner = meta_controller(meta);

    return owner && str_equal(owner->uid, uid);
}

const void *why_need(Why *why, const Kind *kind, const char *ns, const char *name, const char *next)
{
    const void *value = NULL;

    switch (why->source->get(why->source->data, kind, ns, name, &value)) {
    case WHY_FOUND:
        return value;
    case WHY_MISSING:
        why_step(why, kind, name, "NotFound", WHY_TEXT(why, "the %s does not exist", kind->kind),
                 next);
        return NULL;
    case WHY_UNKNOWN:
        break;
    }
    return NULL;
}

WhyList why_list(Why *why, const Kind *kind, const char *ns, const Selector *selector)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    WhyList list = {0};

    if (selector && selector->nothing)
        return list;
    if (selector)
        selector_print(selector, &text);
    if (why->source->list(why->source->data, kind, ns,
                          text.n ? arena_strdup(why->arena, strbuf_string(&text)) : NULL,
                          &list) != WHY_FOUND)
        return (WhyList){0};
    return list;
}

static Time event_time(const Event *event)
{
    if (event->series && event->series->last_observed_time.set)
        return event->series->last_observed_time;
    return event->last_timestamp.set ? event->last_timestamp : event->event_time;
}

const Event *why_event(Why *why, const ObjectMeta *meta, const char *const *reasons)
{
    const Event *newest = NULL;
    WhyList events;

    if (why->source->events(why->source->data, meta->namespace, meta->uid, &events) != WHY_FOUND)
        return NULL;
    for (size_t i = 0; i < events.n; i++) {
        const Event *event = events.v[i];

        for (const char *const *reason = reasons; *reason; reason++)
            if (str_equal(event->reason, *reason) &&
                (!newest || time_ns(event_time(event)) >= time_ns(event_time(newest))))
                newest = event;
    }
    return newest;
}

bool why_follow_pods(Why *why, const WhyList *pods, const char *owner_uid)
{
    for (size_t i = 0; i < pods->n; i++) {
        const Pod *pod = pods->v[i];

        if ((!owner_uid || why_owned_by(&pod->metadata, owner_uid)) &&
            why_follow(why, &kind_pod, pod))
            return true;
    }
    return false;
}

const char *why_advice_for_refusal(const char *message)
{
    if (strstr(str_or(message, ""), "exceeded quota"))
        return "raise the ResourceQuota of the namespace, or ask for less";
    if (strstr(str_or(message, ""), "PodSecurity"))
        return "change the pod template to what the Pod Security level of the namespace allows";
    if (strstr(str_or(message, ""), "serviceaccount"))
        return "create the ServiceAccount, or name another one in the pod template";
    return "change the pod template so that the API server accepts it";
}

/* ---- what is the same for every kind ---- */

/* An object that is being deleted waits for its finalizers. Pods and namespaces say more themselves. */
static bool explain_deletion(Why *why, const Kind *kind, const ObjectMeta *meta)
{
    const char *first = meta->finalizers.n ? meta->finalizers.v[0] : NULL;

    if (!meta->deletion_timestamp.set || kind == &kind_pod || kind == &kind_namespace ||
        kind == &kind_persistent_volume_claim)
        return false;
    if (!first)
        why_step(why, kind, meta->name, "Terminating", "it is being deleted", NULL);
    else if (str_equal(first, "foregroundDeletion"))
        why_step(why, kind, meta->name, "Terminating",
                 "it is being deleted, after the objects that it owns",
                 "look at the objects whose ownerReferences name it; one of them has finalizers");
    else
        why_step(why, kind, meta->name, "Terminating",
                 WHY_TEXT(why, "it is being deleted, and waits for the removal of its finalizer %s",
                          first),
                 "the program that has set the finalizer removes it; if this program is gone for "
                 "good, remove the finalizer by kubectl edit");
    return true;
}

typedef void (*Explain)(Why *why, const void *value);

static const struct {
    const Kind *kind;
    Explain explain;
} KINDS[] = {
    {&kind_pod, why_pod},
    {&kind_persistent_volume_claim, why_claim},
    {&kind_stateful_set, why_stateful_set},
    {&kind_deployment, why_deployment},
    {&kind_replica_set, why_replica_set},
    {&kind_replication_controller, why_replication_controller},
    {&kind_daemon_set, why_daemon_set},
    {&kind_job, why_job},
    {&kind_service, why_service},
    {&kind_ingress, why_ingress},
    {&kind_node, why_node},
    {&kind_namespace, why_namespace},
    {&kind_pod_disruption_budget, why_budget},
};

bool why_follow(Why *why, const Kind *kind, const void *value)
{
    const ObjectMeta *meta = value; /* the first member of every kind */
    size_t before = why->chain->n;

    if (before >= WHY_STEPS_MAX)
        return false;
    if (explain_deletion(why, kind, meta))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(KINDS); i++)
        if (KINDS[i].kind == kind)
            KINDS[i].explain(why, value);
    return why->chain->n > before;
}

void why_explain(Arena *arena, const WhySource *source, int64_t now_ns, const Kind *kind,
                 const void *value, WhyChain *ret)
{
    Why why = {.arena = arena, .source = source, .now_ns = now_ns, .chain = ret};

    *ret = (WhyChain){0};
    why_follow(&why, kind, value);
}
