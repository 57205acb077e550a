/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame that all controllers stand in. A controller is a row of CONTROLLERS (control.c): it
 * says what it watches and which key an event touches, and reconciles a key. Reads are free and
 * never older than what was committed when the event came, so there is no cache of its own to go
 * stale.
 *
 * A reconcile is a run for one key. It issues writes, names with reconcile_then() what comes when
 * all of them have been answered, and ends with reconcile_end(). A write that fails marks it as
 * failed, and the key comes again after a back-off: since every reconcile starts from what is
 * there, half-done work is simply carried on.
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
    const char *component;                   /* the source of its events */
    void (*start)(Controller *controller);   /* sets data, registers watches */
    void (*reconcile)(Reconcile *reconcile); /* must end in reconcile_end, now or later */
    void (*stop)(Controller *controller);    /* may be NULL; frees data */
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
    const char *ns, *name; /* the key taken apart; ns is "" for a key without a slash */
    Arena arena;
    unsigned pending; /* writes not answered yet */
    bool failed;
    bool progress;          /* a write has changed something */
    int64_t again_after_ns; /* once it has ended well; negative: when something wakes it */
    void (*then)(Reconcile *reconcile);
    void *data; /* of the reconcile, in its arena */
    int64_t began_ns;
    const char *refusal; /* why a write was refused, the first that matters; NULL: none was */
    bool refused;        /* and that is not in the ordinary course of things */
};

/* Called for every event of the kind, from the loop. */
typedef void (*ControllerOnEvent)(Controller *controller, const WatchEvent *event);
/* In start only. One watch a kind is shared by all controllers. */
void controller_watch(Controller *controller, const Kind *kind, ControllerOnEvent on_event);
/* Adds "ns/name" ("name" for ns empty) to the queue; nothing where name is NULL. */
void controller_enqueue(Controller *controller, const char *ns, const char *name);
/* The object's own key: for the kind that the controller is about. */
void controller_enqueue_self(Controller *controller, const WatchEvent *event);
/* What controls the object, if it is of this kind. */
void controller_enqueue_owner(Controller *controller, const Kind *kind, const ObjectMeta *meta);
/* For the kind that the controller is about and has an index of, an event of something it can own: whoever controls it
 * or did before; and where nobody does, all of its namespace whose selector matches, since they may
 * adopt it. */
typedef const LabelSelector *(*SelectorOf)(const Object *object);
void controller_enqueue_owners(Controller *controller, const Kind *kind, const WatchEvent *event,
                               SelectorOf selector_of);

/* An answer to a write; on failure status->reason says why. */
typedef void (*ReconcileDone)(Reconcile *reconcile, void *data, const ApiStatus *status,
                              Object *object);

/* done may be NULL: then any refusal marks the reconcile as failed. `object` is the caller's
 * reference and is dropped. */
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
/* Takes the room of a volume on the machine; a refusal is for done to handle. */
void reconcile_reserve_volume(Reconcile *reconcile, const char *name, int64_t size,
                              ReconcileDone done, void *data);
/* Calls then when every write so far has been answered: at once if none is under way. */
void reconcile_then(Reconcile *reconcile, void (*then)(Reconcile *));
void reconcile_end(Reconcile *reconcile);

/* What the key names, or NULL; it stays until the reconcile has ended. */
Object *reconcile_object(Reconcile *reconcile, const Kind *kind);

/* In start: the kind is indexed from now on; one index a kind is shared by all controllers, and is
 * up to date before any of them hears of an event. Later: the index. */
ObjectIndex *controller_index(Controller *controller, const Kind *kind);
/* What the owner controls, and what nobody controls but its selector (may be NULL) matches; from
 * the kind's index, ordered by name. */
ObjectList control_owned(Reconcile *reconcile, const Kind *kind, const ObjectMeta *owner,
                         const Selector *selector);
/* Objects of a kind in a namespace (NULL: all), each passed by reference to what is still in the
 * store. A look at all there is: for few kinds, or what must be looked at anyway. */
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
