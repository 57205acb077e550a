/* SPDX-License-Identifier: Apache-2.0 */
/* Objects in files: YAML or JSON, many in one, Lists taken apart. */
#ifndef CLI_MANIFEST_H
#define CLI_MANIFEST_H

#include "cli/resources.h"

typedef struct Manifest {
    const char *file; /* "STDIN" */
    yyjson_val *object;
    Target target; /* with a name */
} Manifest;

typedef VEC(Manifest) Manifests;

/* All of -f FILE|FOLDER|-; 0, or an exit code after saying what is wrong and where. Kinds are not
 * looked up yet: the ones before may make them. */
int manifests_read(Cluster *cluster, Manifests *ret);
/* Finds kind and namespace; 0, or 1 after a message. */
int manifest_resolve(Cluster *cluster, Manifest *manifest);

#endif
