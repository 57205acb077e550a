/* SPDX-License-Identifier: Apache-2.0 */
/* Reads, checks and applies an audit.k8s.io/v1 Policy. The messages and the matching are those of kube-apiserver. */
#include "api/schema/audit_v1.h"
#include "api/text_check.h"
#include "base/error.h"
#include "base/files/file.h"
#include "base/log.h"
#include "codec/json/json.h"
#include "codec/yaml/yaml.h"
#include "server/audit/policy.h"

#define POLICY_MAX ((size_t)1024 * 1024)
#define GROUP "audit.k8s.io"
#define STAGE_BIT(stage) (1u << (stage))

struct AuditRules {
    Arena arena;
    AuditPolicy policy;
    AuditVerdict *verdicts; /* one for each rule */
    AuditVerdict unmatched;
};

static const char *const level_names[] = {"None", "Metadata", "Request", "RequestResponse", NULL};
static const char *const stage_names[] = {"RequestReceived", "ResponseStarted", "ResponseComplete",
                                          "Panic"};
static_assert(ARRAY_LEN(level_names) == _AUDIT_LEVEL_MAX + 1, "every level has its name");
static_assert(ARRAY_LEN(stage_names) == _AUDIT_STAGE_MAX, "every stage has its name");

const char *audit_level_name(AuditLevel level)
{
    return level_names[level];
}

const char *audit_stage_name(AuditStage stage)
{
    return stage_names[stage];
}

static int level_of(const char *name)
{
    for (int i = 0; i < _AUDIT_LEVEL_MAX; i++)
        if (str_equal(level_names[i], name))
            return i;
    return -1;
}

static int stage_of(const char *name)
{
    for (int i = 0; i < _AUDIT_STAGE_MAX; i++)
        if (str_equal(stage_names[i], name))
            return i;
    return -1;
}

/* ---- validation ---- */

/* ["a","b"], as Go prints a list in a message */
static const char *list_text(Arena *arena, const StringArray *list)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    for (size_t i = 0; i < list->n; i++) {
        strbuf_add_char(&text, i ? ',' : '[');
        json_encode_string(&text, list->v[i], strlen(list->v[i]));
    }
    strbuf_add_char(&text, ']');
    return arena_strdup(arena, text.p);
}

static void check_level(Causes *causes, const char *path, const char *level)
{
    const char *field = arena_printf(causes->arena, "%s.level", path);

    if (str_empty(level))
        causes_required(causes, field, NULL);
    else if (level_of(level) < 0)
        causes_not_supported(causes, field, level, level_names);
}

static void check_urls(Causes *causes, const char *path, const AuditPolicyRule *rule)
{
    const StringArray *urls = &rule->non_resource_urls;

    for (size_t i = 0; i < urls->n; i++) {
        const char *url = urls->v[i], *star = strchr(url, '*');
        const char *field = arena_printf(causes->arena, "%s.nonResourceURLs[%zu]", path, i);

        if (str_equal(url, "*"))
            continue;
        if (url[0] != '/')
            causes_invalid_string(causes, field, url,
                                  "non-resource URL rules must begin with a '/' character");
        if (star && star[1])
            causes_invalid_string(
                causes, field, url,
                "non-resource URL wildcards '*' must be the final character of the rule");
    }
}

/* What is wrong with the name of a group; NULL: nothing. */
static const char *faults_of_group(Arena *arena, const char *group)
{
    Faults faults = check_dns_subdomain(group);
    const char *text = faults.n ? faults.v[0] : NULL;

    for (size_t i = 1; i < faults.n; i++)
        text = arena_printf(arena, "%s,%s", text, faults.v[i]);
    return text;
}

static void check_resources(Causes *causes, const char *path, const AuditPolicyRule *rule)
{
    Arena *arena = causes->arena;

    for (size_t i = 0; i < rule->resources.n; i++) {
        const AuditGroupResources *of = &rule->resources.v[i];
        const char *group = str_or(of->group, "");
        const char *why = *group && !str_equal(group, "*") ? faults_of_group(arena, group) : NULL;

        if (why)
            causes_invalid_string(causes, arena_printf(arena, "%s.resources.group", path), group,
                                  why);
        if (of->resource_names.n && !of->resources.n)
            causes_add(causes, CAUSE_INVALID,
                       arena_printf(arena, "%s.resources.resourceNames", path),
                       list_text(arena, &of->resource_names),
                       "using resourceNames requires at least one resource");
    }
}

static void check_stages(Causes *causes, const char *path, const StringArray *stages)
{
    for (size_t i = 0; i < stages->n; i++)
        if (stage_of(stages->v[i]) < 0)
            causes_invalid_string(causes, arena_printf(causes->arena, "%somitStages[%zu]", path, i),
                                  stages->v[i],
                                  "allowed stages are "
                                  "RequestReceived,ResponseStarted,ResponseComplete,Panic");
}

