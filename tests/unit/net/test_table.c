/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table's transactions against a kernel that is made up: it keeps elements, refuses a whole
 * script as nft does, and can be told to refuse a word.
 */
#include "testing.h"

#include <uv.h>

#include "base/strmap.h"
#include "net/table.h"

typedef struct Kernel {
    uv_loop_t loop;
    Table *table;
    StrMap elements; /* "services { 10.0.0.1 . tcp . 80" -> itself */
    const char *poison;
    NftOutcome broken; /* what each run comes to, whatever it says */
    int runs, problems, errors;
    char problem[600];
    char *script; /* the transaction under way */
    NftDone done;
    void *done_data;
} Kernel;

static void run(void *data, Bytes script, NftDone done, void *done_data)
{
    Kernel *k = data;

    assert_null(k->script);
    k->script = mem_strndup((const char *)script.p, script.n);
    k->done = done;
    k->done_data = done_data;
    k->runs++;
}

static void clear(StrMap *elements)
{
    strmap_deinit(elements);
    *elements = STRMAP_INIT;
}

/* "add element ip stead-t services { X : goto Y }" -> "services { X" */
static bool take_line(StrMap *elements, const char *line)
{
    bool add = strncmp(line, "add element ", 12) == 0,
         delete = strncmp(line, "delete element ", 15) == 0;
    const char *at = strstr(line, "stead-t ");
    _free_ char *name = NULL;

    if (strncmp(line, "table ", 6) == 0)
        clear(elements);
    if (!add && !delete)
        return true;
    at += strlen("stead-t ");
    name = mem_strndup(at, strcspn(at, ":}"));
    if (add)
        return !strmap_put(elements, name, elements) || strstr(name, "hairpin");
    return strmap_remove(elements, name);
}

static bool apply(Kernel *k)
{
    StrMap after = STRMAP_INIT;
    bool taken = !k->poison || !strstr(k->script, k->poison);

    STRMAP_EACH(&k->elements, slot)
        strmap_put(&after, slot->key, &after);
    for (char *line = k->script; line && taken;
         line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        taken = take_line(&after, line);
    if (!taken) {
        strmap_deinit(&after);
        return false;
    }
    strmap_deinit(&k->elements);
    k->elements = after;
    return true;
}

/* Until nothing is under way. */
static void settle(Kernel *k)
{
    for (int turns = 0; turns < 10000; turns++) {
        NftOutcome outcome;

        uv_run(&k->loop, UV_RUN_NOWAIT);
        if (!k->script)
            return;
        outcome = k->broken ? k->broken : apply(k) ? NFT_DONE : NFT_REFUSED;
        free(TAKE_PTR(k->script));
        k->done(k->done_data, outcome, outcome == NFT_DONE ? "" : "no such thing");
    }
    fail_msg("the table never comes to rest");
}

static void on_problem(void *data, const char *key, const char *text)
{
    Kernel *k = data;

    k->problems++;
    snprintf(k->problem, sizeof(k->problem), "%s: %s", key, text);
}

static void on_error(void *data, const Err *err)
{
    ((Kernel *)data)->errors++;
    assert_non_null(strstr(err->message, "no such thing"));
}

static Kernel *kernel_new(void)
{
    Kernel *k = mem_new_type(Kernel);
    TableOptions options = {.names = {.instance = "t", .bridge = "t", .pod_cidr = "10.42.0.0/24"},
                            .run = run,
                            .run_data = k,
                            .on_error = on_error,
                            .on_error_data = k};

    uv_loop_init(&k->loop);
    k->table = table_new(&k->loop, &options);
    table_on_problem(k->table, on_problem, k);
    return k;
}

static void kernel_free(Kernel *k)
{
    table_close(k->table);
    uv_run(&k->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&k->loop), 0);
    strmap_deinit(&k->elements);
    free(k->script);
    free(k);
}

