/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of rbac.authorization.k8s.io/v1: roles and bindings. */
#include "api/print.h"
#include "api/rules/rules.h"
#include "api/schema/meta_v1.h"
#include "api/schema/rbac_v1.h"
#include "base/timefmt.h"
#include "codec/json/json.h"

#define RBAC_GROUP "rbac.authorization.k8s.io"

static const char *const rbac_group_only[] = {RBAC_GROUP, NULL};

/* ---- roles ---- */

static void check_rule(const PolicyRule *rule, bool namespaced, const Path *path, Causes *causes)
{
    if (!rule->verbs.n)
        fail_required(causes, PATH(path, "verbs"), "verbs must contain at least one value");
    if (rule->non_resource_urls.n) {
        const Path *urls = PATH(path, "nonResourceURLs");
        const char *bad = rules_bad(&type_PolicyRule, rule, "nonResourceURLs", causes);

        if (namespaced)
            rules_invalid(causes, urls, bad, "namespaced rules cannot apply to non-resource URLs");
        if (rule->api_groups.n || rule->resources.n || rule->resource_names.n)
            rules_invalid(causes, urls, bad,
                          "rules cannot apply to both regular resources and non-resource URLs");
        return;
    }
    if (!rule->api_groups.n)
        fail_required(causes, PATH(path, "apiGroups"),
                      "resource rules must supply at least one api group");
    if (!rule->resources.n)
        fail_required(causes, PATH(path, "resources"),
                      "resource rules must supply at least one resource");
}

static void check_rules(const PolicyRuleArray *rules, bool namespaced, Causes *causes)
{
    for (size_t i = 0; i < rules->n; i++)
        check_rule(&rules->v[i], namespaced, PATH_INDEX(PATH(NULL, "rules"), i), causes);
}

static void role_validate(const void *value, const void *before _unused_, Causes *causes)
{
    check_rules(&((const Role *)value)->rules, true, causes);
}

static void check_cluster_role_selector(const LabelSelector *selector, const char *path,
                                        Causes *causes)
{
    if (!validate_label_selector(selector, path, causes))
        causes_add(causes, CAUSE_INVALID, path, "null", "invalid label selector.");
}

static void cluster_role_validate(const void *value, const void *before _unused_, Causes *causes)
{
    const ClusterRole *role = value;
    const char *path = "aggregationRule.clusterRoleSelectors";

    check_rules(&role->rules, false, causes);
    if (!role->aggregation_rule)
        return;
    if (!role->aggregation_rule->cluster_role_selectors.n)
        causes_required(causes, path,
                        "at least one clusterRoleSelector required if aggregationRule is non-nil");
    for (size_t i = 0; i < role->aggregation_rule->cluster_role_selectors.n; i++)
        check_cluster_role_selector(&role->aggregation_rule->cluster_role_selectors.v[i],
                                    path_text(PATH_INDEX(PATH(NULL, path), i), causes), causes);
}

static void role_print(const void *value, int64_t now_ns _unused_, StrBuf *out)
{
    const ObjectMeta *meta = value; /* the first member of every kind */
    char created[TIMEFMT_MAX];

    cell_string(out, meta->name);
    timefmt_seconds(meta->creation_timestamp.seconds, created);
    cell_string(out, created);
}

const KindRules rules_role = {.validate = role_validate, .print = role_print};
const KindRules rules_cluster_role = {.validate = cluster_role_validate, .print = role_print};

/* ---- bindings ---- */

static void complete_binding(SubjectArray *subjects, RoleRef *ref)
{
    if (str_empty(ref->api_group))
        ref->api_group = RBAC_GROUP;
    for (size_t i = 0; i < subjects->n; i++)
        if (str_empty(subjects->v[i].api_group) &&
            (str_equal(subjects->v[i].kind, "User") || str_equal(subjects->v[i].kind, "Group")))
            subjects->v[i].api_group = RBAC_GROUP;
}

static void role_binding_complete(Arena *arena _unused_, void *value)
{
    RoleBinding *binding = value;

    complete_binding(&binding->subjects, &binding->role_ref);
}

static void cluster_role_binding_complete(Arena *arena _unused_, void *value)
{
    ClusterRoleBinding *binding = value;

    complete_binding(&binding->subjects, &binding->role_ref);
}

static bool path_segment_is_bad(const char *name)
{
    return str_equal(name, ".") || str_equal(name, "..") || strpbrk(str_or(name, ""), "/%");
}

