/* SPDX-License-Identifier: Apache-2.0 */
/* Claims that are bound when a pod uses them, and what earlier versions of stead have left. */
#include "testing.h"

#include "../workload_rig.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_scheduling_v1.h"
#include "api/schema/core_volume_v1.h"
#include "api/schema/storage_v1.h"
#include "server/admission/admission.h"

#define CLAIM(name, extra)                                                                      \
    "{'metadata':{'name':'" name                                                                \
    "','namespace':'default'},'spec':{'accessModes':['ReadWriteOnce'],'resources':{'requests':" \
    "{'storage':'1Gi'}}" extra "}}"
#define USER(name, extra)                                                                          \
    "{'metadata':{'name':'" name                                                                   \
    "','namespace':'default'},'spec':{'containers':[{'name':'a','image':'i'}],'volumes':[{'name':" \
    "'v','persistentVolumeClaim':{'claimName':'c'}}]" extra "}}"
#define STATIC_CLASS                                                                \
    "{'metadata':{'name':'local'},'provisioner':'kubernetes.io/no-provisioner','vo" \
    "lumeBindingMode':'WaitForFirstConsumer'}"
#define STATIC_VOLUME                                                                  \
    "{'metadata':{'name':'disk'},'spec':{'capacity':{'storage':'2Gi'},'accessModes':[" \
    "'ReadWriteOnce'],'hostPath':{'path':'/x'},'storageClassName':'local'}}"

static const PersistentVolumeClaim *claim_of(Rig *rig, const char *name)
{
    return OBJECT_AS(PersistentVolumeClaim,
                     get(rig, &kind_persistent_volume_claim, "default", name));
}

static const char *node_of(Rig *rig, const char *name)
{
    return str_or(OBJECT_AS(Pod, get(rig, &kind_pod, "default", name))->spec.node_name, "none");
}

static void a_claim_waits_for_its_first_consumer(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_persistent_volume_claim, CLAIM("c", ""));
    assert_string_equal(claim_of(rig, "c")->spec.storage_class_name, "standard");
    assert_string_equal(claim_of(rig, "c")->status.phase, "Pending");
    assert_string_equal(event_message(rig, "WaitForFirstConsumer"),
                        "waiting for first consumer to be created before binding");
    create(rig, &kind_pod, USER("p", ""));
    assert_string_equal(claim_of(rig, "c")->status.phase, "Bound");
    assert_string_equal(string_map_get(&claim_of(rig, "c")->metadata.annotations,
                                       "volume.kubernetes.io/selected-node"),
                        "n");
    assert_string_equal(node_of(rig, "p"), "n");
    assert_string_equal(event_message(rig, "FailedScheduling"), "none");
}

static void a_claim_that_comes_after_its_pod_is_bound(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_pod, USER("p", ""));
    assert_string_equal(event_message(rig, "FailedScheduling"),
                        "0/1 nodes are available: persistentvolumeclaim \"c\" not found. "
                        "preemption: 0/1 nodes are available: 1 Preemption is not helpful for "
                        "scheduling.");
    create(rig, &kind_persistent_volume_claim, CLAIM("c", ""));
    assert_string_equal(claim_of(rig, "c")->status.phase, "Bound");
    assert_string_equal(node_of(rig, "p"), "n");
}

/* A pod that cannot run does not count, and the claim says for which pod it waits. */
static void a_claim_of_a_pod_that_does_not_fit_stays_unbound(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_pod, USER("p", ",'nodeSelector':{'disk':'tape'}"));
    create(rig, &kind_persistent_volume_claim, CLAIM("c", ""));
    assert_string_equal(claim_of(rig, "c")->status.phase, "Pending");
    assert_string_equal(event_message(rig, "WaitForPodScheduled"),
                        "waiting for pod p to be scheduled");
}

static void a_pod_with_a_node_of_its_own_binds_no_claim(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_persistent_volume_claim, CLAIM("c", ""));
    create(rig, &kind_pod, USER("p", ",'nodeName':'n'"));
    assert_string_equal(claim_of(rig, "c")->status.phase, "Pending");
}

static void a_pod_waits_for_room_and_is_told_after_ten_minutes(void **state)
{
    Rig *rig = *state;

    rig->room = 0;
    create(rig, &kind_persistent_volume_claim, CLAIM("c", ""));
    create(rig, &kind_pod, USER("p", ""));
    assert_string_equal(event_message(rig, "ProvisioningFailed"),
                        "failed to provision volume with StorageClass \"standard\": no room");
    assert_string_equal(event_message(rig, "FailedScheduling"), "none");
    clock_fake_advance(rig->clock, 600 * NS_PER_SEC);
    settle(rig);
    assert_string_equal(event_message(rig, "FailedScheduling"),
                        "running PreBind plugin \"VolumeBinding\": binding volumes: context "
                        "deadline exceeded");
    rig->room = -1;
    control_volume_room(rig->control);
    settle(rig);
    assert_string_equal(node_of(rig, "p"), "n");
}

/* Nothing but a report of the node wakes the claim. */
static void a_claim_that_waits_for_room_does_not_poll(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_persistent_volume_claim,
           CLAIM("c", ",'storageClassName':'standard-reserved'"));
    rig->room = 0;
    create(rig, &kind_persistent_volume_claim,
           CLAIM("d", ",'storageClassName':'standard-reserved'"));
    rig->room = -1;
    clock_fake_advance(rig->clock, 3600 * NS_PER_SEC);
    settle(rig);
    assert_string_equal(claim_of(rig, "d")->status.phase, "Pending");
    control_volume_room(rig->control);
    settle(rig);
    assert_string_equal(claim_of(rig, "d")->status.phase, "Bound");
}

