/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of batch/v1: Job. A job that does not say how its pods are found gets a selector and labels
 * made from its uid, so that it can never meet another's pods.
 */
#include "api/condition.h"
#include "api/object.h"
#include "api/print.h"
#include "api/rules/core/pod.h"
#include "api/rules/workload/job.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_scheduling_v1.h"
#include "api/selector.h"
#include "api/validate/pod.h"

#define UID_LABEL "batch.kubernetes.io/controller-uid"
#define NAME_LABEL "batch.kubernetes.io/job-name"
#define OLD_UID_LABEL "controller-uid"
#define OLD_NAME_LABEL "job-name"

enum {
    POLICY_RULES_MAX = 20,
    EXIT_CODES_MAX = 255,
    INDEXES_TEXT_MAX = 64 * 1024,
    INDEXED_PARALLELISM_MAX = 100000,
    INDEXED_FAILED_MAX = 100000,
    COMPLETIONS_SOFT_MAX = 100000,
    PARALLELISM_OF_MANY_MAX = 10000,
    FAILED_OF_MANY_MAX = 10000,
};

/* ---- defaults ---- */

static bool is_indexed(const JobSpec *spec)
{
    return str_equal(spec->completion_mode, "Indexed");
}

static void complete_spec(Arena *arena, JobSpec *spec)
{
    if (!spec->completions && !spec->parallelism)
        spec->completions = arena_int32(arena, 1);
    if (!spec->parallelism)
        spec->parallelism = arena_int32(arena, 1);
    if (!spec->backoff_limit)
        spec->backoff_limit = arena_int32(arena, spec->backoff_limit_per_index ? INT32_MAX : 6);
    if (!spec->completion_mode)
        spec->completion_mode = "NonIndexed";
    if (!spec->suspend)
        spec->suspend = arena_bool(arena, false);
    if (!spec->pod_replacement_policy)
        spec->pod_replacement_policy = spec->pod_failure_policy ? "Failed" : "TerminatingOrFailed";
    if (!spec->manual_selector)
        spec->manual_selector = arena_bool(arena, false);
    complete_pod_spec(arena, &spec->template.spec);
}

static void job_complete(Arena *arena, void *value)
{
    Job *job = value;

    /* A job without labels has the same labels as its pods, including those that job_prepare adds. */
    if (!job->metadata.labels.n)
        job->metadata.labels = job->spec.template.metadata.labels;
    complete_spec(arena, &job->spec);
}

static void put_missing(Arena *arena, StringMap *map, const char *key, const char *value)
{
    if (!string_map_get(map, key))
        string_map_put(arena, map, key, value);
}

static void job_prepare(Arena *arena, void *value, const void *before)
{
    Job *job = value;
    StringMap *labels = &job->spec.template.metadata.labels;
    bool shared;

    if (before || (job->spec.manual_selector && *job->spec.manual_selector))
        return;
    shared = labels->n && job->metadata.labels.v == labels->v;
    put_missing(arena, labels, OLD_NAME_LABEL, job->metadata.name);
    put_missing(arena, labels, NAME_LABEL, job->metadata.name);
    put_missing(arena, labels, OLD_UID_LABEL, job->metadata.uid);
    put_missing(arena, labels, UID_LABEL, job->metadata.uid);
    if (!job->spec.selector)
        job->spec.selector = arena_new(arena, LabelSelector);
    put_missing(arena, &job->spec.selector->match_labels, UID_LABEL, job->metadata.uid);
    if (shared)
        job->metadata.labels = *labels;
}

/* ---- selector ---- */

static void check_label(const Job *job, const char *key, const char *expected, Causes *causes)
{
    const ObjectMeta *meta = &job->spec.template.metadata;
    const char *actual = string_map_get(&meta->labels, key);
    const char *detail = arena_printf(causes->arena, "must be '%s'", str_or(expected, ""));
    const Path *path =
        PATH_KEY(PATH(PATH(PATH(PATH(NULL, "spec"), "template"), "metadata"), "labels"), key);

    if (!actual)
        fail_required(causes, path, detail);
    else if (!str_equal(actual, expected))
        rules_invalid(causes, path, rules_bad(&type_ObjectMeta, meta, "labels", causes), detail);
}