static void set_full(Kernel *k, const char *key, const char *const *addresses, size_t n,
                     uint16_t port, const char *endpoint)
{
    NetEndpoint to = {endpoint, 5000};

    table_set(k->table, &(NetServicePort){.key = key,
                                          .protocol = "TCP",
                                          .addresses = addresses,
                                          .n_addresses = n,
                                          .port = port,
                                          .endpoints = &to,
                                          .n_endpoints = endpoint != NULL});
}

static void set(Kernel *k, const char *key, const char *address)
{
    set_full(k, key, &address, 1, 80, "10.42.0.9");
}

static bool leads(Kernel *k, const char *address)
{
    _free_ char *name = mem_printf("services { %s . tcp . 80 ", address);

    return strmap_get(&k->elements, name);
}

static void what_changes_in_one_turn_is_one_transaction(void **state)
{
    Kernel *k = kernel_new();

    set(k, "default/a:", "10.96.0.1");
    set(k, "default/b:", "10.96.0.2");
    settle(k);
    assert_int_equal(k->runs, 0); /* not all services are known yet */
    table_start(k->table);
    settle(k);
    assert_int_equal(k->runs, 1);
    set(k, "default/c:", "10.96.0.3");
    table_remove(k->table, "default/a:");
    settle(k);
    assert_int_equal(k->runs, 2);
    assert_false(leads(k, "10.96.0.1"));
    assert_true(leads(k, "10.96.0.2") && leads(k, "10.96.0.3"));
    set(k, "default/c:", "10.96.0.3"); /* as it is */
    settle(k);
    assert_int_equal(k->runs, 2);
    kernel_free(k);
}

static void an_address_moves_from_one_service_to_another(void **state)
{
    Kernel *k = kernel_new();

    table_start(k->table);
    set(k, "default/a:", "10.96.0.1");
    settle(k);
    set(k, "default/b:", "10.96.0.1");
    table_remove(k->table, "default/a:");
    settle(k);
    assert_true(leads(k, "10.96.0.1"));
    assert_int_equal(k->elements.n, 1);
    kernel_free(k);
}

static void who_asks_first_has_the_address_until_it_lets_go(void **state)
{
    const char *both[] = {"10.96.0.2", "10.96.0.1"};
    Kernel *k = kernel_new();

    table_start(k->table);
    set(k, "default/a:", "10.96.0.1");
    set_full(k, "default/b:", both, 2, 80, "10.42.0.9");
    set(k, "default/c:", "10.96.0.1");
    settle(k);
    assert_int_equal(k->problems, 2);
    assert_string_equal(k->problem, "default/c:: TCP 10.96.0.1:80 already leads to default/a:");
    assert_true(leads(k, "10.96.0.1") && leads(k, "10.96.0.2"));
    assert_int_equal(k->runs, 1); /* nothing was refused */
    table_remove(k->table, "default/a:");
    settle(k);
    assert_true(leads(k, "10.96.0.1"));
    assert_int_equal(k->elements.n, 2);
    table_remove(k->table, "default/b:");
    settle(k);
    assert_true(leads(k, "10.96.0.1")); /* c's turn */
    assert_int_equal(k->elements.n, 1);
    table_remove(k->table, "default/c:");
    settle(k);
    assert_int_equal(k->elements.n, 0);
    assert_int_equal(k->problems, 2);
    kernel_free(k);
}

static void what_is_no_address_is_left_out_alone(void **state)
{
    const char *addresses[] = {"10.96.0.1", "fd00::1", "10.96.0.1", "nonsense }", "192.0.2.7"};
    Kernel *k = kernel_new();

    table_start(k->table);
    set_full(k, "default/a:", addresses, ARRAY_LEN(addresses), 80, "10.42.0.9");
    set_full(k, "default/v6:", addresses + 1, 1, 80, "10.42.0.9");
    set_full(k, "default/endpoint:", (const char *[]){"10.96.0.9"}, 1, 80, "fd00::9");
    settle(k);
    assert_int_equal(k->problems, 3);
    assert_true(leads(k, "10.96.0.1") && leads(k, "192.0.2.7"));
    assert_false(leads(k, "10.96.0.9")); /* nobody is there */
    assert_non_null(strmap_get(&k->elements, "nobody { 10.96.0.9 . tcp . 80 "));
    assert_int_equal(k->elements.n, 3);
    assert_int_equal(k->runs, 1);
    kernel_free(k);
}

