/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of storage classes. */
#include "../rules_fixture.h"
#include "api/schema/storage_v1.h"

#define CLASS(members) "{'metadata':{'name':'fast'}," members "}"

static void bad_classes_are_refused(void **state)
{
    static const RuleCase cases[] = {
        {CLASS("'provisioner':'stead.dev/Local'"), ""},
        {CLASS("'reclaimPolicy':'Delete'"), "provisioner: Required value\n"},
        {CLASS("'provisioner':'a','parameters':{'':'x'}"),
         "parameters: Invalid value: \"\": field can not be empty.\n"},
        {CLASS("'provisioner':'a','reclaimPolicy':'Recycle'"),
         "reclaimPolicy: Unsupported value: \"Recycle\": supported values: \"Delete\", "
         "\"Retain\"\n"},
        {CLASS("'provisioner':'a','allowedTopologies':[{'matchLabelExpressions':[{'key':'k','"
               "values':['a','a']},"
               "{'key':'k','values':['b']}]}]"),
         "allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: \"a\"\n"
         "allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: \"k\"\n"},
        {CLASS("'provisioner':'a','allowedTopologies':[{},{}]"),
         "allowedTopologies[1].matchLabelExpressions: Duplicate value: \"\"\n"},
    };

    assert_cases(&kind_storage_class, cases, ARRAY_LEN(cases));
}

static void a_class_cannot_change_what_volumes_are_made_of(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    const void *before = value_from(&arena, &kind_storage_class, CLASS("'provisioner':'a'"));
    const void *now =
        value_from(&arena, &kind_storage_class,
                   CLASS("'provisioner':'b','parameters':{'k':'v'},'reclaimPolicy':'Retain',"
                         "'volumeBindingMode':'WaitForFirstConsumer','allowVolumeExpansion':true"));

    assert_causes(
        &kind_storage_class, now, before, &arena,
        "provisioner: Invalid value: \"b\": field is immutable\n"
        "parameters: Invalid value: {\"k\":\"v\"}: field is immutable\n"
        "reclaimPolicy: Invalid value: \"Retain\": field is immutable\n"
        "volumeBindingMode: Invalid value: \"WaitForFirstConsumer\": field is immutable\n");
}

static void the_default_class_says_so_in_its_row(void **state)
{
    _arena_ Arena arena = ARENA_INIT;

    assert_row(
        &kind_storage_class,
        value_from(
            &arena, &kind_storage_class,
            "{'metadata':{'name':'fast','creationTimestamp':'1970-01-01T00:00:00Z','annotations':"
            "{'storageclass.kubernetes.io/is-default-class':'true'}},'provisioner':'a'}"),
        30, "\"fast (default)\",\"a\",\"Delete\",\"Immediate\",false,\"30s\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_classes_are_refused),
        cmocka_unit_test(a_class_cannot_change_what_volumes_are_made_of),
        cmocka_unit_test(the_default_class_says_so_in_its_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
