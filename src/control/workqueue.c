/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue of keys. A key is in one of these places:
 *
 *   waiting   due later, after a back-off or because something becomes due: `waiting`, by time
 *   ready     to be processed as soon as the loop comes round: `ready`, first in first out
 *   busy      handed out; an add meanwhile marks it dirty, and it is ready again when it is done
 *
 * and is forgotten when it is done, not dirty, not waiting and has not failed. One timer serves
 * all.
 */
#include "base/list.h"
#include "base/strmap.h"
#include "control/control.h"

#define BACKOFF_FIRST_NS (5 * NS_PER_MS)
#define BACKOFF_MAX_NS (1000 * NS_PER_SEC)
#define KEYS_PER_TURN 64

typedef struct Item {
    ListNode node; /* in ready or waiting */
    bool busy, ready, dirty, waiting;
    unsigned failures;
    int64_t due_ns;
    char key[];
} Item;

struct WorkQueue {
    Clock *clock;
    const WorkQueueOps *ops;
    void *data;
    StrMap items;
    ListNode ready, waiting;
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

static void item_forget(WorkQueue *queue, Item *item)
{
    if (item->busy || item->ready || item->waiting || item->failures)
        return;
    strmap_remove(&queue->items, item->key);
    free(item);
}

static void make_ready(WorkQueue *queue, Item *item)
{
    if (item->waiting)
        list_remove(&item->node);
    item->waiting = false;
    if (item->ready)
        return;
    item->ready = true;
    list_append(&queue->ready, &item->node);
}

static void make_wait(WorkQueue *queue, Item *item, int64_t delay_ns)
{
    int64_t due = clock_mono_ns(queue->clock) + delay_ns;
    ListNode *after = queue->waiting.prev;

    if (item->ready || (item->waiting && item->due_ns <= due))
        return;
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

static void on_timer(Timer *timer)
{
    WorkQueue *queue = timer->data;

    queue->running = true;
    move_due(queue);
    for (unsigned i = 0; i < KEYS_PER_TURN && !list_empty(&queue->ready); i++) {
        Item *item = CONTAINER_OF(queue->ready.next, Item, node);

        list_remove(&item->node);
        item->ready = false;
        item->busy = true;
        queue->ops->process(queue->data, item->key);
    }
    queue->running = false;
    arm(queue);
}

WorkQueue *workqueue_new(Clock *clock, Random *random _unused_, const WorkQueueOps *ops, void *data)
{
    WorkQueue *queue = mem_new_type(WorkQueue);

    queue->clock = clock;
    queue->ops = ops;
    queue->data = data;
    queue->timer.on_fire = on_timer;
    queue->timer.data = queue;
    list_init(&queue->ready);
    list_init(&queue->waiting);
    return queue;
}

WorkQueue *workqueue_free(WorkQueue *queue)
{
    if (!queue)
        return NULL;
    timer_stop(queue->clock, &queue->timer);
    STRMAP_EACH(&queue->items, slot)
    free(slot->value);
    strmap_deinit(&queue->items);
    free(queue);
    return NULL;
}

void workqueue_add(WorkQueue *queue, const char *key)
{
    Item *item = item_get(queue, key);

    if (item->busy)
        item->dirty = true;
    else
        make_ready(queue, item);
    arm(queue);
}

void workqueue_add_after(WorkQueue *queue, const char *key, int64_t delay_ns)
{
    if (delay_ns <= 0) {
        workqueue_add(queue, key);
        return;
    }
    make_wait(queue, item_get(queue, key), delay_ns);
    arm(queue);
}

void workqueue_done(WorkQueue *queue, const char *key, bool ok)
{
    Item *item = strmap_get(&queue->items, key);

    if (NEVER(!item || !item->busy))
        return;
    item->busy = false;
    if (ok) {
        item->failures = 0;
    } else {
        int64_t delay = BACKOFF_FIRST_NS << MIN_OF(item->failures, 30u);

        item->failures++;
        make_wait(queue, item, MIN_OF(delay, BACKOFF_MAX_NS));
    }
    if (item->dirty)
        make_ready(queue, item);
    item->dirty = false;
    item_forget(queue, item);
    arm(queue);
}
