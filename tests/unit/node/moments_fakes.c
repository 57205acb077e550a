/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent waits for, faked: the functions here have the names of the real ones, and the
 * linker takes the first. */
#include <signal.h>

#include "base/files/file.h"
#include "base/process.h"
#include "image/image.h"
#include "moments_internal.h"
#include "node/machine/machine.h"
#include "node/pod/container_spec.h"
#include "node/pod/probes.h"
#include "node/runtime/runtime.h"
#include "node/runtime/strays.h"
#include "node/volume/disk.h"
#include "node/runtime/pod_limits.h"

/* ---- the pool ---- */

static void on_work_done(Moments *m _unused_, MomentEvent *e)
{
    ((uv_after_work_cb)(uintptr_t)e->c)(e->a, 0);
}

static void on_work(Moments *m _unused_, MomentEvent *e)
{
    MomentEvent *done;

    ((uv_work_cb)(uintptr_t)e->b)(e->a);
    done = moment_push(e->lane, on_work_done);
    done->a = e->a;
    done->c = e->c;
}

int uv_queue_work(uv_loop_t *loop _unused_, uv_work_t *work, uv_work_cb f, uv_after_work_cb after)
{
    MomentEvent *e = moment_push(moment_lane(), on_work);

    e->a = work;
    e->b = (void *)(uintptr_t)f;
    e->c = (void *)(uintptr_t)after;
    return 0;
}

static void on_process_done(Moments *m _unused_, MomentEvent *e)
{
    ((ProcessDone)(uintptr_t)e->a)(e->b, &(ProcessResult){0});
}

void process_run(struct uv_loop_s *loop _unused_, const ProcessOptions *options _unused_,
                 ProcessDone done, void *data, Process **ret _unused_)
{
    MomentEvent *e = moment_push(moment_lane(), on_process_done);

    e->a = (void *)(uintptr_t)done;
    e->b = data;
}

/* ---- the network ---- */

const char *net_gateway(const Net *net _unused_)
{
    return "10.42.0.1";
}

static void on_net_added(Moments *m, MomentEvent *e)
{
    _free_ char *address = mem_printf("10.42.0.%d", e->number);

    free(strmap_put(&m->nets, e->text, mem_strdup(address)));
    ((NetPodDone)(uintptr_t)e->a)(e->b, &(NetPod){"/run/netns", address}, NULL);
}

void net_pod_add(Net *net _unused_, const char *key, const char *address _unused_, NetPodDone done,
                 void *data)
{
    MomentEvent *e = moment_push(moment_lane(), on_net_added);

    e->a = (void *)(uintptr_t)done;
    e->b = data;
    e->text = mem_strdup(key);
    e->number = key[strlen(key) - 1] - '0' + 10;
}

static void on_net_removed(Moments *m, MomentEvent *e)
{
    void (*done)(void *data, const Err *err) = (void (*)(void *, const Err *))(uintptr_t)e->a;

    free(strmap_remove(&m->nets, e->text));
    if (done)
        done(e->b, NULL);
}

void net_pod_remove(Net *net _unused_, const char *key, void (*done)(void *data, const Err *err),
                    void *data)
{
    MomentEvent *e = moment_push(moment_lane(), on_net_removed);

    e->a = (void *)(uintptr_t)done;
    e->b = data;
    e->text = mem_strdup(key);
}

void net_service_set(Net *net _unused_, const NetServicePort *port)
{
    char *text = port->n_endpoints
                     ? mem_printf("%s:%u", port->endpoints[0].address, port->endpoints[0].port)
                     : mem_strdup("none");

    free(strmap_put(&moments_world->ports, port->key, text));
}

void net_service_remove(Net *net _unused_, const char *key)
{
    free(strmap_remove(&moments_world->ports, key));
}

/* ---- images ---- */

int image_find(ImageStore *store _unused_, const char *name, Arena *arena, Image *ret,
               Err *reterr _unused_)
{
    if (!strmap_get(&moments_world->images, name))
        return IMAGE_E_MISSING;
    *ret = (Image){.name = arena_strdup(arena, name),
                   .id = arena_printf(arena, "sha256:%s", name),
                   .user = "",
                   .working_dir = "/",
                   .stop_signal = ""};
    ret->cmd.v = arena_new_n(arena, const char *, 1);
    ret->cmd.v[0] = "run";
    ret->cmd.n = 1;
    return 0;
}

const char *image_normalize(Arena *arena, const char *name)
{
    return arena_strdup(arena, name);
}

void image_bring(ImageStore *store _unused_, const char *name _unused_)
{
}

void moments_add_image(Moments *m, const char *name)
{
    strmap_put(&m->images, name, m);
    if (m->node)
        node_image_added(m->node);
}

/* ---- containers ---- */

static void task_forget(Moments *m, RuntimeTask *t)
{
    size_t i = 0;

    while (m->live.v[i] != t)
        i++;
    m->live.v[i] = m->live.v[--m->live.n];
}

