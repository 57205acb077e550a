/* SPDX-License-Identifier: Apache-2.0 */
#include "base/format.h"
#include "sim.h"

#include "api/object.h"
#include "api/schema/core_event_v1.h"

/* ---- an engine that can lose what is queued ---- */

#define LOG_TAIL 64

typedef struct LossyEngine {
    StoreEngine engine;
    StoreEngine *inner;
    World *world;
    uint64_t newest;
} LossyEngine;

static int lossy_load(StoreEngine *engine, int (*each)(void *, const StoreRecord *), void *data,
                      uint64_t *revision, Err *reterr)
{
    LossyEngine *lossy = (LossyEngine *)engine;
    int r = lossy->inner->ops->load(lossy->inner, each, data, revision, reterr);

    lossy->newest = *revision;
    return r;
}

typedef struct Tail {
    int (*each)(void *, const StoreRecord *);
    void *data;
    uint64_t after;
} Tail;

static int each_in_tail(void *data, const StoreRecord *record)
{
    Tail *tail = data;

    return record->revision > tail->after ? tail->each(tail->data, record) : 0;
}

/* Only the end of the log, since most of the time of a simulated crash would go into reading it. */
static int lossy_load_log(StoreEngine *engine, int (*each)(void *, const StoreRecord *), void *data,
                          uint64_t *oldest, Err *reterr)
{
    LossyEngine *lossy = (LossyEngine *)engine;
    Tail tail = {each, data, lossy->newest > LOG_TAIL ? lossy->newest - LOG_TAIL : 0};
    int r = lossy->inner->ops->load_log(lossy->inner, each_in_tail, &tail, oldest, reterr);

    *oldest = MAX_OF(*oldest, tail.after);
    return r;
}

static int lossy_commit(StoreEngine *engine, const StoreRecord *records, size_t n, Err *reterr)
{
    LossyEngine *lossy = (LossyEngine *)engine;

    if (lossy->world->lose_commits)
        return ENGINE_E_FAILED;
    return lossy->inner->ops->commit(lossy->inner, records, n, reterr);
}

static void lossy_close(StoreEngine *engine)
{
    LossyEngine *lossy = (LossyEngine *)engine;

    lossy->inner->ops->close(lossy->inner);
    free(lossy);
}

static const StoreEngineOps lossy_ops = {
    .load = lossy_load,
    .load_log = lossy_load_log,
    .commit = lossy_commit,
    .close = lossy_close,
};

static StoreEngine *lossy_open(World *world)
{
    LossyEngine *lossy = mem_new_type(LossyEngine);

    ASSERT(engine_memory_open(world->state, &lossy->inner) == 0);
    lossy->engine.ops = &lossy_ops;
    lossy->engine.synchronous = true;
    lossy->world = world;
    return &lossy->engine;
}

/* ---- the client that fails ---- */

typedef enum Fate { FATE_DONE, FATE_REFUSED, FATE_LOST_ANSWER, FATE_SWALLOWED } Fate;

static FaultClient *fault_of(Client *client)
{
    return CONTAINER_OF(client, FaultClient, client);
}

static Fate choose_fate(World *world)
{
    world->n_writes++;
    if (world->crashed)
        return FATE_SWALLOWED;
    if (world->writes_until_crash > 0 && --world->writes_until_crash == 0) {
        world->crashed = true;
        return FATE_SWALLOWED;
    }
    if (world->calm || !one_in(world, 25))
        return FATE_DONE;
    world->n_conflicts++;
    return one_in(world, 4) ? FATE_LOST_ANSWER : FATE_REFUSED;
}

static void swallow(World *world, ClientDone done, void *data)
{
    Swallowed s = {done, data};

    if (done)
        VEC_PUSH(&world->swallowed, s);
}

static void refuse(ClientDone done, void *data)
{
    static const ApiStatus status = {.reason = STATUS_CONFLICT, .message = "simulated conflict"};

    if (done)
        done(data, &status, NULL);
}

