/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the queue to the engine and back.
 *
 *   loop:    writes of one turn --(idle handle)--> queue, wake
 *   thread:  all of the queue --> one transaction --> done, async
 *   loop:    (async) done batches, in order: caches, watchers, answers
 *
 * The thread takes the whole queue whenever it becomes idle, so it commits together what was queued
 * during the previous commit, and never waits for the loop. After a failure it stops (`broken`):
 * what was queued since has been checked against heads that were never committed, so the loop
 * refuses all of it, resets the heads, and lets the thread continue.
 *
 * When the disk is full, writes that free space must still succeed: the urgent writes among the
 * refused ones are committed separately, unless another refused write concerns the same object.
 *
 * A synchronous engine has no thread: the idle handle commits and delivers.
 */
#include "base/log.h"
#include "base/observe/metrics.h"
#include "base/strmap.h"
#include "store/internal.h"

#define DELIVERED_IN_A_ROW 64               /* writes delivered in one turn of the loop */
#define COOLED_IN_A_ROW 512                 /* objects looked at in one turn of the loop */
#define QUIET_NS (2 * UINT64_C(1000000000)) /* before the engine may tidy up */

void write_list_push(WriteList *list, Write *write)
{
    write->next = NULL;
    if (!list->last)
        list->last = &list->first;
    *list->last = write;
    list->last = &write->next;
    list->n++;
}

void write_list_move(WriteList *to, WriteList *from)
{
    if (!from->first)
        return;
    if (!to->last)
        to->last = &to->first;
    *to->last = from->first;
    to->last = from->last;
    to->n += from->n;
    *from = (WriteList){0};
}

Write *write_free(Write *write)
{
    if (write)
        object_unref(write->object);
    free(write);
    return NULL;
}

/* libuv's monotonic clock, which the loop's Clock uses as well. */
static int64_t monotonic_ns(void)
{
    return (int64_t)uv_hrtime();
}

/* Runs on the store's thread, so it uses only the keys and values of the batch. */
static void commit_batch(StoreEngine *engine, Batch *batch)
{
    StoreRecord few[16], *records = few;
    size_t n = 0;
    int r;

    if (batch->writes.n > ARRAY_LEN(few))
        records = mem_new(batch->writes.n * sizeof(*records));
    for (const Write *write = batch->writes.first; write; write = write->next) {
        records[n++] = (StoreRecord){
            .key = write->key,
            .value = write->deletion ? BYTES_NULL : write->value,
            .last = write->deletion ? write->value : BYTES_NULL,
            .revision = write->revision,
            .id = write->id,
            .created = write->created,
            .urgent = write->urgent,
        };
    }
    r = engine->ops->commit(engine, records, n, &batch->err);
    batch->outcome = r == 0 ? 0 : r == ENGINE_E_NO_SPACE ? STORE_E_NO_SPACE : STORE_E_FAILED;
    if (records != few)
        free(records);
}

static Batch *batch_new(WriteList *writes)
{
    Batch *batch = mem_new_type(Batch);

    write_list_move(&batch->writes, writes);
    return batch;
}

/* ---- the thread ---- */

/* Waits with the mutex held. Returns false if the thread has to end. */
static bool wait_for_work(Store *store)
{
    StoreEngine *engine = store->engine;

    while ((!store->queue.first && !store->urgent.first) || store->broken) {
        uv_cond_broadcast(&store->idle);
        if (store->stop)
            return false;
        if (!store->broken && engine->ops->wants_rest && engine->ops->wants_rest(engine)) {
            if (uv_cond_timedwait(&store->wake, &store->mutex, QUIET_NS) == UV_ETIMEDOUT &&
                !store->queue.first && !store->stop) {
                store->busy = true;
                uv_mutex_unlock(&store->mutex);
                engine->ops->rest(engine);
                uv_mutex_lock(&store->mutex);
                store->busy = false;
            }
        } else {
            uv_cond_wait(&store->wake, &store->mutex);
        }
    }
    return true;
}

static void run_thread(void *data)
{
    Store *store = data;

    uv_mutex_lock(&store->mutex);
    while (wait_for_work(store)) {
        Batch *batch = batch_new(store->urgent.first ? &store->urgent : &store->queue);

        store->busy = true;
        batch->queued_ns = store->queue_ns;
        batch->times.began_ns = store->committing_ns = monotonic_ns();
        uv_mutex_unlock(&store->mutex);
        commit_batch(store->engine, batch);
        batch->times.ended_ns = monotonic_ns();
        uv_mutex_lock(&store->mutex);
        store->busy = false;
        store->committing_ns = 0;
        store->broken = batch->outcome != 0;
        *store->done_last = batch;
        store->done_last = &batch->next;
        uv_async_send(&store->handles->async);
    }
    uv_mutex_unlock(&store->mutex);
}

