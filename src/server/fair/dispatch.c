/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Levels are chosen by virtual time: each request that a level runs moves it on by the inverse of its
 * share, and the level that is behind most runs next. A level that was idle joins at the time of the
 * others, so it cannot save up turns. The queues of a level are chosen in the same way, with equal
 * shares.
 */
#include "server/fair/dispatch.h"

#define SEATS_ALL 600 /* of kube-apiserver: 400 for reads and 200 for writes */
#define TURN_MAX 16
#define QUEUES_MAX 1024 /* in use, however many the level is configured to have */
#define HAND_MAX 15

typedef struct Queue {
    ListNode tickets;
    size_t n;
    double time; /* virtual */
} Queue;

struct Level {
    Level *next;
    char *name, *uid;
    bool exempt, retired, queues_any;
    double share; /* at least a little, so that its virtual time moves on slowly */
    int32_t shares;
    int nominal;             /* seats */
    int lendable, borrowing; /* percent of them; borrowing < 0: without a limit */
    int running;
    size_t waiting;
    double time, queue_time;
    Queue *queues;
    size_t n_queues, hand, queue_max;
    MetricSeries *metric_running, *metric_waiting;
};

struct Dispatch {
    Clock *clock;
    Level *levels;
    double time;    /* virtual, of the level that ran last */
    int left;       /* requests that this turn may still run */
    size_t waiting; /* in all levels */
    Timer turn;
};

static void on_turn(Timer *timer);

Dispatch *dispatch_new(Clock *clock)
{
    Dispatch *dispatch = mem_new_type(Dispatch);

    dispatch->clock = clock;
    dispatch->left = TURN_MAX;
    dispatch->turn.on_fire = on_turn;
    dispatch->turn.data = dispatch;
    return dispatch;
}

static void level_free(Level *level)
{
    for (size_t i = 0; i < level->n_queues; i++)
        LIST_EACH_SAFE(&level->queues[i].tickets, node) {
            CONTAINER_OF(node, Ticket, node)->level = NULL;
            list_remove(node);
        }
    free(level->queues);
    free(level->name);
    free(level->uid);
    free(level);
}

Dispatch *dispatch_free(Dispatch *dispatch)
{
    if (!dispatch)
        return NULL;
    timer_stop(dispatch->clock, &dispatch->turn);
    for (Level *level = dispatch->levels, *next; level; level = next) {
        next = level->next;
        level_free(level);
    }
    free(dispatch);
    return NULL;
}

/* ---- levels ---- */

const char *level_uid(const Level *level)
{
    return level->uid;
}

static void set_queues(Level *level, const QueuingConfiguration *queuing)
{
    size_t n = queuing ? MIN_OF((size_t)queuing->queues, (size_t)QUEUES_MAX) : 0;

    level->queues_any = n > 0;
    if (!n || (n != level->n_queues && level->waiting))
        return; /* what waits keeps its queues; a later change of the level sets the number */
    level->hand = MIN_OF(MIN_OF((size_t)queuing->hand_size, (size_t)HAND_MAX), n);
    level->queue_max = (size_t)queuing->queue_length_limit;
    if (n == level->n_queues)
        return;
    free(level->queues);
    level->queues = mem_new(n * sizeof(*level->queues));
    level->n_queues = n;
    for (size_t i = 0; i < n; i++)
        list_init(&level->queues[i].tickets);
}

Level *dispatch_level(Dispatch *dispatch, const PriorityLevelConfiguration *config)
{
    const PriorityLevelConfigurationSpec *spec = &config->spec;
    Level *level = dispatch->levels;
    const int32_t *shares, *lendable;

    while (level && !str_equal(level->name, config->metadata.name))
        level = level->next;
    if (!level) {
        level = mem_new_type(Level);
        level->name = mem_strdup(config->metadata.name);
        level->next = dispatch->levels;
        level->time = dispatch->time;
        level->metric_running = METRIC_SERIES(METRIC_FLOW_EXECUTING, level->name);
        level->metric_waiting = METRIC_SERIES(METRIC_FLOW_INQUEUE, level->name);
        dispatch->levels = level;
    }
    level->retired = false;
    free(level->uid);
    level->uid = mem_strdup(str_or(config->metadata.uid, ""));
    level->exempt = spec->limited == NULL;
    shares = spec->limited  ? spec->limited->nominal_concurrency_shares
             : spec->exempt ? spec->exempt->nominal_concurrency_shares
                            : NULL;
    lendable = spec->limited  ? spec->limited->lendable_percent
               : spec->exempt ? spec->exempt->lendable_percent
                              : NULL;
    level->shares = shares ? *shares : 0;
    level->lendable = lendable ? *lendable : 0;
    level->borrowing = spec->limited && spec->limited->borrowing_limit_percent
                           ? *spec->limited->borrowing_limit_percent
                           : -1;
    level->share = level->shares > 0 ? (double)level->shares : 0.1;
    set_queues(level, spec->limited ? spec->limited->limit_response.queuing : NULL);
    return level;
}

/* The level itself stays, since requests on their way may refer to it. */
void dispatch_retire(Level *level)
{
    level->retired = true;
    level->shares = level->lendable = 0;
    level->share = 0.1;
}

/* As in Kubernetes, rounded up, so that a level with any share has a seat. */
void dispatch_divide(Dispatch *dispatch)
{
    int64_t sum = 0;

    for (Level *level = dispatch->levels; level; level = level->next)
        sum += level->retired ? 0 : level->shares;
    for (Level *level = dispatch->levels; level; level = level->next) {
        level->nominal =
            sum ? (int)((SEATS_ALL * (int64_t)level->shares + sum - 1) / sum) : SEATS_ALL;
        metric_set(METRIC_SERIES(METRIC_FLOW_NOMINAL, level->name), (double)level->nominal);
        metric_set(METRIC_SERIES(METRIC_FLOW_LENDABLE, level->name),
                   (double)level->nominal * level->lendable / 100);
    }
}

