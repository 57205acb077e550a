/* SPDX-License-Identifier: Apache-2.0 */
#include "api/validate/resource_name.h"

/* False: the name is not even well-formed. */
static bool check_form(const char *name, const Path *path, Causes *causes)
{
    Faults faults = check_qualified_name(name);

    fail_faults(causes, path, name, faults);
    return !faults.n;
}

void validate_resource_name(const char *name, const Path *path, Causes *causes)
{
    if (check_form(name, path, causes) && !strchr(name, '/') && !resource_is_standard(name))
        fail_invalid(causes, path, name, "must be a standard resource type or fully qualified");
}

void validate_container_resource_name(const char *name, const Path *path, Causes *causes)
{
    validate_resource_name(name, path, causes);
    if (!strchr(name, '/')) {
        if (!resource_is_for_containers(name))
            fail_invalid(causes, path, name, "must be a standard resource for containers");
    } else if (!resource_is_native(name) && !resource_is_extended(name)) {
        fail_invalid(causes, path, name, "doesn't follow extended resource name standard");
    }
}

void validate_quota_resource_name(const char *name, const Path *path, Causes *causes)
{
    validate_resource_name(name, path, causes);
    if (!strchr(name, '/') && !resource_is_for_quotas(name))
        fail_invalid(causes, path, name, "must be a standard resource for quota");
}
