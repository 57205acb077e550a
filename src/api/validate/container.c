/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers of pods: init containers, regular ones and ephemeral ones, which share their fields
 * and most of their rules. An ephemeral container is checked as the regular container that it
 * contains.
 */
#include <assert.h>

#include "api/object.h"
#include "api/pod_containers.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_volume_v1.h"
#include "api/validate/pod.h"
#include "api/validate/resource_name.h"
#include "codec/quantity.h"

static_assert(sizeof(EphemeralContainerCommon) == sizeof(Container) &&
                  offsetof(EphemeralContainerCommon, tty) == offsetof(Container, tty) &&
                  offsetof(EphemeralContainerCommon, lifecycle) == offsetof(Container, lifecycle),
              "an ephemeral container begins with the fields of a container");

/* ---- resources ---- */

void validate_whole_resource(const StringEntry *resource, const Path *path, Causes *causes)
{
    if (*str_or(resource->value, "0") == '-')
        fail_invalid(causes, path, resource->value, "must be greater than or equal to 0");
    if (resource_is_whole(resource->key) && quantity_milli(resource->value) % 1000)
        fail_invalid(causes, path, resource->value, "must be an integer");
}

static void validate_resource(const StringEntry *entry, const Path *path, Causes *causes)
{
    validate_container_resource_name(entry->key, path, causes);
    validate_whole_resource(entry, path, causes);
}

static bool has_entry(const StringMap *map, const char *prefix)
{
    for (size_t i = 0; i < map->n; i++)
        if (str_starts_with(map->v[i].key, prefix))
            return true;
    return false;
}

static void validate_request(const StringEntry *request, const StringMap *limits, const Path *path,
                             Causes *causes)
{
    const char *limit = string_map_get(limits, request->key);
    bool overcommit = resource_may_overcommit(request->key);
    int order = limit ? quantity_compare(request->value, limit) : 0;

    if (!limit && !overcommit)
        fail_required(causes, PATH(path, "limits"),
                      "Limit must be set for non overcommitable resources");
    else if (order && !overcommit)
        fail_invalid(
            causes, PATH(path, "requests"), request->value,
            arena_printf(causes->arena, "must be equal to %s limit of %s", request->key, limit));
    else if (order > 0)
        fail_invalid(causes, PATH(path, "requests"), request->value,
                     arena_printf(causes->arena, "must be less than or equal to %s limit of %s",
                                  request->key, limit));
}

void validate_resources(const ResourceRequirements *resources, const Path *path, Causes *causes)
{
    const StringMap *limits = &resources->limits, *requests = &resources->requests;

    for (size_t i = 0; i < limits->n; i++)
        validate_resource(&limits->v[i], PATH_KEY(PATH(path, "limits"), limits->v[i].key), causes);
    for (size_t i = 0; i < requests->n; i++) {
        validate_resource(&requests->v[i], PATH_KEY(PATH(path, "requests"), requests->v[i].key),
                          causes);
        validate_request(&requests->v[i], limits, path, causes);
    }
    if ((has_entry(limits, "hugepages-") || has_entry(requests, "hugepages-")) &&
        !string_map_get(limits, "cpu") && !string_map_get(limits, "memory") &&
        !string_map_get(requests, "cpu") && !string_map_get(requests, "memory"))
        fail_forbidden(causes, path, "HugePages require cpu or memory");
}

static void validate_claims(const PodCheck *check, const ResourceClaimArray *claims,
                            const Path *path)
{
    TextMap seen = TEXT_MAP_INIT(check->causes->arena);

    for (size_t i = 0; i < claims->n; i++) {
        const char *name = claims->v[i].name;

        if (!str_empty(name) && !text_map_has(check->claims, name))
            fail_not_found(check->causes, PATH_INDEX(path, i), name);
        if (!text_map_add_joined(&seen, name, claims->v[i].request, NULL))
            fail_duplicate(check->causes, PATH_INDEX(path, i), name);
    }
}

