/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state: current objects of every kind in memory, a window of recent changes for watchers, and
 * an engine that makes them durable.
 *
 * A write is checked against the newest head (what is committed plus what is queued), given the
 * next revision, and queued. The store thread commits all that is queued in one transaction; then,
 * on the loop and in order of revision, the cache changes, the watchers hear of it, and the writer
 * is answered. If a commit fails, everything queued is refused with the reason, the head goes back
 * to what is committed, and the next write tries again.
 *
 * Revisions are one counter for all kinds, decimal and comparable, never reused even over restarts.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "api/client.h"
#include "api/object.h"
#include "base/error.h"
#include "store/engine.h"

struct uv_loop_s;

typedef struct Store Store;
typedef struct StoreWatch StoreWatch;
typedef struct StoreSnapshot StoreSnapshot;

enum {
    STORE_E_EXISTS = 1, /* create: it is there */
    STORE_E_MISSING,    /* update, delete: it is not there */
    STORE_E_CONFLICT,   /* the head has another revision than expected */
    STORE_E_EXPIRED,    /* watch: the revision is older than the window */
    STORE_E_FUTURE,     /* watch, list: the revision is newer than the newest */
    STORE_E_NO_SPACE,   /* commit: the disk is full */
    STORE_E_FAILED,     /* commit: another reason, in text */
};

/* Opens the state through an engine (owned from here on) and reads all of it into memory. */
int store_open(struct uv_loop_s *loop, StoreEngine *engine, size_t window, Store **ret,
               Err *reterr);
/* Waits for queued writes, answers them, then closes. Watches must be stopped before. Its libuv
 * handles go in the loop's next turn. */
Store *store_close(Store *store);

uint64_t store_revision(const Store *store); /* newest committed */
uint64_t store_oldest(const Store *store);   /* watches can start after this one */

/* Committed state; borrowed until the loop runs again, as all that comes out of the store. */
Object *store_get(Store *store, const Kind *kind, const char *ns, const char *name);
/* The same, but possibly at rest (api/object.h): for those who want nothing but its JSON. */
Object *store_peek(Store *store, const Kind *kind, const char *ns, const char *name);
/* The newest version, queued or committed: what a write has to be based on. */
Object *store_head(Store *store, const Kind *kind, const char *ns, const char *name);
/* In order of key. ns NULL or "": all. Starts behind `after` ("ns/name", NULL: from the start), for
 * limit+continue. */
void store_list(Store *store, const Kind *kind, const char *ns, const char *after,
                bool (*each)(void *data, Object *object), void *data);
/* The same with objects possibly at rest. */
void store_walk(Store *store, const Kind *kind, const char *ns, const char *after,
                bool (*each)(void *data, Object *object), void *data);
size_t store_size(Store *store, const Kind *kind);

/* Within a StoreDone: when the transaction began and ended (monotonic, in nanoseconds); zeros from
 * an engine without a thread. */
typedef struct StoreTimes {
    int64_t began_ns, ended_ns;
} StoreTimes;
StoreTimes store_commit_times(const Store *store);
/* What is wrong with its writing: a commit has been under way for longer than this, or the newest
 * one failed less than this ago. NULL: nothing. */
const char *store_trouble(Store *store, int64_t patience_ns);

/* The same as it is now, one after the other, while the loop may run in between: objects that change
 * or go meanwhile come as they were. To be freed before the store is closed. */
StoreSnapshot *store_snapshot(Store *store, const Kind *kind, const char *ns, const char *after);
/* Possibly at rest; borrowed. NULL: that was all. */
Object *store_snapshot_next(StoreSnapshot *snapshot);
size_t store_snapshot_kept(const StoreSnapshot *snapshot);   /* older versions in memory for it */
StoreSnapshot *store_snapshot_free(StoreSnapshot *snapshot); /* NULL is fine */

/* Called on the loop when the write is durable (0), or failed (STORE_E_NO_SPACE, STORE_E_FAILED
 * with a reason). */
typedef void (*StoreDone)(void *data, int outcome, const char *reason, Object *object);

/* Each returns 0 when queued (done will be called later), or an outcome at once (done is not
 * called). The object becomes sealed and gets its revision; the store takes a reference of its own.
 * expected == 0: any. */
int store_create(Store *store, Object *object, StoreDone done, void *data);
int store_update(Store *store, Object *object, uint64_t expected, StoreDone done, void *data);
/* `last` is the final version that watchers see, a copy of the head; it gets the revision of the
 * deletion. */
int store_delete(Store *store, Object *last, uint64_t expected, StoreDone done, void *data);

/* Events after revision `from`, in order. from == 0: starts now. Buffered ones are delivered before
 * the call returns. At most one event a change; the callback may stop the watch. */
int store_watch(Store *store, const Kind *kind, uint64_t from, ClientOnEvent on_event, void *data,
                StoreWatch **ret);
void store_watch_stop(StoreWatch *watch);

/* Commits what is queued now, and answers: for synchronous engines (tests, simulator). */
void store_flush_now(Store *store);

/* Sends to rest what can go, whatever the limit: for tests and the simulator. Not within a
 * callback. */
void store_rest(Store *store);

#endif
