/* SPDX-License-Identifier: Apache-2.0 */
/* See moments.h: time, the order of events, what there is. */
#include <dirent.h>

#include "api/object.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_pod_v1.h"
#include "base/files/file.h"
#include "base/format.h"
#include "moments_internal.h"

#define STEPS_MAX 20000

Moments *moments_world;

MomentEvent *moment_push(uint64_t lane, void (*run)(Moments *m, MomentEvent *e))
{
    MomentEvent *e = mem_new_type(MomentEvent);

    e->lane = lane;
    e->sequence = ++moments_world->sequence;
    e->run = run;
    VEC_PUSH(&moments_world->events, e);
    return e;
}

uint64_t moment_lane(void)
{
    return LANE_API + ++moments_world->lanes;
}

static void event_free(MomentEvent *e)
{
    object_unref(e->object);
    free(e->text);
    free(e);
}

/* ---- time ---- */

static Moments *of_clock(Clock *clock)
{
    return CONTAINER_OF(clock, Moments, clock);
}

int64_t moment_wall_ns(Clock *clock)
{
    return of_clock(clock)->mono_ns + INT64_C(1700000000) * NS_PER_SEC;
}

static int64_t mono_ns(Clock *clock)
{
    return of_clock(clock)->mono_ns;
}

static void stop_timer(Clock *clock, Timer *timer)
{
    Moments *m = of_clock(clock);
    size_t kept = 0;

    for (size_t i = 0; i < m->timers.n; i++)
        if (m->timers.v[i] != timer)
            m->timers.v[kept++] = m->timers.v[i];
    m->timers.n = kept;
    timer->active = false;
}

static void start_timer(Clock *clock, Timer *timer, int64_t delay_ns)
{
    Moments *m = of_clock(clock);

    stop_timer(clock, timer);
    timer->active = true;
    timer->due_ns = m->mono_ns + MAX_OF(delay_ns, 0);
    VEC_PUSH(&m->timers, timer);
}

static const ClockOps clock_ops = {moment_wall_ns, mono_ns, start_timer, stop_timer};

static Timer *first_timer(Moments *m)
{
    Timer *first = NULL;

    for (size_t i = 0; i < m->timers.n; i++)
        if (!first || m->timers.v[i]->due_ns < first->due_ns)
            first = m->timers.v[i];
    return first;
}

/* ---- events ---- */

/* The next event: the oldest, or the first of a lane that chance chooses. Timers that are due count
 * as one lane. SIZE_MAX: none; events.n: a timer. */
static size_t choose(Moments *m)
{
    VEC(size_t) heads = VEC_INIT;
    Timer *timer = first_timer(m);
    size_t chosen = SIZE_MAX;

    for (size_t i = 0; i < m->events.n; i++) {
        bool first = true;

        for (size_t k = 0; k < i; k++)
            first = first && m->events.v[k]->lane != m->events.v[i]->lane;
        if (first)
            VEC_PUSH(&heads, i);
    }
    if (timer && timer->due_ns <= m->mono_ns)
        VEC_PUSH(&heads, m->events.n);
    if (heads.n)
        chosen = heads.v[m->shuffled ? random_below(&m->order, heads.n) : 0];
    VEC_DEINIT(&heads);
    return chosen;
}

bool moments_step(Moments *m)
{
    size_t i = choose(m);
    MomentEvent *e;

    if (i == SIZE_MAX)
        return false;
    if (i == m->events.n) {
        Timer *timer = first_timer(m);

        stop_timer(&m->clock, timer);
        timer->on_fire(timer);
        return true;
    }
    e = m->events.v[i];
    memmove(&m->events.v[i], &m->events.v[i + 1], (m->events.n - i - 1) * sizeof(*m->events.v));
    m->events.n--;
    e->run(m, e);
    event_free(e);
    return true;
}

size_t moments_settle(Moments *m, int64_t within_ns)
{
    int64_t until = m->mono_ns + within_ns;
    size_t n = 0;

    for (;;) {
        Timer *timer;

        while (moments_step(m))
            if (++n > STEPS_MAX)
                fail_msg("it never comes to rest");
        timer = first_timer(m);
        if (!timer || timer->due_ns > until)
            break;
        m->mono_ns = MAX_OF(m->mono_ns, timer->due_ns);
    }
    m->mono_ns = until;
    return n;
}

/* ---- what there is ---- */

static void note(StrMap *map, char *value, const char *format, ...) _printf_(3, 4);

