/* SPDX-License-Identifier: Apache-2.0 */
/* The objects in the files of -f: YAML or JSON, with any number of documents in a file. Lists are replaced by their items. */
#ifndef CLI_MANIFEST_H
#define CLI_MANIFEST_H

#include "cli/resources.h"

typedef struct Manifest {
    const char *file; /* "STDIN" */
    yyjson_val *object;
    Target target; /* with a name */
} Manifest;

typedef VEC(Manifest) Manifests;

/* Reads all files, folders and the standard input (-) of -f. Returns 0, or an exit code after printing a message. Kinds are not
 * looked up yet, since an object may be of a kind that an earlier object defines. */
int manifests_read(Cluster *cluster, Manifests *ret);
/* Looks up the kind of the object and its namespace. Returns 0, or 1 after printing a message. */
int manifest_resolve(Cluster *cluster, Manifest *manifest);

#endif
