/* SPDX-License-Identifier: Apache-2.0 */
/* See admit.h. */
#include "api/pod_containers.h"
#include "api/schema/core_container_v1.h"
#include "base/base.h"
#include "node/pod/admit.h"
#include "node/runtime/apparmor.h"

/* ---- sysctls ---- */

static const struct {
    const char *name;
    bool ipc; /* of the IPC namespace, else of the network namespace */
} safe_sysctls[] = {
    {"kernel.shm_rmid_forced", true},
    {"net.ipv4.ip_local_port_range", false},
    {"net.ipv4.ip_local_reserved_ports", false},
    {"net.ipv4.ip_unprivileged_port_start", false},
    {"net.ipv4.ping_group_range", false},
    {"net.ipv4.tcp_fin_timeout", false},
    {"net.ipv4.tcp_keepalive_intvl", false},
    {"net.ipv4.tcp_keepalive_probes", false},
    {"net.ipv4.tcp_keepalive_time", false},
    {"net.ipv4.tcp_rmem", false},
    {"net.ipv4.tcp_syncookies", false},
    {"net.ipv4.tcp_wmem", false},
};

/* "net/ipv4/x" is another way to write "net.ipv4.x". */
static bool same_sysctl(const char *name, const char *known)
{
    for (; *name && *known; name++, known++)
        if (*name != *known && !(*name == '/' && *known == '.'))
            return false;
    return *name == *known;
}

static int find_sysctl(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(safe_sysctls); i++)
        if (same_sysctl(name, safe_sysctls[i].name))
            return (int)i;
    return -1;
}

static int check_sysctls(const PodSpec *spec, Err *reterr)
{
    const PodSecurityContext *security = spec->security_context;

    for (size_t i = 0; security && i < security->sysctls.n; i++) {
        const char *name = security->sysctls.v[i].name;
        int known = find_sysctl(name);

        if (known < 0)
            return err_set(reterr, 0, "forbidden sysctl: \"%s\" not allowlisted", name);
        if (safe_sysctls[known].ipc ? spec->host_ipc : spec->host_network)
            return err_set(reterr, 0, "forbidden sysctl: \"%s\" not allowed with host %s enabled",
                           safe_sysctls[known].name, safe_sysctls[known].ipc ? "ipc" : "net");
    }
    return 0;
}

/* ---- AppArmor ---- */

static bool wants_armor(const AppArmorProfile *profile)
{
    return profile && !str_equal(profile->type, "Unconfined");
}

static bool any_wants_armor(const ContainerArray *containers)
{
    for (size_t i = 0; i < containers->n; i++)
        if (containers->v[i].security_context &&
            wants_armor(containers->v[i].security_context->app_armor_profile))
            return true;
    return false;
}

/* As kubelet does, refuses a pod that asks for a profile on a machine that has none to give. */
static int check_armor(const PodSpec *spec, Err *reterr)
{
    bool wanted =
        (spec->security_context && wants_armor(spec->security_context->app_armor_profile)) ||
        any_wants_armor(&spec->containers) || any_wants_armor(&spec->init_containers);

    const char *why;

    if (wanted && !apparmor_usable(&why))
        return err_set(reterr, 0, "Cannot enforce AppArmor: %s", why);
    return 0;
}

/* ---- ports ---- */

static bool addresses_meet(const char *a, const char *b)
{
    a = str_or(a, "0.0.0.0");
    b = str_or(b, "0.0.0.0");
    return str_equal(a, b) || str_equal(a, "0.0.0.0") || str_equal(b, "0.0.0.0");
}

static bool takes_port(const PodSpec *spec, const ContainerPort *port)
{
    const Container *c;

    for (size_t next = 0; (c = pod_next_lasting(spec, &next));)
        for (size_t i = 0; i < c->ports.n; i++) {
            const ContainerPort *own = &c->ports.v[i];

            if (own->host_port == port->host_port &&
                str_equal(str_or(own->protocol, "TCP"), str_or(port->protocol, "TCP")) &&
                addresses_meet(own->host_ip, port->host_ip))
                return true;
        }
    return false;
}

static bool ports_are_free(const PodSpec *spec, const Pod *const *others, size_t n_others)
{
    const Container *c;

    for (size_t next = 0; (c = pod_next_lasting(spec, &next));)
        for (size_t i = 0; i < c->ports.n; i++)
            for (size_t k = 0; c->ports.v[i].host_port && k < n_others; k++)
                if (takes_port(&others[k]->spec, &c->ports.v[i]))
                    return false;
    return true;
}

int pod_admit(const Pod *pod, const Pod *const *others, size_t n_others, const char **ret_reason,
              Err *reterr)
{
    const PodSpec *spec = &pod->spec;
    int r;

    *ret_reason = "PodOSNotSupported";
    if (spec->os && !str_equal(spec->os->name, "linux"))
        return err_set(reterr, 0, "Failed to admit pod as the OS field doesn't match node OS");
    *ret_reason = "NodePorts";
    if (!ports_are_free(spec, others, n_others))
        return err_set(reterr, 0,
                       "Predicate NodePorts failed: node(s) didn't have free ports for the "
                       "requested pod ports");
    *ret_reason = "SysctlForbidden";
    r = check_sysctls(spec, reterr);
    if (r < 0)
        return r;
    *ret_reason = "AppArmor";
    return check_armor(spec, reterr);
}
