/* SPDX-License-Identifier: Apache-2.0 */
/* The volumes on the disk of this machine, for `stead volume ls`. Needs no running node. */
#ifndef NODE_VOLUMES_H
#define NODE_VOLUMES_H

#include "base/base.h"

typedef struct NodeVolume {
    const char *name;
    int64_t size; /* what was asked for; -1 if it has not been made completely */
    int64_t used; /* what it takes on the disk; -1 if that is not known */
    bool thin;
} NodeVolume;

/* Calls `each` for every volume, in the order of their names. */
void node_volumes_each(const char *data_dir, void (*each)(void *data, const NodeVolume *volume),
                       void *data);
/* The size of the disk on which they are, and what is free there for programs of the machine. */
int node_volumes_disk(const char *data_dir, int64_t *ret_size, int64_t *ret_free);

#endif
