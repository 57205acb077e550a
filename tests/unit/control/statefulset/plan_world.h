/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small worlds for tests of the plan, written as text. Pods are words: ordinal, revision, state.
 *
 *     "0A+ 1A+ 2B-"
 *
 * Revision A is the old template, B the new one, C one in between. States: + ready, - no longer
 * ready, ! never ready, c crash-looping, p pending, f failed, s succeeded, t terminating. Plans
 * come back as text too, one word an action:
 *
 *     "claim:data-web-2 create:web-2@B"
 */
#ifndef TESTS_PLAN_WORLD_H
#define TESTS_PLAN_WORLD_H

#include "testing.h"

#include "api/object.h"
#include "api/schema/apps_v1.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_pod_v1.h"
#include "base/strbuf.h"
#include "control/statefulset/plan.h"

#define NOW_SECONDS INT64_C(1700000000)

typedef struct World {
    Arena arena;
    StatefulSet set;
    const char *revisions[3]; /* names of A, B, C */
    PlanInput input;
    Plan plan;
} World;

static inline void world_template(World *world, char letter)
{
    PodTemplateSpec *template = &world->set.spec.template;

    template->spec.containers.v[0].image = arena_printf(&world->arena, "app:%c", letter);
}

/* Revisions up to `letter` exist; the set's template is that of `letter`, and A is the current
 * one. */
static inline void world_init(World *world, int32_t replicas, char letter)
{
    StatefulSet *set = &world->set;
    Arena *arena;

    *world = (World){0};
    arena = &world->arena;
    set->metadata.name = "web";
    set->metadata.namespace = "default";
    set->metadata.uid = "set-uid";
    set->spec.replicas = arena_int32(arena, replicas);
    set->spec.service_name = "web-svc";
    set->spec.selector = arena_new(arena, LabelSelector);
    string_map_put(arena, &set->spec.selector->match_labels, "app", "web");
    string_map_put(arena, &set->spec.template.metadata.labels, "app", "web");
    set->spec.template.spec.containers.v = arena_new(arena, Container);
    set->spec.template.spec.containers.n = 1;
    set->spec.template.spec.containers.v[0].name = "app";
    set->spec.pod_management_policy = "OrderedReady";
    set->spec.update_strategy.type = "RollingUpdate";
    set->spec.update_strategy.rolling_update = arena_new(arena, RollingUpdateStatefulSetStrategy);
    world->input.set = set;
    world->input.now_ns = NOW_SECONDS * INT64_C(1000000000);
    world->input.revisions = arena_new_n(arena, const ControllerRevision *, 3);
    for (char c = 'A'; c <= letter; c++) {
        ControllerRevision *revision;

        world_template(world, c);
        revision = statefulset_new_revision(arena, set, statefulset_revision_data(arena, set),
                                            c - 'A' + 1, 0);
        world->revisions[c - 'A'] = revision->metadata.name;
        world->input.revisions[world->input.n_revisions++] = revision;
    }
    set->status.current_revision = world->revisions[0];
}

static inline void world_deinit(World *world)
{
    arena_clear(&world->arena);
}

static inline void pod_condition_put(Arena *arena, Pod *pod, const char *status, int64_t seconds)
{
    pod->status.conditions.v = arena_new(arena, PodCondition);
    pod->status.conditions.n = 1;
    pod->status.conditions.v[0] =
        (PodCondition){.type = "Ready",
                       .status = status,
                       .last_transition_time = {.seconds = seconds, .set = true}};
}

static inline void pod_set_state(World *world, Pod *pod, char state)
{
    Arena *arena = &world->arena;
    int64_t started = NOW_SECONDS - 100;

    pod->status.phase = "Running";
    pod->status.start_time = (Time){.seconds = started, .set = true};
    switch (state) {
    case '+':
        pod_condition_put(arena, pod, "True", started + 10);
        break;
    case '-':
        pod_condition_put(arena, pod, "False", started + 50);
        break;
    case '!':
        pod_condition_put(arena, pod, "False", started);
        break;
    case 'c':
        pod_condition_put(arena, pod, "False", started + 50);
        pod->status.container_statuses.v = arena_new(arena, ContainerStatus);
        pod->status.container_statuses.n = 1;
        pod->status.container_statuses.v[0].state.waiting = arena_new(arena, ContainerStateWaiting);
        pod->status.container_statuses.v[0].state.waiting->reason = "CrashLoopBackOff";
        break;
    case 'p':
        pod->status.phase = "Pending";
        break;
    case 'f':
        pod->status.phase = "Failed";
        break;
    case 's':
        pod->status.phase = "Succeeded";
        break;
    case 't':
        pod_condition_put(arena, pod, "True", started + 10);
        pod->metadata.deletion_timestamp = (Time){.seconds = NOW_SECONDS, .set = true};
        break;
    default:
        fail_msg("unknown state %c", state);
    }
}