/* ---- environment ---- */

static void validate_value_from(const EnvVar *var, const Path *path, Causes *causes)
{
    static const char *const fields[] = {"metadata.name",
                                         "metadata.namespace",
                                         "metadata.uid",
                                         "spec.nodeName",
                                         "spec.serviceAccountName",
                                         "status.hostIP",
                                         "status.hostIPs",
                                         "status.podIP",
                                         "status.podIPs",
                                         NULL};
    const EnvVarSource *from = var->value_from;
    size_t n = 0;

    if (from->field_ref && ++n)
        validate_field_selector(from->field_ref, fields, PATH(path, "fieldRef"), causes);
    if (from->resource_field_ref && ++n)
        validate_resource_selector(from->resource_field_ref, false, PATH(path, "resourceFieldRef"),
                                   causes);
    if (from->config_map_key_ref && ++n) {
        const char *name = from->config_map_key_ref->local_object_reference.name;
        const char *key = from->config_map_key_ref->key;
        const Path *at = PATH(path, "configMapKeyRef");

        fail_faults(causes, PATH(at, "name"), name, check_dns_subdomain(name));
        if (!str_empty(key))
            fail_faults(causes, PATH(at, "key"), key, check_config_key(key));
    }
    if (from->secret_key_ref && ++n) {
        const char *name = from->secret_key_ref->local_object_reference.name;
        const char *key = from->secret_key_ref->key;
        const Path *at = PATH(path, "secretKeyRef");

        fail_faults(causes, PATH(at, "name"), name, check_dns_subdomain(name));
        if (!str_empty(key))
            fail_faults(causes, PATH(at, "key"), key, check_config_key(key));
    }
    if (from->file_key_ref && ++n) {
        const Path *at = PATH(path, "fileKeyRef");

        if (!str_empty(from->file_key_ref->key))
            fail_faults(causes, PATH(at, "key"), from->file_key_ref->key,
                        check_env_name(from->file_key_ref->key));
        validate_no_backsteps(from->file_key_ref->path, PATH(at, "path"), causes);
    }
    if (!n)
        fail_invalid(causes, path, "",
                     "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, "
                     "`secretKeyRef` or `fileKeyRef`");
    else if (!str_empty(var->value))
        fail_invalid(causes, path, "", "may not be specified when `value` is not empty");
    else if (n > 1)
        fail_invalid(causes, path, "", "may not have more than one field specified at a time");
}

static void validate_env(const Container *container, const Path *path, Causes *causes)
{
    for (size_t i = 0; i < container->env.n; i++) {
        const EnvVar *var = &container->env.v[i];
        const Path *at = PATH_INDEX(PATH(path, "env"), i);

        if (!str_empty(var->name))
            fail_faults(causes, PATH(at, "name"), var->name, check_env_name(var->name));
        if (var->value_from)
            validate_value_from(var, PATH(at, "valueFrom"), causes);
    }
    for (size_t i = 0; i < container->env_from.n; i++) {
        const EnvFromSource *from = &container->env_from.v[i];
        const Path *list = PATH(path, "envFrom"), *at = PATH_INDEX(list, i);

        if (!str_empty(from->prefix))
            fail_faults(causes, PATH(at, "prefix"), from->prefix, check_env_name(from->prefix));
        if (from->config_map_ref) {
            const char *name = from->config_map_ref->local_object_reference.name;

            if (str_empty(name))
                fail_required(causes, PATH(PATH(at, "configMapRef"), "name"), NULL);
            else
                fail_faults(causes, PATH(PATH(at, "configMapRef"), "name"), name,
                            check_name_prefix(check_dns_subdomain, name));
        }
        if (from->secret_ref) {
            const char *name = from->secret_ref->local_object_reference.name;

            if (str_empty(name))
                fail_required(causes, PATH(PATH(at, "secretRef"), "name"), NULL);
            else
                fail_faults(causes, PATH(PATH(at, "secretRef"), "name"), name,
                            check_name_prefix(check_dns_subdomain, name));
        }
        if (!from->config_map_ref && !from->secret_ref)
            fail_invalid(causes, list, "", "must specify one of: `configMapRef` or `secretRef`");
        else if (from->config_map_ref && from->secret_ref)
            fail_invalid(causes, list, "", "may not have more than one field specified at a time");
    }
}