static void note(StrMap *map, char *value, const char *format, ...)
{
    char key[512];
    va_list args;

    va_start(args, format);
    format_text(key, sizeof(key), format, args);
    va_end(args);
    free(strmap_put(map, key, value));
}

static void note_map(StrMap *map, const StrMap *what, const char *prefix)
{
    STRMAP_EACH(what, slot)
        note(map, mem_strdup(slot->value), "%s/%s", prefix, slot->key);
}

/* How far a pod had come when it was deleted says nothing of the change. */
static void note_containers(StrMap *map, const Pod *pod, const ContainerStatusArray *all)
{
    for (size_t i = 0; i < all->n; i++) {
        const ContainerStatus *s = &all->v[i];
        const ContainerState *state = &s->state;

        if (pod->metadata.deletion_timestamp.set && !state->running)
            continue;

        note(map,
             mem_printf("%s %s %s", s->image, s->ready ? "ready" : "unready",
                        state->running      ? "running"
                        : state->terminated ? str_or(state->terminated->reason, "terminated")
                        : state->waiting    ? str_or(state->waiting->reason, "waiting")
                                            : "unknown"),
             "status/%s/%s", pod->metadata.uid, s->name);
        if (s->resources && state->running)
            note(map,
                 mem_printf("%s of %s", str_or(string_map_get(&s->resources->limits, "cpu"), "any"),
                            str_or(string_map_get(&s->allocated_resources, "cpu"), "any")),
                 "cpu/%s/%s", pod->metadata.uid, s->name);
    }
}

static void note_pod(StrMap *map, const Pod *pod)
{
    const char *uid = pod->metadata.uid;

    note(map,
         mem_printf("%s %s%s generation %" PRId64 " of %" PRId64,
                    pod->metadata.deletion_timestamp.set ? "terminating" : "alive",
                    str_or(pod->status.phase, ""), str_or(pod->status.reason, ""),
                    pod->status.observed_generation, pod->metadata.generation),
         "pod/%s", uid);
    for (size_t i = 0; i < pod->status.conditions.n; i++)
        note(map, mem_strdup(pod->status.conditions.v[i].status), "condition/%s/%s", uid,
             pod->status.conditions.v[i].type);
    note_containers(map, pod, &pod->status.init_container_statuses);
    note_containers(map, pod, &pod->status.container_statuses);
    note_containers(map, pod, &pod->status.ephemeral_container_statuses);
}

static void note_instances(StrMap *map, Moments *m)
{
    STRMAP_EACH(&m->running, slot) {
        const MomentPrepared *p = slot->value;

        note(map, mem_strdup(p->image), "running/%s", p->key);
        STRMAP_EACH(&p->env, var)
            note(map, mem_strdup(var->value), "env/%s/%s", p->key, var->key);
    }
}

/* Files as readers see them: the names in the volume's folder, through ..data. */
static void note_files(StrMap *map, const char *folder, const char *prefix)
{
    DIR *dir = opendir(folder);

    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        _free_ char *path = mem_printf("%s/%s", folder, entry->d_name), *text = NULL;
        _free_ char *name = mem_printf("%s/%s", prefix, entry->d_name);
        size_t n;

        if (entry->d_name[0] == '.')
            continue;
        if (file_read(path, 1 << 20, &text, &n) == 0)
            note(map, TAKE_PTR(text), "file/%s", name);
        else
            note_files(map, path, name);
    }
    if (dir)
        closedir(dir);
}

static void note_folders(StrMap *map, const char *root, const char *what)
{
    _free_ char *pods = mem_printf("%s/pods", root);
    DIR *dir = opendir(pods);

    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        _free_ char *volumes = mem_printf("%s/%s/volumes", pods, entry->d_name);

        if (entry->d_name[0] == '.')
            continue;
        note(map, mem_strdup("there"), "folder/%s/%s", what, entry->d_name);
        note_files(map, volumes, entry->d_name);
    }
    if (dir)
        closedir(dir);
}

void moments_snapshot(Moments *m, StrMap *ret)
{
    for (size_t i = 0; i < m->objects.n; i++) {
        Object *o = m->objects.v[i];

        if (str_equal(o->kind->kind, "Pod"))
            note_pod(ret, o->value);
        if (str_equal(o->kind->kind, "PersistentVolumeClaim"))
            note(ret,
                 mem_strdup(
                     str_or(string_map_get(&OBJECT_AS(PersistentVolumeClaim, o)->status.capacity,
                                           "storage"),
                            "none")),
                 "claim/%s", object_meta(o)->name);
        if (str_equal(o->kind->kind, "PersistentVolume"))
            note(ret, mem_strdup("there"), "volume/%s", object_meta(o)->name);
    }
    note_instances(ret, m);
    note_map(ret, &m->ports, "port");
    note_map(ret, &m->nets, "net");
    note_map(ret, &m->disks, "disk");
    note_folders(ret, m->run, "run");
    note_folders(ret, m->data, "data");
}

