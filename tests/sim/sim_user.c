/* SPDX-License-Identifier: Apache-2.0 */
/* Users: they make, change and delete sets at random, and do to pods and claims what people do. */
#include "sim.h"

#include "api/object.h"
#include "api/quantity.h"
#include "api/schema/apps_v1.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/stateful_set.h"
#include "view/pod.h"

static const char *set_name(World *world)
{
    static const char *const names[SIM_SETS] = {"web", "db"};

    return names[random_below(&world->random, SIM_SETS)];
}

static int32_t below(World *world, uint64_t n)
{
    return (int32_t)random_below(&world->random, n);
}

static const char *random_image(World *world, Arena *arena)
{
    return arena_printf(arena, "%s-%d", one_in(world, 4) ? "bad" : "good", below(world, 4));
}

static const char *random_policy(World *world)
{
    return one_in(world, 4) ? "Delete" : "Retain";
}

/* ---- making a set ---- */

static void fill_template(World *world, Object *object, const char *name)
{
    PodTemplateSpec *template = &OBJECT_AS(StatefulSet, object)->spec.template;
    Arena *arena = &object->arena;

    string_map_put(arena, &template->metadata.labels, "app", arena_strdup(arena, name));
    template->spec.containers.v = arena_new(arena, Container);
    template->spec.containers.n = 1;
    template->spec.containers.v[0].name = "app";
    template->spec.containers.v[0].image = random_image(world, arena);
    string_map_put(arena, &template->spec.containers.v[0].resources.requests, "cpu", SIM_POD_CPU);
}

static void add_claim_template(Object *object, const char *name)
{
    VolumeClaimTemplateArray *templates =
        &OBJECT_AS(StatefulSet, object)->spec.volume_claim_templates;
    Arena *arena = &object->arena;
    VolumeClaimTemplate *v = arena_new_n(arena, VolumeClaimTemplate, templates->n + 1), *made;

    if (templates->n)
        memcpy(v, templates->v, templates->n * sizeof(*v));
    made = &v[templates->n++];
    templates->v = v;
    made->metadata.name = name;
    made->spec.access_modes.v = arena_new(arena, const char *);
    made->spec.access_modes.v[0] = "ReadWriteOnce";
    made->spec.access_modes.n = 1;
    string_map_put(arena, &made->spec.resources.requests, "storage", "64Mi");
}

static void create_set(World *world, const char *name)
{
    Object *object = object_new(&kind_stateful_set);
    StatefulSet *set = object->value;
    Arena *arena = &object->arena;

    set->metadata.name = arena_strdup(arena, name);
    set->metadata.namespace = SIM_NS;
    set->spec.replicas = arena_int32(arena, below(world, 5));
    set->spec.service_name = "svc";
    set->spec.pod_management_policy = one_in(world, 3) ? "Parallel" : "OrderedReady";
    set->spec.selector = arena_new(arena, LabelSelector);
    string_map_put(arena, &set->spec.selector->match_labels, "app", set->metadata.name);
    fill_template(world, object, name);
    if (!one_in(world, 4))
        add_claim_template(object, "data");
    if (one_in(world, 4))
        add_claim_template(object, "logs");
    set->spec.revision_history_limit = arena_int32(arena, below(world, 4));
    set->spec.min_ready_seconds = one_in(world, 4) ? 5 : 0;
    set->spec.persistent_volume_claim_retention_policy =
        arena_new(arena, StatefulSetPersistentVolumeClaimRetentionPolicy);
    set->spec.persistent_volume_claim_retention_policy->when_deleted = random_policy(world);
    set->spec.persistent_volume_claim_retention_policy->when_scaled = random_policy(world);
    set->spec.update_strategy.type = "RollingUpdate";
    sim_log(world, "user creates set %s, %d replicas, %s", name, *set->spec.replicas,
            set->spec.pod_management_policy);
    client_create(world->user, object, NULL, NULL, NULL);
    object_unref(object);
}

/* ---- changing one ---- */

/* An annotation of the set; an empty text takes it away. */
static void annotate(Arena *arena, StatefulSet *set, const char *key, const char *text)
{
    if (*text)
        string_map_put(arena, &set->metadata.annotations, key, text);
    else
        string_map_remove(&set->metadata.annotations, key);
}

