/* SPDX-License-Identifier: Apache-2.0 */
/* What the level baseline forbids: ways from a pod into the node that are known. */
#include <stdio.h>

#include "api/object.h"
#include "api/pod_security/internal.h"
#include "api/schema/core_volume_v1.h"
#include "base/strbuf.h"

static bool is_among(const char *s, const char *const *names)
{
    for (size_t i = 0; names[i]; i++)
        if (str_equal(names[i], str_or(s, "")))
            return true;
    return false;
}

/* key="value" */
static const char *annotation_text(Arena *arena, const StringEntry *entry)
{
    return arena_printf(arena, "%s=\"%s\"", entry->key, str_or(entry->value, ""));
}

/* ---- AppArmor ---- */

static bool app_armor_is_bad(const AppArmorProfile *profile, Names *bad)
{
    static const char *const allowed[] = {"RuntimeDefault", "Localhost", NULL};

    if (!profile || is_among(profile->type, allowed))
        return false;
    names_add(bad, profile->type);
    return true;
}

static Names bad_app_armor_annotations(const SecurityCheck *check)
{
    Names bad = names_of(check);
    const StringMap *annotations = &check->meta->annotations;

    for (size_t i = 0; i < annotations->n; i++) {
        const char *value = str_or(annotations->v[i].value, "");

        if (str_starts_with(annotations->v[i].key,
                            "container.apparmor.security.beta.kubernetes.io/") &&
            *value && !str_equal(value, "runtime/default") && !str_starts_with(value, "localhost/"))
            names_add(&bad, annotation_text(check->arena, &annotations->v[i]));
    }
    names_sort(&bad);
    return bad;
}

void check_app_armor(SecurityCheck *check)
{
    const PodSecurityContext *pod = check->spec->security_context;
    Names values = names_of(check), containers = names_of(check), setters = names_of(check);
    Names annotations = bad_app_armor_annotations(check);
    bool in_pod = pod && app_armor_is_bad(pod->app_armor_profile, &values);
    const Container *c;

    for (size_t i = 0;;) {
        const SecurityContext *context = next_context(check->spec, &i, &c);

        if (!c)
            break;
        if (app_armor_is_bad(context->app_armor_profile, &values))
            names_add(&containers, c->name);
    }
    names_sort(&values);
    if (in_pod || containers.n)
        names_add(&setters, name_setters(in_pod, &containers));
    if (annotations.n)
        names_add(&setters, plural(&annotations, "annotation", "annotations"));
    for (size_t i = 0; i < annotations.n; i++)
        names_add(&values, annotations.v[i]);
    if (setters.n)
        found(check, plural(&values, "forbidden AppArmor profile", "forbidden AppArmor profiles"),
              "%s must not set AppArmor profile type to %s", names_join_and(&setters),
              names_quote(&values));
}

/* ---- capabilities ---- */

void check_added_capabilities(SecurityCheck *check)
{
    static const char *const allowed[] = {
        "AUDIT_WRITE",      "CHOWN",   "DAC_OVERRIDE", "FOWNER",  "FSETID", "KILL",       "MKNOD",
        "NET_BIND_SERVICE", "SETFCAP", "SETGID",       "SETPCAP", "SETUID", "SYS_CHROOT", NULL};
    Names containers = names_of(check), capabilities = names_of(check);
    const Container *c;

    for (size_t i = 0;;) {
        const Capabilities *has = next_context(check->spec, &i, &c)->capabilities;
        size_t before = capabilities.n;

        if (!c)
            break;
        for (size_t k = 0; has && k < has->add.n; k++)
            if (!is_among(has->add.v[k], allowed))
                names_add(&capabilities, has->add.v[k]);
        if (capabilities.n > before)
            names_add(&containers, c->name);
    }
    names_sort(&capabilities);
    if (containers.n)
        found(check, "non-default capabilities",
              "%s must not include %s in securityContext.capabilities.add",
              name_containers(&containers), names_quote(&capabilities));
}

/* ---- the node's own ---- */

void check_host_namespaces(SecurityCheck *check)
{
    Names shared = names_of(check);

    if (check->spec->host_network)
        names_add(&shared, "hostNetwork=true");
    if (check->spec->host_pid)
        names_add(&shared, "hostPID=true");
    if (check->spec->host_ipc)
        names_add(&shared, "hostIPC=true");
    if (shared.n)
        found(check, "host namespaces", "%s", names_join(&shared));
}

void check_host_paths(SecurityCheck *check)
{
    Names volumes = names_of(check);

    for (size_t i = 0; i < check->spec->volumes.n; i++)
        if (check->spec->volumes.v[i].volume_source.host_path)
            names_add(&volumes, check->spec->volumes.v[i].name);
    if (volumes.n)
        found(check, "hostPath volumes", "%s %s", plural(&volumes, "volume", "volumes"),
              names_quote(&volumes));
}

