/* SPDX-License-Identifier: Apache-2.0 */
/* The subresources of a pod that own one part of its spec: ephemeralcontainers and resize. */
#ifndef SERVER_WRITE_POD_PART_H
#define SERVER_WRITE_POD_PART_H

#include "server/write/write.h"

/* Restores everything that the subresource of this update does not own. Returns false, and does
 * nothing, if the update does not concern such a part of a pod. */
bool pod_part_keep(Write *write);
/* Validates such an update; false as above. */
bool pod_part_validate(Write *write, Causes *causes);

#endif
