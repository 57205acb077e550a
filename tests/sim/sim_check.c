/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must never happen, and what must come about. The rules are written down here once more, in
 * other words than the plan's, so that a mistake there does not excuse itself.
 */
#include "sim.h"

#include "api/condition.h"
#include "api/object.h"
#include "api/quantity.h"
#include "api/schema/apps_v1.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_reference_v1.h"
#include "api/schema/core_volume_v1.h"
#include "api/stateful_set.h"
#include "control/volume/volume.h"
#include "view/pod.h"

/* ---- helpers ---- */

static const StatefulSet *set_of(World *world, const ObjectMeta *pod)
{
    const OwnerReference *ref = meta_controller(pod);
    Object *object = ref && str_equal(ref->kind, "StatefulSet")
                         ? client_get(world->user, &kind_stateful_set, SIM_NS, ref->name)
                         : NULL;

    return object && str_equal(object_meta(object)->uid, ref->uid) ? OBJECT_AS(StatefulSet, object)
                                                                   : NULL;
}

static const Pod *pod_at(World *world, const StatefulSet *set, int64_t ordinal)
{
    _free_ char *name = mem_printf("%s-%" PRId64, set->metadata.name, ordinal);
    Object *object = client_get(world->user, &kind_pod, SIM_NS, name);
    const OwnerReference *ref = object ? meta_controller(object_meta(object)) : NULL;

    return ref && str_equal(ref->uid, set->metadata.uid) ? OBJECT_AS(Pod, object) : NULL;
}

static int64_t first_ordinal(const StatefulSet *set)
{
    return set->spec.ordinals ? set->spec.ordinals->start : 0;
}

/* Users list single ordinals only. */
static bool is_listed(const StatefulSet *set, const char *key, int64_t ordinal)
{
    const char *text = string_map_get(&set->metadata.annotations, key);
    _free_ char *padded = mem_printf(",%s,", str_or(text, ""));
    _free_ char *item = mem_printf(",%" PRId64 ",", ordinal);

    return strstr(padded, item) != NULL;
}

static bool is_reserved(const StatefulSet *set, int64_t ordinal)
{
    return is_listed(set, SET_RESERVED_ORDINALS, ordinal);
}

static bool is_paused(const StatefulSet *set, int64_t ordinal)
{
    return is_listed(set, SET_PAUSED_ORDINALS, ordinal);
}

static int64_t last_ordinal(const StatefulSet *set)
{
    int64_t last = first_ordinal(set) - 1;

    for (int32_t n = 0; n < *set->spec.replicas; n++)
        do
            last++;
        while (is_reserved(set, last));
    return last;
}

/* Neither out of range nor reserved. */
static bool is_wanted(const StatefulSet *set, int64_t ordinal)
{
    return ordinal >= first_ordinal(set) && ordinal <= last_ordinal(set) &&
           !is_reserved(set, ordinal);
}

static bool recreates(const StatefulSet *set)
{
    return str_equal(set->spec.update_strategy.type, "Recreate") ||
           string_map_get(&set->metadata.annotations, SET_UPDATE_STRATEGY);
}

static bool is_well(World *world, const StatefulSet *set, const Pod *pod)
{
    return pod && pod_is_running_and_ready(pod) && !pod_is_terminating(pod) &&
           pod_is_available(pod, set->spec.min_ready_seconds, clock_wall_ns(world->clock));
}

static bool is_ordered(const StatefulSet *set)
{
    return !str_equal(set->spec.pod_management_policy, "Parallel");
}

static int64_t ordinal_of(const Pod *pod)
{
    int64_t ordinal = -1;

    (void)str_to_int64(strrchr(pod->metadata.name, '-') + 1, 0, INT32_MAX, &ordinal);
    return ordinal;
}

static bool is_old(const StatefulSet *set, const Pod *pod)
{
    return !str_equal(pod->spec.containers.v[0].image,
                      set->spec.template.spec.containers.v[0].image);
}

