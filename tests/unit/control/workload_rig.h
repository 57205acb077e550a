/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node for the controllers under test: it lets pods start, end and go, as a kubelet reports it.
 */
#ifndef TESTS_UNIT_CONTROL_WORKLOAD_RIG_H
#define TESTS_UNIT_CONTROL_WORKLOAD_RIG_H

#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_event_v1.h"
#include "api/schema/core_pod_v1.h"
#include "control_rig.h"

static inline void patch(Rig *rig, const Kind *kind, const char *name, const char *text)
{
    char *json = arena_strdup(&rig->arena, text);

    for (char *c = json; *c; c++)
        if (*c == '\'')
            *c = '"';
    client_patch(rig->client, kind, "default", name, PATCH_MERGE, bytes_from_string(json), NULL,
                 on_written, rig);
    settle(rig);
    assert_int_equal(rig->last, STATUS_OK);
}

typedef struct Found {
    Object *v[64];
    size_t n;
} Found;

static inline bool on_found(void *data, Object *object)
{
    Found *found = data;

    assert_true(found->n < ARRAY_LEN(found->v));
    found->v[found->n++] = object_ref(object);
    return true;
}

/* All objects of the kind in the namespace "default"; drop() gives them back. */
static inline Found find(Rig *rig, const Kind *kind)
{
    Found found = {.n = 0};

    client_list(rig->client, kind, &(ListOptions){.ns = "default"}, on_found, &found);
    return found;
}

static inline void drop(Found *found)
{
    for (size_t i = 0; i < found->n; i++)
        object_unref(found->v[i]);
    found->n = 0;
}

static inline size_t count_of(Rig *rig, const Kind *kind)
{
    Found found = find(rig, kind);
    size_t n = found.n;

    drop(&found);
    return n;
}

/* The only object of the kind; it stays valid until the loop runs again. */
static inline Object *only(Rig *rig, const Kind *kind)
{
    Found found = find(rig, kind);
    Object *object = found.v[0];

    assert_int_equal(found.n, 1);
    drop(&found);
    return object;
}

static inline const char *name_of(Rig *rig, const Object *object)
{
    return arena_strdup(&rig->arena, object_meta(object)->name);
}

static inline void set_pod(Rig *rig, const char *name, const char *phase, bool ready)
{
    write_status(rig, &kind_pod, "default", name,
                 arena_printf(&rig->arena,
                              "{'phase':'%s','podIP':'10.42.0.9','podIPs':[{'ip':'10.42.0.9'}],"
                              "'conditions':[{'type':'Ready','status':'%s','lastTransitionTime':"
                              "'2023-11-14T22:13:20Z'}]}",
                              phase, ready ? "True" : "False"));
}

/* One step of the node: the first pod that has something to do does it. False: none has. */
static inline bool node_step(Rig *rig)
{
    Found pods = find(rig, &kind_pod);
    const char *start = NULL, *end = NULL;

    for (size_t i = 0; i < pods.n && !start && !end; i++) {
        const Pod *pod = OBJECT_AS(Pod, pods.v[i]);

        if (pod->metadata.deletion_timestamp.set)
            end = name_of(rig, pods.v[i]);
        else if (!str_empty(pod->spec.node_name) && str_equal(pod->status.phase, "Pending"))
            start = name_of(rig, pods.v[i]);
    }
    drop(&pods);
    if (end) {
        client_delete(rig->client, &kind_pod, "default", end,
                      &(WriteOptions){.grace_seconds = &(int64_t){0}}, on_written, rig);
        settle(rig);
    } else if (start) {
        set_pod(rig, start, "Running", true);
    }
    return start || end;
}

static inline void run_node(Rig *rig)
{
    for (int i = 0; i < 60 && node_step(rig); i++)
        ;
    assert_false(node_step(rig));
}

typedef struct EventSearch {
    const char *reason;
    Arena *arena;
    const char *message;
} EventSearch;

static inline bool on_some_event(void *data, Object *object)
{
    EventSearch *search = data;
    const Event *event = OBJECT_AS(Event, object);

    if (str_equal(event->reason, search->reason))
        search->message = arena_strdup(search->arena, event->message);
    return true;
}

/* The message of the last Event with the reason, or "none". */
static inline const char *event_message(Rig *rig, const char *reason)
{
    EventSearch search = {reason, &rig->arena, "none"};

    client_list(rig->client, &kind_event, NULL, on_some_event, &search);
    return search.message;
}

static inline int setup_with_node(void **state)
{
    int r = setup(state);

    if (r == 0)
        create(*state, &kind_node,
               "{'metadata':{'name':'n','labels':{'disk':'ssd','kubernetes.io/hostname':'n'}}}");
    return r;
}

#endif
