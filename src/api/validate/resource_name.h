/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_VALIDATE_RESOURCE_NAME_H
#define API_VALIDATE_RESOURCE_NAME_H

#include "api/resource_name.h"
#include "api/validate/validate.h"

/* Any resource, those of containers, those of quotas. */
void validate_resource_name(const char *name, const Path *path, Causes *causes);
void validate_container_resource_name(const char *name, const Path *path, Causes *causes);
void validate_quota_resource_name(const char *name, const Path *path, Causes *causes);

#endif
