/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Warnings about pods and templates of pods: what is accepted, but deprecated, without effect, or most likely a
 * mistake. They are given in the order in which kube-apiserver gives them. Paths begin at the object that has the
 * pod's metadata and spec.
 */
#include "api/object.h"
#include "api/rules/rules.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_reference_v1.h"
#include "api/schema/core_scheduling_v1.h"
#include "api/schema/core_volume_v1.h"
#include "api/validate/pod.h"
#include "codec/quantity.h"

#define SECCOMP_POD "seccomp.security.alpha.kubernetes.io/pod"
#define SECCOMP_CONTAINER "container.seccomp.security.alpha.kubernetes.io/"
#define ARMOR "container.apparmor.security.beta.kubernetes.io/"

typedef struct Warner {
    Arena *arena;
    const ObjectMeta *meta;
    const PodSpec *spec;
    const char *prefix; /* of paths: "" or "spec.template." */
    Warnings *warnings;
} Warner;

static void warn(const Warner *w, const char *format, ...) _printf_(2, 3);
static void warn(const Warner *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    rules_warn(w->arena, w->warnings,
               arena_printf(w->arena, "%s%s", w->prefix, arena_vprintf(w->arena, format, args)));
    va_end(args);
}

/* ---- labels of nodes ---- */

static const char *deprecated_label(const char *key)
{
    static const struct {
        const char *key, *message;
    } rows[] = {
        {"beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"},
        {"beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"},
        {"failure-domain.beta.kubernetes.io/region",
         "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead"},
        {"failure-domain.beta.kubernetes.io/zone",
         "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead"},
        {"beta.kubernetes.io/instance-type",
         "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead"},
        {"app.kubernetes.io/created-by", "deprecated since v1.9"},
        {"scheduler.alpha.kubernetes.io/preferAvoidPods",
         "deprecated since v1.22; use Taints and Tolerations instead"},
        {"node-role.kubernetes.io/master", "use \"node-role.kubernetes.io/control-plane\" instead"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_equal(rows[i].key, key))
            return rows[i].message;
    return NULL;
}

/* The values of preferences are not validated, so they are warned of. */
static void warn_term(const Warner *w, const NodeSelectorTerm *term, bool preferred,
                      const char *path)
{
    for (size_t i = 0; i < term->match_expressions.n; i++) {
        const NodeSelectorRequirement *one = &term->match_expressions.v[i];
        const char *message = deprecated_label(one->key);

        if (message)
            warn(w, "%s.matchExpressions[%zu].key: %s is %s", path, i, one->key, message);
        for (size_t k = 0; preferred && k < one->values.n; k++) {
            Faults faults = check_label_value(one->values.v[k]);

            for (size_t f = 0; f < faults.n; f++)
                warn(w, "%s.matchExpressions[%zu].values[%zu]: %s is invalid, %s", path, i, k,
                     one->values.v[k], faults.v[f]);
        }
    }
}

static void warn_node_labels(const Warner *w)
{
    const StringMap *selector = &w->spec->node_selector;
    const NodeAffinity *affinity = w->spec->affinity ? w->spec->affinity->node_affinity : NULL;
    const NodeSelector *required =
        affinity ? affinity->required_during_scheduling_ignored_during_execution : NULL;

    for (size_t i = 0; i < selector->n; i++)
        if (deprecated_label(selector->v[i].key))
            warn(w, "spec.nodeSelector[%s]: %s", selector->v[i].key,
                 deprecated_label(selector->v[i].key));
    for (size_t i = 0; required && i < required->node_selector_terms.n; i++)
        warn_term(w, &required->node_selector_terms.v[i], false,
                  arena_printf(w->arena,
                               "spec.affinity.nodeAffinity."
                               "requiredDuringSchedulingIgnoredDuringExecution."
                               "nodeSelectorTerms[%zu]",
                               i));
    for (size_t i = 0;
         affinity && i < affinity->preferred_during_scheduling_ignored_during_execution.n; i++)
        warn_term(w,
                  &affinity->preferred_during_scheduling_ignored_during_execution.v[i].preference,
                  true,
                  arena_printf(w->arena,
                               "spec.affinity.nodeAffinity."
                               "preferredDuringSchedulingIgnoredDuringExecution[%zu].preference",
                               i));
}

/* ---- selectors that match nothing ---- */

static void warn_null(const Warner *w, const LabelSelector *selector, const char *path, size_t i,
                      const char *member)
{
    if (!selector)
        warn(w, "%s[%zu].%s: a null labelSelector results in matching no pod", path, i, member);
}

static void warn_spread(const Warner *w)
{
    for (size_t i = 0; i < w->spec->topology_spread_constraints.n; i++) {
        const TopologySpreadConstraint *one = &w->spec->topology_spread_constraints.v[i];
        const char *message = deprecated_label(one->topology_key);

        if (message)
            warn(w, "spec.topologySpreadConstraints[%zu].topologyKey: %s is %s", i,
                 one->topology_key, message);
        warn_null(w, one->label_selector, "spec.topologySpreadConstraints", i, "labelSelector");
    }
}

static void warn_company(const Warner *w, const PodAffinityTermArray *required,
                         const WeightedPodAffinityTermArray *preferred, const char *member)
{
    const char *path = arena_printf(w->arena, "spec.affinity.%s", member);
    const char *first = arena_printf(w->arena, "%s.requiredDuringSchedulingIgnoredDuringExecution",
                                     path),
               *second = arena_printf(w->arena,
                                      "%s.preferredDuringSchedulingIgnoredDuringExecution", path);

    for (size_t i = 0; i < required->n; i++)
        warn_null(w, required->v[i].label_selector, first, i, "labelSelector");
    for (size_t i = 0; i < preferred->n; i++)
        warn_null(w, preferred->v[i].pod_affinity_term.label_selector, second, i,
                  "podAffinityTerm.labelSelector");
}

static void warn_affinity(const Warner *w)
{
    const Affinity *affinity = w->spec->affinity;

    if (affinity && affinity->pod_affinity)
        warn_company(w,
                     &affinity->pod_affinity->required_during_scheduling_ignored_during_execution,
                     &affinity->pod_affinity->preferred_during_scheduling_ignored_during_execution,
                     "podAffinity");
    if (affinity && affinity->pod_anti_affinity)
        warn_company(
            w, &affinity->pod_anti_affinity->required_during_scheduling_ignored_during_execution,
            &affinity->pod_anti_affinity->preferred_during_scheduling_ignored_during_execution,
            "podAntiAffinity");
}

/* ---- annotations ---- */

static void warn_annotations(const Warner *w)
{
    static const struct {
        const char *key, *message;
    } rows[] = {
        {"scheduler.alpha.kubernetes.io/critical-pod",
         "non-functional in v1.16+; use the \"priorityClassName\" field instead"},
        {"security.alpha.kubernetes.io/sysctls",
         "non-functional in v1.11+; use the \"sysctls\" field instead"},
        {"security.alpha.kubernetes.io/unsafe-sysctls",
         "non-functional in v1.11+; use the \"sysctls\" field instead"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (string_map_get(&w->meta->annotations, rows[i].key))
            warn(w, "metadata.annotations[%s]: %s", rows[i].key, rows[i].message);
}

static void warn_seccomp(const Warner *w, const char *key)
{
    if (string_map_get(&w->meta->annotations, key))
        warn(w,
             "metadata.annotations[%s]: non-functional in v1.27+; use the \"seccompProfile\" field "
             "instead",
             key);
}

/* The annotations of a pod become fields, of which armor.c warns. */
static void warn_template_armor(const Warner *w, const Container *container)
{
    const char *key = arena_printf(w->arena, ARMOR "%s", container->name);
    const char *annotation = string_map_get(&w->meta->annotations, key);
    const PodSecurityContext *context = w->spec->security_context;
    const AppArmorProfile *of_pod = context ? context->app_armor_profile : NULL;

    if (!*w->prefix || !annotation ||
        (container->security_context && container->security_context->app_armor_profile) ||
        (of_pod && armor_is(annotation, of_pod)))
        return;
    warn(w,
         "metadata.annotations[%s]: deprecated since v1.30; use the \"appArmorProfile\" field "
         "instead",
         key);
}

/* ---- volumes, secrets, aliases ---- */

static void warn_volumes(const Warner *w)
{
    static const struct {
        const char *json, *message;
    } rows[] = {
        {"photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"},
        {"gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"},
        {"scaleIO", "deprecated in v1.16, non-functional in v1.22+"},
        {"flocker", "deprecated in v1.22, non-functional in v1.25+"},
        {"storageos", "deprecated in v1.22, non-functional in v1.25+"},
        {"quobyte", "deprecated in v1.22, non-functional in v1.25+"},
        {"glusterfs", "deprecated in v1.25, non-functional in v1.26+"},
        {"cephfs", "deprecated in v1.28, non-functional in v1.31+"},
        {"rbd", "deprecated in v1.28, non-functional in v1.31+"},
    };

    for (size_t i = 0; i < w->spec->volumes.n; i++) {
        const VolumeSource *source = &w->spec->volumes.v[i].volume_source;

        for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
            const TypeName *name =
                type_find(&type_VolumeSource, rows[k].json, strlen(rows[k].json));

            if (name && field_thing(name->field, (const char *)source + name->offset))
                warn(w, "spec.volumes[%zu].%s: %s", i,
                     str_equal(rows[k].json, "storageos") ? "storageOS" : rows[k].json,
                     rows[k].message);
        }
    }
}

static void warn_names(const Warner *w)
{
    TextMap ips = TEXT_MAP_INIT(w->arena), secrets = TEXT_MAP_INIT(w->arena);

    for (size_t i = 0; i < w->spec->host_aliases.n; i++)
        if (!text_map_add(&ips, str_or(w->spec->host_aliases.v[i].ip, "")))
            warn(w, "spec.hostAliases[%zu].ip: duplicate ip \"%s\"", i,
                 str_or(w->spec->host_aliases.v[i].ip, ""));
    for (size_t i = 0; i < w->spec->image_pull_secrets.n; i++)
        if (!text_map_add(&secrets, str_or(w->spec->image_pull_secrets.v[i].name, "")))
            warn(w, "spec.imagePullSecrets[%zu].name: duplicate name \"%s\"", i,
                 str_or(w->spec->image_pull_secrets.v[i].name, ""));
    for (size_t i = 0; i < w->spec->image_pull_secrets.n; i++)
        if (str_empty(w->spec->image_pull_secrets.v[i].name))
            warn(w, "spec.imagePullSecrets[%zu].name: invalid empty name \"\"", i);
}

/* ---- containers ---- */

static void warn_amount(const Warner *w, const StringMap *amounts, const char *path,
                        const char *resource)
{
    const char *amount = string_map_get(amounts, resource);

    if (amount && quantity_milli(amount) % 1000 != 0)
        warn(w, "%s[%s]: fractional byte value \"%s\" is invalid, must be an integer", path,
             resource, amount);
}

static void warn_amounts(const Warner *w, const ResourceRequirements *resources, const char *path)
{
    static const char *const bytes[] = {"memory", "ephemeral-storage"};
    const char *limits = arena_printf(w->arena, "%s.resources.limits", path),
               *requests = arena_printf(w->arena, "%s.resources.requests", path);

    for (size_t i = 0; i < ARRAY_LEN(bytes); i++) {
        warn_amount(w, &resources->limits, limits, bytes[i]);
        warn_amount(w, &resources->requests, requests, bytes[i]);
    }
}

/* A later variable may extend an earlier one of its name, but not replace it. */
static void warn_env(const Warner *w, const EnvVarArray *env, const char *path)
{
    TextMap names = TEXT_MAP_INIT(w->arena);

    for (size_t i = 0; i < env->n; i++) {
        const EnvVar *one = &env->v[i];
        const char *ref = arena_printf(w->arena, "$(%s)", str_or(one->name, ""));
        const char *value = str_or(one->value, "");

        if (text_map_add(&names, str_or(one->name, "")))
            continue;
        if (one->value_from || str_equal(value, ref) || !strstr(value, ref))
            warn(
                w,
                "%s.env[%zu]: hides previous definition of \"%s\", which may be dropped when using "
                "apply",
                path, i, str_or(one->name, ""));
    }
}

static void warn_container(const Warner *w, const Container *container, const char *path)
{
    const SecurityContext *context = container->security_context;

    if (!context || !context->seccomp_profile)
        warn_seccomp(w, arena_printf(w->arena, SECCOMP_CONTAINER "%s", container->name));
    warn_template_armor(w, container);
    warn_amounts(w, &container->resources, path);
    warn_env(w, &container->env, path);
}

/* More ports of one number are not compared with each other. */
enum { PORTS_COMPARED = 32 };

/* A port of any container, in a list of those with the same number and protocol. */
typedef struct PortPlace {
    const ContainerPort *port;
    const char *path;
    struct PortPlace *next;
} PortPlace;

static const char *port_conflict(const ContainerPort *a, const ContainerPort *b)
{
    bool same_ip = str_equal(str_or(a->host_ip, ""), str_or(b->host_ip, ""));

    if (same_ip && a->host_port == b->host_port)
        return "duplicate";
    if (!a->host_port || !b->host_port)
        return "overlapping";
    return a->host_port == b->host_port && str_empty(a->host_ip) != str_empty(b->host_ip)
               ? "dangerously ambiguous"
               : NULL;
}

static void warn_port(const Warner *w, const ContainerPort *port, const char *path, TextMap *ports)
{
    const char *key =
        arena_printf(w->arena, "%d/%s", port->container_port, str_or(port->protocol, ""));
    PortPlace *place = arena_new(w->arena, PortPlace), **last;
    TextMapSlot *slot;
    size_t n = 0;
    bool fresh;

    if (!str_empty(port->host_ip) && !port->host_port)
        warn(w,
             "%s: hostIP set without hostPort: {Name:%s HostPort:0 ContainerPort:%d Protocol:%s "
             "HostIP:%s}",
             path, str_or(port->name, ""), port->container_port, str_or(port->protocol, ""),
             port->host_ip);
    slot = text_map_put_n(ports, key, strlen(key), &fresh);
    last = (PortPlace **)&slot->value;
    for (; *last; last = &(*last)->next) {
        const char *conflict = port_conflict(port, (*last)->port);

        if (++n == PORTS_COMPARED)
            return;
        if (conflict)
            warn(w, "%s: %s port definition with %s%s", path, conflict, w->prefix, (*last)->path);
    }
    *place = (PortPlace){.port = port, .path = path};
    *last = place;
}

static void warn_port_name(const Warner *w, const ContainerPort *port, const char *path,
                           TextMap *names)
{
    const char *first;

    if (str_empty(port->name))
        return;
    text_map_put_first(names, port->name, (void *)(uintptr_t)path);
    first = text_map_get(names, port->name);
    if (first != path)
        warn(w,
             "%s: duplicate port name \"%s\" with %s%s, services and probes that select ports by "
             "name "
             "will use %s%s",
             path, port->name, w->prefix, first, w->prefix, first);
}

typedef struct ContainerList {
    const ContainerArray *containers;
    const char *path;
} ContainerList;

static void warn_containers(const Warner *w)
{
    const ContainerList lists[] = {{&w->spec->init_containers, "spec.initContainers"},
                                   {&w->spec->containers, "spec.containers"}};
    TextMap ports = TEXT_MAP_INIT(w->arena), names = TEXT_MAP_INIT(w->arena);

    for (size_t l = 0; l < ARRAY_LEN(lists); l++)
        for (size_t i = 0; i < lists[l].containers->n; i++)
            warn_container(w, &lists[l].containers->v[i],
                           arena_printf(w->arena, "%s[%zu]", lists[l].path, i));
    for (int pass = 0; pass < 2; pass++)
        for (size_t l = 0; l < ARRAY_LEN(lists); l++)
            for (size_t i = 0; i < lists[l].containers->n; i++)
                for (size_t k = 0; k < lists[l].containers->v[i].ports.n; k++) {
                    const ContainerPort *port = &lists[l].containers->v[i].ports.v[k];
                    const char *path =
                        arena_printf(w->arena, "%s[%zu].ports[%zu]", lists[l].path, i, k);

                    if (pass == 0)
                        warn_port(w, port, path, &ports);
                    else
                        warn_port_name(w, port, path, &names);
                }
}

void rules_warn_pod(Arena *arena, const ObjectMeta *meta, const PodSpec *spec, const char *at,
                    Warnings *warnings)
{
    const Warner w = {arena, meta, spec, *at ? arena_printf(arena, "%s.", at) : "", warnings};

    warn_node_labels(&w);
    warn_spread(&w);
    warn_annotations(&w);
    warn_volumes(&w);
    warn_names(&w);
    warn_amount(&w, &spec->overhead, "spec.overhead", "memory");
    warn_amount(&w, &spec->overhead, "spec.overhead", "ephemeral-storage");
    if (!spec->security_context || !spec->security_context->seccomp_profile)
        warn_seccomp(&w, SECCOMP_POD);
    warn_containers(&w);
    if (spec->termination_grace_period_seconds && *spec->termination_grace_period_seconds < 0)
        warn(&w,
             "spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and "
             "will be treated as 1");
    warn_affinity(&w);
}

void rules_warn_name(Arena *arena, const char *name, Warnings *warnings)
{
    Faults faults = check_dns_label(str_or(name, ""));
    const char *list = "";

    for (size_t i = 0; i < faults.n; i++)
        list = arena_printf(arena, "%s%s%s", list, i ? " " : "", faults.v[i]);
    if (faults.n)
        rules_warn(arena, warnings,
                   arena_printf(arena,
                                "metadata.name: this is used in Pod names and hostnames, which can "
                                "result in surprising behavior; a DNS label is recommended: [%s]",
                                strchr(name, '.') && check_dns_subdomain(name).n == 0
                                    ? "must not contain dots"
                                    : list));
}