/* ---- ports ---- */

static void validate_ports(const ContainerPortArray *ports, const Path *path, Causes *causes)
{
    TextMap names = TEXT_MAP_INIT(causes->arena);

    for (size_t i = 0; i < ports->n; i++) {
        const ContainerPort *port = &ports->v[i];
        const Path *at = PATH_INDEX(path, i);

        if (!str_empty(port->name)) {
            Faults faults = check_port_name(port->name);

            fail_faults(causes, PATH(at, "name"), port->name, faults);
            if (!text_map_add(&names, port->name) && !faults.n)
                fail_duplicate(causes, PATH(at, "name"), port->name);
        }
        if (!port->container_port)
            fail_required(causes, PATH(at, "containerPort"), NULL);
        else
            validate_port_number(port->container_port, PATH(at, "containerPort"), causes);
        if (port->host_port)
            validate_port_number(port->host_port, PATH(at, "hostPort"), causes);
    }
}

static void validate_host_ports(const PodCheck *check, const ContainerPortArray *ports,
                                const Path *path)
{
    for (size_t i = 0; i < ports->n; i++) {
        const ContainerPort *port = &ports->v[i];
        const Path *at = PATH(PATH_INDEX(PATH(path, "ports"), i), "hostPort");

        const char *key = port->host_port ? arena_printf(check->causes->arena, "%s/%s/%d",
                                                         str_or(port->protocol, ""),
                                                         str_or(port->host_ip, ""), port->host_port)
                                          : NULL;

        if (key && !text_map_add(check->host_ports, key))
            fail_duplicate(check->causes, at, key);
        if (check->spec->host_network && (check->is_pod || port->host_port) &&
            port->host_port != port->container_port)
            fail_invalid_int(check->causes, at, port->host_port,
                             "must match `containerPort` when `hostNetwork` is true");
    }
}

/* ---- mounts ---- */

static bool is_privileged(const Container *container)
{
    return container->security_context && container->security_context->privileged &&
           *container->security_context->privileged;
}

static void validate_mount_mode(const Container *container, const VolumeMount *mount,
                                const Path *path, Causes *causes)
{
    static const char *const propagations[] = {"Bidirectional", "HostToContainer", "None", NULL};
    static const char *const modes[] = {"Disabled", "Enabled", "IfPossible", NULL};
    const char *rro = mount->recursive_read_only;

    if (mount->mount_propagation && !name_is_one_of(mount->mount_propagation, propagations))
        fail_not_supported(causes, PATH(path, "mountPropagation"), mount->mount_propagation,
                           propagations);
    if (str_equal(mount->mount_propagation, "Bidirectional") && !is_privileged(container))
        fail_forbidden(causes, PATH(path, "mountPropagation"),
                       "Bidirectional mount propagation is available only to privileged "
                       "containers");
    if (!rro || str_equal(rro, "Disabled"))
        return;
    if (!name_is_one_of(rro, modes)) {
        fail_not_supported(causes, PATH(path, "recursiveReadOnly"), rro, modes);
        return;
    }
    if (!mount->read_only)
        fail_forbidden(causes, PATH(path, "recursiveReadOnly"),
                       "may only be specified when readOnly is true");
    if (!str_equal(str_or(mount->mount_propagation, "None"), "None"))
        fail_forbidden(causes, PATH(path, "recursiveReadOnly"),
                       "may only be specified when mountPropagation is None or not specified");
}