/* The first pod of the set whose template is an older one, among those that are paused or not. */
static const Pod *old_pod(World *world, const StatefulSet *set, const SimList *pods, bool paused)
{
    for (size_t i = 0; i < pods->n; i++) {
        const Pod *pod = OBJECT_AS(Pod, pods->v[i]);

        if (set_of(world, &pod->metadata) == set && is_old(set, pod) &&
            is_paused(set, ordinal_of(pod)) == paused)
            return pod;
    }
    return NULL;
}

void sim_claim_may_go(World *world, const char *name)
{
    ClaimFate *fate = strmap_get(&world->claims, name);

    if (fate)
        fate->may_go = true;
}

/* ---- writes of controllers ---- */

/* Old and new pods never run together, unless a user has paused an old one. Then none of the others is
 * replaced. */
static void check_recreate(World *world, const StatefulSet *set, const Pod *pod)
{
    Arena arena = ARENA_INIT;
    SimList pods = sim_list(world, &arena, &kind_pod);
    bool held = old_pod(world, set, &pods, true) != NULL;

    if (!held && is_old(set, pod))
        sim_violation(world, "pod %s is created from an old template", pod->metadata.name);
    if (!held && old_pod(world, set, &pods, false))
        sim_violation(world, "pod %s is created while old pod %s is there", pod->metadata.name,
                      old_pod(world, set, &pods, false)->metadata.name);
    arena_clear(&arena);
}

static void check_pod_create(World *world, const Pod *pod)
{
    const StatefulSet *set = set_of(world, &pod->metadata);
    const char *dash = strrchr(pod->metadata.name, '-');
    int64_t ordinal = -1;

    if (!set || !dash || str_to_int64(dash + 1, 0, INT32_MAX, &ordinal) != 0) {
        sim_violation(world, "pod %s is created for no set", pod->metadata.name);
        return;
    }
    sim_log(world, "create %s, %s", pod->metadata.name, pod->spec.containers.v[0].image);
    if (!is_wanted(set, ordinal))
        sim_violation(world, "pod %s is created out of range", pod->metadata.name);
    if (is_paused(set, ordinal))
        sim_violation(world, "pod %s is created though it is paused", pod->metadata.name);
    if (recreates(set))
        check_recreate(world, set, pod);
    if (pod_at(world, set, ordinal))
        sim_violation(world, "pod %s is created while it is there", pod->metadata.name);
    for (int64_t i = first_ordinal(set); is_ordered(set) && i < ordinal; i++)
        if (is_wanted(set, i) && !is_paused(set, i) && !is_well(world, set, pod_at(world, set, i)))
            sim_violation(world, "pod %s is created before pod %" PRId64 " is available",
                          pod->metadata.name, i);
    for (size_t i = 0; i < pod->spec.volumes.n; i++) {
        const PersistentVolumeClaimVolumeSource *source =
            pod->spec.volumes.v[i].volume_source.persistent_volume_claim;

        if (source &&
            !client_get(world->user, &kind_persistent_volume_claim, SIM_NS, source->claim_name))
            sim_violation(world, "pod %s is created before its claim %s", pod->metadata.name,
                          source->claim_name);
    }
}

void sim_check_create(World *world, const Object *object)
{
    if (object->kind == &kind_pod)
        check_pod_create(world, OBJECT_AS(Pod, object));
}

/* Under Recreate, the old pods go together, and only if all of them may. */
static void check_recreate_delete(World *world, const StatefulSet *set, const Pod *pod,
                                  const SimList *pods)
{
    if (!is_old(set, pod))
        sim_violation(world, "pod %s is deleted for Recreate though it is new", pod->metadata.name);
    if (old_pod(world, set, pods, true))
        sim_violation(world, "pod %s is deleted for Recreate while pod %s is paused",
                      pod->metadata.name, old_pod(world, set, pods, true)->metadata.name);
}

/* A pod that is well goes for three reasons only: it is out of range, its ordinal is reserved, or its
 * turn in a rollout has come. */
