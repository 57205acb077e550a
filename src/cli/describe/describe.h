/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions that write the parts of a description, in the words of kubectl. They append lines with tabs; command.c aligns them at
 * the end.
 */
#ifndef CLI_DESCRIBE_DESCRIBE_H
#define CLI_DESCRIBE_DESCRIBE_H

#include "cli/resources.h"

/* The names of the members of an object, sorted. The caller frees the list. */
typedef VEC(const char *) Keys;
Keys describe_sorted_keys(yyjson_val *object);
/* The members of an object whose values are texts, sorted by their keys. The caller frees the list. */
typedef struct Pair {
    const char *key, *value;
} Pair;
typedef VEC(Pair) Pairs;
Pairs describe_sorted_pairs(yyjson_val *object);
int describe_by_key(const void *a, const void *b); /* of Pairs, for qsort */
/* "Labels:\ta=1\n\tb=2\n" */
void describe_labels(StrBuf *out, const char *title, yyjson_val *labels);
void describe_annotations(StrBuf *out, const char *title, yyjson_val *annotations);
/* "Sat, 21 Nov 2026 10:24:44 +0000" */
void describe_time(StrBuf *out, const char *label, const char *time);
/* `statuses` is NULL for the containers of a template. */
void describe_containers(StrBuf *out, const char *title, yyjson_val *containers,
                         yyjson_val *statuses, yyjson_val *pod, bool template);
void describe_volumes(StrBuf *out, yyjson_val *volumes, bool template);
void describe_tolerations(StrBuf *out, const char *title, yyjson_val *tolerations);
void describe_template(StrBuf *out, yyjson_val *template);
/* "a=1,b=2", "<none>" */
void describe_selector(StrBuf *out, yyjson_val *labels);
/* ", "-joined strings of an array. */
void describe_list(StrBuf *out, yyjson_val *array, const char *separator);
/* Appends all members of an object, with names such as "Storage Class Name" for storageClassName. */
void describe_tree(StrBuf *out, yyjson_val *object, size_t depth, const char *path);

/* ---- kinds ---- */

typedef struct Description {
    Cluster *cluster;
    const Target *target;
    yyjson_val *object;
    StrBuf out;
    bool no_events; /* the description has no section for Events */
} Description;

/* These ask the cluster for other objects. */
void describe_controller(Description *d);  /* "Controlled By:" */
void describe_pods_status(Description *d); /* "Pods Status:" */
/* "10.42.0.5:8080,10.42.0.6:8080 + 3 more..." of a port of a service. */
void describe_endpoints(Description *d, const char *service, const char *port_name);
void describe_access_modes(StrBuf *out, yyjson_val *modes); /* "RWO,RWX" */

void describe_pod(Description *d);
void describe_set(Description *d); /* StatefulSet */
void describe_replica_set(Description *d);
void describe_deployment(Description *d);
void describe_job(Description *d);
void describe_budget(Description *d);
void describe_config_map(Description *d);
void describe_secret(Description *d);
void describe_service_account(Description *d);
void describe_namespace(Description *d);
void describe_node(Description *d);
void describe_volume(Description *d);
void describe_storage_class(Description *d);
void describe_role(Description *d);
void describe_binding(Description *d);
void describe_ingress(Description *d);
void describe_slice(Description *d);
void describe_endpoints_object(Description *d);
void describe_service(Description *d);
void describe_claim(Description *d);
void describe_other(Description *d);

#endif
