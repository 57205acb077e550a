/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of ValidatingWebhookConfiguration and MutatingWebhookConfiguration. */
#include "api/print.h"
#include "api/rules/rules.h"
#include "api/webhook.h"

#define TIMEOUT_MAX 30
#define CONDITIONS_MAX 64
#define STATIC_SUFFIX ".static.k8s.io"

/* ---- both kinds alike ---- */

size_t hook_count(const Kind *kind, const void *value)
{
    return kind == &kind_mutating_webhook_configuration
               ? ((const MutatingWebhookConfiguration *)value)->webhooks.n
               : ((const ValidatingWebhookConfiguration *)value)->webhooks.n;
}

#define VIEW_OF(hook)                                                                           \
    (HookView)                                                                                  \
    {                                                                                           \
        .name = str_or((hook)->name, ""), .client = &(hook)->client_config,                     \
        .rules = &(hook)->rules, .failure_policy = (hook)->failure_policy,                      \
        .match_policy = (hook)->match_policy, .side_effects = (hook)->side_effects,             \
        .namespace_selector = (hook)->namespace_selector,                                       \
        .object_selector = (hook)->object_selector, .timeout_seconds = (hook)->timeout_seconds, \
        .review_versions = &(hook)->admission_review_versions,                                  \
        .conditions = &(hook)->match_conditions,                                                \
    }

HookView hook_view(const Kind *kind, const void *value, size_t i)
{
    HookView view;

    if (kind == &kind_mutating_webhook_configuration) {
        const MutatingWebhook *hook = &((const MutatingWebhookConfiguration *)value)->webhooks.v[i];

        view = VIEW_OF(hook);
        view.reinvocation_policy = hook->reinvocation_policy;
        return view;
    }
    view = VIEW_OF(&((const ValidatingWebhookConfiguration *)value)->webhooks.v[i]);
    return view;
}

/* ---- rules of a webhook ---- */

/* `value` is of the type, and the list is its member at the path. */
static void check_list(const StringArray *list, const Type *type, const void *value,
                       const Path *path, const char *others, Causes *causes)
{
    if (list->n == 0)
        fail_required(causes, path, NULL);
    if (list->n > 1 && rules_among(list, list->n, "*"))
        rules_invalid(
            causes, path, rules_bad(type, value, path->name, causes),
            arena_printf(causes->arena, "if '*' is present, must not specify other %s", others));
}

/* What has been seen in a list of resources. */
typedef struct Resources {
    TextMap all_subresources, all_resources; /* of "x/" + "*", and of "*" + "/x" */
    bool any, any_with_subresources, plain;
} Resources;

static void check_resource(Resources *seen, const char *text, const Path *path, Causes *causes)
{
    const char *slash = strchr(text, '/'), *sub;
    char *resource;

    seen->any_with_subresources |= str_equal(text, "*/*");
    seen->any |= str_equal(text, "*");
    if (!slash) {
        seen->plain = !str_equal(text, "*");
        return;
    }
    resource = arena_strndup(causes->arena, text, (size_t)(slash - text));
    sub = slash + 1;
    if (text_map_has(&seen->all_subresources, resource))
        fail_invalid(causes, path, text,
                     arena_printf(causes->arena, "if '%s/*' is present, must not specify %s",
                                  resource, text));
    if (text_map_has(&seen->all_resources, sub))
        fail_invalid(
            causes, path, text,
            arena_printf(causes->arena, "if '*/%s' is present, must not specify %s", sub, text));
    if (str_equal(sub, "*"))
        text_map_add(&seen->all_subresources, resource);
    if (str_equal(resource, "*"))
        text_map_add(&seen->all_resources, sub);
}

static void check_resources(const AdmissionRule *rule, const Path *path, Causes *causes)
{
    const StringArray *list = &rule->resources;
    Resources seen = {.all_subresources = TEXT_MAP_INIT(causes->arena),
                      .all_resources = TEXT_MAP_INIT(causes->arena)};

    if (list->n == 0)
        fail_required(causes, path, NULL);
    for (size_t i = 0; i < list->n; i++) {
        if (*list->v[i])
            check_resource(&seen, list->v[i], PATH_INDEX(path, i), causes);
        else
            fail_required(causes, PATH_INDEX(path, i), NULL);
    }
    if (list->n > 1 && seen.any_with_subresources)
        rules_invalid(causes, path, rules_bad(&type_AdmissionRule, rule, "resources", causes),
                      "if '*/*' is present, must not specify other resources");
    if (seen.any && seen.plain)
        rules_invalid(causes, path, rules_bad(&type_AdmissionRule, rule, "resources", causes),
                      "if '*' is present, must not specify other resources without subresources");
}

