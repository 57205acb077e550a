/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of FlowSchema and PriorityLevelConfiguration. */
#include <math.h>

#include "api/flow_bootstrap.h"
#include "api/print.h"
#include "api/rules/rules.h"
#include "api/schema/flowcontrol_v1.h"
#include "codec/json/json.h"

#define PRECEDENCE_MAX 10000
#define QUEUES_MAX 10000000
#define HASH_BITS 60

/* ---- what every server has ---- */

const FlowBootstrap *flow_bootstrap_find(const Kind *kind, const char *name)
{
    for (size_t i = 0; i < flow_bootstrap_n; i++)
        if (flow_bootstrap[i].kind == kind && str_equal(flow_bootstrap[i].name, name))
            return &flow_bootstrap[i];
    return NULL;
}

Object *flow_bootstrap_object(const FlowBootstrap *row)
{
    Object *object = object_new(row->kind);
    const Field *spec = row->kind->spec;
    DecodeReport report = {0};
    yyjson_doc *doc = NULL;
    ObjectMeta *meta = object_meta(object);

    ASSERT(json_parse(&object->arena, bytes_from_string(row->spec), &doc, &report) == 0 &&
           json_decode(spec->type, &object->arena, yyjson_doc_get_root(doc), 0, NULL,
                       field_at(object->value, spec), &report) == 0);
    type_default(row->kind->type, &object->arena, object->value);
    meta->name = row->name;
    string_map_put(&object->arena, &meta->annotations, "apf.kubernetes.io/autoupdate-spec", "true");
    return object;
}

/* ---- FlowSchema ---- */

static bool has_star(const StringArray *list)
{
    return rules_among(list, list->n, "*");
}

static void check_list(const StringArray *list, const Path *path, const char *empty,
                       const char *others, Causes *causes)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    if (list->n == 0) {
        causes_required(causes, path_text(path, causes), empty);
        return;
    }
    if (list->n == 1 || !has_star(list))
        return;
    for (size_t i = 0; i < list->n; i++) {
        strbuf_add_string(&text, i ? "," : "[");
        json_encode_string(&text, list->v[i], strlen(list->v[i]));
    }
    strbuf_add_char(&text, ']');
    rules_invalid(
        causes, path, arena_strdup(causes->arena, text.p),
        arena_printf(causes->arena, "if '*' is present, must not specify other %s", others));
}

static void check_verbs(const StringArray *verbs, const Path *path, Causes *causes)
{
    static const char *const known[] = {"create", "delete", "deletecollection", "get",   "list",
                                        "patch",  "proxy",  "update",           "watch", NULL};
    _strbuf_ StrBuf text = STRBUF_INIT;
    bool good = true;

    check_list(verbs, path, "verbs must contain at least one value", "verbs", causes);
    if (verbs->n == 0 || has_star(verbs))
        return;
    for (size_t i = 0; i < verbs->n; i++) {
        bool found = false;

        for (size_t k = 0; known[k] && !found; k++)
            found = str_equal(known[k], verbs->v[i]);
        good = good && found;
        strbuf_add_string(&text, i ? "," : "[");
        json_encode_string(&text, verbs->v[i], strlen(verbs->v[i]));
    }
    if (good)
        return;
    strbuf_add_char(&text, ']');
    causes_add(causes, CAUSE_NOT_SUPPORTED, path_text(path, causes),
               arena_strdup(causes->arena, text.p),
               "supported values: \"create\", \"delete\", \"deletecollection\", \"get\", \"list\", "
               "\"patch\", \"proxy\", \"update\", \"watch\"");
}