static void check_well_pod_delete(World *world, const StatefulSet *set, const Pod *pod,
                                  const SimList *pods)
{
    const RollingUpdateStatefulSetStrategy *rolling = set->spec.update_strategy.rolling_update;
    int64_t partition = rolling && rolling->partition ? *rolling->partition : 0,
            ordinal = ordinal_of(pod);

    if (!is_wanted(set, ordinal))
        return;
    if (recreates(set)) {
        check_recreate_delete(world, set, pod, pods);
        return;
    }
    if (str_equal(set->spec.update_strategy.type, "OnDelete"))
        sim_violation(world, "pod %s is deleted under OnDelete", pod->metadata.name);
    if (ordinal < first_ordinal(set) + partition)
        sim_violation(world, "pod %s is deleted below the partition", pod->metadata.name);
    for (int64_t i = first_ordinal(set); is_ordered(set) && i <= last_ordinal(set); i++)
        if (is_wanted(set, i) && !is_well(world, set, pod_at(world, set, i)))
            sim_violation(world, "pod %s is deleted while pod %" PRId64 " is not available",
                          pod->metadata.name, i);
}

static void check_condemned_delete(World *world, const StatefulSet *set, const Pod *pod,
                                   const SimList *pods)
{
    int64_t ordinal = ordinal_of(pod);

    for (int64_t i = first_ordinal(set); i <= last_ordinal(set); i++)
        if (is_wanted(set, i) && !is_well(world, set, pod_at(world, set, i)))
            sim_violation(world, "pod %s is scaled down while pod %" PRId64 " is not available",
                          pod->metadata.name, i);
    for (size_t i = 0; i < pods->n; i++) {
        const Pod *other = OBJECT_AS(Pod, pods->v[i]);
        int64_t k;

        if (set_of(world, &other->metadata) != set)
            continue;
        k = ordinal_of(other);
        if (k > ordinal && !is_wanted(set, k) && !is_paused(set, k))
            sim_violation(world, "pod %s is scaled down before pod %" PRId64, pod->metadata.name,
                          k);
    }
}

static void check_pod_delete(World *world, const Pod *pod)
{
    const StatefulSet *set = set_of(world, &pod->metadata);
    Arena arena = ARENA_INIT;
    SimList pods = sim_list(world, &arena, &kind_pod);
    int64_t ordinal = ordinal_of(pod);

    if (set && !set->metadata.deletion_timestamp.set) {
        bool condemned = !is_wanted(set, ordinal) && !is_reserved(set, ordinal);

        sim_log(world, "delete %s", pod->metadata.name);
        if (is_paused(set, ordinal))
            sim_violation(world, "pod %s is deleted though it is paused", pod->metadata.name);
        if (is_well(world, set, pod))
            check_well_pod_delete(world, set, pod, &pods);
        if (condemned && is_ordered(set) && !(recreates(set) && is_old(set, pod)))
            check_condemned_delete(world, set, pod, &pods);
    }
    arena_clear(&arena);
}

static void check_claim_delete(World *world, const char *name)
{
    ClaimFate *fate = strmap_get(&world->claims, name);

    if (!fate || !fate->may_go)
        sim_violation(world, "claim %s is deleted though it is to be retained", name);
}

static const char *asked_size(const PersistentVolumeClaim *claim)
{
    return str_or(string_map_get(&claim->spec.resources.requests, "storage"), "0");
}

void sim_check_update(World *world, const Object *object)
{
    const ObjectMeta *meta = object_meta(object);
    Object *there = client_get(world->user, object->kind, meta->namespace, meta->name);

    if (object->kind != &kind_persistent_volume_claim || !there)
        return;
    /* A conflict will refuse what was decided on an older version. */
    if (str_equal(meta->resource_version, object_meta(there)->resource_version) &&
        quantity_compare(asked_size(OBJECT_AS(PersistentVolumeClaim, object)),
                         asked_size(OBJECT_AS(PersistentVolumeClaim, there))) < 0)
        sim_violation(world, "claim %s is made smaller", meta->name);
}