static void validate_mounts(const PodCheck *check, const Container *container, const Path *path)
{
    const VolumeMountArray *mounts = &container->volume_mounts;
    Causes *causes = check->causes;
    TextMap paths = TEXT_MAP_INIT(causes->arena), devices = TEXT_MAP_INIT(causes->arena),
            device_paths = TEXT_MAP_INIT(causes->arena);

    for (size_t i = 0; i < container->volume_devices.n; i++) {
        text_map_add(&devices, container->volume_devices.v[i].name);
        text_map_add(&device_paths, container->volume_devices.v[i].device_path);
    }
    for (size_t i = 0; i < mounts->n; i++) {
        const VolumeMount *mount = &mounts->v[i];
        const Path *at = PATH_INDEX(path, i);

        if (!text_map_has(check->volumes, mount->name))
            fail_not_found(causes, PATH(at, "name"), mount->name);
        if (!text_map_add(&paths, mount->mount_path))
            fail_invalid(causes, PATH(at, "mountPath"), mount->mount_path, "must be unique");
        if (text_map_has(&devices, mount->name))
            fail_invalid(causes, PATH(at, "name"), mount->name,
                         "must not already exist in volumeDevices");
        if (text_map_has(&device_paths, mount->mount_path))
            fail_invalid(causes, PATH(at, "mountPath"), mount->mount_path,
                         "must not already exist as a path in volumeDevices");
        /* Kubernetes leaves the index out of these paths. */
        validate_relative_path(mount->sub_path, PATH(path, "subPath"), causes);
        if (!str_empty(mount->sub_path_expr) && !str_empty(mount->sub_path))
            fail_invalid(causes, PATH(at, "subPathExpr"), mount->sub_path_expr,
                         "subPathExpr and subPath are mutually exclusive");
        validate_relative_path(mount->sub_path_expr, PATH(path, "subPathExpr"), causes);
        validate_mount_mode(container, mount, path, causes);
    }
}

static void validate_devices(const PodCheck *check, const Container *container, const Path *path)
{
    const VolumeDeviceArray *devices = &container->volume_devices;
    Causes *causes = check->causes;
    TextMap names = TEXT_MAP_INIT(causes->arena), paths = TEXT_MAP_INIT(causes->arena),
            mounts = TEXT_MAP_INIT(causes->arena);

    for (size_t i = 0; devices->n && i < container->volume_mounts.n; i++)
        text_map_add(&mounts, container->volume_mounts.v[i].name);
    for (size_t i = 0; i < devices->n; i++) {
        const VolumeDevice *device = &devices->v[i];
        const Volume *volume = text_map_get(check->volumes, device->name);
        const Path *at = PATH_INDEX(path, i);

        if (!text_map_add(&names, device->name))
            fail_invalid(causes, PATH(at, "name"), device->name, "must be unique");
        if (!text_map_add(&paths, device->device_path))
            fail_invalid(causes, PATH(at, "devicePath"), device->device_path, "must be unique");
        if (!volume)
            fail_not_found(causes, PATH(at, "name"), device->name);
        else if (!volume->volume_source.persistent_volume_claim && !volume->volume_source.ephemeral)
            fail_invalid(causes, PATH(at, "name"), device->name,
                         "can only use volume source type of PersistentVolumeClaim or Ephemeral "
                         "for block mode");
        if (text_map_has(&mounts, device->name))
            fail_invalid(causes, PATH(at, "name"), device->name,
                         "must not already exist in volumeMounts");
    }
}

/* ---- probes and hooks ---- */

#define ONE_HANDLER "may not specify more than 1 handler type"
#define HANDLER_NEEDED "must specify a handler type"

static void validate_exec(const ExecAction *exec, const Path *path, Causes *causes)
{
    if (exec && !exec->command.n)
        fail_required(causes, PATH(PATH(path, "exec"), "command"), NULL);
}