static bool is_well_formed(const LabelSelector *selector, Arena *arena)
{
    return validate_label_selector(selector, "", &(Causes){.arena = arena});
}

static void check_generated(const Job *job, Causes *causes)
{
    StringMap expected = {0};

    if ((job->spec.manual_selector && *job->spec.manual_selector) || !job->spec.selector)
        return;
    check_label(job, OLD_UID_LABEL, job->metadata.uid, causes);
    check_label(job, OLD_NAME_LABEL, job->metadata.name, causes);
    check_label(job, UID_LABEL, job->metadata.uid, causes);
    check_label(job, NAME_LABEL, job->metadata.name, causes);
    string_map_put(causes->arena, &expected, UID_LABEL, job->metadata.uid);
    string_map_put(causes->arena, &expected, NAME_LABEL, job->metadata.name);
    string_map_put(causes->arena, &expected, OLD_UID_LABEL, job->metadata.uid);
    string_map_put(causes->arena, &expected, OLD_NAME_LABEL, job->metadata.name);
    if (is_well_formed(job->spec.selector, causes->arena) &&
        !selector_matches_labels(selector_from_api(causes->arena, job->spec.selector), &expected))
        causes_add(causes, CAUSE_INVALID, "spec.selector",
                   rules_bad(&type_JobSpec, &job->spec, "selector", causes),
                   "`selector` not auto-generated");
}

static void check_selector(const JobSpec *spec, Causes *causes)
{
    const ObjectMeta *meta = &spec->template.metadata;

    if (!spec->selector)
        causes_required(causes, "spec.selector", NULL);
    if (validate_label_selector(spec->selector, "spec.selector", causes) &&
        !selector_matches_labels(selector_from_api(causes->arena, spec->selector), &meta->labels))
        causes_add(causes, CAUSE_INVALID, "spec.template.metadata.labels",
                   rules_bad(&type_ObjectMeta, meta, "labels", causes),
                   "`selector` does not match template `labels`");
}

/* ---- modes ---- */

static void check_many(const JobSpec *spec, Causes *causes)
{
    static const char at_most[] = "must be less than or equal to %d when completions are above %d "
                                  "and used with backoff limit per index";

    if (!spec->completions || *spec->completions <= COMPLETIONS_SOFT_MAX ||
        !spec->backoff_limit_per_index)
        return;
    if (!spec->max_failed_indexes)
        causes_required(causes, "spec.maxFailedIndexes",
                        arena_printf(causes->arena,
                                     "must be specified when completions is above %d",
                                     COMPLETIONS_SOFT_MAX));
    if (spec->parallelism && *spec->parallelism > PARALLELISM_OF_MANY_MAX)
        causes_invalid_int(
            causes, "spec.parallelism", *spec->parallelism,
            arena_printf(causes->arena, at_most, PARALLELISM_OF_MANY_MAX, COMPLETIONS_SOFT_MAX));
    if (spec->max_failed_indexes && *spec->max_failed_indexes > FAILED_OF_MANY_MAX)
        causes_invalid_int(
            causes, "spec.maxFailedIndexes", *spec->max_failed_indexes,
            arena_printf(causes->arena, at_most, FAILED_OF_MANY_MAX, COMPLETIONS_SOFT_MAX));
}

static void check_indexed(const JobSpec *spec, Causes *causes)
{
    if (!spec->completions)
        causes_required(causes, "spec.completions", "when completion mode is Indexed");
    if (spec->parallelism && *spec->parallelism > INDEXED_PARALLELISM_MAX)
        causes_invalid_int(causes, "spec.parallelism", *spec->parallelism,
                           "must be less than or equal to 100000 when completion mode is Indexed");
    if (spec->completions && spec->max_failed_indexes &&
        *spec->max_failed_indexes > *spec->completions)
        causes_invalid_int(causes, "spec.maxFailedIndexes", *spec->max_failed_indexes,
                           "must be less than or equal to completions");
    if (spec->max_failed_indexes && *spec->max_failed_indexes > INDEXED_FAILED_MAX)
        causes_invalid_int(causes, "spec.maxFailedIndexes", *spec->max_failed_indexes,
                           "must be less than or equal to 100000");
    check_many(spec, causes);
}

