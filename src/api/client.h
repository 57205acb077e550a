/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only access to the state. HTTP handlers, controllers, scheduler, node and commands all use
 * this interface. It is implemented by the server in the same process (a function call that shares
 * objects without copying them) and by HTTPS.
 *
 * Reads return at once, from the newest committed state that this client has seen. The result of a
 * write comes later, from the loop, when the write is durable; a write that is refused may call
 * back before the call returns. Objects are immutable, and are referenced for the duration of the
 * call or callback; use object_ref to keep one longer.
 */
#ifndef API_CLIENT_H
#define API_CLIENT_H

#include "api/object.h"
#include "api/selector.h"
#include "api/status.h"

typedef struct Client Client;
typedef struct ClientWatch ClientWatch;

/* The outcome of a write. On success status->reason is STATUS_OK and object is the new version (for
 * a delete: the last version, or the one now being deleted gracefully). */
typedef void (*ClientDone)(void *data, const ApiStatus *status, Object *object);

typedef enum WatchEventType {
    WATCH_ADDED,
    WATCH_MODIFIED,
    WATCH_DELETED,
    WATCH_BOOKMARK
} WatchEventType;

typedef struct WatchEvent {
    WatchEventType type;
    Object *object; /* for DELETED the last version, with the revision of the deletion */
    Object *before; /* the version before, for MODIFIED and DELETED; NULL where unknown */
    uint64_t revision;
} WatchEvent;

typedef void (*ClientOnEvent)(void *data, const WatchEvent *event);

typedef struct ListOptions {
    const char *ns;         /* NULL or "": all namespaces */
    const Selector *labels; /* NULL: everything */
    const Selector *fields;
} ListOptions;

typedef enum PatchType {
    PATCH_JSON,
    PATCH_MERGE,
    PATCH_STRATEGIC,
    PATCH_APPLY,
} PatchType;

typedef struct WriteOptions {
    const char *subresource;   /* NULL, "status", "binding", "eviction", "scale" */
    const char *field_manager; /* NULL: none recorded */
    bool dry_run;
    bool force; /* apply: take over conflicting fields */
    /* An update that brings an object of an earlier version of stead into the present form may change
     * fields that are immutable. Only for clients in the process. */
    bool reform;
    /* delete */
    const int64_t *grace_seconds; /* NULL: the object's own */
    const char *propagation;      /* NULL, "Background", "Foreground", "Orphan" */
    const char *precondition_uid; /* NULL: any */
    const char *precondition_revision;
} WriteOptions;

typedef struct ClientOps {
    /* *ret is borrowed: valid until the loop runs again. NULL if not there. */
    Object *(*get)(Client *client, const Kind *kind, const char *ns, const char *name);
    /* Calls `each` once for every object, sorted by namespace and name, until it returns false.
     * Returns the revision of the list. */
    uint64_t (*list)(Client *client, const Kind *kind, const ListOptions *options,
                     bool (*each)(void *data, Object *object), void *data);
    /* Delivers every existing object as ADDED, then a BOOKMARK, then changes as they are committed.
     * Events come from the loop, in the order of revisions. If there are few existing objects, they
     * are delivered before the call returns. Many are delivered in pieces, with changes in between.
     * At the BOOKMARK, each object that existed has been delivered once as ADDED, in the version of
     * the start or, if it has changed since, in a newer one. */
    ClientWatch *(*watch)(Client *client, const Kind *kind, const ListOptions *options,
                          ClientOnEvent on_event, void *data);
    void (*watch_stop)(ClientWatch *watch);
    void (*create)(Client *client, Object *object, const WriteOptions *options, ClientDone done,
                   void *data);
    /* Replaces; object's resourceVersion must be the newest, or empty to overwrite. */
    void (*update)(Client *client, Object *object, const WriteOptions *options, ClientDone done,
                   void *data);
    void (*patch)(Client *client, const Kind *kind, const char *ns, const char *name,
                  PatchType type, Bytes patch, const WriteOptions *options, ClientDone done,
                  void *data);
    void (*delete)(Client *client, const Kind *kind, const char *ns, const char *name,
                   const WriteOptions *options, ClientDone done, void *data);
    /* How many objects of the kind the namespace has. NULL: found out by list. */
    size_t (*count)(Client *client, const Kind *kind, const char *ns);
} ClientOps;

struct Client {
    const ClientOps *ops;
};

/* Thin inline forms. `options` and `done` may be NULL. */
static inline Object *client_get(Client *c, const Kind *kind, const char *ns, const char *name)
{
    return c->ops->get(c, kind, ns, name);
}
static inline uint64_t client_list(Client *c, const Kind *kind, const ListOptions *options,
                                   bool (*each)(void *, Object *), void *data)
{
    return c->ops->list(c, kind, options, each, data);
}
size_t client_count(Client *client, const Kind *kind, const char *ns);
static inline ClientWatch *client_watch(Client *c, const Kind *kind, const ListOptions *options,
                                        ClientOnEvent on_event, void *data)
{
    return c->ops->watch(c, kind, options, on_event, data);
}
static inline void client_watch_stop(Client *c, ClientWatch *watch)
{
    if (watch)
        c->ops->watch_stop(watch);
}
static inline void client_create(Client *c, Object *object, const WriteOptions *options,
                                 ClientDone done, void *data)
{
    c->ops->create(c, object, options, done, data);
}
static inline void client_update(Client *c, Object *object, const WriteOptions *options,
                                 ClientDone done, void *data)
{
    c->ops->update(c, object, options, done, data);
}
static inline void client_patch(Client *c, const Kind *kind, const char *ns, const char *name,
                                PatchType type, Bytes patch, const WriteOptions *options,
                                ClientDone done, void *data)
{
    c->ops->patch(c, kind, ns, name, type, patch, options, done, data);
}
static inline void client_delete(Client *c, const Kind *kind, const char *ns, const char *name,
                                 const WriteOptions *options, ClientDone done, void *data)
{
    c->ops->delete (c, kind, ns, name, options, done, data);
}

#endif
