/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of Events, in the form of the core group and in that of events.k8s.io. */
#include "api/object.h"
#include "api/print.h"
#include "api/schema/core_event_v1.h"
#include "api/schema/core_reference_v1.h"
#include "api/schema/events_v1.h"
#include "api/validate/validate.h"

static void at_most(const char *s, size_t max, const char *field, Causes *causes)
{
    if (s && strlen(s) > max)
        causes_invalid_string(causes, field, "",
                              arena_printf(causes->arena, "can have at most %zu characters", max));
}

/* Events with an eventTime follow the newer rules. `reporter` is the name of reportingComponent. */
static void validate_new_event(const Event *event, const char *reporter, Causes *causes)
{
    if (str_empty(event->involved_object.namespace) &&
        !str_equal(event->metadata.namespace, "default") &&
        !str_equal(event->metadata.namespace, "kube-system"))
        causes_invalid_string(causes, "involvedObject.namespace", "",
                              "does not match event.namespace");
    if (str_empty(event->reporting_component))
        causes_required(causes, reporter, NULL);
    faults_add(check_qualified_name(event->reporting_component), reporter,
               event->reporting_component, causes);
    if (str_empty(event->reporting_instance))
        causes_required(causes, "reportingInstance", NULL);
    at_most(event->reporting_instance, 128, "reportingInstance", causes);
    if (str_empty(event->action))
        causes_required(causes, "action", NULL);
    at_most(event->action, 128, "action", causes);
    if (str_empty(event->reason))
        causes_required(causes, "reason", NULL);
    at_most(event->reason, 128, "reason", causes);
    at_most(event->message, 1024, "message", causes);
}

static void validate_any(const Event *event, const char *reporter, Causes *causes)
{
    const char *namespace = event->involved_object.namespace;

    if (event->event_time.set) {
        validate_new_event(event, reporter, causes);
        return;
    }
    if (str_empty(namespace) ? !str_equal(event->metadata.namespace, "default")
                             : !str_equal(event->metadata.namespace, namespace))
        causes_invalid_string(causes, "involvedObject.namespace", namespace,
                              "does not match event.namespace");
}

static void validate_event(const void *value, const void *before _unused_, Causes *causes)
{
    validate_any(value, "reportingComponent", causes);
}

/* ---- events.k8s.io ---- */

static void events_to_stored(Arena *arena, const void *value, void *ret)
{
    const EventsEvent *from = value;
    Event *to = ret;

    *to = (Event){
        .metadata = from->metadata,
        .event_time = from->event_time,
        .reporting_component = from->reporting_controller,
        .reporting_instance = from->reporting_instance,
        .action = from->action,
        .reason = from->reason,
        .involved_object = from->regarding,
        .related = from->related,
        .message = from->note,
        .type = from->type,
        .source = from->deprecated_source,
        .first_timestamp = from->deprecated_first_timestamp,
        .last_timestamp = from->deprecated_last_timestamp,
        .count = from->deprecated_count,
    };
    if (!from->series)
        return;
    to->series = arena_new(arena, EventSeries);
    to->series->count = from->series->count;
    to->series->last_observed_time = from->series->last_observed_time;
}

static void events_from_stored(Arena *arena, const void *stored, void *ret)
{
    const Event *from = stored;
    EventsEvent *to = ret;

    *to = (EventsEvent){
        .metadata = from->metadata,
        .event_time = from->event_time,
        .reporting_controller = from->reporting_component,
        .reporting_instance = from->reporting_instance,
        .action = from->action,
        .reason = from->reason,
        .regarding = from->involved_object,
        .related = from->related,
        .note = from->message,
        .type = from->type,
        .deprecated_source = from->source,
        .deprecated_first_timestamp = from->first_timestamp,
        .deprecated_last_timestamp = from->last_timestamp,
        .deprecated_count = from->count,
    };
    if (!from->series)
        return;
    to->series = arena_new(arena, EventsEventSeries);
    to->series->count = from->series->count;
    to->series->last_observed_time = from->series->last_observed_time;
}

static void validate_series(const EventSeries *series, Causes *causes)
{
    if (!series)
        return;
    if (series->count < 2)
        causes_invalid_string(causes, "series.count", "", "should be at least 2");
    if (!series->last_observed_time.set)
        causes_required(causes, "series.lastObservedTime", NULL);
}

