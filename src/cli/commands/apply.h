/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_COMMANDS_APPLY_H
#define CLI_COMMANDS_APPLY_H

#include "cli/manifest.h"

/* Each object in order, with a line for each; 0, or 1 if any was refused. */
int apply_manifests(Cluster *cluster, Manifests *manifests);

#endif