static void check_mode(const JobSpec *spec, Causes *causes)
{
    static const char *const modes[] = {"NonIndexed", "Indexed", NULL};

    if (spec->max_failed_indexes && !spec->backoff_limit_per_index)
        causes_required(causes, "spec.backoffLimitPerIndex", "when maxFailedIndexes is specified");
    if (is_indexed(spec)) {
        check_indexed(spec, causes);
    } else if (spec->completion_mode && !str_equal(spec->completion_mode, "NonIndexed")) {
        causes_not_supported(causes, "spec.completionMode", spec->completion_mode, modes);
    } else {
        if (spec->backoff_limit_per_index)
            causes_invalid_int(causes, "spec.backoffLimitPerIndex", *spec->backoff_limit_per_index,
                               "requires indexed completion mode");
        if (spec->max_failed_indexes)
            causes_invalid_int(causes, "spec.maxFailedIndexes", *spec->max_failed_indexes,
                               "requires indexed completion mode");
    }
}

/* ---- policies ---- */

static const char *const *sorted(const char *value, const char *const *known)
{
    for (size_t i = 0; known[i]; i++)
        if (str_equal(known[i], value))
            return NULL;
    return known;
}

static const char *valid_values(const char *const *known, Causes *causes)
{
    const char *text = "valid values: [";

    for (size_t i = 0; known[i]; i++)
        text = arena_printf(causes->arena, "%s%s\"%s\"", text, i ? " " : "", known[i]);
    return arena_printf(causes->arena, "%s]", text);
}

/* Checks a text that must be one of a list. */
static void check_word(const char *value, const char *const *known, const Path *path,
                       Causes *causes)
{
    if (str_empty(value))
        fail_required(causes, path, valid_values(known, causes));
    else if (sorted(value, known))
        fail_not_supported(causes, path, value, known);
}

static bool has_container(const PodSpec *pod, const char *name)
{
    for (size_t i = 0; i < pod->containers.n; i++)
        if (str_equal(pod->containers.v[i].name, name))
            return true;
    for (size_t i = 0; i < pod->init_containers.n; i++)
        if (str_equal(pod->init_containers.v[i].name, name))
            return true;
    return false;
}

static void check_exit_code_values(const PodFailurePolicyOnExitCodesRequirement *on,
                                   const Path *path, Causes *causes)
{
    const Int32Array *values = &on->values;
    const char *bad = rules_bad(&type_PodFailurePolicyOnExitCodesRequirement, on, "values", causes);
    TextMap seen = TEXT_MAP_INIT(causes->arena);
    bool ordered = true, is_new;

    if (!values->n)
        rules_invalid(causes, path, bad, "at least one value is required");
    else if (values->n > EXIT_CODES_MAX)
        rules_too_many(causes, path_text(path, causes), values->n, EXIT_CODES_MAX);
    for (size_t i = 0; i < values->n; i++) {
        if (str_equal(on->operator, "In") && values->v[i] == 0)
            fail_invalid_int(causes, PATH_INDEX(path, i), 0, "must not be 0 for the In operator");
        text_map_put_n(&seen, (const char *)&values->v[i], sizeof(values->v[i]), &is_new);
        if (!is_new)
            causes_add(causes, CAUSE_DUPLICATE, path_text(PATH_INDEX(path, i), causes),
                       arena_printf(causes->arena, "%d", values->v[i]), NULL);
        if (i && values->v[i - 1] > values->v[i])
            ordered = false;
    }
    if (!ordered)
        rules_invalid(causes, path, bad, "must be ordered");
}

