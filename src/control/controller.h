/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The framework for controllers. A controller is a row of CONTROLLERS (control.c). It registers the
 * kinds that it watches, maps each event to the keys that are affected, and reconciles one key at a
 * time. It reads directly from the store, and never older state than that of the event which it
 * reacts to, so it needs no cache that could become stale.
 *
 * A reconcile is one run for one key. It issues writes, uses reconcile_then() to continue when all of
 * them have been answered, and ends with reconcile_end(). A failed write marks the reconcile as
 * failed, and the key is retried after a back-off. Every reconcile starts from the current state, so
 * a retry continues work that was only partly done.
 */
#ifndef CONTROL_CONTROLLER_H
#define CONTROL_CONTROLLER_H

#include "api/client.h"
#include "api/meta.h"
#include "api/time.h"
#include "base/arena.h"
#include "base/list.h"
#include "control/control.h"
#include "control/object_index.h"
#include "view/events.h"

typedef struct Controller Controller;
typedef struct Reconcile Reconcile;

typedef struct ControllerOps {
    const char *name;                        /* for logs */
    const char *component;                   /* the source of its Events */
    void (*start)(Controller *controller);   /* sets data, registers watches */
    void (*reconcile)(Reconcile *reconcile); /* must lead to one reconcile_end() */
    void (*stop)(Controller *controller);    /* may be NULL; frees data */
    void (*on_room)(Controller *controller); /* may be NULL; see control_volume_room() */
} ControllerOps;

struct Controller {
    const ControllerOps *ops;
    Control *control;
    const ControlOptions *options;
    Client *client;
    WorkQueue *queue;
    EventRecorder *events;
    ListNode reconciles;
    struct MetricSeries *outcomes[3]; /* of reconciles; see report.c */
    void *data;
};

struct Reconcile {
    ListNode node;
    Controller *controller;
    Client *client;
    char *key;
    const char *ns, *name; /* the two parts of the key; ns is "" for a key without a slash */
    Arena arena;
    unsigned pending; /* writes in flight */
    bool failed;
    bool progress;          /* a write has changed something */
    int64_t again_after_ns; /* requeue after a success; negative: only an event does */
    void (*then)(Reconcile *reconcile);
    void *data; /* the controller's own state for this run, in the arena */
    int64_t began_ns;
    const char *refusal; /* why the first write that matters was refused; NULL if none was */
    bool refused;        /* such a refusal is unusual; see report.h */
};

/* Called for every event of the kind, on the loop. */
typedef void (*ControllerOnEvent)(Controller *controller, const WatchEvent *event);
/* May be called in start() only. All controllers share one watch per kind. */
void controller_watch(Controller *controller, const Kind *kind, ControllerOnEvent on_event);
/* Watches all stored kinds that are wanted: the built-in ones, and those that are defined while the server runs. May be
 * called in start() only. */
typedef bool (*KindFilter)(const Kind *kind);
void controller_watch_kinds(Controller *controller, KindFilter wanted, ControllerOnEvent on_event);
/* Adds "ns/name" to the queue, or "name" if ns is empty. Does nothing if name is NULL. */
void controller_enqueue(Controller *controller, const char *ns, const char *name);
/* Adds the key of the object itself: for the kind that the controller reconciles. */
void controller_enqueue_self(Controller *controller, const WatchEvent *event);
/* The same, unless the object has been deleted. */
void controller_enqueue_live(Controller *controller, const WatchEvent *event);
/* Adds the key of an object that an index or a list has found; data: the controller. */
void controller_enqueue_found(void *data, Object *object);
/* Adds the key of the controller owner, if that is of this kind. */
void controller_enqueue_owner(Controller *controller, const Kind *kind, const ObjectMeta *meta);
/* For an event of an object that may be owned by objects of `kind`, of which the controller has an
 * index: adds the present and the previous controller owner. If the object has no controller, adds
 * all objects of its namespace whose selector matches it, since these may adopt it. */
typedef struct Selector *(*SelectorOf)(Arena *arena, const Object *object);
void controller_enqueue_owners(Controller *controller, const Kind *kind, const WatchEvent *event,
                               SelectorOf selector_of);

