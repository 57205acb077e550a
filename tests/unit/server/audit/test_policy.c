/* SPDX-License-Identifier: Apache-2.0 */
/* Which requests a rule of the audit policy matches. */
#include "testing.h"

#include "server/audit/policy.h"

typedef struct Row {
    const char *name;
    const char *rule; /* the members of a rule in JSON */
    Attributes attributes;
    bool matches;
} Row;

#define GET(...)                   \
    {                              \
        .verb = "get", __VA_ARGS__ \
    }

/* clang-format off */
static const Row rows[] = {
    {"an empty rule matches every resource",    "", GET(.resource = "pods"), true},
    {"an empty rule matches every path",        "", GET(.path = "/healthz"), true},
    {"the user has to be listed",               "\"users\":[\"jane\",\"joe\"]", GET(.resource = "pods"), true},
    {"another user is not listed",              "\"users\":[\"jan\"]", GET(.resource = "pods"), false},
    {"one group is enough",                     "\"userGroups\":[\"x\",\"devs\"]", GET(.resource = "pods"), true},
    {"a group that the user is not in",         "\"userGroups\":[\"dev\"]", GET(.resource = "pods"), false},
    {"the verb has to be listed",               "\"verbs\":[\"get\"]", GET(.resource = "pods"), true},
    {"another verb is not listed",              "\"verbs\":[\"list\"]", GET(.resource = "pods"), false},
    {"the namespace has to be listed",          "\"namespaces\":[\"a\"]", GET(.resource = "pods", .ns = "a"), true},
    {"another namespace is not listed",         "\"namespaces\":[\"a\"]", GET(.resource = "pods", .ns = "b"), false},
    {"an empty namespace stands for none",      "\"namespaces\":[\"\"]", GET(.resource = "nodes"), true},
    {"a rule for namespaces matches no path",   "\"namespaces\":[\"\"]", GET(.path = "/healthz"), false},
    {"a group without resources is all of it",  "\"resources\":[{\"group\":\"apps\"}]", GET(.group = "apps", .resource = "deployments"), true},
    {"the core group is empty",                 "\"resources\":[{}]", GET(.group = "", .resource = "pods"), true},
    {"another group",                           "\"resources\":[{}]", GET(.group = "apps", .resource = "pods"), false},
    {"a star is every group",                   "\"resources\":[{\"group\":\"*\"}]", GET(.group = "apps", .resource = "pods"), true},
    {"a resource by name",                      "\"resources\":[{\"resources\":[\"pods\"]}]", GET(.group = "", .resource = "pods"), true},
    {"a resource is not its subresource",       "\"resources\":[{\"resources\":[\"pods\"]}]", GET(.group = "", .resource = "pods", .subresource = "log"), false},
    {"a subresource by name",                   "\"resources\":[{\"resources\":[\"pods/log\"]}]", GET(.group = "", .resource = "pods", .subresource = "log"), true},
    {"another subresource",                     "\"resources\":[{\"resources\":[\"pods/log\"]}]", GET(.group = "", .resource = "pods", .subresource = "exec"), false},
    {"all subresources of a resource",          "\"resources\":[{\"resources\":[\"pods/*\"]}]", GET(.group = "", .resource = "pods", .subresource = "exec"), true},
    {"and the resource itself, as in Kubernetes", "\"resources\":[{\"resources\":[\"pods/*\"]}]", GET(.group = "", .resource = "pods"), true},
    {"not of a resource that begins so",        "\"resources\":[{\"resources\":[\"pods/*\"]}]", GET(.group = "", .resource = "podtemplates"), false},
    {"a subresource of all resources",          "\"resources\":[{\"group\":\"*\",\"resources\":[\"*/scale\"]}]", GET(.group = "apps", .resource = "deployments", .subresource = "scale"), true},
    {"not the resources themselves",            "\"resources\":[{\"group\":\"*\",\"resources\":[\"*/scale\"]}]", GET(.group = "apps", .resource = "deployments"), false},
    {"a star is every resource",                "\"resources\":[{\"resources\":[\"*\"]}]", GET(.group = "", .resource = "pods", .subresource = "log"), true},
    {"an object by name",                       "\"resources\":[{\"resources\":[\"pods\"],\"resourceNames\":[\"p\"]}]", GET(.group = "", .resource = "pods", .name = "p"), true},
    {"another object",                          "\"resources\":[{\"resources\":[\"pods\"],\"resourceNames\":[\"p\"]}]", GET(.group = "", .resource = "pods", .name = "q"), false},
    {"a list has no name",                      "\"resources\":[{\"resources\":[\"pods\"],\"resourceNames\":[\"p\"]}]", GET(.group = "", .resource = "pods"), false},
    {"one of several groups",                   "\"resources\":[{\"group\":\"x\"},{\"group\":\"apps\"}]", GET(.group = "apps", .resource = "deployments"), true},
    {"a path",                                  "\"nonResourceURLs\":[\"/healthz\"]", GET(.path = "/healthz"), true},
    {"a path is not a prefix",                  "\"nonResourceURLs\":[\"/healthz\"]", GET(.path = "/healthz/etcd"), false},
    {"a path that ends in a star is",           "\"nonResourceURLs\":[\"/healthz*\"]", GET(.path = "/healthz/etcd"), true},
    {"a star is every path",                    "\"nonResourceURLs\":[\"*\"]", GET(.path = "/x"), true},
    {"but no resource",                         "\"nonResourceURLs\":[\"*\"]", GET(.resource = "pods"), false},
};
/* clang-format on */