static void check_resource_rule(const ResourcePolicyRule *rule, const Path *path, Causes *causes)
{
    const Path *namespaces = PATH(path, "namespaces");
    bool any_namespace = has_star(&rule->namespaces);

    check_verbs(&rule->verbs, PATH(path, "verbs"), causes);
    check_list(&rule->api_groups, PATH(path, "apiGroups"),
               "resource rules must supply at least one api group", "api groups", causes);
    check_list(&rule->resources, PATH(path, "resources"),
               "resource rules must supply at least one resource", "resources", causes);
    if (rule->namespaces.n || !rule->cluster_scope)
        check_list(&rule->namespaces, namespaces,
                   "resource rules that are not cluster scoped must supply at least one namespace",
                   "namespaces", causes);
    for (size_t i = 0; i < rule->namespaces.n && !any_namespace; i++) {
        Faults faults = check_dns_label(rule->namespaces.v[i]);

        for (size_t k = 0; k < faults.n; k++)
            causes_invalid_string(
                causes, path_text(PATH_INDEX(namespaces, i), causes), rule->namespaces.v[i],
                arena_printf(causes->arena,
                             "each member of this list must be '*' or a DNS-1123 label; %s",
                             faults.v[k]));
    }
}

static const char *url_fault(const char *url)
{
    size_t n = strlen(url);
    const char *star = strchr(url, '*');

    if (!n)
        return "must not be empty";
    if (url[0] != '/')
        return "must start with slash";
    if (strchr(url, ' '))
        return "must not contain white-space";
    if (strstr(url, "//"))
        return "must not contain double slash";
    if (star && (strchr(star + 1, '*') || n < 2 || !str_equal(url + n - 2, "/*")))
        return "wildcard can only do suffix matching";
    return NULL;
}

static void check_other_rule(const NonResourcePolicyRule *rule, const Path *path, Causes *causes)
{
    const StringArray *urls = &rule->non_resource_urls;
    const Path *at = PATH(path, "nonResourceURLs");
    bool any_url = has_star(urls);

    check_verbs(&rule->verbs, PATH(path, "verbs"), causes);
    check_list(urls, at, "nonResourceURLs must contain at least one value", "non-resource URLs",
               causes);
    for (size_t i = 0; i < urls->n && !any_url; i++) {
        const char *fault = url_fault(urls->v[i]);

        if (fault)
            causes_invalid_string(causes, path_text(PATH_INDEX(at, i), causes), urls->v[i], fault);
    }
}

static void check_account(const ServiceAccountSubject *account, const Path *path, Causes *causes)
{
    if (str_empty(account->name))
        causes_required(causes, path_text(PATH(path, "name"), causes), NULL);
    else if (!str_equal(account->name, "*"))
        faults_add(check_dns_subdomain(account->name), path_text(PATH(path, "name"), causes),
                   account->name, causes);
    if (str_empty(account->namespace))
        causes_required(causes, path_text(PATH(path, "namespace"), causes),
                        "must specify namespace for service account");
    else
        faults_add(check_dns_label(account->namespace), path_text(PATH(path, "namespace"), causes),
                   account->namespace, causes);
}

static void check_subject(const FlowSubject *subject, const Path *path, Causes *causes)
{
    static const char *const kinds[] = {"Group", "ServiceAccount", "User", NULL};
    const struct {
        const char *kind, *member;
        bool set;
        const char *name; /* NULL: it has checks of its own */
    } members[] = {
        {"User", "user", subject->user != NULL, subject->user ? subject->user->name : NULL},
        {"Group", "group", subject->group != NULL, subject->group ? subject->group->name : NULL},
        {"ServiceAccount", "serviceAccount", subject->service_account != NULL, NULL},
    };
    bool known = false;

    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        known = known || str_equal(subject->kind, members[i].kind);
    if (!known) {
        causes_not_supported(causes, path_text(PATH(path, "kind"), causes), subject->kind, kinds);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const Path *at = PATH(path, members[i].member);
        bool own = str_equal(subject->kind, members[i].kind);

        if (own && !members[i].set)
            causes_required(causes, path_text(at, causes),
                            arena_printf(causes->arena, "%s is required when subject kind is '%s'",
                                         members[i].member, members[i].kind));
        else if (own && i < 2 && str_empty(members[i].name))
            causes_required(causes, path_text(PATH(at, "name"), causes), NULL);
        else if (own && i == 2)
            check_account(subject->service_account, at, causes);
        else if (!own && members[i].set)
            causes_forbidden(causes, path_text(at, causes),
                             arena_printf(causes->arena,
                                          "%s is forbidden when subject kind is not '%s'",
                                          members[i].member, members[i].kind));
    }
}

