/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which Events were recorded lately (to count them up) and the rate limit of each object are kept
 * in memory only, and at most REMEMBERED_MAX of each. A restart, or an overflow, forgets them; the
 * only consequence is a second Event with the same text.
 */
#include "api/object.h"
#include "api/schema/core_event_v1.h"
#include "api/schema/core_reference_v1.h"
#include "api/time.h"
#include "base/fnv.h"
#include "base/list.h"
#include "base/log.h"
#include "base/observe/metrics.h"
#include "base/strmap.h"
#include "view/events.h"

#define REMEMBERED_MAX 4096
#define SIMILAR_MAX 10
#define SIMILAR_NS (600 * NS_PER_SEC)
#define COMBINED "(combined from similar events): "
#define BUDGET 25
#define BUDGET_REFILL_NS (300 * NS_PER_SEC)

/* An Event that may be counted up. */
typedef struct Said {
    ListNode node; /* oldest first */
    char *key, *ns, *name;
    int32_t count;
} Said;

/* Events of one type and reason about one object, with different messages. */
typedef struct Similar {
    uint64_t messages[SIMILAR_MAX]; /* their hashes */
    size_t n;
    int64_t at_ns; /* of the newest one */
} Similar;

/* A token bucket. */
typedef struct Budget {
    double tokens;
    int64_t at_ns;
} Budget;

struct EventRecorder {
    Client *client;
    Clock *clock;
    char *component, *host;
    StrMap said;    /* uid, field, type, reason and message -> Said */
    StrMap budgets; /* uid -> Budget */
    StrMap similar; /* uid, type and reason -> Similar */
    ListNode order; /* of Said, the one recorded longest ago first */
    uint64_t last_suffix;
};

static void said_free(Said *said)
{
    list_remove(&said->node);
    free(said->key);
    free(said->ns);
    free(said->name);
    free(said);
}

EventRecorder *event_recorder_new(Client *client, Clock *clock, const char *component,
                                  const char *host)
{
    EventRecorder *recorder = mem_new_type(EventRecorder);

    recorder->client = client;
    recorder->clock = clock;
    recorder->component = mem_strdup(component);
    recorder->host = mem_strdup(host);
    list_init(&recorder->order);
    return recorder;
}

static void forget(StrMap *map)
{
    STRMAP_DEINIT_WITH(map, free);
    *map = STRMAP_INIT;
}

EventRecorder *event_recorder_free(EventRecorder *recorder)
{
    if (!recorder)
        return NULL;
    LIST_EACH_SAFE(&recorder->order, node)
        said_free(CONTAINER_OF(node, Said, node));
    strmap_deinit(&recorder->said);
    forget(&recorder->budgets);
    forget(&recorder->similar);
    free(recorder->component);
    free(recorder->host);
    free(recorder);
    return NULL;
}

static bool may_say(EventRecorder *recorder, const char *uid)
{
    int64_t now = clock_mono_ns(recorder->clock);
    Budget *budget = strmap_get(&recorder->budgets, uid);

    if (!budget) {
        if (recorder->budgets.n >= REMEMBERED_MAX)
            forget(&recorder->budgets);
        budget = mem_new_type(Budget);
        *budget = (Budget){.tokens = BUDGET, .at_ns = now};
        strmap_put(&recorder->budgets, uid, budget);
    }
    budget->tokens += (double)(now - budget->at_ns) / (double)BUDGET_REFILL_NS;
    budget->tokens = MIN_OF(budget->tokens, (double)BUDGET);
    budget->at_ns = now;
    if (budget->tokens < 1)
        return false;
    budget->tokens -= 1;
    return true;
}

/*
 * Whether the Event is one of so many similar ones, in a short time, that they are combined to a
 * single Event, which is counted up and has the newest message.
 */
static bool is_combined(EventRecorder *recorder, const char *key, const char *message)
{
    int64_t now = clock_mono_ns(recorder->clock);
    Similar *similar = strmap_get(&recorder->similar, key);
    uint64_t hash = fnv1a(FNV_START, message);
    size_t i = 0;

    if (!similar) {
        if (recorder->similar.n >= REMEMBERED_MAX)
            forget(&recorder->similar);
        similar = mem_new_type(Similar);
        strmap_put(&recorder->similar, key, similar);
    }
    if (now - similar->at_ns > SIMILAR_NS)
        similar->n = 0;
    similar->at_ns = now;
    while (i < similar->n && similar->messages[i] != hash)
        i++;
    if (i == similar->n) /* the last place is that of the newest message */
        similar->messages[similar->n++] = hash;
    if (similar->n < SIMILAR_MAX)
        return false;
    similar->n = SIMILAR_MAX - 1;
    return true;
}

/* Nobody waits for the answer, so a refusal must at least be logged. */
static void on_recorded(void *data _unused_, const ApiStatus *status, Object *object _unused_)
{
    if (status->reason == STATUS_OK || status->reason == STATUS_NOT_FOUND ||
        status->reason == STATUS_FORBIDDEN) /* the Event or its namespace is being deleted */
        return;
    metric_inc(metric_single(METRIC_EVENTS_DROPPED));
    log_limited(LOG_LEVEL_WARN, "events", "an Event could not be recorded: %s",
                str_or(status->message, "refused"));
}