static void validate_http_get(const HTTPGetAction *get, const Path *path, Causes *causes)
{
    const Path *at = PATH(path, "httpGet");

    if (!get)
        return;
    validate_port(&get->port, PATH(at, "port"), causes);
    for (size_t i = 0; i < get->http_headers.n; i++)
        fail_faults(causes, PATH(at, "httpHeaders"), get->http_headers.v[i].name,
                    check_http_header(get->http_headers.v[i].name));
}

static void validate_probe(const Probe *probe, const Path *path, Causes *causes)
{
    const ProbeHandler *handler = &probe->probe_handler;

    if (!validate_union(&type_ProbeHandler, handler, ONE_HANDLER, path, causes))
        fail_required(causes, path, HANDLER_NEEDED);
    validate_exec(handler->exec, path, causes);
    validate_http_get(handler->http_get, path, causes);
    if (handler->tcp_socket)
        validate_port(&handler->tcp_socket->port, PATH(PATH(path, "tcpSocket"), "port"), causes);
    if (handler->grpc)
        validate_port_number(handler->grpc->port, PATH(PATH(path, "grpc"), "port"), causes);
    if (probe->termination_grace_period_seconds && *probe->termination_grace_period_seconds <= 0)
        fail_invalid_int(causes, PATH(path, "terminationGracePeriodSeconds"),
                         *probe->termination_grace_period_seconds, "must be greater than 0");
}

static void validate_probes(const Container *container, const Path *path, Causes *causes)
{
    const Probe *liveness = container->liveness_probe, *readiness = container->readiness_probe;
    const Probe *startup = container->startup_probe;

    if (liveness) {
        validate_probe(liveness, PATH(path, "livenessProbe"), causes);
        if (liveness->success_threshold != 1)
            fail_invalid_int(causes, PATH(PATH(path, "livenessProbe"), "successThreshold"),
                             liveness->success_threshold, "must be 1");
    }
    if (readiness) {
        validate_probe(readiness, PATH(path, "readinessProbe"), causes);
        if (readiness->termination_grace_period_seconds)
            fail_invalid_int(causes,
                             PATH(PATH(path, "readinessProbe"), "terminationGracePeriodSeconds"),
                             *readiness->termination_grace_period_seconds,
                             "must not be set for readinessProbes");
    }
    if (startup) {
        validate_probe(startup, PATH(path, "startupProbe"), causes);
        if (startup->success_threshold != 1)
            fail_invalid_int(causes, PATH(PATH(path, "startupProbe"), "successThreshold"),
                             startup->success_threshold, "must be 1");
    }
}

static void validate_hook(const PodCheck *check, const LifecycleHandler *hook, const Path *path)
{
    const int64_t *grace = check->spec->termination_grace_period_seconds;
    Causes *causes = check->causes;

    if (!validate_union(&type_LifecycleHandler, hook, ONE_HANDLER, path, causes))
        fail_required(causes, path, HANDLER_NEEDED);
    validate_exec(hook->exec, path, causes);
    validate_http_get(hook->http_get, path, causes);
    if (hook->tcp_socket)
        validate_port(&hook->tcp_socket->port, PATH(PATH(path, "tcpSocket"), "port"), causes);
    if (hook->sleep && grace && (hook->sleep->seconds < 0 || hook->sleep->seconds > *grace))
        fail_invalid_int(causes, PATH(path, "sleep"), hook->sleep->seconds,
                         arena_printf(causes->arena,
                                      "must be non-negative and less than "
                                      "terminationGracePeriodSeconds (%" PRId64 ")",
                                      *grace));
}

