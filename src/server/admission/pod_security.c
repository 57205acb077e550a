/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pod Security: the labels of a namespace say which level of the Pod Security Standards its pods have
 * to keep (enforce), and about which level a user is warned (warn). A template of pods is never
 * refused, but warned about; and a namespace that gets a stricter level is warned about the pods that
 * it has. For the audit log, the request is annotated with the level that is enforced, and with what
 * breaks the third level (audit).
 *
 * There is no configuration: the default is privileged, and nothing is exempt.
 */
#include "api/meta.h"
#include "api/pod_security/pod_security.h"
#include "api/schema/apps_v1.h"
#include "api/schema/batch_v1.h"
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_replication_v1.h"
#include "api/version.h"
#include "base/observe/metrics.h"
#include "base/text_map.h"
#include "server/admission/admission.h"

#define LABEL "pod-security.kubernetes.io/"
#define NEWEST_MINOR (10 * (API_MINOR[0] - '0') + API_MINOR[1] - '0')
#define PODS_MAX 3000 /* existing pods that are looked at when a namespace changes */

/* ---- the labels ---- */

typedef struct Policies {
    SecurityPolicy enforce, audit, warn;
    bool privileged;   /* all of them */
    const char *error; /* what is wrong with the labels; NULL: nothing */
} Policies;

/* Reads one mode. A wrong level counts as the strictest, and a wrong version as the newest one.
 * Returns whether there is a level, a right one or not; *ret_right tells which. */
static bool read_mode(const StringMap *labels, const char *mode, SecurityPolicy *policy,
                      bool *ret_right, bool *ret_version, Causes *causes)
{
    Arena *arena = causes->arena;
    const char *level_key = arena_printf(arena, LABEL "%s", mode);
    const char *version_key = arena_printf(arena, LABEL "%s-version", mode);
    const char *level = string_map_get(labels, level_key);
    const char *version = string_map_get(labels, version_key);

    *ret_right = level && security_parse_level(level, &policy->level);
    if (level && !*ret_right) {
        policy->level = SECURITY_RESTRICTED;
        causes_invalid_string(causes, arena_printf(arena, "metadata.labels[%s]", level_key), level,
                              "must be one of privileged, baseline, restricted");
    }
    *ret_version = version != NULL;
    if (version && !security_parse_version(version, &policy->minor)) {
        policy->minor = SECURITY_LATEST;
        causes_invalid_string(causes, arena_printf(arena, "metadata.labels[%s]", version_key),
                              version, "must be \"latest\" or \"v1.x\"");
    }
    return level != NULL;
}

static bool has_labels(const StringMap *labels)
{
    for (size_t i = 0; i < labels->n; i++)
        if (str_starts_with(labels->v[i].key, LABEL))
            return true;
    return false;
}

/* Audit and warn fail open. Whoever enforces a level and says nothing about warnings gets them for
 * the same level. */
static Policies read_policies(const StringMap *labels, Causes *causes)
{
    static const SecurityPolicy none = {SECURITY_PRIVILEGED, SECURITY_LATEST};
    Policies all = {none, none, none, true, NULL};
    bool enforced, audited, warned, version, warn_version;

    if (!has_labels(labels))
        return all;
    (void)read_mode(labels, "enforce", &all.enforce, &enforced, &version, causes);
    if (read_mode(labels, "audit", &all.audit, &audited, &version, causes) && !audited)
        all.audit.level = SECURITY_PRIVILEGED;
    if (read_mode(labels, "warn", &all.warn, &warned, &warn_version, causes)) {
        if (!warned)
            all.warn.level = SECURITY_PRIVILEGED;
    } else if (enforced && all.enforce.level > all.warn.level) {
        all.warn.level = all.enforce.level;
        if (!warn_version)
            all.warn.minor = all.enforce.minor;
    }
    all.privileged = all.enforce.level == SECURITY_PRIVILEGED &&
                     all.audit.level == SECURITY_PRIVILEGED &&
                     all.warn.level == SECURITY_PRIVILEGED;
    return all;
}

/* ---- pods and templates ---- */

#define ANNOTATION "pod-security.kubernetes.io/"

static const char *resource_of(const Write *write)
{
    return write->kind == &kind_pod ? "pod" : "controller";
}

