/* SPDX-License-Identifier: Apache-2.0 */
/* Owner references, finalizers and labels of an object's metadata. */
#include "testing.h"

#include "api/condition.h"
#include "api/meta.h"
#include "api/pod_containers.h"
#include "api/schema/apps_v1.h"
#include "api/schema/batch_v1.h"
#include "api/schema/core_pod_v1.h"

static void an_owner_is_added_behind_the_others_and_removed_by_uid(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    ObjectMeta set = {.name = "web", .uid = "u1"}, job = {.name = "j", .uid = "u2"}, pod = {0};

    meta_add_owner(&arena, &pod, meta_controller_reference(&arena, &kind_stateful_set, &set));
    meta_add_owner(&arena, &pod, meta_controller_reference(&arena, &kind_job, &job));
    assert_int_equal(pod.owner_references.n, 2);
    assert_string_equal(pod.owner_references.v[0].api_version, "apps/v1");
    assert_string_equal(pod.owner_references.v[0].kind, "StatefulSet");
    assert_string_equal(pod.owner_references.v[0].name, "web");
    assert_string_equal(pod.owner_references.v[0].uid, "u1");
    assert_true(*pod.owner_references.v[0].controller);
    assert_true(*pod.owner_references.v[0].block_owner_deletion);
    assert_string_equal(pod.owner_references.v[1].uid, "u2");
    meta_remove_owner(&pod, "u1");
    assert_int_equal(pod.owner_references.n, 1);
    assert_string_equal(meta_controller(&pod)->uid, "u2");
    meta_remove_owner(&pod, "u1");
    assert_int_equal(pod.owner_references.n, 1);
}

static void a_finalizer_is_present_once_or_not_at_all(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    ObjectMeta meta = {0};

    meta_remove_finalizer(&meta, "a/x");
    assert_int_equal(meta.finalizers.n, 0);
    meta_add_finalizer(&arena, &meta, "a/x");
    meta_add_finalizer(&arena, &meta, "a/y");
    meta_add_finalizer(&arena, &meta, "a/x");
    assert_int_equal(meta.finalizers.n, 2);
    assert_string_equal(meta.finalizers.v[1], "a/y");
    meta_remove_finalizer(&meta, "a/x");
    assert_int_equal(meta.finalizers.n, 1);
    assert_true(meta_has_finalizer(&meta, "a/y"));
    assert_false(meta_has_finalizer(&meta, "a/x"));
}

static void labels_are_equal_if_all_keys_and_values_are(void **state)
{
    static const struct {
        const char *a[2], *b[2]; /* values of the labels k0 and k1; NULL: absent */
        bool equal;
    } cases[] = {
        {{NULL, NULL}, {NULL, NULL}, true}, {{"x", "y"}, {"x", "y"}, true},
        {{"x", NULL}, {"x", "y"}, false},   {{"x", "y"}, {"x", NULL}, false},
        {{"x", NULL}, {NULL, "x"}, false},  {{"x", "y"}, {"x", "z"}, false},
        {{"w", "y"}, {"x", "y"}, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _arena_ Arena arena = ARENA_INIT;
        ObjectMeta a = {0}, b = {0};

        for (int k = 0; k < 2; k++) {
            if (cases[i].a[k])
                string_map_put(&arena, &a.labels, k ? "k1" : "k0", cases[i].a[k]);
            if (cases[i].b[k])
                string_map_put(&arena, &b.labels, k ? "k1" : "k0", cases[i].b[k]);
        }
        if (meta_labels_equal(&a, &b) != cases[i].equal)
            fail_msg("row %zu", i);
    }
}

static void an_arena_holds_an_object_until_it_is_cleared(void **state)
{
    Arena arena = ARENA_INIT;
    Object *object = object_new(&kind_pod);

    assert_ptr_equal(arena_hold_object(&arena, object), object);
    assert_int_equal(object->refs, 2);
    arena_clear(&arena);
    assert_int_equal(object->refs, 1);
    object_unref(object);
}

/* ---- conditions and containers ---- */

static void a_condition_is_found_by_its_type(void **state)
{
    PodCondition pod[] = {{.type = "Ready", .status = "True"},
                          {.type = "Other", .status = "False"}};
    JobCondition job[] = {{.type = "Failed", .status = "Unknown"}};
    PodConditionArray pods = {pod, 2};
    JobConditionArray jobs = {job, 1}, none = {0};

    assert_ptr_equal(CONDITION_FIND(&pods, "Ready"), &pod[0]);
    assert_ptr_equal(CONDITION_FIND(&pods, "Other"), &pod[1]);
    assert_null(CONDITION_FIND(&pods, "ready"));
    assert_ptr_equal(CONDITION_FIND(&jobs, "Failed"), &job[0]);
    assert_null(CONDITION_FIND(&none, "Failed"));
    assert_true(CONDITION_IS_TRUE(&pods, "Ready"));
    assert_false(CONDITION_IS_TRUE(&pods, "Other"));
    assert_false(CONDITION_IS_TRUE(&pods, "None"));
    assert_false(CONDITION_IS_TRUE(&jobs, "Failed"));
}

/* Init containers have ended by then, unless they are sidecars. */
static void the_lasting_containers_of_a_pod_are_the_regular_ones_and_the_sidecars(void **state)
{
    Container inits[] = {{.name = "a"},
                         {.name = "b", .restart_policy = "Always"},
                         {.name = "c"},
                         {.name = "d", .restart_policy = "Always"},
                         {.name = "e", .restart_policy = "Never"}};
    Container regular[] = {{.name = "x"}, {.name = "y"}};
    static const struct {
        size_t inits, regular;
        const char *names;
    } rows[] = {{5, 2, "xybd"}, {0, 2, "xy"}, {3, 0, "b"}, {1, 1, "x"}, {0, 0, ""}};

    EACH_ROW(i, rows, rows[i].names) {
        PodSpec spec = {.init_containers = {inits, rows[i].inits},
                        .containers = {regular, rows[i].regular}};
        const Container *container;
        char names[8] = "";
        size_t n = 0;

        for (size_t next = 0; (container = pod_next_lasting(&spec, &next));)
            names[n++] = container->name[0];
        assert_string_equal(names, rows[i].names);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_owner_is_added_behind_the_others_and_removed_by_uid),
        cmocka_unit_test(a_finalizer_is_present_once_or_not_at_all),
        cmocka_unit_test(labels_are_equal_if_all_keys_and_values_are),
        cmocka_unit_test(an_arena_holds_an_object_until_it_is_cleared),
        cmocka_unit_test(a_condition_is_found_by_its_type),
        cmocka_unit_test(the_lasting_containers_of_a_pod_are_the_regular_ones_and_the_sidecars),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
