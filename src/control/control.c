/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts and stops the controllers, shares one watch per kind among them, and runs their reconciles;
 * see controller.h.
 *
 * Writes that are in flight cannot be cancelled when the controllers stop. control_stop() detaches
 * their records from the reconciles, so that an answer that arrives later frees its record and
 * touches nothing of a stopped controller.
 */
#include "api/schema/core_pod_v1.h"
#include "base/observe/turn.h"
#include "base/strmap.h"
#include "base/vec.h"
#include "codec/type.h"
#include "control/controller.h"
#include "control/controllers.h"
#include "control/report.h"

typedef struct Handler {
    Controller *controller;
    ControllerOnEvent on_event;
} Handler;

typedef struct KindWatch {
    Control *control;
    const Kind *kind; /* referenced */
    ClientWatch *watch;
    ObjectIndex *index; /* NULL if no controller has asked for one */
    VEC(Handler) handlers;
} KindWatch;

typedef struct Write {
    ListNode node;
    Reconcile *reconcile; /* NULL after the controllers have stopped */
    ReconcileDone done;
    void *data;
    uint64_t revision;    /* of the object before the write; 0 for a creation */
    bool missing_is_fine; /* a deletion: STATUS_NOT_FOUND is a success */
} Write;

/* A handler of the events of all kinds that it wants, also of those that are defined later. */
typedef struct KindsHandler {
    Handler handler;
    KindFilter wanted;
} KindsHandler;

struct Control {
    ControlOptions options;
    VEC(KindWatch *) watches;
    VEC(KindsHandler) of_kinds;
    KindListener kinds;
    Controller *controllers;
    size_t n_controllers;
    ListNode writes;
    bool started; /* all watches and indexes have been registered */
};

static const ControllerOps *const CONTROLLERS[] = {
    &garbage_controller,       &namespace_controller,    &statefulset_controller,
    &replicaset_controller,    &replication_controller,  &deployment_controller,
    &daemonset_controller,     &job_controller,          &cronjob_controller,
    &budget_controller,        &cluster_role_controller, &volume_controller,
    &claim_protect_controller, &scheduler_controller,    &taint_eviction_controller,
    &endpoints_controller,     &mirror_controller,       &load_balancer_controller,
    &event_expiry_controller,  &quota_controller,        &address_range_controller,
    &ip_address_controller,    &autoscaler_controller,   &bootstrap_controller,
    &certificate_controller,   &pod_claim_controller,    &claim_reservation_controller,
    &definition_controller,
};

/* ---- watches ---- */

static void on_watch_event(void *data, const WatchEvent *event)
{
    KindWatch *watch = data;
    TurnWork work;

    if (event->type == WATCH_BOOKMARK)
        return;
    turn_work_begin(&work, "watch event of", watch->kind->plural, object_meta(event->object)->name);
    if (watch->index)
        object_index_update(watch->index, event);
    if (watch->kind == &kind_pod)
        report_pod_event(event);
    for (size_t i = 0; i < watch->handlers.n; i++)
        watch->handlers.v[i].on_event(watch->handlers.v[i].controller, event);
    turn_work_end(&work);
}

static KindWatch *watch_of(Control *control, const Kind *kind)
{
    for (size_t i = 0; i < control->watches.n; i++)
        if (control->watches.v[i]->kind == kind)
            return control->watches.v[i];
    return NULL;
}

static KindWatch *watch_make(Control *control, const Kind *kind)
{
    KindWatch *watch = watch_of(control, kind);

    if (watch)
        return watch;
    watch = mem_new_type(KindWatch);
    watch->control = control;
    watch->kind = kind_ref(kind);
    VEC_PUSH(&control->watches, watch);
    return watch;
}

void controller_watch(Controller *controller, const Kind *kind, ControllerOnEvent on_event)
{
    Handler handler = {controller, on_event};

    ASSERT(!controller->control->started); /* the watch may be running already */
    VEC_PUSH(&watch_make(controller->control, kind)->handlers, handler);
}

