/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_COMMANDS_APPLY_H
#define CLI_COMMANDS_APPLY_H

#include "cli/manifest.h"

/* Applies the objects in their order and prints a line for each. Returns 0, or 1 if any of them was refused. */
int apply_manifests(Cluster *cluster, Manifests *manifests);

#endif