static const char *operation_of(const Write *write)
{
    return write->before ? "update" : "create";
}

static void count(const Write *write, bool allowed, const SecurityPolicy *policy, const char *mode)
{
    bool latest = policy->minor == SECURITY_LATEST || policy->level == SECURITY_PRIVILEGED;
    char minor[16];

    snprintf(minor, sizeof(minor), "v1.%d", policy->minor);
    metric_inc(METRIC_SERIES(METRIC_POD_SECURITY, allowed ? "allow" : "deny",
                             security_level_text(policy->level),
                             latest                          ? "latest"
                             : policy->minor <= NEWEST_MINOR ? minor
                                                             : "future",
                             mode, operation_of(write), resource_of(write), write->subresource));
}

static int enforce(Write *write, const SecurityPolicy *policy, const ObjectMeta *meta,
                   const PodSpec *spec)
{
    Arena *arena = &write->arena;
    const char *text = security_policy_text(arena, policy);
    SecurityFindings findings = security_check(arena, policy, meta, spec);

    request_audit_annotation(write->call, ANNOTATION "enforce-policy", text);
    count(write, findings.n == 0, policy, "enforce");
    if (!findings.n)
        return 0;
    return status_forbidden(&write->status, arena, write->kind, write->name,
                            arena_printf(arena, "violates PodSecurity \"%s\": %s", text,
                                         security_details(arena, &findings)));
}

/* What the pod or template breaks of a policy that is not enforced, as a sentence; NULL: nothing. */
static const char *find(Write *write, const SecurityPolicy *policy, const char *mode,
                        const ObjectMeta *meta, const PodSpec *spec)
{
    Arena *arena = &write->arena;
    SecurityFindings findings = security_check(arena, policy, meta, spec);

    if (!findings.n)
        return NULL;
    count(write, false, policy, mode);
    return arena_printf(arena, "would violate PodSecurity \"%s\": %s",
                        security_policy_text(arena, policy), security_details(arena, &findings));
}

static int evaluate(Write *write, const Policies *policies, const ObjectMeta *meta,
                    const PodSpec *spec, bool enforced)
{
    const char *text;
    int r = 0;

    if (policies->error) {
        request_audit_annotation(write->call, ANNOTATION "error", policies->error);
        metric_inc(METRIC_SERIES(METRIC_POD_SECURITY_ERRORS, "false", operation_of(write),
                                 resource_of(write), write->subresource));
    }
    if (enforced)
        r = enforce(write, &policies->enforce, meta, spec);
    text = find(write, &policies->audit, "audit", meta, spec);
    if (text)
        request_audit_annotation(write->call, ANNOTATION "audit-violations", text);
    if (r)
        return r;
    text = find(write, &policies->warn, "warn", meta, spec);
    if (text)
        write_warn(write, text);
    return 0;
}

static const Container *find_ephemeral(const PodSpec *spec, const char *name)
{
    for (size_t i = 0; i < spec->ephemeral_containers.n; i++)
        if (str_equal(spec->ephemeral_containers.v[i].ephemeral_container_common.name, name))
            return (const Container *)&spec->ephemeral_containers.v[i].ephemeral_container_common;
    return NULL;
}

static bool images_differ(const ContainerArray *now, const ContainerArray *before)
{
    if (now->n != before->n)
        return true;
    for (size_t i = 0; i < now->n; i++)
        if (!str_equal(now->v[i].image, before->v[i].image))
            return true;
    return false;
}

/* Of what the checks look at, an update can add containers; other images are checked as well. */
static bool is_significant(const PodSpec *now, const PodSpec *before)
{
    if (images_differ(&now->containers, &before->containers) ||
        images_differ(&now->init_containers, &before->init_containers))
        return true;
    for (size_t i = 0; i < now->ephemeral_containers.n; i++) {
        const EphemeralContainerCommon *container =
            &now->ephemeral_containers.v[i].ephemeral_container_common;
        const Container *old = find_ephemeral(before, container->name);

        if (!old || !str_equal(old->image, container->image))
            return true;
    }
    return false;
}

