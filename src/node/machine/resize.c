/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of a pod's resources while it runs. The pod that the machine is given has the resources
 * that the node has granted; those that its running containers have may differ until the owner has
 * changed their cgroups (the op `resize`), or until a container has been restarted, if its resize
 * policy asks for that. Whether a change is granted, and why one has to wait, is decided by the owner.
 *
 * Two conditions of the pod follow from this: PodResizePending while the user has asked for resources
 * that are not granted, and PodResizeInProgress from the grant until the containers have them.
 */
#include "api/schema/core_container_v1.h"
#include "codec/json/json.h"
#include "node/machine/internal.h"

/* ---- the resources of a container ---- */

bool container_resources_differ(const MachineContainer *c)
{
    return c->has_applied &&
           !type_equal(&type_ResourceRequirements, &c->applied, &c->spec->resources);
}

static bool differs_in(const MachineContainer *c, const char *name)
{
    const ResourceRequirements *now = &c->spec->resources;

    return quantity_compare(string_map_get(&now->limits, name),
                            string_map_get(&c->applied.limits, name)) != 0 ||
           quantity_compare(string_map_get(&now->requests, name),
                            string_map_get(&c->applied.requests, name)) != 0;
}

bool container_resize_restarts(const MachineContainer *c)
{
    const ContainerResizePolicyArray *policies = &c->spec->resize_policy;

    if (!container_resources_differ(c))
        return false;
    for (size_t i = 0; i < policies->n; i++)
        if (str_equal(policies->v[i].restart_policy, "RestartContainer") &&
            differs_in(c, policies->v[i].resource_name))
            return true;
    return false;
}

void machine_resources_applied(Machine *m, size_t container, const ResourceRequirements *resources)
{
    MachineContainer *c = machine_at(m, container);
    Arena arena = ARENA_INIT_SIZE(512);
    ResourceRequirements copy = {0};

    type_copy(&type_ResourceRequirements, &arena, &copy, resources);
    arena_clear(&c->applied_arena);
    c->applied_arena = arena;
    c->applied = copy;
    c->has_applied = true;
}

/* ---- events ---- */

static void add_containers(StrBuf *text, const char *key, const ContainerArray *containers)
{
    if (!containers->n)
        return;
    strbuf_printf(text, "\"%s\":[", key);
    for (size_t i = 0; i < containers->n; i++) {
        const char *name = containers->v[i].name;

        strbuf_add_string(text, i ? ",{\"name\":" : "{\"name\":");
        json_encode_string(text, name, strlen(name));
        strbuf_add_string(text, ",\"resources\":");
        json_encode(&type_ResourceRequirements, &containers->v[i].resources, NULL, text);
        strbuf_add_char(text, '}');
    }
    strbuf_add_string(text, "],");
}

/* The messages of kubelet, which name the resources of all containers as JSON. */
static void resize_event(Machine *m, const PodSpec *spec, const char *type, const char *reason,
                         const char *prefix, int64_t generation, const char *error)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    strbuf_printf(&text, "%s: {", prefix);
    add_containers(&text, "initContainers", &spec->init_containers);
    add_containers(&text, "containers", &spec->containers);
    strbuf_printf(&text, "\"generation\":%" PRId64, generation);
    if (!str_empty(error)) {
        strbuf_add_string(&text, ",\"error\":");
        json_encode_string(&text, error, strlen(error));
    }
    strbuf_add_char(&text, '}');
    m->ops->event(m->data, SIZE_MAX, type, reason, strbuf_string(&text));
}

/* ---- conditions ---- */

static void set_condition(Machine *m, ResizeCondition *condition, const char *reason,
                          const char *message, int64_t generation)
{
    if (!condition->set || !str_equal(condition->reason, reason))
        condition->since = (Time){.seconds = clock_wall_ns(m->clock) / NS_PER_SEC, .set = true};
    condition->set = true;
    condition->generation = generation;
    machine_set_text(&condition->reason, reason);
    machine_set_text(&condition->message, message);
}

static void clear_condition(ResizeCondition *condition)
{
    free(condition->reason);
    free(condition->message);
    *condition = (ResizeCondition){0};
}

void machine_resize_forget(Machine *m)
{
    clear_condition(&m->resize_pending);
    clear_condition(&m->resize_progress);
}

void machine_restore_resize(Machine *m, const PodConditionArray *conditions)
{
    for (size_t i = 0; i < conditions->n; i++) {
        const PodCondition *from = &conditions->v[i];
        bool pending = str_equal(from->type, "PodResizePending");
        ResizeCondition *to = pending ? &m->resize_pending : &m->resize_progress;

        if (!pending && !str_equal(from->type, "PodResizeInProgress"))
            continue;
        set_condition(m, to, str_empty(from->reason) ? NULL : from->reason,
                      str_empty(from->message) ? NULL : from->message, from->observed_generation);
        to->since = from->last_transition_time;
        if (!pending)
            m->resize_due = true; /* the pod's own cgroup may not have been changed yet */
    }
}

