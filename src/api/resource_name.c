/* SPDX-License-Identifier: Apache-2.0 */
#include "api/resource_name.h"

#include "api/text_check.h"

/* What a resource without a domain may be used for. */
enum {
    FOR_CONTAINERS = 1 << 0,
    FOR_QUOTAS = 1 << 1,
    IS_WHOLE = 1 << 2, /* counted */
};

static const struct {
    const char *name;
    unsigned flags;
} resources[] = {
    {"cpu", FOR_CONTAINERS | FOR_QUOTAS},
    {"memory", FOR_CONTAINERS | FOR_QUOTAS},
    {"ephemeral-storage", FOR_CONTAINERS | FOR_QUOTAS},
    {"requests.cpu", FOR_QUOTAS},
    {"requests.memory", FOR_QUOTAS},
    {"requests.ephemeral-storage", FOR_QUOTAS},
    {"requests.storage", FOR_QUOTAS},
    {"limits.cpu", FOR_QUOTAS},
    {"limits.memory", FOR_QUOTAS},
    {"limits.ephemeral-storage", FOR_QUOTAS},
    {"pods", FOR_QUOTAS | IS_WHOLE},
    {"resourcequotas", FOR_QUOTAS | IS_WHOLE},
    {"services", FOR_QUOTAS | IS_WHOLE},
    {"services.nodeports", FOR_QUOTAS | IS_WHOLE},
    {"services.loadbalancers", FOR_QUOTAS | IS_WHOLE},
    {"replicationcontrollers", FOR_QUOTAS | IS_WHOLE},
    {"secrets", FOR_QUOTAS | IS_WHOLE},
    {"configmaps", FOR_QUOTAS | IS_WHOLE},
    {"persistentvolumeclaims", FOR_QUOTAS | IS_WHOLE},
    {"storage", 0},
};

/* The flags of a resource that Kubernetes defines; -1: there is none of this name. */
static int flags_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(resources); i++)
        if (str_equal(resources[i].name, name))
            return (int)resources[i].flags;
    return -1;
}

static bool has_flag(const char *name, unsigned flag)
{
    int flags = flags_of(name);

    return flags >= 0 && (unsigned)flags & flag;
}

bool resource_is_huge_pages(const char *name)
{
    return str_starts_with(name, "hugepages-");
}

/* Pages as a quota names them. */
static bool is_quota_huge_pages(const char *name)
{
    return resource_is_huge_pages(name) || str_starts_with(name, "requests.hugepages-");
}

bool resource_is_native(const char *name)
{
    return !strchr(name, '/') || strstr(name, "kubernetes.io/");
}

bool resource_may_overcommit(const char *name)
{
    return resource_is_native(name) && !resource_is_huge_pages(name);
}

bool resource_is_standard(const char *name)
{
    return flags_of(name) >= 0 || is_quota_huge_pages(name);
}

bool resource_is_for_containers(const char *name)
{
    return has_flag(name, FOR_CONTAINERS) || resource_is_huge_pages(name);
}

bool resource_is_for_quotas(const char *name)
{
    return has_flag(name, FOR_QUOTAS) || is_quota_huge_pages(name);
}

bool resource_is_extended(const char *name)
{
    char for_quota[512];

    if (resource_is_native(name) || str_starts_with(name, "requests."))
        return false;
    if ((size_t)snprintf(for_quota, sizeof(for_quota), "requests.%s", name) >= sizeof(for_quota))
        return false;
    return !check_qualified_name(for_quota).n;
}

bool resource_is_whole(const char *name)
{
    return has_flag(name, IS_WHOLE) || resource_is_extended(name);
}
