/* SPDX-License-Identifier: Apache-2.0 */
/* The retention policy as owner references. */
#include "api/schema/apps_v1.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_pod_v1.h"
#include "plan_world.h"

typedef struct Case {
    const char *name;
    const char *when_scaled, *when_deleted;
    bool condemned;
    const char *owners; /* S set, s set of an earlier life, P pod, p pod of an earlier life, X
                           another controller */
    ClaimVerdict verdict;
    const char *fixed; /* after CLAIM_UPDATE */
} Case;

static const Case CASES[] = {
    {"retain_wants_no_owner", "Retain", "Retain", false, "", CLAIM_FINE, NULL},
    {"retain_takes_the_set_out", "Retain", "Retain", false, "S", CLAIM_UPDATE, ""},
    {"retain_takes_the_pod_out", "Retain", "Retain", true, "P", CLAIM_UPDATE, ""},
    {"when_deleted_makes_the_set_own_it", "Retain", "Delete", false, "", CLAIM_UPDATE, "S"},
    {"when_deleted_keeps_the_set_as_owner_of_condemned", "Retain", "Delete", true, "S", CLAIM_FINE,
     NULL},
    {"when_scaled_leaves_replicas_alone", "Delete", "Retain", false, "", CLAIM_FINE, NULL},
    {"when_scaled_gives_condemned_claims_to_the_pod", "Delete", "Retain", true, "", CLAIM_UPDATE,
     "P"},
    {"when_scaled_takes_them_back_if_the_set_grows_again", "Delete", "Retain", false, "P",
     CLAIM_UPDATE, ""},
    {"both_give_replicas_to_the_set", "Delete", "Delete", false, "", CLAIM_UPDATE, "S"},
    {"both_give_condemned_to_the_pod", "Delete", "Delete", true, "S", CLAIM_UPDATE, "P"},
    {"a_set_of_an_earlier_life_is_left_alone", "Delete", "Delete", false, "s", CLAIM_LEFT_ALONE,
     NULL},
    {"a_pod_of_an_earlier_life_is_left_alone", "Delete", "Retain", false, "p", CLAIM_LEFT_ALONE,
     NULL},
    {"another_controller_is_a_conflict", "Retain", "Delete", false, "X", CLAIM_CONFLICT, NULL},
    {"another_controller_drives_us_out", "Retain", "Delete", false, "XS", CLAIM_UPDATE, "X"},
    {"another_controller_is_fine_if_all_is_retained", "Retain", "Retain", false, "X", CLAIM_FINE,
     NULL},
};

static void add_owner(World *world, PersistentVolumeClaim *claim, char letter)
{
    OwnerReferenceArray *owners = &claim->metadata.owner_references;
    OwnerReference *v = arena_new_n(&world->arena, OwnerReference, owners->n + 1);
    OwnerReference ref = {.api_version = "v1", .kind = "Pod", .name = "web-0", .uid = "pod-uid-0"};

    for (size_t i = 0; i < owners->n; i++)
        v[i] = owners->v[i];
    ref.controller = arena_bool(&world->arena, true);
    if (letter == 'S' || letter == 's') {
        ref.api_version = "apps/v1";
        ref.kind = "StatefulSet";
        ref.name = "web";
        ref.uid = letter == 'S' ? "set-uid" : "old-set-uid";
    } else if (letter == 'p') {
        ref.uid = "old-pod-uid";
    } else if (letter == 'X') {
        ref.kind = "ConfigMap";
        ref.name = "other";
        ref.uid = "other-uid";
    }
    v[owners->n] = ref;
    *owners = (OwnerReferenceArray){.v = v, .n = owners->n + 1};
}

static void run_case(void **state)
{
    const Case *c = *state;
    World world;
    PersistentVolumeClaim *claim;
    Pod *pod;
    char fixed[8] = "";

    world_init(&world, c->condemned ? 0 : 1, 'A');
    world_add_template(&world, "data");
    pod = world_add_pod(&world, 0, 'A', '+');
    claim = world_add_claim(&world, 0);
    for (const char *letter = c->owners; *letter; letter++)
        add_owner(&world, claim, *letter);
    world.set.spec.persistent_volume_claim_retention_policy =
        arena_new(&world.arena, StatefulSetPersistentVolumeClaimRetentionPolicy);
    world.set.spec.persistent_volume_claim_retention_policy->when_scaled = c->when_scaled;
    world.set.spec.persistent_volume_claim_retention_policy->when_deleted = c->when_deleted;

    assert_int_equal(statefulset_judge_claim(&world.set, claim, "web-0", pod, c->condemned),
                     c->verdict);
    if (c->verdict == CLAIM_UPDATE) {
        PersistentVolumeClaim *after =
            statefulset_fix_claim(&world.arena, &world.set, claim, "web-0", pod, c->condemned);

        for (size_t i = 0; i < after->metadata.owner_references.n; i++) {
            const char *uid = after->metadata.owner_references.v[i].uid;

            fixed[i] = str_equal(uid, "set-uid") ? 'S' : str_equal(uid, "pod-uid-0") ? 'P' : 'X';
        }
        assert_string_equal(fixed, c->fixed);
        /* Once is enough. */
        assert_int_not_equal(statefulset_judge_claim(&world.set, after, "web-0", pod, c->condemned),
                             CLAIM_UPDATE);
    }
    world_deinit(&world);
}

static void a_claim_of_a_pod_that_was_scaled_away_holds_up_the_next_pod(void **state)
{
    World world;

    world_init(&world, 1, 'A');
    world_add_template(&world, "data");
    world.set.spec.persistent_volume_claim_retention_policy =
        arena_new(&world.arena, StatefulSetPersistentVolumeClaimRetentionPolicy);
    world.set.spec.persistent_volume_claim_retention_policy->when_scaled = "Delete";
    add_owner(&world, world_add_claim(&world, 0), 'p');
    assert_string_equal(world_plan(&world), "");
    world_deinit(&world);
}

static void a_claim_of_a_deleted_set_holds_up_the_next_sets_pod(void **state)
{
    World world;

    world_init(&world, 1, 'A');
    world_add_template(&world, "data");
    add_owner(&world, world_add_claim(&world, 0), 's');
    assert_string_equal(world_plan(&world), "");
    world_deinit(&world);
}

int main(void)
{
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(a_claim_of_a_pod_that_was_scaled_away_holds_up_the_next_pod),
        cmocka_unit_test(a_claim_of_a_deleted_set_holds_up_the_next_sets_pod),
    };
    struct CMUnitTest cases[ARRAY_LEN(CASES)];

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        cases[i] =
            (struct CMUnitTest){CASES[i].name, run_case, NULL, NULL, (void *)(uintptr_t)&CASES[i]};
    return test_run_group("owners", cases, ARRAY_LEN(cases), NULL, NULL) +
           cmocka_run_group_tests_name("claims", others, NULL, NULL);
}