/* The template of a workload; NULL: it has none. */
static const PodTemplateSpec *template_of(const Object *object)
{
    const Kind *kind = object->kind;

    if (kind == &kind_pod_template)
        return &OBJECT_AS(PodTemplate, object)->template;
    if (kind == &kind_replication_controller)
        return OBJECT_AS(ReplicationController, object)->spec.template;
    if (kind == &kind_replica_set)
        return &OBJECT_AS(ReplicaSet, object)->spec.template;
    if (kind == &kind_deployment)
        return &OBJECT_AS(Deployment, object)->spec.template;
    if (kind == &kind_daemon_set)
        return &OBJECT_AS(DaemonSet, object)->spec.template;
    if (kind == &kind_stateful_set)
        return &OBJECT_AS(StatefulSet, object)->spec.template;
    if (kind == &kind_job)
        return &OBJECT_AS(Job, object)->spec.template;
    if (kind == &kind_cron_job)
        return &OBJECT_AS(CronJob, object)->spec.job_template.spec.template;
    return NULL;
}

static Policies policies_of(Write *write)
{
    Object *ns = store_head(write->server->store, &kind_namespace, NULL, write->ns);
    Causes causes = {.arena = &write->arena};
    Policies policies = read_policies(ns ? &object_meta(ns)->labels : &(StringMap){0}, &causes);
    const char *list = NULL;

    for (size_t i = 0; i < causes.n; i++)
        list = arena_printf(&write->arena, "%s%s%s: %s", str_or(list, ""), list ? ", " : "",
                            causes.v[i].field, causes.v[i].message);
    if (list)
        policies.error = arena_printf(
            &write->arena,
            causes.n > 1 ? "Failed to parse policy: [%s]" : "Failed to parse policy: %s", list);
    return policies;
}

static int check_pod(Write *write)
{
    const Pod *pod = write->object->value;
    const char *sub = write->subresource;
    Policies policies;

    if (str_equal(sub, "status") || str_equal(sub, "binding"))
        return 0;
    policies = policies_of(write);
    if (policies.privileged && !policies.error) {
        request_audit_annotation(write->call, ANNOTATION "enforce-policy", "privileged:latest");
        count(write, true, &policies.enforce, "enforce");
        return 0;
    }
    if (write->before && !is_significant(&pod->spec, &OBJECT_AS(Pod, write->before)->spec))
        return 0;
    return evaluate(write, &policies, &pod->metadata, &pod->spec, true);
}

/* ---- namespaces ---- */

typedef struct PodWarning {
    const char *first; /* the first pod by name with these findings */
    size_t n;
} PodWarning;

/* Pods of which no other of the same controller has been looked at come first. */
typedef struct PodsCheck {
    Arena *arena;
    const SecurityPolicy *policy;
    bool duplicates;     /* the second pass: the other pods of each controller */
    TextMap controllers; /* uid -> uid of its first pod */
    TextMap warnings;    /* reasons -> PodWarning */
    size_t checked, all;
    int64_t deadline_ns;
    Clock *clock;
} PodsCheck;

static void note_findings(PodsCheck *check, const Pod *pod)
{
    SecurityFindings findings =
        security_check(check->arena, check->policy, &pod->metadata, &pod->spec);
    const char *reasons;
    PodWarning *warning;

    if (!findings.n)
        return;
    reasons = security_reasons(check->arena, &findings);
    warning = text_map_get(&check->warnings, reasons);
    if (!warning) {
        warning = arena_new(check->arena, PodWarning);
        warning->first = arena_strdup(check->arena, pod->metadata.name);
        text_map_put_first(&check->warnings, reasons, warning);
    }
    warning->n++;
}

/* Whether the pod belongs to the pass: the first pod of each controller to the first one. */
static bool is_of_pass(PodsCheck *check, const ObjectMeta *meta)
{
    const OwnerReference *controller = meta_controller(meta);
    const char *first;

    if (!controller)
        return !check->duplicates;
    if (!check->duplicates)
        text_map_put_first(&check->controllers, arena_strdup(check->arena, controller->uid),
                           arena_strdup(check->arena, meta->uid));
    first = text_map_get(&check->controllers, controller->uid);
    return str_equal(first, meta->uid) != check->duplicates;
}