static inline Pod *world_add_pod(World *world, int64_t ordinal, char revision, char state)
{
    Arena *arena = &world->arena;
    Pod *pod = statefulset_new_pod(arena, &world->set, &world->set.spec.template,
                                   world->revisions[revision - 'A'], ordinal);
    const Pod **pods = arena_new_n(arena, const Pod *, world->input.n_pods + 1);

    pod->metadata.uid = arena_printf(arena, "pod-uid-%d", (int)ordinal);
    pod_set_state(world, pod, state);
    for (size_t i = 0; i < world->input.n_pods; i++)
        pods[i] = world->input.pods[i];
    pods[world->input.n_pods++] = pod;
    world->input.pods = pods;
    return pod;
}

static inline void world_add_pods(World *world, const char *text)
{
    int ordinal, used;
    char revision, state;

    while (sscanf(text, " %d%c%c%n", &ordinal, &revision, &state, &used) == 3) {
        world_add_pod(world, ordinal, revision, state);
        text += used;
    }
}

static inline void world_add_template(World *world, const char *name)
{
    VolumeClaimTemplateArray *templates = &world->set.spec.volume_claim_templates;
    VolumeClaimTemplate *v = arena_new_n(&world->arena, VolumeClaimTemplate, templates->n + 1);

    for (size_t i = 0; i < templates->n; i++)
        v[i] = templates->v[i];
    v[templates->n++].metadata.name = name;
    templates->v = v;
}

static inline PersistentVolumeClaim *world_add_claim(World *world, int64_t ordinal)
{
    Arena *arena = &world->arena;
    ClaimTemplates templates = stateful_set_claim_templates(arena, &world->set);
    PersistentVolumeClaim *claim =
        statefulset_new_claim(arena, &world->set, &templates, 0, ordinal);
    const PersistentVolumeClaim **claims =
        arena_new_n(arena, const PersistentVolumeClaim *, world->input.n_claims + 1);

    claim->metadata.uid = arena_printf(arena, "claim-uid-%d", (int)ordinal);
    for (size_t i = 0; i < world->input.n_claims; i++)
        claims[i] = world->input.claims[i];
    claims[world->input.n_claims++] = claim;
    world->input.claims = claims;
    return claim;
}

static inline char world_letter(const World *world, const Pod *pod)
{
    const char *name = string_map_get(&pod->metadata.labels, REVISION_LABEL);

    for (int i = 0; i < 3; i++)
        if (str_equal(name, world->revisions[i]))
            return (char)('A' + i);
    return '?';
}

/* The plan as text, in the arena. */
static inline const char *world_plan(World *world)
{
    static const char *const verbs[] = {
        [PLAN_ADOPT_REVISION] = "adopt-revision",
        [PLAN_UPDATE_REVISION] = "bump",
        [PLAN_CREATE_REVISION] = "revision",
        [PLAN_ADOPT_POD] = "adopt",
        [PLAN_RELEASE_POD] = "release",
        [PLAN_CREATE_CLAIM] = "claim",
        [PLAN_UPDATE_CLAIM] = "own",
        [PLAN_FOLLOW_TEMPLATE] = "follow",
        [PLAN_CREATE_POD] = "create",
        [PLAN_UPDATE_POD] = "fix",
        [PLAN_DELETE_POD] = "delete",
        [PLAN_DELETE_REVISION] = "forget",
    };
    _strbuf_ StrBuf out = STRBUF_INIT;

    statefulset_plan(&world->input, &world->arena, &world->plan);
    for (size_t i = 0; i < world->plan.n; i++) {
        const PlanAction *action = &world->plan.v[i];
        const ObjectMeta *meta = action->value; /* metadata is the first member of all of them */

        strbuf_printf(&out, "%s%s:%s", i ? " " : "", verbs[action->type], meta->name);
        if (action->type == PLAN_CREATE_POD)
            strbuf_printf(&out, "@%c", world_letter(world, action->value));
    }
    return arena_strdup(&world->arena, strbuf_string(&out));
}

#endif