static bool is_signal_name(const char *s)
{
    static const char *const names[] = {
        "SIGABRT",  "SIGALRM", "SIGBUS",    "SIGCHLD",  "SIGCLD",  "SIGCONT",   "SIGFPE",
        "SIGHUP",   "SIGILL",  "SIGINT",    "SIGIO",    "SIGIOT",  "SIGKILL",   "SIGPIPE",
        "SIGPOLL",  "SIGPROF", "SIGPWR",    "SIGQUIT",  "SIGSEGV", "SIGSTKFLT", "SIGSTOP",
        "SIGSYS",   "SIGTERM", "SIGTRAP",   "SIGTSTP",  "SIGTTIN", "SIGTTOU",   "SIGURG",
        "SIGUSR1",  "SIGUSR2", "SIGVTALRM", "SIGWINCH", "SIGXCPU", "SIGXFSZ",   "SIGRTMIN",
        "SIGRTMAX", NULL};
    int64_t n;

    if (str_starts_with(s, "SIGRTMIN+"))
        return !str_to_int64(s + 9, 1, 15, &n);
    if (str_starts_with(s, "SIGRTMAX-"))
        return !str_to_int64(s + 9, 1, 14, &n);
    return name_is_one_of(s, names);
}

static void validate_lifecycle(const PodCheck *check, const Lifecycle *lifecycle, const Path *path)
{
    if (lifecycle->post_start)
        validate_hook(check, lifecycle->post_start, PATH(path, "postStart"));
    if (lifecycle->pre_stop)
        validate_hook(check, lifecycle->pre_stop, PATH(path, "preStop"));
    if (lifecycle->stop_signal && !is_signal_name(lifecycle->stop_signal))
        fail_not_supported(check->causes, PATH(path, "stopSignal"), lifecycle->stop_signal, NULL);
}

/* ---- security ---- */

static void validate_id(const int64_t *id, const Path *path, Causes *causes)
{
    if (id && (*id < 0 || *id > INT32_MAX))
        fail_invalid_int(causes, path, *id, "must be between 0 and 2147483647, inclusive");
}