static void check_exit_codes(const JobSpec *spec, const PodFailurePolicyOnExitCodesRequirement *on,
                             const Path *path, Causes *causes)
{
    static const char *const operators[] = {"In", "NotIn", NULL};

    check_word(on->operator, operators, PATH(path, "operator"), causes);
    if (on->container_name && !has_container(&spec->template.spec, on->container_name))
        rules_invalid(causes, PATH(path, "containerName"), rules_quoted(on->container_name, causes),
                      "must be one of the container or initContainer names in the pod template");
    check_exit_code_values(on, PATH(path, "values"), causes);
}

static void check_failure_rule(const JobSpec *spec, const PodFailurePolicyRule *rule,
                               const Path *path, Causes *causes)
{
    static const char *const actions[] = {"Count", "FailIndex", "FailJob", "Ignore", NULL};
    static const char *const statuses[] = {"False", "True", "Unknown", NULL};
    const PodFailurePolicyOnPodConditionsPatternArray *patterns = &rule->on_pod_conditions;

    if (str_equal(rule->action, "FailIndex")) {
        if (!spec->backoff_limit_per_index)
            rules_invalid(causes, PATH(path, "action"), rules_quoted(rule->action, causes),
                          "requires the backoffLimitPerIndex to be set");
    } else {
        check_word(rule->action, actions, PATH(path, "action"), causes);
    }
    if (rule->on_exit_codes)
        check_exit_codes(spec, rule->on_exit_codes, PATH(path, "onExitCodes"), causes);
    if (patterns->n > POLICY_RULES_MAX)
        rules_too_many(causes, path_text(PATH(path, "onPodConditions"), causes), patterns->n,
                       POLICY_RULES_MAX);
    for (size_t i = 0; i < patterns->n; i++) {
        const Path *at = PATH_INDEX(PATH(path, "onPodConditions"), i);

        fail_faults(causes, PATH(at, "type"), patterns->v[i].type,
                    check_qualified_name(str_or(patterns->v[i].type, "")));
        check_word(patterns->v[i].status, statuses, PATH(at, "status"), causes);
    }
    if (rule->on_exit_codes && patterns->n)
        rules_invalid(causes, path, NULL,
                      "specifying both OnExitCodes and OnPodConditions is not supported");
    if (!rule->on_exit_codes && !patterns->n)
        rules_invalid(causes, path, NULL,
                      "specifying one of OnExitCodes and OnPodConditions is required");
}

static void check_failure_policy(const JobSpec *spec, Causes *causes)
{
    const PodFailurePolicyRuleArray *rules = &spec->pod_failure_policy->rules;

    if (rules->n > POLICY_RULES_MAX)
        rules_too_many(causes, "spec.podFailurePolicy.rules", rules->n, POLICY_RULES_MAX);
    for (size_t i = 0; i < rules->n; i++)
        check_failure_rule(spec, &rules->v[i],
                           PATH_INDEX(PATH(NULL, "spec.podFailurePolicy.rules"), i), causes);
}

/* "1,3-5": how many they are. NULL, or what is wrong with them. */
static const char *check_indexes(const char *text, int32_t completions, int64_t *ret,
                                 Causes *causes)
{
    int64_t last = -1;

    *ret = 0;
    for (const char *at = text; *at;) {
        const char *part = arena_strndup(causes->arena, at, strcspn(at, ","));
        const char *dash = strchr(part, '-');
        int64_t from, to;

        if (dash && strchr(dash + 1, '-'))
            return arena_printf(
                causes->arena,
                "the fragment \"%s\" violates the requirement that an index interval can have at "
                "most two parts separated by '-'",
                part);
        if (str_to_int64(dash ? arena_strndup(causes->arena, part, (size_t)(dash - part)) : part, 0,
                         INT32_MAX, &from))
            return arena_printf(causes->arena,
                                "cannot convert string to integer for index: \"%.*s\"",
                                (int)strcspn(part, "-"), part);
        if (from >= completions)
            return arena_printf(causes->arena, "too large index: \"%.*s\"", (int)strcspn(part, "-"),
                                part);
        to = from;
        if (dash) {
            if (str_to_int64(dash + 1, 0, INT32_MAX, &to))
                return arena_printf(causes->arena,
                                    "cannot convert string to integer for index: \"%s\"", dash + 1);
            if (to >= completions)
                return arena_printf(causes->arena, "too large index: \"%s\"", dash + 1);
            if (from >= to)
                return arena_printf(causes->arena,
                                    "non-increasing order, previous: %d, current: %d", (int)from,
                                    (int)to);
        }
        if (last >= from)
            return arena_printf(causes->arena, "non-increasing order, previous: %d, current: %d",
                                (int)last, (int)from);
        *ret += to - from + 1;
        last = to;
        at += strlen(part);
        if (*at == ',' && !*++at)
            return "cannot convert string to integer for index: \"\"";
    }
    return NULL;
}