void sim_check_delete(World *world, const Kind *kind, const char *ns, const char *name)
{
    Object *object = client_get(world->user, kind, ns, name);

    if (!object || object_meta(object)->deletion_timestamp.set)
        return;
    if (kind == &kind_pod)
        check_pod_delete(world, OBJECT_AS(Pod, object));
    else if (kind == &kind_persistent_volume_claim)
        check_claim_delete(world, name);
}

/* ---- any state ---- */

static bool policy_deletes(const StatefulSet *set)
{
    const StatefulSetPersistentVolumeClaimRetentionPolicy *policy =
        set->spec.persistent_volume_claim_retention_policy;

    return policy &&
           (str_equal(policy->when_deleted, "Delete") || str_equal(policy->when_scaled, "Delete"));
}

static bool claim_is_of(const char *claim, const char *set)
{
    const char *dash = strchr(claim, '-');

    return dash && str_starts_with(dash + 1, set) && dash[1 + strlen(set)] == '-';
}

/* Claims come and go only as they may; a claim keeps its uid, and so its volume, as long as it is
 * retained. */
static void follow_claims(World *world, const SimList *claims, const SimList *sets)
{
    for (size_t i = 0; i < claims->n; i++) {
        const ObjectMeta *meta = object_meta(claims->v[i]);
        ClaimFate *fate = strmap_get(&world->claims, meta->name);

        if (!fate) {
            fate = mem_new_type(ClaimFate);
            strmap_put(&world->claims, meta->name, fate);
        }
        if (!str_equal(fate->uid, meta->uid)) {
            if (*fate->uid && !fate->may_go)
                sim_violation(world, "claim %s was lost and made again", meta->name);
            snprintf(fate->uid, sizeof(fate->uid), "%s", meta->uid);
            fate->may_go = false;
        }
        for (size_t k = 0; k < sets->n; k++)
            if (claim_is_of(meta->name, object_meta(sets->v[k])->name) &&
                policy_deletes(OBJECT_AS(StatefulSet, sets->v[k])))
                fate->may_go = true;
    }
    STRMAP_EACH(&world->claims, slot) {
        ClaimFate *fate = slot->value;

        if (*fate->uid && !fate->may_go &&
            !client_get(world->user, &kind_persistent_volume_claim, SIM_NS, slot->key))
            sim_violation(world, "claim %s is lost", slot->key);
    }
}

static const char *claim_name(const Pod *pod, size_t volume)
{
    const PersistentVolumeClaimVolumeSource *source =
        pod->spec.volumes.v[volume].volume_source.persistent_volume_claim;

    return source ? source->claim_name : NULL;
}

static bool mounts(const Pod *pod, const char *claim)
{
    for (size_t i = 0; i < pod->spec.volumes.n; i++)
        if (claim_name(pod, i) && str_equal(claim_name(pod, i), claim))
            return true;
    return false;
}

static void check_claims_unshared(World *world, const SimList *pods)
{
    for (size_t i = 0; i < pods->n; i++) {
        const Pod *pod = OBJECT_AS(Pod, pods->v[i]);

        for (size_t v = 0; v < pod->spec.volumes.n; v++)
            for (size_t k = i + 1; claim_name(pod, v) && k < pods->n; k++)
                if (mounts(OBJECT_AS(Pod, pods->v[k]), claim_name(pod, v)))
                    sim_violation(world, "pods %s and %s share claim %s", pod->metadata.name,
                                  object_meta(pods->v[k])->name, claim_name(pod, v));
    }
}

/* The node is the last who sees it: one container of a name at a time. */
static void check_identities(World *world)
{
    STRMAP_EACH(&world->alive, a)
        STRMAP_EACH(&world->alive, b)
            if (a != b && str_equal(a->value, b->value))
                sim_violation(world, "two pods %s are alive", (const char *)a->value);
}

