/* SPDX-License-Identifier: Apache-2.0 */
#include "plan_world.h"

#include "api/schema/apps_v1.h"
#include "api/schema/core_pod_v1.h"
#include "codec/type.h"

static void data_is_a_sorted_patch_that_replaces_the_template(void **state)
{
    World world;
    Bytes data;

    world_init(&world, 1, 'A');
    data = statefulset_revision_data(&world.arena, &world.set);
    assert_int_equal(strncmp((const char *)data.p,
                             "{\"spec\":{\"template\":{\"$patch\":\"replace\",\"metadata\":", 50),
                     0);
    assert_non_null(
        strstr((const char *)data.p, "\"containers\":[{\"image\":\"app:A\",\"name\":\"app\","));
    world_deinit(&world);
}

/* The value is that of Go's hash/fnv New32 and rand.SafeEncodeString. */
static void the_hash_is_that_of_kubernetes(void **state)
{
    Arena arena = ARENA_INIT;

    assert_string_equal(revision_hash(&arena, BYTES_LITERAL("hello"), 0), "5f77b4d657");
    assert_string_not_equal(revision_hash(&arena, BYTES_LITERAL("hello"), 1), "5f77b4d657");
    arena_clear(&arena);
}

static void a_template_comes_back_from_its_revision(void **state)
{
    World world;
    ControllerRevision *revision;
    PodTemplateSpec *template;

    world_init(&world, 1, 'A');
    revision = statefulset_new_revision(&world.arena, &world.set,
                                        statefulset_revision_data(&world.arena, &world.set), 1, 0);
    template = revision_template(&world.arena, revision);
    assert_non_null(template);
    assert_true(type_equal(&type_PodTemplateSpec, template, &world.set.spec.template));
    assert_string_equal(string_map_get(&revision->metadata.labels, "app"), "web");
    assert_non_null(string_map_get(&revision->metadata.labels, REVISION_HASH_LABEL));
    world_deinit(&world);
}

static void broken_data_gives_no_template(void **state)
{
    ControllerRevision revision = {.data = BYTES_LITERAL("{\"spec\":{}}")};
    Arena arena = ARENA_INIT;

    assert_null(revision_template(&arena, &revision));
    revision.data = BYTES_LITERAL("nonsense");
    assert_null(revision_template(&arena, &revision));
    arena_clear(&arena);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_is_a_sorted_patch_that_replaces_the_template),
        cmocka_unit_test(the_hash_is_that_of_kubernetes),
        cmocka_unit_test(a_template_comes_back_from_its_revision),
        cmocka_unit_test(broken_data_gives_no_template),
    };
    return cmocka_run_group_tests_name("revisions", tests, NULL, NULL);
}