static void check_rule(const RuleWithOperations *with, const Path *path, Causes *causes)
{
    static const char *const operations[] = {"*", "CONNECT", "CREATE", "DELETE", "UPDATE", NULL};
    const AdmissionRule *rule = &with->rule;
    const Path *at = PATH(path, "operations"), *versions = PATH(path, "apiVersions");

    check_list(&with->operations, &type_RuleWithOperations, with, at, "operations", causes);
    for (size_t i = 0; i < with->operations.n; i++)
        if (!name_is_one_of(with->operations.v[i], operations))
            fail_not_supported(causes, PATH_INDEX(at, i), with->operations.v[i], operations);
    check_list(&rule->api_groups, &type_AdmissionRule, rule, PATH(path, "apiGroups"), "API groups",
               causes);
    check_list(&rule->api_versions, &type_AdmissionRule, rule, versions, "API versions", causes);
    for (size_t i = 0; i < rule->api_versions.n; i++)
        if (!*rule->api_versions.v[i])
            fail_required(causes, PATH_INDEX(versions, i), NULL);
    check_resources(rule, PATH(path, "resources"), causes);
}

/* ---- where a webhook is ---- */

static void check_client(const WebhookClientConfig *client, const Path *path, Causes *causes)
{
    const AdmissionServiceReference *service = client->service;

    if ((client->url == NULL) == (service == NULL))
        fail_required(causes, path, "exactly one of url or service is required");
    else if (client->url)
        validate_webhook_url(client->url, PATH(path, "url"), causes);
    else
        validate_webhook_service(service->namespace, service->name, service->path, service->port,
                                 PATH(path, "service"), causes);
}

/* ---- the rest ---- */

static void check_name(const char *name, const Path *path, Causes *causes)
{
    Faults faults = check_dns_subdomain(name);
    const char *dot = strchr(name, '.');

    if (!*name)
        fail_required(causes, path, NULL);
    else if (faults.n)
        fail_invalid(causes, path, name, faults_joined(faults, causes->arena));
    else if (!dot || !strchr(dot + 1, '.'))
        fail_invalid(causes, path, name,
                     "should be a domain with at least three segments separated by dots");
}

static void check_side_effects(const char *effects, const Path *path, Causes *causes)
{
    static const char *const good[] = {"None", "NoneOnDryRun", NULL};

    if (!effects)
        fail_required(causes, path, "must specify one of None, NoneOnDryRun");
    else if (!name_is_one_of(effects, good))
        fail_not_supported(causes, path, effects, good);
}

static void check_conditions(const AdmissionMatchConditionArray *conditions, const Path *path,
                             Causes *causes)
{
    TextMap names = TEXT_MAP_INIT(causes->arena);

    if (conditions->n > CONDITIONS_MAX)
        rules_too_many(causes, path_text(path, causes), conditions->n, CONDITIONS_MAX);
    for (size_t i = 0; i < conditions->n && !causes_full(causes); i++) {
        const AdmissionMatchCondition *condition = &conditions->v[i];
        const Path *at = PATH_INDEX(path, i);
        const char *expression = str_or(condition->expression, "");

        if (!expression[strspn(expression, " \t\r\n\v\f")])
            fail_required(causes, PATH(at, "expression"), NULL);
        else
            fail_invalid(causes, PATH(at, "expression"), expression,
                         "this server does not evaluate expressions of match conditions");
        if (str_empty(condition->name)) {
            fail_required(causes, PATH(at, "name"), NULL);
            continue;
        }
        fail_faults(causes, PATH(at, "name"), condition->name,
                    check_qualified_name(condition->name));
        fail_if_seen(causes, PATH(at, "name"), &names, condition->name);
    }
}

