/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An annotation of a namespace can say on which nodes its pods run: its labels become part of the node
 * selector of each new pod, and a pod that asks for other values is refused.
 */
#include "api/object.h"
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/text_check.h"
#include "base/strbuf.h"
#include "server/admission/admission.h"

#define ANNOTATION "scheduler.alpha.kubernetes.io/node-selector"

static char *trimmed(Arena *arena, const char *s, size_t n)
{
    while (n && (*s == ' ' || *s == '\t' || *s == '\n' || *s == '\r'))
        s++, n--;
    while (n && (s[n - 1] == ' ' || s[n - 1] == '\t' || s[n - 1] == '\n' || s[n - 1] == '\r'))
        n--;
    return arena_strndup(arena, s, n);
}

/* All refusals of the annotation are in the words of Kubernetes, which does not expect them itself. */
static int refuse_label(Write *write, const char *text, size_t n)
{
    char *parts = arena_strndup(&write->arena, text, n);

    for (char *c = parts; *c; c++)
        if (*c == '=')
            *c = ' '; /* as Go prints a list */
    return status_set(&write->status, &write->arena, STATUS_UNKNOWN, "invalid selector: [%s]",
                      parts);
}

static int refuse_text(Write *write, const char *text, Faults faults)
{
    _strbuf_ StrBuf all = STRBUF_INIT;

    for (size_t i = 0; i < faults.n; i++)
        strbuf_printf(&all, "%s%s", i ? "; " : "", faults.v[i]);
    return status_set(&write->status, &write->arena, STATUS_UNKNOWN,
                      "<nil>: Invalid value: \"%s\": %s", text, strbuf_string(&all));
}

/* One "key=value" of n bytes. Returns 0 or the reason. */
static int read_label(Write *write, const char *text, size_t n, StringMap *ret)
{
    Arena *arena = &write->object->arena;
    const char *equals = memchr(text, '=', n);
    const char *key, *value;

    if (!equals || memchr(equals + 1, '=', n - (size_t)(equals + 1 - text)))
        return refuse_label(write, text, n);
    key = trimmed(arena, text, (size_t)(equals - text));
    value = trimmed(arena, equals + 1, n - (size_t)(equals + 1 - text));
    if (check_qualified_name(key).n)
        return refuse_text(write, key, check_qualified_name(key));
    if (check_label_value(value).n)
        return refuse_text(write, value, check_label_value(value));
    string_map_put(arena, ret, key, value);
    return 0;
}

static int read_labels(Write *write, const char *text, StringMap *ret)
{
    for (;;) {
        size_t n = strcspn(text, ",");
        int r = read_label(write, text, n, ret);

        if (r || !text[n])
            return r;
        text += n + 1;
    }
}

int node_selector_admit(Write *write)
{
    Object *ns = store_head(write->server->store, &kind_namespace, NULL, write->ns);
    const char *text = ns ? string_map_get(&object_meta(ns)->annotations, ANNOTATION) : NULL;
    StringMap *own = &OBJECT_AS(Pod, write->object)->spec.node_selector;
    StringMap labels = {0};
    int r;

    if (str_empty(text))
        return 0;
    r = read_labels(write, text, &labels);
    if (r)
        return r;
    for (size_t i = 0; i < labels.n; i++) {
        const char *value = string_map_get(own, labels.v[i].key);

        if (value && !str_equal(value, labels.v[i].value))
            return status_forbidden(&write->status, &write->arena, write->kind, write->name,
                                    "pod node label selector conflicts with its namespace node "
                                    "label selector");
    }
    string_map_fill(&write->object->arena, own, &labels);
    return 0;
}
