/* SPDX-License-Identifier: Apache-2.0 */
/* The ReplicaSets of a deployment: finding, creating, resizing and deleting them. */
#include "api/meta.h"
#include "api/schema/apps_v1.h"
#include "api/schema/core_pod_v1.h"
#include "codec/json/json.h"
#include "control/deployment/internal.h"
#include "control/revision.h"
#include "view/pod.h"

#define NAME_MAX_LENGTH 253
#define HISTORY_MAX 2000 /* characters */

/* Annotations that are not copied from a deployment to its sets. */
static const char *const OWN_ANNOTATIONS[] = {
    "kubectl.kubernetes.io/last-applied-configuration",
    DEPLOYMENT_REVISION,
    DEPLOYMENT_REVISION_HISTORY,
    DEPLOYMENT_DESIRED,
    DEPLOYMENT_MAX,
    "deprecated.deployment.rollback.to",
};

/* ---- finding ---- */

static PodTemplateSpec without_hash(Arena *arena, const PodTemplateSpec *template)
{
    PodTemplateSpec copy = *template;
    StringMap *labels = &copy.metadata.labels;

    if (!string_map_get(labels, TEMPLATE_HASH_LABEL))
        return copy;
    labels->v = ARENA_COPY_N(arena, labels->v, labels->n);
    string_map_remove(labels, TEMPLATE_HASH_LABEL);
    return copy;
}

bool deployment_same_template(const PodTemplateSpec *a, const PodTemplateSpec *b)
{
    _arena_ Arena arena = ARENA_INIT;
    PodTemplateSpec x = without_hash(&arena, a), y = without_hash(&arena, b);

    return type_equal(&type_PodTemplateSpec, &x, &y);
}

static int64_t set_revision(const ReplicaSet *set)
{
    const char *text = string_map_get(&set->metadata.annotations, DEPLOYMENT_REVISION);
    int64_t revision;

    return text && str_to_int64(text, 0, INT64_MAX, &revision) == 0 ? revision : 0;
}

static int compare_age(const void *a, const void *b)
{
    const ReplicaSet *x = *(const ReplicaSet *const *)a, *y = *(const ReplicaSet *const *)b;
    int64_t i = time_ns(x->metadata.creation_timestamp);
    int64_t k = time_ns(y->metadata.creation_timestamp);

    if (i != k)
        return i < k ? -1 : 1;
    return strcmp(x->metadata.name, y->metadata.name);
}

static int compare_revision(const void *a, const void *b)
{
    int64_t i = set_revision(*(const ReplicaSet *const *)a);
    int64_t k = set_revision(*(const ReplicaSet *const *)b);

    return i == k ? compare_age(a, b) : i < k ? -1 : 1;
}

static void change_owner(Rollout *rollout, const PodOwner *owner, const ReplicaSet *set, bool adopt)
{
    ReplicaSet *copy = type_clone(&type_ReplicaSet, rollout->arena, set);

    if (adopt)
        meta_add_owner(rollout->arena, &copy->metadata, owner->ref);
    else
        meta_remove_owner(&copy->metadata, owner->ref.uid);
    rollout_add(rollout, adopt ? DEPLOYMENT_ADOPT : DEPLOYMENT_RELEASE, copy, 0, 0);
}