/* Whether the level has a seat of its own, or may have one that another level does not use. */
static bool has_seat(const Dispatch *dispatch, const Level *level)
{
    int64_t borrowed = level->running - level->nominal + 1, idle = 0;

    if (borrowed <= 0)
        return true;
    if (level->borrowing >= 0 && borrowed * 100 > (int64_t)level->nominal * level->borrowing)
        return false;
    for (const Level *other = dispatch->levels; other; other = other->next) {
        int64_t lends = (int64_t)other->nominal * other->lendable / 100;

        if (other != level && !other->retired)
            idle += MIN_OF(lends, MAX_OF((int64_t)other->nominal - other->running, INT64_C(0)));
        if (other != level && other->running > other->nominal) /* it has borrowed, too */
            idle -= other->running - other->nominal;
    }
    return borrowed <= idle;
}

/* ---- queues ---- */

/* The shortest queue of the flow's hand. */
static size_t choose_queue(const Level *level, uint64_t flow)
{
    size_t remainders[HAND_MAX], best = 0, shortest = SIZE_MAX;

    for (size_t i = 0; i < level->hand; i++) {
        uint64_t left = level->n_queues - i;
        size_t card = flow % left;

        flow /= left;
        remainders[i] = card;
        for (size_t k = i; k > 0; k--)
            card += card >= remainders[k - 1];
        if (level->queues[card].n < shortest) {
            shortest = level->queues[card].n;
            best = card;
        }
    }
    return best;
}

static void start_turn(Dispatch *dispatch)
{
    if (!dispatch->turn.active)
        timer_start(dispatch->clock, &dispatch->turn, 0);
}

static void run_ticket(Dispatch *dispatch, Level *level, Ticket *ticket)
{
    level->running++;
    metric_add(level->metric_running, 1);
    if (!level->exempt) {
        level->time = MAX_OF(level->time, dispatch->time) + 1 / level->share;
        dispatch->left--;
        start_turn(dispatch); /* which begins a new count */
    }
    ticket->run(ticket);
}

static void unqueue(Dispatch *dispatch, Ticket *ticket)
{
    Level *level = ticket->level;

    list_remove(&ticket->node);
    ticket->waits = false;
    level->queues[ticket->queue].n--;
    level->waiting--;
    dispatch->waiting--;
    metric_add(level->metric_waiting, -1);
}

bool dispatch_run(Dispatch *dispatch, Level *level, uint64_t flow, Ticket *ticket)
{
    Queue *queue;

    ticket->level = level;
    if (level->exempt || (!level->waiting && dispatch->left > 0 && !dispatch->waiting &&
                          has_seat(dispatch, level))) {
        run_ticket(dispatch, level, ticket);
        return true;
    }
    if (!level->queues_any || !level->n_queues) {
        /* A level without queues refuses only for want of a seat, never for want of time. */
        bool may = has_seat(dispatch, level);

        if (may)
            run_ticket(dispatch, level, ticket);
        else
            ticket->level = NULL;
        return may;
    }
    ticket->queue = choose_queue(level, flow);
    queue = &level->queues[ticket->queue];
    if (queue->n >= level->queue_max) {
        ticket->level = NULL;
        return false;
    }
    if (!queue->n) /* it was idle, which earns nothing */
        queue->time = MAX_OF(queue->time, level->queue_time);
    if (!level->waiting)
        level->time = MAX_OF(level->time, dispatch->time);
    list_append(&queue->tickets, &ticket->node);
    ticket->waits = true;
    queue->n++;
    level->waiting++;
    dispatch->waiting++;
    metric_add(level->metric_waiting, 1);
    start_turn(dispatch);
    return true;
}

static Level *next_level(Dispatch *dispatch)
{
    Level *best = NULL;

    for (Level *level = dispatch->levels; level; level = level->next)
        if (level->waiting && has_seat(dispatch, level) && (!best || level->time < best->time))
            best = level;
    return best;
}

static void run_next(Dispatch *dispatch, Level *level)
{
    Queue *queue = NULL;
    Ticket *ticket;

    for (size_t i = 0; i < level->n_queues; i++)
        if (level->queues[i].n && (!queue || level->queues[i].time < queue->time))
            queue = &level->queues[i];
    ASSERT(queue);
    level->queue_time = queue->time;
    queue->time += 1;
    dispatch->time = MAX_OF(dispatch->time, level->time);
    ticket = CONTAINER_OF(queue->tickets.next, Ticket, node);
    unqueue(dispatch, ticket);
    run_ticket(dispatch, level, ticket);
}

static void on_turn(Timer *timer)
{
    Dispatch *dispatch = timer->data;
    Level *level;

    dispatch->left = TURN_MAX;
    while (dispatch->waiting && dispatch->left > 0 && (level = next_level(dispatch)))
        run_next(dispatch, level);
    /* If no level has a seat, the end of a request begins the next turn. */
    if (dispatch->waiting && dispatch->left <= 0)
        start_turn(dispatch);
}

void dispatch_end(Dispatch *dispatch, Ticket *ticket)
{
    Level *level = TAKE_PTR(ticket->level);

    if (!level)
        return;
    if (ticket->waits) {
        ticket->level = level;
        unqueue(dispatch, ticket);
        ticket->level = NULL;
    } else {
        level->running--;
        metric_add(level->metric_running, -1);
    }
    if (dispatch->waiting)
        start_turn(dispatch);
}
