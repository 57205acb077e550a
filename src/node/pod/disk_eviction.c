/* SPDX-License-Identifier: Apache-2.0 */
/* See disk_eviction.h. The kernel does not report that a file system fills up, so the free room
 * is checked periodically while pods run. The period depends on what could happen meanwhile: 10
 * s if limits are declared, as kubelet does; otherwise the time in which pods could reach the
 * reserve at 1 GiB per second, but between a second and a minute. A check is one statfs. Folders
 * are measured, on the pool, only if a limit or the reserve requires it and the number of free
 * blocks has changed since the last measurement. */
#include <sys/statvfs.h>

#include "base/files/beneath.h"
#include "base/log.h"
#include "node/machine/machine.h"
#include "node/pod/disk_eviction.h"
#include "node/pod/volume_room.h"

#define LOOK_FIRST NS_PER_SEC
#define LIMITS_FIRST (10 * NS_PER_SEC)
#define PRESSED_AGAIN (5 * NS_PER_SEC) /* removing the data of an evicted pod takes a moment */

typedef struct Measuring {
    uv_work_t work;
    NodeAgent *agent;
    Arena arena;
    AgentPod **pods; /* references */
    StoragePod *plans;
    size_t n;
    bool pressed;
    uint64_t available, reserve;
} Measuring;

/* ---- on the pool ---- */

/* A file with several hard links is counted in parts, so that all of them together count once. */
static int add_entry(void *data, int fd _unused_, const struct statx *st)
{
    int64_t names = S_ISDIR(st->stx_mode) ? 1 : MAX_OF((int64_t)st->stx_nlink, 1);

    *(int64_t *)data += (int64_t)st->stx_blocks * 512 / names;
    return 0;
}

static int64_t measure_all(const StringArray *folders)
{
    int64_t used = 0;

    for (size_t i = 0; i < folders->n; i++) {
        _close_fd_ int root = beneath_root(folders->v[i]);

        if (root >= 0)
            (void)beneath_walk(root, add_entry, &used);
    }
    return used;
}

static void measure_work(uv_work_t *work)
{
    Measuring *m = CONTAINER_OF(work, Measuring, work);

    for (size_t i = 0; i < m->n; i++) {
        StoragePod *pod = &m->plans[i];

        for (size_t j = 0; j < pod->n; j++)
            pod->v[j].used = measure_all(&pod->v[j].folders);
        pod->others_used = measure_all(&pod->others);
    }
}

/* ---- on the loop ---- */

static bool runs(const AgentPod *pod)
{
    return pod->machine && machine_stage(pod->machine) == MACHINE_ACTIVE;
}

static StringArray folder_list(Arena *arena, const char *one, const char *two)
{
    StringArray list = {.v = arena_new_n(arena, const char *, 2)};

    list.v[list.n++] = one;
    if (two)
        list.v[list.n++] = two;
    return list;
}

static void add_pod(Measuring *m, AgentPod *pod)
{
    StoragePod *plan = &m->plans[m->n];

    m->pods[m->n++] = agent_pod_ref(pod);
    storage_pod_plan(agent_pod_spec(pod), &m->arena, plan);
    plan->others = folder_list(&m->arena, arena_printf(&m->arena, "%s/etc", pod->data), NULL);
    for (size_t i = 0; i < plan->n; i++) {
        StorageUse *use = &plan->v[i];

        use->name = arena_strdup(&m->arena, use->name);
        use->limit_text = use->limit_text ? arena_strdup(&m->arena, use->limit_text) : NULL;
        use->folders =
            use->empty_dir
                ? folder_list(&m->arena,
                              arena_printf(&m->arena, "%s/volumes/%s", pod->data, use->name), NULL)
                : folder_list(&m->arena,
                              arena_printf(&m->arena, "%s/root/%s", pod->data, use->name),
                              arena_printf(&m->arena, "%s/%s", pod->logs, use->name));
    }
}

static void evict(AgentPod *pod, const char *message)
{
    if (!runs(pod))
        return;
    log_warn("node", "pod %s/%s is evicted: %s", pod->ns, pod->name, message);
    agent_pod_event(pod, SIZE_MAX, "Warning", "Evicted", message);
    machine_evict(pod->machine, "Evicted", message);
}

static void storage_arm(NodeAgent *agent, int64_t wait);