static void check_rule(Causes *causes, size_t index, const AuditPolicyRule *rule)
{
    Arena *arena = causes->arena;
    const char *path = arena_printf(arena, "rules[%zu]", index);

    check_level(causes, path, rule->level);
    check_urls(causes, path, rule);
    check_resources(causes, path, rule);
    check_stages(causes, arena_printf(arena, "%s.", path), &rule->omit_stages);
    if (rule->non_resource_urls.n && (rule->resources.n || rule->namespaces.n))
        causes_add(causes, CAUSE_INVALID, arena_printf(arena, "%s.nonResourceURLs", path),
                   list_text(arena, &rule->non_resource_urls),
                   "rules cannot apply to both regular resources and non-resource URLs");
}

static int check_policy(AuditRules *rules, Err *reterr)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    Causes causes = {.arena = &rules->arena};

    check_stages(&causes, "", &rules->policy.omit_stages);
    for (size_t i = 0; i < rules->policy.rules.n; i++)
        check_rule(&causes, i, &rules->policy.rules.v[i]);
    for (size_t i = 0; i < causes.n; i++)
        strbuf_printf(&text, "%s%s: %s", i ? ", " : "", causes.v[i].field, causes.v[i].message);
    if (causes.n == 1)
        return err_set(reterr, 0, "%s", text.p);
    if (causes.n)
        return err_set(reterr, 0, "[%s]", text.p);
    if (!rules->policy.rules.n)
        return err_set(reterr, 0, "loaded illegal policy with 0 rules");
    return 0;
}

/* ---- reading ---- */

static int check_kind(yyjson_val *root, Err *reterr)
{
    const char *kind = yyjson_get_str(yyjson_obj_get(root, "kind"));
    const char *version = yyjson_get_str(yyjson_obj_get(root, "apiVersion"));

    kind = str_or(kind, "Policy");
    if (str_equal(kind, "Policy") && str_equal(version, GROUP "/v1"))
        return 0;
    if (str_empty(version))
        return err_set(reterr, 0,
                       "unknown group version field " GROUP "/__internal, Kind=%s in policy", kind);
    return err_set(reterr, 0,
                   "failed decoding: no kind \"%s\" is registered for version \"%s\" in scheme "
                   "\"pkg/runtime/scheme.go:111\"",
                   kind, version);
}

static void warn_of_fields(const StringArray *errors)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    if (!errors->n)
        return;
    for (size_t i = 0; i < errors->n; i++)
        strbuf_printf(&text, "%s%s", i ? ", " : "", errors->v[i]);
    log_warn("audit",
             "Audit policy contains errors, falling back to lenient decoding: strict decoding "
             "error: %s",
             text.p);
}

static int decode(AuditRules *rules, Bytes text, Err *reterr)
{
    static const char *const ignore[] = {"kind", "apiVersion", NULL};
    DecodeReport report = {0};
    yyjson_doc *doc = NULL;
    const char *why = "";
    yyjson_val *root;
    int r;

    if (yaml_parse(&rules->arena, text, 0, &doc, &why))
        return err_set(reterr, 0, "failed decoding: %s", why);
    root = doc ? yyjson_doc_get_root(doc) : NULL;
    r = check_kind(root, reterr);
    if (r < 0)
        return r;
    if (json_decode(&type_AuditPolicy, &rules->arena, root, DECODE_CHECK_FIELDS, ignore,
                    &rules->policy, &report))
        return err_set(reterr, 0, "failed decoding: %s", str_or(report.error, "not a Policy"));
    warn_of_fields(&report.field_errors);
    return check_policy(rules, reterr);
}

static unsigned stage_bits(const StringArray *stages)
{
    unsigned bits = 0;

    for (size_t i = 0; i < stages->n; i++)
        bits |= STAGE_BIT(stage_of(stages->v[i]));
    return bits;
}

static void make_verdicts(AuditRules *rules)
{
    const AuditPolicy *policy = &rules->policy;

    rules->unmatched = (AuditVerdict){.level = AUDIT_NONE,
                                      .omitted = stage_bits(&policy->omit_stages),
                                      .omit_managed_fields = policy->omit_managed_fields};
    rules->verdicts = arena_new_n(&rules->arena, AuditVerdict, policy->rules.n);
    for (size_t i = 0; i < policy->rules.n; i++) {
        const AuditPolicyRule *rule = &policy->rules.v[i];

        rules->verdicts[i] = rules->unmatched;
        rules->verdicts[i].level = (AuditLevel)level_of(rule->level);
        rules->verdicts[i].omitted |= stage_bits(&rule->omit_stages);
        if (rule->omit_managed_fields)
            rules->verdicts[i].omit_managed_fields = *rule->omit_managed_fields;
    }
}