static void a_class_without_a_provisioner_takes_what_there_is(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_storage_class, STATIC_CLASS);
    create(rig, &kind_persistent_volume_claim, CLAIM("c", ",'storageClassName':'local'"));
    create(rig, &kind_pod, USER("p", ""));
    assert_non_null(strstr(event_message(rig, "FailedScheduling"),
                           "1 node(s) didn't find available persistent volumes to bind"));
    assert_string_equal(claim_of(rig, "c")->status.phase, "Pending");
    create(rig, &kind_persistent_volume, STATIC_VOLUME);
    assert_string_equal(claim_of(rig, "c")->spec.volume_name, "disk");
    assert_string_equal(node_of(rig, "p"), "n");
}

static void a_volume_without_a_claim_waits_for_the_pod_as_well(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_storage_class, STATIC_CLASS);
    create(rig, &kind_persistent_volume, STATIC_VOLUME);
    create(rig, &kind_persistent_volume_claim, CLAIM("c", ",'storageClassName':'local'"));
    assert_string_equal(claim_of(rig, "c")->status.phase, "Pending");
    create(rig, &kind_pod, USER("p", ""));
    assert_string_equal(claim_of(rig, "c")->status.phase, "Bound");
}

/* ---- what earlier versions have left ---- */

#define OLD_VOLUME                                                                             \
    "{'metadata':{'name':'pvc-1','annotations':{'pv.kubernetes.io/provisioned-by':'stead.dev/" \
    "volume'},'finalizers':['kubernetes.io/pv-protection','stead.dev/volume']},'spec':{"       \
    "'capacity':{'storage':'1Gi'},'accessModes':['ReadWriteOnce'],'hostPath':{'path':'/data/"  \
    "volumes/pvc-1','type':''},'persistentVolumeReclaimPolicy':'Retain','storageClassName':'"  \
    "standard','volumeMode':'Filesystem'}}"

static void volumes_of_an_earlier_version_name_their_data_and_their_node(void **state)
{
    Rig *rig = *state;
    const PersistentVolume *volume;
    const NodeSelectorRequirement *requirement;

    create(rig, &kind_persistent_volume, OLD_VOLUME);
    volume = OBJECT_AS(PersistentVolume, get(rig, &kind_persistent_volume, NULL, "pvc-1"));
    assert_null(volume->spec.persistent_volume_source.host_path);
    assert_string_equal(volume->spec.persistent_volume_source.local->path,
                        "/data/volumes/pvc-1/data");
    requirement =
        &volume->spec.node_affinity->required->node_selector_terms.v[0].match_expressions.v[0];
    assert_string_equal(requirement->key, "kubernetes.io/hostname");
    assert_string_equal(requirement->values.v[0], "n");
    assert_string_equal(volume->status.phase, "Available");
}

static void volumes_of_others_stay_as_they_are(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_persistent_volume, STATIC_VOLUME);
    assert_non_null(OBJECT_AS(PersistentVolume, get(rig, &kind_persistent_volume, NULL, "disk"))
                        ->spec.persistent_volume_source.host_path);
}

#define OLD_CLASS                                                                             \
    "{'metadata':{'name':'standard','annotations':{'storageclass.kubernetes.io/is-default-cl" \
    "ass':'true'}},'provisioner':'stead.dev/volume','allowVolumeExpansion':true}"

static const char *binding_mode(Rig *rig)
{
    return OBJECT_AS(StorageClass, get(rig, &kind_storage_class, NULL, "standard"))
        ->volume_binding_mode;
}

static void class_of_an_earlier_version_waits_for_pods_from_now_on(void **state)
{
    Rig *rig = *state;

    delete (rig, &kind_storage_class, NULL, "standard", NULL);
    delete (rig, &kind_storage_class, NULL, "standard-reserved", NULL);
    create(rig, &kind_storage_class, OLD_CLASS);
    assert_string_equal(binding_mode(rig), "Immediate");
    storage_classes_ensure(rig->server, rig->client);
    settle(rig);
    assert_string_equal(binding_mode(rig), "WaitForFirstConsumer");
    assert_non_null(get(rig, &kind_storage_class, NULL, "standard-reserved"));
    /* A user who wants it otherwise may do so. */
    delete (rig, &kind_storage_class, NULL, "standard", NULL);
    create(rig, &kind_storage_class, OLD_CLASS);
    storage_classes_ensure(rig->server, rig->client);
    settle(rig);
    assert_string_equal(binding_mode(rig), "Immediate");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_with_node, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_claim_waits_for_its_first_consumer),
        TEST(a_claim_that_comes_after_its_pod_is_bound),
        TEST(a_claim_of_a_pod_that_does_not_fit_stays_unbound),
        TEST(a_pod_with_a_node_of_its_own_binds_no_claim),
        TEST(a_pod_waits_for_room_and_is_told_after_ten_minutes),
        TEST(a_claim_that_waits_for_room_does_not_poll),
        TEST(a_class_without_a_provisioner_takes_what_there_is),
        TEST(a_volume_without_a_claim_waits_for_the_pod_as_well),
        TEST(volumes_of_an_earlier_version_name_their_data_and_their_node),
        TEST(volumes_of_others_stay_as_they_are),
        TEST(class_of_an_earlier_version_waits_for_pods_from_now_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
