/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that another server is asked about: one question for many waiters, answers that are kept for their
 * time, and limits. */
#include "testing.h"

#include "server/auth/token/lookup.h"

#define SECOND NS_PER_SEC

/* A source that answers when the test tells it to. */
typedef struct Fake {
    TokenSource source; /* first */
    TokenLookup *asked[LOOKUPS_MAX];
    size_t n, asked_ever, canceled;
    bool at_once;
} Fake;

typedef struct Waiter {
    TokenWaiter waiter; /* first */
    int called;
    char user[64], error[128];
} Waiter;

typedef struct World {
    Clock *clock;
    TokenLookups *lookups;
    Fake fake;
} World;

static void fake_answer(Fake *fake, size_t i, const char *name, const char *error, int64_t keep_ns)
{
    TokenLookup *lookup = fake->asked[i];
    TokenAnswer answer = {.error = error, .keep_ns = keep_ns};

    if (name)
        answer.user = user_new(name, NULL);
    memmove(&fake->asked[i], &fake->asked[i + 1], (--fake->n - i) * sizeof(fake->asked[0]));
    token_lookup_answer(lookup, &answer);
    user_unref(answer.user);
}

static void fake_check(TokenSource *source, TokenLookup *lookup)
{
    Fake *fake = (Fake *)source;

    fake->asked_ever++;
    fake->asked[fake->n++] = lookup;
    if (fake->at_once)
        fake_answer(fake, fake->n - 1, "jane", NULL, 10 * SECOND);
}

static void fake_cancel(TokenSource *source, TokenLookup *lookup)
{
    Fake *fake = (Fake *)source;

    fake->canceled++;
    for (size_t i = 0; i < fake->n; i++)
        if (fake->asked[i] == lookup)
            fake->asked[i] = fake->asked[--fake->n];
}

static const TokenSource fake_source = {.check = fake_check, .cancel = fake_cancel};

static void on_done(TokenWaiter *waiter, const TokenAnswer *answer)
{
    Waiter *w = (Waiter *)waiter;

    w->called++;
    snprintf(w->user, sizeof(w->user), "%s", answer->user ? answer->user->name : "");
    snprintf(w->error, sizeof(w->error), "%s", str_or(answer->error, ""));
}

static int setup(void **state)
{
    World *w = mem_new_type(World);

    w->clock = clock_new_fake(0);
    w->lookups = token_lookups_new(w->clock);
    w->fake.source = fake_source;
    token_lookups_add(w->lookups, &w->fake.source);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    World *w = *state;

    token_lookups_free(w->lookups);
    clock_free_fake(w->clock);
    free(w);
    return 0;
}

static TokenOutcome ask_for(World *w, const char *token, const char *audience, const char *client,
                            Waiter *waiter, TokenAnswer *answer)
{
    const StringArray audiences = {&audience, 1};

    waiter->waiter.done = on_done;
    return token_lookup(w->lookups, token, &audiences, client, &waiter->waiter, answer);
}

static TokenOutcome ask(World *w, const char *token, const char *client, Waiter *waiter)
{
    TokenAnswer answer = {0};
    TokenOutcome outcome = ask_for(w, token, "api", client, waiter, &answer);

    if (outcome == TOKEN_KNOWN)
        on_done(&waiter->waiter, &answer);
    return outcome;
}

static void many_waiters_of_a_token_cost_one_question(void **state)
{
    World *w = *state;
    Waiter waiters[50] = {0}, more = {0};

    for (size_t i = 0; i < ARRAY_LEN(waiters); i++)
        assert_int_equal(ask(w, "t", "10.0.0.1", &waiters[i]), TOKEN_LATER);
    assert_int_equal(w->fake.asked_ever, 1);
    fake_answer(&w->fake, 0, "jane", NULL, 120 * SECOND);
    for (size_t i = 0; i < ARRAY_LEN(waiters); i++) {
        assert_int_equal(waiters[i].called, 1);
        assert_string_equal(waiters[i].user, "jane");
    }
    assert_int_equal(ask(w, "t", "10.0.0.2", &more), TOKEN_KNOWN);
    assert_string_equal(more.user, "jane");
    assert_int_equal(w->fake.asked_ever, 1);
    assert_int_equal(token_lookups_running(w->lookups), 0);
}

static const struct {
    const char *name, *user, *error;
    int64_t keep;
    bool kept_before, kept_after; /* a second before its time, and at it */
} keeps[] = {
    {"a user is kept for its time", "jane", NULL, 120, true, false},
    {"so is the answer that there is none", NULL, NULL, 120, true, false},
    {"an error is not kept", NULL, "no route to host", 0, false, false},
};

static void answers_are_kept_for_their_time(void **state _unused_)
{
    EACH_ROW(i, keeps, keeps[i].name) {
        World *w;
        Waiter first = {0}, second = {0}, third = {0};

        setup((void **)&w);
        assert_int_equal(ask(w, "t", NULL, &first), TOKEN_LATER);
        fake_answer(&w->fake, 0, keeps[i].user, keeps[i].error, keeps[i].keep * SECOND);
        assert_string_equal(first.error, str_or(keeps[i].error, ""));
        clock_fake_advance(w->clock, MAX_OF(keeps[i].keep - 1, INT64_C(0)) * SECOND);
        assert_int_equal(ask(w, "t", NULL, &second),
                         keeps[i].kept_before ? TOKEN_KNOWN : TOKEN_LATER);
        clock_fake_advance(w->clock, SECOND);
        assert_int_equal(ask(w, "t", NULL, &third),
                         keeps[i].kept_after ? TOKEN_KNOWN : TOKEN_LATER);
        token_waiter_cancel(&second.waiter);
        token_waiter_cancel(&third.waiter);
        teardown((void **)&w);
    }
}