typedef struct LostAnswer {
    ClientDone done;
    void *data;
} LostAnswer;

static void on_lost(void *data, const ApiStatus *status _unused_, Object *object _unused_)
{
    static const ApiStatus timeout = {.reason = STATUS_TIMEOUT,
                                      .message = "simulated loss of the answer"};
    LostAnswer *lost = data;

    if (lost->done)
        lost->done(lost->data, &timeout, NULL);
    free(lost);
}

/* True: done and data may be passed on (changed where the answer is to be lost). */
static bool admit(World *world, ClientDone *done, void **data)
{
    LostAnswer *lost;

    switch (choose_fate(world)) {
    case FATE_SWALLOWED:
        swallow(world, *done, *data);
        return false;
    case FATE_REFUSED:
        refuse(*done, *data);
        return false;
    case FATE_LOST_ANSWER:
        lost = mem_new_type(LostAnswer);
        *lost = (LostAnswer){*done, *data};
        *done = on_lost;
        *data = lost;
        return true;
    case FATE_DONE:
        break;
    }
    return true;
}

static Object *fault_get(Client *client, const Kind *kind, const char *ns, const char *name)
{
    return client_get(fault_of(client)->inner, kind, ns, name);
}

static uint64_t fault_list(Client *client, const Kind *kind, const ListOptions *options,
                           bool (*each)(void *, Object *), void *data)
{
    return client_list(fault_of(client)->inner, kind, options, each, data);
}

static ClientWatch *fault_watch(Client *client, const Kind *kind, const ListOptions *options,
                                ClientOnEvent on_event, void *data)
{
    return client_watch(fault_of(client)->inner, kind, options, on_event, data);
}

static void fault_watch_stop(ClientWatch *watch)
{
    /* The one inner client's own; it needs no more than the watch. */
    extern Client *sim_inner_client;

    client_watch_stop(sim_inner_client, watch);
}

Client *sim_inner_client;

static void fault_create(Client *client, Object *object, const WriteOptions *options,
                         ClientDone done, void *data)
{
    World *world = fault_of(client)->world;

    /* Events would only pile up. */
    if (object->kind == &kind_event)
        return;
    if (!world->crashed)
        sim_check_create(world, object);
    if (admit(world, &done, &data))
        client_create(fault_of(client)->inner, object, options, done, data);
}

static void fault_update(Client *client, Object *object, const WriteOptions *options,
                         ClientDone done, void *data)
{
    sim_log(fault_of(client)->world, "update %s %s %s", object->kind->kind,
            object_meta(object)->name, options ? str_or(options->subresource, "") : "");
    if (!fault_of(client)->world->crashed)
        sim_check_update(fault_of(client)->world, object);
    if (admit(fault_of(client)->world, &done, &data))
        client_update(fault_of(client)->inner, object, options, done, data);
}

static void fault_patch(Client *client, const Kind *kind, const char *ns, const char *name,
                        PatchType type, Bytes patch, const WriteOptions *options, ClientDone done,
                        void *data)
{
    if (admit(fault_of(client)->world, &done, &data))
        client_patch(fault_of(client)->inner, kind, ns, name, type, patch, options, done, data);
}

static void fault_delete(Client *client, const Kind *kind, const char *ns, const char *name,
                         const WriteOptions *options, ClientDone done, void *data)
{
    World *world = fault_of(client)->world;
    Object *there = client_get(fault_of(client)->inner, kind, ns, name);

    if (!world->crashed && there &&
        (!options || !options->precondition_uid ||
         str_equal(options->precondition_uid, object_meta(there)->uid)))
        sim_check_delete(world, kind, ns, name);
    if (admit(world, &done, &data))
        client_delete(fault_of(client)->inner, kind, ns, name, options, done, data);
}

static const ClientOps fault_ops = {
    .get = fault_get,
    .list = fault_list,
    .watch = fault_watch,
    .watch_stop = fault_watch_stop,
    .create = fault_create,
    .update = fault_update,
    .patch = fault_patch,
    .delete = fault_delete,
};