static void add_handler(Control *control, const Kind *kind, const KindsHandler *of)
{
    if (kind_is_stored(kind) && of->wanted(kind))
        VEC_PUSH(&watch_make(control, kind)->handlers, of->handler);
}

void controller_watch_kinds(Controller *controller, KindFilter wanted, ControllerOnEvent on_event)
{
    KindsHandler of = {{controller, on_event}, wanted};

    ASSERT(!controller->control->started);
    VEC_PUSH(&controller->control->of_kinds, of);
    KIND_EACH(kind)
        add_handler(controller->control, kind, &of);
}

static void watch_begin(KindWatch *watch)
{
    watch->watch =
        client_watch(watch->control->options.client, watch->kind, NULL, on_watch_event, watch);
}

static void watch_end(KindWatch *watch)
{
    client_watch_stop(watch->control->options.client, TAKE_PTR(watch->watch));
}

static void watch_free(KindWatch *watch)
{
    object_index_free(watch->index);
    VEC_DEINIT(&watch->handlers);
    kind_unref(watch->kind);
    free(watch);
}

static void forget_family(Control *control, const KindFamily *family)
{
    size_t kept = 0;

    for (size_t i = 0; i < control->watches.n; i++) {
        KindWatch *watch = control->watches.v[i];

        if (watch->kind->family == family) {
            watch_end(watch);
            watch_free(watch);
        } else {
            control->watches.v[kept++] = watch;
        }
    }
    control->watches.n = kept;
}

/* Kinds of the run time come, are replaced, and go. A new watch shows all objects anew, so nothing is missed. */
static void on_kinds(KindListener *listener, const KindFamily *before, const KindFamily *after)
{
    Control *control = CONTAINER_OF(listener, Control, kinds);
    KindWatch *watch;

    if (before)
        forget_family(control, before);
    if (!after)
        return;
    for (size_t i = 0; i < control->of_kinds.n; i++)
        add_handler(control, after->stored, &control->of_kinds.v[i]);
    watch = watch_of(control, after->stored);
    if (watch)
        watch_begin(watch);
}

ObjectIndex *controller_index(Controller *controller, const Kind *kind)
{
    Control *control = controller->control;
    KindWatch *watch = control->started ? watch_of(control, kind) : watch_make(control, kind);

    ASSERT(watch && (watch->index || !control->started));
    if (!watch->index)
        watch->index = object_index_new(shared_index_keys(kind));
    return watch->index;
}

void controller_enqueue(Controller *controller, const char *ns, const char *name)
{
    _free_ char *key = NULL;

    if (!name)
        return; /* a reference without a name, such as an empty claimRef */
    key = str_empty(ns) ? mem_strdup(name) : mem_printf("%s/%s", ns, name);

    workqueue_add(controller->queue, key);
}

void controller_enqueue_self(Controller *controller, const WatchEvent *event)
{
    const ObjectMeta *meta = object_meta(event->object);

    controller_enqueue(controller, meta->namespace, meta->name);
}

void controller_enqueue_live(Controller *controller, const WatchEvent *event)
{
    if (event->type != WATCH_DELETED)
        controller_enqueue_self(controller, event);
}

void controller_enqueue_found(void *data, Object *object)
{
    controller_enqueue(data, object_meta(object)->namespace, object_meta(object)->name);
}

void controller_enqueue_owner(Controller *controller, const Kind *kind, const ObjectMeta *meta)
{
    const OwnerReference *ref = meta_controller(meta);

    if (ref && str_equal(ref->kind, kind->kind) && str_equal(ref->api_version, kind->api_version))
        controller_enqueue(controller, meta->namespace, ref->name);
}

typedef struct Orphan {
    Controller *controller;
    const ObjectMeta *meta;
    SelectorOf selector_of;
} Orphan;

static void on_possible_owner(void *data, Object *object)
{
    const Orphan *orphan = data;
    const ObjectMeta *meta = object_meta(object);
    _arena_ Arena arena = ARENA_INIT;

    if (selector_matches_labels(orphan->selector_of(&arena, object), &orphan->meta->labels))
        controller_enqueue(orphan->controller, meta->namespace, meta->name);
}

