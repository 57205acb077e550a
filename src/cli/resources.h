/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of a cluster, from its aggregated discovery, and the objects that the words of a command line refer to: "po,sts",
 * "pod web-0", "sts/web", "statefulsets.apps", "all".
 */
#ifndef CLI_RESOURCES_H
#define CLI_RESOURCES_H

#include "base/vec.h"
#include "cli/cluster.h"

typedef struct Resource {
    const char *group, *version, *plural, *singular, *kind; /* group "": the core group */
    StringArray short_names, categories;
    bool namespaced;
} Resource;

struct Resources {
    VEC(Resource *) list; /* in the order of the server */
    const char *warned;   /* the short name of which a warning was given */
};

/* Loads the kinds unless they are loaded already. Returns 0, or 1 after printing a message. */
int resources_load(Cluster *cluster);
/* Drops the kinds, so that the next resources_load finds new ones. cluster_close does this, too. */
void resources_forget(Cluster *cluster);
/* Finds a kind by "po", "pods", "pod", "Pod", "sts.apps" or "statefulsets.v1.apps". NULL: there is no such kind. */
const Resource *resources_find(const Cluster *cluster, const char *word);
/* Finds a kind by "apps/v1" and "StatefulSet". NULL: there is no such kind. */
const Resource *resources_by_kind(const Cluster *cluster, const char *api_version,
                                  const char *kind);

/* "apps/v1" */
const char *resource_api_version(Arena *arena, const Resource *resource);
/* "statefulset.apps", "pod" */
const char *resource_label(Arena *arena, const Resource *resource);
/* Appends "/apis/apps/v1/namespaces/NS/statefulsets/NAME/SUB". An empty ns means all namespaces; name and sub may be NULL. */
void resource_path(StrBuf *out, const Resource *resource, const char *ns, const char *name,
                   const char *sub);

/* An object, or all objects of a kind, that a command works on. */
typedef struct Target {
    const Resource *resource;
    const char *ns;   /* "": all namespaces, or the kind has none */
    const char *name; /* NULL: all objects of the kind */
} Target;

typedef VEC(Target) Targets;

/* Converts the words of a command line. Returns 0, or an exit code after printing a message. */
int targets_parse(Cluster *cluster, const char *const *words, size_t n, Targets *ret);
/* Converts one word "KIND/NAME", or "NAME" of the given kind (NULL: pods). Returns 0, or an exit code after printing a message. */
int target_from_word(Cluster *cluster, const char *word, const char *kind, Target *ret);
/* Gets the object. Returns 0, or 1 after printing a message. */
int target_get(Cluster *cluster, const Target *target, ClusterReply *ret);
/* Watches the one object that the target names, from this version of it on, and calls on_event with each change until that
 * returns false. `deadline_ns` is a time of uv_hrtime; 0: the watch never times out. */
WatchEnd target_watch(Cluster *cluster, const Target *target, yyjson_val *object,
                      int64_t deadline_ns,
                      bool (*on_event)(void *data, const char *type, yyjson_val *object),
                      void *data);
/* Gets a pod of the target: the pod itself, or one that the selector of the object matches, preferably one that is ready, and the
 * number of pods to choose from. Returns 0, or 1 after printing a message. */
int target_pod(Cluster *cluster, const Target *target, yyjson_val **ret, size_t *ret_of);
/* The selector of a workload or a Service as "a=b,c=d"; "": it has none. */
const char *object_selector(Arena *arena, yyjson_val *object);

#endif