static bool each_pod(void *data, Object *object)
{
    PodsCheck *check = data;

    check->all += !check->duplicates;
    if (!is_of_pass(check, object_meta(object)) || check->checked >= PODS_MAX ||
        clock_mono_ns(check->clock) > check->deadline_ns)
        return true;
    check->checked++;
    note_findings(check, object->value);
    return true;
}

static void warn_of_pods(Write *write, const PodsCheck *check)
{
    const TextMap *map = &check->warnings;
    const TextMapSlot *slots = map->cap ? map->slots : map->few;
    size_t n_slots = map->cap ? map->cap : map->n, n = 0;
    const char **texts = arena_new_n(check->arena, const char *, map->n + 1);

    if (check->checked < check->all)
        write_warn(write, arena_printf(check->arena,
                                       "new PodSecurity enforce level only checked against the "
                                       "first %zu of %zu existing pods",
                                       check->checked, check->all));
    if (map->n)
        write_warn(write,
                   arena_printf(check->arena,
                                "existing pods in namespace \"%s\" violate the new "
                                "PodSecurity enforce level \"%s\"",
                                write->name, security_policy_text(check->arena, check->policy)));
    for (size_t i = 0; i < n_slots; i++) {
        const PodWarning *warning = slots[i].value;

        if (!slots[i].key)
            continue;
        texts[n++] =
            warning->n == 1
                ? arena_printf(check->arena, "%s: %s", warning->first, slots[i].key)
                : arena_printf(check->arena, "%s (and %zu other pod%s): %s", warning->first,
                               warning->n - 1, warning->n == 2 ? "" : "s", slots[i].key);
    }
    str_sort(texts, n);
    for (size_t i = 0; i < n; i++)
        write_warn(write, texts[i]);
}

/* Pods of 50 milliseconds at most, since nothing else runs meanwhile; kube-apiserver takes up to a
 * second. */
static void check_pods(Write *write, const SecurityPolicy *policy)
{
    Clock *clock = write->server->clock;
    PodsCheck check = {.arena = &write->arena,
                       .policy = policy,
                       .controllers = TEXT_MAP_INIT(&write->arena),
                       .warnings = TEXT_MAP_INIT(&write->arena),
                       .clock = clock,
                       .deadline_ns = clock_mono_ns(clock) + 50 * NS_PER_MS};

    store_list(write->server->store, &kind_pod, write->name, NULL, each_pod, &check);
    check.duplicates = true;
    if (check.checked < check.all)
        store_list(write->server->store, &kind_pod, write->name, NULL, each_pod, &check);
    warn_of_pods(write, &check);
}

static bool same_causes(const Causes *a, const Causes *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!str_equal(a->v[i].message, b->v[i].message) ||
            !str_equal(a->v[i].field, b->v[i].field))
            return false;
    return true;
}

static int check_namespace(Write *write)
{
    Causes causes = {.arena = &write->arena}, old_causes = {.arena = &write->arena};
    Policies now, before;

    if (write->subresource)
        return 0;
    now = read_policies(&object_meta(write->object)->labels, &causes);
    before = read_policies(write->before ? &object_meta(write->before)->labels : &(StringMap){0},
                           &old_causes);
    if (causes.n && !(write->before && same_causes(&causes, &old_causes)))
        return status_invalid(&write->status, &write->arena, write->kind, write->name, &causes);
    if (!write->before || security_policy_equal(&now.enforce, &before.enforce) ||
        now.enforce.level == SECURITY_PRIVILEGED ||
        (now.enforce.minor == before.enforce.minor && now.enforce.level <= before.enforce.level))
        return 0;
    check_pods(write, &now.enforce);
    return 0;
}

int pod_security_check(Write *write)
{
    const PodTemplateSpec *template;
    Policies policies;

    if (write->kind == &kind_namespace)
        return check_namespace(write);
    if (write->kind == &kind_pod)
        return check_pod(write);
    template = write->subresource ? NULL : template_of(write->object);
    if (!template)
        return 0;
    policies = policies_of(write);
    return policies.warn.level == SECURITY_PRIVILEGED && policies.audit.level == SECURITY_PRIVILEGED
               ? 0
               : evaluate(write, &policies, &template->metadata, &template->spec, false);
}
