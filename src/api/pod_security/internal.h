/* SPDX-License-Identifier: Apache-2.0 */
/* The checks of the table in policy.c, and what they share: texts.c. */
#ifndef API_POD_SECURITY_INTERNAL_H
#define API_POD_SECURITY_INTERNAL_H

#include "api/pod_security/pod_security.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"

typedef struct SecurityCheck {
    Arena *arena;
    int minor; /* of the version of the standards */
    const ObjectMeta *meta;
    const PodSpec *spec;
    SecurityFinding finding; /* of the check under way; reason NULL: none */
} SecurityCheck;

/* ---- baseline ---- */

void check_app_armor(SecurityCheck *check);
void check_added_capabilities(SecurityCheck *check);
void check_host_namespaces(SecurityCheck *check);
void check_host_paths(SecurityCheck *check);
void check_host_ports(SecurityCheck *check);
void check_probe_hosts(SecurityCheck *check);
void check_privileged(SecurityCheck *check);
void check_proc_mount(SecurityCheck *check);        /* unless the pod has users of its own */
void check_proc_mount_always(SecurityCheck *check); /* restricted */
void check_selinux(SecurityCheck *check);
void check_seccomp(SecurityCheck *check);
void check_sysctls(SecurityCheck *check);
void check_host_process(SecurityCheck *check);

/* ---- restricted ---- */

void check_escalation(SecurityCheck *check);
void check_dropped_capabilities(SecurityCheck *check);
void check_volume_types(SecurityCheck *check);
void check_non_root(SecurityCheck *check);
void check_user(SecurityCheck *check);
void check_seccomp_is_set(SecurityCheck *check);

/* ---- texts ---- */

typedef struct Names {
    Arena *arena;
    const char **v;
    size_t n, cap;
} Names;

static inline Names names_of(const SecurityCheck *check)
{
    return (Names){.arena = check->arena};
}

void names_add(Names *names, const char *name);
void names_sort(Names *names);                    /* each once */
const char *names_join(const Names *names);       /* a, b */
const char *names_quote(const Names *names);      /* "a", "b" */
const char *names_join_and(const Names *setters); /* a and b */

static inline const char *plural(const Names *names, const char *one, const char *many)
{
    return names->n == 1 ? one : many;
}

/* `containers "a", "b"` */
const char *name_containers(const Names *containers);
/* `pod`, `container "a"`, or both with "and" between them. */
const char *name_setters(bool pod, const Names *containers);

void found(SecurityCheck *check, const char *reason, const char *format, ...) _printf_(3, 4);

/* All containers in their order: init, regular, ephemeral. *next begins with 0; NULL: no more. */
const Container *next_container(const PodSpec *spec, size_t *next);
static inline const SecurityContext *next_context(const PodSpec *spec, size_t *next,
                                                  const Container **ret)
{
    static const SecurityContext none;

    *ret = next_container(spec, next);
    return *ret && (*ret)->security_context ? (*ret)->security_context : &none;
}

bool is_windows(const PodSpec *spec);
bool has_own_users(const PodSpec *spec); /* in a user namespace */
bool seccomp_is_allowed(const SeccompProfile *profile);

#endif