/* ---- life of the control plane ---- */

void sim_start(World *world)
{
    Err err = ERR_INIT;
    ServerOptions server = {
        .clock = world->clock,
        .random = &world->server_random,
        .service_cidr = "10.96.0.0/12",
        .node_name = SIM_NODE,
    };

    if (store_open(NULL, lossy_open(world), 512, &world->store, &err) != 0) {
        sim_violation(world, "the store does not open: %s", err.message);
        abort();
    }
    server.store = world->store;
    if (server_new(&server, &world->server, &err) != 0) {
        sim_violation(world, "the server does not start: %s", err.message);
        abort();
    }
    world->user = server_client(world->server, "sim-user");
    world->node = server_client(world->server, "system:node:" SIM_NODE);
    world->fault.client.ops = &fault_ops;
    world->fault.world = world;
    world->fault.inner = sim_inner_client =
        server_client(world->server, "system:kube-controller-manager");
    world->control = control_start(&(ControlOptions){
        .client = &world->fault.client,
        .clock = world->clock,
        .random = &world->server_random,
        .node_name = SIM_NODE,
        .root_ca_pem = "simulated",
        .volume_dir = "/sim/volumes",
        .api_address = "192.0.2.1",
        .api_port = 6443,
    });
}

static void end(World *world)
{
    world->crashed = true; /* nothing gets out any more */
    world->control = control_stop(world->control);
    for (size_t i = 0; i < world->swallowed.n; i++)
        refuse(world->swallowed.v[i].done, world->swallowed.v[i].data);
    world->swallowed.n = 0;
    /* What was queued is committed or lost now; either way it is answered while the server is still
     * there. */
    store_flush_now(world->store);
    world->server = server_free(world->server);
    world->store = store_close(world->store);
    world->crashed = false;
}

void sim_crash(World *world)
{
    sim_log(world, "crash");
    world->n_crashes++;
    world->lose_commits = one_in(world, 2);
    end(world);
    world->lose_commits = false;
    world->writes_until_crash = 0;
    sim_start(world);
}

void sim_stop(World *world)
{
    end(world);
    VEC_DEINIT(&world->swallowed);
    STRMAP_DEINIT_WITH(&world->claims, free);
    STRMAP_DEINIT_WITH(&world->alive, free);
}

void sim_turn(World *world, int64_t advance_ns)
{
    store_flush_now(world->store);
    store_rest(world->store); /* whoever still holds what was borrowed is found out */
    sim_check_state(world);   /* what controllers are about to act on */
    clock_fake_advance(world->clock, advance_ns);
    store_flush_now(world->store);
}

/* ---- lists, words ---- */

typedef struct Walk {
    Arena *arena;
    VEC(Object *) found;
} Walk;

static void unref(void *object)
{
    object_unref(object);
}

static bool on_found(void *data, Object *object)
{
    Walk *walk = data;

    arena_link(walk->arena, unref, object_ref(object));
    VEC_PUSH(&walk->found, object);
    return true;
}

SimList sim_list(World *world, Arena *arena, const Kind *kind)
{
    Walk walk = {.arena = arena};
    SimList list;

    client_list(world->user, kind, NULL, on_found, &walk);
    list.n = walk.found.n;
    list.v = arena_new_n(arena, Object *, walk.found.n + 1);
    if (list.n)
        memcpy(list.v, walk.found.v, list.n * sizeof(*list.v));
    VEC_DEINIT(&walk.found);
    return list;
}

void sim_violation(World *world, const char *format, ...)
{
    va_list args;

    if (*world->violation)
        return;
    va_start(args, format);
    format_text(world->violation, sizeof(world->violation), format, args);
    va_end(args);
    sim_log(world, "VIOLATION %s", world->violation);
}

void sim_log(World *world, const char *format, ...)
{
    va_list args;

    if (!world->verbose)
        return;
    fprintf(stderr, "%6" PRIu64 " ", world->steps);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}