static void check_success_rule(const JobSpec *spec, const SuccessPolicyRule *rule, const Path *path,
                               Causes *causes)
{
    int32_t completions = spec->completions ? *spec->completions : 0;
    int64_t total = 0;

    if (!rule->succeeded_count && !rule->succeeded_indexes)
        fail_required(causes, path,
                      "at least one of succeededCount or succeededIndexes must be specified");
    if (rule->succeeded_indexes) {
        const char *wrong = check_indexes(rule->succeeded_indexes, completions, &total, causes);

        if (strlen(rule->succeeded_indexes) > INDEXES_TEXT_MAX)
            causes_add(causes, CAUSE_TOO_LONG, path_text(PATH(path, "succeededIndexes"), causes),
                       NULL, "may not be more than 65536 bytes");
        if (wrong)
            rules_invalid(causes, PATH(path, "succeededIndexes"),
                          rules_quoted(rule->succeeded_indexes, causes),
                          arena_printf(causes->arena, "error parsing succeededIndexes: %s", wrong));
    }
    if (!rule->succeeded_count)
        return;
    if (*rule->succeeded_count > completions)
        fail_invalid_int(causes, PATH(path, "succeededCount"), *rule->succeeded_count,
                         arena_printf(causes->arena,
                                      "must be less than or equal to %d (the number of specified "
                                      "completions)",
                                      completions));
    if (rule->succeeded_indexes && *rule->succeeded_count > total)
        fail_invalid_int(causes, PATH(path, "succeededCount"), *rule->succeeded_count,
                         arena_printf(causes->arena,
                                      "must be less than or equal to %d (the number of indexes in "
                                      "the specified succeededIndexes field)",
                                      (int)total));
}

static void check_success_policy(const JobSpec *spec, Causes *causes)
{
    const SuccessPolicyRuleArray *rules = &spec->success_policy->rules;

    if (!is_indexed(spec)) {
        causes_add(causes, CAUSE_INVALID, "spec.successPolicy",
                   rules_bad(&type_JobSpec, spec, "successPolicy", causes),
                   "requires indexed completion mode");
        return;
    }
    if (!rules->n)
        causes_required(causes, "spec.successPolicy.rules",
                        "at least one rules must be specified when the successPolicy is specified");
    if (rules->n > POLICY_RULES_MAX)
        rules_too_many(causes, "spec.successPolicy.rules", rules->n, POLICY_RULES_MAX);
    for (size_t i = 0; i < rules->n; i++)
        check_success_rule(spec, &rules->v[i],
                           PATH_INDEX(PATH(NULL, "spec.successPolicy.rules"), i), causes);
}

static void check_policies(const JobSpec *spec, Causes *causes)
{
    static const char *const replacements[] = {"Failed", "TerminatingOrFailed", NULL};
    static const char *const failed_only[] = {"Failed", NULL};
    const char *const *allowed = spec->pod_failure_policy ? failed_only : replacements;

    if (spec->pod_failure_policy)
        check_failure_policy(spec, causes);
    if (spec->success_policy)
        check_success_policy(spec, causes);
    if (spec->pod_replacement_policy && sorted(spec->pod_replacement_policy, allowed))
        causes_not_supported(causes, "spec.podReplacementPolicy", spec->pod_replacement_policy,
                             allowed);
}

