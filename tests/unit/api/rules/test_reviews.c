/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of token requests and access reviews. */
#include "../rules_fixture.h"
#include "api/schema/authentication_v1.h"
#include "api/schema/authorization_v1.h"

static void tokens_last_between_ten_minutes_and_long(void **state)
{
    static const struct {
        const char *json, *causes;
    } rows[] = {
        {"{'spec':{'audiences':[]}}", ""},
        {"{'spec':{'audiences':[],'expirationSeconds':599}}",
         "spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 "
         "minutes\n"},
        {"{'spec':{'audiences':[],'expirationSeconds':4294967297}}",
         "spec.expirationSeconds: Invalid value: 4294967297: may not specify a duration larger "
         "than 2^32 seconds\n"},
    };

    EACH_ROW(i, rows, rows[i].json) {
        _arena_ Arena arena = ARENA_INIT;
        Causes causes = {.arena = &arena};

        kind_token_request.rules->validate(value_from(&arena, &kind_token_request, rows[i].json),
                                           NULL, &causes);
        assert_string_equal(causes_text(&causes), rows[i].causes);
    }
}

static void reviews_ask_exactly_one_thing(void **state)
{
    static const struct {
        const Kind *kind;
        const char *json, *causes;
    } rows[] = {
        {&kind_self_subject_access_review, "{'spec':{'resourceAttributes':{'verb':'get'}}}", ""},
        {&kind_self_subject_access_review, "{'spec':{}}",
         "spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or "
         "resourceAttributes must "
         "be specified\n"},
        {&kind_self_subject_access_review,
         "{'metadata':{'name':'a'},'spec':{'resourceAttributes':{},'nonResourceAttributes':{'path':"
         "'/'}}}",
         "spec.nonResourceAttributes: Invalid value: {\"path\":\"/\"}: cannot be specified in "
         "combination with "
         "resourceAttributes\n"
         "metadata: Invalid value: {\"name\":\"a\"}: must be empty\n"},
        {&kind_subject_access_review, "{'spec':{'nonResourceAttributes':{'path':'/'}}}",
         "spec.user: Invalid value: \"\": at least one of user or group must be specified\n"},
        {&kind_subject_access_review,
         "{'spec':{'user':'a','resourceAttributes':{'fieldSelector':{},'labelSelector':{'"
         "rawSelector':'a','requirements':"
         "[{'key':'a','operator':'Exists'}]}}}}",
         "spec.resourceAttributes.fieldSelector.requirements: Required value: when "
         "spec.resourceAttributes.fieldSelector is specified, requirements or rawSelector is "
         "required\n"
         "spec.resourceAttributes.labelSelector.rawSelector: Invalid value: \"a\": may not "
         "specified at the same time as "
         "requirements\n"},
        {&kind_subject_access_review,
         "{'spec':{'user':'a','resourceAttributes':{'fieldSelector':{'requirements':[{'key':'','"
         "operator':'In'}]},"
         "'labelSelector':{'requirements':[{'key':'a','operator':'Exists','values':['b']},{'key':'"
         "a','operator':'Gt'}]}}}}",
         "spec.resourceAttributes.fieldSelector.requirements[0].key: Required value: must be "
         "specified\n"
         "spec.resourceAttributes.fieldSelector.requirements[0].values: Required value: must be "
         "specified when "
         "`operator` is 'In' or 'NotIn'\n"
         "spec.resourceAttributes.labelSelector.requirements[0].values: Forbidden: may not be "
         "specified when `operator` "
         "is 'Exists' or 'DoesNotExist'\n"},
        {&kind_local_subject_access_review,
         "{'metadata':{'namespace':'a'},'spec':{'user':'a','resourceAttributes':{'namespace':'b'}}"
         "}",
         "spec.resourceAttributes.namespace: Invalid value: \"b\": must match "
         "metadata.namespace\n"},
        {&kind_local_subject_access_review,
         "{'metadata':{'namespace':'a'},'spec':{'user':'a','nonResourceAttributes':{'path':'/'}}}",
         "spec.nonResourceAttributes: Invalid value: {\"path\":\"/\"}: disallowed on this kind of "
         "request\n"},
    };

    EACH_ROW(i, rows, rows[i].json) {
        _arena_ Arena arena = ARENA_INIT;
        Causes causes = {.arena = &arena};

        rows[i].kind->rules->validate(value_from(&arena, rows[i].kind, rows[i].json), NULL,
                                      &causes);
        assert_string_equal(causes_text(&causes), rows[i].causes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_last_between_ten_minutes_and_long),
        cmocka_unit_test(reviews_ask_exactly_one_thing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