void controller_enqueue_owners(Controller *controller, const Kind *kind, const WatchEvent *event,
                               SelectorOf selector_of)
{
    const ObjectMeta *meta = object_meta(event->object);

    controller_enqueue_owner(controller, kind, meta);
    if (event->before)
        controller_enqueue_owner(controller, kind, object_meta(event->before));
    if (!meta_controller(meta) && event->type != WATCH_DELETED)
        object_index_selecting(controller_index(controller, kind), meta->namespace, &meta->labels,
                               on_possible_owner, &(Orphan){controller, meta, selector_of});
}

/* ---- reconciles ---- */

static void process(void *data, const char *key)
{
    Controller *controller = data;
    Reconcile *reconcile = mem_new_type(Reconcile);
    TurnWork work;
    char *slash;

    reconcile->controller = controller;
    reconcile->client = controller->client;
    reconcile->key = mem_strdup(key);
    reconcile->again_after_ns = -1;
    slash = strchr(reconcile->key, '/');
    reconcile->ns =
        slash ? arena_strndup(&reconcile->arena, key, (size_t)(slash - reconcile->key)) : "";
    reconcile->name = slash ? slash + 1 : reconcile->key;
    list_append(&controller->reconciles, &reconcile->node);
    report_begin(reconcile);
    turn_work_begin(&work, "reconcile", controller->ops->name, key);
    controller->ops->reconcile(reconcile);
    turn_work_end(&work);
}

static void reconcile_free(Reconcile *reconcile)
{
    list_remove(&reconcile->node);
    arena_clear(&reconcile->arena);
    free(reconcile->key);
    free(reconcile);
}

void reconcile_end(Reconcile *reconcile)
{
    WorkResult result = reconcile->failed     ? WORK_FAILED
                        : reconcile->progress ? WORK_PROGRESS
                                              : WORK_DONE;

    ASSERT(reconcile->pending == 0 && !reconcile->then);
    report_end(reconcile, result,
               workqueue_done(reconcile->controller->queue, reconcile->key, result,
                              reconcile->again_after_ns));
    reconcile_free(reconcile);
}

void reconcile_then(Reconcile *reconcile, void (*then)(Reconcile *))
{
    ASSERT(then && !reconcile->then);
    reconcile->then = then;
    if (reconcile->pending == 0) {
        reconcile->then = NULL;
        then(reconcile);
    }
}

static void carry_on(Reconcile *reconcile, Write *write, const ApiStatus *status, Object *object)
{
    void (*then)(Reconcile *);

    /* The server answers a write that changes nothing with the old revision. */
    if (status->reason == STATUS_OK && (!object || object->revision != write->revision))
        reconcile->progress = true;
    if (status->reason != STATUS_OK &&
        !(write->missing_is_fine && status->reason == STATUS_NOT_FOUND))
        report_refusal(reconcile, status);
    if (write->done)
        write->done(reconcile, write->data, status, object);
    else if (status->reason != STATUS_OK &&
             !(write->missing_is_fine && status->reason == STATUS_NOT_FOUND))
        reconcile->failed = true;
    reconcile->pending--;
    then = reconcile->then;
    if (reconcile->pending == 0 && then) {
        reconcile->then = NULL;
        then(reconcile);
    }
}

static void on_written(void *data, const ApiStatus *status, Object *object)
{
    Write *write = data;
    Reconcile *reconcile = write->reconcile;
    TurnWork work;

    list_remove(&write->node);
    if (reconcile) {
        turn_work_begin(&work, "reconcile", reconcile->controller->ops->name, reconcile->key);
        carry_on(reconcile, write, status, object);
        turn_work_end(&work);
    }
    free(write);
}

static Write *write_new(Reconcile *reconcile, const Object *of, ReconcileDone done, void *data)
{
    Write *write = mem_new_type(Write);

    write->reconcile = reconcile;
    write->revision = of ? of->revision : 0;
    write->done = done;
    write->data = data;
    list_append(&reconcile->controller->control->writes, &write->node);
    reconcile->pending++;
    return write;
}