static void check_ref(const RoleRef *ref, bool namespaced, Causes *causes)
{
    static const char *const kinds[] = {"Role", "ClusterRole", NULL};
    const char *const *allowed = namespaced ? kinds : kinds + 1;
    bool known =
        str_equal(ref->kind, "ClusterRole") || (namespaced && str_equal(ref->kind, "Role"));

    if (!str_equal(ref->api_group, RBAC_GROUP))
        causes_not_supported(causes, "roleRef.apiGroup", ref->api_group, rbac_group_only);
    if (!known)
        causes_not_supported(causes, "roleRef.kind", ref->kind, allowed);
    if (str_equal(ref->name, ".") || str_equal(ref->name, ".."))
        causes_invalid_string(causes, "roleRef.name", ref->name,
                              arena_printf(causes->arena, "may not be '%s'", ref->name));
    else if (path_segment_is_bad(ref->name))
        causes_invalid_string(causes, "roleRef.name", ref->name,
                              strchr(ref->name, '/') ? "may not contain '/'"
                                                     : "may not contain '%'");
}

static void check_subject(const Subject *subject, bool namespaced, const Path *path, Causes *causes)
{
    static const char *const kinds[] = {"ServiceAccount", "User", "Group", NULL};
    static const char *const none[] = {"", NULL};

    if (str_equal(subject->kind, "ServiceAccount")) {
        if (!str_empty(subject->name))
            fail_faults(causes, PATH(path, "name"), subject->name,
                        check_dns_subdomain(subject->name));
        if (!str_empty(subject->api_group))
            fail_not_supported(causes, PATH(path, "apiGroup"), subject->api_group, none);
        if (!namespaced && str_empty(subject->namespace))
            fail_required(causes, PATH(path, "namespace"), NULL);
    } else if (str_equal(subject->kind, "User") || str_equal(subject->kind, "Group")) {
        if (!str_equal(subject->api_group, RBAC_GROUP))
            fail_not_supported(causes, PATH(path, "apiGroup"), subject->api_group, rbac_group_only);
    } else {
        fail_not_supported(causes, PATH(path, "kind"), subject->kind, kinds);
    }
}

static void check_binding(const SubjectArray *subjects, const RoleRef *ref, const RoleRef *before,
                          bool namespaced, Causes *causes)
{
    check_ref(ref, namespaced, causes);
    for (size_t i = 0; i < subjects->n; i++)
        check_subject(&subjects->v[i], namespaced, PATH_INDEX(PATH(NULL, "subjects"), i), causes);
    if (before && !type_equal(&type_RoleRef, ref, before)) {
        _strbuf_ StrBuf text = STRBUF_INIT;

        json_encode(&type_RoleRef, ref, NULL, &text);
        causes_add(causes, CAUSE_INVALID, "roleRef", arena_strndup(causes->arena, text.p, text.n),
                   "cannot change roleRef");
    }
}

static void role_binding_validate(const void *value, const void *before, Causes *causes)
{
    const RoleBinding *binding = value, *old = before;

    check_binding(&binding->subjects, &binding->role_ref, old ? &old->role_ref : NULL, true,
                  causes);
}

static void cluster_role_binding_validate(const void *value, const void *before, Causes *causes)
{
    const ClusterRoleBinding *binding = value, *old = before;

    check_binding(&binding->subjects, &binding->role_ref, old ? &old->role_ref : NULL, false,
                  causes);
}

/* "alice, bob"; service accounts as "ns/name". */
static void cell_subjects(StrBuf *out, const SubjectArray *subjects, const char *kind)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    for (size_t i = 0; i < subjects->n; i++) {
        const Subject *subject = &subjects->v[i];

        if (!str_equal(subject->kind, kind))
            continue;
        if (text.n)
            strbuf_add_string(&text, ", ");
        if (str_equal(kind, "ServiceAccount"))
            strbuf_printf(&text, "%s/%s", str_or(subject->namespace, ""),
                          str_or(subject->name, ""));
        else
            strbuf_add_string(&text, str_or(subject->name, ""));
    }
    cell_string(out, strbuf_string(&text));
}

static void print_binding(const ObjectMeta *meta, const SubjectArray *subjects, const RoleRef *ref,
                          int64_t now_ns, StrBuf *out)
{
    cell_string(out, meta->name);
    cell_printf(out, "%s/%s", str_or(ref->kind, ""), str_or(ref->name, ""));
    cell_age(out, meta->creation_timestamp, now_ns);
    cell_subjects(out, subjects, "User");
    cell_subjects(out, subjects, "Group");
    cell_subjects(out, subjects, "ServiceAccount");
}

static void role_binding_print(const void *value, int64_t now_ns, StrBuf *out)
{
    const RoleBinding *binding = value;

    print_binding(&binding->metadata, &binding->subjects, &binding->role_ref, now_ns, out);
}

static void cluster_role_binding_print(const void *value, int64_t now_ns, StrBuf *out)
{
    const ClusterRoleBinding *binding = value;

    print_binding(&binding->metadata, &binding->subjects, &binding->role_ref, now_ns, out);
}

const KindRules rules_role_binding = {
    .complete = role_binding_complete,
    .validate = role_binding_validate,
    .print = role_binding_print,
};

const KindRules rules_cluster_role_binding = {
    .complete = cluster_role_binding_complete,
    .validate = cluster_role_binding_validate,
    .print = cluster_role_binding_print,
};
