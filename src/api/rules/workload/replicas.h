/* SPDX-License-Identifier: Apache-2.0 */
/* Checks that the kinds share whose pods are made from a template and run until someone stops them:
 * StatefulSet, DaemonSet, Deployment, ReplicaSet and ReplicationController. */
#ifndef API_RULES_WORKLOAD_REPLICAS_H
#define API_RULES_WORKLOAD_REPLICAS_H

#include "api/validate/validate.h"

typedef struct Selector Selector;

/* Fails if the selector does not match the labels of the template at spec.template. */
void rules_template_matches(const PodTemplateSpec *template, const Selector *selector,
                            Causes *causes);
/* Fails if pods of the template at spec.template could end by themselves. `kind` is for the
 * message. */
void rules_template_runs_on(const PodTemplateSpec *template, const char *kind, Causes *causes);

/* A count in a status. */
typedef struct StatusCount {
    const char *path;
    int32_t count;
} StatusCount;

/* Each count is of pods among all the replicas. */
void rules_counts_of_replicas(const StatusCount *counts, size_t n, int32_t replicas,
                              Causes *causes);
/* Only pods that are ready are available. */
void rules_available(int32_t available, int32_t ready, Causes *causes);

#endif