/* message NULL: it stays. */
static void count_up(EventRecorder *recorder, Said *said, const Object *was, const char *message,
                     Time now)
{
    _object_ Object *object = object_copy(was);
    Event *event = OBJECT_AS(Event, object);

    event->metadata.resource_version = NULL; /* whichever version is there */
    event->count = ++said->count;
    event->last_timestamp = now;
    if (message)
        event->message = arena_strdup(&object->arena, message);
    client_update(recorder->client, object, NULL, on_recorded, NULL);
    list_remove(&said->node);
    list_append(&recorder->order, &said->node);
}

static void remember(EventRecorder *recorder, char *key, const ObjectMeta *event)
{
    Said *said = mem_new_type(Said);

    said->key = key;
    said->ns = mem_strdup(event->namespace);
    said->name = mem_strdup(event->name);
    said->count = 1;
    strmap_put(&recorder->said, key, said);
    list_append(&recorder->order, &said->node);
    if (recorder->said.n > REMEMBERED_MAX) {
        Said *oldest = CONTAINER_OF(recorder->order.next, Said, node);

        strmap_remove(&recorder->said, oldest->key);
        said_free(oldest);
    }
}

static Object *make_event(EventRecorder *recorder, const Object *about, const char *field_path,
                          const char *type, const char *reason, const char *message, Time now)
{
    const ObjectMeta *meta = object_meta(about);
    Object *object = object_new(&kind_event);
    Event *event = object->value;
    Arena *arena = &object->arena;
    uint64_t suffix = (uint64_t)clock_wall_ns(recorder->clock);

    /* Kubernetes names an Event after the object and the nanosecond. Two Events of the same
     * nanosecond must still have different names. */
    if (suffix <= recorder->last_suffix)
        suffix = recorder->last_suffix + 1;
    recorder->last_suffix = suffix;
    event->metadata.name = arena_printf(arena, "%s.%016" PRIx64, meta->name, suffix);
    event->metadata.namespace = arena_strdup(arena, str_or(meta->namespace, "default"));
    event->involved_object = (ObjectReference){
        .kind = about->kind->kind,
        .namespace = arena_strdup(arena, meta->namespace),
        .name = arena_strdup(arena, meta->name),
        .uid = arena_strdup(arena, meta->uid),
        .api_version = about->kind->api_version,
        .resource_version = arena_strdup(arena, meta->resource_version),
        .field_path = arena_strdup(arena, field_path),
    };
    event->reason = arena_strdup(arena, reason);
    event->message = arena_strdup(arena, message);
    event->type = arena_strdup(arena, type);
    event->source.component = event->reporting_component = arena_strdup(arena, recorder->component);
    event->source.host = event->reporting_instance = arena_strdup(arena, recorder->host);
    event->first_timestamp = event->last_timestamp = now;
    event->count = 1;
    return object;
}

static void record(EventRecorder *recorder, const Object *about, const char *field_path,
                   const char *type, const char *reason, const char *message)
{
    const ObjectMeta *meta = object_meta(about);
    Time now = time_seconds_from_ns(clock_wall_ns(recorder->clock));
    _free_ char *key = mem_printf("%s\n%s\n%s", meta->uid, type, reason), *text = NULL;
    bool combined = is_combined(recorder, key, message);
    _object_ Object *object = NULL;
    Object *was;
    Said *said;

    if (combined) {
        message = text = mem_printf(COMBINED "%s", message);
    } else {
        free(key);
        key = mem_printf("%s\n%s\n%s\n%s\n%s", meta->uid, str_or(field_path, ""), type, reason,
                         message);
    }
    said = strmap_get(&recorder->said, key);

    if (!may_say(recorder, str_or(meta->uid, meta->name))) {
        metric_inc(metric_single(METRIC_EVENTS_DROPPED));
        log_limited(LOG_LEVEL_WARN, "events", "too many Events about %s %s/%s; left out: %s: %s",
                    about->kind->kind, str_or(meta->namespace, ""), meta->name, reason, message);
        return;
    }
    was = said ? client_get(recorder->client, &kind_event, said->ns, said->name) : NULL;
    if (was) {
        count_up(recorder, said, was, combined ? message : NULL, now);
        return;
    }
    if (said) {
        strmap_remove(&recorder->said, key);
        said_free(said);
    }
    object = make_event(recorder, about, field_path, type, reason, message, now);
    remember(recorder, TAKE_PTR(key), object_meta(object));
    client_create(recorder->client, object, NULL, on_recorded, NULL);
}

void event_record_field(EventRecorder *recorder, const Object *about, const char *field_path,
                        const char *type, const char *reason, const char *format, ...)
{
    _arena_ Arena arena = ARENA_INIT;
    va_list args;
    const char *message;

    va_start(args, format);
    message = arena_vprintf(&arena, format, args);
    va_end(args);
    record(recorder, about, field_path, type, reason, message);
}

void event_record(EventRecorder *recorder, const Object *about, const char *type,
                  const char *reason, const char *format, ...)
{
    _arena_ Arena arena = ARENA_INIT;
    va_list args;
    const char *message;

    va_start(args, format);
    message = arena_vprintf(&arena, format, args);
    va_end(args);
    record(recorder, about, NULL, type, reason, message);
}