static void check_versions(const StringArray *versions, const Path *path, Causes *causes)
{
    TextMap seen = TEXT_MAP_INIT(causes->arena);
    bool known = false;

    if (versions->n == 0)
        fail_required(causes, path, "must specify one of v1, v1beta1");
    for (size_t i = 0; i < versions->n && !causes_full(causes); i++) {
        const char *version = versions->v[i];

        if (!text_map_add(&seen, version)) {
            fail_invalid(causes, PATH_INDEX(path, i), version, "duplicate version");
            continue;
        }
        fail_faults(causes, PATH_INDEX(path, i), version, check_dns_1035_label(version));
        known |= str_equal(version, "v1") || str_equal(version, "v1beta1");
    }
    /* Any list of texts is printed alike. */
    if (versions->n && !known)
        rules_invalid(causes, path,
                      rules_bad(&type_RuleWithOperations, &(RuleWithOperations){*versions, {{0}}},
                                "operations", causes),
                      "must include at least one of v1, v1beta1");
}

static void check_hook(const HookView *hook, const Path *path, Causes *causes)
{
    const Path *rules = PATH(path, "rules");

    check_name(hook->name, PATH(path, "name"), causes);
    for (size_t i = 0; i < hook->rules->n && !causes_full(causes); i++)
        check_rule(&hook->rules->v[i], PATH_INDEX(rules, i), causes);
    check_side_effects(hook->side_effects, PATH(path, "sideEffects"), causes);
    if (hook->timeout_seconds &&
        (*hook->timeout_seconds < 1 || *hook->timeout_seconds > TIMEOUT_MAX))
        fail_invalid_int(causes, PATH(path, "timeoutSeconds"), *hook->timeout_seconds,
                         "the timeout value must be between 1 and 30 seconds");
    validate_label_selector(hook->namespace_selector,
                            path_text(PATH(path, "namespaceSelector"), causes), causes);
    validate_label_selector(hook->object_selector, path_text(PATH(path, "objectSelector"), causes),
                            causes);
    check_client(hook->client, PATH(path, "clientConfig"), causes);
    check_conditions(hook->conditions, PATH(path, "matchConditions"), causes);
}

static void check_all(const Kind *kind, const void *value, Causes *causes)
{
    const Path *hooks = PATH(NULL, "webhooks");
    TextMap names = TEXT_MAP_INIT(causes->arena);

    for (size_t i = 0; i < hook_count(kind, value) && !causes_full(causes); i++) {
        HookView hook = hook_view(kind, value, i);
        const Path *path = PATH_INDEX(hooks, i);

        check_hook(&hook, path, causes);
        check_versions(hook.review_versions, PATH(path, "admissionReviewVersions"), causes);
        if (*hook.name)
            fail_if_seen(causes, PATH(path, "name"), &names, hook.name);
    }
}

static void validate_validating(const void *value, const void *before _unused_, Causes *causes)
{
    check_all(&kind_validating_webhook_configuration, value, causes);
}

static void validate_mutating(const void *value, const void *before _unused_, Causes *causes)
{
    check_all(&kind_mutating_webhook_configuration, value, causes);
}

static void print(const Kind *kind, const void *value, int64_t now_ns, StrBuf *row)
{
    const ObjectMeta *meta = value;

    cell_string(row, meta->name);
    cell_int64(row, (int64_t)hook_count(kind, value));
    cell_age(row, meta->creation_timestamp, now_ns);
}

static void print_validating(const void *value, int64_t now_ns, StrBuf *row)
{
    print(&kind_validating_webhook_configuration, value, now_ns, row);
}

static void print_mutating(const void *value, int64_t now_ns, StrBuf *row)
{
    print(&kind_mutating_webhook_configuration, value, now_ns, row);
}

static void warn(Arena *arena, const void *value, Warnings *warnings)
{
    const char *name = str_or(((const ObjectMeta *)value)->name, "");
    size_t n = strlen(name), k = strlen(STATIC_SUFFIX);

    if (n >= k && str_equal(name + n - k, STATIC_SUFFIX))
        rules_warn(arena, warnings,
                   "metadata.name: names ending with \"" STATIC_SUFFIX
                   "\" are reserved for static manifest-based configurations and cannot be "
                   "managed via the API");
}

const KindRules rules_validating_webhook_configuration = {
    .validate = validate_validating,
    .warn = warn,
    .print = print_validating,
};

const KindRules rules_mutating_webhook_configuration = {
    .validate = validate_mutating,
    .warn = warn,
    .print = print_mutating,
};
