/* SPDX-License-Identifier: Apache-2.0 */
/* Which rules allow what: one row a question. */
#include "testing.h"

#include "api/schema/rbac_v1.h"
#include "server/auth/rbac.h"

/* One of each: enough to say what a rule is about. */
typedef struct Row {
    const char *name;
    const char *verb, *group, *resource, *only, *path; /* of the rule */
    Attributes asked;
    bool allowed;
} Row;

/* clang-format off */
static const Row ROWS[] = {
    {"the_very_thing_is_allowed",
     "get",
     "",
     "pods",
     NULL,
     NULL,
     {.verb = "get", .group = "", .resource = "pods", .ns = "a"},
     true},
    {"another_verb_is_not",
     "get",
     "",
     "pods",
     NULL,
     NULL,
     {.verb = "list", .group = "", .resource = "pods"},
     false},
    {"another_group_is_not",
     "get",
     "apps",
     "deployments",
     NULL,
     NULL,
     {.verb = "get", .group = "batch", .resource = "deployments"},
     false},
    {"a_star_is_every_verb",
     "*",
     "",
     "pods",
     NULL,
     NULL,
     {.verb = "deletecollection", .group = "", .resource = "pods"},
     true},
    {"a_star_is_every_resource",
     "get",
     "*",
     "*",
     NULL,
     NULL,
     {.verb = "get", .group = "apps", .resource = "deployments", .subresource = "scale"},
     true},
    {"a_resource_is_not_its_subresource",
     "get",
     "",
     "pods",
     NULL,
     NULL,
     {.verb = "get", .group = "", .resource = "pods", .subresource = "log"},
     false},
    {"a_subresource_is_named",
     "get",
     "",
     "pods/log",
     NULL,
     NULL,
     {.verb = "get", .group = "", .resource = "pods", .subresource = "log"},
     true},
    {"a_subresource_is_not_its_resource",
     "get",
     "",
     "pods/log",
     NULL,
     NULL,
     {.verb = "get", .group = "", .resource = "pods"},
     false},
    {"one_subresource_of_all",
     "update",
     "apps",
     "*/scale",
     NULL,
     NULL,
     {.verb = "update", .group = "apps", .resource = "statefulsets", .subresource = "scale"},
     true},
    {"not_another_subresource_of_all",
     "update",
     "apps",
     "*/scale",
     NULL,
     NULL,
     {.verb = "update", .group = "apps", .resource = "statefulsets", .subresource = "status"},
     false},
    {"only_the_named_object",
     "get",
     "",
     "secrets",
     "mine",
     NULL,
     {.verb = "get", .group = "", .resource = "secrets", .name = "mine"},
     true},
    {"not_the_others",
     "get",
     "",
     "secrets",
     "mine",
     NULL,
     {.verb = "get", .group = "", .resource = "secrets", .name = "yours"},
     false},
    {"not_all_of_them",
     "list",
     "",
     "secrets",
     "mine",
     NULL,
     {.verb = "list", .group = "", .resource = "secrets"},
     false},
    {"a_path", "get", NULL, NULL, NULL, "/metrics", {.verb = "get", .path = "/metrics"}, true},
    {"not_below_it",
     "get",
     NULL,
     NULL,
     NULL,
     "/metrics",
     {.verb = "get", .path = "/metrics/a"},
     false},
    {"below_it_with_a_star",
     "get",
     NULL,
     NULL,
     NULL,
     "/apis/*",
     {.verb = "get", .path = "/apis/a"},
     true},
    {"every_path", "*", NULL, NULL, NULL, "*", {.verb = "post", .path = "/x"}, true},
    {"a_star_for_resources_is_no_path",
     "*",
     "*",
     "*",
     NULL,
     NULL,
     {.verb = "get", .path = "/x"},
     false},
};
/* clang-format on */

static StringArray one(const char **s)
{
    return (StringArray){s, *s ? 1 : 0};
}

static void rules_allow_what_they_say(void **state)
{
    EACH_ROW(i, ROWS, ROWS[i].name) {
        Row row = ROWS[i];
        PolicyRule rule = {.verbs = one(&row.verb),
                           .api_groups = one(&row.group),
                           .resources = one(&row.resource),
                           .resource_names = one(&row.only),
                           .non_resource_urls = one(&row.path)};

        print_message("%s\n", row.name);
        assert_int_equal(rbac_rule_allows(&rule, &row.asked), row.allowed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_allow_what_they_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