static void must_be_unset(bool set, const char *field, Causes *causes)
{
    if (set)
        causes_invalid_string(causes, field, "", "needs to be unset");
}

static void validate_new(const Event *event, Causes *causes)
{
    validate_series(event->series, causes);
    if (!event->event_time.set)
        causes_required(causes, "eventTime", NULL);
    if (!str_equal(event->type, "Normal") && !str_equal(event->type, "Warning"))
        causes_invalid_string(
            causes, "type", "",
            arena_printf(causes->arena, "has invalid value: %s", str_or(event->type, "")));
    must_be_unset(event->first_timestamp.set, "firstTimestamp", causes);
    must_be_unset(event->last_timestamp.set, "lastTimestamp", causes);
    must_be_unset(event->count != 0, "count", causes);
    must_be_unset(!str_empty(event->source.component) || !str_empty(event->source.host), "source",
                  causes);
}

/* The field of the core group, and what a refusal calls it. */
static void keep(const Event *now, const Event *before, const char *name, const char *called,
                 Causes *causes)
{
    const Field *field = type_member(&type_Event, name);

    validate_immutable(field, field_at(now, field), field_at(before, field), called, causes);
}

/* An Event may only be counted up. */
static void validate_change(const Event *now, const Event *before, Causes *causes)
{
    static const char *const kept[] = {
        "involvedObject", "reason", "message",   "source", "firstTimestamp", "lastTimestamp",
        "count",          "type",   "eventTime", "action", "related",        "reportingInstance"};
    const Field *series = type_member(&type_Event, "series");

    if (!type_field_equal(series, &now->series, &before->series))
        validate_series(now->series, causes);
    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        keep(now, before, kept[i], kept[i], causes);
    keep(now, before, "reportingComponent", "reportingController", causes);
}

static void validate_events_event(const void *value, const void *old, Causes *causes)
{
    Event event, before;

    events_to_stored(causes->arena, value, &event);
    validate_any(&event, "reportingController", causes);
    if (!old) {
        validate_new(&event, causes);
        return;
    }
    events_to_stored(causes->arena, old, &before);
    validate_change(&event, &before, causes);
}

/* ---- rows ---- */

static void cell_event_object(StrBuf *row, const ObjectReference *object)
{
    _free_ char *kind = mem_strdup(str_or(object->kind, ""));

    for (char *c = kind; *c; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
    if (str_empty(object->name))
        cell_string(row, kind);
    else
        cell_printf(row, "%s/%s", kind, object->name);
}

static void cell_trimmed(StrBuf *row, const char *s)
{
    size_t n;

    s = str_or(s, "");
    s += strspn(s, " \t\r\n");
    n = strlen(s);
    while (n && strchr(" \t\r\n", s[n - 1]))
        n--;
    cell_printf(row, "%.*s", (int)n, s);
}

static void print_event(const void *value, int64_t now_ns, StrBuf *row)
{
    const Event *event = value;
    Time first = event->first_timestamp.set ? event->first_timestamp : event->event_time;
    Time last = event->last_timestamp.set ? event->last_timestamp : first;
    const char *component = str_or(event->source.component, event->reporting_component);
    const char *host = str_or(event->source.host, event->reporting_instance);
    int32_t count = event->count ? event->count : 1;

    if (event->series) {
        last = event->series->last_observed_time;
        count = event->series->count;
    }
    cell_age(row, last, now_ns);
    cell_string(row, event->type);
    cell_string(row, event->reason);
    cell_event_object(row, &event->involved_object);
    cell_string(row, event->involved_object.field_path);
    if (str_empty(host))
        cell_string(row, component);
    else
        cell_printf(row, "%s, %s", str_or(component, ""), host);
    cell_trimmed(row, event->message);
    cell_age(row, first, now_ns);
    cell_int64(row, count);
    cell_string(row, event->metadata.name);
}

const KindRules rules_event = {
    .validate = validate_event,
    .print = print_event,
};

static void print_events_event(const void *value, int64_t now_ns, StrBuf *row)
{
    _arena_ Arena arena = ARENA_INIT;
    Event event;

    events_to_stored(&arena, value, &event);
    print_event(&event, now_ns, row);
}

const KindRules rules_events_event = {
    .validate = validate_events_event,
    .print = print_events_event,
};

const KindForm form_events_event = {
    .stored = &kind_event,
    .to_stored = events_to_stored,
    .from_stored = events_from_stored,
};