MachineResize machine_resize_state(const Machine *m)
{
    const char *reason = m->resize_pending.reason;

    return (MachineResize){
        .deferred = m->resize_pending.set && str_equal(reason, "Deferred"),
        .infeasible = m->resize_pending.set && str_equal(reason, "Infeasible"),
        .in_progress = m->resize_progress.set,
        .since = m->resize_pending.since,
    };
}

bool machine_restarts_for_resize(const Machine *m, size_t container)
{
    return container_resize_restarts(machine_at(m, container));
}

/* ---- what the owner decides ---- */

void machine_resize_wait(Machine *m, const Pod *asked, bool infeasible, const char *message)
{
    const char *reason = infeasible ? "Infeasible" : "Deferred";
    int64_t generation = asked->metadata.generation;
    const ResizeCondition *old = &m->resize_pending;
    bool is_new = !old->set || old->generation != generation || !str_equal(old->reason, reason);

    set_condition(m, &m->resize_pending, reason, message, generation);
    if (is_new)
        resize_event(m, &asked->spec, "Warning", infeasible ? "ResizeInfeasible" : "ResizeDeferred",
                     infeasible ? "Pod resize Infeasible" : "Pod resize Deferred", generation,
                     message);
    machine_changed(m);
}

void machine_resize_settle(Machine *m)
{
    if (!m->resize_pending.set)
        return;
    clear_condition(&m->resize_pending);
    machine_changed(m);
}

void machine_resize_grant(Machine *m, Object *pod)
{
    const Pod *granted = pod->value;

    clear_condition(&m->resize_pending);
    clear_condition(&m->resize_progress);
    set_condition(m, &m->resize_progress, NULL, NULL, granted->metadata.generation);
    m->resize_due = true;
    m->resize_busy = false;
    resize_event(m, &granted->spec, "Normal", "ResizeStarted", "Pod resize started",
                 granted->metadata.generation, NULL);
    machine_changed(m);
    machine_update(m, pod);
}

/* ---- carrying it out ---- */

static bool any_differs(const Machine *m)
{
    for (size_t i = 0; i < m->n; i++)
        if (container_alive(m->v[i]) && container_resources_differ(m->v[i]))
            return true;
    return false;
}

/* Whether a cgroup of the pod is to be changed. A container that has to be restarted gets a new
 * one instead. */
static bool is_due(const Machine *m)
{
    bool runs = false;

    for (size_t i = 0; i < m->n; i++) {
        const MachineContainer *c = m->v[i];

        runs = runs || container_alive(c);
        if (c->stage == CONTAINER_RUNNING && container_resources_differ(c) &&
            !container_resize_restarts(c))
            return true;
    }
    return m->resize_due && runs;
}

void machine_resize_advance(Machine *m)
{
    int64_t generation = m->resize_progress.generation;

    if (m->stage != MACHINE_ACTIVE)
        return;
    if (any_differs(m) && !m->resize_progress.set) { /* the server died before it said so */
        set_condition(m, &m->resize_progress, NULL, NULL, machine_spec(m)->metadata.generation);
        machine_changed(m);
    }
    if (is_due(m)) {
        if (m->resize_busy)
            return;
        m->resize_busy = true;
        MACHINE_OP(m, resize);
        return;
    }
    if (!m->resize_progress.set || m->resize_busy || any_differs(m))
        return;
    m->resize_due = false;
    clear_condition(&m->resize_progress);
    resize_event(m, &machine_spec(m)->spec, "Normal", "ResizeCompleted", "Pod resize completed",
                 generation, NULL);
    machine_changed(m);
}

void machine_resized(Machine *m, const char *error)
{
    ResizeCondition *progress = &m->resize_progress;

    ASSERT(!m->in_op);
    if (m->stage != MACHINE_ACTIVE)
        return;
    if (error) {
        bool is_new = !str_equal(progress->reason, "Error") || !str_equal(progress->message, error);
        int64_t generation =
            progress->set ? progress->generation : machine_spec(m)->metadata.generation;

        set_condition(m, progress, "Error", error, generation);
        if (is_new)
            resize_event(m, &machine_spec(m)->spec, "Warning", "ResizeError", "Pod resize error",
                         generation, error);
        machine_changed(m);
        return; /* the owner tries again by itself */
    }
    m->resize_busy = false;
    m->resize_due = false;
    machine_changed(m);
    machine_advance(m);
}