static void check_rule(const PolicyRulesWithSubjects *rule, const Path *path, Causes *causes)
{
    if (rule->subjects.n == 0)
        causes_required(causes, path_text(PATH(path, "subjects"), causes),
                        "subjects must contain at least one value");
    for (size_t i = 0; i < rule->subjects.n; i++)
        check_subject(&rule->subjects.v[i], PATH_INDEX(PATH(path, "subjects"), i), causes);
    if (rule->resource_rules.n == 0 && rule->non_resource_rules.n == 0)
        causes_required(causes, path_text(path, causes),
                        "at least one of resourceRules and nonResourceRules has to be non-empty");
    for (size_t i = 0; i < rule->resource_rules.n; i++)
        check_resource_rule(&rule->resource_rules.v[i], PATH_INDEX(PATH(path, "resourceRules"), i),
                            causes);
    for (size_t i = 0; i < rule->non_resource_rules.n; i++)
        check_other_rule(&rule->non_resource_rules.v[i],
                         PATH_INDEX(PATH(path, "nonResourceRules"), i), causes);
}

static void check_fixed(const Kind *kind, const void *value, const char *what, Causes *causes)
{
    const char *name = ((const ObjectMeta *)value)->name;
    const FlowBootstrap *row = flow_bootstrap_find(kind, name);
    _object_ Object *fixed = NULL;
    const void *wanted;

    if (!row || !row->mandatory)
        return;
    fixed = flow_bootstrap_object(row);
    if (kind == &kind_priority_level_configuration && str_equal(name, "exempt"))
        OBJECT_AS(PriorityLevelConfiguration, fixed)->spec.exempt =
            ((const PriorityLevelConfiguration *)value)->spec.exempt;
    wanted = field_at(fixed->value, kind->spec);
    if (!type_field_equal(kind->spec, wanted, field_at(value, kind->spec)))
        causes_add(
            causes, CAUSE_INVALID, "spec",
            validate_bad_value(kind->spec, field_at(value, kind->spec), causes),
            arena_printf(causes->arena, "spec of '%s'%s must equal the fixed value", name, what));
}

static void validate_flow_schema(const void *value, const void *before _unused_, Causes *causes)
{
    const FlowSchema *schema = value;
    const FlowSchemaSpec *spec = &schema->spec;
    const Path *path = PATH(NULL, "spec");
    int32_t precedence = spec->matching_precedence;
    const char *level = spec->priority_level_configuration.name;

    if (precedence <= 0)
        causes_invalid_int(causes, "spec.matchingPrecedence", precedence,
                           "must be a positive value");
    if (precedence > PRECEDENCE_MAX)
        causes_invalid_int(causes, "spec.matchingPrecedence", precedence,
                           "must not be greater than 10000");
    if (precedence == 1 && !str_equal(schema->metadata.name, "exempt"))
        causes_invalid_int(causes, "spec.matchingPrecedence", precedence,
                           "only the schema named 'exempt' may have matchingPrecedence 1");
    if (spec->distinguisher_method && !str_equal(spec->distinguisher_method->type, "ByUser") &&
        !str_equal(spec->distinguisher_method->type, "ByNamespace"))
        causes_add(causes, CAUSE_NOT_SUPPORTED, "spec.distinguisherMethod.type",
                   rules_bad(&type_FlowSchemaSpec, spec, "distinguisherMethod", causes),
                   "supported values: \"ByNamespace\", \"ByUser\"");
    if (str_empty(level))
        causes_required(causes, "spec.priorityLevelConfiguration.name",
                        "must reference a priority level");
    else
        faults_add(check_dns_subdomain(level), "spec.priorityLevelConfiguration.name", level,
                   causes);
    for (size_t i = 0; i < spec->rules.n; i++)
        check_rule(&spec->rules.v[i], PATH_INDEX(PATH(path, "rules"), i), causes);
    check_fixed(&kind_flow_schema, value, "", causes);
}