static void check_volumes(World *world, const SimList *claims)
{
    for (size_t i = 0; i < claims->n; i++) {
        const PersistentVolumeClaim *claim = OBJECT_AS(PersistentVolumeClaim, claims->v[i]);
        Object *object;
        const ObjectReference *ref;

        if (!str_equal(claim->status.phase, "Bound"))
            continue;
        object = client_get(world->user, &kind_persistent_volume, NULL, claim->spec.volume_name);
        ref = object ? OBJECT_AS(PersistentVolume, object)->spec.claim_ref : NULL;
        if (!ref || !str_equal(ref->uid, claim->metadata.uid))
            sim_violation(world, "claim %s is bound to volume %s, which is not its own",
                          claim->metadata.name, claim->spec.volume_name);
        for (size_t k = i + 1; k < claims->n; k++)
            if (str_equal(OBJECT_AS(PersistentVolumeClaim, claims->v[k])->spec.volume_name,
                          claim->spec.volume_name))
                sim_violation(world, "claims %s and %s share volume %s", claim->metadata.name,
                              object_meta(claims->v[k])->name, claim->spec.volume_name);
    }
}

/* Neither the scheduler nor a change of resources gives away what the node does not have. */
static void check_room(World *world, const SimList *pods)
{
    int64_t used = 0;

    for (size_t i = 0; i < pods->n; i++)
        used += sim_holds_cpu(pods->v[i]) ? sim_cpu_granted(pods->v[i]) : 0;
    if (used > quantity_milli(SIM_CPU))
        sim_violation(world, "pods have been granted %" PRId64 "m of " SIM_CPU, used);
}

void sim_check_state(World *world)
{
    Arena arena = ARENA_INIT;
    SimList pods, claims, sets;

    if (world->checked_revision == store_revision(world->store))
        return;
    world->checked_revision = store_revision(world->store);
    pods = sim_list(world, &arena, &kind_pod);
    claims = sim_list(world, &arena, &kind_persistent_volume_claim);
    sets = sim_list(world, &arena, &kind_stateful_set);
    follow_claims(world, &claims, &sets);
    check_claims_unshared(world, &pods);
    check_room(world, &pods);
    check_identities(world);
    check_volumes(world, &claims);
    arena_clear(&arena);
}

/* ---- rest ---- */

/* The size that the claims of a template have to have at least. */
static const char *wanted_size(Arena *arena, const StatefulSet *set,
                               const VolumeClaimTemplate *template)
{
    const char *own = string_map_get(&template->spec.resources.requests, "storage");
    const char *text = string_map_get(&set->metadata.annotations, SET_CLAIM_TEMPLATES);
    const char *given = text ? strstr(text, "\"storage\":\"") : NULL;
    _free_ char *name = mem_printf("\"%s\"", template->metadata.name);

    if (!given || !strstr(text, name))
        return own;
    given += strlen("\"storage\":\"");
    given = arena_printf(arena, "%.*s", (int)strcspn(given, "\""), given);
    return quantity_compare(given, own) > 0 ? given : own;
}

/* The bound claims of the set have followed its templates. */
static void check_templates_at_rest(World *world, const StatefulSet *set, int64_t ordinal)
{
    Arena arena = ARENA_INIT;
    bool changed = string_map_get(&set->metadata.annotations, SET_CLAIM_TEMPLATES) ||
                   string_map_get(&set->metadata.annotations, SET_ORIGINAL_CLAIM_TEMPLATES);

    for (size_t i = 0; changed && i < set->spec.volume_claim_templates.n; i++) {
        const VolumeClaimTemplate *template = &set->spec.volume_claim_templates.v[i];
        const char *name = arena_printf(&arena, "%s-%s-%" PRId64, template->metadata.name,
                                        set->metadata.name, ordinal);
        const char *tier = string_map_get(&template->metadata.labels, "tier");
        Object *object = client_get(world->user, &kind_persistent_volume_claim, SIM_NS, name);
        const PersistentVolumeClaim *claim =
            object ? OBJECT_AS(PersistentVolumeClaim, object) : NULL;

        /* A claim that a user has deleted stays as it is until its pod ends. */
        if (!claim || !str_equal(claim->status.phase, "Bound") ||
            claim->metadata.deletion_timestamp.set)
            continue;
        if (quantity_compare(asked_size(claim), wanted_size(&arena, set, template)) < 0)
            sim_violation(world, "claim %s has not followed to %s", name,
                          wanted_size(&arena, set, template));
        if (tier && !str_equal(string_map_get(&claim->metadata.labels, "tier"), tier))
            sim_violation(world, "claim %s has not got the label %s", name, tier);
    }
    arena_clear(&arena);
}

