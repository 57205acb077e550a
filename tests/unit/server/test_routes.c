/* SPDX-License-Identifier: Apache-2.0 */
/* The tables from which requests are routed and discovery is printed. */
#include "testing.h"

#include "api/schema/apps_v1.h"
#include "api/schema/batch_v1.h"
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_config_v1.h"
#include "api/schema/core_pod_v1.h"
#include "server/request/call.h"

static bool lists(const char *const *verbs, const char *verb)
{
    while (*verbs && strcmp(*verbs, verb) != 0)
        verbs++;
    return *verbs != NULL;
}

/* The schema says which subresources a kind has, a table in the server what they do. */
static void each_subresource_of_a_kind_does_what_discovery_says(void **state)
{
    for (size_t i = 0; i < kind_count(); i++) {
        for (const char *const *name = kind_at(i)->subresources; *name; name++) {
            const Subresource *sub = subresource_find(kind_at(i), *name);

            if (!sub)
                fail_msg("%s/%s: the server has no row for it", kind_at(i)->plural, *name);
            if (sub->connect)
                continue; /* takes every method */
            if (lists(sub->verbs, "get") != (sub->get != NULL) ||
                lists(sub->verbs, "create") != (sub->create != NULL) ||
                lists(sub->verbs, "update") != (sub->update != NULL) ||
                lists(sub->verbs, "patch") != (sub->patch != NULL))
                fail_msg("%s/%s: its verbs are not its handlers", kind_at(i)->plural, *name);
        }
    }
}

static void a_kind_has_only_the_subresources_of_its_schema(void **state)
{
    static const struct {
        const Kind *kind;
        const char *name;
        bool has;
    } cases[] = {
        {&kind_pod, "log", true},
        {&kind_pod, "scale", false},
        {&kind_pod, "nothing", false},
        {&kind_node, "proxy", true},
        {&kind_pod, "proxy", true},
        {&kind_config_map, "proxy", false},
        {&kind_namespace, "finalize", true},
        {&kind_pod, "finalize", false},
        {&kind_service_account, "token", true},
        {&kind_deployment, "scale", true},
        {&kind_daemon_set, "scale", false},
        {&kind_config_map, "status", false},
        {&kind_job, "status", true},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if ((subresource_find(cases[i].kind, cases[i].name) != NULL) != cases[i].has)
            fail_msg("%s/%s", cases[i].kind->plural, cases[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_subresource_of_a_kind_does_what_discovery_says),
        cmocka_unit_test(a_kind_has_only_the_subresources_of_its_schema),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
