/* SPDX-License-Identifier: Apache-2.0 */
/* See moments.h. Functions of the node's neighbours are replaced by those of the same names below:
 * the linker takes the first. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>

#include "base/file.h"
#include "base/format.h"
#include "base/process.h"
#include "codec/json.h"
#include "image/image.h"
#include "moments.h"
#include "node/agent.h"
#include "node/container_spec.h"
#include "node/volume_disk.h"

#define STEPS_MAX 20000

typedef enum LaneName { LANE_API, LANE_FIRST_FREE } LaneName;

struct MomentEvent {
    uint64_t lane, sequence;
    void (*run)(Moments *m, MomentEvent *e);
    void *a, *b, *c;
    int number;
    char *text;
    Object *object;
};

static Moments *world; /* fakes have no argument that leads to it */

static MomentEvent *push(uint64_t lane, void (*run)(Moments *m, MomentEvent *e))
{
    MomentEvent *e = mem_new_type(MomentEvent);

    e->lane = lane;
    e->sequence = ++world->sequence;
    e->run = run;
    VEC_PUSH(&world->events, e);
    return e;
}

static uint64_t lane_new(void)
{
    return LANE_FIRST_FREE + ++world->lanes;
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

static int64_t wall_ns(Clock *clock)
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

static const ClockOps clock_ops = {wall_ns, mono_ns, start_timer, stop_timer};

static Timer *first_timer(Moments *m)
{
    Timer *first = NULL;

    for (size_t i = 0; i < m->timers.n; i++)
        if (!first || m->timers.v[i]->due_ns < first->due_ns)
            first = m->timers.v[i];
    return first;
}

/* ---- the API ---- */

struct MomentWatch {
    const Kind *kind;
    const Selector *fields;
    ClientOnEvent on_event;
    void *data;
    bool stopped;
};

typedef VEC(Object *) Objects;

static Moments *of_client(Client *client)
{
    return CONTAINER_OF(client, Moments, client);
}

static size_t find_at(Object **v, size_t n, const Kind *kind, const char *ns, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (v[i]->kind == kind && str_equal(object_meta(v[i])->name, name) &&
            str_equal(object_meta(v[i])->namespace, ns))
            return i;
    return SIZE_MAX;
}

static Object *api_get(Client *client, const Kind *kind, const char *ns, const char *name)
{
    Moments *m = of_client(client);
    size_t i = find_at(m->objects.v, m->objects.n, kind, ns, name);

    return i == SIZE_MAX ? NULL : m->objects.v[i];
}

static uint64_t api_list(Client *client, const Kind *kind, const ListOptions *options,
                         bool (*each)(void *data, Object *object), void *data)
{
    Moments *m = of_client(client);

    for (size_t i = 0; i < m->objects.n; i++)
        if (m->objects.v[i]->kind == kind &&
            (!options || str_empty(options->ns) ||
             str_equal(object_meta(m->objects.v[i])->namespace, options->ns)) &&
            !each(data, m->objects.v[i]))
            break;
    return m->revision;
}

static bool is_watched(const MomentWatch *w, const Object *object)
{
    return !w->stopped && w->kind == object->kind &&
           (!w->fields || selector_matches_fields(w->fields, object));
}

static ClientWatch *api_watch(Client *client, const Kind *kind, const ListOptions *options,
                              ClientOnEvent on_event, void *data)
{
    Moments *m = of_client(client);
    MomentWatch *w = mem_new_type(MomentWatch);

    *w = (MomentWatch){kind, options ? options->fields : NULL, on_event, data, false};
    for (size_t i = 0; i < m->objects.n; i++)
        if (is_watched(w, m->objects.v[i]))
            on_event(data, &(WatchEvent){.type = WATCH_ADDED, .object = m->objects.v[i]});
    on_event(data, &(WatchEvent){.type = WATCH_BOOKMARK});
    VEC_PUSH(&m->watches, w);
    return (ClientWatch *)w;
}

static void api_watch_stop(ClientWatch *watch)
{
    ((MomentWatch *)watch)->stopped = true;
}

static void tell(Moments *m, WatchEventType type, Object *object, Object *before)
{
    for (size_t i = 0; i < m->watches.n; i++) {
        MomentWatch *w = m->watches.v[i];

        if (is_watched(w, object))
            w->on_event(w->data, &(WatchEvent){.type = type, .object = object, .before = before});
    }
}

static void answer(MomentEvent *e, StatusReason reason, Object *object)
{
    ClientDone done = (ClientDone)(uintptr_t)e->a;
    ApiStatus status = {.reason = reason};

    if (done)
        done(e->b, &status, object);
}

static void on_refused(Moments *m, MomentEvent *e)
{
    answer(e, (StatusReason)e->number, NULL);
}

static void refuse(ClientDone done, void *data, StatusReason reason)
{
    MomentEvent *e = push(LANE_API, on_refused);

    e->a = (void *)(uintptr_t)done;
    e->b = data;
    e->number = (int)reason;
}

/* Cache, watchers, caller: as the store does it when a write is durable. */
static void on_committed(Moments *m, MomentEvent *e)
{
    const ObjectMeta *meta = object_meta(e->object);
    size_t i = find_at(m->objects.v, m->objects.n, e->object->kind, meta->namespace, meta->name);
    _object_ Object *before = i == SIZE_MAX ? NULL : m->objects.v[i];

    if (i == SIZE_MAX)
        VEC_PUSH(&m->objects, object_ref(e->object));
    else
        m->objects.v[i] = object_ref(e->object);
    tell(m, before ? WATCH_MODIFIED : WATCH_ADDED, e->object, before);
    answer(e, STATUS_OK, e->object);
}

static void on_removed(Moments *m, MomentEvent *e)
{
    const ObjectMeta *meta = object_meta(e->object);
    size_t i = find_at(m->objects.v, m->objects.n, e->object->kind, meta->namespace, meta->name);
    _object_ Object *before = m->objects.v[i];

    m->objects.v[i] = m->objects.v[--m->objects.n];
    tell(m, WATCH_DELETED, before, before);
    answer(e, STATUS_OK, before);
}

static void commit(Moments *m, Object *object, bool removed, ClientDone done, void *data)
{
    const ObjectMeta *meta = object_meta(object);
    size_t i = find_at(m->heads.v, m->heads.n, object->kind, meta->namespace, meta->name);
    MomentEvent *e = push(LANE_API, removed ? on_removed : on_committed);

    e->a = (void *)(uintptr_t)done;
    e->b = data;
    e->object = object_ref(object);
    if (!removed) {
        object->revision = ++m->revision;
        object_meta(object)->resource_version =
            arena_printf(&object->arena, "%" PRIu64, object->revision);
        object->sealed = true;
    }
    if (i == SIZE_MAX) {
        VEC_PUSH(&m->heads, object_ref(object));
        return;
    }
    object_unref(m->heads.v[i]);
    m->heads.v[i] = removed ? m->heads.v[--m->heads.n] : object_ref(object);
}

static void api_create(Client *client, Object *object, const WriteOptions *options, ClientDone done,
                       void *data)
{
    Moments *m = of_client(client);
    const ObjectMeta *meta = object_meta(object);

    if (str_equal(object->kind->kind, "Event")) {
        strmap_put(&m->reasons, OBJECT_AS(Event, object)->reason, m);
        refuse(done, data, STATUS_OK);
    } else if (find_at(m->heads.v, m->heads.n, object->kind, meta->namespace, meta->name) !=
               SIZE_MAX) {
        refuse(done, data, STATUS_ALREADY_EXISTS);
    } else {
        commit(m, object, false, done, data);
    }
}

/* The main resource keeps the status, and the status subresource all else. */
static Object *merged(const Object *head, Object *object, const char *subresource)
{
    const Field *status = object->kind->status;
    bool status_write = str_equal(subresource, "status");
    const Object *base = status_write ? head : object, *other = status_write ? object : head;
    Object *copy = object_copy(base);

    if (status)
        type_copy(status->type, &copy->arena, (char *)copy->value + status->offset,
                  (const char *)other->value + status->offset);
    return copy;
}

static void api_update(Client *client, Object *object, const WriteOptions *options, ClientDone done,
                       void *data)
{
    Moments *m = of_client(client);
    const ObjectMeta *meta = object_meta(object);
    size_t i = find_at(m->heads.v, m->heads.n, object->kind, meta->namespace, meta->name);
    _object_ Object *next = NULL;

    if (i == SIZE_MAX || !str_equal(object_meta(m->heads.v[i])->uid, meta->uid)) {
        refuse(done, data, i == SIZE_MAX ? STATUS_NOT_FOUND : STATUS_CONFLICT);
        return;
    }
    if (!str_empty(meta->resource_version) &&
        !str_equal(meta->resource_version, object_meta(m->heads.v[i])->resource_version)) {
        refuse(done, data, STATUS_CONFLICT);
        return;
    }
    next = merged(m->heads.v[i], object, options ? options->subresource : NULL);
    commit(m, next,
           object_meta(next)->deletion_timestamp.set && !object_meta(next)->finalizers.n &&
               !str_equal(object->kind->kind, "Pod"),
           done, data);
}

static void api_patch(Client *client, const Kind *kind, const char *ns, const char *name,
                      PatchType type, Bytes patch, const WriteOptions *options, ClientDone done,
                      void *data)
{
    refuse(done, data, STATUS_NOT_FOUND);
}

static void api_delete(Client *client, const Kind *kind, const char *ns, const char *name,
                       const WriteOptions *options, ClientDone done, void *data)
{
    Moments *m = of_client(client);
    size_t i = find_at(m->heads.v, m->heads.n, kind, ns, name);
    int64_t grace = options && options->grace_seconds ? *options->grace_seconds : 0;
    _object_ Object *copy = NULL;
    ObjectMeta *meta;

    if (i == SIZE_MAX) {
        refuse(done, data, STATUS_NOT_FOUND);
        return;
    }
    if (options && options->precondition_uid &&
        !str_equal(options->precondition_uid, object_meta(m->heads.v[i])->uid)) {
        refuse(done, data, STATUS_CONFLICT);
        return;
    }
    copy = object_copy(m->heads.v[i]);
    meta = object_meta(copy);
    if ((!str_equal(kind->kind, "Pod") || grace == 0) && !meta->finalizers.n) {
        commit(m, m->heads.v[i], true, done, data);
        return;
    }
    if (meta->deletion_timestamp.set && meta->deletion_grace_period_seconds &&
        *meta->deletion_grace_period_seconds <= grace) {
        refuse(done, data, STATUS_OK);
        return;
    }
    meta->deletion_timestamp =
        (Time){.seconds = wall_ns(&m->clock) / NS_PER_SEC + grace, .set = true};
    meta->deletion_grace_period_seconds = arena_int64(&copy->arena, grace);
    commit(m, copy, false, done, data);
}

static const ClientOps client_ops = {api_get,    api_list,   api_watch, api_watch_stop,
                                     api_create, api_update, api_patch, api_delete};

void moments_put(Moments *m, const char *json)
{
    static const char *const ignore[] = {"apiVersion", "kind", NULL};
    _arena_ Arena arena = ARENA_INIT;
    _object_ Object *object = NULL;
    DecodeReport report = {0};
    yyjson_doc *doc;
    yyjson_val *root;

    if (json_parse(&arena, bytes_from_string(json), &doc, &report) != 0)
        abort();
    root = yyjson_doc_get_root(doc);
    object = object_new(kind_find_api_version(yyjson_get_str(yyjson_obj_get(root, "apiVersion")),
                                              yyjson_get_str(yyjson_obj_get(root, "kind"))));
    if (json_decode(object->kind->type, &object->arena, root, DECODE_CHECK_FIELDS, ignore,
                    object->value, &report) != 0 ||
        report.field_errors.n)
        abort();
    type_default(object->kind->type, &object->arena, object->value);
    commit(m, object, false, NULL, NULL);
}

void moments_delete(Moments *m, const char *kind, const char *ns, const char *name, int64_t grace)
{
    api_delete(&m->client, kind_find("", "v1", kind), ns, name,
               &(WriteOptions){.grace_seconds = &grace}, NULL, NULL);
}

Object *moments_edit(Moments *m, const char *kind, const char *ns, const char *name)
{
    size_t i = find_at(m->heads.v, m->heads.n, kind_find("", "v1", kind), ns, name);

    return i == SIZE_MAX ? NULL : object_copy(m->heads.v[i]);
}

void moments_write(Moments *m, Object *object, const char *subresource)
{
    api_update(&m->client, object, &(WriteOptions){.subresource = subresource}, NULL, NULL);
    object_unref(object);
}

Object *moments_get(Moments *m, const char *kind, const char *ns, const char *name)
{
    return api_get(&m->client, kind_find("", "v1", kind), ns, name);
}

/* ---- the pool ---- */

static void on_work_done(Moments *m, MomentEvent *e)
{
    ((uv_after_work_cb)(uintptr_t)e->c)(e->a, 0);
}

static void on_work(Moments *m, MomentEvent *e)
{
    MomentEvent *done;

    ((uv_work_cb)(uintptr_t)e->b)(e->a);
    done = push(e->lane, on_work_done);
    done->a = e->a;
    done->c = e->c;
}

int uv_queue_work(uv_loop_t *loop, uv_work_t *work, uv_work_cb f, uv_after_work_cb after)
{
    MomentEvent *e = push(lane_new(), on_work);

    e->a = work;
    e->b = (void *)(uintptr_t)f;
    e->c = (void *)(uintptr_t)after;
    return 0;
}

static void on_process_done(Moments *m, MomentEvent *e)
{
    ((ProcessDone)(uintptr_t)e->a)(e->b, &(ProcessResult){0});
}

void process_run(struct uv_loop_s *loop, const ProcessOptions *options, ProcessDone done,
                 void *data, Process **ret)
{
    MomentEvent *e = push(lane_new(), on_process_done);

    e->a = (void *)(uintptr_t)done;
    e->b = data;
}

/* ---- the network ---- */

const char *net_gateway(const Net *net)
{
    return "10.42.0.1";
}

static void on_net_added(Moments *m, MomentEvent *e)
{
    _free_ char *address = mem_printf("10.42.0.%d", e->number);

    free(strmap_put(&m->nets, e->text, mem_strdup(address)));
    ((NetPodDone)(uintptr_t)e->a)(e->b, &(NetPod){"/run/netns", address}, NULL);
}

void net_pod_add(Net *net, const char *key, const char *hostname, const char *address,
                 NetPodDone done, void *data)
{
    MomentEvent *e = push(lane_new(), on_net_added);

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

void net_pod_remove(Net *net, const char *key, void (*done)(void *data, const Err *err), void *data)
{
    MomentEvent *e = push(lane_new(), on_net_removed);

    e->a = (void *)(uintptr_t)done;
    e->b = data;
    e->text = mem_strdup(key);
}

void net_service_set(Net *net, const NetServicePort *port)
{
    char *text = port->n_endpoints
                     ? mem_printf("%s:%u", port->endpoints[0].address, port->endpoints[0].port)
                     : mem_strdup("none");

    free(strmap_put(&world->ports, port->key, text));
}

void net_service_remove(Net *net, const char *key)
{
    free(strmap_remove(&world->ports, key));
}

/* ---- images ---- */

int image_find(ImageStore *store, const char *name, Arena *arena, Image *ret, Err *reterr)
{
    if (!strmap_get(&world->images, name))
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

void image_bring(ImageStore *store, const char *name)
{
}

void moments_add_image(Moments *m, const char *name)
{
    strmap_put(&m->images, name, m);
    if (m->node)
        node_image_added(m->node);
}

/* ---- containers ---- */

typedef struct Prepared {
    char *key, *image; /* "uid/container" */
    StrMap env;
} Prepared;

struct RuntimeTask {
    uint64_t lane;
    const RuntimeEvents *events;
    void *data;
    char *id;
    bool forgotten, ending;
};

static void task_forget(Moments *m, RuntimeTask *t)
{
    size_t i = 0;

    while (m->live.v[i] != t)
        i++;
    m->live.v[i] = m->live.v[--m->live.n];
}

int container_spec_prepare(ContainerSpec *spec, Err *reterr)
{
    Prepared *p = mem_new_type(Prepared);
    const char *uid = strstr(spec->bundle, "/pods/") + 6;

    p->key = mem_printf("%.*s/%s", (int)strcspn(uid, "/"), uid, spec->name);
    p->image = mem_strdup(spec->image);
    for (size_t i = 0; i < spec->env.n; i++)
        free(strmap_put(&p->env, spec->env.v[i].key, mem_strdup(spec->env.v[i].value)));
    strmap_put(&world->tasks, spec->id, p);
    return 0;
}

static void prepared_free(Prepared *p)
{
    STRMAP_EACH(&p->env, slot)
    free(slot->value);
    strmap_deinit(&p->env);
    free(p->key);
    free(p->image);
    free(p);
}

Runtime *runtime_new(const RuntimeOptions *options)
{
    return mem_new(1);
}

Runtime *runtime_free(Runtime *runtime)
{
    free(runtime);
    return NULL;
}

void runtime_expect(Runtime *runtime)
{
}

static void on_task_end(Moments *m, MomentEvent *e)
{
    RuntimeTask *t = e->a;
    Prepared *p = strmap_get(&m->tasks, t->id);
    RuntimeExit end = {.exit_code = e->number,
                       .started_ns = wall_ns(&m->clock),
                       .finished_ns = wall_ns(&m->clock)};

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
    e = push(t->lane, on_task_end);
    e->a = t;
    e->number = code;
}

static void on_task_started(Moments *m, MomentEvent *e)
{
    RuntimeTask *t = e->a;
    Prepared *p = strmap_get(&m->tasks, t->id);

    if (strmap_put(&m->running, p->key, p))
        fail_msg("two instances of %s run at once", p->key);
    if (strstr(p->key, "/init"))
        task_end(t, 0);
    if (!t->forgotten)
        t->events->on_started(t->data, wall_ns(&m->clock));
}

static void on_task_created(Moments *m, MomentEvent *e)
{
    RuntimeTask *t = e->a;

    push(t->lane, on_task_started)->a = t;
    if (!t->forgotten)
        t->events->on_created(t->data);
}

RuntimeTask *runtime_start(Runtime *runtime, const RuntimeStart *start, const RuntimeEvents *events,
                           void *data)
{
    RuntimeTask *t = mem_new_type(RuntimeTask);

    t->lane = lane_new();
    t->events = events;
    t->data = data;
    t->id = mem_strdup(start->id);
    VEC_PUSH(&world->live, t);
    push(t->lane, on_task_created)->a = t;
    return t;
}

RuntimeTask *runtime_forget(RuntimeTask *t)
{
    if (t)
        t->forgotten = true;
    return NULL;
}

int runtime_signal(RuntimeTask *t, int number)
{
    if (t && (number == SIGKILL || !world->stubborn))
        task_end(t, 128 + number);
    return 0;
}

static void on_runtime_deleted(Moments *m, MomentEvent *e)
{
    ((void (*)(void *, const Err *))(uintptr_t)e->a)(e->b, NULL);
}

void runtime_delete(Runtime *runtime, const char *id, void (*done)(void *data, const Err *err),
                    void *data)
{
    MomentEvent *e;

    if (!done)
        return;
    e = push(lane_new(), on_runtime_deleted);
    e->a = (void *)(uintptr_t)done;
    e->b = data;
}

/* ---- probes and hooks: all of them succeed ---- */

static void on_probed(Moments *m, MomentEvent *e)
{
    AgentPod *pod = e->a;

    if (pod->machine)
        machine_probed(pod->machine, (size_t)(uintptr_t)e->b, (MachineProbe)e->number,
                       (uint64_t)(uintptr_t)e->c, true, "");
    agent_pod_unref(pod);
}

void probe_run(AgentPod *pod, size_t container, MachineProbe probe, uint64_t serial)
{
    MomentEvent *e = push(lane_new(), on_probed);

    e->a = agent_pod_ref(pod);
    e->b = (void *)(uintptr_t)container;
    e->c = (void *)(uintptr_t)serial;
    e->number = (int)probe;
}

static void on_hooked(Moments *m, MomentEvent *e)
{
    AgentPod *pod = e->a;

    if (pod->machine)
        machine_hooked(pod->machine, (size_t)(uintptr_t)e->b, (MachineHook)e->number,
                       (uint64_t)(uintptr_t)e->c, true, "");
    agent_pod_unref(pod);
}

void hook_run(AgentPod *pod, size_t container, MachineHook hook, int64_t limit_ns, uint64_t serial)
{
    MomentEvent *e = push(lane_new(), on_hooked);

    e->a = agent_pod_ref(pod);
    e->b = (void *)(uintptr_t)container;
    e->c = (void *)(uintptr_t)serial;
    e->number = (int)hook;
}

void attempts_cancel(NodeAgent *agent)
{
}

/* ---- claims' volumes ---- */

/* As the real ones do, none ever makes a volume smaller. */
static void disk_set(const char *name, int64_t size)
{
    const char *has = strmap_get(&world->disks, name);

    if (has)
        size = MAX_OF(size, strtoll(has, NULL, 10));
    free(strmap_put(&world->disks, name, mem_printf("%" PRId64, size)));
}

int volume_disk_reserve(const char *data_dir, const char *name, int64_t size, Err *reterr)
{
    disk_set(name, size);
    return 0;
}

int volume_disk_make(const char *data_dir, const char *name, int64_t size, char **ret, Err *reterr)
{
    disk_set(name, size);
    *ret = mem_printf("%s/volumes/%s", data_dir, name);
    return file_mkdir_all(*ret, 0755);
}

int volume_disk_grow(const char *data_dir, const char *name, int64_t size, Err *reterr)
{
    disk_set(name, size);
    return 0;
}

unsigned volume_disk_uses(const char *name)
{
    return 0;
}

int volume_disk_release(const char *data_dir, const char *name, unsigned uses, Err *reterr)
{
    return 0;
}

int volume_disk_remove(const char *data_dir, const char *name, Err *reterr)
{
    free(strmap_remove(&world->disks, name));
    return 0;
}

int volume_disk_keep(const char *data_dir, const char *name, Err *reterr)
{
    return 0;
}

void volume_disk_sweep(const char *data_dir, bool (*known)(void *data, const char *name),
                       void *data)
{
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
    STRMAP_EACH(&m->running, slot)
    {
        const Prepared *p = slot->value;

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
                        const char *audience, int64_t lifetime)
{
    Object *object = moments_get(data, "ServiceAccount", object_meta(pod)->namespace, account);

    return object ? arena_printf(arena, "token %d of %s", ((Moments *)data)->token_epoch,
                                 object_meta(object)->name)
                  : NULL;
}

Moments *moments_new(uint64_t seed)
{
    Moments *m = mem_new_type(Moments);

    ASSERT(!world);
    world = m;
    m->client.ops = &client_ops;
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
    STRMAP_EACH(map, slot)
    free(slot->value);
    strmap_deinit(map);
}

Moments *moments_free(Moments *m)
{
    moments_settle(m, 0); /* nothing is under way */
    m->node = node_stop(m->node);
    moments_settle(m, 0);
    for (size_t i = 0; i < m->live.n; i++) {
        free(m->live.v[i]->id);
        free(m->live.v[i]);
    }
    VEC_DEINIT(&m->live);
    STRMAP_EACH(&m->tasks, slot)
    prepared_free(slot->value);
    strmap_deinit(&m->tasks);
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
    world = NULL;
    return NULL;
}
