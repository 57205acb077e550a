/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_COMMANDS_POD_CONTAINER_H
#define CLI_COMMANDS_POD_CONTAINER_H

#include <yyjson.h>

#include "base/base.h"

/* Chooses a container of the pod: `wanted`, else the default one of the pod's annotation, else the first one. When it takes the
 * first one of several, it prints the name on standard error, unless quiet. Returns NULL after printing a message if there is no
 * such container. */
const char *pod_container(yyjson_val *pod, const char *wanted, bool quiet);

#endif
