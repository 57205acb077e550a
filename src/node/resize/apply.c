/* SPDX-License-Identifier: Apache-2.0 */
/* Changes the cgroups of a pod whose new resources have been granted. See resize.h. */
#include "api/object.h"
#include "api/schema/core_container_v1.h"
#include "base/fault.h"
#include "base/files/file.h"
#include "base/observe/metrics.h"
#include "codec/json/json.h"
#include "node/machine/machine.h"
#include "node/pod/agent.h"
#include "node/resize/resize.h"
#include "node/runtime/pod_limits.h"

#define RETRY_FIRST NS_PER_SEC
#define RETRY_MAX (120 * NS_PER_SEC)
#define FILE_MAX (256 * 1024)

/* ---- files ---- */

char *resources_text(const Type *type, const void *value)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    json_encode(type, value, NULL, &text);
    return mem_strdup(strbuf_string(&text));
}

bool resources_read(const char *path, Arena *arena, const Type *type, void *ret)
{
    _free_ char *text = NULL;
    DecodeReport report = {0};
    yyjson_doc *doc;
    size_t n;

    return file_read(path, FILE_MAX, &text, &n) == 0 &&
           json_parse(arena, (Bytes){(uint8_t *)text, n}, &doc, &report) == 0 &&
           json_decode(type, arena, yyjson_doc_get_root(doc), 0, NULL, ret, &report) == 0;
}

/* ---- on the pool ---- */

typedef struct Work {
    uv_work_t work;
    AgentPod *pod;
    Arena arena;
    LimitChange own;
    LimitChange *containers; /* those that run */
    size_t *indices;
    char **files; /* where the bundle says what the container has */
    const char **ids;
    size_t n;
    bool has_own;
    int64_t began_ns; /* mono */
    int r;
    Err error;
} Work;

static void apply_work(uv_work_t *work)
{
    Work *w = CONTAINER_OF(work, Work, work);

    if (FAULT_POINT("resize.apply"))
        w->r = err_set(&w->error, EIO, "cannot change the limits");
    else
        w->r = limits_change(w->has_own ? &w->own : NULL, w->containers, w->n, &w->error);
    for (size_t i = 0; i < w->n && w->r >= 0; i++) {
        _free_ char *text = resources_text(&type_ResourceRequirements, w->containers[i].to);

        w->r =
            FAULT_POINT("resize.note") ? -EIO : file_replace(w->files[i], text, strlen(text), 0600);
        if (w->r < 0)
            err_set(&w->error, -w->r, "cannot write %s", w->files[i]);
    }
}

/* The container that the change was made for may have ended meanwhile, and another one has begun. */
static bool is_still(const Work *w, size_t i)
{
    const Machine *m = w->pod->machine;

    return machine_container_stage(m, w->indices[i]) == CONTAINER_RUNNING &&
           str_equal(machine_container_id(m, w->indices[i]), w->ids[i]);
}

static void apply_done(uv_work_t *work, int status _unused_)
{
    Work *w = CONTAINER_OF(work, Work, work);
    AgentPod *pod = w->pod;
    Arena arena = w->arena;
    bool same = true;
    double ms = (double)(clock_mono_ns(pod->agent->options.clock) - w->began_ns) / NS_PER_MS;

    metric_observe(METRIC_SERIES(METRIC_RESIZE_DURATION, w->r < 0 ? "false" : "true"), ms);
    if (!pod->machine) {
        follow_end(&pod->resize, 0);
    } else if (w->r < 0) {
        for (size_t i = 0; i < w->n; i++)
            same = same && is_still(w, i);
        pod->resize_retry =
            pod->resize_retry ? MIN_OF(pod->resize_retry * 2, RETRY_MAX) : RETRY_FIRST;
        follow_end(&pod->resize, same ? pod->resize_retry : NS_PER_MS);
        if (same)
            machine_resized(pod->machine, w->error.message);
    } else {
        for (size_t i = 0; i < w->n; i++)
            if (is_still(w, i))
                machine_resources_applied(pod->machine, w->indices[i], w->containers[i].to);
        pod->resize_retry = 0;
        follow_end(&pod->resize, 0);
        machine_resized(pod->machine, NULL);
    }
    free(w);
    arena_clear(&arena);
    agent_pod_unref(pod);
}

/* ---- on the loop ---- */

static ResourceRequirements *copy_of(Arena *arena, const ResourceRequirements *from)
{
    ResourceRequirements *copy = arena_new(arena, ResourceRequirements);

    if (from)
        type_copy(&type_ResourceRequirements, arena, copy, from);
    return copy;
}

static void add_container(Work *w, size_t index)
{
    AgentPod *pod = w->pod;
    const Container *spec = machine_container(pod->machine, index);
    const ResourceRequirements *has = machine_applied(pod->machine, index);
    LimitChange *change = &w->containers[w->n];

    change->cgroup = arena_printf(&w->arena, "%s/pod%s/%s", pod->agent->cgroup, pod->uid,
                                  machine_container_id(pod->machine, index));
    change->name = arena_strdup(&w->arena, spec->name);
    change->from = copy_of(&w->arena, has);
    change->to = copy_of(&w->arena, &spec->resources);
    change->always = pod->resize_retry != 0 || !pod->resize_known;
    w->indices[w->n] = index;
    w->ids[w->n] = arena_strdup(&w->arena, machine_container_id(pod->machine, index));
    w->files[w->n] = arena_printf(&w->arena, "%s/resources", pod->containers[index]->bundle);
    w->n++;
}

static void on_due(void *data)
{
    AgentPod *pod = data;
    size_t n = pod->machine ? machine_count(pod->machine) : 0;
    const ResourceRequirements *own = agent_pod_spec(pod)->resources;
    Work *w;

    if (!pod->machine || machine_stage(pod->machine) != MACHINE_ACTIVE || pod->agent->stopping)
        return;
    follow_begin(&pod->resize);
    w = mem_new_type(Work);
    w->pod = agent_pod_ref(pod);
    w->began_ns = clock_mono_ns(pod->agent->options.clock);
    w->containers = arena_new_n(&w->arena, LimitChange, n + 1);
    w->indices = arena_new_n(&w->arena, size_t, n + 1);
    w->files = arena_new_n(&w->arena, char *, n + 1);
    w->ids = arena_new_n(&w->arena, const char *, n + 1);
    w->has_own = own != NULL;
    /* The cgroup of the pod is set to all that it has in any case, since nothing records it. */
    w->own = (LimitChange){
        .cgroup = arena_printf(&w->arena, "%s/pod%s", pod->agent->cgroup, pod->uid),
        .from = copy_of(&w->arena, NULL),
        .to = copy_of(&w->arena, own),
        .always = true,
    };
    for (size_t i = 0; i < n; i++)
        if (machine_container_stage(pod->machine, i) == CONTAINER_RUNNING &&
            machine_kind(pod->machine, i) != CONTAINER_EPHEMERAL && i < pod->n_containers &&
            !machine_restarts_for_resize(pod->machine, i))
            add_container(w, i);
    pod->resize_known = true;
    uv_queue_work(pod->agent->options.loop, &w->work, apply_work, apply_done);
}

void resize_apply(AgentPod *pod)
{
    follow_changed(&pod->resize);
}

void resize_apply_init(AgentPod *pod)
{
    follow_init(&pod->resize, pod->agent->options.clock, on_due, pod);
}

void resize_apply_stop(AgentPod *pod)
{
    follow_stop(&pod->resize);
}