static void validate_security(const PodCheck *check, const SecurityContext *security,
                              const Path *path)
{
    bool no_escalation =
        security->allow_privilege_escalation && !*security->allow_privilege_escalation;
    bool host_users = !check->spec->host_users || *check->spec->host_users;
    Causes *causes = check->causes;

    validate_id(security->run_as_user, PATH(path, "runAsUser"), causes);
    validate_id(security->run_as_group, PATH(path, "runAsGroup"), causes);
    if (host_users && str_equal(security->proc_mount, "Unmasked"))
        fail_invalid(causes, PATH(path, "procMount"), security->proc_mount,
                     "`hostUsers` must be false to use `Unmasked`");
    validate_armor_profile(security->app_armor_profile, PATH(path, "appArmorProfile"), causes);
    if (security->seccomp_profile && str_equal(security->seccomp_profile->type, "Localhost") &&
        str_empty(security->seccomp_profile->localhost_profile))
        fail_required(causes, PATH(PATH(path, "seccompProfile"), "localhostProfile"),
                      "must be set when seccomp type is Localhost");
    else if (security->seccomp_profile && str_equal(security->seccomp_profile->type, "Localhost"))
        validate_relative_path(security->seccomp_profile->localhost_profile,
                               PATH(PATH(path, "seccompProfile"), "localhostProfile"), causes);
    if (no_escalation && security->privileged && *security->privileged)
        fail_invalid(causes, path, "",
                     "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
    if (no_escalation && security->capabilities)
        for (size_t i = 0; i < security->capabilities->add.n; i++)
            if (str_equal(security->capabilities->add.v[i], "CAP_SYS_ADMIN"))
                fail_invalid(causes, path, "",
                             "cannot set `allowPrivilegeEscalation` to false and "
                             "`capabilities.Add` CAP_SYS_ADMIN");
}

/* ---- containers ---- */

static void validate_restart_rules(const Container *container, const Path *path, Causes *causes)
{
    const ContainerRestartRuleArray *rules = &container->restart_policy_rules;

    if (rules->n && !container->restart_policy)
        fail_required(causes, PATH(path, "restartPolicy"),
                      "must specify restartPolicy when restart rules are used");
    if (rules->n > 20)
        causes_add(causes, CAUSE_TOO_MANY, path_text(PATH(path, "restartPolicyRules"), causes),
                   arena_printf(causes->arena, "%zu", rules->n), "must have at most 20 items");
    for (size_t i = 0; i < rules->n; i++)
        if (!rules->v[i].exit_codes)
            fail_required(causes,
                          PATH(PATH_INDEX(PATH(path, "restartPolicyRules"), i), "exitCodes"),
                          "must be specified");
}

static void validate_resize_policies(const PodCheck *check,
                                     const ContainerResizePolicyArray *policies, const Path *path)
{
    static const char *const resources[] = {"cpu", "memory", NULL};
    static const char *const actions[] = {"NotRequired", "RestartContainer", NULL};
    Causes *causes = check->causes;
    TextMap seen = TEXT_MAP_INIT(causes->arena);

    for (size_t i = 0; i < policies->n; i++) {
        const char *resource = policies->v[i].resource_name,
                   *action = policies->v[i].restart_policy;

        fail_if_seen(causes, PATH_INDEX(path, i), &seen, resource);
        if (!str_empty(resource) && !name_is_one_of(resource, resources))
            fail_not_supported(causes, path, resource, resources);
        if (!str_empty(action) && !name_is_one_of(action, actions))
            fail_not_supported(causes, path, action, actions);
        if (str_equal(check->spec->restart_policy, "Never") && !str_equal(action, "NotRequired"))
            fail_invalid(causes, path, str_or(action, ""),
                         "must be 'NotRequired' when pod `restartPolicy` is 'Never'");
    }
}

static void validate_common(const PodCheck *check, const Container *container, const Path *path)
{
    Causes *causes = check->causes;
    const char *image = container->image;

    if (!str_empty(container->name))
        fail_faults(causes, PATH(path, "name"), container->name, check_dns_label(container->name));
    if (str_empty(image))
        fail_required(causes, PATH(path, "image"), NULL);
    else if (strchr(" \t\n\r", image[0]) || strchr(" \t\n\r", image[strlen(image) - 1]))
        fail_invalid(causes, PATH(path, "image"), image,
                     "must not have leading or trailing whitespace");
    validate_ports(&container->ports, PATH(path, "ports"), causes);
    validate_env(container, path, causes);
    validate_mounts(check, container, PATH(path, "volumeMounts"));
    validate_devices(check, container, PATH(path, "volumeDevices"));
    if (str_empty(container->image_pull_policy))
        fail_required(causes, PATH(path, "imagePullPolicy"), NULL);
    validate_resources(&container->resources, PATH(path, "resources"), causes);
    validate_claims(check, &container->resources.claims, PATH(PATH(path, "resources"), "claims"));
    validate_resize_policies(check, &container->resize_policy, PATH(path, "resizePolicy"));
    if (container->security_context)
        validate_security(check, container->security_context, PATH(path, "securityContext"));
    validate_restart_rules(container, path, causes);
}

static void validate_init_container(const PodCheck *check, size_t index, const Path *path)
{
    static const char text[] = "may not be set for init containers without restartPolicy=Always";
    const Container *container = &check->spec->init_containers.v[index];
    Causes *causes = check->causes;

    validate_common(check, container, path);
    if (!str_empty(container->name) && !text_map_add(check->names, container->name))
        fail_duplicate(causes, PATH(path, "name"), container->name);
    if (container_is_sidecar(container)) {
        if (container->lifecycle)
            validate_lifecycle(check, container->lifecycle, PATH(path, "lifecycle"));
        validate_probes(container, path, causes);
        return;
    }
    if (container->lifecycle)
        fail_forbidden(causes, PATH(path, "lifecycle"), text);
    if (container->liveness_probe)
        fail_forbidden(causes, PATH(path, "livenessProbe"), text);
    if (container->readiness_probe)
        fail_forbidden(causes, PATH(path, "readinessProbe"), text);
    if (container->startup_probe)
        fail_forbidden(causes, PATH(path, "startupProbe"), text);
    for (size_t i = 0; i < container->resize_policy.n; i++)
        if (str_equal(container->resize_policy.v[i].restart_policy, "RestartContainer"))
            fail_invalid(causes, PATH(PATH_INDEX(PATH(path, "resizePolicy"), i), "restartPolicy"),
                         "RestartContainer",
                         "must not be set to 'RestartContainer' for non-sidecar initContainers");
}

/* names: of the containers before this one */
static void validate_ephemeral_container(const PodCheck *check, size_t index, TextMap *names,
                                         const Path *path)
{
    static const char text[] = "cannot be set for an Ephemeral Container";
    static const char *const forbidden[] = {"ports",        "resources",      "livenessProbe",
                                            "lifecycle",    "readinessProbe", "startupProbe",
                                            "resizePolicy", "restartPolicy"};
    const EphemeralContainer *ephemeral = &check->spec->ephemeral_containers.v[index];
    const Container *container = (const Container *)&ephemeral->ephemeral_container_common;
    const char *target = ephemeral->target_container_name;
    Causes *causes = check->causes;

    validate_common(check, container, path);
    if (text_map_has(check->names, container->name))
        fail_duplicate(causes, PATH(path, "name"), container->name);
    fail_if_seen(causes, PATH(path, "name"), names, container->name);
    if (!str_empty(target) && !text_map_has(check->names, target))
        fail_not_found(causes, PATH(path, "targetContainerName"), target);
    for (size_t i = 0; i < ARRAY_LEN(forbidden); i++) {
        const Field *field = type_member(&type_Container, forbidden[i]);

        if (!type_field_empty(field, field_at(container, field)) &&
            (field->shape != SHAPE_ONE || container->resources.limits.n ||
             container->resources.requests.n))
            fail_forbidden(causes, PATH(path, forbidden[i]), text);
    }
    for (size_t i = 0; i < container->volume_mounts.n; i++) {
        const Path *at = PATH_INDEX(PATH(path, "volumeMounts"), i);

        if (!str_empty(container->volume_mounts.v[i].sub_path))
            fail_forbidden(causes, PATH(at, "subPath"), text);
        if (!str_empty(container->volume_mounts.v[i].sub_path_expr))
            fail_forbidden(causes, PATH(at, "subPathExpr"), text);
    }
}

void validate_containers(const PodCheck *check, const Path *path)
{
    const ContainerArray *containers = &check->spec->containers;
    TextMap ephemeral = TEXT_MAP_INIT(check->causes->arena);

    for (size_t i = 0; i < containers->n; i++) {
        const Container *container = &containers->v[i];
        const Path *at = PATH_INDEX(PATH(path, "containers"), i);

        validate_common(check, container, at);
        if (!str_empty(container->name) && !text_map_add(check->names, container->name))
            fail_duplicate(check->causes, PATH(at, "name"), container->name);
        if (container->lifecycle)
            validate_lifecycle(check, container->lifecycle, PATH(at, "lifecycle"));
        validate_probes(container, at, check->causes);
    }
    for (size_t i = 0; i < containers->n; i++)
        validate_host_ports(check, &containers->v[i].ports,
                            PATH_INDEX(PATH(path, "containers"), i));
    for (size_t i = 0; i < check->spec->init_containers.n; i++)
        validate_init_container(check, i, PATH_INDEX(PATH(path, "initContainers"), i));
    for (size_t i = 0; i < check->spec->ephemeral_containers.n; i++)
        validate_ephemeral_container(check, i, &ephemeral,
                                     PATH_INDEX(PATH(path, "ephemeralContainers"), i));
}
