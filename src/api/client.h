/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one way to the state. HTTP handlers, controllers, scheduler, node and commands all use this
 * interface; behind it stands the server itself in the process (a function call, objects shared
 * without copying), or HTTPS.
 *
 * Reads answer at once from the newest committed state that this client has seen. Writes answer
 * later, from the loop, when they are durable; a write that is refused may answer before the call
 * returns. Objects that come out are immutable and referenced by their holder for as long as the
 * call or callback lasts: take object_ref to keep one.
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
    /* Calls each once an object, sorted by namespace and name; returns the revision of the list.
     * each returns false to stop. */
    uint64_t (*list)(Client *client, const Kind *kind, const ListOptions *options,
                     bool (*each)(void *data, Object *object), void *data);
    /* Every object there is as ADDED, then a BOOKMARK, then changes as they are committed. Events
     * come from the loop, in order of revision. The initial ones come before the call returns where
     * they are at hand and few. Many come in pieces, and changes in between: then the BOOKMARK says
     * that all that was there has come, each object once as ADDED, in the version at the start or,
     * if it has changed meanwhile, in a newer one. */
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
