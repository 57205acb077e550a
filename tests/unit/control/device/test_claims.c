/* SPDX-License-Identifier: Apache-2.0 */
/* ResourceClaims of pods on the real server: made from templates, reserved, released and deleted. */
#include "api/schema/core_pod_v1.h"
#include "api/schema/resource_v1.h"
#include "control_rig.h"
#include "view/pod.h"

#define CLAIM_SPEC "{'devices':{'requests':[{'name':'r','exactly':{'deviceClassName':'c'}}]}}"
#define TEMPLATE                                                                              \
    "{'metadata':{'name':'t','namespace':'default'},'spec':{'metadata':{'labels':{'a':'b'}}," \
    "'spec':" CLAIM_SPEC "}}"
#define CLAIM(more) \
    "{'metadata':{'name':'own','namespace':'default'" more "},'spec':" CLAIM_SPEC "}"
#define POD(claims)                                                                             \
    "{'metadata':{'name':'p','namespace':'default'},'spec':{'containers':[{'name':'a','image':" \
    "'i'}],'resourceClaims':[" claims "]}}"
#define FROM_TEMPLATE "{'name':'x','resourceClaimTemplateName':'t'}"
#define OWN "{'name':'x','resourceClaimName':'own'}"
#define ALLOCATED                                                                                  \
    "{'allocation':{'devices':{'results':[{'request':'r','driver':'a.b','pool':'p','device':'d'}]" \
    "}}}"

static const Pod *the_pod(Rig *rig)
{
    Object *object = get(rig, &kind_pod, "default", "p");

    assert_non_null(object);
    return OBJECT_AS(Pod, object);
}

static const DeviceResourceClaim *claim_of(Rig *rig, const char *name)
{
    Object *object = get(rig, &kind_device_resource_claim, "default", name);

    return object ? OBJECT_AS(DeviceResourceClaim, object) : NULL;
}

static const char *why_waiting(Rig *rig)
{
    const PodCondition *condition = pod_condition(the_pod(rig), "PodScheduled");

    assert_non_null(condition);
    assert_string_equal(condition->status, "False");
    return condition->message;
}

static void end_pod(Rig *rig)
{
    write_status(rig, &kind_pod, "default", "p", "{'phase':'Succeeded'}");
}

static int setup_node(void **state)
{
    if (setup(state))
        return -1;
    create(*state, &kind_node, "{'metadata':{'name':'n'}}");
    write_status(*state, &kind_node, NULL, "n",
                 "{'allocatable':{'cpu':'4','memory':'8Gi','pods':'110'},'conditions':[{'type':"
                 "'Ready','status':'True'}]}");
    return 0;
}

static void a_claim_is_made_from_a_template_and_named_in_the_status(void **state)
{
    Rig *rig = *state;
    const DeviceResourceClaim *claim;
    const char *name;

    create(rig, &kind_resource_claim_template, TEMPLATE);
    create(rig, &kind_pod, POD(FROM_TEMPLATE));
    name = pod_claim_name(the_pod(rig), 0);
    assert_non_null(name);
    assert_memory_equal(name, "p-x-", 4);
    claim = claim_of(rig, name);
    assert_non_null(claim);
    assert_string_equal(string_map_get(&claim->metadata.labels, "a"), "b");
    assert_string_equal(
        string_map_get(&claim->metadata.annotations, "resource.kubernetes.io/pod-claim-name"), "x");
    assert_string_equal(claim->metadata.owner_references.v[0].uid, the_pod(rig)->metadata.uid);
    assert_int_equal(client_count(rig->client, &kind_device_resource_claim, "default"), 1);
}

static void a_pod_waits_for_its_template(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_pod, POD(FROM_TEMPLATE));
    assert_null(pod_claim_name(the_pod(rig), 0));
    assert_non_null(strstr(why_waiting(rig), "ResourceClaim not created yet"));
    create(rig, &kind_resource_claim_template, TEMPLATE);
    assert_non_null(pod_claim_name(the_pod(rig), 0));
}

static void a_pod_is_bound_when_its_claim_is_allocated_and_reserved_for_it(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_pod, POD(OWN));
    assert_non_null(strstr(why_waiting(rig), "\"own\" not found"));
    create(rig, &kind_device_resource_claim, CLAIM(""));
    assert_non_null(strstr(why_waiting(rig), "cannot allocate all claims"));
    assert_null(the_pod(rig)->spec.node_name);
    write_status(rig, &kind_device_resource_claim, "default", "own", ALLOCATED);
    assert_int_equal(claim_of(rig, "own")->status.reserved_for.n, 1);
    assert_string_equal(claim_of(rig, "own")->status.reserved_for.v[0].uid,
                        the_pod(rig)->metadata.uid);
    assert_string_equal(the_pod(rig)->spec.node_name, "n");
}

static void a_pod_does_not_run_where_its_devices_are_not(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_device_resource_claim, CLAIM(""));
    create(rig, &kind_pod, POD(OWN));
    write_status(rig, &kind_device_resource_claim, "default", "own",
                 "{'allocation':{'devices':{'results':[{'request':'r','driver':'a.b','pool':'p',"
                 "'device':'d'}]},'nodeSelector':{'nodeSelectorTerms':[{'matchFields':[{'key':"
                 "'metadata.name','operator':'In','values':['other']}]}]}}}");
    assert_non_null(strstr(why_waiting(rig), "resourceclaim not available on the node"));
}

static void a_pod_that_ends_gives_its_claim_back(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_device_resource_claim,
           CLAIM(",'finalizers':['resource.kubernetes.io/delete-protection']"));
    create(rig, &kind_pod, POD(OWN));
    write_status(rig, &kind_device_resource_claim, "default", "own", ALLOCATED);
    assert_int_equal(claim_of(rig, "own")->status.reserved_for.n, 1);
    end_pod(rig);
    assert_int_equal(claim_of(rig, "own")->status.reserved_for.n, 0);
    assert_null(claim_of(rig, "own")->status.allocation);
    assert_int_equal(claim_of(rig, "own")->metadata.finalizers.n, 0);
}

static void an_allocation_of_others_stays(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_device_resource_claim, CLAIM(""));
    create(rig, &kind_pod, POD(OWN));
    write_status(rig, &kind_device_resource_claim, "default", "own", ALLOCATED);
    end_pod(rig);
    assert_int_equal(claim_of(rig, "own")->status.reserved_for.n, 0);
    assert_non_null(claim_of(rig, "own")->status.allocation);
}

static void a_claim_that_was_made_for_a_pod_goes_with_it(void **state)
{
    Rig *rig = *state;
    const char *name;

    create(rig, &kind_resource_claim_template, TEMPLATE);
    create(rig, &kind_pod, POD(FROM_TEMPLATE));
    name = arena_strdup(&rig->arena, pod_claim_name(the_pod(rig), 0));
    end_pod(rig);
    assert_null(claim_of(rig, name));
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, setup_node, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_claim_is_made_from_a_template_and_named_in_the_status),
        RIG_TEST(a_pod_waits_for_its_template),
        RIG_TEST(a_pod_is_bound_when_its_claim_is_allocated_and_reserved_for_it),
        RIG_TEST(a_pod_does_not_run_where_its_devices_are_not),
        RIG_TEST(a_pod_that_ends_gives_its_claim_back),
        RIG_TEST(an_allocation_of_others_stays),
        RIG_TEST(a_claim_that_was_made_for_a_pod_goes_with_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
