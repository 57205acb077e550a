/* SPDX-License-Identifier: Apache-2.0 */
/* Who runs when, counted in requests and turns, without a server. */
#include "testing.h"

#include "base/time/clock.h"
#include "server/fair/dispatch.h"

enum { TURN = 16 }; /* requests that one turn runs */

typedef struct Request {
    Ticket ticket;
    size_t *order; /* counts those that ran */
    size_t at;     /* its place; 0: it has not run */
} Request;

static void on_run(Ticket *ticket)
{
    Request *request = CONTAINER_OF(ticket, Request, ticket);

    request->at = ++*request->order;
}

typedef struct Rig {
    Clock *clock;
    Dispatch *dispatch;
    size_t order;
} Rig;

static int setup(void **state)
{
    Rig *rig = mem_new_type(Rig);

    rig->clock = clock_new_fake(NS_PER_SEC);
    rig->dispatch = dispatch_new(rig->clock);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    Rig *rig = *state;

    dispatch_free(rig->dispatch);
    clock_free_fake(rig->clock);
    free(rig);
    return 0;
}

static Level *make_level(Rig *rig, const char *name, int32_t shares, int32_t queues, int32_t hand,
                         int32_t length)
{
    int32_t lendable = 0;
    QueuingConfiguration queuing = {
        .queues = queues, .hand_size = hand, .queue_length_limit = length};
    LimitedPriorityLevelConfiguration limited = {
        .nominal_concurrency_shares = &shares,
        .lendable_percent = &lendable,
        .limit_response = {.type = "Queue", .queuing = queues ? &queuing : NULL},
    };
    PriorityLevelConfiguration config = {.metadata = {.name = name, .uid = "u"},
                                         .spec = {.type = "Limited", .limited = &limited}};
    Level *level = dispatch_level(rig->dispatch, &config);

    dispatch_divide(rig->dispatch);
    return level;
}

static bool begin(Rig *rig, Level *level, uint64_t flow, Request *request)
{
    *request = (Request){.order = &rig->order, .ticket = {.run = on_run}};
    return dispatch_run(rig->dispatch, level, flow, &request->ticket);
}

static void a_quiet_flow_waits_for_one_turn_however_many_another_sends(void **state)
{
    Rig *rig = *state;
    Level *level = make_level(rig, "low", 100, 64, 6, 200);
    static Request flood[1000], quiet;

    for (size_t i = 0; i < ARRAY_LEN(flood); i++)
        assert_true(begin(rig, level, 1, &flood[i]));
    assert_int_equal(rig->order, TURN); /* the others wait */
    assert_true(begin(rig, level, 4711, &quiet));
    clock_fake_step(rig->clock);
    assert_in_range(quiet.at, TURN + 1, 2 * TURN);
    for (size_t i = 0; i < ARRAY_LEN(flood); i++)
        dispatch_end(rig->dispatch, &flood[i].ticket);
    dispatch_end(rig->dispatch, &quiet.ticket);
}

static void levels_run_in_proportion_to_their_shares(void **state)
{
    Rig *rig = *state;
    Level *high = make_level(rig, "high", 300, 16, 4, 1000),
          *low = make_level(rig, "low", 100, 16, 4, 1000);
    static Request a[200], b[200];
    size_t n_high = 0, n_low = 0;

    for (size_t i = 0; i < TURN; i++) /* the first turn is used up */
        begin(rig, high, i, &a[i]);
    for (size_t i = TURN; i < ARRAY_LEN(a); i++)
        assert_true(begin(rig, high, i, &a[i]));
    for (size_t i = 0; i < ARRAY_LEN(b); i++)
        assert_true(begin(rig, low, i, &b[i]));
    for (size_t i = 0; i < 6; i++)
        clock_fake_step(rig->clock);
    for (size_t i = TURN; i < ARRAY_LEN(a); i++)
        n_high += a[i].at > 0;
    for (size_t i = 0; i < ARRAY_LEN(b); i++)
        n_low += b[i].at > 0;
    assert_int_equal(n_high + n_low, 6 * TURN);
    /* What the first turn ran counts, too. */
    assert_in_range(n_high + TURN, 3 * n_low - 4, 3 * n_low + 4);
    for (size_t i = 0; i < ARRAY_LEN(a); i++)
        dispatch_end(rig->dispatch, &a[i].ticket);
    for (size_t i = 0; i < ARRAY_LEN(b); i++)
        dispatch_end(rig->dispatch, &b[i].ticket);
}

static void a_flow_whose_queues_are_full_is_refused_and_others_are_not(void **state)
{
    Rig *rig = *state;
    Level *level = make_level(rig, "low", 100, 64, 2, 10);
    static Request flood[100], other;
    size_t accepted = 0;

    for (size_t i = 0; i < ARRAY_LEN(flood); i++)
        accepted += begin(rig, level, 1, &flood[i]);
    assert_int_equal(accepted, TURN + 2 * 10);
    assert_true(begin(rig, level, 99, &other));
    for (size_t i = 0; i < ARRAY_LEN(flood); i++)
        dispatch_end(rig->dispatch, &flood[i].ticket);
    dispatch_end(rig->dispatch, &other.ticket);
}

/* 600 seats are divided by shares; of 7 : 593, the first level has 7. */
static void a_level_has_no_more_seats_than_its_share(void **state)
{
    Rig *rig = *state;
    Level *small = make_level(rig, "small", 7, 4, 1, 100);
    static Request requests[20];

    make_level(rig, "rest", 593, 4, 1, 100);
    for (size_t i = 0; i < ARRAY_LEN(requests); i++)
        begin(rig, small, 1, &requests[i]);
    for (size_t i = 0; i < 5; i++)
        clock_fake_step(rig->clock);
    assert_int_equal(rig->order, 7);
    dispatch_end(rig->dispatch, &requests[0].ticket);
    clock_fake_step(rig->clock);
    assert_int_equal(rig->order, 8);
    for (size_t i = 0; i < ARRAY_LEN(requests); i++)
        dispatch_end(rig->dispatch, &requests[i].ticket);
}

static void a_request_whose_peer_is_gone_leaves_its_queue(void **state)
{
    Rig *rig = *state;
    Level *level = make_level(rig, "low", 100, 1, 1, 100);
    static Request requests[TURN + 2];

    for (size_t i = 0; i < ARRAY_LEN(requests); i++)
        begin(rig, level, 1, &requests[i]);
    dispatch_end(rig->dispatch, &requests[TURN].ticket);
    clock_fake_step(rig->clock);
    assert_int_equal(requests[TURN].at, 0);
    assert_int_equal(requests[TURN + 1].at, TURN + 1);
    for (size_t i = 0; i < ARRAY_LEN(requests); i++)
        dispatch_end(rig->dispatch, &requests[i].ticket);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_quiet_flow_waits_for_one_turn_however_many_another_sends),
        TEST(levels_run_in_proportion_to_their_shares),
        TEST(a_flow_whose_queues_are_full_is_refused_and_others_are_not),
        TEST(a_level_has_no_more_seats_than_its_share),
        TEST(a_request_whose_peer_is_gone_leaves_its_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