/* The answer to a write. If status->reason is not STATUS_OK, the write was refused. */
typedef void (*ReconcileDone)(Reconcile *reconcile, void *data, const ApiStatus *status,
                              Object *object);

/* Both drop the caller's reference to `object`. If `done` is NULL, a refusal marks the reconcile as
 * failed; otherwise `done` decides what a refusal means. */
void reconcile_create(Reconcile *reconcile, Object *object, const WriteOptions *options,
                      ReconcileDone done, void *data);
void reconcile_update(Reconcile *reconcile, Object *object, const WriteOptions *options,
                      ReconcileDone done, void *data);
/* Deletes this very object: its uid is a precondition. An object that is already gone counts as
 * deleted. The second form takes the struct of the object, of which only name, namespace and uid
 * are used. */
void reconcile_delete(Reconcile *reconcile, const Object *object, const WriteOptions *options,
                      ReconcileDone done, void *data);
void reconcile_delete_value(Reconcile *reconcile, const Kind *kind, const void *value,
                            const WriteOptions *options, ReconcileDone done, void *data);
/* Writes a copy of the object with another status (a value of type ##Status) through the
 * subresource "status". */
#define RECONCILE_WRITE_STATUS(reconcile, T, object, new_status, done, data)                     \
    do {                                                                                         \
        Object *_copy = object_copy(object);                                                     \
                                                                                                 \
        type_copy(&type_##T##Status, &_copy->arena, &OBJECT_AS(T, _copy)->status, (new_status)); \
        reconcile_update((reconcile), _copy, &(WriteOptions){.subresource = "status"}, (done),   \
                         (data));                                                                \
    } while (0)
/* Makes a volume on the disk, with all its room if it is reserved. `done` has to handle a refusal. */
void reconcile_reserve_volume(Reconcile *reconcile, const char *name, int64_t size, bool reserved,
                              ReconcileDone done, void *data);
/* Asks the node what pods use. `usage` is NULL if nothing is measured, and valid during the callback
 * only. */
typedef void (*ReconcileUsage)(Reconcile *reconcile, void *data, const Usage *usage);
void reconcile_read_usage(Reconcile *reconcile, const UsageQuery *query, ReconcileUsage done,
                          void *data);
/* Calls `then` when all writes issued so far have been answered, immediately if none is in flight.
 * Only one continuation can be set at a time, and the caller must not use the reconcile after this
 * call, since `then` may have ended it. */
void reconcile_then(Reconcile *reconcile, void (*then)(Reconcile *));
/* Frees the reconcile. No write may be in flight, and no continuation may be set. */
void reconcile_end(Reconcile *reconcile);

/* The object of this kind that the key names, or NULL. It stays valid until the reconcile ends. */
Object *reconcile_object(Reconcile *reconcile, const Kind *kind);

/* The index of a kind, which all controllers share. A controller that needs it has to call this in
 * start() once. The index is updated before any controller is told of an event. */
ObjectIndex *controller_index(Controller *controller, const Kind *kind);
/* The objects that the owner controls, and those without a controller that the selector matches (if
 * it is not NULL). They come from the index of the kind, ordered by name. */
ObjectList control_owned(Reconcile *reconcile, const Kind *kind, const ObjectMeta *owner,
                         const Selector *selector);
/* All objects of a kind in a namespace, or in all namespaces if ns is NULL. The arena holds them.
 * The cost grows with the number of objects in the cluster, so use it for kinds with few objects
 * only; otherwise use an index. */
ObjectList control_list(Client *client, Arena *arena, const Kind *kind, const char *ns);

/* The wall clock, and the same as the API writes times: in whole seconds. */
static inline int64_t reconcile_now_ns(const Reconcile *reconcile)
{
    return clock_wall_ns(reconcile->controller->options->clock);
}
static inline Time reconcile_now(const Reconcile *reconcile)
{
    return time_seconds_from_ns(reconcile_now_ns(reconcile));
}

#endif