/* ---- the loop ---- */

static void hand_over(Store *store)
{
    if (!store->fresh.first)
        return;
    uv_mutex_lock(&store->mutex);
    if (!store->queue.first)
        store->queue_ns = store->fresh_ns;
    write_list_move(&store->queue, &store->fresh);
    if (!store->busy)
        uv_cond_signal(&store->wake);
    uv_mutex_unlock(&store->mutex);
}

static Batch *take_done(Store *store)
{
    Batch *done;

    uv_mutex_lock(&store->mutex);
    done = TAKE_PTR(store->done);
    store->done_last = &store->done;
    uv_mutex_unlock(&store->mutex);
    return done;
}

static void count_commit(const Batch *batch)
{
    metric_inc(metric_single(METRIC_COMMITS));
    metric_observe(metric_single(METRIC_COMMIT_WRITES), (double)batch->writes.n);
    if (batch->times.began_ns == 0)
        return;
    metric_observe_ns(metric_single(METRIC_COMMIT_DURATION),
                      batch->times.ended_ns - batch->times.began_ns);
    metric_observe_ns(metric_single(METRIC_COMMIT_WAIT), batch->times.began_ns - batch->queued_ns);
}

/* A commit is a unit of work of its own: its failure is logged here, once, and not again by each of
 * the writers that it refuses. */
static void report_failure(const Batch *batch)
{
    static LogLimit limit;
    bool full = batch->outcome == STORE_E_NO_SPACE;

    metric_inc(METRIC_SERIES(METRIC_COMMIT_FAILURES, full ? "no_space" : "failed"));
    log_err_limited(&limit, LOG_LEVEL_ERROR, "store", &batch->err, "a commit of %zu writes failed",
                    batch->writes.n);
}

/* Takes the refused writes that may be tried separately: none if a dictionary is among the refused,
 * since objects that were packed with it would be unreadable. */
static WriteList take_urgent(WriteList *refused)
{
    WriteList all = {0}, urgent = {0};
    StrMap concerned = STRMAP_INIT;
    bool any = false, all_saved = true;

    for (const Write *write = refused->first; write; write = write->next) {
        all_saved = all_saved && write->entry;
        any = any || write->urgent;
        if (!write->urgent)
            strmap_put(&concerned, write->key, refused);
    }
    if (any && all_saved && concerned.n > 0) {
        write_list_move(&all, refused);
        for (Write *write = all.first, *next; write; write = next) {
            bool alone = write->urgent && !strmap_get(&concerned, write->key);

            next = write->next;
            write->next = NULL;
            write_list_push(alone ? &urgent : refused, write);
        }
    }
    strmap_deinit(&concerned);
    return urgent;
}

/* Refuses everything that is queued, since it was checked against heads that the failed commit has
 * undone. */
static void refuse_all(Store *store, Batch *failed)
{
    WriteList more = {0}, urgent = {0};

    uv_mutex_lock(&store->mutex);
    write_list_move(&more, &store->urgent);
    write_list_move(&more, &store->queue);
    uv_mutex_unlock(&store->mutex);
    write_list_move(&more, &store->fresh);
    write_list_move(&failed->writes, &more);
    report_failure(failed);
    store->times = failed->times;
    store->failed_ns = monotonic_ns();
    if (failed->outcome == STORE_E_NO_SPACE)
        urgent = take_urgent(&failed->writes);
    store->depth++;
    store_roll_back(store, failed);
    uv_mutex_lock(&store->mutex);
    write_list_move(&store->urgent, &urgent);
    store->broken = false;
    uv_cond_signal(&store->wake);
    uv_mutex_unlock(&store->mutex);
    store_answer_refused(failed);
    watch_leave(store);
}

/* Delivers up to max writes of the batch. Returns false if there are more. */
static bool settle(Store *store, Batch *batch, size_t max)
{
    if (batch->outcome != 0) {
        refuse_all(store, batch);
        return true;
    }
    if (!batch->counted)
        count_commit(batch);
    batch->counted = true;
    store->times = batch->times;
    store->failed_ns = 0;
    return store_deliver(store, batch, max);
}

/* Callbacks take more time than the store itself, so at most `max` writes of a batch are delivered
 * in one turn of the loop. */
static void deliver_done(Store *store, size_t max)
{
    Batch **last = &store->arrived;

    while (*last)
        last = &(*last)->next;
    *last = take_done(store);
    while (store->arrived) {
        Batch *batch = store->arrived, *next = batch->next;

        if (!settle(store, batch, max)) {
            if (store->handles)
                uv_async_send(&store->handles->async);
            return;
        }
        store->arrived = next;
    }
    if (store->handles && store->waiting == 0)
        uv_unref((uv_handle_t *)&store->handles->async);
}

