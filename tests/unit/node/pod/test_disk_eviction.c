/* SPDX-License-Identifier: Apache-2.0 */
/* Who uses too much of the disk, and what is said to them, in kubelet's words. */
#include "testing.h"

#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_volume_v1.h"
#include "node/pod/disk_eviction.h"
#include "node/pod/volume_room.h"

#define MI ((int64_t)1 << 20)
#define GI ((uint64_t)1 << 30)

/* ---- limits ---- */

static StringMap amount(StringEntry *entry, const char *text)
{
    *entry = (StringEntry){"ephemeral-storage", text};
    return (StringMap){.v = entry, .n = text ? 1 : 0};
}

typedef struct PodShape {
    const char *init, *sidecar, *a, *b, *dir; /* limits; NULL: none */
} PodShape;

static const char *outcome(const PodShape *shape, const int64_t used[static 5], int64_t others,
                           Arena *arena)
{
    StringEntry entries[4];
    EmptyDirVolumeSource dir = {.size_limit = shape->dir};
    EmptyDirVolumeSource memory = {.size_limit = "1Ki", .medium = "Memory"};
    Container init[] = {{.name = "init"}, {.name = "sidecar", .restart_policy = "Always"}};
    Container regular[] = {{.name = "a"}, {.name = "b"}};
    Volume volumes[] = {{.name = "memory", .volume_source.empty_dir = &memory},
                        {.name = "dir", .volume_source.empty_dir = &dir}};
    PodSpec spec = {
        .init_containers = {init, 2}, .containers = {regular, 2}, .volumes = {volumes, 2}};
    StoragePod pod;

    init[0].resources.limits = amount(&entries[0], shape->init);
    init[1].resources.limits = amount(&entries[1], shape->sidecar);
    regular[0].resources.limits = amount(&entries[2], shape->a);
    regular[1].resources.limits = amount(&entries[3], shape->b);
    storage_pod_plan(&spec, arena, &pod);
    assert_int_equal(pod.n,
                     5); /* a, b, init, sidecar, dir: what lies in memory is none of the disk */
    for (size_t i = 0; i < pod.n; i++)
        pod.v[i].used = used[i];
    pod.others_used = others;
    return storage_over_limit(&pod, arena);
}

static void a_pod_over_its_limits_is_told_what_kubelet_says(void **state)
{
    static const struct {
        PodShape shape;
        int64_t used[5], others; /* of a, b, init, sidecar, dir */
        const char *said;
    } rows[] = {
        {{0}, {100 * MI, 100 * MI, 0, 0, 100 * MI}, 0, NULL},
        {{.a = "10Mi"}, {10 * MI}, 0, NULL},
        {{.a = "10Mi", .b = "10Mi"},
         {11 * MI},
         0,
         "Container a exceeded its local ephemeral storage limit \"10Mi\". "},
        {{.a = "10240Ki", .b = "10Mi"},
         {0, 11 * MI},
         0,
         "Container b exceeded its local ephemeral storage limit \"10Mi\". "},
        {{.a = "10Mi"},
         {11 * MI},
         0,
         "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. "},
        {{.a = "10Mi", .b = "10Mi"},
         {7 * MI, 7 * MI, 0, 0, 7 * MI},
         0,
         "Pod ephemeral local storage usage exceeds the total limit of containers 20Mi. "},
        {{.a = "10Mi"},
         {5 * MI},
         6 * MI, /* /etc/hosts counts */
         "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. "},
        {{.a = "10Mi", .init = "30Mi"}, {9 * MI, 9 * MI}, 0, NULL},
        {{.a = "10Mi", .sidecar = "5Mi"},
         {9 * MI, 7 * MI},
         0,
         "Pod ephemeral local storage usage exceeds the total limit of containers 15Mi. "},
        {{.dir = "5Mi"}, {100 * MI, 0, 0, 0, 5 * MI}, 0, NULL},
        {{.dir = "5Mi"},
         {0, 0, 0, 0, 5 * MI + 1},
         0,
         "Usage of EmptyDir volume \"dir\" exceeds the limit \"5Mi\". "},
        {{.dir = "0"}, {0, 0, 0, 0, 5 * MI}, 0, NULL},
        {{.a = "1Mi", .dir = "5Mi"},
         {2 * MI, 0, 0, 0, 6 * MI},
         0,
         "Usage of EmptyDir volume \"dir\" exceeds the limit \"5Mi\". "},
    };

    EACH_ROW(i, rows, rows[i].said) {
        _arena_ Arena arena = ARENA_INIT;
        const char *said = outcome(&rows[i].shape, rows[i].used, rows[i].others, &arena);

        if (!said != !rows[i].said || (said && strcmp(said, rows[i].said) != 0))
            fail_msg("row %zu: %s", i, said ? said : "(nothing)");
    }
}