static AuditRules *parse(const char *text)
{
    AuditRules *rules;
    Err err = ERR_INIT;

    if (audit_rules_parse(bytes_from_string(text), &rules, &err) < 0)
        fail_msg("%s: %s", text, err.message);
    return rules;
}

static User *jane(void)
{
    User *user = user_new("jane", NULL);

    user_add_group(user, "devs");
    return user;
}

static void a_rule_matches_as_in_kubernetes(void **state _unused_)
{
    User *user = jane();

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _free_ char *text =
            mem_printf("{\"apiVersion\":\"audit.k8s.io/v1\",\"kind\":\"Policy\",\"rules\":[{"
                       "\"level\":\"Request\"%s%s}]}",
                       *rows[i].rule ? "," : "", rows[i].rule);
        AuditRules *rules = parse(text);
        AuditVerdict verdict = audit_rules_decide(rules, user, &rows[i].attributes);

        if ((verdict.level == AUDIT_REQUEST) != rows[i].matches)
            fail_msg("%s", rows[i].name);
        audit_rules_free(rules);
    }
    user_unref(user);
}

static void the_first_rule_that_matches_decides(void **state _unused_)
{
    static const char policy[] = "apiVersion: audit.k8s.io/v1\n"
                                 "kind: Policy\n"
                                 "omitStages: [RequestReceived]\n"
                                 "omitManagedFields: true\n"
                                 "rules:\n"
                                 "- level: None\n"
                                 "  verbs: [list]\n"
                                 "- level: Metadata\n"
                                 "  verbs: [get, list]\n"
                                 "  omitStages: [ResponseStarted]\n"
                                 "- level: RequestResponse\n"
                                 "  verbs: [create]\n"
                                 "  omitManagedFields: false\n";
    AuditRules *rules = parse(policy);
    AuditVerdict verdict;

    verdict = audit_rules_decide(rules, NULL, &(Attributes){.verb = "list", .resource = "pods"});
    assert_int_equal(verdict.level, AUDIT_NONE);
    verdict = audit_rules_decide(rules, NULL, &(Attributes){.verb = "get", .resource = "pods"});
    assert_int_equal(verdict.level, AUDIT_METADATA);
    assert_int_equal(verdict.omitted, 1u << AUDIT_RECEIVED | 1u << AUDIT_STARTED);
    assert_true(verdict.omit_managed_fields);
    verdict = audit_rules_decide(rules, NULL, &(Attributes){.verb = "create", .resource = "pods"});
    assert_int_equal(verdict.level, AUDIT_REQUEST_RESPONSE);
    assert_int_equal(verdict.omitted, 1u << AUDIT_RECEIVED);
    assert_false(verdict.omit_managed_fields);
    verdict = audit_rules_decide(rules, NULL, &(Attributes){.verb = "patch", .resource = "pods"});
    assert_int_equal(verdict.level, AUDIT_NONE);
    audit_rules_free(rules);
}

static void a_user_who_is_not_known_is_in_no_rule_for_users(void **state _unused_)
{
    AuditRules *rules = parse("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n"
                              "- {level: None, users: [\"\"]}\n"
                              "- {level: None, userGroups: [system:unauthenticated]}\n"
                              "- level: Metadata\n");

    assert_int_equal(
        audit_rules_decide(rules, NULL, &(Attributes){.verb = "get", .path = "/"}).level,
        AUDIT_METADATA);
    audit_rules_free(rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_matches_as_in_kubernetes),
        cmocka_unit_test(the_first_rule_that_matches_decides),
        cmocka_unit_test(a_user_who_is_not_known_is_in_no_rule_for_users),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