static void check_condition(World *world, const StatefulSet *set, const char *type,
                            const char *status)
{
    const StatefulSetCondition *condition = CONDITION_FIND(&set->status.conditions, type);

    if (!condition || !str_equal(condition->status, status))
        sim_violation(world, "set %s is at rest, but its condition %s is %s: %s",
                      set->metadata.name, type, condition ? condition->status : "missing",
                      condition ? condition->message : "");
}

static void check_set_at_rest(World *world, const StatefulSet *set, const SimList *pods)
{
    const StatefulSetStatus *status = &set->status;
    const char *name = set->metadata.name;
    int32_t replicas = *set->spec.replicas, found = 0;

    for (int64_t i = first_ordinal(set); i <= last_ordinal(set); i++) {
        const Pod *pod = pod_at(world, set, i);

        if (is_reserved(set, i))
            continue;
        if (!is_well(world, set, pod)) {
            sim_violation(world, "set %s does not come to rest: pod %" PRId64 " is %s", name, i,
                          !pod                      ? "missing"
                          : pod_is_terminating(pod) ? "terminating"
                                                    : str_or(pod->status.phase, "?"));
            return;
        }
        if (!str_equal(pod->spec.containers.v[0].image,
                       set->spec.template.spec.containers.v[0].image))
            sim_violation(world, "set %s does not come to rest: pod %" PRId64 " is not updated",
                          name, i);
        check_templates_at_rest(world, set, i);
    }
    check_condition(world, set, "Progressing", "False");
    check_condition(world, set, "Available", "True");
    for (size_t i = 0; i < pods->n; i++)
        found += set_of(world, object_meta(pods->v[i])) == set;
    if (found != replicas)
        sim_violation(world, "set %s does not come to rest: %d pods of %d", name, found, replicas);
    if (status->replicas != replicas || status->ready_replicas != replicas ||
        status->available_replicas != replicas || status->updated_replicas != replicas ||
        status->current_replicas != replicas ||
        !str_equal(status->current_revision, status->update_revision) ||
        status->observed_generation != set->metadata.generation)
        sim_violation(world,
                      "set %s has a wrong status: %d replicas, %d ready, %d available, %d updated, "
                      "%d current of %d",
                      name, status->replicas, status->ready_replicas, status->available_replicas,
                      status->updated_replicas, status->current_replicas, replicas);
}

static void check_owner(World *world, const Object *object)
{
    const ObjectMeta *meta = object_meta(object);

    for (size_t i = 0; i < meta->owner_references.n; i++) {
        const OwnerReference *ref = &meta->owner_references.v[i];
        const Kind *kind = kind_find_api_version(ref->api_version, ref->kind);
        Object *owner = kind ? client_get(world->user, kind, meta->namespace, ref->name) : NULL;

        if (!owner || !str_equal(object_meta(owner)->uid, ref->uid))
            sim_violation(world, "%s %s is left behind by %s %s", object->kind->kind, meta->name,
                          ref->kind, ref->name);
    }
}

static size_t revisions_of(World *world, const StatefulSet *set, const SimList *revisions)
{
    size_t n = 0;

    for (size_t i = 0; i < revisions->n; i++)
        n += set_of(world, object_meta(revisions->v[i])) == set;
    return n;
}

static bool is_mounted(const SimList *pods, const char *claim)
{
    for (size_t i = 0; i < pods->n; i++)
        if (mounts(OBJECT_AS(Pod, pods->v[i]), claim))
            return true;
    return false;
}

