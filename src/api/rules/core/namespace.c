/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of Namespaces. */
#include "api/object.h"
#include "api/print.h"
#include "api/schema/core_cluster_v1.h"
#include "api/validate/validate.h"

#define NAME_LABEL "kubernetes.io/metadata.name"

static bool has_string(const StringArray *strings, const char *s)
{
    for (size_t i = 0; i < strings->n; i++)
        if (str_equal(strings->v[i], s))
            return true;
    return false;
}

/* The label lets selectors select a namespace by its name. */
static void complete_namespace(Arena *arena, void *value)
{
    ObjectMeta *meta = &((Namespace *)value)->metadata;

    if (!str_empty(meta->name))
        string_map_put(arena, &meta->labels, NAME_LABEL, meta->name);
}

static void prepare_namespace(Arena *arena, void *value, const void *before)
{
    Namespace *namespace = value;
    StringArray *finalizers = &namespace->spec.finalizers;

    complete_namespace(arena, value); /* the name may have been made up since */
    if (before)
        return;
    namespace->status = (NamespaceStatus){.phase = "Active"};
    if (!has_string(finalizers, "kubernetes"))
        ARENA_APPEND(arena, finalizers, "kubernetes");
}

static void validate_namespace(const void *value, const void *before _unused_, Causes *causes)
{
    static const char *const standard[] = {"kubernetes", "orphan", "foregroundDeletion", NULL};
    const StringArray *finalizers = &((const Namespace *)value)->spec.finalizers;

    for (size_t i = 0; i < finalizers->n; i++) {
        faults_add(check_qualified_name(finalizers->v[i]), "spec.finalizers", finalizers->v[i],
                   causes);
        if (!strchr(finalizers->v[i], '/') && !name_is_one_of(finalizers->v[i], standard))
            causes_invalid_string(
                causes, "spec.finalizers", finalizers->v[i],
                "name is neither a standard finalizer name nor is it fully qualified");
    }
}

static void validate_namespace_status(const void *value, const void *before _unused_,
                                      Causes *causes)
{
    const Namespace *namespace = value;
    bool deleted = namespace->metadata.deletion_timestamp.set;

    if (!deleted && !str_equal(namespace->status.phase, "Active"))
        causes_invalid_string(causes, "status.Phase", namespace->status.phase,
                              "may only be 'Active' if `deletionTimestamp` is empty");
    if (deleted && !str_equal(namespace->status.phase, "Terminating"))
        causes_invalid_string(causes, "status.Phase", namespace->status.phase,
                              "may only be 'Terminating' if `deletionTimestamp` is not empty");
}

static void print_namespace(const void *value, int64_t now_ns, StrBuf *row)
{
    const Namespace *namespace = value;

    cell_string(row, namespace->metadata.name);
    cell_string(row, namespace->status.phase);
    cell_age(row, namespace->metadata.creation_timestamp, now_ns);
}

const KindRules rules_namespace = {
    .complete = complete_namespace,
    .prepare = prepare_namespace,
    .validate = validate_namespace,
    .validate_status = validate_namespace_status,
    .print = print_namespace,
};
