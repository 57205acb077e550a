/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue of keys. A key is in one of these states:
 *
 *   waiting   due later, because of a back-off or a deadline; in the list `waiting`, by due time
 *   ready     due now; in the list `ready`, first in, first out
 *   busy      being processed; an add in this state marks the key dirty, and it becomes ready again
 *             when the processing ends
 *   cooling   not due, but its number of requeues is remembered for a while; in the list `cooling`,
 *             by the time at which it is forgotten
 *
 * The queue forgets a key that is in none of these states and has not failed. One timer serves all
 * keys.
 *
 * Two rules keep the queue from monopolizing the loop:
 *
 * - One turn of the loop processes at most KEYS_PER_TURN keys and stops after TURN_NS. The remaining
 *   keys wait until the loop has polled for I/O (the clock does not fire a timer that was started
 *   while timers fire, see base/time/clock.c).
 * - An add from inside of process() is a requeue: a controller asked for it, and not a change in the
 *   cluster. The first requeue of a key is immediate; each further one doubles the delay, until a
 *   run of the key makes progress or an event adds it. This applies to a key that requeues itself
 *   and to two keys that requeue each other. A requeue with a delay of DEADLINE_NS or more is a
 *   deadline and is not delayed further.
 */
#include "base/list.h"
#include "base/observe/metrics.h"
#include "base/strmap.h"
#include "control/control.h"

#define BACKOFF_FIRST_NS (5 * NS_PER_MS)
#define BACKOFF_MAX_NS (1000 * NS_PER_SEC)
#define KEYS_PER_TURN 64
#define TURN_NS (4 * NS_PER_MS)
#define DEADLINE_NS NS_PER_SEC
#define COOL_NS (30 * NS_PER_SEC)

typedef struct Item {
    ListNode node; /* in ready, waiting or cooling */
    bool busy, ready, dirty, waiting, cooling;
    unsigned failures;
    unsigned requeues; /* since the last progress or event */
    int64_t due_ns;    /* when a waiting key becomes ready, or a cooling one is forgotten */
    int64_t since_ns;  /* when it became ready or busy */
    char key[];
} Item;

typedef struct QueueMetrics {
    MetricSeries *depth, *adds, *wait, *work, *unfinished, *longest, *retries;
} QueueMetrics;

struct WorkQueue {
    QueueMetrics metrics; /* all NULL until the queue has a name */
    MetricCollector collector;
    Clock *clock;
    const WorkQueueOps *ops;
    void *data;
    StrMap items;
    ListNode ready, waiting, cooling;
    size_t n_ready;
    Timer timer;
    bool running;
};

static void arm(WorkQueue *queue)
{
    int64_t now = clock_mono_ns(queue->clock), delay;

    if (queue->running)
        return;
    if (!list_empty(&queue->ready)) {
        delay = 0;
    } else if (!list_empty(&queue->waiting)) {
        delay = MAX_OF(CONTAINER_OF(queue->waiting.next, Item, node)->due_ns - now, 0);
    } else {
        timer_stop(queue->clock, &queue->timer);
        return;
    }
    if (!queue->timer.active || queue->timer.due_ns > now + delay)
        timer_start(queue->clock, &queue->timer, delay);
}

static Item *item_get(WorkQueue *queue, const char *key)
{
    Item *item = strmap_get(&queue->items, key);

    if (!item) {
        item = mem_new(sizeof(*item) + strlen(key) + 1);
        memcpy(item->key, key, strlen(key) + 1);
        strmap_put(&queue->items, key, item);
    }
    return item;
}

static void item_free(WorkQueue *queue, Item *item)
{
    list_remove(&item->node);
    strmap_remove(&queue->items, item->key);
    free(item);
}

static void stop_cooling(Item *item)
{
    if (!item->cooling)
        return;
    list_remove(&item->node);
    item->cooling = false;
}

/* Forgets a key that is in no state, or lets it cool while its number of requeues still matters. */
static void item_forget(WorkQueue *queue, Item *item)
{
    if (item->busy || item->ready || item->waiting || item->cooling || item->failures)
        return;
    if (!item->requeues) {
        item_free(queue, item);
        return;
    }
    item->cooling = true;
    item->due_ns = clock_mono_ns(queue->clock) + COOL_NS;
    list_append(&queue->cooling, &item->node);
}