static void print_flow_schema(const void *value, int64_t now_ns, StrBuf *row)
{
    const FlowSchema *schema = value;
    const FlowDistinguisherMethod *method = schema->spec.distinguisher_method;
    const char *dangling = "?";

    for (size_t i = 0; i < schema->status.conditions.n; i++)
        if (str_equal(schema->status.conditions.v[i].type, "Dangling"))
            dangling = schema->status.conditions.v[i].status;
    cell_string(row, schema->metadata.name);
    cell_string(row, schema->spec.priority_level_configuration.name);
    cell_int64(row, schema->spec.matching_precedence);
    cell_string(row, method ? method->type : "<none>");
    cell_age(row, schema->metadata.creation_timestamp, now_ns);
    cell_string(row, dangling);
}

const KindRules rules_flow_schema = {
    .validate = validate_flow_schema,
    .print = print_flow_schema,
};

/* ---- PriorityLevelConfiguration ---- */

/* How much of a hash a hand of `hand` out of `deck` cards takes. */
static int entropy_bits(int32_t deck, int32_t hand)
{
    return (int)ceil(log2((double)deck) * (double)hand);
}

static void check_queuing(const QueuingConfiguration *queuing, const Path *path, Causes *causes)
{
    const char *hand = path_text(PATH(path, "handSize"), causes);

    if (queuing->queue_length_limit <= 0)
        causes_invalid_int(causes, path_text(PATH(path, "queueLengthLimit"), causes),
                           queuing->queue_length_limit, "must be positive");
    if (queuing->queues <= 0)
        causes_invalid_int(causes, path_text(PATH(path, "queues"), causes), queuing->queues,
                           "must be positive");
    else if (queuing->queues > QUEUES_MAX)
        causes_invalid_int(causes, path_text(PATH(path, "queues"), causes), queuing->queues,
                           "must not be greater than 10000000");
    if (queuing->hand_size <= 0)
        causes_invalid_int(causes, hand, queuing->hand_size, "must be positive");
    else if (queuing->hand_size > queuing->queues)
        causes_invalid_int(
            causes, hand, queuing->hand_size,
            arena_printf(causes->arena, "should not be greater than queues (%d)", queuing->queues));
    else if (entropy_bits(queuing->queues, queuing->hand_size) > HASH_BITS)
        causes_invalid_int(causes, hand, queuing->hand_size,
                           arena_printf(causes->arena,
                                        "required entropy bits of deckSize %d and handSize %d "
                                        "should not be greater than %d",
                                        queuing->queues, queuing->hand_size, HASH_BITS));
}

static void check_response(const LimitResponse *response, const Path *path, Causes *causes)
{
    static const char *const types[] = {"Queue", "Reject", NULL};
    const Path *queuing = PATH(path, "queuing");

    if (str_equal(response->type, "Reject")) {
        if (response->queuing)
            causes_forbidden(causes, path_text(queuing, causes),
                             "must be nil if limited.limitResponse.type is not Limited");
    } else if (str_equal(response->type, "Queue")) {
        if (response->queuing)
            check_queuing(response->queuing, queuing, causes);
        else
            causes_required(causes, path_text(queuing, causes),
                            "must not be empty if limited.limitResponse.type is Limited");
    } else if (str_empty(response->type)) {
        causes_required(causes, path_text(PATH(path, "type"), causes), NULL);
    } else {
        causes_not_supported(causes, path_text(PATH(path, "type"), causes), response->type, types);
    }
}