static void check_restart_policy(const JobSpec *spec, Causes *causes)
{
    static const char *const allowed[] = {"OnFailure", "Never", NULL};
    const char *path = "spec.template.spec.restartPolicy";
    const char *policy = spec->template.spec.restart_policy;

    if (str_empty(policy) || str_equal(policy, "Always"))
        causes_required(causes, path, "valid values: \"OnFailure\", \"Never\"");
    else if (sorted(policy, allowed))
        causes_not_supported(causes, path, policy, allowed);
    else if (spec->pod_failure_policy && !str_equal(policy, "Never"))
        causes_invalid_string(causes, path, policy,
                              "only \"Never\" is supported when podFailurePolicy is specified");
}

/* ---- the whole ---- */

static void check_host_names(const Job *job, Causes *causes)
{
    const char *host;

    if (!is_indexed(&job->spec) || !job->spec.completions || *job->spec.completions <= 0)
        return;
    host = arena_printf(causes->arena, "%s-%d", job->metadata.name, *job->spec.completions - 1);
    if (check_dns_label(host).n)
        causes_invalid_string(causes, "metadata.name", job->metadata.name,
                              arena_printf(causes->arena,
                                           "will not able to create pod with invalid DNS label: %s",
                                           host));
}

/* The placement of a job's pods may change while the job is suspended and has no pods. */
static bool template_may_change(const Job *before)
{
    bool suspended = before->spec.suspend && *before->spec.suspend;
    bool was = CONDITION_IS_TRUE(&before->status.conditions, "Suspended");

    return suspended && (!before->status.start_time.set || was) && before->status.active == 0;
}

/* Of the affinity, only the node affinity may change. */
static Affinity *with_node_affinity(Arena *arena, const Affinity *before, const Affinity *now)
{
    Affinity *mixed = arena_new(arena, Affinity);

    if (before)
        *mixed = *before;
    mixed->node_affinity = now ? now->node_affinity : NULL;
    return now || mixed->pod_affinity || mixed->pod_anti_affinity ? mixed : NULL;
}

static bool same_template(const Job *now, const Job *before, Causes *causes)
{
    PodTemplateSpec copy = before->spec.template;

    if (template_may_change(before)) {
        const PodTemplateSpec *template = &now->spec.template;
        ContainerArray *containers = &copy.spec.containers;

        copy.metadata.labels = template->metadata.labels;
        copy.metadata.annotations = template->metadata.annotations;
        copy.spec.node_selector = template->spec.node_selector;
        copy.spec.tolerations = template->spec.tolerations;
        copy.spec.scheduling_gates = template->spec.scheduling_gates;
        copy.spec.affinity =
            with_node_affinity(causes->arena, copy.spec.affinity, template->spec.affinity);
        containers->v = ARENA_COPY_N(causes->arena, containers->v, containers->n);
        for (size_t i = 0; i < MIN_OF(containers->n, template->spec.containers.n); i++)
            containers->v[i].resources = template->spec.containers.v[i].resources;
    }
    return type_equal(&type_PodTemplateSpec, &now->spec.template, &copy);
}

static void check_unchanged(const Job *job, const Job *before, const char *member, Causes *causes)
{
    const Field *field = type_member(&type_JobSpec, member);

    validate_immutable(field, field_at(&job->spec, field), field_at(&before->spec, field),
                       arena_printf(causes->arena, "spec.%s", member), causes);
}

static void check_changes(const Job *job, const Job *before, Causes *causes)
{
    static const char *const fixed[] = {"completionMode", "podFailurePolicy",
                                        "backoffLimitPerIndex", "managedBy", "successPolicy"};
    const JobSpec *now = &job->spec, *old = &before->spec;

    if (!is_indexed(now))
        check_unchanged(job, before, "completions", causes);
    else if (now->completions && now->parallelism &&
             (!old->completions || *now->completions != *old->completions) &&
             *now->completions != *now->parallelism)
        causes_invalid_int(causes, "spec.completions", *now->completions,
                           "can only be modified in tandem with spec.parallelism");
    check_unchanged(job, before, "selector", causes);
    if (!same_template(job, before, causes))
        causes_add(causes, CAUSE_INVALID,
                   template_may_change(before) ? "spec.template.spec" : "spec.template",
                   rules_bad(&type_JobSpec, now, "template", causes), "field is immutable");
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        check_unchanged(job, before, fixed[i], causes);
}

