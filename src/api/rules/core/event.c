/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of Events. */
#include "api/object.h"
#include "api/print.h"
#include "api/schema/core_event_v1.h"
#include "api/schema/core_reference_v1.h"
#include "api/validate/validate.h"

static void at_most(const char *s, size_t max, const char *field, Causes *causes)
{
    if (s && strlen(s) > max)
        causes_invalid_string(causes, field, "",
                              arena_printf(causes->arena, "can have at most %zu characters", max));
}

/* Events with an eventTime follow the newer rules. */
static void validate_new_event(const Event *event, Causes *causes)
{
    if (str_empty(event->involved_object.namespace) &&
        !str_equal(event->metadata.namespace, "default") &&
        !str_equal(event->metadata.namespace, "kube-system"))
        causes_invalid_string(causes, "involvedObject.namespace", "",
                              "does not match event.namespace");
    if (str_empty(event->reporting_component))
        causes_required(causes, "reportingComponent", NULL);
    faults_add(check_qualified_name(event->reporting_component), "reportingComponent",
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

static void validate_event(const void *value, const void *before _unused_, Causes *causes)
{
    const Event *event = value;
    const char *namespace = event->involved_object.namespace;

    if (event->event_time.set) {
        validate_new_event(event, causes);
        return;
    }
    if (str_empty(namespace) ? !str_equal(event->metadata.namespace, "default")
                             : !str_equal(event->metadata.namespace, namespace))
        causes_invalid_string(causes, "involvedObject.namespace", namespace,
                              "does not match event.namespace");
}

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
