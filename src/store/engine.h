/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interface of what makes the state durable: SQLite, or memory for tests and the simulator. An
 * engine knows keys and bytes, but no kinds. load and the log are read once at start, on the loop;
 * commit is called on the store thread, one call at a time. The memory engine has `synchronous`
 * set: the store then commits on the loop, in the next turn (store_flush_now in the simulator),
 * without a thread.
 */
#ifndef STORE_ENGINE_H
#define STORE_ENGINE_H

#include "base/base.h"
#include "base/error.h"

typedef struct StoreEngine StoreEngine;

typedef struct StoreRecord {
    const char *key; /* "/registry/pods/default/web-0" */
    Bytes value;     /* packed (texts.c); p == NULL: deleted (in a commit and in the log) */
    Bytes last;      /* of a deletion: the last version, kept in the log for watchers */
    uint64_t revision;
    uint64_t id;  /* the revision that created the key; of a dictionary -1, -2...; not in the log */
    bool created; /* in the log: this change created the key */
    /* It makes room, or is on the way to that: a deletion, or a change of an object that is being
     * deleted. A commit of such records alone may use what is kept free for it. */
    bool urgent;
} StoreRecord;

enum { ENGINE_E_NO_SPACE = 1, ENGINE_E_FAILED };

typedef struct StoreEngineOps {
    /* Calls each once a current object: dictionaries first, else in any order. *revision: the
     * newest one used. */
    int (*load)(StoreEngine *engine, int (*each)(void *data, const StoreRecord *record), void *data,
                uint64_t *revision, Err *reterr);
    /* The kept log, oldest first. *oldest: changes up to and including this revision are not in
     * it. */
    int (*load_log)(StoreEngine *engine, int (*each)(void *data, const StoreRecord *record),
                    void *data, uint64_t *oldest, Err *reterr);
    /* All or nothing, durable on return. 0, ENGINE_E_NO_SPACE or ENGINE_E_FAILED (*reterr says
     * why). */
    int (*commit)(StoreEngine *engine, const StoreRecord *records, size_t n, Err *reterr);
    /* Housekeeping that is better done while nothing is written: true if rest() has something to
     * do. Both on the store thread; NULL where an engine has none. rest() is called once after a
     * short quiet, so a quiet store stays quiet. */
    bool (*wants_rest)(StoreEngine *engine);
    void (*rest)(StoreEngine *engine);
    void (*close)(StoreEngine *engine);
} StoreEngineOps;

struct StoreEngine {
    const StoreEngineOps *ops;
    bool synchronous;
};

/* DIR/state.db, locked: a second process is refused with a message that names the folder and the
 * holder's pid. The log keeps the newest `window` changes. */
int engine_sqlite_open(const char *dir, size_t window, StoreEngine **ret, Err *reterr);
/* Survives engine close and open within the process, so that tests can crash a server: `state` may
 * be shared. */
typedef struct MemoryState MemoryState;
MemoryState *memory_state_new(void);
MemoryState *memory_state_free(MemoryState *state);
int engine_memory_open(MemoryState *state, StoreEngine **ret);

#endif