static void check_manager(const char *name, Causes *causes)
{
    static const char path[] = "spec.managedBy";
    const char *slash = strchr(name, '/');
    enum { MAX = 63 };

    if (strlen(name) > MAX)
        causes_add(causes, CAUSE_TOO_LONG, path, NULL, "may not be more than 63 bytes");
    if (!*name) {
        causes_required(causes, path, "");
    } else if (!slash || slash == name || !slash[1]) {
        causes_invalid_string(causes, path, name,
                              "must be a domain-prefixed path (such as \"acme.io/foo\")");
    } else {
        const char *host = arena_strndup(causes->arena, name, (size_t)(slash - name));

        faults_add(check_dns_subdomain(host), path, host, causes);
    }
}

void job_validate_spec(const JobSpec *spec, Causes *causes)
{
    if (spec->managed_by)
        check_manager(spec->managed_by, causes);
    check_mode(spec, causes);
    check_policies(spec, causes);
    validate_pod_template_spec(&spec->template, "spec.template", causes);
    check_restart_policy(spec, causes);
}

static void job_validate(const void *value, const void *before, Causes *causes)
{
    const Job *job = value;
    const JobSpec *spec = &job->spec;

    check_generated(job, causes);
    job_validate_spec(spec, causes);
    check_selector(spec, causes);
    check_host_names(job, causes);
    if (before)
        check_changes(job, before, causes);
}

/* ---- rows ---- */

static bool has_condition(const Job *job, const char *type)
{
    return CONDITION_IS_TRUE(&job->status.conditions, type);
}

static const char *status_word(const Job *job)
{
    static const char *const later[] = {"Suspended", "FailureTarget", "SuccessCriteriaMet"};

    if (has_condition(job, "Complete"))
        return "Complete";
    if (has_condition(job, "Failed"))
        return "Failed";
    if (job->metadata.deletion_timestamp.set)
        return "Terminating";
    for (size_t i = 0; i < ARRAY_LEN(later); i++)
        if (has_condition(job, later[i]))
            return later[i];
    return "Running";
}

static void job_print(const void *value, int64_t now_ns, StrBuf *out)
{
    const Job *job = value;
    const JobStatus *status = &job->status;
    int32_t parallelism = job->spec.parallelism ? *job->spec.parallelism : 0;
    _strbuf_ StrBuf duration = STRBUF_INIT;

    cell_string(out, job->metadata.name);
    cell_string(out, status_word(job));
    if (job->spec.completions)
        cell_printf(out, "%d/%d", status->succeeded, *job->spec.completions);
    else if (parallelism > 1)
        cell_printf(out, "%d/1 of %d", status->succeeded, parallelism);
    else
        cell_printf(out, "%d/1", status->succeeded);
    if (status->start_time.set)
        print_duration(&duration, (status->completion_time.set ? status->completion_time.seconds
                                                               : now_ns / INT64_C(1000000000)) -
                                      status->start_time.seconds);
    cell_string(out, strbuf_string(&duration));
    cell_age(out, job->metadata.creation_timestamp, now_ns);
    cell_containers(out, &job->spec.template.spec.containers);
    cell_selector(out, job->spec.selector, "<none>");
}

static void job_warn(Arena *arena, const void *value, Warnings *warnings)
{
    const Job *object = value;

    rules_warn_name(arena, object->metadata.name, warnings);
    rules_warn_pod(arena, &object->spec.template.metadata, &object->spec.template.spec,
                   "spec.template", warnings);
}

const KindRules rules_job = {
    .complete = job_complete,
    .prepare = job_prepare,
    .validate = job_validate,
    .warn = job_warn,
    .print = job_print,
};