void rollout_find_sets(Rollout *rollout)
{
    const Deployment *deployment = rollout->deployment;
    const DeploymentInput *input = rollout->input;
    PodOwner owner = pod_owner_of(rollout->arena, &kind_deployment, &deployment->metadata,
                                  deployment->spec.selector);

    rollout->old = arena_new_n(rollout->arena, const ReplicaSet *, input->n_sets + 1);
    for (size_t i = 0; i < input->n_sets; i++) {
        const ReplicaSet *set = input->sets[i];
        const OwnerReference *ref = meta_controller(&set->metadata);
        bool matches = selector_matches_labels(owner.selector, &set->metadata.labels);

        if (ref && !str_equal(ref->uid, owner.ref.uid))
            continue;
        if (ref && matches)
            rollout->old[rollout->n_old++] = set;
        else if (!owner.going && (ref || (matches && !set->metadata.deletion_timestamp.set)))
            change_owner(rollout, &owner, set, !ref);
    }
    if (rollout->n_old)
        qsort(rollout->old, rollout->n_old, sizeof(*rollout->old), compare_age);
    for (size_t i = 0; i < rollout->n_old; i++) {
        if (!deployment_same_template(&rollout->old[i]->spec.template, &deployment->spec.template))
            continue;
        rollout->current = rollout->old[i];
        memmove(&rollout->old[i], &rollout->old[i + 1],
                (rollout->n_old - i - 1) * sizeof(*rollout->old));
        rollout->n_old--;
        break;
    }
}

/* ---- annotations ---- */

static bool is_own(const char *key)
{
    for (size_t i = 0; i < ARRAY_LEN(OWN_ANNOTATIONS); i++)
        if (str_equal(OWN_ANNOTATIONS[i], key))
            return true;
    return false;
}

static bool put(Arena *arena, StringMap *map, const char *key, const char *value)
{
    const char *there = string_map_get(map, key);

    if (there && str_equal(there, value))
        return false;
    string_map_put(arena, map, key, value);
    return true;
}

/* Appends a revision to a history: "1,3" and "5" give "1,3,5". Drops the oldest ones if the text grows
 * too long. */
static const char *history_with(Arena *arena, const char *history, const char *revision)
{
    if (str_empty(history))
        return revision;
    while (strlen(history) + strlen(revision) + 1 > HISTORY_MAX) {
        const char *comma = strchr(history, ',');

        if (!comma)
            return revision;
        history = comma + 1;
    }
    return arena_printf(arena, "%s,%s", history, revision);
}

static bool put_sizes(Rollout *rollout, StringMap *map)
{
    Arena *arena = rollout->arena;
    bool changed =
        put(arena, map, DEPLOYMENT_DESIRED, arena_printf(arena, "%d", rollout->replicas));

    return put(arena, map, DEPLOYMENT_MAX,
               arena_printf(arena, "%d", rollout->replicas + rollout->surge)) ||
           changed;
}

static int64_t next_revision(const Rollout *rollout)
{
    int64_t highest = 0;

    for (size_t i = 0; i < rollout->n_old; i++)
        highest = MAX_OF(highest, set_revision(rollout->old[i]));
    return highest + 1;
}

static bool annotate(Rollout *rollout, ReplicaSet *set)
{
    const StringMap *from = &rollout->deployment->metadata.annotations;
    StringMap *map = &set->metadata.annotations;
    Arena *arena = rollout->arena;
    const char *before = string_map_get(map, DEPLOYMENT_REVISION);
    int64_t revision = next_revision(rollout);
    bool changed = false;

    for (size_t i = 0; i < from->n; i++)
        if (!is_own(from->v[i].key))
            changed |= put(arena, map, from->v[i].key, from->v[i].value);
    if (set_revision(set) >= revision)
        return changed;
    if (before)
        put(arena, map, DEPLOYMENT_REVISION_HISTORY,
            history_with(arena, string_map_get(map, DEPLOYMENT_REVISION_HISTORY), before));
    put(arena, map, DEPLOYMENT_REVISION, arena_printf(arena, "%" PRId64, revision));
    return true;
}

/* ---- making, sizing, throwing away ---- */

bool rollout_update_current(Rollout *rollout)
{
    ReplicaSet *copy = type_clone(&type_ReplicaSet, rollout->arena, rollout->current);
    int32_t seconds = rollout->deployment->spec.min_ready_seconds;

    if (!annotate(rollout, copy) && copy->spec.min_ready_seconds == seconds)
        return false;
    copy->spec.min_ready_seconds = seconds;
    rollout_add(rollout, DEPLOYMENT_UPDATE, copy, set_replicas(copy), set_replicas(copy));
    return true;
}

