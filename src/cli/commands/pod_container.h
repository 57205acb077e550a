/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_COMMANDS_POD_CONTAINER_H
#define CLI_COMMANDS_POD_CONTAINER_H

#include <yyjson.h>

#include "base/base.h"

/* The container that is meant: `wanted`, or the annotated default, or the first one; then, if there
 * are others, a line on standard error says which, unless quiet. NULL after a message: there is no
 * such container. */
const char *pod_container(yyjson_val *pod, const char *wanted, bool quiet);

#endif