static RuntimeTask *find_live(Moments *m, const char *id)
{
    for (size_t i = 0; i < m->live.n; i++)
        if (str_equal(m->live.v[i]->id, id))
            return m->live.v[i];
    return NULL;
}

static void write_small(const char *bundle, const char *name, const char *text)
{
    _free_ char *path = mem_printf("%s/%s", bundle, name);

    assert_int_equal(file_mkdir_all(bundle, 0755), 0);
    assert_int_equal(file_replace(path, text, strlen(text), 0600), 0);
}

int container_spec_prepare(ContainerSpec *spec, Err *reterr _unused_)
{
    MomentPrepared *p = mem_new_type(MomentPrepared);
    const char *uid = strstr(spec->bundle, "/pods/") + 6;

    p->key = mem_printf("%.*s/%s", (int)strcspn(uid, "/"), uid, spec->name);
    p->image = mem_strdup(spec->image);
    for (size_t i = 0; i < spec->env.n; i++)
        free(strmap_put(&p->env, spec->env.v[i].key, mem_strdup(spec->env.v[i].value)));
    strmap_put(&moments_world->tasks, spec->id, p);
    write_small(spec->bundle, "image", spec->image);
    write_small(spec->bundle, "id", spec->id);
    return 0;
}

void moment_prepared_free(MomentPrepared *p)
{
    STRMAP_DEINIT_WITH(&p->env, free);
    free(p->key);
    free(p->image);
    free(p);
}

Runtime *runtime_new(const RuntimeOptions *options _unused_)
{
    return mem_new(1);
}

Runtime *runtime_free(Runtime *runtime)
{
    free(runtime);
    return NULL;
}

void runtime_expect(Runtime *runtime _unused_)
{
}

static void on_task_end(Moments *m, MomentEvent *e)
{
    RuntimeTask *t = e->a;
    MomentPrepared *p = strmap_get(&m->tasks, t->id);
    RuntimeExit end = {.exit_code = e->number,
                       .started_ns = moment_wall_ns(&m->clock),
                       .finished_ns = moment_wall_ns(&m->clock)};

    task_forget(m, t);
    if (strmap_get(&m->running, p->key) == p)
        strmap_remove(&m->running, p->key);
    if (!t->forgotten)
        t->events->on_exit(t->data, &end);
    free(t->id);
    free(t);
}

static void task_end(RuntimeTask *t, int code)
{
    MomentEvent *e;

    if (t->ending)
        return;
    t->ending = true;
    e = moment_push(t->lane, on_task_end);
    e->a = t;
    e->number = code;
}

static void on_task_started(Moments *m, MomentEvent *e)
{
    RuntimeTask *t = e->a;
    MomentPrepared *p = strmap_get(&m->tasks, t->id);

    if (strmap_put(&m->running, p->key, p))
        fail_msg("two instances of %s run at once", p->key);
    if (strstr(p->key, "/init"))
        task_end(t, 0);
    if (!t->forgotten)
        t->events->on_started(t->data, moment_wall_ns(&m->clock));
}

static void on_task_created(Moments *m _unused_, MomentEvent *e)
{
    RuntimeTask *t = e->a;

    moment_push(t->lane, on_task_started)->a = t;
    if (!t->forgotten)
        t->events->on_created(t->data);
}

RuntimeTask *runtime_start(Runtime *runtime _unused_, const RuntimeStart *start,
                           const RuntimeEvents *events, void *data)
{
    RuntimeTask *t = mem_new_type(RuntimeTask);

    t->lane = moment_lane();
    t->events = events;
    t->data = data;
    t->id = mem_strdup(start->id);
    VEC_PUSH(&moments_world->live, t);
    moment_push(t->lane, on_task_created)->a = t;
    return t;
}

RuntimeTask *runtime_forget(RuntimeTask *t)
{
    if (t)
        t->forgotten = true;
    return NULL;
}

/* ---- the same after the agent was away ---- */

int runtime_conmon_pid(const char *id, const char *bundle _unused_)
{
    return find_live(moments_world, id) ? 1 : 0;
}

bool runtime_read_exit(const char *bundle, RuntimeExit *ret)
{
    _free_ char *path = mem_printf("%s/id", bundle), *id = NULL;
    int64_t now = moment_wall_ns(&moments_world->clock);
    size_t n;

    if (file_read(path, 128, &id, &n) < 0)
        return false;
    *ret = (RuntimeExit){.started_ns = now, .finished_ns = now};
    ret->lost = find_live(moments_world, id) != NULL; /* what runs has left no word of its end */
    return true;
}

RuntimeTask *runtime_adopt(Runtime *runtime _unused_, const char *id, const char *bundle _unused_,
                           const RuntimeEvents *events, void *data)
{
    RuntimeTask *t = find_live(moments_world, id);

    t->events = events;
    t->data = data;
    t->forgotten = false;
    return t;
}