int32_t rollout_new_size(const Rollout *rollout, int32_t of_current)
{
    int32_t room = rollout->replicas + rollout->surge - rollout_wanted(rollout);

    if (str_equal(rollout->deployment->spec.strategy.type, "Recreate"))
        return rollout->replicas;
    if (room <= 0)
        return of_current;
    return of_current + MIN_OF(room, rollout->replicas - of_current);
}

static const char *template_hash(const Rollout *rollout)
{
    const int32_t *collisions = rollout->deployment->status.collision_count;
    _strbuf_ StrBuf text = STRBUF_INIT;

    json_encode(&type_PodTemplateSpec, &rollout->deployment->spec.template, NULL, &text);
    return revision_hash(rollout->arena, strbuf_bytes(&text), collisions ? *collisions : 0);
}

void rollout_create_current(Rollout *rollout)
{
    const Deployment *deployment = rollout->deployment;
    Arena *arena = rollout->arena;
    const char *hash = template_hash(rollout);
    ReplicaSet *set = arena_new(arena, ReplicaSet);

    type_copy(&type_PodTemplateSpec, arena, &set->spec.template, &deployment->spec.template);
    string_map_put(arena, &set->spec.template.metadata.labels, TEMPLATE_HASH_LABEL, hash);
    set->spec.selector = type_clone(&type_LabelSelector, arena, deployment->spec.selector);
    string_map_put(arena, &set->spec.selector->match_labels, TEMPLATE_HASH_LABEL, hash);
    set->spec.min_ready_seconds = deployment->spec.min_ready_seconds;
    set->metadata.name = arena_printf(arena, "%.*s-%s", (int)(NAME_MAX_LENGTH - 1 - strlen(hash)),
                                      deployment->metadata.name, hash);
    set->metadata.namespace = deployment->metadata.namespace;
    set->metadata.labels = set->spec.template.metadata.labels;
    meta_add_owner(arena, &set->metadata,
                   meta_controller_reference(arena, &kind_deployment, &deployment->metadata));
    set->spec.replicas = arena_int32(arena, rollout_new_size(rollout, 0));
    annotate(rollout, set);
    put_sizes(rollout, &set->metadata.annotations);
    rollout_add(rollout, DEPLOYMENT_CREATE, set, 0, *set->spec.replicas);
}

bool rollout_resize(Rollout *rollout, const ReplicaSet *set, int32_t replicas, bool force)
{
    ReplicaSet *copy;
    bool differs = set_replicas(set) != replicas;

    if (!differs && !force)
        return false;
    copy = type_clone(&type_ReplicaSet, rollout->arena, set);
    copy->spec.replicas = arena_int32(rollout->arena, replicas);
    if (!put_sizes(rollout, &copy->metadata.annotations) && !differs)
        return false;
    rollout_add(rollout, DEPLOYMENT_UPDATE, copy, set_replicas(set), replicas);
    return true;
}

void rollout_clean_up(Rollout *rollout)
{
    const int32_t *limit = rollout->deployment->spec.revision_history_limit;
    const ReplicaSet **alive;
    size_t n = 0, surplus;

    if (!limit || *limit == INT32_MAX)
        return;
    alive = arena_new_n(rollout->arena, const ReplicaSet *, rollout->n_old + 1);
    for (size_t i = 0; i < rollout->n_old; i++)
        if (!rollout->old[i]->metadata.deletion_timestamp.set)
            alive[n++] = rollout->old[i];
    if (n <= (size_t)*limit)
        return;
    surplus = n - (size_t)*limit;
    qsort(alive, n, sizeof(*alive), compare_revision);
    for (size_t i = 0; i < surplus; i++)
        if (alive[i]->status.replicas == 0 && set_replicas(alive[i]) == 0 &&
            alive[i]->metadata.generation <= alive[i]->status.observed_generation)
            rollout_add(rollout, DEPLOYMENT_DELETE, alive[i], 0, 0);
}
