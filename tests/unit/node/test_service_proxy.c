/* SPDX-License-Identifier: Apache-2.0 */
/* What the service proxy does while an address of a load balancer cannot be put on the bridge. */
#include "testing.h"

#include "api/schema/core_event_v1.h"
#include "base/log.h"
#include "fake_client.h"
#include "node/service_proxy.h"

typedef struct Attempt {
    int64_t second;
    char address[16];
} Attempt;

typedef struct World {
    uv_loop_t loop;
    FakeClient *fake;
    Clock *clock;
    Random random;
    ServiceProxy *proxy;
    int64_t begin_ns;
    VEC(Attempt) attempts;
    const char *broken; /* the address that fails; "": all do */
    const char *why;
    int there; /* addresses on the bridge */
} World;

static World *world; /* Net's functions have no argument that leads to it */

/* ---- Net ---- */

int net_address_add(Net *net _unused_, const char *address, Err *reterr)
{
    Attempt a = {(clock_mono_ns(world->clock) - world->begin_ns) / NS_PER_SEC, ""};

    snprintf(a.address, sizeof(a.address), "%s", address);
    VEC_PUSH(&world->attempts, a);
    if (world->broken && (!*world->broken || str_equal(world->broken, address)))
        return err_set(reterr, 0, "cannot put %s on the bridge: %s", address, world->why);
    world->there++;
    return 0;
}

int net_address_remove(Net *net _unused_, const char *address _unused_, Err *reterr _unused_)
{
    world->there--;
    return 0;
}

void net_service_on_problem(Net *net _unused_, NetProblem on_problem _unused_, void *data _unused_)
{
}

void net_service_set(Net *net _unused_, const NetServicePort *port _unused_)
{
}

void net_service_remove(Net *net _unused_, const char *key _unused_)
{
}

void net_service_sync_done(Net *net _unused_)
{
}

/* ---- the world ---- */

static int setup(void **state)
{
    ServiceProxyOptions options = {.net = (Net *)&options, .node_name = "node"};
    World *w = world = mem_new_type(World);

    assert_int_equal(uv_loop_init(&w->loop), 0);
    w->fake = fake_client_new(&w->loop);
    w->clock = clock_new_fake(INT64_C(1700000000) * NS_PER_SEC);
    w->begin_ns = clock_mono_ns(w->clock);
    w->why = "no memory";
    random_seed(&w->random, 1);
    options.client = fake_client(w->fake);
    options.clock = w->clock;
    options.random = &w->random;
    assert_int_equal(cidr4_parse("10.42.0.0/16", &options.pods), 0);
    assert_int_equal(cidr4_parse("10.96.0.0/12", &options.services), 0);
    assert_int_equal(cidr4_parse("192.0.2.0/24", &options.load_balancers), 0);
    w->proxy = service_proxy_start(&options);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    World *w = *state;

    w->proxy = service_proxy_stop(w->proxy);
    assert_false(clock_fake_step(w->clock)); /* it has left no timer behind */
    w->fake = fake_client_free(w->fake);
    clock_free_fake(w->clock);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    VEC_DEINIT(&w->attempts);
    free(w);
    world = NULL;
    return 0;
}

static void settle(World *w)
{
    for (int i = 0; i < 4; i++)
        uv_run(&w->loop, UV_RUN_NOWAIT);
}

static void put_service(World *w, const char *name, const char *note, const char *address)
{
    _free_ char *json = mem_printf(
        "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"%s\",\"namespace\":"
        "\"default\",\"uid\":\"%s-uid\",\"labels\":{\"note\":\"%s\"}},\"spec\":{\"type\":"
        "\"LoadBalancer\",\"clusterIP\":\"10.96.0.7\",\"ports\":[{\"port\":80}]},\"status\":"
        "{\"loadBalancer\":{\"ingress\":[{\"ip\":\"%s\"}]}}}",
        name, name, note, address);

    fake_client_put(w->fake, json);
    settle(w);
}

/* Attempts so far were at these seconds, and no others. */
static void expect_attempts(World *w, size_t n, const int64_t *seconds)
{
    assert_int_equal(w->attempts.n, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(w->attempts.v[i].second, seconds[i]);
}
#define EXPECT_ATTEMPTS(w, ...)                                                  \
    expect_attempts(w, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t), \
                    (const int64_t[]){__VA_ARGS__})

typedef struct Search {
    const char *text;
    int n;
} Search;