static void forget_cooled(WorkQueue *queue)
{
    int64_t now = clock_mono_ns(queue->clock);

    while (!list_empty(&queue->cooling)) {
        Item *item = CONTAINER_OF(queue->cooling.next, Item, node);

        if (item->due_ns > now)
            return;
        item_free(queue, item);
    }
}

static int64_t backoff_ns(unsigned times)
{
    return MIN_OF(BACKOFF_FIRST_NS << MIN_OF(times, 30u), BACKOFF_MAX_NS);
}

static void make_ready(WorkQueue *queue, Item *item)
{
    if (item->waiting)
        list_remove(&item->node);
    item->waiting = false;
    if (item->ready)
        return;
    stop_cooling(item);
    item->ready = true;
    item->since_ns = clock_mono_ns(queue->clock);
    list_append(&queue->ready, &item->node);
    queue->n_ready++;
    if (queue->metrics.adds)
        metric_inc(queue->metrics.adds);
}

static void make_wait(WorkQueue *queue, Item *item, int64_t delay_ns)
{
    int64_t due = clock_mono_ns(queue->clock) + delay_ns;
    ListNode *after = queue->waiting.prev;

    if (item->ready || (item->waiting && item->due_ns <= due))
        return;
    stop_cooling(item);
    if (item->waiting) {
        list_remove(&item->node);
        after = queue->waiting.prev;
    }
    while (after != &queue->waiting && CONTAINER_OF(after, Item, node)->due_ns > due)
        after = after->prev;
    item->due_ns = due;
    item->waiting = true;
    list_append(after->next, &item->node);
}

static void move_due(WorkQueue *queue)
{
    int64_t now = clock_mono_ns(queue->clock);

    while (!list_empty(&queue->waiting)) {
        Item *item = CONTAINER_OF(queue->waiting.next, Item, node);

        if (item->due_ns > now)
            break;
        if (item->busy) {
            list_remove(&item->node);
            item->waiting = false;
            item->dirty = true;
        } else {
            make_ready(queue, item);
        }
    }
}

static void note_start(WorkQueue *queue, Item *item)
{
    int64_t now = clock_mono_ns(queue->clock);

    if (queue->metrics.wait)
        metric_observe_ns(queue->metrics.wait, now - item->since_ns);
    item->since_ns = now;
}

static void note_end(WorkQueue *queue, const Item *item, WorkResult result)
{
    if (!queue->metrics.work)
        return;
    metric_observe_ns(queue->metrics.work, clock_mono_ns(queue->clock) - item->since_ns);
    if (result == WORK_FAILED)
        metric_inc(queue->metrics.retries);
}

static void on_timer(Timer *timer)
{
    WorkQueue *queue = timer->data;
    int64_t end = clock_mono_ns(queue->clock) + TURN_NS;
    size_t most;

    queue->running = true;
    forget_cooled(queue);
    move_due(queue);
    /* Keys that become ready during this turn are left to the next one, so that no key is processed
     * twice in a turn. */
    most = MIN_OF(queue->n_ready, (size_t)KEYS_PER_TURN);
    for (size_t i = 0; i < most; i++) {
        Item *item = CONTAINER_OF(queue->ready.next, Item, node);

        if (i > 0 && clock_mono_ns(queue->clock) >= end)
            break;
        list_remove(&item->node);
        queue->n_ready--;
        item->ready = false;
        item->busy = true;
        note_start(queue, item);
        queue->ops->process(queue->data, item->key);
    }
    queue->running = false;
    arm(queue);
}

WorkQueue *workqueue_new(Clock *clock, const WorkQueueOps *ops, void *data)
{
    WorkQueue *queue = mem_new_type(WorkQueue);

    queue->clock = clock;
    queue->ops = ops;
    queue->data = data;
    queue->timer.on_fire = on_timer;
    queue->timer.data = queue;
    list_init(&queue->ready);
    list_init(&queue->waiting);
    list_init(&queue->cooling);
    return queue;
}

