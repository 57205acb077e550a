/* SPDX-License-Identifier: Apache-2.0 */
/* Levels, versions, and the table of the checks. */
#include "api/pod_security/internal.h"
#include "base/strbuf.h"

static const char *const level_names[] = {"privileged", "baseline", "restricted"};

bool security_parse_level(const char *text, SecurityLevel *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++)
        if (str_equal(level_names[i], text)) {
            *ret = (SecurityLevel)i;
            return true;
        }
    return false;
}

bool security_parse_version(const char *text, int *ret)
{
    int64_t minor;

    if (str_equal(text, "latest")) {
        *ret = SECURITY_LATEST;
        return true;
    }
    if (!str_starts_with(str_or(text, ""), "v1.") || text[3] < '0' || text[3] > '9' ||
        (text[3] == '0' && text[4]) || str_to_int64(text + 3, 0, SECURITY_LATEST - 1, &minor))
        return false;
    *ret = (int)minor;
    return true;
}

const char *security_level_text(SecurityLevel level)
{
    return level_names[level];
}

const char *security_policy_text(Arena *arena, const SecurityPolicy *policy)
{
    const char *level = level_names[policy->level];

    return policy->minor == SECURITY_LATEST ? arena_printf(arena, "%s:latest", level)
                                            : arena_printf(arena, "%s:v1.%d", level, policy->minor);
}

bool security_policy_equal(const SecurityPolicy *a, const SecurityPolicy *b)
{
    return a->level == b->level && a->minor == b->minor;
}

#define NEVER_MINOR INT_MAX

/* In the order of the findings in a message. */
static const struct {
    SecurityLevel level;
    int since;      /* the first minor version that has the check */
    int overridden; /* from this one on, a check of the level restricted replaces it there */
    void (*check)(SecurityCheck *check);
} checks[] = {
    {SECURITY_BASELINE, 0, NEVER_MINOR, check_app_armor},
    {SECURITY_BASELINE, 0, 22, check_added_capabilities},
    {SECURITY_BASELINE, 0, NEVER_MINOR, check_host_namespaces},
    {SECURITY_BASELINE, 0, 0, check_host_paths},
    {SECURITY_BASELINE, 0, NEVER_MINOR, check_host_ports},
    {SECURITY_BASELINE, 34, NEVER_MINOR, check_probe_hosts},
    {SECURITY_BASELINE, 0, NEVER_MINOR, check_privileged},
    {SECURITY_BASELINE, 0, 35, check_proc_mount},
    {SECURITY_BASELINE, 0, NEVER_MINOR, check_selinux},
    {SECURITY_BASELINE, 0, 19, check_seccomp},
    {SECURITY_BASELINE, 0, NEVER_MINOR, check_sysctls},
    {SECURITY_BASELINE, 0, NEVER_MINOR, check_host_process},
    {SECURITY_RESTRICTED, 8, NEVER_MINOR, check_escalation},
    {SECURITY_RESTRICTED, 22, NEVER_MINOR, check_dropped_capabilities},
    {SECURITY_RESTRICTED, 35, NEVER_MINOR, check_proc_mount_always},
    {SECURITY_RESTRICTED, 0, NEVER_MINOR, check_volume_types},
    {SECURITY_RESTRICTED, 0, NEVER_MINOR, check_non_root},
    {SECURITY_RESTRICTED, 23, NEVER_MINOR, check_user},
    {SECURITY_RESTRICTED, 19, NEVER_MINOR, check_seccomp_is_set},
};

_Static_assert(ARRAY_LEN(checks) <= SECURITY_CHECKS_MAX, "every check may find something");

SecurityFindings security_check(Arena *arena, const SecurityPolicy *policy, const ObjectMeta *meta,
                                const PodSpec *spec)
{
    SecurityFindings findings = {.n = 0};
    bool restricted = policy->level == SECURITY_RESTRICTED;

    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        SecurityCheck check = {.arena = arena, .minor = policy->minor, .meta = meta, .spec = spec};

        if (checks[i].level > policy->level || policy->minor < checks[i].since ||
            (restricted && checks[i].overridden != NEVER_MINOR &&
             policy->minor >= checks[i].overridden))
            continue;
        checks[i].check(&check);
        if (check.finding.reason)
            findings.v[findings.n++] = check.finding;
    }
    return findings;
}

const char *security_reasons(Arena *arena, const SecurityFindings *findings)
{
    Names reasons = {.arena = arena};

    for (size_t i = 0; i < findings->n; i++)
        names_add(&reasons, findings->v[i].reason);
    return names_join(&reasons);
}

const char *security_details(Arena *arena, const SecurityFindings *findings)
{
    Names all = {.arena = arena};

    for (size_t i = 0; i < findings->n; i++)
        names_add(&all,
                  arena_printf(arena, "%s (%s)", findings->v[i].reason, findings->v[i].detail));
    return names_join(&all);
}