static void only_pods_with_limits_on_the_disk_are_measured(void **state)
{
    EmptyDirVolumeSource dir = {.size_limit = "1Gi"},
                         memory = {.size_limit = "1Gi", .medium = "Memory"};
    Volume volume = {.name = "v"};
    StringEntry entry;
    Container container = {.name = "c"};
    PodSpec spec = {.containers = {&container, 1}, .volumes = {&volume, 1}};

    assert_false(storage_has_limits(&spec));
    volume.volume_source.empty_dir = &memory;
    assert_false(storage_has_limits(&spec));
    volume.volume_source.empty_dir = &dir;
    assert_true(storage_has_limits(&spec));
    volume.volume_source.empty_dir = NULL;
    container.resources.limits = amount(&entry, "1Gi");
    assert_true(storage_has_limits(&spec));
}

/* ---- the reserve ---- */

static void the_pod_that_uses_most_beyond_its_requests_goes_first(void **state)
{
    static const struct {
        struct {
            int64_t used, request;
            int32_t priority;
        } pods[3];
        size_t first;
    } rows[] = {
        {{{100 * MI, 0, 0}, {300 * MI, 0, 0}, {200 * MI, 0, 0}}, 1},
        {{{100 * MI, 0, 0}, {300 * MI, 400 * MI, 0}, {200 * MI, 0, 0}}, 2}, /* within its request */
        {{{100 * MI, 0, 0}, {300 * MI, 250 * MI, 0}, {20 * MI, 0, 0}}, 0},
        {{{100 * MI, 0, 5}, {300 * MI, 0, 5}, {20 * MI, 0, -1}}, 2}, /* the less important */
        {{{100 * MI, 200 * MI, 0}, {300 * MI, 400 * MI, 0}, {1 * MI, 0, 0}}, 0},
        {{{1 * MI, 0, 0}, {2 * MI, 0, 0}, {3 * MI, 0, 0}}, SIZE_MAX}, /* none would help */
        {{{900 * MI, 0, 2000001000}, {90 * MI, 0, 0}, {20 * MI, 0, 0}}, 1},
    };

    EACH_ROW(i, rows, NULL) {
        StorageUse uses[3] = {0};
        StoragePod pods[3] = {0};

        for (size_t j = 0; j < 3; j++) {
            uses[j].used = rows[i].pods[j].used;
            pods[j] = (StoragePod){.v = &uses[j],
                                   .n = 1,
                                   .request = rows[i].pods[j].request,
                                   .priority = rows[i].pods[j].priority};
        }
        if (storage_pick(pods, 3) != rows[i].first)
            fail_msg("row %zu: %zu", i, storage_pick(pods, 3));
    }
}

static void a_full_disk_is_told_in_kubelets_words(void **state)
{
    StorageUse uses[] = {{.name = "a", .used = 300 * MI, .request = 100 * MI},
                         {.name = "b", .used = 10 * MI, .request = 100 * MI},
                         {.name = "dir", .used = 500 * MI, .empty_dir = true}};
    StoragePod pod = {.v = uses, .n = 3};
    _arena_ Arena arena = ARENA_INIT;

    assert_string_equal(
        storage_pressure_message(&pod, GI, 512 * (uint64_t)MI + 7, &arena),
        "The node was low on resource: ephemeral-storage. Threshold quantity: 1Gi, available: "
        "512Mi. Container a was using 300Mi, request is 100Mi, has larger consumption of "
        "ephemeral-storage. ");
}

static void a_look_comes_before_the_reserve_can_be_reached(void **state)
{
    assert_int_equal(storage_next_look(1000 * GI, GI, false), 60 * NS_PER_SEC);
    assert_int_equal(storage_next_look(1000 * GI, GI, true), 10 * NS_PER_SEC);
    assert_int_equal(storage_next_look(31 * GI, GI, false), 30 * NS_PER_SEC);
    assert_int_equal(storage_next_look(4 * GI, GI, true), 3 * NS_PER_SEC);
    assert_int_equal(storage_next_look(GI, GI, false), NS_PER_SEC);
    assert_int_equal(storage_next_look(0, GI, true), NS_PER_SEC);
    assert_int_equal(storage_next_look(0, 0, false), NS_PER_SEC);
}

/* A volume grows by at most 2 GiB in a second. */
static void growing_volumes_are_looked_at_before_half_of_a_grant_is_used(void **state)
{
    assert_int_equal(volume_room_next_look(0), 20 * NS_PER_MS);
    assert_int_equal(volume_room_next_look(GI / 100), 20 * NS_PER_MS);
    assert_int_equal(volume_room_next_look(GI), 250 * NS_PER_MS);
    assert_int_equal(volume_room_next_look(2 * GI), 500 * NS_PER_MS);
    assert_int_equal(volume_room_next_look(10 * GI), NS_PER_SEC);
    assert_int_equal(volume_room_next_look(INT64_MAX), NS_PER_SEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pod_over_its_limits_is_told_what_kubelet_says),
        cmocka_unit_test(only_pods_with_limits_on_the_disk_are_measured),
        cmocka_unit_test(the_pod_that_uses_most_beyond_its_requests_goes_first),
        cmocka_unit_test(a_full_disk_is_told_in_kubelets_words),
        cmocka_unit_test(a_look_comes_before_the_reserve_can_be_reached),
        cmocka_unit_test(growing_volumes_are_looked_at_before_half_of_a_grant_is_used),
    };

    return cmocka_run_group_tests_name("storage", tests, NULL, NULL);
}