WorkQueue *workqueue_free(WorkQueue *queue)
{
    if (!queue)
        return NULL;
    metrics_collector_remove(&queue->collector);
    timer_stop(queue->clock, &queue->timer);
    STRMAP_DEINIT_WITH(&queue->items, free);
    free(queue);
    return NULL;
}

/* An event added the key: something has changed since its last run, so it runs without delay. */
static void add_now(WorkQueue *queue, Item *item)
{
    item->requeues = 0;
    if (item->busy)
        item->dirty = true;
    else
        make_ready(queue, item);
}

/* A controller requeued the key: unless that is a deadline, the back-off delays it. */
static void add_again(WorkQueue *queue, Item *item, int64_t delay_ns)
{
    bool soon = delay_ns < DEADLINE_NS;

    if (soon && item->requeues)
        delay_ns = MAX_OF(delay_ns, backoff_ns(item->requeues - 1));
    if (item->ready || item->dirty ||
        (item->waiting && item->due_ns <= clock_mono_ns(queue->clock) + delay_ns))
        return;
    item->requeues += soon;
    if (delay_ns > 0)
        make_wait(queue, item, delay_ns);
    else if (item->busy)
        item->dirty = true;
    else
        make_ready(queue, item);
}

void workqueue_add(WorkQueue *queue, const char *key)
{
    Item *item = item_get(queue, key);

    if (queue->running)
        add_again(queue, item, 0);
    else
        add_now(queue, item);
    arm(queue);
}

void workqueue_add_after(WorkQueue *queue, const char *key, int64_t delay_ns)
{
    add_again(queue, item_get(queue, key), MAX_OF(delay_ns, 0));
    arm(queue);
}

unsigned workqueue_done(WorkQueue *queue, const char *key, WorkResult result,
                        int64_t again_after_ns)
{
    Item *item = strmap_get(&queue->items, key);
    unsigned failures;

    if (NEVER(!item || !item->busy))
        return 0;
    note_end(queue, item, result);
    if (result == WORK_PROGRESS)
        item->requeues = 0;
    if (result != WORK_FAILED && again_after_ns >= 0)
        add_again(queue, item, again_after_ns);
    item->busy = false;
    if (result == WORK_FAILED)
        make_wait(queue, item, backoff_ns(item->failures++));
    else
        item->failures = 0;
    failures = item->failures;
    if (item->dirty)
        make_ready(queue, item);
    item->dirty = false;
    item_forget(queue, item);
    arm(queue);
    return failures;
}

/* ---- metrics ---- */

static void collect(void *data)
{
    WorkQueue *queue = data;
    int64_t now = clock_mono_ns(queue->clock), sum = 0, longest = 0;

    STRMAP_EACH(&queue->items, slot) {
        const Item *item = slot->value;

        if (!item->busy)
            continue;
        sum += now - item->since_ns;
        longest = MAX_OF(longest, now - item->since_ns);
    }
    metric_set(queue->metrics.depth, (double)queue->n_ready);
    metric_set(queue->metrics.unfinished, (double)sum / NS_PER_SEC);
    metric_set(queue->metrics.longest, (double)longest / NS_PER_SEC);
}

void workqueue_set_name(WorkQueue *queue, const char *name)
{
    queue->metrics = (QueueMetrics){
        .depth = METRIC_SERIES(METRIC_QUEUE_DEPTH, name),
        .adds = METRIC_SERIES(METRIC_QUEUE_ADDS, name),
        .wait = METRIC_SERIES(METRIC_QUEUE_WAIT, name),
        .work = METRIC_SERIES(METRIC_QUEUE_WORK, name),
        .unfinished = METRIC_SERIES(METRIC_QUEUE_UNFINISHED, name),
        .longest = METRIC_SERIES(METRIC_QUEUE_LONGEST, name),
        .retries = METRIC_SERIES(METRIC_QUEUE_RETRIES, name),
    };
    queue->collector = (MetricCollector){.collect = collect, .data = queue};
    metrics_collector_add(&queue->collector);
}
