/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine of tests and of the simulator: what a disk would hold, in a MemoryState that outlives
 * the engine, so that a server can "crash" and start again within one process. Fault points stand
 * for the disk that fails.
 */
#include "base/fault.h"
#include "base/strmap.h"
#include "base/vec.h"
#include "store/engine.h"

#define MEMORY_LOG_MAX 8192

typedef struct MemoryRecord {
    char *key;
    uint8_t *value; /* NULL: deleted */
    size_t value_n;
    uint8_t *last;
    size_t last_n;
    uint64_t revision, id;
    bool created;
} MemoryRecord;

struct MemoryState {
    StrMap objects;          /* key -> MemoryRecord */
    VEC(MemoryRecord *) log; /* oldest first */
    uint64_t revision, oldest;
};

typedef struct MemoryEngine {
    StoreEngine engine;
    MemoryState *state;
    bool owns_state;
} MemoryEngine;

static MemoryRecord *record_free(MemoryRecord *record)
{
    if (!record)
        return NULL;
    free(record->key);
    free(record->value);
    free(record->last);
    free(record);
    return NULL;
}

static uint8_t *copy_bytes(Bytes b, size_t *ret_n)
{
    uint8_t *p = NULL;

    *ret_n = b.n;
    if (b.p) {
        p = mem_new(b.n + 1);
        memcpy(p, b.p, b.n);
    }
    return p;
}

static MemoryRecord *record_new(const StoreRecord *from)
{
    MemoryRecord *record = mem_new_type(MemoryRecord);

    record->key = mem_strdup(from->key);
    record->value = copy_bytes(from->value, &record->value_n);
    record->last = copy_bytes(from->last, &record->last_n);
    record->revision = from->revision;
    record->id = from->id;
    record->created = from->created;
    return record;
}

static StoreRecord record_view(const MemoryRecord *record)
{
    return (StoreRecord){
        .key = record->key,
        .value = {record->value, record->value_n},
        .last = {record->last, record->last_n},
        .revision = record->revision,
        .id = record->id,
        .created = record->created,
    };
}

MemoryState *memory_state_new(void)
{
    return mem_new_type(MemoryState);
}

MemoryState *memory_state_free(MemoryState *state)
{
    if (!state)
        return NULL;
    STRMAP_DEINIT_WITH(&state->objects, record_free);
    for (size_t i = 0; i < state->log.n; i++)
        record_free(state->log.v[i]);
    VEC_DEINIT(&state->log);
    free(state);
    return NULL;
}

static int memory_load(StoreEngine *engine, int (*each)(void *data, const StoreRecord *record),
                       void *data, uint64_t *revision, Err *reterr _unused_)
{
    MemoryState *state = CONTAINER_OF(engine, MemoryEngine, engine)->state;

    *revision = state->revision;
    for (int dictionaries = 1; dictionaries >= 0; dictionaries--) {
        STRMAP_EACH(&state->objects, slot) {
            StoreRecord record = record_view(slot->value);
            int r = ((int64_t)record.id < 0) == dictionaries ? each(data, &record) : 0;

            if (r < 0)
                return ERR_TRACE(r);
        }
    }
    return 0;
}

static int memory_load_log(StoreEngine *engine, int (*each)(void *data, const StoreRecord *record),
                           void *data, uint64_t *oldest, Err *reterr _unused_)
{
    MemoryState *state = CONTAINER_OF(engine, MemoryEngine, engine)->state;

    *oldest = state->oldest;
    for (size_t i = 0; i < state->log.n; i++) {
        StoreRecord record = record_view(state->log.v[i]);
        int r = each(data, &record);

        if (r < 0)
            return ERR_TRACE(r);
    }
    return 0;
}

static void trim_log(MemoryState *state)
{
    size_t drop;

    if (state->log.n < 2 * MEMORY_LOG_MAX)
        return;
    drop = state->log.n - MEMORY_LOG_MAX;
    state->oldest = state->log.v[drop - 1]->revision;
    for (size_t i = 0; i < drop; i++)
        record_free(state->log.v[i]);
    memmove(state->log.v, state->log.v + drop, MEMORY_LOG_MAX * sizeof(*state->log.v));
    state->log.n = MEMORY_LOG_MAX;
}

static int memory_commit(StoreEngine *engine, const StoreRecord *records, size_t n, Err *reterr)
{
    MemoryState *state = CONTAINER_OF(engine, MemoryEngine, engine)->state;

    if (FAULT_POINT("store.full")) {
        err_set(reterr, ENOSPC, "write the state");
        return ENGINE_E_NO_SPACE;
    }
    if (FAULT_POINT("store.commit")) {
        err_set(reterr, EIO, "write the state");
        return ENGINE_E_FAILED;
    }
    for (size_t i = 0; i < n; i++) {
        const StoreRecord *record = &records[i];

        VEC_PUSH(&state->log, record_new(record));
        if (record->value.p)
            record_free(strmap_put(&state->objects, record->key, record_new(record)));
        else
            record_free(strmap_remove(&state->objects, record->key));
        state->revision = record->revision;
    }
    trim_log(state);
    return 0;
}

static void memory_close(StoreEngine *engine)
{
    MemoryEngine *memory = CONTAINER_OF(engine, MemoryEngine, engine);

    if (memory->owns_state)
        memory_state_free(memory->state);
    free(memory);
}

static const StoreEngineOps memory_ops = {
    .load = memory_load,
    .load_log = memory_load_log,
    .commit = memory_commit,
    .close = memory_close,
};

int engine_memory_open(MemoryState *state, StoreEngine **ret)
{
    MemoryEngine *memory = mem_new_type(MemoryEngine);

    memory->engine.ops = &memory_ops;
    memory->engine.synchronous = true;
    memory->state = state ? state : memory_state_new();
    memory->owns_state = !state;
    *ret = &memory->engine;
    return 0;
}
