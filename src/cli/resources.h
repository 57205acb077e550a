/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What kinds a cluster has, by its aggregated discovery, and what the words of a command line mean:
 * "po,sts", "pod web-0", "sts/web", "statefulsets.apps", "all".
 */
#ifndef CLI_RESOURCES_H
#define CLI_RESOURCES_H

#include "base/vec.h"
#include "cli/cluster.h"

typedef struct Resource {
    const char *group, *version, *plural, *singular, *kind; /* group "": core */
    StringArray short_names, categories;
    bool namespaced;
} Resource;

struct Resources {
    VEC(Resource *) list; /* in the server's order */
};

/* Asks the server, once; 0, or 1 after a message. */
int resources_load(Cluster *cluster);
/* Forgets, so that kinds made since are found. */
void resources_forget(Cluster *cluster);
/* "po", "pods", "pod", "Pod", "sts.apps", "statefulsets.v1.apps"; NULL: no such. */
const Resource *resources_find(const Cluster *cluster, const char *word);
/* Of "apps/v1" and "StatefulSet". */
const Resource *resources_by_kind(const Cluster *cluster, const char *api_version,
                                  const char *kind);

/* "apps/v1" */
const char *resource_api_version(Arena *arena, const Resource *resource);
/* "statefulset.apps", "pod" */
const char *resource_label(Arena *arena, const Resource *resource);
/* "/apis/apps/v1/namespaces/NS/statefulsets/NAME/SUB"; ns "" : of all; name and sub may be NULL. */
void resource_path(StrBuf *out, const Resource *resource, const char *ns, const char *name,
                   const char *sub);

/* What a command is to work on. */
typedef struct Target {
    const Resource *resource;
    const char *ns;   /* "": all, or the kind has none */
    const char *name; /* NULL: all of the kind */
} Target;

typedef VEC(Target) Targets;

/* Words to targets; 0, or an exit code after saying what would be right. */
int targets_parse(Cluster *cluster, const char *const *words, size_t n, Targets *ret);
/* One "KIND/NAME" or "NAME" of a kind that is given (NULL: pods). */
int target_from_word(Cluster *cluster, const char *word, const char *kind, Target *ret);
/* GET of the target: 0, or 1 after a message. */
int target_get(Cluster *cluster, const Target *target, ClusterReply *ret);
/* Watches the one object that the target names, from this version of it on, and calls on_event with each change until that
 * returns false. `deadline_ns` is a time of uv_hrtime; 0: the watch never times out. */
WatchEnd target_watch(Cluster *cluster, const Target *target, yyjson_val *object,
                      int64_t deadline_ns,
                      bool (*on_event)(void *data, const char *type, yyjson_val *object),
                      void *data);
/* Its pod: the pod itself, or the first one (ready ones before others, then by name) that its
 * selector finds, and of how many it is; 0, or 1 after a message. */
int target_pod(Cluster *cluster, const Target *target, yyjson_val **ret, size_t *ret_of);
/* spec.selector of a workload or service as "a=b,c=d"; "": none. */
const char *object_selector(Arena *arena, yyjson_val *object);

#endif