static void change_strategy(World *world, StatefulSet *set, Arena *arena)
{
    static const char *const types[] = {"OnDelete",      "Recreate",      "RollingUpdate",
                                        "RollingUpdate", "RollingUpdate", "RollingUpdate"};
    StatefulSetUpdateStrategy *strategy = &set->spec.update_strategy;

    strategy->type = types[random_below(&world->random, ARRAY_LEN(types))];
    strategy->rolling_update = NULL;
    annotate(arena, set, SET_UPDATE_STRATEGY, one_in(world, 8) ? "Recreate" : "");
    if (!str_equal(strategy->type, "RollingUpdate"))
        return;
    strategy->rolling_update = arena_new(arena, RollingUpdateStatefulSetStrategy);
    strategy->rolling_update->partition =
        arena_int32(arena, one_in(world, 2) ? below(world, 4) : 0);
    if (one_in(world, 3)) {
        strategy->rolling_update->max_unavailable = arena_new(arena, IntOrString);
        *strategy->rolling_update->max_unavailable =
            one_in(world, 2) ? (IntOrString){.number = 1 + below(world, 3)}
                             : (IntOrString){.is_string = true, .string = "40%"};
    }
}

/* One or two ordinals are reserved or paused, or all are free again. */
static void change_ordinals(World *world, StatefulSet *set, Arena *arena)
{
    bool reserve = one_in(world, 2);
    int32_t one = below(world, 6), two = below(world, 6);
    const char *text = one_in(world, 3)                 ? ""
                       : one == two || one_in(world, 2) ? arena_printf(arena, "%d", one)
                                                        : arena_printf(arena, "%d,%d", one, two);

    /* The other list goes, so that no ordinal is in both. */
    annotate(arena, set, SET_RESERVED_ORDINALS, reserve ? text : "");
    annotate(arena, set, SET_PAUSED_ORDINALS, reserve ? "" : text);
}

/* The claims are to grow, or get another label. */
static void change_claims(World *world, StatefulSet *set, Arena *arena)
{
    VolumeClaimTemplateArray *templates = &set->spec.volume_claim_templates;
    const char *size = one_in(world, 2) ? "128Mi" : "256Mi";

    if (templates->n == 0)
        return;
    if (one_in(world, 3))
        annotate(arena, set, SET_CLAIM_TEMPLATES,
                 arena_printf(arena,
                              "[{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"resources\":{"
                              "\"requests\":{\"storage\":\"%s\"}}}}]",
                              templates->v[0].metadata.name, size));
    else if (one_in(world, 2))
        string_map_put(arena, &templates->v[0].spec.resources.requests, "storage", size);
    else
        string_map_put(arena, &templates->v[0].metadata.labels, "tier",
                       arena_printf(arena, "t%d", below(world, 3)));
}

static void change_set(World *world, Object *object)
{
    Object *copy = object_copy(object);
    StatefulSet *set = copy->value;
    Arena *arena = &copy->arena;
    StatefulSetPersistentVolumeClaimRetentionPolicy *policy =
        set->spec.persistent_volume_claim_retention_policy;

    switch (random_below(&world->random, 11)) {
    case 0:
    case 1:
    case 2:
        set->spec.replicas = arena_int32(arena, below(world, 6));
        break;
    case 3:
    case 4:
        set->spec.template.spec.containers.v[0].image = random_image(world, arena);
        break;
    case 5:
        change_strategy(world, set, arena);
        break;
    case 6:
        if (policy && one_in(world, 2))
            policy->when_deleted = random_policy(world);
        else if (policy)
            policy->when_scaled = random_policy(world);
        break;
    case 7:
        set->spec.ordinals = arena_new(arena, StatefulSetOrdinals);
        set->spec.ordinals->start = one_in(world, 2) ? below(world, 3) : 0;
        break;
    case 8:
    case 9:
        change_ordinals(world, set, arena);
        break;
    case 10:
        change_claims(world, set, arena);
        break;
    }
    sim_log(world, "user changes set %s: %d replicas, %s, %s, reserved %s, paused %s",
            set->metadata.name, *set->spec.replicas, set->spec.template.spec.containers.v[0].image,
            set->spec.update_strategy.type,
            str_or(string_map_get(&set->metadata.annotations, SET_RESERVED_ORDINALS), "-"),
            str_or(string_map_get(&set->metadata.annotations, SET_PAUSED_ORDINALS), "-"));
    client_update(world->user, copy, NULL, NULL, NULL);
    object_unref(copy);
}

static void delete_set(World *world, Object *object)
{
    static const char *const how[] = {"Background", "Foreground", "Orphan"};
    const char *propagation = how[random_below(&world->random, 3)];

    sim_log(world, "user deletes set %s, %s", object_meta(object)->name, propagation);
    client_delete(world->user, &kind_stateful_set, SIM_NS, object_meta(object)->name,
                  &(WriteOptions){.propagation = propagation}, NULL, NULL);
}

/* ---- pods and claims ---- */

static void resize_pod(World *world, Object *pod, const char *cpu)
{
    Object *copy = object_copy(pod);
    Container *container = &OBJECT_AS(Pod, copy)->spec.containers.v[0];

    sim_log(world, "user resizes pod %s to %s", object_meta(pod)->name, cpu);
    string_map_put(&copy->arena, &container->resources.requests, "cpu", cpu);
    object_meta(copy)->resource_version = NULL;
    client_update(world->user, copy, &(WriteOptions){.subresource = "resize"}, NULL, NULL);
    object_unref(copy);
}