int runtime_signal(RuntimeTask *t, int number)
{
    if (t && (number == SIGKILL || !moments_world->stubborn))
        task_end(t, 128 + number);
    return 0;
}

static void on_runtime_deleted(Moments *m _unused_, MomentEvent *e)
{
    ((void (*)(void *, const Err *))(uintptr_t)e->a)(e->b, NULL);
}

void runtime_delete(Runtime *runtime _unused_, const char *id,
                    void (*done)(void *data, const Err *err), void *data)
{
    MomentEvent *e;
    RuntimeTask *t = find_live(moments_world, id);

    if (t) { /* nobody has it any more */
        t->forgotten = true;
        task_end(t, 137);
    }
    if (!done)
        return;
    e = moment_push(moment_lane(), on_runtime_deleted);
    e->a = (void *)(uintptr_t)done;
    e->b = data;
}

/* ---- probes and hooks: all of them succeed ---- */

static void on_probed(Moments *m _unused_, MomentEvent *e)
{
    AgentPod *pod = e->a;

    if (pod->machine)
        machine_probed(pod->machine, (size_t)(uintptr_t)e->b, (MachineProbe)e->number,
                       (uint64_t)(uintptr_t)e->c, true, "");
    agent_pod_unref(pod);
}

void probe_run(AgentPod *pod, size_t container, MachineProbe probe, uint64_t serial)
{
    MomentEvent *e = moment_push(moment_lane(), on_probed);

    e->a = agent_pod_ref(pod);
    e->b = (void *)(uintptr_t)container;
    e->c = (void *)(uintptr_t)serial;
    e->number = (int)probe;
}

static void on_hooked(Moments *m _unused_, MomentEvent *e)
{
    AgentPod *pod = e->a;

    if (pod->machine)
        machine_hooked(pod->machine, (size_t)(uintptr_t)e->b, (MachineHook)e->number,
                       (uint64_t)(uintptr_t)e->c, true);
    agent_pod_unref(pod);
}

void hook_run(AgentPod *pod, size_t container, MachineHook hook, int64_t limit_ns _unused_,
              uint64_t serial)
{
    MomentEvent *e = moment_push(moment_lane(), on_hooked);

    e->a = agent_pod_ref(pod);
    e->b = (void *)(uintptr_t)container;
    e->c = (void *)(uintptr_t)serial;
    e->number = (int)hook;
}

void attempts_cancel(NodeAgent *agent _unused_)
{
}

/* ---- processes ---- */

/* No containers run here. The real function reads the command lines of all processes of the machine. */
void strays_end(const char *root _unused_, StrayDecide decide _unused_, void *data _unused_)
{
}

/* ---- claims' volumes ---- */

/* As the real ones do, none ever makes a volume smaller. */
static void disk_set(const char *name, int64_t size)
{
    const char *has = strmap_get(&moments_world->disks, name);

    if (has)
        size = MAX_OF(size, strtoll(has, NULL, 10));
    free(strmap_put(&moments_world->disks, name, mem_printf("%" PRId64, size)));
}

bool pod_limits_apply(const char *cgroup _unused_, const PodSpec *spec _unused_,
                      int64_t pids _unused_)
{
    return true;
}

int limits_change(const LimitChange *pod _unused_, const LimitChange *containers _unused_,
                  size_t n _unused_, Err *reterr _unused_)
{
    return 0;
}

int volume_disk_reserve(const char *data_dir _unused_, const char *name, int64_t size,
                        const DiskRoom *room _unused_, Err *reterr _unused_)
{
    disk_set(name, size);
    return 0;
}

int volume_disk_make(const char *data_dir, const char *name, int64_t size,
                     const DiskRoom *room _unused_, char **ret, Err *reterr _unused_)
{
    disk_set(name, size);
    *ret = mem_printf("%s/volumes/%s", data_dir, name);
    return file_mkdir_all(*ret, 0755);
}

int volume_disk_grow(const char *data_dir _unused_, const char *name, int64_t size,
                     int64_t keep _unused_, Err *reterr _unused_)
{
    if (moments_world->device_in_use) {
        moments_world->device_in_use = false;
        return DISK_E_BUSY;
    }
    disk_set(name, size);
    return 0;
}

unsigned volume_disk_uses(const char *name _unused_)
{
    return 0;
}

int volume_disk_release(const char *data_dir _unused_, const char *name _unused_,
                        unsigned uses _unused_, Err *reterr _unused_)
{
    return 0;
}

int volume_disk_remove(const char *data_dir _unused_, const char *name, Err *reterr _unused_)
{
    free(strmap_remove(&moments_world->disks, name));
    return 0;
}

int volume_disk_keep(const char *data_dir _unused_, const char *name _unused_, Err *reterr _unused_)
{
    return 0;
}

void volume_disk_sweep(const char *data_dir _unused_,
                       bool (*known)(void *data, const char *name) _unused_, void *data _unused_)
{
}
