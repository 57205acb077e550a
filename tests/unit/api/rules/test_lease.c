/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of leases. */
#include "../rules_fixture.h"
#include "api/schema/coordination_v1.h"

static void leases_last_at_least_a_second(void **state)
{
    static const RuleCase cases[] = {
        {"{'metadata':{'name':'a','namespace':'b'},'spec':{'leaseDurationSeconds':1}}", ""},
        {"{'metadata':{'name':'a','namespace':'b'},'spec':{'leaseDurationSeconds':0,'"
         "leaseTransitions':-1}}",
         "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0\n"
         "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0\n"},
        {"{'metadata':{'name':'a','namespace':'b'},'spec':{'preferredHolder':'x'}}",
         "spec.preferredHolder: Forbidden: may only be specified if `strategy` is defined\n"},
        {"{'metadata':{'name':'a','namespace':'b'},'spec':{'strategy':'OldestEmulationVersion',"
         "'preferredHolder':'x'}}",
         ""},
        {"{'metadata':{'name':'a','namespace':'b'},'spec':{'strategy':'Newest'}}",
         "spec.strategy.strategy: Unsupported value: \"Newest\": supported values: "
         "\"OldestEmulationVersion\"\n"},
    };
    _arena_ Arena arena = ARENA_INIT;

    assert_cases(&kind_lease, cases, ARRAY_LEN(cases));
    assert_row(&kind_lease, value_from(&arena, &kind_lease, "{'metadata':{'name':'a'},'spec':{}}"),
               1, "\"a\",\"\",\"\\u003cunknown\\u003e\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leases_last_at_least_a_second),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