int audit_rules_parse(Bytes text, AuditRules **ret, Err *reterr)
{
    AuditRules *rules = mem_new_type(AuditRules);
    int r = decode(rules, text, reterr);

    if (r < 0) {
        audit_rules_free(rules);
        return ERR_TRACE(r);
    }
    make_verdicts(rules);
    *ret = rules;
    return 0;
}

int audit_rules_load(const char *path, AuditRules **ret, Err *reterr)
{
    _free_ char *text = NULL;
    Err err = ERR_INIT;
    size_t n;
    int r = file_read(path, POLICY_MAX, &text, &n);

    if (r < 0)
        return err_set(reterr, -r, "loading audit policy file: failed to read file path \"%s\"",
                       path);
    r = audit_rules_parse((Bytes){(const uint8_t *)text, n}, ret, &err);
    if (r < 0)
        return err_set(reterr, 0, "loading audit policy file: %s: from file %s", err.message, path);
    return 0;
}

AuditRules *audit_rules_free(AuditRules *rules)
{
    if (!rules)
        return NULL;
    arena_clear(&rules->arena);
    free(rules);
    return NULL;
}

/* ---- matching ---- */

static bool holds(const StringArray *list, const char *text)
{
    for (size_t i = 0; i < list->n; i++)
        if (str_equal(list->v[i], text))
            return true;
    return false;
}

static bool has_group(const AuditPolicyRule *rule, const User *user)
{
    for (size_t i = 0; user && i < user->groups.n; i++)
        if (holds(&rule->user_groups, user->groups.v[i]))
            return true;
    return false;
}

static bool path_matches(const char *path, const char *spec)
{
    size_t n = strlen(spec);

    if (str_equal(spec, "*") || str_equal(spec, path))
        return true;
    return n && spec[n - 1] == '*' && strncmp(path, spec, n - 1) == 0;
}

static bool paths_match(const AuditPolicyRule *rule, const Attributes *attributes)
{
    for (size_t i = 0; attributes->path && i < rule->non_resource_urls.n; i++)
        if (path_matches(attributes->path, rule->non_resource_urls.v[i]))
            return true;
    return false;
}

/* "pods", "pods/log", "pods/" and a star, a star and "/log", or a star */
static bool resource_matches(const char *spec, const char *resource, const char *subresource)
{
    const char *slash = strchr(spec, '/');
    size_t n = strlen(resource);

    if (str_equal(spec, "*"))
        return true;
    if (!slash)
        return str_empty(subresource) && str_equal(spec, resource);
    if (!str_empty(subresource) && slash == spec + 1 && *spec == '*' &&
        str_equal(slash + 1, subresource))
        return true;
    if ((size_t)(slash - spec) != n || strncmp(spec, resource, n) != 0)
        return false;
    return str_equal(slash + 1, "*") ||
           (!str_empty(subresource) && str_equal(slash + 1, subresource));
}

static bool group_matches(const AuditGroupResources *of, const Attributes *attributes)
{
    const char *resource = str_or(attributes->resource, "");

    if (!str_equal(of->group, "*") && !str_equal(of->group, attributes->group))
        return false;
    if (!of->resources.n)
        return true;
    if (of->resource_names.n && !holds(&of->resource_names, attributes->name))
        return false;
    for (size_t i = 0; i < of->resources.n; i++)
        if (resource_matches(of->resources.v[i], resource, attributes->subresource))
            return true;
    return false;
}

static bool resources_match(const AuditPolicyRule *rule, const Attributes *attributes)
{
    if (attributes->path)
        return false;
    if (rule->namespaces.n && !holds(&rule->namespaces, attributes->ns))
        return false;
    for (size_t i = 0; i < rule->resources.n; i++)
        if (group_matches(&rule->resources.v[i], attributes))
            return true;
    return !rule->resources.n;
}

static bool rule_matches(const AuditPolicyRule *rule, const User *user,
                         const Attributes *attributes)
{
    if (rule->users.n && (!user || !holds(&rule->users, user->name)))
        return false;
    if (rule->user_groups.n && !has_group(rule, user))
        return false;
    if (rule->verbs.n && !holds(&rule->verbs, attributes->verb))
        return false;
    if (rule->namespaces.n || rule->resources.n)
        return resources_match(rule, attributes);
    return !rule->non_resource_urls.n || paths_match(rule, attributes);
}

AuditVerdict audit_rules_decide(const AuditRules *rules, const User *user,
                                const Attributes *attributes)
{
    const AuditPolicyRuleArray *list = &rules->policy.rules;

    for (size_t i = 0; i < list->n; i++)
        if (rule_matches(&list->v[i], user, attributes))
            return rules->verdicts[i];
    return rules->unmatched;
}