static void measure_done(uv_work_t *work, int status _unused_)
{
    Measuring *m = CONTAINER_OF(work, Measuring, work);
    NodeAgent *agent = m->agent;
    bool evicted = false;

    agent->storage.busy = false;
    for (size_t i = 0; i < m->n && !agent->stopping; i++) {
        const char *message = storage_over_limit(&m->plans[i], &m->arena);

        if (!message)
            continue;
        evict(m->pods[i], message);
        evicted = true;
    }
    if (m->pressed && !evicted && !agent->stopping) {
        size_t first = storage_pick(m->plans, m->n);

        if (first != SIZE_MAX)
            evict(m->pods[first],
                  storage_pressure_message(&m->plans[first], m->reserve, m->available, &m->arena));
        else if (!agent->storage.told)
            log_warn("node", "the disk of %s is nearly full, and not by pods",
                     agent->options.data_dir);
        agent->storage.told = first == SIZE_MAX;
    }
    for (size_t i = 0; i < m->n; i++)
        agent_pod_unref(m->pods[i]);
    arena_clear(&m->arena);
    free(m);
    agent->busy--;
    agent_shutdown_check(agent);
}

static void measure(NodeAgent *agent, bool pressed, uint64_t available, uint64_t reserve)
{
    Measuring *m = mem_new_type(Measuring);

    m->agent = agent;
    m->pressed = pressed;
    m->available = available;
    m->reserve = reserve;
    m->pods = arena_new_n(&m->arena, AgentPod *, agent->pods.n + 1);
    m->plans = arena_new_n(&m->arena, StoragePod, agent->pods.n + 1);
    STRMAP_EACH(&agent->pods, slot) {
        AgentPod *pod = slot->value;

        if (runs(pod) && (pressed || storage_has_limits(agent_pod_spec(pod))))
            add_pod(m, pod);
    }
    agent->storage.busy = true;
    agent->busy++;
    uv_queue_work(agent->options.loop, &m->work, measure_work, measure_done);
}

uint64_t storage_reserve(const NodeAgent *agent, const struct statvfs *fs)
{
    uint64_t twentieth = (uint64_t)fs->f_blocks * fs->f_frsize / 20;

    if (agent->options.disk_reserve >= 0)
        return (uint64_t)agent->options.disk_reserve;
    return MIN_OF(DISK_RESERVE_MOST, twentieth) / 1024 * 1024;
}

static void count_pods(const NodeAgent *agent, bool *ret_any, bool *ret_limits)
{
    *ret_any = *ret_limits = false;
    STRMAP_EACH(&agent->pods, slot) {
        const AgentPod *pod = slot->value;

        if (!runs(pod))
            continue;
        *ret_any = true;
        *ret_limits = *ret_limits || storage_has_limits(agent_pod_spec(pod));
    }
}

/* Somebody else may free room, so that no pod has to be evicted. */
static bool is_reclaimed(NodeAgent *agent, uint64_t available, uint64_t reserve)
{
    const NodeOptions *options = &agent->options;
    uint64_t missing = available < reserve ? reserve - available : 0;

    return options->reclaim && options->reclaim(options->reclaim_data, missing) && missing;
}

static void look(NodeAgent *agent)
{
    bool any, limits, pressed, changed;
    uint64_t available, reserve;
    struct statvfs fs;
    int64_t wait;

    count_pods(agent, &any, &limits);
    if (!any || agent->stopping || statvfs(agent->options.data_dir, &fs) < 0)
        return;
    available = (uint64_t)fs.f_bavail * fs.f_frsize;
    reserve = storage_reserve(agent, &fs);
    if (is_reclaimed(agent, available, reserve)) {
        storage_arm(agent, PRESSED_AGAIN);
        return;
    }
    pressed = available < reserve;
    changed = agent->storage.blocks != fs.f_bfree || agent->storage.files != fs.f_ffree;
    wait = storage_next_look(available, reserve, limits);
    if (!agent->storage.busy && (pressed || (limits && changed))) {
        agent->storage.blocks = fs.f_bfree;
        agent->storage.files = fs.f_ffree;
        measure(agent, pressed, available, reserve);
        wait = pressed ? MAX_OF(wait, PRESSED_AGAIN) : wait;
    }
    storage_arm(agent, wait);
    volume_room_look(agent);
}

static void on_look(Timer *timer)
{
    look(timer->data);
}

static void storage_arm(NodeAgent *agent, int64_t wait)
{
    agent->storage.timer.on_fire = on_look;
    agent->storage.timer.data = agent;
    timer_start(agent->options.clock, &agent->storage.timer, wait);
}

void storage_watch(AgentPod *pod)
{
    NodeAgent *agent = pod->agent;
    int64_t now = clock_mono_ns(agent->options.clock);

    if (agent->stopping)
        return;
    if (!agent->storage.timer.active)
        storage_arm(agent, LOOK_FIRST);
    else if (storage_has_limits(agent_pod_spec(pod)) &&
             agent->storage.timer.due_ns > now + LIMITS_FIRST)
        storage_arm(agent, LIMITS_FIRST);
}

void storage_stop(NodeAgent *agent)
{
    timer_stop(agent->options.clock, &agent->storage.timer);
}