static void a_refused_service_keeps_nobody_else_out(void **state)
{
    enum { N = 100 };
    Kernel *k = kernel_new();

    k->poison = "10.96.1.77 ";
    table_start(k->table);
    for (int round = 0; round < 2;
         round++) { /* with the new table, and into a table that is there */
        char key[64], address[64];

        k->problems = k->runs = 0;
        for (int i = 0; i < N; i++) {
            snprintf(key, sizeof(key), "default/s%d-%d:", round, i);
            snprintf(address, sizeof(address), "10.96.%d.%d", round + 1, i);
            set(k, key, address);
        }
        settle(k);
        assert_int_equal(k->elements.n, (round + 1) * N - 1);
        assert_int_equal(k->problems, round == 0);
        assert_true(k->runs < 20);
    }
    assert_int_equal(k->errors, 0);
    set(k, "default/late:", "10.96.3.1");
    k->runs = 0;
    settle(k);
    assert_int_equal(k->runs, 1); /* the refused one is not tried each time */
    assert_true(leads(k, "10.96.3.1"));
    set(k, "default/s0-77:", "10.96.4.1"); /* it is put right */
    settle(k);
    assert_true(leads(k, "10.96.4.1"));
    kernel_free(k);
}

static void a_change_that_is_refused_takes_only_its_own_service_out(void **state)
{
    Kernel *k = kernel_new();

    table_start(k->table);
    set(k, "default/a:", "10.96.0.1");
    set(k, "default/b:", "10.96.0.2");
    settle(k);
    k->poison = "10.96.0.66";
    set(k, "default/a:", "10.96.0.66");
    set(k, "default/b:", "10.96.0.3");
    table_pod_add(k->table, "10.42.0.5");
    settle(k);
    assert_true(leads(k, "10.96.0.3"));
    assert_non_null(strmap_get(&k->elements, "hairpin { 10.42.0.5 . 10.42.0.5 "));
    assert_int_equal(k->elements.n, 2);
    assert_string_equal(k->problem, "default/a:: nft refused it: no such thing");
    table_pod_remove(k->table, "10.42.0.5");
    table_remove(k->table, "default/a:");
    settle(k);
    assert_int_equal(k->elements.n, 1);
    kernel_free(k);
}

static void a_table_that_cannot_be_made_is_tried_again(void **state)
{
    Kernel *k = kernel_new();

    k->broken = NFT_UNKNOWN;
    table_start(k->table);
    set(k, "default/a:", "10.96.0.1");
    settle(k);
    assert_int_equal(k->runs, 1);
    set(k, "default/b:", "10.96.0.2"); /* waits for that try */
    settle(k);
    assert_int_equal(k->runs, 1);
    assert_int_equal(k->errors, 1);
    k->broken = NFT_DONE;
    while (!k->script)
        uv_run(&k->loop, UV_RUN_ONCE);
    settle(k);
    assert_int_equal(k->runs, 2);
    assert_true(leads(k, "10.96.0.1") && leads(k, "10.96.0.2"));
    kernel_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_changes_in_one_turn_is_one_transaction),
        cmocka_unit_test(an_address_moves_from_one_service_to_another),
        cmocka_unit_test(who_asks_first_has_the_address_until_it_lets_go),
        cmocka_unit_test(what_is_no_address_is_left_out_alone),
        cmocka_unit_test(a_refused_service_keeps_nobody_else_out),
        cmocka_unit_test(a_change_that_is_refused_takes_only_its_own_service_out),
        cmocka_unit_test(a_table_that_cannot_be_made_is_tried_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