static bool count_event(void *data, Object *object)
{
    const Event *event = object->value;
    Search *search = data;

    if (str_equal(event->type, "Warning") && str_equal(event->reason, "SyncLoadBalancerFailed") &&
        str_equal(event->involved_object.kind, "Service") && strstr(event->message, search->text))
        search->n++;
    return true;
}

/* How many different Events there are with this text. */
static int events(World *w, const char *text)
{
    Search search = {text, 0};

    settle(w);
    client_list(fake_client(w->fake), kind_find("", "v1", "Event"), NULL, count_event, &search);
    return search.n;
}

/* ---- tests ---- */

static void a_failed_address_is_tried_again_and_said(void **state)
{
    World *w = *state;

    w->broken = "";
    put_service(w, "web", "", "192.0.2.1");
    assert_int_equal(events(w, "cannot put 192.0.2.1 on the bridge: no memory"), 1);
    clock_fake_advance(w->clock, 2 * NS_PER_SEC);
    EXPECT_ATTEMPTS(w, 0, 1);
    w->broken = NULL;
    clock_fake_advance(w->clock, 3600 * NS_PER_SEC);
    EXPECT_ATTEMPTS(w, 0, 1, 3);
    assert_int_equal(w->there, 1);
    assert_int_equal(events(w, ""), 1);
    fake_client_delete(w->fake, "Service", "default", "web", 0);
    settle(w);
    assert_int_equal(w->there, 0);
}

static void attempts_become_rare(void **state)
{
    World *w = *state;

    w->broken = "";
    put_service(w, "web", "", "192.0.2.1");
    clock_fake_advance(w->clock, 200 * NS_PER_SEC);
    EXPECT_ATTEMPTS(w, 0, 1, 3, 7, 15, 31, 63, 123, 183);
    w->why = "not permitted";
    clock_fake_advance(w->clock, 60 * NS_PER_SEC);
    assert_int_equal(events(w, "not permitted"), 1);
}

static void a_change_of_the_service_does_not_try_sooner(void **state)
{
    World *w = *state;

    w->broken = "";
    put_service(w, "web", "", "192.0.2.1");
    clock_fake_advance(w->clock, NS_PER_SEC);
    for (int i = 0; i < 10; i++)
        put_service(w, "web", i % 2 ? "one" : "two", "192.0.2.1");
    EXPECT_ATTEMPTS(w, 0, 1);
    clock_fake_advance(w->clock, 2 * NS_PER_SEC);
    EXPECT_ATTEMPTS(w, 0, 1, 3);
}

static void another_address_begins_anew(void **state)
{
    World *w = *state;

    w->broken = "";
    put_service(w, "web", "", "192.0.2.1");
    clock_fake_advance(w->clock, 10 * NS_PER_SEC);
    put_service(w, "web", "", "192.0.2.2");
    clock_fake_advance(w->clock, NS_PER_SEC);
    EXPECT_ATTEMPTS(w, 0, 1, 3, 7, 10, 11);
    for (size_t i = 4; i < 6; i++)
        assert_string_equal(w->attempts.v[i].address, "192.0.2.2");
    assert_int_equal(events(w, "192.0.2.2"), 1);
}

static void a_service_that_goes_is_not_tried_again(void **state)
{
    World *w = *state;

    w->broken = "";
    put_service(w, "web", "", "192.0.2.1");
    fake_client_delete(w->fake, "Service", "default", "web", 0);
    settle(w);
    clock_fake_advance(w->clock, 3600 * NS_PER_SEC);
    EXPECT_ATTEMPTS(w, 0);
}

static void one_that_fails_keeps_nobody_else_waiting(void **state)
{
    World *w = *state;

    w->broken = "192.0.2.1";
    put_service(w, "web", "", "192.0.2.1");
    clock_fake_advance(w->clock, 100 * NS_PER_SEC);
    put_service(w, "other", "", "192.0.2.9");
    assert_int_equal(w->there, 1);
    w->broken = "";
    put_service(w, "third", "", "192.0.2.3");
    w->broken = "192.0.2.1";
    clock_fake_advance(w->clock, NS_PER_SEC);
    assert_int_equal(w->there, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_failed_address_is_tried_again_and_said),
        TEST(attempts_become_rare),
        TEST(a_change_of_the_service_does_not_try_sooner),
        TEST(another_address_begins_anew),
        TEST(a_service_that_goes_is_not_tried_again),
        TEST(one_that_fails_keeps_nobody_else_waiting),
    };

    log_level_max = LOG_LEVEL_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