static void commit_on_loop(Store *store)
{
    WriteList *from = &store->fresh;

    for (; from->first; from = &store->urgent) {
        Batch *batch = batch_new(from);

        commit_batch(store->engine, batch);
        (void)settle(store, batch, SIZE_MAX);
    }
}

static void on_idle(uv_idle_t *idle)
{
    StoreHandles *handles = idle->data;
    Store *store = handles->store;

    if (store->engine->synchronous)
        commit_on_loop(store);
    else
        hand_over(store);
    if (!store->fresh.first)
        uv_idle_stop(idle);
}

static void on_async(uv_async_t *async)
{
    StoreHandles *handles = async->data;

    if (handles->store && handles->store->depth == 0)
        deliver_done(handles->store, DELIVERED_IN_A_ROW);
}

/* Runs between other callbacks of the loop, when no object is borrowed. */
static void on_cool(uv_idle_t *idle)
{
    StoreHandles *handles = idle->data;
    ObjectPool *pool = &handles->store->pool;

    if (!object_pool_cool(pool, pool->limit - pool->limit / 8, COOLED_IN_A_ROW))
        uv_idle_stop(idle);
}

void commit_cool(Store *store)
{
    if (store->handles && !uv_is_active((uv_handle_t *)&store->handles->cool))
        uv_idle_start(&store->handles->cool, on_cool);
}

void commit_schedule(Store *store)
{
    if (!store->handles)
        return;
    if (store->has_thread && store->waiting == 1)
        uv_ref((uv_handle_t *)&store->handles->async);
    if (store->fresh.n == 1)
        store->fresh_ns = monotonic_ns();
    uv_idle_start(&store->handles->idle, on_idle);
}

void store_flush_now(Store *store)
{
    ASSERT(store->engine->synchronous);
    if (store->depth == 0)
        commit_on_loop(store);
}

/* ---- start and stop ---- */

static void on_handle_closed(uv_handle_t *handle)
{
    StoreHandles *handles = handle->data;

    if (--handles->open == 0)
        free(handles);
}

int commit_start(Store *store, struct uv_loop_s *loop)
{
    int r;

    uv_mutex_init(&store->mutex);
    uv_cond_init(&store->wake);
    uv_cond_init(&store->idle);
    store->done_last = &store->done;
    if (!loop)
        return 0;
    store->handles = mem_new_type(StoreHandles);
    store->handles->store = store;
    store->handles->open = 3;
    store->handles->async.data = store->handles->idle.data = store->handles->cool.data =
        store->handles;
    r = uv_async_init(loop, &store->handles->async, on_async);
    if (r < 0) {
        free(TAKE_PTR(store->handles));
        return ERR_ORIGIN(r);
    }
    uv_unref((uv_handle_t *)&store->handles->async);
    uv_idle_init(loop, &store->handles->idle);
    uv_idle_init(loop, &store->handles->cool);
    if (store->engine->synchronous)
        return 0;
    r = uv_thread_create(&store->thread, run_thread, store);
    if (r < 0)
        return ERR_ORIGIN(r);
    store->has_thread = true;
    return 0;
}

static void wait_until_idle(Store *store)
{
    hand_over(store);
    uv_mutex_lock(&store->mutex);
    while (store->busy || ((store->queue.first || store->urgent.first) && !store->broken))
        uv_cond_wait(&store->idle, &store->mutex);
    uv_mutex_unlock(&store->mutex);
}

void commit_stop(Store *store)
{
    while (store->waiting > 0) {
        if (store->has_thread) {
            wait_until_idle(store);
            deliver_done(store, SIZE_MAX);
        } else {
            commit_on_loop(store);
        }
    }
    if (store->has_thread) {
        uv_mutex_lock(&store->mutex);
        store->stop = true;
        uv_cond_signal(&store->wake);
        uv_mutex_unlock(&store->mutex);
        uv_thread_join(&store->thread);
    }
    if (store->handles) {
        store->handles->store = NULL;
        uv_close((uv_handle_t *)&store->handles->async, on_handle_closed);
        uv_close((uv_handle_t *)&store->handles->idle, on_handle_closed);
        uv_close((uv_handle_t *)&store->handles->cool, on_handle_closed);
    }
    uv_cond_destroy(&store->idle);
    uv_cond_destroy(&store->wake);
    uv_mutex_destroy(&store->mutex);
}

/* ---- for those who watch over it ---- */

StoreTimes store_commit_times(const Store *store)
{
    return store->times;
}

const char *store_trouble(Store *store, int64_t patience_ns)
{
    int64_t now = monotonic_ns(), since;

    uv_mutex_lock(&store->mutex);
    since = store->committing_ns;
    uv_mutex_unlock(&store->mutex);
    if (since && now - since > patience_ns)
        return "a commit has not ended for a long time";
    if (store->failed_ns && now - store->failed_ns < patience_ns)
        return "the newest commit failed";
    return NULL;
}