void reconcile_reserve_volume(Reconcile *reconcile, const char *name, int64_t size, bool reserved,
                              ReconcileDone done, void *data)
{
    const ControlOptions *options = reconcile->controller->options;
    static const ApiStatus ok = {.reason = STATUS_OK};

    if (options->reserve_volume)
        options->reserve_volume(options->reserve_volume_data, name, size, reserved, on_written,
                                write_new(reconcile, NULL, done, data));
    else
        done(reconcile, data, &ok, NULL);
}

/* What a reconcile waits for while the node measures. */
typedef struct UsageWait {
    Write *write;
    ReconcileUsage done;
} UsageWait;

static void on_usage(void *data, const Usage *usage)
{
    static const ApiStatus ok = {.reason = STATUS_OK};
    UsageWait *wait = data;

    if (wait->write->reconcile)
        wait->done(wait->write->reconcile, wait->write->data, usage);
    on_written(wait->write, &ok, NULL);
    free(wait);
}

void reconcile_read_usage(Reconcile *reconcile, const UsageQuery *query, ReconcileUsage done,
                          void *data)
{
    UsageSource *source = reconcile->controller->options->usage;
    UsageWait *wait;

    if (!source) {
        done(reconcile, data, NULL);
        return;
    }
    wait = mem_new_type(UsageWait);
    wait->write = write_new(reconcile, NULL, NULL, data);
    wait->done = done;
    (void)source->ops->read(source, query, on_usage, wait);
}

void reconcile_create(Reconcile *reconcile, Object *object, const WriteOptions *options,
                      ReconcileDone done, void *data)
{
    client_create(reconcile->client, object, options, on_written,
                  write_new(reconcile, NULL, done, data));
    object_unref(object);
}

void reconcile_update(Reconcile *reconcile, Object *object, const WriteOptions *options,
                      ReconcileDone done, void *data)
{
    client_update(reconcile->client, object, options, on_written,
                  write_new(reconcile, object, done, data));
    object_unref(object);
}

void reconcile_delete(Reconcile *reconcile, const Object *object, const WriteOptions *options,
                      ReconcileDone done, void *data)
{
    const ObjectMeta *meta = object_meta(object);
    WriteOptions with_uid = options ? *options : (WriteOptions){0};
    Write *write = write_new(reconcile, object, done, data);

    write->missing_is_fine = true;
    with_uid.precondition_uid = meta->uid;
    client_delete(reconcile->client, object->kind, meta->namespace, meta->name, &with_uid,
                  on_written, write);
}

void reconcile_delete_value(Reconcile *reconcile, const Kind *kind, const void *value,
                            const WriteOptions *options, ReconcileDone done, void *data)
{
    Object object = {.kind = kind, .value = (void *)(uintptr_t)value};

    reconcile_delete(reconcile, &object, options, done, data);
}

/* ---- lists and objects ---- */

typedef struct Lister {
    Arena *arena;
    VEC(Object *) found;
} Lister;

static bool on_listed(void *data, Object *object)
{
    Lister *lister = data;

    VEC_PUSH(&lister->found, arena_hold_object(lister->arena, object));
    return true;
}

ObjectList control_list(Client *client, Arena *arena, const Kind *kind, const char *ns)
{
    Lister lister = {.arena = arena};
    ObjectList list = {0};

    client_list(client, kind, &(ListOptions){.ns = ns}, on_listed, &lister);
    list.n = lister.found.n;
    list.v = ARENA_COPY_N(arena, lister.found.v, list.n);
    VEC_DEINIT(&lister.found);
    return list;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(object_meta(*(Object *const *)a)->name, object_meta(*(Object *const *)b)->name);
}

