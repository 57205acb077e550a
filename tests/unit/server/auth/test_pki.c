/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates: made once, kept, and made anew when names change or time runs out. */
#include "testing.h"

#include <sys/stat.h>

#include "base/files/file.h"
#include "server/server.h"

#define EPOCH INT64_C(1795248000)

typedef struct Fixture {
    char dir[64];
    Clock *clock;
} Fixture;

static int setup(void **state)
{
    Fixture *f = mem_new_type(Fixture);

    snprintf(f->dir, sizeof(f->dir), "/tmp/test-pki-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->clock = clock_new_fake(EPOCH * NS_PER_SEC);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;

    assert_int_equal(file_remove_tree(f->dir), 0);
    clock_free_fake(f->clock);
    free(f);
    return 0;
}

static Pki *open_pki(Fixture *f, const char *address)
{
    const char *addresses[] = {address, NULL};
    Err err = ERR_INIT;
    Pki *pki;

    if (pki_open(f->dir, addresses, 0, f->clock, &pki, &err) < 0)
        fail_msg("%s", err.message);
    return pki;
}

static void what_is_there_is_kept(void **state)
{
    Fixture *f = *state;
    Pki *first = open_pki(f, "10.0.0.1"), *second = open_pki(f, "10.0.0.1");

    assert_string_equal(first->ca_pem, second->ca_pem);
    assert_string_equal(first->server_pem, second->server_pem);
    assert_string_equal(first->admin_pem, second->admin_pem);
    assert_string_equal(first->token_key_pem, second->token_key_pem);
    pki_free(first);
    pki_free(second);
}

static void keys_are_for_the_owner_alone(void **state)
{
    Fixture *f = *state;
    _free_ char *path = mem_printf("%s/ca.key", f->dir);
    struct stat st;

    pki_free(open_pki(f, "10.0.0.1"));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

/* Clients in Java, and others that know one form of keys, read these. */
static void keys_are_in_the_form_that_everybody_reads(void **state)
{
    static const char head[] = "-----BEGIN EC PRIVATE KEY-----\n";
    /* As it was written by older versions. */
    static const char pkcs8[] = "-----BEGIN PRIVATE KEY-----\n"
                                "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2\n"
                                "OF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r\n"
                                "1RTwjmYSi9R/zpBnuQ4EiMnCqfMPWiZqB4QdbAd0E7oH50VpuZ1P087G\n"
                                "-----END PRIVATE KEY-----\n";
    Fixture *f = *state;
    Pki *pki = open_pki(f, "10.0.0.1");
    _free_ char *path = mem_printf("%s/admin.key", f->dir);

    assert_memory_equal(pki->admin_key_pem, head, strlen(head));
    assert_memory_equal(pki->server_key_pem, head, strlen(head));
    pki_free(pki);
    assert_int_equal(file_replace(path, pkcs8, strlen(pkcs8), 0600), 0);
    pki = open_pki(f, "10.0.0.1");
    assert_memory_equal(pki->admin_key_pem, head, strlen(head));
    pki_free(pki);
}

static void a_new_address_makes_a_new_server_certificate(void **state)
{
    Fixture *f = *state;
    Pki *first = open_pki(f, "10.0.0.1"), *second = open_pki(f, "10.0.0.2");

    assert_string_not_equal(first->server_pem, second->server_pem);
    assert_string_equal(first->server_key_pem, second->server_key_pem);
    assert_string_equal(first->ca_pem, second->ca_pem);
    assert_string_equal(first->admin_pem, second->admin_pem);
    pki_free(first);
    pki_free(second);
}

static void a_server_certificate_is_renewed_in_time(void **state)
{
    Fixture *f = *state;
    Pki *first = open_pki(f, "10.0.0.1"), *second, *third;

    clock_fake_advance(f->clock, 200 * 86400 * NS_PER_SEC);
    second = open_pki(f, "10.0.0.1");
    assert_string_equal(first->server_pem, second->server_pem);
    clock_fake_advance(f->clock, 100 * 86400 * NS_PER_SEC);
    third = open_pki(f, "10.0.0.1");
    assert_string_not_equal(first->server_pem, third->server_pem);
    assert_string_equal(first->admin_pem, third->admin_pem);
    pki_free(first);
    pki_free(second);
    pki_free(third);
}

static void a_server_certificate_is_renewed_while_it_runs(void **state)
{
    Fixture *f = *state;
    const char *addresses[] = {"10.0.0.1", NULL};
    int64_t now = clock_wall_ns(f->clock) / NS_PER_SEC;
    _free_ char *before = NULL;
    Err err = ERR_INIT;
    Pki *pki, *again;

    assert_int_equal(pki_open(f->dir, addresses, 8000, f->clock, &pki, &err), 0);
    before = mem_strdup(pki->server_pem);
    assert_int_equal(pki_renew_at(pki), now + 6000);
    assert_int_equal(pki_renew(pki, f->dir, addresses, f->clock, &err), 0);
    assert_string_equal(before, pki->server_pem);
    clock_fake_advance(f->clock, 6001 * NS_PER_SEC);
    assert_int_equal(pki_renew(pki, f->dir, addresses, f->clock, &err), 1);
    assert_string_not_equal(before, pki->server_pem);
    assert_int_equal(pki_renew_at(pki), now + 6001 + 6000);
    assert_int_equal(pki_open(f->dir, addresses, 8000, f->clock, &again, &err), 0);
    assert_string_equal(again->server_pem, pki->server_pem);
    pki_free(pki);
    pki_free(again);
}

static void a_file_that_holds_no_key_is_an_error(void **state)
{
    Fixture *f = *state;
    _free_ char *path = mem_printf("%s/ca.key", f->dir);
    const char *addresses[] = {NULL};
    Err err = ERR_INIT;
    Pki *pki;

    assert_int_equal(file_replace(path, "nonsense", 8, 0600), 0);
    assert_true(pki_open(f->dir, addresses, 0, f->clock, &pki, &err) < 0);
    assert_non_null(strstr(err.message, "ca.key holds no private key"));
}

/* Each row changes one thing that makes a certificate of a user useless for what is asked for. */
static void a_users_certificate_is_good_for_this_user_and_these_groups(void **state)
{
    static const char *const groups[] = {"ops", "stead:users", NULL}, *const others[] = {"ops",
                                                                                         NULL};
    const int64_t day = 86400;
    Fixture *f = *state;
    char *pem, *key, *other_pem, *other_key;
    Err err = ERR_INIT;
    Pki *pki = open_pki(f, "10.0.0.1");

    assert_int_equal(pki_issue_client(pki, "alice", groups, f->clock, &pem, &key, &err), 0);
    assert_int_equal(pki_issue_client(pki, "bob", groups, f->clock, &other_pem, &other_key, &err),
                     0);
    assert_true(pki_client_is_good(pem, key, pki->ca_pem, "alice", groups, EPOCH));
    assert_true(pki_client_is_good(pem, key, pki->ca_pem, "alice", groups, EPOCH + 270 * day));
    assert_false(pki_client_is_good(pem, key, pki->ca_pem, "alice", groups, EPOCH + 280 * day));
    assert_false(pki_client_is_good(pem, key, pki->ca_pem, "alice", others, EPOCH));
    assert_false(pki_client_is_good(pem, key, pki->ca_pem, "bob", groups, EPOCH));
    assert_false(pki_client_is_good(pem, other_key, pki->ca_pem, "alice", groups, EPOCH));
    assert_false(pki_client_is_good(pem, key, pki->admin_pem, "alice", groups, EPOCH));
    assert_false(pki_client_is_good("nonsense", key, pki->ca_pem, "alice", groups, EPOCH));
    free(pem);
    free(key);
    free(other_pem);
    free(other_key);
    pki_free(pki);
}

/* X.509 allows 64 characters in a name. */
static void a_name_that_is_too_long_for_a_certificate_is_an_error(void **state)
{
    static const char long_name[] =
        "a-group-whose-name-has-more-characters-than-fit-into-a-field-of-x509";
    const char *groups[] = {long_name, NULL};
    Fixture *f = *state;
    char *pem, *key;
    Err err = ERR_INIT;
    Pki *pki = open_pki(f, "10.0.0.1");

    assert_true(pki_issue_client(pki, "alice", groups, f->clock, &pem, &key, &err) < 0);
    assert_null(pem);
    assert_null(key);
    assert_non_null(strstr(err.message, "alice"));
    pki_free(pki);
}

/* The folder cannot take its place, since something else has its name. */
static void a_folder_that_cannot_be_made_is_an_error(void **state)
{
    Fixture *f = *state;
    const char *addresses[] = {"10.0.0.1", NULL};
    _free_ char *dir = mem_printf("%s/pki", f->dir), *wanted = mem_printf("make folder %s", dir);
    Err err = ERR_INIT;
    Pki *pki;

    assert_int_equal(symlink("nowhere", dir), 0);
    assert_true(pki_open(dir, addresses, 0, f->clock, &pki, &err) < 0);
    assert_true(str_starts_with(err.message, wanted));
    assert_int_equal(unlink(dir), 0);
    assert_int_equal(pki_open(dir, addresses, 0, f->clock, &pki, &err), 0);
    pki_free(pki);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_there_is_kept),
        TEST(keys_are_for_the_owner_alone),
        TEST(keys_are_in_the_form_that_everybody_reads),
        TEST(a_new_address_makes_a_new_server_certificate),
        TEST(a_server_certificate_is_renewed_in_time),
        TEST(a_server_certificate_is_renewed_while_it_runs),
        TEST(a_file_that_holds_no_key_is_an_error),
        TEST(a_users_certificate_is_good_for_this_user_and_these_groups),
        TEST(a_name_that_is_too_long_for_a_certificate_is_an_error),
        TEST(a_folder_that_cannot_be_made_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