static void check_claims_at_rest(World *world, const SimList *claims, const SimList *volumes,
                                 const SimList *pods)
{
    for (size_t i = 0; i < claims->n; i++) {
        const PersistentVolumeClaim *claim = OBJECT_AS(PersistentVolumeClaim, claims->v[i]);
        const char *asked = string_map_get(&claim->spec.resources.requests, "storage");
        const char *has = string_map_get(&claim->status.capacity, "storage");

        /* It is bound when a pod uses it, and stays so. */
        if (!str_equal(claim->status.phase, "Bound") &&
            (is_mounted(pods, claim->metadata.name) ||
             string_map_get(&claim->metadata.annotations, VOLUME_SELECTED_NODE)))
            sim_violation(world, "claim %s is not bound: %s", claim->metadata.name,
                          str_or(claim->status.phase, "?"));
        else if (!str_equal(claim->status.phase, "Bound"))
            continue;
        else if (claim->metadata.deletion_timestamp.set && !is_mounted(pods, claim->metadata.name))
            sim_violation(world, "claim %s does not go", claim->metadata.name);
        else if (!has || quantity_compare(has, asked) < 0)
            sim_violation(world, "claim %s did not grow: %s of %s", claim->metadata.name,
                          str_or(has, "nothing"), asked);
    }
    for (size_t i = 0; i < volumes->n; i++) {
        const PersistentVolume *volume = OBJECT_AS(PersistentVolume, volumes->v[i]);
        Object *claim = client_get(world->user, &kind_persistent_volume_claim, SIM_NS,
                                   volume->spec.claim_ref->name);

        if (!claim || !str_equal(object_meta(claim)->uid, volume->spec.claim_ref->uid))
            sim_violation(world, "volume %s is left behind: %s, %zu finalizers",
                          volume->metadata.name, str_or(volume->status.phase, "?"),
                          volume->metadata.finalizers.n);
    }
}

/* Everything there is, for people who look for the reason. */
static void dump(World *world)
{
    static const Kind *const kinds[] = {&kind_stateful_set, &kind_pod,
                                        &kind_persistent_volume_claim, &kind_persistent_volume};
    Arena arena = ARENA_INIT;

    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        SimList list = sim_list(world, &arena, kinds[k]);

        for (size_t i = 0; i < list.n; i++)
            sim_log(world, "%.600s", (const char *)object_json(list.v[i]).p);
    }
    arena_clear(&arena);
}

void sim_check_rest(World *world)
{
    Arena arena = ARENA_INIT;
    SimList pods = sim_list(world, &arena, &kind_pod),
            sets = sim_list(world, &arena, &kind_stateful_set);
    SimList claims = sim_list(world, &arena, &kind_persistent_volume_claim);
    SimList volumes = sim_list(world, &arena, &kind_persistent_volume);
    SimList revisions = sim_list(world, &arena, &kind_controller_revision);

    for (size_t i = 0; i < sets.n; i++) {
        const StatefulSet *set = OBJECT_AS(StatefulSet, sets.v[i]);

        if (set->metadata.deletion_timestamp.set) {
            sim_violation(world, "set %s does not go", set->metadata.name);
            continue;
        }
        check_set_at_rest(world, set, &pods);
        if (revisions_of(world, set, &revisions) > (size_t)*set->spec.revision_history_limit + 2)
            sim_violation(world, "set %s keeps too many revisions", set->metadata.name);
    }
    for (size_t i = 0; i < pods.n; i++) {
        check_owner(world, pods.v[i]);
        if (sim_holds_cpu(pods.v[i]) && sim_cpu_asked(pods.v[i]) != sim_cpu_granted(pods.v[i]))
            sim_violation(world, "pod %s does not get the resources that it asks for",
                          object_meta(pods.v[i])->name);
    }
    for (size_t i = 0; i < claims.n; i++)
        check_owner(world, claims.v[i]);
    for (size_t i = 0; i < revisions.n; i++)
        check_owner(world, revisions.v[i]);
    check_claims_at_rest(world, &claims, &volumes, &pods);
    if (*world->violation)
        dump(world);
    arena_clear(&arena);
}