static void check_percent_of(const int32_t *percent, const Path *path, Causes *causes)
{
    if (percent && (*percent < 0 || *percent > 100))
        causes_invalid_int(causes, path_text(PATH(path, "lendablePercent"), causes), *percent,
                           "must be between 0 and 100, inclusive");
}

static void check_shares(const int32_t *shares, const Path *path, Causes *causes)
{
    if (shares && *shares < 0)
        causes_invalid_int(causes, path_text(PATH(path, "nominalConcurrencyShares"), causes),
                           *shares, "must be a non-negative integer");
}

static void check_limited(const LimitedPriorityLevelConfiguration *limited, Causes *causes)
{
    const Path *path = PATH(PATH(NULL, "spec"), "limited");

    check_shares(limited->nominal_concurrency_shares, path, causes);
    check_response(&limited->limit_response, PATH(path, "limitResponse"), causes);
    check_percent_of(limited->lendable_percent, path, causes);
    if (limited->borrowing_limit_percent && *limited->borrowing_limit_percent < 0)
        causes_invalid_int(causes, path_text(PATH(path, "borrowingLimitPercent"), causes),
                           *limited->borrowing_limit_percent,
                           "if specified, must be a non-negative integer");
}

static void validate_level(const void *value, const void *before _unused_, Causes *causes)
{
    static const char *const types[] = {"Exempt", "Limited", NULL};
    const PriorityLevelConfiguration *level = value;
    const PriorityLevelConfigurationSpec *spec = &level->spec;
    const Path *exempt = PATH(PATH(NULL, "spec"), "exempt");

    if (str_equal(level->metadata.name, "exempt") != str_equal(spec->type, "Exempt"))
        causes_invalid_string(causes, "spec.type", str_or(spec->type, ""),
                              "must be 'Exempt' if and only if `name` is 'exempt'");
    if (str_equal(spec->type, "Exempt")) {
        if (spec->limited)
            causes_forbidden(causes, "spec.limited", "must be nil if the type is not Limited");
        if (spec->exempt) {
            check_shares(spec->exempt->nominal_concurrency_shares, exempt, causes);
            check_percent_of(spec->exempt->lendable_percent, exempt, causes);
        }
    } else if (str_equal(spec->type, "Limited")) {
        if (spec->exempt)
            causes_forbidden(causes, "spec.exempt", "must be nil if the type is Limited");
        if (spec->limited)
            check_limited(spec->limited, causes);
        else
            causes_required(causes, "spec.limited", "must not be empty when type is Limited");
    } else if (str_empty(spec->type)) {
        causes_required(causes, "spec.type", NULL);
    } else {
        causes_not_supported(causes, "spec.type", spec->type, types);
    }
    check_fixed(&kind_priority_level_configuration, value,
                str_equal(level->metadata.name, "exempt") ? " except the 'spec.exempt' field" : "",
                causes);
}

static void cell_number(StrBuf *row, const int32_t *number)
{
    if (number)
        cell_int64(row, *number);
    else
        cell_string(row, "<none>");
}

static void print_level(const void *value, int64_t now_ns, StrBuf *row)
{
    const PriorityLevelConfiguration *level = value;
    const LimitedPriorityLevelConfiguration *limited = level->spec.limited;
    const QueuingConfiguration *queuing = limited ? limited->limit_response.queuing : NULL;

    cell_string(row, level->metadata.name);
    cell_string(row, level->spec.type);
    cell_number(row, limited ? limited->nominal_concurrency_shares : NULL);
    cell_number(row, queuing ? &queuing->queues : NULL);
    cell_number(row, queuing ? &queuing->hand_size : NULL);
    cell_number(row, queuing ? &queuing->queue_length_limit : NULL);
    cell_age(row, level->metadata.creation_timestamp, now_ns);
}

const KindRules rules_priority_level_configuration = {
    .validate = validate_level,
    .print = print_level,
};