/* ---- the world ---- */

static char *make_token(void *data, Arena *arena, const Object *pod, const char *account,
                        const char *audience _unused_, int64_t lifetime _unused_)
{
    Object *object = moments_get(data, "ServiceAccount", object_meta(pod)->namespace, account);

    return object ? arena_printf(arena, "token %d of %s", ((Moments *)data)->token_epoch,
                                 object_meta(object)->name)
                  : NULL;
}

Moments *moments_new(uint64_t seed)
{
    Moments *m = mem_new_type(Moments);

    ASSERT(!moments_world);
    moments_world = m;
    m->client.ops = &moments_client_ops;
    m->clock.ops = &clock_ops;
    m->mono_ns = NS_PER_SEC;
    random_seed(&m->random, 1);
    m->shuffled = seed != 0;
    random_seed(&m->order, seed);
    /* In memory where there is such a folder: nothing of it has to survive. */
    snprintf(m->dir, sizeof(m->dir), "%s/stead-moments-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(m->dir));
    snprintf(m->run, sizeof(m->run), "%s/run", m->dir);
    snprintf(m->data, sizeof(m->data), "%s/data", m->dir);
    assert_int_equal(file_mkdir_all(m->run, 0755), 0);
    assert_int_equal(file_mkdir_all(m->data, 0755), 0);
    assert_int_equal(uv_loop_init(&m->loop), 0);
    return m;
}

void moments_start(Moments *m)
{
    _free_ char *shim = mem_printf("%s/stead-runtime", m->dir);
    Err err = ERR_INIT;
    NodeOptions options = {.loop = &m->loop,
                           .client = &m->client,
                           .clock = &m->clock,
                           .random = &m->random,
                           .net = (Net *)m,
                           .images = (ImageStore *)m,
                           .name = "node",
                           .instance = "moments-test",
                           .data_dir = m->data,
                           .run_dir = m->run,
                           .dns_ip = "10.96.0.10",
                           .domain = "cluster.local",
                           .api_address = "10.96.0.1",
                           .api_port = 443,
                           .helper_dir = m->dir,
                           .make_token = make_token,
                           .make_token_data = m};

    assert_int_equal(file_replace(shim, "", 0, 0755), 0);
    assert_int_equal(chmod(shim, 0755), 0);
    if (node_start(&options, &m->node, &err) < 0)
        fail_msg("%s", err.message);
}

static void map_clear(StrMap *map)
{
    STRMAP_DEINIT_WITH(map, free);
}

void moments_stop(Moments *m)
{
    moments_settle(m, 0); /* nothing is under way */
    m->node = node_stop(m->node);
    if (m->timers.n)
        fail_msg("the agent has left a timer behind");
    map_clear(&m->ports); /* what the process wished for */
}

Moments *moments_free(Moments *m)
{
    moments_stop(m);
    moments_settle(m, 0);
    for (size_t i = 0; i < m->live.n; i++) {
        free(m->live.v[i]->id);
        free(m->live.v[i]);
    }
    VEC_DEINIT(&m->live);
    STRMAP_DEINIT_WITH(&m->tasks, moment_prepared_free);
    strmap_deinit(&m->images);
    strmap_deinit(&m->reasons);
    strmap_deinit(&m->running);
    map_clear(&m->ports);
    map_clear(&m->nets);
    map_clear(&m->disks);
    for (size_t i = 0; i < m->objects.n; i++)
        object_unref(m->objects.v[i]);
    for (size_t i = 0; i < m->heads.n; i++)
        object_unref(m->heads.v[i]);
    for (size_t i = 0; i < m->watches.n; i++)
        free(m->watches.v[i]);
    VEC_DEINIT(&m->objects);
    VEC_DEINIT(&m->heads);
    VEC_DEINIT(&m->watches);
    VEC_DEINIT(&m->timers);
    VEC_DEINIT(&m->events);
    uv_run(&m->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&m->loop), 0);
    assert_int_equal(file_remove_tree(m->dir), 0);
    free(m);
    moments_world = NULL;
    return NULL;
}