ObjectList control_owned(Reconcile *reconcile, const Kind *kind, const ObjectMeta *owner,
                         const Selector *selector)
{
    const ObjectIndex *index = controller_index(reconcile->controller, kind);
    Arena *arena = &reconcile->arena;
    ObjectList owned =
        object_index_list(index, arena, arena_printf(arena, "c/%s", str_or(owner->uid, "")));
    ObjectList orphans = {0}, all;

    if (selector)
        orphans = object_index_select(index, arena, 'o', owner->namespace, selector);
    if (orphans.n == 0)
        return owned;
    all = (ObjectList){arena_new_n(arena, Object *, owned.n + orphans.n), owned.n + orphans.n};
    memcpy(all.v, owned.v, owned.n * sizeof(*all.v));
    memcpy(all.v + owned.n, orphans.v, orphans.n * sizeof(*all.v));
    qsort(all.v, all.n, sizeof(*all.v), compare_names);
    return all;
}

Object *reconcile_object(Reconcile *reconcile, const Kind *kind)
{
    const char *ns = *reconcile->ns ? reconcile->ns : NULL;
    Object *object = client_get(reconcile->client, kind, ns, reconcile->name);

    return object ? arena_hold_object(&reconcile->arena, object) : NULL;
}

/* ---- start and stop ---- */

static const WorkQueueOps queue_ops = {.process = process};

Control *control_start(const ControlOptions *options)
{
    Control *control = mem_new_type(Control);

    control->options = *options;
    list_init(&control->writes);
    control->n_controllers = ARRAY_LEN(CONTROLLERS);
    control->controllers = mem_new(sizeof(Controller) * control->n_controllers);
    for (size_t i = 0; i < control->n_controllers; i++) {
        Controller *controller = &control->controllers[i];

        controller->ops = CONTROLLERS[i];
        controller->control = control;
        controller->options = &control->options;
        controller->client = options->client;
        list_init(&controller->reconciles);
        controller->queue = workqueue_new(options->clock, &queue_ops, controller);
        workqueue_set_name(controller->queue, controller->ops->name);
        controller->events =
            event_recorder_new(options->client, options->clock, controller->ops->component, NULL);
        controller->ops->start(controller);
    }
    control->started = true;
    for (size_t i = 0; i < control->watches.n; i++)
        watch_begin(control->watches.v[i]);
    control->kinds.on_change = on_kinds;
    kind_listen(&control->kinds);
    return control;
}

Control *control_stop(Control *control)
{
    if (!control)
        return NULL;
    kind_unlisten(&control->kinds);
    for (size_t i = 0; i < control->watches.n; i++)
        watch_end(control->watches.v[i]);
    LIST_EACH_SAFE(&control->writes, node) {
        CONTAINER_OF(node, Write, node)->reconcile = NULL;
        list_remove(node);
    }
    for (size_t i = 0; i < control->n_controllers; i++) {
        Controller *controller = &control->controllers[i];

        LIST_EACH_SAFE(&controller->reconciles, node)
            reconcile_free(CONTAINER_OF(node, Reconcile, node));
        if (controller->ops->stop)
            controller->ops->stop(controller);
        controller->queue = workqueue_free(controller->queue);
        controller->events = event_recorder_free(controller->events);
    }
    for (size_t i = 0; i < control->watches.n; i++)
        watch_free(control->watches.v[i]);
    VEC_DEINIT(&control->watches);
    VEC_DEINIT(&control->of_kinds);
    free(control->controllers);
    free(control);
    return NULL;
}

void control_set_usage(Control *control, UsageSource *usage)
{
    control->options.usage = usage;
}

void control_volume_room(Control *control)
{
    for (size_t i = 0; i < control->n_controllers; i++)
        if (control->controllers[i].ops->on_room)
            control->controllers[i].ops->on_room(&control->controllers[i]);
}

const char *control_trouble(Control *control, int64_t patience_ns)
{
    int64_t now = clock_mono_ns(control->options.clock);

    for (size_t i = 0; i < control->n_controllers; i++) {
        LIST_EACH(&control->controllers[i].reconciles, node) {
            if (now - CONTAINER_OF(node, Reconcile, node)->began_ns > patience_ns)
                return "a reconcile has not ended for a long time";
        }
    }
    return NULL;
}