static void touch_pod(World *world)
{
    Arena arena = ARENA_INIT;
    SimList pods = sim_list(world, &arena, &kind_pod);
    int64_t zero = 0;

    if (pods.n > 0) {
        Object *pod = pods.v[random_below(&world->random, pods.n)];
        const char *name = object_meta(pod)->name;

        if (one_in(world, 2)) {
            /* Before it runs, the node would not be asked. */
            if (str_equal(OBJECT_AS(Pod, pod)->status.phase, "Running"))
                resize_pod(world, pod,
                           arena_printf(&arena, "%dm",
                                        one_in(world, 2) ? 50 : 300 * (1 + below(world, 5))));
        } else if (one_in(world, 8)) {
            Object *copy = object_copy(pod);

            sim_log(world, "user takes the label off pod %s", name);
            string_map_put(&copy->arena, &object_meta(copy)->labels, "app", "stray");
            client_update(world->user, copy, NULL, NULL, NULL);
            object_unref(copy);
        } else {
            bool force = one_in(world, 4);

            sim_log(world, "user deletes pod %s%s", name, force ? " by force" : "");
            client_delete(world->user, &kind_pod, SIM_NS, name,
                          force ? &(WriteOptions){.grace_seconds = &zero} : NULL, NULL, NULL);
        }
    }
    arena_clear(&arena);
}

static void touch_claim(World *world)
{
    Arena arena = ARENA_INIT;
    SimList claims = sim_list(world, &arena, &kind_persistent_volume_claim);

    if (claims.n > 0) {
        Object *claim = claims.v[random_below(&world->random, claims.n)];
        const char *name = object_meta(claim)->name;

        if (one_in(world, 2)) {
            Object *copy = object_copy(claim);

            sim_log(world, "user grows claim %s", name);
            string_map_put(&copy->arena,
                           &OBJECT_AS(PersistentVolumeClaim, copy)->spec.resources.requests,
                           "storage", one_in(world, 2) ? "128Mi" : "1Gi");
            client_update(world->user, copy, NULL, NULL, NULL);
            object_unref(copy);
        } else {
            sim_log(world, "user deletes claim %s", name);
            sim_claim_may_go(world, name);
            client_delete(world->user, &kind_persistent_volume_claim, SIM_NS, name, NULL, NULL,
                          NULL);
        }
    }
    arena_clear(&arena);
}

void sim_user_step(World *world)
{
    const char *name = set_name(world);
    Object *set = client_get(world->user, &kind_stateful_set, SIM_NS, name);

    world->n_user++;
    if (!set)
        create_set(world, name);
    else if (one_in(world, 3))
        touch_pod(world);
    else if (one_in(world, 12))
        touch_claim(world);
    else if (one_in(world, 12))
        delete_set(world, set);
    else
        change_set(world, set);
}

/* Templates are repaired, rollouts let loose, nothing is paused; stray pods that stand in the way are deleted. What
 * the controllers are meant to mend by themselves is left alone. */
void sim_user_calm(World *world)
{
    Arena arena = ARENA_INIT;
    SimList sets = sim_list(world, &arena, &kind_stateful_set);
    SimList pods = sim_list(world, &arena, &kind_pod);

    for (size_t i = 0; i < sets.n; i++) {
        Object *copy;
        StatefulSet *set;

        if (object_meta(sets.v[i])->deletion_timestamp.set)
            continue;
        copy = object_copy(sets.v[i]);
        set = copy->value;
        set->spec.template.spec.containers.v[0].image =
            arena_printf(&copy->arena, "good-%d", below(world, 4));
        if (!str_equal(set->spec.update_strategy.type, "Recreate"))
            set->spec.update_strategy = (StatefulSetUpdateStrategy){.type = "RollingUpdate"};
        annotate(&copy->arena, set, SET_PAUSED_ORDINALS, "");
        set->metadata.resource_version = NULL; /* whatever is being written: this one stands */
        client_update(world->user, copy, NULL, NULL, NULL);
        object_unref(copy);
    }
    for (size_t i = 0; i < pods.n; i++) /* so that there is room for all */
        if (sim_cpu_asked(pods.v[i]) != quantity_milli(SIM_POD_CPU))
            resize_pod(world, pods.v[i], SIM_POD_CPU);
    for (size_t i = 0; i < pods.n; i++)
        /* The set may not have released it yet. */
        if (str_equal(string_map_get(&object_meta(pods.v[i])->labels, "app"), "stray"))
            client_delete(world->user, &kind_pod, SIM_NS, object_meta(pods.v[i])->name, NULL, NULL,
                          NULL);
    arena_clear(&arena);
}
