/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the store share. Everything here is used by the loop only, except for the part
 * of Store that is marked "shared", which its mutex guards.
 */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include <uv.h>

#include "base/list.h"
#include "base/strmap.h"
#include "base/vec.h"
#include "store/index.h"
#include "store/store.h"

typedef struct StoreKind {
    const Kind *kind;
    Index index;
    size_t committed; /* the number of objects that exist */
    ListNode watches; /* of StoreWatch.node */
    ListNode snapshots;
    /* texts.c */
    PackDictionary *dictionary; /* the newest of the kind, of store->dictionaries; NULL: none */
    bool dictionary_saved;
    /* the texts that did not resemble the dictionary, and how many of them lead to a new one */
    uint32_t unlike, patience;
} StoreKind;

/* A committed change, as watchers receive it. */
typedef struct Change {
    WatchEventType type;
    uint64_t revision;
    Object *object; /* kept */
    Object *before; /* kept; NULL: none, or unknown */
    size_t bytes;   /* the bytes that it is counted with in the window */
} Change;

/* The newest changes, in a ring that grows up to its limits: `max` changes, WINDOW_BYTES_MAX
 * bytes. */
typedef struct Window {
    Change *changes;
    size_t at, n, cap; /* cap is a power of two */
    size_t max, bytes;
    uint64_t oldest; /* changes up to and including this revision are not in it */
} Window;

struct StoreWatch {
    ListNode node;
    Store *store;
    const Kind *kind;       /* the one that was asked for, maybe a second form */
    uint64_t seen;          /* the watcher has received all changes up to this revision */
    ClientOnEvent on_event; /* NULL if the watch was stopped and has to be freed */
    void *data;
};

/* A queued write. Its key follows it in memory. */
typedef struct Write {
    struct Write *next;
    StoreDone done;
    void *data;
    StoreKind *of;
    StoreEntry *entry; /* NULL: no object but a dictionary of the kind (texts.c) */
    Object *object;    /* referenced: the new version; of a deletion the last one */
    uint64_t revision, id;
    bool deletion, created;
    bool urgent; /* see StoreRecord */
    char *key;
    Bytes value; /* packed, of the object */
} Write;

typedef struct WriteList {
    Write *first, **last; /* last is NULL while empty */
    size_t n;
} WriteList;

/* The writes that the store's thread commits in one transaction. */
typedef struct Batch {
    struct Batch *next;
    WriteList writes;
    bool counted;      /* in the metrics */
    int outcome;       /* 0, STORE_E_NO_SPACE, STORE_E_FAILED */
    int64_t queued_ns; /* when the first of its writes was queued; 0: unknown */
    StoreTimes times;
    Err err;
} Batch;

/* The handles of libuv, which are allocated separately because libuv releases them later than the
 * store is closed. */
typedef struct StoreHandles {
    uv_async_t async;
    uv_idle_t idle;
    uv_idle_t cool;
    Store *store; /* NULL: closed */
    int open;
} StoreHandles;

struct Store {
    StoreEngine *engine;
    StoreHandles *handles;  /* NULL: no loop; only store_flush_now drives it */
    VEC(StoreKind *) kinds; /* by Kind.id; NULL if the kind has not been used yet */
    uint64_t revision;      /* the newest committed revision */
    uint64_t next_revision; /* the revision of the next write, which never decreases */
    Window window;
    WriteList fresh; /* queued in this turn of the loop */
    size_t waiting;  /* the number of writes that have not been answered yet */
    Batch *arrived;  /* committed or failed, and not delivered yet, in order */
    int depth;       /* callbacks are running, so that nothing is delivered inside of a delivery */
    VEC(StoreWatch *) stopped; /* to be freed when depth is 0 */
    StrBuf key, text;          /* scratch */
    ObjectPool pool;
    VEC(PackDictionary *) dictionaries; /* by id - 1; NULL: not there */
    StrMap defined;    /* names of objects that have defined kinds ("plural.group") */
    StoreTimes times;  /* of the commit whose writers are being answered */
    int64_t fresh_ns;  /* when the first of `fresh` was queued */
    int64_t failed_ns; /* when a commit failed that none has succeeded after; 0: none has */

    uv_thread_t thread;
    bool has_thread;
    uv_mutex_t mutex;
    uv_cond_t wake, idle; /* the thread waits on wake; store_close on idle */
    /* shared */
    WriteList queue;
    WriteList urgent;      /* to be committed before the queue, and alone */
    int64_t queue_ns;      /* when the first of `queue` was queued */
    int64_t committing_ns; /* since when the thread has been busy with a batch; 0: it is not */
    Batch *done, **done_last;
    bool busy, stop;
    /* A commit failed. The thread commits nothing until the loop has refused the writes that depend
     * on it. */
    bool broken;
};

/* store.c */
StoreKind *store_kind(Store *store, const Kind *kind);
/* "ns/name" in store->key; valid until the next call. */
const char *store_format_key(Store *store, const char *ns, const char *name);
/* Delivers up to `max` writes of the batch. Returns true if these were all; the batch has been
 * freed then. */
bool store_deliver(Store *store, Batch *batch, size_t max);
/* Undoes a failed batch: first all heads are reset, and then, when new writes can be queued again,
 * its writers are answered. */
void store_roll_back(Store *store, Batch *batch);
void store_answer_refused(Batch *batch); /* frees the batch */

/* commit.c: from the queue to the engine and back. */
void write_list_push(WriteList *list, Write *write);
void write_list_move(WriteList *to, WriteList *from);
Write *write_free(Write *write);
int commit_start(Store *store, struct uv_loop_s *loop);
void commit_stop(Store *store);     /* answers all queued writes first */
void commit_schedule(Store *store); /* something was queued */
void commit_cool(Store *store);     /* the pool is full */

/* watch.c */
void window_init(Window *window, size_t max, uint64_t oldest);
void window_deinit(Window *window);
void window_push(Window *window, Change change); /* takes its references */
void watch_tell(StoreKind *of, const Change *change);
/* Decrements depth, and frees the watches that were stopped meanwhile. */
void watch_leave(Store *store);

/* snapshot.c */
/* `before` is about to be replaced or removed. */
void snapshot_note(StoreKind *of, const char *key, Object *before);

/* define.c */
/* The object is the newest one of its name, or the last one. */
void store_define(Store *store, const Object *object, bool deletion);
void store_define_loaded(Store *store);
void store_undefine_all(Store *store);

/* load.c */
int store_load(Store *store, Err *reterr);

/* texts.c */
/* Packs a sealed object; may queue a dictionary first. */
void texts_pack(Store *store, StoreKind *of, Object *object);
/* The commit of a dictionary failed. */
void texts_not_saved(Write *write);
/* A record that is a dictionary: takes it, and returns true. If its kind is unknown, it returns false; the record is to
 * be given to it again when the kind is known. */
bool texts_load(Store *store, const StoreRecord *record);
/* As packed_read. */
Packed *texts_read(Store *store, Bytes value);
void texts_deinit(Store *store);

#endif