static void an_answer_at_once_needs_no_waiting(void **state)
{
    World *w = *state;
    Waiter waiter = {0};

    w->fake.at_once = true;
    assert_int_equal(ask(w, "t", "10.0.0.1", &waiter), TOKEN_KNOWN);
    assert_string_equal(waiter.user, "jane");
}

static void other_audiences_are_another_question(void **state)
{
    World *w = *state;
    Waiter one = {0}, two = {0};
    TokenAnswer answer;

    assert_int_equal(ask_for(w, "t", "a", NULL, &one, &answer), TOKEN_LATER);
    assert_int_equal(ask_for(w, "t", "b", NULL, &two, &answer), TOKEN_LATER);
    assert_int_equal(w->fake.asked_ever, 2);
    token_waiter_cancel(&one.waiter);
    token_waiter_cancel(&two.waiter);
}

static void a_dead_source_costs_its_time_once(void **state)
{
    World *w = *state;
    Waiter waiters[20] = {0};

    for (size_t i = 0; i < ARRAY_LEN(waiters); i++)
        assert_int_equal(ask(w, "t", NULL, &waiters[i]), TOKEN_LATER);
    clock_fake_advance(w->clock, LOOKUP_TIMEOUT - 1);
    assert_int_equal(waiters[0].called, 0);
    clock_fake_advance(w->clock, 1);
    for (size_t i = 0; i < ARRAY_LEN(waiters); i++) {
        assert_int_equal(waiters[i].called, 1);
        assert_string_equal(waiters[i].error, "context deadline exceeded");
    }
    assert_int_equal(w->fake.canceled, 1);
    assert_int_equal(w->fake.asked_ever, 1);
}

static void one_client_cannot_take_all_places(void **state)
{
    World *w = *state;
    static Waiter waiters[WAITERS_MAX], other;
    char token[32];
    size_t n = 0;

    memset(waiters, 0, sizeof(waiters));
    other = (Waiter){0};
    for (;; n++) {
        snprintf(token, sizeof(token), "t-%zu", n);
        if (ask(w, token, "10.0.0.1", &waiters[n]) == TOKEN_BUSY)
            break;
    }
    assert_int_equal(n, LOOKUPS_MAX_OF_CLIENT);
    assert_int_equal(ask(w, "mine", "10.0.0.2", &other), TOKEN_LATER);
    /* More waiters of the same tokens are limited as well. */
    for (; n < WAITERS_MAX; n++)
        if (ask(w, "t-0", "10.0.0.1", &waiters[n]) == TOKEN_BUSY)
            break;
    assert_int_equal(n, WAITERS_MAX_OF_CLIENT);
    /* Its places come back. */
    fake_answer(&w->fake, 1, "jane", NULL, SECOND);
    assert_int_equal(ask(w, "t-new", "10.0.0.1", &waiters[n]), TOKEN_LATER);
    token_waiter_cancel(&other.waiter);
    for (size_t i = 0; i <= n; i++)
        token_waiter_cancel(&waiters[i].waiter);
}

static void the_last_waiter_takes_its_question_along(void **state)
{
    World *w = *state;
    Waiter one = {0}, two = {0};

    ask(w, "t", "10.0.0.1", &one);
    ask(w, "t", "10.0.0.1", &two);
    token_waiter_cancel(&one.waiter);
    assert_int_equal(w->fake.canceled, 0);
    token_waiter_cancel(&two.waiter);
    token_waiter_cancel(&two.waiter);
    assert_int_equal(w->fake.canceled, 1);
    assert_int_equal(token_lookups_running(w->lookups), 0);
    assert_int_equal(one.called + two.called, 0);
}

static void what_was_known_ends_with_its_configuration(void **state)
{
    World *w = *state;
    Waiter one = {0}, two = {0}, three = {0};

    ask(w, "t", NULL, &one);
    fake_answer(&w->fake, 0, "jane", NULL, 120 * SECOND);
    w->fake.source.generation++;
    assert_int_equal(ask(w, "t", NULL, &two), TOKEN_LATER);
    /* What is asked while the configuration changes is not kept either. */
    w->fake.source.generation++;
    fake_answer(&w->fake, 0, "jane", NULL, 120 * SECOND);
    assert_string_equal(two.user, "jane");
    assert_int_equal(ask(w, "t", NULL, &three), TOKEN_LATER);
    token_waiter_cancel(&three.waiter);
}

static void the_next_source_is_asked(void **state)
{
    World *w = *state;
    Fake second = {.source = fake_source};
    Waiter one = {0}, two = {0};

    token_lookups_add(w->lookups, &second.source);
    ask(w, "t", NULL, &one);
    assert_int_equal(second.n, 0);
    fake_answer(&w->fake, 0, NULL, "a", 120 * SECOND);
    assert_int_equal(second.n, 1);
    fake_answer(&second, 0, "jane", NULL, SECOND);
    assert_string_equal(one.user, "jane");
    ask(w, "u", NULL, &two);
    fake_answer(&w->fake, 0, NULL, "a", 0);
    fake_answer(&second, 0, NULL, "b", 0);
    assert_string_equal(two.error, "[a, b]");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(many_waiters_of_a_token_cost_one_question),
        cmocka_unit_test(answers_are_kept_for_their_time),
        TEST(an_answer_at_once_needs_no_waiting),
        TEST(other_audiences_are_another_question),
        TEST(a_dead_source_costs_its_time_once),
        TEST(one_client_cannot_take_all_places),
        TEST(the_last_waiter_takes_its_question_along),
        TEST(what_was_known_ends_with_its_configuration),
        TEST(the_next_source_is_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