void check_host_ports(SecurityCheck *check)
{
    Names containers = names_of(check), ports = names_of(check);
    const Container *c;

    for (size_t i = 0; (c = next_container(check->spec, &i));) {
        size_t before = ports.n;

        for (size_t k = 0; k < c->ports.n; k++)
            if (c->ports.v[k].host_port)
                names_add(&ports, arena_printf(check->arena, "%d", c->ports.v[k].host_port));
        if (ports.n > before)
            names_add(&containers, c->name);
    }
    names_sort(&ports);
    if (containers.n)
        found(check, "hostPort", "%s %s %s %s", name_containers(&containers),
              plural(&containers, "uses", "use"), plural(&ports, "hostPort", "hostPorts"),
              names_join(&ports));
}

static void add_hosts(const HTTPGetAction *http, const TCPSocketAction *tcp, Names *hosts)
{
    if (http && !str_empty(http->host))
        names_add(hosts, http->host);
    if (tcp && !str_empty(tcp->host))
        names_add(hosts, tcp->host);
}

void check_probe_hosts(SecurityCheck *check)
{
    Names containers = names_of(check), hosts = names_of(check);
    const Container *c;

    for (size_t i = 0; (c = next_container(check->spec, &i));) {
        const Probe *const probes[] = {c->liveness_probe, c->readiness_probe, c->startup_probe};
        const LifecycleHandler *const handlers[] = {c->lifecycle ? c->lifecycle->post_start : NULL,
                                                    c->lifecycle ? c->lifecycle->pre_stop : NULL};
        size_t before = hosts.n;

        for (size_t k = 0; k < ARRAY_LEN(probes); k++)
            if (probes[k])
                add_hosts(probes[k]->probe_handler.http_get, probes[k]->probe_handler.tcp_socket,
                          &hosts);
        for (size_t k = 0; k < ARRAY_LEN(handlers); k++)
            if (handlers[k])
                add_hosts(handlers[k]->http_get, handlers[k]->tcp_socket, &hosts);
        if (hosts.n > before)
            names_add(&containers, c->name);
    }
    names_sort(&containers);
    names_sort(&hosts);
    if (containers.n)
        found(check, "probe or lifecycle host", "%s %s %s %s", name_containers(&containers),
              plural(&containers, "uses", "use"),
              plural(&hosts, "probe or lifecycle host", "probe or lifecycle hosts"),
              names_quote(&hosts));
}

void check_privileged(SecurityCheck *check)
{
    Names containers = names_of(check);
    const Container *c;

    for (size_t i = 0;;) {
        const SecurityContext *context = next_context(check->spec, &i, &c);

        if (!c)
            break;
        if (context->privileged && *context->privileged)
            names_add(&containers, c->name);
    }
    if (containers.n)
        found(check, "privileged", "%s must not set securityContext.privileged=true",
              name_containers(&containers));
}

void check_proc_mount_always(SecurityCheck *check)
{
    Names containers = names_of(check), types = names_of(check);
    const Container *c;

    for (size_t i = 0;;) {
        const char *type = next_context(check->spec, &i, &c)->proc_mount;

        if (!c)
            break;
        if (type && !str_equal(type, "Default")) {
            names_add(&containers, c->name);
            names_add(&types, type);
        }
    }
    names_sort(&types);
    if (containers.n)
        found(check, "procMount", "%s must not set securityContext.procMount to %s",
              name_containers(&containers), names_quote(&types));
}

void check_proc_mount(SecurityCheck *check)
{
    if (check->minor < 35 || !has_own_users(check->spec))
        check_proc_mount_always(check);
}

/* ---- SELinux ---- */

typedef struct SelinuxFaults {
    Names types;
    bool user, role;
    int minor;
} SelinuxFaults;

static bool selinux_is_bad(const SELinuxOptions *options, SelinuxFaults *faults)
{
    static const char *const allowed[] = {"", "container_t", "container_init_t", "container_kvm_t",
                                          NULL};
    bool bad_type;

    if (!options)
        return false;
    bad_type = !is_among(options->type, allowed) &&
               !(faults->minor >= 31 && str_equal(options->type, "container_engine_t"));
    if (bad_type)
        names_add(&faults->types, options->type);
    faults->user |= !str_empty(options->user);
    faults->role |= !str_empty(options->role);
    return bad_type || !str_empty(options->user) || !str_empty(options->role);
}

static const char *selinux_text(SelinuxFaults *faults)
{
    Names all = {.arena = faults->types.arena};
    _strbuf_ StrBuf text = STRBUF_INIT;

    names_sort(&faults->types);
    if (faults->types.n)
        names_add(&all, arena_printf(all.arena, "%s %s", plural(&faults->types, "type", "types"),
                                     names_quote(&faults->types)));
    if (faults->user)
        names_add(&all, "user may not be set");
    if (faults->role)
        names_add(&all, "role may not be set");
    for (size_t i = 0; i < all.n; i++)
        strbuf_printf(&text, "%s%s", i ? "; " : "", all.v[i]);
    return arena_strdup(all.arena, strbuf_string(&text));
}

void check_selinux(SecurityCheck *check)
{
    const PodSecurityContext *pod = check->spec->security_context;
    SelinuxFaults faults = {.types = names_of(check), .minor = check->minor};
    Names containers = names_of(check);
    bool in_pod = pod && selinux_is_bad(pod->se_linux_options, &faults);
    const Container *c;

    for (size_t i = 0;;) {
        const SecurityContext *context = next_context(check->spec, &i, &c);

        if (!c)
            break;
        if (selinux_is_bad(context->se_linux_options, &faults))
            names_add(&containers, c->name);
    }
    if (in_pod || containers.n)
        found(check, "seLinuxOptions", "%s set forbidden securityContext.seLinuxOptions: %s",
              name_setters(in_pod, &containers), selinux_text(&faults));
}

/* ---- seccomp ---- */

static void check_seccomp_annotation(const SecurityCheck *check, const char *key, Names *bad)
{
    const char *value = string_map_get(&check->meta->annotations, key);

    if (value && !str_equal(value, "runtime/default") && !str_equal(value, "docker/default") &&
        !str_starts_with(value, "localhost/"))
        names_add(bad, arena_printf(check->arena, "%s=\"%s\"", key, value));
}

/* Before 1.19 the profiles were annotations. */
static void check_seccomp_annotations(SecurityCheck *check)
{
    Names bad = names_of(check);
    const Container *c;

    check_seccomp_annotation(check, "seccomp.security.alpha.kubernetes.io/pod", &bad);
    for (size_t i = 0; (c = next_container(check->spec, &i));)
        check_seccomp_annotation(check,
                                 arena_printf(check->arena,
                                              "container.seccomp.security.alpha.kubernetes.io/%s",
                                              str_or(c->name, "")),
                                 &bad);
    names_sort(&bad);
    if (bad.n)
        found(check, "seccompProfile", "forbidden %s %s", plural(&bad, "annotation", "annotations"),
              names_join(&bad));
}

void check_seccomp(SecurityCheck *check)
{
    const PodSecurityContext *pod = check->spec->security_context;
    const SeccompProfile *of_pod = pod ? pod->seccomp_profile : NULL;
    Names containers = names_of(check), types = names_of(check);
    bool in_pod = of_pod && !seccomp_is_allowed(of_pod);
    const Container *c;

    if (check->minor < 19) {
        check_seccomp_annotations(check);
        return;
    }
    if (in_pod)
        names_add(&types, of_pod->type);
    for (size_t i = 0;;) {
        const SeccompProfile *profile = next_context(check->spec, &i, &c)->seccomp_profile;

        if (!c)
            break;
        if (profile && !seccomp_is_allowed(profile)) {
            names_add(&containers, c->name);
            names_add(&types, profile->type);
        }
    }
    names_sort(&types);
    if (types.n)
        found(check, "seccompProfile", "%s must not set securityContext.seccompProfile.type to %s",
              name_setters(in_pod, &containers), names_quote(&types));
}

/* ---- the rest ---- */

void check_sysctls(SecurityCheck *check)
{
    static const struct {
        const char *name;
        int since;
    } allowed[] = {
        {"kernel.shm_rmid_forced", 0},
        {"net.ipv4.ip_local_port_range", 0},
        {"net.ipv4.tcp_syncookies", 0},
        {"net.ipv4.ping_group_range", 0},
        {"net.ipv4.ip_unprivileged_port_start", 0},
        {"net.ipv4.ip_local_reserved_ports", 27},
        {"net.ipv4.tcp_keepalive_time", 29},
        {"net.ipv4.tcp_fin_timeout", 29},
        {"net.ipv4.tcp_keepalive_intvl", 29},
        {"net.ipv4.tcp_keepalive_probes", 29},
        {"net.ipv4.tcp_rmem", 32},
        {"net.ipv4.tcp_wmem", 32},
    };
    const PodSecurityContext *pod = check->spec->security_context;
    Names bad = names_of(check);

    for (size_t i = 0; pod && i < pod->sysctls.n; i++) {
        bool fine = false;

        for (size_t k = 0; k < ARRAY_LEN(allowed) && !fine; k++)
            fine = check->minor >= allowed[k].since &&
                   str_equal(allowed[k].name, pod->sysctls.v[i].name);
        if (!fine)
            names_add(&bad, pod->sysctls.v[i].name);
    }
    if (bad.n)
        found(check, "forbidden sysctls", "%s", names_join(&bad));
}

static bool is_host_process(const WindowsSecurityContextOptions *options)
{
    return options && options->host_process && *options->host_process;
}

void check_host_process(SecurityCheck *check)
{
    const PodSecurityContext *pod = check->spec->security_context;
    Names containers = names_of(check);
    bool in_pod = pod && is_host_process(pod->windows_options);
    const Container *c;

    for (size_t i = 0;;) {
        const SecurityContext *context = next_context(check->spec, &i, &c);

        if (!c)
            break;
        if (is_host_process(context->windows_options))
            names_add(&containers, c->name);
    }
    if (in_pod || containers.n)
        found(check, "hostProcess",
              "%s must not set securityContext.windowsOptions.hostProcess=true",
              name_setters(in_pod, &containers));
}
